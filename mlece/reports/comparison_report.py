"""What people read of a comparison: a plain text table, and sentences below it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from mlece.combinators.conditional import Conditional
from mlece.comparisons.ranking import fit_of
from mlece.reports.report import NONE, WIDTH, decimals, number, probability, render
from mlece.units import Units, nats_per_unit, unit_name

if TYPE_CHECKING:
    from mlece.comparisons.comparison import Comparison
    from mlece.comparisons.ranking import Row


def compare_table(comparison: Comparison, units: Units | None = None) -> str:
    """Return the text of ``print(comparison)``.

    Parameters
    ----------
    comparison : Comparison
    units : {"nats", "bits", "hartleys"} or float, optional
        Units of every number of nats; those of the comparison if not given.

    Examples
    --------
    >>> import mlece
    >>> from mlece.comparisons.comparison import compare
    >>> from mlece.reports.comparison_report import compare_table
    >>> found = compare(["poisson"], [0, 1, 1, 2, 0, 3, 1, 0], replicates=19)
    >>> compare_table(found).splitlines()[0]
    'y: 8 observations, 0 to 3'
    """
    units = comparison.units if units is None else units
    scale = nats_per_unit(units)
    shown = comparison.ranked
    parts = [f"{comparison.name}: {comparison.summary}\n{_floor_sentence(comparison, units)}"]
    if shown and comparison.entropy is None:
        header = ["model", _predicted(comparison), "behind", "se", "weight", "ΔTIC", "verdict"]
        cells = [_incomplete_row(r, shown[0], scale) for r in shown]
        parts.append(render(cells, header, left=(0, 6)))
    elif shown:
        header = ["model", _predicted(comparison), "gap", "95 % interval", "p", "weight", "verdict"]
        cells = [_compare_row(r, scale, comparison) for r in shown]
        parts.append(render(cells, header, left=(0, 6)))
    rest = [r for r in comparison.rows if r.rank is None]
    if rest:
        parts.append("Not ranked\n" + _reasons(rest))
    parts.append(_reading(comparison, units))
    return "\n\n".join(p for p in parts if p)


def _floor_sentence(comparison: Comparison, units: Units) -> str:
    entropy = comparison.entropy
    if entropy is None and comparison.ranked:
        what = (
            "Responses given covariates"
            if isinstance(fit_of(comparison.rows[0]).family, Conditional)
            else "Censored, truncated or grouped observations"
        )
        text = (
            f"{what} show no entropy floor: the families are held against the nearest of them, "
            f"{comparison.rows[0].name}."
        )
        return "\n".join(textwrap.wrap(text, WIDTH))
    if entropy is None:
        return "No model could be set against the entropy floor."
    scale = nats_per_unit(units)
    places = decimals(entropy.se / scale)
    se = f" ± {number(entropy.se / scale, places)}" if places is not None else ""
    text = (
        f"Entropy floor {number(comparison.floor / scale, places)}{se} {unit_name(units)} "
        f"({entropy.method}, less its bias under {comparison.rows[0].name})"
    )
    return "\n".join(textwrap.wrap(text, WIDTH))


def _compare_row(row: Row, scale: float, comparison: Comparison) -> list[str]:
    gap = row.gap
    assert gap is not None
    places = decimals(gap.se / scale)
    places = 3 if places is None else min(max(places, 1), 7)
    low, high = (v / scale for v in row.interval(0.95))
    return [
        row.name,
        number(row.held_out / scale, 4),
        number(row.excess / scale, places),
        f"{number(low, places)} to {number(high, places)}",
        probability(gap.p_value, comparison.replicates),
        _share(row.weight),
        row.verdict,
    ]


def _incomplete_row(row: Row, first: Row, scale: float) -> list[str]:
    places = decimals(row.se / scale) if row.se > 0 else None
    places = 4 if places is None else min(max(places, 1), 4)
    return [
        row.name,
        number(row.held_out / scale, 4),
        NONE if row is first else number((row.held_out - first.held_out) / scale, places),
        NONE if row is first else number(row.se / scale, places),
        _share(row.weight),
        _criterion(row.delta_tic),
        row.verdict,
    ]


def _predicted(comparison: Comparison) -> str:
    return "TIC/(2n)" if comparison.scheme == "tic" else "held out"


def _share(weight: float) -> str:
    """Return a share to two decimals; none is shown as 0 that is not."""
    return "< 0.01" if 0.0 < weight < 0.005 else number(weight, 2)


def _criterion(value: float | None) -> str:
    return NONE if value is None else number(value, int(value < 99.95))


def _reasons(rows: list[Row]) -> str:
    """Say why models are not ranked, those with the same reason together."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(row.verdict, []).append(row.name)
    return "\n".join(
        textwrap.fill(
            f"{', '.join(names)}: {why}", WIDTH, initial_indent="  ", subsequent_indent="    "
        )
        for why, names in grouped.items()
    )


def _ranking(comparison: Comparison) -> str:
    """Say by what the models were ranked and weighed."""
    if comparison.scheme == "tic":
        return "Takeuchi's criterion; weights are exp(−TIC/2) over their sum"
    return (
        f"the cross-entropy h of observations held out ({comparison.scheme}); weights are exp(−n h) "
        "over their sum"
    )


def _reading(comparison: Comparison, units: Units) -> str:
    """Return the sentences below the table."""
    lines = list(comparison.sentences)
    if comparison.ranked:
        lines.append(f"Ranked by {_ranking(comparison)}.")
    if comparison.ranked and comparison.entropy is None:
        lines.append(
            f"Behind: {unit_name(units)} per observation from the first family; se is that of the "
            "difference."
        )
    elif comparison.ranked:
        lines.append(
            f"Gap: {unit_name(units)} per observation from the floor to the best member of the "
            f"family. p: parametric bootstrap of 'the family is right', {comparison.replicates} "
            "replicates."
        )
    return "\n".join(
        "\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="  ")) for line in lines
    )
