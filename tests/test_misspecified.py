"""Pseudo-true analyses, truths known by their draws, ledgers of every kind, reverse projections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.diagnostics.ledger_expected import exact
from mlece.quantities import Entropy, Population
from mlece.sources.drawn import tail_index

HERE = Path(__file__).parent / "reference"
PAIRS: dict[str, Any] = json.loads((HERE / "pseudo_true.json").read_text(encoding="utf-8"))
N = 20_000


def drawn(law: mlece.Model, **options: Any) -> Any:
    """Return a law as a truth that is known by its draws alone."""
    given = {
        "log_density": law.log_density,
        "sample": lambda size, g: law.sample(size, rng=g),
        "support": law.support,
        "n": N,
        "name": type(law).__name__,
    }
    return mlece.truth(**(given | options))


# -------------------------------------------------------------------------------- pseudo-true


@pytest.mark.parametrize(
    ("name", "truth", "model"),
    [
        ("exponential(rate=2.0)->gaussian", mlece.Exponential(2), "gaussian"),
        ("gamma(2.0,1)->exponential", mlece.Gamma(2, 1), "exponential"),
        ("student_t(6)->gaussian", mlece.StudentT(6, 0, 1), "gaussian"),
        ("poisson(3.0)->geometric0", mlece.Poisson(3), "geometric"),
    ],
)
def test_analyses_have_the_closed_forms(name: str, truth: mlece.Model, model: str) -> None:
    known, found = PAIRS[name], mlece.pseudo_true(model, truth)
    assert found.entropy == pytest.approx(float(known["H_true"]), rel=1e-9)
    assert found.cross_entropy == pytest.approx(float(known["cross_entropy"]), rel=1e-9)
    assert found.gap == pytest.approx(float(known["KL"]), rel=1e-9)
    ratio = found.variance_ratio
    sandwich = np.linalg.inv(found.a) @ found.b @ np.linalg.inv(found.a)
    naive = np.linalg.inv(found.a)
    assert list(ratio.values()) == pytest.approx(np.diag(sandwich) / np.diag(naive), rel=1e-9)
    assert found.trace == pytest.approx(np.trace(naive @ found.b), rel=1e-9)
    assert found.draws is None
    assert type(found.fit.family).__name__ in str(found)


def test_the_matrices_are_in_the_units_of_the_parameters() -> None:
    # A and B of a Gaussian under an exponential law of rate 2, in (mean, sd): sd = 1/2.
    found = mlece.pseudo_true("gaussian", mlece.Exponential(2))
    assert found.a == pytest.approx(np.diag([4.0, 8.0]), abs=1e-9)
    assert found.b == pytest.approx(4 * np.array([[1.0, 2.0], [2.0, 8.0]]), abs=1e-9)


def test_infinite_variances_are_told() -> None:
    found = mlece.pseudo_true("gaussian", mlece.StudentT(df=3, loc=0, scale=1))
    assert found.variance_ratio["sd"] == np.inf
    assert found.trace == np.inf
    assert np.isfinite(found.gap)
    assert "√n(sd) is infinite" in str(found)


def test_infinite_cross_entropies_are_told() -> None:
    found = mlece.pseudo_true("gaussian", mlece.StudentT(df=1.5, loc=0, scale=1))
    assert found.cross_entropy == np.inf
    assert found.gap == np.inf
    assert np.isnan(found.params["sd"])
    assert "too heavy" in str(found)


def test_ends_of_the_support_have_no_sandwich() -> None:
    found = mlece.pseudo_true("uniform", mlece.Beta(2, 2))
    assert found.params == {"lower": 0.0, "upper": 1.0}
    assert "no sandwich" in str(found)


def test_a_right_model_has_no_gap() -> None:
    found = mlece.pseudo_true("gaussian", mlece.Gaussian(1, 2))
    assert found.gap == 0.0
    assert found.trace == pytest.approx(2.0)
    assert "are right here" in str(found)


def test_data_are_no_truth() -> None:
    with pytest.raises(mlece.errors.ComparisonError, match="known distribution"):
        mlece.pseudo_true("gaussian", [1.0, 2.0, 4.0])


# -------------------------------------------------------------------------------- truths by draws


def test_monte_carlo_numbers_are_within_their_errors() -> None:
    law, model = mlece.Gamma(3, 2), mlece.Gaussian(1, 1)
    truth = drawn(law)
    for measure in (mlece.cross_entropy, mlece.kl_divergence):
        found, known = measure(truth, model), measure(law, model)
        assert 0 < found.se < 0.05
        assert abs(found - known) < 4 * found.se
        bits = measure(truth, model, units="bits")
        assert bits == pytest.approx(found / np.log(2))
        assert bits.se == pytest.approx(found.se / np.log(2))
    entropy = mlece.entropy(truth)
    assert isinstance(entropy, Entropy)
    assert abs(entropy - mlece.entropy(law)) < 4 * entropy.se


def test_estimates_are_within_their_monte_carlo_errors() -> None:
    law = mlece.Gamma(3, 2)
    found, known = (mlece.pseudo_true("gaussian", t) for t in (drawn(law), law))
    se = found.fit.standard_errors()
    for p in known.params:
        assert abs(found.params[p] - known.params[p]) < 4 * se[p]
        # Sandwich over √N: what quadrature says per observation.
        assert se[p] == pytest.approx(known.fit.standard_errors()[p] / np.sqrt(N), rel=0.1)
    assert abs(found.gap - known.gap) < 4 * found.gap.se
    assert found.draws == N
    assert f"{N:,} draws" in str(found)


def test_prints_of_fits_say_monte_carlo() -> None:
    fit = mlece.fit("gaussian", drawn(mlece.Gamma(3, 2)))
    assert "Monte Carlo se" in str(fit)
    assert "Monte Carlo mean over 20,000 draws" in str(fit)
    assert isinstance(fit.cross_entropy, Population)
    assert fit.cross_entropy.se > 0
    with pytest.raises(mlece.errors.ComparisonError, match="known distribution"):
        fit.aic  # noqa: B018


def test_counts_are_truths_too() -> None:
    law = mlece.Geometric(0.3)
    found, known = (mlece.pseudo_true("poisson", t) for t in (drawn(law), law))
    assert abs(found.gap - known.gap) < 4 * found.gap.se


def test_heavy_tails_of_draws_are_told() -> None:
    found = mlece.pseudo_true("gaussian", drawn(mlece.StudentT(3, 0, 1)))
    assert "cannot be trusted" in str(found)
    assert found.cross_entropy.se == np.inf


def test_tail_indices() -> None:
    g = np.random.default_rng(0)
    # The index of a Pareto law with exponent α is 1/α; 3√N terms give it to about 0.1.
    assert tail_index(g.pareto(4.0, 100_000)) == pytest.approx(0.25, abs=0.15)
    assert tail_index(g.pareto(1.5, 100_000)) > 0.5
    assert tail_index(g.normal(size=100_000)) < 0.2
    assert tail_index(np.ones(2000)) == 0.0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"log_density": lambda y: 0.1 - y}, mlece.errors.DataError, "normalised"),
        ({"log_density": lambda y: np.log(2) - 2 * y}, mlece.errors.DataError, "sampler"),
        ({"log_density": lambda y: -y - 1e3 * (y > 5) / 0.0}, mlece.errors.DataError, "finite"),
        ({"sample": lambda n, g: g.normal(size=n)}, mlece.errors.SupportError, "draws in"),
        ({"sample": lambda n, g: np.ones((n, 2))}, mlece.errors.DataError, "shape"),
        ({"log_density": None}, mlece.errors.NoDensityError, "sampler alone"),
    ],
    ids=["not normalised", "another law", "infinite", "outside", "shape", "no density"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pairs_that_do_not_fit_together_are_refused(
    options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        mlece.entropy(drawn(mlece.Exponential(1), **options))


def test_requests_that_make_no_sense_are_refused() -> None:
    with pytest.raises(mlece.errors.ParameterError, match="1,000"):
        drawn(mlece.Exponential(1), n=10)
    with pytest.raises(mlece.errors.DataTypeError, match="function as sample"):
        mlece.truth(sample=[1.0])  # type: ignore[arg-type]
    truth = drawn(mlece.Exponential(1))
    with pytest.raises(mlece.errors.ComparisonError, match="measure"):
        mlece.fit("poisson", truth)
    with pytest.raises(mlece.errors.ComparisonError, match="measure"):
        mlece.cross_entropy(truth, mlece.Poisson(2))
    with pytest.raises(mlece.errors.DataError, match="no weights"):
        mlece.fit("gaussian", truth, weights=[1.0])
    with pytest.raises(mlece.errors.SupportError):
        mlece.fit("exponential", drawn(mlece.Gaussian(0, 1)))


# -------------------------------------------------------------------------------- ledgers


def test_estimated_ledgers_add_up_and_agree_with_the_gap() -> None:
    y = mlece.Exponential(1).sample(300, rng=2)
    fit = mlece.fit("gaussian", y)
    found = fit.ledger(replicates=99)
    assert found.floor + found.approximation + found.estimation == pytest.approx(
        float(found.total), rel=1e-12
    )
    assert found.estimation == pytest.approx(fit.trace / 600, rel=1e-12)
    assert found.optimism == pytest.approx(2 * found.estimation, rel=1e-12)
    assert found.approximation == fit.gap(replicates=99).value
    # The truth: H = 1, a gap of 0.41894.
    assert abs(found.floor - 1.0) < 4 * found.se["floor"]
    assert abs(found.approximation - 0.41894) < 4 * found.se["approximation"]
    assert all(v > 0 for v in found.se.values())
    assert "estimated from 300 observations" in str(found)
    ax, _ = found.plot()
    assert "estimated from data" in ax.get_title(loc="left")


def test_estimated_ledgers_of_counts_with_weights() -> None:
    y = np.random.default_rng(0).poisson(3, 200)
    values, counts = np.unique(y, return_counts=True)
    whole = mlece.ledger(mlece.fit("poisson", y), replicates=99)
    table = mlece.ledger(mlece.fit("poisson", values, weights=counts), replicates=99)
    assert table.total == pytest.approx(float(whole.total), rel=1e-12)
    assert table.estimation == pytest.approx(whole.estimation, rel=1e-9)


@pytest.mark.parametrize(
    ("truth", "model", "n", "value"),
    [
        (mlece.Exponential(2), "exponential", 5, 0.1466797559977),
        (mlece.Rayleigh(2), "rayleigh", 10, 0.0602786071837861),
        (mlece.Laplace(1, 2), mlece.Laplace(loc=1), 10, 0.0602786071837861),
        (mlece.Weibull(2, 3), mlece.Weibull(shape=2), 50, 0.0103748312650527),
        (mlece.Gaussian(1, 2), "gaussian", 8, 0.258431139762676),
        (mlece.Gaussian(1, 2), "gaussian", 50, 0.0221783522319154),
    ],
    ids=["exponential", "rayleigh", "laplace", "weibull", "gaussian 8", "gaussian 50"],
)
def test_expected_ledgers_in_closed_form(
    truth: mlece.Model, model: Any, n: int, value: float
) -> None:
    found = mlece.ledger(truth, model, n=n)
    assert found.estimation == pytest.approx(value, rel=1e-12)
    assert found.approximation == pytest.approx(0.0, abs=1e-12)
    assert found.se == {}


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (mlece.Gamma(2, 1), mlece.Exponential()),
        (mlece.Exponential(1), mlece.Gaussian(sd=2)),
        (mlece.Gaussian(0, 3), mlece.Gaussian()),
        (mlece.Laplace(0, 1), mlece.Laplace(loc=0)),
    ],
    ids=["gamma to exponential", "fixed variance", "gaussian", "laplace"],
)
def test_closed_forms_are_what_simulation_finds(truth: mlece.Model, model: mlece.Model) -> None:
    # Members with a kink are integrated one by one.
    n, many = 12, 200 if model.has("_breakpoints") else 4000
    found = mlece.ledger(truth, model, n=n)
    fits = mlece.fit(model, truth.sample((many, n), rng=4))
    account = mlece.ledger(truth, fits)
    for term in ("estimation", "total", "optimism"):
        values = np.asarray(getattr(account, term))
        se = values.std(ddof=1) / np.sqrt(many)
        assert abs(values.mean() - float(getattr(found, term))) < 4 * se


def test_the_optimism_of_a_wrong_exponential_is_that_of_its_trace() -> None:
    # Exactly 1/(na − 1): tr(A⁻¹B)/n = 1/(na) in the limit.
    assert mlece.ledger(mlece.Gamma(2, 1), "exponential", n=20).optimism == pytest.approx(1 / 39)


def test_expected_ledgers_by_simulation() -> None:
    found = mlece.ledger(mlece.Exponential(1), "gaussian", n=100, replicates=400)
    assert "simulated 400 times" in str(found)
    # tr(A⁻¹B)/(2n) = 0.025 to first order.
    assert abs(found.estimation - 0.025) < 4 * found.se["estimation"] + 0.003
    assert found.total == pytest.approx(found.floor + found.approximation + found.estimation)
    again = mlece.ledger(mlece.Exponential(1), "gaussian", n=100, replicates=400)
    assert again.estimation == found.estimation


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (mlece.Poisson(3), "poisson"),
        (mlece.Bernoulli(0.3), "bernoulli"),
        (mlece.Uniform(0, 1), "uniform"),
    ],
    ids=["poisson", "bernoulli", "uniform"],
)
def test_expectations_that_are_infinite_at_every_n(truth: mlece.Model, model: str) -> None:
    found = mlece.ledger(truth, model, n=40)
    assert found.estimation == np.inf
    assert found.optimism == np.inf
    assert found.approximation == pytest.approx(0.0, abs=1e-12)


def test_no_closed_form_is_claimed_where_none_is_known() -> None:
    best = mlece.fit("exponential", mlece.Weibull(2, 1))
    assert exact(mlece.Weibull(2, 1), best, 10) is None
    moved = mlece.fit(mlece.Laplace(loc=1), mlece.Laplace(0, 1))
    assert exact(mlece.Laplace(0, 1), moved, 10) is None


def test_ledgers_under_a_truth_known_by_its_draws() -> None:
    law = mlece.Exponential(1)
    y = law.sample(80, rng=1)
    fit = mlece.fit("gaussian", y)
    found, known = mlece.ledger(drawn(law), fit), mlece.ledger(law, fit)
    for term in ("floor", "approximation", "estimation", "total"):
        assert abs(float(getattr(found, term)) - float(getattr(known, term))) < 4 * found.se[term]
    batch = mlece.ledger(drawn(law), mlece.fit("gaussian", y.reshape(2, 40)))
    assert np.shape(batch.estimation) == (2,)
    average = mlece.ledger(drawn(law), "gaussian", n=50, replicates=49)
    assert average.se["total"] > average.se["estimation"]


def test_optimism_of_one_fit_is_total_less_in_sample() -> None:
    y = mlece.Exponential(1).sample(50, rng=1)
    fit = mlece.fit("gaussian", y)
    found = mlece.ledger(mlece.Exponential(1), fit)
    assert found.optimism == pytest.approx(float(found.total) - float(fit.cross_entropy))
    assert (
        mlece.ledger(mlece.Exponential(1), mlece.fit("gaussian", mlece.Exponential(1))).optimism
        is None
    )


def test_ledgers_that_make_no_sense_are_refused() -> None:
    truth = mlece.Exponential(1)
    with pytest.raises(mlece.errors.DataTypeError, match="sample size"):
        mlece.ledger(truth, "gaussian")
    with pytest.raises(mlece.errors.ParameterError, match="replicates"):
        mlece.ledger(truth, "gaussian", n=0)
    with pytest.raises(mlece.errors.ComparisonError):
        mlece.ledger(mlece.fit("gaussian", truth))
    with pytest.raises(mlece.errors.ComparisonError, match="ledger"):
        mlece.ledger(mlece.fit("gaussian", drawn(truth)))
    with pytest.raises(mlece.errors.NoDensityError, match="without a minimiser"):
        mlece.ledger(truth, "gaussian", n=1, replicates=19)


# -------------------------------------------------------------------------------- the reverse projection


def divergence_of_gaussian_from_laplace(sd: float) -> float:
    """KL(N(0, s²) ‖ Laplace(0, 1)) = log 2 + s√(2/π) − ½ log(2πe s²)."""
    return float(np.log(2) + sd * np.sqrt(2 / np.pi) - 0.5 * np.log(2 * np.pi * np.e * sd**2))


def test_a_reverse_projection_in_closed_form() -> None:
    found = mlece.reverse_projection("gaussian", mlece.Laplace(0, 1))
    assert len(found.minima) == 1
    sd = np.sqrt(np.pi / 2)
    assert found.best.params["mean"] == pytest.approx(0.0, abs=1e-5)
    assert found.best.params["sd"] == pytest.approx(sd, rel=1e-5)
    assert found.best.divergence == pytest.approx(divergence_of_gaussian_from_laplace(sd), rel=1e-9)
    assert found.forward.params["sd"] == pytest.approx(np.sqrt(2))


def test_modes_are_minima_of_the_reverse_divergence_alone() -> None:
    two = mlece.Mixture(mlece.Gaussian(-4, 1), mlece.Gaussian(4, 1), **{"weight[1]": 0.3})
    found = mlece.reverse_projection("gaussian", two)
    means = sorted(m.params["mean"] for m in found.minima)
    assert means[0] == pytest.approx(-4, abs=0.05)
    assert means[-1] == pytest.approx(4, abs=0.05)
    # Where the components hardly overlap KL(q ‖ p*) tends to −log of the weight of the mode.
    assert found.best.divergence == pytest.approx(-np.log(0.7), abs=0.01)
    assert found.forward.params["mean"] == pytest.approx(-1.6)
    for m in found.minima:
        for step in (-0.02, 0.02):
            for name in ("mean", "sd"):
                moved = mlece.Gaussian(**(m.params | {name: m.params[name] + step}))
                assert mlece.kl_divergence(moved, two) > m.divergence
    assert "local minima" in str(found)
    ax, drawn_numbers = found.plot()
    assert drawn_numbers.reverse.shape[0] == len(found.minima)
    assert len(ax.lines) == 1 + len(found.minima)


def test_a_right_model_is_its_own_projection() -> None:
    found = mlece.reverse_projection("poisson", mlece.Poisson(4))
    assert found.best.params["rate"] == pytest.approx(4.0, rel=1e-5)
    assert found.best.divergence == pytest.approx(0.0, abs=1e-9)


def test_reverse_projections_of_truths_known_by_draws() -> None:
    found = mlece.reverse_projection("gaussian", drawn(mlece.Laplace(0, 1)))
    # The density is known: only the forward projection is a Monte Carlo one.
    assert found.best.params["sd"] == pytest.approx(np.sqrt(np.pi / 2), rel=1e-3)
    assert found.forward_divergence.se > 0


def test_reverse_projections_that_do_not_exist_are_refused() -> None:
    with pytest.raises(mlece.errors.NoDensityError, match="infinite"):
        mlece.reverse_projection("gaussian", mlece.Exponential(1))
    with pytest.raises(mlece.errors.ComparisonError, match="ends of the support"):
        mlece.reverse_projection("uniform", mlece.Gaussian(0, 1))
    with pytest.raises(mlece.errors.ComparisonError, match="known distribution"):
        mlece.reverse_projection("gaussian", [1.0, 2.0, 4.0])


# -------------------------------------------------------------------------------- what is no truth


@pytest.mark.parametrize(
    ("truth", "match"),
    [
        ((stats.t(5).logpdf, lambda n, rng: rng.standard_t(5, n)), r"mlece\.truth"),
        (stats.gamma, "frozen"),
        (mlece.Gamma, "filled slots"),
    ],
    ids=["pair", "scipy", "family"],
)
def test_what_is_meant_as_a_truth_is_told_how_to_be_one(truth: Any, match: str) -> None:
    for ask in (mlece.fit, mlece.pseudo_true):
        with pytest.raises(mlece.MleceError, match=match):
            ask("gaussian", truth)


def test_a_fit_to_a_truth_has_no_interval() -> None:
    with pytest.raises(mlece.MleceError, match="known distribution"):
        mlece.fit("gaussian", mlece.Gamma(3, 2)).interval()


def test_parameters_by_draws_show_their_errors() -> None:
    found = mlece.pseudo_true("gaussian", drawn(mlece.Gamma(3, 2)))
    assert str(found).count(" ± ") == 6


def test_a_ledger_without_a_best_member_says_so() -> None:
    heavy = mlece.StudentT(df=1.5, loc=0, scale=1)
    assert "none is best" in str(mlece.ledger(heavy, "gaussian", n=20))
