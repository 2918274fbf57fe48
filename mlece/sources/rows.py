"""A joint law of covariates and a response as weighted points: nodes of y for each node of x."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.model import Model
from mlece.sources.discrete import GRADED, cell_masses, graded_nodes, law_at, laws_at
from mlece.sources.distribution import nodes
from mlece.sources.nodes import Nodes
from mlece.sources.slabs import slabs

LARGEST_RULE = 1 << 23  # points of a joint rule: some gigabytes in the passes of a fit
_FEW = 64  # integers that all rows carry, so that their masses come in one array
_NOTHING = 1e-40


@dataclass(frozen=True, eq=False)
class Grid:
    """The law of covariates as weighted points.

    Parameters
    ----------
    weights : array (m,)
    laws : tuple of Nodes
        Independent covariates, the last running fastest; empty for a sample of covariates.
    """

    weights: Array
    laws: tuple[Nodes, ...] = ()

    @property
    def count(self) -> int:
        """Number of points."""
        return self.weights.size

    def alone(self) -> RowNodes:
        """Return the covariates as a joint law with nothing else."""
        zeros, ones = np.zeros(self.count), np.ones(self.count)
        return RowNodes(self, zeros, ones, np.arange(self.count), (), 0)

    def margins(self, values: Array) -> Iterator[tuple[Nodes, Array]]:
        """Yield each covariate's law with the means of values (m,) given its nodes."""
        shape = tuple(law.count for law in self.laws)
        table = values.reshape(shape or values.shape)
        for axis, law in enumerate(self.laws):
            mean = table
            for other in range(len(shape) - 1, -1, -1):
                if other != axis:
                    mean = np.tensordot(mean, self.laws[other].mass, (other, 0))
            yield law, mean


def product(laws: tuple[Nodes, ...]) -> Grid:
    """Return the grid of independent covariates.

    Raises
    ------
    NoDensityError
        For more than 2^23 points.
    """
    require_room(math.prod(law.count for law in laws), f"{len(laws)} covariates")
    weights = np.ones(1)
    for law in laws:
        weights = np.multiply.outer(weights, law.weights).ravel()
    return Grid(weights, laws)


class TooManyPointsError(errors.NoDensityError):
    """A joint rule would have too many points."""


def require_room(count: int, what: str) -> None:
    """Raise unless a joint rule of so many points can be summed."""
    if count > LARGEST_RULE:
        raise TooManyPointsError(
            errors.message(
                f"a product rule of {LARGEST_RULE:,} points at most",
                f"{count:,} points, for {what} and the response",
                "Give points of the covariates, x=frame, weights=: a sample of them, or a rule of your "
                "own; only the response is then integrated",
            )
        )


@dataclass(frozen=True, eq=False)
class Block:
    """Rows whose responses have one law but for location and scale.

    Parameters
    ----------
    start : int
        First of their points; the points of each row follow those of the one before.
    rows : array of int (g,)
    law : Nodes
        In the common frame.
    """

    start: int
    rows: Array
    law: Nodes

    @property
    def stop(self) -> int:
        """End of their points."""
        return self.start + len(self.rows) * self.law.count

    def of(self, values: Array) -> Array:
        """Return the values at their points, (g, points of the law)."""
        return values[self.start : self.stop].reshape(len(self.rows), -1)


@dataclass(frozen=True, eq=False)
class RowNodes:
    """A joint law of covariates and a response as weighted points.

    Parameters
    ----------
    grid : Grid
        The covariates.
    values : array (N,)
        Responses (codes for categories).
    inner : array (N,)
        Weights given the covariates.
    row : array of int (N,)
        Points of the grid.
    blocks : tuple of Block
        All points by the rule that they come from; empty for laws of a few integers or labels.
    level : int
        Steps in t were 2^-level; 0 where there is nothing but sums.
    """

    grid: Grid
    values: Array
    inner: Array
    row: Array
    blocks: tuple[Block, ...]
    level: int

    @property
    def growth(self) -> int:
        """How many times as many points the next level has."""
        halved = [law.level > 0 for law in self.grid.laws]
        halved.append(any(block.law.level > 0 for block in self.blocks))
        return int(2 ** sum(halved))

    @cached_property
    def weights(self) -> Array:
        """Joint weights (N,), of sum 1."""
        return np.asarray(self.grid.weights[self.row] * self.inner)

    @property
    def count(self) -> int:
        """Number of points."""
        return self.values.size

    def given(self, values: Array) -> Array:
        """Return the mean of values (N,) given the covariates, (m,)."""
        if not self.blocks:
            return np.bincount(self.row, self.inner * values, self.grid.count)
        out = np.zeros(self.grid.count)
        for block in self.blocks:
            out[block.rows] = block.of(values) @ block.law.weights
        return out

    def directions(self, values: Array) -> Iterator[tuple[Nodes, Array]]:
        """Yield every law of one number with what values (N,) come to on its nodes, the rest summed."""
        for block in self.blocks:
            yield block.law, self.grid.weights[block.rows] @ block.of(values)
        yield from self.grid.margins(self.given(values))


