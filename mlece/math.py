"""The one door through which formulas reach numpy and scipy.special.

Families import their functions from here. Besides the elementary functions the module holds the few
combinations whose textbook form cancels: they keep full relative precision where the parts do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import (
    abs,
    arcsinh,
    arctan,
    arctan2,
    ceil,
    cos,
    cosh,
    exp,
    expm1,
    floor,
    hypot,
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
    chndtr,
    digamma,
    erfc,
    erfcx,
    exp1,
    expit,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    i0e,
    i1e,
    k0e,
    k1e,
    kve,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    owens_t,
    stdtr,
    stdtrit,
    xlog1py,
    xlogy,
    zeta,
)

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]
Formula = Callable[..., Array]

EULER = 0.57721566490153286061
LOG_2PI = 1.83787706640934548356
LOG_PI = 1.14472988584940017414
inf = np.inf
pi = np.pi

# Bernoulli coefficients B_2j / (2j (2j - 1)) of the Stirling series of log Gamma.
STIRLING = np.array((1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156))
_STIRLING_SLOPE = -np.arange(1.0, 15.0, 2.0) * STIRLING
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
    if powers == 0:
        return _horner(u * u, STIRLING) * u
    return _horner(u * u, _STIRLING_SLOPE) * (u * u)


def chosen(mask: Array, first: Formula, second: Formula, *x: Array) -> Array:
    """Return first(*x) where a mask holds and second(*x) elsewhere; one that is not needed is not run."""
    count = np.count_nonzero(mask)
    if count == 0 or count == mask.size:
        return np.asarray(first(*x) if count else second(*x))
    with np.errstate(all="ignore"):
        return np.where(mask, first(*x), second(*x))


def stirling_remainder(x: Array) -> Array:
    """Return log Gamma(x) - [(x - 1/2) log x - x + log(2 pi)/2] without cancellation, x > 0."""
    x = np.asarray(x, dtype=float)

    def direct(x: Array) -> Array:
        return np.asarray(gammaln(x) - ((x - 0.5) * log(x) - x + 0.5 * LOG_2PI))

    return chosen(x < _LARGE, direct, lambda x: _series(x, 0), x)


def log_minus_digamma(x: Array) -> Array:
    """Return log x - psi(x) without cancellation for large x > 0."""
    x = np.asarray(x, dtype=float)
    return chosen(x < _LARGE, lambda x: log(x) - digamma(x), lambda x: 0.5 / x - _series(x, 1), x)


def _trigamma_tail(x: Array) -> Array:
    v = 1.0 / x
    u = v * v
    # Bernoulli numbers B_2 .. B_12 of the asymptotic series: 1e-17 of the sum at 16.
    tail = 1 / 6 - u * (1 / 30 - u * (1 / 42 - u * (1 / 30 - u * (5 / 66 - u * 691 / 2730))))
    return u * (0.5 + v * tail)


def trigamma_excess(x: Array) -> Array:
    """Return psi'(x) - 1/x without cancellation for large x > 0."""
    x = np.asarray(x, dtype=float)
    return chosen(x < _LARGE, lambda x: trigamma(x) - 1.0 / x, _trigamma_tail, x)


def inverse_digamma(value: Array) -> Array:
    """Return the x > 0 with psi(x) = value, by Newton's iteration (Minka 2002, appendix C)."""
    value = np.asarray(value, dtype=float)
    near_zero = value < -2.22
    x = np.where(near_zero, -1.0 / (np.where(near_zero, value, -3.0) + EULER), exp(value) + 0.5)
    for _ in range(6):
        x = x - (digamma(x) - value) / trigamma(x)
    return np.asarray(x)


def _rest(a: Array) -> Array:
    u = 1 / a**2
    return u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u / 240)))


def _rest_slope(a: Array) -> Array:
    u = 1 / a**2
    return -(u / a) * (1 / 6 - u * (1 / 30 - u * (1 / 42 - u / 30)))


