"""Laws of the whole line known by the logarithms of both tails, and the mass between two points of one.

Many families are one such law at a standardised observation: F(y) = F₀(z(y; θ)), or F₀(z; a) where the law
has shapes a of its own. What they need of F₀ to be fitted to intervals (log F₀, log(1 − F₀), and two
derivatives of each) keeps its digits however far out: each tail is computed by itself, or from a smaller
one, never as 1 less the larger.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlece.math import (
    Array,
    arctan,
    exp,
    expit,
    expm1,
    inf,
    log,
    log1mexp,
    log1p,
    pi,
    tanh,
    where,
)
from mlece.numerics.jets import Jet, compose

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

    def jets(self, z: Array) -> tuple[Jet, Jet]:
        """Return log F and log (1 − F) as functions of z; a law with shapes takes them as well."""
        up, bend_up, down, bend_down = self.log_pair_derivatives(z)
        below, above = self.log_pair(z)
        return Jet(below, (up,), (bend_up,)), Jet(above, (down,), (bend_down,))


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


class ExponentialFromZero(Tails):
    """1 − F(z) = e^(−z) from 0 on, where the density jumps: an exponential law with an end that moves."""

    def log_cdf(self, z: Array) -> Array:
        """Return log(1 − e^(−z)), minus infinity up to 0."""
        return where(z > 0, log1mexp(where(z > 0, z, 1.0)), -inf)

    def log_sf(self, z: Array) -> Array:
        """Return −z, 0 up to 0."""
        return where(z > 0, -z, 0.0)

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return o = 1/(e^z − 1) and −o (1 + o)."""
        odds = where(z > 0, exp(-z) / -expm1(-where(z > 0, z, 1.0)), 0.0)
        return odds, -odds * (1 + odds)

    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return −1 and 0."""
        return where(z > 0, -1.0, 0.0), np.zeros_like(z)


class ExponentialUpToZero(Tails):
    """F(z) = e^z up to 0: the mirror image."""

    def log_cdf(self, z: Array) -> Array:
        """Return z, 0 from 0 on."""
        return exponential_tails.log_sf(-z)

    def log_sf(self, z: Array) -> Array:
        """Return log(1 − e^z), minus infinity from 0 on."""
        return exponential_tails.log_cdf(-z)

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return 1 and 0."""
        first, second = exponential_tails.sf_derivatives(-z)
        return -first, second

    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return −o and −o (1 + o), o the odds e^z/(1 − e^z)."""
        first, second = exponential_tails.cdf_derivatives(-z)
        return -first, second


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
exponential_tails = ExponentialFromZero()
mirrored_exponential_tails = ExponentialUpToZero()


# ---------------------------------------------------------------------------- laws with shapes

_ROWS = 128  # points at a time, so that their nodes stay in the cache
REACH = 41.0  # what lies beyond a fall of a log density by this much is below rounding


def _panels(count: int, share: float) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights on (0, share) and (share, 1)."""
    x, w = np.polynomial.legendre.leggauss(count)
    ends = np.array([0.0, share, 1.0])
    half = 0.5 * np.diff(ends)[:, None]
    return np.ravel(ends[:-1, None] + half * (1 + x)), np.ravel(half * w)


# A log density that falls about linearly from a point on, and may bend near it.
NODES, WEIGHTS = _panels(22, 1 / 6)


def reach(fall: Callable[[Array], tuple[Array, Array]], start: Array) -> Array:
    """Return the distance, to some per cent, at which a log density has fallen by :data:`REACH`.

    Parameters
    ----------
    fall : callable
        Distances to the fall and its slope.
    start : array
    """
    u = start
    for _ in range(5):
        depth, slope = fall(u)
        u = np.maximum(u - (depth - REACH) / slope, 0.1 * u)
    return np.asarray(u)


def by_rows(sums: Callable[..., Array], *at: Array) -> Array:
    """Return sums (q, m) at points (m,), so many at a time that their nodes stay in the cache."""
    cuts = (slice(k, k + _ROWS) for k in range(0, at[0].size, _ROWS))
    return np.concatenate([sums(*(a[cut] for a in at)) for cut in cuts], axis=1)


