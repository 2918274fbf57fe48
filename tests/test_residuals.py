"""Transforms and residuals that are uniform and normal under the fitted law; how samples are recorded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.diagnostics.distance import distances, spread_distances
from mlece.refits.bootstrap import observations
from mlece.refits.recording import recorded_like, recorder

RNG = np.random.default_rng(17)


def mixed_law() -> mlece.Fit:
    return mlece.fit(mlece.Inflated(mlece.Gamma()), np.r_[np.zeros(80), RNG.gamma(2, 1, 120)])


def right_censored() -> mlece.Fit:
    time, limit = RNG.weibull(1.5, 200), RNG.exponential(1.5, 200)
    return mlece.fit("weibull", mlece.right_censored(np.minimum(time, limit), time <= limit))


def left_censored() -> mlece.Fit:
    y = RNG.lognormal(size=200)
    low, high = np.where(y < 0.5, -np.inf, y), np.where(y < 0.5, 0.5, y)
    return mlece.fit("lognormal", mlece.censored(low, high))


def grouped() -> mlece.Fit:
    counts = np.histogram(RNG.gamma(2, 1, 200), [0, 0.5, 1, 1.5, 2, 3, 4, 6, 20])[0]
    return mlece.fit("gamma", mlece.grouped([0, 0.5, 1, 1.5, 2, 3, 4, 6, 20], counts))


def truncated() -> mlece.Fit:
    y, entry = RNG.weibull(1.5, 400), RNG.uniform(0, 1, 400)
    seen = y > entry
    return mlece.fit(
        "weibull", mlece.right_censored(y[seen], np.ones(seen.sum(), bool), entry[seen])
    )


FITS = {
    "density": lambda: mlece.fit("gamma", RNG.gamma(2, 1, 200)),
    "counts": lambda: mlece.fit("poisson", RNG.poisson(2, 200)),
    "atoms": mixed_law,
    "right": right_censored,
    "left": left_censored,
    "truncated": truncated,
}


@pytest.mark.parametrize("name", FITS)
def test_residuals_are_normal_under_the_model(name: str) -> None:
    """Estimated parameters make them nearer still: the 1e-4 quantile of Kolmogorov's law bounds."""
    z = mlece.residuals(FITS[name](), rng=3)
    assert stats.kstest(z, "norm").statistic <= 2.22 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 0.2


def test_residuals_come_in_the_order_of_the_data() -> None:
    time, event = np.array([3.0, 1.0, 3.0, 2.0]), np.array([True, False, True, True])
    fit = mlece.fit("exponential", mlece.right_censored(time, event))
    below, up_to = mlece.pit(fit)
    want = fit.model.cdf(time)
    np.testing.assert_allclose(below, want)
    np.testing.assert_allclose(up_to, np.where(event, want, 1.0))


def test_entries_condition_the_transform() -> None:
    data = mlece.right_censored([2.0, 3.0], [1, 1], entry=[1.0, 0.0])
    fit = mlece.fit(mlece.Exponential(rate=0.5), data)
    _, up_to = mlece.pit(fit)
    np.testing.assert_allclose(up_to, [1 - np.exp(-0.5), 1 - np.exp(-1.5)])


def test_counts_have_intervals_and_far_tails_their_digits() -> None:
    fit = mlece.fit(mlece.Poisson(rate=2.0), [0, 3, 60])
    below, up_to = mlece.pit(fit)
    np.testing.assert_allclose(below[:2], [0.0, stats.poisson.cdf(2, 2)], atol=1e-15)
    np.testing.assert_allclose(up_to[:2], stats.poisson.cdf([0, 3], 2))
    far = mlece.residuals(mlece.fit(mlece.Gaussian(mean=0, sd=1), [20.0, -20.0]))
    np.testing.assert_allclose(far, [20.0, -20.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: mlece.fit("gaussian", mlece.Exponential(rate=1)),
        lambda: mlece.fit(mlece.Categorical(), list("aab")),
        lambda: mlece.fit(mlece.MultivariateGaussian(dimension=2), RNG.normal(size=(9, 2))),
    ],
)
def test_what_has_no_order_has_no_residuals(make: object) -> None:
    assert callable(make)
    with pytest.raises(mlece.MleceError):
        mlece.residuals(make())


