"""Stacked bars: the entropy floor, what the family misses, what estimation costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.plot.style import BLUE, GREY, INK, VERMILION, new_axes, tidy
from mlece.units import Units, nats_per_unit, unit_name

if TYPE_CHECKING:
    from mlece.comparisons.comparison import Comparison
    from mlece.diagnostics.ledger import Ledger

LEGEND = ("entropy floor", "gap (approximation)", "estimation")
MARK = "new data"
WITHOUT_FLOOR = ("nearest family", "behind it", "estimation")


@dataclass(frozen=True)
class BarNumbers:
    """What was drawn, in the units of the axis.

    Attributes
    ----------
    labels : tuple of str
        One for each bar.
    floor : float
        Where the gap begins: for incomplete data the best member of the nearest family.
    gap, estimation : array (bars,)
        Lengths of the two upper segments; a negative gap is drawn as none.
    lower, upper : array (bars,)
        Interval of the gap; NaN where it is known exactly.
    held_out : array (bars,)
        Cross-entropy of observations left out, drawn as a mark; NaN where there is none.
    """

    labels: tuple[str, ...]
    floor: float
    gap: Array
    estimation: Array
    lower: Array
    upper: Array
    held_out: Array


def comparison_bars(
    comparison: Comparison, ax: Any = None, units: Units | None = None
) -> tuple[Any, BarNumbers]:
    """Draw a bar for each ranked model: floor, gap with its 95 % interval, estimation.

    A mark shows the cross-entropy by which the models are ranked, where it is finite.

    Parameters
    ----------
    comparison : Comparison
    ax : matplotlib axes, optional
        A new figure if not given.
    units : {"nats", "bits", "hartleys"} or float, optional
        Those of the comparison if not given.

    Returns
    -------
    ax : matplotlib axes
    numbers : BarNumbers

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> from mlece.comparisons.comparison import compare
    >>> ax, drawn = compare(["gamma", "weibull"], [1.0, 2.5, 0.7, 3.1, 1.8, 2.2, 0.9]).plot()
    >>> len(drawn.labels)
    2
    """
    rows = comparison.ranked
    if not rows:
        raise errors.NoDensityError(
            errors.message("a ranked model to draw", "none", "print(comparison) says why")
        )
    units = comparison.units if units is None else units
    scale = nats_per_unit(units)
    known = bool(np.isfinite(comparison.floor))
    nearest = float(comparison.best.cross_entropy) + rows[0].estimation
    ends = np.array([row.interval(0.95) for row in rows]) / scale
    numbers = BarNumbers(
        tuple(row.name for row in rows),
        (comparison.floor if known else nearest) / scale,
        np.array([row.excess for row in rows]) / scale,
        np.array([row.estimation for row in rows]) / scale,
        ends[:, 0],
        ends[:, 1],
        np.array([row.held_out for row in rows]) / scale,
    )
    own = ax is None
    ax = new_axes(size=(7.4, 1.5 + 0.36 * len(rows))) if own else ax
    _draw(ax, numbers, LEGEND if known else WITHOUT_FLOOR)
    ax.text(ax.get_xlim()[0], 0, f"  {numbers.floor:.4g}", va="center", fontsize="small", color=INK)
    _legend(ax, own)
    marks = [f"{row.name}  ✗" if row.gap and row.gap.misspecified else row.name for row in rows]
    ax.set_yticks(np.arange(len(rows)), marks)
    what = "the floor" if known else "the nearest"
    below = f"cross-entropy ({unit_name(units)} per observation)"
    below += "; ✗ misspecified at the 5 % level" if known else ""
    tidy(ax, f"{comparison.name}: how far each family stays from {what}", below, "")
    return ax, numbers


def ledger_bars(ledger: Ledger, ax: Any = None, units: Units = "nats") -> tuple[Any, BarNumbers]:
    """Draw the three terms of a ledger as a stacked bar; a batch of fits is averaged.

    Parameters
    ----------
    ledger : Ledger
    ax : matplotlib axes, optional
        A new figure if not given.
    units : {"nats", "bits", "hartleys"} or float

    Returns
    -------
    ax : matplotlib axes
    numbers : BarNumbers

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> from mlece.diagnostics.ledger import ledger
    >>> from mlece.plot import ledger_bars
    >>> truth = mlece.Exponential(rate=1)
    >>> fit = mlece.fit(mlece.Gaussian(), truth.sample(50, rng=0))
    >>> ax, drawn = ledger_bars(ledger(truth, fit))
    >>> round(float(drawn.gap[0]), 4)
    0.4189
    """
    scale = nats_per_unit(units)
    terms = (ledger.approximation, float(np.mean(ledger.estimation)))
    if not np.all(np.isfinite(terms)):
        raise errors.NoDensityError(
            errors.message("finite terms to draw", "an infinite cross-entropy")
        )
    nothing = np.full(1, np.nan)
    name = ledger.model
    gap, estimation = (np.array([t]) / scale for t in terms)
    numbers = BarNumbers(
        (name,), float(ledger.floor) / scale, gap, estimation, nothing, nothing, nothing
    )
    own = ax is None
    ax = new_axes(size=(7.4, 2.4)) if own else ax
    labels = (
        f"entropy floor {numbers.floor:.4g}",
        f"approximation {gap[0]:.3g}",
        f"estimation {estimation[0]:.3g}",
    )
    _draw(ax, numbers, labels)
    _legend(ax, own)
    ax.set_yticks([0], [name])
    tidy(
        ax,
        f"{name}, estimated from data"
        if ledger.truth is None
        else f"{name} under {ledger.truth!r}",
        f"cross-entropy ({unit_name(units)} per observation)",
        "",
    )
    return ax, numbers


def _legend(ax: Any, own: bool) -> None:
    """Put the legend below a figure of our own, and inside the axes of somebody else's."""
    if own:
        handles = ax.get_legend_handles_labels()
        ax.figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    else:
        ax.legend(frameon=False, fontsize="small", loc="best")


def _draw(ax: Any, numbers: BarNumbers, labels: tuple[str, ...] = LEGEND) -> None:
    """Draw the segments; the axis is cut below the floor, of which only the end is shown."""
    y = np.arange(len(numbers.labels))
    gap = np.maximum(numbers.gap, 0.0)
    start = numbers.floor + gap
    marks = np.where(np.isfinite(numbers.held_out), numbers.held_out - numbers.floor, np.nan)
    ends = np.fmax(np.fmax(gap + numbers.estimation, numbers.upper), marks)
    span = float(ends.max()) or 1.0
    left = numbers.floor - 0.2 * span
    style: dict[str, Any] = {"height": 0.62, "linewidth": 0}
    ax.barh(y, numbers.floor - left, left=left, color=GREY, label=labels[0], **style)
    ax.barh(y, gap, left=numbers.floor, color=VERMILION, label=labels[1], **style)
    ax.barh(y, numbers.estimation, left=start, color=BLUE, label=labels[2], **style)
    known = np.isfinite(numbers.lower)
    if known.any():
        low, high = (numbers.floor + v[known] for v in (numbers.lower, numbers.upper))
        ax.hlines(y[known], low, high, color=INK, linewidth=1.4)
    marked = np.isfinite(numbers.held_out)
    if marked.any():
        ax.plot(numbers.held_out[marked], y[marked], "D", color=INK, ms=4, label=MARK)
    ax.axvline(numbers.floor, color=INK, linewidth=1.0)
    ax.set_xlim(left, numbers.floor + 1.06 * span)
    ax.set_ylim(len(y) - 0.4, -0.6)
