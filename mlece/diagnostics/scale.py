"""T = CE − Ĥ on each kind of data: densities, counts and labels, and measurements rounded to a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.observed import beside, laws_at, response_family, responses_of
from mlece.entropies.counts import chao_wang_jost
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.neighbours import kozachenko_leonenko, window_radius
from mlece.entropies.ties import Ties, ties, untied
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.randomness import stream

_NEIGHBOUR = 5
# Below this share of ties the grid is finer than the data are dense.
LIGHT = 0.5


@dataclass(frozen=True)
class Scale:
    """How T is computed for one kind of data.

    ``observed`` are the data as the entropy estimate takes them. ``statistic`` maps observations (r, n)
    and the fitted batch to T (r,), the variance of its terms (r,) and the cross-entropy (r,). ``record``
    rounds simulated observations like the data.
    """

    observed: Array
    entropy: EntropyEstimate
    statistic: Callable[[Array, Fit], tuple[Array, Array, Array]]
    record: Callable[[Array], Array] | None
    resolution: float | None
    remark: str


def choose_scale(fit: Fit, y: Array, resolution: float | None) -> Scale:
    """Return the T that suits the data of a fit.

    Raises
    ------
    DataError
        If continuous data tie and no grid explains it.
    ParameterError
        If the resolution asked for is not positive, or finer than that of the data.
    """
    if fit.family.support.discrete:
        return _discrete_scale(fit, y)
    found = ties(y)
    if found.distinct == y.size and resolution is None:
        return _density_scale(y, "")
    if resolution is not None:
        if not (np.isfinite(resolution) and resolution > 0):
            raise errors.ParameterError(errors.message("a positive resolution", repr(resolution)))
        if found.grid is not None and resolution < found.grid * (1 - 1e-9):
            raise errors.ParameterError(
                errors.message(
                    f"a resolution that the data have, {found.grid:.6g} or coarser",
                    repr(resolution),
                )
            )
        step = min(found.grid or resolution / 1024, resolution)
        return _grid_scale(fit.model, y, step, found, resolution)
    if found.grid is None:
        raise errors.DataError(
            errors.message(
                "continuous data without ties, or rounded to a grid",
                f"{100 * found.fraction:.3g} % tied observations ({found.distinct} distinct of {y.size})"
                " and no common grid",
                "An entropy estimate would be wrong: the law has atoms, or several roundings are mixed",
            )
        )
    if found.fraction < LIGHT:
        return _density_scale(spread_out(y, found.grid), lightly_tied(found))
    return _grid_scale(fit.model, y, found.grid, found, None)


def spread_out(y: Array, step: float) -> Array:
    """Spread rounded observations evenly over their cells, by a fixed stream of random numbers.

    Where few observations tie, the cells are narrow beside the distances that the entropy estimate
    reads: what rounding took away is of second order in the step.
    """
    return np.asarray(y + step * (stream(0).random(y.size) - 0.5))


def lightly_tied(found: Ties) -> str:
    """Say that few observations tie, and what was done about it."""
    return (
        f"{100 * found.fraction:.3g} % of the data tie on multiples of {found.grid:.6g}: they were "
        "spread evenly within their cells for the entropy estimate."
    )


def _density_scale(y: Array, remark: str) -> Scale:
    """Densities: in-sample cross-entropy against the nearest-neighbour estimate.

    ``y`` are the observations without ties; they stand in for the data where the data tie.
    """

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        entropy = np.atleast_1d(kozachenko_leonenko(rows, _NEIGHBOUR).value)
        ordered = np.sort(rows, axis=1)
        log_density = _by_group(fits, rows.shape[1], lambda q, i: q.log_density(ordered[i]))
        terms = log_density + np.log(window_radius(untied(ordered), _NEIGHBOUR))
        return fits.values - entropy, terms.var(axis=1), fits.values

    return Scale(y, kozachenko_leonenko(y, _NEIGHBOUR), statistic, None, None, remark)


def _by_group(fits: Fit, columns: int, function: Callable[[Model, Array], Array]) -> Array:
    """Evaluate a function of (members, their rows) for a whole batch, (R, columns)."""
    out = np.full((fits.objective.size, columns), np.nan)
    for members, model in fits.groups():
        out[members] = function(model, members)
    return out


def _table(rows: Array) -> tuple[Array, Array]:
    """Return distinct whole numbers (m,) and their counts in each row (r, m)."""
    low, high = float(rows.min()), float(rows.max())
    span = int(high - low) + 1
    if span * len(rows) <= 4 * rows.size + 65536:
        codes = (rows - low).astype(np.int64) + span * np.arange(len(rows))[:, None]
        counts = np.bincount(codes.ravel(), minlength=span * len(rows)).reshape(len(rows), span)
        seen = np.flatnonzero(counts.any(axis=0))
        return seen + low, counts[:, seen]
    values, inverse = np.unique(rows, return_inverse=True)
    codes = inverse.reshape(rows.shape) + values.size * np.arange(len(rows))[:, None]
    counts = np.bincount(codes.ravel(), minlength=values.size * len(rows))
    return values, counts.reshape(len(rows), values.size)


def _mass_statistic(
    log_mass: Callable[[Array, Fit], Array],
) -> Callable[[Array, Fit], tuple[Array, Array, Array]]:
    """T for masses: mean −log q against the estimate of Chao, Wang and Jost (2013)."""

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        values, counts = _table(rows)
        share = counts / rows.shape[1]
        log_q = np.where(counts > 0, log_mass(values, fits), 0.0)
        with np.errstate(divide="ignore"):
            terms = np.where(counts > 0, np.log(np.where(counts > 0, share, 1.0)) - log_q, 0.0)
        cross_entropy = -(share * log_q).sum(axis=1)
        mean = (share * terms).sum(axis=1)
        spread = (share * terms**2).sum(axis=1) - mean**2
        entropy = np.atleast_1d(chao_wang_jost(counts).value)
        return cross_entropy - entropy, spread, cross_entropy

    return statistic


def _discrete_scale(fit: Fit, y: Array) -> Scale:
    _, counts = _table(y[None, :])

    def log_mass(values: Array, fits: Fit) -> Array:
        labels = fits.family.decode(values)[None, :]
        return _by_group(fits, values.size, lambda q, _: q.log_density(labels))

    return Scale(y, chao_wang_jost(counts[0]), _mass_statistic(log_mass), None, None, "")


def _grid_scale(
    model: Model, y: Array, step: float, found: Ties, resolution: float | None
) -> Scale:
    """Rounded data: the probability of each cell of the grid against the entropy on the grid."""
    origin = found.origin
    width = step if resolution is None else resolution
    start = origin if resolution is None else 0.0

    def log_mass(cells: Array, fits: Fit) -> Array:
        # Rounding to the wider grid takes halves to even; its cells are closed by the finer ones.
        centre = start + width * cells[None, :]
        return _by_group(
            fits, cells.size, lambda q, _: log_cell(q, centre - 0.5 * width, centre + 0.5 * width)
        )

    masses = _mass_statistic(log_mass)

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        return masses(np.round((rows - start) / width), fits)

    _, counts = _table(np.round((y[None, :] - start) / width))
    rounded = f"The data are rounded to multiples of {step:.6g} ({100 * found.fraction:.3g} % tied): model"
    remark = (
        f"{'Model' if found.grid is None else rounded} and entropy are compared on "
        f"{'that grid' if resolution is None else f'a grid of {resolution:g}'}."
    )
    if resolution is None:
        remark += _heaping(np.round((y - origin) / step) + np.round(origin / step), step)
    record = _recorder(model, origin, step)
    return Scale(y, chao_wang_jost(counts[0]), statistic, record, width, remark)


def _recorder(model: Any, origin: float, step: float) -> Callable[[Array], Array]:
    """Return the function that rounds observations of a model to a grid."""
    low, high = (float(np.ravel(b)[0]) for b in model.bounds(model.theta))
    # What would round to a value outside the support is recorded at the nearest cell inside it.
    first = np.floor((low - origin) / step) + 1 if np.isfinite(low) else -np.inf
    last = np.ceil((high - origin) / step) - 1 if np.isfinite(high) else np.inf

    def record(rows: Array) -> Array:
        cells = np.round((rows - origin) / step)
        return np.asarray(origin + step * np.minimum(np.maximum(cells, first), last))

    return record


def recording(fit: Fit, y: Array) -> Callable[[Array], Array] | None:
    """Return how simulated observations are rounded like the data (n, ...); None where these are not."""
    family = response_family(fit.family)
    if family.support.discrete or family._width:
        return None
    found = ties(responses_of(fit.family, y))
    if found.grid is None or found.fraction < LIGHT:
        return None
    law, _ = laws_at(fit.model, y[None])
    record = _recorder(law, found.origin, found.grid)
    if family is fit.family:
        return record
    return lambda rows: beside(record(responses_of(fit.family, rows)), rows[:1])


def _heaping(cells: Array, step: float) -> str:
    """Say so where values cluster on round multiples of the grid far more than a smooth law would."""
    for k in (100, 50, 20, 10, 5, 2):
        share = float(np.mean(cells % k == 0))
        if np.ptp(cells) >= 5 * k and share > max(0.5, 3.0 / k):
            return (
                f" {100 * share:.3g} % of them are multiples of {k * step:.6g}, where a smooth law puts "
                f"{100 / k:.3g} %: heaping is part of this gap, and resolution={k * step:g} compares on "
                "the coarser grid."
            )
    return ""


def log_cell(member: Any, low: Array, high: Array) -> Array:
    """Return log P(low < Y <= high) from the tail in which the difference does not cancel.

    ``member`` is a Model, or RowLaws; ends may be infinite.
    """
    with np.errstate(all="ignore"):
        below, above = _log_at(member.log_cdf, low, -np.inf), _log_at(member.log_sf, high, -np.inf)
        left, right = _log_at(member.log_cdf, high, 0.0), _log_at(member.log_sf, low, 0.0)
        from_left = left + np.log(-np.expm1(below - left))
        from_right = right + np.log(-np.expm1(above - right))
    return np.asarray(np.where(left <= right, from_left, from_right))


def _log_at(log_probability: Callable[[Array], Array], at: Array, endless: float) -> Array:
    """Return a log probability at ends, of which infinite ones have a known one."""
    finite = np.isfinite(at)
    if finite.all():
        return log_probability(at)
    some = np.min(at, where=finite, initial=np.inf)
    inner = np.where(finite, at, some if np.isfinite(some) else 0.0)
    return np.where(finite, log_probability(inner), endless)
