"""Where a fit ends in another family, at an end of a domain, or nowhere: limits by their infimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlece.certificate import rounding
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.superfluous import Superfluous
from mlece.fits.result import Fit
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import KnownMember, Limit, LimitFamily, LimitMember, Status
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.numerics.masks import every, some
from mlece.param import facts_of
from mlece.registry import model_by_name
from mlece.sample import Sample
from mlece.solvers.solution import Solution
from mlece.solvers.starts import several_starts

Refit = Callable[[Model, Sample], Fit]
# A member of the family that comes this close to its limit, in nats, has run into it.
_SLACK = 1e-12
# Of a parameter that runs off: so much further on, what is left to gain has fallen as much.
_FURTHER = 1e3


def undercutting(
    objective: CrossEntropy,
    solution: Solution,
    stopped: Array,
    rivals: list[Limit],
    sample: Sample,
    refit: Refit,
) -> list[Limit]:
    """Return the limits of the family that lie no higher than what the solver found.

    Parameters
    ----------
    stopped : array of bool (R,)
        Members that a limit describes already.
    rivals : list of Limit
        Limits that are known already.
    sample : Sample
        The observations, as the limiting families take them.
    refit : callable
        Fits a model to a sample.
    """
    model = objective.model
    if not model.free or every(stopped):
        return []
    unsure = ~solution.solved
    for held in solution.edges.values():
        unsure = unsure | held
    unsure = unsure & ~stopped
    lost = unsure if solution.flat is None else unsure | (solution.flat & ~stopped)
    rivals = [*rivals, *model._rivals(objective, unsure, *objective.fixed_slots())]
    known = stopped
    for limit in model.limit_families:
        tried = limit.tried(model, solution.theta, lost) & ~known
        found = _by_family(objective, limit, np.flatnonzero(tried), sample, refit)
        if isinstance(limit, Superfluous):
            # Where a component gains nothing, neither does a limit of it.
            known = np.logical_or.reduce(
                [known, *(_no_higher(objective, solution, f) for f in found)]
            )
        rivals += found
    for name, near in solution.sunk.items():
        if any(name in limit.runs for limit in model.limit_families):
            continue
        rivals += _at_closed_end(objective, name, np.flatnonzero(near & ~stopped), sample, refit)
    out = _lowest(objective, solution, rivals, stopped, unsure) if rivals else []
    for met in out:
        stopped = stopped | met.mask
    return out + _without_end(objective, solution, ~stopped) if model.limit_families else out


def _lowest(
    objective: CrossEntropy,
    solution: Solution,
    rivals: list[Limit],
    stopped: Array,
    unsure: Array,
) -> list[Limit]:
    """Return for each member the lowest of its limits, where it lies no higher than the solution."""
    value, shape = _reached(objective, solution.theta, ~stopped), (objective.size,)
    table = [
        np.where(r.mask, np.broadcast_to(np.asarray(r.infimum), shape), np.inf) for r in rivals
    ]
    floors = np.where(np.isfinite(table), table, np.inf)
    best, floor = np.argmin(floors, axis=0), floors.min(axis=0)
    unsolved = ~solution.solved & ~(value < floor)
    # Within rounding a limit that a solver ran into is the truth, and its parameters are no estimate.
    slack = np.maximum(_SLACK, rounding(value))
    beaten = np.isfinite(floor) & ~stopped & (unsolved | ~(floor > value + slack))
    out = [replace(r, mask=beaten & (best == j)) for j, r in enumerate(rivals)]
    if beaten[0] and not objective.sample.batch_shape and not unsure[0]:
        left = _left_behind(objective, solution.theta, float(value[0] - floor[0]))
        out = [replace(r, sentence="; ".join(filter(None, [r.sentence, left]))) for r in out]
    # A local optimum stands, though the likelihood be higher elsewhere.
    lost = ~solution.solved & ~beaten & ~stopped
    out += [replace(r, mask=r.mask & lost) for r in rivals if r.status is Status.UNBOUNDED]
    return [limit for limit in out if limit.mask.any()]


def _no_higher(objective: CrossEntropy, solution: Solution, limit: Limit) -> Array:
    """Tell which members a limit describes no worse than the solution."""
    if not limit.mask.any():
        return limit.mask
    value = _reached(objective, solution.theta, limit.mask)
    assert limit.infimum is not None
    return limit.mask & ~(limit.infimum > value + np.maximum(_SLACK, rounding(value)))


def _reached(objective: CrossEntropy, theta: Arrays, mask: Array) -> Array:
    """Return the cross-entropy of some members, NaN for the others, (R,)."""
    members = np.flatnonzero(mask)
    out = np.full(objective.size, np.nan)
    out[members] = objective.evaluate(tuple(t[members] for t in theta), 0, members).value
    return out


def _left_behind(objective: CrossEntropy, theta: Arrays, above: float) -> str:
    """Tell of the optimum in the interior of a single fit that lies above its limit."""
    model, user = objective.model, objective.user
    # What lies no further is the way to the limit itself; a parameter that is near its end lacks the
    # reciprocal of what it had reached.
    near = any(bool(limit.approached(model, theta)[0]) for limit in model.limit_families)
    if not above >= (1e-6 if near else 1e-9):
        return ""
    values = zip(model.params, model.from_frame(theta, user.shift, user.scale), strict=True)
    where = ", ".join(f"{p.name} {v.item():.6g}" for p, v in values if p.name in model.free)
    return f"a local optimum lies {above:.2g} nats above it, at {where}"


def limit_fit(
    objective: CrossEntropy, limit: LimitFamily, members: Array, sample: Sample, refit: Refit
) -> tuple[Fit, Array] | None:
    """Fit a limiting family to the data of some members, and say which it has a law for; None if none."""
    model, single = objective.model, not sample.batch_shape
    filled = [p for p in model.params if p.estimable and p.name not in model.free]
    if not {p.name for p in filled} <= {*limit.slots, *limit.idle}:
        return None
    kept = {}
    for p in model.params:
        if p.name in limit.slots and p.name not in model.free:
            slot, value = limit.slots[p.name], objective.flat_slot(p)
            if isinstance(slot, tuple):
                slot, value = slot[0], slot[1](value)
            if limit.named:
                # A filled slot may hold what the limiting family has no member for.
                domain = model_by_name(limit.family)().parameter(slot).domain
                members = members[domain.contains(value)[members]]
            kept[slot] = value
    if members.size:
        members = members[_held(objective, limit.member(model, kept))[members]]
    if not members.size:
        return None
    filled_in = {slot: v[0] if single else v[members] for slot, v in kept.items()}
    part = sample if single else sample.take(members)
    law = limit.member(model, filled_in)
    found = _with_end(objective, law, members, part, refit) if is_incomplete(law) else None
    return found or refit(law, part), members


def _with_end(
    objective: CrossEntropy, law: Model, members: Array, sample: Sample, refit: Refit
) -> Fit | None:
    """Fit a law with its free end of the support where incomplete observations begin or end.

    None where it has no such end, or one that lies elsewhere: of all members the likelihood must rise
    towards that end. Of exact observations such an end has a closed form.
    """
    whole = CrossEntropy(law, sample)
    typical = tuple(np.asarray(p.typical[0]) for p in law.params)
    bounds = law.bounds(typical)
    theta = [
        np.broadcast_to(whole.fixed.get(p.name, p.typical[0]), members.shape) for p in law.params
    ]
    sides = []
    for j, (p, value) in enumerate(zip(law.params, typical, strict=True)):
        for side, way in ((0, 1.0), (1, -1.0)):
            if p.name in law.free and not p.regular and bounds[side] == value:
                theta[j] = objective.ends[side][members]
                sides.append((j, way))
    if not sides or not every(np.isfinite(whole.evaluate(tuple(theta), 0).value)):
        return None
    single = not sample.batch_shape
    ends = {law.params[j].name: theta[j][0] if single else theta[j] for j, _ in sides}
    fit = refit(law.replace(**ends), sample)
    solved = all(k.solved for k in np.ravel(np.asarray(fit.certificate.status, dtype=object)))
    slope = whole.evaluate(tuple(np.reshape(t, members.shape) for t in fit.theta), 1).score
    assert slope is not None
    return fit if solved and all(every(way * slope[:, j] <= 0) for j, way in sides) else None


def _by_family(
    objective: CrossEntropy, limit: LimitFamily, members: Array, sample: Sample, refit: Refit
) -> list[Limit]:
    """Return the fits of a limiting family as limits of the members that it has a law for."""
    found = limit_fit(objective, limit, members, sample, refit)
    if found is None:
        return []
    model, (other, members) = objective.model, found
    names = {p.name for p in other.family.params}
    if limit.theta is not None:
        own = dict(zip((p.name for p in other.family.params), other.theta, strict=True))
        for name in limit.known:
            own.pop(name)
        theta = limit.theta(*own.values())
    else:
        theta = tuple(
            np.full(len(members), limit.runs[p.name])
            if p.name in limit.runs
            else other.flat(limit.slots[p.name])
            if limit.slots.get(p.name) in names
            else np.broadcast_to(objective.flat_slot(p), (objective.size,))[members]
            for p in model.params
        )
    slots, one = tuple(limit.slots.get(p.name) for p in model.params), None
    if limit.theta is None and set(limit.slots.values()) | set(limit.known) == names:
        known = tuple(limit.known.items())
        one = LimitMember(limit.maker(model), slots, known)

    def made(i: int) -> Any:
        # One rule for all where the parameters tell the limiting law.
        told = one is not None and i not in other.limit_models
        return one if told else KnownMember(_member(other, i))

    out = _as_limits(objective, other, members, theta, made, str(limit))
    if isinstance(limit, Superfluous):
        out = [replace(o, mask=o.mask & ~_gains(objective, limit, o)) for o in out]
    return out


def _gains(objective: CrossEntropy, limit: Superfluous, found: Limit) -> Array:
    """Tell where a mixture gains by the component that its limit leaves out."""
    members, out = np.flatnonzero(found.mask), np.zeros(objective.size, dtype=bool)
    if members.size:
        assert found.infimum is not None
        least = found.infimum[members]
        starts = several_starts(objective, members)
        theta = tuple(t[members] for t in found.theta)
        for other in limit.beside(objective.model, theta, starts):
            value = objective.evaluate(other, 0, members).value
            out[members] |= value < least - np.maximum(_SLACK, rounding(least))
    return out


def _held(objective: CrossEntropy, law: Model) -> Array:
    """Tell which members lie in the support of a limiting law, within the ends that slots settle, (R,)."""
    held = np.ones(objective.size, dtype=bool)
    if not law._width and law.support != objective.model.support:
        for end in objective.ends:
            held &= law.support.contains(end) | np.isinf(end)
    if not law.has("_bounds") or not facts_of(law.params).constants:
        return held
    slots = (law.slots[p.name] for p in law.params)
    low, high = law.settled_bounds(tuple(None if s is None else np.asarray(s) for s in slots))
    least, most = objective.ends
    return np.asarray(held & ~((least < low) | (most > high)))


def _at_closed_end(
    objective: CrossEntropy, name: str, members: Array, sample: Sample, refit: Refit
) -> list[Limit]:
    """Return the fit at a closed end of the domain of a parameter that fell towards it."""
    model, single = objective.model, not sample.batch_shape
    if not members.size:
        return []
    end = model.parameter(name).domain.lower
    held = {p.name: objective.flat_slot(p) for p in model.params if p.name not in model.free}
    held = {k: v[0] if single else v[members] for k, v in held.items()}
    part = sample if single else sample.take(members)
    other = refit(model.replace(**{**held, name: end}), part)
    sentence = f"{name} is {end:g}, the end of its domain"
    return _as_limits(objective, other, members, other.theta, other.limit_models.get, sentence)


def _as_limits(
    objective: CrossEntropy,
    other: Fit,
    members: Array,
    theta: Arrays,
    made: Callable[[int], Any],
    sentence: str,
) -> list[Limit]:
    """Return the fit of another model as limits of some members, attained or not.

    Parameters
    ----------
    theta : tuple of arrays (r,)
        What the parameters of these members come to, in the user's units.
    made : callable
        From the place of one that was solved to what builds its limiting model, None if it is a
        member of the family.
    """

    def whole(values: Any, blank: Any) -> Array:
        values = np.asarray(values)
        out = np.full((objective.size, *values.shape[1:]), blank)
        out[members] = values
        return out

    user, count = objective.user, len(members)
    kinds = np.ravel(np.asarray(other.certificate.status, dtype=object))
    given = tuple(whole(np.broadcast_to(t, (count, *np.shape(t)[1:])), np.nan) for t in theta)
    framed = objective.model.to_frame(given, user.shift, user.scale)
    infimum = whole(other.minimum, np.nan) - objective.log_scale
    excess = whole(np.ravel(other.certificate.excess), np.nan)
    solved = whole([k.solved for k in kinds], False)
    # An end of the support that is sought without a closed form shows no infimum.
    smooth = all(p.regular or p.name not in other.family.free for p in other.family.params)
    open_ = whole([k is Status.NOT_ATTAINED and smooth for k in kinds], False)
    special = bool(other.limit_models) or kinds[0] is Status.NOT_ATTAINED
    further = other.certificate.sentence if special and not other.sample.batch_shape else ""
    said = "; ".join(filter(None, [sentence, further]))
    models = {int(m): made(i) for i, m in enumerate(members) if kinds[i].solved}
    models = {m: model for m, model in models.items() if model is not None}
    return [
        Limit(solved, Status.BOUNDARY, said, framed, infimum, models, excess=excess),
        Limit(open_, Status.NOT_ATTAINED, said, framed, infimum),
    ]


def _without_end(objective: CrossEntropy, solution: Solution, members: Array) -> list[Limit]:
    """Tell of the members that gain from a still greater parameter and meet no limit family.

    What is left to gain falls like the reciprocal of the parameter, below any tolerance of a solver.
    """
    model, out = objective.model, []
    reached: Array | None = None
    for limit in model.limit_families:
        if list(limit.runs.values()) != [np.inf]:
            continue
        (name,) = limit.runs
        mask = members & limit.approached(model, solution.theta)
        if not some(mask):
            continue
        if reached is None:
            reached = _reached(objective, solution.theta, members)
        at = [p.name for p in model.params].index(name)
        further = list(solution.theta)
        # A solver stops at the declared limit of a parameter, wherever the others would go from there.
        held = further[at] >= 0.999 * model.params[at].limits[1]
        further[at] = further[at] * _FURTHER
        value = _reached(objective, tuple(further), members)
        further[at] = np.full_like(value, np.inf)
        mask = mask & (held | (value < reached))
        infimum, sentence = np.fmin(value, reached), f"{name} grows without bound"
        out.append(Limit(mask, Status.NOT_ATTAINED, sentence, tuple(further), infimum))
    return [limit for limit in out if limit.mask.any()]


def _member(fit: Fit, index: int) -> Model:
    """Return one fitted member of a batch, of the family in which it ends."""
    values = [t[index] for t in fit.theta]
    built = fit.limit_models.get(index, fit.family.member)
    member: Model = built(*values)
    return member
