"""Universal inference: errors under right models, power, certified gaps, every kind of law, refusals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

import mlece
from mlece.diagnostics.library import bare, forecasts, mixed
from mlece.diagnostics.suprema import best_member
from mlece.fits.fitting import fit_sample, resolve
from mlece.math import Array
from mlece.randomness import stream
from mlece.sample import Sample

SAMPLES = 40
# One rival for each model: what makes a false alarm likelier is left to benchmarks/universal.py.
RIVALS = {
    "gaussian": ["laplace"],
    "exponential": ["gamma"],
    "uniform": ["gaussian"],
    "poisson": ["negativebinomial"],
}
MIXTURE_GAP = 0.4189385332046727  # KL of an exponential law from the Gaussians, ½ log 2π − ½


def draws(name: str, n: int, samples: int = SAMPLES) -> list[Array]:
    g = np.random.default_rng(n)
    law = {
        "gaussian": lambda: g.normal(2.0, 3.0, n),
        "exponential": lambda: g.exponential(2.0, n),
        "uniform": lambda: g.uniform(-1.0, 3.0, n),
        "poisson": lambda: g.poisson(3.0, n),
        "two": lambda: g.normal(size=n) + 4.0 * (g.random(n) < 0.5),
    }[name]
    return [law() for _ in range(samples)]


# -------------------------------------------------------------------------------- right models


@pytest.mark.parametrize("name", ["gaussian", "exponential", "uniform", "poisson"])
@pytest.mark.parametrize("n", [20, 100])
def test_right_models_are_rejected_in_a_share_alpha_at_most(name: str, n: int) -> None:
    found = [mlece.universal_test(name, y, alternatives=RIVALS[name]) for y in draws(name, n)]
    hits = sum(f.rejected for f in found)
    # 5 % of the samples and 3 standard errors of that; benchmarks/universal.py has the long run.
    assert hits <= 0.05 * SAMPLES + 3 * np.sqrt(0.05 * 0.95 * SAMPLES)


@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_the_mean_of_e_is_at_most_one_under_a_right_model(name: str) -> None:
    found = [mlece.universal_test(name, y, alternatives=RIVALS[name]) for y in draws(name, 40)]
    e = np.array([f.e for f in found])
    assert e.mean() <= 1.0 + 3.0 * e.std(ddof=1) / np.sqrt(SAMPLES)


@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_right_models_survive_every_look(name: str) -> None:
    found = [
        mlece.universal_sequence(name, y, looks=8, alternatives=RIVALS[name])
        for y in draws(name, 80)
    ]
    hits = sum(f.stopped is not None for f in found)
    assert hits <= 0.05 * SAMPLES + 3 * np.sqrt(0.05 * 0.95 * SAMPLES)


# -------------------------------------------------------------------------------- wrong models


@pytest.mark.parametrize(("name", "n", "power"), [("exponential", 100, 0.43), ("two", 100, 0.175)])
def test_power_is_that_of_one_kernel_and_one_gaussian_at_least(
    name: str, n: int, power: float
) -> None:
    few = 20
    hits = sum(mlece.universal_test("gaussian", y).rejected for y in draws(name, n, few))
    # In the long run 1 and 0.705 (benchmarks/universal.py): five standard errors of 20 samples above.
    assert hits / few >= power


def test_a_wrong_model_is_found_out_before_the_data_end() -> None:
    found = mlece.universal_sequence("gaussian", mlece.Exponential(rate=1).sample(400, rng=1))
    assert found.stopped is not None
    assert found.stopped < 100
    assert f"rejected after {found.stopped}" in str(found)


def test_evidence_grows_at_the_rate_of_the_gap() -> None:
    # log e / n0 tends to KL(p* ‖ q_θ*), per observation of a half.
    y = mlece.Exponential(rate=1).sample(20_000, rng=2)
    found = mlece.universal_test("gaussian", y, cross=False)
    # The standard deviation of log p*/q_θ* is below 1.2: three standard errors.
    assert found.log_e / 10_000 == pytest.approx(MIXTURE_GAP, abs=3 * 1.2 / 100)


# -------------------------------------------------------------------------------- certified gaps


@pytest.mark.parametrize(
    ("model", "law", "gap"),
    [
        ("gaussian", "exponential", MIXTURE_GAP),
        ("exponential", "exponential", 0.0),
        ("gaussian", "gaussian", 0.0),
        ("poisson", "poisson", 0.0),
    ],
)
def test_lower_bounds_lie_below_the_gap(model: str, law: str, gap: float) -> None:
    rivals = ["exponential"] if law != model else RIVALS[model]
    found = [mlece.gap_bound(model, y, alternatives=rivals) for y in draws(law, 200)]
    allowed = 0.05 * SAMPLES + 3 * np.sqrt(0.05 * 0.95 * SAMPLES)
    # The gap of a member is that of the family at least.
    assert sum(f.family > gap for f in found) <= allowed
    assert all(f.member >= 0 and f.family >= 0 for f in found)


def test_members_are_bounded_by_their_own_gap() -> None:
    truth = mlece.Exponential(rate=1)
    y = truth.sample(4_000, rng=5)
    found = mlece.gap_bound("gaussian", y)
    assert 0 < found.member < found.family < MIXTURE_GAP
    assert found.estimate == pytest.approx(MIXTURE_GAP, abs=4 * found.se)
    assert "nats" in str(found)
    assert "bits" in found.text("bits")


# -------------------------------------------------------------------------------- what e is made of


def test_the_supremum_is_not_below_any_member() -> None:
    y = mlece.StudentT(df=3, loc=0, scale=1).sample(50, rng=0)
    model = resolve("studentt")
    best = best_member(model, y)
    assert "certified locally" in best.remark
    assert best.supremum >= mlece.StudentT(3, 0, 1).log_density(y).sum()
    above = best_member(model, y, lambda x: np.zeros(x.shape))
    assert above.supremum == max(best.supremum, 0.0)


def test_e_is_the_learned_over_the_best_likelihood() -> None:
    y = mlece.Gamma(shape=2, rate=1).sample(61, rng=3)
    found = mlece.universal_test("exponential", y, cross=False, rng=7, alternatives=["gamma"])
    g = stream(7)
    order = g.permutation(61)
    learning, testing = y[order[:30]], y[order[30:]]
    q = mixed(mlece.Exponential(), learning, g, [mlece.Gamma()])
    top = -31 * float(mlece.fit("exponential", testing).cross_entropy)
    assert found.log_e == pytest.approx(float(q.log_density(testing).sum()) - top, rel=1e-12)
    assert found.p_value == min(1.0, float(np.exp(-found.log_e)))


def test_unbounded_likelihoods_are_no_evidence() -> None:
    found = mlece.universal_test("gaussian", np.ones(20))
    assert found.log_e == -np.inf
    assert found.e == 0.0
    assert found.p_value == 1.0
    sequence = mlece.universal_sequence("gaussian", np.ones(20), looks=3)
    assert sequence.stopped is None
    assert mlece.gap_bound("gaussian", np.ones(20)).family == 0.0


def test_impossible_observations_are_infinite_evidence() -> None:
    # A two-point law that its first half cannot tell from one point: no e is NaN.
    y = np.r_[np.zeros(30), np.ones(30)]
    for model in ("bernoulli", "poisson", "uniform"):
        assert not np.isnan(mlece.universal_test(model, y).log_e)


def test_a_saturated_family_is_never_rejected() -> None:
    for seed in range(5):
        labels = np.random.default_rng(seed).choice(list("abc"), 60)
        assert mlece.universal_test("categorical", labels).log_e <= 0.0


def test_weights_are_repetitions() -> None:
    values, counts = np.unique(draws("poisson", 80)[0], return_counts=True)
    whole = mlece.universal_test("poisson", np.repeat(values, counts))
    assert mlece.universal_test("poisson", values, weights=counts).log_e == whole.log_e
    bound = mlece.gap_bound("poisson", np.repeat(values, counts))
    assert mlece.gap_bound("poisson", values, weights=counts).estimate == bound.estimate


def test_the_same_seed_splits_alike() -> None:
    y = draws("two", 60)[0]
    assert mlece.universal_test("gaussian", y, rng=1) == mlece.universal_test("gaussian", y, rng=1)


# -------------------------------------------------------------------------------- learned densities


@pytest.mark.parametrize(
    ("model", "y", "ends"),
    [
        (mlece.Gaussian(), np.random.default_rng(0).normal(size=40), (-12.0, 12.0)),
        (mlece.Exponential(), np.random.default_rng(0).gamma(2.0, size=40), (0.0, 60.0)),
        (mlece.Exponential(), np.r_[0.0, np.random.default_rng(0).gamma(2.0, size=40)], (0, 60)),
        (mlece.Beta(), np.random.default_rng(0).beta(2, 3, size=40), (0.0, 1.0)),
        (mlece.VonMises(), np.random.default_rng(0).vonmises(3, 3, 40), (-np.pi, np.pi)),
    ],
    ids=["line", "half line", "touching the end", "interval", "circle"],
)
def test_what_is_learned_has_a_mass_of_one_at_most(
    model: mlece.Model, y: Array, ends: tuple[float, float]
) -> None:
    # More would make e-values of nothing.
    density = bare(model, y)
    inside = sorted(set(np.clip(y, *ends).tolist()))[::5]
    mass = quad(lambda x: np.exp(density(np.array([x]))[0]), *ends, points=inside, limit=400)[0]
    assert 0.9 < mass <= 1.0 + 1e-7


def test_atoms_and_density_share_the_mass() -> None:
    g = np.random.default_rng(1)
    y = np.where(g.random(60) < 0.4, 0.0, g.gamma(2.0, size=60))
    model = mlece.Inflated(mlece.Exponential(), at=0)
    density = bare(model, y)
    atom = float(np.exp(density(np.zeros(1))[0]))
    rest = quad(lambda x: np.exp(density(np.array([x]))[0]), 1e-9, 60.0, limit=400)[0]
    assert atom == pytest.approx((np.sum(y == 0) + 0.5) / 61)
    assert 0.95 < atom + rest <= 1.0 + 1e-7
    found = mlece.universal_test(model, np.tile(y, 5) + 0.0)
    assert np.isfinite(found.log_e)


def test_atoms_unseen_so_far_keep_a_share_for_themselves() -> None:
    y = np.random.default_rng(1).gamma(2.0, size=30)
    density = bare(mlece.Inflated(mlece.Exponential(), at=0), y)
    assert density(np.zeros(1))[0] == -np.inf


def test_counts_have_a_mass_below_one() -> None:
    y = draws("poisson", 50)[0].astype(float)
    density = bare(mlece.Poisson(), y)
    assert np.exp(density(np.arange(60.0))).sum() < 1.0


def test_forecasts_read_nothing_that_comes_later() -> None:
    y = np.random.default_rng(4).gamma(2.0, size=40)
    marks = [10, 20, 30, 40]
    for family in (mlece.Gamma(), mlece.Gaussian(), None):
        found = forecasts(mlece.Gaussian(), family, y, marks)
        for j, (start, stop) in enumerate(pairwise(marks)):
            if family is None:
                alone = bare(mlece.Gaussian(), y[:start])(y[start:stop]).sum()
            else:
                fit = fit_sample(family, Sample(y[None, :start], None, ()))
                alone = fit.model.log_density(y[start:stop]).sum()
            assert found[j] == pytest.approx(alone, rel=1e-9)


def test_a_family_is_given_up_where_it_cannot_produce_the_data() -> None:
    y = np.random.default_rng(4).gamma(2.0, size=40)
    y[25] = -1.0
    found = forecasts(mlece.Gaussian(), mlece.Gamma(), y, [10, 20, 30, 40])
    assert np.isfinite(found[0])
    assert found[1:].tolist() == [-np.inf, -np.inf]
    before = forecasts(mlece.Gaussian(), mlece.Gamma(), y[:20], [10, 20])
    assert found[0] == pytest.approx(before[0], rel=1e-12)


# -------------------------------------------------------------------------------- refusals


def test_refusals() -> None:
    y = draws("gaussian", 40)[0]
    with pytest.raises(mlece.errors.DataError, match="one sample"):
        mlece.universal_test("gaussian", [y, y])
    with pytest.raises(mlece.errors.DataError, match="at least 8"):
        mlece.universal_test("gaussian", y[:7])
    with pytest.raises(mlece.errors.DataError, match="whole numbers"):
        mlece.universal_test("gaussian", y, weights=np.full(40, 0.5))
    with pytest.raises(mlece.errors.ParameterError, match="between 1 and 10 looks"):
        mlece.universal_sequence("gaussian", y, looks=11)
    with pytest.raises(mlece.errors.ComparisonError, match="Poisson, counting"):
        mlece.universal_test("gaussian", y, alternatives=["poisson"])
    with pytest.raises(mlece.errors.MleceError, match="level"):
        mlece.gap_bound("gaussian", y, level=2.0)
    with pytest.raises(mlece.errors.DataError, match="one sample"):
        mlece.universal_test(mlece.MultivariateGaussian(), np.stack([y, y], axis=1))


def test_incomplete_observations_are_told_of_other_tests() -> None:
    times = mlece.right_censored(np.arange(1.0, 21.0), np.arange(20) % 3 > 0)
    for ask in (mlece.universal_test, mlece.gap_bound, mlece.universal_sequence):
        with pytest.raises(mlece.MleceError, match="goodness_of_fit"):
            ask("weibull", times)


def test_zeros_that_come_first_do_not_settle_what_can_come() -> None:
    # Counts in order: the first stretches teach rate 0, and a first 1 is a surprise, not impossible.
    y = np.sort(mlece.Poisson(0.7).sample(200, rng=1))
    found = mlece.universal_sequence("poisson", y)
    assert np.isfinite(found.log_e).all()
    assert found.stopped is None
    # It costs, and the evidence grows again where the model is wrong from then on.
    mixed = np.concatenate([np.zeros(40), mlece.NegativeBinomial(0.5, 9.0).sample(160, rng=1)])
    assert mlece.universal_sequence("poisson", mixed).stopped is not None


def test_lost_evidence_is_explained() -> None:
    y = np.concatenate([np.ones(20), mlece.Gaussian(0, 1).sample(40, rng=1)])
    found = mlece.universal_sequence("gaussian", y, looks=8)
    assert found.log_e[-1] == -np.inf
    assert "Between observation 21 and 27 came one that no density learned from" in str(found)


def test_unseen_counts_share_half_an_observation() -> None:
    seen = np.array([0.0, 0.0, 1.0])
    for model, points in (
        (mlece.Poisson(), np.arange(4000.0)),
        (mlece.Skellam(), np.arange(-4000.0, 4000.0)),
        (mlece.Binomial(n=5), np.arange(6.0)),
    ):
        masses = np.exp(bare(model, seen)(points))
        assert masses[points == 0][0] == pytest.approx(2.5 / 4.5)
        assert (masses > 0).all()
        # What the law of unseen counts gives to those seen is lost: at most 1/9 here.
        assert 1 - 1 / 9 <= masses.sum() <= 1
