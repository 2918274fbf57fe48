"""Mixtures of which one component alone does what no mixture can do better: on a single value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece.combinators.compose import engine
from mlece.limits import Limit, Status, full
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import Summary, plain_sums


@dataclass(frozen=True)
class OneComponent:
    """Builds the law of one component from the parameters of a mixture.

    Parameters
    ----------
    component : type of Model
    place : tuple of int
        Where its parameters stand.
    """

    component: type[Model]
    place: tuple[int, ...]

    def __call__(self, *values: Any) -> Model:
        """Return the component."""
        return self.component(*[values[at] for at in self.place])


def point_limits(mixture: Any, s: Summary, slots: tuple[Any, ...]) -> tuple[Limit, ...]:
    """Return the limits of a mixture of numbers whose components cannot shrink just anywhere.

    Where all observations are one value, counts of probability 1 under a component have it under the
    mixture, and a density that grows without bound there does so in the mixture whatever its weight.
    Where only the smallest observations are that value such a density is a rival: a local optimum stands
    beside it.

    Parameters
    ----------
    mixture : type of Mixture
    s : Summary
    slots : tuple of array or None
    """
    equal = s.minimum == s.maximum
    found = _counted if mixture.support.discrete else _shrinking
    return tuple(limit for limit in found(mixture, s, slots, np.asarray(equal)) if limit.mask.any())


def _counted(mixture: Any, s: Summary, slots: tuple[Any, ...], equal: Array) -> Iterator[Limit]:
    """Yield the first components under which a single count has probability 1, all weights free."""
    left = equal & all(w is None for w in slots[: len(mixture._components) - 1])
    for k, limit in _at_the_least(mixture, s, slots):
        mask = limit.mask & left & (np.asarray(limit.infimum) == 0)
        left = left & ~mask
        yield replace(
            limit,
            mask=mask,
            sentence=f"component {k} alone gives probability 1, any other gains nothing; {limit.sentence}",
            theta=_alone(mixture, s, slots, k, limit.theta),
            model=OneComponent(type(mixture._components[k]), mixture._places[k]),
        )


def _shrinking(mixture: Any, s: Summary, slots: tuple[Any, ...], equal: Array) -> Iterator[Limit]:
    """Yield the components whose density grows without bound on the smallest value."""
    whole = mixture.support
    theta = tuple(full(s.weight, np.nan) if v is None else v for v in slots)
    for k, limit in _at_the_least(mixture, s, slots):
        if limit.status is not Status.UNBOUNDED:
            continue
        sentence = f"component {k} shrinks on the smallest value; {limit.sentence}"
        shrinks = replace(limit, sentence=sentence, theta=theta)
        yield replace(shrinks, mask=limit.mask & equal)
        others = [c.support for j, c in enumerate(mixture._components) if j != k]
        covered = any(o.lower <= whole.lower and o.upper >= whole.upper for o in others)
        # A known law, of weight 1, has no mass at the end of its support.
        some = limit.mask & ~equal & covered & (s.weight > 1)
        yield replace(shrinks, mask=some, rival=True)


def _at_the_least(mixture: Any, s: Summary, slots: tuple[Any, ...]) -> Iterator[tuple[int, Limit]]:
    """Yield what components come to, by number, on nothing but the smallest observation."""
    for k, (component, place) in enumerate(zip(mixture._components, mixture._places, strict=True)):
        model = component if component.settings else engine(type(component))
        for limit in model._degenerate(at_point(model, s), *[slots[at] for at in place]):
            if not limit.rival:
                yield k, limit


def at_point(model: Model, s: Summary) -> Summary:
    """Return the summary that a model has of the smallest observation alone, with the same weight."""
    y = s.minimum[:, None]
    sums: Arrays = ()
    if model.affine or model.has("_block_sums"):
        sums = model.block_sums(y, None)
    elif model.support.discrete:
        sums = plain_sums(y, None)
    return Summary(sums, s.minimum, s.minimum, s.weight, s.count)


def _alone(
    mixture: Any, s: Summary, slots: tuple[Any, ...], k: int, own: Arrays
) -> tuple[Array, ...]:
    """Return the parameters of a mixture that is one of its components, the others without values."""
    lead = len(mixture._components) - 1
    theta = [full(s.weight, float(j + 1 == k)) for j in range(lead)]
    theta += [full(s.weight, np.nan) if v is None else v for v in slots[lead:]]
    for at, value in zip(mixture._places[k], own, strict=True):
        theta[at] = value
    return tuple(theta)
