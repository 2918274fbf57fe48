"""Laplace laws of incomplete observations: a kink at every exact one, and the optimum proved there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import mlece

N = 40


def right(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, c = 1 + rng.laplace(size=N), rng.uniform(-1, 4, N)
    return np.minimum(y, c), np.where(y <= c, y, np.inf)


def mixed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = 1 + rng.laplace(size=N)
    exact = rng.random(N) < 0.5
    return np.where(exact, y, np.floor(y)), np.where(exact, y, np.floor(y) + 1)


def cross_entropy(law: Any, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the mean of −log of density and probabilities, from density and cdf alone."""
    exact = lower == upper
    hidden = law.cdf(upper[~exact]) - law.cdf(lower[~exact])
    return -float(law.log_density(upper[exact]).sum() + np.log(hidden).sum()) / len(lower)


@pytest.mark.parametrize("data", [right, mixed])
@pytest.mark.parametrize(
    "model",
    [
        mlece.Laplace(),
        mlece.Laplace(scale=1.0),
        mlece.AsymmetricLaplace(asymmetry=0.7),
        mlece.AsymmetricLaplace(),
    ],
    ids=repr,
)
def test_no_search_comes_lower(model: Any, data: Any) -> None:
    for seed in (0, 1):
        lower, upper = data(seed)
        fit = mlece.fit(model, mlece.censored(lower, upper))
        found = {name: fit.params[name] for name in fit.names}
        start = np.array(list(found.values()))

        def value(x: np.ndarray, names: tuple[str, ...] = tuple(found)) -> float:
            if (x[1:] <= 0).any():
                return np.inf
            law = model.replace(**dict(zip(names, x.tolist(), strict=True)))
            return cross_entropy(law, lower, upper)  # noqa: B023

        least = fit.values[0]
        assert value(start) == pytest.approx(least, rel=1e-12)
        assert fit.certificate.status.name == "OPTIMAL"
        assert fit.certificate.excess < 1e-12
        asymmetric = "asymmetry" in fit.names
        assert fit.certificate.scope == ("local" if asymmetric else "global")
        rng = np.random.default_rng(7)
        for spread in (1e-3, 0.3):
            other = minimize(
                value,
                start + spread * rng.normal(size=len(start)),
                method="Nelder-Mead",
                options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 2000},
            )
            # What a search without derivatives leaves.
            assert other.fun > least - 1e-11


def test_slopes_of_probabilities_are_those_of_the_formula() -> None:
    """Beside an end of an interval, where differences would step over the kink of the density."""
    low, high, entry = 0.999, 2.0, -0.5
    model = mlece.fit(mlece.Laplace(), mlece.censored([low], [high], entry=[entry])).family
    t = np.array([[[low, high, entry]]])
    m, b = 1.0, 0.7
    f = lambda x: np.exp(-abs(x - m) / b) / (2 * b)  # noqa: E731
    law = mlece.Laplace(loc=m, scale=b)
    mass, seen = float(law.cdf(high) - law.cdf(low)), float(law.sf(entry))
    score = model.score_hook(t, (np.array([[m]]), np.array([[b]])))
    slope = (f(low) - f(high)) / mass - f(entry) / seen
    assert score[0].item() == pytest.approx(slope, rel=1e-12)
    bend = model.curvature_hook(t, (np.array([[m]]), np.array([[b]])))[0].item()
    # d f(x)/dm is f(x) sign(x - m)/b.
    own = (-f(low) - f(high)) / b / mass - ((f(low) - f(high)) / mass) ** 2
    own -= -f(entry) / b / seen - (f(entry) / seen) ** 2
    assert bend == pytest.approx(own, rel=1e-12)


def test_exact_observations_alone_are_the_complete_sample() -> None:
    y = right(3)[0]
    given, plain = mlece.fit(mlece.Laplace(), mlece.censored(y, y)), mlece.fit(mlece.Laplace(), y)
    np.testing.assert_allclose(np.ravel(given.theta), np.ravel(plain.theta), rtol=1e-9)
    assert given.certificate.status is plain.certificate.status
    assert given.solution_set["loc"] == pytest.approx(plain.solution_set["loc"], rel=1e-12)
    np.testing.assert_allclose(given.covariance(), plain.covariance(), rtol=1e-9, atol=1e-15)
    ends, known = (f.interval(method="profile")["loc"] for f in (given, plain))
    assert ends == pytest.approx(known, rel=1e-7)


