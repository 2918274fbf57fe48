"""Box-Cox families of growth curves: a power of y / mu follows a truncated normal or t law."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from mlece.domain import positive, real
from mlece.families.beta_tails import half_step, half_step_bend, half_step_slope
from mlece.families.real_line import StudentT
from mlece.limits import Limit, LimitFamily, full, point_mass
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    arctan,
    cos,
    exp,
    exp_remainders,
    expm1,
    inf,
    log,
    log1mexp,
    log1p_ratio,
    log_ndtr,
    log_probability,
    ndtr,
    ndtri,
    sin,
    sqrt,
    stdtr,
    stdtrit,
    tan,
    where,
)
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

Law = Callable[[Any], Any]


def _transform(log_ratio: Array, sigma: Array, nu: Array) -> Arrays:
    """Return z = ((y/μ)^ν − 1)/(νσ), (y/μ)^ν/σ, ∂z/∂ν and ∂²z/∂ν², continuous through ν = 0."""
    x = nu * log_ratio
    if np.all(abs(nu) * sigma > 0.05):
        # Away from 0 the plain quotients lose 1/(νσ)² roundings at most.
        rise = expm1(x)
        power = 1 + rise
        z = rise / nu
        bend = (log_ratio * power - z) / nu
        again = (log_ratio * log_ratio * power - 2 * bend) / nu
        return z / sigma, power / sigma, bend / sigma, again / sigma
    ratio, first, second = exp_remainders(x)[:3]
    square = log_ratio * log_ratio
    return (
        log_ratio * ratio / sigma,
        exp(x) / sigma,
        square * first / sigma,
        log_ratio * square * second / sigma,
    )


def _chained(log_ratio: Array, z: Arrays, nu: Array, first: Array, second: Array | float) -> Arrays:
    """Return what the derivatives of g(z) in (log μ, log σ, ν) are made of, from g' and g''."""
    z0, power, bend, bend2 = z
    both = second * z0 + first
    return (
        log_ratio,
        first * power,
        second * power**2 + nu * first * power,
        both * power,
        second * bend * power + first * log_ratio * power,
        first * z0,
        second * z0 * z0,
        first * bend,
        both * bend,
        second * bend**2 + first * bend2,
    )


def _score(c: Arrays, mu: Array, sigma: Array, nu: Array) -> Arrays:
    """Return the score in (μ, σ, ν) of ν log(y/μ) − log σ + g(z)."""
    log_ratio, power, _, _, _, z, _, bend, _, _ = c
    return -(nu + power) / mu, -(1 + z) / sigma, log_ratio + bend


def _curvature(c: Arrays, mu: Array, sigma: Array, nu: Array) -> tuple[Arrays, Arrays, Array]:
    """Return the rows of the upper triangle of second derivatives in (μ, σ, ν) of the same."""
    _, power, power2, power_z, power_nu, z, zz, _, bend_z, bend2 = c
    return (
        ((nu + power + power2) / mu**2, power_z / (mu * sigma), -(1 + power_nu) / mu),
        ((1 + 2 * z + zz) / sigma**2, -bend_z / sigma),
        bend2,
    )


def _end(sigma: Array, nu: Array) -> Array:
    """Return 1/(σ|ν|), the distance of the end of z from 0; infinite at ν = 0."""
    return 1 / (sigma * abs(nu))


def _truncation_slopes(
    end: Array, sigma: Array, nu: Array, first: Array, second: Array
) -> tuple[Arrays, Arrays]:
    """Return the derivatives in (σ, ν) of T(k), k = 1/(σ|ν|), from k T' and k² T''."""
    # Where the truncation is beyond the floats so are its derivatives, ν = 0 among them.
    by_nu = where(first == 0, 0.0, 1 / where(nu == 0, 1.0, nu))
    twice = second + 2 * first
    return (
        (-first / sigma, -first * by_nu),
        (twice / sigma**2, (second + first) * by_nu / sigma, twice * by_nu**2),
    )


def _equal(s: Summary, mu: Array | None, sigma: Array | None, free: int) -> tuple[Limit, ...]:
    """Return the degenerate case: every observation is equal."""
    if sigma is not None:
        return ()
    sentence = "every observation equals mu: the density grows without bound as sigma falls to 0"
    limit = (s.minimum, full(s.minimum, 0.0), *[full(s.minimum, np.nan)] * free)
    return point_mass(s, sentence, limit, s.minimum, mu)


