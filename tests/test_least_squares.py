"""Least squares: NIST's linear regressions to their last digits, and what must hold for any data.

National Institute of Standards and Technology, Statistical Reference Datasets, linear regression,
https://www.itl.nist.gov/div898/strd/lls/lls.shtml. Compared are the exact solutions for the floats
nearest to the printed numbers; those of the printed numbers differ from them in the 13th to 15th
digit. Log relative error: McCullough (1998), The American Statistician 52, 358-366.
"""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from mlece.errors import DataError, NoDensityError
from mlece.numerics.twofold import pieces, powers, two_product, two_sum
from mlece.solvers import least_squares as solver
from mlece.solvers.least_squares import LeastSquares, least_squares, leverages

REFERENCE = Path(__file__).parent / "reference"
DATA: dict[str, Any] = json.loads((REFERENCE / "nist_linear_data.json").read_text("utf-8"))
VALUES: dict[str, Any] = json.loads((REFERENCE / "nist_linear.json").read_text("utf-8"))
PERFECT = {"wampler1", "wampler2"}
DIGITS = 15  # of the 15.95 that a float holds
# A few units in the last place.
ROUNDING = 2e-15
# What BLAS loses in inner products of some thousand rows, of which norms and standard errors are
# made; coefficients are not.
SUMS = 1e-14

every_set = pytest.mark.parametrize("name", DATA)
every_condition = pytest.mark.parametrize("condition", [1e0, 1e3, 1e6, 1e10, 1e13])


