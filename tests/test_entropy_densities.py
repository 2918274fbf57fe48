"""Differential entropy: spacings against scipy and published tables, simulations, surfaces, atoms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import differential_entropy

from mlece import errors
from mlece.entropies.entropy_estimators import DENSITIES, estimate_entropy
from mlece.entropies.neighbours import kozachenko_leonenko, usual_neighbour
from mlece.entropies.spacings import correa, ebrahimi, van_es, vasicek

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = {
    "oracle": 1e-12,  # both sides in double precision
    "simulation": 5.0,  # standard errors of a difference of simulated means
    "printed": 5e-5,  # four decimals
    "table": 5e-4,  # three decimals
}
SPACINGS = {"vasicek": vasicek, "van es": van_es, "ebrahimi": ebrahimi, "correa": correa}
NORMAL = 0.5 * np.log(2 * np.pi * np.e)
every_spacing = pytest.mark.parametrize("name", SPACINGS)


@every_spacing
@pytest.mark.parametrize("window", [None, 1, 5, 29])
def test_spacings_are_those_of_scipy(name, window):
    x = np.random.default_rng(1).standard_t(2, (3, 4, 60))
    expected = differential_entropy(x, axis=-1, method=name, window_length=window)
    assert SPACINGS[name](x, window).value == pytest.approx(expected, abs=TOLERANCE["oracle"])


@pytest.mark.parametrize(
    ("window", "value"), [(None, 1.342551187000946), (1, 1.122044177725947), (8, 1.349401487550325)]
)
def test_vasicek_published(window, value):
    # The tests of scipy.stats.differential_entropy.
    x = np.random.RandomState(0).standard_normal(100)
    assert vasicek(x, window).value == pytest.approx(value, abs=TOLERANCE["oracle"])


# Noughabi (2015), Entropy estimation using numerical methods, Annals of Data Science 2, 231-241,
# Tables 1 and 2: n = 50, m = 7; root mean squared error and standard deviation.
NOUGHABI = {
    ("normal", "vasicek"): (0.198, 0.109),
    ("normal", "van es"): (0.212, 0.110),
    ("normal", "correa"): (0.135, 0.112),
    ("normal", "ebrahimi"): (0.128, 0.109),
    ("exponential", "vasicek"): (0.194, 0.148),
    ("exponential", "van es"): (0.179, 0.149),
    ("exponential", "correa"): (0.155, 0.152),
    ("exponential", "ebrahimi"): (0.151, 0.148),
}


def of_rmse(error):
    """Return the standard error of a simulated root mean squared error."""
    return np.sqrt(np.square(error).var() / len(error)) / (2 * np.sqrt(np.square(error).mean()))


@pytest.mark.parametrize(("law", "name"), NOUGHABI, ids=str)
def test_published_errors(law, name):
    rng = np.random.default_rng(20)
    draw, truth = {
        "normal": (rng.standard_normal, NORMAL),
        "exponential": (rng.standard_exponential, 1.0),
    }[law]
    error = SPACINGS[name](draw((10_000, 50)), 7).value - truth
    rmse, sd = NOUGHABI[law, name]
    # His table rests on 10,000 samples too.
    noise = TOLERANCE["table"] + TOLERANCE["simulation"] * np.sqrt(2) * of_rmse(error)
    assert abs(np.sqrt(np.square(error).mean()) - rmse) < noise
    spread = of_rmse(error - error.mean())
    assert (
        abs(error.std() - sd) < TOLERANCE["table"] + TOLERANCE["simulation"] * np.sqrt(2) * spread
    )


BENCH = json.loads((REFERENCE / "entropy_bench.json").read_text())
DRAWS = {
    "normal": lambda g, s: g.standard_normal(s),
    "expon": lambda g, s: g.standard_exponential(s),
    "uniform": lambda g, s: g.random(s),
    "laplace": lambda g, s: g.laplace(size=s),
    "t3": lambda g, s: g.standard_t(3, s),
    "lognorm1": lambda g, s: np.exp(g.standard_normal(s)),
    "gamma.5": lambda g, s: g.standard_gamma(0.5, s),
    "beta(.5,.5)": lambda g, s: g.beta(0.5, 0.5, s),
    "cauchy": lambda g, s: g.standard_cauchy(s),
}
SAMPLES = {100: (400, 1000), 1000: (100, 400)}  # here, and of the reference


@pytest.mark.parametrize("case", BENCH)
def test_simulated_errors(case):
    law, size = case.split(" n=")
    n = int(size)
    here, there = SAMPLES[n]
    x = DRAWS[law](np.random.default_rng(30), (here, n))
    both = np.sqrt(1 + here / there)
    for name, (bias, rmse) in ((m, v) for m, v in BENCH[case].items() if isinstance(v, list)):
        if name in SPACINGS:
            found = SPACINGS[name](x)
        elif name.startswith("KL k="):
            found = kozachenko_leonenko(x, int(name.removeprefix("KL k=")))
        else:
            continue  # the kernel estimate is no part of mlece
        error = found.value - BENCH[case]["H"]
        noise = TOLERANCE["simulation"] * both
        sem = error.std() / np.sqrt(here)
        assert abs(error.mean() - bias) < TOLERANCE["printed"] + noise * sem, name
        root = np.sqrt(np.square(error).mean())
        assert abs(root - rmse) < TOLERANCE["printed"] + noise * of_rmse(error), name
        if name == "KL k=5":
            low, high = found.interval(0.95)
            share = ((low <= BENCH[case]["H"]) & (BENCH[case]["H"] <= high)).mean()
            nominal = BENCH[case]["cov95 KL k=5"]
            binomial = np.sqrt(nominal * (1 - nominal) / here)
            assert abs(share - nominal) < noise * binomial


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1.0, 1e9, 1e200])
@pytest.mark.parametrize("name", DENSITIES)
def test_units_shift_the_entropy(name, scale):
    x = np.random.default_rng(2).standard_normal(300)
    base = estimate_entropy(x, False, method=name)
    moved = estimate_entropy(scale * x, False, method=name)
    assert moved.value == pytest.approx(base.value + np.log(scale), abs=1e-12)
    assert moved.se == pytest.approx(base.se, rel=1e-10)


@pytest.mark.parametrize("name", DENSITIES)
def test_standard_errors_cover(name):
    # Normal, n = 1,000: the spread of the estimates is that of log p, sqrt(1/2n) = 0.0224; the five
    # neighbours of a point add ψ'(5)/n to the squared error, and spacings next to nothing. The spread
    # of 400 estimates is known to 3.5 %.
    x = np.random.default_rng(12).standard_normal((400, 1000))
    se = np.array([estimate_entropy(row, False, method=name).se for row in x[:40]])
    values = np.array([estimate_entropy(row, False, method=name).value for row in x])
    assert 0.85 < se.mean() / values.std() < 1.15


@pytest.mark.parametrize("name", DENSITIES)
def test_density_methods_by_name(name):
    x = np.random.default_rng(3).standard_normal(400)
    spelled = (name, name.upper(), name.replace("-", " "), name.replace("-", "_"))
    found = {estimate_entropy(x, discrete=False, method=each) for each in spelled}
    assert len(found) == 1
    with pytest.raises(errors.DataError, match="never tie"):
        estimate_entropy(x.round(1), discrete=False, method=name)
    with pytest.raises(errors.ParameterError, match=r"an estimator of masses.*discrete=False"):
        estimate_entropy(x.round(1), discrete=True, method=name)


@every_spacing
@pytest.mark.parametrize(
    ("x", "window"), [([1.0, 2.0], None), ([1.0, 2.0, 3.0], 2), ([1.0, 2.0, 4.0], 0), (3.0, None)]
)
def test_spacings_refuse(name, x, window):
    with pytest.raises(errors.MleceError, match="expected"):
        SPACINGS[name](x, window)
    assert np.isfinite(SPACINGS[name]([1.0, 2.0, 4.0]).value)


# ---------------------------------------------------------------------------- several dimensions


def on_circle(g, n):
    turn = g.random(n) * 2 * np.pi
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def on_sphere(g, n):
    points = g.standard_normal((n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def on_parabola(g, n):
    x = g.standard_normal(n)
    return np.stack([x, x**2], axis=1)


def on_curve_of_eight(g, n):
    turn = g.random(n) * 6
    return np.stack([np.cos(j * turn) for j in range(1, 9)], axis=1)


@pytest.mark.parametrize("surface", [on_circle, on_sphere, on_parabola, on_curve_of_eight])
def test_points_on_surfaces_are_refused(surface):
    points = surface(np.random.default_rng(4), 4000)
    with pytest.raises(errors.DataError, match="minus infinity"):
        estimate_entropy(points, discrete=False)
    thick = points + 0.3 * np.random.default_rng(5).standard_normal(points.shape)
    assert np.isfinite(estimate_entropy(thick, discrete=False).value)


def test_dependent_columns_are_refused():
    x = np.random.default_rng(4).standard_normal((500, 2)) * [1, 1e6] + [1e3, 0]
    for third in (x.sum(axis=1), np.full(500, 7.0), 3 * x[:, 0]):
        with pytest.raises(errors.DataError, match="hyperplane"):
            estimate_entropy(np.column_stack([x, third]), discrete=False)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_units_in_space(scale):
    x = np.random.default_rng(1).standard_normal((300, 2))
    moved = estimate_entropy(x * [scale, 1.0], discrete=False).value
    base = estimate_entropy(x, discrete=False).value
    assert moved == pytest.approx(base + np.log(scale), abs=1e-10)


def test_coordinates_that_repeat_are_refused():
    x = np.random.default_rng(1).standard_normal((300, 2))
    for bad in (np.column_stack([x, np.arange(300) % 3]), x.round(1), x[[*range(300), 7]]):
        with pytest.raises(errors.DataError, match="do not repeat"):
            estimate_entropy(bad, discrete=False)


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("n", [50, 300, 3000])
def test_heavy_tails_are_no_surface(d, n):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for points in (rng.standard_cauchy((n, d)), np.exp(1.5 * rng.standard_normal((n, d)))):
            assert np.isfinite(estimate_entropy(points, discrete=False).value)


@pytest.mark.parametrize(("d", "k"), [(1, 5), (3, 5), (4, 10), (7, 10), (8, 20), (12, 30)])
def test_usual_neighbours(d, k):
    assert usual_neighbour(1000, d) == k
    assert usual_neighbour(100, d) == (3 if d < 4 else k)
    points = np.random.default_rng(1).standard_normal((400, d))
    assert f"k = {k}" in estimate_entropy(points, discrete=False).method


def test_points_have_no_spacings():
    with pytest.raises(errors.DataError, match="kozachenko-leonenko"):
        estimate_entropy(np.random.default_rng(1).random((50, 2)), False, method="vasicek")


# ---------------------------------------------------------------------------- atoms


@pytest.mark.parametrize(("p", "places"), [(0.3, [0.0]), (0.6, [0.0, 1.5, -2.0])], ids=str)
def test_atoms_in_a_density(p, places):
    # H = -sum p log p over atoms and density, plus (1 - p) h.
    masses = np.append(np.full(len(places), p / len(places)), 1 - p)
    truth = -(masses * np.log(masses)).sum() + (1 - p) * NORMAL
    rng = np.random.default_rng(6)
    found = []
    for _ in range(50):
        x = np.where(rng.random(1000) < p, rng.choice(places, 1000), rng.standard_normal(1000))
        found.append(estimate_entropy(x, discrete=False))
    values = np.array([one.value for one in found])
    assert found[0].method == "atoms + Kozachenko-Leonenko, k = 5"
    assert f"{len(places)} atom" in found[0].note
    noise = TOLERANCE["simulation"] * values.std() / np.sqrt(50)
    assert abs(values.mean() - truth) < 0.005 + noise  # the bias of the nearest neighbours
    # A ratio of two spreads from 50 values: five times its error of 1/10.
    assert found[0].se == pytest.approx(values.std(), rel=0.5)


def test_an_atom_among_rounded_values():
    rng = np.random.default_rng(6)
    x = np.where(rng.random(4000) < 0.3, 0.0, rng.gamma(3, 2, 4000).round(1))
    found = estimate_entropy(x, discrete=False)
    # Gamma(3) of scale 2: α + log(scale) + log Γ(α) + (1 - α) ψ(α).
    density = 3 + np.log(2) + np.log(2) - 2 * (1.5 - np.euler_gamma)
    truth = -0.3 * np.log(0.3) - 0.7 * np.log(0.7) + 0.7 * density
    assert found.method == "atoms + grid"
    assert abs(found.value - truth) < TOLERANCE["simulation"] * found.se


def test_ties_without_a_reason_are_refused():
    x = np.random.default_rng(6).standard_normal(500)
    resampled = np.random.default_rng(7).choice(x, 500)
    for bad in (resampled, np.append(x, x[:3]), np.append(np.zeros(400), x[:3]), np.full(20, 2.5)):
        with pytest.raises(errors.DataError, match="discrete=True"):
            estimate_entropy(bad, discrete=False)
