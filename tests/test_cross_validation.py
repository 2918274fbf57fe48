"""Held-out cross-entropy, what it costs to leave one out, and Cox's test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.diagnostics.cross_validation import held_out
from mlece.diagnostics.pairs import pairwise
from mlece.randomness import stream

RNG = np.random.default_rng(4)
LINE = RNG.normal(2.0, 3.0, 17)
HALF = np.exp(LINE / 4)
COUNTS = RNG.negative_binomial(2, 0.4, 24)
LABELS = np.array(list("aabbbccacb"))
POINTS = RNG.normal(size=(14, 2))
PARTS = np.stack([RNG.gamma(2.0, 1.0, 13), RNG.normal(size=13)], axis=1)
EXACT = json.loads((Path(__file__).parent / "reference" / "finite_n_exact.json").read_text("utf-8"))


def one_by_one(model: Any, data: Any) -> Any:
    """Leave every observation out in a fit of its own."""
    out = []
    for i in range(len(data)):
        law = mlece.fit(model, np.delete(data, i, axis=0)).model
        out.append(float(np.ravel(law.log_density(data[i : i + 1]))[0]))
    return np.array(out)


# -------------------------------------------------------------------------------- leaving one out


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (mlece.Gaussian(), LINE),
        (mlece.Laplace(), LINE),
        (mlece.Logistic(), LINE),
        (mlece.Gamma(), HALF),
        (mlece.Weibull(shape=2), HALF),
        (mlece.Poisson(), COUNTS),
        (mlece.NegativeBinomial(), COUNTS),
        (mlece.Categorical(), LABELS),
        (mlece.MultivariateGaussian(), POINTS),
        (mlece.Product(mlece.Gamma(), mlece.Gaussian()), PARTS),
        (mlece.Mixture(mlece.Poisson(), size=2), COUNTS),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_batch_of_weightings_is_a_loop_of_refits(model: Any, data: Any) -> None:
    found = mlece.leave_one_out(mlece.fit(model, data))
    want = one_by_one(model, data)
    np.testing.assert_allclose(found.log_density, want, rtol=1e-9, atol=1e-9)
    assert float(found.cross_entropy) == pytest.approx(-want.mean(), rel=1e-9)
    assert found.se == pytest.approx(want.std(ddof=1) / np.sqrt(len(data)), rel=1e-8)


def test_a_gaussian_has_a_closed_form() -> None:
    n, e = LINE.size, LINE - LINE.mean()
    away = e * n / (n - 1)
    variance = (e @ e - e * away) / (n - 1)
    want = -0.5 * np.log(2 * np.pi * variance) - 0.5 * away**2 / variance
    found = mlece.leave_one_out(mlece.fit("gaussian", LINE))
    np.testing.assert_allclose(found.log_density, want, rtol=1e-12)


def test_an_exponential_has_a_closed_form() -> None:
    rate = (HALF.size - 1) / (HALF.sum() - HALF)
    found = mlece.leave_one_out(mlece.fit("exponential", HALF))
    np.testing.assert_allclose(found.log_density, np.log(rate) - rate * HALF, rtol=1e-12)


@pytest.mark.parametrize("shape", [1, 2, 0.5])
def test_the_mean_is_the_expected_loss_of_one_observation_fewer(shape: float) -> None:
    """Unbiased for a fit to n − 1 observations, model right or wrong: three standard errors."""
    case = {
        1: "exp: E KL(p||phat)=psi(n)-log n+1/(n-1)",
        2: "gamma(a=2,1) truth, exp model: E test CE = psi(na)-log n + na/(na-1)",
        0.5: "gamma(a=0.5,1) truth, exp model: E test CE = psi(na)-log n + na/(na-1)",
    }
    exact = EXACT[case[shape]]
    y = np.random.default_rng(1).gamma(shape, size=(1500, exact["n"] + 1))
    found = np.asarray(mlece.leave_one_out(mlece.fit("exponential", y)).cross_entropy)
    # The first is the excess over the entropy, which is 1.
    want = float(exact["exact"]) + (shape == 1)
    assert abs(found.mean() - want) <= 3 * found.std() / np.sqrt(1500)


def test_a_misspecified_scale_costs_what_it_costs() -> None:
    """Gaussian of variance 1/4 on standard normal data: four times what a right model costs."""
    exact = EXACT["gauss fixed var .25, truth var 1: E test excess = 1/(2 n s2)"]
    y = np.random.default_rng(2).normal(size=(4000, exact["n"] + 1))
    found = np.asarray(mlece.leave_one_out(mlece.fit(mlece.Gaussian(sd=0.5), y)).cross_entropy)
    member = 0.5 * np.log(2 * np.pi * 0.25) + 0.5 / 0.25
    assert abs(found.mean() - member - float(exact["exact"])) <= 3 * found.std() / np.sqrt(4000)


def test_optimism_is_the_trace_over_n() -> None:
    y = np.random.default_rng(3).standard_t(6, 4000)
    found = mlece.leave_one_out(mlece.fit("gaussian", y[:500]))
    long = mlece.cross_validate("gaussian", y, folds=200)
    assert found.optimism == pytest.approx(found.expected, rel=0.1)
    assert long.optimism == pytest.approx(long.expected, rel=0.15)
    # A wrong model pays more than its number of parameters.
    assert found.expected > 2 / 500


def test_weights_are_replication() -> None:
    y, w = np.array([1.0, 2.5, 3.0, 4.0]), [3, 1, 2, 5]
    table = mlece.leave_one_out(mlece.fit("gamma", y, weights=w))
    long = mlece.leave_one_out(mlece.fit("gamma", np.repeat(y, w)))
    assert table.refits == long.refits == 4
    np.testing.assert_allclose(np.repeat(table.log_density, w), long.log_density, rtol=1e-12)
    assert float(table.cross_entropy) == pytest.approx(float(long.cross_entropy), rel=1e-13)
    assert table.se == pytest.approx(long.se, rel=1e-12)


def test_batches_are_their_members() -> None:
    y = RNG.gamma(2.0, 1.0, (3, 12))
    for model in (mlece.Gamma(), mlece.Gamma(shape=np.array([1.0, 2.0, 3.0]))):
        fit = mlece.fit(model, y)
        found, folded = mlece.leave_one_out(fit), mlece.cross_validate(fit, folds=12)
        for i in range(3):
            own = mlece.leave_one_out(fit[i])
            np.testing.assert_allclose(found.log_density[i], own.log_density, rtol=1e-9)
            assert found.se[i] == pytest.approx(own.se)
            assert found.expected[i] == pytest.approx(own.expected)
        np.testing.assert_allclose(folded.cross_entropy, found.cross_entropy, rtol=1e-12)
    assert "3 fits" in str(found)
    counts, weights = RNG.poisson(3, (2, 10)), RNG.integers(0, 4, (2, 10))
    found = mlece.leave_one_out(mlece.fit("poisson", counts, weights=weights))
    for i in range(2):
        own = mlece.leave_one_out(mlece.fit("poisson", np.repeat(counts[i], weights[i])))
        assert found.cross_entropy[i] == pytest.approx(float(own.cross_entropy))
        assert found.se[i] == pytest.approx(own.se)


def test_incomplete_observations_are_left_out_too() -> None:
    time = 10 * RNG.weibull(1.5, 20)
    event = RNG.random(20) < 0.7
    found = mlece.leave_one_out(mlece.fit("weibull", mlece.right_censored(time, event)))
    want = []
    for i in range(20):
        rest = np.arange(20) != i
        law = mlece.fit("weibull", mlece.right_censored(time[rest], event[rest])).model
        want.append(float(law.log_density(time[i]) if event[i] else law.log_sf(time[i])))
    np.testing.assert_allclose(np.sort(found.log_density), np.sort(want), rtol=1e-8)


def test_cells_of_a_grid() -> None:
    y = np.round(RNG.gamma(9.0, 1.0, 60))
    fit = mlece.fit("gamma", y)
    found = mlece.leave_one_out(fit, resolution=1.0)
    law = mlece.fit("gamma", y[1:]).model
    cell = law.cdf(y[0] + 0.5) - law.cdf(y[0] - 0.5)
    assert found.log_density[0] == pytest.approx(np.log(cell), rel=1e-9)
    whole = np.log(fit.model.cdf(y + 0.5) - fit.model.cdf(y - 0.5))
    assert float(found.in_sample) == pytest.approx(-whole.mean(), rel=1e-9)


def test_what_the_refit_excludes_is_infinitely_unlikely() -> None:
    found = mlece.leave_one_out(mlece.fit("uniform", LINE))
    assert float(found.cross_entropy) == np.inf
    assert np.isneginf(found.log_density).sum() == 2
    assert found.lost == 0
    assert "density zero" in str(found)
    tied = mlece.leave_one_out(mlece.fit("gaussian", [1.0, 1.0, 1.0, 2.0]))
    assert tied.lost == 1
    assert "1 of 2 refits have no minimiser" in str(tied)


def test_members_at_a_limit_have_its_density() -> None:
    y = np.random.default_rng(0).binomial(10, 0.5, 20)
    found = mlece.leave_one_out(mlece.fit("negativebinomial", y))
    poisson = mlece.leave_one_out(mlece.fit("poisson", y))
    np.testing.assert_allclose(found.log_density, poisson.log_density, rtol=1e-12)


# -------------------------------------------------------------------------------- folds


def test_as_many_folds_as_observations_are_leave_one_out() -> None:
    for model, y in (("gamma", HALF), ("poisson", COUNTS)):
        fit = mlece.fit(model, y)
        folded, left = mlece.cross_validate(fit, folds=len(y), rng=5), mlece.leave_one_out(fit)
        np.testing.assert_allclose(folded.log_density, left.log_density, rtol=1e-12)
        assert float(folded.cross_entropy) == pytest.approx(float(left.cross_entropy), rel=1e-13)
        assert folded.se == pytest.approx(left.se, rel=1e-12)


def test_folds_are_what_they_say() -> None:
    y = np.arange(1.0, 12.0)
    found = mlece.cross_validate("exponential", y, folds=3, rng=8)
    # The scores of an Exponential tell the fold: log rate − rate y.
    dealt = np.full((3, 4), -1)
    dealt.T.flat[:11] = stream(8).permutation(11)
    for fold in dealt:
        out = fold[fold >= 0]
        rate = (11 - out.size) / (y.sum() - y[out].sum())
        np.testing.assert_allclose(found.log_density[out], np.log(rate) - rate * y[out], rtol=1e-12)
    assert sorted(np.count_nonzero(dealt >= 0, axis=1)) == [3, 4, 4]
    assert found.scheme == "3-fold"
    assert "3-fold" in str(found)


def test_folds_of_counts_deal_single_observations() -> None:
    kicks = mlece.datasets.horse_kicks()
    found = mlece.cross_validate("poisson", kicks.values, weights=kicks.counts)
    long = mlece.cross_validate("poisson", np.repeat(kicks.values, kicks.counts))
    assert float(found.cross_entropy) == pytest.approx(float(long.cross_entropy), rel=1e-12)
    assert found.se == pytest.approx(long.se, rel=1e-12)
    assert found.n == 200


def test_exact_for_few_different_observations_and_folds_beyond() -> None:
    y = np.random.default_rng(6).gamma(2.0, 1.0, 257)
    assert held_out(mlece.fit("gamma", y)).scheme == "10-fold"
    assert held_out(mlece.fit("gamma", y[:256])).scheme == "leave-one-out"
    assert held_out(mlece.fit("gamma", np.round(y, 1) + 0.1)).scheme == "leave-one-out"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: mlece.leave_one_out(mlece.fit("gamma", mlece.Gaussian(1, 1))), errors.MleceError),
        (lambda: mlece.leave_one_out(mlece.fit("poisson", [3])), errors.DataError),
        (
            lambda: mlece.leave_one_out(mlece.fit("poisson", [3, 4], weights=[1.5, 2])),
            errors.DataError,
        ),
        (
            lambda: mlece.leave_one_out(
                mlece.fit("poisson", [3, 4], weights=[1, 2], weighting="sampling")
            ),
            errors.ComparisonError,
        ),
        (
            lambda: mlece.leave_one_out(mlece.fit("gaussian", LINE), resolution=0.0),
            errors.ParameterError,
        ),
        (lambda: mlece.cross_validate("gaussian", LINE, folds=1), errors.ParameterError),
        (lambda: mlece.cross_validate("gaussian", LINE, folds=18), errors.ParameterError),
        (
            lambda: mlece.cross_validate(mlece.fit("gaussian", LINE), LINE),
            errors.DataTypeError,
        ),
    ],
)
def test_bad_requests_are_refused(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


def test_criterion_for_short_samples() -> None:
    fit = mlece.fit("gamma", HALF)
    n, k = 17, 2
    assert fit.aicc == pytest.approx(fit.aic + 2 * k * (k + 1) / (n - k - 1), rel=1e-14)
    assert mlece.fit("gamma", HALF[:3]).aicc == np.inf
    assert mlece.fit("gamma", np.stack([HALF, HALF])).aicc.shape == (2,)


# -------------------------------------------------------------------------------- in and out


def test_in_and_out_of_a_wrong_and_of_a_right_model() -> None:
    y = np.random.default_rng(1).standard_t(3, 150)
    wrong = mlece.ios(mlece.fit("gaussian", y))
    assert wrong.p_value == 0.005
    assert wrong.value > wrong.one_step > wrong.parameters
    left = mlece.leave_one_out(mlece.fit("gaussian", y))
    assert wrong.value == pytest.approx(150 * left.optimism)
    assert wrong.one_step == pytest.approx(150 * left.expected)
    right = mlece.ios(mlece.fit("studentt", y))
    assert right.p_value > 0.05
    assert "leaving one out costs" in str(right)


def test_in_and_out_rejects_a_right_model_at_the_nominal_rate() -> None:
    """300 samples of 50 counts, 19 replicates: the level is 1/20, three standard errors of 300."""
    rng = np.random.default_rng(9)
    rejected = [
        mlece.ios(mlece.fit("poisson", rng.poisson(4, 50)), replicates=19, rng=i).p_value <= 0.05
        for i in range(300)
    ]
    assert abs(np.mean(rejected) - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize(
    ("fit", "error"),
    [
        (mlece.fit("uniform", LINE), errors.NotRegularError),
        (mlece.fit("categorical", LABELS), errors.ComparisonError),
        (mlece.fit("gaussian", np.stack([LINE, LINE])), errors.DataError),
    ],
)
def test_in_and_out_refuses(fit: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        mlece.ios(fit)
    with pytest.raises(errors.ParameterError):
        mlece.ios(mlece.fit("gaussian", LINE), replicates=5)


# -------------------------------------------------------------------------------- Cox


def test_cox_agrees_with_the_variance_he_derived() -> None:
    """Cox (1962): log-normal against exponential, V = n (e^σ² − 1 − σ² − σ⁴/2)."""
    y = np.random.default_rng(1).lognormal(0.0, 0.7, 3000)
    first, second = mlece.fit("lognormal", y), mlece.fit("exponential", y)
    test = mlece.cox(first, second, replicates=999)
    v = first.params["sdlog"] ** 2
    sd = np.sqrt(3000 * (np.exp(v) - 1 - v - v**2 / 2))
    mean = 3000 * (v / 2 - 0.5 * np.log(v) - 0.5 * np.log(2 * np.pi) + 0.5)
    # The spread of a spread, and the centre to a tenth of one.
    assert test.first.sd == pytest.approx(sd, rel=4 / np.sqrt(2 * 999))
    assert abs(test.first.mean - mean) <= 0.2 * sd
    assert test.verdict == "first"
    assert "Exponential is rejected" in str(test)


def test_cox_rejects_a_right_model_at_the_nominal_rate() -> None:
    """200 samples of 60 and 59 replicates: the level is 3/60, three standard errors of 200."""
    rng = np.random.default_rng(12)
    reach = 3 * np.sqrt(0.05 * 0.95 / 200)
    p = []
    for i in range(200):
        y = rng.lognormal(0.0, 0.7, 60)
        one, two = mlece.fit("lognormal", y), mlece.fit("exponential", y)
        p.append(mlece.cox(one, two, replicates=59, rng=i).first.p_value)
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= reach
    assert abs(np.mean(np.array(p) <= 0.5) - 0.5) <= 3 * np.sqrt(0.25 / 200)


def test_cox_of_censored_data_is_that_of_the_numbers_where_nothing_is_lost() -> None:
    y = np.random.default_rng(6).gamma(2.0, 1.0, 80)
    whole = mlece.right_censored(y, np.ones(80))
    known, found = (
        mlece.cox(mlece.fit("gamma", data), mlece.fit("weibull", data), replicates=59)
        for data in (y, whole)
    )
    assert found.value == pytest.approx(known.value, rel=1e-6)
    # Observations are drawn in another order: the same law, other samples.
    assert found.first.mean == pytest.approx(known.first.mean, abs=known.first.sd)
    assert found.first.sd == pytest.approx(known.first.sd, rel=4 / np.sqrt(2 * 59))


def test_cox_of_vectors_with_independent_components_adds_up() -> None:
    """Two blocks at Cox's own pair: mean and variance of the ratio are sums over them."""
    y = np.random.default_rng(8).lognormal(0.0, [0.7, 0.6], (1500, 2))
    one, two = (mlece.fit(mlece.Product(name, name), y) for name in ("lognormal", "exponential"))
    test = mlece.cox(one, two, replicates=599)
    v = np.array([one.params[f"sdlog[{j}]"] ** 2 for j in range(2)])
    sd = np.sqrt(1500 * (np.exp(v) - 1 - v - v**2 / 2).sum())
    mean = 1500 * (v / 2 - 0.5 * np.log(v) - 0.5 * np.log(2 * np.pi) + 0.5).sum()
    assert test.first.sd == pytest.approx(sd, rel=4 / np.sqrt(2 * 599))
    assert abs(test.first.mean - mean) <= 0.2 * sd
    assert test.names == (
        "Product(LogNormal(), LogNormal())", "Product(Exponential(), Exponential())",
    )  # fmt: skip


