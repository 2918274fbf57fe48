"""Counts: quantiles of laws whose distribution function has no inverse, log factorials of many."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from mlece.math import Array, floor, gammaln, log, where

_TABLE = 1024  # counts whose factorials are kept


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


@cache
def _log_factorials() -> Array:
    return np.asarray(gammaln(np.arange(_TABLE) + 1.0))


def log_factorial(y: Array) -> Array:
    """Return log y! of counts (...), out of a table where all of them are below 1024.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.counting import log_factorial
    >>> log_factorial(np.array([0.0, 1.0, 4.0])).round(4).tolist()
    [0.0, 0.0, 3.1781]
    """
    y = np.asarray(y)
    if y.size > _TABLE and y.dtype.kind == "f" and y.min() >= 0 and y.max() < _TABLE:
        codes = y.astype(np.intp)
        if (codes == y).all():
            return np.asarray(_log_factorials()[codes])
    return np.asarray(gammaln(y + 1))
