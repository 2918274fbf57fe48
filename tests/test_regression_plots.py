"""Pictures and forecasts of conditional fits: what is drawn is what the fit says."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.diagnostics.forecasts import class_forecasts
from mlece.plot import regression_panels, response_curve
from mlece.randomness import stream

RNG = np.random.default_rng(21)
N = 80
X = RNG.normal(size=N)
GIVEN = {"x": X, "z": RNG.normal(size=N)}
LABELS = np.array(["low", "mid", "top"])[np.clip((X + RNG.normal(size=N) + 1.5).astype(int), 0, 2)]
BINARY = (RNG.random(N) < 1 / (1 + np.exp(-X))).astype(float)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (mlece.Gaussian(mean="x", sd="x"), X + RNG.normal(size=N)),
        (mlece.Poisson(rate="x"), RNG.poisson(np.exp(0.5 + 0.3 * X))),
        (mlece.Bernoulli(p="x"), BINARY),
        (mlece.Categorical(p="x"), LABELS),
        (mlece.Ordinal(location="x", labels=["low", "mid", "top"]), LABELS),
    ],
)
def test_four_panels_show_the_fit(model: Any, y: Any) -> None:
    fit = mlece.fit(model, y, given=GIVEN)
    axes, drawn = fit.plot()
    assert axes.shape == (2, 2)
    roots = fit.standard_errors()
    expected = [fit.params[name] / roots[name] for name in fit.names]
    assert drawn.scaled == pytest.approx(expected)
    assert drawn.fitted.shape == drawn.observed.shape == (N,)
    if drawn.residuals is None:
        assert drawn.observed.mean() == pytest.approx(fit.cross_entropy, rel=1e-10)
    else:
        assert drawn.residuals == pytest.approx(mlece.residuals(fit))
    plt.close("all")


def test_the_response_over_a_covariate() -> None:
    fit = mlece.fit(mlece.Poisson(rate="x"), RNG.poisson(np.exp(0.3 * X)), given=GIVEN)
    _, drawn = response_curve(fit, "x", level=0.8)
    law = fit.predict({"x": drawn.x})
    assert drawn.mean == pytest.approx(law.mean)
    assert drawn.upper == pytest.approx(law.quantile(0.9)[:, 0])
    two = mlece.fit(mlece.Poisson(rate="x + z"), RNG.poisson(2.0, N), given=GIVEN)
    with pytest.raises(errors.UnknownNameError):
        response_curve(two, "x")
    labels = mlece.fit(mlece.Categorical(p="x"), LABELS, given=GIVEN)
    with pytest.raises(errors.DataError, match="labels"):
        response_curve(labels, "x")
    batch = mlece.fit(mlece.Gaussian(mean="x"), RNG.normal(size=(2, N)), given=GIVEN)
    with pytest.raises(errors.DataError, match="batch"):
        regression_panels(batch)
    plt.close("all")


def test_calibration_takes_a_fit() -> None:
    fit = mlece.fit(mlece.Bernoulli(p="x"), BINARY, given=GIVEN)
    found = mlece.calibration(fit, replicates=0)
    other = mlece.calibration(fit.predict().p, BINARY, replicates=0)
    assert found.cross_entropy == pytest.approx(fit.cross_entropy, rel=1e-12)
    assert found.calibration == pytest.approx(other.calibration, rel=1e-12)
    with pytest.raises(errors.DataError, match="brings its outcomes"):
        mlece.calibration(fit, BINARY)
    with pytest.raises(errors.DataError, match="one fit of classes"):
        mlece.calibration(mlece.fit(mlece.Gaussian(mean="x"), X, given={"x": GIVEN["z"]}))


@pytest.mark.parametrize(
    ("model", "y"), [(mlece.Bernoulli(p="x"), BINARY), (mlece.Categorical(p="x"), LABELS)]
)
def test_forecasts_of_folds_have_not_seen_their_outcomes(model: Any, y: Any) -> None:
    fit = mlece.fit(model, y, given=GIVEN)
    p, outcomes, weights, labels = class_forecasts(fit, 4, rng=3)
    assert weights is None
    assert len(labels) == p.shape[1]
    assert (outcomes == y).all()
    # The folds, dealt again; the fit to the others forecasts the same.
    at = stream(3).permutation(N) % 4
    rest = at != 2
    given = {name: column[rest] for name, column in GIVEN.items()}
    law = mlece.fit(model, y[rest], given=given).predict({"x": X[~rest]})
    q = law.masses() if model.title == "Categorical" else np.stack([1 - law.p, law.p], axis=1)
    assert p[~rest] == pytest.approx(q, rel=1e-7)
    found = mlece.calibration(fit, folds=4, rng=3, replicates=0)
    assert found.cross_entropy > fit.cross_entropy
    with pytest.raises(errors.DataError, match="2 to 80 folds"):
        mlece.calibration(fit, folds=1)


def test_worms_take_a_fit_and_the_name_of_a_covariate() -> None:
    y = X + RNG.normal(size=N)
    w = RNG.integers(1, 3, N)
    fit = mlece.fit(mlece.Gaussian(mean="x"), y, given=GIVEN, weights=w)
    found = mlece.worm(fit, "z")
    other = mlece.worm(mlece.residuals(fit), GIVEN["z"], weights=w, name="z")
    assert found.name == "z"
    for one, two in zip(found.panels, other.panels, strict=True):
        assert one.deviation == pytest.approx(two.deviation)
        assert one.n == two.n
