"""A study in panels: learning curves, bias and coverage by sample size, a column for each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.plot.style import BLUE, CYCLE, GREY, INK, ORANGE, VERMILION, new_axes, tidy

if TYPE_CHECKING:
    from mlece.studies.study import Study

_STYLES = ("-", "--", ":", "-.")
_LINE = 0.16  # inches that a line of a legend takes


@dataclass(frozen=True)
class StudyNumbers:
    """What was drawn, in nats.

    Attributes
    ----------
    truth : str
    sizes : array (m,)
        Sample sizes in increasing order: the axis of every panel.
    floor : float
        H(p*).
    best : dict of str to float
        H(p*, q_θ*) by model.
    curves : dict of (model, "train" | "test" | "population") to array (m,)
        Mean cross-entropies; those of samples with the sample's own deviation from the floor taken off.
    bias : dict of (model, parameter) to array (m,)
        Mean of θ̂ − θ* in standard deviations of θ̂.
    coverage : dict of (model, kind, parameter) to array (m,)
        Share of the intervals that hold θ*.
    """

    truth: str
    sizes: Array
    floor: float
    best: dict[str, float]
    curves: dict[tuple[str, str], Array]
    bias: dict[tuple[str, str], Array]
    coverage: dict[tuple[str, str, str], Array]


def study_panels(
    study: Study, ax: Any = None, *, truth: str | None = None
) -> tuple[Any, StudyNumbers]:
    """Draw learning curves over bias over coverage, a column for each model.

    Parameters
    ----------
    study : Study
    ax : array of matplotlib axes, optional
        Three rows (two where no intervals were asked for) and a column for each model; a new figure if
        not given.
    truth : str, optional
        Label of the truth, if the study has several.

    Returns
    -------
    axes : array of matplotlib axes, (rows, models)
    numbers : StudyNumbers

    Raises
    ------
    ParameterError
        If there are several truths and none is named.
    UnknownNameError
        For a truth that the study does not have.
    DataError
        For axes of another shape.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> found = mlece.study("gamma(shape=2, rate=1)", "exponential", [20, 50], replicates=100)
    >>> axes, drawn = found.plot()
    >>> axes.shape, drawn.curves["Exponential", "population"].shape
    ((3, 1), (2,))
    """
    names = tuple(study.plan.truths)
    if truth is None and len(names) == 1:
        truth = names[0]
    if truth is None or truth not in names:
        if truth is None:
            raise errors.ParameterError(
                errors.message(
                    "truth=, the one to draw", f"{len(names)} truths: {', '.join(names)}"
                )
            )
        raise errors.unknown_name("truth of the study", str(truth), names)
    models = tuple(study.plan.models)
    rows = 3 if study.plan.intervals else 2
    numbers = _numbers(study, truth, models)
    axes = ax
    if axes is None:
        legend = _LINE * max(len(_coverage_of(numbers, model)) for model in models)
        axes = new_axes(rows, len(models), (1.2 + 3.3 * len(models), 2.7 * rows + legend))
        figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
        figure.suptitle(f"{truth}, {study.plan.replicates:,} replicates", color=INK)
    grid: Any = np.asarray(axes, dtype=object).reshape(-1)
    if grid.size != rows * len(models):
        raise errors.DataError(
            errors.message(f"axes of shape {(rows, len(models))}", f"{grid.size} axes")
        )
    grid = grid.reshape(rows, len(models))
    for j, model in enumerate(models):
        of_model = {n: study.row(truth=truth, model=model, n=n) for n in numbers.sizes.tolist()}
        _learning(grid[0, j], numbers, model, list(of_model.values()))
        _bias(grid[1, j], numbers, model)
        if rows == 3:
            _coverage(grid[2, j], numbers, model, study.plan.level, ax is None)
        for panel in grid[:, j]:
            _sizes(panel, numbers.sizes)
    for row in grid:
        # One scale for all models: they are there to be compared.
        low, high = (f(a.get_ylim()[i] for a in row) for i, f in enumerate((min, max)))
        for panel in row:
            panel.set_ylim(low, high)
    return grid, numbers


def _numbers(study: Study, truth: str, models: tuple[str, ...]) -> StudyNumbers:
    sizes = np.array(sorted(study.plan.sizes))
    curves: dict[tuple[str, str], Array] = {}
    bias: dict[tuple[str, str], Array] = {}
    coverage: dict[tuple[str, str, str], Array] = {}
    best: dict[str, float] = {}
    for model in models:
        rows = [study.row(truth=truth, model=model, n=n) for n in sizes.tolist()]
        floor = rows[0]["floor"]
        best[model] = floor + rows[0]["approximation"]
        for name in ("train", "test"):
            curves[model, name] = np.array([floor + row[f"{name}_excess"] for row in rows])
        curves[model, "population"] = np.array([row["population"] for row in rows])
        for column in rows[0]:
            first, _, name = column.partition(".")
            if first == "bias":
                with np.errstate(divide="ignore", invalid="ignore"):
                    bias[model, name] = np.array(
                        [np.divide(row[column], row[f"spread.{name}"]) for row in rows]
                    )
            elif first == "coverage":
                kind, _, parameter = name.partition(".")
                coverage[model, kind, parameter] = np.array([row[column] for row in rows])
    return StudyNumbers(truth, sizes, floor, best, curves, bias, coverage)


def _learning(ax: Any, numbers: StudyNumbers, model: str, rows: list[dict[str, Any]]) -> None:
    best = numbers.best[model]
    if np.isfinite(best):
        ax.axhline(best, color=GREY, linewidth=2.4, label="best member")
    ax.axhline(numbers.floor, color=INK, linewidth=1.0, label="floor H(p*)")
    styles = {"train": (BLUE, "o--"), "test": (ORANGE, "s"), "population": (VERMILION, "o-")}
    for name, (colour, style) in styles.items():
        y = numbers.curves[model, name]
        error = np.array([row[f"{name}_se" if name == "population" else f"{name}_excess_se"]
                          for row in rows])  # fmt: skip
        shown = np.isfinite(y)
        if shown.any():
            ax.errorbar(
                numbers.sizes[shown], y[shown], 2.0 * np.nan_to_num(error[shown]), fmt=style,
                color=colour, markersize=3.5, linewidth=1.4, elinewidth=0.8, label=name,
            )  # fmt: skip
        if name == "population" and not shown.all():
            ax.text(0.5, 0.6, "population: infinite", ha="center", transform=ax.transAxes,
                    color=VERMILION, fontsize="small")  # fmt: skip
    ax.legend(frameon=False, fontsize="small")
    tidy(ax, model, "n", "nats per observation")


def _bias(ax: Any, numbers: StudyNumbers, model: str) -> None:
    ax.axhline(0.0, color=INK, linewidth=1.0)
    own = [(name, y) for (label, name), y in numbers.bias.items() if label == model]
    for (name, y), colour in zip(own, _colours(len(own)), strict=True):
        ax.plot(numbers.sizes, y, "o-", color=colour, markersize=3.5, linewidth=1.4, label=name)
    if own:
        ax.legend(frameon=False, fontsize="small")
    tidy(ax, "Bias about the best member", "n", "bias / sd of the estimate")


def _coverage(ax: Any, numbers: StudyNumbers, model: str, level: float, below: bool) -> None:
    """Draw the shares; the legend, a line for each of many curves, stands below axes of our own."""
    ax.axhline(level, color=INK, linewidth=1.0)
    own = _coverage_of(numbers, model)
    kinds = list(dict.fromkeys(kind for kind, _ in own))
    parameters = list(dict.fromkeys(name for _, name in own))
    colours = dict(zip(parameters, _colours(len(parameters)), strict=True))
    for (kind, name), y in own.items():
        if np.isfinite(y).any():
            style = _STYLES[kinds.index(kind) % len(_STYLES)]
            ax.plot(
                numbers.sizes, y, style, marker="o", color=colours[name], markersize=3.5,
                linewidth=1.4, label=f"{name}, {kind}",
            )  # fmt: skip
    if ax.get_legend_handles_labels()[0]:
        place: dict[str, Any] = (
            {"loc": "upper left", "bbox_to_anchor": (0.0, -0.24)} if below else {}
        )
        ax.legend(frameon=False, fontsize="x-small", handlelength=3.5, **place)
    tidy(ax, f"Coverage of {100 * level:.3g} % intervals", "n", "share that holds θ*")


def _coverage_of(numbers: StudyNumbers, model: str) -> dict[tuple[str, str], Array]:
    """Return the shares of one model by kind of interval and parameter."""
    return {key[1:]: y for key, y in numbers.coverage.items() if key[0] == model}


def _colours(count: int) -> list[str]:
    return [CYCLE[j % len(CYCLE)] for j in range(count)]


def _sizes(ax: Any, sizes: Array) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{n:g}" for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
