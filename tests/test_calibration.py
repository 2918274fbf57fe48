"""Calibration curves, the parts of the log loss, and what of them is chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece import errors

RNG = np.random.default_rng(11)
N = 400
P = RNG.beta(1, 1, N).round(2) * 0.98 + 0.01
Y = (RNG.random(N) < P**3).astype(int)
LAW = RNG.dirichlet([1.0, 2.0, 1.5], N)
CLASS = np.array([RNG.choice(3, p=row) for row in LAW])


def entropy(p: Any) -> Any:
    return float(stats.entropy(p))


def isotonic(f: Any, y: Any) -> Any:
    """The isotonic regression by its minimax formula, of tied forecasts too."""
    values = np.unique(f)
    sums = np.array([[y[f == v].sum(), (f == v).sum()] for v in values], dtype=float)
    run = np.concatenate([[[0.0, 0.0]], sums.cumsum(axis=0)])
    m = len(values)

    def mean(a: int, b: int) -> Any:
        return (run[b + 1, 0] - run[a, 0]) / (run[b + 1, 1] - run[a, 1])

    found = [max(min(mean(a, b) for b in range(i, m)) for a in range(i + 1)) for i in range(m)]
    return np.array(found)[np.searchsorted(values, f)]


def test_isotonic_parts_by_the_minimax_formula() -> None:
    found = mlece.calibration(P, Y, replicates=0)
    r = isotonic(P, Y)
    curve = found.curves[0]
    at = np.searchsorted(curve.low, P, side="right") - 1
    np.testing.assert_allclose(curve.frequency[at], r, rtol=1e-13)
    refinement = np.mean([entropy([v, 1 - v]) for v in r])
    assert found.refinement == pytest.approx(refinement, rel=1e-13)
    loss = mlece.binary_cross_entropy(Y, P)
    assert found.cross_entropy == pytest.approx(loss, rel=1e-14)
    assert found.calibration == pytest.approx(loss - refinement, rel=1e-12)
    assert found.uncertainty == pytest.approx(entropy([Y.mean(), 1 - Y.mean()]), rel=1e-13)
    divergence = np.mean([stats.entropy([v, 1 - v], [p, 1 - p]) for v, p in zip(r, P, strict=True)])
    # Within a level what happens falls while the forecast rises.
    assert 0 < divergence <= found.calibration
    assert found.within == 0
    assert found.resolution > 0


@pytest.mark.parametrize("method", ["pav", "quantile"])
def test_discrete_forecasts_have_two_parts(method: str) -> None:
    """With one forecast for each level CE = E KL(r ‖ p) + E H(r), exactly."""
    p = np.repeat([0.1, 0.4, 0.7], [100, 120, 90])
    y = np.concatenate([np.arange(m) < k for m, k in ((100, 15), (120, 40), (90, 70))])
    found = mlece.calibration(p, y, method=method, bins=200, replicates=0)
    assert found.levels == 3
    laws = [([0.15, 0.85], [0.1, 0.9]), ([1 / 3, 2 / 3], [0.4, 0.6]), ([7 / 9, 2 / 9], [0.7, 0.3])]
    parts = [float(stats.entropy(r, q)) for r, q in laws]
    divergence = np.average(parts, weights=[100, 120, 90])
    assert found.calibration == pytest.approx(divergence, rel=1e-12)
    assert found.within == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(found.curves[0].frequency, [0.15, 1 / 3, 7 / 9])
    interval = stats.binomtest(40, 120).proportion_ci(0.95)
    assert found.curves[0].lower[1] == pytest.approx(interval.low, rel=1e-9)
    assert found.curves[0].upper[1] == pytest.approx(interval.high, rel=1e-9)


@pytest.mark.parametrize("method", ["pav", "quantile"])
def test_parts_add_up_for_classes(method: str) -> None:
    found = mlece.calibration(LAW, CLASS, method=method, replicates=0)
    loss = mlece.categorical_cross_entropy(CLASS, LAW)
    assert found.cross_entropy == pytest.approx(loss, rel=1e-13)
    parts = found.calibration + found.refinement + found.within
    assert parts == pytest.approx(loss, rel=1e-13)
    assert found.calibration > 0
    assert 0 < found.resolution < found.uncertainty
    assert [c.label for c in found.curves] == [0, 1, 2]
    for k, curve in enumerate(found.curves):
        assert curve.count.sum() == N
        assert curve.count @ curve.frequency == pytest.approx((k == CLASS).sum())
        assert curve.count @ curve.forecast == pytest.approx(LAW[:, k].sum())


@pytest.mark.parametrize("method", ["pav", "quantile"])
def test_one_path_for_weights_classes_and_labels(method: str) -> None:
    plain = mlece.calibration(P, Y, method=method, replicates=0)
    w = RNG.integers(0, 4, N)
    again = mlece.calibration(np.repeat(P, w), np.repeat(Y, w), method=method, replicates=0)
    short = mlece.calibration(P, Y, w, method=method, replicates=0)
    table = mlece.calibration(
        np.stack([1 - P, P], 1),
        np.array(["no", "yes"])[Y],
        labels=["no", "yes"],
        method=method,
        replicates=0,
    )
    for one, other in ((short, again), (plain, table)):
        for name in ("cross_entropy", "calibration", "refinement", "within", "levels", "n"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12)
        np.testing.assert_allclose(one.curves[0].frequency, other.curves[0].frequency, rtol=1e-12)
    assert table.curves[0].label == "yes"


def test_bins_of_calibrated_forecasts_lose_what_the_bin_hides() -> None:
    p = RNG.random(4000)
    found = mlece.calibration(p, RNG.random(4000) < p, method="quantile", bins=4, replicates=99)
    assert not found.miscalibrated
    assert found.within < -5 * found.calibration
    assert "within levels" in str(found)
    # Four free frequencies: 4/2n on average (Wilks), of which 99 draws know 5 standard errors.
    assert found.expected == pytest.approx(4 / 8000, rel=5 * np.sqrt(2 / 4 / 99))


def test_draws_are_not_those_that_made_the_forecasts() -> None:
    p = np.random.default_rng(0).random(1000)
    found = mlece.calibration(p, RNG.random(1000) < p, method="quantile", replicates=19, rng=0)
    # Ten frequencies: 10/2n on average; the same uniform numbers would give 0.3 in one draw.
    assert found.expected < 3 * 10 / 2000


def test_quantile_bins_hold_equal_counts() -> None:
    p = RNG.random(N)
    curve = mlece.calibration(p, Y, method="quantile", bins=8, replicates=0).curves[0]
    assert curve.count.tolist() == [N / 8] * 8
    assert np.all(curve.low[1:] > curve.high[:-1])


def test_an_impossible_class_costs_infinity() -> None:
    found = mlece.calibration([0.0, 0.5, 0.0, 1.0], [1, 0, 0, 1], replicates=19)
    assert found.cross_entropy == found.calibration == np.inf
    assert np.isfinite(found.refinement)
    assert found.p_value == 1 / 20
    bins = mlece.calibration([0.0, 0.5, 0.0, 1.0], [1, 0, 0, 1], method="quantile", bins=1)
    assert bins.cross_entropy == bins.within == np.inf
    assert np.isfinite(bins.calibration)
    lost = mlece.calibration([0.0, 0.0, 0.5], [1, 0, 0], method="quantile", bins=2)
    assert lost.calibration == np.inf
    assert lost.within == 0
    # Certain and right: nothing is lost.
    sure = mlece.calibration([0.0, 1.0], [0, 1], replicates=19)
    assert sure.cross_entropy == sure.calibration == sure.refinement == sure.expected == 0
    assert sure.p_value == 1


def test_tiny_probabilities_keep_their_digits() -> None:
    found = mlece.calibration([1e-20, 1e-20], [0, 0], replicates=0)
    assert found.cross_entropy == pytest.approx(1e-20, rel=1e-15)


@pytest.mark.parametrize("method", ["pav", "quantile"])
@pytest.mark.parametrize("classes", [2, 3])
def test_p_values_of_calibrated_forecasts_are_uniform(method: str, classes: int) -> None:
    """60 samples: Kolmogorov's distance of the p-values has the 1e-4 quantile 2.22/√60 = 0.29."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(60):
        law = rng.dirichlet(np.ones(classes), 80)
        y = (law.cumsum(axis=1) < rng.random(80)[:, None]).sum(axis=1)
        p = law if classes > 2 else law[:, 1]
        found.append(mlece.calibration(p, y, method=method, replicates=39, rng=rng).p_value)
    # A p-value from 39 replicates is a multiple of 1/40.
    assert stats.kstest(np.array(found) - rng.random(60) / 40, "uniform").statistic < 0.29