def regression(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    entry = DATA[name]
    y, x = np.array(entry["y"], float)[None], np.array(entry["x"], float)
    if "degree" in entry:
        high, low = powers(x, entry["degree"])
        return high, y, low
    x = x.reshape(len(x), -1)
    return (np.column_stack([np.ones(len(x)), x]) if entry["constant"] else x), y, None


def lre(found: float, truth: str) -> float:
    """Log relative error: the number of correct digits."""
    with mpmath.workdps(30):
        error = abs(mpmath.mpf(float(found)) - mpmath.mpf(truth))
        return float("inf") if error == 0 else float(-mpmath.log10(error / abs(mpmath.mpf(truth))))


def exact(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[Any, Any, Any]:
    """Coefficients, square roots of the diagonal of (X'WX)^-1 and sum of squares, of one problem."""
    with mpmath.workdps(80):
        design, response = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())
        weight = mpmath.diag(w.tolist())
        gram = design.T * weight * design
        b = mpmath.lu_solve(gram, design.T * weight * response)
        inverse = gram**-1
        r = response - design * b
        unit = [mpmath.sqrt(inverse[k, k]) for k in range(len(b))]
        return list(b), unit, (r.T * weight * r)[0]


def relative(found: np.ndarray, truth: Any) -> float:
    with mpmath.workdps(30):
        pairs = zip(found.tolist(), truth, strict=True)
        return float(max(abs(mpmath.mpf(a) - b) / abs(b) for a, b in pairs))


def conditioned(condition: float, n: int, p: int, seed: int) -> np.ndarray:
    g = np.random.default_rng(seed)
    left = np.linalg.qr(g.standard_normal((n, p)))[0]
    right = np.linalg.qr(g.standard_normal((p, p)))[0]
    return (left * np.geomspace(1, 1 / condition, p)) @ right


def sample(n: int, p: int, members: int = 1, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(seed)
    x = g.standard_normal((n, p))
    x[:, 0] = 1.0
    return x, x @ g.standard_normal(p) + g.standard_normal((members, n))


def same(a: LeastSquares, b: LeastSquares) -> None:
    np.testing.assert_array_equal(a.rank, b.rank)
    np.testing.assert_allclose(a.coefficients, b.coefficients, rtol=ROUNDING)
    np.testing.assert_allclose(a.norm, b.norm, rtol=SUMS)
    np.testing.assert_allclose(a.unit_errors(), b.unit_errors(), rtol=SUMS)


@every_set
def test_nist_coefficients(name: str) -> None:
    x, y, low = regression(name)
    found = least_squares(x, y, low=low)
    truth = VALUES[name]["float64"]["beta"]
    assert min(map(lre, found.coefficients[0], truth)) >= DIGITS
    assert found.converged.all()


@every_set
def test_nist_standard_errors_and_cross_entropy(name: str) -> None:
    x, y, low = regression(name)
    found, truth = least_squares(x, y, low=low), VALUES[name]["float64"]
    assert found.perfect[0] == (name in PERFECT)
    if name in PERFECT:
        assert found.cross_entropy[0] == -np.inf
        return
    se = found.norm[0] / np.sqrt(x.shape[0] - x.shape[1]) * found.unit_errors()[0]
    assert min(map(lre, se, truth["se"])) >= DIGITS
    assert lre(found.sum_of_squares[0], truth["rss"]) >= DIGITS
    assert lre(found.cross_entropy[0], truth["mean_cross_entropy_at_mle_nats"]) >= DIGITS


@every_set
def test_printed_and_rounded_numbers_differ_late(name: str) -> None:
    # 13.2 digits is the cap of Wampler2.
    entry = VALUES[name]
    pairs = zip(entry["float64"]["beta"], entry["decimal"]["beta"], strict=True)
    assert all(lre(float(a), b) >= 13 for a, b in pairs)


def test_rounded_powers_are_another_polynomial() -> None:
    x, y, low = regression("filip")
    truth = VALUES["filip"]["float64"]["beta"]
    assert low is not None
    assert min(map(lre, least_squares(x, y).coefficients[0], truth)) < 10


@every_condition
def test_ill_conditioned_designs(condition: float) -> None:
    x = conditioned(condition, 30, 5, 3)
    y = np.random.default_rng(4).standard_normal(30)
    w = np.random.default_rng(5).random(30)
    found = least_squares(x, y[None], w[None])
    b, unit, squares = exact(x, y, w)
    assert relative(found.coefficients[0], b) <= ROUNDING
    assert relative(found.unit_errors()[0], unit) <= ROUNDING
    assert relative(found.sum_of_squares, [squares]) <= ROUNDING


@pytest.mark.parametrize("shift", [1e6, 1e9, 1e14])
def test_trends_far_from_the_origin(shift: float) -> None:
    x = np.column_stack([np.ones(40), shift + np.arange(40.0)])
    y = 1e9 + np.random.default_rng(1).standard_normal(40)
    found = least_squares(x, y[None])
    b, unit, squares = exact(x, y, np.ones(40))
    assert relative(found.coefficients[0], b) <= ROUNDING
    assert relative(found.unit_errors()[0], unit) <= ROUNDING
    assert relative(found.sum_of_squares, [squares]) <= ROUNDING
    assert not found.perfect[0]


@pytest.mark.parametrize("n", [4, 50, 20_000])
def test_weights_are_replication(n: int) -> None:
    x, y = sample(n, 3)
    w = np.random.default_rng(2).integers(1, 4, n)
    many = least_squares(np.repeat(x, w, axis=0), np.repeat(y, w, axis=1))
    same(least_squares(x, y, w[None].astype(float)), many)


@pytest.mark.parametrize("weighted", ["no", "shared", "own"])
@pytest.mark.parametrize("shape", [(30, 2), (5_000, 7)], ids=str)
def test_a_batch_is_a_loop(weighted: str, shape: tuple[int, int]) -> None:
    x, y = sample(*shape, members=6)
    w = np.random.default_rng(3).random((6, shape[0]))
    w = {"no": None, "shared": w[:1], "own": w}[weighted]
    batch = least_squares(x, y, w)
    for k in range(6):
        one = least_squares(x, y[[k]], None if w is None else w[[k % len(w)]])
        np.testing.assert_allclose(batch.coefficients[[k]], one.coefficients, rtol=ROUNDING)
        np.testing.assert_allclose(batch.norm[[k]], one.norm, rtol=SUMS)
        errors = batch.unit_errors()
        np.testing.assert_allclose(errors[[k % len(errors)]], one.unit_errors(), rtol=SUMS)


def test_offset() -> None:
    x, y = sample(60, 3, members=2)
    whole = np.arange(60.0) * 2.0**20
    # Multiples of 2^-20 of this size add up without rounding.
    y = np.round(y * 2.0**20) / 2.0**20
    same(least_squares(x, y + whole, offset=whole), least_squares(x, y))


@given(st.integers(-490, 490), st.integers(-490, 490), st.integers(-200, 200))
@settings(max_examples=30, deadline=None)
def test_units(of_x: int, of_y: int, of_w: int) -> None:
    x, y = sample(40, 3)
    w = np.random.default_rng(1).random((1, 40))
    plain = least_squares(x, y, w)
    scale = np.ldexp(1.0, [0, of_x, of_x // 2])
    moved = least_squares(x * scale, np.ldexp(y, of_y), np.ldexp(w, of_w))
    np.testing.assert_array_equal(np.ldexp(moved.coefficients, -of_y) * scale, plain.coefficients)
    # An odd power of two has an irrational root.
    np.testing.assert_allclose(
        np.ldexp(moved.norm, -of_y), plain.norm * 2.0 ** (of_w / 2), rtol=ROUNDING
    )


@pytest.mark.parametrize("power", [150, -150])
def test_decimal_units(power: int) -> None:
    x, y = sample(40, 3)
    scale = np.array([1.0, 10.0**power, 1.0])
    moved, plain = least_squares(x * scale, y * 10.0**power), least_squares(x, y)
    # Rounding the products changes data of condition about one by a unit in the last place.
    rounded = 20 * ROUNDING
    unmoved = moved.coefficients * scale / 10.0**power
    np.testing.assert_allclose(unmoved, plain.coefficients, rtol=rounded)
    np.testing.assert_allclose(moved.norm / 10.0**power, plain.norm, rtol=rounded)
    assert np.isfinite(moved.cross_entropy).all()


@every_condition
def test_leverages_are_the_diagonal_of_the_hat_matrix(condition: float) -> None:
    x = conditioned(condition, 25, 4, 7)
    w = np.random.default_rng(8).random((1, 25))
    found = least_squares(x, np.ones((1, 25)), w)
    h = leverages(found, x, w)[0]
    with mpmath.workdps(80):
        design = mpmath.matrix(x.tolist())
        inverse = (design.T * mpmath.diag(w[0].tolist()) * design) ** -1
        hat = design * inverse * design.T
        assert relative(h, [hat[i, i] * w[0, i] for i in range(25)]) <= 5 * ROUNDING
    assert h.sum() == pytest.approx(4, rel=1e-14)
    np.testing.assert_allclose(found.factor[0].T @ found.factor[0], (x.T * w) @ x, atol=1e-14)
    np.testing.assert_allclose(
        (found.root[0] ** 2).sum(axis=1), found.unit_errors()[0] ** 2, rtol=1e-14
    )


def dependent(kind: str, n: int) -> np.ndarray:
    x, _ = sample(n, 5)
    g = np.random.default_rng(9)
    x *= np.geomspace(1, 1e5, 5)
    if kind == "combination":
        x[:, 4] = x[:, :4] @ g.standard_normal(4)
    elif kind == "copy":
        x[:, 4] = x[:, 2]
    elif kind == "zeros":
        x[:, 4] = 0.0
    elif kind == "dummies":
        x[:, 1:4] = np.eye(3)[np.arange(n) % 3]
    else:
        x[:, 4] = 0.3 * x[:, 3] + 5.0
    return x


@pytest.mark.parametrize("kind", ["combination", "copy", "zeros", "dummies", "other unit"])
@pytest.mark.parametrize("n", [9, 600, 50_000])
def test_dependent_columns_are_reported(kind: str, n: int) -> None:
    x = dependent(kind, n)
    found = least_squares(x, np.ones((2, n)))
    np.testing.assert_array_equal(found.rank, 4)
    assert np.isnan(found.coefficients).all()
    assert not found.converged.any()
    rest = np.setdiff1d(np.arange(5), found.dependent_columns())
    assert least_squares(x[:, rest], np.ones((1, n))).rank[0] == 4


def test_a_member_without_full_rank_leaves_the_others() -> None:
    x, y = sample(40, 3, members=2)
    w = np.ones((2, 40))
    w[0, 2:] = 0.0
    found = least_squares(x, y, w)
    np.testing.assert_array_equal(found.rank, [2, 3])
    assert np.isnan(found.coefficients[0]).all()
    np.testing.assert_allclose(found.coefficients[1:], least_squares(x, y[1:]).coefficients)


@pytest.mark.parametrize("n", [3, 40])
def test_perfect_fits(n: int) -> None:
    x, _ = sample(n, 3)
    b = np.array([0.1, 1e5, 1e-5])
    rounded = least_squares(x, (x @ b)[None])
    assert rounded.perfect.all()
    assert least_squares(x, np.zeros((1, n))).perfect.all()
    noisy = least_squares(x, (x @ b)[None] + 1e-9 * np.arange(n) ** 3)
    assert noisy.perfect[0] == (n == 3)


def levels(n: int, p: int) -> tuple[Any, np.ndarray, np.ndarray]:
    g = np.random.default_rng(p)
    dummies = sparse.csr_array((np.ones(n), (np.arange(n), np.arange(n) % p)), shape=(n, p))
    x = sparse.hstack([dummies, sparse.csr_array(g.standard_normal((n, 2)))])
    return x, g.standard_normal((2, n)), g.random((1, n))


@pytest.mark.parametrize("p", [20, 300])
@pytest.mark.parametrize("most", [10, 3000], ids=["sparse factor", "dense factor"])
def test_sparse_designs(p: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_DENSE", most)
    x, y, w = levels(3000, p)
    offset = np.arange(3000.0)
    found = least_squares(x, y, w, offset)
    dense = least_squares(x.toarray(), y, w, offset)
    np.testing.assert_allclose(found.coefficients, dense.coefficients, rtol=ROUNDING)
    np.testing.assert_allclose(found.norm, dense.norm, rtol=ROUNDING)
    # Cholesky factors of a Gram matrix lose the condition squared, here 1e3, where X S is not formed.
    np.testing.assert_allclose(found.unit_errors(), dense.unit_errors(), rtol=1e-12)
    twice = sparse.hstack([x, x[:, [3]]]).tocsr()
    assert least_squares(twice, y, w).rank[0] == p + 2
    if most > p:
        np.testing.assert_allclose(
            leverages(found, x, w), leverages(dense, x.toarray(), w), rtol=1e-12
        )
    else:
        with pytest.raises(NoDensityError, match="fewer columns"):
            leverages(found, x, w)


def test_sparse_designs_take_one_row_of_weights() -> None:
    x, y, w = levels(100, 3)
    with pytest.raises(DataError, match="one row of weights"):
        least_squares(x, y, np.vstack([w, w]))


def test_memory_beside_the_design() -> None:
    x, y = sample(400_000, 25)
    tracemalloc.start()
    least_squares(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 0.2 * x.nbytes


finite = st.floats(-1e100, 1e100).filter(lambda v: v == 0 or abs(v) > 1e-100)


@given(finite, finite)
def test_sums_and_products_without_error(a: float, b: float) -> None:
    with mpmath.workdps(400):
        s, e = two_sum(np.float64(a), np.float64(b))
        assert mpmath.mpf(float(s)) + mpmath.mpf(float(e)) == mpmath.mpf(a) + mpmath.mpf(b)
        s, e = two_product(np.float64(a), np.float64(b))
        assert mpmath.mpf(float(s)) + mpmath.mpf(float(e)) == mpmath.mpf(a) * mpmath.mpf(b)


@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=5), st.integers(10, 22))
def test_pieces_add_up(values: list[float], bits: int) -> None:
    x = np.array(values)
    cut = pieces(x, None, bits, 6)
    with mpmath.workdps(400):
        for k, v in enumerate(values):
            left = mpmath.mpf(v) - sum(mpmath.mpf(float(piece[k])) for piece in cut)
            assert abs(left) <= mpmath.mpf(2) ** (-6 * bits - 1)
    for s, piece in enumerate(cut):
        whole = np.ldexp(piece, bits * (s + 1))
        np.testing.assert_array_equal(whole, np.round(whole))
        assert np.abs(whole).max() <= 2.0**bits


@given(st.floats(0.001, 1000.0), st.booleans())
def test_powers(size: float, negative: bool) -> None:
    x = -size if negative else size
    high, low = powers(np.array([x]), 12)
    with mpmath.workdps(60):
        for j in range(13):
            error = mpmath.mpf(high[0, j]) + mpmath.mpf(low[0, j]) - mpmath.mpf(x) ** j
            # Each product may lose a few units of 2^-106.
            assert abs(error) <= 40 * mpmath.mpf(2) ** -106 * abs(mpmath.mpf(x) ** j)
