"""Which solver runs, and what it hands to the certificate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.compose import within
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.kinks import kinks_among
from mlece.likelihood.chart import Chart
from mlece.likelihood.objective import CrossEntropy
from mlece.likelihood.straight import Straight, straightened
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.numerics.masks import filled
from mlece.param import facts_of
from mlece.sample import Sample
from mlece.solvers.censored_kinks import between_kinks
from mlece.solvers.gaussian_linear import by_least_squares, is_linear
from mlece.solvers.kinked import by_linear_programmes, has_kinked_predictor
from mlece.solvers.newton import DECREMENT, newton
from mlece.solvers.profile import Equation, near_root, profile_root
from mlece.solvers.regression import compact, descend, is_long, part_of
from mlece.solvers.runs import best_run, undecided, with_rest
from mlece.solvers.scipy_optimize import minimise, simplex_slsqp
from mlece.solvers.solution import Solution
from mlece.solvers.starts import below_all, corrected, several_starts, starting_values
from mlece.solvers.widths import bounded_scales, narrowness

SOLVERS = ("auto", "closed", "newton", "profile", "scipy", "trust-exact", "L-BFGS-B", "SLSQP")
_SCIPY = ("scipy", "trust-exact", "L-BFGS-B", "SLSQP")
# Long samples are solved on a part of the observations first: a few full passes are left to do.
_THIN_ABOVE = 20_000
# How many starts of a mixture are followed to the end, more only until a maximum is met.
_FOLLOWED = 2
# After so many steps a start gives up if it is still above the maximum that another one met.
_PATIENCE = 100
# The step that follows leaves about the square of it, in units in which a standard error is n^-1/2.
_LONG_DECREMENT = 1e-5
# Competing modes are a matter of short samples: there Newton's method runs from every proposed start.
_SEVERAL_BELOW = 2_000
# Below this a parameter is held against the fit at the end of its domain, which then decides.
_NEAR_END = 1e-4


def solve(objective: CrossEntropy, solver: str, members: Array) -> Solution:
    """Run a solver on the members that have an interior optimum.

    Raises
    ------
    NoDensityError
        If the named solver does not apply to the model, or asks for derivatives that it has not.
    """
    model = objective.model
    slots = objective.fixed_slots()
    everyone = filled(objective.size, True, bool)
    if not model.free:
        return Solution(tuple(s for s in slots if s is not None), "nothing to estimate", everyone)
    if not members.size:
        return Solution(_unsolved(objective), "none", everyone)
    if solver == "newton" or solver in _SCIPY:
        _require_smooth(objective, solver)
    if solver in _SCIPY:
        return _by_scipy(objective, solver)
    if solver == "auto" and model._factors:
        return _by_factors(objective)
    if solver in ("auto", "closed") and has_kinked_predictor(model):
        return by_linear_programmes(objective, lambda part: solve(part, "auto", np.arange(1)))
    if solver == "auto" and is_incomplete(model) and kinks_among(objective):
        return between_kinks(objective, lambda part: solve(part, "auto", np.arange(part.size)))
    # Digits are for data: the weights of a rule span the floats, and may be negative beside an end.
    if solver in ("auto", "closed") and is_linear(model) and objective.sample.rule is None:
        out = by_least_squares(objective)
        if out is not None:
            return out
    if solver in ("auto", "closed"):
        theta, ends, shared = None, None, None
        if model.has("_estimate"):
            theta, ends, shared = model._estimate(objective, *slots)
            theta = None if theta is None else tuple([np.asarray(t) for t in theta])
        elif model.has("_maximise"):
            theta = closed_form(objective, members)
        if theta is not None:
            return Solution(theta, "closed form", everyone, ends=ends, shared=shared)
        if solver == "closed":
            raise _not_offered("a closed form", objective)
    if solver in ("auto", "profile"):
        if model.profile_over and not objective.fixed:
            return _by_profile(objective, members)
        if solver == "profile":
            raise _not_offered("a profile equation", objective)
    if facts_of(model.params).vectors:
        return _on_face(objective, members)
    return _by_newton(objective, members)


def blocks_of(objective: CrossEntropy) -> list[tuple[Model, Sample]]:
    """Return the model of each factor of a product and its own component of the observations."""
    model, sample = objective.model, objective.sample
    out = []
    for j, factor in enumerate(model._factors):
        held = {p.name: model.slots[f"{p.name}[{j}]"] for p in factor.params}
        part = replace(sample, values=sample.values[..., j])
        out.append((factor.replace(**held), part))
    return out


def joined(
    objective: CrossEntropy, thetas: list[Arrays], solved: Array, names: list[str]
) -> Solution:
    """Return the parameters of all factors, each in the user's units, as one framed solution."""
    whole = tuple(t for theta in thetas for t in theta)
    framed = objective.model.to_frame(whole, objective.user.shift, objective.user.scale)
    return Solution(framed, ", ".join(dict.fromkeys(names)), solved)


