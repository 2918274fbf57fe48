"""Every picture returns the numbers that it drew, and they are the data's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import mlece  # noqa: E402
from mlece import errors  # noqa: E402
from mlece.comparisons.comparison import compare  # noqa: E402
from mlece.diagnostics.ledger import ledger  # noqa: E402
from mlece.plot import comparison_bars, fit_panels, ledger_bars  # noqa: E402

RNG = np.random.default_rng(3)
POSITIVE = RNG.gamma(3.0, 2.0, 120)

FITS: dict[str, tuple[Any, Any]] = {
    "continuous": ("gamma", POSITIVE),
    "rounded": ("gaussian", np.round(RNG.normal(70, 13, 150))),
    "three parameters": ("studentt", RNG.standard_t(3, 3000)),
    "counts": ("poisson", RNG.poisson(4, 100)),
    "binary": ("bernoulli", [0, 1, 1, 0, 1]),
    "labels": (mlece.Categorical(labels="abcd"), list("aababbbc")),
    "not regular": ("uniform", POSITIVE),
    "no free slot": (mlece.Gaussian(5, 3), POSITIVE),
    "limit family": ("negativebinomial", [3, 4, 4, 5, 3]),
    "one observation": (mlece.Gaussian(sd=1), [2.0]),
    "large numbers": ("gaussian", 1e9 + RNG.normal(size=50)),
    "tiny numbers": ("gamma", 1e-300 * POSITIVE),
    "known distribution": ("gaussian", mlece.Exponential(rate=1)),
    "known counts": ("geometric", mlece.Poisson(rate=3)),
    "known heavy tails": ("cauchy", mlece.Cauchy(loc=0, scale=1)),
}

every_fit = pytest.mark.parametrize("case", FITS)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@every_fit
def test_panels(case: str) -> None:
    fit = mlece.fit(*FITS[case])
    axes, drawn = fit_panels(fit)
    assert axes.shape == (2, 2)
    axes[0, 0].figure.canvas.draw()
    for ax in axes.flat:
        assert ax.get_title(loc="left")
        assert ax.get_xlabel()
        assert ax.get_ylabel()
    assert np.all(np.diff(drawn.ecdf) >= 0)
    assert drawn.ecdf[-1] == pytest.approx(1.0)
    assert np.all((drawn.cdf >= 0) & (drawn.cdf <= 1 + 1e-12))
    # The score equation, drawn; for rounding of data far from the origin in absolute terms.
    assert all(abs(m) < 1e-6 for m in drawn.score_means.values())


@pytest.mark.parametrize("case", ["continuous", "rounded", "three parameters", "not regular"])
def test_histogram_holds_every_observation(case: str) -> None:
    model, data = FITS[case]
    _, drawn = mlece.fit(model, data).plot()
    assert drawn.heights @ np.diff(drawn.edges) == pytest.approx(1.0)
    assert drawn.edges[0] <= np.min(data)
    assert drawn.edges[-1] >= np.max(data)


@pytest.mark.parametrize(
    ("model", "data", "bulk"),
    [
        ("cauchy", mlece.Cauchy(loc=0, scale=1).sample(400, rng=1), (-30, 30)),
        ("zeta", mlece.Zeta(alpha=1.9).sample(400, rng=1), (0, 60)),
    ],
)
def test_the_axis_of_heavy_tails_shows_the_bulk(model: str, data: Any, bulk: Any) -> None:
    assert np.ptp(data) > 2 * (bulk[1] - bulk[0])
    axes, _ = mlece.fit(model, data).plot()
    for ax in (*axes[0], axes[1, 1]):
        low, high = ax.get_xlim()
        assert bulk[0] - 5 < low < high < bulk[1]
    assert "% beyond the axis" in "".join(t.get_text() for t in axes[0, 0].get_legend().texts)


def test_bins_of_rounded_data_hold_equally_many_grid_points() -> None:
    _, drawn = mlece.fit(*FITS["rounded"]).plot()
    width = np.diff(drawn.edges)
    assert width == pytest.approx(np.round(width))
    assert drawn.edges[0] % 1 == pytest.approx(0.5)


def test_curves_are_those_of_the_model() -> None:
    fit = mlece.fit("gamma", POSITIVE)
    _, drawn = fit.plot()
    assert drawn.curve == pytest.approx(fit.model.density(drawn.curve_x))
    assert drawn.cdf == pytest.approx(fit.model.cdf(np.sort(POSITIVE)))
    assert drawn.quantile_y == pytest.approx(np.sort(POSITIVE))
    ranks = (np.arange(120) + 0.5) / 120
    assert drawn.quantile_x == pytest.approx(fit.model.quantile(ranks))
    assert np.all(drawn.band_lower < drawn.quantile_x)
    assert np.all(drawn.band_upper > drawn.quantile_x)


def test_counts_are_bars_with_weights() -> None:
    fit = mlece.fit("poisson", [0, 1, 3], weights=[5, 3, 2])
    _, drawn = fit.plot()
    assert drawn.edges.tolist() == [0, 1, 2, 3]
    assert drawn.heights == pytest.approx([0.5, 0.3, 0.0, 0.2])
    assert drawn.curve == pytest.approx(fit.model.density([0, 1, 2, 3]))
    assert drawn.ecdf == pytest.approx([0.5, 0.8, 1.0])


def test_labels_name_the_cells_and_empty_cells_have_a_multiplier() -> None:
    axes, drawn = mlece.fit(*FITS["labels"]).plot()
    assert [t.get_text() for t in axes[0, 0].get_xticklabels()] == ["a", "b", "c", "d"]
    assert drawn.heights == pytest.approx([3 / 8, 4 / 8, 1 / 8, 0])
    assert drawn.scores["p"] == pytest.approx(np.zeros(4))


def test_given_axes_are_used_and_no_figure_is_made() -> None:
    figure, axes = plt.subplots(1, 4)
    fit = mlece.fit("gamma", POSITIVE)
    back, _ = fit_panels(fit, ax=axes)
    assert back is axes
    bars, _ = comparison_bars(compare(["gamma"], POSITIVE), ax=axes[0])
    assert bars is axes[0]
    ledger_bars(ledger(mlece.Gamma(shape=3, rate=0.5), fit), ax=axes[1])
    figure.canvas.draw()
    assert plt.get_fignums() == [figure.number]


def test_panels_refuse_what_has_no_picture() -> None:
    with pytest.raises(errors.DataError):
        mlece.fit("gamma", POSITIVE.reshape(4, 30)).plot()
    with pytest.raises(errors.NoDensityError):
        mlece.fit("gamma", [2.0, 2.0]).plot()
    with pytest.raises(errors.DataError):
        fit_panels(mlece.fit("gamma", POSITIVE), ax=plt.subplots(1, 2)[1])


@pytest.mark.parametrize("units", ["nats", "bits"])
def test_comparison_bars(units: str) -> None:
    found = compare(["gamma", "weibull", "exponential"], POSITIVE, units=units)
    ax, drawn = found.plot()
    scale = mlece.units.nats_per_unit(units)
    assert drawn.labels == tuple(row.name for row in found.ranked)
    assert drawn.floor * scale == pytest.approx(found.floor)
    assert drawn.gap * scale == pytest.approx([row.excess for row in found.ranked])
    assert units in ax.get_xlabel()
    # Three segments for each model, laid end to end.
    assert len(ax.patches) == 9
    ax.figure.canvas.draw()


def test_ledger_bars() -> None:
    truth = mlece.Gamma(shape=2, rate=1)
    fit = mlece.fit("exponential", truth.sample(60, rng=1))
    account = ledger(truth, fit)
    ax, drawn = account.plot()
    assert drawn.floor + drawn.gap[0] + drawn.estimation[0] == pytest.approx(float(account.total))
    ax.figure.canvas.draw()


def test_nothing_ranked_nothing_drawn() -> None:
    with pytest.raises(errors.NoDensityError):
        compare(["gamma"], [-1.0, 2.0]).plot()


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_scores_in_any_units(scale):
    drawn = mlece.fit("gamma", scale * np.asarray(POSITIVE)).plot()[1]
    plain = mlece.fit("gamma", POSITIVE).plot()[1]
    for name, expected in plain.scores.items():
        np.testing.assert_allclose(drawn.scores[name], expected, rtol=1e-9)
