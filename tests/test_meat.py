"""Meats of the sandwich, against published standard errors, R's sandwich and statsmodels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlece import errors
from mlece.numerics.symmetric import sandwich, symmetric_inverse
from mlece.refits.resampling import (
    cluster_weights,
    pairs_weights,
    residual_responses,
    wild_responses,
)
from mlece.regression.dependence import CORRECTIONS, automatic_lags
from mlece.regression.meat import KINDS, clustered, heteroscedastic, newey_west

REFERENCE = Path(__file__).parent / "reference"


def load(name: str) -> Any:
    return json.loads((REFERENCE / name).read_text(encoding="utf-8"))


SCHOOLS, AFFAIRS = load("public_schools.json"), load("affairs.json")
PUBLISHED = load("real_data.json")["PublicSchools"]


class Scores:
    """Scores (n, k), leverages and information of a linear regression or a probit."""

    def __init__(self, score: Any, leverage: Any, information: Any) -> None:
        self.score, self.leverage, self.information = score, leverage, information

    def errors(self, meat: Any) -> Any:
        return np.sqrt(
            np.diagonal(sandwich(symmetric_inverse(self.information[None]), meat[None])[0])
        )


def schools() -> Scores:
    income = np.array(SCHOOLS["income"]) / 1e4
    x = np.column_stack([np.ones_like(income), income, income**2])
    return linear(x, np.array(SCHOOLS["expenditure"], dtype=float))


def linear(x: Any, y: Any) -> Scores:
    q = np.linalg.qr(x).Q
    residual = y - q @ (q.T @ y)
    return Scores(x * residual[:, None], (q**2).sum(axis=1), x.T @ x)


def probit() -> Scores:
    stats = pytest.importorskip("scipy.stats")
    names = ("age", "yearsmarried", "religiousness", "occupation", "rating")
    x = np.column_stack([np.ones(601), *(AFFAIRS[name] for name in names)])
    y = np.array(AFFAIRS["affairs"]) > 0
    eta = x @ np.array(AFFAIRS["beta"])
    p, slope = stats.norm.cdf(eta), stats.norm.pdf(eta)
    work = slope**2 / (p * (1 - p))
    information = x.T @ (work[:, None] * x)
    h = work * np.einsum("ij,jk,ik->i", x, np.linalg.inv(information), x)
    return Scores(x * ((y - p) * slope / (p * (1 - p)))[:, None], h, information)


@pytest.mark.parametrize("kind", KINDS)
def test_published_standard_errors_of_the_public_schools(kind: str) -> None:
    found = schools()
    meat = heteroscedastic(found.score, kind, leverage=found.leverage)
    # The normal equations of three nearly collinear columns lose five digits.
    np.testing.assert_allclose(found.errors(meat), PUBLISHED[kind], rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_probit_standard_errors_of_sandwich(kind: str) -> None:
    found = probit()
    meat = heteroscedastic(found.score, kind, leverage=found.leverage)
    # R's glm stops where the deviance no longer changes: half the digits of the coefficients.
    np.testing.assert_allclose(found.errors(meat), AFFAIRS[kind], rtol=1e-7)


WAYS = {
    "occupation_clusters": (("occupation",), "clusters"),
    "occupation_age_clusters": (("occupation", "age"), "clusters"),
    "occupation_age_full": (("occupation", "age"), "full"),
    "occupation_age_none": (("occupation", "age"), "none"),
}


@pytest.mark.parametrize("case", WAYS)
def test_clusters_of_sandwich(case: str) -> None:
    names, correction = WAYS[case]
    found = probit()
    meat = clustered(found.score, tuple(AFFAIRS[n] for n in names), correction=correction)
    np.testing.assert_allclose(found.errors(meat.matrix), AFFAIRS[case], rtol=1e-7)
    assert meat.counts == tuple(len(set(AFFAIRS[n])) for n in names)


def test_a_meat_that_is_no_covariance_says_so() -> None:
    found = probit()
    ways = tuple(AFFAIRS[name] for name in ("occupation", "age", "gender"))
    meat = clustered(found.score, ways, correction="clusters")
    assert meat.indefinite
    with np.errstate(invalid="ignore"):
        se = found.errors(meat.matrix)
    expected = np.array(AFFAIRS["occupation_age_gender_clusters"], dtype=float)
    np.testing.assert_allclose(se, expected, rtol=1e-7)
    assert np.isnan(expected).sum() == 3
    assert not clustered(found.score, ways[0]).indefinite


def test_newey_west_of_sandwich() -> None:
    found = schools()
    meat = newey_west(found.score, 3)
    np.testing.assert_allclose(found.errors(meat), SCHOOLS["newey_west_lag3"], rtol=1e-9)
    meat = newey_west(found.score, 3, correction=True)
    np.testing.assert_allclose(found.errors(meat), SCHOOLS["newey_west_lag3_adjusted"], rtol=1e-9)


# ------------------------------------------------------------------------------- statsmodels

RNG = np.random.default_rng(5)
N = 300
X = np.column_stack([np.ones(N), RNG.normal(size=(N, 2))])
Y = X @ [1.0, 0.5, -1.0] + RNG.normal(size=N) * (1 + X[:, 1] ** 2)
G1, G2 = RNG.integers(12, size=N), RNG.integers(7, size=N)


@pytest.fixture
def ols() -> Any:
    api = pytest.importorskip("statsmodels.api")
    return lambda kind, **options: api.OLS(Y, X).fit(cov_type=kind, cov_kwds=options or None)


@pytest.mark.parametrize("kind", KINDS[:4])
def test_heteroscedastic_of_statsmodels(kind: str, ols: Any) -> None:
    found = linear(X, Y)
    meat = heteroscedastic(found.score, kind, leverage=found.leverage)
    np.testing.assert_allclose(found.errors(meat), ols(kind).bse, rtol=1e-11)


@pytest.mark.parametrize("correction", ["full", "none"])
@pytest.mark.parametrize("ways", [1, 2])
def test_clusters_of_statsmodels(ways: int, correction: str, ols: Any) -> None:
    groups = np.column_stack([G1, G2][:ways])
    found = linear(X, Y)
    meat = clustered(found.score, groups, correction=correction)
    peer = ols("cluster", groups=groups, use_correction=correction == "full")
    np.testing.assert_allclose(found.errors(meat.matrix), peer.bse, rtol=1e-11)


@pytest.mark.parametrize("lags", [0, 1, 9])
def test_newey_west_of_statsmodels(lags: int, ols: Any) -> None:
    found = linear(X, Y)
    peer = ols("HAC", maxlags=lags, use_correction=True)
    se = found.errors(newey_west(found.score, lags, correction=True))
    np.testing.assert_allclose(se, peer.bse, rtol=1e-11)


def test_automatic_lags_of_statsmodels() -> None:
    peer = pytest.importorskip("statsmodels.stats.sandwich_covariance")
    found = linear(X, Y)
    np.testing.assert_allclose(newey_west(found.score), peer.S_hac_simple(found.score), rtol=1e-12)
    assert [automatic_lags(n) for n in (1, 99, 100, 500)] == [1, 3, 4, 5]


def test_poisson_scores_of_statsmodels() -> None:
    api = pytest.importorskip("statsmodels.api")
    y = RNG.poisson(np.exp(0.3 * X[:, 1]))
    model = api.GLM(y, X, family=api.families.Poisson())
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": G1}, tol=1e-14)
    mean = np.asarray(fit.fittedvalues)
    found = Scores(X * (y - mean)[:, None], None, X.T @ (mean[:, None] * X))
    np.testing.assert_allclose(found.errors(clustered(found.score, G1).matrix), fit.bse, rtol=1e-10)
    robust = model.fit(cov_type="HC0", tol=1e-14)
    np.testing.assert_allclose(found.errors(heteroscedastic(found.score)), robust.bse, rtol=1e-10)


# ------------------------------------------------------------------------------- properties

SCORE, LEVERAGE = linear(X, Y).score, linear(X, Y).leverage
COUNTS = RNG.integers(0, 4, N)


@pytest.mark.parametrize("kind", KINDS)
def test_frequency_weights_are_copies(kind: str) -> None:
    copies = np.repeat(np.arange(N), COUNTS)
    long = heteroscedastic(SCORE[copies], kind, leverage=LEVERAGE[copies])
    short = heteroscedastic(SCORE, kind, leverage=LEVERAGE, weights=COUNTS)
    np.testing.assert_allclose(short, long, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_weights_are_part_of_the_score(kind: str) -> None:
    w = RNG.uniform(0.5, 2, N)
    weighted = heteroscedastic(SCORE, kind, leverage=LEVERAGE, weights=w, weighting="sampling")
    plain = heteroscedastic(SCORE * w[:, None], kind, leverage=LEVERAGE)
    np.testing.assert_allclose(weighted, plain, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_frequency_weights_are_copies_in_clusters(correction: str) -> None:
    copies = np.repeat(np.arange(N), COUNTS)
    long = clustered(SCORE[copies], (G1[copies], G2[copies]), correction=correction)
    short = clustered(SCORE, (G1, G2), weights=COUNTS, correction=correction)
    np.testing.assert_allclose(short.matrix, long.matrix, rtol=1e-12, atol=1e-9)
    assert short.counts == long.counts


def test_clusters_of_one_are_hc0_and_a_way_twice_is_one_way() -> None:
    alone = clustered(SCORE, np.arange(N), correction="none")
    np.testing.assert_allclose(alone.matrix, heteroscedastic(SCORE), rtol=1e-12)
    twice, once = clustered(SCORE, (G1, G1)), clustered(SCORE, G1)
    np.testing.assert_allclose(twice.matrix, once.matrix, rtol=1e-10)
    assert not twice.indefinite


@pytest.mark.parametrize(
    "labels",
    [
        lambda g: [f"firm {k}" for k in g],
        lambda g: np.array(g, dtype=float) + 0.5,
        lambda g: np.datetime64("2020-01-01") + np.array(g),
        lambda g: [frozenset({int(k)}) for k in g],
    ],
    ids=["text", "numbers", "dates", "objects"],
)
def test_clusters_are_labels_of_any_type(labels: Any) -> None:
    # Sorted as text, the clusters are added up in another order.
    np.testing.assert_allclose(
        clustered(SCORE, labels(G1)).matrix, clustered(SCORE, G1).matrix, rtol=1e-13
    )


def test_only_the_coefficients_have_a_leverage() -> None:
    extra = np.column_stack([SCORE, RNG.normal(size=N)])
    own = np.arange(3)
    meat = heteroscedastic(extra, "HC3", leverage=LEVERAGE, columns=own)
    np.testing.assert_allclose(
        meat[:3, :3], heteroscedastic(SCORE, "HC3", leverage=LEVERAGE), rtol=1e-12
    )
    assert meat[3, 3] == pytest.approx(float(extra[:, 3] @ extra[:, 3]), rel=1e-13)


def test_order_is_the_order_in_time() -> None:
    shuffled = RNG.permutation(N)
    times = np.datetime64("2001-01-01") + shuffled
    np.testing.assert_allclose(
        newey_west(SCORE[shuffled], 4, order=times), newey_west(SCORE, 4), rtol=1e-12
    )


@pytest.mark.parametrize("kind", ["HC2", "HC3", "HC4"])
def test_leverage_one(kind: str) -> None:
    h = LEVERAGE.copy()
    h[7] = 1.0
    with pytest.raises(
        errors.NotRegularError, match=r"Row 7 is fitted by a coefficient of its own"
    ):
        heteroscedastic(SCORE, kind, leverage=h)
    silent = SCORE.copy()
    silent[7] = 0.0
    kept = np.arange(N) != 7
    count = kept.astype(float)
    meat = heteroscedastic(silent, kind, leverage=h)
    if kind != "HC4":  # whose mean leverage counts the row
        other = heteroscedastic(silent, kind, leverage=h, weights=count)
        np.testing.assert_array_equal(meat, other)
    assert np.isfinite(meat).all()


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "kind": (lambda: heteroscedastic(SCORE, "HC9"), errors.UnknownNameError, "Did you mean 'HC4'"),
    "no leverage": (lambda: heteroscedastic(SCORE, "HC3"), errors.DataError, "got none"),
    "leverage length": (
        lambda: heteroscedastic(SCORE, "HC3", leverage=LEVERAGE[:5]), errors.DataError, r"\(5,\)",
    ),
    "leverage": (
        lambda: heteroscedastic(SCORE, "HC2", leverage=LEVERAGE + 1), errors.DataError, "300 such",
    ),
    "HC1 of few": (lambda: heteroscedastic(SCORE[:3], "HC1"), errors.DataError, "3 coefficients"),
    "cluster length": (
        lambda: clustered(SCORE, G1[:-1]), errors.DataError, "each of 300 observations; got 299",
    ),
    "cluster missing": (
        lambda: clustered(SCORE, [None, *G1[1:].tolist()]), errors.DataError, "position 0",
    ),
    "one cluster": (lambda: clustered(SCORE, np.ones(N)), errors.DataError, "at least two"),
    "correction": (
        lambda: clustered(SCORE, G1, correction="HC1"), errors.UnknownNameError, "full",
    ),
    "clusters of few": (lambda: clustered(SCORE[:3], [1, 2, 2]), errors.DataError, "clusters'"),
    "lags": (lambda: newey_west(SCORE, N), errors.ParameterError, "from 0 to 299"),
    "part of a lag": (lambda: newey_west(SCORE, 1.5), errors.ParameterError, "whole"),  # type: ignore[arg-type]
    "tied times": (lambda: newey_west(SCORE, 1, order=G1), errors.DataError, "more than once"),
    "scores": (lambda: newey_west(SCORE[:, 0]), errors.DataError, "table"),
    "law": (
        lambda: list(wild_responses(Y, Y, 2, law="normal")), errors.UnknownNameError, "mammen",
    ),
    "ways of a bootstrap": (
        lambda: list(cluster_weights((G1, G2), N, 2)), errors.DataError, "one way",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, kind, text = BAD[case]
    with pytest.raises(kind, match=text):
        call()


def test_missing_labels_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    for labels in (
        pandas.Series(["a", "b", pandas.NA], dtype="string"),
        pandas.Series(["a", "b", pandas.NA], dtype=object),
        pandas.to_datetime(pandas.Series(["2020-01-01", "2020-01-02", None])),
    ):
        with pytest.raises(errors.DataError, match="position 2"):
            clustered(SCORE[:3], labels, correction="none")


# ------------------------------------------------------------------------------- bootstrap


def test_bootstrap_weights_are_counts() -> None:
    for w in (*pairs_weights(N, 50, 1), *pairs_weights(N, 50, 1, counts=np.ones(N, dtype=int))):
        assert w.shape == (50, N)
        assert np.all(w.sum(axis=1) == N)
        # Nearly Poisson counts, of fourth moment 4: five standard errors of the variance of 15,000.
        assert abs(w.var() - (1 - 1 / N)) < 5 * np.sqrt(3 / w.size)
    (w,) = cluster_weights(G1, N, 50, 1)
    for g in range(12):
        assert np.ptp(w[:, g == G1], axis=1).max() == 0
    first = [int(np.argmax(g == G1)) for g in range(12)]
    assert np.all(w[:, first].sum(axis=1) == 12)


def test_bootstraps_have_the_variances_of_their_meats() -> None:
    """Over 4,000 replicates 5 standard errors of a standard deviation are 5/√8000 = 5.6 %."""
    found = linear(X, Y)
    fitted = Y - found.score[:, 0]
    residual = found.score[:, 0]
    solve = np.linalg.solve(X.T @ X, X.T)
    wild = np.concatenate(list(wild_responses(fitted, residual, 4000, 1, leverage=LEVERAGE)))
    hc2 = found.errors(heteroscedastic(SCORE, "HC2", leverage=LEVERAGE))
    np.testing.assert_allclose((wild @ solve.T).std(axis=0), hc2, rtol=0.06)
    grouped = np.concatenate(
        list(wild_responses(fitted, residual, 4000, 1, clusters=G1, law="mammen"))
    )
    cl = found.errors(clustered(SCORE, G1, correction="none").matrix)
    # Twelve factors of fourth moment 2 are no normal sum: 0.08 leaves room for a kurtosis of 4.
    np.testing.assert_allclose((grouped @ solve.T).std(axis=0), cl, rtol=0.08)
    plain = np.concatenate(list(residual_responses(fitted, residual, 4000, 1, leverage=LEVERAGE)))
    spread = (residual / np.sqrt(1 - LEVERAGE)).std()
    ml = spread * np.sqrt(np.diagonal(np.linalg.inv(X.T @ X)))
    np.testing.assert_allclose((plain @ solve.T).std(axis=0), ml, rtol=0.06)
