"""What a fit can come to: the statuses, and the limits met where no interior maximum exists."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece.math import Array, Arrays

if TYPE_CHECKING:
    from mlece.model import Model


class Status(enum.Enum):
    """The outcome of a fit; the value is the sentence that a user reads."""

    OPTIMAL = "optimal"
    BOUNDARY = "the minimum lies on the boundary of the parameter space"
    NOT_ATTAINED = "no maximum likelihood estimate exists: the infimum is not attained"
    UNBOUNDED = "no maximum likelihood estimate exists: the likelihood is unbounded"
    NOT_UNIQUE = "optimal, but not unique"
    INFINITE = "the cross-entropy is infinite for every member of the family"
    STEP_LIMIT = "stopped before an optimum could be shown"

    @property
    def solved(self) -> bool:
        """Whether the reported parameters minimise the cross-entropy."""
        return self in (Status.OPTIMAL, Status.BOUNDARY, Status.NOT_UNIQUE)


@dataclass(frozen=True)
class Limit:
    """Members of a batch whose fit ends outside the interior of the parameter space.

    Parameters
    ----------
    mask : array of bool (R,)
        The members concerned.
    status : Status
        What they come to.
    sentence : str
        Why, in words, with the parameter that runs.
    theta : tuple of arrays (R,)
        The limiting parameters (framed), infinite where a parameter runs off.
    infimum : array (R,), optional
        Infimum of the cross-entropy in nats (framed); computed at ``theta`` if not given.
    model : callable, optional
        Builds the limiting model from the parameters (in the user's units) when it belongs to
        another family.
    rival : bool
        Whether the limit is a local optimum only: the solver runs, and the better one is taken.
    """

    mask: Array
    status: Status
    sentence: str
    theta: Arrays
    infimum: Array | None = None
    model: Callable[..., Model] | None = None
    rival: bool = False

    def any(self) -> bool:
        """Whether any member is concerned."""
        return bool(np.any(self.mask))


@dataclass(frozen=True)
class LimitMember:
    """Builds a member of the limiting family from the parameters of the family that tends to it.

    Parameters
    ----------
    family : type of Model
        The limiting family.
    slots : tuple of str or None
        For each parameter in declared order the slot that takes its value; None where it has run off.
    """

    family: type[Model]
    slots: tuple[str | None, ...]

    def __call__(self, *values: Any) -> Model:
        """Return the limiting member, one value for each parameter in declared order."""
        named = zip(self.slots, values, strict=True)
        return self.family(**{slot: value for slot, value in named if slot is not None})


def full(like: Array, value: float) -> Array:
    """Return an array of one value in the shape of another."""
    return np.full(np.shape(like), value)


def or_fixed(value: Any, fixed: Array | None) -> Array:
    """Return the fixed value of a slot where there is one, else the estimate."""
    return np.asarray(value if fixed is None else np.broadcast_to(fixed, np.shape(value)))
