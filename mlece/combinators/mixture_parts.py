"""What a mixture is made of: its components checked, their parameters laid out."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.compose import named_model
from mlece.domain import Domain
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param

_OPEN_SHARE = Domain(0.0, 1.0)
# The smallest scale of a component, in units of the spread of the data, that counts as one: below lies
# the unbounded likelihood of a component that sits on a few observations (Hathaway 1985).
LEAST_SCALE = 1e-3
SCALES = ("scale", "inverse scale")


def centre(component: Model, theta: Arrays) -> Array:
    """Return where a component lies: its mean, its location, or its first parameter."""
    if component.has("_mean"):
        return np.asarray(component._mean(*theta))
    for p, value in zip(component.params, theta, strict=True):
        if p.role in ("location", "log location"):
            return np.asarray(value)
    return np.asarray(theta[0])


def as_component(model: Any) -> Model:
    """Return a component from an instance, a class or a registered name."""
    law = named_model(model, "Mixture")
    if law._width or law.support.kind not in ("interval", "integers"):
        raise errors.ParameterError(
            errors.message("models of numbers in Mixture", f"{type(law).__name__}")
        )
    return law


def check(parts: tuple[Model, ...], size: int | None, shared: Any) -> None:
    """Raise for components that make no mixture."""
    if len(parts) < 2 or (size is not None and len(parts) != size):
        raise errors.ParameterError(
            errors.message(
                "two or more components, or one and size=",
                f"{len(parts)} components and size {size}",
            )
        )
    measures = {c.support.kind for c in parts}
    if len(measures) > 1:
        raise errors.ParameterError(
            errors.message(
                "components under one dominating measure",
                " and ".join(f"{type(c).__name__} ({c.support})" for c in parts),
                "Inflated puts an atom on a density",
            )
        )
    for name in shared:
        if any(name not in [p.name for p in c.params] for c in parts):
            raise errors.unknown_name(
                "parameter that all components have",
                name,
                set.intersection(*[{p.name for p in c.params} for c in parts]),
            )
    for c in parts:
        for p in c.params:
            if not p.regular and c.slots[p.name] is None:
                raise errors.ParameterError(
                    errors.message(
                        f"a value for {p.name} of {type(c).__name__} in a mixture",
                        "a free end of the support, at which the likelihood of a mixture jumps",
                    )
                )


def constants(model: Model) -> dict[str, Any]:
    """Return the known constants of a component."""
    return {p.name: model.slots[p.name] for p in model.params if not p.estimable}


def layout(
    parts: tuple[Model, ...], shared: tuple[str, ...]
) -> tuple[tuple[Param, ...], tuple[tuple[int, ...], ...]]:
    """Declare the parameters: weights first; return where those of each component stand."""
    params = []
    for k in range(1, len(parts)):
        weight = Param(_OPEN_SHARE, f"w_{{{k}}}", typical=(0.2, 0.4), doc="weight")
        weight.name = f"weight[{k}]"
        params.append(weight)
    places: list[tuple[int, ...]] = []
    known: dict[str, int] = {}
    for k, part in enumerate(parts):
        place = []
        for p in part.params:
            name = p.name if p.name in shared else f"{p.name}[{k}]"
            if name not in known:
                known[name] = len(params)
                params.append(copied(p, name))
            place.append(known[name])
        places.append(tuple(place))
    return tuple(params), tuple(places)


def copied(p: Param, name: str) -> Param:
    """Return a declaration under another name, with the scales of a component bounded."""
    out = copy.copy(p)
    out.name = name
    if p.role in SCALES and p.estimable:
        low, high = p.limits
        if p.role == "scale":
            out.limits = (max(low, LEAST_SCALE), high)
        else:
            out.limits = (low, min(high, 1.0 / LEAST_SCALE))
    return out


def union(supports: list[Domain]) -> Domain:
    """Return the smallest interval that holds all supports."""
    lower, upper = min(s.lower for s in supports), max(s.upper for s in supports)
    return Domain(
        lower,
        upper,
        any(s.closed_lower for s in supports if s.lower == lower),
        any(s.closed_upper for s in supports if s.upper == upper),
        supports[0].kind,
    )
