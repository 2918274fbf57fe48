"""Columns of covariates of every kind: numbers, truth values and labels."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import declared_categories
from mlece.math import Array

# Integers beyond it are not all floats; they stay integers, so that labels do not merge.
_EXACT = 2**53
_DAYS = " (days since a date)"
_DATE = re.compile(r"(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3\d{2,4})([T ].*)?", re.ASCII)
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
    declared : bool
        Whether the source says that they are labels, as a categorical column does and text does not.
    """

    name: str
    values: Array
    missing: Array | None = None
    levels: tuple[Any, ...] | None = None
    declared: bool = False

    @property
    def kind(self) -> str:
        """What the column holds, in words."""
        if self.levels is not None:
            return "labels"
        return "truth values" if self.values.dtype.kind == "b" else "numbers"

    @property
    def is_text(self) -> bool:
        """Whether the column holds labels."""
        return self.levels is not None

    def label(self, row: int) -> Any:
        """Return what was observed in a row."""
        value = self.values[row].item()
        return value if self.levels is None else self.levels[value]

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
        levels = tuple(self.levels[i] for i in used)
        return replace(self, values=values, missing=missing, levels=levels)

    def require_labels(self) -> None:
        """Raise DataError for text most of which are numbers or dates: they were to be read as such."""
        levels = () if self.declared else self.levels or ()
        found = ((what, [reads(level) for level in levels]) for what, reads in _READINGS)
        what, read = next((f for f in found if 2 * sum(f[1]) > len(f[1])), ("", []))
        if not what:
            return
        bad = np.isin(self.values, np.flatnonzero(~np.array(read)))
        got = f"text that reads as {what}, the first {self.label(0)!r}"
        if bad.any():
            got += f"; {errors.offenders(bad, [self.label(i) for i in range(len(bad))])} does not"
        raise errors.DataError(
            errors.message(
                f"numbers or labels in the covariate {self.name!r}",
                got,
                f"Convert the column to numbers{_DAYS if what == 'dates' else ''}, or write "
                f"C({self.name}) for labels",
            )
        )

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


def describe_missing(columns: Iterable[Column]) -> str:
    """Say how many values of which column are missing, and in which row the first one."""
    parts = []
    for column in columns:
        if column.missing is not None:
            count, first = int(column.missing.sum()), int(np.argmax(column.missing))
            parts.append(f"{count} in {column.name!r} from row {first}")
    return ", ".join(parts)


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
    if not isinstance(series, nw.Series) and hasattr(data, "__array__"):
        import pandas as pd

        # Arrays of pandas and of pyarrow, which are no Series themselves.
        series = nw.from_native(pd.Series(data), series_only=True)
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
            f"Turn dates and durations into numbers{_DAYS} first",
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
    elif kind == "number" and all(isinstance(cell, numbers.Integral) for cell in cells):
        try:
            whole = np.where(missing, 0, array).astype(np.int64)
        except OverflowError:
            raise errors.DataError(
                errors.message(
                    f"integers of 64 bits in the covariate {name!r}",
                    "longer ones",
                    "Labels can be text",
                )
            ) from None
        return _with_missing(_of_array(whole, name), missing)
    elif kind == "number":
        values = np.where(missing, np.nan, array).astype(float)
    else:
        raise _no_covariate(name, f"{kind}, the first {cells[0]!r}")
    return Column(name, values, missing if missing.any() else None)


def is_number(label: Any) -> bool:
    """Tell whether a label is the text of a finite number."""
    try:
        return math.isfinite(float(label))
    except (TypeError, ValueError):
        return False


def is_date(label: Any) -> bool:
    """Tell whether a label is the text of a date: year, month and day, in this order or the other."""
    return isinstance(label, str) and _DATE.fullmatch(label.strip()) is not None


_READINGS = (("numbers", is_number), ("dates", is_date))


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
    levels = tuple(v.decode() if isinstance(v, bytes) else str(v) for v in found[order])
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
    if type(getattr(native, "dtype", None)).__name__ == "CategoricalDtype":
        codes = np.asarray(native.cat.codes).astype(np.intp)
    else:
        import narwhals as nw

        plain = _labelled(np.asarray(series.cast(nw.String).to_numpy(), dtype=object), name)
        if declared is None or plain.levels is None:
            return replace(plain, declared=True)
        place = [declared.index(level) for level in plain.levels] + [-1]
        codes = np.asarray(place)[plain.values]
    missing = codes < 0
    return Column(name, codes, missing if missing.any() else None, declared, declared=True)