def digamma_gap(r: Array, y: Array) -> Array:
    """Return f(r) - f(r + y), f = log - psi, exact for large r too."""
    return chosen(
        r > 30.0,
        # The leading terms 1/2r are differenced by hand; the rest is small beside them.
        lambda r, y: 0.5 * y / r / (r + y) + (_rest(r) - _rest(r + y)),
        lambda r, y: log_minus_digamma(r) - log_minus_digamma(r + y),
        r,
        y,
    )


def trigamma_gap(r: Array, y: Array) -> Array:
    """Return the derivative of :func:`digamma_gap` in r."""
    return chosen(
        r > 30.0,
        lambda r, y: (
            -0.5 * y * (r + r + y) / (r * (r + y)) ** 2 + (_rest_slope(r) - _rest_slope(r + y))
        ),
        lambda r, y: (1 / r - trigamma(r)) - (1 / (r + y) - trigamma(r + y)),
        r,
        y,
    )


def _log1pmx_near(x: Array) -> Array:
    # With z = x / (2 + x): log(1 + x) = 2 atanh z, a series in z^2, whose 18 terms reach 1e-17 at
    # |x| <= 1/2; 2 z - x = -x z exactly in the algebra.
    z = x / (2.0 + x)
    z2 = z * z
    return _horner(z2, _ATANH) * z2 * z - x * z


def log1pmx(x: Array) -> Array:
    """Return log(1 + x) - x without cancellation for small x > -1."""
    x = np.asarray(x, dtype=float)
    return chosen(np.abs(x) <= 0.5, _log1pmx_near, lambda x: log1p(x) - x, x)


def _horner(x: Array, coefficients: Array) -> Array:
    """Return the sum of c_k x^k, in one buffer."""
    last, *rest = coefficients[::-1].tolist()
    total = np.full_like(x, last)
    for c in rest:
        total *= x
        total += c
    return np.asarray(total)


def _log1p_series() -> Array:
    """Return the coefficients of L''(x), L = log(1 + x)/x, in powers of u = x / (2 + x)."""
    # L = (1 - u) (1 + u^2/3 + u^4/5 + ...) and d/dx = (1 - u)^2/2 d/du.
    c = np.repeat(1.0 / np.arange(1.0, 25.0, 2.0), 2) * np.tile([1.0, -1.0], 12)
    for _ in range(2):
        slope = c[1:] * np.arange(1, len(c))
        c = np.convolve(slope, [0.5, -1.0, 0.5])[: len(slope)]
    return np.asarray(c[:20])


_LOG1P_SECOND = _log1p_series()
_ATANH = 2.0 / np.arange(3.0, 37.0, 2.0)


def log1p_ratio(x: Array) -> Arrays:
    """Return L(x) = log(1 + x) / x and its first two derivatives, full precision through x = 0."""
    x = np.asarray(x, dtype=float)
    inverse = 1.0 / (1.0 + x)
    near = np.abs(x) < 0.25
    # L' = (1/(1+x) - L)/x and L'' = -(1/(1+x)^2 + 2 L')/x cancel near 0; read from right to left they
    # do not. |u| < 1/7, of which 20 powers reach 1e-17.
    t = x if near.all() else np.where(near, x, 0.0)
    second = _horner(t / (2.0 + t), _LOG1P_SECOND)
    first = -0.5 * (inverse * inverse + t * second)
    ratio = inverse - t * first
    if t is x:
        return ratio, first, second
    safe = np.where(near, 1.0, x)
    far = log1p(safe) / safe
    far1 = (inverse - far) / safe
    far2 = -(inverse * inverse + 2.0 * far1) / safe
    return np.where(near, ratio, far), np.where(near, first, far1), np.where(near, second, far2)


# log Γ(1 - x) = γ x + Σ c_k x^k, c_k = ζ(k)/k for k = 2 .. 32: 1e-18 of the sum at |x| = 0.3.
_POWERS = np.arange(2.0, 33.0)
_LOG_GAMMA = zeta(_POWERS) / _POWERS


