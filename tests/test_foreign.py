"""Fits that another library made: what mlece says of them is what it says of its own."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.othermod.betareg import BetaModel

import mlece
from mlece import errors

REFERENCE = Path(__file__).parent / "reference"
AFFAIRS = json.loads((REFERENCE / "affairs.json").read_text(encoding="utf-8"))
FAIR = json.loads((REFERENCE / "real_data.json").read_text(encoding="utf-8"))["Affairs_probit"]
COLUMNS = ("age", "yearsmarried", "religiousness", "occupation", "rating")
# Own second derivatives are analytic, those of a foreign likelihood differences of sixth order of its
# scores (rounding near 1e-11, times the condition of the design) or of its log densities (near 1e-8).
DIFFERENCES = 1e-8
COARSE = 1e-6


def design() -> tuple[Any, dict[str, Any]]:
    """Return columns with a constant, and as a frame; one of them is far from order one."""
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=300), 3000 + 100 * rng.normal(size=300)
    return np.column_stack([np.ones(300), x, z]), {"x": x, "z": z}


X, FRAME = design()
MEAN = np.exp(0.3 + 0.5 * FRAME["x"] + (FRAME["z"] - 3000) / 400)
CHANCE = 1 / (1 + np.exp(-0.3 - FRAME["x"]))


def drawn(what: str) -> Any:
    rng = np.random.default_rng(11)
    if what == "line":
        return MEAN + rng.standard_t(5, size=300) * np.exp(0.3 * FRAME["x"])
    if what == "counts":
        return rng.poisson(MEAN * rng.gamma(2, 0.5, size=300)).astype(float)
    if what == "positive":
        return MEAN * rng.gamma(2, 0.5, size=300)
    if what == "unit":
        return rng.beta(6 * CHANCE, 6 * (1 - CHANCE))
    if what == "binary":
        return (rng.random(300) < CHANCE).astype(float)
    if what == "trials":
        return rng.binomial(7, CHANCE).astype(float)
    if what == "zeros":
        return np.where(rng.random(300) < 0.3, 0, rng.poisson(MEAN)).astype(float)
    assert what == "labels"
    return np.digitize(FRAME["x"] + rng.logistic(size=300), [-0.5, 0.7])


class Tails(GenericLikelihoodModel):
    """A Gaussian regression with the log of its standard deviation as last parameter."""

    def loglikeobs(self, params: Any) -> Any:
        return stats.norm.logpdf(self.endog, self.exog @ params[:-1], np.exp(params[-1]))


FAMILIES = sm.families
# Name: (sample, the fit of statsmodels, the model of mlece with its parameters in the same order).
Case = tuple[str, Callable[[Any], Any], Any]
CASES: dict[str, Case] = {
    "OLS": ("line", lambda y: sm.OLS(y, X).fit(), mlece.Gaussian(mean="x + z")),
    "GLM Gaussian": ("line", lambda y: sm.GLM(y, X).fit(), mlece.Gaussian(mean="x + z")),
    "GLM Gamma": (
        "positive",
        lambda y: sm.GLM(y, X, family=FAMILIES.Gamma(FAMILIES.links.Log())).fit(),
        mlece.MeanGamma(mean="x + z"),
    ),
    "GLM inverse Gaussian": (
        "positive",
        lambda y: sm.GLM(y, X, family=FAMILIES.InverseGaussian(FAMILIES.links.Log())).fit(),
        mlece.InverseGaussian(mean="x + z"),
    ),
    "GLM Poisson": (
        "counts",
        lambda y: sm.GLM(y, X, family=FAMILIES.Poisson()).fit(),
        mlece.Poisson(rate="x + z"),
    ),
    "Poisson": (
        "counts",
        lambda y: sm.Poisson(y, X).fit(disp=0, maxiter=200),
        mlece.Poisson(rate="x + z"),
    ),
    "Logit": ("binary", lambda y: sm.Logit(y, X).fit(disp=0), mlece.Bernoulli(p="x + z")),
    "GLM Binomial": (
        "binary",
        lambda y: sm.GLM(y, X, family=FAMILIES.Binomial()).fit(),
        mlece.Bernoulli(p="x + z"),
    ),
    "GLM Binomial trials": (
        "trials",
        lambda y: sm.GLM(np.column_stack([y, 7 - y]), X, family=FAMILIES.Binomial()).fit(),
        mlece.Binomial(n=7, p="x + z"),
    ),
    "MNLogit": (
        "labels",
        lambda y: sm.MNLogit(y, X).fit(disp=0),
        mlece.Categorical(p="x + z"),
    ),
}


@cache
def pair(name: str) -> tuple[mlece.ForeignFit, mlece.Fit, Any]:
    """Return the adopted fit, mlece's own and the result of statsmodels."""
    sample, peer, model = CASES[name]
    y = drawn(sample)
    result = peer(y)
    return mlece.from_statsmodels(result), mlece.fit(model, y, given=FRAME), result


