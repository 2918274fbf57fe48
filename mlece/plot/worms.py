"""Worm plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.plot.style import BLUE, GREY, INK, VERMILION, new_axes, tidy

if TYPE_CHECKING:
    from mlece.diagnostics.worm import Worm, WormPanel


def worm_plot(worm: Worm, ax: Any = None) -> tuple[Any, tuple[WormPanel, ...]]:
    """Draw residuals less their normal quantiles, a panel for each bin of the covariate.

    The line is the cubic polynomial of the panel's coefficients.

    Parameters
    ----------
    worm : Worm
    ax : matplotlib axes or array of them, optional
        As many as panels; a new figure if not given.

    Returns
    -------
    axes : array of matplotlib axes
    panels : tuple of WormPanel
        What was drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> axes, drawn = mlece.worm([-0.4, 1.1, 0.2, -1.2], [1, 2, 3, 4], bins=2).plot()
    >>> len(drawn), axes.shape
    (2, (2,))
    """
    count = len(worm.panels)
    axes = ax
    if axes is None:
        rows = 1 if count < 4 else 2
        columns = -(-count // rows)
        axes = new_axes(rows, columns, (3.2 * columns, 3.2 * rows))
    flat = np.ravel(np.asarray(axes, dtype=object))
    if flat.size < count:
        raise errors.DataError(errors.message(f"{count} axes, one for each panel", f"{flat.size}"))
    for ax, panel in zip(flat, worm.panels, strict=False):
        _panel(ax, panel, worm)
    for ax in flat[count:]:
        ax.set_visible(False)
    return flat[:count], worm.panels


def _panel(ax: Any, panel: WormPanel, worm: Worm) -> None:
    z = panel.normal
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.plot(z, panel.lower, color=INK, linewidth=0.8, linestyle="--")
    ax.plot(z, panel.upper, color=INK, linewidth=0.8, linestyle="--")
    ax.plot(z, panel.deviation, ".", color=VERMILION, markersize=4)
    if panel.coefficients is not None:
        ax.plot(z, np.vander(z, 4, increasing=True) @ panel.coefficients, color=BLUE, linewidth=1.4)
    where = f"{worm.name} {panel.low:.4g} to {panel.high:.4g}" if worm.name else "Worm plot"
    tidy(ax, where, "normal quantile", "residual − normal quantile")