# -------------------------------------------------------------------------------- incomplete data


def test_known_transforms_give_the_distances_of_densities() -> None:
    y = RNG.gamma(2, 1, (3, 40))
    member = mlece.Gamma(shape=[2.0, 2.5, 1.5], rate=[1.0, 1.1, 0.9])
    u = member.cdf(y)
    want, found = distances(member, y), spread_distances(u, u)
    for name, value in found.items():
        np.testing.assert_allclose(value, want[name], rtol=2e-3 if name[0] == "a" else 1e-9)


def test_spread_transforms_by_the_definition() -> None:
    """A fine grid of the spread distribution function; the grid's step bounds the error."""
    below, at = np.array([[0.1, 0.3, 0.0, 0.6]]), np.array([[0.4, 0.3, 0.2, 1.0]])
    u = (np.arange(200_000) + 0.5) / 200_000
    parts = [
        (u >= b) * 1.0 if b == a else np.clip((u - b) / (a - b), 0, 1)
        for b, a in zip(below[0], at[0], strict=True)
    ]
    gap = np.mean(parts, axis=0) - u
    found = spread_distances(below, at)
    assert found["kolmogorov-smirnov"][0] == pytest.approx(np.abs(gap).max(), abs=1e-5)
    assert found["cramer-von mises"][0] == pytest.approx(4 * np.mean(gap**2), abs=1e-5)
    want = 4 * np.mean(gap**2 / (u * (1 - u)))
    assert found["anderson-darling"][0] == pytest.approx(want, rel=2e-3)


def test_transforms_next_to_one_have_distances() -> None:
    """Of a stretch narrower than the floats next to 1 the weight 1/(u (1 − u)) was infinite."""
    below = np.array([[0.2, 0.5, 0.7]])
    for end in (1.0 - 2.0**-53, 1.0):
        at = np.array([[0.4, 0.5, end]])
        near = spread_distances(below, at)
        want = spread_distances(below, np.array([[0.4, 0.5, 1.0]]))
        for name, value in near.items():
            np.testing.assert_allclose(value, want[name], rtol=1e-12)


def test_transforms_given_a_late_entry() -> None:
    """Beyond the entry of an exponential law is the same law; far out 1 - F has no digits left."""
    y = np.array([0.1, 0.7, 2.0])
    for entry in (0.0, 1.0, 30.0, 60.0):
        data = mlece.right_censored(entry + y, [1, 0, 1], entry=np.full(3, entry))
        fit = mlece.fit(mlece.Exponential(rate=1.0), data)
        below, at = mlece.pit(fit)
        np.testing.assert_allclose(below, -np.expm1(-y), rtol=1e-13)
        np.testing.assert_allclose(at, [-np.expm1(-y[0]), 1.0, -np.expm1(-y[2])], rtol=1e-13)


@pytest.mark.parametrize(
    "make", [right_censored, left_censored, grouped, truncated], ids=lambda f: f.__name__
)
def test_simulated_samples_are_recorded_like_the_data(make: object) -> None:
    """Shares of exact observations and mean ends agree within five standard errors."""
    assert callable(make)
    fit = make()
    values = np.repeat(fit.sample.values[0], fit.sample.weights[0].astype(int), axis=0)
    drawn = recorder(values, False)(fit.model, 50, np.random.default_rng(1))
    exact, own = (v[..., 0] == v[..., 1] for v in (drawn, values))
    spread = 5 * np.sqrt(0.25 / own.size) * np.sqrt(1 + 1 / 50)
    assert abs(exact.mean() - own.mean()) <= spread
    ends, observed = (
        np.where(np.isfinite(v[..., 1]), v[..., 1], v[..., 0]) for v in (drawn, values)
    )
    assert abs(ends.mean() - observed.mean()) <= 5 * observed.std() / np.sqrt(observed.size) + 1e-9


def visits(entry: float = -np.inf) -> mlece.Censored:
    """Months in which 300 lives ended, of whom some left after a visit."""
    rng = np.random.default_rng(3)
    y = mlece.Weibull(shape=1.5, scale=10).sample(300, rng=rng)
    y = y[y > max(entry, 0.0)]
    seen, gone = np.ceil(y), rng.geometric(0.08, y.size) + np.maximum(np.ceil(entry), 0.0)
    lost = gone < seen
    low, high = np.where(lost, gone, seen - 1), np.where(lost, np.inf, seen)
    return mlece.censored(low, high, entry)


