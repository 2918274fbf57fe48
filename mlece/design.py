"""Design matrices: linear predictors, and the sums over observations that their derivatives need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk

from mlece.math import Array
from mlece.moments import ROWS, ROWS_ROOM, room

Rows = Any  # a slice, row numbers (m,) shared by a batch, or row numbers (r, m) of each member

# A block of rows, 2 MB, stays in the caches: a pass reads it several times.
_SHORTEST, _LONGEST = 256, 8192
_ALONE = 1 << 18  # products of two numbers that BLAS does without threads
# Weights up to which each has a matrix product of its own: so many, and so many by column.
_FEW, _FEW_EACH = 16, 1 / 3
_TOGETHER = 16
_PRODUCTS = 1 << 18  # entries of products of columns, 2 MB, that are held at a time


def block_length(width: int) -> int:
    """Return how many rows of so many columns stay in the cache."""
    return min(max(ROWS_ROOM // max(width, 1), _SHORTEST), _LONGEST)


def joint_length(designs: list[Design]) -> int:
    """Return how many rows are summed at a time over several designs."""
    dense = [design.width for design in designs if not design.sparse]
    if len(dense) == len(designs):
        return block_length(max(dense, default=1))
    # A Gram matrix is added for each block: the block should be larger.
    return max(_LONGEST, 16 * max(design.width for design in designs))


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Cut n rows of so many columns into blocks that stay in the cache."""
    length = block_length(width)
    for start in range(0, n, length):
        yield slice(start, min(start + length, n))


@dataclass(frozen=True, eq=False)
class Design:
    """Covariates of n observations as the columns of a matrix.

    Parameters
    ----------
    matrix : array (n, p) or scipy.sparse array (n, p)
        In the order of ``names``.
    names : tuple of str
        Names of the columns.
    offset : array (n,), optional
        Added to the linear predictor.
    recipe : callable, optional
        Makes the same columns of new covariates: ``recipe(given)`` is a Design.
    """

    matrix: Any
    names: tuple[str, ...]
    offset: Array | None = None
    recipe: Callable[[Any], Design] | None = None

    @property
    def rows(self) -> int:
        """Number of observations."""
        return int(self.matrix.shape[0])

    @property
    def width(self) -> int:
        """Number of coefficients."""
        return int(self.matrix.shape[1])

    @property
    def sparse(self) -> bool:
        """Whether the matrix is sparse."""
        return not isinstance(self.matrix, np.ndarray)

    @cached_property
    def sizes(self) -> tuple[Array, Array]:
        """Largest absolute entry of each column and their mean, (p,) each."""
        n, matrix = max(self.rows, 1), self.matrix
        if self.sparse:
            size = abs(matrix)
            return size.max(axis=0).toarray().ravel(), np.asarray(size.sum(axis=0)).ravel() / n
        most, total = np.zeros(_TOGETHER * self.width), np.zeros(self.width)
        # Several rows are one in the search for the largest: it takes a fifth of the time.
        length = block_length(self.width) // _TOGETHER * _TOGETHER
        scratch, ones = np.zeros((length, self.width)), np.ones(length)
        for start in range(0, self.rows, length):
            block = matrix[start : start + length]
            size = np.abs(block, out=scratch[: len(block)])
            total += ones[: len(block)] @ size
            scratch[len(block) :] = 0.0
            most = np.maximum(most, scratch.reshape(-1, len(most)).max(axis=0))
        return most.reshape(_TOGETHER, self.width).max(axis=0), total / n

    @cached_property
    def constant(self) -> int | None:
        """Position of a column of ones, None if there is none."""
        for j in range(self.width):
            # A look at the first rows spares most columns the second one.
            ones = self.matrix[0, j] == 1.0
            ones = ones and bool(np.all(self.column(j, slice(0, _LONGEST)) == 1.0))
            if ones and bool(np.all(self.column(j) == 1.0)):
                return j
        return None

    def column(self, j: int, rows: slice = slice(None)) -> Array:
        """Return one column, (n,), or some rows of it."""
        if self.sparse:
            return np.asarray(self.matrix[rows, [j]].toarray()).ravel()
        return np.asarray(self.matrix[rows, j])

    def block(self, rows: Rows) -> Any:
        """Return some rows: (m, p), or (r, m, p) for the rows of each member."""
        return self.matrix[rows]

    def index(self, rows: Rows, beta: Array) -> Array:
        """Return the linear predictors of some rows.

        Parameters
        ----------
        rows : slice, array of int (m,) or (r, m)
        beta : array (r, p)

        Returns
        -------
        array (r, m)
        """
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            own = self._gathered(rows)
            eta = np.asarray((own @ beta[:, :, None])[..., 0])
        elif self.sparse:
            eta = np.asarray(self.block(rows) @ beta.T).T
        else:
            block = self.block(rows)
            out = np.empty((len(block), len(beta)))
            # Products of small matrices take half the time where both lie row by row.
            columns = np.ascontiguousarray(beta.T)
            for piece in _pieces(block, len(beta)):
                np.matmul(block[piece], columns, out=out[piece])
            eta = out.T
        return eta if self.offset is None else eta + self.offset[rows]

    def _gathered(self, rows: Array) -> Array:
        """Return the rows of each member as a dense array (r, m, p)."""
        if not self.sparse:
            return np.asarray(self.matrix[rows])
        flat = self.matrix[rows.ravel()].toarray()
        return np.asarray(flat.reshape(*rows.shape, self.width))

    def taken(self, rows: slice) -> Design:
        """Return a design of some of the rows, which lie together in memory."""
        offset = None if self.offset is None else np.ascontiguousarray(self.offset[rows])
        matrix = self.matrix[rows]
        matrix = matrix if self.sparse else np.ascontiguousarray(matrix)
        return Design(matrix, self.names, offset, self.recipe)

    def slope(self, rows: Rows, u: Array) -> Array:
        """Return the sums of u (r, m) times each column, (r, p)."""
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            return np.asarray((u[:, None, :] @ self._gathered(rows))[:, 0])
        block = self.block(rows)
        if self.sparse:
            return np.asarray((block.T @ u.T).T)
        out = np.zeros((len(u), self.width))
        for piece in _pieces(block, len(u)):
            out += u[:, piece] @ block[piece]
        return out

    def gram(self, rows: Rows, c: Array, other: Design | None = None) -> Array:
        """Return the sums of c (r, m) times products of two columns, (r, p, q).

        Parameters
        ----------
        rows : slice, array of int (m,) or (r, m)
        c : array (r, m)
        other : Design, optional
            Supplies the second column; the same design if not given.
        """
        same = other is None or other is self
        right = self if other is None else other
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            own = self._gathered(rows)
            second = own if same else right._gathered(rows)
            return np.asarray(np.swapaxes(own, 1, 2) @ (c[:, :, None] * second))
        if not (self.width and right.width):
            return np.zeros((len(c), self.width, right.width))
        block = self.block(rows)
        second = block if same else right.block(rows)
        if self.sparse or right.sparse:
            return np.stack([_sparse_product(block, row, second) for row in c])
        if len(c) <= max(1, min(_FEW, _FEW_EACH * min(self.width, right.width))):
            return np.stack([_weighted_gram(block, row, second, same) for row in c])
        return _weighted_grams(block, c, second, same)


