"""Laws of which every observation has one: asked with arrays of observations, as one law is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.domain import Domain
from mlece.math import Array, Arrays
from mlece.model import Model


@dataclass(frozen=True)
class RowLaws:
    """The laws of n responses, asked for all of them at once.

    Parameters
    ----------
    law : Model
        Of batch shape (n,), one law for each observation, or (r, n) for each observation of r samples.
    """

    law: Model

    @property
    def support(self) -> Domain:
        """Where the responses lie."""
        return self.law.support

    @property
    def theta(self) -> Arrays:
        """Parameters of every law."""
        return self.law.theta

    @property
    def _atoms(self) -> Any:
        return self.law._atoms

    def has(self, hook: str) -> bool:
        """Whether the family supplies a hook of its own."""
        return self.law.has(hook)

    def bounds(self, theta: Arrays) -> tuple[Array, Array]:
        """Return the ends of the supports."""
        return self.law.bounds(theta)

    def _each(self, function: Callable[[Array], Array], y: Any) -> Array:
        """Ask for y (s, n) or, of r members, for (r, n) and (r, s, n)."""
        y = np.atleast_1d(y)
        shape = self.law.batch_shape
        if len(shape) > 1:
            samples = np.swapaxes(y if y.ndim > 2 else y[..., None, :], -1, -2)
            out = function(np.broadcast_to(samples, (*shape, samples.shape[-1])))
            return np.asarray(np.swapaxes(out, -1, -2) if y.ndim > 2 else out[..., 0])
        wide = np.broadcast_to(y, np.broadcast_shapes(y.shape, (1, *self.law.batch_shape)))
        return np.asarray(function(wide.T).T.reshape(np.broadcast_shapes(y.shape, wide.shape[1:])))

    def decode(self, y: Array) -> Array:
        """Return responses in the form in which the user has them."""
        return self.law.decode(y)

    def log_density(self, y: Any) -> Array:
        """Return the log density of responses (r, n), each under its own law."""
        return self._each(self.law.log_density, y)

    def log_cdf(self, y: Any) -> Array:
        """Return log P(Y <= y)."""
        return self._each(self.law.log_cdf, y)

    def log_sf(self, y: Any) -> Array:
        """Return log P(Y > y)."""
        return self._each(self.law.log_sf, y)

    def cdf(self, y: Any) -> Array:
        """Return P(Y <= y)."""
        return self._each(self.law.cdf, y)

    def sf(self, y: Any) -> Array:
        """Return P(Y > y)."""
        return self._each(self.law.sf, y)

    def quantile(self, u: Any) -> Array:
        """Return the quantiles at levels (r, n)."""
        return self._each(self.law.quantile, u)

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw samples of one response from each law, (s, n) or (r, s, n), codes for labels."""
        return np.asarray(
            np.moveaxis(self.law.draw(tail[:-1], rng), len(self.law.batch_shape) - 1, -1)
        )