every = pytest.mark.parametrize("name", CASES)


@every
def test_covariances_and_criteria_are_those_of_the_own_fit(name: str) -> None:
    foreign, own, _ = pair(name)
    assert foreign.certificate.status is mlece.Status.OPTIMAL
    for kind in ("sandwich", "hessian", "opg"):
        expected = own.covariance(kind)
        roots = np.sqrt(np.diagonal(expected))
        apart = (foreign.covariance(kind) - expected) / roots[:, None] / roots
        # Correlations; iteratively reweighted least squares stop near 1e-9 standard errors.
        assert np.abs(apart).max() < DIFFERENCES
    for criterion in ("log_likelihood", "aic", "bic", "trace", "tic"):
        assert getattr(foreign, criterion) == pytest.approx(
            getattr(own, criterion), rel=DIFFERENCES
        )


@every
def test_information_matrix_statistic_is_that_of_a_regression(name: str) -> None:
    foreign, own, _ = pair(name)
    found = mlece.information_matrix_test(foreign, form="opg", replicates=0)
    from mlece.fits.contributions import contributions

    parts = contributions(own, 2)
    assert parts.score is not None
    assert parts.curvature is not None
    s, h = parts.score[0], parts.curvature[0]
    rows, columns = np.triu_indices(s.shape[1])
    d = s[:, rows] * s[:, columns] + h[:, rows, columns]
    # n R² of the regression of 1 on scores and indicators (Chesher 1983; Lancaster 1984).
    regressors = np.column_stack([s, d])
    regressors = regressors / np.linalg.norm(regressors, axis=0)
    basis, size, _ = np.linalg.svd(regressors, full_matrices=False)
    basis = basis[:, size > 1e-5]
    explained = float(np.square(basis.sum(axis=0)).sum())
    # Columns of covariates 30 spreads from 0 leave the regression its half of the digits.
    assert found.statistic == pytest.approx(explained, rel=1e-5)
    assert found.form == "opg"
    assert found.replicates == 0
    same = mlece.information_matrix_test(own, form="opg", replicates=0)
    assert found.statistic == pytest.approx(same.statistic, rel=COARSE)
    assert found.df == same.df


@every
def test_either_fit_may_be_held_against_the_other(name: str) -> None:
    foreign, own, _ = pair(name)
    # One model twice: nothing tells the two apart but rounding.
    test = mlece.vuong(foreign, own)
    assert abs(test.value) < 1e-8
    assert test.variance < 1e-16


@pytest.mark.parametrize("name", ["Poisson", "Logit", "GLM Binomial", "GLM Poisson"])
def test_sandwich_is_hc0_of_statsmodels(name: str) -> None:
    foreign, _, result = pair(name)
    sample = CASES[name][0]
    y = drawn(sample)
    model = result.model
    kwargs = {"family": model.family} if isinstance(model, sm.GLM) else {}
    options = {} if kwargs else {"disp": 0, "maxiter": 200}
    robust = type(model)(y, X, **kwargs).fit(cov_type="HC0", **options)
    found = np.array(list(foreign.standard_errors().values()))
    # The own solution of statsmodels' normal equations loses digits to a column of size 3000.
    np.testing.assert_allclose(found, robust.bse, rtol=1e-6)