def _by_factors(objective: CrossEntropy) -> Solution:
    """Solve each factor of a product on its own component of the observations."""
    everyone = np.arange(objective.size)
    inner = [CrossEntropy(part, sample) for part, sample in blocks_of(objective)]
    found = [solve(part, "auto", everyone) for part in inner]
    pairs = list(zip(inner, found, strict=True))
    thetas = [i.model.from_frame(f.theta, i.user.shift, i.user.scale) for i, f in pairs]
    solved = np.logical_and.reduce([f.solved for f in found])
    return joined(objective, thetas, solved, [f.solver for f in found])


def _require_smooth(objective: CrossEntropy, solver: str) -> None:
    """Refuse derivatives where the likelihood jumps or has a kink in a free parameter."""
    model = objective.model
    ends = [p.name for p in model.params if not p.regular and p.name in model.free]
    kinks = kinks_among(objective)
    if not (ends or kinks):
        return
    why = (
        f"{', '.join(ends)} an end of the support"
        if ends
        else f"a kink of the likelihood in {kinks[0]}"
    )
    exact = model.has("_estimate") or model.has("_maximise")
    serves = "closed" if exact and not isinstance(model, Conditional) else "auto"
    raise errors.NoDensityError(
        errors.message(
            f"a likelihood that is smooth in every free slot for solver={solver!r}",
            f"{model!r} with {why}",
            f"Use solver={serves!r}, or fill that slot",
        )
    )


def closed_form(objective: CrossEntropy, members: Array) -> Arrays | None:
    """Return the maximiser of some members from their mean statistics, where the family has one."""
    model = objective.model
    every = members.size == objective.size
    slots = objective.fixed_slots()
    summary = objective.summary if every else objective.summary.take(members)
    if not every:
        slots = tuple([None if s is None else s[members] for s in slots])
    theta = model._maximise(summary, *slots)
    if theta is None:
        return None
    return _scatter(objective, members, tuple([np.asarray(t) for t in theta]))


def _not_offered(what: str, objective: CrossEntropy) -> errors.NoDensityError:
    return errors.NoDensityError(
        errors.message(f"{what} for {objective.model!r}", "none", "Use solver='auto'")
    )


def _unsolved(objective: CrossEntropy) -> Arrays:
    """Return the fixed slots, and NaN in the free ones."""
    out = []
    for p in objective.model.params:
        shape: tuple[int, ...] = (objective.size,)
        if p.vector:
            shape = (*shape, objective.summary.mean[0].shape[-1])
        out.append(np.array(objective.fixed.get(p.name, np.full(shape, np.nan))))
    return tuple(out)


def _scatter(objective: CrossEntropy, members: Array, theta: Arrays) -> Arrays:
    """Put the parameters of some members into arrays for the whole batch."""
    if members.size == objective.size:
        return theta
    out = _unsolved(objective)
    for whole, part in zip(out, theta, strict=True):
        whole[members] = part
    return out


def _whole(objective: CrossEntropy, members: Array, values: Array) -> Array:
    if members.size == objective.size:
        return values
    out = np.zeros(objective.size, dtype=values.dtype)
    out[members] = values
    return out