def test_miscalibration_is_found_and_the_band_says_where() -> None:
    found = mlece.calibration(P, Y)
    assert found.miscalibrated
    assert found.calibration > 3 * found.expected
    curve = found.curves[0]
    assert np.any(curve.frequency < curve.band_lower)
    assert "miscalibrated" in str(found)
    assert "bits" in found.text("bits")
    good = mlece.calibration(P, RNG.random(N) < P)
    assert not good.miscalibrated
    assert "no evidence of miscalibration" in str(good)
    again = mlece.calibration(P, Y)
    assert again.p_value == found.p_value


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "range": (lambda: mlece.calibration([0.2, 1.2], [0, 1]), errors.DataError, "position 1"),
    "nan": (lambda: mlece.calibration([0.2, np.nan], [0, 1]), errors.DataError, "position 1"),
    "text": (lambda: mlece.calibration(["a", "b"], [0, 1]), errors.DataTypeError, "as numbers"),
    "rows": (
        lambda: mlece.calibration([[0.2, 0.2], [0.5, 0.5]], [0, 1]), errors.DataError, "sum to 1",
    ),
    "one column": (lambda: mlece.calibration([[1.0], [1.0]], [0, 0]), errors.DataError, r"\(n, K\)"),
    "length": (lambda: mlece.calibration([0.2, 0.3], [0, 1, 1]), errors.DataError, "2 forecasts"),
    "class": (lambda: mlece.calibration([0.2, 0.3], [0, 2]), errors.DataError, "2 at position 1"),
    "missing": (lambda: mlece.calibration([0.2, 0.3], [0, None]), errors.DataError, "label for every"),
    "labels": (
        lambda: mlece.calibration([0.2, 0.3], [0, 1], labels="abc"), errors.DataError, "2 different",
    ),
    "weights": (
        lambda: mlece.calibration([0.2, 0.3], [0, 1], [1.5, 1]), errors.DataError, "replicates=0",
    ),
    "method": (
        lambda: mlece.calibration(P, Y, method="bins"), errors.UnknownNameError, "recalibration",
    ),
    "bins": (lambda: mlece.calibration(P, Y, bins=0), errors.ParameterError, "positive whole"),
    "replicates": (
        lambda: mlece.calibration(P, Y, replicates=5), errors.ParameterError, "at least 19",
    ),
    "level": (lambda: mlece.calibration(P, Y, level=95), errors.ParameterError, "95"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, kind, text = BAD[case]
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("method", ["pav", "quantile"])
@pytest.mark.parametrize("forecasts", [P, LAW], ids=["two", "three"])
def test_plot_draws_the_curves(forecasts: Any, method: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    y = Y if forecasts is P else CLASS
    found = mlece.calibration(forecasts, y, method=method, replicates=19)
    ax, drawn = found.plot()
    ax.figure.canvas.draw()
    assert drawn is found.curves
    assert len(ax.collections) >= len(drawn)
    assert found.plot(ax)[0] is ax
    plt.close("all")
