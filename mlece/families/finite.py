"""Families on finitely many points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from mlece.domain import binary, probability, simplex
from mlece.errors import ParameterError, message
from mlece.families.labels import Labelled
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import (
    Array,
    Arrays,
    log,
    log1p,
    ratio_or_zero,
    where,
    xlog1py,
    xlogy,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.param import Param

# ---------------------------------------------------------------------------- Bernoulli


class Bernoulli(Model):
    r"""Bernoulli: log q = y log p + (1 − y) log(1 − p).

    scipy.stats: ``bernoulli(p)``. R: ``binom(1, p)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Bernoulli(p=0.25).density([0, 1])
    array([0.75, 0.25])
    """

    support = binary
    everyday = True
    saturated = True
    affine = True
    unit_carrier = True
    p = Param(probability, "p", typical=(0.1, 0.9), doc="probability of 1")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @staticmethod
    def _log_density(t: Arrays, p: Array) -> Array:
        return np.asarray(xlogy(t[0], p) + xlog1py(1 - t[0], -p))

    @staticmethod
    def _score(t: Arrays, p: Array) -> Arrays:
        return (ratio_or_zero(t[0], p) - ratio_or_zero(1 - t[0], 1 - p),)

    @staticmethod
    def _curvature(t: Arrays, p: Array) -> Arrays:
        return (-ratio_or_zero(t[0], p**2) - ratio_or_zero(1 - t[0], (1 - p) ** 2),)

    @staticmethod
    def _expected_statistics(p: Array) -> Arrays:
        return (p,)

    @staticmethod
    def _maximise(s: Summary, p: Array | None) -> Arrays:
        return (or_fixed(s.mean[0], p),)

    @staticmethod
    def _degenerate(s: Summary, p: Array | None) -> tuple[Limit, ...]:
        if p is not None:
            return ()
        (y,) = s.mean
        zero = full(y, 0.0)
        return (
            Limit(y == 0, Status.BOUNDARY, "every observation is 0: p = 0", (zero,), zero),
            Limit(y == 1, Status.BOUNDARY, "every observation is 1: p = 1", (zero + 1,), zero),
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        return ((x.sum(axis=-1) + 0.5) / (x.shape[-1] + 1),)

    @staticmethod
    def _log_cdf(y: Array, p: Array) -> Array:
        return where(y < 1, log1p(-p), 0.0)

    @staticmethod
    def _log_sf(y: Array, p: Array) -> Array:
        return where(y < 1, log(p), -np.inf)

    @staticmethod
    def _quantile(u: Array, p: Array) -> Array:
        return where(u <= 1 - p, 0.0, 1.0)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], p: Array) -> Array:
        return (rng.random(size) < p).astype(float)

    @staticmethod
    def _entropy(p: Array) -> Array:
        return np.asarray(-xlogy(p, p) - xlog1py(1 - p, -p))

    @staticmethod
    def _mean(p: Array) -> Array:
        return p

    @staticmethod
    def _variance(p: Array) -> Array:
        return np.asarray(p * (1 - p))

    @staticmethod
    def _scipy(p: Array) -> Twin:
        return "bernoulli", {"p": p}


# ---------------------------------------------------------------------------- Categorical


class Categorical(Labelled):
    r"""Categorical (a die with K sides): log q = Σ t_k log p_k for the indicator t of the label.

    Labels may be of any type that hashes; a fitted member remembers them. The categories of a pandas
    categorical or polars Enum Series are cells whether or not they were seen. The maximum likelihood
    estimate is the empirical distribution; an empty cell lies on the boundary, p_k = 0, with the
    Karush–Kuhn–Tucker multiplier 1. scipy.stats: none. R: ``prop.table(table(x))``.

    Parameters
    ----------
    p : array_like (..., K), optional
        Probabilities that sum to 1.
    labels : sequence, optional
        The K labels; taken from the data, or 0 to K − 1, if not given.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Categorical(), ["a", "b", "a", "c"])
    >>> fit.model
    Categorical(p=[0.5 , 0.25, 0.25], labels=('a', 'b', 'c'))
    """

    everyday = True
    saturated = True
    affine = True
    unit_carrier = True
    p = Param(simplex, "p", doc="probabilities of the labels")

    def __init__(self, p: Any = None, labels: Sequence[Any] | None = None) -> None:
        super().__init__(p=p)
        known = self.slots["p"]
        cells = None if known is None else known.shape[-1]
        if labels is None and cells is not None:
            labels = range(cells)
        names = self._take_labels(labels)
        if cells is not None and names is not None and len(names) != cells:
            raise ParameterError(message(f"{cells} labels, one for each cell", f"{len(names)}"))

    @property
    def settings(self) -> dict[str, Any]:
        """The labels, where they are known and not 0 to K − 1."""
        default = self.labels is not None and self.labels == tuple(range(len(self.labels)))
        if self.labels is None or (default and self.known):
            return {}
        return {"labels": self.labels}

    def replace(self, **slots: Any) -> Self:
        """Return a copy with other probabilities or labels."""
        return type(self)(**{"p": self.slots["p"], "labels": self.labels, **slots})

    def masses(self) -> Array:
        """Return the probabilities of the labels, (..., K) behind the batch axes."""
        return np.asarray(self.theta[0])

    def statistics(self, y: Array) -> Arrays:
        """Return indicators (r, m, K) of codes (r, m)."""
        return (self.indicators(y),)

    @staticmethod
    def _log_density(t: Arrays, p: Array) -> Array:
        return np.asarray(xlogy(t[0], p).sum(axis=-1))

    @staticmethod
    def _score(t: Arrays, p: Array) -> Array:
        return where(t[0] == 0, 0.0, t[0] / p)

    @staticmethod
    def _curvature(t: Arrays, p: Array) -> Array:
        return where(t[0] == 0, 0.0, -t[0] / p**2)[..., None] * np.eye(p.shape[-1])

    @staticmethod
    def _expected_statistics(p: Array) -> Arrays:
        return (p,)

    @staticmethod
    def _maximise(s: Summary, p: Array | None) -> Arrays:
        return (s.mean[0] if p is None else p,)

    @staticmethod
    def _bounds(p: Array) -> Arrays:
        return np.zeros(p.shape[:-1]), np.full(p.shape[:-1], p.shape[-1] - 1.0)

    @staticmethod
    def _log_cdf(y: Array, p: Array) -> Array:
        running = np.cumsum(p, axis=-1)
        cell = np.asarray(y[..., None] >= np.arange(p.shape[-1])).sum(axis=-1) - 1
        shape = np.broadcast_shapes(cell.shape, running.shape[:-1])
        wide = np.broadcast_to(running, (*shape, p.shape[-1]))
        picked = np.take_along_axis(wide, np.broadcast_to(cell, shape)[..., None], axis=-1)[..., 0]
        return log(where(cell == p.shape[-1] - 1, 1.0, picked))

    @staticmethod
    def _quantile(u: Array, p: Array) -> Array:
        running = np.cumsum(p, axis=-1)
        last = np.argmax(running >= running[..., -1:], axis=-1)
        return np.asarray(np.minimum((u[..., None] > running).sum(axis=-1), last), dtype=float)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], p: Array) -> Array:
        return Categorical._quantile(rng.random(size), p)

    @staticmethod
    def _entropy(p: Array) -> Array:
        return -np.asarray(xlogy(p, p).sum(axis=-1))
