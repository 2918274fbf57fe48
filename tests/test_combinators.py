"""Models made of models: every property of a family, identities with known laws, and refusals."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import mlece
from mlece import (
    Beta,
    Binomial,
    Exponential,
    Gamma,
    Gaussian,
    Hurdle,
    Inflated,
    InverseGaussian,
    Laplace,
    LogNormal,
    Model,
    NegativeBinomial,
    Pareto,
    Poisson,
    Scaled,
    Shifted,
    Status,
    StudentT,
    Transformed,
    Truncated,
    Uniform,
    Weibull,
)
from mlece.combinators.region import region
from mlece.errors import (
    ComparisonError,
    DataTypeError,
    ParameterError,
    SupportError,
    UnknownNameError,
)
from mlece.links.bijection import Power, log_link
from mlece.testing import PROPERTIES

ROUNDING = 1e-12  # relative: the same quantity by two formulas

COMPOSITIONS = [
    Truncated(Exponential(rate=1), upper=2),
    Truncated(Gaussian(0, 1), lower=1),
    Truncated(Gaussian(0, 1), lower=-1, upper=2.5),
    Truncated(Gaussian(0, 1), lower=6),
    Truncated(Gamma(shape=2, rate=0.7), upper=5),
    Truncated(Gamma(shape=0.5, rate=0.7), lower=0.1),
    Truncated(Weibull(shape=1.5, scale=2), lower=0.5, upper=6),
    Truncated(Poisson(3), lower=1),
    Truncated(Poisson(3), lower=2, upper=9),
    Truncated(NegativeBinomial(2, 3), lower=1),
    Truncated(Binomial(10, 0.3), lower=1),
    Truncated(LogNormal(0, 1), lower=0.5),
    Truncated(Beta(2, 3), upper=0.5),
    Truncated(Laplace(0, 1), lower=-1, upper=3),
    Truncated(Uniform(0, 1), upper=0.5),
    Truncated(Pareto(3, 1), upper=4),
    Truncated(Truncated(Gaussian(0, 1), upper=2), lower=-1),
    Truncated(Inflated(Poisson(3), probability=0.2), upper=6),
    Truncated(Transformed(Gaussian(0, 1), "log"), upper=3),
    Transformed(Gaussian(0, 1), "logit"),
    Transformed(Gaussian(0, 1), "asinh"),
    Transformed(Exponential(rate=3), "log"),
    Transformed(Gamma(2, 3), "reciprocal"),
    Transformed(Gamma(2, 3), "sqrt"),
    Transformed(Exponential(rate=0.7), Power(2)),
    Transformed(Laplace(0, 0.3), "log"),
    Transformed(Truncated(Gaussian(0, 1), lower=0), "log"),
    Shifted(Weibull(5.0, 2), 3),
    Shifted(Gamma(8, 2), -3),
    Shifted(LogNormal(0, 0.5), 100),
    Shifted(InverseGaussian(1, 2), 1),
    Shifted(Exponential(rate=2), 1),
    Shifted(Poisson(3), 2),
    Shifted(Beta(2, 3), 5),
    Shifted(Gaussian(0, 1), 4),
    Shifted(Truncated(Gamma(2, 1), upper=4), 1),
    Scaled(Beta(2, 3), 100),
    Scaled(Gamma(2, 3), 1e-3),
    Scaled(Gaussian(0, 1), 3),
    Inflated(Poisson(3), probability=0.2),
    Inflated(Poisson(3), at=2, probability=0.2),
    Inflated(NegativeBinomial(2, 3), probability=0.3),
    Inflated(Binomial(5, 0.3), probability=0.2),
    Inflated(Truncated(Poisson(3), upper=9), probability=0.3),
    Inflated(Exponential(rate=2), probability=0.3),
    Inflated(Gamma(2, 3), probability=0.3),
    Inflated(Gaussian(0, 1), probability=0.1),
    Inflated(Beta(2, 3), at=1, probability=0.1),
    Inflated(Truncated(Gamma(2, 3), upper=2), probability=0.3),
    Inflated(Inflated(Exponential(rate=2), probability=0.3), at=1, probability=0.2),
    Hurdle(Poisson(3), probability=0.2),
    Hurdle(NegativeBinomial(2, 3), probability=0.3),
    Hurdle(Gamma(2, 3), probability=0.3),
]

every_composition = pytest.mark.parametrize("model", COMPOSITIONS, ids=repr)


@every_composition
def test_every_property(model: Model) -> None:
    rng = np.random.default_rng(20260101)
    for check in PROPERTIES.values():
        check(model, rng)


@every_composition
def test_copies_and_the_written_form_are_the_same(model: Model) -> None:
    assert pickle.loads(pickle.dumps(model)) == copy.deepcopy(model) == model
    assert hash(copy.copy(model)) == hash(model)
    assert eval(repr(model), {**vars(mlece), "Power": Power}) == model


# ---------------------------------------------------------------------------- identities

Y = np.array([0.2, 0.9, 1.7, 2.4])

IDENTITIES: list[tuple[str, Model, Any]] = [
    ("lognormal", Transformed(Gaussian(0.3, 0.8), "log"), LogNormal(0.3, 0.8).log_density),
    ("pareto", Shifted(Transformed(Exponential(rate=3), "log"), -1), stats.lomax(3).logpdf),
    ("weibull", Transformed(Exponential(rate=2.0**-1.5), Power(1.5)), Weibull(1.5, 2).log_density),
    (
        "truncated exponential",
        Truncated(Exponential(rate=0.7), upper=3),
        lambda y: np.log(0.7) - 0.7 * y - np.log(-np.expm1(-2.1)),
    ),
    ("truncnorm", Truncated(Gaussian(1, 2), 0, 3), stats.truncnorm(-0.5, 1, 1, 2).logpdf),
    (
        "truncnorm, a far tail",
        Truncated(Gaussian(0, 0.1), 0.1, 4),
        stats.truncnorm(1, 40, 0, 0.1).logpdf,
    ),
    (
        "truncweibull",
        Truncated(Weibull(1.5, 2), 0.1, 3),
        stats.truncweibull_min(1.5, 0.05, 1.5, 0, 2).logpdf,
    ),
    ("johnson", Transformed(Gaussian(-1, 0.5), "asinh"), stats.johnsonsu(2, 2).logpdf),
    ("inverse gamma", Transformed(Gamma(2, 3), "reciprocal"), stats.invgamma(2, scale=3).logpdf),
    ("scaled", Scaled(Gamma(2, 3), 2), Gamma(2, 1.5).log_density),
    ("shifted", Shifted(Gaussian(0, 2), 1), Gaussian(1, 2).log_density),
    (
        "nested",
        Truncated(Truncated(Gaussian(0, 1), lower=0), upper=3),
        stats.truncnorm(0, 3).logpdf,
    ),
]


@pytest.mark.parametrize(
    ("model", "other"), [i[1:] for i in IDENTITIES], ids=[i[0] for i in IDENTITIES]
)
def test_a_law_by_another_name(model: Model, other: Any) -> None:
    np.testing.assert_allclose(model.log_density(Y), other(Y), rtol=ROUNDING, atol=ROUNDING)


def test_pareto_is_a_transformed_exponential() -> None:
    law, y = Transformed(Exponential(rate=3), "log"), 1 + Y
    np.testing.assert_allclose(law.log_density(y), Pareto(3, 1).log_density(y), rtol=ROUNDING)


def test_lognormal_fit_is_a_gaussian_fit_of_logarithms() -> None:
    y = LogNormal(1, 0.5).sample(200, rng=3)
    one, other = mlece.fit(Transformed(Gaussian(), log_link), y), mlece.fit(LogNormal(), y)
    # Two sums of the same logarithms.
    assert list(one.params.values()) == pytest.approx(list(other.params.values()), rel=1e-14)
    assert float(one.cross_entropy) == pytest.approx(float(other.cross_entropy), rel=1e-15)
    np.testing.assert_allclose(one.covariance(), other.covariance(), rtol=ROUNDING)


@pytest.mark.parametrize("rate", [1e-9, 0.1, 3.0, 200.0])
def test_zero_truncated_poisson_against_scipy(rate: float) -> None:
    y = np.arange(1, 6.0)
    expected = stats.poisson(rate).logpmf(y) - np.log(-np.expm1(-rate))
    np.testing.assert_allclose(
        Truncated(Poisson(rate), lower=1).log_density(y), expected, rtol=ROUNDING, atol=1e-14
    )


def test_the_density_at_an_atom_of_counts_is_the_sum() -> None:
    law, inner = Inflated(Poisson(3), at=2, probability=0.25), Poisson(3)
    expected = 0.75 * inner.density([1, 2, 3]) + [0, 0.25, 0]
    np.testing.assert_allclose(law.density([1, 2, 3]), expected, rtol=ROUNDING)


def test_the_tails_stay_relatively_exact() -> None:
    law = Truncated(Gaussian(0, 1), lower=30)
    # Mills' ratio at 30: an asymptotic series in 1/30^2, six terms of which reach 1e-13.
    u = 1 / 900
    mills = (1 - u * (1 - 3 * u * (1 - 5 * u * (1 - 7 * u * (1 - 9 * u))))) / 30
    assert float(law.log_density(30.0)) == pytest.approx(-np.log(mills), rel=1e-11)
    narrow = Truncated(Gaussian(0, 1), lower=2, upper=2 + 1e-9)
    assert float(narrow.log_density(2 + 5e-10)) == pytest.approx(-np.log((2 + 1e-9) - 2), rel=1e-9)


# The derivatives of log Z against those of scipy's own distribution functions, where closed forms exist.
REGIONS = [(-1.0, 2.0), (0.5, np.inf), (-np.inf, -3.0), (8.0, np.inf), (3.0, 3.001)]


@pytest.mark.parametrize(("lower", "upper"), [(1, np.inf), (2, 40), (0, 3), (-np.inf, 4)])
def test_masses_of_many_members_are_those_of_each(lower: float, upper: float) -> None:
    mean, size = np.exp(np.linspace(-4, 6, 23)), np.exp(np.linspace(3, -3, 23))
    every = region(mlece.NegativeBinomial, lower, upper, (size, mean))
    for i in range(mean.size):
        own = (size[i : i + 1], mean[i : i + 1])
        one = region(mlece.NegativeBinomial, lower, upper, own)
        alone = (one.log_mass, *one.first, *one.second)
        for whole, part in zip((every.log_mass, *every.first, *every.second), alone, strict=True):
            np.testing.assert_allclose(whole[i], part[0], rtol=1e-12, atol=1e-15)


def test_a_region_that_leaves_nothing_out_changes_nothing() -> None:
    counts = [0, 1, 1, 4]
    cut = mlece.fit(mlece.Truncated(mlece.Poisson(), lower=0), counts)
    assert cut.params == pytest.approx(mlece.fit("poisson", counts).params)
    given = {"x": [0.0, 1.0, 2.0, 4.0]}
    cut = mlece.fit(mlece.Truncated(mlece.Poisson(rate="x"), lower=0), counts, given=given)
    plain = mlece.fit(mlece.Poisson(rate="x"), counts, given=given)
    assert cut.params == pytest.approx(plain.params, rel=1e-9)


@pytest.mark.parametrize(("a", "b"), REGIONS)
def test_derivatives_of_the_mass_of_a_gaussian_region(a: float, b: float) -> None:
    at = region(Gaussian, a, b, (np.asarray(0.0), np.asarray(1.0)))
    # d log Z / d mu = (phi(a) - phi(b)) / Z, and once more.
    with np.errstate(all="ignore"):
        far = [np.nan_to_num(e) * np.exp(stats.norm.logpdf(e) - at.log_mass) for e in (a, b)]
        near = [np.exp(stats.norm.logpdf(e) - at.log_mass) for e in (a, b)]
    first = near[0] - near[1]
    # 1e-10: the closed form cancels where the region is narrow.
    assert float(at.first[0]) == pytest.approx(first, rel=1e-10)
    second = far[0] - far[1] - first**2
    assert float(at.second[0]) == pytest.approx(second, rel=1e-9, abs=1e-9 * first**2)


# Log mass and its derivatives in shape and rate by mpmath's incomplete gamma function.
GAMMA_REGIONS = [(2, 0.7, 0, 5), (0.01, 1, 0.1, np.inf), (300, 2, 100, 140), (0.5, 2, 0, 1e-6)]


@pytest.mark.parametrize(("shape", "rate", "a", "b"), GAMMA_REGIONS)
def test_derivatives_of_the_mass_of_a_gamma_region(
    shape: float, rate: float, a: float, b: float
) -> None:
    def log_mass(k: Any, r: Any) -> Any:
        return mp.log(mp.gammainc(k, r * mp.mpf(a), r * mp.mpf(b)) / mp.gamma(k))

    at = region(Gamma, a, b, (np.asarray(float(shape)), np.asarray(float(rate))))
    with mp.workdps(40):
        point = (mp.mpf(shape), mp.mpf(rate))
        orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
        expected = [
            float(mp.diff(log_mass, point, n) if sum(n) else log_mass(*point)) for n in orders
        ]
    # Quadrature to rounding; a few units in the last place for the sums.
    np.testing.assert_allclose([at.log_mass, *at.first, *at.second], expected, rtol=1e-13)


# ---------------------------------------------------------------------------- fits

FITS = [
    Truncated(Exponential(rate=1), upper=2),
    Truncated(Gaussian(0, 1), lower=-1, upper=2),
    Truncated(Gamma(2, 0.7), upper=5),
    Truncated(Weibull(1.5, 2), lower=0.5, upper=6),
    Truncated(Poisson(3), lower=1),
    Truncated(StudentT(3, 0, 1), lower=-1, upper=3),
    Transformed(Gamma(3, 2), "reciprocal"),
    Shifted(Weibull(3, 2), 10),
    Shifted(Gamma(3, 1), 10),
    Shifted(LogNormal(0, 0.5), 10),
    Scaled(Beta(2, 3), 100),
    Inflated(Poisson(3), probability=0.2),
    Inflated(Gamma(2, 3), probability=0.3),
    Hurdle(NegativeBinomial(2, 3), probability=0.3),
]


def free(model: Model) -> Model:
    return model.replace(**{p.name: None for p in model.params if p.estimable})


@pytest.mark.parametrize("truth", FITS, ids=repr)
def test_fits_reach_at_least_the_truth(truth: Model) -> None:
    y = truth.sample(400, rng=20260102)
    fit = mlece.fit(free(truth), y)
    assert fit.certificate.status is Status.OPTIMAL
    assert float(fit.cross_entropy) <= -truth.log_density(y).mean()
    # Weights are replication, a batch is a loop.
    w = np.arange(400) % 3
    twice, once = mlece.fit(free(truth), np.repeat(y, w)), mlece.fit(free(truth), y, weights=w)
    assert float(twice.cross_entropy) == pytest.approx(float(once.cross_entropy), rel=ROUNDING)
    batch = mlece.fit(free(truth), np.stack([y, y[::-1]]))
    np.testing.assert_allclose(batch.cross_entropy, float(fit.cross_entropy), rtol=ROUNDING)


UNIT_FREE = [m for m in FITS if m.roles() and not m.support.discrete]


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("truth", UNIT_FREE, ids=repr)
def test_fits_do_not_depend_on_units(truth: Model, scale: float) -> None:
    y = truth.sample(300, rng=5)
    ends = {p.name: truth.slots[p.name] * scale for p in truth.params if p.role == "point"}
    one = mlece.fit(free(truth), y)
    other = mlece.fit(free(truth).replace(**ends), y * scale)
    expected = float(one.cross_entropy) + np.log(scale)
    # The ends of a region are rounded when they are scaled.
    assert float(other.cross_entropy) == pytest.approx(expected, abs=1e-11)


# Quadrature does not resolve a shift that is estimated: nodes beside the end lose their distance to it.
POPULATIONS = [m for m in FITS if "shift" not in m.slots]


@pytest.mark.parametrize("truth", POPULATIONS, ids=repr)
def test_a_law_is_its_own_projection(truth: Model) -> None:
    fit = mlece.fit(free(truth), truth)
    for name, value in fit.params.items():
        # The optimum is flat: rounding of 1e-16 in the cross-entropy moves it by 1e-8.
        assert value == pytest.approx(float(truth.slots[name]), abs=1e-6)
    assert mlece.kl_divergence(truth, fit.model) == pytest.approx(0, abs=1e-12)


# The 40 life times of scipy's issue 11806: its optimum lies far below the smallest observation.
LIFE_TIMES = [
    4836.6, 823.6, 3131.7, 1343.4, 709.7, 610.6, 3034.2, 1973, 7358.5, 265, 4590.5, 5440.4, 4613.7,
    4763.1, 115.3, 5385.1, 6398.1, 8444.6, 2397.1, 3259.7, 307.5, 4607.4, 6523.7, 600.3, 2813.5,
    6119.8, 6438.8, 2799.1, 2849.8, 5309.6, 3182.4, 705.5, 5673.3, 2939.9, 2631.8, 5002.1, 1967.3,
    2810.4, 2948, 6904.8,
]  # fmt: skip


def test_three_parameter_weibull() -> None:
    fit = mlece.fit(Shifted(Weibull()), LIFE_TIMES)
    # The published digits.
    assert fit.params["shift"] == pytest.approx(-322.09, abs=0.01)
    assert fit.params["shape"] == pytest.approx(1.77601, abs=1e-5)
    assert fit.params["scale"] == pytest.approx(4355.263, abs=0.01)
    assert fit.log_likelihood == pytest.approx(-363.00130, abs=1e-5)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.scope == "local"
    assert "unbounded as the shift approaches" in fit.certificate.sentence


def test_shifted_exponential() -> None:
    fit = mlece.fit(Shifted(Exponential()), [3.0, 4.0, 5.0])
    assert fit.params == {"rate": 1.0, "shift": 3.0}
    assert mlece.fit(Shifted(Exponential()), [2.0, 2.0]).certificate.status is Status.UNBOUNDED


# ---------------------------------------------------------------------------- where no maximum exists

U = (np.arange(200) + 0.5) / 200
# A triangular density: no tails at all.
TRIANGLE = np.sign(2 * U - 1) * (1 - np.sqrt(1 - np.abs(2 * U - 1)))

STATUSES: list[tuple[str, Model, Any, Status, str]] = [
    ("above the middle", Truncated(Exponential(), upper=2), 2 * U**0.5, Status.BOUNDARY, "uniform"),
    ("all at the end", Truncated(Exponential(), upper=2), [0.0, 0.0], Status.UNBOUNDED, "rate"),
    (
        "wider than exponential",
        Truncated(Gaussian(), lower=0),
        (1 - U) ** -0.4 - 1,
        Status.NOT_ATTAINED,
        "exponential",
    ),
    (
        "u-shaped",
        Truncated(Gaussian(), lower=0, upper=1),
        np.sin(1.5708 * U) ** 2,
        Status.NOT_ATTAINED,
        "variance",
    ),
    ("all ones", Truncated(Poisson(), lower=1), [1, 1, 1], Status.NOT_ATTAINED, "rate"),
    ("all at the top", Truncated(Poisson(), upper=5), [5, 5], Status.NOT_ATTAINED, "rate"),
    ("not overdispersed", Truncated(NegativeBinomial(), lower=1), [2, 3, 3, 4, 2], Status.BOUNDARY,
     "Poisson"),
    ("no tails", Truncated(StudentT(), lower=-1, upper=1), TRIANGLE, Status.BOUNDARY, "Gaussian"),
    ("increasing", Truncated(Gamma(), upper=1), 1 - U**2, Status.NOT_ATTAINED, "rate"),
    ("all equal", Truncated(Gamma(), upper=1), [0.5, 0.5], Status.UNBOUNDED, "equal"),
    ("no extra zeros", Inflated(Poisson()), [1, 2, 3, 2, 4], Status.BOUNDARY, "Poisson"),
    ("no zeros", Hurdle(Poisson()), [1, 2, 3, 2, 4], Status.BOUNDARY, "above the hurdle"),
    ("no atom", Inflated(Exponential()), [0.5, 1.0, 2.0], Status.BOUNDARY, "Exponential"),
    ("nothing but zeros", Inflated(Poisson()), [0, 0], Status.NOT_ATTAINED, "runs to 1"),
    ("a pole", Shifted(Weibull()), U**4, Status.UNBOUNDED, "no local maximum"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "y", "status", "word"), [s[1:] for s in STATUSES], ids=[s[0] for s in STATUSES]
)
def test_status(model: Model, y: Any, status: Status, word: str) -> None:
    fit = mlece.fit(model, y)
    assert fit.certificate.status is status
    assert word in fit.certificate.sentence
    if status is Status.BOUNDARY:
        # The limit is a law, and as good as the infimum says.
        assert -fit.model.log_density(y).mean() == pytest.approx(float(fit.cross_entropy), rel=1e-9)


def test_the_limit_of_a_truncated_gaussian_is_its_infimum() -> None:
    y = (1 - U) ** -0.4 - 1
    fit = mlece.fit(Truncated(Gaussian(), lower=0), y)
    exponential = mlece.fit(Exponential(), y)
    assert float(fit.cross_entropy) == pytest.approx(float(exponential.cross_entropy), rel=ROUNDING)
    near = Truncated(Gaussian(mean=-1e4 * y.mean(), sd=100 * y.mean()), lower=0)
    assert -near.log_density(y).mean() == pytest.approx(float(fit.cross_entropy), abs=1e-3)


# ---------------------------------------------------------------------------- atoms

ATOM = Inflated(Exponential(rate=2), probability=0.3)


def test_entropy_with_an_atom() -> None:
    expected = -0.3 * np.log(0.3) - 0.7 * np.log(0.7) + 0.7 * (1 - np.log(2))
    assert ATOM.entropy() == pytest.approx(expected, rel=1e-14)
    assert mlece.cross_entropy(ATOM, ATOM) == pytest.approx(expected, rel=1e-13)
    other = Inflated(Exponential(rate=3), probability=0.4)
    divergence = 0.3 * np.log(0.3 / 0.4) + 0.7 * np.log(0.7 / 0.6) + 0.7 * (np.log(2 / 3) + 1.5 - 1)
    assert mlece.kl_divergence(ATOM, other) == pytest.approx(divergence, rel=ROUNDING)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: mlece.cross_entropy(ATOM, Exponential(rate=1)),
        lambda: mlece.kl_divergence(Exponential(rate=1), ATOM),
        lambda: mlece.cross_entropy(ATOM, Inflated(Exponential(rate=2), at=1, probability=0.3)),
        lambda: mlece.fit(Exponential(), ATOM),
        lambda: mlece.fit(Inflated(Exponential()), Exponential(rate=1)),
        lambda: mlece.cross_entropy(ATOM, Poisson(2)),
    ],
)
def test_other_measures_are_refused(ask: Any) -> None:
    with pytest.raises(ComparisonError):
        ask()


# ---------------------------------------------------------------------------- slots and refusals


def test_slots_are_passed_on() -> None:
    model = Truncated(Gamma(shape=2), upper=5)
    assert model.free == ("rate",)
    assert repr(model) == "Truncated(Gamma(shape=2), upper=5)"
    assert type(model) is type(Truncated(Gamma(), upper=7))
    assert Truncated("gamma", upper=5).free == Truncated(Gamma, upper=5).free == ("shape", "rate")
    # A slot named like a question leaves the name to the question.
    law = Truncated(Gaussian(mean=0, sd=1), lower=0)
    assert law.mean == pytest.approx(np.sqrt(2 / np.pi), rel=1e-12)
    assert law.replace(mean=1.0).slots["mean"] == 1.0
    assert Truncated(Uniform(0, 1), upper=0.5).slots["upper2"] == 0.5


BAD: list[tuple[str, Any, type[Exception]]] = [
    ("ends in the wrong order", lambda: Truncated(Gaussian(), 2, 1), ParameterError),
    ("equal ends", lambda: Truncated(Gaussian(), 1, 1), ParameterError),
    ("no ends", lambda: Truncated(Gaussian()), ParameterError),
    ("an end that is no number", lambda: Truncated(Gaussian(), lower=np.nan), ParameterError),
    ("outside the support", lambda: Truncated(Beta(), lower=2), ParameterError),
    ("at its end", lambda: Truncated(Gamma(), upper=0), ParameterError),
    ("outside a known support", lambda: Truncated(Uniform(0, 1), lower=1.5), ParameterError),
    ("no count inside", lambda: Truncated(Poisson(), 1.2, 1.8), ParameterError),
    ("one count inside", lambda: Truncated(Poisson(), 1, 1.5), ParameterError),
    ("a replaced end", lambda: Truncated(Gaussian(), 0, 1).replace(lower=2), ParameterError),
    ("a free end of the support", lambda: Truncated(Uniform(), upper=1), ParameterError),
    ("labels", lambda: Truncated(mlece.Categorical(), upper=1), ParameterError),
    ("no model", lambda: Truncated([1, 2], upper=1), DataTypeError),
    ("no such model", lambda: Truncated("gama", upper=1), UnknownNameError),
    ("an atom inside", lambda: Truncated(ATOM, upper=1), ParameterError),
    ("values that a root lacks", lambda: Transformed(Gaussian(), "sqrt"), ParameterError),
    ("values of a power", lambda: Transformed(StudentT(), Power(3)), ParameterError),
    ("counts transformed", lambda: Transformed(Poisson(), "log"), ParameterError),
    ("no such transformation", lambda: Transformed(Gaussian(), "lag"), UnknownNameError),
    ("no transformation", lambda: Transformed(Gaussian(), np.log), DataTypeError),
    ("power 0", lambda: Power(0), ParameterError),
    ("a shift beside a location", lambda: Shifted(Gaussian()), ParameterError),
    ("half a count", lambda: Shifted(Poisson(), 0.5), ParameterError),
    ("a factor of 0", lambda: Scaled(Gamma(), 0), ParameterError),
    ("counts stretched", lambda: Scaled(Poisson(), 2), ParameterError),
    ("an atom outside", lambda: Inflated(Gamma(), at=-1), ParameterError),
    ("an atom between counts", lambda: Inflated(Poisson(), at=0.5), ParameterError),
    ("the same atom twice", lambda: Inflated(ATOM), ParameterError),
    ("probability 1", lambda: Inflated(Poisson(), probability=1), ParameterError),
    ("a hurdle inside", lambda: Hurdle(Poisson(), at=1), ParameterError),
    (
        "data beyond an end",
        lambda: mlece.fit(Truncated(Gamma(), upper=5), [1.0, 6.0]),
        SupportError,
    ),
    (
        "a count below the region",
        lambda: mlece.fit(Truncated(Poisson(), 1), [0, 1, 2]),
        SupportError,
    ),
]


@pytest.mark.parametrize(("make", "error"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"expected .*; got"):
        make()


def test_a_product_of_laws_has_the_sum_of_their_log_densities() -> None:
    # Locations and scales of the parts differ; batches have them side by side.
    y = np.array([[1.0, 4.0], [0.3, 5.5], [2.0, 2.2]])
    parts = mlece.Gamma(shape=2, rate=3), Gaussian(mean=5, sd=2)
    want = parts[0].log_density(y[:, 0]) + parts[1].log_density(y[:, 1])
    np.testing.assert_allclose(mlece.Product(*parts).log_density(y), want, rtol=1e-14)
    two = np.ones(2)
    batch = mlece.Product(mlece.Gamma(), Gaussian()).member(2 * two, 3 * two, 5 * two, 2 * two)
    np.testing.assert_allclose(batch.log_density(np.stack([y, y]))[1], want, rtol=1e-14)


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (mlece.Hurdle("negativebinomial"), mlece.Hurdle("poisson")),
        (mlece.Inflated("negativebinomial"), mlece.Inflated("poisson")),
        (mlece.Inflated("studentt", at=0.0), mlece.Inflated("gaussian", at=0.0)),
    ],
    ids=str,
)
def test_an_atom_that_holds_observations_stays_at_the_limit_of_the_rest(
    model: Model, limit: Model
) -> None:
    y = np.append(np.repeat([4.0, 5.0, 6.0], 30), np.zeros(20))
    fit, nearest = mlece.fit(model, y), mlece.fit(limit, y)
    assert fit.certificate.status is Status.BOUNDARY
    assert type(fit.model) is type(limit)
    assert fit.cross_entropy == pytest.approx(nearest.cross_entropy, abs=1e-12)


@pytest.mark.parametrize("inner", [mlece.SkewNormal(), mlece.ExGaussian()], ids=str)
def test_compositions_of_families_with_several_starts(inner: Model) -> None:
    y = np.abs(np.random.default_rng(0).normal(5, 1, 100))
    for model in (mlece.Truncated(inner, lower=0.0), mlece.Inflated(inner, at=0.0)):
        fit, plain = mlece.fit(model, y), mlece.fit(inner, y)
        # Nothing lies near the end or at the atom: the inner estimates stand.
        assert float(fit.cross_entropy) == pytest.approx(float(plain.cross_entropy), abs=1e-6)
