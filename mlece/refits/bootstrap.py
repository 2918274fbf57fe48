"""Many refits at once: samples drawn from fitted models or from the data, fitted as one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlece import errors
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import drawn_like, response_family
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.refits.recording import recorded
from mlece.refits.resampling import multiplicities, slabs
from mlece.sample import Sample

RESAMPLINGS = ("parametric", "nonparametric")
FEWEST = 19  # replicates: with fewer, no p-value could reach 5 %


def check_replicates(replicates: int) -> None:
    """Raise unless a p-value from so many replicates can reach 5 %."""
    if replicates < FEWEST:
        raise errors.ParameterError(
            errors.message(f"at least {FEWEST} replicates", f"{replicates}")
        )


def observations(fit: Fit) -> Array:
    """Return the observations of a single fit one by one, counts expanded, (n,) or (n, width).

    Raises
    ------
    DataError
        If frequency weights are not whole numbers.
    """
    y = np.asarray(fit.sample.values[0], dtype=float)
    w = fit.sample.weights
    if w is None:
        return y
    if not np.all(w[0] == np.round(w[0])):
        raise errors.DataError(
            errors.message(
                "whole numbers as weights (counts), to simulate samples of the same size",
                errors.offenders(w[0] != np.round(w[0]), w[0]),
            )
        )
    return np.repeat(y, w[0].astype(np.int64), axis=0)


def parametric(
    fit: Fit,
    replicates: int,
    rng: np.random.Generator,
    record: Callable[[Array], Array] | None = None,
    draw: Callable[[Model, int, np.random.Generator], Array] | None = None,
    load: int = 1,
) -> Iterator[tuple[Array, Fit]]:
    """Draw samples of the fitted model's size from it and refit the family to each.

    Responses with covariates are drawn given these: every sample has the covariates of the data.

    Parameters
    ----------
    fit : Fit
        A single fit.
    replicates : int
        Number of samples.
    rng : numpy.random.Generator
        Source of randomness.
    record : callable, optional
        How observations are recorded (rounded to a grid, say) before they are fitted.
    draw : callable, optional
        From the fitted model, a number r of samples and ``rng`` to observations (r, n, ...), where they
        are not drawn from the model as they are.
    load : int
        How many numbers will be held for each observation of a refit, to bound the memory.

    Yields
    ------
    y : array (r, n)
        Simulated observations (codes for labels).
    refit : Fit
        The batch of fits.
    """
    like = observations(fit)[None]
    model = fit.model
    for size in slabs(replicates, like.shape[1] * load):
        y = drawn_like(model, like, size, rng) if draw is None else draw(model, size, rng)
        if record is not None:
            y = record(y)
        yield y, fit_sample(fit.family, Sample(y, None, (size,), fit.sample.name))


def resampled(
    fit: Fit, members: Array, replicates: int, rng: np.random.Generator, resampling: str
) -> Iterator[Fit]:
    """Refit the family to samples drawn for some members of a batch, all in one batch.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch.
    members : array of int (r,)
        Members with a minimiser.
    replicates : int
        Number of samples for each.
    rng : numpy.random.Generator
    resampling : {"parametric", "nonparametric"}
        Draw from the fitted members, as many observations as the data hold, incomplete ones recorded as
        the data were (:mod:`mlece.refits.recording`); or from the observations, with frequency weights by
        their multiplicity: the weights of a resample are multinomial.

    Yields
    ------
    refit : Fit
        Fits of shape (r, b): b samples for each member.

    Raises
    ------
    DataError
        If frequency weights are not whole numbers, so that no sample of their size can be drawn.
    """
    if resampling not in RESAMPLINGS:
        raise errors.unknown_name("resampling", resampling, RESAMPLINGS)
    _require_drawable(fit, resampling)
    draw = _from_models if resampling == "parametric" else _from_data
    for size in slabs(replicates, fit.sample.rows * members.size):
        values, weights = draw(fit, members, size, rng)
        shape = (members.size, size)
        sample = Sample(values, weights, shape, fit.sample.name, weighting=fit.sample.weighting)
        yield fit_sample(filled_family(fit, members, shape), sample)


def _require_drawable(fit: Fit, resampling: str) -> None:
    sample = fit.sample
    if sample.truth is not None:
        raise errors.ComparisonError(
            errors.message("a fit to data for a bootstrap", "a fit to a known distribution")
        )
    if resampling == "parametric" and sample.weighting == "sampling":
        raise errors.ComparisonError(
            errors.message(
                "frequency weights for a parametric bootstrap",
                "sampling weights",
                "Use resampling='nonparametric'",
            )
        )
    w = sample.weights
    if w is not None and sample.weighting == "frequency" and np.any(w != np.round(w)):
        bad = w != np.round(w)
        raise errors.DataError(
            errors.message(
                "whole numbers as weights (counts), to draw samples of the same size",
                errors.offenders(bad[0], w[0]) if len(w) == 1 else f"{int(bad.sum())} fractions",
                "Give weighting='sampling' if they are no counts",
            )
        )


def filled_family(fit: Fit, members: Array, shape: tuple[int, int]) -> Model:
    """Return the family with its filled slots in the shape of the batch of refits."""
    family = fit.family
    if not any(v is not None and v.ndim for v in family.slots.values()):
        return family
    filled = {}
    for p in family.params:
        if p.name not in family.free:
            flat = fit.flat(p.name)[members]
            filled[p.name] = np.broadcast_to(flat[:, None], (*shape, *flat.shape[1:]))
    return family.replace(**filled)


def _from_models(
    fit: Fit, members: Array, size: int, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """Draw samples from the fitted members; shorter ones are filled up with weights of 0."""
    like, inside = _one_by_one(fit, members)
    place = np.full(fit.objective.size, -1)
    place[members] = np.arange(members.size)
    hidden = is_incomplete(response_family(fit.family))
    out: Array | None = None
    for group, model in fit.groups():
        kept = place[group] >= 0
        own = like if len(like) == 1 else like[np.maximum(place[group], 0)]
        if hidden:
            y = recorded(fit.family, model, own, inside[np.maximum(place[group], 0)], size, rng)
        else:
            y = drawn_like(model, own, size, rng)
        if out is None:
            out = np.empty((members.size, *y.shape[1:]))
        out[place[group[kept]]] = y[kept]
    assert out is not None
    values = out.reshape(members.size * size, *out.shape[2:])
    if inside.all():
        return values, None
    return values, np.repeat(inside.astype(float), size, axis=0)


def _one_by_one(fit: Fit, members: Array) -> tuple[Array, Array]:
    """Return observations of members, counts expanded, (r or 1, m, ...), and which are no filling."""
    values, weights = fit.sample.values, fit.sample.weights
    shape = (members.size, fit.sample.rows)
    if weights is None:
        return (values if len(values) == 1 else values[members]), np.ones(shape, dtype=bool)
    w = np.broadcast_to(weights, (fit.objective.size, shape[1]))[members].astype(np.int64)
    totals = w.sum(axis=1)
    inside = np.arange(totals.max()) < totals[:, None]
    at = np.zeros(inside.shape, dtype=np.int64)
    at[inside] = np.repeat(np.tile(np.arange(shape[1]), shape[0]), w.ravel())
    if len(values) == 1:
        return values[0][at], inside
    return values[members][np.arange(shape[0])[:, None], at], inside


def _from_data(
    fit: Fit, members: Array, size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw how often each observation occurs in samples from the data."""
    sample = fit.sample
    y, w, n = sample.values, sample.weights, sample.rows
    shared = len(y) == 1
    values = y if shared else np.repeat(y[members], size, axis=0)
    rows = members.size * size
    if w is None or sample.weighting == "sampling":
        counts = multiplicities(rows, n, rng)
        if w is not None:
            counts *= w if len(w) == 1 else np.repeat(w[members], size, axis=0)
        return values, counts
    own = np.broadcast_to(w, (fit.objective.size, n))[members]
    total = own.sum(axis=1)
    shares = own / total[:, None]
    counts = rng.multinomial(
        np.round(total).astype(np.int64)[:, None], shares[:, None, :], (members.size, size)
    )
    return values, counts.reshape(rows, n).astype(float)
