"""Worm plots: normal quantile plots of residuals with the trend taken away, by bins of a covariate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, numeric, require_finite
from mlece.diagnostics.forecasts import covariate_of
from mlece.diagnostics.residuals import residuals as of_fit
from mlece.inference.intervals import check_level
from mlece.math import Array, betaincinv, ndtri
from mlece.numerics.selection import equal_counts
from mlece.regression.result import ConditionalFit
from mlece.sample import weights_like

# Beyond these van Buuren and Fredriks (2001) call a coefficient a misfit.
THRESHOLDS = {"intercept": 0.10, "slope": 0.10, "quadratic": 0.05, "cubic": 0.03}


@dataclass(frozen=True)
class WormPanel:
    """The worm of the residuals in one bin of the covariate.

    Attributes
    ----------
    low, high : float
        Least and greatest value of the covariate in the bin; NaN without a covariate.
    normal : array (m,)
        Standard normal quantiles of the positions (i − ½)/n.
    deviation : array (m,)
        Residual of each, in ascending order, less its normal quantile.
    lower, upper : array (m,)
        Pointwise band: where the deviation of a sample of independent standard normal residuals lies
        with probability ``level``, exactly, by the beta law of order statistics.
    coefficients : array (4,) or None
        Of the cubic polynomial in the normal quantile fitted to the deviation by least squares:
        intercept, slope, quadratic and cubic one, which van Buuren and Fredriks read as mean, variance,
        skewness and kurtosis that the model misses. The powers are not orthogonal: a bent worm of mean
        zero has an intercept too. None for fewer than four residuals.
    n : float
        Number of residuals (total weight).
    """

    low: float
    high: float
    normal: Array
    deviation: Array
    lower: Array
    upper: Array
    coefficients: Array | None
    n: float

    @property
    def outside(self) -> float:
        """Share of the points that lie outside of the band; 1 − level is expected, on average."""
        out = (self.deviation < self.lower) | (self.deviation > self.upper)
        return float(out.mean())

    @property
    def missed(self) -> tuple[str, ...]:
        """The coefficients beyond 0.10, 0.10, 0.05 and 0.03, by name."""
        if self.coefficients is None:
            return ()
        size = np.abs(self.coefficients)
        return tuple(m for (m, t), c in zip(THRESHOLDS.items(), size, strict=True) if c > t)


@dataclass(frozen=True)
class Worm:
    """Worms of residuals, one for each bin of a covariate.

    Attributes
    ----------
    panels : tuple of WormPanel
        In ascending order of the covariate; one without a covariate.
    name : str
        Name of the covariate, empty without one.
    level : float
        Of the bands.
    """

    panels: tuple[WormPanel, ...]
    name: str
    level: float

    def __str__(self) -> str:
        lines = []
        for panel in self.panels:
            where = f"{self.name} {panel.low:.4g} to {panel.high:.4g}, " if self.name else ""
            beyond = "too few" if panel.coefficients is None else ", ".join(panel.missed) or "none"
            lines.append(
                f"{where}n = {panel.n:g}: {100 * panel.outside:.1f} % of the residuals outside of the "
                f"pointwise {100 * self.level:g} % band; coefficients beyond their thresholds: {beyond}."
            )
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> tuple[Any, tuple[WormPanel, ...]]:
        """Draw the panels; see :func:`mlece.plot.worm_plot`."""
        from mlece.plot import worm_plot

        return worm_plot(self, axes)


def worm(
    residuals: Any,
    covariate: Any = None,
    *,
    weights: Any = None,
    bins: int = 4,
    level: float = 0.95,
    name: str = "x",
) -> Worm:
    """Return the worm plot of residuals that are standard normal under the model.

    Parameters
    ----------
    residuals : array_like (n,), or ConditionalFit
        Normal quantile residuals, as :func:`mlece.residuals` returns them; of a fit given covariates its
        own, with its weights.
    covariate : array_like (n,) or str, optional
        Numbers, or for a fit the name of a column; the residuals are divided into bins by them.
    weights : array_like (n,), optional
        Frequency weights.
    bins : int
        Number of bins of equal size; equal values of the covariate stay together.
    level : float
        Of the pointwise band. It holds for residuals of a known model: those of a fitted one stay
        inside it more often.
    name : str
        Name of the covariate.

    Returns
    -------
    Worm

    Raises
    ------
    DataError
        If residuals or the covariate are not finite, or lengths differ.
    ParameterError
        For fewer than one bin, or a level outside (0, 1).

    Notes
    -----
    van Buuren and Fredriks (2001), Statistics in Medicine 20, 1259-1277; their band has the asymptotic
    standard error of an order statistic in place of the beta law.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit("gaussian", mlece.Exponential(rate=1).sample(200, rng=1))
    >>> mlece.worm(mlece.residuals(fit)).panels[0].missed
    ('intercept', 'slope', 'quadratic', 'cubic')
    """
    check_level(level)
    if isinstance(residuals, ConditionalFit):
        fit = residuals
        if isinstance(covariate, str):
            covariate, name = covariate_of(fit, covariate), covariate
        if weights is None and fit.sample.weights is not None:
            weights = fit.sample.weights[0]
        residuals = of_fit(fit)
    if bins != int(bins) or bins < 1:
        raise errors.ParameterError(errors.message("a positive whole number of bins", f"{bins!r}"))
    z = _numbers(residuals, "residuals", None)
    w = weights_like(weights, z.size)
    w = np.ones(z.size) if w is None else w
    x = None if covariate is None else _numbers(covariate, f"the covariate {name}", z.size)
    seen = w > 0
    z, w = z[seen], w[seen]
    if x is None:
        return Worm((_panel(z, w, np.array([np.nan]), level),), "", level)
    x = x[seen]
    at = np.unique(x, return_inverse=True)[1]
    codes = equal_counts(np.bincount(at, w), bins)[at]
    members = [codes == b for b in range(int(codes.max()) + 1)]
    panels = tuple(_panel(z[m], w[m], x[m], level) for m in members)
    return Worm(panels, name, level)


def _numbers(values: Any, what: str, n: int | None) -> Array:
    out = numeric(as_array(values, what), what).astype(float)
    if out.ndim != 1 or (n is not None and out.size != n):
        raise errors.DataError(
            errors.message(
                f"{what} as one sequence"
                if n is None
                else f"{what}: one for each of {n} residuals",
                f"shape {out.shape}",
            )
        )
    require_finite(out, what)
    return out


def _panel(z: Array, w: Array, x: Array, level: float) -> WormPanel:
    order = np.argsort(z, kind="stable")
    z, w = z[order], w[order]
    n = float(w.sum())
    rank = np.cumsum(w) - 0.5 * w
    normal = ndtri(rank / n)
    tail = 0.5 * (1.0 - level)
    lower, upper = (
        ndtri(betaincinv(rank + 0.5, n - rank + 0.5, q)) - normal for q in (tail, 1.0 - tail)
    )
    deviation = z - normal
    coefficients = None
    if z.size >= 4:
        root = np.sqrt(w)
        powers = np.vander(normal, 4, increasing=True)
        coefficients = np.linalg.lstsq(root[:, None] * powers, root * deviation)[0]
    return WormPanel(
        float(x.min()), float(x.max()), normal, deviation, lower, upper, coefficients, n
    )
