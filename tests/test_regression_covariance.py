"""Robust covariances of fits: published numbers, R's sandwich, statsmodels, direct sums, copies of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import mlece
from mlece import errors
from mlece.fits import covariance
from mlece.fits.contributions import contributions
from mlece.fits.covariance import fisher_information, trace_term
from mlece.regression import robust
from mlece.regression.kinds import HETEROSCEDASTIC
from mlece.regression.meat import clustered, newey_west

REFERENCE = Path(__file__).parent / "reference"


def load(name: str) -> Any:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


SCHOOLS, AFFAIRS, PUBLISHED = (
    load(name) for name in ("public_schools.json", "affairs.json", "real_data.json")
)
CASES = {case["id"]: case for case in load("regressions.json")["cases"]}
# What is compared: (relative tolerance, reason).
TOLERANCE = {
    "published": (1e-9, "of both, the file's digits and three nearly collinear columns"),
    "R": (1e-6, "R's glm stops where the deviance no longer changes"),
    "rounding": (1e-9, "the same sums in another order, at estimates of 1e-12"),
    "statsmodels": (1e-8, "its estimates, solved to 1e-10 here"),
}


def roots(fit: Any, *args: Any, **options: Any) -> Any:
    return np.array(list(fit.standard_errors(*args, **options).values()))


def close(found: Any, expected: Any, kind: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[kind][0], atol=1e-300)


# ------------------------------------------------------------------------------- published


@pytest.fixture(scope="module")
def schools() -> Any:
    income = np.array(SCHOOLS["income"]) / 1e4
    given = {"income": income, "square": income**2}
    return mlece.fit(mlece.Gaussian(mean="income + square"), SCHOOLS["expenditure"], given=given)


@pytest.fixture(scope="module")
def probit() -> Any:
    names = ["age", "yearsmarried", "religiousness", "occupation", "rating"]
    given = {name: AFFAIRS[name] for name in (*names, "gender")}
    y = (np.array(AFFAIRS["affairs"]) > 0).astype(int)
    model = mlece.Bernoulli(p=mlece.linear(names, link="probit"))
    return mlece.fit(model, y, given=given)


@pytest.mark.parametrize("kind", HETEROSCEDASTIC)
def test_public_schools(schools: Any, kind: str) -> None:
    close(roots(schools, kind)[:3], PUBLISHED["PublicSchools"][kind], "published")


def test_newey_west_of_the_public_schools(schools: Any) -> None:
    for key, correction in (("newey_west_lag3", False), ("newey_west_lag3_adjusted", True)):
        found = roots(schools, "newey-west", lags=3, correction=correction)
        close(found[:3], SCHOOLS[key], "published")
    # The order of the rows is no order in time unless it is given.
    turned = np.random.default_rng(1).permutation(50)
    income = np.array(SCHOOLS["income"])[turned] / 1e4
    given = pd.DataFrame({"income": income, "square": income**2, "year": turned})
    y = np.array(SCHOOLS["expenditure"])[turned]
    mixed = mlece.fit(mlece.Gaussian(mean="income + square"), y, given=given)
    found = roots(mixed, "newey-west", lags=3, order="year")
    close(found[:3], SCHOOLS["newey_west_lag3"], "published")


def test_two_breads_of_the_affairs_probit(probit: Any) -> None:
    told = PUBLISHED["Affairs_probit"]
    close(list(probit.params.values()), told["beta"], "published")
    close(probit.log_likelihood, told["loglik"], "published")
    close(roots(probit, "hessian"), told["se_observed"], "published")
    close(roots(probit, "fisher"), told["se_expected"], "published")
    close(roots(probit), told["se_sandwich_observed"], "published")
    close(roots(probit, bread="expected"), told["se_sandwich_expected"], "published")
    close(roots(probit, "HC0", bread="expected"), told["se_sandwich_expected"], "published")
    assert trace_term(probit)[0] == pytest.approx(told["tr_AinvB_observed"], rel=1e-12)
    assert trace_term(probit, "expected")[0] == pytest.approx(told["tr_AinvB_expected"], rel=1e-12)


def test_affairs_logit() -> None:
    names = ["age", "yearsmarried", "religiousness", "occupation", "rating"]
    y = (np.array(AFFAIRS["affairs"]) > 0).astype(int)
    given = {name: AFFAIRS[name] for name in names}
    logit = mlece.fit(mlece.Bernoulli(p=mlece.linear(names)), y, given=given)
    told = PUBLISHED["Affairs_probit"]["logit"]
    close(list(logit.params.values()), told["beta"], "published")
    close(logit.log_likelihood, told["loglik"], "published")
    # A canonical link: what is expected of the curvature does not depend on the responses.
    close(roots(logit, bread="expected"), roots(logit), "rounding")


@pytest.mark.parametrize("kind", HETEROSCEDASTIC)
def test_affairs_probit_of_sandwich(probit: Any, kind: str) -> None:
    close(roots(probit, kind, bread="expected"), AFFAIRS[kind], "R")


WAYS: dict[str, tuple[tuple[str, ...], str]] = {
    "occupation_clusters": (("occupation",), "clusters"),
    "occupation_age_clusters": (("occupation", "age"), "clusters"),
    "occupation_age_full": (("occupation", "age"), "full"),
    "occupation_age_none": (("occupation", "age"), "none"),
    "occupation_age_gender_clusters": (("occupation", "age", "gender"), "clusters"),
}


@pytest.mark.parametrize("case", WAYS)
def test_affairs_clusters_of_sandwich(probit: Any, case: str) -> None:
    names, correction = WAYS[case]
    options = {"bread": "expected", "correction": correction}
    found = roots(probit, "cluster", clusters=names, **options)
    # Three ways leave negative variances, of which R has NaN too.
    close(found, np.array(AFFAIRS[case], dtype=float), "R")
    labels = tuple(np.array(AFFAIRS[name]) for name in names)
    for same in (list(names), labels, list(labels), np.column_stack(labels)):
        close(roots(probit, "cluster", clusters=same, **options), found, "rounding")


# ------------------------------------------------------------------------------- R's models

X = mlece.linear(intercept=False)
MODELS: dict[str, Any] = {
    "gaussian-regression": mlece.Gaussian(mean=X),
    "poisson-regression": mlece.Poisson(rate=X),
    "logistic-regression": mlece.Bernoulli(p=X),
    "cloglog-regression": mlece.Bernoulli(p=X(link="cloglog")),
    "gamma-regression": mlece.MeanGamma(mean=X),
    "invgauss-regression": mlece.InverseGaussian(mean=X),
    "negbin-regression": mlece.NegativeBinomial(mean=X),
}


def of_r(name: str) -> Any:
    case = CASES[name]
    return mlece.fit(MODELS[case["family"]], case["y"], given=np.array(case["X"], dtype=float))


@pytest.mark.parametrize("name", [k for k, c in CASES.items() if "HC" in c.get("extra", {})])
def test_heteroscedastic_of_r(name: str) -> None:
    fit = of_r(name)
    for kind, expected in CASES[name]["extra"]["HC"].items():
        found = roots(fit, kind, bread="expected")[: len(expected)]
        close(found, list(expected.values()), "R")


@pytest.mark.parametrize("name", ["gagurine-gamma-log", "cars-invgauss-log", "art-glmnb"])
def test_sandwich_of_coefficients_of_r(name: str) -> None:
    # R holds the dispersion fixed; the expected information of a mean and of it are orthogonal.
    expected = CASES[name]["extra"]["sandwich_beta"]
    fit = of_r(name)
    slot = fit.conditional.terms[0].names
    found = fit.standard_errors(bread="expected")
    close([found[k] for k in slot], list(expected.values()), "R")


# ------------------------------------------------------------------------------- statsmodels

RNG = np.random.default_rng(5)
N = 300
TABLE = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.normal(size=N),
        "firm": RNG.integers(12, size=N),
        "year": RNG.permutation(N),
        "region": RNG.choice(["n", "e", "s", "w"], size=N),
    }
)
COUNTS = RNG.poisson(np.exp(0.3 + 0.4 * TABLE["x"]) * RNG.gamma(2.0, 0.5, size=N))
Y = 1 + TABLE["x"] - TABLE["z"] + RNG.normal(size=N) * (1 + TABLE["x"] ** 2)
DESIGN = np.column_stack([np.ones(N), TABLE["x"], TABLE["z"]])


@pytest.fixture(scope="module")
def counts() -> Any:
    return mlece.fit(mlece.Poisson(rate="x + z"), COUNTS, given=TABLE)


@pytest.fixture(scope="module")
def line() -> Any:
    return mlece.fit(mlece.Gaussian(mean="x + z"), Y, given=TABLE)


GLM = {"family": sm.families.Poisson()}


@pytest.mark.parametrize("which", ["counts", "line"])
def test_clusters_and_lags_of_statsmodels(which: str, request: Any) -> None:
    fit = request.getfixturevalue(which)
    firm = TABLE["firm"].to_numpy()
    for kind, options, theirs, settings in (
        ("cluster", {"clusters": "firm"}, "cluster", {"groups": firm}),
        (
            "cluster",
            {"clusters": firm, "correction": "none"},
            "cluster",
            {"groups": firm, "use_correction": False},
        ),
        ("newey-west", {"lags": 4}, "HAC", {"maxlags": 4}),
        ("newey-west", {}, "HAC", {"maxlags": None}),
    ):
        fitted = (
            sm.GLM(COUNTS, DESIGN, **GLM).fit(
                tol=1e-14, maxiter=100, cov_type=theirs, cov_kwds=settings
            )
            if which == "counts"
            else sm.OLS(Y, DESIGN).fit(cov_type=theirs, cov_kwds=settings)
        )
        close(roots(fit, kind, **options)[:3], fitted.bse, "statsmodels")


# ------------------------------------------------------------------------------- weights

REPEATS = RNG.integers(0, 4, size=N)


def copied(model: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return a fit with counts as weights, the same with copies of rows, and the copies of labels."""
    rows = np.repeat(np.arange(N), REPEATS)
    weighted = mlece.fit(model, y, given=TABLE, weights=REPEATS)
    plain = mlece.fit(model, np.asarray(y)[rows], given=TABLE.iloc[rows])
    return weighted, plain, TABLE["firm"].to_numpy()[rows]


