"""Laws on one side of a point, which families on the whole line come to in a limit."""

from __future__ import annotations

import numpy as np

from mlece.domain import Domain, positive, real
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    inf,
    log,
    log1mexp,
    log1p,
    log_ndtr,
    ndtr,
    ndtri,
    where,
)
from mlece.model import Model
from mlece.param import Param

_ROOT = 0.7978845608028654  # sqrt(2/pi), the mean of |Z|


class OneSided(Model, abstract=True):
    """A law of side · (y − loc)/scale ≥ 0; side is 1 (above loc) or −1 (below)."""

    support = real
    loc = Param(
        real, "m", typical=(-2, 2), role="location", regular=False, doc="end of the support"
    )
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")
    side = Param(
        Domain(-1, 1, True, True), "d", typical=(1, 1), estimable=False, doc="1 above, −1 below"
    )

    @staticmethod
    def _bounds(loc: Array, scale: Array, side: Array) -> Arrays:
        return where(side > 0, loc, -inf), where(side > 0, inf, loc)


class ExponentialFrom(OneSided, abstract=True):
    """Exponential from a point on: log q = −|y − loc|/scale − log scale on one side."""

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(-abs(y - loc) / scale - log(scale))

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        u = abs(y - loc) / scale
        return where(side > 0, log1mexp(u), -u)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        return ExponentialFrom._log_cdf(y, loc, scale, -side)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array) -> Array:
        return loc - side * scale * where(side > 0, log1p(-u), log(u))

    @staticmethod
    def _entropy(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(1 + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(loc + side * scale)

    @staticmethod
    def _variance(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(scale**2 + 0 * loc)


class HalfNormalFrom(OneSided, abstract=True):
    """Half normal from a point on: log q = ½ log(2/π) − z²/2 − log scale, z = (y − loc)/scale."""

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        z = (y - loc) / scale
        return np.asarray(log(2.0) - 0.5 * LOG_2PI - 0.5 * z * z - log(scale))

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        u = abs(y - loc) / scale
        return where(side > 0, log(1 - 2 * ndtr(-u)), log(2.0) + log_ndtr(-u))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        return HalfNormalFrom._log_cdf(y, loc, scale, -side)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array) -> Array:
        return loc - side * scale * ndtri(0.5 * where(side > 0, 1 - u, u))

    @staticmethod
    def _entropy(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(0.5 * LOG_2PI - log(2.0) + 0.5 + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(loc + side * scale * _ROOT)

    @staticmethod
    def _variance(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(scale**2 * (1 - _ROOT**2) + 0 * loc)
