"""Families of vectors: densities, derivatives, estimates and statuses."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece import errors
from mlece.math import Array
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score

MATRIX = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.5]])
BLOCKS = np.where(np.arange(3)[:, None] // 2 == np.arange(3) // 2, MATRIX, 0.0)
CENTRE = [1.0, 2.0, 3.0]
CONCENTRATION = [0.5, 2.0, 3.0]

LAWS: dict[str, tuple[Model, Any]] = {
    "gaussian": (
        mlece.MultivariateGaussian(mean=CENTRE, covariance=MATRIX),
        stats.multivariate_normal(CENTRE, MATRIX),
    ),
    "gaussian in blocks": (
        mlece.MultivariateGaussian(mean=CENTRE, covariance=BLOCKS, blocks=[[0, 1], [2]]),
        stats.multivariate_normal(CENTRE, BLOCKS),
    ),
    "t": (
        mlece.MultivariateT(df=5, loc=CENTRE, scale=MATRIX),
        stats.multivariate_t(CENTRE, MATRIX, df=5),
    ),
    "dirichlet": (mlece.Dirichlet(alpha=CONCENTRATION), stats.dirichlet(CONCENTRATION)),
}
every_law = pytest.mark.parametrize("name", LAWS)


def density_of(twin: Any, y: Array) -> Array:
    # scipy's Dirichlet takes the components along the first axis.
    logs = twin.logpdf(y.T) if hasattr(twin, "alpha") else twin.logpdf(y)
    return np.asarray(logs)


@every_law
def test_density_and_entropy_against_scipy(name: str) -> None:
    law, twin = LAWS[name]
    y = law.sample(50, rng=1)
    assert y.shape == (50, 3)
    # Two routes to one quadratic form or sum of log-gammas.
    np.testing.assert_allclose(law.log_density(y), density_of(twin, y), rtol=1e-12, atol=1e-12)
    assert law.entropy() == pytest.approx(float(np.squeeze(twin.entropy())), rel=1e-12)


@every_law
def test_the_twin_in_scipy(name: str) -> None:
    law, twin = LAWS[name]
    y = law.sample(5, rng=2)
    np.testing.assert_array_equal(density_of(law.to_scipy(), y), density_of(twin, y))


def test_dirichlet_multinomial_against_scipy() -> None:
    law = mlece.DirichletMultinomial(alpha=CONCENTRATION)
    y = np.random.default_rng(2).multinomial(20, [0.2, 0.3, 0.5], 30)
    wanted = stats.dirichlet_multinomial(CONCENTRATION, 20).logpmf(y)
    np.testing.assert_allclose(law.log_density(y), wanted, rtol=1e-12)


COUNTS: dict[str, Model] = {
    "dirichlet-multinomial": mlece.DirichletMultinomial(alpha=CONCENTRATION),
    "multinomial": mlece.Multinomial(p=[0.2, 0.3, 0.5]),
}


def test_multinomial() -> None:
    law = COUNTS["multinomial"]
    rng = np.random.default_rng(9)
    y = rng.multinomial(20, law.p, 200)
    wanted = stats.multinomial(20, law.p).logpmf(y)
    np.testing.assert_allclose(law.log_density(y), wanted, rtol=1e-12)
    fit = mlece.fit(mlece.Multinomial(), y)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    np.testing.assert_allclose(fit.model.p, y.sum(axis=0) / y.sum(), rtol=1e-14)
    p, trials = fit.params["p[2]"], y.sum()
    assert fit.standard_errors("hessian")["p[2]"] == pytest.approx(
        math.sqrt(p * (1 - p) / trials), rel=1e-10
    )
    # The sandwich takes an observation, not a trial, as the unit.
    spread = ((y[:, 2] - 20 * p) ** 2).sum() / trials**2
    assert fit.standard_errors()["p[2]"] == pytest.approx(math.sqrt(spread), rel=1e-10)
    empty = mlece.fit(mlece.Multinomial(), [[3, 0, 2], [1, 0, 4]])
    assert empty.certificate.status is mlece.Status.BOUNDARY
    assert empty.model.p.tolist() == pytest.approx([0.4, 0.0, 0.6])


@pytest.mark.parametrize("name", [*LAWS, *COUNTS])
def test_derivatives_against_differences(name: str) -> None:
    if name in COUNTS:
        law = COUNTS[name]
        y = np.random.default_rng(3).multinomial(9, [0.2, 0.3, 0.5], 6).astype(float)
    else:
        law = LAWS[name][0]
        y = law.sample(6, rng=3)
    theta = tuple(np.asarray(v)[None, None] for v in law.theta)
    t = law.statistics(y[None])
    ends = [q.domain.lower for q in law.params], [q.domain.upper for q in law.params]

    def density(at: Any, *moved: Array) -> Array:
        return law.log_density_hook(at, moved)

    def score(at: Any, *moved: Array) -> Any:
        return law.score_hook(at, moved)

    # Sixth-order differences round at 1e-13 / step; the curvature differentiates the analytic score.
    for own, other in zip(
        law.score_hook(t, theta), numerical_score(density, t, theta, *ends), strict=True
    ):
        np.testing.assert_allclose(np.broadcast_to(own, other.shape), other, rtol=1e-8, atol=1e-8)
    for own, other in zip(
        law.curvature_hook(t, theta),
        numerical_curvature(density, score, t, theta, *ends),
        strict=True,
    ):
        np.testing.assert_allclose(np.broadcast_to(own, other.shape), other, rtol=1e-7, atol=1e-7)


@every_law
def test_fit_beats_the_truth_and_proves_it(name: str) -> None:
    law, _ = LAWS[name]
    y = law.sample(400, rng=4)
    settings = {"blocks": [[0, 1], [2]]} if "blocks" in name else {}
    fit = mlece.fit(type(law)(**settings), y)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    # Twice the gain over the truth is chi-squared: 40 is beyond its 1e-4 quantile for 10 parameters.
    gain = fit.log_likelihood - law.log_density(y).sum()
    assert 0 <= gain <= 20
    errors_ = np.array(list(fit.standard_errors().values()))
    z = (np.array(list(fit.params.values())) - np.ravel(law.theta)) / errors_
    assert np.abs(z).max() < 4.5


def test_gaussian_closed_form() -> None:
    y = LAWS["gaussian"][0].sample(60, rng=5)
    fit = mlece.fit(mlece.MultivariateGaussian(), y)
    np.testing.assert_allclose(fit.model.mean, y.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(fit.model.covariance, np.cov(y.T, bias=True), rtol=1e-13)
    newton = mlece.fit(mlece.MultivariateGaussian(), y, solver="newton")
    assert newton.params == pytest.approx(fit.params, rel=1e-7)
    assert fit.certificate.entropy_residual == pytest.approx(0, abs=1e-13)
    diagonal = mlece.fit(mlece.MultivariateGaussian(blocks=[[0], [1], [2]]), y)
    np.testing.assert_allclose(np.diag(diagonal.model.covariance), y.var(axis=0), rtol=1e-13)
    one = mlece.fit(mlece.Gaussian(), y[:, 1])
    assert diagonal.standard_errors()["mean[1]"] == pytest.approx(
        one.standard_errors()["mean"], rel=1e-12
    )


def test_gaussian_far_from_zero_keeps_its_digits() -> None:
    rng = np.random.default_rng(6)
    # Offsets that a float holds exactly beside the noise.
    y = np.round(rng.standard_normal((200, 2)) * 1024) / 1024
    near = mlece.fit(mlece.MultivariateGaussian(), y)
    far = mlece.fit(mlece.MultivariateGaussian(), y + np.array([2.0**30, -(2.0**28)]))
    np.testing.assert_allclose(far.model.covariance, near.model.covariance, rtol=1e-12)
    assert far.cross_entropy == pytest.approx(near.cross_entropy, rel=1e-13)


def test_weights_are_replication_and_a_batch_is_a_loop() -> None:
    y = LAWS["t"][0].sample(40, rng=7)
    w = np.random.default_rng(7).integers(1, 4, 40)
    for model in (mlece.MultivariateGaussian(), mlece.MultivariateT()):
        weighted = mlece.fit(model, y, weights=w)
        plain = mlece.fit(model, np.repeat(y, w, axis=0))
        assert weighted.params == pytest.approx(plain.params, rel=1e-6)
        both = mlece.fit(model, np.stack([y, 2 * y + 1]))
        single = mlece.fit(model, 2 * y + 1)
        for name, value in single.params.items():
            assert both.params[name][1] == pytest.approx(value, rel=1e-6)


def test_statuses() -> None:
    rng = np.random.default_rng(8)
    few = mlece.fit(mlece.MultivariateGaussian(), rng.standard_normal((3, 3)))
    assert few.certificate.status is mlece.Status.UNBOUNDED
    assert "subspace" in str(few.certificate)
    light = mlece.fit(mlece.MultivariateT(), rng.uniform(size=(300, 2)))
    assert light.certificate.status is mlece.Status.BOUNDARY
    assert type(light.model) is mlece.MultivariateGaussian
    equal = mlece.fit(mlece.Dirichlet(), np.tile([0.2, 0.3, 0.5], (4, 1)))
    assert equal.certificate.status is mlece.Status.UNBOUNDED
    counts = np.array([[5, 5], [5, 5], [6, 4]])
    under = mlece.fit(mlece.DirichletMultinomial(), counts)
    assert under.certificate.status is mlece.Status.NOT_ATTAINED


def test_models_know_their_shape() -> None:
    law = LAWS["gaussian"][0]
    assert pickle.loads(pickle.dumps(law)) == law
    assert law == mlece.MultivariateGaussian(mean=CENTRE, covariance=MATRIX)
    assert "covariance=[[2. , 0.5, 0.1]" in repr(law)
    moved = law.replace(**{"mean[0]": 0.0})
    precision = np.linalg.inv(MATRIX)
    assert mlece.kl_divergence(law, moved) == pytest.approx(0.5 * precision[0, 0], rel=1e-12)


def test_a_product_is_its_blocks() -> None:
    rng = np.random.default_rng(10)
    y = np.column_stack([rng.normal(1e6, 2, 300), rng.poisson(3, 300), rng.gamma(2, 1e-3, 300)])
    fit = mlece.fit(mlece.Product("gaussian", "poisson", mlece.Gamma()), y)
    alone = [mlece.fit(f, y[:, j]) for j, f in enumerate(("gaussian", "poisson", "gamma"))]
    assert fit.certificate.status is mlece.Status.OPTIMAL
    total = sum(float(f.cross_entropy) for f in alone)
    assert fit.cross_entropy == pytest.approx(total, rel=1e-12)
    for j, one in enumerate(alone):
        for name, value in one.params.items():
            assert fit.params[f"{name}[{j}]"] == pytest.approx(value, rel=1e-7)
            # Blocks share no observation's score in expectation; the sandwich of each stays its own.
            assert fit.standard_errors()[f"{name}[{j}]"] == pytest.approx(
                one.standard_errors()[name], rel=1e-6
            )
    law = fit.model
    assert law.entropy() == pytest.approx(sum(f.model.entropy() for f in alone), rel=1e-9)
    assert law.sample(5, rng=1).shape == (5, 3)
    assert pickle.loads(pickle.dumps(law)) == law
    held = mlece.fit(mlece.Product(mlece.Gaussian(sd=2), "poisson"), y[:, :2])
    assert list(held.params) == ["mean[0]", "rate[1]"]


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "one axis": (lambda: mlece.fit("mvn", [1.0, 2.0]), errors.DataError, "n, d"),
    "dimensions": (
        lambda: mlece.MultivariateGaussian(mean=[1, 2], covariance=MATRIX),
        errors.ParameterError,
        "one dimension",
    ),
    "indefinite": (
        lambda: mlece.MultivariateGaussian(covariance=[[1, 2], [2, 1]]),
        errors.ParameterError,
        "positive definite",
    ),
    "asymmetric": (
        lambda: mlece.MultivariateGaussian(covariance=[[1, 0.5], [0.2, 1]]),
        errors.ParameterError,
        "symmetric",
    ),
    "blocks": (
        lambda: mlece.MultivariateGaussian(blocks=[[0, 1]], dimension=3),
        errors.ParameterError,
        "once",
    ),
    "missing": (lambda: mlece.fit("mvn", [[1, np.nan], [2, 3]]), errors.DataError, "finite"),
    "no composition": (
        lambda: mlece.fit("dirichlet", [[0.2, 0.9]]),
        errors.SupportError,
        "sum to 1",
    ),
    "no counts": (
        lambda: mlece.fit("dirichletmultinomial", [[0.5, 2]]),
        errors.SupportError,
        "whole numbers",
    ),
    "a number of weights": (
        lambda: mlece.fit("mvn", [[1, 2], [2, 3], [1, 5]], weights=[1, 2]),
        errors.DataError,
        "3 observations",
    ),
    "a plot": (
        lambda: mlece.fit("mvn", [[1, 2], [2, 3], [1, 5]]).plot(),
        errors.ComparisonError,
        "vectors",
    ),
    "a distribution function": (
        lambda: LAWS["gaussian"][0].cdf([0, 0, 0]),
        errors.NoDensityError,
        "vectors",
    ),
    "a product of one": (lambda: mlece.Product("gaussian"), errors.ParameterError, "two blocks"),
    "a column outside": (
        lambda: mlece.fit(mlece.Product("gaussian", "gamma"), [[1.0, 2.0], [2.0, -1.0]]),
        errors.SupportError,
        "column 1",
    ),
    "a truth": (
        lambda: mlece.fit(mlece.MultivariateGaussian(), LAWS["t"][0]),
        errors.ComparisonError,
        "Draw a sample",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    call, kind, word = BAD[name]
    with pytest.raises(kind, match=word):
        call()


def test_what_needs_quadrature_says_that_it_is_for_numbers() -> None:
    for question in (
        lambda: mlece.entropy(mlece.Multinomial(p=[0.2, 0.8])),
        lambda: mlece.varentropy(mlece.MultivariateGaussian([0, 0], np.eye(2))),
        lambda: mlece.kl_divergence(
            mlece.MultivariateT(4, [0, 0], np.eye(2)), mlece.MultivariateT(5, [0, 0], np.eye(2))
        ),
    ):
        with pytest.raises(errors.NoDensityError, match="quadrature"):
            question()
