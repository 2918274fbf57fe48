"""The meat of the sandwich of a fit, for whatever its observations may be: unequal, clustered, in order.

Everything is summed block by block and for all members of a batch at once; no array holds the scores of all
observations in all parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.kinks import kinks_of
from mlece.combinators.terms import Term, dense, rows_of
from mlece.likelihood.conditional_moments import working_weights
from mlece.likelihood.evaluation import stacked_scores
from mlece.math import Array
from mlece.regression.dependence import (
    cluster_codes,
    grouped,
    lag_width,
    lagged,
    over_ways,
    sequence,
)
from mlece.regression.labels import labels_of, ways_of
from mlece.regression.meat import inflation

if TYPE_CHECKING:
    from mlece.fits.result import Fit

# Blocks of scores and of rows of designs hold about so many numbers.
_ROOM = 1 << 20
_BLOCK = 8192


def robust_meat(fit: Fit, kind: str, **options: Any) -> Array:
    """Return the estimated variance of the mean score times the total weight, framed, (R, k, k).

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch.
    kind : {"HC0", "HC1", "HC2", "HC3", "HC4", "cluster", "newey-west"}
    **options
        See :func:`mlece.fits.covariance.covariance`.
    """
    require_data(fit, kind)
    if fit.objective.penalty is not None and kind not in ("cluster", "newey-west"):
        raise errors.NotRegularError(
            errors.message(
                f"a fit without a penalty for a {kind} covariance",
                "a penalty, which takes less from a residual than its leverage says",
                "HC0, the sandwich and clusters hold under a penalty",
            )
        )
    if kind == "cluster":
        total = _clustered(fit, **options)
    elif kind == "newey-west":
        total = _newey_west(fit, **options)
    else:
        total = _heteroscedastic(fit, kind)
    return total / fit.objective.total[:, None, None]


def require_data(fit: Fit, kind: str) -> None:
    """Raise for a fit to a known distribution, which has no observations to resemble each other."""
    if fit.sample.truth is not None or fit.sample.drawn is not None:
        raise errors.ComparisonError(
            errors.message(f"data for a {kind} covariance", "a fit to a known distribution")
        )


def _chunks(size: int, each: int) -> Iterator[slice]:
    """Cut a batch so that its members, of so many numbers each, stay within the room."""
    step = max(1, _ROOM // max(1, each))
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))


def _shares(fit: Fit) -> Array | None:
    """Return by what a score enters a sum of outer products of scores alone: w, or its square."""
    w = fit.sample.weights
    return w if w is None or fit.sample.weighting == "frequency" else w * w


def _counts(fit: Fit) -> Array:
    """Return how often each observation was made, (R or 1, n)."""
    w = fit.sample.weights
    if w is None:
        return np.ones((1, fit.sample.rows))
    return w if fit.sample.weighting == "frequency" else (w > 0).astype(float)


def _members(array: Array, members: slice) -> Array:
    return array if len(array) == 1 else array[members]


# ------------------------------------------------------------------ HC0 to HC4


def _conditional(fit: Fit, kind: str) -> Conditional:
    if not isinstance(fit.family, Conditional):
        raise errors.NotRegularError(
            errors.message(
                f"covariates for a {kind} covariance",
                f"{fit.family.title} without any",
                "The sandwich holds whatever the law of independent observations",
            )
        )
    return fit.family


def _heteroscedastic(fit: Fit, kind: str) -> Array:
    """Return the sum of the outer products of scores, those of each predictor stretched, (R, k, k)."""
    model = _conditional(fit, kind)
    size, rows, k = fit.objective.size, fit.sample.rows, len(model.params)
    out = np.empty((size, k, k))
    share = _shares(fit)
    for members in _chunks(size, rows * len(model.inner.params)):
        stretched = _stretches(fit, kind, members)
        total: Any = 0.0
        for cut in _cuts(rows, _BLOCK):
            t, theta, r = _at(fit, members, cut)
            point = model.shared(t, theta)
            slopes = [
                np.broadcast_to(s, (r, cut.stop - cut.start)) * (1.0 if f is None else f[:, cut])
                for s, f in zip(model._slopes(point), stretched, strict=True)
            ]
            w = 1.0 if share is None else _members(share, members)[:, cut]
            pairs = {
                (i, j): w * slopes[i] * slopes[j]
                for i in range(len(slopes))
                for j in range(i, len(slopes))
            }
            total = total + model._products.grams(t.rows, pairs, r, cut.stop - cut.start)
        out[members] = total
    return out


def _cuts(rows: int, size: int) -> Iterator[slice]:
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _at(fit: Fit, members: slice, cut: Any) -> tuple[Any, tuple[Array, ...], int]:
    """Return what hooks take of some observations of some members, the parameters, and how many members."""
    values = _members(fit.sample.values, members)[:, cut]
    t = fit.family.statistics(fit.objective.frame.apply(values, members))
    theta = tuple(p[members][:, None] for p in fit.framed)
    return t, theta, len(theta[0])


def _stretches(fit: Fit, kind: str, members: slice) -> list[Array | None]:
    """Return the factors of the residuals of each slot of the inner family, (r, n), None where it is 1."""
    model = _conditional(fit, kind)
    out: list[Array | None] = [None] * len(model._layout)
    if kind == "HC0":
        return out
    kinks = kinks_of(model)
    if kinks and kind != "HC1":
        raise errors.NotRegularError(
            errors.message(
                f"a likelihood that is smooth in the coefficients for a {kind} covariance",
                f"{model.title} with a kink in {kinks[0]}: its score is a sign, whatever the residual",
                "HC0, HC1 and clusters need no leverages",
            )
        )
    free = set(model.free)
    t, theta, r = _at(fit, members, slice(None))
    slopes = model._slopes(model.shared(t, theta))
    shape = (r, fit.sample.rows)
    hats = leverages(fit, members) if kind != "HC1" else {}
    count = np.broadcast_to(_members(_counts(fit), members), shape)
    for at, (term, place) in enumerate(model._layout):
        p = 0 if term is None else sum(q.name in free for q in model.params[place])
        if p == 0:
            continue
        silent = np.broadcast_to(slopes[at], shape) == 0
        out[at] = np.sqrt(inflation(kind, silent, hats.get(at), count, p))
    return out


def leverages(fit: Fit, members: slice = slice(None)) -> dict[int, Array]:
    """Return the leverages of observations in each predictor of a conditional fit, (r, n), by slot.

    Parameters
    ----------
    fit : Fit
        Of a conditional model.
    members : slice
        Members of the batch.

    Returns
    -------
    dict of int to array (r, n)
        By position of the slot in the inner family: the diagonal of the hat matrix of the free columns of
        its design, weighted with the expected information in the predictor as in the last step of
        Fisher's scoring. 0 for a member without an estimate.

    Raises
    ------
    NotRegularError
        If responses are incomplete: what they expect depends on how they were recorded.

    Examples
    --------
    >>> import mlece
    >>> from mlece.regression.robust import leverages
    >>> line = mlece.fit(mlece.Gaussian(mean="x"), [1.0, 2.0, 4.0], given={"x": [0.0, 1.0, 2.0]})
    >>> leverages(line)[0].round(6)
    array([[0.833333, 0.333333, 0.833333]])
    """
    model = _conditional(fit, "leverage-weighted")
    if is_incomplete(model.inner):
        raise errors.NotRegularError(
            errors.message(
                "complete responses for leverages",
                f"{model.inner._observations}",
                "HC0 and HC1 need none",
            )
        )
    values = _members(fit.sample.values, members)
    theta = tuple(v[members] for v in fit.framed)
    known = np.all([np.isfinite(v) for v in theta], axis=0)
    theta = tuple(np.where(known, v, 0.5) for v in theta)
    slots = [at for at, (term, _) in enumerate(model._layout) if term and term.design.width]
    weights = {at: np.empty((len(theta[0]), fit.sample.rows)) for at in slots}
    each = len(theta[0]) * len(model.inner.params) ** 2
    for cut in _cuts(fit.sample.rows, max(1, _ROOM // each)):
        with np.errstate(all="ignore"):
            found = working_weights(model, rows_of(values[:, cut]), theta)
        for at in slots:
            weights[at][:, cut] = found[at, at]
    w = fit.sample.weights
    shape = (len(theta[0]), fit.sample.rows)
    copies = np.ones(shape) if w is None else np.broadcast_to(_members(w, members), shape)
    out = {}
    for at in slots:
        term, place = model._layout[at]
        assert term is not None
        free = np.array([p.name in model.free for p in model.params[place]])
        work = np.where(known[:, None], weights[at], 1.0)
        h = _hat(term, values, work, copies, free)
        if fit.sample.weighting == "sampling":
            h = h * copies
        out[at] = np.where(known[:, None], h, 0.0)
    return out


def _hat(term: Term, values: Array, work: Array, copies: Array, free: Array) -> Array:
    """Return the leverage of one copy of each observation, (r, n), by QR factors of block after block."""
    r, rows = work.shape
    p = int(free.sum())
    if p == 0:
        return np.zeros(work.shape)
    cuts = list(_cuts(rows, max(p, _ROOM // (r * p))))

    def columns(cut: slice, scale: Array) -> Array:
        block = dense(term.design, rows_of(values[:, cut]))[..., free]
        return np.asarray(np.sqrt(scale[:, cut, None]) * block)

    triangle = np.zeros((r, 0, p))
    for cut in cuts:
        below = columns(cut, work * copies)
        triangle = _triangular(np.concatenate([triangle, below], axis=1))
    size = np.linalg.norm(triangle, axis=1, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    triangle = triangle / size
    lost = triangle.shape[1] < p
    if not lost:
        lost = bool((np.diagonal(triangle, axis1=1, axis2=2) == 0).any())
    if lost:
        raise errors.NotRegularError(
            errors.message(
                f"columns of {term.label} of full rank where observations have weight, for leverages",
                "columns that depend on each other there",
                "HC0 and HC1 need no leverages",
            )
        )
    out = np.empty(work.shape)
    for cut in cuts:
        inner = np.swapaxes(columns(cut, work) / size, 1, 2)
        out[:, cut] = (np.linalg.solve(np.swapaxes(triangle, 1, 2), inner) ** 2).sum(axis=1)
    return out


def _triangular(matrix: Array) -> Array:
    """Return the triangular factors of matrices (r, m, p)."""
    factor: Any = np.linalg.qr(matrix, mode="r")
    return np.asarray(factor)


# ------------------------------------------------------------------ clusters and lags


def _scores(fit: Fit, members: slice, cut: Any) -> Array:
    """Return the weighted scores of some observations of some members, (r, m, k), framed.

    On the simplex those of the cells' shares, whose inverse information is one: 1{y = cell} - p. Under a
    penalty each carries an equal share of its slope, so that their sum is 0.
    """
    values = _members(fit.sample.values, members)[:, cut]
    m = values.shape[1]
    if fit.on_simplex:
        p = fit.framed[0][members]
        s = (values[..., None] == np.arange(p.shape[1])) - p[:, None]
    else:
        t, theta, r = _at(fit, members, cut)
        with np.errstate(all="ignore"):
            s = stacked_scores(fit.family.score_hook(t, theta), m)
        s = np.broadcast_to(s, (r, m, len(theta)))
        if fit.objective.penalty is not None:
            own = tuple(p[members] for p in fit.framed)
            s = s - fit.objective.penalty.at(own, members).slope[:, None, :]
    w = fit.sample.weights
    return np.asarray(s if w is None else _members(w, members)[:, cut, None] * s)


def _width(fit: Fit) -> int:
    return fit.framed[0].shape[1] if fit.on_simplex else len(fit.family.params)


def _coefficients(fit: Fit) -> int:
    """Return how many parameters a correction counts: the coefficients, or all without covariates."""
    if not isinstance(fit.family, Conditional):
        return fit.parameter_count
    free = set(fit.family.free)
    places = [place for term, place in fit.family._layout if term is not None]
    return sum(p.name in free for place in places for p in fit.family.params[place])


def _clustered(fit: Fit, clusters: Any = None, correction: str = "full") -> Array:
    ways = cluster_codes(ways_of(fit, clusters), fit.sample.rows)
    size, rows, k = fit.objective.size, fit.sample.rows, _width(fit)
    counts = _counts(fit)
    groups = max(int(codes.max()) + 1 for codes in ways)
    block = min(rows, max(1, _ROOM // k))
    out = np.empty((size, k, k))
    for members in _chunks(size, max(groups, block) * k):
        r = members.stop - members.start
        count = np.broadcast_to(_members(counts, members), (r, rows))

        def summed(codes: Array, members: slice = members, count: Array = count) -> Any:
            sums = np.zeros((len(count), int(codes.max()) + 1, k))
            seen = np.zeros(sums.shape[:2], dtype=bool)
            for cut in _cuts(rows, block):
                present, part = grouped(_scores(fit, members, cut), codes[cut])
                sums[:, present] += part
                weight = grouped(count[:, cut, None], codes[cut])[1]
                seen[:, present] |= weight[..., 0] > 0
            return sums, seen.sum(axis=1)

        total = count.sum(axis=1)
        out[members] = over_ways(summed, ways, total, _coefficients(fit), correction)[0]
    return out


def _newey_west(
    fit: Fit, lags: int | None = None, order: Any = None, correction: bool = False
) -> Array:
    w, rows, k = fit.sample.weights, fit.sample.rows, _width(fit)
    if w is not None and fit.sample.weighting == "frequency" and np.any(w != 1):
        raise errors.NotRegularError(
            errors.message(
                "observations in order for a newey-west covariance",
                "frequency weights, whose copies have no order among themselves",
                "Give weighting='sampling' if they are no counts",
            )
        )
    width = lag_width(lags, rows)
    places = np.arange(rows)
    if order is not None:
        places = sequence(labels_of(fit, order, "the order of observations"), rows)
    block = min(rows, max(1, _ROOM // k))
    out = np.empty((fit.objective.size, k, k))
    for members in _chunks(fit.objective.size, block * k):
        blocks = (_scores(fit, members, places[cut]) for cut in _cuts(rows, block))
        out[members] = lagged(blocks, width)
    spare = rows - _coefficients(fit)
    if correction and spare <= 0:
        raise errors.DataError(
            errors.message(
                f"more observations than the {_coefficients(fit)} coefficients for the correction",
                f"{rows}",
            )
        )
    return out * (rows / spare) if correction else out
