"""The root of a deviance next to an optimum: stepping outwards, then a bracket, for many lanes at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array

Deviance = Callable[[Array, Array], Array]

_OUTWARD, _INWARD = 90, 120
_GROWTH = 1.6
# A bracket of which one end could not be computed is given up at this share of its width.
_SURE = 1e-4
_NARROW = 4.0 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class Crossing:
    """Where the deviance first rises to its quantile.

    Parameters
    ----------
    value : array (L,)
        The root, NaN where there is none.
    residual : array (L,)
        Deviance there less the quantile, absolute.
    open : array of bool (L,)
        Whether the deviance stays below the quantile to the end of the range.
    lost : array of bool (L,)
        Whether the deviance could not be computed next to the root.
    least : array (L,)
        Smallest deviance met, negative where the search left the estimate below.
    """

    value: Array
    residual: Array
    open: Array
    lost: Array
    least: Array

    def of(self, some: Array) -> Crossing:
        """Return some of the lanes."""
        parts = (self.value, self.residual, self.open, self.lost, self.least)
        return Crossing(*(a[some] for a in parts))


def first_crossing(
    deviance: Deviance,
    start: Array,
    sides: Array,
    step: Array,
    end: Array,
    quantile: Array,
    tolerance: Array,
    wanted: Array | None = None,
) -> Crossing:
    """Find where a deviance crosses its quantile, the crossing nearest to the start.

    Parameters
    ----------
    deviance : callable
        Maps positions (l,) and the indices of their lanes (l,) to deviances; NaN where unknown.
    start, sides, step, end : array (L,)
        Where the deviance is below the quantile; −1 or 1; the first step; where the range ends.
    quantile, tolerance : array (L,)
    wanted : array of bool (L,), optional
        The lanes to search; all by default.

    Notes
    -----
    A deviance that rises above the quantile and falls below it again within one step is not seen; the
    first step is half a standard error.
    """
    inner, outer = start.copy(), np.full(start.shape, np.nan)
    low, high = -np.sqrt(quantile), np.full(start.shape, np.inf)
    least = np.zeros(start.shape)
    step = step.copy()
    wanted = np.ones(start.shape, dtype=bool) if wanted is None else wanted
    open_ = (inner == end) & wanted
    going = np.flatnonzero(wanted & ~open_)
    for _ in range(_OUTWARD):
        if not going.size:
            break
        trial = inner[going] + sides[going] * step[going]
        beyond = (trial - end[going]) * sides[going] >= 0
        trial = np.where(beyond, end[going], trial)
        d = deviance(trial, going)
        least[going] = np.fmin(least[going], d)
        below = d <= quantile[going]
        root = _root(d, quantile[going])
        inner[going[below]], low[going[below]] = trial[below], root[below]
        out = going[~below]
        outer[out], high[out] = trial[~below], np.where(np.isnan(root), np.inf, root)[~below]
        open_[going[below & beyond]] = True
        step[going] *= _GROWTH
        going = going[below & ~beyond]
    open_[going] = True
    found = _between(
        deviance, (inner, low), (outer, high), wanted & ~open_, quantile, tolerance, least
    )
    return Crossing(found[0], found[1], open_, found[2], least)


def _root(d: Array, quantile: Array) -> Array:
    """Return the signed root of a deviance against that of its quantile: nearly linear in position."""
    return np.asarray(np.sqrt(np.maximum(d, 0.0)) - np.sqrt(quantile))


def _between(
    deviance: Deviance,
    near: tuple[Array, Array],
    far: tuple[Array, Array],
    bracketed: Array,
    quantile: Array,
    tolerance: Array,
    least: Array,
) -> tuple[Array, Array, Array]:
    """Close the brackets: regula falsi in the root of the deviance, halving where that is slow."""
    (inner, low), (outer, high) = near, far
    value = np.full(inner.shape, np.nan)
    residual, known = np.full(inner.shape, np.inf), np.isfinite(high)
    halve, reach = ~known, np.abs(outer - inner)
    stale = np.zeros(inner.shape, dtype=int)
    going = np.flatnonzero(bracketed)
    for _ in range(_INWARD):
        if not going.size:
            break
        a, b, fa, fb = inner[going], outer[going], low[going], high[going]
        # Illinois: an end that stays is taken at half its height.
        fa, fb = np.where(stale[going] < -1, 0.5 * fa, fa), np.where(stale[going] > 1, 0.5 * fb, fb)
        with np.errstate(all="ignore"):
            trial = np.where(halve[going], 0.5 * (a + b), a - fa * (b - a) / (fb - fa))
        d = deviance(trial, going)
        least[going] = np.fmin(least[going], d)
        miss = np.abs(d - quantile[going])
        below, root = d <= quantile[going], _root(d, quantile[going])
        width = np.abs(b - a)
        inside, outside = going[below], going[~below]
        inner[inside], low[inside] = trial[below], root[below]
        outer[outside] = trial[~below]
        high[outside] = np.where(np.isnan(root), np.inf, root)[~below]
        known[outside] = np.isfinite(root)[~below]
        stale[inside], stale[outside] = (
            np.maximum(stale[inside], 0) + 1,
            np.minimum(stale[outside], 0) - 1,
        )
        shrunk = np.abs(outer[going] - inner[going])
        halve[going] = ~known[going] | ((np.abs(stale[going]) > 3) & (shrunk > 0.5 * width))
        value[going], residual[going] = trial, miss
        done = miss <= tolerance[going]
        narrow = np.where(known[going], _NARROW * (np.abs(a) + np.abs(b)), _SURE * reach[going])
        closed = ~done & (shrunk <= narrow)
        value[going[closed]] = inner[going[closed]]
        residual[going[closed]] = np.abs(
            (low + np.sqrt(quantile))[going[closed]] ** 2 - quantile[going[closed]]
        )
        going = going[~(done | closed)]
    lost = bracketed & ~known & ~(residual <= tolerance)
    value[lost] = np.nan
    return value, residual, lost
