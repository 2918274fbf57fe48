"""compare(): how data are read, which families are tried, and how they are ranked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import Gamma, Gaussian, Poisson, Weibull, datasets, errors
from mlece.candidates import candidates, read_kind
from mlece.comparisons.comparison import Comparison, compare
from mlece.domain import nonnegative, positive, real
from mlece.families.means import Reparametrised
from mlece.registry import registered
from mlece.reports.export import comparison_json
from mlece.reports.report import WIDTH

RNG = np.random.default_rng(7)
REAL = {"Gaussian", "Laplace", "Logistic", "Gumbel", "StudentT", "SkewNormal"}
HALF_LINE = {"Exponential", "Gamma", "Weibull", "LogNormal", "InverseGaussian", "LogLogistic"}
PROPORTIONS = {"Beta", "Kumaraswamy", "LogitNormal"}
COUNTS = {"Poisson", "Geometric", "NegativeBinomial", "DoublePoisson"}
# Left out: supports that move (Pareto, the power law), and constants that must be told.
EVERY_REAL, EVERY_HALF_LINE = (
    {
        c.__name__
        for c in registered().values()
        if c.support in supports
        and c.__module__.startswith("mlece.families")
        and not issubclass(c, Reparametrised)
        and all(p.regular and p.estimable for p in c.params)
    }
    for supports in ((real,), (positive, nonnegative))
)
EVERY_PROPORTION = PROPORTIONS | {"Power", "Simplex"}
EVERY_COUNT = COUNTS | {"GeneralizedPoisson", "PoissonInverseGaussian", "Sichel", "Delaporte"}


@pytest.fixture(scope="module")
def geyser() -> Comparison:
    return compare(data="waiting", given={"waiting": datasets.old_faithful().columns["waiting"]})


@pytest.mark.parametrize(
    ("values", "kind", "everyday", "every"),
    [
        ([-1.5, 2.0], "continuous", REAL, EVERY_REAL),
        ([1.5, 2.0], "continuous", REAL | HALF_LINE, EVERY_REAL | EVERY_HALF_LINE),
        ([0.0, 2.5], "continuous", REAL | HALF_LINE, EVERY_REAL | EVERY_HALF_LINE),
        (
            [0.2, 0.7],
            "continuous",
            REAL | HALF_LINE | PROPORTIONS,
            EVERY_REAL | EVERY_HALF_LINE | EVERY_PROPORTION,
        ),
        ([0, 2, 5], "counts", COUNTS, EVERY_COUNT),
        ([-2, 0, 5], "counts", {"Skellam"}, {"Skellam"}),
        ([0, 1, 1], "counts", {"Bernoulli"}, {"Bernoulli"}),
        (["a", "b"], "labels", {"Categorical"}, {"Categorical"}),
    ],
)
def test_candidates(values: list[Any], kind: str, everyday: set[str], every: set[str]) -> None:
    for rare, families in ((False, everyday), (True, every)):
        found = candidates(np.array(values), kind, rare)
        assert {type(m).__name__ for m in found} == families


def test_all_asks_for_every_family_that_fits() -> None:
    y = [0, 2, 1, 5, 3, 0, 1]
    assert {row.name for row in compare(data=y, replicates=19).rows} == COUNTS
    assert {row.name for row in compare("all", y, replicates=19).rows} == EVERY_COUNT


@pytest.mark.parametrize(
    ("values", "asked", "kind", "word"),
    [
        ([0, 1, 5], "auto", "counts", "read as counts"),
        ([3, 9], "auto", "counts", "read as counts"),
        ([4, 9], "auto", "continuous", "rounded to 1"),
        ([-1, 2], "auto", "continuous", "rounded to 1"),
        ([43.0, 96.0], "auto", "continuous", "rounded to 1"),
        (list(range(50, 200, 10)), "auto", "continuous", "rounded to 10"),
        ([43, 96], "counts", "counts", ""),
        ([0, 1, 1], "auto", "counts", ""),
        ([True, False], "auto", "counts", ""),
        ([0.5, 1], "auto", "continuous", ""),
        (["x", "y"], "auto", "labels", ""),
        ([1, 2], "labels", "labels", ""),
    ],
)
def test_kind_of_data(values: list[Any], asked: str, kind: str, word: str) -> None:
    found, said = read_kind(np.array(values), asked)
    assert found == kind
    assert word in said
    assert bool(word) == bool(said)


def test_rows_share_one_floor_and_are_in_order(geyser: Comparison) -> None:
    held_out = [row.held_out for row in geyser.ranked]
    assert held_out == sorted(held_out)
    assert [row.rank for row in geyser.ranked] == list(range(1, len(held_out) + 1))
    for row in geyser.ranked:
        assert row.gap is not None
        whole = geyser.floor + row.excess
        assert whole == pytest.approx(row.gap.cross_entropy + row.estimation, abs=1e-12)
        low, high = row.interval(0.95)
        assert 0 <= low <= max(row.excess, 0) <= high
    assert geyser.ranked[0].gap is not None
    assert geyser.ranked[0].excess == pytest.approx(geyser.ranked[0].gap.value)


def test_old_faithful_is_rounded_and_no_family_reaches_the_floor(geyser: Comparison) -> None:
    text = str(geyser)
    assert geyser.best.family == mlece.SkewNormal()
    assert 'Integers 43 to 96 read as measurements rounded to 1; kind="counts"' in text
    assert "families are misspecified" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(row.verdict == "misspecified" for row in geyser.ranked)
    # With two modes the best of the t family is its Gaussian limit.
    rest = [row for row in geyser.rows if row.gap is None]
    assert "StudentT" in [row.name for row in rest]
    assert "Gaussian" in rest[0].verdict


def test_a_right_family_is_not_rejected() -> None:
    kicks = datasets.horse_kicks()
    found = compare(None, kicks.values, weights=kicks.counts)
    by_name = {row.name: row for row in found.rows}
    assert found.n == 200
    assert by_name["Poisson"].verdict == "no evidence against it"
    assert by_name["Poisson"].rank == 1
    assert by_name["Geometric"].verdict == "misspecified"
    assert by_name["Poisson"].delta_aic == 0.0
    assert any(s.startswith("No evidence against: Poisson") for s in found.sentences)


def test_weights_are_replication() -> None:
    kicks = datasets.horse_kicks()
    table = compare(["poisson", "geometric"], kicks.values, weights=kicks.counts)
    long = compare(["poisson", "geometric"], np.repeat(kicks.values, kicks.counts))
    for a, b in zip(table.ranked, long.ranked, strict=True):
        assert (a.name, a.verdict) == (b.name, b.verdict)
        assert a.excess == pytest.approx(b.excess, abs=1e-12)
        assert a.behind == pytest.approx(b.behind, rel=1e-9)


def test_models_first_then_data_and_the_difference_has_a_standard_error() -> None:
    x = RNG.gamma(9.0, 1.0, 150)
    found = compare([Gamma(), mlece.LogNormal(), mlece.Exponential()], x, replicates=99)
    best = found.best.model
    for row in found.ranked[1:]:
        assert row.fit is not None
        d = best.log_density(x) - row.fit.model.log_density(x)
        z = (row.held_out - found.ranked[0].held_out) / (d.std() / np.sqrt(150))
        assert row.behind == pytest.approx(z)
        assert row.se == pytest.approx(d.std() / np.sqrt(150))
        assert row.tied == (z <= 1)
        assert row.tied == any(
            s.startswith("Not to be told from") and row.name in s for s in found.sentences
        )
    assert found.ranked[-1].name == "Exponential"
    assert found.ranked[-1].behind > 2


def test_same_seed_same_result() -> None:
    x = RNG.normal(size=60)
    assert str(compare([Gaussian()], x, rng=3)) == str(compare([Gaussian()], x, rng=3))


def test_excluded_models_are_listed_with_the_reason() -> None:
    found = compare([Gaussian(), Gamma()], [0.4, 1.0, -2.5, 3.1, 0.9, 1.7, 2.2])
    assert [row.name for row in found.rows] == ["Gaussian", "Gamma"]
    assert "the first -2.5 at position 2" in found.rows[1].verdict
    assert "Not ranked" in str(found)
    nothing = compare([Gamma()], [-1.0, 2.0])
    assert nothing.ranked == ()
    assert "No model could be set against the floor" in str(nothing).replace("entropy ", "")
    with pytest.raises(errors.NoDensityError):
        _ = nothing.best


def test_slots_that_differ_are_models_that_differ() -> None:
    x = RNG.gamma(2.0, 1.0, 50)
    found = compare([Gamma(shape=2), Gamma(), "gamma"], x)
    assert sorted(row.name for row in found.rows) == ["Gamma", "Gamma(shape=2)"]


def test_models_made_of_models_are_told_apart() -> None:
    y = np.random.default_rng(3).gamma(3.0, 2.0, 60)
    models = [mlece.Transformed(Gaussian(), g) for g in ("log", "identity")]
    found = compare([*models, mlece.Mixture(Gamma(), size=2)], y, replicates=19)
    names = {row.name for row in found.rows}
    assert names == {repr(m) for m in models} | {"Mixture(Gamma(), Gamma())"}
    # Names give way, numbers do not.
    for row in found.ranked:
        told = f"{row.held_out:.4f}" if np.isfinite(row.held_out) else "∞"
        assert f" {told} " in str(found)


def test_json() -> None:
    found = compare([Gaussian(), Gamma()], [0.4, 1.0, -2.5, 3.1, 0.9, 1.7, 2.2], units="bits")
    read = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert [row["model"] for row in read["rows"]] == ["Gaussian", "Gamma"]
    assert read["rows"][0]["excess"] == pytest.approx(found.rows[0].excess / np.log(2))
    assert read["rows"][1]["gap"] is None
    assert read["units"] == "bits"
    assert read["best"] == "Gaussian"


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (([Gaussian(), Poisson()], [1, 2, 3]), {}, errors.ComparisonError),
        (([Gaussian()], [1.0, 2.0]), {"kind": "counts"}, errors.ComparisonError),
        ((["gausian"], [1.0, 2.0]), {}, errors.UnknownNameError),
        (([], [1.0, 2.0]), {}, errors.DataError),
        ((3, [1.0, 2.0]), {}, errors.DataTypeError),
        ((None, [1.0, np.nan]), {}, errors.DataError),
        ((None, [[1.0], [2.0]]), {}, errors.DataError),
        ((None, "waiting"), {}, errors.DataTypeError),
        (([Gamma(), Weibull()],), {}, errors.DataTypeError),
        ((None, [1.0, 2.0]), {"kind": "real"}, errors.UnknownNameError),
        ((None, [1.0, 2.0]), {"units": "pints"}, errors.ParameterError),
        ((None, [1.0, 2.0]), {"weights": [1.0]}, errors.DataError),
        ((None, [1.0, 2.0]), {"replicates": 5}, errors.ParameterError),
        ((None, ["a", "b"]), {"kind": "continuous"}, errors.DataTypeError),
    ],
)
def test_bad_input(arguments: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        compare(*arguments, **options)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mlece.comparisons.comparison; "
        "print([m for m in ('matplotlib', 'rich', 'pandas', 'scipy.stats') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_family_around_the_first_ties_with_it() -> None:
    # The generalised gamma law holds the Weibull, and its estimate is next to one: the difference is
    # what its parameter costs, of which the standard error of the log ratio, next to nothing, is silent.
    lung = datasets.lung().frame()
    y = mlece.right_censored(lung["days"], lung["died"] == 1)
    models = [Weibull(scale="age + C(sex)"), mlece.GeneralizedGamma(mu="age + C(sex)")]
    found = compare([*models, mlece.LogNormal(meanlog="age + C(sex)")], y, given=lung)
    first, wide, far = found.ranked
    assert [r.verdict for r in found.ranked[1:]] == [
        "not to be told from it",
        "behind by more than 2 se",
    ]
    assert wide.behind > 10
    assert wide.p_same == pytest.approx(float(mlece.vuong(first.fit, wide.fit).p_same), rel=1e-9)
    assert "Vuong's test of variance" in " ".join(found.sentences)
    assert wide.tied
    assert not far.tied
    assert far.p_same < 0.05


def test_few_bootstrap_samples_without_a_fit_cost_no_rank() -> None:
    cases = json.loads((Path(__file__).parent / "reference" / "reference_fits.json").read_text())
    sea = next(c["data"] for c in cases["cases"] if c["id"] == "portpirie-gumbel-evd")
    found = compare([mlece.Shifted(Gamma()), "gumbel"], sea)
    row = next(r for r in found.rows if r.name == "Shifted(Gamma())")
    assert row.rank is not None
    assert row.gap is not None
    lost = int(np.isinf(row.gap.null).sum())
    assert 1 <= row.gap.lost == lost <= 9
    # They count as samples with a T as large: never in favour of a rejection.
    finite = row.gap.null[:-lost]
    assert np.isfinite(finite).all()
    assert row.gap.p_value == (1 + lost + np.count_nonzero(finite >= row.gap.statistic)) / 200
    assert row.gap.value == pytest.approx(row.gap.statistic - finite.mean(), rel=1e-12)
    assert f"{lost} of 199 of Shifted(Gamma())" in str(found).replace("\n  ", " ")
    assert f"{lost} of 199 bootstrap samples could not be fitted" in str(row.gap)
    assert comparison_json(found)["rows"][row.rank - 1]["gap"]["replicates_without_a_fit"] == lost
    # 189 of 199 are at least 95 %.
    assert row.gap.detectable == pytest.approx(row.gap.null[189] - finite.mean(), rel=1e-12)


def test_many_bootstrap_samples_without_a_fit_cost_the_rank() -> None:
    # In many samples of 30 the best shape is below 1, where the density is unbounded at the first point.
    few = Gamma(3.0, 1.0).quantile((np.arange(30) + 0.5) / 30)
    (row,) = compare([mlece.Shifted(Gamma())], few).rows
    assert row.rank is None
    assert "without a finite cross-entropy" in row.verdict
