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
from mlece.combinators.incomplete import incomplete
from mlece.combinators.region import _closed, _integral
from mlece.combinators.unseen import unseen
from mlece.families.beta_tails import log_odds_tails, student_tails
from mlece.families.gamma_tails import exponential_power_tails, log_gamma_tails
from mlece.links.tails import laplace_tails, secant_tails
from mlece.links.unit_links import probit_link
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.registry import registered

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


# ---------------------------------------------------------------------------- laws with shapes


def _gamma_tail(above: bool, w: Any, q: Any) -> Any:
    if (w > 0) != above:
        return mp.log(1 - mp.exp(_gamma_tail(not above, w, q)))
    a = 1 / q**2
    x = a * mp.exp(q * w)
    low, high = (x, mp.inf) if above else (0, x)
    return mp.log(mp.gammainc(a, low, high, regularized=True))


def _odds_tail(above: bool, z: Any, p: Any, q: Any) -> Any:
    if (z > mp.log(p / q)) != above:
        return mp.log(1 - mp.exp(_odds_tail(not above, z, p, q)))
    if above:
        z, p, q = -z, q, p
    return mp.log(mp.betainc(p, q, 0, 1 / (1 + mp.exp(-z)), regularized=True))


def _student_tail(above: bool, t: Any, df: Any) -> Any:
    if (t > 0) != above:
        return mp.log(1 - mp.exp(_student_tail(not above, t, df)))
    share = df / (df + t * t)
    return mp.log(mp.betainc(df / 2, mp.mpf(1) / 2, 0, share, regularized=True) / 2)


def _power_tail(above: bool, z: Any, power: Any) -> Any:
    if (z > 0) != above:
        return mp.log(1 - mp.exp(_power_tail(not above, z, power)))
    return mp.log(mp.gammainc(1 / power, abs(z) ** power, mp.inf, regularized=True) / 2)


def _differences(f: Law, at: tuple[float, ...]) -> list[float]:
    """Return value, gradient and upper triangle of the Hessian, by differences in many digits."""
    x = [mp.mpf(v) for v in at]
    steps = [mp.mpf(10) ** -15 * max(abs(v), mp.mpf("0.01")) for v in x]

    def moved(*by: int) -> Any:
        return f(*[v + k * h for v, k, h in zip(x, by, steps, strict=True)])

    unit = np.eye(len(x), dtype=int)
    out = [moved(*(0 * unit[0]))]
    out += [(moved(*e) - moved(*-e)) / (2 * h) for e, h in zip(unit, steps, strict=True)]
    for i, j in zip(*np.triu_indices(len(x)), strict=True):
        e, g = unit[i], unit[j]
        cross = moved(*(e + g)) - moved(*(e - g)) - moved(*(g - e)) + moved(*(-e - g))
        out.append(cross / (4 * steps[i] * steps[j]))
    return [float(v) for v in out]


def _gamma_points() -> list[tuple[float, ...]]:
    # Shapes; logarithms of the observation over the shape where that is small, else deviations.
    out = []
    for a in (0.05, 0.7):
        out += [((z - np.log(a)) * a**0.5, a**-0.5) for z in (-60.0, -2.0, -0.1, 0.1, 2.0, 6.5)]
    for a in (1.0, 1.3, 6.0, 200.0, 1e4):
        out += [(w, a**-0.5) for w in (-7.0, -1.0, -0.01, 0.01, 1.0, 7.0)]
    return [
        *out,
        (0.0, 1.0),
        (0.0, 0.3),
        (-200.0, 1.0),
        (12.0, 1e-2),
        (-1.0, -0.6),
        (2.0, -1.5),
        (-12.0, -1e-2),
    ]


def _odds_points() -> list[tuple[float, ...]]:
    shapes = [
        (0.05, 0.05),
        (0.05, 3.0),
        (1.5, 1.5),
        (20.0, 0.5),
        (1.5, 60.0),
        (7.0, 4.0),
        (300.0, 120.0),
    ]
    out = []
    for p, q in shapes:
        middle, wide = (
            float(f) for f in (mp.psi(0, p) - mp.psi(0, q), mp.psi(1, p) + mp.psi(1, q))
        )
        out += [(middle + k * wide**0.5, p, q) for k in (-4.0, -1.0, -0.2, 0.4, 2.0, 4.0)]
    return out


