"""What a conditional model itself expects of its scores and curvatures, given the covariates of the data.

Every observation has an inner law, whose moments in its own parameters are known or summed over nodes; the
chain rule through links and designs makes moments in the coefficients of them, as it does of scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Point, Rowed, dense
from mlece.design import Rows
from mlece.likelihood.evaluation import triangle
from mlece.likelihood.member_moments import Moments, member_moments
from mlece.math import Array, Arrays
from mlece.model import Model


def conditional_information(
    model: Conditional, rows: Rows, theta: Arrays, weights: Array | None
) -> Array:
    """Return the sums over observations of the expected information given the covariates, (r, k, k).

    Parameters
    ----------
    model : Conditional
    rows : slice or array of int
        Rows of the designs.
    theta : tuple of arrays (r,)
        Coefficients and parameters, framed.
    weights : array (r or 1, n), optional
        Frequency weights.

    Notes
    -----
    E[s s' | x] = E[−H | x]: second derivatives of links do not enter. For links that are not canonical it
    differs from the curvature observed (Efron and Hinkley 1978, Biometrika 65, 457-482).
    """
    sums = working_weights(model, rows, theta)
    w = np.ones((1, 1)) if weights is None else weights
    shape = next(iter(sums.values())).shape
    return model._products.grams(rows, {pair: w * v for pair, v in sums.items()}, *shape)


def working_weights(model: Conditional, rows: Rows, theta: Arrays) -> dict[tuple[int, int], Array]:
    """Return the expected information of each observation in its predictors and parameters, (r, n) each.

    By pairs i <= j of slots of the inner family; those on the diagonal are the weights of Fisher's scoring,
    iteratively reweighted least squares.

    Parameters
    ----------
    model, rows, theta
        As in :func:`conditional_information`.
    """
    point, shape = point_at(model, rows, theta)
    flat = tuple(np.broadcast_to(v, shape).ravel() for v in point.theta)
    inner = _inner_information(model.inner, flat).reshape(*shape, len(flat), len(flat))
    slopes = [1.0 if f is None else f for f in point.first]
    return {
        (i, j): inner[..., i, j] * slopes[i] * slopes[j]
        for i in range(len(flat))
        for j in range(i, len(flat))
    }


def _inner_information(family: Model, theta: Arrays) -> Array:
    """Return the expected information of every member of an array of laws, (S, k, k)."""
    everything = list(range(len(theta)))
    if not family.has("_expected_statistics"):
        return member_moments(family, theta, everything).unframed().scores
    with np.errstate(all="ignore"):
        t = tuple(np.asarray(s)[:, None] for s in family._expected_statistics(*theta))
        raw = family._curvature(t, *[v[:, None] for v in theta])
    size = (len(theta[0]), 1)
    return triangle(tuple(-np.broadcast_to(c, size)[:, 0] for c in raw), len(theta))


def point_at(model: Conditional, rows: Rows, theta: Arrays) -> tuple[Point, tuple[int, int]]:
    """Return the inner parameters of every observation, and (r, n)."""
    with np.errstate(all="ignore"):
        none = Rowed(np.zeros((1, 1)), rows)
        point = model.shared(none, tuple(v[:, None] for v in theta))
    n = max(np.shape(v)[1] for v in point.theta)
    return point, (len(theta[0]), n)


def conditional_moments(
    model: Conditional, rows: Rows, theta: Arrays, weights: Array | None, factors: list[Any]
) -> Moments:
    """Return the mean over observations of the second moments of scores and indicators given covariates.

    Parameters
    ----------
    model : Conditional
    rows : slice or array of int
        Rows of the designs.
    theta : tuple of arrays (r,)
        Coefficients and parameters, framed.
    weights : array (r or 1, n), optional
        Frequency weights.
    factors : list of arrays
        dθ/dθ_framed.

    Returns
    -------
    Moments
        Of the free coefficients and parameters, in the frame.
    """
    point, (r, n) = point_at(model, rows, theta)
    free = [i for i, p in enumerate(model.params) if p.name in model.free]
    slot_of = np.concatenate(
        [np.full(place.stop - place.start, i) for i, (_, place) in enumerate(model._layout)]
    )[free]
    used = sorted(set(slot_of.tolist()))
    flat = tuple(np.broadcast_to(v, (r, n)).ravel() for v in point.theta)
    own = member_moments(model.inner, flat, used).unframed()
    scores, cross, whole = _in_predictors(own, point, used, (r, n))
    columns = columns_at(model, rows)[..., free]
    place = np.searchsorted(used, slot_of)
    left, right = np.triu_indices(len(free))
    pairs = _pair_index(len(used))[place[left], place[right]]
    products = columns[..., left] * columns[..., right]
    w = np.ones((1, n)) if weights is None else weights
    share = np.broadcast_to(w / w.sum(axis=1, keepdims=True), (r, n))[..., None, None]
    one, two = (columns, place), (products, pairs)
    reach = np.stack([np.broadcast_to(factors[i], (r,)) for i in free], axis=-1)
    return Moments(
        reach,
        _summed(share * scores, one, one),
        _summed(share * cross, two, one),
        _summed(share * whole, two, two),
    )


def _pair_index(k: int) -> Array:
    """Return where the upper triangle, row by row, holds each pair, (k, k)."""
    out = np.zeros((k, k), dtype=np.intp)
    out[np.triu_indices(k)] = np.arange(k * (k + 1) // 2)
    return np.maximum(out, out.T)


def _in_predictors(
    own: Moments, point: Point, used: list[int], shape: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Return moments in the linear predictors of those in the parameters, (r, n, ., .) each.

    With θ = g(η) the indicators of η are δ_ij = g_i' g_j' d_ij, plus g_i'' s_i where i = j.
    """
    first = np.ones((*shape, len(used)))
    rows, columns = np.triu_indices(len(used))
    bend = np.zeros((*shape, len(rows), len(used)))
    for at, i in enumerate(used):
        slope, second = point.first[i], point.second[i]
        if slope is not None:
            first[..., at] = slope
        if second is not None:
            bend[..., np.flatnonzero((rows == at) & (columns == at))[0], at] = second
    ss, ds, dd = (a.reshape(*shape, *a.shape[1:]) for a in (own.scores, own.cross, own.indicators))
    both = first[..., rows] * first[..., columns]
    ds = both[..., :, None] * ds
    turned = np.swapaxes(bend, -1, -2)
    mixed = ds @ turned
    dd = both[..., :, None] * dd * both[..., None, :]
    dd = dd + mixed + np.swapaxes(mixed, -1, -2) + bend @ ss @ turned
    ds = (ds + bend @ ss) * first[..., None, :]
    return first[..., :, None] * ss * first[..., None, :], ds, dd


def columns_at(model: Conditional, rows: Rows) -> Array:
    """Return the covariates behind every coefficient, ones behind other parameters, (1 or r, n, k)."""
    found = [None if term is None else dense(term.design, rows) for term, _ in model._layout]
    shape = next(c.shape[:-1] for c in found if c is not None)
    parts = [np.ones((*shape, 1)) if c is None else c for c in found]
    out = np.concatenate(parts, axis=-1)
    return out if out.ndim == 3 else out[None]


def _summed(moments: Array, one: tuple[Array, Array], other: tuple[Array, Array]) -> Array:
    """Sum moments (r, n, a, b) times covariates (., n, p) and (., n, q), each of its own row, (r, p, q)."""
    (left, rows), (right, columns) = one, other
    out = np.empty((len(moments), left.shape[-1], right.shape[-1]))
    for i in np.unique(rows):
        for j in np.unique(columns):
            here, there = np.flatnonzero(rows == i), np.flatnonzero(columns == j)
            weighed = moments[..., i, j][..., None] * right[..., there]
            out[:, here[:, None], there] = np.swapaxes(left[..., here], -1, -2) @ weighed
    return out
