"""Means of log(1 + x²) and of (x − i)^-1 and (x − i)^-2, x = (y − m)/c, and what they are nearby.

Densities such as Student's depend on an observation through log((y − m)² + c²) alone, the real part of
2 log(y − ζ), which is analytic in ζ = m + ic. The means of the first powers of 1/(y − ζ) are its Taylor
coefficients, and as |y − ζ| >= c for every y, they bound what is left out: from a point near the optimum
one pass over a long sample leads to the optimum, and proves it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlece.math import Array, Arrays
from mlece.moments import ROWS, room, sum_log_products, weighted_sum

ORDERS = 8
_HALF = ORDERS // 2
# BLAS starts no threads on pieces of this length.
_PIECE = 1 << 13
# The mean of 1/(x − i) lacks less than the eighth power of a step: the rounding of a few terms, or
# far less than a part of a sample differs from the whole.
EXACT, CLOSE = 1e-15 ** (1 / ORDERS), 0.1


def _powers() -> Array:
    """Return (x − i)^-k, k = 1 to 8, as sums of b^j and x b^j in the order of ``pole_sums``, (16, 8).

    With v = 1/(x − i), b = 1/(1 + x²) = |v|² and v − v̄ = 2ib: v^(k+1) = b v^(k−1) + 2ib v^k.
    """
    one, x = (
        np.zeros((ORDERS + 1, ORDERS + 1), complex),
        np.zeros((ORDERS + 1, ORDERS + 1), complex),
    )
    one[0, 0], one[1, 1], x[1, 1] = 1.0, 1j, 1.0
    for k in range(1, ORDERS):
        for part in (one, x):
            part[k + 1, 1:] = part[k - 1, :-1] + 2j * part[k, :-1]
    low, high = slice(1, _HALF + 1), slice(_HALF + 1, None)
    return np.concatenate([part[1:, cut].T for cut in (low, high) for part in (one, x)])


_POWERS = _powers()
_COUNT = np.arange(1.0, ORDERS + 1)


def pole_sums(y: Array, w: Array | None, place: Array, width: Array) -> Array:
    """Sum log(1 + x²), and b^j and x b^j, b = 1/(1 + x²), j = 1 to 8, over axis 1; (r, 17).

    Parameters
    ----------
    y : array (r or 1, m)
    w : array (r or 1, m), optional
        Weights.
    place, width : array (r, 1)
        m and c of each member.
    """
    m = y.shape[1]
    rows = max(len(y), len(place), 1 if w is None else len(w))
    every = room((ORDERS, rows, m), ROWS)
    left, powers = every[:_HALF], every[_HALF:]
    x, b = left[1], powers[0]
    np.subtract(y, place, out=x)
    x *= 1 / width
    np.multiply(x, x, out=b)
    b += 1
    logs = sum_log_products(b, w)
    if not np.isfinite(logs).all():
        # Products, or squares, left the range of numbers.
        logs = 2 * weighted_sum(np.log(np.hypot(1.0, x)), w, m)
    np.divide(1, b, out=b)
    np.multiply(b, b, out=powers[1])
    np.multiply(powers[1], b, out=powers[2])
    np.multiply(powers[1], powers[1], out=powers[3])
    left[0], left[2] = 1.0, powers[3]
    np.multiply(powers[3], x, out=left[3])
    if w is not None:
        left *= w
    return np.concatenate([logs[:, None], _products(left, powers).reshape(rows, -1)], axis=1)


def _products(left: Array, right: Array) -> Array:
    """Return the dot products along the last axis of p arrays (r, m) with q others, (r, p, q)."""
    m = left.shape[2]
    whole = m // _PIECE * _PIECE
    out = np.zeros(())
    if whole < m:
        out = left[..., whole:].transpose(1, 0, 2) @ right[..., whole:].transpose(1, 2, 0)
    if whole:
        a, b = (s[..., :whole].reshape(len(s), s.shape[1], -1, _PIECE) for s in (left, right))
        out = out + (a.transpose(1, 2, 0, 3) @ b.transpose(1, 2, 3, 0)).sum(axis=1)
    return out


class Pole:
    """The moments of every member of a batch about the point where the data were last read.

    Parameters
    ----------
    size : int
        Number of members.
    reach : float
        How far from it they are trusted, in units of c.
    """

    def __init__(self, size: int, reach: float = EXACT) -> None:
        self.reach = reach
        self.point = np.full(size, np.nan + 0j)
        self.logs = np.full(size, np.nan)
        self.moments = np.full((size, ORDERS), np.nan + 0j)

    def means(self, point: Array, members: Array, read: Callable[[Array, Array], Array]) -> Arrays:
        """Return the means of log(1 + x²), (x − i)^-1 and (x − i)^-2, (r,) each.

        Parameters
        ----------
        point : array of complex (r,)
            ζ = m + ic of some members.
        members : array of int (r,)
            Which they are.
        read : callable
            Maps points and members to the means of what ``pole_sums`` sums: asked where the last reading
            is too far away.
        """
        known = self.point[members]
        far = np.flatnonzero(~(np.abs(point - known) <= self.reach * known.imag))
        if far.size:
            there = members[far]
            means = read(point[far], there)
            self.point[there], self.logs[there] = point[far], means[:, 0]
            self.moments[there] = means[:, 1:] @ _POWERS
            known = self.point[members]
        moments, c = self.moments[members], known.imag
        step, ratio = (point - known) / c, point.imag / c
        powers = np.ones((len(step), ORDERS), complex)
        powers[:, 1:] = step[:, None]
        np.multiply.accumulate(powers, axis=1, out=powers)
        terms = powers * moments
        logs = self.logs[members] - 2 * np.log(ratio) - 2 * (step * (terms @ (1 / _COUNT))).real
        second = (powers[:, :-1] * moments[:, 1:]) @ _COUNT[:-1]
        return logs, ratio * terms.sum(axis=1), ratio**2 * second
