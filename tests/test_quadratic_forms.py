"""Σ λ_j χ²_1 against scipy's χ², Imhof's integral and its own symmetries."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.numerics.quadratic_forms import weighted_chi2_sf

WEIGHTS = [
    [1.0],
    [1.0, 0.5, -0.3],
    [2.0, -1.0, 1.0, -0.5],
    [1.0, 0.1, 0.01, 0.001],
    [-3.0, 0.2, 0.2, 0.2],
    [1e-8, 3e-8],
]


@pytest.mark.parametrize("k", [1, 2, 3, 10, 50])
@pytest.mark.parametrize("share", [1e-3, 0.1, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("unit", [1.0, 1e-7, 1e9])
def test_equal_weights_are_chi_square(k: int, share: float, unit: float) -> None:
    x = share * k
    found = weighted_chi2_sf(x * unit, np.full(k, unit))
    assert found == pytest.approx(stats.chi2.sf(x, k), rel=1e-12)


def imhof(x: float, weights: list[float]) -> float:
    """Imhof (1961), equation 3.2, by Longman's method on the zeros of the sine."""

    def integrand(u: mpmath.mpf) -> mpmath.mpf:
        angle = sum(mpmath.atan(w * u) for w in weights) / 2 - x * u / 2
        size = mpmath.fprod((1 + (w * u) ** 2) ** mpmath.mpf(0.25) for w in weights)
        return mpmath.sin(angle) / (u * size)

    period = 4 * mpmath.pi / abs(x)
    return float(0.5 + mpmath.quadosc(integrand, [0, mpmath.inf], period=period) / mpmath.pi)


@pytest.mark.parametrize("weights", WEIGHTS[1:4])
@pytest.mark.parametrize("x", [0.7, 4.0])
def test_agrees_with_imhof(weights: list[float], x: float) -> None:
    assert weighted_chi2_sf(x, weights) == pytest.approx(imhof(x, weights), abs=1e-10)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("x", [0.0, 0.3, 2.0, 11.0])
def test_mirror_images_add_up_to_one(weights: list[float], x: float) -> None:
    w = np.asarray(weights)
    assert weighted_chi2_sf(x, w) + weighted_chi2_sf(-x, -w) == pytest.approx(1.0, abs=1e-13)


def test_definite_forms_have_one_sided_laws() -> None:
    assert weighted_chi2_sf(0.0, [1.0, 2.0]) == 1.0
    assert weighted_chi2_sf(-1.0, [1.0, 2.0]) == 1.0
    assert weighted_chi2_sf(1.0, [-1.0, -2.0]) == 0.0


def test_batches_and_zero_weights() -> None:
    w = np.array([[1.0, 0.5, 0.0], [2.0, 0.0, -1.0]])
    found = weighted_chi2_sf([1.0, 2.0], w)
    assert found[0] == pytest.approx(weighted_chi2_sf(1.0, [1.0, 0.5]), rel=1e-12)
    assert found[1] == pytest.approx(weighted_chi2_sf(2.0, [-1.0, 2.0]), rel=1e-12)


@pytest.mark.parametrize(("x", "weights"), [(np.nan, [1.0]), (1.0, [np.inf]), (1.0, [0.0, 0.0])])
def test_what_is_no_law_is_refused(x: float, weights: list[float]) -> None:
    with pytest.raises(mlece.MleceError):
        weighted_chi2_sf(x, weights)
