"""Residuals that are uniform, or normal, under the fitted law, whatever its kind and the data's."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import laws_at, response_family
from mlece.diagnostics.distance import mass_at
from mlece.diagnostics.residual_kinds import OF_RESPONSES, of_responses
from mlece.fits.result import Fit
from mlece.math import Array, ndtri
from mlece.model import Model
from mlece.randomness import stream

KINDS = ("quantile", *OF_RESPONSES)


def intervals_of(law: Any, values: Array, incomplete: bool) -> tuple[Array, Array, Array, Array]:
    """Return P(Y < y), P(Y ≤ y) and their complements of observations, (r, n) each.

    For incomplete observations P(Y ≤ lower), P(Y ≤ upper), for exact ones both at the observation, each
    given that it lies beyond its entry.

    Parameters
    ----------
    law : Model or RowLaws
        A known law, of r members or one, or one for each observation.
    values : array (r, n) or (r, n, 3)
        Observations as the engine has them.
    incomplete : bool
        Whether they are triples.
    """
    if not incomplete:
        at, over = law.cdf(values), law.sf(values)
        jump = mass_at(law, values)
        return at - jump, at, over + jump, over
    lower, upper, entry = (values[..., j] for j in range(3))
    exact = lower == upper
    jump = np.where(exact, mass_at(law, np.where(exact, upper, _some(law, upper))), 0.0)
    if law.support.discrete:
        lower = np.where(exact, lower, np.ceil(lower) - 1.0)
    start, low, high = (_ends(law, end) for end in (entry, lower, upper))
    with np.errstate(over="ignore", invalid="ignore"):
        share = jump * np.exp(-start[1])
        (below, above), (at, over) = (_beyond(start, end) for end in (low, high))
    return below - share, at, above + share, over


def _beyond(start: tuple[Array, Array], end: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return P(Y ≤ end) and P(Y > end) given Y > start, for what ``_ends`` tells of them.

    Where little lies beyond the start, differences of distribution functions next to 1 cancel; the ratio
    of what lies beyond does not.
    """
    ratio = end[1] - start[1]
    plain = (end[0] - start[0]) * np.exp(-start[1])
    return np.where(start[0] > 0.5, -np.expm1(ratio), plain), np.exp(ratio)


def _ends(law: Any, y: Array) -> tuple[Array, Array]:
    """Return P(Y ≤ y) and log P(Y > y) at ends that may be infinite."""
    finite = np.isfinite(y)
    inner = np.where(finite, y, _some(law, y))
    return (
        np.where(finite, law.cdf(inner), (y > 0) * 1.0),
        np.where(finite, law.log_sf(inner), np.where(y > 0, -np.inf, 0.0)),
    )


def _some(law: Any, y: Array) -> Array:
    """Return a finite number in the place of each infinite end."""
    finite = y[np.isfinite(y)]
    return np.asarray(np.where(np.isfinite(y), y, finite[0] if finite.size else 0.0))


def pit(fit: Fit) -> tuple[Any, Any]:
    """Return the probability integral transforms of the observations, P(Y < y) and P(Y ≤ y).

    Parameters
    ----------
    fit : Fit
        A fit to data, exact or incomplete, single or a batch.

    Returns
    -------
    below, up_to : arrays (..., n)
        Equal for exact observations of a density. Under the fitted law a uniform number is known to lie
        between them. For an interval the distribution function at its ends; given that the
        observation lies beyond its entry, where it has one. NaN for members of a batch without a
        minimiser.

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, labels without an order or vectors.

    Examples
    --------
    >>> import mlece
    >>> below, up_to = mlece.pit(mlece.fit("exponential", [1.0, 2.0, 3.0]))
    >>> up_to.round(3).tolist()
    [0.393, 0.632, 0.777]
    """
    found = _of_fit(fit)
    shape = (*fit.sample.batch_shape, -1)
    return found[0].reshape(shape), found[1].reshape(shape)


def residuals(fit: Fit, *, kind: str = "quantile", rng: Any = 0) -> Any:
    """Return residuals: randomised quantile residuals, standard normal under the fitted law, or others.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch, with covariates or without.
    kind : {"quantile", "response", "pearson", "deviance"}
        Quantile residuals are defined for exact and incomplete observations, and for labels in an order
        (Ordinal); y − E[Y], the same over the
        standard deviation, and signed roots of the deviance for exact ones. The deviance sets free the
        slot that tells where the law lies, and is divided by the dispersion where a model has one.
    rng : int or numpy.random.Generator
        Draws the uniform number between P(Y < y) and P(Y ≤ y) where these differ: for counts, atoms and
        incomplete observations.

    Returns
    -------
    array (..., n)

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, labels without an order or vectors; for labels and incomplete
        observations, unless the kind is "quantile".
    UnknownNameError
        For another kind.

    Notes
    -----
    Dunn and Smyth (1996), Journal of Computational and Graphical Statistics 5, 236-244; McCullagh and
    Nelder (1989), Generalized Linear Models, section 2.4.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit("gaussian", [1.0, 2.0, 3.0])
    >>> (mlece.residuals(fit).round(4) + 0.0).tolist()
    [-1.2247, 0.0, 1.2247]
    """
    if kind not in KINDS:
        raise errors.unknown_name("kind of residual", kind, KINDS)
    _require_line(fit, kind)
    if kind != "quantile":
        places = slice(None) if fit.sample.places is None else fit.sample.places
        return of_responses(fit, kind)[:, places].reshape((*fit.sample.batch_shape, -1))
    below, at, above, over = _of_fit(fit)
    share = stream(rng).random(below.shape)
    lower = below + share * (at - below)
    upper = over + (1.0 - share) * (above - over)
    # From the tail in which the number has its digits.
    with np.errstate(invalid="ignore"):
        out = np.where(lower < upper, ndtri(lower), -ndtri(upper))
    return out.reshape((*fit.sample.batch_shape, -1))


def has_order(family: Model) -> bool:
    """Return whether responses of a family lie on a line: numbers, and labels in an order."""
    labels = family.support.kind == "categories"
    return family._observations != "vectors" and (not labels or getattr(family, "ordered", False))


def _require_line(fit: Fit, kind: str = "quantile") -> None:
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message("a fit to data", "a fit to a known distribution")
        )
    family = response_family(fit.family)
    labels = family.support.kind == "categories"
    if not has_order(family) or (labels and kind != "quantile"):
        got = "labels" if labels else "vectors"
        hint = "Labels in an order, those of Ordinal, have quantile residuals" if labels else ""
        raise errors.ComparisonError(
            errors.message(f"observations on a line for {kind} residuals", got, hint)
        )


def _of_fit(fit: Fit) -> tuple[Array, Array, Array, Array]:
    _require_line(fit)
    family = response_family(fit.family)
    size, rows = fit.objective.size, fit.sample.rows
    out = [np.full((size, rows), np.nan) for _ in range(4)]
    values = fit.sample.values.astype(float)
    for members, model in fit.groups():
        law, own = laws_at(model, values if len(values) == 1 else values[members])
        own = law.decode(own) if family.support.kind == "categories" else own
        for target, part in zip(out, intervals_of(law, own, is_incomplete(family)), strict=True):
            target[members] = part
    # As the observations came.
    places = slice(None) if fit.sample.places is None else fit.sample.places
    return out[0][:, places], out[1][:, places], out[2][:, places], out[3][:, places]