def _pilot(x: Array) -> Arrays:
    """Return the median, and sigma and nu of the likeliest of a few powers around it."""
    mu = x[..., (x.shape[-1] - 1) // 2]
    log_ratio = log(x / mu[..., None])
    spread = sqrt((log_ratio**2).mean(axis=-1))
    unit = 1 / where(spread > 0, spread, 1.0)
    lowest, sigma, nu = full(mu, inf), full(mu, 1.0), full(mu, 0.0)
    for step in (0.0, 0.15, -0.15, 0.3, -0.3, 0.6, -0.6, 1.0, -1.0):
        power = step * unit
        h = _transform(log_ratio, np.ones(()), power[..., None])[0]
        width = sqrt((h * h).mean(axis=-1))
        level = log(width) - power * log_ratio.mean(axis=-1)
        better = level < lowest
        lowest = where(better, level, lowest)
        sigma, nu = where(better, width, sigma), where(better, power, nu)
    return mu, where(sigma > 0, sigma, 1e-8), nu


def _half_normal(side: float) -> LimitFamily:
    """Return the limit σ → ∞ on one side of ν = 0: y^ν is half-normal, and y^(2ν) a gamma variable.

    The end of z reaches its centre, while μ tends to 0 (ν > 0) or to infinity.
    """
    q = side * sqrt(2.0)

    def theta(mu: Array, sigma: Array) -> Arrays:
        return full(mu, _END[side]), full(mu, inf), 0.5 * q / sigma

    return LimitFamily(
        "GeneralizedGamma",
        {"sigma": inf, "mu": _END[side]},
        {"nu": ("sigma", lambda nu: 0.5 * q / nu)},
        {"q": q},
        theta,
        law="the law in which y to the power nu is half-normal",
        rival=True,
    )


def _half_t(side: float) -> LimitFamily:
    """Return the limit σ → ∞ on one side of ν = 0: y^ν is half t, and y^(2ν) a ratio of gammas."""
    index, known = ("q", "p") if side > 0 else ("p", "q")

    def theta(shape: Array, scale: Array, index: Array) -> Arrays:
        return full(scale, _END[side]), full(scale, inf), side * 0.5 * shape, 2 * index

    return LimitFamily(
        "GB2",
        {"sigma": inf, "mu": _END[side]},
        {"nu": ("shape", lambda nu: 2 * side * nu), "tau": (index, lambda tau: 0.5 * tau)},
        {known: 0.5},
        theta,
        law="the law in which y to the power nu is half t",
        rival=True,
    )


# Where mu tends as sigma grows, by the sign of nu.
_END = {1.0: 0.0, -1.0: inf}


def _log_mass(law: Law, z: Array, end: Array, cut: Array) -> Array:
    """Return log P(Z <= z) of a symmetric law cut off where |z| reaches the end, on this side or beyond."""
    below, start = law(z), law(-end)
    return np.asarray(below + log1mexp(where(cut, below - start, inf)) - law(end))


def _truncated_quantile(cdf: Law, ppf: Law, u: Array, sigma: Array, nu: Array) -> Array:
    """Return the quantile of the truncated law, from the tail in which u lies."""
    end = _end(sigma, nu)
    mass, cut = cdf(end), cdf(-end)
    low = ppf(u * mass + where(nu > 0, cut, 0.0))
    high = -ppf((1 - u) * mass + where(nu < 0, cut, 0.0))
    return np.asarray(where(u < 0.5, low, high))


def _untransform(z: Array, mu: Array, sigma: Array, nu: Array) -> Array:
    """Return the y of a z."""
    step = sigma * z
    return np.asarray(mu * exp(step * log1p_ratio(nu * step)[0]))


# ---------------------------------------------------------------------------- Box-Cox Cole-Green


class BoxCoxColeGreen(Model):
    r"""Box-Cox Cole-Green: z = ((y/μ)^ν − 1)/(νσ) is standard normal, truncated at −1/(νσ).

    log q = ν log(y/μ) − log(σy) + log φ(z) − log Φ(1/(σ|ν|)); at ν = 0 the log-normal law,
    z = log(y/μ)/σ. The curve of the LMS method: ν is L, μ is M (the median, up to the truncation) and
    σ is S. R: ``gamlss.dist::BCCG(mu, sigma, nu)``; scipy.stats has no such law.

    References
    ----------
    Cole, T. J. and Green, P. J. (1992). Smoothing reference centile curves: the LMS method and penalized
    likelihood. Statistics in Medicine 11, 1305–1319.
    Rigby, R. A. and Stasinopoulos, D. M. (2004). Smooth centile curves for skew and kurtotic data
    modelled using the Box-Cox power exponential distribution. Statistics in Medicine 23, 3053–3076.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.BoxCoxColeGreen(mu=20, sigma=0.1, nu=-1).quantile(0.5)), 6)
    20.0
    """

    support = positive
    aliases = ("bccg", "lms")
    mu = Param(positive, r"\mu", typical=(0.5, 3), role="scale", doc="median")
    sigma = Param(positive, r"\sigma", typical=(0.12, 0.3), doc="coefficient of variation")
    nu = Param(real, r"\nu", typical=(-1, 2), doc="power")
    limit_families: ClassVar = (_half_normal(1.0), _half_normal(-1.0))

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, mu: Array, sigma: Array, nu: Array) -> Arrays:
        log_ratio = t[0] - log(mu)
        z = _transform(log_ratio, sigma, nu)
        return (z[0] * z[0], *_chained(log_ratio, z, nu, -z[0], -1.0))

    @staticmethod
    def _log_density(t: Arrays, mu: Array, sigma: Array, nu: Array) -> Array:
        square, log_ratio, *_ = t
        constant = log(mu * sigma) + 0.5 * LOG_2PI + log_ndtr(_end(sigma, nu))
        return np.asarray((nu - 1) * log_ratio - 0.5 * square - constant)

    @staticmethod
    def _truncation(sigma: Array, nu: Array) -> tuple[Arrays, Arrays]:
        """Return the derivatives of log Φ(1/(σ|ν|)) in (σ, ν)."""
        # Beyond 40 the normal density is below the floats.
        end = np.minimum(_end(sigma, nu), 40.0)
        mills = exp(-0.5 * (end * end + LOG_2PI) - log_ndtr(end))
        first = mills * end
        return _truncation_slopes(end, sigma, nu, first, -first * end * (end + mills))

    @staticmethod
    def _score(t: Arrays, mu: Array, sigma: Array, nu: Array) -> Arrays:
        by_mu, by_sigma, by_nu = _score(t[1:], mu, sigma, nu)
        (cut_sigma, cut_nu), _ = BoxCoxColeGreen._truncation(sigma, nu)
        return by_mu, by_sigma - cut_sigma, by_nu - cut_nu

    @staticmethod
    def _curvature(t: Arrays, mu: Array, sigma: Array, nu: Array) -> Arrays:
        location, (spread, cross), power = _curvature(t[1:], mu, sigma, nu)
        _, (cut_spread, cut_cross, cut_power) = BoxCoxColeGreen._truncation(sigma, nu)
        return (*location, spread - cut_spread, cross - cut_cross, power - cut_power)

    @staticmethod
    def _degenerate(
        s: Summary, mu: Array | None, sigma: Array | None, nu: Array | None
    ) -> tuple[Limit, ...]:
        return _equal(s, mu, sigma, 1)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return _pilot(x)

    @staticmethod
    def _log_cdf(y: Array, mu: Array, sigma: Array, nu: Array) -> Array:
        z = _transform(log(y / mu), sigma, nu)[0]
        return _log_mass(log_ndtr, z, _end(sigma, nu), nu > 0)

    @staticmethod
    def _log_sf(y: Array, mu: Array, sigma: Array, nu: Array) -> Array:
        z = _transform(log(y / mu), sigma, nu)[0]
        return _log_mass(log_ndtr, -z, _end(sigma, nu), nu < 0)

    @staticmethod
    def _quantile(u: Array, mu: Array, sigma: Array, nu: Array) -> Array:
        return _untransform(_truncated_quantile(ndtr, ndtri, u, sigma, nu), mu, sigma, nu)


