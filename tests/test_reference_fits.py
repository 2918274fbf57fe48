"""Published data fitted by R and refined outside mlece: the same maximum, to the digits.

``tests/reference/README.md`` says where each number comes from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece.model import Model

REFERENCE = Path(__file__).parent / "reference"
DOCUMENTS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in (REFERENCE / "reference_fits.json", *sorted(REFERENCE.glob("fits_*.json")))
]
CASES = {case["id"]: case for document in DOCUMENTS for case in document["cases"]}
NOT_REGULAR = {name for document in DOCUMENTS for name in document["meta"]["not_regular"]}
REAL = json.loads((REFERENCE / "real_data.json").read_text(encoding="utf-8"))

# What is compared: (tolerance, reason).
TOLERANCE = {
    "log-likelihood": (1e-9, "relative; the file has 15 digits, R's sums lose a few"),
    "estimate": (
        1e-6,
        "in standard errors; the refinement stops at scores of 1e-10 standard errors",
    ),
    "standard error": (1e-5, "relative; the file's Hessians are numerical"),
    "18 digits": (
        1e-12,
        "relative; the values were computed with 18 digits, a float64 holds 15.95",
    ),
}
# Estimates of the file that are known less well.
LOOSER = {
    "SP500-ged-uml": (
        1e-5,
        "the score is not smooth at the observations: 1e-4 is left of it there",
    ),
}


@dataclass(frozen=True)
class Reading:
    """How a parametrisation of R is read off the parameters of mlece.

    ``model`` is the family; ``names`` are R's parameters in the order in which ``values`` returns
    them from mlece's, a smooth map of which the covariance follows by the delta method.
    """

    model: Model
    names: tuple[str, ...]
    values: Callable[..., Any]


def _same(*theta: float) -> tuple[float, ...]:
    return theta


def _shapes(mean: float, total: float) -> tuple[float, ...]:
    return mean * total, (1 - mean) * total


def _eye_colours(p: Any) -> tuple[float, ...]:
    # nnet::multinom has the first level as its base.
    return tuple(math.log(v / p[0]) for v in p[1:])


def readings() -> dict[str, Reading]:
    """One entry for each parametrisation in the file, by family and names of parameters."""
    m = mlece
    entries = {
        "norm": [Reading(m.Gaussian(), ("mean", "sd"), _same)],
        "lnorm": [Reading(m.LogNormal(), ("meanlog", "sdlog"), _same)],
        "gamma": [
            Reading(m.Gamma(), ("shape", "rate"), _same),
            Reading(m.Gamma(), ("mu", "sigma"), lambda a, b: (a / b, a**-0.5)),
        ],
        "weibull": [
            Reading(m.Weibull(), ("shape", "scale"), _same),
            Reading(m.Weibull(), ("mu", "sigma"), lambda k, s: (s * math.gamma(1 + 1 / k), k)),
        ],
        "exp": [Reading(m.Exponential(), ("rate",), _same)],
        "logis": [Reading(m.Logistic(), ("location", "scale"), _same)],
        "beta": [Reading(m.Beta(), ("shape1", "shape2"), _same)],
        "invgauss": [Reading(m.InverseGaussian(), ("mean", "shape"), _same)],
        "gumbel": [
            Reading(m.Gumbel(), ("mu", "sigma"), _same),
            Reading(m.Gumbel(), ("loc", "scale"), _same),
        ],
        "t": [
            Reading(m.StudentT(), ("mu", "sigma", "nu"), lambda df, loc, s: (loc, s, df)),
            Reading(m.StudentT(), ("df", "mu", "sigma"), _same),
        ],
        "laplace": [Reading(m.Laplace(), ("mu", "sigma"), _same)],
        "pois": [Reading(m.Poisson(), ("lambda",), _same)],
        "nbinom": [Reading(m.NegativeBinomial(), ("size", "mu"), _same)],
        "geom": [Reading(m.Geometric(), ("prob",), _same)],
        "binom": [Reading(m.Binomial(n=12), ("prob",), _same)],
        "categorical": [
            Reading(
                m.Categorical(labels=("Brown", "Blue", "Hazel", "Green")),
                ("Blue", "Hazel", "Green"),
                lambda *p: _eye_colours(p),
            )
        ],
        "kumaraswamy": [Reading(m.Kumaraswamy(), ("a", "b"), _same)],
        # gamlss.dist has the median 1 / (1 + exp(-m)) in the place of the mean of the logit.
        "logitnorm": [
            Reading(m.LogitNormal(), ("mu", "sigma"), lambda x, s: (1 / (1 + np.exp(-x)), s))
        ],
        "simplex": [Reading(m.Simplex(), ("mu", "sigma"), lambda mu, d: (mu, np.sqrt(d)))],
        # circular has the mean direction on [0, 2 pi).
        "vonmises": [Reading(m.VonMises(), ("mu", "kappa"), lambda mu, k: (mu % (2 * np.pi), k))],
        # fits_half_line.json
        "rayleigh": [Reading(m.Rayleigh(), ("sigma",), _same)],
        "invgamma": [
            Reading(m.InverseGamma(), ("shape", "scale"), _same),
            Reading(m.InverseGamma(), ("alpha", "beta"), _same),
        ],
        "llogis": [Reading(m.LogLogistic(), ("shape", "scale"), _same)],
        "burr": [Reading(m.BurrXII(), ("shape1", "shape2", "scale"), _same)],
        "lomax": [Reading(m.Lomax(), ("lambda", "kappa"), lambda a, s: (1 / s, a))],
        "gompertz": [Reading(m.Gompertz(), ("shape", "rate"), _same)],
        "gengamma": [
            Reading(
                m.GeneralizedGamma(),
                ("mu", "sigma", "nu"),
                lambda mu, s, q: (math.exp(mu), s, q / s),
            )
        ],
        "gev": [
            Reading(m.GEV(), ("loc", "scale", "shape"), _same),
            Reading(m.GEV(), ("mu", "sigma", "xi"), _same),
        ],
        "gpd": [
            Reading(m.GeneralizedPareto(), ("scale", "shape"), _same),
            Reading(m.GeneralizedPareto(), ("sigma", "xi"), _same),
        ],
        "frechet": [Reading(m.Frechet(), ("shape", "scale"), _same)],
        "gumbel-min": [Reading(m.GumbelMin(), ("mu", "sigma"), _same)],
        "box-cox-cole-green": [Reading(m.BoxCoxColeGreen(), ("mu", "sigma", "nu"), _same)],
        "betaprime": [Reading(m.BetaPrime(), ("shape1", "shape2"), _same)],
        "box-cox-t": [Reading(m.BoxCoxT(), ("mu", "sigma", "nu", "tau"), _same)],
        # fits_line.json
        "cauchy": [Reading(m.Cauchy(), ("location", "scale"), _same)],
        "ged": [
            Reading(
                m.GeneralizedNormal(),
                ("mean", "sd", "nu"),
                lambda loc, s, b: (
                    loc,
                    s * math.exp(0.5 * (math.lgamma(3 / b) - math.lgamma(1 / b))),
                    b,
                ),
            )
        ],
        "std-t": [
            Reading(
                m.StudentT(),
                ("mean", "sd", "nu"),
                lambda df, loc, s: (loc, s * math.sqrt(df / (df - 2)), df),
            )
        ],
        "skewnormal": [Reading(m.SkewNormal(), ("xi", "omega", "alpha"), _same)],
        "skewt": [Reading(m.SkewT(), ("xi", "omega", "alpha", "nu"), _same)],
        "skewt-fs": [Reading(m.TwoPieceT(), ("mu", "sigma", "nu", "tau"), _same)],
        "egb2": [Reading(m.EGB2(), ("mu", "sigma", "nu", "tau"), _same)],
        "betabinom": [
            Reading(m.BetaBinomial(n=12), ("alpha", "beta"), lambda p, r: _shapes(p, (1 - r) / r))
        ],
        "yulesimon": [Reading(m.YuleSimon(), ("rho",), _same)],
        "pig": [Reading(m.PoissonInverseGaussian(), ("mu", "sigma"), _same)],
        "genpois": [Reading(m.GeneralizedPoisson(), ("mu", "sigma"), _same)],
        "delaporte": [Reading(m.Delaporte(), ("mu", "sigma", "nu"), _same)],
        "sichel": [Reading(m.Sichel(), ("mu", "sigma", "nu"), _same)],
        "powerlaw-discrete": [Reading(m.Zeta(lower=7), ("alpha",), _same)],
        "zip": [
            Reading(
                m.Inflated(m.Poisson()),
                ("lambda_log", "zero_logit"),
                lambda rate, p: (math.log(rate), math.log(p / (1 - p))),
            )
        ],
        "hurdle-pois": [
            Reading(
                m.Hurdle(m.Poisson()),
                ("lambda_log", "nonzero_logit"),
                lambda rate, p: (math.log(rate), math.log((1 - p) / p)),
            )
        ],
        "ztnbinom": [
            Reading(
                m.Truncated(m.NegativeBinomial(), lower=1), ("mu", "size"), lambda r, mu: (mu, r)
            )
        ],
    }
    return {f"{family}:{','.join(r.names)}": r for family, rs in entries.items() for r in rs}


READINGS = readings()
COLOURS = ("Brown", "Blue", "Hazel", "Green")

every_case = pytest.mark.parametrize("name", CASES)
regular_case = pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_REGULAR])


def reading(case: dict[str, Any]) -> Reading:
    return READINGS[f"{case['family']}:{','.join(case['polished']['params'])}"]


def observations(case: dict[str, Any]) -> Any:
    if case["family"] == "categorical":
        return [COLOURS[code - 1] for code in case["data"]]
    if case["family"] == "vonmises":
        return np.angle(np.exp(1j * np.array(case["data"])))
    return case["data"]


def fitted(case: dict[str, Any]) -> mlece.Fit:
    return mlece.fit(reading(case).model, observations(case))


def flat_params(fit: mlece.Fit) -> list[float]:
    return [float(v) for value in fit.params.values() for v in np.ravel(value)]


def estimates(case: dict[str, Any], fit: mlece.Fit) -> dict[str, float]:
    how = reading(case)
    return dict(zip(how.names, how.values(*flat_params(fit)), strict=True))


def standard_errors(case: dict[str, Any], fit: mlece.Fit, kind: str) -> dict[str, float]:
    """Standard errors of R's parameters by the delta method."""
    how, theta = reading(case), flat_params(fit)
    columns = []
    for j, value in enumerate(theta):
        step = 1e-5 * abs(value)

        def moved(by: float, j: int = j) -> Any:
            return np.array(how.values(*[t + by * (i == j) for i, t in enumerate(theta)]))

        columns.append(
            (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (12 * step)
        )
    jacobian = np.stack(columns, axis=1)
    roots = np.sqrt(np.diag(jacobian @ fit.covariance(kind) @ jacobian.T))
    return dict(zip(how.names, roots.tolist(), strict=True))


def test_every_parametrisation_of_the_file_is_read() -> None:
    wanted = {f"{c['family']}:{','.join(c['polished']['params'])}" for c in CASES.values()}
    assert wanted == set(READINGS)


@every_case
def test_log_likelihood(name: str) -> None:
    case = CASES[name]
    assert fitted(case).log_likelihood == pytest.approx(
        case["polished"]["loglik"], rel=TOLERANCE["log-likelihood"][0]
    )


@every_case
def test_estimates(name: str) -> None:
    case = CASES[name]
    found = estimates(case, fitted(case))
    for key, value in case["polished"]["params"].items():
        error = case["polished"]["se_observed"][key]
        assert abs(found[key] - value) <= LOOSER.get(name, TOLERANCE["estimate"])[0] * error, key


@regular_case
@pytest.mark.parametrize(
    ("kind", "column"),
    [("hessian", "se_observed"), ("sandwich", "se_sandwich"), ("opg", "se_opg")],
)
def test_standard_errors(name: str, kind: str, column: str) -> None:
    case = CASES[name]
    found = standard_errors(case, fitted(case), kind)
    assert found == pytest.approx(case["polished"][column], rel=TOLERANCE["standard error"][0])


@every_case
def test_criteria(name: str) -> None:
    case, fit = CASES[name], fitted(CASES[name])
    assert (fit.n, fit.parameter_count) == (case["result"]["n"], case["result"]["npar"])
    # AIC and BIC of R belong to R's own, slightly lower, likelihood.
    gain = 2 * abs(case["polished"]["loglik"] - case["result"]["loglik"])
    for own, theirs in ((fit.aic, "aic"), (fit.bic, "bic")):
        assert own == pytest.approx(case["result"][theirs], rel=1e-9, abs=1.01 * gain)


@every_case
def test_never_below_the_refined_optimum(name: str) -> None:
    case, fit = CASES[name], fitted(CASES[name])
    assert fit.certificate.status.solved
    least = -case["polished"]["loglik"] / case["result"]["n"]
    slack = fit.certificate.excess + 1e-13 * abs(least)
    assert float(fit.cross_entropy) <= least + slack


# ---------------------------------------------------------------------------- 18 digits

# Delignette-Muller and Dutang (2015), J. Statistical Software 64(4): the ground-beef servings.
GROUND_BEEF = {
    "gamma": (mlece.Gamma(), {"shape": "shape", "rate": "rate"}),
    "weibull": (mlece.Weibull(), {"shape": "shape", "scale": "scale"}),
    "lognormal": (mlece.LogNormal(), {"meanlog": "meanlog", "sdlog": "sdlog"}),
    "gaussian": (mlece.Gaussian(), {"mu": "mean"}),
    "exponential": (mlece.Exponential(), {"rate": "rate"}),
}


@pytest.mark.parametrize("name", GROUND_BEEF)
def test_ground_beef_to_12_digits(name: str) -> None:
    model, names = GROUND_BEEF[name]
    expected = REAL["groundbeef"][name]
    fit = mlece.fit(model, REAL["groundbeef"]["data"])
    exact = TOLERANCE["18 digits"][0]
    for theirs, own in names.items():
        assert fit.params[own] == pytest.approx(float(expected[theirs]), rel=exact)
    if "sigma2" in expected:
        assert fit.params["sd"] ** 2 == pytest.approx(float(expected["sigma2"]), rel=exact)
    assert fit.log_likelihood == pytest.approx(float(expected["loglik"]), rel=exact)
    assert float(fit.cross_entropy) == pytest.approx(-float(expected["loglik"]) / 254, rel=exact)
