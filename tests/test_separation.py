"""Existence of the maximum in regressions: separated data, found and described by linear programming."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog, minimize
from scipy.special import expit

from mlece.regression.cones import Cone, binary, counts, ordinal, softmax
from mlece.regression.separation import Face, recession

Array = np.ndarray
REFERENCE = Path(__file__).parent / "reference" / "separation.json"
SETS: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))


def newton(x: Array, y: Array, w: Array) -> Array:
    """Logistic regression with shares y and trials w, where the maximum exists."""
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        h = (x.T * (w * p * (1 - p))) @ x
        beta = beta + np.linalg.solve(h, x.T @ (w * (y - p)))
    return beta


def test_endometrial_has_the_published_limits() -> None:
    case = SETS["endometrial"]
    d = {name: np.array(v, dtype=float) for name, v in case["data"].items()}
    names = ["(Intercept)", "NV", "PI", "EH"]
    x = np.column_stack([np.ones(79), d["NV"], d["PI"], d["EH"]])
    found = recession(binary(x, d["HG"]))
    assert found is not None
    assert found.kind == case["separation"]
    assert found.strict.sum() == found.settled.sum() == case["n_strict"]
    assert np.array_equal(found.direction, [0, 1, 0, 0])
    assert dict(zip(names, found.infinite.tolist(), strict=True)) == {n: n == "NV" for n in names}
    assert found.certain.all()

    face = found.face()
    rest = x[np.ix_(face.rows, face.columns)]
    beta = newton(rest, d["HG"][face.rows], np.ones(len(rest)))
    kept = [n for n, c in zip(names, face.columns, strict=True) if c]
    limits = {n: float(v) for n, v in case["finite_limit"].items()}
    assert dict(zip(kept, beta, strict=True)) == pytest.approx(limits, rel=1e-12)
    p = 1 / (1 + np.exp(-rest @ beta))
    loss = -np.log(np.where(d["HG"][face.rows] == 1, p, 1 - p)).sum()
    assert 2 * loss == pytest.approx(float(case["infimum_deviance"]), rel=1e-14)
    assert loss / 79 == pytest.approx(float(case["infimum_mean_CE_nats"]), rel=1e-14)


def lizards() -> tuple[Array, Array, Array]:
    d = SETS["lizards"]["data"]
    trials = np.array(d["grahami"]) + np.array(d["opalinus"])
    levels = [("height", ">=5ft"), ("diameter", ">2in"), ("light", "shady")]
    levels += [("time", "midday"), ("time", "late")]
    x = np.column_stack([np.ones(23), *[np.array(d[n]) == level for n, level in levels]])
    return x, np.array(d["grahami"]) / trials, trials.astype(float)


def test_lizards_overlap() -> None:
    x, share, trials = lizards()
    assert recession(binary(x, share, trials)) is None
    beta = newton(x, share, trials)
    assert beta == pytest.approx([float(v) for v in SETS["lizards"]["mle"].values()], rel=1e-12)
    p = 1 / (1 + np.exp(-x @ beta))
    loss = -(trials @ (share * np.log(p) + (1 - share) * np.log1p(-p))) / trials.sum()
    assert loss == pytest.approx(float(SETS["lizards"]["mean_CE_nats"]), rel=1e-13)


def test_silvapulle_is_quasi_separated() -> None:
    case = SETS["silvapulle1981"]
    y, x = (np.array(case["data"][name], dtype=float) for name in ("y", "x"))
    found = recession(binary(np.column_stack([np.ones(len(x)), x]), y))
    assert found is not None
    assert found.kind == case["separation"]
    assert found.direction == pytest.approx(case["direction"], abs=1e-14)
    assert np.array_equal(found.strict, x != 2)


def brute(cone: Cone) -> Array:
    """Which rows can gain, by one programme in which every row has a gain of its own, up to 1."""
    rows, equal = (np.asarray(sp.csr_matrix(m).todense()) for m in (cone.rows, cone.equalities))
    (m, k), q = rows.shape, len(equal)
    result = linprog(
        np.concatenate([np.zeros(k), -np.ones(m)]),
        A_ub=np.hstack([-rows, np.eye(m)]),
        b_ub=np.zeros(m),
        A_eq=np.hstack([equal, np.zeros((q, m))]),
        b_eq=np.zeros(q),
        bounds=[(None, None)] * k + [(0, 1)] * m,
    )
    assert result.status == 0
    return np.asarray(result.x[k:] > 0.5)


def small(kind: str, g: np.random.Generator) -> tuple[Cone, Array, Array]:
    """Integers in few columns, so that ties and flat directions abound."""
    n = int(g.integers(6, 14))
    x = g.integers(-1, 2, (n, 2 if kind == "ordinal" else 3)).astype(float)
    if kind != "ordinal":
        x[:, 0] = 1
    if kind == "binary":
        y = g.integers(0, 2, n).astype(float)
        y[0] = 0.5
        return binary(x, y), x, y
    if kind == "counts":
        y = np.where(g.random(n) < 0.2, g.integers(0, 3, n), 0)
        return counts(x, y), x, y
    y = g.integers(0, 3, n)
    y[:3] = 0, 1, 2
    return (softmax(x, y, 3) if kind == "softmax" else ordinal(x, y, 3)), x, y


@pytest.mark.parametrize("kind", ["binary", "counts", "softmax", "ordinal"])
def test_all_rows_that_can_gain_are_found(kind: str) -> None:
    g = np.random.default_rng(5)
    kinds = []
    for _ in range(60):
        cone, _, _ = small(kind, g)
        if (
            np.linalg.matrix_rank(
                np.vstack(
                    [m.toarray() if sp.issparse(m) else m for m in (cone.rows, cone.equalities)]
                )
            )
            < cone.rows.shape[1]
        ):
            continue
        can = brute(cone)
        found = recession(cone)
        kinds.append("none" if found is None else found.kind)
        assert (found is not None) == bool((can & cone.data).any())
        if found is None:
            continue
        gains = np.asarray(cone.rows @ found.direction)
        assert gains.min() >= -1e-12
        assert np.array_equal(gains > 1e-9, can)
        assert np.array_equal(
            found.strict, np.bincount(cone.origin[can & cone.data], minlength=len(cone.bound)) > 0
        )
        # What is flat leaves every row alone that cannot gain.
        assert np.abs(cone.rows[~can] @ found.flat).max(initial=0) < 1e-12
        assert np.abs(cone.equalities @ found.flat).max(initial=0) < 1e-12
        signs_are_those_of_the_cone(cone, found)
    assert {"none", "quasi"} <= set(kinds)


def signs_are_those_of_the_cone(cone: Cone, found: Any) -> None:
    for j in range(cone.rows.shape[1]):
        ends = []
        for sign in (1.0, -1.0):
            slope = np.zeros(cone.rows.shape[1])
            slope[j] = sign
            q = cone.equalities.shape[0]
            ends.append(
                linprog(
                    slope,
                    A_ub=-cone.rows,
                    b_ub=np.zeros(cone.rows.shape[0]),
                    A_eq=cone.equalities if q else None,
                    b_eq=np.zeros(q) if q else None,
                    bounds=(-1, 1),
                ).x[j]
            )
        low, high = np.round(ends, 6)
        both = low < 0 < high
        assert found.certain[j] == (not both)
        if not both:
            assert found.infinite[j] == np.sign(low + high)


def softmax_loss(x: Array, y: Array, beta: Array, gone: Array) -> float:
    eta = np.column_stack([np.zeros(len(x)), x @ beta.reshape(2, -1).T])
    eta = np.where(gone, -np.inf, eta)
    top = eta.max(axis=1)
    total = top + np.log(np.exp(eta - top[:, None]).sum(axis=1))
    return float((total - eta[np.arange(len(x)), y]).sum())


def counts_loss(x: Array, y: Array, beta: Array, gone: Array) -> float:
    eta = x @ beta
    return float((np.exp(eta) - y * eta).sum())


def ordinal_loss(x: Array, y: Array, beta: Array, gone: Array) -> float:
    cuts = np.concatenate([[-np.inf], beta[:2], [np.inf]])
    index = x @ beta[2:]
    low = np.where(gone[:, 0], -np.inf, cuts[y] - index)
    high = np.where(gone[:, 1], np.inf, cuts[y + 1] - index)
    mass = expit(high) - expit(low)
    return float(-np.log(mass).sum()) if (mass > 0).all() else np.inf


def binary_loss(x: Array, y: Array, beta: Array, gone: Array) -> float:
    eta = x @ beta
    return float((np.logaddexp(0, eta) - y * eta).sum())


LOSSES: dict[str, Callable[..., float]] = {
    "binary": binary_loss,
    "counts": counts_loss,
    "softmax": softmax_loss,
    "ordinal": ordinal_loss,
}


def on_face(loss: Callable[..., float], x: Array, y: Array, face: Face, k: int) -> Array:
    """The finite part, by quasi-Newton steps from 0 (cut points in order)."""
    rows = face.rows

    def value(free: Array) -> float:
        beta = np.zeros(k)
        beta[face.columns] = free
        return loss(x[rows], y[rows], beta, face.gone[rows])

    start = np.zeros(k)
    if loss is ordinal_loss:
        start[:2] = -0.5, 0.5
    found = minimize(value, start[face.columns], method="BFGS", options={"gtol": 1e-7})
    beta = np.zeros(k)
    beta[face.columns] = found.x
    return beta


@pytest.mark.parametrize("kind", LOSSES)
def test_the_infimum_is_that_of_the_face(kind: str) -> None:
    g = np.random.default_rng(11)
    loss, seen = LOSSES[kind], 0
    while seen < 8:
        cone, x, y = small(kind, g)
        k = cone.rows.shape[1]
        found = recession(cone)
        if found is None or found.flat.shape[1] != 1:
            continue
        seen += 1
        face = found.face()
        beta = on_face(loss, x, y, face, k)
        least = loss(x[face.rows], y[face.rows], beta, face.gone[face.rows])
        nothing = np.zeros_like(face.gone)
        # Gains of integer rows are integers over the largest one: 200 of them leave nothing.
        far = [loss(x, y, beta + t * found.direction, nothing) for t in (0.0, 30.0, 60.0, 400.0)]
        assert np.all(np.diff(far) <= 1e-9)
        assert far[-1] == pytest.approx(least, abs=1e-9)
        # Nothing else lies lower: the derivatives of the face vanish at its fit.
        near = g.normal(size=(40, k)) * 0.1
        others = [loss(x, y, beta + 400 * found.direction + d, nothing) for d in near]
        assert min(others) > least - 1e-9


def test_rows_without_weight_do_not_count() -> None:
    x = np.column_stack([np.ones(5), [0.0, 1.0, 2.0, 3.0, 2.5]])
    y, w = np.array([0.0, 0.0, 1.0, 1.0, 0.5]), np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    assert recession(binary(x, y)) is None
    found = recession(binary(x, y, w))
    assert found is not None
    assert found.kind == "complete"
    assert found.strict.tolist() == [True, True, True, True, False]
    assert recession(softmax(x, np.array([0, 0, 1, 1, 0]), 2, w)) is not None
    assert recession(counts(x, np.array([0, 0, 1, 1, 5]), np.array([1, 1, 0, 0, 0.0]))) is not None


def test_two_classes_and_two_categories_are_binary() -> None:
    g = np.random.default_rng(3)
    x = np.column_stack([np.ones(30), g.normal(size=30), g.random(30) < 0.1])
    for y in (g.integers(0, 2, 30), (x[:, 1] > 0).astype(int), x[:, 2].astype(int)):
        answers = [recession(c) for c in (binary(x, y), softmax(x, y, 2), ordinal(x[:, 1:], y, 2))]
        none = answers[0] is None
        assert all((a is None) == none for a in answers)
        if not none:
            assert all(np.array_equal(a.strict, answers[0].strict) for a in answers)
            assert answers[1].infinite.tolist() == answers[0].infinite.tolist()
            assert (answers[2].infinite * [-1, 1, 1]).tolist() == answers[0].infinite.tolist()


def test_the_class_of_reference_is_a_choice() -> None:
    g = np.random.default_rng(4)
    x = np.column_stack([np.ones(60), g.random(60) < 0.3])
    y = np.where(x[:, 1] == 1, g.integers(0, 2, 60), g.integers(0, 3, 60))
    first, last = (recession(softmax(x, y, 3, reference=r)) for r in (0, -1))
    assert first is not None
    assert last is not None
    assert np.array_equal(first.gone, last.gone)
    assert np.flatnonzero(first.gone.any(axis=0)).tolist() == [2]
    assert first.infinite.tolist() == [0, 0, 0, -1]  # class 2 against class 0, on the indicator
    assert last.infinite.tolist() == [0, 1, 0, 1]  # classes 0 and 1 against class 2


def test_soft_targets_bind_the_classes_that_share_them() -> None:
    x = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 3.0]])
    hard = recession(softmax(x, np.eye(3)[[0, 0, 1, 1]]))
    assert hard is not None
    assert np.flatnonzero(hard.gone.any(axis=0)).tolist() == [0, 1, 2]
    soft = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0]])
    found = recession(softmax(x, soft))
    assert found is not None
    # Class 2 is never seen; classes 0 and 1 are bound at two points, so on the whole line.
    assert np.flatnonzero(found.gone.any(axis=0)).tolist() == [2]
    assert found.settled.sum() == 0
    assert recession(softmax(x, np.full((4, 3), 1 / 3))) is None


def test_an_empty_last_category_runs_off() -> None:
    g = np.random.default_rng(6)
    x, y = g.normal(size=(80, 2)), g.integers(0, 3, 80)
    assert recession(ordinal(x, y, 3)) is None
    found = recession(ordinal(x, y, 4))
    assert found is not None
    assert found.infinite.tolist() == [0, 0, 1, 0, 0]
    assert np.array_equal(found.strict, y == 2)
    assert not found.settled.any()  # category 2 keeps its lower end
    # A middle category without observations meets its neighbours: no direction leads there.
    assert recession(ordinal(x, np.where(y == 1, 2, y), 4)) is not None
    assert recession(ordinal(x, np.where(y == 1, 2, y), 3)) is None


def test_long_samples_need_few_of_their_rows() -> None:
    g = np.random.default_rng(8)
    n = 40_000
    x = np.column_stack([np.ones(n), g.normal(size=(n, 3)), np.zeros(n)])
    y = (g.random(n) < 1 / (1 + np.exp(-x[:, 1]))).astype(float)
    x[[17, 20_011, 39_998], 4] = 1
    y[[17, 20_011, 39_998]] = 1
    for design in (x, sp.csr_array(x)):
        found = recession(binary(design, y))
        assert found is not None
        assert np.flatnonzero(found.strict).tolist() == [17, 20_011, 39_998]
        assert found.direction.tolist() == [0, 0, 0, 0, 1]
        y[17] = 0
        assert recession(binary(design, y)) is None
        y[17] = 1


@pytest.mark.parametrize("levels", [40, 700])
def test_levels_without_events_are_named(levels: int) -> None:
    # Levels as sparse indicators; beyond 600 columns nothing as wide as the design is made dense.
    g = np.random.default_rng(9)
    n = 20 * levels
    group = g.integers(0, levels, n)
    level = sp.csr_array((np.ones(n), (np.arange(n), group)), shape=(n, levels))
    x = sp.csr_array(sp.hstack([level, g.normal(size=(n, 1))]))
    y = g.poisson(0.7, n)
    y[np.isin(group, [1, 7, 9])] = 0
    found = recession(counts(x, y))
    assert found is not None
    assert np.flatnonzero(found.infinite).tolist() == found.held.tolist() == [1, 7, 9]
    assert set(found.infinite[[1, 7, 9]].tolist()) == {-1}
    assert np.array_equal(found.settled, np.isin(group, [1, 7, 9]))
    both = recession(binary(x, np.where(group == 3, 1, y > 0).astype(float)))
    assert both is not None
    assert both.infinite[[1, 3, 7, 9]].tolist() == [-1, 1, -1, -1]
    assert np.count_nonzero(both.infinite) == 4
    y[np.isin(group, [1, 7, 9])] = 1
    assert recession(counts(x, y)) is None


def test_columns_of_any_size_are_judged_alike() -> None:
    g = np.random.default_rng(10)
    x = np.column_stack([np.ones(50), g.normal(size=50), g.random(50) < 0.2])
    y = np.where(x[:, 2] == 1, 1.0, g.integers(0, 2, 50))
    for scale in (1e-9, 1e9):
        sized = x * [1, scale, 1 / scale]
        found = recession(binary(sized, y))
        assert found is not None
        assert found.infinite.tolist() == [0, 0, 1]
        assert recession(binary(sized, 1.0 - (g.random(50) < 0.5))) is None


@pytest.mark.parametrize("exponent", range(1, 9))
def test_a_narrow_gap_and_a_narrow_overlap_are_told_apart(exponent: int) -> None:
    width = 10.0**-exponent
    y = np.array([0.0, 0.0, 1.0, 1.0])
    for shift, kind in ((width, "complete"), (0.0, "quasi"), (-width, None)):
        x = np.column_stack([np.ones(4), [-1.0, 0.0, shift, 1.0]])
        found = recession(binary(x, y))
        assert (found and found.kind) == kind


def test_a_sign_that_the_data_leave_open_is_not_certain() -> None:
    found = recession(binary(np.array([[1.0, 1.0], [2.0, 1.0]]), np.ones(2)))
    assert found is not None
    assert found.certain.tolist() == [False, False]
    found = recession(binary(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), np.ones(3)))
    assert found is not None
    assert found.certain.all()
    assert found.infinite.tolist() == [1, 1]


def test_no_event_at_all() -> None:
    x = np.column_stack([np.ones(6), np.arange(6.0)])
    for cone in (counts(x, np.zeros(6)), binary(x, np.zeros(6))):
        found = recession(cone)
        assert found is not None
        assert found.kind == "complete"
        assert found.infinite[0] == -1
    assert recession(counts(x, np.ones(6))) is None
