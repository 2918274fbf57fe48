"""Where a quantity is largest and smallest on a likelihood contour: ends of profile intervals.

The ends of {ψ : min over θ with g(θ) = ψ of CE(θ) − CE(θ̂) ≤ c} are the extremes of g on the contour of
height c. They solve ±∇g = λ ∇CE, CE = CE(θ̂) + c, a system that Newton's method solves from the ellipsoid of
the quadratic approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.math import Array
from mlece.profiling.surface import Reading, Surface, Target

_STEPS = 40
# The deviance is met to this, in units of its quantile; the error of an end is half as much of its
# distance from the estimate.
TOLERANCE = 1e-10
_ALONG = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Extremes:
    """Extremes on the contour, one for each lane.

    Parameters
    ----------
    eta : array (L, m)
        Where they are.
    value : array (L,)
        The quantity there.
    residual : array (L,)
        How far the deviance of the profile may be from its quantile.
    found : array of bool (L,)
        Whether the lane converged to an end of the set around the estimate.
    held : array of bool (L,)
        Whether a coordinate lies at the edge of its range there.
    """

    eta: Array
    value: Array
    residual: Array
    found: Array
    held: Array


def extremes(
    surface: Surface, target: Target, members: Array, sides: Array, quantile: Array
) -> Extremes:
    """Solve for the ends of profile intervals (Venzon and Moolgavkar 1988), all lanes at once.

    Parameters
    ----------
    surface : Surface
    target : Target
        The quantity of each lane.
    members : array of int (L,)
        Member of the batch that a lane belongs to.
    sides : array (L,)
        −1 for the lower, 1 for the upper end.
    quantile : array (L,)
        Deviance at the end.

    References
    ----------
    Venzon, D. J. and Moolgavkar, S. H. (1988). A method for computing profile-likelihood-based
    confidence intervals. Applied Statistics 37, 87–94.
    """
    search = _Search(surface, target, members, sides, quantile)
    for _ in range(_STEPS):
        if not search.active.size:
            break
        search.step()
    return search.result()


class _Search:
    """The iterates of all lanes."""

    def __init__(
        self, surface: Surface, target: Target, members: Array, sides: Array, quantile: Array
    ) -> None:
        self.surface, self.target, self.members, self.sides = surface, target, members, sides
        self.height = quantile / (2.0 * surface.total[members])
        self.quantile = quantile
        lanes = np.arange(len(members))
        self.start = surface.eta[members]
        here = target.read(self.start, members, lanes)
        self.origin = here.value
        with np.errstate(all="ignore"):
            way = solve(surface.hessian[members], here.gradient)
            slope = np.sqrt((here.gradient * way).sum(axis=1))
            reach = np.sqrt(2.0 * self.height)
            move = (sides * reach / slope)[:, None] * way
            self.multiplier = slope / reach
        self.eta = np.clip(self.start + move, surface.lower, surface.upper)
        usable = np.isfinite(self.eta).all(axis=1) & np.isfinite(self.multiplier) & (slope > 0)
        self.active = lanes[usable]
        self.value = np.full(len(members), np.nan)
        self.residual = np.full(len(members), np.inf)
        self.found = np.zeros(len(members), dtype=bool)
        self.last = self.start.copy()

    def step(self) -> None:
        """Take one step of Newton's method in every lane that goes on."""
        lanes, surface = self.active, self.surface
        members, eta = self.members[lanes], self.eta[lanes]
        height, slope, bend = surface.at(eta, members)
        reading = self.target.read(eta, members, lanes)
        usable = np.isfinite(height) & np.isfinite(slope).all(axis=1)
        usable &= np.isfinite(bend).all(axis=(1, 2)) & np.isfinite(reading.hessian).all(axis=(1, 2))
        # Where the surface cannot be read the step was too long.
        back = lanes[~usable]
        self.eta[back] = 0.5 * (self.eta[back] + self.last[back])
        keep = np.flatnonzero(usable)
        lanes, eta, members = lanes[keep], eta[keep], members[keep]
        reading = Reading(reading.value[keep], reading.gradient[keep], reading.hessian[keep])
        self._newton(lanes, members, eta, (height[keep], slope[keep], bend[keep]), reading)
        self.active = self.active[~self.found[self.active]]

    def _newton(
        self,
        lanes: Array,
        members: Array,
        eta: Array,
        at: tuple[Array, Array, Array],
        reading: Reading,
    ) -> None:
        height, slope, bend = at
        surface, lam, side = self.surface, self.multiplier[lanes, None], self.sides[lanes, None]
        unit = surface.unit[members]
        ascent = unit * (side * reading.gradient / lam - slope)
        slope = unit * slope
        outer = unit[:, :, None] * unit[:, None, :]
        curve = outer * (bend - (side / lam)[:, :, None] * reading.hessian)
        held = np.asarray((eta >= surface.upper) & (ascent > 0))
        held |= (eta <= surface.lower) & (ascent < 0)
        ascent, slope = np.where(held, 0.0, ascent), np.where(held, 0.0, slope)
        free = ~held
        pairs, one = free[:, :, None] & free[:, None, :], np.eye(eta.shape[1])
        curve = np.where(pairs, curve, one)
        short = self.height[lanes] - height

        aside = _aside(ascent, slope, np.where(pairs, surface.metric[members], one))
        weight = 2.0 * surface.total[members]
        miss = weight * (np.abs(short) + 0.5 * aside)
        self.residual[lanes], self.value[lanes] = miss, reading.value
        limit = np.maximum(TOLERANCE * self.quantile[lanes], surface.rounding[members])
        outward = (side[:, 0] * (reading.value - self.origin[lanes]) > 0) & (lam[:, 0] > 0)
        # A quantity that rests on held coordinates alone has come to the end of its range.
        moves = (free & (reading.gradient != 0)).any(axis=1)
        done = (miss <= limit) & outward & moves & ridge(curve, slope)
        self.found[lanes[done]] = True

        move, gain = saddle(curve, slope, ascent, short)
        reach = np.sqrt(2.0 * self.height[lanes])
        length = surface.length(move, members)
        scale = np.minimum(1.0, reach / np.where(length > 0, length, 1.0))
        go = ~done
        self.last[lanes[go]] = eta[go]
        moved = eta + unit * move * scale[:, None]
        self.eta[lanes[go]] = np.clip(moved, surface.lower, surface.upper)[go]
        raised = lam[:, 0] * (1.0 + scale * gain)
        # A multiplier that would change its sign is taken from the gradients instead.
        least = np.abs(lam[:, 0]) * 0.2
        self.multiplier[lanes[go]] = np.where(raised > least, raised, least)[go]

    def result(self) -> Extremes:
        """Return the lanes that met an end around the estimate; the way there lies below the contour."""
        lanes = np.flatnonzero(self.found)
        for share in _ALONG:
            if not lanes.size:
                break
            points = self.start[lanes] + share * (self.eta[lanes] - self.start[lanes])
            members = self.members[lanes]
            height = self.surface.height(points, members)
            slack = self.surface.rounding[members] / self.surface.total[members]
            above = ~(height <= self.height[lanes] + slack)
            self.found[lanes[above]] = False
        at_edge = (self.eta >= self.surface.upper) | (self.eta <= self.surface.lower)
        held = np.asarray(at_edge.any(axis=1))
        return Extremes(self.eta, self.value, self.residual, self.found, held)


