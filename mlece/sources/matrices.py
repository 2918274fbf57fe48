"""Covariates that came as arrays and sparse matrices: columns without names, used without a copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.sources.columns import Column, read_column

# So many columns are named in a message.
_SHOWN = 5


@dataclass(frozen=True)
class Matrix:
    """Covariates that came as an array or a sparse matrix, (n, d); its columns are x1, ..., xd."""

    values: Any

    @property
    def rows(self) -> int:
        """Number of observations."""
        return int(self.values.shape[0])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(f"x{j + 1}" for j in range(self.values.shape[1]))

    def __getitem__(self, name: str) -> Column:
        if name not in self.names:
            raise errors.unknown_name("column", name, self.names)
        j = self.names.index(name)
        if isinstance(self.values, np.ndarray):
            return read_column(self.values[:, j], name)
        return read_column(self.values[:, [j]].toarray().ravel(), name)

    def missing(self) -> tuple[Array, str] | None:
        """Return the rows with missing values and what to say of them, None if there are none.

        Raises
        ------
        DataError
            For infinite values.
        """
        row, j, values = self._not_finite()
        if not len(row):
            return None
        infinite = np.flatnonzero(np.isinf(values))
        if len(infinite):
            at = infinite[0]
            raise errors.DataError(
                errors.message(
                    "finite covariates",
                    f"{len(infinite)} infinite values, the first {values[at]} in row {row[at]}, "
                    f"column {self.names[j[at]]!r}",
                    "missing='drop' leaves out missing values alone",
                )
            )
        columns, first, count = np.unique(j, return_index=True, return_counts=True)
        shown = [
            f"{c} in {self.names[k]!r} from row {row[f]}"
            for k, f, c in zip(columns[:_SHOWN], first, count, strict=False)
        ]
        out = np.zeros(self.rows, dtype=bool)
        out[row] = True
        return out, ", ".join([*shown, *(["..."] if len(columns) > _SHOWN else [])])

    def _not_finite(self) -> tuple[Array, Array, Array]:
        """Return rows, columns and values of the entries that are not finite, in order of rows."""
        if not isinstance(self.values, np.ndarray):
            at = np.flatnonzero(~np.isfinite(self.values.data))
            row = np.searchsorted(self.values.indptr, at, side="right") - 1
            return row, self.values.indices[at], self.values.data[at]
        found = []
        for start, block in blocks(self.values):
            bad = ~np.isfinite(block)
            if bad.any():
                i, j = np.nonzero(bad)
                found.append((start + i, j, block[i, j]))
        if not found:
            none = np.zeros(0, dtype=int)
            return none, none, none
        rows, columns, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, columns, values


def blocks(values: Array) -> Iterable[tuple[int, Array]]:
    """Yield blocks of rows, so that no array of the size of the covariates is made."""
    size = max(1, (1 << 18) // max(1, values.shape[1]))
    for start in range(0, values.shape[0], size):
        yield start, values[start : start + size]


def dense_matrix(given: Any) -> Array:
    """Return an array as float64 (n, d), without a copy where that is possible."""
    try:
        masked = isinstance(given, np.ma.MaskedArray)
        array = np.asarray(given.astype(float).filled(np.nan) if masked else given)
        if array.dtype.kind in "US" and not isinstance(given, np.ndarray):
            array = np.array(given, dtype=object)
    except ValueError:
        raise errors.DataError(
            errors.message("covariates as a rectangular array", "rows of different length")
        ) from None
    if array.ndim not in (1, 2):
        raise errors.DataError(
            errors.message("covariates as an array (n, d) or (n,)", f"an array {array.shape}")
        )
    array = array[:, None] if array.ndim == 1 else array
    if array.shape[0] == 0:
        raise errors.DataError(errors.message("covariates with at least one row", "no rows"))
    if array.dtype.kind in "OUS":
        array = np.stack([_plain_numbers(array[:, j], j) for j in range(array.shape[1])], axis=1)
    elif array.dtype.kind not in "fiub":
        raise errors.DataTypeError(
            errors.message("covariates as real numbers", f"an array of {array.dtype}")
        )
    if array.dtype != np.float64:
        array = array.astype(np.float64)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    return array


def _plain_numbers(values: Array, j: int) -> Array:
    column = read_column(values.astype(object), f"x{j + 1}")
    if column.is_text:
        first = next(i for i, cell in enumerate(values) if isinstance(cell, str | bytes))
        raise errors.DataError(
            errors.message(
                "covariates in an array as numbers",
                f"text in column {j}, the first {str(values[first])!r} in row {first}",
                "Pass a frame or a mapping of columns, where text is coded by its levels",
            )
        )
    numbers = column.values.astype(float)
    return numbers if column.missing is None else np.where(column.missing, np.nan, numbers)


def sparse_matrix(given: Any) -> Any:
    """Return a sparse matrix as csr of float64."""
    from scipy import sparse

    if given.ndim != 2 or given.shape[0] == 0:
        raise errors.DataError(
            errors.message("a sparse matrix (n, d) with at least one row", f"shape {given.shape}")
        )
    if given.dtype.kind not in "fiub":
        raise errors.DataTypeError(
            errors.message("covariates as real numbers", f"a sparse matrix of {given.dtype}")
        )
    return sparse.csr_array(given, dtype=np.float64)
