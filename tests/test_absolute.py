"""Laplace laws with a predictor in the location: linear programmes, their proof, and the information."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import mlece
from mlece.solvers import absolute
from mlece.solvers.absolute import least_absolute

N = 61
RNG = np.random.default_rng(20)
X = RNG.normal(size=N)
GROUP = np.array(list("abc"))[RNG.integers(0, 3, N)]
Y = 1 + 2 * X + np.exp(0.3 * X) * RNG.laplace(size=N)
FRAME = {"x": X, "g": GROUP, "y": Y}


def tilted(y: np.ndarray, matrix: np.ndarray, beta: np.ndarray, u: Any, low: Any) -> float:
    r = y - matrix @ beta
    return float((u * np.maximum(r, 0) + low * np.maximum(-r, 0)).sum())


# ------------------------------------------------------------------ the programme


@pytest.mark.parametrize("tilt", [0.1, 0.5, 0.8])
def test_least_over_all_vertices(tilt: float) -> None:
    """The minimum is met where p residuals vanish: the least over all such points is known."""
    rng = np.random.default_rng(3)
    matrix = np.column_stack([np.ones(14), rng.normal(size=(14, 2))])
    y, w = rng.normal(size=14), rng.uniform(0.5, 2, 14)
    found = least_absolute(matrix, y, tilt * w, (1 - tilt) * w)
    least = min(
        tilted(y, matrix, np.linalg.solve(matrix[list(s)], y[list(s)]), tilt * w, (1 - tilt) * w)
        for s in combinations(range(14), 3)
    )
    assert found.settled
    assert found.value == pytest.approx(least, rel=1e-14)
    # What the multipliers prove is within rounding of what was found.
    assert found.ratio - 1 < 1e-14
    assert (found.residuals == 0).sum() == 3


def test_long_samples_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    n = 4000
    matrix = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])
    y = matrix.sum(axis=1) + rng.standard_t(2, size=n)
    parts = least_absolute(matrix, y, np.full(n, 0.9), np.full(n, 0.1))
    spread = least_absolute(sparse.csr_array(matrix), y, np.full(n, 0.9), np.full(n, 0.1))
    # A start far off costs time and changes nothing.
    astray = least_absolute(matrix, y, np.full(n, 0.9), np.full(n, 0.1), np.full(4, 50.0))
    monkeypatch.setattr(absolute, "_WHOLE", n)
    whole = least_absolute(matrix, y, np.full(n, 0.9), np.full(n, 0.1))
    for found in (parts, spread, astray):
        np.testing.assert_allclose(found.coefficients, whole.coefficients, rtol=1e-12)
        assert found.ratio - 1 < 1e-13


@pytest.mark.parametrize("spoilt", [0.0, 0.02, 0.3, 50.0])
def test_bounds_of_a_programme_on_few_rows_hold(spoilt: float) -> None:
    rng = np.random.default_rng(5)
    n = 4000
    matrix = np.column_stack([np.ones(n), rng.normal(size=(n, 3))])
    y, w = matrix.sum(axis=1) + rng.gumbel(size=n), rng.uniform(0.5, 2.0, n)
    least = least_absolute(matrix, y, 0.3 * w, 0.7 * w)
    near = least.coefficients + spoilt
    for count in (60, 300, 1500):
        found = absolute._one_band(absolute._Rows(matrix, y, 0.3 * w, 0.7 * w), near, count)
        if found is None:  # the rows that stay on their side have no balance
            assert spoilt > 0
            continue
        assert found.value >= least.value * (1 - 1e-14)
        assert found.value / found.ratio <= least.value * (1 + 1e-14)
        assert found.ratio == pytest.approx(1.0, abs=1e-14) or spoilt > 0
    apart = 0.01
    found = absolute.about_least(matrix, y, 0.31 * w, 0.69 * w, near, apart)
    least = least_absolute(matrix, y, 0.31 * w, 0.69 * w)
    assert 1 <= found.ratio <= 1 + 0.01 * apart**2
    assert least.value * (1 - 1e-14) <= found.value <= least.value * found.ratio * (1 + 1e-14)


def test_a_free_asymmetry_of_a_long_sample_is_proved_on_few_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(8)
    n = 5000
    table = {"a": rng.normal(size=n), "b": rng.normal(size=n)}
    y = table["a"] - table["b"] + rng.gumbel(size=n)
    model = mlece.AsymmetricLaplace(loc="a + b")
    few = mlece.fit(model, y, given=table)
    monkeypatch.setattr(absolute, "_WHOLE", n)
    whole = mlece.fit(model, y, given=table)
    for fit in (few, whole):
        assert fit.certificate.scope == "global"
        assert fit.certificate.excess < 1e-14
    assert few.cross_entropy == pytest.approx(whole.cross_entropy, abs=1e-14)
    assert list(few.params.values()) == pytest.approx(list(whole.params.values()), rel=1e-10)


def test_flat_sets_have_two_ends() -> None:
    matrix = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    y = np.array([1.0, 2.0, 5.0, 9.0])
    found = least_absolute(matrix, y, np.ones(4), np.ones(4))
    assert found.value == 5.0
    assert found.ends is not None
    for beta in (*found.ends, found.coefficients):
        assert tilted(y, matrix, beta, 1.0, 1.0) == 5.0
        assert 1 <= beta[0] <= 2
        assert 5 <= beta.sum() <= 9
    assert np.all(found.ends[0] != found.ends[1])


def test_ties_everywhere() -> None:
    rng = np.random.default_rng(6)
    group = rng.integers(0, 3, 301)
    y = rng.integers(0, 6, 301).astype(float)
    found = least_absolute(np.eye(3)[group], y, np.ones(301), np.ones(301))
    least = sum(np.abs(y[group == k] - np.median(y[group == k])).sum() for k in range(3))
    assert found.value == pytest.approx(least, rel=1e-14)
    assert found.ratio - 1 < 1e-10


# ------------------------------------------------------------------ estimates

# R 4, quantreg 5.94: rq(foodexp ~ income, tau, data = engel); Engel's data of 1857, which Koenker and
# Bassett (1982), Econometrica 50, 43-61, analyse. The third number is the sum of tilted residuals.
ENGEL = {
    0.1: (110.141574205, 0.401765759303, 3869.93216099),
    0.25: (95.4835396346, 0.474103208193, 7082.31589897),
    0.5: (81.4822474169, 0.560180551209, 8779.96632381),
    0.75: (62.396585529, 0.644014139369, 6529.25028389),
    0.9: (67.3508720801, 0.686299480372, 3391.98371103),
}
# summary(fit, se = "nid"): Hendricks and Koenker (1992), for the same law of large numbers.
ENGEL_NID = {0.1: (29.398, 0.04024), 0.5: (19.251, 0.02828), 0.9: (22.395, 0.02849)}


def engel() -> Any:
    datasets = pytest.importorskip("statsmodels.datasets")
    return datasets.engel.load_pandas().data


@pytest.mark.parametrize("level", ENGEL)
def test_engel(level: float) -> None:
    kappa = np.sqrt(level / (1 - level))
    model = mlece.AsymmetricLaplace(loc="income", asymmetry=kappa)
    fit = mlece.fit(model, "foodexp", given=engel())
    intercept, slope, total = ENGEL[level]
    # R prints twelve digits.
    assert fit.params["loc[Intercept]"] == pytest.approx(intercept, rel=1e-11)
    assert fit.params["loc[income]"] == pytest.approx(slope, rel=1e-11)
    assert fit.params["scale"] * 235 * kappa / (1 + kappa**2) == pytest.approx(total, rel=1e-11)
    assert fit.certificate.status.name == "OPTIMAL"
    assert fit.certificate.scope == "global"
    assert fit.certificate.excess < 1e-14


def test_engel_standard_errors() -> None:
    """Two estimates of one covariance from 235 households, with bandwidths of a fifth of them.

    They differ by sampling: a factor of 1.5 is what the tails show, with twenty households beyond them.
    """
    for level, known in ENGEL_NID.items():
        model = mlece.AsymmetricLaplace(loc="income", asymmetry=np.sqrt(level / (1 - level)))
        found = np.sqrt(np.diag(mlece.fit(model, "foodexp", given=engel()).covariance()))[:2]
        ratio = found / known
        assert np.all((ratio > 1 / 1.5) & (ratio < 1.5))


def test_stackloss() -> None:
    """R, quantreg 5.94: rq(stack.loss ~ ., data = stackloss), Brownlee's data."""
    datasets = pytest.importorskip("statsmodels.datasets")
    data = datasets.stackloss.load_pandas().data
    terms = "AIRFLOW + WATERTEMP + ACIDCONC"
    fit = mlece.fit(mlece.Laplace(loc=terms), "STACKLOSS", given=data)
    known = [-39.6898550725, 0.831884057971, 0.573913043478, -0.0608695652174]
    np.testing.assert_allclose([fit.params[name] for name in fit.names[:4]], known, rtol=1e-11)


