"""Families on the whole real line."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from mlece.domain import positive, real
from mlece.families.beta_tails import half_step, half_step_bend, half_step_slope, student_tails
from mlece.limits import Limit, LimitFamily, Status, free_tails, full, or_fixed, point_mass
from mlece.links.tails import Tails, laplace_tails
from mlece.links.unit_links import logit_link, loglog_link, probit_link
from mlece.math import (
    EULER,
    LOG_2PI,
    Array,
    Arrays,
    abs,
    digamma,
    exp,
    gammaln,
    inf,
    log,
    log1mexp,
    log1p,
    log1pmx,
    log_ndtr,
    log_probability,
    logit,
    ndtri,
    pi,
    sign,
    sqrt,
    stdtr,
    stdtrit,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary, room, row_dot, row_sum, sum_log_products, weighted_sum
from mlece.numerics.masks import some
from mlece.param import Param


def _points_at(x: Array, *shares: float) -> Arrays:
    """Return the sorted points (..., p) below which these shares of them lie, (...) each."""
    last = x.shape[-1] - 1
    return tuple(x[..., round(share * last)] for share in shares)


# ---------------------------------------------------------------------------- Gaussian


class Gaussian(Model):
    r"""Gaussian (normal): log q = −log σ − ½ log 2π − (y − μ)²/(2σ²).

    scipy.stats: ``norm(loc=mean, scale=sd)``. R: ``norm(mean, sd)``. The maximum likelihood ``sd``
    has divisor n.

    Examples
    --------
    >>> import mlece
    >>> mlece.Gaussian(mean=0, sd=1).entropy()
    1.4189385332046727
    """

    support = real
    concave_in = ("mean", "identity")
    everyday = True
    aliases = ("normal", "norm")
    affine = True
    unit_carrier = True
    mean = Param(real, r"\mu", typical=(-2, 2), role="location", doc="mean")
    sd = Param(positive, r"\sigma", typical=(0.5, 3), role="scale", doc="standard deviation")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return y, y * y

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        if w is None:
            return row_sum(y), row_dot(y, y)
        wy = w * y
        return row_sum(wy), row_dot(wy, y)

    @staticmethod
    def _log_density(t: Arrays, mean: Array, sd: Array) -> Array:
        y, y2 = t
        return np.asarray(-log(sd) - 0.5 * LOG_2PI - 0.5 * (y2 - 2 * mean * y + mean**2) / sd**2)

    @staticmethod
    def _score(t: Arrays, mean: Array, sd: Array) -> Arrays:
        y, y2 = t
        return (y - mean) / sd**2, ((y2 - 2 * mean * y + mean**2) / sd**2 - 1) / sd

    @staticmethod
    def _curvature(t: Arrays, mean: Array, sd: Array) -> Arrays:
        y, y2 = t
        square = (y2 - 2 * mean * y + mean**2) / sd**2
        return -1 / sd**2, -2 * (y - mean) / sd**3, (1 - 3 * square) / sd**2

    @staticmethod
    def _expected_statistics(mean: Array, sd: Array) -> Arrays:
        return mean, mean**2 + sd**2

    @staticmethod
    def _maximise(s: Summary, mean: Array | None, sd: Array | None) -> Arrays:
        y, y2 = s.mean
        centre = or_fixed(y, mean)
        return centre, or_fixed(sqrt((y2 - y * y) + (y - centre) ** 2), sd)

    @staticmethod
    def _degenerate(s: Summary, mean: Array | None, sd: Array | None) -> tuple[Limit, ...]:
        centre, spread = Gaussian._maximise(s, mean, sd)
        if not some(spread == 0):
            return ()
        sentence = (
            "every observation equals the mean: the density grows without bound as sd falls to 0"
        )
        return (
            Limit(spread == 0, Status.UNBOUNDED, sentence, (centre, spread), full(spread, -inf)),
        )

    @staticmethod
    def _log_cdf(y: Array, mean: Array, sd: Array) -> Array:
        return np.asarray(log_ndtr((y - mean) / sd))

    @staticmethod
    def _log_sf(y: Array, mean: Array, sd: Array) -> Array:
        return np.asarray(log_ndtr((mean - y) / sd))

    @staticmethod
    def _standardised(y: Array, mean: Any, sd: Any) -> tuple[Tails, Any]:
        return probit_link, (y - mean) / sd

    @staticmethod
    def _quantile(u: Array, mean: Array, sd: Array) -> Array:
        return np.asarray(mean + sd * ndtri(u))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], mean: Array, sd: Array) -> Array:
        return mean + sd * rng.standard_normal(size)

    @staticmethod
    def _entropy(mean: Array, sd: Array) -> Array:
        return np.asarray(0.5 * LOG_2PI + 0.5 + log(sd) + 0 * mean)

    @staticmethod
    def _mean(mean: Array, sd: Array) -> Array:
        return np.asarray(mean + 0 * sd)

    @staticmethod
    def _variance(mean: Array, sd: Array) -> Array:
        return np.asarray(sd**2 + 0 * mean)

    @staticmethod
    def _scipy(mean: Array, sd: Array) -> Twin:
        return "norm", {"loc": mean, "scale": sd}


# ---------------------------------------------------------------------------- Student t


# L-kurtosis of Gaussian laws (Hosking 1990).
_GAUSSIAN_TAIL = 30 / pi * np.arctan(sqrt(2.0)) - 9


@lru_cache(maxsize=16)
def _l_moments(points: int) -> Arrays:
    """Return the weights of sorted points in their second and fourth L-moments."""
    u = (np.arange(points) + 0.5) / points
    return (2 * u - 1) / points, (((20 * u - 30) * u + 12) * u - 1) / points


def _by_quantiles(x: Array) -> Arrays:
    """Return parameters of Student's t from sorted points, for tails that have no mean."""
    p5, q1, q2, q3, p95 = _points_at(x, 0.05, 0.25, 0.5, 0.75, 0.95)
    spread = where(q3 > q1, q3 - q1, x.std(axis=-1) + 1e-3)
    # Tails of index df put the ratio of the two spreads near 5^(1/df); light ones start at 5.
    ratio = where(p95 - p5 > 3.2 * spread, (p95 - p5) / spread, 1.5)
    df = np.minimum(5.0, log(5.0) / log(ratio))
    return df, q2, spread / (2 * stdtrit(df, 0.75))


