"""What the likelihood of a model is at most, as far as its certificate goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.sample import Sample


@dataclass(frozen=True)
class Best:
    """The best member of a model on some observations.

    Attributes
    ----------
    at : array (n,)
        Its log densities; NaN where no member attains the supremum.
    supremum : float
        Of the log-likelihood: what the certificate allows it to be at most.
    remark : str
        What the certificate leaves open, a sentence or nothing.
    """

    at: Array
    supremum: float
    remark: str


def best_member(model: Model, y: Array, rival: Any = None) -> Best:
    """Fit the model; a rival log density of one of its members is a bound as well."""
    fit = fit_sample(model, Sample(y[None], None, ()))
    at = np.full(len(y), np.nan)
    for _, member in fit.groups():
        at = member.log_density(y[None])[0]
    value, excess = fit.values, fit.certificate.excess
    bounds = [_supremum(float(value[0]), float(excess), len(y))]
    if rival is not None:
        with np.errstate(all="ignore"):
            bounds.append(float(rival(y).sum()))
    return Best(at, float(np.nanmax(bounds)), remark_on(fit))


def _supremum(value: float, excess: float, n: float) -> float:
    """Return what a log-likelihood is at most: infinite where the search has found no value."""
    if np.isnan(value):
        return np.inf
    return n * (-value + (excess if np.isfinite(excess) else 0.0))


def remark_on(fit: Fit) -> str:
    """Say what an e-value supposes where the certificate of a maximum is local."""
    if fit.certificate.scope == "global":
        return ""
    return (
        f"The maximum over {fit.family.title} is certified locally: "
        "a higher one elsewhere would lower the evidence."
    )


def suprema(model: Model, y: Array, ends: Array) -> tuple[Array, str]:
    """Return the supremum of the log-likelihood over the observations up to each end."""
    weights = 1.0 * (np.arange(len(y)) < ends[:, None])
    fit = fit_sample(model, Sample(y[None], weights, (ends.size,)))
    found = zip(fit.values, np.ravel(fit.certificate.excess), ends, strict=True)
    return np.array([_supremum(float(v), float(x), n) for v, x, n in found]), remark_on(fit)


def lost(learned: Array, tops: Array, marks: Sequence[int]) -> str:
    """Say why the evidence of a sequence is lost for good, nothing where it is not."""
    if learned[-1] == -np.inf:
        j = int(np.argmax(learned == -np.inf))
        return (
            f"Between observation {marks[j] + 1} and {marks[j + 1]} came one that no density learned from "
            "those before gives any chance: the evidence is lost for good."
        )
    if np.isposinf(tops[-1]):
        j = int(np.argmax(np.isposinf(tops)))
        return (
            f"The likelihood of the model has no upper bound on the first {marks[j + 1]} observations: "
            "nothing speaks against it."
        )
    return ""
