"""How incomplete observations came to be recorded, so that simulated ones are recorded alike.

A test calibrated by simulation needs the mechanism of the data: when observations would have been lost
that were not. Times of censoring are drawn from their own product-limit estimate, in which events are
the losses (Efron 1981, Journal of the American Statistical Association 76, 312-319); grouped data keep
their cells, inspections their times, entries stay with their observations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import beside, laws_at, response_family, responses_of
from mlece.combinators.rowwise import RowLaws
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.refits.nonparametric import nonparametric

Draw = Callable[[Any, int, np.random.Generator], Array]


def recorded_like(fit: Fit, y: Array) -> Draw | None:
    """Return what draws samples and records them as incomplete observations (n, width) of a fit were.

    None where they are complete. From a law and a number s of samples come observations (s, n, width);
    from a batch of r laws (r, s, n, width). With covariates a response is drawn at those of each
    observation, and losses are taken to come whatever these are.
    """
    family = response_family(fit.family)
    if not is_incomplete(family):
        return None
    like = y[None]
    draw = recorder(responses_of(fit.family, y), family.support.discrete)
    if family is fit.family:
        return draw

    def given(model: Any, replicates: int, rng: np.random.Generator) -> Array:
        return beside(draw(laws_at(model, like)[0], replicates, rng), like)

    return given


def recorded(
    family: Model, model: Model, values: Array, inside: Array, size: int, rng: np.random.Generator
) -> Array:
    """Draw samples from fitted members and record each as the data of its member were.

    Parameters
    ----------
    family : Model
        The family that was fitted, of incomplete observations, with covariates or without.
    model : Model
        Fitted members, of batch shape (r,).
    values : array (r or 1, n, width)
        Their observations.
    inside : array of bool (r, n)
        Which of them are no filling of shorter samples.
    size : int
        Number of samples for each.

    Returns
    -------
    array (r, size, n, width)
    """
    discrete = response_family(family).support.discrete
    known = {k: v for k, v in model.slots.items() if v is not None}
    out = np.empty((len(inside), size, *values.shape[1:]))
    # Losses have a law of their own in every sample.
    for i, here in enumerate(inside):
        like = values[i if len(values) > 1 else 0]
        law = model.replace(**{k: v[i] if v.ndim else v for k, v in known.items()})
        own, responses = laws_at(law, like[here][None]), responses_of(family, like)
        y = recorder(responses[here], discrete)(own[0], size, rng)
        out[i] = like
        out[i][:, here, : y.shape[-1]] = y
    return out


def recorder(values: Array, discrete: bool) -> Draw:
    """Return what draws samples of a law and records them as the data were.

    Parameters
    ----------
    values : array (n, 3)
        Lower end, upper end and entry of each observation.
    discrete : bool
        Whether the law is one of counts.

    Returns
    -------
    callable
        From a law, or a batch of them, a number r of samples and a generator to observations
        (..., r, n, 3).

    Raises
    ------
    ComparisonError
        If intervals overlap otherwise than by right- or by left-censoring, or by losses between
        inspections at common times: then the inspections that other outcomes would have met are unknown.
    """
    lower, upper, entry = values.T
    exact = lower == upper
    if np.all(exact | (upper == np.inf)) and not (np.isneginf(lower) & ~exact).any():
        return _right_censored(values)
    if np.all(exact | np.isneginf(lower)) and np.all(np.isneginf(entry)):
        return _right_censored(np.stack([-upper, -lower, entry], axis=-1), mirror=True)
    step = 1.0 if discrete else 0.0
    if not exact.any() and np.unique(lower[upper == np.inf]).size > 1:
        visits = _inspected(values, step)
        if visits is not None:
            return visits
    elif not exact.any() and np.all(np.isneginf(entry)):
        return _in_cells(values, step)
    raise errors.ComparisonError(
        errors.message(
            "right-censored, left-censored or grouped observations, or intervals between common times "
            "of inspection, to simulate others",
            "intervals that overlap",
            "The inspections that other outcomes would have met are not known",
        )
    )


def _beyond(model: Any, entry: Array, size: int, rng: np.random.Generator) -> Array:
    """Draw samples of observations given that they exceed their entries (n,), (..., size, n)."""
    if np.all(np.isneginf(entry)):
        return np.asarray(model.draw((size, entry.size), rng))
    lowest = model.bounds(model.theta)[0]
    lowest = lowest if isinstance(model, RowLaws) else np.expand_dims(lowest, -1)
    unseen = np.where(np.isneginf(entry), 0.0, model.cdf(np.maximum(entry, lowest)))
    levels = rng.random((*unseen.shape[:-1], size, entry.size))
    unseen = unseen[..., None, :]
    levels = unseen + levels * (1.0 - unseen)
    asked = levels if isinstance(model, RowLaws) else levels.reshape(*levels.shape[:-2], -1)
    return np.asarray(model.quantile(asked)).reshape(levels.shape)


def _losses(values: Array) -> Callable[[tuple[int, ...], np.random.Generator], Array]:
    """Return what draws the times (..., n) at which right-censored observations (n, 3) would be lost."""
    lower, upper, entry = values.T
    lost = lower != upper
    if not lost.any():
        return lambda shape, rng: np.full(shape, np.inf)
    # Where an event and a loss tie, the loss came later.
    times = np.where(lost, lower, np.nextafter(lower, -np.inf))
    chances = nonparametric(np.stack([times, np.where(lost, times, np.inf), entry], axis=-1))
    # Losses before an entry would not have been seen.
    known = np.append(1.0, chances.survival)
    start = known[np.searchsorted(chances.upper, entry, side="right")]
    points = np.append(chances.upper, np.inf)

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        level = rng.random(shape) * start
        after = np.searchsorted(-chances.survival, -level, side="left")
        return np.asarray(points[np.minimum(after, points.size - 1)])

    return draw


def _right_censored(values: Array, mirror: bool = False) -> Draw:
    """Draw times and losses; of −Y where the losses are to the left."""
    entry, lost_at = values[:, 2], _losses(values)

    def draw(model: Any, replicates: int, rng: np.random.Generator) -> Array:
        y = _beyond(model, entry, replicates, rng)
        y = -y if mirror else y
        limit = lost_at(y.shape, rng)
        seen = y <= limit
        low, high = np.where(seen, y, limit), np.where(seen, y, np.inf)
        if mirror:
            low, high = -high, -low
        return np.stack([low, high, np.broadcast_to(entry, y.shape)], axis=-1)

    return draw


def _inspected(values: Array, step: float) -> Draw | None:
    """Draw what inspections at common times find until an observation is lost to them.

    None where an interval holds the end of another, so that the times of inspection were not common.
    """
    lower, upper, entry = values[:, 0] - step, values[:, 1], values[:, 2]
    times = np.unique(np.concatenate([lower, upper]))
    times = times[np.isfinite(times)]
    begun, done = (np.searchsorted(times, end, side="right") for end in (lower, upper))
    lost = np.isposinf(upper)
    if not np.all(lost | (done - begun == 1)):
        return None
    last = np.where(lost, lower, upper)
    lost_at = _losses(np.stack([last, np.where(lost, np.inf, last), entry], axis=-1))
    ends, starts = np.append(times, np.inf), np.append(-np.inf, times) + step

    def draw(model: Any, replicates: int, rng: np.random.Generator) -> Array:
        y = _beyond(model, entry, replicates, rng)
        at = np.searchsorted(times, y, side="left")
        limit = lost_at(y.shape, rng)
        seen = ends[at] <= limit
        low, high = np.where(seen, starts[at], limit + step), np.where(seen, ends[at], np.inf)
        return np.stack([low, high, np.broadcast_to(entry, y.shape)], axis=-1)

    return draw


def _in_cells(values: Array, step: float) -> Draw:
    lower, upper, _ = values.T
    starts, stops = np.unique(lower), np.unique(upper)
    joined = starts.size == stops.size and np.allclose(starts[1:], stops[:-1] + step)
    cells = set(zip(starts.tolist(), stops.tolist(), strict=True)) if joined else set()
    if not set(zip(lower.tolist(), upper.tolist(), strict=True)) <= cells:
        raise errors.ComparisonError(
            errors.message(
                "grouped observations with common cells side by side to simulate others",
                f"{starts.size} lower and {stops.size} upper ends that do not join",
                "Give every cell, those without observations too",
            )
        )

    # Outcomes beyond the outermost cells have cells of their own.
    low_ends = np.concatenate([[-np.inf], starts, [stops[-1] + step]])
    high_ends = np.concatenate([[starts[0] - step], stops, [np.inf]])

    def draw(model: Any, replicates: int, rng: np.random.Generator) -> Array:
        y = model.draw((replicates, len(values)), rng)
        at = np.searchsorted(high_ends[:-1], y, side="left")
        return np.stack([low_ends[at], high_ends[at], np.full(y.shape, -np.inf)], axis=-1)

    return draw
