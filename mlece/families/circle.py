"""Families on the circle: angles in radians, from −π to π."""

from __future__ import annotations

import numpy as np

from mlece.domain import Domain, angle, direction, nonnegative
from mlece.limits import Limit, Status, full, or_fixed, point_mass
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    arctan,
    arctan2,
    cos,
    floor,
    hypot,
    i0e,
    i1e,
    inf,
    log,
    log1p,
    log_probability,
    maximum,
    minimum,
    pi,
    sin,
    square,
    tan,
    where,
    wrap_angle,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.param import Param

# ---------------------------------------------------------------------------- Bessel ratio


def _ratio_series(count: int) -> list[float]:
    """Return a_1, ..., a_count of the asymptotic series A(κ) ~ 1 + Σ a_j κ^(−j).

    They follow from A' = 1 − A/κ − A², term by term.
    """
    a = [1.0]
    for j in range(1, count + 1):
        a.append(0.5 * ((j - 2) * a[j - 1] - sum(a[i] * a[j - i] for i in range(1, j))))
    return a[1:]


_LARGE = 30.0
_SERIES = _ratio_series(24)


def _far(kappa: Array, powers: int) -> Array:
    """Sum the asymptotic series of 1 − A (``powers`` 0) or of A' (``powers`` 1) beyond _LARGE."""
    u = 1 / maximum(kappa, _LARGE)
    total = np.zeros_like(u)
    for j in range(len(_SERIES), 0, -1):
        total = total * u - _SERIES[j - 1] * (j if powers else 1)
    return np.asarray(total * (u * u if powers else u))


def bessel_deficit(kappa: Array) -> Array:
    """Return 1 − A(κ), A = I₁/I₀, without cancellation for large κ >= 0."""
    near = minimum(kappa, _LARGE)
    return where(kappa < _LARGE, 1 - i1e(near) / i0e(near), _far(kappa, 0))


def bessel_slope(kappa: Array) -> Array:
    """Return A'(κ) = 1 − A/κ − A², ½ at 0."""
    near = where((kappa < _LARGE) & (kappa > 0), kappa, 1.0)
    ratio = i1e(near) / i0e(near)
    inner = where(kappa == 0, 0.5, 1 - ratio / near - square(ratio))
    return where(kappa < _LARGE, inner, _far(kappa, 1))


def concentration(length: Array, deficit: Array) -> Array:
    """Solve A(κ) = R for the concentration by Newton's method.

    Parameters
    ----------
    length, deficit : array
        R and 1 − R, both without cancellation, 0 < R < 1.
    """
    kappa = length * (2 - square(length)) / (deficit * (1 + length))
    for _ in range(30):
        near = minimum(kappa, _LARGE)
        low = i1e(near) / i0e(near) - length
        error = where(length < 0.5, low, deficit - bessel_deficit(kappa))
        step = error / bessel_slope(kappa)
        kappa = where(step < kappa, kappa - step, 0.5 * kappa)
        if not np.any(abs(step) > 4e-16 * kappa):
            break
    return np.asarray(kappa)


# ---------------------------------------------------------------------------- von Mises


def _along(t: Arrays, mu: Array) -> tuple[Array, Array]:
    """Return 1 − cos(y − μ) and sin(y − μ) from 1 − cos y and sin y, exact for small angles."""
    bent, sine = t
    c, s = cos(mu), sin(mu)
    return bent * c - sine * s + 2 * square(sin(0.5 * mu)), sine * c - (1 - bent) * s


