"""Laws of transformed variables: the odds of a beta, the logarithm of a gamma, the length of a normal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from mlece.domain import nonnegative, positive, real
from mlece.families.beta_tails import log_odds_tails
from mlece.families.gamma_tails import log_gamma_tails, of_gamma
from mlece.families.lifetimes import GeneralizedGamma
from mlece.families.one_sided import ExponentialFrom
from mlece.families.real_line import _collapse
from mlece.families.unit_interval import Beta, _digamma_gap
from mlece.limits import Limit, LimitFamily, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    betainc,
    betaincinv,
    chndtr,
    digamma,
    exp,
    expm1,
    gammainc,
    gammaincc,
    gammaincinv,
    gammaln,
    i0e,
    i1e,
    inf,
    log,
    log1p,
    log_minus_digamma,
    log_probability,
    logsumexp,
    maximum,
    pi,
    sqrt,
    stirling_remainder,
    trigamma,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_log
from mlece.param import Param

# ---------------------------------------------------------------------------- beta prime


class BetaPrime(Model):
    r"""Beta prime: log q = (α − 1) log y − (α + β) log(1 + y) − log B(α, β), y the odds of a beta.

    y/(1 + y) has the law :class:`Beta` with the same shapes. scipy.stats: ``betaprime(a=alpha,
    b=beta)``. R: ``extraDistr::betapr(shape1, shape2)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.BetaPrime(alpha=2, beta=3).mean
    1.0
    """

    support = positive
    aliases = ("betapr", "invbeta")
    affine = True
    top_asked = False
    unit_carrier = True
    alpha = Param(positive, r"\alpha", typical=(0.7, 6), doc="first shape")
    beta = Param(positive, r"\beta", typical=(4, 9), doc="second shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # The statistics of the beta law at x = y/(1 + y): log x and log(1 - x).
        rest = -log1p(y)
        large = y > 1
        return where(large, -log1p(1 / where(large, y, 1.0)), log(y) + rest), rest

    @staticmethod
    def _log_density(t: Arrays, alpha: Array, beta: Array) -> Array:
        return np.asarray(Beta._log_density(t, alpha, beta) + 2 * t[1])

    # In the statistics it is the beta law; the density has the slope of the odds besides.
    _score, _curvature = Beta._score, Beta._curvature
    _expected_statistics = Beta._expected_statistics

    @staticmethod
    def _maximise(s: Summary, alpha: Array | None, beta: Array | None) -> Arrays | None:
        shapes = Beta._maximise(s, alpha, beta)
        # Odds beyond 1e16 are probabilities of 1: Newton's method sees them through the statistics.
        usable = shapes is not None and all(np.all(np.isfinite(a) & (a > 0)) for a in shapes)
        return shapes if usable else None

    @staticmethod
    def _degenerate(s: Summary, alpha: Array | None, beta: Array | None) -> tuple[Limit, ...]:
        if alpha is not None or beta is not None:
            return ()
        sentence = "every observation is equal: alpha and beta grow without bound, ratio fixed"
        grown = (full(s.minimum, inf), full(s.minimum, inf))
        return point_mass(s, sentence, grown)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return Beta._start(x / (1 + x))

    @staticmethod
    def _log_cdf(y: Array, alpha: Array, beta: Array) -> Array:
        odds, rest = y / (1 + y), 1 / (1 + y)
        return log_probability(betainc(alpha, beta, odds), betainc(beta, alpha, rest))

    @staticmethod
    def _log_sf(y: Array, alpha: Array, beta: Array) -> Array:
        odds, rest = y / (1 + y), 1 / (1 + y)
        return log_probability(betainc(beta, alpha, rest), betainc(alpha, beta, odds))

    @staticmethod
    def _standardised(y: Array, alpha: Any, beta: Any) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, log(y), alpha, beta

    @staticmethod
    def _quantile(u: Array, alpha: Array, beta: Array) -> Array:
        x, rest = betaincinv(alpha, beta, u), betaincinv(beta, alpha, 1 - u)
        return where(x < 0.5, x / (1 - x), (1 - rest) / rest)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], alpha: Array, beta: Array
    ) -> Array:
        return rng.standard_gamma(alpha, size) / rng.standard_gamma(beta, size)

    @staticmethod
    def _entropy(alpha: Array, beta: Array) -> Array:
        return np.asarray(Beta._entropy(alpha, beta) + 2 * _digamma_gap(beta, alpha))

    @staticmethod
    def _mean(alpha: Array, beta: Array) -> Array:
        return where(beta > 1, alpha / where(beta > 1, beta - 1, 1.0), inf)

    @staticmethod
    def _variance(alpha: Array, beta: Array) -> Array:
        safe = where(beta > 2, beta, 3.0)
        spread = alpha * (alpha + safe - 1) / ((safe - 2) * (safe - 1) ** 2)
        return where(beta > 2, spread, inf)

    @staticmethod
    def _scipy(alpha: Array, beta: Array) -> Twin:
        return "betaprime", {"a": alpha, "b": beta}


# ---------------------------------------------------------------------------- log-gamma


class PrenticeLine(Model, abstract=True):
    """The log-gamma law by q = k^(−1/2) and by μ = m + s log k and σ = s/√k, nearly mean and sd of y.

    For a large shape the likelihood is a long curved valley in (k, m, s); in these parameters it is about
    round, and nothing cancels however large k is (Prentice 1974).
    """

    support = real
    q = Param(positive, "q", typical=(0.3, 1.5), limits=(1e-5, 1e3), doc="shape")
    mu = Param(real, r"\mu", typical=(-2, 2), role="location", doc="location")
    sigma = Param(positive, r"\sigma", typical=(0.5, 3), role="scale", doc="scale")
    _side: ClassVar[float] = 1.0  # −1 for the mirror image

    @staticmethod
    def of(shape: Array, loc: Array, scale: Array) -> Arrays:
        """Return q, μ and σ of k, m and s."""
        root = sqrt(shape)
        return 1 / root, loc + scale * log(shape), scale / root

    @staticmethod
    def back(q: Array, mu: Array, sigma: Array) -> Arrays:
        """Return k, m and s."""
        scale = sigma / q
        return q**-2.0, mu + 2 * scale * log(q), scale

    @classmethod
    def _shared(cls, y: Array, q: Array, mu: Array, sigma: Array) -> Arrays:
        found: Arrays = GeneralizedGamma._shared((y,), mu, sigma, cls._side * q)
        return found

    @classmethod
    def _log_density(cls, t: Arrays, q: Array, mu: Array, sigma: Array) -> Array:
        # That of e^y, and its Jacobian y = μ + σ w.
        log_q = GeneralizedGamma._log_density(t, mu, sigma, cls._side * q)
        return np.asarray(log_q + (mu + sigma * t[0]))

    @classmethod
    def _score(cls, t: Arrays, q: Array, mu: Array, sigma: Array) -> Arrays:
        by_mu, by_sigma, by_q = GeneralizedGamma._score(t, mu, sigma, cls._side * q)
        return cls._side * by_q, by_mu, by_sigma

    @classmethod
    def _curvature(cls, t: Arrays, q: Array, mu: Array, sigma: Array) -> Arrays:
        side = cls._side
        mm, ms, mq, ss, sq, qq = GeneralizedGamma._curvature(t, mu, sigma, side * q)
        return qq, side * mq, side * sq, mm, ms, ss

    @classmethod
    def _standardised(cls, y: Array, q: Any, mu: Any, sigma: Any) -> tuple[Tails, Any, Any]:
        return log_gamma_tails, (y - mu) / sigma, cls._side * q

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        points = x if cls._side > 0 else -x[..., ::-1]
        q, mu, sigma = PrenticeLine.of(*LogGamma._start(points))
        return q, cls._side * mu, sigma


class MirroredPrenticeLine(PrenticeLine, abstract=True):
    """The law of −x where x has that of Prentice's line, with μ that of y = −x."""

    _side = -1.0