@pytest.mark.parametrize("bread", ["observed", "expected"])
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (mlece.NegativeBinomial(mean="x + z"), COUNTS),
        (mlece.Gaussian(mean="x + z", sd="x"), Y),
    ],
)
def test_frequency_weights_are_copies(model: Any, y: Any, bread: str) -> None:
    weighted, plain, firms = copied(model, y)
    for kind in HETEROSCEDASTIC:
        found = weighted.covariance(kind, bread=bread)
        np.testing.assert_allclose(found, plain.covariance(kind, bread=bread), rtol=1e-6)
    found = weighted.covariance("cluster", clusters="firm", bread=bread)
    expected = plain.covariance("cluster", clusters=firms, bread=bread)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_sampling_weights_are_squared() -> None:
    w = RNG.uniform(0.5, 3.0, size=N)
    fit = mlece.fit(mlece.Gaussian(mean="x + z"), Y, given=TABLE, weights=w, weighting="sampling")
    close(fit.covariance("HC0"), fit.covariance(), "rounding")
    theirs = sm.WLS(Y, DESIGN, weights=w)
    for kind in HETEROSCEDASTIC[:4]:
        close(roots(fit, kind)[:3], theirs.fit(cov_type=kind).bse, "statsmodels")
    own = theirs.fit(cov_type="cluster", cov_kwds={"groups": TABLE["firm"].to_numpy()})
    close(roots(fit, "cluster", clusters="firm")[:3], own.bse, "statsmodels")
    own = theirs.fit(cov_type="HAC", cov_kwds={"maxlags": 3})
    close(roots(fit, "newey-west", lags=3)[:3], own.bse, "statsmodels")


