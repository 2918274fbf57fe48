"""What a mixture is made of: its components checked, their parameters laid out, their widths."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.compose import copied, engine, named_model
from mlece.domain import Domain
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param, facts_of

_OPEN_SHARE = Domain(0.0, 1.0)
# The smallest scale of a component, in units of the mixture's spread, that counts as one: below lies the
# unbounded likelihood of a component that sits on a few observations (Hathaway 1985).
LEAST_SCALE = 1e-3
SCALES = ("scale", "inverse scale")


def as_component(model: Any) -> Model:
    """Return a component from an instance, a class or a registered name."""
    law = named_model(model, "Mixture")
    if law.support.kind not in ("interval", "integers") or facts_of(law.params).vectors:
        raise errors.ParameterError(
            errors.message(
                "models of numbers, or of vectors with a number in each slot, in Mixture",
                f"{type(law).__name__}",
            )
        )
    return law


def as_components(components: tuple[Any, ...], size: int | None) -> tuple[Model, ...]:
    """Return the components that a mixture is called with."""
    parts = tuple(as_component(c) for c in components)
    return parts * (size or 1) if len(parts) == 1 else parts


def bare(model: Model) -> Model:
    """Return a component without the values of its slots."""
    if model._width or model.settings:
        return model.replace(**{p.name: None for p in model.params if p.estimable})
    return engine(type(model))


def measured(model: Model) -> str:
    """Return what dominates a component, atoms apart: those of one mixture add up."""
    if model._factors:
        kinds = [measured(f) for f in model._factors]
        return "interval" if set(kinds) == {"interval"} else " x ".join(kinds)
    # Vectors have one measure on all of the space, and another on each simplex or lattice.
    anywhere = not model._width or getattr(model, "structured", False)
    return model.support.kind if anywhere else type(model).__name__


def check(parts: tuple[Model, ...], size: int | None, shared: Any) -> None:
    """Raise for components that make no mixture."""
    if len(parts) < 2 or (size is not None and len(parts) != size):
        raise errors.ParameterError(
            errors.message(
                "two or more components, or one and size=",
                f"{len(parts)} components and size {size}",
            )
        )
    if len({(c._width, measured(c)) for c in parts}) > 1:
        raise errors.ParameterError(
            errors.message(
                "components under one dominating measure",
                " and ".join(f"{type(c).__name__} ({c.support})" for c in parts),
                "Inflated puts an atom on a density",
            )
        )
    for name in shared:
        if any(name not in names_of(c) for c in parts):
            raise errors.unknown_name(
                "parameter that all components have",
                name,
                set.intersection(*[names_of(c) for c in parts]),
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


def check_weights(known: list[Array]) -> None:
    """Raise where the weights of all components but the first leave nothing for it."""
    total = np.asarray(sum(known))
    # Fitted weights sum to 1 with their rounding.
    if np.any(total > 1 + 1e-12):
        raise errors.ParameterError(
            errors.message(
                "weights that sum to less than 1, the first component having the rest",
                f"a sum of {total.max():.6g}",
            )
        )


def names_of(model: Model) -> set[str]:
    """Return the names of parameters, those of whole vectors and matrices among them."""
    return {n for p in model.params for n in (p.name, p.name.partition("[")[0])}


def is_shared(name: str, shared: tuple[str, ...]) -> bool:
    """Tell whether a parameter, or the vector or matrix of which it is an entry, is shared."""
    return name in shared or name.partition("[")[0] in shared


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
            name = p.name if is_shared(p.name, shared) else f"{p.name}[{k}]"
            if name not in known:
                known[name] = len(params)
                params.append(copied(p, name=name))
            place.append(known[name])
        places.append(tuple(place))
    return tuple(params), tuple(places)


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


# ------------------------------------------------------------------ where components lie, how wide


def centres(component: Model, theta: Arrays) -> Array:
    """Return where a component lies, (..., d): its mean, its location, or its first parameter."""
    if component._factors:
        product: Any = component
        pairs = zip(product.factors, product.split(theta), strict=True)
        return np.concatenate([centres(f, t) for f, t in pairs], axis=-1)
    if component._width:
        return np.asarray(component.member(*theta).mean)
    located = [p.role in ("location", "log location") for p in component.params]
    value = np.asarray(theta[located.index(True) if any(located) else 0])
    if component.has("_mean"):
        mean = component._mean(*theta)
        value = np.where(np.isfinite(mean), mean, value)
    return value[..., None]


def spreads(component: Model, theta: Arrays) -> Array:
    """Return the covariance of a component or its square scale, (..., d, d).

    Infinite for counts, which have no density that could grow; NaN where there is no formula.
    """
    if component._factors:
        product: Any = component
        pairs = zip(product.factors, product.split(theta), strict=True)
        diagonal = np.stack([spreads(f, t)[..., 0, 0] for f, t in pairs], axis=-1)
        return np.asarray(np.where(np.eye(diagonal.shape[-1]) > 0, diagonal[..., None], 0.0))
    if component._width:
        vector: Any = component
        if not vector.structured:
            return np.full((*np.shape(theta[0]), 1, 1), np.nan)
        wanted = [p.name for p in vector._parts()].index(vector.matrix)
        return np.asarray(vector.assembled(theta)[wanted])
    if component.support.discrete:
        return np.full((*np.shape(theta[0]), 1, 1), np.inf)
    square: Any = np.full(np.shape(theta[0]), np.nan)
    if component.has("_variance"):
        square = component._variance(*theta)
    for p, value in zip(component.params, theta, strict=True):
        # A law without a variance has its scale.
        if p.role in SCALES:
            own = value**2 if p.role == "scale" else value**-2.0
            square = np.where(np.isfinite(square), square, own)
    return np.asarray(square)[..., None, None]


def relative_widths(components: tuple[Model, ...], parts: list[Arrays]) -> Array:
    """Return the least standard deviation of each component in any direction, (K, ...).

    In units of the mixture's own spread, coordinate by coordinate: the largest standard deviation of
    a component, or the distance between two of them. NaN where there is no formula.
    """
    at = [centres(c, t) for c, t in zip(components, parts, strict=True)]
    own = [spreads(c, t) for c, t in zip(components, parts, strict=True)]
    middle, square = (np.stack(np.broadcast_arrays(*v)) for v in (at, own))
    middle = np.where(np.isfinite(middle), middle, 0.0)
    d = np.arange(square.shape[-1])
    variances = square[..., d, d]
    counted = np.isinf(variances)
    whole = np.fmax.reduce(np.where(counted, 0.0, variances), axis=0)
    reach = np.maximum(whole, (middle.max(axis=0) - middle.min(axis=0)) ** 2)
    unit = np.sqrt(np.where(reach > 0, reach, 1.0))
    scaled = square / unit[..., :, None] / unit[..., None, :]
    scaled[..., d, d] = np.where(counted, 1.0, scaled[..., d, d])
    usable = np.asarray(np.isfinite(scaled).all(axis=(-2, -1)))
    least = np.linalg.eigvalsh(np.where(usable[..., None, None], scaled, np.eye(len(d))))[..., 0]
    return np.where(usable, np.sqrt(np.maximum(least, 0.0)), np.nan)


def may_shrink(component: Model, free: list[bool]) -> bool:
    """Tell whether a component can concentrate on a point where its density grows without bound.

    Parameters
    ----------
    free : list of bool
        For each parameter whether it moves with this component alone.
    """
    if component._factors:
        product: Any = component
        pairs = zip(product.factors, product.split(tuple(free)), strict=True)
        return any(may_shrink(f, list(own)) for f, own in pairs)
    if component.support.discrete or not component.collapsible:
        return False
    names = [p.name for p, own in zip(component.params, free, strict=True) if own]
    matrix = getattr(component, "matrix", None)
    if matrix is not None:
        return any(n.startswith(f"{matrix}[") for n in names)
    still = [p.name for p in component.params if p.role in ("location", "log location")]
    return any(n not in still for n in names)
