"""Predictors in the slots of every family: derivatives, equivalences and refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

import mlece
from mlece import errors
from mlece.likelihood.chart import Chart
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array
from mlece.model import Model
from mlece.registry import registered
from mlece.regression.reading import read

N = 60
X = np.random.default_rng(11).normal(size=N)
# Families whose regressions are not smooth: an end of the support, or a kink (tests/test_absolute.py).
REFUSED = {
    "AsymmetricLaplace",
    "DiscreteUniform",
    "GeneralizedPareto",
    "Laplace",
    "Pareto",
    "PowerFunction",
    "Triangular",
    "Uniform",
}
CONSTANTS = {"BetaBinomial": {"n": 10}, "Binomial": {"n": 10}, "Zeta": {"lower": 1}}


def slots() -> list[tuple[str, str]]:
    """Every slot that may hold a predictor, by family."""
    out = []
    for cls in sorted(set(registered().values()), key=lambda c: c.__name__):
        scalar = not (cls._width or any(p.vector or p.open for p in cls.params))
        if scalar and cls.__name__ not in REFUSED:
            out += [(cls.__name__, p.name) for p in cls.params if p.estimable]
    return out


def drawn(name: str, slot: str) -> tuple[Model, np.ndarray]:
    """Return a model with a predictor in one slot, and responses drawn from such a law."""
    cls: Any = getattr(mlece, name)
    middle = {p.name: 0.5 * sum(p.typical) for p in cls.params}
    middle |= CONSTANTS.get(name, {})
    constants = {
        p.name: CONSTANTS.get(name, {}).get(p.name, p.default)
        for p in cls.params
        if not p.estimable
    }
    middle |= constants
    p = next(p for p in cls.params if p.name == slot)
    varying = p.bijection.forward(p.bijection.inverse(np.asarray(float(middle[slot]))) + 0.3 * X)
    law = cls(**{k: varying if k == slot else np.full(N, v) for k, v in middle.items()})
    y = law.sample(1, rng=5)[:, 0]
    return cls(**{k: v for k, v in constants.items() if v is not None}, **{slot: "x"}), y


@pytest.mark.parametrize(("name", "slot"), slots())
def test_derivatives_of_coefficients(name: str, slot: str) -> None:
    """Gradient and Hessian agree with central differences of value and gradient.

    Their error is of the order of the step squared, 1e-10, or of rounding over it, 1e-11.
    """
    model, y = drawn(name, slot)
    known = read(model, y, {"x": X}, None, "y", "frequency")
    objective = CrossEntropy(known.model, known.sample)
    chart, one = Chart(objective), np.arange(1)
    from mlece.solvers.starts import starting_values

    eta = chart.eta(starting_values(objective, one))
    eta = eta + 0.02 * np.cos(np.arange(eta.shape[1]))

    def at(point: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        found = objective.evaluate(chart.theta(point, one), 2)
        gradient, hessian = chart.pull(point, found)
        return float(found.value[0]), gradient[0], hessian[0]

    value, gradient, hessian = at(eta)
    assert np.isfinite(value)
    step = 1e-5
    for j in range(eta.shape[1]):
        move = np.zeros_like(eta)
        move[0, j] = step
        up, down = at(eta + move), at(eta - move)
        slope = (up[0] - down[0]) / (2 * step)
        bend = (up[1] - down[1]) / (2 * step)
        scale = 1 + np.abs(hessian).max()
        assert slope == pytest.approx(gradient[j], abs=1e-7 * scale)
        np.testing.assert_allclose(bend, hessian[j], atol=2e-6 * scale)


EVERYDAY = [
    ("Gaussian", "mean"),
    ("Gaussian", "sd"),
    ("Poisson", "rate"),
    ("NegativeBinomial", "mean"),
    ("Bernoulli", "p"),
    ("Weibull", "scale"),
    ("MeanGamma", "mean"),
    ("MeanBeta", "mean"),
    ("StudentT", "loc"),
    ("Logistic", "loc"),
    ("InverseGaussian", "mean"),
    ("GEV", "loc"),
]


@pytest.mark.parametrize(("name", "slot"), EVERYDAY)
def test_a_marginal_fit_is_a_conditional_fit_with_an_intercept(name: str, slot: str) -> None:
    cls: Any = getattr(mlece, name)
    y = drawn(name, slot)[1]
    marginal = mlece.fit(cls(), y)
    given = mlece.fit(cls(**{slot: "1"}), y, given={"x": X})
    assert given.cross_entropy == pytest.approx(marginal.cross_entropy, abs=1e-12)
    link = cls().parameter(slot).bijection
    level = given.params[f"{slot}[Intercept]"]
    # The excess is below 1e-14 nats, which leaves 1e-7 of a standard error.
    assert link.forward(np.asarray(level)) == pytest.approx(marginal.params[slot], rel=1e-6)
    assert given.trace == pytest.approx(marginal.trace, rel=1e-6)


@pytest.mark.parametrize(("name", "slot"), EVERYDAY)
def test_weights_are_replications(name: str, slot: str) -> None:
    model, y = drawn(name, slot)
    w = 1 + np.arange(N) % 3
    weighted = mlece.fit(model, y, given={"x": X}, weights=w)
    repeated = mlece.fit(model, np.repeat(y, w), given={"x": np.repeat(X, w)})
    assert weighted.cross_entropy == pytest.approx(repeated.cross_entropy, abs=1e-12)
    for kind in ("sandwich", "hessian", "opg"):
        own = repeated.covariance(kind)
        # Entries that are zero in theory are rounding of the others.
        rest = 1e-12 * np.abs(own).max()
        np.testing.assert_allclose(weighted.covariance(kind), own, rtol=1e-5, atol=rest)


@pytest.mark.parametrize(("name", "slot"), EVERYDAY)
def test_a_batch_is_a_loop(name: str, slot: str) -> None:
    model, y = drawn(name, slot)
    responses = np.stack([y, y[::-1], np.roll(y, 7)])
    batch = mlece.fit(model, responses, given={"x": X})
    for r, one in enumerate(responses):
        alone = mlece.fit(model, one, given={"x": X})
        if alone.certificate.status.name != "OPTIMAL":
            continue
        for key, value in alone.params.items():
            se = alone.standard_errors()[key]
            assert batch.params[key][r] == pytest.approx(value, abs=1e-6 * se)


@pytest.mark.parametrize(("name", "slot"), EVERYDAY)
def test_fits_survive_pickling(name: str, slot: str) -> None:
    model, y = drawn(name, slot)
    fit = mlece.fit(model, y, given={"x": X})
    again = pickle.loads(pickle.dumps(fit.model))
    assert np.array_equal(again.responses().mean, fit.predict().mean)


def test_far_away_units_keep_their_digits() -> None:
    y = 2.0 + 0.5 * X + np.sin(np.arange(N))
    near = mlece.fit(mlece.StudentT(loc="x"), y, given={"x": X})
    far = mlece.fit(mlece.StudentT(loc="x"), 1e9 + 1e-3 * y, given={"x": X})
    # At 1e9 a float resolves 1e-7: one part in ten thousand of the spread.
    assert far.params["loc[x]"] == pytest.approx(1e-3 * near.params["loc[x]"], rel=1e-3)
    assert far.params["scale"] == pytest.approx(1e-3 * near.params["scale"], rel=1e-3)


def test_constants_by_observation() -> None:
    rng = np.random.default_rng(4)
    trials = rng.integers(1, 9, N)
    p = 1 / (1 + np.exp(-X))
    y = rng.binomial(trials, rng.beta(3 * p, 3 * (1 - p)))
    frame = {"x": X, "n": trials}
    fits = [mlece.fit(mlece.BetaBinomial(n=n, p="x"), y, given=frame) for n in ("n", trials)]
    assert fits[0].params == fits[1].params

    def loss(b: Array) -> float:
        mean, rho = 1 / (1 + np.exp(-b[0] - b[1] * X)), 1 / (1 + np.exp(-b[2]))
        size = 1 / rho - 1
        return -float(stats.betabinom.logpmf(y, trials, mean * size, (1 - mean) * size).mean())

    own = list(fits[0].params.values())
    best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    assert fits[0].cross_entropy == pytest.approx(best.fun, abs=1e-12)
    assert own[:2] == pytest.approx(best.x[:2], rel=1e-5)
    threshold = np.where(X > 0, 0.5, 0.0)
    excess = rng.exponential(np.exp(0.3 * X))
    one, other = (
        mlece.fit(mlece.GeneralizedPareto(loc=loc, scale="x"), values, given={"x": X})
        for loc, values in ((threshold, excess + threshold), (0.0, excess))
    )
    assert one.cross_entropy == pytest.approx(float(other.cross_entropy), abs=1e-10)


def test_constants_by_observation_that_cannot_be() -> None:
    frame = {"x": [1.0, 2.0, 3.0, 4.0], "n": [2, 3, 4, 5], "h": [2.0, 3.5, 4.0, 5.0]}
    for model in (mlece.BetaBinomial(n="n", p="x"), mlece.Binomial(n="n", p="x")):
        with pytest.raises(errors.SupportError, match="0 to 4; got 1 such value of 4, the first 5"):
            mlece.fit(model, [1, 2, 5, 1], given=frame)
    with pytest.raises(errors.ParameterError, match="n by row to be the integers from 1 on"):
        mlece.fit(mlece.BetaBinomial(n="h", p="x"), [1, 2, 3, 1], given=frame)


def test_offsets_and_trials_by_observation() -> None:
    rng = np.random.default_rng(3)
    trials = rng.integers(1, 9, N)
    exposure = rng.uniform(1, 5, N)
    frame = {"x": X, "n": trials, "exposure": exposure}
    y = rng.binomial(trials, 1 / (1 + np.exp(-X)))
    by_name = mlece.fit(mlece.Binomial(n="n", p="x"), y, given=frame)
    by_array = mlece.fit(mlece.Binomial(n=trials, p="x"), y, given=frame)
    assert by_name.params == by_array.params
    # Every trial by itself is the same likelihood, up to the number of orders.
    single = np.concatenate([[1] * k + [0] * (n - k) for k, n in zip(y, trials, strict=True)])
    alone = mlece.fit(mlece.Bernoulli(p="x"), single, given={"x": np.repeat(X, trials)})
    for key, value in alone.params.items():
        assert by_name.params[key] == pytest.approx(value, rel=1e-9)
    counts = rng.poisson(exposure * np.exp(0.2 * X))
    offset = mlece.fit(mlece.Poisson(rate="x + offset(log(exposure))"), counts, given=frame)
    named = mlece.fit(
        mlece.Poisson(rate=mlece.linear("x", offset="log(exposure)")), counts, given=frame
    )
    assert offset.params == named.params
    assert offset.predict({"x": [0.0], "exposure": [2.0]}).mean == pytest.approx(
        2 * np.exp(offset.params["rate[Intercept]"])
    )


def test_soft_targets_are_fractions_of_observations() -> None:
    p = 1 / (1 + np.exp(-0.3 - X))
    soft = mlece.fit(mlece.Bernoulli(p="x"), p, given={"x": X})
    twice = mlece.fit(
        mlece.Bernoulli(p="x"),
        np.repeat([1, 0], N),
        given={"x": np.concatenate([X, X])},
        weights=np.concatenate([p, 1 - p]),
    )
    for key, value in twice.params.items():
        assert soft.params[key] == pytest.approx(value, rel=1e-9)
    rows = np.column_stack([0.5 * (1 - p), 0.5 * (1 - p), p])
    labels = mlece.fit(mlece.Categorical(p="x"), rows, given={"x": X})
    np.testing.assert_allclose(labels.predict().p, rows, atol=1e-9)


def test_soft_targets_must_sum_to_one() -> None:
    rows = np.full((N, 3), 0.3)
    with pytest.raises(mlece.errors.DataError, match="sum to 1"):
        mlece.fit(mlece.Categorical(p="x"), rows, given={"x": X})


def test_a_negative_binomial_regression_ends_in_a_poisson_one() -> None:
    y = np.round(np.exp(0.5 + 0.3 * X)).astype(int)
    fit = mlece.fit(mlece.NegativeBinomial(mean="x"), y, given={"x": X})
    poisson = mlece.fit(mlece.Poisson(rate="x"), y, given={"x": X})
    assert fit.certificate.status.name == "BOUNDARY"
    assert "Poisson" in fit.certificate.sentence
    assert fit.cross_entropy == pytest.approx(poisson.cross_entropy, abs=1e-12)
    np.testing.assert_allclose(fit.predict().mean, poisson.predict().mean, rtol=1e-7)


@pytest.mark.parametrize(
    ("model", "y", "given", "message"),
    [
        (mlece.Gaussian(mean="x"), X, None, "covariates in given="),
        (mlece.Gaussian(mean="x"), X[:9], {"x": X}, "9 observations"),
        (mlece.Gaussian(mean="z"), X, {"x": X}, "got 'z'"),
        (mlece.Gaussian(mean="x + (x"), X, {"x": X}, "slot 'mean'"),
        (mlece.Gaussian(mean="x + I(2 * x)"), X, {"x": X}, "I\\(2 \\* x\\) = 2 x"),
        (mlece.Gaussian(mean="x"), X, {"x": np.where(X > 1, np.nan, X)}, "missing"),
        (mlece.Gaussian(mean="log(s)"), X, {"s": ["a"] * N}, "s"),
        (mlece.Poisson(rate="x"), X, {"x": X}, "support of Poisson"),
        (mlece.Uniform(lower="x"), X, {"x": X}, "end of the support.*A quantile near the end"),
        (mlece.Pareto(scale="x"), np.exp(X), {"x": X}, r"Pareto\(scale=values, shape='x'\)"),
        (mlece.GeneralizedPareto(loc="x + I(x**2)"), X, {"x": X}, "one column of known values"),
        (mlece.Pareto(shape="x"), np.exp(X), {"x": X}, "Fill the slot"),
    ],
    ids=lambda v: repr(v)[:30] if not isinstance(v, np.ndarray | dict) else "",
)
def test_bad_input_is_named(model: Model, y: Any, given: Any, message: str) -> None:
    with pytest.raises(mlece.errors.MleceError, match=message):
        mlece.fit(model, y, given=given)


def test_a_constant_beside_the_intercept_is_named() -> None:
    with pytest.raises(mlece.errors.DataError, match="c is constant"):
        mlece.fit(mlece.Gaussian(mean="x + c"), X, given={"x": X, "c": np.full(N, 3.0)})


def test_missing_rows_are_dropped_on_request_and_counted() -> None:
    frame = {"x": np.where(np.arange(N) == 4, np.nan, X)}
    y = np.where(np.arange(N) == 9, np.nan, 1 + X + np.cos(np.arange(N)))
    fit = mlece.fit(mlece.Gaussian(mean="x"), y, given=frame, missing="drop")
    assert fit.notes["dropped"] == 2
    assert fit.n == N - 2
    stay = ~np.isin(np.arange(N), [4, 9])
    whole = mlece.fit(mlece.Gaussian(mean="x"), y[stay], given={"x": X[stay]})
    assert fit.params == whole.params
