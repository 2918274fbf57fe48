"""Parameters, and functions of the fitted model, as quantities of which one asks how sure they are.

Both kinds answer the same questions, for all members of a batch at once: estimate, standard error, ratio of
the sandwich to the naive variance, acceleration, ends of the profile. Arrays are (R, K), K quantities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from mlece import errors
from mlece.combinators.kinks import kinks_among
from mlece.fits.contributions import contributions
from mlece.fits.covariance import covariance, framed_covariance, information, standard_errors
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.numerics.symmetric import sandwich
from mlece.profiling.functions import function_ends
from mlece.profiling.profiles import Ends, parameter_ends
from mlece.profiling.surface import Smooth, Surface, call
from mlece.regression.kinds import PLAIN

_STEP = 1e-3


class Quantities(Protocol):
    """What intervals ask of the quantities of a fit."""

    fit: Fit

    def of(self, fit: Fit) -> Quantities:
        """Return the same quantities of another fit of the family."""

    def estimate(self) -> Array:
        """Return the estimates (R, K), NaN for members without a minimiser."""

    def errors(self, kind: str) -> Array:
        """Return standard errors (R, K), NaN where there are none."""

    def ratio(self) -> Array:
        """Return sandwich over naive variance (R, K)."""

    def acceleration(self) -> Array:
        """Return the acceleration of BCa intervals (R, K)."""

    def ends(self, quantile: Array) -> Ends:
        """Return the ends of profile intervals for deviances (R, K)."""


def solved(fit: Fit) -> Array:
    """Return which members have a minimiser, (R,)."""
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    return np.array([s.solved for s in statuses])


class Parameters:
    """The free parameters of a fit; for labels the probability of each."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit

    def of(self, fit: Fit) -> Parameters:
        """Return the parameters of another fit."""
        return Parameters(fit)

    def estimate(self) -> Array:
        """Return the estimates (R, K), NaN for members without a minimiser."""
        fit = self.fit
        columns = [fit.flat(n) for n in fit.names]
        out = columns[0] if fit.on_simplex else np.stack(columns, axis=-1)
        return np.where(solved(fit)[:, None], out, np.nan)

    def errors(self, kind: str) -> Array:
        """Return standard errors (R, K), NaN where there are none."""
        size = self.fit.objective.size
        try:
            return standard_errors(self.fit, kind).reshape(size, -1)
        except errors.NotRegularError:
            if not self.fit.sample.batch_shape:
                raise
            return np.full((size, self.estimate().shape[1]), np.nan)

    def ratio(self) -> Array:
        """Return sandwich over naive variance (R, K)."""
        if self.fit.on_simplex:
            p, n = self.fit.framed[0], self.fit.objective.total[:, None]
            return _over(self.errors("sandwich") ** 2, p * (1.0 - p) / n)
        robust, naive = _two_covariances(self.fit)
        return np.asarray(
            np.diagonal(robust, axis1=1, axis2=2) / np.diagonal(naive, axis1=1, axis2=2)
        )

    def acceleration(self) -> Array:
        """Return Σu³ / (6 (Σu²)^1.5) over the influences u of the observations (R, K)."""
        fit = self.fit
        if fit.on_simplex:
            return _skewness(fit, _of_cells(fit, np.eye(fit.framed[0].shape[1])))
        found = contributions(fit)
        assert found.score is not None
        return _skewness(fit, found.score @ information(fit).inverse)

    def ends(self, quantile: Array) -> Ends:
        """Return the ends of profile intervals for deviances (R, K)."""
        return parameter_ends(self.fit, quantile)


