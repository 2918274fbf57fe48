"""What the commands read: columns of numbers and labels, and incomplete data, from a file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.sources.censoring import Censored, censored, right_censored
from mlece.sources.text import Table, as_numbers, column_of, covariate_of, read_table


def table_of(options: argparse.Namespace) -> Table:
    """Return the table that the options name, as they say that it is to be read."""
    return read_table(options.file, options.format, header=not options.no_header)


def columns_of(
    options: argparse.Namespace, labels: bool, missing: str = "raise"
) -> tuple[str, dict[str, Any]]:
    """Return the name of the column asked for, and the columns needed, missing cells kept to be dropped."""
    table = table_of(options)
    name = options.column
    if name is None:
        name = _only_column(table, options.weights)
        if not options.no_header and as_numbers(list(table)) is not None:
            raise errors.DataError(
                errors.message(
                    "names in the first line",
                    f"numbers: {', '.join(table)}",
                    "Say --no-header if they are data, --column NAME if they are names",
                )
            )
    gaps = missing == "drop" and name in table
    out = {name: (covariate_of if gaps else column_of)(table, name, labels)}
    if options.weights is not None:
        out[options.weights] = column_of(table, options.weights, False)
    return name, out


def incomplete_asked(options: argparse.Namespace) -> list[str]:
    """Return the options that ask for censored, truncated or grouped data."""
    names = ("event", "lower", "upper", "entry")
    return [name for name in names if getattr(options, name) is not None]


def incomplete_of(options: argparse.Namespace, table: Table) -> tuple[Censored, Array | None]:
    """Return incomplete data and their weights."""
    ends, event = (options.lower, options.upper), options.event

    def column(name: str) -> Array:
        return column_of(table, name, False)

    entry = None if options.entry is None else column(options.entry)
    weights = None if options.weights is None else column(options.weights)
    if None not in ends and event is None and options.column is None:
        data = censored(column(ends[0]), column(ends[1]), entry)
        return replace(data, name=f"{ends[0]} to {ends[1]}"), weights
    if ends == (None, None) and options.column is not None:
        time = column(options.column)
        seen = np.ones(len(time), dtype=bool) if event is None else column(event)
        return replace(right_censored(time, seen, entry), name=options.column), weights
    raise errors.DataError(
        errors.message(
            "--column TIME with --event or --entry, or --lower and --upper together",
            ", ".join(
                f"--{name}"
                for name in ("column", *incomplete_asked(options))
                if getattr(options, name) is not None
            ),
        )
    )


def _only_column(table: Table, weights: str | None) -> str:
    """Return the column that must be meant: the only one, or the only one of numbers."""
    others = [c for c in table if c != weights]
    numeric = [c for c in others if as_numbers(table[c]) is not None]
    for only in (others, numeric):
        if len(only) == 1:
            return only[0]
    found = "several numeric columns" if numeric else "no numeric column"
    raise errors.DataError(
        errors.message("--column NAME", f"none and {found}: {', '.join(numeric or table)}")
    )
