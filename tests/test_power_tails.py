"""Discrete laws with power tails: sums that no loop over the support finishes.

Exact values of the zeta law p(n) = n^(-s)/ζ(s) and of the Yule-Simon law p(n) = ρ B(n, ρ + 1) (Johnson,
Kemp and Kotz 2005, Univariate Discrete Distributions, sections 6.10 and 11.2), by mpmath.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import mlece
from mlece.domain import Domain, positive_integer
from mlece.errors import NoDensityError
from mlece.model import Model
from mlece.sources.discrete import support_nodes

ABOVE_ONE = Domain(1.0)


@mlece.family(support=positive_integer, s=ABOVE_ONE)
def PowerLaw(y: Any, s: Any) -> Any:
    """The zeta law."""
    return -s * np.log(y) - np.log(special.zeta(s, 1))


@mlece.family(support=positive_integer, rho=mlece.positive)
def Simon(y: Any, rho: Any) -> Any:
    """The Yule-Simon law."""
    return np.log(rho) + special.betaln(y, rho + 1)


@mlece.family(support=Domain(kind="integers"), s=ABOVE_ONE)
def BothSides(y: Any, s: Any) -> Any:
    """A power law to both sides."""
    return -s * np.log1p(np.abs(y)) - np.log(2 * special.zeta(s, 1) - 1)


@mlece.family(support=mlece.counts, p=mlece.unit_interval)
def BareGeometric(y: Any, p: Any) -> Any:
    """A geometric law that knows its probabilities alone."""
    return np.log(p) + y * np.log1p(-p)


@mlece.family(support=positive_integer, s=ABOVE_ONE)
def OddOnly(y: Any, s: Any) -> Any:
    """A zeta law on the odd numbers: no polynomial follows it."""
    return np.where(y % 2 == 1, -s * np.log((y + 1) / 2) - np.log(special.zeta(s, 1)), -np.inf)


@mlece.family(support=positive_integer, c=mlece.positive)
def Logarithmic(y: Any, c: Any) -> Any:
    """c/((n + 1) log² (n + 1)): a law without an entropy, and without a power."""
    return np.log(c) - np.log1p(y) - 2 * np.log(np.log1p(y))


EXPONENTS = [1.0001, 1.001, 1.01, 1.1, 1.5, 2.01, 2.5, 3.001, 3.5, 5.0, 10.0]
TOLERANCE = (
    1e-10  # promised; only tails within a thousandth of divergence use more than 1e-13 of it
)


def ratio(s: float, less: int) -> Any:
    return mpmath.zeta(s - less) / mpmath.zeta(s)


@pytest.mark.parametrize("s", EXPONENTS)
def test_mass_entropy_and_moments(s: float) -> None:
    law = PowerLaw(s)
    assert abs(support_nodes(law).weights.sum() - 1) < TOLERANCE
    entropy = mpmath.log(mpmath.zeta(s)) - s * mpmath.zeta(s, derivative=1) / mpmath.zeta(s)
    assert law.entropy() == pytest.approx(float(entropy), rel=TOLERANCE)
    mean = float(ratio(s, 1)) if s > 2 else math.inf
    assert law.mean == pytest.approx(mean, rel=TOLERANCE)
    variance = float(ratio(s, 2) - ratio(s, 1) ** 2) if s > 3 else math.inf
    assert law.variance == pytest.approx(variance, rel=TOLERANCE)


@pytest.mark.parametrize("rho", [0.5, 1.01, 1.5, 2.5, 3.5])
def test_a_law_that_is_a_power_only_far_out(rho: float) -> None:
    law = Simon(rho)
    assert law.mean == pytest.approx(rho / (rho - 1) if rho > 1 else math.inf, rel=TOLERANCE)
    variance = rho**2 / ((rho - 1) ** 2 * (rho - 2)) if rho > 2 else math.inf
    assert law.variance == pytest.approx(variance, rel=TOLERANCE)


POINTS = [0, 1, 2, 5, 1000, 1024, 1025, 2047, 2048, 2049, 5000, 10**6, 10**9, 10**15, 2**51, 10**25]


@pytest.mark.parametrize("s", [1.01, 1.5, 2.5, 4.0])
def test_distribution_function_and_quantiles(s: float) -> None:
    law = PowerLaw(s)
    exact = [float(1 - mpmath.zeta(s, n + 1) / mpmath.zeta(s)) for n in POINTS]
    assert law.cdf(np.array(POINTS, float)) == pytest.approx(exact, abs=1e-14)
    u = np.array([1e-9, 0.1, 0.5, 0.9, 0.99, 0.999])
    found = law.quantile(u)
    reached = found[np.isfinite(found)]
    assert np.all(law.cdf(reached) >= u[: reached.size])
    small = reached[reached < 2.0**50]
    assert np.all(law.cdf(small - 1) < u[: small.size])
    # Nine tenths of the law with s = 1.01 lie beyond 1e99, its last thousandth beyond the floats.
    assert np.isinf(found).any() == (s == 1.01)


def test_two_tails() -> None:
    law = BothSides(3.5)
    total = 2 * mpmath.zeta(3.5) - 1
    below = [float(mpmath.zeta(3.5, n + 1) / total) for n in (10, 5000, 10**7)]
    assert law.cdf(np.array([-10.0, -5000.0, -1e7])) == pytest.approx(below, rel=1e-12)
    assert law.quantile([0.001, 0.5, 0.999]).tolist() == [-9.0, 0.0, 9.0]
    assert law.mean == pytest.approx(0.0, abs=1e-14)
    assert math.isnan(BothSides(1.5).mean)
    assert BothSides(2.5).variance == math.inf


def test_wide_smooth_laws_need_few_points() -> None:
    bare, known = BareGeometric(1e-9), mlece.Geometric(1e-9)
    assert support_nodes(bare).count < 5000
    assert bare.entropy() == pytest.approx(known.entropy(), rel=1e-13)
    y = np.array([0.0, 1e3, 1e6, 1e9, 1e10])
    assert bare.cdf(y) == pytest.approx(known.cdf(y), rel=1e-11)
    u = [0.1, 0.5, 0.999]
    # A cdf with its rounding moves a quantile of 1e9 by less than one in 1e12.
    assert bare.quantile(u) == pytest.approx(known.quantile(u), rel=1e-12)


# ---------------------------------------------------------------------------- as truths


def test_a_known_law_with_a_power_tail_is_fitted() -> None:
    truth = PowerLaw(2.5)
    own = mlece.fit(PowerLaw(), truth)
    assert own.params["s"] == pytest.approx(2.5, rel=1e-9)
    assert float(own.cross_entropy) == pytest.approx(truth.entropy(), rel=TOLERANCE)
    mean = float(ratio(2.5, 1))
    poisson = mlece.fit(mlece.Poisson(), truth)
    assert poisson.params["rate"] == pytest.approx(mean, rel=TOLERANCE)
    assert poisson.standard_errors()["rate"] == math.inf  # the truth has no variance
    geometric = mlece.fit(mlece.Geometric(), truth)
    assert geometric.params["p"] == pytest.approx(1 / (1 + mean), rel=TOLERANCE)
    # The geometric law is the negative binomial law of size 1.
    wider = mlece.fit(mlece.NegativeBinomial(), truth)
    assert float(wider.cross_entropy) <= float(geometric.cross_entropy)


@pytest.mark.parametrize("model", [mlece.Poisson, mlece.Geometric, mlece.NegativeBinomial])
@pytest.mark.parametrize("s", [1.01, 1.5, 2.0])
def test_an_infinite_cross_entropy_is_infinite(model: type[Model], s: float) -> None:
    fit = mlece.fit(model, PowerLaw(s))
    assert fit.certificate.status is mlece.Status.INFINITE
    assert fit.cross_entropy == math.inf
    assert mlece.cross_entropy(PowerLaw(s), mlece.Geometric(0.5)) == math.inf


def test_a_finite_and_an_infinite_divergence() -> None:
    steep, flat = PowerLaw(2.5), PowerLaw(1.2)
    logs = -mpmath.zeta(2.5, derivative=1) / mpmath.zeta(2.5)
    wanted = (1.2 - 2.5) * logs + mpmath.log(mpmath.zeta(1.2) / mpmath.zeta(2.5))
    assert mlece.kl_divergence(steep, flat) == pytest.approx(float(wanted), rel=TOLERANCE)
    assert mlece.kl_divergence(flat, mlece.Geometric(0.5)) == math.inf


# ---------------------------------------------------------------------------- refusals


def test_a_tail_that_is_no_power_is_refused_with_its_index() -> None:
    terms = mpmath.nsum(lambda n: 1 / ((n + 1) * mpmath.log(n + 1) ** 2), [1, mpmath.inf])
    with pytest.raises(NoDensityError, match=r"like the power -1\.00"):
        Logarithmic(1 / float(terms)).entropy()


def test_probabilities_that_polynomials_do_not_follow_are_refused() -> None:
    with pytest.raises(NoDensityError, match="not smooth"):
        OddOnly(2.5).entropy()


def test_a_rough_law_with_a_short_tail_is_summed_one_by_one() -> None:
    assert OddOnly(20.0).entropy() == pytest.approx(PowerLaw(20.0).entropy(), rel=1e-12)


FAR_APART = {
    "atom below": (mlece.Inflated(mlece.Poisson(1e4), 0, 0.1), [(0.9, mlece.Poisson(1e4))]),
    "most in the atom": (mlece.Inflated(mlece.Poisson(1e4), 0, 0.7), [(0.3, mlece.Poisson(1e4))]),
    "atom on the way": (
        mlece.Inflated(mlece.Poisson(1e6), 5000, 0.3),
        [(0.7, mlece.Poisson(1e6))],
    ),
    "components": (
        mlece.Mixture(mlece.Poisson(10), mlece.Poisson(1e5), **{"weight[1]": 0.7}),
        [(0.3, mlece.Poisson(10)), (0.7, mlece.Poisson(1e5))],
    ),
}


@pytest.mark.parametrize("name", FAR_APART)
def test_laws_with_nothing_between_their_parts(name: str) -> None:
    law, parts = FAR_APART[name]
    # The entropy of parts that do not meet: theirs, and that of the choice between them.
    shares = np.array([share for share, _ in parts])
    rest = np.append(shares, 1 - shares.sum()) if shares.sum() < 1 else shares
    known = sum(share * part.entropy() for share, part in parts) - rest @ np.log(rest)
    assert law.entropy() == pytest.approx(known, rel=1e-10)
    # The projection on an exponential family has the mean of the truth.
    assert mlece.fit(mlece.Poisson(), law).params["rate"] == pytest.approx(law.mean, rel=1e-9)


@pytest.mark.parametrize(("alpha", "at", "share"), [(2.5, 5000.0, 0.2), (1.8, 123_456.0, 0.3)])
def test_an_atom_in_a_power_tail(alpha: float, at: float, share: float) -> None:
    """The sum is cut at the atom; entropy and distribution function against those of the tail alone."""
    tail = mlece.Zeta(alpha=alpha)
    law = mlece.Inflated(mlece.Zeta(alpha=alpha), at=at, probability=share)
    rest = (1 - share) * float(tail.density(at))
    atom = share + rest
    plain = (1 - share) * (tail.entropy() - np.log1p(-share))
    expected = plain + rest * np.log(rest) - atom * np.log(atom)
    assert law.entropy() == pytest.approx(expected, abs=1e-13)
    fit = mlece.fit(mlece.Inflated(mlece.Zeta(), at=at), law)
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.params["alpha"] == pytest.approx(alpha, rel=1e-10)
    assert fit.params["probability"] == pytest.approx(share, rel=1e-10)
