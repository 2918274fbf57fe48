"""Entropy, cross-entropy and divergence between known laws; the losses of classification."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.families import (
    Beta,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Gumbel,
    Laplace,
    Logistic,
    LogNormal,
    Poisson,
    StudentT,
    Uniform,
    Weibull,
)
from mlece.information import (
    central_moment,
    cross_entropy,
    entropy,
    kl_divergence,
    varentropy,
)
from mlece.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    softmax_cross_entropy,
)

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = {
    "value": 1e-12,  # where refinement stops, relative to max(1, |value|)
    "small": 1e-8,  # relative, of divergences of 1e-7: the log ratio itself is rounded to 1e-16
}
EULER = float(mpmath.euler)


def poisson_surprise(k):
    """Return -p log p of the Poisson law of mean 3."""
    log_p = -3 + k * mpmath.log(3) - mpmath.loggamma(k + 1)
    return -mpmath.exp(log_p) * log_p


# Closed forms of the divergence to the nearest member of a family; each follows from the moments of
# the first law (White 1982, Econometrica 50, 1-25, for the setting).
PAIRS = [
    (Exponential(1), Gaussian(1, 1), 0.5 * np.log(2 * np.pi) - 0.5),
    (Gaussian(0, 1), Laplace(0, np.sqrt(2 / np.pi)), 0.5 + np.log(2 / np.pi)),
    (Laplace(0, 1), Gaussian(0, np.sqrt(2)), 0.5 * np.log(np.pi) - 0.5),
    (Logistic(0, 1), Gaussian(0, np.pi / np.sqrt(3)), 0.5 * np.log(2 * np.e * np.pi**3 / 3) - 2),
    (Gamma(2, 1), Exponential(0.5), np.log(2) - EULER),
    (LogNormal(0, 1), Exponential(np.exp(-0.5)), 1 - 0.5 * np.log(2 * np.pi)),
    (
        Poisson(3),
        Geometric(0.25),
        4 * np.log(4)
        - 3 * np.log(3)
        - float(mpmath.nsum(poisson_surprise, [0, 120])),
    ),
    (Uniform(0, 1), Uniform(0, 2), np.log(2)),
]  # fmt: skip


@pytest.mark.parametrize(("p", "q", "value"), PAIRS, ids=str)
def test_divergence_between_families(p, q, value):
    assert kl_divergence(p, q) == pytest.approx(value, abs=TOLERANCE["value"])
    assert cross_entropy(p, q) - entropy(p) == pytest.approx(value, abs=1e-11)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (Uniform(0, 2), Uniform(0, 1)),
        (Gaussian(0, 1), Exponential(1)),
        (StudentT(1, 0, 1), Gaussian(0, 1)),
        (StudentT(2, 0, 1), Gaussian(0, 1)),
        (Categorical([0.5, 0.5]), Categorical([1.0, 0.0])),
    ],
    ids=str,
)
def test_infinite_where_it_is(p, q):
    assert kl_divergence(p, q) == np.inf
    assert cross_entropy(p, q) == np.inf


SAME = [
    (Gaussian, (0.3, 1.7)),
    (Gamma, (2.5, 0.7)),
    (Gamma, (1e6, 1.0)),
    (Weibull, (2.0, 3.0)),
    (Exponential, (2.0,)),
    (Poisson, (3.0,)),
    (Laplace, (1.0, 2.0)),
    (Beta, (2.0, 3.0)),
    (StudentT, (4.0, 0.0, 1.0)),
]


@pytest.mark.parametrize(("family", "theta"), SAME, ids=str)
def test_zero_for_equal_positive_for_near(family, theta):
    p = family(*theta)
    assert kl_divergence(p, family(*theta)) == 0.0
    for step in (1e-1, 1e-4, 1e-8, 1e-12):
        value = kl_divergence(p, family(theta[0] * (1 + step), *theta[1:]))
        assert value > 0 if step > 1e-5 else value >= 0


@pytest.mark.parametrize("shift", [1e-2, 1e-4, 3.7e-4])
def test_small_divergences_keep_their_digits(shift):
    value = kl_divergence(Gaussian(0, 1), Gaussian(shift, 1))
    assert value == pytest.approx(shift**2 / 2, rel=TOLERANCE["small"])


def test_far_locations_cost_no_digits():
    assert kl_divergence(Gaussian(1e9, 1), Gaussian(1e9 + 1, 1)) == pytest.approx(0.5, abs=1e-12)
    assert kl_divergence(Laplace(1e9, 1), Logistic(1e9, 1)) == pytest.approx(
        kl_divergence(Laplace(0, 1), Logistic(0, 1)), abs=TOLERANCE["value"]
    )


def test_batches_are_their_members():
    p, q = Gaussian(np.zeros(3), 1.0), Gaussian(1.0, [[1.0, 2.0, 3.0], [1e-3, 4.0, 5.0]])
    for ask in (kl_divergence, cross_entropy):
        table = ask(p, q)
        assert table.shape == (2, 3)
        for index in np.ndindex(2, 3):
            single = ask(Gaussian(0, 1), Gaussian(1.0, q.sd[index]))
            assert table[index] == pytest.approx(single, rel=1e-13)
    mixed = kl_divergence(Laplace([0.0, 1.0], 1.0), Gaussian(0, 1))
    assert mixed[1] == pytest.approx(kl_divergence(Laplace(1.0, 1.0), Gaussian(0, 1)), rel=1e-13)
    zero = kl_divergence(p, Gaussian(np.array([0.0, 1e-5, 0.0]), 1.0))
    assert zero[0] == 0.0
    assert zero[1] == pytest.approx(5e-11, rel=1e-6)


VARENTROPY = {
    "normal 1/2": Gaussian(1, 2),
    "exponential 1": Exponential(3),
    "laplace 1": Laplace(1, 2),
    "logistic 4-pi^2/3": Logistic(1, 2),
    "gumbel pi^2/6-1": Gumbel(1, 2),
    "gamma(3) (a-1)^2 psi1(a)-a+2": Gamma(3, 2),
    "t5 ((nu+1)/2)^2[psi1(nu/2)-psi1((nu+1)/2)]": StudentT(5, 1, 2),
    "weibull(2) ((k-1)/k)^2 pi^2/6 +1 -2(k-1)/k": Weibull(2, 2),
}


@pytest.mark.parametrize("key", VARENTROPY)
def test_varentropy(key):
    cases = json.loads((REFERENCE / "varentropy.json").read_text())
    expected = float(cases[key]["closed"])
    assert varentropy(VARENTROPY[key]) == pytest.approx(expected, abs=TOLERANCE["value"])


def test_varentropy_of_masses():
    assert varentropy([0.25] * 4) == 0.0
    assert varentropy([0.3, 0.7]) == pytest.approx(varentropy(Categorical([0.3, 0.7])), rel=1e-13)


@pytest.mark.parametrize(
    ("law", "density", "points"),
    [
        (Beta(2, 3), lambda y: 12 * y * (1 - y) ** 2, [0, 0.5, 1]),
        (Gumbel(0, 1), lambda y: mpmath.exp(-y - mpmath.exp(-y)), [-6, -2, 0, 2, 10, 40, 90]),
    ],
    ids=["Beta", "Gumbel"],
)
def test_closed_entropy_against_mpmath(law, density, points):
    def integrand(y):
        f = density(y)
        return -f * mpmath.log(f) if f > 0 else mpmath.mpf(0)

    assert entropy(law) == pytest.approx(float(mpmath.quad(integrand, points)), abs=1e-12)


@pytest.mark.parametrize(
    ("law", "power", "value"),
    [
        (StudentT(5, 1, 1), 1, 1.0),
        (StudentT(5, 1, 1), 4, 25.0),
        (StudentT(2, 0, 1), 2, np.inf),
        (StudentT(1, 0, 1), 1, np.nan),
        (Exponential(2), 3, 0.25),
        (Poisson(3), 3, 3.0),
    ],
    ids=str,
)
def test_central_moments(law, power, value):
    assert central_moment(law, power) == pytest.approx(value, rel=1e-11, nan_ok=True)


UNITS = [("nats", 1.0), ("bits", np.log(2)), ("hartleys", np.log(10)), (3.0, np.log(3))]


@pytest.mark.parametrize(("units", "factor"), UNITS, ids=str)
def test_units_everywhere(units, factor):
    p, q = [0.2, 0.8], [0.5, 0.5]
    for ask in (cross_entropy, kl_divergence, binary_cross_entropy):
        assert ask(p, q, units=units) == pytest.approx(ask(p, q) / factor, rel=1e-15)
    for ask in (categorical_cross_entropy, softmax_cross_entropy):
        assert ask([q], [p], units=units) == pytest.approx(ask([q], [p]) / factor, rel=1e-15)
    assert entropy(p, units=units) == pytest.approx(entropy(p) / factor, rel=1e-15)
    assert entropy(Gaussian(0, 1), units) == pytest.approx(1.4189385332046727 / factor, rel=1e-15)


def test_categories_meet_by_label():
    p, q = Categorical([0.25, 0.75], labels=("a", "b")), Categorical([0.5, 0.5], labels=("b", "a"))
    assert entropy(p) == pytest.approx(entropy([0.25, 0.75]), rel=1e-14)
    assert kl_divergence(p, q) == pytest.approx(kl_divergence([0.25, 0.75], [0.5, 0.5]), rel=1e-14)
    swapped = Categorical([0.75, 0.25], labels=("b", "a"))
    assert kl_divergence(p, swapped) == 0.0
    assert kl_divergence(p, Categorical([0.5, 0.5], labels=("a", "c"))) == np.inf


def test_vectors():
    assert kl_divergence([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2), rel=1e-15)
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert cross_entropy([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert kl_divergence([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert kl_divergence([[0.5, 0.5], [0.1, 0.9]], [0.5, 0.5]).shape == (2,)
    tiny = kl_divergence([0.5, 0.5], [0.5 + 1e-9, 0.5 - 1e-9])
    assert tiny == pytest.approx(2e-18, rel=1e-6)


@pytest.mark.parametrize(
    ("p", "q", "error", "text"),
    [
        (Poisson(3), Gaussian(0, 1), errors.ComparisonError, "measure"),
        (Poisson(3), [0.5, 0.5], errors.ComparisonError, "two models"),
        ([0.5, 0.5], [0.2, 0.3, 0.5], errors.ComparisonError, "same cells"),
        ([0.5, 0.6], [0.5, 0.5], errors.DataError, "sum to 1"),
        ([-0.5, 1.5], [0.5, 0.5], errors.DataError, r"in \[0, 1\]"),
        ([np.nan, 1.0], [0.5, 0.5], errors.DataError, r"in \[0, 1\]"),
        (Gaussian(mean=0), Gaussian(0, 1), errors.FreeSlotError, "sd"),
        ("ab", [0.5, 0.5], errors.DataTypeError, "vector"),
        (["0.5", "0.5"], [0.5, 0.5], errors.DataTypeError, "vector"),
        (Gaussian(0, 1), Gaussian, errors.ComparisonError, "Give the parameters"),
        (Poisson(3), mlece.fit(Poisson(), [1, 2]), errors.ComparisonError, "is fit.model"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_refusals(p, q, error, text):
    for ask in (cross_entropy, kl_divergence):
        with pytest.raises(error, match=text):
            ask(p, q)


def test_losses_are_exact_at_the_ends():
    loss = binary_cross_entropy([0, 1, 0, 1, 0.5], [0, 1, 1, 0, 0], reduce="none")
    assert loss.tolist() == [0.0, 0.0, np.inf, np.inf, np.inf]
    assert binary_cross_entropy([0.3], [0.3]) == pytest.approx(entropy([0.3, 0.7]), rel=1e-15)
    assert categorical_cross_entropy([[0, 1]], [[0.0, 1.0]]) == 0.0
    assert categorical_cross_entropy([[1, 0]], [[0.0, 1.0]]) == np.inf
    assert binary_cross_entropy([1.0], [1e-300]) == pytest.approx(300 * np.log(10), rel=1e-15)


def test_label_and_one_hot_agree():
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 20, (50, 4))
    labels = rng.integers(0, 4, 50)
    one_hot = np.eye(4)[labels]
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = z / z.sum(axis=1, keepdims=True)
    by_label = softmax_cross_entropy(logits, labels, reduce="none")
    assert by_label.tolist() == softmax_cross_entropy(logits, one_hot, reduce="none").tolist()
    assert categorical_cross_entropy(labels, rows) == categorical_cross_entropy(one_hot, rows)
    assert by_label.mean() == softmax_cross_entropy(logits, labels)
    assert categorical_cross_entropy(labels, rows) == pytest.approx(by_label.mean(), rel=1e-12)


def test_extreme_logits():
    logits = [[1e300, -1e300], [-1e300, 1e300], [0.0, -np.inf], [1.7e308, -1.7e308], [0.0, -50.0]]
    loss = softmax_cross_entropy(logits, [0, 0, 0, 0, 0], reduce="none")
    assert loss[:4].tolist() == [0.0, 2e300, 0.0, 0.0]
    assert loss[4] == pytest.approx(np.exp(-50.0), rel=1e-14)
    assert softmax_cross_entropy([[0.0, -np.inf]], [1]) == np.inf
    soft = softmax_cross_entropy([[2.0, 1.0]], [[0.4, 0.6]])
    assert soft == pytest.approx(float(mpmath.log(mpmath.e**2 + mpmath.e)) - 1.4, rel=1e-14)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: binary_cross_entropy([2], [0.5]),
        lambda: binary_cross_entropy([1], [1.5]),
        lambda: binary_cross_entropy([1, 0], [0.5]),
        lambda: categorical_cross_entropy([[0.5, 0.6]], [[0.5, 0.5]]),
        lambda: categorical_cross_entropy([2], [[0.5, 0.5]]),
        lambda: softmax_cross_entropy([[0.0, np.inf]], [0]),
        lambda: softmax_cross_entropy([[-np.inf, -np.inf]], [0]),
        lambda: softmax_cross_entropy([[0.0, 1.0]], [0.5]),
        lambda: softmax_cross_entropy([[0.0, 1.0]], [[0.5, 0.4]]),
        lambda: softmax_cross_entropy([[0.0, np.nan]], [0]),
    ],
)
def test_losses_refuse(ask):
    with pytest.raises(errors.DataError, match="expected"):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: softmax_cross_entropy([[0.0, 1.0]], ["a"]),
        lambda: categorical_cross_entropy(["1"], [[0.5, 0.5]]),
        lambda: binary_cross_entropy(["1"], [0.5]),
    ],
)
def test_losses_take_no_text(ask):
    with pytest.raises(errors.DataTypeError, match="as numbers"):
        ask()
