"""Predictors of a conditional model that have met their covariates, and how their coefficients move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mlece.combinators.penalties import Penalty
from mlece.design import Design, Rows
from mlece.domain import real
from mlece.links.bijection import Bijection
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param


@dataclass(frozen=True, eq=False)
class Term:
    """The predictor of one slot, its covariates read.

    Parameters
    ----------
    slot : str
        Slot of the inner family.
    design : Design
    link : Bijection
        From the linear predictor to the slot.
    label : str
        Name under which the coefficients are reported.
    strength : float
        Of a ridge penalty on the coefficients.
    """

    slot: str
    design: Design
    link: Bijection
    label: str
    strength: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        stem = f"{self.label[:-1]}, " if self.label.endswith("]") else f"{self.label}["
        return tuple(f"{stem}{name}]" for name in self.design.names)


class Rowed:
    """Responses and their rows in the designs.

    Parameters
    ----------
    responses : array
    rows : Rows
    statistics : callable, optional
        Makes what the inner family takes of the responses; they themselves if not given.
    """

    def __init__(
        self, responses: Array, rows: Rows, statistics: Callable[[Array], Any] | None = None
    ) -> None:
        self.responses, self.rows, self._statistics = responses, rows, statistics

    @cached_property
    def inner(self) -> Any:
        """The responses as the inner family takes them."""
        return self.responses if self._statistics is None else self._statistics(self.responses)


class Point(NamedTuple):
    """Parameters of the inner family at each observation, and their slopes in the linear predictors."""

    at: Rowed
    theta: Arrays
    first: tuple[Array | None, ...]
    second: tuple[Array | None, ...]
    shared: Any


def rows_of(values: Array) -> Rows:
    """Return the rows of observations (r, m, width): a slice where they follow each other."""
    numbers = values[..., -1]
    first = numbers[0]
    if len(numbers) > 1 and (numbers != first).any():
        return numbers.astype(np.intp)
    m, start = len(first), int(first[0])
    step = int(first[1]) - start if m > 1 else 1
    if step > 0 and bool((first[1:] - first[:-1] == step).all()):
        return slice(start, start + (m - 1) * step + 1, step)
    return first.astype(np.intp)


def mobility(inner: Model, predictors: list[Term | None]) -> tuple[bool, bool]:
    """Tell whether coefficients can follow a shift, and a change of scale, of the response.

    Parameters
    ----------
    inner : Model
    predictors : list of Term or None
        For each parameter of the family.
    """
    shift, scale = True, bool(inner.roles()) and not inner.support.discrete
    for p, term in zip(inner.params, predictors, strict=True):
        if p.role in ("angle", "point") or (p.role and not p.estimable):
            return False, False
        if term is None or not p.role:
            continue
        straight, constant = term.link.name == "identity", term.design.constant is not None
        shift &= p.role != "location" or (straight and constant)
        if straight and p.role != "log location":
            scale &= term.design.offset is None
        else:
            scale &= (straight or term.link.name == "log") and constant
    return shift and scale and "location" in inner.roles(), scale


def coefficient(name: str) -> Param:
    """Declare one coefficient as a parameter of its own."""
    out = Param(real, r"\beta", typical=(-1.0, 1.0), doc="coefficient")
    out.name = name
    return out


def dense(design: Design, rows: Rows) -> Array:
    """Return some rows of a design as a dense array."""
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        return design._gathered(rows)
    block = design.block(rows)
    return np.asarray(block.toarray() if design.sparse else block)


def moved_coefficients(
    role: str, term: Term, own: list[Any], frame: tuple[Any, Any], into: bool
) -> list[Any]:
    """Return the coefficients of a predictor for a response in another frame."""
    if not own or not role:
        return own
    shift, scale = frame
    at = term.design.constant
    step: Any = None
    if role != "log location" and term.link.name == "identity":
        grows = into == (role == "inverse scale")
        # Free coefficients beside held ones are None.
        own = [v if v is None else v * scale if grows else v / scale for v in own]
        if role == "location":
            step = -shift / scale if into else shift
    else:
        step = np.log(scale) if into == (role == "inverse scale") else -np.log(scale)
    if at is None or step is None or own[at] is None:
        return own
    return [v + step if j == at else v for j, v in enumerate(own)]


def one_maximum(inner: Model, terms: tuple[Term, ...], penalty: Penalty | None = None) -> bool:
    """Tell whether no local optimum can differ from the global one.

    Where a log-concave family has one predictor, in a slot and by a link that it names, the likelihood is
    concave in the coefficients, or in those over the scale and one over the scale (Burridge 1981).
    """
    if penalty is not None and not (penalty.convex and _straight(inner, terms)):
        return False
    if inner.jointly_concave:
        return all(term.link.name == "identity" for term in terms)
    terms = tuple(term for term in terms if term.design.width)
    if len(terms) != 1:
        return False
    slot, *links = inner.concave_in or ("",)
    return terms[0].slot == slot and terms[0].link.name in links


def _straight(inner: Model, terms: tuple[Term, ...]) -> bool:
    """Tell whether a concave likelihood is concave in the coefficients themselves, not over a scale."""
    varying = {term.slot for term in terms}
    rest = [p for p in inner.params if p.name not in varying and inner.slots[p.name] is None]
    return all(p.domain == real for p in rest if p.estimable)
