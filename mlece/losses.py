"""The losses of classification: cross-entropies with one law for each observation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mlece import errors
from mlece.information import sum_cells
from mlece.laws import probabilities_of
from mlece.math import Array, log1p, xlog1py, xlogy
from mlece.units import Units, nats_per_unit

Reduce = Literal["mean", "none"]


def _reduced(losses: Array, reduce: Reduce, units: Units) -> Any:
    if reduce == "none":
        return np.asarray(losses / nats_per_unit(units))
    if reduce != "mean":
        raise errors.ParameterError(errors.message("reduce to be 'mean' or 'none'", repr(reduce)))
    if losses.size == 0:
        raise errors.DataError(errors.message("at least one observation", "none"))
    return float(losses.mean()) / nats_per_unit(units)


def _numbers(values: Any, name: str) -> Array:
    try:
        array = np.asarray(values)
        if array.dtype.kind in "US":
            raise TypeError
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        raise errors.DataTypeError(
            errors.message(f"{name} as numbers", f"{type(values).__name__} {values!r:.40}")
        ) from None


def in_unit_interval(values: Any, name: str) -> Array:
    """Return numbers in [0, 1] as an array, or raise the error that says what came instead."""
    array = _numbers(values, name)
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        raise errors.DataError(errors.message(f"{name} in [0, 1]", errors.offenders(bad, array)))
    return array


def _same_shape(t: Array, y: Array) -> None:
    if t.shape != y.shape:
        raise errors.DataError(
            errors.message("targets and predictions of one shape", f"{t.shape} and {y.shape}")
        )


def binary_cross_entropy(
    targets: Any, probabilities: Any, *, reduce: Reduce = "mean", units: Units = "nats"
) -> Any:
    """Return -t log y - (1 - t) log(1 - y), by default its mean over the observations.

    Parameters
    ----------
    targets : array_like
        Labels 0 and 1 or soft targets in [0, 1], any shape.
    probabilities : array_like
        Predicted probabilities of 1, in the same shape.
    reduce : {"mean", "none"}
        The mean, as scikit-learn's ``log_loss`` and PyTorch's ``binary_cross_entropy`` return, or
        the loss of each observation.
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array
        0 log 0 counts 0; a probability of 0 given to what happened costs +inf, never a clipped
        number.

    Raises
    ------
    DataError
        If a value lies outside [0, 1] or the shapes differ.

    Examples
    --------
    >>> from mlece.losses import binary_cross_entropy
    >>> binary_cross_entropy([1, 0], [0.5, 0.25], reduce="none", units="bits").round(4).tolist()
    [1.0, 0.415]
    """
    t, y = in_unit_interval(targets, "targets"), in_unit_interval(probabilities, "probabilities")
    _same_shape(t, y)
    return _reduced(np.asarray(-xlogy(t, y) - xlog1py(1 - t, -y) + 0.0), reduce, units)


def categorical_cross_entropy(
    targets: Any, probabilities: Any, *, reduce: Reduce = "mean", units: Units = "nats"
) -> Any:
    """Return -sum_k t_k log y_k, by default its mean over the observations.

    Parameters
    ----------
    targets : array_like (..., K) or (...)
        One-hot rows or soft targets that sum to 1, or integer class labels 0 to K - 1.
    probabilities : array_like (..., K)
        Predicted probabilities, rows that sum to 1.
    reduce : {"mean", "none"}
        The mean, or the loss of each observation.
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array (...)
        +inf where a class with a positive target has probability 0.

    Raises
    ------
    DataError
        If rows are not probabilities, labels are not classes, or the shapes do not match.

    Notes
    -----
    With soft targets the least value is the mean entropy of the targets, not 0.

    Examples
    --------
    >>> from mlece.losses import categorical_cross_entropy
    >>> categorical_cross_entropy([[0, 1]], [[0.5, 0.5]], units="bits")
    1.0
    """
    y = probabilities_of(probabilities, "probabilities")
    t = np.asarray(targets)
    if t.ndim == y.ndim - 1:
        chosen = np.take_along_axis(y, _labels(t, y)[..., None], axis=-1)[..., 0]
        return _reduced(-xlogy(1.0, chosen) + 0.0, reduce, units)
    t = probabilities_of(t, "targets")
    _same_shape(t, y)
    return _reduced(sum_cells(t, y), reduce, units)


def _labels(labels: Array, rows: Array) -> Array:
    """Validate class labels against rows of K columns."""
    if labels.shape != rows.shape[:-1]:
        raise errors.DataError(
            errors.message(
                f"labels of shape {rows.shape[:-1]} or targets of shape {rows.shape}",
                f"shape {labels.shape}",
            )
        )
    number = _numbers(labels, "labels")
    bad = ~((number >= 0) & (number < rows.shape[-1]) & (number == np.floor(number)))
    if bad.any():
        raise errors.DataError(
            errors.message(f"class labels 0 to {rows.shape[-1] - 1}", errors.offenders(bad, labels))
        )
    return np.asarray(labels.astype(np.intp))


def softmax_cross_entropy(
    logits: Any, labels: Any, *, reduce: Reduce = "mean", units: Units = "nats"
) -> Any:
    """Return -sum_k t_k log softmax(z)_k, by default its mean over the observations.

    Parameters
    ----------
    logits : array_like (..., K)
        Unnormalised log probabilities z; -inf for an impossible class.
    labels : array_like (...) or (..., K)
        Integer class labels 0 to K - 1, or one-hot or soft targets that sum to 1.
    reduce : {"mean", "none"}
        The mean, as PyTorch's ``cross_entropy`` returns, or the loss of each observation.
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array (...)
        Equal for a label and its one-hot row; small losses keep their digits.

    Raises
    ------
    DataError
        If a logit is NaN or +inf, a row has only -inf, or labels do not match.

    Examples
    --------
    >>> from mlece.losses import softmax_cross_entropy
    >>> logits = [[1e300, -1e300], [0.0, 0.0]]
    >>> softmax_cross_entropy(logits, [0, 1], reduce="none").round(4).tolist()
    [0.0, 0.6931]
    """
    z = _numbers(logits, "logits")
    if z.ndim == 0:
        raise errors.DataError(errors.message("logits of shape (..., K)", "a number"))
    bad = np.isnan(z) | np.isposinf(z)
    if bad.any():
        raise errors.DataError(
            errors.message("logits that are numbers or -inf", errors.offenders(bad, z))
        )
    top = z.max(axis=-1, keepdims=True)
    empty = np.isneginf(top[..., 0])
    if empty.any():
        raise errors.DataError(
            errors.message(
                "a possible class in every row",
                f"rows of -inf: {errors.offenders(empty, top[..., 0])}",
            )
        )
    with np.errstate(over="ignore"):
        below = z - top
    # log sum exp(z - top) = log(1 + the others), exact when the others are tiny.
    others = np.array(np.exp(below))
    np.put_along_axis(others, z.argmax(axis=-1)[..., None], 0.0, axis=-1)
    spread = log1p(others.sum(axis=-1))
    t = np.asarray(labels)
    if t.ndim == z.ndim - 1:
        chosen = np.take_along_axis(below, _labels(t, z)[..., None], axis=-1)[..., 0]
        return _reduced(spread - chosen, reduce, units)
    t = probabilities_of(t, "targets")
    _same_shape(t, z)
    with np.errstate(invalid="ignore"):
        parts = np.where(t > 0, t * below, 0.0)
    # The rows of t sum to 1 up to rounding; the spread enters once.
    return _reduced(spread - parts.sum(axis=-1), reduce, units)
