"""Laws of magnitudes and life times: what a fit comes to where the interior holds no optimum."""

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

# Air-conditioning failures, boot::aircondit (Proschan 1963).
FAILURES = [3.0, 5, 7, 18, 43, 85, 91, 98, 100, 130, 230, 487]


def ends_in(fit: mlece.Fit, limit: Model, *words: str) -> None:
    """The fit is that of a law of another family, and is no worse than it."""
    assert fit.certificate.status is Status.BOUNDARY
    for word in words:
        assert word in fit.certificate.sentence
    own = fit.model
    assert type(own) is type(limit)
    for got, expected in zip(own.theta, limit.theta, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-7)


# ---------------------------------------------------------------------------- Lomax


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_lomax_below_a_coefficient_of_variation_of_one_is_exponential(scale: float) -> None:
    y = scale * np.array([1.0, 2.0, 3.0, 0.5])
    fit = m.fit(m.Lomax(), y)
    ends_in(fit, m.fit(m.Exponential(), y).model, "shape and scale run to infinity")
    assert fit.params == {"shape": inf, "scale": inf}
    assert float(fit.cross_entropy) == float(m.fit(m.Exponential(), y).cross_entropy)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [10, 40])
def test_lomax_has_a_maximum_where_the_coefficient_of_variation_exceeds_one(
    n: int, seed: int
) -> None:
    y = m.Lomax(3, 1).sample(n, rng=seed)
    fit = m.fit(m.Lomax(), y)
    # Above one the likelihood falls towards the exponential law, so that the optimum is inside.
    if np.std(y) > 1.001 * np.mean(y):
        assert fit.certificate.status is Status.OPTIMAL
        assert float(fit.cross_entropy) < float(m.fit(m.Exponential(), y).cross_entropy)
    elif fit.certificate.status is not Status.OPTIMAL:
        ends_in(fit, m.fit(m.Exponential(), y).model)


def test_members_of_a_batch_end_where_they_end_alone() -> None:
    y = m.Lomax(4, 1).sample((12, 25), rng=3)
    batch = m.fit(m.Lomax(), y)
    alone = [m.fit(m.Lomax(), row) for row in y]
    found = [s.name for s in batch.certificate.status]
    assert found == [f.certificate.status.name for f in alone]
    assert {"BOUNDARY", "OPTIMAL"} == set(found)
    np.testing.assert_allclose(
        batch.cross_entropy, [float(f.cross_entropy) for f in alone], rtol=1e-12
    )
    covered = np.concatenate([index for index, _ in batch.groups()])
    assert sorted(covered.tolist()) == list(range(12))
    assert batch[found.index("BOUNDARY")].model == alone[found.index("BOUNDARY")].model


def test_a_filled_slot_rules_the_limit_out() -> None:
    fit = m.fit(m.Lomax(scale=2.0), [1.0, 2.0, 3.0])
    assert fit.certificate.status is Status.OPTIMAL


# ---------------------------------------------------------------------------- Burr XII


def test_burr_of_weibull_like_data_is_weibull() -> None:
    # Quantiles of a Weibull of shape 3, cut short on the right: no tail for a Burr law.
    y = m.Weibull(3, 2).quantile(np.linspace(0.02, 0.9, 40))
    fit = m.fit(m.BurrXII(), y)
    ends_in(fit, m.fit(m.Weibull(), y).model, "shape1 and scale run to infinity")
    assert fit.params["shape2"] == pytest.approx(m.fit(m.Weibull(), y).params["shape"], rel=1e-9)


def test_burr_of_a_pareto_sample_is_pareto() -> None:
    y = m.Pareto(2, 1).quantile(np.linspace(0.001, 0.995, 60))
    fit = m.fit(m.BurrXII(), y)
    ends_in(fit, m.fit(m.Pareto(), y).model, "shape2 runs to infinity", "shape1 runs to 0")


# ---------------------------------------------------------------------------- generalised gamma