STUDENT = [(x, n) for n in (0.05, 0.7, 1.0, 2.0, 8.0, 25.0) for x in (-0.01, 0.5, -3.0, 40.0, 1e6)]
STUDENT += [(x, n) for n in (200.0, 1e4) for x in (-0.01, 0.5, -3.0, 40.0)]
POWER = [(z, b) for b in (0.3, 0.8, 1.0, 1.4, 2.0, 5.0) for z in (-0.02, 0.3, -1.0, 2.2)]
SHAPED = {
    "power": (exponential_power_tails, _power_tail, POWER),
    "gamma": (log_gamma_tails, _gamma_tail, _gamma_points()),
    "odds": (log_odds_tails, _odds_tail, _odds_points()),
    "student": (student_tails, _student_tail, STUDENT),
}


@pytest.mark.parametrize("name", SHAPED)
def test_laws_with_shapes(name: str) -> None:
    law, tail, points = SHAPED[name]
    found = [jet.parts() for jet in law.jets(*(np.array(v) for v in zip(*points, strict=True)))]
    pair = law.log_pair(*(np.array(v) for v in zip(*points, strict=True)))
    for n, at in enumerate(points):
        for above in (False, True):
            side = at
            mirrored = name == "gamma" and at[1] < 0
            if mirrored:
                side = (-at[0], -at[1])
            with mp.workdps(55):
                wanted = _differences(functools.partial(tail, above != mirrored), side)
            got = np.array([float(part[n]) for part in found[above]])
            if mirrored:
                got[1:3] *= -1
            if wanted[0] > -1e-20:
                continue  # the oracle has no digits left of so small a complement
            # Of a derivative that vanishes, or cancels, what is left is measured by the others.
            size = np.maximum(np.abs(wanted), 1e-3 * min(1.0, abs(wanted[0])))
            np.testing.assert_array_less(
                np.abs(got - wanted) / size, 2e-11, err_msg=f"{at} {above}"
            )
            assert pair[above][n] == pytest.approx(got[0], rel=1e-13)


@pytest.mark.parametrize("w", [-30.0, -3.0, -0.2, 0.0, 0.7, 5.0, 35.0])
def test_the_log_gamma_law_passes_through_the_normal_one(w: float) -> None:
    z, q = np.array([w]), np.array([1e-9, 0.0, -1e-9])
    _, above = log_gamma_tails.jets(z, q)
    value, by_w, by_q, ww, wq, qq = above.parts()
    slope, bend = (float(v[0]) for v in probit_link.sf_derivatives(z))
    np.testing.assert_allclose(value[1], probit_link.log_sf(z)[0], rtol=1e-13)
    np.testing.assert_allclose((by_w[1], ww[1]), (slope, bend), rtol=1e-12)
    # ∂ℓ/∂q = −w³/6 and ∂²ℓ/∂q² = −w⁴/12 − 1/6 at q = 0, of which the moments of a normal tail are known.
    h = -slope
    third, fourth = (w**2 + 2) * h, (w**3 + 3 * w) * h + 3
    sixth = (w**5 + 5 * w**3 + 15 * w) * h + 15
    if abs(w) < 10:  # beyond these they cancel
        np.testing.assert_allclose(by_q[1], -third / 6, rtol=1e-12)
        np.testing.assert_allclose(wq[1], -h * (third - w**3) / 6, rtol=1e-10)
        wanted = (sixth - third**2) / 36 - fourth / 12 - 1 / 6
        np.testing.assert_allclose(qq[1], wanted, rtol=1e-10, atol=1e-12)
    for part in (value, by_w, by_q, ww, wq, qq):
        np.testing.assert_allclose(part, part[1], rtol=1e-6, atol=1e-7)