def test_visits_at_common_times_are_simulated_like_the_data() -> None:
    data = visits()
    fit = mlece.fit("weibull", data)
    values = data.values
    drawn = recorder(values, False)(fit.model, 200, np.random.default_rng(1))
    lost, own = (np.isposinf(v[..., 1]) for v in (drawn, values))
    spread = 5 * np.sqrt(0.25 / len(own)) * np.sqrt(1 + 1 / 200)
    assert abs(lost.mean() - own.mean()) <= spread
    # No end that the data do not hold, and as many events in every month.
    assert set(np.unique(drawn[..., :2])) - {-np.inf} <= set(np.unique(values[:, :2]))
    for month in range(1, 12):
        shares = [(v[..., 1] == month).mean() for v in (drawn, values)]
        assert abs(shares[0] - shares[1]) <= spread
    assert mlece.goodness_of_fit(fit, replicates=39)["anderson-darling"].p_value > 0.05


def test_visits_to_counts_and_after_an_entry() -> None:
    """Counts lie in closed intervals: the next one begins a whole number behind."""
    rng = np.random.default_rng(4)
    y, last = rng.poisson(4.0, 200), rng.integers(1, 5, 200) * 2
    low, high = 2 * (y // 2), 2 * (y // 2) + 1
    lost = low >= last
    counts = mlece.censored(np.where(lost, last, low), np.where(lost, np.inf, high))
    fit = mlece.fit("poisson", counts)
    drawn = recorder(fit.sample.values[0], True)(fit.model, 50, rng)
    known = {tuple(v) for v in counts.values[:, :2].tolist()}
    assert {tuple(v) for v in drawn[..., :2].reshape(-1, 2).tolist()} <= known | {(8.0, np.inf)}
    late = visits(entry=2.0)
    fit = mlece.fit("weibull", late)
    drawn = recorder(late.values, False)(fit.model, 50, rng)
    assert drawn[..., 0].min() == 2.0


@pytest.mark.parametrize("entry", [None, 0.4], ids=["whole", "delayed"])
@pytest.mark.parametrize("given", [False, True])
def test_a_batch_of_laws_is_drawn_from_as_one_law_is(entry: float | None, given: bool) -> None:
    rng = np.random.default_rng(5)
    x = rng.random(30)
    y, c = 0.5 + rng.gamma(2.0, 1.0, 30), 0.5 + rng.gamma(3.0, 1.0, 30)
    data = mlece.right_censored(np.minimum(y, c), y <= c, entry)
    model = mlece.Weibull(scale="x") if given else mlece.Weibull()
    fit = mlece.fit(model, data, given={"x": x} if given else None)
    draw = recorded_like(fit, observations(fit))
    assert draw is not None
    batch = fit.family.member(*[np.asarray([t, t]) for t in fit.model.theta])
    alone = fit.family.member(*[np.asarray([t]) for t in fit.model.theta])
    one = draw(fit.model, 3, np.random.default_rng(7))
    np.testing.assert_array_equal(draw(alone, 3, np.random.default_rng(7))[0], one)
    both = draw(batch, 3, np.random.default_rng(7))
    assert both.shape == (2, *one.shape)
    assert np.isfinite(both[..., 0]).all()


def test_right_and_wrong_laws_of_censored_data() -> None:
    fit = right_censored()
    good = mlece.goodness_of_fit(fit, replicates=39)
    assert good["anderson-darling"].p_value > 0.05
    values, counts = fit.sample.values[0], fit.sample.weights[0]
    data = mlece.censored(values[:, 0], values[:, 1])
    bad = mlece.goodness_of_fit(mlece.fit("exponential", data, weights=counts), replicates=39)
    assert bad["anderson-darling"].p_value <= 0.05


def test_inspections_that_are_unknown_are_refused() -> None:
    data = mlece.censored([0.0, 0.5, 2.0, 1.0], [1.0, 2.0, 3.5, np.inf])
    with pytest.raises(mlece.MleceError, match="cells side by side"):
        mlece.goodness_of_fit(mlece.fit("exponential", data), replicates=19)
