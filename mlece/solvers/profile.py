"""Roots of profile equations in one positive parameter, bracketed, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.math import Array, Arrays
from mlece.numerics.masks import filled, some

Equation = Callable[[Array, Array], tuple[Array, Array, Arrays, Arrays]]

_LONGEST = 1.5
_NARROW = 1e-13
_STEPS = 100
# What bends a Newton step by more of its length comes from points too far apart.
_SLIGHT = 0.25


@dataclass(frozen=True)
class ProfileResult:
    """Roots with the brackets that prove them.

    Parameters
    ----------
    theta : tuple of arrays (r,)
        Parameters at the root.
    lower, upper : array (r,)
        Ends of an interval of the profiled parameter on which the score changes sign.
    excess : array (r,)
        Bound on the remaining cross-entropy, slope at an end times the width, in nats.
    proved : array of bool (r,)
        Whether the signs at the ends were seen to differ.
    iterations : int
        Evaluations of the slowest member.
    means : tuple of arrays (r,)
        Means of the profile statistics at the root.
    """

    theta: Arrays
    lower: Array
    upper: Array
    excess: Array
    proved: Array
    iterations: int
    means: Arrays


def near_root(equation: Equation, start: Array, short: float) -> Array:
    """Return the roots (r,) to a relative error of about the square of ``short``, unproved."""
    return np.asarray(np.exp(_iterate(equation, np.log(start), short, _STEPS)[0]))


def profile_root(
    equation: Equation, start: Array, short: float = 3e-7, steps: int = _STEPS
) -> ProfileResult:
    """Solve g(psi) = 0 for psi > 0, g increasing through its root, for many equations at once.

    Bracketed steps in log psi find the root; one more evaluation across it proves it. From the second
    evaluation on they lead to the root of the cubic through values and slopes at the last two points
    (inverse interpolation of Hermite), which errs by the product of the squares of their distances.

    Parameters
    ----------
    equation : callable
        Maps trial values (r,) and member indices (r,) to g, dg/dpsi, the full parameters and the means
        of the profile statistics.
    start : array (R,)
        Positive starting values.
    short : float
        Length in log psi of a Newton step after which the iteration ends, or product of the lengths of
        two steps; its square is the error left.
    steps : int
        Largest number of iterations.

    Returns
    -------
    ProfileResult
    """
    x, last, iterations = _iterate(equation, np.log(start), short, steps)
    everyone = np.arange(len(start))
    root = np.exp(x)
    g, _, theta, means = equation(root, everyone)
    # The root lies on the side to which g points, within the square of the last step.
    side = np.where(g > 0, -1.0, 1.0)
    width = np.maximum(4.0 * last**2, _NARROW)
    proved = g == 0
    other, beyond = root.copy(), g.copy()
    for _ in range(8):
        open_ = np.flatnonzero(~proved)
        if not open_.size:
            break
        other[open_] = np.exp(x[open_] + side[open_] * width[open_])
        beyond[open_] = equation(other[open_], open_)[0]
        proved[open_] = beyond[open_] * side[open_] >= 0
        width = np.where(proved, width, 16.0 * width)
    low, high = np.minimum(root, other), np.maximum(root, other)
    excess = np.maximum(np.abs(g), np.abs(beyond)) * (high - low)
    return ProfileResult(theta, low, high, excess, proved, iterations, means)


def _iterate(equation: Equation, x: Array, short: float, steps: int) -> tuple[Array, Array, int]:
    """Return the roots in log psi, the root of the error left there, and the number of evaluations."""
    low, high = filled(len(x), -np.inf), filled(len(x), np.inf)
    last = filled(len(x), np.inf)
    known: tuple[Array, Array, Array] | None = None
    active = np.arange(len(x))
    iterations = 0
    while active.size and iterations < steps:
        iterations += 1
        here = x[active]
        psi = np.exp(here)
        g, slope, _, _ = equation(psi, active)
        below, above = np.where(g <= 0, here, low[active]), np.where(g >= 0, here, high[active])
        low[active], high[active] = below, above
        with np.errstate(all="ignore"):
            rate = psi * slope
            step = -g / rate
            far = ~(np.isfinite(step) & (slope > 0))
            near: Any = 1.0
            if known is not None:
                bend = _bend(*known, here, g, rate)
                bent = np.abs(bend) <= _SLIGHT * np.abs(step)
                step = np.where(bent, step + bend, step)
                near = np.where(bent, np.minimum(1.0, 2.0 * np.abs(known[0] - here)), 1.0)
            middle = 0.5 * (below + above)
        if some(far):
            step = np.where(far, -np.sign(g) * _LONGEST, step)
        trial = here + np.minimum(np.maximum(step, -_LONGEST), _LONGEST)
        outside = (trial <= below) | (trial >= above)
        if some(outside):
            bisect = outside & np.isfinite(middle) & (np.abs(step) > short)
            trial = np.where(bisect, middle, trial)
            near = np.where(bisect, 1.0, near)
        moved = np.abs(trial - here)
        x[active], last[active] = trial, moved * near
        going = (moved * near > short) & (g != 0)
        active, known = active[going], (here[going], g[going], rate[going])
    return x, last, iterations


def _bend(other: Array, value: Array, slope: Array, x: Array, g: Array, rate: Array) -> Array:
    """Return what the inverse cubic through two points, g and dg/dx there adds to a Newton step."""
    gap, apart = value - g, other - x
    t = -g / gap
    square = 3 * apart - gap * (2 / rate + 1 / slope)
    return np.asarray(t * t * (square + t * (gap * (1 / rate + 1 / slope) - 2 * apart)))
