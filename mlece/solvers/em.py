"""Starting values of mixtures: the EM algorithm from several starts, all of them in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlece.frame import UNIT
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.objective import CrossEntropy
from mlece.sample import Sample

_POINTS = 512
_RANDOM_STARTS = 8
_STEPS = 40
# Observations of weight below this share do not tell the parameters of a component.
_FEWEST = 1e-6


def em_starts(
    objective: CrossEntropy, members: Array, solve: Callable[..., Any]
) -> Iterator[Arrays]:
    """Yield framed parameters, (r,) each, the most promising first.

    Every start assigns pilot points to components: in their order, by their distance from the median,
    or by the nearest of a few of them drawn at random. Dempster, Laird and Rubin (1977).

    Parameters
    ----------
    objective : CrossEntropy
        Of a mixture.
    members : array of int (r,)
    solve : callable
        Maximises the weighted likelihood of a component.
    """
    mixture: Any = objective.model
    points = objective.pilot(_POINTS)[members]
    shares = _assignments(points, len(mixture.components))
    starts = shares.shape[1]
    y = np.repeat(points, starts, axis=0)
    share = shares.transpose(2, 0, 1, 3).reshape(shares.shape[2], -1, points.shape[1])
    owner = np.repeat(members, starts)
    theta: Arrays | None = None
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            theta = _maximised(objective, y, share, owner, theta, solve)
            terms = mixture.terms(y, tuple(t[:, None] for t in theta))
            top = terms.max(axis=0)
            total = top + np.log(np.exp(terms - top).sum(axis=0))
            share = np.exp(terms - total)
            share = np.where(np.isfinite(share), share, 1.0 / len(share))
    assert theta is not None
    value = np.where(np.isfinite(total), total, -np.inf).mean(axis=1).reshape(len(members), starts)
    value = value - narrowness(objective, theta, owner).reshape(value.shape)
    order = np.argsort(-value, axis=1, kind="stable")
    rows = np.arange(len(members))
    for place in range(starts):
        picked = rows * starts + order[:, place]
        yield tuple(t[picked] for t in theta)


def _assignments(points: Array, k: int) -> Array:
    """Return responsibilities (r, starts, k, p) of some ways to divide sorted points (r, p)."""
    r, p = points.shape
    rng = np.random.default_rng(0)
    groups = (np.arange(p) * k) // p
    away = np.argsort(np.argsort(np.abs(points - points[:, p // 2, None]), axis=1), axis=1)
    ways = [np.broadcast_to(groups, (r, p)), (away * k) // p]
    for _ in range(_RANDOM_STARTS):
        centres = points[:, np.sort(rng.choice(p, size=k, replace=p < k))]
        ways.append(np.argmin(np.abs(points[:, :, None] - centres[:, None, :]), axis=2))
    hard = np.stack(ways, axis=1)[:, :, None, :] == np.arange(k)[:, None]
    return np.asarray(0.9 * hard + 0.1 / k)


def _maximised(
    objective: CrossEntropy,
    y: Array,
    share: Array,
    owner: Array,
    before: Arrays | None,
    solve: Callable[..., Any],
) -> Arrays:
    """Return the parameters (q,) that maximise the expected complete log-likelihood."""
    mixture: Any = objective.model
    size = len(y)
    mass = share.mean(axis=2)
    found: list[list[Array]] = [[] for _ in mixture.params]
    for k in range(1, len(share)):
        found[k - 1].append(mass[k])
    for k, (component, place) in enumerate(zip(mixture.components, mixture._places, strict=True)):
        names = [mixture.params[at].name for at in place]
        held = {
            p.name: objective.fixed[n][owner] if n in objective.fixed else component.slots[p.name]
            for p, n in zip(component.params, names, strict=True)
        }
        part = _weighted_fit(type(component)(**held, **component.settings), y, share[k], solve)
        for at, value in zip(place, part, strict=True):
            found[at].append(value)
    out = []
    for at, (p, values) in enumerate(zip(mixture.params, found, strict=True)):
        if p.name in objective.fixed:
            out.append(objective.fixed[p.name][owner])
            continue
        # A parameter in common starts at the mean of what the components would have.
        weights = mass if len(values) > 1 else np.ones((1, size))
        value = (weights * np.stack(values)).sum(axis=0) / weights.sum(axis=0)
        value = np.minimum(np.maximum(value, p.limits[0]), p.limits[1])
        if p.name.startswith("weight["):
            value = np.minimum(np.maximum(value, _FEWEST), 1 - _FEWEST)
        usable = np.isfinite(value) & p.domain.contains(value)
        fallback = np.full(size, np.mean(p.typical)) if before is None else before[at]
        out.append(np.where(usable, value, fallback))
    return tuple(out)


def _weighted_fit(component: Model, y: Array, weights: Array, solve: Callable[..., Any]) -> Arrays:
    """Return the maximum likelihood estimates (q,) of one component under weights (q, p)."""
    usable = np.flatnonzero(weights.sum(axis=1) > _FEWEST * weights.shape[1])
    out = tuple(np.full(len(y), np.nan) for _ in component.params)
    if not usable.size:
        return out
    inner = CrossEntropy(component, Sample(y, weights, (len(y),)), UNIT)
    solution = solve(inner, "auto", usable)
    return tuple(np.broadcast_to(t, (len(y),)) for t in solution.theta)


def narrowness(objective: CrossEntropy, theta: Arrays, members: Array) -> Array:
    """Return a penalty (r,) in nats per observation on components that sit on a few observations.

    The sum over components of 1/s² + log s² over n², for scales s in units of the spread of the data;
    with it the highest of many local maxima is a consistent choice (Chen, Tan and Zhang 2008, Statistica
    Sinica 18, 443-465). It chooses between maxima and is no part of the likelihood.
    """
    mixture: Any = objective.model
    if mixture.support.discrete:
        return np.zeros(len(theta[0]))
    with np.errstate(all="ignore"):
        widths = mixture.widths(theta)
        terms = 1.0 / widths**2 + 2.0 * np.log(widths)
    total = np.where(np.isnan(terms), 0.0, terms).sum(axis=0)
    return np.asarray(total / objective.total[members] ** 2)
