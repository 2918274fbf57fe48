"""Starting values: a family's own, or the best of a small grid for a density that declares none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.likelihood.chart import Chart
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.param import Param
from mlece.solvers.conditional_start import conditional_starts
from mlece.solvers.newton import newton

_MOST_CANDIDATES = 81
_MOST_DOUBLINGS = 60
# The decrement before the last step: its square is far below the error of a part of the sample.
_CLOSE = 1e-4


def starting_values(objective: CrossEntropy, members: Array) -> Arrays:
    """Return framed starting values of all parameters for some members of the batch, (r,) each."""
    starts = several_starts(objective, members)
    return starts[0] if len(starts) == 1 else _best(objective, members, starts)


def several_starts(objective: CrossEntropy, members: Array) -> list[Arrays]:
    """Return every set of starting values that the family proposes; several where modes compete.

    A hook ``_start`` that returns arrays (S, r) proposes S sets. A family's own are for observations
    measured from a known location, where it has one.
    """
    model, truth = objective.model, objective.sample.truth
    if isinstance(model, Conditional):
        return conditional_starts(objective, members, several_starts)
    if type(truth) is type(model) and truth.roles() == model.roles() and not model.support.discrete:
        # A member of the family is its own projection.
        framed = model.to_frame(truth.theta, objective.user.shift, objective.user.scale)
        return [_filled(objective, members, [np.broadcast_to(t, members.shape) for t in framed])]
    if not model.has("_start"):
        return [_filled(objective, members, _best_of_grid(objective, members))]
    pilot = objective.pilot()[members]
    for p in model.params:
        if p.role == "location" and not p.estimable:
            pilot = pilot - objective.fixed[p.name][members, None]
    fixed = [objective.fixed.get(p.name) for p in model.params]
    guess = model.start_hook(pilot, tuple(None if v is None else v[members] for v in fixed))
    # A composition adds one value of its own parameters to all sets of its inner family.
    several = max(np.ndim(g) for g in guess) > 1
    guesses = list(zip(*np.broadcast_arrays(*guess), strict=True)) if several else [guess]
    if model.has("_more_starts"):
        guesses += model._more_starts(pilot)
    return [_filled(objective, members, one) for one in guesses]


def corrected(objective: CrossEntropy, thinned: CrossEntropy, chart: Chart, near: Array) -> Array:
    """Return coordinates (1, m) nearer the optimum of a long sample than that of a part of it.

    The part's cross-entropy, its value, gradient and Hessian at the part's optimum replaced by those of
    the whole, differs from that of the whole by the third derivatives alone, times the cube of a distance
    that is a standard error of the part. One pass over the whole sample, a few over the part.

    Parameters
    ----------
    near : array (1, m)
        Optimum of the part, returned where the search from there does not end.
    """
    one = np.arange(1)

    def exact(of: CrossEntropy, eta: Array) -> tuple[Array, Array, Array]:
        at = of.evaluate(chart.theta(eta, one), 2, one)
        return (at.value, *chart.pull(eta, at))

    pairs = zip(exact(objective, near), exact(thinned, near), strict=True)
    _, tilt, bend = (whole - part for whole, part in pairs)

    def surrogate(eta: Array, index: Array) -> tuple[Array, Array, Array]:
        value, gradient, hessian = exact(thinned, eta)
        step = eta - near
        bent = (bend @ step[:, :, None])[:, :, 0]
        value = value + ((tilt + 0.5 * bent) * step).sum(axis=1)
        return value, gradient + tilt + bent, hessian + bend

    out = newton(surrogate, near, *chart.box(), _CLOSE)
    usable = out.converged[0] and objective.holds(chart.theta(out.eta, one))[0]
    return out.eta if usable else near


def _filled(objective: CrossEntropy, members: Array, guess: Iterable[Array]) -> Arrays:
    """Put the fixed slots in the place of their starting values, and the start where it can be used."""
    start = tuple(
        objective.fixed[p.name][members] if p.name in objective.fixed else np.asarray(g, float)
        for p, g in zip(objective.model.params, guess, strict=True)
    )
    start = below_all(objective, members, start)
    start = _widened(objective, start, members)
    return _convergent(objective, start) if objective.sample.rule is not None else start


def _best(objective: CrossEntropy, members: Array, grid: list[Arrays]) -> Arrays:
    """Return the set of parameters with the smallest cross-entropy, for each member."""
    values = np.stack([objective.evaluate(theta, 0, members).value for theta in grid])
    best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0)
    take = np.arange(len(members))
    return tuple(
        np.stack([theta[j] for theta in grid])[best, take]
        for j in range(len(objective.model.params))
    )


def _widened(objective: CrossEntropy, theta: Arrays, members: Array) -> Arrays:
    """Double free scales until a support that moves with the parameters holds the data."""
    if not objective.model.has("_bounds"):
        return theta
    free = [p.role == "scale" and p.name not in objective.fixed for p in objective.model.params]
    for _ in range(_MOST_DOUBLINGS):
        short = ~objective.holds(theta, members)
        if not (short.any() and any(free)):
            break
        theta = tuple(
            np.where(short, 2.0 * t, t) if widen else t
            for widen, t in zip(free, theta, strict=True)
        )
    return theta


def _convergent(objective: CrossEntropy, start: Arrays) -> Arrays:
    """Return a start where the expectation under a known truth converges, if there is one nearby.

    Steps of e in the unconstrained coordinates, one or two at a time, the nearest first.
    """
    if not objective.diverges(start):
        return start
    chart, one = Chart(objective), np.arange(1)
    eta = chart.eta(start)
    if any(p.vector for p in chart.free):
        return start
    steps = [s * 0.5 * 1.5**k for k in range(10) for s in (-1.0, 1.0)]
    for count in (1, 2):
        for step in steps:
            for which in itertools.combinations(range(eta.shape[1]), min(count, eta.shape[1])):
                for signs in itertools.product((1.0, -1.0), repeat=len(which) - 1):
                    moved = eta.copy()
                    moved[0, list(which)] += step * np.array([1.0, *signs])
                    theta = chart.theta(moved, one)
                    if not objective.diverges(theta):
                        return theta
    return start


def below_all(objective: CrossEntropy, members: Array, guess: Arrays) -> Arrays:
    """Move a location with which the lower end of the support moves below the smallest observation.

    The pilot points need not hold it.
    """
    model = objective.model
    if not (model.has("_bounds") and "location" in model.roles()):
        return guess
    least = np.broadcast_to(objective.summary.minimum, (objective.size,))[members]
    excess = np.maximum(model.bounds(guess)[0] - least, 0.0)
    room = np.where(excess > 0, 1.5 * excess, 0.0)
    pairs = zip(model.params, guess, strict=True)
    free = [p.role == "location" and p.name not in objective.fixed for p in model.params]
    return tuple(g - room if moves else g for moves, (_, g) in zip(free, pairs, strict=True))


def _candidates(p: Param, middle: Array, spread: Array) -> list[Array]:
    """Return plausible values of one parameter, (r,) each, the likeliest first."""
    low, high = p.typical
    if p.role == "location":
        return [middle]
    if p.role == "log location":
        return [np.zeros_like(middle)]
    if p.role == "scale":
        return [spread / 1.4, np.maximum(middle, spread)]
    if p.role == "inverse scale":
        return [1.4 / spread, 1.0 / np.maximum(middle, spread)]
    values = [np.full_like(middle, low + f * (high - low)) for f in (0.5, 0.1, 0.9)]
    if not p.domain.bounded_somewhere:
        return [middle, *values]
    if p.domain.lower == 0 and not np.isfinite(p.domain.upper):
        return [spread, *values, 1.0 / spread]
    return values


def _best_of_grid(objective: CrossEntropy, members: Array) -> Arrays:
    pilot = objective.pilot()[members]
    quartiles = np.quantile(pilot, [0.25, 0.5, 0.75], axis=1)
    spread = quartiles[2] - quartiles[0]
    spread = np.where(spread > 0, spread, pilot[:, -1] - pilot[:, 0])
    spread = np.where(spread > 0, spread, 1.0)
    choices = [
        [objective.fixed[p.name][members]]
        if p.name in objective.fixed
        else _candidates(p, quartiles[1], spread)
        for p in objective.model.params
    ]
    grid = list(itertools.islice(itertools.product(*choices), _MOST_CANDIDATES))
    return _best(objective, members, grid)
