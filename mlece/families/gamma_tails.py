r"""The tails of the log-gamma law, as functions of the point and of the shape.

X has the gamma law of shape a = 1/q², W = log(X/a)/q has mean near 0 and variance near 1 and tends to the
normal law as q → 0 (Prentice 1974). With ℓ its log density and D ≥ 0 what that falls by beyond w,

    tail(w) = e^ℓ(w) ∫ e^(−D),  d log tail = E[dℓ | tail],  d² log tail = E[d²ℓ | tail] + Var[dℓ | tail]

for derivatives in q; those in w are closed. The integrals are taken by Gauss's rule on two panels, in W
itself downwards and in X upwards: there the integrand is smooth and falls about exponentially, however far
out, if a ≥ 1 (or, of upper tails, x ≥ 1). For smaller ones F(x; a) = x^a e^(−x)/Γ(a + 1) + F(x; a + 1) and
P(X > x) = P(x < X < 1) + P(X > 1), of which nothing cancels.

References
----------
Prentice, R. L. (1974). A log gamma model and its maximum likelihood estimation. Biometrika 61, 539–544.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlece.links.tails import (
    NODES,
    REACH,
    WEIGHTS,
    ShapedTails,
    Tails,
    by_rows,
    log_sum,
    reach,
    row_sums,
    unstacked,
)
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    digamma,
    exp,
    expm1,
    gammaln,
    log,
    log1p,
    log1pmx,
    log_minus_digamma,
    sqrt,
    stirling_remainder,
    trigamma,
    trigamma_excess,
    where,
)
from mlece.numerics.jets import Jet, compose, jet_gammaln, jet_log, jet_sqrt, variables

_LOG_2 = 0.6931471805599453
# Coefficients of the Stirling remainder of log Gamma(1/q²) in powers 2, 6, 10, ... of q.
_REMAINDER = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def stirling_of_square(q: Array) -> Arrays:
    """Return the Stirling remainder of log Gamma at 1/q² and its first two derivatives in q."""
    q = np.asarray(q, dtype=float)
    near = abs(q) < 0.25
    small, large = where(near, q, 0.25), where(near, 1.0, q)
    series = [np.zeros_like(q) for _ in range(3)]
    for j, c in enumerate(_REMAINDER):
        m = 4 * j + 2
        series[0] = series[0] + c * small**m
        series[1] = series[1] + c * m * small ** (m - 1)
        series[2] = series[2] + c * m * (m - 1) * small ** (m - 2)
    k = 1 / large**2
    first = 0.5 / k - log_minus_digamma(k)
    second = trigamma_excess(k) - 0.5 / k**2
    direct = (
        stirling_remainder(k),
        -2 * first / large**3,
        6 * first / large**4 + 4 * second / large**6,
    )
    return tuple(where(near, s, d) for s, d in zip(series, direct, strict=True))


def _taylor(x: Array, m: int) -> Array:
    """Return the sum of x^k/(k + m)!, |x| <= 1: its 17 terms reach 1e-17."""
    total = np.full_like(x, 1 / math.factorial(16 + m))
    for k in range(15, -1, -1):
        total *= x
        total += 1 / math.factorial(k + m)
    return total


class LogGammaTails(ShapedTails):
    """log X of the gamma law, by w = log(X/a)/q, q = a^(−1/2); for q < 0 the law of −W at −q."""

    shapes = 1

    def smaller(self, at: Arrays, bends: bool) -> tuple[Array, Array]:
        """Return the lower tail below the mean, or for a shape below 1 the median, else the upper one."""
        turned = at[1] < 0
        w, q = where(turned, -at[0], at[0]), abs(at[1])
        small, log_x = q > 1, q * w - 2 * log(where(q > 1, q, 1.0))
        low = where(small, log_x < _lowest(q), w < 0)
        parts = np.empty((6 if bends else 1, w.size))
        inside, normal = log_x < _INSIDE, q * (abs(w) + _BEYOND) < 1
        for rows, plain in (
            (small & low, _below_one),
            (small & ~low & inside, _above_inside),
            (small & ~low & ~inside, _above_one),
        ):
            if rows.any():
                point, shape = _plain(w[rows], q[rows])
                jet = unstacked(plain(point.value, shape.value), (point, shape))
                parts[:, rows] = np.stack(jet.parts())[: len(parts)]
        for below in (True, False):
            for near in (True, False):
                rows = (low == below) & (normal == near) & ~small
                if rows.any():
                    parts[:, rows] = _tail(w[rows], q[rows], below, near, bends)
        if bends:
            parts[1:3] *= where(turned, -1.0, 1.0)
        return low ^ turned, parts


log_gamma_tails = LogGammaTails()


def of_gamma(log_ratio: Any, shape: Any, side: float = 1.0) -> tuple[Tails, Any, Any]:
    """Return what ``_standardised`` returns of a family of which a gamma law knows the probabilities.

    Parameters
    ----------
    log_ratio : Jet or array
        Logarithm of the observation that has the gamma law of rate 1, over the shape.
    shape : Jet or array
    side : float
        −1 if that observation falls as the family's own one rises.
    """
    root = jet_sqrt(shape)
    return log_gamma_tails, side * root * log_ratio, side / root


class ExponentialPowerTails(ShapedTails):
    """The law of density ∝ e^(−|z|^β), by z and β: |z|^β has the gamma law of shape 1/β."""

    shapes = 1

    def smaller(self, at: Arrays, bends: bool) -> tuple[Array, Array]:
        """Return the tail beyond z on its own side of 0."""
        z, power = at
        low, size = z < 0, abs(z)
        away = size > 0
        log_size = log(where(away, size, 1.0))
        (b,) = variables(power)
        _, w, q = of_gamma(b * log_size + jet_log(b), 1 / b)
        if not bends:
            tail = log_gamma_tails.log_sf(w.value, q.value)
            return low, np.asarray(where(away, tail, 0.0) - _LOG_2)[None]
        above = unstacked(np.stack(log_gamma_tails.jets(w.value, q.value)[1].parts()), (w, q))
        value, by_b, bb = (where(away, part, 0.0) for part in above.parts())
        value = value - _LOG_2
        # Derivatives in the point are those of the density, whose logarithm is −|z|^β − log 2Γ(1 + 1/β).
        raised = where(away, exp(power * log_size), 0.0)
        slope = where(away, -power * raised / where(away, size, 1.0), where(power == 1, -1.0, 0.0))
        tilt = digamma(1 + 1 / power) / power**2 - raised * log_size
        rate = exp(-raised - gammaln(1 + 1 / power) - _LOG_2 - value)
        sign = where(low, -1.0, 1.0)
        parts = [
            value,
            -sign * rate,
            by_b,
            -rate * (rate + slope),
            -sign * rate * (tilt - by_b),
            bb,
        ]
        return low, np.stack(parts)


exponential_power_tails = ExponentialPowerTails()


# ---------------------------------------------------------------------------- tails by quadrature

_BEYOND = 11.0  # how far nodes lie beyond w where q is small


def _walk(u: Array, q: Array, rise: Array, slope: Array, below: bool, near: bool) -> Arrays:
    """Follow the log density outwards, to w − u or to where X is (1 + q u) times as large.

    Parameters
    ----------
    u, q, rise, slope : arrays
        Distance, q, e^(qw) and the slope of the log density at w, which is not negative.
    below, near : bool
        Whether it goes down, and whether q u is small, where differences are taken by series.

    Returns
    -------
    step, fall, steeper : arrays
        The distance in w, what the log density falls by, and its change of slope, over e^(qw).
    """
    x = q * u
    if below and near:
        second = _taylor(-x, 2)
        first = 1 - x * second
        return u, u * (slope * first + u * second), u * first
    if below:
        drop = expm1(-x)
        return u, (x + rise * drop) / q**2, -drop / q
    if near:
        curved = log1pmx(x)
        tiny = x < 1e-8
        safe = where(tiny, 1.0, x)
        step = u * where(tiny, 1 - 0.5 * x, (curved + x) / safe)
        return step, u * (slope + u * where(tiny, 0.5, -curved / (safe * safe))), u
    growth = log1p(x)
    return growth / q, (rise * x - growth) / q**2, u


def _tilts(w: Array, q: Array, power: Array, near: bool) -> tuple[Array, Array]:
    """Return the derivatives in q of (e^(qw) − 1 − qw)/q², the first two; power is e^(qw)."""
    x = q * w
    if near:
        # With φ_k = Σ x^j/(j + k)!: φ_k = x φ_(k+1) + 1/k! and φ_k' = φ_k − k φ_(k+1).
        fourth = _taylor(x, 4)
        third = 1 / 6 + x * fourth
        slope = 0.5 + (x - 2) * third
        cube = w**3
        return cube * slope, cube * w * (slope - 2 * third + 6 * fourth)
    rest = (power - 1) / q
    curved = 2 * (rest - w) / q
    rest *= w
    return (rest - curved) / q, (w * w * power - 4 * rest + 3 * curved) / q**2


def _tail(w: Array, q: Array, below: bool, near: bool, bends: bool) -> Array:
    """Return the logarithm of a tail (1, m), or with its derivatives in w and q (6, m)."""
    sign = 1.0 if below else -1.0
    x = q * w
    rise = exp(x)
    # (e^x − 1 − x)/x², 0/0 at the mean itself.
    small = abs(x) < 0.5
    second = where(small, _taylor(where(small, x, 0.0), 2), (rise - 1 - x) / x**2)
    slope = -sign * w * (1 + x * second)

    def rate(u: Array) -> tuple[Array, Array]:
        step, fall, steeper = _walk(u, q, rise, slope, below, near)
        if below:
            return fall, slope + rise * steeper
        return fall + q * step, (slope + q + rise * u) / (1 + q * u)

    def sums(far: Array, *at: Array) -> Array:
        w, q, rise, slope = (a[:, None] for a in at)
        step, fall, steeper = _walk(far[:, None] * NODES, q, rise, slope, below, near)
        growth = 1 - sign * q * steeper
        weights = WEIGHTS * exp(-fall) if below else WEIGHTS * exp(-fall) / growth
        total = weights.sum(axis=1)
        if not bends:
            return np.asarray((total * far)[None])
        weights /= total[:, None]
        tilt, bend = _tilts(w - sign * step, q, rise * growth, near)
        mean = row_sums(weights, tilt)
        tilt -= mean[:, None]
        spread = row_sums(weights, tilt * tilt - bend)
        return np.stack([total * far, mean, spread, row_sums(weights, steeper)])

    far = reach(rate, 2 * REACH / (slope + sqrt(slope**2 + 2 * REACH)))
    total, *means = by_rows(sums, far, w, q, rise, slope)
    remainder = stirling_of_square(q)
    value = log(total) - 0.5 * LOG_2PI - remainder[0] - w * w * second
    if not bends:
        return np.asarray(value[None])
    mean, spread, steeper = means
    change = mean - _tilts(w, q, rise, near)[0]
    return np.stack(
        [
            value,
            sign / total,
            -remainder[1] - mean,
            -rise * steeper / total,
            sign * change / total,
            spread - remainder[2],
        ]
    )


# ---------------------------------------------------------------------------- shapes below 1


_FLAT = -38.0  # log X below which e^(−X) is 1
_INSIDE = -0.1  # and from which on P(X > x) falls about as it does from 1 on


def _lowest(q: Array) -> Array:
    """Return about the median of log X of a shape below 1, not below where F is a power of X."""
    a = 1 / where(q > 1, q, 1.0) ** 2
    return np.maximum((gammaln(1 + a) - _LOG_2) / a, _FLAT)


def _plain(w: Array, q: Array) -> tuple[Jet, Jet]:
    """Return log X and the shape as functions of w and q."""
    point, root = variables(w, q)
    return root * point - 2 * jet_log(root), 1 / (root * root)


def _below_one(z: Array, a: Array) -> Array:
    """Return log F with its derivatives in log X = z and the shape, from that of the shape larger by 1."""
    log_x, shape = variables(z, a)
    more = shape + 1
    size = jet_sqrt(more)
    inner = (log_x - jet_log(more)) * size, 1 / size
    rest = unstacked(_tail(inner[0].value, inner[1].value, True, False, True), inner)
    x = exp(z)
    term = shape * log_x - compose(x, (x,), (x,), (log_x,)) - jet_gammaln(more)
    return np.stack(log_sum(term, rest).parts())


def _above_one(z: Array, a: Array) -> Array:
    """Return log P(X > x) with its derivatives in log x = z and the shape, for z >= −0.1.

    Nodes are x + u, of which the density falls faster than e^(−u).
    """
    u, x = REACH * NODES, exp(z)

    def sums(x: Array, a: Array) -> Array:
        growth = log1p(u / x[:, None])
        weights = WEIGHTS * exp((a[:, None] - 1) * growth - u)
        total = weights.sum(axis=1)
        weights /= total[:, None]
        mean = row_sums(weights, growth)
        spread = row_sums(weights, (growth - mean[:, None]) ** 2)
        return np.stack([REACH * total, mean, spread, weights @ u])

    total, mean, spread, steeper = by_rows(sums, x, a)
    rate = x / total
    return np.stack(
        [
            (a - 1) * z - x - gammaln(a) + log(total),
            -rate,
            z + mean - digamma(a),
            -rate * steeper,
            rate * mean,
            spread - trigamma(a),
        ]
    )


def _above_inside(z: Array, a: Array) -> Array:
    """Return log P(X > x) as :func:`_above_one` for z < −0.1: up to 1, where log X = −u, and beyond."""

    def sums(z: Array, a: Array) -> Array:
        u = -z[:, None] * NODES
        weights = WEIGHTS * exp(-a[:, None] * u - exp(-u))
        total = weights.sum(axis=1)
        weights /= total[:, None]
        mean = row_sums(weights, u)
        return np.stack([-z * total, mean, row_sums(weights, (u - mean[:, None]) ** 2)])

    total, mean, spread = by_rows(sums, z, a)
    rate, fall = exp(a * z - exp(z)) / total, a - exp(z)
    log_x, shape = variables(z, a)
    part = Jet(
        log(total) - gammaln(a),
        (-rate, -mean - digamma(a)),
        (-rate * (fall + rate), -rate * (z + mean), spread - trigamma(a)),
    )
    one = unstacked(_above_one(0 * z, a), (log_x.lift(0 * z), shape))
    return np.stack(log_sum(part, one).parts())
