"""Counts: quantiles of laws whose distribution function has no inverse, and tables of many laws."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlece.math import Array, floor, log, where

_SPARE = 32  # cells that a row of a table may have more than it needs, beside its own


def smallest_count(log_cdf: Callable[..., Array], u: Array, upper: Array, *theta: Array) -> Array:
    """Return the smallest count y <= upper with P(Y <= y) >= u, by doubling and bisection."""
    u, upper, *rest = np.broadcast_arrays(u, upper, *theta)
    target = log(u)
    low, high = np.full(u.shape, -1.0), np.zeros(u.shape)
    for _ in range(1100):
        short = (log_cdf(high, *rest) < target) & (high < upper)
        if not short.any():
            break
        low = where(short, high, low)
        high = where(short, 2 * high + 1, high)
    high = np.minimum(high, upper)
    for _ in range(1100):
        middle = floor(0.5 * (low + high))
        open_ = (high - low > 1) & (middle > low) & (middle < high) & np.isfinite(high)
        if not open_.any():
            break
        reached = log_cdf(middle, *rest) >= target
        high, low = where(open_ & reached, middle, high), where(open_ & ~reached, middle, low)
    return where(u == 1, upper, high)


def alike_in_width(width: Array, cells: int) -> Iterator[Array]:
    """Yield the rows of a ragged table (m,) in groups of like width, each of about so many cells.

    No row of a group is less than half as wide as another but for a few cells.
    """
    order = np.argsort(width, kind="stable")
    sizes, start = width[order], 0
    while start < order.size:
        stop = start + int(np.searchsorted(sizes[start:], 2 * sizes[start] + _SPARE, "right"))
        # Widths grow: so many of the widest fill a table.
        stop = min(stop, start + max(1, int(cells // sizes[stop - 1])))
        yield order[start:stop]
        start = stop
