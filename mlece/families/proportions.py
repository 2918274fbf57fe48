"""Families on the unit interval beside the beta."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.domain import positive, positive_probability, probability, real, unit_interval
from mlece.families.composed import NormalOf
from mlece.families.unit_interval import log_beta, shape_limits
from mlece.limits import Limit, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.links.unit_links import cloglog_link
from mlece.math import (
    EULER,
    LOG_2PI,
    Array,
    Arrays,
    abs,
    digamma,
    erfcx,
    exp,
    expit,
    expm1,
    inf,
    log,
    log1mexp,
    log1p,
    logit,
    sqrt,
    square,
    times,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.param import Param

# ---------------------------------------------------------------------------- Kumaraswamy


class Kumaraswamy(Model):
    r"""Kumaraswamy: log q = log(ab) + (a − 1) log y + (b − 1) log(1 − y^a), F = 1 − (1 − y^a)^b.

    scipy.stats: none; y^a is ``beta(1, b)``. R: ``extraDistr::kumar(a, b)``, ``VGAM::kumar(shape1=a,
    shape2=b)``. −log y follows the generalised exponential law of Gupta and Kundu (1999), whose
    likelihood has one maximum (Ghitany, Al-Jarallah and Balakrishnan 2013): at a given a it is
    b = −1 / mean log(1 − y^a).

    Examples
    --------
    >>> import mlece
    >>> round(mlece.Kumaraswamy(a=2, b=3).cdf(0.5).item(), 6)
    0.578125
    """

    support = probability
    everyday = True
    aliases = ("kumar",)
    profile_over = "a"
    a = Param(positive, "a", typical=(0.8, 5), doc="first shape, the power of y")
    b = Param(positive, "b", typical=(0.8, 8), doc="second shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (-log(y),)

    @staticmethod
    def _shared(t: Arrays, a: Array, b: Array) -> Arrays:
        return Kumaraswamy._profile_statistics(t, a)

    @staticmethod
    def _profile_statistics(t: Arrays, a: Array) -> Arrays:
        (code,) = t
        # log(1 − y^a), its derivative in a, and minus the second; at y = 0 and at y = 1 their limits.
        rest = log1mexp(a * code)
        slope = where(code == 0, 1 / a, code / expm1(a * code))
        slope = where(np.isinf(code), 0.0, slope)
        return code, rest, slope, where(slope == 0, 0.0, slope * (slope + code))

    @staticmethod
    def _log_density(t: Arrays, a: Array, b: Array) -> Array:
        code, rest, _, _ = t
        return np.asarray(log(a) + log(b) - times(a - 1, code) + times(b - 1, rest))

    @staticmethod
    def _score(t: Arrays, a: Array, b: Array) -> Arrays:
        code, rest, slope, _ = t
        return 1 / a - code + (b - 1) * slope, 1 / b + rest

    @staticmethod
    def _curvature(t: Arrays, a: Array, b: Array) -> Arrays:
        _, _, slope, bend = t
        return -1 / square(a) - (b - 1) * bend, slope, -1 / square(b)

    @staticmethod
    def _profile_shared(m: Arrays, a: Array, b: Array) -> Arrays:
        return m

    @staticmethod
    def _profile_equation(m: Arrays, a: Array) -> tuple[Array, Array, Arrays]:
        code, rest, slope, bend = m
        b = -1 / rest
        value = code - 1 / a - (b - 1) * slope
        # Where y^a nears the smallest number a lies above the root. Data so narrow that the root
        # itself does end at this b, and the infinite slope beyond it leaves no bound on the excess.
        usable = b < 1e290
        change = 1 / square(a) + (b - 1) * bend - square(b * slope)
        return where(usable, value, inf), change, (a, b)

    @staticmethod
    def _degenerate(s: Summary, a: Array | None, b: Array | None) -> tuple[Limit, ...]:
        limits = shape_limits(s, (("a", a), ("b", b)))
        if a is None and b is None:
            sentence = "every observation is equal: a and b grow without bound"
            grown = (full(s.minimum, inf), full(s.minimum, inf))
            limits += point_mass(s, sentence, grown)
        return limits

    @staticmethod
    def _start(x: Array) -> Arrays:
        code = -log(x)
        spread = code.std(axis=-1)
        usable = np.isfinite(spread) & (spread > 0)
        a = where(usable, 1.2 / where(usable, spread, 1.0), 1.0)
        rest = log1mexp(a[..., None] * code).mean(axis=-1)
        return a, where(np.isfinite(rest) & (rest < 0), -1 / where(rest < 0, rest, -1.0), 1.0)

    @staticmethod
    def _log_cdf(y: Array, a: Array, b: Array) -> Array:
        return log1mexp(-b * log1mexp(-a * log(y)))

    @staticmethod
    def _log_sf(y: Array, a: Array, b: Array) -> Array:
        return np.asarray(b * log1mexp(-a * log(y)))

    @staticmethod
    def _tail_law(y: Array, a: Array, b: Array) -> tuple[Tails, Array]:
        power = a * log(y)
        # From here down −log(1 − y^a) is y^a.
        return cloglog_link, log(b) + where(power < -40, power, log(-log1mexp(-power)))

    @staticmethod
    def _quantile(u: Array, a: Array, b: Array) -> Array:
        return exp(log1mexp(-log1p(-u) / b) / a)

    @staticmethod
    def _entropy(a: Array, b: Array) -> Array:
        return np.asarray(1 - 1 / b + (1 - 1 / a) * (digamma(b + 1) + EULER) - log(a) - log(b))

    @staticmethod
    def _mean(a: Array, b: Array) -> Array:
        return np.asarray(exp(log(b) + log_beta(1 + 1 / a, b)))


# ---------------------------------------------------------------------------- logit-normal


class LogitNormal(NormalOf):
    r"""Logit-normal: log q = −log s − ½ log 2π − (x − m)²/(2s²) − log(y(1 − y)), x = log(y/(1 − y)).

    scipy.stats: none; x is ``norm(m, s)``. R: ``logitnorm::logitnorm(mu=meanlogit, sigma=sdlogit)``;
    ``gamlss.dist::LOGITNO`` has mu = 1/(1 + e^(−m)), the median of y.

    Examples
    --------
    >>> import mlece
    >>> mlece.LogitNormal(meanlogit=0, sdlogit=1).cdf(0.5).item()
    0.5
    """

    support = unit_interval
    everyday = True
    exponential = True
    meanlogit = Param(real, "m", typical=(-1, 1), doc="mean of the logit")
    sdlogit = Param(positive, "s", typical=(0.4, 2), doc="standard deviation of the logit")
    _link, _unlink = logit, expit

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return logit(y), log(y) + log1p(-y)

    @staticmethod
    def _shared(t: Arrays, meanlogit: Array, sdlogit: Array) -> Arrays:
        x, carrier = t
        z = (x - meanlogit) / sdlogit
        return z, z * z, carrier

    @staticmethod
    def _log_density(t: Arrays, meanlogit: Array, sdlogit: Array) -> Array:
        return np.asarray(-log(sdlogit) - 0.5 * LOG_2PI - 0.5 * t[1] - t[2])

    @staticmethod
    def _score(t: Arrays, meanlogit: Array, sdlogit: Array) -> Arrays:
        return t[0] / sdlogit, (t[1] - 1) / sdlogit

    @staticmethod
    def _curvature(t: Arrays, meanlogit: Array, sdlogit: Array) -> Arrays:
        square_ = square(sdlogit)
        return -1 / square_, -2 * t[0] / square_, (1 - 3 * t[1]) / square_

    @staticmethod
    def _estimate(
        view: Any, meanlogit: Array | None, sdlogit: Array | None
    ) -> tuple[Arrays, None, None]:
        centre = view.mean_of(logit) if meanlogit is None else meanlogit
        # A second pass about the mean: the squares themselves would cancel where the logits are far off.
        if sdlogit is None:
            sdlogit = sqrt(view.mean_of(lambda y: square(logit(y) - centre[:, None])))
        return (centre, sdlogit), None, None

    @staticmethod
    def _degenerate(
        s: Summary, meanlogit: Array | None, sdlogit: Array | None
    ) -> tuple[Limit, ...]:
        if sdlogit is not None:
            return ()
        sentence = "every observation is equal: the density grows as sdlogit falls to 0"
        limit = (logit(s.minimum), full(s.minimum, 0.0))
        return point_mass(s, sentence, limit, logit(s.minimum), meanlogit)


# ---------------------------------------------------------------------------- power


class Power(Model):
    r"""Power function law on (0, 1]: log q = log a + (a − 1) log y, F = y^a.

    scipy.stats: ``powerlaw(a=shape)``. R: ``beta(shape1=shape, shape2=1)``. −log y is exponential
    with rate a.

    Examples
    --------
    >>> import mlece
    >>> mlece.Power(shape=3).mean
    0.75
    """

    support = positive_probability
    aliases = ("powerlaw",)
    affine = True
    unit_carrier = True
    shape = Param(positive, "a", typical=(0.6, 5), doc="shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (-log(y),)

    @staticmethod
    def _log_density(t: Arrays, shape: Array) -> Array:
        return np.asarray(log(shape) - (shape - 1) * t[0])

    @staticmethod
    def _score(t: Arrays, shape: Array) -> Arrays:
        return (1 / shape - t[0],)

    @staticmethod
    def _curvature(t: Arrays, shape: Array) -> Arrays:
        return (-1 / square(shape),)

    @staticmethod
    def _expected_statistics(shape: Array) -> Arrays:
        return (1 / shape,)

    @staticmethod
    def _maximise(s: Summary, shape: Array | None) -> Arrays:
        return (or_fixed(1 / s.mean[0], shape),)

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        (code,) = s.mean
        sentence = "every observation is 1: the density there grows without bound with the shape"
        return (Limit(code == 0, Status.UNBOUNDED, sentence, (full(code, inf),), full(code, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        code = -log(x).mean(axis=-1)
        return (1 / where(code > 0, code, 1.0),)

    @staticmethod
    def _log_cdf(y: Array, shape: Array) -> Array:
        return np.asarray(shape * log(y))

    @staticmethod
    def _log_sf(y: Array, shape: Array) -> Array:
        return log1mexp(-shape * log(y))

    @staticmethod
    def _quantile(u: Array, shape: Array) -> Array:
        return np.asarray(u ** (1 / shape))

    @staticmethod
    def _entropy(shape: Array) -> Array:
        return np.asarray(1 - 1 / shape - log(shape))

    @staticmethod
    def _mean(shape: Array) -> Array:
        return np.asarray(shape / (shape + 1))

    @staticmethod
    def _variance(shape: Array) -> Array:
        return np.asarray(shape / (square(shape + 1) * (shape + 2)))

    @staticmethod
    def _scipy(shape: Array) -> Twin:
        return "powerlaw", {"a": shape}


# ---------------------------------------------------------------------------- simplex


def _odds_root(inverse_odds: Array, odds: Array) -> Array:
    """Return the positive root u of P u³ − u² + u − Q = 0, for means P of 1/odds and Q of the odds.

    It is the score equation for the odds of the mean. P Q >= 1, so that the root is simple; the
    fourth root of its outer terms starts Newton's method, kept in a bracket in log u.
    """
    u = sqrt(odds / inverse_odds)
    low, high = np.zeros_like(u), full(u, inf)
    for _ in range(80):
        value = (inverse_odds * u - 1) * u * u + (u - odds)
        low, high = where(value <= 0, u, low), where(value >= 0, u, high)
        step = value / (u * (3 * inverse_odds * u - 2) + 1)
        trial = u - step
        inside = (trial > low) & (trial < high)
        middle = where(np.isinf(high), 2 * u, where(low == 0, 0.5 * u, sqrt(low * high)))
        last, u = u, where(inside | (value == 0), trial, middle)
        if np.all(abs(u - last) <= 2e-16 * u):
            break
    return u


class Simplex(Model):
    r"""Simplex law: log q = −½ log(2πφ) − (3/2) log(y(1 − y)) − d/(2φ).

    The distance is d = (y − μ)²/(y(1 − y) μ²(1 − μ)²), and ``dispersion`` is φ = E d = σ². scipy.stats:
    none. R: ``VGAM::simplex`` and ``gamlss.dist::SIMPLEX`` with mu = μ, sigma = √φ. Barndorff-Nielsen
    and Jørgensen (1991), J. Multivariate Analysis 39, 106-116. The odds y/(1 − y) are a mixture, with
    weights 1 − μ and μ, of an inverse Gaussian law and its length-biased form; distribution function
    and sampling rest on it.

    Examples
    --------
    >>> import mlece
    >>> mlece.Simplex(mean=0.5, dispersion=2).cdf(0.5).item()
    0.5
    """

    support = unit_interval
    exponential = True
    mean = Param(unit_interval, r"\mu", typical=(0.2, 0.8), doc="mean")
    dispersion = Param(positive, r"\varphi", typical=(0.5, 6), doc="dispersion")

    @staticmethod
    def _shared(y: Array, mean: Array, dispersion: Array) -> Arrays:
        weight = 1 / (y * (1 - y))
        v, tilt, e = mean * (1 - mean), 1 - 2 * mean, y - mean
        g = e / v
        first = -(v + e * tilt) / square(v)
        second = 2 * (tilt + e + e * square(tilt) / v) / square(v)
        log_weight = log(weight)
        return (
            weight * g * g,
            2 * weight * g * first,
            2 * weight * (first * first + g * second),
            log_weight,
        )

    @staticmethod
    def _log_density(t: Arrays, mean: Array, dispersion: Array) -> Array:
        d, _, _, log_weight = t
        return np.asarray(
            1.5 * log_weight - 0.5 * (LOG_2PI + log(dispersion)) - 0.5 * d / dispersion
        )

    @staticmethod
    def _score(t: Arrays, mean: Array, dispersion: Array) -> Arrays:
        d, first, _, _ = t
        return -0.5 * first / dispersion, 0.5 * (d / dispersion - 1) / dispersion

    @staticmethod
    def _curvature(t: Arrays, mean: Array, dispersion: Array) -> Arrays:
        d, first, second, _ = t
        return (
            -0.5 * second / dispersion,
            0.5 * first / square(dispersion),
            (0.5 - d / dispersion) / square(dispersion),
        )

    @staticmethod
    def _estimate(
        view: Any, mean: Array | None, dispersion: Array | None
    ) -> tuple[Arrays, None, None]:
        if mean is None:
            # The score for the mean does not hold the dispersion.
            u = _odds_root(view.mean_of(lambda y: (1 - y) / y), view.mean_of(lambda y: y / (1 - y)))
            mean = u / (1 + u)
        if dispersion is None:
            spread = view.mean_of(lambda y: square(y - mean[:, None]) / (y * (1 - y)))
            dispersion = spread / square(mean * (1 - mean))
        return (mean, dispersion), None, None

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, dispersion: Array | None) -> tuple[Limit, ...]:
        if dispersion is not None:
            return ()
        sentence = (
            "every observation equals the mean: the density grows as the dispersion falls to 0"
        )
        limit = (s.minimum, full(s.minimum, 0.0))
        return point_mass(s, sentence, limit, s.minimum, mean)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1)
        e = x - mean[..., None]
        d = (square(e) / (x * (1 - x))).mean(axis=-1) / square(mean * (1 - mean))
        return mean, where(d > 0, d, 1.0)

    @staticmethod
    def _log_cdf(y: Array, mean: Array, dispersion: Array) -> Array:
        return _simplex_tail(y, mean, dispersion, 1.0)

    @staticmethod
    def _log_sf(y: Array, mean: Array, dispersion: Array) -> Array:
        return _simplex_tail(y, mean, dispersion, -1.0)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], mean: Array, dispersion: Array
    ) -> Array:
        odds = mean / (1 - mean)
        u = rng.wald(odds, 1 / (dispersion * square(1 - mean)), size)
        # The length-biased form is the law of m²/U.
        biased = rng.random(size) < mean
        u = where(biased, odds * (odds / u), u)
        return np.asarray(u / (1 + u))

    @staticmethod
    def _mean(mean: Array, dispersion: Array) -> Array:
        return np.asarray(mean + 0 * dispersion)

    @staticmethod
    def _variance(mean: Array, dispersion: Array) -> Array:
        # Jørgensen (1997), The Theory of Dispersion Models: v (1 − √π x e^(x²) erfc x).
        v = mean * (1 - mean)
        return np.asarray(v * _mills_deficit(1 / (v * sqrt(2 * dispersion))))


_SQRT_HALF = 0.70710678118654752440
_SQRT_PI = 1.77245385090551602730


def _mills_deficit(x: Array) -> Array:
    """Return 1 − √π x e^(x²) erfc x, by its asymptotic series where the difference cancels."""
    far = x > 8
    near, u = where(far, 1.0, x), 0.5 / square(where(far, x, 8.0))
    total = np.zeros_like(u)
    for k in range(24, 0, -1):
        total = (2 * k - 1) * u * (1 - total)
    return where(far, total, 1 - _SQRT_PI * near * erfcx(near))


def _simplex_tail(y: Array, mean: Array, dispersion: Array, side: float) -> Array:
    """Return log P(Y <= y) for side 1, log P(Y > y) for side -1.

    P(Y <= y) = Φ(a) + (1 − 2μ) e^((c² − a²)/2) Φ(−c), a the signed root of d/φ and c its companion
    with y + μ − 2yμ in place of y − μ: Φ of both is taken with the common factor e^(−a²/2) outside.
    """
    unit = mean * (1 - mean) * sqrt(dispersion * y * (1 - y))
    a = side * (y - mean) / unit
    c = (y * (1 - mean) + mean * (1 - y)) / unit
    tilt = side * (1 - 2 * mean)
    factor = 0.5 * exp(-0.5 * a * a)
    upper = factor * (erfcx(_SQRT_HALF * abs(a)) - tilt * erfcx(_SQRT_HALF * c))
    lower = log(0.5 * (erfcx(_SQRT_HALF * abs(a)) + tilt * erfcx(_SQRT_HALF * c))) - 0.5 * a * a
    return np.asarray(where(a < 0, lower, log1p(-upper)))
