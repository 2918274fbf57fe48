"""Logarithms of modified Bessel functions and their derivatives, over the whole range of doubles."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from mlece.math import LOG_2PI, Array, Arrays, exp, gammaln, log, sqrt
from mlece.numerics.jets import Jet, compose, jet_log, jet_log1p, jet_sqrt, variables

# From here on the terms of the uniform expansion fall below 1e-16 before its 18th.
_FAR = 30.0
_TERMS = 18
# Where the logarithm of an integrand has fallen by this much, the rest is below rounding.
_FALL = 40.0
_CHUNK = 4096


@cache
def _uniform_coefficients() -> Array:
    """Return c[k, j] of U_k(p) = p^k Σ_j c[k, j] p^2j (Olver 1954; DLMF 10.41.9)."""
    u = {0: Fraction(1)}
    out = np.zeros((_TERMS + 1, _TERMS + 1))
    for k in range(_TERMS + 1):
        for power, c in u.items():
            out[k, (power - k) // 2] = float(c)
        after: dict[int, Fraction] = {}
        for power, c in u.items():
            gain = Fraction(power, 2) + Fraction(1, 8 * (power + 1))
            loss = -Fraction(power, 2) - Fraction(5, 8 * (power + 3))
            after[power + 1] = after.get(power + 1, Fraction(0)) + gain * c
            after[power + 3] = after.get(power + 3, Fraction(0)) + loss * c
        u = after
    return out


def _uniform_sum(g: Jet, q: Jet, sign: float) -> Jet:
    """Return log Σ_k (sign g)^k Σ_j c[k, j] q^j."""
    shape = np.broadcast_shapes(np.shape(g.value), np.shape(q.value))
    x, y = (np.broadcast_to(v, shape)[..., None] for v in (g.value, q.value))
    k = np.arange(_TERMS + 1)
    down, lower = np.maximum(k - 1, 0), np.maximum(k - 2, 0)
    powers = [x**k, k * x**down, k * down * x**lower]
    rows = [y**k, k * y**down, k * down * y**lower]
    table = _uniform_coefficients() * (sign**k)[:, None]
    along = [(p @ table) for p in powers]

    def total(a: int, b: int) -> Array:
        return np.asarray((along[a] * rows[b]).sum(axis=-1))

    gradient = total(1, 0), total(0, 1)
    hessian = total(2, 0), total(1, 1), total(0, 2)
    return jet_log(compose(total(0, 0), gradient, hessian, (g, q)))


def _far_k(nu: Array, r: Array) -> Arrays:
    """Return the six parts of log(K_ν(1/r) exp(1/r) (2/πr)^½) by the uniform expansion."""
    order, recip = variables(nu, r)
    product = order * recip
    square = product * product
    root = jet_sqrt(1 + square)
    angle = np.arcsinh(product.value)
    cube = root.value**3
    bend = compose(angle, (1 / root.value,), (-product.value / cube,), (product,))
    main = order * bend - order * product / (1 + root) - 0.25 * jet_log1p(square)
    return (main + _uniform_sum(recip / root, square / (1 + square), -1.0)).parts()


def _near_k(nu: Array, r: Array) -> Arrays:
    """Return the same for moderate ν and 1/r: moments of the density exp(νt - x cosh t) in t.

    2 K_ν(x) is the integral of that density over the line (DLMF 10.32.9), and its derivatives are
    cumulants. The trapezoidal rule converges exponentially.
    """
    x, order = 1 / r, np.abs(nu)
    w = sqrt(order * order + x * x)
    mode = np.arcsinh(order / x)
    right = np.arccosh(1 + _FALL / w)
    with np.errstate(all="ignore"):
        left = np.minimum(1 + _FALL / order, np.arccosh((_FALL + w) * (w + order) / (x * x)))
    longest = float(np.max((left + right) / np.minimum(0.15, 0.6 / sqrt(w))))
    share = np.linspace(0.0, 1.0, int(np.ceil(longest)) + 2)[:, None]
    d = -left + share * (left + right)
    excess = x * x / (w + order)  # w - ν
    # w (cosh d - 1) + ν sinh d: where d is negative the two parts cancel to ν exp(d) and the excess.
    below = d < -0.5
    close, away = np.where(below, 0.0, d), np.where(below, d, 0.0)
    half = np.sinh(0.5 * close)
    c = np.where(
        below,
        excess * np.cosh(away) + order * exp(away) - w,
        2 * w * half * half + order * np.sinh(close),
    )
    small = np.abs(d) < 0.1
    d2 = np.where(small, d, 0.0) ** 2
    series = d * d2 * (1 / 6 + d2 * (1 / 120 + d2 * (1 / 5040 + d2 / 362880)))
    height = np.where(small, 2 * w * half * half + order * series, c - order * d)
    mass = exp(-height)
    total = mass.sum(axis=0)
    mass = mass / total
    t = (mass * d).sum(axis=0)
    # x cosh t is w at the mode, and w + c at the distance d from it.
    rise = (mass * c).sum(axis=0)
    dt, dc = d - t, c - rise
    var_t, cov, var_c = ((mass * a).sum(axis=0) for a in (dt * dt, dt * dc, dc * dc))
    step = (left + right) * share[1]
    gain = order * order / (w + x)  # w - x
    value = order * mode - gain + log(0.5 * step * total) + 0.5 * (LOG_2PI - 2 * np.log(np.pi))
    value = value - 0.5 * log(r)
    side = np.where(nu < 0, -1.0, 1.0)
    slope = 0.5 - gain - rise  # in log x
    bend = var_c - gain - rise
    return (
        value,
        side * (mode + t),
        -slope / r,
        var_t,
        side * cov / r,
        (bend + slope) / (r * r),
    )


def log_k(order: Jet, recip: Jet) -> Jet:
    """Return log(K_ν(x) exp(x) (2x/π)^½) for the order ν and x = 1/r, as a jet.

    Parameters
    ----------
    order : Jet
        ν, any real number.
    recip : Jet
        r = 1/x >= 0; at r = 0 the value is 0.
    """
    nu, r = np.broadcast_arrays(
        np.asarray(order.value, dtype=float), np.asarray(recip.value, dtype=float)
    )
    flat_nu, flat_r = nu.ravel(), r.ravel()
    out = np.empty((6, flat_nu.size))
    far = sqrt(1 + (flat_nu * flat_r) ** 2) >= _FAR * flat_r
    for mask, function in ((far, _far_k), (~far, _near_k)):
        index = np.flatnonzero(mask)
        for start in range(0, index.size, _CHUNK):
            cut = index[start : start + _CHUNK]
            out[:, cut] = np.stack(function(flat_nu[cut], flat_r[cut]))
    parts = [row.reshape(nu.shape) for row in out]
    return compose(parts[0], parts[1:3], parts[3:6], (order, recip))


def log_i_scaled(order: Array, s: Jet) -> Jet:
    """Return log(I_k(2 √s) / s^(k/2)) = log Σ_j s^j / (j! (j + k)!) for k = 0, 1, ... as a jet."""
    k, at = np.broadcast_arrays(np.asarray(order, dtype=float), np.asarray(s.value, dtype=float))
    out = np.empty((3, k.size))
    flat_k, flat_s = k.ravel(), at.ravel()
    far = flat_k * flat_k + 4 * flat_s >= _FAR * _FAR
    for mask, function in ((far, _far_i), (~far, _near_i)):
        if mask.any():
            out[:, mask] = np.stack(function(flat_k[mask], flat_s[mask]))
    parts = [row.reshape(k.shape) for row in out]
    return compose(parts[0], parts[1:2], parts[2:3], (s,))


def _far_i(k: Array, at: Array) -> Arrays:
    """Return value and derivatives in s by the uniform expansion (DLMF 10.41.3)."""
    (s,) = variables(at)
    w = jet_sqrt(k * k + 4 * s)
    g = 1 / w
    main = w - k * jet_log(0.5 * (k + w)) + 0.5 * jet_log(g) - 0.5 * LOG_2PI
    out: Jet = main + _uniform_sum(g, k * k * (g * g), 1.0)
    return out.parts()


def _near_i(k: Array, at: Array) -> Arrays:
    """Return the same by the power series, all of whose terms are positive."""
    # S_k' = S_{k+1}: the derivatives are ratios of series.
    sums = []
    for shift in range(3):
        term = np.ones_like(k)
        total = term.copy()
        # (k + j) j exceeds s = 225 four times over from j = 30 on: 70 terms reach 1e-20.
        for j in range(1, 70):
            term = term * at / (j * (k + shift + j))
            total = total + term
        sums.append(total)
    first = sums[1] / sums[0] / (k + 1)
    second = sums[2] / sums[0] / ((k + 1) * (k + 2)) - first * first
    return log(sums[0]) - gammaln(k + 1), first, second
