"""What a fit can come to: the statuses, and the limits met where no interior maximum exists."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece.math import Array, Arrays
from mlece.numerics.masks import filled, some

if TYPE_CHECKING:
    from mlece.model import Model
    from mlece.moments import Summary


_LARGEST = 1e8  # a framed parameter beyond, of a range without declared limits, has run off


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
    model : callable or dict of int to callable, optional
        Builds the limiting model from the parameters (in the user's units) when it belongs to
        another family; by member where they differ.
    excess : array (R,), optional
        How far the infimum may lie above the true one, where it is no closed form.
    rival : bool
        Whether the limit is a local optimum only: the solver runs, and the better one is taken.
    """

    mask: Array
    status: Status
    sentence: str
    theta: Arrays
    infimum: Array | None = None
    model: Callable[..., Model] | dict[int, Callable[..., Model]] | None = None
    rival: bool = False
    excess: Array | None = None


@dataclass(frozen=True)
class LimitMember:
    """Builds a member of the limiting family from the parameters of the family that tends to it.

    Parameters
    ----------
    family : callable
        The limiting family.
    slots : tuple of str or None
        For each parameter in declared order the slot that takes its value; None where it has run off.
    known : tuple of (str, float)
        Constants of the limiting family.
    """

    family: Callable[..., Model]
    slots: tuple[str | None, ...]
    known: tuple[tuple[str, float], ...] = ()

    def __call__(self, *values: Any) -> Model:
        """Return the limiting member, one value for each parameter in declared order."""
        named = zip(self.slots, values, strict=True)
        filled = {slot: value for slot, value in named if slot is not None}
        return self.family(**filled, **dict(self.known))


@dataclass(frozen=True)
class LimitFamily:
    """A law that is met where parameters run off to an end of their range.

    A family declares all of them in ``limit_families``. What a solver found is held against the
    fit of each that may lie lower; the lowest is what the fit comes to.

    Parameters
    ----------
    family : str or class of Model
        Registered name of the limiting family, or the family, or what makes its members and knows
        their ``params``.
    runs : dict of str to float
        The parameters that run off, and the end that each comes to.
    slots : dict of str to (str, or tuple of str and callable)
        For the other parameters the slot of the limiting family that holds the same value, or one
        that the callable makes of it. A filled slot that is not listed rules the limit out.
    known : dict of str to float
        Constants of the limiting family, and slots that are filled in it.
    theta : callable, optional
        Maps the parameters of the limiting family to all parameters in declared order, where the
        slots do not say it.
    running, law : str
        What runs where, and what is met, in words where ``runs`` and ``family`` do not say it.
    rival : bool
        Whether the limit may lie below an optimum in the interior: every fit is then held against it.
        Otherwise those are that met no optimum or came near the end.
    idle : tuple of str
        Parameters that tell nothing of the limit, filled or not.
    only_near : bool
        Whether those alone are that came near the end. A law without the atom of the family, or on a
        smaller support, does not compare with it on observations that lie there.
    """

    family: Any
    runs: dict[str, float]
    slots: dict[str, Any] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    theta: Callable[..., Arrays] | None = None
    running: str = ""
    law: str = ""
    rival: bool = False
    idle: tuple[str, ...] = ()
    only_near: bool = False

    @property
    def simple(self) -> bool:
        """Whether one parameter runs and the others stay, so that compositions have the limit too."""
        alone = len(self.runs) == 1 and not (self.known or self.theta)
        return alone and (self.named or self.smooth)

    @property
    def named(self) -> bool:
        """Whether the limiting family is a registered one."""
        return isinstance(self.family, str)

    @property
    def smooth(self) -> bool:
        """Whether no parameter of a limiting family without a name is an end of its support."""
        return all(p.regular for p in self.family.params)

    def maker(self, model: Model) -> Callable[..., Model]:
        """Return what makes members of the limiting family, for observations of the model's kind."""
        made: Callable[..., Model] = model.relative(self.family) if self.named else self.family
        return made

    def member(self, model: Model, filled: dict[str, Any]) -> Model:
        """Return the limiting family for observations of the model's kind, some slots filled."""
        return model.alike(self.maker(model)(**{**self.known, **filled}))

    def tried(self, model: Model, theta: Arrays, lost: Array) -> Array:
        """Tell which members are held against the limit; ``lost`` are those that met no optimum."""
        near = self.approached(model, theta)
        return near if self.only_near else near | lost | self.rival

    def approached(self, model: Model, theta: Arrays) -> Array:
        """Tell which members have a parameter (framed) within two decades of the end of its range.

        Where no limits are declared the range ends at 1e8, and at 1e-8 towards zero.
        """
        near = np.zeros(np.shape(theta[0]), dtype=bool)
        for p, value in zip(model.params, theta, strict=True):
            if p.name in self.runs and model.slots[p.name] is None:
                low, high = p.limits
                if np.isfinite(self.runs[p.name]) and np.isfinite(p.domain.upper):
                    near |= value - p.domain.lower < 100 * (low - p.domain.lower)
                elif self.runs[p.name] == p.domain.lower:
                    least = max(low, -_LARGEST) if low else 1 / _LARGEST
                    near |= value < (100 * least if least > 0 else 0.01 * least)
                else:
                    near |= value > 0.01 * (high if np.isfinite(high) else _LARGEST)
        return near

    def __str__(self) -> str:
        ends = {end: [n for n, e in self.runs.items() if e == end] for end in self.runs.values()}
        parts = []
        for end, names in ends.items():
            verb = "runs" if len(names) == 1 else "run"
            where = {np.inf: "infinity", -np.inf: "minus infinity"}.get(end, f"{end:g}")
            parts.append(f"{' and '.join(names)} {verb} to {where}")
        name = self.family if isinstance(self.family, str) else self.family.__name__
        return f"{self.running or ', '.join(parts)}: the limit is {self.law or name}"


