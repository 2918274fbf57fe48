"""Responses given covariates on the command line: formulas, slots, clusters."""

from __future__ import annotations

import argparse
import re
from typing import Any

import numpy as np

from mlece import errors
from mlece.cli.files import incomplete_asked, incomplete_of, table_of
from mlece.comparisons.comparison import Comparison, compare
from mlece.families.finite import Bernoulli
from mlece.fits.fitting import fit
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor
from mlece.regression.binding import main_slot, with_terms
from mlece.regression.penalty import ridge
from mlece.regression.result import ConditionalFit
from mlece.sources.censoring import Censored
from mlece.sources.covariates import response
from mlece.sources.text import Table, covariate_of

_ASKED = ("formula", "given", "slot", "cluster")
_PENALTY = "--penalty firth, ridge:0.1, or ridge:slot=0.1,slot=0.2"


def asks_for_covariates(options: argparse.Namespace) -> bool:
    """Tell whether an option asks for columns beside that of the response."""
    named = any(getattr(options, name) for name in _ASKED)
    return named or options.covariance == "newey-west"


def fit_given(options: argparse.Namespace, family: type[Model], fixed: dict[str, Any]) -> Fit:
    """Fit a family to a response given covariates."""
    slots = _slots(family, options.slot, fixed)
    terms = [options.formula, options.given, options.column, *(p.terms for p in slots.values())]
    model = family(**fixed, **slots)
    if options.given:
        if options.formula:
            raise errors.DataError(errors.message("--formula or --given", "both"))
        model = model.replace(**{main_slot(model): Predictor(_names(options.given))})
    if incomplete_asked(options):
        return _fit_incomplete(options, model, terms[1:])
    table = _frame(options, terms)
    y = options.formula or options.column
    if y is None or (options.formula and options.column):
        got = "neither" if y is None else "both"
        raise errors.DataError(errors.message("--formula 'y ~ x' or --column Y", got))
    arguments: dict[str, Any] = {"weights": options.weights, "solver": options.solver}
    if model.predictors or "~" in y:
        arguments["missing"] = options.missing
    return fit(model, y, given=table, penalty=_penalty(options.penalty), **arguments)


def _fit_incomplete(options: argparse.Namespace, model: Model, terms: list[Any]) -> Fit:
    """Fit a family to censored, truncated or grouped responses given covariates."""
    formulas = [options.formula] if options.formula else []
    data, weights, table, right = _incomplete_given(options, formulas, terms)
    return fit(
        with_terms(model, right[0]) if right else model,
        data,
        given=table,
        weights=weights,
        solver=options.solver,
        missing=options.missing,
        penalty=_penalty(options.penalty),
    )


def _incomplete_given(
    options: argparse.Namespace, formulas: list[str], terms: list[Any]
) -> tuple[Censored, Array | None, dict[str, Any], list[str]]:
    """Return incomplete responses, weights, the other columns, and the right sides of formulas.

    ``terms`` name columns of covariates besides.
    """
    cells = table_of(options)
    named = argparse.Namespace(**vars(options))
    sides = [_sides(formula) for formula in formulas]
    if sides:
        left = _one_response([left for left, _ in sides])
        if options.column or (left and left not in cells):
            raise errors.DataError(
                errors.message(
                    "--formula 'TIME ~ x' with --event or --entry, '~ x' with --lower and --upper, TIME a "
                    "column",
                    f"--column {options.column}" if options.column else repr(left),
                )
            )
        named.column = left or None
    data, weights = incomplete_of(named, cells)
    right = [right for _, right in sides]
    own = [getattr(named, name) for name in ("column", *incomplete_asked(options))]
    texts = _texts(options, [t for t in (*right, *terms) if t != named.column])
    # What '.' means are the columns beside the response.
    hidden = {name for name in own if name and not _occurs(name, texts)}
    table = {k: v for k, v in _read(cells, texts).items() if k not in hidden}
    return data, weights, table, right


def _one_response(names: list[str]) -> str:
    if len(set(names)) > 1:
        raise errors.DataError(errors.message("one response", ", ".join(dict.fromkeys(names))))
    return names[0]


def _sides(formula: str) -> tuple[str, str]:
    left, tilde, right = formula.partition("~")
    if not tilde or not right.strip():
        raise errors.DataError(errors.message("a formula 'TIME ~ x' or '~ x'", repr(formula)))
    return left.strip(), right.strip()


def _penalty(text: str | None) -> Any:
    """Read firth, ridge:strength and ridge:slot=strength,..."""
    if text is None or text == "firth":
        return text
    kind, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    try:
        if kind != "ridge" or not colon:
            raise ValueError
        if len(pairs) == 1 and not pairs[0][1]:
            return ridge(float(rest))
        return ridge({slot.strip(): float(value) for slot, _, value in pairs})
    except ValueError as error:
        if isinstance(error, errors.MleceError):
            raise
        raise errors.ParameterError(errors.message(_PENALTY, repr(text))) from None


def covariance_of(options: argparse.Namespace, result: Fit) -> tuple[str, dict[str, Any]]:
    """Return the kind of covariance that is asked for, and what it needs to know."""
    kind = options.covariance or ("cluster" if options.cluster else "sandwich")
    told: dict[str, Any] = {}
    if options.cluster:
        if kind not in ("cluster", "bootstrap"):
            raise errors.DataError(
                errors.message("--covariance cluster with --cluster", f"--covariance {kind}")
            )
        told["clusters"] = _ways(result, _names(options.cluster))
    elif kind == "cluster":
        raise errors.DataError(errors.message("--cluster COL with --covariance cluster", "none"))
    if options.lags is not None:
        if kind != "newey-west":
            raise errors.DataError(
                errors.message("--covariance newey-west with --lags", f"--covariance {kind}")
            )
        told["lags"] = options.lags
    return kind, told


