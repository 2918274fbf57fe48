"""Models made from functions and from other models."""

from __future__ import annotations

from mlece.combinators.custom import family
from mlece.combinators.inflated import Hurdle, Inflated
from mlece.combinators.mixture import Mixture
from mlece.combinators.product import Product
from mlece.combinators.scipy_family import from_scipy
from mlece.combinators.shifted import Scaled, Shifted
from mlece.combinators.transformed import Transformed
from mlece.combinators.truncated import Truncated

__all__ = [
    "Hurdle",
    "Inflated",
    "Mixture",
    "Product",
    "Scaled",
    "Shifted",
    "Transformed",
    "Truncated",
    "family",
    "from_scipy",
]
