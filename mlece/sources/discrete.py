"""The support of a discrete law and its probabilities."""

from __future__ import annotations

import numpy as np

from mlece import errors
from mlece.math import Array, log
from mlece.model import Model
from mlece.sources.nodes import LOG_SMALLEST, Nodes, check_mass

LARGEST_SUPPORT = 2**22
TAIL_MASS = 1e-18


def support_nodes(model: Model) -> Nodes:
    """Return the support of a discrete law and its probabilities, but for 1e-18 in either tail.

    Raises
    ------
    NoDensityError
        If the mass does not come to 1 within 1e-8, or more than 2^22 points are needed.
    """
    if model.support.kind == "categories":
        masses = cell_masses(model)
        values = np.arange(float(masses.size))
        with np.errstate(divide="ignore"):
            log_mass = log(masses)
    else:
        low, high = _integer_span(model)
        values = np.arange(low, high + 1.0)
        log_mass = model.log_density(values)
    keep = log_mass > LOG_SMALLEST
    masses = np.exp(log_mass[keep])
    law = Nodes(values[keep], masses, 0, np.full(masses.size, np.nan), masses)
    check_mass(model, float(law.weights.sum()))
    return law


def cell_masses(model: Model) -> Array:
    """Return the probabilities of the categories, in the order of their codes."""
    for p, value in zip(model.params, model.theta, strict=True):
        if p.vector:
            return np.asarray(value)
    raise errors.NoDensityError(errors.message("a vector of probabilities", repr(model)))


def _integer_span(model: Model) -> tuple[float, float]:
    """Return integers beyond which either tail holds less than 1e-18 of the mass."""
    lower, upper = (float(end) for end in model.bounds(model.theta))
    start = (
        float(model.quantile(0.5)) if model.has("_quantile") else _likeliest(model, lower, upper)
    )
    low = _tail_end(model, start, -1.0, lower)
    high = _tail_end(model, start, 1.0, upper)
    if not high - low < LARGEST_SUPPORT:
        raise errors.NoDensityError(
            errors.message(
                f"a discrete law that {LARGEST_SUPPORT} points describe but for 1e-18 of its mass",
                f"{model!r}, which needs more",
                "Use a continuous law of the same mean and variance, or a sample",
            )
        )
    return low, high


def _likeliest(model: Model, lower: float, upper: float) -> float:
    """Return an integer in the bulk of a law that knows no quantile."""
    anchor = lower if np.isfinite(lower) else upper if np.isfinite(upper) else 0.0
    steps = np.unique(np.floor(np.exp(np.linspace(0.0, 40.0, 4001)))) - 1.0
    grid = np.unique(np.concatenate([anchor - steps, anchor + steps]))
    grid = grid[(grid >= lower) & (grid <= upper)]
    best = int(np.argmax(model.log_density(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    while high - low > 64:
        fine = np.unique(np.floor(np.linspace(low, high, 65)))
        best = int(np.argmax(model.log_density(fine)))
        low, high = fine[max(best - 1, 0)], fine[min(best + 1, fine.size - 1)]
    fine = np.arange(low, high + 1.0)
    return float(fine[int(np.argmax(model.log_density(fine)))])


def _tail_end(model: Model, start: float, direction: float, end: float) -> float:
    """Walk outward in growing strides until the terms left sum to less than 1e-18.

    Beyond a point where the ratio of neighbouring terms is r < 1 and falling the rest is at most
    mass / (1 - r), the geometric series.
    """
    stride = 1.0
    while stride < LARGEST_SUPPORT:
        point = start + direction * stride
        if direction * (point - end) >= 0:
            return end
        here, after = model.log_density(np.array([point, point + direction]))
        if np.isneginf(here) and np.isneginf(after):
            return point
        fall = after - here
        if fall < 0 and here - log(-np.expm1(fall)) < log(TAIL_MASS):
            return point
        stride = np.ceil(stride * 1.25)
    return start + direction * 2 * LARGEST_SUPPORT
