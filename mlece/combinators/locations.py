"""Probabilities of intervals as a location moves: exact where the density is not smooth.

Differences in the location step over a kink of the density; its value at the ends of an interval does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.math import Array, Arrays, exp, inf, where
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score


def place_of_location(family: Model) -> int | None:
    """Return the position of the location of a family with kinks that it shifts; None for another."""
    roles = [p.role for p in family.params]
    return roles.index("location") if family.has("_breakpoints") and "location" in roles else None


class MovedLocation:
    """First and second derivatives of log P(l < Y <= u) − log P(Y > e) of some observations.

    Parameters
    ----------
    law : object
        The family of complete observations as ``family``; ``log_unseen`` and ``log_mass`` of intervals.
    t : array (r or 1, m, 3)
    theta : tuple of arrays (r, 1)
    at : int
        Position of the location.
    """

    def __init__(self, law: Any, t: Array, theta: Arrays, at: int) -> None:
        self.law, self.t, self.theta, self.at = law, t, theta, at

    def score(self) -> Arrays:
        """Return the first derivatives, those in the other parameters by differences."""
        low, high = self.law.family._limits()
        of = self.law.log_unseen
        out = list(numerical_score(of, self.t, self.theta, low, high, (self.at,)))
        out[self.at] = self.slope(self.t, *self.theta)
        return tuple(out)

    def curvature(self) -> Arrays:
        """Return the upper triangle of the second derivatives."""
        k, (low, high) = len(self.theta), self.law.family._limits()
        of, held = self.law.log_unseen, (self.at,)
        out = list(numerical_curvature(of, None, self.t, self.theta, low, high, held))
        mixed = numerical_score(self.slope, self.t, self.theta, low, high, held)
        pairs = [(i, j) for i in range(k) for j in range(i, k)]
        for place, pair in enumerate(pairs):
            if self.at in pair:
                other = pair[0] if pair[1] == self.at else pair[1]
                out[place] = self.bend() if other == self.at else mixed[other]
        return tuple(out)

    def slope(self, t: Array, *theta: Array) -> Array:
        """Return the derivative in the location: densities at the ends, over the probability."""
        low, high, entry, _ = self._at_ends(t, theta)
        return low - high - entry

    def bend(self) -> Array:
        """Return the second derivative in the location, almost everywhere."""
        low, high, entry, scores = self._at_ends(self.t, self.theta)
        turn = low * scores[0] - high * scores[1] - (low - high) ** 2
        return np.asarray(turn - entry * scores[2] + entry**2)

    def _at_ends(self, t: Array, theta: Arrays) -> tuple[Array, Array, Array, list[Array]]:
        """Return densities at both ends over P, that at the entry over P(Y > e), and the scores there."""
        family = self.law.family
        hidden, truncated = t[..., 0] != t[..., 1], t[..., 2] > -inf
        mass = where(hidden, self.law.log_mass(t[..., 0], t[..., 1], theta), 0.0)
        seen = family.log_probability_hook(t[..., 2], theta, above=True)
        found, scores = [], []
        for j, used, total in ((0, hidden, mass), (1, hidden, mass), (2, truncated, seen)):
            known = used & np.isfinite(t[..., j])
            y = family.statistics(where(known, t[..., j], theta[self.at]))
            with np.errstate(all="ignore"):
                share = exp(family.log_density_hook(y, theta) - where(known, total, 0.0))
            found.append(where(known, share, 0.0))
            scores.append(where(known, family.score_hook(y, theta)[self.at], 0.0))
        return found[0], found[1], found[2], scores
