"""What observations add up to is what the fit itself reports."""

from __future__ import annotations

import numpy as np
import pytest

import mlece
from mlece.fits.contributions import contributions
from mlece.fits.covariance import information
from mlece.model import Model

RNG = np.random.default_rng(5)
WEIGHTS = RNG.integers(1, 4, 60).astype(float)
CASES = {
    "Gaussian": (mlece.Gaussian(), RNG.normal(1e3, 5, 60)),
    "fixed mean": (mlece.Gaussian(mean=1e3), RNG.normal(1e3, 5, 60)),
    "Gamma": (mlece.Gamma(), RNG.gamma(3, 2, 60)),
    "StudentT": (mlece.StudentT(), RNG.standard_t(4, 60)),
    "Poisson": (mlece.Poisson(), RNG.poisson(3, 60)),
    "inflated": (mlece.Inflated(mlece.Poisson()), np.r_[np.zeros(20), RNG.poisson(3, 40)]),
    "mixture": (
        mlece.Mixture(mlece.Gaussian(), mlece.Gaussian()),
        np.r_[RNG.normal(0, 1, 20), RNG.normal(9, 1, 40)],
    ),
    "vectors": (mlece.MultivariateGaussian(dimension=2), RNG.normal(0, 1, (60, 2))),
}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_sums_are_those_of_the_fit(name: str, weights: np.ndarray | None) -> None:
    model, y = CASES[name]
    fit = mlece.fit(model, y, weights=weights)
    assert isinstance(model, Model)
    parts = contributions(fit, 2)
    assert -parts.mean(parts.log_density)[0] == pytest.approx(float(fit.cross_entropy), rel=1e-12)
    info = information(fit)
    np.testing.assert_allclose(parts.hessian, info.a, rtol=1e-9, atol=1e-12 * abs(info.a).max())
    np.testing.assert_allclose(parts.outer, info.b, rtol=1e-9, atol=1e-12 * abs(info.b).max())
    np.testing.assert_allclose(parts.factors, info.factors)


def test_batches_are_single_fits_side_by_side() -> None:
    y = RNG.gamma(2, 3, (5, 40))
    batch = contributions(mlece.fit(mlece.Gamma(), y), 2)
    for r in range(5):
        alone = contributions(mlece.fit(mlece.Gamma(), y[r]), 2)
        np.testing.assert_allclose(batch.log_density[r], alone.log_density[0], rtol=1e-12)
        np.testing.assert_allclose(batch.outer[r], alone.outer[0], rtol=1e-9)


def test_a_simplex_is_read_in_logits() -> None:
    fit = mlece.fit(mlece.Categorical(labels=["a", "b", "c"]), list("aabbbab"))
    parts = contributions(fit, 2)
    assert parts.score is not None
    p = np.array([3, 4, 0]) / 7
    np.testing.assert_allclose(parts.hessian[0], np.diag(p) - np.outer(p, p), atol=1e-15)
    np.testing.assert_allclose(parts.outer[0], parts.hessian[0], atol=1e-15)


def test_members_at_a_limit_have_its_density() -> None:
    y = np.stack([RNG.normal(0, 1, 80), RNG.standard_t(3, 80)])
    fit = mlece.fit(mlece.StudentT(), y)
    for r in range(2):
        alone = mlece.fit(mlece.StudentT(), y[r])
        want = alone.model.log_density(y[r])
        np.testing.assert_allclose(contributions(fit, 0).log_density[r], want, rtol=1e-10)


def test_probabilities_have_no_units() -> None:
    """Censored observations beside exact ones, in units that change the densities alone."""
    time, event = RNG.exponential(5.0, 40), RNG.random(40) < 0.7
    model = mlece.Weibull()
    for unit in (1.0, 1e3):
        fit = mlece.fit(model, mlece.right_censored(unit * time, event))
        parts = contributions(fit)
        want = np.where(
            event, fit.model.log_density(unit * time), np.log(fit.model.sf(unit * time))
        )
        np.testing.assert_allclose(np.sort(parts.log_density[0]), np.sort(want), rtol=1e-9)
