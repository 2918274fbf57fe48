"""Sums in scratch arrays and through products equal the plain ones, whatever the range of the data."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mlece
import mlece.testing
from mlece import errors
from mlece.likelihood.pole import EXACT, Pole, pole_sums
from mlece.likelihood.tilt import Tilt, tilted_sums
from mlece.moments import sum_log, weighted_sum
from mlece.numerics.tally import tally
from mlece.registry import registered

RNG = np.random.default_rng(5)
SAMPLES = {
    "ordinary": RNG.gamma(2, 3, 70_001),
    "short": RNG.gamma(2, 3, 5),
    "narrow": 1 + 1e-6 * RNG.normal(size=4_000),
    "wide": 10 ** RNG.uniform(-300, 300, 4_000),
    "small": 10 ** RNG.uniform(-60, -50, 4_000),
    "large": 10 ** RNG.uniform(50, 60, 4_000),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_sum_of_logarithms(name: str, weighted: bool) -> None:
    y = SAMPLES[name]
    w = RNG.uniform(0.5, 2, y.size) if weighted else None
    terms = np.log(y) if w is None else w * np.log(y)
    with np.errstate(all="ignore"):
        found = sum_log(y[None, :], None if w is None else w[None, :])[0]
    # Rounding of every term, and of the blocks' sums.
    assert abs(found - math.fsum(terms)) <= 1e-14 * math.fsum(np.abs(terms))


@pytest.mark.parametrize("bad", [0.0, np.inf, np.nan])
def test_sum_of_logarithms_shows_what_is_not_a_positive_number(bad: float) -> None:
    y = SAMPLES["ordinary"].copy()
    y[777] = bad
    with np.errstate(all="ignore"):
        assert not np.isfinite(sum_log(y[None, :], None)).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_nearby(weighted: bool) -> None:
    y = np.log(RNG.weibull([[1.5], [3.0]], (2, 5_000)))
    w = RNG.uniform(0.5, 2, (1, 5_000)) if weighted else None
    total = 5_000.0 if w is None else w.sum()

    def means(rate: np.ndarray) -> np.ndarray:
        return np.array(tilted_sums(y, w, rate[:, None])) / total

    everyone, rate = np.arange(2), np.array([1.4, 3.1])
    tilt = Tilt(y.max(axis=1))
    assert not tilt.near(rate, everyone)[1].any()  # nothing is known yet
    tilt.keep(rate, everyone, means(rate))
    step = np.array([1e-5, 0.3])
    found, exact = tilt.near(rate + step, everyone)
    assert exact.tolist() == [True, False]
    direct = means(rate + step)[:4]
    plain = [weighted_sum(a, w, 5_000)[0] / total for a in (y, np.exp((rate + step)[:, None] * y))]
    np.testing.assert_allclose(direct[:2, 0], plain, rtol=1e-13)  # rounding of 5,000 terms
    np.testing.assert_allclose(
        found[:, 0], direct[:, 0], rtol=1e-12
    )  # the same, second moment 1e-6 at most


@pytest.mark.parametrize("size", [300, 8_192, 20_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_about_a_pole(weighted: bool, size: int) -> None:
    y = RNG.standard_t([[1.5], [5.0]], (2, size))
    y[0, :2] = 1e200, -1e170  # squares beyond the largest number
    w = RNG.uniform(0.5, 2, (1, size)) if weighted else None
    share = np.full((1, size), 1 / size) if w is None else w / w.sum()
    readings = []

    def read(point: np.ndarray, members: np.ndarray) -> np.ndarray:
        readings.append(members.tolist())
        with np.errstate(all="ignore"):
            sums = pole_sums(y[members], w, point.real[:, None], point.imag[:, None])
        return sums / (size if w is None else w.sum())

    def plain(point: np.ndarray) -> list[np.ndarray]:
        x = (y - point.real[:, None]) / point.imag[:, None]
        v = 1 / (x - 1j)
        parts = 2 * np.log(np.hypot(x, 1)), v, v * v
        return [(share * a).sum(axis=1) for a in parts]

    pole, everyone = Pole(2), np.arange(2)
    centre = np.array([0.1 + 1.5j, -0.2 + 2.3j])
    pole.means(centre, everyone, read)
    assert readings.pop() == [0, 1]
    for step in (0.0, 0.5 * EXACT, 0.99 * EXACT * 1j):
        point = centre + step * centre.imag * np.exp(0.3j)
        # Rounding of the terms, in the mean.
        for found, direct in zip(pole.means(point, everyone, read), plain(point), strict=True):
            np.testing.assert_allclose(found, direct, rtol=1e-13)
    assert not readings
    pole.means(centre + np.array([0.0, 0.1]), everyone, read)
    assert readings == [[1]]


@pytest.mark.parametrize("name", ["Weibull", "Gumbel", "StudentT", "Logistic", "Gamma"])
def test_a_long_sample_and_its_tabulated_halves_agree(name: str) -> None:
    family = getattr(mlece, name)()
    member = mlece.testing.typical_members(family)[0]
    y = member.sample(50_000, rng=3)
    plain = mlece.fit(family, y)
    weighted = mlece.fit(family, np.concatenate([y, y]), weights=np.full(100_000, 0.5))
    n = np.sqrt(y.size)
    for key, value in plain.params.items():
        # Long samples stop at a decrement of 1e-8: that many standard errors of one observation.
        unit = plain.standard_errors()[key] * n
        assert abs(value - weighted.params[key]) <= 1e-7 * unit
    assert plain.certificate.status.solved
    # The square of that decrement, and rounding.
    assert plain.certificate.excess < 1e-14


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int32])
@pytest.mark.parametrize("cells", [1, 2, 3, 11, 16, 17, 100])
@pytest.mark.parametrize("size", [1, 1_000, 65_536, 200_003])
def test_integers_counted_in_groups(dtype: type, cells: int, size: int) -> None:
    y = np.random.default_rng(7).integers(0, cells, size).astype(dtype)
    np.testing.assert_array_equal(tally(y, cells), np.bincount(y, minlength=cells))


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i4", ">i4", "<i8", ">i8"])
def test_a_table_of_counts_whatever_the_integers(dtype: str) -> None:
    y = np.random.default_rng(8).poisson(3, 300).astype(dtype)
    fit = mlece.fit(mlece.Poisson(), y)
    assert fit.params["rate"] == pytest.approx(y.mean(), rel=1e-15)
    if y.dtype.kind == "i":
        with pytest.raises(errors.SupportError, match="the first -1"):
            mlece.fit(mlece.Poisson(), np.append(y, -1).astype(dtype))


FAR_END_NOT_ASKED = [name for name, family in registered().items() if not family.top_asked]


@pytest.mark.parametrize("name", FAR_END_NOT_ASKED)
def test_one_observation_that_differs_is_found_wherever_it_stands(name: str) -> None:
    y = np.full(20_000, 3.0)
    assert mlece.fit(name, y).certificate.status.name == "UNBOUNDED"
    for place in (0, 70, 19_999):
        for other in (2.0, 4.0):
            moved = y.copy()
            moved[place] = other
            assert mlece.fit(name, moved).certificate.status.name == "OPTIMAL"
