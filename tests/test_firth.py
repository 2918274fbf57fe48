"""Jeffreys' prior for labels, orders and counts: brglm2, closed forms, scipy, and what has no maximum."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, ndtr
from scipy.stats import norm

import mlece
from mlece import errors
from mlece.families.index import CategoricalLogits, binomial_index
from mlece.fits.covariance import fisher_information
from mlece.numerics.jets import variables
from mlece.regression import firth
from mlece.testing import PROPERTIES

REFERENCE = Path(__file__).parent / "reference"
FIRTH = json.loads((REFERENCE / "firth.json").read_text(encoding="utf-8"))
ENDOMETRIAL = json.loads((REFERENCE / "separation.json").read_text(encoding="utf-8"))["endometrial"]
# Newton's method ends where the square of its decrement is rounding: 1e-8 standard errors.
SOLVED = 1e-7
X = {"x": np.arange(1.0, 10.0)}
ORDERED = list("aaabbbccc")


def alligators() -> Any:
    known = FIRTH["alligators"]
    counts = np.array(known["counts"], dtype=float)
    lakes, _, sizes = np.array(known["cells"]).T
    given = {"big": (sizes == ">2.3").astype(float)}
    given |= {lake: (lakes == lake).astype(float) for lake in known["columns"][2:]}
    rows, foods = np.nonzero(counts)
    return mlece.fit(
        mlece.Categorical(p=" + ".join(given), labels=known["foods"]),
        np.array(known["foods"])[foods],
        given={name: column[rows] for name, column in given.items()},
        weights=counts[rows, foods],
        penalty="firth",
    )


def test_log_ratios_of_labels_are_those_of_brglm2() -> None:
    fit, known = alligators(), FIRTH["alligators"]
    expected = np.concatenate(list(known["estimates"].values()))
    assert list(fit.params.values()) == pytest.approx(expected, abs=SOLVED)
    assert fit.certificate.status.name == "OPTIMAL"
    # There they come of the expected information alone.
    spread = np.sqrt(np.diag(np.linalg.inv(fisher_information(fit)[0]))) / np.sqrt(fit.n)
    assert spread == pytest.approx(
        np.concatenate(list(known["standard_errors"].values())), abs=2e-8
    )


def test_separated_labels_have_finite_estimates() -> None:
    plain = mlece.fit(mlece.Categorical(p="x"), ORDERED, given=X)
    assert plain.certificate.status.name == "NOT_ATTAINED"
    assert "penalty='firth' or penalty=mlece.ridge(strength)" in plain.certificate.sentence
    fit = mlece.fit(mlece.Categorical(p="x"), ORDERED, given=X, penalty="firth")
    expected = np.concatenate(list(FIRTH["separated_labels"]["estimates"].values()))
    assert list(fit.params.values()) == pytest.approx(expected, abs=SOLVED)
    assert np.isfinite(fit.covariance()).all()
    assert "'firth', Jeffreys' prior" in str(fit)
    low, high = fit.interval(method="profile")["p[b, x]"]
    assert np.isfinite(low)
    assert low < fit.params["p[b, x]"] < high


@pytest.mark.parametrize("link", ["probit", "cloglog"])
def test_other_links_of_separated_responses(link: str) -> None:
    fit = mlece.fit(
        mlece.Bernoulli(p=mlece.linear("NV + PI + EH", link=link)),
        "HG",
        given=ENDOMETRIAL["data"],
        penalty="firth",
    )
    expected = FIRTH["endometrial_jeffreys"][link]
    assert list(fit.params.values()) == pytest.approx(expected, abs=SOLVED)


# Distribution function, its complement and density.
TAILS = {
    "logit": (expit, lambda z: expit(-z), lambda z: expit(z) * expit(-z)),
    "probit": (ndtr, lambda z: ndtr(-z), norm.pdf),
    "cloglog": (
        lambda z: -np.expm1(-np.exp(z)),
        lambda z: np.exp(-np.exp(z)),
        lambda z: np.exp(z - np.exp(z)),
    ),
    "loglog": (
        lambda z: np.exp(-np.exp(-z)),
        lambda z: -np.expm1(-np.exp(-z)),
        lambda z: np.exp(-z - np.exp(-z)),
    ),
}


def _ordinal_oracle(link: str, x: np.ndarray, codes: np.ndarray, w: np.ndarray, start: Any) -> Any:
    """Return the minimiser of minus the penalised log-likelihood, by scipy without derivatives."""
    cdf, rest, density = TAILS[link]
    cells = int(codes.max()) + 1

    def objective(theta: np.ndarray) -> float:
        cuts, slopes = theta[: cells - 1], theta[cells - 1 :]
        if (np.diff(cuts) <= 0).any():
            return 1e6
        u = cuts - (x @ slopes)[:, None]
        zeros, ones = np.zeros((len(x), 1)), np.ones((len(x), 1))
        below = np.concatenate([zeros, cdf(u), ones], axis=1)
        above = np.concatenate([ones, rest(u), zeros], axis=1)
        p = np.where(below[:, 1:] < above[:, :-1], np.diff(below), -np.diff(above))
        own = p[np.arange(len(x)), codes]
        if (own <= 0).any():
            return 1e6
        f = np.concatenate([zeros, density(u), zeros], axis=1)
        total = 0.0
        for k in range(cells):
            move = np.zeros((len(x), len(theta)))
            if k < cells - 1:
                move[:, k] += f[:, k + 1]
            if k > 0:
                move[:, k - 1] -= f[:, k]
            move[:, cells - 1 :] = (f[:, k] - f[:, k + 1])[:, None] * x
            # A probability that underflows has derivatives that do so as well.
            total = total + (move.T * np.where(p[:, k] > 0, w / np.fmax(p[:, k], 1e-300), 0)) @ move
        log_det = np.linalg.slogdet(total)[1]
        return float(-(w @ np.log(own)) - 0.5 * log_det)

    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 40_000, "maxfev": 40_000}
    found = minimize(objective, start, method="Nelder-Mead", options=options)
    return minimize(objective, found.x, method="Nelder-Mead", options=options).x


@pytest.mark.parametrize("separated", [False, True])
@pytest.mark.parametrize("link", TAILS)
def test_ordered_labels_against_scipy(link: str, separated: bool) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=30), rng.normal(size=30)
    codes = np.digitize(a if separated else a + rng.logistic(size=30), [-0.5, 0.6])
    w = rng.integers(1, 4, 30).astype(float)
    model = mlece.Ordinal(location="a + b", link=link)
    fit = mlece.fit(model, codes, given={"a": a, "b": b}, weights=w, penalty="firth")
    assert fit.certificate.status.name == "OPTIMAL"
    found = np.array(list(fit.params.values()))
    start = found + 0.05 * np.array([-1.0, 1.0, 1.0, -1.0])
    expected = _ordinal_oracle(link, np.column_stack([a, b]), codes, w, start)
    # A minimum is known to the root of the rounding of a sum of about 100 nats.
    assert found == pytest.approx(expected, abs=5e-6)
    if separated:
        plain = mlece.fit(model, codes, given={"a": a, "b": b}, weights=w)
        assert "penalty='firth'" in plain.certificate.sentence


def test_two_labels_are_a_binary_response() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=25)
    y = (x + rng.normal(size=25) > 0).astype(int)
    binary, labels, order = (
        mlece.fit(model, y, given={"x": x}, penalty="firth")
        for model in (mlece.Bernoulli(p="x"), mlece.Categorical(p="x"), mlece.Ordinal(location="x"))
    )
    expected = np.array(list(binary.params.values()))
    assert list(labels.params.values()) == pytest.approx(expected, abs=SOLVED)
    assert list(order.params.values()) == pytest.approx(expected * [-1, 1], abs=SOLVED)
    assert labels.penalty == pytest.approx(binary.penalty, rel=1e-9)
    assert order.penalty == pytest.approx(binary.penalty, rel=1e-9)


def test_modes_in_closed_form() -> None:
    given = {"x": np.ones(6)}
    labels = mlece.fit(mlece.Categorical(p="1"), list("aabbbc"), given=given, penalty="firth")
    # Jeffreys' prior of log-ratios is Dirichlet(1/2) for the probabilities, times their product.
    shares = (np.array([2, 3, 1]) + 0.5) / (6 + 1.5)
    expected = np.log(shares[1:] / shares[0])
    assert list(labels.params.values()) == pytest.approx(expected, abs=SOLVED)
    waits = mlece.fit(mlece.Geometric(p="1"), np.zeros(6), given=given, penalty="firth")
    # The information in the logit is 1 − p: half a failure more.
    assert expit(waits.params["p[Intercept]"]) == pytest.approx(6 / 6.5, rel=1e-8)
    model = mlece.NegativeBinomial(mean="1", size=2.5)
    counts = mlece.fit(model, [0, 0, 1, 0, 0, 3], given=given, penalty="firth")
    # In the log mean it is r μ/(r + μ): half a count more.
    assert np.exp(counts.params["mean[Intercept]"]) == pytest.approx(4.5 / 6, rel=1e-8)
    y = np.array([1.0, 2.0, 4.0, 3.0, 0.5, 7.0])
    for constant in (mlece.Exponential(rate="x"), mlece.MeanGamma(mean="x", shape=2.0)):
        column = {"x": np.arange(6.0)}
        with_prior = mlece.fit(constant, y, given=column, penalty="firth")
        without = mlece.fit(constant, y, given=column)
        expected = list(without.params.values())
        assert list(with_prior.params.values()) == pytest.approx(expected, abs=SOLVED)


def test_the_penalty_is_that_of_the_coefficients_in_their_own_units() -> None:
    x = np.arange(6.0)
    fit = mlece.fit(mlece.Exponential(rate="x"), 1e3 * (1.0 + x), given={"x": x}, penalty="firth")
    d = np.column_stack([np.ones(6), x])
    assert fit.penalty == pytest.approx(-np.linalg.slogdet(d.T @ d)[1] / 12, rel=1e-12)


def test_soft_targets_and_sets_of_weights() -> None:
    rng = np.random.default_rng(6)
    x, labels = rng.normal(size=40), rng.integers(0, 3, 40)
    hard = mlece.fit(mlece.Categorical(p="x"), labels, given={"x": x}, penalty="firth")
    soft = mlece.fit(mlece.Categorical(p="x"), np.eye(3)[labels], given={"x": x}, penalty="firth")
    expected = list(hard.params.values())
    assert list(soft.params.values()) == pytest.approx(expected, abs=SOLVED)
    w = rng.integers(1, 4, size=(2, 40)).astype(float)
    for model in (mlece.Categorical(p="x"), mlece.Ordinal(location="x")):
        batch = mlece.fit(model, labels, given={"x": x}, weights=w, penalty="firth")
        for r in range(2):
            one = mlece.fit(model, labels, given={"x": x}, weights=w[r], penalty="firth")
            own = [v[r] for v in batch.params.values()]
            assert own == pytest.approx(list(one.params.values()), abs=SOLVED)
            assert batch.penalty[r] == pytest.approx(one.penalty, rel=1e-9)


def test_trials_by_row_offsets_and_sparse_columns() -> None:
    rng = np.random.default_rng(11)
    x, trials, shift = rng.normal(size=12), rng.integers(1, 6, 12), rng.normal(size=12)
    y = rng.binomial(trials, 0.4)
    p = mlece.linear("x", offset="shift")
    table = {"x": x, "t": trials, "shift": shift}
    counted = mlece.fit(mlece.Binomial(n="t", p=p), y, given=table, penalty="firth")
    rows = np.repeat(np.arange(12), 2)
    single = mlece.fit(
        mlece.Bernoulli(p=p),
        np.tile([1, 0], 12),
        given={name: column[rows] for name, column in table.items()},
        weights=np.column_stack([y, trials - y]).ravel().astype(float),
        penalty="firth",
    )
    assert list(counted.params.values()) == pytest.approx(list(single.params.values()), abs=SOLVED)
    columns = rng.normal(size=(40, 2))
    labels = rng.integers(0, 3, 40)
    model = mlece.Categorical(p=mlece.linear())
    dense, thin = (
        mlece.fit(model, labels, given=given, penalty="firth")
        for given in (columns, sparse.csr_array(columns))
    )
    assert list(thin.params.values()) == pytest.approx(list(dense.params.values()), abs=SOLVED)


@pytest.mark.parametrize("model", [mlece.Categorical(p="x"), mlece.Ordinal(location="x")], ids=str)
def test_blocks_of_rows_come_to_the_same(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=50), rng.integers(0, 3, 50)
    whole = mlece.fit(model, labels, given={"x": x}, penalty="firth")
    monkeypatch.setattr(firth, "_BLOCK", 500)
    parts = mlece.fit(model, labels, given={"x": x}, penalty="firth")
    assert list(parts.params.values()) == pytest.approx(list(whole.params.values()), abs=SOLVED)
    assert parts.penalty == pytest.approx(whole.penalty, rel=1e-12)


def test_a_label_between_others_that_was_not_seen_leaves_no_mode() -> None:
    model = mlece.Ordinal(location="x", labels=["low", "some", "more", "high"])
    y = ["low", "low", "more", "low", "more", "high", "more", "high", "high"]
    fit = mlece.fit(model, y, given=X, penalty="firth")
    assert fit.certificate.status.name == "UNBOUNDED"
    assert "a label between others was not observed" in fit.certificate.sentence
    # At the ends the likelihood alone keeps nothing, the prior does.
    ends = mlece.Ordinal(location="x", labels=["none", "low", "more", "high", "all"])
    fit = mlece.fit(ends, y, given=X, penalty="firth")
    assert fit.certificate.status.name == "OPTIMAL"
    assert np.isfinite(list(fit.params.values())).all()


REFUSED = [
    mlece.NegativeBinomial(mean="x"),
    mlece.Poisson(rate=mlece.linear("x", link="identity")),
    mlece.Poisson(rate=mlece.linear("x", link="sqrt")),
    mlece.Gaussian(mean="x"),
]


@pytest.mark.parametrize("model", REFUSED, ids=str)
def test_what_may_have_no_mode_or_is_not_known_is_refused(model: Any) -> None:
    with pytest.raises(errors.ParameterError, match="a known size"):
        mlece.fit(model, np.arange(1.0, 10.0), given=X, penalty="firth")


INDICES = [
    *(binomial_index(link)(index=0.7) for link in ("logit", "probit", "cloglog", "cauchit")),
    binomial_index("loglog", "binomial")(n=7, index=-1.3),
    CategoricalLogits([0.4, -1.1, 0.2], labels=range(4)),
    mlece.Ordinal([-1.0, 0.3, 0.9], location=0.4, link="cloglog", labels=range(4)),
]


@pytest.mark.parametrize("member", INDICES, ids=repr)
def test_jets_of_the_information_carry_its_derivatives(member: Any) -> None:
    PROPERTIES["information"](member, np.random.default_rng(0))


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_information_far_out_is_finite(link: str) -> None:
    cuts = [-2000.0, -40.0, 0.0, 30.0, 900.0]
    model = mlece.Ordinal(cuts, link=link, labels=range(6))
    with np.errstate(all="ignore"):
        found = model._information(*variables(*model.theta))
    for jet in found.values():
        assert np.isfinite(jet.parts()).all()
