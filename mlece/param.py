"""A parameter's facts, declared once: domain, symbol, typical range, role under a change of units."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from mlece.domain import Domain
from mlece.links.bijection import Bijection, default_bijection
from mlece.math import wrap_angle

if TYPE_CHECKING:
    from mlece.math import Array
    from mlece.model import Model

ROLES = ("", "location", "scale", "inverse scale", "log location", "angle", "point")


class Param:
    r"""Declaration of one parameter slot of a model.

    Parameters
    ----------
    domain : Domain
        Values that the slot accepts.
    symbol : str
        LaTeX symbol, for the documentation.
    typical : (float, float)
        A range of ordinary values; plots, tests and examples draw from it.
    role : {"", "location", "scale", "inverse scale", "log location", "angle", "point"}
        How the parameter moves when y becomes (y - c) / s: to (theta - c) / s, theta / s, theta * s,
        theta - log s, or not at all. An angle turns with y: it becomes theta - c on the circle. A known
        point of the line (an end of a truncation) moves like a location, but is none: it does not let the
        family follow a shift.
    regular : bool
        False for parameters that fix the end of the support: no score equation, no sandwich.
    estimable : bool
        False for a structural constant that the user must give (the number of trials).
    default : float, optional
        Value of such a constant where the user gives none (a threshold of 0).
    bijection : Bijection, optional
        Map from the whole line onto the domain; chosen from the domain if not given.
    limits : (float, float), optional
        Values beyond which a parameter counts as running off to the end of its domain; the domain
        itself if not given.
    doc : str
        One phrase for the documentation.
    """

    # Whether it stands for as many parameters as the data require.
    open: bool = False

    def __init__(
        self,
        domain: Domain,
        symbol: str = "",
        *,
        typical: tuple[float, float] = (0.5, 2.0),
        role: str = "",
        regular: bool = True,
        estimable: bool = True,
        default: float | None = None,
        bijection: Bijection | None = None,
        limits: tuple[float, float] | None = None,
        doc: str = "",
    ) -> None:
        if role not in ROLES:
            raise ValueError(f"expected a role among {ROLES}; got {role!r}")
        self.domain = domain
        self.symbol = symbol
        self.typical = typical
        self.role = role
        self.regular = regular
        self.estimable = estimable
        self.default = default
        self.bijection = bijection or default_bijection(domain)
        ends = (-np.inf, np.inf) if domain.periodic else (domain.lower, domain.upper)
        self.limits = limits or ends
        self.doc = doc
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def vector(self) -> bool:
        """Whether the parameter is a vector along a last axis."""
        return self.domain.kind == "simplex"

    @cached_property
    def box(self) -> tuple[float, float]:
        """Unconstrained coordinates beyond which the parameter counts as running off."""
        if self.vector:
            return -np.inf, np.inf
        with np.errstate(all="ignore"):
            low, high = (float(self.bijection.inverse(np.asarray(v))) for v in self.limits)
        return low, high

    @overload
    def __get__(self, instance: None, owner: type) -> Param: ...
    @overload
    def __get__(self, instance: Model, owner: type) -> Any: ...
    def __get__(self, instance: Model | None, owner: type) -> Any:
        if instance is None:
            return self
        value: Array | None = instance.slots[self.name]
        return value if value is None or value.ndim else value.item()

    def to_frame(self, value: Any, shift: Any, scale: Any) -> Any:
        """Return the parameter of (y - shift) / scale."""
        if self.role == "angle":
            return wrap_angle(value - shift)
        if self.role in ("location", "point"):
            return (value - shift) / scale
        if self.role == "scale":
            return value / scale
        if self.role == "inverse scale":
            return value * scale
        return value - np.log(scale) if self.role == "log location" else value

    def from_frame(self, value: Any, shift: Any, scale: Any) -> Any:
        """Return the parameter of y from that of (y - shift) / scale."""
        if self.role == "angle":
            return wrap_angle(value + shift)
        if self.role in ("location", "point"):
            return value * scale + shift
        if self.role == "scale":
            return value * scale
        if self.role == "inverse scale":
            return value / scale
        return value + np.log(scale) if self.role == "log location" else value

    def frame_factor(self, scale: Any) -> Any:
        """Return d theta / d theta_framed."""
        if self.role in ("location", "scale", "point"):
            return scale
        return 1 / scale if self.role == "inverse scale" else 1.0

    def __repr__(self) -> str:
        return f"Param({self.name or '?'}: {self.domain})"


class Facts(NamedTuple):
    """What the parameters of a family have in common, asked at every fit.

    Parameters
    ----------
    roles : frozenset of str
        The roles that estimated parameters play under a change of units.
    turns : bool
        Whether a parameter turns with the observations on a circle.
    vectors : bool
        Whether a parameter is a vector.
    constants : bool
        Whether a parameter is a constant that the user gives.
    """

    roles: frozenset[str]
    turns: bool
    vectors: bool
    constants: bool


@lru_cache(maxsize=256)
def facts_of(params: tuple[Param, ...]) -> Facts:
    """Return what the parameters of a family have in common."""
    return Facts(
        roles=frozenset(p.role for p in params if p.estimable) - {"", "angle", "point"},
        turns=any(p.role == "angle" for p in params),
        vectors=any(p.vector for p in params),
        constants=not all(p.estimable for p in params),
    )
