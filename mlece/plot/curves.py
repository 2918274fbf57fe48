"""Confidence curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.plot.style import BLUE, GREY, VERMILION, new_axes, tidy

if TYPE_CHECKING:
    from mlece.inference.curve import LikelihoodCurve

LEVELS = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class CurveNumbers:
    """What was drawn.

    Attributes
    ----------
    values, confidence : array (P,)
        The curve.
    estimate : float
        Where it comes down to 0.
    levels : tuple of float
        Confidence levels marked by lines.
    """

    values: Array
    confidence: Array
    estimate: float
    levels: tuple[float, ...]


def confidence_curve(curve: LikelihoodCurve, ax: Any = None) -> tuple[Any, CurveNumbers]:
    """Draw a confidence curve: the intervals of every level, one above the other.

    Parameters
    ----------
    curve : LikelihoodCurve
        Of a single fit.
    ax : matplotlib axes, optional
        A new figure if not given.

    Returns
    -------
    ax : matplotlib axes
    numbers : CurveNumbers

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> fit = mlece.fit(mlece.Exponential(), [1.0, 2.0, 3.0, 0.5])
    >>> ax, drawn = fit.profile("rate").plot()
    >>> drawn.values.size
    41
    """
    if curve.values.ndim != 1:
        raise errors.DataError(
            errors.message("the curve of one fit", f"curves of a batch {curve.values.shape[:-1]}")
        )
    ax = new_axes() if ax is None else ax
    ax.plot(curve.values, curve.confidence, color=BLUE)
    for level in LEVELS:
        ax.axhline(level, color=GREY, linewidth=0.8)
    if np.isfinite(curve.estimate):
        ax.axvline(curve.estimate, color=VERMILION, linewidth=0.8)
    ax.set_ylim(0, 1)
    title = "robust confidence curve" if curve.robust else "confidence curve"
    tidy(ax, title, curve.name, "confidence level")
    return ax, CurveNumbers(curve.values, curve.confidence, float(curve.estimate), LEVELS)
