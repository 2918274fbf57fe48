"""Pseudo-true parameters: a known truth projected onto a family by fit(model, truth) alone.

Closed forms of ``tests/reference/pseudo_true.json``; theory: White (1982), Econometrica 50, 1-25.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import mlece
from mlece.model import Model
from mlece.param import Param

REFERENCE = Path(__file__).parent / "reference" / "pseudo_true.json"
PAIRS: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
TOLERANCE = 1e-9  # asked for by the closed forms; quadrature itself is settled to 1e-12


@mlece.family(support=mlece.real, half_gap=mlece.real)
def TwoNormals(y: Any, half_gap: Any) -> Any:
    """½N(−a, 1) + ½N(a, 1): a user's density, known but for what its log density says."""
    down, up = -0.5 * (y - half_gap) ** 2, -0.5 * (y + half_gap) ** 2
    return np.logaddexp(down, up) - math.log(2) - 0.5 * math.log(2 * math.pi)


GENOTYPES = mlece.domain.Domain(0, 2, True, True, kind="integers")


@mlece.family(support=GENOTYPES, allele=mlece.unit_interval)
def HardyWeinberg(y: Any, allele: Any) -> Any:
    """Genotypes 0, 1, 2 under random mating: q = (1 − θ)², 2θ(1 − θ), θ²."""
    return math.log(2) * (y == 1) + y * np.log(allele) + (2 - y) * np.log1p(-allele)


class Trinomial(Model):
    """Genotypes with heterozygotes of any frequency: as a class with one hook."""

    support = GENOTYPES
    middle = Param(mlece.unit_interval, "p_1", typical=(0.1, 0.5))

    @staticmethod
    def _log_density(y: Any, middle: Any) -> Any:
        return np.where(y == 1, np.log(middle), np.log(0.5 * (1 - middle)))


m = mlece
# truth -> (truth, model, {name in the file: (value from mlece's parameters, mlece's parameter)})
Read = dict[str, tuple[Callable[[dict[str, float]], float], str]]
GAUSSIAN: Read = {"mu": (lambda p: p["mean"], "mean"), "sigma2": (lambda p: p["sd"] ** 2, "sd")}
RATE: Read = {"rate": (lambda p: p["rate"], "rate")}
LAPLACE: Read = {"m": (lambda p: p["loc"], "loc"), "b": (lambda p: p["scale"], "scale")}
P: Read = {"p": (lambda p: p["p"], "p")}

CASES: dict[str, tuple[Model, Model, Read]] = {
    "gaussian(0,2.0^2)->laplace": (m.Gaussian(0, 2), m.Laplace(), LAPLACE),
    "gaussian(0,1.0^2)->laplace": (m.Gaussian(0, 1), m.Laplace(), LAPLACE),
    "gumbel(0,1)->gaussian": (m.Gumbel(0, 1), m.Gaussian(), GAUSSIAN),
    "poisson(3.0)->geometric0": (m.Poisson(3), m.Geometric(), P),
    "poisson(10.0)->geometric0": (m.Poisson(10), m.Geometric(), P),
    "logistic(0,1)->gaussian": (m.Logistic(0, 1), m.Gaussian(), GAUSSIAN),
    "gamma(0.5,1)->exponential": (m.Gamma(0.5, 1), m.Exponential(), RATE),
    "gamma(2.0,1)->exponential": (m.Gamma(2, 1), m.Exponential(), RATE),
    "gamma(5.0,1)->exponential": (m.Gamma(5, 1), m.Exponential(), RATE),
    "lognormal(0,0.25)->exponential": (m.LogNormal(0, 0.5), m.Exponential(), RATE),
    "lognormal(0,1.0)->exponential": (m.LogNormal(0, 1), m.Exponential(), RATE),
    "gamma(2.0,1)->gaussian": (m.Gamma(2, 1), m.Gaussian(), GAUSSIAN),
    "gamma(5.0,1)->gaussian": (m.Gamma(5, 1), m.Gaussian(), GAUSSIAN),
    "exponential(rate=1.0)->gaussian": (m.Exponential(1), m.Gaussian(), GAUSSIAN),
    "exponential(rate=2.0)->gaussian": (m.Exponential(2), m.Gaussian(), GAUSSIAN),
    "student_t(5)->gaussian": (m.StudentT(5, 0, 1), m.Gaussian(), GAUSSIAN),
    "student_t(6)->gaussian": (m.StudentT(6, 0, 1), m.Gaussian(), GAUSSIAN),
    "student_t(10)->gaussian": (m.StudentT(10, 0, 1), m.Gaussian(), GAUSSIAN),
    "weibull(k=1.5,1)->exponential": (m.Weibull(1.5, 1), m.Exponential(), RATE),
    "weibull(k=2.0,1)->exponential": (m.Weibull(2, 1), m.Exponential(), RATE),
    "uniform(0,1)->gaussian": (m.Uniform(0, 1), m.Gaussian(), GAUSSIAN),
    "gaussian(0,1)->gaussian(mu, fixed var 0.25)": (
        m.Gaussian(0, 1),
        m.Gaussian(sd=0.5),
        {"mu": (lambda p: p["mean"], "mean")},
    ),
    "lognormal(0,0.25)->gamma": (
        m.LogNormal(0, 0.5),
        m.Gamma(),
        {"alpha": (lambda p: p["shape"], "shape"), **RATE},
    ),
    "exponential(1)->lognormal": (
        m.Exponential(1),
        m.LogNormal(),
        {"mu": (lambda p: p["meanlog"], "meanlog"), "s2": (lambda p: p["sdlog"] ** 2, "sdlog")},
    ),
    "mixture 0.5N(-1.0,1)+0.5N(1.0,1)->gaussian": (TwoNormals(1.0), m.Gaussian(), GAUSSIAN),
    "mixture 0.5N(-2.0,1)+0.5N(2.0,1)->gaussian": (TwoNormals(2.0), m.Gaussian(), GAUSSIAN),
    "trinomial(.4,.2,.4)->Hardy-Weinberg(theta)": (
        Trinomial(0.2),
        HardyWeinberg(),
        {"theta": (lambda p: p["allele"], "allele")},
    ),
}
# These have covariates, and belong to the suite of regressions.
CONDITIONAL = {
    "probit slope 1.0, x~N(0,1) -> logit",
    "logit slope 1, x~N(0,1) -> probit",
    "quadratic mean y=x^2+N(0,1), x~N(0,1) -> linear gaussian",
}