def row_sums(weights: Array, values: Array) -> Array:
    """Return the sum of weights times values over the last axis."""
    return np.asarray(np.einsum("ij,ij->i", weights, values))


def unstacked(parts: Array, inner: Sequence[Jet]) -> Jet:
    """Return a function of inner jets from its value and derivatives in them, stacked."""
    k = 1 + len(inner)
    return compose(parts[0], tuple(parts[1:k]), tuple(parts[k:]), inner)


def log_sum(a: Jet, b: Jet) -> Jet:
    """Return log(e^a + e^b)."""
    share, rest = expit(a.value - b.value), expit(b.value - a.value)
    both = share * rest
    value = np.logaddexp(a.value, b.value)
    return compose(value, (share, rest), (both, -both, both), (a, b))


class ShapedTails(Tails):
    """A law of the line with shapes of its own: a subclass knows the smaller tail, or one not near 1.

    What is asked of it takes the shapes after z; derivatives are those in z and in the shapes, the
    gradient first, then the upper triangle of the second ones row by row.
    """

    shapes: int

    @abstractmethod
    def smaller(self, at: tuple[Array, ...], bends: bool) -> tuple[Array, Array]:
        """Return where the lower tail is told, and the logarithm of the tail with its derivatives.

        Parameters
        ----------
        at : tuple of arrays (m,)
            z and the shapes.
        bends : bool
            Whether derivatives are asked for.

        Returns
        -------
        lower : array of bool (m,)
        parts : array (1, m) or (q, m)
        """

    def _told(self, at: tuple[Array, ...], bends: bool) -> tuple[Array, Array]:
        wide = np.broadcast_arrays(*[np.asarray(a, dtype=float) for a in at])
        flat = tuple(np.ravel(a) for a in wide)
        with np.errstate(all="ignore"):
            lower, parts = self.smaller(flat, bends)
        shape = wide[0].shape
        return lower.reshape(shape), parts.reshape(len(parts), *shape)

    def log_pair(self, z: Array, *shapes: Array) -> tuple[Array, Array]:
        """Return log F and log (1 − F)."""
        lower, (tail,) = self._told((z, *shapes), False)
        with np.errstate(all="ignore"):
            other = log1mexp(-tail)
        return where(lower, tail, other), where(lower, other, tail)

    def log_cdf(self, z: Array, *shapes: Array) -> Array:
        """Return log F."""
        return self.log_pair(z, *shapes)[0]

    def log_sf(self, z: Array, *shapes: Array) -> Array:
        """Return log (1 − F)."""
        return self.log_pair(z, *shapes)[1]

    def jets(self, z: Array, *shapes: Array) -> tuple[Jet, Jet]:
        """Return log F and log (1 − F) as functions of z and the shapes."""
        lower, parts = self._told((z, *shapes), True)
        k = 1 + self.shapes
        tail = Jet(parts[0], tuple(parts[1 : 1 + k]), tuple(parts[1 + k :]))
        with np.errstate(all="ignore"):
            # log(1 − e^t) has the slope −o and the bend −o (1 + o), o the odds of the tail.
            odds = -exp(tail.value) / expm1(tail.value)
            rest = compose(log1mexp(-tail.value), (-odds,), (-odds * (1 + odds),), (tail,))
        return _selected(lower, tail, rest), _selected(lower, rest, tail)

    def log_pair_derivatives(self, z: Array, *shapes: Array) -> tuple[Array, ...]:  # type: ignore[override]
        """Return the derivatives of log F, then those of log (1 − F)."""
        return tuple(part for jet in self.jets(z, *shapes) for part in jet.parts()[1:])

    def cdf_derivatives(self, z: Array, *shapes: Array) -> tuple[Array, ...]:  # type: ignore[override]
        """Return the derivatives of log F."""
        return self.jets(z, *shapes)[0].parts()[1:]

    def sf_derivatives(self, z: Array, *shapes: Array) -> tuple[Array, ...]:  # type: ignore[override]
        """Return the derivatives of log (1 − F)."""
        return self.jets(z, *shapes)[1].parts()[1:]


