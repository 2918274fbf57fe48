"""Studies of misspecification: exact expectations met, parts taken up again, nothing dropped in silence.

Simulated means are held within 4 of their standard errors of the exact value: one comparison in
16,000 is farther off by chance.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma

import mlece
from mlece import errors
from mlece.cli import main
from mlece.diagnostics.ledger import population_values
from mlece.studies import measures, plan
from mlece.studies.naming import read_law

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = Path(__file__).parent / "reference"
COVERAGE: dict[str, Any] = json.loads((REFERENCE / "coverage.json").read_text(encoding="utf-8"))
EXACT: dict[str, Any] = json.loads((REFERENCE / "finite_n_exact.json").read_text(encoding="utf-8"))
SIZES: dict[str, Any] = json.loads((REFERENCE / "im_test_sizes.json").read_text(encoding="utf-8"))
STANDARD_ERRORS = 4.0
# Of published shares, with their own simulation error: few comparisons, held closer.
PUBLISHED = 3.0

GAMMA = mlece.Gamma(shape=2, rate=1)


def same(a: Any, b: Any) -> bool:
    """Whether two studies have the same rows, to the last bit."""
    return repr(a.rows) == repr(b.rows)


def near(
    row: dict[str, Any],
    name: str,
    exact: float,
    se: float | None = None,
    errors: float = STANDARD_ERRORS,
) -> None:
    first, dot, rest = name.partition(".")
    own = row[f"{first}_se{dot}{rest}"] if se is None else se
    assert abs(row[name] - exact) <= errors * own + 1e-12, (name, row[name], exact, own)


# -------------------------------------------------------------------------------- exact values


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0])
def test_exponential_models_of_gamma_truths(shape: float) -> None:
    # E train = ψ(na) − log(na), E population = that + 1/(na − 1), over H(p*, q_θ*).
    truth = mlece.Gamma(shape=shape, rate=3.0)
    for row in mlece.study(truth, "exponential", [5, 10, 50], 4000).rows:
        na = row["n"] * shape
        train = float(digamma(na) - math.log(na))
        gap = row["approximation"]
        assert gap == pytest.approx(float(mlece.kl_divergence(truth, mlece.Exponential(3 / shape))))
        near(row, "train_excess", gap + train)
        near(row, "estimation", train + 1 / (na - 1))
        near(row, "test_excess", gap + train + 1 / (na - 1))
        near(row, "optimism", 1 / (na - 1))
        assert row["optimism_limit"] == pytest.approx(1 / na)
        # 1/x̄ has mean n a/(n a − 1) times θ*.
        near(row, "bias.rate", row["pseudo_true.rate"] / (na - 1))
        assert row["spread_limit.rate"] == pytest.approx(row["pseudo_true.rate"] / math.sqrt(na))


def test_gaussian_models() -> None:
    for row in mlece.study(mlece.Gaussian(mean=1, sd=2), "gaussian", [5, 10, 50], 4000).rows:
        n = row["n"]
        train = 0.5 * float(digamma((n - 1) / 2) - math.log(n / 2))
        near(row, "train_excess", train)
        near(row, "estimation", train + 2 / (n - 3))
        near(row, "optimism", 2 / (n - 3))
    key = "gauss fixed var .25, truth var 1: E test excess = 1/(2 n s2)"
    fixed = mlece.study(mlece.Gaussian(0, 1), mlece.Gaussian(sd=0.5), EXACT[key]["n"], 4000).row()
    near(fixed, "estimation", float(EXACT[key]["exact"]))
    near(fixed, "optimism", 2 * float(EXACT[key]["exact"]))


@pytest.mark.parametrize("n", [20, 50, 100, 500])
def test_coverage_of_wrong_models(n: int) -> None:
    replicates = 3000
    truths = {f"gamma({a:g})": mlece.Gamma(shape=a, rate=1) for a in (0.5, 1, 2, 5)}
    found = mlece.study(truths, "exponential", n, replicates)
    for label in truths:
        row, known = found.row(truth=label), COVERAGE[f"{label}->exp rate n={n}"]
        exact = known["naive_coverage_EXACT"]
        # Three standard errors of a share this close to 1 are less than one replicate.
        error = max(math.sqrt(exact * (1 - exact) / replicates), 0.5 / replicates)
        near(row, "coverage.wald hessian.rate", exact, error, PUBLISHED)
        share, se = known["sandwich_coverage_MC"]
        error = math.hypot(se, math.sqrt(share * (1 - share) / replicates))
        near(row, "coverage.wald sandwich.rate", share, error, PUBLISHED)


def test_coverage_of_a_poisson_model_of_overdispersed_counts() -> None:
    truth = mlece.NegativeBinomial(size=2, mean=3)
    for row in mlece.study(truth, "poisson", [50, 200], 3000).rows:
        known = COVERAGE[f"nb(r=2,mu=3)->poisson n={row['n']}"]
        for kind, name in (("hessian", "naive"), ("sandwich", "sandwich")):
            share, se = known[name]
            error = math.hypot(se, math.sqrt(share * (1 - share) / 3000))
            near(row, f"coverage.wald {kind}.rate", share, error, PUBLISHED)


def test_sizes_of_tests_under_a_right_model() -> None:
    names = ["information matrix", "information matrix opg", "wald", "likelihood ratio"]
    found = mlece.study("exponential(rate=1)", "exponential", [25, 50, 100], 4000, tests=names)
    for row in found.rows:
        known = SIZES[f"exp n={row['n']}"]
        for test, key in zip(names, ("efficient n(m2/xbar^2-1)^2/4", "OPG_chi2(1)"), strict=False):
            share, se = known[key]
            error = math.hypot(se, math.sqrt(share * (1 - share) / 4000))
            near(row, f"rejected.{test}", share, error, PUBLISHED)
        # x̄ follows a gamma law: P(|x̄ − 1| √n > z), exactly.
        n, z = row["n"], 1.959963984540054
        law = stats.gamma(n, scale=1 / n)
        exact = 1 - (law.cdf(1 + z / math.sqrt(n)) - law.cdf(1 - z / math.sqrt(n)))
        near(row, "rejected.wald", exact, math.sqrt(exact * (1 - exact) / 4000))


def test_robust_tests_hold_their_level_where_naive_ones_do_not() -> None:
    names = ["wald", "wald robust", "score", "score robust", "likelihood ratio robust"]
    row = mlece.study("gamma(shape=0.5, rate=1)", "exponential", 1000, 2000, tests=names).row()
    # P(χ²_1 > 3.84 / ratio) with the variance ratio 1/a = 2; O(1/n) aside.
    naive = stats.chi2.sf(3.841458820694124 / 2, 1)
    for test in names:
        near(row, f"rejected.{test}", 0.05 if "robust" in test else naive)


def test_a_row_is_what_single_calls_give() -> None:
    # The same samples, fitted and judged one by one.
    truth, n, r = mlece.LogNormal(0.3, 0.6), 40, 12
    found = mlece.study(truth, ["gamma", "weibull"], n, r, 7, tests=["vuong", "information matrix"])
    whole = found.plan
    part = whole.parts(*whole.cells()[0])[0]
    samples = truth.sample((r, n), rng=whole.generators(part)[0])
    fits = [mlece.fit("gamma", y) for y in samples]
    others = [mlece.fit("weibull", y) for y in samples]
    row = found.row(model="Gamma")
    accounts = [mlece.ledger(truth, fit) for fit in fits]
    best = accounts[0].pseudo_true
    assert row["floor"] == pytest.approx(float(mlece.entropy(truth)), rel=1e-14)
    assert row["approximation"] == pytest.approx(accounts[0].approximation, rel=1e-12)
    assert row["estimation"] == pytest.approx(np.mean([a.estimation for a in accounts]), rel=1e-10)
    assert row["train"] == pytest.approx(np.mean([f.cross_entropy for f in fits]), rel=1e-12)
    for name, aim in best.params.items():
        values = np.array([fit.params[name] for fit in fits])
        assert row[f"bias.{name}"] == pytest.approx((values - aim).mean(), rel=1e-9)
        assert row[f"spread.{name}"] == pytest.approx(values.std(ddof=1), rel=1e-9)
        ends = [fit.interval(kind="hessian")[name] for fit in fits]
        held = np.mean([low <= aim <= high for low, high in ends])
        assert row[f"coverage.wald hessian.{name}"] == held
    tests = [mlece.vuong(a, b) for a, b in zip(fits, others, strict=True)]
    p = np.array([t.p_value for t in tests])
    assert row["rejected.vuong.Weibull"] == np.mean(p <= 0.05)
    nearer = np.mean([(t.p_value <= 0.05) and t.value > 0 for t in tests])
    assert row["rejected.vuong.Weibull.nearer"] == nearer


# -------------------------------------------------------------------------------- nothing dropped


def test_members_without_a_minimiser_are_counted() -> None:
    # n = 2 observations of a Poisson law of mean 1/2: both are 0 with probability e⁻¹.
    row = mlece.study("poisson(rate=0.5)", "poisson", 2, 2000).row()
    near(row, "status.boundary", math.exp(-1), math.sqrt(math.exp(-1) * (1 - math.exp(-1)) / 2000))
    assert row["status.boundary"] + row["status.optimal"] == 1
    assert row["missing.wald hessian.rate"] == round(2000 * row["status.boundary"])
    assert row["fitted"] == 2000
    assert row["population"] == math.inf  # q(1) = 0 at rate 0
    assert math.isnan(row["population_se"])
    lonely = mlece.study("gaussian(mean=0, sd=1)", "gaussian", 1, 50, tests="information matrix")
    row = lonely.row()
    assert row["status.unbounded"] == 1
    assert row["fitted"] == 0
    assert math.isnan(row["train"])
    assert row["missing.wald sandwich.mean"] == row["missing.information matrix"] == 50
    assert "wald sandwich: expected an interior optimum" in row["remarks"]
    assert "unbounded  100.0 %" in str(lonely)
    assert "Gaussian: wald sandwich: expected an interior optimum" in str(lonely)


def test_infinite_cross_entropies_are_infinite() -> None:
    found = mlece.study("studentt(df=2, loc=0, scale=1)", ["gaussian", "studentt"], 10, 100)
    gaussian, student = found.rows
    assert gaussian["approximation"] == gaussian["population"] == math.inf
    assert gaussian["missing.wald sandwich.sd"] == 100  # θ* does not exist
    # Samples without heavy tails end at the Gaussian, whose cross-entropy is infinite.
    assert student["status.boundary"] > 0
    assert student["population"] == math.inf
    uniform = mlece.study("uniform(lower=0, upper=1)", "uniform", 20, 1000, intervals="exact").row()
    assert uniform["population"] == math.inf
    near(uniform, "train_excess", -(2 * 20 - 1) / (20 * 19))
    near(uniform, "coverage.exact.upper", 0.95)
    assert "∞" in str(found)


@pytest.mark.parametrize(
    ("truth", "model"),
    [
        (mlece.Gaussian(1, 2), "laplace"),
        (mlece.Gamma(shape=2, rate=1), "twopiecenormal"),
        (mlece.Gaussian(0, 1), "studentt"),
        (mlece.Poisson(3), "negativebinomial"),
        (mlece.LogNormal(0, 1), "weibull"),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_population_values_of_batches(truth: mlece.Model, model: str) -> None:
    # Kinks, limits in another family, plain members: each as by its own quadrature.
    fits = mlece.fit(model, truth.sample((40, 30), rng=5))
    found = population_values(mlece.fit(model, truth), fits)
    compared = 0
    for members, law in fits.groups():
        for i in range(min(4, len(members))):
            one = law.member(*[np.asarray(t)[i] if np.ndim(t) else t for t in law.theta])
            expected = float(mlece.cross_entropy(truth, one))
            # Both quadratures are settled to 1e-12.
            assert found[members[i]] == pytest.approx(expected, rel=2e-12)
            compared += 1
    assert compared >= 4


# -------------------------------------------------------------------------------- randomness


def test_models_see_the_same_samples() -> None:
    both = mlece.study(GAMMA, ["gamma", "lognormal"], [20, 30], 60)
    alone = mlece.study(GAMMA, "lognormal", 30, 60)
    assert both.row(model="LogNormal", n=30) == alone.row()
    other = mlece.study(GAMMA, "lognormal", 30, 60, rng=1)
    assert other.row()["train"] != alone.row()["train"]
    drawn = [mlece.study(GAMMA, "gamma", 20, 30, rng=np.random.default_rng(3)) for _ in "ab"]
    assert same(*drawn)


def test_more_replicates_extend_a_study() -> None:
    whole = mlece.study(GAMMA, "gamma", 5000, 60)
    parts = whole.plan.parts(*whole.plan.cells()[0])
    shorter = mlece.study(GAMMA, "gamma", 5000, 40).plan
    assert len(parts) == 3
    assert shorter.key(shorter.parts(*shorter.cells()[0])[0]) == whole.plan.key(parts[0])


@pytest.mark.slow
def test_workers_change_nothing() -> None:
    truths = [GAMMA, "lognormal(meanlog=0, sdlog=1)"]
    arguments: Any = (truths, ["gamma", "weibull"], [400, 1000], 400, 5)
    assert same(mlece.study(*arguments), mlece.study(*arguments, workers=3))


def test_a_part_has_its_key_in_every_process() -> None:
    code = (
        "import mlece; from mlece.studies.plan import make_plan; "
        "p = make_plan(mlece.Mixture(mlece.Gaussian(0, 1), mlece.Gaussian(4, 1)).replace("
        "**{'weight[1]': 0.5}), ['gaussian', mlece.Truncated(mlece.Gaussian(), lower=-90)],"
        "[10], 5, 0, [], [], 0.95); print(p.key(p.parts(*p.cells()[0])[0]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_key_tells_what_numbers_depend_on() -> None:
    def key(truth: Any = GAMMA, models: Any = "gamma", **changes: Any) -> str:
        options: dict[str, Any] = {"sizes": 10, "replicates": 5, "rng": 0, "intervals": ()}
        made = plan.make_plan(truth, models, **{**options, "tests": (), "level": 0.9, **changes})
        return made.key(made.parts(*made.cells()[0])[0])

    def family(power: int) -> Any:
        @mlece.family(support=mlece.positive, rate=mlece.positive)
        def own(y: Any, rate: Any) -> Any:
            return np.log(rate) - rate * y if power == 1 else np.log(2 * rate * y) - rate * y * y

        return own

    # 1e-9 is beyond the digits that a model prints.
    keys = [
        key(),
        key(mlece.Gamma(shape=2 + 1e-9, rate=1)),
        key(models=mlece.Gamma(rate=1)),
        key(models=["gamma", "weibull"]),
        key(sizes=11),
        key(replicates=6),
        key(rng=1),
        key(intervals="exact"),
        key(tests="vuong"),
        key(level=0.95),
        key(stats.gamma(2)),
        key(models=family(1)),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


# -------------------------------------------------------------------------------- interruption

SLOW = """
import mlece, time
import mlece.studies.run as run

