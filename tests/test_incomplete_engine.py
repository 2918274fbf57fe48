"""Probabilities of intervals and their derivatives; the nonparametric estimate; comparing; drawing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece.cli import main
from mlece.combinators.cells import Runs, masses
from mlece.combinators.compose import engine
from mlece.combinators.counted import masses_of_counts
from mlece.combinators.incomplete import incomplete
from mlece.model import Model
from mlece.refits.bootstrap import resampled
from mlece.refits.nonparametric import _self_consistent, nonparametric
from mlece.reports.export import comparison_json

mpmath = pytest.importorskip("mpmath")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

INF = np.inf
# Without a closed cdf, with one, on a half line with a pole at its end, counts with light and heavy tails.
LAWS: list[Model] = [
    mlece.NormalInverseGaussian(**{p.name: np.mean(p.typical) for p in mlece.NormalInverseGaussian.params}),
    mlece.JohnsonSU(loc=0.3, scale=1.2, a=-0.4, b=1.3),
    mlece.SkewNormal(loc=0.2, scale=1.5, shape=3.0),
    mlece.Gamma(shape=0.3, rate=0.7),
    mlece.Weibull(shape=1.7, scale=3.0),
    mlece.StudentT(df=4, loc=1, scale=2),
    mlece.Poisson(rate=3.2),
    mlece.PoissonInverseGaussian(mean=3.0, dispersion=1.5),
    mlece.Skellam(**{p.name: np.mean(p.typical) for p in mlece.Skellam.params}),
    mlece.YuleSimon(**{p.name: np.mean(p.typical) for p in mlece.YuleSimon.params}),
]  # fmt: skip
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda m: type(m).__name__)


def _intervals(law: Model) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals of every kind, overlapping and nested, far out and narrow."""
    q = law.quantile([0.001, 0.2, 0.21, 0.5, 0.8, 0.999])
    lower = np.array([-INF, q[1], q[1], q[0], q[4], q[5], -INF, q[3]])
    upper = np.array([q[1], q[2], q[4], q[5], q[5], INF, q[0], q[3] + 1e-4])
    if law.support.discrete:
        upper = np.floor(np.maximum(upper, lower + 1.0))
        lower = np.floor(lower)
    return lower[None], upper[None]


def _theta(law: Model) -> tuple[np.ndarray, ...]:
    return tuple(np.reshape(t, (1, 1)) for t in law.theta)


@every_law
def test_probabilities_of_intervals(law: Model) -> None:
    lower, upper = _intervals(law)
    with np.errstate(all="ignore"):
        found = masses(engine(type(law)), Runs.of(lower, upper), _theta(law))
        assert found is not None
        # Differences of probabilities of order one are good to their rounding.
        wanted = law.cdf(upper[0]) - np.where(np.isinf(lower[0]), 0.0, law.cdf(lower[0]))
    np.testing.assert_allclose(np.exp(found[0, 0]), wanted, rtol=1e-10, atol=3e-14)


@every_law
def test_derivatives_are_those_of_the_probabilities(law: Model) -> None:
    lower, upper = _intervals(law)
    runs, model, theta = Runs.of(lower, upper), engine(type(law)), _theta(law)

    def at(*moved: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = masses(model, runs, moved)
        assert found is not None
        return found[:, 0]

    k = len(theta)
    centre = at(*theta)
    for j in range(k):
        # Fourth order: the error of the formula is about h^4, that of rounding 1e-14 / h.
        h = 1e-3 * max(abs(theta[j].item()), 0.1)
        moved = [at(*[t + m * h * (i == j) for i, t in enumerate(theta)]) for m in (-2, -1, 1, 2)]
        slopes = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * h)
        np.testing.assert_allclose(centre[1 + j], slopes[0], rtol=1e-8, atol=1e-8)
        pairs = [(i, m) for i in range(k) for m in range(i, k)]
        for row, (i, m) in enumerate(pairs, start=1 + k):
            if j in (i, m):
                other = m if j == i else i
                np.testing.assert_allclose(
                    centre[row], slopes[1 + other], rtol=1e-7, atol=1e-7, err_msg=f"{i}, {m}"
                )


