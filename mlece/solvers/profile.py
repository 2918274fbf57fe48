"""Roots of profile equations in one positive parameter, bracketed, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array, Arrays

Equation = Callable[[Array, Array], tuple[Array, Array, Arrays]]

_LONGEST = 1.5


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
    """

    theta: Arrays
    lower: Array
    upper: Array
    excess: Array
    proved: Array
    iterations: int


def profile_root(equation: Equation, start: Array, steps: int = 80) -> ProfileResult:
    """Solve g(psi) = 0 for psi > 0, g increasing through its root, by bracketed Newton steps in log psi.

    Parameters
    ----------
    equation : callable
        Maps trial values (r,) and member indices (r,) to g, dg/dpsi and the full parameters.
    start : array (R,)
        Positive starting values.
    steps : int
        Largest number of iterations.

    Returns
    -------
    ProfileResult
    """
    count = len(start)
    x = np.log(start)
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    last = np.full(count, np.inf)
    active = np.arange(count)
    iteration = 0
    for iteration in range(1, steps + 1):
        psi = np.exp(x[active])
        g, slope, _ = equation(psi, active)
        low[active] = np.where(g <= 0, x[active], low[active])
        high[active] = np.where(g >= 0, x[active], high[active])
        with np.errstate(all="ignore"):
            step = -g / (psi * slope)
        step = np.where(np.isfinite(step) & (slope > 0), step, -np.sign(g) * _LONGEST)
        step = np.clip(step, -_LONGEST, _LONGEST)
        trial = x[active] + step
        middle = 0.5 * (low[active] + high[active])
        outside = (trial <= low[active]) | (trial >= high[active])
        trial = np.where(outside & np.isfinite(middle) & (np.abs(step) > 1e-12), middle, trial)
        last[active] = np.abs(trial - x[active])
        x[active] = trial
        # A Newton step of 1e-7 leaves an error of its square.
        unfinished = (last[active] > 1e-7) & (g != 0)
        active = active[unfinished]
        if not active.size:
            break
    everyone = np.arange(count)
    width = np.maximum(4.0 * last**2, 1e-12)
    for _ in range(5):
        a, b = np.exp(x - width), np.exp(x + width)
        ga, _, _ = equation(a, everyone)
        gb, _, _ = equation(b, everyone)
        proved = (ga <= 0) & (gb >= 0)
        if proved.all():
            break
        width = np.where(proved, width, 16.0 * width)
    _, _, theta = equation(np.exp(x), everyone)
    excess = np.maximum(np.abs(ga), np.abs(gb)) * (b - a)
    return ProfileResult(theta, a, b, excess, proved, iteration)
