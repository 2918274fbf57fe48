"""Pictures of a conditional fit: four panels, and the response over one covariate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.diagnostics.calibration import calibration
from mlece.diagnostics.forecasts import class_forecasts, covariate_of
from mlece.diagnostics.residuals import residuals
from mlece.diagnostics.worm import worm
from mlece.families.finite import Bernoulli
from mlece.families.labels import Labelled
from mlece.math import Array, ndtri
from mlece.plot.calibration import calibration_plot
from mlece.plot.style import BLUE, GREY, INK, VERMILION, new_axes, tidy
from mlece.plot.worms import worm_plot

if TYPE_CHECKING:
    from mlece.regression.result import ConditionalFit

_POINTS = 200
_SHOWN = 20  # coefficients of the fourth panel


@dataclass(frozen=True)
class RegressionNumbers:
    """What was drawn.

    Attributes
    ----------
    fitted : array (n,)
        Fitted mean of each observation; for labels the entropy of its forecast.
    observed : array (n,)
        Responses; for labels minus the log of the probability of the one that occurred.
    residuals : array (n,) or None
        Quantile residuals; None for labels.
    names : tuple of str
        Coefficients of the last panel.
    scaled : array (k,)
        Estimates in their robust standard errors.
    """

    fitted: Array
    observed: Array
    residuals: Array | None
    names: tuple[str, ...]
    scaled: Array


@dataclass(frozen=True)
class ResponseNumbers:
    """What was drawn over one covariate: mean and quantiles at the points x, (m,) each."""

    x: Array
    mean: Array
    lower: Array
    upper: Array


def regression_panels(
    fit: ConditionalFit, ax: Any = None, *, rng: Any = 0
) -> tuple[Any, RegressionNumbers]:
    """Draw four panels on one conditional fit.

    Responses over fitted means, or for classes their calibration curve; the worm plot of the quantile
    residuals, and these residuals over the fitted means; the estimates in robust standard errors, with 95 %
    intervals. For labels, which have no residuals, the frequencies of the labels beside the mean
    forecasts, and the surprise of each observation over the entropy of its forecast: it lies about
    the diagonal on average if forecasts are calibrated.

    Parameters
    ----------
    fit : ConditionalFit
        Single, with an estimate, of complete responses.
    ax : array of four matplotlib axes, optional
        A new figure if not given.
    rng : int or numpy.random.Generator
        Of the quantile residuals of discrete responses.

    Returns
    -------
    axes : array of matplotlib axes, in the shape given
    numbers : RegressionNumbers

    Raises
    ------
    DataError
        For a batch of fits, incomplete responses, or other than four axes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> axes, drawn = fit.plot()
    >>> axes.shape, drawn.names
    ((2, 2), ('rate[Intercept]', 'rate[x]'))
    """
    _require_single(fit)
    axes = new_axes(2, 2, (9.6, 7.4)) if ax is None else ax
    flat = np.ravel(np.asarray(axes, dtype=object))
    if flat.size != 4:
        raise errors.DataError(errors.message("four axes", f"{flat.size}"))
    law = fit.predict()
    if isinstance(law, Labelled | Bernoulli):
        calibration_plot(calibration(fit, replicates=99), flat[0])
    if isinstance(law, Labelled):
        fitted, observed = _surprise(flat[1], flat[2], fit)
        found = None
    else:
        observed = fit.sample.values[0, :, 0]
        fitted = np.asarray(law.mean)[fit.rows[0]]
        found = residuals(fit, rng=rng)
        if not isinstance(law, Bernoulli):
            _against(flat[0], fitted, observed, fit.sample.name)
        worm_plot(worm(found), flat[1])
        _over(flat[2], fitted, found)
    names, scaled = _coefficients(flat[3], fit)
    return axes, RegressionNumbers(fitted, observed, found, names, scaled)


def _require_single(fit: ConditionalFit) -> None:
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i].plot()")
        )
    if fit.sample.values.shape[-1] != 2:
        raise errors.DataError(
            errors.message("complete responses, one number or label each", fit.conditional.title)
        )


def _against(ax: Any, fitted: Array, observed: Array, name: str) -> None:
    ax.plot(fitted, observed, ".", color=BLUE, markersize=5, alpha=0.7)
    ends = [fitted.min(), fitted.max()]
    ax.plot(ends, ends, color=INK, linewidth=1.0)
    tidy(ax, "Response and fitted mean", "fitted mean", name)


def _over(ax: Any, fitted: Array, found: Array) -> None:
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    for end in (-1, 1):
        ax.axhline(end * float(ndtri(0.975)), color=INK, linewidth=0.8, linestyle="--")
    ax.plot(fitted, found, ".", color=BLUE, markersize=5, alpha=0.7)
    tidy(ax, "Residuals and fitted mean", "fitted mean", "quantile residual")


def _surprise(left: Any, right: Any, fit: ConditionalFit) -> tuple[Array, Array]:
    p, y, weights, labels = class_forecasts(fit)
    w = np.ones(len(p)) if weights is None else weights
    occurred = np.array([w[y == label].sum() for label in labels]) / w.sum()
    at = np.arange(len(labels))
    left.bar(at, occurred, width=0.7, color=GREY, label="observed")
    left.plot(at, w @ p / w.sum(), "o", color=VERMILION, markersize=5, label="mean forecast")
    left.set_xticks(at, [str(label) for label in labels])
    left.set_ylim(0, 1.25 * float(occurred.max()))
    left.legend(frameon=False, fontsize="small", loc="upper left")
    tidy(left, "Frequencies", fit.sample.name, "share")
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(p > 0, p * np.log(p), 0.0).sum(axis=1)
        surprise = -np.log(p[np.arange(len(p)), [labels.index(v) for v in y.tolist()]])
    right.plot(entropy, surprise, ".", color=BLUE, markersize=5, alpha=0.7)
    ends = [0.0, float(np.log(len(labels)))]
    right.plot(ends, ends, color=INK, linewidth=1.0)
    tidy(right, "Surprise", "entropy of the forecast (nats)", "−log probability of what occurred")
    return entropy, surprise


def _coefficients(ax: Any, fit: ConditionalFit) -> tuple[tuple[str, ...], Array]:
    """Draw the estimates in robust standard errors, the first at the top."""
    names = fit.names[:_SHOWN]
    roots = fit.standard_errors()
    scaled = np.array([fit.params[name] / roots[name] for name in names])
    at = np.arange(len(names))[::-1]
    reach = float(ndtri(0.975))
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.hlines(at, scaled - reach, scaled + reach, color=VERMILION, linewidth=1.6)
    ax.plot(scaled, at, "o", color=VERMILION, markersize=5)
    ax.set_yticks(at, names)
    more = f" (the first {_SHOWN} of {len(fit.names)})" if len(fit.names) > _SHOWN else ""
    tidy(ax, f"Estimates, 95 % intervals{more}", "robust standard errors", "")
    return names, scaled


def response_curve(
    fit: ConditionalFit, covariate: str, ax: Any = None, *, level: float = 0.9
) -> tuple[Any, ResponseNumbers]:
    """Draw the responses over one numeric covariate with fitted mean and quantile band.

    Parameters
    ----------
    fit : ConditionalFit
        Single, of numbers; the covariate is the only one of its frame that the predictors use.
    covariate : str
        Name of its column.
    ax : matplotlib axes, optional
        A new figure if not given.
    level : float
        Probability of a response within the band.

    Returns
    -------
    ax : matplotlib axes
    numbers : ResponseNumbers

    Raises
    ------
    DataError
        For a batch of fits, or responses that are no numbers.
    UnknownNameError
        If the predictors use further columns, whose values nothing tells.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import mlece
    >>> from mlece.plot import response_curve
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> ax, drawn = response_curve(fit, "x")
    >>> bool((drawn.lower <= drawn.upper).all())
    True
    """
    _require_single(fit)
    x = covariate_of(fit, covariate)
    points = np.linspace(x.min(), x.max(), _POINTS)
    law = fit.predict({covariate: points})
    if isinstance(law, Labelled):
        raise errors.DataError(errors.message("numbers over a covariate", "labels"))
    ends = law.quantile([0.5 - 0.5 * level, 0.5 + 0.5 * level])
    mean = np.asarray(law.mean)
    ax = new_axes() if ax is None else ax
    ax.plot(x, fit.sample.values[0, :, 0], ".", color=INK, markersize=5, alpha=0.6)
    band = f"{100 * level:g} % of responses"
    step = "mid" if law.support.discrete else None
    ax.fill_between(
        points, ends[:, 0], ends[:, 1], step=step, color=BLUE, alpha=0.18, linewidth=0, label=band
    )
    ax.plot(points, mean, color=VERMILION, linewidth=2.0, label="fitted mean")
    ax.legend(frameon=False, fontsize="small")
    tidy(ax, fit.conditional.title, covariate, fit.sample.name)
    return ax, ResponseNumbers(points, mean, ends[:, 0], ends[:, 1])
