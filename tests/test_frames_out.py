"""Results as tables: a row for each coefficient, for the fit, for each observation."""

from __future__ import annotations

import math
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlece
from mlece import errors
from mlece.sources.tables import beside, frame_like

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
CLASSES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


def visits(n: int = 60) -> dict[str, Any]:
    rng = np.random.default_rng(11)
    age, sex = rng.normal(40, 10, n).round(1), rng.choice(["f", "m"], n)
    return {
        "count": rng.poisson(np.exp(0.02 * age)),
        "age": age,
        "sex": sex.tolist(),
        "bmi": 20 + 0.1 * age + rng.normal(size=n),
        "clinic": rng.choice(["a", "b", "c", "d", "e"], n).tolist(),
        "choice": rng.choice(["bus", "car", "rail"], n).tolist(),
    }


def read(table: Any) -> dict[str, list[Any]]:
    """Return the columns of any table as lists."""
    if isinstance(table, dict):
        return {name: np.asarray(v).tolist() for name, v in table.items()}
    frame: Any = nw.from_native(table)
    return {name: frame[name].to_list() for name in frame.columns}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", [None, *KINDS])
def test_tables_are_of_the_kind_that_was_fitted_or_is_asked_for(
    kind: str, asked: str | None
) -> None:
    fit = mlece.fit("poisson", "count ~ age + sex", given=KINDS[kind](visits()))
    for table in (fit.tidy(frame=asked), fit.glance(frame=asked), fit.augment(frame=asked)):
        assert isinstance(table, CLASSES[asked or kind])
    assert read(fit.tidy())["term"] == ["Intercept", "age", "sex[T.m]"]


@pytest.mark.parametrize("kind", ["sandwich", "hessian", "HC3", "cluster"])
def test_tidy_says_what_the_fit_says(kind: str) -> None:
    fit = mlece.fit(mlece.Gaussian(mean="age + sex", sd="age"), "bmi", given=visits())
    options = {"clusters": "clinic"} if kind == "cluster" else {}
    found = read(fit.tidy(0.9, kind, **options))
    assert found["slot"] == ["mean"] * 3 + ["sd"] * 2
    assert found["term"] == ["Intercept", "age", "sex[T.m]", "Intercept", "age"]
    se, ends = fit.standard_errors(kind, **options), fit.interval(0.9, kind=kind, **options)
    assert found["estimate"] == list(fit.params.values())
    assert found["std_error"] == list(se.values())
    assert found["conf_low"] == [pair.lower for pair in ends.values()]
    assert found["conf_high"] == [pair.upper for pair in ends.values()]
    for b, s, z, p in zip(
        *(found[k] for k in ("estimate", "std_error", "statistic", "p_value")), strict=True
    ):
        assert z == b / s
        # Two tails of the normal law, by the complementary error function.
        assert p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-12)


def test_a_scale_has_no_test_of_zero() -> None:
    found = read(mlece.fit(mlece.Gaussian(mean="age"), "bmi", given=visits()).tidy())
    assert (found["slot"][-1], found["term"][-1]) == ("sd", "")
    assert np.isnan(found["statistic"][-1])
    assert np.isnan(found["p_value"][-1])
    assert np.isfinite(found["conf_low"]).all()


def test_labels_have_a_row_each() -> None:
    table = visits()
    marginal = read(mlece.fit("categorical", table["choice"]).tidy())
    assert marginal["term"] == ["bus", "car", "rail"]
    assert np.isnan(marginal["p_value"]).all()
    given = read(mlece.fit("categorical", "choice ~ age", given=table).tidy())
    assert given["slot"] == ["p[car]", "p[car]", "p[rail]", "p[rail]"]


def test_batches_have_their_index() -> None:
    y = np.random.default_rng(2).gamma(2.0, size=(2, 3, 40))
    fit = mlece.fit("gamma", y)
    found, rows = fit.tidy(), fit.glance()
    assert found["batch_0"].tolist() == [0] * 6 + [1] * 6
    assert found["batch_1"].tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert found["slot"].tolist() == ["shape", "rate"] * 6
    assert found["estimate"][1::2].reshape(2, 3).tolist() == fit.params["rate"].tolist()
    assert found["conf_low"][::2].tolist() == fit.interval()["shape"].lower.ravel().tolist()
    assert rows["aic"].tolist() == fit.aic.ravel().tolist()
    with pytest.raises(errors.DataTypeError, match=r"fit\[i\]"):
        fit.augment()


def test_a_member_without_standard_errors_is_nan() -> None:
    batch = mlece.fit("poisson", [[1, 2, 4], [0, 0, 0]])
    assert np.isnan(batch.tidy()["std_error"]).tolist() == [False, True]
    assert batch.glance()["status"].tolist() == ["OPTIMAL", "BOUNDARY"]


def test_glance() -> None:
    table = visits()
    table["age"][3] = np.nan
    fit = mlece.fit("poisson", "count ~ age", given=table, missing="drop")
    row = {name: values[0] for name, values in fit.glance().items()}
    for name in ("log_likelihood", "aic", "aicc", "bic", "trace", "tic", "cross_entropy"):
        assert row[name] == getattr(fit, name)
    assert (row["n"], row["dropped"], row["parameters"]) == (59, 1, 2)
    assert (row["status"], row["scope"]) == ("OPTIMAL", fit.certificate.scope)
    assert row["model"] == "Poisson given covariates"


