"""Influence of single observations: against refits one by one and statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlece
from mlece import errors

RNG = np.random.default_rng(8)
N = 30
X = RNG.normal(size=N)
COUNTS = RNG.poisson(np.exp(0.5 + 0.4 * X)).astype(float)
BINARY = (RNG.random(N) < 1 / (1 + np.exp(-X))).astype(float)
NUMBERS = 1.0 + X + RNG.normal(size=N)


@pytest.mark.parametrize(
    ("model", "y", "name"),
    [
        (mlece.Poisson(rate="x"), COUNTS, "Poisson"),
        (mlece.Bernoulli(p="x"), BINARY, "Binomial"),
    ],
)
def test_one_step_is_that_of_statsmodels(model: Any, y: np.ndarray, name: str) -> None:
    sm = pytest.importorskip("statsmodels.api")
    found = mlece.influence(mlece.fit(model, y, given={"x": X}))
    family = getattr(sm.families, name)()
    other = sm.GLM(y, sm.add_constant(X), family).fit(tol=1e-13).get_influence(observed=False)
    # Estimates of both stop at rounding; d_params has a factor 1/(1 - h).
    assert found.change == pytest.approx(other.d_params, abs=1e-10)
    assert found.dfbetas == pytest.approx(other.dfbetas, abs=1e-10)
    assert found.cook == pytest.approx(other.cooks_distance[0], abs=1e-10)


def test_refits_of_a_linear_model_are_those_of_the_hat_matrix() -> None:
    sm = pytest.importorskip("statsmodels.api")
    fit = mlece.fit(mlece.Gaussian(mean="x"), NUMBERS, given={"x": X})
    found = mlece.influence(fit, method="refit")
    other = sm.OLS(NUMBERS, sm.add_constant(X)).fit().get_influence()
    assert found.change[:, :2] == pytest.approx(other.dfbeta, abs=1e-12)
    # With the standard deviation known, one Newton step from a quadratic is the whole way.
    held = mlece.fit(mlece.Gaussian(mean="x", sd=0.9), NUMBERS, given={"x": X})
    step = held.influence()
    assert step.change == pytest.approx(other.dfbeta, abs=1e-12)
    d = sm.add_constant(X)
    cook = np.einsum("ni,ij,nj->n", other.dfbeta, d.T @ d / 0.81, other.dfbeta) / 2
    assert step.cook == pytest.approx(cook, rel=1e-10)


@pytest.mark.parametrize("penalty", [None, mlece.ridge(0.1, standardize=False), "firth"])
def test_refits_leave_one_observation_out(penalty: Any) -> None:
    w = RNG.integers(1, 3, N)
    fit = mlece.fit(mlece.Bernoulli(p="x"), BINARY, given={"x": X}, weights=w, penalty=penalty)
    found = fit.influence(method="refit")
    for i in (0, 7, 21):
        rest = w.copy()
        rest[i] -= 1
        one = mlece.fit(
            mlece.Bernoulli(p="x"), BINARY, given={"x": X}, weights=rest, penalty=penalty
        )
        expected = [fit.params[name] - one.params[name] for name in fit.names]
        assert found.change[i] == pytest.approx(expected, abs=1e-8)
    step = fit.influence()
    # One step misses what is of second order in an influence of about 1/n.
    assert np.abs(step.change - found.change).max() < 0.3 * np.abs(found.change).max()


def test_batches_and_families_without_covariates() -> None:
    y = RNG.gamma(2.0, size=(3, N))
    batch = mlece.influence(mlece.fit("gamma", y))
    exact = mlece.influence(mlece.fit("gamma", y), method="refit")
    assert batch.change.shape == exact.change.shape == (3, N, 2)
    for r in range(3):
        one = mlece.influence(mlece.fit("gamma", y[r]))
        assert batch.change[r] == pytest.approx(one.change, rel=1e-8, abs=1e-12)
        assert batch.cook[r] == pytest.approx(one.cook, rel=1e-8)
    rest = mlece.fit("gamma", np.delete(y[1], 4))
    whole = mlece.fit("gamma", y[1])
    assert exact.change[1, 4, 0] == pytest.approx(
        whole.params["shape"] - rest.params["shape"], abs=1e-8
    )
    assert "at most" in str(batch)
    # Counts are tabulated; they come back in the order in which they were given.
    counts = mlece.influence(mlece.fit("poisson", COUNTS))
    mean = COUNTS.mean()
    assert counts.change[:, 0].shape == (N,)
    assert np.sign(counts.change[:, 0]) == pytest.approx(np.sign(COUNTS - mean))


def test_an_outlier_is_named_and_a_separating_one_has_no_rest() -> None:
    given = {"x": np.append(X, 8.0)}
    y = np.append(NUMBERS, -20.0)
    found = mlece.influence(mlece.fit(mlece.Gaussian(mean="x"), y, given=given), method="refit")
    assert f"observation {N} has the largest" in str(found)
    assert found.to_frame().shape == (N + 1, 4)
    mixed = mlece.fit(mlece.Bernoulli(p="x"), [0, 1, 0, 1, 1], given={"x": [0.0, 1, 2, 3, 4]})
    alone = mlece.influence(mixed, method="refit")
    assert np.isnan(alone.cook[[1, 2]]).all()
    assert "there is no estimate" in str(alone)


def test_what_has_no_influence_is_refused() -> None:
    fit = mlece.fit("gaussian", NUMBERS)
    with pytest.raises(errors.UnknownNameError, match="influence"):
        mlece.influence(fit, method="jackknife")
    with pytest.raises(errors.NotRegularError):
        mlece.influence(mlece.fit("uniform", NUMBERS))
    with pytest.raises(errors.NotRegularError, match="simplex"):
        mlece.influence(mlece.fit("categorical", ["a", "b", "a"]))
    with pytest.raises(errors.ComparisonError):
        mlece.influence(mlece.fit("gaussian", mlece.Exponential(rate=1)))


def test_leverages_are_the_hat_values_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    fit = mlece.fit(mlece.Poisson(rate="x"), COUNTS, given={"x": X})
    other = sm.GLM(COUNTS, sm.add_constant(X), sm.families.Poisson()).fit(tol=1e-13)
    expected = other.get_influence(observed=False).hat_matrix_diag
    assert fit.leverage()["rate"] == pytest.approx(expected, abs=1e-10)
    both = mlece.fit(mlece.Gaussian(mean="x", sd="x"), NUMBERS, given={"x": X}).leverage()
    assert set(both) == {"mean", "sd"}
    # A trace is the number of coefficients.
    assert both["mean"].sum() == pytest.approx(2.0, rel=1e-10)
