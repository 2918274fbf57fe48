"""Where a fit ends in another family, at an end of a domain, or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlece.certificate import rounding
from mlece.limits import KnownMember, LimitFamily, LimitMember, Status, limit_families
from mlece.math import Array, Arrays
from mlece.model import Model, model_by_name
from mlece.result import Fit
from mlece.sample import Sample

Refit = Callable[[Model, Sample], Fit]
# Of a parameter that runs off: so much further on, what is left to gain has fallen as much.
_FURTHER = 1e3


def at_ends(result: Fit, sunk: dict[str, Array], members: Array, refit: Refit) -> Fit:
    """Hold members that ran towards an end of their family against what is met there.

    Parameters
    ----------
    result : Fit
        What a solver found.
    sunk : dict of str to array of bool (R,)
        Members in which a parameter came near a closed end of its domain, by parameter.
    members : array of bool (R,)
        Those that no declared limit describes already.
    refit : callable
        Fits a model to a sample.
    """
    result = _at_escape(_at_limit_families(result, members, refit), members)
    result = _without_end(result, members)
    for name, mask in sunk.items():
        ended = np.isin(np.arange(len(members)), list(result.limit_models))
        result = _at_closed_end(result, name, np.flatnonzero(mask & members & ~ended), refit)
    return result


def _at_limit_families(result: Fit, members: Array, refit: Refit) -> Fit:
    """Hold members that ran towards the end of their family against the families met there.

    Members that met no optimum are tried at every limit, the others where a parameter came near it.
    """
    model = result.family
    limits = limit_families(model)
    if not (limits and members.any()):
        return result
    status = np.ravel(np.asarray(result.certificate.status, dtype=object))
    lost = np.array([s is Status.STEP_LIMIT for s in status])
    masks = [
        members & (lost | limit.approached(model, result.framed) | limit.rival) for limit in limits
    ]
    for limit, mask in zip(limits, masks, strict=True):
        filled = {p.name for p in model.params if p.estimable and p.name not in model.free}
        if mask.any() and filled <= set(limit.slots):
            result = _at_limit_family(result, limit, np.flatnonzero(mask), refit)
    return result


def limit_fit(
    result: Fit, limit: LimitFamily, members: Array, refit: Refit
) -> tuple[Fit, Array] | None:
    """Fit a limit family to the data of some members, and say which have one; None if none has."""
    model, shape = result.family, result.sample.batch_shape
    family = limit.maker(model)
    kept = {}
    for name, slot in limit.slots.items():
        if model.slots[name] is not None:
            value = result.flat(name)
            if isinstance(limit.family, str):
                # A filled slot may hold what the limiting family has no member for.
                domain = model_by_name(limit.family)().parameter(slot).domain
                members = members[domain.contains(value)[members]]
            kept[slot] = value
    if not members.size:
        return None
    kept = {slot: v[members] if shape else v[0] for slot, v in kept.items()}
    return refit(model.alike(family(**kept)), _members(result.sample, members)), members


def _at_limit_family(result: Fit, limit: LimitFamily, members: Array, refit: Refit) -> Fit:
    """Put the fit of a limiting family in the place of members that come to no lower value."""
    model, shape = result.family, result.sample.batch_shape
    found = limit_fit(result, limit, members, refit)
    if found is None:
        return result
    other, members = found
    proof = other.certificate
    solved = [s.solved for s in np.ravel(np.asarray(proof.status, dtype=object))]
    better = np.array(solved) & (other.values <= result.values[members] + rounding(other.values))
    if not better.any():
        return result

    there, members = np.flatnonzero(better), members[better]
    theta = [np.array(t) for t in result.theta]
    for own, value in zip(theta, _limiting_values(result, limit, other), strict=True):
        own[members] = np.broadcast_to(value, other.values.shape)[there]
    models = dict(zip(members.tolist(), _builders(model, limit, other, there), strict=True))
    further = "" if shape else proof.sentence
    sentence = "; ".join(filter(None, [str(limit), further]))
    near = bool(limit.approached(model, result.framed)[members].all())
    said = _said(result, members, sentence, float(other.values[there[0]]), near)
    return replace(
        _moved(result, members, other, there, said),
        theta=tuple(theta),
        limit_models={**result.limit_models, **models},
    )


def _at_closed_end(result: Fit, name: str, members: Array, refit: Refit) -> Fit:
    """Hold members whose parameter fell to a closed end of its domain against the fit at that end."""
    model, shape = result.family, result.sample.batch_shape
    if not members.size:
        return result
    value = model.parameter(name).domain.lower
    held = {p.name: result.flat(p.name)[members] for p in model.params if p.name not in model.free}
    if not shape:
        held = {k: v[0] for k, v in held.items()}
    other = refit(model.replace(**{**held, name: value}), _members(result.sample, members))
    solved = [s.solved for s in np.ravel(np.asarray(other.certificate.status, dtype=object))]
    better = np.array(solved) & (other.values <= result.values[members] + rounding(other.values))
    if not better.any():
        return result
    there, members = np.flatnonzero(better), members[better]
    theta, framed = ([np.array(t) for t in ts] for ts in (result.theta, result.framed))
    for own, new in ((theta, other.theta), (framed, other.framed)):
        for a, b in zip(own, new, strict=True):
            a[members] = b[there]
    models = {
        int(m): other.limit_models[int(i)]
        for m, i in zip(members, there, strict=True)
        if int(i) in other.limit_models
    }
    sentence = f"{name} is {value:g}, the end of its domain"
    further = "" if shape else other.certificate.sentence
    said = "; ".join(filter(None, [sentence, further]))
    return replace(
        _moved(result, members, other, there, said),
        theta=tuple(theta),
        framed=tuple(framed),
        limit_models={**result.limit_models, **models},
    )


def _without_end(result: Fit, members: Array) -> Fit:
    """Tell of the members that gain from a still greater parameter and meet no limit family.

    What is left to gain falls like the reciprocal of the parameter, below any tolerance of a solver.
    """
    model, objective = result.family, result.objective
    for limit in limit_families(model):
        if list(limit.runs.values()) != [np.inf]:
            continue
        (name,) = limit.runs
        ended = np.isin(np.arange(objective.size), list(result.limit_models))
        mask = members & ~ended & limit.approached(model, result.framed)
        if not mask.any():
            continue
        at = [p.name for p in model.params].index(name)
        further = list(result.framed)
        # A solver stops at the declared limit of a parameter, wherever the others would go from there.
        held = further[at] >= 0.999 * model.params[at].limits[1]
        further[at] = further[at] * _FURTHER
        value = objective.evaluate(tuple(further), 0).value + objective.log_scale
        chosen = np.flatnonzero(mask & (held | (value < result.values)))
        if not chosen.size:
            continue
        theta = tuple(np.array(t) for t in result.theta)
        theta[at][chosen] = np.inf
        values = result.values.copy()
        values[chosen] = np.fmin(value, values)[chosen]
        status = np.full(chosen.size, Status.NOT_ATTAINED, dtype=object)
        shape, old = result.sample.batch_shape, result.certificate
        sentence = "; ".join(filter(None, [old.sentence, f"{name} grows without bound"]))
        changed = {"status": _replaced(old.status, shape, chosen, status), "sentence": sentence}
        result = replace(result, theta=theta, values=values, certificate=replace(old, **changed))
    return result


def _moved(result: Fit, members: Array, other: Fit, there: Array, said: str) -> Fit:
    """Return a fit with the values and the proof of another in the place of some members."""
    shape, old = result.sample.batch_shape, result.certificate
    values = result.values.copy()
    values[members] = other.values[there]
    changed: dict[str, Any] = {"scope": "local", "sentence": said}
    for key, new in (
        ("status", np.full(len(other.values), Status.BOUNDARY, dtype=object)),
        ("excess", np.ravel(other.certificate.excess)),
        ("score_norm", np.ravel(other.certificate.score_norm)),
    ):
        changed[key] = _replaced(getattr(old, key), shape, members, new[there])
    return replace(result, values=values, certificate=replace(old, **changed))


def _said(result: Fit, members: Array, sentence: str, value: float, near: bool) -> str:
    """Return what a certificate says of a limit, beside what it says of other members."""
    old = result.certificate.sentence
    further = old if result.sample.batch_shape else _left_behind(result, value, near)
    return "; ".join(dict.fromkeys(filter(None, [sentence, further])))


def _at_escape(result: Fit, members: Array) -> Fit:
    """Say so where the infimum lies below what was found, at a limit that is no registered family."""
    model, shape = result.family, result.sample.batch_shape
    known = result.sample.truth is not None
    if known or not (model.has("_escape") and members.any()):
        return result
    escape = model._escape(
        result.objective, *(result.objective.fixed.get(p.name) for p in model.params)
    )
    if escape is None:
        return result
    infimum = escape.infimum + result.objective.log_scale
    lower = members & (infimum < result.values - rounding(infimum))
    if not lower.any():
        return result
    frame = result.objective.user
    theta = model.from_frame(escape.theta, frame.shift, frame.scale)
    count = len(lower)
    certificate = result.certificate
    changed: dict[str, Any] = {}
    for key, new in (
        ("status", np.full(count, Status.NOT_ATTAINED, dtype=object)),
        ("excess", rounding(infimum)),
        ("score_norm", np.zeros(count)),
    ):
        changed[key] = _replaced(getattr(certificate, key), shape, lower, new[lower])
    said = certificate.sentence if shape else _left_behind(result, float(infimum[0]))
    changed["sentence"] = "; ".join(dict.fromkeys(filter(None, [escape.sentence, said])))
    return replace(
        result,
        theta=tuple(
            np.where(lower, new, old) for new, old in zip(theta, result.theta, strict=True)
        ),
        values=np.where(lower, infimum, result.values),
        certificate=replace(certificate, **changed),
        limit_models={i: m for i, m in result.limit_models.items() if not lower[i]},
    )


def _left_behind(result: Fit, value: float, near: bool = False) -> str:
    """Tell of the optimum in the interior of a single fit that lies above its limit.

    ``near`` says that a parameter was on the way there: it lacks the reciprocal of what it had reached.
    """
    above = float(result.values[0]) - value
    # What lies no further is the way to the limit itself.
    if result.certificate.status is not Status.OPTIMAL or above < (1e-6 if near else 1e-9):
        return ""
    where = ", ".join(f"{name} {value:.6g}" for name, value in result.params.items())
    return f"a local optimum lies {above:.2g} nats above it, at {where}"


def _replaced(old: Any, shape: tuple[int, ...], members: Array, new: Array) -> Any:
    """Return an entry of a certificate with new values for some members."""
    out = np.array(np.broadcast_to(np.asarray(old), shape)).reshape(-1)
    out[members] = new
    return out.reshape(shape) if shape else out[0]


def _limiting_values(result: Fit, limit: LimitFamily, other: Fit) -> Arrays:
    """Return what every parameter comes to, from the fit of the limiting family."""
    if limit.theta is not None:
        return limit.theta(*other.theta)
    names = {p.name for p in other.family.params}
    return tuple(
        np.asarray(limit.runs[p.name])
        if p.name in limit.runs
        else other.flat(limit.slots[p.name])
        if limit.slots.get(p.name) in names
        else result.flat(p.name)[0]
        for p in result.family.params
    )


def _builders(model: Model, limit: LimitFamily, other: Fit, there: Array) -> list[Any]:
    """Return what builds the limiting members: one rule for all where the parameters tell them."""
    family = other.family
    slots = tuple(limit.slots.get(p.name) for p in model.params)
    told = limit.theta is None and set(limit.slots.values()) == {p.name for p in family.params}
    if told and not any(int(i) in other.limit_models for i in there):
        return [LimitMember(limit.maker(model), slots)] * len(there)
    return [KnownMember(_member(other, int(i))) for i in there]


def _member(fit: Fit, index: int) -> Model:
    """Return one fitted member of a batch, of the family in which it ends."""
    values = [float(t[index]) for t in fit.theta]
    if index in fit.limit_models:
        built: Model = fit.limit_models[index](*values)
        return built
    return fit.family.replace(**dict(zip((p.name for p in fit.family.params), values, strict=True)))


def _members(sample: Sample, members: Array) -> Sample:
    return sample if not sample.batch_shape else sample.take(members)
