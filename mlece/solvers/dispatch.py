"""Which solver runs, and what it hands to the certificate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.chart import Chart
from mlece.math import Array, Arrays
from mlece.objective import CrossEntropy
from mlece.param import Param
from mlece.solvers.newton import DECREMENT, newton
from mlece.solvers.profile import profile_root
from mlece.solvers.scipy_optimize import minimise, simplex_slsqp
from mlece.solvers.starts import below_all, starting_values

SOLVERS = ("auto", "closed", "newton", "profile", "scipy", "trust-exact", "L-BFGS-B", "SLSQP")
_SCIPY = ("scipy", "trust-exact", "L-BFGS-B", "SLSQP")
# Long samples are solved on one in 32 of the observations first: a few full passes are left to do.
_THIN_ABOVE = 20_000


@dataclass(frozen=True)
class Solution:
    """Framed parameters with what the solver knows about them.

    Parameters
    ----------
    theta : tuple of arrays (R,)
        Framed natural parameters; NaN for members that were not solved.
    solver : str
        Which solver ran.
    solved : array of bool (R,)
        Whether it met its own criterion.
    excess : array (R,), optional
        Bound on the excess that the solver proved by itself.
    bracket : (array, array), optional
        Sign change of the profile score.
    ends : tuple of two thetas, optional
        Ends of the set of solutions where it is not a point.
    runaway : dict of str to array of bool (R,)
        Parameters that came near the end of their range.
    shared : tuple of arrays (R,), optional
        Means of what density, score and curvature share at the solution, where the solver knows them.
    notes : dict
        Anything else worth telling.
    """

    theta: Arrays
    solver: str
    solved: Array
    excess: Array | None = None
    bracket: tuple[Array, Array] | None = None
    ends: tuple[Arrays, Arrays] | None = None
    runaway: dict[str, Array] = field(default_factory=dict)
    shared: Arrays | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def solve(objective: CrossEntropy, solver: str, members: Array) -> Solution:
    """Run a solver on the members that have an interior optimum.

    Raises
    ------
    NoDensityError
        If the named solver does not apply to the model.
    """
    model = objective.model
    slots = tuple(objective.fixed.get(p.name) for p in model.params)
    everyone = np.ones(objective.size, dtype=bool)
    if not model.free:
        return Solution(tuple(s for s in slots if s is not None), "nothing to estimate", everyone)
    if not members.size:
        return Solution(_unsolved(objective), "none", everyone)
    if solver in _SCIPY:
        return _by_scipy(objective, solver)
    if solver in ("auto", "closed"):
        theta, ends, shared = None, None, None
        if model.has("_estimate"):
            theta, ends, shared = model._estimate(objective, *slots)
        elif model.has("_maximise"):
            theta = closed_form(objective, members)
        if theta is not None:
            theta = tuple(np.asarray(t) for t in theta)
            return Solution(theta, "closed form", everyone, ends=ends, shared=shared)
        if solver == "closed":
            raise _not_offered("a closed form", objective)
    if solver in ("auto", "profile"):
        if model.profile_over and not objective.fixed:
            return _by_profile(objective, members)
        if solver == "profile":
            raise _not_offered("a profile equation", objective)
    if any(p.vector for p in model.params):
        return _on_face(objective, members)
    return _by_newton(objective, members)


def closed_form(objective: CrossEntropy, members: Array) -> Arrays | None:
    """Return the maximiser of some members from their mean statistics, where the family has one."""
    model = objective.model
    every = members.size == objective.size
    slots = [objective.fixed.get(p.name) for p in model.params]
    summary = objective.summary if every else objective.summary.take(members)
    theta = model._maximise(summary, *[s if s is None or every else s[members] for s in slots])
    if theta is None:
        return None
    return _scatter(objective, members, tuple(np.asarray(t) for t in theta))


def _not_offered(what: str, objective: CrossEntropy) -> errors.NoDensityError:
    return errors.NoDensityError(
        errors.message(f"{what} for {objective.model!r}", "none", "Use solver='newton'")
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
    out = np.zeros(objective.size, dtype=values.dtype)
    out[members] = values
    return out


def _thin(objective: CrossEntropy) -> CrossEntropy | None:
    """Return the objective on a thinned sample, where the full one is long."""
    long = objective.sample.rows > _THIN_ABOVE and not objective.model.affine
    return objective.thinned(objective.sample.rows // 32) if long and objective.size == 1 else None


def _by_newton(objective: CrossEntropy, members: Array) -> Solution:
    chart = Chart(objective)
    thinned = _thin(objective)
    if any(p.vector for p in chart.free):
        start = np.zeros((members.size, objective.summary.mean[0].shape[-1] - 1))
    elif thinned is not None:
        start = chart.eta(below_all(objective, members, _by_newton(thinned, members).theta))
    else:
        start = chart.eta(starting_values(objective, members))

    def evaluate(eta: Array, index: Array) -> tuple[Array, Array, Array]:
        which = members[index]
        at = objective.evaluate(chart.theta(eta, which), 2, which)
        return (at.value, *chart.pull(eta, at))

    # For a long sample a decrement of 1e-9 is far below a standard error.
    out = newton(evaluate, start, *chart.box(), DECREMENT if thinned is None else 1e-9)
    theta = chart.theta(out.eta, members)
    return Solution(
        _scatter(objective, members, theta),
        "newton",
        _whole(objective, members, out.converged),
        runaway=_runaway(objective, members, theta),
    )


def _runaway(objective: CrossEntropy, members: Array, theta: Arrays) -> dict[str, Array]:
    """Return the members in which a parameter came within two decades of the limit of its family."""
    out = {}
    for p, value in zip(objective.model.params, theta, strict=True):
        if p.name in objective.model.limit_families and p.name not in objective.fixed:
            near = near_limit(p, value)
            if near.any():
                out[p.name] = _whole(objective, members, near)
    return out


def near_limit(p: Param, value: Array) -> Array:
    """Tell where a parameter is within two decades of infinity, or of 0 if its domain is bounded."""
    if np.isfinite(p.domain.upper):
        return np.asarray(value - p.domain.lower < 100 * (p.limits[0] - p.domain.lower))
    return np.asarray(value > 0.01 * p.limits[1])


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


def _by_profile(objective: CrossEntropy, members: Array) -> Solution:
    model = objective.model
    at = [p.name for p in model.params].index(model.profile_over)
    thinned = _thin(objective)
    if thinned is not None:
        start = _by_profile(thinned, members).theta[at]
    else:
        start = starting_values(objective, members)[at]

    def equation(psi: Array, index: Array) -> tuple[Array, Array, Arrays, Arrays]:
        means = objective.profile_means(psi, members[index])
        g, slope, theta = model._profile_equation(means, psi)
        return g, slope, tuple(np.asarray(t) for t in theta), means

    # A relative error of 1e-8 is far below a standard error where the sample is long.
    out = profile_root(equation, start, 1e-4 if thinned is not None else 3e-7)
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
    vector = any(p.vector for p in model.params)
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
    member = np.arange(1)
    runaway = {} if vector else _runaway(objective, member, out.theta)
    return Solution(out.theta, name, np.array([True]), runaway=runaway, notes=notes)
