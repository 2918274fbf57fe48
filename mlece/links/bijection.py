"""Smooth one-to-one maps from the whole line (or space) onto a domain.

One object serves as the constraint transform of the optimiser, as the link of a predictor and as a
change of variables.
"""

from __future__ import annotations

import numpy as np

from mlece import errors
from mlece.domain import Domain, positive
from mlece.links.maps import Bijection as Bijection
from mlece.links.unit_links import UnitLink as UnitLink
from mlece.links.unit_links import cauchit_link, cloglog_link, logit_link, loglog_link, probit_link
from mlece.math import Array, exp, expit, log, log1mexp, logsumexp, softplus, wrap_angle
from mlece.numerics.masks import filled


class Identity(Bijection):
    """theta = eta."""

    name = "identity"

    def forward(self, eta: Array) -> Array:
        """Return eta."""
        return eta

    def inverse(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 1 and 0."""
        return filled(np.shape(eta), 1.0), np.zeros(np.shape(eta))

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 0 twice."""
        return np.zeros(np.shape(eta)), np.zeros(np.shape(eta))


class Exp(Bijection):
    """theta = exp(eta): the inverse of the log link."""

    name = "log"
    target = positive

    def log_slope(self, eta: Array) -> Array:
        """Return eta."""
        return eta

    def forward(self, eta: Array) -> Array:
        """Return exp(eta)."""
        return exp(eta)

    def inverse(self, theta: Array) -> Array:
        """Return log(theta)."""
        return log(theta)

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return exp(eta) twice."""
        theta = exp(eta)
        return theta, theta

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 1 and 0."""
        return filled(np.shape(eta), 1.0), np.zeros(np.shape(eta))


class Softplus(Bijection):
    """theta = log(1 + exp(eta)): exponential far below zero, linear far above."""

    name = "softplus"
    target = positive

    def log_slope(self, eta: Array) -> Array:
        """Return -log(1 + exp(-eta))."""
        return -softplus(-eta)

    def forward(self, eta: Array) -> Array:
        """Return log(1 + exp(eta))."""
        return softplus(eta)

    def inverse(self, theta: Array) -> Array:
        """Return log(exp(theta) - 1)."""
        return np.asarray(theta + log1mexp(theta))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the logistic function and its slope."""
        first, second = expit(eta), expit(-eta)
        return np.asarray(first), np.asarray(first * second)

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the logistic function of -eta and its slope."""
        p, rest = expit(eta), expit(-eta)
        return np.asarray(rest), np.asarray(-p * rest)


class Moved(Bijection):
    """theta = shift + scale * inner(eta): the half lines and intervals that do not start at 0."""

    def __init__(self, inner: Bijection, shift: float, scale: float) -> None:
        self.inner, self.shift, self.scale = inner, shift, scale
        self.name = f"{inner.name} of (theta - {shift:g}) / {scale:g}"

    def forward(self, eta: Array) -> Array:
        """Return shift + scale * inner(eta)."""
        return self.shift + self.scale * self.inner.forward(eta)

    def inverse(self, theta: Array) -> Array:
        """Return the inner inverse of (theta - shift) / scale."""
        return self.inner.inverse((theta - self.shift) / self.scale)

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the inner derivatives times the scale."""
        first, second = self.inner.derivatives(eta)
        return self.scale * first, self.scale * second


class Winding(Bijection):
    """theta = eta brought to (-pi, pi] by whole turns: the line wound round the circle."""

    name = "winding"

    def forward(self, eta: Array) -> Array:
        """Return the angle of eta in (-pi, pi]."""
        return wrap_angle(eta)

    def inverse(self, theta: Array) -> Array:
        """Return theta, the nearest of the values that wind to it."""
        return theta

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 1 and 0."""
        return np.ones_like(eta), np.zeros_like(eta)


class Sinh(Bijection):
    """theta = sinh(eta): the inverse of asinh, which is linear near 0 and logarithmic far out."""

    name = "asinh"

    def forward(self, eta: Array) -> Array:
        """Return sinh(eta)."""
        return np.asarray(np.sinh(eta))

    def inverse(self, theta: Array) -> Array:
        """Return asinh(theta)."""
        return np.asarray(np.arcsinh(theta))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return cosh(eta) and sinh(eta)."""
        return np.asarray(np.cosh(eta)), np.asarray(np.sinh(eta))


class Power(Bijection):
    """theta = eta^(1/k), so that theta^k = eta; both positive.

    Parameters
    ----------
    exponent : float
        k, not zero; decreasing for negative k.

    Examples
    --------
    >>> from mlece.links.bijection import Power
    >>> float(Power(2).inverse(3.0))
    9.0
    """

    source = positive
    target = positive

    def __init__(self, exponent: float) -> None:
        if not (np.isfinite(exponent) and exponent != 0):
            raise errors.ParameterError(
                errors.message("a finite exponent other than 0", repr(exponent))
            )
        self.exponent = float(exponent)
        self.name = f"Power({exponent:g})"

    def forward(self, eta: Array) -> Array:
        """Return eta^(1/k)."""
        return np.asarray(eta ** (1 / self.exponent))

    def inverse(self, theta: Array) -> Array:
        """Return theta^k."""
        return np.asarray(theta**self.exponent)

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the first two derivatives of eta^(1/k)."""
        a = 1 / self.exponent
        return np.asarray(a * eta ** (a - 1)), np.asarray(a * (a - 1) * eta ** (a - 2))

    def log_slope(self, eta: Array) -> Array:
        """Return (1/k - 1) log eta - log |k|."""
        return np.asarray((1 / self.exponent - 1) * log(eta) - log(np.abs(self.exponent)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Power) and other.exponent == self.exponent

    def __hash__(self) -> int:
        return hash((Power, self.exponent))


class Softmax(Bijection):
    """Log-ratios against the last cell: K - 1 free values onto K probabilities."""

    name = "softmax"

    def forward(self, eta: Array) -> Array:
        """Return the K probabilities of K - 1 log-ratios along the last axis."""
        full = np.concatenate([eta, np.zeros((*eta.shape[:-1], 1))], axis=-1)
        return np.asarray(exp(full - logsumexp(full, keepdims=True)))

    def inverse(self, theta: Array) -> Array:
        """Return log(theta_k / theta_K) along the last axis."""
        return log(theta[..., :-1]) - log(theta[..., -1:])

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the Jacobian (..., K, K-1) and the second derivatives (..., K, K-1, K-1)."""
        p = self.forward(eta)
        free = p[..., :-1]
        delta = np.eye(p.shape[-1])[:, :-1]
        centred = delta - free[..., None, :]
        jacobian = p[..., :, None] * centred
        cov = free[..., :, None] * np.eye(free.shape[-1]) - free[..., :, None] * free[..., None, :]
        second = p[..., :, None, None] * (
            centred[..., :, :, None] * centred[..., :, None, :] - cov[..., None, :, :]
        )
        return jacobian, second


identity = Identity()
log_link = Exp()
softplus_link = Softplus()
softmax = Softmax()
winding = Winding()
asinh_link = Sinh()

LINKS: dict[str, Bijection] = {
    "identity": identity,
    "log": log_link,
    "logit": logit_link,
    "probit": probit_link,
    "cloglog": cloglog_link,
    "loglog": loglog_link,
    "cauchit": cauchit_link,
    "softplus": softplus_link,
    "asinh": asinh_link,
    "sqrt": Power(0.5),
    "reciprocal": Power(-1.0),
}
# The field's name of the reciprocal as a link; its own name stays the first.
LINKS["inverse"] = LINKS["reciprocal"]


def default_bijection(domain: Domain) -> Bijection:
    """Return the map of the whole line onto the interior of a parameter's domain."""
    if domain.kind == "simplex":
        return softmax
    if domain.periodic:
        return winding
    low, high = domain.lower, domain.upper
    if np.isfinite(low) and np.isfinite(high):
        return logit_link if (low, high) == (0, 1) else Moved(logit_link, low, high - low)
    if np.isfinite(low):
        return log_link if low == 0 else Moved(log_link, low, 1.0)
    return Moved(log_link, high, -1.0) if np.isfinite(high) else identity
