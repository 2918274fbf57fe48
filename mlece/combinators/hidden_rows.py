"""Incomplete observations of which each has parameters of its own: as many laws of one each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from mlece.combinators.compose import engine
from mlece.families.rowwise import Rowwise
from mlece.math import Array, Arrays

# Laws that are integrated at the same time, so that their nodes stay in the cache.
_AT_ONCE = 256


class HiddenRows(Rowwise):
    """Log densities or probabilities of a block, with derivatives in the parameters of each observation.

    Parameters
    ----------
    inner : Incomplete
        The family of triples (lower, upper, entry).
    t : array (r or 1, m, 3)
    theta : tuple of arrays (r, m) or (r, 1)
    """

    def __init__(self, inner: Any, t: Array, theta: Arrays) -> None:
        self.inner, self.complete = inner, engine(inner.complete)
        shape = np.broadcast_shapes(t.shape[:2], *[v.shape for v in theta])
        self.t = np.broadcast_to(t, (*shape, 3))
        self.theta = tuple(np.broadcast_to(v, shape) for v in theta)
        plain = (self.t[..., 0] == self.t[..., 1]) & (self.t[..., 2] == -np.inf)
        self.whole = np.flatnonzero(plain.all(axis=0))
        self.rest = np.flatnonzero(~plain.all(axis=0))
        self.shape = shape

    @cached_property
    def _exact(self) -> tuple[Any, Arrays, Any]:
        theta = tuple(v[:, self.whole] for v in self.theta)
        t = self.complete.statistics(self.t[:, self.whole, 1])
        return t, theta, self.complete.shared(t, theta)

    @cached_property
    def _hidden(self) -> list[tuple[Array, Arrays, Any]]:
        """The other observations, each a law by itself, a few at once."""
        flat = self.t[:, self.rest].reshape(-1, 1, 3)
        theta = [v[:, self.rest].reshape(-1, 1) for v in self.theta]
        out = []
        for start in range(0, len(flat), _AT_ONCE):
            cut = slice(start, start + _AT_ONCE)
            own = tuple(v[cut] for v in theta)
            out.append((flat[cut], own, self.inner.shared(flat[cut], own)))
        return out

    def _together(self, exact: Array | None, hidden: list[Array]) -> Array:
        out = np.empty(self.shape)
        if exact is not None:
            out[:, self.whole] = exact
        if hidden:
            size = (self.shape[0], len(self.rest))
            out[:, self.rest] = np.concatenate(hidden).reshape(size)
        return out

    @cached_property
    def value(self) -> Array:
        """Log density of exact observations, log probability of the others, (r, m)."""
        exact = None
        if len(self.whole):
            t, theta, shared = self._exact
            exact = self.complete.log_density_hook(t, theta, shared)
            if self.complete.has("_bounds"):
                inside = self.complete.inside(self.t[:, self.whole, 1], theta)
                exact = np.where(inside, exact, -np.inf)
        hidden = [
            np.broadcast_to(self.inner.log_density_hook(t, theta, shared), (len(t), 1))
            for t, theta, shared in self._hidden
        ]
        return self._together(exact, hidden)

    @cached_property
    def score(self) -> Arrays:
        """First derivatives, (r, m) each."""
        return self._derivatives("score_hook", len(self.theta))

    @cached_property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row, (r, m) each."""
        k = len(self.theta)
        return self._derivatives("curvature_hook", k * (k + 1) // 2)

    def _derivatives(self, hook: str, count: int) -> Arrays:
        exact: list[Any] = [None] * count
        if len(self.whole):
            t, theta, shared = self._exact
            exact = list(getattr(self.complete, hook)(t, theta, shared))
        hidden: list[list[Array]] = [[] for _ in range(count)]
        for t, theta, shared in self._hidden:
            parts = getattr(self.inner, hook)(t, theta, shared)
            for own, part in zip(hidden, parts, strict=True):
                own.append(np.broadcast_to(part, (len(t), 1)))
        return tuple(self._together(e, h) for e, h in zip(exact, hidden, strict=True))
