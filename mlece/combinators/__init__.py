"""Models made from functions and from other models."""

from __future__ import annotations

from mlece.combinators.custom import family
from mlece.combinators.inflated import Hurdle, Inflated
from mlece.combinators.truncated import Truncated

__all__ = ["Hurdle", "Inflated", "Truncated", "family"]
