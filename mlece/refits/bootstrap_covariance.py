"""The covariance of estimates over refits: of rows, clusters, residuals or laws drawn anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import rows_of
from mlece.families.real_line import Gaussian
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.inference.estimates import Parameters, solved
from mlece.math import Array
from mlece.randomness import stream
from mlece.refits.bootstrap import filled_family, resampled
from mlece.refits.resampling import SLAB, cluster_weights, residual_responses, wild_responses
from mlece.regression.labels import ways_of
from mlece.regression.robust import leverages, require_data
from mlece.sample import Sample

RESAMPLINGS = ("nonparametric", "parametric", "residual", "wild")


def bootstrap_covariance(
    fit: Fit,
    resampling: str = "nonparametric",
    clusters: Any = None,
    replicates: int = 999,
    rng: Any = 0,
    law: str = "rademacher",
) -> Array:
    """Return the covariance of the estimates over bootstrap samples, (R, k, k), in the user's units.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch. Refits share its design.
    resampling : {"nonparametric", "parametric", "residual", "wild"}
        Observations drawn with their covariates; responses drawn from the fitted model; for a Gaussian
        linear model of one sample fitted means plus residuals drawn anew, or each residual with a random
        factor.
    clusters : optional
        One way, as in :func:`mlece.fits.covariance.covariance`: whole clusters are drawn
        ("nonparametric"), or share their factor ("wild").
    replicates : int
        Number of samples, at least 2.
    rng : int or numpy.random.Generator
    law : {"rademacher", "mammen"}
        Of the factors of "wild"; see :func:`mlece.refits.resampling.wild_responses`.

    Raises
    ------
    NotRegularError
        If a replicate of the fit (of every member of a batch) has no finite estimate, as where a sample
        can be separated: its covariance would be infinite. NaN for such members of a batch.
    ComparisonError, DataError
        For samples that cannot be drawn.

    Examples
    --------
    >>> import mlece
    >>> table = {"x": list(range(8))}
    >>> line = mlece.fit(mlece.Gaussian(mean="x"), [1.0, 2.0, 4.0, 3.0, 6.0, 5.0, 9.0, 8.0], given=table)
    >>> line.covariance("bootstrap", resampling="residual", replicates=99).shape
    (3, 3)
    """
    if resampling not in RESAMPLINGS:
        raise errors.unknown_name("resampling", resampling, RESAMPLINGS)
    if replicates < 2:
        raise errors.ParameterError(errors.message("at least 2 replicates", f"{replicates}"))
    if clusters is not None and resampling not in ("nonparametric", "wild"):
        raise errors.ComparisonError(
            errors.message(
                "resampling='nonparametric' or 'wild' for clusters", f"resampling={resampling!r}"
            )
        )
    require_data(fit, "bootstrap")
    members = np.flatnonzero(solved(fit))
    if not members.size:
        raise errors.NoDensityError(
            errors.message("a fit with a minimiser, to be resampled", str(fit.certificate))
        )
    source = stream(rng)
    if resampling in ("residual", "wild"):
        refits = _of_residuals(fit, resampling, clusters, replicates, source, law)
    elif clusters is not None:
        refits = _of_clusters(fit, members, clusters, replicates, source)
    else:
        refits = resampled(fit, members, replicates, source, resampling)
    shape = (members.size, -1)
    drawn = [
        estimates.reshape(*shape, estimates.shape[-1])
        for estimates in (Parameters(refit).estimate() for refit in refits)
    ]
    found = np.concatenate(drawn, axis=1)
    out = np.full((fit.objective.size, found.shape[2], found.shape[2]), np.nan)
    out[members] = _spread(found)
    return out


def _spread(found: Array) -> Array:
    """Return the covariances over replicates (R, B, k), NaN where one is not finite."""
    finite = np.all(np.isfinite(found), axis=2)
    usable = np.all(finite, axis=1, keepdims=True)[:, :, None]
    if not usable.any():
        raise errors.NotRegularError(
            errors.message(
                "a finite estimate for every replicate",
                f"{int((~finite[:1]).sum())} of {found.shape[1]} without one",
                "Their covariance is infinite; fit.interval(method='bootstrap') puts them in order",
            )
        )
    centred = np.where(usable, found, 0.0)
    centred = centred - centred.mean(axis=1, keepdims=True)
    spread = np.swapaxes(centred, 1, 2) @ centred / (found.shape[1] - 1.0)
    return np.where(usable, spread, np.nan)


def _of_clusters(
    fit: Fit, members: Array, clusters: Any, replicates: int, rng: np.random.Generator
) -> Iterator[Fit]:
    """Refit to samples of whole clusters; the members of a batch share them."""
    ways = ways_of(fit, clusters)
    sample, r = fit.sample, members.size
    labels = ways[0] if len(ways) == 1 else ways
    step = max(1, SLAB // (sample.rows * r))
    own = None if sample.weights is None else sample.weights
    for slab in cluster_weights(labels, sample.rows, replicates, rng):
        for start in range(0, len(slab), step):
            counts = slab[start : start + step]
            shape = (r, len(counts))
            weights = np.broadcast_to(counts, (*shape, sample.rows))
            if own is not None:
                weights = weights * (own if len(own) == 1 else own[members])[:, None]
            values = sample.values
            if len(values) > 1:
                values = np.repeat(values[members], len(counts), axis=0)
            drawn = Sample(
                values,
                weights.reshape(-1, sample.rows),
                shape,
                sample.name,
                weighting=sample.weighting,
            )
            yield fit_sample(filled_family(fit, members, shape), drawn)


def _of_residuals(
    fit: Fit,
    resampling: str,
    clusters: Any,
    replicates: int,
    rng: np.random.Generator,
    law: str,
) -> Iterator[Fit]:
    """Refit to fitted means plus residuals, of equal variance after division by √(1 − h)."""
    model, sample = fit.model, fit.sample
    if not isinstance(model, Conditional) or not _linear(model) or sample.batch_shape:
        raise errors.ComparisonError(
            errors.message(
                f"one fit of a Gaussian linear model with one sd for the {resampling} bootstrap",
                f"{fit.family.title}" + (" of a batch" if sample.batch_shape else ""),
                "resampling='nonparametric' draws observations with their covariates",
            )
        )
    if sample.weights is not None and np.any(sample.weights != 1):
        raise errors.ComparisonError(
            errors.message(
                f"observations without weights for the {resampling} bootstrap", "weights"
            )
        )
    fitted = np.asarray(model.responses(rows_of(sample.values)).theta[0])
    y = sample.values[0, :, 0]
    h = next(iter(leverages(fit).values()))[0]
    settings: dict[str, Any] = {"leverage": h}
    if resampling == "residual":
        slabs = residual_responses(fitted, y - fitted, replicates, rng, **settings)
    else:
        if clusters is not None:
            ways = ways_of(fit, clusters)
            settings["clusters"] = ways[0] if len(ways) == 1 else ways
        slabs = wild_responses(fitted, y - fitted, replicates, rng, law=law, **settings)
    for slab in slabs:
        values = np.stack([slab, np.broadcast_to(sample.values[0, :, 1], slab.shape)], axis=-1)
        yield fit_sample(fit.family, Sample(values, None, (len(slab),), sample.name))


def _linear(model: Conditional) -> bool:
    """Tell whether a mean varies with covariates, in its own units, and nothing else does."""
    terms = [term for term in model.terms if term.design.width]
    straight = all(term.slot == "mean" and term.link.name == "identity" for term in terms)
    return type(model.inner) is Gaussian and len(terms) == 1 and straight
