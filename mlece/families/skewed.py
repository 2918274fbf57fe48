"""Families on the positive half line: sizes, incomes and passage times, skewed to the right."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece.domain import positive, real
from mlece.families.composed import NormalOf
from mlece.families.half_line import exponential_from
from mlece.families.real_line import Gaussian
from mlece.limits import Limit, full, or_fixed, point_mass
from mlece.links.tails import Tails, exponential_tails
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    erfcx,
    exp,
    exp1,
    expm1,
    inf,
    log,
    log1mexp,
    log1p,
    log_ndtr,
    sqrt,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import (
    Summary,
    cuts,
    room,
    row_dot,
    row_sum,
    spread_out,
    sum_log,
    sum_log_pairs,
    weighted_sum,
)
from mlece.numerics.jets import jet_log
from mlece.param import Param

# ---------------------------------------------------------------------------- lognormal


class LogNormal(NormalOf):
    r"""Lognormal: log q = −l − log σ − ½ log 2π − (l − μ)²/(2σ²), l = log y.

    scipy.stats: ``lognorm(s=sdlog, scale=exp(meanlog))``. R: ``lnorm(meanlog, sdlog)``.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.LogNormal(meanlog=0, sdlog=1).mean), 6)
    1.648721
    """

    concave_in = ("meanlog", "identity")
    support = positive
    everyday = True
    aliases = ("lnorm",)
    affine = True
    top_asked = False
    unit_carrier = True
    meanlog = Param(real, r"\mu", typical=(-1, 2), role="log location", doc="mean of log y")
    sdlog = Param(positive, r"\sigma", typical=(0.3, 1.2), doc="standard deviation of log y")
    _link, _unlink = log, exp

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        log_y = log(y)
        return log_y, log_y * log_y

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        first = second = np.zeros(())
        for a, b in cuts(y, w):
            log_y = np.log(a, out=room(a.shape))
            weighted = log_y if b is None else b * log_y
            first = first + row_sum(weighted)
            second = second + row_dot(weighted, log_y)
        return first, second

    @staticmethod
    def _log_density(t: Arrays, meanlog: Array, sdlog: Array) -> Array:
        return np.asarray(Gaussian._log_density(t, meanlog, sdlog) - t[0])

    # In the statistics it is the Gaussian; the density has the slope of the logarithm besides.
    _score, _curvature = Gaussian._score, Gaussian._curvature
    _expected_statistics, _maximise = Gaussian._expected_statistics, Gaussian._maximise

    @staticmethod
    def _degenerate(s: Summary, meanlog: Array | None, sdlog: Array | None) -> tuple[Limit, ...]:
        if sdlog is not None:
            return ()
        sentence = "every observation is equal: the density grows as sdlog falls to 0"
        limit = (or_fixed(s.mean[0], meanlog), full(s.minimum, 0.0))
        return point_mass(s, sentence, limit, log(s.minimum), meanlog)

    @staticmethod
    def _entropy(meanlog: Array, sdlog: Array) -> Array:
        return meanlog + log(sdlog) + 0.5 * LOG_2PI + 0.5

    @staticmethod
    def _mean(meanlog: Array, sdlog: Array) -> Array:
        return exp(meanlog + 0.5 * sdlog**2)

    @staticmethod
    def _variance(meanlog: Array, sdlog: Array) -> Array:
        return np.asarray(expm1(sdlog**2) * exp(2 * meanlog + sdlog**2))

    @staticmethod
    def _scipy(meanlog: Array, sdlog: Array) -> Twin:
        return "lognorm", {"s": sdlog, "scale": exp(meanlog)}


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


def _pair_sums(y: Array) -> Arrays:
    """Sum the statistics of an inverse Gaussian over a short block, two observations at a time."""
    half = y.shape[1] // 16 * 8
    low, high, rest = y[:, :half], y[:, half : 2 * half], y[:, 2 * half :]
    pairs = np.multiply(low, high, out=room(low.shape))
    both = np.add(low, high, out=room(low.shape, 1))
    total = row_sum(both) + rest.sum(axis=1)
    # 1/a + 1/b = (a + b)/(a b).
    reciprocal = row_sum(np.divide(both, pairs, out=both)) + (1 / rest).sum(axis=1)
    d, ratio = total - y.shape[1], y.shape[1] - reciprocal
    return d, d - ratio, sum_log_pairs(pairs) + log(rest).sum(axis=1), ratio


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
    everyday = True
    affine = True
    top_asked = False
    mean = Param(positive, r"\mu", typical=(0.5, 3), role="scale", doc="mean")
    shape = Param(positive, r"\lambda", typical=(0.5, 8), role="scale", doc="shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # 1/y = 1 - d + d*d/y: with y of order 1, mean(1/y) - 1/mean(y) keeps its digits. Where y is
        # large, 1/y itself does, by d/y = 1 - 1/y.
        d = y - 1
        ratio = d / y
        return d, d * ratio, log(y), ratio

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        if w is None and spread_out(y):
            blocks = [_pair_sums(a) for a, _ in cuts(y, w, 2)]
            plain = tuple(sum(s) for s in zip(*blocks, strict=True))
            # The sum of d*d/y comes as a difference: good only where it is no small one.
            if all(np.isfinite(s).all() for s in plain) and (plain[1] > 0.05 * y.shape[1]).all():
                return plain
        first = second = fourth = np.zeros(())
        for a, b in cuts(y, w):
            d = np.subtract(a, 1, out=room(a.shape))
            ratio = np.divide(d, a, out=room(a.shape, 1))
            weighted = d if b is None else b * d
            first = first + row_sum(weighted)
            second = second + row_dot(weighted, ratio)
            fourth = fourth + weighted_sum(ratio, b, a.shape[1])
        return first, second, sum_log(y, w), fourth

    @staticmethod
    def _distance(t: Arrays, mean: Array) -> Array:
        """Return (y − μ)²/(μ² y)."""
        d, e, _, ratio = t
        step = (1 - mean) / mean
        near = step * step + d * step * (step + 2) + e
        return where(e > 1, ((1 + d) / mean - 2) / mean + (1 - ratio), near)

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
        d, log_y = mean - 1, log(mean) + _mean_log(shape / mean)
        return d, d**2 / mean + 1 / shape, log_y, d / mean - 1 / shape

    @staticmethod
    def _maximise(s: Summary, mean: Array | None, shape: Array | None) -> Arrays:
        d, e, _, ratio = s.mean
        if mean is None:
            distance = where(e > 1, (1 - ratio) - 1 / (1 + d), e - d * d / (1 + d))
        else:
            distance = InverseGaussian._distance(s.mean, mean)
        return or_fixed(1 + d, mean), or_fixed(1 / distance, shape)

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, shape: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the mean: the density grows with the shape"
        limit = (or_fixed(1 + s.mean[0], mean), full(s.minimum, inf))
        return point_mass(s, sentence, limit, s.minimum, mean)

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
        return np.asarray(mean * rng.wald(1.0, shape / mean, size))

    @staticmethod
    def _entropy(mean: Array, shape: Array) -> Array:
        return 0.5 * (LOG_2PI + 1 - log(shape)) + 1.5 * (log(mean) + _mean_log(shape / mean))

    @staticmethod
    def _mean(mean: Array, shape: Array) -> Array:
        return np.asarray(mean + 0 * shape)

    @staticmethod
    def _variance(mean: Array, shape: Array) -> Array:
        return mean**3 / shape

    @staticmethod
    def _scipy(mean: Array, shape: Array) -> Twin:
        return "invgauss", {"mu": mean / shape, "scale": shape}


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
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        return (sum_log(y, w),)

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
        sentence = "every observation equals the scale: the density grows with the shape"
        limit = (full(s.minimum, inf), s.minimum)
        return point_mass(s, sentence, limit, s.minimum, scale)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        # Malik (1970): log y is exponential from log m on, its rate α.
        shape, scale = theta
        pair, reach = exponential_from(shape, n, alpha, "shape" in fixed, "scale" in fixed)
        return {"shape": pair, "scale": (scale * exp(-reach), scale)}

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
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return exponential_tails, shape * (log(y) - jet_log(scale))

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

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "pareto", {"b": shape, "scale": scale}
