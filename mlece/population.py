"""Fits to a known distribution: its quadrature nodes as a weighted sample, refined until nothing moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlece import errors
from mlece.fitting import fit_sample
from mlece.limits import Status
from mlece.math import Array
from mlece.model import Model
from mlece.result import Fit
from mlece.sample import Sample
from mlece.sources.distribution import framed_member, nodes
from mlece.sources.expectation import tail_divergent
from mlece.sources.nodes import Nodes

_DOUBLINGS = 5
_SETTLED = 1e-12


def fit_population(model: Model, truth: Model, solver: str) -> Fit:
    """Fit a model to a known distribution: the projection of the truth onto the family.

    The nodes stay in the truth's own frame, are cut at the kinks of the fitted member, and are doubled
    until the cross-entropy moves by less than 1e-12 relative to the larger of 1 and its size.

    Raises
    ------
    ComparisonError
        If model and truth have different dominating measures.
    SupportError
        If all of the truth lies outside the support of the model.
    NoDensityError
        If the cross-entropy does not settle.
    """
    truth.theta  # noqa: B018  (raises if a slot is free)
    if not truth.support.discrete == model.support.discrete or (
        not truth.support.discrete and truth.measure != model.measure
    ):
        raise errors.ComparisonError(
            errors.message(
                "a model and a truth under one dominating measure",
                f"{type(model).__name__} ({model.support}, {model.measure}) and "
                f"{type(truth).__name__} ({truth.support}, {truth.measure})",
            )
        )
    outer = _outer_frame(model, truth)
    member = truth if outer == (0.0, 1.0) else framed_member(truth, *outer)
    kinks: tuple[float, ...] = ()
    previous, moved = np.nan, np.nan
    level: int | None = None
    for _ in range(_DOUBLINGS):
        rule = nodes(member, level, kinks)
        result = _fit_nodes(model, truth, member, rule, outer, solver)
        value = float(result.values[0])
        if not np.isfinite(value) or truth.support.discrete:
            return result
        found = _kinks(result, outer)
        if not kinks and found:
            kinks, level, previous = found, None, np.nan
            continue
        moved = abs(value - previous)
        if moved <= _SETTLED * max(1.0, abs(value)):
            return result
        previous, level = value, rule.level + 1
    raise errors.NoDensityError(
        errors.message(
            "a cross-entropy that quadrature resolves to 1e-12",
            f"a movement of {moved:.1e} at the last doubling",
            "The truth or the model may have kinks that it does not declare (_breakpoints)",
        )
    )


def _outer_frame(model: Model, truth: Model) -> tuple[float, float]:
    """Return the shift and scale of the truth's own frame, as far as the model can follow."""
    roles = model.roles()
    if truth.support.discrete or not truth.roles() or not roles:
        return 0.0, 1.0
    shift, scale = (float(v) for v in truth.own_frame(truth.theta))
    if shift != 0.0 and "location" not in roles:
        return 0.0, 1.0
    return shift, scale


def _kinks(result: Fit, outer: tuple[float, float]) -> tuple[float, ...]:
    """Return the kinks of the fitted member in the frame of the nodes."""
    points = result.family._breakpoints(*[t[0] for t in result.theta])
    framed = (np.ravel(np.asarray(points, dtype=float)) - outer[0]) / outer[1]
    return tuple(float(v) for v in framed if np.isfinite(v))


def _fit_nodes(
    model: Model,
    truth: Model,
    member: Model,
    rule: Nodes,
    outer: tuple[float, float],
    solver: str,
) -> Fit:
    """Fit to one rule; report an infinite cross-entropy as such."""
    inside = _inside(model, rule.values, outer)
    if not np.any(inside):
        raise errors.SupportError(
            errors.message(
                f"a truth that meets the support of {type(model).__name__}, {model.support}",
                f"{truth!r}, all of whose mass lies outside",
            )
        )
    admitted, values = model.admit(truth.decode(rule.values[inside]), "nodes")
    extent = None
    if _moves_ends(model):
        low, high = member.bounds(member.theta)
        extent = (float(low), float(high))
    sample = Sample(
        values[None, :], rule.weights[None, inside], (), "y", truth, rule, outer, extent
    )
    result = fit_sample(admitted, sample, solver)
    if not np.all(inside):
        lost = float(rule.weights[~inside].sum())
        return _infinite(result, f"the truth has mass {lost:.3g} outside {model.support}")
    if extent is not None and not _ends_fit(model, extent):
        return _infinite(result, "the truth reaches beyond every support that the family offers")
    terms = _terms(result, truth)
    if np.isnan(terms).any() or tail_divergent(rule, terms):
        # NaN: a moment of the truth beyond the largest number, which only a divergent one reaches.
        return _infinite(result, "the truth's tails are too heavy for the family")
    return result


def _inside(model: Model, values: Array, outer: tuple[float, float]) -> Array:
    """Tell which framed nodes lie in the support, the ends that known constants set included."""
    inside = model.support.contains(values)
    if all(p.estimable for p in model.params):
        return inside
    theta = tuple(
        np.asarray(1.0) if (slot := model.slots[p.name]) is None else slot for p in model.params
    )
    low, high = model.bounds(model.to_frame(theta, *outer))
    return np.asarray(inside & (values >= low) & (values <= high))


def _moves_ends(model: Model) -> bool:
    """Tell whether an end of the support is among what is estimated."""
    return any(not p.regular and p.name in model.free for p in model.params)


def _ends_fit(model: Model, extent: tuple[float, float]) -> bool:
    """Tell whether ends of the support that are estimated can reach those of the truth."""
    typical = tuple(np.asarray(p.typical[j % 2]) for j, p in enumerate(model.params))
    moving = (np.isfinite(end) for end in model.bounds(typical))
    return all(
        bool(model.support.contains(np.asarray(end)))
        for end, moves in zip(extent, moving, strict=True)
        if moves
    )


def _terms(result: Fit, truth: Model) -> Array:
    """Return −log q at each node, by the limiting family where the fit ends in one."""
    if not result.limit_models:
        return result.node_values()
    shift, scale = result.sample.outer
    return -result.model.log_density(truth.decode(shift + scale * result.sample.values[0]))


def _infinite(result: Fit, sentence: str) -> Fit:
    """Report an infinite cross-entropy: no parameters, no bound."""
    fixed = result.objective.fixed
    theta = tuple(
        t if p.name in fixed else np.full_like(t, np.nan)
        for p, t in zip(result.family.params, result.theta, strict=True)
    )
    certificate = replace(
        result.certificate,
        status=Status.INFINITE,
        excess=np.inf,
        score_norm=np.nan,
        sentence=sentence,
        entropy_residual=None,
    )
    return replace(
        result,
        theta=theta,
        values=np.array([np.inf]),
        certificate=certificate,
        limit_models={},
    )
