"""Poisson laws with a dispersion of their own: generalised (Consul) and double (Efron)."""

from __future__ import annotations

import numpy as np

from mlece.domain import (
    counts,
    nonnegative,
    positive,
)
from mlece.families.composed import Composed, mixed_limits
from mlece.limits import Limit, Status, full, or_fixed
from mlece.links.bijection import log_link
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    digamma,
    exp,
    floor,
    inf,
    isfinite,
    log,
    log1p,
    log_minus_step,
    ratio_or_zero,
    stirling_remainder,
    where,
    xlogy,
)
from mlece.model import Model
from mlece.moments import Summary, weighted_sum
from mlece.numerics.counting import alike_in_width
from mlece.param import Param

# ---------------------------------------------------------------------------- generalised Poisson


class GeneralizedPoisson(Model):
    r"""Generalised Poisson (Consul): mean μ, variance μ(1 + σμ)².

    log q = y log(μ/(1+σμ)) + (y−1) log(1+σy) − μ(1+σy)/(1+σμ) − log y!, σ ≥ 0.

    R: ``gamlss.dist::GPO`` (mu, sigma); ``VGAM::genpoisson2`` (meanpar, disppar); ``VGAM::genpoisson0``
    (theta, lambda) with θ = μ/(1+σμ), λ = σθ. scipy.stats: none. Consul & Jain (1973); Consul (1989). At
    σ = 0 it is the Poisson law. With σ < 0 the masses of the textbook formula do not sum to 1, so that
    dispersion below the Poisson law's is not offered: such data end at the Poisson law.

    Examples
    --------
    >>> import mlece
    >>> mlece.GeneralizedPoisson(mean=2, dispersion=0.5).variance
    8.0
    """

    support = counts
    aliases = ("genpois",)
    profile_over = "dispersion"
    mean = Param(nonnegative, r"\mu", typical=(0.5, 10), bijection=log_link, doc="mean")
    dispersion = Param(
        nonnegative,
        r"\sigma",
        typical=(0.05, 0.5),
        bijection=log_link,
        doc="(standard deviation/√μ − 1)/μ",
    )

    @staticmethod
    def _log_density(y: Array, mean: Array, dispersion: Array) -> Array:
        # A Poisson mass at the rate μ(1+σy)/(1+σμ), over 1+σy, in the form of Loader (2000).
        none = y == 0
        x = where(none, 1.0, y)
        stretch, scale = 1 + dispersion * x, 1 + dispersion * mean
        rate = mean * stretch / scale
        deviance = x * log_minus_step(rate / x, (mean - x) / scale / x)
        inner = deviance - 0.5 * (LOG_2PI + log(x)) - stirling_remainder(x) - log1p(dispersion * x)
        return np.asarray(where(none, -mean / scale, inner))

    @staticmethod
    def _score(y: Array, mean: Array, dispersion: Array) -> Arrays:
        scale, stretch = 1 + dispersion * mean, 1 + dispersion * y
        error = (y - mean) / scale
        own = where(y == 0, -1.0, (y - mean) / where(y == 0, 1.0, mean)) / scale**2
        return own, (error * error - y) / stretch

    @staticmethod
    def _curvature(y: Array, mean: Array, dispersion: Array) -> Arrays:
        scale, stretch = 1 + dispersion * mean, 1 + dispersion * y
        error = (y - mean) / scale
        # ∂/∂μ of (y - μ)/(μ D²): -y/(μ² D²) - 2σ(y - μ)/(μ D³)
        fall = ratio_or_zero(y, mean * mean) + 2 * dispersion * (
            (ratio_or_zero(y, mean) - 1) / scale
        )
        return (
            -fall / scale**2,
            -2 * error / scale**2,
            -(2 * mean / scale * error * error + y * (error * error - y) / stretch) / stretch,
        )

    @staticmethod
    def _profile_statistics(y: Array, dispersion: Array) -> Arrays:
        stretch = 1 + dispersion * y
        return y, y * (y - 1) / stretch, y * y * (y - 1) / stretch**2

    @staticmethod
    def _profile_equation(m: Arrays, dispersion: Array) -> tuple[Array, Array, Arrays]:
        # The mean of the data is the mean of the law, whatever the dispersion.
        mean, value, slope = m
        scale = 1 + dispersion * mean
        own = mean * mean / scale
        return own - value, slope - own * mean / scale, (mean, dispersion)

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, dispersion: Array | None) -> tuple[Limit, ...]:
        return mixed_limits(s, mean, dispersion, (), ("rate", None))

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = (x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5)
        extra = np.sqrt(x.var(axis=-1) / mean) - 1
        return mean, where(extra > 0.02, extra, 0.02) / mean

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], mean: Array, dispersion: Array
    ) -> Array:
        # The total progeny of a Galton-Watson process (Consul 1989): Poisson(θ) ancestors, each with
        # Poisson(λ) children, λ < 1.
        first = mean / (1 + dispersion * mean)
        total = generation = rng.poisson(first, size)
        while generation.any():
            generation = rng.poisson(dispersion * first * generation)
            total = total + generation
        return np.asarray(total, dtype=float)

    @staticmethod
    def _mean(mean: Array, dispersion: Array) -> Array:
        return np.asarray(mean + 0 * dispersion)

    @staticmethod
    def _variance(mean: Array, dispersion: Array) -> Array:
        return np.asarray(mean * (1 + dispersion * mean) ** 2)


