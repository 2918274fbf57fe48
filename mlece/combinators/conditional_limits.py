"""Conditional models of the law that a family tends to where one of its other parameters runs off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlece.limits import LimitFamily
from mlece.model import Model
from mlece.param import Param


@dataclass(frozen=True, eq=False)
class ConditionalLimit:
    """Makes conditional models of a limiting family.

    Parameters
    ----------
    make : callable
        From inner family and terms to the conditional model, slots by name.
    inner : Model
        The limiting family.
    terms : tuple of Term
        The predictors, in its slots.
    """

    make: Callable[..., Model]
    inner: Model
    terms: tuple[Any, ...]

    @property
    def __name__(self) -> str:
        return type(self.inner).__name__

    @property
    def params(self) -> tuple[Param, ...]:
        """Coefficients and remaining parameters."""
        return self().params

    def __call__(self, **slots: Any) -> Model:
        """Return the conditional model with these slots."""
        return self.make(inner=self.inner, terms=self.terms, **slots)


def conditional_limits(
    make: Callable[..., Model], inner: Model, terms: tuple[Any, ...]
) -> tuple[LimitFamily, ...]:
    """Return the limits of a family that keep every predictor, with predictors in their slots.

    Parameters
    ----------
    make : callable
        The class of conditional models.
    inner : Model
    terms : tuple of Term
    """
    out = []
    varying = {term.slot: term for term in terms}
    for limit in inner.limit_families:
        kept = [limit.slots.get(slot) for slot in varying]
        if limit.theta is not None or not all(isinstance(slot, str) for slot in kept):
            continue
        # Known constants, the place of an atom say, stand in the limit as well.
        constants = {
            slot: inner.slots[p.name]
            for p in inner.params
            if not p.estimable and isinstance(slot := limit.slots.get(p.name), str)
        }
        law = limit.member(inner, {**limit.known, **constants})
        moved = []
        slots = {k: v for k, v in limit.slots.items() if k not in varying}
        for term, slot in zip(varying.values(), kept, strict=True):
            other = replace(term, slot=slot, label=slot if term.label == term.slot else term.label)
            moved.append(other)
            slots.update(zip(term.names, other.names, strict=True))
        family = ConditionalLimit(make, law, tuple(moved))
        out.append(replace(limit, family=family, slots=slots, law=limit.law or family.__name__))
    return tuple(out)
