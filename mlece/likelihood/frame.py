"""The standard frame of a fit: observations shifted and scaled to order one before anything is summed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlece.math import Array
from mlece.model import Model
from mlece.numerics.masks import every, filled, some
from mlece.numerics.selection import near, pilot_points, shift_of, spread_of, unit_of
from mlece.sample import Sample

_PILOT = 65


@dataclass(frozen=True)
class Frame:
    """z = (y - shift) / scale, one shift and scale for each member of the batch, (R or 1,).

    For vectors of d components shift and scale have the shape (R or 1, d).
    """

    shift: Array
    scale: Array

    @cached_property
    def _moves(self) -> tuple[bool, bool]:
        return some(self.shift), some(self.scale != 1)

    @cached_property
    def moves(self) -> bool:
        """Whether the frame changes anything."""
        return any(self._moves)

    def apply(self, y: Array, members: Any, out: Array | None = None) -> Array:
        """Frame a block of observations (r or 1, m), in a buffer where one is given."""
        shifts, scales = self._moves
        if not (shifts or scales):
            return y if y.dtype == np.float64 else y.astype(float)
        single, vector = len(self.shift) == 1, self.shift.ndim == 2
        # Behind the member come the observations, and components that share one shift and scale.
        axes = (slice(None),) + (None,) * (y.ndim - self.shift.ndim)
        axes = (slice(None), None, slice(None)) if vector else axes
        if shifts:
            y = np.subtract(y, (self.shift if single else self.shift[members])[axes], out=out)
        if scales:
            y = np.divide(y, (self.scale if single else self.scale[members])[axes], out=out)
        return y

    def within(self, outer: Frame) -> Frame:
        """Return the frame of observations that are themselves in an outer frame."""
        return Frame(outer.shift + outer.scale * self.shift, outer.scale * self.scale)


UNIT = Frame(np.zeros(1), np.ones(1))


def choose_frame(model: Model, sample: Sample) -> Frame:
    """Choose the frame from the roles of the parameters and a few dozen points of the sample.

    Families with a location are centred at the median and scaled by the spread of the points, families
    with a scale alone are divided by their median, angles are turned to their mean direction;
    everything else stays as it is. A shift much smaller than the spread saves nothing and is left out.
    """
    own = model.pilot_frame(sample.values)
    if own is not None:
        return Frame(*own)
    if model.turns():
        with np.errstate(all="ignore"):
            points = pilot_points(sample.values, sample.weights, _PILOT)
            shift = np.arctan2(np.sin(points).mean(axis=1), np.cos(points).mean(axis=1))
        return Frame(np.where(np.isfinite(shift), shift, 0.0), np.ones_like(shift))
    roles = model.roles()
    if not roles or model.support.discrete:
        return UNIT
    points = pilot_points(model.points(sample.values), sample.weights, _PILOT)
    size = points.shape[1]
    middle = points[:, size // 2]
    if "location" not in roles:
        usable = np.isfinite(middle) & (middle > 0)
        # A law spread over hundreds of decades has no unit in which all of it is of order one.
        usable &= points[:, -1] < 1e150 * middle
        if model.unit_free_sums:
            usable &= (middle < 1e-200) | (middle > 1e200)
        else:
            # Observations of order one gain nothing.
            usable &= (middle < 0.125) | (middle > 8.0)
        if not some(usable):
            return UNIT
        return Frame(np.zeros_like(middle), np.where(usable, middle, 1.0))
    quartiles = points[:, (3 * size) // 4] - points[:, size // 4]
    if model.affine and every(_ordinary(quartiles) & near(middle, quartiles)):
        return UNIT
    spread = spread_of(quartiles, points[:, -1] - points[:, 0], middle)
    if model.unit_free_sums and every((np.abs(middle) < 1e200) & (spread > 1e-200)):
        return UNIT
    whole = model.affine and every(_ordinary(spread))
    scale = filled(spread.shape, 1.0) if whole else unit_of(spread)
    shift = shift_of(middle, quartiles)
    return UNIT if every((scale == 1.0) & (shift == 0.0)) else Frame(shift, scale)


def _ordinary(spread: Array) -> Array:
    """Tell which spreads affine statistics bear without another unit."""
    return np.asarray((spread > 1e-6) & (spread < 1e6))
