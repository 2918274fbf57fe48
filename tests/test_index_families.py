"""Families of real indices: binomial, categorical and ordinal laws far beyond where probabilities round."""

from __future__ import annotations

import pickle
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import mlece
from mlece import Ordinal, Status, errors
from mlece.families.index import CategoricalLogits, SoftCategoricalLogits, binomial_index
from mlece.families.ordinal import ORDINAL_LINKS
from mlece.links.bijection import LINKS, UnitLink
from mlece.model import Model
from mlece.regression.reading import read
from mlece.testing import PROPERTIES

UNIT = [name for name, link in LINKS.items() if isinstance(link, UnitLink)]
MEMBERS: list[Model] = [
    *(binomial_index(name)(index=-1.3) for name in UNIT),
    *(binomial_index(name, "binomial")(n=7, index=0.4) for name in UNIT),
    *(binomial_index(name, "geometric")(index=-0.4) for name in UNIT),
    *(Ordinal([-1, 0.2, 1.5], location=0.7, link=name) for name in ORDINAL_LINKS),
    Ordinal([0.3]),
    CategoricalLogits([0.3]),
    CategoricalLogits([0.3, -1.2, 2]),
]


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("member", MEMBERS, ids=repr)
def test_property(member: Model, name: str) -> None:
    PROPERTIES[name](member, np.random.default_rng(20260101))


@pytest.mark.parametrize("member", MEMBERS, ids=repr)
def test_pickling_and_the_law_that_users_know(member: Model) -> None:
    assert pickle.loads(pickle.dumps(member)) == member
    if isinstance(member, Ordinal):
        return
    law = member.respond(**member.slots)  # type: ignore[attr-defined]
    y = np.unique(member.sample(20, rng=1))
    np.testing.assert_allclose(law.log_density(y), member.log_density(y), rtol=1e-13)


@pytest.mark.parametrize("name", UNIT)
@pytest.mark.parametrize("eta", [-12.0, 0.5, 5.0, 6.5])
def test_failures_before_a_success_at_far_indices(name: str, eta: float) -> None:
    law = binomial_index(name, "geometric")(index=eta)
    for y in (0, 1, 30):
        with mp.workdps(400):
            log_f, log_rest = mp_pair(name, mp.mpf(eta))
            exact = float(log_f + y * log_rest)
        assert float(law.log_density(float(y))) == pytest.approx(exact, rel=1e-14)


def test_a_regression_of_waiting_times_keeps_its_digits_where_success_is_sure() -> None:
    x = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    known = read(
        mlece.Geometric(p="x"), np.array([1.0, 4, 0, 0, 2]), {"x": x}, None, "y", "frequency"
    )
    theta = np.array([[0.5]]), np.array([[39.5]])
    logs = known.model.log_density_hook(known.model.statistics(known.sample.values), theta)[0]
    far = [-np.exp(-40.0), -np.exp(-40.0), -80 - 3 * np.exp(-40.0)]
    np.testing.assert_allclose(logs[2:], far, rtol=1e-15)


def test_waiting_times_that_covariates_separate() -> None:
    x = np.array([0.0, 0, 0, 1, 1])
    fit = mlece.fit(mlece.Geometric(p="x"), [3, 1, 2, 0, 0], given={"x": x})
    assert fit.certificate.status is Status.NOT_ATTAINED
    # One success in three trials, where any wait was long; no wait costs nothing in the limit.
    assert fit.params["p[Intercept]"] == pytest.approx(np.log(0.5), rel=1e-12)
    assert fit.params["p[x]"] == np.inf
    alone = mlece.fit(mlece.Geometric(), [3, 1, 2])
    assert fit.cross_entropy == pytest.approx(0.6 * alone.cross_entropy, rel=1e-12)


@pytest.mark.parametrize("name", UNIT)
def test_binomial_mass_of_many_trials_and_far_indices(name: str) -> None:
    link = LINKS[name]
    law = binomial_index(name, "binomial")
    for n, y, eta in (
        (10**9, 2 * 10**8, -0.84),
        (40, 3, -12.0),
        (5, 1, 6.0),
        (10**6, 10**6 - 1, 3.0),
    ):
        with mp.workdps(60):
            log_f, log_rest = mp_pair(name, mp.mpf(eta))
            coefficient = mp.loggamma(n + 1) - mp.loggamma(y + 1) - mp.loggamma(n - y + 1)
            exact = float(coefficient + y * log_f + (n - y) * log_rest)
        got = float(law(n=n, index=eta).log_density(y))
        # The logarithms of both shares are rounded, and stand y and n - y times.
        rounding = 4e-16 * (y * abs(float(log_f)) + (n - y) * abs(float(log_rest))) / abs(exact)
        assert got == pytest.approx(exact, rel=4e-15 + rounding), (n, y, eta, link)


