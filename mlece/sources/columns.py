"""Columns of covariates from frames, mappings and arrays: numbers, truth values and labels."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import declared_categories
from mlece.math import Array

# Integers beyond it are not all floats; they stay integers, so that labels do not merge.
_EXACT = 2**53
DROP = "Use missing='drop' to leave incomplete rows out"


@dataclass(frozen=True)
class Column:
    """One covariate.

    Parameters
    ----------
    name : str
    values : array (n,)
        Numbers, truth values, or positions among the levels of a column of labels, -1 where missing.
    missing : array of bool (n,), optional
        Where nothing was observed; None if everywhere something was.
    levels : tuple, optional
        The labels in their order: as declared, else sorted; None for numbers and truth values.
    """

    name: str
    values: Array
    missing: Array | None = None
    levels: tuple[Any, ...] | None = None

    @property
    def is_text(self) -> bool:
        """Whether the column holds labels."""
        return self.levels is not None

    def take(self, kept: Array | None) -> Column:
        """Return the column at some rows, without the levels that do not occur there."""
        values = self.values if kept is None else self.values[kept]
        missing = None if kept is not None or self.missing is None else self.missing
        if self.levels is None:
            return replace(self, values=values, missing=missing)
        used = np.flatnonzero(np.bincount(values[values >= 0], minlength=len(self.levels)))
        if len(used) < len(self.levels):
            place = np.full(len(self.levels) + 1, -1)
            place[used] = np.arange(len(used))
            values = place[values]
        return Column(self.name, values, missing, tuple(self.levels[i] for i in used))

    def require_finite(self) -> None:
        """Raise DataError for infinite numbers."""
        if self.levels is not None or self.values.dtype.kind != "f":
            return
        bad = ~np.isfinite(self.values)
        if self.missing is not None:
            bad &= ~self.missing
        if bad.any():
            raise errors.DataError(
                errors.message(
                    f"finite numbers in the covariate {self.name!r}",
                    errors.offenders(bad, self.values),
                    "missing='drop' leaves out missing values alone",
                )
            )


@dataclass(frozen=True)
class Columns:
    """Columns by name, read when they are asked for.

    Parameters
    ----------
    source : mapping of str to column
    names : tuple of str
    rows : int
    """

    source: Any
    names: tuple[str, ...]
    rows: int
    _read: dict[str, Column] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Column:
        if name not in self._read:
            if name not in self.names:
                raise errors.unknown_name("column", name, self.names)
            self._read[name] = read_column(self.source[name], name)
        return self._read[name]


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

    def missing(self) -> Array | None:
        """Return the rows with missing values; raise DataError for infinite ones."""
        out = None
        for start, block in _blocks(self.values):
            if np.isfinite(block if isinstance(block, np.ndarray) else block.data).all():
                continue
            dense = block if isinstance(block, np.ndarray) else block.toarray()
            if np.isinf(dense).any():
                row, j = (int(i[0]) for i in np.nonzero(np.isinf(dense)))
                raise errors.DataError(
                    errors.message(
                        "finite covariates",
                        f"{dense[row, j]} in row {start + row}, column {self.names[j]!r}",
                        "missing='drop' leaves out missing values alone",
                    )
                )
            out = np.zeros(self.rows, dtype=bool) if out is None else out
            out[start : start + len(dense)] = np.isnan(dense).any(axis=1)
        return out

    def describe_missing(self, rows: Array) -> str:
        """Say how many values are missing in each column."""
        found = [self[name] for name in self.names]
        return describe_missing(c for c in found if c.missing is not None)


def _blocks(values: Any) -> Iterable[tuple[int, Any]]:
    """Yield blocks of rows, so that no array of the size of the covariates is made."""
    size = max(1, (1 << 18) // max(1, values.shape[1]))
    for start in range(0, values.shape[0], size):
        yield start, values[start : start + size]


def describe_missing(columns: Iterable[Column]) -> str:
    """Say how many values of which column are missing, and in which row the first one."""
    parts = []
    for column in columns:
        if column.missing is not None:
            count, first = int(column.missing.sum()), int(np.argmax(column.missing))
            parts.append(f"{count} in {column.name!r} (the first in row {first})")
    return ", ".join(parts)


def read_covariates(given: Any) -> Columns | Matrix:
    """Return what ``given=`` holds as columns by name, or as a matrix.

    Parameters
    ----------
    given : frame, mapping, array_like (n, d) or (n,), or scipy.sparse array (n, d)
        A mapping's scalars stand for columns of one value.

    Raises
    ------
    DataError
        If there are no rows, or columns of different length.
    DataTypeError
        If it is none of these.
    """
    from scipy import sparse

    if isinstance(given, Mapping):
        return _of_mapping(given)
    if sparse.issparse(given):
        return Matrix(_sparse_matrix(given))
    if isinstance(given, np.ndarray | list | tuple):
        return Matrix(_dense_matrix(given))
    import narwhals as nw

    native = nw.from_native(given, allow_series=True, pass_through=True)
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    if isinstance(native, nw.Series):
        native = native.alias(str(native.name or "x1")).to_frame()
    if isinstance(native, nw.DataFrame):
        names = tuple(native.columns)
        strange = [name for name in names if not isinstance(name, str)]
        if strange:
            raise errors.DataTypeError(
                errors.message("names of columns as text", f"the name {strange[0]!r}")
            )
        return _some_rows(Columns(native, names, len(native)))
    if hasattr(given, "__array__"):
        return Matrix(_dense_matrix(np.asarray(given)))
    raise errors.DataTypeError(
        errors.message(
            "covariates as a data frame, a mapping of columns, an array (n, d) or a sparse matrix",
            f"{type(given).__name__} {given!r:.60}",
        )
    )


def _some_rows(columns: Columns) -> Columns:
    if columns.rows == 0:
        raise errors.DataError(errors.message("covariates with at least one row", "no rows"))
    return columns


def _of_mapping(given: Mapping[Any, Any]) -> Columns:
    sizes = {
        name: 1 if np.isscalar(value) or value is None else len(value)
        for name, value in given.items()
    }
    longer = {name: size for name, size in sizes.items() if not _is_scalar(given[name])}
    rows = next(iter(longer.values()), 1)
    for name, size in longer.items():
        if size != rows:
            first = next(iter(longer))
            raise errors.DataError(
                errors.message(
                    "columns of one length",
                    f"{rows} values in {first!r} and {size} in {name!r}",
                )
            )
    source = {k: [v] * rows if _is_scalar(v) else v for k, v in given.items()}
    return _some_rows(Columns(source, tuple(given), rows))


def _is_scalar(value: Any) -> bool:
    return value is None or bool(np.isscalar(value))


def _dense_matrix(given: Any) -> Array:
    """Return an array as float64 (n, d), without a copy where that is possible."""
    try:
        array = np.asarray(np.ma.filled(given, np.nan) if np.ma.isMA(given) else given)
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
        raise errors.DataError(
            errors.message(
                "covariates in an array as numbers",
                f"text in column {j}, {values[0]!r} in row 0",
                "Pass a frame or a mapping of columns, where text is coded by its levels",
            )
        )
    return column.values.astype(float)


def _sparse_matrix(given: Any) -> Any:
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


def read_column(data: Any, name: str) -> Column:
    """Return one column of anything as numbers, truth values or labels.

    Raises
    ------
    DataError
        If the cells are of several types, or neither numbers, truth values nor text.
    """
    if isinstance(data, list | tuple | range):
        data = _of_cells(data)
    if isinstance(data, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(data)
        inner = read_column(np.ma.getdata(data), name)
        return _with_missing(inner, mask if inner.missing is None else mask | inner.missing)
    if isinstance(data, np.ndarray):
        return _of_array(data, name)
    import narwhals as nw

    series = nw.from_native(data, series_only=True, pass_through=True)
    if not isinstance(series, nw.Series):
        raise errors.DataTypeError(
            errors.message(
                f"the covariate {name!r} as an array, a list or a Series",
                f"{type(data).__name__} {data!r:.60}",
            )
        )
    return _of_series(series, name)


def _of_cells(cells: Any) -> Array:
    """Return a list as an array whose cells are what they were: numpy would turn numbers into text."""
    array = np.asarray(cells) if _alike(cells) else np.array(cells, dtype=object)
    return array


def _alike(cells: Any) -> bool:
    kinds = {type(cell) for cell in cells}
    return all(issubclass(k, numbers.Real | np.bool_) for k in kinds) and not (
        len(kinds) > 1 and kinds & {bool, np.bool_}
    )


def _with_missing(column: Column, missing: Array) -> Column:
    if not missing.any():
        return replace(column, missing=None)
    values = np.where(missing, -1, column.values) if column.is_text else column.values
    return replace(column, values=values, missing=missing)


def _of_array(array: Array, name: str) -> Column:
    if array.ndim != 1:
        raise errors.DataError(
            errors.message(f"one value for each row in {name!r}", f"an array {array.shape}")
        )
    kind = array.dtype.kind
    if kind == "f":
        values = array.astype(float, copy=False)
        missing = np.isnan(values)
        return Column(name, values, missing if missing.any() else None)
    if kind in "iu":
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        exact = low >= -_EXACT and high <= _EXACT
        return Column(name, array.astype(float) if exact else array)
    if kind == "b":
        return Column(name, array)
    if kind in "USO":
        return _of_objects(array.astype(object), name)
    raise _no_covariate(name, str(array.dtype))


def _no_covariate(name: str, what: str) -> errors.DataError:
    return errors.DataError(
        errors.message(
            f"numbers, truth values or text in the covariate {name!r}",
            what,
            "Turn dates and durations into numbers (days since a date) first",
        )
    )


def _of_objects(array: Array, name: str) -> Column:
    """Read cells of type object: all text, all truth values or all numbers, besides missing ones."""
    import pandas as pd

    missing = np.asarray(pd.isna(array))
    cells = array[~missing]
    kinds = [_kind(cell) for cell in cells]
    found = sorted(set(kinds), key=kinds.index)
    if len(found) > 1:
        at = [int(np.flatnonzero(~missing)[kinds.index(k)]) for k in found]
        shown = " and ".join(
            f"{kinds.count(k)} of {k} (the first {array[i]!r} in row {i})"
            for k, i in zip(found, at, strict=True)
        )
        raise errors.DataError(
            errors.message(f"cells of one type in the covariate {name!r}", shown)
        )
    kind = found[0] if found else "number"
    if kind == "text":
        return _labelled(array, name, missing)
    if kind == "truth value":
        values = np.where(missing, False, array).astype(bool)
    elif kind == "number":
        values = np.where(missing, np.nan, array).astype(float)
    else:
        raise _no_covariate(name, f"{kind}, the first {cells[0]!r}")
    return Column(name, values, missing if missing.any() else None)


def _kind(cell: Any) -> str:
    if isinstance(cell, bool | np.bool_):
        return "truth value"
    if isinstance(cell, str | bytes):
        return "text"
    if isinstance(cell, numbers.Number) and not isinstance(cell, complex):
        return "number"
    return type(cell).__name__


def _labelled(array: Array, name: str, missing: Array | None = None) -> Column:
    """Number the labels of an array of text in sorted order."""
    import pandas as pd

    codes, found = pd.factorize(array)
    order = sorted(range(len(found)), key=lambda i: found[i])
    place = np.full(len(found) + 1, -1)
    place[order] = np.arange(len(found))
    codes = place[codes]
    missing = codes < 0 if missing is None else missing
    levels = tuple(str(found[i]) for i in order)
    return Column(name, codes, missing if missing.any() else None, levels)


def _of_series(series: Any, name: str) -> Column:
    import narwhals as nw

    dtype = series.dtype
    if isinstance(dtype, nw.Categorical | nw.Enum):
        return _of_categories(series, name)
    null = np.asarray(series.is_null().to_numpy(), dtype=bool)
    if isinstance(dtype, nw.Decimal):
        series = series.cast(nw.Float64)
    if dtype.is_numeric() or isinstance(dtype, nw.Boolean):
        if null.any():
            series = series.fill_null(False if isinstance(dtype, nw.Boolean) else 0)
        column = _of_array(np.asarray(series.to_numpy()), name)
        if column.missing is not None:
            null = null | column.missing
        return _with_missing(column, null)
    if isinstance(dtype, nw.String):
        return _labelled(np.asarray(series.to_numpy(), dtype=object), name)
    if isinstance(dtype, nw.Object):
        return _of_objects(np.asarray(series.to_numpy(), dtype=object), name)
    raise _no_covariate(name, f"a column of {dtype}")


def _of_categories(series: Any, name: str) -> Column:
    native = series.to_native()
    declared = declared_categories(native)
    if type(native.dtype).__name__ == "CategoricalDtype":
        codes = np.asarray(native.cat.codes).astype(np.intp)
    else:
        import narwhals as nw

        plain = _labelled(np.asarray(series.cast(nw.String).to_numpy(), dtype=object), name)
        if declared is None or plain.levels is None:
            return plain
        place = [declared.index(level) for level in plain.levels] + [-1]
        codes = np.asarray(place)[plain.values]
    missing = codes < 0
    return Column(name, codes, missing if missing.any() else None, declared)
