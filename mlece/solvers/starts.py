"""Starting values: a family's own, or the best of a small grid for a density that declares none."""

from __future__ import annotations

import itertools

import numpy as np

from mlece.math import Array, Arrays
from mlece.objective import CrossEntropy
from mlece.param import Param

_MOST_CANDIDATES = 81


def starting_values(objective: CrossEntropy, members: Array) -> Arrays:
    """Return framed starting values of all parameters for some members of the batch, (r,) each."""
    model = objective.model
    if model.has("_start"):
        guess = below_all(objective, members, model._start(objective.pilot()[members]))
    else:
        guess = _best_of_grid(objective, members)
    return tuple(
        objective.fixed[p.name][members] if p.name in objective.fixed else np.asarray(g, float)
        for p, g in zip(model.params, guess, strict=True)
    )


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
    return tuple(g - room if p.role == "location" else g for p, g in pairs)


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
    values = np.stack([objective.evaluate(theta, 0, members).value for theta in grid])
    best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0)
    take = np.arange(len(members))
    return tuple(
        np.stack([theta[j] for theta in grid])[best, take]
        for j in range(len(objective.model.params))
    )
