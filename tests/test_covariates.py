"""Design matrices from formulas, columns, arrays and sparse matrices, and how bad ones are refused."""

from __future__ import annotations

import datetime
import decimal
import pickle
import re
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import patsy
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from mlece import errors
from mlece.design import Design
from mlece.predictor import Predictor, linear
from mlece.sources.covariates import design, designs, response
from mlece.sources.tables import frame_like

_RNG = np.random.default_rng(20)
N = 60
DATA: dict[str, Any] = {
    "x": _RNG.normal(size=N),
    "z": _RNG.integers(1, 6, size=N),
    "e": np.exp(_RNG.normal(size=N)),
    "s": [["b", "a", "c"][i] for i in _RNG.integers(0, 3, size=N)],
    "t": [["u", "v"][i] for i in _RNG.integers(0, 2, size=N)],
    "f": _RNG.integers(0, 2, size=N).astype(bool),
}
FRAMES = {
    "mapping": lambda data: data,
    "pandas": lambda data: pd.DataFrame(data, index=range(100, 100 + len(data["x"]))),
    "pandas-nullable": lambda data: pd.DataFrame(data).convert_dtypes(),
    "polars": pl.DataFrame,
    "polars-lazy": pl.LazyFrame,
    "pyarrow": pa.table,
}
# As patsy reads them too.
FORMULAS = [
    "1",
    "x",
    "x + z",
    "x - 1",
    "0 + x",
    "s",
    "C(s)",
    "C(z)",
    "C(z) - 1",
    "f",
    "s + t",
    "s:t",
    "x:s",
    "x*s",
    "s*t",
    "s*t*x",
    "(x + e + z)**2",
    "x/s",
    "f*x - 1",
    "0 + s + t",
    "log(e) + np.exp(x)",
    "np.log1p(e) + sqrt(e) + abs(x)",
    "I(x**2) + I(x > 0)",
    "I(x + e)",
    "C(s, Treatment('b'))",
    "C(s, Sum)",
    "C(s, Helmert)",
    "center(x) + standardize(e)",
    "bs(x, df=5)",
    "bs(x, knots=[-0.5, 0.5], degree=2)",
    "cr(x, df=4) - 1",
    "center(x):s",
    "C(z):C(s)",
]
# What patsy lacks or does otherwise.
OWN = [
    "poly(x, 3)",
    "poly(x, 2, raw=True):f",
    "scale(e)*t",
    "C(s, levels=['c', 'b', 'a'])",
    "C(s, contr.treatment(base='c'))",
    "x + offset(log(e))",
    "x + offset(e) + offset(center(x))",
    "`x` + Q('e')",
    "{x / e}",
    ". - z",
    "~ x + cc(e, df=3)",
    "clip(x, -1, 1) + where(f, x, 0) + log2(e)",
]
given_kind = pytest.mark.parametrize("kind", FRAMES)
formula = pytest.mark.parametrize("text", FORMULAS + OWN)


def made(terms: Any = None, given: Any = None, **settings: Any) -> Design:
    missing = settings.pop("missing", "raise")
    return design(Predictor(terms, **settings), DATA if given is None else given, "mean", missing)


def rows_of(data: dict[str, Any], rows: slice) -> dict[str, Any]:
    return {name: column[rows] for name, column in data.items()}


def same(one: Design, other: Design) -> None:
    assert one.names == other.names
    np.testing.assert_array_equal(one.matrix, other.matrix)
    assert (one.offset is None) == (other.offset is None)
    if one.offset is not None:
        np.testing.assert_array_equal(one.offset, other.offset)


EXPECTED = {text: made(text) for text in FORMULAS + OWN}


# -- What is made -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FORMULAS)
def test_the_columns_are_those_of_patsy(text: str) -> None:
    names = {"log": np.log, "sqrt": np.sqrt, "np": np, "abs": np.abs}
    expected = np.asarray(
        patsy.dmatrix(text, pd.DataFrame(DATA), eval_env=patsy.EvalEnvironment([names]))
    )
    mine = made(text)
    assert mine.matrix.shape == expected.shape
    # In another order: patsy sets categories before numbers.
    left = list(range(expected.shape[1]))
    for j in range(mine.width):
        near = [
            k for k in left if np.allclose(expected[:, k], mine.matrix[:, j], rtol=1e-9, atol=1e-12)
        ]
        assert near, mine.names[j]
        left.remove(near[0])


@pytest.mark.parametrize("text", ["x + C(s)", "s*t", "f + x:s", "C(s, Sum) + np.log(e)", "C(z)"])
def test_the_names_are_those_of_patsy(text: str) -> None:
    expected = patsy.dmatrix(text, pd.DataFrame(DATA)).design_info.column_names
    assert sorted(made(text).names) == sorted(expected)


