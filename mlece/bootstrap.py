"""Many refits at once: samples drawn from a fitted model, fitted as one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mlece.fitting import fit_sample
from mlece.math import Array
from mlece.model import Model
from mlece.result import Fit
from mlece.sample import Sample

# Draws are made and fitted in slabs of about this many observations, so that memory stays bounded.
_SLAB = 1 << 21


def parametric(
    fit: Fit,
    replicates: int,
    rng: np.random.Generator,
    record: Callable[[Array], Array] | None = None,
    draw: Callable[[Model, int, np.random.Generator], Array] | None = None,
) -> Iterator[tuple[Array, Fit]]:
    """Draw samples of the fitted model's size from it and refit the family to each.

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

    Yields
    ------
    y : array (r, n)
        Simulated observations (codes for labels).
    refit : Fit
        The batch of fits.
    """
    n = round(float(fit.objective.total[0]))
    model = fit.model
    stride = max(1, _SLAB // n)
    for start in range(0, replicates, stride):
        size = (min(stride, replicates - start), n)
        y = model.draw(size, rng) if draw is None else draw(model, size[0], rng)
        if record is not None:
            y = record(y)
        yield y, fit_sample(fit.family, Sample(y, None, (size[0],), fit.sample.name))
