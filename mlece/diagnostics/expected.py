"""Scores and information indicators as the fitted members themselves expect them.

A fitted family knows the covariance of its scores s and of d = vech(s s' + H) exactly. Expectations are
sums over the quadrature nodes of one member of the batch, weighted with the density of each; a member
whose mass they miss gets nodes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.evaluation import stacked_scores, triangle
from mlece.math import Array, Arrays, exp
from mlece.result import Fit
from mlece.sources.distribution import nodes

# Nodes of another member serve if they find its mass and its entropy's scale this well.
_MASS = 1e-9
# Members are evaluated in slabs of about so many (member, node) pairs.
_SLAB = 1 << 18


@dataclass(frozen=True)
class Expected:
    """Second moments under the fitted members, each in its own frame.

    Attributes
    ----------
    factors : array (R, k)
        dθ/dθ_own for the free parameters.
    scores : array (R, k, k)
        E[s s'].
    cross : array (R, q, k)
        E[d s'].
    indicators : array (R, q, q)
        E[d d'].
    """

    factors: Array
    scores: Array
    cross: Array
    indicators: Array

    @property
    def residual(self) -> Array:
        """Return the covariance of d less its projection on the scores, (R, q, q)."""
        lift = self.cross @ pseudo_inverse(self.scores)
        return np.asarray(self.indicators - lift @ np.swapaxes(self.cross, 1, 2))


def pseudo_inverse(matrix: Array) -> Array:
    """Return the pseudo-inverse of symmetric matrices (R, k, k); NaN for those that are not finite."""
    known = np.isfinite(matrix).all(axis=(1, 2), keepdims=True)
    found = np.linalg.pinv(np.where(known, matrix, 0.0), hermitian=True)
    return np.asarray(np.where(known, found, np.nan))


def indicators(score: Array, curvature: Array) -> Array:
    """Return d = vech(s s' + H), the upper triangle row by row, (..., k(k + 1)/2)."""
    rows, columns = np.triu_indices(score.shape[-1])
    return np.asarray(score[..., rows] * score[..., columns] + curvature[..., rows, columns])


def expected(fit: Fit) -> Expected:
    """Return the second moments of scores and indicators under every fitted member of a batch.

    Raises
    ------
    NoDensityError
        For laws of vectors, which have no quadrature here, and members whose mass cannot be found.
    """
    family, size = fit.family, fit.objective.size
    shift, scale = np.zeros(size), np.ones(size)
    if family.roles():
        shift, scale = (
            np.array(np.broadcast_to(v, (size,)), dtype=float) for v in family.own_frame(fit.theta)
        )
    own = tuple(
        np.array(np.broadcast_to(np.asarray(t), (size, *np.shape(t)[1:])), dtype=float)
        for t in family.to_frame(fit.theta, shift, scale)
    )
    free = [i for i, p in enumerate(family.params) if p.name in family.free]
    reach = family.frame_factors(scale)
    factors = np.stack([np.broadcast_to(reach[i], (size,)) for i in free], axis=-1)
    # Members that differ in location and scale alone are one in their own frames.
    distinct, which = np.unique(np.stack(own, axis=-1), axis=0, return_inverse=True)
    own = tuple(distinct.T)
    left = np.flatnonzero(np.isfinite(distinct).all(axis=1))
    k = len(free)
    q = k * (k + 1) // 2
    out = [np.full((len(distinct), *shape), np.nan) for shape in ((k, k), (q, k), (q, q))]
    while len(left):
        taken, moments = _by_one_rule(fit, own, left, free)
        for target, values in zip(out, moments, strict=True):
            target[taken] = values
        left = np.setdiff1d(left, taken)
    return Expected(factors, *[values[which.ravel()] for values in out])


def _by_one_rule(
    fit: Fit, own: Arrays, members: Array, free: list[int]
) -> tuple[Array, list[Array]]:
    """Return the members that the nodes of the most typical one serve, and their second moments."""
    family = fit.family
    middle = [np.median(t[members]) for t in own]
    far = sum(np.abs(t[members] - m) / (abs(m) + 1.0) for t, m in zip(own, middle, strict=True))
    pivot = int(members[int(np.argmin(far))])
    law = nodes(family.member(*[t[pivot] for t in own]))
    y = law.values[None, :]
    with np.errstate(divide="ignore"):
        log_weight = np.log(law.mass) - _log_density(fit, y, tuple(t[[pivot]] for t in own))[0]
    log_weight = np.where(law.mass > 0, log_weight, -np.inf)
    taken, parts = [], []
    for start in range(0, len(members), max(1, _SLAB // law.count)):
        some = members[start : start + max(1, _SLAB // law.count)]
        theta = tuple(t[some] for t in own)
        mass = exp(_log_density(fit, y, theta) + log_weight)
        served = np.abs(mass.sum(axis=1) - 1.0) <= _MASS
        served |= some == pivot
        taken.append(some[served])
        parts.append(_moments(fit, y, tuple(t[served] for t in theta), mass[served], free))
    return np.concatenate(taken), [np.concatenate(p) for p in zip(*parts, strict=True)]


def _log_density(fit: Fit, y: Array, theta: Arrays) -> Array:
    with np.errstate(all="ignore"):
        columns = tuple(t[:, None] for t in theta)
        return np.asarray(fit.family.log_density_hook(fit.family.statistics(y), columns))


def _moments(fit: Fit, y: Array, theta: Arrays, mass: Array, free: list[int]) -> list[Array]:
    """Return E[s s'], E[d s'] and E[d d'] from the masses (r, m) of nodes."""
    family, shape = fit.family, mass.shape
    columns = tuple(t[:, None] for t in theta)
    with np.errstate(all="ignore"):
        t = family.statistics(y)
        score = stacked_scores(family.score_hook(t, columns), y.shape[1])
        raw = family.curvature_hook(t, columns)
    score = np.broadcast_to(score, (*shape, len(theta)))[..., free]
    curvature = triangle(tuple(np.broadcast_to(c, shape) for c in raw), len(theta))
    d = indicators(score, curvature[..., free, :][..., free])
    # Nodes without mass lie where derivatives may overflow.
    seen = mass[..., None] > 0
    s, d = np.where(seen, score, 0.0), np.where(seen, d, 0.0)
    ws, wd = (np.swapaxes(mass[..., None] * v, 1, 2) for v in (s, d))
    return [ws @ s, wd @ s, wd @ d]
