"""The profile of a smooth function of the parameters, followed outwards from the optimum."""

from __future__ import annotations

import numpy as np

from mlece.math import Array
from mlece.profiling.contour import ridge, saddle, solve
from mlece.profiling.surface import Surface, Target

_STEPS = 40
_CLOSE = 1e-9


class Walk:
    """Minimises the cross-entropy where a function takes given values, lane by lane from the last point.

    Parameters
    ----------
    surface : Surface
    target : Target
    members : array of int (L,)
        Member of the batch that a lane belongs to.

    Attributes
    ----------
    origin : array (L,)
        The function at the estimate.
    slope : array (L,)
        Its standard error at n = 1, (g' H⁻¹ g)^½.
    """

    def __init__(self, surface: Surface, target: Target, members: Array) -> None:
        self.surface, self.target, self.members = surface, target, members
        self.eta = surface.eta[members].copy()
        here = target.read(self.eta, members, np.arange(len(members)))
        way = solve(surface.hessian[members], here.gradient)
        self.origin = here.value
        self.slope = np.sqrt((here.gradient * way).sum(axis=1))
        self.multiplier = np.zeros(len(members))

    def deviance(self, value: Array, lanes: Array) -> Array:
        """Return 2n(min CE − CE(θ̂)) over the members at which the function has the values (l,).

        NaN where Newton's method did not get there.
        """
        surface, members = self.surface, self.members[lanes]
        eta, multiplier = self.eta[lanes].copy(), self.multiplier[lanes].copy()
        unit = surface.unit[members]
        out = np.full(len(lanes), np.nan)
        going = np.arange(len(lanes))
        for _ in range(_STEPS):
            some = members[going]
            height, slope, bend = surface.at(eta[going], some)
            reading = self.target.read(eta[going], some, lanes[going])
            u, mu = unit[going], multiplier[going, None]
            spread = self.slope[lanes[going]]
            # Steps are measured in units of curvature, the function in units of its own spread.
            rise = u * reading.gradient / spread[:, None]
            short = (value[going] - reading.value) / spread
            descent = mu * rise - u * slope
            outer = u[:, :, None] * u[:, None, :]
            curve = outer * (bend - (mu / spread[:, None])[:, :, None] * reading.hessian)
            move, gain = saddle(curve, rise, descent, short)
            length = surface.length(move, some)
            usable = np.isfinite(length) & np.isfinite(height)
            noise = np.abs(value[going]) / spread * np.finfo(float).eps
            enough = _CLOSE / np.sqrt(surface.total[some]) + 64.0 * noise
            close = usable & (length <= enough) & ridge(curve, rise)
            met = going[close]
            out[met] = 2.0 * surface.total[members[met]] * height[close]
            self.eta[lanes[met]], self.multiplier[lanes[met]] = eta[met], multiplier[met]
            scale = np.minimum(1.0, 0.5 / np.where(length > 0, length, 1.0))
            on = usable & ~close
            moved = eta[going] + u * move * scale[:, None]
            moved = np.clip(moved, surface.lower, surface.upper)
            eta[going[on]] = moved[on]
            multiplier[going[on]] -= (scale * gain)[on]
            going = going[on]
            if not going.size:
                break
        return out
