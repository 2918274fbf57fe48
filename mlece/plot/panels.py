"""Four panels on one fit: the density, the distribution function, the quantiles, the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.model import Model
from mlece.plot.style import BLUE, CYCLE, GREY, INK, VERMILION, new_axes, tidy

if TYPE_CHECKING:
    from mlece.fits.result import Fit

_POINTS = 400
_DOTS = 600
_BINS = 60
# A tail is heavy where it runs this many times further than its outer decile.
_HEAVY = 10.0


@dataclass(frozen=True)
class PanelNumbers:
    """What was drawn.

    Attributes
    ----------
    edges, heights : array
        Histogram of the data, (b + 1,) and (b,); for counts and categories the values (m,) and
        their relative frequencies (m,).
    curve_x, curve : array
        The fitted density, or the probabilities at the same values.
    ecdf_x, ecdf, cdf : array (m,)
        Empirical and fitted distribution function at the distinct observations.
    quantile_x, quantile_y : array
        Fitted and observed quantiles; for counts and categories the values and their standardised
        residuals.
    band_lower, band_upper : array
        Pointwise 95 % band of the observed quantiles (or residuals) if the model is right.
    scores : dict of str to array (m,)
        Score contributions of the distinct observations over their root mean square.
    score_means : dict of str to float
        Their weighted means: zero at an interior optimum.
    """

    edges: Array
    heights: Array
    curve_x: Array
    curve: Array
    ecdf_x: Array
    ecdf: Array
    cdf: Array
    quantile_x: Array
    quantile_y: Array
    band_lower: Array
    band_upper: Array
    scores: dict[str, Array]
    score_means: dict[str, float]


@dataclass(frozen=True)
class _Drawing:
    """A fitted member with the distinct observations, their shares and their number."""

    fit: Fit
    model: Model
    y: Array
    share: Array
    n: float

    @property
    def discrete(self) -> bool:
        return self.fit.family.support.discrete

    @property
    def known(self) -> bool:
        return self.fit.sample.truth is not None

    def at(self, y: Array) -> Any:
        """Return observations in the form that the model's public methods take."""
        return self.model.decode(y.astype(int)) if self.labels else y

    @property
    def labels(self) -> bool:
        return self.fit.family.support.kind == "categories"


def fit_panels(fit: Fit, ax: Any = None) -> tuple[Any, PanelNumbers]:
    """Draw four panels on one fit.

    The density (or probabilities) over the data; the distribution function over the empirical one;
    observed against fitted quantiles with a pointwise 95 % band, or for counts and categories the
    standardised residuals of the frequencies; and the score contributions, whose mean is zero at an
    interior optimum.

    Parameters
    ----------
    fit : Fit
        A single fit with a minimiser, to data or to a known distribution.
    ax : array of four matplotlib axes, optional
        A new figure if not given.

    Returns
    -------
    axes : array of matplotlib axes, in the shape given
    numbers : PanelNumbers

    Raises
    ------
    DataError
        For a batch of fits, or other than four axes.
    NoDensityError
        If the fit has no minimiser.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> axes, drawn = mlece.fit("gamma", [1.0, 2.5, 0.7, 3.1, 1.8]).plot()
    >>> axes.shape, abs(drawn.score_means["shape"]) < 1e-9
    ((2, 2), True)
    """
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i].plot()")
        )
    drawing = _drawing(fit)
    axes = new_axes(2, 2, (9.6, 7.0)) if ax is None else ax
    flat = np.ravel(np.asarray(axes, dtype=object))
    if flat.size != 4:
        raise errors.DataError(errors.message("four axes", f"{flat.size}"))
    density = (_masses if drawing.discrete else _density)(flat[0], drawing)
    distribution = _distribution(flat[1], drawing)
    quantiles = (_residuals if drawing.discrete else _quantiles)(flat[2], drawing)
    scores = (_multipliers if fit.on_simplex else _scores)(flat[3], drawing)
    if drawing.discrete:
        from matplotlib.ticker import MaxNLocator

        for ax in flat:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if drawing.labels:
        names = [str(v) for v in drawing.at(density[0])]
        for ax in flat:
            ax.set_xticks(density[0], names)
    return axes, PanelNumbers(*density, *distribution, *quantiles, *scores)


def _drawing(fit: Fit) -> _Drawing:
    model = fit.model
    sample = fit.sample
    y = np.asarray(sample.values[0], dtype=float)
    w = np.ones(y.size) if sample.weights is None else np.asarray(sample.weights[0], dtype=float)
    distinct, position = np.unique(y, return_inverse=True)
    mass = np.bincount(position, weights=w)
    distinct, mass = distinct[mass > 0], mass[mass > 0]
    total = float(mass.sum())
    return _Drawing(fit, model, distinct, mass / total, total)


