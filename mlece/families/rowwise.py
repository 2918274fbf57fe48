"""Observations of which each has parameters of its own: density and derivatives out of one exponential."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mlece.links.unit_links import UnitLink
from mlece.math import Array, Arrays, exp, log1p, times


class Rowwise:
    """Log densities of a block with their derivatives in the parameters of each observation."""

    value: Any
    score: Any
    curvature: Any


class IndexRows(Rowwise):
    """Successes with probability F(index): y log F + (1 − y) log (1 − F).

    Parameters
    ----------
    link : UnitLink
    y : array (r or 1, m)
        Successes, or targets in [0, 1].
    index : array (r, m)
    """

    def __init__(self, link: UnitLink, y: Array, index: Array) -> None:
        self.link, self.y, self.index = link, y, index

    @cached_property
    def value(self) -> Array:
        """Log density, (r, m)."""
        below, above = self.link.log_pair(self.index)
        return times(self.y, below) + times(1 - self.y, above)

    @cached_property
    def _pulls(self) -> tuple[Array, Array]:
        y, rest = self.y, 1 - self.y
        first, second, other, bend = self.link.log_pair_derivatives(self.index)
        return times(y, first) + times(rest, other), times(y, second) + times(rest, bend)

    @property
    def score(self) -> Arrays:
        """First derivative, (r, m)."""
        return (self._pulls[0],)

    @property
    def curvature(self) -> Arrays:
        """Second derivative, (r, m)."""
        return (self._pulls[1],)


class LogitRows(IndexRows):
    """The same where F is logistic: everything from e^−|index|, no digit lost in either tail."""

    @cached_property
    def _odds(self) -> Array:
        size = np.abs(self.index)
        return exp(np.negative(size, out=size))

    @cached_property
    def _missed(self) -> Array:
        """Target less the more probable outcome: 0 where a success or a failure is foreseen."""
        return np.subtract(self.y, ~np.signbit(self.index))

    @cached_property
    def value(self) -> Array:
        """Log density, (r, m)."""
        # Odds of 0 may belong to an index without bound, of which an outcome foreseen takes no part.
        bounded = self._odds.min(initial=1.0) > 0
        out = self._missed * self.index if bounded else times(self._missed, self.index)
        out -= log1p(self._odds)
        return out

    @cached_property
    def _smaller(self) -> Array:
        """The smaller of both probabilities."""
        return np.asarray(self._odds / (1 + self._odds))

    @property
    def score(self) -> Arrays:
        """First derivative, (r, m)."""
        return (self._missed + np.copysign(self._smaller, self.index),)

    @property
    def curvature(self) -> Arrays:
        """Second derivative, (r, m)."""
        return (self._smaller * (self._smaller - 1),)


class LabelRows(Rowwise):
    """Labels by their log-ratios to the first one, label by label.

    Parameters
    ----------
    y : array (r or 1, m)
        Codes of the labels.
    theta : tuple of arrays (r, m)
        Log-ratios of the labels but the first.
    """

    def __init__(self, y: Array, theta: Arrays) -> None:
        shape = np.broadcast_shapes(y.shape[:2], *(v.shape for v in theta))
        z = np.empty((len(theta) + 1, *shape))
        z[0] = 0.0
        for own, v in zip(z[1:], theta, strict=True):
            own[:] = v
        z -= z.max(axis=0)
        self.y, self.z = y, z

    @cached_property
    def _odds(self) -> tuple[Array, Array, Array]:
        """Odds against the most probable label, which of them is that one, the sum of the others."""
        best = self.z == 0
        odds = exp(self.z)
        # 1 - p of the most probable has no other exact form; where several are, one of them stays.
        rest = np.multiply(odds, ~best).sum(axis=0)
        if np.count_nonzero(best) != rest.size:
            rest += np.count_nonzero(best, axis=0) - 1.0
        return odds, best, rest

    @cached_property
    def _own(self) -> Array:
        """Where the entry of each observation's own label lies in an array (K, r, m), (r, m)."""
        shape = self.z.shape[1:]
        at = np.arange(self.z[0].size).reshape(shape)
        return np.asarray(at + at.size * self.y.astype(np.intp))

    @cached_property
    def value(self) -> Array:
        """Log density, (r, m)."""
        return np.asarray(self.z.take(self._own) - log1p(self._odds[2]))

    @cached_property
    def _shares(self) -> tuple[Array, Array]:
        """Probabilities of the labels and their complements, (K, r, m) each."""
        odds, best, rest = self._odds
        total = 1 + rest
        p = odds / total
        others = 1 - p
        np.copyto(others, rest / total, where=best)
        return p, others

    @cached_property
    def score(self) -> Any:
        """First derivatives, (K - 1, r, m)."""
        odds, best, rest = self._odds
        total, at = 1 + rest, self._own
        out = odds / -total
        # 1 - p, without the difference of two numbers next to 1.
        np.put(out, at, np.where(best.take(at), rest, total - odds.take(at)) / total)
        return out[1:]

    @cached_property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row, (r, m) each."""
        p, others = self._shares
        cells = range(1, len(p))
        return tuple(
            -p[i] * others[i] if i == j else p[i] * p[j] for i in cells for j in cells if j >= i
        )


class SoftLabelRows(LabelRows):
    """The same with probabilities of the labels as targets.

    Parameters
    ----------
    y : array (r or 1, m, K)
    theta : tuple of arrays (r, m)
    """

    @cached_property
    def value(self) -> Array:
        """Cross-entropy with the other sign, (r, m)."""
        target, z = np.moveaxis(self.y, -1, 0), self.z
        own = times(target, z) if np.isinf(z.min()) else target * z
        return np.asarray(own.sum(axis=0) - target.sum(axis=0) * log1p(self._odds[2]))

    @cached_property
    def score(self) -> Any:
        """First derivatives, (K - 1, r, m)."""
        p, others = self._shares
        # t - p, without the difference of two numbers next to 1.
        own = np.moveaxis(self.y, -1, 0)[1:]
        out = (own - 1) * p[1:]
        out += own * others[1:]
        return out