def log_gamma_near_one(x: Array) -> Array:
    """Return log Gamma(1 - x) / x, full precision through x = 0, x < 1."""
    x = np.asarray(x, dtype=float)
    near = np.abs(x) < 0.3
    t = np.where(near, x, 0.0)
    safe = np.where(near, 0.5, x)
    return np.where(near, EULER + t * _horner(t, _LOG_GAMMA), gammaln(1.0 - safe) / safe)


def log_gamma_excess(x: Array) -> Array:
    """Return [log Gamma(1 - 2x) - 2 log Gamma(1 - x)] / x^2, full precision through x = 0, x < 1/2."""
    x = np.asarray(x, dtype=float)
    near = np.abs(x) < 0.15
    # In the difference of the series the linear terms cancel.
    series = _horner(np.where(near, x, 0.0), _LOG_GAMMA * (2.0**_POWERS - 2.0))
    safe = np.where(near, 0.25, x)
    far = gammaln(1.0 - 2.0 * safe) - 2.0 * gammaln(1.0 - safe)
    return np.where(near, series, far / safe**2)


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow."""
    return np.asarray(np.logaddexp(0.0, x))


def logcosh(x: Array) -> Array:
    """Return log cosh x, accurate for small and for large x."""
    size = np.abs(x)
    return np.asarray(
        where(
            size < 1,
            0.5 * log1p(square(sinh(where(size < 1, x, 0.0)))),
            size + log1p(exp(-2 * size)) - 0.6931471805599453,
        )
    )


def exp_remainders(x: Array) -> Arrays:
    """Return phi_1 = (e^x - 1)/x, phi_2 = (e^x - 1 - x)/x^2, each with its first two derivatives.

    Both are smooth, 1 and 1/2 at 0: phi_1 = 1 + x phi_2. Away from 0, with phi_0 = e^x,
    x phi_k' = phi_(k-1) - k phi_k and x phi_k'' = phi_(k-1)' - (k + 1) phi_k'.
    """
    x = np.asarray(x, dtype=float)
    near = np.abs(x) < 2.0
    far = where(near, 2.0, x)
    below: Arrays = (exp(far),) * 3
    out: Arrays = ()
    for k in (1, 2):
        value = (expm1(far) if k == 1 else below[0] - 1.0) / far
        first = (below[0] - k * value) / far
        below = (value, first, (below[1] - (k + 1) * first) / far)
        out = (*out, *below)
    if not np.any(near):
        return out
    small = where(near, x, 0.0)
    second = []
    for d in range(3):
        total = np.zeros_like(small)
        # The terms fall below 1e-17 at j = 24.
        for j in range(24, -1, -1):
            total = total * small + math.perm(j + d, d) / math.factorial(j + d + 2)
        second.append(total)
    value, first, bend = second
    series = (1 + small * value, value + small * first, 2 * first + small * bend, *second)
    return tuple(where(near, s, f) for s, f in zip(series, out, strict=True))


def log_beta(a: Array, b: Array) -> Array:
    """Return log B(a, b) for a, b > 0, without cancellation where one of them is large."""
    big, step = np.maximum(a, b), np.minimum(a, b)
    # log Γ(big) - log Γ(big + step) by Stirling's formula, the linear parts cancelled by hand.
    ratio = step / big
    fall = -big * log1pmx(ratio) + 0.5 * log1p(ratio) - step * log(big + step)
    remainder = stirling_remainder(big) - stirling_remainder(big + step)
    return np.asarray(gammaln(step) + fall + remainder)


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
    return chosen(
        abs(step) <= 0.5, lambda _, s: _log1pmx_near(s), lambda r, s: log(r) - s, ratio, step
    )


_FACTORIALS = gammaln(np.arange(1.0, 257.0))


def log_factorial(y: Array) -> Array:
    """Return log y!; where all counts are small, from a table."""
    if y.size and y.min() >= 0 and y.max() < len(_FACTORIALS):
        count = y.astype(np.intp)
        if (count == y).all():
            return np.asarray(_FACTORIALS.take(count))
    return np.asarray(gammaln(y + 1))


def ratio_or_zero(count: Array, p: Array) -> Array:
    """Return count / p, 0 where the count is 0 even at p = 0."""
    return where(count == 0, 0.0, count / where(count == 0, 1.0, p))


def times(power: Array, log_y: Array) -> Array:
    """Return power * log_y, 0 where the power is 0 even if y = 0."""
    return where(power == 0, 0.0, power * where(power == 0, 0.0, log_y))


def wrap_angle(angle: Array) -> Array:
    """Return an angle in radians brought to (-pi, pi]; one that lies there stays as it is."""
    return np.asarray(angle - 2 * pi * ceil((angle - pi) / (2 * pi)))


def inverse_mills(x: Array) -> Arrays:
    """Return ζ = φ(x)/Φ(x), e = x + ζ, and f = e ζ − 1, each without cancellation.

    The first two derivatives of log Φ are ζ and −e ζ = −(1 + f). Below −12 the terms cancel; the
    asymptotic series of Mills' ratio takes their place.
    """
    x = np.asarray(x, dtype=float)
    far = x < -12.0
    ratio = 0.7978845608028654 / erfcx(-0.7071067811865476 * x)
    if not far.any():
        e = x + ratio
        return ratio, e, e * ratio - 1
    t = where(far, -x, 12.0)
    u = 1 / t**2
    # 1 − t m(t) = u − 3 u² + 15 u³ − ..., m Mills' ratio at t.
    rest = np.ones_like(u)
    for j in range(24, 1, -1):
        rest = 1 - (2 * j + 1) * u * rest
    total = 1 - 3 * u * rest
    e = where(far, ratio * u * total, x + ratio)
    # With ζ = t (1 + e/t) the 1 of e ζ = total (1 + e/t)² drops out.
    step = e / t
    beyond = total * step * (2 + step) - 3 * u * rest
    return ratio, e, where(far, beyond, e * ratio - 1)


def logsumexp(a: Array, axis: int = -1, keepdims: bool = False) -> Array:
    """Log of a sum of exponentials; -inf where every term is -inf."""
    top = np.max(a, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        out = log(np.sum(exp(a - shift), axis=axis, keepdims=True)) + shift
    return np.asarray(out if keepdims else np.squeeze(out, axis=axis))


__all__ = [
    "EULER",
    "LOG_2PI",
    "LOG_PI",
    "Array",
    "Arrays",
    "abs",
    "arcsinh",
    "arctan",
    "arctan2",
    "betainc",
    "betaincinv",
    "betaln",
    "ceil",
    "chndtr",
    "chosen",
    "cos",
    "cosh",
    "digamma",
    "digamma_gap",
    "erfc",
    "erfcx",
    "exp",
    "exp1",
    "exp_remainders",
    "expit",
    "expm1",
    "floor",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "hypot",
    "i0e",
    "i1e",
    "inf",
    "inverse_digamma",
    "inverse_mills",
    "isfinite",
    "k0e",
    "k1e",
    "kve",
    "log",
    "log1mexp",
    "log1p",
    "log1p_ratio",
    "log1pmx",
    "log_beta",
    "log_factorial",
    "log_gamma_excess",
    "log_gamma_near_one",
    "log_minus_digamma",
    "log_minus_step",
    "log_ndtr",
    "log_probability",
    "logcosh",
    "logit",
    "logsumexp",
    "maximum",
    "minimum",
    "ndtr",
    "ndtri",
    "owens_t",
    "pi",
    "ratio_or_zero",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "stdtr",
    "stdtrit",
    "stirling_remainder",
    "tan",
    "tanh",
    "tetragamma",
    "times",
    "trigamma",
    "trigamma_excess",
    "trigamma_gap",
    "where",
    "wrap_angle",
    "xlog1py",
    "xlogy",
    "zeta",
]
