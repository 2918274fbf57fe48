"""NIST's linear regressions through fit(): every digit that the data allow.

Certified values: National Institute of Standards and Technology, Statistical Reference Datasets, linear
regression; the numbers compared are the exact solutions for the data rounded to floats, recomputed with
sixty digits (``tests/reference/README.md``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece

REFERENCE = Path(__file__).parent / "reference"
DATA: dict[str, Any] = json.loads((REFERENCE / "nist_linear_data.json").read_text(encoding="utf-8"))
EXACT: dict[str, Any] = json.loads((REFERENCE / "nist_linear.json").read_text(encoding="utf-8"))
PERFECT = ("wampler1", "wampler2")
# Digits: a float holds 15.95.
DIGITS = 13.0


def fitted(name: str) -> Any:
    """Fit a data set by the formula that a user would write."""
    case = DATA[name]
    y, x = np.array(case["y"], float), np.array(case["x"], float)
    if x.ndim > 1:
        columns = x if len(x) == len(y) else x.T
        given = {f"x{j}": columns[:, j] for j in range(columns.shape[1])}
        return mlece.fit(mlece.Gaussian(mean=" + ".join(given)), y, given=given)
    degree = int(EXACT[name]["float64"]["p"])
    powers = [f"I(x ** {k})" for k in range(2, degree)]
    formula = "0 + x" if name.startswith("noint") else " + ".join(["x", *powers])
    return mlece.fit(mlece.Gaussian(mean=formula), y, given={"x": x})


def digits(own: Any, exact: list[str]) -> float:
    """Return the least log relative error (McCullough 1998)."""
    reference = np.array(exact, dtype=float)
    with np.errstate(divide="ignore"):
        return float(-np.log10(np.abs(np.asarray(own) / reference - 1)).max())


@pytest.mark.parametrize("name", sorted(DATA))
def test_coefficients_errors_and_cross_entropy(name: str) -> None:
    fit, exact = fitted(name), EXACT[name]["float64"]
    assert digits(list(fit.params.values())[:-1], exact["beta"]) >= DIGITS
    if name in PERFECT:
        assert fit.certificate.status.name == "UNBOUNDED"
        assert fit.values[0] == -np.inf
        return
    assert fit.certificate.status.name == "OPTIMAL"
    n, p = len(DATA[name]["y"]), len(exact["beta"])
    # NIST's standard deviation has the divisor n - p.
    errors = np.array(list(fit.standard_errors("hessian").values())[:-1]) * np.sqrt(n / (n - p))
    assert digits(errors, exact["se"]) >= DIGITS
    assert digits(fit.values, [exact["mean_cross_entropy_at_mle_nats"]]) >= DIGITS


def test_a_polynomial_whose_base_is_a_first_power() -> None:
    case, exact = DATA["filip"], EXACT["filip"]["float64"]
    powers = [f"I(x ** {k})" for k in range(1, int(exact["p"]))]
    y, x = (np.array(case[name], float) for name in "yx")
    fit = mlece.fit(mlece.Gaussian(mean=" + ".join(powers)), y, given={"x": x})
    assert digits(list(fit.params.values())[:-1], exact["beta"]) >= DIGITS
