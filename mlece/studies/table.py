"""A study as a table for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlece.studies.summary import Row

if TYPE_CHECKING:
    from mlece.studies.study import Study

_SHARES = {"status": "ended", "coverage": "coverage", "rejected": "test"}


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
    from mlece.reports.report import facts, number, render

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
        for prefix, title in _SHARES.items():
            shares = _shares(rows, prefix)
            if shares:
                sizes = [f"n = {n:,}" for n in dict.fromkeys(row["n"] for row in rows)]
                parts.append(render(shares, ["model", title, *sizes], left=(0, 1)))
        told = dict.fromkeys(f"{row['model']}: {row['remarks']}" for row in rows if row["remarks"])
        parts += [facts([("", line) for line in told])] if told else []
    said = ["train, test, population: nats above the floor; fitted: share with a minimiser."]
    if plan.intervals:
        said.append(
            f"coverage: share of {100 * plan.level:.4g} % intervals that hold θ*, of those "
            "that exist."
        )
    if plan.tests:
        said.append(f"test: share rejected at {100 * (1 - plan.level):.3g} %.")
    return "\n\n".join([*parts, "\n".join(said)])


def _shares(rows: list[Row], prefix: str) -> list[list[str]]:
    """Return a line for each model and each kind of share, with a percentage for each sample size.

    Statuses are listed only if some fit is not plainly optimal, and only those that occur.
    """
    from mlece.reports.report import NONE

    if prefix == "status" and all(row["status.optimal"] == 1 for row in rows):
        return []
    sizes = list(dict.fromkeys(row["n"] for row in rows))
    lines: dict[tuple[str, str], dict[int, float]] = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        for row in (r for r in rows if r["model"] == model):
            for name in row:
                if name.startswith(f"{prefix}."):
                    cells = lines.setdefault((model, name.removeprefix(f"{prefix}.")), {})
                    cells[row["n"]] = row[name]
    out = []
    for (model, name), cells in lines.items():
        if prefix == "status" and not any(cells.values()):
            continue
        shown = [cells.get(n, np.nan) for n in sizes]
        percent = [NONE if np.isnan(v) else f"{100 * v:.1f} %" for v in shown]
        out.append([model, _told(name), *percent])
    return out


def _told(name: str) -> str:
    """Return the name of a share as words: the labels behind the first dot may hold dots."""
    kind, _, rest = name.partition(".")
    nearer = rest.endswith(".nearer")
    words = [kind.replace("_", " "), rest.removesuffix(".nearer"), "nearer" if nearer else ""]
    return ", ".join(filter(None, words))


def _ledger(row: Row) -> list[str]:
    from mlece.reports.report import decimals, number

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
