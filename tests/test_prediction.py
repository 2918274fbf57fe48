"""Predicted means and probabilities against statsmodels, closed forms and the delta method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import mlece
from mlece import errors

RNG = np.random.default_rng(11)
N = 80
X = RNG.normal(size=N)
GIVEN = {"x": X, "z": RNG.gamma(2.0, size=N), "t": RNG.integers(1, 9, N).astype(float)}
NEW = {
    "x": np.array([0.0, 1.0, -2.0]),
    "z": np.array([1.0, 0.5, 3.0]),
    "t": np.array([1.0, 4.0, 9.0]),
}
LABELS = np.array(["low", "mid", "top"])[np.clip((X + RNG.normal(size=N) + 1.5).astype(int), 0, 2)]
RESPONSES: dict[str, tuple[Any, Any]] = {
    "gaussian": (mlece.Gaussian(mean="x + z", sd="x"), 1 + X + RNG.normal(size=N)),
    "poisson": (mlece.Poisson(rate=mlece.linear("x", offset="log(t)")), RNG.poisson(GIVEN["t"])),
    "gamma": (mlece.Gamma(rate="x"), RNG.gamma(2.0, size=N)),
    "weibull": (mlece.Weibull(scale="x", shape="z"), RNG.weibull(2.0, size=N)),
    "binomial": (mlece.Binomial(n="t", p="x"), RNG.binomial(GIVEN["t"].astype(int), 0.4)),
    "probit": (mlece.Bernoulli(p=mlece.linear("x", link="probit")), RNG.integers(0, 2, N)),
    "negative binomial": (mlece.NegativeBinomial(mean="x"), RNG.negative_binomial(2, 0.4, N)),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_standard_errors_are_those_of_the_delta_method(name: str) -> None:
    model, y = RESPONSES[name]
    fit = mlece.fit(model, y, given=GIVEN)
    told = fit.prediction(NEW)
    at = fit.at(NEW)
    theta = np.array([float(v) for v in at.theta])
    free = [i for i, p in enumerate(fit.family.params) if p.name in fit.names]

    def mean(values: np.ndarray) -> np.ndarray:
        slots = dict(zip((p.name for p in at.params), values, strict=True))
        return np.asarray(type(at)(**slots, **at.settings).responses().mean)

    gradient = np.empty((3, len(free)))
    for j, i in enumerate(free):
        step = 1e-5 * (1 + abs(theta[i])) * np.eye(len(theta))[i]
        gradient[:, j] = (mean(theta + step) - mean(theta - step)) / (2 * step[i])
    expected = np.sqrt(np.einsum("ri,ij,rj->r", gradient, fit.covariance(), gradient))
    assert told.mean == pytest.approx(mean(theta), rel=1e-13)
    # Central differences: (1e-5)² times third derivatives, and rounding over 1e-5.
    assert told.se == pytest.approx(expected, rel=1e-7)
    assert ((told.lower < told.mean) & (told.mean < told.upper)).all()
    assert told.predictive is not None
    law = fit.predict(NEW)
    assert told.predictive[0] == pytest.approx(law.quantile(0.025)[..., 0])
    assert told.predictive[1] == pytest.approx(law.quantile([0.5, 0.975])[..., 1])


def test_a_linear_model_agrees_with_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    y = RESPONSES["gaussian"][1]
    fit = mlece.fit(mlece.Gaussian(mean="x"), y, given=GIVEN)
    told = fit.prediction(NEW, level=0.9)
    found = sm.OLS(y, sm.add_constant(X)).fit(cov_type="HC0")
    other = found.get_prediction(sm.add_constant(NEW["x"])).summary_frame(alpha=0.1)
    assert told.mean == pytest.approx(other["mean"].to_numpy(), rel=1e-12)
    assert told.se == pytest.approx(other["mean_se"].to_numpy(), rel=1e-9)
    assert told.lower == pytest.approx(other["mean_ci_lower"].to_numpy(), rel=1e-9)
    assert told.upper == pytest.approx(other["mean_ci_upper"].to_numpy(), rel=1e-9)


def test_limits_of_a_log_link_are_those_of_the_predictor() -> None:
    sm = pytest.importorskip("statsmodels.api")
    y = RESPONSES["poisson"][1]
    fit = mlece.fit(mlece.Poisson(rate=mlece.linear("x", offset="log(t)")), y, given=GIVEN)
    told = fit.prediction(NEW)
    family, offset = sm.families.Poisson(), np.log(GIVEN["t"])
    found = sm.GLM(y, sm.add_constant(X), family, offset=offset).fit(cov_type="HC0", tol=1e-12)
    other = found.get_prediction(sm.add_constant(NEW["x"]), offset=np.log(NEW["t"])).summary_frame()
    assert told.mean == pytest.approx(other["mean"].to_numpy(), rel=1e-9)
    assert told.se == pytest.approx(other["mean_se"].to_numpy(), rel=1e-8)
    assert told.lower == pytest.approx(other["mean_ci_lower"].to_numpy(), rel=1e-8)
    assert told.upper == pytest.approx(other["mean_ci_upper"].to_numpy(), rel=1e-8)


@pytest.mark.parametrize(
    "model", [mlece.Categorical(p="x"), mlece.Ordinal(location="x", labels=["low", "mid", "top"])]
)
def test_labels_have_probabilities_with_standard_errors(model: Any) -> None:
    fit = mlece.fit(model, LABELS, given=GIVEN)
    told, law = fit.prediction(NEW), fit.predict(NEW)
    assert told.mean.shape == (3, 3)
    assert told.mean == pytest.approx(law.masses(), rel=1e-12)
    assert told.mean.sum(axis=1) == pytest.approx(np.ones(3), rel=1e-14)
    if isinstance(model, mlece.Ordinal):
        assert law.probabilities() == pytest.approx(told.mean, rel=1e-14)
    assert told.predictive is None
    assert told.labels == law.labels
    assert (told.lower > 0).all()
    assert (told.upper < 1).all()
    theta = np.array([float(v) for v in fit.at(NEW).theta])
    at = fit.at(NEW)
    free = [i for i, p in enumerate(fit.family.params) if p.name in fit.names]
    gradient = np.empty((3, 3, len(free)))
    for j, i in enumerate(free):
        ends = []
        for sign in (1, -1):
            moved = theta + sign * 1e-5 * np.eye(len(theta))[i]
            slots = dict(zip((p.name for p in at.params), moved, strict=True))
            ends.append(type(at)(**slots, **at.settings).responses().masses())
        gradient[..., j] = (ends[0] - ends[1]) / 2e-5
    expected = np.sqrt(np.einsum("rli,ij,rlj->rl", gradient, fit.covariance(), gradient))
    assert told.se == pytest.approx(expected, rel=1e-7)
    frame = told.to_frame()
    assert frame.shape == (9, 6)
    assert "probability" in str(told)


def test_a_batch_predicts_what_its_members_predict() -> None:
    y = RNG.normal(size=(3, N)) + X
    fit = mlece.fit(mlece.Gaussian(mean="x"), y, given=GIVEN)
    told = fit.prediction(NEW)
    assert told.mean.shape == told.se.shape == (3, 3)
    for r in range(3):
        one = mlece.fit(mlece.Gaussian(mean="x"), y[r], given=GIVEN).prediction(NEW)
        assert told.se[r] == pytest.approx(one.se, rel=1e-9)
        assert told.predictive is not None
        assert one.predictive is not None
        assert told.predictive[0][r] == pytest.approx(one.predictive[0], rel=1e-9)
    assert "batch" in str(told)
    with pytest.raises(errors.DataError, match="one fit for a table"):
        told.to_frame()


def test_what_cannot_be_foretold_is_refused() -> None:
    model, y = RESPONSES["gaussian"]
    fit = mlece.fit(model, y, given=GIVEN)
    with pytest.raises(errors.ParameterError, match=r"level in \(0, 1\)"):
        fit.prediction(NEW, level=95)
    with pytest.raises(errors.UnknownNameError):
        fit.prediction({"z": [1.0]})
    with pytest.raises(errors.NotRegularError):
        mlece.fit(mlece.NegativeBinomial(mean="x"), np.full(N, 2), given=GIVEN).prediction(NEW)
    assert len(str(fit.prediction()).splitlines()) < 20


def test_what_came_as_numbers_is_asked_for_by_name() -> None:
    rng = np.random.default_rng(4)
    x, trials = rng.normal(size=40), rng.integers(4, 9, size=40)
    y = rng.binomial(trials, special.expit(x))
    new = {"x": [0.0, 1.0]}
    named = mlece.fit(
        mlece.Binomial(n="trials", p="x"), y, given={"x": x, "trials": trials.astype(float)}
    )
    fit = mlece.fit(mlece.Binomial(n=trials, p="x"), y, given={"x": x})
    with pytest.raises(errors.DataError, match=r"n for each new row.*fit.predict\(new, n="):
        fit.predict(new)
    expected = named.predict({**new, "trials": [3.0, 4.0]})
    assert fit.predict(new, n=[3, 4]).mean.tolist() == expected.mean.tolist()
    told = fit.prediction(new, known={"n": [3, 4]})
    assert told.mean == pytest.approx(expected.mean, rel=1e-12)
    held = fit.held_out([1, 2], given=new, n=[3, 4])
    assert held == -float(np.mean(expected.log_density(np.array([[1], [2]]))))
    for wrong, error, said in (
        ({"n": [3, 4, 5]}, errors.DataError, "3 of n, 2 of p"),
        ({"m": [3, 4]}, errors.UnknownNameError, "'m'. Known: n, p"),
        ({"n": [3, 4], "p": [0, 0]}, errors.DataError, "no offset of numbers"),
        ({"n": ["a", "b"]}, errors.DataTypeError, "slot 'n' as real numbers"),
        ({"n": [3, 4.5]}, errors.ParameterError, "integers"),
    ):
        with pytest.raises(error, match=said):
            fit.predict(new, **wrong)
    line = mlece.Gaussian(mean=mlece.linear("x", offset=trials), sd=np.full(40, 2.0))
    shifted = mlece.fit(line, y, given={"x": x})
    with pytest.raises(errors.DataError, match="an offset for each new row"):
        shifted.predict(new, sd=[1.0, 2.0])
    law = shifted.predict(new, mean=[10, 0], sd=[1.0, 2.0])
    slope = shifted.params["mean[x]"]
    assert law.sd.tolist() == [1.0, 2.0]
    assert law.mean[0] - law.mean[1] == pytest.approx(10 - slope, rel=1e-12)
