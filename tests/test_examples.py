"""The examples, the README and the docstrings print what theory and published tables give."""

from __future__ import annotations

import doctest
import importlib
import math
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

import mlece
from mlece.testing import check_model

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, *arguments: str) -> str:
    """Run an example as a user does, every warning an error, and return what it prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONWARNINGS": "error",
        "MPLBACKEND": "Agg",
    }
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments],
        capture_output=True,
        env=environment,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(text: str, before: str) -> float:
    """Return the first number behind a label."""
    found = re.search(re.escape(before) + r"\s*(-?\d[\d.]*(?:e-?\d+)?)", text)
    assert found, f"{before!r} is not in\n{text}"
    return float(found.group(1))


def test_die_kkt() -> None:
    text = run("die_kkt")
    counts = [3246, 3449, 2897, 2841, 3635, 3932]  # Czuber (1908)
    n = sum(counts)
    closed = " ".join(f"{c / n:.5f}" for c in counts)
    assert text.count(f"{closed} 0.00000") == 3  # the maximum is p̂, by three solvers
    assert "multipliers μ of q >= 0: 0.0 0.0 0.0 0.0 0.0 0.0 1.0" in text
    assert number(text, "SLSQP found by itself: λ =") == pytest.approx(1, abs=1e-6)
    statistic = 2 * sum(c * math.log(6 * c / n) for c in counts)
    assert number(text, "likelihood ratio 2 n ΔCE =") == pytest.approx(statistic, abs=0.005)
    assert text.rstrip().endswith("misspecified.")


def test_well_and_misspecified() -> None:
    text = run("well_and_misspecified")
    gamma, exponential = text.split("\nExponential\n")
    # Gamma(2) as an exponential: KL = log 2 - γ; as a gamma: nothing (White 1982, theorem 2.2).
    approximation = "approximation KL(p* ‖ q_θ*)"
    assert number(gamma, approximation) == 0
    expected = math.log(2) - 0.5772156649015329
    assert number(exponential, approximation) == pytest.approx(expected, abs=1e-6)
    for account in (gamma, exponential):
        terms = [
            number(account, s)
            for s in (
                "H(p*)",
                approximation,
                "H(p*, q_θ̂) − H(p*, q_θ*)",
                "total         H(p*, q_θ̂)",
            )
        ]
        assert sum(terms[:3]) == pytest.approx(terms[3], abs=2e-6)
    # k/(2n) to first order (White 1982); 2,000 samples, standard error below 2 %.
    assert number(text, "2,000 gamma fits:") == pytest.approx(0.005, rel=0.1)
    kicks = next(line for line in text.splitlines() if line.startswith("horse kicks"))
    geyser = next(line for line in text.splitlines() if line.startswith("Old Faithful:"))
    assert "no evidence of misspecification" in kicks
    assert "misspecified." in geyser
    assert "expected a population cross-entropy" in text


def test_robust_standard_errors() -> None:
    text = run("robust_standard_errors")
    # Pooled intervals of Proschan (1963): 213 failures; the usual error is rate/√n.
    rate = number(text, "rate")
    assert number(text, "trusts the model") == pytest.approx(rate / math.sqrt(213), abs=1e-6)
    assert number(text, "variance ratio") > 1
    # Exact coverage of rate ± z rate/√n, from the gamma law of the mean; simulation within 4 s.e.
    exact = {"0.5": 0.8393673967, "1.0": 0.9511968078, "2.0": 0.9939424674}
    for shape, coverage in exact.items():
        usual, printed, sandwich = (
            float(v) for v in re.search(rf"Gamma\({shape}, 1\)(.*)", text).group(1).split()
        )
        assert printed == pytest.approx(coverage, abs=6e-5)
        error = math.sqrt(coverage * (1 - coverage) / 20_000)
        assert usual == pytest.approx(coverage, abs=4 * error + 5e-4)  # printed to three digits
        assert 0.92 < sandwich < 0.95


def test_statsmodels_results() -> None:
    text = run("statsmodels_results")
    # Huber and White's standard errors as statsmodels has them, and its own.
    data = sm.datasets.randhie.load_pandas()
    model = sm.Poisson(data.endog, sm.add_constant(data.exog))
    usual, robust = model.fit(disp=0), model.fit(disp=0, cov_type="HC0")
    for column in ("lncoins", "physlm", "disea", "hlthp"):
        line = re.search(rf"^{column}(.*)", text, flags=re.MULTILINE).group(1)
        printed = [float(v) for v in line.split()]
        assert printed[:2] == pytest.approx([usual.bse[column], robust.bse[column]], abs=6e-6)
    largest = float((robust.bse / usual.bse).max())
    assert text.rstrip().endswith(f"by factors of up to {largest:.2f}.")
    # tr(A⁻¹B) from the matrices of statsmodels: B is A C A for its sandwich C.
    bread = usual.cov_params().to_numpy()
    trace = float((robust.cov_params().to_numpy() @ np.linalg.inv(bread)).trace())
    row = re.search(r"^Poisson(.*)", text, flags=re.MULTILINE).group(1).split()
    assert float(row[1]) == pytest.approx(trace, abs=0.006)
    assert float(row[2]) == pytest.approx(usual.aic, abs=0.6)
    assert "NegativeBinomialP is nearer to the truth" in text
    assert "A and B differ" in text


def test_pseudo_true_gaussian() -> None:
    text = run("pseudo_true_gaussian")
    # θ* = (mean, sd) of the truth, KL = ½ log 2π − ½, ratios 1 and (κ − 1)/2 (White 1982).
    assert "mean 1.000000000, sd 1.000000000" in text
    expected = 0.5 * math.log(2 * math.pi) - 0.5
    assert number(text, "divergence from the truth") == pytest.approx(expected, abs=1e-12)
    assert "variance ratios            mean 1.000000000, sd 4.000000000" in text
    assert number(text, "tr(A⁻¹B) =") == pytest.approx(5, abs=1e-9)
    assert number(text, "n → ∞     sandwich") == pytest.approx(math.sqrt(2), abs=1e-3)
    assert number(text, "Gaussian theory") == pytest.approx(math.sqrt(0.5), abs=1e-3)


def test_own_family() -> None:
    text = run("own_family")
    assert "optimal; excess ≤" in text
    # Entropy of the hyperbolic secant law with scale s: log 2π s.
    scale = number(text, "scale")
    assert number(text, "Entropy of the fitted law:") == pytest.approx(
        math.log(2 * math.pi * scale), abs=2e-4
    )
    # Michelson's standard deviation, 79.01 km/s (NIST StRD Michelso), gives the Gaussian value.
    gaussian = 0.5 * math.log(2 * math.pi * math.e * 0.99) + math.log(79.0105478190518)
    assert number(text, "Gaussian ") == pytest.approx(gaussian, abs=5e-5)


def test_articles() -> None:
    text = run("articles")
    # Log-likelihoods by R 4.2.2: glm, pscl::zeroinfl and MASS::glm.nb on bioChemists
    # (tests/reference/regressions.json); the last by pscl::zeroinfl(dist = "negbin").
    published = {
        "Poisson": -1651.0563,
        "zero-inflated Poisson": -1604.7729,
        "negative binomial": -1560.9583,
        "zero-inflated nb": -1549.9909,
    }
    held_out = {}
    for name, value in published.items():
        row = re.search(rf"^{name} +(-[\d.]+) +([\d.]+) +([\d.]+)%$", text, re.MULTILINE)
        assert row
        assert float(row[1]) == pytest.approx(value, abs=6e-4)
        held_out[name] = float(row[2])
        assert held_out[name] > -float(row[1]) / 915
    assert sorted(held_out, key=held_out.__getitem__, reverse=True) == list(published)
    assert number(text, "the data") == pytest.approx(100 * 275 / 915, abs=0.05)  # Long (1990)
    # R: pscl::vuong without correction, 2.531568 with divisor n - 1 in the variance.
    assert number(text, "z =") == pytest.approx(2.531568 * math.sqrt(915 / 914), abs=6e-4)
    assert "probability runs to 0: the limit is NegativeBinomial" in text
    # R: sandwich::sandwich of the Poisson fit, standard error 0.0716622 of -0.2245942.
    low, high = (math.exp(-0.2245942 + s * 1.959964 * 0.0716622) for s in (-1, 1))
    assert f"Poisson, robust   {low:.3f} to {high:.3f}" in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_examples_draw_on_request_only(script: Path, tmp_path: Path) -> None:
    source = script.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    assert not re.search(r"\b(?:mlece|fit|fits|fitted|fair)\._", source), "public names only"
    picture = tmp_path / "figure.png"
    run(script.stem, "--plot", str(picture))
    assert picture.stat().st_size > 5_000


def agree(want: str, got: str) -> bool:
    """Compare text word by word, numbers to five digits; rounding errors may differ."""
    first, second = words(want), words(got)
    return len(first) == len(second) and all(map(same, first, second))


def words(text: str) -> list[str]:
    """Split text into numbers and what stands between them; rules of tables do not count."""
    number = r"[-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?"
    return re.findall(rf"{number}|[^\s\d─−-]+", text)


def same(want: str, got: str) -> bool:
    """Whether two words are equal, or two numbers agree."""
    try:
        a, b = (float(w.replace("−", "-").replace(",", "").rstrip(".")) for w in (want, got))
    except ValueError:
        return want == got
    return math.isclose(a, b, rel_tol=1e-5) or max(abs(a), abs(b)) < 1e-12


def block(page: str, kind: str, number: int = 0) -> str:
    """Return a code block of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)[number]


