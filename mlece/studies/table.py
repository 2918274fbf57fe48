"""A study as a table for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlece.studies.summary import Row

if TYPE_CHECKING:
    from mlece.studies.study import Study

_TITLES = {"coverage": ("model", "coverage"), "rejected": ("model", "test")}


def study_table(study: Study) -> str:
    """Return the ledger of every cell, coverages and shares of rejections.

    Examples
    --------
    >>> import mlece
    >>> print(mlece.study("exponential(rate=1)", "exponential", 50, 400))  # doctest: +ELLIPSIS
    Exponential(rate=1): floor 1 nats, 400 replicates
    <BLANKLINE>
     model ...
    """
    from mlece.report import number, render

    plan = study.plan
    parts = []
    for truth in plan.truths:
        rows = [row for row in study.rows if row["truth"] == truth]
        if not rows:
            continue
        floor = number(rows[0]["floor"])
        parts.append(f"{truth}: floor {floor} nats, {plan.replicates:,} replicates")
        header = ["model", "n", "train", "test", "population", "optimism", "fitted"]
        parts.append(render([_ledger(row) for row in rows], header))
        for prefix, titles in _TITLES.items():
            shares = _shares(rows, prefix)
            if shares:
                sizes = [f"n = {n:,}" for n in dict.fromkeys(row["n"] for row in rows)]
                parts.append(render(shares, [*titles, *sizes], left=(0, 1)))
    said = ["train, test, population: nats above the floor; fitted: share with a minimiser."]
    if plan.intervals:
        said.append(f"coverage: share of {100 * plan.level:.4g} % intervals that hold θ*.")
    if plan.tests:
        said.append(f"test: share rejected at {100 * (1 - plan.level):.3g} %.")
    return "\n\n".join([*parts, "\n".join(said)])


def _shares(rows: list[Row], prefix: str) -> list[list[str]]:
    """Return a line for each model and each kind of share, with a percentage for each sample size."""
    from mlece.report import NONE

    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name in row:
            if name.startswith(f"{prefix}."):
                shown = NONE if np.isnan(row[name]) else f"{100 * row[name]:.1f} %"
                lines.setdefault((row["model"], name.removeprefix(f"{prefix}.")), []).append(shown)
    models = list(dict.fromkeys(row["model"] for row in rows))
    listed = sorted(lines.items(), key=lambda line: models.index(line[0][0]))
    return [[model, name.replace(".", ", "), *cells] for (model, name), cells in listed]


def _ledger(row: Row) -> list[str]:
    from mlece.report import decimals, number

    def with_places(name: str, value: float) -> str:
        places = decimals(row[f"{name}_se"])
        return number(value, None if places is None else places - 1)

    return [
        row["model"],
        str(row["n"]),
        with_places("train_excess", row["train_excess"]),
        with_places("test_excess", row["test_excess"]),
        with_places("estimation", row["approximation"] + row["estimation"])
        if np.isfinite(row["population"])
        else number(row["population"]),
        with_places("optimism", row["optimism"]),
        f"{100 * row['fitted'] / row['replicates']:.3g} %",
    ]
