"""Fits of conditional models to a known conditional truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.faces import infinite
from mlece.fitting import fit_sample
from mlece.math import Array
from mlece.model import Model
from mlece.regression.reading import read as read_rows
from mlece.regression.result import renewed
from mlece.regression.truth import SETTLED, ConditionalTruth, JointRule, unsettled
from mlece.result import Fit
from mlece.sample import Sample, from_data
from mlece.sources.expectation import tail_divergent


def fit_conditional(model: Model, truth: ConditionalTruth, solver: str) -> Fit:
    """Fit a conditional model to a known conditional truth: the projection of p*(y | x) onto the family.

    Rules are refined until the cross-entropy moves by less than 1e-10 relative to the larger of 1 and its
    size; halving the step squares the error.

    Parameters
    ----------
    model : Model
        With a predictor in a slot, or the model of a fit with covariates.
    truth : ConditionalTruth
    solver : str

    Raises
    ------
    DataTypeError
        If no slot of the model holds a predictor.
    ComparisonError
        If model and truth have different dominating measures.
    SupportError
        If all of the truth lies outside the support of the model.
    NoDensityError
        If the cross-entropy does not settle.
    """
    if not (model.predictors or isinstance(model, Conditional)):
        raise errors.DataTypeError(
            errors.message(
                "a model with a predictor in a slot, for a conditional truth",
                f"{model!r}",
                "A formula of a constant, '1', stands for no covariates: Gaussian(mean='1')",
            )
        )
    before = np.nan
    for rule in truth.rules():
        fit = _projected(model, truth, rule, solver)
        value = float(fit.values[0])
        moved = abs(value - before)
        if not np.isfinite(value) or rule.nodes.level == 0 or moved <= SETTLED * max(1, abs(value)):
            return replace(fit, given=rule.given)
        before = value
    raise unsettled(moved)


def _projected(model: Model, truth: ConditionalTruth, rule: JointRule, solver: str) -> Any:
    """Fit to one rule; report an infinite cross-entropy as such."""
    law, points = rule.law.family, rule.nodes
    support = model.inner.support if isinstance(model, Conditional) else model.support
    inside = np.ones(points.count, dtype=bool)
    if law.support.kind != "categories":
        inside = support.contains(points.values)
    _require_comparable(model, law, truth, inside)
    y = law.decode(points.values[inside])
    family = _placed(model, y, rule)
    _, read = from_data(family.inner, y, None, "y", "sampling")
    own = read.values if family.inner._width else read.values[..., None]
    rows = points.row[None, inside, None].astype(float)
    sample = Sample(
        np.concatenate([own, rows], axis=-1),
        points.weights[None, inside],
        truth=truth,
        rule=points,
    )
    fit = fit_sample(family, sample, solver)
    if not inside.all():
        lost = float(points.weights[~inside].sum())
        return infinite(fit, f"the truth has mass {lost:.3g} outside {support}")
    if not fit.limit_models and _endless(fit, points):
        return infinite(fit, "the truth's tails are too heavy for the family")
    return fit


def _require_comparable(
    model: Model, law: Model, truth: ConditionalTruth, inside: Array
) -> None:
    if law.measure != model.measure:
        raise errors.ComparisonError(
            errors.message(
                "a model and a truth of the response under one measure",
                f"{model.title} ({model.measure}) and {law.title} ({law.measure})",
            )
        )
    if not inside.any():
        raise errors.SupportError(
            errors.message(
                f"a truth that meets the support of {model.title}, {model.support}",
                f"{truth!r}, all of whose mass lies outside",
            )
        )


def _placed(model: Model, y: Array, rule: JointRule) -> Conditional:
    """Return the conditional model at the covariates of a rule."""
    if isinstance(model, Conditional):
        return renewed(model, rule.given)
    count = rule.nodes.grid.count
    # One response for each row of covariates, every label among them.
    some = np.unique(y) if model.support.discrete else y
    return read_rows(model, np.resize(some, count), rule.given, None, "y", "frequency").model


def _endless(fit: Fit, points: Any) -> bool:
    terms: Array = fit.node_values()
    return bool(np.isnan(terms).any()) or tail_divergent(points, terms)
