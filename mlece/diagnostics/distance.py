"""Distances between an empirical distribution function and a fitted one, for laws of every kind.

Kolmogorov and Smirnov's, Cramér and von Mises's and Anderson and Darling's distances are written as
∫ w(F) (F_n − F)² dF, with jumps of F where the law has atoms: between two observations the integrals are
known in closed form, at an atom they are one term. For densities these are the formulas of the textbooks
(Stephens 1974, Journal of the American Statistical Association 69, 730-737), for counts those of
Choulakian, Lockhart and Stephens (1994, Canadian Journal of Statistics 22, 125-137).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.math import Array
from mlece.model import Model

STRAIGHT = ("kolmogorov-smirnov", "cramer-von mises", "anderson-darling")
ROUND = ("kuiper", "watson")


@dataclass(frozen=True)
class Steps:
    """Empirical and fitted distribution functions at the points of each sample, in order.

    Attributes
    ----------
    below, at : arrays (r, m)
        F(y−) and F(y).
    above, over : arrays (r, m)
        1 − F(y−) and 1 − F(y), without cancellation.
    jump : array (r, m)
        Probability of the point itself.
    left, right : arrays (r, m)
        Shares of the observations below the point, and up to it.
    first : array of bool (r, m)
        Whether a point is the first of those tied with it.
    n : float
        Number of observations.
    """

    below: Array
    at: Array
    above: Array
    over: Array
    jump: Array
    left: Array
    right: Array
    first: Array
    n: float


def steps(model: Model, rows: Array) -> Steps:
    """Return both distribution functions at the points of each sample.

    Parameters
    ----------
    model : Model
        A known model, of r members or one.
    rows : array (r, n)
        Observations, whole numbers for a discrete law.
    """
    atoms = atoms_of(model)
    if model.support.discrete:
        low, high = float(rows.min()), float(rows.max())
        lattice = np.arange(low, high + 1)
        counts = np.stack(
            [np.bincount((row - low).astype(np.intp), minlength=lattice.size) for row in rows]
        )
        points = np.broadcast_to(lattice, counts.shape)
    else:
        points = np.concatenate([rows, np.broadcast_to(atoms, (len(rows), atoms.size))], axis=1)
        order = np.argsort(points, axis=1, kind="stable")
        points = np.take_along_axis(points, order, axis=1)
        counts = np.asarray(order < rows.shape[1], dtype=float)
    edge = np.ones((len(points), 1), dtype=bool)
    change = points[:, 1:] != points[:, :-1]
    first, last = np.concatenate([edge, change], axis=1), np.concatenate([change, edge], axis=1)
    up_to = np.cumsum(counts, axis=1)
    # Tied points share what lies below them and what lies up to them.
    right = np.minimum.accumulate(np.where(last, up_to, np.inf)[:, ::-1], axis=1)[:, ::-1]
    left = np.maximum.accumulate(np.where(first, up_to - counts, 0.0), axis=1)
    at, over = model.cdf(points), model.sf(points)
    jump = mass_at(model, points)
    n = float(rows.shape[1])
    below, above = at - jump, over + jump
    jump = np.where(last, jump, 0.0)
    return Steps(below, at, above, over, jump, left / n, right / n, first, n)


def atoms_of(model: Any) -> Array:
    """Return where a law with a density elsewhere has positive mass, (m,)."""
    if model.support.discrete or not model.has("_atoms"):
        return np.empty(0)
    first = [np.ravel(t)[0] for t in model.theta]
    return np.unique(np.asarray(model._atoms(*first)[0], dtype=float))


def mass_at(model: Any, points: Array) -> Array:
    """Return the probability of each point itself under a Model or RowLaws, in the shape of the points."""
    if model.support.discrete:
        return np.asarray(np.exp(model.log_density(points)))
    atoms = atoms_of(model)
    if not atoms.size:
        return np.zeros(np.shape(points))
    return np.where(np.isin(points, atoms), np.exp(model.log_density(points)), 0.0)


def distances(model: Model, rows: Array) -> dict[str, Array]:
    """Return the distances of each sample from its member, by name, (r,) each.

    On a circle, where the others depend on the point at which it is cut, Kuiper's and Watson's.
    """
    found = steps(model, rows)
    above = (found.right - found.at).max(axis=1)
    below = (found.below - found.left).max(axis=1)
    if model.support.periodic:
        mean = found.at.mean(axis=1)
        square = _cramer_von_mises(found)
        return {"kuiper": above + below, "watson": square - found.n * (mean - 0.5) ** 2}
    return {
        "kolmogorov-smirnov": np.maximum(above, below),
        "cramer-von mises": _cramer_von_mises(found),
        "anderson-darling": _anderson_darling(found),
    }


def spread_distances(below: Array, at: Array) -> dict[str, Array]:
    """Return the distances from uniformity of transforms that are known up to intervals, (r,) each.

    The empirical distribution function spreads every observation evenly over its interval, as the law
    itself would (Czado, Gneiting and Held 2009, Biometrics 65, 1254-1261): it is the step of
    self-consistency that starts from the fitted law.

    Parameters
    ----------
    below, at : arrays (r, n)
        Ends of the intervals, equal where a transform is known.
    """
    r, n = below.shape
    sure = at <= below
    rate = np.where(sure, 0.0, 1.0 / np.where(sure, 1.0, at - below))
    place = np.concatenate([below, at], axis=1)
    order = np.argsort(place, axis=1, kind="stable")

    def running(at_start: Array, at_end: Array) -> Array:
        both = np.concatenate([at_start, at_end], axis=1)
        return np.cumsum(np.take_along_axis(both, order, axis=1), axis=1)

    zero, one = np.zeros((r, 1)), np.ones((r, 1))
    knots = np.concatenate([zero, np.take_along_axis(place, order, axis=1), one], axis=1)
    slope = np.concatenate([zero, running(rate, -rate)], axis=1)
    jumps = np.concatenate([zero, running(sure * 1.0, 0.0 * rate)], axis=1)
    width = np.diff(knots, axis=1)
    rise = slope * width
    # F̄ behind every knot and at the end of the stretch that follows.
    start = (jumps + np.cumsum(rise, axis=1) - rise) / n
    end = start + rise / n
    gaps = np.maximum(np.abs(start - knots[:, :-1]), np.abs(end - knots[:, 1:]))
    nodes, weights = np.polynomial.legendre.leggauss(6)
    u = knots[:, :-1, None] + width[..., None] * (0.5 + 0.5 * nodes)
    # A transform that ends next to 1 leaves a stretch on which 1 − u is less than the floats near 1.
    over = 1.0 - knots[:, 1:, None] + width[..., None] * (0.5 - 0.5 * nodes)
    square = np.square(start[..., None] + (end - start)[..., None] * (0.5 + 0.5 * nodes) - u)
    some = width[..., None] > 0
    square = np.where(some, square, 0.0) * (0.5 * width[..., None] * weights)
    inside = np.where(some, u * over, 1.0)
    return {
        "kolmogorov-smirnov": gaps.max(axis=1),
        "cramer-von mises": n * square.sum(axis=(1, 2)),
        "anderson-darling": n * (square / inside).sum(axis=(1, 2)),
    }


def _between(found: Steps) -> tuple[Array, ...]:
    """Return F and 1 − F at both ends of the stretches between points, and F_n on them.

    Between tied points there is none: it starts where it ends.
    """
    size = (len(found.at), 1)
    zero, one = np.zeros(size), np.ones(size)
    starts = np.concatenate([zero, found.at], axis=1)
    over = np.concatenate([one, found.over], axis=1)
    share = np.concatenate([zero, found.right], axis=1)
    tied = np.concatenate([~found.first, zero.astype(bool)], axis=1)
    ends = np.where(tied, starts, np.concatenate([found.below, one], axis=1))
    above = np.where(tied, over, np.concatenate([found.above, zero], axis=1))
    return starts, ends, over, above, share


def _cramer_von_mises(found: Steps) -> Array:
    starts, ends, _, _, share = _between(found)
    stretches = ((ends - share) ** 3 - (starts - share) ** 3) / 3.0
    atoms = np.square(found.right - found.at) * found.jump
    return np.asarray(found.n * (stretches.sum(axis=1) + atoms.sum(axis=1)))


def _anderson_darling(found: Steps) -> Array:
    """Infinite where an observation lies at an end of the support."""
    starts, ends, over, above, share = _between(found)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where((share > 0) & (ends > starts), share**2 * np.log(ends / starts), 0.0)
        right = np.where((share < 1) & (over > above), (1 - share) ** 2 * np.log(over / above), 0.0)
        stretches = left + right - (ends - starts)
        weight = found.jump / (found.at * found.over)
        some = (found.jump > 0) & (found.over > 0)
        atoms = np.where(some, np.square(found.right - found.at) * weight, 0.0)
    return np.asarray(found.n * (stretches.sum(axis=1) + atoms.sum(axis=1)))
