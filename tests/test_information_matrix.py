"""The information-matrix test: closed forms, published sizes, invariance, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.diagnostics.expected import expected
from mlece.fits.contributions import contributions

SIZES = json.loads((Path(__file__).parent / "reference" / "im_test_sizes.json").read_text())
FAMILIES = {"gauss": "gaussian", "exp": "exponential", "poisson(3)": "poisson"}
RNG = np.random.default_rng(20)


def draw(name: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    if name == "gauss":
        return rng.normal(size=shape)
    return rng.exponential(size=shape) if name == "exp" else rng.poisson(3.0, size=shape)


def closed_form(name: str, y: np.ndarray) -> float:
    """Jarque and Bera (1987), and the two closed forms of Chesher's score test of heterogeneity."""
    n, mean, variance = y.size, y.mean(), y.var()
    if name == "gauss":
        return n * (stats.skew(y) ** 2 / 6 + (stats.kurtosis(y)) ** 2 / 24)
    if name == "exp":
        return n * (variance / mean**2 - 1) ** 2 / 4
    return n * (variance / mean - 1) ** 2 / 2


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("unit", [1.0, 1e-5])
def test_the_efficient_form_is_the_closed_form(name: str, unit: float) -> None:
    y = RNG.poisson(4, 80) if name == "poisson(3)" else RNG.gamma(2, 1, 80) * unit
    test = mlece.information_matrix_test(mlece.fit(FAMILIES[name], y), replicates=0)
    assert test.statistic == pytest.approx(closed_form(name, y), rel=1e-9)
    assert test.df == (2 if name == "gauss" else 1)


@pytest.mark.parametrize("name", [c for c in SIZES if int(c.split(" n=")[1]) <= 200])
def test_sizes_are_those_published(name: str) -> None:
    """4,000 samples: three standard errors of both simulations.

    benchmarks/information_matrix.py has larger samples, and more of them.
    """
    family, n = name.split(" n=")
    fit = mlece.fit(FAMILIES[family], draw(family, (4000, int(n)), np.random.default_rng(int(n))))
    for key, (rate, error) in SIZES[name].items():
        form = "opg" if key.startswith("OPG") else "efficient"
        test = mlece.information_matrix_test(fit, form=form, replicates=0)
        found = np.mean(test.p_value <= 0.05)
        assert abs(found - rate) <= 3 * np.hypot(error, np.sqrt(rate * (1 - rate) / 4000))


@pytest.mark.parametrize(
    "family", ["gaussian", "gamma", "weibull", "studentt", "negativebinomial", "beta", "gumbel"]
)
def test_the_model_expects_what_its_samples_show(family: str) -> None:
    """E[s s'] and V by quadrature against a sample of 400,000 from the fitted member: 1 % of scale."""
    known = mlece.fit(family, MEMBERS[family].sample(300, rng=4)).model
    y = known.sample(400_000, rng=5)
    fit = mlece.fit(family, y)
    law, parts = expected(fit), contributions(fit, 2)
    rescale = law.factors / parts.factors
    outer = parts.outer * rescale[:, :, None] * rescale[:, None, :]
    size = np.sqrt(np.diagonal(law.scores[0]))
    gap = (outer - law.scores)[0] / np.outer(size, size)
    assert np.abs(gap).max() < 0.05


MEMBERS = {
    "gaussian": mlece.Gaussian(0, 1),
    "gamma": mlece.Gamma(shape=3, rate=1),
    "weibull": mlece.Weibull(shape=1.5, scale=1),
    "studentt": mlece.StudentT(df=8, loc=0, scale=1),
    "negativebinomial": mlece.NegativeBinomial(size=3, mean=4),
    "beta": mlece.Beta(alpha=2, beta=3),
    "gumbel": mlece.Gumbel(loc=0, scale=1),
}