# ------------------------------------------------------------------------------- direct sums


def total_of(fit: Any, meat: Any) -> Any:
    """Return the sandwich for the sum of outer products of user-unit scores."""
    inverse = fit.covariance("hessian")
    return inverse @ meat @ inverse


def scores(fit: Any) -> Any:
    found = contributions(fit)
    return found.score[0] / found.factors[0]


def test_each_slot_by_its_own_design() -> None:
    fit = mlece.fit(mlece.Gaussian(mean="x + z", sd="x"), Y, given=TABLE)
    sd = fit.predict().theta[1]
    stretched = scores(fit).copy()
    for columns, design, work in (
        (slice(0, 3), DESIGN, 1 / sd**2),
        # The information of log sd is 2 at every observation.
        (slice(3, 5), DESIGN[:, :2], np.full(N, 2.0)),
    ):
        q = np.linalg.qr(np.sqrt(work)[:, None] * design).Q
        stretched[:, columns] /= 1 - (q**2).sum(axis=1)[:, None]
    close(fit.covariance("HC3"), total_of(fit, stretched.T @ stretched), "rounding")


def test_expected_bread_of_the_negative_binomial() -> None:
    fit = mlece.fit(mlece.NegativeBinomial(mean="x + z"), COUNTS, given=TABLE)
    mean, size = fit.predict().mean, fit.params["size"]
    names = list(fit.family.slots)
    at = [names.index(name) for name in fit.conditional.terms[0].names]
    work = mean / (1 + mean / size)
    expected = DESIGN.T @ (work[:, None] * DESIGN) / N
    found = fisher_information(fit)[0]
    # Nodes of one law serve others whose mass they find to 1e-9.
    np.testing.assert_allclose(found[np.ix_(at, at)], expected, rtol=0, atol=1e-9)
    others = found[at, names.index("size")]
    assert np.max(np.abs(others)) < 1e-9


