"""Fits with covariates against each other: the same tests, through the same code, as without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.diagnostics.vuong import Vuong
from mlece.errors import ComparisonError, DataError, UnknownNameError
from mlece.fits.result import Fit
from mlece.studies.measures import INTERVALS
from mlece.studies.plan import make_plan

REFERENCE = Path(__file__).parent / "reference"
PAIRS = json.loads((REFERENCE / "model_pairs.json").read_text(encoding="utf-8"))
CASES = {
    case["id"]: case
    for case in json.loads((REFERENCE / "regressions.json").read_text(encoding="utf-8"))["cases"]
}


def covariates(rows: list[list[float]]) -> dict[str, Any]:
    """Columns after that of ones, x1 and on."""
    return {f"x{j}": column for j, column in enumerate(np.array(rows, dtype=float).T) if j}


def every(given: dict[str, Any]) -> str:
    return " + ".join(given)


QUINE = covariates(PAIRS["quine"]["X"])
DAYS = np.array(PAIRS["quine"]["y"])
ART = covariates(CASES["art-glm-pois"]["X"])
ARTICLES = np.array(CASES["art-glm-pois"]["y"])


@pytest.fixture(scope="module")
def quine() -> tuple[Fit, Fit]:
    models = [mlece.Poisson(rate=every(QUINE)), mlece.NegativeBinomial(mean=every(QUINE))]
    one, two = (mlece.fit(m, DAYS, given=QUINE) for m in models)
    return one, two


def articles(name: str) -> Fit:
    rate = every(ART)
    poisson, negbin = mlece.Poisson(rate=rate), mlece.NegativeBinomial(mean=rate)
    model = {
        "poisson": poisson,
        "negbin": negbin,
        "zip": mlece.Inflated(poisson, at=0, probability=rate),
        "zinb": mlece.Inflated(negbin, at=0, probability=rate),
        "hurdle": mlece.Hurdle(poisson, probability=rate),
    }[name]
    return mlece.fit(model, ARTICLES, given=ART)


# -------------------------------------------------------------------------------- published values


def held_against(first: Fit, second: Fit, result: dict[str, Any]) -> Vuong:
    """Hold statistic, variance and corrections against R's, 15 digits at R's own optimum."""
    found, direct = mlece.vuong(first, second), result["direct"]
    assert found.value == pytest.approx(direct["lr"], rel=1e-6)
    assert found.variance == pytest.approx(direct["omega2_div_n"], rel=1e-5)
    assert found.statistic == pytest.approx(direct["z_div_n"], rel=1e-5)
    # R takes the variance with divisor n - 1.
    root = np.sqrt((found.n - 1) / found.n)
    for name in ("aic", "bic"):
        corrected = mlece.vuong(first, second, correction=name).statistic * root
        assert corrected == pytest.approx(direct[f"z_{name}"], rel=1e-4)
    return found


def test_poisson_against_negative_binomial(quine: tuple[Fit, Fit]) -> None:
    found = held_against(*quine, PAIRS["quine"]["result"])
    assert found.verdict == "second"
    assert found.p_first == pytest.approx(PAIRS["quine"]["result"]["nonnest2"]["pA"], abs=1e-12)


@pytest.mark.parametrize("pair", ["zip-hurdle", "poisson-zip", "negbin-zinb"])
def test_zero_inflated_and_hurdle_models(pair: str) -> None:
    result = PAIRS[f"art-{pair}"]["result"]
    first, second = (articles(name) for name in pair.split("-"))
    found = held_against(first, second, result)
    logs = [fit.log_likelihood for fit in (first, second)]
    np.testing.assert_allclose(logs, result["loglik"], rtol=1e-8)
    assert found.p_first == pytest.approx(result["nonnest2_vuongtest"]["p_1_better"], rel=1e-3)


def test_equal_densities_are_told_like_in_R() -> None:
    # R's information is numerical there, ours exact: three digits of the p-value agree.
    found = mlece.vuong(articles("zip"), articles("hurdle"))
    known = PAIRS["art-zip-hurdle"]["result"]["nonnest2_vuongtest"]
    assert found.p_same == pytest.approx(known["p_distinguish"], rel=2e-3)
    assert found.verdict == "indistinguishable"


def test_exponential_against_censored_weibull_regression() -> None:
    case, known = CASES["lung-weibull"], PAIRS["lung-exponential-weibull"]["result"]
    given = covariates(case["X"])
    times = mlece.right_censored(case["y"], np.array(case["censoring"]["event"], dtype=bool))
    fit = mlece.fit(mlece.Weibull(scale=every(given)), times, given=given)
    tests = mlece.restriction(fit, shape=1)
    assert tests.likelihood_ratio == pytest.approx(known["LR"], rel=1e-8)
    assert tests.likelihood_ratio_p == pytest.approx(known["p"], rel=1e-7)
    logs = [tests.restricted.log_likelihood, fit.log_likelihood]
    np.testing.assert_allclose(logs, known["loglik"], rtol=1e-10)
    # An exponential law is the same law whichever family it is written in.
    alone = mlece.fit(mlece.Exponential(rate=every(given)), times, given=given)
    assert alone.log_likelihood == pytest.approx(known["loglik"][0], rel=1e-10)
    assert mlece.vuong(alone, fit).value == pytest.approx(-0.5 * known["LR"], rel=1e-8)


def test_logit_against_probit() -> None:
    data = json.loads((REFERENCE / "affairs.json").read_text(encoding="utf-8"))
    columns = ("age", "yearsmarried", "religiousness", "occupation", "rating")
    given = {name: np.array(data[name], dtype=float) for name in columns}
    had = (np.array(data["affairs"]) > 0).astype(int)
    terms = mlece.linear(" + ".join(columns))
    logit, probit = (
        mlece.fit(mlece.Bernoulli(p=terms(terms.terms, link=link)), had, given=given)
        for link in ("logit", "probit")
    )
    found, known = mlece.vuong(logit, probit), PAIRS["affairs-logit-probit"]["result"]
    # The log densities differ by 1e-3 of their size: digits of the estimates are lost in the spread.
    assert found.value == pytest.approx(known["lr"], rel=1e-8)
    assert np.sqrt(found.variance) == pytest.approx(known["omega"], rel=1e-6)
    assert found.statistic == pytest.approx(known["z"], rel=1e-6)


def test_j_test_of_published_pair() -> None:
    case, known = CASES["stackloss-lm"], PAIRS["stackloss-j"]["result"]
    given, y = covariates(case["X"]), case["y"]
    air, water = (mlece.fit(mlece.Gaussian(mean=m), y, given=given) for m in ("x1 + x3", "x2 + x3"))
    found = mlece.j_test(air, water)
    for side, name in ((found.first, "M1 + fitted(M2)"), (found.second, "M2 + fitted(M1)")):
        assert side.coefficient == pytest.approx(known[name]["estimate"], rel=1e-9)
        assert side.statistic == pytest.approx(known[name]["t"], rel=1e-9)
        assert side.p_value == pytest.approx(known[name]["p"], rel=1e-8)
        assert side.df == 17
    assert found.verdict == "neither"
    turned = mlece.j_test(water, air)
    assert turned.first == found.second
    assert "both are rejected" in str(found)


def test_j_test_refuses_what_it_is_not_for() -> None:
    case = CASES["stackloss-lm"]
    given, y = covariates(case["X"]), case["y"]
    air = mlece.fit(mlece.Gaussian(mean="x1"), y, given=given)
    both = mlece.fit(mlece.Gaussian(mean="x1 + x2"), y, given=given)
    spread = mlece.fit(mlece.Gaussian(mean="x2", sd="x1"), y, given=given)
    with pytest.raises(ComparisonError, match="neither holds the other"):
        mlece.j_test(air, both)
    with pytest.raises(ComparisonError, match="one sd for all"):
        mlece.j_test(air, spread)


# -------------------------------------------------------------------------------- the same data


def test_other_responses_are_named(quine: tuple[Fit, Fit]) -> None:
    other = DAYS.copy()
    other[[3, 9]] += 1
    fit = mlece.fit(mlece.Poisson(rate="x1"), other, given=QUINE)
    with pytest.raises(ComparisonError, match=r"2 of 146 that differ, .* at position 3"):
        mlece.vuong(quine[0], fit)


def test_rows_left_out_must_be_the_same() -> None:
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=30) for name in "ab"}
    given["a"][4] = given["b"][7] = np.nan
    y = np.arange(30.0) % 7
    y[7] = y[4]
    fits = [mlece.fit(mlece.Gaussian(mean=m), y, given=given, missing="drop") for m in "ab"]
    with pytest.raises(ComparisonError, match="1 and 1 rows left out"):
        mlece.vuong(*fits)


def test_laws_without_covariates_are_another_kind(quine: tuple[Fit, Fit]) -> None:
    with pytest.raises(ComparisonError, match="nothing but a constant"):
        mlece.vuong(quine[0], mlece.fit("poisson", DAYS))


def test_a_constant_alone_is_the_family_itself() -> None:
    # A predictor with a constant alone has the laws of the family: every statistic is the same.
    constant = [
        mlece.fit(m, DAYS, given=QUINE) for m in (mlece.Poisson(rate="1"), mlece.Geometric(p="1"))
    ]
    plain = [mlece.fit(m, DAYS) for m in ("poisson", "geometric")]
    for test in (mlece.vuong, mlece.shi):
        ours, theirs = test(*constant), test(*plain)
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
        assert ours.value == pytest.approx(theirs.value, rel=1e-9)
    assert mlece.clarke(*constant).value == mlece.clarke(*plain).value


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(1)
    x, counts = rng.normal(size=60), rng.integers(1, 4, 60)
    y = np.exp(0.5 + x + rng.normal(size=60))
    rows = np.repeat(np.arange(60), counts)
    models = (mlece.LogNormal(meanlog="x"), mlece.Gamma(rate="x"))
    weighted = [mlece.fit(m, y, weights=counts, given={"x": x}) for m in models]
    repeated = [mlece.fit(m, y[rows], given={"x": x[rows]}) for m in models]
    for test in (mlece.vuong, mlece.shi):
        one, two = test(*weighted), test(*repeated)
        assert one.statistic == pytest.approx(two.statistic, rel=1e-8)
    one, two = (fits[0].test("x") for fits in (weighted, repeated))
    assert one.score_robust == pytest.approx(two.score_robust, rel=1e-8)


def test_batches_are_single_fits() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=80)
    y = np.exp(1 + 0.3 * x + rng.normal(size=(5, 80)))
    models = (mlece.LogNormal(meanlog="x"), mlece.Exponential(rate="x"))
    batch = [mlece.fit(m, y, given={"x": x}) for m in models]
    single = [mlece.fit(m, y[3], given={"x": x}) for m in models]
    assert mlece.vuong(*batch).statistic[3] == pytest.approx(mlece.vuong(*single).statistic)
    assert mlece.clarke(*batch).value[3] == mlece.clarke(*single).value
    assert batch[0].test("x").score_robust[3] == pytest.approx(single[0].test("x").score_robust)


# -------------------------------------------------------------------------------- terms


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    n = 240
    out: dict[str, Any] = {
        "age": rng.normal(40, 10, n),
        "sex": rng.choice(["f", "m"], n),
        "site": rng.choice(["a", "b", "c"], n),
    }
    out["bmi"] = 20 + 0.1 * out["age"] + (out["sex"] == "m") + rng.normal(size=n)
    return out


def test_a_factor_is_dropped_whole(table: dict[str, Any]) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age + C(sex) + site", sd="age"), "bmi", given=table)
    without = mlece.fit(mlece.Gaussian(mean="age + C(sex)", sd="age"), "bmi", given=table)
    tests = fit.test("site")
    assert tests.restrictions == 2
    deviance = 2 * (fit.log_likelihood - without.log_likelihood)
    assert tests.likelihood_ratio == pytest.approx(deviance, abs=1e-8)
    assert tests.likelihood_ratio_p == pytest.approx(stats.chi2.sf(deviance, 2), rel=1e-6)
    for name in ("mean", "sd"):
        kept = without.params[f"{name}[age]"]
        assert tests.restricted.params[f"{name}[age]"] == pytest.approx(kept, rel=1e-6)


def test_a_term_of_two_predictors(table: dict[str, Any]) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age*C(sex)", sd="age"), "bmi", given=table)
    assert fit.test("age").restrictions == 2
    assert fit.test("age", slot="sd").hypothesis.endswith("sd[age] = 0")
    assert fit.test("sd[age]").wald == fit.test("age", slot="sd").wald
    assert fit.test("C(sex):age").restrictions == 1
    assert fit.test(["C(sex)[T.m]", "age:C(sex)"]).restrictions == 2


def test_one_coefficient_by_its_standard_errors(table: dict[str, Any]) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age + C(sex)"), "bmi", given=table)
    tests, name = fit.test(["C(sex)[T.m]"]), "mean[C(sex)[T.m]]"
    for kind, wald in (("hessian", tests.wald), ("sandwich", tests.wald_robust)):
        ratio = fit.params[name] / fit.standard_errors(kind)[name]
        assert wald == pytest.approx(ratio**2, rel=1e-8)


def test_tests_of_a_linear_model_in_closed_form(table: dict[str, Any]) -> None:
    # Likelihood ratio n log(RSS/RSS), and Wald's test with White's covariance (HC0).
    fit = mlece.fit(mlece.Gaussian(mean="age + site"), "bmi", given=table)
    x = fit.conditional.terms[0].design.matrix
    y = np.asarray(table["bmi"])
    beta = np.linalg.lstsq(x, y)[0]
    rest, small = y - x @ beta, y - x[:, :2] @ np.linalg.lstsq(x[:, :2], y)[0]
    tests = fit.test("site")
    ratio = len(y) * np.log((small @ small) / (rest @ rest))
    assert tests.likelihood_ratio == pytest.approx(ratio, rel=1e-9)
    bread = np.linalg.inv(x.T @ x)
    white = (bread @ (x.T * rest**2) @ x @ bread)[2:, 2:]
    wald = beta[2:] @ np.linalg.solve(white, beta[2:])
    assert tests.wald_robust == pytest.approx(wald, rel=1e-9)


def test_table_of_terms(table: dict[str, Any]) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age + C(sex) + site", sd="age"), "bmi", given=table)
    found = fit.terms()
    assert [(r.slot, r.term, r.tests.restrictions) for r in found.rows] == [
        ("mean", "age", 1),
        ("mean", "C(sex)", 1),
        ("mean", "site", 2),
        ("sd", "age", 1),
    ]
    frame = found.to_frame()
    assert frame["df"].tolist() == [1, 1, 2, 1]
    assert frame["score_robust_p"][2] == fit.test("site").score_robust_p
    assert "mean: site" in str(found)
    assert [r.slot for r in fit.terms("sd").rows] == ["sd"]


def test_terms_that_are_not_there(table: dict[str, Any]) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age"), "bmi", given=table)
    with pytest.raises(UnknownNameError, match="sd"):
        fit.test("age", slot="sd")
    with pytest.raises(UnknownNameError, match="term"):
        fit.test("agee")


def test_level_of_term_tests() -> None:
    # Errors whose spread grows with a covariate without effect. 4,000 samples: s.e. 0.0035 at 5 %; the
    # robust tests err by a term of order 1/n besides, about 0.01 here, the naive ones by a factor of 3.
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 600))
    y = z + np.exp(0.5 * x) * rng.normal(size=(4000, 600))
    tests = mlece.fit(mlece.Gaussian(mean="x + z"), y, given={"x": x, "z": z}).test("x")
    for p in (tests.likelihood_ratio_robust_p, tests.wald_robust_p, tests.score_robust_p):
        assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.01 + 3 * 0.0035)
    for p in (tests.likelihood_ratio_p, tests.wald_p, tests.score_p):
        assert np.mean(p <= 0.05) > 0.12


# -------------------------------------------------------------------------------- Cox, universal


def test_cox_of_two_link_functions_apart() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 2, 150)
    y = rng.gamma(3.0, np.exp(0.5 + x) / 3.0)
    fits = [
        mlece.fit(m, y, given={"x": x})
        for m in (mlece.Gamma(rate="x"), mlece.LogNormal(meanlog="x"))
    ]
    found = mlece.cox(*fits, replicates=99)
    assert found.verdict == "first"
    assert found.names == ("Gamma given covariates", "LogNormal given covariates")


def test_cox_refuses_nested_predictors() -> None:
    small, large = (mlece.fit(mlece.Poisson(rate=t), DAYS, given=QUINE) for t in ("x1", "x1 + x2"))
    with pytest.raises(ComparisonError, match="one within the other"):
        mlece.cox(small, large)
    with pytest.raises(ComparisonError, match="one within the other"):
        mlece.cox(large, small)


def test_cox_takes_predictors_that_are_not_nested() -> None:
    fits = [mlece.fit(mlece.Poisson(rate=t), DAYS, given=QUINE) for t in ("x1", "x2")]
    found = mlece.cox(*fits, replicates=59)
    assert "Poisson given rate: Intercept, x1" in found.names[0]
    assert found.verdict == "neither"


def test_universal_test_on_halves_of_the_rows() -> None:
    poisson, negbin = mlece.Poisson(rate="x1"), mlece.NegativeBinomial(mean="x1")
    found = mlece.universal_test(poisson, DAYS, given=QUINE, alternatives=[negbin])
    assert found.rejected
    assert found.alternative == "NegativeBinomial given covariates"
    assert mlece.universal_test(poisson, DAYS, given=QUINE).rejected
    assert not mlece.universal_test(negbin, DAYS, given=QUINE, alternatives=[poisson]).rejected
    sequence = mlece.universal_sequence(poisson, DAYS, given=QUINE, alternatives=[negbin], looks=5)
    assert sequence.stopped is not None


def test_universal_test_finds_a_spread_that_varies() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    y = x + np.exp(0.5 * x) * rng.normal(size=400)
    wide = mlece.Gaussian(mean="x", sd="x")
    plain = mlece.Gaussian(mean="x")
    assert mlece.universal_test(plain, y, given={"x": x}, alternatives=[wide]).rejected
    assert not mlece.universal_test(wide, y, given={"x": x}, alternatives=[plain]).rejected


def test_universal_test_holds_its_level() -> None:
    # 40 samples of a right model: e >= 20 in 5 % of them at most, and in practice in none.
    rng = np.random.default_rng(7)
    x = rng.normal(size=40)
    samples = rng.poisson(np.exp(0.5 + 0.5 * x), (40, 40))
    model, other = mlece.Poisson(rate="x"), mlece.NegativeBinomial(mean="x")
    errors = [
        mlece.universal_test(model, y, given={"x": x}, alternatives=[other]).rejected
        for y in samples
    ]
    assert not any(errors)


# -------------------------------------------------------------------------------- compare


def test_families_and_predictors_are_ranked() -> None:
    given = {**QUINE, "days": DAYS}
    models = [
        mlece.Poisson(rate=every(QUINE)),
        mlece.NegativeBinomial(mean="1"),
        mlece.NegativeBinomial(mean=every(QUINE)),
        mlece.NegativeBinomial(mean="x1"),
    ]
    found = mlece.compare(models, "days", given=given)
    assert found.ranked[0].name.startswith("NegativeBinomial(mean='x1 +")
    assert found.ranked[-1].name.startswith("Poisson")
    for row in found.ranked:
        alone = mlece.leave_one_out(row.fit)
        assert row.held_out == pytest.approx(alone.cross_entropy, rel=1e-9)
    aic = [row.fit.aic for row in found.ranked]
    np.testing.assert_allclose([r.delta_aic for r in found.ranked], np.array(aic) - min(aic))
    assert np.isnan(found.floor)
    assert "Responses given covariates show no entropy floor" in str(found)
    assert found.pairs.statistic[0, -1] > 6


def test_models_without_a_predictor_stand_beside_those_with_one() -> None:
    """A gamma law tells in no slot alone where it lies: a constant may stand in any."""
    models = [mlece.MeanGamma(mean="x1"), "gamma", "meangamma"]
    found = mlece.compare(models, DAYS + 1.0, given=QUINE)
    fits = {row.name: row.fit for row in found.rows}
    assert set(fits) == {"MeanGamma(mean='x1')", "Gamma(shape='1')", "MeanGamma(mean='1')"}
    alone = mlece.fit("gamma", DAYS + 1.0).log_likelihood
    for name in ("Gamma(shape='1')", "MeanGamma(mean='1')"):
        fit = fits[name]
        assert fit is not None
        assert fit.log_likelihood == pytest.approx(alone, rel=1e-10)
    with pytest.raises(ComparisonError, match="a known law"):
        mlece.compare([mlece.Poisson(rate="x1"), mlece.Poisson(rate=3)], DAYS, given=QUINE)
    with pytest.raises(DataError, match="one sample"):
        mlece.compare([mlece.Poisson(rate="x1")], np.stack([DAYS, DAYS]), given=QUINE)


LUNG = mlece.datasets.lung().columns
TERMS = "age + C(sex)"


def lung_models() -> list[mlece.Model]:
    return [
        mlece.Weibull(scale=TERMS),
        mlece.LogLogistic(scale=TERMS),
        mlece.LogNormal(meanlog=TERMS),
    ]


def in_months() -> Any:
    """Times known to the month in which a visit found a patient alive for the last time."""
    begun = np.floor(LUNG["days"] / 30) * 30
    return mlece.censored(begun, np.where(LUNG["died"] == 1, begun + 30, np.inf))


# Log-likelihoods of survreg() in survival 3.5-3 under R 4.2.2; the cross-entropies held out from its
# 227 refits without one patient each, rel.tolerance 1e-12.
SURVREG: dict[str, tuple[Any, list[float]]] = {
    "right": (
        lambda: mlece.right_censored(LUNG["days"], LUNG["died"]),
        [-1140.7570235309, -1146.7096358179, -1152.7909446959],
    ),
    "left": (
        lambda: mlece.censored(
            np.where(LUNG["days"] < 100, -np.inf, LUNG["days"]), np.maximum(LUNG["days"], 100.0)
        ),
        [-1358.1054124436, -1362.4119364676, -1360.4801510538],
    ),
    "interval": (in_months, [-580.6682273297, -585.3832476594, -587.6486356629]),
}
LEFT_OUT = [5.044888384481, 5.070352303965, 5.100520827962]


@pytest.mark.parametrize("kind", SURVREG)
def test_incomplete_responses_given_covariates_are_compared(kind: str) -> None:
    data, known = SURVREG[kind][0](), SURVREG[kind][1]
    found = mlece.compare(lung_models(), data, given=LUNG, criterion="tic")
    fits = {row.name.split("(")[0]: row.fit for row in found.ranked}
    for name, value in zip(("Weibull", "LogLogistic", "LogNormal"), known, strict=True):
        assert fits[name].log_likelihood == pytest.approx(value, rel=1e-12)
    assert f"given covariates ({repr(data)[len('<Censored: ') : -1]})" in str(found)


def test_censored_models_with_covariates_are_ranked_by_what_is_held_out() -> None:
    data = mlece.right_censored(LUNG["days"], LUNG["died"])
    found = mlece.compare(lung_models(), data, given=LUNG)
    assert found.scheme == "leave-one-out"
    assert [row.held_out for row in found.rows] == pytest.approx(LEFT_OUT, rel=1e-11)
    assert found.rows[1].se > 0
    assert sum(row.weight for row in found.rows) == pytest.approx(1)
    first, second = (row.fit for row in found.rows[:2])
    assert first is not None
    assert second is not None
    assert found.pairs.statistic[0, 1] == mlece.vuong(first, second).statistic
    assert found.stacking.cross_entropy <= found.rows[0].held_out
    _, drawn = found.plot()
    assert drawn.held_out == pytest.approx(LEFT_OUT, rel=1e-11)


def test_delayed_entries_weights_and_gaps_in_covariates() -> None:
    rng = np.random.default_rng(2)
    entry = np.minimum(0.3 * LUNG["days"], 100 * rng.random(len(LUNG["days"])))
    data = mlece.right_censored(LUNG["days"], LUNG["died"], entry)
    age = np.where(np.arange(len(entry)) % 50 == 7, np.nan, LUNG["age"])
    frame = {**LUNG, "age": age, "twice": np.full(len(entry), 2)}
    models, options = lung_models(), {"criterion": "tic", "missing": "drop"}
    found = mlece.compare(models, data, given=frame, weights="twice", **options)
    here = np.isfinite(age)
    rest = {k: v[here] for k, v in frame.items()}
    kept = mlece.right_censored(rest["days"], rest["died"], entry[here])
    known = mlece.compare(models, kept, given=rest, weights=rest["twice"], criterion="tic")
    assert [r.held_out for r in found.rows] == [r.held_out for r in known.rows]
    assert found.n == 2 * here.sum()
    each = mlece.cross_validate(models[0], data, given=frame, missing="drop")
    fit = mlece.fit(models[0], kept, given=rest)
    assert each.cross_entropy == pytest.approx(mlece.cross_validate(fit).cross_entropy, rel=1e-9)


def test_formulas_and_expressions_are_compared() -> None:
    frame = {**QUINE, "days": DAYS}
    named = mlece.compare(["poisson", "negativebinomial"], "days ~ x1 + x2", given=frame)
    models = [mlece.Poisson(rate="x1 + x2"), mlece.NegativeBinomial(mean="x1 + x2")]
    known = mlece.compare(models, DAYS, given=QUINE)
    assert [(r.name, r.held_out) for r in named.rows] == [(r.name, r.held_out) for r in known.rows]
    assert named.name == "days"
    with pytest.raises(DataError, match="models that are named"):
        mlece.compare("days ~ x1", given=frame)
    line = [mlece.Gaussian(mean="x1"), mlece.Laplace(loc="x1")]
    logs = mlece.compare(line, "log(days + 1)", given=frame)
    by_hand = mlece.compare(line, np.log(DAYS + 1), given=QUINE)
    assert [row.held_out for row in logs.rows] == [row.held_out for row in by_hand.rows]
    again = mlece.compare(["gaussian", "laplace"], "log(days + 1) ~ x1", given=frame)
    assert [row.held_out for row in logs.rows] == [row.held_out for row in again.rows]


def test_a_batch_of_censored_samples_is_not_compared() -> None:
    twice = mlece.right_censored(
        np.stack([LUNG["days"], LUNG["days"]]), np.stack([LUNG["died"], LUNG["died"]])
    )
    with pytest.raises(DataError, match="one sample"):
        mlece.compare(lung_models(), twice, given=LUNG)


def test_counts_of_groups_go_with_their_rows() -> None:
    counts = [5, 8, 3, 2, 3, 4]
    data = mlece.grouped([0, 1, 2, 3, 4, 5, np.inf], counts)
    given = {"x": np.array([0, 1, np.nan, 3, 1, 2])}
    models = [mlece.Weibull(scale="x"), mlece.LogNormal()]
    found = mlece.compare(models, data, given=given, missing="drop")
    assert found.n == sum(counts) - 3
    # Without a predictor the frame holds the weights alone.
    frame = {"times": np.arange(1, 7)}
    alone = mlece.compare(
        ["weibull"], mlece.censored(range(6), range(1, 7)), weights="times", given=frame
    )
    assert alone.n == 21


def test_cox_of_censored_responses_given_covariates() -> None:
    """The log-normal survival of lung cancer is rejected, Weibull's is not."""
    fits = [
        mlece.fit(model, SURVREG[kind][0](), given=LUNG)
        for kind in ("right", "interval")
        for model in (lung_models()[0], lung_models()[2])
    ]
    for i in (0, 2):
        assert mlece.cox(fits[i], fits[i + 1], replicates=99).verdict == "first"


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_comparison_as_a_frame(backend: str) -> None:
    pytest.importorskip(backend)
    models = [mlece.Poisson(rate="x1"), mlece.NegativeBinomial(mean="x1")]
    found = mlece.compare(models, DAYS, given=QUINE)
    frame = found.to_frame(backend)
    assert type(frame).__module__.startswith(backend)
    assert frame["model"][0] == found.rows[0].name or backend == "pyarrow"
    with pytest.raises(UnknownNameError):
        found.to_frame("tables")


