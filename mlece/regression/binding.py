"""Which family stands behind a predictor: the slot that a formula means, and probabilities by index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array
from mlece.combinators.kinks import kinked_slot
from mlece.families.counts import Binomial, Geometric
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.index import CategoricalLogits, SoftCategoricalLogits, binomial_index
from mlece.links.bijection import Bijection, UnitLink, identity, softmax
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor
from mlece.sources.censoring import Censored

# Slots that tell where a law lies, in the order in which a formula without a slot means them.
MAIN = ("mean", "loc", "location", "meanlog", "meanlogit", "mu", "p", "rate", "scale")


@dataclass(frozen=True)
class Entry:
    """A predictor with the link through which it enters.

    Parameters
    ----------
    predictor : Predictor
    link : Bijection
        From the linear predictor to the slot of the family that is fitted.
    label : str
        Name of the slot that the user filled.
    known : bool
        Whether it is a column of known values, with no coefficient.
    values : array (n,), optional
        Those values, where they came as an array.
    """

    predictor: Predictor
    link: Bijection
    label: str
    known: bool = False
    values: Array | None = None


def main_slot(model: Model) -> str:
    """Return the slot that a formula without a slot means: the one that tells where the law lies.

    Raises
    ------
    ParameterError
        If the family has none that is free, or two that do (shape and rate of a Gamma).
    """
    # Labels in an order lie at 0 unless covariates say where.
    labels = model.support.kind == "categories"
    free = [
        p.name for p in model.params if p.name in model.free or (labels and p.default is not None)
    ]
    found = next((name for name in MAIN if name in free), None)
    if found is None or (found == "rate" and len(_plain(model).params) > 1):
        hint = "MeanGamma has a mean" if found == "rate" else "A formula goes into a slot"
        raise errors.ParameterError(
            errors.message(
                "a family with a slot that tells where the law lies, for a formula without a slot",
                f"{model.title} with the free slots {', '.join(free) or 'none'}",
                f"{hint}: {_plain(model).__name__}({free[0] if free else 'slot'}='x + z')",
            )
        )
    return found


def _plain(model: Model) -> type[Model]:
    """Return the family inside of its inflation, truncation, shift."""
    own = type(model)
    while isinstance(inner := getattr(own, "inner", None), type):
        own = inner
    return own


def with_terms(model: Model, terms: str) -> Model:
    """Return a model with the right-hand side of a formula in the slot that it means."""
    return model.replace(**{main_slot(model): Predictor(terms)})


@dataclass(frozen=True)
class Bound:
    """The family that is fitted, and the predictors of its slots.

    Parameters
    ----------
    inner : Model
        Slots with a predictor are free in it.
    terms : dict of str to Entry
        By slot of the inner family; one for all log-ratios of labels under the name ``p``.
    respond : callable, optional
        From the slots of the inner family to the family that was named; None if it is the same.
    """

    inner: Model
    terms: dict[str, Entry]
    respond: Callable[..., Model] | None = None


def bound(model: Model, data: Any) -> Bound:
    """Return the family that is fitted for a model with predictors.

    Probabilities are fitted in their linear predictor, in which nothing rounds to 0 or 1. Responses
    between 0 and 1, or rows of probabilities of labels, are soft targets.

    Parameters
    ----------
    model : Model
    data : object
        The responses as they came.

    Raises
    ------
    ParameterError
        For a predictor in an end of the support, and for a link that does not suit its slot.
    """
    fixed = constants(model)
    varying = {k: v for k, v in model.predictors.items() if k not in fixed}
    for name, predictor in varying.items():
        p = model.parameter(name)
        if not p.regular:
            raise _moving_end(model, name)
        _require_link(model, name, predictor)
    ends = [p.name for p in model.params if not p.regular and p.name in model.free]
    if ends:
        raise errors.ParameterError(
            errors.message(
                "a known end of the support beside a predictor",
                f"{model.title} with a free {ends[0]}",
                f"Fill the slot, with a number or one for each response: {model.title}({ends[0]}=...)",
            )
        )
    _require_linear_kink(model, data)
    if isinstance(model, Bernoulli | Binomial) and "p" in varying:
        return _of_probability(model, varying, data)
    if isinstance(model, Geometric) and "p" in varying:
        link = varying["p"].bijection(model.parameter("p").bijection)
        if isinstance(link, UnitLink):
            waits = binomial_index(link, "geometric")()
            return Bound(waits, {"index": Entry(varying["p"], identity, "p")}, waits.respond)
    if isinstance(model, Categorical) and "p" in varying:
        return _of_labels(model, varying["p"], data)
    plain = {name: None for name in varying if model.parameter(name).estimable}
    terms = {
        name: Entry(predictor, predictor.bijection(model.parameter(name).bijection), name)
        for name, predictor in varying.items()
    }
    for name in model.held:
        entry = _known(model, name)
        # One value for each response; with several samples of responses, one for each sample.
        if entry is not None and (name in fixed or (name not in varying and _single(data))):
            terms[name] = entry
            plain[name] = _placeholder(model, name)
    held = {k: v for k, v in model.held.items() if k not in varying and k not in terms}
    return Bound(type(model)(**{**held, **plain}, **model.settings), terms)


def _moving_end(model: Model, name: str) -> errors.ParameterError:
    """Return what is said of a predictor in an end of the support."""
    smooth = next((p.name for p in model.params if p.regular and p.estimable), None)
    known = (
        f"Known ends, one for each response, may come as an array: {model.title}"
        f"({name}=values, {smooth}='x'). "
        if smooth
        else ""
    )
    return errors.ParameterError(
        errors.message(
            "a predictor in a slot in which the likelihood is smooth",
            f"{name} of {model.title}, an end of the support: its estimates touch observations",
            f"{known}A quantile near the end may vary with covariates: "
            "AsymmetricLaplace(loc='x', asymmetry=3) fits that of 90 %, asymmetry=1/3 that of 10 %",
        )
    )


def constants(model: Model) -> list[str]:
    """Return the slots whose values are known and never estimated; the place of labels is none of them."""
    if model.support.kind == "categories":
        return []
    return [p.name for p in model.params if not p.estimable]


def _placeholder(model: Model, name: str) -> Any:
    """Return what stands in a slot that each observation fills for itself, until its values are read."""
    p = model.parameter(name)
    return None if p.estimable else p.typical[1]


def _require_linear_kink(model: Model, data: Any) -> None:
    """Refuse a kink that linear programmes do not reach: behind a link, or among incomplete responses."""
    kink = kinked_slot(model)
    if kink is None or kink not in {*model.free, *model.predictors}:
        return
    predictor = model.predictors.get(kink)
    link = identity if predictor is None else predictor.bijection(model.parameter(kink).bijection)
    got, why = "", ""
    if model.parameter(kink).role != "location":
        got = f"{model.title} with a kink in {kink}"
    elif link.name != "identity":
        got = f"{model.title} with a kink in {kink} behind the link {link.name!r}"
        why = "The sum of absolute residuals is not convex there, and nothing would prove its least value. "
    elif isinstance(data, Censored):
        got = f"incomplete responses of {model.title} with a kink in {kink}"
        why = (
            "Their probabilities are no part of a linear programme; Logistic(loc=...) has its median "
            "there too, and one maximum. "
        )
    if got:
        raise errors.ParameterError(
            errors.message(
                "a likelihood that is smooth in every free slot, or has its kink in a location that "
                "is linear in the covariates of complete responses, beside a predictor",
                got,
                f"{why}Fill {kink}, or take StudentT(loc=...), which bounds the influence of an "
                "observation too",
            )
        )


def _single(data: Any) -> bool:
    """Tell whether responses are one sample."""
    return isinstance(data, Censored) or as_array(data, "y").ndim == 1


def _known(model: Model, name: str) -> Entry | None:
    """Return a column of known values of a slot: an array, or the name of one; None for a number."""
    value = model.held[name]
    if isinstance(value, Predictor):
        return Entry(replace(value, intercept=False), identity, name, known=True)
    if np.ndim(value) == 1:
        return Entry(Predictor(), identity, name, known=True, values=value)
    return None


def _require_link(model: Model, name: str, predictor: Predictor) -> None:
    """Refuse a link that leaves the domain of its slot for every linear predictor, or belongs elsewhere."""
    if predictor.link is None:
        return
    link, domain = predictor.bijection(identity), model.parameter(name).domain
    if link is softmax:
        return
    probe = np.array([0.25, 0.5, 2.0]) if link.source.lower == 0 else np.array([-1.0, 0.5, 2.0])
    if not domain.contains(np.asarray(link.forward(probe))).any():
        raise errors.ParameterError(
            errors.message(f"a link onto {domain} for {name} of {model.title}", f"{link.name!r}")
        )


def _of_probability(model: Model, varying: dict[str, Predictor], data: Any) -> Bound:
    p = varying["p"]
    link = p.bijection(model.parameter("p").bijection)
    terms = {"index": Entry(p, identity, "p")}
    if isinstance(model, Bernoulli):
        family = binomial_index(link.name, "soft" if _is_soft(data) else "bernoulli")()
        return Bound(family, terms, family.respond)
    trials = _known(model, "n")
    if trials is None:
        counted = binomial_index(link.name, "binomial")(n=model.slots["n"])
        return Bound(counted, terms, counted.respond)
    counted = binomial_index(link.name, "binomial")(n=_placeholder(model, "n"))
    return Bound(counted, {"n": trials, **terms}, counted.respond)


def _is_soft(data: Any) -> bool:
    """Tell whether responses are fractions."""
    if isinstance(data, Censored):
        return False
    array = np.asarray(as_array(data, "y"))
    if array.dtype.kind != "f":
        return False
    return bool(((array > 0) & (array < 1)).any())


def _of_labels(model: Categorical, predictor: Predictor, data: Any) -> Bound:
    if predictor.link is not None and predictor.bijection(softmax) is not softmax:
        raise errors.ParameterError(
            errors.message("the softmax for the probabilities of labels", f"{predictor.link!r}")
        )
    array = None if isinstance(data, Censored) else as_array(data, "y")
    # Two axes of labels are a batch; two axes of fractions are targets.
    soft = array is not None and array.ndim == 2 and array.dtype.kind == "f"
    family = SoftCategoricalLogits if soft else CategoricalLogits
    inner = family(labels=model.labels) if model.labels is not None else family()
    return Bound(inner, {"p": Entry(predictor, identity, "p")}, inner.respond)
