r"""The tails of Student's law and of log odds of the beta law, as functions of the point and the shapes.

With ℓ the log density in a variable in which it falls about linearly, and D its fall beyond a point,

    tail = e^ℓ ∫ e^(−D),  d log tail = E[dℓ | tail],  d² log tail = E[d²ℓ | tail] + Cov[dℓ | tail]

for derivatives in the shapes; those in the point are closed. Student's t is √ν sinh V; of the odds the
lower tail is taken in R = −log B, B the beta variable, its density e^(−pr) (1 − e^(−r))^(q−1). Where the
tail falls too slowly (ν below 1.5, p below 1), a term of the recurrence in the shape leads to one above,

    I_x(p, q) = x^p (1 − x)^q / (p B(p, q)) + I_x(p + 1, q),

of which nothing cancels (Abramowitz & Stegun 1964, 26.5.16).

References
----------
Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions. National Bureau of Standards.
"""

from __future__ import annotations

import numpy as np

from mlece.links.tails import (
    NODES,
    REACH,
    WEIGHTS,
    ShapedTails,
    by_rows,
    log_sum,
    reach,
    row_sums,
    unstacked,
)
from mlece.math import (
    LOG_2PI,
    LOG_PI,
    Array,
    Arrays,
    betainc,
    chosen,
    digamma,
    exp,
    exp_remainders,
    expit,
    expm1,
    gammaln,
    hypot,
    log,
    log1p,
    log1pmx,
    log_minus_digamma,
    log_probability,
    softplus,
    sqrt,
    stirling_remainder,
    trigamma,
    where,
)
from mlece.numerics.jets import Jet, compose, jet_gammaln, jet_log, jet_sqrt, variables

# ---------------------------------------------------------------------------- Student's t


_STEP_LARGE = 16.0


def half_step(a: Array) -> Array:
    """Return log Gamma(a + 1/2) - log Gamma(a) - log(a)/2 without cancellation."""

    def series(a: Array) -> Array:
        u = 1 / a**2
        tail = 17 / 14336 - u * (31 / 18432 - u * (691 / 180224))
        return (-1 / 8 + u * (1 / 192 - u * (1 / 640 - u * tail))) / a

    return chosen(
        a > _STEP_LARGE, series, lambda a: gammaln(a + 0.5) - gammaln(a) - 0.5 * log(a), a
    )


def half_step_slope(a: Array) -> Array:
    """Return the derivative of :func:`half_step`, without cancellation for large a."""

    def series(a: Array) -> Array:
        u = 1 / a**2
        tail = 17 / 2048 - u * (31 / 2048 - u * (691 / 16384))
        return u * (1 / 8 - u * (1 / 64 - u * (1 / 128 - u * tail)))

    return chosen(a > _STEP_LARGE, series, lambda a: digamma(a + 0.5) - digamma(a) - 0.5 / a, a)


def half_step_bend(a: Array) -> Array:
    """Return the second derivative of :func:`half_step`, without cancellation for large a."""

    def series(a: Array) -> Array:
        u = 1 / a**2
        tail = 17 / 256 - u * (155 / 1024 - u * (2073 / 4096))
        return -u / a * (1 / 4 - u * (1 / 16 - u * (3 / 64 - u * tail)))

    return chosen(
        a > _STEP_LARGE, series, lambda a: trigamma(a + 0.5) - trigamma(a) + 0.5 / a**2, a
    )


class StudentTails(ShapedTails):
    """Student's t, by t and its degrees of freedom."""

    shapes = 1

    def smaller(self, at: Arrays, bends: bool) -> tuple[Array, Array]:
        """Return the tail beyond t on its own side of 0."""
        low, size, df = at[0] < 0, abs(at[0]), at[1]
        parts = np.empty((6 if bends else 1, size.size))
        heavy, light = df < _HEAVY, df > _LIGHT
        if heavy.any():
            parts[:, heavy] = _heavy_tail(size[heavy], df[heavy])[: len(parts)]
        for rows, near in ((light, True), (~heavy & ~light, False)):
            if rows.any():
                parts[:, rows] = _student_tail(size[rows], df[rows], near, bends)
        if bends:
            parts[1] *= where(low, -1.0, 1.0)
            parts[4] *= where(low, -1.0, 1.0)
        return low, parts


student_tails = StudentTails()
_LOG_2 = 0.6931471805599453
_HEAVY = 1.5  # degrees of freedom below which the density has features narrower than its tail
_LIGHT = 20.0  # degrees of freedom from which on what they change is of the second order


def _hyperbola(y: Array) -> Arrays:
    """Return cosh v, tanh v and log cosh v for sinh v = y >= 0."""
    width = hypot(1.0, y)
    small = y < 1
    return width, y / width, where(small, 0.5 * log1p(where(small, y, 0.0) ** 2), log(width))


def _tilt(square: Array, log_rest: Array, df: Array, near: bool) -> Array:
    """Return ∂/∂ν of −½(ν + 1) log(1 + t²/ν); square is m = t²/(ν + t²), log_rest log(1 − m)."""
    curved = log_rest + square
    if near:
        small = square < 0.5
        curved = where(small, log1pmx(where(small, -square, 0.0)), curved)
    return 0.5 * (curved + square / df)


