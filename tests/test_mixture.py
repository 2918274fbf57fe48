"""Finite mixtures: published fits, derivatives, starts, and what is refused."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.model import Model
from mlece.testing import PROPERTIES

REFERENCE = Path(__file__).parent / "reference" / "mixture_fits.json"
CASES = {c["id"]: c for c in json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"]}


@pytest.mark.parametrize("name", CASES)
def test_published_fit(name: str) -> None:
    case = CASES[name]
    equal = "equal" in case["family"]
    model = mlece.Mixture(mlece.Gaussian(), size=2, shared=("sd",) if equal else ())
    fit = mlece.fit(model, case["data"])
    own, wanted = fit.params, case["polished"]
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], rel=1e-9)
    w = own["weight[1]"]
    # The file's parameter -> (its value here, the name of ours, d theirs / d ours).
    read = {
        "mu1": (own["mean[0]"], "mean[0]", 1.0),
        "mu2": (own["mean[1]"], "mean[1]", 1.0),
        "logit_w2": (math.log(w / (1 - w)), "weight[1]", 1 / (w * (1 - w))),
    }
    for theirs, ours in (("log_sigma", "sd"), ("log_sigma1", "sd[0]"), ("log_sigma2", "sd[1]")):
        if theirs in wanted["params"]:
            read[theirs] = (math.log(own[ours]), ours, 1 / own[ours])
    assert read.keys() == wanted["params"].keys()
    for kind, column in (("hessian", "se_observed"), ("sandwich", "se_sandwich")):
        se = fit.standard_errors(kind)
        for key, (value, ours, slope) in read.items():
            # In standard errors; the refinement of the file stops at scores of 1e-10 of them.
            assert abs(value - wanted["params"][key]) <= 1e-6 * wanted["se_observed"][key]
            # The file's Hessians are numerical.
            assert se[ours] * slope == pytest.approx(wanted[column][key], rel=1e-5)


LAWS: dict[str, Model] = {
    "two Gaussians": mlece.Mixture(
        mlece.Gaussian(mean=0, sd=1), mlece.Gaussian(mean=2, sd=1.5), **{"weight[1]": 0.3}
    ),
    "one scale": mlece.Mixture(
        mlece.Logistic(loc=0, scale=1),
        mlece.Logistic(loc=2, scale=1),
        shared="scale",
        **{"weight[1]": 0.6},
    ),
    "unlike families": mlece.Mixture(
        mlece.Gamma(shape=2, rate=1), mlece.Weibull(shape=3, scale=9), **{"weight[1]": 0.3}
    ),
    "counts": mlece.Mixture(
        mlece.Poisson(rate=2), mlece.NegativeBinomial(size=2, mean=9), **{"weight[1]": 0.3}
    ),
    "three": mlece.Mixture(
        mlece.Exponential(rate=1),
        mlece.Exponential(rate=3),
        mlece.Exponential(rate=0.2),
        **{"weight[1]": 0.3, "weight[2]": 0.2},
    ),
}


@pytest.mark.parametrize("check", PROPERTIES)
@pytest.mark.parametrize("name", LAWS)
def test_conformance(name: str, check: str) -> None:
    PROPERTIES[check](LAWS[name], np.random.default_rng(1))


@pytest.mark.parametrize("name", LAWS)
def test_fit_is_no_worse_than_the_truth(name: str) -> None:
    law = LAWS[name]
    y = law.sample(800, rng=2)
    free = mlece.Mixture(*[type(c)() for c in law.components], shared=law.common)
    fit = mlece.fit(free, y)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.cross_entropy <= -law.log_density(y).mean() + 1e-12
    # Weights are optimal for the components found: no component has a mean ratio above 1.
    assert fit.certificate.multipliers["largest q_k/q"] == pytest.approx(1.0, abs=1e-6)


def test_moments_and_information() -> None:
    law = LAWS["two Gaussians"]
    assert law.mean == pytest.approx(0.6, rel=1e-14)
    assert law.variance == pytest.approx(0.7 + 0.3 * 2.25 + 0.21 * 4, rel=1e-14)
    nearest = mlece.fit(mlece.Gaussian(), law)
    assert nearest.params == pytest.approx({"mean": law.mean, "sd": law.sd}, rel=1e-12)
    excess = nearest.cross_entropy - law.entropy()
    assert mlece.kl_divergence(law, nearest.model) == pytest.approx(excess, abs=1e-12)


def test_a_projection_on_the_own_family_is_the_truth() -> None:
    law = LAWS["two Gaussians"]
    fit = mlece.fit(mlece.Mixture("gaussian", size=2), law)
    assert fit.params == pytest.approx(
        dict(zip([p.name for p in law.params], map(float, law.theta), strict=True)), rel=1e-6
    )


def test_labels_do_not_switch_and_a_batch_is_a_loop() -> None:
    rng = np.random.default_rng(3)
    y = np.concatenate([rng.normal(5, 1, (3, 100)), rng.normal(0, 1, (3, 100))], axis=1)
    fit = mlece.fit(mlece.Mixture(mlece.Gaussian(), size=2), y)
    assert np.all(fit.params["mean[0]"] < fit.params["mean[1]"])
    one = mlece.fit(mlece.Mixture(mlece.Gaussian(), size=2), y[1])
    for key, value in one.params.items():
        assert fit.params[key][1] == pytest.approx(value, rel=1e-6)


def test_weights_units_and_fixed_slots() -> None:
    rng = np.random.default_rng(4)
    y = np.concatenate([rng.normal(0, 1, 60), rng.normal(6, 2, 40)])
    w = rng.integers(1, 4, 100)
    model = mlece.Mixture(mlece.Gaussian(), size=2)
    weighted, plain = mlece.fit(model, y, weights=w), mlece.fit(model, np.repeat(y, w))
    assert weighted.params == pytest.approx(plain.params, rel=1e-6)
    far = mlece.fit(model, 1e-6 * y + 5)
    near = mlece.fit(model, y)
    assert far.params["sd[1]"] == pytest.approx(1e-6 * near.params["sd[1]"], rel=1e-5)
    held = mlece.fit(mlece.Mixture(mlece.Gaussian(mean=0), mlece.Gaussian()), y)
    assert "mean[0]" not in held.params
    assert held.model.components[0].params
    assert held.cross_entropy >= near.cross_entropy


def test_the_unbounded_likelihood_is_told() -> None:
    fit = mlece.fit(
        mlece.Mixture("gaussian", size=2), mlece.datasets.old_faithful().frame()["waiting"]
    )
    assert "without bound" in str(fit.certificate)
    assert fit.certificate.scope == "local"
    equal = mlece.Mixture("gaussian", size=2, shared=("sd",))
    assert not equal._caveat(*equal.slots.values())


FEW = [2, 3, 4] * 20
# Components, the one that is enough, and data.
SUPERFLUOUS: dict[str, tuple[list[Model], Model, Any]] = {
    "all zero": ([mlece.Poisson(), mlece.Poisson()], mlece.Poisson(), [0] * 50),
    "equal counts": ([mlece.Poisson(), mlece.Poisson()], mlece.Poisson(), [3] * 50),
    "less than Poisson spread": ([mlece.Poisson()] * 3, mlece.Poisson(), FEW),
    "known constants": ([mlece.Binomial(n=10)] * 2, mlece.Binomial(n=10), FEW),
    "a known component": ([mlece.Poisson(9), mlece.Poisson()], mlece.Poisson(), FEW),
    "another family": ([mlece.Poisson(), mlece.Geometric()], mlece.Poisson(), FEW),
    "known scales": ([mlece.Gaussian(sd=1)] * 2, mlece.Gaussian(sd=1), np.linspace(-1, 1, 41)),
    "known truth": ([mlece.Poisson(), mlece.Poisson()], mlece.Poisson(), mlece.Poisson(3)),
}


@pytest.mark.parametrize("name", SUPERFLUOUS)
def test_a_component_that_gains_nothing_is_told(name: str) -> None:
    components, enough, data = SUPERFLUOUS[name]
    fit = mlece.fit(mlece.Mixture(*components), data)
    one = mlece.fit(enough, data)
    assert fit.certificate.status is mlece.Status.BOUNDARY
    assert "gains nothing" in str(fit.certificate)
    assert float(fit.cross_entropy) == pytest.approx(float(one.cross_entropy), abs=1e-13)
    assert type(fit.model) is type(enough)
    with pytest.raises(errors.NotRegularError):
        fit.standard_errors()


def test_a_component_that_gains_little_stays() -> None:
    # The variance exceeds the mean by 1/12: two rates, if only just, by the score of the split.
    y = [1] * 2 + [2] * 8 + [3] * 7 + [4] * 2 + [5] * 3 + [6] * 2 + [7, 8, 10]
    assert np.var(y) > np.mean(y)
    fit = mlece.fit(mlece.Mixture("poisson", "poisson"), y)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.cross_entropy < mlece.fit("poisson", y).cross_entropy
    # In a batch each sample is judged by itself.
    both = mlece.fit(mlece.Mixture("poisson", "poisson"), np.stack([y, [3] * len(y)]))
    assert [s.name for s in both.certificate.status] == ["OPTIMAL", "BOUNDARY"]
    assert both.cross_entropy[0] == pytest.approx(float(fit.cross_entropy), abs=1e-13)


def test_repr_pickle_and_equality() -> None:
    for law in LAWS.values():
        assert pickle.loads(pickle.dumps(law)) == law
        names = {k: getattr(mlece, k) for k in mlece.families.__all__}
        again = eval(repr(law), {"Mixture": mlece.Mixture, **names})
        assert again == law
    assert LAWS["two Gaussians"].weights.tolist() == pytest.approx([0.7, 0.3])


def test_number_of_components_by_held_out_cross_entropy() -> None:
    rng = np.random.default_rng(5)
    y = np.concatenate([rng.normal(0, 1, 150), rng.normal(6, 1, 150)])
    choice = mlece.select_components(mlece.Gaussian(), y, most=3, folds=4, rng=0)
    assert choice.size == 2
    assert choice.held_out[1] < choice.held_out[0]
    assert "2 components" in str(choice)


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "one": (lambda: mlece.Mixture(mlece.Gaussian()), errors.ParameterError, "two or more"),
    "measures": (
        lambda: mlece.Mixture(mlece.Gaussian(), mlece.Poisson()),
        errors.ParameterError,
        "one dominating measure",
    ),
    "a number": (lambda: mlece.Mixture(3, 4), errors.DataTypeError, "a model"),
    "not in common": (
        lambda: mlece.Mixture(mlece.Gaussian(), mlece.Logistic(), shared="sd"),
        errors.UnknownNameError,
        "all components",
    ),
    "an end": (
        lambda: mlece.Mixture("uniform", size=2),
        errors.ParameterError,
        "end of the support",
    ),
    "a weight": (
        lambda: mlece.Mixture("gaussian", size=2, **{"weight[1]": 1.2}),
        errors.ParameterError,
        "weight",
    ),
    "labels": (lambda: mlece.Mixture("categorical", size=2), errors.ParameterError, "numbers"),
    "nothing to choose": (
        lambda: mlece.select_components("gaussian", [1.0, 2.0, 3.0], folds=5),
        errors.DataError,
        "folds",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    call, kind, word = BAD[name]
    with pytest.raises(kind, match=word):
        call()


@pytest.mark.parametrize(
    ("law", "known"),
    [
        (mlece.Poisson(), {"rate[0]": 0.0}),
        (mlece.Geometric(), {"p[0]": 1.0}),
        (mlece.NegativeBinomial(), {"mean[0]": 0.0}),
        (mlece.Binomial(n=5), {"p[0]": 0.0}),
    ],
    ids=repr,
)
def test_a_count_of_probability_one_under_one_component(law: Any, known: dict[str, float]) -> None:
    """No mixture exceeds probability 1: nothing is searched, for any number of components."""
    fit = mlece.fit(mlece.Mixture(law, law, law), np.zeros((2, 6)))
    assert list(fit.certificate.status) == [mlece.Status.BOUNDARY] * 2
    assert (fit.cross_entropy == 0).all()
    assert all((fit.params[name] == value).all() for name, value in known.items())
    assert (fit.params["weight[1]"] == 0).all()
    assert (fit.params["weight[2]"] == 0).all()


@pytest.mark.parametrize("data", [[0.0, 0, 0, 0], [0.0, 0, 0, 1, 2, 3, 1.5, 0.2]])
def test_exponential_components_shrink_on_zeros(data: list[float]) -> None:
    fit = mlece.fit(mlece.Mixture(mlece.Exponential(), mlece.Exponential()), data)
    assert fit.certificate.status is mlece.Status.UNBOUNDED
    assert fit.cross_entropy == -np.inf
    assert "component 0 shrinks on the smallest value" in str(fit.certificate)


def test_a_local_maximum_beside_a_single_zero_stands() -> None:
    """As of Gaussian components that may shrink on an observation, the local maximum is what is fitted."""
    rng = np.random.default_rng(1)
    data = np.concatenate([[0.0], rng.exponential(0.1, 60), rng.exponential(10.0, 60)])
    fit = mlece.fit(mlece.Mixture(mlece.Exponential(), mlece.Exponential()), data)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    # A known law whose support ends at 0 has no mass there.
    truth = mlece.Mixture(mlece.Exponential(1.0), mlece.Exponential(20.0), **{"weight[1]": 0.5})
    known = mlece.fit(mlece.Mixture(mlece.Exponential(), mlece.Exponential()), truth)
    assert known.certificate.status is mlece.Status.OPTIMAL
