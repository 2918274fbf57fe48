"""Laws on one side of a point, which families on the whole line come to in a limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from mlece.domain import Domain, positive, real
from mlece.families.real_line import StudentT
from mlece.families.skewed import InverseGaussian
from mlece.families.standard import FIRST, SECOND, STEPS
from mlece.limits import LimitFamily, full, or_fixed
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
    stdtr,
    stdtrit,
    where,
)
from mlece.model import Model
from mlece.param import Param

_ROOT = 0.7978845608028654  # sqrt(2/pi), the mean of |Z|
_NEWTON = 40


class OneSided(Model, abstract=True):
    """A law of side · (y − loc)/scale ≥ 0; side is 1 (above loc) or −1 (below).

    Where the density is greatest at loc, the likeliest one begins at an extreme observation.
    """

    words: ClassVar[str]
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

    @staticmethod
    def _begin(view: Any, loc: Array | None, side: Array) -> Array:
        return or_fixed(where(side > 0, view.summary.minimum, view.summary.maximum), loc)


class ExponentialFrom(OneSided, abstract=True):
    """Exponential from a point on: log q = −|y − loc|/scale − log scale on one side."""

    words = "exponential"

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array
    ) -> tuple[Arrays, None, None]:
        start = ExponentialFrom._begin(view, loc, side)
        mean = view.mean_of(lambda y: abs(y - start[:, None]))
        return (start, or_fixed(mean, scale), side), None, None

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

    words = "half normal"

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array
    ) -> tuple[Arrays, None, None]:
        start = HalfNormalFrom._begin(view, loc, side)
        square = view.mean_of(lambda y: (y - start[:, None]) ** 2)
        return (start, or_fixed(sqrt(square), scale), side), None, None

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


class HalfTFrom(OneSided, abstract=True):
    """Half t from a point on: log q = log 2 + log t_df(z) − log scale, z = (y − loc)/scale."""

    words = "half t"
    df = Param(positive, "k", typical=(2, 8), doc="degrees of freedom")

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array, df: Array | None
    ) -> tuple[Arrays, None, None]:
        start = HalfTFrom._begin(view, loc, side)
        return (start, *_half_t(view, start, scale, side, df)), None, None

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array, df: Array) -> Array:
        t = StudentT._shared(y, df, loc, scale)
        return np.asarray(log(2.0) + StudentT._log_density(t, df, loc, scale))

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array, df: Array) -> Array:
        below = stdtr(df, -abs(y - loc) / scale)
        return np.asarray(where(side > 0, log1p(-2 * below), log(2 * below)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array, df: Array) -> Array:
        return HalfTFrom._log_cdf(y, loc, scale, -side, df)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array, df: Array) -> Array:
        return np.asarray(loc - side * scale * stdtrit(df, 0.5 * where(side > 0, 1 - u, u)))


def _half_t(view: Any, start: Array, scale: Array | None, side: Array, df: Array | None) -> Arrays:
    """Return scale, side and df of the likeliest half t from a point on; NaN where none is met.

    Newton's method in (log df, log scale), a step that does not descend halved, from two places.
    """
    size = view.mean_of(lambda y: abs(y - start[:, None]))

    def at(theta: Array) -> tuple[Array, Array, Array]:
        k, s = (exp(t) for t in theta)
        columns = (k[:, None], start[:, None], s[:, None])
        means = [view.mean_of(lambda y, j=j: StudentT._shared(y, *columns)[j]) for j in range(6)]
        value = -StudentT._log_density(tuple(means), k, start, s) - log(2.0)
        by_k, _, by_s = StudentT._score(tuple(means), k, start, s)
        kk, _, ks, _, _, ss = StudentT._curvature(tuple(means), k, start, s)
        slope = -np.stack([by_k * k, by_s * s])
        bend = -np.stack([[kk * k * k, ks * k * s], [ks * k * s, ss * s * s]])
        bend[0, 0], bend[1, 1] = bend[0, 0] + slope[0], bend[1, 1] + slope[1]
        for j, fixed in enumerate((df, scale)):
            if fixed is not None:
                slope[j], bend[j, 1 - j], bend[1 - j, j], bend[j, j] = 0.0, 0.0, 0.0, 1.0
        return value, slope, bend

    least, best = full(size, inf), np.full((2, len(size)), np.nan)
    for first in (1.5, 8.0):
        own = or_fixed(full(size, first), df), or_fixed(0.8 * size, scale)
        theta, reach = log(np.stack(own)), np.ones(len(size))
        level, slope, bend = at(theta)
        for _ in range(_NEWTON):
            roots, ways = np.linalg.eigh(np.moveaxis(bend, -1, 0))
            along = np.einsum("rij,ir->rj", ways, slope) / np.maximum(abs(roots), 1e-8)
            step = -np.clip(np.einsum("rij,rj->ir", ways, along), -2.0, 2.0)
            if not (abs(step) > 1e-10).any():
                break
            value, *slopes = at(theta + reach * step)
            down = value <= level
            theta, level = where(down, theta + reach * step, theta), where(down, value, level)
            slope, bend = (where(down, a, b) for a, b in zip(slopes, (slope, bend), strict=True))
            reach = where(down, 1.0, 0.3 * reach)
        met = (abs(slope) < 1e-7).all(axis=0) & (level < least)
        least, best = where(met, level, least), where(met, theta, best)
    return exp(best[1]), side, exp(best[0])


class LogNormalFrom(OneSided, abstract=True):
    """Lognormal from a point on (Johnson's S_L): b log(|y − loc|/scale) is standard Gaussian."""

    words = "lognormal"
    b = Param(positive, "b", typical=(1, 3), doc="reciprocal of the standard deviation of the log")

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array, b: Array | None
    ) -> tuple[Arrays, None, None]:
        return with_threshold(view, loc, side, lognormal_profile), None, None

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

    words = "inverse Gaussian"
    steepness = Param(positive, "k", typical=(1, 3), doc="shape over mean")

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array, steepness: Array | None
    ) -> tuple[Arrays, None, None]:
        return with_threshold(view, loc, side, inverse_gaussian_profile), None, None

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


