"""Laws and draws at the observations of a fit, with covariates or without."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.combinators.foreign import Foreign
from mlece.combinators.rowwise import RowLaws
from mlece.combinators.terms import rows_of
from mlece.math import Array
from mlece.model import Model


def response_family(family: Model) -> Model:
    """Return the family of the response: that behind the predictors, or the family itself."""
    return family.inner if isinstance(family, Conditional) else family


def responses_of(family: Model, values: Array) -> Array:
    """Return the responses (..., n) or (..., n, d) of observations (..., n) or (..., n, width)."""
    return family.split(values) if isinstance(family, Conditional | Foreign) else values


def laws_at(model: Model, values: Array) -> tuple[Any, Array]:
    """Return the law of the observations (a Model, or RowLaws of one for each), and the responses.

    Parameters
    ----------
    model : Model
        A known law, of r members or one.
    values : array (r, n) or (r, n, width)
        Observations as the engine has them.

    Returns
    -------
    law : Model or RowLaws
        Answers for responses (r, n).
    responses : array (r, n), or (r, n, 3) where they are incomplete
    """
    if not isinstance(model, Conditional):
        return model, values
    return RowLaws(model.responses(rows_of(values))), responses_of(model, values)


def drawn_like(model: Model, values: Array, size: int, rng: np.random.Generator) -> Array:
    """Draw samples of as many observations, at the same covariates where there are some.

    Parameters
    ----------
    model : Model
        A known law, of r members or one.
    values : array (r or 1, n) or (r or 1, n, width)
        Observations whose like are drawn.
    size : int
        Number of samples.

    Returns
    -------
    array (..., size, n) or (..., size, n, width)
        Behind the batch axes of the model.
    """
    law, responses = laws_at(model, values)
    y = law.draw((size, responses.shape[1]), rng)
    return y if law is model else beside(y, values)


def beside(y: Array, values: Array) -> Array:
    """Return responses (..., s, n) or (..., s, n, d) with the rows of observations (r or 1, n, width)."""
    rows = values[..., -1]
    rows = rows[0] if len(rows) == 1 else rows[:, None, :]
    y = y[..., None] if values.shape[-1] == 2 else y
    rows = np.broadcast_to(rows, y.shape[:-1])
    return np.concatenate([y, rows[..., None]], axis=-1)