@dataclass(frozen=True, eq=False)
class KnownMember:
    """Builds a limiting member that is known already: what ran off does not tell its parameters."""

    model: Model

    def __call__(self, *values: Any) -> Model:
        """Return the member with slots in the shape of the values."""
        shape = np.shape(values[0])
        names = [p.name for p in self.model.params]
        slots = zip(names, self.model.theta, strict=True)
        return self.model.replace(**{name: np.reshape(value, shape) for name, value in slots})


def point_mass(
    s: Summary, sentence: str, theta: Arrays, place: Any = None, fixed: Array | None = None
) -> tuple[Limit, ...]:
    """Return the degenerate case in which every observation is equal and the density grows there.

    Parameters
    ----------
    s : Summary
    sentence : str
        Why the likelihood is unbounded, with the parameter that runs.
    theta : tuple of arrays (R,)
        Where the parameters come to (framed).
    place, fixed : array (R,), optional
        Where the observations lie, as the parameter that follows them measures it, and the value at
        which that parameter is held: elsewhere the likelihood is bounded. None: it is free.
    """
    equal = s.minimum == s.maximum
    if fixed is not None:
        equal = equal & (place == fixed)
    if not some(equal):
        return ()
    return (Limit(equal, Status.UNBOUNDED, sentence, theta, full(s.minimum, -np.inf)),)


def full(like: Array, value: float) -> Array:
    """Return an array of one value in the shape of another."""
    return filled(like.shape, value)


def or_fixed(value: Any, fixed: Array | None) -> Array:
    """Return the fixed value of a slot where there is one, else the estimate."""
    if fixed is None:
        return np.asarray(value)
    return np.broadcast_to(fixed, np.shape(value))


def free_tails(*slots: Array | None) -> str:
    """Say what a free df does to the likelihood of Student's t and its kin; nothing if a slot is filled.

    At n − 1 other observations the density falls as s^df while it grows as 1/s at one of them, so that the
    likelihood is unbounded for df < 1/(n − 1) (Fernandez and Steel 1999).
    """
    if any(slot is not None for slot in slots):
        return ""
    return "the likelihood is unbounded at every observation, as scale falls to 0 with df near 0"