@given_kind
@formula
def test_frames_of_every_library_make_the_same_columns_again(kind: str, text: str) -> None:
    fitted = made(text, FRAMES[kind](DATA))
    same(fitted, EXPECTED[text])
    assert fitted.recipe is not None
    few = FRAMES[kind](rows_of(DATA, slice(3, 9)))
    again = pickle.loads(pickle.dumps(fitted)).recipe(few)
    assert again.names == fitted.names
    np.testing.assert_array_equal(again.matrix, fitted.matrix[3:9])
    if fitted.offset is not None:
        np.testing.assert_array_equal(again.offset, fitted.offset[3:9])
    same(again.recipe(FRAMES[kind](DATA)), fitted)


@given_kind
@pytest.mark.parametrize("terms", [None, ("x", "s"), ("s", "f", "z"), "x*s + offset(log(e))"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "offset", [None, "e", "log(e)", DATA["x"]], ids=["no", "column", "log", "array"]
)
def test_every_kind_of_terms_and_offsets(
    kind: str, terms: Any, intercept: bool, offset: Any
) -> None:
    mine = made(terms, FRAMES[kind](DATA), intercept=intercept, offset=offset)
    same(mine, made(terms, intercept=intercept, offset=offset))
    assert (mine.names[0] == "Intercept") is intercept
    assert np.linalg.matrix_rank(mine.matrix) == mine.width
    total = np.zeros(N)
    total += np.log(DATA["e"]) if isinstance(terms, str) else 0.0
    numbers = {"e": DATA["e"], "log(e)": np.log(DATA["e"])}
    total += 0.0 if offset is None else numbers[offset] if isinstance(offset, str) else offset
    if mine.offset is None:
        assert not total.any()
    else:
        np.testing.assert_allclose(mine.offset, total, rtol=1e-15)


def test_all_columns_code_text_and_truth_values() -> None:
    assert made(None).names == (
        "Intercept",
        "x",
        "z",
        "e",
        "s[T.b]",
        "s[T.c]",
        "t[T.v]",
        "f[T.True]",
    )
    found, _ = designs({"mean": linear}, DATA, N, exclude=("x", "s", "t"))
    assert found["mean"].names == ("Intercept", "z", "e", "f[T.True]")


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pd.Series(pd.Categorical(["m", "l", "m"], categories=["s", "m", "l"])), ("m", "l")),
        (pl.Series(["m", "l", "m"], dtype=pl.Enum(["s", "m", "l"])), ("m", "l")),
        (pl.Series(["m", "l", "m"], dtype=pl.Categorical), ("l", "m")),
        (pa.chunked_array([pa.array(["m", "l", "m"]).dictionary_encode()]), ("l", "m")),
        (["m", "l", "m"], ("l", "m")),
        (np.array(["m", "l", "m"]), ("l", "m")),
        (pd.Series(pd.Categorical([3, 1, 3])), (1, 3)),
        ([b"m", b"l", b"m"], ("l", "m")),
    ],
    ids=["pandas", "enum", "polars", "pyarrow", "list", "array", "numbers", "bytes"],
)
def test_levels_are_in_declared_order_or_sorted(column: Any, names: tuple[Any, ...]) -> None:
    # A level that is declared and does not occur has no coefficient.
    assert made("q", {"q": column}).names == ("Intercept", f"q[T.{names[1]}]")
    assert made("C(q) - 1", {"q": column}).names == tuple(f"C(q)[{name}]" for name in names)


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, None],
        [1.0, 2.0, np.nan],
        pd.array([1, 2, None], dtype="Int64"),
        pl.Series([1, 2, None]),
        pl.Series([1.0, 2.0, np.nan]),
        pa.chunked_array([[1, 2, None]]),
        np.ma.masked_equal(np.array([1, 2, 9]), 9),
        pd.Series([1, 2, None], dtype=object),
    ],
    ids=["list", "float", "nullable", "polars", "polars-nan", "pyarrow", "masked", "object"],
)
def test_missing_numbers_leave_the_names_of_levels_alone(column: Any) -> None:
    found, kept = designs({"mean": linear("C(q)"), "sd": linear("q")}, {"q": column}, 3, "drop")
    assert kept is not None
    assert kept.tolist() == [True, True, False]
    assert found["mean"].names == ("Intercept", "C(q)[T.2]")
    assert found["sd"].matrix.tolist() == [[1.0, 1.0], [1.0, 2.0]]


