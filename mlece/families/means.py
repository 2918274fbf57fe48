"""Families told by their mean: the laws of other families, with parameters that a regression can use."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.domain import positive, probability, unit_interval
from mlece.families.half_line import Gamma, gamma_shape
from mlece.families.unit_interval import Beta, shape_limits
from mlece.limits import Limit, full, or_fixed, point_mass
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    inf,
    log,
    log1pmx,
    log_minus_digamma,
    stirling_remainder,
    trigamma_excess,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import Jet, Pairs
from mlece.param import Param


class Reparametrised(Model, abstract=True):
    """The laws of another family under other parameters.

    Attributes
    ----------
    plain : type of Model
        The other family. A comparison of every family tries that one.
    """

    plain: ClassVar[type[Model]]

    @staticmethod
    def _plain(*theta: Array) -> Arrays:
        """Return the parameters of the other family."""
        raise NotImplementedError

    @classmethod
    def _statistics(cls, y: Array) -> Arrays:
        return tuple(cls.plain._statistics(y))

    @classmethod
    def _block_sums(cls, y: Array, w: Array | None) -> Arrays:
        return tuple(cls.plain._block_sums(y, w))

    @classmethod
    def _expected_statistics(cls, *theta: Array) -> Arrays:
        return tuple(cls.plain._expected_statistics(*cls._plain(*theta)))

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        return np.asarray(cls.plain._log_cdf(y, *cls._plain(*theta)))

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        return np.asarray(cls.plain._log_sf(y, *cls._plain(*theta)))

    @classmethod
    def _standardised(cls, y: Array, *theta: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = cls.plain._standardised(y, *cls._plain(*theta))
        return found

    @classmethod
    def _quantile(cls, u: Array, *theta: Array) -> Array:
        return np.asarray(cls.plain._quantile(u, *cls._plain(*theta)))

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return np.asarray(cls.plain._sample(rng, size, *cls._plain(*theta)))

    @classmethod
    def _entropy(cls, *theta: Array) -> Array:
        return np.asarray(cls.plain._entropy(*cls._plain(*theta)))

    @classmethod
    def _scipy(cls, *theta: Array) -> Twin:
        twin: Twin = cls.plain._scipy(*cls._plain(*theta))
        return twin


# ---------------------------------------------------------------------------- Gamma by its mean


def _deficit(t: Arrays, mean: Array) -> Array:
    """Return log(y/μ) − (y/μ − 1) from the statistics of Gamma, in which it is affine."""
    d, log_y, curved = t
    off = mean - 1
    # Where μ is near 1, as it is in the frame, the part of second order is known by itself.
    near = curved - log1pmx(where(abs(off) < 0.5, off, 0.0)) + (d - off) * off / mean
    far = log_y - log(mean) - (d - off) / mean
    return np.asarray(where(abs(off) < 0.5, near, far))


class MeanGamma(Reparametrised):
    r"""Gamma by its mean: log q = α log(α/μ) − log Γ(α) + (α − 1) log y − α y/μ.

    1/α is the squared coefficient of variation, the dispersion of a generalised linear model
    (McCullagh & Nelder 1989). scipy.stats: ``gamma(a=shape, scale=mean/shape)``.
    R: ``gamma(shape, rate = shape/mean)``, the response of ``glm(family = Gamma)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.MeanGamma(mean=3, shape=2).variance
    4.5
    """

    plain = Gamma
    support = positive
    affine = True
    unit_carrier = True
    mean = Param(positive, r"\mu", typical=(0.5, 4), role="scale", doc="mean")
    shape = Param(positive, r"\alpha", typical=(0.5, 8), doc="shape")

    @staticmethod
    def _plain(*theta: Array) -> Arrays:
        mean, shape = theta
        return shape, shape / mean

    @staticmethod
    def _log_density(t: Arrays, mean: Array, shape: Array) -> Array:
        constant = 0.5 * (log(shape) - LOG_2PI) - stirling_remainder(shape)
        return np.asarray(shape * _deficit(t, mean) + constant - t[1])

    @staticmethod
    def _score(t: Arrays, mean: Array, shape: Array) -> Arrays:
        error = t[0] - (mean - 1)
        return shape * error / mean**2, log_minus_digamma(shape) + _deficit(t, mean)

    @staticmethod
    def _curvature(t: Arrays, mean: Array, shape: Array) -> Arrays:
        error = t[0] - (mean - 1)
        return (
            -shape * (mean + 2 * error) / mean**3,
            error / mean**2,
            -trigamma_excess(shape),
        )

    @staticmethod
    def _information(mean: Jet, shape: Any) -> Pairs:
        return {(0, 0): shape / (mean * mean)}

    @staticmethod
    def _maximise(s: Summary, mean: Array | None, shape: Array | None) -> Arrays:
        place = or_fixed(1 + s.mean[0], mean)
        return place, or_fixed(gamma_shape(-_deficit(s.mean, place)), shape)

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, shape: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the mean: the density grows with the shape"
        return point_mass(s, sentence, (s.minimum, full(s.minimum, inf)), s.minimum, mean)

    @staticmethod
    def _start(x: Array) -> Arrays:
        shape, rate = Gamma._start(x)
        return shape / rate, shape

    @staticmethod
    def _mean(mean: Array, shape: Array) -> Array:
        return mean

    @staticmethod
    def _variance(mean: Array, shape: Array) -> Array:
        return np.asarray(mean**2 / shape)


# ---------------------------------------------------------------------------- Beta by its mean


class MeanBeta(Reparametrised):
    r"""Beta by its mean: shapes μφ and (1 − μ)φ (Ferrari & Cribari-Neto 2004).

    The precision φ makes the variance μ(1 − μ)/(1 + φ). scipy.stats: ``beta(a=mean*precision,
    b=(1 - mean)*precision)``. R: ``beta(shape1, shape2)``, the response of ``betareg``.

    Examples
    --------
    >>> import mlece
    >>> mlece.MeanBeta(mean=0.5, precision=4).variance
    0.05
    """

    plain = Beta
    support = probability
    affine = True
    unit_carrier = True
    mean = Param(unit_interval, r"\mu", typical=(0.2, 0.8), doc="mean")
    precision = Param(positive, r"\phi", typical=(1.5, 12), doc="precision")

    @staticmethod
    def _plain(*theta: Array) -> Arrays:
        mean, precision = theta
        return mean * precision, (1 - mean) * precision

    @staticmethod
    def _log_density(t: Arrays, mean: Array, precision: Array) -> Array:
        return Beta._log_density(t, *MeanBeta._plain(mean, precision))

    @staticmethod
    def _score(t: Arrays, mean: Array, precision: Array) -> Arrays:
        first, second = Beta._score(t, *MeanBeta._plain(mean, precision))
        return precision * (first - second), mean * first + (1 - mean) * second

    @staticmethod
    def _curvature(t: Arrays, mean: Array, precision: Array) -> Arrays:
        alpha, beta = MeanBeta._plain(mean, precision)
        first, second = Beta._score(t, alpha, beta)
        # With ψ′(x) = 1/x + e(x) the leading terms of the last two cancel by hand.
        a, b, both = trigamma_excess(alpha), trigamma_excess(beta), trigamma_excess(precision)
        return (
            -precision * (1 / mean + 1 / (1 - mean)) - precision**2 * (a + b),
            first - second + precision * ((1 - mean) * b - mean * a),
            both - mean**2 * a - (1 - mean) ** 2 * b,
        )

    @staticmethod
    def _maximise(s: Summary, mean: Array | None, precision: Array | None) -> Arrays | None:
        if mean is not None or precision is not None:
            return None
        shapes = Beta._maximise(s, None, None)
        assert shapes is not None
        alpha, beta = shapes
        return alpha / (alpha + beta), alpha + beta

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, precision: Array | None) -> tuple[Limit, ...]:
        # Whichever parameter is free makes either shape as small as it needs to be.
        limits = shape_limits(s, (("mean·precision", None), ("(1 − mean)·precision", None)))
        if precision is not None:
            return limits
        sentence = "every observation equals the mean: the density grows with the precision"
        theta = (s.minimum, full(s.minimum, inf))
        return limits + point_mass(s, sentence, theta, s.minimum, mean)

    @staticmethod
    def _start(x: Array) -> Arrays:
        alpha, beta = Beta._start(x)
        return alpha / (alpha + beta), alpha + beta

    @staticmethod
    def _mean(mean: Array, precision: Array) -> Array:
        return mean

    @staticmethod
    def _variance(mean: Array, precision: Array) -> Array:
        return np.asarray(mean * (1 - mean) / (1 + precision))
