"""Profile, robust and bootstrap intervals against roots found by other means, and exact laws."""

from __future__ import annotations

import json
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammainc

import mlece as m
from mlece import errors
from mlece.inference.bootstrap_intervals import _order_statistics
from mlece.inference.intervals import Interval

REFERENCE = json.loads((Path(__file__).parent / "reference" / "intervals.json").read_text())
QUANTILE = float(stats.chi2.ppf(0.95, 1))


def gammas(*shape: int) -> Any:
    return np.random.default_rng(3).gamma(2.0, 1.5, size=shape)


def held(fit: m.Fit, name: str, value: float) -> float:
    """Return twice the fall of the log-likelihood with a parameter held, by a fit of its own."""
    y, w = fit.sample.values[0], fit.sample.weights
    other = m.fit(fit.family.replace(**{name: value}), y, weights=None if w is None else w[0])
    return float(2.0 * (fit.log_likelihood - other.log_likelihood))


# ---------------------------------------------------------------------- profile intervals


@pytest.mark.parametrize("case", REFERENCE["profiles"], ids=lambda c: str(c["id"]))
def test_exact_roots_of_published_profiles(case: dict[str, Any]) -> None:
    family = m.NegativeBinomial() if "nbinom" in case["id"] else m.Weibull()
    names = {"mu": "mean"}
    found = m.fit(family, np.array(case["data"], dtype=float)).interval(method="profile")
    for name, limits in case["limits"].items():
        assert tuple(found[names.get(name, name)]) == pytest.approx(limits, rel=1e-7)


# Typical members of families of every kind of solver: closed forms, profile roots, Newton's method.
ROOTS = [
    (m.Gamma(), m.Gamma(2, 1)),
    (m.Gamma(shape=2), m.Gamma(2, 1)),
    (m.Weibull(), m.Weibull(1.5, 2)),
    (m.Gaussian(), m.Gaussian(1e6, 2)),
    (m.Exponential(), m.Exponential(1e-8)),
    (m.Beta(), m.Beta(2, 3)),
    (m.Poisson(), m.Poisson(3)),
    (m.Binomial(n=9), m.Binomial(n=9, p=0.1)),
    (m.NegativeBinomial(), m.NegativeBinomial(2, 3)),
    (m.StudentT(), m.StudentT(3, 0, 1)),
    (m.Laplace(), m.Laplace(0, 1)),
    (m.GEV(), m.GEV(0, 1, 0.1)),
    (m.VonMises(), m.VonMises(0.3, 2)),
    (m.InverseGaussian(), m.InverseGaussian(1, 2)),
]


@pytest.mark.parametrize("level", [0.5, 0.99])
@pytest.mark.parametrize(("family", "truth"), ROOTS, ids=lambda v: str(v))
def test_ends_are_roots_of_the_profile(family: m.Model, truth: m.Model, level: float) -> None:
    fit = m.fit(family, truth.sample(120, rng=2))
    quantile = float(stats.chi2.ppf(level, 1))
    for name, found in fit.interval(level, "profile").items():
        assert found.lower < fit.params[name] < found.upper
        assert found.residual < 1e-7
        for end in found:
            # Rounding of a log-likelihood of some hundred nats.
            assert held(fit, name, end) == pytest.approx(quantile, abs=1e-8)


def test_one_parameter_by_hand() -> None:
    y = gammas(20)
    low, high = m.fit(m.Exponential(), y).interval(method="profile")["rate"]
    for rate in (low, high):
        ratio = rate * y.mean()
        assert 2 * 20 * (ratio - 1 - math.log(ratio)) == pytest.approx(QUANTILE, rel=1e-9)


def test_a_batch_is_its_members_one_by_one() -> None:
    y = gammas(6, 40)
    y[4] = 2.0
    whole = m.fit(m.Gamma(), y).interval(method="profile")
    assert "1 of 6 members: 4" in whole["shape"].remark
    for r in (0, 1, 2, 3, 5):
        alone = m.fit(m.Gamma(), y[r]).interval(method="profile")
        for name in ("shape", "rate"):
            ends = whole[name].lower[r], whole[name].upper[r]
            assert ends == pytest.approx(tuple(alone[name]), rel=1e-9)
    assert np.isnan(whole["rate"].lower[4])