def from_a_point(
    law: type[OneSided],
    above: dict[str, float],
    below: dict[str, float],
    slots: dict[str, str],
    theta: Callable[..., Arrays] | None = None,
    rival: bool = False,
) -> tuple[LimitFamily, ...]:
    """Return the laws above and below a point as limits of a family.

    Parameters
    ----------
    above, below : dict of str to float
        The parameters that run, and where to, for the law above and for the law below its end.
    slots, rival
        As in :class:`mlece.limits.LimitFamily`.
    theta : callable, optional
        Its ``theta``, of the side too, which comes first.
    """
    return tuple(
        LimitFamily(
            law,
            runs,
            slots,
            {"side": side},
            None if theta is None else partial(theta, side),
            law=f"{law.words} {'above' if side > 0 else 'below'} loc",
            rival=rival,
        )
        for side, runs in ((1.0, above), (-1.0, below))
    )


# ---------------------------------------------------------------------------- where they begin

_GRID = np.arange(-24.0, 9.0, 0.5)
_GOLDEN = 0.6180339887498949


def with_threshold(
    view: Any, loc: Array | None, side: Array, profile: Callable[[Any, Array, Array], Arrays]
) -> Arrays:
    """Return the best law of one side with two free shapes; NaN where it has no threshold."""
    if loc is not None:
        return (loc, profile(view, loc, side)[1], side, profile(view, loc, side)[2])
    found, start, (_, scale, shape) = best_threshold(view, profile, side)
    return where(found, start, np.nan), scale, side, shape


def lognormal_profile(view: Any, loc: Array, side: Array) -> Arrays:
    """Return the cross-entropy of the best lognormal from loc on, with its scale and b, (R,) each."""

    def depth(y: Array) -> Array:
        return np.asarray(log(side[:, None] * (y - loc[:, None])))

    centre = view.mean_of(depth)
    sd = sqrt(view.mean_of(lambda y: (depth(y) - centre[:, None]) ** 2))
    return np.asarray(centre + log(sd) + 0.5 * LOG_2PI + 0.5), exp(centre), 1 / sd


def inverse_gaussian_profile(view: Any, loc: Array, side: Array) -> Arrays:
    """Return the cross-entropy of the best inverse Gaussian from loc on, with its mean and steepness."""
    mean = view.mean_of(lambda y: side[:, None] * (y - loc[:, None]))

    def ratio(y: Array) -> Array:
        return np.asarray(side[:, None] * (y - loc[:, None]) / mean[:, None])

    spread = view.mean_of(lambda y: (ratio(y) - 1) ** 2 / ratio(y))
    depth = view.mean_of(lambda y: log(ratio(y)))
    value = 0.5 * (LOG_2PI + 1 + log(spread)) + 1.5 * depth + log(mean)
    return np.asarray(value), mean, 1 / spread


def best_threshold(
    view: Any, profile: Callable[[Any, Array, Array], Arrays], side: Array
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
    end, span = where(side > 0, s.minimum, s.maximum), s.maximum - s.minimum

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