def test_criteria_that_do_not_exist_are_nan() -> None:
    known = mlece.fit("gaussian", mlece.Exponential(rate=1.0)).glance()
    assert np.isnan([known["n"][0], known["aic"][0]]).all()
    assert known["cross_entropy"][0] > 1.0
    weighed = mlece.fit(
        "poisson", [1, 2, 3], weights=[1.5, 2.0, 1.0], weighting="sampling"
    ).glance()
    assert np.isnan(weighed["bic"][0])
    assert np.isfinite(weighed["tic"][0])
    assert np.isnan(mlece.fit("uniform", [1.0, 2.0, 4.0]).glance()["trace"][0])


@pytest.mark.parametrize("kind", KINDS)
def test_augment_keeps_the_rows(kind: str) -> None:
    table = visits()
    table["age"][[3, 7]] = np.nan
    given = KINDS[kind](table)
    fit = mlece.fit("poisson", "count ~ age + sex", given=given, missing="drop")
    found = read(fit.augment())
    assert list(found) == [*table, "fitted", "log_density", "residual", "leverage"]
    assert found["clinic"] == table["clinic"]
    gone = np.isnan(np.array(found["fitted"], dtype=float))
    assert np.flatnonzero(gone).tolist() == [3, 7]
    assert np.array(found["fitted"])[~gone].tolist() == fit.predict().mean.tolist()
    assert np.nansum(np.array(found["log_density"], dtype=float)) == pytest.approx(
        fit.log_likelihood, rel=1e-12
    )
    # The trace of the hat matrix is the number of coefficients.
    assert np.nansum(np.array(found["leverage"], dtype=float)) == pytest.approx(3, rel=1e-9)


def test_augment_keeps_an_index_with_repetitions() -> None:
    given = pd.DataFrame(visits(), index=[f"day {i // 2}" for i in range(60)])
    found = mlece.fit(mlece.Gaussian(mean="age", sd="sex"), "bmi", given=given).augment(prefix=".")
    assert found.index.equals(given.index)
    assert found[given.columns].equals(given)
    new = [".fitted", ".log_density", ".residual", ".leverage[mean]", ".leverage[sd]"]
    assert list(found.columns[6:]) == new


def test_augment_of_labels() -> None:
    fit = mlece.fit("categorical", "choice ~ age", given=visits())
    found = fit.augment(frame="polars")
    shares = found.select("p[bus]", "p[car]", "p[rail]").to_numpy()
    assert shares.sum(axis=1) == pytest.approx(np.ones(60), rel=1e-14)
    labels = np.array(["bus", "car", "rail"])
    assert found["fitted"].to_list() == labels[shares.argmax(axis=1)].tolist()
    at = np.searchsorted(labels, found["choice"].to_numpy())
    assert found["log_density"].to_numpy() == pytest.approx(
        np.log(shares[range(60), at]), rel=1e-12
    )
    assert "residual" not in found.columns


def test_augment_of_a_row_of_weight_zero() -> None:
    table = visits() | {"w": np.arange(60) % 3}
    found = mlece.fit("poisson", "count ~ age", given=table, weights="w").augment()
    assert np.isnan(found["log_density"]).tolist() == (table["w"] == 0).tolist()
    # Its law is known all the same.
    assert np.isfinite(found["fitted"]).all()


def test_marginal_fits() -> None:
    sizes = pl.Series("size", [1.0, 2.0, 4.0])
    fit = mlece.fit("exponential", sizes)
    assert fit.augment().columns == ["size", "fitted", "log_density", "residual"]
    assert isinstance(fit.tidy(), pl.DataFrame)
    assert mlece.fit("exponential", [1.0, 2.0, 4.0]).augment()["y"].tolist() == [1.0, 2.0, 4.0]
    kinds = mlece.fit("categorical", pd.Series(["b", "a", "b"])).augment()
    assert kinds["y"].tolist() == ["b", "a", "b"]
    assert kinds["fitted"].tolist() == ["b"] * 3
    assert np.isnan(mlece.fit("cauchy", [1.0, 2.0, 4.0, 9.0]).augment()["fitted"]).all()


def test_matrices_have_numbered_columns() -> None:
    x = np.random.default_rng(5).normal(size=(30, 2))
    y = np.random.default_rng(6).poisson(2.0, 30)
    fit = mlece.fit(mlece.Poisson(rate=mlece.linear), y, given=x)
    assert list(fit.augment())[:3] == ["x1", "x2", "fitted"]
    assert list(fit.augment(frame="pandas").columns)[:3] == ["x1", "x2", "fitted"]


def test_refusals() -> None:
    with pytest.raises(errors.DataError, match="prefix"):
        mlece.fit("poisson", "count ~ fitted", given=visits() | {"fitted": np.arange(60)}).augment()
    with pytest.raises(errors.ComparisonError, match="known distribution"):
        mlece.fit("gaussian", mlece.Exponential(rate=1.0)).augment()
    with pytest.raises(errors.UnknownNameError, match="pandas"):
        mlece.fit("poisson", [1, 2]).tidy(frame="panda")
    with pytest.raises(errors.UnknownNameError, match="sandwich"):
        mlece.fit("poisson", [1, 2]).tidy(kind="sandwhich")
    with pytest.raises(errors.ComparisonError, match="vectors"):
        mlece.fit("multivariate gaussian", np.random.default_rng(1).normal(size=(9, 2))).augment()


def test_results_that_belong_to_no_rows_take_no_index() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])
    columns = {"estimate": np.array([1.0, 2.0])}
    assert frame_like(frame, columns).index.tolist() == ["a", "b"]
    assert frame_like(frame, columns, rowwise=False).index.tolist() == [0, 1]


def test_beside_a_sparse_matrix_stand_results_alone() -> None:
    from scipy import sparse

    columns = {"fitted": np.array([1.0, 2.0])}
    assert list(beside(sparse.eye_array(2).tocsr(), columns, "y")) == ["fitted"]