def mp_pair(name: str, eta: Any) -> tuple[Any, Any]:
    below = {
        "logit": lambda e: 1 / (1 + mp.exp(-e)),
        "probit": lambda e: mp.erfc(-e / mp.sqrt(2)) / 2,
        "cloglog": lambda e: -mp.expm1(-mp.exp(e)),
        "loglog": lambda e: mp.exp(-mp.exp(-e)),
        "cauchit": lambda e: mp.mpf(0.5) + mp.atan(e) / mp.pi,
    }
    mirror = {"cloglog": "loglog", "loglog": "cloglog"}.get(name, name)
    return mp.log(below[name](eta)), mp.log(below[mirror](-eta))


@pytest.mark.parametrize("name", ORDINAL_LINKS)
def test_ordinal_density_and_derivatives_far_out(name: str) -> None:
    """A label between two cut points in both tails, against 160 digits."""
    cuts = [-1.0, 0.25, 4.0]
    # At -5.5 the cells of cloglog hold down to 1e-5800.
    for place in (-5.5, 0.3, 6.0):
        theta = [np.array([[v]]) for v in (*cuts, place)]
        law = Ordinal(cuts, link=name, labels=range(4))
        y = np.arange(4.0)[None, :]
        value, score = law._log_density(y, *theta), law._score(y, *theta)
        bends = law._curvature(y, *theta)

        def log_mass(k: int, *at: Any) -> Any:
            ends = (-mp.inf, *(cut - at[-1] for cut in at[:-1]), mp.inf)
            low, high = ends[k], ends[k + 1]
            side = int(low + high > 0)  # the nearer tail
            outside = (mp.mpf(0), mp.mpf(1)) if side == 0 else (mp.mpf(1), mp.mpf(0))
            shares = [
                outside[int(e > 0)] if mp.isinf(e) else mp.exp(mp_pair(name, e)[side])
                for e in (low, high)
            ]
            return mp.log(abs(shares[1] - shares[0]))

        with mp.workdps(160):
            at = [mp.mpf(v) for v in (*cuts, place)]
            for k in range(4):
                # A mass of e^-t carries the rounding of t, and derivatives that are t its own.
                assert float(value[0, k]) == pytest.approx(float(log_mass(k, *at)), rel=3e-14)
                place_in = 0
                for i in range(4):
                    order = tuple(int(j == i) for j in range(4))
                    exact = float(mp.diff(lambda *a, k=k: log_mass(k, *a), at, order))
                    got = float(np.broadcast_to(score[i], y.shape)[0, k])
                    assert got == pytest.approx(exact, rel=1e-12, abs=1e-200)
                    for j in range(i, 4):
                        order = tuple(int(m == i) + int(m == j) for m in range(4))
                        exact = float(mp.diff(lambda *a, k=k: log_mass(k, *a), at, order))
                        got = float(np.broadcast_to(bends[place_in], y.shape)[0, k])
                        assert got == pytest.approx(exact, rel=1e-11, abs=1e-200)
                        place_in += 1


def test_ordinal_where_cut_points_cross_has_no_density() -> None:
    theta = [np.array([[v]]) for v in (1.0, 0.0, 0.0)]
    with np.errstate(all="ignore"):
        value = Ordinal(labels=range(3))._log_density(np.array([[1.0]]), *theta)
    assert not np.isfinite(value).any()
    with pytest.raises(errors.ParameterError, match="do not decrease"):
        Ordinal([1.0, 0.0])


@pytest.mark.parametrize("name", ORDINAL_LINKS)
def test_cut_points_alone_reproduce_the_shares(name: str) -> None:
    fit = mlece.fit(Ordinal(link=name), [3, 1, 1, 2, 5, 5, 5, 3])
    np.testing.assert_allclose(
        fit.model.density([1, 2, 3, 5]), np.array([2, 1, 2, 3]) / 8, rtol=1e-14
    )
    assert fit.certificate.status is Status.OPTIMAL


