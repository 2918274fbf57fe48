"""Columns that others determine: found, named and expressed, and ill-conditioned ones let be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from statsmodels.datasets import longley

from mlece.errors import DataError
from mlece.regression.collinear import collinear, dependent

REFERENCE = Path(__file__).parent / "reference" / "filip_x.json"


def test_filip_and_longley_are_ill_conditioned_only() -> None:
    # NIST StRD: a polynomial of degree 10 whose condition number is 2e15, and six economic series.
    x = np.array(json.loads(REFERENCE.read_text(encoding="utf-8")))
    assert dependent(np.vander(x, 11, increasing=True), [f"x{j}" for j in range(11)]) == ()
    series = np.column_stack([np.ones(16), longley.load().exog])
    assert dependent(series, list("abcdefg")) == ()
    assert dependent(np.vander(np.arange(21.0), 6), list("abcdef")) == ()  # Wampler


def columns(n: int = 50) -> tuple[np.ndarray, list[str]]:
    g = np.random.default_rng(0)
    a, b = 1e4 + g.normal(size=n), g.normal(size=n)
    group = np.arange(n) % 3
    x = np.column_stack(
        [np.ones(n), a, b, a + 2 * b, np.full(n, 5.0), np.zeros(n), group == 0, group == 1]
    )
    names = ["Intercept", "a", "b", "sum", "five", "zero", "g[0]", "g[1]", "g[2]", "z"]
    z = (a - a.mean()) / a.std()
    return np.column_stack([x, group == 2, z]), names


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_each_is_expressed_by_columns_before_it(kind: type) -> None:
    x, names = columns()
    found = dependent(kind(x), names)
    told = [str(d) for d in found]
    assert told[:4] == [
        "sum = a + 2 b",
        "five is constant (5 times Intercept)",
        "zero is 0 everywhere",
        "g[2] = Intercept - g[0] - g[1]",
    ]
    assert len(told) == 5
    assert [name for name, _ in found[4].terms] == ["Intercept", "a"]
    for d in found:
        again = sum(c * x[:, names.index(name)] for name, c in d.terms)
        # Columns near 10,000 and the rank's threshold of 1e-12.
        assert again + np.zeros(len(x)) == pytest.approx(x[:, d.column], abs=1e-7)
    assert len(x[0]) - len(found) == np.linalg.matrix_rank(x / np.maximum(abs(x).max(axis=0), 1))


def test_nothing_is_said_of_independent_columns() -> None:
    g = np.random.default_rng(1)
    x = g.normal(size=(30, 4)) * [1e-200, 1e200, 1.0, 1e-5]
    assert dependent(x, list("abcd")) == ()
    x[:, 3] = x[:, 0] * 1e250
    assert [d.name for d in dependent(x, list("abcd"))] == ["d"]


def test_more_columns_than_rows() -> None:
    g = np.random.default_rng(2)
    assert [d.name for d in dependent(g.normal(size=(3, 5)), list("abcde"))] == ["d", "e"]


@pytest.mark.parametrize("levels", [30, 700])
def test_two_factors_with_all_levels(levels: int) -> None:
    # Beyond 600 sparse columns the Gram matrix is factored, and nothing is made dense.
    g = np.random.default_rng(3)
    n = 15 * levels
    parts = [sp.csr_array(np.ones((n, 1)))]
    for size in (levels, levels // 2):
        own = np.concatenate([np.arange(size), g.integers(0, size, n - size)])
        parts.append(sp.csr_array((np.ones(n), (np.arange(n), own)), shape=(n, size)))
    parts.append(sp.csr_array(g.normal(size=(n, 1))))
    names = ["one", *(f"a{j}" for j in range(levels)), *(f"b{j}" for j in range(levels // 2)), "x"]
    x = sp.csr_array(sp.hstack(parts))
    found = dependent(x, names)
    assert [d.name for d in found] == [f"a{levels - 1}", f"b{levels // 2 - 1}"]
    assert np.abs([c for _, c in found[0].terms]) == pytest.approx(np.ones(levels), abs=1e-9)
    assert str(found[0]).endswith(f" and {levels - 8} terms more")
    kept = [j for j in range(len(names)) if j not in {d.column for d in found}]
    assert dependent(x[:, kept], [names[j] for j in kept]) == ()


def test_the_error_says_which_and_what_to_do() -> None:
    x, names = columns()
    error = collinear(dependent(x, names), len(names))
    assert isinstance(error, DataError)
    assert str(error).startswith(
        "expected linearly independent columns; got 5 of 10 that others determine: sum = a + 2 b; "
    )
    assert str(error).endswith("Leave out sum, five, zero, g[2], z.")
