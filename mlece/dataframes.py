"""Data frames of the library that the user has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlece import errors

BACKENDS = ("pandas", "polars", "pyarrow")


def data_frame(columns: Mapping[str, Sequence[Any]], backend: str = "pandas") -> Any:
    """Return columns as a data frame.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by the name of the column; None where there is none.
    backend : {"pandas", "polars", "pyarrow"}
        The library whose data frame (or table) is wanted.

    Raises
    ------
    UnknownNameError
        If the backend is none of these.
    MissingDependencyError
        If the library is not installed.
    """
    import narwhals as nw

    if backend not in BACKENDS:
        raise errors.unknown_name("data-frame library", backend, BACKENDS)
    try:
        made: Any = nw.from_dict(dict(columns), backend=backend)  # type: ignore[arg-type]
    except ImportError as error:
        raise errors.MissingDependencyError(
            errors.message(
                f"the package {backend}",
                "none installed",
                f"Install it with: python -m pip install {backend}",
            )
        ) from error
    return made.to_native()