# -------------------------------------------------------------------------------- stacking


def test_stacking_weights_are_optimal() -> None:
    models = [mlece.NegativeBinomial(mean=t) for t in ("1", "x1", "x1 + x2", "x3")]
    found = mlece.compare(models, DAYS, given=QUINE)
    stacked = found.stacking
    assert stacked.weights.sum() == pytest.approx(1.0)
    assert 0 <= stacked.excess <= 1e-9
    assert stacked.cross_entropy <= found.ranked[0].held_out
    q = np.stack([row.foretold for row in found.ranked], axis=1)
    rng = np.random.default_rng(8)
    others = rng.dirichlet(np.ones(4), 2000)
    values = -np.log(np.exp(q) @ others.T).mean(axis=0)
    assert values.min() >= stacked.cross_entropy - stacked.excess - 1e-12
    assert "Stacked" in str(stacked)


def test_stacking_needs_observations_left_out() -> None:
    models = [mlece.Poisson(rate="x1"), mlece.NegativeBinomial(mean="x1")]
    found = mlece.compare(models, DAYS, given=QUINE, criterion="tic")
    with pytest.raises(ComparisonError, match="held out"):
        found.stacking  # noqa: B018


# -------------------------------------------------------------------------------- studies

COVERAGE = json.loads((REFERENCE / "coverage.json").read_text(encoding="utf-8"))
# The sandwich of a linear model is White's HC0.
HELD = {"naive": "wald hessian", "HC0": "wald sandwich", "HC2": "wald HC2", "HC3": "wald HC3"}
SPREADS = mlece.conditional_truth(
    y=lambda x: mlece.Gaussian(mean=0, sd=np.exp(x / 2)),
    x=mlece.Gaussian(mean=0, sd=1),
    name="variance e^x",
)