plain = run.measure

def slowly(plan, part):
    time.sleep(0.15)
    return plain(plan, part)

run.measure = slowly
if __name__ == "__main__":
    mlece.study("gamma(shape=2, rate=1)", ["gamma", "exponential"], [400, 1000], 1500, 3,
                workers=WORKERS, out="study.csv")
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_study_goes_on_where_it_stood(workers: int, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SLOW.replace("WORKERS", str(workers)), encoding="utf-8")
    started = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    folder, limit = tmp_path / "study.csv.parts", time.monotonic() + 60
    while len(list(folder.glob("*.npz"))) < 6:
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    # Workers hold the pipe: it ends when the last of them has.
    started.communicate(timeout=60)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    arguments: Any = ("gamma(shape=2, rate=1)", ["gamma", "exponential"], [400, 1000], 1500, 3)
    resumed = mlece.study(*arguments, out=tmp_path / "study.csv")
    assert len(kept) < len(list(folder.glob("*.npz")))  # it was killed before its end
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    fresh = mlece.study(*arguments, out=tmp_path / "fresh.csv")
    assert same(resumed, fresh)
    assert (tmp_path / "study.csv").read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_a_finished_study_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: Any = (GAMMA, ["gamma", "uniform"], [20, 30], 40)
    first = mlece.study(*arguments, tests="vuong", out=tmp_path / "s.csv")

    def refuse(*ignored: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr("mlece.studies.run.measure", refuse)
    assert same(first, mlece.study(*arguments, tests="vuong", out=tmp_path / "s.csv"))
    with pytest.raises(AssertionError, match="again"):
        mlece.study(*arguments, tests="vuong", rng=1, out=tmp_path / "s.csv")


# -------------------------------------------------------------------------------- result


def test_files_and_frames(tmp_path: Path) -> None:
    path = tmp_path / "study.csv"
    found = mlece.study(GAMMA, ["gamma", "exponential"], [20, 30], 50, out=path)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == 4
    for line, row in zip(read, found.rows, strict=True):
        for name, text in line.items():
            value = row.get(name)
            assert text == "" if value is None else str(value) == text
    pandas, polars = found.to_frame(), found.to_frame("polars")
    assert pandas.shape == polars.shape == (4, len(found.columns))
    assert math.isnan(pandas["bias.shape"][1])  # the exponential has none
    assert pandas["train"].tolist() == polars["train"].to_list()
    long = found.to_frame(long=True)
    assert list(long.columns) == ["truth", "model", "n", "quantity", "value"]
    one = long[(long.model == "Gamma") & (long.n == 30) & (long.quantity == "train")]
    assert one["value"].tolist() == [found.row(model="Gamma", n=30)["train"]]
    assert found.plan.sizes == (20, 30)
    assert "2 model(s)" in repr(found)


def test_a_parquet_file_beside_the_table(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import polars

    found = mlece.study(GAMMA, "gamma", [20, 30], 50, out=tmp_path / "study.csv")
    read = polars.read_parquet(tmp_path / "study.parquet")
    assert read["train"].to_list() == [row["train"] for row in found.rows]


def test_the_table_names_every_share() -> None:
    found = mlece.study(GAMMA, ["gamma", "exponential"], [20, 30], 60, tests="clarke")
    text = str(found)
    assert text.startswith("Gamma(shape=2, rate=1): floor 1.5772 nats, 60 replicates")
    for word in ("wald sandwich, shape", "clarke, Exponential", "n = 30", "95 % intervals"):
        assert word in text
    assert "rejected at 5 %" in text


def test_a_bar_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    mlece.study(GAMMA, "gamma", 20, 50, progress=True)
    assert "1/1" in capsys.readouterr().err
    mlece.study(GAMMA, "gamma", 20, 50)
    assert capsys.readouterr() == ("", "")


def test_new_kinds_of_interval_are_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(fit: Any, level: float, seed: Any) -> dict[str, Any]:
        size = np.ones(fit.sample.batch_shape)
        return dict.fromkeys(fit.names, (-np.inf * size, np.inf * size))

    monkeypatch.setitem(measures.INTERVALS, "whole line", whole)
    row = mlece.study(GAMMA, "weibull", 20, 50, intervals="whole line").row()
    assert row["coverage.whole line.scale"] == 1


# Those that need an end of the support, much time, or covariates.
APART = ("exact", *(k for k in measures.INTERVALS if " HC" in k or "bootstrap" in k))


@pytest.mark.parametrize("kind", [k for k in measures.INTERVALS if k not in APART])
def test_every_kind_of_interval_covers_a_right_model(kind: str) -> None:
    row = mlece.study(GAMMA, "gamma", 2000, 1000, intervals=kind).row()
    for name in ("shape", "rate"):
        # Of order 1/√n off its level at most, on top of the error of the simulation.
        assert abs(row[f"coverage.{kind}.{name}"] - 0.95) <= 4 * math.sqrt(0.0475 / 1000)


def test_bootstrap_intervals() -> None:
    kinds = [k for k in measures.INTERVALS if "bootstrap" in k]
    assert len(kinds) == 6
    row = mlece.study(GAMMA, "exponential", 60, 100, intervals=kinds).row()
    for kind in kinds:
        assert row[f"missing.{kind}.rate"] == 0
        # Samples of an exponential law spread more than those of a gamma law of shape 2.
        held = stats.norm.cdf(np.sqrt(2) * 1.96) * 2 - 1 if "parametric" in kind else 0.95
        near(row, f"coverage.{kind}.rate", held, math.sqrt(0.0475 / 100))


def test_every_part_has_bootstrap_samples_of_its_own() -> None:
    whole = mlece.study(GAMMA, "exponential", 60, 10).plan
    parts = [plan.Part(next(iter(whole.truths)), 60, start, 5) for start in (0, 5)]
    seeds = [whole.generators(part)[2] for part in parts]
    assert np.random.default_rng(seeds[0]).random() != np.random.default_rng(seeds[1]).random()
    again = whole.generators(parts[0])[2]
    assert np.random.default_rng(seeds[0]).random() == np.random.default_rng(again).random()


def test_every_test_answers() -> None:
    found = mlece.study(GAMMA, ["gamma", "exponential"], 60, 80, tests=list(measures.TESTS))
    right, wrong = found.rows
    for test in measures.TESTS:
        pairs = test in ("vuong", "vuong tic", "shi", "clarke")
        column = f"rejected.{test}.Exponential" if pairs else f"rejected.{test}"
        assert 0 <= right[column] <= 1
        assert (column in wrong) != pairs
    assert right["missing.wald robust"] == 0


def test_tests_of_members_at_an_edge_are_missing() -> None:
    tests = ["wald robust", "score", "information matrix"]
    row = mlece.study("poisson(rate=0.5)", "poisson", 2, 300, tests=tests).row()
    at_edge = round(300 * row["status.boundary"])
    assert row["missing.score"] == row["missing.information matrix"] == at_edge
    # Two observations that are alike leave the spread of the scores at 0.
    assert at_edge < row["missing.wald robust"] < 300
    limits = mlece.study(
        "negativebinomial(size=1, mean=3)", "negativebinomial", 20, 200, tests=tests
    )
    row = limits.row()
    assert row["missing.score"] == round(200 * row["status.boundary"])


def test_kinks_have_no_information_matrix_test() -> None:
    row = mlece.study("laplace(loc=0, scale=1)", "laplace", 9, 20, tests="information matrix").row()
    assert row["missing.information matrix"] == 20
    assert "a kink among the data" in row["remarks"]


def test_cells_of_a_categorical() -> None:
    truth = mlece.Categorical(p=[0.5, 0.3, 0.2], labels="abc")
    for model in (mlece.Categorical(labels="abc"), "categorical"):
        row = mlece.study(truth, model, 40, 400).row()
        assert row["pseudo_true.p[b]"] == pytest.approx(0.3, rel=1e-12)
        near(row, "bias.p[c]", 0.0)
        assert row["spread_limit.p[a]"] == pytest.approx(math.sqrt(0.25 / 40))


# -------------------------------------------------------------------------------- laws and errors


def test_laws_as_text() -> None:
    assert read_law("gamma(shape=2, rate=1)") == GAMMA
    assert read_law("Gamma(2, 1)") == GAMMA
    assert read_law({"family": "gamma", "shape": 2, "rate": 1}) == GAMMA
    assert read_law("laplace") is mlece.Laplace or read_law("laplace") == mlece.Laplace()
    truncated = read_law("truncated(gaussian(mean=-1), lower=0)")
    assert truncated == mlece.Truncated(mlece.Gaussian(mean=-1), lower=0)
    text = "mixture(gaussian(mean=0, sd=1), gaussian(mean=4, sd=1), **{'weight[1]': 0.5})"
    assert repr(read_law(repr(read_law(text)))) == repr(read_law(text))
    frozen = mlece.study(stats.norm(1, 2), "gaussian", 20, 30).row()
    assert frozen["floor"] == pytest.approx(float(stats.norm(1, 2).entropy()), rel=1e-12)


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no law": ({"truth": "gamma(shape=2"}, errors.DataError, "a law as name"),
    "code": ({"truth": "gamma(shape=2+x, rate=1)"}, errors.DataError, "a law as name"),
    "no such family": ({"truth": "gamm(2, 1)"}, errors.UnknownNameError, "Did you mean 'Gamma'"),
    "no such slot": ({"truth": "gamma(shape=2, rat=1)"}, errors.ParameterError, "'rate'"),
    "a free slot": ({"truth": "gamma(shape=2)"}, errors.FreeSlotError, "free rate"),
    "no family": ({"models": {"family": 3}}, errors.DataError, "the key family"),
    "no models": ({"models": []}, errors.DataError, "at least one model; got none"),
    "twice": ({"models": ["gamma", mlece.Gamma()]}, errors.DataError, "Gamma twice"),
    "an array": ({"models": mlece.Gamma(rate=[1, 2])}, errors.ParameterError, r"shape \(2,\)"),
    "not a model": ({"models": 3}, errors.DataTypeError, "a model"),
    "no size": ({"sizes": [10, 0]}, errors.ParameterError, "a sample size.*got 0"),
    "half a size": ({"sizes": 10.5}, errors.ParameterError, r"a sample size.*got 10\.5"),
    "one replicate": ({"replicates": 1}, errors.ParameterError, "from 2 on; got 1"),
    "no seed": ({"rng": -1}, errors.ParameterError, "a seed"),
    "no worker": ({"workers": 0}, errors.ParameterError, "workers"),
    "no level": ({"level": 95}, errors.ParameterError, "confidence level"),
    "no kind": ({"intervals": "wald sandwhich"}, errors.UnknownNameError, "'wald sandwich'"),
    "no test": ({"tests": ["vuon"]}, errors.UnknownNameError, "'vuong'"),
    "outside": ({"truth": "gaussian(0, 1)"}, errors.SupportError, "with mass outside"),
    "counts": ({"truth": "poisson(3)"}, errors.ComparisonError, "dominating measure"),
    "not a table": ({"out": "study.txt"}, errors.DataError, "ending in .csv"),
    "no folder": ({"out": "/no/such/folder/study.csv"}, errors.DataError, "folder that exists"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(case: str) -> None:
    changes, kind, text = BAD[case]
    request = {"truth": GAMMA, "models": "gamma", "sizes": 10, "replicates": 5} | changes
    with pytest.raises(kind, match=text):
        mlece.study(**request)


def test_models_that_cannot_be_sent() -> None:
    @mlece.family(support=mlece.positive, rate=mlece.positive)
    def Local(y: Any, rate: Any) -> Any:
        return np.log(rate) - rate * y

    assert mlece.study(GAMMA, Local, 10, 5).row()["fitted"] == 5
    with pytest.raises(errors.DataTypeError, match="workers=1"):
        mlece.study(GAMMA, Local, 10, 5, workers=2)


def test_rows_that_are_in_doubt() -> None:
    found = mlece.study(GAMMA, "gamma", [10, 20], 5)
    with pytest.raises(errors.UnknownNameError, match="2 rows"):
        found.row(model="Gamma")
    with pytest.raises(errors.UnknownNameError, match="data-frame library"):
        found.to_frame("panda")


# -------------------------------------------------------------------------------- command line


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = ROOT / "examples" / "study.toml"
    spec = tmp_path / "study.toml"
    # The example itself, with fewer replicates.
    text, changed = re.subn(r"replicates = \d+", "replicates = 60", example.read_text("utf-8"))
    assert changed == 1
    spec.write_text(text, encoding="utf-8")
    out, figure = tmp_path / "study.csv", tmp_path / "study.png"
    assert main(["study", str(spec), "--out", str(out), "--plot", str(figure)]) == 0
    shown = capsys.readouterr().out
    assert "floor 1.5772 nats, 60 replicates" in shown
    assert figure.stat().st_size > 5_000
    assert out.read_text(encoding="utf-8").startswith("truth,model,n,replicates,fitted,floor,train")
    assert main(["study", str(spec), "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["n"] for row in rows[::4]] == [50, 200, 800]
    assert rows[3]["approximation"] == pytest.approx(math.log(2) - np.euler_gamma, abs=1e-12)


def test_the_command_draws_every_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.toml"
    truths = '["gamma(2, 1)", "lognormal(0, 1)"]'
    spec.write_text(
        f'truth = {truths}\nmodels = ["gamma"]\nsizes = [10, 20]\nreplicates = 20\n',
        encoding="utf-8",
    )
    assert main(["study", str(spec), "--plot", str(tmp_path / "study.png")]) == 0
    shown = capsys.readouterr().out
    for i, truth in enumerate(("Gamma(shape=2, rate=1)", "LogNormal(meanlog=0, sdlog=1)"), 1):
        assert (tmp_path / f"study-{i}.png").stat().st_size > 5_000
        assert f"study-{i}.png ({truth})" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("truth = ", "a TOML file"),
        ('truth = "gamma(2, 1)"', "no models, sizes"),
        ('truths = "gamma(2, 1)"', "Did you mean 'truth'"),
    ],
)
def test_bad_specifications(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.toml").write_text(text, encoding="utf-8")
    assert main(["study", str(tmp_path / "spec.toml")]) == 2
    assert said in capsys.readouterr().err
    assert main(["study", str(tmp_path / "none.toml")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_specifications_with_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "spec.toml").write_text(
        'models = ["exponential", { family = "gamma", rate = 1 }]\nsizes = 20\nreplicates = 30\n'
        'seed = 4\n[truth]\nthin = "gamma(shape=2, rate=1)"\n'
        "[truth.thick]\nfamily = 'lognormal'\nmeanlog = 0\nsdlog = 1\n",
        encoding="utf-8",
    )
    assert main(["study", str(tmp_path / "spec.toml"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(r["truth"], r["model"]) for r in rows[1:3]] == [
        ("thin", "Gamma(rate=1)"),
        ("thick", "Exponential"),
    ]


# -------------------------------------------------------------------------------- picture


def test_the_picture_shows_the_rows() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = mlece.study([GAMMA, "weibull(2, 1)"], ["gamma", "exponential"], [40, 20], 60)
    label = next(iter(found.plan.truths))
    axes, drawn = found.plot(truth=label)
    assert axes.shape == (3, 2)
    axes[0, 0].figure.canvas.draw()
    assert drawn.sizes.tolist() == [20, 40]
    assert drawn.floor == pytest.approx(float(mlece.entropy(GAMMA)))
    row = found.row(truth=label, model="Gamma", n=40)
    assert drawn.curves["Gamma", "population"][1] == row["population"]
    assert drawn.curves["Gamma", "train"][1] == row["floor"] + row["train_excess"]
    assert drawn.bias["Gamma", "rate"][1] == row["bias.rate"] / row["spread.rate"]
    assert drawn.coverage["Gamma", "wald sandwich", "rate"][1] == row["coverage.wald sandwich.rate"]
    line = next(x for x in axes[2, 0].get_lines() if x.get_label() == "rate, wald sandwich")
    assert line.get_ydata()[1] == row["coverage.wald sandwich.rate"]
    for ax in axes.flat:
        assert ax.get_xlabel() == "n"
        assert ax.get_ylabel()
    with pytest.raises(errors.ParameterError, match="truth=, the one to draw"):
        found.plot()
    with pytest.raises(errors.UnknownNameError, match="truth of the study"):
        found.plot(truth="gama")
    with pytest.raises(errors.DataError, match="axes of shape"):
        found.plot(ax=axes[0], truth=label)
    bare = mlece.study("studentt(2, 0, 1)", "gaussian", [10, 20], 30, intervals=())
    assert bare.plot()[0].shape == (2, 1)  # infinite: said, not drawn
    plt.close("all")


def test_the_legend_of_many_intervals_lies_on_no_curve() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = ["wald sandwich", "wald hessian", "profile"]
    axes, _ = mlece.study(GAMMA, ["gamma", "weibull"], [20, 40], 60, intervals=kinds).plot()
    figure = axes[0, 0].figure
    figure.canvas.draw()
    for ax in axes[2]:
        legend = ax.get_legend()
        assert len(legend.get_texts()) == 6
        box = legend.get_window_extent()
        for other in axes.flat:
            assert not box.overlaps(other.get_window_extent())
        assert figure.bbox.containsx(box.x0)
        assert figure.bbox.containsy(box.y0)
    plt.close(figure)
