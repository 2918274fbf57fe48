"""The line cut between break points, each piece mapped to t for double-exponential quadrature.

    half line from b      y = b ± s exp(½π sinh t)
    interval (a, b)       y = a + (b - a) / (1 + exp(-π sinh t))     (tanh-sinh)

Takahasi and Mori (1974), Publ. RIMS 9, 721-741.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from mlece.math import Array, expit, log, log1p
from mlece.model import Model

_LOG_LARGEST = 700.0
_LOG_BEYOND = 70000.0
_ROOM = 1e-30
_NEAR, _LOG_NO_MASS, _LOG_NO_FLOAT = (
    -45.0,
    -42.0,
    -38.0,
)  # mass below 1e-18, spacing of floats 1e-16
HALF_PI = 0.5 * np.pi
_REACH = 16.0  # quartile distances around the median that form a piece of their own


@dataclass(frozen=True)
class Piece:
    """One stretch between break points, and its map to t.

    Parameters
    ----------
    lower, upper : float
        The ends; at most one is infinite.
    scale : float
        Unit of distance on a half line.
    deep : (bool, bool)
        Whether the lower and the upper end may be singular, so that nodes go as near as floats
        allow.
    near : (float, float)
        Logarithm of the distance, in units of the piece, within which of a finite end other than 0 there
        is no mass to speak of, or no float.
    """

    lower: float
    upper: float
    scale: float
    deep: tuple[bool, bool]
    near: tuple[float, float] = (_NEAR, _NEAR)

    def at(self, t: Array) -> tuple[Array, Array]:
        """Return y(t) and log dy/dt."""
        u = HALF_PI * np.sinh(t)
        log_rate = log(HALF_PI * np.cosh(t))
        if np.isinf(self.upper):
            with np.errstate(over="ignore"):
                step = self.scale * np.exp(u)
            return self.lower + step, log_rate + u + log(self.scale)
        if np.isinf(self.lower):
            # t is mirrored so that y increases with t.
            with np.errstate(over="ignore"):
                step = self.scale * np.exp(-u)
            return self.upper - step, log_rate - u + log(self.scale)
        width = self.upper - self.lower
        y = np.where(u < 0, self.lower + width * expit(2 * u), self.upper - width * expit(-2 * u))
        # dy/dt = width 2 u' e^(-2|u|) / (1 + e^(-2|u|))^2
        log_jacobian = log(2 * width) + log_rate - 2 * np.abs(u) - 2 * log1p(np.exp(-2 * np.abs(u)))
        return y, log_jacobian

    def inverse(self, y: Array) -> Array:
        """Return the t of a point inside the piece (its limits at the ends)."""
        with np.errstate(divide="ignore"):
            if np.isinf(self.upper):
                u = log((y - self.lower) / self.scale)
            elif np.isinf(self.lower):
                u = -log((self.upper - y) / self.scale)
            else:
                u = 0.5 * (log(y - self.lower) - log(self.upper - y))
        low, high = self.range()
        return np.asarray(np.minimum(np.maximum(np.arcsinh(u / HALF_PI), low), high))

    def range(self, beyond_floats: bool = False) -> tuple[float, float]:
        """Return the t between which nodes can carry weight.

        Beside an end other than zero floats stop at a relative distance of 1e-16; a density that is
        continued there by a formula can be summed on far beyond.
        """
        span = self.scale if np.isinf(self.upper - self.lower) else self.upper - self.lower

        def near(side: int, end: float) -> float:
            if self.deep[side] and end == 0:
                return -_LOG_LARGEST - float(log(span))
            return -_LOG_BEYOND if self.deep[side] and beyond_floats else self.near[side]

        if np.isinf(self.upper):
            low, high = near(0, self.lower), _LOG_LARGEST - float(log(self.scale))
        elif np.isinf(self.lower):
            low, high = float(log(self.scale)) - _LOG_LARGEST, -near(1, self.upper)
        else:
            low, high = 0.5 * near(0, self.lower), -0.5 * near(1, self.upper)
        return float(np.arcsinh(low / HALF_PI)), float(np.arcsinh(high / HALF_PI))


def cut(model: Model, quartiles: Array, extra: tuple[float, ...] = ()) -> list[Piece]:
    """Cut the support at kinks (its own and others), at the median and, for a narrow law, around it."""
    q1, middle, q3 = (float(q) for q in quartiles)
    theta = model.theta
    lower, upper = (float(end) for end in model.bounds(theta))
    kinks = {float(b) for b in np.ravel(np.asarray(model._breakpoints(*theta), dtype=float))}
    kinks |= {float(b) for b in extra}
    kinks = {b for b in kinks if lower < b < upper}
    # On a circle the ends are one ordinary point.
    singular = kinks if model.support.periodic else {lower, upper, *kinks}
    span = upper - lower
    if np.isfinite(span):
        end = lower if middle - lower < upper - middle else upper
        near, far = sorted((abs(q1 - end), abs(q3 - end)))
        beside = end != 0 and abs(middle - end) <= 2.0**-8 * abs(end) and near < 0.01 * far
        if beside or not lower < middle < upper:
            # A law spread over decades beside the end: the piece between would hold too few digits.
            q1, middle, q3 = lower + 0.25 * span, lower + 0.5 * span, lower + 0.75 * span
    if lower == 0 and middle < 1e-100 * max(q3, 1e-100) and np.isinf(upper):
        # Most of the mass lies where floats end: cut where there is room on either side.
        q1, middle, q3 = 0.0, _ROOM, 2 * _ROOM
    spread = max(q3 - q1, np.finfo(float).tiny)
    below = middle - q1 if middle > q1 else spread
    above = q3 - middle if q3 > middle else spread
    points = {b for b in (lower, upper, *kinks) if np.isfinite(b)}
    # A declared kink beside the median serves in its place.
    if not any(abs(b - middle) <= 1e-6 * min(below, above) for b in points):
        points.add(middle)
    for end, edge in ((lower, middle - _REACH * below), (upper, middle + _REACH * above)):
        narrow = np.isfinite(end) and abs(middle - end) > 2 * abs(middle - edge)
        if narrow and not any(abs(b - edge) <= spread for b in kinks):
            points.add(edge)
    inner = sorted(points)
    pieces = [
        Piece(a, b, b - a, (a in singular, b in singular)) for a, b in itertools.pairwise(inner)
    ]
    if np.isinf(lower):
        first = inner[0]
        pieces.insert(0, Piece(-np.inf, first, below, (True, first in kinks)))
    if np.isinf(upper):
        last = inner[-1]
        pieces.append(Piece(last, np.inf, above, (last in singular, True)))
    return [replace(piece, near=_near(model, piece)) for piece in pieces]


def _near(model: Model, piece: Piece) -> tuple[float, float]:
    """Return how near to its finite ends a piece need go, for a law spread over many decades."""
    span = piece.scale if np.isinf(piece.upper - piece.lower) else piece.upper - piece.lower
    out = []
    for end, deep in zip((piece.lower, piece.upper), piece.deep, strict=True):
        near = _NEAR
        if np.isfinite(end):
            height = float(model.log_density(np.array([end]))[0])
            if np.isfinite(height):
                near = min(near, _LOG_NO_MASS - height - float(log(span)))
            if deep and end != 0:
                near = min(near, float(log(abs(end)) - log(span)) + _LOG_NO_FLOAT)
        out.append(near)
    return out[0], out[1]
