"""Densities and scores of the half-line families at extreme parameters, against 60 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import mlece
from mlece.model import Model

m = mlece


def _inverse_gamma(y: Any, a: Any, b: Any) -> Any:
    return a * mp.log(b) - mp.loggamma(a) - (a + 1) * mp.log(y) - b / y


def _nakagami(y: Any, k: Any, s: Any) -> Any:
    constant = mp.log(2) + k * mp.log(k) - mp.loggamma(k)
    return constant + (2 * k - 1) * mp.log(y) - 2 * k * mp.log(s) - k * (y / s) ** 2


def _chi2(y: Any, k: Any) -> Any:
    return (k / 2 - 1) * mp.log(y) - y / 2 - k / 2 * mp.log(2) - mp.loggamma(k / 2)


def _gb2(y: Any, a: Any, b: Any, p: Any, q: Any) -> Any:
    z = a * mp.log(y / b)
    constant = mp.loggamma(p + q) - mp.loggamma(p) - mp.loggamma(q)
    return constant + mp.log(a / y) + p * z - (p + q) * mp.log1p(mp.exp(z))


def _log_logistic(y: Any, k: Any, s: Any) -> Any:
    return _gb2(y, k, s, mp.mpf(1), mp.mpf(1))


def _burr(y: Any, a: Any, g: Any, t: Any) -> Any:
    return _gb2(y, g, t, mp.mpf(1), a)


def _lomax(y: Any, a: Any, s: Any) -> Any:
    return _gb2(y, mp.mpf(1), s, mp.mpf(1), a)


def _gompertz(y: Any, a: Any, b: Any) -> Any:
    return mp.log(b) + a * y - b * (mp.expm1(a * y) / a if a else y)


def _fatigue(y: Any, a: Any, b: Any) -> Any:
    w = mp.log(y / b)
    bend = mp.log(mp.cosh(w / 2)) - 2 * (mp.sinh(w / 2) / a) ** 2
    return bend - mp.log(2 * mp.pi) / 2 - mp.log(a * y)


def _prentice(y: Any, mu: Any, sigma: Any, q: Any) -> Any:
    k, w = q**-2, (mp.log(y) - mu) / sigma
    constant = mp.log(abs(q)) - mp.log(sigma * y) + k * mp.log(k) - mp.loggamma(k)
    return constant + k * (q * w - mp.exp(q * w))


# member, its log density in mpmath, tolerance of density and score, why
EXTREMES: list[tuple[Model, Callable[..., Any], float, str]] = [
    (m.InverseGamma(1e-3, 2.0), _inverse_gamma, 1e-13, "no cancellation"),
    (m.InverseGamma(1e5, 3.0), _inverse_gamma, 1e-11, "y over the mean is rounded"),
    (m.Nakagami(1e-2, 2.0), _nakagami, 1e-13, "no cancellation"),
    (m.Nakagami(1e7, 0.3), _nakagami, 1e-11, "y over the scale is rounded: eps sqrt(shape)"),
    (m.Chi2(1e-2), _chi2, 1e-13, "no cancellation"),
    (m.Chi2(1e4), _chi2, 1e-10, "log y, y and log Gamma cancel, 1e4 each"),
    (m.LogLogistic(1e4, 2.0), _log_logistic, 1e-11, "log y rounds to eps, times the shape"),
    (m.LogLogistic(0.01, 1.0), _log_logistic, 1e-13, "no cancellation"),
    (m.Lomax(1e6, 1e6), _lomax, 1e-13, "no cancellation"),
    (m.Lomax(0.01, 1.0), _lomax, 1e-13, "no cancellation"),
    (m.BurrXII(1e6, 2.0, 1e3), _burr, 1e-13, "no cancellation"),
    (m.BurrXII(1e-3, 1e3, 2.0), _burr, 1e-11, "log y rounds to eps, times shape2"),
    (m.GB2(2.0, 1.0, 1e4, 1e4), _gb2, 1e-10, "powers of the odds cancel, p each"),
    (m.GB2(0.5, 1e6, 2.0, 1e4), _gb2, 1e-10, "powers of the odds cancel, q each"),
    (m.GB2(1e3, 1.0, 1e-3, 2e-3), _gb2, 1e-11, "log y rounds to eps, times the shape"),
    (m.Gompertz(-1e-3, 1.0), _gompertz, 1e-13, "no cancellation"),
    (m.Gompertz(1e-9, 2.0), _gompertz, 1e-13, "no cancellation"),
    (m.Gompertz(50.0, 1e-20), _gompertz, 1e-12, "exp(a y) rounds to eps a y"),
    (m.BirnbaumSaunders(1e-5, 2.0), _fatigue, 1e-10, "log y rounds to eps, over the shape"),
    (m.BirnbaumSaunders(50.0, 1.0), _fatigue, 1e-13, "no cancellation"),
    (m.GeneralizedGamma(0.0, 0.5, 1e-6), _prentice, 1e-13, "no cancellation"),
    (m.GeneralizedGamma(0.0, 0.5, -1e-3), _prentice, 1e-13, "no cancellation"),
    (m.GeneralizedGamma(0.0, 0.5, 0.2499), _prentice, 1e-13, "series of the remainder"),
    (m.GeneralizedGamma(0.0, 0.5, 0.2501), _prentice, 1e-12, "digamma less its logarithm"),
    (m.GeneralizedGamma(1.0, 0.2, 20.0), _prentice, 1e-11, "exp(q w) rounds to eps q w"),
    (m.GeneralizedGamma(0.0, 0.3, -5.0), _prentice, 1e-13, "no cancellation"),
]


@pytest.mark.parametrize(
    ("member", "reference", "tolerance", "why"), EXTREMES, ids=[repr(e[0]) for e in EXTREMES]
)
def test_density_and_score(
    member: Model, reference: Callable[..., Any], tolerance: float, why: str
) -> None:
    y = np.unique(member.quantile(np.array([0.01, 0.3, 0.7, 0.99, 0.9999])))
    y = y[np.isfinite(y) & (y > 0)]
    assert y.size
    densities, scores = member.log_density(y), member.score(y)
    with mp.workdps(60):
        theta = [mp.mpf(float(t)) for t in member.theta]
        for value, density, score in zip(y, densities, scores, strict=True):
            exact = reference(mp.mpf(float(value)), *theta)
            assert abs(density - float(exact)) <= tolerance * (1 + abs(float(exact))), why
            for j, own in enumerate(theta):
                h = mp.mpf(10) ** -20 * (abs(own) or 1)
                low, high = (
                    reference(
                        mp.mpf(float(value)), *[t + k * h * (i == j) for i, t in enumerate(theta)]
                    )
                    for k in (-1, 1)
                )
                slope = float((high - low) / (2 * h))
                unit = abs(slope) + 1 / (abs(float(own)) or 1.0)
                assert abs(score[j] - slope) <= tolerance * unit, why


def test_box_cox_t_bends_right_far_out() -> None:
    """An observation at z = -1e8: second derivatives against sixth-order differences of the score."""
    model, y = mlece.BoxCoxT(), np.array([[0.27751902, 0.35, 0.9]])
    theta = [np.array([[v]]) for v in (1.77216673, 0.49946983, -10.89799626, 0.40115962)]
    t = model.statistics(y)
    with np.errstate(all="ignore"):
        raw = model.curvature_hook(t, tuple(theta))
    curvature = [np.broadcast_to(c, y.shape) for c in raw]
    pairs = [(i, j) for i in range(4) for j in range(i, 4)]

    def score(column: int, step: float) -> np.ndarray:
        moved = [v.copy() for v in theta]
        moved[column] = moved[column] + step
        with np.errstate(all="ignore"):
            raw = model.score_hook(t, tuple(moved))
        return np.stack([np.broadcast_to(s, y.shape) for s in raw])

    for i in range(4):
        h = 1e-4 * max(1.0, abs(float(theta[i][0, 0])))
        slope = sum(
            w * (score(i, k * h) - score(i, -k * h)) for k, w in ((1, 45), (2, -9), (3, 1))
        ) / (60 * h)
        for j in range(i, 4):
            # The differences carry rounding of 1e-16 over h, times the largest entry.
            np.testing.assert_allclose(curvature[pairs.index((i, j))], slope[j], atol=1e-8)
