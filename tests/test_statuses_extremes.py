"""Extreme values: likelihoods that are unbounded, ends of the shape, and where standard errors end."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

import mlece
from mlece import errors
from mlece.families.transformed import MirroredLogGamma
from mlece.limits import Status
from mlece.model import Model
from mlece.testing import check_curvature, check_equivariance, check_normalisation, check_score

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


# ---------------------------------------------------------------------------- Box-Cox


def test_box_cox_cole_green_at_nu_zero_is_log_normal() -> None:
    y = mlece.LogNormal(meanlog=1, sdlog=0.3).sample(200, rng=2)
    fit, plain = mlece.fit(mlece.BoxCoxColeGreen(nu=0), y), mlece.fit(mlece.LogNormal(), y)
    assert math.log(fit.params["mu"]) == pytest.approx(plain.params["meanlog"], abs=1e-10)
    assert fit.params["sigma"] == pytest.approx(plain.params["sdlog"], rel=1e-9)


def test_box_cox_cole_green_without_a_maximum_is_half_normal() -> None:
    # The quantiles of a Rayleigh law: a power of it is closer to half-normal than to any normal.
    y = np.sqrt(-np.log(1 - (np.arange(12) + 0.5) / 12))
    fit = mlece.fit(mlece.BoxCoxColeGreen(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert "half-normal" in fit.certificate.sentence
    direct = -float(fit.model.log_density(y).mean())
    assert direct == pytest.approx(float(fit.cross_entropy), abs=1e-12)

    def level(nu: float) -> float:
        # y^nu half-normal: its scale is the root mean square.
        power = y**nu
        root = math.sqrt(np.mean(power**2))
        density = 0.5 * math.log(2 / math.pi) - math.log(root) - power**2 / (2 * root**2)
        return float(-np.mean(density + math.log(nu) + (nu - 1) * np.log(y)))

    nu = minimize_scalar(level, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-10}).x
    assert float(fit.cross_entropy) == pytest.approx(level(nu), abs=1e-9)
    # Members of the family come as near as one likes, and no nearer.
    for end in (1e-2, 1e-4):
        sigma = 1 / (end * nu)
        scale = math.sqrt(np.mean(y ** (2 * nu)))
        member = mlece.BoxCoxColeGreen(mu=(scale / (sigma * nu)) ** (1 / nu), sigma=sigma, nu=nu)
        excess = float(-member.log_density(y).mean()) - float(fit.cross_entropy)
        assert 0 < excess < 2 * end


def test_box_cox_t_tends_to_cole_green() -> None:
    y = mlece.BoxCoxColeGreen(mu=20, sigma=0.1, nu=-1).sample(400, rng=1)
    # Cut at three standard deviations the tails are lighter than those of any t.
    y = y[np.abs(y / 20 - 1) < 0.2]
    fit = mlece.fit(mlece.BoxCoxT(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["tau"] == math.inf
    assert type(fit.model) is mlece.BoxCoxColeGreen


@pytest.mark.parametrize(
    ("sigma", "nu", "tau"), [(0.5, 1.5, 3.0), (0.2, 0.3, 8.0), (2.0, -1.0, 40.0)]
)
def test_truncation_of_the_box_cox_t(sigma: float, nu: float, tau: float) -> None:
    # The derivative in tau of the mass that is kept, by quadrature against a difference in mpmath.
    end = 1 / (sigma * abs(nu))

    def log_mass(df: Any) -> Any:
        x = df / (df + mp.mpf(end) ** 2)
        return mp.log(1 - mp.betainc(df / 2, 0.5, 0, x, regularized=True) / 2)

    with mp.workdps(40):
        slope = mp.diff(log_mass, mp.mpf(tau))
        bend = mp.diff(log_mass, mp.mpf(tau), 2)
    first, second = mlece.BoxCoxT._truncation(np.array(sigma), np.array(nu), np.array(tau))
    assert float(first[2]) == pytest.approx(float(slope), rel=1e-11, abs=1e-15)
    assert float(second[5]) == pytest.approx(float(bend), rel=1e-10, abs=1e-15)


# ---------------------------------------------------------------------------- log-gamma, Rice


def test_log_gamma_of_a_right_skewed_sample_is_gaussian() -> None:
    y = mlece.Exponential(rate=1).sample(50, rng=1)
    fit = mlece.fit(mlece.LogGamma(), y)
    plain = mlece.fit(mlece.Gaussian(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.model == plain.model
    assert float(fit.cross_entropy) == pytest.approx(float(plain.cross_entropy), rel=1e-13)


def test_log_gamma_of_a_reversed_exponential_ends_at_the_largest_observation() -> None:
    y = -mlece.Exponential(rate=2).sample(50, rng=1)
    fit = mlece.fit(mlece.LogGamma(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.model.bounds(fit.model.theta)[1] == y.max()
    expected = 1 + math.log(y.max() - y.mean())
    assert float(fit.cross_entropy) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("n", [50, 1000, 5000])
def test_log_gamma_of_gaussian_data_is_optimal_or_gaussian(n: int) -> None:
    """e^y has the generalised gamma law of q = k^(−1/2), whose fit goes through the Gaussian limit."""
    y = np.random.default_rng(n).normal(10, 2, (60, n))
    fit = mlece.fit(mlece.LogGamma(), y)
    other = mlece.fit(mlece.GeneralizedGamma(), np.exp(y - 10))
    plain = mlece.fit(mlece.Gaussian(), y)
    q = np.asarray(other.params["q"])
    assert (q > 0).any()
    assert (q < 0).any()
    wanted = np.where(q > 0, other.cross_entropy - (y - 10).mean(axis=1), plain.cross_entropy)
    np.testing.assert_allclose(fit.cross_entropy, wanted, rtol=1e-11)
    statuses = np.array([s.name for s in fit.certificate.status])
    assert (statuses == np.where(q > 0, "OPTIMAL", "BOUNDARY")).all()
    shape = np.asarray(fit.params["shape"])
    np.testing.assert_allclose(shape[q > 0], q[q > 0] ** -2, rtol=1e-5)


def test_log_gamma_next_to_its_gaussian_limit_has_open_intervals() -> None:
    y = np.random.default_rng(3).normal(10, 2, 300)
    fit = mlece.fit(mlece.LogGamma(), y)
    ends = fit.interval(0.95, "profile")
    assert ends["shape"].upper == math.inf
    assert ends["scale"].upper == math.inf
    assert ends["loc"].lower == -math.inf
    assert str(ends["shape"]).endswith("the interval is open there")
    # At the lower end the deviance is the quantile of the χ² law with one degree of freedom.
    held = mlece.fit(mlece.LogGamma(shape=ends["shape"].lower), y)
    deviance = 2 * 300 * (held.cross_entropy - fit.cross_entropy)
    assert deviance == pytest.approx(chi2.ppf(0.95, 1), rel=1e-6)
    at_limit = mlece.fit(mlece.LogGamma(), np.random.default_rng(1).normal(10, 2, 300))
    assert at_limit.certificate.status is Status.BOUNDARY
    end = at_limit.interval(0.95, "profile")["shape"]
    assert end.upper == math.inf
    assert 10 < end.lower < 100


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_log_gamma_in_straight_parameters_is_the_same_law(side: float) -> None:
    family = mlece.LogGamma if side > 0 else MirroredLogGamma
    law = family(shape=7.0, loc=1.0, scale=2.0)
    line, into, back = law._unbent()
    theta = tuple(float(t) for t in into(*law.theta))
    np.testing.assert_allclose(back(*theta), law.theta, rtol=1e-14)
    straight = line(*theta)
    y = np.linspace(-5.0, 15.0, 9) * side
    np.testing.assert_allclose(straight.log_density(y), law.log_density(y), rtol=1e-12)
    for check in (check_normalisation, check_score, check_curvature, check_equivariance):
        check(straight, np.random.default_rng(0))


def test_censored_log_gamma_far_from_its_start() -> None:
    rng = np.random.default_rng(7)
    y, c = rng.normal(10, 2, (20, 800)), rng.normal(12, 2, (20, 800))
    fit = mlece.fit(mlece.LogGamma(), mlece.right_censored(np.minimum(y, c), y <= c))
    assert {s.name for s in fit.certificate.status} <= {"OPTIMAL", "BOUNDARY"}


def test_log_gamma_of_shape_one_is_gumbel_for_minima() -> None:
    y = mlece.GumbelMin(loc=1, scale=2).sample(100, rng=1)
    one, other = (
        mlece.fit(mlece.LogGamma(shape=1), y).params,
        mlece.fit(mlece.GumbelMin(), y).params,
    )
    assert one == pytest.approx(other, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_rice_at_the_origin_is_rayleigh(scale: float) -> None:
    # E y^4 >= 2 (E y^2)^2: no distance from the origin is likelier than none.
    y = scale * np.array([0.1, 0.2, 0.3, 0.5, 3.0])
    fit = mlece.fit(mlece.Rice(), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["nu"] == 0
    assert fit.params["sigma"] == pytest.approx(math.sqrt(np.mean(y**2) / 2), rel=1e-13)


def test_rice_far_from_the_origin_is_nearly_normal() -> None:
    y = mlece.Rice(nu=1e3, sigma=1e-3).sample(300, rng=1)
    fit = mlece.fit(mlece.Rice(), y)
    assert fit.certificate.status is Status.OPTIMAL
    # nu and the mean differ by sigma^2/(2 nu), 5e-10.
    assert fit.params["nu"] == pytest.approx(y.mean(), abs=1e-9)
    assert fit.params["sigma"] == pytest.approx(y.std(), rel=1e-6)


def test_rice_upper_tail() -> None:
    member = mlece.Rice(nu=2, sigma=1)
    with mp.workdps(30):
        for y in (6.0, 12.0, 30.0):
            # The tail falls by e in 1/(y - 2) or less.
            cuts = [y + step / (y - 2) for step in (0, 2, 5, 10, 20, 40)]
            tail = mp.quad(lambda x: x * mp.exp(-(x * x + 4) / 2) * mp.besseli(0, 2 * x), cuts)
            assert float(member.log_sf(y)) == pytest.approx(float(mp.log(tail)), rel=1e-11)


def test_beta_prime_is_the_odds_of_a_beta() -> None:
    x = mlece.Beta(alpha=2, beta=3).sample(200, rng=1)
    one, other = mlece.fit(mlece.BetaPrime(), x / (1 - x)).params, mlece.fit(mlece.Beta(), x).params
    assert one == pytest.approx(other, rel=1e-9)
