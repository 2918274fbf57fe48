"""The arguments of the command line, and what they say when asked for help."""

from __future__ import annotations

import argparse
from typing import NoReturn

from mlece import __version__, errors
from mlece.candidates import KINDS
from mlece.cli import commands
from mlece.comparisons.ranking import CRITERIA
from mlece.inference.intervals import METHODS
from mlece.regression.kinds import KINDS as COVARIANCES
from mlece.solvers.dispatch import SOLVERS
from mlece.sources.text import FORMATS


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise errors.DataError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = _Parser(prog="mlece", description="Maximum likelihood is cross-entropy minimisation.")
    whole.add_argument("--version", action="version", version=f"mlece {__version__}")
    parsers = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, said: str, example: str) -> argparse.ArgumentParser:
        return parsers.add_parser(
            name,
            help=said,
            description=said[0].upper() + said[1:] + ".",
            epilog=f"example: mlece {name} {example}",
        )

    _fit(
        command(
            "fit",
            "fit one family, prove the fit",
            "flights.csv --model poisson --formula 'count ~ day + C(carrier)' --cluster carrier",
        )
    )
    _compare(
        command(
            "compare",
            "rank families, and set them against the entropy floor",
            "waiting.csv --column minutes --models gamma,weibull,lognormal",
        )
    )
    _entropy(
        command("entropy", "estimate the entropy floor", "words.csv --column word --method nsb")
    )
    _study(
        command(
            "study",
            "simulate: what models come to under known truths",
            "coverage.toml --out rows.csv --workers 4",
        )
    )
    _families(
        command("families", "list the families, and which slot a formula means", "| grep mean")
    )
    command("demo", "three short examples", "").set_defaults(run=commands.demo)
    return whole


def _fit(one: argparse.ArgumentParser) -> None:
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
    _add_covariates(one)
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
        "--covariance",
        choices=COVARIANCES,
        metavar="KIND",
        help=f"of the estimates: {', '.join(COVARIANCES)} (sandwich; cluster if --cluster is given)",
    )
    one.add_argument(
        "--cluster",
        metavar="COL,...",
        help="columns that name groups within which observations may depend on each other",
    )
    one.add_argument(
        "--lags",
        type=int,
        help="of newey-west: so many rows before it may an observation depend on",
    )
    one.add_argument("--solver", default="auto", choices=SOLVERS, help="auto: by the family")
    _add_output(one)
    one.set_defaults(run=commands.fit_command)


def _compare(several: argparse.ArgumentParser) -> None:
    _add_file(several)
    _add_incomplete(several)
    which = several.add_mutually_exclusive_group()
    which.add_argument("--models", metavar="A,B,C", help="chosen from the data if not given")
    which.add_argument(
        "--all", action="store_true", help="every family that fits the data; may take minutes"
    )
    several.add_argument(
        "--formula",
        action="append",
        default=[],
        metavar="'Y ~ X'",
        help="response and covariates, in the slot of each family that tells where the law lies; "
        "again to set several formulas against each other; left empty, '~ X', with --lower and --upper",
    )
    several.add_argument(
        "--given",
        metavar="COL,...",
        help="columns of covariates, in place of a formula; the response is --column",
    )
    _add_missing(several)
    _add_kind(several)
    several.add_argument("--replicates", type=int, help="bootstrap samples (199)")
    several.add_argument(
        "--criterion",
        default=CRITERIA[0],
        choices=[c.replace(" ", "-") for c in CRITERIA],
        help="that ranks: held-out cross-entropy, or Takeuchi's criterion",
    )
    several.add_argument("--seed", type=_seed, default=0, help="of the bootstrap (0)")
    _add_output(several)
    several.set_defaults(run=commands.compare_command)


def _entropy(floor: argparse.ArgumentParser) -> None:
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
    floor.set_defaults(run=commands.entropy_command)


def _study(many: argparse.ArgumentParser) -> None:
    many.add_argument("spec", metavar="SPEC", help="TOML file: truth, models, sizes, ...")
    many.add_argument("--out", metavar="FILE", help="CSV file that grows; also where to go on")
    many.add_argument("--workers", type=int, default=1, help="processes (1)")
    many.add_argument("--json", action="store_true", help="for programs")
    many.add_argument("--plot", metavar="FILE", help="write a figure: png, pdf, svg")
    many.set_defaults(run=commands.study_command)


def _families(listed: argparse.ArgumentParser) -> None:
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=commands.families)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="CSV, TSV or JSON; - for standard input")
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


def _add_covariates(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("responses given covariates")
    group.add_argument(
        "--formula",
        metavar="'Y ~ X'",
        help="response and covariates, 'count ~ day + C(carrier)': they go to the slot that tells "
        "where the law lies ('mlece families' says which)",
    )
    group.add_argument(
        "--given",
        metavar="COL,...",
        help="columns of covariates, in place of a formula; the response is --column",
    )
    group.add_argument(
        "--slot",
        action="append",
        default=[],
        metavar="NAME=TERMS",
        help="covariates of a further slot, sd='age'; again for each one",
    )
    _add_missing(group)
    group.add_argument(
        "--penalty",
        metavar="P",
        help="firth, or ridge:STRENGTH (ridge:mean=0.1,sd=1 by slot): keeps the coefficients of separated "
        "and collinear data finite",
    )


def _add_missing(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--missing",
        default="raise",
        choices=("raise", "drop"),
        help="rows in which a response or covariate is missing: refuse them, or leave them out",
    )


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        default="auto",
        choices=KINDS,
        help="how to read the data (auto: integers from 3 or below on, none negative, are counts; "
        "other integers are measurements rounded to a grid; text is labels)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units", default="nats", help="nats, bits, hartleys or a logarithm base")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--plot", metavar="FILE", help="write a figure: png, pdf, svg")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a seed from 0 on; got {text!r}")
    return int(text)