def test_cox_of_censored_counts_and_of_visits_that_were_nobodys_own() -> None:
    rng = np.random.default_rng(10)
    y, last = rng.geometric(0.3, 150) - 1.0, rng.integers(2, 12, 150) * 1.0
    data = mlece.censored(np.minimum(y, last), np.where(y < last, y, np.inf))
    one, two = (mlece.fit(m, data) for m in ("geometric", "poisson"))
    assert mlece.cox(one, two, replicates=99).verdict == "first"
    low = rng.gamma(2.0, 1.0, 40)
    alone = mlece.censored(low, low + rng.random(40))
    pair = [mlece.fit(m, alone) for m in ("gamma", "weibull")]
    with pytest.raises(errors.ComparisonError, match=r"do not join.*mlece\.vuong"):
        mlece.cox(*pair)
    assert mlece.vuong(*pair).n == 40


def test_cox_takes_two_held_values_of_one_family_apart() -> None:
    y = np.random.default_rng(9).gamma(3.0, 1.0, 100)
    two, three, free = (
        mlece.fit(mlece.Gamma(**held), y) for held in ({"shape": 2}, {"shape": 3}, {})
    )
    assert mlece.cox(two, three, replicates=99).verdict == "second"
    for pair in ((two, free), (free, three)):
        with pytest.raises(errors.ComparisonError, match="one within the other"):
            mlece.cox(*pair)


