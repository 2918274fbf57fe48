"""Starting values: a family's own, or the best of a small grid for a density that declares none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from mlece.math import Array, Arrays
from mlece.objective import CrossEntropy
from mlece.param import Param

_MOST_CANDIDATES = 81


def starting_values(objective: CrossEntropy, members: Array) -> Arrays:
    """Return framed starting values of all parameters for some members of the batch, (r,) each."""
    model = objective.model
    if not model.has("_start"):
        return _filled(objective, members, _best_of_grid(objective, members))
    starts = several_starts(objective, members)
    if len(starts) == 1:
        return starts[0]
    return _best(objective, members, starts)


def several_starts(objective: CrossEntropy, members: Array) -> list[Arrays]:
    """Return every set of starting values that the family proposes; several where modes compete.

    A hook ``_start`` that returns arrays (S, r) proposes S sets.
    """
    if not objective.model.has("_start"):
        return [starting_values(objective, members)]
    guess = objective.model._start(objective.pilot()[members])
    if np.ndim(guess[0]) == 1:
        return [_filled(objective, members, guess)]
    return [_filled(objective, members, one) for one in zip(*guess, strict=True)]


def _filled(objective: CrossEntropy, members: Array, guess: Iterable[Array]) -> Arrays:
    """Put the fixed slots in the place of their starting values."""
    return tuple(
        objective.fixed[p.name][members] if p.name in objective.fixed else np.asarray(g, float)
        for p, g in zip(objective.model.params, guess, strict=True)
    )


def _best(objective: CrossEntropy, members: Array, grid: list[Arrays]) -> Arrays:
    """Return the set of parameters with the smallest cross-entropy, for each member."""
    values = np.stack([objective.evaluate(theta, 0, members).value for theta in grid])
    best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0)
    take = np.arange(len(members))
    return tuple(
        np.stack([theta[j] for theta in grid])[best, take]
        for j in range(len(objective.model.params))
    )


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