@pytest.mark.parametrize(
    "law",
    [
        mlece.Laplace(),
        mlece.Laplace(scale=2.0),
        mlece.AsymmetricLaplace(),
        mlece.AsymmetricLaplace(asymmetry=0.6),
        mlece.AsymmetricLaplace(scale=1.5),
        mlece.AsymmetricLaplace(scale=1.5, asymmetry=2.0),
    ],
    ids=repr,
)
def test_a_constant_alone_is_the_family_without_covariates(law: Any) -> None:
    alone = mlece.fit(law, Y)
    given = mlece.fit(law.replace(loc="1"), "y", given=FRAME)
    assert given.certificate.status is alone.certificate.status
    for mine, other in zip(given.theta, alone.theta, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)
    np.testing.assert_allclose(given.minimum, alone.minimum, rtol=1e-14)
    if law.free != ("loc",):
        np.testing.assert_allclose(given.covariance(), alone.covariance(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [None, 1.2])
def test_the_best_asymmetry_is_the_global_one(scale: float | None) -> None:
    slots = {} if scale is None else {"scale": scale}
    fit = mlece.fit(mlece.AsymmetricLaplace(loc="x + C(g)", **slots), "y", given=FRAME)
    assert fit.certificate.scope == "global"
    assert fit.certificate.excess < 1e-13
    held = [
        mlece.fit(mlece.AsymmetricLaplace(loc="x + C(g)", asymmetry=k, **slots), "y", given=FRAME)
        for k in np.exp(np.linspace(-2, 2, 81))
    ]
    assert min(f.minimum[0] for f in held) > fit.minimum[0]
    again = mlece.fit(
        mlece.AsymmetricLaplace(loc="x + C(g)", asymmetry=fit.params["asymmetry"], **slots),
        "y",
        given=FRAME,
    )
    assert again.minimum[0] == pytest.approx(fit.minimum[0], rel=1e-14)


@pytest.mark.parametrize(
    "model",
    [
        mlece.Laplace(loc="x", scale="x"),
        mlece.Laplace(scale="x"),
        mlece.AsymmetricLaplace(loc="x", scale="x"),
        mlece.AsymmetricLaplace(loc="x", scale="x", asymmetry="x"),
        mlece.AsymmetricLaplace(loc="x", asymmetry="x"),
    ],
    ids=repr,
)
def test_a_local_optimum_where_more_than_the_location_varies(model: Any) -> None:
    """No step from it lowers the cross-entropy, small ones along a kink included."""
    fit = mlece.fit(model, "y", given=FRAME)
    assert fit.certificate.status.name == "OPTIMAL"
    assert fit.certificate.scope == "local"
    assert fit.certificate.excess < 1e-12
    theta = np.array([float(t[0]) for t in fit.theta])
    for size in (1e-4, 1e-2):
        for way in np.random.default_rng(1).normal(size=(100, len(theta))):
            moved = fit.family.replace(**dict(zip(fit.names, theta + size * way, strict=True)))
            value = -moved.log_density(fit.sample.values[0]).mean()
            assert value > fit.minimum[0] - 1e-14


def test_a_known_scale_weighs_the_residuals() -> None:
    known = np.exp(0.3 * X)
    fit = mlece.fit(mlece.Laplace(loc="x", scale=known), "y", given=FRAME)
    direct = least_absolute(np.column_stack([np.ones(N), X]), Y, 1 / known, 1 / known)
    np.testing.assert_allclose([fit.params[n] for n in fit.names], direct.coefficients, rtol=1e-12)
    assert fit.certificate.scope == "global"


def test_units_offsets_weights_and_batches() -> None:
    plain = mlece.fit(mlece.Laplace(loc="x"), "y", given=FRAME)
    for far, unit in ((1e9, 1.0), (0.0, 1e-9), (3.0, 1e6)):
        moved = mlece.fit(mlece.Laplace(loc="x"), far + unit * Y, given=FRAME)
        # Responses of 1e9 have lost nine digits.
        assert moved.params["loc[x]"] / unit == pytest.approx(
            plain.params["loc[x]"], rel=1e-12 + 1e-15 * far
        )
        assert moved.certificate.status.name == "OPTIMAL"
    offset = mlece.fit(mlece.Laplace(loc=mlece.linear("x", offset="x")), "y", given=FRAME)
    assert offset.params["loc[x]"] + 1 == pytest.approx(plain.params["loc[x]"], rel=1e-12)
    w = np.random.default_rng(2).integers(0, 4, N)
    weighted = mlece.fit(mlece.AsymmetricLaplace(loc="x"), "y", given=FRAME, weights=w)
    copies = mlece.fit(mlece.AsymmetricLaplace(loc="x"), Y.repeat(w), given={"x": X.repeat(w)})
    for mine, other in zip(weighted.theta, copies.theta, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-11)
    np.testing.assert_allclose(weighted.covariance(), copies.covariance(), rtol=1e-9)
    batch = mlece.fit(mlece.Laplace(loc="x"), np.stack([Y, Y + X, -Y]), given={"x": X})
    slope = plain.params["loc[x]"]
    np.testing.assert_allclose(batch.params["loc[x]"], [slope, slope + 1, -slope], rtol=1e-12)
    table = mlece.fit(
        mlece.Laplace(loc=mlece.linear()), Y, given=sparse.csr_array(np.column_stack([X, X**2]))
    )
    dense = mlece.fit(mlece.Laplace(loc="x + I(x**2)"), "y", given=FRAME)
    np.testing.assert_allclose(np.ravel(table.theta), np.ravel(dense.theta), rtol=1e-11)


# ------------------------------------------------------------------ where there is no single optimum


def test_an_even_sample_is_told_not_unique() -> None:
    y = np.array([1.0, 2.0, 5.0, 9.0])
    fit = mlece.fit(mlece.Laplace(loc="x"), y, given={"x": [0.0, 0.0, 1.0, 1.0]})
    assert fit.certificate.status.name == "NOT_UNIQUE"
    assert set(fit.solution_set) == {"loc[Intercept]", "loc[x]"}
    alone = mlece.fit(mlece.Laplace(), y)
    given = mlece.fit(mlece.Laplace(loc="1"), y, given={"x": y})
    assert given.solution_set["loc[Intercept]"] == alone.solution_set["loc"]


@pytest.mark.parametrize(
    "model", [mlece.Laplace(loc="x"), mlece.AsymmetricLaplace(loc="x")], ids=repr
)
def test_perfect_fits_are_unbounded(model: Any) -> None:
    fit = mlece.fit(model, 0.1 + 0.3 * X, given=FRAME)
    assert fit.certificate.status.name == "UNBOUNDED"
    assert "covariates determine the responses" in fit.certificate.sentence
    assert np.isneginf(fit.minimum[0])
    known = mlece.fit(model.replace(scale=1.0), 0.1 + 0.3 * X, given=FRAME)
    assert known.certificate.status.solved


@pytest.mark.parametrize(("side", "end"), [(1.0, 0.0), (-1.0, np.inf)])
def test_residuals_on_one_side(side: float, end: float) -> None:
    """The infimum is that of exponential residuals from the lowest plane: 1 + log of their mean."""
    gaps = np.random.default_rng(9).exponential(size=N)
    fit = mlece.fit(mlece.AsymmetricLaplace(loc="x"), 1 + 2 * X + side * gaps, given=FRAME)
    assert fit.certificate.status.name == "NOT_ATTAINED"
    assert "exponential law" in fit.certificate.sentence
    assert fit.params["asymmetry"] == end
    plane = fit.params["loc[Intercept]"] + fit.params["loc[x]"] * X
    own = side * (1 + 2 * X + side * gaps - plane)
    assert own.min() > -1e-12
    assert fit.minimum[0] == pytest.approx(1 + np.log(own.mean()), rel=1e-12)


# ------------------------------------------------------------------ information and intervals


def test_information_of_unequal_scales() -> None:
    """A at the location is E[2 f(0 | x) x x'/b], known where the law of the errors is.

    Of 20000 rows 3000 lie in the window of the density: errors of 2 %, of which five are allowed.
    """
    rng = np.random.default_rng(12)
    n = 20_000
    x = rng.uniform(0, 2, n)
    y = 1 + 2 * x + np.exp(x - 1) * rng.laplace(size=n)
    fit = mlece.fit(mlece.Laplace(loc="x"), y, given={"x": x})
    columns = np.column_stack([np.ones(n), x])
    f = 0.5 / np.exp(x - 1)
    bread = np.linalg.inv(columns.T @ (2 * f[:, None] * columns))
    known = np.sqrt(np.diag(bread @ columns.T @ columns @ bread))
    found = np.sqrt(np.diag(fit.covariance()))[:2]
    np.testing.assert_allclose(found, known, rtol=0.1)


def test_standard_errors_agree_with_statsmodels() -> None:
    """Where errors have one law, its kernel estimate of their density is another of the same number.

    Of 20000 rows each is off by 2 %.
    """
    quantile = pytest.importorskip("statsmodels.regression.quantile_regression")
    rng = np.random.default_rng(13)
    n = 20_000
    x = rng.normal(size=n)
    y = 1 + 2 * x + rng.normal(size=n)
    columns = np.column_stack([np.ones(n), x])
    for level in (0.5, 0.8):
        model = mlece.AsymmetricLaplace(loc="x", asymmetry=np.sqrt(level / (1 - level)))
        fit = mlece.fit(model, y, given={"x": x})
        other = quantile.QuantReg(y, columns).fit(q=level, vcov="iid")
        # Iterated weights stop at 1e-6.
        mine = [fit.params[name] for name in fit.names[:2]]
        np.testing.assert_allclose(mine, other.params, atol=1e-4)
        np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance()))[:2], other.bse, rtol=0.1)


