"""Mixtures that lie no lower than without one of their components."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.combinators.mixture_limits import ComponentLimit
from mlece.combinators.mixture_parts import layout
from mlece.limits import LimitFamily
from mlece.math import Array, Arrays, exp
from mlece.model import Model
from mlece.param import Param

# A weight below, and components closer in every parameter, are held against the mixture without one.
_LIGHT, _CLOSE = 1e-4, 0.05
# The weight with which a component is let in again, and how far from another one, in coordinates.
_WEIGHT, _STEPS = 1e-4, (0.03, 0.1, 0.3, 1.0)
_ALL_WAYS = 3  # up to so many parameters steps go along several of them at once


@dataclass(frozen=True)
class Superfluous(LimitFamily):
    """A mixture without one of its components.

    Parameters
    ----------
    component : int
        The one that is left out.
    """

    component: int = 0

    def tried(self, model: Any, theta: Arrays, lost: Array) -> Array:
        """Tell which members are held against the mixture without the component.

        Of free components of one family that meet, or met no optimum, the first ones stay.
        """
        like = [j for j, c in enumerate(model.components) if c == model.components[self.component]]
        again = any(j > self.component and _free(model, j) for j in like)
        return self.approached(model, theta) | (
            lost & (not (again and _free(model, self.component)))
        )

    def approached(self, model: Any, theta: Arrays) -> Array:
        """Tell which members give the component no weight, or put it where another one is."""
        logs, parts = model.split(theta)
        near = exp(logs[self.component]) < _LIGHT
        for j, other in enumerate(model.components):
            if other == model.components[self.component] and (
                j < self.component or not _free(model, j)
            ):
                pairs = zip(parts[j], parts[self.component], strict=True)
                gaps = [(a == b) | (np.abs(a - b) < _CLOSE * (1 + np.abs(a))) for a, b in pairs]
                near = near | np.logical_and.reduce(gaps)
        return np.asarray(near)

    def beside(self, model: Any, theta: Arrays, starts: list[Arrays]) -> list[Arrays]:
        """Return the mixture with a little of the component, at all places where it may gain.

        Its likelihood is concave in the weights: the component gains if it does with a small one
        (Lindsay 1983). It is tried where the starts have it and about the others of its family.
        """
        own = model.components[self.component]
        parts = [model.split(s)[1] for s in starts]
        same = [j for j, c in enumerate(model.components) if c == own]
        places = [part[j] for part in parts for j in same]
        for j in same:
            if j != self.component:
                places += _around(own, model.split(theta)[1][j])
        out = []
        for place in places:
            new = [t * (1 - _WEIGHT) for t in theta[: len(model.components) - 1]]
            new += theta[len(new) :]
            if self.component:
                new[self.component - 1] = np.full_like(new[0], _WEIGHT)
            for at, value in zip(model._places[self.component], place, strict=True):
                name = model.params[at].name
                if name in self.idle:
                    known = model.slots[name] is not None
                    new[at] = starts[0][at] if known else np.broadcast_to(value, new[0].shape)
            out.append(tuple(new))
        return out


def _free(model: Model, j: int) -> bool:
    """Tell whether nothing of a component is known."""
    mixture: Any = model
    return all(model.slots[model.params[at].name] is None for at in mixture._places[j])


def _around(component: Model, theta: Arrays) -> list[Arrays]:
    """Return parameters about those of a component, along each coordinate or all combinations."""
    count = len(theta)
    if count <= _ALL_WAYS:
        ways = [w for w in itertools.product((-1, 0, 1), repeat=count) if any(w)]
    else:
        ways = [tuple(row) for row in (*np.eye(count), *-np.eye(count))]
    out = []
    with np.errstate(all="ignore"):
        at = [p.bijection.inverse(t) for p, t in zip(component.params, theta, strict=True)]
        for way, step in itertools.product(ways, _STEPS):
            moved = zip(component.params, at, way, strict=True)
            out.append(tuple(p.bijection.forward(a + step * w) for p, a, w in moved))
    return out


@dataclass(frozen=True)
class Put:
    """Puts the parameters of a mixture into those of one with a component more, of weight 0.

    Parameters
    ----------
    places : tuple of (int or None)
        For each parameter the place of the one that it takes; None: it has weight 0 or no value.
    weights : int
        How many of the parameters are weights.
    left : int or None
        The weight that is what the others leave of 1.
    """

    places: tuple[int | None, ...]
    weights: int
    left: int | None = None

    def __call__(self, *values: Array) -> Arrays:
        """Return all parameters of the larger mixture."""
        nothing = [0.0] * self.weights + [np.nan] * (len(self.places) - self.weights)
        out = [
            np.full(np.shape(values[0]), blank) if at is None else np.asarray(values[at])
            for at, blank in zip(self.places, nothing, strict=True)
        ]
        if self.left is not None:
            out[self.left] = 1.0 - np.sum(out[: self.weights], axis=0)
        return tuple(out)


def superfluous(
    make: Callable[..., Model],
    components: tuple[Model, ...],
    common: tuple[str, ...],
    places: tuple[tuple[int, ...], ...],
    params: tuple[Param, ...],
) -> tuple[LimitFamily, ...]:
    """Return the mixtures without one of the components.

    Parameters
    ----------
    make, components, common, places, params
        As :func:`mlece.combinators.mixture_limits.component_limits` takes them.
    """
    return tuple(
        _without(make, k, components, common, places, params) for k in range(len(components))
    )


def _without(
    make: Callable[..., Model],
    k: int,
    components: tuple[Model, ...],
    common: tuple[str, ...],
    places: tuple[tuple[int, ...], ...],
    params: tuple[Param, ...],
) -> LimitFamily:
    rest = [j for j in range(len(components)) if j != k]
    kept = tuple(components[j] for j in rest)
    new, stand = layout(kept, common) if len(kept) > 1 else (kept[0].params, _in_order(kept[0]))
    slots: dict[str, Any] = {}
    put: dict[int, int | None] = dict.fromkeys(range(len(params)))
    pairs = [(j - 1, i - 1) for i, j in enumerate(rest) if i and j]
    pairs += [pair for i, j in enumerate(rest) for pair in zip(places[j], stand[i], strict=True)]
    for old, now in pairs:
        slots[params[old].name], put[old] = new[now].name, now
    law = ComponentLimit(make, kept, common)
    return Superfluous(
        law,
        {params[k - 1].name: 0.0} if k else {},
        slots,
        theta=Put(tuple(put.values()), len(components) - 1, None if k else 0),
        running=f"component {k} gains nothing: its weight is 0, or it coincides with another one",
        law=law.__name__,
        component=k,
        idle=tuple(params[at].name for at in places[k] if put[at] is None),
    )


def _in_order(component: Model) -> tuple[tuple[int, ...], ...]:
    return (tuple(range(len(component.params))),)