def row_nodes(model: Model, grid: Grid, level: int, kinks: Array | None = None) -> RowNodes:
    """Return the nodes of responses at each point of a grid of covariates.

    Parameters
    ----------
    model : Model
        Laws of the response, batch shape (m,) or ().
    grid : Grid
        m points.
    level : int
        Densities are summed with the step 2^-level; discrete laws over their support but for 1e-18 of the
        mass in either tail.
    kinks : array (c, m), optional
        Responses at which what will be integrated is not smooth, for each point.

    Returns
    -------
    RowNodes

    Raises
    ------
    NoDensityError
        If the nodes of a law miss some of its mass, or there are more than 2^23 of them.
    """
    m = grid.count
    theta = tuple(
        np.broadcast_to(v, (m, v.shape[-1]) if p.vector else (m,))
        for p, v in zip(model.params, model.theta, strict=True)
    )
    whole = model.member(*theta)
    stepped = any(law.level > 0 for law in grid.laws)
    if model.support.discrete:
        return _discrete(whole, grid, level if stepped else 0)
    if model.has("_atoms"):
        laws = [nodes(model.member(*[t[i] for t in theta]), level) for i in range(m)]
        blocks = _placed([(np.array([i]), law) for i, law in enumerate(laws)])
        return _joined(grid, blocks, [law.values for law in laws], level)
    return _dense(whole, grid, level, kinks)


def _dense(model: Model, grid: Grid, level: int, kinks: Array | None) -> RowNodes:
    """Return the nodes of densities: one rule for all rows that differ in location and scale alone."""
    theta, m = model.theta, grid.count
    shift, scale = np.zeros(m), np.ones(m)
    if model.roles():
        shift, scale = (
            np.array(np.broadcast_to(v, (m,)), dtype=float) for v in model.own_frame(theta)
        )
    with np.errstate(all="ignore"):
        framed = np.stack(model.to_frame(theta, shift, scale), axis=-1)
    cuts = np.zeros((m, 0)) if kinks is None else (kinks.T - shift[:, None]) / scale[:, None]
    keys = np.concatenate([framed, cuts], axis=1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    k = framed.shape[1]
    shared = [
        (np.flatnonzero(which.ravel() == u), nodes(model.member(*own[:k]), level, tuple(own[k:])))
        for u, own in enumerate(distinct.tolist())
    ]
    require_room(sum(len(rows) * law.count for rows, law in shared), f"{m:,} covariate points")
    values = []
    for rows, law in shared:
        with np.errstate(over="ignore", under="ignore"):
            y = shift[rows, None] + scale[rows, None] * law.values
        if model.support.lower == 0:
            # A point nearer to 0 than any float lies at the smallest one.
            y = np.maximum(y, np.finfo(float).tiny)
        values.append(y.ravel())
    out = _joined(grid, _placed(shared), values, level)
    bad = ~np.isfinite(out.values)
    if bad.any():
        raise errors.NoDensityError(
            errors.message(
                "responses that floats can hold, at every point of the covariates",
                errors.offenders(bad, out.values),
                "Covariates of lighter tails, or a sample of them, keep them finite",
            )
        )
    return out


def _placed(shared: list[tuple[Array, Nodes]]) -> tuple[Block, ...]:
    out, start = [], 0
    for rows, law in shared:
        out.append(Block(start, rows, law))
        start = out[-1].stop
    return tuple(out)


def _joined(grid: Grid, blocks: tuple[Block, ...], values: list[Array], level: int) -> RowNodes:
    inner = [np.tile(b.law.weights, len(b.rows)) for b in blocks]
    row = [np.repeat(b.rows, b.law.count) for b in blocks]
    flat = np.concatenate(values)
    return RowNodes(grid, flat, np.concatenate(inner), np.concatenate(row), blocks, level)


def _discrete(model: Model, grid: Grid, level: int) -> RowNodes:
    """Return the supports of discrete laws."""
    m = grid.count
    if model.support.kind == "categories":
        masses = cell_masses(model)
        values = np.broadcast_to(np.arange(float(masses.shape[1])), masses.shape)
        return _summed(grid, values, masses, level)
    low, high = (np.broadcast_to(end, (m,)) for end in model.bounds(model.theta))
    least, most = float(low.min()), float(high.max())
    if most - least < _FEW:
        values = np.broadcast_to(np.arange(least, most + 1.0), (m, int(most - least) + 1))
        return _summed(grid, values, np.exp(model.log_density(values)), level)
    # Far out in a tail of the covariates counts are too many to be summed, and weigh nothing.
    kept = np.flatnonzero(grid.weights > _NOTHING)
    laws: list[Any] = [None] * kept.size
    for at, slab in slabs(laws_at(model, kept), GRADED):
        found = slab.nodes() if slab else [graded_nodes(law_at(model, int(kept[at[0]])))]
        for number, law in zip(at.tolist(), found, strict=True):
            laws[number] = law
    require_room(sum(law.count for law in laws), f"{m:,} covariate points")
    blocks = _placed([(kept[[i]], law) for i, law in enumerate(laws)])
    return _joined(grid, blocks, [law.values for law in laws], level)


def _summed(grid: Grid, values: Array, masses: Array, level: int) -> RowNodes:
    rows, places = np.nonzero(masses > 0)
    return RowNodes(grid, values[rows, places], masses[rows, places], rows, (), level)
