"""Extreme values: likelihoods that are unbounded, ends of the shape, and where standard errors end."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.limits import Status
from mlece.model import Model

GEV, GPD = mlece.GEV, mlece.GeneralizedPareto


# ---------------------------------------------------------------------------- shape = -1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_gev_ends_at_the_reversed_exponential(scale: float) -> None:
    y = scale * np.array([1.0, 2.0, 3.0, 3.5, 3.6])
    fit = mlece.fit(GEV(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert "unbounded for shape < -1" in fit.certificate.sentence
    assert fit.params["shape"] == -1
    assert fit.params["loc"] == pytest.approx(y.mean(), rel=1e-14)
    width = y.max() - y.mean()
    assert fit.params["scale"] == pytest.approx(width, rel=1e-14)
    # The law of max - y is exponential with mean max - mean.
    assert float(fit.cross_entropy) == pytest.approx(1 + math.log(width), abs=1e-13)


def test_gpd_ends_at_the_uniform_law() -> None:
    fit = mlece.fit(GPD(loc=1.0), [2.0, 3.0, 4.0, 5.0])
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params == pytest.approx({"scale": 4.0, "shape": -1.0})
    assert float(fit.cross_entropy) == pytest.approx(math.log(4), abs=1e-14)


@pytest.mark.parametrize("value", [0.3, 7.0])
def test_gpd_of_one_repeated_excess_is_uniform(value: float) -> None:
    fit = mlece.fit(GPD(), [value] * 4)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params == pytest.approx({"scale": value, "shape": -1.0})


def test_a_given_shape_of_minus_one_has_its_end_at_the_largest_observation() -> None:
    y = [1.0, 2.0, 2.5]
    assert mlece.fit(GPD(shape=-1), y).params["scale"] == 2.5
    fit = mlece.fit(GEV(shape=-1), y)
    assert fit.params["loc"] + fit.params["scale"] == pytest.approx(2.5, rel=1e-15)


# ---------------------------------------------------------------------------- no local maximum


def test_gev_without_a_local_maximum() -> None:
    fit = mlece.fit(GEV(), [1.0, 1.0, 1.0, 100.0])
    assert fit.certificate.status is Status.UNBOUNDED
    assert float(fit.cross_entropy) == -math.inf


def test_excesses_at_the_threshold() -> None:
    fit = mlece.fit(GPD(), [0.0, 0.0, 0.0, 4.0])
    assert fit.certificate.status is Status.UNBOUNDED
    assert mlece.fit(GPD(), [0.0, 0.0, 0.0]).certificate.status is Status.UNBOUNDED


def test_the_gev_likelihood_is_unbounded_with_the_shape() -> None:
    # What the sentence says: along shape -> infinity with the lower end at the smallest observation.
    gaps = np.array([1.0, 3.0, 6.0])
    levels = []
    for shape in (20.0, 40.0, 60.0):
        # log(1 + shape z) of the smallest observation such that e^(-w) there is the shape itself.
        log_t = np.append(-shape * math.log(shape), np.log(shape * gaps + shape**-shape))
        w = log_t / shape
        levels.append(float(np.mean(-(1 + shape) * w - np.exp(-w))))
    assert levels == sorted(levels)
    assert levels[-1] > 0


# ---------------------------------------------------------------------------- standard errors


@pytest.mark.parametrize(
    "member", [GEV(loc=0, scale=1, shape=-0.75), GPD(scale=1, shape=-0.75)], ids=["GEV", "GPD"]
)
@pytest.mark.parametrize("kind", ["sandwich", "hessian", "fisher", "opg"])
def test_no_standard_errors_at_or_below_minus_one_half(member: Model, kind: str) -> None:
    fit = mlece.fit(type(member)(), member.sample(500, rng=3))
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.params["shape"] < -0.5
    with pytest.raises(errors.NotRegularError, match="Smith 1985"):
        fit.covariance(kind)


@pytest.mark.parametrize(
    "member", [GEV(loc=0, scale=1, shape=-0.2), GPD(scale=1, shape=-0.2)], ids=["GEV", "GPD"]
)
def test_standard_errors_above_minus_one_half(member: Model) -> None:
    fit = mlece.fit(type(member)(), member.sample(5000, rng=3))
    observed, expected = (np.diag(fit.covariance(k)) for k in ("hessian", "fisher"))
    # The two estimate one matrix; its entries vary by a few parts in a hundred at n = 5000.
    assert observed == pytest.approx(expected, rel=0.2)


def test_gpd_information_is_that_of_smith() -> None:
    fit = mlece.fit(GPD(), GPD(scale=2, shape=0.3))
    # Smith (1984): the inverse information of (scale, shape) per observation.
    scale, shape = 2.0, 0.3
    expected = (1 + shape) * np.array([[2 * scale**2, -scale], [-scale, 1 + shape]])
    assert fit.covariance("hessian") == pytest.approx(expected, rel=1e-9)


# ---------------------------------------------------------------------------- relations


def test_gev_at_shape_zero_is_gumbel() -> None:
    y = mlece.Gumbel(loc=2, scale=3).sample(200, rng=5)
    gev, gumbel = mlece.fit(GEV(shape=0), y), mlece.fit(mlece.Gumbel(), y)
    assert gev.params == pytest.approx(gumbel.params, rel=1e-9)
    assert float(gev.cross_entropy) == pytest.approx(float(gumbel.cross_entropy), rel=1e-14)


def test_gpd_at_shape_zero_is_exponential() -> None:
    y = mlece.Exponential(rate=0.5).sample(200, rng=5)
    assert mlece.fit(GPD(shape=0), y).params["scale"] == pytest.approx(y.mean(), rel=1e-10)


@pytest.mark.parametrize("shape", [0.0, 1e-9, -1e-7, 1e-3, 0.049, -0.051, 0.4])
@pytest.mark.parametrize("y", [-1.2, 0.4, 1.9])
def test_scores_pass_through_shape_zero(shape: float, y: float) -> None:
    def log_density(shape: Any) -> Any:
        w = mp.log1p(shape * mp.mpf(y)) / shape if shape else mp.mpf(y)
        return -(1 + shape) * w - mp.exp(-w)

    with mp.workdps(60):
        # A difference over 1e-15 with 60 digits: its error is the square of the step.
        step = mp.mpf(10) ** -15
        at = mp.mpf(shape)
        expected = (log_density(at + step) - log_density(at - step)) / (2 * step)
    score = GEV(loc=0, scale=1, shape=shape).score([y])[0, 2]
    # Beyond |shape| = 0.05 the formula divides rounding by shape.
    assert score == pytest.approx(float(expected), rel=2e-14, abs=2e-14)


def test_frechet_is_the_inverse_of_weibull() -> None:
    y = mlece.Weibull(shape=1.7, scale=3.0).sample(100, rng=1)
    weibull, frechet = (
        mlece.fit(mlece.Weibull(), y).params,
        mlece.fit(mlece.Frechet(), 1 / y).params,
    )
    assert frechet["shape"] == pytest.approx(weibull["shape"], rel=1e-8)
    assert frechet["scale"] == pytest.approx(1 / weibull["scale"], rel=1e-8)


def test_gumbel_for_minima_is_the_mirror_of_gumbel() -> None:
    y = mlece.Gumbel(loc=1, scale=2).sample(100, rng=1)
    one, other = mlece.fit(mlece.Gumbel(), y).params, mlece.fit(mlece.GumbelMin(), -y).params
    assert other == pytest.approx({"loc": -one["loc"], "scale": one["scale"]}, rel=1e-9)


# ---------------------------------------------------------------------------- a known threshold


def test_the_threshold_is_a_known_constant() -> None:
    y = GPD(scale=2, shape=0.2).sample(300, rng=4)
    plain, moved = mlece.fit(GPD(), y), mlece.fit(GPD(loc=1e3), y + 1e3)
    assert plain.names == ("scale", "shape")
    # y + 1000 rounds to 1e-13 of itself.
    assert moved.params == pytest.approx(plain.params, rel=1e-9)


def test_observations_below_the_threshold_are_refused() -> None:
    with pytest.raises(errors.SupportError, match="got 1 such value of 3"):
        mlece.fit(GPD(loc=1.5), [1.0, 2.0, 3.0])