class LogGamma(Model):
    r"""Log-gamma: log q = k z − e^z − log Γ(k) − log s, z = (y − m)/s; e^z has a gamma law of shape k.

    The tail on the left is the longer one; at k = 1 it is :class:`GumbelMin`. scipy.stats:
    ``loggamma(c=shape, loc, scale)``. R: ``VGAM::lgamma3(location, scale, shape)``. As k → ∞ the family
    tends to the Gaussian, as k → 0 to an exponential law that ends at m; where the data ask for one of
    these, it is reported as the limit.

    References
    ----------
    Prentice, R. L. (1974). A log gamma model and its maximum likelihood estimation. Biometrika 61,
    539–544.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.LogGamma(shape=1, loc=0, scale=1).mean), 6)
    -0.577216
    """

    support = real
    shape = Param(positive, "k", typical=(0.5, 5), doc="shape")
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")
    limit_families: ClassVar = (
        LimitFamily(
            "Gaussian",
            {"shape": inf, "loc": -inf, "scale": inf},
            theta=lambda mean, sd: (full(mean, inf), full(mean, -inf), full(mean, inf)),
            rival=True,
        ),
        LimitFamily(
            ExponentialFrom,
            {"shape": 0.0, "scale": 0.0},
            {"loc": "loc"},
            {"side": -1.0},
            running="shape and scale fall to 0 at a fixed ratio",
            law="exponential below loc",
            rival=True,
        ),
    )

    @staticmethod
    def _shared(y: Array, shape: Array, loc: Array, scale: Array) -> Arrays:
        z = (y - loc) / scale
        # e^z is near k: d = z - log k keeps the digits where k is large.
        d = z - log(shape)
        rise = expm1(d)
        return d, d - rise, rise, z * rise, z * z * (1 + rise)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, loc: Array, scale: Array) -> Array:
        constant = 0.5 * (log(shape) - LOG_2PI) - stirling_remainder(shape) - log(scale)
        return np.asarray(constant + shape * t[1])

    @staticmethod
    def _score(t: Arrays, shape: Array, loc: Array, scale: Array) -> Arrays:
        d, _, rise, z_rise, _ = t
        return (
            d + log_minus_digamma(shape),
            shape * rise / scale,
            (shape * z_rise - 1) / scale,
        )

    @staticmethod
    def _curvature(t: Arrays, shape: Array, loc: Array, scale: Array) -> Arrays:
        d, _, rise, z_rise, zz_power = t
        z = d + log(shape)
        return (
            -trigamma(shape),
            -1 / scale,
            -z / scale,
            -shape * (1 + rise) / scale**2,
            -shape * (rise + z + z_rise) / scale**2,
            (1 - shape * (2 * z_rise + zz_power)) / scale**2,
        )

    @staticmethod
    def _degenerate(
        s: Summary, shape: Array | None, loc: Array | None, scale: Array | None
    ) -> tuple[Limit, ...]:
        kept = or_fixed(full(s.minimum, np.nan), shape)
        return tuple(
            Limit(c.mask, c.status, c.sentence, (kept, *c.theta), c.infimum)
            for c in _collapse(s, loc, scale)
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, spread = x.mean(axis=-1), x.std(axis=-1)
        spread = where(spread > 0, spread, 1.0)
        best: Arrays = (full(mean, 1.0), mean, spread)
        lowest = full(mean, inf)
        for value in (0.03, 0.1, 0.3, 0.7, 1.5, 4.0, 12.0, 50.0, 300.0):
            shape = full(mean, value)
            scale = spread / sqrt(trigamma(shape))
            guess = (shape, mean - scale * digamma(shape), scale)
            columns = tuple(t[..., None] for t in guess)
            level = -LogGamma._log_density(LogGamma._shared(x, *columns), *columns).mean(axis=-1)
            better = level < lowest
            lowest = where(better, level, lowest)
            best = tuple(where(better, new, old) for new, old in zip(guess, best, strict=True))
        return best

    @staticmethod
    def _unbent() -> tuple[type[Model], Callable[..., Arrays], Callable[..., Arrays]]:
        return PrenticeLine, PrenticeLine.of, PrenticeLine.back

    @staticmethod
    def _log_cdf(y: Array, shape: Array, loc: Array, scale: Array) -> Array:
        z = (y - loc) / scale
        power = exp(z)
        # Far to the left the incomplete gamma function is e^(kz) / Gamma(k + 1), below the floats.
        tail = shape * z - gammaln(shape + 1)
        inner = log_probability(gammainc(shape, power), gammaincc(shape, power))
        return where(power < 1e-17, tail, inner)

    @staticmethod
    def _log_sf(y: Array, shape: Array, loc: Array, scale: Array) -> Array:
        power = exp((y - loc) / scale)
        return log_probability(gammaincc(shape, power), gammainc(shape, power))

    @staticmethod
    def _standardised(y: Array, shape: Any, loc: Any, scale: Any) -> tuple[Tails, Any, Any]:
        return of_gamma((y - loc) / scale - jet_log(shape), shape)

    @staticmethod
    def _quantile(u: Array, shape: Array, loc: Array, scale: Array) -> Array:
        power = np.asarray(gammaincinv(shape, u))
        tail = (log(u) + gammaln(shape + 1)) / shape
        inside = power > 1e-17
        return np.asarray(loc + scale * where(inside, log(where(inside, power, 1.0)), tail))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, loc: Array, scale: Array
    ) -> Array:
        # Gamma(k) = Gamma(k + 1) U^(1/k), whose logarithm does not underflow.
        z = log(rng.standard_gamma(shape + 1, size)) - rng.standard_exponential(size) / shape
        return np.asarray(loc + scale * z)

    @staticmethod
    def _entropy(shape: Array, loc: Array, scale: Array) -> Array:
        steep = shape * log_minus_digamma(shape) + stirling_remainder(shape)
        return np.asarray(log(scale) + 0.5 * (LOG_2PI - log(shape)) + steep + 0 * loc)

    @staticmethod
    def _mean(shape: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * digamma(shape))

    @staticmethod
    def _variance(shape: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(scale**2 * trigamma(shape) + 0 * loc)

    @staticmethod
    def _scipy(shape: Array, loc: Array, scale: Array) -> Twin:
        return "loggamma", {"c": shape, "loc": loc, "scale": scale}


class MirroredLogGamma(Model, abstract=True):
    """The law of −x where x is log-gamma, with loc that of y = −x."""

    support = real
    shape, loc, scale = LogGamma.shape, LogGamma.loc, LogGamma.scale
    limit_families: ClassVar = (
        LogGamma.limit_families[0],
        replace(LogGamma.limit_families[1], known={"side": 1.0}, law="exponential above loc"),
    )

    @staticmethod
    def _shared(y: Array, shape: Array, loc: Array, scale: Array) -> Arrays:
        return LogGamma._shared(-y, shape, -loc, scale)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, loc: Array, scale: Array) -> Array:
        return LogGamma._log_density(t, shape, -loc, scale)

    @staticmethod
    def _score(t: Arrays, shape: Array, loc: Array, scale: Array) -> Arrays:
        by_shape, by_loc, by_scale = LogGamma._score(t, shape, -loc, scale)
        return by_shape, -by_loc, by_scale

    @staticmethod
    def _curvature(t: Arrays, shape: Array, loc: Array, scale: Array) -> Arrays:
        kk, km, ks, mm, ms, ss = LogGamma._curvature(t, shape, -loc, scale)
        return kk, -km, ks, mm, -ms, ss

    @staticmethod
    def _start(x: Array) -> Arrays:
        shape, loc, scale = LogGamma._start(-x[..., ::-1])
        return shape, -loc, scale

    @staticmethod
    def _unbent() -> tuple[type[Model], Callable[..., Arrays], Callable[..., Arrays]]:
        def of(shape: Array, loc: Array, scale: Array) -> Arrays:
            q, mu, sigma = PrenticeLine.of(shape, -loc, scale)
            return q, -mu, sigma

        def back(q: Array, mu: Array, sigma: Array) -> Arrays:
            shape, loc, scale = PrenticeLine.back(q, -mu, sigma)
            return shape, -loc, scale

        return MirroredPrenticeLine, of, back

    @staticmethod
    def _log_cdf(y: Array, shape: Array, loc: Array, scale: Array) -> Array:
        return LogGamma._log_sf(-y, shape, -loc, scale)

    @staticmethod
    def _log_sf(y: Array, shape: Array, loc: Array, scale: Array) -> Array:
        return LogGamma._log_cdf(-y, shape, -loc, scale)

    @staticmethod
    def _standardised(y: Array, shape: Any, loc: Any, scale: Any) -> tuple[Tails, Any, Any]:
        return of_gamma((loc - y) / scale - jet_log(shape), shape, -1.0)

    @staticmethod
    def _mean(shape: Array, loc: Array, scale: Array) -> Array:
        return -LogGamma._mean(shape, -loc, scale)

    @staticmethod
    def _variance(shape: Array, loc: Array, scale: Array) -> Array:
        return LogGamma._variance(shape, -loc, scale)

    @staticmethod
    def _entropy(shape: Array, loc: Array, scale: Array) -> Array:
        return LogGamma._entropy(shape, loc, scale)


