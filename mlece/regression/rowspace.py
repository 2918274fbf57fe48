"""Row spaces of tall matrices: triangular factor, null space, pseudo-inverse of the Gram matrix.

Dense matrices are reduced to their triangular factor block by block, which squares no condition
number. Wide sparse ones go through a sparse factorisation of their Gram matrix, and what that finds
is judged by products with the matrix itself.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from mlece.math import Array

# Of the largest singular value; what lies below is rounding, for columns of one scale. Filip's
# polynomial of degree 10 (NIST StRD) has 2e-10, sums of columns that were rounded once 1e-15.
RANK = 1e-12
_BLOCK = 1 << 20  # entries of a block that is made dense
WIDE = 600  # columns from which a sparse matrix is not reduced to a dense triangle
_SHIFT = 1e-12  # of the largest diagonal entry of a Gram matrix, so that it can be factored
_ITERATIONS = 4  # of inverse iteration: each leaves the shift over the next eigenvalue of the error


def is_sparse(matrix: Any) -> bool:
    """Tell whether a matrix is one of scipy.sparse."""
    return bool(sp.issparse(matrix))


def dense(block: Any) -> Array:
    """Return a block of rows as a dense array."""
    return np.asarray(block.toarray() if is_sparse(block) else block, dtype=float)


def blocks(matrix: Any, width: int | None = None) -> list[slice]:
    """Return slices of rows for which an array of the matrix's width, or of another, is small."""
    n, k = matrix.shape
    width = max(k if width is None else width, 1)
    # A triangle that takes in fewer rows at a time than it has does more work.
    length = max(_BLOCK // width, 2 * k, 1)
    return [slice(i, min(i + length, n)) for i in range(0, n, length)]


def column_sizes(matrix: Any) -> Array:
    """Return the largest absolute entry of each column."""
    if not matrix.shape[0]:
        return np.zeros(matrix.shape[1])
    size = abs(matrix).max(axis=0)
    return np.asarray(size.todense() if is_sparse(size) else size, dtype=float).ravel()


def triangle(matrix: Any, scale: Array | None = None) -> Array:
    """Return R with R'R = X'X, after division of the columns of X by a scale.

    Parameters
    ----------
    matrix : array or scipy.sparse array (n, k)
    scale : array (k,), optional

    Returns
    -------
    array (min(n, k), k)
        Upper trapezoidal.
    """
    k = matrix.shape[1]
    factor = np.zeros((0, k))
    for rows in blocks(matrix):
        block = dense(matrix[rows])
        stacked = np.vstack([factor, block if scale is None else block / scale])
        factor = np.asarray(np.linalg.qr(stacked, mode="r"))
    return factor


class RowSpace:
    """The row space of a matrix and what is orthogonal to it.

    Parameters
    ----------
    matrix : array or scipy.sparse array (n, k)
        Its columns of comparable size.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix
        self.width = int(matrix.shape[1])

    @cached_property
    def _wide(self) -> bool:
        return is_sparse(self.matrix) and self.width > WIDE

    @cached_property
    def _svd(self) -> tuple[Array, Array]:
        """Singular values (k,) and right singular vectors in rows (k, k)."""
        factor = triangle(self.matrix)
        short = self.width - len(factor)
        _, values, vectors = np.linalg.svd(np.vstack([factor, np.zeros((short, self.width))]))
        return values, vectors

    @cached_property
    def _factored(self) -> tuple[Array, Any]:
        """The columns that are not empty, and a factor of their shifted Gram matrix."""
        columns = np.flatnonzero(np.asarray(abs(self.matrix).sum(axis=0)).ravel() > 0)
        gram = sp.csc_matrix(self.matrix[:, columns].T @ self.matrix[:, columns])
        shift = _SHIFT * gram.diagonal().max(initial=1.0)
        shifted = sp.csc_matrix(gram + shift * sp.identity(len(columns), format="csc"))
        options = {"SymmetricMode": True, "DiagPivotThresh": 0.0}
        return columns, splu(shifted, permc_spec="MMD_AT_PLUS_A", options=options)

    @cached_property
    def null(self) -> Array:
        """Orthonormal basis of the null space, (k, r)."""
        if not self._wide:
            values, vectors = self._svd
            return np.asarray(vectors[values <= RANK * values.max(initial=0.0)].T)
        return self._wide_null()

    def _wide_null(self) -> Array:
        """Return the null space by inverse iteration on blocks that grow until they hold it all."""
        columns, factor = self._factored
        reduced = self.matrix[:, columns]
        largest = np.sqrt(np.asarray(reduced.multiply(reduced).sum(axis=0)).max(initial=0.0))
        size, found = 8, np.zeros((len(columns), 0))
        while len(columns):
            size = min(size, len(columns))
            basis = np.random.default_rng(size).standard_normal((len(columns), size))
            for _ in range(_ITERATIONS):
                basis = np.linalg.qr(factor.solve(basis))[0]
            _, values, vectors = np.linalg.svd(triangle(reduced @ basis))
            small = values <= RANK * self.width * largest
            found = basis @ vectors[: len(values)][small].T
            if not small.all() or size == len(columns):
                break
            size *= 4
        empty = np.setdiff1d(np.arange(self.width), columns)
        out = np.zeros((self.width, len(empty) + found.shape[1]))
        out[empty, np.arange(len(empty))] = 1.0
        out[columns, len(empty) :] = found
        return out

    def solve(self, right: Array) -> Array:
        """Return y in the row space with X'X y = right, (k,), as far as right lies in it."""
        if not self._wide:
            values, vectors = self._svd
            kept = values > RANK * values.max(initial=0.0)
            return np.asarray(vectors[kept].T @ ((vectors[kept] @ right) / values[kept] ** 2))
        columns, factor = self._factored
        out = np.zeros(self.width)
        for _ in range(_ITERATIONS):
            rest = right - self.matrix.T @ (self.matrix @ out)
            out[columns] += factor.solve(rest[columns])
        return out