def test_censored_beyond_the_median_leaves_it_where_it_is() -> None:
    """Half lines on the far side of the location say no more than which side: a median interval."""
    fit = mlece.fit(
        mlece.Laplace(),
        mlece.censored([1, 2, 3, 4, -np.inf, 8.0], [1, 2, 3, 4, -5.0, np.inf]),
    )
    assert fit.certificate.status.name == "NOT_UNIQUE"
    assert fit.solution_set == {"loc": (2.0, 3.0)}
    # |y − m| adds up to 4 + 7.5 + 5.5 over the four densities.
    assert fit.params["scale"] == pytest.approx((4 + 7.5 + 5.5) / 4, rel=1e-9)


def test_beyond_the_exact_observations() -> None:
    lower, upper = np.array([1, 2, 3, 4, 5, 8.0]), np.array([1, 2, *[np.inf] * 4])
    fit = mlece.fit(mlece.Laplace(), mlece.censored(lower, upper))
    assert fit.params["loc"] > 2
    assert fit.certificate.status.name == "OPTIMAL"
    for step in (-1e-4, 1e-4):
        law = mlece.Laplace(loc=fit.params["loc"] + step, scale=fit.params["scale"])
        assert cross_entropy(law, lower, upper) > fit.values[0]


def test_batches_and_units() -> None:
    lower, upper = right(4)
    one = mlece.fit(mlece.Laplace(), mlece.censored(lower, upper))
    two = mlece.fit(
        mlece.Laplace(),
        mlece.censored(np.stack([lower, 1e6 * lower]), np.stack([upper, 1e6 * upper])),
    )
    np.testing.assert_allclose(two.params["loc"], one.params["loc"] * np.array([1, 1e6]), rtol=1e-9)
    np.testing.assert_allclose(
        two.params["scale"], one.params["scale"] * np.array([1, 1e6]), rtol=1e-7
    )
    assert all(s.name == "OPTIMAL" for s in two.certificate.status)


def test_truncation_is_proved_locally() -> None:
    rng = np.random.default_rng(5)
    y = rng.laplace(size=60)
    entry = y - rng.exponential(size=60)
    fit = mlece.fit(mlece.Laplace(), mlece.censored(y, y, entry=entry))
    assert fit.certificate.scope == "local"


def test_standard_errors_of_censored_samples() -> None:
    """The spread of estimates over 100 samples is known to 7 %, a standard error.

    The median of the estimated standard errors is biased by a bandwidth of a fifth of 200 observations.
    """
    rng = np.random.default_rng(8)
    y, c = rng.laplace(size=(100, 200)), rng.uniform(-1, 5, (100, 200))
    data = mlece.censored(np.minimum(y, c), np.where(y <= c, y, np.inf))
    fit = mlece.fit(mlece.Laplace(scale=1.0), data)
    errors = np.sqrt(fit.covariance()[:, 0, 0])
    assert np.median(errors) == pytest.approx(fit.params["loc"].std(), rel=0.2)


@pytest.mark.parametrize("shift", [0.0, 1000.0])
@pytest.mark.parametrize(
    "model", [mlece.Laplace(), mlece.AsymmetricLaplace(), mlece.Gaussian()], ids=repr
)
def test_one_exact_value_in_every_interval(model: mlece.Model, shift: float) -> None:
    """The law may shrink on it: densities grow without bound, and probabilities do not vanish."""
    lower = shift + np.array([1.0, 1, 1, 0, -1, 1, -np.inf])
    upper = shift + np.array([1.0, 1, 1, 3, 4, 2.5, 1])
    fit = mlece.fit(model, mlece.censored(lower, upper))
    assert fit.certificate.status is mlece.Status.UNBOUNDED
    assert "the one value that is observed exactly" in str(fit.certificate)
    lower[4] = shift + 1.5
    assert mlece.fit(model, mlece.censored(lower, upper)).certificate.status.solved
