"""Which columns of a design are linear combinations of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from mlece import errors
from mlece.design import row_blocks
from mlece.math import Array
from mlece.regression.rowspace import RowSpace, column_sizes, dense, is_sparse, triangle

# Of a vector of the null space, of length 1: an entry below is rounding.
_ENTRY = 1e-8
_SAMPLE = 4096  # rows that are looked at first
# Least eigenvalue of a Gram matrix, by column, that its rounding errors cannot have made.
_SAFE = 1e-8
_SHOWN = 5  # dependences that a message spells out
_TERMS = 8  # of one of them


@dataclass(frozen=True)
class Dependence:
    """A column that is a linear combination of columns before it.

    Parameters
    ----------
    column : int
        Its position.
    name : str
    terms : tuple of (str, float)
        The other columns with their coefficients; none for a column of zeros.
    constant : bool
        Whether both it and the one column that it is a multiple of are constant.
    """

    column: int
    name: str
    terms: tuple[tuple[str, float], ...]
    constant: bool = False

    def __str__(self) -> str:
        if not self.terms:
            return f"{self.name} is 0 everywhere"
        if self.constant:
            other, value = self.terms[0]
            return f"{self.name} is constant ({value:.6g} times {other})"
        text = ""
        for name, value in self.terms[:_TERMS]:
            size = "" if abs(abs(value) - 1) < 1e-9 else f"{abs(value):.6g} "
            joint = (" + " if value > 0 else " - ") if text else ("" if value > 0 else "-")
            text += f"{joint}{size}{name}"
        left = len(self.terms) - _TERMS
        return f"{self.name} = {text}" + (f" and {left} terms more" if left > 0 else "")


def dependent(matrix: Any, names: Sequence[str]) -> tuple[Dependence, ...]:
    r"""Return the columns that are linear combinations of columns before them.

    The null space is that of the columns scaled to a largest entry of 1, by the singular values of their
    triangular factor (of the Gram matrix for wide sparse designs, judged by products with the
    columns); singular values below 1e-12 of the largest are rounding. It is brought into the reduced
    echelon form in which the last columns are expressed by the first.

    Parameters
    ----------
    matrix : array or scipy.sparse array (n, k)
        Finite.
    names : sequence of str
        Of the columns.

    Returns
    -------
    tuple of Dependence
        By position; the rank is k less their number.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.collinear import dependent
    >>> a, b = np.array([1.0, 2.0, 4.0, 5.0]), np.array([3.0, 1.0, 0.0, 2.0])
    >>> [str(d) for d in dependent(np.column_stack([a, b, a + 2 * b]), ["a", "b", "c"])]
    ['c = a + 2 b']
    """
    matrix = sp.csr_array(matrix) if is_sparse(matrix) else matrix  # the kinds without rows too
    if _independent(matrix):
        return ()
    size = column_sizes(matrix)
    scale = np.where(size > 0, size, 1.0)
    if is_sparse(matrix):
        null = RowSpace(sp.csr_matrix(matrix @ sp.diags(1 / scale))).null
    else:
        null = RowSpace(triangle(matrix, scale)).null
    found = [_dependence(matrix, names, j, row / scale) for j, row in _echelon(null)]
    return tuple(sorted(found, key=lambda d: d.column))


def _independent(matrix: Any) -> bool:
    """Tell whether a few of the rows, or the Gram matrix of all, show that no column depends on others.

    Columns that are independent in some of the rows are independent.
    """
    n, k = matrix.shape
    step = n // max(_SAMPLE, 4 * k)
    return k > 0 and ((step > 1 and _definite(matrix[::step])) or _definite(matrix))


def _definite(matrix: Any) -> bool:
    """Tell whether the Gram matrix of columns of length one is safely positive definite."""
    n, k = matrix.shape
    sparse = is_sparse(matrix)
    gram = np.zeros((k, k))
    with np.errstate(all="ignore"):
        for rows in [slice(0, n)] if sparse else row_blocks(n, k):
            block = matrix[rows]
            own = block.T @ block
            gram += own.toarray() if sparse else own
        size = np.sqrt(gram.diagonal())
        unit = gram / (size[:, None] * size)
    if not np.isfinite(unit).all():
        return False
    try:
        # There is a factor if the least eigenvalue exceeds what is taken from the diagonal.
        np.linalg.cholesky(unit - _SAFE * k * np.eye(k))
    except np.linalg.LinAlgError:
        return False
    return True


def _echelon(null: Array) -> list[tuple[int, Array]]:
    """Return the rows of the reduced echelon form of a null space, pivots from the last column on."""
    rows = null.T.copy()
    free = np.ones(len(rows), dtype=bool)
    pivots: list[tuple[int, int]] = []
    for j in range(rows.shape[1] - 1, -1, -1):
        size = np.where(free, np.abs(rows[:, j]), 0.0)
        if not free.any() or size.max() <= _ENTRY:
            continue
        i = int(np.argmax(size))
        free[i] = False
        pivots.append((j, i))
        rows[i] /= rows[i, j]
        others = np.arange(len(rows)) != i
        rows[others] -= rows[others, j][:, None] * rows[i]
    return [(j, np.where(np.abs(rows[i]) > _ENTRY, rows[i], 0.0)) for j, i in pivots]


def _dependence(matrix: Any, names: Sequence[str], j: int, row: Array) -> Dependence:
    """Solve a vanishing combination of columns for one of them."""
    others = [i for i in np.flatnonzero(row).tolist() if i != j]
    terms = tuple((names[i], float(-row[i] / row[j])) for i in others)
    constant = len(others) == 1 and np.ptp(dense(matrix[:, others])) == 0
    return Dependence(j, names[j], terms, bool(constant))


def collinear(found: Sequence[Dependence], width: int, remedy: bool = False) -> errors.DataError:
    """Return the error for a design with dependent columns.

    Parameters
    ----------
    found : sequence of Dependence
    width : int
        Number of columns.
    remedy : bool
        Whether a ridge penalty is still to be named.

    Examples
    --------
    >>> from mlece.regression.collinear import Dependence, collinear
    >>> print(collinear([Dependence(2, "c", (("a", 1.0), ("b", -1.0)))], 3))
    expected linearly independent columns; got 1 of 3 that others determine: c = a - b. Leave out c.
    """
    shown = "; ".join(str(d) for d in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    names = ", ".join(d.name for d in found[:_SHOWN]) + (" and the others" if more else "")
    return errors.DataError(
        errors.message(
            "linearly independent columns",
            f"{len(found)} of {width} that others determine: {shown}{more}",
            f"Leave out {names}"
            + (", or shrink them: penalty=mlece.ridge(strength)." if remedy else "."),
        )
    )
