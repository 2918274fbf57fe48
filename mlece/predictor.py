"""What a slot holds that varies with covariates: a linear predictor behind a link, before it meets data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mlece import errors
from mlece.links.bijection import LINKS, Bijection


@dataclass(frozen=True)
class Predictor:
    """A linear predictor: link(parameter) = covariates times coefficients, plus an offset.

    Parameters
    ----------
    terms : str, tuple of str, or None
        Right-hand side of a formula ("age + C(sex)"), names of columns, or None for all columns of what
        ``given=`` holds.
    link : str or Bijection, optional
        Name of a link or the bijection itself; that of the parameter if not given.
    offset : str or array_like (n,), optional
        A column, an expression in columns ("log(exposure)"), or numbers, added to the predictor with
        coefficient 1.
    intercept : bool
        Whether a constant is added to columns and arrays; in a formula "- 1" leaves it out.

    Raises
    ------
    UnknownNameError
        If there is no link of that name.
    ParameterError
        If the terms are no formula, no names and not None.

    Examples
    --------
    >>> import mlece
    >>> mlece.linear("age + C(sex)", link="log")
    linear('age + C(sex)', link='log')
    """

    terms: Any = None
    link: Any = None
    offset: Any = None
    intercept: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.link, str) and self.link not in LINKS:
            raise errors.unknown_name("link", self.link, LINKS)
        if self.link is not None and not isinstance(self.link, str | Bijection):
            raise errors.ParameterError(
                errors.message("a link by name or a Bijection", f"{self.link!r:.60}")
            )
        if isinstance(self.terms, list):
            object.__setattr__(self, "terms", tuple(self.terms))
        if not (self.terms is None or isinstance(self.terms, str) or is_columns(self.terms)):
            raise errors.ParameterError(
                errors.message(
                    "a formula, names of columns, or nothing for all columns",
                    f"{type(self.terms).__name__} {self.terms!r:.60}",
                )
            )

    def __call__(self, terms: Any = None, **settings: Any) -> Predictor:
        """Return a predictor with these terms; see the class for the settings."""
        return replace(self, terms=terms, **settings)

    def bijection(self, default: Bijection) -> Bijection:
        """Return the map from the linear predictor to the parameter."""
        if self.link is None:
            return default
        return LINKS[self.link] if isinstance(self.link, str) else self.link

    def __repr__(self) -> str:
        parts = [] if self.terms is None else [repr(self.terms)]
        parts += [
            f"{name}={value!r}"
            for name, value, plain in (
                ("link", self.link, None),
                ("offset", self.offset, None),
                ("intercept", self.intercept, True),
            )
            if value is not plain
        ]
        return f"linear({', '.join(parts)})" if parts else "linear"


def is_columns(value: Any) -> bool:
    """Tell whether a value is a list or tuple of column names."""
    named = isinstance(value, list | tuple) and len(value) > 0
    return named and all(isinstance(v, str) for v in value)


def as_predictor(value: Any) -> Predictor | None:
    """Return the predictor that a slot's value stands for; None for anything else."""
    if isinstance(value, Predictor):
        return value
    if isinstance(value, str) or is_columns(value):
        return Predictor(value)
    return None


linear = Predictor()
