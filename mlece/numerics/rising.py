r"""log of rising products μ (μ + ρ) ... (μ + (k − 1) ρ), with derivatives, exact through ρ = 0.

The first sixteen factors are multiplied out. From there on, with μ' the next of them and t = ρ/μ' ≤ 1/16,
the sum of the logarithms is that of Euler and Maclaurin,

    Σ_{j<k} log(μ' + jρ) = ∫ log(μ' + xρ) dx − ½ log(1 + kt) + R(t/(1 + kt)) − R(t),

R(v) = v/12 − v³/360 + ... Stirling's series: smooth at ρ = 0, and the same for a million factors.
"""

from __future__ import annotations

import numpy as np

from mlece.math import STIRLING, Array, Arrays, log, log1p, log1p_ratio, where
from mlece.numerics.jets import Jet, compose

_FIRST = 16
_POWERS = np.arange(1.0, 2.0 * len(STIRLING), 2.0)


def jet_log_rising(k: Array, mu: Jet, rho: Jet) -> Jet:
    """Return Σ_{j<k} log(μ + jρ) for whole numbers k >= 0; 0 where k is 0, whatever μ.

    Parameters
    ----------
    k : array
    mu, rho : Jet
        Not negative, of shapes that broadcast with k.
    """
    shape = np.broadcast_shapes(np.shape(k), np.shape(mu.value), np.shape(rho.value))
    few = np.minimum(k, _FIRST)
    step = np.arange(min(float(_FIRST), np.max(k, initial=0.0)))
    index = np.broadcast_to(few, shape)[..., None].astype(np.intp)

    def total(terms: Array) -> Array:
        # Summed once for each pair of parameters, however many counts share them.
        sums = np.cumsum(terms, axis=-1)
        table = np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)
        wide = np.broadcast_to(table, (*shape, table.shape[-1]))
        return np.asarray(np.take_along_axis(wide, index, axis=-1)[..., 0])

    base = np.asarray(mu.value)[..., None] + step * np.asarray(rho.value)[..., None]
    inverse = 1 / base
    ratio = step * inverse
    pairs = ((inverse, inverse), (inverse, ratio), (ratio, ratio))
    head = compose(
        total(log(base)),
        (total(inverse), total(ratio)),
        tuple(-total(one * other) for one, other in pairs),
        (mu, rho),
    )
    rest = k - few
    if not np.any(rest):
        return head
    far = mu + few * rho
    # Without a factor left any base will do.
    far = Jet(where(rest > 0, far.value, 1.0), far.first, far.second)
    return head + _integral(rest, far, rho) + _correction(rest, rho / far)


def _integral(k: Array, mu: Jet, rho: Jet) -> Jet:
    """Return the integral of log(μ + xρ) over x from 0 to k."""
    at, u = mu.value, k * rho.value / mu.value
    ratio, first, second = log1p_ratio(u)
    wide, scale = 1 + u, k / at
    turn = k * scale
    return compose(
        k * (log(at * wide) + (ratio - 1)),
        (scale * ratio, turn * (ratio + wide * first)),
        (-scale / at / wide, turn / at * first, turn * scale * (2 * first + wide * second)),
        (mu, rho),
    )


def _correction(k: Array, t: Jet) -> Jet:
    """Return what Σ_{j<k} log(1 + jt), t <= 1/16, has beyond the integral."""
    u = k * t.value
    wide = 1 + u
    fall = 1 / (wide * wide)
    near, far = _remainder(t.value / wide), _remainder(t.value)
    slope = near[1] * fall - far[1] - 0.5 * k / wide
    bend = near[2] * fall * fall - 2 * k * near[1] * fall / wide - far[2] + 0.5 * k * k * fall
    return compose(near[0] - far[0] - 0.5 * log1p(u), (slope,), (bend,), (t,))


def _remainder(v: Array) -> Arrays:
    """Return R(v) with its first two derivatives."""
    w = v * v
    odd, even, slope = (np.full_like(w, c[-1]) for c in _SERIES)
    for a, b, c in zip(*(c[-2::-1] for c in _SERIES), strict=True):
        odd, even, slope = odd * w + a, even * w + b, slope * w + c
    return v * odd, even, v * slope


# Of R/v and R' in powers of v², and of R''/v, which has one less.
_SERIES = (
    STIRLING,
    STIRLING * _POWERS,
    np.append((STIRLING * _POWERS * (_POWERS - 1))[1:], 0.0),
)
