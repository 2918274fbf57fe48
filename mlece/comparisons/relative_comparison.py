"""compare() for data that show no entropy: families ranked against the nearest one.

Of censored, truncated and grouped data, and of responses given covariates, it cannot be told how much of
the cross-entropy is the noise of the data: a difference of two cross-entropies is all that is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, column
from mlece.candidates import KINDS, candidates, common_kind, resolve_all, unlike
from mlece.comparisons.comparison import (
    ALL,
    Comparison,
    infinite_sentence,
    label_of,
    tie_sentence,
    unranked,
)
from mlece.comparisons.ranking import Row, order
from mlece.fits.fitting import fit
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor
from mlece.regression.binding import with_terms
from mlece.sources.censoring import Censored
from mlece.sources.covariates import designs, response
from mlece.sources.tables import taken
from mlece.units import Units


def compare_incomplete(
    models: Any,
    data: Censored,
    weights: Any,
    given: Any,
    kind: str,
    units: Units,
    criterion: str,
) -> Comparison:
    """Fit several models to incomplete data and rank them by their distance from the nearest.

    Parameters
    ----------
    models : as for :func:`mlece.comparisons.comparison.compare`
    data : Censored
    weights : array_like (n,) or str, optional
    given : data frame, mapping or array, optional
        Holds the column of weights.
    kind : {"auto", "continuous", "counts"}
        "auto" reads the data as continuous where the families are chosen from them.
    units : str or float
    criterion : {"auto", "held out", "tic"}

    Returns
    -------
    Comparison
        Its ``floor`` is NaN, its rows have no ``gap``, and their excess is over the nearest model.

    Raises
    ------
    DataError
        For a batch of samples.
    """
    _require_one(data)
    if given is not None and not isinstance(weights, str):
        raise errors.DataTypeError(
            errors.message(
                "models with a predictor beside given=",
                "none",
                "Name covariates in a slot, Weibull(scale='age'), or leave the frame out",
            )
        )
    weights = column(given, weights) if isinstance(weights, str) else weights
    ends = _finite(data.values)
    if kind == KINDS[3]:
        raise errors.DataTypeError(errors.message("numbers in incomplete data", 'kind="labels"'))
    if models is None or (isinstance(models, str) and models == ALL):
        kind = "continuous" if kind == "auto" else kind
        chosen = candidates(ends, kind, rare=models is not None)
    else:
        chosen = resolve_all(models)
        kind = common_kind(chosen, ends, kind)
    rows = [_row(model, data, weights, None) for model in unlike(chosen)]
    summary = f"{_kinds(data)}; ends from {ends.min():.6g} to {ends.max():.6g}"
    return _compared(rows, data.name, _total(data), kind, summary, units, criterion)


def compare_given(
    models: Any,
    data: Any,
    weights: Any,
    given: Any,
    kind: str,
    units: Units,
    criterion: str,
    missing: str,
) -> Comparison:
    """Fit several models of a response given covariates and rank them by their distance from the nearest.

    Parameters
    ----------
    models : as for :func:`mlece.comparisons.comparison.compare`
        A model without a predictor has a constant in its place.
    data : array_like (n,), Censored or str
        Responses, or the name of their column.
    weights : array_like (n,) or str, optional
    given : data frame, mapping, array (n, d) or sparse matrix
    kind : {"auto", "continuous", "counts", "labels"}
    units : str or float
    criterion : {"auto", "held out", "tic"}
    missing : {"raise", "drop"}

    Returns
    -------
    Comparison
        As of :func:`compare_incomplete`.

    Raises
    ------
    ComparisonError
        For models under different measures, and for one without a predictor or a free slot.
    DataError
        For a batch of samples.
    """
    if isinstance(data, Censored):
        _require_one(data)
    chosen = unlike(m if m.predictors else _constant(m) for m in resolve_all(models))
    weights = column(given, weights) if isinstance(weights, str) else weights
    dropped = 0
    if missing != "raise":
        kept = _complete(chosen, data, given, missing)
        dropped = int((~kept).sum())
        data, weights, given = _rows(data, weights, given, np.flatnonzero(kept))
    values = response(data, given).values if isinstance(data, str) else data
    ends = _finite(data.values) if isinstance(data, Censored) else as_array(values, "y")
    if ends.ndim != 1:
        raise errors.DataError(errors.message("one sample of responses", f"shape {ends.shape}"))
    kind = common_kind(chosen, ends, kind)
    rows = [_row(model, data, weights, given) for model in chosen]
    name = data if isinstance(data, str) else str(getattr(data, "name", None) or "y")
    told = f" ({_kinds(data)})" if isinstance(data, Censored) else ""
    summary = f"responses given covariates{told}"
    n = _total(data) if isinstance(data, Censored) else float(len(values))
    found = _compared(rows, name, n, kind, summary, units, criterion)
    if not dropped:
        return found
    said = f"{dropped} of {dropped + len(values)} rows in which something is missing were left out."
    return replace(found, sentences=(said, *found.sentences))


def with_formula(
    models: list[Model] | None, data: str, given: Any, missing: str
) -> tuple[list[Model] | None, str]:
    """Return models with the right side of a formula in the slot that it means, and the response.

    A text without a right side, the name of a column, is returned as it is.
    """
    found = response(data, given, missing)
    if found.terms is None:
        return models, data
    if models is None:
        raise errors.DataError(
            errors.message(
                "models that are named, with a formula",
                "none",
                "compare(['gaussian', 'laplace'], ...)",
            )
        )
    return [with_terms(model, found.terms) for model in models], found.name


def _require_one(data: Censored) -> None:
    if data.values.ndim != 2:
        raise errors.DataError(
            errors.message("one sample", f"a batch of shape {data.values.shape[:-2]}")
        )


def _constant(model: Model) -> Model:
    """Return a model with a constant for its predictor: the same laws."""
    if not model.free:
        raise errors.ComparisonError(
            errors.message(
                "models with a predictor or a free slot each",
                f"{label_of(model)}, a known law",
            )
        )
    try:
        return with_terms(model, "1")
    except errors.ParameterError:
        # In no slot more than in another: a constant is a constant in any.
        return model.replace(**{model.free[0]: Predictor("1")})


def _complete(models: list[Model], data: Any, given: Any, missing: str) -> Array:
    """Return the rows in which neither the response nor a covariate of any model is missing, (n,)."""
    side = response(data, given, missing) if isinstance(data, str) else None
    n = len(data if side is None else as_array(side.values, "y"))
    whole = np.ones(n, dtype=bool)
    among = whole if side is None or side.missing is None else ~side.missing
    kept = among
    for model in models:
        used = () if side is None else side.columns
        found = designs(model.predictors, given, n, missing, used, among)[1]
        kept = kept if found is None else kept & found
    if not kept.any():
        raise errors.DataError(errors.message("a row without missing values", f"none of {n}"))
    return kept


def _rows(data: Any, weights: Any, given: Any, rows: Array) -> tuple[Any, Any, Any]:
    """Return some rows of response, weights and covariates."""
    if isinstance(data, Censored):
        counts = None if data.counts is None else data.counts[rows]
        data = replace(data, values=data.values[rows], counts=counts)
    elif not isinstance(data, str):
        data = taken(data, rows)
    return data, None if weights is None else taken(weights, rows), taken(given, rows)


def _compared(
    rows: list[Row], name: str, n: float, kind: str, summary: str, units: Units, criterion: str
) -> Comparison:
    """Rank the rows that have a fit."""
    ranked, scheme = _ranked([r for r in rows if r.fit is not None and not r.verdict], criterion)
    n = float(ranked[0].fit.n) if ranked and ranked[0].fit else n
    return Comparison(
        rows=(*ranked, *(r for r in rows if r.fit is None or r.verdict)),
        name=name,
        n=n,
        kind=kind,
        summary=f"{n:,.6g} observations, {summary}",
        sentences=(*tie_sentence(ranked), *infinite_sentence(ranked)),
        replicates=0,
        scheme=scheme,
        units=units,
    )


def _finite(values: Array) -> Array:
    """Return every number that the data hold: exact observations and finite ends."""
    ends = np.unique(values[:, :2])
    ends = ends[np.isfinite(ends)]
    if not ends.size:
        raise errors.DataError(
            errors.message("an observation or an end of an interval", "infinite ends alone")
        )
    return np.asarray(ends)


def _total(data: Censored) -> float:
    return float(len(data) if data.counts is None else data.counts.sum())


def _kinds(data: Censored) -> str:
    return repr(data).removeprefix("<Censored: ").removesuffix(">")


def _row(model: Model, data: Any, weights: Any, given: Any) -> Row:
    label = label_of(model)
    try:
        found = fit(model, data, weights=weights, given=given)
    except (errors.SupportError, errors.NoDensityError, errors.DataTypeError) as error:
        return Row(label, None, None, str(error))
    return unranked(label, found) or Row(label, found, None, "")


def _ranked(rows: list[Row], criterion: str) -> tuple[list[Row], str]:
    """Order the rows, and say how far each is behind the first."""
    rows, scheme = order(rows, criterion, 0)
    out = []
    for row in rows:
        if row.rank == 1:
            verdict = "nearest"
        else:
            verdict = "behind by more than 2 se" if row.behind > 2.0 else "behind"
            verdict = "not to be told from it" if row.tied else verdict
        out.append(replace(row, verdict=verdict))
    return out, scheme
