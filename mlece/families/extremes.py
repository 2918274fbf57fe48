"""Families of extreme value theory: maxima of blocks, exceedances over a threshold, and their kin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from mlece.domain import Domain, positive, real
from mlece.families.half_line import Weibull
from mlece.families.real_line import Gumbel, _collapse
from mlece.limits import Limit, Status, full, or_fixed
from mlece.links.bijection import identity
from mlece.links.tails import Tails
from mlece.links.unit_links import cloglog_link, loglog_link
from mlece.math import (
    EULER,
    Array,
    Arrays,
    abs,
    exp,
    exp_remainders,
    expm1,
    gammaln,
    inf,
    log,
    log1mexp,
    log1p,
    log1p_ratio,
    log_gamma_excess,
    log_gamma_near_one,
    maximum,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_log
from mlece.param import Param

_TAIL = Domain(-1.0, inf, closed_lower=True)
_IRREGULAR = (
    "a shape at or below -1/2, where the information is infinite and no standard errors exist "
    "(Smith 1985)"
)


def _reduced(z: Array, shape: Array) -> tuple[Array, Array, Array, Array]:
    """Return w = log(1 + ξz)/ξ, ∂w/∂z, ∂w/∂ξ and ∂²w/∂ξ², continuous through ξ = 0."""
    x = shape * z
    slope = 1 / (1 + x)
    if np.all(abs(shape) > 0.05):
        w = log1p(x) / shape
        first = (z * slope - w) / shape
        return w, slope, first, -((z * slope) ** 2 + 2 * first) / shape
    ratio, first, second = log1p_ratio(x)
    square = z * z
    return z * ratio, slope, square * first, z * square * second


def _runs_off(
    start: Array, loc: Array | None, scale: Array | None, shape: Array | None
) -> tuple[Limit, ...]:
    """Return the limit ξ → ∞ with the lower end at the smallest observation, where ξ is free."""
    if shape is not None:
        return ()
    unknown = full(start, np.nan)
    theta = (or_fixed(start, loc), or_fixed(unknown, scale), full(start, inf))
    sentence = (
        "no local maximum was met, and the likelihood grows without bound with the shape, the lower end "
        "of the support at the smallest observation"
    )
    everyone = np.ones(np.shape(start), dtype=bool)
    return (Limit(everyone, Status.UNBOUNDED, sentence, theta, full(start, -inf)),)


def _unit_quantile(w: Array, shape: Array) -> Array:
    """Return (e^(ξw) − 1)/ξ."""
    return w * exp_remainders(shape * w)[0]


# ---------------------------------------------------------------------------- GEV


class GEV(Model):
    r"""Generalized extreme value: log q = −log σ − (1 + ξ) w − e^(−w), w = log(1 + ξz)/ξ, z = (y − μ)/σ.

    The shape ξ is that of R: ξ > 0 is the Fréchet (heavy) tail, ξ = 0 Gumbel's law, ξ < 0 the Weibull
    type with upper end μ − σ/ξ. scipy.stats: ``genextreme(c=-shape, loc, scale)``. R: ``evd::gev(loc,
    scale, shape)``, ``ismev::gev.fit`` (mu, sigma, xi), ``extraDistr::gev(mu, sigma, xi)``.

    Below ξ = −1 the likelihood is unbounded: shape ≥ −1 is imposed, and the end ξ = −1, an exponential
    law that ends at the largest observation, is reported where it is likelier than the local maximum. The
    likelihood is unbounded too as ξ → ∞ with the lower end at the smallest observation, far from any
    ordinary sample. Standard errors exist for ξ > −1/2 (Smith 1985; Bücher and Segers 2017).

    References
    ----------
    Jenkinson, A. F. (1955). The frequency distribution of the annual maximum values of meteorological
    elements. Quarterly J. Royal Meteorological Society 81, 158–171.
    Smith, R. L. (1985). Maximum likelihood estimation in a class of nonregular cases. Biometrika 72,
    67–90.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.GEV(loc=0, scale=1, shape=0.2).quantile(0.99)), 6)
    7.546826
    """

    support = real
    aliases = ("genextreme", "generalizedextremevalue")
    faces: ClassVar = {"shape": 0.0}
    loc = Param(real, r"\mu", typical=(-2, 2), role="location", doc="location")
    scale = Param(positive, r"\sigma", typical=(0.5, 3), role="scale", doc="scale")
    shape = Param(_TAIL, r"\xi", typical=(-0.3, 0.3), bijection=identity, doc="tail index")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array, shape: Array) -> Arrays:
        z = (y - loc) / scale
        w, a, b, c = _reduced(z, shape)
        power = exp(-w)
        excess = 1 + shape - power
        za = z * a
        first = -excess * a
        bend = (excess * shape - power) * a * a
        z_bend = z * bend
        cross = (excess * za - 1 - power * b) * a
        return (
            # At shape = -1 the density is positive up to the end, where w is infinite.
            power + where(shape == -1, 0.0, (1 + shape) * w),
            first,
            z * first,
            -w - excess * b,
            bend,
            z_bend,
            z * z_bend,
            cross,
            z * cross,
            -2 * b - excess * c - power * b * b,
        )

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(-log(scale) - t[0])

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array, shape: Array) -> Arrays:
        return -t[1] / scale, -(1 + t[2]) / scale, t[3]

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array, shape: Array) -> Arrays:
        _, first, z_first, _, bend, z_bend, zz_bend, cross, z_cross, second = t
        return (
            bend / scale**2,
            (first + z_bend) / scale**2,
            -cross / scale,
            (1 + 2 * z_first + zz_bend) / scale**2,
            -z_cross / scale,
            second,
        )

    @staticmethod
    def _bounds(loc: Array, scale: Array, shape: Array) -> Arrays:
        end = loc - scale / where(shape == 0, 1.0, shape)
        return where(shape > 0, end, -inf), where(shape < 0, end, inf)

    @staticmethod
    def _degenerate(
        s: Summary, loc: Array | None, scale: Array | None, shape: Array | None
    ) -> tuple[Limit, ...]:
        kept = or_fixed(full(s.minimum, np.nan), shape)
        return tuple(replace(c, theta=(*c.theta, kept)) for c in _collapse(s, loc, scale))

    @staticmethod
    def _caveat(loc: Array | None, scale: Array | None, shape: Array | None) -> str:
        if shape is not None:
            return ""
        return (
            "the likelihood is unbounded for shape < -1, which is left out, and as shape grows with the "
            "lower end of the support at the smallest observation"
        )

    @staticmethod
    def _irregular(loc: Array, scale: Array, shape: Array) -> tuple[Array, str]:
        return shape <= -0.5, _IRREGULAR

    @staticmethod
    def _rivals(
        view: Any, unsure: Array, loc: Array | None, scale: Array | None, shape: Array | None
    ) -> tuple[Limit, ...]:
        end, mean = view.summary.maximum, view.mean_of(lambda y: y)
        if loc is None:
            width = or_fixed(end - mean, scale)
            centre = end - width
        else:
            centre = loc
            width = or_fixed(maximum(end - loc, loc - mean), scale)
        least = log(width) + 1 - (mean - centre) / width
        usable = (width > 0) & (end <= centre + width) & (or_fixed(full(end, -1.0), shape) == -1)
        sentence = (
            "shape = -1: an exponential law that ends at the largest observation is at least as likely as "
            "any local maximum that was met"
        )
        theta = (centre, width, full(end, -1.0))
        return (
            Limit(usable, Status.BOUNDARY, sentence, theta, least),
            *_runs_off(view.summary.minimum, loc, scale, shape),
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        last = x.shape[-1] - 1
        q1, q2, q3 = (x[..., round(f * last)] for f in (0.25, 0.5, 0.75))
        spread = where(q3 > q1, q3 - q1, x.std(axis=-1))
        spread = where(spread > 0, spread, 1.0)
        w1, w2, w3 = (-log(-log(np.array(f))) for f in (0.25, 0.5, 0.75))
        best: Arrays = (q2, spread, full(q2, 0.0))
        lowest = full(q2, inf)
        for value in (0.0, -0.15, 0.15, -0.3, 0.3, -0.5, 0.6, -0.75, 1.0, 2.0, 4.0):
            shape = full(q2, value)
            unit = _unit_quantile(w3, shape) - _unit_quantile(w1, shape)
            scale = spread / unit
            loc = q2 - scale * _unit_quantile(w2, shape)
            # Wide enough for the support to hold every point.
            reach = x[..., -1] - loc if value < 0 else loc - x[..., 0]
            scale = maximum(scale, 1.05 * np.abs(value) * reach)
            columns = [g[..., None] for g in (loc, scale, shape)]
            level = -GEV._log_density(GEV._shared(x, *columns), *columns).mean(axis=-1)
            better = level < lowest
            lowest = where(better, level, lowest)
            guess = zip((loc, scale, shape), best, strict=True)
            best = tuple(where(better, new, old) for new, old in guess)
        return best

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return -exp(-_reduced((y - loc) / scale, shape)[0])

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return log1mexp(exp(-_reduced((y - loc) / scale, shape)[0]))

    @staticmethod
    def _tail_law(y: Array, loc: Array, scale: Array, shape: Array) -> tuple[Tails, Array]:
        return loglog_link, _reduced((y - loc) / scale, shape)[0]

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(loc + scale * _unit_quantile(-log(-log(u)), shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array, shape: Array
    ) -> Array:
        return np.asarray(loc + scale * _unit_quantile(-log(rng.standard_exponential(size)), shape))

    @staticmethod
    def _entropy(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(1 + EULER * (1 + shape) + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, shape: Array) -> Array:
        safe = where(shape < 1, shape, 0.0)
        rise = log_gamma_near_one(safe)
        unit = rise * exp_remainders(safe * rise)[0]
        return np.asarray(where(shape < 1, loc + scale * unit, inf))

    @staticmethod
    def _variance(loc: Array, scale: Array, shape: Array) -> Array:
        safe = where(shape < 0.5, shape, 0.0)
        # Gamma(1 - 2 xi) - Gamma(1 - xi)^2 = Gamma(1 - xi)^2 (e^gap - 1).
        gap = log_gamma_excess(safe)
        unit = exp(2 * safe * log_gamma_near_one(safe)) * gap * exp_remainders(safe**2 * gap)[0]
        return np.asarray(where(shape < 0.5, scale**2 * unit, inf) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, shape: Array) -> Twin:
        return "genextreme", {"c": -shape, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- generalized Pareto


class GeneralizedPareto(Model):
    r"""Generalized Pareto above u: log q = −log σ − (1 + ξ) log(1 + ξz)/ξ, z = (y − u)/σ.

    ``loc`` is the threshold, a known constant, 0 if not given. The shape ξ is that of scipy and R: ξ > 0
    is a heavy tail, ξ = 0 the exponential law, ξ = −1 the uniform law; for ξ < 0 the support ends at
    u − σ/ξ. scipy.stats: ``genpareto(c=shape, loc, scale)``. R: ``evd::gpd(loc, scale, shape)``,
    ``ismev::gpd.fit`` (sigma, xi), ``extraDistr::gpd(mu, sigma, xi)``.

    Below ξ = −1 the likelihood is unbounded: shape ≥ −1 is imposed, and the end ξ = −1, the uniform law
    up to the largest observation, is reported where it is likelier than the local maximum (Grimshaw
    1993). Standard errors exist for ξ > −1/2 (Smith 1985).

    References
    ----------
    Grimshaw, S. D. (1993). Computing maximum likelihood estimates for the generalized Pareto
    distribution. Technometrics 35, 185–191.

    Examples
    --------
    >>> import mlece
    >>> mlece.GeneralizedPareto(scale=2, shape=0.5).mean
    4.0
    """

    support = real
    collapsible = False
    aliases = ("genpareto", "gpd", "gp")
    loc = Param(
        real, "u", typical=(0, 0), role="location", estimable=False, default=0.0, doc="threshold"
    )
    scale = Param(positive, r"\sigma", typical=(0.5, 3), role="scale", doc="scale")
    faces: ClassVar = {"shape": 0.0}
    shape = Param(_TAIL, r"\xi", typical=(-0.3, 0.3), bijection=identity, doc="tail index")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array, shape: Array) -> Arrays:
        z = (y - loc) / scale
        w, a, b, c = _reduced(z, shape)
        za = z * a
        # At shape = -1 the density is constant up to the end, where w is infinite.
        return where(shape == -1, 0.0, w), a, za, b, a * a, a * za, za * za, c

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(-log(scale) - (1 + shape) * t[0])

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array, shape: Array) -> Arrays:
        w, a, za, b, *_ = t
        more = 1 + shape
        return more * a / scale, (more * za - 1) / scale, -w - more * b

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array, shape: Array) -> Arrays:
        _, a, za, b, aa, zaa, zzaa, c = t
        more = 1 + shape
        return (
            more * shape * aa / scale**2,
            more * (shape * zaa - a) / scale**2,
            (a - more * zaa) / scale,
            (1 - more * (2 * za - shape * zzaa)) / scale**2,
            (za - more * zzaa) / scale,
            -2 * b - more * c,
        )

    @staticmethod
    def _bounds(loc: Array, scale: Array, shape: Array) -> Arrays:
        end = loc - scale / where(shape < 0, shape, -1.0)
        return loc + 0 * end, where(shape < 0, end, inf)

    @staticmethod
    def _degenerate(
        s: Summary, loc: Array, scale: Array | None, shape: Array | None
    ) -> tuple[Limit, ...]:
        kept = or_fixed(full(s.minimum, np.nan), shape)
        return tuple(replace(c, theta=(*c.theta, kept)) for c in _collapse(s, loc, scale))

    @staticmethod
    def _caveat(loc: Array, scale: Array | None, shape: Array | None) -> str:
        return (
            ""
            if shape is not None
            else "shape < -1, where the likelihood is unbounded, is left out"
        )

    @staticmethod
    def _irregular(loc: Array, scale: Array, shape: Array) -> tuple[Array, str]:
        return shape <= -0.5, _IRREGULAR

    @staticmethod
    def _rivals(
        view: Any, unsure: Array, loc: Array, scale: Array | None, shape: Array | None
    ) -> tuple[Limit, ...]:
        reach = view.summary.maximum - loc
        width = or_fixed(reach, scale)
        usable = (width > 0) & (reach <= width) & (or_fixed(full(reach, -1.0), shape) == -1)
        sentence = (
            "shape = -1: the uniform law up to the largest observation is at least as likely as any local "
            "maximum that was met"
        )
        theta = (loc + 0 * width, width, full(width, -1.0))
        limit = Limit(usable, Status.BOUNDARY, sentence, theta, log(width))
        start = view.summary.minimum
        return limit, *(
            replace(c, mask=start == loc)
            for c in _runs_off(start, loc, scale, shape)
            if scale is None
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        # The likelihood given tau = shape / scale is maximised at shape = mean log(1 + tau y); a grid of
        # tau finds its best valley (Grimshaw 1993).
        end, middle = x[..., -1], x[..., (x.shape[-1] - 1) // 2]
        end = where(end > 0, end, 1.0)
        middle = where(middle > 0, middle, end)
        scale = x.mean(axis=-1)
        scale = where(scale > 0, scale, 1.0)
        shape, lowest = full(scale, 0.0), log(scale) + 1
        grid = [-f / end for f in (0.98, 0.9, 0.7, 0.4, 0.15)]
        grid += [f / middle for f in (0.02, 0.1, 0.3, 1.0, 3.0, 30.0, 1e3)]
        for tau in grid:
            index = log1p(tau[..., None] * x).mean(axis=-1)
            level = log(index / tau) + 1 + index
            better = (level < lowest) & (index > -0.95)
            lowest = where(better, level, lowest)
            scale, shape = where(better, index / tau, scale), where(better, index, shape)
        return full(scale, 0.0), scale, shape

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return log1mexp(_reduced((y - loc) / scale, shape)[0])

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return -_reduced((y - loc) / scale, shape)[0]

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(loc + scale * _unit_quantile(-log1p(-u), shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array, shape: Array
    ) -> Array:
        return np.asarray(loc + scale * _unit_quantile(rng.standard_exponential(size), shape))

    @staticmethod
    def _entropy(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(log(scale) + shape + 1 + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, shape: Array) -> Array:
        return where(shape < 1, loc + scale / (1 - where(shape < 1, shape, 0.0)), inf)

    @staticmethod
    def _variance(loc: Array, scale: Array, shape: Array) -> Array:
        safe = where(shape < 0.5, shape, 0.0)
        spread = (scale / (1 - safe)) ** 2 / (1 - 2 * safe)
        return np.asarray(where(shape < 0.5, spread, inf) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, shape: Array) -> Twin:
        return "genpareto", {"c": shape, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- Fréchet


class Frechet(Model):
    r"""Fréchet (inverse Weibull): log q = log(k/s) − (k + 1) log(y/s) − (y/s)^(−k).

    scipy.stats: ``invweibull(c=shape, scale)``. R: ``evd::frechet(scale, shape)``,
    ``actuar::invweibull(shape, scale)``. 1/y has a Weibull law with the same shape and scale 1/s.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.Frechet(shape=2, scale=1).mean), 6)
    1.772454
    """

    support = positive
    concave_in = ("scale", "log")
    aliases = ("invweibull", "inverseweibull")
    concave = True
    profile_over = "shape"
    shape = Param(positive, "k", typical=(2.5, 6), doc="shape")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (-log(y),)

    @staticmethod
    def _shared(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return Weibull._shared(t, shape, 1 / scale)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        log_z, power, _, _ = t
        return np.asarray(log(shape / scale) + (shape + 1) * log_z - power)

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        log_z, power, weighted, _ = t
        return 1 / shape + log_z - weighted, (shape / scale) * (1 - power)

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        _, power, weighted, squared = t
        return (
            -1 / shape**2 - squared,
            (1 - power - shape * weighted) / scale,
            -(shape / scale**2) * (1 - power + shape * power),
        )

    @staticmethod
    def _tilt(y: Array, out: Array) -> Array:
        return np.negative(log(y, out=out), out=out)

    @staticmethod
    def _tilt_rate(shape: Array) -> Array:
        return shape

    @staticmethod
    def _profile_shared(m: Arrays, shape: Array, scale: Array) -> Arrays:
        return Weibull._profile_shared(m, shape, 1 / scale)

    @staticmethod
    def _profile_equation(m: Arrays, shape: Array) -> tuple[Array, Array, Arrays]:
        value, slope, (_, scale) = Weibull._profile_equation(m, shape)
        return value, slope, (shape, 1 / scale)

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        return Weibull._degenerate(s, shape, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        shape, scale = Weibull._start(1 / x)
        return shape, 1 / scale

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return -((y / scale) ** -shape)

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return log1mexp((y / scale) ** -shape)

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return loglog_link, shape * (log(y) - jet_log(scale))

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return scale * (-log(u)) ** (-1 / shape)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return scale * rng.standard_exponential(size) ** (-1 / shape)

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return 1 + EULER * (1 + 1 / shape) + log(scale / shape)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        finite = shape > 1
        return where(finite, scale * exp(gammaln(1 - 1 / where(finite, shape, 2.0))), inf)

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        finite = shape > 2
        first, second = (gammaln(1 - k / where(finite, shape, 3.0)) for k in (1, 2))
        return where(finite, scale**2 * exp(2 * first) * expm1(second - 2 * first), inf)

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "invweibull", {"c": shape, "scale": scale}


# ---------------------------------------------------------------------------- Gumbel for minima


class GumbelMin(Model):
    r"""Gumbel for minima: log q = z − e^z − log b, z = (y − m)/b.

    −y has the law :class:`Gumbel` with location −m. scipy.stats: ``gumbel_l(loc, scale)``. R:
    ``gamlss.dist::GU(mu, sigma)``.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.GumbelMin(loc=0, scale=1).mean), 6)
    -0.577216
    """

    support = real
    concave_in = ("loc", "identity")
    aliases = ("gumbel_l", "gumbel_min")
    concave = True
    profile_over = "scale"
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location (mode)")
    scale = Param(positive, "b", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array) -> Arrays:
        return Gumbel._shared(-y, -loc, scale)

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array) -> Array:
        return Gumbel._log_density(t, -loc, scale)

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array) -> Arrays:
        location, spread = Gumbel._score(t, -loc, scale)
        return -location, spread

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array) -> Arrays:
        location, cross, spread = Gumbel._curvature(t, -loc, scale)
        return location, -cross, spread

    @staticmethod
    def _tilt(y: Array, out: Array) -> Array:
        np.copyto(out, y)
        return out

    @staticmethod
    def _tilt_rate(scale: Array) -> Array:
        return 1 / scale

    @staticmethod
    def _profile_shared(m: Arrays, loc: Array, scale: Array) -> Arrays:
        return Gumbel._profile_shared(m, -loc, scale)

    @staticmethod
    def _profile_equation(m: Arrays, scale: Array) -> tuple[Array, Array, Arrays]:
        value, slope, (loc, _) = Gumbel._profile_equation(m, scale)
        return value, slope, (-loc, scale)

    @staticmethod
    def _degenerate(s: Summary, loc: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        return _collapse(s, loc, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        loc, scale = Gumbel._start(-x[..., ::-1])
        return -loc, scale

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return Gumbel._log_sf(-y, -loc, scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return Gumbel._log_cdf(-y, -loc, scale)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return cloglog_link, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * log(-log1p(-u)))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array) -> Array:
        return -rng.gumbel(-loc, scale, size)

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return Gumbel._entropy(loc, scale)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return loc - EULER * scale

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return Gumbel._variance(loc, scale)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "gumbel_l", {"loc": loc, "scale": scale}