@pytest.mark.parametrize("name", ["Poisson", "Logit", "MNLogit"])
def test_dependent_observations_have_the_meat_of_the_own_fit(name: str) -> None:
    foreign, own, result = pair(name)
    groups = np.arange(300) // 6
    options = {"clusters": groups, "correction": "none"}
    for kind, asked in (("cluster", options), ("newey-west", {"lags": 3, "correction": "none"})):
        first, second = (f.covariance(kind, **asked) for f in (foreign, own))
        roots = np.sqrt(np.diagonal(second))
        assert np.abs((first - second) / roots[:, None] / roots).max() < DIFFERENCES
    if name != "MNLogit":
        said = {"groups": groups, "use_correction": False}
        robust = result.model.fit(disp=0, maxiter=200, cov_type="cluster", cov_kwds=said)
        found = list(foreign.standard_errors("cluster", **options).values())
        # Statsmodels inverts its matrices in the units of the covariates.
        np.testing.assert_allclose(found, robust.bse, rtol=1e-6)


def test_least_squares_are_the_gaussian_model_with_its_standard_deviation() -> None:
    y, w = drawn("line"), np.exp(-0.6 * FRAME["x"])
    for result in (sm.OLS(y, X).fit(), sm.WLS(y, X, weights=w).fit()):
        fit = mlece.from_statsmodels(result)
        assert fit.log_likelihood == pytest.approx(result.llf, rel=1e-12)
        assert fit.names[-1] == "sd"
        robust = result.get_robustcov_results("HC0").bse
        found = np.array(list(fit.standard_errors().values()))[:3]
        np.testing.assert_allclose(found, robust, rtol=DIFFERENCES)
        assert "sd is a parameter" in str(fit)


def test_offsets_exposures_and_frequency_weights() -> None:
    y, x = drawn("counts"), FRAME["x"]
    one = mlece.from_statsmodels(sm.GLM(y, X, family=FAMILIES.Poisson(), offset=0.1 * x).fit())
    two = mlece.from_statsmodels(
        sm.Poisson(y, X, exposure=np.exp(0.1 * x)).fit(disp=0, maxiter=200)
    )
    np.testing.assert_allclose(one.covariance(), two.covariance(), rtol=COARSE)
    counts = np.random.default_rng(2).integers(0, 4, size=300)
    result = sm.GLM(y, X, family=FAMILIES.Poisson(), freq_weights=counts).fit()
    weighted = mlece.from_statsmodels(result)
    assert weighted.n == counts.sum()
    assert weighted.log_likelihood == pytest.approx(result.llf, rel=1e-12)
    longer = sm.GLM(np.repeat(y, counts), np.repeat(X, counts, axis=0), family=FAMILIES.Poisson())
    expanded = mlece.from_statsmodels(longer.fit())
    np.testing.assert_allclose(weighted.covariance(), expanded.covariance(), rtol=COARSE)
    assert weighted.trace == pytest.approx(expanded.trace, rel=DIFFERENCES)
    opg = {"form": "opg", "replicates": 0}
    first, second = (mlece.information_matrix_test(f, **opg) for f in (weighted, expanded))
    assert first.statistic == pytest.approx(second.statistic, rel=1e-5)


# -------------------------------------------------------------------------------- other models


def check(fit: mlece.ForeignFit, own: mlece.Fit) -> None:
    # Half the square of the distance, in nats; statsmodels' quasi-Newton searches stop near 1e-3.
    lost = own.log_likelihood - fit.log_likelihood
    assert lost == pytest.approx(0.5 * fit.distance**2, abs=1e-7)
    assert fit.trace == pytest.approx(own.trace, rel=max(2 * fit.distance, DIFFERENCES))


