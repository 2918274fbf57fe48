"""A distribution as weighted points."""

from __future__ import annotations

from dataclasses import dataclass

from mlece import errors
from mlece.math import Array
from mlece.model import Model

MASS_TOLERANCE = 1e-8  # a law whose nodes miss more is refused: not normalised, or not resolved
LOG_SMALLEST = -702.0  # log of the smallest weight kept, above the subnormal numbers


@dataclass(frozen=True)
class Nodes:
    """A distribution as weighted points, in increasing order.

    Parameters
    ----------
    values : array (m,)
        The points, in the units of the observations (codes for categories).
    weights : array (m,)
        Weights that sum to 1 up to rounding; positive but for the outermost nodes of a law with mass
        beyond the floats.
    level : int
        The step in t was 2^-level (0 for discrete laws).
    angle : array (m,)
        The t of each point; NaN for discrete laws.
    mass : array (m,)
        The weights before the mass beyond the outermost nodes was put on them.
    open_ends : (bool, bool)
        Whether the lower and the upper end is one where an expectation can diverge: an infinite
        end, or an end at zero. False for discrete laws.
    """

    values: Array
    weights: Array
    level: int
    angle: Array
    mass: Array
    open_ends: tuple[bool, bool] = (False, False)

    @property
    def count(self) -> int:
        """Number of points."""
        return self.values.size


def check_mass(model: Model, mass: float) -> None:
    """Raise NoDensityError if the mass found is not 1 within 1e-8."""
    if not abs(mass - 1.0) <= MASS_TOLERANCE:
        raise errors.NoDensityError(
            errors.message(
                f"a density that integrates to 1, of {model!r}",
                f"{mass:.12g}",
                "Normalise it, or declare its kinks and peaks in _breakpoints; mass nearer to an end "
                "than 1e-300, or beyond 1e300, is found only where it follows a power of the distance",
            )
        )