def test_tails_beyond_the_smallest_number() -> None:
    law = mlece.Gamma(shape=2.5, rate=1.0)
    place, shape = np.array([1e4, 1e8]), np.array([2.5, 2.5])
    tails, *at = law._standardised(place, shape, np.array([1.0, 1.0]))
    # The first three terms of the asymptotic series of Γ(a, x).
    series = 1 + 1.5 / place + 1.5 * 0.5 / place**2
    wanted = 1.5 * np.log(place) - place + np.log(series) - float(mp.loggamma(2.5))
    np.testing.assert_allclose(tails.log_sf(*at), wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["Pareto", "PowerFunction"])
def test_laws_whose_end_moves(name: str) -> None:
    shape, scale = 1.7, 2.5
    pairs = [(0.5, 2.0), (0.5, 3.0), (2.0, 2.5), (2.4, 2.6), (2.6, 9.0), (3.0, INF), (-INF, 2.0)]
    pairs += [(2.6, 2.6 + 1e-7), (2.0, 2.0 + 1e-7), (-INF, 2.6), (1.0, INF)]
    t = np.array([[(a, b, -INF) for a, b in pairs]])
    theta = np.array([[shape]]), np.array([[scale]])
    with np.errstate(all="ignore"):
        found = unseen(engine(getattr(mlece, name)), t, theta)
        parts = np.stack([found.value, *found.score, *found.curvature])[:, 0]

    def below(y: Any, a: Any, m: Any) -> Any:
        if name == "Pareto":
            return 1 - (m / y) ** a if y > m else mp.mpf(0)
        return (y / m) ** a if y < m else mp.mpf(1)

    for n, (low, high) in enumerate(pairs):

        def mass(a: Any, m: Any, low: float = low, high: float = high) -> Any:
            above = mp.mpf(1) if high == INF else below(mp.mpf(high), a, m)
            under = mp.mpf(0) if low <= 0 else below(mp.mpf(low), a, m)
            return mp.log(above - under) if above > under else -mp.inf

        with mp.workdps(60):
            if mass(mp.mpf(shape), mp.mpf(scale)) == -mp.inf:
                assert parts[0, n] == -INF
                continue
            if scale in (low, high):
                continue  # derivatives jump
            wanted = _differences(mass, (shape, scale))
        np.testing.assert_allclose(
            parts[:, n], wanted, rtol=1e-9, atol=1e-12, err_msg=f"{low} {high}"
        )


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
        kept = [p.regular for p in family.params]
        pairs = [kept[i] and kept[j] for i, j in zip(*np.triu_indices(len(kept)), strict=True)]
        for one, two, told in (
            ((closed.value,), (other.value,), (True,)),
            (closed.score, other.score, kept),
            (closed.curvature, other.curvature, pairs),
        ):
            for a, b, known in zip(one, two, told, strict=True):
                tolerance = 1e-9 if smooth else 1e-5
                if known:  # differences step over an end of the support
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


@every_family
def test_regions_from_both_tails_are_the_integrals(family: type[Model]) -> None:
    law, model = _typical(family), engine(family)
    if model.has("_breakpoints"):
        return  # regions across a kink are integrated
    low, high = family.support.lower, family.support.upper
    cuts = law.quantile([0.05, 0.5, 0.55, 0.999])
    ends = [
        (low, cuts[1]),
        (cuts[0], cuts[1]),
        (cuts[1], cuts[2]),
        (cuts[3], high),
        (cuts[0], cuts[3]),
    ]
    theta = tuple(np.reshape(v, (1, 1)) for v in law.theta)
    kept = np.array([p.regular for p in family.params])
    i, j = np.triu_indices(len(kept))
    # Integrals of the score know nothing of an end of the support that moves.
    told = np.concatenate([[True], kept, kept[i] & kept[j]])
    for a, b in ends:
        region = np.full((1, 1), a), np.full((1, 1), b)
        with np.errstate(all="ignore"):
            one, other = (rule(model, *region, *theta) for rule in (_closed, _integral))
        np.testing.assert_allclose(one[told], other[told], rtol=1e-8, atol=1e-9)


