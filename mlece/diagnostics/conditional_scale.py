"""T = CE − Ĥ(Y | X) for responses with covariates: densities, and masses of classes of counts or labels.

The floor is the entropy of the response given the columns of the designs, which is all that the model
sees of the covariates. A model is held against what these columns could tell; what others could tell that
it was not given is no part of its gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.observed import beside, laws_at, responses_of
from mlece.combinators.terms import dense, rows_of
from mlece.diagnostics.scale import LIGHT, Scale, lightly_tied, log_cell, recording, spread_out
from mlece.entropies.conditional import labels_given_numbers, numbers_given_numbers
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.ties import Ties, ties
from mlece.fits.contributions import member_log_density
from mlece.fits.result import Fit
from mlece.math import Array

NEIGHBOUR = 5
# So many observations of each class that none comes down to one in a simulated sample.
_CLASS = 20
# Neighbours in d dimensions are near where there are 2^d observations, and some more.
_SPARE = 3


def conditional_scale(fit: Fit, y: Array, resolution: float | None) -> Scale:
    """Return the T that suits responses with covariates (n, 2).

    Raises
    ------
    DataError
        If there are too many columns of covariates for the number of observations, too few observations
        of each outcome, or continuous responses that tie without a grid.
    ComparisonError
        For laws with atoms and a density.
    """
    family = fit.family
    assert isinstance(family, Conditional)
    x = _columns(family, y)
    responses = responses_of(family, y)
    inner = family.family
    if inner.support.discrete:
        labels = inner.support.kind == "categories"
        return _of_classes(fit, y, x, None if labels else class_edges(responses, None), "")
    if inner.has("_atoms"):
        raise errors.ComparisonError(
            errors.message(
                "a density or counts for a conditional entropy floor",
                f"{inner.title}, which has atoms and a density",
            )
        )
    found = ties(responses)
    if resolution is not None and not (np.isfinite(resolution) and resolution > 0):
        raise errors.ParameterError(errors.message("a positive resolution", repr(resolution)))
    if resolution is None and found.distinct == len(y):
        return _of_density(y, x, "")
    if resolution is None and found.grid is not None and found.fraction < LIGHT:
        return _of_density(
            beside(spread_out(responses, found.grid), y[None]), x, lightly_tied(found)
        )
    if resolution is None and found.grid is None:
        raise errors.DataError(
            errors.message(
                "continuous responses without ties, or rounded to a grid",
                f"{100 * found.fraction:.3g} % tied observations ({found.distinct} distinct of {len(y)})"
                " and no common grid",
                "An entropy estimate would be wrong: the law has atoms, or several roundings are mixed",
            )
        )
    return _of_classes(fit, y, x, class_edges(responses, _grid(found, resolution)), "")


def _grid(found: Ties, resolution: float | None) -> tuple[float, float]:
    """Return origin and width of the cells."""
    if resolution is not None:
        return 0.0, resolution
    assert found.grid is not None
    return found.origin, found.grid


def _columns(model: Conditional, y: Array) -> Array:
    """Return the covariates that predictors depend on, linearly independent columns (n, e)."""
    rows = rows_of(y[None])
    parts = []
    for term in {id(term.design): term for term in model.terms}.values():
        parts.append(dense(term.design, rows))
        if term.design.offset is not None:
            parts.append(np.asarray(term.design.offset)[rows][:, None])
    return covariates_that_vary(np.concatenate(parts, axis=1))


def covariates_that_vary(x: Array) -> Array:
    """Return the columns of covariates (n, e) that vary and do not follow from the others.

    Raises
    ------
    DataError
        If there are none, or more than log₂ n − 3.
    """
    n = len(x)
    x = _independent(x)
    most = max(0, int(np.log2(n)) - _SPARE)
    if not 0 < x.shape[1] <= most:
        raise errors.DataError(
            errors.message(
                f"from 1 to {most} columns of covariates that vary, to estimate an entropy given them "
                f"from {n} observations",
                f"{x.shape[1]}",
                "Neighbours are not near in more dimensions; mlece.cross_validate compares models "
                "without a floor",
            )
        )
    return x


def _independent(x: Array) -> Array:
    """Return columns that vary and do not follow from the others, found by pivoted QR."""
    from scipy.linalg import qr

    centred = x - x.mean(axis=0)
    reach = np.abs(x - x[0]).max(axis=0)
    varies = np.flatnonzero(reach > 0)
    if not varies.size:
        return x[:, :0]
    triangle, order = qr(centred[:, varies] / reach[varies], mode="r", pivoting=True)
    size = np.abs(np.diag(triangle))
    return x[:, np.sort(varies[order[: np.count_nonzero(size > 1e-10 * size[0])]])]


def _log_density(fits: Fit, rows: Array) -> Array:
    """Return the log density of observations (r, n, 2) under the fitted members, (r, n)."""
    out = np.full(rows.shape[:2], np.nan)
    for members, model in fits.groups():
        out[members] = member_log_density(fits.family, model, rows[members])
    return out


def entropy_of(terms: Array, name: str) -> EntropyEstimate:
    """Return the estimate of an entropy whose terms (n,) are known."""
    n = len(terms)
    return EntropyEstimate(
        float(terms.mean()), float(np.sqrt(terms.var() / n)), f"{name}, k = {NEIGHBOUR}", n
    )


# ---------------------------------------------------------------------------- densities


def _of_density(y: Array, x: Array, remark: str) -> Scale:
    """Densities: in-sample cross-entropy against neighbours in (x, y) and in x."""

    def terms(rows: Array) -> Array:
        return numbers_given_numbers(rows[:, :1], x, NEIGHBOUR)

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        # Trees are of one sample each: estimates are made one by one, fits all at once.
        entropy = np.stack([terms(sample) for sample in rows])
        excess = -_log_density(fits, rows) - entropy
        return fits.values - entropy.mean(axis=1), excess.var(axis=1), fits.values

    return Scale(y, entropy_of(terms(y), "Frenzel-Pompe"), statistic, None, None, remark)


# ---------------------------------------------------------------------------- classes


def class_edges(responses: Array, grid: tuple[float, float] | None) -> Array:
    """Return the inner ends of classes of at least 20 responses each.

    Counts and multiples of a grid that are rarer share a class with their neighbours.
    """
    origin, width = (0.0, 1.0) if grid is None else grid
    cells, counts = np.unique(np.round((responses - origin) / width), return_counts=True)
    ends, held = [], 0
    for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
        held += count
        if held >= _CLASS:
            ends.append(cell)
            held = 0
    # What is left over at the end joins the last class.
    sizes = np.diff(
        np.searchsorted(np.sort(cells.repeat(counts)), [-np.inf, *ends[:-1], np.inf], "right")
    )
    require_classes(sizes)
    # A count lies in its class with the upper end, a rounded number up to half a step further.
    return np.asarray(origin + width * (np.array(ends[:-1]) + (0.0 if grid is None else 0.5)))


def require_classes(counts: Array) -> None:
    """Raise unless there are two outcomes, or classes of them, of 20 observations each."""
    if len(counts) < 2 or counts.min() < _CLASS:
        raise errors.DataError(
            errors.message(
                f"at least two outcomes (or classes of them) with {_CLASS} observations each, for an "
                "entropy given covariates",
                f"{len(counts)}, the rarest with {int(counts.min()) if len(counts) else 0}",
                "Merge rare labels, or gather more observations",
            )
        )


def _of_classes(fit: Fit, y: Array, x: Array, edges: Array | None, remark: str) -> Scale:
    """Masses: mean −log P(class | x) against the entropy of the class given its neighbours in x."""

    def codes(rows: Array) -> Array:
        own = responses_of(fit.family, rows)
        return class_codes(own, edges)

    def terms(code: Array) -> Array:
        return labels_given_numbers(code, x, NEIGHBOUR)

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        code = codes(rows)
        entropy = np.stack([terms(sample) for sample in code])
        labels = edges is None
        log_mass = _log_density(fits, rows) if labels else _log_classes(fits, rows, code, edges)
        cross_entropy = -log_mass.mean(axis=1)
        excess = -log_mass - entropy
        return cross_entropy - entropy.mean(axis=1), excess.var(axis=1), cross_entropy

    own = responses_of(fit.family, y)
    if edges is None:
        require_classes(np.unique(own, return_counts=True)[1])
    elif len(edges) + 1 < len(np.unique(own)):
        remark = classes_remark(edges)
    estimate = entropy_of(terms(class_codes(own, edges)), "Ross")
    return Scale(y, estimate, statistic, recording(fit, y), None, remark)


def _log_classes(fits: Fit, rows: Array, code: Array, edges: Any) -> Array:
    """Return the log probability of the class of every observation given its covariates, (r, n)."""
    low, high = class_ends(code, edges)
    out = np.full(code.shape, np.nan)
    for members, model in fits.groups():
        law, _ = laws_at(model, rows[members])
        out[members] = log_cell(law, low[members], high[members])
    return out


def class_codes(responses: Array, edges: Array | None) -> Array:
    """Return the class (...) of responses (...); labels are their own."""
    found = responses if edges is None else np.searchsorted(edges, responses, side="left")
    return np.asarray(found, dtype=np.intp)


def class_ends(code: Array, edges: Array) -> tuple[Array, Array]:
    """Return the lower and upper end of the classes (...), open below and closed above."""
    ends = np.concatenate([[-np.inf], edges, [np.inf]])
    return ends[code], ends[code + 1]


def classes_remark(edges: Array) -> str:
    """Say in how many classes responses are compared."""
    return (
        f"Responses are compared in {len(edges) + 1} classes of at least {_CLASS} observations: the "
        "gap between classes is at most that between laws."
    )
