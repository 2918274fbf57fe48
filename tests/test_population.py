"""Fits to known distributions where nodes alone would mislead, and what becomes of a fit afterwards."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import mlece
from mlece import families as m
from mlece.model import Model

INFINITE = mlece.Status.INFINITE


@pytest.mark.parametrize(
    ("model", "truth", "face"),
    [
        (m.GEV(), m.Gaussian(1, 2), m.Gumbel()),
        (m.GEV(), m.Logistic(0, 1), m.Gumbel()),
        (m.GeneralizedPareto(), m.Gamma(8, 1), m.Exponential()),
        (m.Gompertz(), m.LogNormal(3, 0.3), m.Exponential()),
    ],
    ids=str,
)
def test_a_face_bears_what_its_neighbours_do_not(model: Model, truth: Model, face: Model) -> None:
    fit, plain = mlece.fit(model, truth), mlece.fit(face, truth)
    assert fit.certificate.status is mlece.Status.BOUNDARY
    assert "shape is 0" in fit.certificate.sentence
    assert fit.params["shape"] == 0
    assert fit.model.shape == 0
    assert float(fit.cross_entropy) == pytest.approx(float(plain.cross_entropy), rel=1e-12)


def test_a_truth_too_heavy_for_the_face_is_told() -> None:
    fit = mlece.fit(m.GEV(), m.StudentT(3, 0, 1))
    assert fit.certificate.status is INFINITE
    assert "beyond the support" in fit.certificate.sentence


def test_a_family_keeps_an_estimate_on_the_side_that_bears_the_truth() -> None:
    fit = mlece.fit(m.GEV(), m.Gamma(3, 1))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.params["shape"] > 0.01


@pytest.mark.parametrize(
    ("model", "truth"),
    [
        (m.Uniform(), m.Gaussian(1, 2)),
        (m.Uniform(), m.Logistic(-1, 0.5)),
        (m.Uniform(), m.Pareto(5, 3)),
        (m.Pareto(), m.Exponential(0.5)),
        (m.Pareto(), m.LogNormal(0, 1)),
    ],
    ids=str,
)
def test_no_member_reaches_the_ends_of_the_truth(model: Model, truth: Model) -> None:
    fit = mlece.fit(model, truth)
    assert fit.certificate.status is INFINITE
    assert float(fit.cross_entropy) == math.inf


@pytest.mark.parametrize(
    ("model", "truth", "expected"),
    [
        (m.Uniform(), m.Uniform(-1, 3), {"lower": -1, "upper": 3}),
        (m.Uniform(), m.Beta(1.6, 2), {"lower": 0, "upper": 1}),
        (m.Pareto(), m.Pareto(3, 2), {"shape": 3, "scale": 2}),
    ],
    ids=str,
)
def test_ends_are_those_of_the_truth_not_of_its_nodes(
    model: Model, truth: Model, expected: dict[str, float]
) -> None:
    assert mlece.fit(model, truth).params == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_kinks_of_the_second_law_are_cut(shift: float) -> None:
    # KL(Laplace(0, 1), Laplace(d, 1)) = d + exp(-d) - 1.
    value = mlece.kl_divergence(m.Laplace(0, 1), m.Laplace(shift, 1))
    assert value == pytest.approx(shift + math.exp(-shift) - 1, abs=1e-13)


@pytest.mark.parametrize(
    "truth", [m.Gaussian(0, 1), m.Logistic(0, 1), m.Gumbel(2, 3), m.Exponential(1)], ids=str
)
def test_a_kink_held_in_place(truth: Model) -> None:
    fit = mlece.fit(m.Laplace(loc=0.3), truth)
    member = m.Laplace(0.3, fit.params["scale"])
    assert float(fit.cross_entropy) == pytest.approx(mlece.cross_entropy(truth, member), rel=1e-11)


@pytest.mark.parametrize("truth", [m.Poisson(3), m.Binomial(n=10, p=0.3), m.Poisson(0.4)], ids=str)
def test_a_truth_without_overdispersion_is_nearest_to_a_poisson_law(truth: Model) -> None:
    fit = mlece.fit(m.NegativeBinomial(), truth)
    assert isinstance(fit.model, m.Poisson)
    expected = mlece.cross_entropy(truth, m.Poisson(truth.mean))
    assert float(fit.cross_entropy) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", [2, 5, 20])
def test_powers_that_overflow_do_not_mislead_a_profile(shape: float) -> None:
    truth = m.Pareto(shape, 3)
    fit = mlece.fit(m.Weibull(), truth)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert float(fit.cross_entropy) == pytest.approx(
        mlece.cross_entropy(truth, fit.model), abs=1e-9
    )


@pytest.mark.parametrize("df", [0.2, 0.3, 0.7])
def test_student_laws_of_very_heavy_tails(df: float) -> None:
    truth = m.StudentT(df, 0, 1)
    assert mlece.fit(m.StudentT(), truth).params["df"] == pytest.approx(df, rel=1e-7)
    fit = mlece.fit(m.StudentT(), truth.sample(500, rng=1))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert float(fit.cross_entropy) <= -float(np.mean(truth.log_density(truth.sample(500, rng=1))))


@pytest.mark.parametrize("offset", [1e7, 1e9, -1e12])
@pytest.mark.parametrize("name", ["Gaussian", "Logistic", "Laplace", "Gumbel", "StudentT"])
def test_truths_far_from_the_origin(name: str, offset: float) -> None:
    family = getattr(m, name)
    extra = {"df": 5.0} if name == "StudentT" else {}
    near = mlece.fit(
        m.Gaussian(),
        family(**extra, **dict.fromkeys(["loc"], 0.0), scale=1.0)
        if name != "Gaussian"
        else m.Gaussian(0, 1),
    )
    far = mlece.fit(
        m.Gaussian(),
        family(**extra, loc=offset, scale=1.0) if name != "Gaussian" else m.Gaussian(offset, 1),
    )
    assert float(far.cross_entropy) == pytest.approx(float(near.cross_entropy), abs=1e-12)
    assert far.variance_ratio == pytest.approx(near.variance_ratio, rel=1e-9)


@pytest.mark.parametrize("unit", [1e300, 1e160, 1e-160, 1e-300])
@pytest.mark.parametrize("name", ["Gaussian", "Weibull", "Laplace", "Logistic", "Gumbel"])
def test_standard_errors_in_extreme_units(name: str, unit: float) -> None:
    y = np.array([1.0, 2.0, 4.0, 4.5, 7.0])
    plain, scaled = (mlece.fit(name, y * u) for u in (1.0, unit))
    assert scaled.trace == pytest.approx(plain.trace, rel=1e-9)
    for p in plain.family.params:
        factor = unit if p.role else 1.0
        errors = (fit.standard_errors()[p.name] for fit in (plain, scaled))
        assert next(errors) == pytest.approx(next(errors) / factor, rel=1e-9)
    assert str(scaled)


def test_held_out_values_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    y, new = rng.normal(size=(3, 20)), rng.normal(size=(3, 7))
    fits = mlece.fit("gaussian", y)
    expected = [float(mlece.fit("gaussian", a).held_out(b)) for a, b in zip(y, new, strict=True)]
    assert fits.held_out(new) == pytest.approx(expected, rel=1e-13)
    with pytest.raises(mlece.errors.DataError, match="held-out data of shape"):
        mlece.fit("gaussian", y[0]).held_out(new)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (m.Gamma(), [1.0, 2.0, 4.0]),
        (m.StudentT(), np.linspace(-1, 1, 50)),
        (m.NegativeBinomial(), [2, 3, 2, 3]),
        (m.Categorical(), ["a", "b", "a"]),
        (m.StudentT(), m.Gaussian(0, 1)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_fits_survive_pickling_and_copying(model: Model, data: object) -> None:
    fit = mlece.fit(model, data)
    for twin in (pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)):
        assert str(twin) == str(fit)
        assert twin.model == fit.model


@pytest.mark.parametrize(
    ("alias", "family"), [("normal", m.Gaussian), ("t", m.StudentT), ("nbinom", m.NegativeBinomial)]
)
def test_other_names_of_the_field(alias: str, family: type[Model]) -> None:
    assert mlece.fit(alias, [1, 2, 4, 7, 0]).family == family()


def test_labels_of_different_types_stay_apart() -> None:
    fit = mlece.fit("categorical", ["1", 1, "a"])
    assert set(fit.model.labels) == {"1", 1, "a"}


def test_single_precision_probabilities_are_accepted() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(50), 20).astype(np.float32)
    losses = mlece.categorical_cross_entropy(np.eye(50)[np.arange(20)], p, reduce="none")
    assert losses == pytest.approx(-np.log(p[np.arange(20), np.arange(20)].astype(float)), rel=1e-6)


def test_logarithms_stay_finite_where_squares_overflow() -> None:
    # log q of a Student t falls like -(df + 1) log|z| however far out; here at 1e160.
    law = m.StudentT(5, 1, 2)
    z, constant = (1e160 - 1) / 2, float(law.log_density(1.0))
    expected = constant - 3 * (2 * math.log(z) - math.log(5))
    assert float(law.log_density(1e160)) == pytest.approx(expected, rel=1e-13)
    assert float(m.InverseGaussian(2, 3).log_density(1e160)) == pytest.approx(-3.75e159, rel=1e-12)


def test_a_kink_weighs_the_same_under_weights_and_replication() -> None:
    y, w = np.array([1, 2, 3.5, 5, 9]), np.array([2, 1, 1, 2, 1])
    weighted = mlece.fit(m.Laplace(), y, weights=w).standard_errors()
    assert weighted == pytest.approx(mlece.fit(m.Laplace(), np.repeat(y, w)).standard_errors())


@pytest.mark.parametrize("decimals", [1, 2, 3, 5])
def test_a_right_law_stands_whatever_the_rounding(decimals: int) -> None:
    y = np.round(np.random.default_rng(1).normal(size=2000), decimals)
    assert not mlece.fit(m.Gaussian(), y).gap(replicates=99).misspecified


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (mlece.Laplace(loc=3, scale=2), (3.0, 2.0, 1.0)),
        (mlece.GeneralizedNormal(loc=-1, scale=0.5, shape=0.7), (-1.0, 0.5, 0.7)),
    ],
    ids=repr,
)
def test_kinks_of_truth_and_model_that_coincide(
    truth: mlece.Model, expected: tuple[float, ...]
) -> None:
    """The projection is the truth itself, which no fit to nodes could show: it lies on two kinks."""
    fit = mlece.fit(mlece.GeneralizedNormal(), truth)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    for value, wanted in zip(fit.params.values(), expected, strict=True):
        assert value == pytest.approx(wanted, rel=1e-12)
    assert fit.cross_entropy == pytest.approx(truth.entropy(), abs=1e-13)
    with pytest.raises(mlece.errors.NotRegularError, match="up to shape 1"):
        fit.covariance()


def test_a_kink_away_from_those_of_an_asymmetric_truth() -> None:
    """No member beside the location has a lower cross-entropy."""
    truth = mlece.AsymmetricLaplace(loc=0, scale=1, asymmetry=1.3)
    fit = mlece.fit(mlece.GeneralizedNormal(), truth)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.params["shape"] < 1
    for step in (-1e-3, 1e-3):
        member = fit.model.replace(loc=fit.params["loc"] + step)
        assert mlece.cross_entropy(truth, member) > fit.cross_entropy


def test_labels_that_a_categorical_has_not():
    truth = m.Categorical([0.2, 0.7, 0.1], labels=["a", "b", "c"])
    fit = mlece.fit(m.Categorical(labels=["b", "a"]), truth)
    assert fit.certificate.status is INFINITE
    assert fit.cross_entropy == math.inf
    assert "mass 0.1 outside the labels 'b', 'a'" in fit.certificate.sentence
    assert fit.certificate.kkt is None
    with pytest.raises(mlece.errors.NotRegularError, match="INFINITE"):
        fit.standard_errors()
    seen = mlece.fit(m.Categorical(), ["a", "b", "b"])
    assert mlece.ledger(truth, seen).approximation == math.inf
    # Where the labels of the truth are some of its own, it is met.
    inside = m.Categorical([0.2, 0.8], labels=["a", "b"])
    assert mlece.fit(m.Categorical(labels=["c", "b", "a"]), inside).params["p"].tolist() == [
        0,
        0.8,
        0.2,
    ]