def _data(rng: np.random.Generator, law: Model, shape: Any) -> Any:
    """Censor a sample at random times on the right, and note a third of it by intervals."""
    y, c = law.sample(shape, rng=rng), law.sample(shape, rng=rng)
    width = 0.3 * float(law.quantile(0.6) - law.quantile(0.4))
    low, kind = np.minimum(y, c), rng.random(shape)
    cell = np.floor(y / width) * width
    lower = np.where(kind < 0.3, cell, low)
    upper = np.where(kind < 0.3, cell + width, np.where(y <= c, low, INF))
    return mlece.censored(lower, upper)


# Differences of a density with kinks are too coarse to compare fits with; ends have to be given.
SMOOTH = [c for c in CLOSED if not c.has("_breakpoints") and all(p.regular for p in c.params)]


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


def test_censored_regressions_of_lung_are_those_of_r() -> None:
    # R 4.2.2: survival::survreg(dist = "t", parms = 4) of log days; the others by optim on dgamma, pgamma.
    data = mlece.datasets.lung().columns
    days, died, age = (np.asarray(data[k], dtype=float) for k in ("days", "died", "age"))
    log_days, time = (mlece.right_censored(t, died) for t in (np.log(days), days))
    fit = mlece.fit(mlece.StudentT(df=4, loc="age"), log_days, given={"age": age})
    wanted = (6.479214027353660, -0.011977726950713, 0.798011086813257)
    np.testing.assert_allclose(list(fit.params.values()), wanted, rtol=1e-11)
    assert fit.log_likelihood == pytest.approx(-280.815483177827673, rel=1e-13)
    fit = mlece.fit(mlece.Gamma(rate="age"), time, given={"age": age})
    wanted = (1.498397905912367, -6.527077973854104, 0.015235749326606)
    np.testing.assert_allclose(list(fit.params.values()), wanted, rtol=1e-7)
    assert fit.log_likelihood == pytest.approx(-1146.138872026421495, rel=1e-13)
    fit = mlece.fit(mlece.GeneralizedGamma(mu="age"), time, given={"age": age})
    assert fit.log_likelihood == pytest.approx(-1145.34820456269, rel=1e-13)
    found = [fit.params[k] for k in ("q", "mu[Intercept]", "mu[age]", "sigma")]
    wanted = (1.09054441912925, 6.89799538042224, -0.0132337527070082, 0.732195860567418)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


LIFETIMES = (
    mlece.MeanGamma(mean="x"), mlece.GeneralizedGamma(mu="x"), mlece.StudentT(loc="x", df=5.0),
)  # fmt: skip


@pytest.mark.parametrize("model", LIFETIMES, ids=lambda m: type(m).__name__)
def test_regressions_with_late_entries_are_those_of_the_integrals(
    model: Model, monkeypatch: Any
) -> None:
    rng = np.random.default_rng(8)
    n = 40
    x = rng.normal(size=n)
    time, loss = np.exp(0.5 * x) * rng.gamma(2.0, size=n), rng.exponential(4.0, n)
    seen = np.minimum(time, loss)
    data = mlece.right_censored(seen, time <= loss, np.where(rng.random(n) < 0.3, 0.2 * seen, -INF))
    fit = mlece.fit(model, data, given={"x": x})
    assert fit.certificate.status is mlece.Status.OPTIMAL
    monkeypatch.setattr(engine_room, "_Closed", engine_room._Apart)
    other = mlece.fit(model, data, given={"x": x})
    assert fit.params == pytest.approx(other.params, rel=1e-6)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)


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


# ---------------------------------------------------------------------------- within a region


def _asked_within(truncated: Model) -> np.ndarray:
    """Return triples that reach beyond the ends of a region, lie within it, or enter within it."""
    q = truncated.quantile([0.05, 0.3, 0.6, 0.9])
    return np.array(
        [
            (q[1], q[1], -INF), (-INF, q[1], -INF), (q[2], INF, -INF), (q[1], q[3], -INF),
            (q[2], INF, q[0]), (q[2], q[2], q[1]), (-INF, q[0], -INF), (-INF, INF, q[2]),
        ]
    )[None]  # fmt: skip


