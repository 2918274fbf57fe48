"""A known distribution as nodes and weights, and what is read off them."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.domain import positive, real
from mlece.families import (
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Gumbel,
    InverseGaussian,
    Laplace,
    Logistic,
    LogNormal,
    Pareto,
    Poisson,
    StudentT,
    Uniform,
    Weibull,
)
from mlece.model import Model
from mlece.param import Param
from mlece.sources.cumulative import log_cdf_by_quadrature, quantile_by_search
from mlece.sources.distribution import nodes
from mlece.sources.expectation import expectation, tail_divergent

TOLERANCE = {
    "mass": 1e-12,  # rounding of some 1,000 weights, log densities near 700 at the far ones
    "entropy": 1e-13,  # relative to max(1, |H|): the same sums, weighted by the log density
    "moment": 1e-12,  # relative; powers magnify the rounding of the nodes' values
    "slow tail": 1e-10,  # t with 2.1 degrees: part of the sum is continued beyond the nodes
    "cdf": 1e-10,  # absolute, promised by log_cdf_by_quadrature
    "quantile": 1e-8,  # relative to the spread; a cdf error over the density at the far quantiles
}


class Bare(Model):
    """A Gaussian that states its density and nothing else."""

    support = real
    centre = Param(real)
    width = Param(positive)

    @staticmethod
    def _log_density(y, centre, width):
        return -0.5 * ((y - centre) / width) ** 2 - np.log(width) - 0.5 * np.log(2 * np.pi)


class Unnormalised(Bare):
    """Twice a density."""

    @staticmethod
    def _log_density(y, centre, width):
        return Bare._log_density(y, centre, width) + np.log(2.0)


LAWS = [
    Gaussian(0, 1),
    Gaussian(1e9, 1),
    Laplace(0, 1),
    Laplace(5, 2),
    StudentT(5, 0, 1),
    StudentT(2.1, 0, 1),
    StudentT(1, 0, 1),
    StudentT(0.3, 0, 1),
    LogNormal(0, 1),
    LogNormal(0, 3),
    Exponential(1),
    Exponential(1e250),
    Gamma(0.5, 1),
    Gamma(0.05, 1),
    Gamma(1e4, 1),
    Weibull(0.5, 1),
    Weibull(20, 1),
    Uniform(-1, 3),
    Pareto(1.1, 1),
    Logistic(0, 1),
    Gumbel(0, 1),
    InverseGaussian(1, 1),
    InverseGaussian(1, 0.01),
    Beta(2, 3),
]
UNFRAMED = [law for law in LAWS if law != Gaussian(1e9, 1)]


def name(model: Model) -> str:
    return repr(model)


@pytest.mark.parametrize("law", [*LAWS, Poisson(3), Poisson(1e-3), Bare(1000, 1)], ids=name)
def test_mass_is_one(law):
    assert abs(nodes(law).weights.sum() - 1) < TOLERANCE["mass"]


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_nodes_are_few_ordered_and_weighted(law):
    found = nodes(law)
    assert 100 < found.count < 1500
    assert np.all(np.diff(found.values) > 0)
    assert np.all(found.weights > 0)


@pytest.mark.parametrize("law", UNFRAMED, ids=name)
def test_entropy_matches_closed_form(law):
    found = nodes(law)
    closed = law._entropy(*law.theta)
    value = expectation(found, -law.log_density(found.values))
    assert abs(value - closed) < TOLERANCE["entropy"] * max(1, abs(closed))


# E Y^2 and E Y^4 from the textbooks (Johnson, Kotz and Balakrishnan 1994, Continuous Univariate
# Distributions I and II).
MOMENTS = [
    (Laplace(0, 1), 2.0, 24.0),
    (StudentT(5, 0, 1), 5 / 3, 25.0),
    (LogNormal(0, 1), np.exp(2), np.exp(8)),
    (Exponential(1), 2.0, 24.0),
    (Gamma(0.5, 1), 0.75, 0.5 * 1.5 * 2.5 * 3.5),
    (Gamma(0.05, 1), 0.05 * 1.05, 0.05 * 1.05 * 2.05 * 3.05),
    (Weibull(0.5, 1), 24.0, 40320.0),
    (Uniform(-1, 3), 7 / 3, 12.2),
    (InverseGaussian(1, 1), 2.0, 37.0),
    (Beta(2, 3), 0.2, 1 / 14),
]


@pytest.mark.parametrize(("law", "second", "fourth"), MOMENTS, ids=lambda v: str(v))
def test_moments(law, second, fourth):
    found = nodes(law)
    values = expectation(found, found.values[:, None] ** np.array([2, 4]))
    assert values == pytest.approx([second, fourth], rel=TOLERANCE["moment"])


@pytest.mark.parametrize(
    ("law", "power", "diverges"),
    [
        (StudentT(1, 0, 1), 2, True),
        (StudentT(1, 0, 1), 1, True),
        (StudentT(2, 0, 1), 2, True),
        (StudentT(2.1, 0, 1), 2, False),
        (StudentT(5, 0, 1), 4, False),
        (LogNormal(0, 1), 4, False),
        (Pareto(1.1, 1), 1, False),
        (Pareto(1.1, 1), 2, True),
        (Exponential(1), -1, True),
        (Gamma(1.05, 1), -1, False),
        (Poisson(3), 4, False),
    ],
    ids=str,
)
def test_divergence_is_told_from_convergence(law, power, diverges):
    found = nodes(law)
    with np.errstate(over="ignore"):
        values = np.abs(found.values) ** power
    assert tail_divergent(found, values) is diverges
    assert np.isinf(expectation(found, values)) == diverges


@pytest.mark.parametrize("df", [2.01, 2.1, 3.0])
def test_slow_tails_are_continued(df):
    found = nodes(StudentT(df, 0, 1))
    value = expectation(found, found.values**2)
    assert value == pytest.approx(df / (df - 2), rel=TOLERANCE["slow tail"])


def test_infinite_values_and_undefined_expectations():
    found = nodes(StudentT(1, 0, 1))
    assert expectation(found, np.where(found.values > 3, np.inf, 0.0)) == np.inf
    with pytest.raises(errors.NoDensityError, match="on one side"):
        expectation(found, found.values)
    with pytest.raises(errors.DataError, match="a number at every node"):
        expectation(found, np.full(found.count, np.nan))
    with pytest.raises(errors.DataError, match="one value for each"):
        expectation(found, np.ones(3))


@pytest.mark.parametrize(
    "ask", [lambda m: nodes(m), lambda m: m.cdf(np.array([0.0]))], ids=["nodes", "cdf"]
)
def test_what_is_no_single_law_is_refused(ask):
    with pytest.raises(errors.NoDensityError, match="integrates to 1"):
        ask(Unnormalised(0, 1))


def test_free_slots_arrays_and_large_supports_are_refused():
    with pytest.raises(errors.FreeSlotError):
        nodes(Gaussian(mean=0))
    with pytest.raises(errors.ParameterError, match="one distribution"):
        nodes(Gaussian([0, 1], 1))
    with pytest.raises(errors.NoDensityError, match="points"):
        nodes(Poisson(1e16))


def test_categories_are_codes():
    found = nodes(Categorical([0.25, 0.0, 0.75], labels=("a", "b", "c")))
    assert found.values.tolist() == [0.0, 2.0]
    assert found.weights == pytest.approx([0.25, 0.75], rel=1e-15)


LEVELS = np.array([1e-9, 1e-3, 0.2, 0.5, 0.8, 0.999, 1 - 1e-9])
WITH_QUANTILE = [
    law
    for law in [*UNFRAMED, Bare(3, 0.5)]
    if law != Exponential(1e250) and law != StudentT(0.3, 0, 1)
]


@pytest.mark.parametrize("law", WITH_QUANTILE, ids=name)
def test_cdf_by_quadrature(law):
    y = law.quantile(LEVELS)
    assert np.abs(np.exp(log_cdf_by_quadrature(law, y)) - LEVELS).max() < TOLERANCE["cdf"]


@pytest.mark.parametrize("law", WITH_QUANTILE, ids=name)
def test_quantile_by_search_inverts_the_cdf(law):
    inner = LEVELS[1:-1]
    found = quantile_by_search(law, inner)
    spread = np.maximum(np.abs(found), np.ptp(found[1:-1]))
    assert np.abs((found - law.quantile(inner)) / spread).max() < TOLERANCE["quantile"]


def test_bare_density_against_mpmath():
    law = Bare(1000, 2)
    y = np.array([990.0, 999.0, 1003.0])
    exact = [float(mpmath.ncdf((v - 1000) / 2)) for v in y]
    assert law.cdf(y) == pytest.approx(exact, abs=TOLERANCE["cdf"])
    assert law.quantile([0, 1]).tolist() == [-np.inf, np.inf]
    assert law.entropy() == pytest.approx(Gaussian(0, 2).entropy(), rel=1e-11)
    batch = Bare([0.0, 5.0], 1.0)
    assert batch.cdf(np.array([[0.0], [5.0]])) == pytest.approx(0.5, abs=TOLERANCE["cdf"])


@pytest.mark.parametrize(
    "laws",
    [
        mlece.BetaBinomial(n=[1, 7, 30], p=[0.2, 0.5, 0.97], rho=[0.3, 0.01, 0.8]),
        mlece.DoublePoisson([0.1, 3.0, 60.0], [0.5, 1.0, 4.0]),
        mlece.Truncated(mlece.NegativeBinomial([3.0, 9.0], [0.1, 20.0]), lower=1),
        mlece.PoissonInverseGaussian([0.5, 300.0], [0.4, 2.0]),
    ],
    ids=lambda law: law.title,
)
def test_arrays_of_laws_on_counts_are_summed_like_each_of_them(laws: mlece.Model) -> None:
    points = np.array([-1.0, 0.0, 1.5, 6.0, 29.0, 400.0, np.inf])
    every, means, variances = laws.cdf(points), laws.mean, laws.variance
    for i in range(laws.batch_shape[0]):
        one = laws.member(*[np.broadcast_to(t, laws.batch_shape)[i] for t in laws.theta])
        np.testing.assert_allclose(every[i], one.cdf(points), rtol=1e-12)
        assert means[i] == pytest.approx(one.mean, rel=1e-12)
        assert variances[i] == pytest.approx(one.variance, rel=1e-11)


BATCHES = [
    mlece.Sichel([0.5, 3.0, 10.0], [0.3, 1.0, 2.0], [-2.0, -0.5, 1.0]),
    mlece.DoublePoisson([0.5, 40.0, 5000.0], [0.4, 1.0, 2.5]),
    mlece.BetaBinomial(n=[3.0, 12.0, 40.0], p=[0.1, 0.5, 0.9], rho=[0.5, 0.1, 0.01]),
    mlece.Delaporte([1.0, 10.0, 300.0], [0.5, 1.0, 0.1], [0.2, 0.5, 0.8]),
    mlece.GeneralizedPoisson([1.0, 5.0, 20.0], [0.3, 1.0, 1.5]),
    mlece.YuleSimon([0.4, 1.0, 3.0]),
    mlece.Skellam([1.0, 3.0, 10.0], [2.0, 0.5, 9.0]),
    mlece.NegativeBinomial([0.3, 2.0, 9.0], [1.0, 100.0, 3.0]),
]


@pytest.mark.parametrize("batch", BATCHES, ids=name)
def test_discrete_laws_of_a_batch_answer_like_each_alone(batch):
    # Nearer to 1 the last digits of a running sum decide.
    u = np.array([0.0, 1e-12, 1e-3, 0.2, 0.5, 0.9, 0.9999, 1 - 1e-9, 1.0])
    laws = [type(batch)(*[np.ravel(t)[j] for t in batch.theta]) for j in range(3)]
    found = batch.quantile(u)
    assert found.tolist() == [law.quantile(u).tolist() for law in laws]
    assert found[:, 0].tolist() == [float(batch.support.lower)] * 3
    assert found[:, -1].tolist() == [float(law.bounds(law.theta)[1]) for law in laws]
    y = np.array([-3.0, 0.0, 1.0, 7.0, 200.0, 6000.0])
    each = np.array([law.cdf(y) for law in laws])
    # Sums of up to some thousand probabilities.
    assert batch.cdf(y) == pytest.approx(each, rel=1e-12, abs=1e-14)


def test_a_law_that_does_not_sum_to_one_is_found_out_in_a_batch():
    class Half(Model):
        support = mlece.Geometric.support
        p = Param(mlece.Geometric.params[0].domain, "p", typical=(0.2, 0.8), doc="success")

        def _log_density(y, p):
            return np.log(0.5 * p) + y * np.log1p(-p)

        def _mean(p):
            return (1 - p) / p

    with pytest.raises(errors.NoDensityError):
        Half([0.3, 0.5]).quantile(0.4)