def _aside(ascent: Array, slope: Array, metric: Array) -> Array:
    """Return the square of the ascent along the contour, in the metric of the curvature, (L,)."""
    rise, fall = solve(metric, ascent), solve(metric, slope)
    square = (slope * fall).sum(axis=1)
    ratio = (slope * rise).sum(axis=1) / np.where(square > 0, square, 1)
    along = ascent - ratio[:, None] * slope
    return np.asarray((along * (rise - ratio[:, None] * fall)).sum(axis=1))


def ridge(curve: Array, slope: Array) -> Array:
    """Tell where the Lagrangian curves upwards in every direction along the contour."""
    m = slope.shape[1]
    if m == 1:
        return np.ones(len(slope), dtype=bool)
    usable = np.asarray(np.isfinite(curve).all(axis=(1, 2)))
    plane = np.linalg.qr(slope[:, :, None], mode="complete")[0][:, :, 1:]
    safe = np.where(usable[:, None, None], curve, np.eye(m))
    along = np.swapaxes(plane, 1, 2) @ safe @ plane
    return np.asarray(usable & (np.linalg.eigvalsh(along)[:, 0] > 0))


def saddle(curve: Array, slope: Array, ascent: Array, short: Array) -> tuple[Array, Array]:
    """Solve the Newton system of the Lagrangian: the move (L, m) and the gain of the multiplier."""
    size, m = slope.shape
    matrix = np.zeros((size, m + 1, m + 1))
    matrix[:, :m, :m] = curve
    matrix[:, :m, m] = matrix[:, m, :m] = slope
    solution = solve(matrix, np.concatenate([ascent, short[:, None]], axis=1))
    return solution[:, :m], solution[:, m]


def solve(matrix: Array, right: Array) -> Array:
    """Solve systems (L, k, k); NaN where one cannot be, the least solution where one is singular."""
    usable = np.asarray(np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(right).all(axis=1))
    safe = np.where(usable[:, None, None], matrix, np.eye(matrix.shape[1]))
    column = np.where(usable[:, None], right, 0.0)[:, :, None]
    try:
        out = np.linalg.solve(safe, column)
    except np.linalg.LinAlgError:
        out = np.linalg.pinv(safe) @ column
    return np.where(usable[:, None], out[:, :, 0], np.nan)
