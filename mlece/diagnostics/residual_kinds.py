"""Residuals on the scale of the response: plain, Pearson's and of the deviance."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.observed import laws_at
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array, sqrt
from mlece.model import Model
from mlece.regression.binding import MAIN
from mlece.sample import Sample

OF_RESPONSES = ("response", "pearson", "deviance")


def of_responses(fit: Fit, kind: str) -> Array:
    """Return residuals of exact observations, (R, n), NaN for members of a batch without a minimiser.

    Parameters
    ----------
    fit : Fit
        A fit of numbers, with covariates or without.
    kind : {"response", "pearson", "deviance"}
        y − E[Y]; the same over the standard deviation; or the root of twice what the log density at y
        gains where the slot that tells where the law lies is set free for each observation, the other
        slots held, with the sign of y − E[Y] (McCullagh and Nelder 1989, section 2.4).
    """
    fit.require_numbers(f"{kind} residuals")
    out = np.full((fit.objective.size, fit.sample.rows), np.nan)
    values = fit.sample.values.astype(float)
    for members, model in fit.groups():
        own, y = laws_at(model, values if len(values) == 1 else values[members])
        law = model if own is model else own.law
        mean = _wide(law.mean, own is model)
        error = y - mean
        if kind == "pearson":
            error = error / _wide(law.sd, own is model)
        if kind == "deviance":
            slot = _main_slot(fit, model, law)
            gain = _saturated(law, slot, np.broadcast_to(y, error.shape)) - own.log_density(y)
            # Rounding may leave the best a little below the fitted one.
            error = np.sign(error) * sqrt(np.maximum(2.0 * gain, 0.0))
        out[members] = error
    return out


def _wide(value: Any, alike: bool) -> Array:
    """Return a number of each law: a column where the observations of a sample share theirs."""
    array = np.asarray(value, dtype=float)
    return array[..., None] if alike else array


def _main_slot(fit: Fit, model: Model, law: Model) -> str:
    """Return the slot of a law that tells where it lies: of those estimated, or with a predictor."""
    if isinstance(model, Conditional):
        names = tuple(term.label for term in model.terms)
    elif type(model) is type(fit.family):
        names = fit.names
    else:
        names = tuple(p.name for p in law.params)
    found = next((name for name in MAIN if name in names and name in law.slots), None)
    if found is None:
        raise errors.ComparisonError(
            errors.message(
                "an estimated slot that tells where the law lies, for residuals of the deviance",
                f"{', '.join(names) or 'none'} ({fit.family.title})",
                "Quantile residuals are defined for every law",
            )
        )
    return found


def _saturated(law: Model, slot: str, y: Array) -> Array:
    """Return the supremum over one slot of the log density at each observation, (r, n)."""
    lead = y.shape if law.batch_shape == y.shape else (*law.batch_shape, 1)
    values: dict[str, Any] = {}
    for p, value in zip(law.params, law.theta, strict=True):
        if p.name == slot:
            values[p.name] = None
        else:
            wide = np.reshape(value, lead) if np.ndim(value) else value
            values[p.name] = np.ravel(np.broadcast_to(wide, y.shape))
    best = fit_sample(law.replace(**values), Sample(y.reshape(-1, 1), None, (y.size,)))
    return np.asarray(-best.values.reshape(y.shape))
