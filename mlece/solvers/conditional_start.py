"""Starting values of conditional models: the family without covariates, put behind its predictors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import lsqr

from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Term
from mlece.likelihood.frame import UNIT
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays

# So many responses tell where to start.
_ENOUGH = 2000


def conditional_starts(
    objective: CrossEntropy,
    members: Array,
    marginal: Callable[[CrossEntropy, Array], list[Arrays]],
) -> list[Arrays]:
    """Return starting values of a conditional model, from those of its family without covariates.

    Parameters
    ----------
    objective : CrossEntropy
        Of a :class:`mlece.combinators.conditional.Conditional` model.
    members : array of int (r,)
    marginal : callable
        Returns the sets of starting values of the inner family.
    """
    model: Any = objective.model
    assert isinstance(model, Conditional)
    step = max(1, objective.sample.rows // _ENOUGH)
    sample = objective.sample
    own = sample.values if len(sample.values) == 1 else sample.values[members]
    w = sample.weights
    w = w if w is None or len(w) == 1 else w[members]
    framed = objective.frame.apply(own[:, ::step], slice(None) if len(own) == 1 else members)
    if len(framed) > 1:
        framed = framed.reshape(len(framed), *framed.shape[1:])
    held = {
        p.name: objective.fixed[p.name][members]
        for p in model.inner.params
        if p.name in objective.fixed
    }
    inner = model.inner.replace(**held) if held else model.inner
    part = replace(
        sample,
        values=model.split(framed),
        weights=None if w is None else w[:, ::step],
        batch_shape=(len(members),),
        places=None,
    )
    # A sample of counts is tabulated; what the family knows of all counts it knows of some.
    alone = CrossEntropy(inner, part, UNIT)
    starts = marginal(alone, np.arange(len(members)))
    out = [_behind(model, theta, len(members)) for theta in starts]
    if any(term.design.offset is not None and term.design.width for term in model.terms):
        # Offsets that predictors have in common, as those of labels may, need no balance.
        out += [_behind(model, theta, len(members), False) for theta in starts[:1]]
    return out


def _behind(model: Conditional, theta: Arrays, size: int, balanced: bool = True) -> Arrays:
    """Return coefficients (r,) that make every observation's parameters those of the family alone."""
    found = {term.slot: term for term in model.terms}
    out: list[Array] = []
    for p, value in zip(model.inner.params, theta, strict=True):
        value = np.broadcast_to(np.asarray(value, dtype=float), (size,))
        term = found.get(p.name)
        out += [value] if term is None else _coefficients(term, value, balanced)
    return tuple(out)


def _coefficients(term: Term, value: Array, balanced: bool) -> list[Array]:
    design = term.design
    with np.errstate(all="ignore"):
        level = term.link.inverse(value)
    level = np.where(np.isfinite(level), level, 0.0)
    if design.offset is not None and balanced:
        level = level - design.offset.mean()
    blank = [np.zeros_like(level) for _ in range(design.width)]
    at = design.constant
    if at is not None:
        blank[at] = level
        return blank
    if not design.width:
        return blank
    step = max(1, design.rows // _ENOUGH)
    some = design.block(slice(None, None, step))
    ones = np.ones(some.shape[0])
    flat = lsqr(some, ones)[0] if design.sparse else np.linalg.lstsq(some, ones, rcond=None)[0]
    return [level * b for b in flat]