# ---------------------------------------------------------------------------- beyond the floats

_FAR = -650.0  # the logarithm of a probability below which its last digits may be lost


def beyond_floats(model: Any, out: Array, y: Array, theta: tuple[Array, ...], above: bool) -> Array:
    """Return logarithms of tails, those of probabilities next to 0 and below from a standard law.

    Parameters
    ----------
    model : Model
        Whose ``_tail_law`` or ``_standardised`` tell the law and where to take it.
    out : array
        Logarithms of probabilities that were computed themselves.
    y, theta, above
        The points, the parameters, and whether the tail is the upper one.
    """
    told = next((hook for hook in ("_tail_law", "_standardised") if model.has(hook)), None)
    if told is None or not (far := out < _FAR).any():
        return out
    law, *at = getattr(model, told)(y, *theta)
    at = [np.broadcast_to(a, out.shape) for a in at]
    far &= np.isfinite(at).all(axis=0)
    if far.any():
        out = out.copy()
        out[far] = (law.log_sf if above else law.log_cdf)(*[a[far] for a in at])
    return out


# ---------------------------------------------------------------------------- between two points


def between(law: Tails, a: Sequence[Jet], b: Sequence[Jet]) -> tuple[Jet, Array]:
    """Return log P(a < Z <= b) of a law, its ends a = −inf and b = inf included.

    It is the larger of two tails less the smaller one, in the tail where both are small: with ℓ the
    logarithm of that tail, at its nearer end o and its farther end i, log P = ℓ(o) + log(1 − e^(−δ)),
    δ = ℓ(o) − ℓ(i), the gap. With λ = 1/(e^δ − 1) the derivative of log P in δ is λ, that of λ is
    −λ(1 + λ); for a log-concave tail no sum below has terms of unlike sign that cancel.

    Parameters
    ----------
    law : Tails
    a, b : sequences of Jet
        Each end, and behind it the shapes of the law, as functions of the same variables.

    Returns
    -------
    log_mass : Jet
    gap : array
        δ: how far the tails are apart.
    """
    first, last = a[0].value == -inf, b[0].value == inf
    at_a = where(first, where(last, 0.0, b[0].value), a[0].value)
    at_b = where(last, where(first, 0.0, a[0].value), b[0].value)
    below_a, above_a = (_along(t, a) for t in law.jets(at_a, *[s.value for s in a[1:]]))
    below_b, above_b = (_along(t, b) for t in law.jets(at_b, *[s.value for s in b[1:]]))
    low = where(first, True, where(last, False, below_b.value <= above_a.value))
    gap = where(low, below_b.value - below_a.value, above_a.value - above_b.value)
    gap = where(first | last, inf, where(at_b >= at_a, gap, np.nan))
    ratio = exp(-gap) / -expm1(-gap)
    # The outer end holds the larger tail; what the inner one takes away vanishes with the ratio.
    outer = _selected(low, below_b, above_a)
    inner = _selected(low, below_a, above_b)
    value = log1mexp(gap)
    rest = compose(value, (ratio,), (-ratio * (1 + ratio),), (outer - inner,))
    mass = outer + _selected(ratio > 0, rest, outer.lift(value))
    return Jet(where(outer.value > -inf, mass.value, outer.value), mass.first, mass.second), gap


def _along(tail: Jet, inner: Sequence[Jet]) -> Jet:
    """Return a function of the coordinates of a law as one of the variables on which they depend."""
    return compose(tail.value, tail.first, tail.second, inner)


def _selected(mask: Array, one: Jet, other: Jet) -> Jet:
    """Return one function where a mask holds, the other one elsewhere."""
    value, *parts = (where(mask, p, q) for p, q in zip(one.parts(), other.parts(), strict=True))
    k = len(one.first)
    return Jet(value, parts[:k], parts[k:])
