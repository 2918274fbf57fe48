"""The ledger of a fit to data, whose truth is unknown: every term with its standard error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.diagnostics.gap import gap
from mlece.diagnostics.ledger import Ledger
from mlece.fits.covariance import trace_term
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.quantities import Entropy, Population
from mlece.randomness import stream
from mlece.refits.bootstrap import observations
from mlece.sample import Sample

_REFITS = 200  # of weighted refits, for the standard error of the trace


def estimated(fit: Fit, replicates: int, rng: Any) -> Ledger:
    """Return the ledger of a fit to data.

    Parameters
    ----------
    fit : Fit
        A single fit.
    replicates : int
        Bootstrap samples of the gap.
    rng : int or numpy.random.Generator
        Source of randomness.
    """
    if fit.sample.drawn is not None:
        raise errors.ComparisonError(
            errors.message(
                "a fit to data", "a fit to a known distribution", "Use mlece.ledger(truth, fit)"
            )
        )
    generator = stream(rng)
    found = gap(fit, replicates=replicates, rng=generator)
    n = found.n
    half = float(trace_term(fit)[0]) / (2.0 * n)
    half_se = _trace_se(fit, generator) / (2.0 * n)
    y = observations(fit)
    spread = float(fit.model.log_density(y).std(ddof=1)) / np.sqrt(n)
    best = found.cross_entropy + half
    return Ledger(
        floor=Entropy(best - found.value),
        approximation=found.value,
        estimation=half,
        total=Population(best + half),
        pseudo_true=None,
        truth=None,
        optimism=2.0 * half,
        se={
            "floor": float(found.entropy.se),
            "approximation": found.se,
            "estimation": half_se,
            "total": spread,
            "optimism": 2.0 * half_se,
        },
        model=found.model,
        how=f"estimated from {n:g} observations, ± standard errors; p = {found.p_value:.3g} for a right "
        "model. No estimate of a gap is free of assumptions." + f" {found.remark}".rstrip(),
    )


def _trace_se(fit: Fit, generator: np.random.Generator) -> float:
    """Return the standard error of tr(A⁻¹B) from refits under multinomial weights (Efron 1979)."""
    y = fit.sample.values
    w = np.ones(y.shape[1]) if fit.sample.weights is None else fit.sample.weights[0]
    counts = generator.multinomial(round(w.sum()), w / w.sum(), size=_REFITS).astype(float)
    batch = fit_sample(fit.family, replace(Sample(y, counts, (_REFITS,)), name=fit.sample.name))
    with np.errstate(all="ignore"):
        found = trace_term(batch)
    return float(np.std(found[np.isfinite(found)], ddof=1))
