"""Families on a bounded interval."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece.domain import positive, probability, real
from mlece.families.composed import check_ordered
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    betainc,
    betaincinv,
    exp,
    expm1,
    inf,
    log,
    log1p,
    log_minus_digamma,
    log_probability,
    stirling_remainder,
    trigamma,
    where,
)
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

# ---------------------------------------------------------------------------- Beta


def _log_beta(a: Array, b: Array) -> Array:
    """Return log B(a, b) by Stirling's formula with its exact remainder."""
    remainder = stirling_remainder(a) + stirling_remainder(b) - stirling_remainder(a + b)
    root = 0.5 * (LOG_2PI + log1p(a / b) - log(a))
    return np.asarray(root + remainder - a * log1p(b / a) - b * log1p(a / b))


def _digamma_gap(a: Array, b: Array) -> Array:
    """Return psi(a + b) - psi(a)."""
    return log1p(b / a) + log_minus_digamma(a) - log_minus_digamma(a + b)


def _times(power: Array, log_y: Array) -> Array:
    """Return power * log_y, 0 where the power is 0 even if y = 0."""
    return where(power == 0, 0.0, power * where(power == 0, 0.0, log_y))


def _beta_shapes(log_y: Array, log_rest: Array) -> Arrays:
    """Solve for both shapes from the means of log y and log(1 - y) by Newton's method (Minka 2000).

    The cross-entropy is convex in the shapes; a step that would leave the quadrant is halved.
    """
    room = -expm1(np.logaddexp(log_y, log_rest))
    alpha, beta = 0.5 + 0.5 * exp(log_y) / room, 0.5 + 0.5 * exp(log_rest) / room
    for _ in range(60):
        g1 = log_y + _digamma_gap(alpha, beta)
        g2 = log_rest + _digamma_gap(beta, alpha)
        both, t1, t2 = trigamma(alpha + beta), trigamma(alpha), trigamma(beta)
        determinant = t1 * t2 - both * (t1 + t2)
        d1 = ((t2 - both) * g1 + both * g2) / determinant
        d2 = ((t1 - both) * g2 + both * g1) / determinant
        alpha = where(alpha + d1 > 0, alpha + d1, 0.5 * alpha)
        beta = where(beta + d2 > 0, beta + d2, 0.5 * beta)
        if not np.any((abs(d1) > 1e-14 * alpha) | (abs(d2) > 1e-14 * beta)):
            break
    return alpha, beta


class Beta(Model):
    r"""Beta: log q = (α − 1) log y + (β − 1) log(1 − y) − log B(α, β).

    scipy.stats: ``beta(a=alpha, b=beta)``. R: ``beta(shape1=alpha, shape2=beta)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Beta(alpha=1, beta=3).mean
    0.25
    """

    support = probability
    affine = True
    unit_carrier = True
    alpha = Param(positive, r"\alpha", typical=(0.7, 6), doc="first shape")
    beta = Param(positive, r"\beta", typical=(0.7, 6), doc="second shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return log(y), log1p(-y)

    @staticmethod
    def _log_density(t: Arrays, alpha: Array, beta: Array) -> Array:
        return _times(alpha - 1, t[0]) + _times(beta - 1, t[1]) - _log_beta(alpha, beta)

    @staticmethod
    def _score(t: Arrays, alpha: Array, beta: Array) -> Arrays:
        return t[0] + _digamma_gap(alpha, beta), t[1] + _digamma_gap(beta, alpha)

    @staticmethod
    def _curvature(t: Arrays, alpha: Array, beta: Array) -> Arrays:
        both = trigamma(alpha + beta)
        return both - trigamma(alpha), both, both - trigamma(beta)

    @staticmethod
    def _expected_statistics(alpha: Array, beta: Array) -> Arrays:
        return -_digamma_gap(alpha, beta), -_digamma_gap(beta, alpha)

    @staticmethod
    def _maximise(s: Summary, alpha: Array | None, beta: Array | None) -> Arrays | None:
        if alpha is not None or beta is not None:
            return None
        return _beta_shapes(*s.mean)

    @staticmethod
    def _degenerate(s: Summary, alpha: Array | None, beta: Array | None) -> tuple[Limit, ...]:
        limits = []
        ends = (
            (s.minimum == 0, alpha, "alpha", 0),
            (s.maximum == 1, beta, "beta", 1),
        )
        given = (
            full(s.minimum, np.nan) if alpha is None else alpha,
            full(s.minimum, np.nan) if beta is None else beta,
        )
        for at_end, shape, name, end in ends:
            spike = at_end if shape is None else at_end & (shape < 1)
            sentence = f"an observation is {end}: the density there is infinite for {name} below 1"
            limits.append(Limit(spike, Status.UNBOUNDED, sentence, given, full(s.minimum, -inf)))
            if shape is not None:
                sentence = f"an observation is {end}: the density there is 0 for {name} above 1"
                none = at_end & (shape > 1)
                limits.append(
                    Limit(none, Status.NOT_ATTAINED, sentence, given, full(s.minimum, inf))
                )
        if alpha is None and beta is None:
            sentence = "every observation is equal: alpha and beta grow without bound, ratio fixed"
            grown = (full(s.minimum, inf), full(s.minimum, inf))
            equal = s.minimum == s.maximum
            limits.append(Limit(equal, Status.UNBOUNDED, sentence, grown, full(s.minimum, -inf)))
        return tuple(limits)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, var = x.mean(axis=-1), x.var(axis=-1)
        usable = (var > 0) & (mean > 0) & (mean < 1)
        mean = where(usable, mean, 0.5)
        size = where(usable, mean * (1 - mean) / where(usable, var, 1.0) - 1, 2.0)
        size = where(size > 0.1, size, 0.1)
        return mean * size, (1 - mean) * size

    @staticmethod
    def _log_cdf(y: Array, alpha: Array, beta: Array) -> Array:
        return log_probability(betainc(alpha, beta, y), betainc(beta, alpha, 1 - y))

    @staticmethod
    def _log_sf(y: Array, alpha: Array, beta: Array) -> Array:
        return log_probability(betainc(beta, alpha, 1 - y), betainc(alpha, beta, y))

    @staticmethod
    def _quantile(u: Array, alpha: Array, beta: Array) -> Array:
        return np.asarray(betaincinv(alpha, beta, u))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], alpha: Array, beta: Array
    ) -> Array:
        return rng.beta(alpha, beta, size)

    @staticmethod
    def _entropy(alpha: Array, beta: Array) -> Array:
        total = alpha + beta
        remainder = stirling_remainder(alpha) + stirling_remainder(beta) - stirling_remainder(total)
        both = log_minus_digamma(total)
        tilt = (alpha - 1) * (log_minus_digamma(alpha) - both)
        tilt = tilt + (beta - 1) * (log_minus_digamma(beta) - both)
        # log1p(b/a) + log1p(a/b) = 2 log(a + b) - log a - log b.
        return np.asarray(
            0.5 * (LOG_2PI + log(alpha) + log(beta) - 3 * log(total)) + remainder + tilt
        )

    @staticmethod
    def _mean(alpha: Array, beta: Array) -> Array:
        return np.asarray(alpha / (alpha + beta))

    @staticmethod
    def _variance(alpha: Array, beta: Array) -> Array:
        total = alpha + beta
        return np.asarray((alpha / total) * (beta / total) / (total + 1))


