"""Families on the positive half line."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece.domain import nonnegative, positive, real
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import (
    EULER,
    LOG_2PI,
    Array,
    Arrays,
    digamma,
    erfcx,
    exp,
    exp1,
    expm1,
    gammainc,
    gammaincc,
    gammaincinv,
    gammaln,
    inf,
    log,
    log1mexp,
    log1p,
    log1pmx,
    log_minus_digamma,
    log_ndtr,
    log_probability,
    ndtri,
    sqrt,
    stirling_remainder,
    trigamma,
    where,
)
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

# ---------------------------------------------------------------------------- Exponential


class Exponential(Model):
    r"""Exponential: log q = log β − β y.

    scipy.stats: ``expon(scale=1/rate)``. R: ``exp(rate)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Exponential(rate=4).mean
    0.25
    """

    support = nonnegative
    aliases = ("expon", "exp")
    unit_free_sums = True
    affine = True
    unit_carrier = True
    rate = Param(positive, r"\beta", typical=(0.2, 4), role="inverse scale", doc="rate")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @staticmethod
    def _log_density(t: Arrays, rate: Array) -> Array:
        return np.asarray(log(rate) - rate * t[0])

    @staticmethod
    def _score(t: Arrays, rate: Array) -> Arrays:
        return (1 / rate - t[0],)

    @staticmethod
    def _curvature(t: Arrays, rate: Array) -> Arrays:
        return (-1 / rate**2,)

    @staticmethod
    def _expected_statistics(rate: Array) -> Arrays:
        return (1 / rate,)

    @staticmethod
    def _maximise(s: Summary, rate: Array | None) -> Arrays:
        (y,) = s.mean
        return (or_fixed(1 / y, rate),)

    @staticmethod
    def _degenerate(s: Summary, rate: Array | None) -> tuple[Limit, ...]:
        if rate is not None:
            return ()
        (y,) = s.mean
        sentence = "every observation is 0: the density grows without bound with the rate"
        return (Limit(y == 0, Status.UNBOUNDED, sentence, (full(y, inf),), full(y, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1)
        return (1 / where(mean > 0, mean, 1.0),)

    @staticmethod
    def _log_cdf(y: Array, rate: Array) -> Array:
        return log1mexp(rate * y)

    @staticmethod
    def _log_sf(y: Array, rate: Array) -> Array:
        return -rate * y

    @staticmethod
    def _quantile(u: Array, rate: Array) -> Array:
        return -log1p(-u) / rate

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], rate: Array) -> Array:
        return rng.standard_exponential(size) / rate

    @staticmethod
    def _entropy(rate: Array) -> Array:
        return 1 - log(rate)

    @staticmethod
    def _mean(rate: Array) -> Array:
        return 1 / rate

    @staticmethod
    def _variance(rate: Array) -> Array:
        return 1 / rate**2


# ---------------------------------------------------------------------------- Gamma


def _gamma_shape(gap: Array) -> Array:
    """Solve log a - psi(a) = gap for the shape a by Newton's iteration in log a (Minka 2002)."""
    gap = np.asarray(gap)
    shape = (3 - gap + sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(8):
        error = log_minus_digamma(shape) - gap
        # 1 - a psi'(a), by its expansion where the difference cancels.
        v = 1 / where(shape > 16, shape, 16.0)
        tail = -v * (0.5 + v * (1 / 6 - v * v * (1 / 30 - v * v / 42)))
        slope = where(shape > 16, tail, 1 - shape * trigamma(shape))
        step = error / slope
        shape = shape * exp(-step)
        if np.all(np.abs(step) < 4e-16):
            break
    return np.asarray(shape)


class Gamma(Model):
    r"""Gamma: log q = α log β − log Γ(α) + (α − 1) log y − β y.

    scipy.stats: ``gamma(a=shape, scale=1/rate)``. R: ``gamma(shape, rate)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Gamma(shape=2, rate=4).mean
    0.5
    """

    support = positive
    affine = True
    unit_carrier = True
    shape = Param(positive, r"\alpha", typical=(0.5, 8), doc="shape")
    rate = Param(positive, r"\beta", typical=(0.2, 4), role="inverse scale", doc="rate")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # In the frame y is of order 1. A large shape lives on log y - (y - 1), which is of second order.
        d, log_y = y - 1, log(y)
        if np.max(abs(d)) < 1e-4:
            return d, log_y, -d * d * (1 / 2 - d * (1 / 3 - d * (1 / 4 - d / 5)))
        return d, log_y, log_y - d

    @staticmethod
    def _log_density(t: Arrays, shape: Array, rate: Array) -> Array:
        d, log_y, curved = t
        plain = shape * log(rate) - gammaln(shape) + (shape - 1) * log_y - rate * (1 + d)
        # For a large shape the terms cancel; Stirling's formula takes the common part out.
        centred = (
            shape * log1pmx((rate - shape) / shape)
            + 0.5 * log(shape)
            - 0.5 * LOG_2PI
            - stirling_remainder(shape)
            + shape * curved
            + (shape - rate) * d
            - log_y
        )
        return np.asarray(where(shape > 50, centred, plain))

    @staticmethod
    def _score(t: Arrays, shape: Array, rate: Array) -> Arrays:
        d, log_y, _ = t
        return log(rate / shape) + log_minus_digamma(shape) + log_y, shape / rate - 1 - d

    @staticmethod
    def _curvature(t: Arrays, shape: Array, rate: Array) -> Arrays:
        return -trigamma(shape), 1 / rate, -shape / rate**2

    @staticmethod
    def _expected_statistics(shape: Array, rate: Array) -> Arrays:
        d = shape / rate - 1
        return d, digamma(shape) - log(rate), log1pmx(d) - log_minus_digamma(shape)

    @staticmethod
    def _maximise(s: Summary, shape: Array | None, rate: Array | None) -> Arrays | None:
        d, log_y, curved = s.mean
        if rate is not None and shape is None:
            return None
        if shape is None:
            plain = log1p(d) - log_y
            shape = _gamma_shape(where(plain < 0.05, log1pmx(d) - curved, plain))
        return or_fixed(d, shape), or_fixed(shape / (1 + d), rate)

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, rate: Array | None) -> tuple[Limit, ...]:
        d, _, _ = s.mean
        if shape is not None or rate is not None:
            return ()
        sentence = "every observation is equal: shape and rate grow without bound at a fixed ratio"
        equal = s.minimum == s.maximum
        limit = (full(d, inf), full(d, inf))
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(d, -inf)),)

    @staticmethod
    def _frame(shape: Array, rate: Array) -> Arrays:
        return np.zeros(()), shape / rate

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1)
        gap = log(mean) - log(x).mean(axis=-1)
        shape = where(gap > 0, 0.5 / where(gap > 0, gap, 1.0), 1e8)
        return shape, shape / mean

    @staticmethod
    def _log_cdf(y: Array, shape: Array, rate: Array) -> Array:
        x = rate * y
        return log_probability(gammainc(shape, x), gammaincc(shape, x))

    @staticmethod
    def _log_sf(y: Array, shape: Array, rate: Array) -> Array:
        x = rate * y
        return log_probability(gammaincc(shape, x), gammainc(shape, x))

    @staticmethod
    def _quantile(u: Array, shape: Array, rate: Array) -> Array:
        return np.asarray(gammaincinv(shape, u) / rate)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, rate: Array
    ) -> Array:
        return rng.standard_gamma(shape, size) / rate

    @staticmethod
    def _entropy(shape: Array, rate: Array) -> Array:
        return np.asarray(
            -log(rate / shape)
            + 0.5 * LOG_2PI
            - 0.5 * log(shape)
            + stirling_remainder(shape)
            + (shape - 1) * log_minus_digamma(shape)
        )

    @staticmethod
    def _mean(shape: Array, rate: Array) -> Array:
        return shape / rate

    @staticmethod
    def _variance(shape: Array, rate: Array) -> Array:
        return np.asarray(shape / rate**2)


