"""The links of a probability: distribution functions of the whole line, exact in both tails."""

from __future__ import annotations

import numpy as np

from mlece.domain import unit_interval
from mlece.links.maps import Bijection
from mlece.links.tails import Symmetric, Tails
from mlece.math import (
    LOG_2PI,
    LOG_PI,
    Array,
    arctan2,
    exp,
    exp_remainders,
    expit,
    expm1,
    hypot,
    inverse_mills,
    log,
    log1mexp,
    log1p,
    log_ndtr,
    log_probability,
    logit,
    ndtr,
    ndtri,
    pi,
    softplus,
    tan,
    where,
)


class UnitLink(Bijection, Tails):
    """theta = F(eta) for a distribution function F on the whole line: the links of a probability.

    A law with success probability F(eta) is computed from log F and log (1 - F), which keep their digits
    where F itself rounds to 0 or 1.
    """

    target = unit_interval


class Expit(Symmetric, UnitLink):
    """theta = 1 / (1 + exp(-eta)): the inverse of the logit link."""

    name = "logit"

    def log_slope(self, eta: Array) -> Array:
        """Return log p (1 - p)."""
        far = np.abs(eta)
        return np.asarray(-far - 2 * log1p(exp(-far)))

    def forward(self, eta: Array) -> Array:
        """Return expit(eta)."""
        return np.asarray(expit(eta))

    def inverse(self, theta: Array) -> Array:
        """Return logit(theta)."""
        return np.asarray(logit(theta))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return p (1 - p) and p (1 - p)(1 - 2 p)."""
        p, q = expit(eta), expit(-eta)
        return p * q, p * q * (q - p)

    def log_cdf(self, z: Array) -> Array:
        """Return -log(1 + exp(-z))."""
        return -softplus(-z)

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return 1 - p and -p (1 - p)."""
        rest = np.asarray(expit(-z))
        return rest, -rest * expit(z)

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 1 - 2 p and -2 p (1 - p)."""
        p, rest = expit(eta), expit(-eta)
        return np.asarray(rest - p), np.asarray(-2 * p * rest)


class NormalCdf(Symmetric, UnitLink):
    """theta = Φ(eta): the inverse of the probit link."""

    name = "probit"

    def log_slope(self, eta: Array) -> Array:
        """Return log φ(eta)."""
        return np.asarray(-0.5 * eta * eta - 0.5 * LOG_2PI)

    def forward(self, eta: Array) -> Array:
        """Return Φ(eta)."""
        return np.asarray(ndtr(eta))

    def inverse(self, theta: Array) -> Array:
        """Return the normal quantile of theta."""
        return np.asarray(ndtri(theta))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return φ(eta) and -eta φ(eta)."""
        slope = exp(self.log_slope(eta))
        return slope, -eta * slope

    def log_cdf(self, z: Array) -> Array:
        """Return log Φ(z)."""
        return np.asarray(log_ndtr(z))

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return the inverse of Mills' ratio and its derivative."""
        ratio, e, _ = inverse_mills(z)
        return ratio, -e * ratio

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return -eta and -1."""
        return -eta, np.full(np.shape(eta), -1.0)


class CompLogLog(UnitLink):
    """theta = 1 - exp(-exp(eta)): the inverse of the complementary log-log link.

    log (1 - F) = -exp(eta) overflows beyond 709, where it is minus infinity.
    """

    name = "cloglog"

    def log_slope(self, eta: Array) -> Array:
        """Return eta - exp(eta)."""
        return np.asarray(eta - exp(eta))

    def forward(self, eta: Array) -> Array:
        """Return 1 - exp(-exp(eta))."""
        return np.asarray(-expm1(-exp(eta)))

    def inverse(self, theta: Array) -> Array:
        """Return log(-log(1 - theta))."""
        return np.asarray(log(-log1p(-theta)))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return t exp(-t) and t exp(-t) (1 - t), t = exp(eta)."""
        slope = exp(self.log_slope(eta))
        return slope, slope * (1 - where(slope == 0, 0.0, exp(eta)))

    def log_cdf(self, z: Array) -> Array:
        """Return log(1 - exp(-t)), t = exp(z)."""
        t = exp(z)
        # Where t underflows log F is z still: (1 - exp(-t)) / t = 1 - t phi_2(-t).
        small = where(t < 1, t, 1.0)
        near = z + log1p(-small * exp_remainders(-small)[3])
        return where(t < 1, near, log1mexp(where(t < 1, 1.0, t)))

    def log_sf(self, z: Array) -> Array:
        """Return -exp(z)."""
        return -exp(z)

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return t / (exp(t) - 1) with its derivative in z, t = exp(z)."""
        t = exp(z)
        # Beyond 800 exp(-t) is 0, and so are both derivatives of log F.
        finite = where(t < 800, t, 800.0)
        parts = exp_remainders(-finite)
        first = exp(-finite) / parts[0]
        return first, -first * finite * parts[3] / parts[0]

    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return -exp(z) twice."""
        rate = -exp(z)
        return rate, rate

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return 1 - exp(eta) and -exp(eta)."""
        return -expm1(eta), -exp(eta)


class LogLog(UnitLink):
    """theta = exp(-exp(-eta)): the inverse of the log-log link, the mirror image of cloglog."""

    name = "loglog"

    def log_slope(self, eta: Array) -> Array:
        """Return -eta - exp(-eta)."""
        return cloglog_link.log_slope(-eta)

    def forward(self, eta: Array) -> Array:
        """Return exp(-exp(-eta))."""
        return exp(-exp(-eta))

    def inverse(self, theta: Array) -> Array:
        """Return -log(-log(theta))."""
        return np.asarray(-log(-log(theta)))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return those of cloglog at -eta, the second with the other sign."""
        first, second = cloglog_link.derivatives(-eta)
        return first, -second

    def log_cdf(self, z: Array) -> Array:
        """Return -exp(-z)."""
        return cloglog_link.log_sf(-z)

    def log_sf(self, z: Array) -> Array:
        """Return log F of cloglog at -z."""
        return cloglog_link.log_cdf(-z)

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return exp(-z) and -exp(-z)."""
        first, second = cloglog_link.sf_derivatives(-z)
        return -first, second

    def sf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return those of log F of cloglog at -z, the first with the other sign."""
        first, second = cloglog_link.cdf_derivatives(-z)
        return -first, second

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return those of cloglog at -eta, the first with the other sign."""
        first, second = cloglog_link.log_slope_derivatives(-eta)
        return -first, second


class CauchyCdf(Symmetric, UnitLink):
    """theta = 1/2 + arctan(eta)/π: the inverse of the cauchit link."""

    name = "cauchit"

    def log_slope(self, eta: Array) -> Array:
        """Return -log π - log(1 + eta²)."""
        return np.asarray(-LOG_PI - 2 * log(hypot(1.0, eta)))

    def forward(self, eta: Array) -> Array:
        """Return the angle between (-eta, 1) and the axis, over π."""
        return np.asarray(arctan2(1.0, -eta) / pi)

    def inverse(self, theta: Array) -> Array:
        """Return -1 / tan(π theta)."""
        # The tangent of the nearer end keeps the digits of a small probability.
        side = where(theta < 0.25, theta, where(theta > 0.75, 1 - theta, 0.5))
        middle = tan(pi * (where(side == 0.5, theta, 0.5) - 0.5))
        return where(side == 0.5, middle, where(theta < 0.5, -1.0, 1.0) / tan(pi * side))

    def derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return the density of Cauchy's law and its slope."""
        slope = exp(self.log_slope(eta))
        return slope, -2 * eta * slope / (1 + eta * eta)

    def log_cdf(self, z: Array) -> Array:
        """Return log F, from the angle of the nearer tail."""
        return log_probability(self.forward(z), self.forward(-z))

    def cdf_derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return f/F with its derivative, f the density."""
        square = 1 + z * z
        ratio = 1 / (square * arctan2(1.0, -z))
        return ratio, -ratio * (2 * z / square + ratio)

    def log_slope_derivatives(self, eta: Array) -> tuple[Array, Array]:
        """Return -2 eta / (1 + eta²) and its slope."""
        square = 1 + eta * eta
        return -2 * eta / square, 2 * (eta * eta - 1) / square**2


logit_link = Expit()
probit_link = NormalCdf()
cloglog_link = CompLogLog()
loglog_link = LogLog()
cauchit_link = CauchyCdf()
