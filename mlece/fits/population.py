"""Fits to a known distribution: its quadrature nodes as a weighted sample, refined until nothing moves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import optimize

from mlece import errors
from mlece.families.labels import Labelled
from mlece.fits.faces import as_member, infinite, on_face
from mlece.fits.fitting import fit_sample
from mlece.fits.proof import given
from mlece.fits.result import Fit
from mlece.likelihood.evaluation import stacked_scores
from mlece.limits import Status
from mlece.math import Array
from mlece.model import Model
from mlece.param import facts_of
from mlece.sample import Sample, from_data
from mlece.sources.distribution import framed_member, nodes
from mlece.sources.drawn import DrawnTruth
from mlece.sources.expectation import expectation, tail_divergent
from mlece.sources.nodes import Nodes

_DOUBLINGS = 5
_SETTLED = 1e-12
# A slope of the profile in a location, per unit of the truth, that is 0 but for rounding; how far the first
# step goes, the last one, and what its bend is measured over.
_LEVEL, _STRIDE, _FURTHEST, _BESIDE = 1e-13, 0.05, 1e3, 1e-3
_USABLE = 1e-8  # what a law with much of its mass beside an end, where floats end, still allows


def fit_population(model: Model, truth: Model, solver: str) -> Fit:
    """Fit a model to a known distribution: the projection of the truth onto the family.

    The nodes stay in the truth's own frame, are cut at the kinks of the fitted member, and are doubled
    until the cross-entropy moves by less than 1e-12 relative to the larger of 1 and its size (a last
    movement of up to 1e-8 goes into the bound on the excess). Where the cross-entropy is infinite
    beside a face of the family and finite on it, the fit on that face is reported.

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
    if truth.batch_shape:
        raise errors.DataTypeError(
            errors.message(
                "one known distribution",
                f"a batch {truth.batch_shape} of {type(truth).__name__}",
                "Fit to one after the other",
            )
        )
    for law in (model, truth):
        if law._width:
            raise errors.ComparisonError(
                errors.message(
                    "a model and a truth of numbers",
                    f"{type(law).__name__}, a law of {law._observations}",
                    "Draw a sample of the truth and fit to that",
                )
            )
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
    return on_face(model, truth, lambda part: _projected(part, truth, solver))


def _projected(model: Model, truth: Model, solver: str) -> Fit:
    """Fit to the nodes, and along the profile of a location with a kink where they showed no optimum."""
    whole = _settled(model, truth, solver)
    if whole.certificate.status is not Status.STEP_LIMIT:
        return whole
    name = _kinked_location(model)
    found = None
    if name:
        with suppress(errors.NoDensityError):
            found = _along_kink(model, truth, name, solver)
    # Elsewhere there is no kink at the location, or the nodes lie lower.
    if found is None or not found.values[0] <= whole.values[0] + _USABLE:
        return whole
    return found


def _kinked_location(model: Model) -> str:
    """Return the free location at which the density may not be smooth, nothing if there is none."""
    at = [j for j, p in enumerate(model.params) if p.role == "location" and p.name in model.free]
    probes = tuple(np.asarray(p.typical[0]) for p in model.params)
    points = np.ravel(np.asarray(model._breakpoints(*probes), dtype=float))
    return next((model.params[j].name for j in at if np.any(points == probes[j])), "")


def _along_kink(model: Model, truth: Model, name: str, solver: str) -> Fit | None:
    """Find the location at which the slope of the profile cross-entropy changes sign.

    Nodes do not see what a kink adds to the curvature. With the location known it is one of their ends, so
    that every fit on the profile is exact, and by the envelope theorem so is its slope.
    """
    start = float(truth.quantile(0.5))
    fits: dict[float, Fit] = {}

    def slope(at: float) -> float:
        fits[at] = _settled(model.replace(**{name: at}), truth, solver)
        return _mean_score(fits[at], name)

    here, unit = slope(start), float(truth.own_frame(truth.theta)[1])
    loc = start
    if abs(here) * unit > _LEVEL:
        step = unit * np.sign(here) * _STRIDE
        far = start + step
        while slope(far) * here > 0:
            step *= 2
            far += step
            if abs(step) > unit * _FURTHEST:
                return None
        loc = float(optimize.brentq(slope, start, far, xtol=1e-12 * unit))
    rest, beside = slope(loc), unit * _BESIDE
    bend = (slope(loc - beside) - slope(loc + beside)) / (2 * beside)
    if not (fits[loc].certificate.status.solved and bend > 0):
        return None
    excess = fits[loc].certificate.excess + 0.5 * rest * rest / bend
    said = f"{name} along its profile, as a kink of the density lies there: the slope changes sign"
    return as_member(model, fits[loc], Status.OPTIMAL, said, excess)


def _mean_score(fit: Fit, name: str) -> float:
    """Return E[∂ log q/∂θ] of one parameter under the truth, known or not."""
    y = fit.objective.frame.apply(fit.sample.values, slice(None))
    place = [p.name for p in fit.family.params].index(name)
    with np.errstate(all="ignore"):
        raw = fit.family.score_hook(fit.family.statistics(y), tuple(t[:, None] for t in fit.framed))
    factor = np.ravel(fit.family.frame_factors(fit.objective.user.scale)[place])[0]
    return float(expectation(fit.sample.rule, np.asarray(raw[place])[0])) / float(factor)