def test_the_sessions_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sessions = re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)
    steps = [s for part in sessions for s in re.split(r"^>>> ", part, flags=re.MULTILINE)[1:]]
    assert len(steps) > 3
    for step in steps:
        # Continued lines belong to the source; a table printed behind it may hold empty ones.
        continued = re.match(r"[^\n]*\n(?:\.\.\.[^\n]*\n)*", step)
        assert continued
        source = re.sub(r"^\.\.\. ?", "", continued[0], flags=re.MULTILINE)
        exec(compile(source, "README.md", "single"), names)
        got = capsys.readouterr().out
        assert agree(step[continued.end() :], got), got


def test_the_families_in_the_readme_and_the_changelog() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    families = mlece.families.__all__
    part = text.partition("## Families\n")[2].partition("\nA distribution")[0]
    assert part.startswith(f"\n{len(families)} of them")
    rows = [line.split("|")[2] for line in part.splitlines() if line.startswith("| ")]
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted(families)
    assert f"\n- {len(families)} families" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_command_in_the_readme(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlece.cli import main

    monkeypatch.chdir(ROOT)
    command, _, printed = block("README.md", "console").partition("\n")
    assert main(command.partition("mlece ")[2].split()) == 0
    got = capsys.readouterr().out
    assert agree(printed, got), got


def test_the_family_in_the_guide() -> None:
    names: dict[str, object] = {}
    exec(compile(block("CONTRIBUTING.md", "python"), "CONTRIBUTING.md", "exec"), names)
    family = names["Rayleigh"]
    assert isinstance(family, type)
    check_model(family())
    # The maximum of the Rayleigh likelihood: σ² = mean square / 2.
    assert mlece.fit(family, [1.0, 2.0, 3.0]).params["scale"] == pytest.approx(math.sqrt(14 / 6))


def modules() -> list[str]:
    return [
        "mlece",
        *(m.name for m in pkgutil.walk_packages(mlece.__path__, "mlece.")),
    ]


@pytest.mark.parametrize("name", [m for m in modules() if not m.endswith("__main__")])
def test_examples_in_docstrings(name: str) -> None:
    if name == "mlece.sklearn":
        pytest.importorskip("sklearn", reason="scikit-learn is an extra")
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