# ---------------------------------------------------------------------------- Weibull


class Weibull(Model):
    r"""Weibull: log q = log k − k log λ + (k − 1) log y − (y/λ)^k.

    scipy.stats: ``weibull_min(c=shape, scale=scale)``. R: ``weibull(shape, scale)``.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.Weibull(shape=2, scale=1).mean), 6)
    0.886227
    """

    support = positive
    concave = True
    profile_over = "shape"
    shape = Param(positive, "k", typical=(0.7, 4), doc="shape")
    scale = Param(positive, r"\lambda", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, shape: Array, scale: Array) -> Arrays:
        log_z = t[0] - log(scale)
        power = exp(shape * log_z)
        weighted = log_z * power
        return log_z, power, weighted, log_z * weighted

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        log_z, power, _, _ = t
        return np.asarray(log(shape / scale) + (shape - 1) * log_z - power)

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        log_z, power, weighted, _ = t
        return 1 / shape + log_z - weighted, (shape / scale) * (power - 1)

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        _, power, weighted, squared = t
        return (
            -1 / shape**2 - squared,
            (power + shape * weighted - 1) / scale,
            (shape / scale**2) * (1 - (1 + shape) * power),
        )

    @staticmethod
    def _profile_statistics(t: Arrays, shape: Array) -> Arrays:
        (log_y,) = t
        power = exp(shape * log_y)
        weighted = log_y * power
        return log_y, power, weighted, log_y * weighted

    @staticmethod
    def _profile_shared(m: Arrays, shape: Array, scale: Array) -> Arrays:
        log_y, power, weighted, squared = m
        shift, tilt = log(scale), weighted / power
        # The mean of z^shape, z = y/scale, is 1 but for the rounding of the scale.
        unit = exp(log(power) - shape * shift)
        spread = squared / power - 2 * shift * tilt + shift**2
        return log_y - shift, unit, unit * (tilt - shift), unit * spread

    @staticmethod
    def _profile_equation(m: Arrays, shape: Array) -> tuple[Array, Array, Arrays]:
        log_y, power, weighted, squared = m
        tilt = weighted / power
        # Powers beyond the largest number mean a shape far above the root.
        value = where(np.isfinite(tilt), tilt - 1 / shape - log_y, inf)
        slope = squared / power - tilt**2 + 1 / shape**2
        return value, slope, (shape, exp(log(power) / shape))

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the scale: the density grows with the shape"
        equal = s.minimum == s.maximum
        if scale is not None:
            equal = equal & (s.minimum == scale)
        limit = (full(s.minimum, inf), s.minimum)
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        log_x = log(x)
        spread = log_x.std(axis=-1)
        shape = 1.28 / where(spread > 0, spread, 1e-8)
        return shape, exp(log_x.mean(axis=-1) + EULER / shape)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return log1mexp((y / scale) ** shape)

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return -((y / scale) ** shape)

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return scale * (-log1p(-u)) ** (1 / shape)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return scale * rng.standard_exponential(size) ** (1 / shape)

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return EULER * (1 - 1 / shape) + log(scale / shape) + 1

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return scale * exp(gammaln(1 + 1 / shape))

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        log_square = 2 * gammaln(1 + 1 / shape)
        return scale**2 * exp(log_square) * expm1(gammaln(1 + 2 / shape) - log_square)


