"""Numerical derivatives of a log density in its parameters, for models that declare none."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from mlece.math import Array, Arrays

# Central differences of sixth order: f'(0) ~ sum c_j (f(jh) - f(-jh)) / h.
_FIRST = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
_SECOND = ((1, 270 / 180), (2, -27 / 180), (3, 2 / 180))
_SECOND_CENTRE = -490 / 180


def _steps(theta: Arrays, lower: list[float], upper: list[float], power: float) -> Arrays:
    """Steps h such that theta +- 3 h stays inside each parameter's domain."""
    steps = []
    for value, low, high in zip(theta, lower, upper, strict=True):
        room = np.minimum(value - low, high - value)
        # A parameter may be 0 in the middle of a domain that ends elsewhere.
        inner = np.minimum(room, np.maximum(np.abs(value), 0.1))
        size = np.where(np.isfinite(room), inner, 1.0 + np.abs(value))
        steps.append(np.minimum(size * np.finfo(float).eps ** power, room / 4.0))
    return tuple(steps)


def numerical_score(
    log_density: Callable[..., Array],
    y: Array,
    theta: Arrays,
    lower: list[float],
    upper: list[float],
    held: Collection[int] = (),
) -> Arrays:
    """Return d log q / d theta_j by sixth-order central differences, one array per parameter.

    The parameters in ``held`` are known constants: not moved, their derivatives 0.
    """
    steps = _steps(theta, lower, upper, 1 / 7)
    out = []
    for j, h in enumerate(steps):
        if j in held:
            out.append(np.zeros_like(steps[j]))
            continue

        def shifted(k: float, j: int = j, h: Array = h) -> Array:
            moved = [t + k * h if i == j else t for i, t in enumerate(theta)]
            return log_density(y, *moved)

        total = sum(c * (shifted(k) - shifted(-k)) for k, c in _FIRST)
        out.append(np.asarray(total / h))
    return tuple(out)


def numerical_curvature(
    log_density: Callable[..., Array],
    score: Callable[..., Arrays] | None,
    y: Array,
    theta: Arrays,
    lower: list[float],
    upper: list[float],
    held: Collection[int] = (),
) -> Arrays:
    """Return the upper triangle of d2 log q, row by row, from the score where there is one."""
    k = len(theta)
    if score is not None:
        steps = _steps(theta, lower, upper, 1 / 7)
        rows = []
        for j, h in enumerate(steps):
            if j in held:
                rows.append([np.zeros_like(h)] * k)
                continue

            def moved(m: float, j: int = j, h: Array = h) -> Arrays:
                return score(y, *[t + m * h if i == j else t for i, t in enumerate(theta)])

            parts = [(c, moved(m), moved(-m)) for m, c in _FIRST]
            rows.append([sum(c * (a[i] - b[i]) for c, a, b in parts) / h for i in range(k)])
        return tuple(np.asarray(rows[i][j]) for i in range(k) for j in range(i, k))
    steps = _steps(theta, lower, upper, 1 / 8)

    def at(offsets: dict[int, float]) -> Array:
        return log_density(y, *[t + offsets.get(i, 0.0) * steps[i] for i, t in enumerate(theta)])

    centre = at({})

    def along(*parameters: int) -> Array:
        """Second difference with the given parameters moved together, in units of their steps."""
        total = _SECOND_CENTRE * centre
        for m, c in _SECOND:
            total = total + c * (
                at(dict.fromkeys(parameters, m)) + at(dict.fromkeys(parameters, -m))
            )
        return np.asarray(total)

    own = [centre if i in held else along(i) for i in range(k)]
    out = []
    for i in range(k):
        for j in range(i, k):
            if i in held or j in held:
                out.append(np.zeros_like(steps[j]))
                continue
            # Along the diagonal the second difference is f_ii + 2 f_ij + f_jj.
            total = own[i] if i == j else 0.5 * (along(i, j) - own[i] - own[j])
            out.append(np.asarray(total / (steps[i] * steps[j])))
    return tuple(out)
