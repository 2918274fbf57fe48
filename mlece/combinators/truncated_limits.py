"""Where fits of truncated laws end that have no maximum: the laws at the edge of the family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.families.half_line import Exponential
from mlece.families.real_line import Gaussian
from mlece.families.unit_interval import Uniform
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import Array, Arrays, exp, inf, log, log1p, where
from mlece.model import Model
from mlece.moments import Summary


def limits(
    inner: type[Model], s: Summary, slots: tuple[Any, ...], lower: Any, upper: Any
) -> tuple[Limit, ...]:
    """Return the limits of a truncation; the ends are infinite where there is none.

    Parameters
    ----------
    inner : type of Model
        The family inside.
    s : Summary
        What the inner family needs of the sample.
    slots : tuple of (array or None)
        The inner parameters that are fixed.
    lower, upper : array_like
        Ends of the region, in the frame.
    """
    found = [limit for limit in inner._degenerate(s, *slots) if limit.status is Status.UNBOUNDED]
    free = all(v is None for v in slots)
    if inner is Gaussian and free:
        found.append(_gaussian(s, np.asarray(lower), np.asarray(upper)))
    if inner is Exponential and free and np.all(np.isfinite(upper)):
        found.append(_exponential(s, np.maximum(lower, 0.0), np.asarray(upper)))
    return tuple(found)


@dataclass(frozen=True)
class UniformOn:
    """Builds the uniform law on a region from the slots of an exponential law truncated to it."""

    upper_only: bool

    def __call__(self, *values: Any) -> Model:
        """Return the limit as the rate falls to 0."""
        return Uniform(lower=0.0 if self.upper_only else values[-2], upper=values[-1])


def _exponential(s: Summary, lower: Array, upper: Array) -> Limit:
    """The rate falls to 0 where the mean lies above the middle of the region."""
    (y,) = s.mean
    sentence = (
        "the mean lies above the middle of the region: the rate falls to 0, the uniform limit"
    )
    above = (y >= 0.5 * (lower + upper)) & (s.minimum < upper)
    infimum = log(upper - lower) + 0 * y
    build = UniformOn(bool(np.all(lower == 0)))
    return Limit(above, Status.BOUNDARY, sentence, (full(y, 0.0),), infimum, build)


def _gaussian(s: Summary, lower: Array, upper: Array) -> Limit:
    """Mean and sd run off together where the variance is not below that of an exponential tilt.

    The laws e^{ηy} on the region are the limits; a Gaussian law is more concentrated than the one of
    the same mean (del Castillo 1994, Annals of the Institute of Statistical Mathematics 46, 57-66).
    """
    y, y2 = s.mean
    variance = y2 - y * y
    with np.errstate(all="ignore"):
        half = 0.5 * (upper - lower)
        m = (y - 0.5 * (lower + upper)) / half
        kappa = _inverse_langevin(np.minimum(np.abs(m), 1.0)) * np.sign(m)
        log_sinh = np.abs(kappa) + log1p(-exp(-2 * np.abs(kappa))) - log(2.0)
        small = np.abs(kappa) < 1e-3
        spread = where(small, 1 / 3 - kappa**2 / 15, 1 / kappa**2 - exp(-2 * log_sinh))
        log_norm = where(small, kappa**2 / 6, log_sinh - log(np.abs(kappa)))
        between = half**2 * spread, log(2 * half) + log_norm - kappa * m
        gap = where(np.isfinite(lower), y - lower, upper - y)
        beyond = gap**2, 1 + log(gap)
        both = np.isfinite(lower) & np.isfinite(upper)
        largest, infimum = (where(both, a, b) for a, b in zip(between, beyond, strict=True))
        slope = where(both, -kappa, where(np.isfinite(lower), 1.0, -1.0))
    wide = (variance >= largest) & (s.minimum < s.maximum)
    sentence = (
        "the variance is not below that of the exponential law of the same mean on the region: mean "
        "and sd run off towards it"
    )
    theta = where(slope > 0, -inf, where(slope < 0, inf, y)), full(y, inf)
    return Limit(wide, Status.NOT_ATTAINED, sentence, theta, infimum)


def _inverse_langevin(m: Array) -> Array:
    """Solve coth κ − 1/κ = m for κ ≥ 0 by bisection in log κ."""
    low, high = np.full(np.shape(m), -12.0), np.full(np.shape(m), 40.0)
    for _ in range(80):
        x = 0.5 * (low + high)
        k = exp(x)
        value = where(k < 1e-3, k / 3 - k**3 / 45, 1 / np.tanh(k) - 1 / k)
        low, high = where(value < m, x, low), where(value < m, high, x)
    return np.asarray(exp(0.5 * (low + high)))


def padded(limit: Limit, ends: Arrays, rows: int) -> Limit:
    """Return a limit of the inner family with the ends of the region behind its parameters."""
    fixed = tuple(or_fixed(np.zeros(rows), e) for e in ends)
    return Limit(
        limit.mask,
        limit.status,
        limit.sentence,
        (*limit.theta, *fixed),
        limit.infimum,
        limit.model,
    )