def test_cox_is_the_same_seen_from_the_other_side() -> None:
    y = np.random.default_rng(3).gamma(2.0, 1.0, 200)
    one, two = mlece.fit("gamma", y), mlece.fit("weibull", y)
    here, there = mlece.cox(one, two), mlece.cox(two, one)
    assert here.value == pytest.approx(-there.value)
    reach = 4 * here.first.sd / np.sqrt(199)
    assert here.first.mean == pytest.approx(-there.second.mean, abs=reach)
    assert here.first.p_value == pytest.approx(there.second.p_value, abs=0.15)


def test_cox_may_reject_both() -> None:
    rng = np.random.default_rng(4)
    y = np.exp(np.concatenate([rng.normal(0, 0.2, 150), rng.normal(3, 0.2, 150)]))
    test = mlece.cox(mlece.fit("gamma", y), mlece.fit("lognormal", y), replicates=99)
    assert test.verdict == "neither"


def test_cox_tells_a_departure_away_from_the_other() -> None:
    y = np.random.default_rng(5).uniform(size=300)
    test = mlece.cox(mlece.fit("gaussian", y), mlece.fit("laplace", y), replicates=99)
    assert test.verdict == "first"
    assert test.first.p_away == 0.01
    assert test.first.p_value == 1.0
    assert "favour Gaussian more than it predicts" in str(test)


