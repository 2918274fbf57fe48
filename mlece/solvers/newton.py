"""Batched Newton's method with a trust region, on the exact Hessian in unconstrained coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array

Objective = Callable[[Array, Array], tuple[Array, Array, Array]]

DECREMENT = 1e-11
_ROUNDING = 1e-6
_FLAT = 1e-4
_GROW, _SHRINK, _MOST = 2.0, 0.25, 1e12
_IDLE = 25  # steps without a gain beyond rounding after which a member is given up


@dataclass(frozen=True)
class NewtonResult:
    """Where the iterations ended, for each member of the batch.

    Parameters
    ----------
    eta : array (r, m)
        Last accepted point.
    value : array (r,)
        Value there.
    decrement : array (r,)
        Newton decrement there, sqrt(g' H^-1 g); infinite where H is not positive definite.
    converged : array of bool (r,)
        Whether the decrement fell below the tolerance (or to rounding).
    blocked : array of bool (r, m)
        Coordinates held at the box with the gradient pointing outwards.
    flat : array of bool (r,)
        Whether the Hessian there is nearly singular: a saddle may have stopped the iterations.
    iterations : int
        Number of steps taken by the slowest member.
    """

    eta: Array
    value: Array
    decrement: Array
    converged: Array
    blocked: Array
    flat: Array
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
        # Where the model has no minimum the step reaches the edge of the region.
        reach = np.abs(along[:, 0]) / radius
        shift = np.where(definite, 0.0, -smallest + np.maximum(reach, 1e-12 * size) + 1e-300)
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
    batch = _Batch(objective, start, lower, upper)
    active = np.arange(len(start))
    iteration = 0
    for iteration in range(steps + 1):
        active, gradient, hessian = batch.derivatives(active)
        step, predicted, decrement, length = _step(gradient, hessian, batch.radius[active])
        done = batch.finished(active, decrement, tolerance)
        # The last step is known and costs no evaluation; it squares an error of 1e-11.
        last = done & (decrement <= tolerance)
        batch.eta[active[last]] = np.clip(batch.eta[active[last]] + step[last], lower, upper)
        going = ~done
        active = active[going]
        if not active.size or iteration == steps:
            break
        active = batch.attempt(active, step[going], predicted[going], length[going])
        if not active.size:
            break
    return NewtonResult(
        batch.eta,
        batch.value,
        batch.decrement,
        batch.converged,
        batch.blocked,
        _flat(batch.hessian),
        iteration,
    )


def _flat(hessian: Array) -> Array:
    """Tell where the Hessian, its diagonal made one, is singular to a few digits or not definite."""
    unit = np.sqrt(np.abs(np.diagonal(hessian, axis1=1, axis2=2)))
    usable = np.isfinite(hessian).all(axis=(1, 2)) & (unit > 0).all(axis=1)
    h = np.where(usable[:, None, None], hessian, np.eye(hessian.shape[1]))
    unit = np.where(usable[:, None], unit, 1.0)
    least = np.linalg.eigvalsh(h / unit[:, :, None] / unit[:, None, :])[:, 0]
    return np.asarray(~usable | (least < _FLAT))


class _Batch:
    """The iterates of all members with what was last evaluated there."""

    def __init__(self, objective: Objective, start: Array, lower: Array, upper: Array) -> None:
        count, m = start.shape
        self.objective, self.lower, self.upper = objective, lower, upper
        self.eta = np.clip(start, lower, upper)
        value, gradient, hessian = objective(self.eta, np.arange(count))
        self.value, self.gradient, self.hessian = value.copy(), gradient.copy(), hessian.copy()
        self.radius = np.full(count, 1.0)
        self.decrement = np.full(count, np.inf)
        self.converged = np.zeros(count, dtype=bool)
        self.blocked = np.zeros((count, m), dtype=bool)
        self.stalled = np.zeros(count, dtype=int)
        self.idle = np.zeros(count, dtype=int)

    def derivatives(self, active: Array) -> tuple[Array, Array, Array]:
        """Return the members with finite derivatives, gradients and Hessians; held coordinates drop out."""
        g, h = self.gradient[active], self.hessian[active]
        usable = np.isfinite(g).all(axis=1) & np.isfinite(h).all(axis=(1, 2))
        if not usable.all():
            active, g, h = active[usable], g[usable], h[usable]
        eta = self.eta[active]
        held = ((eta <= self.lower) & (g > 0)) | ((eta >= self.upper) & (g < 0))
        self.blocked[active] = held
        if held.any():
            g = np.where(held, 0.0, g)
            h = np.where(held[:, :, None] | held[:, None, :], 0.0, h)
            diagonal = np.arange(g.shape[1])
            h[:, diagonal, diagonal] += held
        return active, g, h

    def finished(self, active: Array, decrement: Array, tolerance: float) -> Array:
        """Record the decrements; tell who is below the tolerance, or no longer gets closer to it."""
        # Far from the optimum a decrement may grow and says nothing about rounding.
        close = decrement <= _ROUNDING
        self.stalled[active] += close & (decrement > 0.5 * self.decrement[active])
        self.decrement[active] = decrement
        at_rounding = close & (self.stalled[active] >= 2)
        done = (decrement <= tolerance) | at_rounding
        self.converged[active[done]] = True
        return np.asarray(done)

    def attempt(self, active: Array, step: Array, predicted: Array, length: Array) -> Array:
        """Take the steps that pay, adapt the radii, and return who goes on."""
        trial = np.clip(self.eta[active] + step, self.lower, self.upper)
        value, gradient, hessian = self.objective(trial, active)
        gain = self.value[active] - value
        # Below this the difference of two values is rounding: the step is judged by its prediction.
        noise = 8e-14 * (1.0 + np.abs(self.value[active]))
        with np.errstate(all="ignore"):
            ratio = np.where(predicted > noise, gain / predicted, 1.0)
        usable = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
        usable &= np.isfinite(hessian).all(axis=(1, 2))
        accept = usable & ((gain > 0) | ((gain >= -noise) & (predicted <= noise)))
        good, poor = accept & (ratio > 0.75), ~accept | (ratio < 0.25)
        radius = self.radius[active]
        grown = np.where(good, np.maximum(radius, _GROW * length), radius)
        self.radius[active] = np.minimum(np.where(poor, _SHRINK * length, grown), _MOST)
        moved = active[accept]
        self.eta[moved], self.value[moved] = trial[accept], value[accept]
        self.gradient[moved], self.hessian[moved] = gradient[accept], hessian[accept]
        self.idle[active] = np.where(accept & (gain > noise), 0, self.idle[active] + 1)
        stuck = (self.radius[active] <= 1e-14) | (self.idle[active] >= _IDLE)
        # Where no step pays any more and the decrement is that of rounding, the optimum was met.
        self.converged[active[stuck & (self.decrement[active] <= _ROUNDING)]] = True
        return active[~stuck]
