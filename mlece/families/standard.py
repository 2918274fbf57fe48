"""Location-scale families, declared by the derivatives of one standard log density."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.domain import positive, real
from mlece.limits import Limit, full, or_fixed, point_mass
from mlece.math import Array, Arrays, exp, log
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

# Central differences of the sixth order: steps, and weights of the first and second derivative.
STEPS = np.arange(-3.0, 4.0)
FIRST = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60
SECOND = np.array([2.0, -27.0, 270.0, -490.0, 270.0, -27.0, 2.0]) / 180


@dataclass(frozen=True)
class Jet:
    """A standard log density g(z; shapes) with its first and second derivatives.

    Parameters
    ----------
    value, slope, bend : array
        g, ∂g/∂z and ∂²g/∂z².
    shapes : tuple of arrays
        ∂g/∂a for each shape a.
    mixed : tuple of arrays
        ∂²g/∂z∂a for each shape a.
    bends : tuple of arrays
        Upper triangle of ∂²g/∂a∂b, row by row.
    """

    value: Array
    slope: Array
    bend: Array
    shapes: Arrays = ()
    mixed: Arrays = ()
    bends: Arrays = ()


class LocationScale(Model, abstract=True):
    """Laws of (y − loc)/scale: log q(y) = g((y − loc)/scale; shapes) − log scale.

    A subclass declares its shapes and ``_standard(z, *shapes)``, which returns a :class:`Jet`; the
    chain rule of the two common parameters stands here.
    """

    support = real
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _standard(*args: Any, **kwargs: Any) -> Jet:
        raise NotImplementedError

    @classmethod
    def _shared(cls, y: Array, loc: Array, scale: Array, *shapes: Array) -> Arrays:
        z = (y - loc) / scale
        at = cls._standard(z, *shapes)
        bent = z * at.bend
        crossed = tuple(z * m for m in at.mixed)
        return (
            *(at.value, at.slope, z * at.slope, at.bend, bent, z * bent),
            *(*at.shapes, *at.mixed, *crossed, *at.bends),
        )

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array, *shapes: Array) -> Array:
        return np.asarray(t[0] - log(scale))

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array, *shapes: Array) -> Arrays:
        return -t[1] / scale, -(1 + t[2]) / scale, *t[6 : 6 + len(shapes)]

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array, *shapes: Array) -> Arrays:
        k = len(shapes)
        _, slope, sloped, bend, bent, bent_twice = t[:6]
        mixed, crossed = t[6 + k : 6 + 2 * k], t[6 + 2 * k : 6 + 3 * k]
        return (
            bend / scale**2,
            (slope + bent) / scale**2,
            *(-m / scale for m in mixed),
            (1 + 2 * sloped + bent_twice) / scale**2,
            *(-c / scale for c in crossed),
            *t[6 + 3 * k :],
        )

    @staticmethod
    def _degenerate(
        s: Summary, loc: Array | None, scale: Array | None, *shapes: Array | None
    ) -> tuple[Limit, ...]:
        if scale is not None:
            return ()
        sentence = "every observation is equal: the density grows without bound as scale falls to 0"
        free = full(s.minimum, np.nan)
        limit = (s.minimum, full(s.minimum, 0.0), *(or_fixed(free, shape) for shape in shapes))
        return point_mass(s, sentence, limit, s.minimum, loc)


def quartile_start(x: Array, half: float) -> Arrays:
    """Return the median and a scale from the quartiles of sorted points (r, p).

    Parameters
    ----------
    half : float
        Upper quartile of the standard law.
    """
    last = x.shape[-1] - 1
    q1, q2, q3 = (x[..., round(f * last)] for f in (0.25, 0.5, 0.75))
    spread = np.where(q3 > q1, (q3 - q1) / (2 * half), x.std(axis=-1))
    return q2, np.where(spread > 0, spread, 1.0)


def shortest_half(x: Array) -> Arrays:
    """Return the midpoint and half the length of the shortest half of sorted points (r, p).

    However far the other half lies, the scale is that of the bulk (Rousseeuw 1984).
    """
    points = x.shape[-1]
    width = x[..., points // 2 :] - x[..., : points - points // 2]
    first = np.argmin(width, axis=-1)[..., None]
    half = 0.5 * np.take_along_axis(width, first, axis=-1)[..., 0]
    centre = np.take_along_axis(x, first, axis=-1)[..., 0] + half
    _, spread = quartile_start(x, 1.0)
    return centre, np.where(half > 0, half, spread)


_LAGUERRE = np.polynomial.laguerre.laggauss(64)


def log_tail(g: Callable[[Array], Array], z: Array, slope: Array) -> Array:
    """Return the log of the integral up to z of exp(g), g concave and steep at z.

    Gauss-Laguerre quadrature against the exponential tangent to exp(g), which lies above it: the
    further out, the closer, where a difference of two probabilities has lost its digits.

    Parameters
    ----------
    g : callable
        Log density; takes an array with an axis of nodes in front.
    z, slope : array
        Where the tail ends, and g'(z) > 0 there.
    """
    nodes, weights = (a.reshape(-1, *([1] * np.ndim(z))) for a in _LAGUERRE)
    top = g(z)
    ratio = exp(g(z - nodes / slope) - top + nodes)
    return np.asarray(top - log(slope) + log((weights * ratio).sum(axis=0)))


def moments(x: Array) -> Arrays:
    """Return mean, standard deviation (1 where it is 0) and skewness of points (r, p)."""
    mean = x.mean(axis=-1)
    spread = x.std(axis=-1)
    spread = np.where(spread > 0, spread, 1.0)
    return mean, spread, (((x - mean[..., None]) / spread[..., None]) ** 3).mean(axis=-1)
