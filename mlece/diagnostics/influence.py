"""How much the estimates owe to each observation: changes without it, Cook's distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.dataframes import data_frame
from mlece.diagnostics.cross_validation import members_family
from mlece.fits.contributions import Contributions, contributions
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.numerics.symmetric import symmetric_inverse
from mlece.sample import Sample

METHODS = ("one step", "refit")
_SLAB = 1 << 21  # weights of the refits of a slab


@dataclass(frozen=True, eq=False)
class Influence:
    """What the estimates would be without each observation.

    Attributes
    ----------
    names : tuple of str
        The k parameters that were estimated.
    change : array (..., n, k)
        Estimate less that without the observation, in the parameters' own units (R: ``dfbeta``). NaN
        where the rest has no estimate.
    dfbetas : array (..., n, k)
        The same in standard errors of the whole sample, those of the Hessian.
    cook : array (..., n)
        Cook's distance d'(nA)d/k of that change d, A the Hessian of the cross-entropy.
    method : {"one step", "refit"}
    """

    names: tuple[str, ...]
    change: Array
    dfbetas: Array
    cook: Array
    method: str

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return Cook's distances and dfbetas of a single fit as a data frame, one row an observation.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}

        Raises
        ------
        DataError
            For a batch of fits, which is no table.
        """
        if self.cook.ndim > 1:
            raise errors.DataError(
                errors.message("the influence in one fit for a table", f"shape {self.cook.shape}")
            )
        columns = {"cook": self.cook.tolist()}
        columns |= {name: self.dfbetas[:, j].tolist() for j, name in enumerate(self.names)}
        return data_frame(columns, backend)

    def __str__(self) -> str:
        how = "by one Newton step" if self.method == "one step" else "by refits"
        if self.cook.ndim > 1:
            largest = np.nanmax(self.cook)
            return (
                f"Cook's distances of {self.cook.shape} observations, at most {largest:.3g} ({how})"
            )
        lost = np.isnan(self.cook)
        if lost.all():
            return f"without any one observation there is no estimate ({how})"
        order = np.argsort(np.where(lost, -np.inf, self.cook))[::-1]
        first, size = int(order[0]), self.cook
        moved = int(np.argmax(np.abs(self.dfbetas[first])))
        second = f" (next {size[order[1]]:.3g})" if (~lost).sum() > 1 else ""
        told = (
            f"observation {first} has the largest Cook's distance, {size[first]:.3g}{second}; it moves "
            f"{self.names[moved]} by {self.dfbetas[first, moved]:.2f} standard errors ({how})"
        )
        return told + (f"; without {int(lost.sum())} there is no estimate" if lost.any() else "")


def influence(fit: Fit, *, method: str = "one step") -> Influence:
    """Return how the estimates change when single observations are left out.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch, with covariates or without. Of observations with a frequency
        weight one copy is left out, of those with a sampling weight the row.
    method : {"one step", "refit"}
        One Newton step of the likelihood without the observation, from the estimate: for a regression
        with one predictor and a canonical link the score divided by 1 − h, h its leverage (Pregibon
        1981). Or the estimate itself, all refits in batches: exact, for as many observations as that is
        worth.

    Returns
    -------
    Influence

    Raises
    ------
    NotRegularError
        If no member has a regular interior optimum.
    UnknownNameError
        For another method.

    Notes
    -----
    The matrix of Cook's distance is the information of all parameters, the dispersion among them, and k
    their number. In a linear model with one standard deviation σ̂² is that of maximum likelihood. One step
    holds the penalty of a penalised fit as it is; a refit divides by the standard deviations of the
    columns that are left.

    References
    ----------
    Cook, R. D. (1977). Detection of influential observation in linear regression. Technometrics 19,
    15-18.

    Pregibon, D. (1981). Logistic regression diagnostics. Annals of Statistics 9, 705-724.

    Examples
    --------
    >>> import mlece
    >>> x = {"x": [0.0, 1.0, 2.0, 3.0, 10.0]}
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4, 3], given=x)
    >>> found = mlece.influence(fit)
    >>> int(found.cook.argmax()), found.dfbetas[4].round(2).tolist()
    (4, [1.25, -4.94])
    """
    if method not in METHODS:
        raise errors.unknown_name("method of influence", method, METHODS)
    fit._data_only("influence")
    if fit.on_simplex:
        raise errors.NotRegularError(
            errors.message(
                "parameters one by one for influence",
                "a point of the simplex",
                "Its shares change by (1 - p)/(n - 1) and -p/(n - 1)",
            )
        )
    found = contributions(fit, 2)
    found.require_regular("influence")
    drop = _dropped(fit, found)
    bread = found.hessian * found.total[:, None, None]
    change = _one_step(fit, found, bread, drop) if method == "one step" else _refits(fit, drop)
    change = np.where(found.regular[:, None, None], change, np.nan)
    framed = change / found.factors[:, None, :]
    with np.errstate(invalid="ignore"):
        cook = np.vecdot(framed @ bread, framed) / framed.shape[-1]
        roots = np.sqrt(np.diagonal(symmetric_inverse(bread), axis1=1, axis2=2))
        scaled = framed / roots[:, None, :]
    shape, at = fit.sample.batch_shape, _places(fit)
    change, scaled = (np.take_along_axis(a, at[:, :, None], axis=1) for a in (change, scaled))
    return Influence(
        fit.names,
        change.reshape(*shape, -1, change.shape[-1]),
        scaled.reshape(*shape, -1, change.shape[-1]),
        np.take_along_axis(cook, at, axis=1).reshape(*shape, -1),
        method,
    )