@pytest.mark.parametrize("column", [[2**60, 2**60 + 1, None], np.array([2**60, 2**60 + 1, 2**60])])
def test_labels_that_are_long_integers_do_not_merge(column: Any) -> None:
    assert made("C(q)", {"q": column}, missing="drop").names[1] == f"C(q)[T.{2**60 + 1}]"


def test_decimals_are_numbers() -> None:
    table = pa.table({"q": [decimal.Decimal("1.5"), decimal.Decimal("2")]})
    assert made("q", table).matrix.tolist() == [[1.0, 1.5], [1.0, 2.0]]


def test_columns_may_have_the_names_of_functions_or_spaces() -> None:
    table = {"log": [1.0, 2.0], "my col": [2.0, 4.0], "a.b": [1.0, 3.0]}
    mine = made("log + exp(`my col`) + a.b + Q('my col')", table)
    np.testing.assert_allclose(mine.matrix[1], [1.0, 2.0, np.exp(4.0), 3.0, 4.0])
    assert made("1", table, offset="my col").offset.tolist() == [2.0, 4.0]


def test_a_column_may_not_take_the_name_of_the_constant() -> None:
    with pytest.raises(
        errors.DataError, match="columns of different names for slot 'mean'; got 'Int"
    ):
        made("Intercept", {"Intercept": [1.0, 2.0]})
    assert made("Intercept - 1", {"Intercept": [1.0, 2.0]}).names == ("Intercept",)


def test_a_single_level_adds_no_column_beside_a_constant() -> None:
    alike = {"x": [1.0, 2.0], "s": ["a", "a"]}
    for term in ("s", "C(s)", "x * s"):
        with pytest.raises(errors.DataError, match="adds none; s is 'a' everywhere"):
            made(f"x + {term}", alike)
    assert made("s - 1", alike).names == ("s[a]",)
    assert made("x + x:s - x", alike).names == ("Intercept", "x:s[a]")