# -------------------------------------------------------------------------------- the density


def _span(drawing: _Drawing) -> tuple[float, float]:
    """Return the stretch of the axis: that of the data, or nearly all of a known distribution.

    A heavy tail, ten times as long as its outer decile lies from the median, is cut at five times:
    beside all of it the bulk would be a spike.
    """
    running = np.cumsum(drawing.share)
    levels = [0.1, 0.5, 0.9, 2e-3, 1 - 2e-3] if drawing.known else [0.1, 0.5, 0.9, 0.0, 1.0]
    last = drawing.y.size - 1
    bottom, middle, top, low, high = (
        float(drawing.y[min(k, last)]) for k in np.searchsorted(running, levels)
    )
    if drawing.labels:
        return low, high
    below, above = middle - bottom, top - middle
    if below > 0 and middle - low > _HEAVY * below:
        low = middle - 0.5 * _HEAVY * below
    if above > 0 and high - middle > _HEAVY * above:
        high = middle + 0.5 * _HEAVY * above
    inside = drawing.y[(drawing.y >= low) & (drawing.y <= high)]
    return float(inside[0]), float(inside[-1])


def _data_label(drawing: _Drawing, low: float, high: float) -> str:
    """Return the legend of the data, with the share that the axis leaves out."""
    if drawing.known:
        return "known distribution"
    outside = float(drawing.share[(drawing.y < low) | (drawing.y > high)].sum())
    beyond = f", {100 * outside:.2g} % beyond the axis" if outside > 0 else ""
    return f"data, n = {drawing.n:,.6g}{beyond}"


def _edges(drawing: _Drawing) -> Array:
    """Return bin edges, on the grid of rounded data; all beyond the axis is one bin on either side.

    The finer of the rules of Freedman and Diaconis (1981) and of Rice, 2 n^(1/3) bins: the first is
    too coarse for two modes, the second for long tails.
    """
    y, running = drawing.y, np.cumsum(drawing.share)
    low, high = _span(drawing)
    if low == high:
        half = 0.5 * max(abs(low), 1.0) * 1e-3
        return np.array([low - half, low + half])
    quartiles = y[np.minimum(np.searchsorted(running, [0.25, 0.75]), y.size - 1)]
    width = 2.0 * (quartiles[1] - quartiles[0]) * drawing.n ** (-1 / 3)
    rice = (high - low) / np.ceil(2.0 * drawing.n ** (1 / 3))
    width = max(min(width, rice) if width > 0 else rice, (high - low) / _BINS)
    step = float(np.diff(y).min()) if y.size < 0.8 * drawing.n else 0.0
    if step > 0.02 * width:
        # Every bin must hold as many points of the grid as the next, or rounding looks like shape.
        width = step * max(1.0, np.round(width / step))
        low -= 0.5 * step
        bins = int(np.floor((high - low) / width)) + 1
        edges = low + width * np.arange(bins + 1)
    else:
        edges = np.linspace(low, high, int(np.ceil((high - low) / width)) + 1)
    return np.concatenate([y[:1][y[:1] < edges[0]], edges, y[-1:][y[-1:] > edges[-1]]])


def _density(ax: Any, drawing: _Drawing) -> tuple[Array, Array, Array, Array]:
    name = drawing.fit.sample.name
    low, high = _span(drawing)
    margin = 0.08 * (high - low) or 1e-3
    x = np.linspace(low - margin, high + margin, _POINTS)
    if drawing.known:
        truth = drawing.fit.sample.truth
        assert truth is not None
        edges, heights = x, truth.density(x)
        ax.fill_between(x, heights, color=GREY, linewidth=0, label="known distribution")
    else:
        edges = _edges(drawing)
        mass, _ = np.histogram(drawing.y, bins=edges, weights=drawing.share)
        heights = mass / np.diff(edges)
        ax.stairs(heights, edges, fill=True, color=GREY, label=_data_label(drawing, x[0], x[-1]))
    curve = drawing.model.density(x)
    ax.plot(x, curve, color=VERMILION, linewidth=2.0, label=_label(drawing))
    ax.set_xlim(x[0], x[-1])
    visible = np.isfinite(curve)
    tallest = max(float(heights[np.isfinite(heights)].max()), float(np.median(curve[visible])))
    ax.set_ylim(0, 1.3 * max(tallest, min(float(curve[visible].max()), 1.6 * tallest)))
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    tidy(ax, "Density", name, f"density (per unit of {name})")
    return edges, heights, x, curve


def _label(drawing: _Drawing) -> str:
    text = repr(drawing.model)
    return text if len(text) <= 44 else f"fitted {type(drawing.model).__name__}"


