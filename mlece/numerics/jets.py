"""Numbers that carry their first and second derivatives, for densities built of many parts.

A log density that is a composition (special functions of functions of the parameters) is written
once; its score and curvature follow by the chain rule to rounding, with no difference taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from mlece.math import (
    Array,
    Arrays,
    arcsinh,
    cosh,
    digamma,
    exp_remainders,
    gammaln,
    hypot,
    log,
    log1p,
    ratio_or_zero,
    sinh,
    sqrt,
    trigamma,
    xlogy,
)


def _vanishes(a: Any) -> bool:
    return type(a) is float and a == 0.0


def _times(a: Any, b: Any) -> Any:
    """Multiply, where the number 0.0 stands for a derivative that vanishes identically."""
    return 0.0 if _vanishes(a) or _vanishes(b) else a * b


def _plus(a: Any, b: Any) -> Any:
    return b if _vanishes(a) else a if _vanishes(b) else a + b


class Jet:
    """A function of k variables at a point: value, gradient and upper triangle of the Hessian.

    Parameters
    ----------
    value : array
    first : sequence of k arrays
        Derivatives; the float 0.0 for one that vanishes identically.
    second : sequence of k (k + 1) / 2 arrays
        Second derivatives, row by row.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.numerics.jets import variables
    >>> x, y = variables(np.asarray(3.0), np.asarray(2.0))
    >>> [float(a) for a in (x * y * y).parts()]
    [12.0, 4.0, 12.0, 0.0, 4.0, 6.0]
    """

    __slots__ = ("first", "second", "value")
    __array_ufunc__ = None  # an array times a jet is a jet, not an array of jets

    def __init__(self, value: Any, first: Sequence[Any], second: Sequence[Any]) -> None:
        self.value = value
        self.first = tuple(first)
        self.second = tuple(second)

    def _pairs(self) -> list[tuple[int, int]]:
        k = len(self.first)
        return [(i, j) for i in range(k) for j in range(i, k)]

    def lift(self, other: Any) -> Jet:
        """Return a number or an array as a constant function of the same variables."""
        if isinstance(other, Jet):
            return other
        return Jet(other, [0.0] * len(self.first), [0.0] * len(self.second))

    def __add__(self, other: Any) -> Jet:
        b = self.lift(other)
        return Jet(
            self.value + b.value,
            [_plus(p, q) for p, q in zip(self.first, b.first, strict=True)],
            [_plus(p, q) for p, q in zip(self.second, b.second, strict=True)],
        )

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet(-self.value, [-a for a in self.first], [-a for a in self.second])

    def __sub__(self, other: Any) -> Jet:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Jet:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Jet:
        one = np.asarray(1.0)
        b = self.lift(other)
        a_value, b_value = np.asarray(self.value), np.asarray(b.value)
        return compose(a_value * b_value, (b_value, a_value), (0.0, one, 0.0), (self, b))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Jet:
        b = self.lift(other)
        x, y = np.asarray(self.value), np.asarray(b.value)
        ratio = x / y
        return compose(
            ratio, (1 / y, -ratio / y), (0.0, -1 / (y * y), 2 * ratio / (y * y)), (self, b)
        )

    def __rtruediv__(self, other: Any) -> Jet:
        return self.lift(other) / self

    def parts(self) -> Arrays:
        """Return value, gradient and Hessian as arrays of one shape."""
        shape = np.shape(self.value)
        for part in (*self.first, *self.second):
            shape = np.broadcast_shapes(shape, np.shape(part))
        return tuple(
            np.broadcast_to(np.asarray(a, dtype=float), shape)
            for a in (self.value, *self.first, *self.second)
        )


# A symmetric matrix of functions by pairs i <= j; those that are left out vanish, or are not known.
Pairs = dict[tuple[int, int], Jet]


def variables(*theta: Array) -> tuple[Jet, ...]:
    """Return the variables themselves as jets."""
    k = len(theta)
    none = [0.0] * (k * (k + 1) // 2)
    one = np.asarray(1.0)
    return tuple(
        Jet(np.asarray(t, dtype=float), [one if i == j else 0.0 for i in range(k)], none)
        for j, t in enumerate(theta)
    )


def compose(
    value: Array, gradient: Sequence[Any], hessian: Sequence[Any], inner: Sequence[Jet]
) -> Jet:
    """Return f(u, v, ...) by the chain rule from f and its partial derivatives at the inner jets.

    Parameters
    ----------
    value : array
        f at the inner values.
    gradient, hessian : sequences of arrays
        Its partial derivatives and the upper triangle of the second ones.
    inner : sequence of Jet
    """
    slots = range(len(inner))
    pairs = inner[0]._pairs()
    first: list[Any] = []
    for j in range(len(inner[0].first)):
        total: Any = 0.0
        for a in slots:
            total = _plus(total, _times(gradient[a], inner[a].first[j]))
        first.append(total)
    second: list[Any] = []
    for at, (i, j) in enumerate(pairs):
        total = 0.0
        cell = 0
        for a in slots:
            total = _plus(total, _times(gradient[a], inner[a].second[at]))
            for b in range(a, len(inner)):
                product = _times(inner[a].first[i], inner[b].first[j])
                if b > a:
                    product = _plus(product, _times(inner[b].first[i], inner[a].first[j]))
                total = _plus(total, _times(hessian[cell], product))
                cell += 1
        second.append(total)
    return Jet(value, first, second)


# A formula of jets holds for arrays as well, where only its value is wanted.
Number = TypeVar("Number", Jet, Array)


def jet_log(u: Number) -> Number:
    """Return log u of a jet, or of an array."""
    if not isinstance(u, Jet):
        return log(u)
    return compose(log(u.value), (1 / u.value,), (-1 / (u.value * u.value),), (u,))


def jet_exp(u: Jet) -> Jet:
    """Return e^u, 0 with its derivatives where u is minus infinity."""
    gone = np.isneginf(u.value)
    value = np.where(gone, 0.0, np.exp(u.value))
    if gone.any():
        first, second = (
            [d if _vanishes(d) else np.where(gone, 0.0, d) for d in part]
            for part in (u.first, u.second)
        )
        u = Jet(u.value, first, second)
    return compose(value, (value,), (value,), (u,))


def jet_log1p(u: Number) -> Number:
    """Return log(1 + u) of a jet, or of an array."""
    if not isinstance(u, Jet):
        return log1p(u)
    slope = 1 / (1 + u.value)
    return compose(log1p(u.value), (slope,), (-slope * slope,), (u,))


def jet_arcsinh(u: Number) -> Number:
    """Return arsinh u of a jet, or of an array."""
    if not isinstance(u, Jet):
        return arcsinh(u)
    root = hypot(1.0, u.value)
    return compose(arcsinh(u.value), (1 / root,), (-u.value / root / root / root,), (u,))


def jet_sinh(u: Number) -> Number:
    """Return sinh u of a jet, or of an array."""
    if not isinstance(u, Jet):
        return sinh(u)
    value = sinh(u.value)
    return compose(value, (cosh(u.value),), (value,), (u,))


def jet_log_growth(u: Number) -> Number:
    """Return log((e^u - 1)/u), smooth through u = 0, of a jet, or of an array."""
    value = u.value if isinstance(u, Jet) else u
    ratio, first, second = exp_remainders(value)[:3]
    if not isinstance(u, Jet):
        return log(ratio)
    slope = first / ratio
    return compose(log(ratio), (slope,), (second / ratio - slope * slope,), (u,))


def jet_sqrt(u: Number) -> Number:
    """Return the square root of a jet, or of an array."""
    if not isinstance(u, Jet):
        return np.asarray(sqrt(u))
    root = sqrt(u.value)
    return compose(root, (0.5 / root,), (-0.25 / (root * u.value),), (u,))


def jet_gammaln(u: Jet) -> Jet:
    """Return log Γ(u)."""
    return compose(gammaln(u.value), (digamma(u.value),), (trigamma(u.value),), (u,))


def jet_xlogy(count: Array, u: Jet) -> Jet:
    """Return count * log u, 0 with its derivatives where the count is 0."""
    return compose(
        np.asarray(xlogy(count, u.value)),
        (ratio_or_zero(count, u.value),),
        (-ratio_or_zero(count, u.value * u.value),),
        (u,),
    )
