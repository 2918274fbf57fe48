"""Batched Newton's method with a trust region, on the exact Hessian in unconstrained coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dposv

from mlece.math import Array
from mlece.numerics.masks import every, some

Objective = Callable[[Array, Array], tuple[Array, Array, Array]]

# The square of the decrement bounds the excess: with this one it lies below the rounding of a
# cross-entropy, and the last step, which squares the decrement, comes down to rounding itself.
DECREMENT = 1e-8
_ROUNDING = 1e-6
# Of this one the digits are rounding: no step is worth an evaluation.
_SETTLED = 1e-14
_FLAT = 1e-4
MANY = 100  # coordinates from which a factor is tried before eigenvectors
_GROW, _SHRINK, _MOST = 2.0, 0.25, 1e12
# A step this much longer than the radius is cut instead of solved for again.
_BEYOND = 1.1
_IDLE = 25  # steps without a gain beyond rounding after which a member is given up


def decrement(gradient: Array, hessian: Array) -> Array:
    """Return the Newton decrement (g' H⁻¹ g)^½, infinite where H is not positive definite.

    Parameters
    ----------
    gradient : array (r, m)
    hessian : array (r, m, m)
    """
    m = gradient.shape[1]
    if m == 0:
        return np.zeros(len(gradient))
    if len(gradient) == 1 and np.isfinite(hessian).all():
        # Cholesky's factor is free of the parameters' scales.
        _, step, failed = dposv(hessian[0], gradient[0])
        square = float(step @ gradient[0])
        return np.array([math.sqrt(square) if not failed and square >= 0 else np.inf])
    with np.errstate(all="ignore"):
        if m == 1:
            h, g = hessian[:, 0, 0], gradient[:, 0]
            return np.where(h > 0, np.abs(g) / np.sqrt(h), np.inf)
        # Unit diagonal first: the decrement is free of the parameters' scales, eigenvalues are not.
        d = np.asarray(np.sqrt(hessian.diagonal(0, 1, 2)))
        g = gradient / d
        if m == 2:
            r = hessian[:, 0, 1] / (d[:, 0] * d[:, 1])
            square = (g[:, 0] ** 2 - 2 * r * g[:, 0] * g[:, 1] + g[:, 1] ** 2) / ((1 - r) * (1 + r))
            return np.asarray(np.where(np.abs(r) < 1, np.sqrt(np.abs(square)), np.inf))
        scaled = hessian / d[:, :, None] / d[:, None, :]
        usable = np.isfinite(scaled).all(axis=(1, 2)) & np.isfinite(g).all(axis=1)
        scaled = np.where(usable[:, None, None], scaled, np.eye(m))
        if m >= MANY and usable.all():
            try:
                root = np.linalg.cholesky(scaled)
            except np.linalg.LinAlgError:
                # Eigenvalues tell which members are to blame.
                pass
            else:
                return np.asarray(np.linalg.norm(np.linalg.solve(root, g[:, :, None]), axis=(1, 2)))
        values, vectors = np.linalg.eigh(scaled)
        along = np.einsum("rij,ri->rj", vectors, np.where(usable[:, None], g, 0.0))
        squared = (along**2 / values).sum(axis=1)
        return np.where(usable & (values[:, 0] > 0), np.sqrt(np.abs(squared)), np.inf)


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
    hessian : array (r, m, m)
        Hessian there.
    iterations : int
        Number of steps taken by the slowest member.
    """

    eta: Array
    value: Array
    decrement: Array
    converged: Array
    blocked: Array
    hessian: Array
    iterations: int

    def flat(self, members: Array) -> Array:
        """Tell where the Hessian, its diagonal made one, is singular to a few digits or not definite.

        A saddle may have stopped the iterations there.
        """
        hessian = self.hessian[members]
        unit = np.sqrt(np.abs(hessian.diagonal(0, 1, 2)))
        usable = np.asarray(np.isfinite(hessian).all(axis=(1, 2)) & (unit > 0).all(axis=1))
        h = np.where(usable[:, None, None], hessian, np.eye(hessian.shape[1]))
        unit = np.where(usable[:, None], unit, 1.0)
        scaled = h / unit[:, :, None] / unit[:, None, :]
        if h.shape[1] >= MANY and usable.all():
            try:
                np.linalg.cholesky(scaled - _FLAT * np.eye(h.shape[1]))
            except np.linalg.LinAlgError:
                # Eigenvalues tell which members are to blame.
                pass
            else:
                return np.zeros(len(h), dtype=bool)
        return np.asarray(~usable | (np.linalg.eigvalsh(scaled)[:, 0] < _FLAT))


def _step(gradient: Array, hessian: Array, radius: Array) -> tuple[Array, Array, Array, Array]:
    """Minimise the quadratic model within the trust region (Moré and Sorensen 1983).

    Returns the step (r, m), the predicted decrease, the Newton decrement and the length of the step in
    curvature units, (r,) each.
    """
    # Lengths are measured in units of each coordinate's own curvature: a location may travel as far as
    # the scale of the moment allows.
    unit = np.sqrt(np.abs(hessian.diagonal(0, 1, 2)))
    if not every(unit > 0):
        unit = np.where(unit > 0, unit, 1.0)
    scaled = hessian / unit[:, :, None] / unit[:, None, :]
    if len(scaled) == 1 and scaled.shape[1] >= MANY:
        found = _inner_step(gradient[0] / unit[0], scaled[0], float(radius[0]))
        if found is not None:
            step, *told = found
            return -step / unit, *np.array(told)[:, None]
    values, vectors = np.linalg.eigh(scaled)
    along = ((gradient / unit)[:, None, :] @ vectors)[:, 0]
    smallest = values[:, 0]
    size = np.maximum(-smallest, values[:, -1])
    definite = smallest > 1e-14 * size
    q = along / values
    decrement = np.where(definite, np.sqrt(np.vecdot(along, q)), np.inf)
    norm = np.sqrt(np.vecdot(q, q))
    free = definite & (norm <= radius * _BEYOND)
    if not every(free):
        q, norm = _at_edge(along, values, radius, definite, size)
    q *= np.minimum(1.0, radius / norm)[:, None]
    predicted = np.vecdot(q, along - 0.5 * values * q)
    step = (vectors @ -q[:, :, None])[:, :, 0] / unit
    return step, predicted, decrement, np.minimum(norm, radius)


def _inner_step(
    gradient: Array, hessian: Array, radius: float
) -> tuple[Array, float, float, float] | None:
    """Return the plain Newton step (m,) with what ``_step`` tells of it; None where it is not the one.

    Cholesky's factor takes a tenth of the time of eigenvectors.
    """
    _, step, failed = dposv(hessian, gradient)
    squared, norm = float(step @ gradient), math.sqrt(step @ step)
    if failed or not (squared > 0 and norm <= radius * _BEYOND):
        return None
    # Of the decrease that the model tells of, half of the squared decrement, what a shorter step keeps.
    share = min(1.0, radius / norm)
    predicted = share * (1.0 - 0.5 * share) * squared
    return step * share, predicted, math.sqrt(squared), min(norm, radius)


def _at_edge(
    along: Array, values: Array, radius: Array, definite: Array, size: Array
) -> tuple[Array, Array]:
    """Return steps (r, m) along the eigenvectors that do not leave the region by much, and lengths."""
    # Where the model has no minimum the step reaches the edge of the region.
    reach = np.maximum(np.abs(along[:, 0]) / radius, 1e-12 * size) + 1e-300
    shift = np.where(definite, 0.0, reach - values[:, 0])
    for trial in range(13):
        bent = values + shift[:, None]
        q = along / bent
        norm = np.sqrt(np.vecdot(q, q))
        far = norm > radius * _BEYOND
        if trial == 12 or not some(far):
            break
        slope = np.vecdot(q, q / bent)
        shift = np.where(far, shift + (norm / radius - 1.0) * norm**2 / slope, shift)
    return q, norm


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
    with np.errstate(all="ignore"):
        batch = _Batch(objective, start, lower, upper)
        active, iteration = batch.usable, 0
        while active.size:
            gradient, hessian = batch.derivatives(active)
            step, predicted, decrement, length = _step(gradient, hessian, batch.radius[active])
            done = batch.finished(active, step, decrement, tolerance)
            if some(done):
                going = ~done
                active, step = active[going], step[going]
                predicted, length = predicted[going], length[going]
            if not active.size or iteration == steps:
                break
            active = batch.attempt(active, step, predicted, length)
            iteration += 1
    return NewtonResult(
        batch.eta,
        batch.value,
        batch.decrement,
        batch.converged,
        batch.blocked,
        batch.hessian,
        iteration,
    )


class _Batch:
    """The iterates of all members with what was last evaluated there."""

    def __init__(self, objective: Objective, start: Array, lower: Array, upper: Array) -> None:
        count, m = start.shape
        self.objective, self.lower, self.upper = objective, lower, upper
        self.boxed = not (every(lower == -np.inf) and every(upper == np.inf))
        self.eta = self._within(start)
        everyone = np.arange(count)
        value, gradient, hessian = objective(self.eta, everyone)
        self.value, self.gradient, self.hessian = value.copy(), gradient.copy(), hessian.copy()
        self.usable = everyone[_finite(gradient, hessian)]
        self.radius = np.ones(count)
        self.decrement = np.full(count, np.inf)
        self.converged = np.zeros(count, dtype=bool)
        self.blocked = np.zeros((count, m), dtype=bool)
        self.stalled = np.zeros(count, dtype=int)
        self.idle = np.zeros(count, dtype=int)

    def _within(self, eta: Array) -> Array:
        """Return points brought into the box."""
        return np.minimum(np.maximum(eta, self.lower), self.upper) if self.boxed else eta.copy()

    def derivatives(self, active: Array) -> tuple[Array, Array]:
        """Return gradients and Hessians; held coordinates drop out."""
        g, h = self.gradient[active], self.hessian[active]
        if self.boxed:
            eta = self.eta[active]
            held = ((eta <= self.lower) & (g > 0)) | ((eta >= self.upper) & (g < 0))
            self.blocked[active] = held
            if some(held):
                g = np.where(held, 0.0, g)
                h = np.where(held[:, :, None] | held[:, None, :], 0.0, h)
                diagonal = np.arange(g.shape[1])
                h[:, diagonal, diagonal] += held
        return g, h

    def finished(self, active: Array, step: Array, decrement: Array, tolerance: float) -> Array:
        """Tell who is below the tolerance, or no longer gets closer to it, and record them."""
        below = decrement <= tolerance
        done = below
        # Far from the optimum a decrement may grow and says nothing about rounding.
        close = decrement <= _ROUNDING
        if some(close):
            before = self.decrement[active]
            self.stalled[active] += close & (decrement > 0.5 * before)
            # What the last step made of the decrement, the next will make of this one.
            share = decrement / before
            below |= close & (before < np.inf) & (decrement * share * share <= _SETTLED)
            done = below | (close & (self.stalled[active] >= 2))
        self.decrement[active] = decrement
        if some(done):
            # The last step is known and costs no evaluation; it squares the error, unless it is rounding.
            moves = below & (decrement > _SETTLED)
            last = active[moves]
            self.eta[last] = self._within(self.eta[last] + step[moves])
            self.converged[active[done]] = True
        return done

    def attempt(self, active: Array, step: Array, predicted: Array, length: Array) -> Array:
        """Take the steps that pay, adapt the radii, and return who goes on."""
        trial = self._within(self.eta[active] + step)
        value, gradient, hessian = self.objective(trial, active)
        before, radius = self.value[active], self.radius[active]
        gain = before - value
        # Below this the difference of two values is rounding: the step is judged by its prediction.
        noise = 8e-14 * (1.0 + np.abs(before))
        ratio, accept = gain / predicted, gain > 0
        blurred = predicted <= noise
        if some(blurred):
            ratio = np.where(blurred, 1.0, ratio)
            accept |= blurred & (gain >= -noise)
        accept &= np.isfinite(value) & _finite(gradient, hessian)
        good = accept & (ratio > 0.75)
        grown = np.maximum(radius, _GROW * length)
        if not every(good):
            poor = ~accept | (ratio < 0.25)
            grown = np.where(poor, _SHRINK * length, np.where(good, grown, radius))
        self.radius[active] = radius = np.minimum(grown, _MOST)
        kept: Any = slice(None) if every(accept) else accept
        moved = active[kept]
        self.eta[moved], self.value[moved] = trial[kept], value[kept]
        self.gradient[moved], self.hessian[moved] = gradient[kept], hessian[kept]
        self.idle[active] = np.where(accept & (gain > noise), 0, self.idle[active] + 1)
        stuck = (radius <= 1e-14) | (self.idle[active] >= _IDLE)
        if not some(stuck):
            return active
        # Where no step pays any more and the decrement is that of rounding, the optimum was met.
        self.converged[active[stuck & (self.decrement[active] <= _ROUNDING)]] = True
        return active[~stuck]


def _finite(gradient: Array, hessian: Array) -> Array:
    """Tell which members have finite derivatives."""
    # A sum of numbers is no number where one of them is none.
    sums = np.add.reduce(gradient, axis=1) + np.add.reduce(hessian, axis=(1, 2))
    return np.asarray(np.isfinite(sums))
