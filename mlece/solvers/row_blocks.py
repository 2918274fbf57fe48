"""Passes over the rows of a linear model, block by block, with twice the digits of a float.

A Householder triangle is found block by block as well (TSQR: Demmel, Grigori, Hoemmen and Langou
2012, SIAM J. Sci. Comput. 34, A206-A239).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from mlece.math import Array
from mlece.numerics.twofold import (
    BITS,
    Pair,
    matmul,
    multiply,
    piece_bits,
    pieces,
    two_sum,
    unit_columns,
)

# Entries of a block; with its pieces and products some 8 MB.
_ROOM = 1 << 16
_LONGEST, _SHORTEST = 8192, 64


class Rows:
    """The data in blocks of rows, columns and responses divided by powers of two."""

    def __init__(
        self,
        design: Any,
        response: Array,
        weights: Array | None,
        offset: Array | None,
        low: Array | None,
    ) -> None:
        self.sparse = sparse.issparse(design)
        self.design: Any = sparse.csr_array(design) if self.sparse else np.asarray(design)
        self.low, self.y, self.offset, self.weights = low, response, offset, weights
        self.n, self.p = self.design.shape
        self.members = len(response)
        self.tables = 1 if weights is None else len(weights)
        self.exponent = _exponents(self.design, 0)
        self.y_exponent = _exponents(response, 1)
        if offset is not None:
            self.y_exponent = np.maximum(self.y_exponent, _exponents(offset[None], 1))
        # An even power of two has a root.
        self.w_exponent = np.zeros(1, dtype=int)
        if weights is not None:
            self.w_exponent = _exponents(weights, 1) // 2 * 2
        width = self.p * (self.tables + 1) + self.members
        self.length = int(np.clip(_ROOM // width, _SHORTEST, _LONGEST))
        self.bits = piece_bits(max(self.length, self.p))
        self.depth = -(-BITS // self.bits)

    def __iter__(self) -> Iterator[slice]:
        for start in range(0, self.n, self.length):
            yield slice(start, min(start + self.length, self.n))

    def block(self, rows: slice) -> tuple[Any, Array | None]:
        """Return some rows of the design (m, p), at most one in size, and their low parts."""
        if self.sparse:
            block = self.design[rows]
            data = np.ldexp(block.data.astype(float), -self.exponent[block.indices])
            return sparse.csr_array((data, block.indices, block.indptr), shape=block.shape), None
        high = np.ldexp(np.asarray(self.design[rows], dtype=float), -self.exponent)
        return high, None if self.low is None else np.ldexp(self.low[rows], -self.exponent)

    def cut(self, rows: slice) -> list[Any]:
        """Return some rows of the design in pieces."""
        high, low = self.block(rows)
        if not self.sparse:
            return list(pieces(high, low, self.bits, self.depth))
        pattern = high.indices, high.indptr
        cut = pieces(high.data, None, self.bits, self.depth)
        return [sparse.csr_array((data, *pattern), shape=high.shape) for data in cut]

    def response(self, rows: slice) -> Pair:
        """Return responses less offset, (m, R)."""
        y = np.ldexp(self.y[:, rows], -self.y_exponent[:, None])
        if self.offset is None:
            return y.T, np.zeros_like(y.T)
        high, low = two_sum(y, -np.ldexp(self.offset[rows], -self.y_exponent[:, None]))
        return high.T, low.T

    def weight(self, rows: slice) -> Array | None:
        """Return weights, (m, V)."""
        if self.weights is None:
            return None
        return np.ldexp(self.weights[:, rows], -self.w_exponent[:, None]).T


def _exponents(a: Any, axis: int) -> Array:
    """Return powers of two by which lines along an axis come to at most one in size."""
    low, high = a.min(axis=axis), a.max(axis=axis)
    if sparse.issparse(a):
        low, high = low.toarray().ravel(), high.toarray().ravel()
    exponent: Array = np.frexp(np.maximum(np.abs(low.astype(float)), np.abs(high.astype(float))))[1]
    return exponent


@dataclass(frozen=True)
class Start:
    """What the first pass finds: triangles (V, p, p), X'Wy (R, p), sizes of columns and responses."""

    triangle: Array
    moments: Array
    column_norm: Array
    response_norm: Array
    total_weight: Array


