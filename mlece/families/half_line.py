"""Families on the positive half line: waiting times and life times."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.domain import nonnegative, positive
from mlece.families.gamma_tails import of_gamma
from mlece.limits import Limit, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.links.unit_links import cloglog_link
from mlece.math import (
    EULER,
    LOG_2PI,
    Array,
    Arrays,
    digamma,
    exp,
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
    log_probability,
    sqrt,
    stirling_remainder,
    trigamma,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary, cuts, sum_log, weighted_sum
from mlece.numerics.jets import Jet, Pairs, jet_log
from mlece.param import Param

# ---------------------------------------------------------------------------- Exponential


def exponential_from(
    rate: Array, n: Any, alpha: float, rate_known: bool, start_known: bool
) -> tuple[Arrays, Array]:
    """Return exact intervals for an exponential law from an unknown point on.

    n β (m̂ − m) ~ Exp(1), independent of n β/β̂ ~ Gamma(n − 1) (Epstein and Sobel 1954, Annals of
    Mathematical Statistics 25, 373-381).

    Parameters
    ----------
    rate : array
        Its estimate, or known value.
    n : float or array
        Number of observations.
    alpha : float
        One less the level.
    rate_known, start_known : bool

    Returns
    -------
    pair : tuple of arrays
        For the rate.
    reach : array
        How far below the least observation the law may begin.
    """
    low, high = (
        rate / n * gammaincinv(n if start_known else n - 1, u)
        for u in (0.5 * alpha, 1 - 0.5 * alpha)
    )
    if rate_known:
        return (low, high), -log(alpha) / (n * rate)
    with np.errstate(divide="ignore"):
        return (low, high), expm1(-log(alpha) / (n - 1)) / rate


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
    concave_in = ("rate", "log")
    everyday = True
    aliases = ("expon", "exp")
    unit_free_sums = True
    affine = True
    unit_carrier = True
    collapsible = False
    rate = Param(positive, r"\beta", typical=(0.2, 4), role="inverse scale", doc="rate")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        return (weighted_sum(y, w, y.shape[1]),)

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
    def _information(rate: Jet) -> Pairs:
        return {(0, 0): 1.0 / (rate * rate)}

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
    def _standardised(y: Array, rate: Any) -> tuple[Tails, Any]:
        return cloglog_link, log(y) + jet_log(rate)

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

    @staticmethod
    def _scipy(rate: Array) -> Twin:
        return "expon", {"scale": 1 / rate}


# ---------------------------------------------------------------------------- Gamma


def gamma_shape(gap: Array) -> Array:
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
        if (np.abs(step) < 3e-9).all():
            break  # what is left is of the order of the square
    return np.asarray(shape)


def _narrow(y: Array) -> bool:
    """Tell whether all observations lie within 1e-4 of 1; the first one settles it for most."""
    if not y.size or abs(y.flat[0] - 1) >= 1e-4:
        return False
    row = y.reshape(1, -1)
    return all(np.max(abs(piece - 1)) < 1e-4 for piece, _ in cuts(row, None))


def _second_order(d: Array) -> Array:
    """Return log(1 + d) - d for small d."""
    return -d * d * (1 / 2 - d * (1 / 3 - d * (1 / 4 - d / 5)))


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
    everyday = True
    affine = True
    top_asked = False
    unit_carrier = True
    shape = Param(positive, r"\alpha", typical=(0.5, 8), doc="shape")
    rate = Param(positive, r"\beta", typical=(0.2, 4), role="inverse scale", doc="rate")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # In the frame y is of order 1. A large shape lives on log y - (y - 1), of second order.
        d, log_y = y - 1, log(y)
        return d, log_y, _second_order(d) if _narrow(y) else log_y - d

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        m = y.shape[1]
        if _narrow(y):
            return tuple(weighted_sum(t, w, m) for t in Gamma._statistics(y))
        first = weighted_sum(y, w, m) - (m if w is None else w.sum(axis=1))
        second = sum_log(y, w)
        return first, second, second - first

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
            shape = gamma_shape(where(plain < 0.05, log1pmx(d) - curved, plain))
        return or_fixed(d, shape), or_fixed(shape / (1 + d), rate)

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, rate: Array | None) -> tuple[Limit, ...]:
        d, _, _ = s.mean
        if shape is not None or rate is not None:
            return ()
        sentence = "every observation is equal: shape and rate grow without bound at a fixed ratio"
        limit = (full(d, inf), full(d, inf))
        return point_mass(s, sentence, limit)

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
    def _standardised(y: Array, shape: Any, rate: Any) -> tuple[Tails, Any, Any]:
        return of_gamma(log(y) + jet_log(rate / shape), shape)

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

    @staticmethod
    def _scipy(shape: Array, rate: Array) -> Twin:
        return "gamma", {"a": shape, "scale": 1 / rate}


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
    concave_in = ("scale", "log")
    everyday = True
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
    def _tilt(y: Array, out: Array) -> Array:
        return log(y, out=out)

    @staticmethod
    def _tilt_rate(shape: Array) -> Array:
        return shape

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
        limit = (full(s.minimum, inf), s.minimum)
        return point_mass(s, sentence, limit, s.minimum, scale)

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
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return cloglog_link, shape * (log(y) - jet_log(scale))

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

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "weibull_min", {"c": shape, "scale": scale}
