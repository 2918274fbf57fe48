"""Laws on one side of a point, which families on the whole line come to in a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece.domain import Domain, positive, real
from mlece.families.skewed import InverseGaussian
from mlece.families.standard import FIRST, SECOND, STEPS
from mlece.limits import Limit, LimitMember, Status, full, or_fixed
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    exp,
    inf,
    log,
    log1mexp,
    log1p,
    log_ndtr,
    ndtr,
    ndtri,
    sqrt,
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
    def _bounds(loc: Array, scale: Array, side: Array, *shapes: Array) -> Arrays:
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
        return np.asarray(loc - side * scale * where(side > 0, log1p(-u), log(u)))

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
        return np.asarray(where(side > 0, log1p(-2 * ndtr(-u)), log(2.0) + log_ndtr(-u)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array) -> Array:
        return HalfNormalFrom._log_cdf(y, loc, scale, -side)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(loc - side * scale * ndtri(0.5 * where(side > 0, 1 - u, u)))

    @staticmethod
    def _entropy(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(0.5 * LOG_2PI - log(2.0) + 0.5 + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(loc + side * scale * _ROOT)

    @staticmethod
    def _variance(loc: Array, scale: Array, side: Array) -> Array:
        return np.asarray(scale**2 * (1 - _ROOT**2) + 0 * loc)


class LogNormalFrom(OneSided, abstract=True):
    """Lognormal from a point on (Johnson's S_L): b log(|y − loc|/scale) is standard Gaussian."""

    b = Param(positive, "b", typical=(1, 3), doc="reciprocal of the standard deviation of the log")

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        distance = abs(y - loc)
        w = b * log(distance / scale)
        return np.asarray(log(b) - 0.5 * LOG_2PI - 0.5 * w * w - log(distance))

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return np.asarray(log_ndtr(side * b * log(abs(y - loc) / scale)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return np.asarray(log_ndtr(-side * b * log(abs(y - loc) / scale)))

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return np.asarray(loc + side * scale * exp(side * ndtri(u) / b))


class InverseGaussianFrom(OneSided, abstract=True):
    """Inverse Gaussian from a point on: |y − loc| has mean scale and shape steepness · scale."""

    steepness = Param(positive, "k", typical=(1, 3), doc="shape over mean")

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array, steepness: Array) -> Array:
        z = abs(y - loc) / scale
        inner = where(z > 0, z, 1.0)
        square = (inner - 1) * ((inner - 1) / inner)
        bulk = 0.5 * (log(steepness) - LOG_2PI - steepness * square) - 1.5 * log(inner)
        return where(z > 0, bulk - log(scale), -inf)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array, steepness: Array) -> Array:
        z = abs(y - loc) / scale
        below, above = (
            tail(z, np.ones_like(scale), steepness)
            for tail in (InverseGaussian._log_cdf, InverseGaussian._log_sf)
        )
        return np.asarray(where(side > 0, below, above))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array, steepness: Array) -> Array:
        return InverseGaussianFrom._log_cdf(y, loc, scale, -side, steepness)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array, steepness: Array) -> Array:
        z = InverseGaussian._quantile(where(side > 0, u, 1 - u), np.ones_like(scale), steepness)
        return np.asarray(loc + side * scale * z)


