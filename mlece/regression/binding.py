"""Which family stands behind a predictor: the slot that a formula means, and probabilities by their index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.bijection import Bijection, identity, softmax
from mlece.families.counts import Binomial
from mlece.families.finite import Bernoulli, Categorical
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor

# Slots that tell where a law lies, in the order in which a formula without a slot means them.
_MAIN = ("mean", "loc", "location", "meanlog", "meanlogit", "mu", "p", "rate", "scale")
_PROBABILITY = ("logit", "probit", "cloglog", "cauchit")


@dataclass(frozen=True)
class Bound:
    """A predictor with the link through which it enters.

    Parameters
    ----------
    predictor : Predictor
    link : Bijection
        From the linear predictor to the slot of the family that is fitted.
    label : str
        Name of the slot that the user filled.
    """

    predictor: Predictor
    link: Bijection
    label: str


def main_slot(model: Model) -> str:
    """Return the slot that a formula without a slot means: the one that tells where the law lies.

    Raises
    ------
    ParameterError
        If the family has none that is free, or two that do (shape and rate of a Gamma).
    """
    free = [p.name for p in model.params if p.name in model.free]
    found = next((name for name in _MAIN if name in free), None)
    if found is None or (found == "rate" and len(model.params) > 1):
        hint = "MeanGamma has a mean" if found == "rate" else "A formula goes into a slot"
        raise errors.ParameterError(
            errors.message(
                "a family with a slot that tells where the law lies, for a formula without a slot",
                f"{model.title} with the free slots {', '.join(free) or 'none'}",
                f"{hint}: {model.title}({free[0] if free else 'slot'}='x + z')",
            )
        )
    return found


def with_terms(model: Model, terms: str) -> Model:
    """Return a model with the right-hand side of a formula in the slot that it means."""
    return model.replace(**{main_slot(model): Predictor(terms)})


def bound(model: Model) -> tuple[Model, dict[str, Bound], Callable[..., Model] | None]:
    """Return the family that is fitted, its predictors, and what makes the user's family of its slots.

    Probabilities are fitted in their linear predictor, in which nothing rounds to 0 or 1.

    Returns
    -------
    inner : Model
        Slots with a predictor are free in it.
    terms : dict of str to Bound
        By slot of the inner family.
    respond : callable, optional
        From the slots of the inner family to the family that was named; None if it is the same.
    """
    varying = dict(model.predictors)
    for name, predictor in varying.items():
        p = model.parameter(name)
        if not p.regular:
            raise errors.ParameterError(
                errors.message(
                    "a predictor in a slot in which the likelihood is smooth",
                    f"{name} of {model.title}, an end of the support",
                )
            )
        _require_link(model, name, predictor)
    if isinstance(model, Bernoulli | Binomial) and "p" in varying:
        return _of_probability(model, varying)
    if isinstance(model, Categorical) and "p" in varying:
        return _of_labels(model, varying["p"])
    plain = {name: None for name in varying if model.parameter(name).estimable}
    inner = model.replace(**plain)
    terms = {
        name: Bound(predictor, predictor.bijection(model.parameter(name).bijection), name)
        for name, predictor in varying.items()
    }
    return inner, terms, None


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


def _of_probability(
    model: Model, varying: dict[str, Predictor]
) -> tuple[Model, dict[str, Bound], Callable[..., Model] | None]:
    p = varying["p"]
    link = p.bijection(model.parameter("p").bijection)
    if link.name not in _PROBABILITY:
        raise errors.ParameterError(
            errors.message(
                f"a link for a probability, one of {', '.join(_PROBABILITY)}", f"{link.name!r}"
            )
        )
    from mlece.families.index import binomial_index

    family = binomial_index(link.name)
    terms = {"index": Bound(p, identity, "p")}
    if isinstance(model, Bernoulli):
        return family(), terms, _Probability(Bernoulli, link)
    if "n" in varying:
        raise errors.ParameterError(
            errors.message("a number or an array of trials in n", f"{varying['n']!r}")
        )
    return family(n=model.slots["n"]), terms, _Probability(Binomial, link)


@dataclass(frozen=True)
class _Probability:
    """Makes Bernoulli or Binomial laws of their linear predictors."""

    family: type[Model]
    link: Bijection

    @property
    def __name__(self) -> str:
        return self.family.__name__

    def __call__(self, index: Array, **slots: Any) -> Model:
        known = {k: v for k, v in slots.items() if self.family is Binomial}
        return self.family(**known, p=self.link.forward(index))


def _of_labels(
    model: Categorical, predictor: Predictor
) -> tuple[Model, dict[str, Bound], Callable[..., Model] | None]:
    raise NotImplementedError
