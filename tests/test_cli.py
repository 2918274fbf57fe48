"""The command line: what it prints, and one line for every kind of bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlece
from mlece import datasets
from mlece.cli import main

HERE = Path(__file__).parents[1]
GEYSER = HERE / "examples" / "data" / "old_faithful.csv"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = ["1.5,2,red,3", "2.5,0,blue,1", "0.5,1,red,2", "4.0,3,red,1", "3.1,1,blue,2"]
    path.write_text("size,kids,colour,times\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(capsys: Capture, *arguments: object) -> str:
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 0, err
    assert err == ""
    return out


def refused(capsys: Capture, *arguments: object) -> str:
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("mlece: ")
    assert err.count("\n") == 1
    return err


def test_a_column_with_gaps(capsys: Capture, tmp_path: Path) -> None:
    file, x = tmp_path / "gaps.csv", [1.5, 2.5, 3.0, 4.0, 4.5, 6.0, 8.0, 9.5]
    file.write_text("\n".join(["x", *map(str, x), "NA", ""]) + "\n1\n", encoding="utf-8")
    assert "empty or missing" in refused(capsys, "fit", file, "--model", "gamma")
    found = json.loads(run(capsys, *f"fit {file} --model gamma --missing drop --json".split()))
    fit = mlece.fit("gamma", [*x, 1.0])
    assert (found["n"], found["dropped"]) == (9, 2)
    assert found["cross_entropy"] == pytest.approx(float(fit.cross_entropy), rel=1e-14)
    out = run(capsys, *f"compare {file} --models gamma,weibull --missing drop".split())
    assert "2 of 11 observations are missing and left out" in out


def test_compare_old_faithful(capsys: Capture, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    out = run(capsys, "compare", GEYSER, "--column", "waiting", "--plot", figure)
    assert "measurements rounded to 1" in out
    assert "misspecified" in out
    assert max(map(len, out.splitlines()[:-1])) <= 100
    assert out.endswith(f"Figure: {figure}\n")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_compare_json(capsys: Capture, table: Path) -> None:
    arguments = ["compare", table, "--column", "size", "--models", "gamma, weibull,poisson"[:14]]
    found = json.loads(run(capsys, *arguments, "--json", "--replicates", 39, "--seed", 5))
    assert {row["model"] for row in found["rows"]} == {"Gamma", "Weibull"}


def test_compare_by_a_criterion(capsys: Capture) -> None:
    arguments = ["compare", GEYSER, "--column", "waiting", "--models", "gamma,weibull"]
    assert "observations held out" in run(capsys, *arguments, "--criterion", "held-out")
    assert "Takeuchi" in run(capsys, *arguments, "--criterion", "tic")


def test_compare_kind_and_weights(capsys: Capture, table: Path) -> None:
    out = run(capsys, "compare", table, "--column", "kids", "--weights", "times")
    assert "9 observations" in out
    assert "Poisson" in out
    out = run(capsys, "compare", table, "--column", "kids", "--kind", "continuous")
    assert "Gaussian" in out
    assert "Poisson" not in out


def test_compare_all(capsys: Capture, table: Path) -> None:
    asked = ["compare", table, "--column", "kids", "--weights", "times", "--replicates", 19]
    assert "Sichel" not in run(capsys, *asked)
    assert "Sichel" in run(capsys, *asked, "--all")
    assert "not allowed with" in refused(capsys, *asked, "--all", "--models", "poisson")


def test_fit_agrees_with_the_library(capsys: Capture) -> None:
    arguments = ["fit", GEYSER, "--column", "waiting", "--model", "gamma"]
    found = json.loads(run(capsys, *arguments, "--json", "--covariance", "hessian"))
    fit = mlece.fit("gamma", datasets.old_faithful().columns["waiting"])
    assert found["parameters"]["shape"]["estimate"] == fit.params["shape"]
    assert found["parameters"]["rate"]["standard_error"] == fit.standard_errors("hessian")["rate"]
    assert "Gamma fitted to waiting, n = 272" in run(capsys, *arguments)


def test_fit_options(capsys: Capture, table: Path, tmp_path: Path) -> None:
    figure = tmp_path / "figure.svg"
    out = run(
        capsys, "fit", table, "--column", "size", "--model", "StudentT",
        "--fix", "df=5", "--fix", "loc=2",
        "--units", "bits", "--level", 0.9, "--solver", "scipy", "--weights", "times",
        "--plot", figure,
    )  # fmt: skip
    assert "df = 5 held, loc = 2 held" in out
    assert "bits" in out
    assert "90 % interval" in out
    assert "scipy" in out
    assert figure.exists()


def test_labels(capsys: Capture, table: Path) -> None:
    out = run(capsys, "fit", table, "--column", "colour", "--model", "categorical")
    assert "p[blue]" in out
    assert "Categorical" in run(capsys, "compare", table, "--column", "colour")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x,c\n1.5,a\n2,b\n4,c\n", []),
        ("x;c\n1.5;a\n2;b\n4;c\n", []),
        ("\ufeffx,c\r\n1.5,a\r\n2,b\r\n4,c\r\n", []),
        ("x\tc\n1.5\ta\n2\tb\n4\tc\n", []),
        ("x\n1.5\n2\n4\n", ["--format", "tsv"]),
        ('{"x": 1.5, "c": "a"}\n\n{"x": 2, "c": "b"}\n{"x": 4, "c": "c"}\n', []),
    ],
)
def test_formats_and_standard_input(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, options: list[str]
) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(text.encode())
    monkeypatch.setattr("sys.stdin", io.StringIO(text.lstrip("\ufeff")))
    for file in (path, "-"):
        arguments = ["fit", file, "--model", "exponential", "--json", *options]
        found = json.loads(run(capsys, *arguments))
        assert found["data"] == "x"
        assert found["parameters"]["rate"]["estimate"] == pytest.approx(0.4)


def test_a_first_line_of_numbers_is_not_a_header_in_silence(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(text: str, *options: str) -> list[object]:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        return ["fit", "-", "--model", "exponential", "--json", *options]

    assert "--no-header" in refused(capsys, *fit("1.5\n2\n4\n"))
    found = json.loads(run(capsys, *fit("1.5\n2\n4\n", "--no-header")))
    assert (found["data"], found["n"]) == ("1", 3)
    found = json.loads(run(capsys, *fit("1,5\n2,6\n4,7\n", "--no-header", "--column", "2")))
    assert (found["data"], found["n"]) == ("2", 3)
    # Years as names.
    found = json.loads(run(capsys, *fit("2019,2020\n2,6\n4,7\n", "--column", "2020")))
    assert (found["data"], found["n"]) == ("2020", 2)


def test_a_single_column_needs_no_name(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("colour\nred\nblue\nred\n", encoding="utf-8")
    assert "p[blue]" in run(capsys, "fit", path, "--model", "categorical")
    path.write_text("colour,times\nred,2\nblue,3\n", encoding="utf-8")
    out = run(capsys, "fit", path, "--model", "categorical", "--weights", "times")
    assert "colour, n = 5" in out


def test_minutes_written_as_decimals_keep_their_seconds(capsys: Capture) -> None:
    found = json.loads(run(capsys, "entropy", GEYSER, "--column", "eruptions", "--json"))
    assert found["resolution"] == pytest.approx(1 / 60, rel=1e-12)
    # At most the entropy of the seconds that fit between the least and the largest.
    assert found["value"] < np.log(60 * (5.1 - 1.6) + 1)
    arguments = ["compare", GEYSER, "--column", "eruptions", "--models", "gamma,weibull"]
    rows = json.loads(run(capsys, *arguments, "--json", "--replicates", 99))["rows"]
    # Two modes: the gap is of the order of log 2 and not of the missing decimals, log(1000/60).
    assert all(0.4 < row["excess"] < 0.9 for row in rows)


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"mlece {mlece.__version__}"


def test_entropy(capsys: Capture, table: Path) -> None:
    found = json.loads(run(capsys, "entropy", GEYSER, "--column", "waiting", "--json"))
    assert found["kind"] == "continuous"
    assert found["resolution"] == 1.0
    # The largest entropy that 54 possible minutes allow.
    assert 3.0 < found["value"] < np.log(54)
    out = run(capsys, "entropy", table, "--column", "kids", "--weights", "times", "--units", "bits")
    assert "bits" in out
    assert "n = 9" in out


def test_entropy_by_method(capsys: Capture, table: Path) -> None:
    kids = ("entropy", table, "--column", "kids", "--weights", "times", "--json")
    for method in ("nsb", "plug-in", "Grassberger 2003"):
        found = json.loads(run(capsys, *kids, "--method", method))
        expected = mlece.estimate_entropy([2, 0, 1, 3, 1], True, [3, 1, 2, 1, 2], method)
        assert (found["value"], found["method"]) == (expected.value, expected.method)
    sizes = json.loads(
        run(capsys, "entropy", table, "--column", "size", "--method", "vasicek", "--json")
    )
    assert sizes["method"] == "Vasicek, m = 2"
    # Rounded data have cells: an estimator of masses serves them, one of densities does not.
    waiting = ("entropy", GEYSER, "--column", "waiting")
    assert "Zhang" in run(capsys, *waiting, "--method", "zhang")
    assert "an estimator of masses" in refused(capsys, *waiting, "--method", "vasicek")
    assert "'miller-madow'" in refused(capsys, *kids, "--method", "miller-maddow")
    only = table.with_name("once.csv")
    only.write_text("kind\na\nb\nc\n", encoding="utf-8")
    assert "singleton" in json.loads(run(capsys, "entropy", only, "--json"))["note"]


def test_entropy_of_a_density_with_an_atom(capsys: Capture, tmp_path: Path) -> None:
    rain = np.where(np.arange(300) % 3 == 0, 0.0, np.random.default_rng(1).random(300))
    path = tmp_path / "rain.csv"
    path.write_text("rain\n" + "\n".join(map(repr, rain.tolist())) + "\n", encoding="utf-8")
    out = run(capsys, "entropy", path)
    assert "atoms + Kozachenko-Leonenko" in out
    assert "33.3 % of the data are at 1 atom (0)" in out


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ((GEYSER, "--column", "waiting"), "masses"),
        (("{table}", "--column", "kids", "--weights", "times", "--method", "zhang"), "masses"),
        (("{table}", "--column", "size", "--kind", "continuous"), "densities"),
    ],
)
def test_entropy_is_drawn_beside_other_estimates(
    capsys: Capture, table: Path, tmp_path: Path, asked: tuple[object, ...], kind: str
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    figure = tmp_path / "floor.png"
    words = [str(table) if a == "{table}" else a for a in asked]
    out = run(capsys, "entropy", *words, "--plot", figure, "--units", "bits")
    assert out.endswith(f"Figure: {figure}\n")
    assert figure.stat().st_size > 5000
    plain = run(capsys, "entropy", *words, "--units", "bits")
    assert out == f"{plain.rstrip()}\nFigure: {figure}\n"
    quiet = run(capsys, "entropy", *words, "--plot", tmp_path / "json.svg", "--json")
    assert json.loads(quiet)["units"] == "nats"
    assert (tmp_path / "json.svg").exists()


def test_numbers_of_the_picture_of_an_entropy() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    seen = list("abracadabra")
    first, other = (mlece.estimate_entropy(seen, True, method=m) for m in ("nsb", "plug-in"))
    ax, drawn = first.plot(beside=[other], units="bits")
    assert drawn.labels == (first.method, other.method)
    assert drawn.values == pytest.approx([e.in_units("bits").value for e in (first, other)])
    assert [drawn.lower[1], drawn.upper[1]] == pytest.approx(other.in_units("bits").interval())
    assert ax.get_xlabel() == "entropy, bits"
    assert [t.get_text() for t in ax.get_yticklabels()] == list(drawn.labels)
    several = mlece.estimate_entropy(seen, True)
    with pytest.raises(mlece.errors.DataError, match="estimates of one sample"):
        replace(several, value=np.ones(2), se=np.ones(2)).plot()


def test_families_for_programs(capsys: Capture) -> None:
    listed = json.loads(run(capsys, "families", "--json"))["families"]
    assert {entry["name"] for entry in listed} >= set(mlece.families.__all__)
    by_name = {entry["name"]: entry for entry in listed}
    weibull = {p["name"]: p for p in by_name["Weibull"]["parameters"]}
    assert weibull["scale"]["formula"]
    assert not weibull["shape"]["formula"]
    assert weibull["shape"]["domain"] == "a number in (0, inf)"
    known = {p["name"]: p["estimated"] for p in by_name["Binomial"]["parameters"]}
    assert known == {"n": False, "p": True}
    assert by_name["Gaussian"]["solver"] == "closed form"


def test_families_lists_every_family(capsys: Capture) -> None:
    out = run(capsys, "families")
    for family in mlece.families.__all__:
        assert family in out


def test_families_say_which_slot_a_formula_means(capsys: Capture) -> None:
    lines = {line.split()[0]: line for line in run(capsys, "families").splitlines() if line.strip()}
    for family, slot in (("Gaussian", "mean*"), ("Ordinal", "location*"), ("Binomial", "p*")):
        assert slot in lines[family]
    assert "*" not in lines["Gamma"]


# ---------------------------------------------------------------------------- covariates

FLIGHTS = """count,day,carrier,age,trials,wins,times
2,1,AA,30.5,7,3,1
1,2,BB,41,8,4,2
4,3,AA,28,9,2,1
0,1,CC,55,6,3,3
3,4,CC,39.5,7,5,1
6,5,BB,47,8,4,1
2,2,AA,33,9,6,2
5,5,CC,61,5,1,1
1,3,BB,52,6,3,1
7,6,AA,36,7,2,1
"""


def table_of(text: str) -> dict[str, object]:
    names, *rows = (line.split(",") for line in text.split())
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    return {k: list(v) if k == "carrier" else [float(c) for c in v] for k, v in cells.items()}


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    path = tmp_path / "flights.csv"
    path.write_text(FLIGHTS, encoding="utf-8")
    return path


def same(found: dict[str, object], fit: mlece.Fit, kind: str, **options: object) -> None:
    said = found["parameters"]
    assert isinstance(said, dict)
    assert {k: v["estimate"] for k, v in said.items()} == fit.params
    assert {k: v["standard_error"] for k, v in said.items()} == fit.standard_errors(kind, **options)
    ends = fit.interval(kind=kind, **options)
    assert {k: v["interval"] for k, v in said.items()} == {k: list(v) for k, v in ends.items()}


def test_a_formula_with_clusters(capsys: Capture, flights: Path) -> None:
    given = table_of(FLIGHTS)
    fit = mlece.fit("poisson", "count ~ day + C(carrier)", given=given)
    asked = ["fit", flights, "--model", "poisson", "--formula", "count ~ day + C(carrier)"]
    same(json.loads(run(capsys, *asked, "--json")), fit, "sandwich")
    found = json.loads(run(capsys, *asked, "--cluster", "carrier", "--json"))
    same(found, fit, "cluster", clusters="carrier")
    assert (found["model"], found["covariance"]) == ("Poisson given covariates", "cluster, carrier")
    out = run(capsys, *asked, "--cluster", "carrier, age")
    assert "rate[C(carrier)[T.BB]]" in out
    assert "se (cluster, carrier and age)" in out


def test_slots_columns_and_kinds_of_covariance(capsys: Capture, flights: Path) -> None:
    given = table_of(FLIGHTS)
    asked = ["fit", flights, "--model", "gaussian", "--json"]
    spread = mlece.fit(mlece.Gaussian(mean="day", sd="day"), "log(age)", given=given)
    found = json.loads(
        run(
            capsys, *asked, "--formula", "log(age) ~ day", "--slot", "sd=day", "--covariance", "HC3"
        )
    )
    same(found, spread, "HC3")
    plain = mlece.fit(mlece.Gaussian(mean=["day", "carrier"]), "age", given=given)
    found = json.loads(
        run(
            capsys, *asked, "--column", "age", "--given", "day,carrier",
            "--covariance", "newey-west", "--lags", 2,
        )
    )  # fmt: skip
    same(found, plain, "newey-west", lags=2)
    counted = mlece.fit(mlece.Binomial(n="trials", p="age"), "wins", given=given, weights="times")
    found = json.loads(
        run(
            capsys, "fit", flights, "--model", "binomial", "--slot", "n=trials",
            "--formula", "wins ~ age", "--weights", "times", "--json",
        )
    )  # fmt: skip
    same(found, counted, "sandwich")


def test_clusters_without_covariates(capsys: Capture, flights: Path) -> None:
    found = json.loads(
        run(
            capsys, "fit", flights, "--model", "poisson", "--column", "count",
            "--cluster", "carrier", "--json",
        )
    )  # fmt: skip
    fit = mlece.fit("poisson", "count", given=table_of(FLIGHTS))
    same(found, fit, "cluster", clusters="carrier")


def test_missing_covariates(capsys: Capture, flights: Path) -> None:
    flights.write_text(FLIGHTS.replace("4,3,AA", "4,,AA").replace("7,6,AA", "7,6,NA"))
    asked = ["fit", flights, "--model", "poisson", "--formula", "count ~ day + carrier"]
    assert "2 of 10 rows" in refused(capsys, *asked)
    kept = "\n".join(row for row in FLIGHTS.split() if not row.startswith(("4,3", "7,6")))
    fit = mlece.fit("poisson", "count ~ day + carrier", given=table_of(kept))
    assert "2 rows in which something is missing" in run(capsys, *asked, "--missing", "drop")
    found = json.loads(run(capsys, *asked, "--missing", "drop", "--json"))
    assert (found["n"], found["dropped"]) == (8, 2)
    same(found, fit, "sandwich")


def test_pictures_of_fits_with_covariates(capsys: Capture, flights: Path, tmp_path: Path) -> None:
    for model, formula in (
        ("poisson", "count ~ day"),
        ("binomial", "wins ~ age"),
        ("categorical", "carrier ~ day"),
        ("bernoulli", "times > 1 ~ age"),
    ):
        figure = tmp_path / f"{model}.png"
        trials = ["--slot", "n=trials"] if model == "binomial" else []
        asked = ["fit", flights, "--model", model, "--formula", formula, *trials]
        run(capsys, *asked, "--plot", figure)
        assert figure.read_bytes().startswith(b"\x89PNG")


def test_compare_with_formulas(capsys: Capture, flights: Path) -> None:
    asked = ["compare", flights, "--models", "poisson,geometric", "--json"]
    found = json.loads(run(capsys, *asked, "--formula", "count ~ day", "--formula", "count ~ 1"))
    names = {row["model"] for row in found["rows"]}
    assert names == {
        "Poisson(rate='day')", "Poisson(rate='1')", "Geometric(p='day')", "Geometric(p='1')",
    }  # fmt: skip
    assert found["data"] == "count"


def test_compare_censored_responses_given_covariates(capsys: Capture, tmp_path: Path) -> None:
    lung, models = datasets.lung().columns, "weibull,lognormal"
    path = Path(str(datasets.__file__)).parent / "data" / "lung.csv"
    asked = ["compare", path, "--models", models, "--criterion", "tic", "--json"]
    died = mlece.right_censored(lung["days"], lung["died"])
    terms = [mlece.Weibull(scale="age + C(sex)"), mlece.LogNormal(meanlog="age + C(sex)")]
    known = mlece.compare(terms, died, given=lung, criterion="tic")
    formula = ["--formula", "days ~ age + C(sex)", "--event", "died"]
    found = json.loads(run(capsys, *asked, *formula))
    assert found["data"] == "days"
    assert [row["model"] for row in found["rows"]] == [row.name for row in known.rows]
    assert [row["held_out"] for row in found["rows"]] == [row.held_out for row in known.rows]
    columns = ["--given", "age,sex", "--column", "days", "--event", "died"]
    again = json.loads(run(capsys, *asked, *columns))
    assert [row["held_out"] for row in again["rows"]] == [row.held_out for row in known.rows]
    assert "Weibull" in run(capsys, *asked[:-1], *formula, "--plot", tmp_path / "bars.png")
    # Ends of intervals stand beside a formula without a left side.
    rows = [
        f"{a},{b},{x}" for a, b, x in ((0, 1, 1), (1, 2, 3), (2, "inf", 2), (1, 3, 1), (0, 2, 3))
    ]
    ends = tmp_path / "ends.csv"
    ends.write_text("\n".join(["low,high,x", *rows]), encoding="utf-8")
    two = ["compare", ends, "--models", models, "--formula", "~ x", "--formula", "~ 1"]
    out = run(capsys, *two, "--lower", "low", "--upper", "high")
    assert "low to high: 5 observations" in out
    assert "Weibull(scale='1')" in out


def test_a_table_is_shown_where_a_later_figure_fails(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import argparse

    from mlece.cli import commands

    drawn: list[Path] = []

    def write(path: Path, result: object, truth: str) -> None:
        if drawn:
            raise mlece.errors.DataError(f"nothing to draw for {truth}")
        drawn.append(path)

    monkeypatch.setattr(commands, "write_picture", write)
    options = argparse.Namespace(plot=str(tmp_path / "all.png"), json=False)
    with pytest.raises(mlece.errors.DataError, match="for second"):
        commands._with_pictures(options, None, "the table", ("first", "second"))
    assert capsys.readouterr().out == f"the table\nFigure: {tmp_path}/all-1.png (first)\n"


def test_compare_drops_the_rows_that_one_of_the_models_lacks(
    capsys: Capture, flights: Path
) -> None:
    flights.write_text(FLIGHTS.replace("4,3,AA", "4,,AA").replace("AA,36", "AA,"))
    asked = [
        "compare",
        flights,
        "--models",
        "poisson",
        "--formula",
        "count ~ day",
        "--formula",
        "count ~ age",
    ]
    assert "1 of 10 rows" in refused(capsys, *asked)
    out = run(capsys, *asked, "--missing", "drop")
    assert "2 of 10 rows in which something is missing were left out." in out
    found = json.loads(run(capsys, *asked, "--missing", "drop", "--json"))
    kept = "\n".join(r for r in FLIGHTS.split() if not r.startswith("4,3") and "AA,36" not in r)
    models = [mlece.Poisson(rate=name) for name in ("day", "age")]
    known = mlece.compare(models, "count", given=table_of(kept))
    assert found["n"] == 8
    assert [row["held_out"] for row in found["rows"]] == [row.held_out for row in known.rows]


def test_penalties(capsys: Capture, flights: Path) -> None:
    asked = ["fit", flights, "--model", "bernoulli", "--formula", "count > 2 ~ age", "--json"]
    for text, penalty in (
        ("firth", "firth"),
        ("ridge:0.1", mlece.ridge(0.1)),
        ("ridge:p=0.5", mlece.ridge({"p": 0.5})),
    ):
        fit = mlece.fit("bernoulli", "count > 2 ~ age", given=table_of(FLIGHTS), penalty=penalty)
        found = json.loads(run(capsys, *asked, "--penalty", text, "--covariance", "hessian"))
        assert {k: v["estimate"] for k, v in found["parameters"].items()} == fit.params
        assert (found["aic"], found["penalty"]) == (None, fit.penalty)


def test_separated_data_have_a_table_and_no_figure(
    capsys: Capture, flights: Path, tmp_path: Path
) -> None:
    figure = tmp_path / "none.png"
    asked = ["fit", flights, "--model", "bernoulli", "--formula", "day > 3 ~ day", "--plot", figure]
    assert main([str(a) for a in asked]) == 2
    out, err = capsys.readouterr()
    assert "no maximum likelihood estimate exists" in out
    assert err.startswith("mlece: expected a fitted member")
    assert err.count("\n") == 1
    assert not figure.exists()
    run(capsys, *asked, "--penalty", "firth")
    assert figure.exists()


def test_incomplete_responses_given_covariates(
    capsys: Capture, flights: Path, tmp_path: Path
) -> None:
    seen = ["1", "0", "1", "1", "0", "1", "1", "1", "0", "1"]
    rows = [f"{row},{end}" for row, end in zip(FLIGHTS.split(), ["seen", *seen], strict=True)]
    flights.write_text("\n".join(rows))
    given = table_of(FLIGHTS)
    times = mlece.right_censored(given["age"], np.array(seen, dtype=float))
    entered = mlece.right_censored(given["age"], np.array(seen, dtype=float), given["trials"])
    asked = ["fit", flights, "--model", "weibull", "--json"]
    for options, data, terms in (
        (["--formula", "age ~ day", "--event", "seen"], times, "day"),
        (
            ["--column", "age", "--given", "day,carrier", "--event", "seen"],
            times,
            ["day", "carrier"],
        ),
        (["--formula", "age ~ day", "--event", "seen", "--entry", "trials"], entered, "day"),
    ):
        fit = mlece.fit(mlece.Weibull(scale=terms), data, given=given)
        same(json.loads(run(capsys, *asked, *options)), fit, "sandwich")
    # All columns but those of the response.
    few = tmp_path / "few.csv"
    few.write_text("\n".join(",".join(row.split(",")[i] for i in (1, 3, 7)) for row in rows))
    found = json.loads(
        run(
            capsys,
            "fit",
            few,
            "--model",
            "weibull",
            "--formula",
            "age ~ .",
            "--event",
            "seen",
            "--json",
        )
    )
    assert list(found["parameters"]) == ["shape", "scale[Intercept]", "scale[day]"]
    ends = ["--lower", "age", "--upper", "age", "--formula", "~ day", "--weights", "times"]
    between = mlece.censored(given["age"], given["age"])
    fit = mlece.fit(mlece.Weibull(scale="day"), between, given=given, weights=given["times"])
    same(json.loads(run(capsys, *asked, *ends)), fit, "sandwich")


POISSON = ["fit", "FILE", "--model", "poisson"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*POISSON, "--formula", "count ~ dya"], "'day'"),
        ([*POISSON, "--formula", "coutn ~ day"], "'count'"),
        ([*POISSON, "--formula", "count ~ day +"], "formula"),
        ([*POISSON, "--formula", "age ~ day"], "integers"),
        ([*POISSON, "--formula", "carrier ~ day"], "numbers"),
        ([*POISSON, "--formula", "count ~ day", "--column", "count"], "both"),
        ([*POISSON, "--given", "day"], "neither"),
        ([*POISSON, "--column", "count", "--given", "dya"], "'day'"),
        ([*POISSON, "--formula", "count ~ day", "--given", "day"], "both"),
        ([*POISSON, "--formula", "count ~ day", "--slot", "rat=day"], "'rate'"),
        ([*POISSON, "--formula", "count ~ day", "--slot", "rate"], "--slot name="),
        ([*POISSON, "--formula", "count ~ day", "--cluster", "carier"], "'carrier'"),
        ([*POISSON, "--formula", "count ~ day", "--covariance", "cluster"], "--cluster"),
        ([*POISSON, "--formula", "count ~ day", "--covariance", "HC9"], "HC9"),
        ([*POISSON, "--formula", "count ~ day", "--lags", "2"], "newey-west"),
        ([*POISSON, "--formula", "count ~ day", "--cluster", "age", "--covariance", "HC1"], "HC1"),
        ([*POISSON, "--formula", "count ~ day", "--event", "times"], "True/False"),
        ([*POISSON, "--formula", "log(age) ~ day", "--event", "times"], "TIME a column"),
        ([*POISSON, "--formula", "age", "--event", "times"], "'TIME ~ x'"),
        ([*POISSON, "--formula", "count ~ day", "--penalty", "lasso:1"], "'lasso:1'"),
        ([*POISSON, "--formula", "count ~ day", "--penalty", "ridge"], "'ridge'"),
        ([*POISSON, "--formula", "count ~ day", "--penalty", "ridge:-1"], "strength of 0 or more"),
        ([*POISSON, "--formula", "count ~ day", "--penalty", "ridge:mean=1"], "'mean'"),
        ([*POISSON, "--column", "count", "--penalty", "firth"], "no covariates"),
        ([*POISSON, *["--lower", "day", "--upper", "count", "--missing", "drop"]], "--formula"),
        (["fit", "FILE", "--model", "gamma", "--formula", "age ~ day"], "MeanGamma"),
        (["compare", "FILE", "--formula", "count ~ day"], "--models"),
        (
            ["compare", "FILE", "--models", "poisson", "--formula", "count ~ day", "--event", "times"],
            "status == 2",
        ),
        (
            ["compare", "FILE", "--models", "poisson", "--given", "day", "--event", "trials"],
            "--column TIME",
        ),
        (["compare", "FILE", "--models", "poisson", "--given", "day"], "--column Y"),
        (
            ["compare", "FILE", "--models", "poisson", "--given", "day", "--formula", "count ~ day"],
            "both",
        ),
        (
            ["compare", "FILE", "--models", "poisson", "--column", "day", "--formula", "count ~ day"],
            "both",
        ),
        (
            ["compare", "FILE", "--models", "poisson", "--formula", "count ~ day", "--formula", "wins ~ 1"],
            "one response",
        ),
    ],
)  # fmt: skip
def test_bad_covariates(capsys: Capture, flights: Path, arguments: list[str], words: str) -> None:
    assert words in refused(capsys, *[flights if a == "FILE" else a for a in arguments])


@pytest.mark.parametrize(
    ("cells", "words"),
    [("two", "1 of 10 cells that are none"), ('"1,5"', "decimal point")],
)
def test_covariates_that_are_half_numbers(
    capsys: Capture, flights: Path, cells: str, words: str
) -> None:
    flights.write_text(FLIGHTS.replace("1,2,BB", f"1,{cells},BB"))
    assert words in refused(
        capsys, *[flights if a == "FILE" else a for a in POISSON], "--formula", "count ~ day"
    )
    # A column that nobody asks for may hold what it likes.
    asked = [*[flights if a == "FILE" else a for a in POISSON], "--formula", "count ~ age"]
    assert "rate[age]" in run(capsys, *asked)


@pytest.mark.parametrize("command", ["fit", "compare", "entropy", "study", "families"])
def test_help_has_an_example(capsys: Capture, command: str) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"example: mlece {command}" in capsys.readouterr().out


def test_demo(capsys: Capture) -> None:
    out = run(capsys, "demo")
    assert "λ = 1" in out
    assert "no evidence against it" in out
    assert "misspecified" in out
    assert max(map(len, out.splitlines())) <= 100


FIT = ["fit", "FILE", "--column", "size", "--model", "gamma"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["fit"], "FILE"),
        ([*FIT, "--nonsense"], "--nonsense"),
        (["fit", "nowhere.csv", "--model", "gamma"], "no such file: nowhere.csv"),
        (["fit", ".", "--model", "gamma"], "is a directory"),
        (["compare", "FILE", "--column", "size", "--seed", "-1"], "seed"),
        (["fit", "FILE", "--column", "sise", "--model", "gamma"], "Columns: size, kids"),
        (["fit", "FILE", "--column", "zzzz", "--model", "gamma"], "Known: colour, kids"),
        (["fit", "FILE", "--model", "gamma"], "several numeric columns: size, kids, times"),
        (["fit", "FILE", "--column", "colour", "--model", "gamma"], "real numbers"),
        (["fit", "FILE", "--column", "size", "--model", "gama"], "'Gamma'"),
        (["fit", "FILE", "--column", "size", "--model", "binomial"], "a value for n"),
        ([*FIT, "--fix", "shape"], "name=value"),
        ([*FIT, "--fix", "shap=2"], "'shape'"),
        ([*FIT, "--fix", "shape=two"], "'two'"),
        ([*FIT, "--fix", "shape=-1"], "(0, inf)"),
        ([*FIT, "--fix", "shape=1,2"], "one number"),
        ([*FIT, "--level", "95"], "(0, 1)"),
        ([*FIT, "--units", "pints"], "pints"),
        ([*FIT, "--solver", "magic"], "magic"),
        ([*FIT, "--weights", "tims"], "'times'"),
        ([*FIT, "--weights", "colour"], "real numbers"),
        ([*FIT, "--plot", "figure.xyz"], ".png"),
        ([*FIT, "--plot", "no/such/folder/figure.png"], "folder"),
        (["fit", "FILE", "--column", "kids", "--model", "gamma"], "(0, inf)"),
        (["compare", "FILE", "--column", "size", "--models", "gamma,poisson"], "measure"),
        (["compare", "FILE", "--column", "size", "--models", ","], "at least one model"),
        (["compare", "FILE", "--column", "size", "--replicates", "3"], "19 replicates"),
        (["compare", "FILE", "--column", "size", "--kind", "real"], "real"),
    ],
)
def test_bad_arguments(capsys: Capture, table: Path, arguments: list[str], words: str) -> None:
    assert words in refused(capsys, *[table if a == "FILE" else a for a in arguments])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing in"),
        ("x\n", "header alone"),
        ("x,y\n1,2\n,3\n4,5\nNA,6\n", "2 empty or missing of 4, the first in data row 2"),
        ("x,y\n1,2\ntwo,3\n4,5\n", "1 of 3 cells that are none, the first 'two' in data row 2"),
        ("x,y\n1,2\n1\n", "2 cells in every row"),
        ("x,x\n1,2\n", "different name"),
        ("x,y\n1,2\ninf,3\n", "finite"),
        ('{"x": 1}\n{"x": \n', "one JSON object on each line"),
        ('[{"x": 1}, {"x": ', "an array of them"),
        ('[{"x": 1}, 2]', "2 in entry 1"),
        ('{"x": 1}\n{"y": 2}\n', "1 empty or missing of 2"),
        ('{"x": 1}\n{"x": [2]}\n', "'[2]'"),
        ('x,y\n"1,2\n', "cells in every row"),
    ],
)
def test_bad_files(capsys: Capture, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    assert words in refused(capsys, "fit", path, "--column", "x", "--model", "gaussian")


def test_an_array_of_objects_is_a_table(capsys: Capture, tmp_path: Path) -> None:
    lines = '{"x": 1.5, "k": "a"}\n{"k": "b", "x": 2}\n'
    array = '[\n {"x": 1.5, "k": "a"},\n {"k": "b", "x": 2}\n]\n'
    printed = []
    for name, text in (("t.jsonl", lines), ("t.json", array), ("t.txt", array)):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        printed.append(run(capsys, "fit", path, "--column", "x", "--model", "gaussian"))
    assert printed[0] == printed[1] == printed[2]
    (tmp_path / "none.json").write_text("[]", encoding="utf-8")
    assert "none in" in refused(capsys, "fit", tmp_path / "none.json", "--model", "gaussian")


def test_other_bytes(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"x\n\xff\xfe\n")
    assert "UTF-8" in refused(capsys, "fit", path, "--model", "gaussian")


def test_module_runs_and_a_broken_pipe_is_quiet() -> None:
    command = [sys.executable, "-m", "mlece", "families"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=HERE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        complaint = child.stderr.read()
        assert child.wait() == 0
    assert complaint == b""


# ---------------------------------------------------------------------------- decimal commas


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x;y\n1,5;2,0\n-0,25;1\n3;,5\n", ["--column", "x"]),
        ("x\ty\n1,5\t2,0\n-0,25\t1\n3\t,5\n", ["--column", "x"]),
        ("1,5;2,0\n-0,25;1\n3;,5\n", ["--no-header", "--column", "1"]),
        ("1,5;2,0\n-2,5e-1;1\n3;,5\n", ["--no-header", "--column", "1"]),
    ],
)
def test_decimal_commas(capsys: Capture, tmp_path: Path, text: str, options: list[str]) -> None:
    path = tmp_path / "german.csv"
    path.write_text(text, encoding="utf-8")
    found = json.loads(run(capsys, "fit", path, "--model", "gaussian", "--json", *options))
    assert found["parameters"]["mean"]["estimate"] == pytest.approx((1.5 - 0.25 + 3) / 3)


@pytest.mark.parametrize(
    "text",
    [
        "x;y\n1.234,5;1\n2.000,5;2\n",
        "x;y\n1 234,5;1\n2,5;2\n",
        "x;y\n1'234,5;1\n2,5;2\n",
        'x,y\n"1,5",1\n"2,5",2\n',
        'x,y\n"1,234.5",1\n"2,234.5",2\n',
    ],
)
@pytest.mark.parametrize("command", [["fit", "--model", "gaussian"], ["compare"]])
def test_separators_of_thousands_are_not_guessed(
    capsys: Capture, tmp_path: Path, text: str, command: list[str]
) -> None:
    path = tmp_path / "local.csv"
    path.write_text(text, encoding="utf-8")
    said = refused(capsys, command[0], path, *command[1:], "--column", "x")
    assert "decimal comma" in said
    assert "data row 1" in said


def test_versions_and_dates_stay_labels(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("v;d\n1.2.3;01.02.2024\n1.10.0;02.02.2024\n", encoding="utf-8")
    for column in "vd":
        assert "Categorical" in run(
            capsys, "fit", path, "--model", "categorical", "--column", column
        )


def test_fit_intervals(capsys: Capture) -> None:
    arguments = ["fit", GEYSER, "--column", "waiting", "--model", "gamma"]
    fit = mlece.fit("gamma", datasets.old_faithful().columns["waiting"])
    for method in ("profile", "robust-profile", "bootstrap", "wald"):
        asked = [*arguments, "--interval", method, "--level", 0.9]
        found = json.loads(run(capsys, *asked, "--json"))["parameters"]["rate"]["interval"]
        assert found == list(fit.interval(0.9, method.replace("-", " "))["rate"])
    assert "robust" in run(capsys, *arguments, "--interval", "robust-profile")
    assert "Uniform, Pareto" in run(capsys, *arguments, "--interval", "exact")
    assert "invalid choice" in refused(capsys, *arguments, "--interval", "likely")


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_truth_values_of_a_file(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = [True, False, True, True, False, True]
    rows = [f"{5 + i},{i},{words[0] if s else words[1]}" for i, s in enumerate(seen)]
    path = tmp_path / "times.csv"
    path.write_text("\n".join(["time,day,died", *rows]), encoding="utf-8")
    times = [5, 6, 7, 8, 9, 10]
    censored = mlece.right_censored(times, seen)
    for arguments, expected in (
        (["--model", "weibull", "--column", "time"], mlece.fit("weibull", censored)),
        (
            ["--model", "exponential", "--formula", "time ~ day"],
            mlece.fit(mlece.Exponential(rate="day"), censored, given={"day": range(6)}),
        ),
    ):
        assert main(["fit", str(path), "--event", "died", "--json", *arguments]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["cross_entropy"] == pytest.approx(float(expected.cross_entropy), rel=1e-12)
    assert main(["fit", str(path), "--model", "bernoulli", "--column", "died", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"]["p"]["estimate"] == pytest.approx(
        2 / 3
    )
