"""New responses with their covariates under a fitted conditional model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import incomplete, is_incomplete
from mlece.combinators.terms import Term
from mlece.design import Design
from mlece.fits.contributions import mean_score
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.regression.reading import beside_rows, read_responses
from mlece.sample import weights_like
from mlece.sources.covariates import response
from mlece.sources.recipes import offset_numbers


def held_out(fit: Fit, data: Any, weights: Any, given: Any, known: Any = None) -> Any:
    """Return the cross-entropy of new responses given their covariates, nats per observation.

    Parameters
    ----------
    fit : Fit
        Of a conditional model.
    data : array_like (n,) or (..., n), Censored, or str
        New responses, or the name of their column in ``given``.
    weights : array_like (n,), optional
        Frequency weights.
    given : data frame, mapping, array (n, d) or sparse matrix
        New covariates.
    known : mapping of str to array_like (n,), optional
        As for :func:`new_terms`.

    Raises
    ------
    DataError
        Without covariates, or where their rows are not as many as responses.
    """
    if given is None:
        raise errors.DataError(
            errors.message(
                "covariates in given= of the new responses",
                "none",
                "fit.held_out(y, given=frame)",
            )
        )
    family = fit.family
    assert isinstance(family, Conditional)
    name = fit.sample.name
    if isinstance(data, str):
        found = response(data, given)
        data, name = found.values, found.name
    bare, sample = read_responses(family.family, data, name)
    terms = new_terms(family, given, known)
    shape = fit.sample.batch_shape
    if sample.batch_shape not in ((), shape):
        raise errors.DataError(
            errors.message(
                f"held-out data of shape {(*shape, 'n')} for this fit",
                f"shape {(*sample.batch_shape, sample.rows)}",
            )
        )
    for term in terms.values():
        if term.design.rows != sample.rows:
            raise errors.DataError(
                errors.message(
                    f"as many rows of covariates as responses {name}",
                    f"{term.design.rows} rows and {sample.rows} responses",
                )
            )
    values = beside_rows(bare, sample)
    hidden = is_incomplete(bare)

    def log_density(model: Model, members: Array) -> Array:
        own = values if len(values) == 1 else values[members]
        return moved(model, terms, hidden).log_density(own)

    w = weights_like(weights, sample.rows)
    return mean_score(fit, log_density, np.ones(sample.rows) if w is None else w)


def new_terms(
    model: Conditional, given: Any, known: Mapping[str, Any] | None = None
) -> dict[str, Term]:
    """Return the predictors of a conditional model at new covariates, by their label.

    Parameters
    ----------
    model : Conditional
    given : data frame, mapping, array (m, d) or sparse matrix
    known : mapping of str to array_like (m,), optional
        What came as numbers at the fit, by slot: known values of the new rows, or offsets.

    Raises
    ------
    DataError
        For numbers that are missing, not one for each row, or not asked for.
    """
    told = dict(known or {})
    slots = {term.label.partition("[")[0]: term.design.recipe is None for term in model.terms}
    for name in told:
        if name not in slots:
            raise errors.unknown_name("slot with values or an offset by row", name, list(slots))
    terms: dict[str, Term] = {}
    for term in model.terms:
        slot = term.label.partition("[")[0]
        if term.design.recipe is None:
            design = _of_numbers(slot, told.get(slot))
        else:
            design = term.design.recipe(given, *([told[slot]] if slot in told else []))
        terms[term.label] = replace(term, design=design)
    _require_alike({label: term.design.rows for label, term in terms.items()})
    return terms


def _of_numbers(slot: str, values: Any) -> Design:
    """Return known values of new rows as a column without coefficient."""
    if values is None:
        raise errors.DataError(
            errors.message(
                f"{slot} for each new row, since it came as numbers",
                "covariates alone",
                f"Give them by name, fit.predict(new, {slot}=[...]); or name a column at the fit",
            )
        )
    numbers = offset_numbers(values, np.size(values), f"slot {slot!r}")
    return Design(np.zeros((numbers.size, 0)), (), numbers)


def _require_alike(rows: dict[str, int]) -> None:
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{n} of {label}" for label, n in rows.items())
        raise errors.DataError(errors.message("as many rows in every slot", told))


def at_covariates(model: Any, given: Any, known: Mapping[str, Any] | None = None) -> Conditional:
    """Return a conditional model at new covariates, for complete responses."""
    return moved(model, new_terms(model, given, known), False)


def moved(model: Any, terms: dict[str, Term], hidden: bool) -> Conditional:
    """Return a fitted conditional model with the designs of other covariates.

    Parameters
    ----------
    model : Conditional
        Of the family that was fitted, or of one at its limit.
    terms : dict of str to Term
        The new predictors by the label of those of the fit, in their order.
    hidden : bool
        Whether the new responses are triples (lower, upper, entry).
    """
    inner = model.family
    if hidden:
        inner = incomplete(type(inner))(**inner.slots, **inner.settings)
    own = tuple(
        replace(term, design=new.design)
        for term, new in zip(model.terms, terms.values(), strict=True)
    )
    values = {**model.slots, **model.settings, "inner": inner, "terms": own}
    out: Conditional = type(model)(**values)
    return out
