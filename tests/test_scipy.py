"""Distributions of scipy.stats as models, and models as distributions of scipy.stats."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece import errors
from mlece.domain import Domain
from mlece.limits import Status
from mlece.links.bijection import default_bijection
from mlece.testing import PROPERTIES, check_model

m = mlece

# A frozen law of scipy, and the family of mlece with the same law.
SAME: list[tuple[Any, mlece.Model]] = [
    (stats.norm(1, 2), m.Gaussian(mean=1, sd=2)),
    (stats.gamma(2.5, scale=0.5), m.Gamma(shape=2.5, rate=2)),
    (stats.beta(2, 3), m.Beta(alpha=2, beta=3)),
    (stats.uniform(-1, 3), m.Uniform(lower=-1, upper=2)),
    (stats.poisson(3.5), m.Poisson(rate=3.5)),
    (stats.nbinom(4, 0.3), m.NegativeBinomial(size=4, mean=28 / 3)),
]
every_same = pytest.mark.parametrize(("law", "own"), SAME, ids=[law.dist.name for law, _ in SAME])
# Quadrature on both sides settles at 1e-12.
EXACT = 1e-11


@every_same
def test_a_frozen_law_is_a_known_model(law: Any, own: mlece.Model) -> None:
    model = mlece.from_scipy(law)
    assert model.known
    u = np.array([0.01, 0.3, 0.8])
    y = own.quantile(u)
    np.testing.assert_allclose(model.quantile(u), y, rtol=1e-9)
    np.testing.assert_allclose(model.log_density(y), own.log_density(y), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(model.cdf(y), own.cdf(y), rtol=1e-12)
    assert model.mean == pytest.approx(own.mean, rel=EXACT)
    assert model.variance == pytest.approx(own.variance, rel=EXACT)
    assert model == mlece.from_scipy(law)


@every_same
def test_measures_take_laws_of_scipy(law: Any, own: mlece.Model) -> None:
    assert mlece.entropy(law) == pytest.approx(own.entropy(), rel=EXACT)
    assert mlece.varentropy(law) == pytest.approx(mlece.varentropy(own), rel=EXACT, abs=EXACT)
    assert mlece.cross_entropy(law, own) == pytest.approx(own.entropy(), rel=EXACT)
    # Log densities by two formulas, 1e-13 apart, leave the square of that.
    assert abs(mlece.kl_divergence(law, own)) < EXACT


@every_same
def test_a_law_of_scipy_as_the_truth(law: Any, own: mlece.Model) -> None:
    fit = mlece.fit(type(own)(), law)
    assert float(fit.cross_entropy) == pytest.approx(own.entropy(), rel=1e-10)
    for key, value in fit.params.items():
        assert value == pytest.approx(own.slots[key].item(), rel=1e-5)


# Families of scipy with the parameters that mlece estimates in its own.
FAMILIES: list[tuple[Any, mlece.Model, dict[str, Any]]] = [
    (stats.norm, m.Gaussian(), {"loc": "mean", "scale": "sd"}),
    (stats.gumbel_r, m.Gumbel(), {"loc": "loc", "scale": "scale"}),
    (stats.gamma, m.Gamma(), {"a": "shape"}),
    (stats.weibull_min, m.Weibull(), {"c": "shape", "scale": "scale"}),
    (stats.beta, m.Beta(), {"a": "alpha", "b": "beta"}),
    (stats.poisson, m.Poisson(), {"mu": "rate"}),
    (stats.geom, m.Geometric(), {"p": "p"}),
]


@pytest.mark.parametrize(("law", "own", "names"), FAMILIES, ids=[f[0].name for f in FAMILIES])
def test_a_family_of_scipy_is_fitted(law: Any, own: mlece.Model, names: dict[str, str]) -> None:
    shift = 1 if law.name == "geom" else 0  # scipy counts the success too
    member = own.replace(**{k: 0.3 if k == "p" else 2.0 for k in own.free})
    y = shift + member.sample(300, rng=4)
    fit = mlece.fit(law, y)
    reference = mlece.fit(own, y - shift)
    assert fit.certificate.status is Status.OPTIMAL
    assert float(fit.cross_entropy) == pytest.approx(float(reference.cross_entropy), abs=1e-11)
    for theirs, mine in names.items():
        # Numerical second derivatives, good to 1e-7, end Newton's steps at 1e-6 of the parameters.
        assert fit.params[theirs] == pytest.approx(reference.params[mine], rel=1e-6)
        error = reference.standard_errors()[mine]
        assert fit.standard_errors()[theirs] == pytest.approx(error, rel=1e-4)


def test_units_do_not_matter_to_a_family_of_scipy() -> None:
    y = stats.genextreme(-0.1, 3, 2).rvs(400, random_state=3)
    near = mlece.fit(stats.genextreme, y)
    assert near.certificate.status is Status.OPTIMAL
    for shift, scale in ((0.0, 1e-8), (1e6, 1.0), (-30.0, 1e9)):
        far = mlece.fit(stats.genextreme, shift + scale * y)
        assert far.params["c"] == pytest.approx(near.params["c"], abs=1e-6)
        gap = float(far.cross_entropy) - math.log(scale)
        assert gap == pytest.approx(float(near.cross_entropy), abs=1e-9)


def test_scipy_itself_finds_no_better_optimum() -> None:
    for law, y in (
        (stats.skewnorm, stats.skewnorm(3, 1, 2).rvs(300, random_state=1)),
        (stats.genlogistic, stats.genlogistic(0.6).rvs(300, random_state=2)),
        (stats.exponnorm, stats.exponnorm(1.5).rvs(300, random_state=3)),
    ):
        fit = mlece.fit(law, y)
        theirs = -law.logpdf(y, *law.fit(y)).mean()
        assert float(fit.cross_entropy) <= theirs + 1e-9


def test_constants_of_a_family_of_scipy() -> None:
    gamma = mlece.from_scipy(stats.gamma)
    assert gamma().free == ("a", "scale")
    assert gamma(loc=2).bounds(gamma(a=1, loc=2, scale=1).theta)[0] == 2
    assert mlece.from_scipy(stats.beta)().free == ("a", "b")
    assert mlece.from_scipy(stats.norm)().free == ("loc", "scale")
    assert mlece.from_scipy(stats.poisson)().free == ("mu",)
    assert mlece.from_scipy(stats.binom)(n=7).free == ("p",)
    with pytest.raises(errors.ParameterError, match="a value for n of binom"):
        mlece.from_scipy(stats.binom)()
    with pytest.raises(errors.SupportError, match="gamma"):
        mlece.fit(stats.gamma, [-1.0, 2.0])


def test_equal_observations_under_a_family_of_scipy() -> None:
    assert mlece.fit(stats.norm, [2.0, 2.0]).certificate.status is Status.UNBOUNDED


def test_a_frozen_law_may_be_an_array() -> None:
    model = mlece.from_scipy(stats.norm([0.0, 1.0], 2.0))
    assert model.batch_shape == (2,)
    np.testing.assert_allclose(model.entropy(), m.Gaussian(0, 2).entropy(), rtol=1e-12)


@pytest.mark.parametrize(
    "law", [None, 3.0, stats, np.random.default_rng, "norm"], ids=lambda v: type(v).__name__
)
def test_anything_else_is_refused(law: Any) -> None:
    with pytest.raises(errors.DataTypeError, match=r"a distribution of scipy\.stats"):
        mlece.from_scipy(law)


def test_compare_takes_families_of_scipy() -> None:
    y = m.Gumbel(loc=0, scale=1).sample(80, rng=2)
    table = mlece.compare([stats.gumbel_r, "gaussian"], y, replicates=19)
    assert "gumbel_r" in str(table)


WELL_BEHAVED = [stats.norm(1, 2), stats.gumbel_l(0, 1), stats.poisson(3), stats.gamma(2.0)]


@pytest.mark.parametrize("law", WELL_BEHAVED, ids=[law.dist.name for law in WELL_BEHAVED])
def test_the_property_suite_holds_for_laws_of_scipy(law: Any) -> None:
    assert PROPERTIES
    check_model(mlece.from_scipy(law))


# ---------------------------------------------------------------------------- the way back


def test_a_free_slot_has_no_twin() -> None:
    with pytest.raises(errors.FreeSlotError, match="free sd"):
        m.Gaussian(mean=1).to_scipy()


def test_a_family_without_a_twin_says_so() -> None:
    with pytest.raises(errors.NoDensityError, match=r"a family that scipy\.stats has too"):
        m.Kumaraswamy(a=1, b=2).to_scipy()


def test_there_and_back() -> None:
    for law, own in SAME:
        assert own.to_scipy().dist.name == law.dist.name
        again = mlece.from_scipy(law).to_scipy()
        y = law.ppf([0.2, 0.7])
        np.testing.assert_allclose(again.cdf(y), law.cdf(y), rtol=1e-14)
    batch = m.Gaussian(mean=[0.0, 1.0], sd=1).to_scipy()
    np.testing.assert_allclose(batch.mean(), [0, 1])


# ---------------------------------------------------------------------------- domains of shapes

DOMAINS = [
    mlece.real,
    mlece.positive,
    mlece.unit_interval,
    Domain(1.0),
    Domain(-2.0, 3.0),
    Domain(upper=4.0),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_every_interval_has_coordinates(domain: Domain) -> None:
    bijection = default_bijection(domain)
    eta = np.linspace(-3, 3, 13)
    theta = bijection.forward(eta)
    assert domain.contains(theta).all()
    np.testing.assert_allclose(bijection.inverse(theta), eta, atol=1e-13)
    first, second = bijection.derivatives(eta)
    # Central differences: the cube of 1e-5 beside the rounding 1e-16 / 1e-5.
    step = 1e-5
    slope = (bijection.forward(eta + step) - bijection.forward(eta - step)) / (2 * step)
    np.testing.assert_allclose(first, slope, rtol=1e-8, atol=1e-8)
    above, below = (bijection.derivatives(eta + s)[0] for s in (step, -step))
    np.testing.assert_allclose(second, (above - below) / (2 * step), rtol=1e-8, atol=1e-8)


def test_a_solver_led_astray_proves_nothing() -> None:
    # Both shapes of truncnorm are ends of its support, and no start holds all of the data.
    y = stats.truncnorm(0.1, 2).rvs(100, random_state=1)
    fit = mlece.fit(stats.truncnorm, y)
    assert fit.certificate.status is Status.STEP_LIMIT


def test_the_periodic_von_mises_of_scipy_is_no_density_on_the_line() -> None:
    with pytest.raises(errors.DataTypeError, match="vonmises_line"):
        mlece.from_scipy(stats.vonmises(2.0))
    line = mlece.from_scipy(stats.vonmises_line(2.0))
    assert line.entropy() == pytest.approx(m.VonMises(mu=0, kappa=2).entropy(), rel=EXACT)


def test_families_of_scipy_survive_pickling() -> None:
    found = mlece.fit(mlece.from_scipy(stats.gumbel_l), [0.3, -1.2, 0.8, 0.1])
    again = pickle.loads(pickle.dumps(found))
    assert again.params == found.params
    assert again.model == found.model