def _cells(drawing: _Drawing) -> tuple[Array, Array, Array]:
    """Return values, gaps included, with the observed and the fitted probabilities."""
    if drawing.labels:
        values = np.arange(len(drawing.fit.framed[0][0]), dtype=float)
    else:
        low, high = _span(drawing)
        whole = np.arange(low, high + 1)
        values = whole if whole.size <= 1000 else drawing.y
    observed = np.zeros(values.size)
    at = np.searchsorted(values, drawing.y)
    inside = (at < values.size) & (values[np.minimum(at, values.size - 1)] == drawing.y)
    observed[at[inside]] = drawing.share[inside]
    return values, observed, drawing.model.density(drawing.at(values))


def _masses(ax: Any, drawing: _Drawing) -> tuple[Array, Array, Array, Array]:
    values, observed, fitted = _cells(drawing)
    what = _data_label(drawing, values[0], values[-1])
    ax.bar(values, observed, width=0.8, color=GREY, label=what)
    line = "o" if drawing.labels or values.size > 60 else "o-"
    ax.plot(
        values, fitted, line, color=VERMILION, markersize=5, linewidth=1.0, label=_label(drawing)
    )
    ax.set_ylim(0, 1.3 * max(float(observed.max()), float(fitted.max())))
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    tidy(ax, "Probabilities", drawing.fit.sample.name, "probability")
    return values, observed, values, fitted


# -------------------------------------------------------------------------------- distribution


def _distribution(ax: Any, drawing: _Drawing) -> tuple[Array, Array, Array]:
    y, ecdf = drawing.y, np.cumsum(drawing.share)
    low, high = _span(drawing)
    with np.errstate(all="ignore"):
        cdf = (
            np.cumsum(_cells(drawing)[2])[y.astype(int)] if drawing.labels else drawing.model.cdf(y)
        )
    what = "known distribution" if drawing.known else "empirical"
    if drawing.discrete:
        shown = drawing.labels | ((y >= low) & (y <= high))
        ax.step(y[shown], ecdf[shown], where="post", color=INK, linewidth=1.2, label=what)
        ax.plot(y[shown], cdf[shown], "o", color=VERMILION, markersize=4, label="fitted")
    else:
        margin = 0.08 * (high - low) or 1e-3
        x = np.linspace(low - margin, high + margin, _POINTS)
        ax.plot(x, drawing.model.cdf(x), color=VERMILION, linewidth=2.0, label="fitted")
        steps = np.concatenate([[x[0]], y, [x[-1]]])
        ax.step(
            steps, np.concatenate([[0.0], ecdf, [1.0]]), where="post", color=INK, linewidth=1.2,
            label=what,
        )  # fmt: skip
        ax.set_xlim(x[0], x[-1])
    ax.set_ylim(0, 1.02)
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    tidy(ax, "Distribution function", drawing.fit.sample.name, "probability at or below")
    return y, ecdf, cdf


# -------------------------------------------------------------------------------- quantiles