# ---------------------------------------------------------------------------- Uniform


class Uniform(Model):
    r"""Uniform on [a, b]: log q = −log(b − a).

    scipy.stats: ``uniform(loc=lower, scale=upper - lower)``. R: ``unif(min, max)``. The estimates
    are the extreme observations, at rate 1/n; intervals come from their exact law.

    Examples
    --------
    >>> import mlece
    >>> mlece.Uniform(lower=1, upper=5).variance
    1.3333333333333333
    """

    support = real
    unit_free_sums = True
    affine = True
    unit_carrier = True
    lower = Param(real, "a", typical=(-3, -1), role="location", regular=False, doc="lower end")
    upper = Param(real, "b", typical=(1, 3), role="location", regular=False, doc="upper end")

    def _check_shapes(self) -> None:
        super()._check_shapes()
        check_ordered(self, "lower", "upper")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (np.zeros_like(y),)

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        return (np.zeros(len(y) if w is None else max(len(y), len(w))),)

    @staticmethod
    def _log_density(t: Arrays, lower: Array, upper: Array) -> Array:
        return np.asarray(t[0] - log(upper - lower))

    @staticmethod
    def _score(t: Arrays, lower: Array, upper: Array) -> Arrays:
        return 1 / (upper - lower), -1 / (upper - lower)

    @staticmethod
    def _curvature(t: Arrays, lower: Array, upper: Array) -> Arrays:
        square = (upper - lower) ** 2
        return 1 / square, -1 / square, 1 / square

    @staticmethod
    def _expected_statistics(lower: Array, upper: Array) -> Arrays:
        return (0 * (lower + upper),)

    @staticmethod
    def _bounds(lower: Array, upper: Array) -> Arrays:
        return lower, upper

    @staticmethod
    def _frame(lower: Array, upper: Array) -> Arrays:
        return lower, upper - lower

    @staticmethod
    def _maximise(s: Summary, lower: Array | None, upper: Array | None) -> Arrays:
        return or_fixed(s.minimum, lower), or_fixed(s.maximum, upper)

    @staticmethod
    def _degenerate(s: Summary, lower: Array | None, upper: Array | None) -> tuple[Limit, ...]:
        ends = Uniform._maximise(s, lower, upper)
        sentence = "every observation is equal: the density grows as upper falls to lower"
        return (Limit(ends[0] == ends[1], Status.UNBOUNDED, sentence, ends, full(s.minimum, -inf)),)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        # P((b - M)/(M - m) > c) = (1 + c)^(1 - n); with a known, (M - a)/(b - a) ~ Beta(n, 1).
        lower, upper = theta
        width = upper - lower
        reach = width * expm1(-log(alpha) / (n if fixed else n - 1))
        ends = {"lower": (lower - reach, lower), "upper": (upper, upper + reach)}
        return {name: ends[name] for name in ends if name not in fixed}

    @staticmethod
    def _start(x: Array) -> Arrays:
        return x.min(axis=-1), x.max(axis=-1)

    @staticmethod
    def _log_cdf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower
        return log_probability((y - lower) / width, (upper - y) / width)

    @staticmethod
    def _log_sf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower
        return log_probability((upper - y) / width, (y - lower) / width)

    @staticmethod
    def _quantile(u: Array, lower: Array, upper: Array) -> Array:
        return np.asarray(lower + u * (upper - lower))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], lower: Array, upper: Array
    ) -> Array:
        return rng.uniform(lower, upper, size)

    @staticmethod
    def _entropy(lower: Array, upper: Array) -> Array:
        return np.asarray(log(upper - lower))

    @staticmethod
    def _mean(lower: Array, upper: Array) -> Array:
        return lower + 0.5 * (upper - lower)

    @staticmethod
    def _variance(lower: Array, upper: Array) -> Array:
        return (upper - lower) ** 2 / 12