# ---------------------------------------------------------------------------- double Poisson

# From here on the law at the edge of the double Poisson family is a Gamma law to 1e-2.
_LARGE_MEAN = 1e4


def _double_carrier(y: Array) -> Array:
    """Return y log y - y - log y!, 0 at y = 0."""
    x = where(y == 0, 1.0, y)
    return where(y == 0, 0.0, -0.5 * (LOG_2PI + log(x)) - stirling_remainder(x))


def _double_deviance(y: Array, mu: Array) -> Array:
    """Return y log(y/μ) - (y - μ), without cancellation at y near μ."""
    x = where(y == 0, 1.0, y)
    return where(y == 0, mu, -x * log_minus_step(mu / x, (mu - x) / x))


def _double_windows(mu: Array, dispersion: Array) -> tuple[Array, Array, Array]:
    """Return which counts carry all but 1e-20 of each law (m,): the first, how many, how far apart.

    With k = μ/σ the Fourier transform of exp(−k [v log v − v + 1]) at t σ/μ, |t σ| < π/2, is
    exp(−k [1 − cos t σ]) but for what the law has below 0, which is less than exp(−k). By Poisson's
    summation formula the sum over every h-th count, times h, is that over all to 1e-19 where
    k (1 − cos 2πσ/h) > 45.
    """
    nearest = np.minimum(_double_deviance(floor(mu), mu), _double_deviance(floor(mu) + 1, mu))
    # Beyond, exp(-deviance/σ) has fallen by 1e-22 from its largest term.
    d = (nearest + 50 * dispersion) / mu
    # The root of v log v - v + 1 = d above 1 from Bernstein's bound, by Newton's method from the right.
    v = 1 + d / 3 + np.sqrt(d * d / 9 + 2 * d)
    for _ in range(8):
        v = (v - 1 + d) / log(v)
    low = np.maximum(floor(mu * (1 - np.sqrt(2 * d))), 0.0)
    smooth = mu > 45 * dispersion
    angle = np.arccos(1 - where(smooth, 45 * dispersion / mu, 1.0))
    stride = where(smooth, np.maximum(floor(2 * np.pi * dispersion / angle), 1.0), 1.0)
    return low, np.ceil((np.ceil(mu * v) - low) / stride) + 2, stride


