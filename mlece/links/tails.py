"""Laws of the whole line known by the logarithms of both tails, and the mass between two points of one.

Many families are one such law at a standardised observation: F(y) = F₀(z(y; θ)). What they need of F₀ to
be fitted to intervals (log F₀, log(1 − F₀), and two derivatives of each) keeps its digits however far
out: each tail is computed by itself, never as 1 less the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from mlece.math import (
    Array,
    arctan,
    exp,
    expm1,
    inf,
    log,
    log1mexp,
    log1p,
    pi,
    tanh,
    times,
    where,
)

_LOG_2 = 0.6931471805599453


class Tails(ABC):
    """A law of the line: log F and log (1 − F) with their first two derivatives."""

    @abstractmethod
    def log_cdf(self, z: Array) -> Array:
        """Return log F(z)."""

    @abstractmethod
    def log_sf(self, z: Array) -> Array:
        """Return log (1 − F(z))."""

    @abstractmethod
    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return the first and the second derivative of log F."""

    @abstractmethod
    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return the first and the second derivative of log (1 − F)."""

    def log_pair(self, z: Array) -> tuple[Array, Array]:
        """Return log F(z) and log (1 − F(z))."""
        return self.log_cdf(z), self.log_sf(z)

    def log_pair_derivatives(self, z: Array) -> tuple[Array, Array, Array, Array]:
        """Return the first and second derivative of log F, then those of log (1 − F)."""
        return *self.cdf_derivatives(z), *self.sf_derivatives(z)


class Symmetric(Tails):
    """A law symmetric about 0: its upper tail is the mirror image of the lower one."""

    def log_sf(self, z: Array) -> Array:
        """Return log F(−z)."""
        return self.log_cdf(-z)

    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return those of log F at −z, the first with the other sign."""
        first, second = self.cdf_derivatives(-z)
        return -first, second


# ---------------------------------------------------------------------------- laws that are no links


class DoubleExponential(Symmetric):
    """F(z) = e^z / 2 below 0: the law of Laplace."""

    def log_cdf(self, z: Array) -> Array:
        """Return z − log 2 below 0, log(1 − e^(−z)/2) above."""
        return where(z < 0, z - _LOG_2, log1p(-0.5 * exp(-np.abs(z))))

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return 1 and 0 below 0, those of 1/(2 e^z − 1) above."""
        rate = exp(-np.abs(z))
        first = where(z < 0, 1.0, rate / (2 - rate))
        return first, where(z < 0, 0.0, -first * (1 + first))


class HyperbolicSecantTails(Symmetric):
    """F(z) = (2/π) arctan(e^z)."""

    def log_cdf(self, z: Array) -> Array:
        """Return log F; far below, where e^z is its own angle, z + log(2/π)."""
        low = where(z < 0, z, 0.0)
        below = where(low < -40, low, log(arctan(exp(where(low < -40, 0.0, low)))))
        return where(
            z < 0, log(2 / pi) + below, log1p(-2 / pi * arctan(exp(-where(z < 0, 0.0, z))))
        )

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return r = f/F and r (−tanh z − r), the difference below 0 by its expansion in e^z."""
        x = exp(-np.abs(z))
        square = x * x
        # f = (2/π) x / (1 + x²) on either side.
        rise = x / (1 + square)
        q = _arctan_deficit(x)
        angle = where(z < 0, 1 - q, 0.5 * pi - x * (1 - q))
        first = where(z < 0, 1 / ((1 + square) * (1 - q)), rise / angle)
        gap = where(
            z < 0,
            -(square * (1 - q) + q) / ((1 + square) * (1 - q)),
            -tanh(np.abs(z)) - rise / angle,
        )
        return first, first * gap


def _arctan_deficit(x: Array) -> Array:
    """Return 1 − arctan(x)/x for 0 <= x <= 1 without cancellation."""
    near = where(x < 0.5, x, 0.0)
    u = near * near
    series = np.zeros_like(u)
    # The terms fall below 1e-17 of the sum at k = 26.
    for k in range(26, -1, -1):
        series = 1 / (2 * k + 3) - u * series
    far = where(x < 0.5, 1.0, x)
    return where(x < 0.5, u * series, 1 - arctan(far) / far)


laplace_tails = DoubleExponential()
secant_tails = HyperbolicSecantTails()


# ---------------------------------------------------------------------------- between two points


class Between(NamedTuple):
    """log P(a < Z <= b) of a law, its derivatives in the two ends, and how far the tails are apart."""

    log_mass: Array
    lower: Array
    upper: Array
    lower_lower: Array
    lower_upper: Array
    upper_upper: Array
    gap: Array


def between(law: Tails, a: Array, b: Array) -> Between:
    """Return the logarithm of F(b) − F(a) with its derivatives, a = −inf and b = inf included.

    It is the larger of two tails less the smaller one, in the tail where both are small: with ℓ the
    logarithm of that tail, at its nearer end o and its farther end i, log P = ℓ(o) + log(1 − e^(−δ)),
    δ = ℓ(o) − ℓ(i), the gap. With λ = 1/(e^δ − 1) the derivative of log P in δ is λ, that of λ is
    −λ(1 + λ); for a log-concave tail no sum below has terms of unlike sign that cancel.
    """
    first, last = a == -inf, b == inf
    at_a, at_b = where(first, where(last, 0.0, b), a), where(last, where(first, 0.0, a), b)
    below_a, above_a = law.log_pair(at_a)
    below_b, above_b = law.log_pair(at_b)
    up_a, bend_up_a, down_a, bend_down_a = law.log_pair_derivatives(at_a)
    up_b, bend_up_b, down_b, bend_down_b = law.log_pair_derivatives(at_b)
    low = where(first, True, where(last, False, below_b <= above_a))
    gap = where(low, below_b - below_a, above_a - above_b)
    gap = where(first | last, inf, where(at_b >= at_a, gap, np.nan))
    ratio = exp(-gap) / -expm1(-gap)
    more = 1 + ratio
    # The outer end holds the larger tail; what the inner one takes away vanishes with the ratio.
    outer, inner = where(low, up_b, down_a), where(low, up_a, down_b)
    bend_outer, bend_inner = where(low, bend_up_b, bend_down_a), where(low, bend_up_a, bend_down_b)
    outer_outer = more * bend_outer - more * times(ratio, outer**2)
    inner_inner = -times(ratio, bend_inner + more * inner**2)
    outer, inner_slope = more * outer, -times(ratio, inner)
    mixed = -outer * inner_slope
    tail = where(low, below_b, above_a)
    return Between(
        where(tail > -inf, tail + log1mexp(gap), tail),
        where(low, inner_slope, outer),
        where(low, outer, inner_slope),
        where(low, inner_inner, outer_outer),
        mixed,
        where(low, outer_outer, inner_inner),
        gap,
    )