def test_text_that_reads_as_numbers_is_labels_only_where_that_is_said() -> None:
    given = {"s": ["1.5", "2", "n/a", "2"]}
    told = "text that reads as numbers, the first '1.5'; 1 such value of 4, the first 'n/a' at position 2"
    for terms in ("s", ["s"]):
        with pytest.raises(errors.DataError, match=told):
            made(terms, given)
    assert len(made("C(s)", given).names) == 3
    assert len(made("s", {"s": pd.Categorical(given["s"])}).names) == 3
    ages = made("s", {"s": ["18", "19-25", "26+"]})
    assert len(ages.names) == 3
    # New rows may hold any of the labels that the fit has taken for such.
    assert ages.recipe({"s": ["18", "18"]}).matrix.tolist() == [[1.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize("text", ["1980-01-{}", "{}.1.1980", "1/{}/80", "1980-1-{}T10:30"])
def test_text_that_reads_as_dates_is_labels_only_where_that_is_said(text: str) -> None:
    given = {"when": [text.format(day) for day in (10, 11, 13, 13)]}
    told = re.escape(
        f"text that reads as dates, the first {given['when'][0]!r}. Convert the column to"
    )
    with pytest.raises(errors.DataError, match=told):
        made("when", given)
    assert len(made("C(when)", given).names) == 3
    assert len(made("s", {"s": ["1.2", "1.2.x", "5-10-", "a"]}).names) == 4


def test_scalars_of_a_mapping_are_repeated() -> None:
    new = made("x + s + f").recipe({"x": [1.0, 2.0], "s": "c", "f": True})
    assert new.matrix.tolist() == [[1.0, 1.0, 0.0, 1.0, 1.0], [1.0, 2.0, 0.0, 1.0, 1.0]]


# -- Arrays and sparse matrices -----------------------------------------------------------------

X = _RNG.normal(size=(50, 3))


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_without_an_intercept_is_used_as_it_is(order: Any) -> None:
    array = np.array(X, order=order)
    mine = made(None, array, intercept=False)
    assert mine.names == ("x1", "x2", "x3")
    assert np.shares_memory(mine.matrix, array)
    mine = made(None, array)
    assert mine.names == ("Intercept", "x1", "x2", "x3")
    np.testing.assert_array_equal(mine.matrix, np.column_stack([np.ones(50), X]))
    assert mine.matrix.flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("intercept", [True, False])
def test_memory_of_an_array(intercept: bool) -> None:
    array = np.ones((200_000, 10))
    made(None, array[:10], intercept=intercept)
    tracemalloc.start()
    made(None, array, intercept=intercept)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (1.3 if intercept else 0.2) * array.nbytes


@pytest.mark.parametrize(
    "given",
    [
        X.tolist(),
        X[::2][:, ::1].copy(),
        X.astype(np.float32),
        np.ones((4, 2), int),
        X[:, 0],
        X[:, ::2],
    ],
    ids=["lists", "rows", "float32", "integers", "vector", "strided"],
)
def test_arrays_of_every_kind(given: Any) -> None:
    mine = made(None, given, intercept=False)
    expected = np.asarray(given, dtype=float)
    np.testing.assert_array_equal(mine.matrix, expected.reshape(len(expected), -1))
    same(mine.recipe(given), mine)


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
@pytest.mark.parametrize("intercept", [True, False])
def test_sparse_matrices_stay_sparse(make: Any, intercept: bool) -> None:
    mine = made(None, make(X), intercept=intercept)
    assert mine.sparse
    same_dense = made(None, X, intercept=intercept)
    assert mine.names == same_dense.names
    np.testing.assert_array_equal(mine.matrix.toarray(), same_dense.matrix)
    again = pickle.loads(pickle.dumps(mine)).recipe(make(X[:5]))
    np.testing.assert_array_equal(again.matrix.toarray(), same_dense.matrix[:5])


def test_formulas_on_arrays() -> None:
    mine = made("x1 + I(x2**2) + offset(x3)", X)
    np.testing.assert_array_equal(
        mine.matrix, np.column_stack([np.ones(50), X[:, 0], X[:, 1] ** 2])
    )
    np.testing.assert_array_equal(mine.offset, X[:, 2])
    np.testing.assert_array_equal(made(("x3",), sparse.csr_array(X)).matrix[:, 1], X[:, 2])
    np.testing.assert_array_equal(made(None, X, offset="x1").offset, X[:, 0])


def test_many_levels_stay_sparse() -> None:
    codes = np.arange(40_000) % 2000
    table = {"q": np.char.add("l", codes.astype(str)), "x": np.linspace(0.0, 1.0, 40_000)}
    mine = made("C(q) + x", table)
    assert mine.sparse
    assert mine.width == 2001
    assert mine.matrix.nnz < 3 * 40_000
    rows = mine.recipe(rows_of(table, slice(0, 3)))
    assert rows.sparse
    np.testing.assert_array_equal(rows.matrix.toarray(), mine.matrix[:3].toarray())
    dense = made("C(q) + x", rows_of(table, slice(0, 50)))
    assert not dense.sparse
    interaction = made("C(q):x - 1", table)
    assert interaction.sparse
    assert interaction.width == 2000


def test_recipes_do_not_keep_the_data() -> None:
    table = {"x": np.linspace(0.0, 1.0, 20_000), "s": ["a", "b"] * 10_000}
    assert len(pickle.dumps(made("bs(x, df=5)*s + C(s, Sum) + offset(x)", table).recipe)) < 20_000
    assert len(pickle.dumps(made(None, np.ones((20_000, 2))).recipe)) < 2_000


# -- Missing values -----------------------------------------------------------------------------

HOLES: dict[str, Any] = {
    "x": [1.0, None, 3.0, 4.0, 5.0],
    "s": ["a", "b", None, "a", "c"],
    "f": [True, False, True, None, False],
    "w": [1.0, 1.0, 1.0, 1.0, None],
}


@given_kind
def test_missing_values_are_found_over_all_slots_at_once(kind: str) -> None:
    given = FRAMES[kind](HOLES)
    predictors = {"mean": linear("x + s"), "sd": linear("f")}
    found, kept = designs(predictors, given, 5, "drop")
    assert kept is not None
    assert kept.tolist() == [True, False, False, False, True]
    assert found["mean"].matrix.tolist() == [[1.0, 1.0, 0.0], [1.0, 5.0, 1.0]]
    assert found["mean"].names == ("Intercept", "x", "s[T.c]")
    assert found["sd"].matrix.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    said = (
        "expected covariates without missing values; got 3 of 5 rows with missing ones (rows 1, 2, 3): "
        "1 in 'x' from row 1, 1 in 's' from row 2, 1 in 'f' from row 3. Use missing='drop' to leave "
        "incomplete rows out"
    )
    with pytest.raises(errors.DataError, match=re.escape(said)):
        designs(predictors, given, 5)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_missing_values_in_arrays_and_offsets(make: Any) -> None:
    array = X.copy()
    array[3, 1] = np.nan
    offset = np.zeros(50)
    offset[[5, 6]] = np.nan
    given = make(array)
    found, kept = designs({"mean": linear(offset=offset), "sd": linear("x1")}, given, 50, "drop")
    assert kept is not None
    assert np.flatnonzero(~kept).tolist() == [3, 5, 6]
    assert found["mean"].rows == found["sd"].rows == len(found["mean"].offset) == 47
    with pytest.raises(
        errors.DataError, match=r"3 of 50 rows .*\(rows 3, 5, 6\): 1 in 'x2' from row 3, 2 in"
    ):
        designs({"mean": linear(offset=offset)}, given, 50)


def test_columns_that_are_not_used_may_be_missing() -> None:
    _, kept = designs({"mean": linear("1")}, HOLES, 5)
    assert kept is None
    assert made("w", rows_of(HOLES, slice(0, 4))).width == 2


def test_the_state_of_transforms_is_that_of_the_kept_rows() -> None:
    table = {"x": [1.0, 2.0, 100.0], "w": [1.0, 2.0, None]}
    mine = made("center(x) + w", table, missing="drop")
    np.testing.assert_allclose(mine.matrix[:, 1], [-0.5, 0.5])
    np.testing.assert_allclose(
        mine.recipe({"x": 1.5, "w": 0.0}).matrix, [[1.0, 0.0, 0.0]], atol=1e-15
    )


def test_rows_that_are_not_wanted_leave_no_trace() -> None:
    table = {"x": [1.0, 2.0, 100.0, None], "s": ["a", "b", "c", "d"]}
    among = np.array([True, True, False, False])
    found, kept = designs({"mean": linear("center(x) + s")}, table, 4, among=among)
    assert kept is not None
    assert kept.tolist() == among.tolist()
    assert found["mean"].names == ("Intercept", "center(x)", "s[T.b]")
    np.testing.assert_allclose(found["mean"].matrix, [[1.0, -0.5, 0.0], [1.0, 0.5, 1.0]])
    with pytest.raises(errors.DataError, match="got 1 of 4 rows with missing ones"):
        designs({"mean": linear("x")}, table, 4, among=np.array([True, False, True, True]))
    _, kept = designs({"mean": linear("x")}, table, 4, "drop", among=np.arange(4) > 1)
    assert kept is not None
    assert kept.tolist() == [False, False, True, False]


# -- Responses and tables of results ------------------------------------------------------------


@given_kind
def test_a_response_and_its_terms(kind: str) -> None:
    found = response("z ~ x + C(s)", frame := FRAMES[kind](DATA))
    assert (found.name, found.columns, found.terms) == ("z", ("z",), "x + C(s)")
    np.testing.assert_array_equal(np.asarray(found.values), DATA["z"])
    found = response("log(e) + x ~ s", frame)
    assert (found.name, found.columns, found.terms) == ("log(e) + x", ("e", "x"), "s")
    np.testing.assert_allclose(found.values, np.log(DATA["e"]) + DATA["x"], rtol=1e-15)
    assert response("x", frame).terms is None


def test_missing_responses() -> None:
    assert response("x ~ s", HOLES).missing is None
    found = response("x ~ s", HOLES, "drop")
    assert found.missing is not None
    assert found.missing.tolist() == [False, True, False, False, False]
    found = response("log(x) ~ s", HOLES, "drop")
    np.testing.assert_allclose(found.values, np.log([1.0, np.nan, 3.0, 4.0, 5.0]))
    with pytest.raises(
        errors.DataError, match="expected the response without missing values; got 1 of 5"
    ):
        response("log(x) ~ s", HOLES)


def test_results_come_back_in_the_kind_of_the_data() -> None:
    columns = {"fitted": np.array([1.0, 2.0]), "name": np.array(["a", "b"])}
    labelled = pd.DataFrame({"x": [0, 0]}, index=["i", "j"])
    back = frame_like(labelled, columns)
    assert back.index.tolist() == ["i", "j"]
    assert back["fitted"].tolist() == [1.0, 2.0]
    # Results that are not one for each row have an index of their own.
    assert frame_like(labelled.iloc[:1], columns).index.tolist() == [0, 1]
    for frame in (pl.DataFrame({"x": [0]}), pa.table({"x": [0]})):
        back = frame_like(frame, columns)
        assert type(back) is type(frame)
        assert (
            back["name"].to_pylist() == ["a", "b"] if hasattr(back["name"], "to_pylist") else True
        )
    assert isinstance(frame_like(pl.LazyFrame({"x": [0]}), columns), pl.DataFrame)
    for other in ({"x": [0]}, np.ones(2), [[0]], None, sparse.csr_array(np.ones((2, 1)))):
        assert frame_like(other, columns) == columns


# -- What is refused ----------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "x": [1.0, 2.0, 0.0, 4.0],
    "z": [1, 2, 3, 4],
    "name": ["a", "b", "a", "c"],
    "f": [True, False, True, False],
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x + ", "got 'x + '. Operator `+` has insuf"),
        ("x + (z", "matching context marker:\n    x + (z\n        ^"),
        ("x $ z", "Unknown operator '$':\n    x $ z\n      ^"),
        ("x z", "Missing operator between `x` and `z`:\n    x z\n    ^"),
        ("x +\nlog(z", "    x + log(z\n        ^"),
        ("log(x +) + z", "got 'log(x +) + z'. invalid syntax:\n    log(x +) + z\n           ^"),
        ("`x", "    `x\n    ^"),
        ("2*x", "\n    2*x\n    ^"),
        ("x ~ z", "right-hand side of a formula for slot 'mean'; got a formula with two sides"),
        ("x ~ z", "leave it out:\n    x ~ z\n      ^"),
        ("~ x ~ z", "\n    ~ x ~ z\n        ^"),
        (
            "x | z",
            "got several parts. Each parameter has a formula of its own:\n    x | z\n      ^",
        ),
        ("", "got ''. A constant alone is written '1'"),
        (" ~ ", "A constant alone"),
        (
            "x.mean()",
            "got 'x.mean'. Functions of the whole column that remember the fit are center",
        ),
        ("z + np.mean(x)", "anything else:\n    z + np.mean(x)\n        ^"),
        ("x[0]", "got 'x[0]'"),
        ("I(x and z)", "got 'x and z'"),
        ("I([x for x in (1, 2)])", "elementwise functions in a formula; got"),
        ("I(x.__class__)", "got 'x.__class__'"),
        ("I(np.log.__self__)", "elementwise functions in a formula; got 'np.log.__self__'"),
        ("z:offset(x)", "an offset as a term of its own in slot 'mean'; got 'z:offset(x)'"),
        ("I(offset(x))", "offset() inside an expression"),
        ("log(log)", "functions and columns of different names; got 'log' as both"),
    ],
)
def test_formulas_that_are_refused(text: str, said: str) -> None:
    data = {**SMALL, "log": SMALL["x"]} if "log(log)" in text else SMALL
    with pytest.raises(errors.ParameterError, match=re.escape(said)):
        made(text, data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nam", "the name of a column; got 'nam'. Did you mean 'name'?"),
        ("x + C(nam)", "the name of a column; got 'nam'. Did you mean 'name'?"),
        ("log(nam)", "the name of a column; got 'nam'. Did you mean 'name'?"),
        ("Q('nam')", "the name of a column; got 'nam'. Did you mean 'name'?"),
        ("offset(nam)", "the name of a column; got 'nam'. Did you mean 'name'?"),
        ("lgo(x)", "the name of a function in formulas; got 'lgo'. Did you mean 'log'"),
        ("__import__('os')", "the name of a function in formulas; got '__import__'"),
        ("lag(x)", "the name of a function in formulas; got 'lag'"),
        (
            "C(name, contr.tretment())",
            "coding of levels; got 'tretment'. Did you mean 'treatment' or",
        ),
        (("x", "nam"), "the name of a column; got 'nam'. Did you mean 'name'?"),
    ],
)
def test_names_that_do_not_exist(text: Any, said: str) -> None:
    with pytest.raises(errors.UnknownNameError, match=re.escape(said)):
        made(text, SMALL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "log(name)",
            "numbers in log(name) for slot 'mean'; got text in the column 'name', the first 'a'",
        ),
        ("x:log(name)", "numbers in log(name) for slot 'mean'; got text in the column 'name'"),
        ("I(name**2)", "numbers in I(name ** 2) for slot 'mean'; got text"),
        ("center(name)", "numbers in center(name) for slot 'mean'; got text"),
        ("offset(name)", "numbers in name for slot 'mean'; got text in the column 'name'"),
        (
            "log(x)",
            "finite values of log(x) for slot 'mean'; got -inf in row 2, where x = 0.0 (1 such row",
        ),
        (
            "I(z - 1/x)",
            "finite values of I(z - 1 / x) for slot 'mean'; got -inf in row 2, where x = 0.0, z",
        ),
        ("z + offset(log(x - 3))", "got nan in row 0, where x = 1.0 (3 such rows of 4)"),
        ("offset(poly(x, 2))", "one column of numbers for slot 'mean'; got 2 columns"),
        ("poly(x, 4)", "more than 4 different values for poly() of degree 4; got 4"),
        (
            "bs(x, df=2)",
            "terms that can be evaluated: bs(x, df=2) for slot 'mean'; got Invalid value",
        ),
        ("C(name, Treatment('q'))", "got Value `'q'` for `TreatmentContrasts.base` is not among"),
        (
            "C(name, levels=['a', 'b'])",
            "labels among the levels= of C(); got 'c' in 1 of 4 rows, the first in row 3",
        ),
        ("I(x, z)", "terms that can be evaluated: I(x, z)"),
        ("C(x, z)", "terms that can be evaluated"),
        ("0", "at least one column or an intercept for slot 'mean'; got none"),
        ("x - x - 1", "at least one column"),
    ],
)
def test_terms_that_cannot_be_evaluated(text: str, said: str) -> None:
    with pytest.raises(errors.DataError, match=re.escape(said)):
        made(text, SMALL)