@pytest.mark.parametrize(
    ("member", "law"),
    [
        (m.GeneralizedGamma(0.3, 0.7, 0), m.LogNormal(0.3, 0.7)),
        (m.GeneralizedGamma(math.log(2), 1 / 1.7, 1), m.Weibull(1.7, 2)),
        (m.GeneralizedGamma(math.log(2), 0.5, 0.5), m.Gamma(4, 2)),
        (m.GeneralizedGamma(math.log(2), 0.5, -0.5), m.InverseGamma(4, 8)),
        (m.GB2(3, 2, 1, 1), m.LogLogistic(3, 2)),
        (m.GB2(3, 2, 1, 0.7), m.BurrXII(0.7, 3, 2)),
        (m.BurrXII(4, 1, 2), m.Lomax(4, 2)),
        (m.Nakagami(0.5, 2), m.HalfNormal(2)),
        (m.Nakagami(1, 2), m.Rayleigh(math.sqrt(2))),
        (m.Nakagami(1.5, 3), m.Maxwell(math.sqrt(3))),
        (m.Chi2(5), m.Gamma(2.5, 0.5)),
        (m.Gompertz(0, 0.4), m.Exponential(0.4)),
    ],
    ids=lambda law: repr(law),
)
def test_laws_within_laws(member: Model, law: Model) -> None:
    y = law.quantile(np.array([1e-4, 0.1, 0.5, 0.9, 0.9999]))
    # 1e-13: the same law by two formulas, each a handful of terms of size up to ten.
    np.testing.assert_allclose(member.log_density(y), law.log_density(y), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(member.log_cdf(y), law.log_cdf(y), rtol=1e-11)


@pytest.mark.parametrize("q", [1e-9, 1e-6, 1e-3])
def test_the_generalised_gamma_is_smooth_at_the_lognormal(q: float) -> None:
    y = np.array([0.1, 0.9, 3.0])
    at = [m.GeneralizedGamma(0, 1, k) for k in (-q, 0.0, q)]
    low, middle, high = (a.log_density(y) for a in at)
    # The second difference is of the order q², and rounding of log densities of order one.
    assert np.all(np.abs(low - 2 * middle + high) <= 20 * q * q + 1e-14)


def test_generalised_gamma_of_a_pareto_sample() -> None:
    y = m.Pareto(2, 1).quantile(np.linspace(0.001, 0.995, 60))
    fit = m.fit(m.GeneralizedGamma(), y)
    ends_in(fit, m.fit(m.Pareto(), y).model, "q runs to minus infinity")
    assert fit.params["q"] == -inf
    assert fit.params["sigma"] == 0.0
    assert fit.params["mu"] == pytest.approx(math.log(y.min()), abs=1e-12)


def test_a_local_optimum_above_the_limit_is_told() -> None:
    # In some samples of 30 of a Weibull law the power law below the largest is likelier.
    found = [
        m.fit(m.GeneralizedGamma(), m.GeneralizedGamma(1, 0.4, 1).sample(30, rng=k))
        for k in range(40)
    ]
    told = [f for f in found if "local optimum lies" in f.certificate.sentence]
    assert told
    for fit in told:
        assert fit.certificate.status is Status.BOUNDARY
        limit = m.fit(type(fit.model)(), fit.sample.values[0])
        assert float(fit.cross_entropy) == pytest.approx(float(limit.cross_entropy), rel=1e-12)


def test_generalised_gamma_of_a_power_sample() -> None:
    y = 1 / m.Pareto(2, 1).quantile(np.linspace(0.001, 0.995, 60))
    fit = m.fit(m.GeneralizedGamma(), y)
    ends_in(fit, m.fit(m.PowerFunction(), y).model, "q runs to infinity")
    # By the Pareto law of 1/y and the change of variables.
    mirrored = float(m.fit(m.Pareto(), 1 / y).cross_entropy) + 2 * np.mean(np.log(y))
    assert float(fit.cross_entropy) == pytest.approx(mirrored, rel=1e-12)


# ---------------------------------------------------------------------------- GB2


def test_gb2_of_gamma_like_data_is_a_generalised_gamma() -> None:
    y = m.Gamma(3, 1).quantile(np.linspace(0.005, 0.98, 60))
    fit = m.fit(m.GB2(), y)
    ends_in(fit, m.fit(m.GeneralizedGamma(), y).model, "p or q runs to infinity")
    assert inf in fit.params.values()


def _kinked(n: int) -> np.ndarray[Any, Any]:
    """Quantiles of a law whose logarithm has a Laplace law with slopes 2 and 3 at 0."""
    u = (np.arange(n) + 0.5) / n
    return np.where(u < 0.6, (u / 0.6) ** (1 / 2), ((1 - u) / 0.4) ** (-1 / 3))


def test_gb2_of_kinked_data_is_double_pareto() -> None:
    y = _kinked(61)
    fit = m.fit(m.GB2(), y)
    assert fit.certificate.status is Status.BOUNDARY
    direct = -float(np.mean(fit.model.log_density(y)))
    assert direct == pytest.approx(float(fit.cross_entropy), abs=1e-13)
    assert "double Pareto" in fit.certificate.sentence
    assert fit.params["shape"] == inf
    # By brute force over centres, the slopes solved at each.
    x = np.log(y)
    below = [np.mean(np.maximum(c - x, 0)) for c in x]
    above = [np.mean(np.maximum(x - c, 0)) for c in x]
    least = min(
        1 + 2 * math.log(math.sqrt(a) + math.sqrt(b)) for a, b in zip(below, above, strict=True)
    )
    assert float(fit.cross_entropy) == pytest.approx(least + np.mean(x), rel=1e-12)
    # Members far along the way come close to it and none gets below.
    share = 2e4
    near = m.GB2(shape=share, scale=fit.params["scale"], p=2.5 / share, q=2.5 / share)
    assert -np.mean(near.log_density(y)) >= float(fit.cross_entropy)


def test_gb2_weights_are_replication_at_the_limit() -> None:
    y, w = _kinked(41), np.tile([1.0, 2.0, 0.0], 14)[:41]
    weighted, plain = m.fit(m.GB2(), y, weights=w), m.fit(m.GB2(), np.repeat(y, w.astype(int)))
    assert weighted.certificate.status is plain.certificate.status
    assert float(weighted.cross_entropy) == pytest.approx(float(plain.cross_entropy), rel=1e-12)


# ---------------------------------------------------------------------------- life times


def test_birnbaum_saunders_solves_the_equations_of_1969() -> None:
    fit = m.fit(m.BirnbaumSaunders(), FAILURES)
    y, alpha, beta = np.array(FAILURES), fit.params["shape"], fit.params["scale"]
    mean, harmonic = np.mean(y), 1 / np.mean(1 / y)
    further = 1 / np.mean(1 / (beta + y))
    assert alpha**2 == pytest.approx(mean / beta + beta / harmonic - 2, rel=1e-12)
    root = beta**2 - beta * (2 * harmonic + further) + harmonic * (mean + further)
    assert root / beta**2 == pytest.approx(0.0, abs=1e-12)
    # univariateML prints alpha 2.328 at the same beta, with log likelihood -67.8117.
    assert beta == pytest.approx(37.4000014532462, rel=1e-7)
    assert fit.log_likelihood > -67.8116751951792 + 0.5


def test_a_falling_hazard_is_a_negative_shape() -> None:
    fit = m.fit(m.Gompertz(), FAILURES)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.params["shape"] < 0
    law = fit.model
    gone = -math.expm1(fit.params["rate"] / fit.params["shape"])
    assert float(law.cdf(1e9)) == pytest.approx(gone, rel=1e-12)
    assert float(law.quantile(gone + 0.5 * (1 - gone))) == inf


@pytest.mark.parametrize("shape", [-1e-7, -1e-12, 0.0, 1e-12, 1e-7])
def test_gompertz_is_smooth_at_the_exponential(shape: float) -> None:
    y = np.array([0.0, 0.5, 3.0])
    expected = -0.5 * y + math.log(0.5) + shape * (y - 0.5 * y * y / 2)
    np.testing.assert_allclose(
        m.Gompertz(shape, 0.5).log_density(y), expected, rtol=0, atol=20 * shape**2 + 1e-15
    )


def test_all_zeros_of_a_lomax() -> None:
    fit = m.fit(m.Lomax(), [0.0, 0.0])
    assert fit.certificate.status is Status.UNBOUNDED


@pytest.mark.parametrize("df", [1e-3, 0.5, 40.0, 1e6])
def test_chi_squared_meets_the_mean_logarithm(df: float) -> None:
    from scipy.special import digamma

    y = m.Chi2(df).quantile(np.array([0.3, 0.5, 0.8]))
    y = y[y > 0]
    got = m.fit(m.Chi2(), y).params["df"]
    assert digamma(got / 2) == pytest.approx(np.mean(np.log(y / 2)), rel=1e-12)


def test_a_defective_gompertz_law_says_why_it_has_no_entropy() -> None:
    assert m.Gompertz(0.0, 2.0).entropy() == pytest.approx(1 - math.log(2.0), rel=1e-14)
    with pytest.raises(mlece.errors.NoDensityError, match="never dies"):
        m.Gompertz(-0.5, 2.0).entropy()
