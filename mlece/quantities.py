"""Cross-entropies and entropies as numbers that know what they are.

Only the cross-entropy of a population is bounded below by the entropy of the truth. An in-sample value
may lie under it, a held-out one scatters around its population value. The types keep them apart: taking
the floor from the wrong one is an error that says why.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from mlece.errors import ComparisonError, message
from mlece.units import Units, nats_per_unit


class Nats(float):
    """A number of nats.

    Attributes
    ----------
    se : float
        Standard error in nats: that of a Monte Carlo mean, 0 for a number known by quadrature.
    """

    se: float = 0.0

    @classmethod
    def measured(cls, value: float, se: float) -> Self:
        """Return a Monte Carlo mean with its standard error."""
        out = cls(value)
        out.se = se
        return out

    def to(self, units: Units) -> float:
        """Return the value in other units (nats, bits, hartleys or a logarithm base)."""
        return float(self) / nats_per_unit(units)

    @property
    def bits(self) -> float:
        """The value in bits."""
        return self.to("bits")


class Entropy(Nats):
    """The entropy H(p*) of a known distribution: the floor."""


class CrossEntropyValue(Nats):
    """Common behaviour of the three kinds of cross-entropy."""

    reason: ClassVar[str] = ""

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Entropy) and self.reason:
            raise ComparisonError(
                message(
                    "a population cross-entropy, the only kind that H(p*) bounds",
                    f"{type(self).__name__}",
                    self.reason,
                )
            )
        return float(self) - float(other)


class InSample(CrossEntropyValue):
    """Cross-entropy of the data that were fitted: biased downwards by about k/(2n)."""

    reason = (
        "The fit has seen these data: the value may lie below the entropy and that is no contradiction. "
        "Use mlece.ledger(truth, fit) or fit.gap()"
    )


class HeldOut(CrossEntropyValue):
    """Cross-entropy of data that the fit has not seen: unbiased, with sampling error."""

    reason = (
        "A held-out value scatters around its population value and may lie below the entropy. "
        "Use mlece.ledger(truth, fit), or float(...) if the sampling error is what you study"
    )


class Population(CrossEntropyValue):
    """Cross-entropy under a known distribution: never below its entropy."""
