"""Scores and information indicators as known laws themselves expect them.

A law knows the covariance of its score s and of d = vech(s s' + H) exactly. Expectations are sums over the
quadrature nodes of one member of an array of laws, weighted with the density of each; a member whose mass
they miss gets nodes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.likelihood.evaluation import stacked_scores, triangle
from mlece.math import Array, Arrays, exp
from mlece.model import Model
from mlece.sources.distribution import nodes

# Nodes of another member serve if they find its mass and its entropy's scale this well.
_MASS = 1e-12
# Members are evaluated in slabs of about so many (member, node) pairs.
_SLAB = 1 << 18


@dataclass(frozen=True)
class Moments:
    """Second moments under known laws, each in its own frame.

    Attributes
    ----------
    factors : array (R, k)
        dθ/dθ_own for the parameters asked for.
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

    def unframed(self) -> Moments:
        """Return the moments in the parameters themselves."""
        f = self.factors
        rows, columns = np.triu_indices(f.shape[1])
        g = f[:, rows] * f[:, columns]
        return Moments(
            np.ones_like(f),
            self.scores / f[:, :, None] / f[:, None, :],
            self.cross / g[:, :, None] / f[:, None, :],
            self.indicators / g[:, :, None] / g[:, None, :],
        )


def pseudo_inverse(matrix: Array) -> Array:
    """Return generalised inverses of covariance matrices (R, k, k); NaN for those that are not finite.

    Diagonals are scaled to one first: what counts as rank must not depend on units.
    """
    known = np.isfinite(matrix).all(axis=(1, 2), keepdims=True)
    usable = np.where(known, matrix, 0.0)
    size = np.sqrt(np.abs(np.diagonal(usable, axis1=1, axis2=2)))
    size = np.where(size > 0, size, 1.0)
    outer = size[:, :, None] * size[:, None, :]
    found = np.linalg.pinv(usable / outer, hermitian=True) / outer
    return np.asarray(np.where(known, found, np.nan))


def indicators(score: Array, curvature: Array) -> Array:
    """Return d = vech(s s' + H), the upper triangle row by row, (..., k(k + 1)/2)."""
    rows, columns = np.triu_indices(score.shape[-1])
    return np.asarray(score[..., rows] * score[..., columns] + curvature[..., rows, columns])


def member_moments(family: Model, theta: Arrays, free: list[int]) -> Moments:
    """Return the second moments of scores and indicators under every member of an array of laws.

    Parameters
    ----------
    family : Model
    theta : tuple of arrays (R,)
        All parameters of the members.
    free : list of int
        The parameters with respect to which derivatives are taken.

    Raises
    ------
    NoDensityError
        For laws of vectors, which have no quadrature here, and members whose mass cannot be found.
    """
    size = len(theta[0])
    shift, scale = np.zeros(size), np.ones(size)
    if family.roles():
        shift, scale = (
            np.array(np.broadcast_to(v, (size,)), dtype=float) for v in family.own_frame(theta)
        )
    own = tuple(
        np.array(np.broadcast_to(np.asarray(t), (size, *np.shape(t)[1:])), dtype=float)
        for t in family.to_frame(theta, shift, scale)
    )
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
        taken, moments = _by_one_rule(family, own, left, free)
        for target, values in zip(out, moments, strict=True):
            target[taken] = values
        left = np.setdiff1d(left, taken)
    return Moments(factors, *[values[which.ravel()] for values in out])


def _by_one_rule(
    family: Model, own: Arrays, members: Array, free: list[int]
) -> tuple[Array, list[Array]]:
    """Return the members that the nodes of the most typical one serve, and their second moments."""
    middle = [np.median(t[members]) for t in own]
    far = sum(np.abs(t[members] - m) / (abs(m) + 1.0) for t, m in zip(own, middle, strict=True))
    pivot = int(members[int(np.argmin(far))])
    law = nodes(family.member(*[t[pivot] for t in own]))
    y = law.values[None, :]
    with np.errstate(divide="ignore"):
        log_weight = np.log(law.mass) - _log_density(family, y, tuple(t[[pivot]] for t in own))[0]
    log_weight = np.where(law.mass > 0, log_weight, -np.inf)
    taken, parts = [], []
    for start in range(0, len(members), max(1, _SLAB // law.count)):
        some = members[start : start + max(1, _SLAB // law.count)]
        theta = tuple(t[some] for t in own)
        mass = exp(_log_density(family, y, theta) + log_weight)
        served = np.abs(mass.sum(axis=1) - 1.0) <= _MASS
        served |= some == pivot
        taken.append(some[served])
        parts.append(_moments(family, y, tuple(t[served] for t in theta), mass[served], free))
    return np.concatenate(taken), [np.concatenate(p) for p in zip(*parts, strict=True)]


def _log_density(family: Model, y: Array, theta: Arrays) -> Array:
    with np.errstate(all="ignore"):
        columns = tuple(t[:, None] for t in theta)
        return np.asarray(family.log_density_hook(family.statistics(y), columns))


def _moments(family: Model, y: Array, theta: Arrays, mass: Array, free: list[int]) -> list[Array]:
    """Return E[s s'], E[d s'] and E[d d'] from the masses (r, m) of nodes."""
    shape = mass.shape
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
