"""What the commands do: options in, text out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.candidates import read_kind
from mlece.cli.covariates import (
    asks_for_covariates,
    compared_given,
    covariance_of,
    fit_given,
    meant_by_formula,
    pictured,
)
from mlece.cli.files import columns_of, incomplete_asked, incomplete_of, table_of
from mlece.comparisons.comparison import ALL, Comparison, compare
from mlece.fits.fitting import fit
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array
from mlece.model import Model
from mlece.plot.files import check_picture, write_picture
from mlece.registry import model_by_name, registered
from mlece.sources.censoring import Censored
from mlece.units import Units, nats_per_unit, unit_name

# Estimators of masses that stand beside the one asked for in its figure.
_USUAL_MASSES = ("chao-wang-jost", "plug-in", "miller-madow", "grassberger-2003", "zhang", "nsb")

if TYPE_CHECKING:
    from mlece.entropies.estimate import EntropyEstimate


def fit_command(options: argparse.Namespace) -> str:
    """Fit one family, with covariates or without."""
    from mlece.reports.export import fit_json
    from mlece.reports.report import fit_table

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
    fixed = _fixed(family, options.fix)
    if asks_for_covariates(options):
        result = fit_given(options, family, fixed)
    else:
        result = _fit_alone(options, family(**fixed))
    kind, asked = covariance_of(options, result)
    method = options.interval.replace("-", " ")
    arguments: Any = (result, units, options.level, kind, method)
    show: Any = fit_json if options.json else fit_table
    shown = show(*arguments, **asked)
    return _with_pictures(options, result, _json(shown) if options.json else shown)


def _fit_alone(options: argparse.Namespace, model: Model) -> Fit:
    if options.penalty is not None:
        raise errors.DataError(
            errors.message(
                "--penalty with --formula, --given or --slot",
                "a single column, whose parameters have no covariates",
            )
        )
    if incomplete_asked(options):
        data, weights = _incomplete(options)
        return fit(model, data, weights=weights, solver=options.solver)
    name, columns = columns_of(options, model.support.kind == "categories", options.missing)
    return fit(
        model,
        name,
        weights=options.weights,
        given=columns,
        solver=options.solver,
        missing=options.missing,
    )


def _incomplete(options: argparse.Namespace) -> tuple[Censored, Array | None]:
    """Return incomplete data without covariates, and their weights."""
    if options.missing != "raise":
        wanted = "--missing with --formula, --given or a column of exact values"
        raise errors.DataError(errors.message(wanted, f"--{incomplete_asked(options)[0]} alone"))
    return incomplete_of(options, table_of(options))


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


def compare_command(options: argparse.Namespace) -> str:
    """Rank families, with covariates or without."""
    from mlece.reports.comparison_report import compare_table
    from mlece.reports.export import comparison_json

    units = _units(options.units)
    check_picture(options.plot)
    named = [model_by_name(m.strip()) for m in (options.models or "").split(",") if m.strip()]
    models = ALL if options.all else None if options.models is None else named
    arguments: dict[str, Any] = {
        "kind": options.kind,
        "replicates": options.replicates,
        "criterion": options.criterion.replace("-", " "),
        "rng": options.seed,
        "units": units,
    }
    if options.formula or options.given:
        result = compared_given(options, named, arguments)
    else:
        result = _compare_alone(options, models, named, arguments)
    text = _json(comparison_json(result)) if options.json else compare_table(result)
    return _with_pictures(options, result, text)


def _compare_alone(
    options: argparse.Namespace, models: Any, named: list[type[Model]], arguments: dict[str, Any]
) -> Comparison:
    if incomplete_asked(options):
        data, weights = _incomplete(options)
        return compare(models, data, weights=weights, **arguments)
    labels = options.kind == "labels" or any(m.support.kind == "categories" for m in named)
    name, columns = columns_of(options, labels, options.missing)
    return compare(
        models,
        name,
        weights=options.weights,
        given=columns,
        missing=options.missing,
        **arguments,
    )


def entropy_command(options: argparse.Namespace) -> str:
    """Estimate an entropy."""
    from mlece.entropies.entropy_estimators import estimate_entropy

    units = _units(options.units)
    check_picture(options.plot)
    name, columns = columns_of(options, options.kind == "labels")
    values = columns[name]
    kind, said = read_kind(values, options.kind)
    weights = columns[options.weights] if options.weights else np.ones(len(values), dtype=int)
    sample, step = _floor_sample(values, weights, kind)
    found = estimate_entropy(*sample, options.method)
    if options.json:
        entries = {"data": name, "n": float(weights.sum()), "kind": kind}
        text = _json({**entries, **_entropy_entries(found, units, step)})
    else:
        title = f"{name}, n = {weights.sum():,.6g}"
        text = f"{title}\n\n{_entropy_table(found, units, step, said)}"
    beside = () if options.plot is None else _other_estimates(sample, found)
    return _with_pictures(options, found, text, beside=beside, units=units)


def _entropy_entries(found: EntropyEstimate, units: Units, step: float | None) -> dict[str, Any]:
    """Return an estimate for programs."""
    from mlece.reports.export import plain

    shown = found.in_units(units)
    entries = {"value": float(shown.value), "se": float(shown.se), "units": unit_name(units)}
    rest: dict[str, Any] = {"method": found.method, "resolution": step}
    if found.note:
        rest["note"] = found.note
    out: dict[str, Any] = plain({**entries, **rest})
    return out


def _entropy_table(found: EntropyEstimate, units: Units, step: float | None, said: str) -> str:
    from mlece.reports.report import facts, number

    shown, name = found.in_units(units), unit_name(units)
    value, se = float(shown.value), float(shown.se)
    pairs = [("entropy", f"{number(value)} ± {number(se, None, 2)} {name}")]
    pairs += [("method", found.method)] + ([("data", said)] if said else [])
    if step is not None:
        pairs.append(("rounding", f"to multiples of {step:g}; the entropy of the rounded data"))
        if step != 1:
            density = value + float(np.log(step)) / nats_per_unit(units)
            pairs.append(("density", f"about {number(density)} {name} before rounding"))
    if found.note:
        pairs.append(("note", found.note))
    return facts(pairs)


# What `estimate_entropy` reads: observations, whether they are masses, and how often each was seen.
_Read = tuple[Any, bool, Array | None]


def _floor_sample(values: Array, weights: Array, kind: str) -> tuple[_Read, float | None]:
    """Return what an entropy is estimated of, on the grid of rounded data where there is one."""
    from mlece.entropies.ties import ties
    from mlece.sample import weights_like

    counts = np.asarray(weights_like(weights, len(values)))
    whole = np.round(counts).astype(int)
    if np.any(whole != counts):
        raise errors.DataError(errors.message("whole numbers as weights", "fractions"))
    if kind != "continuous":
        return (values, True, whole), None
    full = np.repeat(np.asarray(values, dtype=float), whole)
    found = ties(full)
    if found.fraction == 0 or found.grid is None:
        return (full, False, None), None
    return (found.record(full), True, None), float(found.grid)


def _other_estimates(sample: _Read, found: EntropyEstimate) -> list[EntropyEstimate]:
    """Return what other estimators of the same kind make of a sample, those that can."""
    from mlece.entropies.entropy_estimators import DENSITIES, estimate_entropy

    out = []
    for method in _USUAL_MASSES if sample[1] else DENSITIES:
        try:
            other = estimate_entropy(*sample, method)
        except errors.MleceError:
            continue
        if other.method != found.method and np.isfinite([other.value, other.se]).all():
            out.append(other)
    return out


def study_command(options: argparse.Namespace) -> str:
    """Simulate."""
    from mlece.reports.export import plain
    from mlece.studies.spec import read_spec
    from mlece.studies.study import study

    check_picture(options.plot)
    spec = read_spec(options.spec)
    result = study(**spec, workers=options.workers, out=options.out)
    text = _json({"rows": plain(list(result.rows))}) if options.json else str(result)
    return _with_pictures(options, result, text, tuple(result.plan.truths))


def families(options: argparse.Namespace) -> str:
    """List the families."""
    from mlece.reports.report import render

    listed = [_family_entry(family) for family in registered(vectors=True).values()]
    if options.json:
        return _json({"families": listed})
    rows = []
    for entry in listed:
        parameters = ", ".join(
            f"{p['name']}{'*' * p['formula']}{'' if p['estimated'] else ' (given)'}"
            for p in entry["parameters"]
        )
        support = entry["support"].replace("a number in ", "").replace("inf", "∞")
        rows.append([entry["name"], support.split(" in radians")[0], parameters, entry["solver"]])
    table = render(rows, ["family", "support", "parameters", "solved by"], left=(0, 1, 2, 3))
    return f"{table}\n\n* covariates of a formula go here; --slot NAME=TERMS names another"


def _family_entry(family: type[Model]) -> dict[str, Any]:
    """Return what is told of a family, for programs."""
    meant = meant_by_formula(family)
    solver = "Newton"
    if family.profile_over:
        solver = "profile root"
    elif family.has("_maximise") or family.has("_estimate"):
        solver = "closed form"
    return {
        "name": family.__name__,
        "support": family._observations if family._width else str(family.support),
        "parameters": [
            {
                "name": p.name,
                "domain": str(p.domain),
                "meaning": p.doc,
                "estimated": p.estimable,
                "formula": p.name == meant,
            }
            for p in family.params
        ],
        "solver": solver,
    }


def demo(options: argparse.Namespace) -> str:
    """Show three short examples."""
    from mlece import datasets
    from mlece.reports.comparison_report import compare_table
    from mlece.reports.report import fit_table

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


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)


def _with_pictures(
    options: argparse.Namespace, result: Any, text: str, truths: Sequence[str] = (), **drawn: Any
) -> str:
    """Write the figure, one for each of several truths, and say so below a table.

    What has none is said after the table. ``drawn`` are further options of the picture.
    """
    if options.plot is None:
        return text
    whole = Path(options.plot)
    numbered = [
        (whole.with_name(f"{whole.stem}-{i}{whole.suffix}"), {"truth": truth}, f" ({truth})")
        for i, truth in enumerate(truths, 1)
    ]
    shown = text
    for path, chosen, note in numbered if len(truths) > 1 else [(options.plot, {}, "")]:
        try:
            write_picture(path, pictured(result), **chosen, **drawn)
        except (errors.MleceError, OSError):
            # The fit was made, and what it came to is worth as much as its figure.
            print(shown)
            raise
        shown += "" if options.json else f"\nFigure: {path}{note}"
    return shown


def _units(text: str) -> Units:
    try:
        units: Units = float(text)
    except ValueError:
        units = text
    nats_per_unit(units)
    return units
