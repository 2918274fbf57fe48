"""Worm plots: bands that hold, bins of equal counts, and what bends a worm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece import errors

RNG = np.random.default_rng(23)
Z, X = RNG.normal(size=500), RNG.gamma(2.0, size=500)


def test_the_band_is_the_beta_law_of_order_statistics() -> None:
    """2,000 samples of 30: each share inside is within 4.5 √(.95 · .05/2000) = 0.022 of 0.95."""
    z = np.sort(RNG.normal(size=(2000, 30)), axis=1)
    panel = mlece.worm(z[0]).panels[0]
    np.testing.assert_allclose(panel.normal, stats.norm.ppf((np.arange(1, 31) - 0.5) / 30))
    deviation = z - panel.normal
    np.testing.assert_allclose(panel.deviation, deviation[0], rtol=1e-13, atol=1e-15)
    inside = ((deviation >= panel.lower) & (deviation <= panel.upper)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.95, atol=0.022)
    assert panel.outside == pytest.approx(
        np.mean((deviation[0] < panel.lower) | (deviation[0] > panel.upper))
    )


def test_the_band_is_near_that_of_van_buuren_and_fredriks() -> None:
    panel = mlece.worm(Z).panels[0]
    p = stats.norm.cdf(panel.normal)
    se = np.sqrt(p * (1 - p) / Z.size) / stats.norm.pdf(panel.normal)
    middle = np.abs(panel.normal) < 1.5
    # Their band is the first term in 1/√n of this one; the next is of relative order 1/n p(1 − p).
    np.testing.assert_allclose((panel.upper - panel.lower)[middle], 3.92 * se[middle], rtol=0.02)


def test_coefficients_are_those_of_a_polynomial() -> None:
    panel = mlece.worm(Z).panels[0]
    assert panel.coefficients is not None
    expected = np.polynomial.polynomial.polyfit(panel.normal, panel.deviation, 3)
    np.testing.assert_allclose(panel.coefficients, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda z: z + 0.3, "intercept"),
        (lambda z: 1.3 * z, "slope"),
        (lambda z: z + 0.1 * (z**2 - 1), "quadratic"),
        (lambda z: z + 0.06 * z**3, "cubic"),
    ],
)
def test_what_bends_a_worm(change: Any, name: str) -> None:
    normal = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    assert mlece.worm(normal).panels[0].missed == ()
    found = mlece.worm(change(normal))
    assert name in found.panels[0].missed
    assert name in str(found)


def test_bins_of_a_covariate() -> None:
    found = mlece.worm(Z, X, bins=5, name="age")
    assert [p.n for p in found.panels] == [100] * 5
    assert all(a.high < b.low for a, b in zip(found.panels, found.panels[1:], strict=False))
    assert str(found).count("age") == 5
    tied = mlece.worm(Z, np.repeat([1, 2], [400, 100]), bins=5)
    assert [p.n for p in tied.panels] == [400, 100]


def test_weights_are_copies() -> None:
    w = RNG.integers(0, 4, Z.size)
    short = mlece.worm(Z, X, weights=w, bins=3)
    long = mlece.worm(np.repeat(Z, w), np.repeat(X, w), bins=3)
    for one, other in zip(short.panels, long.panels, strict=True):
        assert (one.low, one.high, one.n) == (other.low, other.high, other.n)
        # One point for all copies, at the middle of their ranks.
        assert abs(np.median(one.normal) - np.median(other.normal)) < 0.1


def test_few_residuals() -> None:
    found = mlece.worm([0.1, -0.2])
    assert found.panels[0].coefficients is None
    assert "too few" in str(found)
    assert mlece.worm([0.0]).panels[0].deviation.tolist() == [0.0]


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "missing": (lambda: mlece.worm([0.0, np.nan]), errors.DataError, "position 1"),
    "covariate": (lambda: mlece.worm(Z, X[1:]), errors.DataError, "each of 500 residuals"),
    "text": (lambda: mlece.worm(Z, ["a"] * 500), errors.DataTypeError, "covariate x"),
    "table": (lambda: mlece.worm(Z.reshape(2, -1)), errors.DataError, r"\(2, 250\)"),
    "bins": (lambda: mlece.worm(Z, X, bins=0), errors.ParameterError, "positive whole"),
    "level": (lambda: mlece.worm(Z, level=1.0), errors.ParameterError, "1.0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, kind, text = BAD[case]
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("bins", [None, 2, 5])
def test_plot_draws_the_panels(bins: int | None) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = mlece.worm(Z) if bins is None else mlece.worm(Z, X, bins=bins)
    axes, drawn = found.plot()
    axes[0].figure.canvas.draw()
    assert len(axes) == len(drawn) == (bins or 1)
    np.testing.assert_array_equal(axes[0].lines[3].get_ydata(), drawn[0].deviation)
    _, few = plt.subplots()
    if bins:
        with pytest.raises(errors.DataError, match="one for each panel"):
            found.plot(few)
    else:
        assert found.plot(few)[0][0] is few
    plt.close("all")