class Function:
    """A function of the fitted model.

    Parameters
    ----------
    fit : Fit
    function : callable
        Maps a model with slots (S,) to S numbers.
    """

    def __init__(self, fit: Fit, function: Callable[[Model], Any]) -> None:
        self.fit, self.function = fit, function

    def of(self, fit: Fit) -> Function:
        """Return the same function of another fit."""
        return Function(fit, self.function)

    def estimate(self) -> Array:
        """Return the function at the fitted members (R, 1), NaN without a minimiser."""
        out = np.full(self.fit.objective.size, np.nan)
        for members, model in self.fit.groups():
            out[members] = call(self.function, model)
        return np.where(solved(self.fit), out, np.nan)[:, None]

    def _slopes(self) -> Array:
        """Return the gradient in the framed free parameters, (R, m)."""
        fit = self.fit
        members = np.arange(fit.objective.size)
        surface = Surface(fit)
        with np.errstate(all="ignore"):
            gradient = Smooth(surface, self.function).gradient(surface.eta, members)[1]
            for j, p in enumerate(surface.chart.free):
                gradient[:, j] /= p.bijection.derivatives(surface.eta[:, j])[0]
        flat = (gradient == 0).all(axis=1)
        if flat.all():
            raise errors.NotRegularError(
                errors.message(
                    "a function that changes smoothly with the parameters",
                    "one that does not change next to the estimate (a quantile of counts is a step)",
                    "Use a smooth function, such as m.sf(y), or method='bootstrap' with "
                    "bootstrap='percentile'",
                )
            )
        return np.where(flat[:, None], np.nan, gradient)

    def _cells(self) -> tuple[Array, Array]:
        """Return the derivatives towards each label (R, K), 0 where a cell is empty, and p."""
        (p,) = self.fit.theta
        size, k = p.shape
        step = _STEP * p[:, :, None] * np.array([-2.0, -1.0, 1.0, 2.0])
        way = np.eye(k)[None, :, None, :] - p[:, None, None, :]
        points = p[:, None, None, :] + step[..., None] * way
        points = points.reshape(-1, k)
        values = call(self.function, self.fit.family.member(points)).reshape(size, k, 4)
        weights = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
        with np.errstate(all="ignore"):
            return np.where(p > 0, values @ weights / (_STEP * p), 0.0), p

    def errors(self, kind: str, **options: Any) -> Array:
        """Return standard errors by the delta method (R, 1)."""
        fit = self.fit
        if fit.on_simplex:
            slopes, p = self._cells()
            if kind not in PLAIN:
                own = covariance(fit, kind, **options).reshape(len(p), *p.shape[1:] * 2)
                return np.sqrt(_quadratic(slopes, own))[:, None]
            if fit.sample.weighting != "sampling":
                return np.asarray(np.sqrt(_variance(p, slopes) / fit.objective.total)[:, None])
            w = np.asarray(fit.objective.sample.weights)[:, :, None]
            influence = _of_cells(fit, slopes[:, :, None])
            spread = np.sqrt(((w * influence) ** 2).sum(axis=1))
            return np.asarray(spread / fit.objective.total[:, None])
        try:
            spread = framed_covariance(fit, kind, **options)[0]
        except errors.NotRegularError:
            if not fit.sample.batch_shape:
                raise
            return np.full((fit.objective.size, 1), np.nan)
        return np.sqrt(_quadratic(self._slopes(), spread))[:, None]

    def ratio(self) -> Array:
        """Return sandwich over naive variance (R, 1)."""
        if self.fit.on_simplex:
            slopes, p = self._cells()
            naive = _variance(p, slopes) / self.fit.objective.total
            return _over(self.errors("sandwich") ** 2, naive[:, None])
        robust, naive = _two_covariances(self.fit)
        slopes = self._slopes()
        return np.asarray((_quadratic(slopes, robust) / _quadratic(slopes, naive))[:, None])

    def acceleration(self) -> Array:
        """Return Σu³ / (6 (Σu²)^1.5) over the influences u of the observations (R, 1)."""
        fit = self.fit
        if fit.on_simplex:
            return _skewness(fit, _of_cells(fit, self._cells()[0][:, :, None]))
        found = contributions(fit)
        assert found.score is not None
        way = np.einsum("rij,rj->ri", information(fit).inverse, self._slopes())
        return _skewness(fit, found.score @ way[:, :, None])

    def ends(self, quantile: Array) -> Ends:
        """Return the ends of profile intervals for deviances (R, 1)."""
        fit = self.fit
        why = ""
        if fit.on_simplex:
            why = "a function of the probabilities of labels"
        elif kinks_among(fit.objective):
            why = f"a kink in the likelihood of {fit.family.title}"
        if why:
            raise errors.NotRegularError(
                errors.message(
                    "a likelihood that is smooth in unconstrained coordinates, to be profiled",
                    why,
                    "Use method='bootstrap' or 'wald'",
                )
            )
        self._slopes()
        return function_ends(fit, self.function, quantile[:, 0])


def _two_covariances(fit: Fit) -> tuple[Array, Array]:
    """Return A⁻¹BA⁻¹ and A⁻¹, framed, (R, m, m)."""
    found = information(fit)
    return sandwich(found.inverse, found.b), found.inverse


def _quadratic(slopes: Array, matrix: Array) -> Array:
    return np.asarray(np.einsum("ri,rij,rj->r", slopes, matrix, slopes))


def _variance(p: Array, slopes: Array) -> Array:
    """Return the variance of the derivative of the label drawn, (R,)."""
    return np.asarray((p * slopes**2).sum(axis=1) - (p * slopes).sum(axis=1) ** 2)


def _over(robust: Array, naive: Array) -> Array:
    """Return a ratio of variances, 1 where there is neither (an empty cell)."""
    with np.errstate(all="ignore"):
        return np.where(naive > 0, robust / naive, 1.0)


def _of_cells(fit: Fit, values: Array) -> Array:
    """Return the values of each observation's label (R or 1, K, q) less their mean, (R, n, q)."""
    p = fit.framed[0]
    codes = np.broadcast_to(fit.objective.sample.values, (len(p), fit.objective.sample.rows))
    values = np.broadcast_to(values, (len(p), *values.shape[-2:]))
    mean = np.einsum("rk,rkq->rq", p, values)
    own = np.take_along_axis(values, codes.astype(np.int64)[:, :, None], axis=1)
    return np.asarray(own - mean[:, None, :])


def _skewness(fit: Fit, influence: Array) -> Array:
    """Return the skewness of the sum of influences (R, n, K) over 6, (R, K).

    A frequency is so many observations; a sampling weight enlarges the influence of one.
    """
    weights = fit.objective.sample.weights
    w = np.ones((1, 1, 1)) if weights is None else weights[:, :, None]
    if fit.sample.weighting == "sampling":
        influence, w = w * influence, np.ones((1, 1, 1))
    square, cube = (w * influence**2).sum(axis=1), (w * influence**3).sum(axis=1)
    with np.errstate(all="ignore"):
        return np.asarray(cube / (6.0 * square**1.5))
