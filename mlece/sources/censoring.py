"""Incomplete data: censored, truncated and grouped observations as weighted intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, numeric
from mlece.combinators.incomplete import incomplete
from mlece.math import Array
from mlece.model import Model
from mlece.sample import Sample, flattened, weights_like


@dataclass(frozen=True, eq=False)
class Censored:
    """Observations known to lie in intervals, each seen only because it lies beyond an entry.

    Made by :func:`censored`, :func:`right_censored` or :func:`grouped`, and read by
    :func:`mlece.fit`.

    Attributes
    ----------
    values : array (..., n, 3)
        Lower end, upper end (equal where the observation is exact) and entry (minus infinity without
        truncation).
    counts : array (..., n), optional
        How many observations share an interval, for grouped data.
    name : str
        What was observed, for titles.
    """

    values: Array
    counts: Array | None = None
    name: str = "y"

    def __len__(self) -> int:
        return int(self.values.shape[-2])

    def __repr__(self) -> str:
        lower, upper, entry = np.moveaxis(self.values, -1, 0)
        exact, left, right = lower == upper, np.isneginf(lower), np.isposinf(upper)
        kinds = {
            "exact": exact,
            "left-censored": left & ~exact,
            "right-censored": right & ~exact,
            "in an interval": ~(exact | left | right),
            "truncated": entry > -np.inf,
        }
        w = 1.0 if self.counts is None else self.counts
        parts = [f"{float((m * w).sum()):g} {name}" for name, m in kinds.items() if m.any()]
        return f"<Censored: {', '.join(parts)}>"


def censored(lower: Any, upper: Any, entry: Any = None) -> Censored:
    """Describe observations by the intervals in which they lie.

    Parameters
    ----------
    lower, upper : array_like (..., n)
        Ends of the interval, lower <= upper. Equal ends are an exact observation; ``-inf`` below (or the
        lower end of the support) is left-censored, ``inf`` above right-censored. Counts lie in the
        closed interval, continuous observations in (lower, upper].
    entry : array_like (..., n) or float, optional
        Left truncation (delayed entry): the observation is in the sample because it exceeds this value.

    Returns
    -------
    Censored

    Raises
    ------
    DataError
        For missing ends, lower above upper, or an entry that is not below the upper end.

    References
    ----------
    Turnbull, B. W. (1976). The empirical distribution function with arbitrarily grouped, censored and
    truncated data. Journal of the Royal Statistical Society B 38, 290–295.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> data = mlece.censored([1.0, 2.0, 0.5], [1.0, np.inf, 1.5])
    >>> data
    <Censored: 1 exact, 1 right-censored, 1 in an interval>
    >>> round(mlece.fit(mlece.Exponential(), data).params["rate"], 4)
    0.5053
    """
    low, high = _ends(lower, "lower"), _ends(upper, "upper")
    start = np.asarray(-np.inf) if entry is None else _entry(entry)
    try:
        low, high, start = np.broadcast_arrays(low, high, start)
    except ValueError:
        raise errors.DataError(
            errors.message(
                "lower, upper and entry of one length",
                f"shapes {low.shape}, {high.shape}, {start.shape}",
            )
        ) from None
    _refuse(low > high, low, "lower ends at or below the upper ends", "Swap the two arrays?")
    _refuse((low == high) & ~np.isfinite(low), low, "exact observations that are finite", "")
    _refuse(
        start >= high,
        start,
        "entries below the observation (or the upper end of its interval)",
        "Nothing is seen to end before it entered",
    )
    # That Y exceeds its entry is known: an interval begins there at the earliest.
    low = np.where(low == high, low, np.maximum(low, start))
    return Censored(np.stack([low, high, start], axis=-1))


def right_censored(time: Any, event: Any, entry: Any = None) -> Censored:
    """Describe survival data: times, and whether the event was seen or the observation broken off.

    Parameters
    ----------
    time : array_like (..., n)
        Time of the event, or the last time at which it had not happened.
    event : array_like of bool (or 0, 1) (..., n)
        True where the event was seen.
    entry : array_like (..., n), optional
        Time at which observation began (delayed entry).

    Returns
    -------
    Censored

    Raises
    ------
    DataTypeError
        If ``event`` holds anything but 0 and 1.

    Examples
    --------
    >>> import mlece
    >>> mlece.right_censored([5.0, 8.0, 12.0], [True, False, True])
    <Censored: 2 exact, 1 right-censored>
    """
    t = _ends(time, "time")
    seen = as_array(event, "event")
    numbers = seen.dtype.kind in "biuf"
    if not numbers or not np.all((seen == 0) | (seen == 1)):
        raise errors.DataTypeError(
            errors.message(
                "event as True/False or 1/0, one for each time",
                errors.offenders((seen != 0) & (seen != 1), seen)
                if numbers
                else f"dtype {seen.dtype}",
                "A status coded 1/2 becomes status == 2",
            )
        )
    if seen.shape != t.shape:
        raise errors.DataError(
            errors.message("an event for each time", f"shapes {seen.shape} and {t.shape}")
        )
    found = censored(t, np.where(seen.astype(bool), t, np.inf), entry)
    # A column of a frame knows what it holds.
    name = getattr(time, "name", None)
    return replace(found, name=name) if isinstance(name, str) and name else found


def grouped(edges: Any, counts: Any) -> Censored:
    """Describe a histogram: how many observations fell into each bin.

    Parameters
    ----------
    edges : array_like (k + 1,)
        Increasing edges; the outer ones may be infinite.
    counts : array_like (..., k)
        Observations in (edges[j], edges[j + 1]]; several rows are a batch.

    Returns
    -------
    Censored

    Examples
    --------
    >>> import mlece
    >>> mlece.grouped([0, 1, 2, float("inf")], [5, 3, 2])
    <Censored: 2 right-censored, 8 in an interval>
    """
    cuts = _ends(edges, "edges")
    if cuts.ndim != 1 or cuts.size < 2:
        raise errors.DataError(
            errors.message("at least two edges, in one row", f"an array of shape {cuts.shape}")
        )
    if not np.all(np.diff(cuts) > 0):
        unsorted = np.diff(cuts) <= 0
        raise errors.DataError(
            errors.message("increasing edges", errors.offenders(unsorted, cuts[1:]), "Sort them")
        )
    w = weights_like(counts, cuts.size - 1)
    assert w is not None
    return Censored(censored(cuts[:-1], cuts[1:]).values, w)


def _ends(values: Any, what: str) -> Array:
    array = np.asarray(numeric(as_array(values, what), what), dtype=float)
    _refuse(np.isnan(array), array, f"{what}: no missing values", "An open end is -inf or inf")
    return array


def _entry(values: Any) -> Array:
    if np.ndim(values) == 0 and isinstance(values, int | float):
        values = [values]
    return _ends(values, "entry")


def _refuse(bad: Array, values: Array, expected: str, hint: str) -> None:
    if bad.any():
        raise errors.DataError(
            errors.message(
                expected, errors.offenders(bad, np.broadcast_to(values, bad.shape)), hint
            )
        )


def from_censored(
    model: Model, data: Censored, weights: Any, name: str, weighting: str
) -> tuple[Model, Sample]:
    """Read incomplete data for a model; the model comes back as one of incomplete observations.

    Raises
    ------
    DataError
        If both the data and the call bring weights.
    SupportError
        If an exact observation or a whole interval lies outside the support.
    """
    if model._width or model.support.kind == "categories" or model.support.periodic:
        raise errors.DataTypeError(
            errors.message(
                "a family of numbers for censored data", f"{type(model).__name__} ({model.support})"
            )
        )
    if model.has("_atoms") and not model.support.discrete:
        raise errors.DataTypeError(
            errors.message(
                "a law without atoms of its own for censored data",
                f"{model!r}",
                "Atoms on a density are fitted to exact observations only",
            )
        )
    for p in model.params:
        if p.name in model.free and not p.regular:
            raise errors.NoDensityError(
                errors.message(
                    f"a known {p.name} for censored data",
                    f"{type(model).__name__} with a free {p.name}, an end of the support that only "
                    "exact observations show",
                    f"Fill the slot: {type(model).__name__}({p.name}=...)",
                )
            )
    if weights is not None and data.counts is not None:
        raise errors.DataError(errors.message("counts of the groups or weights", "both"))
    n = len(data)
    w = data.counts if weights is None else weights_like(weights, n)
    values = data.values
    if model.support.discrete:
        values = values.copy()
        # Counts lie in closed intervals, above their entry.
        hidden = values[..., 0] != values[..., 1]
        above = np.maximum(values[..., 0], np.floor(values[..., 2]) + 1.0)
        values[..., 0] = np.where(hidden, above, values[..., 0])
    _check_support(model, values, name)
    values, w, batch = flattened(values, w, model.batch_shape, columns=3)
    places = None
    if weighting == "frequency":
        values, w, places = _merged(values, w)
    family = incomplete(type(model))(**model.slots, **model.settings)
    return family, Sample(values, w, batch, name, weighting=weighting, places=places)


def _check_support(model: Model, values: Array, name: str) -> None:
    """Refuse what no member can have produced; an interval may reach beyond the support."""
    lower, upper = values[..., 0], values[..., 1]
    least, most = np.asarray(model.support.lower), np.asarray(model.support.upper)
    shown = str(model.support)
    if not all(p.estimable for p in model.params):
        ends = model.settled_bounds(tuple(model.slots[p.name] for p in model.params))
        least, most = (np.expand_dims(e, -1) for e in ends)
        least, most = np.maximum(least, model.support.lower), np.minimum(most, model.support.upper)
        shown = f"the part of {model.support} that {model!r} holds"
    below, above = upper <= least, lower >= most
    if model.support.discrete:
        below, above = upper < least, lower > most
    exact = lower == upper
    bad = np.where(exact, (upper < least) | (upper > most), below | above)
    bad = bad | (exact & ~model.support.contains(upper))
    if model.support.discrete:
        bad = bad | (np.floor(upper) < np.ceil(lower))
    if bad.any():
        where = np.where(above, lower, upper)
        raise errors.SupportError(
            errors.message(
                f"{name} in the support of {type(model).__name__}, {shown}",
                errors.offenders(bad, where),
                "An interval must contain a part of the support",
            )
        )


def _merged(values: Array, w: Array | None) -> tuple[Array, Array | None, Array]:
    """Count equal rows once, put exact observations before the others, and say where each one went."""
    if len(values) > 1:
        kind = values[0, :, 0] != values[0, :, 1]
        order = np.argsort(kind, kind="stable")
        return values[:, order], None if w is None else w[:, order], np.argsort(order)
    rows, inverse = np.unique(values[0], axis=0, return_inverse=True)
    weights = np.ones((1, values.shape[1])) if w is None else w
    merged = np.stack([np.bincount(inverse.ravel(), row, len(rows)) for row in weights])
    order = np.argsort(rows[:, 0] != rows[:, 1], kind="stable")
    return rows[order][None], merged[:, order], np.argsort(order)[inverse.ravel()]
