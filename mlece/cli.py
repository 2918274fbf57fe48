"""The command ``mlece``: fit, compare, entropy, study, families, demo."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from mlece import __version__, errors
from mlece.candidates import KINDS, read_kind
from mlece.comparison import ALL, Comparison, compare
from mlece.fitting import fit
from mlece.intervals import METHODS, check_level
from mlece.math import Array
from mlece.model import Model, model_by_name, registered
from mlece.plot.files import check_picture, write_picture
from mlece.ranking import CRITERIA
from mlece.regression.kinds import PLAIN as COVARIANCES
from mlece.result import Fit
from mlece.solvers.dispatch import SOLVERS
from mlece.sources.censoring import Censored, censored, right_censored
from mlece.sources.text import FORMATS, Table, as_numbers, column_of, read_table
from mlece.units import Units, nats_per_unit, unit_name

if TYPE_CHECKING:
    from mlece.entropies.estimate import EntropyEstimate
    from mlece.studies.study import Study


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
    # A terminal that cannot show a sign gets a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
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
        print("mlece:", *str(error).split(), file=sys.stderr)
        return 2
    return 0


# -------------------------------------------------------------------------------- the arguments


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mlece", description="Maximum likelihood is cross-entropy minimisation.")
    parser.add_argument("--version", action="version", version=f"mlece {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    one = commands.add_parser("fit", help="fit one family, prove the fit")
    _add_file(one)
    _add_incomplete(one)
    one.add_argument("--model", required=True, metavar="NAME", help="see 'mlece families'")
    one.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter; again for each one held",
    )
    one.add_argument("--level", type=float, default=0.95, help="of the intervals (0.95)")
    one.add_argument(
        "--interval",
        default="auto",
        choices=[m.replace(" ", "-") for m in METHODS],
        metavar="METHOD",
        help="wald, profile (likelihood), robust-profile, bootstrap, exact; "
        "auto: exact where the likelihood is not regular, else wald",
    )
    one.add_argument(
        "--covariance", default="sandwich", choices=COVARIANCES, help="of the estimates (sandwich)"
    )
    one.add_argument("--solver", default="auto", choices=SOLVERS, help="auto: by the family")
    _add_output(one, picture=True)
    one.set_defaults(run=_fit)

    several = commands.add_parser(
        "compare", help="rank families, and set them against the entropy floor"
    )
    _add_file(several)
    _add_incomplete(several)
    which = several.add_mutually_exclusive_group()
    which.add_argument("--models", metavar="A,B,C", help="chosen from the data if not given")
    which.add_argument(
        "--all", action="store_true", help="every family that fits the data; may take minutes"
    )
    _add_kind(several)
    several.add_argument("--replicates", type=int, help="bootstrap samples (199)")
    several.add_argument(
        "--criterion",
        default=CRITERIA[0],
        choices=[c.replace(" ", "-") for c in CRITERIA],
        help="that ranks: held-out cross-entropy, or Takeuchi's criterion",
    )
    several.add_argument("--seed", type=_seed, default=0, help="of the bootstrap (0)")
    _add_output(several, picture=True)
    several.set_defaults(run=_compare)

    floor = commands.add_parser("entropy", help="estimate the entropy floor")
    _add_file(floor)
    _add_kind(floor)
    floor.add_argument(
        "--method",
        metavar="M",
        help="estimator: for counts and labels chao-wang-jost (as if not given), plug-in, "
        "miller-madow, nsb and more; for densities kozachenko-leonenko (as if not given), vasicek, "
        "van-es, ebrahimi, correa; for densities rounded to a grid one for counts",
    )
    _add_output(floor)
    floor.set_defaults(run=_entropy)

    many = commands.add_parser("study", help="simulate: what models come to under known truths")
    many.add_argument("spec", metavar="SPEC", help="TOML file: truth, models, sizes, ...")
    many.add_argument("--out", metavar="FILE", help="CSV file that grows; also where to go on")
    many.add_argument("--workers", type=int, default=1, help="processes (1)")
    many.add_argument("--json", action="store_true", help="for programs")
    many.add_argument("--plot", metavar="FILE", help="write a figure: png, pdf, svg")
    many.set_defaults(run=_study)

    commands.add_parser("families", help="list the families").set_defaults(run=_families)
    commands.add_parser("demo", help="three short examples").set_defaults(run=_demo)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="CSV, TSV or JSON lines; - for standard input")
    parser.add_argument("--column", metavar="C", help="needed if several columns are numbers")
    parser.add_argument("--weights", metavar="COL", help="column of weights or counts")
    parser.add_argument("--format", choices=FORMATS, help="found out if not given")
    parser.add_argument(
        "--no-header", action="store_true", help="the first line is data: columns are 1, 2, ..."
    )


def _add_incomplete(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("censored, truncated and grouped data")
    group.add_argument(
        "--event", metavar="COL", help="1 where the event was seen, 0 where it had not happened yet"
    )
    group.add_argument("--entry", metavar="COL", help="when observation began (delayed entry)")
    group.add_argument(
        "--lower", metavar="COL", help="lower ends of intervals, in place of --column; -inf if open"
    )
    group.add_argument("--upper", metavar="COL", help="their upper ends; inf if open")


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        default="auto",
        choices=KINDS,
        help="how to read the data (auto: integers from 3 or below on, none negative, are counts; "
        "other integers are measurements rounded to a grid; text is labels)",
    )


def _add_output(parser: argparse.ArgumentParser, picture: bool = False) -> None:
    parser.add_argument("--units", default="nats", help="nats, bits, hartleys or a logarithm base")
    parser.add_argument("--json", action="store_true", help="for programs")
    if picture:
        parser.add_argument("--plot", metavar="FILE", help="write a figure: png, pdf, svg")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a seed from 0 on; got {text!r}")
    return int(text)


def _units(text: str) -> Units:
    try:
        units: Units = float(text)
    except ValueError:
        units = text
    nats_per_unit(units)
    return units


# -------------------------------------------------------------------------------- the commands


def _fit(options: argparse.Namespace) -> str:
    from mlece.export import fit_json
    from mlece.report import fit_table

    units = _units(options.units)
    check_level(options.level)
    check_picture(options.plot)
    family = model_by_name(options.model)
    if family._width:
        raise errors.DataTypeError(
            errors.message(
                "a family of numbers for one column",
                f"{family.__name__}, a family of vectors",
                "Fit it in Python: mlece.fit(model, array)",
            )
        )
    model = family(**_fixed(family, options.fix))
    data = _incomplete(options)
    if data is not None:
        result = fit(model, data[0], weights=data[1], solver=options.solver)
    else:
        name, columns = _columns(options, labels=family.support.kind == "categories")
        result = fit(model, name, weights=options.weights, given=columns, solver=options.solver)
    method = options.interval.replace("-", " ")
    arguments: Any = (result, units, options.level, options.covariance, method)
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
        vector = family.params[names.index(name)].vector
        slots[name] = numbers if vector else numbers[0]
        if len(numbers) > 1 and not vector:
            raise errors.ParameterError(errors.message(f"one number for {name}", repr(value)))
    return slots


def _compare(options: argparse.Namespace) -> str:
    from mlece.comparison_report import compare_table
    from mlece.export import comparison_json

    units = _units(options.units)
    check_picture(options.plot)
    named = [model_by_name(m.strip()) for m in (options.models or "").split(",") if m.strip()]
    models = ALL if options.all else None if options.models is None else named
    labels = options.kind == "labels" or any(m.support.kind == "categories" for m in named)
    data = _incomplete(options)
    name, columns = (None, {}) if data else _columns(options, labels)
    result = compare(
        models,
        data[0] if data else name,
        weights=data[1] if data else options.weights,
        given=None if data else columns,
        kind=options.kind,
        replicates=options.replicates,
        criterion=options.criterion.replace("-", " "),
        rng=options.seed,
        units=units,
    )
    text = _json(comparison_json(result)) if options.json else compare_table(result)
    return text + _picture(options, result)


def _entropy(options: argparse.Namespace) -> str:
    from mlece.export import plain
    from mlece.report import facts, number

    units = _units(options.units)
    per = nats_per_unit(units)
    name, columns = _columns(options, options.kind == "labels")
    values = columns[name]
    kind, said = read_kind(values, options.kind)
    weights = columns[options.weights] if options.weights else np.ones(len(values), dtype=int)
    found, step = _floor(values, weights, kind, options.method)
    value, se = float(found.value) / per, float(found.se) / per
    if options.json:
        entries = {"data": name, "n": float(weights.sum()), "kind": kind, "value": value, "se": se}
        rest = {"units": unit_name(units), "method": found.method, "resolution": step}
        if found.note:
            rest["note"] = found.note
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


def _floor(
    values: Array, weights: Array, kind: str, method: str | None
) -> tuple[EntropyEstimate, float | None]:
    """Estimate an entropy in nats, on the grid of rounded data where there is one."""
    from mlece.entropies.ties import ties
    from mlece.entropy_estimators import estimate_entropy
    from mlece.sample import weights_like

    counts = np.asarray(weights_like(weights, len(values)))
    whole = np.round(counts).astype(int)
    if np.any(whole != counts):
        raise errors.DataError(errors.message("whole numbers as weights", "fractions"))
    if kind != "continuous":
        return estimate_entropy(values, True, whole, method), None
    full = np.repeat(np.asarray(values, dtype=float), whole)
    found = ties(full)
    if found.fraction == 0 or found.grid is None:
        return estimate_entropy(full, False, method=method), None
    return estimate_entropy(found.record(full), True, method=method), float(found.grid)


def _study(options: argparse.Namespace) -> str:
    from mlece.export import plain
    from mlece.studies.spec import read_spec
    from mlece.studies.study import study

    check_picture(options.plot)
    spec = read_spec(options.spec)
    result = study(**spec, workers=options.workers, out=options.out)
    text = _json({"rows": plain(list(result.rows))}) if options.json else str(result)
    return text + _picture(options, result)


def _families(options: argparse.Namespace) -> str:
    from mlece.report import render

    del options
    rows = []
    for family in registered(vectors=True).values():
        parameters = ", ".join(
            p.name if p.estimable else f"{p.name} (given)" for p in family.params
        )
        solver = "Newton"
        if family.profile_over:
            solver = "profile root"
        elif family.has("_maximise") or family.has("_estimate"):
            solver = "closed form"
        values = family._observations if family._width else str(family.support)
        support = values.replace("a number in ", "").replace("inf", "∞").split(" in radians")[0]
        rows.append([family.__name__, support, parameters, solver])
    return render(rows, ["family", "support", "parameters", "solved by"], left=(0, 1, 2, 3))


def _demo(options: argparse.Namespace) -> str:
    from mlece import datasets
    from mlece.comparison_report import compare_table
    from mlece.report import fit_table

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


def _picture(options: argparse.Namespace, result: Fit | Comparison | Study) -> str:
    """Write the figure, and say so below a table."""
    if options.plot is None:
        return ""
    write_picture(options.plot, result)
    return "" if options.json else f"\nFigure: {options.plot}"


# -------------------------------------------------------------------------------- the file


def _columns(options: argparse.Namespace, labels: bool) -> tuple[str, dict[str, Array]]:
    """Return the name of the column asked for, and the columns needed as arrays."""
    table = read_table(options.file, options.format, header=not options.no_header)
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
    out = {name: column_of(table, name, labels)}
    if options.weights is not None:
        out[options.weights] = column_of(table, options.weights, False)
    return name, out


def _incomplete(options: argparse.Namespace) -> tuple[Censored, Array | None] | None:
    """Return incomplete data and their weights, None where no option asks for them."""
    ends, event = (options.lower, options.upper), options.event
    asked = [o for o in ("event", "lower", "upper") if getattr(options, o) is not None]
    if not asked:
        if options.entry is not None:
            asked = ["entry"]
        else:
            return None
    table = read_table(options.file, options.format, header=not options.no_header)

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
            ", ".join(f"--{o}" for o in ("column", *asked) if getattr(options, o) is not None),
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
