"""Models made of models made of models: mixtures within combinators, and what mixtures are made of."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import Gaussian, Mixture, Status, errors
from mlece.combinators.incomplete import incomplete
from mlece.math import Array
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.testing import PROPERTIES

TWO = Mixture(Gaussian(0, 1), Gaussian(5, 1.5), **{"weight[1]": 0.4})
COUNTS = Mixture(mlece.Poisson(2), mlece.Poisson(12), **{"weight[1]": 0.3})
ATOMS = Mixture(
    mlece.Inflated(mlece.Exponential(rate=1), probability=0.2),
    mlece.Gamma(shape=40, rate=4),
    **{"weight[1]": 0.4},
)

# A mixture inside every combinator of numbers, atoms inside a mixture, a mixture inside another.
LAWS: dict[str, Model] = {
    "truncated": mlece.Truncated(TWO, lower=-1, upper=7),
    "truncated counts": mlece.Truncated(COUNTS, lower=1),
    "shifted": mlece.Shifted(TWO, by=3),
    "scaled": mlece.Scaled(TWO, by=100),
    "transformed": mlece.Transformed(TWO, "log"),
    "inflated": mlece.Inflated(TWO, probability=0.2),
    "inflated counts": mlece.Inflated(COUNTS, probability=0.2),
    "hurdle": mlece.Hurdle(COUNTS, probability=0.3),
    "atoms": ATOMS,
    "nested": Mixture(TWO, Gaussian(9, 1), **{"weight[1]": 0.2}),
}
FREE: dict[str, Any] = {
    "truncated": mlece.Truncated(Mixture("gaussian", size=2), lower=-1, upper=7),
    "truncated counts": mlece.Truncated(Mixture("poisson", size=2), lower=1),
    "shifted": mlece.Shifted(Mixture("gaussian", size=2), by=3),
    "scaled": mlece.Scaled(Mixture("gaussian", size=2), by=100),
    "transformed": mlece.Transformed(Mixture("gaussian", size=2), "log"),
    "inflated": mlece.Inflated(Mixture("gaussian", size=2)),
    "inflated counts": mlece.Inflated(Mixture("poisson", size=2)),
    "hurdle": mlece.Hurdle(Mixture("poisson", size=2)),
    "atoms": Mixture(mlece.Inflated(mlece.Exponential()), mlece.Gamma()),
    "nested": Mixture(Mixture("gaussian", size=2), Gaussian(9, 1)),
}


# Differences in the frame of the whole resolve components that are not much narrower than it.
NEAR = Mixture(
    Mixture(Gaussian(0, 1), Gaussian(1, 1.5), **{"weight[1]": 0.4}),
    Gaussian(2, 1),
    **{"weight[1]": 0.2},
)


@pytest.mark.parametrize("check", PROPERTIES)
@pytest.mark.parametrize("name", LAWS)
def test_conformance(name: str, check: str) -> None:
    law = NEAR if name == "nested" else LAWS[name]
    PROPERTIES[check](law, np.random.default_rng(1))


@pytest.mark.parametrize("name", LAWS)
def test_a_fit_is_no_worse_than_the_truth(name: str) -> None:
    law = LAWS[name]
    y = law.sample(400, rng=2)
    fit = mlece.fit(FREE[name], y)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.scope == "local"
    assert fit.cross_entropy <= -law.log_density(y).mean() + 1e-12


@pytest.mark.parametrize("name", LAWS)
def test_repr_and_pickle(name: str) -> None:
    law = LAWS[name]
    assert pickle.loads(pickle.dumps(law)) == law
    assert type(law.replace()) is type(law)
    names = {k: getattr(mlece, k) for k in mlece.__all__}
    assert eval(repr(law), names) == law


def test_atoms_belong_to_the_measure_of_the_whole() -> None:
    # 0.6 · 0.2 at the atom; the gamma law has nothing there.
    assert ATOMS.log_density(0.0) == pytest.approx(np.log(0.12), rel=1e-14)
    assert ATOMS.measure == "Lebesgue with an atom at 0"
    points, masses = ATOMS._atoms(*ATOMS.theta)
    assert points.tolist() == [0.0]
    assert masses == pytest.approx([0.12], rel=1e-14)
    twice = Mixture(
        mlece.Inflated(Gaussian(0, 1), probability=0.5),
        mlece.Inflated(Gaussian(0, 1), at=1, probability=0.5),
        **{"weight[1]": 0.5},
    )
    assert twice.density([0.0, 1.0]) == pytest.approx([0.25, 0.25], rel=1e-14)


def test_transformations_do_not_move_the_estimate() -> None:
    y = TWO.sample(300, rng=5)
    plain = mlece.fit(Mixture("gaussian", size=2), y).params
    for model, data in (
        (FREE["shifted"], y + 3),
        (FREE["scaled"], 100 * y),
        (FREE["transformed"], np.exp(y)),
    ):
        assert mlece.fit(model, data).params == pytest.approx(plain, rel=1e-6)


# ---------------------------------------------------------------------------- incomplete observations


def test_a_common_entry_is_a_truncation() -> None:
    y = TWO.sample(400, rng=3)
    y = y[y > -1]
    model = Mixture("gaussian", size=2)
    entered = mlece.fit(model, mlece.censored(y, y, entry=np.full(y.size, -1.0)))
    cut = mlece.fit(mlece.Truncated(model, lower=-1), y)
    assert entered.params == pytest.approx(cut.params, rel=1e-6)
    assert entered.cross_entropy == pytest.approx(cut.cross_entropy, rel=1e-12)


@pytest.mark.filterwarnings("ignore:divide by zero")  # log 0, where there is no mass
@pytest.mark.parametrize("law", [TWO, COUNTS], ids=["density", "counts"])
def test_derivatives_of_incomplete_mixtures(law: Any) -> None:
    y = law.sample(12, rng=4)
    low = np.where(np.arange(12) < 4, y, y - 1)
    high = np.where(np.arange(12) >= 8, np.inf, y)
    entry = np.where(np.arange(12) % 2 == 0, -np.inf, low - 2)
    model: Any = incomplete(type(law))(**law.slots)
    t = np.stack([low, high, entry], axis=-1)[None]
    theta = tuple(np.reshape(v, (1, 1)) for v in law.theta)

    def density(at: Array, *moved: Array) -> Array:
        return model.log_density_hook(at, moved)

    parts = [c.member(*own) for c, own in zip(law.components, law.split(law.theta)[1], strict=True)]
    whole = sum(w * p.cdf(np.array([3.0])) for w, p in zip(law.weights, parts, strict=True))
    below = model.log_density_hook(np.array([[[-np.inf, 3.0, -np.inf]]]), theta)
    assert np.exp(below[0]) == pytest.approx(whole, rel=1e-14)
    for got, wanted in zip(
        model.score_hook(t, theta),
        numerical_score(density, t, theta, *model._limits()),
        strict=True,
    ):
        # Sixth-order differences.
        np.testing.assert_allclose(np.broadcast_to(got, (1, 12)), wanted, rtol=1e-8, atol=1e-8)
    bends = numerical_curvature(density, None, t, theta, *model._limits())
    for got, wanted in zip(model.curvature_hook(t, theta), bends, strict=True):
        np.testing.assert_allclose(np.broadcast_to(got, (1, 12)), wanted, rtol=1e-5, atol=1e-5)


def test_censored_and_grouped_mixtures() -> None:
    y = TWO.sample(400, rng=1)
    model = Mixture("gaussian", size=2)
    exact = mlece.fit(model, y)
    fine = mlece.fit(model, mlece.censored(y, y))
    assert fine.params == pytest.approx(exact.params, rel=1e-6)
    censored = mlece.fit(model, mlece.right_censored(np.minimum(y, 5.5), y <= 5.5))
    assert censored.certificate.status is Status.OPTIMAL
    assert "without bound" in censored.certificate.sentence
    cell = np.floor(y)
    grouped = mlece.fit(model, mlece.censored(cell, cell + 1))
    assert grouped.certificate.status is Status.OPTIMAL
    # A probability is at most 1: nothing grows.
    assert "without bound" not in grouped.certificate.sentence
    mass = TWO.cdf(cell + 1) - TWO.cdf(cell)
    assert grouped.cross_entropy <= -np.log(mass).mean()


# ---------------------------------------------------------------------------- no maximum


def test_a_collapse_names_component_point_and_rate() -> None:
    tied = [1, 1, 1, 2, 3, 4, 5, 7]
    model = Mixture("gaussian", size=2)
    for case, data in (
        (model, tied),
        (mlece.Truncated(model, lower=0), tied),
        (model, mlece.right_censored(tied, [1, 1, 1, 1, 1, 1, 0, 1])),
    ):
        fit = mlece.fit(case, data)
        assert fit.certificate.status is Status.UNBOUNDED
        assert fit.cross_entropy == -np.inf
        assert "a Gaussian law, shrinks on 1 (3 of 8 observations)" in fit.certificate.sentence
        assert "falls by 0.375 nats" in fit.certificate.sentence

    def along(width: float) -> float:
        law = Mixture(Gaussian(1, width), Gaussian(4, 2), **{"weight[1]": 0.6})
        return float(-law.log_density(tied).mean())

    # The rate that the sentence gives.
    assert along(1e-12) - along(np.exp(-1) * 1e-12) == pytest.approx(0.375, rel=1e-9)


def test_a_common_scale_falls_where_every_value_has_a_component() -> None:
    fit = mlece.fit(Mixture("gaussian", size=2, shared="sd"), [1.0, 1.0, 2.0, 2.0])
    assert fit.certificate.status is Status.UNBOUNDED
    assert "together on the 2 distinct values" in fit.certificate.sentence
    more = mlece.fit(Mixture("gaussian", size=2, shared="sd"), [1.0, 1.0, 2.0, 2.0, 3.0])
    assert more.certificate.status is Status.OPTIMAL


def test_equal_observations() -> None:
    for model in (
        Mixture("gaussian", size=2),
        mlece.Truncated(Mixture("gaussian", size=2), lower=0),
    ):
        fit = mlece.fit(model, [3.0, 3.0, 3.0])
        assert fit.certificate.status is Status.UNBOUNDED
        assert "every observation is equal" in fit.certificate.sentence


def test_repeated_vectors() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate([np.zeros((4, 2)), rng.standard_normal((4, 2))])
    fit = mlece.fit(Mixture("mvn", size=2), y)
    assert fit.certificate.status is Status.UNBOUNDED
    # Both coordinates shrink on half of the observations.
    assert "shrinks on (0, 0) (4 of 8 observations)" in fit.certificate.sentence
    assert "falls by 1 nats" in fit.certificate.sentence


def test_a_component_runs_to_a_limit_of_its_family() -> None:
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.uniform(-1, 1, 200), 8 + rng.uniform(-1, 1, 200)])
    fit = mlece.fit(Mixture(mlece.StudentT(), Gaussian()), y)
    assert fit.certificate.status is Status.BOUNDARY
    assert fit.params["df[0]"] == np.inf
    assert "df[0] runs to infinity" in fit.certificate.sentence
    nearest = mlece.fit(Mixture("gaussian", size=2), y)
    assert fit.cross_entropy == pytest.approx(nearest.cross_entropy, abs=1e-12)
    assert fit.model == Mixture(*[c.member(*c.theta) for c in _parts(fit.model)], **_weight(fit))
    assert [type(c) for c in fit.model.components] == [Gaussian, Gaussian]
    together = mlece.fit(Mixture("studentt", size=2, shared="df"), y)
    assert together.params["df"] == np.inf
    assert together.cross_entropy == pytest.approx(nearest.cross_entropy, abs=1e-10)


def test_limits_of_components_hold_inside_compositions() -> None:
    part = mlece.Gaussian(0, 1).quantile((np.arange(200) + 0.5) / 200)
    y = np.concatenate([part, 8 + 1.5 * part])
    model = Mixture(mlece.StudentT(), Gaussian())
    alone = mlece.fit(model, y)
    cases: list[tuple[Any, Any, Any]] = [
        (mlece.Inflated(model, at=20.0), np.append(y, np.full(40, 20.0)), mlece.Inflated),
        (model, mlece.censored(y, np.where(y > 9, np.inf, y)), None),
    ]
    for whole, data, call in cases:
        fit = mlece.fit(whole, data)
        assert fit.certificate.status is Status.BOUNDARY
        assert fit.params["df[0]"] == np.inf
        gaussians: Any = Mixture("gaussian", size=2)
        nearest = mlece.fit(call(gaussians, at=20.0) if call else gaussians, data)
        assert fit.cross_entropy == pytest.approx(nearest.cross_entropy, abs=1e-12)
    # What is true of the whole is told once, though it is true of the limit too.
    twice = mlece.fit(Mixture("studentt", size=2), y)
    assert twice.cross_entropy == pytest.approx(alone.cross_entropy, abs=1e-12)
    assert twice.certificate.sentence.count("a local maximum") == 1


def _parts(law: Any) -> list[Model]:
    return [law.component(k) for k in range(len(law.components))]


def _weight(fit: Any) -> dict[str, float]:
    return {"weight[1]": fit.params["weight[1]"]}


def test_counts_that_vary_less_than_poisson_in_a_mixture() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.binomial(8, 0.5, 300), rng.poisson(30, 300)])
    fit = mlece.fit(Mixture(mlece.NegativeBinomial(), mlece.Poisson()), y)
    assert fit.certificate.status is Status.BOUNDARY
    poisson = mlece.fit(Mixture("poisson", size=2), y)
    assert fit.cross_entropy == pytest.approx(poisson.cross_entropy, abs=1e-12)


# ---------------------------------------------------------------------------- vectors


def test_gaussian_vectors_on_old_faithful() -> None:
    y = mlece.datasets.old_faithful().frame()[["eruptions", "waiting"]].to_numpy()
    fit = mlece.fit(Mixture("mvn", size=2), y)
    # scikit-learn 1.x, GaussianMixture(2, tol=1e-14, reg_covar=0), the best of five starts.
    assert fit.log_likelihood == pytest.approx(-1130.2639601847416, rel=1e-12)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.scope == "local"
    assert fit.certificate.multipliers["largest q_k/q"] == pytest.approx(1.0, abs=1e-6)
    assert "without bound" in fit.certificate.sentence
    assert fit.model.mean == pytest.approx(y.mean(axis=0), rel=1e-6)
    moved = mlece.fit(Mixture("mvn", size=2), y * [1e-3, 1e3] + [5.0, -1e4])
    assert moved.params["weight[1]"] == pytest.approx(fit.params["weight[1]"], rel=1e-5)
    shared = mlece.fit(Mixture("mvn", size=2, shared="covariance"), y)
    assert shared.cross_entropy > fit.cross_entropy
    assert "without bound" not in shared.certificate.sentence


def test_vector_mixtures_are_laws() -> None:
    law = Mixture(
        mlece.MultivariateGaussian(mean=[0, 0], covariance=[[1, 0.5], [0.5, 2]]),
        mlece.MultivariateGaussian(mean=[4, 3], covariance=np.eye(2)),
        **{"weight[1]": 0.3},
    )
    y = law.sample(20_000, rng=1)
    assert y.shape == (20_000, 2)
    # Five standard errors.
    np.testing.assert_allclose(
        y.mean(axis=0), law.mean, atol=5 * np.sqrt(law.variance / 20_000).max()
    )
    dense = 0.7 * law.component(0).density(y[:5]) + 0.3 * law.component(1).density(y[:5])
    np.testing.assert_allclose(law.density(y[:5]), dense, rtol=1e-13)
    t, theta = y[None, :6], tuple(np.reshape(v, (1, 1)) for v in law.theta)
    steps = numerical_score(lambda at, *m: law.log_density_hook(at, m), t, theta, *law._limits())
    for got, wanted in zip(law.score_hook(t, theta), steps, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-7)
    assert pickle.loads(pickle.dumps(law)) == law


@pytest.mark.parametrize("flat", [1.0, 1e-4, 1e-9])
def test_a_flat_component_is_narrow_in_any_units(flat: float) -> None:
    # Correlated: no coordinate shows that the second component lies almost on a line.
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    for unit in (np.eye(2), np.diag([1e-6, 1e5])):
        law = Mixture(
            mlece.MultivariateGaussian(mean=[0, 0], covariance=unit @ unit),
            mlece.MultivariateGaussian(
                mean=unit @ [3, 1],
                covariance=_symmetric(unit @ turn @ np.diag([1, flat]) @ turn.T @ unit),
            ),
            **{"weight[1]": 0.5},
        )
        theta = tuple(np.reshape(t, 1) for t in law.theta)
        assert law.narrow(theta).tolist() == [flat < 1e-6]
        # The spread of the mixture is at least 1 and at most 4 in either coordinate.
        assert np.sqrt(flat) / 4 <= law.widths(theta)[1, 0] <= np.sqrt(flat) * 1.001


def _symmetric(matrix: Array) -> Array:
    return 0.5 * (matrix + matrix.T)


def test_latent_classes() -> None:
    rng = np.random.default_rng(2)
    one, other = (
        rng.random((300, 4)) < [0.9, 0.8, 0.1, 0.2],
        rng.random((300, 4)) < [0.2, 0.1, 0.8, 0.7],
    )
    y = np.concatenate([one, other]).astype(float)
    law = Mixture(
        mlece.Product(*[mlece.Bernoulli(p) for p in (0.2, 0.1, 0.8, 0.7)]),
        mlece.Product(*[mlece.Bernoulli(p) for p in (0.9, 0.8, 0.1, 0.2)]),
        **{"weight[1]": 0.5},
    )
    fit = mlece.fit(Mixture(mlece.Product(*["bernoulli"] * 4), size=2), y)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.cross_entropy <= -law.log_density(y).mean()
    # Probabilities do not grow.
    assert "without bound" not in fit.certificate.sentence
    assert fit.certificate.multipliers["largest q_k/q"] == pytest.approx(1.0, abs=1e-6)


def test_a_mixture_is_a_block_of_a_product() -> None:
    y = np.stack([TWO.sample(200, rng=1), COUNTS.sample(200, rng=2)], axis=-1)
    fit = mlece.fit(mlece.Product(Mixture("gaussian", size=2), "poisson"), y)
    alone = mlece.fit(Mixture("gaussian", size=2), y[:, 0])
    assert fit.params["mean[1][0]"] == pytest.approx(alone.params["mean[1]"], rel=1e-9)


# ---------------------------------------------------------------------------- products pass on

X = np.random.default_rng(7).standard_normal(40)
N = np.random.default_rng(8).poisson(3, 40)
BLOCKS: dict[str, tuple[Any, Array, Any, Array]] = {
    "optimal": ("gaussian", X, "poisson", N),
    "unbounded": ("gaussian", np.ones(40), "poisson", N),
    "no events": ("gaussian", X, "poisson", np.zeros(40)),
    "a limit family": ("studentt", np.random.default_rng(9).uniform(size=40), "poisson", N),
    "a limit of counts": ("gaussian", X, "negativebinomial", np.repeat([6.0, 7.0], 20)),
    "two limits": ("studentt", np.random.default_rng(9).uniform(size=40), "poisson", np.zeros(40)),
    "a set": ("laplace", X, "gaussian", X),
    "ties": (Mixture("gaussian", size=2), np.array([1, 1, 1, 2, 3, 4, 5, 7.0]), "gaussian", X[:8]),
}
WORST = [Status.UNBOUNDED, Status.NOT_ATTAINED, Status.BOUNDARY, Status.NOT_UNIQUE, Status.OPTIMAL]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_product_comes_to_what_its_blocks_come_to(name: str) -> None:
    one, x, other, z = BLOCKS[name]
    fits = mlece.fit(one, x), mlece.fit(other, z)
    fit = mlece.fit(mlece.Product(one, other), np.stack([x, z], axis=-1))
    statuses = [f.certificate.status for f in fits]
    assert fit.certificate.status is next(s for s in WORST if s in statuses)
    assert fit.cross_entropy == pytest.approx(sum(f.cross_entropy for f in fits), rel=1e-12)
    for j, alone in enumerate(fits):
        if alone.certificate.status not in (Status.OPTIMAL, Status.NOT_UNIQUE):
            assert f"block {j}: {alone.certificate.sentence}" in fit.certificate.sentence
        for key, value in alone.params.items():
            assert fit.params[f"{key}[{j}]"] == pytest.approx(value, rel=1e-12, nan_ok=True)
    if fit.certificate.status.solved:
        assert [type(b) for b in fit.model.factors] == [type(f.model) for f in fits]
        assert fit.certificate.excess >= max(f.certificate.excess for f in fits)
    else:
        with pytest.raises(errors.NoDensityError, match="block 0"):
            _ = fit.model


def test_a_batch_of_products_is_a_loop() -> None:
    y = np.stack([np.stack([X, N], -1), np.stack([np.ones(40), np.zeros(40)], -1)])
    fit = mlece.fit(mlece.Product("gaussian", "poisson"), y)
    assert fit.certificate.status.tolist() == [Status.OPTIMAL, Status.UNBOUNDED]
    alone = mlece.fit(mlece.Product("gaussian", "poisson"), y[0])
    assert fit.params["mean[0]"][0] == alone.params["mean[0]"]
    assert fit.params["rate[1]"][1] == 0


def test_every_product_of_a_batch_ends_in_its_own_law() -> None:
    flat, heavy = np.linspace(-1, 1, 40), np.tan(np.linspace(-1.5, 1.5, 40))
    y = np.stack([np.stack(pair, -1) for pair in ((flat, heavy), (heavy, flat), (flat, flat))])
    fit = mlece.fit(mlece.Product("studentt", "studentt"), y)
    for r, laws in enumerate(("gt", "tg", "gg")):
        wanted = [{"g": Gaussian, "t": mlece.StudentT}[c] for c in laws]
        assert [type(b) for b in fit[r].model.factors] == wanted
        alone = [mlece.fit("studentt", y[r, :, j]) for j in range(2)]
        excess = sum(f.certificate.excess for f in alone)
        assert fit[r].cross_entropy == pytest.approx(sum(f.cross_entropy for f in alone))
        assert excess <= fit[r].certificate.excess < 1e-8


BAD: dict[str, tuple[Any, str]] = {
    "unlike vectors": (lambda: Mixture(mlece.Dirichlet(), "mvn"), "one dominating measure"),
    "vectors cut": (lambda: mlece.Truncated(Mixture("mvn", size=2), lower=0), "model of numbers"),
    "atoms cut": (lambda: mlece.Truncated(ATOMS, lower=0), "without atoms"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_nest_is_refused(name: str) -> None:
    call, word = BAD[name]
    with pytest.raises(errors.ParameterError, match=word):
        call()