# ---------------------------------------------------------------------------- Rice


def _bessel_series() -> Array:
    """Return the coefficients of I1(a)/I0(a) in powers of 1/a, from its Riccati equation."""
    c = [1.0]
    for k in range(1, 31):
        c.append(0.5 * ((k - 2) * c[k - 1] - sum(c[i] * c[k - i] for i in range(1, k))))
    return np.array(c)


_BESSEL = _bessel_series()
_BESSEL_FAR = 20.0
_LAGUERRE = np.polynomial.laguerre.laggauss(48)


def _bessel_ratio(a: Array) -> Arrays:
    """Return log I0(a) − a, 1 − A and a² A', A = I1(a)/I0(a), a >= 0."""
    a = np.asarray(a)
    base = i0e(a)
    ratio = i1e(a) / base
    rest, bend = np.array(1 - ratio), np.array(a * (a - ratio - a * ratio * ratio))
    far = a > _BESSEL_FAR
    if np.any(far):
        # 1 - A and A' = 1 - A/a - A^2 cancel for large a.
        v = 1 / a[far]
        first, second = np.zeros_like(v), np.zeros_like(v)
        for k in range(len(_BESSEL) - 1, 0, -1):
            first *= v
            first -= _BESSEL[k]
            second *= v
            second -= k * _BESSEL[k]
        rest[far], bend[far] = first * v, second
    return log(base), rest, bend


