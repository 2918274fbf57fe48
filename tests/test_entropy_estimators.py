"""Entropy from data: nearest neighbours, ties and their grid, the front door."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from scipy.special import digamma

import mlece
from mlece import errors
from mlece.entropies.counts import chao_wang_jost
from mlece.entropies.entropy_estimators import MASSES, estimate_entropy
from mlece.entropies.neighbours import kozachenko_leonenko
from mlece.entropies.ties import ties

TOLERANCE = {
    "simulation": 5.0,  # standard errors of a simulated mean: one false alarm in 10^6
    "law": 0.06,  # bias of the nearest-neighbour estimate at n = 1,000 plus five standard errors
}


@pytest.mark.parametrize("k", [1, 3, 5])
def test_windows_find_the_neighbours(k):
    x = np.random.default_rng(1).standard_t(2, (3, 200))
    for row, value in zip(x, kozachenko_leonenko(x, k).value, strict=True):
        radius = cKDTree(row[:, None]).query(row[:, None], k=k + 1)[0][:, -1]
        expected = np.log(2 * 199 * radius).mean() - digamma(k)
        assert value == pytest.approx(expected, abs=1e-13)


LAWS = {
    "normal": (lambda g, n: g.standard_normal(n), 0.5 * np.log(2 * np.pi * np.e)),
    "exponential": (lambda g, n: g.standard_exponential(n), 1.0),
    "uniform": (lambda g, n: g.random(n), 0.0),
    "Cauchy": (lambda g, n: g.standard_cauchy(n), np.log(4 * np.pi)),
}


@pytest.mark.parametrize("law", LAWS)
def test_estimates_near_the_truth(law):
    draw, truth = LAWS[law]
    found = kozachenko_leonenko(draw(np.random.default_rng(7), (40, 1000)))
    sem = found.value.std() / np.sqrt(40)
    assert abs(found.value.mean() - truth) < 0.03 + TOLERANCE["simulation"] * sem
    assert found.value.std() < 2 * found.se.mean()


@pytest.mark.parametrize(("d", "k"), [(1, 5), (2, 5), (3, 5), (4, 12)])
def test_several_dimensions(d, k):
    rng = np.random.default_rng(11)
    mix = np.eye(d) + 0.5 * np.tri(d)
    points = rng.standard_normal((3000, d)) @ mix.T * 1e6 + 1e3
    truth = 0.5 * d * np.log(2 * np.pi * np.e) + np.linalg.slogdet(mix * 1e6)[1]
    found = kozachenko_leonenko(points, k, multivariate=True)
    assert abs(found.value - truth) < 0.05 * d + TOLERANCE["simulation"] * found.se
    if d == 1:
        assert found.value == pytest.approx(kozachenko_leonenko(points[:, 0], k).value, abs=1e-12)


def test_equivariance():
    x = np.random.default_rng(2).standard_normal(300)
    base = kozachenko_leonenko(x)
    moved = kozachenko_leonenko(1e6 * x - 4)
    assert moved.value == pytest.approx(base.value + np.log(1e6), abs=1e-9)
    low, high = base.interval(0.9)
    assert high - base.value == pytest.approx(1.6448536269514722 * base.se, rel=1e-12)
    assert low < base.value < high


@pytest.mark.parametrize("grid", [1.0, 0.5, 0.25, 0.1, 0.01, 1 / 3], ids=str)
def test_grids_are_found(grid):
    x = np.random.default_rng(4).normal(20, 3, 400)
    found = ties(np.round(x / grid) * grid)
    assert found.grid == pytest.approx(grid, rel=1e-9)
    assert found.fraction > 0


# Units that decimals cannot write, with the decimals that they are written with.
WRITTEN = [(60, 3), (60, 4), (12, 2), (7, 3), (64, 4), (3600, 5), (600, 4)]


@pytest.mark.parametrize(("parts", "places"), WRITTEN, ids=str)
@pytest.mark.parametrize("cut", [False, True], ids=["rounded", "cut off"])
def test_units_are_found_behind_their_decimals(parts, places, cut):
    whole = np.round(np.random.default_rng(9).normal(20, 3, 300) * parts)
    power = 10**places
    # In whole numbers, so that cutting off cuts nothing else.
    decimals = np.floor((whole * power) / parts) if cut else np.round(whole * power / parts)
    found = ties(decimals / power)
    assert found.grid == pytest.approx(1 / parts, rel=1e-12)
    assert np.round(found.record(decimals / power) * parts).tolist() == whole.tolist()
    assert found.record(decimals / power) == pytest.approx(whole / parts, rel=1e-14)


@pytest.mark.parametrize("places", [0, 1, 2, 4])
@pytest.mark.parametrize("n", [10, 60, 400])
def test_decimals_are_not_taken_for_other_units(n, places):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(20, 300, n).round(places)
        steps = ties(x).grid * 10**places
        assert steps == pytest.approx(round(steps), rel=1e-9)


def test_few_values_do_not_show_a_unit():
    assert ties([0.017, 0.033, 0.083]).grid == pytest.approx(0.001 * 2, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-250, 1e-9, 1.0, 1e9, 1e250])
def test_grids_do_not_depend_on_units(scale):
    x = np.random.default_rng(4).normal(20, 3, 400).round(1) * 10
    assert ties(x * scale).grid == pytest.approx(scale, rel=1e-9)


def test_records_of_continuous_data_are_the_data():
    x = np.random.default_rng(4).normal(20, 3, 400)
    assert ties(x).record(x) is x


def test_continuous_data_have_no_grid():
    found = ties(np.random.default_rng(4).normal(20, 3, 400))
    assert (found.fraction, found.distinct, found.grid) == (0.0, 400, None)


def test_tied_data_are_refused_or_binned():
    x = np.random.default_rng(6).standard_normal(4000)
    with pytest.raises(errors.DataError, match="never tie"):
        kozachenko_leonenko(x.round(1))
    with pytest.raises(errors.DataError, match="never tie"):
        kozachenko_leonenko(np.repeat(x[:100].reshape(50, 2), 9, axis=0), 3, multivariate=True)
    rounded = estimate_entropy(x.round(1), discrete=False)
    assert rounded.method == "grid"
    assert rounded.value == pytest.approx(1.4189385332046727, abs=TOLERANCE["law"])
    for bad in (x.round(4), np.repeat(x[:100], 2), x[:50].round(0)):
        with pytest.raises(errors.DataError, match="without ties"):
            estimate_entropy(bad, discrete=False)


def test_default_choices():
    x = np.random.default_rng(8).standard_normal(500)
    assert estimate_entropy(x, discrete=False).method.endswith("k = 5")
    assert estimate_entropy(x[:100], discrete=False).method.endswith("k = 3")
    labels = ["a"] * 3 + ["b"] * 2 + ["c"]
    found = estimate_entropy(labels, discrete=True)
    assert found == chao_wang_jost([3, 2, 1])
    assert estimate_entropy(["a", "b", "c"], True, weights=[3, 2, 1]) == found


@pytest.mark.parametrize(
    "ask",
    [
        lambda: estimate_entropy([], discrete=False),
        lambda: estimate_entropy([[1.0]], discrete=False),
        lambda: estimate_entropy([1.0, np.inf], discrete=False),
        lambda: estimate_entropy([1.0, 2.0], discrete=True, weights=[0.5, 1]),
        lambda: kozachenko_leonenko([1.0, 2.0, 3.0], 3),
        lambda: kozachenko_leonenko(np.ones((9, 2)), 3, multivariate=True),
    ],
)
def test_refusals(ask):
    with pytest.raises(errors.DataError, match="expected"):
        ask()


@pytest.mark.parametrize("name", MASSES)
def test_methods_by_name(name):
    labels = list("aabbbbcddd")
    spelled = (name, name.title(), name.replace("-", "_"), name.replace("-", " "))
    found = {estimate_entropy(labels, discrete=True, method=each) for each in spelled}
    assert found == {MASSES[name]([2, 4, 1, 3])}
    with pytest.raises(errors.ParameterError, match="an estimator of densities"):
        estimate_entropy([1.0, 2.0, 4.0], discrete=False, method=name)


@pytest.mark.parametrize(
    ("method", "near"), [("miller-maddow", "miller-madow"), ("visicek", "vasicek")]
)
def test_unknown_methods_name_the_nearest(method, near):
    with pytest.raises(errors.UnknownNameError, match=f"Did you mean .*'{near}'"):
        estimate_entropy([1.0, 2.0], near == "miller-madow", method=method)


def test_declared_categories_are_cells():
    series = pd.Series(list("aabc"), dtype=pd.CategoricalDtype(list("abcdef")))
    for name in ("laplace", "nsb", "james-stein"):
        found = estimate_entropy(series, discrete=True, method=name)
        assert found == MASSES[name]([2, 1, 1, 0, 0, 0])
    with pytest.raises(errors.DataError, match="a label for every observation"):
        estimate_entropy([1.0, np.nan], discrete=True)


def test_an_estimate_prints_a_sentence():
    x = np.random.default_rng(1).standard_normal(500)
    found = estimate_entropy(x, discrete=False)
    low, high = found.interval()
    told = f"{found.value:.4f} nats (se {found.se:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    assert str(found).startswith(told)
    assert "n = 500" in str(found)
    rounded = estimate_entropy(x.round(1), discrete=False)
    assert str(rounded).endswith(rounded.note)
    assert "2 samples" in str(kozachenko_leonenko(np.stack([x, x + 1]), 5))


def test_too_few_for_neighbours_are_told_of_spacings():
    with pytest.raises(errors.DataError, match="vasicek"):
        estimate_entropy([1.0, 2.0, 4.0], discrete=False)
    assert np.isfinite(estimate_entropy([1.0, 2.0, 4.0], discrete=False, method="vasicek").value)


@pytest.mark.parametrize(("n", "offset"), [(200, 1e9), (2000, 1e12)])
def test_far_from_zero_the_floats_tie(n, offset):
    """At 1e12 floats lie 1.2e-4 apart: two of 200 observations are one float, of simulated ones too."""
    x = np.random.default_rng(0).normal(size=n)
    near, far = (mlece.fit(mlece.Gaussian(), y).gap(replicates=199) for y in (x, x + offset))
    assert far.remark == near.remark == ""
    assert far.value == pytest.approx(near.value, abs=2e-3)
    assert far.p_value == pytest.approx(near.p_value, abs=0.05)
    for method in ("kozachenko-leonenko", "vasicek", None):
        here, there = (estimate_entropy(y, False, method=method) for y in (x, x + offset))
        assert there.value == pytest.approx(here.value, abs=2e-3)
    found = ties(x + offset)
    assert (found.fraction, found.distinct, found.grid) == (0.0, n, None)


def test_repeated_observations_are_none_of_the_floats():
    x = np.random.default_rng(0).normal(size=500)
    for repeated in (np.r_[x, x[:3]], np.r_[x, x[:300]] + 1e9):
        assert ties(repeated).fraction > 0
        with pytest.raises(errors.DataError, match=r"tied|never tie"):
            mlece.fit(mlece.Gaussian(), repeated).gap(replicates=99)


def test_resolutions_of_a_gap():
    x = np.random.default_rng(0).normal(size=200)
    said = mlece.fit(mlece.Gaussian(), x).gap(replicates=99, resolution=1).remark
    assert said == "Model and entropy are compared on a grid of 1."
    rounded = mlece.fit(mlece.Gaussian(), x.round(1))
    assert "multiples of 0.1 (99 % tied)" in rounded.gap(replicates=99, resolution=1).remark
    with pytest.raises(errors.ParameterError, match=r"0\.1 or coarser; got 0\.01"):
        rounded.gap(replicates=99, resolution=0.01)
