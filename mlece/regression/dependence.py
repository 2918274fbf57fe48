"""Sums of scores that depend on each other: over clusters, in any number of ways, and over lags.

They serve one fit, and a batch of fits whose axes come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, factorize
from mlece.math import Array

CORRECTIONS = ("full", "clusters", "none")
# Sums of rounded terms differ by less, relative to the terms.
_ROUNDING = 1e-12


def cluster_codes(clusters: Any, n: int) -> list[Array]:
    """Number the clusters of n observations, one array of codes (n,) for each way.

    Parameters
    ----------
    clusters : array_like (n,) or (n, d), or tuple of d array_like (n,)
        Labels of any type: numbers, strings, dates, objects that hash. A tuple, or the columns of a
        table, are d ways of clustering.
    n : int

    Raises
    ------
    DataError
        If a label is missing, their number is not n, or a way has a single cluster.
    """
    if isinstance(clusters, tuple):
        ways: Sequence[Any] = [as_array(way, "clusters") for way in clusters]
    else:
        labels = as_array(clusters, "clusters")
        ways = [labels] if labels.ndim == 1 else list(np.moveaxis(labels, -1, 0))
    out = []
    for way in ways:
        if way.shape != (n,):
            raise errors.DataError(
                errors.message(
                    f"a cluster for each of {n} observations", f"{len(way)} (shape {way.shape})"
                )
            )
        distinct, codes = factorize(way, "clusters")
        if len(distinct) < 2:
            raise errors.DataError(
                errors.message("at least two clusters", f"one, {distinct[0]!r:.40}, for all {n}")
            )
        out.append(codes.astype(np.int64))
    return out


def over_ways(
    summed: Callable[[Array], tuple[Array, Any]],
    ways: Sequence[Array],
    rows: Any,
    parameters: int,
    correction: str,
) -> tuple[Array, Array]:
    """Return the meat for ways of clustering from sums over clusters, for one fit or a batch.

    Parameters
    ----------
    summed : callable
        From codes of clusters (n,) to the weighted sums of scores (..., G, k), and the number of
        clusters that have weight, (...).
    ways : list of array of int (n,)
    rows : array (...)
        Number of observations.
    parameters : int
    correction : {"full", "clusters", "none"}

    Returns
    -------
    meat : array (..., k, k)
    indefinite : array of bool (...)
    """
    if correction not in CORRECTIONS:
        raise errors.unknown_name("finite-sample correction", correction, CORRECTIONS)
    single: Any = 0.0
    total: Any = 0.0
    for size in range(1, len(ways) + 1):
        for some in combinations(ways, size):
            sums, groups = summed(_intersection(some))
            factor = np.asarray(_factor(correction, groups, rows, parameters))
            part = np.swapaxes(sums, -1, -2) @ sums * factor[..., None, None]
            total = total + (part if size % 2 else -part)
            if size == 1:
                single = single + np.diagonal(part, axis1=-2, axis2=-1)
    if len(ways) == 1:
        return total, np.zeros(total.shape[:-2], dtype=bool)
    return total, _indefinite(total, single)


def _intersection(ways: Sequence[Array]) -> Array:
    """Number the clusters made of those that share a cluster in every way, (n,)."""
    codes = ways[0]
    for way in ways[1:]:
        # Numbered anew each time: at most n² before, which an integer holds.
        joint = codes * (int(way.max()) + 1) + way
        codes = np.unique(joint, return_inverse=True)[1].reshape(-1)
    return codes


def grouped(s: Array, codes: Array) -> tuple[Array, Array]:
    """Return the codes that occur, and the sums of scores (..., n, k) of each, (..., G, k)."""
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    return present, np.add.reduceat(s[..., order, :], starts, axis=-2)


def _factor(correction: str, groups: Any, rows: Any, parameters: int) -> Any:
    if correction == "none":
        return 1.0
    groups, rows = np.asarray(groups, dtype=float), np.asarray(rows, dtype=float)
    with np.errstate(divide="ignore"):
        adjusted = np.where(groups > 1, groups / (groups - 1.0), np.nan)
    if correction == "clusters":
        return adjusted
    if (rows <= parameters).all():
        raise errors.DataError(
            errors.message(
                f"more observations than the {parameters} parameters for the full correction",
                f"{rows.max():g}",
                "Use correction='clusters'",
            )
        )
    with np.errstate(divide="ignore"):
        short = np.where(rows > parameters, (rows - 1.0) / (rows - parameters), np.nan)
    return adjusted * short


def _indefinite(matrix: Array, scale: Array) -> Array:
    """Return whether symmetric matrices have a negative eigenvalue, in coordinates of like size."""
    d = np.sqrt(np.where(scale > 0, scale, 1.0))
    unit = matrix / d[..., :, None] / d[..., None, :]
    known = np.isfinite(unit).all(axis=(-2, -1), keepdims=True)
    eigenvalues = np.linalg.eigvalsh(np.where(known, unit, 0.0))
    return np.asarray(eigenvalues[..., 0] < -_ROUNDING * np.maximum(1.0, eigenvalues[..., -1]))


def automatic_lags(n: int) -> int:
    """Return ⌊4 (n/100)^(2/9)⌋, the number of lags where none is given.

    Notes
    -----
    Newey and West (1994), Review of Economic Studies 61, 631-653, take this rate and constant for the
    pilot of their data-driven choice with Bartlett weights; statsmodels uses it, as here, for the number
    of lags itself. R's ``NeweyWest`` goes on to the data-driven choice and prewhitens.

    Examples
    --------
    >>> from mlece.regression.dependence import automatic_lags
    >>> automatic_lags(100), automatic_lags(1000)
    (4, 6)
    """
    return int(np.floor(4.0 * (n / 100.0) ** (2.0 / 9.0)))


def lag_width(lags: int | None, n: int) -> int:
    """Return the number of lags for n observations; see :func:`newey_west`."""
    width = automatic_lags(n) if lags is None else lags
    if width != int(width) or not 0 <= width < n:
        raise errors.ParameterError(
            errors.message(f"a whole number of lags from 0 to {n - 1}", f"{width!r}")
        )
    return int(width)


def lagged(blocks: Iterable[Array], lags: int) -> Array:
    """Return the meat from blocks (..., m, k) of scores in order, for one fit or a batch, (..., k, k)."""
    out: Any = 0.0
    tail: Array | None = None
    for block in blocks:
        joint = block if tail is None else np.concatenate([tail, block], axis=-2)
        rows = joint.shape[-2]
        first = rows - block.shape[-2]
        out = out + np.swapaxes(block, -1, -2) @ block
        for lag in range(1, min(lags, rows - 1) + 1):
            # Each pair once: with the block in which the later one lies.
            start = max(first, lag)
            early = joint[..., start - lag : rows - lag, :]
            cross = np.swapaxes(joint[..., start:, :], -1, -2) @ early
            out = out + (1.0 - lag / (lags + 1.0)) * (cross + np.swapaxes(cross, -1, -2))
        tail = joint[..., max(0, rows - lags) :, :]
    return np.asarray(out)


def sequence(order: Any, n: int) -> Array:
    """Return the positions that put times in order, (n,)."""
    times = as_array(order, "the order of observations")
    if times.shape != (n,):
        raise errors.DataError(
            errors.message(f"a time for each of {n} observations", f"shape {times.shape}")
        )
    labels, codes = factorize(times, "the order of observations")
    if len(labels) < n:
        first = labels[int(np.argmax(np.bincount(codes.astype(np.int64)) > 1))]
        raise errors.DataError(
            errors.message(
                "a time of its own for each observation",
                f"{len(labels)} times for {n} observations, {first!r:.40} more than once",
                "Several series at once call for clusters",
            )
        )
    try:
        # Labels of unlike types are numbered as they come, which is no order in time.
        sorted(labels)
    except TypeError:
        raise errors.DataTypeError(
            errors.message("times that can be sorted", f"{labels[0]!r:.40} and others")
        ) from None
    return np.argsort(codes, kind="stable")
