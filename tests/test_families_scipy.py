"""Families against scipy.stats at ordinary parameters, and against mpmath at extreme ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from mlece import families
from mlece.errors import NoDensityError
from mlece.families import (
    EGB2,
    GB2,
    GEV,
    Beta,
    BetaBinomial,
    Binomial,
    BoxCoxColeGreen,
    Gamma,
    GeneralizedGamma,
    GeneralizedPareto,
    Gompertz,
    InverseGaussian,
    Kumaraswamy,
    Logarithmic,
    LogGamma,
    LogitNormal,
    MultivariateGaussian,
    NegativeBinomial,
    Poisson,
    Rice,
    Simplex,
    Skellam,
    SkewT,
    StudentT,
    VonMises,
    WrappedCauchy,
    Zeta,
)
from mlece.model import Model
from mlece.registry import registered
from mlece.testing import typical_family

# Members that scipy.stats has although their neighbours are not there, or are there by another name.
SPECIAL: list[Model] = [
    EGB2(loc=1.0, scale=2.0, p=0.4, q=1.0),
    GB2(shape=3.0, scale=2.0, p=1.0, q=1.5),
    GB2(shape=3.0, scale=2.0, p=0.6, q=1.0),
    GB2(shape=1.0, scale=2.0, p=0.6, q=4.5),
    Gompertz(shape=0.0, rate=2.0),
    GeneralizedGamma(mu=0.3, sigma=0.5, q=0.0),
    BetaBinomial(n=7, p=0.3, rho=0.0),
    Zeta(alpha=6.5),
]
# Members that it does not have, of families that it has in part.
APART: list[Model] = [
    EGB2(loc=1.0, scale=2.0, p=1.0, q=0.4),
    GB2(shape=3.0, scale=2.0, p=0.6, q=1.5),
    Gompertz(shape=-1.0, rate=2.0),
    GeneralizedGamma(mu=0.3, sigma=0.5, q=[0.0, 1.0]),
    GeneralizedGamma(mu=0.3, sigma=0.5, q=1e-200),
    BetaBinomial(n=7, p=0.3, rho=[0.0, 0.2]),
    Zeta(alpha=6.5, lower=2),
    Skellam(mu1=3.0, mu2=0.0),
    Logarithmic(p=0.0),
    MultivariateGaussian(mean=[[0.0, 1.0], [2.0, 3.0]], covariance=np.eye(2)),
]


def twin(member: Model) -> Any:
    """Return the law of scipy.stats, None where it has none."""
    try:
        return member.to_scipy()
    except NoDensityError:
        return None


# Typical members of every family that names its twin in scipy.stats, and that twin.
TYPICAL = [
    member
    for family in sorted(registered().values(), key=lambda c: c.__name__)
    if family.__module__.startswith("mlece.families") and family.has("_scipy")
    for member in typical_family(family)
]
PAIRS: list[tuple[Model, Any]] = [
    *((member, law) for member in TYPICAL if (law := twin(member)) is not None),
    *((member, member.to_scipy()) for member in SPECIAL),
]
LEVELS = np.array([1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1 - 1e-6])
every_pair = pytest.mark.parametrize(("member", "law"), PAIRS, ids=[repr(m) for m, _ in PAIRS])
# scipy cuts the circle opposite the mean direction, mlece at -π.
LINE = [(m, law) for m, law in PAIRS if not m.support.periodic]
line_pair = pytest.mark.parametrize(("member", "law"), LINE, ids=[repr(m) for m, _ in LINE])

# quantity: (relative tolerance, why)
TOLERANCES = {
    "log density": (1e-12, "two double-precision formulas"),
    "tails": (1e-10, "scipy takes 1 - cdf for some of its tails: at 1e-6 good to eps / 1e-6"),
    "quantile": (1e-9, "scipy inverts some laws numerically"),
    "moments": (1e-10, "scipy computes some moments and entropies from series"),
}

# The same for laws of which scipy's own figure is the worse one, as mpmath tells.
WIDER = {
    ("NormalInverseGaussian", "tails"): (1e-5, "a quadrature good to 1e-12, in a tail of 1e-6"),
    ("NormalInverseGaussian", "quantile"): (1e-6, "scipy inverts that quadrature"),
    ("SkewNormal", "tails"): (1e-7, "Owen's T taken from Φ, which leaves 1e-14, in a tail of 1e-6"),
}
# Moments in which scipy follows another convention.
CONVENTIONS = {("Cauchy", "_variance"): "NaN in scipy, the integral of the square, infinite, here"}


def close(member: Model, got: Any, expected: Any, quantity: str) -> None:
    name = type(member).__name__
    tolerance, _ = WIDER.get((name, quantity), TOLERANCES[quantity])
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@every_pair
# Where scipy's quadrature of the normal inverse Gaussian falls short, it warns.
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_densities_and_tails(member: Model, law: Any) -> None:
    y = np.unique(law.ppf(LEVELS))
    if member.support.periodic:
        y = np.angle(np.exp(1j * y))
    log_mass = law.logpmf if member.support.discrete else law.logpdf
    close(member, member.log_density(y), log_mass(y), "log density")
    if member.support.periodic:
        return
    close(member, member.log_cdf(y), law.logcdf(y), "tails")
    close(member, member.log_sf(y), law.logsf(y), "tails")


@line_pair
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_quantiles(member: Model, law: Any) -> None:
    close(member, member.quantile(LEVELS), law.ppf(LEVELS), "quantile")


@every_pair
def test_moments_and_entropy(member: Model, law: Any) -> None:
    moments = (("_mean", law.mean), ("_variance", law.var)) * (not member.support.periodic)
    for hook, moment in (*moments, ("_entropy", law.entropy)):
        closed = member._closed(hook)
        if closed is not None and (type(member).__name__, hook) not in CONVENTIONS:
            close(member, closed, moment(), "moments")


@pytest.mark.parametrize("member", APART, ids=repr)
def test_members_that_scipy_does_not_have(member: Model) -> None:
    with pytest.raises(NoDensityError, match=r"a member that scipy\.stats has too"):
        member.to_scipy()


@pytest.mark.parametrize("name", families.__all__)
def test_the_documentation_tells_the_names_used_elsewhere(name: str) -> None:
    text = " ".join(str(getattr(families, name).__doc__).split())
    assert "scipy.stats" in text
    assert " R: " in text


@every_pair
def test_the_documentation_names_the_twin(member: Model, law: Any) -> None:
    assert f"``{law.dist.name}(" in str(type(member).__doc__)


# ------------------------------------------------------------------ extremes against mpmath


def _gamma(y: Any, shape: Any, rate: Any) -> Any:
    return shape * mp.log(rate) - mp.loggamma(shape) + (shape - 1) * mp.log(y) - rate * y


def _student(y: Any, df: Any, loc: Any, scale: Any) -> Any:
    constant = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2
    return constant - mp.log(scale) - (df + 1) / 2 * mp.log1p(((y - loc) / scale) ** 2 / df)


def _negative_binomial(y: Any, size: Any, mean: Any) -> Any:
    ratio = mp.loggamma(y + size) - mp.loggamma(size) - mp.loggamma(y + 1)
    return ratio - size * mp.log1p(mean / size) + y * mp.log(mean / (size + mean))


def _tail(y: Any, loc: Any, scale: Any, shape: Any) -> Any:
    z = (y - loc) / scale
    return mp.log1p(shape * z) / shape if shape else z


def _gev(y: Any, loc: Any, scale: Any, shape: Any) -> Any:
    w = _tail(y, loc, scale, shape)
    return -mp.log(scale) - (1 + shape) * w - mp.exp(-w)


def _gpd(y: Any, loc: Any, scale: Any, shape: Any) -> Any:
    return -mp.log(scale) - (1 + shape) * _tail(y, loc, scale, shape)


def _log_gamma(y: Any, shape: Any, loc: Any, scale: Any) -> Any:
    z = (y - loc) / scale
    return shape * z - mp.exp(z) - mp.loggamma(shape) - mp.log(scale)


def _rice(y: Any, nu: Any, sigma: Any) -> Any:
    square = (y**2 + nu**2) / (2 * sigma**2)
    return mp.log(y / sigma**2) - square + mp.log(mp.besseli(0, y * nu / sigma**2))


def _box_cox(y: Any, mu: Any, sigma: Any, nu: Any) -> Any:
    ratio = mp.log(y / mu)
    z = (mp.expm1(nu * ratio) / nu if nu else ratio) / sigma
    normal = -(z**2) / 2 - mp.log(2 * mp.pi) / 2
    mass = mp.ncdf(1 / (sigma * abs(nu))) if nu else mp.mpf(1)
    return nu * ratio - mp.log(sigma * y) + normal - mp.log(mass)


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


def _kumaraswamy(y: Any, a: Any, b: Any) -> Any:
    return mp.log(a * b) + (a - 1) * mp.log(y) + (b - 1) * mp.log1p(-(y**a))


def _logit_normal(y: Any, mean: Any, sd: Any) -> Any:
    z = (mp.log(y / (1 - y)) - mean) / sd
    return -mp.log(sd * mp.sqrt(2 * mp.pi) * y * (1 - y)) - z**2 / 2


def _simplex(y: Any, mean: Any, dispersion: Any) -> Any:
    d = (y - mean) ** 2 / (y * (1 - y) * mean**2 * (1 - mean) ** 2)
    return -mp.log(2 * mp.pi * dispersion * (y * (1 - y)) ** 3) / 2 - d / (2 * dispersion)


def _von_mises(y: Any, mu: Any, kappa: Any) -> Any:
    return kappa * mp.cos(y - mu) - mp.log(2 * mp.pi * mp.besseli(0, kappa))


def _wrapped_cauchy(y: Any, mu: Any, rho: Any) -> Any:
    return mp.log((1 - rho**2) / (2 * mp.pi * (1 + rho**2 - 2 * rho * mp.cos(y - mu))))


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
    (Kumaraswamy(a=50.0, b=1e30), _kumaraswamy, 1e-13, "log y rounds to eps, times a"),
    (Kumaraswamy(a=1e-3, b=2.0), _kumaraswamy, 1e-13, "no cancellation"),
    (LogitNormal(meanlogit=-30.0, sdlogit=1.0), _logit_normal, 1e-13, "no cancellation"),
    (Simplex(mean=1e-3, dispersion=1e3), _simplex, 1e-13, "no cancellation"),
    (Simplex(mean=0.999, dispersion=1e-3), _simplex, 1e-12, "1 - mean is rounded"),
    (VonMises(mu=2.0, kappa=1e-3), _von_mises, 1e-13, "no cancellation"),
    (VonMises(mu=2.0, kappa=29.0), _von_mises, 1e-13, "no cancellation"),
    (VonMises(mu=2.0, kappa=1e10), _von_mises, 1e-13, "y - mu is exact"),
    (WrappedCauchy(mu=1.0, rho=1 - 2.0**-27), _wrapped_cauchy, 1e-13, "1 - rho is exact"),
    (GEV(loc=1.0, scale=2.0, shape=1e-9), _gev, 1e-14, "no cancellation"),
    (GEV(loc=1.0, scale=2.0, shape=-0.04), _gev, 1e-14, "no cancellation"),
    (
        GEV(loc=1.0, scale=2.0, shape=30.0),
        _gev,
        1e-12,
        "the lower end is close: 1 + shape z rounds",
    ),
    (GeneralizedPareto(scale=2.0, shape=-1e-12), _gpd, 1e-14, "no cancellation"),
    (GeneralizedPareto(scale=2.0, shape=40.0), _gpd, 1e-14, "no cancellation"),
    (LogGamma(shape=1e6, loc=0.0, scale=1.0), _log_gamma, 1e-9, "z is rounded: eps log(k) sqrt(k)"),
    (LogGamma(shape=1e-3, loc=0.0, scale=1.0), _log_gamma, 1e-13, "no cancellation"),
    (Rice(nu=1e3, sigma=0.1), _rice, 1e-11, "y - nu is rounded: eps nu / sigma"),
    (Rice(nu=1e-9, sigma=1.0), _rice, 1e-14, "no cancellation"),
    (BoxCoxColeGreen(mu=2.0, sigma=0.1, nu=1e-9), _box_cox, 1e-14, "no cancellation"),
    (BoxCoxColeGreen(mu=2.0, sigma=3.0, nu=2.0), _box_cox, 1e-13, "no cancellation"),
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


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("df", [5.0, 300.0, 2e4])
def test_skew_t_where_its_skewing_factor_leaves_the_floats(df: float, side: float) -> None:
    shape, z = 40.0, 2.0

    def reference(nu: Any) -> Any:
        n = nu + 1
        square = (shape * z) ** 2 * n / (nu + z**2)
        tail = mp.betainc(n / 2, 0.5, 0, n / (n + square), regularized=True) / 2
        log_t = mp.loggamma(n / 2) - mp.loggamma(nu / 2) - mp.log(mp.pi * nu) / 2
        log_t -= n / 2 * mp.log1p(z**2 / nu)
        return mp.log(2) + log_t + (mp.log(tail) if side < 0 else mp.log1p(-tail))

    with mp.workdps(40):
        value, slope = float(reference(mp.mpf(df))), float(mp.diff(reference, mp.mpf(df)))
    member = SkewT(loc=0, scale=1, shape=shape, df=df)
    # The derivative in df is a difference, of a function with a relative rounding of 1e-16.
    np.testing.assert_allclose(member.log_density(side * z), value, rtol=1e-12)
    np.testing.assert_allclose(member.score(side * z)[..., 3], slope, rtol=1e-9, atol=1e-12)
