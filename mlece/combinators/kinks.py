"""Where a likelihood has a kink: the free parameters or coefficients that move it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import Incomplete
from mlece.model import Model


def kinked_slot(model: Any) -> str | None:
    """Return the slot of a family at which its density has a kink, None for a smooth density."""
    if not model.has("_kink"):
        return None
    # The name is the same whatever the parameters; the jump at these may be no number.
    with np.errstate(all="ignore"):
        return str(model._kink(*(np.ones(1) for _ in model.params))[0])


def kinks_of(model: Model) -> tuple[str, ...]:
    """Return the free parameters in which the likelihood of a model has a kink.

    With covariates these are coefficients of the predictor of the place of the kink.

    Parameters
    ----------
    model : Model
    """
    slot = kinked_slot(model.inner if isinstance(model, Conditional) else model)
    if slot is None:
        return ()
    if not isinstance(model, Conditional):
        return (slot,) if slot in model.free else ()
    at = [p.name for p in model.inner.params].index(slot)
    names = [p.name for p in model.params[model._layout[at][1]]]
    return tuple(name for name in names if name in model.free)


def kinks_among(objective: Any) -> tuple[str, ...]:
    """Return the free parameters in which the likelihood of a sample has a kink.

    Among incomplete observations those that are exact have one; a probability has none.

    Parameters
    ----------
    objective : CrossEntropy
    """
    model = objective.model
    if not isinstance(model, Incomplete):
        return kinks_of(model)
    slot = kinked_slot(model.complete)
    exact = slot in model.free and bool(np.any(model.density_share(objective.summary) > 0))
    return (str(slot),) if exact else ()