def test_slots_of_a_batch_and_weights() -> None:
    y = gammas(30)
    both = m.fit(m.Gamma(shape=[1.0, 3.0]), y).interval(method="profile")["rate"]
    alone = m.fit(m.Gamma(shape=3.0), y).interval(method="profile")["rate"]
    assert (both.lower[1], both.upper[1]) == pytest.approx(tuple(alone), rel=1e-9)
    counts = np.arange(30) % 4
    weighted = m.fit(m.Gamma(), y, weights=counts).interval(method="profile")
    repeated = m.fit(m.Gamma(), np.repeat(y, counts)).interval(method="profile")
    for name in weighted:
        assert tuple(weighted[name]) == pytest.approx(tuple(repeated[name]), rel=1e-8)


@pytest.mark.parametrize(
    ("family", "data", "end"),
    [
        (m.Poisson(), [0, 0, 0], QUANTILE / 6),
        (m.Bernoulli(), [0, 0, 0], 1 - math.exp(-QUANTILE / 6)),
    ],
)
def test_an_estimate_at_the_end_has_one_side(family: m.Model, data: Any, end: float) -> None:
    (found,) = m.fit(family, data).interval(method="profile").values()
    assert found.lower == 0.0
    assert found.upper == pytest.approx(end, rel=1e-8)
    assert "lower end: the estimate lies at this end" in found.remark


def test_an_open_side_is_that_of_the_limit_family() -> None:
    # The profile of the degrees of freedom tends to the deviance of the Gaussian.
    y = m.Gaussian(0, 1).sample(300, rng=3)
    fit = m.fit(m.StudentT(), y)
    limit = 2 * (fit.log_likelihood - m.fit(m.Gaussian(), y).log_likelihood)
    assert 0 < limit < QUANTILE
    below = float(stats.chi2.cdf(limit, 1))
    for level, is_open in ((0.95, True), (below + 0.01, True), (below - 0.01, False)):
        found = fit.interval(level, "profile")["df"]
        assert np.isinf(found.upper) == is_open
        assert ("upper end: the likelihood never falls" in found.remark) == is_open
    heavy = m.fit(m.StudentT(), m.StudentT(2, 0, 1).sample(300, rng=3))
    assert heavy.interval(method="profile")["df"].upper < 10


def test_a_fit_at_the_limit_of_its_family() -> None:
    fit = m.fit(m.NegativeBinomial(), [3, 4, 3, 4, 5, 3, 2])
    assert fit.limit_models
    found = fit.interval(method="profile")
    assert found["size"].upper == np.inf
    for name, end in (("size", found["size"].lower), *(("mean", v) for v in found["mean"])):
        assert held(fit, name, end) == pytest.approx(QUANTILE, abs=1e-8)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999, 0.999999])
def test_the_end_next_to_the_estimate_of_a_profile_with_two_valleys(level: float) -> None:
    y = np.array([-4.1, -4.0, -3.9, 3.7, 3.8, 4.0, 4.1, 4.3])
    for model in (m.Cauchy(scale=1), m.Cauchy()):
        fit = m.fit(model, y)
        quantile = float(stats.chi2.ppf(level, 1))
        (low, high) = fit.interval(level, "profile")["loc"]
        grid = np.linspace(-30, 30, 6001)
        deviance = fit.profile("loc", points=grid).deviance
        centre = fit.params["loc"]
        below, above = grid[grid < centre], grid[grid > centre]
        first = below[deviance[grid < centre] > quantile].max()
        last = above[deviance[grid > centre] > quantile].min()
        # A crossing lies within a step of the grid before it.
        assert first <= low <= first + 0.01 + 1e-9
        assert last - 0.01 - 1e-9 <= high <= last


def test_a_circle_that_is_not_narrowed_down() -> None:
    fit = m.fit(m.VonMises(), [0.1, 0.2, 3.1, -3.0, -2.9, 3.0])
    mu = fit.interval(method="profile")["mu"]
    assert tuple(mu) == (-math.pi, math.pi)
    assert "lower end" in mu.remark
    assert "upper end" in mu.remark


def test_cells_are_bernoulli() -> None:
    fit = m.fit(m.Categorical(labels=list("abcd")), list("aababc"))
    found = fit.interval(method="profile")["p"]
    for k, label in enumerate("abcd"):
        own = m.fit(m.Bernoulli(), [int(c == label) for c in "aababc"])
        expected = own.interval(method="profile")["p"]
        assert (found.lower[k], found.upper[k]) == pytest.approx(tuple(expected), rel=1e-9)