# ---------------------------------------------------------------------------- lognormal


class LogNormal(Model):
    r"""Lognormal: log q = −l − log σ − ½ log 2π − (l − μ)²/(2σ²), l = log y.

    scipy.stats: ``lognorm(s=sdlog, scale=exp(meanlog))``. R: ``lnorm(meanlog, sdlog)``.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.LogNormal(meanlog=0, sdlog=1).mean), 6)
    1.648721
    """

    support = positive
    aliases = ("lnorm",)
    affine = True
    unit_carrier = True
    meanlog = Param(real, r"\mu", typical=(-1, 2), role="log location", doc="mean of log y")
    sdlog = Param(positive, r"\sigma", typical=(0.3, 1.2), doc="standard deviation of log y")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        log_y = log(y)
        return log_y, log_y * log_y

    @staticmethod
    def _log_density(t: Arrays, meanlog: Array, sdlog: Array) -> Array:
        x, x2 = t
        square = (x2 - 2 * meanlog * x + meanlog**2) / sdlog**2
        return np.asarray(-x - log(sdlog) - 0.5 * LOG_2PI - 0.5 * square)

    @staticmethod
    def _score(t: Arrays, meanlog: Array, sdlog: Array) -> Arrays:
        x, x2 = t
        square = (x2 - 2 * meanlog * x + meanlog**2) / sdlog**2
        return (x - meanlog) / sdlog**2, (square - 1) / sdlog

    @staticmethod
    def _curvature(t: Arrays, meanlog: Array, sdlog: Array) -> Arrays:
        x, x2 = t
        square = (x2 - 2 * meanlog * x + meanlog**2) / sdlog**2
        return -1 / sdlog**2, -2 * (x - meanlog) / sdlog**3, (1 - 3 * square) / sdlog**2

    @staticmethod
    def _expected_statistics(meanlog: Array, sdlog: Array) -> Arrays:
        return meanlog + 0 * sdlog, meanlog**2 + sdlog**2

    @staticmethod
    def _maximise(s: Summary, meanlog: Array | None, sdlog: Array | None) -> Arrays:
        x, x2 = s.mean
        centre = or_fixed(x, meanlog)
        return centre, or_fixed(sqrt((x2 - x * x) + (x - centre) ** 2), sdlog)

    @staticmethod
    def _degenerate(s: Summary, meanlog: Array | None, sdlog: Array | None) -> tuple[Limit, ...]:
        if sdlog is not None:
            return ()
        equal = s.minimum == s.maximum
        if meanlog is not None:
            equal = equal & (log(s.minimum) == meanlog)
        sentence = "every observation is equal: the density grows as sdlog falls to 0"
        limit = (or_fixed(s.mean[0], meanlog), full(s.minimum, 0.0))
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        log_x = log(x)
        spread = log_x.std(axis=-1)
        return log_x.mean(axis=-1), where(spread > 0, spread, 1.0)

    @staticmethod
    def _log_cdf(y: Array, meanlog: Array, sdlog: Array) -> Array:
        return np.asarray(log_ndtr((log(y) - meanlog) / sdlog))

    @staticmethod
    def _log_sf(y: Array, meanlog: Array, sdlog: Array) -> Array:
        return np.asarray(log_ndtr((meanlog - log(y)) / sdlog))

    @staticmethod
    def _quantile(u: Array, meanlog: Array, sdlog: Array) -> Array:
        return exp(meanlog + sdlog * ndtri(u))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], meanlog: Array, sdlog: Array
    ) -> Array:
        return exp(meanlog + sdlog * rng.standard_normal(size))

    @staticmethod
    def _entropy(meanlog: Array, sdlog: Array) -> Array:
        return meanlog + log(sdlog) + 0.5 * LOG_2PI + 0.5

    @staticmethod
    def _mean(meanlog: Array, sdlog: Array) -> Array:
        return exp(meanlog + 0.5 * sdlog**2)

    @staticmethod
    def _variance(meanlog: Array, sdlog: Array) -> Array:
        return np.asarray(expm1(sdlog**2) * exp(2 * meanlog + sdlog**2))


