"""Where a value may lie: the supports of models and the domains of parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.math import Array


@dataclass(frozen=True)
class Domain:
    """An interval of the real line or of the integers, a simplex, or a set of categories.

    Parameters
    ----------
    lower, upper : float
        Ends of the interval.
    closed_lower, closed_upper : bool
        Whether an end belongs to the set.
    kind : {"interval", "integers", "simplex", "categories"}
        Integers carry the counting measure, intervals the Lebesgue measure.
    name : str
        What to call the set, where its ends do not say it.
    hint : str
        What to do with values that lie outside.
    periodic : bool
        Whether the two ends are one point of a circle.
    """

    lower: float = -np.inf
    upper: float = np.inf
    closed_lower: bool = False
    closed_upper: bool = False
    kind: str = "interval"
    name: str = ""
    hint: str = ""
    periodic: bool = False

    @property
    def discrete(self) -> bool:
        """Whether the dominating measure is the counting measure."""
        return self.kind in ("integers", "categories")

    @property
    def bounded_somewhere(self) -> bool:
        """Whether a finite value can lie outside."""
        return bool(np.isfinite(self.lower) or np.isfinite(self.upper))

    def contains(self, value: Array) -> Array:
        """Return a mask, True where a value lies in the set (NaN and infinities never do)."""
        v = np.asarray(value)
        if self.kind == "simplex":
            ok = np.all(np.isfinite(v) & (v >= 0), axis=-1)
            return np.asarray(ok & (np.abs(v.sum(axis=-1) - 1.0) <= 1e-12 * v.shape[-1]))
        inside = np.isfinite(v)
        inside &= (v >= self.lower) if self.closed_lower else (v > self.lower)
        inside &= (v <= self.upper) if self.closed_upper else (v < self.upper)
        if self.kind in ("integers", "categories"):
            with np.errstate(invalid="ignore"):
                inside &= v == np.floor(v)
        return np.asarray(inside)

    def encloses(self, low: float, high: float) -> bool:
        """Tell whether an interval has both ends in the convex hull of the set; NaN never has."""
        above = self.lower <= low if self.closed_lower else self.lower < low
        below = high <= self.upper if self.closed_upper else high < self.upper
        return above and below and -np.inf < low and high < np.inf

    def __str__(self) -> str:
        if self.name:
            return self.name
        if self.kind == "simplex":
            return "non-negative numbers that sum to 1"
        if self.kind == "categories":
            return "category labels"
        left = "[" if self.closed_lower else "("
        right = "]" if self.closed_upper else ")"
        span = f"{left}{self.lower:g}, {self.upper:g}{right}"
        if self.kind == "integers":
            if np.isfinite(self.lower) and np.isfinite(self.upper):
                return f"the integers {self.lower:g} to {self.upper:g}"
            return f"the integers from {self.lower:g} on" if np.isfinite(self.lower) else "integers"
        return "a finite real number" if not self.bounded_somewhere else f"a number in {span}"


real = Domain()
positive = Domain(0.0)
nonnegative = Domain(0.0, closed_lower=True)
unit_interval = Domain(0.0, 1.0)
probability = Domain(0.0, 1.0, True, True)
positive_probability = Domain(0.0, 1.0, False, True)
integers = Domain(kind="integers", name="integers")
counts = Domain(0, closed_lower=True, kind="integers")
positive_integer = Domain(1, closed_lower=True, kind="integers")
binary = Domain(0, 1, True, True, kind="integers", name="0 or 1 (or False, True)")
simplex = Domain(kind="simplex")
categories = Domain(kind="categories")
angle = Domain(
    -np.pi,
    np.pi,
    True,
    True,
    name="angles in radians from −π to π",
    hint="Wrap angles in radians by numpy.angle(numpy.exp(1j * y))",
    periodic=True,
)
direction = Domain(-np.pi, np.pi, False, True, name="an angle in radians in (−π, π]", periodic=True)
