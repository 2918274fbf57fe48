"""The Gaussian linear model: least squares to the last digit in the place of Newton's method."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import rows_of
from mlece.design import Design
from mlece.families.real_line import Gaussian
from mlece.likelihood.objective import CrossEntropy
from mlece.math import LOG_2PI, Array, Arrays
from mlece.model import Model
from mlece.numerics.twofold import powers
from mlece.solvers.least_squares import least_squares
from mlece.solvers.solution import Solution

# Numbers in a design up to which its digits are worth more than the time that they take; with more of
# them, exact Hessians by blocks are many times faster.
_SMALL = 5_000_000
_POWER = re.compile(r"I\(\s*(\w+)\s*\*\*\s*(\d+)\s*\)")


def is_linear(model: Model) -> bool:
    """Tell whether a model is Gaussian with a linear mean and one standard deviation."""
    if not (isinstance(model, Conditional) and type(model.inner) is Gaussian):
        return False
    one = len(model.terms) == 1 and model.terms[0].slot == "mean"
    if not one or model.penalty is not None or model.terms[0].link.name != "identity":
        return False
    design = model.terms[0].design
    held = [p.name for p in model.params if p.name not in model.free and p.name != "sd"]
    small = design.sparse or design.rows * design.width <= _SMALL
    return small and design.width > 0 and not held


def by_least_squares(objective: CrossEntropy) -> Solution | None:
    """Solve a Gaussian linear model in the user's units.

    None where the members of a batch have different rows, where columns depend on each other, and for a
    sparse design with several rows of weights.
    """
    model: Any = objective.model
    sample = objective.sample
    rows = rows_of(sample.values)
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        return None
    design: Design = model.terms[0].design
    w = sample.weights
    if design.sparse and w is not None and len(w) > 1:
        return None
    whole = isinstance(rows, slice) and rows == slice(0, design.rows, 1)
    matrix = design.matrix if whole else design.matrix[rows]
    offset = design.offset if design.offset is None else design.offset[rows]
    low = None if design.sparse else _rounded_away(design, matrix)
    y = np.asarray(model.split(sample.values))
    if w is not None and len(w) > len(y):
        y = np.broadcast_to(y, w.shape)
    y = np.ascontiguousarray(y)
    found = least_squares(matrix, y, w, offset, low)
    if (found.rank < design.width).any():
        return None
    total = np.broadcast_to(found.total_weight, (len(found.norm),))
    size = objective.size
    sd = found.norm / np.sqrt(total)
    value = found.cross_entropy
    if "sd" in objective.fixed:
        sd = objective.flat_slot(model.parameter("sd"))
        value = 0.5 * LOG_2PI + np.log(sd) + 0.5 * (found.norm / sd) ** 2 / total
    exact = tuple(np.broadcast_to(t, (size,)) for t in (*found.coefficients.T, sd))
    if "sd" in objective.fixed:
        exact = (*exact[:-1], objective.flat_slot(model.parameter("sd")))
    user, settled = objective.user, np.broadcast_to(found.converged, (size,))
    return Solution(
        model.to_frame(exact, user.shift, user.scale),
        "least squares",
        settled,
        np.where(settled, 0.0, np.inf),
        notes={"least squares": found},
        proof="residuals orthogonal to the covariates",
        value=np.broadcast_to(value - objective.log_scale, (size,)),
        exact=exact,
    )


def _rounded_away(design: Design, matrix: Array) -> Array | None:
    """Return what rounding has taken from columns that are powers of another one, None without any.

    A polynomial of high degree is another one once its powers are rounded.
    """
    place = {name: j for j, name in enumerate(design.names)}
    found = [(j, _POWER.fullmatch(name)) for j, name in enumerate(design.names)]
    told = [(j, m.group(1), int(m.group(2))) for j, m in found if m]
    # The first power is the base, whichever way it is written.
    place |= {base: j for j, base, degree in told if degree == 1 and base not in place}
    told = [(j, base, degree) for j, base, degree in told if degree > 1 and base in place]
    if not told:
        return None
    out = np.zeros_like(matrix)
    for base in {base for _, base, _ in told}:
        highest = max(degree for _, name, degree in told if name == base)
        high, low = powers(matrix[:, place[base]], highest)
        for j, name, degree in told:
            if name == base:
                # The rest belongs to the nearest float, of which the column may miss a unit.
                out[:, j] = (high[..., degree] - matrix[:, j]) + low[..., degree]
    return out


def exact_inverse(objective: CrossEntropy, notes: dict[str, Any], theta: Arrays) -> Array | None:
    """Return A⁻¹ of a Gaussian linear model, framed, (R, k, k), from what least squares found; else None.

    The Gram matrix of an ill-conditioned design has lost what its triangle still holds.
    """
    found: Any = notes.get("least squares")
    if found is None or found.root is None or not isinstance(objective.model, Conditional):
        return None
    sd = theta[-1]
    gram = found.root @ np.swapaxes(found.root, 1, 2)
    total = np.broadcast_to(found.total_weight, sd.shape)
    p = gram.shape[-1]
    free = "sd" in objective.model.free
    out = np.zeros((len(sd), p + free, p + free))
    # Framed coefficients are the user's over the unit, and so is the standard deviation.
    out[:, :p, :p] = (total * sd**2)[:, None, None] * gram
    if free:
        out[:, p, p] = 0.5 * sd**2
    return out
