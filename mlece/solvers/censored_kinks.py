"""Locations with a kink among incomplete observations: from one exact observation to the next.

The cross-entropy, at its least over the other parameters, is a function of the location with a kink at
every exact observation and a derivative between them. Its one-sided derivatives tell on which side of an
observation it falls. Of a log-concave law without truncation it has one valley: −log q and −log of
probabilities are convex in m/s and 1/s (Burridge 1981; Pratt 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq

from mlece.combinators.kinks import kinks_among
from mlece.likelihood.chart import Chart
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.solvers.newton import decrement
from mlece.solvers.solution import Solution, ends_of, in_columns

Solver = Callable[[CrossEntropy], Solution]

_AT_ONCE = 33  # points at which the profile is known at once
# One-sided derivatives, in units of one over the scale, that are nothing but rounding.
_LEVEL = 1e-11
_SETTLED, _RELATIVE = 1e-14, 1e-14  # where a location is known, framed
_SOLVED = 1e-9  # relative error of what Newton's method solved for
_FARTHEST = 1e8  # framed units beyond the last observation


@dataclass(frozen=True)
class _Profile:
    """The least cross-entropy at some locations, (c,) each, and its derivatives on both sides.

    Parameters
    ----------
    where : array (c,)
        The locations, framed.
    theta : tuple of arrays (c,)
        All parameters at the least.
    value, left, right : array (c,)
    nu : array (c,)
        Newton decrement in the other parameters.
    solved : array of bool (c,)
    """

    where: Array
    theta: Arrays
    value: Array
    left: Array
    right: Array
    nu: Array
    solved: Array


def between_kinks(objective: CrossEntropy, smooth: Solver) -> Solution:
    """Solve for a location with a kink at exact observations, and for the other parameters.

    Parameters
    ----------
    objective : CrossEntropy
        Of a family of incomplete observations, some of them exact, whose location is free.
    smooth : callable
        Solves for the other parameters at held locations, all of them as one batch.
    """
    members = [_Member(objective, r, smooth) for r in range(objective.size)]
    found = [member.solve() for member in members]

    convex = all(member.one_valley for member in members)
    return Solution(
        in_columns([f.theta for f in found]),
        "profile over exact observations",
        np.array([f.solved for f in found]),
        np.array([f.excess for f in found]),
        ends=ends_of(found),
        proof="one-sided derivatives and Newton decrement",
        value=np.array([f.value for f in found]),
        scope="global" if convex else "local",
    )


@dataclass(frozen=True)
class _Found:
    theta: Arrays
    value: float
    excess: float
    solved: bool
    ends: tuple[Arrays, Arrays] | None = None


class _Member:
    """One member of a batch, in the standard frame."""

    def __init__(self, objective: CrossEntropy, r: int, smooth: Solver) -> None:
        model: Any = objective.model
        self.smooth, self.model = smooth, model
        self.names = [p.name for p in model.params]
        self.at = self.names.index(kinks_among(objective)[0])
        one = np.array([r])
        sample = objective.sample.take(one)
        self.sample = replace(sample, values=objective.frame.apply(sample.values, one))
        w = self.sample.weights
        triples = self.sample.values[0]
        mass = np.ones(len(triples)) if w is None else w[0]
        exact = (triples[:, 0] == triples[:, 1]) & (mass > 0)
        self.kinks, place = np.unique(triples[exact, 1], return_inverse=True)
        self.mass = np.bincount(place, mass[exact]) / mass.sum()
        self.fixed = {name: float(value[r]) for name, value in objective.fixed.items()}
        # What an asymmetry that is free does, and truncation, is not convex.
        shapes = [p.name for p in model.params if not p.role and p.name not in self.fixed]
        self.one_valley = not shapes and not bool(np.isfinite(triples[:, 2]).any())

    def profile(self, where: Array) -> _Profile:
        """Return the least over the other parameters at some locations, as one batch."""
        count = len(where)
        sample = replace(self.sample.take(np.zeros(count, dtype=np.intp)), batch_shape=(count,))
        held = {name: np.full(count, value) for name, value in self.fixed.items()}
        part = CrossEntropy(self.model.replace(**held, **{self.names[self.at]: where}), sample)
        out = self.smooth(part)
        at = part.evaluate(out.theta, 2)
        assert at.score is not None
        chart, nu = Chart(part), np.zeros(count)
        if chart.free:
            nu = decrement(*chart.pull(chart.eta(out.theta), at))
        model, user = part.model, part.user
        theta = model.from_frame(out.theta, user.shift, user.scale)
        theta = tuple(np.broadcast_to(t, (count,)) for t in theta)
        slope = at.score[:, self.at] / np.broadcast_to(
            model.frame_factors(user.scale)[self.at], (count,)
        )
        left, right = self._sides(theta)
        value = at.value + part.log_scale
        solved = out.solved & (nu < 0.1) & np.isfinite(value)
        return _Profile(where, theta, value, slope + left, slope + right, nu, solved)

    def _sides(self, theta: Arrays) -> tuple[Array, Array]:
        """Return what observations exactly at a location add to the derivatives on both sides."""
        where = theta[self.at]
        place = np.minimum(np.searchsorted(self.kinks, where), len(self.kinks) - 1)
        share = np.where(self.kinks[place] == where, self.mass[place], 0.0)
        law = self.model._inner
        columns = tuple(t[:, None] for t in theta)
        # The score of an observation just above the location is what holds to the left of it.
        scores = [
            law.score_hook(law.statistics(np.nextafter(where, way)[:, None]), columns)[self.at]
            for way in (np.inf, -np.inf)
        ]
        at = law.score_hook(law.statistics(where[:, None]), columns)[self.at]
        left, right = (-share * (s - at)[:, 0] for s in scores)
        return left, right

    def rounding(self, found: _Profile) -> Array:
        """Return the size below which derivatives are rounding, (c,)."""
        names = [p.name for p in self.model.params if p.role == "scale"]
        return np.asarray(_LEVEL / found.theta[self.names.index(names[0])])

    def solve(self) -> _Found:
        """Return the optimum: at an exact observation, between two, or on all points between two."""
        low, high = -1, len(self.kinks)
        below: _Profile | None = None
        above: _Profile | None = None
        while high - low > 1:
            # Observations of which it is not known on which side the minimum lies.
            inside = np.arange(low + 1, high)
            some = inside[np.unique(np.linspace(0, len(inside) - 1, _AT_ONCE).astype(np.intp))]
            found = self.profile(self.kinks[some])
            best = int(np.argmin(np.where(np.isnan(found.value), np.inf, found.value)))
            # Elsewhere the others may run off, where they come no lower.
            if not found.solved[best]:
                return _unsolved(found)
            noise = self.rounding(found)
            if found.left[best] <= noise[best] and found.right[best] >= -noise[best]:
                return self._at_kink(found, best)
            # Towards the side on which it falls, as far as the next of these points.
            if found.right[best] < 0:
                low, below = int(some[best]), _one(found, best)
                if best + 1 < len(some):
                    high, above = int(some[best + 1]), _one(found, best + 1)
            else:
                high, above = int(some[best]), _one(found, best)
                if best:
                    low, below = int(some[best - 1]), _one(found, best - 1)
        return self._in_piece(below, above)

    def _at_kink(self, found: _Profile, best: int) -> _Found:
        """Return an optimum at an observation, with the next one where all between are optimal."""
        noise = self.rounding(found)[best]
        here = _found(found, best)
        flat = [abs(found.left[best]) <= noise, abs(found.right[best]) <= noise]
        place = int(np.searchsorted(self.kinks, found.where[best]))
        for side, level in zip((-1, 1), flat, strict=True):
            if not (level and 0 <= place + side < len(self.kinks)):
                continue
            other = self.profile(self.kinks[[place + side]])
            back = other.right[0] if side < 0 else other.left[0]
            if other.solved[0] and abs(back) <= self.rounding(other)[0]:
                middle = 0.5 * (self.kinks[place] + self.kinks[place + side])
                centre = _found(self.profile(np.array([middle])), 0)
                pair = tuple(_near(f.theta, centre.theta) for f in (here, _found(other, 0)))
                low, high = pair[::side]
                return replace(centre, ends=(low, high))
        return here

    def _in_piece(self, below: _Profile | None, above: _Profile | None) -> _Found:
        """Return the optimum between two neighbouring observations, or beyond the last."""
        ends = self._bracket(below, above)
        if isinstance(ends, _Profile):
            return _unsolved(ends)
        if not (ends[0].solved[0] and ends[1].solved[0] and ends[0].right[0] < 0 < ends[1].left[0]):
            return _unsolved(ends[0] if ends[0].value[0] < ends[1].value[0] else ends[1])
        known = {float(end.where[0]): end for end in ends}
        slopes = dict(zip(known, (float(ends[0].right[0]), float(ends[1].left[0])), strict=True))

        def slope(where: float) -> float:
            if where not in known:
                known[where] = found = self.profile(np.array([where]))
                # Where the others cannot be solved for the search ends, and is told unsolved.
                slopes[where] = float(found.right[0]) if found.solved[0] else 0.0
            return slopes[where]

        low, high = known
        root = float(brentq(slope, low, high, xtol=_SETTLED, rtol=_RELATIVE))
        slope(root)
        found = known[root]
        return self._smooth(found) if found.solved[0] else _unsolved(found)

    def _bracket(
        self, below: _Profile | None, above: _Profile | None
    ) -> tuple[_Profile, _Profile] | _Profile:
        """Return two locations between which the minimum lies; where none is met, the last one."""
        step = 1.0
        while below is None or above is None:
            known = above if below is None else below
            assert known is not None
            way = -step if below is None else step
            found = self.profile(known.where[:1] + way)
            if not found.solved[0] or step > _FARTHEST:
                return found
            falls = found.right[0] < 0
            if below is None:
                below, above = (found, above) if falls else (None, found)
            else:
                below, above = (found, None) if falls else (below, found)
            step *= 2
        return below, above

    def _smooth(self, found: _Profile) -> _Found:
        """Return an optimum at which the likelihood is smooth, with what its Newton decrement proves."""
        one = replace(self.sample, batch_shape=())
        part = CrossEntropy(self.model.replace(**self.fixed), one)
        theta = part.model.to_frame(found.theta, part.user.shift, part.user.scale)
        chart = Chart(part)
        nu = float(decrement(*chart.pull(chart.eta(theta), part.evaluate(theta, 2)))[0])
        out = _found(found, 0)
        return replace(out, excess=nu**2 if nu < 0.1 else np.inf)


def _one(found: _Profile, i: int) -> _Profile:
    theta = tuple(t[[i]] for t in found.theta)
    rest = {k: v[[i]] for k, v in vars(found).items() if k != "theta"}
    return _Profile(theta=theta, **rest)


def _found(found: _Profile, i: int) -> _Found:
    theta = tuple(t[i] for t in found.theta)
    return _Found(theta, float(found.value[i]), float(found.nu[i] ** 2), bool(found.solved[i]))


def _near(theta: Arrays, other: Arrays) -> Arrays:
    """Return parameters of which those are taken from others that differ by the error of a solver."""
    close = [np.abs(a - b) <= _SOLVED * np.abs(b) for a, b in zip(theta, other, strict=True)]
    return tuple(np.where(c, b, a)[()] for a, b, c in zip(theta, other, close, strict=True))


def _unsolved(found: _Profile) -> _Found:
    """Return the lowest point of a profile whose other parameters could not be solved for."""
    best = int(np.argmin(np.where(np.isnan(found.value), np.inf, found.value)))
    return replace(_found(found, best), excess=np.inf, solved=False)
