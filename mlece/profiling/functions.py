"""Profile intervals of functions of the model, also of fits that come to a limit of the family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece.fits.covariance import usable
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.param import Param
from mlece.profiling.bracketing import first_crossing
from mlece.profiling.contour import TOLERANCE, extremes
from mlece.profiling.profiles import (
    LACKING,
    NOWHERE,
    OPEN,
    Ends,
    Lanes,
    Refits,
    asymptote,
    free_parameters,
    parameter_ends,
    record,
)
from mlece.profiling.surface import Smooth, Surface, call
from mlece.profiling.walk import Walk

_LIMIT = "the fit lies at a limit of the family, about which a function of it could not be profiled"
# Where a parameter s runs to infinity, the rest is smooth in its inverse: members are sought by
# share = s_low/s, s_low the end of its own interval. This share stands for the limit itself.
_NEAREST = 1e-8
_COARSE = np.append(_NEAREST, np.linspace(0.02, 0.998, 24))
# Each stage leaves a quarter of the bracket; an extreme is off by the square of what is left.
_STAGES = 8
_FINE = np.linspace(0.0, 1.0, 9)


def function_ends(fit: Fit, function: Callable[[Model], Any], quantile: Array) -> Ends:
    """Return the ends of profile intervals of a smooth function of the model, (R, 1, 2).

    Parameters
    ----------
    fit : Fit
    function : callable
        Maps a model with slots (S,) to S numbers.
    quantile : array (R,)
        Deviance at the ends.

    Notes
    -----
    The ends are the extremes of the function where the deviance is at most its quantile. At a limit of
    the family, met where one parameter runs to infinity, or where the likelihood never falls to that
    level towards it, they are sought for values of that parameter held (refits with regular optima) and
    then over these values.
    """
    ends = _about_optima(fit, function, quantile)
    left = np.isnan(ends.value) & ((ends.remark == _LIMIT) | (ends.remark == NOWHERE))
    left &= ~np.isnan(quantile[ends.member])
    if left.any():
        _along_limits(fit, function, quantile, ends, np.flatnonzero(left))
    return ends.result()


def _about_optima(fit: Fit, function: Callable[[Model], Any], quantile: Array) -> Lanes:
    """Return the ends of members with an interior optimum."""
    ends = Lanes(fit.objective.size, 1)
    inside, edge = (np.repeat(v, 2) for v in usable(fit))
    inside &= ~np.isnan(quantile[ends.member])
    ends.remark[~inside] = LACKING
    ends.remark[edge] = _LIMIT
    lanes = np.flatnonzero(inside)
    if not lanes.size:
        return ends
    surface = Surface(fit)
    target = Smooth(surface, function)
    members, sides = ends.member[lanes], ends.side[lanes]
    out = extremes(surface, target, members, sides, quantile[members])
    done = lanes[out.found]
    ends.value[done], ends.residual[done] = out.value[out.found], out.residual[out.found]
    left = lanes[~out.found]
    if left.size:
        members, sides, asked = ends.member[left], ends.side[left], quantile[ends.member[left]]
        walk = Walk(surface, target, members)
        step = 0.5 * np.sqrt(asked / surface.total[members]) * walk.slope
        noise = surface.rounding[members]
        end, tolerance = sides * np.inf, np.maximum(TOLERANCE * asked, noise)
        found = first_crossing(walk.deviance, walk.origin, sides, step, end, asked, tolerance)
        record(ends, left, found, 1e3 * noise)
        ends.value[left] = found.value
        never = left[found.open]
        ends.value[never], ends.residual[never] = ends.side[never] * np.inf, 0.0
        ends.remark[never] = OPEN
    return ends


def _along_limits(
    fit: Fit, function: Callable[[Model], Any], quantile: Array, ends: Lanes, lanes: Array
) -> None:
    """Find ends among the members towards a limit where one parameter runs to infinity."""
    refits = Refits(fit)
    for column, p in enumerate(free_parameters(fit)):
        if p.domain.lower < 0 or p.domain.upper != np.inf:
            continue
        mine = lanes[_runs(refits, p, ends.member[lanes], quantile[ends.member[lanes]])]
        asked = np.full((fit.objective.size, len(fit.names)), np.nan)
        asked[ends.member[mine], column] = quantile[ends.member[mine]]
        least = (
            parameter_ends(fit, asked).value[ends.member[mine], column, 0] if mine.size else mine
        )
        mine, least = mine[least > p.domain.lower], least[least > p.domain.lower]
        if not mine.size:
            continue
        share, value, residual = _outermost(refits, function, p, least, quantile, ends, mine)
        found = np.isfinite(value)
        done = mine[found]
        ends.value[done], ends.residual[done] = value[found], residual[found]
        ends.remark[done] = np.where(
            share[found] <= 2 * _NEAREST, f"it belongs to the limit, {p.name} → ∞", ""
        )


def _runs(refits: Refits, p: Param, members: Array, quantile: Array) -> Array:
    """Tell whether this parameter alone has run to infinity, or may within the quantile, (l,)."""
    fit = refits.fit
    endless = [np.isinf(fit.flat(name)[members]) for name in fit.names]
    alone = np.sum(endless, axis=0) == 1
    here = alone & np.isinf(fit.flat(p.name)[members])
    near = asymptote(refits, p, members, np.ones(len(members))) < quantile
    return np.asarray(here | (near & usable(fit)[0][members]))


def _outermost(
    refits: Refits,
    function: Callable[[Model], Any],
    p: Param,
    least: Array,
    quantile: Array,
    ends: Lanes,
    lanes: Array,
) -> tuple[Array, Array, Array]:
    """Return the share of each lane where the function is outermost, its value, the residual, (l,)."""
    members, sides = ends.member[lanes], ends.side[lanes]
    every = np.arange(lanes.size)

    def read(share: Array) -> tuple[Array, Array]:
        who = np.repeat(every, share.shape[1])
        out = np.full((2, who.size), np.nan)
        held = np.minimum(least[who] / share.ravel(), p.limits[1])
        for some, other, deviance in refits.held(p.name, held, members[who]):
            rest = quantile[members[who[some]]] - deviance
            side = (sides[who[some]] > 0).astype(int)
            out[:, some] = _inner(other, function, np.where(rest > 0, rest, np.nan), side)
        value, residual = out.reshape(2, *share.shape)
        return np.where(np.isnan(value), -np.inf, sides[:, None] * value), residual

    grid = np.broadcast_to(_COARSE, (lanes.size, _COARSE.size))
    for stage in range(_STAGES + 1):
        height, residual = read(grid)
        top = height.argmax(axis=1)
        best = (grid[every, top], sides * height[every, top], residual[every, top])
        low = grid[every, np.maximum(top - 1, 0)]
        high = grid[every, np.minimum(top + 1, grid.shape[1] - 1)]
        if stage < _STAGES:
            grid = low[:, None] + (high - low)[:, None] * _FINE
    return best


def _inner(fit: Fit, function: Callable[[Model], Any], quantile: Array, side: Array) -> Array:
    """Return an end of each member and its residual, (2, L), with the running parameter held."""
    every = np.arange(len(quantile))
    here = np.full(len(quantile), np.nan)
    for members, model in fit.groups():
        here[members] = call(function, model)
    flat = np.ones(len(quantile), dtype=bool)
    if fit.names:
        surface = Surface(fit)
        with np.errstate(all="ignore"):
            gradient = Smooth(surface, function).gradient(surface.eta, every)[1]
        flat = (gradient == 0).all(axis=1)
    out = np.stack([np.where(np.isnan(quantile), np.nan, here), np.zeros(len(quantile))])
    if not flat.all():
        ends = _about_optima(fit, function, np.where(flat, np.nan, quantile)).result()
        found = np.stack([ends.value[every, 0, side], ends.residual[every, 0, side]])
        out = np.where(flat, out, found)
    return out
