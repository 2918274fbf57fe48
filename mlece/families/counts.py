"""Families on the counts 0, 1, 2, ..."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.domain import (
    counts,
    nonnegative,
    positive,
    positive_integer,
    positive_probability,
    probability,
)
from mlece.families.beta_tails import log_odds_tails
from mlece.families.gamma_tails import of_gamma
from mlece.limits import Limit, LimitFamily, Status, full, or_fixed
from mlece.links.bijection import log_link
from mlece.links.tails import Tails
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    betainc,
    digamma,
    digamma_gap,
    exp,
    gammainc,
    gammaincc,
    gammaln,
    inf,
    log,
    log1mexp,
    log1p,
    log1pmx,
    log_factorial,
    log_minus_step,
    log_probability,
    ratio_or_zero,
    stirling_remainder,
    times,
    trigamma,
    trigamma_gap,
    where,
    xlog1py,
    xlogy,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.counting import smallest_count
from mlece.numerics.jets import Jet, Pairs
from mlece.param import Param

# ---------------------------------------------------------------------------- Poisson


_SMALL = 256  # below, log y! is a number without a large part to be told from the rest


def _log_factorial_parts(y: Array) -> Arrays:
    """Return log y! as a part that stays small and y log y − y, 0 for small counts."""
    if y.max(initial=0.0) < _SMALL:
        return log_factorial(y), np.zeros(y.shape)
    large = y >= _SMALL
    x = where(large, y, 1.0)
    rest = 0.5 * (LOG_2PI + log(x)) + stirling_remainder(x)
    return where(large, rest, gammaln(y + 1)), where(large, xlogy(x, x) - x, 0.0)


def _mean_log_factorial_parts(rate: Array) -> Arrays:
    """Return the expected parts of log Y! of a Poisson law: sums, or their asymptotic series."""
    rate = np.asarray(rate, dtype=float)
    u = 1 / np.maximum(rate, 1.0)
    tail = u * (1 / 12 + u * (1 / 24 + u * (19 / 360 + u * (9 / 80))))
    log_mean = log(rate) - u * (1 / 2 + u * (5 / 12 + u * (3 / 4 + u * 251 / 120)))
    rest = np.asarray(0.5 * (LOG_2PI + log_mean) + u * (1 + u * (1 + 2 * u)) / 12 - u**3 / 360)
    # The parts join where Y passes _SMALL, near or below these rates.
    lead = np.asarray(xlogy(rate, rate) - rate + 0.5 * (LOG_2PI + 1 + log(rate)) - tail - rest)
    for low, high, terms in ((-1.0, 200.0, 600), (200.0, 700.0, 1200)):
        near = (rate >= low) & (rate < high)
        if near.any():
            y = np.arange(float(terms))
            mass = exp(xlogy(y, rate[near][:, None]) - rate[near][:, None] - gammaln(y + 1))
            rest[near], lead[near] = (mass @ part for part in _log_factorial_parts(y))
    return rest, lead


class Poisson(Model):
    r"""Poisson: log q = y log λ − λ − log y!.

    scipy.stats: ``poisson(mu=rate)``. R: ``pois(lambda)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Poisson(rate=3).variance
    3.0
    """

    support = counts
    concave_in = ("rate", "log", "identity", "sqrt")
    separation = "counts"
    everyday = True
    affine = True
    rate = Param(nonnegative, r"\lambda", typical=(0.5, 12), bijection=log_link, doc="mean")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return y, *_log_factorial_parts(y)

    @staticmethod
    def _log_density(t: Arrays, rate: Array) -> Array:
        y, rest, lead = t
        if not np.any(lead):
            return np.asarray(xlogy(y, rate) - rate - rest)
        # y log(λ/y) + y − λ is small where its terms are large; of a single count nothing is left of
        # y log y − y (Loader 2000).
        some = y > 0
        x = where(some, y, 1.0)
        deviance = where(some, x * log_minus_step(rate / x, (rate - x) / x), -rate)
        return np.asarray(deviance + (xlogy(y, y) - y - lead) - rest)

    @staticmethod
    def _score(t: Arrays, rate: Array) -> Arrays:
        return (ratio_or_zero(t[0], rate) - 1,)

    @staticmethod
    def _curvature(t: Arrays, rate: Array) -> Arrays:
        return (-ratio_or_zero(t[0], rate**2),)

    @staticmethod
    def _expected_statistics(rate: Array) -> Arrays:
        return rate, *_mean_log_factorial_parts(rate)

    @staticmethod
    def _information(rate: Jet) -> Pairs:
        return {(0, 0): 1.0 / rate}

    @staticmethod
    def _maximise(s: Summary, rate: Array | None) -> Arrays:
        return (or_fixed(s.mean[0], rate),)

    @staticmethod
    def _degenerate(s: Summary, rate: Array | None) -> tuple[Limit, ...]:
        if rate is not None:
            return ()
        zero = full(s.mean[0], 0.0)
        sentence = "every observation is 0: the rate is 0"
        return (Limit(s.mean[0] == 0, Status.BOUNDARY, sentence, (zero,), zero),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return ((x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5),)

    @staticmethod
    def _log_cdf(y: Array, rate: Array) -> Array:
        return log_probability(gammaincc(y + 1, rate), gammainc(y + 1, rate))

    @staticmethod
    def _log_sf(y: Array, rate: Array) -> Array:
        return log_probability(gammainc(y + 1, rate), gammaincc(y + 1, rate))

    @staticmethod
    def _tail_law(y: Array, rate: Array) -> tuple[Tails, Any, Any]:
        # The time to the event of number y + 1 is beyond 1.
        return of_gamma(log(rate) - log(y + 1), y + 1, -1.0)

    @staticmethod
    def _quantile(u: Array, rate: Array) -> Array:
        return smallest_count(Poisson._log_cdf, u, np.asarray(inf), rate)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], rate: Array) -> Array:
        return np.asarray(rng.poisson(rate, size), dtype=float)

    @staticmethod
    def _mean(rate: Array) -> Array:
        return rate

    @staticmethod
    def _variance(rate: Array) -> Array:
        return rate

    @staticmethod
    def _scipy(rate: Array) -> Twin:
        return "poisson", {"mu": rate}


# ---------------------------------------------------------------------------- geometric


class Geometric(Model):
    r"""Geometric, failures before the first success: log q = log p + y log(1 − p).

    scipy.stats: ``geom(p, loc=-1)``. R: ``geom(prob)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Geometric(p=0.25).mean
    3.0
    """

    support = counts
    everyday = True
    affine = True
    unit_carrier = True
    p = Param(positive_probability, "p", typical=(0.1, 0.9), doc="probability of success")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @staticmethod
    def _log_density(t: Arrays, p: Array) -> Array:
        return np.asarray(log(p) + xlog1py(t[0], -p))

    @staticmethod
    def _score(t: Arrays, p: Array) -> Arrays:
        return (1 / p - ratio_or_zero(t[0], 1 - p),)

    @staticmethod
    def _curvature(t: Arrays, p: Array) -> Arrays:
        return (-1 / p**2 - ratio_or_zero(t[0], (1 - p) ** 2),)

    @staticmethod
    def _expected_statistics(p: Array) -> Arrays:
        return ((1 - p) / p,)

    @staticmethod
    def _information(p: Jet) -> Pairs:
        return {(0, 0): 1.0 / (p * p * (1.0 - p))}

    @staticmethod
    def _maximise(s: Summary, p: Array | None) -> Arrays:
        return (or_fixed(1 / (1 + s.mean[0]), p),)

    @staticmethod
    def _degenerate(s: Summary, p: Array | None) -> tuple[Limit, ...]:
        if p is not None:
            return ()
        (y,) = s.mean
        sentence = "every observation is 0: p = 1"
        return (Limit(y == 0, Status.BOUNDARY, sentence, (full(y, 1.0),), full(y, 0.0)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        n = x.shape[-1]
        return ((n + 0.5) / (n + x.sum(axis=-1) + 1),)

    @staticmethod
    def _log_cdf(y: Array, p: Array) -> Array:
        return log1mexp(-(y + 1) * log1p(-p))

    @staticmethod
    def _log_sf(y: Array, p: Array) -> Array:
        return (y + 1) * log1p(-p)

    @staticmethod
    def _quantile(u: Array, p: Array) -> Array:
        return smallest_count(Geometric._log_cdf, u, np.asarray(inf), p)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], p: Array) -> Array:
        return np.asarray(rng.geometric(p, size) - 1, dtype=float)

    @staticmethod
    def _entropy(p: Array) -> Array:
        return np.asarray(-log(p) - xlog1py(1 - p, -p) / p)

    @staticmethod
    def _mean(p: Array) -> Array:
        return (1 - p) / p

    @staticmethod
    def _variance(p: Array) -> Array:
        return np.asarray((1 - p) / p**2)

    @staticmethod
    def _scipy(p: Array) -> Twin:
        return "geom", {"p": p, "loc": -1}


# ---------------------------------------------------------------------------- binomial


def binomial_log_mass(
    y: Array, n: Array, shares: tuple[Array, Array], logs: tuple[Array, Array]
) -> Array:
    """Return log P(Y = y) of n trials in the saddle-point form of Loader (2000).

    Parameters
    ----------
    y, n : array
        Successes and trials.
    shares, logs : (array, array)
        Probability of success and of failure, and their logarithms, each exact by itself: a share may
        have underflowed.
    """
    ends = (y == 0) | (y == n)
    x = where(ends, 0.5 * n, y)
    rest = n - x
    # x - n p, by the share that is known to more digits.
    error = where(shares[0] < 0.5, x - n * shares[0], n * shares[1] - rest)
    deviance = np.zeros(())
    for count, log_share, step in zip((x, rest), logs, (-error / x, error / rest), strict=True):
        near = abs(step) < 0.5
        far = log(n) + log_share - log(count) - step
        deviance = deviance + count * where(near, log1pmx(where(near, step, 0.0)), far)
    remainder = stirling_remainder(n) - stirling_remainder(x) - stirling_remainder(rest)
    inner = remainder + deviance + 0.5 * (log(n / x) - log(rest) - LOG_2PI)
    return where(ends, times(y, logs[0]) + times(n - y, logs[1]), inner)


class Binomial(Model):
    r"""Binomial with a known number of trials: log q = log C(n, y) + y log p + (n − y) log(1 − p).

    scipy.stats: ``binom(n, p)``. R: ``binom(size, prob)``. The mass is computed by the saddle-point
    form of Loader (2000), which keeps its digits for large n.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.Binomial(n=4, p=0.5).density(2).item(), 12)
    0.375
    """

    support = counts
    exponential = True
    n = Param(positive_integer, "n", typical=(5, 20), estimable=False, doc="number of trials")
    p = Param(probability, "p", typical=(0.1, 0.9), doc="probability of success")

    @staticmethod
    def _log_density(y: Array, n: Array, p: Array) -> Array:
        return binomial_log_mass(y, n, (p, 1 - p), (log(p), log1p(-p)))

    @staticmethod
    def _score(y: Array, n: Array, p: Array) -> Arrays:
        return (
            digamma(n + 1) - digamma(n - y + 1) + log1p(-p),
            ratio_or_zero(y, p) - ratio_or_zero(n - y, 1 - p),
        )

    @staticmethod
    def _curvature(y: Array, n: Array, p: Array) -> Arrays:
        return (
            trigamma(n + 1) - trigamma(n - y + 1),
            -1 / (1 - p),
            -ratio_or_zero(y, p**2) - ratio_or_zero(n - y, (1 - p) ** 2),
        )

    @staticmethod
    def _bounds(n: Array, p: Array) -> Arrays:
        return 0 * (n + p), n + 0 * p

    @staticmethod
    def _maximise(s: Summary, n: Array, p: Array | None) -> Arrays:
        y = s.mean[0]
        return or_fixed(y, n), or_fixed(y / n, p)

    @staticmethod
    def _degenerate(s: Summary, n: Array, p: Array | None) -> tuple[Limit, ...]:
        if p is not None:
            return ()
        y, zero = s.mean[0], full(s.mean[0], 0.0)
        trials = or_fixed(y, n)
        none, every = (trials, zero), (trials, zero + 1)
        return (
            Limit(y == 0, Status.BOUNDARY, "every observation is 0: p = 0", none, zero),
            Limit(y == n, Status.BOUNDARY, "every trial succeeded: p = 1", every, zero),
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        most = np.maximum(x.max(axis=-1), 1.0)
        return most, (x.mean(axis=-1) + 0.5) / (most + 1)

    @staticmethod
    def _log_cdf(y: Array, n: Array, p: Array) -> Array:
        y = np.minimum(y, n - 1)
        return log_probability(betainc(n - y, y + 1, 1 - p), betainc(y + 1, n - y, p))

    @staticmethod
    def _log_sf(y: Array, n: Array, p: Array) -> Array:
        y = np.minimum(y, n - 1)
        return log_probability(betainc(y + 1, n - y, p), betainc(n - y, y + 1, 1 - p))

    @staticmethod
    def _tail_law(y: Array, n: Array, p: Array) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, log1p(-p) - log(p), n - np.minimum(y, n - 1), y + 1

    @staticmethod
    def _quantile(u: Array, n: Array, p: Array) -> Array:
        return smallest_count(Binomial._log_cdf, u, n, n, p)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], n: Array, p: Array) -> Array:
        return np.asarray(rng.binomial(np.asarray(n).astype(np.int64), p, size), dtype=float)

    @staticmethod
    def _mean(n: Array, p: Array) -> Array:
        return n * p

    @staticmethod
    def _variance(n: Array, p: Array) -> Array:
        return np.asarray(n * p * (1 - p))

    @staticmethod
    def _scipy(n: Array, p: Array) -> Twin:
        return "binom", {"n": n, "p": p}


# ---------------------------------------------------------------------------- negative binomial


class NegativeBinomial(Model):
    r"""Negative binomial with size r and mean μ; its variance is μ + μ²/r.

    log q = log Γ(y + r) − log Γ(r) − log y! + r log(r/(r + μ)) + y log(μ/(r + μ)).

    scipy.stats: ``nbinom(n=size, p=size/(size + mean))``. R: ``nbinom(size, mu=mean)``. As the
    size grows the family tends to the Poisson, the limit for data without overdispersion.

    Examples
    --------
    >>> import mlece
    >>> mlece.NegativeBinomial(size=2, mean=3).variance
    7.5
    """

    support = counts
    everyday = True
    aliases = ("nbinom",)
    profile_over = "size"
    limit_families: ClassVar = (LimitFamily("Poisson", {"size": inf}, {"mean": "rate"}),)
    size = Param(positive, "r", typical=(0.7, 8), doc="size; 1/size is the overdispersion")
    mean = Param(nonnegative, r"\mu", typical=(0.5, 10), bijection=log_link, doc="mean")

    @staticmethod
    def _log_density(y: Array, size: Array, mean: Array) -> Array:
        # Loader (2000): every term is small where the textbook form subtracts large ones.
        none = y == 0
        x = where(none, 1.0, y)
        total, scale = size + x, size + mean
        error = x - mean
        deviance = size * log_minus_step(total / scale, error / scale) + x * log_minus_step(
            (total / scale) * (mean / x), -(size / scale) * (error / x)
        )
        remainder = stirling_remainder(total) - stirling_remainder(size) - stirling_remainder(x)
        inner = remainder + deviance + 0.5 * (log(size / total) - log(x) - LOG_2PI)
        return where(none, -size * log1p(mean / size), inner)

    @staticmethod
    def _score(y: Array, size: Array, mean: Array) -> Arrays:
        scale = size + mean
        gap = digamma_gap(size, y)
        none = y == 0
        return (
            log_minus_step((size + y) / scale, (y - mean) / scale) + gap,
            size / scale * where(none, -1.0, (y - mean) / where(none, 1.0, mean)),
        )

    @staticmethod
    def _curvature(y: Array, size: Array, mean: Array) -> Arrays:
        scale = size + mean
        error = (y - mean) / scale
        return (
            error * error / (size + y) + trigamma_gap(size, y),
            error / scale,
            (size + y) / scale**2 - ratio_or_zero(y, mean**2),
        )

    @staticmethod
    def _information(size: Any, mean: Jet) -> Pairs:
        return {(1, 1): size / (mean * (size + mean))}

    @staticmethod
    def _profile_statistics(y: Array, size: Array) -> Arrays:
        ratio = y / size
        value = log_minus_step(1 + ratio, ratio) + digamma_gap(size, y)
        return y, value, ratio * ratio / (size + y) + trigamma_gap(size, y)

    @staticmethod
    def _profile_equation(m: Arrays, size: Array) -> tuple[Array, Array, Arrays]:
        # At mean = ybar the linear parts of log1p agree: log1p(x) - x stands on both sides.
        mean, value, slope = m
        ratio = mean / size
        return (
            log_minus_step(1 + ratio, ratio) - value,
            ratio * ratio / (size + mean) - slope,
            (size, mean),
        )

    @staticmethod
    def _maximise(s: Summary, size: Array | None, mean: Array | None) -> Arrays | None:
        if size is None:
            return None
        return or_fixed(s.mean[0], size), or_fixed(s.mean[0], mean)

    @staticmethod
    def _degenerate(s: Summary, size: Array | None, mean: Array | None) -> tuple[Limit, ...]:
        y, y2, log_factorial = s.mean
        centre = or_fixed(y, mean)
        zero = full(y, 0.0)
        limits = []
        if mean is None:
            sentence = "every observation is 0: the mean is 0, whatever the size"
            theta = (or_fixed(zero + 1, size), zero)
            limits.append(Limit(y == 0, Status.BOUNDARY, sentence, theta, zero))
        elif size is None:
            sentence = "every observation is 0: the size falls to 0 at the fixed mean"
            none = (y == 0) & (centre > 0)
            limits.append(Limit(none, Status.NOT_ATTAINED, sentence, (zero, centre), zero))
        if size is None:
            # Anscombe (1950), Levin and Reeds (1977): a finite size needs more variance than mean.
            spread = (y2 - y * y) + (y - centre) ** 2
            # Equal to the rounding of the moments is equal: a Poisson law itself ends in the limit.
            # A known law with a power tail may have no variance: nothing is more overdispersed.
            excess = (spread - y > 8 * np.finfo(float).eps * (y2 + y)) | np.isposinf(y2)
            sentence = "the data are not overdispersed: size is infinite, the Poisson limit"
            infimum = np.asarray(centre - xlogy(y, centre) + log_factorial)
            theta = (full(y, inf), centre)
            limits.append(
                Limit(~excess & (y > 0), Status.BOUNDARY, sentence, theta, infimum, _poisson)
            )
        return tuple(limits)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = (x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5)
        extra = x.var(axis=-1) - mean
        return where(extra > 0, mean**2 / where(extra > 0, extra, 1.0), 10 * (1 + mean)), mean

    @staticmethod
    def _log_cdf(y: Array, size: Array, mean: Array) -> Array:
        total = size + mean
        return log_probability(
            betainc(size, y + 1, size / total), betainc(y + 1, size, mean / total)
        )

    @staticmethod
    def _log_sf(y: Array, size: Array, mean: Array) -> Array:
        total = size + mean
        return log_probability(
            betainc(y + 1, size, mean / total), betainc(size, y + 1, size / total)
        )

    @staticmethod
    def _tail_law(y: Array, size: Array, mean: Array) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, log(size) - log(mean), size, y + 1

    @staticmethod
    def _quantile(u: Array, size: Array, mean: Array) -> Array:
        return smallest_count(NegativeBinomial._log_cdf, u, np.asarray(inf), size, mean)

    @staticmethod
    def _sample(
        rng: np.random.Generator, shape: tuple[int, ...], size: Array, mean: Array
    ) -> Array:
        return np.asarray(rng.poisson(rng.standard_gamma(size, shape) * (mean / size)), dtype=float)

    @staticmethod
    def _mean(size: Array, mean: Array) -> Array:
        return np.asarray(mean + 0 * size)

    @staticmethod
    def _variance(size: Array, mean: Array) -> Array:
        return mean + mean * (mean / size)

    @staticmethod
    def _scipy(size: Array, mean: Array) -> Twin:
        return "nbinom", {"n": size, "p": size / (size + mean)}


def _poisson(size: Any, mean: Any) -> Model:
    """Return the limit of the negative binomial as its size grows."""
    return Poisson(rate=mean)
