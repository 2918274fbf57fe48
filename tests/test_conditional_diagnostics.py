"""What is asked of single fits, asked of fits with covariates: through the same functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import mlece
from mlece import errors
from mlece.combinators.observed import drawn_like, laws_at
from mlece.diagnostics.expected import expected
from mlece.refits.bootstrap import resampled

REFERENCE = Path(__file__).parent / "reference"
SIZES = json.loads((REFERENCE / "im_test_probit_sizes.json").read_text())["sizes"]
AFFAIRS = json.loads((REFERENCE / "affairs.json").read_text())
RNG = np.random.default_rng(12)
N = 90
X, Z = RNG.normal(size=(2, N))
GIVEN = {"x": X, "z": Z}
PROBIT = mlece.linear("x", link="probit")
TIMES = np.exp(1 + 0.3 * X) * RNG.exponential(size=N)
LOSSES = RNG.exponential(6.0, size=N)
CENSORED = mlece.right_censored(np.minimum(TIMES, LOSSES), TIMES <= LOSSES)

MODELS: dict[str, Any] = {
    "gaussian": mlece.Gaussian(mean="x", sd="z"),
    "poisson": mlece.Poisson(rate="x"),
    "negative binomial": mlece.NegativeBinomial(mean="x"),
    "logit": mlece.Bernoulli(p="x + z"),
    "probit": mlece.Bernoulli(p=PROBIT),
    "binomial": mlece.Binomial(n=6, p="x"),
    "gamma": mlece.MeanGamma(mean="x"),
}


def responses(name: str, size: tuple[int, ...] = (N,)) -> np.ndarray:
    rng = np.random.default_rng(len(name))
    if name == "gaussian":
        return 1 + 2 * X + np.exp(0.2 + 0.3 * Z) * rng.normal(size=size)
    if name == "gamma":
        return np.exp(0.5 + 0.4 * X) * rng.gamma(3.0, 1 / 3, size=size)
    if name in ("logit", "probit"):
        return 1 * (rng.random(size) < special.expit(0.3 + X))
    if name == "binomial":
        return rng.binomial(6, special.expit(0.3 + X), size=size)
    frailty = rng.gamma(3.0, 1 / 3, size=size) if name == "negative binomial" else 1.0
    return rng.poisson(np.exp(0.5 + 0.4 * X) * frailty, size=size)


def fitted(name: str, size: tuple[int, ...] = (N,), **options: Any) -> Any:
    return mlece.fit(MODELS[name], responses(name, size), given=GIVEN, **options)


# ------------------------------------------------------------------ laws of observations


@pytest.mark.parametrize("name", MODELS)
def test_each_observation_is_asked_of_its_own_law(name: str) -> None:
    fit = fitted(name, (2, N))
    values, predicted = fit.sample.values, fit.predict()
    law, y = laws_at(fit.model, values)
    for member, i in ((0, 3), (1, 40)):
        own = predicted.replace(
            **{p.name: v[member, i] for p, v in zip(predicted.params, predicted.theta, strict=True)}
        )
        at = y[member if len(y) > 1 else 0, i]
        assert law.cdf(y)[member, i] == pytest.approx(own.cdf(at), rel=1e-12)
        assert law.sf(y)[member, i] == pytest.approx(own.sf(at), rel=1e-12)
        assert law.log_density(y)[member, i] == pytest.approx(own.log_density(at), rel=1e-11)
        assert law.quantile(0.3)[member, i] == own.quantile(0.3)
    np.testing.assert_allclose(law.log_density(y), fit.model.log_density(values), rtol=1e-11)


def test_draws_have_the_covariates_of_the_data() -> None:
    fit = fitted("poisson", weights=RNG.integers(1, 4, N))
    like = fit.sample.values
    drawn = drawn_like(fit.model, like, 4000, np.random.default_rng(1))
    assert drawn.shape == (4000, N, 2)
    assert (drawn[..., 1] == like[..., 1]).all()
    rate = fit.predict().mean
    z = (drawn[..., 0].mean(axis=0) - rate) / np.sqrt(rate / 4000)
    assert np.abs(z).max() < 4.5
    assert (fit.model.draw((3, N), np.random.default_rng(0)).shape) == (3, N, 2)


# ------------------------------------------------------------------ bootstrap


def test_parametric_resamples_keep_frequency_weights_and_batches() -> None:
    w = np.stack([RNG.integers(0, 4, N), np.full(N, 2)])
    fit = fitted("poisson", (2, N), weights=w)
    (refit,) = resampled(fit, np.arange(2), 300, np.random.default_rng(1), "parametric")
    assert refit.n.tolist() == [[w[0].sum()] * 300, [2 * N] * 300]
    spread = refit.params["rate[x]"].std(axis=1)
    expected_errors = fit.standard_errors("fisher")["rate[x]"]
    # The standard deviation of 300 replicates has a standard error of 4 %.
    np.testing.assert_allclose(spread, expected_errors, rtol=0.16)


@pytest.mark.parametrize("bootstrap", ["percentile", "bca", "studentised"])
@pytest.mark.parametrize("resampling", ["parametric", "nonparametric"])
def test_bootstrap_intervals_agree_with_those_of_wald(bootstrap: str, resampling: str) -> None:
    fit = fitted("gaussian")
    found = fit.interval(
        method="bootstrap", bootstrap=bootstrap, resampling=resampling, replicates=1999
    )
    wald = fit.interval(method="wald")
    for name, pair in found.items():
        width = wald[name][1] - wald[name][0]
        np.testing.assert_allclose(pair, wald[name], atol=0.3 * width)


def test_resamples_of_a_linear_model_are_weighted_fits() -> None:
    """The bootstrap of pairs (Freedman 1981, Annals of Statistics 9, 1218-1228) is robust."""
    y = X + np.exp(0.5 * X) * np.random.default_rng(4).normal(size=N)
    fit = mlece.fit(mlece.Gaussian(mean="x"), y, given=GIVEN)
    (refit,) = resampled(fit, np.arange(1), 400, np.random.default_rng(1), "nonparametric")
    w = refit.sample.weights[7]
    one = mlece.fit(mlece.Gaussian(mean="x"), y, given=GIVEN, weights=w)
    assert refit.params["mean[x]"][0, 7] == pytest.approx(one.params["mean[x]"], rel=1e-10)
    spread = refit.params["mean[x]"].std()
    assert spread == pytest.approx(fit.standard_errors()["mean[x]"], rel=0.15)


def test_a_parametric_bootstrap_of_censored_responses() -> None:
    fit = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    drawn = fit.covariance("bootstrap", resampling="parametric", replicates=599, rng=1)
    # The spread of 599 replicates is known to 3 %, and is that of theory up to terms in 1/n.
    wanted = list(fit.standard_errors("hessian").values())
    np.testing.assert_allclose(np.sqrt(np.diag(drawn)), wanted, rtol=0.15)


def test_functions_of_the_fitted_laws() -> None:
    fit = fitted("poisson")
    found = fit.functional(lambda m: m.responses().mean.mean(axis=-1))
    rate = fit.predict().mean
    # At the optimum of a log-linear model the fitted means sum to the observations.
    assert found.estimate == pytest.approx(responses("poisson").mean(), rel=1e-12)
    slope = np.array([rate.mean(), (rate * X).mean()])
    se = np.sqrt(slope @ fit.covariance() @ slope)
    assert found.se() == pytest.approx(se, rel=1e-6)
    low, high = found.interval(method="profile")
    assert low < found.estimate < high


# ------------------------------------------------------------------ expected information


def test_affairs_has_the_published_standard_errors() -> None:
    """Of the expected information, as published with the R packages AER and sandwich."""
    y = (np.array(AFFAIRS["affairs"]) > 0) * 1
    terms = "age + yearsmarried + religiousness + occupation + rating"
    model = mlece.Bernoulli(p=mlece.linear(terms, link="probit"))
    fit = mlece.fit(model, y, given={k: AFFAIRS[k] for k in terms.split(" + ")})
    known = [
        0.3653774643862713, 0.010319291107754463, 0.017121469082630236,
        0.051715613970173505, 0.032845226025436984, 0.05257473462246815,
    ]  # fmt: skip
    observed = [
        0.3610480923135861, 0.010177371410119998, 0.017086004219945588,
        0.05149323906587935, 0.03284457590304345, 0.05247329470293036,
    ]  # fmt: skip
    np.testing.assert_allclose(list(fit.standard_errors("fisher").values()), known, rtol=1e-9)
    np.testing.assert_allclose(list(fit.standard_errors("hessian").values()), observed, rtol=1e-9)
    assert fit.trace == pytest.approx(6.1434903307879445, rel=1e-9)


@pytest.mark.parametrize("name", ["poisson", "logit", "binomial"])
def test_canonical_links_expect_what_they_observe(name: str) -> None:
    fit = fitted(name, (3, N))
    np.testing.assert_allclose(fit.covariance("fisher"), fit.covariance("hessian"), rtol=1e-9)


def test_expected_information_of_a_gaussian_with_two_predictors() -> None:
    y = responses("gaussian") * 1e6 + 3e7
    fit = mlece.fit(MODELS["gaussian"], y, given=GIVEN, weights=RNG.integers(1, 3, N))
    w, sd = fit.sample.weights[0], fit.predict().theta[1]
    one, two = (np.column_stack([np.ones(N), v]) for v in (X, Z))
    mean = np.linalg.inv(one.T @ ((w / sd**2)[:, None] * one))
    scale = np.linalg.inv(2 * two.T @ (w[:, None] * two))
    np.testing.assert_allclose(fit.covariance("fisher")[:2, :2], mean, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance("fisher")[2:, 2:], scale, rtol=1e-9)
    np.testing.assert_allclose(fit.covariance("fisher")[:2, 2:], 0, atol=1e-6 * mean[0, 0])


@pytest.mark.parametrize("name", ["negative binomial", "probit", "poisson"])
def test_expectations_are_sums_over_the_responses(name: str) -> None:
    fit = fitted(name)
    model, k = fit.model, len(fit.names)
    rows, columns = np.triu_indices(k)
    ss, ds, dd = np.zeros((k, k)), 0.0, 0.0
    for count in range(2 if name == "probit" else 200):
        at = fit.sample.values.copy()
        at[..., 0] = count
        mass = np.exp(model.log_density(at))[0]
        theta = tuple(v.reshape(1, 1) for v in model.theta)
        s = model.score(at)[0]
        h = np.asarray(model.curvature_hook(model.statistics(at), theta))[0]
        d = s[:, rows] * s[:, columns] + h[:, rows, columns]
        ss, ds, dd = (
            total + (mass[:, None] * a).T @ b / N
            for total, a, b in ((ss, s, s), (ds, d, s), (dd, d, d))
        )
    found = expected(fit).unframed()
    for one, other in ((found.scores, ss), (found.cross, ds), (found.indicators, dd)):
        np.testing.assert_allclose(one[0], other, atol=1e-8 * np.abs(other).max())


def test_censored_responses_have_no_expected_information() -> None:
    fit = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    with pytest.raises(errors.ComparisonError, match="complete responses for expected information"):
        fit.covariance("fisher")


# ------------------------------------------------------------------ information-matrix test


def test_the_gaussian_linear_model_has_the_parts_of_hall() -> None:
    """Hall (1987), Journal of the American Statistical Association 82, 257-263."""
    y = X + np.exp(0.3 * X) * np.random.default_rng(2).standard_t(5, N)
    fit = mlece.fit(mlece.Gaussian(mean="x + z"), y, given=GIVEN)
    test = mlece.information_matrix_test(fit, replicates=0)
    design = np.column_stack([np.ones(N), X, Z])
    u = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    u /= u.std()
    i, j = np.triu_indices(3)
    squares = design[:, i] * design[:, j]
    squares -= squares.mean(axis=0)

    def explained(a: np.ndarray, v: np.ndarray) -> float:
        return float(v @ a @ np.linalg.pinv(a) @ v)

    heteroskedasticity = explained(squares, u**2 - 1) / 2
    skewness = explained(design, u**3) / 6
    kurtosis = (u**4 - 3).sum() ** 2 / (24 * N)
    assert test.df == 9
    assert test.statistic == pytest.approx(heteroskedasticity + skewness + kurtosis, rel=1e-10)


@pytest.mark.parametrize("case", ["k=2 n=50 normal", "k=3 n=50 uniform"])
def test_sizes_for_the_probit_are_those_known(case: str) -> None:
    """Three standard errors of both simulations; benchmarks/information_matrix.py has all cases."""
    coefficients, n, law = case.split()
    k, size, rng = int(coefficients[2:]), int(n[2:]), np.random.default_rng(5)
    rejected = 0
    for _ in range(20):
        shape = (size, k - 1)
        x = rng.normal(size=shape) if law == "normal" else rng.uniform(-2, 2, size=shape)
        y = (rng.normal(size=(40, size)) < 0.5 + x.sum(axis=1)) * 1
        fit = mlece.fit(mlece.Bernoulli(p=mlece.linear(link="probit")), y, given=x)
        test = mlece.information_matrix_test(fit, form="opg", replicates=0)
        solved = np.isfinite(test.statistic)
        assert (test.df[solved] == SIZES[case]["df"]).all()
        rejected += int((test.p_value[solved] <= 0.05).sum())
    rate, error = SIZES[case]["rejected"]
    assert abs(rejected / 800 - rate) <= 3 * np.hypot(error, np.sqrt(rate * (1 - rate) / 800))


@pytest.mark.parametrize("form", ["efficient", "opg"])
@pytest.mark.parametrize("functional", ["full", "trace", "determinant"])
def test_batches_are_tested_like_single_fits(form: str, functional: str) -> None:
    fit = fitted("negative binomial", (3, N))
    options = {"form": form, "functional": functional, "replicates": 0}
    whole = mlece.information_matrix_test(fit, **options)
    single = mlece.information_matrix_test(fit[1], **options)
    assert whole.statistic[1] == pytest.approx(single.statistic, rel=1e-6)
    assert whole.df[1] == single.df


def test_as_many_indicators_as_observations_are_refused() -> None:
    given = np.random.default_rng(1).normal(size=(20, 5))
    fit = mlece.fit(
        mlece.Gaussian(mean=mlece.linear), given @ np.ones(5) + RNG.normal(size=20), given=given
    )
    with pytest.raises(errors.DataError, match="more observations than scores"):
        mlece.information_matrix_test(fit, form="opg", replicates=0)
    assert mlece.information_matrix_test(fit, replicates=0).df == 26


def test_units_and_columns_do_not_change_the_test() -> None:
    y = responses("gaussian")
    test = mlece.information_matrix_test(fitted("gaussian"), replicates=0)
    given = {"x": 100 * X - 7, "z": Z / 50}
    other = mlece.fit(MODELS["gaussian"], 1e-3 * y + 5, given=given)
    assert mlece.information_matrix_test(other, replicates=0).statistic == pytest.approx(
        test.statistic, rel=1e-6
    )


def test_the_bootstrap_draws_at_the_covariates() -> None:
    right = mlece.information_matrix_test(fitted("poisson"), replicates=99)
    wrong = mlece.fit(mlece.Poisson(rate="x"), responses("negative binomial") * 3, given=GIVEN)
    assert right.p_value > 0.05
    assert mlece.information_matrix_test(wrong, replicates=99).p_value == 0.01
    assert "Poisson given covariates" in str(right)


def test_censored_responses_have_the_outer_product_form() -> None:
    fit = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    with pytest.raises(errors.ComparisonError, match="form='opg'"):
        mlece.information_matrix_test(fit, replicates=0)
    test = mlece.information_matrix_test(fit, form="opg", replicates=0)
    assert test.df == 3
    assert 0 < test.p_value <= 1


# ------------------------------------------------------------------ leaving out


def test_leaving_out_is_refitting() -> None:
    fit = fitted("negative binomial")
    found = mlece.leave_one_out(fit)
    for i in (0, 17, 60):
        rest = np.arange(N) != i
        given = {k: v[rest] for k, v in GIVEN.items()}
        refit = mlece.fit(
            MODELS["negative binomial"], responses("negative binomial")[rest], given=given
        )
        one = {k: v[[i]] for k, v in GIVEN.items()}
        held = refit.held_out(responses("negative binomial")[[i]], given=one)
        assert found.log_density[i] == pytest.approx(-held, rel=1e-8)
    assert found.optimism == pytest.approx(found.expected, rel=0.5)


def test_cells_of_a_grid_are_left_out_too() -> None:
    fit = fitted("gaussian")
    fine = mlece.leave_one_out(fit, resolution=1e-4)
    plain = mlece.leave_one_out(fit)
    assert fine.cross_entropy + np.log(1e-4) == pytest.approx(plain.cross_entropy, abs=1e-6)


def test_held_out_responses_bring_their_covariates() -> None:
    fit = fitted("gaussian")
    y = responses("gaussian")
    assert fit.held_out(y, given=GIVEN) == pytest.approx(fit.cross_entropy, rel=1e-12)
    assert fit.held_out("y", given={**GIVEN, "y": y}) == fit.held_out(y, given=GIVEN)
    law = fit.predict({"x": [0.0], "z": [1.0]})
    one = fit.held_out([0.3], given={"x": [0.0], "z": [1.0]})
    assert one == pytest.approx(-law.log_density([[0.3]]).item(), rel=1e-12)
    weighted = fit.held_out(y, np.arange(N), given=GIVEN)
    terms = -fit.model.log_density(fit.sample.values[0])
    assert weighted == pytest.approx(np.average(terms, weights=np.arange(N)), rel=1e-12)
    batch = fitted("poisson", (3, N))
    found = batch.held_out(responses("poisson", (3, N)), given=GIVEN)
    np.testing.assert_allclose(found, batch.cross_entropy, rtol=1e-12)
    censored = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    assert censored.held_out(CENSORED, given=GIVEN) == pytest.approx(censored.cross_entropy)


def test_what_held_out_cannot_read_is_refused() -> None:
    fit = fitted("poisson")
    y = responses("poisson")
    with pytest.raises(errors.DataError, match="covariates in given="):
        fit.held_out(y)
    with pytest.raises(errors.DataError, match="as many rows"):
        fit.held_out(y[:5], given=GIVEN)
    with pytest.raises(errors.UnknownNameError, match="column"):
        fit.held_out(y, given={"z": Z})
    with pytest.raises(errors.DataError, match="held-out data of shape"):
        fit.held_out(np.stack([y, y]), given=GIVEN)


def test_in_and_out_of_sample() -> None:
    found = mlece.ios(fitted("poisson"), replicates=99)
    assert found.parameters == 2
    assert found.value == pytest.approx(found.one_step, rel=0.2)
    assert found.p_value > 0.05
    wrong = mlece.fit(mlece.Poisson(rate="x"), responses("negative binomial") * 3, given=GIVEN)
    assert mlece.ios(wrong, replicates=99).p_value == 0.01


# ------------------------------------------------------------------ residuals, tests of fit


def test_residuals_of_glms_are_those_of_the_textbooks() -> None:
    """McCullagh and Nelder (1989), Generalized Linear Models, section 2.4."""
    fit, y = fitted("poisson"), responses("poisson")
    mu = fit.predict().mean
    unit = 2 * (special.xlogy(y, y / mu) - (y - mu))
    np.testing.assert_allclose(fit.residuals("response"), y - mu, rtol=1e-12)
    np.testing.assert_allclose(fit.residuals("pearson"), (y - mu) / np.sqrt(mu), rtol=1e-12)
    np.testing.assert_allclose(
        fit.residuals("deviance"), np.sign(y - mu) * np.sqrt(unit), atol=1e-10
    )
    fit, y = fitted("logit"), responses("logit")
    p = fit.predict().mean
    unit = -2 * np.where(y == 1, np.log(p), np.log1p(-p))
    np.testing.assert_allclose(
        mlece.residuals(fit, kind="deviance"), np.sign(y - p) * np.sqrt(unit), atol=1e-10
    )
    fit, y = fitted("gaussian", (2, N)), responses("gaussian", (2, N))
    mean, sd = fit.predict().theta
    for kind in ("pearson", "deviance", "quantile"):
        np.testing.assert_allclose(fit.residuals(kind), (y - mean) / sd, atol=1e-9)


def test_fits_of_one_law_have_these_residuals_as_well() -> None:
    fit = mlece.fit("poisson", [0, 1, 3])
    rate = 4 / 3
    y = np.array([0.0, 1.0, 3.0])
    unit = 2 * (special.xlogy(y, y / rate) - (y - rate))
    np.testing.assert_allclose(fit.residuals("deviance"), np.sign(y - rate) * np.sqrt(unit))
    gamma = mlece.fit("gamma", np.random.default_rng(1).gamma(2.0, size=(2, 8)))
    assert gamma.residuals("pearson").shape == (2, 8)


def test_deviances_of_a_limit_are_those_of_its_law() -> None:
    y = np.random.default_rng(3).binomial(8, special.expit(0.5 * X))
    fit = mlece.fit(mlece.NegativeBinomial(mean="x"), y, given=GIVEN)
    assert fit.params["size"] == np.inf
    poisson = mlece.fit(mlece.Poisson(rate="x"), y, given=GIVEN)
    for kind in ("response", "pearson", "deviance"):
        np.testing.assert_allclose(fit.residuals(kind), poisson.residuals(kind), atol=1e-6)


def test_residuals_that_are_not_defined_are_refused() -> None:
    censored = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    with pytest.raises(errors.ComparisonError, match="numbers for deviance residuals"):
        censored.residuals("deviance")
    with pytest.raises(errors.UnknownNameError, match="kind of residual"):
        censored.residuals("partial")
    labels = mlece.fit(
        mlece.Categorical(p="x"), np.array(list("abc"))[np.arange(N) % 3], given=GIVEN
    )
    for ask in (mlece.residuals, mlece.pit, mlece.goodness_of_fit):
        with pytest.raises(errors.ComparisonError, match="labels"):
            ask(labels)
    beta = mlece.fit(mlece.Beta(alpha="x"), RNG.beta(2, 2, N), given=GIVEN)
    with pytest.raises(errors.ComparisonError, match="where the law lies"):
        beta.residuals("deviance")


def test_transforms_of_censored_responses_reach_to_one() -> None:
    fit = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    below, up_to = mlece.pit(fit)
    rate = fit.predict().theta[0]
    lost = TIMES > LOSSES
    np.testing.assert_allclose(below, -np.expm1(-rate * np.minimum(TIMES, LOSSES)), rtol=1e-10)
    assert (up_to[lost] == 1).all()
    np.testing.assert_array_equal(up_to[~lost], below[~lost])


@pytest.mark.parametrize("name", ["gaussian", "negative binomial", "probit"])
def test_right_models_pass_the_tests_of_fit(name: str) -> None:
    found = mlece.goodness_of_fit(fitted(name), replicates=99)
    assert set(found.tests) == {
        "kolmogorov-smirnov", "cramer-von mises", "anderson-darling", "chi-square"
    }  # fmt: skip
    assert min(test.p_value for test in found.tests.values()) > 0.02


def test_wrong_models_fail_them() -> None:
    wrong = mlece.fit(mlece.Gaussian(mean="x"), np.exp(responses("gaussian") / 3), given=GIVEN)
    found = mlece.goodness_of_fit(wrong, replicates=999)
    assert found["anderson-darling"].p_value == 0.001
    assert found["chi-square"].p_value <= 0.05


def test_classes_of_transforms_that_are_known_are_those_of_pearson() -> None:
    fit = fitted("gaussian")
    u = mlece.pit(fit)[1]
    found = mlece.goodness_of_fit(fit, replicates=19)
    counts = np.histogram(u, found.classes, (0, 1))[0]
    assert found["chi-square"].statistic == pytest.approx(stats.chisquare(counts).statistic)


def test_censored_responses_are_tested_with_covariates() -> None:
    some = slice(0, 30)
    data = mlece.right_censored(np.minimum(TIMES, LOSSES)[some], (TIMES <= LOSSES)[some])
    fit = mlece.fit(mlece.Exponential(rate="x"), data, given={"x": X[some]})
    found = mlece.goodness_of_fit(fit, replicates=19)
    assert found["cramer-von mises"].p_value > 0.05
    assert "covariates" in found.remark


# ------------------------------------------------------------------ the floor


def test_the_gap_of_a_straight_line_through_a_parabola() -> None:
    """KL ½ log(1 + 2/s²) for a mean x², x standard normal, and errors of variance s²."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    y = x**2 + rng.normal(size=600)
    found = mlece.fit(mlece.Gaussian(mean="x"), y, given={"x": x}).gap(replicates=99)
    assert found.misspecified
    assert abs(found.value - 0.5 * np.log(3)) < 3 * found.se
    account = mlece.fit(mlece.Gaussian(mean="x"), y, given={"x": x}).ledger(replicates=99)
    assert account.floor + account.approximation + account.estimation == pytest.approx(
        account.total
    )
    assert abs(account.floor - 0.5 * np.log(2 * np.pi * np.e)) < 4 * account.se["floor"]