def half_normal_limits(
    view: Any,
    loc: Array | None,
    scale: Array | None,
    runs: str,
    below: tuple[float, ...],
    above: tuple[float, ...],
) -> tuple[Limit, ...]:
    """Return the half normal laws from the extremes on, as limits of a family.

    Parameters
    ----------
    loc, scale : array, optional
        Filled slots that the half normal keeps.
    runs : str
        The parameter that runs.
    below, above : tuple of float
        Limiting shapes for the law below the largest and above the smallest observation.
    """
    s, out = view.summary, []
    for side, end, shapes in ((1.0, s.minimum, above), (-1.0, s.maximum, below)):
        centre = or_fixed(end, loc)
        square = view.mean_of(lambda y, c=centre: (y - c[:, None]) ** 2)
        spread = or_fixed(sqrt(square), scale)
        value = 0.5 * LOG_2PI - log(2.0) + log(spread) + 0.5 * square / spread**2
        sentence = f"{runs} runs to {shapes[0]:g}: the limit is half normal from an extreme on"
        limit = (centre, spread, *(full(centre, shape) for shape in shapes))
        slots = ("loc", "scale", *(None for _ in shapes))
        model = LimitMember(HalfNormalFrom, slots, (("side", side),))
        inside = side * (end - centre) >= 0
        out.append(Limit(inside, Status.BOUNDARY, sentence, limit, value, model))
    return tuple(out)


# ---------------------------------------------------------------------------- where they begin

_GRID = np.arange(-24.0, 9.0, 0.5)
_GOLDEN = 0.6180339887498949


def lognormal_profile(view: Any, loc: Array, side: float) -> Arrays:
    """Return the cross-entropy of the best lognormal from loc on, with its scale and b, (R,) each."""

    def depth(y: Array) -> Array:
        return log(side * (y - loc[:, None]))

    centre = view.mean_of(depth)
    sd = sqrt(view.mean_of(lambda y: (depth(y) - centre[:, None]) ** 2))
    return np.asarray(centre + log(sd) + 0.5 * LOG_2PI + 0.5), exp(centre), 1 / sd


def inverse_gaussian_profile(view: Any, loc: Array, side: float) -> Arrays:
    """Return the cross-entropy of the best inverse Gaussian from loc on, with its mean and steepness."""
    mean = view.mean_of(lambda y: side * (y - loc[:, None]))

    def ratio(y: Array) -> Array:
        return np.asarray(side * (y - loc[:, None]) / mean[:, None])

    spread = view.mean_of(lambda y: (ratio(y) - 1) ** 2 / ratio(y))
    depth = view.mean_of(lambda y: log(ratio(y)))
    value = 0.5 * (LOG_2PI + 1 + log(spread)) + 1.5 * depth + log(mean)
    return np.asarray(value), mean, 1 / spread


def best_threshold(
    view: Any, profile: Callable[[Any, Array, float], Arrays], side: float
) -> tuple[Array, Array, Arrays]:
    """Find where a law on one side begins: a local minimum of its profiled cross-entropy.

    Returns
    -------
    found : array of bool (R,)
        Whether the minimum lies inside the range searched (far out the law is Gaussian).
    loc : array (R,)
    profile : tuple of arrays (R,)
        Infimum and the other parameters there.
    """
    s = view.summary
    end, span = (s.minimum if side > 0 else s.maximum), s.maximum - s.minimum

    def at(u: Array) -> Array:
        return np.asarray(end - side * exp(u) * span)

    values = np.stack([profile(view, at(full(end, u)), side)[0] for u in _GRID])
    inner = (values[1:-1] < values[:-2]) & (values[1:-1] < values[2:])
    ranked = where(inner, values[1:-1], inf)
    best = _GRID[1:-1][np.argmin(ranked, axis=0)]
    low, high = best - 0.5, best + 0.5
    for _ in range(30):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        falls = profile(view, at(left), side)[0] > profile(view, at(right), side)[0]
        low, high = where(falls, left, low), where(falls, high, right)
    u = 0.5 * (low + high)
    for _ in range(3):
        # Values settle a minimum to half of the digits only; differences of them to nearly all.
        near = np.stack([profile(view, at(u + 0.01 * k), side)[0] for k in STEPS])
        step = 0.01 * np.tensordot(FIRST, near, 1) / np.tensordot(SECOND, near, 1)
        u = u - where(abs(step) < 0.01, step, 0.0)
    loc = at(u)
    return np.asarray(inner.any(axis=0)), loc, profile(view, loc, side)
