"""The command ``mlece``: fit, compare, entropy, families, demo."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mlece import errors
from mlece.compare import KINDS, Comparison, compare
from mlece.covariance import KINDS as COVARIANCES
from mlece.fitting import fit
from mlece.math import Array
from mlece.model import Model, model_by_name, registered
from mlece.result import Fit
from mlece.solvers.dispatch import SOLVERS
from mlece.units import Units, nats_per_unit, unit_name

FORMATS = ("csv", "tsv", "jsonl")
PICTURES = (".png", ".pdf", ".svg", ".jpg")
# What spreadsheets and statistics programs write for a missing value.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "."})

Table = dict[str, list[Any]]


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise errors.DataError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments behind the command's name; those of the process if not given.

    Returns
    -------
    int
        0, or 2 for bad input, after one line on standard error.

    Examples
    --------
    >>> from mlece.cli import main
    >>> main(["families"])  # doctest: +ELLIPSIS
     family ...
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a sign gets a question mark, not a traceback.
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(argv)
        print(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has left: nothing more to say, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (errors.MleceError, OSError) as error:
        text = " ".join(str(error).split())
        print(f"mlece: {text}", file=sys.stderr)
        return 2
    return 0


# -------------------------------------------------------------------------------- the arguments


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mlece", description="Maximum likelihood is cross-entropy minimisation.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    one = commands.add_parser("fit", help="fit one family, prove the fit")
    _add_file(one)
    one.add_argument("--model", required=True, metavar="NAME", help="see 'mlece families'")
    one.add_argument(
        "--fix",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter",
    )
    one.add_argument("--level", type=float, default=0.95, help="of the intervals (0.95)")
    one.add_argument("--covariance", default="sandwich", choices=COVARIANCES)
    one.add_argument("--solver", default="auto", choices=SOLVERS)
    _add_output(one, picture=True)
    one.set_defaults(run=_fit)

    several = commands.add_parser("compare", help="rank families by their gap to the entropy floor")
    _add_file(several)
    several.add_argument("--models", metavar="A,B,C", help="chosen from the data if not given")
    several.add_argument("--kind", default="auto", choices=KINDS, help="how to read the data")
    several.add_argument("--replicates", type=int, default=199, help="bootstrap samples (199)")
    several.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")
    _add_output(several, picture=True)
    several.set_defaults(run=_compare)

    floor = commands.add_parser("entropy", help="estimate the entropy floor")
    _add_file(floor)
    floor.add_argument("--kind", default="auto", choices=KINDS, help="how to read the data")
    _add_output(floor)
    floor.set_defaults(run=_entropy)

    commands.add_parser("families", help="list the families").set_defaults(run=_families)
    commands.add_parser("demo", help="three short examples").set_defaults(run=_demo)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="CSV, TSV or JSON lines; - for standard input")
    parser.add_argument("--column", metavar="C", help="needed if several columns are numbers")
    parser.add_argument("--weights", metavar="COL", help="column of weights or counts")
    parser.add_argument("--format", choices=FORMATS, help="found out if not given")


def _add_output(parser: argparse.ArgumentParser, picture: bool = False) -> None:
    parser.add_argument("--units", default="nats", help="nats, bits, hartleys or a logarithm base")
    parser.add_argument("--json", action="store_true", help="for programs")
    if picture:
        parser.add_argument("--plot", metavar="FILE", help="write a figure: png, pdf, svg")


def _units(text: str) -> Units:
    try:
        units: Units = float(text)
    except ValueError:
        units = text
    nats_per_unit(units)
    return units


# -------------------------------------------------------------------------------- the commands


def _fit(options: argparse.Namespace) -> str:
    from mlece.intervals import check_level
    from mlece.report import fit_json, fit_table

    units = _units(options.units)
    check_level(options.level)
    _check_picture(options.plot)
    family = model_by_name(options.model)
    model = family(**_fixed(family, options.fix))
    name, columns = _columns(options, labels=family.support.kind == "categories")
    result = fit(model, name, weights=options.weights, given=columns, solver=options.solver)
    arguments: Any = (result, units, options.level, options.covariance)
    text = _json(fit_json(*arguments)) if options.json else fit_table(*arguments)
    return text + _picture(options, result)


def _fixed(family: type[Model], pairs: Sequence[str]) -> dict[str, Any]:
    """Read name=value pairs."""
    slots: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        names = [p.name for p in family.params]
        if not equals:
            raise errors.ParameterError(errors.message("--fix name=value", repr(pair)))
        if name not in names:
            raise errors.unknown_name(f"parameter of {family.__name__}", name, names)
        try:
            numbers = [float(v) for v in value.split(",")]
        except ValueError:
            raise errors.ParameterError(
                errors.message(f"a number in --fix {name}=value", repr(value))
            ) from None
        slots[name] = numbers if family.parameter(name).vector else numbers[0]
        if len(numbers) > 1 and not family.parameter(name).vector:
            raise errors.ParameterError(errors.message(f"one number for {name}", repr(value)))
    return slots


def _compare(options: argparse.Namespace) -> str:
    from mlece.report import compare_table, comparison_json

    units = _units(options.units)
    _check_picture(options.plot)
    models = None
    if options.models is not None:
        models = [model_by_name(m.strip()) for m in options.models.split(",") if m.strip()]
    labels = options.kind == "labels" or any(m.support.kind == "categories" for m in models or [])
    name, columns = _columns(options, labels)
    result = compare(
        models,
        name,
        weights=options.weights,
        given=columns,
        kind=options.kind,
        replicates=options.replicates,
        rng=options.seed,
        units=units,
    )
    text = _json(comparison_json(result)) if options.json else compare_table(result)
    return text + _picture(options, result)


def _entropy(options: argparse.Namespace) -> str:
    from mlece.compare import read_kind
    from mlece.report import facts, number, plain

    units = _units(options.units)
    per = nats_per_unit(units)
    name, columns = _columns(options, options.kind == "labels")
    values = columns[name]
    kind, said = read_kind(values, options.kind)
    weights = columns[options.weights] if options.weights else np.ones(len(values), dtype=int)
    found, step = _floor(values, weights, kind)
    value, se = float(found.value) / per, float(found.se) / per
    if options.json:
        entries = {"data": name, "n": float(weights.sum()), "kind": kind, "value": value, "se": se}
        rest = {"units": unit_name(units), "method": found.method, "resolution": step}
        return _json(plain({**entries, **rest}))
    pairs = [("entropy", f"{number(value)} ± {number(se, None, 2)} {unit_name(units)}")]
    pairs += [("method", found.method)] + ([("data", said)] if said else [])
    if step is not None:
        pairs.append(("rounding", f"to multiples of {step:g}; the entropy of the rounded data"))
        if step != 1:
            density = value + float(np.log(step)) / per
            pairs.append(("density", f"about {number(density)} {unit_name(units)} before rounding"))
    if found.note:
        pairs.append(("note", found.note))
    return f"{name}, n = {weights.sum():,.6g}\n\n{facts(pairs)}"


def _floor(values: Array, weights: Array, kind: str) -> tuple[Any, float | None]:
    """Estimate an entropy in nats, on the grid of rounded data where there is one."""
    from mlece.arrays import factorize
    from mlece.entropy_estimators import chao_wang_jost, kozachenko_leonenko, ties
    from mlece.sample import weights_like

    counts = np.asarray(weights_like(weights, len(values)))
    whole = np.round(counts).astype(int)
    if np.any(whole != counts):
        raise errors.DataError(errors.message("whole numbers as weights", "fractions"))
    _, codes = factorize(values, "data")
    table = np.bincount(codes, weights=whole)
    if kind != "continuous":
        return chao_wang_jost(table[table > 0]), None
    full = np.repeat(np.asarray(values, dtype=float), whole)
    found = ties(full)
    if found.distinct == full.size:
        return kozachenko_leonenko(full), None
    if found.grid is None:
        raise errors.DataError(
            errors.message(
                "continuous data without ties, or rounded to one grid",
                f"{full.size - found.distinct} tied observations and no common grid",
            )
        )
    return chao_wang_jost(table[table > 0]), float(found.grid)


def _families(options: argparse.Namespace) -> str:
    from mlece.report import render

    del options
    rows = []
    for family in registered().values():
        parameters = ", ".join(
            p.name if p.estimable else f"{p.name} (given)" for p in family.params
        )
        solver = "Newton"
        if family.profile_over:
            solver = "profile root"
        elif family.has("_maximise") or family.has("_estimate"):
            solver = "closed form"
        support = str(family.support).replace("a number in ", "").replace("inf", "∞")
        rows.append([family.__name__, support, parameters, solver])
    return render(rows, ["family", "support", "parameters", "solved by"], left=(0, 1, 2, 3))


def _demo(options: argparse.Namespace) -> str:
    from mlece import datasets
    from mlece.report import compare_table, fit_table

    del options
    faces, counts = datasets.wolf_dice().margin("red")
    die = fit("categorical", "red", weights="count", given={"red": faces, "count": counts})
    kicks, geyser = datasets.horse_kicks(), datasets.old_faithful()
    good = compare(
        ["poisson", "geometric"],
        "deaths",
        weights="count",
        given={"deaths": kicks.values, "count": kicks.counts},
    )
    poor = compare(["gaussian", "gamma"], "waiting", given={"waiting": geyser.values})
    parts = {
        "20,000 throws of a die: the relative frequencies meet every condition of the optimum": (
            fit_table(die, "bits")
        ),
        "Deaths by horse kick: a family that is right, and one that is not": compare_table(good),
        "Old Faithful has two modes: no amount of data brings a family with one to the floor": (
            compare_table(poor)
        ),
    }
    numbered = enumerate(parts.items(), 1)
    return "\n\n".join(f"{i}. {title}\n\n{text}" for i, (title, text) in numbered)


# -------------------------------------------------------------------------------- output


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)


def _check_picture(path: str | None) -> None:
    """Refuse a figure that could not be written before any work is done."""
    if path is None:
        return
    if Path(path).suffix.lower() not in PICTURES:
        raise errors.DataError(
            errors.message(f"a figure file ending in {', '.join(PICTURES)}", repr(path))
        )
    if not Path(path).resolve().parent.is_dir():
        raise errors.DataError(errors.message("a figure file in a folder that exists", repr(path)))


def _picture(options: argparse.Namespace, result: Fit | Comparison) -> str:
    """Write the figure, and say so below a table."""
    if options.plot is None:
        return ""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    axes, _ = result.plot()
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    figure.savefig(options.plot, dpi=150)
    plt.close(figure)
    return "" if options.json else f"\nFigure: {options.plot}"


# -------------------------------------------------------------------------------- the file


def _columns(options: argparse.Namespace, labels: bool) -> tuple[str, dict[str, Array]]:
    """Return the name of the column asked for, and the columns needed as arrays."""
    table = _read(options.file, options.format)
    name = options.column
    if name is None:
        numeric = [c for c in table if c != options.weights and _numbers(table[c]) is not None]
        if len(numeric) != 1:
            found = "several numeric columns" if numeric else "no numeric column"
            raise errors.DataError(
                errors.message("--column NAME", f"none and {found}: {', '.join(numeric or table)}")
            )
        name = numeric[0]
    out = {name: _column(table, name, labels)}
    if options.weights is not None:
        out[options.weights] = _column(table, options.weights, False)
    return name, out


def _column(table: Table, name: str, labels: bool) -> Array:
    """Return a column as numbers, or as labels where a model takes them."""
    if name not in table:
        nearest = str(errors.unknown_name("column", name, table))
        listed = "" if "Known:" in nearest else f" Columns: {', '.join(table)}"
        raise errors.UnknownNameError(nearest + listed)
    cells = table[name]
    empty = [i for i, c in enumerate(cells) if c is None or str(c).strip().lower() in MISSING]
    if empty:
        raise errors.DataError(
            errors.message(
                f"a value in every row of column {name!r}",
                f"{len(empty)} empty or missing of {len(cells)}, the first in data row "
                f"{empty[0] + 1}",
                "Missing values are not dropped in silence: remove or impute them first",
            )
        )
    values = _numbers(cells)
    if values is not None:
        return values
    bad = [i for i, c in enumerate(cells) if _number(c) is None]
    if labels or (len(bad) == len(cells) and all(isinstance(c, str) for c in cells)):
        return np.array([str(c) for c in cells])
    raise errors.DataTypeError(
        errors.message(
            f"numbers in column {name!r}",
            f"{len(bad)} of {len(cells)} cells that are none, the first {str(cells[bad[0]])!r:.40} "
            f"in data row {bad[0] + 1}",
        )
    )


def _number(cell: Any) -> float | None:
    try:
        return None if cell is None else float(cell)
    except (TypeError, ValueError):
        return None


def _numbers(cells: list[Any]) -> Array | None:
    """Return the cells as an array of numbers; None if one is not."""
    try:
        if all(isinstance(c, bool | int) or str(c).strip().lstrip("+-").isdecimal() for c in cells):
            return np.array([int(c) for c in cells])
        return np.array([float(c) for c in cells])
    except (TypeError, ValueError, OverflowError):
        return None


def _read(path: str, kind: str | None) -> Table:
    """Read a file into columns."""
    where = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise errors.DataError(errors.message("text in UTF-8", f"other bytes in {where}")) from None
    except FileNotFoundError:
        raise errors.DataError(errors.message("a file", f"no such file: {path}")) from None
    if not text.strip():
        raise errors.DataError(errors.message("a header and rows", f"nothing in {where}"))
    kind = kind or _sniff(path, text)
    table = _json_lines(text, where) if kind == "jsonl" else _delimited(text, where, kind)
    if not next(iter(table.values())):
        raise errors.DataError(errors.message("rows of data", f"a header alone in {where}"))
    return table


def _sniff(path: str, text: str) -> str:
    """Tell the format from the first character and the first line."""
    if text.lstrip().startswith("{") or Path(path).suffix.lower() in (".jsonl", ".ndjson"):
        return "jsonl"
    first = text.lstrip("\n").split("\n", 1)[0]
    return "tsv" if "\t" in first else "csv"


def _json_lines(text: str, where: str) -> Table:
    table: Table = {}
    rows = 0
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise errors.DataError(
                errors.message(
                    "one JSON object on each line", f"{line!r:.40} in line {at} of {where}"
                )
            )
        for name, value in record.items():
            table.setdefault(name, [None] * rows).append(value)
        rows += 1
        for cells in table.values():
            cells.extend([None] * (rows - len(cells)))
    return table


def _delimited(text: str, where: str, kind: str) -> Table:
    """Read comma- or tab-separated text; a semicolon is understood where there is no comma."""
    first = text.split("\n", 1)[0]
    comma = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text), delimiter="\t" if kind == "tsv" else comma)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for cells in reader:
            if not cells or (len(cells) == 1 and not cells[0].strip() and len(header) != 1):
                continue
            if not header:
                header = [c.strip() for c in cells]
                continue
            if len(cells) != len(header):
                raise errors.DataError(
                    errors.message(
                        f"{len(header)} cells in every row of {where}",
                        f"{len(cells)} in line {reader.line_num}",
                    )
                )
            rows.append(cells)
    except csv.Error as error:
        raise errors.DataError(
            errors.message(f"a {kind} file", f"{error} in line {reader.line_num} of {where}")
        ) from None
    if len(set(header)) != len(header):
        raise errors.DataError(
            errors.message("a different name for every column", ", ".join(header))
        )
    return {name: [row[j] for row in rows] for j, name in enumerate(header)}
