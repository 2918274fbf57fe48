"""What a fit may come to: without an interior optimum there is a status and a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import xlogy

import mlece
from mlece import errors
from mlece.limits import Status
from mlece.model import Model
from mlece.registry import registered

m = mlece
inf = math.inf
FAMILIES = {
    c.__name__: c for c in registered().values() if c.__module__.startswith("mlece.families")
}
CONTINUOUS = sorted(n for n, c in FAMILIES.items() if not c.support.discrete)
# One equal value is an ordinary sample for a family whose members cannot gather at a point.
SHAPELESS = {n for n, c in FAMILIES.items() if not c.collapsible}
SHAPELESS |= {n for n in CONTINUOUS if sum(p.estimable for p in FAMILIES[n].params) == 1}
BOUNDED = {n for n in CONTINUOUS if FAMILIES[n].support.upper < inf}
COVERAGE_ERRORS = 4.0  # standard errors allowed to a simulated coverage
REPLICATES = 20_000


def no_minimiser(fit: mlece.Fit, status: Status, *words: str) -> None:
    assert fit.certificate.status is status
    assert not status.solved
    for word in words:
        assert word in fit.certificate.sentence
    with pytest.raises(mlece.MleceError):
        _ = fit.model
    with pytest.raises(errors.NotRegularError):
        fit.covariance()
    assert fit.certificate.sentence in str(fit.certificate)


def at_boundary(fit: mlece.Fit, *words: str) -> None:
    assert fit.certificate.status is Status.BOUNDARY
    for word in words:
        assert word in fit.certificate.sentence
    assert fit.certificate.excess <= 1e-13 * (1 + abs(float(fit.cross_entropy)))
    assert fit.model.known


# ---------------------------------------------------------------------------- equal observations


@pytest.mark.parametrize("name", sorted(set(CONTINUOUS) - SHAPELESS))
@pytest.mark.parametrize("value", [0.3, 1 / 3, 0.1])
@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_equal_observations(name: str, value: float, n: int) -> None:
    fit = mlece.fit(FAMILIES[name](), [value] * n)
    no_minimiser(fit, Status.UNBOUNDED, "every observation")
    assert float(fit.cross_entropy) == -inf
    assert fit.certificate.excess == inf


@pytest.mark.parametrize("name", sorted(set(CONTINUOUS) - SHAPELESS - BOUNDED))
@pytest.mark.parametrize("value", [1e-300, 7.0, 1e300])
def test_equal_observations_at_any_scale(name: str, value: float) -> None:
    no_minimiser(mlece.fit(FAMILIES[name](), [value] * 5), Status.UNBOUNDED)


@pytest.mark.parametrize("name", sorted(set(CONTINUOUS) - SHAPELESS))
def test_equal_observations_in_a_batch_spoil_no_other(name: str) -> None:
    rng = np.random.default_rng(2)
    y = rng.uniform(0.2, 0.8, (3, 40))
    y[1] = 0.3
    fit = mlece.fit(FAMILIES[name](), y)
    assert [s.name for s in fit.certificate.status][1] == "UNBOUNDED"
    for r in (0, 2):
        alone = mlece.fit(FAMILIES[name](), y[r])
        assert alone.certificate.status is fit.certificate.status[r]
        np.testing.assert_allclose(fit.cross_entropy[r], alone.cross_entropy, rtol=1e-12)
    # The first without a fitted member is named; a neighbour may have none for reasons of its own.
    with pytest.raises(mlece.MleceError, match=r"member [012]"):
        _ = fit.model


def test_equal_observations_with_the_spread_known() -> None:
    for model, key in (
        (m.Gaussian(sd=2), "mean"),
        (m.Laplace(scale=2), "loc"),
        (m.StudentT(df=3, scale=2), "loc"),
        (m.LogNormal(sdlog=2), "meanlog"),
        (m.Logistic(scale=2), "loc"),
    ):
        fit = mlece.fit(model, [3.0] * 4)
        assert fit.certificate.status is Status.OPTIMAL
        expected = math.log(3.0) if key == "meanlog" else 3.0
        assert fit.params[key] == pytest.approx(expected, rel=1e-12)


def test_a_known_shape_makes_equal_observations_ordinary() -> None:
    assert mlece.fit(m.Gamma(shape=2), [4.0] * 3).params["rate"] == pytest.approx(0.5, rel=1e-14)
    assert mlece.fit(m.Weibull(shape=2), [4.0] * 3).params["scale"] == pytest.approx(4.0, rel=1e-14)
    assert mlece.fit(m.Exponential(), [4.0] * 3).params["rate"] == pytest.approx(0.25, rel=1e-14)


@pytest.mark.parametrize("model", [m.Exponential(), m.HalfNormal(), m.Lomax(), m.Gompertz()])
def test_all_zero_durations(model: Model) -> None:
    no_minimiser(mlece.fit(model, [0.0, 0.0]), Status.UNBOUNDED, "every observation is 0")


# ---------------------------------------------------------------------------- counts


@pytest.mark.parametrize(
    ("model", "data", "key", "value", "word"),
    [
        (m.Bernoulli(), [0, 0, 0], "p", 0.0, "0"),
        (m.Bernoulli(), [1, 1, 1], "p", 1.0, "1"),
        (m.Poisson(), [0, 0, 0], "rate", 0.0, "0"),
        (m.Geometric(), [0, 0, 0], "p", 1.0, "0"),
        (m.Binomial(n=4), [0, 0], "p", 0.0, "0"),
        (m.Binomial(n=4), [4, 4], "p", 1.0, "succeeded"),
        (m.NegativeBinomial(), [0, 0, 0], "mean", 0.0, "0"),
    ],
)
@pytest.mark.parametrize("solver", ["auto", "newton", "scipy"])
def test_all_zeros_and_all_ones(
    model: Model, data: list[int], key: str, value: float, word: str, solver: str
) -> None:
    fit = mlece.fit(model, data, solver=solver)
    at_boundary(fit, word)
    assert fit.params[key] == value
    assert float(fit.cross_entropy) == 0.0
    assert float(fit.model.density(data[0])) == 1.0


UNDERDISPERSED = [[1, 1, 1], [2, 3, 2, 3], [0, 1, 2], [5], [3, 4], [0, 2], [1, 3]]


@pytest.mark.parametrize("data", UNDERDISPERSED, ids=str)
@pytest.mark.parametrize("solver", ["auto", "newton", "scipy"])
def test_underdispersed_counts_have_a_poisson_limit(data: list[int], solver: str) -> None:
    # Anscombe (1950), Biometrika 37, 358-382: a finite size needs more variance than mean.
    assert np.var(data) <= np.mean(data)
    fit = mlece.fit(m.NegativeBinomial(), data, solver=solver)
    at_boundary(fit, "Poisson")
    assert fit.params["size"] == inf
    assert isinstance(fit.model, m.Poisson)
    limit = mlece.fit(m.Poisson(), data)
    assert fit.model.rate == pytest.approx(limit.params["rate"], rel=1e-15)
    assert float(fit.cross_entropy) == pytest.approx(float(limit.cross_entropy), rel=1e-14)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e5])
def test_barely_overdispersed_counts_still_have_a_size(size: float) -> None:
    # Weighted by a law of that size: the variance exceeds the mean by the factor 1 + 3/size.
    y = np.arange(400)
    fit = mlece.fit(m.NegativeBinomial(), y, weights=m.NegativeBinomial(size, 3).density(y))
    assert fit.certificate.status is Status.OPTIMAL
    # An error of 1e-16 in the variance moves the size by size^2 1e-16.
    assert fit.params["size"] == pytest.approx(size, rel=1e-9 + 1e-14 * size**2)


def test_a_batch_with_members_in_the_limit() -> None:
    y = np.array([[0, 1, 9, 4], [2, 3, 2, 3], [0, 0, 0, 0]])
    fit = mlece.fit(m.NegativeBinomial(), y)
    assert [s.name for s in fit.certificate.status] == ["OPTIMAL", "BOUNDARY", "BOUNDARY"]
    with pytest.raises(mlece.MleceError, match=r"fit\[i\]"):
        _ = fit.model
    assert isinstance(fit[0].model, m.NegativeBinomial)
    assert isinstance(fit[1].model, m.Poisson)


# ---------------------------------------------------------------------------- Beta


@pytest.mark.parametrize("data", [[0.0, 0.5, 0.7], [0.2, 1.0, 0.7], [0.0, 1.0], [0, 1, 1]])
@pytest.mark.parametrize("solver", ["auto", "newton", "scipy"])
def test_beta_data_at_an_end(data: list[float], solver: str) -> None:
    fit = mlece.fit(m.Beta(), data, solver=solver)
    no_minimiser(fit, Status.UNBOUNDED, "infinite")
    assert float(fit.cross_entropy) == -inf


def test_beta_data_at_an_end_where_a_slot_is_fixed() -> None:
    # alpha > 1 puts density 0 at 0, alpha = 1 neither 0 nor infinity.
    for solver in ("auto", "newton", "scipy"):
        zero = mlece.fit(m.Beta(alpha=2), [0.0, 0.5], solver=solver)
        assert float(zero.cross_entropy) == inf
        assert not zero.certificate.status.solved
        spike = mlece.fit(m.Beta(alpha=0.5), [0.0, 0.5], solver=solver)
        assert float(spike.cross_entropy) == -inf
    flat = mlece.fit(m.Beta(alpha=1), [0.0, 0.5])
    # Beta(1, b): -log b - (b - 1) mean log(1 - y), so b = -1 / mean log(1 - y).
    assert flat.params["beta"] == pytest.approx(2 / math.log(2), rel=1e-10)
    assert flat.certificate.status is Status.OPTIMAL


# ---------------------------------------------------------------------------- Student t


def test_student_on_light_tails_is_a_gaussian() -> None:
    y = np.linspace(-1, 1, 101)
    fit = mlece.fit(m.StudentT(), y)
    at_boundary(fit, "Gaussian")
    limit = mlece.fit(m.Gaussian(), y)
    assert isinstance(fit.model, m.Gaussian)
    assert fit.params["df"] == inf
    assert fit.params["loc"] == pytest.approx(limit.params["mean"], abs=1e-14)
    assert fit.params["scale"] == pytest.approx(limit.params["sd"], rel=1e-14)
    assert float(fit.cross_entropy) == float(limit.cross_entropy)


def test_student_with_a_slot_fixed_keeps_it_in_the_limit() -> None:
    fit = mlece.fit(m.StudentT(loc=0.25), np.linspace(-1, 1, 101))
    at_boundary(fit, "Gaussian")
    assert fit.model.mean == 0.25
    limit = mlece.fit(m.Gaussian(mean=0.25), np.linspace(-1, 1, 101))
    assert float(fit.cross_entropy) == pytest.approx(float(limit.cross_entropy), rel=1e-14)


@pytest.mark.parametrize("solver", ["scipy", "L-BFGS-B"])
def test_no_solver_calls_a_light_tailed_student_optimal(solver: str) -> None:
    fit = mlece.fit(m.StudentT(), np.linspace(-1, 1, 101), solver=solver)
    limit = mlece.fit(m.Gaussian(), np.linspace(-1, 1, 101))
    if fit.certificate.status is Status.OPTIMAL:
        assert fit.certificate.scope == "global"
        assert float(fit.cross_entropy) <= float(limit.cross_entropy) + fit.certificate.excess


@pytest.mark.parametrize(
    ("data", "df"),
    [
        # Kent and Tyler (1991), Annals of Statistics 19, 2102-2119: more mass than ν/(ν + 1)
        # at a point draws the scale to 0.
        ([0.0, 0.0, 0.0, 1.0], 1.0),
        ([0.0, 0.0, 0.0, 0.0, 1.0, 2.0], 1.5),
        ([5.0] * 9 + [6.0], 3.0),
    ],
)
def test_student_with_a_heavy_point(data: list[float], df: float) -> None:
    fit = mlece.fit(m.StudentT(df=df), data)
    assert not fit.certificate.status.solved
    assert fit.certificate.status is Status.UNBOUNDED
    assert float(fit.cross_entropy) == -inf


def test_student_with_free_df_never_claims_a_global_optimum() -> None:
    # Fernandez and Steel (1999), Biometrika 86, 153-167: unbounded as scale -> 0 at a data point
    # for ν < s/(n - s), whatever the data.
    y = np.random.default_rng(3).standard_t(4, 100)
    fit = mlece.fit(m.StudentT(), y)
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.certificate.scope == "local"


# ---------------------------------------------------------------------------- Laplace


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        ([1, 2], (1, 2)),
        ([4, 1, 2, 9], (2, 4)),
        ([0, 0, 1, 5, 5, 5], (1, 5)),
        ([1e9, 1e9 + 1], (1e9, 1e9 + 1)),
    ],
)
def test_laplace_has_an_interval_of_medians(data: list[float], ends: tuple[float, float]) -> None:
    fit = mlece.fit(m.Laplace(), data)
    assert fit.certificate.status is Status.NOT_UNIQUE
    assert fit.solution_set == {"loc": ends}
    assert fit.params["loc"] == sum(ends) / 2
    for loc in (*ends, fit.params["loc"]):
        same = m.Laplace(loc=loc, scale=fit.params["scale"])
        assert -np.mean(same.log_density(data)) == pytest.approx(
            float(fit.cross_entropy), rel=1e-14
        )
    outside = m.Laplace(loc=ends[1] + 0.1 * (ends[1] - ends[0]), scale=fit.params["scale"])
    assert -np.mean(outside.log_density(data)) > float(fit.cross_entropy)


@pytest.mark.parametrize("data", [[1, 2, 3], [4, 1, 4, 9], [2, 2, 2, 5, 0, 1]])
def test_laplace_with_one_median_has_no_set(data: list[float]) -> None:
    fit = mlece.fit(m.Laplace(), data)
    assert fit.solution_set is None
    assert fit.certificate.status is Status.OPTIMAL
    assert fit.params["loc"] == np.median(data)


def test_laplace_weights_that_split_in_halves() -> None:
    fit = mlece.fit(m.Laplace(), [1.0, 2.0, 3.0], weights=[0.1, 0.2, 0.3])
    assert fit.solution_set == {"loc": (2.0, 3.0)}
    none = mlece.fit(m.Laplace(), [1.0, 2.0, 3.0], weights=[0.1, 0.2, 0.31])
    assert none.solution_set is None


# ---------------------------------------------------------------------------- ends of the support


@pytest.mark.parametrize(
    ("model", "truth"),
    [
        (m.Uniform(), m.Uniform(-2, 3)),
        (m.Uniform(lower=-2), m.Uniform(-2, 3)),
        (m.Uniform(upper=3), m.Uniform(-2, 3)),
        (m.Pareto(), m.Pareto(3, 2)),
        (m.Pareto(scale=2), m.Pareto(3, 2)),
        (m.Pareto(shape=3), m.Pareto(3, 2)),
        (m.PowerFunction(), m.PowerFunction(3, 2)),
        (m.PowerFunction(scale=2), m.PowerFunction(3, 2)),
        (m.PowerFunction(shape=3), m.PowerFunction(3, 2)),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("n", "level"), [(2, 0.9), (5, 0.95), (50, 0.5)])
def test_exact_intervals_cover(model: Model, truth: Model, n: int, level: float) -> None:
    fit = mlece.fit(model, truth.sample((REPLICATES, n), rng=11))
    bounds = fit.interval(level=level, method="exact")
    assert tuple(bounds) == model.free
    for key, (low, high) in bounds.items():
        value = float(truth.slots[key])
        rate = np.mean((low <= value) & (value <= high))
        error = math.sqrt(level * (1 - level) / REPLICATES)
        assert abs(rate - level) <= COVERAGE_ERRORS * error, key


@pytest.mark.parametrize(
    "model", [m.Uniform(), m.Uniform(lower=0), m.Pareto(), m.Pareto(shape=2)], ids=repr
)
@pytest.mark.parametrize("kind", ["sandwich", "hessian", "fisher", "opg"])
def test_no_covariance_where_the_rate_is_not_root_n(model: Model, kind: str) -> None:
    fit = mlece.fit(model, [1.0, 2.0, 4.0])
    assert fit.certificate.status is Status.OPTIMAL
    with pytest.raises(errors.NotRegularError, match="end of the support"):
        fit.covariance(kind)
    with pytest.raises(errors.NotRegularError):
        fit.interval(method="wald")
    with pytest.raises(errors.NotRegularError):
        _ = fit.tic
    assert set(fit.interval()) == set(model.free)


def test_pareto_with_a_known_end_is_regular() -> None:
    fit = mlece.fit(m.Pareto(scale=1.0), [1.5, 2.0, 4.0])
    assert fit.standard_errors("hessian")["shape"] == pytest.approx(
        fit.params["shape"] / math.sqrt(3), rel=1e-12
    )


def test_exact_intervals_are_refused_elsewhere() -> None:
    with pytest.raises(errors.NoDensityError, match="wald"):
        mlece.fit(m.Gaussian(), [1.0, 2.0]).interval(method="exact")
    with pytest.raises(errors.NotRegularError, match="whole numbers"):
        mlece.fit(m.Uniform(), [1.0, 2.0], weights=[0.5, 1.5]).interval()


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (m.Uniform(lower=0, upper=1), [0.5, 2.0]),
        (m.Uniform(lower=1), [0.5, 2.0]),
        (m.Pareto(scale=1), [0.5, 2.0]),
        (m.Bernoulli(p=0), [0, 1]),
        (m.Poisson(rate=0), [0, 1]),
        (m.Categorical(p=[1, 0]), [0, 1]),
    ],
    ids=repr,
)
def test_infinite_for_every_member(model: Model, data: list[float]) -> None:
    fit = mlece.fit(model, data)
    assert float(fit.cross_entropy) == inf
    assert fit.certificate.status is Status.INFINITE


# ---------------------------------------------------------------------------- the simplex


@pytest.mark.parametrize("counts", [[3, 0, 5, 2], [1, 0, 0, 0], [10, 1, 1, 0], [7]], ids=str)
@pytest.mark.parametrize("solver", ["auto", "newton", "SLSQP"])
def test_karush_kuhn_tucker_report(counts: list[int], solver: str) -> None:
    # Theory: -p̂/q + λ - μ = 0, μ q = 0, λ = Σ p̂ = 1; an empty cell has μ = λ = 1.
    model = m.Categorical(labels=range(len(counts)))
    fit = mlece.fit(model, np.repeat(np.arange(len(counts)), counts), solver=solver)
    kkt, empty = fit.certificate.kkt, np.array(counts) == 0
    loose = 1e-6 if solver == "SLSQP" else 1e-12  # SLSQP stops at 1e-16 in value, its root in q
    assert kkt.multiplier == pytest.approx(1.0, abs=1e-12)
    assert kkt.cell_multipliers[empty] == pytest.approx(1.0, abs=1e-12)
    assert kkt.cell_multipliers[~empty] == pytest.approx(0.0, abs=1e-12)
    assert kkt.stationarity <= loose
    assert kkt.complementarity <= loose
    assert kkt.feasibility <= loose
    np.testing.assert_array_equal(fit.certificate.multipliers["p"], empty.astype(float))
    p = np.array(counts) / sum(counts)
    assert float(fit.cross_entropy) == pytest.approx(-float(xlogy(p, p).sum()), abs=1e-12)
    expected = Status.BOUNDARY if empty.any() else Status.OPTIMAL
    assert fit.certificate.status is expected
    assert ("empty cells" in fit.certificate.sentence) == bool(empty.any())
    if solver == "SLSQP":
        assert fit.notes["lambda"] == pytest.approx(1.0, abs=1e-6)


def test_zero_cells_have_no_variance_and_cost_infinity_out_of_sample() -> None:
    fit = mlece.fit(m.Categorical(labels="abc"), list("aabbb"))
    covariance = fit.covariance()
    assert not covariance[2].any()
    assert fit.model.log_density(["c"])[0] == -inf
    assert mlece.cross_entropy(m.Categorical(p=[0.3, 0.3, 0.4], labels="abc"), fit.model) == inf


# ---------------------------------------------------------------------------- reading them


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_a_sentence(status: Status) -> None:
    assert " " in status.value or status.value == "optimal"
    assert status.solved == (status.name in ("OPTIMAL", "BOUNDARY", "NOT_UNIQUE"))


def test_a_batch_tells_how_many_came_to_what() -> None:
    text = str(mlece.fit(m.Gaussian(), [[1.0, 2.0], [3.0, 3.0], [1.0, 5.0]]).certificate)
    assert "2 optimal" in text
    assert "1 unbounded" in text


@pytest.mark.parametrize("data", [[1.0, 2.0, 4.0], [3.0] * 4])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_every_fit_can_be_shown(name: str, data: list[Any]) -> None:
    fit = mlece.fit(FAMILIES[name](), [v / 10 for v in data])
    for text in (str(fit), repr(fit), str(fit.certificate)):
        assert name in text or fit.certificate.status.value in text
        assert "nan" not in text.lower()


# ---------------------------------------------------------------------------- declared categories


DECLARED = ("c", "a", "b")


@pytest.mark.parametrize(
    "data",
    [
        pd.Series(pd.Categorical(["a", "b", "a"], categories=DECLARED)),
        pd.Series(pd.Categorical(["a", "b", "a"], categories=DECLARED, ordered=True)),
        pd.Categorical(["a", "b", "a"], categories=DECLARED),
        pd.DataFrame({"g": pd.Categorical(["a", "b", "a"], categories=DECLARED)}),
        pl.Series(["a", "b", "a"], dtype=pl.Enum(DECLARED)),
    ],
    ids=["pandas", "ordered", "bare", "frame", "polars"],
)
def test_declared_categories_are_cells_seen_or_not(data: Any) -> None:
    fit = mlece.fit(m.Categorical(), data)
    assert fit.family.settings["labels"] == DECLARED
    at_boundary(fit, "multiplier 1")
    assert fit.params["p"] == pytest.approx([0, 2 / 3, 1 / 3])
    assert fit.certificate.multipliers["p"].tolist() == [1.0, 0.0, 0.0]
    assert fit.model.density(["a", "c"]) == pytest.approx([2 / 3, 0.0])


def test_a_column_of_a_frame_keeps_its_categories() -> None:
    frame = pd.DataFrame(
        {"g": pd.Categorical(["a", "b", "a"], categories=DECLARED), "n": [1, 2, 1]}
    )
    fit = mlece.fit("categorical", "g", weights="n", given=frame)
    assert fit.params["p"] == pytest.approx([0, 0.5, 0.5])


def test_what_declares_no_categories_has_those_it_shows() -> None:
    for data in (["a", "b"], pd.Series(["a", "b"]), pl.Series(["a", "b"], dtype=pl.Categorical)):
        assert mlece.fit(m.Categorical(), data).family.settings["labels"] == ("a", "b")