def _tall(rows: Rows, x: Array, w: Array | None, triangle: Array) -> Array:
    """Bring a block of weighted rows into the triangles."""
    root = x[None] if w is None else np.sqrt(w).T[:, :, None] * x
    return np.asarray(np.linalg.qr(np.concatenate([triangle, root], axis=1), mode="r"))


def first_pass(rows: Rows) -> Start:
    """Return triangles of the weighted design; for a sparse one its Gram matrix (1, p, p)."""
    p, dense = rows.p, not rows.sparse
    triangle: Any = np.zeros((rows.tables, p, p)) if dense else sparse.csr_array((p, p))
    moments, total = np.zeros((rows.members, p)), np.zeros(rows.tables)
    size = np.zeros(rows.members)
    for some in rows:
        x, _ = rows.block(some)
        y, w = rows.response(some)[0], rows.weight(some)
        wy = y if w is None else w * y
        moments += (x.T @ wy).T
        size += (wy * y).sum(axis=0)
        if rows.offset is not None:
            shift = np.ldexp(rows.offset[some], -rows.y_exponent[:, None]).T
            size += (np.square(shift) if w is None else w * shift * shift).sum(axis=0)
        total += len(y) if w is None else w.sum(axis=0)
        if dense:
            triangle = _tall(rows, x, w, triangle)
        else:
            triangle = triangle + x.T @ (x if w is None else x.multiply(w).tocsr())
    squares = np.square(triangle).sum(axis=1) if dense else triangle.diagonal()[None]
    return Start(triangle, moments, np.sqrt(squares), np.sqrt(size), total)


class CutBasis:
    """A basis S (V, p, p) in pieces, to be multiplied by rows of a design.

    ``digits`` are the bits to which X S is wanted.
    """

    def __init__(self, rows: Rows, basis: Array, digits: int = BITS) -> None:
        self.tables, self.p = basis.shape[:2]
        wide = basis.transpose(1, 0, 2).reshape(self.p, -1)
        self.exponent, unit = unit_columns(wide, 0)
        self.depth = min(-(-digits // rows.bits), rows.depth)
        self.cut = pieces(unit, None, rows.bits, self.depth)

    def __call__(self, x: list[Any]) -> Array:
        """Return X S, (V, m, p), for rows in pieces."""
        zero = np.zeros((x[0].shape[0], self.tables * self.p))
        q = matmul(x, self.cut, (zero, zero), self.exponent, self.depth)[0]
        return q.reshape(-1, self.tables, self.p).transpose(1, 0, 2)


@dataclass(frozen=True)
class Sums:
    """What a pass at b finds: X'W(y - X b) (R, p), its sum of squares (R,), S'X'WXS (V, p, p)."""

    gradient: Pair
    squares: Array
    gram: Array


def second_pass(rows: Rows, b: Pair, basis: CutBasis | None) -> Sums:
    """Sum over all rows at coefficients b (R, p), with twice the digits.

    With a basis the Gram matrix of X S is summed too.
    """
    b_exponent, unit = unit_columns(b[0].T, 0)
    cut = pieces(-unit, -np.ldexp(b[1].T, -b_exponent), rows.bits, rows.depth)
    gradient: Pair = (np.zeros((rows.p, rows.members)),) * 2
    squares: Pair = (np.zeros(rows.members),) * 2
    gram: Pair = (np.zeros(()),) * 2
    for some in rows:
        x, w = rows.cut(some), rows.weight(some)
        r = matmul(x, cut, rows.response(some), b_exponent, rows.depth)
        wr = r if w is None else multiply((w, np.zeros_like(w)), r)
        squares = _gather(squares, (wr[0] * r[0]).sum(axis=0))
        r_exponent, unit = unit_columns(wr[0], 0)
        r_cut = pieces(unit, np.ldexp(wr[1], -r_exponent), rows.bits, rows.depth)
        turned = [piece.T for piece in x]
        gradient = matmul(turned, r_cut, gradient, r_exponent, rows.depth)
        if basis is not None:
            q = basis(x)
            wq = q if w is None else w.T[:, :, None] * q
            gram = _gather(gram, wq.swapaxes(1, 2) @ q)
    return Sums((gradient[0].T, gradient[1].T), squares[0] + squares[1], gram[0] + gram[1])


def _gather(total: Pair, term: Array) -> Pair:
    """Add a term to a running sum that keeps its rounding errors."""
    high, error = two_sum(total[0], term)
    return high, total[1] + error
