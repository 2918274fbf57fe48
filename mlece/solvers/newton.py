"""Batched Newton's method with a trust region, on the exact Hessian in unconstrained coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array

Objective = Callable[[Array, Array], tuple[Array, Array, Array]]

DECREMENT = 1e-11
_ROUNDING = 1e-6
_GROW, _SHRINK, _MOST = 2.0, 0.25, 1e12


@dataclass(frozen=True)
class NewtonResult:
    """Where the iterations ended, for each member of the batch.

    Parameters
    ----------
    eta : array (r, m)
        Last accepted point.
    decrement : array (r,)
        Newton decrement there, sqrt(g' H^-1 g); infinite where H is not positive definite.
    converged : array of bool (r,)
        Whether the decrement fell below the tolerance (or to rounding).
    blocked : array of bool (r, m)
        Coordinates held at the box with the gradient pointing outwards.
    iterations : int
        Number of steps taken by the slowest member.
    """

    eta: Array
    decrement: Array
    converged: Array
    blocked: Array
    iterations: int


def _step(gradient: Array, hessian: Array, radius: Array) -> tuple[Array, Array, Array, Array]:
    """Minimise the quadratic model within the trust region (Moré and Sorensen 1983).

    Returns the step (r, m), the predicted decrease, the Newton decrement and the length of the step in
    curvature units, (r,) each.
    """
    # Lengths are measured in units of each coordinate's own curvature: a location may travel as far as
    # the scale of the moment allows.
    unit = np.sqrt(np.abs(np.diagonal(hessian, axis1=1, axis2=2)))
    unit = np.where(unit > 0, unit, 1.0)
    values, vectors = np.linalg.eigh(hessian / unit[:, :, None] / unit[:, None, :])
    along = np.einsum("rij,ri->rj", vectors, gradient / unit)
    smallest = values[:, 0]
    size = np.abs(values).max(axis=1)
    definite = smallest > 1e-14 * size
    with np.errstate(all="ignore"):
        decrement = np.where(definite, np.sqrt((along**2 / values).sum(axis=1)), np.inf)
        shift = np.where(definite, 0.0, -smallest + 1e-3 * size + 1e-300)
        for _ in range(12):
            q = along / (values + shift[:, None])
            norm = np.sqrt((q**2).sum(axis=1))
            far = norm > radius * 1.1
            if not far.any():
                break
            slope = (q**2 / (values + shift[:, None])).sum(axis=1)
            shift = np.where(far, shift + (norm / radius - 1.0) * norm**2 / slope, shift)
        q = along / (values + shift[:, None])
        norm = np.sqrt((q**2).sum(axis=1))
        q = q * np.minimum(1.0, radius / np.where(norm > 0, norm, 1.0))[:, None]
    predicted = (along * q - 0.5 * values * q**2).sum(axis=1)
    length = np.sqrt((q**2).sum(axis=1))
    return -np.einsum("rij,rj->ri", vectors, q) / unit, predicted, decrement, length


def newton(
    objective: Objective,
    start: Array,
    lower: Array,
    upper: Array,
    tolerance: float = DECREMENT,
    steps: int = 200,
) -> NewtonResult:
    """Minimise many functions at once.

    Parameters
    ----------
    objective : callable
        Maps points (r, m) and member indices (r,) to values (r,), gradients (r, m), Hessians (r, m, m).
    start : array (R, m)
        Starting points.
    lower, upper : array (m,)
        A box; a coordinate that reaches it with the gradient pointing outwards is held there.
    tolerance : float
        Newton decrement at which a member is finished.
    steps : int
        Largest number of iterations.

    Returns
    -------
    NewtonResult
    """
    count, m = start.shape
    eta = np.clip(start, lower, upper)
    everyone = np.arange(count)
    value, gradient, hessian = objective(eta, everyone)
    gradient, hessian = gradient.copy(), hessian.copy()
    radius = np.full(count, 1.0)
    decrement = np.full(count, np.inf)
    converged = np.zeros(count, dtype=bool)
    blocked = np.zeros((count, m), dtype=bool)
    stalled = np.zeros(count, dtype=int)
    active = everyone
    iteration = 0
    for iteration in range(steps + 1):
        g, h = gradient[active], hessian[active]
        bad = ~np.isfinite(g).all(axis=1) | ~np.isfinite(h).all(axis=(1, 2))
        if bad.any():
            active, g, h = active[~bad], g[~bad], h[~bad]
        held = ((eta[active] <= lower) & (g > 0)) | ((eta[active] >= upper) & (g < 0))
        blocked[active] = held
        if held.any():
            g = np.where(held, 0.0, g)
            h = np.where(held[:, :, None] | held[:, None, :], 0.0, h)
            h[:, np.arange(m), np.arange(m)] += held
        step, predicted, current, length = _step(g, h, radius[active])
        stalled[active] += current > 0.5 * decrement[active]
        decrement[active] = current
        done = (current <= tolerance) | ((current <= _ROUNDING) & (stalled[active] >= 2))
        converged[active[done]] = True
        active, step, predicted, length = (a[~done] for a in (active, step, predicted, length))
        if not active.size or iteration == steps:
            break
        trial = np.clip(eta[active] + step, lower, upper)
        new_value, new_gradient, new_hessian = objective(trial, active)
        old = value[active]
        gain = old - new_value
        noise = 8e-16 * (1.0 + np.abs(old))
        with np.errstate(all="ignore"):
            ratio = np.where(predicted > 100 * noise, gain / predicted, 1.0)
        usable = np.isfinite(new_value) & np.isfinite(new_gradient).all(axis=1)
        usable &= np.isfinite(new_hessian).all(axis=(1, 2))
        accept = usable & ((gain > 0) | (gain >= -100 * noise) & (predicted <= 100 * noise))
        good, poor = accept & (ratio > 0.75), ~accept | (ratio < 0.25)
        grown = np.where(good, np.maximum(radius[active], _GROW * length), radius[active])
        radius[active] = np.minimum(np.where(poor, _SHRINK * length, grown), _MOST)
        moved = active[accept]
        eta[moved], value[moved] = trial[accept], new_value[accept]
        gradient[moved], hessian[moved] = new_gradient[accept], new_hessian[accept]
        active = active[radius[active] > 1e-14]
        if not active.size:
            break
    return NewtonResult(eta, decrement, converged, blocked, iteration)
