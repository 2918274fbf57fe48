"""Weighted quantiles without a full sort, and bins of equal counts."""

from __future__ import annotations

import numpy as np

from mlece.math import Array
from mlece.numerics.masks import every, filled

_BLOCK = 65536


def _order_statistics(x: Array, ranks: tuple[int, int]) -> tuple[float, float]:
    """Return two neighbouring order statistics of a long vector by bracketing (Floyd and Rivest 1975).

    A spread-out subsample brackets the ranks; one pass counts what lies below the bracket and keeps
    what lies inside, so that only a few per cent of the data are copied and partitioned.
    """
    n = x.size
    step = max(1, n // 32768)
    pilot = np.sort(np.asarray(x[::step], dtype=float))
    # The median of m points scatters by sqrt(m)/2 ranks: five standard deviations on either side.
    width = int(2.5 * np.sqrt(pilot.size)) + 2
    centre = int(ranks[0] / n * pilot.size)
    low = pilot[centre - width] if centre - width >= 0 else -np.inf
    high = pilot[centre + width] if centre + width < pilot.size else np.inf
    below, filled = 0, 0
    # One array for what lies inside, with a quarter more room than the share of the pilot.
    inside = np.empty(min(n, int(1.25 * step * (2 * width + 2)) + 64))
    for start in range(0, n, _BLOCK):
        block = np.asarray(x[start : start + _BLOCK], dtype=float)
        below += int(np.count_nonzero(block < low))
        kept = block[(block >= low) & (block <= high)]
        if filled + kept.size > inside.size:
            inside = np.concatenate([inside[:filled], np.empty(n - filled)])
        inside[filled : filled + kept.size] = kept
        filled += kept.size
    inside = inside[:filled]
    first, last = ranks[0] - below, ranks[1] - below
    if first < 0 or last >= inside.size:
        inside, first, last = np.array(x, dtype=float), *ranks
    inside.partition((first, last))
    return float(inside[first]), float(inside[last])


def median_interval(x: Array, w: Array | None) -> tuple[Array, Array]:
    """Return the ends of the set of weighted medians of each row.

    Parameters
    ----------
    x : array (r, n)
        Observations.
    w : array (r or 1, n), optional
        Weights.

    Returns
    -------
    lower, upper : arrays (r,)
        Every point between them minimises the mean absolute deviation.
    """
    n = x.shape[1]
    ranks = ((n - 1) // 2, n // 2)
    if w is None and x.shape[0] == 1 and n > 4 * _BLOCK:
        low, high = _order_statistics(x[0], ranks)
        return np.array([low]), np.array([high])
    if w is None:
        part = np.partition(x, ranks, axis=1)
        return part[:, ranks[0]].astype(float), part[:, ranks[1]].astype(float)
    rows = max(x.shape[0], w.shape[0])
    order = np.argsort(x, axis=1, kind="stable")
    values = np.take_along_axis(x, order, axis=1)
    mass = np.take_along_axis(
        np.broadcast_to(w, (rows, n)), np.broadcast_to(order, (rows, n)), axis=1
    )
    values = np.broadcast_to(values, (rows, n))
    running = np.cumsum(mass, axis=1)
    half = 0.5 * running[:, -1:]
    # Halves that agree to rounding are the even case: the median is then an interval.
    slack = 4e-16 * np.sqrt(n) * running[:, -1:]
    first = np.argmax(running >= half - slack, axis=1)
    positive = (running > half + slack) & (mass > 0)
    last = np.argmax(positive, axis=1)
    take = np.arange(rows)
    return values[take, first].astype(float), values[take, np.maximum(first, last)].astype(float)


def pilot_points(x: Array, w: Array | None, size: int) -> Array:
    """Return up to ``size`` sorted points that stand for the (weighted) sample, (r, size).

    Unweighted data are thinned evenly in their order of arrival; weighted data are read at evenly
    spaced probabilities of their weighted distribution function.
    """
    n = x.shape[1]
    if w is None:
        step = -(-n // size)
        points = np.array(x[:, ::step], dtype=float)
        points.sort(axis=1)
        return points
    shape = (max(x.shape[0], w.shape[0]), n)
    if not every(x[:, 1:] >= x[:, :-1]):
        order = np.argsort(x, axis=1, kind="stable")
        w = np.take_along_axis(np.broadcast_to(w, shape), np.broadcast_to(order, shape), axis=1)
        x = np.take_along_axis(x, order, axis=1)
    values = x if x.shape == shape else np.broadcast_to(x, shape)
    mass = w if w.shape == shape else np.broadcast_to(w, shape)
    total = mass.sum(axis=1)
    if total[0] <= size and np.all(total == total[0]) and np.all(mass == np.floor(mass)):
        # Counts stand for so many observations, whichever way they are written.
        repeated = [np.repeat(v, c.astype(int)) for v, c in zip(values, mass, strict=True)]
        return np.stack(repeated).astype(float)
    running = np.cumsum(mass, axis=1)
    if np.any(mass < 0):
        # The outermost nodes of a known law: what runs up further in is right, and never falls.
        running = np.minimum.accumulate(running[:, ::-1], axis=1)[:, ::-1]
    running = running / running[:, -1:]
    wanted = (np.arange(size) + 0.5) / size
    index = np.stack([np.searchsorted(row, wanted) for row in running])
    return np.take_along_axis(values, np.minimum(index, n - 1), axis=1).astype(float)


def equal_counts(total: Array, bins: int) -> Array:
    """Divide distinct values, in ascending order, into bins of nearly equal weight.

    Parameters
    ----------
    total : array (m,)
        Positive weight of each value.
    bins : int

    Returns
    -------
    array of int (m,)
        The bin of each value, numbered upwards from 0; fewer than ``bins`` where values are few or heavy.
    """
    middle = (np.cumsum(total) - 0.5 * total) / total.sum()
    return np.asarray(np.unique(np.floor(bins * middle), return_inverse=True)[1])


def spread_of(quartiles: Array, whole: Array, middle: Array) -> Array:
    """Return the spread of pilot points, (r,): of the quartiles, of all, or the size of the median.

    The first that is positive counts; 1 where none is, or where it is not finite.
    """
    if every((quartiles > 0) & (quartiles < np.inf)):
        return quartiles
    spread = np.where(quartiles > 0, quartiles, whole)
    spread = np.where(spread > 0, spread, np.abs(middle))
    return np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)


def unit_of(spread: Array) -> Array:
    """Return the power of two nearest to a spread, by which nothing is rounded; 1 for a spread near it."""
    near = (spread > 0.125) & (spread < 8.0)
    if every(near):
        return filled(spread.shape, 1.0)
    return np.where(near, 1.0, np.exp2(np.round(np.log2(spread))))


def near(middle: Array, quartiles: Array) -> Array:
    """Tell which medians are so near to 0 beside the spread that a shift by them saves nothing."""
    return np.asarray(~(np.abs(middle) > 2.0 * quartiles))


def shift_of(middle: Array, quartiles: Array) -> Array:
    """Return the medians by which it is worth to shift; 0 where they are near beside the spread."""
    still = near(middle, quartiles) | np.isinf(middle)
    return np.zeros(middle.shape) if every(still) else np.where(still, 0.0, middle)
