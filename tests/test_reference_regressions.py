"""Regressions published with R, refined outside mlece: maximum and both kinds of standard errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece.model import Model

REFERENCE = Path(__file__).parent / "reference" / "regressions.json"
DOCUMENT = json.loads(REFERENCE.read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
REGULAR = [name for name in CASES if name not in DOCUMENT["meta"]["not_regular"]]

# What is compared: (tolerance, reason).
TOLERANCE = {
    "log-likelihood": (1e-9, "relative; the file has 15 digits"),
    "estimate": (1e-6, "in standard errors; the refinement stops near 1e-7 of them"),
    "standard error": (1e-5, "relative; the file's Hessians are numerical"),
}
# Estimates of the file that are known less well, by the file's own account (moved_in_se).
LOOSER = {"abdom-LNO": 1e-5}


@dataclass(frozen=True)
class Reading:
    """How a regression of R is said in mlece.

    Parameters
    ----------
    model : callable
        From predictors (one for each slot that varies) to the model.
    values : callable
        From the estimates in mlece's order to those of R, a smooth map; the delta method carries the
        covariance over.
    """

    model: Callable[..., Model]
    values: Callable[[np.ndarray], np.ndarray] = lambda b: b


def _log_last(b: np.ndarray) -> np.ndarray:
    return np.concatenate([b[:-1], np.log(b[-1:])])


def _aft_of_shape(b: np.ndarray) -> np.ndarray:
    # R's scale is one over the shape, which comes first.
    return np.concatenate([b[1:], -np.log(b[:1])])


def _size_last(b: np.ndarray) -> np.ndarray:
    return np.concatenate([b[1:], b[:1]])


def _negated(b: np.ndarray) -> np.ndarray:
    return -b


X = mlece.linear(intercept=False)


def _linked(link: str) -> Any:
    return mlece.linear(intercept=False, link=link)


READINGS = {
    "aft-weibull": Reading(lambda: mlece.Weibull(scale=X), _aft_of_shape),
    "aft-exponential": Reading(lambda: mlece.Exponential(rate=X), _negated),
    "aft-lognormal": Reading(lambda: mlece.LogNormal(meanlog=X), _log_last),
    "aft-loglogistic": Reading(lambda: mlece.LogLogistic(scale=X), _aft_of_shape),
    "aft-rayleigh": Reading(lambda: mlece.Weibull(shape=2, scale=X)),
    "aft-gaussian": Reading(lambda: mlece.Gaussian(mean=X), _log_last),
    "gev-regression": Reading(lambda: mlece.GEV(loc=mlece.linear), lambda b: b),
    "poisson-regression": Reading(lambda: mlece.Poisson(rate=X)),
    "logistic-regression": Reading(lambda: mlece.Bernoulli(p=X)),
    "cloglog-regression": Reading(lambda: mlece.Bernoulli(p=_linked("cloglog"))),
    "gaussian-regression": Reading(lambda: mlece.Gaussian(mean=X), _log_last),
    "gamma-regression": Reading(lambda: mlece.MeanGamma(mean=X)),
    "invgauss-regression": Reading(lambda: mlece.InverseGaussian(mean=X), _log_last),
    "negbin-regression": Reading(lambda: mlece.NegativeBinomial(mean=X), _size_last),
    "beta-regression": Reading(lambda: mlece.MeanBeta(mean=X), _log_last),
    "softmax-regression": Reading(lambda: mlece.Categorical(p=X)),
    "ordinal-logit": Reading(lambda: mlece.Ordinal(location=X)),
    "zip-regression": Reading(lambda: mlece.Inflated(mlece.Poisson(rate=X), at=0, probability=X)),
}
SCALED = {
    "abdom-LNO": lambda: mlece.LogNormal(meanlog=X, sdlog=X),
    "abdom-LO": lambda: mlece.Logistic(loc=X, scale=X),
}


def responses(case: dict[str, Any]) -> Any:
    """Return the responses of a case, censored ones as intervals."""
    y = np.asarray(case["y"])
    censoring = case.get("censoring")
    if not censoring:
        return y
    seen = np.asarray(censoring["event"], dtype=bool)
    if censoring["type"] == "left":
        return mlece.censored(np.where(seen, y, -np.inf), y)
    return mlece.right_censored(y, seen)


def fitted(name: str) -> tuple[Any, Callable[[np.ndarray], np.ndarray]]:
    """Return the fit of a case and the map to R's parameters."""
    case = CASES[name]
    reading = READINGS.get(case["family"]) or Reading(SCALED[name])
    model = reading.model()
    return mlece.fit(model, responses(case), given=np.array(case["X"], float)), reading.values


def jacobian(values: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the derivative of the map by central differences, exact to 1e-9 for logarithms."""
    steps = 1e-5 * np.maximum(np.abs(at), 1e-3)
    columns = []
    for j, h in enumerate(steps):
        move = np.zeros_like(at)
        move[j] = h
        columns.append((values(at + move) - values(at - move)) / (2 * h))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("name", REGULAR)
def test_same_maximum_and_standard_errors(name: str) -> None:
    polished = CASES[name]["polished"]
    fit, values = fitted(name)
    assert fit.certificate.status.name == "OPTIMAL"
    tolerance = TOLERANCE["log-likelihood"][0]
    assert fit.log_likelihood == pytest.approx(polished["loglik"], rel=tolerance)
    own = np.array(list(fit.params.values()))
    expected = np.array(list(polished["params"].values()))
    se = np.array(list(polished["se_observed"].values()))
    limit = LOOSER.get(name, TOLERANCE["estimate"][0])
    assert np.max(np.abs(values(own) - expected) / se) < limit
    slope = jacobian(values, own)
    for kind, key in (("hessian", "se_observed"), ("sandwich", "se_sandwich"), ("opg", "se_opg")):
        covariance = slope @ fit.covariance(kind) @ slope.T
        theirs = np.array(list(polished[key].values()))
        ours = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE["standard error"][0])