def test_robust_profile_scales_the_deviance() -> None:
    fit = m.fit(m.Exponential(), gammas(200))
    low, high = fit.interval(method="robust profile")["rate"]
    ratio = fit.variance_ratio["rate"]
    assert ratio < 0.7
    for end in (low, high):
        assert held(fit, "rate", end) == pytest.approx(QUANTILE * ratio, rel=1e-8)
    # For large samples it comes to the sandwich.
    big = m.fit(m.Exponential(), gammas(100_000))
    assert tuple(big.interval(method="robust profile")["rate"]) == pytest.approx(
        tuple(big.interval()["rate"]), rel=1e-4
    )


def test_sampling_weights_have_a_robust_profile_only() -> None:
    y, w = gammas(400), np.random.default_rng(1).uniform(1, 9, size=400)
    fit = m.fit(m.Gamma(), y, weights=w, weighting="sampling")
    with pytest.raises(errors.ComparisonError, match="robust profile"):
        fit.interval(method="profile")
    robust, wald = fit.interval(method="robust profile"), fit.interval()
    for name in wald:
        # Both have the same first-order width.
        assert np.diff(robust[name])[0] == pytest.approx(np.diff(wald[name])[0], rel=0.05)
    assert fit.interval(method="bootstrap", replicates=199)["rate"].lower > 0


REFUSED = [
    (lambda: m.fit(m.Uniform(), [1.0, 2.0, 4.0]), errors.NotRegularError, "exact"),
    (lambda: m.fit(m.Gaussian(), [1.0, 1.0]), errors.MleceError, "sd falls to 0"),
    (lambda: m.fit(m.Gaussian(), m.Exponential(1)), errors.ComparisonError, "known"),
    (lambda: m.fit(m.Gaussian(0, 1), [1.0, 2.0]), errors.NotRegularError, "free slot"),
]


@pytest.mark.parametrize("method", ["profile", "robust profile", "bootstrap"])
@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_refusals_name_the_reason(make: Any, error: Any, words: str, method: str) -> None:
    with pytest.raises(error, match=words):
        make().interval(method=method)


def irregular(name: str) -> Any:
    """Fits of families of which some intervals are refused."""
    rng = np.random.default_rng(3)
    y = {
        "shifted exponential": 2 + rng.exponential(1, 50),
        "shifted weibull": 2 + rng.weibull(2.5, 100),
        "shifted weibull of shape 1.5": 2 + rng.weibull(1.5, 200),
        "shifted weibull without a maximum": 2 + rng.weibull(1.0, 100),
        "laplace": rng.laplace(size=50),
        "triangular": rng.triangular(0, 0.3, 1, size=60),
        "triangular of few": rng.triangular(0, 0.3, 1, size=4),
        "discrete uniform": rng.integers(3, 20, 50),
        "uniform": rng.random(50),
        "pareto": 1 + rng.pareto(3, 50),
        "pareto from 1": 1 + rng.pareto(3, 50),
        "gpd of shape -0.45": m.GeneralizedPareto(shape=-0.45, scale=1).sample(100, rng=2),
        "gpd of shape -0.8": m.GeneralizedPareto(shape=-0.8, scale=1).sample(100, rng=2),
        "no events": np.zeros(12),
        "binomial spread": rng.binomial(5, 0.5, 60),
    }[name]
    model = {
        "shifted exponential": m.Shifted("exponential"),
        "triangular of few": m.Triangular(),
        "discrete uniform": m.DiscreteUniform(),
        "pareto from 1": m.Pareto(scale=1),
        "no events": m.Poisson(),
        "binomial spread": m.NegativeBinomial(),
    }
    known = {"shifted": m.Shifted("weibull"), "gpd": m.GeneralizedPareto()}
    return m.fit(model.get(name) or known.get(name.split()[0]) or name, y)


IRREGULAR = [
    "shifted exponential", "shifted weibull", "shifted weibull of shape 1.5",
    "shifted weibull without a maximum", "laplace", "triangular", "triangular of few",
    "discrete uniform", "uniform", "pareto", "pareto from 1", "gpd of shape -0.45",
    "gpd of shape -0.8", "no events", "binomial spread",
]  # fmt: skip


