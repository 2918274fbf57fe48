"""From a model with predictors, responses and covariates to one model and one sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array
from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Term
from mlece.design import Design
from mlece.math import Array
from mlece.model import Model
from mlece.regression.binding import bound
from mlece.sample import Sample, check_support, from_data, weights_like
from mlece.sources.censoring import Censored, from_censored
from mlece.sources.covariates import designs

MISSING = ("raise", "drop")


@dataclass(frozen=True)
class Given:
    """Responses with their covariates, ready to be fitted.

    Parameters
    ----------
    model : Conditional
    sample : Sample
    kept : array of bool (n,), optional
        The rows that were kept, where some were dropped because a value was missing.
    """

    model: Conditional
    sample: Sample
    kept: Array | None = None


def read(
    model: Model,
    data: Any,
    given: Any,
    weights: Any,
    name: str,
    weighting: str,
    missing: str = "raise",
    exclude: tuple[str, ...] = (),
) -> Given:
    """Read responses and covariates for a model with predictors.

    Parameters
    ----------
    model : Model
        At least one slot holds a predictor.
    data : array_like (..., n) or Censored
        Responses.
    given : data frame, mapping, array (n, d) or sparse matrix
        Covariates.
    weights : array_like (..., n), optional
    name : str
        Name of the response.
    weighting : {"frequency", "sampling"}
    missing : {"raise", "drop"}
        What to do about rows in which a value is missing.
    exclude : tuple of str
        Columns that are no covariates: the response.

    Raises
    ------
    DataError
        For covariates that cannot be used, with the reason.
    """
    if missing not in MISSING:
        raise errors.unknown_name("missing", missing, MISSING)
    if given is None:
        slots = ", ".join(model.predictors)
        raise errors.DataError(
            errors.message(
                f"covariates in given= for the predictor of {slots}",
                "none",
                "fit(model, y, given=frame) or given=array of shape (n, d)",
            )
        )
    inner, terms, respond = bound(model)
    predictors = {slot: t.predictor for slot, t in terms.items()}
    found, kept = designs(predictors, given, None, missing, exclude)
    data, weights, kept, found = _complete(data, weights, kept, found, missing, name)
    read_in = from_censored if isinstance(data, Censored) else from_data
    # Weights come in afterwards: every response keeps its row, whatever its weight.
    bare, sample = read_in(inner, data, None, name, "sampling")
    rows = _same_length(sample, found, name, given)
    if not bare._width:
        check_support(bare, sample, sample.values.min(), sample.values.max())
    numbers = np.broadcast_to(np.arange(rows, dtype=float), (len(sample.values), rows))
    own = sample.values if bare._width else sample.values[..., None]
    values = np.concatenate([own, numbers[..., None]], axis=-1)
    counts = data.counts if isinstance(data, Censored) and weights is None else weights
    w, batch = weights_like(counts, rows), sample.batch_shape
    if w is not None:
        batch = np.broadcast_shapes(batch, w.shape[:-1])
        w = w.reshape(-1, rows)
        if len(w) == 1 and not np.all(w > 0):
            values, w = values[:, w[0] > 0], w[:, w[0] > 0]
    if len(values) > 1:
        values = np.broadcast_to(
            values.reshape(*sample.batch_shape, *values.shape[1:]), (*batch, *values.shape[1:])
        ).reshape(-1, *values.shape[1:])
    built = tuple(Term(slot, found[slot], t.link, t.label) for slot, t in terms.items())
    conditional = Conditional(inner=bare, terms=built, respond=respond)
    whole = replace(sample, values=values, weights=w, batch_shape=batch, weighting=weighting)
    return Given(conditional, whole, kept)


def _same_length(sample: Sample, found: dict[str, Design], name: str, given: Any) -> int:
    rows = sample.rows
    for slot, design in found.items():
        if design.rows != rows:
            raise errors.DataError(
                errors.message(
                    f"as many rows of covariates for {slot} as responses {name}",
                    f"{design.rows} rows and {rows} responses",
                )
            )
    return rows


def _complete(
    data: Any,
    weights: Any,
    kept: Array | None,
    found: dict[str, Design],
    missing: str,
    name: str,
) -> tuple[Any, Any, Array | None, dict[str, Design]]:
    """Leave out the rows that were dropped, those with a missing response among them."""
    if missing == "raise":
        return data, weights, None, found
    n = len(data) if isinstance(data, Censored) else as_array(data, name).shape[-1]
    mask = np.ones(n, dtype=bool) if kept is None else kept
    if len(mask) != n:
        raise errors.DataError(
            errors.message(
                f"as many rows of covariates as responses {name}", f"{len(mask)} rows and {n}"
            )
        )
    if not isinstance(data, Censored):
        array = as_array(data, name)
        if array.dtype.kind in "fO" and array.ndim == 1:
            gone = np.array([v is None or v != v for v in array.tolist()])
            both = mask & ~gone
            if (gone & mask).any():
                stay = both[mask]
                found = {slot: subset(d, stay) for slot, d in found.items()}
            mask = both
        data = array[..., mask]
    else:
        data = replace(
            data,
            values=data.values[..., mask, :],
            counts=None if data.counts is None else data.counts[..., mask],
        )
    if weights is not None:
        weights = as_array(weights, "weights")[..., mask]
    return data, weights, (None if mask.all() else mask), found


def subset(design: Design, rows: Array) -> Design:
    """Return some rows of a design."""
    offset = None if design.offset is None else design.offset[rows]
    return replace(design, matrix=design.matrix[rows], offset=offset)