class VonMises(Model):
    r"""Von Mises: log q = κ cos(y − μ) − log(2π I₀(κ)), angles in radians.

    scipy.stats: ``vonmises(kappa, loc=mu)``. R: ``circular::vonmises(mu, kappa)`` with mu on [0, 2π).
    ``mu`` is the mean direction; the mean resultant length is A(κ) = I₁(κ)/I₀(κ), the circular
    standard deviation √(−2 log A(κ)). ``mean`` and ``variance`` of the law are those of the number y
    between −π and π, ``cdf`` is measured from −π. κ = 0 is the uniform law, for which any mu serves.
    An interval for mu may reach beyond ±π; it goes on past the cut.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.VonMises(), [-0.2, 0.3, 0.8])
    >>> round(fit.params["mu"], 6)
    0.3
    """

    support = angle
    affine = True
    unit_carrier = True
    mu = Param(direction, r"\mu", typical=(-2, 2), role="angle", doc="mean direction, in radians")
    kappa = Param(nonnegative, r"\kappa", typical=(0.5, 6), doc="concentration")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # Turned to the mean direction both are small for concentrated data, and keep their digits.
        return 2 * square(sin(0.5 * y)), sin(y)

    @staticmethod
    def _log_density(t: Arrays, mu: Array, kappa: Array) -> Array:
        return np.asarray(-kappa * _along(t, mu)[0] - LOG_2PI - log(i0e(kappa)))

    @staticmethod
    def _score(t: Arrays, mu: Array, kappa: Array) -> Arrays:
        bent, sine = _along(t, mu)
        return kappa * sine, bessel_deficit(kappa) - bent

    @staticmethod
    def _curvature(t: Arrays, mu: Array, kappa: Array) -> Arrays:
        bent, sine = _along(t, mu)
        return kappa * (bent - 1), sine, -bessel_slope(kappa)

    @staticmethod
    def _expected_statistics(mu: Array, kappa: Array) -> Arrays:
        deficit = bessel_deficit(kappa)
        return deficit * cos(mu) + 2 * square(sin(0.5 * mu)), (1 - deficit) * sin(mu)

    @staticmethod
    def _maximise(s: Summary, mu: Array | None, kappa: Array | None) -> Arrays:
        bent, sine = s.mean
        centre = or_fixed(wrap_angle(arctan2(sine, 1 - bent)), mu)
        if kappa is None:
            deficit = _along((bent, sine), centre)[0]
            length = (1 - bent) * cos(centre) + sine * sin(centre)
            kappa = concentration(where(deficit < 0.5, 1 - deficit, length), deficit)
        return centre, or_fixed(centre, kappa)

    @staticmethod
    def _degenerate(s: Summary, mu: Array | None, kappa: Array | None) -> tuple[Limit, ...]:
        bent, sine = s.mean
        length = hypot(1 - bent, sine)
        # Sums of sines and cosines that cancel leave their rounding.
        balanced = length <= 4 * np.finfo(float).eps
        somewhere = or_fixed(full(bent, 0.0), mu)
        if kappa is not None:
            loose = (balanced | (kappa == 0)) if mu is None else full(bent, 0.0).astype(bool)
            sentence = "every mu is optimal: the directions balance, or kappa is 0"
            return (Limit(loose, Status.NOT_UNIQUE, sentence, (somewhere, kappa)),)
        # Angles closer than 1e-160 have no cosine that tells them apart.
        equal = (s.minimum == s.maximum) | ((bent == 0) & (s.maximum - s.minimum < 1))
        if mu is not None:
            equal = equal & (wrap_angle(s.minimum - mu) == 0)
            length = (1 - bent) * cos(mu) + sine * sin(mu)
            balanced = length <= 4 * np.finfo(float).eps
        sentence = "every observation is equal: the density grows without bound with kappa"
        spike = Limit(
            equal,
            Status.UNBOUNDED,
            sentence,
            (or_fixed(wrap_angle(s.minimum), mu), full(bent, inf)),
            full(bent, -inf),
        )
        sentence = (
            "the directions balance: kappa is 0, the uniform law, and mu is arbitrary"
            if mu is None
            else "the mean cosine about mu is not positive: kappa is 0, the uniform law"
        )
        flat = Limit(balanced, Status.BOUNDARY, sentence, (somewhere, full(bent, 0.0)))
        return spike, flat

    @staticmethod
    def _start(x: Array) -> Arrays:
        c, s = cos(x).mean(axis=-1), sin(x).mean(axis=-1)
        length = minimum(maximum(hypot(c, s), 0.05), 0.999)
        return arctan2(s, c), length * (2 - square(length)) / (1 - square(length))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], mu: Array, kappa: Array) -> Array:
        return rng.vonmises(mu, kappa, size)

    @staticmethod
    def _entropy(mu: Array, kappa: Array) -> Array:
        return np.asarray(LOG_2PI + log(i0e(kappa)) + kappa * bessel_deficit(kappa) + 0 * mu)

    @staticmethod
    def _scipy(mu: Array, kappa: Array) -> Twin:
        return "vonmises", {"kappa": kappa, "loc": mu}


# ---------------------------------------------------------------------------- wrapped Cauchy