def _student_tail(t: Array, df: Array, near: bool, bends: bool) -> Array:
    """Return log P(T > t) for t >= 0, (1, m), or with its derivatives (6, m).

    Nodes are √ν sinh(v + u): the density of V is proportional to cosh^(−ν).
    """
    width, lean, log_width = _hyperbola(t / sqrt(df))
    grown = expm1(REACH / df)
    root = sqrt(grown * (2 + grown) + lean**2)
    far = log1p((grown + grown * (2 + grown) / (root + lean)) / (1 + lean))

    def sums(far: Array, *at: Array) -> Array:
        df, width, lean, log_width = (a[:, None] for a in at)
        e = expm1(far[:, None] * NODES)
        fold = e / (1 + e)
        # cosh(v + u)/cosh v = cosh u + tanh v sinh u, from e^u − 1.
        rise = 0.5 * fold * (e + lean * (e + 2))
        growth, log_growth = 1 + rise, log1p(rise)
        weights = WEIGHTS * exp(-df * log_growth)
        total = weights.sum(axis=1)
        if not bends:
            return np.asarray((total * far)[None])
        weights /= total[:, None]
        steeper = (0.5 / width**2) * (e + fold) / growth  # the step of tanh
        square = (lean + steeper) ** 2
        tilt = _tilt(square, -2 * (log_width + log_growth), df, near)
        mean = row_sums(weights, tilt)
        tilt -= mean[:, None]
        bend = 0.5 * ((df + 1) * square - 2) * square / df**2
        return np.stack(
            [total * far, mean, row_sums(weights, tilt * tilt + bend), row_sums(weights, steeper)]
        )

    total, *means = by_rows(sums, far, df, width, lean, log_width)
    constant = half_step(0.5 * df) + 0.5 * (log(df) - LOG_2PI)
    value = constant - df * log_width + log(total)
    if not bends:
        return np.asarray(value[None])
    mean, spread, steeper = means
    scale = sqrt(df) * width
    rate = 1 / (total * scale)
    change = mean - _tilt(lean**2, -2 * log_width, df, near)
    return np.stack(
        [
            value,
            -rate,
            0.5 * half_step_slope(0.5 * df) + mean,
            -rate * (df * steeper - lean) / scale,
            rate * change,
            0.25 * half_step_bend(0.5 * df) + spread,
        ]
    )


def _heavy_tail(t: Array, df: Array) -> Array:
    """Return log P(T > t) for t >= 0 with its derivatives, from 2 more degrees of freedom."""
    (n,) = variables(df)
    log_t = log(t)
    # log(1 + t²/ν), t² beyond the largest number included.
    odds = 2 * log_t - jet_log(n)
    share = expit(odds.value)
    log_growth = compose(softplus(odds.value), (share,), (share * expit(-odds.value),), (odds,))
    p = 0.5 * n
    term = log_t - 0.5 * (jet_log(n) + (1 + n) * log_growth + LOG_PI) - _LOG_2
    term = term - jet_gammaln(p + 1) + jet_gammaln(p + 0.5)
    moved, more = t * jet_sqrt(1 + 2 / n), n + 2
    parts = _student_tail(moved.value, more.value, False, True)
    tail = log_sum(term, unstacked(parts, (moved, more)))
    (slope,), (bend,) = tail.first, tail.second
    width, lean, log_width = _hyperbola(t / sqrt(df))
    scale = sqrt(df) * width
    constant = half_step(0.5 * df) - 0.5 * LOG_2PI
    rate = exp(constant - (df + 1) * log_width - tail.value)
    here = 0.5 * half_step_slope(0.5 * df) + _tilt(lean**2, -2 * log_width, df, False)
    return np.stack(
        [
            tail.value,
            -rate,
            slope,
            -rate * (rate - (df + 1) * lean / scale),
            -rate * (here - slope),
            bend,
        ]
    )


# ---------------------------------------------------------------------------- log odds of a beta


class LogOddsTails(ShapedTails):
    """log(B/(1 − B)) of the beta law, by that and its shapes p and q."""

    shapes = 2

    def smaller(self, at: Arrays, bends: bool) -> tuple[Array, Array]:
        """Return the lower tail below about the middle; of a shape below 1 the other one from there on."""
        z, p, q = at
        low = z < log(np.maximum(p, 1.0) / np.maximum(q, 1.0))
        z, p, q = where(low, z, -z), where(low, p, q), where(low, q, p)
        parts = np.empty((10 if bends else 1, z.size))
        for few in (True, False):
            rows = (p < 1) == few
            if rows.any():
                own = z[rows], p[rows], q[rows]
                tail = _recurred(*own) if few else _odds_tail(*own, bends)
                parts[:, rows] = tail[: len(parts)]
        if bends:
            mirrored = parts[[0, 1, 3, 2, 4, 6, 5, 9, 8, 7]]
            mirrored[[1, 5, 6]] *= -1.0
            parts = where(low, parts, mirrored)
        return low, parts


