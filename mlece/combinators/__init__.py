"""Models made from functions and from other models."""

from __future__ import annotations

from mlece.combinators.custom import family
from mlece.combinators.mixture import Mixture
from mlece.combinators.product import Product

__all__ = ["Mixture", "Product", "family"]
