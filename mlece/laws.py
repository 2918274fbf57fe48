"""What the measures of information take: known models, or vectors of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.scipy_family import adopt
from mlece.math import Array
from mlece.model import Model

SUM_TOLERANCE = 1e-9  # a probability vector may miss 1 by this much

Law = Any


def probabilities_of(p: Any, name: str) -> Array:
    """Validate probabilities along the last axis.

    Raises
    ------
    DataTypeError, DataError
        If they are no numbers in [0, 1] that sum to 1 within 1e-9.
    """
    try:
        given = np.asarray(p)
        if given.dtype.kind in "US":
            raise TypeError
        array = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise errors.DataTypeError(
            errors.message(
                f"{name} to be a model or a vector of probabilities", f"{type(p).__name__}"
            )
        ) from None
    if array.ndim == 0 or array.shape[-1] == 0:
        raise errors.DataError(
            errors.message(f"{name} to be a vector of probabilities", f"shape {array.shape}")
        )
    bad = ~((array >= 0) & (array <= 1))
    hint = "To estimate the entropy of data use estimate_entropy"
    if bad.any():
        raise errors.DataError(
            errors.message(f"probabilities in [0, 1] in {name}", errors.offenders(bad, array), hint)
        )
    total = array.sum(axis=-1)
    # Probabilities in single precision miss 1 by their own rounding.
    rounding = np.finfo(given.dtype).eps * array.shape[-1] if given.dtype.kind == "f" else 0.0
    off = np.abs(total - 1.0) > max(SUM_TOLERANCE, float(rounding))
    if off.any():
        raise errors.DataError(
            errors.message(
                f"probabilities in {name} that sum to 1", errors.offenders(off, total), hint
            )
        )
    return array


def pair(p: Law, q: Law) -> tuple[bool, Any, Any]:
    """Validate two laws; return whether they are models.

    Raises
    ------
    FreeSlotError
        If a slot of a model is free.
    ComparisonError
        If no one measure dominates both, or a model meets a vector.
    """
    p, q = adopt(p), adopt(q)
    if isinstance(p, Model) and isinstance(q, Model):
        p.theta, q.theta  # noqa: B018  (raises where a slot is free)
        kinds = [p.measure, q.measure]
        if kinds[0] != kinds[1]:
            raise errors.ComparisonError(
                errors.message(
                    "two laws with densities under one measure",
                    f"{type(p).__name__} ({kinds[0]}) and {type(q).__name__} ({kinds[1]})",
                    "No one measure gives both a density that is finite and positive where they lie: "
                    "discretise the one or smooth the other",
                )
            )
        return True, p, q
    if isinstance(p, Model) or isinstance(q, Model):
        other = q if isinstance(p, Model) else p
        hint = "Write the vector as a Categorical model"
        if isinstance(getattr(other, "family", None), Model):
            hint = "The law that a fit found is fit.model"
        elif isinstance(other, type):
            hint = "Give the parameters of both"
        raise errors.ComparisonError(
            errors.message(
                "two models or two vectors of probabilities",
                f"{type(p).__name__} and {type(q).__name__}",
                hint,
            )
        )
    first, second = probabilities_of(p, "p"), probabilities_of(q, "q")
    if first.shape[-1] != second.shape[-1]:
        raise errors.ComparisonError(
            errors.message(
                "two vectors over the same cells",
                f"{first.shape[-1]} and {second.shape[-1]} of them",
            )
        )
    return False, first, second
