"""One published data set: its columns, its units and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mlece.errors import MissingDependencyError, message, unknown_name

COUNT = "count"

Backend = Literal["pandas", "polars", "pyarrow"]
Column = NDArray[Any]  # float64, int64 or text, as the catalogue says


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A published data set: a sample, or a table of distinct values with counts.

    All arrays are one-dimensional, of the same length, and read-only.

    Parameters
    ----------
    name : str
        The name that `mlece.datasets.load` takes.
    title : str
        What the data are, in one line.
    columns : mapping of str to array, shape (rows,)
        The columns, without the counts.
    value : str
        The column that a fit takes unless told otherwise.
    counts : array of int64, shape (rows,), or None
        How many observations each row stands for; None where each row is one.
    units : mapping of str to str
        The unit of each column.
    source : str
        Full citation.
    teaches : str
        What the set shows, in one line.
    """

    name: str
    title: str
    columns: Mapping[str, Column]
    value: str
    counts: NDArray[np.int64] | None
    units: Mapping[str, str]
    source: str
    teaches: str

    @property
    def values(self) -> Column:
        """The main column, shape (rows,)."""
        return self.columns[self.value]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order, without the counts."""
        return tuple(self.columns)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.values.size

    @property
    def n(self) -> int:
        """The number of observations: the sum of the counts, or the number of rows."""
        return self.rows if self.counts is None else int(self.counts.sum())

    def margin(self, column: str | None = None) -> tuple[Column, NDArray[np.int64]]:
        """Return the distinct values of one column, and how often each occurs.

        Parameters
        ----------
        column : str, optional
            A column name; the main column by default.

        Returns
        -------
        values : array, shape (distinct,)
            In increasing order; text in that of the alphabet.
        counts : array of int64, shape (distinct,)
            They sum to `n`.

        Raises
        ------
        UnknownNameError
            If there is no such column.

        Examples
        --------
        >>> from mlece import datasets
        >>> faces, counts = datasets.wolf_dice().margin("red")
        >>> faces.tolist(), counts.tolist()
        ([1, 2, 3, 4, 5, 6], [3407, 3631, 3176, 2916, 3448, 3422])
        """
        name = self.value if column is None else column
        if name not in self.columns:
            raise unknown_name("column", name, self.columns)
        distinct, position = np.unique(self.columns[name], return_inverse=True)
        counts = np.zeros(distinct.size, dtype=np.int64)
        np.add.at(counts, position, 1 if self.counts is None else self.counts)
        return distinct, counts

    def frame(self, backend: Backend = "pandas") -> Any:
        """Return the columns, and the counts where there are any, as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            The library whose data frame (or table) is wanted.

        Raises
        ------
        UnknownNameError
            If the backend is none of these.
        MissingDependencyError
            If the library is not installed.

        Examples
        --------
        >>> from mlece import datasets
        >>> datasets.horse_kicks().frame().columns.tolist()
        ['deaths', 'count']
        """
        import narwhals as nw

        if backend not in get_args(Backend):
            raise unknown_name("data-frame library", backend, get_args(Backend))
        counts = {} if self.counts is None else {COUNT: self.counts}
        # Copies: what a user does to the frame must not meet a read-only array.
        data = {name: column.copy() for name, column in {**self.columns, **counts}.items()}
        try:
            return nw.from_dict(data, backend=backend).to_native()
        except ImportError as error:
            raise MissingDependencyError(
                message(
                    f"the package {backend}",
                    "none installed",
                    f"Install it with: python -m pip install {backend}",
                )
            ) from error

    def __repr__(self) -> str:
        rows = "" if self.counts is None else f" in {self.rows} rows"
        columns = ", ".join(f"{name} [{self.units[name]}]" for name in self.columns)
        return f"<Dataset {self.name}: n = {self.n}{rows}; {columns}>"
