"""Regressions with many rows: gradients in the metric of a part give what Newton's method gives."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit

import mlece
from mlece.design import Design
from mlece.families.index import CategoricalLogits, SoftCategoricalLogits, binomial_index
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Status
from mlece.math import Array
from mlece.regression.collinear import dependent
from mlece.solvers import dispatch
from mlece.solvers.regression import is_long

_N, _D = 40_000, 6
_PLAIN = mlece.linear(intercept=False)


def _covariates(n: int = _N, d: int = _D) -> tuple[Array, np.random.Generator]:
    g = np.random.default_rng(11)
    x = g.standard_normal((n, d)) * np.logspace(-1, 1, d)
    x[:, 0] = 1.0
    return x, g


def _case(kind: str) -> tuple[mlece.Model, Array, Array]:
    x, g = _covariates()
    b = g.standard_normal(_D) * 0.4 / np.logspace(-1, 1, _D)
    eta = x @ b
    if kind in ("logit", "probit", "soft"):
        link = "probit" if kind == "probit" else "logit"
        y = (g.random(_N) < expit(eta)).astype(float)
        y = g.beta(2.0, 1.0, _N) if kind == "soft" else y
        return mlece.Bernoulli(p=mlece.linear(intercept=False, link=link)), y, x
    if kind == "poisson":
        log = mlece.linear(intercept=False, link="log")
        return mlece.Poisson(rate=log), g.poisson(np.exp(eta / 2)).astype(float), x
    coefficients = np.column_stack([0 * b, b, -b / 2])
    labels = (x @ coefficients + g.gumbel(size=(_N, 3))).argmax(axis=1)
    return mlece.Categorical(p=_PLAIN), labels, x


def _newton(monkeypatch: pytest.MonkeyPatch, *args: Any, **kwargs: Any) -> mlece.Fit:
    """Return the fit by Newton's method with Hessians of all rows."""
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "is_long", lambda model: False)
        fit = mlece.fit(*args, **kwargs)
    assert fit.solver == "newton"
    return fit


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["logit", "probit", "soft", "poisson", "softmax"])
def test_the_estimates_are_those_of_newtons_method(
    kind: str, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, y, x = _case(kind)
    weights = np.random.default_rng(5).integers(0, 4, _N).astype(float) if weighted else None
    fit = mlece.fit(model, y, given=x, weights=weights)
    other = _newton(monkeypatch, model, y, given=x, weights=weights)
    assert fit.solver == "quasi-Newton"
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.scope == "global"
    # Rounding of a cross-entropy, and bounds from a part of the rows: far below a standard error.
    assert fit.certificate.excess < 1e-14
    error = np.sqrt(np.diag(np.asarray(other.covariance("hessian"))))
    gap = np.array([float(t[0]) for t in fit.theta]) - [float(t[0]) for t in other.theta]
    assert np.abs(gap / error).max() < 1e-8
    # What was not needed for the fit is there when it is asked for.
    np.testing.assert_allclose(
        np.asarray(fit.covariance("hessian")), np.asarray(other.covariance("hessian")), rtol=1e-6
    )


def test_offsets_stay_with_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x, g = _covariates()
    exposure = g.uniform(0.1, 5.0, _N)
    y = g.poisson(exposure * np.exp(0.2 * x[:, 1])).astype(float)
    model = mlece.Poisson(rate=mlece.linear(link="log", offset=np.log(exposure), intercept=False))
    fit = mlece.fit(model, y, given=x)
    other = _newton(monkeypatch, model, y, given=x)
    assert fit.solver == "quasi-Newton"
    gap = [float(a[0] - b[0]) for a, b in zip(fit.theta, other.theta, strict=True)]
    assert np.abs(gap).max() < 1e-10


def test_long_data_that_are_separated_are_found() -> None:
    x, g = _covariates()
    # Only one row in ten thousand tells apart: the part of the rows that is solved first has none.
    x[:, 5] = 0.0
    rare = np.arange(7, _N, 10_000)
    x[rare, 5] = 1.0
    y = (g.random(_N) < 0.5).astype(float)
    y[rare] = 1.0
    fit = mlece.fit(mlece.Bernoulli(p=_PLAIN), y, given=x)
    assert fit.certificate.status is Status.NOT_ATTAINED
    assert "separate" in fit.certificate.sentence
    assert np.isposinf(float(fit.theta[5][0]))
    assert np.isfinite([float(t[0]) for t in fit.theta[:5]]).all()


def test_many_levels_as_a_sparse_matrix() -> None:
    g = np.random.default_rng(2)
    n, levels = 60_000, 300
    level, x = g.integers(0, levels, n), g.standard_normal(n)
    own = sparse.csr_array((np.ones(n), (np.arange(n), level)), shape=(n, levels))
    y = g.poisson(np.exp(0.5 + 0.3 * x + 0.2 * g.standard_normal(levels)[level])).astype(float)
    given = sparse.hstack([own, sparse.csr_array(x[:, None])]).tocsr()
    fit = mlece.fit(mlece.Poisson(rate=mlece.linear(link="log", intercept=False)), y, given=given)
    assert fit.certificate.status is Status.OPTIMAL
    theta = np.array([float(t[0]) for t in fit.theta])
    # The score equations of the levels have a closed form given the slope.
    sums = np.bincount(level, y) / np.bincount(level, np.exp(theta[-1] * x))
    np.testing.assert_allclose(theta[:-1], np.log(sums), atol=1e-9)
    residual = y - np.exp(theta[level] + theta[-1] * x)
    assert abs(residual @ x) < 1e-6 * np.abs(residual) @ np.abs(x)


def test_what_counts_as_long() -> None:
    # The part's Hessian is a bound where every row is convex, and coefficients alone are estimated.
    x, y = np.arange(5.0)[:, None], np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    assert not is_long(mlece.fit("gaussian", y).family)
    assert not is_long(mlece.fit(mlece.Gaussian(mean=mlece.linear), y, given=x).family)
    assert is_long(mlece.fit(mlece.Gaussian(mean=mlece.linear, sd=1.0), y, given=x).family)
    assert is_long(mlece.fit(mlece.Poisson(rate=mlece.linear), y, given=x).family)


def test_sizes_of_columns() -> None:
    x = np.random.default_rng(0).standard_normal((10_001, 30))
    for matrix in (x, sparse.csr_array(x)):
        most, mean = Design(matrix, ()).sizes
        np.testing.assert_array_equal(most, np.abs(x).max(axis=0))
        np.testing.assert_allclose(mean, np.abs(x).mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize(("p", "count"), [(1, 3), (5, 1), (5, 4), (40, 12), (40, 20)])
def test_products_of_columns_with_many_weights(p: int, count: int) -> None:
    g = np.random.default_rng(p)
    x, z, c = g.normal(size=(700, p)), g.normal(size=(700, 3)), g.normal(size=(count, 700))
    one, other, every = Design(x, ()), Design(z, ()), slice(None)
    np.testing.assert_allclose(one.gram(every, c), np.einsum("rm,mi,mj->rij", c, x, x), atol=1e-10)
    np.testing.assert_allclose(
        one.gram(every, c, other), np.einsum("rm,mi,mj->rij", c, x, z), atol=1e-10
    )


def test_a_hessian_of_all_rows_serves_where_a_part_tells_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, g = _covariates()
    # Of one column the part has next to no rows: its steps gain little.
    x[:, 5] = g.random(_N) < 0.002
    y = (g.random(_N) < expit(x[:, 1] + x[:, 5] - 1.0)).astype(float)
    orders: list[int] = []
    evaluate = CrossEntropy.evaluate

    def counted(self: CrossEntropy, theta: Any, order: int = 2, *rest: Any, **named: Any) -> Any:
        orders.extend([order] * (self.sample.rows == _N))
        return evaluate(self, theta, order, *rest, **named)

    monkeypatch.setattr(CrossEntropy, "evaluate", counted)
    fit = mlece.fit(mlece.Bernoulli(p=_PLAIN), y, given=x)
    assert fit.solver == "quasi-Newton"
    assert fit.certificate.status is Status.OPTIMAL
    assert orders.count(2) == 1
    assert len(orders) < 10


def test_a_column_that_varies_in_a_few_rows_alone_depends_on_no_other() -> None:
    x = np.random.default_rng(1).standard_normal((20_000, 3))
    x[:, 2] = x[:, 1]
    assert [d.column for d in dependent(x, "abc")] == [2]
    x[19_998, 2] += 1.0
    assert dependent(x, "abc") == ()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_rows_with_indices_of_their_own(link: str) -> None:
    law = binomial_index(link)()
    y = np.array([[0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]])
    index = np.array([[-40.0, -40.0, 3.0, 700.0, 0.0, 40.0, -5.0]])
    rows = law.rowwise(y, (index,))
    np.testing.assert_allclose(rows.value, law.log_density_hook((y,), (index,)), rtol=1e-14)
    np.testing.assert_allclose(rows.score[0], law.score_hook((y,), (index,))[0], rtol=1e-14)
    np.testing.assert_allclose(rows.curvature[0], law.curvature_hook((y,), (index,))[0], rtol=1e-13)


def test_rows_with_log_ratios_of_their_own() -> None:
    law = CategoricalLogits(labels="abc")
    codes = np.array([[0, 1, 2, 0, 1, 2, 2]])
    t = law.statistics(codes)
    # Ties for the most probable label, certain labels, and certain mistakes.
    theta = (
        np.array([[0.0, 0.0, 1.5, -50.0, 60.0, 3.0, -800.0]]),
        np.array([[0.0, 1.0, 1.5, -60.0, 20.0, 3.0, -2.0]]),
    )
    soft = SoftCategoricalLogits(labels="abc")
    for some in (theta, tuple(np.vstack([v, v + 1.0]) for v in theta)):
        for rows in (law.rowwise(codes, some), soft.rowwise(t[0], some)):
            np.testing.assert_allclose(rows.value, law._log_density(t, *some), rtol=1e-14)
            np.testing.assert_allclose(rows.score, law._score(t, *some), rtol=1e-13)
            np.testing.assert_allclose(rows.curvature, law._curvature(t, *some), rtol=1e-13)


@pytest.mark.parametrize("kind", ["logistic", "softmax", "poisson"])
def test_memory_beside_the_design(kind: str) -> None:
    g = np.random.default_rng(3)
    x = g.standard_normal((200_000, 50))
    x[:, 0] = 1.0
    eta = x @ (0.1 * g.standard_normal(50))
    model: mlece.Model
    if kind == "logistic":
        model, y = mlece.Bernoulli(p=_PLAIN), (g.random(len(x)) < expit(eta)).astype(float)
    elif kind == "softmax":
        model, y = mlece.Categorical(p=_PLAIN), g.binomial(2, expit(eta))
    else:
        log = mlece.linear(intercept=False, link="log")
        model, y = mlece.Poisson(rate=log), g.poisson(np.exp(eta)).astype(float)
    tracemalloc.start()
    fit = mlece.fit(model, y, given=x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fit.certificate.status is Status.OPTIMAL
    assert peak <= 0.2 * x.nbytes
