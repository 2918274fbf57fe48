"""What a slot may hold: a number, an array of numbers, nothing, or a predictor."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.param import Param
from mlece.predictor import Predictor, as_predictor


def checked(param: Param, value: Any, family: str) -> Array | Predictor | None:
    """Return what a slot holds, ready for use; None if it is free.

    Parameters
    ----------
    param : Param
    value : float, array_like, Predictor, str, sequence of str, or None
        A string is a formula, a sequence of strings names columns.
    family : str
        Name of the family, for messages.

    Raises
    ------
    ParameterError
        If the value lies outside the domain, or a known constant is missing.
    """
    value = param.default if value is None else value
    if value is None:
        if not param.estimable:
            raise errors.ParameterError(
                errors.message(
                    f"a value for {param.name} of {family} ({param.domain})",
                    "none",
                    "It is a known constant, not estimated",
                )
            )
        return None
    predictor = as_predictor(value)
    if predictor is not None:
        return predictor
    where = f"{param.name} of {family}"
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        raise errors.ParameterError(
            errors.message(
                f"{where} to be {param.domain}",
                repr(value),
                "A slot holds a number, an array of numbers or a predictor; "
                "leave it out to estimate it",
            )
        ) from None
    if param.vector and array.ndim == 0:
        raise errors.ParameterError(
            errors.message(f"{where} to be {param.domain}", f"the single number {value!r}")
        )
    bad = ~param.domain.contains(array)
    if bad.any():
        shown = array if param.vector else errors.offenders(bad, array)
        got = repr(value) if array.ndim == 0 else f"{shown}"
        raise errors.ParameterError(errors.message(f"{where} to be {param.domain}", got))
    array.setflags(write=False)
    return array
