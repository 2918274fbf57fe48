"""Starting values of mixtures: the EM algorithm from several starts, all of them in one batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.compose import within
from mlece.likelihood.frame import UNIT
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.sample import Sample
from mlece.solvers.dispatch import solve
from mlece.solvers.widths import narrowness

_RANDOM_STARTS = 8
_STEPS = 40
# Where a component is no closed form, every step runs a solver, or an EM algorithm of its own: Newton's
# method then takes over earlier.
_STEPS_BY_SOLVER, _STEPS_BY_EM = 12, 5
# Observations of weight below this share do not tell the parameters of a component.
_FEWEST = 1e-6


def em_starts(mixture: Any, points: Array, slots: tuple[Array | None, ...]) -> Arrays:
    """Return framed parameters, (S, r) each, the most promising first.

    Every start assigns pilot points to components: in their order, by their distance from the median,
    or by the nearest of a few of them drawn at random. Dempster, Laird and Rubin (1977).

    Parameters
    ----------
    mixture : Mixture
    points : array (r, p) or (r, p, d)
        Pilot points, numbers in their order.
    slots : tuple of array (r,) or None
        Filled slots, None where free.
    """
    shares = _assignments(points, len(mixture.components))
    members, starts, _, _ = shares.shape
    y = np.repeat(points, starts, axis=0)
    share = shares.transpose(2, 0, 1, 3).reshape(shares.shape[2], -1, points.shape[1])
    fixed = tuple(None if v is None else np.repeat(v, starts) for v in slots)
    theta: Arrays | None = None
    steps = min(map(_steps, mixture.components))
    with np.errstate(all="ignore"):
        for _ in range(steps):
            theta = _maximised(mixture, y, share, fixed, theta)
            terms = mixture.terms(y, tuple(t[:, None] for t in theta))
            top = terms.max(axis=0)
            total = top + np.log(np.exp(terms - top).sum(axis=0))
            share = np.exp(terms - total)
            share = np.where(np.isfinite(share), share, 1.0 / len(share))
        assert theta is not None
        value = np.where(np.isfinite(total), total, -np.inf).mean(axis=1)
        value = value - narrowness(mixture, theta, np.full(len(value), float(points.shape[1])))
    value = np.where(np.isnan(value), -np.inf, value).reshape(members, starts)
    order = np.argsort(-value, axis=1, kind="stable") + starts * np.arange(members)[:, None]
    return tuple(t[order.T] for t in theta)


def _steps(component: Model) -> int:
    """Return how many steps are worth their while with a component."""
    if component._factors:
        return min(map(_steps, component._factors))
    if within(component) is not None:
        return _STEPS_BY_EM
    quick = component.has("_maximise") or component.has("_estimate") or component.profile_over
    return _STEPS if quick else _STEPS_BY_SOLVER


def _assignments(points: Array, k: int) -> Array:
    """Return responsibilities (r, starts, k, p) of some ways to divide points."""
    y = points[..., None] if points.ndim == 2 else points
    p = y.shape[1]
    spread = y.std(axis=1, keepdims=True)
    y = y / np.where(spread > 0, spread, 1.0)
    rng = np.random.default_rng(0)
    middle = np.median(y, axis=1, keepdims=True)
    ways = [_ranks(_leading(y - middle)), _ranks(((y - middle) ** 2).sum(axis=2))]
    ways = [(rank * k) // p for rank in ways]
    for _ in range(_RANDOM_STARTS):
        seeds = y[:, np.sort(rng.choice(p, size=k, replace=p < k))]
        away = [((y - seeds[:, [j]]) ** 2).sum(axis=2) for j in range(k)]
        ways.append(np.argmin(np.stack(away), axis=0))
    hard = np.stack(ways, axis=1)[:, :, None, :] == np.arange(k)[:, None]
    return np.asarray(0.9 * hard + 0.1 / k)


def _ranks(values: Array) -> Array:
    """Return the ranks of values (r, p) within each row."""
    order = np.argsort(values, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _leading(off: Array) -> Array:
    """Return the coordinate (r, p) of centred vectors (r, p, d) along their leading direction."""
    if off.shape[2] == 1:
        return off[..., 0]
    _, ways = np.linalg.eigh(np.swapaxes(off, 1, 2) @ off)
    first = ways[..., -1]
    # The sign of an eigenvector is arbitrary: the largest entry is made positive.
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1)[:, None], axis=1)
    return np.asarray((off @ (first * np.sign(largest))[..., None])[..., 0])


def _maximised(
    mixture: Any, y: Array, share: Array, fixed: tuple[Array | None, ...], before: Arrays | None
) -> Arrays:
    """Return the parameters (q,) that maximise the expected complete log-likelihood."""
    mass = share.mean(axis=2)
    found: list[list[Array]] = [[] for _ in mixture.params]
    for k in range(1, len(share)):
        found[k - 1].append(mass[k])
    for k, (component, place) in enumerate(zip(mixture.components, mixture._places, strict=True)):
        held = {p.name: fixed[at] for p, at in zip(component.params, place, strict=True)}
        part = _weighted_fit(component.replace(**held), y, share[k])
        for at, value in zip(place, part, strict=True):
            found[at].append(value)
    out = []
    for at, (p, values) in enumerate(zip(mixture.params, found, strict=True)):
        known = fixed[at]
        if known is not None:
            out.append(known)
            continue
        # A parameter in common starts at the mean of what the components would have.
        weights = mass if len(values) > 1 else np.ones((1, len(y)))
        value = (weights * np.stack(values)).sum(axis=0) / weights.sum(axis=0)
        value = np.minimum(np.maximum(value, p.limits[0]), p.limits[1])
        if at < len(share) - 1:
            value = np.minimum(np.maximum(value, _FEWEST), 1 - _FEWEST)
        usable = np.isfinite(value) & p.domain.contains(value)
        fallback = np.full(len(y), np.mean(p.typical)) if before is None else before[at]
        out.append(np.where(usable, value, fallback))
    return tuple(out)


def _weighted_fit(component: Model, y: Array, weights: Array) -> Arrays:
    """Return the maximum likelihood estimates (q,) of one component under weights (q, p)."""
    if not component._width:
        # Another component may hold points beyond the support of this one.
        inside = component.support.contains(y)
        if not inside.any():
            return tuple(np.full(len(y), np.nan) for _ in component.params)
        y, weights = np.where(inside, y, y[inside][0]), np.where(inside, weights, 0.0)
    usable = np.flatnonzero(weights.sum(axis=1) > _FEWEST * weights.shape[1])
    if not usable.size:
        return tuple(np.full(len(y), np.nan) for _ in component.params)
    inner = CrossEntropy(component, Sample(y, weights, (len(y),)), UNIT)
    slots = [inner.fixed.get(p.name) for p in component.params]
    limits = [m for m in component._degenerate(inner.summary, *slots) if not m.rival]
    stopped = np.logical_or.reduce([m.mask for m in limits], initial=False)
    usable = usable[~np.broadcast_to(stopped, (len(y),))[usable]]
    theta = solve(inner, "auto", usable).theta
    for limit in limits:
        # Where a component has no maximum it stays within its family, near the limit.
        theta = tuple(np.where(limit.mask, b, a) for a, b in zip(theta, limit.theta, strict=True))
    return tuple(np.broadcast_to(t, (len(y),)) for t in theta)
