"""Penalties: derivatives against differences, estimates against published ones, scipy and closed forms."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, ndtr

import mlece
from mlece import errors
from mlece.combinators.penalties import Added
from mlece.fits.contributions import contributions
from mlece.regression.firth import information_of

SEPARATED = json.loads(
    (Path(__file__).parent / "reference" / "separation.json").read_text(encoding="utf-8")
)
ENDOMETRIAL = SEPARATED["endometrial"]
LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
# Newton's method ends where the square of its decrement is rounding: 1e-8 standard errors.
SOLVED = 1e-7


def covariates(n: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=n), "b": rng.gamma(2.0, size=n), "c": rng.normal(3.0, 2.0, n)}


def binary(seed: int = 1) -> np.ndarray:
    x = covariates()
    p = expit(x["a"] - 0.5 * x["b"] + 0.2 * x["c"])
    return (np.random.default_rng(seed).random(60) < p).astype(float)


def endometrial(**options: Any) -> Any:
    return mlece.fit(mlece.Bernoulli(p="NV + PI + EH"), "HG", given=ENDOMETRIAL["data"], **options)


# ---------------------------------------------------------------------------- Firth


def test_firth_estimates_of_separated_data_are_the_published_ones() -> None:
    fit = endometrial(penalty="firth")
    assert fit.certificate.status.name == "OPTIMAL"
    assert fit.certificate.scope == "local"
    assert "with its penalty" in fit.certificate.sentence
    for name, value in ENDOMETRIAL["firth"].items():
        assert fit.params[f"p[{name}]"] == pytest.approx(value, abs=6e-6)  # five decimals
    assert "firth" in str(fit)


def test_an_intercept_alone_adds_half_a_success_and_half_a_failure() -> None:
    # Jeffreys' prior of a logit is Beta(1/2, 1/2): the mode is at (y + 1/2)/(n + 1).
    fit = mlece.fit(mlece.Bernoulli(p="1"), [0, 0, 0, 0], given={"x": [1.0] * 4}, penalty="firth")
    assert expit(fit.params["p[Intercept]"]) == pytest.approx(0.5 / 5, rel=1e-9)
    # Of a Poisson mean it is Gamma(1/2, 0) in the log: the mode adds half a count.
    counts = mlece.fit(mlece.Poisson(rate="1"), [0, 0, 3], given={"x": [1.0] * 3}, penalty="firth")
    assert np.exp(counts.params["rate[Intercept]"]) == pytest.approx(3.5 / 3, rel=1e-9)


def _oracle(x: np.ndarray, y: np.ndarray, w: np.ndarray, n: Any, kind: str) -> np.ndarray:
    """Return the minimiser of minus the penalised log-likelihood, by scipy without derivatives of ours."""

    def objective(beta: np.ndarray) -> float:
        eta = x @ beta
        if kind == "poisson":
            value, information = y * eta - np.exp(eta), np.exp(eta)
        else:
            p = {
                "logit": expit,
                "probit": ndtr,
                "cloglog": lambda e: -np.expm1(-np.exp(e)),
                "loglog": lambda e: np.exp(-np.exp(-e)),
                "cauchit": lambda e: 0.5 + np.arctan(e) / np.pi,
            }[kind](eta)
            step = 1e-30
            slope = {
                "logit": lambda e: 1 / (1 + np.exp(-e)),
                "probit": None,
                "cloglog": lambda e: 1 - np.exp(-np.exp(e)),
                "loglog": lambda e: np.exp(-np.exp(-e)),
                "cauchit": lambda e: np.arctan(e) / np.pi,
            }[kind]
            if slope is None:
                f = np.exp(-0.5 * eta**2) / np.sqrt(2 * np.pi)
            else:
                f = slope(eta + 1j * step).imag / step
            value = y * np.log(p) + (n - y) * np.log1p(-p)
            information = n * f**2 / (p * (1 - p))
        total = (x.T * (w * information)) @ x
        return float(-(w @ value) - 0.5 * np.linalg.slogdet(total)[1])

    start = np.zeros(x.shape[1])
    first = minimize(objective, start, method="BFGS", options={"gtol": 1e-7})
    out = minimize(
        objective,
        first.x,
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000},
    )
    return np.asarray(out.x)


@pytest.mark.parametrize("kind", [*LINKS, "poisson"])
def test_firth_against_scipy(kind: str) -> None:
    data, rng = covariates(40), np.random.default_rng(5)
    x = np.column_stack([np.ones(40), data["a"], data["b"]])
    w = rng.integers(1, 4, 40).astype(float)
    given = {"a": data["a"], "b": data["b"]}
    if kind == "poisson":
        y, n = rng.poisson(np.exp(0.3 * data["a"])).astype(float), 1.0
        model: Any = mlece.Poisson(rate="a + b")
    else:
        n = 3.0
        y = rng.binomial(3, 0.4, 40).astype(float)
        model = mlece.Binomial(n=3, p=mlece.linear("a + b", link=kind))
    fit = mlece.fit(model, y, given=given, weights=w, penalty="firth")
    found = np.array(list(fit.params.values()))
    expected = _oracle(x, y, w, n, kind)
    # A minimum is known to the root of the rounding of a sum of about 100 nats.
    assert found == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("link", LINKS)
def test_information_weights_have_exact_derivatives(link: str) -> None:
    fit = mlece.fit(
        mlece.Bernoulli(p=mlece.linear("a", link=link)),
        binary(),
        given=covariates(),
        penalty="firth",
    )

    def weights(eta: np.ndarray) -> tuple[np.ndarray, ...]:
        return information_of(fit.family, [eta], [0])[0, 0].parts()

    eta, h = np.linspace(-3.0, 3.0, 25), 1e-5
    value, first, second = weights(eta)
    low, high = weights(eta - h), weights(eta + h)
    # Central differences: h² times the third derivative, and rounding over h.
    assert first == pytest.approx((high[0] - low[0]) / (2 * h), abs=1e-9)
    assert second == pytest.approx((high[1] - low[1]) / (2 * h), abs=1e-9)
    assert (value > 0).all()


def _added(fit: Any, theta: np.ndarray) -> Added:
    columns = tuple(np.array([t]) for t in theta)
    assert fit.objective.penalty is not None
    out: Added = fit.objective.penalty.at(columns, slice(None))
    return out


PENALISED = {
    "firth": (mlece.Bernoulli(p="a + b"), "binary", "firth"),
    "firth cloglog": (mlece.Bernoulli(p=mlece.linear("a + b", link="cloglog")), "binary", "firth"),
    "firth counts": (mlece.Poisson(rate="a + b"), "counts", "firth"),
    "firth labels": (mlece.Categorical(p="a + b"), "labels", "firth"),
    "firth order": (mlece.Ordinal(location="a + b"), "labels", "firth"),
    "firth order probit": (mlece.Ordinal(location="a", link="probit"), "labels", "firth"),
    "firth waits": (mlece.Geometric(p="a + b"), "counts", "firth"),
    "firth softplus": (mlece.Poisson(rate=mlece.linear("a", link="softplus")), "counts", "firth"),
    "firth size": (mlece.NegativeBinomial(mean="a + b", size=2.0), "counts", "firth"),
    "ridge": (mlece.Gaussian(mean="a + b", sd="c"), "numbers", mlece.ridge(0.3)),
    "ridge of one slot": (
        mlece.Gaussian(mean="a + b", sd="c"),
        "numbers",
        mlece.ridge({"sd": 2.0}, standardize=False),
    ),
}


def responses(kind: str) -> np.ndarray:
    x, rng = covariates(), np.random.default_rng(3)
    if kind == "binary":
        return binary()
    if kind == "labels":
        return np.digitize(x["a"] + rng.logistic(size=60), [-1.0, 0.0, 1.5])
    if kind == "counts":
        return rng.poisson(np.exp(0.2 * x["a"])).astype(float)
    return np.asarray(5.0 + 3.0 * x["a"] + rng.normal(size=60) * np.exp(0.2 * x["c"]))


@pytest.mark.parametrize("name", PENALISED)
def test_slope_and_bend_are_the_derivatives_of_the_value(name: str) -> None:
    model, kind, penalty = PENALISED[name]
    fit = mlece.fit(model, responses(kind), given=covariates(), penalty=penalty)
    theta = np.array([float(t[0]) for t in fit.framed]) + 0.1
    at, h = _added(fit, theta), 1e-6
    for j, step in enumerate(h * np.eye(len(theta))):
        if fit.family.params[j].name not in fit.family.free:
            continue
        low, high = _added(fit, theta - step), _added(fit, theta + step)
        # Differences of numbers of order 1: rounding over h, 1e-10, and h² times third derivatives.
        assert at.slope[0, j] == pytest.approx((high.value - low.value)[0] / (2 * h), abs=1e-8)
        assert at.bend[0, j] == pytest.approx((high.slope - low.slope)[0] / (2 * h), abs=1e-8)


def test_holding_a_coefficient_profiles_one_penalised_likelihood() -> None:
    fit = endometrial(penalty="firth")
    low, high = fit.interval(method="profile")["p[NV]"]
    n = fit.objective.total[0]
    x = np.column_stack([np.ones(79), *(ENDOMETRIAL["data"][c] for c in ("NV", "PI", "EH"))])
    y = np.array(ENDOMETRIAL["data"]["HG"], dtype=float)

    def value(beta: np.ndarray) -> float:
        p = expit(x @ beta)
        information = (x.T * (p * (1 - p))) @ x
        value = y @ (x @ beta) - np.logaddexp(0, x @ beta).sum()
        return float(value + 0.5 * np.linalg.slogdet(information)[1])

    best = value(np.array(list(fit.params.values())))
    assert -n * fit.minimum[0] == pytest.approx(best, rel=1e-12)
    for end in (low, high):

        def held(rest: np.ndarray, end: float = end) -> float:
            return -value(np.array([rest[0], end, rest[1], rest[2]]))

        start = np.array([3.8, -0.03, -2.6])
        top = -minimize(
            held, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-11}
        ).fun
        # Half the 95 % quantile of χ² with one degree of freedom.
        assert best - top == pytest.approx(3.841458820694124 / 2, abs=1e-6)


# ---------------------------------------------------------------------------- ridge


@pytest.mark.parametrize("standardize", [True, False])
def test_ridge_of_a_gaussian_mean_solves_the_normal_equations(standardize: bool) -> None:
    x, y = covariates(), responses("numbers")
    w = np.random.default_rng(2).uniform(0.5, 2.0, 60)
    fit = mlece.fit(
        mlece.Gaussian(mean="a + b + c", sd=2.0),
        y,
        given=x,
        weights=w,
        penalty=mlece.ridge(0.2, standardize=standardize),
    )
    d = np.column_stack([np.ones(60), x["a"], x["b"], x["c"]])
    share = w / w.sum()
    spread = share @ (d - share @ d) ** 2 if standardize else np.array([0.0, 1.0, 1.0, 1.0])
    left = (d.T * share) @ d / 4.0 + 0.2 * np.diag(spread)
    expected = np.linalg.solve(left, d.T @ (share * y) / 4.0)
    assert list(fit.params.values()) == pytest.approx(expected, rel=1e-11)
    assert fit.certificate.scope == "global"
    penalty = 0.1 * spread @ expected**2
    assert fit.penalty == pytest.approx(penalty, rel=1e-11)
    log_density = fit.predict().log_density(y[:, None])[:, 0]
    assert fit.cross_entropy == pytest.approx(-share @ log_density, rel=1e-12)


def test_ridge_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = covariates(), binary()
    fit = mlece.fit(
        mlece.Bernoulli(p="a + b + c"),
        y,
        given=x,
        penalty=mlece.ridge(0.05, standardize=False),
    )
    model = linear_model.LogisticRegression(C=1 / (0.05 * 60), tol=1e-12, max_iter=10_000)
    model.fit(np.column_stack([x["a"], x["b"], x["c"]]), y)
    found = np.array(list(fit.params.values()))
    assert found == pytest.approx([*model.intercept_, *model.coef_[0]], abs=1e-5)  # its solver's


def test_ridge_makes_separated_data_finite_and_proves_it() -> None:
    without = endometrial()
    assert without.certificate.status.name == "NOT_ATTAINED"
    assert "penalty='firth' or penalty=mlece.ridge(strength)" in without.certificate.sentence
    fit = endometrial(penalty=mlece.ridge(0.01))
    assert fit.certificate.status.name == "OPTIMAL"
    assert (fit.certificate.scope, fit.certificate.excess < 1e-12) == ("global", True)
    assert np.isfinite(list(fit.params.values())).all()
    assert fit.penalty > 0
    assert fit.minimum[0] == pytest.approx(fit.cross_entropy + fit.penalty, rel=1e-14)


def test_ridge_makes_collinear_designs_fit() -> None:
    x, y = covariates(), responses("numbers")
    x["d"] = x["a"] + 2 * x["b"]
    model = mlece.Gaussian(mean="a + b + d")
    with pytest.raises(errors.DataError, match=r"Leave out d, or shrink them: penalty=mlece.ridge"):
        mlece.fit(model, y, given=x)
    with pytest.raises(errors.DataError, match="Leave out d"):
        mlece.fit(mlece.Poisson(rate="a + b + d"), np.ones(60), given=x, penalty="firth")
    fit = mlece.fit(model, y, given=x, penalty=mlece.ridge(0.1))
    assert fit.certificate.status.name == "OPTIMAL"
    # A slot without strength still needs independent columns.
    with pytest.raises(errors.DataError, match="Leave out d"):
        mlece.fit(
            mlece.Gaussian(mean="a", sd="a + b + d"), y, given=x, penalty=mlece.ridge({"mean": 1})
        )


def test_units_of_covariates_and_responses_do_not_matter_when_standardised() -> None:
    x, y = covariates(), responses("numbers")
    fit = mlece.fit(mlece.Gaussian(mean="a + b", sd=2.0), y, given=x, penalty=mlece.ridge(0.2))
    moved = {"a": 1000 * x["a"] - 7, "b": x["b"] / 100}
    other = mlece.fit(
        mlece.Gaussian(mean="a + b", sd=2.0), y, given=moved, penalty=mlece.ridge(0.2)
    )
    assert other.cross_entropy == pytest.approx(fit.cross_entropy, rel=1e-12)
    assert other.params["mean[a]"] == pytest.approx(fit.params["mean[a]"] / 1000, rel=1e-9)
    # A response in other units: the same posterior once λ is in units of the response too.
    far = mlece.fit(
        mlece.Gaussian(mean="a + b"), 1e6 + 1e3 * y, given=x, penalty=mlece.ridge(0.2e-6)
    )
    near = mlece.fit(mlece.Gaussian(mean="a + b"), y, given=x, penalty=mlece.ridge(0.2))
    assert far.params["mean[a]"] == pytest.approx(1e3 * near.params["mean[a]"], rel=1e-8)
    assert far.penalty == pytest.approx(near.penalty, rel=1e-8)


@pytest.mark.parametrize("penalty", [mlece.ridge(0.1), "firth"])
def test_weights_are_repetitions_and_batches_single_fits(penalty: Any) -> None:
    x, y = covariates(), binary()
    rng = np.random.default_rng(9)
    w = rng.integers(1, 4, size=(3, 60))
    model = mlece.Bernoulli(p="a + b")
    batch = mlece.fit(model, y, given=x, weights=w, penalty=penalty)
    for r in range(3):
        rows = np.repeat(np.arange(60), w[r])
        given = {name: column[rows] for name, column in x.items()}
        one = mlece.fit(model, y[rows], given=given, penalty=penalty)
        own = [v[r] for v in batch.params.values()]
        assert own == pytest.approx(list(one.params.values()), rel=1e-9, abs=SOLVED)
        assert batch.penalty[r] == pytest.approx(one.penalty, rel=1e-9)
        again = batch[r]
        assert list(again.params.values()) == pytest.approx(own, rel=1e-9, abs=SOLVED)


def test_the_sandwich_has_the_penalised_hessian_as_bread() -> None:
    x, y = covariates(), binary()
    fit = mlece.fit(
        mlece.Bernoulli(p="a + b"), y, given=x, penalty=mlece.ridge(0.2, standardize=False)
    )
    d = np.column_stack([np.ones(60), x["a"], x["b"]])
    beta = np.array(list(fit.params.values()))
    p = expit(d @ beta)
    pull = 0.2 * np.array([0.0, 1.0, 1.0])
    a = (d.T * (p * (1 - p))) @ d / 60 + np.diag(pull)
    # Each observation carries its share of the penalty: what it adds to the gradient has mean 0.
    psi = (p - y)[:, None] * d + pull * beta
    assert np.abs(psi.mean(axis=0)).max() < 1e-12
    expected = np.linalg.inv(a) @ (psi.T @ psi / 60) @ np.linalg.inv(a) / 60
    assert fit.covariance() == pytest.approx(expected, rel=1e-9)
    assert fit.covariance("hessian") == pytest.approx(np.linalg.inv(a) / 60, rel=1e-9)
    assert contributions(fit, 2).hessian[0] == pytest.approx(a, rel=1e-12)


def test_meats_carry_the_share_of_the_penalty() -> None:
    x, y = covariates(), binary()
    groups = np.arange(60) // 4
    fit = mlece.fit(
        mlece.Bernoulli(p="a + b"), y, given=x, penalty=mlece.ridge(0.2, standardize=False)
    )
    d = np.column_stack([np.ones(60), x["a"], x["b"]])
    beta = np.array(list(fit.params.values()))
    p = expit(d @ beta)
    pull = 0.2 * np.array([0.0, 1.0, 1.0])
    bread = np.linalg.inv((d.T * (p * (1 - p))) @ d + 60 * np.diag(pull))
    psi = (p - y)[:, None] * d + pull * beta
    sums = np.add.reduceat(psi, np.arange(0, 60, 4))
    clustered = bread @ sums.T @ sums @ bread
    found = fit.covariance("cluster", clusters=groups, correction="none")
    assert found == pytest.approx(clustered, rel=1e-9)
    # A group for each observation, and no lags, are the sandwich; the logit's bread is the expected one.
    sandwich = fit.covariance()
    for kind, options in (
        ("HC0", {}),
        ("HC0", {"bread": "expected"}),
        ("cluster", {"clusters": np.arange(60), "correction": "none"}),
        ("newey-west", {"lags": 0}),
    ):
        assert fit.covariance(kind, **options) == pytest.approx(sandwich, rel=1e-9)
    assert fit.covariance("fisher") == pytest.approx(fit.covariance("hessian"), rel=1e-9)
    for kind in ("HC1", "HC2", "HC3", "HC4"):
        with pytest.raises(errors.NotRegularError, match="without a penalty"):
            fit.covariance(kind)
    with pytest.raises(errors.ComparisonError, match="information-matrix test; got a penalty"):
        mlece.information_matrix_test(fit)


def test_what_a_ridge_does_not_hold_may_still_run_off() -> None:
    fit = mlece.fit(
        mlece.Bernoulli(p="a"), np.zeros(60), given=covariates(), penalty=mlece.ridge(0.1)
    )
    assert fit.certificate.status.name == "NOT_ATTAINED"
    assert fit.params["p[Intercept]"] == -np.inf
    rng = np.random.default_rng(0)
    free = mlece.fit(
        mlece.Gaussian(mean=mlece.linear()),
        rng.normal(size=8),
        given=rng.normal(size=(8, 12)),
        penalty=mlece.ridge(0.1),
    )
    assert free.certificate.status.name == "UNBOUNDED"
    held = mlece.fit(
        mlece.Gaussian(mean=mlece.linear(), sd=1.0),
        rng.normal(size=8),
        given=rng.normal(size=(8, 12)),
        penalty=mlece.ridge(0.1),
    )
    assert held.certificate.status.name == "OPTIMAL"


def test_a_limit_family_is_penalised_too() -> None:
    x, rng = covariates(), np.random.default_rng(4)
    y = rng.binomial(8, 0.5, 60)  # varies less than Poisson
    penalty = mlece.ridge(0.1)
    fit = mlece.fit(mlece.NegativeBinomial(mean="a + b"), y, given=x, penalty=penalty)
    poisson = mlece.fit(mlece.Poisson(rate="a + b"), y, given=x, penalty=penalty)
    assert fit.certificate.status.name == "BOUNDARY"
    assert fit.params["mean[a]"] == pytest.approx(poisson.params["rate[a]"], abs=SOLVED)
    assert fit.cross_entropy == pytest.approx(poisson.cross_entropy, rel=1e-12)
    assert fit.penalty == pytest.approx(poisson.penalty, rel=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        mlece.Categorical(p="a + b"),
        mlece.Ordinal(location="a + b", labels=["low", "mid", "top"]),
    ],
)
def test_labels_take_a_ridge(model: Any) -> None:
    rng = np.random.default_rng(6)
    y = np.array(["low", "mid", "top"])[rng.integers(0, 3, 60)]
    fit = mlece.fit(model, y, given=covariates(), penalty=mlece.ridge(1e6))
    assert fit.certificate.scope == "global"
    slopes = [v for name, v in fit.params.items() if name.endswith(("a]", "b]"))]
    assert slopes
    assert np.abs(slopes).max() < 1e-5
    assert pickle.loads(pickle.dumps(fit.family)).penalty == mlece.ridge(1e6)


# ---------------------------------------------------------------------------- refusals


def test_what_cannot_be_penalised_is_refused() -> None:
    x, y = covariates(), responses("numbers")
    model = mlece.Gaussian(mean="a")
    for value in (-1.0, np.inf, "much", [1.0, 2.0]):
        with pytest.raises(errors.ParameterError, match="finite strength of 0 or more"):
            mlece.ridge(value)  # type: ignore[arg-type]
    with pytest.raises(errors.ParameterError, match="for mean"):
        mlece.ridge({"mean": -1.0})
    with pytest.raises(errors.ParameterError, match="'firth' or None"):
        mlece.fit(model, y, given=x, penalty="lasso")
    with pytest.raises(errors.UnknownNameError, match="slot with a predictor"):
        mlece.fit(model, y, given=x, penalty=mlece.ridge({"sd": 1.0}))
    with pytest.raises(errors.ParameterError, match="a model with a predictor"):
        mlece.fit("gaussian", y, penalty=mlece.ridge(1.0))
    with pytest.raises(errors.ParameterError, match="known expected information"):
        mlece.fit(model, y, given=x, penalty="firth")
    fit = mlece.fit(model, y, given=x, penalty=mlece.ridge(0.1))
    for criterion in ("aic", "aicc", "bic"):
        with pytest.raises(errors.ComparisonError, match="TIC"):
            getattr(fit, criterion)
    assert np.isfinite(fit.tic)
    with pytest.raises(errors.ComparisonError, match="cross_validate"):
        fit.test("a")


def test_separated_numbers_of_successes_are_found_whatever_holds_the_trials() -> None:
    given, y = {"x": np.arange(6.0), "t": np.full(6, 3)}, [0, 0, 0, 3, 3, 3]
    for trials in (3, "t"):
        model = mlece.Binomial(n=trials, p="x")
        fit = mlece.fit(model, y, given=given)
        assert fit.certificate.status.name == "NOT_ATTAINED"
        assert fit.params == {"p[Intercept]": -np.inf, "p[x]": np.inf}
        assert fit.cross_entropy == pytest.approx(0.0, abs=1e-12)
        held = mlece.fit(model, y, given=given, penalty=mlece.ridge(0.1))
        assert held.certificate.status.name == "OPTIMAL"
        failed = mlece.fit(model, np.zeros(6), given=given, penalty=mlece.ridge(0.1))
        assert failed.certificate.status.name == "NOT_ATTAINED"


def test_firth_tests_are_ratios_of_one_penalised_likelihood() -> None:
    fit = endometrial(penalty="firth")
    found = fit.test("NV")
    n, x = 79, np.column_stack([np.ones(79), *(ENDOMETRIAL["data"][c] for c in ("NV", "PI", "EH"))])
    y = np.array(ENDOMETRIAL["data"]["HG"], dtype=float)

    def minus(rest: np.ndarray) -> float:
        beta = np.array([rest[0], 0.0, rest[1], rest[2]])
        eta = x @ beta
        p = expit(eta)
        det = np.linalg.slogdet((x.T * (p * (1 - p))) @ x)[1]
        return float(np.logaddexp(0, eta).sum() - y @ eta - 0.5 * det)

    options = {"xatol": 1e-8, "fatol": 1e-11}
    least = minimize(minus, np.array([3.8, 0.0, -2.6]), method="Nelder-Mead", options=options).fun
    expected = 2 * (least - n * fit.minimum[0])
    assert found.likelihood_ratio == pytest.approx(expected, abs=1e-6)
