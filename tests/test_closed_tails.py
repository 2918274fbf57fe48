"""Incomplete observations of families that are a law of the line at a standardised observation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import mlece
from mlece.combinators import unseen as engine_room
from mlece.combinators.compose import engine
from mlece.combinators.unseen import unseen
from mlece.model import Model, registered
from mlece.tails import laplace_tails, secant_tails

INF = np.inf
Law = Callable[[Any], Any]


def _upper_cauchy(z: Any) -> Any:
    return mp.acot(z) / mp.pi if z > 0 else mp.mpf(1) / 2 - mp.atan(z) / mp.pi


def _upper_laplace(z: Any) -> Any:
    return mp.exp(-z) / 2 if z > 0 else 1 - mp.exp(z) / 2


# 1 - F in many digits; F itself is that of -z, or of the other extreme.
UPPER: dict[str, Law] = {
    "Gaussian": lambda z: mp.erfc(z / mp.sqrt(2)) / 2,
    "Logistic": lambda z: 1 / (1 + mp.exp(z)),
    "Gumbel": lambda z: -mp.expm1(-mp.exp(-z)),
    "GumbelMin": lambda z: mp.exp(-mp.exp(z)),
    "Cauchy": _upper_cauchy,
    "HyperbolicSecant": lambda z: 2 / mp.pi * mp.atan(mp.exp(-z)),
    "Laplace": _upper_laplace,
}
MIRROR = {"Gumbel": "GumbelMin", "GumbelMin": "Gumbel"}
# One tail of a law of extremes falls as exp(-e^|z|).
PLACES = {
    "Gumbel": (-3.0, -2.0, -0.5, 0.25, 1.0, 5.0, 20.0, 40.0),
    "GumbelMin": (-40.0, -20.0, -5.0, -0.5, 0.25, 1.0, 2.0, 3.0),
}
EVERYWHERE = (-40.0, -12.0, -3.0, -0.5, 0.25, 1.0, 5.0, 20.0, 40.0)
WIDTHS = (1e-12, 1e-6, 1e-3, 0.1, 1.0, 10.0, INF)
CENTRE, SPREAD = 0.3, 1.7


@functools.cache
def _tail(name: str, y: float, above: bool) -> tuple[Any, ...]:
    """Return a tail beyond y and its derivatives in centre and spread, in many digits."""
    spread = mp.mpf(SPREAD)
    z = (mp.mpf(y) - mp.mpf(CENTRE)) / spread
    if above:
        value, first, second = (mp.diff(UPPER[name], z, n) for n in range(3))
    else:
        value, first, second = (mp.diff(UPPER[MIRROR.get(name, name)], -z, n) for n in range(3))
        first = -first
    slopes = -1 / spread, -z / spread
    bends = mp.mpf(0), 1 / spread**2, 2 * z / spread**2
    pairs = (0, 0), (0, 1), (1, 1)
    seconds = [
        second * slopes[i] * slopes[j] + first * bend
        for (i, j), bend in zip(pairs, bends, strict=True)
    ]
    return value, *(first * slope for slope in slopes), *seconds


def _exact(name: str, a: float, b: float) -> list[float]:
    """Return log P(a < Y <= b), its two first and three second derivatives."""
    above = a + b > 2 * CENTRE
    nothing = (0,) * 6
    near, far = (a, b) if above else (b, a)
    parts = [
        one - other
        for one, other in zip(
            _tail(name, near, above),
            nothing if np.isinf(far) else _tail(name, far, above),
            strict=True,
        )
    ]
    mass, by_m, by_s = parts[:3]
    first = by_m / mass, by_s / mass
    products = first[0] ** 2, first[0] * first[1], first[1] ** 2
    second = [p / mass - q for p, q in zip(parts[3:], products, strict=True)]
    return [float(v) for v in (mp.log(mass), *first, *second)]


@pytest.mark.parametrize("name", UPPER)
def test_derivatives_far_out_and_of_narrow_intervals(name: str) -> None:
    starts = [CENTRE + SPREAD * z for z in PLACES.get(name, EVERYWHERE)]
    pairs = [(y, y + w) for y in starts for w in WIDTHS] + [(-INF, y) for y in starts]
    pairs.append((CENTRE - 40 * SPREAD, CENTRE + 40 * SPREAD))
    t = np.array([[(a, b, -INF) for a, b in pairs]])
    theta = np.array([[CENTRE]]), np.array([[SPREAD]])
    with np.errstate(all="ignore"):
        found = unseen(engine(getattr(mlece, name)), t, theta)
        parts = np.stack([found.value, *found.score, *found.curvature])[:, 0]
    with mp.workdps(100):
        wanted = np.array([_exact(name, a, b) for a, b in pairs]).T
    # z itself is rounded: log (1 - F) of a normal law is -z^2/2, some 800 in size.
    np.testing.assert_allclose(parts, wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("law", "upper"), [(laplace_tails, "Laplace"), (secant_tails, "HyperbolicSecant")]
)
def test_laws_that_are_no_links(law: Any, upper: str) -> None:
    points = [s * e for e in (0.001, 0.3, 0.69, 0.7, 1.0, 6.0, 40.0, 700.0) for s in (1, -1)]
    for z in points:
        found = law.log_pair(np.asarray(z)), law.log_pair_derivatives(np.asarray(z))
        with mp.workdps(700):
            for k, side in enumerate((-1, 1)):

                def exact(e: Any, side: int = side) -> Any:
                    return mp.log(UPPER[upper](side * e))

                x = mp.mpf(z)
                got = found[0][k], found[1][2 * k], found[1][2 * k + 1]
                wanted = exact(x), mp.diff(exact, x, 1), mp.diff(exact, x, 2)
                for one, other in zip(got, wanted, strict=True):
                    # e^-700 carries the rounding of its exponent.
                    np.testing.assert_allclose(float(one), float(other), rtol=2e-13, atol=1e-304)


CLOSED = sorted(
    {c for c in registered().values() if c.has("_standardised")}, key=lambda c: c.__name__
)
every_family = pytest.mark.parametrize("family", CLOSED, ids=lambda c: c.__name__)


def _typical(family: type[Model]) -> Model:
    # The geometric mean of what is typical of a positive number.
    return family(
        *[
            np.sqrt(np.prod(p.typical)) if min(p.typical) > 0 else np.mean(p.typical)
            for p in family.params
        ]
    )


def _observations(law: Model) -> np.ndarray:
    """Return triples of every kind: exact, left, right, between, entered late, known of nothing."""
    # None of them at a kink.
    q = law.quantile([0.01, 0.1, 0.3, 0.31, 0.55, 0.8, 0.95, 0.999])
    low, high = law.support.lower, law.support.upper
    return np.array(
        [
            (q[2], q[2], -INF), (-INF, q[2], -INF), (low, q[5], -INF), (q[4], INF, -INF),
            (q[6], high, q[1]), (q[1], q[6], -INF), (q[2], q[3], q[0]), (q[6], q[7], -INF),
            (q[4], q[4], q[2]), (-INF, INF, -INF), (low, high, q[3]), (q[4], q[4] + 1e-7, low),
        ]
    )  # fmt: skip


@every_family
def test_the_closed_form_is_the_integral(family: type[Model]) -> None:
    law = _typical(family)
    t = _observations(law)[None]
    theta = tuple(np.reshape(v, (1, 1)) for v in law.theta)
    model = engine(family)
    with np.errstate(all="ignore"):
        smooth = engine_room._Integrated(model, t, theta)._parts is not None
        # Others are left to differences, for which the last interval is too narrow.
        t = t if smooth else t[:, :-1]
        closed, other = unseen(model, t, theta), engine_room._Integrated(model, t, theta)
        for one, two in (
            ((closed.value,), (other.value,)),
            (closed.score, other.score),
            (closed.curvature, other.curvature),
        ):
            for a, b in zip(one, two, strict=True):
                tolerance = 1e-9 if smooth else 1e-5
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@every_family
def test_observations_with_parameters_of_their_own(family: type[Model]) -> None:
    law = _typical(family)
    t = _observations(law)[None]
    model, m = engine(family), t.shape[1]
    shares = 1 + 0.01 * np.arange(m)
    rows = tuple(v * shares[None] for v in law.theta)
    with np.errstate(all="ignore"):
        together = unseen(model, t, rows)
        for j in range(m):
            alone = unseen(model, t[:, j : j + 1], tuple(v[:, j : j + 1] for v in rows))
            for a, b in zip(
                (together.value, *together.score, *together.curvature),
                (alone.value, *alone.score, *alone.curvature),
                strict=True,
            ):
                np.testing.assert_allclose(a[:, j], b[:, 0], rtol=1e-14, atol=1e-300)


def _data(rng: np.random.Generator, law: Model, shape: Any) -> Any:
    """Censor a sample at random times on the right, and note a third of it by intervals."""
    y, c = law.sample(shape, rng=rng), law.sample(shape, rng=rng)
    width = 0.3 * float(law.quantile(0.6) - law.quantile(0.4))
    low, kind = np.minimum(y, c), rng.random(shape)
    cell = np.floor(y / width) * width
    lower = np.where(kind < 0.3, cell, low)
    upper = np.where(kind < 0.3, cell + width, np.where(y <= c, low, INF))
    return mlece.censored(lower, upper)


# Differences of a density with kinks are too coarse to compare fits with.
SMOOTH = [c for c in CLOSED if not c.has("_breakpoints")]


@pytest.mark.parametrize("family", SMOOTH, ids=lambda c: c.__name__)
def test_fits_are_those_of_the_integrals(family: type[Model], monkeypatch: Any) -> None:
    rng = np.random.default_rng(11)
    law = _typical(family)
    data = _data(rng, law, (2, 80))
    fit = mlece.fit(family, data)
    monkeypatch.setattr(engine_room, "_Closed", engine_room._Integrated)
    other = mlece.fit(family, data)
    found, others = (np.asarray(f.certificate.status) for f in (fit, other))
    assert [s.solved for s in found.tolist()] == [s.solved for s in others.tolist()]
    # Where the integrals stop before an optimum could be shown the closed form may come lower.
    known = np.array([s.solved for s in others.tolist()])
    found, wanted = np.asarray(fit.cross_entropy), np.asarray(other.cross_entropy)
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-9)
    assert (found <= wanted + 1e-9).all()


def test_a_regression_of_censored_responses_is_that_of_the_integrals(monkeypatch: Any) -> None:
    rng = np.random.default_rng(4)
    n = 60
    x = rng.normal(size=n)
    time, loss = np.exp(0.5 * x) * rng.weibull(1.5, n), rng.exponential(2.0, n)
    entry = np.where(rng.random(n) < 0.3, 0.2 * np.minimum(time, loss), -INF)
    data = mlece.right_censored(np.minimum(time, loss), time <= loss, entry)
    model = mlece.Weibull(shape="x", scale="x")
    fit = mlece.fit(model, data, given={"x": x})
    assert fit.certificate.status is mlece.Status.OPTIMAL
    monkeypatch.setattr(engine_room, "_Closed", engine_room._Apart)
    other = mlece.fit(model, data, given={"x": x})
    assert fit.params == pytest.approx(other.params, rel=1e-7)
    errors, others = fit.standard_errors(), other.standard_errors()
    assert errors == pytest.approx(others, rel=1e-7)


def test_exponential_regression_by_hand() -> None:
    # Two groups: events over time at risk in each, entries taken off.
    group = np.repeat([0, 1], 4)
    time, event = np.array([2.0, 3, 5, 6, 1, 2, 2, 4]), np.array([1, 0, 1, 1, 1, 1, 0, 1])
    entry = np.array([0.0, 1, 0, 2, 0, 0, 1, 0])
    fit = mlece.fit(
        mlece.Exponential(rate="x"), mlece.right_censored(time, event, entry), given={"x": group}
    )
    rates = [event[group == g].sum() / (time - entry)[group == g].sum() for g in (0, 1)]
    assert fit.params["rate[Intercept]"] == pytest.approx(np.log(rates[0]), rel=1e-12)
    assert fit.params["rate[x]"] == pytest.approx(np.log(rates[1] / rates[0]), rel=1e-12)


def test_a_share_that_never_meets_the_event() -> None:
    # With a negative shape Gompertz' survival function ends above 0: a time is then infinite.
    rng = np.random.default_rng(2)
    hazard, loss = rng.exponential(size=400), rng.uniform(1, 8, 400)
    meets = hazard < 0.5 / 0.8
    time = np.where(meets, np.log1p(-0.8 * np.where(meets, hazard, 0.0) / 0.5) / -0.8, INF)
    fit = mlece.fit("gompertz", mlece.right_censored(np.minimum(time, loss), time <= loss))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.params["shape"] < 0
    # Both derivatives of the sum of log densities and log survival functions vanish, by differences.
    law, seen, at = fit.model, time <= loss, np.minimum(time, loss)
    for name in ("shape", "rate"):
        value, sums = fit.params[name], []
        for step in (1e-5, -1e-5):
            moved = law.replace(**{name: value + step})
            sums.append(np.where(seen, moved.log_density(at), moved.log_sf(at)).mean())
        assert abs(sums[0] - sums[1]) / 2e-5 < 1e-8


def test_a_transformed_law_has_the_tails_of_the_inner_one() -> None:
    y = np.random.default_rng(3).lognormal(size=50)
    data = mlece.right_censored(np.minimum(y, 1.5), y < 1.5)
    model = mlece.Transformed(mlece.Gaussian(), "log")
    assert type(model).has("_standardised")
    found, plain = mlece.fit(model, data), mlece.fit("lognormal", data)
    np.testing.assert_allclose(list(found.params.values()), list(plain.params.values()), rtol=1e-12)
