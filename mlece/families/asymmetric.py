"""Skewed families on the whole real line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from mlece.domain import positive, real
from mlece.families.one_sided import (
    ExponentialFrom,
    HalfNormalFrom,
    InverseGaussianFrom,
    LogNormalFrom,
    OneSided,
    from_a_point,
    with_threshold,
)
from mlece.families.standard import Jet, LocationScale, log_tail, moments
from mlece.limits import Limit, LimitFamily, full, point_mass
from mlece.links.tails import Tails
from mlece.links.unit_links import probit_link
from mlece.math import (
    LOG_2PI,
    LOG_PI,
    Array,
    Arrays,
    abs,
    arcsinh,
    cosh,
    erfcx,
    exp,
    expm1,
    hypot,
    inf,
    inverse_mills,
    k0e,
    k1e,
    kve,
    log,
    log1p,
    log_ndtr,
    ndtr,
    ndtri,
    owens_t,
    pi,
    sign,
    sinh,
    sqrt,
    tanh,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_arcsinh, jet_sinh
from mlece.param import Param

_MEAN_HALF = 0.7978845608028654  # E|Z| of a standard Gaussian, sqrt(2/pi)
_NEWTON = 40


def _gaussian(runs: dict[str, float], *shapes: float) -> LimitFamily:
    """Return the Gaussian limit, whose mean and sd stand for loc and scale; the shapes come to these."""

    def theta(mean: Array, sd: Array) -> Arrays:
        return mean, sd, *(full(mean, shape) for shape in shapes)

    return LimitFamily("Gaussian", runs, theta=theta, rival=True)


# ---------------------------------------------------------------------------- skew normal


class SkewNormal(LocationScale):
    r"""Skew normal: log q = log 2 + log φ(z) + log Φ(α z) − log s, z = (y − m)/s.

    scipy.stats: ``skewnorm(a=shape, loc, scale)``. R: ``sn::sn(xi=loc, omega=scale, alpha=shape)``
    (Azzalini 1985). With positive probability the likelihood grows towards shape = ±∞, the half
    normal law from the smallest (below the largest) observation: the limit is then reported. At
    shape 0 the information is singular (the Gaussian is a stationary point of every likelihood).

    Examples
    --------
    >>> import mlece
    >>> round(mlece.SkewNormal(loc=0, scale=1, shape=3).mean, 6)
    0.75694
    """

    everyday = True
    shape = Param(real, r"\alpha", typical=(-3, 4), limits=(-1e4, 1e4), doc="skewness")
    limit_families: ClassVar = from_a_point(
        HalfNormalFrom,
        {"shape": inf},
        {"shape": -inf},
        {"loc": "loc", "scale": "scale"},
        rival=True,
    )

    @staticmethod
    def _standard(z: Array, shape: Array) -> Jet:
        x = shape * z
        ratio, _, f = inverse_mills(x)
        second = -(1 + f)
        value = log(2.0) - 0.5 * LOG_2PI - 0.5 * z * z + log_ndtr(x)
        return Jet(
            value,
            shape * ratio - z,
            shape * shape * second - 1,
            (z * ratio,),
            (ratio + x * second,),
            (z * z * second,),
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, skew = moments(x)
        g = (2 * np.minimum(abs(skew), 0.98) / (4 - pi)) ** (2 / 3)
        delta = sign(skew) * sqrt(0.5 * pi * g / (1 + g))
        own = delta / sqrt(1 - np.minimum(delta * delta, 0.9999))
        steep = where(skew < 0, -10.0, 10.0)
        shape = np.stack([own, full(own, 1.5), full(own, -1.5), steep])
        delta = shape / sqrt(1 + shape**2)
        scale = sd / sqrt(1 - (_MEAN_HALF * delta) ** 2)
        return mean - scale * delta * _MEAN_HALF, scale, shape

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        z, shape = np.broadcast_arrays((y - loc) / scale, shape)
        plain = np.asarray(ndtr(z) - 2 * owens_t(z, shape))
        # Far out the difference has lost its digits: there the tail is integrated.
        far = plain < 1e-4
        z, steep = z[far], shape[far]

        def g(at: Array) -> Array:
            return np.asarray(log(2.0) - 0.5 * LOG_2PI - 0.5 * at * at + log_ndtr(steep * at))

        slope = steep * inverse_mills(steep * z)[0] - z
        tail = log_tail(g, z, where(slope > 0, slope, 1.0))
        out = np.array(log(plain))
        out[far] = where(slope > 0, tail, out[far])
        return np.asarray(out)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return SkewNormal._log_cdf(2 * loc - y, loc, scale, -shape)

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array, shape: Array
    ) -> Array:
        half, whole = abs(rng.standard_normal(size)), rng.standard_normal(size)
        return np.asarray(loc + scale * (shape * half + whole) / sqrt(1 + shape**2))

    @staticmethod
    def _mean(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(loc + scale * _MEAN_HALF * shape / sqrt(1 + shape**2))

    @staticmethod
    def _variance(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(scale**2 * (1 - 2 / pi * shape**2 / (1 + shape**2)) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, shape: Array) -> Twin:
        return "skewnorm", {"a": shape, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- Gaussian + exponential


class ExGaussian(Model):
    r"""Sum of a Gaussian N(μ, σ²) and an exponential of mean τ (exponentially modified Gaussian).

    log q = −log τ + σ²/(2τ²) − (y − μ)/τ + log Φ((y − μ)/σ − σ/τ). scipy.stats:
    ``exponnorm(K=tail/scale, loc=loc, scale=scale)``. R: ``gamlss.dist::exGAUS(mu=loc, sigma=scale,
    nu=tail)``, ``emg::emg(mu=loc, sigma=scale, lambda=1/tail)``. The limits are the Gaussian (tail = 0),
    to which a sample without skewness to the right leads, and the exponential from the smallest
    observation on (scale = 0).

    Examples
    --------
    >>> import mlece
    >>> mlece.ExGaussian(loc=400, scale=30, tail=100).mean
    500.0
    """

    support = real
    loc = Param(real, r"\mu", typical=(-2, 2), role="location", doc="mean of the Gaussian part")
    scale = Param(
        positive,
        r"\sigma",
        typical=(0.5, 2),
        role="scale",
        limits=(1e-6, inf),
        doc="standard deviation of the Gaussian part",
    )
    tail = Param(
        positive,
        r"\tau",
        typical=(0.7, 3),
        role="scale",
        limits=(1e-5, inf),
        doc="mean of the exponential part",
    )
    limit_families: ClassVar = (
        LimitFamily("Gaussian", {"tail": 0.0}, {"loc": "mean", "scale": "sd"}, rival=True),
        LimitFamily(
            ExponentialFrom,
            {"scale": 0.0},
            {"loc": "loc", "tail": "scale"},
            {"side": 1.0},
            law="exponential above loc",
            rival=True,
        ),
    )

    @staticmethod
    def _parts(y: Array, loc: Array, scale: Array, tail: Array) -> Arrays:
        """Return z, k = σ/τ, x = z − k, log q, and ζ, e = x + ζ, f = e ζ − 1 at x."""
        z, k = (y - loc) / scale, scale / tail
        x = z - k
        ratio, e, f = inverse_mills(x)
        # Either form is exact; the squares cancel in the first below 0, in the second above.
        above = k * (0.5 * k - z) + log_ndtr(x)
        below = log(0.5 * erfcx(-0.7071067811865476 * np.minimum(x, 0.0))) - 0.5 * z * z
        return z, k, x, where(x > 0, above, below) - log(tail), ratio, e, f

    @staticmethod
    def _shared(y: Array, loc: Array, scale: Array, tail: Array) -> Arrays:
        z, k, x, value, ratio, e, f = ExGaussian._parts(y, loc, scale, tail)
        # d = −x e − 1 = f − e²; as τ falls to 0, k grows, and e ~ 1/k, d ~ −2/k², f ~ −1/k².
        low = x < 0
        d = f - e * e
        first = where(low, z - e, k - ratio)
        spread = where(low, z * (z - e) - k * e, k * k - ratio * (z + k))
        far = d + e * z
        width = z + k
        bent = -3 * z * z + 2 * e * z - width * width * f
        direct = k * k - (1 + f) * width * width + 2 * ratio * z
        return (
            value,
            first / scale,
            spread / scale,
            far / tail,
            -(1 + f) / scale**2,
            -ratio * (d + 2 * e * z) / scale**2,
            f / tail**2,
            where(low, bent, direct) / scale**2,
            (f * width + e) / tail**2,
            -(1 + 2 * far + k * k * f) / tail**2,
        )

    @staticmethod
    def _log_density(t: Arrays, loc: Array, scale: Array, tail: Array) -> Array:
        return t[0]

    @staticmethod
    def _score(t: Arrays, loc: Array, scale: Array, tail: Array) -> Arrays:
        return t[1:4]

    @staticmethod
    def _curvature(t: Arrays, loc: Array, scale: Array, tail: Array) -> Arrays:
        return t[4:]

    @staticmethod
    def _degenerate(
        s: Summary, loc: Array | None, scale: Array | None, tail: Array | None
    ) -> tuple[Limit, ...]:
        if scale is not None or tail is not None:
            return ()
        sentence = (
            "every observation is equal: the density grows without bound as both scales fall to 0"
        )
        zero = full(s.minimum, 0.0)
        limit = (s.minimum, zero, zero)
        return point_mass(s, sentence, limit, s.minimum, loc)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, skew = moments(x)
        own = np.minimum(np.maximum(np.cbrt(0.5 * np.maximum(skew, 0.0)), 0.2), 0.97)
        share = np.stack([own, full(own, 0.5), full(own, 0.8), full(own, 0.98)])
        return mean - share * sd, sd * sqrt(1 - share**2), share * sd

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, tail: Array) -> Array:
        z, k, _, log_q, ratio, _, _ = ExGaussian._parts(y, loc, scale, tail)
        whole = ndtr(z)
        plain = np.asarray(whole - exp(log_q + log(tail)))
        far = (z < -1.5) & (plain < 0.01 * whole) | (plain <= 0)
        z, k, ratio = (a[far] for a in np.broadcast_arrays(z, k, ratio))

        def g(at: Array) -> Array:
            return ExGaussian._parts(at, 0 * z, 1 + 0 * z, 1 / k)[3]

        out = np.array(log(plain))
        out[far] = log_tail(g, z, ratio - k)
        return out

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, tail: Array) -> Array:
        z, _, _, log_q, _, _, _ = ExGaussian._parts(y, loc, scale, tail)
        return np.asarray(np.logaddexp(log_ndtr(-z), log_q + log(tail)))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array, tail: Array
    ) -> Array:
        return loc + scale * rng.standard_normal(size) + tail * rng.standard_exponential(size)

    @staticmethod
    def _mean(loc: Array, scale: Array, tail: Array) -> Array:
        return np.asarray(loc + tail + 0 * scale)

    @staticmethod
    def _variance(loc: Array, scale: Array, tail: Array) -> Array:
        return np.asarray(scale**2 + tail**2 + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, tail: Array) -> Twin:
        return "exponnorm", {"K": tail / scale, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- Johnson's S_U


class JohnsonSU(LocationScale):
    r"""Johnson's S_U: γ + δ arsinh z is standard Gaussian, z = (y − m)/s, with a = γ and b = δ.

    log q = log δ − ½ log(1 + z²) − ½ log 2π − ½ (γ + δ arsinh z)² − log s. scipy.stats:
    ``johnsonsu(a, b, loc, scale)``. R: ``SuppDists::Johnson(gamma=a, delta=b, xi=loc, lambda=scale,
    type="SU")``. Its limit is the Gaussian (b = ∞). The likelihood is unbounded as b and scale fall to
    0 at a data point, whatever the data; the estimate is the best local maximum.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.JohnsonSU(loc=0, scale=1, a=0, b=2).sd), 6)
    0.569527
    """

    a = Param(real, r"\gamma", typical=(-1, 1.4), limits=(-1e3, 1e3), doc="skewness")
    b = Param(positive, r"\delta", typical=(0.8, 2), limits=(1e-3, 1e3), doc="tail weight")
    limit_families: ClassVar = (
        _gaussian({"b": inf}, 0.0, inf),
        *from_a_point(
            LogNormalFrom,
            {"a": -inf, "scale": 0.0},
            {"a": inf, "scale": 0.0},
            {"loc": "loc"},
            lambda side, loc, scale, b: (loc, full(loc, 0.0), full(loc, -side * inf), b),
        ),
    )

    @staticmethod
    def _standard(z: Array, a: Array, b: Array) -> Jet:
        r, s = hypot(1.0, z), arcsinh(z)
        w = a + b * s
        v = z / r
        return Jet(
            log(b) - log(r) - 0.5 * LOG_2PI - 0.5 * w * w,
            -(v + b * w) / r,
            (v * v - (1 / r) ** 2 - b * b + b * w * v) / r / r,
            (-w, 1 / b - w * s),
            (-b / r, -(w + b * s) / r),
            (full(a + b, -1.0), -s, -1 / b**2 - s * s),
        )

    @staticmethod
    def _collapses(share: Array, *slots: Array | None) -> Array:
        return full(share, float(all(s is None for s in slots))).astype(bool)

    @staticmethod
    def _start(x: Array) -> Arrays:
        shapes = ((0.0, 1.0), (0.0, 2.5), (-1.0, 1.5), (1.0, 1.5), (-4.0, 2.5), (4.0, 2.5))
        pairs = [(full(x[..., 0], a), full(x[..., 0], b)) for a, b in shapes]
        return _by_quartiles(x, JohnsonSU._quantile, pairs)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, a: Array, b: Array) -> Array:
        return np.asarray(log_ndtr(a + b * arcsinh((y - loc) / scale)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, a: Array, b: Array) -> Array:
        return np.asarray(log_ndtr(-(a + b * arcsinh((y - loc) / scale))))

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any, a: Any, b: Any) -> tuple[Tails, Any]:
        return probit_link, a + b * jet_arcsinh((y - loc) / scale)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, a: Array, b: Array) -> Array:
        return np.asarray(loc + scale * sinh((ndtri(u) - a) / b))

    @staticmethod
    def _mean(loc: Array, scale: Array, a: Array, b: Array) -> Array:
        return np.asarray(loc - scale * exp(0.5 / b**2) * sinh(a / b))

    @staticmethod
    def _variance(loc: Array, scale: Array, a: Array, b: Array) -> Array:
        grown = exp(1 / b**2) * cosh(2 * a / b) + 1
        return np.asarray(0.5 * scale**2 * expm1(1 / b**2) * grown + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, a: Array, b: Array) -> Twin:
        return "johnsonsu", {"a": a, "b": b, "loc": loc, "scale": scale}


def _by_quartiles(x: Array, quantile: Any, shapes: Sequence[Arrays]) -> Arrays:
    """Return starts whose quartiles are those of sorted points (r, p), one for each set of shapes."""
    last = x.shape[-1] - 1
    q1, q2, q3 = (x[..., round(f * last)] for f in (0.25, 0.5, 0.75))
    width = where(q3 > q1, q3 - q1, x.std(axis=-1))
    width = where(width > 0, width, 1.0)
    starts = []
    for values in shapes:
        own = [quantile(np.asarray(u), 0.0, 1.0, *values) for u in (0.25, 0.5, 0.75)]
        scale = width / (own[2] - own[0])
        starts.append((q2 - scale * own[1], scale, *values))
    return tuple(np.stack(column) for column in zip(*starts, strict=True))


# ---------------------------------------------------------------------------- sinh-arcsinh


def _sinh_terms(z: Array) -> Arrays:
    """Return ½ sinh² z − log cosh z and its first two derivatives."""
    level, steep = sinh(z), tanh(z)
    value = 0.5 * level * level - np.logaddexp(z, -z) + log(2.0)
    return value, 0.5 * sinh(2 * z) - steep, cosh(2 * z) - 1 + steep * steep


class SinhNormal(LocationScale, abstract=True):
    """Sinh-normal of shape 2: sinh z is standard Gaussian, z = (y − loc)/scale (Rieck, Nedelman 1991)."""

    @staticmethod
    def _standard(z: Array) -> Jet:
        value, slope, bend = _sinh_terms(z)
        return Jet(-value - 0.5 * LOG_2PI, -slope, -bend)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, _ = moments(x)
        return mean, 1.3 * sd

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(log_ndtr(sinh((y - loc) / scale)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(log_ndtr(-sinh((y - loc) / scale)))

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        return np.asarray(loc + scale * arcsinh(ndtri(u)))


def _sinh_profile(view: Any, loc: Array, side: Array) -> Arrays:
    """Return the cross-entropy of the best :class:`SinhNormalFrom` from loc on, its scale and b.

    With z = b d − a, d the log of the distance, −log b − log cosh z + ½ sinh² z is convex in (a, b):
    Newton's method, a step that does not descend shortened.
    """

    def depth(y: Array) -> Array:
        return np.asarray(log(side[:, None] * (y - loc[:, None])))

    centre = view.mean_of(depth)
    sd = sqrt(view.mean_of(lambda y: (depth(y) - centre[:, None]) ** 2))

    def at(a: Array, b: Array) -> tuple[Array, Array, Array]:
        def mean(order: int, power: int) -> Array:
            def part(y: Array) -> Array:
                d = depth(y) - centre[:, None]
                return np.asarray(d**power * _sinh_terms(b[:, None] * d - a[:, None])[order])

            out: Array = view.mean_of(part)
            return out

        score = np.stack([-mean(1, 0), mean(1, 1) - 1 / b])
        aa, ab, bb = (mean(2, power) for power in range(3))
        return mean(0, 0) - log(b), score, np.array([[aa, -ab], [-ab, bb + 1 / b**2]])

    theta = np.stack([0 * sd, 0.5 / sd])
    value, score, hessian = at(*theta)
    reach = np.ones(len(sd))
    for _ in range(_NEWTON):
        step = -np.linalg.solve(np.moveaxis(hessian, -1, 0), score.T[..., None])[..., 0].T
        if not (abs(step) > 1e-9 * (1 + abs(theta))).any():
            break
        trial = theta + reach * step
        new, *slopes = at(*trial)
        down = (new <= value) & (trial[1] > 0)
        theta, value = where(down, trial, theta), where(down, new, value)
        score, hessian = (where(down, n, o) for n, o in zip(slopes, (score, hessian), strict=True))
        reach = where(down, 1.0, 0.3 * reach)
    a, b = theta
    return value + centre + 0.5 * LOG_2PI, exp(centre + a / b), b


class SinhNormalFrom(OneSided, abstract=True):
    """Sinh-normal of the log of the distance to a point: sinh(b log(|y − loc|/scale)) is Gaussian."""

    words = "log-sinh-normal"
    b = Param(positive, "b", typical=(1, 3), doc="tail weight")

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, side: Array, b: Array | None
    ) -> tuple[Arrays, None, None]:
        return with_threshold(view, loc, side, _sinh_profile), None, None

    @staticmethod
    def _log_density(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        z = b * log(abs(y - loc) / scale)
        return np.asarray(log(b) - _sinh_terms(z)[0] - 0.5 * LOG_2PI - log(abs(y - loc)))

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return np.asarray(log_ndtr(side * sinh(b * log(abs(y - loc) / scale))))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return SinhNormalFrom._log_cdf(y, loc, scale, -side, b)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, side: Array, b: Array) -> Array:
        return np.asarray(loc + side * scale * exp(side * arcsinh(ndtri(u)) / b))


class SinhArcsinh(LocationScale):
    r"""Sinh-arcsinh: sinh(δ arsinh z − ε) is standard Gaussian, z = (y − m)/s.

    log q = log δ + log cosh v − ½ log(1 + z²) − ½ log 2π − ½ sinh² v − log s with v = δ arsinh z − ε
    (Jones and Pewsey 2009). skewness ε > 0 leans to the right; tailweight δ < 1 has heavier tails than
    the Gaussian, which is the member ε = 0, δ = 1. R: ``gamlss.dist::SHASHo(mu=loc, sigma=scale,
    nu=skewness, tau=tailweight)``; scipy.stats has none. As tailweight and scale grow together the
    limit is the sinh-normal law, of the lightest tails. The likelihood is unbounded as tailweight and
    scale fall to 0 at a data point, whatever the data; the estimate is the best local maximum.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.SinhArcsinh(loc=0, scale=1, skewness=0, tailweight=1).sd), 12)
    1.0
    """

    skewness = Param(real, r"\varepsilon", typical=(-0.8, 1), limits=(-50, 50), doc="skewness")
    tailweight = Param(
        positive, r"\delta", typical=(0.5, 1.6), limits=(1e-3, 1e3), doc="tail weight"
    )
    limit_families: ClassVar = (
        LimitFamily(
            SinhNormal,
            {"scale": inf, "tailweight": inf},
            theta=lambda loc, scale: (loc, full(loc, inf), full(loc, 0.0), full(loc, inf)),
            law="the sinh-normal law",
            rival=True,
        ),
        *(
            replace(
                limit, running=f"skewness runs to {'' if k == 0 else 'minus '}infinity, scale to 0"
            )
            for k, limit in enumerate(
                from_a_point(
                    SinhNormalFrom,
                    {"scale": 0.0},
                    {"scale": 0.0},
                    {"loc": "loc"},
                    lambda side, loc, scale, b: (loc, full(loc, 0.0), full(loc, side * inf), b),
                )
            )
        ),
    )

    @staticmethod
    def _standard(z: Array, skewness: Array, tailweight: Array) -> Jet:
        r, s = hypot(1.0, z), arcsinh(z)
        v = tailweight * s - skewness
        size, tilt, level = abs(v), tanh(v), sinh(v)
        log_cosh = size + log1p(exp(-2 * size)) - log(2.0)
        rise = tilt - level * cosh(v)
        fall = 1 - tilt * tilt - cosh(2 * v)
        lean, pull = z / r, tailweight / r
        return Jet(
            log(tailweight) + log_cosh - log(r) - 0.5 * LOG_2PI - 0.5 * level * level,
            rise * pull - lean / r,
            fall * pull * pull - (rise * tailweight * lean + (1 / r) ** 2 - lean * lean) / r / r,
            (-rise, 1 / tailweight + rise * s),
            (-fall * pull, fall * s * pull + rise / r),
            (fall, -fall * s, fall * s * s - 1 / tailweight**2),
        )

    @staticmethod
    def _collapses(share: Array, *slots: Array | None) -> Array:
        return full(share, float(all(s is None for s in slots))).astype(bool)

    @staticmethod
    def _start(x: Array) -> Arrays:
        shapes = (
            (0.0, 0.6),
            (0.0, 1.0),
            (0.0, 2.0),
            (-0.5, 0.8),
            (0.5, 0.8),
            (-1.5, 1.5),
            (1.5, 1.5),
        )
        pairs = [(full(x[..., 0], e), full(x[..., 0], d)) for e, d in shapes]
        return _by_quartiles(x, SinhArcsinh._quantile, pairs)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, skewness: Array, tailweight: Array) -> Array:
        return np.asarray(log_ndtr(sinh(tailweight * arcsinh((y - loc) / scale) - skewness)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, skewness: Array, tailweight: Array) -> Array:
        return np.asarray(log_ndtr(-sinh(tailweight * arcsinh((y - loc) / scale) - skewness)))

    @staticmethod
    def _standardised(
        y: Array, loc: Any, scale: Any, skewness: Any, tailweight: Any
    ) -> tuple[Tails, Any]:
        return probit_link, jet_sinh(tailweight * jet_arcsinh((y - loc) / scale) - skewness)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, skewness: Array, tailweight: Array) -> Array:
        return np.asarray(loc + scale * sinh((arcsinh(ndtri(u)) + skewness) / tailweight))

    @staticmethod
    def _cosh_moment(q: Array) -> Array:
        """Return E cosh(q arsinh Z), Z standard Gaussian (Jones and Pewsey 2009)."""
        return np.asarray((kve(0.5 * (q + 1), 0.25) + kve(0.5 * abs(q - 1), 0.25)) / sqrt(8 * pi))

    @staticmethod
    def _mean(loc: Array, scale: Array, skewness: Array, tailweight: Array) -> Array:
        first = SinhArcsinh._cosh_moment(1 / tailweight)
        return np.asarray(loc + scale * sinh(skewness / tailweight) * first)

    @staticmethod
    def _variance(loc: Array, scale: Array, skewness: Array, tailweight: Array) -> Array:
        first = sinh(skewness / tailweight) * SinhArcsinh._cosh_moment(1 / tailweight)
        second = cosh(2 * skewness / tailweight) * SinhArcsinh._cosh_moment(2 / tailweight)
        return np.asarray(scale**2 * (0.5 * (second - 1) - first**2) + 0 * loc)


# ---------------------------------------------------------------------------- normal inverse Gaussian

# Coefficients of 1 − K0(x)/K1(x) in powers of 1/x, by its Riccati equation.
_BESSEL = [0.0, 0.5]
for _k in range(2, 21):
    _square = sum(_BESSEL[_i] * _BESSEL[_k - _i] for _i in range(1, _k))
    _BESSEL.append(0.5 * (_square - _k * _BESSEL[_k - 1]))


def _bessel(x: Array) -> Arrays:
    """Return h = log(x e^x K1(x)) with its first two derivatives 1 − K0/K1 and their slope."""
    far = x > 40
    near = where(far, 1.0, x)
    zeroth, first = k0e(near), k1e(near)
    rho = zeroth / first
    slope = (first - zeroth) / first
    bend = slope * (1 + rho) - rho / near
    u = 1 / where(far, x, 40.0)
    series, fall, rest = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
    for j in range(20, 0, -1):
        series = u * (_BESSEL[j] + series)
        fall = u * (fall - j * _BESSEL[j])
        rest = u * rest + (_BESSEL[j] / (1 - j) if j > 1 else 0.0)
    value = where(far, 0.5 * log(0.5 * pi * where(far, x, 1.0)) + rest, log(near * first))
    return value, where(far, series, slope), where(far, fall * u, bend)


class NormalInverseGaussian(LocationScale):
    r"""Normal inverse Gaussian, by skew η = β/γ and steepness ζ = s γ with γ² = α² − β².

    log q = log(a/π) + ζ + b z − log R + log K₁(a R) − log s with z = (y − m)/s, R² = 1 + z²,
    a = s α = ζ √(1 + η²), b = s β = ζ η: skew and steepness vary independently, which α and β do not
    (|β| < α). scipy.stats: ``norminvgauss(a, b, loc, scale)``. R: ``GeneralizedHyperbolic::nig(mu=loc,
    delta=scale, alpha=a/scale, beta=b/scale)``, of which (η, ζ) are parametrisation 1, written (π, ζ)
    there (Barndorff-Nielsen 1997). The limit is the Gaussian (steepness = ∞).

    Examples
    --------
    >>> import mlece
    >>> mlece.NormalInverseGaussian(loc=0, scale=1, skew=0.5, steepness=2).mean
    0.5
    """

    skew = Param(real, r"\eta", typical=(-0.6, 1), limits=(-1e3, 1e3), doc="skewness β/γ")
    steepness = Param(
        positive, r"\zeta", typical=(0.2, 1.2), limits=(1e-15, 1e6), doc="steepness s γ"
    )
    limit_families: ClassVar = (
        _gaussian({"steepness": inf}, 0.0, inf),
        *from_a_point(
            InverseGaussianFrom,
            {"skew": inf, "scale": 0.0},
            {"skew": -inf, "scale": 0.0},
            {"loc": "loc"},
            lambda side, loc, scale, k: (loc, full(loc, 0.0), full(loc, side * inf), k),
        ),
    )

    @staticmethod
    def _standard(z: Array, skew: Array, steepness: Array) -> Jet:
        r, q = hypot(1.0, z), hypot(1.0, skew)
        lean, tilt = z / r, skew / q
        h, s, t = _bessel(steepness * q * r)
        # a R − ζ − b z = ζ (q R − 1 − π z), the difference of two squares over their sum.
        level = 1 + skew * z
        ahead = level > 0
        near = (z - skew) * ((z - skew) / (q * r + where(ahead, level, 0.0)))
        gap = where(ahead, near, q * r - level)
        x_z, x_p, x_zeta = steepness * q * lean, steepness * tilt * r, q * r
        gap_z, gap_p = q * lean - skew, tilt * r - z
        curl, twist = q / r / r / r, r / q / q / q
        return Jet(
            h - LOG_PI - 2 * log(r) - steepness * gap,
            s * x_z - 2 * lean / r - steepness * gap_z,
            t * x_z * x_z + (s - 1) * steepness * curl - 2 * ((1 / r) ** 2 - lean * lean) / r / r,
            (s * x_p - steepness * gap_p, s * x_zeta - gap),
            (
                t * x_z * x_p + steepness * (s * tilt * lean - (tilt * lean - 1)),
                t * x_z * x_zeta + s * q * lean - gap_z,
            ),
            (
                t * x_p * x_p + (s - 1) * steepness * twist,
                t * x_zeta * x_p + s * tilt * r - gap_p,
                t * x_zeta * x_zeta,
            ),
        )

    @staticmethod
    def _collapses(share: Array, *slots: Array | None) -> Array:
        # As scale and steepness fall to 0 the law is a Cauchy (Kent and Tyler 1991).
        return (share > 0.5) & all(s is None for s in slots)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, _ = moments(x)
        pairs = (
            (0.0, 1.0),
            (0.0, 0.1),
            (0.0, 8.0),
            (0.7, 1.0),
            (-0.7, 1.0),
            (2.0, 1.0),
            (-2.0, 1.0),
        )
        skew, steepness = (np.stack([full(mean, v[j]) for v in pairs]) for j in (0, 1))
        scale = sd * sqrt(steepness / (1 + skew**2))
        return mean - scale * skew, scale, skew, steepness

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        loc: Array,
        scale: Array,
        skew: Array,
        steepness: Array,
    ) -> Array:
        mixing = rng.wald(1 / steepness, 1.0, size)
        z = steepness * skew * mixing + sqrt(mixing) * rng.standard_normal(size)
        return np.asarray(loc + scale * z)

    @staticmethod
    def _mean(loc: Array, scale: Array, skew: Array, steepness: Array) -> Array:
        return np.asarray(loc + scale * skew + 0 * steepness)

    @staticmethod
    def _variance(loc: Array, scale: Array, skew: Array, steepness: Array) -> Array:
        return np.asarray(scale**2 * (1 + skew**2) / steepness + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, skew: Array, steepness: Array) -> Twin:
        alpha = steepness * sqrt(1 + skew * skew)
        return "norminvgauss", {"a": alpha, "b": steepness * skew, "loc": loc, "scale": scale}