def test_expected_bread_by_quadrature() -> None:
    fit = mlece.fit(mlece.Logistic(loc="x + z", scale="x"), Y, given=TABLE)
    scale = fit.predict().theta[1]
    found = np.linalg.inv(fit.covariance("fisher"))
    work = 1 / (3 * scale**2)
    np.testing.assert_allclose(found[:3, :3], DESIGN.T @ (work[:, None] * DESIGN), rtol=1e-8)
    own = (3 + np.pi**2) / 9 * DESIGN[:, :2].T @ DESIGN[:, :2]
    np.testing.assert_allclose(found[3:, 3:], own, rtol=1e-8)
    assert np.max(np.abs(found[:3, 3:])) < 1e-8 * np.max(found)


@pytest.mark.parametrize("model", ["softmax", "incomplete", "zeros"])
def test_clusters_and_lags_of_any_family(model: str) -> None:
    if model == "softmax":
        labels = np.array(["a", "b", "c"])[RNG.integers(3, size=N)]
        fit = mlece.fit(mlece.Categorical(p="x + z"), labels, given=TABLE)
    elif model == "incomplete":
        y = mlece.right_censored(np.exp(Y / 5), RNG.random(N) < 0.7)
        fit = mlece.fit(mlece.Weibull(scale="x + z"), y, given=TABLE)
    else:
        y = np.where(RNG.random(N) < 0.3, 0, COUNTS)
        inflated = mlece.Inflated(mlece.Poisson(rate="x"), at=0, probability="z")
        fit = mlece.fit(inflated, y, given=TABLE)
    s = scores(fit)
    k = sum(len(term.names) for term in fit.conditional.terms)
    meat = clustered(s, (TABLE["firm"], TABLE["region"]), parameters=k).matrix
    close(fit.covariance("cluster", clusters=["firm", "region"]), total_of(fit, meat), "rounding")
    meat = newey_west(s, 5, order=TABLE["year"])
    close(fit.covariance("newey-west", lags=5, order="year"), total_of(fit, meat), "rounding")
    close(fit.covariance("HC0"), fit.covariance(), "rounding")