def _thin(objective: CrossEntropy, one_in: int) -> CrossEntropy | None:
    """Return the objective on one in so many observations, where the full sample is long."""
    rows = objective.sample.rows
    long = rows > _THIN_ABOVE and objective.size == 1 and not objective.model.affine
    size = part_of(objective.model, rows, one_in) if long else rows
    return compact(objective.thinned(size)) if size < rows else None


def _by_newton(objective: CrossEntropy, members: Array, enough: float | None = None) -> Solution:
    """Run Newton's method from a solution of a part of a long sample, or from what the family proposes.

    Parameters
    ----------
    enough : float, optional
        Decrement that is small enough, where the solution is but a start.
    """
    straight = straightened(objective)
    if straight is not None:
        return _bent_back(straight, members, _by_newton(straight.objective, members, enough))
    chart = Chart(objective)
    tolerance = DECREMENT if enough is None else enough
    thinned = _thin(objective, 8)
    if any(p.vector for p in chart.free):
        starts = [np.zeros((members.size, objective.summary.mean[0].shape[-1] - 1))]
    elif thinned is not None:
        # Nearer than a tenth of its own standard error, the solution of a part is no better start.
        part = _by_newton(thinned, members, 0.1 / float(np.sqrt(thinned.sample.rows)))
        near = _near(objective, chart, part)
        if near is not None and is_long(objective.model):
            # No last step squares what is left: it is brought below a part of a standard error.
            least = DECREMENT / float(np.sqrt(objective.sample.rows)) if enough is None else enough
            found = descend(objective, thinned, chart, near, least)
            if found is not None:
                return found
        if near is None:
            starts = [chart.eta(starting_values(objective, members))]
        elif objective.model.has("_pole"):
            # The pass at this point serves its neighbourhood, in which the optimum lies.
            starts = [near]
        else:
            starts = [corrected(objective, thinned, chart, near)]
        tolerance = max(tolerance, _LONG_DECREMENT)
    elif within(objective.model) is not None:
        return _by_em(objective, members, chart)
    elif objective.sample.rows <= _SEVERAL_BELOW:
        starts = [chart.eta(theta) for theta in several_starts(objective, members)]
    else:
        starts = [chart.eta(starting_values(objective, members))]
    found = _newton_from(objective, members, chart, starts, tolerance)
    # A saddle may have stopped a single start: those of other signs and sizes settle it.
    if found.flat is None or any(p.vector for p in chart.free):
        return found
    doubtful = np.flatnonzero(found.flat)
    if not doubtful.size:
        return found
    starts = [chart.eta(theta) for theta in several_starts(objective, doubtful)]
    if len(starts) == 1:
        return found
    return _lower(
        objective, found, _newton_from(objective, doubtful, chart, starts, tolerance), doubtful
    )


def _bent_back(straight: Straight, members: Array, found: Solution) -> Solution:
    """Return a solution in a family's own parameters of one in those in which it was found."""
    theta = straight.back(found.theta)
    pairs = zip(straight.objective.model.params, straight.bent.model.params, strict=True)
    names = {other.name: own.name for other, own in pairs}
    edges = {names[name]: held for name, held in found.edges.items()}
    sunk = _sunk(straight.bent, members, tuple(t[members] for t in theta))
    return replace(found, theta=theta, edges=edges, sunk=sunk)


def _lower(objective: CrossEntropy, one: Solution, other: Solution, members: Array) -> Solution:
    """Return the first solution, with some members from the other where they come lower there."""
    values = [objective.evaluate(s.theta, 0).value for s in (one, other)]
    values = [np.where(np.isnan(v), np.inf, v) for v in values]
    better = np.isin(np.arange(objective.size), members) & (other.solved >= one.solved)
    better &= (values[1] < values[0]) | (other.solved > one.solved)

    return replace(
        one,
        theta=tuple(np.where(better, b, a) for a, b in zip(one.theta, other.theta, strict=True)),
        solved=np.where(better, other.solved, one.solved),
        edges=_chosen(better, one.edges, other.edges),
        sunk=_chosen(better, one.sunk, other.sunk),
    )


