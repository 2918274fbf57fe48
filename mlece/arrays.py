"""Array-like things of every kind as numpy arrays of numbers."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.numerics.tally import tally

# What may be done about missing values.
MISSING = ("raise", "drop")


def as_array(data: Any, what: str) -> Array:
    """Return array-like data as a numpy array, without a copy where possible.

    Accepts arrays, lists, pandas, polars and pyarrow Series, and frames with one column.

    Raises
    ------
    DataTypeError
        For scalars, mappings and other things that hold no sequence of observations.
    """
    if isinstance(data, np.ma.MaskedArray):
        array = _unmasked(data, what)
    elif isinstance(data, np.ndarray):
        array = data
    elif isinstance(data, list | tuple | range):
        try:
            array = as_given(data)
        except ValueError:
            raise errors.DataError(
                errors.message(f"{what} as a rectangular array", "rows of different length")
            ) from None
    else:
        array = _from_frame_library(data, what)
    if array.ndim == 0:
        raise errors.DataTypeError(
            errors.message(
                f"{what} as a sequence of observations", f"the single value {data!r:.60}"
            )
        )
    if array.shape[-1] == 0:
        raise errors.DataError(errors.message(f"{what}: at least one observation", "none"))
    return array


def as_given(data: Any) -> Array:
    """Return entries as an array in which numbers beside text are numbers still."""
    array = np.asarray(data)
    if not isinstance(data, list | tuple) or array.dtype.kind not in "US":
        return array
    if all(isinstance(v, str | bytes) for v in data):
        return array
    return np.array(data, dtype=object)


def declared_categories(data: Any) -> tuple[Any, ...] | None:
    """Return the categories that a pandas categorical or a polars Enum Series declares, in its order.

    None for data that declare none; a polars Categorical knows its categories by what it has met alone.
    """
    if isinstance(data, np.ndarray | list | tuple | range):
        return None
    own: Any = getattr(data, "dtype", None)
    if type(own).__name__ == "CategoricalDtype":
        return tuple(np.asarray(own.categories).tolist())
    import narwhals as nw

    native = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame) and len(native.columns) == 1:
        native = native[native.columns[0]]
    if not isinstance(native, nw.Series):
        return None
    dtype: Any = getattr(native.to_native(), "dtype", None)
    # A polars Categorical numbers what it has met; an Enum and a pandas one are declared.
    if isinstance(native.dtype, nw.Enum) or type(dtype).__name__ == "CategoricalDtype":
        return tuple(np.asarray(dtype.categories).tolist())
    return None


def _unmasked(data: Any, what: str) -> Array:
    mask = np.ma.getmaskarray(data)
    if mask.any():
        raise errors.DataError(
            errors.message(
                f"{what}: no masked entries",
                errors.offenders(mask, np.ma.getdata(data)),
                "Missing values are not dropped in silence: use data.compressed()",
            )
        )
    return np.asarray(np.ma.getdata(data))


def _from_frame_library(data: Any, what: str) -> Array:
    """Read a Series, a frame of one column, or anything else that knows how to become an array."""
    import narwhals as nw

    native = _narwhal(data, allow_series=True)
    if isinstance(native, nw.DataFrame):
        if len(native.columns) != 1:
            raise errors.DataError(
                errors.message(
                    f"{what}: one column",
                    f"a frame with columns {', '.join(map(str, native.columns))}",
                    "Pass the column, or its name together with given=frame",
                )
            )
        native = native[native.columns[0]]
    if isinstance(native, nw.Series):
        return native.to_numpy()
    if hasattr(data, "__array__"):
        return np.asarray(data)
    raise errors.DataTypeError(
        errors.message(
            f"{what} as an array, a list or a Series", f"{type(data).__name__} {data!r:.60}"
        )
    )


def _narwhal(data: Any, **options: bool) -> Any:
    """Return a frame or Series under the names that all libraries share, anything else as it is."""
    import narwhals as nw

    try:
        return nw.from_native(data, pass_through=True, **options)
    except nw.exceptions.DuplicateError:
        raise errors.DataError(
            errors.message("columns with different names", f"{list(data.columns)!r:.60}")
        ) from None


def column(frame: Any, name: str) -> Any:
    """Return one column of a data frame (or of a mapping of columns).

    Raises
    ------
    UnknownNameError
        With the nearest column names.
    """
    if isinstance(frame, Mapping):
        if name not in frame:
            raise errors.unknown_name("column", name, map(str, frame))
        return frame[name]
    import narwhals as nw

    native = _narwhal(frame, eager_only=True)
    if not isinstance(native, nw.DataFrame):
        raise errors.DataTypeError(
            errors.message("a data frame in given=", f"{type(frame).__name__}")
        )
    if name not in native.columns:
        raise errors.unknown_name("column", name, map(str, native.columns))
    return native[name].to_native()


def numeric(array: Array, what: str, *, labels: bool = True) -> Array:
    """Return an array of real numbers, or raise the error that says what came instead.

    ``labels`` tells whether text in their place could be fitted as such.
    """
    if array.dtype.kind in "fiu":
        if array.dtype.kind == "f" and array.dtype.itemsize != 8:
            # What lies beyond the doubles becomes infinite, and is reported as such.
            with np.errstate(over="ignore"):
                return array.astype(float)
        return array
    if array.dtype.kind == "b":
        return array.view(np.uint8) if array.flags.c_contiguous else array.astype(np.uint8)
    if array.dtype.kind == "O":
        plain = all(isinstance(v, numbers.Number) for v in array.ravel()[:1000])
        try:
            # Integers beyond 64 bits and decimals arrive as objects; None becomes NaN and is reported.
            out = array.astype(float)
        except (TypeError, ValueError, OverflowError):
            out = None
        if out is not None and (plain or np.isnan(out).any()):
            return out
    mask = np.ones(array.shape, dtype=bool)
    if array.dtype.kind == "O":
        mask = np.array([not _is_number(v) for v in array.ravel()]).reshape(array.shape)
    label = array[mask][:1].tolist()[0]
    hint = "Convert them to numbers first"
    if labels and isinstance(label, str | bytes):
        hint = (
            f"Labels can be fitted with Categorical(), and with Bernoulli() as y == {label!r:.40}; "
            "convert text to numbers first otherwise"
        )
    raise errors.DataTypeError(
        errors.message(
            f"{what} as real numbers",
            f"dtype {array.dtype}: {errors.offenders(mask, array)}",
            hint,
        )
    )


def _is_number(value: Any) -> bool:
    """Tell whether an entry has a value among the doubles; None is a missing one."""
    if value is None:
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return isinstance(value, numbers.Number)


def require_finite(array: Array, what: str) -> None:
    """Raise the error that names missing and infinite observations, if there are any."""
    missing = ~np.isfinite(array)
    if missing.any():
        raise errors.DataError(
            errors.message(
                f"{what}: finite numbers",
                errors.offenders(missing, array),
                "Missing values are not dropped in silence: remove or impute them first",
            )
        )


def factorize(array: Array, what: str) -> tuple[tuple[Any, ...], Array]:
    """Return the distinct labels of an array, sorted where they can be, and a code for each entry.

    Parameters
    ----------
    array : array (..., n)
        Labels of any type: numbers, booleans, strings, objects that hash.

    Returns
    -------
    labels : tuple
        K distinct labels.
    codes : array of int (..., n)
        Positions in ``labels``.

    Raises
    ------
    DataError
        If labels are missing (None or NaN).
    """
    flat = array.ravel()
    if flat.dtype.kind in "iub":
        whole = flat.view(np.uint8) if flat.dtype.kind == "b" else flat
        low, high = int(whole.min()), int(whole.max())
        if high - low < max(flat.size, 1024):
            shifted = whole if low == 0 else whole.astype(np.int64) - low
            seen = np.flatnonzero(tally(shifted, high - low + 1))
            labels = tuple(
                bool(v) if flat.dtype.kind == "b" else int(v) for v in (seen + low).tolist()
            )
            if seen.size == high - low + 1:
                return labels, shifted.reshape(array.shape)
            table = np.zeros(high - low + 1, dtype=np.int64)
            table[seen] = np.arange(seen.size)
            return labels, table[shifted].reshape(array.shape)
    if flat.dtype.kind in "fcmMiu":
        missing = np.isnan(flat) if flat.dtype.kind in "fcmM" else np.zeros(flat.size, dtype=bool)
        if missing.any():
            raise _missing_labels(missing, flat, what)
        values, codes = np.unique(flat, return_inverse=True)
        return tuple(values.tolist()), codes.reshape(array.shape)
    return _factorize_objects(array, flat, what)


def _missing_labels(mask: Array, values: Array, what: str) -> errors.DataError:
    return errors.DataError(
        errors.message(f"{what}: a label for every observation", errors.offenders(mask, values))
    )


# Entries looked up in one call; few enough to be still in the cache when they are released.
_LABELS = 1024
_BYTE = 256


def _positions_of(entries: list[Any], positions: dict[Any, int]) -> bytes | Array:
    """Number labels in their order of arrival; in single bytes as long as there are no more of them."""
    # A single entry would come back without its tuple.
    get = operator.itemgetter(*entries, *entries[:1])
    try:
        # It looks all of them up without a step of the interpreter for each.
        found = get(positions)
    except KeyError:
        for label in entries:
            positions.setdefault(label, len(positions))
        found = get(positions)
    if len(positions) <= _BYTE:
        return bytes(found)[:-1]
    return np.array(found[:-1], dtype=np.int64)


def _factorize_objects(array: Array, flat: Array, what: str) -> tuple[tuple[Any, ...], Array]:
    positions: dict[Any, int] = {}
    pieces: list[bytes | Array] = []
    try:
        for start in range(0, flat.size, _LABELS):
            entries = flat[start : start + _LABELS].tolist()
            pieces.append(_positions_of(entries, positions))
    except TypeError:
        raise errors.DataTypeError(
            errors.message(f"{what}: labels that hash", f"entries such as {entries[0]!r:.40}")
        ) from None
    if any(map(_is_missing, positions)):
        mask = np.array([_is_missing(e) for e in flat.tolist()])
        raise _missing_labels(mask, flat, what)
    try:
        labels = tuple(sorted(positions))
    except TypeError:
        labels = tuple(positions)
    rank = {label: k for k, label in enumerate(labels)}
    table = np.array([rank[label] for label in positions], dtype=np.int64)
    return labels, _ranked(pieces, table).reshape(array.shape)


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:
        # The missing value of pandas does not say whether it equals anything, itself included.
        return True


def _ranked(pieces: list[bytes | Array], table: Array) -> Array:
    """Put pieces of positions together and replace each position by its entry in a table."""
    if all(isinstance(p, bytes) for p in pieces):
        ranks = np.resize(table, _BYTE).astype(np.uint8).tobytes()
        return np.frombuffer(b"".join(pieces).translate(ranks), dtype=np.uint8)  # type: ignore[arg-type]
    wide = [np.frombuffer(p, dtype=np.uint8) if isinstance(p, bytes) else p for p in pieces]
    return np.asarray(table[np.concatenate(wide)])


def without_missing(data: Any, weights: Any) -> tuple[Any, Any, int]:
    """Return a column of observations without those that are missing, their weights, how many were not.

    Parameters
    ----------
    data : Series, frame of one column, or sequence
        Anything else (a batch of samples) is returned as it is.
    weights : array_like, optional
    """
    import narwhals as nw

    native = nw.from_native(data, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame) and len(native.columns) == 1:
        native = native.get_column(native.columns[0])
    if isinstance(native, nw.Series):
        missing = (
            native.is_null() | native.is_nan() if native.dtype.is_float() else native.is_null()
        )
        gone = np.asarray(missing.to_numpy(), dtype=bool)
        column = native.filter(~missing).to_native()
    else:
        cells = np.asarray(data, dtype=object)
        if cells.ndim != 1:
            return data, weights, 0
        gone = np.array([v is None or v != v for v in cells], dtype=bool)
        column = cells[~gone].tolist()
    if not gone.any():
        return data, weights, 0
    if weights is not None and np.shape(weights) == gone.shape:
        weights = np.asarray(weights)[~gone]
    return column, weights, int(gone.sum())
