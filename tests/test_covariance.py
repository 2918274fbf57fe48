"""The covariance of an estimate against direct sums, closed forms and statsmodels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.base.model import GenericLikelihoodModel

import mlece
from mlece import errors
from mlece.model import Model

m = mlece
KINDS = ("sandwich", "hessian", "fisher", "opg")
TOLERANCE = {
    "sums": (1e-9, "the same matrices from derivatives coded here in multiple precision"),
    "statsmodels": (1e-6, "its Hessian is numerical"),
    "formula": (1e-12, "arithmetic on the same numbers"),
}
Z95 = 1.959963984540054

mp = mpmath
# Log densities, written out once more, in multiple precision: mpmath takes the derivatives.
LOG_DENSITIES: dict[str, tuple[Model, Callable[..., Any], list[float]]] = {
    "Gaussian": (
        m.Gaussian(),
        lambda y, mu, s: -mp.log(s) - mp.log(2 * mp.pi) / 2 - (y - mu) ** 2 / (2 * s**2),
        [1.0, 2.5, -0.5, 4.0, 0.25, 1.75],
    ),
    "Gamma": (
        m.Gamma(),
        lambda y, a, b: a * mp.log(b) - mp.loggamma(a) + (a - 1) * mp.log(y) - b * y,
        [1.0, 2.5, 0.5, 4.0, 0.25],
    ),
    "Weibull": (
        m.Weibull(),
        lambda y, k, s: mp.log(k) - k * mp.log(s) + (k - 1) * mp.log(y) - (y / s) ** k,
        [1.0, 2.5, 0.5, 4.0, 0.25],
    ),
    "LogNormal": (
        m.LogNormal(),
        lambda y, mu, s: (
            -mp.log(y * s) - mp.log(2 * mp.pi) / 2 - (mp.log(y) - mu) ** 2 / (2 * s**2)
        ),
        [1.0, 2.5, 0.5, 4.0, 0.25],
    ),
    "InverseGaussian": (
        m.InverseGaussian(),
        lambda y, mu, k: mp.log(k / (2 * mp.pi * y**3)) / 2 - k * (y - mu) ** 2 / (2 * mu**2 * y),
        [1.0, 2.5, 0.5, 4.0, 0.25],
    ),
    "Beta": (
        m.Beta(),
        lambda y, a, b: (a - 1) * mp.log(y) + (b - 1) * mp.log(1 - y) - mp.log(mp.beta(a, b)),
        [0.1, 0.25, 0.5, 0.4, 0.7],
    ),
    "Logistic": (
        m.Logistic(),
        lambda y, mu, s: -(y - mu) / s - mp.log(s) - 2 * mp.log(1 + mp.exp(-(y - mu) / s)),
        [1.0, 2.5, -0.5, 4.0, 0.25],
    ),
    "Gumbel": (
        m.Gumbel(),
        lambda y, mu, s: -(y - mu) / s - mp.exp(-(y - mu) / s) - mp.log(s),
        [1.0, 2.5, -0.5, 4.0, 0.25],
    ),
    "StudentT": (
        m.StudentT(),
        lambda y, v, mu, s: (
            mp.loggamma((v + 1) / 2)
            - mp.loggamma(v / 2)
            - mp.log(v * mp.pi) / 2
            - mp.log(s)
            - (v + 1) / 2 * mp.log(1 + ((y - mu) / s) ** 2 / v)
        ),
        [-6.0, -1.0, -0.5, -0.25, 0.0, 0.1, 0.3, 0.7, 1.2, 9.0],
    ),
    "NegativeBinomial": (
        m.NegativeBinomial(),
        lambda y, r, mu: (
            mp.loggamma(y + r)
            - mp.loggamma(r)
            - mp.loggamma(y + 1)
            + r * mp.log(r / (r + mu))
            + y * mp.log(mu / (r + mu))
        ),
        [0.0, 1.0, 7.0, 2.0, 0.0, 12.0],
    ),
    "Poisson": (
        m.Poisson(),
        lambda y, lam: y * mp.log(lam) - lam - mp.loggamma(y + 1),
        [0.0, 1.0, 7.0, 2.0],
    ),
    "Geometric": (m.Geometric(), lambda y, p: mp.log(p) + y * mp.log(1 - p), [0.0, 1.0, 7.0]),
    "Exponential": (m.Exponential(), lambda y, r: mp.log(r) - r * y, [0.5, 1.0, 7.0]),
    "Bernoulli": (
        m.Bernoulli(),
        lambda y, p: y * mp.log(p) + (1 - y) * mp.log(1 - p),
        [0.0, 1.0, 1.0],
    ),
    "Pareto": (
        m.Pareto(scale=0.25),
        lambda y, a: mp.log(a) + a * mp.log(0.25) - (a + 1) * mp.log(y),
        [0.5, 1.0, 7.0],
    ),
}
every_density = pytest.mark.parametrize("name", LOG_DENSITIES)


def matrices(name: str, fit: mlece.Fit, weights: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """A and B as weighted means over observations, differentiated with 40 digits."""
    _, density, data = LOG_DENSITIES[name]
    theta = [mp.mpf(v) for v in fit.params.values()]
    k, total = len(theta), sum(weights)
    a, b = mp.zeros(k), mp.zeros(k)
    for y, w in zip(data, weights, strict=True):
        rows = range(k)

        def at(*t: Any, y: float = y) -> Any:
            return density(mp.mpf(y), *t)

        score = [mp.diff(at, tuple(theta), tuple(int(i == r) for r in rows)) for i in rows]
        for i in rows:
            for j in rows:
                order = tuple(int(i == r) + int(j == r) for r in rows)
                a[i, j] -= w * mp.diff(at, tuple(theta), order) / total
                b[i, j] += w * score[i] * score[j] / total
    return np.array(a.tolist(), dtype=float), np.array(b.tolist(), dtype=float)


@every_density
@pytest.mark.parametrize("weighted", [False, True])
def test_direct_sums(name: str, weighted: bool) -> None:
    model, _, data = LOG_DENSITIES[name]
    weights = [1.0 + (i % 3) * weighted for i in range(len(data))]
    fit = mlece.fit(model, data, weights=weights if weighted else None)
    with mp.workdps(40):
        a, b = matrices(name, fit, weights)
    n, inverse = sum(weights), np.linalg.inv(a)
    for kind, expected in (
        ("hessian", inverse / n),
        ("opg", np.linalg.inv(b) / n),
        ("sandwich", inverse @ b @ inverse / n),
    ):
        size = float(np.abs(expected).max())
        rel = TOLERANCE["sums"][0]
        np.testing.assert_allclose(fit.covariance(kind), expected, rtol=rel, atol=rel * size)
    assert fit.trace == pytest.approx(float(np.trace(inverse @ b)), rel=TOLERANCE["sums"][0])


# Expected information in closed form: Johnson, Kotz and Balakrishnan (1994), Continuous Univariate
# Distributions.
FISHER: dict[str, tuple[Model, Callable[..., Any]]] = {
    "Gaussian": (m.Gaussian(), lambda mu, s: [[1 / s**2, 0], [0, 2 / s**2]]),
    "Logistic": (
        m.Logistic(),
        lambda mu, s: [[1 / (3 * s**2), 0], [0, (3 + math.pi**2) / (9 * s**2)]],
    ),
    "Laplace": (m.Laplace(), lambda mu, s: [[1 / s**2, 0], [0, 1 / s**2]]),
    "Gumbel": (
        m.Gumbel(),
        lambda mu, s: [
            [1 / s**2, -(1 - np.euler_gamma) / s**2],
            [-(1 - np.euler_gamma) / s**2, ((1 - np.euler_gamma) ** 2 + math.pi**2 / 6) / s**2],
        ],
    ),
    "Weibull": (
        m.Weibull(),
        lambda k, s: [
            [(math.pi**2 / 6 + (1 - np.euler_gamma) ** 2) / k**2, -(1 - np.euler_gamma) / s],
            [-(1 - np.euler_gamma) / s, k**2 / s**2],
        ],
    ),
    "StudentT": (
        m.StudentT(df=5),
        lambda mu, s: [[6 / (8 * s**2), 0], [0, 2 * 5 / (8 * s**2)]],
    ),
    "NegativeBinomial": (
        m.NegativeBinomial(size=2),
        lambda mu: [[1 / mu - 1 / (2 + mu)]],
    ),
    "Binomial": (m.Binomial(n=12), lambda p: [[12 / (p * (1 - p))]]),
}


@pytest.mark.parametrize("name", FISHER)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_expected_information(name: str, scale: float) -> None:
    model, information = FISHER[name]
    y = np.array([1, 3, 4, 4, 5, 6, 8, 2.0, 11])
    scale = 1.0 if model.support.discrete else scale
    fit = mlece.fit(model, scale * y)
    expected = np.linalg.inv(np.array(information(*fit.params.values()), dtype=float)) / y.size
    root = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(
        fit.covariance("fisher") / root, expected / root, rtol=1e-8, atol=1e-8
    )


# ---------------------------------------------------------------------------- statsmodels


def test_gaussian_mean_is_a_regression_on_one() -> None:
    y = np.random.default_rng(1).gamma(2.0, size=80)
    ols = sm.OLS(y, np.ones(80)).fit()
    fit = mlece.fit(m.Gaussian(), y)
    assert fit.standard_errors()["mean"] == pytest.approx(float(ols.HC0_se[0]), rel=1e-12)
    assert fit.log_likelihood == pytest.approx(float(ols.llf), rel=1e-12)
    # statsmodels does not count the variance among the parameters.
    assert fit.aic == pytest.approx(float(ols.aic) + 2, rel=1e-12)


class GaussianLikelihood(GenericLikelihoodModel):  # type: ignore[misc]
    def loglikeobs(self, params: Any) -> Any:
        z = (self.endog - params[0]) / params[1]
        return -0.5 * z**2 - np.log(params[1]) - 0.5 * np.log(2 * np.pi)


def test_gaussian_sandwich_is_that_of_statsmodels() -> None:
    y = np.random.default_rng(1).gamma(2.0, size=80)
    fit = mlece.fit(m.Gaussian(), y)
    other = GaussianLikelihood(y, np.ones((80, 1)))
    theta = np.array([fit.params["mean"], fit.params["sd"]])
    a, scores = -other.hessian(theta), other.score_obs(theta)
    inverse = np.linalg.inv(a)
    rel = TOLERANCE["statsmodels"][0]
    expected = inverse @ scores.T @ scores @ inverse
    np.testing.assert_allclose(fit.covariance(), expected, rtol=rel, atol=rel * expected.max())


# ---------------------------------------------------------------------- intervals and criteria


def sample() -> np.ndarray:
    return np.random.default_rng(5).gamma(3.0, size=120)


@pytest.mark.parametrize(
    "model", [m.Gamma(), m.Weibull(), m.Gaussian(), m.StudentT(df=4)], ids=repr
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_wald_intervals(model: Model, kind: str, level: float) -> None:
    fit = mlece.fit(model, sample())
    z = float(mp.sqrt(2) * mp.erfinv(level))
    own = fit.interval(level=level, kind=kind)
    free = fit.interval(level=level, kind=kind, scale="unconstrained")
    for key, error in fit.standard_errors(kind).items():
        estimate = fit.params[key]
        assert own[key] == pytest.approx((estimate - z * error, estimate + z * error), rel=1e-10)
        if model.parameter(key).domain.lower == 0:
            factor = math.exp(z * error / estimate)
            assert free[key] == pytest.approx((estimate / factor, estimate * factor), rel=1e-10)
        else:
            assert free[key] == pytest.approx(own[key], rel=1e-10)


def test_unconstrained_intervals_of_a_probability_stay_inside() -> None:
    fit = mlece.fit(m.Bernoulli(), [0] * 19 + [1])
    error = math.sqrt(0.05 * 0.95 / 20)
    low, high = fit.interval(scale="unconstrained")["p"]
    eta, width = math.log(0.05 / 0.95), Z95 * error / (0.05 * 0.95)
    assert (low, high) == pytest.approx(
        tuple(1 / (1 + math.exp(-(eta + s * width))) for s in (-1, 1)), rel=1e-10
    )
    assert 0 < low < high < 1
    assert fit.interval()["p"][0] < 0


@pytest.mark.parametrize(
    "model", [m.Gamma(), m.Gaussian(), m.StudentT(), m.Exponential()], ids=repr
)
def test_criteria(model: Model) -> None:
    y = sample()
    fit = mlece.fit(model, y)
    log_likelihood = math.fsum(fit.model.log_density(y))
    k, rel = len(model.free), TOLERANCE["formula"][0]
    assert fit.log_likelihood == pytest.approx(log_likelihood, rel=rel)
    assert float(fit.cross_entropy) == pytest.approx(-log_likelihood / 120, rel=rel)
    assert fit.aic == pytest.approx(2 * k - 2 * log_likelihood, rel=rel)
    assert fit.bic == pytest.approx(k * math.log(120) - 2 * log_likelihood, rel=rel)
    a, b = (np.linalg.inv(fit.covariance(kind)) for kind in ("hessian", "opg"))
    assert fit.tic == pytest.approx(
        2 * float(np.trace(np.linalg.solve(a, b))) - 2 * log_likelihood, rel=1e-10
    )


def test_criteria_count_frequencies() -> None:
    counts, values = [109, 65, 22, 3, 1], range(5)
    table = mlece.fit(m.Poisson(), list(values), weights=counts)
    rows = mlece.fit(m.Poisson(), np.repeat(values, counts))
    for name in ("n", "log_likelihood", "aic", "bic", "tic", "trace"):
        assert getattr(table, name) == pytest.approx(getattr(rows, name), rel=1e-12)


def test_categorical_covariance_is_multinomial() -> None:
    fit = mlece.fit(m.Categorical(), list("aabbbc"))
    p = np.array([2, 3, 1]) / 6
    expected = (np.diag(p) - np.outer(p, p)) / 6
    for kind in KINDS:
        np.testing.assert_allclose(fit.covariance(kind), expected, rtol=1e-12, atol=1e-16)
    assert fit.trace == pytest.approx(2.0)
    assert fit.parameter_count == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_covariances(kind: str) -> None:
    y = np.random.default_rng(5).gamma(3.0, size=(2, 3, 50))
    whole = mlece.fit(m.Gamma(), y)
    assert whole.covariance(kind).shape == (2, 3, 2, 2)
    for at in np.ndindex(2, 3):
        one = mlece.fit(m.Gamma(), y[at])
        np.testing.assert_allclose(whole.covariance(kind)[at], one.covariance(kind), rtol=1e-9)
        assert whole.interval(kind=kind)["rate"][1][at] == pytest.approx(
            one.interval(kind=kind)["rate"][1]
        )
        assert whole.trace[at] == pytest.approx(one.trace, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_units_of_a_covariance(kind: str) -> None:
    y = sample()
    for model in (m.Gamma(), m.Weibull(), m.Gaussian(), m.InverseGaussian(), m.Gumbel()):
        near, far = mlece.fit(model, y), mlece.fit(model, 1e9 * y)
        factors = [float(f) for f in model.frame_factors(1e9)]
        np.testing.assert_allclose(
            far.covariance(kind) / np.outer(factors, factors),
            near.covariance(kind),
            rtol=1e-7,
            atol=1e-12,
        )


def test_boundary_fits_have_no_standard_errors() -> None:
    for fit in (
        mlece.fit(m.Poisson(), [0, 0]),
        mlece.fit(m.NegativeBinomial(), [1, 1]),
        mlece.fit(m.Gaussian(), [1.0, 1.0]),
    ):
        for kind in KINDS:
            with pytest.raises(errors.NotRegularError):
                fit.covariance(kind)
        for ask in (lambda fit=fit: fit.interval(), lambda fit=fit: fit.tic):
            with pytest.raises(errors.NotRegularError):
                ask()


BATCH_MODELS = [m.Gamma, m.Gaussian, m.Laplace, m.Weibull, m.LogNormal, m.Logistic]


@pytest.mark.parametrize("model", BATCH_MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_member_without_an_estimate_spoils_no_other(model: type[m.Model], kind: str) -> None:
    y = np.random.default_rng(1).gamma(2.0, size=(4, 30))
    y[2] = 1.5
    whole = mlece.fit(model, y)
    assert set(whole.refusals) == {2}
    assert "UNBOUNDED" in whole.refusals[2]
    assert "1 of 4" in str(whole)
    held_out, trace = whole.held_out(y), whole.trace
    assert np.isnan(held_out[2])
    assert np.isnan(trace[2])
    assert np.isnan(whole.covariance(kind)[2]).all()
    for r in (0, 1, 3):
        one = mlece.fit(model, y[r])
        np.testing.assert_allclose(whole.covariance(kind)[r], one.covariance(kind), rtol=1e-8)
        assert held_out[r] == pytest.approx(float(one.held_out(y[r])), rel=1e-12)
        assert trace[r] == pytest.approx(one.trace, rel=1e-8)
        for name, (low, high) in one.interval(kind=kind).items():
            found = tuple(v[r] for v in whole.interval(kind=kind)[name])
            assert found == pytest.approx((low, high), rel=1e-8)
    alone = mlece.fit(model, y[2])
    for ask in (alone.covariance, alone.interval):
        with pytest.raises(errors.NotRegularError):
            ask()
    with pytest.raises(errors.MleceError):
        alone.held_out(y[2])


def test_a_batch_of_which_no_member_has_an_estimate_is_refused() -> None:
    fit = mlece.fit(m.Gaussian(), [[1.0, 1.0], [2.0, 2.0]])
    for ask in (fit.covariance, fit.interval, lambda: fit.held_out([1.0])):
        with pytest.raises(errors.MleceError):
            ask()
    assert set(fit.refusals) == {0, 1}


def test_members_of_a_batch_with_two_axes_are_named_by_both() -> None:
    y = np.random.default_rng(1).gamma(2.0, size=(2, 2, 30))
    y[1, 0] = 1.5
    assert set(mlece.fit(m.Gamma(), y).refusals) == {(1, 0)}


def test_an_exact_interval_of_a_batch_leaves_out_one_member() -> None:
    low, high = mlece.fit(m.Uniform(), [[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]]).interval()["lower"]
    assert np.isfinite(low[0])
    assert np.isfinite(high[0])
    assert np.isnan(low[1])


def test_an_interval_beyond_the_domain_is_told() -> None:
    fit = mlece.fit(m.Gamma(), [1.0, 1.2, 0.4])
    assert fit.interval()["shape"][0] < 0
    assert "scale='unconstrained'" in str(fit)
    assert fit.interval(scale="unconstrained")["shape"][0] > 0
    assert "unconstrained" not in str(mlece.fit(m.Gamma(), sample()))


def test_an_empty_cell_has_no_standard_error() -> None:
    fit = mlece.fit(m.Categorical(labels=list("abc")), list("aab"))
    assert np.isnan(fit.standard_errors()["p"]).tolist() == [False, False, True]
    for scale in ("parameter", "unconstrained"):
        low, high = fit.interval(scale=scale)["p"]
        assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, False, True]
    assert "an empty cell lies on the boundary" in str(fit)


def test_laplace_median_against_koenker() -> None:
    # Asymptotic variance of a median, 1/(4 f(m)^2 n), with the density of Hall and Sheather (1988).
    y = np.random.default_rng(9).laplace(size=20_001)
    fit = mlece.fit(m.Laplace(), y)
    assert fit.standard_errors()["loc"] == pytest.approx(1 / math.sqrt(y.size), rel=0.1)
    exact = mlece.fit(m.Laplace(), m.Gaussian(0, 1))
    assert exact.covariance()[0, 0] == pytest.approx(math.pi / 2, rel=1e-9)


def test_a_question_for_data_asked_of_a_population() -> None:
    fit = mlece.fit(m.Gaussian(), m.Exponential(1))
    assert fit.n is None
    for name in ("log_likelihood", "aic", "bic", "tic"):
        with pytest.raises(errors.ComparisonError, match="data"):
            getattr(fit, name)
