"""Functions of a fitted model, likelihood curves: the delta method, profiles and pictures."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import optimize, stats

import mlece as m
from mlece import errors

QUANTILE = float(stats.chi2.ppf(0.95, 1))


def gammas(*shape: int) -> Any:
    return np.random.default_rng(3).gamma(2.0, 1.5, size=shape)


# ---------------------------------------------------------------------- functions


FAMILIES = [
    (m.Gamma(), m.Gamma(2, 1)),
    (m.Gaussian(), m.Gaussian(1e5, 2)),
    (m.Weibull(), m.Weibull(1.5, 2)),
    (m.NegativeBinomial(), m.NegativeBinomial(2, 3)),
    (m.GEV(), m.GEV(0, 1, 0.1)),
    (m.StudentT(), m.StudentT(3, 0, 1)),
]


@pytest.mark.parametrize(("family", "truth"), FAMILIES, ids=lambda v: str(v))
def test_a_parameter_is_a_function(family: m.Model, truth: m.Model) -> None:
    fit = m.fit(family, truth.sample(150, rng=2))
    for j, name in enumerate(fit.names):
        function = fit.functional(lambda law, j=j: law.theta[j])
        assert function.estimate == pytest.approx(fit.params[name], rel=1e-12)
        for kind in ("sandwich", "hessian"):
            # Five-point differences: rounding of the location over its spread.
            expected = fit.standard_errors(kind)[name]
            assert function.se(kind) == pytest.approx(expected, rel=1e-7)
        for method in ("profile", "robust profile"):
            expected = fit.interval(method=method)[name]
            tolerance = 1e-8 * (expected.upper - expected.lower)
            found = function.interval(method=method)
            assert tuple(found) == pytest.approx(tuple(expected), rel=1e-9, abs=tolerance)


def test_profiles_do_not_depend_on_the_scale() -> None:
    fit = m.fit(m.Gamma(), gammas(60))
    plain = fit.functional(lambda law: law.quantile(0.99))
    other = fit.functional(lambda law: 1 / np.log1p(law.quantile(0.99)) ** 3)
    for method in ("profile", "robust profile"):
        low, high = other.interval(method=method)
        back = [math.expm1(v ** (-1 / 3)) for v in (high, low)]
        assert back == pytest.approx(tuple(plain.interval(method=method)), rel=1e-8)


def test_the_profile_of_a_quantile_against_a_reparametrised_fit() -> None:
    # The 0.99 quantile q of a Weibull is a scale: fix it and fit the shape alone.
    y = m.Weibull(1.5, 2).sample(80, rng=6)
    fit = m.fit(m.Weibull(), y)

    def deviance(q: float) -> float:
        from scipy.optimize import minimize_scalar

        def loss(k: float) -> float:
            scale = q / (-math.log(0.01)) ** (1 / k)
            return -float(m.Weibull(k, scale).log_density(y).sum())

        best = minimize_scalar(loss, bounds=(0.5, 4), method="bounded", options={"xatol": 1e-10})
        return 2 * (float(best.fun) + fit.log_likelihood)

    for end in fit.functional(lambda law: law.quantile(0.99)).interval(method="profile"):
        assert deviance(end) == pytest.approx(QUANTILE, abs=1e-7)


def test_delta_method_by_hand() -> None:
    y = gammas(50)
    fit = m.fit(m.Exponential(), y)
    median = fit.functional(lambda law: law.quantile(0.5), name="median")
    assert median.estimate == pytest.approx(math.log(2) * y.mean(), rel=1e-12)
    assert median.se() == pytest.approx(math.log(2) * y.std() / math.sqrt(50), rel=1e-10)
    assert median.se("hessian") == pytest.approx(math.log(2) * y.mean() / math.sqrt(50), rel=1e-10)
    low, high = median.interval(0.9)
    assert high - low == pytest.approx(2 * 1.6448536269514722 * median.se(), rel=1e-12)
    assert str(median).startswith("median: ")


def test_entropy_of_labels_has_its_varentropy() -> None:
    labels = list("aaaabbc") * 10
    fit = m.fit(m.Categorical(labels=list("abcd")), labels)
    entropy = fit.functional(lambda law: law.entropy())
    p = np.array([4, 2, 1]) / 7
    spread = (p * np.log(p) ** 2).sum() - (p * np.log(p)).sum() ** 2
    assert entropy.se() == pytest.approx(math.sqrt(spread / 70), rel=1e-8)
    with pytest.raises(errors.NotRegularError, match="bootstrap"):
        entropy.interval(method="profile")
    low, high = entropy.interval(method="bootstrap")
    assert low < entropy.estimate < high


def test_a_batch_of_functions() -> None:
    y = gammas(4, 50)
    y[2] = 1.0
    whole = m.fit(m.Gamma(), y).functional(lambda law: law.sf(5.0))
    assert whole.estimate.shape == (4,)
    for method in ("wald", "profile", "bootstrap"):
        found = whole.interval(method=method, replicates=99)
        assert np.isnan(found.lower).tolist() == [False, False, True, False]
        if method != "bootstrap":
            alone = m.fit(m.Gamma(), y[3]).functional(lambda law: law.sf(5.0))
            expected = tuple(alone.interval(method=method))
            assert (found.lower[3], found.upper[3]) == pytest.approx(expected, rel=1e-8)
    two = m.fit(m.Gamma(), gammas(2, 3, 50)).functional(lambda law: law.mean)
    assert two.estimate.shape == two.se().shape == (2, 3)
    assert two.interval(method="profile").upper.shape == (2, 3)


def test_functions_that_do_not_broadcast() -> None:
    fit = m.fit(m.Gamma(), gammas(30))
    for function in (lambda law: float(law.mean) * np.ones(3), lambda law: math.sqrt(law.mean[0])):
        with pytest.raises(errors.DataTypeError, match="vectorised=False"):
            fit.functional(function)
    single = fit.functional(lambda law: math.sqrt(law.mean), vectorised=False)
    both = fit.functional(lambda law: np.sqrt(law.mean))
    assert single.estimate == pytest.approx(both.estimate, rel=1e-14)
    for method in ("wald", "profile"):
        assert tuple(single.interval(method=method)) == pytest.approx(
            tuple(both.interval(method=method)), rel=1e-12
        )


def test_a_step_has_no_delta_method() -> None:
    fit = m.fit(m.Poisson(), [0, 1, 2, 3, 4, 2, 1])
    step = fit.functional(lambda law: law.quantile(0.9))
    for method in ("wald", "profile"):
        with pytest.raises(errors.NotRegularError, match="percentile"):
            step.interval(method=method)
    found = step.interval(method="bootstrap", bootstrap="percentile")
    assert found.lower <= step.estimate <= found.upper


def test_a_function_without_a_value_is_refused() -> None:
    with pytest.raises(errors.NotRegularError, match="finite"):
        m.fit(m.StudentT(df=1), gammas(30)).functional(lambda law: law.variance)
    with pytest.raises(errors.MleceError, match="robust profile"):
        m.fit(m.Gamma(), gammas(30)).functional(lambda law: law.mean).interval(method="exact")


# ---------------------------------------------------------------------- curves


def test_a_curve_holds_the_intervals_of_every_level() -> None:
    fit = m.fit(m.Gamma(), gammas(40))
    ends = [v for level in (0.5, 0.95) for v in fit.interval(level, "profile")["shape"]]
    curve = fit.profile("shape", points=ends)
    assert curve.confidence == pytest.approx([0.5, 0.5, 0.95, 0.95], abs=1e-9)
    own = fit.profile(lambda law: law.theta[0], points=ends)
    assert own.deviance == pytest.approx(curve.deviance, abs=1e-7)
    robust = fit.profile("shape", points=ends, robust=True)
    ratio = fit.variance_ratio["shape"]
    assert robust.deviance == pytest.approx(curve.deviance / ratio, rel=1e-9)


def test_the_range_of_a_curve() -> None:
    curve = m.fit(m.Gamma(), gammas(40)).profile("rate", points=21)
    assert curve.confidence[[0, -1]] == pytest.approx([0.99, 0.99], abs=1e-9)
    assert curve.missing == 0
    assert np.all(np.diff(curve.values) > 0)
    # One side is open: as far as twice the other. At the limit itself, next to the end found.
    y = m.Gaussian(0, 1).sample(300, rng=3)
    for fit in (m.fit(m.StudentT(), y), m.fit(m.NegativeBinomial(), [3, 4, 3, 4, 5, 3, 2])):
        open_ = fit.profile(fit.names[0], points=9)
        assert np.isfinite(open_.values).all()
        assert open_.confidence[0] == pytest.approx(0.99, abs=1e-6)
        assert open_.confidence[-1] < 0.99


def test_curves_of_a_batch() -> None:
    y = gammas(3, 40)
    for of in ("shape", lambda law: law.mean):
        whole = m.fit(m.Gamma(), y).profile(of, points=[1.5, 2.0, 3.0])
        assert whole.deviance.shape == (3, 3)
        alone = m.fit(m.Gamma(), y[1]).profile(of, points=[1.5, 2.0, 3.0])
        assert whole.deviance[1] == pytest.approx(alone.deviance, rel=1e-7)
    with pytest.raises(errors.DataError, match="one fit"):
        whole.plot()


def test_a_picture_returns_what_it_drew() -> None:
    curve = m.fit(m.Gamma(), gammas(40)).functional(lambda law: law.mean, name="mean").profile(11)
    _, ax = plt.subplots()
    drawn_on, numbers = curve.plot(ax)
    assert drawn_on is ax
    line = ax.lines[0]
    np.testing.assert_array_equal(line.get_ydata(), numbers.confidence)
    np.testing.assert_array_equal(line.get_xdata(), curve.values)
    assert ax.get_xlabel() == "mean"
    assert numbers.estimate == curve.estimate
    plt.close("all")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda fit: fit.profile("scale"), "free parameter"),
        (lambda fit: fit.profile("shape", points=1), "2 points"),
        (lambda fit: m.fit(m.Uniform(), [1.0, 2, 3]).profile("lower"), "exact"),
        (lambda fit: m.fit(m.Categorical(), list("aab")).profile("p"), "labels"),
    ],
)
def test_bad_questions(ask: Any, words: str) -> None:
    with pytest.raises(errors.MleceError, match=words):
        ask(m.fit(m.Gamma(), gammas(30)))


def test_sampling_weights_of_labels() -> None:
    # Twice every label with weight w is once with 2 w as an estimate, not as a variance.
    labels, w = list("aabbbcab"), np.array([1.0, 2, 1, 3, 1, 2, 5, 1])
    fit = m.fit(m.Categorical(), labels, weights=w, weighting="sampling")
    mass = fit.functional(lambda law: law.slots["p"][..., 0])
    p = fit.params["p"]
    assert mass.se() == pytest.approx(fit.standard_errors()["p"][0], rel=1e-9)
    expected = math.sqrt((w**2 * (np.equal(labels, "a") - p[0]) ** 2).sum()) / w.sum()
    assert mass.se() == pytest.approx(expected, rel=1e-9)
    robust = fit.interval(method="robust profile")["p"]
    inside = 2 * w.sum() * (p[0] * np.log(p[0] / robust.lower[0]))
    inside += 2 * w.sum() * (1 - p[0]) * np.log((1 - p[0]) / (1 - robust.lower[0]))
    assert inside == pytest.approx(QUANTILE * expected**2 * w.sum() / (p[0] * (1 - p[0])), rel=1e-8)
    assert np.all(np.diff(fit.interval(method="bootstrap")["p"], axis=0) > 0)


# ---------------------------------------------------------------------- fits at a limit


def test_a_function_is_profiled_where_the_fit_is_a_limit() -> None:
    """Counts without overdispersion: size is infinite, and members with a finite one are near."""
    y = m.Poisson(rate=3).sample(60, rng=4)
    fit = m.fit("negativebinomial", y)
    assert fit.params["size"] == np.inf
    # The mean has a profile of its own as a parameter.
    low, high = fit.functional(lambda law: law.mean).interval(method="profile")
    own = fit.interval(method="profile")["mean"]
    assert (low, high) == pytest.approx(tuple(own), rel=1e-9)
    # The variance mean + mean²/size is largest at a size of its own: by hand, size by size.
    spread = fit.functional(lambda law: law.variance)
    found = spread.interval(method="profile")
    level = stats.chi2.ppf(0.95, 1)
    best = stats.poisson.logpmf(y, y.mean()).sum()

    def widest(size: float) -> float:
        def over(mean: float) -> float:
            own = stats.nbinom.logpmf(y, size, size / (size + mean)).sum()
            return 2 * (best - own) - level

        end = optimize.brentq(over, y.mean(), 20)
        return end + end**2 / size

    top = optimize.minimize_scalar(lambda size: -widest(size), bounds=(13, 17), method="bounded")
    assert found.upper == pytest.approx(-top.fun, rel=1e-7)
    assert found.lower == pytest.approx(low, rel=1e-6)
    assert "size → ∞" in found.remark
    assert "without a standard error" in str(fit.functional(lambda law: law.mean))


def test_the_end_of_a_function_may_belong_to_a_limit_that_the_fit_has_not_met() -> None:
    fit = m.fit(m.StudentT(), m.Gaussian(0, 1).sample(300, rng=3))
    df = fit.interval(method="profile")["df"]
    assert df.upper == np.inf
    found = fit.functional(lambda law: 1 / law.df).interval(method="profile")
    assert found.upper == pytest.approx(1 / df.lower, rel=1e-8)
    assert 0 <= found.lower < 1e-6
    assert "df → ∞" in found.remark


def test_what_a_fit_at_a_limit_cannot_have_names_what_it_can() -> None:
    fit = m.fit("negativebinomial", m.Poisson(rate=3).sample(60, rng=4))
    tail = fit.functional(lambda law: law.sf(5))
    for ask in (tail.interval, tail.profile, lambda: tail.interval(method="bootstrap")):
        with pytest.raises(m.MleceError, match="profile"):
            ask()


# ---------------------------------------------------------------------- at covariates

YEARS = np.arange(1931.0, 1982.0)


def levels_of_the_sea() -> Any:
    """Annual maxima with a trend, of which one lies far above the others."""
    y = m.GEV(loc=0.6 * (YEARS - 1981) + 125, scale=13, shape=-0.15).sample(1, rng=4)[:, 0]
    y[35] += 60
    return y


def test_a_function_at_covariates_is_one_of_the_law_there() -> None:
    y = levels_of_the_sea()
    fit = m.fit(m.GEV(loc="year"), y, given={"year": YEARS})
    level = fit.functional(lambda law: law.quantile(0.99), given={"year": [2020]})
    assert level.estimate == fit.predict({"year": [2020]}).quantile(0.99).item()
    # Where the covariate counts from 2020 on, the constant is the location of that year.
    held = m.fit(m.GEV(loc="ahead"), y, given={"ahead": YEARS - 2020})
    place = fit.functional(lambda law: law.slots["loc"], given={"year": 2020})
    for settings in ({"method": "wald"}, {"method": "profile"}, {"method": "robust profile"}):
        expected = held.interval(**settings)["loc[Intercept]"]
        assert tuple(place.interval(**settings)) == pytest.approx(tuple(expected), rel=1e-7)
    settings = {"method": "bootstrap", "replicates": 99, "rng": 1}
    expected = held.interval(**settings)["loc[Intercept]"]
    assert tuple(place.interval(**settings)) == pytest.approx(tuple(expected), rel=1e-9)
    one = fit.functional(lambda law: law.quantile(0.99), given={"year": 2020}, vectorised=False)
    assert one.se() == pytest.approx(level.se())


def test_a_function_at_several_rows_is_one_of_all_of_them() -> None:
    fit = m.fit(m.Poisson(rate="x"), [1, 2, 2, 4, 3], given={"x": [0.0, 1.0, 2.0, 3.0, 4.0]})
    given = {"x": [0.0, 2.0]}
    ratio = fit.functional(lambda law: np.log(law.mean[..., 1] / law.mean[..., 0]), given=given)
    low, high = fit.interval(method="profile")["rate[x]"]
    assert tuple(ratio.interval(method="profile")) == pytest.approx((2 * low, 2 * high), rel=1e-8)
    trials = m.fit(m.Binomial(n=[3, 5, 4], p="x"), [1, 2, 3], given={"x": [0.0, 1.0, 3.0]})
    expected = trials.functional(lambda law: law.mean, given={"x": [2.0]}, known={"n": [8]})
    assert expected.estimate == trials.predict({"x": [2.0]}, n=[8]).mean.item()


def test_functions_at_covariates_that_cannot_be() -> None:
    fit = m.fit(m.Poisson(rate="x"), [1, 2, 2, 4, 3], given={"x": [0.0, 1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(errors.DataTypeError, match=r"shape \(1,\); got shape \(1, 2\)"):
        fit.functional(lambda law: law.mean, given={"x": [1.0, 2.0]})
    with pytest.raises(errors.NoDensityError, match=r"fit.functional\(function, given="):
        fit.functional(lambda law: law.quantile(0.9))
    with pytest.raises(errors.DataTypeError, match="a fit with covariates for given="):
        m.fit("poisson", [1, 2]).functional(lambda law: law.mean, given={"x": [1.0]})


def test_profiles_do_not_depend_on_where_a_covariate_counts_from() -> None:
    """Far from 0 constant and slope are nearly the same direction, along which the ends lie far away."""
    y = levels_of_the_sea()
    ends = []
    for origin in (1956.0, 0.0, -1e5):
        given = {"t": YEARS - origin}
        fit = m.fit(m.GEV(loc="t"), y, given=given)
        level = fit.functional(lambda law: law.quantile(0.99), given={"t": 2050 - origin})
        ends.append(level.interval(method="profile"))
        assert ends[-1].residual < 1e-6
    for other in ends[1:]:
        assert tuple(other) == pytest.approx(tuple(ends[0]), rel=1e-6)


def test_replicates_without_an_observation_that_they_exclude_are_fitted() -> None:
    """Without the largest maximum the support may end below it: its weight is 0, its density too."""
    y = levels_of_the_sea()
    weights = np.ones((2, len(y)))
    weights[0, y.argmax()] = 0.0
    some = np.arange(len(y)) != y.argmax()
    both = m.fit(m.GEV(loc="t"), np.stack([y, y]), weights=weights, given={"t": YEARS - 1956})
    alone = m.fit(m.GEV(loc="t"), y[some], given={"t": YEARS[some] - 1956})
    assert alone.predict({"t": YEARS - 1956}).cdf(y[:, None])[y.argmax()] == 1.0
    for name, value in alone.params.items():
        assert both.params[name][0] == pytest.approx(value, rel=1e-7)
        own = both.standard_errors()[name][0]
        assert own == pytest.approx(alone.standard_errors()[name], rel=1e-6)