def compared_given(
    options: argparse.Namespace, families: list[type[Model]], arguments: dict[str, Any]
) -> Comparison:
    """Compare families, each given every formula, or the columns of --given."""
    if not families:
        raise errors.DataError(errors.message("--models A,B,C with --formula or --given", "none"))
    if bool(options.formula) == bool(options.given):
        got = "both" if options.given else "neither"
        raise errors.DataError(errors.message("--formula or --given", got))
    data: Any
    weights: Any
    if incomplete_asked(options):
        data, weights, table, terms = _incomplete_given(options, options.formula, [options.given])
    else:
        data, weights, table, terms = _responses(options)
    given = [Predictor(t) for t in terms] or [Predictor(_names(options.given))]
    models = [family() for family in families]
    models = [m.replace(**{main_slot(m): predictor}) for predictor in given for m in models]
    return compare(models, data, weights=weights, given=table, missing=options.missing, **arguments)


def _responses(
    options: argparse.Namespace,
) -> tuple[str, str | None, dict[str, Any], list[str]]:
    """Return the name of complete responses, weights, all columns, and the right sides of formulas."""
    table = _frame(options, [*options.formula, options.given, options.column])
    if not options.formula:
        if options.column is None:
            raise errors.DataError(errors.message("--column Y with --given", "none"))
        return options.column, options.weights, table, []
    if options.column:
        raise errors.DataError(errors.message("--formula 'y ~ x' or --column Y", "both"))
    sides = [response(formula, table, options.missing) for formula in options.formula]
    terms = []
    for side in sides:
        if side.terms is None:
            raise errors.ParameterError(errors.message("a formula 'y ~ x'", repr(side.name)))
        terms.append(side.terms)
    return _one_response([side.name for side in sides]), options.weights, table, terms


def pictured(result: Any) -> Any:
    """Return what to draw: of a fit with covariates its residuals, or the calibration of its labels."""
    if not isinstance(result, ConditionalFit):
        return result
    from mlece.diagnostics.calibration import calibration
    from mlece.diagnostics.residuals import residuals
    from mlece.diagnostics.worm import worm

    weights = None if result.sample.weights is None else result.sample.weights[0]
    law: Any = result.predict()
    happened = result.conditional.split(result.sample.values)[0]
    if isinstance(law, Bernoulli):
        return calibration(law.mean[result.rows[0]], happened, weights)
    if law.support.kind == "categories":
        labels = [str(label) for label in law.labels]
        happened = np.array(labels)[happened.astype(int)]
        return calibration(law.masses()[result.rows[0]], happened, weights, labels=labels)
    return worm(residuals(result), weights=weights)


def meant_by_formula(family: type[Model]) -> str:
    """Return the slot of a family that a formula means, nothing where it means none."""
    known = [p.name for p in family.params if not p.estimable and p.default is None]
    try:
        return main_slot(family(**{name: Predictor((name,)) for name in known}))
    except (errors.ParameterError, errors.DataTypeError):
        return ""


# -------------------------------------------------------------------------------- pieces


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _slots(family: type[Model], pairs: list[str], fixed: dict[str, Any]) -> dict[str, Predictor]:
    """Read slot=terms pairs."""
    out: dict[str, Predictor] = {}
    known = [p.name for p in family.params]
    for pair in pairs:
        name, equals, terms = (part.strip() for part in pair.partition("="))
        if not equals or not terms:
            raise errors.ParameterError(errors.message("--slot name='x + z'", repr(pair)))
        if name not in known:
            raise errors.unknown_name(f"parameter of {family.__name__}", name, known)
        if name in fixed or name in out:
            raise errors.ParameterError(
                errors.message(f"{name} filled once", "--fix and --slot, or --slot twice")
            )
        out[name] = Predictor(terms)
    return out


def _frame(options: argparse.Namespace, terms: list[Any]) -> dict[str, Any]:
    """Return the columns of the file: those that are named as numbers or text, the others as cells."""
    return _read(table_of(options), _texts(options, terms))


def _texts(options: argparse.Namespace, terms: list[Any]) -> list[str]:
    """Return everything that names columns."""
    texts = [" ".join(t) if isinstance(t, tuple) else t for t in terms if t]
    return [*texts, options.weights or "", getattr(options, "cluster", None) or ""]


def _read(table: Table, texts: list[str]) -> dict[str, Any]:
    whole = any(re.search(r"(^|[~+\s])\.($|[+\s])", text) for text in texts)
    return {
        name: covariate_of(table, name) if whole or _occurs(name, texts) else cells
        for name, cells in table.items()
    }


def _occurs(name: str, texts: list[str]) -> bool:
    pattern = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w])")
    return any(pattern.search(text) for text in texts)


def _ways(result: Fit, names: tuple[str, ...]) -> Any:
    """Return the names of the columns that name groups, one by itself."""
    table: Any = result.given or {}
    for name in names:
        if name not in table:
            raise errors.unknown_name("column", name, table)
    return names[0] if len(names) == 1 else names