def _chosen(better: Array, a: dict[str, Array], b: dict[str, Array]) -> dict[str, Array]:
    """Return what is known of the first of two solutions, of the second where it is the better."""
    none = np.zeros(len(better), dtype=bool)
    names = dict.fromkeys([*a, *b])
    return {n: np.where(better, b.get(n, none), a.get(n, none)) for n in names}


def _newton_from(
    objective: CrossEntropy, members: Array, chart: Chart, starts: list[Array], tolerance: float
) -> Solution:
    """Run Newton's method from given coordinates (r, m), all starts in one batch."""
    everyone = np.tile(members, len(starts))

    def evaluate(eta: Array, index: Array) -> tuple[Array, Array, Array]:
        which = everyone[index]
        at = objective.evaluate(chart.theta(eta, which), 2, which)
        return (at.value, *chart.pull(eta, at))

    mixture = within(objective.model)
    box = chart.box() if mixture is None else bounded_scales(chart)
    patience = (_PATIENCE,) if len(starts) > 1 else ()
    out = newton(evaluate, np.concatenate(starts), *box, tolerance, *patience)
    going = undecided(out, len(starts)) if patience else members[:0]
    if going.size:
        rest = newton(
            lambda eta, index: evaluate(eta, going[index]), out.eta[going], *box, tolerance
        )
        out = with_rest(out, rest, going)
    best = best_run(out, len(starts))
    theta = chart.theta(out.eta[best], members)
    if mixture is not None and mixture.exchangeable(objective.fixed):
        count = len(mixture.params)
        theta = (*mixture.ordered(theta[:count]), *theta[count:])
    return Solution(
        _scatter(objective, members, theta),
        "newton",
        _whole(objective, members, out.converged[best]),
        edges={
            p.name: _whole(objective, members, out.blocked[best, column])
            for column, p in enumerate(chart.free)
            if not p.vector and out.blocked[best, column].any()
        },
        sunk=_sunk(objective, members, theta),
        flat=_whole(objective, members, out.flat(best))
        if objective.sample.rows > _SEVERAL_BELOW
        else None,
    )


def _by_em(objective: CrossEntropy, members: Array, chart: Chart) -> Solution:
    """Run the EM algorithm from several starts, then Newton's method from the best of them."""
    best: Solution | None = None
    mixture: Any = within(objective.model)
    starts = several_starts(objective, members)
    count = len(mixture.params)
    # From a component that sits on a few observations there is no way back.
    starts = [t for t in starts if not mixture.narrow(t[:count]).all()] or starts[:1]
    for place, theta in enumerate(starts):
        if place >= _FOLLOWED and best is not None and best.solved[members].all():
            break
        found = _newton_from(objective, members, chart, [chart.eta(theta)], DECREMENT)
        found = replace(found, solved=found.solved & ~mixture.narrow(found.theta[:count]))
        if best is None:
            best = found
            continue
        values = [
            objective.evaluate(s.theta, 0).value + narrowness(mixture, s.theta, objective.total)
            for s in (best, found)
        ]
        # A maximum that was met is worth more than a lower value on the way to a singularity.
        better = np.where(best.solved == found.solved, values[1] < values[0], found.solved)
        theta = tuple(np.where(better, b, a) for a, b in zip(best.theta, found.theta, strict=True))
        best = replace(
            best,
            theta=theta,
            solved=best.solved | found.solved,
            edges=_chosen(better, best.edges, found.edges),
            sunk=_chosen(better, best.sunk, found.sunk),
        )
    assert best is not None
    return replace(best, solver="EM, newton")


def _near(objective: CrossEntropy, chart: Chart, thin: Solution) -> Array | None:
    """Return the coordinates of the solution of a part, None if it ran off where the whole may not."""
    model = objective.model
    near = below_all(objective, np.arange(1), thin.theta)
    off = ~thin.solved | ~objective.holds(near)
    for limit in model.limit_families:
        off = off | limit.approached(model, thin.theta)
    return None if off.any() else chart.eta(near)