def test_without_covariates() -> None:
    firm = TABLE["firm"].to_numpy()
    fit = mlece.fit(mlece.Poisson(), COUNTS)
    residual = COUNTS - COUNTS.mean()
    sums = np.bincount(firm, residual)
    variance = (sums**2).sum() / N**2 * 12 / 11
    close(fit.covariance("cluster", clusters=firm)[0, 0], variance, "rounding")
    expected = newey_west(residual[:, None], 3)[0, 0] / N**2
    close(fit.covariance("newey-west", lags=3)[0, 0], expected, "rounding")
    close(fit.covariance("newey-west", lags=0), fit.covariance(), "rounding")


def test_labels_without_covariates() -> None:
    firm, region = TABLE["firm"].to_numpy(), TABLE["region"].to_numpy()
    fit = mlece.fit(mlece.Categorical(), region)
    cells = (region[:, None] == np.unique(region)) - fit.params["p"]
    sums = np.stack([np.bincount(firm, c) for c in cells.T], axis=1)
    found = fit.covariance("cluster", clusters=firm, correction="none")
    np.testing.assert_allclose(found, sums.T @ sums / N**2, rtol=1e-12, atol=1e-18)
    close(
        fit.covariance("cluster", clusters=np.arange(N), correction="none"),
        fit.covariance(),
        "rounding",
    )


@pytest.mark.parametrize("kind", [*HETEROSCEDASTIC, "cluster", "newey-west"])
def test_blocks_do_not_matter(counts: Any, kind: str, monkeypatch: Any) -> None:
    options: dict[str, Any] = {"cluster": {"clusters": ("firm", "region")}}.get(kind, {})
    whole = counts.covariance(kind, **options)
    monkeypatch.setattr(robust, "_ROOM", 64)
    monkeypatch.setattr(robust, "_BLOCK", 7)
    close(counts.covariance(kind, **options), whole, "rounding")
    expected = fisher_information(counts)
    monkeypatch.setattr(covariance, "_ROOM", 64)
    close(fisher_information(counts), expected, "rounding")


@pytest.mark.parametrize("kind", [*HETEROSCEDASTIC, "cluster", "newey-west"])
def test_batches_are_their_members(kind: str) -> None:
    y = RNG.poisson(1.5, size=(2, 3, N))
    y[1, 2] = 0
    batch = mlece.fit(mlece.Poisson(rate="x + z"), y, given=TABLE)
    options: dict[str, Any] = {"clusters": "firm"} if kind == "cluster" else {}
    found = batch.covariance(kind, bread="expected", **options)
    assert found.shape == (2, 3, 3, 3)
    assert np.isnan(found[1, 2]).all()
    for place in np.ndindex(2, 3):
        if place != (1, 2):
            single = mlece.fit(mlece.Poisson(rate="x + z"), y[place], given=TABLE)
            alone = single.covariance(kind, bread="expected", **options)
            np.testing.assert_allclose(found[place], alone, rtol=1e-7)


# ------------------------------------------------------------------------------- rows that came


def test_dropped_rows_leave_their_labels_behind(line: Any) -> None:
    holes = TABLE.copy()
    holes["x"] = holes["x"].where(np.arange(N) % 10 != 3)
    kept = holes["x"].notna().to_numpy()
    fit = mlece.fit(mlece.Gaussian(mean="x + z"), Y, given=holes, missing="drop")
    whole = mlece.fit(mlece.Gaussian(mean="x + z"), Y[kept], given=TABLE[kept])
    expected = whole.covariance("cluster", clusters="firm")
    firm = TABLE["firm"].to_numpy().astype(float)
    for clusters in ("firm", firm, firm[kept], np.where(kept, firm, np.nan)):
        close(fit.covariance("cluster", clusters=clusters), expected, "rounding")
    # Rows of no weight are left out of the fit, not out of what is given.
    some = mlece.fit(mlece.Gaussian(mean="x + z"), Y, given=TABLE, weights=1.0 * kept)
    close(some.covariance("cluster", clusters=firm), expected, "rounding")


# ------------------------------------------------------------------------------- bootstrap


