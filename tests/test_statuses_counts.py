"""Counts without an interior optimum: at which member, limit or end the fit comes to rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlece
from mlece.limits import Status
from mlece.model import Model

m = mlece
inf = math.inf

# Poisson data vary less than a Poisson law about as often as more.
EVEN = [2, 3, 2, 3, 3, 2, 4]
SPREAD = [0, 0, 0, 1, 9, 14, 2, 0, 30, 1]
DISPERSED = [m.PoissonInverseGaussian(), m.Sichel(), m.Delaporte(), m.GeneralizedPoisson()]
every_dispersed = pytest.mark.parametrize("model", DISPERSED, ids=lambda f: type(f).__name__)


def poisson(data: Any) -> float:
    return float(m.fit(m.Poisson(), data).cross_entropy)


# ---------------------------------------------------------------------------- dispersion


@every_dispersed
def test_data_without_overdispersion_end_at_the_poisson_law(model: Model) -> None:
    fit = m.fit(model, EVEN)
    assert fit.certificate.status is Status.BOUNDARY
    assert "not overdispersed" in fit.certificate.sentence
    assert fit.params["dispersion"] == 0
    assert isinstance(fit.model, m.Poisson)
    assert float(fit.cross_entropy) == pytest.approx(poisson(EVEN), rel=1e-13)


@every_dispersed
def test_overdispersed_data_have_an_interior_dispersion(model: Model) -> None:
    fit = m.fit(model, SPREAD)
    assert fit.params["dispersion"] > 0
    assert float(fit.cross_entropy) < poisson(SPREAD) - 0.5


@every_dispersed
def test_all_zero_counts(model: Model) -> None:
    fit = m.fit(model, [0, 0, 0])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["mean"] == 0
    assert float(fit.cross_entropy) == 0


@every_dispersed
def test_members_of_a_batch_end_as_they_do_alone(model: Model) -> None:
    rng = np.random.default_rng(11)
    y = np.stack([rng.poisson(3.0, 40), rng.negative_binomial(2, 0.4, 40), np.zeros(40, int)])
    fit = m.fit(model, y)
    for r in range(3):
        alone = m.fit(model, y[r])
        assert alone.certificate.status is fit.certificate.status[r]
        # Newton's method stops at an excess below 1e-11, wherever a batch takes its last step.
        assert float(alone.cross_entropy) == pytest.approx(fit.cross_entropy[r], abs=1e-11)


def test_an_outlier_beside_a_poisson_law_beats_the_poisson_limit_of_delaporte() -> None:
    # The variance is below the mean, and yet a small part of great dispersion gains.
    data = [1, 1, 1, 1, 0, 2, 2, 1, 0, 0, 0, 2, 1, 1, 0, 1, 2, 2, 2, 1, 5]
    assert np.var(data) < np.mean(data)
    fit = m.fit(m.Delaporte(), data)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.sentence == ""
    assert float(fit.cross_entropy) < poisson(data) - 1e-3


def test_delaporte_ends_at_the_negative_binomial() -> None:
    data = [0] * 30 + [1] * 10 + [2] * 6 + [3] * 4 + [4] * 3 + [6, 7, 9]
    fit = m.fit(m.Delaporte(), data)
    other = m.fit(m.NegativeBinomial(), data)
    assert fit.certificate.status is Status.BOUNDARY
    assert "share is 0" in fit.certificate.sentence
    assert fit.params["share"] == 0
    assert float(fit.cross_entropy) == pytest.approx(float(other.cross_entropy), rel=1e-12)
    assert 1 / fit.params["dispersion"] == pytest.approx(other.params["size"], rel=1e-5)
    y = np.arange(12)
    np.testing.assert_allclose(fit.model.log_density(y), other.model.log_density(y), rtol=1e-6)


def test_sichel_ends_at_the_negative_binomial_or_grows_without_bound() -> None:
    rng = np.random.default_rng(3)
    statuses = set()
    for _ in range(12):
        y = rng.negative_binomial(2, 0.3, 60)
        fit, other = m.fit(m.Sichel(), y), m.fit(m.NegativeBinomial(), y)
        statuses.add(fit.certificate.status)
        assert float(fit.cross_entropy) <= float(other.cross_entropy) + 1e-11
        if fit.certificate.status is Status.BOUNDARY and fit.params["dispersion"] == inf:
            assert isinstance(fit.model, m.NegativeBinomial)
    assert Status.BOUNDARY in statuses
    assert Status.STEP_LIMIT not in statuses


def test_a_known_order_may_have_no_limit_family() -> None:
    # The limit of order -1 is no negative binomial law: its size would be negative.
    data = [0] * 50 + [1] * 3 + [200]
    fit = m.fit(m.Sichel(order=-1.0), data)
    assert fit.certificate.status is Status.NOT_ATTAINED
    assert "dispersion grows" in fit.certificate.sentence
    assert float(fit.cross_entropy) < poisson(data)


def test_a_negative_binomial_truth_is_a_limit_of_the_sichel_family() -> None:
    fit = m.fit(m.Sichel(), m.NegativeBinomial(size=2.0, mean=3.0))
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["dispersion"] == inf
    assert fit.model.size == pytest.approx(2.0, rel=1e-6)


# ---------------------------------------------------------------------------- trials


def test_beta_binomial_without_overdispersion() -> None:
    fit = m.fit(m.BetaBinomial(n=4), [2, 2, 1, 3, 2])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params == {"p": 0.5, "rho": 0.0}
    assert isinstance(fit.model, m.Binomial)
    binomial = m.fit(m.Binomial(n=4), [2, 2, 1, 3, 2])
    assert float(fit.cross_entropy) == pytest.approx(float(binomial.cross_entropy), rel=1e-13)


def test_a_single_trial_shows_no_correlation() -> None:
    fit = m.fit(m.BetaBinomial(n=1), [0, 1, 1, 0, 1])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["rho"] == 0


def test_trials_that_all_agree() -> None:
    fit = m.fit(m.BetaBinomial(n=6), [0, 6, 6, 6])
    assert fit.certificate.status is Status.NOT_ATTAINED
    assert float(fit.cross_entropy) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    near = m.BetaBinomial(n=6, p=0.75, rho=1 - 1e-9)
    got = -np.mean(near.log_density([0, 6, 6, 6]))
    assert got == pytest.approx(float(fit.cross_entropy), abs=1e-7)


@pytest.mark.parametrize(("data", "p"), [([0, 0], 0.0), ([5, 5], 1.0)])
def test_no_success_or_no_failure(data: list[int], p: float) -> None:
    fit = m.fit(m.BetaBinomial(n=5), data)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["p"] == p


# ---------------------------------------------------------------------------- differences


def test_counts_that_never_fall_below_zero_need_no_second_rate() -> None:
    fit = m.fit(m.Skellam(), EVEN)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["mu2"] == 0
    assert fit.params["mu1"] == pytest.approx(np.mean(EVEN), rel=1e-9)
    assert float(fit.cross_entropy) == pytest.approx(poisson(EVEN), rel=1e-12)
    mirrored = m.fit(m.Skellam(), [-y for y in EVEN])
    assert mirrored.params["mu1"] == 0
    assert float(mirrored.cross_entropy) == pytest.approx(poisson(EVEN), rel=1e-12)


def test_differences_that_are_all_zero() -> None:
    fit = m.fit(m.Skellam(), [0, 0, 0])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params == {"mu1": 0.0, "mu2": 0.0}


# ---------------------------------------------------------------------------- tails


@pytest.mark.parametrize(
    ("model", "data", "status", "word"),
    [
        (m.Logarithmic(), [1, 1, 1], Status.BOUNDARY, "p = 0"),
        (m.Zeta(), [1, 1], Status.NOT_ATTAINED, "alpha grows"),
        (m.Zeta(lower=3), [3, 3], Status.NOT_ATTAINED, "alpha grows"),
        (m.YuleSimon(), [1, 1], Status.NOT_ATTAINED, "rho grows"),
        (m.DoublePoisson(), [4, 4, 4], Status.NOT_ATTAINED, "dispersion falls"),
        (m.DoublePoisson(), [0, 0], Status.NOT_ATTAINED, "mu falls"),
        (m.DoublePoisson(mu=4), [4, 4], Status.NOT_ATTAINED, "dispersion falls"),
    ],
    ids=lambda v: repr(v) if isinstance(v, Model) else "",
)
def test_equal_counts(model: Model, data: list[int], status: Status, word: str) -> None:
    fit = m.fit(model, data)
    assert fit.certificate.status is status
    assert word in fit.certificate.sentence
    assert float(fit.cross_entropy) == 0


def test_a_zeta_law_refuses_counts_below_its_smallest() -> None:
    with pytest.raises(m.MleceError, match="in the support"):
        m.fit(m.Zeta(lower=3), [2, 3, 4])


def test_two_neighbouring_counts_leave_no_dispersion() -> None:
    fit = m.fit(m.DoublePoisson(), [2, 3, 3, 2, 3, 3, 3, 3])
    assert fit.certificate.status is Status.NOT_ATTAINED
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert float(fit.cross_entropy) == pytest.approx(entropy, rel=1e-12)
    # The infimum is approached where mu makes the masses at 3 and 2 as 3 to 1.
    sigma = 1e-3
    carrier = [y * math.log(y) - y - math.lgamma(y + 1) for y in (2, 3)]
    step = sigma * (math.log(3) - carrier[1] + carrier[0])
    mu = math.exp(3 * math.log(3) - 2 * math.log(2) - 1 + step)
    member = m.DoublePoisson(mu=mu, dispersion=sigma)
    near = -0.25 * member.log_density(2) - 0.75 * member.log_density(3)
    assert near == pytest.approx(entropy, rel=1e-9)


def test_data_beyond_the_most_dispersed_double_poisson_law() -> None:
    data = [0] * 95 + [1, 2, 40, 60, 80]
    fit = m.fit(m.DoublePoisson(), data)
    assert fit.certificate.status is Status.NOT_ATTAINED
    assert "too dispersed" in fit.certificate.sentence
    # Along μ -> 0, σ -> infinity the cross-entropy falls to the infimum.
    values = []
    for sigma in (20.0, 100.0, 500.0):
        members = m.DoublePoisson(mu=np.exp(np.linspace(-200, 1, 400)), dispersion=sigma)
        y, w = np.unique(data, return_counts=True)
        values.append(float(np.min(-(members.log_density(y) @ w) / len(data))))
    assert values[0] > values[1] > values[2] >= float(fit.cross_entropy)
    assert values[2] - float(fit.cross_entropy) < 0.02


# ---------------------------------------------------------------------------- ends


def test_the_ends_of_a_discrete_uniform_law() -> None:
    fit = m.fit(m.DiscreteUniform(), [3, 7, 4])
    assert fit.params == {"lower": 3.0, "upper": 7.0}
    assert float(fit.cross_entropy) == pytest.approx(math.log(5), rel=1e-15)
    single = m.fit(m.DiscreteUniform(), [4, 4])
    assert single.params == {"lower": 4.0, "upper": 4.0}
    assert float(single.cross_entropy) == 0
    with pytest.raises(m.MleceError, match="lower at most upper"):
        m.DiscreteUniform(lower=2, upper=1)


@pytest.mark.parametrize("known", [False, True])
def test_exact_intervals_cover(known: bool) -> None:
    lower, upper, n, level, rounds = -2, 9, 6, 0.9, 4000
    rng = np.random.default_rng(5)
    y = rng.integers(lower, upper + 1, (rounds, n))
    model = m.DiscreteUniform(lower=lower) if known else m.DiscreteUniform()
    intervals = m.fit(model, y).interval(level=level)
    # Conservative, being discrete; four standard errors of the simulation below the level.
    slack = 4 * math.sqrt(level * (1 - level) / rounds)
    for name, low, high in (("upper", *intervals["upper"]),):
        cover = np.mean((low <= upper) & (upper <= high))
        assert level - slack <= cover, name
    if not known:
        low, high = intervals["lower"]
        assert np.mean((low <= lower) & (lower <= high)) >= level - slack


def test_an_exact_interval_is_no_wider_than_it_must() -> None:
    # P(M <= 9 | b) = (10/(b + 1))^5 with lower = 0: above 0.05 up to b = 17, (10/18)^5 = 0.0529.
    low, high = m.fit(m.DiscreteUniform(lower=0), [1, 9, 4, 2, 7]).interval(level=0.95)["upper"]
    assert (low, high) == (9.0, 17.0)