class WrappedCauchy(Model):
    r"""Wrapped Cauchy: log q = log(1 − ρ²) − log 2π − log(1 + ρ² − 2ρ cos(y − μ)), angles in radians.

    scipy.stats: ``wrapcauchy(c=rho, loc=mu)``, on [μ, μ + 2π) alone, hence no twin. R:
    ``circular::wrappedcauchy(mu, rho)``. ``mu`` is the mean direction, ``rho`` the mean resultant
    length, √(−2 log ρ) the circular standard deviation. The likelihood has one maximum unless half of
    the observations or more are equal (Kent and Tyler 1988, J. Applied Statistics 15, 247-254). ``cdf``
    is measured from −π. Directions within 1e-9 of one another put rho so near 1 that it has no digits
    left: no optimum is claimed there.

    Examples
    --------
    >>> import mlece
    >>> mlece.WrappedCauchy(mu=0, rho=0.5).cdf(0.0).item()
    0.5
    """

    support = angle
    unimodal = True
    mu = Param(direction, r"\mu", typical=(-2, 2), role="angle", doc="mean direction, in radians")
    rho = Param(
        Domain(0.0, 1.0, closed_lower=True),
        r"\rho",
        typical=(0.2, 0.85),
        doc="mean resultant length",
    )

    @staticmethod
    def _shared(y: Array, mu: Array, rho: Array) -> Arrays:
        delta = y - mu
        k = square(sin(0.5 * delta))
        far = square(1 - rho) + 4 * rho * k
        slope = (4 * k - 2 * (1 - rho)) / far
        sine = sin(delta) / far
        return (
            log(far),
            sine,
            slope,
            cos(delta) / far,
            square(sine),
            sine * slope,
            1 / far,
            square(slope),
        )

    @staticmethod
    def _log_density(t: Arrays, mu: Array, rho: Array) -> Array:
        return np.asarray(log1p(-rho) + log1p(rho) - LOG_2PI - t[0])

    @staticmethod
    def _score(t: Arrays, mu: Array, rho: Array) -> Arrays:
        return 2 * rho * t[1], -2 * rho / ((1 - rho) * (1 + rho)) - t[2]

    @staticmethod
    def _curvature(t: Arrays, mu: Array, rho: Array) -> Arrays:
        _, sine, _, cosine, squared, tilted, inverse, steep = t
        span = square((1 - rho) * (1 + rho))
        return (
            4 * square(rho) * squared - 2 * rho * cosine,
            2 * (sine - rho * tilted),
            steep - 2 * inverse - 2 * (1 + square(rho)) / span,
        )

    @staticmethod
    def _degenerate(s: Summary, mu: Array | None, rho: Array | None) -> tuple[Limit, ...]:
        if rho is not None:
            return ()
        sentence = "every observation is equal: the density grows without bound as rho tends to 1"
        limit = (or_fixed(wrap_angle(s.minimum), mu), full(s.minimum, 1.0))
        apart = None if mu is None else wrap_angle(s.minimum - mu)
        return point_mass(s, sentence, limit, 0.0, apart)

    @staticmethod
    def _collapses(share: Array, mu: Array | None, rho: Array | None) -> Array:
        # Kent and Tyler (1988).
        if mu is not None or rho is not None:
            return full(share, 0.0).astype(bool)
        return np.asarray(share > 0.5)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mu = arctan2(sin(x).mean(axis=-1), cos(x).mean(axis=-1))
        # Half of the mass lies within 2 arctan((1 − ρ)/(1 + ρ)) of the mean direction.
        arc = np.median(abs(wrap_angle(x - mu[..., None])), axis=-1)
        reach = tan(0.5 * minimum(maximum(arc, 1e-9), 1.5))
        return mu, (1 - reach) / (1 + reach)

    @staticmethod
    def _log_cdf(y: Array, mu: Array, rho: Array) -> Array:
        low, at, high = (_wound(v - mu, rho) for v in (-pi, y, pi))
        return log_probability(at - low, high - at)

    @staticmethod
    def _log_sf(y: Array, mu: Array, rho: Array) -> Array:
        low, at, high = (_wound(v - mu, rho) for v in (-pi, y, pi))
        return log_probability(high - at, at - low)

    @staticmethod
    def _quantile(u: Array, mu: Array, rho: Array) -> Array:
        turned = u + _wound(-pi - mu, rho)
        whole = floor(turned + 0.5)
        inner = 2 * arctan((1 - rho) / (1 + rho) * tan(pi * (turned - whole)))
        # Rounding must not carry a quantile over the cut at ±π.
        return np.asarray(minimum(maximum(mu + inner + 2 * pi * whole, -pi), pi))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], mu: Array, rho: Array) -> Array:
        cauchy = tan(pi * (rng.random(size) - 0.5))
        return wrap_angle(mu + 2 * arctan((1 - rho) / (1 + rho) * cauchy))

    @staticmethod
    def _entropy(mu: Array, rho: Array) -> Array:
        return np.asarray(LOG_2PI + log1p(-rho) + log1p(rho) + 0 * mu)


def _wound(delta: Array, rho: Array) -> Array:
    """Return P(0 < angle <= delta) about the mode, continued by 1 for each turn."""
    turns = floor((delta + pi) / (2 * pi))
    rest = delta - 2 * pi * turns
    return np.asarray(turns + arctan((1 + rho) / (1 - rho) * tan(0.5 * rest)) / pi)