def test_profile_ends_have_the_deviance() -> None:
    fit = mlece.fit(mlece.Laplace(loc="x"), 100 + Y, given=FRAME)
    low, high = fit.interval(method="profile")["loc[x]"]
    for end in (low, high):
        held = mlece.fit(mlece.Laplace(loc="x"), 100 + Y, given=FRAME).family.replace(
            **{"loc[x]": end}
        )
        refit = mlece.fits.fitting.fit_sample(held, fit.sample)
        deviance = 2 * N * (refit.minimum[0] - fit.minimum[0])
        assert deviance == pytest.approx(3.841458820694124, rel=1e-6)


def test_refusals() -> None:
    fit = mlece.fit(mlece.Laplace(loc="x"), "y", given=FRAME)
    for kind in ("HC2", "HC3", "HC4"):
        with pytest.raises(mlece.errors.NotRegularError, match="its score is a sign"):
            fit.covariance(kind)
    with pytest.raises(mlece.errors.NotRegularError, match="kink"):
        mlece.information_matrix_test(fit)
    with pytest.raises(mlece.errors.NoDensityError, match="kink"):
        mlece.fit(mlece.Laplace(loc="x"), "y", given=FRAME, solver="newton")
    with pytest.raises(mlece.errors.ParameterError, match=r"for a penalty.*quadratic programme"):
        mlece.fit(mlece.Laplace(loc="x"), "y", given=FRAME, penalty=mlece.ridge(1.0))
    with pytest.raises(mlece.errors.ParameterError, match=r"behind the link 'log'.*not convex"):
        mlece.fit(mlece.Laplace(loc=mlece.linear("x", link="log")), "y", given=FRAME)
    seen = mlece.right_censored(np.minimum(Y, 2.0), Y < 2.0)
    with pytest.raises(mlece.errors.ParameterError, match=r"incomplete responses.*Logistic\(loc"):
        mlece.fit(mlece.Laplace(loc="x"), seen, given=FRAME)
    truth = mlece.conditional_truth(
        y=lambda x: mlece.Gaussian(mean=x, sd=1.0), x=mlece.Gaussian(mean=0, sd=1)
    )
    with pytest.raises(mlece.errors.NoDensityError, match="known conditional law"):
        mlece.fit(mlece.Laplace(loc="x"), truth)
