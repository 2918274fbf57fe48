"""The names under which models are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlece import errors

if TYPE_CHECKING:
    from mlece.model import Model

_REGISTRY: dict[str, type[Model]] = {}
_ALIASES: dict[str, type[Model]] = {}


def registry_name(name: str) -> str:
    """Return the spelling under which a model is registered: lower case, no separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def enrol(cls: type[Model]) -> None:
    """Make a model available by its name and its aliases."""
    _REGISTRY[registry_name(cls.__name__)] = cls
    for alias in cls.aliases:
        _ALIASES[registry_name(alias)] = cls


def registered(vectors: bool = False) -> dict[str, type[Model]]:
    """Return the registered models by their registry name.

    Those with a fixed number of parameters; with ``vectors`` also those whose number follows the data.
    """
    import mlece.families  # noqa: F401  (registers)

    return {
        name: c for name, c in _REGISTRY.items() if vectors or not any(p.open for p in c.params)
    }


def model_by_name(name: str) -> type[Model]:
    """Return the registered model class of that name.

    Raises
    ------
    UnknownNameError
        With the nearest matches.
    """
    known = registered(vectors=True)
    key = registry_name(name)
    if key in _ALIASES:
        return _ALIASES[key]
    if key not in known:
        raise errors.unknown_name("model", name, [c.__name__ for c in known.values()])
    return known[key]
