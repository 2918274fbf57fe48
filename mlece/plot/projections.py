"""A truth with its forward and its reverse projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece.math import Array
from mlece.model import Model
from mlece.plot.style import BLUE, GREY, VERMILION, new_axes, tidy

if TYPE_CHECKING:
    from mlece.diagnostics.reverse import ReverseProjection

_POINTS = 400
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class ProjectionNumbers:
    """What was drawn.

    Attributes
    ----------
    x : array (m,)
        Where the densities were taken.
    truth, forward : array (m,)
        Densities of the truth and of the forward projection.
    reverse : array (minima, m)
        Densities of the minima of the reverse divergence.
    """

    x: Array
    truth: Array
    forward: Array
    reverse: Array


def projections(found: ReverseProjection, ax: Any = None) -> tuple[Any, ProjectionNumbers]:
    """Draw a truth, its forward projection and every reverse one.

    Parameters
    ----------
    found : ReverseProjection
    ax : matplotlib axes, optional
        A new figure if not given.

    Returns
    -------
    ax : matplotlib axes
    numbers : ProjectionNumbers

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> two = mlece.Mixture(mlece.Gaussian(-3, 1), mlece.Gaussian(3, 1), **{"weight[1]": 0.4})
    >>> ax, drawn = mlece.reverse_projection("gaussian", two).plot()
    >>> drawn.reverse.shape[0]
    3
    """
    truth, forward = found.truth, found.forward.model
    x = _positions(found)
    with np.errstate(all="ignore"):
        known = truth.density(x) if isinstance(truth, Model) else np.exp(truth.at(x))
    numbers = ProjectionNumbers(
        x, known, forward.density(x), np.stack([m.model.density(x) for m in found.minima])
    )
    ax = new_axes(size=(7.4, 3.6)) if ax is None else ax
    ax.fill_between(x, numbers.truth, color=GREY, linewidth=0, label="truth p*")
    ax.plot(x, numbers.forward, color=VERMILION, linewidth=2.0, label="forward: min KL(p* ‖ q)")
    for j, curve in enumerate(numbers.reverse):
        value = found.minima[j].divergence
        label = f"reverse: KL(q ‖ p*) = {value:.3g}"
        ax.plot(x, curve, _DASHES[j % len(_DASHES)], color=BLUE, linewidth=1.8, label=label)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")
    name = type(found.forward.family).__name__
    kind = "probability" if forward.support.discrete else "density"
    tidy(ax, f"Two projections onto {name}", "y", kind)
    return ax, numbers


def _positions(found: ReverseProjection) -> Array:
    """Return where to draw: from the far quantiles of the truth, beyond those of the projection."""
    truth = found.truth
    if isinstance(truth, Model):
        low, high = (float(truth.quantile(p)) for p in (0.001, 0.999))
    else:
        low, high = np.quantile(truth.draws, [0.001, 0.999])
    if truth.support.discrete:
        return np.arange(np.floor(low), np.ceil(high) + 1)
    margin = 0.08 * (high - low)
    x = np.linspace(low - margin, high + margin, _POINTS)
    return np.asarray(x[truth.support.contains(x)])