# ---------------------------------------------------------------------------- Box-Cox t

_LEGENDRE = np.polynomial.legendre.leggauss(64)
_LAGUERRE = np.polynomial.laguerre.laggauss(48)


def _unit_t(x: Array, df: Array) -> Arrays:
    """Return log f(x) of Student's t, and its first two derivatives in the degrees of freedom."""
    zero, one = np.zeros(()), np.ones(())
    t = StudentT._shared(x, df, zero, one)
    log_density = StudentT._log_density(t, df, zero, one)
    return (
        log_density,
        StudentT._score(t, df, zero, one)[0],
        StudentT._curvature(t, df, zero, one)[0],
    )


def _mass_slopes(end: Array, df: Array) -> Arrays:
    """Return the first two derivatives in df of P(Z <= k), Z Student's t, k > 0.

    With x = √df tan θ, Gauss-Legendre in θ from 0 to k; where k is far out Gauss-Laguerre beyond k in
    t = −df log φ, φ = π/2 − θ, in which the tail falls as e^(−t).
    """
    end, df = (np.asarray(a, dtype=float)[..., None] for a in np.broadcast_arrays(end, df))
    root = sqrt(df)
    angle = arctan(end / root)
    far = angle > 1.1
    nodes, weights = _LEGENDRE
    theta = 0.5 * angle * (1 + nodes)
    near_x, near_w = root * tan(theta), 0.5 * angle * weights * root / cos(theta) ** 2
    nodes, weights = _LAGUERRE
    phi = arctan(root / end) * exp(-nodes / df)
    far_x, far_w = root / tan(phi), -weights * exp(nodes) * phi / (root * sin(phi) ** 2)
    near = _weighted_slopes(near_x, near_w, df)
    if not far.any():
        return near
    beyond = _weighted_slopes(far_x, far_w, df)
    return tuple(where(far[..., 0], b, a) for a, b in zip(near, beyond, strict=True))