@pytest.mark.parametrize("name", IRREGULAR)
def test_what_a_refused_interval_names_works(name: str) -> None:
    """Every interval is given, or its refusal names one that is, or says that there is none."""
    fit = irregular(name)
    asked: list[dict[str, Any]] = [
        *({"method": method} for method in ("auto", "wald", "exact", "profile", "robust profile")),
        *(
            {"method": "bootstrap", "resampling": r, "bootstrap": b, "replicates": 79}
            for r in ("parametric", "nonparametric")
            for b in ("bca", "percentile")
        ),
    ]
    for options in asked:
        try:
            found = fit.interval(**options)
        except errors.MleceError as refused:
            said = str(refused)
            named = re.search(r"method='(\w+)'", said.rsplit(".", 1)[1])
            if named:
                assert fit.interval(method=named[1])
            elif "no estimate" in said:
                assert not fit.certificate.status.solved
            else:
                # What is named needs no more than the family, and does not reject what the data bear.
                assert "mlece.universal_test" in said
                shape = fit.params["shape"]
                y = fit.sample.values[0]
                assert not m.universal_test(fit.family.replace(shape=shape), y).rejected
        else:
            assert all(low <= high for low, high in found.values())


def test_the_mode_of_a_triangle_is_profiled_within_its_support() -> None:
    few = irregular("triangular of few").interval(method="profile")["mode"]
    assert few.upper == 1.0
    assert "never falls to the level" in few.remark
    fit = irregular("triangular")
    for end in fit.interval(method="profile")["mode"]:
        assert held(fit, "mode", end) == pytest.approx(QUANTILE, rel=1e-6)


def test_an_interval_is_a_pair_with_words() -> None:
    found = m.fit(m.Poisson(), [0, 0]).interval(0.9, "profile")["rate"]
    low, high = found
    assert (low, high) == (found.lower, found.upper)
    assert "90 %" in str(found)
    copy = pickle.loads(pickle.dumps(found))
    assert isinstance(copy, Interval)
    assert (copy.remark, copy.level, copy) == (found.remark, 0.9, found)


# ---------------------------------------------------------------------- bootstrap


def test_order_statistics() -> None:
    values = np.array([3.0, 1.0, np.nan, 2.0, np.inf])[None, :, None]
    tails = np.array([[[0.2, 0.9]]])
    assert _order_statistics(values, tails)[0, 0].tolist() == [1.0, np.inf]
    assert _order_statistics(values, np.array([[[0.3, 0.5]]]))[0, 0].tolist() == [1.5, 2.5]


def test_studentised_bootstrap_of_a_gaussian_mean_is_students_t() -> None:
    # (θ* − θ̂)/se* of a parametric sample is Student's t with n − 1 degrees, times √(n/(n − 1)).
    n, b = 12, 9999
    y = m.Gaussian(5, 2).sample(n, rng=4)
    fit = m.fit(m.Gaussian(), y)
    found = fit.interval(
        method="bootstrap", bootstrap="studentised", resampling="parametric", replicates=b
    )
    exact = stats.t(n - 1, y.mean(), y.std(ddof=1) / math.sqrt(n)).interval(0.95)
    # Standard error of a quantile: √(p(1 − p)/B) over the density there, in standard errors.
    density = float(stats.t(n - 1).pdf(stats.t(n - 1).ppf(0.025)))
    error = math.sqrt(0.025 * 0.975 / b) / density * y.std(ddof=1) / math.sqrt(n)
    assert np.abs(np.subtract(found["mean"], exact)).max() < 4 * error


@pytest.mark.parametrize("resampling", ["parametric", "nonparametric"])
@pytest.mark.parametrize("kind", ["percentile", "bca", "studentised"])
def test_bootstrap_of_a_mean(kind: str, resampling: str) -> None:
    y = gammas(400)
    options = {"bootstrap": kind, "resampling": resampling, "rng": 5}
    fit = m.fit(m.Exponential(), y)
    found = fit.functional(lambda law: law.mean).interval(method="bootstrap", **options)
    spread = y.mean() if resampling == "parametric" and kind != "studentised" else y.std()
    reach = 1.96 * spread / 20
    # 999 replicates: the error of a quantile at 0.025 is 0.08 standard errors; skewness adds as much.
    expected = np.array([y.mean() - reach, y.mean() + reach])
    if not (kind == "studentised" and resampling == "parametric"):
        assert np.abs(np.array(found) - expected).max() < 0.35 * spread / 20
    again = fit.functional(lambda law: law.mean).interval(method="bootstrap", **options)
    assert tuple(again) == tuple(found)
    assert f"{resampling} bootstrap, {kind}, 999" in str(found)