def _places(fit: Fit) -> Array:
    """Return where the engine has each observation that came, (R, n); counts are tabulated."""
    sample, table = fit.sample, fit.objective.sample
    own = np.arange(sample.rows)[None]
    if table is not sample and sample.values.ndim == 2:
        whole = np.broadcast_to(table.values, (len(table.values), table.rows))
        if len(whole) == 1 and len(sample.values) == 1:
            order = np.argsort(whole[0], kind="stable")
            own = order[np.searchsorted(whole[0], sample.values[0], sorter=order)][None]
        else:
            own = (sample.values[:, :, None] == whole[:, None, :]).argmax(axis=2)
    own = own if sample.places is None else own[:, sample.places]
    return np.broadcast_to(own, (fit.objective.size, own.shape[1]))


def _dropped(fit: Fit, found: Contributions) -> Array:
    """Return the weight that is left out with each observation, (R, n)."""
    w = found.weights
    return np.asarray(w if fit.sample.weighting == "sampling" else np.minimum(w, 1.0))


def _one_step(fit: Fit, found: Contributions, bread: Array, drop: Array) -> Array:
    """Return estimate less one Newton step on the rest, (R, n, k)."""
    assert found.score is not None
    assert found.curvature is not None
    gradient, own = -found.score, -found.curvature
    if fit.objective.penalty is not None:
        # Every observation carries an equal share of the penalty.
        free = [i for i, p in enumerate(fit.family.params) if p.name in fit.names]
        _, slope, bend = fit.objective.penalty.at(fit.framed, slice(None))
        gradient = gradient + slope[:, None, free]
        own = own + bend[:, None, free][..., free]
    rest = bread[:, None] - drop[..., None, None] * own
    k = gradient.shape[-1]
    inverse = symmetric_inverse(rest.reshape(-1, k, k)).reshape(rest.shape)
    # On the rest the gradient is what is missing, with the other sign.
    step = (inverse @ gradient[..., None])[..., 0] * drop[..., None]
    return -step * found.factors[:, None, :]


def _refits(fit: Fit, drop: Array) -> Array:
    """Return estimate less that of the rest, (R, n, k), refitted in batches."""
    sample, size = fit.objective.sample, fit.objective.size
    rows = sample.rows
    whole = np.ones((1, rows)) if sample.weights is None else sample.weights
    whole = np.broadcast_to(whole, (size, rows))
    member, row = (a.ravel() for a in np.indices((size, rows)))
    own = np.stack([fit.flat(name) for name in fit.names], axis=-1)
    out = np.full((size * rows, len(fit.names)), np.nan)
    stride = max(1, _SLAB // rows)
    for start in range(0, len(out), stride):
        cut = slice(start, start + stride)
        m, at = member[cut], row[cut]
        weights = whole[m]
        weights[np.arange(len(m)), at] -= drop[m, at]
        values = sample.values if len(sample.values) == 1 else sample.values[m]
        part = Sample(values, weights, (len(m),), sample.name, weighting=sample.weighting)
        other = fit_sample(members_family(fit, m), part)
        solved = [s.solved for s in np.ravel(np.asarray(other.certificate.status, dtype=object))]
        found = np.stack([other.flat(name) for name in fit.names], axis=-1)
        out[cut] = np.where(np.array(solved)[:, None], own[m] - found, np.nan)
    return out.reshape(size, rows, -1)