def _weighted_slopes(x: Array, weights: Array, df: Array) -> Arrays:
    """Return the sums over nodes of f' and f'' in df."""
    log_density, slope, bend = _unit_t(x, df)
    # The last nodes may lie beyond the floats, where no mass is left.
    mass = where(np.isfinite(weights) & np.isfinite(log_density), weights * exp(log_density), 0.0)
    slope, bend = (where(mass != 0, a, 0.0) for a in (slope, bend))
    return (mass * slope).sum(axis=-1), (mass * (bend + slope**2)).sum(axis=-1)


class BoxCoxT(Model):
    r"""Box-Cox t: z = ((y/μ)^ν − 1)/(νσ) follows Student's t with τ degrees of freedom, truncated.

    log q = ν log(y/μ) − log(σy) + log f_τ(z) − log F_τ(1/(σ|ν|)). As τ grows the family tends to
    :class:`BoxCoxColeGreen`, which is reported as the limit when the data ask for it. R:
    ``gamlss.dist::BCT(mu, sigma, nu, tau)``; scipy.stats has no such law.

    References
    ----------
    Rigby, R. A. and Stasinopoulos, D. M. (2006). Using the Box-Cox t distribution in GAMLSS to model
    skewness and kurtosis. Statistical Modelling 6, 209–229.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.BoxCoxT(mu=20, sigma=0.1, nu=-1, tau=8).quantile(0.5)), 4)
    20.0
    """

    support = positive
    aliases = ("bct",)
    mu = Param(positive, r"\mu", typical=(0.5, 3), role="scale", doc="median")
    sigma = Param(positive, r"\sigma", typical=(0.15, 0.3), doc="coefficient of variation")
    nu = Param(real, r"\nu", typical=(-1, 2), doc="power")
    tau = Param(positive, r"\tau", typical=(4, 12), limits=(0.05, 1e7), doc="degrees of freedom")
    limit_families: ClassVar = (
        LimitFamily(
            "BoxCoxColeGreen", {"tau": inf}, {n: n for n in ("mu", "sigma", "nu")}, rival=True
        ),
        _half_t(1.0),
        _half_t(-1.0),
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, mu: Array, sigma: Array, nu: Array, tau: Array) -> Arrays:
        log_ratio = t[0] - log(mu)
        z = _transform(log_ratio, sigma, nu)
        log_u, deficit, uw, uww, zw, zww = StudentT._shared(z[0], tau, np.zeros(()), np.ones(()))
        heavy = (tau + 1) / tau
        # w = 1 - uw without cancellation: both are multiplied by squares of z.
        w = exp(-log_u)
        slope_tau = ((tau + 1) * zww - tau * zw) / tau**2
        return (
            log_u,
            deficit,
            uw,
            uww,
            slope_tau * z[1],
            slope_tau * z[0],
            slope_tau * z[2],
            *_chained(log_ratio, z, nu, -heavy * zw, heavy * (2 * uww - w)),
        )

    @staticmethod
    def _log_density(t: Arrays, mu: Array, sigma: Array, nu: Array, tau: Array) -> Array:
        log_u, log_ratio = t[0], t[7]
        constant = half_step(tau / 2) - 0.5 * LOG_2PI - log(mu * sigma)
        constant = constant - _t_law(tau)(_end(sigma, nu))
        return np.asarray(constant + (nu - 1) * log_ratio - 0.5 * (tau + 1) * log_u)

    @staticmethod
    def _truncation(sigma: Array, nu: Array, tau: Array) -> tuple[Arrays, Arrays]:
        """Return the derivatives of log F(1/(σ|ν|)) in (σ, ν, τ) and their upper triangle."""
        end = _end(sigma, nu)
        far = np.isinf(end)
        end = where(far, 1.0, end)
        mass = stdtr(tau, end)
        log_density, by_tau, _ = _unit_t(end, tau)
        first = where(far, 0.0, end * exp(log_density) / mass)
        second = -first * ((tau + 1) / (1 + tau / end**2) + first)
        slope, bend = (where(far, 0.0, m / mass) for m in _mass_slopes(end, tau))
        mixed = first * (by_tau - slope)
        (one, two), (a, b, c) = _truncation_slopes(end, sigma, nu, first, second)
        by_nu = where(nu == 0, 0.0, 1 / where(nu == 0, 1.0, nu))
        cross = (-mixed / sigma, -mixed * by_nu, bend - slope**2)
        return (one, two, slope), (a, b, cross[0], c, *cross[1:])

    @staticmethod
    def _score(t: Arrays, mu: Array, sigma: Array, nu: Array, tau: Array) -> Arrays:
        _, deficit, uw, *_ = t
        plain = _score(t[7:], mu, sigma, nu)
        cut, _ = BoxCoxT._truncation(sigma, nu, tau)
        by_tau = 0.5 * (half_step_slope(tau / 2) - deficit + uw / tau)
        return plain[0], plain[1] - cut[0], plain[2] - cut[1], by_tau - cut[2]

    @staticmethod
    def _curvature(t: Arrays, mu: Array, sigma: Array, nu: Array, tau: Array) -> Arrays:
        _, _, uw, uww, tau_power, tau_z, tau_bend, *rest = t
        location, (spread, cross), power = _curvature(tuple(rest), mu, sigma, nu)
        _, cut = BoxCoxT._truncation(sigma, nu, tau)
        bend = half_step_bend(tau / 2)
        by_tau = 0.5 * (0.5 * bend + ((tau - 1) * uw - (tau + 1) * uww) / tau**2)
        inner = (spread, cross, -tau_z / sigma, power, tau_bend, by_tau)
        return (*location, -tau_power / mu, *(a - b for a, b in zip(inner, cut, strict=True)))

    @staticmethod
    def _degenerate(
        s: Summary, mu: Array | None, sigma: Array | None, nu: Array | None, tau: Array | None
    ) -> tuple[Limit, ...]:
        return _equal(s, mu, sigma, 2)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mu, sigma, nu = _pilot(x)
        return mu, 0.85 * sigma, nu, full(mu, 6.0)

    @staticmethod
    def _more_starts(x: Array) -> tuple[Arrays, ...]:
        # Where the truncation bites, heavy tails and a strong power make optima of their own.
        # Of n observations one may draw the law into itself where τ < 1/(n − 1): none is led there.
        if x.shape[-1] <= 1 + 1 / BoxCoxT.tau.limits[0]:
            return ()
        mu, sigma, _ = _pilot(x)
        modes = ((1.0, 0.6, 2.0), (1.5, 0.4, 0.4), (3.0, 0.3, 0.2))
        return tuple(
            (mu, width * sigma, side * bend / sigma, full(mu, tau))
            for bend, width, tau in modes
            for side in (-1.0, 1.0)
        )

    @staticmethod
    def _log_cdf(y: Array, mu: Array, sigma: Array, nu: Array, tau: Array) -> Array:
        z = _transform(log(y / mu), sigma, nu)[0]
        return _log_mass(_t_law(tau), z, _end(sigma, nu), nu > 0)

    @staticmethod
    def _log_sf(y: Array, mu: Array, sigma: Array, nu: Array, tau: Array) -> Array:
        z = _transform(log(y / mu), sigma, nu)[0]
        return _log_mass(_t_law(tau), -z, _end(sigma, nu), nu < 0)

    @staticmethod
    def _quantile(u: Array, mu: Array, sigma: Array, nu: Array, tau: Array) -> Array:
        z = _truncated_quantile(partial(stdtr, tau), partial(stdtrit, tau), u, sigma, nu)
        return _untransform(z, mu, sigma, nu)


def _t_law(tau: Array) -> Law:
    """Return the log distribution function of Student's t."""
    return lambda z: log_probability(stdtr(tau, z), stdtr(tau, -z))