def test_negative_binomial_and_zero_inflated_counts() -> None:
    frame = {"x": FRAME["x"]}
    slim = X[:, :2]
    y = drawn("counts")
    own = mlece.fit(mlece.NegativeBinomial(mean="x"), y, given=frame)
    for model in (sm.NegativeBinomial, sm.NegativeBinomialP):
        fit = mlece.from_statsmodels(model(y, slim).fit(disp=0, maxiter=500))
        assert fit.names == ("const", "x1", "alpha")
        assert fit.distance < 0.01
        check(fit, own)
        size, spread = own.params["size"], own.standard_errors()["size"]
        # alpha = 1/size: its standard error by the delta method.
        assert fit.standard_errors()["alpha"] == pytest.approx(spread / size**2, rel=1e-3)
    y = drawn("zeros")
    own = mlece.fit(mlece.Inflated(mlece.Poisson(rate="x")), y, given=frame)
    result = sm.ZeroInflatedPoisson(y, slim).fit(disp=0, maxiter=500, method="newton")
    fit = mlece.from_statsmodels(result)
    check(fit, own)
    assert mlece.vuong(fit, mlece.fit(mlece.Poisson(rate="x"), y, given=frame)).value > 0


def test_ordered_beta_and_generic_models() -> None:
    frame, x = {"x": FRAME["x"]}, FRAME["x"][:, None]
    labels = drawn("labels")
    fit = mlece.from_statsmodels(OrderedModel(labels, x, distr="logit").fit(disp=0, method="bfgs"))
    own = mlece.fit(mlece.Ordinal(location="x", link="logit"), labels, given=frame)
    check(fit, own)
    assert "differences" in fit.remarks[0]
    y = drawn("unit")
    fit = mlece.from_statsmodels(BetaModel(y, X[:, :2]).fit(disp=0))
    check(fit, mlece.fit(mlece.MeanBeta(mean="x"), y, given=frame))
    y = drawn("line")
    with warnings.catch_warnings():
        # The class says "df_model + k_constant != nparams" of its additional parameter.
        warnings.simplefilter("ignore")
        model = Tails(y, X[:, :2], extra_params_names=["log sd"])
        result = model.fit(start_params=[1, 0.5, 0], disp=0, maxiter=2000, xtol=1e-10, ftol=1e-14)
    fit = mlece.from_statsmodels(result, measure="Lebesgue")
    own = mlece.fit(mlece.Gaussian(mean="x"), y, given=frame)
    assert fit.names == ("const", "x1", "log sd")
    assert fit.trace == pytest.approx(own.trace, rel=COARSE)
    ratio = own.standard_errors()["sd"] / own.params["sd"]
    assert fit.standard_errors()["log sd"] == pytest.approx(ratio, rel=COARSE)


# -------------------------------------------------------------------------------- the gap


@pytest.mark.parametrize("name", ["OLS", "GLM Gamma", "Poisson", "GLM Binomial trials", "MNLogit"])
def test_gap_has_the_parts_of_the_own_fit(name: str) -> None:
    foreign, own, _ = pair(name)
    found, known = foreign.gap(), own.gap(replicates=19)
    # One entropy estimate, up to ties of rounding among the neighbours.
    assert float(found.entropy.value) == pytest.approx(float(known.entropy.value), abs=1e-9)
    assert found.cross_entropy == pytest.approx(known.cross_entropy, abs=1e-9)
    assert found.optimism == pytest.approx(own.trace / 300, rel=1e-6)
    assert found.value == pytest.approx(known.statistic + own.trace / 600, abs=1e-8)
    assert found.fitted == pytest.approx(found.value + own.trace / 600, abs=1e-8)
    assert "no calibrated p-value" in str(found)
    low, high = found.interval(0.9)
    assert 0.0 <= low <= high