def test_bca_acceleration_of_a_mean_is_its_skewness() -> None:
    from mlece.inference.estimates import Function, Parameters

    y = gammas(50)
    fit = m.fit(m.Exponential(), y)
    u = y - y.mean()
    expected = (u**3).sum() / (6 * (u**2).sum() ** 1.5)
    assert Function(fit, lambda law: law.mean).acceleration() == pytest.approx(expected, rel=1e-9)
    assert Parameters(fit).acceleration() == pytest.approx(-expected, rel=1e-9)
    labels = m.fit(m.Categorical(), list("aaab"))
    ones = m.fit(m.Bernoulli(), [1, 1, 1, 0])
    assert Parameters(labels).acceleration()[0, 0] == pytest.approx(
        Parameters(ones).acceleration()[0, 0]
    )


def test_weights_are_multiplicities_in_a_bootstrap() -> None:
    y, counts = np.arange(5.0), np.array([10, 20, 15, 7, 2])
    options: dict[str, Any] = {"method": "bootstrap", "replicates": 4999, "bootstrap": "percentile"}
    table = m.fit(m.Poisson(), y, weights=counts).interval(**options)["rate"]
    rows = m.fit(m.Poisson(), np.repeat(y, counts)).interval(rng=1, **options)["rate"]
    full = np.repeat(y, counts)
    # Error of a quantile at 0.025 of 4,999 replicates, twice over: 0.06 standard errors.
    assert np.abs(np.subtract(table, rows)).max() < 4 * 0.06 * full.std() / math.sqrt(full.size)
    with pytest.raises(errors.DataError, match="whole numbers"):
        m.fit(m.Poisson(), y, weights=counts / 3).interval(method="bootstrap")


def test_lost_replicates_are_counted() -> None:
    fit = m.fit(m.Gamma(), [1.0, 1.0, 1.0, 5.0])
    found = fit.interval(method="bootstrap", bootstrap="percentile")["shape"]
    # All four drawn are equal with probability (3/4)^4 + (1/4)^4 = 0.32.
    lost = int(found.remark.split()[0])
    assert abs(lost / 999 - 82 / 256) < 4 * math.sqrt(0.32 * 0.68 / 999)
    assert "no minimiser" in found.remark


def test_infinite_estimates_keep_their_place() -> None:
    fit = m.fit(m.NegativeBinomial(), [3, 4, 3, 4, 5, 3, 2, 0, 1])
    found = fit.interval(method="bootstrap", bootstrap="percentile", replicates=199)["size"]
    assert found.upper == np.inf
    assert found.remark == ""


def test_a_bootstrap_of_a_batch() -> None:
    y = gammas(3, 30)
    y[1] = 2.0
    found = m.fit(m.Gamma(), y).interval(method="bootstrap", replicates=199)["rate"]
    assert np.isfinite(found.lower[[0, 2]]).all()
    assert np.isnan(found.lower[1])
    counts = np.array([[1] * 30, [0] * 10 + [1] * 20])
    drawn = m.fit(m.Exponential(), y[0], weights=counts)
    options = {"method": "bootstrap", "resampling": "parametric", "replicates": 1999}
    own = drawn.interval(bootstrap="percentile", **options)["rate"]
    # Fewer observations, wider by √(30/20).
    width = np.log(own.upper / own.lower)
    assert width[1] / width[0] == pytest.approx(math.sqrt(1.5), rel=0.15)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replicates": 20}, "at least 39"),
        ({"bootstrap": "basic"}, "bca"),
        ({"resampling": "blocks"}, "parametric"),
    ],
)
def test_bad_options_of_a_bootstrap(options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.MleceError, match=words):
        m.fit(m.Gamma(), [1.0, 2.0, 4.0]).interval(method="bootstrap", **options)


def test_censored_data_are_resampled_or_simulated() -> None:
    y = m.right_censored([1.0, 2.0, 3.0, 4.0, 5.0, 5.0], [1, 1, 1, 1, 1, 0])
    fit = m.fit(m.Exponential(), y)
    for resampling in ("parametric", "nonparametric"):
        low, high = fit.interval(method="bootstrap", resampling=resampling, replicates=199)["rate"]
        assert 0 < low < high
    profile = fit.interval(method="profile")["rate"]
    assert held_rate(fit, profile.lower) == pytest.approx(QUANTILE, rel=1e-8)


def held_rate(fit: m.Fit, rate: float) -> float:
    """Return the deviance of an exponential rate: 5 events in 20 units of time."""
    ratio = rate * 20 / 5
    return 2 * 5 * (ratio - 1 - math.log(ratio))