@pytest.mark.parametrize(("n", "replicates"), [(50, 1500), (200, 800), (1000, 400)])
def test_coverage_of_a_slope_under_unequal_variances(n: int, replicates: int) -> None:
    known = COVERAGE[f"hetero c=1 slope n={n}"]
    kinds = {name: kind for name, kind in HELD.items() if kind in INTERVALS}
    found = mlece.study(
        SPREADS,
        mlece.Gaussian(mean="x"),
        sizes=n,
        replicates=replicates,
        intervals=list(kinds.values()),
    )
    row = found.rows[0]
    for name, kind in kinds.items():
        share, se = known[name]
        own = row[f"coverage_se.{kind}.mean[x]"]
        assert abs(row[f"coverage.{kind}.mean[x]"] - share) <= 3 * np.hypot(se, own)
    # KL(p* ‖ q_θ*) = c²/4, and the slope's variance is 1 + c² times the naive one.
    assert row["approximation"] == pytest.approx(0.25, abs=1e-9)
    assert row["spread_limit.mean[x]"] == pytest.approx(np.sqrt(2 * np.exp(0.5) / n), rel=1e-8)
    assert abs(row["bias.mean[x]"]) <= 4 * row["bias_se.mean[x]"]
    assert row["train_excess"] < 0.25 < row["population"] - row["floor"]