def test_rows_are_counted_in_what_came() -> None:
    table = {"x": [None, 1.0, 0.0], "w": [1.0, None, 1.0]}
    with pytest.raises(errors.DataError, match=r"-inf in row 2, where x = 0\.0"):
        designs({"mean": linear("log(x)")}, table, 3, "drop")


DATES = [datetime.date(2020, 1, 1)] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"q": [1, "a", 2]},
            "cells of one type in the covariate 'q'; got 2 of number (the first 1 in row 0)",
        ),
        ({"q": [True, 2, 3]}, "1 of truth value (the first True in row 0) and 2 of number"),
        (pd.DataFrame({"q": [1, "a", None]}), "and 1 of text (the first 'a' in row 1)"),
        ({"q": DATES}, "numbers, truth values or text in the covariate 'q'; got date, the first"),
        (pd.DataFrame({"q": pd.to_datetime(DATES)}), "got a column of Datetime"),
        (pl.DataFrame({"q": DATES}), "got a column of Date. Turn dates"),
        ({"q": np.array(DATES, dtype="M8[D]")}, "got datetime64[D]"),
        ({"q": np.ones(3, complex)}, "got complex128"),
        ({"q": [2**80, 1]}, "integers of 64 bits in the covariate 'q'"),
        (
            {"q": [1.0, np.inf]},
            "finite numbers in the covariate 'q'; got 1 such value of 2, the first inf at",
        ),
        ({"q": np.ones((3, 2))}, "one value for each row in 'q'; got an array (3, 2)"),
        ({"q": [1, 2], "r": [1]}, "columns of one length; got 2 values in 'q' and 1 in 'r'"),
        (pd.DataFrame({"q": []}), "covariates with at least one row; got no rows"),
        ({"q": []}, "covariates with at least one row; got no rows"),
        ({}, "covariates in given= for slot 'mean'; got none"),
        (
            pd.DataFrame(np.ones((2, 2)), columns=["q", "q"]),
            "columns of different names; got 'q' 2 times",
        ),
        ([[1, "a"], [2, "b"]], "numbers; got text in column 1, the first 'a' in row 0"),
        (np.array([["a", "b"]]), "got text in column 0, the first 'a' in row 0"),
        ([[1, 2], [3]], "covariates as a rectangular array"),
        (np.ones((2, 2, 2)), "covariates as an array (n, d) or (n,); got an array (2, 2, 2)"),
        (np.ones((0, 2)), "covariates with at least one row"),
        (np.array([[1.0, np.inf], [np.nan, 1.0]]), "got 1 infinite value"),
        (sparse.csr_array([[1.0, np.inf]]), "the first inf in row 0, column 'x2'"),
    ],
)
def test_tables_that_are_refused(given: Any, said: str) -> None:
    with pytest.raises(errors.DataError, match=re.escape(said)):
        designs({"mean": linear}, given, None, "drop")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            3.0,
            "covariates as a data frame, a mapping of columns, an array (n, d) or a sparse matrix",
        ),
        ("frame", "got str 'frame'"),
        (np.ones((2, 2), complex), "covariates as real numbers; got an array of complex128"),
        (sparse.csr_array(np.ones((2, 2), complex)), "a sparse matrix of complex128"),
        (
            pd.DataFrame(np.ones((2, 2))),
            "names of columns as text; got the name 0. Set frame.columns",
        ),
        ({"q": object()}, "object"),
    ],
)
def test_what_is_no_table(given: Any, said: str) -> None:
    with pytest.raises((errors.DataTypeError, errors.DataError), match=re.escape(said)):
        made(None, given)


