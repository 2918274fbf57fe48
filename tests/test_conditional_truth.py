"""Known conditional truths: p*(x) p*(y | x) projected onto regressions by fit(model, truth).

Closed forms of ``tests/reference/pseudo_true.json`` and of White (1982), Econometrica 50, 1-25.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import mlece
from mlece.regression.truth import ConditionalTruth
from mlece.sources.discrete import graded_nodes, support_nodes
from mlece.sources.expectation import expectation, tail_divergent
from mlece.sources.rows import product, row_nodes

REFERENCE = Path(__file__).parent / "reference" / "pseudo_true.json"
PAIRS: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
TOLERANCE = 1e-9
X = mlece.Gaussian(mean=0, sd=1)


def about(y: Callable[..., Any], x: Any = X, **options: Any) -> ConditionalTruth:
    return mlece.conditional_truth(y=y, x=x, **options)


PROBIT = about(lambda x: mlece.Bernoulli(p=special.ndtr(x)))
LOGIT = about(lambda x: mlece.Bernoulli(p=special.expit(x)))
QUADRATIC = about(lambda x: mlece.Gaussian(mean=x**2, sd=1))
LINE = mlece.Gaussian(mean="x")


def by_probit(terms: str = "x") -> Any:
    return mlece.Bernoulli(p=mlece.linear(terms, link="probit"))


# truth, model, names of the parameters in the order of the file, power to which it takes each
CASES: dict[str, tuple[ConditionalTruth, Any, dict[str, tuple[str, int]]]] = {
    "probit slope 1.0, x~N(0,1) -> logit": (
        PROBIT,
        mlece.Bernoulli(p="x"),
        {"intercept": ("p[Intercept]", 1), "slope": ("p[x]", 1)},
    ),
    "logit slope 1, x~N(0,1) -> probit": (
        LOGIT,
        by_probit(),
        {"intercept": ("p[Intercept]", 1), "slope": ("p[x]", 1)},
    ),
    "quadratic mean y=x^2+N(0,1), x~N(0,1) -> linear gaussian": (
        QUADRATIC,
        LINE,
        {"b0": ("mean[Intercept]", 1), "b1": ("mean[x]", 1), "sigma2": ("sd", 2)},
    ),
}


def near(found: Any, wanted: Any) -> bool:
    return bool(
        np.allclose(np.asarray(found), np.asarray(wanted, float), rtol=TOLERANCE, atol=TOLERANCE)
    )


# ---------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("name", CASES)
def test_published_pairs(name: str) -> None:
    truth, model, names = CASES[name]
    wanted = PAIRS[name]
    found = mlece.pseudo_true(model, truth)
    assert found.fit.certificate.status.solved
    for theirs, (own, power) in names.items():
        assert near(found.params[own] ** power, wanted["theta_star"][theirs]), theirs
        ratio = wanted["variance_ratio_sandwich_over_naive"][theirs]
        assert near(found.variance_ratio[own], ratio), theirs
    assert near(found.entropy, wanted["H_true"])
    assert near(found.cross_entropy, wanted["cross_entropy"])
    assert near(found.gap, wanted["KL"])
    assert near(mlece.kl_divergence(truth, found.fit), wanted["KL"])
    assert near(mlece.cross_entropy(truth, found.fit.model), wanted["cross_entropy"])
    assert near(found.trace, wanted["trace_AinvB"])
    # d(theta^power)/d theta at the optimum, where the mean score is zero.
    order = [list(found.params).index(own) for own, _ in names.values()]
    slope = np.array([p * found.params[own] ** (p - 1) for own, p in names.values()])
    for own, theirs in ((found.a, "A"), (found.b, "B")):
        matrix = own[np.ix_(order, order)] / slope[:, None] / slope
        assert near(matrix, wanted[theirs]), theirs


@pytest.mark.parametrize("c", [0.25, 1.0])
def test_a_variance_that_varies(c: float) -> None:
    # y ~ N(0, e^{cx}): E y² = e^{c²/2}, E x² y² = (1 + c²) e^{c²/2}, E y⁴ = 3 e^{2c²}.
    found = mlece.pseudo_true(LINE, about(lambda x: mlece.Gaussian(mean=0, sd=np.exp(c * x / 2))))
    assert near([found.params["mean[Intercept]"], found.params["mean[x]"]], [0, 0])
    assert near(found.params["sd"] ** 2, math.exp(c * c / 2))
    assert near(found.gap, c * c / 4)
    last = (3 * math.exp(c * c) - 1) / 2
    assert near(list(found.variance_ratio.values()), [1, 1 + c * c, last])
    assert near(found.trace, 2 + c * c + last)
    assert near(found.entropy, 0.5 * math.log(2 * math.pi * math.e))


@pytest.mark.parametrize("s2", [0.25, 4.0])
def test_a_mean_that_bends(s2: float) -> None:
    truth = about(lambda x: mlece.Gaussian(mean=x**2, sd=math.sqrt(s2)))
    found = mlece.pseudo_true(LINE, truth)
    assert near(list(found.params.values()), [1, 0, math.sqrt(s2 + 2)])
    assert near(found.gap, 0.5 * math.log(1 + 2 / s2))
    assert near(found.variance_ratio["mean[x]"], (10 + s2) / (2 + s2))
    # With the square among the covariates the model is right.
    right = mlece.pseudo_true(mlece.Gaussian(mean="x + I(x**2)"), truth)
    assert near(list(right.params.values()), [0, 0, 1, math.sqrt(s2)])
    assert near([right.gap, right.trace], [0, 4])


def test_a_regressor_left_out_of_a_probit() -> None:
    b, c = 0.8, 1.5
    truth = about(lambda x, z: mlece.Bernoulli(p=special.ndtr(b * x + c * z)), {"x": X, "z": X})
    found = mlece.pseudo_true(by_probit(), truth)
    assert near(list(found.params.values()), [0, b / math.sqrt(1 + c * c)])
    # Given x alone the probit is right: no variance ratio tells.
    assert near([*found.variance_ratio.values(), found.trace], [1, 1, 2])
    assert found.gap > 0.2
    whole = mlece.pseudo_true(by_probit("x + z"), truth)
    assert near(list(whole.params.values()), [0, b, c])


def test_a_lognormal_mean_is_no_exponential() -> None:
    # E y = e^{x + s²/2}: the rate regression finds it, and its score has the variance e^{s²} − 1.
    s = 0.5
    truth = about(lambda x: mlece.LogNormal(meanlog=x, sdlog=s))
    found = mlece.pseudo_true(mlece.Exponential(rate="x"), truth)
    assert near(list(found.params.values()), [-s * s / 2, -1])
    assert near(list(found.variance_ratio.values()), [math.expm1(s * s)] * 2)
    assert near(found.entropy, 0.5 * math.log(2 * math.pi * math.e * s * s))
    assert near(found.cross_entropy, 1 + s * s / 2)


def test_counts_with_more_variance_than_a_poisson() -> None:
    # Var = μ + μ²/r with μ = e^x: A = E μ (1, x)(1, x)', B = A + E μ² (1, x)(1, x)'/r.
    truth = about(lambda x: mlece.NegativeBinomial(mean=np.exp(x), size=2))
    found = mlece.pseudo_true(mlece.Poisson(rate="x"), truth)
    a = math.exp(0.5) * np.array([[1, 1], [1, 2]])
    b = a + math.exp(2) / 2 * np.array([[1, 2], [2, 5]])
    assert near(list(found.params.values()), [0, 1])
    assert near(found.a, a)
    assert near(found.b, b)
    assert near(found.trace, np.trace(np.linalg.solve(a, b)))
    whole = mlece.pseudo_true(mlece.NegativeBinomial(mean="x"), truth)
    assert near(list(whole.params.values()), [2, 0, 1])
    assert near([whole.gap, whole.trace], [0, 3])


@pytest.mark.parametrize(
    "law",
    [
        mlece.NegativeBinomial(mean=2e3, size=0.3),
        mlece.NegativeBinomial(mean=5e3, size=50),
        mlece.Poisson(rate=3e5),
        mlece.Poisson(rate=3),
        mlece.Geometric(p=1e-4),
        mlece.Binomial(n=10**6, p=0.3),
        mlece.Zeta(alpha=8, lower=1),
    ],
    ids=repr,
)
def test_wide_counts_in_a_few_points(law: Any) -> None:
    few, all_of_them = graded_nodes(law), support_nodes(law)
    assert few.count < 3000
    for g in (lambda y: y, law.log_density, lambda y: law.log_density(y) ** 2):
        wanted = float(expectation(all_of_them, g(all_of_them.values)))
        assert float(expectation(few, g(few.values))) == pytest.approx(wanted, rel=1e-9)


def test_points_and_weights_of_a_gauss_rule_stand_for_a_law() -> None:
    at, w = np.polynomial.hermite_e.hermegauss(12)
    x, z = (axis.ravel() for axis in np.meshgrid(at, at))
    truth = about(
        lambda x, z: mlece.Gaussian(mean=x + z + x * z, sd=1),
        {"x": x, "z": z},
        weights=np.outer(w, w).ravel(),
    )
    found = mlece.pseudo_true(mlece.Gaussian(mean="x + z"), truth)
    # The residual xz + e has variance 2; E x² (xz + e)² = 4, E (xz + e)⁴ = 9 + 6 + 3.
    assert near(list(found.params.values()), [0, 1, 1, math.sqrt(2)])
    assert near(found.gap, 0.5 * math.log(2))
    assert near(list(found.variance_ratio.values()), [1, 2, 2, (18 / 4 - 1) / 2])


def test_units_of_the_covariates_and_the_response() -> None:
    truth = about(
        lambda x: mlece.Gaussian(mean=1e6 + (x - 50) ** 2 / 4, sd=3), mlece.Gaussian(mean=50, sd=2)
    )
    found = mlece.fit(LINE, truth)
    assert near(found.params["sd"] ** 2, 11)
    assert found.params["mean[Intercept]"] == pytest.approx(1e6 + 1, rel=1e-12)
    assert near(found.cross_entropy, 0.5 * math.log(2 * math.pi * math.e * 11))


# ---------------------------------------------------------------------------- every kind of response

MEMBERS: dict[str, tuple[Any, Callable[..., Any], Any]] = {
    "gaussian": (
        mlece.Gaussian(mean="x", sd="x"),
        lambda x: mlece.Gaussian(mean=1 - x, sd=np.exp(0.2 + 0.1 * x)),
        [1, -1, 0.2, 0.1],
    ),
    "student": (
        mlece.StudentT(df=5, loc="x"),
        lambda x: mlece.StudentT(df=5, loc=1 - x, scale=2),
        [1, -1, 2],
    ),
    "exponential": (
        mlece.Exponential(rate="x"),
        lambda x: mlece.Exponential(rate=np.exp(0.5 + x)),
        [0.5, 1],
    ),
    "poisson": (
        mlece.Poisson(rate="x"),
        lambda x: mlece.Poisson(rate=np.exp(0.5 + x)),
        [0.5, 1],
    ),
    "cloglog": (
        mlece.Bernoulli(p=mlece.linear("x", link="cloglog")),
        lambda x: mlece.Bernoulli(p=-np.expm1(-np.exp(0.3 - x))),
        [0.3, -1],
    ),
    "binomial": (
        mlece.Binomial(n=7, p="x"),
        lambda x: mlece.Binomial(n=7, p=special.expit(0.5 + x)),
        [0.5, 1],
    ),
    "labels": (
        mlece.Categorical(p="x"),
        lambda x: mlece.Categorical(
            p=special.softmax(np.stack([0 * x, 0.5 + x, -x], axis=-1), axis=-1),
            labels=["a", "b", "c"],
        ),
        [0.5, 1, 0, -1],
    ),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_its_own_projection(name: str) -> None:
    model, y, wanted = MEMBERS[name]
    truth = about(y)
    found = mlece.pseudo_true(model, truth)
    assert near(list(found.params.values()), wanted)
    assert near([found.gap, found.trace], [0, len(wanted)])
    assert near(list(found.variance_ratio.values()), np.ones(len(wanted)))
    assert near(mlece.kl_divergence(truth, found.fit), 0)
    # What was fitted is a truth in its turn.
    again = mlece.fit(model, mlece.conditional_truth(y=found.fit, x=X))
    assert near(list(again.params.values()), wanted)


def test_kinks_are_found_in_every_row() -> None:
    # The second derivative of the model jumps at its mode. Without covariates the answer is known.
    alone = mlece.fit(mlece.TwoPieceNormal(), mlece.Gumbel(loc=0, scale=1))
    truth = about(lambda x: mlece.Gumbel(loc=x, scale=1))
    found = mlece.fit(mlece.TwoPieceNormal(loc="x"), truth)
    assert near(found.cross_entropy, alone.cross_entropy)
    loc, scale, asymmetry = (alone.params[k] for k in ("loc", "scale", "asymmetry"))
    assert near(list(found.params.values()), [loc, 1, scale, asymmetry])
    # E |y − m| = e^{1/8} √(2/π) where the standard deviation is e^{x/2}.
    spread = about(lambda x: mlece.Gaussian(mean=x, sd=np.exp(x / 2)))
    wanted = math.log(2) + math.sqrt(2 / math.pi) * math.exp(1 / 8)
    assert near(mlece.cross_entropy(spread, lambda x: mlece.Laplace(loc=x, scale=1)), wanted)


def test_ledger_of_a_model_with_kinks() -> None:
    truth = about(lambda x: mlece.Gumbel(loc=x, scale=1))
    y, given = truth.sample(200, rng=1)
    fit = mlece.fit(mlece.TwoPieceNormal(loc="x"), y, given=given)
    account = mlece.ledger(truth, fit)
    assert near(account.total, mlece.cross_entropy(truth, fit))
    assert account.estimation > 0


def test_laws_without_a_common_frame() -> None:
    truth = about(lambda x: mlece.Gamma(shape=2 + x, rate=1 + x), mlece.Uniform(lower=0, upper=1))
    found = mlece.fit(mlece.Gaussian(mean="1"), truth)
    # E E[Y|x] = 1 + log 2 and E Y² = E (2 + x)(3 + x)/(1 + x)².
    first, second = 1 + math.log(2), 1 + 3 * math.log(2) + 1
    assert near(found.params["mean[Intercept]"], first)
    assert near(found.params["sd"] ** 2, second - first**2)


def test_covariates_with_labels_and_counts() -> None:
    truth = about(
        lambda g, k: mlece.Gaussian(mean=np.where(g == "b", 1.0, 0.0) + k, sd=1.5),
        {"g": mlece.Categorical(p=[0.4, 0.6], labels=["a", "b"]), "k": mlece.Poisson(rate=2)},
    )
    found = mlece.fit(mlece.Gaussian(mean="C(g)"), truth)
    assert near(list(found.params.values()), [2, 1, math.sqrt(1.5**2 + 2)])
    whole = mlece.fit(mlece.Gaussian(mean="C(g) + k"), truth)
    assert near(list(whole.params.values()), [0, 1, 1, 1.5])


def test_a_sample_of_covariates_is_summed() -> None:
    x = np.array([-1.0, 0.0, 0.5, 2.0, 2.0])
    w = np.array([1.0, 2.0, 1.0, 3.0, 0.5])
    truth = about(lambda x: mlece.Gaussian(mean=np.exp(x), sd=0.5), {"x": x}, weights=w)
    found = mlece.fit(LINE, truth)
    design = np.stack([np.ones(5), x], axis=1)
    beta = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * np.exp(x)))
    rest = np.exp(x) - design @ beta
    assert near(list(found.params.values())[:2], beta)
    assert near(found.params["sd"] ** 2, 0.25 + w @ rest**2 / w.sum())
    # Rows of an array come as they are.
    plain = about(lambda x: mlece.Gaussian(mean=np.exp(x[:, 0]), sd=0.5), x[:, None], weights=w)
    assert near(mlece.entropy(plain), mlece.entropy(truth))
    assert near(
        mlece.fit(mlece.Gaussian(mean=mlece.linear), plain).cross_entropy, found.cross_entropy
    )


# ---------------------------------------------------------------------------- information


def test_entropy_of_a_probit_is_half_a_nat() -> None:
    # Φ(X) is uniform.
    assert mlece.entropy(PROBIT) == pytest.approx(0.5, abs=1e-13)
    assert mlece.entropy(PROBIT, units="bits") == pytest.approx(0.5 / math.log(2), abs=1e-13)


def test_entropies_without_a_closed_form() -> None:
    rates = np.exp(np.array([-1.0, 0.0, 1.5]))
    truth = about(lambda x: mlece.Poisson(rate=np.exp(x)), {"x": [-1.0, 0.0, 1.5]})
    assert near(mlece.entropy(truth), np.mean([mlece.Poisson(rate=r).entropy() for r in rates]))


def test_divergences_between_conditional_laws() -> None:
    assert mlece.kl_divergence(QUADRATIC, QUADRATIC) == 0
    # E (x² − a − x²)²/2 = a²/2, to the last digits where the difference of entropies has none.
    a = 1e-5
    near_by = mlece.kl_divergence(QUADRATIC, lambda x: mlece.Gaussian(mean=x**2 + a, sd=1))
    assert near_by == pytest.approx(a * a / 2, rel=1e-8)
    other = mlece.cross_entropy(QUADRATIC, lambda x: mlece.Gaussian(mean=0 * x, sd=2))
    assert near(other, 0.5 * math.log(8 * math.pi) + 4 / 8)
    assert mlece.cross_entropy(QUADRATIC, lambda x: mlece.Uniform(lower=x, upper=x + 1)) == math.inf


# ---------------------------------------------------------------------------- infinite


def test_infinite_cross_entropies_are_told() -> None:
    heavy = about(lambda x: mlece.StudentT(df=1.5, loc=x, scale=1))
    found = mlece.pseudo_true(LINE, heavy)
    assert found.gap == math.inf
    assert found.fit.certificate.status is mlece.Status.INFINITE
    # Here it is the covariate: E x⁴.
    wide = about(lambda x: mlece.Gaussian(mean=x**2, sd=1), mlece.StudentT(df=3.5, loc=0, scale=1))
    assert mlece.fit(LINE, wide).cross_entropy == math.inf
    outside = mlece.fit(mlece.Exponential(rate="x"), QUADRATIC)
    assert outside.cross_entropy == math.inf
    assert "outside" in outside.certificate.sentence


def test_infinite_variances_are_told() -> None:
    found = mlece.pseudo_true(LINE, about(lambda x: mlece.StudentT(df=3, loc=x, scale=1)))
    assert near(list(found.params.values()), [0, 1, math.sqrt(3)])
    assert found.variance_ratio["sd"] == math.inf
    assert near(found.variance_ratio["mean[x]"], 1)


def test_tails_of_a_joint_rule() -> None:
    law = mlece.StudentT(df=5, loc=0, scale=1)
    grid = product((mlece.sources.distribution.nodes(law, 5),))
    rule = row_nodes(mlece.StudentT(df=5, loc=np.zeros(grid.count), scale=1), grid, 5)
    x = grid.laws[0].values[rule.row]
    y = rule.values
    # Four moments of each, whatever the signs.
    assert near(expectation(rule, x**2 * y**2), (5 / 3) ** 2)
    assert near(expectation(rule, x**4 + y**4), 50)
    assert tail_divergent(rule, x**5)
    assert tail_divergent(rule, np.sign(x) * y**5)
    assert not tail_divergent(rule, np.sign(x) * np.abs(y) ** 4.9)
    assert expectation(rule, np.abs(y) ** 5) == math.inf


# ---------------------------------------------------------------------------- data, ledgers


def test_draws_follow_the_truth() -> None:
    y, given = QUADRATIC.sample(20_000, rng=1)
    x = given["x"]
    assert y.shape == x.shape == (20_000,)
    rest = y - x**2
    for values, mean, se in ((x, 0, 1), (x**2, 1, math.sqrt(2)), (rest, 0, 1), (rest * x, 0, 1)):
        assert abs(values.mean() - mean) < 5 * se / math.sqrt(20_000)
    rows = about(lambda x: mlece.Poisson(rate=x), {"x": [1.0, 5.0]}, weights=[3, 1])
    y, given = rows.sample(4_000, rng=1)
    assert set(given["x"]) == {1.0, 5.0}
    assert abs((given["x"] == 5.0).mean() - 0.25) < 5 * math.sqrt(0.1875 / 4_000)
    assert mlece.conditional_truth(y=lambda x: X, x=X).sample(3, rng=1)[0].shape == (3,)


def test_ledger_of_fits_to_data() -> None:
    y, given = QUADRATIC.sample(400, rng=1)
    fit = mlece.fit(LINE, y, given=given)
    account = mlece.ledger(QUADRATIC, fit)
    assert near(account.floor, 0.5 * math.log(2 * math.pi * math.e))
    assert near(account.approximation, 0.5 * math.log(3))
    assert near(account.floor + account.approximation + account.estimation, account.total)
    # E (x² − a − bx)² + 1 = 3 + (1 − a)² + b².
    a, b, sd = fit.params.values()
    spread = 3 + (1 - a) ** 2 + b**2
    wanted = 0.5 * math.log(2 * math.pi * sd**2) + spread / (2 * sd**2)
    assert near(account.total, wanted)
    assert near(mlece.cross_entropy(QUADRATIC, fit), wanted)
    assert near(mlece.kl_divergence(QUADRATIC, fit), account.approximation + account.estimation)
    batch = mlece.fit(LINE, np.stack([y, y[::-1]]), given=given)
    accounts = mlece.ledger(QUADRATIC, batch)
    assert near(accounts.total[0], wanted)
    assert near(accounts.total[1], mlece.ledger(QUADRATIC, batch[1]).total)


@pytest.mark.parametrize(
    ("truth", "model", "trace"),
    [(PROBIT, mlece.Bernoulli(p="x"), 1.960282461), (QUADRATIC, LINE, 25 / 3)],
)
def test_ledger_of_a_sample_size(truth: ConditionalTruth, model: Any, trace: float) -> None:
    n = 300
    account = mlece.ledger(truth, model, n=n, replicates=99, rng=1)
    # tr(A⁻¹B)/(2n) but for terms in n^-2.
    assert abs(account.estimation - trace / (2 * n)) < 4 * account.se["estimation"]
    assert abs(account.optimism - trace / n) < 4 * account.se["optimism"]
    assert "simulated 99 times" in account.how


# ---------------------------------------------------------------------------- what it prints, refusals


def test_text() -> None:
    found = mlece.pseudo_true(LINE, QUADRATIC)
    assert "Gaussian given covariates nearest to conditional truth (x ~ Gaussian" in str(found)
    assert "× √n" in str(found.fit)
    assert "5 rows" in repr(about(lambda x: mlece.Poisson(rate=x), {"x": np.ones(5)}))
    assert near(found.fit.predict({"x": [0.0, 2.0]}).mean, [1, 1])


def test_refusals() -> None:
    with pytest.raises(mlece.errors.DataTypeError, match="predictor in a slot"):
        mlece.fit(mlece.Gaussian(), QUADRATIC)
    with pytest.raises(mlece.errors.DataTypeError, match="conditional_truth"):
        mlece.fit(LINE, X)
    with pytest.raises(mlece.errors.ComparisonError, match="reverse projection"):
        mlece.reverse_projection(LINE, about(lambda x: mlece.Gaussian(mean=x, sd=1), {"x": [0, 1]}))
    with pytest.raises(mlece.errors.ComparisonError, match="one measure"):
        mlece.fit(mlece.Poisson(rate="x"), QUADRATIC)
    with pytest.raises(mlece.errors.DataError, match="no frame"):
        mlece.fit(LINE, QUADRATIC, given={"x": [1.0]})
    with pytest.raises(mlece.errors.DataTypeError, match="function from covariates"):
        about(mlece.Gaussian(mean=0, sd=1))
    with pytest.raises(mlece.errors.DataTypeError, match="from y"):
        mlece.entropy(about(lambda x: x))
    with pytest.raises(mlece.errors.DataError, match="one law of the response for each"):
        mlece.entropy(about(lambda x: mlece.Poisson(rate=[1.0, 2.0])))
    with pytest.raises(mlece.errors.FreeSlotError):
        mlece.entropy(about(lambda x: mlece.Gaussian(mean=x)))
    with pytest.raises(mlece.errors.FreeSlotError):
        about(lambda x: mlece.Poisson(rate=1), mlece.Gaussian(mean=0))
    with pytest.raises(mlece.errors.NoDensityError, match="numbers or labels"):
        about(lambda x: mlece.Poisson(rate=1), mlece.MultivariateGaussian([0, 0], [[1, 0], [0, 1]]))
    with pytest.raises(mlece.errors.DataError, match="weights with a sample"):
        about(lambda x: mlece.Poisson(rate=1), weights=[1.0])
    with pytest.raises(mlece.errors.DataTypeError, match="a column for each"):
        about(lambda x, z: mlece.Poisson(rate=1), {"x": X, "z": [1.0]})
    with pytest.raises(mlece.errors.UnknownNameError):
        mlece.fit(mlece.Gaussian(mean="age"), QUADRATIC)
    three = about(lambda x, z: mlece.Gaussian(mean=x + z, sd=1), {"x": X, "z": X})
    with pytest.raises(mlece.errors.NoDensityError, match="Give points of the covariates"):
        mlece.fit(mlece.Gaussian(mean="x + z"), three)
