"""What a smooth one-to-one map of an open interval offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from mlece.domain import Domain, real
from mlece.math import Array, log


class Bijection(ABC):
    """A map eta -> theta with its first two derivatives.

    Attributes
    ----------
    name : str
        Name of the inverse, the link: what is done to theta to get eta.
    source, target : Domain
        Where eta and theta may lie.
    """

    name: str = ""
    source: Domain = real
    target: Domain = real

    @abstractmethod
    def forward(self, eta: Array) -> Array:
        """Map unconstrained values to the domain."""

    @abstractmethod
    def inverse(self, theta: Array) -> Array:
        """Map the domain to unconstrained values."""

    @abstractmethod
    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return d theta / d eta and the second derivative, elementwise."""

    def log_slope(self, eta: Array) -> Array:
        """Return log |d theta / d eta|."""
        return log(np.abs(self.derivatives(eta)[0]))

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the first two derivatives of log |d theta / d eta|; a map may do without them."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name
