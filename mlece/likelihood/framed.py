"""A sample in the standard frame: its blocks, and what starts, profiles and scans ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from mlece.combinators.penalties import BoundPenalty
from mlece.likelihood.frame import Frame
from mlece.likelihood.pole import CLOSE, EXACT, Pole, pole_sums
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import FRAME, ROOM, Summary, repeated, room, weighted_sum, wide
from mlece.numerics.masks import every
from mlece.numerics.selection import median_interval, pilot_points
from mlece.sample import Sample

# Temporaries of 64 kB stay in the cache and below the size at which allocators return pages.
BLOCK = 8192
BOTH = ("minimum", "maximum")
# The smallest, and any that lies above it: whether all are equal is the whole question.
APART = ("minimum", "another")
_FEW = 64


def another(y: Array, low: Array, high: Array | float) -> Array:
    """Return the largest of the first few of a block, of all only where those do not lie above ``low``."""
    high = np.maximum(high, np.maximum.reduce(y[:, :_FEW], axis=1))
    return high if every(high > low) else np.maximum(high, np.maximum.reduce(y, axis=1))


class FramedSample:
    """Observations and weights of a batch, read in the standard frame.

    Attributes
    ----------
    model : Model
    sample : Sample
    frame : Frame
        That of the values.
    user : Frame
        The same against the user's units.
    size : int
        Number of members of the batch.
    summary : Summary
    partial : bool
        Whether the sample is a part of another, of which starting values are made.
    """

    model: Model
    sample: Sample
    frame: Frame
    user: Frame
    size: int
    summary: Summary
    partial: bool = False

    @cached_property
    def penalty(self) -> BoundPenalty | None:
        """What a penalised model adds to the cross-entropy; None for any other."""
        own = getattr(self.model, "penalty", None)
        bound: BoundPenalty | None = own and own.on(self.model, self.sample, self.user.scale)
        return bound

    def penalty_at(self, theta: Arrays) -> Array:
        """Return the penalty of every member at framed parameters, in nats per observation, (R,)."""
        if self.penalty is None:
            return np.zeros(self.size)
        return np.broadcast_to(self.penalty.at(theta, slice(None)).value, (self.size,))

    @cached_property
    def _pole(self) -> Pole:
        return Pole(self.size, CLOSE if self.partial else EXACT)

    def _cuts(self, rows: slice | Array, size: int) -> Iterator[tuple[Array, Array | None]]:
        """Yield raw observations (r or 1, m) and weights of some members, ``size`` at a time."""
        y, w = self.sample.values, self.sample.weights
        y = y if len(y) == 1 else y[rows]
        w = w if w is None or len(w) == 1 else w[rows]
        for start in range(0, self.sample.rows, size):
            cut = slice(start, start + size)
            yield y[:, cut], None if w is None else w[:, cut]

    def _framed(self, raw: Array, rows: slice | Array) -> Array:
        """Return a block of framed observations, in a scratch array where the frame moves them."""
        if not self.frame.moves or self.model._width:
            return self.frame.apply(raw, rows)
        count = 1 if len(self.frame.shift) == 1 else len(self.frame.shift[rows])
        return self.frame.apply(raw, rows, room((max(count, len(raw)), raw.shape[1]), FRAME))

    def _needed_ends(self) -> tuple[str, ...]:
        """Return which extremes of the observations the model asks for, of minimum and maximum."""
        model, support = self.model, self.model.support
        if not model.affine or model.has("_bounds"):
            return BOTH
        if not support.bounded_somewhere:
            return ()
        if not (model.top_asked or self.sample.weights is not None):
            return APART
        # Whether all observations are equal is asked of members that can gather at one value.
        above = np.isfinite(support.upper) or model.collapsible or self.sample.weights is not None
        return BOTH if above else BOTH[:1]

    @staticmethod
    def _extremes(y: Array, w: Array | None) -> tuple[Array, Array]:
        if w is not None and not np.all(w > 0):
            present = np.broadcast_to(w > 0, np.broadcast_shapes(w.shape, y.shape))
            low = np.where(present, y, np.inf).min(axis=1)
            return low, np.where(present, y, -np.inf).max(axis=1)
        ends = np.minimum.reduce(y, axis=1), np.maximum.reduce(y, axis=1)
        return ends if y.dtype == np.float64 else (ends[0].astype(float), ends[1].astype(float))

    def _blocks(self, rows: slice | Array) -> Iterator[tuple[Array, Array | None]]:
        """Yield framed observations (r or 1, m) and weights of some members, block by block."""
        for raw, w in self._cuts(rows, self.model.sums_blocks or BLOCK):
            yield self.frame.apply(raw, rows), w

    def _summed(
        self, rows: Any, r: int, block_sums: Callable[[Array, Array | None], Arrays]
    ) -> tuple[Array, Arrays]:
        """Return the total weight (r,) and the means (r, ...) from sums over long framed blocks."""
        sums: list[Array] = []
        weight: Any = 0.0
        for raw, w in self._cuts(rows, max(1, ROOM // r)):
            part = block_sums(self._framed(raw, rows), w)
            sums = list(part) if not sums else [a + b for a, b in zip(sums, part, strict=True)]
            weight = weight + (float(raw.shape[1]) if w is None else w.sum(axis=1))
        weight = repeated(weight, r)
        whole = [wide(s, r) for s in sums]
        return weight, tuple(s / (weight if s.ndim == 1 else weight[:, None]) for s in whole)

    def _pole_means(self, pole: Arrays, rows: Any) -> Arrays:
        """Return what ``Pole.means`` tells of some members, reading the data where necessary."""

        def read(point: Array, members: Array) -> Array:
            m, c = point.real[:, None], point.imag[:, None]
            sums = self._summed(members, len(members), lambda y, w: (pole_sums(y, w, m, c),))
            return sums[1][0]

        place, width = pole
        return self._pole.means((place + 1j * width)[:, 0], np.arange(self.size)[rows], read)

    def median(self) -> tuple[Array, Array]:
        """Return the weighted median interval of each member, framed, (R,) each."""
        low, high = median_interval(self.model.points(self.sample.values), self.sample.weights)
        if self.sample.truth is not None:
            # The two nodes beside the median of a density enclose it; they are no set of medians.
            low = high = 0.5 * (low + high)
        shift, scale = self.frame.shift, self.frame.scale
        return (
            np.broadcast_to((low - shift) / scale, (self.size,)),
            np.broadcast_to((high - shift) / scale, (self.size,)),
        )

    def distinct(self, r: int) -> tuple[Array, Array]:
        """Return the distinct framed observations of one member, (m,) or (m, d), and their shares."""
        y, w = self.sample.values, self.sample.weights
        axis = None if y.ndim == 2 else 0
        values, codes = np.unique(y[r if len(y) > 1 else 0], axis=axis, return_inverse=True)
        mass = np.bincount(codes.ravel(), None if w is None else w[r if len(w) > 1 else 0])
        at = r if len(self.frame.shift) > 1 else 0
        framed = (values - self.frame.shift[at]) / self.frame.scale[at]
        present = mass > 0
        return framed[present], mass[present] / mass.sum()

    def mean_of(self, function: Callable[[Array], Array]) -> Array:
        """Return the weighted mean over the framed observations of a function of y (R or 1, m), (R,)."""
        total: Any = 0.0
        for y, w in self._blocks(slice(None)):
            total = total + weighted_sum(function(y), w, y.shape[1])
        return np.broadcast_to(total / self.summary.weight, (self.size,))

    def ordered(self) -> tuple[Array, Array]:
        """Return the framed observations of each member in order, with their weights, (R, n) each."""
        y = self.frame.apply(self.sample.values, slice(None))
        shape = (self.size, y.shape[1])
        w = np.ones((1, 1)) if self.sample.weights is None else self.sample.weights
        order = np.broadcast_to(np.argsort(y, axis=1, kind="stable"), shape)
        return (
            np.take_along_axis(np.broadcast_to(y, shape), order, axis=1),
            np.take_along_axis(np.broadcast_to(w, shape), order, axis=1),
        )

    def pilot(self) -> Array:
        """Return sorted framed points (R, p), or vectors (R, p, d), for starting values."""
        points = self.model.points(self.sample.values)
        # Where there are many members, more points take longer to sort than a better start saves.
        size = 1024 if self.size <= _FEW else 512
        if points.ndim == 3:
            thin = self.frame.apply(points[:, :: max(1, points.shape[1] // size)], slice(None))
            return np.broadcast_to(thin, (self.size, *thin.shape[1:]))
        points = pilot_points(points, self.sample.weights, size)
        framed = (points - self.frame.shift[:, None]) / self.frame.scale[:, None]
        return wide(framed, self.size)
