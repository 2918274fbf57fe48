"""Tables in text: comma- or tab-separated values, JSON lines and arrays of JSON objects."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array

FORMATS = ("csv", "tsv", "jsonl")
# What spreadsheets and statistics programs write for a missing value.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "."})

Table = dict[str, list[Any]]

_DECIMAL_COMMA = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?")
_OBJECTS = "one JSON object on each line, or an array of them"
_JSON = re.compile(r"\s*(\[\s*)?\{")
# Numbers as they are written in some country: 1,5  1.234,5  1'234  1 234,5  1,234.5
_LOCAL = re.compile(
    r"[+-]?(\d*,\d+|\d{1,3}([.'’\u00a0\u202f ]\d{3})+(,\d+)?|\d{1,3}(,\d{3})+(\.\d+)?)"
)


def read_table(path: str, kind: str | None = None, *, header: bool = True) -> Table:
    """Read a file into columns of cells: text, or what JSON holds.

    Parameters
    ----------
    path : str
        Name of the file, "-" for standard input.
    kind : {"csv", "tsv", "jsonl"}, optional
        The format; told from the name and the first line if not given. JSON is read line by line, or
        as one array of objects.
    header : bool
        Whether the first line names the columns; without names they are "1", "2", ...

    Returns
    -------
    dict of str to list
        Columns of one length, at least one row.

    Raises
    ------
    DataError
        If the file cannot be read, is not a table, or has no rows.
    """
    where = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise errors.DataError(errors.message("text in UTF-8", f"other bytes in {where}")) from None
    except FileNotFoundError:
        raise errors.DataError(errors.message("a file", f"no such file: {path}")) from None
    except OSError as error:
        raise errors.DataError(
            errors.message("a file", f"{path}: {str(error.strerror).lower()}")
        ) from None
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise errors.DataError(errors.message("a header and rows", f"nothing in {where}"))
    kind = kind or _sniff(path, text)
    table = _json_lines(text, where) if kind == "jsonl" else _delimited(text, where, kind, header)
    if not any(table.values()):
        got = f"a header alone in {where}" if table else f"none in {where}"
        raise errors.DataError(errors.message("rows of data", got))
    return table


def _sniff(path: str, text: str) -> str:
    """Tell the format from the first character and the first line."""
    named = Path(path).suffix.lower() in (".json", ".jsonl", ".ndjson")
    if named or _JSON.match(text):
        return "jsonl"
    first = text.lstrip("\n").split("\n", 1)[0]
    return "tsv" if "\t" in first else "csv"


def _json_lines(text: str, where: str) -> Table:
    table: Table = {}
    for rows, record in enumerate(_records(text, where)):
        for name, value in record.items():
            table.setdefault(name, [None] * rows).append(value)
        for cells in table.values():
            cells.extend([None] * (rows + 1 - len(cells)))
    return table


def _records(text: str, where: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array, or those that stand on lines of their own."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise errors.DataError(errors.message(_OBJECTS, f"{error} in {where}")) from None
        parts = [(record, f"entry {at}") for at, record in enumerate(found)]
    else:
        lines = enumerate(text.splitlines(), 1)
        parts = [(_parsed(line), f"line {at}") for at, line in lines if line.strip()]
    for record, place in parts:
        if not isinstance(record, dict):
            raise errors.DataError(
                errors.message(_OBJECTS, f"{record!r:.40} in {place} of {where}")
            )
        yield record


def _parsed(line: str) -> Any:
    """Return what a line holds, itself where that is no JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return line


def _delimited(text: str, where: str, kind: str, header: bool) -> Table:
    """Read comma- or tab-separated text; a semicolon is understood where no comma can separate."""
    first = text.split("\n", 1)[0]
    numbers = all(_DECIMAL_COMMA.fullmatch(c.strip()) for c in first.split(";"))
    comma = ";" if ";" in first and ("," not in first or numbers) else ","
    text = text.rstrip("\r\n")
    reader = csv.reader(io.StringIO(text), delimiter="\t" if kind == "tsv" else comma)
    rows: list[list[str]] = []
    try:
        for cells in reader:
            blank = len(cells) <= 1 and not "".join(cells).strip()
            # An empty line below a single name is a missing value.
            if blank and (not rows or len(rows[0]) > 1):
                continue
            cells = cells or [""]
            if rows and len(cells) != len(rows[0]):
                raise errors.DataError(
                    errors.message(
                        f"{len(rows[0])} cells in every row of {where}",
                        f"{len(cells)} in line {reader.line_num}",
                    )
                )
            rows.append(cells)
    except csv.Error as error:
        raise errors.DataError(
            errors.message(f"a {kind} file", f"{error} in line {reader.line_num} of {where}")
        ) from None
    names = (
        [c.strip() for c in rows.pop(0)] if header else [str(j + 1) for j in range(len(rows[0]))]
    )
    if len(set(names)) != len(names):
        raise errors.DataError(
            errors.message("a different name for every column", ", ".join(names))
        )
    if kind == "tsv" or comma == ";":
        return {name: _with_points([row[j] for row in rows]) for j, name in enumerate(names)}
    return {name: [row[j] for row in rows] for j, name in enumerate(names)}


