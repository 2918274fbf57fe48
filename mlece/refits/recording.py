"""How incomplete observations came to be recorded, so that simulated ones are recorded alike.

A test calibrated by simulation needs the mechanism of the data: when observations would have been lost
that were not. Times of censoring are drawn from their own product-limit estimate, in which events are
the losses (Efron 1981, Journal of the American Statistical Association 76, 312-319); grouped data keep
their cells, entries stay with their observations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import beside, laws_at, response_family, responses_of
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.refits.nonparametric import nonparametric

Draw = Callable[[Any, int, np.random.Generator], Array]


def recorded_like(fit: Fit, y: Array) -> Draw | None:
    """Return what draws samples and records them as incomplete observations (n, width) of a fit were.

    None where they are complete. With covariates a response is drawn at those of each observation, and
    losses are taken to come whatever these are.
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
        From a law, a number r of samples and a generator to observations (r, n, 3).

    Raises
    ------
    ComparisonError
        If intervals overlap otherwise than by right- or by left-censoring: then the inspections that
        other outcomes would have met are unknown.
    """
    lower, upper, entry = values.T
    exact = lower == upper
    if np.all(exact | (upper == np.inf)) and not (np.isneginf(lower) & ~exact).any():
        return _right_censored(values)
    if np.all(exact | np.isneginf(lower)) and np.all(np.isneginf(entry)):
        return _right_censored(np.stack([-upper, -lower, entry], axis=-1), mirror=True)
    if not exact.any() and np.all(np.isneginf(entry)):
        return _in_cells(values, discrete)
    raise errors.ComparisonError(
        errors.message(
            "right-censored, left-censored or grouped observations to simulate others",
            "intervals of several kinds",
            "The inspections that other outcomes would have met are not known",
        )
    )


def _beyond(model: Any, entry: Array, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw observations given that they exceed their entries."""
    if np.all(np.isneginf(entry)):
        return np.asarray(model.draw(shape, rng))
    at = np.maximum(entry, model.bounds(model.theta)[0])
    unseen = np.where(np.isneginf(entry), 0.0, model.cdf(at))
    drawn = model.quantile(unseen + rng.random(shape) * (1.0 - unseen))
    return np.asarray(drawn)


def _right_censored(values: Array, mirror: bool = False) -> Draw:
    """Draw times and losses; of −Y where the losses are to the left."""
    lower, upper, entry = values.T
    lost = lower != upper
    # Where an event and a loss tie, the loss came later.
    times = np.where(lost, lower, np.nextafter(lower, -np.inf))
    reverse = np.where(lost, times, np.inf)
    chances = nonparametric(np.stack([times, reverse, entry], axis=-1)) if lost.any() else None

    def draw(model: Any, replicates: int, rng: np.random.Generator) -> Array:
        shape = (replicates, len(values))
        y = _beyond(model, entry, shape, rng)
        y = -y if mirror else y
        limit = np.full(shape, np.inf)
        if chances is not None:
            # Losses before an entry would not have been seen.
            known = np.append(1.0, chances.survival)
            start = known[np.searchsorted(chances.upper, entry, side="right")]
            level = rng.random(shape) * start
            after = np.searchsorted(-chances.survival, -level, side="left")
            points = np.append(chances.upper, np.inf)
            limit = points[np.minimum(after, points.size - 1)]
        seen = y <= limit
        low, high = np.where(seen, y, limit), np.where(seen, y, np.inf)
        if mirror:
            low, high = -high, -low
        return np.stack([low, high, np.broadcast_to(entry, shape)], axis=-1)

    return draw


def _in_cells(values: Array, discrete: bool) -> Draw:
    lower, upper, _ = values.T
    starts, stops = np.unique(lower), np.unique(upper)
    step = 1.0 if discrete else 0.0
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