@pytest.mark.parametrize("form", ["efficient", "opg"])
@pytest.mark.parametrize("functional", ["full", "trace", "determinant"])
def test_batches_weights_and_units_change_nothing(form: str, functional: str) -> None:
    y = RNG.gamma(2, 3, (3, 60)).round(1) + 0.1
    options = {"form": form, "functional": functional, "replicates": 0}
    batch = mlece.information_matrix_test(mlece.fit("gamma", y), **options)
    for r in range(3):
        values, counts = np.unique(y[r], return_counts=True)
        alone = mlece.information_matrix_test(
            mlece.fit("gamma", 1e3 * values, weights=counts), **options
        )
        assert alone.statistic == pytest.approx(batch.statistic[r], rel=1e-6)
        assert alone.df == batch.df[r]


def test_bootstrap_p_values_hold_their_level() -> None:
    """200 samples, 59 replicates: within three standard errors of 5 %."""
    rng = np.random.default_rng(8)
    p = [
        mlece.information_matrix_test(
            mlece.fit("gamma", rng.gamma(2, 1, 40)), replicates=59, rng=rng
        ).p_value
        for _ in range(200)
    ]
    rate = np.mean(np.array(p) <= 0.05)
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(p) == pytest.approx(0.5, abs=3 * 0.29 / np.sqrt(200))


def test_it_sees_what_is_wrong() -> None:
    test = mlece.information_matrix_test(mlece.fit("poisson", RNG.negative_binomial(2, 0.3, 200)))
    assert test.p_value <= 0.01
    assert test.indicators["rate", "rate"] > 3
    assert "A and B differ" in str(test)


def test_the_outer_product_form_says_how_far_it_is_off() -> None:
    test = mlece.information_matrix_test(mlece.fit("gaussian", RNG.normal(size=50)), form="opg")
    assert test.size > 0.2
    assert "would reject a right model" in str(test)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: mlece.fit("uniform", [1.0, 2.0, 3.0]), "regular"),
        (lambda: mlece.fit("gaussian", mlece.Exponential(rate=1)), "known distribution"),
        (lambda: mlece.fit(mlece.Categorical(), list("aabc")), "saturated"),
        (lambda: mlece.fit("bernoulli", [0, 1, 1, 0, 1]), "saturated"),
        (lambda: mlece.fit(mlece.Binomial(n=1), [0, 1, 1, 0, 1]), "saturated"),
        (lambda: mlece.fit("multivariategaussian", RNG.normal(size=(30, 2))), "form='opg'"),
        (lambda: mlece.fit("poisson", [0, 0, 0]), "regular"),
        (lambda: mlece.fit("gaussian", [[1.0, 2.0, 4.0], [1.0, 2.0, 3.0]]), "batch"),
    ],
)
def test_what_has_no_test_is_refused(make: object, match: str) -> None:
    assert callable(make)
    with pytest.raises(mlece.MleceError, match=match):
        mlece.information_matrix_test(make())


@pytest.mark.parametrize(
    "options", [{"form": "opq"}, {"functional": "trce"}, {"replicates": 5}], ids=str
)
def test_options_that_do_not_exist_are_refused(options: dict[str, object]) -> None:
    fit = mlece.fit("gaussian", RNG.normal(size=30))
    with pytest.raises(mlece.MleceError):
        mlece.information_matrix_test(fit, **options)  # type: ignore[arg-type]


def test_vectors_have_the_form_of_outer_products() -> None:
    """Independent Student t coordinates have a trace that is off, correlated Gaussians have not."""
    rng = np.random.default_rng(1)
    right = mlece.fit("multivariategaussian", rng.multivariate_normal([0, 0], [[2, 1], [1, 1]], 60))
    wrong = mlece.fit("multivariategaussian", rng.standard_t(3, size=(60, 2)))
    p = [mlece.information_matrix_test(fit, form="opg").p_value for fit in (right, wrong)]
    assert p[0] > 0.01
    assert p[1] <= 0.05
    assert mlece.ios(right).p_value > 0.01
    assert mlece.ios(wrong).p_value <= 0.05