def _check_within(truncated: Model, rtol: float) -> None:
    family = type(truncated)
    t = _asked_within(truncated)
    model = engine(incomplete(family))
    theta = tuple(np.reshape(v, (1, 1)) for v in truncated.theta)
    lower, upper, entry = np.moveaxis(t, -1, 0)
    exact, before = lower == upper, lower - 1.0 if family.support.discrete else lower
    mass = truncated.cdf(upper) - truncated.cdf(before)
    wanted = np.log(np.where(exact, np.exp(truncated.log_density(upper)), mass))
    wanted = wanted - np.where(entry > -INF, np.log(truncated.sf(entry)), 0.0)
    kept = [p.estimable and p.regular for p in family.params]
    held = [j for j, known in enumerate(kept) if not known]

    def value(t: Any, *theta: Any) -> Any:
        return model.log_density_hook(t, theta)

    def score(t: Any, *theta: Any) -> Any:
        return model.score_hook(t, theta)

    with np.errstate(all="ignore"):
        np.testing.assert_allclose(value(t, *theta), wanted, rtol=1e-8, atol=1e-10)
        found = score(t, *theta), model.curvature_hook(t, theta)
        rows = tuple(np.broadcast_to(v, t.shape[:2]) for v in theta)
        for one, other in zip(
            (value(t, *rows), *score(t, *rows)), (value(t, *theta), *found[0]), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)
        if truncated.inner.has("_breakpoints"):
            return  # differences step over a kink
        limits = model._limits()
        slopes = numerical_score(value, t, theta, *limits, held)
        bends = numerical_curvature(None, score, t, theta, *limits, held)
    pairs = [kept[i] and kept[j] for i, j in zip(*np.triu_indices(len(kept)), strict=True)]
    for parts, differences, told in ((found[0], slopes, kept), (found[1], bends, pairs)):
        for one, other, known in zip(parts, differences, told, strict=True):
            if known:
                np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


SIDES = pytest.mark.parametrize("sides", [("lower",), ("upper",), ("lower", "upper")])


@every_family
@SIDES
def test_incomplete_observations_within_a_region(family: type[Model], sides: Any) -> None:
    law = _typical(family)
    ends = dict(zip(("lower", "upper"), law.quantile([0.05, 0.98]), strict=True))
    _check_within(mlece.Truncated(law, **{k: float(ends[k]) for k in sides}), 1e-7)


WITHOUT = [
    mlece.SkewNormal(loc=0.2, scale=1.5, shape=3.0),
    mlece.Poisson(rate=4.2),
    mlece.NegativeBinomial(mean=5.0, size=2.0),
    mlece.Mixture(mlece.Gaussian(0, 1), mlece.Gaussian(3, 2), **{"weight[1]": 0.4}),
]


@pytest.mark.parametrize("law", WITHOUT, ids=lambda m: type(m).__name__)
@SIDES
def test_regions_of_laws_without_closed_tails(law: Model, sides: Any) -> None:
    ends = {"lower": 1.0, "upper": 9.0} if law.support.discrete else {"lower": -0.5, "upper": 4.0}
    _check_within(mlece.Truncated(law, **{k: ends[k] for k in sides}), 1e-6)


