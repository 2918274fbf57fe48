"""Distribution function and quantiles of discrete laws that know their probabilities alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array, log
from mlece.model import Model
from mlece.sources.discrete import support, support_nodes
from mlece.sources.series import Panel

_GAUSS = np.polynomial.legendre.leggauss(24)
_STRIDE = 4.0  # of the logarithm of the distance beyond the panels
_LOG_LARGEST = 690.0


@dataclass(frozen=True)
class Stretch:
    """Consecutive integers with the function that sums their probabilities from the lowest on.

    Parameters
    ----------
    lower, upper : float
        The integers at the ends.
    mass : float
        Their probability.
    until : callable
        Maps integers in the stretch to the probability of those up to them.
    """

    lower: float
    upper: float
    mass: float
    until: Callable[[Array], Array]


def _of_panel(panel: Panel) -> Stretch:
    last = panel.first + panel.direction * (panel.count - 1.0)
    if panel.direction > 0:
        return Stretch(panel.first, last, panel.mass, lambda y: panel.running(y - panel.first))

    def until(y: Array) -> Array:
        inner = np.maximum(panel.first - y - 1.0, 0.0)
        return np.where(y >= panel.first, panel.mass, panel.mass - panel.running(inner))

    return Stretch(last, panel.first, panel.mass, until)


def _beyond(model: Model, origin: float, direction: float) -> list[Stretch]:
    """Return stretches far out, where a sum is an integral in the logarithm of the distance."""
    x, w = _GAUSS

    def mass(start: Array, stop: Array) -> Array:
        half = 0.5 * (stop - start)
        at = (start + half)[..., None] + half[..., None] * x
        values = np.round(direction * np.exp(at))
        return np.asarray(half * (np.exp(model.log_density(values) + at) @ w))

    edges = np.arange(float(log(np.abs(origin))), _LOG_LARGEST, _STRIDE)
    out = []
    for near, far in itertools.pairwise(edges.tolist()):
        whole = float(mass(np.array([near]), np.array([far]))[0])

        def until(y: Array, near: float = near, whole: float = whole) -> Array:
            part = mass(np.full(y.shape, near), log(np.abs(y)))
            return part if direction > 0 else whole - part

        ends = sorted((direction * np.exp(near), direction * np.exp(far)))
        out.append(Stretch(ends[0], ends[1], whole, until))
    return out[:: int(direction)]


@dataclass(frozen=True)
class Steps:
    """The distribution function of a discrete law, stretch by stretch in increasing order."""

    stretches: list[Stretch]
    below: Array
    above: float

    @classmethod
    def of(cls, model: Model) -> Steps:
        """Build it from the probabilities, which must sum to 1 (NoDensityError if not)."""
        law = support_nodes(model)
        sides: list[list[Stretch]] = [[], []]
        values, masses, far = law.values, law.weights, (False, False)
        if model.support.kind != "categories":
            found = support(model)
            values, masses, far = found.values, found.masses, found.far
            sides = [[_of_panel(p) for p in found.below[::-1]], [_of_panel(p) for p in found.above]]
            if far[0]:
                sides[0] = _beyond(model, found.origin(False), -1.0) + sides[0]
            if far[1]:
                sides[1] = sides[1] + _beyond(model, found.origin(True), 1.0)
        running = np.cumsum(masses)
        middle = Stretch(
            float(values[0]),
            float(values[-1]),
            float(running[-1]),
            lambda y: running[np.searchsorted(values, y, side="right") - 1],
        )
        stretches = [*sides[0], middle, *sides[1]]
        # Mass below the lowest stretch is what the others leave.
        sums = np.cumsum([0.0, *(s.mass for s in stretches)])
        first = max(1.0 - float(sums[-1]), 0.0) if far[0] and not far[1] else 0.0
        return cls(stretches, first + sums, 1.0 if not far[1] else float(first + sums[-1]))

    def cdf(self, y: Array) -> Array:
        """Return P(Y <= y) for whole numbers."""
        out = np.where(y >= self.stretches[-1].upper, self.above, 0.0)
        for below, stretch in zip(self.below, self.stretches, strict=False):
            here = (y >= stretch.lower) & (y <= stretch.upper)
            if here.any():
                out[here] = below + stretch.until(y[here])
        return np.minimum(out, 1.0)

    def quantile(self, prob: Array) -> Array:
        """Return the smallest integer y with P(Y <= y) >= prob; infinite beyond the floats."""
        which = np.searchsorted(self.below[1:], prob)
        out = np.empty(prob.shape)
        top = self.stretches[-1].upper
        out[which >= len(self.stretches)] = top if self.above == 1.0 else np.inf
        for j in np.unique(which[which < len(self.stretches)]):
            here, stretch = which == j, self.stretches[j]
            wanted = prob[here] - self.below[j]
            low = np.full(wanted.shape, stretch.lower)
            high = np.full(wanted.shape, stretch.upper)
            for _ in range(64):
                middle = np.floor(low + 0.5 * (high - low))
                enough = stretch.until(middle) >= wanted
                low, high = np.where(enough, low, middle + 1.0), np.where(enough, middle, high)
                low = np.minimum(low, high)
                if np.all(low >= high):
                    break
            out[here] = high
        return out