def test_gap_of_an_own_likelihood_needs_responses_and_covariates() -> None:
    y, x = drawn("line"), FRAME["x"]
    best = sm.OLS(y, X[:, :2]).fit()
    at = [*best.params, np.sqrt(np.mean(best.resid**2))]

    def density(theta: Any) -> Any:
        return stats.norm.logpdf(y, theta[0] + theta[1] * x, theta[2])

    known = {"response": y, "given": x, "measure": "Lebesgue"}
    fit = mlece.from_likelihood(at, density, **known)
    expected = mlece.from_statsmodels(best).gap()
    assert fit.gap().value == pytest.approx(expected.value, abs=1e-8)
    for name in known:
        less = {k: v for k, v in known.items() if k != name}
        with pytest.raises(errors.NoDensityError, match=f"Give {name}= to mlece.from_"):
            mlece.from_likelihood(at, density, **less).gap()
    for given, said in ((x[:-1], "300 observations"), (np.where(x > 2, np.nan, x), "finite")):
        with pytest.raises(errors.DataError, match=said):
            mlece.from_likelihood(at, density, response=y, given=given)


def test_counts_are_compared_in_classes_where_the_law_of_each_row_is_known() -> None:
    y = drawn("counts")
    weights = np.random.default_rng(2).integers(0, 3, size=300)
    result = sm.GLM(y, X, family=FAMILIES.Poisson(), freq_weights=weights).fit()
    fit = mlece.from_statsmodels(result)
    found = fit.gap()
    assert "classes of at least 20" in found.remark
    own = mlece.fit(
        mlece.Poisson(rate="x + z"), np.repeat(y, weights), given=_repeated(FRAME, weights)
    ).gap(replicates=19)
    assert found.cross_entropy == pytest.approx(own.cross_entropy, abs=1e-9)
    assert found.n == weights.sum()
    held = {"names": fit.names, "response": y, "given": X[:, 1:], "measure": "counting"}
    alone = mlece.from_likelihood(
        sm.Poisson(y, X).fit(disp=0, maxiter=200).params, sm.Poisson(y, X).loglikeobs, **held
    )
    with pytest.raises(errors.DataError, match="20 observations each"):
        alone.gap()


def _repeated(frame: dict[str, Any], counts: Any) -> dict[str, Any]:
    return {name: np.repeat(column, counts) for name, column in frame.items()}


def test_rounded_responses_have_no_gap_of_a_likelihood() -> None:
    y = np.round(2 * drawn("line")) / 2
    with pytest.raises(errors.DataError, match="few of which tie"):
        mlece.from_statsmodels(sm.OLS(y, X).fit()).gap()


# -------------------------------------------------------------------------------- published values


@cache
def affairs() -> tuple[mlece.ForeignFit, mlece.ForeignFit]:
    x = sm.add_constant(np.column_stack([AFFAIRS[name] for name in COLUMNS]).astype(float))
    y = (np.array(AFFAIRS["affairs"]) > 0).astype(float)
    logit, probit = (model(y, x).fit(disp=0) for model in (sm.Logit, sm.Probit))
    return mlece.from_statsmodels(logit), mlece.from_statsmodels(probit)


def test_published_comparison_of_logit_and_probit() -> None:
    logit, probit = affairs()
    test = mlece.vuong(logit, probit)
    assert test.statistic == pytest.approx(FAIR["vuong_logit_minus_probit"]["z"], rel=1e-10)
    assert probit.trace == pytest.approx(FAIR["tr_AinvB_observed"], rel=1e-10)
    found = np.array(list(probit.standard_errors("sandwich").values()))
    assert test.names == ("statsmodels Logit", "statsmodels Probit")
    np.testing.assert_allclose(found, FAIR["se_sandwich_observed"], rtol=1e-9)
    frame = {name: AFFAIRS[name] for name in COLUMNS}
    y = (np.array(AFFAIRS["affairs"]) > 0).astype(float)
    own = mlece.fit(mlece.Bernoulli(p=" + ".join(COLUMNS)), y, given=frame)
    mixed = mlece.vuong(own, probit)
    assert mixed.statistic == pytest.approx(test.statistic, rel=1e-8)
    assert mixed.p_same == pytest.approx(test.p_same, rel=1e-6)
    assert mlece.shi(own, probit).statistic == pytest.approx(
        mlece.shi(logit, probit).statistic, rel=1e-6
    )
    assert mlece.clarke(own, probit).value == mlece.clarke(logit, probit).value


