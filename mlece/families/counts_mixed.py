"""Counts whose rate or probability varies from one observation to the next, and their difference."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.domain import (
    Domain,
    counts,
    integers,
    nonnegative,
    positive_integer,
    probability,
    real,
)
from mlece.families.composed import Composed, mixed_limits, with_constant
from mlece.families.counts import Binomial
from mlece.limits import Limit, LimitFamily, LimitMember, Status, full, or_fixed
from mlece.links.bijection import log_link
from mlece.math import (
    Array,
    Arrays,
    abs,
    exp,
    gammaln,
    inf,
    log,
    log1p_ratio,
    where,
    xlog1py,
    xlogy,
)
from mlece.model import Twin
from mlece.moments import Summary
from mlece.numerics.bessel import log_i_scaled, log_k
from mlece.numerics.jets import Jet, compose, jet_log, jet_sqrt, jet_xlogy, variables
from mlece.numerics.rising import jet_log_rising
from mlece.param import Param

# ---------------------------------------------------------------------------- shared


def _whole(y: Array, upper: Any = inf) -> Array:
    """Return counts as indices; points outside the support, whose mass is masked, become 0."""
    return where((y >= 0) & (y <= upper) & np.isfinite(y), y, 0.0).astype(np.int64)


def _take(table: Array, index: Array) -> Array:
    """Return the entries of a table (..., J), one row for each parameter, at indices (..., m)."""
    if table.ndim == 1:
        return np.asarray(table[index])
    shape = np.broadcast_shapes((*table.shape[:-1], 1), index.shape)
    rows = np.broadcast_to(table, (*shape[:-1], table.shape[-1]))
    return np.take_along_axis(rows, np.broadcast_to(index, shape), axis=-1)


def _rows(*values: Array) -> list[Array]:
    """Drop the axis of the observations, of length 1, from parameters that have one."""
    wide = np.broadcast_arrays(*values)
    return [np.asarray(v)[..., 0] if v.ndim else np.asarray(v) for v in wide]


def _running(terms: Array) -> Array:
    """Return cumulative sums along the last axis, beginning with the empty one."""
    return np.concatenate([np.zeros((*terms.shape[:-1], 1)), np.cumsum(terms, axis=-1)], axis=-1)


def _mean_and_dispersion(x: Array) -> Arrays:
    """Return starting values by moments; the dispersion is that of variance = μ + σμ²."""
    mean = (x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5)
    extra = x.var(axis=-1) / mean - 1
    return mean, where(extra > 0.05, extra, 0.05) / mean


# ---------------------------------------------------------------------------- beta-binomial


class BetaBinomial(Composed):
    r"""Beta-binomial: n trials whose common probability follows a Beta law.

    log q = log C(n, y) + Σ_{j<y} log(p(1−ρ) + jρ) + Σ_{j<n−y} log((1−p)(1−ρ) + jρ)
    − Σ_{j<n} log(1−ρ + jρ), with the mean probability p and the correlation ρ of two trials, so that
    the variance is np(1−p)(1 + (n−1)ρ). At ρ = 0 it is the binomial law.

    scipy.stats: ``betabinom(n, a, b)`` with a = p(1−ρ)/ρ and b = (1−p)(1−ρ)/ρ, hence p = a/(a+b) and
    ρ = 1/(a+b+1); ``binom(n, p)`` at ρ = 0. R: ``VGAM::betabinomial`` (mu, rho);
    ``VGAM::betabinomialff`` (shape1, shape2) as in scipy; ``gamlss.dist::BB`` with mu = p, sigma =
    ρ/(1−ρ). In this form (Prentice 1986, JASA 81, 321) every term is a rational function, exact up to
    the binomial end.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.BetaBinomial(n=4, p=0.5, rho=1 / 3).density(0).item(), 12)
    0.2
    """

    support = counts
    n = Param(positive_integer, "n", typical=(5, 20), estimable=False, doc="number of trials")
    p = Param(probability, "p", typical=(0.1, 0.9), doc="mean probability of success")
    rho = Param(
        Domain(0.0, 1.0, True, False), r"\rho", typical=(0.05, 0.6), doc="correlation of two trials"
    )

    @staticmethod
    def _shared(y: Array, n: Array, p: Array, rho: Array) -> Arrays:
        won = where((y >= 0) & (y <= n), y, 0.0)
        chance, spread = variables(p, rho)
        rest = 1 - spread
        rises = (
            jet_log_rising(won, chance * rest, spread)
            + jet_log_rising(n - won, (1 - chance) * rest, spread)
            - jet_log_rising(n, rest, spread)
        )
        ways = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
        return with_constant(rises + ways)

    @staticmethod
    def _bounds(n: Array, p: Array, rho: Array) -> Arrays:
        zero = 0 * (n + p + rho)
        return zero, n + zero

    @staticmethod
    def _degenerate(s: Summary, n: Array, p: Array | None, rho: Array | None) -> tuple[Limit, ...]:
        y, y2 = s.mean[:2]
        trials, zero = or_fixed(y, n), full(y, 0.0)
        limits = []
        rate = or_fixed(y / trials, p)
        if p is None:
            own = or_fixed(zero, rho)
            for end, sentence in (
                (zero, "every observation is 0: p = 0"),
                (zero + 1, "every trial succeeded: p = 1"),
            ):
                theta = (trials, end, own)
                mask = y == end * trials
                limits.append(Limit(mask, Status.BOUNDARY, sentence, theta, zero))
        if rho is None:
            inner = (rate > 0) & (rate < 1) & ((y > 0) & (y < trials) | (p is not None))
            eps = 16 * np.finfo(float).eps
            tied = inner & (trials > 1) & (trials * y - y2 <= eps * y2)
            infimum = -xlogy(y / trials, rate) - xlog1py(1 - y / trials, -rate)
            sentence = "the trials of each observation agree: rho rises to 1"
            theta = (trials, rate, zero + 1)
            limits.append(Limit(tied, Status.NOT_ATTAINED, sentence, theta, np.asarray(infimum)))
            # Pairs of equal trials against those of a binomial law: the slope at rho = 0 (Tarone 1979,
            # Biometrika 66, 585).
            most = trials * (trials - 1)
            pairs = (y2 - y) / rate + (most - (2 * trials - 1) * y + y2) / (1 - rate)
            scale = eps * trials * trials
            flat = inner & ~tied & (pairs <= most + scale)
            sentence = "the data are not overdispersed: rho is 0, the Binomial limit"
            build = LimitMember(Binomial, ("n", "p", None))
            theta = (trials, rate, zero)
            limits.append(Limit(flat, Status.BOUNDARY, sentence, theta, None, build))
        return tuple(limits)

    @staticmethod
    def _start(x: Array) -> Arrays:
        most = np.maximum(x.max(axis=-1), 1.0)
        p = (x.mean(axis=-1) + 0.5) / (most + 1)
        share = x.var(axis=-1) / (most * p * (1 - p)) - 1
        rho = share / np.maximum(most - 1, 1.0)
        return most, p, where(rho > 0.02, np.minimum(rho, 0.9), 0.02)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], n: Array, p: Array, rho: Array
    ) -> Array:
        # At rho = 0 both shapes are infinite, and the Beta law is a point.
        odds = (1 - rho) / where(rho > 0, rho, 1.0)
        inner = (p > 0) & (p < 1) & (rho > 0)
        a, b = where(inner, p * odds, 1.0), where(inner, (1 - p) * odds, 1.0)
        chance = where(inner, rng.beta(a, b, size), p)
        return np.asarray(rng.binomial(np.asarray(n).astype(np.int64), chance), dtype=float)

    @staticmethod
    def _mean(n: Array, p: Array, rho: Array) -> Array:
        return np.asarray(n * p + 0 * rho)

    @staticmethod
    def _variance(n: Array, p: Array, rho: Array) -> Array:
        return np.asarray(n * p * (1 - p) * (1 + (n - 1) * rho))

    @staticmethod
    def _scipy(n: Array, p: Array, rho: Array) -> Twin | None:
        if np.all(rho == 0):
            return "binom", {"n": n, "p": p}
        if np.any(rho == 0):
            return None
        total = (1 - rho) / rho
        return "betabinom", {"n": n, "a": p * total, "b": (1 - p) * total}


# ---------------------------------------------------------------------------- generalised inverse Gaussian


def _gig_mixture(y: Array, mean: Jet, dispersion: Jet, order: Jet | None) -> Jet:
    """Return log P(y) of a Poisson law whose rate is generalised inverse Gaussian.

    With M_ν(x) = log(K_ν(x) exp(x) (2x/π)^½), D = (1 + 2μσ/c)^½ and c = K_{ν+1}(1/σ)/K_ν(1/σ) the
    leading exponentials of the Bessel functions cancel in the algebra, not in the sum. Without an
    order ν = -1/2, where c = 1 and M = 0.
    """
    own = -0.5 if order is None else order
    head: Any = 0.0
    rate = mean
    if order is not None:
        head = log_k(order, dispersion)
        log_c = log_k(order + 1, dispersion) - head
        c = exp(log_c.value)
        rate = mean / compose(c, (c,), (c,), (log_c,))
    square = 2 * rate * dispersion
    root = jet_sqrt(1 + square)
    at = mean.lift(own + y)
    drop = 2 * rate / (1 + root)
    lead = jet_xlogy(y, mean) - (gammaln(y + 1) + 0 * y)
    if order is not None:
        lead = lead - y * log_c
    tail = log_k(at, dispersion / root) - (at + 0.5) * jet_log(root)
    out: Jet = lead - drop + tail - head
    return out


def _gig_height(x: Array, alpha: Array, nu: Array) -> Array:
    """Return the log density of log X about its mode, 0 there."""
    return np.asarray(-2 * alpha * np.sinh(0.5 * x) ** 2 - nu * (np.expm1(x) - x))


def _gig_hat(alpha: Array, nu: Array) -> tuple[Array, Array, Array, Array]:
    """Return the ends of the flat part of the hat, upper and lower, and the scales of its tails.

    The tangents touch where the log density has fallen by about 1 (Devroye 2014, section 3).
    """

    def reach(side: float, near: Array, far: Array) -> Array:
        fall = -_gig_height(np.full(1, side), alpha, nu)
        return where(fall > 2, near, where(fall < 0.5, far, 1.0))

    with np.errstate(divide="ignore", over="ignore"):
        right = reach(1.0, np.sqrt(2 / (alpha + nu)), log(4 / (alpha + 2 * nu)))
        left = reach(
            -1.0,
            np.sqrt(4 / (alpha * np.cosh(1.0) + nu)),
            np.minimum(1 / nu, np.arccosh(1 + 1 / alpha)),
        )
    up = 1 / (alpha * np.sinh(right) + nu * np.expm1(right))
    down = 1 / (alpha * np.sinh(left) - nu * np.expm1(-left))
    high = right + up * _gig_height(right, alpha, nu)
    return high, -left - down * _gig_height(-left, alpha, nu), up, down


def _log_gig(rng: np.random.Generator, size: tuple[int, ...], order: Array, omega: Array) -> Array:
    """Draw log X, X of density x^(ν−1) exp(−ω (x + 1/x)/2) up to a constant.

    Rejection from a hat in log x, flat in the middle with exponential tails (Devroye 2014, Statistics
    and Computing 24, 239); a draw of a negative order is 1/X of the positive one.
    """
    nu, w = (np.broadcast_to(v, size).ravel() for v in (np.abs(order), omega))
    alpha = w * (w / (np.hypot(w, nu) + nu))
    parts = alpha, nu, *_gig_hat(alpha, nu)
    out, left = np.zeros(nu.size), np.arange(nu.size)
    while left.size:
        a, v, high, low, up, down = (part[left] for part in parts)
        middle = high - low
        which, u = rng.random(left.size) * (middle + up + down), rng.random(left.size)
        beyond = rng.standard_exponential(left.size)
        inside, above = which < middle, which < middle + up
        x = where(inside, low + middle * u, where(above, high + up * beyond, low - down * beyond))
        # Beyond its ends the hat has fallen by as much as the exponential draw.
        bar = where(inside, 0.0, -beyond) - rng.standard_exponential(left.size)
        done = bar <= _gig_height(x, a, v)
        out[left[done]] = x[done]
        left = left[~done]
    found = (out + np.arcsinh(nu / w)).reshape(size)
    return np.asarray(where(np.broadcast_to(order, size) < 0, -1.0, 1.0) * found)


class PoissonInverseGaussian(Composed):
    r"""Poisson with an inverse Gaussian rate: mean μ, variance μ + σμ².

    log q = y log μ − log y! + ½ log(2α/π) + 1/σ + log K_{y−½}(α) − y log(ασ), α² = 1/σ² + 2μ/σ.

    R: ``gamlss.dist::PIG`` (mu, sigma). scipy.stats: none; a Poisson law with rate
    ``invgauss(mu=σ, scale=μ/σ)``. Holla (1967, Metrika 11, 115). At σ = 0 it is the Poisson law.

    Examples
    --------
    >>> import mlece
    >>> mlece.PoissonInverseGaussian(mean=3, dispersion=0.5).variance
    7.5
    """

    support = counts
    aliases = ("pig",)
    mean = Param(nonnegative, r"\mu", typical=(0.5, 10), bijection=log_link, doc="mean")
    dispersion = Param(
        nonnegative, r"\sigma", typical=(0.1, 2), bijection=log_link, doc="(variance − μ)/μ²"
    )

    @staticmethod
    def _shared(y: Array, mean: Array, dispersion: Array) -> Arrays:
        mu, sigma = variables(mean, dispersion)
        return _gig_mixture(y, mu, sigma, None).parts()

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, dispersion: Array | None) -> tuple[Limit, ...]:
        return mixed_limits(s, mean, dispersion, (), ("rate", None))

    @staticmethod
    def _start(x: Array) -> Arrays:
        return _mean_and_dispersion(x)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], mean: Array, dispersion: Array
    ) -> Array:
        mixed = (mean > 0) & (dispersion > 0)
        shape = where(mixed, mean / where(mixed, dispersion, 1.0), 1.0)
        rate = where(mixed, rng.wald(where(mixed, mean, 1.0), shape, size), mean)
        return np.asarray(rng.poisson(rate), dtype=float)

    @staticmethod
    def _mean(mean: Array, dispersion: Array) -> Array:
        return np.asarray(mean + 0 * dispersion)

    @staticmethod
    def _variance(mean: Array, dispersion: Array) -> Array:
        return np.asarray(mean + dispersion * mean * mean)


class Sichel(Composed):
    r"""Poisson with a generalised inverse Gaussian rate of mean μ, dispersion σ and order ν.

    log q = y log(μ/c) − log y! + log K_{y+ν}(α) − log K_ν(1/σ) − (y+ν) log(ασ),
    α² = 1/σ² + 2μ/(cσ), c = K_{ν+1}(1/σ)/K_ν(1/σ).

    R: ``gamlss.dist::SICHEL`` (mu, sigma, nu); in ``gamlss.dist::SI`` the location is μ/c. scipy.stats:
    none; a Poisson law with rate ``geninvgauss(p=ν, b=1/σ, scale=μ/c)``. Sichel (1971); Stein,
    Zucchini & Juritz (1987, JASA 82, 938); Rigby, Stasinopoulos & Akantziliotou (2008). ν = −½ is the
    Poisson–inverse Gaussian law, σ = 0 the Poisson law, σ → ∞ with ν > 0 the negative binomial of size ν.

    Examples
    --------
    >>> import mlece
    >>> member = mlece.Sichel(mean=3, dispersion=0.5, order=-0.5)
    >>> round(float(member.variance), 12)
    7.5
    """

    support = counts
    mean = Param(nonnegative, r"\mu", typical=(0.5, 10), bijection=log_link, doc="mean")
    dispersion = Param(
        nonnegative,
        r"\sigma",
        typical=(0.3, 2),
        bijection=log_link,
        limits=(0.0, 1e4),
        doc="dispersion of the rate",
    )
    order = Param(real, r"\nu", typical=(-2, 1), doc="order of the Bessel function")
    limit_families: ClassVar = (
        LimitFamily("NegativeBinomial", {"dispersion": inf}, {"mean": "mean", "order": "size"}),
    )

    @staticmethod
    def _shared(y: Array, mean: Array, dispersion: Array, order: Array) -> Arrays:
        return _gig_mixture(y, *variables(mean, dispersion, order)).parts()

    @staticmethod
    def _degenerate(
        s: Summary, mean: Array | None, dispersion: Array | None, order: Array | None
    ) -> tuple[Limit, ...]:
        rest = (or_fixed(full(s.mean[0], -0.5), order),)
        return mixed_limits(s, mean, dispersion, rest, ("rate", None, None))

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, dispersion = _mean_and_dispersion(x)
        return mean, dispersion, full(mean, -0.5)

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        mean: Array,
        dispersion: Array,
        order: Array,
    ) -> Array:
        mixed = dispersion > 0
        (recip,) = variables(where(mixed, dispersion, 1.0))
        nu = np.asarray(order, dtype=float)
        log_c = log_k(recip.lift(nu + 1), recip).value - log_k(recip.lift(nu), recip).value
        rate = exp(_log_gig(rng, size, nu, 1 / recip.value) - log_c)
        return np.asarray(rng.poisson(mean * where(mixed, rate, 1.0)), dtype=float)

    @staticmethod
    def _mean(mean: Array, dispersion: Array, order: Array) -> Array:
        return np.asarray(mean + 0 * dispersion * order)

    @staticmethod
    def _variance(mean: Array, dispersion: Array, order: Array) -> Array:
        nu, sigma = (np.asarray(a, dtype=float) for a in (order, dispersion))
        (at,) = variables(sigma)
        low, middle, high = (log_k(at.lift(nu + k), at).value for k in range(3))
        # E λ²/(E λ)² = K_{ν+2} K_ν / K_{ν+1}²
        ratio = high + low - 2 * middle
        return np.asarray(mean + mean * mean * np.expm1(ratio))


# ---------------------------------------------------------------------------- Delaporte


# Of the derivatives in two variables, over their Taylor coefficients.
_FACTORIALS = (1.0, 1.0, 2.0, 1.0, 2.0)
_UNIT_EVERY = 4  # steps, over which no product of ordinary means leaves the floats


def _leibniz(p: Array, q: Array) -> Array:
    """Return a product by its Taylor coefficients in two variables, (value, 1, 2, 11, 12, 22) in front."""
    out = p[0] * q + q[0] * p
    out[0] = p[0] * q[0]
    out[3] += p[1] * q[1]
    out[4] += p[1] * q[2] + p[2] * q[1]
    out[5] += p[2] * q[2]
    return np.asarray(out)


def _delaporte_states(top: int, a: Array, g: Array, r: Array) -> tuple[Array, Array]:
    """Return a + T_y and v_y with its Taylor coefficients in (g, r), (6, ...), both (..., top + 1) in y.

    T_0 = g, T_y = g + r y T_{y-1}/(a + T_{y-1}): the ratio of neighbouring masses is
    (a + T_y)/(y + 1), from G'/G of the generating function G. With T = u/v that is a product of
    matrices, u_y = (g + r y) u + g a v and v_y = u + a v, v the product of the a + T. Every term and
    every derivative is positive. All blocks of about √top counts are multiplied out at once, then
    carried on from one to the next; each v is known up to a factor of its own.
    """
    a, g, r = np.broadcast_arrays(a, g, r)
    length = int(np.ceil(np.sqrt(top + 1)))
    blocks = -(-(top + 1) // length)
    wide = [x[..., None] for x in (a, g, r)]
    matrix = np.zeros((6, 2, 2, *g.shape, blocks))
    matrix[0, 0, 0] = matrix[0, 1, 1] = 1.0
    inside = np.empty((length, *matrix.shape))
    for step in range(length):
        inside[step] = matrix
        counts = np.arange(blocks) * length + step + 1.0
        both = np.stack(_delaporte_step(matrix[:, 0], matrix[:, 1], counts, *wide), axis=1)
        matrix = _unit(both, both[0].sum(axis=(0, 1)))
    state = np.zeros((6, 2, *g.shape))
    state[0, 0], state[0, 1], state[1, 0] = g, 1.0, 1.0
    starts = np.empty((*state.shape, blocks))
    for block in range(blocks):
        starts[..., block] = state
        state = _leibniz(matrix[..., block], state[:, None]).sum(axis=2)
        state = _unit(state, state[0].sum(axis=0))
    inside = np.moveaxis(inside, 0, -1).reshape(*matrix.shape, length)
    u, v = (_leibniz(inside[:, k], starts[..., None]).sum(axis=1) for k in range(2))
    u, v = (x.reshape(*x.shape[:-2], -1)[..., : top + 1] for x in (u[0], v))
    return a[..., None] + u / where(v[0] > 0, v[0], 1.0), v


def _delaporte_step(u: Array, v: Array, y: Any, a: Array, g: Array, r: Array) -> Arrays:
    """Return the rows u and v one step further, Taylor coefficients (6, ...) like those given."""
    low = a * v
    low += u
    high = g * low
    high += (r * y) * u
    # The coefficients of g (u + a v) + r y u by the product rule.
    high[1] += low[0]
    high[3:5] += low[1:3]
    rise = y * u[:3]
    high[2] += rise[0]
    high[4:] += rise[1:]
    return high, low


def _unit(values: Array, size: Array) -> Array:
    return np.asarray(values / where(size > 0, size, 1.0))


def _delaporte_own(y: Array, a: Array, g: Array, r: Array) -> list[Array]:
    """Return what `_delaporte_table` does, at one count for each set of parameters, any shape.

    All counts step together, each until it is reached.
    """
    wide = np.broadcast_arrays(y, a, g, r)
    order = np.argsort(-wide[0], axis=None, kind="stable")
    y, a, g, r = (v.ravel()[order] for v in wide)
    u, v = np.zeros((2, 6, y.size))
    u[0], v[0], u[1] = g, 1.0, 1.0
    before, below = v[:3].copy(), np.zeros((2, y.size))
    total = np.zeros(y.size)
    # Sorted: those that go on stand in front.
    going = np.searchsorted(-y, -np.arange(float(y[0])) if y.size else (), "left")
    for step, n in enumerate(going):
        at, beside = u[:, :n], v[:, :n]
        height = a[:n] + at[0] / beside[0]
        total[:n] += log(height)
        below[0, :n], below[1, :n] = below[1, :n], height
        before[:, :n] = beside[:3]
        at, beside = _delaporte_step(at, beside, step + 1.0, a[:n], g[:n], r[:n])
        if step % _UNIT_EVERY == 0:
            size = at[0] + beside[0]
            at, beside = _unit(at, size), _unit(beside, size)
        u[:, :n], v[:, :n] = at, beside
    dg, dr, gg, gr, rr = (f * d / v[0] for f, d in zip(_FACTORIALS, v[1:], strict=True))
    earlier = before[1:] / before[0]
    some = y > 0
    da = where(some, y / where(some, below[1], 1.0), 0.0)
    down = where(y > 1, (y - 1) / where(y > 1, below[0], 1.0), 0.0)
    parts = [
        total,
        da,
        dg,
        dr,
        da * (down - da),
        da * (earlier[0] - dg),
        da * (earlier[1] - dr),
        gg - dg * dg,
        gr - dg * dr,
        rr - dr * dr,
    ]
    out = np.empty((len(parts), y.size))
    out[:, order] = parts
    return list(out.reshape(len(parts), *wide[0].shape))


def _delaporte_table(top: int, a: Array, g: Array, r: Array) -> list[Array]:
    """Return Σ_{i<y} log(a + T_i) for y = 0..top and its derivatives in (a, g, r), (..., top + 1)."""
    total, v = _delaporte_states(top, a, g, r)
    dg, dr, gg, gr, rr = (f * d / v[0] for f, d in zip(_FACTORIALS, v[1:], strict=True))
    # As v_y = y! [z^y] exp(a z) (1 - r z)^(-g/r), its derivative in a is y v_{y-1}.
    y = np.arange(top + 1.0)
    da = y / _before(total)
    return [
        _running(log(total[..., :-1])),
        da,
        dg,
        dr,
        da * (_before(da) - da),
        da * (_before(dg) - dg),
        da * (_before(dr) - dr),
        gg - dg * dg,
        gr - dg * dr,
        rr - dr * dr,
    ]


def _before(table: Array) -> Array:
    """Return the entry at y - 1 for every y; that at 0, which meets a factor 0, is its own."""
    return np.concatenate([table[..., :1], table[..., :-1]], axis=-1)


class Delaporte(Composed):
    r"""Poisson plus negative binomial: mean μ, a share ν of it without overdispersion.

    Y = A + B with A ~ Poisson(μν) and B negative binomial of mean μ(1−ν) and size 1/σ; the variance is
    μ + σμ²(1−ν)². The masses follow by a recursion all of whose terms are positive.

    R: ``gamlss.dist::DEL`` (mu, sigma, nu); ``Delaporte::ddelap`` with alpha = 1/σ, beta = σμ(1−ν),
    lambda = μν. scipy.stats: none. Delaporte (1959); Ruohonen (1988, ASTIN Bulletin 18, 57). ν = 0 is
    the negative binomial of size 1/σ, σ = 0 the Poisson law.

    Examples
    --------
    >>> import mlece
    >>> mlece.Delaporte(mean=4, dispersion=0.5, share=0.5).variance
    6.0
    """

    support = counts
    mean = Param(nonnegative, r"\mu", typical=(0.5, 10), bijection=log_link, doc="mean")
    dispersion = Param(
        nonnegative,
        r"\sigma",
        typical=(0.3, 2),
        bijection=log_link,
        doc="1/size of the negative binomial part",
    )
    share = Param(
        Domain(0.0, 1.0, True, False), r"\nu", typical=(0.1, 0.8), doc="Poisson share of the mean"
    )

    @staticmethod
    def _shared(y: Array, mean: Array, dispersion: Array, share: Array) -> Arrays:
        index = _whole(y)
        mu, sigma, nu = variables(mean, dispersion, share)
        a, b = mu * nu, mu * (1 - nu)
        c = sigma * b
        g, r = b / (1 + c), c / (1 + c)
        theta = a.value, g.value, r.value
        if all(np.ndim(v) == 0 or np.shape(v)[-1] == 1 for v in theta):
            table = _delaporte_table(int(index.max(initial=0)), *_rows(*theta))
            parts = [_take(t, index) for t in table]
        else:
            parts = _delaporte_own(index, *theta)
        rise = compose(parts[0], parts[1:4], parts[4:10], (a, g, r))
        value, slope, bend = log1p_ratio(c.value)
        fall = compose(value, (slope,), (bend,), (c,))
        return (rise - a - b * fall - gammaln(y + 1)).parts()

    @staticmethod
    def _degenerate(
        s: Summary, mean: Array | None, dispersion: Array | None, share: Array | None
    ) -> tuple[Limit, ...]:
        rest = (or_fixed(full(s.mean[0], 0.0), share),)
        return mixed_limits(s, mean, dispersion, rest, ("rate", None, None), rival=True)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return Delaporte._with_share(x, 1 / 3)

    @staticmethod
    def _more_starts(x: Array) -> tuple[Arrays, ...]:
        # A few outliers beside a Poisson law make a second optimum, with a large share of the mean.
        return (Delaporte._with_share(x, 0.9),)

    @staticmethod
    def _with_share(x: Array, share: float) -> Arrays:
        """Return starting values by moments at a share of the mean without overdispersion."""
        mean, dispersion = _mean_and_dispersion(x)
        return mean, dispersion / (1 - share) ** 2, full(mean, share)

    @staticmethod
    def _log_cdf(y: Array, mean: Array, dispersion: Array, share: Array) -> Array:
        index = _whole(y)
        return np.asarray(
            log(_take(_delaporte_cdf(int(index.max()), mean, dispersion, share), index))
        )

    @staticmethod
    def _quantile(u: Array, mean: Array, dispersion: Array, share: Array) -> Array:
        top = 63
        inner = u[(u < 1)]
        # The sum of the masses reaches no closer to 1 than its rounding.
        wanted = min(float(inner.max(initial=0.0)), 1 - 1e-13)
        cdf = _delaporte_cdf(top, mean, dispersion, share)
        while not (cdf[..., -1] >= wanted).all():
            top = 2 * top + 1
            cdf = _delaporte_cdf(top, mean, dispersion, share)
        shape = np.broadcast_shapes(u.shape, np.shape(mean), np.shape(dispersion), np.shape(share))
        rows = np.broadcast_to(cdf, (*shape[:-1], top + 1)).reshape(-1, top + 1)
        levels = np.broadcast_to(u, shape).reshape(len(rows), -1)
        found = [np.searchsorted(c, v) for c, v in zip(rows, levels, strict=True)]
        return where(u == 1, inf, np.asarray(found, dtype=float).reshape(shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        mean: Array,
        dispersion: Array,
        share: Array,
    ) -> Array:
        mixed = dispersion > 0
        form = where(mixed, 1 / where(mixed, dispersion, 1.0), 1.0)
        gamma = where(mixed, rng.standard_gamma(form, size) / form, 1.0)
        return np.asarray(rng.poisson(mean * (share + (1 - share) * gamma)), dtype=float)

    @staticmethod
    def _mean(mean: Array, dispersion: Array, share: Array) -> Array:
        return np.asarray(mean + 0 * (dispersion + share))

    @staticmethod
    def _variance(mean: Array, dispersion: Array, share: Array) -> Array:
        return np.asarray(mean + dispersion * (mean * (1 - share)) ** 2)


def _delaporte_cdf(top: int, mean: Array, dispersion: Array, share: Array) -> Array:
    """Return P(Y <= y) for y = 0..top, one row for each member."""
    mean, dispersion, share = _rows(mean, dispersion, share)
    a, b = mean * share, mean * (1 - share)
    c = dispersion * b
    g, r = b / (1 + c), c / (1 + c)
    total = _delaporte_states(top, a, g, r)[0][..., :-1]
    start = np.asarray(-a - b * log1p_ratio(c)[0])
    log_mass = start[..., None] + _running(log(total / np.arange(1.0, top + 1)))
    return np.asarray(np.minimum(np.cumsum(exp(log_mass), axis=-1), 1.0))


# ---------------------------------------------------------------------------- Skellam


class Skellam(Composed):
    r"""Difference of two independent Poisson counts: mean μ₁ − μ₂, variance μ₁ + μ₂.

    log q = −μ₁ − μ₂ + (y/2) log(μ₁/μ₂) + log I_|y|(2√(μ₁μ₂)), on all integers.

    scipy.stats: ``skellam(mu1, mu2)``. R: ``VGAM::skellam``, ``skellam::dskellam(lambda1, lambda2)``.
    Irwin (1937); Skellam (1946). With μ₂ = 0 it is the Poisson law of rate μ₁, with μ₁ = 0 its mirror
    image.

    Examples
    --------
    >>> import mlece
    >>> mlece.Skellam(mu1=3, mu2=1).variance
    4.0
    """

    support = integers
    everyday = True
    mu1 = Param(nonnegative, r"\mu_1", typical=(1, 8), bijection=log_link, doc="rate added")
    mu2 = Param(nonnegative, r"\mu_2", typical=(0.5, 5), bijection=log_link, doc="rate taken away")

    @staticmethod
    def _shared(y: Array, mu1: Array, mu2: Array) -> Arrays:
        up, down = variables(mu1, mu2)
        # A point that is not finite, whose mass is masked, would end in inf - inf.
        y = where(np.isfinite(y), y, 0.0)
        gain, loss = where(y > 0, y, 0.0), where(y < 0, -y, 0.0)
        lead = jet_xlogy(gain, up) + jet_xlogy(loss, down)
        return (lead - up - down + log_i_scaled(abs(y), up * down)).parts()

    @staticmethod
    def _degenerate(s: Summary, mu1: Array | None, mu2: Array | None) -> tuple[Limit, ...]:
        if mu1 is not None or mu2 is not None:
            return ()
        zero = full(s.minimum, 0.0)
        still = (s.minimum == 0) & (s.maximum == 0)
        sentence = "every observation is 0: both rates are 0"
        return (Limit(still, Status.BOUNDARY, sentence, (zero, zero), zero),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, spread = x.mean(axis=-1), x.var(axis=-1)
        less = 0.05 + 0.05 * spread
        return np.maximum(0.5 * (spread + mean), less), np.maximum(0.5 * (spread - mean), less)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], mu1: Array, mu2: Array) -> Array:
        return np.asarray(rng.poisson(mu1, size) - rng.poisson(mu2, size), dtype=float)

    @staticmethod
    def _mean(mu1: Array, mu2: Array) -> Array:
        return np.asarray(mu1 - mu2)

    @staticmethod
    def _variance(mu1: Array, mu2: Array) -> Array:
        return np.asarray(mu1 + mu2)

    @staticmethod
    def _scipy(mu1: Array, mu2: Array) -> Twin:
        return "skellam", {"mu1": mu1, "mu2": mu2}
