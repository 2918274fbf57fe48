"""Models made from functions and from other models."""

from __future__ import annotations

from mlece.combinators.custom import family
from mlece.combinators.mixture import Mixture
from mlece.combinators.product import Product
from mlece.combinators.scipy_family import from_scipy

__all__ = ["Mixture", "Product", "family", "from_scipy"]
