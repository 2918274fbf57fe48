"""Where a fit ends when the interior holds no optimum: limits put in the place of estimates."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mlece.limits import Limit, Status
from mlece.math import Array, Arrays
from mlece.objective import CrossEntropy
from mlece.solvers.dispatch import Solution

_FAR = 1e8  # a framed parameter beyond has left for infinity


@dataclass(frozen=True)
class Outcome:
    """Solutions and declared limits of a whole batch in one place.

    Parameters
    ----------
    theta : tuple of arrays (R,)
        Framed parameters, limiting values where there is no interior optimum.
    status : array of Status (R,)
    special : array of bool (R,)
        Members that a limit describes.
    infimum : array (R,)
        Framed infimum of the cross-entropy of those, NaN where it is to be evaluated at theta.
    sentences : list of str
        What happened, in words.
    models : dict of int to callable
        Builders of the limiting model of members that end in another family.
    outside : array of bool (R,)
        Members whose data lie outside the support at theta.
    multipliers : dict of str to array (R,)
        Slope of the cross-entropy at an active boundary, by parameter.
    """

    theta: Arrays
    status: Array
    special: Array
    infimum: Array
    sentences: list[str]
    models: dict[int, Any]
    multipliers: dict[str, Array]
    outside: Array


@dataclass(frozen=True)
class Verdict(Outcome):
    """The outcome with every member judged.

    Parameters
    ----------
    value : array (R,)
        Framed cross-entropy, infinite where there is no minimum or no finite value.
    lost : array of bool (R,)
        Members whose free parameters have no value to report.
    """

    value: Array
    lost: Array


def judge(
    objective: CrossEntropy, solution: Solution, outcome: Outcome, value: Array, bounded: Array
) -> Verdict:
    """Give a status to the members that met neither an optimum nor a declared limit.

    Parameters
    ----------
    value : array (R,)
        Framed cross-entropy at the outcome.
    bounded : array of bool (R,)
        Whether a bound on the excess is finite.
    """
    status, special, sentences = outcome.status.copy(), outcome.special, list(outcome.sentences)
    hopeless = ~special & (np.isposinf(value) | outcome.outside)
    if hopeless.any():
        status[hopeless] = Status.INFINITE
        sentences.append("observations lie outside the support that the filled slots leave")
    unfinished = ~special & ~hopeless & ~(solution.solved & bounded)
    gone = ran_off(objective, solution, ~special & ~hopeless)
    equal = objective.summary.minimum == objective.summary.maximum
    equal &= not objective.model.support.discrete
    for name, where in gone.items():
        status[where] = Status.NOT_ATTAINED
        status[where & equal] = Status.UNBOUNDED
        sentences.append(f"{name} runs to the end of its range, where the family has no member")
        value = np.where(where & equal, -np.inf, value)
        unfinished &= ~where
        special = special | where
    collapsed = collapses(objective, unfinished)
    if collapsed.any():
        status[collapsed] = Status.UNBOUNDED
        known = _caveat(objective)
        sentences.append(
            f"no local maximum was met, and {known}"
            if known
            else "no local maximum was met, and the likelihood grows without bound at the most repeated "
            "value as the scale falls to 0"
        )
    unproved = unfinished & ~collapsed
    if unproved.any():
        status[unproved] = Status.STEP_LIMIT
        sentences.append(
            "the Hessian is singular to working precision, so that no optimum could be shown"
            if (solution.solved & unproved).any()
            else "the solver met no optimality criterion; look at the score and the data"
        )
    if _caveat(objective) and (~special & ~hopeless & ~unfinished).any():
        sentences.append(f"a local maximum: {_caveat(objective)}")
    value = np.where(hopeless, np.inf, np.where(collapsed, -np.inf, value))
    parts = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    parts.update(status=status, special=special | hopeless | collapsed, sentences=sentences)
    return Verdict(**parts, value=value, lost=hopeless | collapsed)


def reconcile(objective: CrossEntropy, solution: Solution, limits: list[Limit]) -> Outcome:
    """Put the limits that a family declares in the place of what a solver returned for them."""
    size = objective.size
    theta = [np.array(np.broadcast_to(t, (size, *t.shape[1:])), float) for t in solution.theta]
    status = np.full(size, Status.OPTIMAL, dtype=object)
    infimum, special = np.full(size, np.nan), np.zeros(size, dtype=bool)
    sentences: list[str] = []
    models: dict[int, Any] = {}
    for limit in limits:
        special |= limit.mask
        status[limit.mask] = limit.status
        sentences.append(limit.sentence)
        for own, value in zip(theta, limit.theta, strict=True):
            own[limit.mask] = np.broadcast_to(value, own.shape)[limit.mask]
        if limit.infimum is not None:
            infimum[limit.mask] = np.broadcast_to(limit.infimum, (size,))[limit.mask]
        if limit.model is not None:
            models.update(dict.fromkeys(np.flatnonzero(limit.mask).tolist(), limit.model))
    if solution.ends is not None:
        wide = np.zeros(size, dtype=bool)
        for a, b in zip(*solution.ends, strict=True):
            wide |= np.broadcast_to(a != b, (size,))
        wide &= ~special
        if wide.any():
            status[wide] = Status.NOT_UNIQUE
            sentences.append("every point between the two ends in fit.solution_set is optimal")
    if any(p.vector and p.name in objective.model.free for p in objective.model.params):
        empty = (objective.summary.mean[0] == 0).any(axis=1)
        status[empty] = Status.BOUNDARY
        if empty.any():
            sentences.append("empty cells have probability 0 and Karush–Kuhn–Tucker multiplier 1")
    outside = ~objective.holds(tuple(theta)) & ~special
    slopes = _boundary_slopes(objective, tuple(theta), special & (status == Status.BOUNDARY))
    return Outcome(tuple(theta), status, special, infimum, sentences, models, slopes, outside)


def _caveat(objective: CrossEntropy) -> str:
    """Return what the family has to say about every estimate of these free slots."""
    slots = tuple(objective.fixed.get(p.name) for p in objective.model.params)
    return str(objective.model._caveat(*slots))


def ran_off(objective: CrossEntropy, solution: Solution, members: Array) -> dict[str, Array]:
    """Return by parameter the members in which it left for an end of its domain that is not in it.

    Framed parameters of a family that declares ``runs_off`` are of order 1 where an optimum exists.
    Parameters with a limiting family of their own are left to it.
    """
    out: dict[str, Array] = {}
    model = objective.model
    if not model.runs_off:
        return out
    for p, value in zip(model.params, solution.theta, strict=True):
        if p.name not in model.free or p.vector or p.name in solution.runaway:
            continue
        low, high = p.domain.lower, p.domain.upper
        far = np.abs(value) > _FAR
        near = (value - low < 1 / _FAR) | (high - value < 1 / _FAR)
        gone = members & (far | near)
        if gone.any():
            out[p.name] = gone
    return out


def _boundary_slopes(objective: CrossEntropy, theta: Arrays, mask: Array) -> dict[str, Array]:
    """Return the one-sided slope of the cross-entropy at parameters on a closed end of their domain.

    The slope of a convex function at the end bounds it from below along the whole domain: a
    non-negative slope into the domain is the multiplier of the constraint.
    """
    out: dict[str, Array] = {}
    members = np.flatnonzero(mask)
    if not members.size:
        return out
    for j, p in enumerate(objective.model.params):
        if p.vector or p.name in objective.fixed:
            continue
        low, high = p.domain.lower, p.domain.upper
        at_low = theta[j][members] == low
        at_high = theta[j][members] == high
        at_end = (at_low | at_high) & np.isfinite(theta[j][members])
        if not at_end.any():
            continue
        # One step inside: the limit of the slope where the score at the end itself is 0/0.
        inward = np.where(at_low, 1e-12, -1e-12)
        moved = [t[members] for t in theta]
        moved[j] = moved[j] + np.where(at_end, inward, 0.0)
        at = objective.evaluate(tuple(moved), 1, members)
        assert at.score is not None
        slope = np.full(objective.size, np.nan)
        slope[members] = np.where(at_end, at.score[:, j] * np.sign(inward), np.nan)
        out[p.name] = slope
    return out


def collapses(objective: CrossEntropy, members: Array) -> Array:
    """Tell which members have a value repeated so often that the likelihood is unbounded there.

    Parameters
    ----------
    members : array of bool (R,)
        Those for which no optimum was met; the others are not looked at.
    """
    out = np.zeros(objective.size, dtype=bool)
    known = objective.sample.truth is not None
    if known or not (members.any() and objective.model.has("_collapses")):
        return out
    y, w = objective.sample.values, objective.sample.weights
    slots = tuple(objective.fixed.get(p.name) for p in objective.model.params)
    for r in np.flatnonzero(members):
        _, codes = np.unique(y[r if len(y) > 1 else 0], return_inverse=True)
        mass = np.bincount(codes, None if w is None else w[r if len(w) > 1 else 0])
        share = np.array([mass.max() / mass.sum()])
        own = tuple(None if s is None else s[[r]] for s in slots)
        out[r] = bool(np.all(objective.model._collapses(share, *own)))
    return out