def _sunk(objective: CrossEntropy, members: Array, theta: Arrays) -> dict[str, Array]:
    """Return the members in which a parameter came near a lower end that belongs to its domain.

    Where the bijection sends that end to minus infinity, Newton's method can only approach it.
    """
    out = {}
    for p, value in zip(objective.model.params, theta, strict=True):
        if p.name in objective.fixed or p.vector or not (p.domain.closed_lower and p.regular):
            continue
        near = value - p.domain.lower < _NEAR_END
        if near.any():
            out[p.name] = _whole(objective, members, near)
    return out


def _on_face(objective: CrossEntropy, members: Array) -> Solution:
    """Run Newton's method in log-ratios on the face of the simplex where cells were seen."""
    frequencies = objective.summary.mean[0]
    seen = frequencies[0] > 0
    if np.any((frequencies > 0) != seen):
        raise errors.NoDensityError(
            errors.message(
                "the same empty cells in every member of a batch for Newton's method",
                "different ones",
                "Use the closed form, solver='auto'",
            )
        )
    if seen.sum() == 1:
        q = np.broadcast_to(seen.astype(float), frequencies.shape)
        return Solution((q,), "newton", np.ones(objective.size, dtype=bool))
    out = _by_newton(objective.restricted(seen), members)
    q = np.zeros_like(frequencies)
    q[:, seen] = out.theta[0]
    return replace(out, theta=(q,))


def _profile_start(objective: CrossEntropy, members: Array, at: int) -> Array:
    """Return starting values (r,) of the profiled parameter: the roots of a part of a long sample."""
    thinned = _thin(objective, 16)
    if thinned is None:
        return starting_values(objective, members)[at]
    # Nearer than a tenth of its own standard error, the solution of a part is no better start.
    short = thinned.sample.rows**-0.25 / 3
    return near_root(_equation(thinned, members), _profile_start(thinned, members, at), short)


def _equation(objective: CrossEntropy, members: Array) -> Equation:
    """Return the profile equation of some members of the batch."""
    model = objective.model

    def equation(psi: Array, index: Array) -> tuple[Array, Array, Arrays, Arrays]:
        means = objective.profile_means(psi, members[index])
        g, slope, theta = model._profile_equation(means, psi)
        return g, slope, tuple(np.asarray(t) for t in theta), means

    return equation


def _by_profile(objective: CrossEntropy, members: Array) -> Solution:
    model = objective.model
    at = [p.name for p in model.params].index(model.profile_over)
    start = _profile_start(objective, members, at)
    out = profile_root(_equation(objective, members), start)
    shared = None
    if model.has("_profile_shared") and members.size == objective.size:
        shared = tuple(np.asarray(s) for s in model._profile_shared(out.means, *out.theta))
    return Solution(
        _scatter(objective, members, out.theta),
        "profile",
        _whole(objective, members, out.proved),
        _whole(objective, members, out.excess),
        (_whole(objective, members, out.lower), _whole(objective, members, out.upper)),
        shared=shared,
    )


def _by_scipy(objective: CrossEntropy, solver: str) -> Solution:
    model = objective.model
    if objective.size != 1:
        raise errors.DataError(
            errors.message("one fit at a time with scipy.optimize", f"a batch of {objective.size}")
        )
    vector = facts_of(model.params).vectors
    if solver == "SLSQP" and not vector:
        raise _not_offered("the constraint of a simplex (SLSQP)", objective)
    if vector:
        if solver not in ("scipy", "SLSQP"):
            raise _not_offered(f"an unconstrained problem ({solver})", objective)
        out, name = simplex_slsqp(objective.summary.mean[0][0]), "scipy SLSQP"
    else:
        start = Chart(objective).eta(starting_values(objective, np.arange(1)))
        method = "trust-exact" if solver == "scipy" else solver
        out, name = minimise(objective, start, method), f"scipy {method}"
    notes = {"message": out.message, "iterations": out.iterations, **out.multipliers}
    sunk = {} if vector else _sunk(objective, np.arange(1), out.theta)
    return Solution(out.theta, name, np.array([True]), notes=notes, sunk=sunk)
