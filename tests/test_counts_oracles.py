"""Families of counts against scipy, direct sums and mpmath; the jets and Bessel functions under them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, kv

import mlece
from mlece.math import log1p_ratio, log_beta, log_factorial
from mlece.model import Model
from mlece.numerics.bessel import log_i_scaled, log_k
from mlece.numerics.jets import variables
from mlece.numerics.rising import jet_log_rising
from mlece.sources.discrete import support_nodes
from mlece.sources.steps import Steps

m = mlece

# Two double-precision formulas; where counts are summed, a few hundred terms.
CLOSE = 1e-12


def mixture(y: np.ndarray, rate: Any) -> np.ndarray:
    """Return the masses of a Poisson law whose rate follows a law of scipy.

    The trapezoidal rule in the logarithm of the rate converges exponentially.
    """
    step = 0.01
    values = np.exp(np.arange(-30.0, 8.0, step))
    return (stats.poisson.pmf(y[:, None], values) * rate.pdf(values)) @ values * step


def sichel(y: np.ndarray, mean: float, sigma: float, nu: float) -> np.ndarray:
    c = kv(nu + 1, 1 / sigma) / kv(nu, 1 / sigma)
    return mixture(y, stats.geninvgauss(nu, 1 / sigma, scale=mean / c))


# member, the same masses computed elsewhere, relative tolerance
MASSES: list[tuple[Model, Callable[[np.ndarray], Any], float]] = [
    (m.Skellam(mu1=3.0, mu2=1.5), lambda y: stats.skellam.pmf(y - 6, 3.0, 1.5), 1e-10),
    (m.Logarithmic(p=0.7), lambda y: stats.logser.pmf(y, 0.7), CLOSE),
    (m.Logarithmic(p=0.1), lambda y: stats.logser.pmf(y, 0.1), CLOSE),
    (m.Zeta(alpha=2.3), lambda y: stats.zipf.pmf(y, 2.3), CLOSE),
    (m.YuleSimon(rho=0.7), lambda y: stats.yulesimon.pmf(y, 0.7), CLOSE),
    (
        m.BetaBinomial(n=20, p=0.25, rho=0.2),
        lambda y: stats.betabinom.pmf(y, 20, 1.0, 3.0),
        CLOSE,
    ),
    (
        m.PoissonInverseGaussian(mean=3.0, dispersion=0.5),
        lambda y: mixture(y, stats.invgauss(0.5, scale=3.0 / 0.5)),
        1e-11,
    ),
    (m.Sichel(mean=3.0, dispersion=0.7, order=1.2), lambda y: sichel(y, 3.0, 0.7, 1.2), 1e-11),
    (m.Sichel(mean=3.0, dispersion=2.0, order=-2.5), lambda y: sichel(y, 3.0, 2.0, -2.5), 1e-11),
    (
        m.Delaporte(mean=5.0, dispersion=0.8, share=0.4),
        lambda y: np.array(
            [
                stats.poisson.pmf(np.arange(k + 1), 2.0)
                @ stats.nbinom.pmf(k - np.arange(k + 1), 1.25, 1 / (1 + 0.8 * 3.0))
                for k in y.astype(int)
            ]
        ),
        CLOSE,
    ),
]


@pytest.mark.parametrize(
    ("member", "masses", "tolerance"), MASSES, ids=[repr(r[0]) for r in MASSES]
)
def test_masses(member: Model, masses: Callable[[np.ndarray], Any], tolerance: float) -> None:
    y = np.arange(1.0, 18.0)
    shift = 6 if isinstance(member, m.Skellam) else 0
    np.testing.assert_allclose(member.density(y - shift), masses(y), rtol=tolerance)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (m.PoissonInverseGaussian(mean=3.0, dispersion=0.7), m.Sichel(3.0, 0.7, -0.5)),
        (m.NegativeBinomial(size=2.0, mean=3.0), m.Delaporte(3.0, 0.5, 0.0)),
        (m.Poisson(rate=3.0), m.PoissonInverseGaussian(3.0, 0.0)),
        (m.Poisson(rate=3.0), m.Sichel(3.0, 0.0, 2.0)),
        (m.Poisson(rate=3.0), m.Delaporte(3.0, 0.0, 0.3)),
        (m.Poisson(rate=3.0), m.GeneralizedPoisson(3.0, 0.0)),
        (m.Poisson(rate=3.0), m.DoublePoisson(3.0, 1.0)),
        (m.Poisson(rate=3.0), m.Skellam(3.0, 0.0)),
        (m.Binomial(n=9, p=0.3), m.BetaBinomial(9, 0.3, 0.0)),
    ],
    ids=lambda v: getattr(v, "__name__", repr(v)),
)
def test_a_family_holds_its_special_case(inner: Model, outer: Model) -> None:
    y = np.arange(10.0)
    np.testing.assert_allclose(outer.log_density(y), inner.log_density(y), rtol=1e-13, atol=1e-13)
    assert outer.mean == pytest.approx(inner.mean, rel=1e-12)
    assert outer.variance == pytest.approx(inner.variance, rel=1e-10)


def test_double_poisson_moments_are_near_their_names() -> None:
    # Efron (1986): the mean is μ and the variance σμ but for terms of order 1/μ.
    for sigma in (0.3, 2.5):
        member = m.DoublePoisson(mu=200.0, dispersion=sigma)
        assert float(member.mean) == pytest.approx(200.0, abs=0.1)
        assert float(member.variance) == pytest.approx(200.0 * sigma, rel=5e-3)


@pytest.mark.parametrize(("mu", "sigma"), [(900.0, 3.0), (5e4, 20.0), (1e6, 1e4), (400.0, 8.8)])
def test_sums_over_spread_out_counts_are_sums_over_all(mu: float, sigma: float) -> None:
    """The smooth sums of wide double Poisson laws, taken from every h-th count, against plain sums."""
    y = np.arange(0.0, np.ceil(mu + 12 * np.sqrt(sigma * mu) + 60 * sigma))
    deviance = y * np.log(np.where(y > 0, y, 1) / mu) - y + mu
    plain = np.where(y > 0, y, 1)
    carrier = np.where(y == 0, 0.0, plain * np.log(plain) - plain - gammaln(plain + 1))
    mass = np.exp(carrier - deviance / sigma)
    member = m.DoublePoisson(mu=mu, dispersion=sigma)
    # Of the sum above, y log y and log y! cancel to 1e-16 of y log y.
    error = 1e-15 * mu * np.log(mu)
    constant = -float(member.log_density(0.0)) - mu / sigma
    assert constant == pytest.approx(np.log(mass.sum()), abs=error)
    mean = (mass @ y) / mass.sum()
    assert float(member.mean) == pytest.approx(mean, rel=1e-13 + error)
    assert float(member.variance) == pytest.approx(
        (mass @ (y - mean) ** 2) / mass.sum(), rel=1e-12 + error
    )


def test_delaporte_at_one_count_for_each_law_is_the_table_of_one_law() -> None:
    rng = np.random.default_rng(2)
    mean, dispersion, share = np.exp(rng.normal(2, 1, 40)), np.exp(rng.normal(size=40)), 0.3
    y = rng.poisson(mean * rng.gamma(1.0, 1.0, 40)).astype(float)
    y[:3] = 0, 1, 2
    parts = m.Delaporte._shared(y, mean, dispersion, np.asarray(share))
    for j in range(40):
        one = [np.asarray(v) for v in (mean[j], dispersion[j], share)]
        alone = m.Delaporte._shared(y[j : j + 1], *one)
        for own, single in zip(parts, alone, strict=True):
            # Second derivatives are differences of terms that grow with the count.
            assert own[j] == pytest.approx(single[0], rel=1e-10, abs=1e-13 * (1 + y[j] ** 2))


ARRAYS = [
    m.DoublePoisson(mu=[0.02, 3.0, 80.0, 2e4], dispersion=[0.5, 2.0, 30.0, 5.0]),
    m.Sichel(
        mean=[0.1, 3.0, 40.0, 5.0], dispersion=[1.0, 0.2, 2.0, 0.0], order=[-3.0, 0.5, 2.0, 1.0]
    ),
    m.PoissonInverseGaussian(mean=[0.1, 3.0, 3e3, 5.0], dispersion=[2.0, 0.5, 0.1, 1.0]),
    m.BetaBinomial(n=[3, 10, 90, 10], p=[0.2, 0.5, 0.9, 0.99], rho=[0.0, 0.3, 0.1, 0.05]),
    m.Skellam(mu1=[0.1, 3.0, 40.0, 900.0], mu2=[2.0, 0.5, 9.0, 1.0]),
]


@pytest.mark.parametrize("laws", ARRAYS, ids=lambda v: type(v).__name__)
def test_an_array_of_discrete_laws_is_asked_like_its_members(laws: Model) -> None:
    """Tables of many laws give what each law by itself gives, to the rounding of running sums."""
    u = np.array([1e-12, 1e-6, 0.2, 0.5, 0.9, 1 - 1e-9])
    y = laws.quantile(u)
    cdf, entropy = laws.cdf(y), laws.entropy()
    for j in range(4):
        alone = Steps.of(type(laws)(*[v[j] for v in laws.theta]))
        np.testing.assert_array_equal(y[j], alone.quantile(u))
        np.testing.assert_allclose(cdf[j], alone.cdf(y[j]), rtol=0, atol=1e-13)
        points = support_nodes(type(laws)(*[v[j] for v in laws.theta]))
        surprise = -points.weights @ np.log(points.weights)
        assert entropy[j] == pytest.approx(surprise, abs=1e-12)


@pytest.mark.parametrize(("order", "omega"), [(0.0, 0.01), (-0.5, 2.0), (3.0, 0.1), (-9.0, 40.0)])
def test_draws_of_a_generalised_inverse_gaussian_rate(order: float, omega: float) -> None:
    """Means of x and 1/x against ratios of Bessel functions, to five standard errors."""
    from mlece.families.counts_mixed import _log_gig

    rng = np.random.default_rng(5)
    x = np.exp(_log_gig(rng, (40_000,), np.asarray(order), np.asarray(omega)))
    for power in (1, -1):
        wanted = kv(order + power, omega) / kv(order, omega)
        draws = x**power
        assert draws.mean() == pytest.approx(wanted, abs=5 * draws.std() / 200)


# ---------------------------------------------------------------------------- special functions


def _derivatives(function: Callable[..., Any], at: tuple[float, ...]) -> list[float]:
    """Return value, gradient and upper triangle of the Hessian in multiple precision."""
    k = len(at)
    with mp.workdps(45):
        point = tuple(mp.mpf(a) for a in at)
        orders = [tuple(int(i == j) for i in range(k)) for j in range(k)]
        orders += [
            tuple(int(i == a) + int(i == b) for i in range(k))
            for a in range(k)
            for b in range(a, k)
        ]
        return [float(function(*point)), *(float(mp.diff(function, point, n)) for n in orders)]


def _log_k(nu: Any, r: Any) -> Any:
    x = 1 / r
    return mp.log(mp.besselk(nu, x)) + x + mp.log(2 * x / mp.pi) / 2


def _delaporte(y: int) -> Callable[..., Any]:
    def log_mass(mean: Any, sigma: Any, nu: Any) -> Any:
        a, b, k = mean * nu, mean * (1 - nu), 1 / sigma
        r = b / (b + k)
        terms = (
            a**i / mp.factorial(i) * mp.rf(k, y - i) / mp.factorial(y - i) * r ** (y - i)
            for i in range(y + 1)
        )
        return mp.log(mp.fsum(terms)) - a + k * mp.log(1 - r)

    return log_mass


# The second derivatives are differences of terms y times as large: 1e-16 times y.
@pytest.mark.parametrize("y", [0, 1, 2, 9, 150, 400])
def test_delaporte_of_a_large_mean(y: int) -> None:
    at = (150.0, 0.3, 0.6)
    columns = (np.full((1, 1), t) for t in at)
    got = [float(p[0, 0]) for p in m.Delaporte._shared(np.array([[float(y)]]), *columns)]
    expected = _derivatives(_delaporte(y), at)
    for a, b in zip(got, expected, strict=True):
        assert abs(a - b) <= 1e-11 * (1 + abs(b))


# The tolerance is relative to 1 + |reference|: near x = 30 moments of order x cancel.
@pytest.mark.parametrize("nu", [-1.3, 0.3, 6.5])
@pytest.mark.parametrize("r", [1e-3, 0.033, 0.034, 0.5, 1e6])
def test_log_k(nu: float, r: float) -> None:
    got = [float(p) for p in log_k(*variables(np.asarray(nu), np.asarray(r))).parts()]
    expected = _derivatives(_log_k, (nu, r))
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("k", [0.0, 5.0, 29.0, 31.0, 500.0])
@pytest.mark.parametrize("s", [1e-8, 1.0, 224.0, 226.0, 1e6])
def test_log_i_scaled(k: float, s: float) -> None:
    got = [float(p) for p in log_i_scaled(np.asarray(k), *variables(np.asarray(s))).parts()]

    def reference(v: Any) -> Any:
        return mp.log(mp.besseli(k, 2 * mp.sqrt(v))) - mp.mpf(k) / 2 * mp.log(v)

    np.testing.assert_allclose(got, _derivatives(reference, (s,)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("k", [0, 1, 15, 16, 17, 40, 1000])
@pytest.mark.parametrize("mu", [1e-8, 0.3, 50.0])
@pytest.mark.parametrize("rho", [0.0, 1e-12, 1e-3, 0.0625, 0.9])
def test_log_rising(k: int, mu: float, rho: float) -> None:
    at = variables(np.asarray(mu), np.asarray(rho))
    got = [float(p) for p in jet_log_rising(np.asarray(float(k)), *at).parts()]
    with mp.workdps(40):
        base = [mp.mpf(mu) + j * mp.mpf(rho) for j in range(k)]
        rates = [(1 / b, j / b) for j, b in enumerate(base)]
        terms = [
            [mp.log(b) for b in base],
            [r for r, _ in rates],
            [s for _, s in rates],
            [-r * r for r, _ in rates],
            [-r * s for r, s in rates],
            [-s * s for _, s in rates],
        ]
        # Against the sum of the sizes: logarithms have either sign. A second derivative is left over by
        # terms a few times as large where the product runs over many times its beginning.
        for a, own in zip(got, terms, strict=True):
            assert abs(a - mp.fsum(own)) <= 1e-14 * mp.fsum(map(abs, own))


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.049, 0.051, 3.0, 1e6])
def test_log1p_ratio(x: float) -> None:
    def reference(v: Any) -> Any:
        return mp.log1p(v) / v

    at = x or 1e-30
    got = [float(p) for p in log1p_ratio(np.asarray(x))]
    np.testing.assert_allclose(got, _derivatives(reference, (at,)), rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1e8), (1e6, 1.00000001), (3.5, 0.2), (1e5, 1e5)])
def test_log_beta(a: float, b: float) -> None:
    with mp.workdps(40):
        expected = float(mp.log(mp.beta(mp.mpf(a), mp.mpf(b))))
    for pair in ((a, b), (b, a)):
        got = float(log_beta(*(np.asarray(v) for v in pair)))
        assert got == pytest.approx(expected, rel=1e-14, abs=1e-14)


# ---------------------------------------------------------------------------- large means


def _pig(y: int, mean: Any, sigma: Any) -> Any:
    root = 1 + 2 * sigma * mean
    last, now = mp.exp((1 - mp.sqrt(root)) / sigma), mean / mp.sqrt(root)
    now = now * last
    for k in range(2, y + 1):
        new = 2 * sigma * mean / root * (1 - mp.mpf(3) / (2 * k)) * now
        last, now = now, new + mean**2 / root / (k * (k - 1)) * last
    return mp.log(now)


def _generalized(y: int, mean: Any, sigma: Any) -> Any:
    scale = 1 + sigma * mean
    rise = y * mp.log(mean / scale) + (y - 1) * mp.log1p(sigma * y)
    return rise - mean * (1 + sigma * y) / scale - mp.loggamma(y + 1)


@pytest.mark.parametrize(
    ("member", "reference", "y"),
    [
        (m.PoissonInverseGaussian(mean=3.0, dispersion=1e-12), _pig, 7),
        (m.PoissonInverseGaussian(mean=1e3, dispersion=2.0), _pig, 700),
        (m.PoissonInverseGaussian(mean=3.0, dispersion=1e8), _pig, 30),
        (m.GeneralizedPoisson(mean=1e4, dispersion=1e-10), _generalized, 10_200),
        (m.GeneralizedPoisson(mean=3.0, dispersion=1e6), _generalized, 30),
    ],
    ids=lambda v: getattr(v, "__name__", repr(v)),
)
def test_scores_at_extreme_members(member: Model, reference: Callable[..., Any], y: int) -> None:
    theta = tuple(float(t) for t in member.theta)
    expected = _derivatives(lambda *t: reference(y, *t), theta)
    # log y! and y log μ, of size 1e5 at the largest count, round to 1e-11.
    assert float(member.log_density(float(y))) == pytest.approx(expected[0], rel=1e-11)
    np.testing.assert_allclose(member.score([float(y)])[0], expected[1:3], rtol=1e-10)


def test_log_factorials_of_many_counts_are_those_of_each() -> None:
    y = np.random.default_rng(2).integers(0, 1024, size=5000).astype(float)
    large = np.append(y, 1e6)
    for sample in (y, y.reshape(2, -1), large, np.append(y, 0.5)):
        np.testing.assert_array_equal(log_factorial(sample), gammaln(sample + 1))


@pytest.mark.parametrize("rate", [300.0, 1e4, 1e6, 1e9, 1e12, 1e15])
def test_large_poisson_counts_keep_their_digits(rate):
    """y log λ − λ − log y! is a few nats left of terms of 1e16."""
    y = np.round(np.random.default_rng(1).normal(rate, np.sqrt(rate), 20))
    fit = mlece.fit(mlece.Poisson(), y)
    with mp.workdps(40):
        mean = mp.mpf(fit.params["rate"])
        terms = [int(v) * mp.log(mean) - mean - mp.loggamma(int(v) + 1) for v in y]
        exact = -sum(terms) / len(terms)
        assert float(fit.cross_entropy) == pytest.approx(
            float(exact), rel=1e-12 if rate < 1e4 else 2e-15
        )
        np.testing.assert_allclose(
            fit.model.log_density(y), np.array(terms, dtype=float), rtol=1e-14
        )
        # Stirling's series of the entropy; the divergence of two laws is closed.
        series = mp.log(2 * mp.pi * mp.e * rate) / 2
        series -= 1 / mp.mpf(12 * rate) + 1 / mp.mpf(24 * rate**2)
        moved = rate * (mp.mpf("1.001") - 1 - mp.log(mp.mpf("1.001")))
    law, other = mlece.Poisson(rate), mlece.Poisson(1.001 * rate)
    assert mlece.entropy(law) == pytest.approx(float(series), rel=1e-8 if rate < 1e4 else 1e-13)
    assert mlece.kl_divergence(law, other) == pytest.approx(float(moved), rel=1e-9)
    crossed = mlece.cross_entropy(law, other)
    assert crossed == pytest.approx(float(series + moved), rel=1e-8 if rate < 1e4 else 1e-12)


def test_poisson_rows_of_a_batch_with_small_and_large_counts():
    rows = np.array([[3.0, 5.0, 4.0, 700.0], [1e9, 1e9 + 5e4, 1e9 - 7e4, 1e9]])
    batch = mlece.fit(mlece.Poisson(), rows)
    single = [float(mlece.fit(mlece.Poisson(), row).cross_entropy) for row in rows]
    np.testing.assert_allclose(batch.cross_entropy, single, rtol=1e-14)
    weighted = mlece.fit(mlece.Poisson(), rows[1], weights=[1, 2, 0, 3])
    repeated = mlece.fit(mlece.Poisson(), np.repeat(rows[1], [1, 2, 0, 3]))
    assert weighted.cross_entropy == pytest.approx(float(repeated.cross_entropy), rel=1e-14)
