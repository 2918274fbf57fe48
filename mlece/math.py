"""The one door through which formulas reach numpy and scipy.special.

Families import their functions from here. Besides the elementary functions the module holds the few
combinations whose textbook form cancels: they keep full relative precision where the parts do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import (
    abs,
    cos,
    cosh,
    exp,
    expm1,
    floor,
    isfinite,
    log,
    log1p,
    maximum,
    minimum,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    where,
)
from scipy.special import (
    betainc,
    betaincinv,
    betaln,
    digamma,
    erfc,
    erfcx,
    exp1,
    expit,
    gammainc,
    gammaincc,
    gammaincinv,
    gammaln,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    stdtr,
    stdtrit,
    xlog1py,
    xlogy,
    zeta,
)

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]

EULER = 0.57721566490153286061
LOG_2PI = 1.83787706640934548356
LOG_PI = 1.14472988584940017414
inf = np.inf
pi = np.pi

# Bernoulli coefficients B_2j / (2j (2j - 1)) of the Stirling series of log Gamma.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_LARGE = 16.0


def trigamma(x: Array) -> Array:
    """Second derivative of log Gamma at x > 0."""
    return np.asarray(zeta(2.0, x))


def tetragamma(x: Array) -> Array:
    """Third derivative of log Gamma at x > 0."""
    return np.asarray(-2.0 * zeta(3.0, x))


def _series(x: Array, powers: int) -> Array:
    """Sum c_j x^(-j) for the Stirling coefficients differentiated ``powers`` times (0 or 1)."""
    u = 1.0 / x
    u2 = u * u
    total = np.zeros_like(u)
    for j in range(len(_STIRLING), 0, -1):
        c = _STIRLING[j - 1]
        total = total * u2 + (c if powers == 0 else -(2 * j - 1) * c)
    return total * (u if powers == 0 else u2)


def stirling_remainder(x: Array) -> Array:
    """Return log Gamma(x) - [(x - 1/2) log x - x + log(2 pi)/2] without cancellation, x > 0."""
    x = np.asarray(x, dtype=float)
    big = np.maximum(x, _LARGE)
    direct = gammaln(np.minimum(x, _LARGE)) - (
        (np.minimum(x, _LARGE) - 0.5) * log(np.minimum(x, _LARGE))
        - np.minimum(x, _LARGE)
        + 0.5 * LOG_2PI
    )
    return np.where(x < _LARGE, direct, _series(big, 0))


def log_minus_digamma(x: Array) -> Array:
    """Return log x - psi(x) without cancellation for large x > 0."""
    x = np.asarray(x, dtype=float)
    big = np.maximum(x, _LARGE)
    small = np.minimum(x, _LARGE)
    return np.where(x < _LARGE, log(small) - digamma(small), 0.5 / big - _series(big, 1))


def digamma_gap(r: Array, y: Array) -> Arrays:
    """Return f(r) - f(r + y) and its derivative in r, f = log - psi, exact for large r too."""
    large = r > 30.0
    s, x = np.where(large, 30.0, r), np.where(large, 0.0, y)
    gap = log_minus_digamma(s) - log_minus_digamma(s + x)
    slope = (1 / s - trigamma(s)) - (1 / (s + x) - trigamma(s + x))
    # The leading terms 1/2r and -1/2r^2 are differenced by hand; the rest is small beside them.
    b = np.where(large, r, 30.0)
    c = b + y

    def rest(a: Array) -> Array:
        u = 1 / a**2
        return u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u / 240)))

    def rest_slope(a: Array) -> Array:
        u = 1 / a**2
        return -(u / a) * (1 / 6 - u * (1 / 30 - u * (1 / 42 - u / 30)))

    far = 0.5 * y / b / c + (rest(b) - rest(c))
    far_slope = -0.5 * y * (b + c) / (b * c) ** 2 + (rest_slope(b) - rest_slope(c))
    return np.where(large, far, gap), np.where(large, far_slope, slope)


def log1pmx(x: Array) -> Array:
    """Return log(1 + x) - x without cancellation for small x > -1."""
    x = np.asarray(x, dtype=float)
    # With z = x / (2 + x): log(1 + x) = 2 atanh z, a series in z^2, whose 18 terms reach 1e-17 at
    # |x| <= 1/2.
    near = np.abs(x) <= 0.5
    safe = np.where(near, x, 0.0)
    z = safe / (2.0 + safe)
    z2 = z * z
    total = np.zeros_like(z)
    for j in range(17, 0, -1):
        total = total * z2 + 2.0 / (2 * j + 1)
    # 2 z - x = -x z exactly in the algebra.
    return np.where(near, total * z2 * z - safe * z, log1p(np.where(near, 0.0, x)) - x)


def log_beta(a: Array, b: Array) -> Array:
    """Return log B(a, b) for a, b > 0, without cancellation where one of them is large."""
    big, step = np.maximum(a, b), np.minimum(a, b)
    # log Γ(big) - log Γ(big + step) by Stirling's formula, the linear parts cancelled by hand.
    ratio = step / big
    fall = -big * log1pmx(ratio) + 0.5 * log1p(ratio) - step * log(big + step)
    remainder = stirling_remainder(big) - stirling_remainder(big + step)
    return np.asarray(gammaln(step) + fall + remainder)


def mean_log1p(x: Array) -> Arrays:
    """Return log(1 + x)/x for x >= 0 with its first two derivatives, 1 at x = 0."""
    x = np.asarray(x, dtype=float)
    near = x < 0.05
    small, big = np.where(near, x, 0.0), np.where(near, 1.0, x)
    value, slope, bend = (np.zeros_like(x) for _ in range(3))
    for k in range(16, -1, -1):  # 0.05^17 is below rounding
        bend = bend * small + 2 * slope
        slope = slope * small + value
        value = value * small + (-1.0) ** k / (k + 1)
    tail, inverse = 1 / (1 + big), 1 / big
    far = log1p(big) * inverse
    far_slope = (tail - far) * inverse
    far_bend = -(tail * tail + 2 * far_slope) * inverse
    pairs = ((value, far), (slope, far_slope), (bend, far_bend))
    return tuple(np.where(near, a, b) for a, b in pairs)


def log1mexp(t: Array) -> Array:
    """Return log(1 - exp(-t)), t >= 0, accurate for small and for large t."""
    near = t < 0.6931471805599453
    return where(near, log(-expm1(-where(near, t, 1.0))), log1p(-exp(-where(near, 1.0, t))))


def log_probability(p: Array, complement: Array) -> Array:
    """Return log p for a probability of which the complement 1 - p is known as well."""
    small = p < 0.5
    return where(small, log(where(small, p, 1.0)), log1p(-where(small, 0.0, complement)))


def log_minus_step(ratio: Array, step: Array) -> Array:
    """Return log(ratio) - step, where step = ratio - 1 is known without cancellation."""
    near = abs(step) < 0.5
    return where(near, log1pmx(where(near, step, 0.0)), log(where(near, 1.0, ratio)) - step)


def ratio_or_zero(count: Array, p: Array) -> Array:
    """Return count / p, 0 where the count is 0 even at p = 0."""
    return where(count == 0, 0.0, count / where(count == 0, 1.0, p))


def logsumexp(a: Array, axis: int = -1, keepdims: bool = False) -> Array:
    """Log of a sum of exponentials; -inf where every term is -inf."""
    top = np.max(a, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        out = log(np.sum(exp(a - shift), axis=axis, keepdims=True)) + shift
    return np.asarray(out if keepdims else np.squeeze(out, axis=axis))


def smallest_count(log_cdf: Callable[..., Array], u: Array, upper: Array, *theta: Array) -> Array:
    """Return the smallest count y <= upper with P(Y <= y) >= u, by doubling and bisection."""
    u, upper, *rest = np.broadcast_arrays(u, upper, *theta)
    target = log(u)
    low, high = np.full(u.shape, -1.0), np.zeros(u.shape)
    for _ in range(1100):
        short = (log_cdf(high, *rest) < target) & (high < upper)
        if not short.any():
            break
        low = where(short, high, low)
        high = where(short, 2 * high + 1, high)
    high = np.minimum(high, upper)
    for _ in range(1100):
        middle = floor(0.5 * (low + high))
        open_ = (high - low > 1) & (middle > low) & (middle < high) & np.isfinite(high)
        if not open_.any():
            break
        reached = log_cdf(middle, *rest) >= target
        high, low = where(open_ & reached, middle, high), where(open_ & ~reached, middle, low)
    return where(u == 1, upper, high)


__all__ = [
    "EULER",
    "LOG_2PI",
    "LOG_PI",
    "Array",
    "Arrays",
    "abs",
    "betainc",
    "betaincinv",
    "betaln",
    "cos",
    "cosh",
    "digamma",
    "digamma_gap",
    "erfc",
    "erfcx",
    "exp",
    "exp1",
    "expit",
    "expm1",
    "floor",
    "gammainc",
    "gammaincc",
    "gammaincinv",
    "gammaln",
    "inf",
    "isfinite",
    "log",
    "log1mexp",
    "log1p",
    "log1pmx",
    "log_beta",
    "log_minus_digamma",
    "log_minus_step",
    "log_ndtr",
    "log_probability",
    "logit",
    "logsumexp",
    "maximum",
    "mean_log1p",
    "minimum",
    "ndtr",
    "ndtri",
    "pi",
    "ratio_or_zero",
    "sign",
    "sin",
    "sinh",
    "smallest_count",
    "sqrt",
    "square",
    "stdtr",
    "stdtrit",
    "stirling_remainder",
    "tan",
    "tanh",
    "tetragamma",
    "trigamma",
    "where",
    "xlog1py",
    "xlogy",
    "zeta",
]
