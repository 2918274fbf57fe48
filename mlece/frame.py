"""The standard frame of a fit: observations shifted and scaled to order one before anything is summed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.math import Array
from mlece.model import Model
from mlece.sample import Sample
from mlece.selection import pilot_points

_PILOT = 65


@dataclass(frozen=True)
class Frame:
    """z = (y - shift) / scale, one shift and scale for each member of the batch, (R or 1,)."""

    shift: Array
    scale: Array

    @property
    def log_scale(self) -> Array:
        """What a log density loses in the frame: log q(y) = log q(z) - log scale."""
        return np.log(self.scale)

    def apply(self, y: Array, members: slice | Array) -> Array:
        """Frame a block of observations (r or 1, m)."""
        out = y if y.dtype == np.float64 else y.astype(float)
        shift = self.shift if self.shift.size == 1 else self.shift[members]
        scale = self.scale if self.scale.size == 1 else self.scale[members]
        if np.any(shift != 0):
            out = out - shift[:, None]
        if np.any(scale != 1):
            out = out / scale[:, None]
        return out


UNIT = Frame(np.zeros(1), np.ones(1))


def choose_frame(model: Model, sample: Sample) -> Frame:
    """Choose the frame from the roles of the parameters and a few dozen points of the sample.

    Families with a location are centred at the median and scaled by the spread of the points, families
    with a scale alone are divided by their median; everything else stays as it is. A shift much smaller
    than the spread saves nothing and is left out.
    """
    roles = model.roles()
    if not roles or model.support.discrete:
        return UNIT
    with np.errstate(all="ignore"):
        points = pilot_points(sample.values, sample.weights, _PILOT)
        size = points.shape[1]
        middle = points[:, size // 2]
        if "location" not in roles:
            usable = np.isfinite(middle) & (middle > 0)
            return Frame(np.zeros(1), np.where(usable, middle, 1.0))
        spread = points[:, (3 * size) // 4] - points[:, size // 4]
        spread = np.where(spread > 0, spread, points[:, -1] - points[:, 0])
        spread = np.where(spread > 0, spread, np.abs(middle))
        spread = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        scale = np.exp2(np.round(np.log2(spread)))
        if model.affine and np.all((spread > 1e-6) & (spread < 1e6)):
            scale = np.ones_like(scale)
        middle = np.where(np.isfinite(middle), middle, 0.0)
        shift = np.where(np.abs(middle) <= 0.5 * spread, 0.0, middle)
    return Frame(shift, scale)
