"""The law of Σ λ_j χ²_1: what likelihood ratios follow when the model may be wrong.

The tail probability is an integral of the moment generating function along a contour that crosses the
real axis at the saddle point and bends towards the side on which the integrand vanishes (Rice 1980,
SIAM Journal on Scientific and Statistical Computing 1, 438-448). Imhof (1961, Biometrika 48, 419-426)
integrates along the imaginary axis, where the integrand oscillates and small tails are lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array

# The trapezoidal rule is refined until two steps agree to this.
_AGREE = 1e-13
_FIRST, _LAST = 64, 4096
# The integrand is followed until it is so much smaller than at the saddle point, in nats.
_DEPTH = 42.0


def weighted_chi2_sf(x: Any, weights: Any) -> Any:
    """Return P(Σ λ_j χ²_1 > x), the χ² independent with one degree of freedom each.

    Parameters
    ----------
    x : array_like (...)
        Where the tail begins.
    weights : array_like (..., k)
        The weights λ, of either sign; zeros change nothing.

    Returns
    -------
    float or array (...)
        Accurate to about 1e-12 of the smaller of the two tails.

    Raises
    ------
    DataError
        If a weight or x is no finite number, or if all weights of a row are zero.

    Examples
    --------
    >>> from mlece.numerics.quadratic_forms import weighted_chi2_sf
    >>> round(weighted_chi2_sf(5.991464547107979, [1.0, 1.0]), 12)
    0.05
    >>> round(weighted_chi2_sf(0.0, [2.0, -2.0]), 12)
    0.5
    """
    at, w = np.asarray(x, dtype=float), np.atleast_1d(np.asarray(weights, dtype=float))
    for name, values in (("x", at), ("weights", w)):
        bad = ~np.isfinite(values)
        if bad.any():
            raise errors.DataError(
                errors.message(f"finite numbers as {name}", errors.offenders(bad, values))
            )
    shape = np.broadcast_shapes(at.shape, w.shape[:-1])
    at = np.broadcast_to(at, shape).ravel()
    w = np.broadcast_to(w, (*shape, w.shape[-1])).reshape(len(at), -1)
    largest = np.abs(w).max(axis=1, initial=0.0)
    if np.any(largest == 0):
        raise errors.DataError(
            errors.message("a weight other than zero", errors.offenders(largest == 0, largest))
        )
    w, at = w / largest[:, None], at / largest
    # The contour runs to the right where x > 0 and, mirrored, where x < 0.
    mirrored = at < 0
    w, at = np.where(mirrored[:, None], -w, w), np.abs(at)
    out = np.where(mirrored, 1.0, 0.0)
    certain = (at == 0) & (w.min(axis=1) >= 0)
    out[certain] = 1.0
    alive = (w.max(axis=1) > 0) & ~certain
    if alive.any():
        tail = _upper_tail(at[alive], w[alive])
        out[alive] = np.where(mirrored[alive], 1.0 - tail, tail)
    return out.reshape(shape) if shape else float(out[0])


def _cumulant(s: Array, w: Array) -> Array:
    """Return the cumulant generating function −½ Σ log(1 − 2 λ_j s) at s (r, m), w (r, k)."""
    return np.asarray(-0.5 * np.log(1.0 - 2.0 * w[:, None, :] * s[..., None]).sum(axis=-1))


def _saddle(x: Array, w: Array, upper: Array) -> Array:
    """Return where exp(K(s) − s x)/|s| is least between the pole at 0 and a branch point, (r,).

    To the right of the pole for an upper tail, to the left of it for a lower one.
    """
    least, most = w.min(axis=1), w.max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(least < 0, 0.5 / least, -(w.shape[1] + 2.0) / x)
    low, high = np.where(upper, 0.0, left), np.where(upper, 0.5 / most, 0.0)
    for _ in range(60):
        s = 0.5 * (low + high)
        slope = (w / (1.0 - 2.0 * w * s[:, None])).sum(axis=1) - x - 1.0 / s
        low, high = np.where(slope < 0, s, low), np.where(slope < 0, high, s)
    return np.asarray(0.5 * (low + high))


def _upper_tail(x: Array, w: Array) -> Array:
    """Return P(Q > x) for x >= 0 where some weight is positive, by the trapezoidal rule."""
    upper = x >= w.sum(axis=1)
    c = _saddle(x, w, upper)
    # The hyperbola s(t) = c + a (cosh t − 1) + i b sinh t keeps clear of the next singularity.
    room = np.where(upper, 0.5 / w.max(axis=1) - c, -c)
    b = 1.0 / np.sqrt(2.0 * ((w / (1.0 - 2.0 * w * c[:, None])) ** 2).sum(axis=1) + 1.0 / c**2)
    a = np.minimum(b, room)
    at_saddle = _cumulant(c[:, None], w)[:, 0] - c * x
    # exp(−s x) ends the integral, or the algebraic fall of the generating function where x is small.
    with np.errstate(divide="ignore", over="ignore"):
        reach = np.arccosh(1.0 + _DEPTH / (x * a))
    end = np.minimum(reach, 2.0 * _DEPTH / np.count_nonzero(w, axis=1) + 2.0)

    def terms(share: Array) -> Array:
        t = end[:, None] * share
        s = (c[:, None] + a[:, None] * (np.cosh(t) - 1.0)) + 1j * b[:, None] * np.sinh(t)
        slope = a[:, None] * np.sinh(t) + 1j * b[:, None] * np.cosh(t)
        value = np.exp(_cumulant(s, w) - s * x[:, None] - at_saddle[:, None]) / s * slope
        return np.asarray(value.imag.sum(axis=1))

    # The integrand is even: half of it, and half of its value at the saddle point.
    count = _FIRST
    total = (terms(np.arange(1, count + 1) / count) + 0.5 * terms(np.zeros(1))) / count
    while count < _LAST:
        finer = 0.5 * (total + terms((np.arange(count) + 0.5) / count) / count)
        count *= 2
        settled = np.all(np.abs(finer - total) <= _AGREE * np.abs(finer))
        total = finer
        if settled:
            break
    tail = end * total / np.pi * np.exp(at_saddle)
    return np.asarray(np.where(upper, tail, 1.0 + tail))