def test_residual_and_wild_bootstrap_have_known_limits(line: Any) -> None:
    replicates = 4000
    # A variance over B normal replicates is known to √(2/B).
    reach = 5 * np.sqrt(2 / replicates)
    wild = roots(line, "bootstrap", resampling="wild", replicates=replicates)[:3] ** 2
    np.testing.assert_allclose(wild / roots(line, "HC2")[:3] ** 2, 1.0, atol=reach)
    residual = roots(line, "bootstrap", resampling="residual", replicates=replicates)[:3] ** 2
    naive = roots(line, "hessian")[:3] ** 2 * N / (N - 3)
    np.testing.assert_allclose(residual / naive, 1.0, atol=reach)
    # Residuals divided by √(1 − h) grow by a percent at leverages of a percent.
    clusters = roots(line, "bootstrap", resampling="wild", clusters="firm", replicates=replicates)
    plain = roots(line, "cluster", clusters="firm", correction="none")
    np.testing.assert_allclose(clusters[:3] ** 2 / plain[:3] ** 2, 1.0, atol=reach + 0.05)


def test_bootstrap_of_rows_and_clusters(counts: Any) -> None:
    replicates = 2000
    reach = 5 * np.sqrt(2 / replicates)
    rows = roots(counts, "bootstrap", replicates=replicates, rng=3)
    np.testing.assert_allclose(rows**2 / roots(counts, "HC0") ** 2, 1.0, atol=reach + 0.1)
    assert (
        roots(counts, "bootstrap", replicates=50, rng=7)
        == roots(counts, "bootstrap", replicates=50, rng=7)
    ).all()
    # Clusters of one are rows.
    own = roots(counts, "bootstrap", clusters="year", replicates=replicates, rng=4)
    np.testing.assert_allclose(own**2 / rows**2, 1.0, atol=2 * reach)


def test_bootstrap_of_a_batch() -> None:
    y = RNG.poisson(1.5, size=(3, N))
    batch = mlece.fit(mlece.Poisson(rate="x"), y, given=TABLE)
    found = batch.covariance("bootstrap", clusters="firm", replicates=400)
    assert found.shape == (3, 2, 2)
    single = mlece.fit(mlece.Poisson(rate="x"), y[1], given=TABLE)
    alone = single.covariance("bootstrap", clusters="firm", replicates=400)
    # The same clusters are drawn for every member.
    np.testing.assert_allclose(found[1], alone, rtol=1e-6)


def test_a_replicate_without_estimate_has_no_variance() -> None:
    x = np.arange(8.0)
    fit = mlece.fit(mlece.Bernoulli(p="x"), [0, 0, 1, 0, 1, 0, 1, 1], given={"x": x})
    with pytest.raises(errors.NotRegularError, match="of 60 without one"):
        fit.covariance("bootstrap", replicates=60)


# ------------------------------------------------------------------------------- what people see


def test_labels_of_columns_and_intervals(counts: Any) -> None:
    text = counts.summary(covariance="cluster", clusters="firm", correction="clusters")
    assert "se (cluster, firm)" in text
    assert "se (HC3, expected bread)" in counts.summary(covariance="HC3", bread="expected")
    found = counts.interval(kind="cluster", clusters=("firm", "region"))["rate[x]"]
    assert found.method == "Wald, cluster, firm and region"
    se = counts.standard_errors("cluster", clusters=("firm", "region"))["rate[x]"]
    assert found.upper - found.lower == pytest.approx(2 * 1.959963984540054 * se)
    wide = counts.interval(kind="bootstrap", replicates=99, rng=2)["rate[x]"]
    se = counts.standard_errors("bootstrap", replicates=99, rng=2)["rate[x]"]
    assert wide.upper - wide.lower == pytest.approx(2 * 1.959963984540054 * se)


def test_functions_of_a_fit_take_every_covariance(counts: Any) -> None:
    firm = TABLE["firm"].to_numpy()
    plain = mlece.fit(mlece.Poisson(), COUNTS)
    double = plain.functional(lambda m: 2 * m.mean)
    se = plain.standard_errors("cluster", clusters=firm)["rate"]
    assert double.se("cluster", clusters=firm) == pytest.approx(2 * se, rel=1e-9)
    found = double.interval(kind="cluster", clusters=firm)
    assert found.upper - found.lower == pytest.approx(4 * 1.959963984540054 * se)
    region = mlece.fit(mlece.Categorical(), TABLE["region"].to_numpy())
    first = region.functional(lambda m: m.theta[0][..., 0])
    own = region.standard_errors("cluster", clusters=firm)["p"][0]
    assert first.se("cluster", clusters=firm) == pytest.approx(own, rel=1e-9)


