"""The support of a discrete law and its probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mlece import errors
from mlece.combinators.compose import Composite
from mlece.families.labels import Labelled
from mlece.math import Array, log, log1p
from mlece.model import Model
from mlece.sources.ends import completed, far_end, power
from mlece.sources.nodes import LOG_SMALLEST, MASS_TOLERANCE, Nodes, check_mass
from mlece.sources.series import FIRST, LEVEL, Panel, far_nodes, panel, panels

LARGEST_SUPPORT = 2**22
_TOGETHER, _FEW = 2048, 1024  # laws, and counts of each, that are summed at once
_NOTHING = 41.0  # what lies so far below a log mass adds nothing to it
TAIL_MASS = 1e-18
# Graded nodes: integers up to which all are taken, panels over the support, length of the shortest.
_GRADED, _PANELS, _SHORTEST, _FURTHEST = 1024.0, 64.0, 64.0, 2.0**50
SMOOTH = 1e-10  # agreement of two interpolations that shows a law to be smooth beyond its middle
_POWER = (
    30.0  # a geometric tail that has fallen to 1e-18 falls faster than this power of the distance
)


@dataclass(frozen=True)
class Support:
    """The integers that carry a discrete law: one by one around its middle, by panels further out.

    Parameters
    ----------
    values, masses : array (m,)
        Consecutive integers and their probabilities.
    below, above : list of Panel
        What lies beyond on either side, outwards.
    far : (bool, bool)
        Whether mass lies beyond the last panel below and above.
    """

    values: Array
    masses: Array
    below: list[Panel] = field(default_factory=list)
    above: list[Panel] = field(default_factory=list)
    far: tuple[bool, bool] = (False, False)

    def origin(self, upper: bool) -> float:
        """Return the point half-way between the last panel and what lies beyond."""
        last = (self.above if upper else self.below)[-1]
        return last.first + last.direction * (last.count - 0.5)

    def checks(self) -> Array:
        """Return mass and entropy, of what is not far."""
        w = [self.masses, *(p.masses for p in (*self.below, *self.above))]
        with np.errstate(divide="ignore"):
            logs = [log(self.masses), *(p.log_mass for p in (*self.below, *self.above))]
        some = [np.where(np.isfinite(v), v, 0.0) for v in logs]
        return np.array([sum(v.sum() for v in w), sum(v @ u for v, u in zip(w, some, strict=True))])


def support_nodes(model: Model) -> Nodes:
    """Return a discrete law as weighted points.

    Its support where 2^22 points hold it but for 1e-18 of the mass in either tail; a thousand of them, and
    nodes that stand for the others, where its tails are powers or it is wider.

    Raises
    ------
    NoDensityError
        If the mass does not come to 1 within 1e-8, or the tails are not smooth.
    """
    if model.support.kind == "categories":
        masses = cell_masses(model)
        return _checked(model, _plain(np.arange(float(masses.size)), masses))
    found = support(model)
    if not (found.below or found.above):
        return _checked(model, _plain(found.values, found.masses))
    inner = [(p.values[::-1], p.masses[::-1]) for p in found.below[::-1]]
    inner += [(found.values, found.masses), *((p.values, p.masses) for p in found.above)]
    parts = [(v, w, np.full(v.size, np.nan)) for v, w in inner]
    if found.far[1]:
        parts.append(far_nodes(model, found.origin(True), 1.0))
    if found.far[0]:
        v, w, t = far_nodes(model, found.origin(False), -1.0)
        parts.insert(0, (v[::-1], w[::-1], t[::-1]))
    values, masses, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = np.isfinite(values) & (np.abs(masses) > np.exp(LOG_SMALLEST))
    values, masses, t = values[keep], masses[keep], t[keep]
    if not any(found.far):
        return _checked(model, Nodes(values, masses, 0, t, masses))
    law = completed(Nodes(values, masses, LEVEL, t, masses, found.far))
    if not abs(law.weights.sum() - 1.0) <= MASS_TOLERANCE:
        ends = [far_end(law, side) for side in (False, True)]
        falls = [power(end, law.mass)[1] - 1.0 for end in ends if end is not None]
        raise errors.NoDensityError(
            errors.message(
                f"probabilities that sum to 1, of {model!r}",
                f"{law.weights.sum():.12g}"
                + "".join(f", with a tail like the power {v:.6g} of the distance" for v in falls),
                "Normalise it; a tail that is no power below -1 far out cannot be summed",
            )
        )
    return law


def graded_nodes(model: Model) -> Nodes:
    """Return a discrete law of numbers as some two thousand weighted points, however wide it is.

    The support but for 1e-18 of the mass in either tail, summed in panels that double in length up to a
    64th of it. Laws whose tails are powers, or that are not smooth, as `support_nodes` takes them.

    Raises
    ------
    NoDensityError
        If the mass does not come to 1 within 1e-8.
    """
    start, lower, upper = _middle(model)
    low, slow_below = _tail_end(model, start, -1.0, lower, _FURTHEST)
    high, slow_above = _tail_end(model, start, 1.0, upper, _FURTHEST)
    if slow_below or slow_above:
        return support_nodes(model)
    if high - low < _GRADED:
        values = np.arange(low, high + 1.0)
        return _checked(model, _plain(values, np.exp(model.log_density(values))))
    longest = np.ceil((high - low) / _PANELS)
    parts, first, count = [], low, _SHORTEST
    while first <= high:
        parts.append(panel(model, first, min(count, high - first + 1.0), 1.0))
        first, count = first + count, min(2 * count, max(longest, _SHORTEST))
    values, masses = (np.concatenate([getattr(p, k) for p in parts]) for k in ("values", "masses"))
    if not abs(masses.sum() - 1.0) <= MASS_TOLERANCE:
        # An atom, or a law that is not smooth.
        return support_nodes(model)
    return _plain(values, masses)


def _middle(model: Model) -> tuple[float, float, float]:
    """Return an integer in the bulk of a law, and the ends of its support."""
    lower, upper = (float(end) for end in model.bounds(model.theta))
    known = model.has("_quantile")
    start = float(model.quantile(0.5)) if known else _likeliest(model, lower, upper)
    return start, lower, upper


def _plain(values: Array, masses: Array) -> Nodes:
    keep = masses > np.exp(LOG_SMALLEST)
    masses = masses[keep]
    return Nodes(values[keep], masses, 0, np.full(masses.size, np.nan), masses)


def _checked(model: Model, law: Nodes) -> Nodes:
    check_mass(model, float(law.weights.sum()))
    return law


def support(model: Model) -> Support:
    """Return the integers that carry a law.

    Raises
    ------
    NoDensityError
        If they are too many to add one by one and polynomials do not follow the probabilities.
    """
    start, lower, upper = _middle(model)
    peaks = _peaks(model, start, lower, upper)
    low, slow_below = _tail_end(model, min(peaks), -1.0, lower)
    high, slow_above = _tail_end(model, max(peaks), 1.0, upper)
    few = high - low < LARGEST_SUPPORT
    if not few or slow_below or slow_above:
        fine, coarse = (_by_panels(model, start, lower, upper, points) for points in (20, 14))
        here, there = fine.checks(), coarse.checks()
        if np.all(np.abs(here - there) <= SMOOTH * np.maximum(1.0, np.abs(here))):
            return fine
    if not few:
        raise errors.NoDensityError(
            errors.message(
                f"a discrete law that {LARGEST_SUPPORT} points describe but for 1e-18 of its mass, or "
                "whose probabilities are a smooth function further out",
                f"{model!r}, which needs more and is not smooth",
                "Use a continuous law of the same mean and variance, or a sample",
            )
        )
    values = np.arange(low, high + 1.0)
    return Support(values, np.exp(model.log_density(values)))


def _by_panels(model: Model, start: float, lower: float, upper: float, points: int) -> Support:
    low = lower if start - lower <= 4 * FIRST else start - FIRST
    high = min(start + FIRST - 1.0, upper)
    values = np.arange(low, high + 1.0)
    below = panels(model, low - 1.0, -1.0, lower, points) if low > lower else []
    above = panels(model, high + 1.0, 1.0, upper, points) if high < upper else []
    far = (bool(below) and np.isinf(lower), bool(above) and np.isinf(upper))
    found = Support(values, np.exp(model.log_density(values)), below, above)
    ends = [
        open_end and bool(far_nodes(model, found.origin(bool(side)), 2.0 * side - 1.0)[1].max() > 0)
        for side, open_end in enumerate(far)
    ]
    return replace(found, far=(ends[0], ends[1]))


def cell_masses(model: Model) -> Array:
    """Return the probabilities of the categories, in the order of their codes."""
    if isinstance(model, Labelled):
        return model.masses()
    raise errors.NoDensityError(errors.message("a family of labels", repr(model)))


def _grid(lower: float, upper: float) -> Array:
    """Return integers of a support, a hundredth of their distance to its end apart."""
    anchor = lower if np.isfinite(lower) else upper if np.isfinite(upper) else 0.0
    steps = np.unique(np.floor(np.exp(np.linspace(0.0, 40.0, 4001)))) - 1.0
    grid = np.unique(np.concatenate([anchor - steps, anchor + steps]))
    return np.asarray(grid[(grid >= lower) & (grid <= upper)])


def _peaks(model: Model, start: float, lower: float, upper: float) -> list[float]:
    """Return integers beyond whose least and largest a law only falls: it may have atoms and components."""
    if not (isinstance(model, Composite) or model._components):
        return [start]
    marks = np.ravel(np.asarray(model._breakpoints(*model.theta), dtype=float))
    marks = marks[(marks >= lower) & (marks <= upper) & (marks == np.floor(marks))]
    grid = np.unique(np.concatenate([_grid(lower, upper), marks]))
    logs = np.pad(model.log_density(grid), 1, constant_values=-np.inf)
    tops = np.isfinite(logs[1:-1]) & (logs[1:-1] >= logs[:-2]) & (logs[1:-1] >= logs[2:])
    return [start, *grid[tops].tolist()]


def _likeliest(model: Model, lower: float, upper: float) -> float:
    """Return an integer in the bulk of a law that knows no quantile."""
    grid = _grid(lower, upper)
    best = int(np.argmax(model.log_density(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    while high - low > 64:
        fine = np.unique(np.floor(np.linspace(low, high, 65)))
        best = int(np.argmax(model.log_density(fine)))
        low, high = fine[max(best - 1, 0)], fine[min(best + 1, fine.size - 1)]
    fine = np.arange(low, high + 1.0)
    return float(fine[int(np.argmax(model.log_density(fine)))])


def _tail_end(
    model: Model, start: float, direction: float, end: float, furthest: float = LARGEST_SUPPORT
) -> tuple[float, bool]:
    """Walk outward in growing strides until the terms left sum to less than 1e-18.

    Beyond a point where the ratio of neighbouring terms is r < 1 and falling the rest is at most
    mass / (1 - r), the geometric series. Also tells whether the terms fall there like a power of the
    distance, so that moments draw on what lies beyond.
    """
    stride, top = 1.0, float(model.log_density(np.array([start]))[0])
    while stride < furthest:
        point = start + direction * stride
        if direction * (point - end) >= 0:
            return end, False
        here, after = model.log_density(np.array([point, point + direction]))
        if np.isneginf(here) and np.isneginf(after):
            return point, False
        fall = after - here
        if fall < 0 and here - log(-np.expm1(fall)) < log(TAIL_MASS):
            # Beside an atom the first terms are nothing at once, which no power does.
            as_power = -fall * stride < _POWER and top - here < _POWER * log1p(stride)
            return point, bool(as_power)
        stride = np.ceil(stride * 1.25)
    return start + direction * 2 * furthest, True


# ---------------------------------------------------------------------------- arrays of short laws


def on_counts(model: Model) -> bool:
    """Tell whether a model is an array of laws on whole numbers."""
    return model.support.discrete and model.support.kind != "categories" and not model._width


def in_parts(model: Model) -> Iterator[tuple[slice, Model]]:
    """Yield the laws of an array in C order, so many at a time that a thousand numbers of each are few."""
    shape = model.batch_shape
    flat = [np.broadcast_to(t, shape).reshape(-1) for t in model.theta]
    for start in range(0, int(np.prod(shape)), _TOGETHER):
        cut = slice(start, start + _TOGETHER)
        yield cut, model.member(*[t[cut] for t in flat])


def few_counts(model: Model, growth: int = 0) -> tuple[Array, Array] | None:
    """Return counts (m,) that hold all of every law of an array, and their probabilities (..., m).

    Parameters
    ----------
    model : Model
        An array of laws on whole numbers; see :func:`on_counts`.
    growth : int
        What lies beyond adds nothing to the moments up to this order either.

    Returns
    -------
    None if one of the laws needs more than a thousand counts, or begins nowhere.
    """
    theta = model._shaped(1)
    ends = model.bounds(theta)
    lower, upper = float(np.min(ends[0])), float(np.max(ends[1]))
    if not np.isfinite(lower):
        return None
    size = int(upper - lower + 1.0) if upper - lower < _FEW else 64
    while size <= _FEW:
        counts = lower + np.arange(size)
        log_q = model.log_density(counts)
        with np.errstate(all="ignore"):
            fall = log_q[..., -2] - log_q[..., -1] if size > 1 else np.inf
            rest = log_q[..., -1] - log(-np.expm1(-fall)) + growth * log(size)
            whole = (fall > 0) & (rest < log_q.max(axis=-1) - _NOTHING)
        masses = np.exp(log_q)
        if (counts[-1] >= upper or whole.all()) and _sums_to_one(masses):
            return counts, masses
        size *= 2
    return None


def _sums_to_one(masses: Array) -> bool:
    return bool((np.abs(masses.sum(axis=-1) - 1.0) <= MASS_TOLERANCE).all())