def test_truncated_lognormal_intervals_in_many_digits() -> None:
    low, high, place, spread = 0.4, 3.0, 0.2, 0.7
    pairs = [
        (0.7, 1.1, -INF),
        (1.5, INF, -INF),
        (-INF, 0.9, -INF),
        (2.0, INF, 1.2),
        (0.8, 0.8, 0.6),
    ]
    model = engine(incomplete(type(mlece.Truncated(mlece.LogNormal(), lower=low, upper=high))))
    t = np.array([pairs])
    theta = tuple(np.reshape(v, (1, 1)) for v in (place, spread, low, high))
    found = [model.log_density_hook(t, theta), *model.score_hook(t, theta)[:2]]
    curvature = model.curvature_hook(t, theta)
    parts = np.stack([*found, curvature[0], curvature[1], curvature[4]])[:, 0]

    def below(y: Any, m: Any, s: Any) -> Any:
        return mp.erfc(-(mp.log(y) - m) / (s * mp.sqrt(2))) / 2

    for n, (a, b, entry) in enumerate(pairs):

        def log_q(m: Any, s: Any, a: Any = a, b: Any = b, entry: Any = entry) -> Any:
            start, stop, late = (mp.mpf(min(max(v, low), high)) for v in (a, b, entry))
            if a == b:
                z = (mp.log(stop) - m) / s
                mass = mp.exp(-z * z / 2) / (stop * s * mp.sqrt(2 * mp.pi))
            else:
                mass = below(stop, m, s) - below(start, m, s)
            return mp.log(mass / (below(mp.mpf(high), m, s) - below(late, m, s)))

        with mp.workdps(60):
            wanted = _differences(log_q, (place, spread))
        np.testing.assert_allclose(parts[:, n], wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("family", ["LogNormal", "Weibull", "Gamma", "Gaussian", "StudentT"])
def test_a_lower_end_is_an_entry(family: str) -> None:
    rng = np.random.default_rng(3)
    law = _typical(getattr(mlece, family))
    end = float(law.quantile(0.2))
    y, c = law.sample(400, rng=rng), law.sample(400, rng=rng)
    y, c = y[np.minimum(y, c) > end], c[np.minimum(y, c) > end]
    time, seen = np.minimum(y, c), y <= c
    within = mlece.fit(mlece.Truncated(type(law)(), lower=end), mlece.right_censored(time, seen))
    entered = mlece.fit(type(law)(), mlece.right_censored(time, seen, entry=end))
    assert within.cross_entropy == pytest.approx(entered.cross_entropy, rel=1e-12)
    for name, value in entered.params.items():
        assert within.params[name] == pytest.approx(value, rel=1e-6)


def test_a_censored_sample_of_a_pareto_law_ends_in_it() -> None:
    # Of right-censored observations the scale is the smallest exact one, the shape events over exposure.
    rng = np.random.default_rng(8)
    y, c = (
        mlece.Pareto(shape=1.5, scale=2.0).sample((2, 300), rng=rng),
        2.0 + rng.exponential(8.0, 300),
    )
    time, seen = np.minimum(y, c), y <= c
    first = np.where(seen, time, INF).min(axis=1)
    exposure = np.log(np.maximum(time / first[:, None], 1.0)).sum(axis=1)
    shape = seen.sum(axis=1) / exposure
    log_time = np.where(seen, np.log(time), 0.0).sum(axis=1)
    wanted = (log_time - seen.sum(axis=1) * (np.log(shape / first) - 1 + np.log(first))) / 300
    fit = mlece.fit(mlece.GeneralizedGamma(), mlece.right_censored(time, seen))
    ended = [s is mlece.Status.BOUNDARY for s in np.ravel(fit.certificate.status)]
    assert any(ended)
    for n, cross_entropy in enumerate(np.ravel(fit.cross_entropy)):
        if ended[n]:
            assert cross_entropy == pytest.approx(wanted[n], rel=1e-12)
        else:
            assert cross_entropy < wanted[n]


# ---------------------------------------------------------------------------- below the smallest number


def _upper_gamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, x, mp.inf, regularized=True)


