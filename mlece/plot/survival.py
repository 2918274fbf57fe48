"""The fitted survival function over the one that incomplete observations show by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array, exp, log
from mlece.plot.style import BLUE, GREY, INK, VERMILION, new_axes, tidy
from mlece.refits.nonparametric import Nonparametric, nonparametric

if TYPE_CHECKING:
    from mlece.fits.result import Fit

_POINTS = 400
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class SurvivalNumbers:
    """What was drawn.

    Attributes
    ----------
    lower, upper : array (m,)
        Intervals over which the nonparametric estimate falls, equal ends where it jumps.
    survival : array (m,)
        The nonparametric P(Y > upper).
    band_lower, band_upper : array (m,)
        Its pointwise 95 % interval for right-censored data (Greenwood's variance of the log survival,
        on the scale of log(−log)); NaN for intervals.
    curve_x, curve : array
        The fitted P(Y > x).
    start : float
        Everything is given that the observation lies beyond this, the first entry; minus infinity
        without truncation.
    """

    lower: Array
    upper: Array
    survival: Array
    band_lower: Array
    band_upper: Array
    curve_x: Array
    curve: Array
    start: float


def survival_curve(fit: Fit, ax: Any = None) -> tuple[Any, SurvivalNumbers]:
    """Draw a fitted survival function over the nonparametric estimate.

    That is the product-limit estimate of Kaplan and Meier (1958), with a pointwise 95 % band, where
    every observation is exact or right-censored, and Turnbull's (1976) elsewhere; his is known at the ends
    of innermost intervals only, between which it may fall anyhow: the boxes.

    Parameters
    ----------
    fit : Fit
        A single fit with a minimiser to censored, truncated or grouped data.
    ax : matplotlib axes, optional
        A new figure if not given.

    Returns
    -------
    ax : matplotlib axes
    numbers : SurvivalNumbers

    Raises
    ------
    DataError
        For a batch of fits.
    NoDensityError
        If the fit has no minimiser.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> data = mlece.right_censored([5.0, 8.0, 12.0, 14.0], [True, False, True, True])
    >>> ax, drawn = mlece.fit("weibull", data).plot()
    >>> drawn.survival.tolist()
    [0.75, 0.375, 0.0]
    """
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i].plot()")
        )
    values, w = fit.sample.values[0].copy(), fit.sample.weights
    if fit.model.support.discrete:
        # Counts lie in closed intervals.
        values[:, 0] -= values[:, 0] != values[:, 1]
    found = nonparametric(values, None if w is None else w[0])
    start = float(values[:, 2].min())
    numbers = _numbers(fit, found, start, values)
    ax = new_axes() if ax is None else ax
    _draw(ax, fit, numbers, found.variance is not None)
    return ax, numbers


def _numbers(fit: Fit, found: Nonparametric, start: float, values: Array) -> SurvivalNumbers:
    ends = values[np.isfinite(values)]
    low, high = float(ends.min()), float(ends.max())
    if low > 0 and np.isinf(start) and fit.model.support.lower == 0:
        low = 0.0
    x = np.linspace(low, high, _POINTS)
    x = np.unique(np.floor(x)) if fit.model.support.discrete else x
    # Who enters late has survived until then: all is given the first entry.
    curve = exp(fit.model.log_sf(x) - (fit.model.log_sf(start) if np.isfinite(start) else 0.0))
    lower, upper = _band(found)
    curve = np.minimum(curve, 1.0)
    return SurvivalNumbers(found.lower, found.upper, found.survival, lower, upper, x, curve, start)


def _band(found: Nonparametric) -> tuple[Array, Array]:
    """Return the pointwise 95 % interval on the scale of log(−log S), which keeps it in (0, 1)."""
    nothing = np.full(found.mass.size, np.nan)
    if found.variance is None:
        return nothing, nothing
    with np.errstate(all="ignore"):
        log_s = log(found.survival)
        width = _NORMAL * np.sqrt(found.variance) / np.abs(log_s)
        usable = np.isfinite(log_s) & np.isfinite(width)
        ends = exp(log_s * exp(width)), exp(log_s * exp(-width))
    return np.where(usable, ends[0], np.nan), np.where(usable, ends[1], np.nan)


def _draw(ax: Any, fit: Fit, numbers: SurvivalNumbers, points: bool) -> None:
    x, curve = numbers.curve_x, numbers.curve
    below = np.append(1.0, numbers.survival)
    if points:
        at = np.concatenate([[x[0]], numbers.upper, [x[-1]]])
        level = np.append(below, below[-1])
        ax.step(at, level, where="post", color=INK, linewidth=1.2, label="Kaplan–Meier")
        known = np.isfinite(numbers.band_lower)
        if known.any():
            lower, upper = (b[known] for b in (numbers.band_lower, numbers.band_upper))
            until = np.append(numbers.upper, x[-1])[np.flatnonzero(known)[-1] + 1]
            ax.fill_between(
                np.append(numbers.upper[known], until), np.append(lower, lower[-1]),
                np.append(upper, upper[-1]), step="post", color=BLUE, alpha=0.18, linewidth=0,
                label="95 % band, pointwise",
            )  # fmt: skip
    else:
        _boxes(ax, numbers, below)
    steps = "steps-post" if fit.model.support.discrete else "default"
    text = repr(fit.model)
    label = text if len(text) <= 44 else f"fitted {type(fit.model).__name__}"
    ax.plot(x, curve, color=VERMILION, linewidth=2.0, label=label, drawstyle=steps)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(0, 1.02)
    ax.legend(frameon=False, fontsize="small", loc="best")
    given = "" if np.isinf(numbers.start) else f", given more than {numbers.start:g}"
    tidy(ax, "Survival function", fit.sample.name, f"probability above{given}")


def _boxes(ax: Any, numbers: SurvivalNumbers, below: Array) -> None:
    """Draw level stretches as lines, the intervals in which the estimate falls as boxes."""
    low, high = float(numbers.curve_x[0]), float(numbers.curve_x[-1])
    left = np.clip(numbers.lower, low, high)
    right = np.clip(numbers.upper, low, high)
    starts, stops = np.append(low, right), np.append(left, high)
    ax.hlines(below, starts, stops, color=INK, linewidth=1.2, label="Turnbull")
    for a, b, top, bottom in zip(left, right, below[:-1], below[1:], strict=True):
        ax.fill_between([a, b], bottom, top, color=GREY, alpha=0.6, linewidth=0)