# ---------------------------------------------------------------------- coverage


def covers(interval: Any, value: float) -> float:
    low, high = interval
    return float(np.mean((low <= value) & (value <= high)))


@pytest.mark.parametrize("known", [{}, {"rate": 0.5}, {"shift": 3.0}], ids=str)
def test_exact_intervals_of_a_shifted_exponential_law(known: dict[str, float]) -> None:
    """Nominal coverage within three standard errors of 20,000 samples of 8."""
    y = 3 + np.random.default_rng(4).exponential(2.0, (20_000, 8))
    family = m.Shifted(m.Exponential(rate=known.get("rate")), by=known.get("shift"))
    found = m.fit(family, y).interval(0.9, "exact")
    assert set(found) == {"rate", "shift"} - set(known)
    for name, value in (("rate", 0.5), ("shift", 3.0)):
        if name in found:
            assert abs(covers(found[name], value) - 0.9) <= 3 * math.sqrt(0.09 / 20_000)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("n", [20, 50, 100, pytest.param(500, marks=pytest.mark.slow)])
def test_coverage_of_profiles_and_sandwich(a: float, n: int) -> None:
    """Three standard errors, of both simulations where the published number is one.

    The profile interval of a rate is that of a gamma variable, by hand; the sandwich by simulation.
    """
    samples = 20_000
    fit = m.fit(m.Exponential(), m.Gamma(a, 1).sample((samples, n), rng=11))
    found = fit.interval(method="profile")["rate"]
    low, high = (n * a * end[0] / fit.params["rate"][0] for end in found)
    exact = gammainc(n * a, high) - gammainc(n * a, low)
    error = math.sqrt(exact * (1 - exact) / samples)
    assert abs(covers(found, 1 / a) - exact) <= 3 * error
    key = f"gamma({a:g})->exp rate n={n}"
    value, own = REFERENCE["coverage"][key]["sandwich_coverage_MC"]
    both = math.hypot(own, math.sqrt(value * (1 - value) / samples))
    assert abs(covers(fit.interval()["rate"], 1 / a) - value) <= 3 * both
    naive = REFERENCE["coverage"][key]["naive_coverage_EXACT"]
    error = math.sqrt(naive * (1 - naive) / samples)
    assert abs(covers(fit.interval(kind="hessian")["rate"], 1 / a) - naive) <= 3 * error


@pytest.mark.parametrize(
    ("key", "family", "truth", "function", "value"),
    [
        (
            "exp->gauss sigma2",
            m.Gaussian(),
            m.Exponential(1),
            lambda law: law.theta[1] ** 2,
            1.0,
        ),
        (
            "nb(r=2,mu=3)->poisson",
            m.Poisson(),
            m.NegativeBinomial(2, 3),
            lambda law: law.theta[0],
            3.0,
        ),
    ],
)
@pytest.mark.parametrize("n", [50, 200, pytest.param(1000, marks=pytest.mark.slow)])
def test_coverage_of_wrong_models(
    key: str, family: m.Model, truth: m.Model, function: Any, value: float, n: int
) -> None:
    """Three standard errors of both simulations."""
    samples = 20_000
    quantity = m.fit(family, truth.sample((samples, n), rng=12)).functional(function)
    for name, kind in (("naive", "hessian"), ("sandwich", "sandwich")):
        share, own = REFERENCE["coverage"][f"{key} n={n}"][name]
        both = math.hypot(own, math.sqrt(share * (1 - share) / samples))
        assert abs(covers(quantity.interval(kind=kind), value) - share) <= 3 * both
    # The robust profile covers no less than the sandwich, and more than the profile.
    robust = covers(quantity.interval(method="robust profile"), value)
    assert robust > covers(quantity.interval(method="profile"), value) + 0.1


def test_a_table_of_many_coefficients_reads_the_estimates_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading all of them for each of them is the cube of their number: minutes for 1,600 levels."""
    levels = np.repeat([f"g{i}" for i in range(60)], 2)
    y = np.arange(120) % 7 + np.arange(120) / 50
    fit = m.fit(m.Gaussian(mean="g"), y, given={"g": levels})
    plain, asked = m.Fit.params.fget, []
    assert plain is not None
    monkeypatch.setattr(m.Fit, "params", property(lambda own: asked.append(1) or plain(own)))
    assert "mean[g[T.g59]]" in str(fit)
    assert len(asked) < 10
