"""Families against scipy.stats at ordinary parameters, and against mpmath at extreme ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.counts_mixed import BetaBinomial
from mlece.families.counts_tailed import DiscreteUniform, YuleSimon
from mlece.families.finite import Bernoulli
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.unit_interval import Beta, Uniform
from mlece.model import Model

# member, the same law in scipy.stats
PAIRS: list[tuple[Model, Any]] = [
    (Gaussian(mean=-1.2, sd=2.5), stats.norm(-1.2, 2.5)),
    (StudentT(df=4.5, loc=1.0, scale=0.7), stats.t(4.5, 1.0, 0.7)),
    (Laplace(loc=0.4, scale=1.7), stats.laplace(0.4, 1.7)),
    (Logistic(loc=-0.3, scale=0.6), stats.logistic(-0.3, 0.6)),
    (Gumbel(loc=1.5, scale=2.0), stats.gumbel_r(1.5, 2.0)),
    (Exponential(rate=0.7), stats.expon(scale=1 / 0.7)),
    (Gamma(shape=2.3, rate=0.4), stats.gamma(2.3, scale=1 / 0.4)),
    (Weibull(shape=1.6, scale=3.0), stats.weibull_min(1.6, scale=3.0)),
    (LogNormal(meanlog=0.5, sdlog=0.8), stats.lognorm(0.8, scale=np.exp(0.5))),
    (InverseGaussian(mean=1.4, shape=2.6), stats.invgauss(1.4 / 2.6, scale=2.6)),
    (Pareto(shape=3.4, scale=1.1), stats.pareto(3.4, scale=1.1)),
    (Beta(alpha=0.8, beta=2.7), stats.beta(0.8, 2.7)),
    (Uniform(lower=-1.0, upper=2.5), stats.uniform(-1.0, 3.5)),
    (Bernoulli(p=0.3), stats.bernoulli(0.3)),
    (Poisson(rate=6.5), stats.poisson(6.5)),
    (Geometric(p=0.2), stats.geom(0.2, loc=-1)),
    (Binomial(n=11, p=0.35), stats.binom(11, 0.35)),
    (NegativeBinomial(size=1.8, mean=4.0), stats.nbinom(1.8, 1.8 / 5.8)),
    (BetaBinomial(n=11, p=0.4, rho=1 / 6), stats.betabinom(11, 2.0, 3.0)),
    (YuleSimon(rho=4.5), stats.yulesimon(4.5)),
    (DiscreteUniform(lower=-3, upper=7), stats.randint(-3, 8)),
]
LEVELS = np.array([1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6])
every_pair = pytest.mark.parametrize(
    ("member", "law"), PAIRS, ids=[type(m).__name__ for m, _ in PAIRS]
)

# quantity: (relative tolerance, why)
TOLERANCES = {
    "log density": (1e-12, "two double-precision formulas"),
    "tails": (1e-11, "scipy takes 1 - cdf for some of its tails"),
    "quantile": (1e-9, "scipy inverts some laws numerically"),
    "moments": (1e-10, "scipy computes some moments and entropies from series"),
}


def close(got: Any, expected: Any, quantity: str) -> None:
    tolerance = TOLERANCES[quantity][0]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@every_pair
def test_densities_and_tails(member: Model, law: Any) -> None:
    y = np.unique(law.ppf(LEVELS))
    log_mass = law.logpmf if member.support.discrete else law.logpdf
    close(member.log_density(y), log_mass(y), "log density")
    close(member.log_cdf(y), law.logcdf(y), "tails")
    close(member.log_sf(y), law.logsf(y), "tails")


@every_pair
def test_quantiles(member: Model, law: Any) -> None:
    close(member.quantile(LEVELS), law.ppf(LEVELS), "quantile")


@every_pair
def test_moments_and_entropy(member: Model, law: Any) -> None:
    close(member._closed("_mean"), law.mean(), "moments")
    close(member._closed("_variance"), law.var(), "moments")
    closed = member._closed("_entropy")
    if closed is not None:
        close(closed, law.entropy(), "moments")


# ------------------------------------------------------------------ extremes against mpmath


def _gamma(y: Any, shape: Any, rate: Any) -> Any:
    return shape * mp.log(rate) - mp.loggamma(shape) + (shape - 1) * mp.log(y) - rate * y


def _student(y: Any, df: Any, loc: Any, scale: Any) -> Any:
    constant = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2
    return constant - mp.log(scale) - (df + 1) / 2 * mp.log1p(((y - loc) / scale) ** 2 / df)


def _negative_binomial(y: Any, size: Any, mean: Any) -> Any:
    ratio = mp.loggamma(y + size) - mp.loggamma(size) - mp.loggamma(y + 1)
    return ratio - size * mp.log1p(mean / size) + y * mp.log(mean / (size + mean))


def _inverse_gaussian(y: Any, mean: Any, shape: Any) -> Any:
    square = shape * (y - mean) ** 2 / (2 * mean**2 * y)
    return mp.log(shape / (2 * mp.pi * y**3)) / 2 - square


def _beta(y: Any, alpha: Any, beta: Any) -> Any:
    total = mp.loggamma(alpha + beta) - mp.loggamma(alpha) - mp.loggamma(beta)
    return total + (alpha - 1) * mp.log(y) + (beta - 1) * mp.log1p(-y)


def _binomial(y: Any, n: Any, p: Any) -> Any:
    ways = mp.loggamma(n + 1) - mp.loggamma(y + 1) - mp.loggamma(n - y + 1)
    return ways + y * mp.log(p) + (n - y) * mp.log1p(-p)


def _poisson(y: Any, rate: Any) -> Any:
    return y * mp.log(rate) - rate - mp.loggamma(y + 1)


# member, log density in mpmath, tolerance relative to 1 + |reference|, why
EXTREMES: list[tuple[Model, Callable[..., Any], float, str]] = [
    (Gamma(shape=1e-3, rate=2.0), _gamma, 1e-13, "no cancellation"),
    (Gamma(shape=1e4, rate=3.0), _gamma, 1e-12, "log y and y - 1 share their rounding"),
    (Gamma(shape=1e10, rate=1e3), _gamma, 1e-9, "y / mean is rounded: eps sqrt(shape) each"),
    (StudentT(df=1e8, loc=1.0, scale=2.0), _student, 1e-13, "no cancellation"),
    (StudentT(df=0.05, loc=1.0, scale=2.0), _student, 1e-13, "no cancellation"),
    (NegativeBinomial(size=1e10, mean=3.0), _negative_binomial, 1e-13, "no cancellation"),
    (NegativeBinomial(size=1e-3, mean=30.0), _negative_binomial, 1e-13, "no cancellation"),
    (NegativeBinomial(size=1e5, mean=1e6), _negative_binomial, 1e-12, "saddle-point form"),
    (InverseGaussian(mean=3.0, shape=1e8), _inverse_gaussian, 1e-10, "y / mean is rounded"),
    (InverseGaussian(mean=1.0, shape=1e-4), _inverse_gaussian, 1e-13, "no cancellation"),
    (Beta(alpha=1e6, beta=3e6), _beta, 1e-8, "log y rounds to eps, times alpha"),
    (Beta(alpha=1e-3, beta=1e-3), _beta, 1e-13, "no cancellation"),
    (Binomial(n=10**9, p=0.3), _binomial, 1e-11, "n p is rounded: eps sqrt(n)"),
    (Poisson(rate=1e4), _poisson, 1e-10, "log y! is a statistic and rounds to eps of itself"),
]


@pytest.mark.parametrize(
    ("member", "reference", "tolerance", "why"),
    EXTREMES,
    ids=[repr(m) for m, *_ in EXTREMES],
)
def test_extreme_parameters(
    member: Model, reference: Callable[..., Any], tolerance: float, why: str
) -> None:
    y = np.unique(member.quantile(np.array([0.3, 0.5, 0.9, 0.999])))
    y = y[np.isfinite(member.log_density(y)) & (y != member.support.lower) & (y != 1)]
    with mp.workdps(50):
        theta = [mp.mpf(float(t)) for t in member.theta]
        expected = np.array([float(reference(mp.mpf(float(v)), *theta)) for v in y])
    assert y.size
    got = member.log_density(y)
    worst = np.max(np.abs(got - expected) / (1 + np.abs(expected)))
    assert worst < tolerance, f"{worst:.1e} against {tolerance:g} ({why})"


def test_scores_at_the_gaussian_and_poisson_limits() -> None:
    with mp.workdps(60):
        student = mp.diff(lambda v: _student(mp.mpf(2), v, mp.mpf(0), mp.mpf(1)), mp.mpf(10) ** 8)
        size = mp.diff(lambda r: _negative_binomial(mp.mpf(7), r, mp.mpf(3)), mp.mpf(10) ** 10)
    got = StudentT(df=1e8, loc=0, scale=1).score([2.0])[0, 0]
    assert got == pytest.approx(float(student), rel=1e-10)
    got = NegativeBinomial(size=1e10, mean=3).score([7.0])[0, 0]
    assert got == pytest.approx(float(size), rel=1e-10)


def test_inverse_gaussian_tails_at_a_large_shape() -> None:
    member = InverseGaussian(mean=1.0, shape=1e6)
    u = np.array([1e-300, 1e-12, 0.3, 0.999999])
    np.testing.assert_allclose(member.log_cdf(member.quantile(u)), np.log(u), rtol=1e-8)
