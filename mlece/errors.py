"""The error tree: every message says what was expected, what came, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


class MleceError(Exception):
    """Root of every error that mlece raises on purpose."""


class DataError(MleceError, ValueError):
    """Observations, weights or covariates that cannot be used as they are."""


class DataTypeError(MleceError, TypeError):
    """Observations of a type that carries no numbers or labels."""


class SupportError(DataError):
    """Observations outside the support of the model."""


class ParameterError(MleceError, ValueError):
    """A slot filled with a value outside its domain."""


class UnknownNameError(MleceError, ValueError):
    """A name that is not registered."""


class FreeSlotError(MleceError, TypeError):
    """A question about a distribution, asked of a model that still has free slots."""


class NoDensityError(MleceError, ValueError):
    """A question that has no answer for this model (no second moment, no closed form, no limit)."""


class NotRegularError(MleceError, ValueError):
    """Standard errors asked for where the theory gives none."""


class ComparisonError(MleceError, TypeError):
    """Cross-entropies of different kinds, measures or samples set against each other."""


class UndecidedError(MleceError, ArithmeticError):
    """A question that double precision cannot settle: neither answer stands up to a check."""


class MissingDependencyError(MleceError, ImportError):
    """An optional package is needed and not installed."""


class MleceWarning(UserWarning):
    """Root of every warning that mlece gives."""


class NoMaximumWarning(MleceWarning):
    """A likelihood without a maximum: predictions come from a law near its supremum, or there are none."""


class CollinearWarning(MleceWarning):
    """Columns that others determine, left out at the caller's wish."""


def message(expected: str, got: str, hint: str = "") -> str:
    """Join the three parts of an error message."""
    text = f"expected {expected}; got {got}"
    return f"{text}. {hint}" if hint else text


def offenders(mask: Any, values: Any) -> str:
    """Describe the offending entries: how many, the first one and its position.

    Parameters
    ----------
    mask : array of bool
        True where an entry offends.
    values : array
        The entries, of the same shape.
    """
    mask = np.asarray(mask)
    values = np.asarray(values)
    count = int(mask.sum())
    first = np.unravel_index(int(np.argmax(mask)), mask.shape)
    position: Any = tuple(int(i) for i in first)
    position = position[0] if len(position) == 1 else position
    value = values[first]
    shown = value.item() if hasattr(value, "item") else value
    if mask.ndim == 0:
        return f"{shown!r}"
    noun = "value" if count == 1 else "values"
    return f"{count} such {noun} of {mask.size}, the first {shown!r:.60} at position {position}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not registered, with the nearest matches."""
    names = sorted(known)
    lowered = {n.lower(): n for n in names}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.5)
    hint = (
        "Did you mean " + " or ".join(repr(lowered[c]) for c in close) + "?"
        if close
        else "Known: " + ", ".join(names)
    )
    article = "an" if kind[0] in "aeiou" else "a"
    return UnknownNameError(message(f"the name of {article} {kind}", repr(name), hint))