# ---------------------------------------------------------------------------- inverse Gaussian


def _mean_log(ratio: Array) -> Array:
    """Return E log(Y / mean) of an inverse Gaussian, −e^x E₁(x) at x = 2 shape / mean."""
    x = 2 * np.asarray(ratio, dtype=float)
    big = np.maximum(x, 50.0)
    series = np.ones_like(x)
    for j in range(25, 0, -1):
        series = 1 - series * j / big
    small = np.minimum(x, 50.0)
    return np.asarray(where(x < 50, -exp(small) * exp1(small), -series / big))


class InverseGaussian(Model):
    r"""Inverse Gaussian: log q = ½ log(λ/2π) − (3/2) log y − λ (y − μ)²/(2 μ² y).

    scipy.stats: ``invgauss(mu=mean/shape, scale=shape)``. R: ``statmod::invgauss(mean, shape)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.InverseGaussian(mean=2, shape=4).variance
    2.0
    """

    support = positive
    affine = True
    mean = Param(positive, r"\mu", typical=(0.5, 3), role="scale", doc="mean")
    shape = Param(positive, r"\lambda", typical=(0.5, 8), role="scale", doc="shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # 1/y = 1 - d + d*d/y: with y of order 1, mean(1/y) - 1/mean(y) keeps its digits.
        d = y - 1
        return d, d * d / y, log(y)

    @staticmethod
    def _distance(t: Arrays, mean: Array) -> Array:
        """Return (y − μ)²/(μ² y)."""
        d, e, _ = t
        step = (1 - mean) / mean
        return step * step + d * step * (step + 2) + e

    @staticmethod
    def _log_density(t: Arrays, mean: Array, shape: Array) -> Array:
        half = 0.5 * shape * InverseGaussian._distance(t, mean)
        return 0.5 * (log(shape) - LOG_2PI) - 1.5 * t[2] - half

    @staticmethod
    def _score(t: Arrays, mean: Array, shape: Array) -> Arrays:
        error = t[0] + (1 - mean)
        return shape * error / mean**3, 0.5 / shape - 0.5 * InverseGaussian._distance(t, mean)

    @staticmethod
    def _curvature(t: Arrays, mean: Array, shape: Array) -> Arrays:
        error = t[0] + (1 - mean)
        return -shape * (3 * error + mean) / mean**4, error / mean**3, -0.5 / shape**2

    @staticmethod
    def _expected_statistics(mean: Array, shape: Array) -> Arrays:
        return mean - 1, (mean - 1) ** 2 / mean + 1 / shape, log(mean) + _mean_log(shape / mean)

    @staticmethod
    def _maximise(s: Summary, mean: Array | None, shape: Array | None) -> Arrays:
        d, e, _ = s.mean
        distance = e - d * d / (1 + d) if mean is None else InverseGaussian._distance(s.mean, mean)
        return or_fixed(1 + d, mean), or_fixed(1 / distance, shape)

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, shape: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        equal = s.minimum == s.maximum
        if mean is not None:
            equal = equal & (s.minimum == mean)
        sentence = "every observation equals the mean: the density grows with the shape"
        limit = (or_fixed(1 + s.mean[0], mean), full(s.minimum, inf))
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _frame(mean: Array, shape: Array) -> Arrays:
        return np.zeros(()), mean

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1)
        spread = ((x - mean[..., None]) ** 2 / x).mean(axis=-1) / mean**2
        return mean, 1 / where(spread > 0, spread, 1.0)

    @staticmethod
    def _tails(y: Array, mean: Array, shape: Array) -> Arrays:
        """Return the signed distance a and log of e^(2λ/μ) Φ(−b), with b² = a² + 4λ/μ."""
        root = sqrt(shape / y)
        a = root * ((y - mean) / mean)
        b = root * ((y + mean) / mean)
        return a, log(0.5 * erfcx(b * 0.7071067811865476)) - 0.5 * a * a

    @staticmethod
    def _log_cdf(y: Array, mean: Array, shape: Array) -> Array:
        a, second = InverseGaussian._tails(y, mean, shape)
        below = np.logaddexp(log_ndtr(a), second)
        above = InverseGaussian._log_sf(y, mean, shape)
        return where(below < -0.7, below, log1mexp(-above))

    @staticmethod
    def _log_sf(y: Array, mean: Array, shape: Array) -> Array:
        a, second = InverseGaussian._tails(y, mean, shape)
        first = log_ndtr(-a)
        below = np.logaddexp(log_ndtr(a), second)
        return where(below < -0.7, log1mexp(-below), first + log1mexp(first - second))

    @staticmethod
    def _quantile(u: Array, mean: Array, shape: Array) -> Array:
        # Newton in log y on the log of the smaller tail, kept inside a bracket.
        u, mean, shape = np.broadcast_arrays(u, mean, shape)
        lower = u < 0.5
        low, high = np.log(mean) - 710.0, np.log(mean) + 710.0
        x = np.log(mean) - log1p(1.5 * mean / shape)
        for _ in range(200):
            y = exp(x)
            log_cdf = InverseGaussian._log_cdf(y, mean, shape)
            log_sf = InverseGaussian._log_sf(y, mean, shape)
            error = where(lower, log_cdf - log(u), log1p(-u) - log_sf)
            low, high = where(error < 0, x, low), where(error < 0, high, x)
            d = (y - mean) / mean
            log_q = 0.5 * (log(shape) - LOG_2PI - x) - 0.5 * shape * d * d / y
            step = error * exp(where(lower, log_cdf, log_sf) - log_q)
            newton = x - step
            inside = (newton > low) & (newton < high)
            moved = where(inside, newton, 0.5 * (low + high))
            done = np.abs(moved - x) <= 2e-16 * (1 + np.abs(x))
            x = moved
            if np.all(done | (u == 0) | (u == 1)):
                break
        return np.asarray(exp(x))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], mean: Array, shape: Array
    ) -> Array:
        return rng.wald(mean, shape, size)

    @staticmethod
    def _entropy(mean: Array, shape: Array) -> Array:
        return 0.5 * (LOG_2PI + 1 - log(shape)) + 1.5 * (log(mean) + _mean_log(shape / mean))

    @staticmethod
    def _mean(mean: Array, shape: Array) -> Array:
        return np.asarray(mean + 0 * shape)

    @staticmethod
    def _variance(mean: Array, shape: Array) -> Array:
        return mean**3 / shape


