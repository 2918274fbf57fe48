"""The links: maps, slopes and the logarithms of both probabilities, against 60 digits of mpmath."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from mlece.links.bijection import LINKS, Bijection, UnitLink

EXACT: dict[str, Callable[[Any], Any]] = {
    "identity": lambda e: e,
    "log": mp.exp,
    "logit": lambda e: 1 / (1 + mp.exp(-e)),
    "probit": lambda e: mp.erfc(-e / mp.sqrt(2)) / 2,
    "cloglog": lambda e: -mp.expm1(-mp.exp(e)),
    "loglog": lambda e: mp.exp(-mp.exp(-e)),
    "cauchit": lambda e: (
        mp.acot(-e) / mp.pi if e < 0 else 1 - mp.acot(e) / mp.pi if e else mp.mpf(0.5)
    ),
    "softplus": lambda e: mp.log1p(mp.exp(e)),
    "asinh": mp.sinh,
    "sqrt": lambda e: e**2,
    "reciprocal": lambda e: 1 / e,
    "inverse": lambda e: 1 / e,
}
UNIT = [name for name, link in LINKS.items() if isinstance(link, UnitLink)]
NEAR = (0.001, 0.3, 0.7, 1.0, 2.5, 6.0, 11.0)
FAR: dict[str, tuple[float, ...]] = {
    "logit": (40.0, 700.0, 1e3),
    "probit": (12.5, 37.0, 1e3),
    "cloglog": (6.7, 30.0, 1e3),
    "loglog": (6.7, 30.0, 1e3),
    "cauchit": (40.0, 1e3, 1e8),
}


def both_sides(name: str) -> list[float]:
    sizes = (*NEAR, *FAR.get(name, (20.0,)))
    return (
        [*sizes, 1e-300]
        if name in ("sqrt", "reciprocal", "inverse")
        else [s * e for e in sizes for s in (1, -1)] + [0.0]
    )


def complement(name: str, eta: Any) -> Any:
    if name == "cloglog":
        return mp.exp(-mp.exp(eta))
    if name == "loglog":
        return -mp.expm1(-mp.exp(-eta))
    return EXACT[name](-eta)


def held(found: Any, exact: Any, rtol: float) -> None:
    """Compare with an exact number; what no float holds rounds to 0 or infinity."""
    with mp.workdps(60):
        np.testing.assert_allclose(float(found), float(exact), rtol=rtol, atol=5e-308)


@pytest.mark.parametrize("name", LINKS)
def test_values_and_derivatives(name: str) -> None:
    link = LINKS[name]
    for eta in both_sides(name):
        if abs(eta) > 100 or eta == 1e-300:
            continue
        with mp.workdps(420):
            value = EXACT[name](mp.mpf(eta))
            first, second = (mp.diff(EXACT[name], mp.mpf(eta), k) for k in (1, 2))
        at = np.asarray(eta)
        got = link.derivatives(at)
        # exp(-eta^2/2) and exp(-exp(eta)) carry the rounding of their exponents, here up to 800.
        held(link.forward(at), value, 1e-13)
        held(got[0], first, 2e-13)
        held(got[1], second, 2e-13)
        if first != 0 and link.name != "asinh":
            with mp.workdps(420):
                slope = mp.log(abs(first))
            np.testing.assert_allclose(
                float(link.log_slope(at)), float(slope), rtol=1e-14, atol=1e-15
            )


CURVED = [
    name
    for name, link in LINKS.items()
    if type(link).log_slope_derivatives is not Bijection.log_slope_derivatives
]


@pytest.mark.parametrize("name", CURVED)
def test_derivatives_of_the_log_slope(name: str) -> None:
    for eta in (-6.0, -1.3, -0.001, 0.0, 0.4, 2.5, 6.0):
        with mp.workdps(420):

            def log_slope(e: Any) -> Any:
                return mp.log(mp.diff(EXACT[name], e))

            first, second = (mp.diff(log_slope, mp.mpf(eta), k) for k in (1, 2))
        got = LINKS[name].log_slope_derivatives(np.asarray(eta))
        # Where both terms of 1 − e^η or q − p cancel what is left has the rounding of 1.
        np.testing.assert_allclose(float(got[0]), float(first), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(float(got[1]), float(second), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", LINKS)
def test_the_inverse_returns(name: str) -> None:
    eta = np.array([e for e in both_sides(name) if abs(e) <= 3])
    theta = LINKS[name].forward(eta)
    np.testing.assert_allclose(LINKS[name].inverse(theta), eta, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", UNIT)
@pytest.mark.parametrize("p", [1e-300, 1e-12, 0.01])
def test_the_inverse_of_a_small_probability(name: str, p: float) -> None:
    link = LINKS[name]
    log_f, _ = link.log_pair(link.inverse(np.asarray(p)))
    # cauchit: log F of 1e300 keeps the digits of p; probit: eta near -37 rounds to 1e-16 of 37.
    np.testing.assert_allclose(log_f, np.log(p), rtol=2e-15)


@pytest.mark.parametrize("name", UNIT)
def test_both_logarithms_and_their_derivatives(name: str) -> None:
    link = LINKS[name]
    assert isinstance(link, UnitLink)

    def log_f(e: Any) -> Any:
        return mp.log(EXACT[name](e))

    def log_rest(e: Any) -> Any:
        return mp.log(complement(name, e))

    for eta in both_sides(name):
        with np.errstate(over="ignore"):
            pair = link.log_pair(np.asarray(eta))
            found = link.log_pair_derivatives(np.asarray(eta))
        # log F = -(1 - F) is a float until 1 - F = 1e-308.
        with mp.workdps(400):
            x = mp.mpf(eta)
            for value, exact, got in (
                (pair[0], log_f, found[:2]),
                (pair[1], log_rest, found[2:]),
            ):
                # A small 1 - F = exp(-t) carries the rounding of t, here up to 700.
                held(value, exact(x), 2e-13)
                held(got[0], mp.diff(exact, x, 1), 2e-13)
                held(got[1], mp.diff(exact, x, 2), 1e-12)


@pytest.mark.parametrize("name", UNIT)
def test_nothing_is_nan_far_out(name: str) -> None:
    eta = np.array([-1e300, -1e100, -1e8, -1e3, 1e3, 1e8, 1e100, 1e300])
    with np.errstate(over="ignore"):
        parts = (*LINKS[name].log_pair(eta), *LINKS[name].log_pair_derivatives(eta))
        slopes = LINKS[name].derivatives(eta)
    for part in (*parts, *slopes):
        assert not np.isnan(part).any()


def test_inverse_is_the_reciprocal() -> None:
    assert LINKS["inverse"] is LINKS["reciprocal"]


@pytest.mark.parametrize("name", LINKS)
def test_links_are_pickled(name: str) -> None:
    again = pickle.loads(pickle.dumps(LINKS[name]))
    assert again.forward(np.asarray(1.5)) == LINKS[name].forward(np.asarray(1.5))
