"""Tables of every kind: what ``given=`` holds, and results as a table of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlece import errors
from mlece.dataframes import data_frame
from mlece.math import Array
from mlece.sources.columns import Columns
from mlece.sources.matrices import Matrix, dense_matrix, sparse_matrix


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
        return Matrix(sparse_matrix(given))
    if isinstance(given, np.ndarray | list | tuple):
        return Matrix(dense_matrix(given))
    import narwhals as nw

    try:
        native = nw.from_native(given, allow_series=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        said = str(error).split("\n")[-1].lstrip("- ")
        raise errors.DataError(errors.message("columns of different names", said)) from None
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    if isinstance(native, nw.Series):
        native = native.alias(str(native.name or "x1")).to_frame()
    if isinstance(native, nw.DataFrame):
        names = tuple(native.columns)
        strange = [name for name in names if not isinstance(name, str)]
        if strange:
            raise errors.DataTypeError(
                errors.message(
                    "names of columns as text",
                    f"the name {strange[0]!r}",
                    "Set frame.columns = frame.columns.astype(str), or pass frame.to_numpy()",
                )
            )
        return _some_rows(Columns(native, names, len(native)))
    if hasattr(given, "__array__"):
        return Matrix(dense_matrix(np.asarray(given)))
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
    sizes = {name: len(value) for name, value in given.items() if not _is_scalar(value)}
    rows = next(iter(sizes.values()), 1)
    for name, size in sizes.items():
        if size != rows:
            first = next(iter(sizes))
            raise errors.DataError(
                errors.message(
                    "columns of one length",
                    f"{rows} values in {first!r} and {size} in {name!r}",
                )
            )
    source = {k: [v] * rows if _is_scalar(v) else v for k, v in given.items()}
    return _some_rows(Columns(source, tuple(given), rows))


def _is_scalar(value: Any) -> bool:
    return (
        isinstance(value, str | bytes)
        or not hasattr(value, "__len__")
        or getattr(value, "ndim", 1) == 0
    )


def taken(given: Any, rows: Array) -> Any:
    """Return some rows (m,) of covariates, or of one column of them.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.sources.tables import taken
    >>> taken({"x": [1, 2, 3], "unit": "cm"}, np.array([0, 2]))
    {'x': [1, 3], 'unit': 'cm'}
    """
    if isinstance(given, Mapping):
        return {
            name: column if _is_scalar(column) else taken(column, rows)
            for name, column in given.items()
        }
    if isinstance(given, list | tuple):
        return [given[row] for row in rows.tolist()]
    if hasattr(given, "iloc"):
        return given.iloc[rows]
    # Frames and columns of pyarrow; those of polars and arrays are indexed.
    arrow = type(given).__module__.partition(".")[0] == "pyarrow"
    return given.take(rows) if arrow else given[rows]


def frame_like(given: Any, columns: Mapping[str, Array], rowwise: bool = True) -> Any:
    """Return columns of results as a table of the kind of another one.

    Parameters
    ----------
    given : frame, mapping, array or None
        The table whose kind is wanted.
    columns : mapping of str to array (m,)
        Columns of one length.
    rowwise : bool
        Whether results belong to the rows of the other one, so that they take over its index.

    Returns
    -------
    frame or dict of str to array
        A frame of the library of ``given``, a pandas frame with its index if there is a result for each
        of its rows; for everything that is no frame a dict.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mlece.sources.tables import frame_like
    >>> frame_like(pd.DataFrame({"x": [1, 2]}, index=["a", "b"]), {"fitted": np.array([0.5, 1.5])})
       fitted
    a     0.5
    b     1.5
    >>> frame_like({"x": [1, 2]}, {"fitted": np.array([0.5])})
    {'fitted': array([0.5])}
    """
    import narwhals as nw

    native = nw.from_native(given, allow_series=True, pass_through=True)
    if not isinstance(native, nw.DataFrame | nw.LazyFrame | nw.Series):
        return dict(columns)
    made = nw.from_dict(readable(columns), backend=native.implementation).to_native()
    rows = len(next(iter(columns.values()), ()))
    index = nw.maybe_get_index(native)
    if rowwise and index is not None and len(index) == rows:
        made.index = index
    return made


def readable(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns as every library of frames reads them: text and what may be missing as lists."""
    return {
        name: v.tolist() if isinstance(v, np.ndarray) and v.dtype.kind in "OU" else v
        for name, v in columns.items()
    }


def beside(given: Any, columns: Mapping[str, Array], name: str, library: str | None = None) -> Any:
    """Return a table with columns of results behind its own.

    Parameters
    ----------
    given : frame, Series, mapping, array (n, d) or sparse matrix
        Of a sparse matrix no columns are taken over.
    columns : mapping of str to array (n,)
    name : str
        Name of a Series that has none.
    library : {"pandas", "polars", "pyarrow"}, optional
        That of the table if not given.

    Returns
    -------
    frame or dict of str to array
        A frame if the table is one, or if a library is named.

    Raises
    ------
    DataError
        If a column is there already.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.sources.tables import beside
    >>> beside({"x": [1, 2]}, {"fitted": np.array([0.5, 1.5])}, "y")
    {'x': array([1, 2]), 'fitted': array([0.5, 1.5])}
    """
    import narwhals as nw

    native = nw.from_native(given, allow_series=True, pass_through=True)
    if isinstance(native, nw.Series):
        given = native.alias(str(native.name or name)).to_frame().to_native()
    table = read_covariates(given)
    sparse = isinstance(table, Matrix) and not isinstance(table.values, np.ndarray)
    taken = () if sparse else table.names
    twice = [column for column in columns if column in taken]
    if twice:
        raise errors.DataError(
            errors.message(
                "new names for the columns of results",
                f"{', '.join(twice)} among the columns that are there",
                "Pass prefix='.' or another one",
            )
        )
    if isinstance(table, Columns) and isinstance(table.source, nw.DataFrame):
        frame = table.source
        series = [
            nw.new_series(column, v, backend=frame.implementation)
            for column, v in readable(columns).items()
        ]
        frame = frame.with_columns(*[_indexed(one, frame) for one in series])
        return frame.to_native() if library is None else as_library(frame, library)
    own = {column: np.asarray(_cells(table, column)) for column in taken}
    if library is None:
        return own | dict(columns)
    return data_frame(readable(own | dict(columns)), library)


def _cells(table: Columns | Matrix, column: str) -> Any:
    return table.source[column] if isinstance(table, Columns) else table[column].values


def _indexed(series: Any, frame: Any) -> Any:
    """Return a series with the index of a frame, where its library has one."""
    import narwhals as nw

    index = nw.maybe_get_index(frame)
    return series if index is None else nw.maybe_set_index(series, index=index)


def as_library(frame: Any, library: str) -> Any:
    """Return a narwhals frame as one of a library."""
    return data_frame({c: frame[c].to_list() for c in frame.columns}, library)
