"""Sums over integers that are too many to add one by one: slow tails of discrete laws.

A thousand integers are taken as they are. Beyond, the integers at distances 2^k to 2^(k+1) form a panel: a
term is interpolated there by the polynomial through twenty of them and the polynomial is summed over all
of them by the Euler-Maclaurin formula (NIST Handbook of Mathematical Functions, section 2.10), which is
exact to rounding for a power. Beyond 2^50 neighbours differ by less than rounding; the sum is an integral,
taken by the double-exponential rule as for a density, and continued beyond the floats as one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from mlece.math import Array, log
from mlece.model import Model
from mlece.sources.pieces import HALF_PI

FIRST = 1024.0  # integers taken one by one
_OCTAVES = 40  # panels, up to a distance of 2^50
_LOG_LARGEST = 700.0
LEVEL = 5  # step 2^-5 of the double-exponential rule: twice as fine as any power needs


def _sum_of(coefficients: Array, half: float) -> tuple[Array, float]:
    """Return the Chebyshev series of the sum of a polynomial over integers, up to half a step further.

    Neighbours lie 1/half apart in the variable from -1 to 1. Euler-Maclaurin at midpoints:
    sum = integral − f'/24 + 7 f'''/5760 − 31 f^(5)/967680, powers of the step apart.
    """
    h = 1.0 / half
    out = chebyshev.chebint(coefficients, axis=0) / h
    for factor, order in ((-h / 24, 1), (7 * h**3 / 5760, 3), (-31 * h**5 / 967680, 5)):
        out[: coefficients.shape[0] - order] += factor * chebyshev.chebder(
            coefficients, order, axis=0
        )
    return out, h


@lru_cache(maxsize=256)
def _rule(count: float, points: int) -> tuple[Array, Array, Array]:
    """Return positions of nodes among integers, their weights, and what maps terms to a series."""
    if count <= 4 * points:
        # Few integers: each is its own node.
        at = np.arange(count)
        return at, np.ones(at.size), np.empty((0, at.size))
    half = 0.5 * (count - 1.0)
    angle = np.pi * (np.arange(points) + 0.5) / points
    at = np.round(half * (1.0 - np.cos(angle)))
    to_series = np.linalg.inv(chebyshev.chebvander(at / half - 1.0, points - 1))
    series, h = _sum_of(to_series, half)
    ends = chebyshev.chebvander(np.array([-1.0 - 0.5 * h, 1.0 + 0.5 * h]), points)
    return at, (ends[1] - ends[0]) @ series, series


@dataclass(frozen=True)
class Panel:
    """Consecutive integers, in steps of +1 or -1 away from the start.

    Parameters
    ----------
    first : float
        The integer nearest to the start.
    count : float
        How many there are.
    direction : {1.0, -1.0}
    values, masses : array (m,)
        Nodes, and the mass that each stands for.
    series : array (m + 1, m)
        Maps the probabilities at the nodes to the Chebyshev series of their running sum.
    log_mass : array (m,)
        Logarithms of the probabilities at the nodes.
    """

    first: float
    count: float
    direction: float
    values: Array
    masses: Array
    series: Array
    log_mass: Array

    @property
    def mass(self) -> float:
        """Probability of the panel."""
        return float(self.masses.sum())

    def running(self, steps: Array) -> Array:
        """Return the probability of the first ``steps + 1`` integers."""
        if not self.series.size:
            return np.asarray(np.cumsum(self.masses)[steps.astype(int)])
        half = 0.5 * (self.count - 1.0)
        points = np.append(-1.0 - 0.5 / half, steps / half - 1.0 + 0.5 / half)
        sums = chebyshev.chebval(points, self.series @ np.exp(self.log_mass))
        return np.asarray(sums[1:] - sums[0])


def panel(model: Model, first: float, count: float, direction: float, points: int = 20) -> Panel:
    """Return the nodes of consecutive integers."""
    at, weights, series = _rule(count, points)
    values = first + direction * at
    log_mass = model.log_density(values)
    return Panel(first, count, direction, values, weights * np.exp(log_mass), series, log_mass)


def panels(
    model: Model,
    start: float,
    direction: float,
    end: float,
    points: int = 20,
    marks: Sequence[float] = (),
) -> list[Panel]:
    """Return panels that double in length, from an integer on, up to an end or a distance of 2^50.

    A mark, where the law has an atom, is a panel by itself.
    """
    out: list[Panel] = []
    done, count = 0.0, FIRST
    ahead = [direction * (mark - start) for mark in marks if direction * (mark - start) >= 0]
    for _ in range(_OCTAVES + 2 * len(ahead)):
        left = direction * (end - start) + 1.0 - done
        if left <= 0 or (len(out) > 2 and np.all(np.isneginf(out[-1].log_mass))):
            break
        until = min((mark - done for mark in ahead if mark >= done), default=np.inf)
        here = min(count, left, until if until > 0 else 1.0)
        out.append(panel(model, start + direction * done, here, direction, points))
        done, count = done + here, done + here + FIRST
    return out


def far_nodes(model: Model, origin: float, direction: float) -> tuple[Array, Array, Array]:
    """Return values, masses and t beyond a point half-way between two integers far out."""
    scale = abs(origin)
    low, high = (np.arcsinh(v / HALF_PI) for v in (-45.0, _LOG_LARGEST - log(scale)))
    h = 2.0**-LEVEL
    t = h * np.arange(np.ceil(low / h), np.floor(high / h) + 1)
    u = HALF_PI * np.sinh(t)
    values = np.round(origin + direction * scale * np.exp(u))
    with np.errstate(under="ignore"):
        masses = np.exp(model.log_density(values) + log(HALF_PI * np.cosh(t)) + u + log(scale * h))
    return values, masses, direction * t
