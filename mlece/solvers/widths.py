"""The widths of a mixture's components: the least that is searched, and what narrow ones are charged."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.mixture_parts import LEAST_SCALE, SCALES
from mlece.likelihood.chart import Chart
from mlece.math import Array, Arrays


def bounded_scales(chart: Chart) -> tuple[Array, Array]:
    """Return the box of a mixture: a scale that follows the frame has a least value (Hathaway 1985)."""
    lower, upper = chart.box()
    with np.errstate(all="ignore"):
        for column, p in enumerate(chart.free):
            if p.role in SCALES:
                end = LEAST_SCALE if p.role == "scale" else 1.0 / LEAST_SCALE
                edge = float(p.bijection.inverse(np.asarray(end)))
                side = lower if p.role == "scale" else upper
                side[column] = (np.fmax if p.role == "scale" else np.fmin)(side[column], edge)
    return lower, upper


def narrowness(mixture: Any, theta: Arrays, total: Array) -> Array:
    """Return a penalty (r,) in nats per observation on components that sit on a few observations.

    The sum over components of 1/s² + log s² over n², for widths s in units of the mixture's spread;
    with it the highest of many local maxima is a consistent choice (Chen, Tan and Zhang 2008, Statistica
    Sinica 18, 443-465). It chooses between maxima and is no part of the likelihood.
    """
    with np.errstate(all="ignore"):
        widths = mixture.widths(theta[: len(mixture.params)])
        terms = 1.0 / widths**2 + 2.0 * np.log(widths)
    return np.asarray(np.where(np.isnan(terms), 0.0, terms).sum(axis=0) / total**2)
