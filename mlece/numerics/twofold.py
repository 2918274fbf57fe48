"""Twice the digits of a float: numbers as unevaluated sums high + low, and exact products of matrices.

Sums and products without error: Knuth (1969), Dekker (1971); Ogita, Rump and Oishi (2005), SIAM
J. Sci. Comput. 26, 1955-1988. Matrices cut into pieces short enough that BLAS multiplies them
without rounding: Ozaki, Ogita, Oishi and Rump (2012), Numerical Algorithms 59, 95-118.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlece.math import Array

Pair = tuple[Array, Array]

# Half of the 53 bits of a float, rounded up (Veltkamp's constant).
_SPLITTER = 134217729.0
# Bits after the point that pieces of numbers below one hold: twice 53, and some.
BITS = 112


def two_sum(a: Array, b: Array) -> Pair:
    """Return the rounded sum and its error: a + b = high + low exactly."""
    high = a + b
    shadow = high - a
    return high, (a - (high - shadow)) + (b - shadow)


def _halves(a: Array) -> Pair:
    wide = _SPLITTER * a
    high = wide - (wide - a)
    return high, a - high


def two_product(a: Array, b: Array) -> Pair:
    """Return the rounded product and its error: a b = high + low exactly, for |a|, |b| < 2^996."""
    high = a * b
    a1, a2 = _halves(a)
    b1, b2 = _halves(b)
    return high, a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2)


def add(x: Pair, y: Pair) -> Pair:
    """Return the sum of two pairs, its low part below the rounding of its high part."""
    high, low = two_sum(x[0], y[0])
    return two_sum(high, low + (x[1] + y[1]))


def multiply(x: Pair, y: Pair) -> Pair:
    """Return the product of two pairs, with a relative error of a few 2^-106."""
    high, low = two_product(x[0], y[0])
    return two_sum(high, low + (x[0] * y[1] + x[1] * y[0]))


def powers(x: Array, degree: int) -> Pair:
    """Return the columns 1, x, ..., x^degree with twice the digits of a float.

    A power rounded to a float is another number, and another polynomial is fitted to it: with the
    tenth powers of NIST's Filip data eight digits of the coefficients are left of sixteen.

    Parameters
    ----------
    x : array (n,)
        Finite numbers.
    degree : int
        Highest power.

    Returns
    -------
    high, low : array (n, degree + 1)
        x^j = high + low, to a few units of 2^-106.

    Examples
    --------
    >>> high, low = powers(np.array([0.1]), 2)
    >>> high[0, 2] == 0.1**2, low[0, 2] != 0
    (np.True_, np.True_)
    """
    x = np.asarray(x, dtype=float)
    unit, exponent = np.frexp(x)
    high, low = np.empty((2, x.size, degree + 1))
    power: Pair = np.ones_like(x), np.zeros_like(x)
    for j in range(degree + 1):
        # Mantissas are multiplied: no square overflows before the power itself does.
        high[:, j], low[:, j] = (np.ldexp(part, j * exponent) for part in power)
        power = multiply(power, (unit, np.zeros_like(x)))
    return high, low


def piece_bits(terms: int) -> int:
    """Return how many bits pieces may have in inner products of ``terms`` terms: their sums are exact.

    So are sums of as many of these products as there are pieces (eight at most).
    """
    return (53 - (8 * terms - 1).bit_length()) // 2


def pieces(high: Array, low: Array | None, bits: int, depth: int) -> list[Array]:
    """Cut numbers of at most one into addends of ``bits`` bits each, the largest first.

    Parameters
    ----------
    high, low : array
        The numbers high + low, |high| <= 1; no ``low`` is zero.
    bits : int
        The s-th piece is a multiple of 2^(-bits s).
    depth : int
        Most pieces; what is left is at most 2^(-bits depth - 1).

    Returns
    -------
    list of arrays
        Fewer where nothing is left.
    """
    left = np.array(high)
    out: list[Array] = []
    while len(out) < depth and (not out or left.any()):
        # Beside a number whose last bit is 2^(-bits s), what lies below that bit is rounded off.
        beside = 1.5 * 2.0 ** (52 - bits * (len(out) + 1))
        piece = left + beside
        piece -= beside
        left -= piece
        if low is not None:
            left, low = two_sum(left, low)
        out.append(piece)
    return out


def unit_columns(high: Array, axis: int) -> tuple[Array, Array]:
    """Return exponents along an axis (kept), and the numbers divided by these powers of two.

    The largest number of each line then lies in [1/2, 1); lines of zeros keep the exponent 0.
    """
    exponent = np.frexp(np.abs(high).max(axis=axis, keepdims=True, initial=0.0))[1]
    return exponent, np.ldexp(high, -exponent)


def matmul(
    left: Sequence[Any], right: Sequence[Array], start: Pair, exponent: Array, depth: int
) -> Pair:
    """Return start + 2^exponent (left @ right) of two matrices in pieces.

    Parameters
    ----------
    left : sequence of (m, k) matrices
        Pieces, dense or sparse.
    right : sequence of arrays (k, c)
        Pieces, of as many bits.
    start : pair of arrays (m, c)
        What is added to.
    exponent : array (1, c)
        Powers of two that the columns of ``right`` were divided by.
    depth : int
        Products of the s-th and the t-th piece, counted from zero, count where s + t < depth; the
        others lie below the last bit of ``depth`` pieces.
    """
    width = right[0].shape[1]
    side = np.hstack(right[:depth])
    orders: list[Array] = []
    for s, piece in enumerate(left[:depth]):
        block = piece @ side[:, : (depth - s) * width]
        for t in range(block.shape[1] // width):
            term = block[:, t * width : (t + 1) * width]
            # Products of one order are multiples of the same bit: adding them rounds nothing.
            if s + t < len(orders):
                orders[s + t] += term
            else:
                orders.append(term)
    high, low = start
    unit = np.ldexp(1.0, exponent)
    for term in orders:
        high, error = two_sum(high, term * unit)
        low = low + error
    return two_sum(high, low)


def small_matmul(matrix: Array, x: Pair) -> Array:
    """Return matrix @ (high + low), summed with twice the digits and rounded once.

    Parameters
    ----------
    matrix : array (..., m, k)
        Taken as exact.
    x : pair of arrays (..., k)
        The vectors.
    """
    total: Pair = (np.zeros(()), np.zeros(()))
    for j in range(matrix.shape[-1]):
        column = matrix[..., j]
        high, low = two_product(column, x[0][..., j, None])
        total = add(total, (high, low + column * x[1][..., j, None]))
    return np.asarray(total[0] + total[1])
