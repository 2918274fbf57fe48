"""What families of the whole line come to: limits, cusps, several modes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

import mlece
from mlece.families.asymmetric import SinhNormal, SinhNormalFrom
from mlece.families.burr import DoublePareto
from mlece.families.one_sided import (
    ExponentialFrom,
    HalfNormalFrom,
    HalfTFrom,
    InverseGaussianFrom,
    LogNormalFrom,
)
from mlece.families.transformed import MirroredLogGamma
from mlece.limits import Status
from mlece.model import Model
from mlece.testing import (
    check_distribution_function,
    check_model,
    check_normalisation,
    check_quantile,
)

m = mlece
inf = math.inf


def at_limit(fit: mlece.Fit, law: type[Model]) -> Model:
    """Check that a fit ends in a law that has the cross-entropy it reports."""
    assert fit.certificate.status is Status.BOUNDARY
    assert type(fit.model) is law
    direct = -math.fsum(fit.model.log_density(fit.sample.values[0])) / fit.n
    # The limiting law is built from parameters that went through the frame and back.
    assert float(fit.cross_entropy) == pytest.approx(direct, rel=1e-12, abs=1e-12)
    return fit.model


@pytest.mark.parametrize(
    "law", [ExponentialFrom, HalfNormalFrom, LogNormalFrom, InverseGaussianFrom]
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_one_sided_laws_have_every_property(law: type[Model], side: float) -> None:
    check_model(law(side=side))


# ---------------------------------------------------------------------------- Cauchy


def test_cauchy_exists_below_half_of_the_mass() -> None:
    # Copas (1975), Kent and Tyler (1991).
    assert mlece.fit("cauchy", [0.0, 0.0, 1.0, 2.0, 4.0]).certificate.status is Status.OPTIMAL
    heavy = mlece.fit("cauchy", [0.0, 0.0, 0.0, 1.0, 2.0])
    assert heavy.certificate.status is Status.UNBOUNDED
    half = mlece.fit("cauchy", [0.0, 0.0, 1.0, 2.0])
    assert half.certificate.status is Status.NOT_ATTAINED
    expected = math.log(math.pi) + 2 * (math.log(1) + math.log(2)) / 4
    assert float(half.cross_entropy) == pytest.approx(expected, rel=1e-13)


def test_two_values_of_equal_weight_leave_a_half_circle() -> None:
    y = [1.0, 1.0, 4.0, 4.0]
    fit = mlece.fit("cauchy", y)
    assert fit.certificate.status is Status.NOT_UNIQUE
    for angle in (0.3, 1.2, 2.5):
        member = m.Cauchy(loc=2.5 + 1.5 * math.cos(angle), scale=1.5 * math.sin(angle))
        direct = -np.mean(member.log_density(y))
        assert float(fit.cross_entropy) == pytest.approx(direct, rel=1e-13)


def test_a_cauchy_of_known_scale_finds_the_deeper_of_two_modes() -> None:
    y = np.array([-10.0, -9.5, -10.5, 8.0, 10.0, 12.0, 10.2])
    fit = mlece.fit(m.Cauchy(scale=1.0), y)
    grid = np.linspace(-15, 15, 1501)
    lowest = min(-m.Cauchy(loc=at, scale=1.0).log_density(y).mean() for at in grid)
    assert float(fit.cross_entropy) <= lowest + 1e-12


# ---------------------------------------------------------------------------- half normal and exponential


def test_skew_normal_ends_in_a_half_normal() -> None:
    y = [1.0, 1.1, 1.3, 1.8, 2.5]
    up = at_limit(mlece.fit("skewnormal", y), HalfNormalFrom)
    assert (up.loc, up.side) == (1.0, 1.0)
    down = at_limit(mlece.fit("skewnormal", [-v for v in y]), HalfNormalFrom)
    assert (down.loc, down.side) == (-1.0, -1.0)
    assert up.scale == pytest.approx(down.scale, rel=1e-14)


def test_ex_gaussian_ends_on_either_side() -> None:
    rng = np.random.default_rng(8)
    left = -rng.standard_exponential(200)
    assert at_limit(mlece.fit("exgaussian", left), m.Gaussian).mean == pytest.approx(left.mean())
    right = rng.standard_exponential(40)
    law = at_limit(mlece.fit("exgaussian", right), ExponentialFrom)
    assert law.loc == right.min()
    assert law.scale == pytest.approx(right.mean() - right.min(), rel=1e-13)


def test_asymmetric_laplace_at_an_extreme_observation() -> None:
    y = np.array([0.0, 0.1, 0.2, 0.4, 0.9, 3.0])
    law = at_limit(mlece.fit("asymmetriclaplace", y), ExponentialFrom)
    assert law.loc == 0.0


def test_asymmetric_laplace_is_best_among_all_observations() -> None:
    y = np.random.default_rng(4).laplace(size=101)
    fit = mlece.fit("asymmetriclaplace", y)
    above = np.maximum(y - y[:, None], 0).mean(axis=1)
    below = np.maximum(y[:, None] - y, 0).mean(axis=1)
    # Kotz, Kozubowski and Podgorski (2001): 2 log(sqrt(above) + sqrt(below)) + 1 at its least.
    least = (2 * np.log(np.sqrt(above) + np.sqrt(below)) + 1).min()
    assert float(fit.cross_entropy) == pytest.approx(least, rel=1e-13)
    assert fit.params["loc"] in y


def test_asymmetric_laplace_of_known_asymmetry_has_a_quantile_for_location() -> None:
    fit = mlece.fit(m.AsymmetricLaplace(asymmetry=1.0), [1.0, 2.0, 4.0, 9.0])
    assert fit.certificate.status is Status.NOT_UNIQUE
    assert fit.solution_set == {"loc": (2.0, 4.0)}
    # The level κ²/(1 + κ²) = 3/4 of four observations.
    fit = mlece.fit(m.AsymmetricLaplace(asymmetry=math.sqrt(3)), [1.0, 2.0, 4.0, 9.0, 9.5])
    assert fit.params["loc"] == 9.0


# ---------------------------------------------------------------------------- generalised normal


def test_generalised_normal_on_a_grid_is_uniform() -> None:
    y = np.linspace(-1, 2, 31)
    law = at_limit(mlece.fit("generalizednormal", y), m.Uniform)
    assert law.lower == pytest.approx(-1, abs=1e-14)
    assert law.upper == pytest.approx(2, abs=1e-14)


def test_generalised_normal_of_shape_one_is_laplace() -> None:
    y = np.random.default_rng(5).laplace(size=61)
    fit = mlece.fit(m.GeneralizedNormal(shape=1.0), y)
    laplace = mlece.fit("laplace", y)
    assert float(fit.cross_entropy) == pytest.approx(float(laplace.cross_entropy), rel=1e-13)
    assert fit.params["loc"] == laplace.params["loc"]


def test_generalised_normal_of_shape_two_is_gaussian() -> None:
    y = np.random.default_rng(6).standard_normal(50)
    fit = mlece.fit(m.GeneralizedNormal(shape=2.0), y)
    assert fit.params["loc"] == pytest.approx(y.mean(), rel=1e-9)
    assert fit.params["scale"] == pytest.approx(math.sqrt(2) * y.std(), rel=1e-10)


# ---------------------------------------------------------------------------- Johnson, NIG, skew t


# Skewed, with tails lighter than those of any lognormal law of that skewness.
BENT = np.linspace(1.0, 3.0, 60) ** 3


def test_johnson_reaches_the_lognormal_law() -> None:
    # Profile of the lognormal law with a threshold: mean log d + log sd(log d) + (1 + log 2π)/2.
    for y, side in ((BENT, 1), (-BENT, -1)):
        depths = [np.log(side * y - at) for at in np.linspace(-1.0, 0.9, 20001)]
        least = min(d.mean() + np.log(d.std()) for d in depths) + 0.5 + 0.5 * math.log(2 * math.pi)
        fit = mlece.fit("johnsonsu", y)
        assert fit.certificate.status.solved
        # The grid of thresholds misses the minimum by the square of its step.
        assert float(fit.cross_entropy) == pytest.approx(least, abs=1e-8)


def test_normal_inverse_gaussian_ends_in_an_inverse_gaussian() -> None:
    law = at_limit(mlece.fit("normalinversegaussian", BENT), InverseGaussianFrom)
    assert law.side == 1.0


def test_a_light_tailed_skew_t_is_skew_normal() -> None:
    u = (np.arange(200) + 0.5) / 200
    y = m.SkewNormal(0, 1, 2).quantile(u)
    fit = mlece.fit("skewt", y)
    assert isinstance(fit.model, m.SkewNormal)
    assert fit.params["df"] == inf


# ---------------------------------------------------------------------------- limits of four shapes


def lowest(start: list[float], level: Callable[[list[float]], float]) -> float:
    """Return the least value that a simplex search meets, restarted where it ended."""
    found = start
    for _ in range(4):
        options = {"xatol": 1e-11, "fatol": 1e-14, "maxiter": 4000}
        best = minimize(level, found, method="Nelder-Mead", options=options)
        found = best.x
    return float(best.fun)


@pytest.mark.parametrize("side", [1, -1])
def test_egb2_of_log_gamma_data_is_log_gamma(side: int) -> None:
    y = side * m.LogGamma(shape=0.8, loc=1, scale=2).quantile((np.arange(80) + 0.5) / 80)
    fit, plain = m.fit("egb2", y), m.fit("loggamma", side * y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["q" if side > 0 else "p"] == inf
    assert float(fit.cross_entropy) == pytest.approx(float(plain.cross_entropy), rel=1e-12)
    direct = -float(np.mean(fit.model.log_density(y)))
    assert direct == pytest.approx(float(fit.cross_entropy), rel=1e-12)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("name", ["skewt", "twopiecet"])
def test_heavy_tails_on_one_side_are_half_t(name: str, side: int) -> None:
    d = 2 * m.StudentT(2.5, 0, 1).quantile(0.5 + 0.5 * (np.arange(60) + 0.5) / 60)
    y = side * (d - d.min())
    law = at_limit(mlece.fit(name, y), HalfTFrom)
    assert law.side == side

    def level(at: list[float]) -> float:
        t = m.StudentT(df=math.exp(at[0]), loc=0.0, scale=math.exp(at[1]))
        return -float(np.mean(t.log_density(np.abs(y)))) - math.log(2)

    reported = float(mlece.fit(name, y).cross_entropy)
    assert reported == pytest.approx(lowest([0.5, 0.5], level), abs=1e-10)


def test_sinh_arcsinh_of_evenly_spread_data_ends_at_a_law_from_a_point_on() -> None:
    u = (np.arange(40) + 0.5) / 40
    fit = mlece.fit("sinharcsinh", u**2)
    law = at_limit(fit, SinhNormalFrom)
    assert law.side == 1.0

    def level(at: list[float]) -> float:
        # Members far along the way: skewness 40 and the scale that goes with it.
        member = m.SinhArcsinh(
            loc=at[0], tailweight=math.exp(at[1]), skewness=40.0, scale=math.exp(at[2])
        )
        return -float(np.mean(member.log_density(u**2)))

    b, ratio = float(law.b), math.log(2 * float(law.scale))
    near = lowest([float(law.loc), math.log(b), ratio - 40 / b], level)
    assert float(fit.cross_entropy) <= near + 1e-12
    assert float(fit.cross_entropy) == pytest.approx(near, abs=1e-6)


def test_sinh_arcsinh_of_the_lightest_tails_is_sinh_normal() -> None:
    y = SinhNormal(loc=1.0, scale=2.0).quantile((np.arange(50) + 0.5) / 50)
    fit = mlece.fit("sinharcsinh", y)
    assert fit.certificate.status is Status.BOUNDARY
    plain = mlece.fit(SinhNormal(), y)
    assert float(fit.cross_entropy) <= float(plain.cross_entropy) + 1e-12


@pytest.mark.parametrize(
    "law",
    [
        HalfTFrom(loc=1.0, scale=2.0, side=-1.0, df=3.0),
        SinhNormal(loc=1.0, scale=2.0),
        SinhNormalFrom(loc=1.0, scale=2.0, side=1.0, b=0.8),
        SinhNormalFrom(loc=1.0, scale=2.0, side=-1.0, b=0.8),
        MirroredLogGamma(shape=0.7, loc=1.0, scale=2.0),
    ],
    ids=repr,
)
def test_limiting_laws_are_laws(law: Model) -> None:
    check_model(law)


def test_a_double_pareto_law_is_a_law() -> None:
    law, rng = DoublePareto(scale=2.0, spread=0.3, asymmetry=0.8), np.random.default_rng(0)
    check_normalisation(law, rng)
    check_distribution_function(law, rng)
    check_quantile(law, rng)


def test_a_free_df_leaves_a_local_maximum() -> None:
    x = np.random.default_rng(2).standard_t(4, 60)
    told = "a local maximum: the likelihood is unbounded at every observation"
    for model in (mlece.StudentT(), mlece.TwoPieceT(), mlece.SkewT()):
        fit = mlece.fit(model, x)
        assert told in fit.certificate.sentence
    assert told in mlece.fit(mlece.MultivariateT(), x.reshape(-1, 2)).certificate.sentence
    for model in (mlece.StudentT(df=4), mlece.StudentT(scale=1)):
        assert mlece.fit(model, x).certificate.sentence == ""
    # Where it says: beside one observation, a law of small df and scale exceeds any local maximum.
    spike = mlece.StudentT(df=0.01, loc=x[0], scale=1e-300)
    assert -spike.log_density(x).mean() < mlece.fit(mlece.StudentT(), x).cross_entropy


def test_a_known_law_has_no_observations_at_which_a_likelihood_could_grow() -> None:
    for model, truth in (
        (mlece.StudentT(), mlece.StudentT(df=4, loc=0, scale=1)),
        (mlece.GEV(), mlece.Gumbel(loc=0, scale=1)),
    ):
        assert mlece.fit(model, truth).certificate.sentence == ""