# ---------------------------------------------------------------------------- Pareto


class Pareto(Model):
    r"""Pareto (type I): log q = log α + α log m − (α + 1) log y for y ≥ m.

    scipy.stats: ``pareto(b=shape, scale=scale)``. R: ``actuar::pareto1(shape, min)``. The scale is
    the end of the support: its estimate is the smallest observation.

    Examples
    --------
    >>> import mlece
    >>> mlece.Pareto(shape=3, scale=2).mean
    3.0
    """

    support = positive
    affine = True
    unit_carrier = True
    shape = Param(positive, r"\alpha", typical=(2.5, 6), doc="tail index")
    scale = Param(
        positive, "m", typical=(0.5, 3), role="scale", regular=False, doc="smallest possible value"
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        (log_y,) = t
        return np.asarray(log(shape) - shape * (log_y - log(scale)) - log_y)

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        (log_y,) = t
        return 1 / shape - (log_y - log(scale)), shape / scale

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return -1 / shape**2, 1 / scale, -shape / scale**2

    @staticmethod
    def _expected_statistics(shape: Array, scale: Array) -> Arrays:
        return (log(scale) + 1 / shape,)

    @staticmethod
    def _bounds(shape: Array, scale: Array) -> Arrays:
        return scale, full(scale, inf)

    @staticmethod
    def _maximise(s: Summary, shape: Array | None, scale: Array | None) -> Arrays:
        end = or_fixed(s.minimum, scale)
        return or_fixed(1 / (s.mean[0] - log(end)), shape), end

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        equal = s.minimum == s.maximum
        if scale is not None:
            equal = equal & (s.minimum == scale)
        sentence = "every observation equals the scale: the density grows with the shape"
        limit = (full(s.minimum, inf), s.minimum)
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        # Malik (1970): n α log(m̂/m) ~ Exp(1), independent of n α/α̂ ~ Gamma(n − 1).
        shape, scale = theta
        ends = np.array([0.5 * alpha, 1 - 0.5 * alpha])
        if "shape" in fixed:
            return {"scale": (scale * exp(log(alpha) / (n * shape)), scale)}
        low, high = (shape / n * gammaincinv(n if "scale" in fixed else n - 1, u) for u in ends)
        if "scale" in fixed:
            return {"shape": (low, high)}
        reach = expm1(-log(alpha) / (n - 1)) / shape
        return {"shape": (low, high), "scale": (scale * exp(-reach), scale)}

    @staticmethod
    def _start(x: Array) -> Arrays:
        scale = x.min(axis=-1)
        gap = log(x).mean(axis=-1) - log(scale)
        return 1 / where(gap > 0, gap, 1.0), scale

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return log1mexp(shape * log(y / scale))

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return -shape * log(y / scale)

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return scale * exp(-log1p(-u) / shape)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return scale * exp(rng.standard_exponential(size) / shape)

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return log(scale / shape) + 1 + 1 / shape

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return where(shape > 1, scale * shape / where(shape > 1, shape - 1, 1.0), inf)

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        finite = shape > 2
        safe = where(finite, shape, 3.0)
        return where(finite, scale**2 * safe / ((safe - 1) ** 2 * (safe - 2)), inf)