def _carrier_of_many(y: Array) -> Array:
    """Return the carrier of many counts, looked up where they are the same ones again and again."""
    first, last = y.min(), y.max()
    if last - first >= y.size:
        return _double_carrier(y)
    return np.asarray(_double_carrier(np.arange(first, last + 1))[(y - first).astype(np.intp)])


# Cells of a table of masses that are worked on at once, so that they stay in cache.
_DOUBLE_CELLS = 1 << 14


def _double_sums(mu: Array, dispersion: Array) -> list[Array]:
    """Return log c, and mean and covariances of x = y - μ and of the deviance, for laws (m,).

    Returns
    -------
    log_total, x, deviance, xx, x deviance, deviance deviance : array (m,)
    """
    low, count, stride = _double_windows(mu, dispersion)
    out = np.empty((6, mu.size))
    for rows in alike_in_width(count, _DOUBLE_CELLS):
        m, s, step = (a[rows, None] for a in (mu, dispersion, stride))
        y = low[rows, None] + step * np.arange(count[rows[-1]])
        off = _double_deviance(y, m)
        logs = _carrier_of_many(y) - off / s
        top = logs.max(axis=1, keepdims=True)
        mass = exp(logs - top)
        total = mass.sum(axis=1, keepdims=True)
        mass /= total
        x = y - m
        means = [np.einsum("ij,ij->i", mass, a) for a in (x, off)]
        x -= means[0][:, None]
        off -= means[1][:, None]
        weighted = mass * x
        spreads = [np.einsum("ij,ij->i", weighted, a) for a in (x, off)]
        mass *= off
        spreads.append(np.einsum("ij,ij->i", mass, off))
        out[:, rows] = [(top + log(step * total))[:, 0], *means, *spreads]
    return list(out)


class DoublePoisson(Composed):
    r"""Double Poisson (Efron): location μ, dispersion σ on either side of the Poisson law's 1.

    log q = −[y log(y/μ) − (y − μ)]/σ + y log y − y − log y! − log c(μ, σ); the mean is near μ and the
    variance near σμ. The constant c is summed.

    R: ``gamlss.dist::DPO`` (mu, sigma); ``rmutil::ddoublepois`` with s = 1/σ. scipy.stats: none. Efron
    (1986, JASA 81, 709), whose θ is 1/σ.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.DoublePoisson(mu=50, dispersion=0.5).variance), 1)
    25.0
    """

    support = counts
    everyday = True
    exponential = True
    mu = Param(positive, r"\mu", typical=(1, 10), doc="location, near the mean")
    dispersion = Param(
        positive, r"\sigma", typical=(0.4, 2.5), doc="dispersion, near variance/mean"
    )

    @staticmethod
    def _shared(y: Array, mu: Array, dispersion: Array) -> Arrays:
        log_total, x, deviance, xx, xd, dd = _double_moments(mu, dispersion)
        off, slope = _double_deviance(y, mu), (y - mu) / mu
        # Of log c the derivatives are means and covariances of those of the exponent.
        first = slope - x / mu, off - deviance
        return (
            _double_carrier(y) - off / dispersion - log_total,
            first[0] / dispersion,
            first[1] / dispersion**2,
            -(first[0] + xx / (mu * dispersion)) / (mu * dispersion),
            -(first[0] + xd / (mu * dispersion)) / dispersion**2,
            -(2 * first[1] + dd / dispersion) / dispersion**3,
        )

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        m = y.shape[1]
        return tuple(weighted_sum(a, w, m) for a in (y, xlogy(y, y), _double_carrier(y)))

    @staticmethod
    def _degenerate(s: Summary, mu: Array | None, dispersion: Array | None) -> tuple[Limit, ...]:
        y, y_log_y, carrier = s.mean
        zero = full(y, 0.0)
        limits = []
        if mu is None:
            sentence = "every observation is 0: mu falls to 0"
            theta = (zero, or_fixed(zero + 1, dispersion))
            limits.append(Limit(y == 0, Status.NOT_ATTAINED, sentence, theta, zero))
        if mu is None and dispersion is None:
            share = y - s.minimum
            infimum = -xlogy(share, share) - xlogy(1 - share, 1 - share)
            narrow = (s.maximum - s.minimum <= 1) & (y > 0)
            sentence = "the data lie on one count or two neighbouring ones: dispersion falls to 0"
            limits.append(
                Limit(narrow, Status.NOT_ATTAINED, sentence, (y, zero), np.asarray(infimum))
            )
            heavy = _double_heavy(y, y_log_y) & ~narrow & (y > 0)
            if heavy.any():
                u, eta = _edge_law(where(heavy, y, 1.0))
                infimum = -log(u) - eta * y - carrier
                sentence = (
                    "the data are too dispersed: dispersion grows without bound as mu falls to 0"
                )
                theta = (zero, zero + inf)
                limits.append(Limit(heavy, Status.NOT_ATTAINED, sentence, theta, infimum))
        elif dispersion is None:
            centre = or_fixed(y, mu)
            own = y_log_y - xlogy(y, centre) - (y - centre)
            ends = floor(centre), floor(centre) + 1
            least = np.minimum(*(_double_deviance(e, centre) for e in ends))
            still = own - least <= 8 * np.finfo(float).eps * (1 + np.abs(y_log_y))
            sentence = "every observation is a count nearest to mu: dispersion falls to 0"
            value = where(s.minimum == s.maximum, 0.0, log(2.0))
            limits.append(Limit(still, Status.NOT_ATTAINED, sentence, (centre, zero), value))
        return tuple(limits)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean = (x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5)
        return mean, np.maximum(x.var(axis=-1) / mean, 0.05)

    @staticmethod
    def _mean(mu: Array, dispersion: Array) -> Array:
        return np.asarray(mu + _double_moments(mu, dispersion)[1])

    @staticmethod
    def _variance(mu: Array, dispersion: Array) -> Array:
        return _double_moments(mu, dispersion)[3]


