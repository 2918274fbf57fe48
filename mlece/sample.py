"""Sample: p as a weighted sample, validated once and then trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, numeric, require_finite
from mlece.math import Array
from mlece.model import Model
from mlece.numerics.masks import filled
from mlece.numerics.tally import tally

_BLOCK = 16384
# A thinned sample of one in so many is copied; more would be no small share of the memory of the data.
_COPIED = 32
# Counts are tabulated by value when the table is not much longer than the data.
_TABLE = 1 << 22


@dataclass(frozen=True)
class Sample:
    """Observations with weights; the batch axes are flattened to one.

    Parameters
    ----------
    values : array (R or 1, n)
        Observations in the dtype in which they came; a read-only view where possible.
    weights : array (R or 1, n), optional
        Frequency weights; None stands for ones.
    batch_shape : tuple of int
        The user's batch axes, of product R.
    name : str
        Name of the variable.
    truth : Model or ConditionalTruth, optional
        The known distribution whose quadrature nodes these are.
    rule : Nodes or RowNodes, optional
        Its quadrature rule, from which divergent moments are recognised.
    outer : (float, float)
        Shift and scale of the values against the user's units: nodes stay in the truth's own frame.
    extent : (float, float), optional
        Ends of the support that the nodes stand for, in the units of the values.
    weighting : {"frequency", "sampling"}
        What the weights are: how often an observation was made, or how many it stands for.
    places : array of int (m,), optional
        Where each of the m observations that came is found, if equal ones were merged or their order
        changed.
    drawn : DrawnTruth, optional
        The truth whose draws these are: what is estimated from them are Monte Carlo means.
    """

    values: Array
    weights: Array | None
    batch_shape: tuple[int, ...] = ()
    name: str = "y"
    truth: Any = None
    rule: Any = None
    outer: tuple[float, float] = (0.0, 1.0)
    extent: tuple[float, float] | None = None
    weighting: str = "frequency"
    places: Array | None = None
    drawn: Any = None

    @property
    def size(self) -> int:
        """Number of fits in the batch."""
        return math.prod(self.batch_shape)

    @property
    def rows(self) -> int:
        """Number of observations (or nodes, or distinct values) per member."""
        return int(self.values.shape[1])

    @property
    def total(self) -> Array:
        """Total weight of each member, (R,)."""
        if self.weights is None:
            return filled(self.size, self.rows)
        return np.asarray(np.broadcast_to(self.weights.sum(axis=1), (self.size,)))

    def take(self, members: Any) -> Sample:
        """Return some members of the batch."""
        values = self.values if len(self.values) == 1 else self.values[members]
        w = self.weights
        weights = w if w is None or len(w) == 1 else w[members]
        return replace(self, values=values, weights=weights, batch_shape=(len(members),))

    def thinned(self, size: int, ends: bool = False) -> Sample:
        """Return an evenly thinned sample of about ``size`` observations, for starting values.

        With ``ends`` the smallest and the largest observation of a single sample are among them.
        """
        step = max(1, self.rows // size)
        y, w = self.values, self.weights
        extra = [int(y[0].argmin()), int(y[0].argmax())] if ends else []
        values, weights = y[:, ::step], None if w is None else w[:, ::step]
        if extra:
            values = np.concatenate([values, y[:, extra]], axis=1)
            weights = weights if w is None else np.concatenate([w[:, ::step], w[:, extra]], axis=1)
        elif step >= _COPIED:
            values = np.ascontiguousarray(values)
            weights = None if weights is None else np.ascontiguousarray(weights)
        return replace(self, values=values, weights=weights, places=None)


WEIGHTINGS = ("frequency", "sampling")


def weights_like(weights: Any, n: int) -> Array | None:
    """Validate weights: finite, non-negative, not all zero, one for each observation."""
    if weights is None:
        return None
    w = numeric(as_array(weights, "weights"), "weights", labels=False)
    if w.shape[-1] != n:
        raise errors.DataError(
            errors.message(f"one weight for each of {n} observations", f"{w.shape[-1]} weights")
        )
    w = np.asarray(w, dtype=float)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        raise errors.DataError(
            errors.message("finite non-negative weights", errors.offenders(bad, w))
        )
    with np.errstate(over="ignore"):
        total = w.sum(axis=-1)
    if not np.all(np.isfinite(total)):
        raise errors.DataError(errors.message("weights with a finite sum", "an infinite sum"))
    if not np.all(total > 0):
        got = "a sum of zero" if w.ndim == 1 else errors.offenders(total <= 0, total)
        raise errors.DataError(errors.message("weights with a positive sum", got))
    return w


def from_data(
    model: Model,
    data: Any,
    weights: Any = None,
    name: str = "y",
    weighting: str = "frequency",
) -> tuple[Model, Sample]:
    """Read data for a model; the model comes back with its structure settled by the data.

    Parameters
    ----------
    model : Model
        Its ``admit`` turns labels into codes; numbers pass through.
    data : array_like (..., n)
        Observations; leading axes are a batch of fits.
    weights : array_like (..., n), optional
        Finite and non-negative.
    name : str
        Name of the variable, for messages and reports.
    weighting : {"frequency", "sampling"}
        What the weights are.

    Returns
    -------
    model : Model
    sample : Sample
    """
    model, array = model.declare(data).admit(as_array(data, name), name)
    columns = array.shape[-1] if model._width else 0
    n = array.shape[-2] if columns else array.shape[-1]
    w = weights_like(weights, n)
    if w is not None and w.ndim == 1 and not np.all(w > 0):
        # A weight of zero leaves an observation out, whatever its value.
        array = array[..., w > 0, :] if columns else array[..., w > 0]
        w = w[w > 0]
    values, w, batch = flattened(array, w, model.batch_shape, columns)
    return model, Sample(values, w, batch, name, weighting=weighting)


def flattened(
    array: Array, w: Array | None, slots: tuple[int, ...], columns: int = 0
) -> tuple[Array, Array | None, tuple[int, ...]]:
    """Flatten the batch axes of data, weights and slots to one.

    Parameters
    ----------
    array : array (..., n) or (..., n, columns)
    w : array (..., n), optional
    slots : tuple of int
        Batch shape of the model's filled slots.
    columns : int
        Components of an observation, 0 for a number.

    Returns
    -------
    values : array (R or 1, n) or (R or 1, n, columns)
    weights : array (R or 1, n) or None
    batch_shape : tuple of int
    """
    tail = array.shape[array.ndim - 1 - bool(columns) :]
    lead = array.shape[: array.ndim - len(tail)]
    own = () if w is None else w.shape[:-1]
    try:
        batch = np.broadcast_shapes(lead, own, slots) if lead or own or slots else ()
    except ValueError:
        raise errors.DataError(
            errors.message(
                "batch axes of data, weights and slots that broadcast", f"{lead}, {own} and {slots}"
            )
        ) from None
    if 0 in batch:
        raise errors.DataError(errors.message("at least one sample", f"batch {batch}"))

    def flat(a: Array, inner: tuple[int, ...]) -> Array:
        if a.ndim == len(inner):
            return a[None]
        return np.broadcast_to(a, (*batch, *inner)).reshape(-1, *inner)

    return flat(array, tail), None if w is None else flat(w, tail[:1]), batch


def tabulate(sample: Sample) -> Sample:
    """Compress integer data to their distinct values, with the counts as weights.

    Sampling weights stay as they are: their squares are needed one by one.
    """
    if sample.weighting == "sampling":
        return sample
    y, w = sample.values, sample.weights
    if y.dtype.kind == "f":
        if not np.all(np.abs(y) < 2.0**62):
            return sample
        y = y.astype(np.int64)
    size = sample.size
    if len(y) == 1 and (w is None or len(w) == 1):
        flat_w = None if w is None else w[0]
        # Without its sign a negative number is greater than any other: the extremes in one pass.
        high = int(y.view(y.dtype.str.replace("i", "u")).max())
        top = (1 << 8 * y.dtype.itemsize - (y.dtype.kind == "i")) - 1
        if high <= min(max(_TABLE, y.size // 4), top):
            if flat_w is not None:
                counts = np.bincount(y[0], weights=flat_w)
            elif high == 1:
                # Two values: their sum counts them.
                ones = float(y[0].sum(dtype=np.int64))
                counts = np.array([y.shape[1] - ones, ones])
            else:
                counts = tally(y[0], high + 1).astype(float)
            (seen,) = counts.nonzero()
            return replace(sample, values=seen[None, :].astype(float), weights=counts[None, seen])
        values, inverse = np.unique(y[0], return_inverse=True)
        counts = np.bincount(inverse, weights=flat_w).astype(float)
        return replace(sample, values=values[None, :].astype(float), weights=counts[None, :])
    low, span = int(y.min()), int(y.max()) - int(y.min()) + 1
    if span * size > 4 * max(y.size, 1) + 65536:
        return replace(sample, values=y.astype(float))
    if len(y) == 1:
        # One sample under many weightings: group the columns once.
        values, inverse = np.unique(y[0], return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(values.size))
        table = np.add.reduceat(np.asarray(w)[:, order], starts, axis=1)
        return replace(sample, values=values[None, :].astype(float), weights=table)
    codes = (y - low) + span * np.arange(size)[:, None]
    full_w = None if w is None else np.broadcast_to(w, y.shape).ravel()
    counts = np.bincount(codes.ravel(), weights=full_w, minlength=span * size).astype(float)
    table = counts.reshape(size, span)
    seen = np.flatnonzero(table.any(axis=0))
    return replace(
        sample,
        values=(seen + low)[None, :].astype(float),
        weights=np.ascontiguousarray(table[:, seen]),
    )


def _all_whole(sample: Sample) -> bool:
    blocks = range(0, sample.rows, _BLOCK)
    cuts = (sample.values[:, b : b + _BLOCK] for b in blocks)
    return all(bool(np.all(cut == np.floor(cut))) for cut in cuts)


def check_support(
    model: Model, sample: Sample, low: Array, high: Array, title: str | None = None
) -> None:
    """Raise the error that names the offending observations, if the extremes show that there are any.

    Parameters
    ----------
    low, high : arrays
        Extremes of the observations; NaN if any observation is NaN.
    title : str, optional
        What the family is called, where another stands for the one that was named.
    """
    whole = not model.support.discrete or sample.values.dtype.kind != "f" or _all_whole(sample)
    if whole and model.support.encloses(float(low.min()), float(high.max())):
        return
    y = (
        sample.values.reshape(*sample.batch_shape, -1)
        if len(sample.values) > 1
        else sample.values[0]
    )
    require_finite(y, sample.name)
    bad = ~model.support.contains(y)
    raise errors.SupportError(
        errors.message(
            f"{sample.name} in the support of {title or type(model).__name__}, {model.support}",
            errors.offenders(bad, y),
            model.support.hint or "The cross-entropy is infinite for every member of the family",
        )
    )


def check_ends(sample: Sample, low: Array, high: Array, title: str) -> None:
    """Raise the error that names observations beyond ends of the support that known constants set.

    Parameters
    ----------
    low, high : arrays that broadcast against the observations
        The ends, of each member or of each row.
    title : str
        What the family is called.
    """
    low, high, y = np.broadcast_arrays(low, high, sample.values.astype(float))
    bad = (y < low) | (y > high)
    if not bad.any():
        return
    first = np.unravel_index(int(np.argmax(bad)), bad.shape)
    raise errors.SupportError(
        errors.message(
            f"{sample.name} in the support of {title}, {low[first]:g} to {high[first]:g}",
            errors.offenders(*((bad, y) if len(bad) > 1 else (bad[0], y[0]))),
            "The cross-entropy is infinite for every member of the family",
        )
    )
