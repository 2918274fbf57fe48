"""Discrete laws of which each has parameters of its own, by tables of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.combinators.compose import Composite
from mlece.math import Array, times
from mlece.model import Model
from mlece.numerics.counting import alike_in_width
from mlece.sources.discrete import law_at, laws_at, tail_ends
from mlece.sources.nodes import LOG_SMALLEST, MASS_TOLERANCE, Nodes

WIDEST = 4096  # integers of one law in a table
_CELLS = 1 << 16  # of one table, so that what is computed of it stays in cache


@dataclass(frozen=True)
class Slab:
    """Laws next to each other, each over consecutive integers that carry it but for 1e-18 in a tail.

    Parameters
    ----------
    first, last : array (g, 1)
        Ends of what is tabulated of each law.
    values : array (g, w)
        Integers, from the first on.
    log_masses : array (g, w)
        Minus infinity beyond the last.
    masses : array (g, w)
    """

    first: Array
    last: Array
    values: Array
    log_masses: Array
    masses: Array

    @classmethod
    def of(cls, model: Model, first: Array, last: Array) -> Slab:
        """Tabulate laws of batch shape (g,)."""
        ends = first[:, None], last[:, None]
        values = ends[0] + np.arange(float(np.max(last - first)) + 1.0)
        logs = np.where(values <= ends[1], model.log_density(values), -np.inf)
        return cls(*ends, values, logs, np.exp(logs))

    def at(self, rows: Array) -> Slab:
        """Return some of the laws."""
        parts = (self.first, self.last, self.values, self.log_masses, self.masses)
        return Slab(*[part[rows] for part in parts])

    def cdf(self, y: Array) -> Array:
        """Return P(Y <= y) for whole numbers (g, j)."""
        running = np.cumsum(self.masses, axis=1)
        at = np.minimum(np.maximum(y, self.first), self.last) - self.first
        below = np.take_along_axis(running, at.astype(np.intp), axis=1)
        out = np.where(y > self.last, 1.0, np.where(y < self.first, 0.0, below))
        return np.minimum(out, 1.0)

    def quantile(self, prob: Array) -> Array:
        """Return the smallest integers y with P(Y <= y) >= prob (g, j)."""
        running = np.cumsum(self.masses, axis=1)
        found = [np.searchsorted(r, p) for r, p in zip(running, prob, strict=True)]
        return np.asarray(np.minimum(self.first + np.asarray(found, dtype=float), self.last))

    def entropy(self) -> Array:
        """Return −Σ p log p, (g,)."""
        return -np.asarray(times(self.masses, self.log_masses).sum(axis=1))

    def central_moment(self, power: int) -> Array:
        """Return the mean for power 1 and E(Y − E Y)^power above, (g,)."""
        mean = (self.masses * self.values).sum(axis=1)
        if power == 1:
            return np.asarray(mean)
        return np.asarray((self.masses * (self.values - mean[:, None]) ** power).sum(axis=1))

    def nodes(self) -> Iterator[Nodes]:
        """Yield each law as weighted points."""
        seen = self.log_masses > LOG_SMALLEST
        for own, values, masses in zip(seen, self.values, self.masses, strict=True):
            kept = masses[own]
            yield Nodes(values[own], kept, 0, np.full(kept.size, np.nan), kept)


def slabs(model: Model, widest: int = WIDEST) -> Iterator[tuple[Array, Slab | None]]:
    """Yield the rows of discrete laws, batch shape (m,), with their tables.

    None stands for a table where a row is to be taken by itself: the law is wider than ``widest``, has a
    power tail or components, or is no law.
    """
    first = last = np.zeros(model.batch_shape)
    alone = np.ones(model.batch_shape, dtype=bool)
    if _plain(model):
        first, last, alone = _ends(model, widest)
    for row in np.flatnonzero(alone):
        yield np.array([row]), None
    rest = np.flatnonzero(~alone)
    for group in alike_in_width(last[rest] - first[rest] + 1.0, _CELLS):
        rows = rest[group]
        slab = Slab.of(laws_at(model, rows), first[rows], last[rows])
        whole = np.abs(slab.masses.sum(axis=1) - 1.0) <= MASS_TOLERANCE
        if whole.any():
            yield rows[whole], slab.at(np.flatnonzero(whole))
        for row in rows[~whole]:
            yield np.array([row]), None


def _ends(model: Model, widest: int) -> tuple[Array, Array, Array]:
    """Return the integers between which the laws lie, (m,) each, and which laws are to be taken alone."""
    shape = model.batch_shape
    lower, upper = (np.broadcast_to(end, shape) for end in model.bounds(model.theta))
    if model.has("_quantile"):
        start = model.quantile(np.array([0.5]))[:, 0]
    elif model.has("_mean"):
        start = np.broadcast_to(np.floor(model.mean), shape)
    else:
        return lower, upper, np.ones(shape, dtype=bool)
    alone = ~np.isfinite(start)
    start = np.minimum(np.maximum(np.where(alone, 0.0, start), lower), upper)
    ends = []
    for direction, end in ((-1.0, lower), (1.0, upper)):
        found, slow = tail_ends(model, start, direction, end, float(widest))
        ends.append(found)
        alone = alone | slow
    return ends[0], ends[1], alone | ~(ends[1] - ends[0] < widest)


def each_law(
    model: Model, single: Callable[[Model, int], Any], tabled: Callable[[Slab, Array], Any]
) -> Array:
    """Evaluate a function of known laws, by tables where they have them and one by one where not.

    Parameters
    ----------
    model : Model
        Any batch shape.
    single : callable
        Takes one law and its number in C order.
    tabled : callable
        Takes a table of laws and their numbers, and returns (g, ...).

    Returns
    -------
    array (batch_shape + ...)
    """
    flat = flattened(model)
    out: list[Any] = [None] * flat.batch_shape[0]
    for rows, slab in slabs(flat):
        if slab is None:
            out[rows[0]] = single(law_at(flat, int(rows[0])), int(rows[0]))
            continue
        for row, value in zip(rows, tabled(slab, rows), strict=True):
            out[row] = value
    found = np.asarray(out)
    return found.reshape((*model.batch_shape, *found.shape[1:]))


# What is seen of some laws: their numbers, the first integer (g, 1) of a stretch, P(Y <= y) along it
# (g, w), and which laws have no mass beyond it. Told is which of them need no more.
Seen = Callable[[Array, Array, Array, Array], Array]
_FIRST = 32  # integers of a first stretch
_NOTHING = 1e-22  # a probability from which on those of a few thousand integers are nothing


def climbed(model: Model, seen: Seen) -> Array:
    """Add up probabilities from the lower end on, until what is asked of each law has been seen.

    Of laws that are known to sum to 1, not far from their lower ends: a family's own. The stretches
    double, so that a quantile costs about as many probabilities as there are below it.

    Parameters
    ----------
    model : Model
        Discrete laws, batch shape (m,).
    seen : callable

    Returns
    -------
    rows : array of int
        The laws that need another way.
    """
    shape = model.batch_shape
    lower, upper = (np.broadcast_to(end, shape) for end in model.bounds(model.theta))
    near = np.isfinite(lower)
    if not (_plain(model) and type(model).__module__.startswith("mlece.families")):
        near = np.zeros(shape, dtype=bool)
    elif model.has("_mean"):
        near = near & ~(model.mean - lower > WIDEST / 2)
    left, away = np.flatnonzero(near), np.flatnonzero(~near)
    start, width = 0, _FIRST
    below = np.zeros(shape)
    while left.size and start < WIDEST:
        more = []
        for cut in range(0, left.size, max(1, _CELLS // width)):
            rows = left[cut : cut + max(1, _CELLS // width)]
            first = lower[rows, None] + start
            masses = laws_at(model, rows).density(first + np.arange(width))
            running = np.minimum(below[rows, None] + np.cumsum(masses, axis=1), 1.0)
            below[rows] = running[:, -1]
            nothing = (masses[:, -1] < _NOTHING) & (below[rows] > 0.5)
            whole = nothing | (lower[rows] + start + width > upper[rows])
            more.append(rows[~(seen(rows, first, running, whole) | whole)])
        left = np.concatenate(more)
        start, width = start + width, start + width
    return np.concatenate([left, away])


def _plain(model: Model) -> bool:
    """Tell whether a law is one of whole numbers without parts."""
    whole = model.support.discrete and model.support.kind != "categories"
    return whole and not (isinstance(model, Composite) or bool(model._components))


def flattened(model: Model) -> Model:
    """Return the laws of an array of them as a batch (m,)."""
    shape = model.batch_shape
    theta = []
    for p, value in zip(model.params, model.theta, strict=True):
        tail = value.shape[-1:] if p.vector else ()
        theta.append(np.broadcast_to(value, shape + tail).reshape(-1, *tail))
    return model.member(*theta)
