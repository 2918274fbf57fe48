"""Colours that colour-blind readers tell apart (Okabe and Ito 2008), and tidy axes."""

from __future__ import annotations

from typing import Any

BLUE = "#0072B2"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
GREY = "#B8B8B8"
INK = "#333333"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)


def new_axes(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """Return the axes of a new figure, an array if there are several."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(rows, columns, figsize=size, layout="constrained")
    return axes


def tidy(ax: Any, title: str, x: str, y: str) -> None:
    """Label an axes and take away the lines that say nothing."""
    ax.set_title(title, loc="left", fontsize="medium", color=INK)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