def test_the_floor_of_a_probit_is_half_a_nat() -> None:
    """H(Y | X) = ½ exactly for slope 1 and X standard normal: Φ(X) is uniform."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=800)
    y = (rng.normal(size=800) < x) * 1
    found = mlece.fit(mlece.Bernoulli(p=PROBIT), y, given={"x": x}).gap(replicates=99)
    assert not found.misspecified
    assert abs(found.corrected - 0.5) < 4 * found.entropy.se


def test_counts_are_compared_in_classes() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=400)
    y = rng.poisson(np.exp(1 + 0.4 * x) * rng.gamma(2.0, 0.5, 400))
    found = mlece.fit(mlece.Poisson(rate="x"), y, given={"x": x}).gap(replicates=99)
    right = mlece.fit(MODELS["negative binomial"], y, given={"x": x}).gap(replicates=99)
    assert found.misspecified
    assert "classes of at least 20" in found.remark
    assert right.value < found.value
    assert abs(right.value) < 4 * right.se


def test_rounded_responses_are_compared_in_cells() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(size=400)
    right = mlece.fit(mlece.Gaussian(mean="x"), np.round(x + rng.normal(size=400)), given={"x": x})
    found = right.gap(replicates=99)
    assert not found.misspecified
    assert "classes" in found.remark


def test_responses_that_tie_now_and_then_are_spread_within_their_cells() -> None:
    # Greene (1993): 50 states, in whole dollars; 45 of the expenditures are distinct.
    schools = mlece.datasets.public_schools().frame()
    found = mlece.fit(mlece.Gaussian(mean="income"), "expenditure", given=schools).gap(
        replicates=99
    )
    assert found.misspecified  # of unequal variances (Greene 1993, p. 385)
    assert "spread evenly" in found.remark


def test_the_gap_is_right_at_its_level() -> None:
    """Forty right models: at most 6 rejections of 2 expected."""
    rejected = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=80)
        fit = mlece.fit(mlece.Gaussian(mean="x"), x + rng.normal(size=80), given={"x": x})
        rejected += fit.gap(replicates=39).misspecified
    assert rejected <= 6


def test_floors_that_cannot_be_estimated_are_refused() -> None:
    many = RNG.normal(size=(50, 4))
    y = RNG.normal(size=50)
    twice = np.repeat(RNG.normal(size=N // 2), 2)
    refused = (
        (mlece.fit(mlece.Gaussian(mean=mlece.linear), y, given=many), "columns of covariates"),
        (mlece.fit(mlece.Bernoulli(p="x"), np.arange(N) % 9 == 0, given=GIVEN), "20 observations"),
        (
            mlece.fit(mlece.Gaussian(mean="x"), twice, given=GIVEN),
            "continuous responses without ties",
        ),
        (fitted("poisson", (3, N)), "one fit"),
    )
    for fit, said in refused:
        with pytest.raises(errors.DataError, match=said):
            fit.gap()
    censored = mlece.fit(mlece.Exponential(rate="x"), CENSORED, given=GIVEN)
    with pytest.raises(errors.ComparisonError, match="entropy floor"):
        censored.gap()


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_residuals_of_ordered_labels_lie_between_cumulated_probabilities(link: str) -> None:
    names = ["low", "mid", "high"]
    code = np.digitize(X + RNG.logistic(size=N), [-0.5, 0.9])
    model = mlece.Ordinal(location="x", link=link, labels=names)
    fit = mlece.fit(model, np.array(names)[code], given=GIVEN)
    shares = fit.predict().masses()  # type: ignore[attr-defined]
    own = np.arange(N), code
    up_to = np.cumsum(shares, axis=1)[own]
    found = mlece.pit(fit)
    np.testing.assert_allclose(found[1], up_to, atol=1e-14)
    np.testing.assert_allclose(found[0], up_to - shares[own], atol=1e-14)
    residuals = mlece.residuals(fit, rng=3)
    assert np.all((special.ndtr(residuals) > found[0]) & (special.ndtr(residuals) < found[1]))
    assert "residual" in fit.augment()
    alone = mlece.fit(mlece.Ordinal(link=link, labels=names), np.array(names)[code])
    shares = np.bincount(code, minlength=3) / N
    np.testing.assert_allclose(mlece.pit(alone)[1], np.cumsum(shares)[code], atol=1e-12)
    with pytest.raises(errors.ComparisonError, match="pearson residuals; got labels"):
        mlece.residuals(fit, kind="pearson")
