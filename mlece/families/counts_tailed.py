"""Counts by their tail: a power (Zeta, Yule–Simon), a geometric series (logarithmic), none (uniform)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece.domain import (
    Domain,
    integers,
    positive,
    positive_integer,
)
from mlece.families.composed import check_ordered
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import (
    Array,
    Arrays,
    digamma_gap,
    exp,
    expm1,
    floor,
    inf,
    log,
    log1mexp,
    log1p,
    log_beta,
    log_probability,
    ratio_or_zero,
    trigamma_gap,
    where,
    xlogy,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.counting import smallest_count
from mlece.numerics.jets import Jet, jet_log, variables
from mlece.param import Param

# ---------------------------------------------------------------------------- logarithmic


def _log_normaliser(p: Array) -> Arrays:
    """Return log(-log(1 - p)/p) and its first two derivatives, by its series where p is small."""
    near = p < 0.25
    small, far = where(near, p, 0.0), where(near, 0.5, p)
    ratio, slope, bend = (np.zeros_like(small) for _ in range(3))
    for k in range(26, -1, -1):  # Σ p^k/(k + 1)
        bend = bend * small + 2 * slope
        slope = slope * small + ratio
        ratio = ratio * small + 1 / (k + 1)
    total = -log1p(-far)
    first = 1 / ((1 - far) * total) - 1 / far
    second = (1 - 1 / total) / ((1 - far) ** 2 * total) + 1 / far**2
    return (
        where(near, log(ratio), log(total / far)),
        where(near, slope / ratio, first),
        where(near, bend / ratio - (slope / ratio) ** 2, second),
    )


def _excess_mean(t: Array) -> Arrays:
    """Return (exp(t) - 1 - t)/t, the mean less 1 at t = -log(1 - p), and its logarithmic slope."""
    near = t < 0.5
    small, far = where(near, t, 0.0), where(near, 1.0, t)
    value, slope = np.zeros_like(small), np.zeros_like(small)
    factor = 1 / 121645100408832000  # 1/19!
    for k in range(18, 0, -1):  # the part behind t/2 is Σ t^(k-1)/(k + 1)!
        slope = slope * small + k * factor
        value = value * small + factor
        factor = factor * (k + 1)
    # t g'/g with g = t Σ t^(k-1)/(k + 1)!
    own = (expm1(far) - far) / far
    steep = (far * exp(far) - expm1(far)) / (expm1(far) - far)
    return where(near, small * value, own), where(near, slope / value, steep)


class Logarithmic(Model):
    r"""Logarithmic series (Fisher): log q = y log p − log y − log(−log(1 − p)), y = 1, 2, ...

    scipy.stats: ``logser(p)``. R: ``VGAM::logff`` (shape), ``gamlss.dist::LG`` (mu). Fisher, Corbet &
    Williams (1943). The mean of the data determines p. At p = 0 all mass lies at 1.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.Logarithmic(p=0.5).density(1).item(), 12)
    0.721347520444
    """

    support = positive_integer
    aliases = ("logser",)
    affine = True
    p = Param(Domain(0.0, 1.0, True, False), "p", typical=(0.2, 0.9), doc="ratio of the series")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return y - 1, log(y)

    @staticmethod
    def _log_density(t: Arrays, p: Array) -> Array:
        return np.asarray(xlogy(t[0], p) - t[1] - _log_normaliser(p)[0])

    @staticmethod
    def _score(t: Arrays, p: Array) -> Arrays:
        return (ratio_or_zero(t[0], p) - _log_normaliser(p)[1],)

    @staticmethod
    def _curvature(t: Arrays, p: Array) -> Arrays:
        return (-ratio_or_zero(t[0], p * p) - _log_normaliser(p)[2],)

    @staticmethod
    def _maximise(s: Summary, p: Array | None) -> Arrays:
        # With t = -log(1 - p) the logarithm of mean - 1 is convex in log t: Newton's method from
        # the right falls to the root.
        excess = s.mean[0]
        t = np.minimum(2 * excess, 2 * log1p(excess) + 2)
        for _ in range(100):
            value, slope = _excess_mean(t)
            step = log(value / excess) / slope
            t = t * exp(-step)
            if not np.any(np.abs(step) > 1e-15):
                break
        return (or_fixed(-expm1(-t), p),)

    @staticmethod
    def _degenerate(s: Summary, p: Array | None) -> tuple[Limit, ...]:
        if p is not None:
            return ()
        zero = full(s.mean[0], 0.0)
        sentence = "every observation is 1: p = 0"
        return (Limit(s.mean[0] == 0, Status.BOUNDARY, sentence, (zero,), zero),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = x.mean(axis=-1) + 0.1
        return (1 - 1 / (mean * (1 + log(mean))),)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], p: Array) -> Array:
        drawn = rng.logseries(where(p > 0, p, 0.5), size)
        return np.asarray(where(p > 0, drawn, 1), dtype=float)

    @staticmethod
    def _mean(p: Array) -> Array:
        return np.asarray(exp(-_log_normaliser(np.asarray(p, dtype=float))[0]) / (1 - p))

    @staticmethod
    def _variance(p: Array) -> Array:
        mean = Logarithmic._mean(p)
        return np.asarray(mean * (1 / (1 - p) - mean))

    @staticmethod
    def _scipy(p: Array) -> Twin:
        return "logser", {"p": p}


# ---------------------------------------------------------------------------- power laws

# Bernoulli numbers B_2j / (2j)! of the Euler-Maclaurin sum.
_EULER_MACLAURIN = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)
_DIRECT = 20


def _log_zeta(alpha: Array, lower: Array) -> Arrays:
    """Return log Σ_{k>=0} (1 + k/lower)^-alpha and its first two derivatives in alpha, alpha > 1.

    Twenty terms and the Euler-Maclaurin series of the rest. The derivatives are those of
    log ζ(alpha, lower) after the factor lower^-alpha is taken out.
    """
    (a,) = variables(alpha)
    q = np.asarray(lower, dtype=float)
    total: Any = 0.0
    for k in range(_DIRECT):
        height = log1p(k / q)
        mass = exp(-a.value * height)
        total = Jet(mass, (-height * mass,), (height * height * mass,)) + total
    end = q + _DIRECT
    height = log1p(_DIRECT / q)
    mass = exp(-a.value * height)
    edge = Jet(mass, (-height * mass,), (height * height * mass,))
    rest = end / (a - 1) + 0.5
    rising: Any = a
    power = end
    for j, coefficient in enumerate(_EULER_MACLAURIN):
        rest = rest + (coefficient / power) * rising
        rising = rising * (a + (2 * j + 1)) * (a + (2 * j + 2))
        power = power * end * end
    tail: Jet = total + edge * rest
    return jet_log(tail).parts()


class Zeta(Model):
    r"""Zeta law, the discrete power law: log q = −α log y − log ζ(α, m), y = m, m+1, ...

    The smallest count m = ``lower`` is a known constant, 1 if not given; ζ is Hurwitz's.

    scipy.stats: ``zipf(a=alpha)`` for lower 1, none otherwise. R: ``poweRlaw::displ`` (pars, xmin),
    ``VGAM::zetaff`` with shape = α − 1. Clauset, Shalizi & Newman (2009, SIAM Review 51, 661).

    Parameters
    ----------
    alpha : float or array, optional
        Exponent, above 1.
    lower : float or array
        Smallest count.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.Zeta(alpha=2).density(1).item(), 12)
    0.607927101854
    """

    support = positive_integer
    aliases = ("zipf", "powerlawdiscrete")
    affine = True
    exponential = True
    alpha = Param(Domain(1.0, inf), r"\alpha", typical=(4.5, 7), doc="exponent")
    lower = Param(positive_integer, "m", typical=(1, 3), estimable=False, doc="smallest count")

    def __init__(self, alpha: Any = None, lower: Any = 1) -> None:
        super().__init__(alpha=alpha, lower=lower)

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _log_density(t: Arrays, alpha: Array, lower: Array) -> Array:
        return np.asarray(-alpha * (t[0] - log(lower)) - _log_zeta(alpha, lower)[0])

    @staticmethod
    def _score(t: Arrays, alpha: Array, lower: Array) -> Arrays:
        slope = log(lower) - t[0] - _log_zeta(alpha, lower)[1]
        return slope, 0 * slope

    @staticmethod
    def _curvature(t: Arrays, alpha: Array, lower: Array) -> Arrays:
        bend = -_log_zeta(alpha, lower)[2]
        return bend, 0 * bend, 0 * bend

    @staticmethod
    def _expected_statistics(alpha: Array, lower: Array) -> Arrays:
        return (log(lower) - _log_zeta(alpha, lower)[1],)

    @staticmethod
    def _bounds(alpha: Array, lower: Array) -> Arrays:
        return lower + 0 * alpha, inf + 0 * alpha

    @staticmethod
    def _degenerate(s: Summary, alpha: Array | None, lower: Array) -> tuple[Limit, ...]:
        if alpha is not None:
            return ()
        zero = full(s.minimum, 0.0)
        least = or_fixed(zero, lower)
        sentence = "every observation is the smallest count: alpha grows without bound"
        mask = (s.minimum == least) & (s.maximum == least)
        return (Limit(mask, Status.NOT_ATTAINED, sentence, (zero + inf, least), zero),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        least = x.min(axis=-1)
        # Clauset, Shalizi and Newman (2009), their equation 3.7.
        rise = (log(x) - log(least - 0.5)[..., None]).mean(axis=-1)
        return 1 + 1 / rise, least

    @staticmethod
    def _log_sf(y: Array, alpha: Array, lower: Array) -> Array:
        y = np.maximum(y, lower - 1)
        beyond = _log_zeta(alpha, y + 1)[0] - alpha * log((y + 1) / lower)
        return np.asarray(beyond - _log_zeta(alpha, lower)[0])

    @staticmethod
    def _log_cdf(y: Array, alpha: Array, lower: Array) -> Array:
        return log(-expm1(Zeta._log_sf(y, alpha, lower)))

    @staticmethod
    def _quantile(u: Array, alpha: Array, lower: Array) -> Array:
        return np.maximum(smallest_count(Zeta._log_cdf, u, np.asarray(inf), alpha, lower), lower)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], alpha: Array, lower: Array
    ) -> Array:
        # Rejection from the integer part of a Pareto law (Devroye 1986, X.6.1): mass over envelope
        # falls from its value at the smallest count to 1.
        out = np.zeros(size)
        power, least = np.broadcast_to(alpha - 1, size), np.broadcast_to(lower, size)

        def ratio(x: Array, s: Array) -> Array:
            return np.asarray(s / (x * -expm1(-s * log1p(1 / x))))

        open_ = np.ones(size, dtype=bool)
        while open_.any():
            s, m = power[open_], least[open_]
            x = floor(m * exp(rng.standard_exponential(s.shape) / s))
            accepted = rng.random(s.shape) * ratio(m, s) <= ratio(x, s)
            out[open_] = where(accepted, x, 0.0)
            open_ = out == 0
        return out

    @staticmethod
    def _entropy(alpha: Array, lower: Array) -> Array:
        value, slope, _ = _log_zeta(alpha, lower)
        return np.asarray(value - alpha * slope)

    @staticmethod
    def _moment_ratio(alpha: Array, lower: Array, power: int) -> Array:
        """Return E (Y/lower)^power, infinite where it does not exist."""
        exists = alpha > power + 1
        at = where(exists, alpha - power, 2.0)
        ratio = exp(_log_zeta(at, lower)[0] - _log_zeta(alpha, lower)[0])
        return where(exists, ratio, inf)

    @staticmethod
    def _mean(alpha: Array, lower: Array) -> Array:
        return np.asarray(lower * Zeta._moment_ratio(np.asarray(alpha), lower, 1))

    @staticmethod
    def _variance(alpha: Array, lower: Array) -> Array:
        first, second = (Zeta._moment_ratio(np.asarray(alpha), lower, k) for k in (1, 2))
        finite = np.isfinite(second)
        spread = where(finite, second, 0.0) - where(finite, first, 0.0) ** 2
        return np.asarray(lower * lower * where(finite, spread, inf))

    @staticmethod
    def _scipy(alpha: Array, lower: Array) -> Twin | None:
        return ("zipf", {"a": alpha}) if np.all(lower == 1) else None


class YuleSimon(Model):
    r"""Yule–Simon: log q = log ρ + log B(y, ρ + 1), y = 1, 2, ...; its tail falls like y^−(ρ+1).

    scipy.stats: ``yulesimon(alpha=rho)``. R: ``VGAM::yulesimon`` (shape), ``gamlss.dist::YULE`` with
    y − 1 and mu = 1/(ρ − 1). Yule (1925); Simon (1955, Biometrika 42, 425).

    Examples
    --------
    >>> import mlece
    >>> round(mlece.YuleSimon(rho=2).density(1).item(), 12)
    0.666666666667
    """

    support = positive_integer
    rho = Param(positive, r"\rho", typical=(3.5, 7), doc="exponent of the tail, less 1")

    @staticmethod
    def _log_density(y: Array, rho: Array) -> Array:
        # log(ρ/(ρ + 1)), the mass at 1, and Γ(y) Γ(ρ + 2)/Γ(y + ρ + 1).
        return np.asarray(-log1p(1 / rho) + log_beta(y, rho + 1) + log(rho + 1))

    @staticmethod
    def _score(y: Array, rho: Array) -> Arrays:
        gap = digamma_gap(rho + 2, y - 1)
        return (1 / (rho * (rho + 1)) - log1p((y - 1) / (rho + 2)) - gap,)

    @staticmethod
    def _curvature(y: Array, rho: Array) -> Arrays:
        slope = trigamma_gap(rho + 2, y - 1)
        head = -(2 * rho + 1) / (rho * (rho + 1)) ** 2
        return (head + (y - 1) / ((rho + 2) * (y + rho + 1)) - slope,)

    @staticmethod
    def _degenerate(s: Summary, rho: Array | None) -> tuple[Limit, ...]:
        if rho is not None:
            return ()
        zero = full(s.minimum, 0.0)
        sentence = "every observation is 1: rho grows without bound"
        return (Limit(s.maximum == 1, Status.NOT_ATTAINED, sentence, (zero + inf,), zero),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        # Exact for the share of ones; the tail corrects it.
        return (1 / np.maximum(log(x).mean(axis=-1), 0.01),)

    @staticmethod
    def _log_sf(y: Array, rho: Array) -> Array:
        y = np.maximum(y, 1.0)
        return np.asarray(log(y) + log_beta(y, rho + 1))

    @staticmethod
    def _log_cdf(y: Array, rho: Array) -> Array:
        return log(-expm1(YuleSimon._log_sf(y, rho)))

    @staticmethod
    def _quantile(u: Array, rho: Array) -> Array:
        return np.maximum(smallest_count(YuleSimon._log_cdf, u, np.asarray(inf), rho), 1.0)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], rho: Array) -> Array:
        # Geometric with probability exp(-E/ρ), E exponential; beyond 1e15 its integer part is it.
        rate = -log(-expm1(-rng.standard_exponential(size) / rho))
        return np.asarray(1 + floor(rng.standard_exponential(size) / rate), dtype=float)

    @staticmethod
    def _mean(rho: Array) -> Array:
        exists = rho > 1
        return where(exists, rho / where(exists, rho - 1, 1.0), inf)

    @staticmethod
    def _variance(rho: Array) -> Array:
        exists = rho > 2
        r = where(exists, rho, 3.0)
        return where(exists, (r / (r - 1)) ** 2 / (r - 2), inf)

    @staticmethod
    def _scipy(rho: Array) -> Twin:
        return "yulesimon", {"alpha": rho}


# ---------------------------------------------------------------------------- discrete uniform


class DiscreteUniform(Model):
    r"""Uniform on the integers a, a+1, ..., b: log q = −log(b − a + 1).

    scipy.stats: ``randint(low=a, high=b + 1)``. R: ``extraDistr::ddunif`` (min, max). The estimates are
    the extreme observations; intervals come from their exact law (Goodman 1952 for a known end).

    Examples
    --------
    >>> import mlece
    >>> mlece.DiscreteUniform(lower=1, upper=6).mean
    3.5
    """

    support = integers
    aliases = ("randint",)
    unit_free_sums = True
    affine = True
    unit_carrier = True
    lower = Param(integers, "a", typical=(-30, 0), regular=False, doc="smallest value")
    upper = Param(integers, "b", typical=(0, 30), regular=False, doc="largest value")

    def _check_shapes(self) -> None:
        super()._check_shapes()
        check_ordered(self, "lower", "upper", strict=False)

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (np.zeros_like(y),)

    @staticmethod
    def _log_density(t: Arrays, lower: Array, upper: Array) -> Array:
        return np.asarray(t[0] - log(upper - lower + 1))

    @staticmethod
    def _score(t: Arrays, lower: Array, upper: Array) -> Arrays:
        return 1 / (upper - lower + 1), -1 / (upper - lower + 1)

    @staticmethod
    def _curvature(t: Arrays, lower: Array, upper: Array) -> Arrays:
        square = (upper - lower + 1) ** 2
        return 1 / square, -1 / square, 1 / square

    @staticmethod
    def _expected_statistics(lower: Array, upper: Array) -> Arrays:
        return (0 * (lower + upper),)

    @staticmethod
    def _bounds(lower: Array, upper: Array) -> Arrays:
        return lower + 0 * upper, upper + 0 * lower

    @staticmethod
    def _maximise(s: Summary, lower: Array | None, upper: Array | None) -> Arrays:
        return or_fixed(s.minimum, lower), or_fixed(s.maximum, upper)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        lower, upper = theta
        width = upper - lower + 1
        reach = _furthest(width, n, alpha, bool(fixed)) - width
        ends = {"lower": (lower - reach, lower), "upper": (upper, upper + reach)}
        return {name: ends[name] for name in ends if name not in fixed}

    @staticmethod
    def _start(x: Array) -> Arrays:
        return x.min(axis=-1), x.max(axis=-1)

    @staticmethod
    def _log_cdf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower + 1
        return log_probability((y - lower + 1) / width, (upper - y) / width)

    @staticmethod
    def _log_sf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower + 1
        return log_probability((upper - y) / width, (y - lower + 1) / width)

    @staticmethod
    def _quantile(u: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower + 1
        steps = np.maximum(np.ceil(u * width), 1.0)
        # The product may round up across an integer.
        return np.asarray(
            lower + where((steps - 1) / width >= u, np.maximum(steps - 2, 0), steps - 1)
        )

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], lower: Array, upper: Array
    ) -> Array:
        low, high = np.asarray(lower).astype(np.int64), np.asarray(upper).astype(np.int64)
        return np.asarray(rng.integers(low, high, size, endpoint=True), dtype=float)

    @staticmethod
    def _entropy(lower: Array, upper: Array) -> Array:
        return np.asarray(log(upper - lower + 1))

    @staticmethod
    def _mean(lower: Array, upper: Array) -> Array:
        return lower + 0.5 * (upper - lower)

    @staticmethod
    def _variance(lower: Array, upper: Array) -> Array:
        return np.asarray((upper - lower) * (upper - lower + 2) / 12)

    @staticmethod
    def _scipy(lower: Array, upper: Array) -> Twin:
        return "randint", {"low": lower, "high": upper + 1}


def _furthest(width: Array, n: Any, alpha: float, known: bool) -> Array:
    """Return the greatest width W from which a sample's width, or less, has probability above alpha.

    With one end known that is (w/W)^n. Else, given the smallest observation, it is
    (w^n - (w-1)^n)/(W^n - (W-1)^n), whatever the lower end.
    """

    def volume(w: Array) -> Array:
        less = 0.0 if known else where(w > 1, log1mexp(-n * log1p(-1 / w)), 0.0)
        return np.asarray(n * log(w) + less)

    limit = volume(width) - log(alpha)
    low, high = width.astype(float), 2 * width.astype(float)
    while (volume(high) < limit).any():
        high = 2 * high
    while (high - low > 1).any():
        middle = floor(0.5 * (low + high))
        inside = volume(middle) < limit
        low, high = where(inside, middle, low), where(inside, high, np.maximum(middle, low + 1))
    return np.asarray(low)