def test_models_of_a_study_with_covariates_are_compared() -> None:
    x = np.linspace(-1, 1, 30)
    truth = mlece.conditional_truth(y=lambda x: mlece.Poisson(rate=np.exp(1 + x)), x={"x": x})
    found = mlece.study(
        truth,
        [mlece.Poisson(rate="x"), mlece.Poisson(rate="1")],
        sizes=60,
        replicates=300,
        tests=["vuong", "wald"],
        design="fixed",
    )
    right, wrong = found.rows
    assert right["approximation"] == pytest.approx(0.0, abs=1e-12)
    assert wrong["approximation"] > 0.1
    assert right["rejected.vuong.Poisson(rate='1').nearer"] > 0.9
    assert right["rejected.wald"] == pytest.approx(0.05, abs=4 * 0.0126)
    # A right model costs k/2n nats on new data, and as much less on its own.
    assert right["estimation"] == pytest.approx(2 / 120, rel=0.2)
    assert right["train_excess"] == pytest.approx(-2 / 120, rel=0.2)
    # One covariate left out: what is unexplained of it at fixed covariates enters no sample.
    assert wrong["optimism"] < wrong["optimism_limit"]


def test_a_fit_is_a_truth_at_its_covariates() -> None:
    fit = mlece.fit(mlece.NegativeBinomial(mean="x1"), DAYS, given=QUINE)
    model = mlece.NegativeBinomial(mean="x1")
    found = mlece.study(fit, model, sizes=146, replicates=60, design="fixed")
    row = found.rows[0]
    for name, value in fit.params.items():
        assert row[f"pseudo_true.{name}"] == pytest.approx(value, rel=1e-5)


