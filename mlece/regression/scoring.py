"""New responses with their covariates under a fitted conditional model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import incomplete, is_incomplete
from mlece.combinators.terms import Term
from mlece.contributions import mean_score
from mlece.math import Array
from mlece.model import Model
from mlece.regression.reading import beside_rows, read_responses
from mlece.result import Fit
from mlece.sample import weights_like
from mlece.sources.covariates import response


def held_out(fit: Fit, data: Any, weights: Any, given: Any) -> Any:
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
    terms = new_terms(family, given)
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


def new_terms(model: Conditional, given: Any) -> dict[str, Term]:
    """Return the predictors of a conditional model at new covariates, by their label."""
    terms: dict[str, Term] = {}
    for term in model.terms:
        if term.design.recipe is None:
            raise errors.DataError(
                errors.message(
                    "covariates that can be made again",
                    f"a design without a recipe for {term.label}",
                )
            )
        terms[term.label] = replace(term, design=term.design.recipe(given))
    return terms


def at_covariates(model: Any, given: Any) -> Conditional:
    """Return a conditional model at new covariates, for complete responses."""
    return moved(model, new_terms(model, given), False)


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