log_odds_tails = LogOddsTails()


def log_cdf_of_odds(z: Array, p: Array, q: Array) -> Array:
    """Return log F of log odds by incomplete beta functions, by the tails where the odds are no floats."""

    def plain(z: Array, p: Array, q: Array) -> Array:
        return log_probability(betainc(p, q, expit(z)), betainc(q, p, expit(-z)))

    # At an infinite z there are no tails to follow.
    return chosen((abs(z) < 700) | np.isinf(z), plain, log_odds_tails.log_cdf, z, p, q)


def _log_share(p: Array, q: Array, z: Array) -> Array:
    """Return log((1 − B) (p + q)/q) at log odds z above those of the mean, p/(p + q)."""
    n = p + q
    small = where(z < 1, z, 0.0)
    return np.asarray(-where(z < 1, log1p(p / n * expm1(small)), z + log((p + q * exp(-z)) / n)))


def _log_density(z: Array, p: Array, q: Array) -> Array:
    """Return the log density of log odds: the deviance and Stirling's formula, in which nothing cancels."""
    n = p + q
    swap = p > q
    d = where(swap, -1.0, 1.0) * (z - log(p / q))
    a, b = where(swap, q, p), where(swap, p, q)
    near = abs(d) < 0.5
    small = where(near, d, 0.0)
    grown = expm1(small)
    inside = a * (_minus_expm1(small)) - n * log1pmx(a / n * grown)
    deviance = where(near, inside, a * d + n * _log_share(a, b, d))
    remainders = stirling_remainder(n) - stirling_remainder(p) - stirling_remainder(q)
    return np.asarray(deviance + 0.5 * (log(p / n * q) - LOG_2PI) + remainders)


def _minus_expm1(x: Array) -> Array:
    """Return x − (e^x − 1) for small x."""
    return np.asarray(-x * x * exp_remainders(x)[3])


def _odds_tail(z: Array, p: Array, q: Array, bends: bool) -> Array:
    """Return log F of log odds for p >= 1, (1, m), or with its derivatives in z, p and q, (10, m).

    Nodes are −log B = u beyond that of z, where log(1 − B) is larger by v = log(1 + e^z (1 − e^(−u))).
    """
    odds = exp(z)
    slope, turn = p - (q - 1) * odds, (q - 1) * odds * (1 + odds)

    def rate(u: Array) -> tuple[Array, Array]:
        drop = -expm1(-u)
        growth = 1 + odds * drop
        return p * u - (q - 1) * log1p(odds * drop), slope + turn * drop / growth

    start = where(
        q > 1, 2 * REACH / (slope + sqrt(slope**2 + 2 * REACH * np.maximum(turn, 0.0))), 0.0
    )
    far = reach(rate, np.maximum(start, REACH / p))

    def sums(far: Array, *at: Array) -> Array:
        p, q, odds = (a[:, None] for a in at)
        u = far[:, None] * NODES
        drop = -expm1(-u)
        v = log1p(odds * drop)
        weights = WEIGHTS * exp((q - 1) * v - p * u)
        total = weights.sum(axis=1)
        if not bends:
            return np.asarray((total * far)[None])
        weights /= total[:, None]
        drop /= 1 + odds * drop
        means = [row_sums(weights, a) for a in (u, v, drop)]
        u -= means[0][:, None]
        v -= means[1][:, None]
        spreads = [row_sums(weights, a) for a in (u * u, u * v, v * v)]
        return np.stack([total * far, *means, *spreads])

    total, *means = by_rows(sums, far, p, q, odds)
    share, rest = expit(z), expit(-z)
    value = _log_density(z, p, q) + softplus(z) + log(total)
    if not bends:
        return np.asarray(value[None])
    mean_u, mean_v, drop, uu, uv, vv = means
    rate_z = rest / total
    n, off = p + q, z - log(p / q)
    common, curl = log_minus_digamma(n), trigamma(n)
    return np.stack(
        [
            value,
            rate_z,
            _log_share(q, p, -off) + log_minus_digamma(p) - common - mean_u,
            _log_share(p, q, off) + log_minus_digamma(q) - common + mean_v,
            -rate_z * (rest * turn * drop + share),
            rate_z * mean_u,
            -rate_z * mean_v,
            curl - trigamma(p) + uu,
            curl - uv,
            curl - trigamma(q) + vv,
        ]
    )


def _recurred(z: Array, p: Array, q: Array) -> Array:
    """Return log F of log odds with its derivatives for p < 1, from that of p + 1."""
    n, share, rest = p + q, expit(z), expit(-z)
    common, curl = digamma(n), trigamma(n)
    term = Jet(
        _log_density(z, p, q) - log(p),
        (
            p * rest - q * share,
            common - digamma(p + 1) - softplus(-z),
            common - digamma(q) - softplus(z),
        ),
        (
            -n * share * rest,
            rest,
            -share,
            curl - trigamma(p + 1),
            curl,
            curl - trigamma(q),
        ),
    )
    parts = _odds_tail(z, p + 1, q, True)
    return np.stack(log_sum(term, unstacked(parts, variables(z, p, q))).parts())