every_pair = pytest.mark.parametrize("name", CASES)


def close(found: float, wanted: str) -> bool:
    return found == pytest.approx(float(wanted), rel=TOLERANCE, abs=TOLERANCE)


def test_every_marginal_pair_of_the_file_is_here() -> None:
    assert set(CASES) | CONDITIONAL == set(PAIRS)


@every_pair
def test_pseudo_true_parameter(name: str) -> None:
    truth, model, read = CASES[name]
    fit = mlece.fit(model, truth)
    assert fit.certificate.status.solved
    for theirs, (value, _) in read.items():
        assert close(value(fit.params), PAIRS[name]["theta_star"][theirs]), theirs


@every_pair
def test_entropy_cross_entropy_and_divergence(name: str) -> None:
    truth, model, _ = CASES[name]
    wanted = PAIRS[name]
    fit = mlece.fit(model, truth)
    floor = truth.entropy()
    assert close(float(floor), wanted["H_true"])
    assert close(float(fit.cross_entropy), wanted["cross_entropy"])
    assert close(float(fit.cross_entropy) - float(floor), wanted["KL"])
    assert close(float(mlece.cross_entropy(truth, fit.model)), wanted["cross_entropy"])
    assert close(float(mlece.kl_divergence(truth, fit.model)), wanted["KL"])


@every_pair
def test_sandwich(name: str) -> None:
    truth, model, read = CASES[name]
    wanted = PAIRS[name]
    fit = mlece.fit(model, truth)
    # The ratio is the same for sd and for its square: both variances take the same factor.
    for theirs, (_, own) in read.items():
        ratio = wanted["variance_ratio_sandwich_over_naive"][theirs]
        assert close(fit.variance_ratio[own], ratio), theirs
    assert close(fit.trace, wanted["trace_AinvB"])


WITH_UNITS = [
    n
    for n, (truth, model, _) in CASES.items()
    if truth.roles() and not model.slots.keys() - set(model.free)
]


@pytest.mark.parametrize("name", WITH_UNITS)
def test_a_change_of_units_moves_the_entropy_and_not_the_gap(name: str) -> None:
    truth, model, _ = CASES[name]
    scaled = type(truth)(*truth.from_frame(truth.theta, 0.0, 1024.0))
    near, far = mlece.fit(model, truth), mlece.fit(model, scaled)
    moved = float(far.cross_entropy) - float(near.cross_entropy)
    assert moved == pytest.approx(math.log(1024.0), abs=1e-11)
    assert far.trace == pytest.approx(near.trace, rel=TOLERANCE)


# ---------------------------------------------------------------------------- infinite


