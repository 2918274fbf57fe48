"""What makes two fits comparable, one measure and the same observations, and what they are called."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.foreign import Foreign
from mlece.combinators.observed import responses_of
from mlece.combinators.terms import Term, dense
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.regression.result import ConditionalFit

# A column is in the space of others if no more of its length than this lies outside.
_SPANNED = 1e-9


def names_of(first: Fit, second: Fit) -> tuple[str, str]:
    """Return what two models are called, in full where their titles do not tell them apart."""
    one, two = first.family, second.family
    return (repr(one), repr(two)) if one.title == two.title else (one.title, two.title)


def standing(first: bool, second: bool) -> str:
    """Return which of two models stand a test in both directions: both, first, second or neither."""
    if first == second:
        return "both" if first else "neither"
    return "first" if first else "second"


def require_comparable(first: Fit, second: Fit) -> None:
    """Raise unless the log densities of two fits may be taken off each other.

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, two dominating measures, and different data.
    """
    for fit in (first, second):
        if fit.sample.truth is not None:
            raise errors.ComparisonError(
                errors.message(
                    "two fits to data", "a fit to a known distribution", "Use mlece.kl_divergence"
                )
            )
    one, two = first.family, second.family
    if one.measure != two.measure:
        raise errors.ComparisonError(
            errors.message(
                "two models with densities under one measure",
                f"{one.title} ({one.measure}) and {two.title} ({two.measure})",
            )
        )
    kinds = Conditional | Foreign
    if isinstance(one, kinds) != isinstance(two, kinds):
        plain = two.title if isinstance(one, kinds) else one.title
        raise errors.ComparisonError(
            errors.message(
                "two models of the response given covariates, or two without",
                f"{one.title} and {two.title}",
                f"Give {plain} a predictor with nothing but a constant, slot='1'",
            )
        )
    difference = _difference(first, second)
    if difference:
        raise errors.ComparisonError(
            errors.message(
                "two fits to the same observations with the same weights",
                difference,
                "Fit both models to one array",
            )
        )


def nested(first: Fit, second: Fit) -> bool:
    """Tell whether one model holds the other by its family: every law of the first is one of the second.

    A family holds itself, with more of its slots held or as many; with covariates, every predictor of the
    first must lie in the space of that of the second, by the same link. Families nested in others are not
    recognised.
    """
    one, two = first.family, second.family
    if not (isinstance(one, Conditional) and isinstance(two, Conditional)):
        return _extends(two, one)
    if type(one.inner) is not type(two.inner) or one.inner.settings != two.inner.settings:
        return False
    rows = np.unique(first.sample.values[..., -1]).astype(np.intp)
    mine, others = ({term.slot: term for term in family.terms} for family in (one, two))
    return all(
        _holds(others.get(p.name), mine.get(p.name), rows)
        for p in one.inner.params
        if p.name in mine or p.name in others or p.estimable
    )


def _extends(large: Model, small: Model) -> bool:
    """Tell whether two models are of one family, of which the larger one holds no slot otherwise."""
    one, two = (model.replace(**dict.fromkeys(model.slots)) for model in (large, small))
    return bool(one == two) and all(
        held is None or (at is not None and np.array_equal(held, at))
        for held, at in zip(large.slots.values(), small.slots.values(), strict=True)
    )


def _holds(large: Term | None, small: Term | None, rows: Array) -> bool:
    """Tell whether one predictor can take the values of another; None is a parameter of its own."""
    if small is None:
        return large is None or (large.design.constant is not None and large.design.offset is None)
    if large is None or large.link.name != small.link.name:
        return False
    none = np.zeros(len(rows))
    ahead, behind = (
        none if term.design.offset is None else term.design.offset[rows] for term in (small, large)
    )
    columns = np.column_stack([ahead - behind, dense(small.design, rows)])
    space = dense(large.design, rows)
    return bool((outside(columns, space) <= _SPANNED).all())


def outside(columns: Array, space: Array) -> Array:
    """Return which share of the length of columns (n, q) lies outside the space of others (n, p), (q,)."""
    scale = np.abs(space).max(axis=0)
    basis, weight, _ = np.linalg.svd(space / np.where(scale > 0, scale, 1.0), full_matrices=False)
    basis = basis[:, weight > len(space) * np.finfo(float).eps * weight.max(initial=0.0)]
    length = np.linalg.norm(columns, axis=0)
    rest = columns - basis @ (basis.T @ columns)
    return np.asarray(np.linalg.norm(rest, axis=0) / np.where(length > 0, length, 1.0))


def _difference(first: Fit, second: Fit) -> str:
    """Say what tells the data of two fits apart; empty where nothing does."""
    a, b = first.sample, second.sample
    rows = [fit.kept for fit in (first, second) if isinstance(fit, ConditionalFit)]
    if len(rows) == 2 and not _equal(*rows):
        gone = [0 if kept is None else int((~kept).sum()) for kept in rows]
        return (
            f"{gone[0]} and {gone[1]} rows left out for missing values, not the same ones: leave out "
            "before the fits those that either of them lacks"
        )
    one, two = _observed(first, second)
    if a.batch_shape != b.batch_shape or one.shape != two.shape:
        return f"{one.shape} and {two.shape} that differ"
    if not _equal(a.weights, b.weights):
        return "different weights"
    labels = [getattr(f.family, "labels", None) for f in (first, second)]
    if one is not a.values:
        # Another library knows codes alone.
        labels = []
    other = one != two
    other = other.any(axis=-1) if other.ndim == 3 else other
    if not other.any():
        same = not labels or labels[0] == labels[1]
        return "" if same else f"labels {labels[0]} and {labels[1]}"
    at = tuple(int(i) for i in np.argwhere(other)[0])
    return (
        f"{int(other.sum())} of {other.size} that differ, the first {_shown(one[at])} and "
        f"{_shown(two[at])} at position {at[1]}"
    )


def _observed(first: Fit, second: Fit) -> tuple[Array, Array]:
    """Return observations; responses where the likelihood of another library is among the two.

    It knows covariates in its own way, so that rows are held against each other by their place.
    """
    families = first.family, second.family
    if not any(isinstance(family, Foreign) for family in families):
        return first.sample.values, second.sample.values
    for family in families:
        if isinstance(family, Foreign) and not family.told:
            raise errors.ComparisonError(
                errors.message(
                    "two fits that tell their observations",
                    f"{family.title}, which does not",
                    "Give response= to mlece.from_likelihood",
                )
            )
    one, two = (responses_of(fit.family, fit.sample.values) for fit in (first, second))
    return one, two


def _shown(observation: Any) -> str:
    """Return an observation in a message: one with covariates by its response."""
    value = np.asarray(observation)
    return f"{value.item() if value.ndim == 0 else value[0].item():.6g}"


def _equal(a: Array | None, b: Array | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
