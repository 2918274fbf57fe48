"""Estimates of one entropy beside each other: how much depends on the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.plot.style import GREY, INK, VERMILION, new_axes, tidy
from mlece.units import Units, unit_name

if TYPE_CHECKING:
    from mlece.entropies.estimate import EntropyEstimate

_LEVEL = 0.95


@dataclass(frozen=True)
class EntropyNumbers:
    """What was drawn, in the units of the axis, from the top down.

    Attributes
    ----------
    labels : tuple of str
        Names of the estimators.
    values : array (m,)
        Their estimates.
    lower, upper : array (m,)
        Ends of their 95 % intervals.
    """

    labels: tuple[str, ...]
    values: Array
    lower: Array
    upper: Array


def entropy_dots(
    estimate: EntropyEstimate,
    beside: Sequence[EntropyEstimate] = (),
    ax: Any = None,
    units: Units | None = None,
) -> tuple[Any, EntropyNumbers]:
    """Draw an estimate of an entropy with its 95 % interval, above those of other estimators.

    Parameters
    ----------
    estimate : EntropyEstimate
        Of a single sample.
    beside : sequence of EntropyEstimate
        Of the same sample by other estimators.
    ax : matplotlib axes, optional
        A new figure if not given.
    units : {"nats", "bits", "hartleys"} or float, optional
        Those of the estimate if not given.

    Returns
    -------
    ax : matplotlib axes
    numbers : EntropyNumbers

    Raises
    ------
    DataError
        If an estimate is one of several samples.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> first, other = (mlece.estimate_entropy(list("abcabcaad"), True, method=m) for m in ("nsb", "zhang"))
    >>> ax, drawn = first.plot(beside=[other])
    >>> drawn.labels
    ('NSB', 'Zhang')
    """
    units = estimate.units if units is None else units
    shown = [one.in_units(units) for one in (estimate, *beside)]
    for one in shown:
        if np.ndim(one.value):
            raise errors.DataError(
                errors.message("estimates of one sample", f"of {np.size(one.value)} samples")
            )
    ends = np.array([one.interval(_LEVEL) for one in shown], dtype=float)
    values = np.array([one.value for one in shown], dtype=float)
    numbers = EntropyNumbers(tuple(one.method for one in shown), values, ends[:, 0], ends[:, 1])
    if ax is None:
        ax = new_axes(size=(6.4, 1.6 + 0.3 * len(shown)))
    rows = np.arange(len(shown))
    ax.axvline(values[0], color=GREY, linewidth=0.8)
    for row, colour in zip(rows, (VERMILION, *[INK] * len(beside)), strict=True):
        ax.hlines(row, *ends[row], color=colour, linewidth=1.4)
        ax.plot(values[row], row, "o", color=colour, markersize=5)
    ax.set_yticks(rows, numbers.labels)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    title = f"n = {estimate.n:g}: estimates with {100 * _LEVEL:g} % intervals"
    tidy(ax, title, f"entropy, {unit_name(units)}", "")
    return ax, numbers