def _double_moments(mu: Array, dispersion: Array) -> list[Array]:
    """Return the sums of `_double_sums` for laws of any shape."""
    mu, dispersion = np.broadcast_arrays(
        np.asarray(mu, dtype=float), np.asarray(dispersion, dtype=float)
    )
    # At an end of the parameters there is no such law, only the limit of one.
    usable = (mu > 0) & (dispersion > 0) & isfinite(mu) & isfinite(dispersion)
    sums = np.full((6, *mu.shape), np.nan)
    sums[:, usable] = _double_sums(mu[usable], dispersion[usable])
    return list(sums)


def _edge_law(mean: Array) -> tuple[Array, Array]:
    """Return 1 - T and η of the law y^y e^(ηy - y)/y! (1 - T) of a mean, the limit of μ → 0, σ → ∞.

    Its normaliser is the tree function's: Σ y^y x^y/y! = 1/(1 - T), x = T exp(-T) (Corless et al. 1996).
    """
    u = 2 / (1 + np.sqrt(1 + 4 * mean))
    return u, u + log1p(-u)


def _double_heavy(y: Array, y_log_y: Array) -> Array:
    """Tell which samples are as dispersed as the law at the edge of the family, or more."""
    # E Y log(Y/EY) of the law at the edge falls from infinity to this share of a large mean, that of
    # a Gamma law of shape 1/2.
    out = (y > 0) & (y_log_y - xlogy(y, y) >= (digamma(np.asarray(1.5)) + log(2.0)) * y)
    for r in np.flatnonzero(out & (y < _LARGE_MEAN)):
        u, eta = _edge_law(y[r])
        x = np.arange(float(np.ceil(-60 / eta)))
        expected = float(xlogy(x, x) @ exp(_double_carrier(x) + eta * x)) * u
        out[r] = y_log_y[r] >= expected
    return np.asarray(out)