def test_counts_of_rows_and_columns() -> None:
    with pytest.raises(
        errors.DataError, match="one row of covariates for each of 5 observations; got 4 rows"
    ):
        designs({"mean": linear("x")}, SMALL, 5)
    with pytest.raises(errors.DataError, match="covariates in given= for slot 'mean'; got none"):
        designs({"mean": linear("x")}, None, 5)
    found, _ = designs({"mean": linear("1")}, None, 5)
    assert found["mean"].matrix.tolist() == [[1.0]] * 5
    with pytest.raises(errors.DataError, match="covariates in given=; got none"):
        designs({"mean": linear("1")}, None, None)
    with pytest.raises(errors.DataError, match="at least one column or an intercept"):
        made(None, np.ones((3, 0)), intercept=False)
    with pytest.raises(
        errors.DataError, match=r"a row without missing covariates; got 2 of 2 rows"
    ):
        made("q", {"q": [None, None]}, missing="drop")
    with pytest.raises(errors.ParameterError, match="missing='raise' or missing='drop'"):
        made("x", SMALL, missing="ignore")


@pytest.mark.parametrize(
    ("offset", "kind", "said"),
    [
        (
            np.ones(3),
            errors.DataError,
            "one offset for each of 4 rows for slot 'mean'; got an array (3,)",
        ),
        ([1, 2, 3, np.nan], errors.DataError, "1 in the offset of 'mean'"),
        (
            [1, 2, 3, np.inf],
            errors.DataError,
            "a finite offset for slot 'mean'; got 1 such value of 4",
        ),
        ("name", errors.DataError, "numbers in name for slot 'mean'; got text"),
        ("log(x)", errors.DataError, "finite values of log(x) for slot 'mean'; got -inf in row 2"),
        ("nam", errors.UnknownNameError, "Did you mean 'name'?"),
        ("log(x", errors.ParameterError, "'(' was never closed:\n    log(x\n       ^"),
    ],
)
def test_offsets_that_are_refused(offset: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        made("z", SMALL, offset=offset)


@pytest.mark.parametrize(
    ("new", "kind", "said"),
    [
        (
            {"x": [1, 2], "name": ["q", "a"], "f": True},
            errors.DataError,
            "levels of 'name' that the fit has met; got 'q' in 1 of 2 rows, the first in row 0. "
            "Known levels: 'a', 'b', 'c'",
        ),
        (
            {"x": 1, "nam": "a", "f": True},
            errors.UnknownNameError,
            "got 'name'. Did you mean 'nam'?",
        ),
        (
            {"x": "b", "name": "a", "f": True},
            errors.DataError,
            "numbers in the column 'x', as at the fit; got labels",
        ),
        (
            {"x": 1, "name": 3, "f": True},
            errors.DataError,
            "labels in the column 'name', as at the fit; got numbers",
        ),
        (
            {"x": 1, "name": "a", "f": 1},
            errors.DataError,
            "truth values in the column 'f', as at the fit",
        ),
        (
            {"x": None, "name": "a", "f": True},
            errors.DataError,
            "1 in 'x' from row 0. Leave these rows out",
        ),
        ({"x": -9, "name": "a", "f": True}, errors.DataError, "finite values of log1p(x)"),
        (np.ones((2, 3)), errors.UnknownNameError, "got 'x'. Did you mean"),
    ],
)
def test_new_data_that_are_refused(new: Any, kind: type[Exception], said: str) -> None:
    fitted = made("log1p(x) + name + f", SMALL)
    with pytest.raises(kind, match=re.escape(said)):
        fitted.recipe(new)
    # What failed leaves no trace in the recipe.
    same(fitted.recipe(SMALL), fitted)


def test_new_arrays_that_are_refused() -> None:
    fitted = made(None, X)
    for new in (np.ones((2, 2)), np.ones(3), pd.DataFrame(DATA)):
        with pytest.raises(
            errors.DataError, match=r"an array \(n, 3\) of covariates for slot 'mean', as at the"
        ):
            fitted.recipe(new)
    fitted = made("x", SMALL, offset=np.arange(4.0))
    with pytest.raises(
        errors.DataError, match="an offset for each new row, since that of slot 'mean' came as"
    ):
        fitted.recipe(SMALL)
    assert fitted.recipe({"x": [1.0, 2.0]}, offset=[5.0, 6.0]).offset.tolist() == [5.0, 6.0]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            "~ z",
            errors.ParameterError,
            "a response before the tilde and terms behind it; got '~ z'",
        ),
        ("x ~", errors.ParameterError, "A constant alone is written 'y ~ 1'"),
        ("nam ~ z", errors.UnknownNameError, "Did you mean 'name'?"),
        ("nam", errors.UnknownNameError, "Did you mean 'name'?"),
        (
            "log(x) ~ z",
            errors.DataError,
            "finite values of log(x) for the response; got -inf in row 2",
        ),
        ("log(name) ~ z", errors.DataError, "numbers in log(name) for the response; got text"),
        (
            "poly(x, 2) ~ z",
            errors.DataError,
            "one column of numbers for the response; got 2 columns",
        ),
        ("(x + ) ~ z", errors.ParameterError, "invalid syntax:\n    (x + )\n         ^"),
    ],
)
def test_responses_that_are_refused(text: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        response(text, SMALL)
