"""Conditional entropy and mutual information: tables, numbers and labels given either."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import mlece
from mlece import errors
from mlece.entropies.contingency import table_conditional_entropy
from mlece.entropies.counts import chao_wang_jost, plugin

REFERENCE = Path(__file__).parent / "reference" / "entropy_fits.json"
TABLES = {k: c for k, c in json.loads(REFERENCE.read_text()).items() if "table" in c}
TOLERANCE = {
    "printed": 1e-14,  # absolute: R prints fifteen digits of numbers below one
    "statistic": 1e-11,  # of a statistic near 1,000
    "simulation": 5.0,  # standard errors of a simulated mean
}
NORMAL = 0.5 * np.log(2 * np.pi * np.e)

# ---------------------------------------------------------------------------- tables


@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize(
    ("method", "name"),
    [("plug-in", "mi_empirical"), ("james-stein", "mi_shrink"), ("miller-madow", "mi_MM")],
)
def test_mutual_information_as_in_r(case, method, name):
    found = mlece.mutual_information(TABLES[case]["table"], method)
    assert found.value == pytest.approx(TABLES[case]["result"][name], abs=TOLERANCE["printed"])


@pytest.mark.parametrize("case", TABLES)
def test_statistics_as_in_r(case):
    table, expected = np.array(TABLES[case]["table"]), TABLES[case]["result"]
    information = mlece.mutual_information(table, "plug-in").value
    g = 2 * table.sum() * information
    assert g == pytest.approx(expected["Gstatindep"], abs=TOLERANCE["statistic"])
    given_row = table_conditional_entropy(table, "plug-in").value
    assert given_row == pytest.approx(expected["Hjoint"] - expected["Hrow"], abs=1e-13)
    assert given_row == pytest.approx(expected["Hcol"] - information, abs=1e-13)


OF_TABLES = [
    m for m in mlece.entropies.entropy_estimators.MASSES if m not in ("nsb", "wolpert-wolf")
]


@pytest.mark.parametrize("method", OF_TABLES)
def test_tables_are_batched(method):
    tables = np.random.default_rng(1).poisson(4, (2, 3, 4, 5))
    for function in (mlece.mutual_information, table_conditional_entropy):
        batch = function(tables, method)
        assert batch.value.shape == batch.se.shape == (2, 3)
        single = function(tables[1, 2], method)
        assert batch.value[1, 2] == pytest.approx(single.value, abs=1e-13)
        assert batch.se[1, 2] == pytest.approx(single.se, rel=1e-12)
        # H(Y) = I(X; Y) + H(Y | X)
    whole = mlece.mutual_information(tables, method).value
    turned = mlece.mutual_information(np.swapaxes(tables, -1, -2), method).value
    assert whole == pytest.approx(turned, abs=1e-13)


def test_standard_errors_of_tables():
    law = np.array([[0.3, 0.1, 0.1], [0.05, 0.15, 0.3]])
    counts = np.random.default_rng(2).multinomial(600, law.ravel(), 4000).reshape(-1, 2, 3)
    for function in (mlece.mutual_information, table_conditional_entropy):
        found = function(counts)
        assert found.se.mean() == pytest.approx(
            found.value.std(), rel=0.06
        )  # five errors of the sd


def test_independence_leaves_the_second_order():
    # 2n I is chi-squared with (r - 1)(c - 1) degrees of freedom: its spread is sqrt(2 df)/2n.
    counts = np.random.default_rng(2).multinomial(600, np.ones(12) / 12, 4000).reshape(-1, 3, 4)
    found = mlece.mutual_information(counts, "plug-in")
    assert (2 * 600 * found.value).mean() == pytest.approx(6, rel=0.05)
    # The variance of the logs in a sample adds what the second term holds, twice over.
    assert np.sqrt((found.se**2).mean()) == pytest.approx(np.sqrt(3 * 6 / 2) / 600, rel=0.05)


@pytest.mark.parametrize("method", ["nsb", "Wolpert-Wolf"])
def test_priors_that_do_not_fit_tables(method):
    with pytest.raises(errors.ParameterError, match="contradict"):
        mlece.mutual_information([[1, 2], [3, 4]], method)


@pytest.mark.parametrize("bad", [[1, 2], [[-1, 2]], [[0, 0], [0, 0]], [[0.5, 1]]], ids=str)
def test_tables_are_checked(bad):
    for function in (mlece.mutual_information, table_conditional_entropy):
        with pytest.raises(errors.DataError, match="expected"):
            function(bad)


def test_tables_of_singletons_are_announced():
    for function in (mlece.mutual_information, table_conditional_entropy):
        assert "singleton" in function(np.eye(3)).note
        assert function(np.eye(3) + np.eye(3)).note == ""


def test_unknown_methods_name_the_nearest():
    with pytest.raises(errors.UnknownNameError, match="'miller-madow'"):
        mlece.mutual_information([[1, 2], [3, 4]], "miller-maddow")


# ---------------------------------------------------------------------------- labels given labels


def test_labels_given_labels():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    table = np.zeros((3, 4))
    np.add.at(table, (x, y), 1)
    found = mlece.conditional_entropy(y, given=x)
    expected = chao_wang_jost(table.ravel()).value - chao_wang_jost(table.sum(axis=1)).value
    assert found.value == pytest.approx(expected, abs=1e-13)
    frame = pd.DataFrame({"x": np.array(["p", "q", "r"])[x], "y": np.array(list("abcd"))[y]})
    assert mlece.conditional_entropy(frame["y"], given=frame["x"]) == found
    # Two columns of labels are one.
    pairs = np.stack([x % 2, x // 2], axis=1)
    joined = mlece.conditional_entropy(y, given=pairs)
    assert joined.value == pytest.approx(found.value, abs=1e-13)
    by_name = mlece.conditional_entropy(y, given=x, method="plug-in")
    assert by_name.value == pytest.approx(
        plugin(table.ravel()).value - plugin(table.sum(axis=1)).value, abs=1e-13
    )


def test_a_function_of_labels_leaves_nothing():
    x = np.arange(60) % 7
    assert mlece.conditional_entropy(x % 2, given=x).value == pytest.approx(0, abs=1e-14)


# ---------------------------------------------------------------------------- known truths


def linear(g, n):
    x = g.standard_normal(n)
    return 0.9 * x + np.sqrt(0.19) * g.standard_normal(n), x


def plane(g, n):
    x = g.standard_normal((n, 3)) * [1, 1e3, 1e-3]
    return x @ [1, 1e-3, 1e3] + g.standard_normal(n), x


def pair(g, n):
    x = g.standard_normal(n)
    return x[:, None] * [1, -2] + g.standard_normal((n, 2)), x


def uneven(g, n):
    x = g.standard_normal(n)
    return np.exp(x) * g.standard_normal(n), x


def by_label(g, n):
    x = g.integers(0, 3, n)
    return 2 * x + (1 + x) * g.standard_normal(n), x


def by_atom(g, n):
    y, x = by_label(g, n)
    return y, x.astype(float)


def by_atom_and_density(g, n):
    x = np.where(g.random(n) < 0.4, 0.0, g.standard_normal(n))
    return 2 * x + g.standard_normal(n), x


def logit(g, n):
    x = g.standard_normal(n)
    return g.random(n) < expit(2 * x), x


def logit_rounded(g, n):
    x = np.round(g.standard_normal(n))
    return g.random(n) < expit(2 * x), x


def logit_atom(g, n):
    x = np.where(g.random(n) < 0.4, 0.0, g.standard_normal(n))
    return g.random(n) < expit(2 * x), x


def logit_entropy(rounded):
    """Return E h(expit(2x)) for a standard normal x, or its nearest whole number."""
    x = np.linspace(-9, 9, 180_001)
    weight = np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()
    at = np.round(x) if rounded else x
    return -weight @ (expit(2 * at) * np.log(expit(2 * at)) * 2)


# Truth, and the bias allowed at n = 1,000: that of nearest neighbours, measured once.
KNOWN = {
    linear: (NORMAL + 0.5 * np.log(0.19), 0.02),
    plane: (NORMAL, 0.03),
    pair: (2 * NORMAL, 0.05),
    uneven: (NORMAL, 0.03),
    by_label: (NORMAL + np.log(6) / 3, 0.02),
    by_atom: (NORMAL + np.log(6) / 3, 0.02),
    by_atom_and_density: (NORMAL, 0.03),
    logit: (logit_entropy(False), 0.003),
    logit_rounded: (logit_entropy(True), 0.003),
    logit_atom: (0.4 * np.log(2) + 0.6 * logit_entropy(False), 0.008),
}


@pytest.mark.parametrize("law", KNOWN, ids=lambda law: law.__name__)
def test_known_truths(law):
    rng = np.random.default_rng(5)
    found = [mlece.conditional_entropy(*law(rng, 1000)) for _ in range(40)]
    values = np.array([one.value for one in found])
    truth, bias = KNOWN[law]
    noise = TOLERANCE["simulation"] * values.std() / np.sqrt(40)
    assert abs(values.mean() - truth) < bias + noise
    # A spread from 40 values has an error of 11 %; neighbourhoods that overlap add to it in three
    # and more dimensions.
    assert 0.5 < np.mean([one.se for one in found]) / values.std() < 1.6


def test_biases_cancel():
    # Independent of X, Y keeps its entropy, whatever the dimension of X; the entropies of pairs and
    # of X alone, each by itself, are off by several tenths.
    rng = np.random.default_rng(6)
    x, y = rng.exponential(size=(1000, 4)), rng.standard_normal(1000)
    together = np.column_stack([x, y])
    apart = (
        mlece.estimate_entropy(together, False).value - mlece.estimate_entropy(x, False).value
    ) - NORMAL
    found = mlece.conditional_entropy(y, given=x)
    assert abs(found.value - NORMAL) < 3 * found.se
    assert abs(found.value - NORMAL) < abs(apart)


def test_separated_labels_leave_nothing():
    x = np.random.default_rng(7).standard_normal(300)
    found = mlece.conditional_entropy(np.where(x > 0, "above", "below"), given=x + 100 * (x > 0))
    assert found.value == pytest.approx(0, abs=1e-14)
    assert found.se == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e9])
def test_units(scale):
    y, x = linear(np.random.default_rng(8), 400)
    base = mlece.conditional_entropy(y, given=x).value
    assert mlece.conditional_entropy(y, given=scale * x).value == pytest.approx(base, abs=1e-9)
    moved = mlece.conditional_entropy(scale * y, given=x).value
    assert moved == pytest.approx(base + np.log(scale), abs=1e-9)
    # A linear function of X taken from Y changes nothing.
    shifted = mlece.conditional_entropy(y - 7 * x + 3, given=x).value
    assert shifted == pytest.approx(base, abs=1e-9)


def test_what_integers_are_is_said_by_hand():
    y, x = by_label(np.random.default_rng(9), 900)
    as_labels = mlece.conditional_entropy(y, given=x)
    as_numbers = mlece.conditional_entropy(y, given=x, given_discrete=False)
    assert as_labels.method.startswith("Kozachenko-Leonenko within labels")
    assert as_numbers.method.startswith("Frenzel-Pompe")
    assert abs(as_labels.value - as_numbers.value) < as_labels.se


def test_rare_labels_use_fewer_neighbours_and_say_so():
    y, x = np.array(["a"] * 50 + ["b"] * 3), np.random.default_rng(1).random(53)
    assert "1 labels seen at most 3 times" in mlece.conditional_entropy(y, given=x).note


RNG = np.random.default_rng(10)
X, Y = RNG.standard_normal(100), RNG.standard_normal(100)
LABELS, MANY = np.arange(100) % 3, RNG.standard_normal(2000)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: mlece.conditional_entropy(Y, given=X[:50]), "one value of X for each of Y"),
        (lambda: mlece.conditional_entropy(Y.round(1), given=X), "never tie"),
        (lambda: mlece.conditional_entropy(MANY**2, given=MANY), "looks like a function of X"),
        (lambda: mlece.conditional_entropy(3 * X, given=X), "a linear function of X"),
        (lambda: mlece.conditional_entropy(Y, given=np.full(100, 1.0)), "columns of given"),
        (lambda: mlece.conditional_entropy(Y[:3], given=X[:3]), "more than k = 3"),
        (lambda: mlece.conditional_entropy(Y, given=X, k=0), "k from 1"),
        (lambda: mlece.conditional_entropy(Y, given=X, method="plug-in"), "no method"),
        (lambda: mlece.conditional_entropy(LABELS, given=LABELS, k=3), "no k"),
        (lambda: mlece.conditional_entropy(np.append(Y[:99], np.nan), given=X), "finite"),
        (lambda: mlece.conditional_entropy(Y, given=np.arange(100)), "Merge rare labels"),
        (lambda: mlece.conditional_entropy(np.arange(100), given=X), "Merge rare labels"),
        (lambda: mlece.conditional_entropy(Y[:, None, None], given=X), "shape"),
        (lambda: mlece.conditional_entropy(range(20_000), given=range(20_000)), "a table of at"),
    ],
)
def test_refusals(ask, words):
    with pytest.raises(errors.MleceError, match=words):
        ask()