def test_far_tails_keep_their_digits() -> None:
    lower, upper = np.array([[30.0, 20.0, -INF]]), np.array([[31.0, 20.0 + 1e-9, -38.0]])
    theta = (np.zeros((1, 1)), np.ones((1, 1)))
    found = masses(engine(mlece.Gaussian), Runs.of(lower, upper), theta)
    assert found is not None
    mp = mpmath.mp
    for j, (a, b) in enumerate(zip(lower[0].tolist(), upper[0].tolist(), strict=True)):
        with mpmath.workdps(60):
            # By symmetry the lower tail is an upper one.
            side = -1 if b < 0 else 1
            low, high = sorted((mp.mpf(side * a), mp.mpf(side * b)))
            mass = (mp.erfc(low / mp.sqrt(2)) - mp.erfc(high / mp.sqrt(2))) / 2
            slope = side * float((mp.npdf(low) - mp.npdf(high)) / mass)
            log_mass = float(mp.log(mass))
        assert found[0, 0, j] == pytest.approx(log_mass, rel=1e-14)
        assert found[1, 0, j] == pytest.approx(slope, rel=1e-13)


def test_members_of_a_batch_are_independent() -> None:
    law = mlece.Gamma(shape=2.0, rate=1.0)
    lower, upper = _intervals(law)
    lowers, uppers = np.concatenate([lower, lower + 0.1]), np.concatenate([upper, upper + 0.2])
    theta = (np.array([[2.0], [0.4]]), np.array([[1.0], [3.0]]))
    model = engine(mlece.Gamma)
    both = masses(model, Runs.of(lowers, uppers), theta)
    assert both is not None
    for r in range(2):
        one = masses(model, Runs.of(lowers[[r]], uppers[[r]]), tuple(t[[r]] for t in theta))
        assert one is not None
        np.testing.assert_allclose(both[:, r], one[:, 0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "law",
    [
        mlece.Laplace(loc=0, scale=1),
        mlece.GEV(loc=0, scale=1, shape=0.2),
        mlece.Beta(alpha=2, beta=0.3),
    ],
    ids=lambda m: type(m).__name__,
)
def test_kinks_and_ends_that_move_are_left_to_differences(law: Model) -> None:
    runs = Runs.of(np.array([[0.1]]), np.array([[0.5]]))
    assert masses(engine(type(law)), runs, _theta(law)) is None


def test_left_censored_observations_have_a_probability() -> None:
    # A formula of a cdf need not hold at minus infinity.
    for law in (mlece.SkewNormal(0, 1, 2), mlece.ExGaussian(0, 1, 2)):
        assert law.sf(-INF) == 1.0
        assert law.cdf(-INF) == 0.0


# ---------------------------------------------------------------------------- without a family


def _right_censored(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x, c = rng.weibull(2, n), rng.exponential(1.5, n)
    return np.round(np.minimum(x, c), 2) + 0.01, x <= c, rng.uniform(0, 0.2, n)


def test_kaplan_meier_is_scipys() -> None:
    from scipy.stats import CensoredData, ecdf

    time, event, _ = _right_censored(300)
    found = nonparametric(mlece.right_censored(time, event).values)
    other = ecdf(CensoredData.right_censored(time, ~event)).sf
    at = np.searchsorted(other.quantiles, found.upper)
    np.testing.assert_allclose(found.survival, other.probabilities[at], atol=1e-14)


def test_self_consistency_is_the_product_limit() -> None:
    time, event, _ = _right_censored(80)
    values = mlece.right_censored(time, event).values
    limit, iterated = nonparametric(values), _self_consistent(values, np.ones(80))
    assert iterated.excess < 1e-8
    here = np.searchsorted(iterated.upper, limit.upper)
    # The excess of the likelihood is of second order in the masses.
    np.testing.assert_allclose(iterated.survival[here], limit.survival, atol=1e-5)


def test_late_entries_are_not_at_risk_before() -> None:
    # By hand: at 2 one of two, at 3 one of two (the third entered at 2.5), at 5 the last.
    data = mlece.right_censored([2.0, 3, 5], [1, 1, 1], [0, 0, 2.5])
    assert nonparametric(data.values).survival.tolist() == [0.5, 0.25, 0.0]


def test_groups_show_their_frequencies() -> None:
    data = mlece.grouped([0, 1, 2, 4], [5, 3, 2])
    found = nonparametric(data.values, data.counts)
    np.testing.assert_allclose(found.mass, [0.5, 0.3, 0.2], atol=1e-9)
    assert found.upper.tolist() == [1, 2, 4]


def test_overlapping_intervals() -> None:
    # Peto (1973): mass gathers where a left end is followed by a right end.
    found = nonparametric(mlece.censored([0.0, 1, 2, 4], [3.0, 5, 6, 7]).values)
    assert (found.lower.tolist(), found.upper.tolist()) == ([2, 4], [3, 5])
    # One observation needs the first cell, one the second, two hold both: halves.
    np.testing.assert_allclose(found.mass, [0.5, 0.5], atol=1e-6)


# ---------------------------------------------------------------------------- comparing


def test_comparison_without_a_floor() -> None:
    rng = np.random.default_rng(9)
    x = 10 * rng.weibull(2.5, 300)
    data = mlece.right_censored(np.minimum(x, 11.0), x < 11.0)
    found = mlece.compare(["exponential", "weibull", "gaussian", "uniform"], data)
    assert found.ranked[0].name in ("Weibull", "Gaussian")
    assert found.ranked[-1].name == "Exponential"
    assert found.best is found.rows[0].fit
    assert found.rows[-1].name == "Uniform"
    assert found.rows[-1].rank is None
    assert np.isnan(found.floor)
    assert "no entropy floor" in str(found).replace("\n", " ")
    last = found.ranked[-1]
    assert last.fit is not None
    by_hand = last.fit.cross_entropy + last.estimation
    by_hand -= found.best.cross_entropy + found.rows[0].estimation
    assert last.excess == pytest.approx(by_hand, rel=1e-12)
    assert last.behind == pytest.approx(
        (last.held_out - found.rows[0].held_out) / last.se, rel=1e-12
    )
    assert last.behind > 2
    json.dumps(comparison_json(found))


def test_standard_error_of_a_difference_by_hand() -> None:
    time, event = np.array([1.0, 2, 3, 5, 8]), np.array([1, 1, 0, 1, 0])
    found = mlece.compare(["exponential", "gamma"], mlece.right_censored(time, event))
    logs = []
    for row in found.ranked:
        assert row.fit is not None
        law = row.fit.model
        logs.append(np.where(event == 1, law.log_density(time), law.log_sf(time)))
    se = np.std(logs[0] - logs[1]) / np.sqrt(5)
    assert found.rows[1].se == pytest.approx(se, rel=1e-9)


def test_everyday_families_are_tried() -> None:
    found = mlece.compare(mlece.grouped([0, 1, 2, 4, 8], [12, 9, 7, 3]))
    assert {"Gamma", "Weibull", "LogNormal"} <= {r.name for r in found.rows}


# ---------------------------------------------------------------------------- drawing and typing


def test_survival_is_drawn_over_the_nonparametric_estimate() -> None:
    time, event, entry = _right_censored(60)
    late = np.minimum(entry, time / 2)
    fit = mlece.fit("weibull", mlece.right_censored(time, event, late))
    ax, drawn = fit.plot()
    assert len(ax.get_lines()) == 2
    np.testing.assert_allclose(
        drawn.curve, fit.model.sf(drawn.curve_x) / fit.model.sf(drawn.start), rtol=1e-12
    )
    inside = np.isfinite(drawn.band_lower)
    assert inside.any()
    assert np.all(drawn.band_lower[inside] <= drawn.survival[inside])
    assert np.all(drawn.band_upper[inside] >= drawn.survival[inside])
    matplotlib.pyplot.close(ax.figure)


def test_groups_are_drawn_as_boxes() -> None:
    fit = mlece.fit("gamma", mlece.grouped([0, 1, 2, 4, INF], [12, 9, 7, 3]))
    ax, drawn = fit.plot()
    np.testing.assert_allclose(drawn.survival, 1 - np.cumsum([12, 9, 7, 3]) / 31, atol=1e-9)
    assert np.isnan(drawn.band_lower).all()
    matplotlib.pyplot.close(ax.figure)
    bars, _ = mlece.compare(["gamma", "weibull"], mlece.grouped([0, 1, 2, 4], [12, 9, 7])).plot()
    assert "the nearest" in bars.get_title(loc="left")
    matplotlib.pyplot.close(bars.figure)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "times.csv"
    file.write_text("days,died,start\n5,1,0\n8,0,2\n12,1,3\n14,1,0\n", encoding="utf-8")
    asked = ["fit", str(file), "--model", "exponential", "--column", "days"]
    assert main([*asked, "--event", "died", "--entry", "start", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # Events over time at risk.
    assert found["parameters"]["rate"]["estimate"] == pytest.approx(3 / 34, rel=1e-9)
    file.write_text("lo,hi\n-inf,3\n1,2\n2,5\n4,inf\n3,3\n", encoding="utf-8")
    ends = ["--lower", "lo", "--upper", "hi"]
    assert main(["fit", str(file), "--model", "gaussian", *ends]) == 0
    assert "lo to hi" in capsys.readouterr().out
    assert main(["compare", str(file), "--models", "gaussian,logistic", *ends]) == 0
    assert "no entropy floor" in capsys.readouterr().out.replace("\n", " ")
    assert main(["fit", str(file), "--model", "gaussian", "--lower", "lo"]) == 2
    assert "--lower and --upper together" in capsys.readouterr().err


def test_counts_above_their_entry() -> None:
    # Y > 3 is known of all: {4, 5, ...}, also where the observation is "3 or more".
    data = mlece.censored([4, 5, 3, 7], [4, 5, INF, 7], 3)
    fit = mlece.fit("poisson", data)
    law = fit.model
    by_hand = [law.log_density(y) - law.log_sf(3) for y in (4, 5, 7)]
    assert fit.cross_entropy == pytest.approx(-sum(by_hand) / 4, rel=1e-12)


def test_observations_that_may_lie_anywhere_change_nothing() -> None:
    one = mlece.fit("weibull", mlece.right_censored([0, 2.0, 3], [0, 1, 1])).params
    assert one == pytest.approx(mlece.fit("weibull", [2.0, 3]).params, rel=1e-9)


def test_a_family_is_made_once() -> None:
    assert incomplete(mlece.Gamma) is incomplete(mlece.Gamma)


# ---------------------------------------------------------------------------- simulated samples


def test_parametric_bootstrap_of_censored_times() -> None:
    time, event, entry = _right_censored(300)
    fit = mlece.fit("weibull", mlece.right_censored(time, event, np.minimum(entry, time / 2)))
    drawn = fit.covariance("bootstrap", resampling="parametric", replicates=999, rng=5)
    # The spread of 999 replicates is known to 2.2 %, and is that of theory up to terms in 1/n.
    np.testing.assert_allclose(
        np.sqrt(np.diag(drawn)), list(fit.standard_errors("hessian").values()), rtol=0.12
    )
    settings: dict[str, Any] = {"method": "bootstrap", "resampling": "parametric", "rng": 5}
    low, high = fit.interval(**settings)["shape"]
    assert low < fit.params["shape"] < high


def test_parametric_bootstrap_of_a_batch_records_each_as_it_was() -> None:
    # One sample is complete, one has lost half of its times.
    time = np.random.default_rng(3).weibull(2, (2, 40))
    lost = np.array([np.zeros(40, dtype=bool), np.arange(40) % 2 == 0])
    fit = mlece.fit("exponential", mlece.right_censored(time, ~lost))
    (refits,) = resampled(fit, np.arange(2), 200, np.random.default_rng(1), "parametric")
    values = refits.sample.values.reshape(2, 200, 40, 3)
    shares = (values[..., 0] != values[..., 1]).mean(axis=(1, 2))
    assert shares[0] == 0
    assert 0.3 < shares[1] < 0.7


def test_parametric_bootstrap_of_groups_and_of_responses_with_covariates() -> None:
    grouped = mlece.fit("exponential", mlece.grouped([0, 1, 2, 4, INF], [12, 9, 7, 3]))
    (refits,) = resampled(grouped, np.arange(1), 50, np.random.default_rng(1), "parametric")
    assert refits.sample.values.shape == (50, 31, 3)
    assert set(np.unique(refits.sample.values[..., 0])) <= {-INF, 0, 1, 2, 4}
    x = np.repeat([0.0, 1.0], 20)
    time = np.random.default_rng(3).exponential(np.exp(x))
    data = mlece.right_censored(np.minimum(time, 1.5), time < 1.5)
    fit = mlece.fit(mlece.Exponential(rate="x"), data, given={"x": x})
    (refits,) = resampled(fit, np.arange(1), 50, np.random.default_rng(1), "parametric")
    assert (refits.sample.values[..., -1] == np.arange(40)).all()


def test_overlapping_intervals_tell_no_mechanism() -> None:
    fit = mlece.fit("exponential", mlece.censored([0.0, 1, 2, 4], [3.0, 5, 6, 7]))
    with pytest.raises(mlece.errors.ComparisonError, match="cells side by side"):
        fit.interval(method="bootstrap", resampling="parametric")


# Counts of either end of the support, with light and heavy tails; an interval of each kind far out.
COUNTED = [law for law in LAWS if law.support.discrete]
COUNTED += [
    mlece.NegativeBinomial(size=0.7, mean=140.0),
    mlece.Binomial(n=60, p=0.3),
    mlece.Delaporte(mean=4.0, dispersion=0.5, share=0.4),
    mlece.DoublePoisson(mu=9.0, dispersion=1.7),
]


@pytest.mark.parametrize("law", COUNTED, ids=lambda m: type(m).__name__)
def test_counts_with_laws_of_their_own_are_those_of_one_law(law: Model) -> None:
    lower, upper = _intervals(law)
    own = tuple(np.repeat(t, lower.size, axis=0) for t in _theta(law))
    with np.errstate(all="ignore"):
        wanted = masses(engine(type(law)), Runs.of(lower, upper), _theta(law))
    assert wanted is not None
    # A cell holds its upper end alone.
    found, known = masses_of_counts(engine(type(law)), lower[0] + 1, upper[0], own, 1 << 16)
    assert known.all()
    # What the complement of a heavy tail has lost, each of the two has lost in its own way.
    np.testing.assert_allclose(found, wanted[:, 0], rtol=1e-10, atol=1e-10)


def test_far_tails_of_counts_keep_their_digits() -> None:
    ends = [(900.0, INF), (2000.0, 2004.0), (-INF, 3.0), (0.0, 40.0), (41.0, INF)]
    sizes, means = (
        np.array([[0.8, 2.0, 9.0, 0.01, 3.0]]).T,
        np.array([[60.0, 90.0, 80.0, 7.0, 35.0]]).T,
    )
    low, high = np.array(ends).T
    found, known = masses_of_counts(
        engine(mlece.NegativeBinomial), low, high, (sizes, means), 1 << 16
    )
    assert known.all()

    def log_mass(a: float, b: float, size: Any, mean: Any) -> Any:
        """Return log P(a <= Y <= b) by the incomplete beta function."""
        below, p = mpmath.mpf(0), size / (size + mean)
        if b == INF:
            return mpmath.log(mpmath.betainc(a, size, 0, 1 - p, regularized=True))
        if a > 0:
            below = mpmath.betainc(size, a, 0, p, regularized=True)
        return mpmath.log(mpmath.betainc(size, b + 1, 0, p, regularized=True) - below)

    with mpmath.workdps(60):
        for row, (a, b) in enumerate(ends):
            at = mpmath.mpf(sizes[row, 0]), mpmath.mpf(means[row, 0])
            orders = [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
            wanted = [
                mpmath.diff(lambda s, m, a=a, b=b: log_mass(a, b, s, m), at, order)
                if any(order)
                else log_mass(a, b, *at)
                for order in orders
            ]
            np.testing.assert_allclose(
                found[:, row], np.array(wanted, dtype=float), rtol=1e-11, atol=1e-13
            )


@pytest.mark.parametrize(
    "model",
    [
        mlece.Poisson(rate="x"),
        mlece.NegativeBinomial(mean="x"),
        mlece.Binomial(n=12, p="x"),
        mlece.Geometric(p="x"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_censored_counts_whose_predictor_runs_off(model: Model) -> None:
    rng = np.random.default_rng(0)
    x = np.repeat([0.0, 1.0], 20)
    y = np.where(x > 0, 0.0, np.minimum(rng.poisson(3.0, 40), 5))
    complete = mlece.fit(model, y, given={"x": x})
    # Exact observations, and those of one group known to be 0 or 1: any mean that falls to 0 fits them.
    for upper in (y, y + (x > 0)):
        fit = mlece.fit(model, mlece.censored(y, upper), given={"x": x})
        assert fit.certificate.status is complete.certificate.status is mlece.Status.NOT_ATTAINED
        # The plateau is reached to the square root of the rounding.
        assert fit.cross_entropy == pytest.approx(complete.cross_entropy, abs=1e-7)


def test_draws_of_laws_without_a_quantile_of_their_own() -> None:
    law = mlece.Truncated(
        mlece.PoissonInverseGaussian(mean=[2.0, 9.0], dispersion=0.5), lower=[1, 2]
    )
    y = law.sample((3, 4), rng=1)
    assert y.shape == (2, 3, 4)
    flat = law.sample(12, rng=1)
    np.testing.assert_array_equal(y.reshape(2, 12), flat)


# ---------------------------------------------------------------------------- what a law says of them


def _of_all_kinds(law: Model) -> np.ndarray:
    """Return triples: exact, in an interval, open on either side, entered late."""
    low, middle, high = law.quantile([0.2, 0.5, 0.8])
    ends = [(middle, middle), (low, high), (middle, INF), (-INF, high), (high, high), (middle, INF)]
    entries = [-INF, -INF, -INF, -INF, low, low]
    return np.array([(a, b, e) for (a, b), e in zip(ends, entries, strict=True)])


MIXED = mlece.Mixture(mlece.Gaussian(), mlece.Laplace()).member(0.3, -1.0, 0.5, 1.0, 2.0)


@pytest.mark.parametrize("law", [*LAWS, MIXED], ids=lambda m: type(m).__name__)
def test_densities_and_scores_of_members(law: Model) -> None:
    y, hidden = _of_all_kinds(law), incomplete(type(law))
    one = hidden(**law.slots, **law.settings)
    value = one.log_density(y)
    # The law of complete observations is the oracle, each formula in its own units.
    entered, first = law.log_sf(y[:, 2]), y[:, 0] - law.support.discrete
    expected = [
        law.log_density(y[0, 0]),
        np.log(law.cdf(y[1, 1]) - law.cdf(first[1])),
        law.log_sf(first[2]),
        law.log_cdf(y[3, 1]),
        law.log_density(y[4, 0]) - entered[4],
        law.log_sf(first[5]) - entered[5],
    ]
    # Laws without a cdf: quadrature by two different rules, 1e-12 of probabilities above 0.1.
    assert value == pytest.approx(np.array(expected), rel=1e-10, abs=1e-10)
    score = one.score(y)
    assert score.shape == (len(y), len(law.params))
    batch = hidden(**{k: np.broadcast_to(v, (2, 3)) for k, v in law.slots.items()}, **law.settings)
    assert batch.log_density(y).shape == (2, 3, len(y))
    assert batch.log_density(y) == pytest.approx(np.broadcast_to(value, (2, 3, len(y))), rel=1e-12)
    own = np.broadcast_to(y, (2, 3, *y.shape))
    assert batch.score(own) == pytest.approx(np.broadcast_to(score, (2, 3, *score.shape)), rel=1e-9)
    assert batch.score(y) == pytest.approx(batch.score(own), rel=1e-12)


def test_score_of_a_member_is_its_slope() -> None:
    law = mlece.Gamma(shape=2.3, rate=0.7)
    y, hidden = _of_all_kinds(law), incomplete(mlece.Gamma)
    score = hidden(**law.slots).score(y)
    for j, (name, value) in enumerate(law.slots.items()):
        up, down = (hidden(**{**law.slots, name: value + h}).log_density(y) for h in (1e-6, -1e-6))
        # Central differences: 1e-12 of truncation, 1e-10 of rounding.
        assert score[:, j] == pytest.approx((up - down) / 2e-6, abs=1e-8)


def test_members_of_incomplete_observations_want_triples() -> None:
    law = incomplete(mlece.Gamma)(2.0, 1.0)
    with pytest.raises(mlece.errors.DataError, match=r"triples \(lower, upper, entry\)"):
        law.score([1.0, 2.0])
    with pytest.raises(mlece.errors.DataError, match="numbers"):
        law.log_density([[1.0, np.nan, -INF]])
