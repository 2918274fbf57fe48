"""Where a fit ends when the interior holds no optimum: limits put in the place of estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece.combinators.compose import within
from mlece.combinators.incomplete import Incomplete
from mlece.combinators.mixture_parts import SCALES
from mlece.likelihood.chart import Chart
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays
from mlece.moments import wide
from mlece.numerics.masks import every, filled
from mlece.param import facts_of
from mlece.solvers.solution import Solution

_GONE = 1e8  # a framed parameter beyond has left for infinity


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
    excess : array of float (R,)
        How far those infima may lie above the true ones.
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
    excess: Array
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
    proved = solution.solved & bounded
    settled = outcome.special | (proved & (value < np.inf) & ~outcome.outside)
    if every(settled) and not objective.model.runs_off:
        return Verdict(**vars(outcome), value=value, lost=np.zeros(objective.size, dtype=bool))
    status, special, sentences = outcome.status.copy(), outcome.special, list(outcome.sentences)
    # Only filled slots leave data outside for good; where free ones move the ends of the support, a
    # solver that met nothing has shown nothing.
    beyond = np.isposinf(value) | outcome.outside
    moves = objective.model.has("_bounds")
    astray = beyond & ~solution.solved & ~objective.excluded() & moves
    hopeless = ~special & ~astray & beyond
    if hopeless.any():
        status[hopeless] = Status.INFINITE
        left = "that the filled slots leave" if objective.fixed else "of every member"
        sentences.append(f"observations lie outside the support {left}")
    unfinished = ~special & ~hopeless & ~proved
    gone = ran_off(objective, solution, ~special & ~hopeless)
    if gone:
        equal = objective.summary.minimum == objective.summary.maximum
        equal &= not objective.model.support.discrete
        equal &= np.asarray(objective.model.density_share(objective.summary) == 1)
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
        sentences.append(
            "no local maximum was met, and " + _collapse_of(objective, solution, collapsed)
        )
    unproved = unfinished & ~collapsed
    if unproved.any():
        status[unproved] = Status.STEP_LIMIT
        sentences.append(
            "the Hessian is singular to working precision, so that no optimum could be shown"
            if (solution.solved & unproved).any()
            else "the solver met no optimality criterion; look at the score and the data"
        )
    value = np.where(hopeless, np.inf, np.where(collapsed, -np.inf, value))
    parts = {**vars(outcome)}
    parts.update(status=status, special=special | hopeless | collapsed, sentences=sentences)
    return Verdict(**parts, value=value, lost=hopeless | collapsed)


def _collapse_of(objective: CrossEntropy, solution: Solution, members: Array) -> str:
    """Tell in words where the likelihood grows without bound, for the first of some members."""
    model, mixture = objective.model, within(objective.model)
    if mixture is None:
        known = model._caveat(*objective.fixed_slots())
        return known or (
            "the likelihood grows without bound at the most repeated value as the scale falls to 0"
        )
    r = int(np.flatnonzero(members)[0])
    values, shares = objective.distinct(r)
    if _crowded(objective, r):
        return (
            f"the likelihood grows without bound as components shrink together on the {len(values)} "
            "distinct values"
        )
    exact = values[:, 0] == values[:, 1] if isinstance(model, Incomplete) else shares > 0
    at = int(np.argmax(np.where(exact, shares, 0.0)))
    frame = objective.user
    shift, scale = (a[r if len(a) > 1 else 0] for a in (frame.shift, frame.scale))
    own = values[at] * scale + shift
    own = own[1] if isinstance(model, Incomplete) else own
    place = f"{own:g}" if np.ndim(own) == 0 else f"({', '.join(f'{v:g}' for v in own)})"
    count = shares[at] * objective.total[r]
    times = "an observation" if count <= 1 else f"{count:g} of {objective.total[r]:g} observations"
    widths = mixture.widths(tuple(t[[r]] for t in solution.theta[: len(mixture.params)]))[:, 0]
    narrowest = int(np.argmin(np.where(np.isnan(widths), np.inf, widths)))
    law = mixture.components[narrowest]
    part = f"component {narrowest}, a {type(law).__name__} law,"
    # Every coordinate with a density adds its width.
    dense = sum(not f.support.discrete for f in law._factors) or np.size(own)
    fast = dense * shares[at]
    return (
        f"the likelihood grows without bound as {part} shrinks on {place} ({times}): the "
        f"cross-entropy falls by {fast:.3g} nats each time its width falls by a factor of e"
    )


# In the frame data are of order one; a parameter this far off, along which nothing bends, runs away.
_FAR, _FLAT, _NOWHERE = 1e6, 1e-6, 1e-100
_CERTAIN = 1e-15  # a mean of -log of probabilities that are 1 but for rounding


def running(
    objective: CrossEntropy, solution: Solution, outcome: Outcome, at: Evaluation
) -> Outcome:
    """Find members whose solver stopped on a plateau: a parameter runs off and nothing changes.

    A cross-entropy made of probabilities alone that has reached its bound 0 is one of them.
    """
    chart = Chart(objective)
    if not chart.free or any(p.vector for p in chart.free):
        return outcome
    share = objective.model.density_share(objective.summary)
    discrete = objective.model.support.discrete
    certain = not discrete and bool(np.any(share == 0))
    silent = _uninformative(objective, at.value, discrete | (share == 0))
    sizes = [np.abs(outcome.theta[i]) for i in chart.index]
    settled = not any(((v > _FAR) | (v < 1 / _FAR)).any() for v in sizes)
    if settled and not (certain or silent.any()):
        return outcome
    status, special, sentences = outcome.status.copy(), outcome.special.copy(), outcome.sentences[:]
    infimum = outcome.infimum.copy()

    def put(mask: Array, kind: Status, least: Array, sentence: str) -> None:
        mask = mask & ~special
        if mask.any():
            status[mask], special[mask], infimum[mask] = kind, True, least[mask]
            sentences.append(sentence)

    put(
        silent,
        Status.NOT_UNIQUE,
        at.value,
        "the observations have probability 1 under every member: they tell nothing of the parameters",
    )
    if certain:
        put(
            np.broadcast_to((share == 0) & (at.value < 1e-9), special.shape),
            Status.NOT_ATTAINED,
            at.value,
            "a law concentrated on what the intervals have in common has probability 1",
        )
    if settled or objective.model.has("_rivals"):
        # Such a family knows what is met where its parameters run off.
        return replace(
            outcome, status=status, special=special, sentences=sentences, infimum=infimum
        )
    flat, way = _flattest(chart.pull(chart.eta(outcome.theta), at)[1])
    for column, (p, value) in enumerate(zip(chart.free, sizes, strict=True)):
        large, small = value > _FAR, (value < 1 / _FAR) & (p.domain.lower == 0)
        along = flat & (np.abs(way[:, column]) > 0.1)
        if objective.model.has("_collapses"):
            # Where a point of the data may draw the law into it, the repeated values decide.
            small = collapses(objective, small & along)
        put(
            (value > 1 / _NOWHERE) & (at.value < 0),
            Status.UNBOUNDED,
            np.full_like(at.value, -np.inf),
            f"{p.name} runs to infinity and the cross-entropy falls without bound",
        )
        put(
            (large & (along | ~solution.solved)) | (small & along),
            Status.NOT_ATTAINED,
            at.value,
            f"{p.name} runs off, and the cross-entropy no longer changes with it",
        )
    return replace(outcome, status=status, special=special, sentences=sentences, infimum=infimum)


def _uninformative(objective: CrossEntropy, value: Array, bounded: Any) -> Array:
    """Tell which members have a cross-entropy of 0, its lower bound, here and at usual members too."""
    out = np.asarray(bounded & (value <= _CERTAIN))
    for side in (0, 1):
        if not out.any():
            return out
        usual = tuple(
            objective.fixed.get(p.name, np.full(objective.size, p.typical[side]))
            for p in objective.model.params
        )
        out = out & (objective.evaluate(usual, 0).value <= _CERTAIN)
    return out


def _flattest(hessian: Array) -> tuple[Array, Array]:
    """Tell which members bend least in a direction that is flat, (r,), and return it, (r, m)."""
    usable = np.asarray(np.isfinite(hessian).all(axis=(1, 2)))
    bends, ways = np.linalg.eigh(np.where(usable[:, None, None], hessian, np.eye(len(hessian[0]))))
    return usable & (np.abs(bends[:, 0]) < _FLAT), ways[:, :, 0]


def reconcile(objective: CrossEntropy, solution: Solution, limits: list[Limit]) -> Outcome:
    """Put the limits that a family declares in the place of what a solver returned for them."""
    size = objective.size
    theta = [wide(t, size) for t in solution.theta]
    if limits:
        theta = [np.array(t, float) for t in theta]
    status = np.array([Status.OPTIMAL] * size, dtype=object)
    infimum, special = filled(size, np.nan), np.zeros(size, dtype=bool)
    excess = np.zeros(size)
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
        if limit.excess is not None:
            excess[limit.mask] = np.broadcast_to(limit.excess, (size,))[limit.mask]
        members = np.flatnonzero(limit.mask).tolist()
        if isinstance(limit.model, dict):
            models.update({i: limit.model[i] for i in members if i in limit.model})
        elif limit.model is not None:
            models.update(dict.fromkeys(members, limit.model))
    if solution.ends is not None:
        apart = np.zeros(size, dtype=bool)
        for a, b in zip(*solution.ends, strict=True):
            apart |= np.broadcast_to(a != b, (size,))
        apart &= ~special
        if apart.any():
            status[apart] = Status.NOT_UNIQUE
            sentences.append("every point between the two ends in fit.solution_set is optimal")
    model = objective.model
    if facts_of(model.params).vectors and any(
        p.vector and p.name in model.free for p in model.params
    ):
        empty = (objective.summary.mean[0] == 0).any(axis=1)
        status[empty] = Status.BOUNDARY
        if empty.any():
            sentences.append("empty cells have probability 0 and Karush–Kuhn–Tucker multiplier 1")
    outside = ~(objective.holds(tuple(theta)) | special)
    slopes: dict[str, Array] = {}
    if limits:
        at_end = special & (status == Status.BOUNDARY)
        slopes = _boundary_slopes(objective, tuple(theta), at_end)
    return Outcome(
        tuple(theta), status, special, infimum, excess, sentences, models, slopes, outside
    )


def at_edges(objective: CrossEntropy, solution: Solution, stopped: Array) -> list[Limit]:
    """Return, as limits, the members whose cross-entropy still fell at the edge of the range searched.

    A limit that the family declares there is not met by those that remain.
    """
    known: set[str] = set()
    if within(objective.model) is not None and collapses(objective, ~stopped).any():
        # A scale at its least value is on the way to a density without bound.
        known = {p.name for p in objective.model.params if p.role in SCALES}
    out = []
    for name, held in solution.edges.items():
        mask = held & ~stopped
        if name in known or not mask.any():
            continue
        sentence = f"{name} ran to the edge of the range searched, where the likelihood still grows"
        out.append(Limit(mask, Status.NOT_ATTAINED, sentence, solution.theta))
    return out


def ran_off(objective: CrossEntropy, solution: Solution, members: Array) -> dict[str, Array]:
    """Return by parameter the members in which it left for an end of its domain that is not in it.

    Framed parameters of a family that declares ``runs_off`` are of order 1 where an optimum exists.
    Parameters with a limiting family of their own are left to it.
    """
    out: dict[str, Array] = {}
    model = objective.model
    if not model.runs_off:
        return out
    known = {name for limit in model.limit_families for name in limit.runs}
    for p, value in zip(model.params, solution.theta, strict=True):
        if p.name not in model.free or p.vector or p.name in known:
            continue
        low, high = p.domain.lower, p.domain.upper
        far = np.abs(value) > _GONE
        near = (value - low < 1 / _GONE) | (high - value < 1 / _GONE)
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
    # Where another parameter has run off there is no slope to tell.
    members = np.flatnonzero(
        mask & np.all([np.isfinite(wide(t, len(mask))) for t in theta], axis=0)
    )
    if not members.size:
        return out
    for j, p in enumerate(objective.model.params):
        if p.vector or p.domain.periodic or p.name in objective.fixed:
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


def _crowded(objective: CrossEntropy, r: int) -> bool:
    """Tell whether a mixture has a component for each distinct value of one member."""
    mixture = within(objective.model)
    if mixture is None or isinstance(objective.model, Incomplete):
        return False
    slots = objective.fixed_slots()[: len(mixture.params)]
    return bool(mixture.crowded(len(objective.distinct(r)[0]), slots))


def collapses(objective: CrossEntropy, members: Array) -> Array:
    """Tell which members have a value repeated so often that the likelihood is unbounded there.

    Parameters
    ----------
    members : array of bool (R,)
        Those for which no optimum was met; the others are not looked at.
    """
    out = np.zeros(objective.size, dtype=bool)
    known = objective.sample.truth is not None
    dense = objective.model.density_share(objective.summary)
    members = members & (np.broadcast_to(dense, members.shape) > 0)
    if known or not (members.any() and objective.model.has("_collapses")):
        return out
    slots = tuple(objective.fixed.get(p.name) for p in objective.model.params)
    for r in np.flatnonzero(members).tolist():
        share = np.array([objective.distinct(r)[1].max()])
        own = tuple(None if s is None else s[[r]] for s in slots)
        out[r] = bool(np.all(objective.model._collapses(share, *own))) or _crowded(objective, r)
    return out
