"""Incomplete data: published fits, limits of the formula, and what is refused."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlece
from mlece import errors
from mlece.model import Model

REFERENCE = Path(__file__).parent / "reference" / "incomplete_fits.json"
CASES = {c["id"]: c for c in json.loads(REFERENCE.read_text(encoding="utf-8"))["cases"]}

Map = Callable[..., tuple[float, ...]]


def _same(*theta: float) -> tuple[float, ...]:
    return theta


# Family of the file -> model, its parameters read in the file's order, and the diagonal of that map's
# derivative for standard errors.
READINGS: dict[str, tuple[Model, Map, Map]] = {
    "lnorm-censored": (mlece.LogNormal(), _same, lambda *_: (1, 1)),
    "weibull-censored": (mlece.Weibull(), _same, lambda *_: (1, 1)),
    "gamma-censored": (mlece.Gamma(), _same, lambda *_: (1, 1)),
    "logis-censored": (mlece.Logistic(), _same, lambda *_: (1, 1)),
    "exp-censored": (mlece.Exponential(), _same, lambda *_: (1,)),
    "weibull-truncated-censored": (mlece.Weibull(), _same, lambda *_: (1, 1)),
    "llogis-censored": (mlece.LogLogistic(), _same, lambda *_: (1, 1)),
    "gengamma-censored": (mlece.GeneralizedGamma(), _same, lambda *_: (1, 1, 1)),
    "gompertz-truncated-censored": (mlece.Gompertz(), _same, lambda *_: (1, 1)),
    "lognormal-grouped": (
        mlece.LogNormal(),
        lambda m, s: (m, math.log(s)),
        lambda m, s: (1, 1 / s),
    ),
    "exponential-grouped": (
        mlece.Exponential(),
        lambda rate: (-math.log(rate),),
        lambda rate: (1 / rate,),
    ),
}


def incomplete_data(case: dict[str, Any]) -> Any:
    how = case["censoring"]
    if "breaks" in how:
        return mlece.grouped(how["breaks"], how["counts"])
    if "left" in how:
        low = [-math.inf if v is None else v for v in how["left"]]
        high = [math.inf if v is None else v for v in how["right"]]
        return mlece.censored(np.array(low, float), np.array(high, float))
    entry = how.get("entry")
    return mlece.right_censored(np.array(case["data"], float), how["event"], entry)


@pytest.mark.parametrize("name", CASES)
def test_published_fit(name: str) -> None:
    case = CASES[name]
    model, read, slopes = READINGS[case["family"]]
    wanted = case["polished"]
    fit = mlece.fit(model, incomplete_data(case))
    assert fit.certificate.status is mlece.Status.OPTIMAL
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], rel=1e-9)
    theta = list(fit.params.values())
    observed = wanted["se_observed"]
    for value, (key, published) in zip(read(*theta), wanted["params"].items(), strict=True):
        # In standard errors; the refinement of the file stops at scores of 1e-10 standard errors.
        assert abs(value - published) <= 1e-6 * observed[key]
    for kind, column in (("hessian", "se_observed"), ("sandwich", "se_sandwich")):
        own = fit.standard_errors(kind).values()
        for se, slope, published in zip(own, slopes(*theta), wanted[column].values(), strict=True):
            # The file's Hessians are numerical.
            assert se * slope == pytest.approx(published, rel=1e-5)


FAMILIES = [
    mlece.Gaussian(mean=1.3, sd=0.7),
    mlece.Gamma(shape=2.5, rate=0.7),
    mlece.Weibull(shape=1.7, scale=3.0),
    mlece.StudentT(df=4, loc=1, scale=2),
    mlece.Laplace(loc=0.3, scale=1.2),
    mlece.InverseGaussian(mean=2, shape=3),
    mlece.Poisson(rate=3.2),
    mlece.NegativeBinomial(size=2.0, mean=4.0),
]
every_family = pytest.mark.parametrize("law", FAMILIES, ids=lambda m: type(m).__name__)


@every_family
def test_exact_observations_give_the_plain_fit(law: Model) -> None:
    y = law.sample(60, rng=1)
    free = type(law)()
    plain, wrapped = mlece.fit(free, y), mlece.fit(free, mlece.censored(y, y))
    assert wrapped.cross_entropy == pytest.approx(plain.cross_entropy, abs=1e-12)
    for name, value in plain.params.items():
        # Laplace's median interval is a set; Newton may stop anywhere in it.
        if plain.solution_set is None:
            assert wrapped.params[name] == pytest.approx(value, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    "law", [m for m in FAMILIES if not m.support.discrete], ids=lambda m: type(m).__name__
)
def test_narrow_intervals_tend_to_the_density(law: Model) -> None:
    y = law.sample(200, rng=2)
    width = 1e-5
    model = type(law)()
    narrow = mlece.fit(model, mlece.censored(y - width / 2, y + width / 2))
    exact = mlece.fit(model, y)
    # The error of the midpoint rule is of second order in the width.
    assert narrow.cross_entropy + math.log(width) == pytest.approx(exact.cross_entropy, abs=1e-7)


@every_family
def test_score_is_the_slope_of_the_cross_entropy(law: Model) -> None:
    free = type(law)()
    y = law.sample(40, rng=3)
    low = np.where(np.arange(40) % 3 == 0, -np.inf, y)
    high = np.where(np.arange(40) % 3 == 1, np.inf, y)
    objective = mlece.fit(free, mlece.censored(low, high)).objective
    # Anywhere will do; the truth is a place where every family has its derivatives.
    frame = objective.user
    theta = tuple(np.ravel(t) for t in free.to_frame(law.theta, frame.shift, frame.scale))
    at = objective.evaluate(theta, 1)
    for j in range(len(theta)):
        h = 1e-4 * (1 + abs(theta[j]))
        moved = [
            objective.evaluate(tuple(t + k * h * (i == j) for i, t in enumerate(theta)), 0).value[0]
            for k in (-2, -1, 1, 2)
        ]
        slope = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * h[0])
        # Fourth order at h = 1e-4: rounding 1e-16 / h.
        assert at.score[0, j] == pytest.approx(slope, abs=1e-10)


def test_grouping_by_weights_is_replication() -> None:
    edges, counts = [0, 1, 2, 4, math.inf], [12, 9, 7, 3]
    grouped = mlece.fit(mlece.Gamma(), mlece.grouped(edges, counts))
    low, high = np.repeat(edges[:-1], counts), np.repeat(edges[1:], counts)
    plain = mlece.fit(mlece.Gamma(), mlece.censored(low, high))
    assert grouped.params == pytest.approx(plain.params, rel=1e-10)
    assert grouped.n == plain.n == 31
    np.testing.assert_allclose(grouped.covariance(), plain.covariance(), rtol=1e-9)


def test_a_batch_is_a_loop_and_units_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    x = 10 * rng.weibull(2, (3, 80))
    seen = x <= 8
    time = np.minimum(x, 8.0)
    batch = mlece.fit(mlece.Weibull(), mlece.right_censored(time, seen))
    for r in range(3):
        one = mlece.fit(mlece.Weibull(), mlece.right_censored(time[r], seen[r]))
        assert batch.params["shape"][r] == pytest.approx(one.params["shape"], rel=1e-9)
        small = mlece.fit(mlece.Weibull(), mlece.right_censored(time[r] * 1e-6, seen[r]))
        assert small.params["shape"] == pytest.approx(one.params["shape"], rel=1e-9)
        shift = seen[r].sum() * math.log(1e6)
        assert small.log_likelihood - shift == pytest.approx(one.log_likelihood, rel=1e-12)


def test_delayed_entry_of_an_exponential_is_time_at_risk() -> None:
    rng = np.random.default_rng(5)
    entry = rng.uniform(0, 2, 50)
    time = entry + rng.exponential(3, 50)
    event = rng.random(50) < 0.7
    fit = mlece.fit(mlece.Exponential(), mlece.right_censored(time, event, entry))
    # Events over time at risk: the textbook estimate.
    assert fit.params["rate"] == pytest.approx(event.sum() / (time - entry).sum(), rel=1e-10)


def test_counts_beyond_a_limit() -> None:
    y = mlece.Poisson(rate=3).sample(500, rng=6)
    low, high = np.where(y > 5, 6, y), np.where(y > 5, math.inf, y)
    fit = mlece.fit(mlece.Poisson(), mlece.censored(low, high))
    model = mlece.Poisson(rate=fit.params["rate"])
    by_hand = -np.where(y > 5, model.log_sf(5), model.log_density(y)).mean()
    assert fit.cross_entropy == pytest.approx(by_hand, rel=1e-13)


def test_a_fit_of_incomplete_data_gives_a_law_of_complete_ones() -> None:
    fit = mlece.fit(mlece.Weibull(), mlece.right_censored([1.0, 2, 3, 4], [1, 0, 1, 1]))
    assert type(fit.model) is mlece.Weibull
    assert fit.held_out([1.0, 2.0]) == pytest.approx(-fit.model.log_density([1.0, 2.0]).mean())
    assert pickle.loads(pickle.dumps(fit.family)) == fit.family
    assert "Weibull fitted to y, n = 4" in str(fit)


NO_MAXIMUM = {
    "all right-censored": (mlece.Weibull(), mlece.right_censored([1.0, 2, 3], [0, 0, 0]), "right"),
    "all left-censored": (mlece.Gamma(), mlece.censored([-math.inf] * 3, [1.0, 2, 3]), "left"),
    "a stretch in common": (mlece.Gaussian(), mlece.censored([0.0, 0.5], [2.0, 3.0]), "common"),
    "a scale that runs off": (
        mlece.Weibull(shape=2),
        mlece.right_censored([1.0, 2, 3], [0, 0, 0]),
        "probability 1",
    ),
}


@pytest.mark.parametrize("name", NO_MAXIMUM)
def test_no_maximum_is_said(name: str) -> None:
    model, data, word = NO_MAXIMUM[name]
    fit = mlece.fit(model, data)
    assert fit.certificate.status is mlece.Status.NOT_ATTAINED
    assert word in str(fit.certificate)
    assert fit.cross_entropy == pytest.approx(0.0, abs=1e-8)


def test_a_single_event_at_the_last_time_is_unbounded() -> None:
    fit = mlece.fit(mlece.Weibull(), mlece.right_censored([1.0, 2, 3], [0, 0, 1]))
    assert fit.certificate.status is mlece.Status.UNBOUNDED


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "crossed ends": (lambda: mlece.censored([2.0], [1.0]), errors.DataError, "position 0"),
    "missing end": (lambda: mlece.censored([np.nan], [1.0]), errors.DataError, "-inf or inf"),
    "infinite point": (lambda: mlece.censored([np.inf], [np.inf]), errors.DataError, "finite"),
    "coded status": (
        lambda: mlece.right_censored([1.0, 2], [1, 2]),
        errors.DataTypeError,
        "status == 2",
    ),
    "one event": (lambda: mlece.right_censored([1.0, 2], [True]), errors.DataError, "each time"),
    "late entry": (
        lambda: mlece.right_censored([1.0, 2], [1, 1], [3, 0.0]),
        errors.DataError,
        "entries below",
    ),
    "unsorted edges": (lambda: mlece.grouped([0, 2, 1], [3, 4]), errors.DataError, "increasing"),
    "too few counts": (lambda: mlece.grouped([0, 1, 2], [3]), errors.DataError, "2 observations"),
    "outside": (
        lambda: mlece.fit(mlece.Gamma(), mlece.censored([-2.0], [-1.0])),
        errors.SupportError,
        "support of Gamma",
    ),
    "labels": (
        lambda: mlece.fit(mlece.Categorical(), mlece.censored([0.0], [1.0])),
        errors.DataTypeError,
        "family of numbers",
    ),
    "an end that is estimated": (
        lambda: mlece.fit(mlece.Uniform(), mlece.censored([0.0], [1.0])),
        errors.NoDensityError,
        "lower",
    ),
    "weights twice": (
        lambda: mlece.fit("gamma", mlece.grouped([0, 1, 2], [3, 4]), weights=[1, 1]),
        errors.DataError,
        "both",
    ),
    "a floor": (
        lambda: mlece.fit("gamma", mlece.grouped([0, 1, 2], [3, 4])).gap(),
        errors.ComparisonError,
        "entropy floor",
    ),
    "coded event": (
        lambda: mlece.right_censored([1.0, 2, 3], [0, 2, 3]),
        errors.DataTypeError,
        "2 such values of 3, the first 2 at position 1",
    ),
    "no count inside": (
        lambda: mlece.fit("poisson", mlece.censored([0.2, 1], [0.8, 2])),
        errors.SupportError,
        "first 0.8 at position 0",
    ),
    "beyond a known end": (
        lambda: mlece.fit(mlece.Binomial(n=3), mlece.censored([1, 4], [1, np.inf])),
        errors.SupportError,
        "first 4.0 at position 1",
    ),
    "a region without probability": (
        lambda: mlece.fit(mlece.Binomial(n=3), mlece.censored([1, 2], [1, np.inf], [-1, 3])),
        errors.SupportError,
        "first 4.0 at position 1",
    ),
    "angles": (
        lambda: mlece.fit("vonmises", mlece.censored([0.0], [1.0])),
        errors.DataTypeError,
        "family of numbers",
    ),
    "a frame": (
        lambda: mlece.compare(["gamma"], mlece.grouped([0, 1, 2], [3, 4]), given={}),
        errors.DataTypeError,
        "given",
    ),
    "a batch compared": (
        lambda: mlece.compare(["gamma"], mlece.censored([[1.0]], [[2.0]])),
        errors.DataError,
        "one sample",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    call, kind, word = BAD[name]
    with pytest.raises(kind, match=word):
        call()


def test_sampling_weights_change_the_covariance_alone() -> None:
    rng = np.random.default_rng(7)
    x, w = rng.gamma(2, 1, 300), rng.uniform(0.2, 5, 300)
    sampling = mlece.fit(mlece.Gaussian(), x, weights=w, weighting="sampling")
    frequency = mlece.fit(mlece.Gaussian(), x, weights=w)
    assert sampling.params == frequency.params
    mean = np.average(x, weights=w)
    linearised = np.sqrt(((w * (x - mean)) ** 2).sum()) / w.sum()
    assert sampling.standard_errors()["mean"] == pytest.approx(linearised, rel=1e-12)
    scaled = mlece.fit(mlece.Gaussian(), x, weights=7 * w, weighting="sampling")
    assert scaled.standard_errors()["mean"] == pytest.approx(linearised, rel=1e-12)
    with pytest.raises(errors.ComparisonError, match="pseudo-likelihood"):
        _ = sampling.aic
    with pytest.raises(errors.NotRegularError, match="sandwich"):
        sampling.covariance("hessian")


def test_sampling_weights_of_counts_and_labels() -> None:
    rng = np.random.default_rng(8)
    y, w = rng.poisson(2, 200), rng.uniform(0.2, 5, 200)
    se = mlece.fit("poisson", y, weights=w, weighting="sampling").standard_errors()["rate"]
    centred = y - np.average(y, weights=w)
    assert se == pytest.approx(np.sqrt(((w * centred) ** 2).sum()) / w.sum(), rel=1e-12)
    labels = rng.choice(list("abc"), 200)
    se = mlece.fit("categorical", labels, weights=w, weighting="sampling").standard_errors()["p"]
    for k, label in enumerate("abc"):
        centred = (labels == label) - np.average(labels == label, weights=w)
        by_hand = np.sqrt(((w * centred) ** 2).sum()) / w.sum()
        assert se[k] == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        mlece.Transformed(mlece.Gaussian(), "log"),
        mlece.Truncated(mlece.Gaussian(), lower=0),
        mlece.Shifted(mlece.Gaussian(), by=3),
        mlece.SkewNormal(),
        mlece.ExGaussian(),
    ],
    ids=repr,
)
def test_compositions_and_laws_with_limits_take_censored_data(model: mlece.Model) -> None:
    # Slots named like a question (mean) and limits computed from exact observations alone.
    y = np.random.default_rng(2).gamma(3.0, 2.0, 40)
    found = mlece.fit(model, mlece.right_censored(np.minimum(y, 9.0), y < 9.0))
    assert np.isfinite(found.cross_entropy)
    assert found.certificate.status.solved


def test_limit_of_an_inflated_law_takes_grouped_counts() -> None:
    # The shares fall below those of a Poisson law at 0: the atom has no mass, the limit is Poisson.
    data = mlece.censored([0, 1, 2, 3], [0, 1, 2, np.inf])
    w = [5, 30, 40, 30]
    inflated = mlece.fit(mlece.Inflated(mlece.Poisson()), data, weights=w)
    plain = mlece.fit(mlece.Poisson(), data, weights=w)
    # Both are optima to rounding.
    assert inflated.cross_entropy == pytest.approx(plain.cross_entropy, abs=1e-12)
    assert inflated.params["probability"] == pytest.approx(0.0, abs=1e-12)


def test_models_that_need_exact_observations_say_so() -> None:
    data = mlece.right_censored([1.0, 2.0, 4.0], [1, 1, 0])
    with pytest.raises(errors.DataTypeError, match="censored data"):
        mlece.fit(mlece.Inflated(mlece.Gamma()), data)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (mlece.Bernoulli(), mlece.censored([1, 1, 1], [1, 1, 1], entry=[0, 0, 0])),
        (mlece.Bernoulli(), mlece.censored([0, 1, 1], [1, 1, 1], entry=[-np.inf, 0, 0])),
        (mlece.Binomial(n=3), mlece.censored([3, 3], [3, 3], entry=[2, 2])),
        (mlece.Bernoulli(), mlece.censored([0, 0, 0], [1, 1, 1])),
    ],
)
def test_observations_that_are_certain_tell_nothing(model: mlece.Model, data: Any) -> None:
    fit = mlece.fit(model, data)
    assert fit.certificate.status is mlece.Status.NOT_UNIQUE
    assert "tell nothing" in str(fit.certificate)
    assert fit.cross_entropy == 0
    with pytest.raises(mlece.errors.NotRegularError, match="tell nothing"):
        fit.standard_errors()
    assert "tell nothing" in " ".join(str(fit).split())


def test_no_standard_error_where_every_direction_is_optimal() -> None:
    fit = mlece.fit(mlece.VonMises(kappa=2), [0.0, np.pi])
    assert fit.certificate.status is mlece.Status.NOT_UNIQUE
    with pytest.raises(mlece.errors.NotRegularError):
        fit.standard_errors()


def test_times_of_a_column_bring_its_name() -> None:
    pytest.importorskip("pandas")
    lung = mlece.datasets.lung().frame()
    data = mlece.right_censored(lung["days"], lung["died"])
    assert data.name == "days"
    assert mlece.fit("weibull", data).sample.name == "days"
    assert mlece.right_censored(lung["days"].to_numpy(), lung["died"]).name == "y"