def _with_points(cells: list[str]) -> list[str]:
    """Write decimal commas as points, in a column in which every cell is a number that way.

    Only where another sign separates the cells, and some cell has a comma; a thousands separator is not
    guessed.
    """
    present = [c.strip() for c in cells if c.strip().lower() not in MISSING]
    decimal = any("," in c for c in present) and all(_DECIMAL_COMMA.fullmatch(c) for c in present)
    return [c.replace(",", ".") for c in cells] if decimal else cells


def column_of(table: Table, name: str, labels: bool) -> Array:
    """Return a column as numbers or truth values (true and false), or as labels where a model takes them.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    DataError, DataTypeError
        If a cell is missing, or some cells are numbers and others not.
    """
    if name not in table:
        nearest = str(errors.unknown_name("column", name, table))
        listed = "" if "Known:" in nearest else f" Columns: {', '.join(table)}"
        raise errors.UnknownNameError(nearest + listed)
    cells = table[name]
    empty = _missing(cells)
    if empty:
        raise errors.DataError(
            errors.message(
                f"a value in every row of column {name!r}",
                f"{len(empty)} empty or missing of {len(cells)}, the first in data row "
                f"{empty[0] + 1}",
                "Missing values are not dropped in silence: remove or impute them first",
            )
        )
    return _typed(cells, name, labels, range(len(cells)))


def covariate_of(table: Table, name: str, labels: bool = False) -> Any:
    """Return a column as numbers, truth values or text; missing cells are NaN, or None among text.

    As labels, where a model takes them, numbers and text may stand beside each other.

    Raises
    ------
    DataTypeError
        If some cells are numbers and others not.
    """
    cells = table[name]
    empty = set(_missing(cells))
    if not empty:
        return _typed(cells, name, labels, range(len(cells)))
    present = [i for i in range(len(cells)) if i not in empty]
    if not present:
        return [None] * len(cells)
    values = _typed([cells[i] for i in present], name, labels, present)
    if values.dtype.kind in "if":
        out = np.full(len(cells), np.nan)
        out[present] = values
        return out
    return [None if i in empty else str(cells[i]) for i in range(len(cells))]


def _missing(cells: list[Any]) -> list[int]:
    """Return the positions of missing cells."""
    return [i for i, c in enumerate(cells) if c is None or str(c).strip().lower() in MISSING]


def _typed(cells: list[Any], name: str, labels: bool, rows: Sequence[int]) -> Array:
    """Return cells of some rows, none of them missing, as truth values, as numbers or as labels."""
    words = [str(c).strip().lower() for c in cells]
    if not labels and set(words) <= {"true", "false"}:
        return np.array([word == "true" for word in words])
    values = as_numbers(cells)
    if values is not None:
        return values
    bad = [i for i, c in enumerate(cells) if _number(c) is None]
    grouped = [i for i in bad if _LOCAL.fullmatch(str(cells[i]).strip())]
    if bad == grouped and not labels:
        raise errors.DataTypeError(
            errors.message(
                f"numbers with a decimal point in column {name!r}",
                f"{len(bad)} of {len(cells)} cells with commas or separators of thousands, the first "
                f"{str(cells[bad[0]])!r:.40} in data row {rows[bad[0]] + 1}",
                "A decimal comma is read where ';' or a tab separates the cells and no number has a "
                "separator of thousands: write the numbers that way, or with a point (1234.5)",
            )
        )
    if labels or (len(bad) == len(cells) and all(isinstance(c, str) for c in cells)):
        return np.array([str(c) for c in cells])
    raise errors.DataTypeError(
        errors.message(
            f"numbers in column {name!r}",
            f"{len(bad)} of {len(cells)} cells that are none, the first {str(cells[bad[0]])!r:.40} "
            f"in data row {rows[bad[0]] + 1}",
        )
    )


def _number(cell: Any) -> float | None:
    """Return a cell as a number; 1_000 is Python's way to write one, and no file's."""
    try:
        return None if cell is None or "_" in str(cell) else float(cell)
    except (TypeError, ValueError):
        return None


def as_numbers(cells: list[Any]) -> Array | None:
    """Return the cells as an array of numbers, whole ones as integers; None if one is no number."""
    if any(_number(c) is None for c in cells):
        return None
    if all(isinstance(c, int) or str(c).strip().lstrip("+-").isdecimal() for c in cells):
        return np.array([int(c) for c in cells])
    return np.array([float(c) for c in cells])
