"""Fits of conditional models to a known conditional truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.kinks import kinked_slot, kinks_of
from mlece.fits.faces import infinite
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.regression.reading import read as read_rows
from mlece.regression.scoring import at_covariates
from mlece.regression.truth import (
    SETTLED,
    ConditionalTruth,
    JointRule,
    Responses,
    has_kinks,
    unsettled,
)
from mlece.sample import Sample, from_data
from mlece.sources.expectation import tail_divergent
from mlece.sources.rows import RowNodes

# An error in the place of a kink enters by its square, and each fit squares it.
_CUTS = 2
_SLAB = 1 << 21  # pairs of a member and a point that are evaluated at once


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
    require_smooth(model)
    before = np.nan
    for rule in truth.rules():
        fit = _between_kinks(_projected(model, truth, rule, solver), truth, solver)
        value = float(fit.values[0])
        moved = abs(value - before)
        if not np.isfinite(value) or rule.nodes.level == 0 or moved <= SETTLED * max(1, abs(value)):
            out: Fit = replace(fit, given=rule.given)
            return out
        before = value
    raise unsettled(moved)


def require_smooth(model: Model) -> None:
    """Refuse a kink in what is estimated: the sum over the points of a rule has one at each of them."""
    slot = kinked_slot(model.inner if isinstance(model, Conditional) else model)
    if slot is not None and (slot in {*model.free, *model.predictors} or kinks_of(model)):
        raise errors.NoDensityError(
            errors.message(
                "a likelihood that is smooth in what is estimated, for a known conditional law",
                f"{model!r} with a kink in {slot}",
                f"Fill {slot}, or fit draws: mlece.fit(model, truth.sample(n), ...)",
            )
        )


def _between_kinks(fit: Any, truth: ConditionalTruth, solver: str) -> Any:
    """Fit again to responses that are cut at the kinks of the fitted laws, where they have any."""
    if not has_kinks(fit.family.family):
        return fit
    for _ in range(_CUTS):
        if not fit.certificate.status.solved:
            break
        rule = truth.rule(fit.sample.rule.level, Responses(fit, truth.y.named))
        fit = _projected(fit.family, truth, rule, solver)
    return fit


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
    if not fit.limit_models and _diverges(points, fit.node_values()):
        return infinite(fit, "the truth's tails are too heavy for the family")
    return fit


def _require_comparable(model: Model, law: Model, truth: ConditionalTruth, inside: Array) -> None:
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
        return at_covariates(model, rule.given)
    count = rule.nodes.grid.count
    # One response for each row of covariates, every label among them.
    some = np.unique(y) if model.support.discrete else y
    return read_rows(model, np.resize(some, count), rule.given, None, "y", "frequency").model


def conditional_values(best: Any, fit: Fit) -> Array:
    """Return H(p*, q_θ̂) for every member of a batch of conditional fits, NaN without a minimiser, (R,).

    Parameters
    ----------
    best : ConditionalFit
        The fit of the family to the known truth.
    fit : Fit
        Fits to data.
    """
    out = np.full(fit.objective.size, np.nan)
    points, y = best.sample.rule, best.sample.values
    stride = max(1, _SLAB // y.shape[1])
    for members, model in fit.groups():
        assert isinstance(model, Conditional)
        if has_kinks(model.family):
            # Every member has kinks of its own.
            columns = [np.broadcast_to(t, model.batch_shape).ravel() for t in model.theta]
            for at, own in zip(members, zip(*columns, strict=True), strict=True):
                out[at] = best.sample.truth.cross_entropy(model.member(*own))
            continue
        law = at_covariates(model, best.given)
        theta = [np.broadcast_to(t, model.batch_shape).reshape(-1, 1) for t in model.theta]
        for start in range(0, len(members), stride):
            own = tuple(t[start : start + stride] for t in theta)
            with np.errstate(all="ignore"):
                terms = -law.log_density_hook(law.statistics(y), own)
            endless = np.array([_diverges(points, row) for row in terms], dtype=bool)
            means = np.where(endless, np.inf, terms @ best.sample.weights[0])
            out[members[start : start + stride]] = means
    return out


def _diverges(points: RowNodes, terms: Array) -> bool:
    return bool(np.isnan(terms).any()) or tail_divergent(points, terms)


def redrawn(best: Any, replicates: int, n: int, rng: np.random.Generator) -> Fit:
    """Fit the family to samples of the truth to which it was fitted, covariates drawn as well."""
    y, given = best.sample.truth.sample(replicates * n, rng)
    rows = np.arange(replicates * n).reshape(replicates, n)
    family, values = placed(best.family, np.reshape(y, rows.shape), given, rows)
    return fit_sample(family, Sample(values, None, (replicates,)))


def placed(family: Conditional, y: Array, given: Any, rows: Array) -> tuple[Conditional, Array]:
    """Return a family at new covariates, and responses there as its observations.

    Parameters
    ----------
    family : Conditional
    y : array (R, n)
        Numbers or labels.
    given : object
        Covariates.
    rows : array of int (R, n)
        Row of the covariates for each response.

    Returns
    -------
    Conditional, array (R, n, width)
    """
    _, read = from_data(family.inner, np.asarray(y).ravel(), None, "y", "sampling")
    own = read.values if family.inner._width else read.values[..., None]
    values = np.concatenate([own, rows.reshape(1, -1, 1)], axis=-1)
    return at_covariates(family, given), values.reshape(*rows.shape, -1)