# The ratio of sd is 1 + 3/(nu - 4): the variance is infinite up to nu = 2, the kurtosis up to 4.
@pytest.mark.parametrize("df", [0.5, 1.0, 2.0])
def test_infinite_cross_entropy_is_reported_and_never_a_number(df: float) -> None:
    fit = mlece.fit(mlece.Gaussian(), mlece.StudentT(df, 0, 1))
    assert fit.cross_entropy == math.inf
    assert fit.certificate.status is mlece.Status.INFINITE
    assert all(math.isnan(v) for v in fit.params.values())
    assert mlece.cross_entropy(mlece.StudentT(df, 0, 1), mlece.Gaussian(0, 1)) == math.inf
    with pytest.raises(mlece.MleceError):
        _ = fit.model
    with pytest.raises(mlece.MleceError):
        fit.covariance()


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (m.Pareto(1.0, 1.0), m.Exponential()),
        (m.Pareto(0.5, 1.0), m.Gaussian()),
        (m.StudentT(1, 3, 2), m.Gaussian(sd=1)),
        (m.StudentT(1, 3, 2), m.Laplace()),
        (m.StudentT(1, 3, 2), m.Gumbel()),
    ],
    ids=lambda v: repr(v),
)
def test_other_infinite_pairs(truth: Model, model: Model) -> None:
    fit = mlece.fit(model, truth)
    assert fit.cross_entropy == math.inf
    assert fit.certificate.status is mlece.Status.INFINITE


@pytest.mark.parametrize("df", [2.5, 3.0, 4.0])
def test_infinite_variance_of_an_estimate_with_a_finite_cross_entropy(df: float) -> None:
    fit = mlece.fit(mlece.Gaussian(), mlece.StudentT(df, 0, 1))
    assert fit.params["sd"] ** 2 == pytest.approx(df / (df - 2), rel=1e-9)
    assert fit.variance_ratio["mean"] == pytest.approx(1.0, rel=1e-9)
    assert fit.variance_ratio["sd"] == math.inf
    assert fit.trace == math.inf


def weibull_on_pareto(shape: float, tail: float, scale: float) -> float:
    """E[−log q] of a Weibull law under Pareto(tail, 1), by E log Y = 1/tail and E Y^k = tail/(tail − k)."""
    moment = tail / (tail - shape) * scale**-shape
    return -math.log(shape) + shape * math.log(scale) - (shape - 1) / tail + moment


def gumbel_on_laplace(scale: float, width: float, loc: float) -> float:
    """E[−log q] of a Gumbel law under Laplace(0, width), by the moment generating function 1/(1 − t²)."""
    return math.log(scale) - loc / scale + math.exp(loc / scale) / (1 - (width / scale) ** 2)


