"""What families share whose log density is a composition of special functions."""

from __future__ import annotations

from mlece.jets import Jet
from mlece.math import Array, Arrays
from mlece.model import Model


class Composed(Model, abstract=True):
    """A family that writes its log density once, as a jet: score and curvature follow from it.

    ``_shared`` returns the parts of the jet; the hooks pick theirs.
    """

    @staticmethod
    def _log_density(t: Arrays, *theta: Array) -> Array:
        return t[0]

    @staticmethod
    def _score(t: Arrays, *theta: Array) -> Arrays:
        return t[1 : 1 + len(theta)]

    @staticmethod
    def _curvature(t: Arrays, *theta: Array) -> Arrays:
        return t[1 + len(theta) :]


def with_constant(log_density: Jet) -> Arrays:
    """Return the parts of a jet in the last parameters, of which one more stands first: a constant.

    The derivatives in the constant, which nobody asks for, are 0.
    """
    value, *rest = log_density.parts()
    k = len(log_density.first)
    zero = 0 * value
    return (value, zero, *rest[:k], *([zero] * (k + 1)), *rest[k:])