class Rice(Model):
    r"""Rice: log q = log y − 2 log σ − (y² + ν²)/(2σ²) + log I₀(yν/σ²).

    The length of a normal vector in the plane with mean at the distance ν from 0 and standard deviation
    σ in each coordinate. scipy.stats: ``rice(b=nu/sigma, scale=sigma)``. R: ``VGAM::rice(sigma,
    vee=nu)``. ν = 0 is the Rayleigh law; with positive probability it is the estimate.

    References
    ----------
    Rice, S. O. (1945). Mathematical analysis of random noise. Bell System Technical J. 24, 46–156.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.Rice(nu=0, sigma=1).mean), 6)
    1.253314
    """

    support = positive
    nu = Param(nonnegative, r"\nu", typical=(0.5, 4), role="scale", doc="distance of the centre")
    sigma = Param(positive, r"\sigma", typical=(0.7, 2), role="scale", doc="spread")

    @staticmethod
    def _shared(y: Array, nu: Array, sigma: Array) -> Arrays:
        error = y - nu
        a = y * nu / sigma**2
        log_base, rest, bend = _bessel_ratio(a)
        rest = y * rest
        # A' = 1/2 at a = 0.
        bend_y = where(a > 1e-8, bend / where(a > 1e-8, a, 1.0), 0.5 * a) * y
        return (
            log(y) + log_base - 0.5 * error * error / sigma**2,
            error - rest,
            error * error + 2 * nu * rest,
            bend,
            bend_y,
            where(nu > 0, bend_y / where(nu > 0, nu, 1.0), 0.5 * y * y / sigma**2),
        )

    @staticmethod
    def _log_density(t: Arrays, nu: Array, sigma: Array) -> Array:
        return np.asarray(t[0] - 2 * log(sigma))

    @staticmethod
    def _score(t: Arrays, nu: Array, sigma: Array) -> Arrays:
        return t[1] / sigma**2, t[2] / sigma**3 - 2 / sigma

    @staticmethod
    def _curvature(t: Arrays, nu: Array, sigma: Array) -> Arrays:
        _, first, second, bend, bend_y, bend_yy = t
        return (
            (bend_yy - 1) / sigma**2,
            -2 * (first + bend_y) / sigma**3,
            (2 + 4 * bend - 3 * second / sigma**2) / sigma**2,
        )

    @staticmethod
    def _degenerate(s: Summary, nu: Array | None, sigma: Array | None) -> tuple[Limit, ...]:
        return _collapse(s, nu, sigma)

    @staticmethod
    def _rivals(
        view: Any, unsure: Array, nu: Array | None, sigma: Array | None
    ) -> tuple[Limit, ...]:
        if nu is not None:
            return ()
        square = view.mean_of(lambda y: y * y)
        width = or_fixed(sqrt(0.5 * square), sigma)
        level = 2 * log(width) + 0.5 * square / width**2 - view.mean_of(lambda y: log(y))
        sentence = (
            "nu = 0, the end of its domain: the Rayleigh law is at least as likely as any other"
        )
        theta = (full(width, 0.0), width)
        return (Limit(width > 0, Status.BOUNDARY, sentence, theta, level),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, var = x.mean(axis=-1), x.var(axis=-1)
        square = mean**2 + var
        fourth = (x**4).mean(axis=-1)
        # E y^2 = 2 s^2 + n^2 and 2 (E y^2)^2 - E y^4 = n^4; far from 0 y is nearly N(n, s).
        near = sqrt(sqrt(maximum(2 * square**2 - fourth, 0.01 * square**2)))
        far = mean > 2.5 * sqrt(var)
        nu = where(far, sqrt(maximum(mean**2 - var, 0.25 * mean**2)), near)
        width = where(far, var, 0.5 * maximum(square - near**2, 0.1 * square))
        return nu, sqrt(where(width > 0, width, 1e-16 * square))

    @staticmethod
    def _log_cdf(y: Array, nu: Array, sigma: Array) -> Array:
        return np.asarray(log(chndtr((y / sigma) ** 2, 2.0, (nu / sigma) ** 2)))

    @staticmethod
    def _log_sf(y: Array, nu: Array, sigma: Array) -> Array:
        below = chndtr((y / sigma) ** 2, 2.0, (nu / sigma) ** 2)
        # In the upper tail 1 - P loses its digits: Gauss-Laguerre beyond y.
        rate = maximum((y - nu) / sigma, 1.0) / sigma
        nodes, weights = _LAGUERRE
        columns = tuple(np.asarray(p)[..., None] for p in (nu, sigma))
        points = np.asarray(y)[..., None] + nodes / np.asarray(rate)[..., None]
        log_density = Rice._log_density(Rice._shared(points, *columns), *columns)
        tail = logsumexp(log_density + nodes + log(weights)) - log(rate)
        return where(below < 0.99, log1p(-below), tail)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], nu: Array, sigma: Array) -> Array:
        first, second = rng.standard_normal(size), rng.standard_normal(size)
        return np.hypot(nu + sigma * first, sigma * second)

    @staticmethod
    def _mean(nu: Array, sigma: Array) -> Array:
        x = 0.5 * (nu / sigma) ** 2
        unit = (1 + x) * i0e(0.5 * x) + x * i1e(0.5 * x)
        return np.asarray(sigma * sqrt(0.5 * pi) * unit)

    @staticmethod
    def _variance(nu: Array, sigma: Array) -> Array:
        return np.asarray(2 * sigma**2 + nu**2 - Rice._mean(nu, sigma) ** 2)

    @staticmethod
    def _scipy(nu: Array, sigma: Array) -> Twin:
        return "rice", {"b": nu / sigma, "scale": sigma}
