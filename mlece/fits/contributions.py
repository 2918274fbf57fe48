"""What every observation adds to a fit: its log density, score and curvature at the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import is_incomplete
from mlece.fits.covariance import refusals
from mlece.fits.result import Fit
from mlece.likelihood.evaluation import stacked_scores, triangle
from mlece.likelihood.kinks import kink_information
from mlece.math import Array
from mlece.model import Model
from mlece.quantities import HeldOut
from mlece.sample import weights_like


@dataclass(frozen=True)
class Contributions:
    """Log density of each observation and its derivatives in the k free parameters, framed.

    Framed parameters differ from the user's by constant factors, so that no statistic that is invariant
    under a linear change of parameters sees them. A point of the simplex is read in its K logits, where
    an empty cell has score 0; matrices then have rank K − 1 at most.

    Attributes
    ----------
    log_density : array (R, n)
        In the user's units. NaN for members of a batch without a minimiser.
    weights : array (R, n)
        Frequency weights, ones where there are none.
    score : array (R, n, k) or None
        First derivatives of the log density.
    curvature : array (R, n, k, k) or None
        Second derivatives.
    factors : array (R, k)
        dθ/dθ_framed: divide a score by it for the user's parameter.
    regular : array of bool (R,)
        Whether the estimate is a regular interior optimum, so that its scores have a normal limit.
    kink : array (R, k, k) or None
        What a kink of the density adds to the mean of minus the curvatures, which are those away from
        it, and the curvature of a penalty.
    """

    log_density: Array
    weights: Array
    score: Array | None
    curvature: Array | None
    factors: Array
    regular: Array
    kink: Array | None = None

    def require_regular(self, what: str) -> None:
        """Raise unless some member has a regular interior optimum."""
        if not self.regular.any():
            raise errors.NotRegularError(
                errors.message(
                    f"a regular likelihood with an interior optimum for {what}",
                    "an end of the support, an edge of the parameter space or no maximum",
                    "fit.certificate says which",
                )
            )

    @property
    def total(self) -> Array:
        """Total weight, (R,)."""
        return np.asarray(self.weights.sum(axis=1))

    def mean(self, values: Array) -> Array:
        """Return the weighted mean over observations of (R, n, ...), (R, ...)."""
        total = self.total.reshape((-1,) + (1,) * (values.ndim - 2))
        return np.asarray(np.einsum("rn,rn...->r...", self.weights, values) / total)

    @property
    def hessian(self) -> Array:
        """A, the mean of minus the curvatures, (R, k, k)."""
        assert self.curvature is not None
        smooth = np.asarray(-self.mean(self.curvature))
        return smooth if self.kink is None else smooth + self.kink

    @property
    def outer(self) -> Array:
        """B, the mean outer product of the scores, (R, k, k)."""
        assert self.score is not None
        weighted = self.weights[:, :, None] * self.score
        return np.swapaxes(weighted, 1, 2) @ self.score / self.total[:, None, None]


def contributions(fit: Fit, order: int = 1) -> Contributions:
    """Return what every observation adds to a fit.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch of R.
    order : {0, 1, 2}
        Highest derivative.

    Returns
    -------
    Contributions
    """
    objective, family, theta = fit.objective, fit.family, fit.framed
    size, rows = objective.size, objective.sample.rows
    free = [i for i, p in enumerate(family.params) if p.name in family.free]
    factors = family.frame_factors(objective.user.scale)
    k = theta[0].shape[-1] if fit.on_simplex else len(free)
    reach = np.ones((size, k))
    if not fit.on_simplex:
        for j, i in enumerate(free):
            reach[:, j] = factors[i]
    w = objective.sample.weights
    weights = np.ones((1, rows)) if w is None else w
    y = objective.frame.apply(objective.sample.values, slice(None))
    columns = tuple(p[:, None] for p in theta)
    score = curvature = None
    with np.errstate(all="ignore"):
        t = family.statistics(y)
        log_density = family.log_density_hook(t, columns) - _log_scales(fit)
        if order >= 1:
            score = stacked_scores(family.score_hook(t, columns), rows)
        if order >= 2:
            raw = family.curvature_hook(t, columns)
            if isinstance(raw, tuple):
                raw = triangle(tuple(np.broadcast_to(c, (size, rows)) for c in raw), len(theta))
            curvature = np.asarray(raw)
        if fit.on_simplex and score is not None:
            score, curvature = _in_logits(score, columns[0], order)
        elif score is not None:
            score = np.broadcast_to(score, (size, rows, len(theta)))[..., free]
            if curvature is not None:
                full = np.broadcast_to(curvature, (size, rows, len(theta), len(theta)))
                curvature = full[..., free, :][..., free]
    log_density = np.array(np.broadcast_to(log_density, (size, rows)))
    for members, model in fit.groups() if fit.limit_models else ():
        if int(members[0]) in fit.limit_models:
            own = objective.sample.values
            own = own if len(own) == 1 else own[members]
            log_density[members] = member_log_density(family, model, own)
    log_density[np.isnan(fit.values)] = np.nan
    weights = np.broadcast_to(weights, (size, rows))
    regular = _regular(fit, order)
    kink = kink_information(objective, theta) if order >= 2 and regular.any() else None
    kink = kink if kink is None else kink[:, free][:, :, free]
    if order >= 2 and fit.objective.penalty is not None:
        bend = fit.objective.penalty.at(theta, slice(None)).bend[:, free][:, :, free]
        kink = bend if kink is None else kink + bend
    return Contributions(log_density, weights, score, curvature, reach, regular, kink)


def member_log_density(family: Model, model: Model, y: Array) -> Array:
    """Return the log density of observations as a sample holds them: numbers, codes, vectors, triples.

    Parameters
    ----------
    family : Model
        The family that was fitted.
    model : Model
        Fitted members, of batch shape (r,): of that family, or of one at its limit.
    y : array (r or 1, s) or (r or 1, s, d)

    Returns
    -------
    array (r, s)
        In the user's units; minus infinity outside the support. Incomplete observations have the log
        of their probability.
    """
    return family.alike(model).log_density(family.decode(y))


def member_score(family: Model, model: Model, y: Array) -> Array:
    """Return the scores of observations as a sample holds them, (r, s, k), in the user's units.

    Parameters
    ----------
    family, model, y
        As for :func:`member_log_density`; members of the family, none at a limit.
    """
    return family.alike(model).score(family.decode(y))


def mean_score(fit: Fit, log_density: Callable[[Any, Array], Array], weights: Array) -> Any:
    """Return the mean of −log density of observations under the fitted members.

    Parameters
    ----------
    fit : Fit
    log_density : callable
        From members of the batch, as a model of r, and their indices (r,) to an array (r, n).
    weights : array (..., n)
        Observations of weight 0 are left out.

    Returns
    -------
    HeldOut
        For a batch an array, NaN for members without a minimiser.
    """
    shape, size, groups = fit.sample.batch_shape, fit.objective.size, fit.groups()
    if not groups:
        fit.model  # noqa: B018  (raises: there is no fitted member)
    seen = np.broadcast_to(weights, (*shape, weights.shape[-1])).reshape(size, -1)
    out = np.full(size, np.nan)
    for members, model in groups:
        here = seen[members]
        found = np.where(here > 0, log_density(model, members), 0.0)
        out[members] = -(here * found).sum(axis=-1) / here.sum(axis=-1)
    return out.reshape(shape) if shape else HeldOut(out[0])


def held_out(fit: Fit, data: Any, weights: Any) -> Any:
    """Return the cross-entropy of observations (n,), or (..., n) for a batch, that a fit has not seen."""
    array = as_array(data, "held-out data")
    shape = fit.sample.batch_shape
    rows = array.shape[: array.ndim - (fit.family._observations == "vectors")]
    if len(rows) > 1 and rows[:-1] != shape:
        raise errors.DataError(
            errors.message(
                f"held-out data of shape {(*shape, 'n')} for this fit", f"shape {array.shape}"
            )
        )
    w = weights_like(weights, rows[-1])
    flat = array.reshape(-1, *array.shape[len(rows) - 1 :])
    return mean_score(
        fit,
        lambda model, members: model.log_density(flat if len(flat) == 1 else flat[members]),
        np.ones(rows[-1]) if w is None else w,
    )


def _log_scales(fit: Fit) -> Array:
    """Return what the frame takes off the log density of each observation, (R, n) or (R, 1)."""
    whole = fit.objective.log_scale[:, None]
    family, values = fit.family, fit.objective.sample.values
    if isinstance(family, Conditional):
        values, family = family.split(values), family.inner
    if not is_incomplete(family):
        return np.asarray(whole)
    # A density has units, a probability has none.
    exact = values[..., 0] == values[..., 1]
    share = np.asarray(fit.family.density_share(fit.objective.summary))[:, None]
    return np.where(exact, whole / np.where(share > 0, share, 1.0), 0.0)


def _regular(fit: Fit, order: int) -> Array:
    """Return which members of a batch are interior optima of a regular likelihood, (R,)."""
    out = np.ones(fit.objective.size, dtype=bool)
    if any(not fit.family.parameter(name).regular for name in fit.names):
        return ~out
    if fit.names and order:
        out[list(refusals(fit))] = False
    return out


def _in_logits(score: Array, p: Array, order: int) -> tuple[Array, Array | None]:
    """Carry the score of multinomial probabilities over to their logits."""
    cells = np.where(p > 0, p * score, 0.0)
    trials = cells.sum(axis=-1, keepdims=True)
    if order < 2:
        return cells - p * trials, None
    spread = p[..., :, None] * np.eye(p.shape[-1]) - p[..., :, None] * p[..., None, :]
    return cells - p * trials, -trials[..., None] * spread