def _thinned(m: int) -> Array:
    """Return the indices of at most a few hundred dots, all of the tails among them."""
    if m <= 2 * _DOTS:
        return np.arange(m)
    middle = np.linspace(_DOTS // 2, m - _DOTS // 2, _DOTS).astype(int)
    tail = np.arange(_DOTS // 2)
    return np.unique(np.concatenate([tail, middle, m - 1 - tail]))


def _quantiles(ax: Any, drawing: _Drawing) -> tuple[Array, Array, Array, Array]:
    """Observed against fitted quantiles; order statistics of a right model are Beta distributed."""
    from mlece.math import betaincinv

    running = np.cumsum(drawing.share)
    # Rounding may carry the sum of many small shares above 1.
    below = running / running[-1] * drawing.n
    rank = below - 0.5 * drawing.share * drawing.n
    y, p = drawing.y, rank / drawing.n
    pick = _thinned(y.size)
    y, p, rank = y[pick], p[pick], rank[pick]
    x = drawing.model.quantile(p)
    shown = np.isfinite(x)
    if drawing.known:
        low, high = _span(drawing)
        shown &= (y >= low) & (y <= high)
        lower = upper = np.full(y.size, np.nan)
    else:
        first, second = rank + 0.5, drawing.n - rank + 0.5
        lower, upper = (
            drawing.model.quantile(betaincinv(first, second, np.full(y.size, q)))
            for q in (0.025, 0.975)
        )
        ax.fill_between(
            x[shown], lower[shown], upper[shown], color=BLUE, alpha=0.18, linewidth=0,
            label="95 % band, pointwise",
        )  # fmt: skip
    ends = np.array([x[shown].min(), x[shown].max()])
    ax.plot(ends, ends, color=INK, linewidth=1.0)
    what = "known distribution" if drawing.known else "observations"
    ax.plot(x[shown], y[shown], ".", color=VERMILION, markersize=4, label=what)
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    side = "known" if drawing.known else "observed"
    tidy(ax, "Quantiles", f"fitted quantile of {drawing.fit.sample.name}", f"{side} quantile")
    return x, y, lower, upper


def _residuals(ax: Any, drawing: _Drawing) -> tuple[Array, Array, Array, Array]:
    """Observed less fitted frequencies in binomial standard errors."""
    values, observed, fitted = _cells(drawing)
    n = 1.0 if drawing.known else drawing.n
    with np.errstate(all="ignore"):
        se = np.sqrt(fitted * (1 - fitted) / n)
        residual = np.where(se > 0, (observed - fitted) / se, 0.0)
    band = np.full(values.size, np.nan if drawing.known else 1.959963984540054)
    if not drawing.known:
        ax.axhspan(-band[0], band[0], color=BLUE, alpha=0.18, linewidth=0, label="95 %, pointwise")
        ax.legend(frameon=False, fontsize="small", loc="best")
    ax.axhline(0.0, color=INK, linewidth=1.0)
    ax.vlines(values, 0.0, residual, color=VERMILION, linewidth=1.4)
    ax.plot(values, residual, "o", color=VERMILION, markersize=4)
    tidy(ax, "Residuals of the frequencies", drawing.fit.sample.name, "(observed − fitted) / se")
    return values, residual, -band, band


# -------------------------------------------------------------------------------- score


def _scores(ax: Any, drawing: _Drawing) -> tuple[dict[str, Array], dict[str, float]]:
    """Score contributions over their root mean square; the mean is zero at an interior optimum."""
    family = drawing.fit.family
    names = [n for n in drawing.fit.names if family.parameter(n).regular]
    names = [n for n in names if not drawing.fit.limit_models]
    scores: dict[str, Array] = {}
    means: dict[str, float] = {}
    low, high = _span(drawing)
    shown = _thinned(drawing.y.size)
    shown = shown[(drawing.y[shown] >= low) & (drawing.y[shown] <= high)]
    if names:
        raw = drawing.model.score(drawing.y)
        columns = [p.name for p in family.params]
        for name, colour in zip(names, CYCLE, strict=False):
            s = raw[..., columns.index(name)]
            # Scores in units of the largest: their squares are numbers whatever the units of the data.
            peak = float(np.abs(s).max())
            s = s / peak if 0 < peak < np.inf else s
            size = float(np.sqrt(drawing.share @ s**2))
            scores[name] = s / size if 0 < size < np.inf else s
            means[name] = float(drawing.share @ scores[name])
            area = 8 + 40 * drawing.share[shown] / drawing.share.max()
            ax.scatter(
                drawing.y[shown], scores[name][shown], s=area, color=colour, alpha=0.7,
                linewidth=0, label=f"{name}, mean {_zero(means[name])}",
            )  # fmt: skip
        ax.legend(frameon=False, fontsize="small", loc="best")
    else:
        why = "nothing was estimated" if not drawing.fit.names else "no score equation here"
        ax.text(0.5, 0.6, why, ha="center", va="center", transform=ax.transAxes, color=INK)
        ax.set_yticks([])
    ax.axhline(0.0, color=INK, linewidth=1.0)
    tidy(ax, "Score contributions", drawing.fit.sample.name, "score / root mean square")
    return scores, means


def _zero(value: float) -> str:
    return "0" if abs(value) < 1e-12 else f"{value:.0e}".replace("-", "−")


def _multipliers(ax: Any, drawing: _Drawing) -> tuple[dict[str, Array], dict[str, float]]:
    """Draw the stationarity of a point of the simplex: p̂/q + μ = λ in every cell."""
    values, observed, fitted = _cells(drawing)
    with np.errstate(all="ignore"):
        ratio = np.where(observed > 0, observed / fitted, 0.0)
    multiplier = np.where(observed > 0, 0.0, 1.0)
    ax.bar(values, ratio, width=0.8, color=GREY, label="p̂ / q")
    ax.bar(values, multiplier, width=0.8, color=BLUE, label="μ of an empty cell")
    ax.axhline(1.0, color=INK, linewidth=1.0, label="λ = 1")
    ax.set_ylim(0, 1.45)
    ax.legend(frameon=False, fontsize="small", loc="upper right", ncols=3)
    tidy(ax, "Karush–Kuhn–Tucker: p̂ / q + μ = λ", drawing.fit.sample.name, "multiplier")
    return {"p": ratio + multiplier - 1.0}, {"p": float(fitted @ (ratio + multiplier - 1.0))}
