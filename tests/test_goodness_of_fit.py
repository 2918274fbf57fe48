"""Distances from a fitted law: published values, definitions by quadrature, levels, refusals."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

import mlece
from mlece.diagnostics.distance import distances
from mlece.model import Model

CASES = json.loads((Path(__file__).parent / "reference" / "normality.json").read_text())["cases"]
RNG = np.random.default_rng(31)


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_statistics_of_normality_are_those_of_r(case: dict) -> None:
    y, want = np.array(case["data"], dtype=float), case["result"]
    member = mlece.Gaussian(mean=[y.mean()], sd=[y.std(ddof=1)])
    found = distances(member, y[None, :])
    assert found["kolmogorov-smirnov"][0] == pytest.approx(want["lillie"], rel=1e-10)
    assert found["cramer-von mises"][0] == pytest.approx(want["cvm"], rel=1e-10)
    assert found["anderson-darling"][0] == pytest.approx(want["ad"], rel=1e-10)


def test_densities_give_the_formulas_of_scipy() -> None:
    y = RNG.gamma(2, 1, 50)
    found = distances(mlece.Gamma(shape=[2.0], rate=[1.1]), y[None, :])
    law = stats.gamma(2, scale=1 / 1.1)
    assert found["kolmogorov-smirnov"][0] == pytest.approx(stats.kstest(y, law.cdf).statistic)
    assert found["cramer-von mises"][0] == pytest.approx(stats.cramervonmises(y, law.cdf).statistic)
    u = np.sort(law.cdf(y))
    i = np.arange(1, 51)
    want = -50 - np.mean((2 * i - 1) * (np.log(u) + np.log1p(-u[::-1])))
    assert found["anderson-darling"][0] == pytest.approx(want, rel=1e-10)


def test_counts_give_the_sums_over_the_lattice() -> None:
    """Choulakian, Lockhart and Stephens (1994), the lattice beyond the largest count taken as a density."""
    y = RNG.poisson(3, 60).astype(float)
    law = stats.poisson(2.8)
    k = np.arange(y.min(), y.max() + 1)
    share = np.array([np.mean(y <= j) for j in k])
    gap, mass = share - law.cdf(k), law.pmf(k)
    head = law.cdf(k[0] - 1) ** 3 / 3
    tail = law.sf(k[-1]) ** 3 / 3
    found = distances(mlece.Poisson(rate=[2.8]), y[None, :])
    want = 60 * (np.sum(gap**2 * mass) + head + tail)
    assert found["cramer-von mises"][0] == pytest.approx(want, rel=1e-10)
    assert found["kolmogorov-smirnov"][0] == pytest.approx(
        max(np.abs(gap).max(), law.cdf(k[0] - 1)), rel=1e-12
    )


def by_quadrature(model: Model, y: np.ndarray, at: float, weighted: bool) -> float:
    """∫ w(F) (F_n − F)² dF of a density with one atom, from the definition."""

    def integrand(x: float) -> float:
        f, share = float(model.cdf(x)), np.mean(y <= x)
        weight = 1 / (f * (1 - f)) if weighted else 1.0
        return weight * (share - f) ** 2 * float(model.density(x))

    points = np.unique([*y, at, float(model.quantile(1 - 1e-12))])
    total = sum(
        integrate.quad(integrand, a + 1e-13, b - 1e-13, epsrel=1e-10)[0]
        for a, b in itertools.pairwise(points)
    )
    f, mass = float(model.cdf(at)), float(model.density(at))
    weight = 1 / (f * (1 - f)) if weighted else 1.0
    return y.size * (total + weight * (np.mean(y <= at) - f) ** 2 * mass)


@pytest.mark.parametrize("weighted", [False, True])
def test_laws_with_atoms_give_the_integral(weighted: bool) -> None:
    y = np.r_[np.zeros(4), RNG.gamma(2, 1, 8)]
    fit = mlece.fit(mlece.Inflated(mlece.Gamma()), y)
    (_, batched), *_ = fit.groups()
    found = distances(batched, y[None, :])
    name = "anderson-darling" if weighted else "cramer-von mises"
    assert found[name][0] == pytest.approx(by_quadrature(fit.model, y, 0.0, weighted), rel=1e-6)


def test_circular_distances_do_not_depend_on_the_cut() -> None:
    y = RNG.uniform(-np.pi, np.pi, 30)
    turned = np.angle(np.exp(1j * (y + 2.0)))
    for name in ("kuiper", "watson"):
        one = distances(mlece.WrappedCauchy(mu=[0.3], rho=[0.4]), y[None, :])
        two = distances(mlece.WrappedCauchy(mu=[2.3], rho=[0.4]), turned[None, :])
        assert one[name][0] == pytest.approx(two[name][0], rel=1e-8)


LAWS = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "gamma": lambda rng, n: rng.gamma(2, size=n),
    "gaussian": lambda rng, n: rng.normal(size=n),
    "weibull": lambda rng, n: rng.weibull(1.5, size=n),
    "poisson": lambda rng, n: rng.poisson(4, size=n),
}


@pytest.mark.parametrize("name", LAWS)
def test_p_values_are_uniform_under_the_null(name: str) -> None:
    """150 samples of 40, 39 replicates; the 1e-4 quantile of Kolmogorov's law bounds the distance.

    benchmarks/goodness_of_fit.py has 5,000 samples.
    """
    rng = np.random.default_rng(len(name))
    found: dict[str, list[float]] = {}
    for _ in range(150):
        fit = mlece.fit(name, LAWS[name](rng, 40))
        for test, got in mlece.goodness_of_fit(fit, replicates=39, rng=rng).tests.items():
            found.setdefault(test, []).append(got.p_value)
    for test, p in found.items():
        # p takes the values 1/40 to 1: uniform on them.
        levels = np.arange(1, 41) / 40
        share = np.array([np.mean(np.array(p) <= level + 1e-9) for level in levels])
        slack = 0.04 if name == "poisson" else 0.0  # the statistics of counts tie
        assert np.abs(share - levels).max() <= 2.22 / np.sqrt(150) + slack, test


def test_wrong_laws_are_found() -> None:
    y = RNG.gamma(1, 1, 200)
    found = mlece.goodness_of_fit(mlece.fit("gaussian", y), replicates=99)
    assert all(test.p_value == 0.01 for test in found.tests.values())
    assert "p = 0.01" in str(found)


def test_weights_are_counts_and_labels_have_classes() -> None:
    kicks = mlece.datasets.horse_kicks()
    one = mlece.goodness_of_fit(mlece.fit("poisson", kicks.values, weights=kicks.counts))
    two = mlece.goodness_of_fit(mlece.fit("poisson", np.repeat(kicks.values, kicks.counts)))
    assert one.tests == two.tests
    die = mlece.Categorical(p=[1 / 3] * 3, labels=["a", "b", "c"])
    found = mlece.goodness_of_fit(mlece.fit(die, list("aabbbbcabc")))
    assert found["chi-square"].statistic == pytest.approx(10 * (0.3**2 + 0.5**2 + 0.2**2) * 3 - 10)


def test_a_law_fitted_by_its_extremes_has_no_anderson_darling() -> None:
    found = mlece.goodness_of_fit(mlece.fit("uniform", RNG.uniform(size=50)))
    assert "anderson-darling" not in found.tests
    assert "infinite" in found.remark


@pytest.mark.parametrize(
    ("make", "options", "match"),
    [
        (lambda: mlece.fit("gamma", mlece.Exponential(rate=1)), {}, "known distribution"),
        (lambda: mlece.fit("gamma", [[1.0, 2.0, 4.0], [1.0, 3.0, 2.0]]), {}, "batch"),
        (lambda: mlece.fit("gamma", [1.0, 2.0, 4.0]), {"replicates": 5}, "replicates"),
        (lambda: mlece.fit(mlece.Categorical(), list("aab")), {}, "every law"),
    ],
)
def test_what_has_no_test_is_refused(make: object, options: dict, match: str) -> None:
    assert callable(make)
    with pytest.raises(mlece.MleceError, match=match):
        mlece.goodness_of_fit(make(), **options)
