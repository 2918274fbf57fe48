"""Labels of observations beside a fit: columns of the table that was given, or arrays of their length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, column
from mlece.combinators.conditional import Conditional
from mlece.math import Array

if TYPE_CHECKING:
    from mlece.fits.result import Fit


def ways_of(fit: Fit, clusters: Any) -> tuple[Array, ...]:
    """Return the labels of clusters of the observations that were fitted, one array (n,) for each way.

    Parameters
    ----------
    fit : Fit
    clusters : str, array_like (n,) or (n, d), or tuple or list of these
        Labels, or the name of a column of what was given to the fit; several for several ways. A list
        whose entries are neither names of columns nor sequences holds the labels themselves.

    Raises
    ------
    DataError
        If there are none, or not as many as observations.
    """
    if clusters is None:
        raise errors.DataError(
            errors.message(
                "clusters for a cluster covariance",
                "none",
                "fit.covariance('cluster', clusters=labels), or the name of a column",
            )
        )
    if isinstance(clusters, list) and all(_is_way(fit, entry) for entry in clusters):
        clusters = tuple(clusters)
    if isinstance(clusters, tuple):
        return tuple(labels_of(fit, way, "clusters") for way in clusters)
    found = labels_of(fit, clusters, "clusters")
    return (found,) if found.ndim == 1 else tuple(found.T)


def _is_way(fit: Fit, entry: Any) -> bool:
    """Tell whether an entry of a list is a way of clustering, not a label."""
    if isinstance(entry, str):
        given = getattr(fit, "given", None)
        names = given if isinstance(given, Mapping) else getattr(given, "columns", ())
        return entry in list(names)
    return hasattr(entry, "__len__") and not isinstance(entry, bytes)


def labels_of(fit: Fit, labels: Any, what: str) -> Array:
    """Return what belongs to each observation that was fitted, (n,) or (n, d).

    Parameters
    ----------
    fit : Fit
    labels : str or array_like (n,) or (n, d)
        A column of what was given, or one entry for each row that came; for rows that were dropped with a
        missing value it is left out, and need not be there.
    what : str
        For messages.
    """
    given = getattr(fit, "given", None)
    if isinstance(labels, str):
        if given is None:
            raise errors.DataError(
                errors.message(
                    f"{what} as one entry for each observation",
                    f"the name {labels!r} and no table given to the fit",
                )
            )
        labels = column(given, labels)
    array = as_array(labels, what)
    rows = fit.sample.rows
    if not isinstance(fit.family, Conditional):
        _require_length(array, (rows,), what)
        return array
    numbers = np.asarray(fit.sample.values[..., -1]).astype(np.intp)
    if (numbers != numbers[0]).any():
        raise errors.DataError(
            errors.message(f"one design for the whole batch, for {what}", "a design for each fit")
        )
    came = fit.family.terms[0].design.rows
    kept = getattr(fit, "kept", None)
    _require_length(array, (came,) if kept is None else (len(kept), came), what)
    if kept is not None and len(array) == len(kept):
        array = array[kept]
    return np.asarray(array[numbers[0]])


def _require_length(array: Array, lengths: tuple[int, ...], what: str) -> None:
    if array.ndim > 2 or len(array) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise errors.DataError(
            errors.message(
                f"{what}: one entry for each of {wanted} observations", f"shape {array.shape}"
            )
        )
