"""What a conditional fit forecasts of its observations: in sample, or by fits that have not seen them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, column
from mlece.families.finite import Bernoulli
from mlece.families.labels import Labelled
from mlece.fits.fitting import fit_sample
from mlece.math import Array
from mlece.randomness import stream
from mlece.regression.result import ConditionalFit
from mlece.sample import Sample


def class_forecasts(
    fit: ConditionalFit, folds: int | None = None, rng: Any = 0
) -> tuple[Array, Array, Array | None, tuple[Any, ...]]:
    """Return forecast probabilities, outcomes, weights and labels of a fit of classes.

    Parameters
    ----------
    fit : ConditionalFit
        Single, of labels or of 0 and 1.
    folds : int, optional
        With a number, every forecast comes from a fit to the other folds.
    rng : int or numpy.random.Generator
        Deals the observations into folds.

    Raises
    ------
    DataError
        For a batch, responses that are no classes, or another number of folds than 2 to n.
    """
    law = fit.predict()
    if fit.sample.batch_shape or not isinstance(law, Labelled | Bernoulli):
        raise errors.DataError(
            errors.message(
                "one fit of classes for their calibration",
                f"{fit!r}" if not fit.sample.batch_shape else f"a batch {fit.sample.batch_shape}",
                "mlece.worm looks at residuals of numbers",
            )
        )
    values, rows, w = fit.sample.values, fit.rows[0], fit.sample.weights
    weights = None if w is None else w[0]
    if folds is None:
        p = _probabilities(law)[rows]
    else:
        n = len(rows)
        if not 2 <= folds <= n:
            raise errors.DataError(errors.message(f"2 to {n} folds", f"{folds!r}"))
        at = stream(rng).permutation(n) % folds
        seen = (at != np.arange(folds)[:, None]) * (1.0 if weights is None else weights)
        part = Sample(values, seen, (folds,), fit.sample.name, weighting=fit.sample.weighting)
        others = fit_sample(fit.family, part)
        assert isinstance(others, ConditionalFit)
        p = _probabilities(others.predict())[at, rows]
    labels = law.labels or () if isinstance(law, Labelled) else (0, 1)
    if values.shape[-1] != 2:
        raise errors.DataError(errors.message("classes that occurred", "soft targets"))
    y = values[0, :, 0].astype(np.intp)
    return p, np.asarray(labels)[y], weights, tuple(labels)


def _probabilities(law: Any) -> Array:
    """Return the probabilities of all classes, (..., m, K)."""
    if isinstance(law, Labelled):
        return law.masses()
    p = np.asarray(law.p)
    return np.stack([1.0 - p, p], axis=-1)


def covariate_of(fit: ConditionalFit, name: str) -> Array:
    """Return a numeric column of the covariates of a fit, one number for each observation, (n,)."""
    values = np.asarray(as_array(column(fit.given, name), name), dtype=float)
    return np.asarray((values if fit.kept is None else values[fit.kept])[fit.rows[0]])
