"""Predictors that run off: a slot at the end of its domain, where the likelihood no longer changes."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from mlece.combinators.conditional import Conditional
from mlece.design import Design
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays
from mlece.solvers.solution import Solution

# A unit of a linear predictor that bends the cross-entropy by less than this, nats, changes nothing.
_FLAT = 1e-9
# So much further on, a slot behind a logarithm or a logit is at the end of its domain.
_FURTHER = 15.0
_ENOUGH = 2000


def plateaus(objective: CrossEntropy, solution: Solution, stopped: Array) -> list[Limit]:
    """Return, as limits, the members in which a linear predictor runs off and nothing is lost.

    The curvature along every predictor is measured in units of the predictor. Where it vanishes, the
    cross-entropy is evaluated further out on both sides: if it does not rise on one of them, the maximum
    lies at infinity. (An inflated law without a surplus of zeros is an example: the probability falls
    to 0.)
    """
    model = objective.model
    if not isinstance(model, Conditional) or stopped.all():
        return []
    at = objective.evaluate(solution.theta, 2)
    assert at.hessian is not None
    out = []
    for term, place in model.places():
        gram = _gram(term.design)
        if gram is None:
            continue
        found = np.zeros(objective.size, dtype=bool)
        theta = [np.array(t, dtype=float) for t in solution.theta]
        for r in np.flatnonzero(~stopped).tolist():
            h = at.hessian[r, place, place]
            if not np.isfinite(h).all():
                continue
            bend, ways = eigh(h, gram, subset_by_index=(0, 0))
            if bend[0] > _FLAT:
                continue
            side = _side(objective, solution.theta, place, ways[:, 0], r, float(at.value[r]))
            if side:
                found[r] = True
                for j, way in zip(range(place.start, place.stop), ways[:, 0], strict=True):
                    large = np.abs(way) > 1e-6 * np.abs(ways[:, 0]).max()
                    theta[j][r] = np.sign(side * way) * np.inf if large else theta[j][r]
        if found.any():
            sentence = (
                f"the predictor of {term.label} runs off, and the cross-entropy no longer changes "
                "with it"
            )
            value = np.where(found, at.value, np.nan)
            out.append(Limit(found, Status.NOT_ATTAINED, sentence, tuple(theta), value))
            stopped = stopped | found
    return out


def _gram(design: Design) -> Array | None:
    """Return the mean products of the columns, (p, p), of a part of the rows; None without columns."""
    if not design.width or design.sparse:
        return None
    part = design.matrix[:: max(1, design.rows // _ENOUGH)]
    gram = part.T @ part / len(part)
    usable = np.linalg.cond(gram) < 1e12
    return gram if usable else None


def _side(
    objective: CrossEntropy, theta: Arrays, place: slice, way: Array, r: int, value: float
) -> int:
    """Return the side on which a member loses nothing further out, 0 if it loses on both or on none.

    A predictor that changes nothing on either side is not identified by the observations.
    """
    resolution = 1e-13 * (1.0 + abs(value))
    loses = []
    for side in (1, -1):
        moved = [np.array([float(t[r])]) for t in theta]
        for j, step in zip(range(place.start, place.stop), way, strict=True):
            moved[j] = moved[j] + side * _FURTHER * step
        further = objective.evaluate(tuple(moved), 0, np.array([r])).value[0]
        loses.append(not further <= value + resolution)
    return int(loses[1]) - int(loses[0])
