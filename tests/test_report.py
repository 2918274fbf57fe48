"""The texts that people read and the dictionaries that programs read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import mlece
from mlece.reports.export import fit_json, plain
from mlece.reports.report import (
    WIDTH,
    decimals,
    fit_table,
    number,
    probability,
    render,
)

RNG = np.random.default_rng(20)
POSITIVE = RNG.gamma(3.0, 2.0, 80)

# What a fit can come to, with a word that its table must show.
FITS: dict[str, tuple[Any, Any, str]] = {
    "interior": ("gamma", POSITIVE, "robust se"),
    "fixed": (mlece.Gamma(shape=3), POSITIVE, "shape = 3 held"),
    "nothing free": (mlece.Gaussian(0, 1), [0.1, 0.4], "nothing was estimated"),
    "boundary": ("poisson", [0, 0, 0], "boundary"),
    "unbounded": ("gamma", [2.0, 2.0, 2.0], "unbounded"),
    "limit family": ("negativebinomial", [3, 4, 4, 5, 3], "the fit is Poisson(rate=3.8)"),
    "not regular": ("uniform", POSITIVE, "from the exact law"),
    "not unique": ("laplace", [1.0, 2.0, 4.0, 7.0], "loc from 2 to 4"),
    "labels": ("categorical", list("abcab"), "p[a]"),
    "empty cell": (mlece.Categorical(labels="abc"), list("abab"), "multiplier 1"),
    "many cells": ("categorical", list(range(60)), "36 more"),
    "known distribution": ("gaussian", mlece.Exponential(rate=1), "under the known distribution"),
    "infinite": ("gaussian", mlece.StudentT(df=1.5, loc=0, scale=1), "infinite"),
    "batch": ("gamma", POSITIVE.reshape(4, 20), "4 optimal"),
}

every_fit = pytest.mark.parametrize("case", FITS)


@every_fit
def test_table(case: str) -> None:
    model, data, word = FITS[case]
    text = fit_table(mlece.fit(model, data))
    assert word in text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(line == line.rstrip() for line in text.splitlines())
    assert "\x1b" not in text


@pytest.mark.parametrize("case", [c for c in FITS if c != "batch"])
def test_json(case: str) -> None:
    model, data, _ = FITS[case]
    fit = mlece.fit(model, data)
    found = json.loads(json.dumps(fit_json(fit), allow_nan=False))
    assert found["certificate"]["status"] == fit.certificate.status.name
    for name, value in fit.params.items():
        assert found["parameters"][name]["estimate"] == plain(value)


def test_interval_and_units() -> None:
    fit = mlece.fit("gamma", POSITIVE)
    found = fit_json(fit, "bits", 0.9, "hessian")
    assert found["cross_entropy"] == pytest.approx(float(fit.cross_entropy) / np.log(2))
    assert found["parameters"]["rate"]["interval"] == pytest.approx(
        fit.interval(0.9, kind="hessian")["rate"]
    )
    text = fit_table(fit, "bits", 0.9, "hessian")
    assert "bits per observation" in text
    assert "90 % interval" in text
    assert "se (hessian)" in text


def test_print_is_the_table_and_repr_is_short() -> None:
    fit = mlece.fit("gamma", POSITIVE)
    assert str(fit) == fit_table(fit)
    assert "\n" not in repr(fit)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (1.23456, 2, "1.23"),
        (-1.5, 1, "−1.5"),
        (np.inf, None, "∞"),
        (-np.inf, 3, "−∞"),
        (np.nan, None, "—"),
        (123456.0, -2, "123500"),
        (1e300, 2, "1e+300"),
        (1e-300, 302, "1e-300"),
        (-0.0, None, "0"),
    ],
)
def test_number(value: float, places: int | None, text: str) -> None:
    assert number(value, places) == text


def test_decimals_show_three_digits_of_the_standard_error() -> None:
    assert [decimals(s) for s in (0.0123, 1.0, 250.0)] == [4, 2, 0]
    assert decimals(0.0) is None
    assert decimals(np.nan) is None


def test_smallest_bootstrap_p_value_is_a_bound() -> None:
    assert probability(0.005, 199) == "≤ 0.005"
    assert probability(0.25, 199) == "0.250"


def test_render_aligns_and_wraps() -> None:
    text = render([["a", "1", "word " * 40], ["bb", "10", "x"]], ["n", "v", "t"], left=(0, 2))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len(text.splitlines()) > 4