# ------------------------------------------------------------------------------- refusals


def test_bad_input(counts: Any, line: Any) -> None:
    cases: list[tuple[type[Exception], str, str, dict[str, Any]]] = [
        (errors.DataError, "clusters for a cluster covariance", "cluster", {}),
        (errors.DataError, "each of 300 observations; got shape", "cluster", {"clusters": [1, 2]}),
        (errors.DataError, "at least two clusters", "cluster", {"clusters": np.ones(N)}),
        (errors.DataError, "300 observations", "newey-west", {"order": np.arange(5)}),
        (errors.DataError, "time of its own", "newey-west", {"order": "firm"}),
        (errors.ParameterError, "number of lags", "newey-west", {"lags": N}),
        (errors.UnknownNameError, "column", "cluster", {"clusters": "frm"}),
        (errors.UnknownNameError, "option of a HC3", "HC3", {"clusters": "firm"}),
        (errors.UnknownNameError, "bread", "HC3", {"bread": "brown"}),
        (errors.UnknownNameError, "covariance", "HC5", {}),
        (errors.UnknownNameError, "correction", "cluster", {"clusters": "firm", "correction": "x"}),
        (errors.UnknownNameError, "resampling", "bootstrap", {"resampling": "jack"}),
        (errors.ComparisonError, "linear model", "bootstrap", {"resampling": "wild"}),
        (
            errors.ComparisonError,
            "for clusters",
            "bootstrap",
            {"resampling": "residual", "clusters": "firm"},
        ),
    ]
    for error, words, kind, options in cases:
        with pytest.raises(error, match=words):
            counts.covariance(kind, **options)
    missing = TABLE["firm"].astype(object).where(np.arange(N) != 7)
    with pytest.raises(errors.DataError, match="a label for every observation"):
        line.covariance("cluster", clusters=missing)


def test_what_has_no_such_covariance() -> None:
    plain = mlece.fit(mlece.Poisson(), COUNTS)
    with pytest.raises(errors.NotRegularError, match="covariates for a HC3"):
        plain.covariance("HC3")
    with pytest.raises(errors.DataError, match="no table given"):
        plain.covariance("cluster", clusters="firm")
    known = mlece.fit(mlece.Poisson(), mlece.Poisson(rate=2))
    with pytest.raises(errors.ComparisonError, match="data for a cluster"):
        known.covariance("cluster", clusters=[1, 2])
    counted = mlece.fit(mlece.Poisson(rate="x"), COUNTS, given=TABLE, weights=REPEATS)
    with pytest.raises(errors.NotRegularError, match="observations in order"):
        counted.covariance("newey-west")
    y = mlece.right_censored(np.exp(Y / 5), RNG.random(N) < 0.7)
    survival = mlece.fit(mlece.Weibull(scale="x"), y, given=TABLE)
    with pytest.raises(errors.NotRegularError, match="complete responses for leverages"):
        survival.covariance("HC3")
    with pytest.raises(errors.ComparisonError, match="complete responses"):
        survival.covariance("HC1", bread="expected")
    stretched = scores(survival)
    stretched[:, 1:] *= np.sqrt(N / (N - 2))
    close(survival.covariance("HC1"), total_of(survival, stretched.T @ stretched), "rounding")


def test_an_observation_with_a_coefficient_of_its_own() -> None:
    own = np.where(np.arange(N) == 5, 1.0, 0.0)
    given = TABLE.assign(own=own)
    fit = mlece.fit(mlece.Poisson(rate="x + own"), COUNTS + 1, given=given)
    if np.max(np.abs(scores(fit)[5])) == 0:
        assert np.isfinite(roots(fit, "HC3")).all()
    else:
        with pytest.raises(errors.NotRegularError, match="leverages below 1 for HC3"):
            fit.covariance("HC3")
    assert np.isfinite(roots(fit, "HC1")).all()
