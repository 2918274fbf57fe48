"""Calibration curves of class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlece.plot.style import BLUE, CYCLE, INK, new_axes, tidy

if TYPE_CHECKING:
    from mlece.diagnostics.calibration import Calibration, CalibrationCurve

_MARKER = 60.0  # area of the marker of a bin that holds every observation


def calibration_plot(
    calibration: Calibration, ax: Any = None
) -> tuple[Any, tuple[CalibrationCurve, ...]]:
    """Draw observed frequencies over forecast probabilities.

    The diagonal is perfect calibration, the band where frequencies would lie by chance about it. Levels
    of an isotonic regression are drawn as steps over the forecasts that they pool, bins as points with
    binomial intervals; the area of a marker is its share of the observations.

    Parameters
    ----------
    calibration : Calibration
    ax : matplotlib axes, optional
        A new figure if not given.

    Returns
    -------
    ax : matplotlib axes
    curves : tuple of CalibrationCurve
        What was drawn, a curve for each class against the others (for two classes, of the second).

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> found = mlece.calibration([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1], replicates=19)
    >>> ax, drawn = found.plot()
    >>> drawn[0].frequency.tolist()
    [0.5, 1.0]
    """
    ax = new_axes(size=(4.8, 4.6)) if ax is None else ax
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1.0)
    several = len(calibration.curves) > 1
    for k, curve in enumerate(calibration.curves):
        colour = CYCLE[k % len(CYCLE)]
        if curve.band_lower is not None and not several:
            ax.fill_between(
                curve.forecast, curve.band_lower, curve.band_upper, color=BLUE, alpha=0.18,
                linewidth=0, label=f"{100 * calibration.level:g} % band if calibrated, pointwise",
            )  # fmt: skip
        _levels(ax, curve, calibration.method, colour, str(curve.label) if several else "observed")
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    event = "each class" if several else str(calibration.curves[0].label)
    tidy(ax, "Calibration", f"forecast probability of {event}", "observed frequency")
    return ax, calibration.curves


def _levels(ax: Any, curve: CalibrationCurve, method: str, colour: str, label: str) -> None:
    area = 6 + _MARKER * curve.count / curve.count.sum()
    ax.scatter(
        curve.forecast, curve.frequency, s=area, color=colour, linewidth=0, label=label, zorder=3
    )
    if method == "pav":
        ends = np.stack([curve.low, curve.high], axis=1).ravel()
        ax.plot(ends, np.repeat(curve.frequency, 2), color=colour, linewidth=1.4)
    else:
        ax.vlines(curve.forecast, curve.lower, curve.upper, color=colour, linewidth=1.2)
