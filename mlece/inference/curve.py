"""Profile likelihood and confidence curve of a parameter, or of a function of the fitted model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.fits.covariance import usable
from mlece.fits.result import Fit
from mlece.inference.estimates import Function, Parameters
from mlece.math import Array, ndtr, ndtri
from mlece.model import Model
from mlece.profiling.profiles import (
    Refits,
    free_parameters,
    from_coordinate,
    require_regular,
    to_coordinate,
)
from mlece.profiling.surface import Smooth, Surface
from mlece.profiling.walk import Walk

# Points lie between the ends of the interval at this level.
_SHOWN = 0.99
_STAGES = 8
_UNITS = 3.0


@dataclass(frozen=True, eq=False)
class LikelihoodCurve:
    """The profile of the likelihood along a parameter or function of the model.

    Attributes
    ----------
    name : str
    estimate : float or array
    values : array (..., P)
        Values of the parameter or function.
    deviance : array (..., P)
        2n (min CE at the value − CE(θ̂)), over the ratio of sandwich to naive variance where ``robust``;
        NaN where no minimum was found.
    confidence : array (..., P)
        The confidence curve, P(χ²₁ ≤ deviance): its level sets are the intervals of every level (Birnbaum
        1961; Schweder and Hjort 2016).
    robust : bool
    """

    name: str
    estimate: Any
    values: Array
    deviance: Array
    confidence: Array
    robust: bool

    @property
    def missing(self) -> int:
        """Number of points at which no minimum was found."""
        return int(np.isnan(self.deviance).sum())

    def plot(self, ax: Any = None) -> Any:
        """Draw the confidence curve; see :func:`mlece.plot.confidence_curve`."""
        from mlece.plot import confidence_curve

        return confidence_curve(self, ax)

    def __str__(self) -> str:
        said = f", {self.missing} of them without a minimum" if self.missing else ""
        kind = "robust profile likelihood" if self.robust else "profile likelihood"
        return f"{kind} of {self.name} at {self.values.size} values{said}"


def profile(
    fit: Fit,
    of: str | Callable[[Model], Any],
    *,
    points: Any = 41,
    robust: bool = False,
    name: str = "function",
) -> LikelihoodCurve:
    """Return the profile likelihood of a parameter or of a function of the fitted model.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch.
    of : str or callable
        Name of a free parameter, or a function as :func:`mlece.inference.functional.functional` takes it.
    points : int or array_like (P,)
        How many values, between the ends of the interval at level 0.99, or which.
    robust : bool
        Whether to divide the deviance by the ratio of sandwich to naive variance.
    name : str
        What to call a function.

    Returns
    -------
    LikelihoodCurve

    References
    ----------
    Birnbaum, A. (1961). Confidence curves: an omnibus technique for estimation and testing statistical
    hypotheses. Journal of the American Statistical Association 56, 246–249.

    Schweder, T. and Hjort, N. L. (2016). Confidence, Likelihood, Probability. Cambridge University Press.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Exponential(), [1.0, 2.0, 3.0, 0.5])
    >>> curve = fit.profile("rate", points=[0.25, 0.5, 1.0])
    >>> curve.deviance.round(3).tolist()
    [2.456, 0.161, 1.116]
    """
    require_regular(fit, "a profile likelihood", sampling=robust)
    if fit.on_simplex:
        raise errors.NotRegularError(
            errors.message(
                "a parameter that is one number, or a function of such",
                "the probabilities of labels",
                "fit.interval(method='profile') has the interval of each",
            )
        )
    quantity: Function | Parameters
    if isinstance(of, str):
        if of not in fit.names:
            raise errors.unknown_name("free parameter", of, fit.names)
        column, quantity, name = fit.names.index(of), Parameters(fit), of
    else:
        column, quantity = 0, Function(fit, of)
    if callable(of) and not usable(fit)[0].any():
        raise errors.NotRegularError(
            errors.message(
                "a fit with an interior optimum, from which the curve of a function is followed",
                str(fit.certificate),
                "functional(...).interval(method='profile') finds the ends at any level",
            )
        )
    estimate = quantity.estimate()[:, column]
    ratio = quantity.ratio()[:, column] if robust else np.ones(len(estimate))
    values = _points(fit, quantity, column, points, ratio)
    members = np.repeat(np.arange(len(estimate)), values.shape[1])
    flat = values.ravel()
    if isinstance(of, str):
        deviance = Refits(fit).deviance(of, flat, members)
    else:
        deviance = _followed(fit, of, flat, members)
    deviance = np.maximum(deviance, 0.0) / ratio[members]
    shape = (*fit.sample.batch_shape, values.shape[1])
    deviance = deviance.reshape(shape)
    centre = estimate.reshape(fit.sample.batch_shape)
    return LikelihoodCurve(
        name,
        centre.item() if centre.ndim == 0 else centre,
        values.reshape(shape),
        deviance,
        1.0 - 2.0 * ndtr(-np.sqrt(deviance)),
        robust,
    )


def _points(
    fit: Fit, quantity: Function | Parameters, column: int, points: Any, ratio: Array
) -> Array:
    """Return the values to profile, (R, P)."""
    size = fit.objective.size
    if np.ndim(points) == 1:
        return np.broadcast_to(np.asarray(points, dtype=float), (size, len(points)))
    if not (isinstance(points, int | np.integer) and points >= 2):
        raise errors.ParameterError(
            errors.message("at least 2 points, or a list of values", repr(points))
        )
    quantile = float(ndtri(0.5 + 0.5 * _SHOWN)) ** 2 * ratio
    estimate = quantity.estimate()
    ends = quantity.ends(np.broadcast_to(quantile[:, None], estimate.shape)).value[:, column]
    low, centre, high = ends[:, 0], estimate[:, column], ends[:, 1]
    members = np.arange(size)
    if isinstance(quantity, Function):
        return _grid(low, centre, high, int(points))
    p = free_parameters(fit)[column]
    low, centre, high = (to_coordinate(fit, p, v, members) for v in (low, centre, high))
    grid = _grid(low, centre, high, int(points))
    flat = from_coordinate(fit, p, grid.ravel(), np.repeat(members, grid.shape[1]))
    return flat.reshape(grid.shape)


def _grid(low: Array, centre: Array, high: Array, count: int) -> Array:
    """Return values between two ends (R, P); an open side is shown as far as twice the other."""
    with np.errstate(invalid="ignore"):
        below, above = centre - low, high - centre
    # Next to an estimate at an end of its domain, some units of the coordinate.
    below, above = (np.where(np.isfinite(v), v, np.nan) for v in (below, above))
    centre = np.where(
        np.isfinite(centre), centre, np.where(np.isfinite(low), low + _UNITS, high - _UNITS)
    )
    below = np.where(np.isfinite(low), centre - low, np.where(np.isnan(above), 0.0, 2.0 * above))
    above = np.where(np.isfinite(high), high - centre, np.where(np.isnan(below), 0.0, 2.0 * below))
    # The estimate is among them: there the curve is 0.
    left = np.linspace(1.0, 0.0, count // 2, endpoint=False)
    right = np.linspace(0.0, 1.0, count - left.size)
    parts = (centre[:, None] - below[:, None] * left, centre[:, None] + above[:, None] * right)
    return np.concatenate(parts, axis=1)


def _followed(fit: Fit, function: Callable[[Model], Any], values: Array, members: Array) -> Array:
    """Return deviances of a function at values (L,), each reached in a few stages from the optimum."""
    out = np.full(values.shape, np.nan)
    lanes = np.flatnonzero(usable(fit)[0][members] & np.isfinite(values))
    surface = Surface(fit)
    walk = Walk(surface, Smooth(surface, function), members[lanes])
    every = np.arange(lanes.size)
    for stage in range(1, _STAGES + 1):
        way = walk.origin + stage / _STAGES * (values[lanes] - walk.origin)
        out[lanes] = walk.deviance(way, every)
    return out