def _settled(model: Model, truth: Model, solver: str) -> Fit:
    """Fit to ever finer rules until the cross-entropy moves no more."""
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
    if moved <= _USABLE * max(1.0, abs(value)):
        return _unsettled(result, moved)
    raise errors.NoDensityError(
        errors.message(
            "a cross-entropy that quadrature resolves to 1e-12",
            f"a movement of {moved:.1e} at the last doubling",
            "The truth or the model may have kinks that it does not declare (_breakpoints)",
        )
    )


def fit_draws(model: Model, truth: DrawnTruth, solver: str) -> Fit:
    """Fit a model to the draws of a truth that is no model.

    Raises
    ------
    ComparisonError
        If model and truth have different dominating measures.
    SupportError
        If the truth lies partly outside the support of the model.
    """
    kind = "counting" if truth.support.discrete else "Lebesgue"
    if model.measure != kind or model._width:
        raise errors.ComparisonError(
            errors.message(
                f"a model of numbers under the measure of {truth.name}, {kind}",
                f"{type(model).__name__}, {model.measure}",
            )
        )
    family, sample = from_data(model, truth.draws, name=repr(truth))
    return fit_sample(family, replace(sample, drawn=truth), solver)


def _unsettled(result: Fit, moved: float) -> Fit:
    """Add the last movement of the quadrature to the bound on the excess."""
    said = f"the quadrature of the truth settles to {moved:.1e} nats only"
    certificate = result.certificate
    sentence = "; ".join(filter(None, [certificate.sentence, said]))
    excess = certificate.excess + moved
    told = replace(certificate, excess=excess, sentence=sentence)
    return replace(result, proof=given(result.values, told))


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
    inside = _inside(model, truth, rule.values, outer)
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
        return infinite(result, f"the truth has mass {lost:.3g} outside {_reach(model)}")
    if extent is not None and not _ends_fit(model, extent):
        return infinite(result, "the truth reaches beyond every support that the family offers")
    terms = _terms(result, truth)
    if np.isnan(terms).any() or tail_divergent(rule, terms) or _typically_diverges(result, rule):
        # NaN: a moment of the truth beyond the largest number, which only a divergent one reaches.
        return infinite(result, "the truth's tails are too heavy for the family")
    return result


def _inside(model: Model, truth: Model, values: Array, outer: tuple[float, float]) -> Array:
    """Tell which framed nodes lie in the support, the ends that known constants set included."""
    if isinstance(model, Labelled) and model.labels is not None:
        return np.asarray(model.encode(truth.decode(values)) >= 0)
    inside = model.support.contains(values)
    if not facts_of(model.params).constants:
        return inside
    slots: Any = tuple(model.slots[p.name] for p in model.params)
    low, high = model.settled_bounds(model.to_frame(slots, *outer))
    return np.asarray(inside & (values >= low) & (values <= high))


def _reach(model: Model) -> str:
    """Describe the support, with the ends that known constants set."""
    if isinstance(model, Labelled) and model.labels is not None:
        return "the labels " + ", ".join(map(repr, model.labels))
    if not facts_of(model.params).constants:
        return str(model.support)
    low, high = model.settled_bounds(tuple(model.slots[p.name] for p in model.params))
    return f"the support of {model!r}, {low:g} to {high:g}"


def _moves_ends(model: Model) -> bool:
    """Tell whether an end of the support is among what is estimated."""
    return any(not p.regular and p.name in model.free for p in model.params)


def _ends_fit(model: Model, extent: tuple[float, float]) -> bool:
    """Tell whether ends of the support that are estimated can reach those of the truth."""
    typical = tuple(np.asarray(p.typical[j % 2]) for j, p in enumerate(model.params))
    fixed = (model.support.lower, model.support.upper)
    moving = (
        np.isfinite(end) and end != own
        for end, own in zip(model.bounds(typical), fixed, strict=True)
    )
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


def _typically_diverges(result: Fit, rule: Nodes) -> bool:
    """Tell whether an exponential family has an infinite cross-entropy, at a member of usual size.

    Its statistics have finite means or not, whatever the parameters; a fit to nodes that end at 1e300 may
    itself have grown so large that its terms do not show it.
    """
    model = result.family
    if not model.affine or not model.free or result.limit_models:
        return False
    objective = result.objective
    theta = tuple(
        objective.fixed[p.name] if p.name in objective.fixed else np.array([p.typical[0]])
        for p in model.params
        if not p.vector
    )
    if len(theta) < len(model.params) or not objective.holds(theta).all():
        return False
    terms = replace(result, framed=theta).node_values()
    return bool(np.isfinite(terms).all() and tail_divergent(rule, terms))


def whole_moments(fit: Fit, b: Array) -> Array:
    """Take the entries of B from the nodes with their tails: infinite where a moment diverges."""
    y = fit.objective.frame.apply(fit.sample.values, slice(None))
    columns = tuple(p[:, None] for p in fit.framed)
    with np.errstate(all="ignore"):
        raw = fit.family.score_hook(fit.family.statistics(y), columns)
    s = stacked_scores(raw, y.shape[1])[0]
    rule = fit.sample.rule
    out = b.copy()
    with np.errstate(over="ignore"):
        products = s[:, :, None] * s[:, None, :]
    for i in range(s.shape[1]):
        for j in range(i + 1):
            g = products[:, i, j]
            moment = np.inf if tail_divergent(rule, g) else float(expectation(rule, g))
            out[:, i, j] = out[:, j, i] = moment
    return out