@pytest.mark.parametrize("tail", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_members_with_an_infinite_cross_entropy_are_passed_over(tail: float, scale: float) -> None:
    fit = mlece.fit(m.Weibull(scale=scale), m.Pareto(tail, 1.0))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    grid = np.linspace(0.01, 0.99, 99) * tail
    best = min(weibull_on_pareto(k, tail, scale) for k in grid)
    value = weibull_on_pareto(fit.params["shape"], tail, scale)
    assert fit.cross_entropy == pytest.approx(value, rel=TOLERANCE)
    assert value <= best


@pytest.mark.parametrize("width", [1.0, 2.0])
@pytest.mark.parametrize("loc", [-3.0, 0.0, 3.0])
def test_a_start_where_the_expectation_diverges_is_left(width: float, loc: float) -> None:
    fit = mlece.fit(m.Gumbel(loc=loc), m.Laplace(0.0, width))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    best = min(gumbel_on_laplace(s, width, loc) for s in width * np.linspace(1.05, 12, 220))
    value = gumbel_on_laplace(fit.params["scale"], width, loc)
    assert fit.cross_entropy == pytest.approx(value, rel=TOLERANCE)
    assert value <= best


def test_a_family_with_no_finite_member_is_infinite_still() -> None:
    fit = mlece.fit(m.Gumbel(loc=0.0), m.StudentT(3, 0, 1))
    assert fit.certificate.status is mlece.Status.INFINITE


# ---------------------------------------------------------------------------- beyond the floats


@pytest.mark.parametrize("df", [2.001, 2.01, 2.05])
def test_a_variance_that_comes_from_beyond_the_floats(df: float) -> None:
    fit = mlece.fit(m.Gaussian(), m.StudentT(df, 0, 1))
    # Half of E Y² of t with 2.001 degrees lies beyond the outermost node.
    assert fit.params["sd"] ** 2 == pytest.approx(df / (df - 2), rel=1e-10)


@pytest.mark.parametrize("df", [4.01, 4.1])
def test_a_kurtosis_that_comes_from_beyond_the_floats(df: float) -> None:
    fit = mlece.fit(m.Gaussian(), m.StudentT(df, 0, 1))
    assert fit.variance_ratio["sd"] == pytest.approx(1 + 3 / (df - 4), rel=1e-10)


@pytest.mark.parametrize("shape", [0.05, 0.02, 0.01, 0.003, 0.001])
def test_gamma_laws_with_mass_below_the_floats(shape: float) -> None:
    truth = m.Gamma(shape, 1)
    moments = mlece.fit(m.Gaussian(), truth).params
    assert moments["mean"] == pytest.approx(shape, rel=1e-10)
    assert moments["sd"] ** 2 == pytest.approx(shape, rel=1e-10)
    assert mlece.fit(m.Gamma(), truth).params["shape"] == pytest.approx(shape, rel=1e-10)
    logs = mlece.fit(m.LogNormal(), truth)
    assert logs.params["meanlog"] == pytest.approx(float(mpmath.digamma(shape)), rel=1e-10)
    variance = mpmath.psi(1, shape)
    assert logs.params["sdlog"] ** 2 == pytest.approx(float(variance), rel=1e-10)
    # (kurtosis − 1)/4 over 1/2: the sandwich needs the fourth power of the logarithm.
    kurtosis = 3 + mpmath.psi(3, shape) / variance**2
    assert logs.variance_ratio["sdlog"] == pytest.approx(float(kurtosis - 1) / 2, rel=1e-8)


@pytest.mark.parametrize(
    ("alpha", "beta", "tolerance"),
    [
        (0.5, 0.5, 1e-11),
        (0.1, 0.1, 1e-11),
        (2.0, 0.1, 1e-11),
        (0.01, 2.0, 1e-11),
        # Seven tenths of the mass are nearer to 1 than floats: the nodes' weights reach 1e4 and round.
        (2.0, 0.01, 1e-7),
        (0.01, 0.01, 1e-7),
    ],
)
def test_beta_laws_with_mass_beside_an_end(alpha: float, beta: float, tolerance: float) -> None:
    truth = m.Beta(alpha, beta)
    moments = mlece.fit(m.Gaussian(), truth).params
    total = alpha + beta
    assert moments["mean"] == pytest.approx(alpha / total, rel=tolerance)
    variance = alpha * beta / (total**2 * (total + 1))
    assert moments["sd"] ** 2 == pytest.approx(variance, rel=tolerance)
    fit = mlece.fit(m.Beta(), truth)
    assert fit.params == pytest.approx({"alpha": alpha, "beta": beta}, rel=tolerance)
    assert fit.trace == pytest.approx(2.0, rel=tolerance)


def test_a_law_that_floats_cannot_hold_is_refused_and_says_so() -> None:
    with pytest.raises(mlece.errors.NoDensityError, match="1e-300"):
        mlece.fit(m.Gaussian(), m.Weibull(0.001, 1))


def test_heavy_tails_do_not_trouble_a_family_that_has_them() -> None:
    fit = mlece.fit(mlece.StudentT(df=1), mlece.StudentT(1, 3, 2))
    assert fit.params == pytest.approx({"loc": 3.0, "scale": 2.0}, rel=1e-9)


# ---------------------------------------------------------------------------- outside the support


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (m.Gaussian(0, 1), m.Gamma()),
        (m.Uniform(-1, 1), m.Exponential()),
        (m.Poisson(3), m.Bernoulli()),
        (m.Gamma(2, 1), m.Beta()),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_truth_outside_the_support_costs_infinitely_much(truth: Model, model: Model) -> None:
    fit = mlece.fit(model, truth)
    assert float(fit.cross_entropy) == math.inf
    assert fit.certificate.status is mlece.Status.INFINITE
    assert "outside" in fit.certificate.sentence


def test_a_truth_that_misses_the_support_is_refused() -> None:
    with pytest.raises(mlece.errors.SupportError, match="outside"):
        mlece.fit(m.Gamma(), m.Uniform(-2, -1))


@pytest.mark.parametrize(
    ("truth", "model"), [(m.Poisson(3), m.Gaussian()), (m.Gaussian(0, 1), m.Poisson())]
)
def test_a_truth_of_another_measure_is_refused(truth: Model, model: Model) -> None:
    with pytest.raises(mlece.errors.ComparisonError, match="dominating measure"):
        mlece.fit(model, truth)


def test_a_truth_with_a_free_slot_is_refused() -> None:
    with pytest.raises(mlece.errors.FreeSlotError, match="rate"):
        mlece.fit(mlece.Gaussian(), mlece.Exponential())
