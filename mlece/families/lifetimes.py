"""Families on the half line for life times: ageing, fatigue, and one that holds gamma to lognormal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mlece import errors
from mlece.domain import nonnegative, positive, real
from mlece.families.gamma_tails import log_gamma_tails, stirling_of_square
from mlece.families.skewed import _mean_log
from mlece.limits import Limit, LimitFamily, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.links.unit_links import cloglog_link, probit_link
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    arcsinh,
    exp,
    exp_remainders,
    expm1,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    inf,
    log,
    log1mexp,
    log1p,
    log1pmx,
    log_minus_digamma,
    log_ndtr,
    log_probability,
    logcosh,
    ndtr,
    ndtri,
    sinh,
    sqrt,
    stirling_remainder,
    tanh,
    trigamma,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_log, jet_log_growth, jet_sinh
from mlece.param import Param

# ---------------------------------------------------------------------------- Gompertz


class Gompertz(Model):
    r"""Gompertz, hazard b e^(a y): log q = log b + a y − b (e^(a y) − 1)/a.

    R: ``flexsurv::gompertz(shape=a, rate=b)``; ``VGAM::gompertz(scale=a, shape=b)`` and
    scipy.stats ``gompertz(c=b/a, scale=1/a)`` for a > 0. At a = 0 it is the exponential law,
    ``expon(scale=1/b)``; with a < 0 scipy has none. As in
    flexsurv the shape may be negative: the hazard then falls and the share e^(b/a) never dies, so that
    the density on [0, ∞) integrates to 1 − e^(b/a) only, quantiles beyond are infinite, and so is the
    mean; such a defective law has no differential entropy. A fit with a negative shape says that the
    observed hazard falls.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.Gompertz(shape=1, rate=1).quantile(0.5)), 6)
    0.526589
    """

    support = nonnegative
    concave = True
    faces: ClassVar = {"shape": 0.0}
    shape = Param(real, "a", typical=(0.2, 2), role="inverse scale", doc="growth of the log hazard")
    rate = Param(
        positive,
        "b",
        typical=(0.2, 2),
        role="inverse scale",
        limits=(1e-290, inf),  # near equal data want rates of e^(-1e10), below the smallest number
        doc="hazard at 0",
    )

    @staticmethod
    def _shared(y: Array, shape: Array, rate: Array) -> Arrays:
        value, first, second, *_ = exp_remainders(shape * y)
        square = y * y
        return y, y * value, square * first, square * y * second

    @staticmethod
    def _log_density(t: Arrays, shape: Array, rate: Array) -> Array:
        return np.asarray(log(rate) + shape * t[0] - rate * t[1])

    @staticmethod
    def _score(t: Arrays, shape: Array, rate: Array) -> Arrays:
        return t[0] - rate * t[2], 1 / rate - t[1]

    @staticmethod
    def _curvature(t: Arrays, shape: Array, rate: Array) -> Arrays:
        return -rate * t[3], -t[2], -1 / rate**2

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, rate: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        limits = []
        zero = s.maximum == 0
        if rate is None:
            equal = (s.minimum == s.maximum) & ~zero
            sentence = "every observation is equal: the density grows without bound with the shape"
            at = full(s.minimum, inf), full(s.minimum, 0.0)
            limits.append(Limit(equal, Status.UNBOUNDED, sentence, at, full(s.minimum, -inf)))
            sentence = "every observation is 0: the density grows without bound with the rate"
            at = full(s.minimum, np.nan), full(s.minimum, inf)
            limits.append(Limit(zero, Status.UNBOUNDED, sentence, at, full(s.minimum, -inf)))
        return tuple(limits)

    @staticmethod
    def _frame(shape: Array, rate: Array) -> Arrays:
        return np.zeros(()), 1 / (abs(shape) + rate)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1)
        return full(mean, 0.0), 1 / where(mean > 0, mean, 1.0)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, rate: Array) -> Array:
        return log1mexp(-Gompertz._log_sf(y, shape, rate))

    @staticmethod
    def _log_sf(y: Array, shape: Array, rate: Array) -> Array:
        return np.asarray(-rate * y * exp_remainders(shape * y)[0])

    @staticmethod
    def _standardised(y: Array, shape: Any, rate: Any) -> tuple[Tails, Any]:
        return cloglog_link, log(y) + jet_log(rate) + jet_log_growth(shape * y)

    @staticmethod
    def _at_hazard(hazard: Array, shape: Array, rate: Array) -> Array:
        """Return the y at which the cumulative hazard reaches a value, infinite where it never does."""
        x = shape * hazard / rate
        safe = where(x > -1, where(x == 0, 1.0, x), 1.0)
        ratio = where(x == 0, 1.0, log1p(safe) / safe)
        return where(x > -1, hazard / rate * ratio, inf)

    @staticmethod
    def _quantile(u: Array, shape: Array, rate: Array) -> Array:
        return Gompertz._at_hazard(-log1p(-u), shape, rate)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, rate: Array
    ) -> Array:
        return Gompertz._at_hazard(rng.standard_exponential(size), shape, rate)

    @staticmethod
    def _mean(shape: Array, rate: Array) -> Array:
        # e^(b/a) E1(b/a) / a, in the form that the inverse Gaussian has for it.
        grows = shape > 0
        safe = where(grows, shape, 1.0)
        mean = -_mean_log(0.5 * rate / safe) / safe
        return where(grows, mean, where(shape == 0, 1 / rate, inf))

    @staticmethod
    def _entropy(shape: Array, rate: Array) -> Array:
        # The cumulative hazard has a standard exponential law: H = 1 - log b - a E Y.
        if np.any(shape < 0):
            raise errors.NoDensityError(
                errors.message(
                    "a density that integrates to 1 for an entropy",
                    "a Gompertz law of negative shape, by which the share e^(rate/shape) never dies",
                    "Its entropy is that of a law with an atom at infinity, which has none",
                )
            )
        return 1 - log(rate) - where(shape == 0, 0.0, shape * Gompertz._mean(shape, rate))

    @staticmethod
    def _scipy(shape: Array, rate: Array) -> Twin | None:
        if np.all(shape == 0):
            return "expon", {"scale": 1 / rate}
        return ("gompertz", {"c": rate / shape, "scale": 1 / shape}) if np.all(shape > 0) else None


# ---------------------------------------------------------------------------- Birnbaum–Saunders


class BirnbaumSaunders(Model):
    r"""Birnbaum–Saunders (fatigue life): (2/α) sinh(w/2) is standard normal, w = log(y/β).

    log q = −½ log 2π − log α − log y + log cosh(w/2) − (2/α²) sinh²(w/2). scipy.stats:
    ``fatiguelife(c=shape, scale=scale)``. R: ``VGAM::bisa(scale, shape)``,
    ``extraDistr::fatigue(alpha=shape, beta=scale, mu=0)``. The scale is the median. The maximum is
    unique (Birnbaum and Saunders 1969).

    Examples
    --------
    >>> import mlece
    >>> mlece.BirnbaumSaunders(shape=2, scale=1).mean
    3.0
    """

    support = positive
    aliases = ("fatiguelife", "fatigue", "bisa")
    shape = Param(positive, r"\alpha", typical=(0.3, 1.5), doc="shape")
    scale = Param(positive, r"\beta", typical=(0.5, 3), role="scale", doc="scale, the median")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, shape: Array, scale: Array) -> Arrays:
        w = t[0] - log(scale)
        half = sinh(0.5 * w)
        tilt = tanh(0.5 * w)
        return w, logcosh(0.5 * w), half * half, sinh(w), tilt, tilt * tilt

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        w, curved, square, *_ = t
        return np.asarray(
            -0.5 * LOG_2PI - log(shape * scale) - w + curved - (2 / shape**2) * square
        )

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        _, _, square, double, tilt, _ = t
        pull = 0.5 * tilt - double / shape**2
        return (4 * square / shape**2 - 1) / shape, -pull / scale

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        _, _, square, double, tilt, tilt2 = t
        pull = 0.5 * tilt - double / shape**2
        slope = 0.25 * (1 - tilt2) - (1 + 2 * square) / shape**2
        return (
            (1 - 12 * square / shape**2) / shape**2,
            -2 * double / (shape**3 * scale),
            (slope + pull) / scale**2,
        )

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the scale: the density grows as the shape falls to 0"
        limit = (full(s.minimum, 0.0), or_fixed(s.minimum, scale))
        return point_mass(s, sentence, limit, s.minimum, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        # The modified moments of Ng, Kundu and Balakrishnan (2003).
        mean, harmonic = x.mean(axis=-1), 1 / (1 / x).mean(axis=-1)
        ratio = sqrt(mean / harmonic)
        return sqrt(2 * where(ratio > 1, ratio - 1, 1e-16)), sqrt(mean * harmonic)

    @staticmethod
    def _normal(y: Array, shape: Array, scale: Array) -> Array:
        """Return the standard normal variable that belongs to y."""
        return np.asarray(2 / shape * sinh(0.5 * (log(y) - log(scale))))

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(log_ndtr(BirnbaumSaunders._normal(y, shape, scale)))

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(log_ndtr(-BirnbaumSaunders._normal(y, shape, scale)))

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return probit_link, 2 * jet_sinh(0.5 * (log(y) - jet_log(scale))) / shape

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale * exp(2 * arcsinh(0.5 * shape * ndtri(u))))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return np.asarray(scale * exp(2 * arcsinh(0.5 * shape * rng.standard_normal(size))))

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return np.asarray(scale * (1 + 0.5 * shape**2))

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        return np.asarray((scale * shape) ** 2 * (1 + 1.25 * shape**2))

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "fatiguelife", {"c": shape, "scale": scale}


# ---------------------------------------------------------------------------- generalised gamma


def _beyond(end: float) -> Callable[..., Arrays]:
    """Return the map of a Pareto or power law to mu, sigma and q of the laws that tend to it."""

    def theta(shape: Array, scale: Array) -> Arrays:
        return log(scale), full(scale, 0.0), full(scale, end)

    return theta


class GeneralizedGamma(Model):
    r"""Generalised gamma in Prentice's parameters, with the lognormal inside at q = 0.

    log q = −log σ − log y − ½ log 2π − R(q) − (e^(qw) − 1 − qw)/q², w = (log y − μ)/σ, with R the Stirling
    remainder of log Γ(1/q²): e^(qw)/q² has the gamma law of shape 1/q² (Prentice 1974). q = 1 is the
    Weibull, q = σ the gamma, q = −1 the inverse Weibull, q = 0 the lognormal law.

    R: ``flexsurv::gengamma(mu, sigma, Q=q)``; ``gamlss.dist::GG(mu=exp(mu), sigma=sigma,
    nu=q/sigma)``. scipy.stats (Stacy 1962): ``gengamma(a=1/q^2, c=q/sigma,
    scale=exp(mu)*(q^2)^(sigma/q))``, whose scale underflows for q near 0; ``lognorm(s=sigma,
    scale=exp(mu))`` at q = 0. The likelihood may have its supremum at q = −∞, the Pareto law with its
    end at the smallest observation (at q = ∞ the power law below the largest).

    Examples
    --------
    >>> import mlece
    >>> a = mlece.GeneralizedGamma(mu=0, sigma=0.5, q=0)
    >>> bool(abs(a.log_density(2.0) - mlece.LogNormal(0, 0.5).log_density(2.0)) < 1e-14)
    True
    """

    support = positive
    aliases = ("gengamma",)
    mu = Param(real, r"\mu", typical=(-1, 2), role="log location", doc="location of log y")
    sigma = Param(positive, r"\sigma", typical=(0.2, 0.6), limits=(1e-8, inf), doc="scale of log y")
    q = Param(real, "q", typical=(-0.9, 1.5), limits=(-1e3, 1e3), doc="shape, 0 for lognormal")
    limit_families: ClassVar = (
        LimitFamily("Pareto", {"q": -inf, "sigma": 0.0}, theta=_beyond(-inf), rival=True),
        LimitFamily("PowerFunction", {"q": inf, "sigma": 0.0}, theta=_beyond(inf), rival=True),
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, mu: Array, sigma: Array, q: Array) -> Arrays:
        w = (t[0] - mu) / sigma
        x = q * w
        slope, bend, _, value, first, second = exp_remainders(x)
        square = w * w
        push = w * slope
        power = exp(x)
        return (
            w,
            square * value,
            push,
            square * w * first,
            w * push,
            power,
            w * power,
            square * power,
            square * bend,
            w * square * bend,
            square * square * second,
        )

    @staticmethod
    def _log_density(t: Arrays, mu: Array, sigma: Array, q: Array) -> Array:
        w, loss, *_ = t
        constant = 0.5 * LOG_2PI + log(sigma) + stirling_of_square(q)[0]
        return np.asarray(-constant - mu - sigma * w - loss)

    @staticmethod
    def _score(t: Arrays, mu: Array, sigma: Array, q: Array) -> Arrays:
        _, _, push, by_q, moved, *_ = t
        return push / sigma, (moved - 1) / sigma, -stirling_of_square(q)[1] - by_q

    @staticmethod
    def _curvature(t: Arrays, mu: Array, sigma: Array, q: Array) -> Arrays:
        # With F = w² φ₂(qw): F_w = w φ₁, F_ww = e^(qw), F_wq = w² φ₁', F_q = w³ φ₂', F_qq = w⁴ φ₂''.
        _, _, push, _, moved, power, tilted, squared, bent, bent_w, second = t
        return (
            -power / sigma**2,
            -(push + tilted) / sigma**2,
            bent / sigma,
            (1 - 2 * moved - squared) / sigma**2,
            bent_w / sigma,
            -stirling_of_square(q)[2] - second,
        )

    @staticmethod
    def _degenerate(
        s: Summary, mu: Array | None, sigma: Array | None, q: Array | None
    ) -> tuple[Limit, ...]:
        if sigma is not None:
            return ()
        sentence = "every observation is equal: the density grows without bound as sigma falls to 0"
        limit = (
            or_fixed(log(s.minimum), mu),
            full(s.minimum, 0.0),
            or_fixed(full(s.minimum, np.nan), q),
        )
        return point_mass(s, sentence, limit, log(s.minimum), mu)

    @staticmethod
    def _start(x: Array) -> Arrays:
        # At each of a few shapes mean and variance of log y are met; the likeliest is taken.
        log_x = log(x)
        centre, spread = log_x.mean(axis=-1), log_x.std(axis=-1)
        spread = where(spread > 0, spread, 1e-8)
        best = -inf * np.ones_like(centre)
        out: Arrays = (centre, spread, full(centre, 0.0))
        for shape in (-2.0, -1.0, -0.4, 0.0, 0.4, 1.0, 2.0):
            if shape:
                k = np.asarray(shape**-2)
                sigma = spread * np.abs(shape) / sqrt(trigamma(k))
                mu = centre + sigma / shape * log_minus_digamma(k)
            else:
                sigma, mu = spread, centre
            theta = (mu, sigma, full(centre, shape))
            columns = tuple(c[..., None] for c in theta)
            shared = GeneralizedGamma._shared((log_x,), *columns)
            value = GeneralizedGamma._log_density(shared, *columns).mean(axis=-1)
            better = value > best
            best = where(better, value, best)
            out = tuple(where(better, a, b) for a, b in zip(theta, out, strict=True))
        return out

    @staticmethod
    def _tails(y: Array, mu: Array, sigma: Array, q: Array) -> Arrays:
        """Return P(Y <= y) and P(Y > y)."""
        w = (log(y) - mu) / sigma
        # Below 1e-8 the law is the normal one to rounding.
        normal = abs(q) < 1e-8
        safe = where(normal, 1.0, q)
        k = 1 / safe**2
        x = k * exp(safe * w)
        low, high = gammainc(k, x), gammaincc(k, x)
        return (
            where(normal, ndtr(w), where(q > 0, low, high)),
            where(normal, ndtr(-w), where(q > 0, high, low)),
        )

    @staticmethod
    def _log_cdf(y: Array, mu: Array, sigma: Array, q: Array) -> Array:
        return log_probability(*GeneralizedGamma._tails(y, mu, sigma, q))

    @staticmethod
    def _log_sf(y: Array, mu: Array, sigma: Array, q: Array) -> Array:
        below, above = GeneralizedGamma._tails(y, mu, sigma, q)
        return log_probability(above, below)

    @staticmethod
    def _standardised(y: Array, mu: Any, sigma: Any, q: Any) -> tuple[Tails, Any, Any]:
        return log_gamma_tails, (log(y) - mu) / sigma, q

    @staticmethod
    def _quantile(u: Array, mu: Array, sigma: Array, q: Array) -> Array:
        normal = abs(q) < 1e-8
        safe = where(normal, 1.0, q)
        k = 1 / safe**2
        x = where(q > 0, gammaincinv(k, u), gammainccinv(k, u))
        return np.asarray(exp(mu + sigma * where(normal, ndtri(u), log(x / k) / safe)))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], mu: Array, sigma: Array, q: Array
    ) -> Array:
        normal = abs(q) < 1e-8
        safe = where(normal, 1.0, q)
        k = 1 / safe**2
        w = log(rng.standard_gamma(k, size) / k) / safe
        return np.asarray(exp(mu + sigma * where(normal, rng.standard_normal(size), w)))

    @staticmethod
    def _entropy(mu: Array, sigma: Array, q: Array) -> Array:
        safe = where(q == 0, 1.0, q)
        gap = log_minus_digamma(1 / safe**2)
        # E w = -gap/q tends to 0 and gap/q² to 1/2 as q does.
        mean_w = where(q == 0, 0.0, -gap / safe)
        loss = where(q == 0, 0.5, gap / safe**2)
        return np.asarray(
            log(sigma) + 0.5 * LOG_2PI + stirling_of_square(q)[0] + loss + mu + sigma * mean_w
        )

    @staticmethod
    def _log_moment(power: float, sigma: Array, q: Array) -> Array:
        """Return log E (Y e^(-mu))^power, infinite where the tail is too heavy."""
        step = power * sigma
        x = step * q
        finite = x > -1
        safe = where(finite, x, 0.0)
        ratio = where(safe == 0, 1.0, safe)
        half = where(safe == 0, 0.5, (log1pmx(ratio) / ratio + log1p(ratio)) / ratio)
        k = 1 / where(q == 0, 1.0, q) ** 2
        change = stirling_remainder(k * (1 + safe)) - stirling_remainder(k)
        value = step**2 * half - 0.5 * log1p(safe) + where(q == 0, 0.0, change)
        return where(finite, value, inf)

    @staticmethod
    def _mean(mu: Array, sigma: Array, q: Array) -> Array:
        return np.asarray(exp(mu + GeneralizedGamma._log_moment(1.0, sigma, q)))

    @staticmethod
    def _variance(mu: Array, sigma: Array, q: Array) -> Array:
        first, second = (GeneralizedGamma._log_moment(k, sigma, q) for k in (1.0, 2.0))
        finite = np.isfinite(second)
        base = where(finite, 2 * first, 0.0)
        return where(finite, exp(2 * mu + base) * expm1(second - base), inf)

    @staticmethod
    def _scipy(mu: Array, sigma: Array, q: Array) -> Twin | None:
        if np.all(q == 0):
            return "lognorm", {"s": sigma, "scale": exp(mu)}
        if np.any(q == 0):
            return None
        scale = exp(mu + (sigma / q) * log(q * q))
        return "gengamma", {"a": 1 / (q * q), "c": q / sigma, "scale": scale}
