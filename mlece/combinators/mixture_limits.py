"""Mixtures in which a component has run to a limit of its family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.combinators.compose import engine
from mlece.limits import LimitFamily
from mlece.model import Model
from mlece.param import Param

_LARGEST = 1e8  # a parameter with a limiting family is held against it from a hundredth of this on


@dataclass(frozen=True)
class ComponentLimit:
    """Makes mixtures whose components are those of a limit.

    Parameters
    ----------
    make : callable
        The combinator.
    components : tuple of Model
        Those of the limit, without values; a single one is no mixture.
    common : tuple of str
        Parameters that they share.
    """

    make: Callable[..., Model]
    components: tuple[Model, ...]
    common: tuple[str, ...]

    @property
    def __name__(self) -> str:
        names = ", ".join(type(c).__name__ for c in self.components)
        return f"Mixture({names})" if len(self.components) > 1 else names

    @property
    def params(self) -> tuple[Param, ...]:
        """The parameters of the mixture."""
        return self().params

    def __call__(self, **slots: Any) -> Model:
        """Return the mixture with these slots."""
        if len(self.components) == 1:
            return self.components[0].replace(**slots)
        return self.make(*self.components, shared=self.common, **slots)


def component_limits(
    make: Callable[..., Model],
    components: tuple[Model, ...],
    common: tuple[str, ...],
    places: tuple[tuple[int, ...], ...],
    params: tuple[Param, ...],
) -> tuple[LimitFamily, ...]:
    """Return, for each component in turn, the mixture in which it has run to a limit of its family.

    A parameter in common takes every component along. A limit that would tear one apart is left out,
    and so are limits that are told by more than names.

    Parameters
    ----------
    make : callable
        The combinator.
    components : tuple of Model
        Without values.
    common : tuple of str
        Parameters that they share.
    places : tuple of tuple of int
        Where the parameters of each component stand.
    params : tuple of Param
        Parameters of the mixture, the weights first.
    """
    names = [
        {p.name: params[at].name for p, at in zip(c.params, place, strict=True)}
        for c, place in zip(components, places, strict=True)
    ]
    weights = {p.name: p.name for p in params[: len(components) - 1]}
    out: dict[Any, LimitFamily] = {}
    for k, component in enumerate(components):
        for limit in component.limit_families:
            target = _target(component, limit)
            if target is None:
                continue
            together = any(names[k][name] in common for name in limit.runs)
            gone = range(len(components)) if together else range(k, k + 1)
            if any(type(components[j]) is not type(component) for j in gone):
                continue
            kept: list[dict[str, str | None]] = [
                {n: limit.slots.get(n) for n in own} if j in gone else {n: n for n in own}
                for j, own in enumerate(names)
            ]
            shared = _still_shared(kept, common)
            if shared is None:
                continue
            slots = dict(weights)
            for j, own in enumerate(kept):
                stays = {n: new for n, new in own.items() if new is not None}
                slots |= {
                    names[j][n]: new if new in shared else f"{new}[{j}]" for n, new in stays.items()
                }
            runs = {names[j][n]: end for j in gone for n, end in limit.runs.items()}
            other = tuple(target if j in gone else c for j, c in enumerate(components))
            for p in params:
                if runs.get(p.name) == np.inf and p.limits[1] == np.inf:
                    p.limits = p.limits[0], _LARGEST
            made = ComponentLimit(make, other, shared)
            out[(*runs, target)] = LimitFamily(made, runs, slots, only_near=limit.only_near)
    return tuple(out.values())


def _target(component: Model, limit: LimitFamily) -> Model | None:
    """Return a member of the limiting family without values; None where names do not tell it."""
    if limit.theta is not None or limit.known or not (limit.named or limit.smooth):
        return None
    if not all(isinstance(slot, str) for slot in limit.slots.values()):
        return None
    maker = limit.maker(component)
    if isinstance(maker, type):
        return engine(maker)
    return maker() if component._width else None


def _still_shared(
    kept: list[dict[str, str | None]], common: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the names that limits share; None where the components disagree on one."""
    out: list[str] = []
    for name in common:
        if any(name not in own for own in kept):
            # All entries of a vector or a matrix.
            return None
        found = {own[name] for own in kept}
        if len(found) > 1:
            return None
        out += [new for new in found if new is not None]
    return tuple(out)