def _lower_gamma(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def _lower_beta(p: Any, q: Any, x: Any) -> Any:
    return mp.betainc(p, q, 0, x, regularized=True)


def _student(df: Any, t: Any) -> Any:
    return _lower_beta(mp.mpf(df) / 2, mp.mpf(1) / 2, df / (df + mp.mpf(t) ** 2)) / 2


# A law, a point, which tail, and that tail in many digits.
UNDERFLOWN: list[tuple[Model, float, bool, Callable[[], Any]]] = [
    (mlece.Gamma(2.0, 1.0), 1000.0, True, lambda: _upper_gamma(2, 1000)),
    (mlece.Gamma(0.3, 1.0), 1e5, True, lambda: _upper_gamma(mp.mpf(0.3), 10**5)),
    (mlece.Gamma(400.0, 1.0), 1e-3, False, lambda: _lower_gamma(400, mp.mpf(1e-3))),
    (mlece.Chi2(5.0), 3000.0, True, lambda: _upper_gamma(mp.mpf(5) / 2, 1500)),
    (mlece.Chi2(1000.0), 0.5, False, lambda: _lower_gamma(500, mp.mpf(1) / 4)),
    (mlece.Nakagami(1.5, 2.0), 60.0, True, lambda: _upper_gamma(1.5, mp.mpf(1.5) * 900)),
    (mlece.Maxwell(1.0), 50.0, True, lambda: _upper_gamma(mp.mpf(3) / 2, 1250)),
    (mlece.InverseGamma(3.0, 2.0), 1e-3, False, lambda: _upper_gamma(3, 2 / mp.mpf(1e-3))),
    (mlece.InverseGamma(200.0, 1.0), 1e6, True, lambda: _lower_gamma(200, mp.mpf(10) ** -6)),
    (mlece.LogGamma(2.0, 0.0, 1.0), 7.5, True, lambda: _upper_gamma(2, mp.exp(mp.mpf(7.5)))),
    (mlece.GeneralizedNormal(0.0, 1.0, 1.5), -200.0, False,
     lambda: _upper_gamma(mp.mpf(2) / 3, mp.mpf(200) ** 1.5) / 2),
    (mlece.GeneralizedNormal(0.0, 1.0, 1.5), 200.0, True,
     lambda: _upper_gamma(mp.mpf(2) / 3, mp.mpf(200) ** 1.5) / 2),
    (mlece.Beta(300.0, 2.0), 1e-3, False, lambda: _lower_beta(300, 2, mp.mpf(1e-3))),
    (mlece.Beta(2.0, 800.0), 0.9, True, lambda: _lower_beta(800, 2, 1 - mp.mpf(0.9))),
    (mlece.BetaPrime(300.0, 2.0), 1e-3, False,
     lambda: _lower_beta(300, 2, mp.mpf(1e-3) / (1 + mp.mpf(1e-3)))),
    (mlece.GB2(shape=2.0, scale=1.0, p=1.5, q=200.0), 1e3, True,
     lambda: _lower_beta(200, mp.mpf(1.5), 1 / (1 + mp.mpf(10) ** 6))),
    (mlece.StudentT(60.0, 0.0, 1.0), 1e8, True, lambda: _student(60, 10**8)),
    (mlece.StudentT(60.0, 0.0, 1.0), -1e8, False, lambda: _student(60, 10**8)),
    (mlece.Poisson(3.0), 400.0, True, lambda: _lower_gamma(401, 3)),
    (mlece.Poisson(2000.0), 100.0, False, lambda: _upper_gamma(101, 2000)),
    (mlece.NegativeBinomial(2.0, 3.0), 4000.0, True, lambda: _lower_beta(4001, 2, mp.mpf(3) / 5)),
    (mlece.NegativeBinomial(900.0, 3000.0), 20.0, False,
     lambda: _lower_beta(900, 21, mp.mpf(3) / 13)),
    (mlece.Binomial(n=2000, p=0.25), 1900.0, True, lambda: _lower_beta(1901, 100, mp.mpf(0.25))),
    (mlece.Binomial(n=2000, p=0.5), 3.0, False, lambda: _lower_beta(1997, 4, mp.mpf(0.5))),
    (mlece.GEV(0.0, 1.0, 0.001), 1300.0, True,
     lambda: -mp.expm1(-((1 + mp.mpf(0.001) * 1300) ** (-1 / mp.mpf(0.001))))),
    (mlece.BurrXII(shape1=2.0, shape2=5.0, scale=1.0), 1e-80, False,
     lambda: -mp.expm1(-2 * mp.log1p(mp.mpf(1e-80) ** 5))),
    (mlece.Kumaraswamy(a=5.0, b=2.0), 1e-80, False,
     lambda: -mp.expm1(2 * mp.log1p(-(mp.mpf(1e-80) ** 5)))),
]  # fmt: skip


@pytest.mark.parametrize("case", UNDERFLOWN, ids=lambda c: f"{c[0]!r} at {c[1]:g}")
def test_logarithms_of_probabilities_below_the_smallest_number(case: Any) -> None:
    law, y, above, tail = case
    with mp.workdps(400):
        exact = float(mp.log(tail()))
    assert exact < -709
    hook = law.log_sf if above else law.log_cdf
    assert hook(y) == pytest.approx(exact, rel=1e-12)
    # The same among others, and of a batch.
    middle = float(law.quantile(0.5))
    several = hook([middle, y, y])
    assert several[1:] == pytest.approx(exact, rel=1e-12)
    assert several[0] == hook(middle)
    batch = type(law)(**{k: np.stack([v, v]) for k, v in law.slots.items()})
    assert (batch.log_sf if above else batch.log_cdf)(y) == pytest.approx(exact, rel=1e-12)


def test_both_tails_where_the_odds_are_no_floats() -> None:
    # Odds of e^(−4900), and shapes so small that half of the law lies there.
    law, z = mlece.EGB2(0.0, 1.0, 1e-4, 2e-4), -4900.0
    with mp.workdps(30):
        p, q = mp.mpf(1e-4), mp.mpf(2e-4)
        below = mp.exp(p * z) / (p * mp.beta(p, q))
        expected = [float(mp.log(below)), float(mp.log1p(-below))]
    assert [float(law.log_cdf(z)), float(law.log_sf(z))] == pytest.approx(expected, rel=1e-12)
    twin = mlece.GB2(shape=1e4, scale=1.0, p=1e-4, q=2e-4)
    y = float(np.exp(-0.49))
    # The digits of the logarithm of y times 1e4.
    assert twin.log_cdf(y) == pytest.approx(expected[0], rel=1e-11)
    assert twin.log_sf(y) == pytest.approx(expected[1], rel=1e-11)


def test_ends_of_supports_stay_impossible() -> None:
    assert mlece.Gamma(2.0, 1.0).log_cdf([0.0, -1.0]).tolist() == [-INF, -INF]
    assert mlece.Gamma(2.0, 1.0).log_sf(INF) == -INF
    assert mlece.Beta(2.0, 3.0).log_sf([1.0, 2.0]).tolist() == [-INF, -INF]
    assert mlece.StudentT(3.0, 0.0, 1.0).log_cdf(-INF) == -INF
    assert mlece.Binomial(n=5, p=0.0).log_sf([0.0, 3.0]).tolist() == [-INF, -INF]
    assert mlece.Poisson(0.0).log_sf([0.0, 3.0]).tolist() == [-INF, -INF]


@pytest.mark.parametrize(
    ("law", "y", "exact"),
    [
        (mlece.Shifted(mlece.Gamma(), by=3.0).replace(shape=2.0, rate=1.0), 1003.0,
         lambda: mp.log(_upper_gamma(2, 1000))),
        (mlece.Truncated(mlece.Gamma(), lower=1.0).replace(shape=2.0, rate=1.0), 1000.0,
         lambda: mp.log(_upper_gamma(2, 1000)) - mp.log(_upper_gamma(2, 1))),
        (mlece.Truncated(mlece.Poisson(), lower=1.0).replace(rate=3.0), 400.0,
         lambda: mp.log(_lower_gamma(401, 3)) - mp.log(_lower_gamma(1, 3))),
        (mlece.Inflated(mlece.Poisson(), at=0.0).replace(rate=3.0, probability=0.25), 400.0,
         lambda: mp.log(_lower_gamma(401, 3)) + mp.log(0.75)),
        (mlece.Transformed(mlece.Gamma(), "sqrt").replace(shape=2.0, rate=1.0), 1e6,
         lambda: mp.log(_upper_gamma(2, 1000))),
        (mlece.Mixture(mlece.Gamma(), mlece.Gamma()).member(0.25, 2.0, 1.0, 2.0, 3.0), 1000.0,
         lambda: mp.log(_upper_gamma(2, 1000)) + mp.log(0.75)),
    ],
    ids=lambda v: "its formula" if callable(v) else repr(v),
)  # fmt: skip
def test_models_of_models_keep_what_is_below_the_smallest_number(
    law: Model, y: float, exact: Callable[[], Any]
) -> None:
    with mp.workdps(400):
        expected = float(exact())
    assert law.log_sf(y) == pytest.approx(expected, rel=1e-12)