def test_restrictions_and_profiles_of_a_foreign_likelihood() -> None:
    logit, _ = affairs()
    frame = {name: AFFAIRS[name] for name in COLUMNS}
    y = (np.array(AFFAIRS["affairs"]) > 0).astype(float)
    own = mlece.fit(mlece.Bernoulli(p=" + ".join(COLUMNS)), y, given=frame)
    first = mlece.restriction(logit, x2=0.0)
    second = mlece.restriction(own, **{"p[yearsmarried]": 0.0})
    for name in ("likelihood_ratio", "wald_robust", "score", "score_robust"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-6)
    low, high = logit.interval(method="profile")["x2"]
    np.testing.assert_allclose(
        (low, high), own.interval(method="profile")["p[yearsmarried]"], rtol=1e-6
    )


# -------------------------------------------------------------------------------- any likelihood

WAITS = np.array([0.5, 1.0, 1.5, 2.0, 4.0, 7.0, 3.0, 0.2])


def log_density(theta: Any) -> Any:
    return -np.log(theta[0]) - WAITS / theta[0]


def slope(theta: Any) -> Any:
    return (-1 / theta[0] + WAITS / theta[0] ** 2)[:, None]


def bend(theta: Any) -> Any:
    return (1 / theta[0] ** 2 - 2 * WAITS / theta[0] ** 3).sum().reshape(1, 1)


def test_an_exponential_mean_by_its_log_density() -> None:
    best = [WAITS.mean()]
    exact = WAITS.std() / np.sqrt(WAITS.size)
    for score in (None, slope):
        fit = mlece.from_likelihood(best, log_density, score, response=WAITS, measure="Lebesgue")
        assert fit.standard_errors()["x1"] == pytest.approx(exact, rel=1e-9)
    arrays = mlece.from_likelihood(best, log_density(best), slope(best), bend(best), names=["mean"])
    assert arrays.standard_errors()["mean"] == pytest.approx(exact, rel=1e-13)
    assert arrays.trace == pytest.approx(fit.trace, rel=1e-9)
    with pytest.raises(errors.NotRegularError, match="second derivatives of every observation"):
        mlece.information_matrix_test(arrays, form="opg", replicates=0)
    with pytest.raises(errors.NoDensityError, match="Give callables"):
        arrays.interval(method="profile")


def test_an_estimate_that_stopped_short_says_how_far() -> None:
    # √n (g' A⁻¹ g)^½ for the mean of an exponential law, at 1.02 times the estimate.
    at = 1.02 * WAITS.mean()
    gradient, curvature = slope([at]).mean(), -bend([at]).item() / WAITS.size
    far = np.sqrt(WAITS.size / curvature) * abs(gradient)
    fit = mlece.from_likelihood([at], log_density, response=WAITS)
    assert fit.distance == pytest.approx(far, rel=1e-9)
    assert fit.certificate.status is mlece.Status.STEP_LIMIT
    assert f"stopped {far:.2g} standard errors from the optimum" in str(fit)
    with pytest.raises(errors.NotRegularError):
        fit.standard_errors()