def test_parts_of_a_study_with_covariates_are_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": 25, "replicates": 20, "intervals": ()}
    path = tmp_path / "found.csv"
    first = mlece.study(SPREADS, mlece.Gaussian(mean="x"), out=path, **options)
    again = mlece.study(SPREADS, mlece.Gaussian(mean="x"), out=path, **options)
    assert first.rows == again.rows
    assert len(list((tmp_path / "found.csv.parts").iterdir())) == 1

    def scaled(c: float) -> Any:
        return mlece.conditional_truth(
            y=lambda x: mlece.Gaussian(mean=0, sd=np.exp(c * x)), x=mlece.Gaussian(mean=0, sd=1)
        )

    keys = {
        plan.key(plan.parts("conditional truth", 25)[0])
        for plan in (
            make_plan(scaled(c), mlece.Gaussian(mean="x"), 25, 20, 0, (), (), 0.95) for c in (1, 2)
        )
    }
    # What a function closes over tells truths apart.
    assert len(keys) == 2


def test_fixed_designs_need_rows() -> None:
    model = mlece.Gaussian(mean="x")
    with pytest.raises(DataError, match="a sample of covariates"):
        mlece.study(SPREADS, model, sizes=50, replicates=5, design="fixed")
    x = np.arange(20.0)
    truth = mlece.conditional_truth(y=lambda x: mlece.Gaussian(mean=x, sd=1), x={"x": x})
    with pytest.raises(DataError, match="multiples of the 20 rows"):
        mlece.study(truth, model, sizes=50, replicates=5, design="fixed")
    with pytest.raises(UnknownNameError, match="design"):
        mlece.study(truth, model, sizes=20, replicates=5, design="random")


def test_terms_of_ordinal_regressions_are_whole_factors() -> None:
    """Their design has no constant, the formula has."""
    rng = np.random.default_rng(3)
    given = {"s": np.tile(list("abc"), 20), "x": rng.normal(size=60), "y": rng.integers(0, 3, 60)}
    fit = mlece.fit(mlece.Ordinal(), "y ~ s + x", given=given)
    assert [row.term for row in fit.terms().rows] == ["s", "x"]
    assert fit.terms().rows[0].coefficients == ("location[s[T.b]]", "location[s[T.c]]")
    assert "2 restriction(s)" in str(fit.test("s"))
