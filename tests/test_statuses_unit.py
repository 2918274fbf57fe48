"""Proportions, the triangle and the circle: what a fit comes to where no interior optimum exists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.limits import Status

inf = math.inf
SHAPES = [mlece.Beta(), mlece.Kumaraswamy()]
OPEN = [mlece.LogitNormal(), mlece.Simplex()]
CIRCLE = [mlece.VonMises(), mlece.WrappedCauchy()]


def named(models: list[Any]) -> Any:
    return pytest.mark.parametrize("model", models, ids=[type(m).__name__ for m in models])


# ---------------------------------------------------------------------------- ends of the interval


@named(SHAPES)
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_an_end_makes_a_free_shape_unbounded(model: mlece.Model, end: float) -> None:
    fit = mlece.fit(model, [end, 0.2, 0.5])
    assert fit.certificate.status is Status.UNBOUNDED
    assert f"an observation is {end:g}" in fit.certificate.sentence
    assert float(fit.cross_entropy) == -inf


@pytest.mark.parametrize(("b", "status"), [(2.0, Status.NOT_ATTAINED), (0.5, Status.UNBOUNDED)])
def test_a_filled_shape_decides_what_an_end_means(b: float, status: Status) -> None:
    fit = mlece.fit(mlece.Kumaraswamy(b=b), [1.0, 0.2, 0.5])
    assert fit.certificate.status is status


def test_a_shape_of_one_bears_an_observation_at_its_end() -> None:
    # b = 1: the power law, whose estimate is 1 / mean(-log y).
    fit = mlece.fit(mlece.Kumaraswamy(b=1), [1.0, 0.2, 0.5])
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.params["a"] == pytest.approx(3 / -math.log(0.1), rel=1e-12)
    assert fit.params == {"a": pytest.approx(mlece.fit("power", [1.0, 0.2, 0.5]).params["shape"])}


@named(OPEN)
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_an_open_interval_refuses_its_ends(model: mlece.Model, end: float) -> None:
    with pytest.raises(errors.SupportError, match="1 such value of 3"):
        mlece.fit(model, [end, 0.2, 0.5])


def test_the_power_law_bears_ones_and_refuses_zeros() -> None:
    assert mlece.fit("power", [1.0, 1.0]).certificate.status is Status.UNBOUNDED
    with pytest.raises(errors.SupportError):
        mlece.fit("power", [0.0, 0.5])


@named([mlece.LogitNormal(meanlogit=0), mlece.Simplex(mean=0.5)])
def test_every_observation_at_the_filled_centre(model: mlece.Model) -> None:
    assert mlece.fit(model, [0.5, 0.5]).certificate.status is Status.UNBOUNDED
    assert mlece.fit(model, [0.4, 0.4]).certificate.status is Status.OPTIMAL


# ---------------------------------------------------------------------------- triangle


def test_the_mode_is_the_best_observation() -> None:
    y = np.array([0.05, 0.1, 0.4, 0.45, 0.7, 0.8])
    fit = mlece.fit(mlece.Triangular(), y)
    values = [-mlece.Triangular(mode=c).log_density(y).mean() for c in np.linspace(0, 1, 2001)]
    assert fit.params["mode"] in y
    assert float(fit.cross_entropy) <= min(values)
    assert fit.certificate.scope == "global"


def test_weights_on_the_triangle_are_replication() -> None:
    weighted = mlece.fit(mlece.Triangular(), [0.2, 0.5, 0.9, 0.95], weights=[1, 2, 1, 0])
    plain = mlece.fit(mlece.Triangular(), [0.2, 0.5, 0.5, 0.9])
    assert weighted.params == plain.params
    assert weighted.cross_entropy == pytest.approx(plain.cross_entropy, rel=1e-14)


def test_a_mode_may_lie_at_an_end_but_not_at_two() -> None:
    assert mlece.fit(mlece.Triangular(), [0.0, 0.0, 0.3]).params == {"mode": 0.0}
    fit = mlece.fit(mlece.Triangular(), [0.0, 0.3, 1.0])
    assert fit.certificate.status is Status.INFINITE
    assert "both ends" in fit.certificate.sentence


def test_the_ends_of_a_triangle_are_known_constants() -> None:
    with pytest.raises(errors.SupportError, match=r"Triangular\(lower=-1, upper=4\), -1 to 4"):
        mlece.fit(mlece.Triangular(lower=-1, upper=4), [0.0, 5.0])
    with pytest.raises(errors.ParameterError, match="lower <= mode <= upper"):
        mlece.Triangular(mode=2)
    assert mlece.Triangular(lower=-1).free == ("mode",)
    assert mlece.Triangular(mode=0.5) == mlece.Triangular(0, 1, 0.5)


def test_a_triangle_is_found_in_a_known_law() -> None:
    # The slope vanishes where the distribution function crosses that of the uniform law.
    fit = mlece.fit(mlece.Triangular(), mlece.Beta(2, 5))
    mode = fit.params["mode"]
    # Nodes settle the cross-entropy to 1e-12, and its minimum to the square root of that.
    assert mlece.Beta(2, 5).cdf(mode) == pytest.approx(mode, abs=1e-9)
    own = mlece.Triangular(-2, 3, 1)
    again = mlece.fit(mlece.Triangular(-2, 3), own)
    assert again.params["mode"] == pytest.approx(1, abs=1e-6)
    # The information on the mode is 1 / ((c − a)(b − c)).
    for kind in ("sandwich", "hessian", "opg", "fisher"):
        assert again.standard_errors(kind)["mode"] == pytest.approx(math.sqrt(6), rel=1e-6)


# ---------------------------------------------------------------------------- circle


@named(CIRCLE)
def test_angles_beyond_a_half_turn_are_refused_with_the_way_out(model: mlece.Model) -> None:
    y = np.array([0.3, 3.5, 6.0])
    with pytest.raises(errors.SupportError, match=r"numpy.angle\(numpy.exp\(1j \* y\)\)"):
        mlece.fit(model, y)
    assert mlece.fit(model, np.angle(np.exp(1j * y))).certificate.status.solved


@named(CIRCLE)
def test_estimates_turn_with_the_data(model: mlece.Model) -> None:
    y = model.replace(**{model.free[0]: 0.4, model.free[1]: 0.7}).sample(60, rng=3)
    fit = mlece.fit(model, y)
    direction, spread = model.free
    for turn in (0.9, math.pi, -2.5, 2 * math.pi):
        turned = mlece.fit(model, np.angle(np.exp(1j * (y + turn))))
        # Rounding of the turned angles, 4e-16, over the spread.
        assert turned.params[spread] == pytest.approx(fit.params[spread], rel=1e-13)
        gap = np.angle(np.exp(1j * (turned.params[direction] - fit.params[direction] - turn)))
        assert abs(gap) < 1e-13
        assert turned.cross_entropy == pytest.approx(fit.cross_entropy, rel=1e-13)
        assert turned.standard_errors() == pytest.approx(fit.standard_errors(), rel=1e-10)


def test_directions_that_balance() -> None:
    quarter = np.array([0.0, 0.5, 1.0, -0.5]) * math.pi
    fit = mlece.fit(mlece.VonMises(), quarter)
    assert fit.certificate.status is Status.BOUNDARY
    assert "mu is arbitrary" in fit.certificate.sentence
    assert fit.params["kappa"] == 0
    assert float(fit.cross_entropy) == pytest.approx(math.log(2 * math.pi), rel=1e-15)
    held = mlece.fit(mlece.VonMises(kappa=2), quarter)
    assert held.certificate.status is Status.NOT_UNIQUE


def test_a_mean_direction_opposite_to_the_filled_one() -> None:
    fit = mlece.fit(mlece.VonMises(mu=math.pi), [0.1, -0.2, 0.4])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["kappa"] == 0
    assert fit.certificate.multipliers["kappa"] > 0


def test_the_uniform_law_in_a_population_leaves_mu_open() -> None:
    fit = mlece.fit(mlece.VonMises(), mlece.WrappedCauchy(mu=1, rho=0))
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["kappa"] == 0


def test_half_of_the_directions_at_one_point() -> None:
    heavy = mlece.fit(mlece.WrappedCauchy(), [1.0, 1.0, 1.0, 2.0, -2.0])
    assert heavy.certificate.status is Status.UNBOUNDED
    light = mlece.fit(mlece.WrappedCauchy(), [1.0, 1.0, 0.3, 2.0, -2.0])
    assert light.certificate.status is Status.OPTIMAL
    assert light.certificate.scope == "global"


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 1.0, 30.0, 1e4, 1e7, 1e10])
@pytest.mark.parametrize("mu", [0.0, 2.0, math.pi, math.pi - 1e-3])
def test_a_known_von_mises_law_is_integrated(kappa: float, mu: float) -> None:
    from mlece.sources.distribution import nodes

    law = mlece.VonMises(mu=mu, kappa=kappa)
    rule = nodes(law)
    # An angle near π is rounded to 4e-16: 4e-11 of the width at the largest concentration.
    assert -rule.weights @ law.log_density(rule.values) == pytest.approx(law.entropy(), abs=1e-10)
    fit = mlece.fit(mlece.VonMises(), law)
    assert float(fit.cross_entropy) == pytest.approx(law.entropy(), abs=1e-10)
    assert fit.params["kappa"] == pytest.approx(kappa, rel=1e-9, abs=1e-13)
    other = mlece.VonMises(mu=1.0, kappa=2.0)
    gap = mlece.cross_entropy(law, other) - law.entropy()
    assert mlece.kl_divergence(law, other) == pytest.approx(gap, rel=1e-10)


@pytest.mark.parametrize("spread", [1e-2, 2e-3, 1e-4, 1e-7])
def test_proportions_in_a_narrow_range(spread: float) -> None:
    y = 0.2 + spread * np.random.default_rng(0).normal(size=100)
    best = float(mlece.fit(mlece.Gaussian(), y).cross_entropy)
    for model in (mlece.Beta(), *OPEN):
        fit = mlece.fit(model, y)
        assert fit.certificate.status is Status.OPTIMAL
        # In a narrow range each of them is nearly Gaussian.
        assert float(fit.cross_entropy) == pytest.approx(best, abs=0.05)
    # b of the Kumaraswamy law is of the order of 5^a, a of the order of 0.2 / spread.
    fit = mlece.fit(mlece.Kumaraswamy(), y)
    shown = Status.OPTIMAL if spread > 1e-3 else Status.STEP_LIMIT
    assert fit.certificate.status is shown