def test_what_needs_a_law_is_refused_with_the_reason() -> None:
    logit, probit = affairs()
    with pytest.raises(errors.NoDensityError, match="form='opg', replicates=0"):
        mlece.information_matrix_test(logit)
    with pytest.raises(errors.NoDensityError, match="without p-value"):
        mlece.gap(logit)
    for ask in (mlece.leave_one_out, mlece.cross_validate):
        with pytest.raises(errors.NoDensityError, match="that a refit has not seen"):
            ask(logit)
    with pytest.raises(errors.NoDensityError, match="a law of new observations"):
        logit.held_out([1.0, 0.0])
    for ask in (
        logit.ledger,
        logit.plot,
        lambda: mlece.cox(logit, probit),
        lambda: mlece.ios(logit),
    ):
        with pytest.raises(errors.MleceError):
            ask()


def test_other_data_and_measures_are_not_compared() -> None:
    logit, _ = affairs()
    foreign, _, _ = pair("Logit")
    with pytest.raises(errors.ComparisonError, match="same observations"):
        mlece.vuong(logit, foreign)
    best = [WAITS.mean()]
    unknown = mlece.from_likelihood(best, log_density, measure="counting")
    with pytest.raises(errors.ComparisonError, match="Give response="):
        mlece.vuong(unknown, logit)
    dense = mlece.from_likelihood(best, log_density, response=WAITS, measure="Lebesgue")
    with pytest.raises(errors.ComparisonError, match="one measure"):
        mlece.vuong(dense, logit)
    plain = mlece.fit("gamma", WAITS)
    with pytest.raises(errors.ComparisonError, match="slot='1'"):
        mlece.vuong(dense, plain)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"params": [np.nan]}, errors.DataError, "finite estimates"),
        ({"names": ["a", "b"]}, errors.DataError, "1 different names"),
        ({"score_obs": lambda t: 2 * slope(t)}, errors.ComparisonError, "without weights"),
        ({"score_obs": lambda t: slope(t)[:5]}, errors.DataError, r"shape \(8, 1\)"),
        ({"hessian": 2 * bend([WAITS.mean()])}, errors.ComparisonError, "100 %"),
        ({"hessian": np.eye(2)}, errors.DataError, r"shape \(1, 1\)"),
        ({"response": WAITS[:3]}, errors.DataError, "8 responses"),
        ({"loglikeobs": lambda t: log_density(t).sum()}, errors.DataError, r"shape \(n,\)"),
        ({"loglikeobs": lambda t: np.log(WAITS - 1)}, errors.DataError, "the first"),
        ({"loglikeobs": log_density([1.0])}, errors.DataTypeError, "without scores"),
    ],
)
def test_bad_likelihoods(change: dict[str, Any], error: type[Exception], said: str) -> None:
    given = {"params": [WAITS.mean()], "loglikeobs": log_density} | change
    with pytest.raises(error, match=said):
        mlece.from_likelihood(**given)


def test_a_perfect_fit_has_no_likelihood_to_adopt() -> None:
    line = np.arange(5.0)
    with pytest.raises(errors.MleceError, match="a perfect fit"):
        mlece.from_statsmodels(sm.OLS(line, sm.add_constant(line)).fit())


def test_results_without_a_density_of_each_observation_are_refused() -> None:
    y = drawn("line")
    for result, said in (
        (sm.GLSAR(y, X).fit(), "depend on each other"),
        (sm.GLM(np.abs(y), X[:, :2], family=FAMILIES.Tweedie(var_power=1.5)).fit(), "Tweedie"),
        (sm.RLM(y, X).fit(), "loglikeobs"),
        (sm.QuantReg(y, X).fit(), "the loss of quantiles"),
        (sm.GEE(drawn("counts"), X, np.arange(300) // 3).fit(), "those of no likelihood"),
        ("summary", "a fitted result of statsmodels"),
    ):
        with pytest.raises(errors.DataTypeError, match=said):
            mlece.from_statsmodels(result)
    weighted = sm.GLM(drawn("counts"), X, family=FAMILIES.Poisson(), var_weights=np.full(300, 2.0))
    with pytest.raises(errors.DataTypeError, match="variance weights"):
        mlece.from_statsmodels(weighted.fit())