def test_the_order_comes_from_the_categories() -> None:
    pd = pytest.importorskip("pandas")
    pl = pytest.importorskip("polars")
    values, order = ["low", "high", "mid", "low"], ["low", "mid", "high"]
    by_pandas = pd.Series(pd.Categorical(values, categories=order, ordered=True))
    by_polars = pl.Series(values, dtype=pl.Enum(order))
    fits = [mlece.fit(Ordinal(), data) for data in (by_pandas, by_polars)]
    fits.append(mlece.fit(Ordinal(labels=order), values))
    assert all(fit.model == fits[0].model for fit in fits)
    assert list(fits[0].params) == ["cut[low]", "cut[mid]", "location"][: len(fits[0].params)]
    for data in (values, pd.Series(values, dtype="category")):
        with pytest.raises(errors.DataError, match=r"order is known.*Ordinal\(labels="):
            mlece.fit(Ordinal(), data)


def test_an_unseen_label_of_the_order() -> None:
    end = mlece.fit(Ordinal(labels="abc"), list("abb"))
    assert end.certificate.status is Status.NOT_ATTAINED
    between = mlece.fit(Ordinal(labels="abc"), list("acc"))
    assert between.certificate.status is Status.BOUNDARY
    assert between.model.density(["b"]) == 0


def test_categorical_logits_far_out() -> None:
    law = CategoricalLogits(labels="abc")
    theta = [np.array([[v]]) for v in (900.0, -700.0)]
    t = law.statistics(np.arange(3.0)[None, :])
    np.testing.assert_allclose(
        law._log_density(t, *theta), [[-900.0, 0.0, -1600.0]], atol=0, rtol=1e-15
    )
    near = [np.array([[v]]) for v in (40.0, -3.0)]
    # log p = -log(1 + e^-40 + e^-43), and its score 1 - p.
    rest = np.exp(-40.0) + np.exp(-43.0)
    assert law._log_density(t, *near)[0, 1] == pytest.approx(-rest, rel=1e-14)
    assert law._score(t, *near)[0][0, 1] == pytest.approx(rest, rel=1e-14)


def test_rows_of_probabilities() -> None:
    rows = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]])
    fit = mlece.fit(SoftCategoricalLogits(), rows)
    share = rows.mean(axis=0)
    np.testing.assert_allclose(list(fit.params.values()), np.log(share[1:] / share[0]), rtol=1e-13)
    assert float(fit.cross_entropy) == pytest.approx(-(share * np.log(share)).sum(), rel=1e-14)
    for place, value in ((0, 0.3), (1, -0.1)):
        bad = rows.copy()
        bad[1, place] = value
        with pytest.raises(errors.DataError, match="1 of 3 rows that do not, the first in row 1"):
            mlece.fit(SoftCategoricalLogits(), bad)


def test_soft_targets_weigh_both_outcomes() -> None:
    law = binomial_index("cloglog", "soft")
    fit = mlece.fit(law(), [0.2, 0.7, 0.1])
    assert fit.params["index"] == pytest.approx(np.log(-np.log1p(-1 / 3)), rel=1e-14)
    assert set(fit.model.sample(50, rng=0)) == {0.0, 1.0}


def test_a_sample_of_one_outcome() -> None:
    fit = mlece.fit(binomial_index("probit")(), [1, 1, 1])
    assert fit.certificate.status is Status.NOT_ATTAINED
    assert fit.params["index"] == np.inf


def test_a_link_of_something_else_is_refused() -> None:
    with pytest.raises(errors.ParameterError, match="link of a probability"):
        binomial_index("log")
    with pytest.raises(errors.ParameterError, match="link of Ordinal"):
        Ordinal(link="cauchit")


@pytest.mark.parametrize("trials", [2, [4, 4, 2, 4, 4], "m"])
def test_more_successes_than_trials_are_refused_in_the_words_of_the_user(trials: Any) -> None:
    given = {"x": np.arange(5.0), "m": [4.0, 4.0, 2.0, 4.0, 4.0]}
    model = mlece.Binomial(n=trials, p="x")
    with pytest.raises(
        mlece.errors.SupportError, match=r"support of Binomial given covariates, 0 to 2; .*3"
    ):
        mlece.fit(model, [1, 2, 3, 1, 2], given=given)
    with pytest.raises(
        mlece.errors.SupportError, match=r"support of Bernoulli, a number in \[0, 1\]"
    ):
        mlece.fit(mlece.Bernoulli(p="x"), [0.0, 0.5, 0.2, 1.3, 0.0], given=given)