class StudentT(Model):
    r"""Student t with location and scale, z = (y − m)/s.

    log q = log Γ(½(ν + 1)) − log Γ(½ν) − ½ log(πν) − ½(ν + 1) log(1 + z²/ν) − log s.
    scipy.stats: ``t(df, loc, scale)``. R: ``MASS::fitdistr(x, "t")`` with m, s, df. As df grows the
    family tends to the Gaussian, which is reported as the limit when the data ask for it. With df free
    the likelihood is unbounded at every observation (Fernandez and Steel 1999): the fit is the local
    maximum, and says so.

    Examples
    --------
    >>> import mlece
    >>> float(mlece.StudentT(df=5, loc=0, scale=1).variance)
    1.6666666666666667
    """

    support = real
    everyday = True
    aliases = ("t",)
    df = Param(positive, r"\nu", typical=(3, 12), limits=(0.02, 1e7), doc="degrees of freedom")
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location (median)")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")
    limit_families: ClassVar = (
        LimitFamily("Gaussian", {"df": inf}, {"loc": "mean", "scale": "sd"}),
    )

    _caveat = staticmethod(free_tails)

    @staticmethod
    def _degenerate(
        s: Summary, df: Array | None, loc: Array | None, scale: Array | None
    ) -> tuple[Limit, ...]:
        if scale is not None:
            return ()
        sentence = "every observation equals the location: the density grows as scale falls to 0"
        limit = (or_fixed(full(s.minimum, np.nan), df), s.minimum, full(s.minimum, 0.0))
        return point_mass(s, sentence, limit, s.minimum, loc)

    @staticmethod
    def _collapses(share: Array, df: Array | None, loc: Array | None, scale: Array | None) -> Array:
        # Kent and Tyler (1991) for a given df; a free one falls below any share (Fernandez, Steel 1999).
        if scale is not None or loc is not None:
            return full(share, 0.0).astype(bool)
        return np.asarray(share >= (0.0 if df is None else df / (df + 1)))

    @staticmethod
    def _shared(y: Array, df: Array, loc: Array, scale: Array) -> Arrays:
        z = (y - loc) / scale
        u = z * z / df
        w = 1 / (1 + u)
        uw, zw, log_u = u * w, z * w, log1p(u)
        if u.size and np.isinf(np.max(u)):
            # z² beyond the largest number: the logarithm and the ratio stay finite.
            far = np.isinf(u)
            log_u = where(far, 2 * log(where(far, abs(z), 1.0)) - log(df), log_u)
            uw = where(far, 1.0, uw)
        deficit = log_u - uw
        if np.any(df > 1e3):
            # It cancels where u is tiny; log1p(u) - u does where u is large, as beside smaller df.
            deficit = where(u < 1, log1pmx(u) + u * uw, deficit)
        return log_u, deficit, uw, uw * w, zw, zw * w

    @staticmethod
    def _shared_sums(y: Array, weights: Array | None, *theta: Array) -> Arrays:
        df, loc, scale = theta
        if some(df > 50):
            return ()  # 1 - w and log(1 + u) would lose digits
        # u = x^2 with x = z/sqrt(df), and w = 1/(1 + u).
        x = np.subtract(y, loc, out=room((max(len(y), len(df)), y.shape[1]), 1))
        x *= 1 / (scale * sqrt(df))
        w = np.multiply(x, x, out=room(x.shape, 2))
        w += 1
        log_u = sum_log_products(w, weights)
        np.divide(1, w, out=w)
        total = y.shape[1] if weights is None else weights.sum(axis=1)
        h = w if weights is None else np.multiply(w, weights, out=room(x.shape))
        uw, uww, zw = total - h.sum(axis=1), row_dot(h, w), row_dot(h, x)
        uww, zww = total - uw - uww, row_dot(np.multiply(h, w, out=h), x)
        root = sqrt(df[:, 0])
        return log_u, log_u - uw, uw, uww, root * zw, root * zww

    @staticmethod
    def _pole(df: Array, loc: Array, scale: Array) -> Arrays:
        return () if some(df > 50) else (loc, scale * sqrt(df))

    @staticmethod
    def _pole_shared(means: Arrays, df: Array, loc: Array, scale: Array) -> Arrays:
        # 1/(x - i) = xw + iw and 1/(x - i)^2 = w - 2w^2 + 2ixw^2.
        log_u, first, second = means
        w, root = first.imag, sqrt(df[:, 0])
        uw, uww = 1 - w, 0.5 * (w + second.real)
        return log_u, log_u - uw, uw, uww, root * first.real, 0.5 * root * second.imag

    @staticmethod
    def _log_density(t: Arrays, df: Array, loc: Array, scale: Array) -> Array:
        constant = half_step(df / 2) - 0.5 * LOG_2PI - log(scale)
        return np.asarray(constant - 0.5 * (df + 1) * t[0])

    @staticmethod
    def _score(t: Arrays, df: Array, loc: Array, scale: Array) -> Arrays:
        _, deficit, uw, _, zw, _ = t
        return (
            0.5 * (half_step_slope(df / 2) - deficit + uw / df),
            (df + 1) / (df * scale) * zw,
            ((df + 1) * uw - 1) / scale,
        )

    @staticmethod
    def _curvature(t: Arrays, df: Array, loc: Array, scale: Array) -> Arrays:
        # uw = u/(1 + u), hence w = 1 - uw, (uw)^2 = uw - uww and (zw)(uw) = zw - zww.
        _, _, uw, uww, zw, zww = t
        more, square = df + 1, scale * scale
        rate = more / df
        return (
            0.5 * (0.5 * half_step_bend(df / 2) + ((df - 1) * uw - more * uww) / df**2),
            (df * zw - more * zww) / (scale * df**2),
            (uw - uww * rate) / scale,
            (2 * uww + uw - 1) * (rate / square),
            zww * (-2 * rate / square),
            (1 - more * (uw + 2 * uww)) / square,
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        # Second and fourth L-moments (Hosking 1990): their ratio tells the tails from df = 1.4 on.
        p = x.shape[-1]
        weights = _l_moments(p)
        second = x @ weights[0]
        tail = x @ weights[1] / second - _GAUSSIAN_TAIL
        usable = (tail < 0.46) & (second > 0)
        # To half a per cent; lighter tails start at 30.
        thin = where(usable, tail * (3.54 + 2.75 * tail) / (1 + 4.52 * tail), 1.0)
        df = 1 / np.maximum(thin, 1 / 30)
        log_unit = (
            (6 - 4 * df) * log(2.0) + 0.5 * log(df) + gammaln(2 * df - 2) - 4 * gammaln(df / 2)
        )
        theta = df, x[..., 3 * p // 20 : p - 3 * p // 20].mean(-1), second / (pi * exp(log_unit))
        if usable.all():
            return theta
        return tuple(where(usable, t, q) for t, q in zip(theta, _by_quantiles(x), strict=True))

    @staticmethod
    def _log_cdf(y: Array, df: Array, loc: Array, scale: Array) -> Array:
        z = (y - loc) / scale
        return log_probability(stdtr(df, z), stdtr(df, -z))

    @staticmethod
    def _log_sf(y: Array, df: Array, loc: Array, scale: Array) -> Array:
        z = (y - loc) / scale
        return log_probability(stdtr(df, -z), stdtr(df, z))

    @staticmethod
    def _standardised(y: Array, df: Any, loc: Any, scale: Any) -> tuple[Tails, Any, Any]:
        return student_tails, (y - loc) / scale, df

    @staticmethod
    def _quantile(u: Array, df: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * stdtrit(df, u))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], df: Array, loc: Array, scale: Array
    ) -> Array:
        return loc + scale * rng.standard_t(df, size)

    @staticmethod
    def _entropy(df: Array, loc: Array, scale: Array) -> Array:
        half = df / 2
        step = digamma(half + 0.5) - digamma(half)
        return np.asarray(
            0.5 * (df + 1) * step + 0.5 * LOG_2PI - half_step(half) + log(scale) + 0 * loc
        )

    @staticmethod
    def _mean(df: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(where(df > 1, loc, np.nan) + 0 * scale)

    @staticmethod
    def _variance(df: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(where(df > 2, scale**2 * df / where(df > 2, df - 2, 1.0), inf) + 0 * loc)

    @staticmethod
    def _scipy(df: Array, loc: Array, scale: Array) -> Twin:
        return "t", {"df": df, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- Laplace


def _collapse(s: Summary, loc: Array | None, scale: Array | None) -> tuple[Limit, ...]:
    """Return the degenerate case of a location-scale family: every observation is equal."""
    if scale is not None:
        return ()
    sentence = "every observation is equal: the density grows without bound as scale falls to 0"
    limit = (s.minimum, full(s.minimum, 0.0))
    return point_mass(s, sentence, limit, s.minimum, loc)


class Laplace(Model):
    r"""Laplace (double exponential): log q = −log(2b) − |y − m|/b.

    scipy.stats: ``laplace(loc, scale)``. R: ``extraDistr::laplace(mu, sigma)``. The estimate of
    ``loc`` is the median; where a whole interval of medians minimises, its midpoint is reported.

    Examples
    --------
    >>> import mlece
    >>> mlece.Laplace(loc=0, scale=2).variance
    8.0
    """

    support = real
    everyday = True
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location (median)")
    scale = Param(positive, "b", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array) -> Arrays:
        return abs(y - loc), sign(y - loc)

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array) -> Array:
        return np.asarray(-log(2 * scale) - t[0] / scale)

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array) -> Arrays:
        return t[1] / scale, (t[0] / scale - 1) / scale

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array) -> Arrays:
        # The almost-everywhere curvature; the kink at y = loc is told by _kink.
        return 0 * t[0], -t[1] / scale**2, (1 - 2 * t[0] / scale) / scale**2

    @staticmethod
    def _breakpoints(loc: Array, scale: Array) -> Arrays:
        return (loc,)

    @staticmethod
    def _kink(loc: Array, scale: Array) -> tuple[str, Array]:
        # The score for loc jumps from -1/b to 1/b at y = loc.
        return "loc", 2 / scale

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None
    ) -> tuple[Arrays, tuple[Arrays, Arrays] | None, Arrays | None]:
        low, high = view.median() if loc is None else (loc, loc)
        centre = low + 0.5 * (high - low)
        spread = view.mean_of(lambda y: abs(y - centre[:, None])) if scale is None else scale
        whole = None if loc is not None else ((low, spread), (high, spread))
        # At the median 0 is a subgradient: the mean sign may be taken as 0.
        shared = (spread, 0 * spread) if scale is None and loc is None else None
        return (centre, spread), whole, shared

    @staticmethod
    def _degenerate(s: Summary, loc: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        return _collapse(s, loc, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        centre = np.median(x, axis=-1)
        spread = abs(x - centre[..., None]).mean(axis=-1)
        return centre, where(spread > 0, spread, 1.0)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return laplace_tails.log_cdf((y - loc) / scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return laplace_tails.log_sf((y - loc) / scale)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return laplace_tails, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * where(u < 0.5, log(2 * u), -log(2 * (1 - u))))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array) -> Array:
        return rng.laplace(loc, scale, size)

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return np.asarray(1 + log(2 * scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return np.asarray(loc + 0 * scale)

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return np.asarray(2 * scale**2 + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "laplace", {"loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- logistic


@lru_cache(maxsize=16)
def _logistic_weights(points: int) -> Arrays:
    """Return efficient weights of sorted points for location and scale.

    Chernoff, Gastwirth and Johns (1967), Annals of Mathematical Statistics 38, 52-72.
    """
    u = (np.arange(points) + 0.5) / points
    middle, z = u * (1 - u), logit(u)
    tilt = 2 * u - 1 + 2 * z * middle
    # With one point there is no spread.
    return middle / middle.sum(), tilt / (z @ tilt if points > 1 else 1.0)


class Logistic(Model):
    r"""Logistic: log q = −|z| − 2 log(1 + e^(−|z|)) − log s, z = (y − m)/s.

    scipy.stats: ``logistic(loc, scale)``. R: ``logis(location, scale)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Logistic(loc=0, scale=1).cdf(0.0).item()
    0.5
    """

    support = real
    concave_in = ("loc", "identity")
    everyday = True
    concave = True
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location (mean)")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array) -> Arrays:
        z = (y - loc) / scale
        e = exp(-abs(z))
        tilt = np.copysign((1 - e) / (1 + e), z)
        slope = 2 * e / (1 + e) ** 2
        zs = z * slope
        return abs(z) + 2 * log1p(e), tilt, z * tilt, slope, zs, z * zs

    @staticmethod
    def _shared_sums(y: Array, weights: Array | None, loc: Array, scale: Array) -> Arrays:
        m = y.shape[1]
        z = np.subtract(y, loc, out=room((max(len(y), len(loc)), m), 1))
        z *= 1 / scale
        e = np.abs(z, out=room(z.shape, 2))
        density = weighted_sum(e, weights, m)
        np.exp(np.negative(e, out=e), out=e)
        r = np.add(e, 1, out=room(z.shape, 3))
        density = density + 2 * sum_log_products(r, weights)
        # r = 1/(1 + e) and e/(1 + e): their difference is |tilt|, their product half the slope.
        np.divide(1, r, out=r)
        e *= r
        tilt = np.subtract(r, e, out=room(z.shape))
        np.copysign(tilt, z, out=tilt)
        slope = np.multiply(e, r, out=e)
        if weights is not None:
            tilt *= weights
            slope *= weights
        sums = tilt.sum(axis=1), row_dot(tilt, z), 2 * slope.sum(axis=1), 2 * row_dot(slope, z)
        slope *= z
        return density, *sums, 2 * row_dot(slope, z)

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array) -> Array:
        return np.asarray(-t[0] - log(scale))

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array) -> Arrays:
        return t[1] / scale, (t[2] - 1) / scale

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array) -> Arrays:
        _, tilt, z_tilt, slope, zs, zzs = t
        return -slope / scale**2, -(tilt + zs) / scale**2, (1 - 2 * z_tilt - zzs) / scale**2

    @staticmethod
    def _degenerate(s: Summary, loc: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        return _collapse(s, loc, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        of_loc, of_scale = _logistic_weights(x.shape[-1])
        spread = x @ of_scale
        return x @ of_loc, where(spread > 0, spread, 1.0)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return -np.logaddexp(0.0, (loc - y) / scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return -np.logaddexp(0.0, (y - loc) / scale)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return logit_link, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * logit(u))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array) -> Array:
        return rng.logistic(loc, scale, size)

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return np.asarray(2 + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return np.asarray(loc + 0 * scale)

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return np.asarray((pi * scale) ** 2 / 3 + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "logistic", {"loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- Gumbel


class Gumbel(Model):
    r"""Gumbel for maxima: log q = −z − e^(−z) − log b, z = (y − m)/b.

    scipy.stats: ``gumbel_r(loc, scale)``. R: ``evd::gumbel(loc, scale)``.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.Gumbel(loc=0, scale=1).mean), 6)
    0.577216
    """

    support = real
    concave_in = ("loc", "identity")
    everyday = True
    concave = True
    profile_over = "scale"
    loc = Param(real, "m", typical=(-2, 2), role="location", doc="location (mode)")
    scale = Param(positive, "b", typical=(0.5, 3), role="scale", doc="scale")

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array) -> Arrays:
        z = (y - loc) / scale
        power = exp(-z)
        zp = z * power
        return z, power, zp, z * zp

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array) -> Array:
        return np.asarray(-t[0] - t[1] - log(scale))

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array) -> Arrays:
        z, power, zp, _ = t
        return (1 - power) / scale, (z - zp - 1) / scale

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array) -> Arrays:
        z, power, zp, zzp = t
        return (
            -power / scale**2,
            -(1 - power + zp) / scale**2,
            (1 - 2 * (z - zp) - zzp) / scale**2,
        )

    @staticmethod
    def _tilt(y: Array, out: Array) -> Array:
        return np.negative(y, out=out)

    @staticmethod
    def _tilt_rate(scale: Array) -> Array:
        return 1 / scale

    @staticmethod
    def _profile_shared(m: Arrays, loc: Array, scale: Array) -> Arrays:
        mean, power, tilt, squared = -m[0], m[1], -m[2] / m[1], m[3]
        # The mean of exp(-z), z = (y - loc)/scale, is 1 but for the rounding of the location.
        unit = exp(log(power) + loc / scale)
        spread = squared / power - 2 * loc * tilt + loc**2
        return (mean - loc) / scale, unit, unit * (tilt - loc) / scale, unit * spread / scale**2

    @staticmethod
    def _profile_equation(m: Arrays, scale: Array) -> tuple[Array, Array, Arrays]:
        mean, power, tilt, squared = -m[0], m[1], -m[2] / m[1], m[3]
        # Powers beyond the largest number mean a scale far below the root.
        value = where(np.isfinite(tilt), (scale - (mean - tilt)) / scale**2, -inf)
        slope = (1 + (squared / power - tilt**2) / scale**2) / scale**2 - 2 * value / scale
        return value, slope, (-scale * log(power), scale)

    @staticmethod
    def _degenerate(s: Summary, loc: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        return _collapse(s, loc, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        q1, q2, q3 = _points_at(x, 0.25, 0.5, 0.75)
        spread = where(q3 > q1, (q3 - q1) / 1.5725, 0.78 * x.std(axis=-1))
        scale = where(spread > 0, spread, 1.0)
        return q2 - 0.3665 * scale, scale

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return -exp((loc - y) / scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return log1mexp(exp((loc - y) / scale))

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return loglog_link, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc - scale * log(-log(u)))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array) -> Array:
        return rng.gumbel(loc, scale, size)

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return np.asarray(1 + EULER + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return loc + EULER * scale

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return np.asarray((pi * scale) ** 2 / 6 + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "gumbel_r", {"loc": loc, "scale": scale}