@pytest.mark.parametrize(
    ("first", "second", "options", "error"),
    [
        (mlece.fit("gamma", HALF), mlece.fit("gamma", HALF), {}, errors.ComparisonError),
        (mlece.fit("gamma", HALF), mlece.fit("gaussian", HALF), {}, errors.ComparisonError),
        (mlece.fit("gamma", HALF), mlece.fit("weibull", HALF[1:]), {}, errors.ComparisonError),
        (
            mlece.fit("negativebinomial", [2, 2, 3, 2, 1, 2]),
            mlece.fit("geometric", [2, 2, 3, 2, 1, 2]),
            {},
            errors.ComparisonError,
        ),
        (
            mlece.fit("gamma", HALF),
            mlece.fit("weibull", HALF),
            {"replicates": 5},
            errors.ParameterError,
        ),
        (
            mlece.fit("gamma", HALF),
            mlece.fit("weibull", HALF),
            {"replicates": 25},
            errors.ParameterError,
        ),
        (
            mlece.fit("gamma", np.stack([HALF, HALF])),
            mlece.fit("weibull", np.stack([HALF, HALF])),
            {},
            errors.DataError,
        ),
    ],
)
def test_cox_refuses(first: Any, second: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        mlece.cox(first, second, **options)


# -------------------------------------------------------------------------------- comparing


def test_models_are_ranked_by_what_they_predict() -> None:
    y = np.random.default_rng(5).gamma(2.0, 1.0, 150)
    names = ["gamma", "exponential", "weibull", "lognormal"]
    found = mlece.compare(names, y, replicates=19)
    assert found.scheme == "leave-one-out"
    values = [float(mlece.leave_one_out(row.fit).cross_entropy) for row in found.ranked]
    assert [row.held_out for row in found.ranked] == pytest.approx(values, rel=1e-12)
    weights = np.exp(-150 * (np.array(values) - values[0]))
    assert [r.weight for r in found.ranked] == pytest.approx(weights / weights.sum())
    takeuchi = mlece.compare(names, y, replicates=19, criterion="tic")
    assert takeuchi.scheme == "tic"
    for row in takeuchi.ranked:
        assert row.fit is not None
        assert row.held_out == pytest.approx(row.fit.tic / 300, rel=1e-12)
    assert [r.held_out for r in takeuchi.ranked] == sorted(r.held_out for r in takeuchi.ranked)
    assert "Takeuchi" in str(takeuchi)
    with pytest.raises(errors.UnknownNameError):
        mlece.compare(names, y, criterion="bic")


def test_folds_are_the_same_for_all_models() -> None:
    y = np.random.default_rng(7).gamma(2.0, 1.0, 300)
    found = mlece.compare(["gamma", "generalizedgamma"], y, replicates=19)
    assert found.scheme == "10-fold"
    seed = int(stream(0).integers(2**32))
    for row in found.ranked:
        assert row.fit is not None
        want = mlece.cross_validate(row.fit, rng=seed).cross_entropy
        assert row.held_out == pytest.approx(float(want))


def test_a_support_that_excludes_is_last_and_said() -> None:
    found = mlece.compare(["uniform", "gamma"], HALF, replicates=19)
    assert [row.name for row in found.ranked] == ["Gamma", "Uniform"]
    assert found.ranked[1].held_out == np.inf
    assert found.ranked[1].weight == 0.0
    assert any("Uniform" in s and "excludes" in s for s in found.sentences)
    alone = mlece.compare(["uniform"], HALF, replicates=19)
    assert np.isnan(alone.ranked[0].weight)


def test_pairs_are_single_tests() -> None:
    y = np.random.default_rng(8).gamma(2.0, 1.0, 200)
    found = mlece.compare(["gamma", "exponential", "lognormal", "laplace"], y, replicates=19)
    pairs = found.pairs
    fits = [row.fit for row in found.ranked]
    for i, one in enumerate(fits):
        for j, two in enumerate(fits):
            if i != j:
                assert one is not None
                assert two is not None
                test = mlece.vuong(one, two)
                assert pairs.statistic[i, j] == pytest.approx(test.statistic, rel=1e-12)
                assert pairs.p_value[i, j] == pytest.approx(test.p_value, rel=1e-12)
                want = {"first": "row", "second": "column"}.get(test.verdict, test.verdict)
                assert pairs.verdict[i, j] == want
    np.testing.assert_array_equal(pairs.statistic, -pairs.statistic.T)
    text = str(pairs)
    assert all(row.name in text for row in found.ranked)
    assert max(map(len, text.splitlines())) <= 100
    # The kink of a Laplace density is part of its curvature.
    assert pairs.verdict[0, -1] == "row"
    with pytest.raises(errors.DataError):
        pairwise(fits[:1], ["gamma"])  # type: ignore[arg-type]