def _pieces(block: Any, q: int) -> Iterator[slice]:
    """Cut a block into pieces of which products with q vectors are too short to be shared by threads.

    Threads that wait for each other at every block cost more than they bring.
    """
    m, p = block.shape
    dense = isinstance(block, np.ndarray) and q > 1
    length = max(_ALONE // max(p * q, 1), _SHORTEST) if dense else max(m, 1)
    for start in range(0, m, length):
        yield slice(start, start + length)


def _weighted_gram(block: Array, c: Array, second: Array, same: bool) -> Array:
    """Return block' diag(c) second, (p, q); a symmetric product where the weights have one sign."""
    if not same:
        return np.asarray(block.T @ (c[:, None] * second))
    if (c >= 0).all():
        sign = 1.0
    elif (c <= 0).all():
        sign = -1.0
    else:
        return np.asarray(block.T @ (c[:, None] * block))
    scaled = np.multiply(np.sqrt(sign * c)[:, None], block, out=room(block.shape, ROWS))
    lower = dsyrk(sign, scaled.T, lower=1)
    out = np.asarray(lower + lower.T)
    out.flat[:: len(out) + 1] *= 0.5
    return out


def _weighted_grams(block: Array, c: Array, second: Array, same: bool) -> Array:
    """Return block' diag(c) second for many weights c (r, m), (r, p, q).

    Products of columns are taken once for all of them: the weights are rows of one matrix product.
    """
    p, q = block.shape[1], second.shape[1]
    # Of a matrix with itself, column j meets those from j on.
    ends = np.cumsum([q - j if same else q for j in range(p)]).tolist()
    length = max(_PRODUCTS // ends[-1], 1)
    scratch = np.empty((ends[-1], min(length, len(block))))
    sums = np.zeros((len(c), ends[-1]))
    for start in range(0, len(block), length):
        rows = slice(start, start + length)
        left = np.ascontiguousarray(block[rows].T)
        right = left if same else np.ascontiguousarray(second[rows].T)
        products = scratch[:, : left.shape[1]]
        for j, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            np.multiply(left[j], right[j:] if same else right, out=products[begin:end])
        sums += c[:, rows] @ products.T
    if not same:
        return sums.reshape(len(c), p, q)
    upper = np.triu_indices(p)
    out = np.empty((len(c), p, p))
    out[:, upper[0], upper[1]] = out[:, upper[1], upper[0]] = sums
    return out


def _sparse_product(block: Any, c: Array, second: Any) -> Array:
    """Return block' diag(c) second as a dense array, neither of the two made dense."""
    from scipy import sparse

    weighted: Any = sparse.diags_array(c) @ second
    out: Any = block.T @ weighted
    if sparse.issparse(out):
        out = out.toarray()  # type: ignore[attr-defined]
    return np.asarray(out)
