"""Families on the half line in which a power of y is a ratio of gammas: the Burr system.

All are members of the generalised beta of the second kind, y = scale · e^(z/shape) with z the log ratio of
two gammas of shapes p and q; its derivatives serve all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mlece.domain import nonnegative, positive
from mlece.families.beta_tails import log_cdf_of_odds, log_odds_tails
from mlece.families.skew_tails import AsymmetricLaplace
from mlece.limits import Limit, LimitFamily, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.links.unit_links import cloglog_link, logit_link
from mlece.math import (
    Array,
    Arrays,
    abs,
    betaincinv,
    betaln,
    digamma,
    exp,
    expit,
    expm1,
    inf,
    log,
    log1mexp,
    log1p,
    pi,
    softplus,
    sqrt,
    trigamma,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_log, jet_log1p
from mlece.param import Param

_ONE = np.asarray(1.0)


def _best(values: Sequence[Array], candidates: Sequence[Arrays]) -> Arrays:
    """Return for each member of a batch the candidate of the largest value."""
    table = np.stack(values)
    best = np.argmax(where(np.isfinite(table), table, -inf), axis=0)
    members = np.arange(table.shape[1])
    return tuple(
        np.stack([np.broadcast_to(c[j], table.shape[1:]) for c in candidates])[best, members]
        for j in range(len(candidates[0]))
    )


def _log_scales(x: Array) -> tuple[Array, Array]:
    """Return log x and the scale of a logistic law of the same variance, for points (R, p)."""
    log_x = log(x)
    spread = log_x.std(axis=-1) * (sqrt(3.0) / pi)
    return log_x, where(spread > 0, spread, 1e-8)


# ---------------------------------------------------------------------------- GB2


def _beyond_gb2(mu: Array, sigma: Array, q: Array) -> Arrays:
    """Return shape, scale, p and q of the GB2 laws that tend to a generalised gamma law.

    With q > 0 the second gamma runs off and the scale with it, with q < 0 the first and the scale falls.
    At q infinite, a Pareto or a power law, the shape runs off and the scale stays.
    """
    end = np.isinf(q)
    index = where(end, 0.0, 1 / where(end, 1.0, q) ** 2)
    shape = where(end, inf, abs(where(end, 1.0, q)) / where(end, 1.0, sigma))
    scale = where(end, exp(mu), where(q > 0, inf, 0.0))
    return shape, scale, where(q > 0, index, inf), where(q > 0, inf, index)


@dataclass(frozen=True)
class _Logarithms:
    """The logarithms of a sample, as a closed form of a law on the line takes them."""

    view: Any

    def mean_of(self, function: Callable[[Array], Array]) -> Array:
        mean: Array = self.view.mean_of(lambda y: function(log(y)))
        return mean

    def ordered(self) -> tuple[Array, Array]:
        y, w = self.view.ordered()
        return log(y), w


class DoublePareto(Model, abstract=True):
    """The law of y where log y has the asymmetric Laplace law at log scale."""

    support = positive
    scale = Param(positive, "b", typical=(0.5, 3), role="scale", doc="where the slopes meet")
    spread = Param(positive, "s", typical=(0.5, 2), doc="scale of log y")
    asymmetry = Param(positive, r"\kappa", typical=(0.5, 2), doc="asymmetry")

    @staticmethod
    def _estimate(
        view: Any, scale: Array | None, spread: Array | None, asymmetry: Array | None
    ) -> tuple[Arrays, None, None]:
        loc = None if scale is None else log(scale)
        found, _, _ = AsymmetricLaplace._estimate(_Logarithms(view), loc, spread, asymmetry)
        return (exp(found[0]), *found[1:]), None, None

    @staticmethod
    def _log_density(y: Array, scale: Array, spread: Array, asymmetry: Array) -> Array:
        z = log(y / scale) / spread
        return AsymmetricLaplace._standard(z, asymmetry).value - log(spread) - log(y)

    @staticmethod
    def _breakpoints(scale: Array, spread: Array, asymmetry: Array) -> Arrays:
        return (scale,)

    @staticmethod
    def _log_cdf(y: Array, scale: Array, spread: Array, asymmetry: Array) -> Array:
        return AsymmetricLaplace._log_cdf(log(y), log(scale), spread, asymmetry)

    @staticmethod
    def _log_sf(y: Array, scale: Array, spread: Array, asymmetry: Array) -> Array:
        return AsymmetricLaplace._log_sf(log(y), log(scale), spread, asymmetry)

    @staticmethod
    def _quantile(u: Array, scale: Array, spread: Array, asymmetry: Array) -> Array:
        return exp(AsymmetricLaplace._quantile(u, log(scale), spread, asymmetry))


class GB2(Model):
    r"""Generalised beta of the second kind, a power of a ratio of two gammas.

    log q = log a − log y + p z − (p + q) log(1 + e^z) − log B(p, q), z = a log(y/b), with a the shape and
    b the scale (McDonald 1984). R: ``VGAM::genbetaII(scale,
    shape1.a=shape, shape2.p=p, shape3.q=q)``, ``gamlss.dist::GB2(mu=scale, sigma=shape, nu=p, tau=q)``.
    scipy.stats, for some members only: p = 1 is Burr XII, ``burr12(c=shape, d=q, scale=scale)``, q = 1
    Dagum, ``burr(c=shape, d=p, scale=scale)``, shape 1 ``betaprime(a=p, b=q, scale=scale)``, the law of
    y^a in general. p = q = 1 is log-logistic.
    As p or q grows the family tends to the generalised gamma, as both do to the lognormal law; at small n
    the maximum often lies there, and the fit says so.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.GB2(shape=2, scale=1, p=1, q=2).cdf(1.0)), 6)
    0.75
    """

    support = positive
    shape = Param(positive, "a", typical=(4, 8), limits=(1e-4, 1e5), doc="shape")
    scale = Param(positive, "b", typical=(0.5, 3), role="scale", doc="scale")
    p = Param(positive, "p", typical=(0.3, 0.8), limits=(1e-7, 1e5), doc="index at 0 over shape")
    q = Param(
        positive, "q", typical=(0.6, 1.2), limits=(1e-7, 1e5), doc="index of the tail over shape"
    )
    limit_families: ClassVar = (
        LimitFamily(
            "GeneralizedGamma",
            {"p": inf, "q": inf},
            theta=_beyond_gb2,
            running="p or q runs to infinity",
        ),
        LimitFamily(
            DoublePareto,
            {"shape": inf, "p": 0.0, "q": 0.0},
            theta=lambda scale, _spread, _lean: (
                full(scale, inf),
                scale,
                full(scale, 0.0),
                full(scale, 0.0),
            ),
            law="the double Pareto law, whose logarithm has a Laplace law with two slopes",
            rival=True,
        ),
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, shape: Array, scale: Array, p: Array, q: Array) -> Arrays:
        w = t[0] - log(scale)
        z = shape * w
        above, below = expit(z), expit(-z)
        slope = above * below
        return w, softplus(z), above, w * above, slope, w * slope, w * w * slope

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array, p: Array, q: Array) -> Array:
        w, soft, *_ = t
        return np.asarray(log(shape / scale) + (p * shape - 1) * w - (p + q) * soft - betaln(p, q))

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array, p: Array, q: Array) -> Arrays:
        w, soft, above, tilt, *_ = t
        total = digamma(p + q)
        return (
            1 / shape + p * w - (p + q) * tilt,
            -(shape / scale) * (p - (p + q) * above),
            shape * w - soft + total - digamma(p),
            total - digamma(q) - soft,
        )

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array, p: Array, q: Array) -> Arrays:
        w, _, above, tilt, slope, tilted, squared = t
        n = p + q
        pull = p - n * above
        total = trigamma(n)
        return (
            -1 / shape**2 - n * squared,
            (shape * n * tilted - pull) / scale,
            w - tilt,
            -tilt,
            (shape / scale**2) * (pull - shape * n * slope),
            -(shape / scale) * (1 - above),
            (shape / scale) * above,
            total - trigamma(p),
            total,
            total - trigamma(q),
        )

    @staticmethod
    def _degenerate(
        s: Summary, shape: Array | None, scale: Array | None, p: Array | None, q: Array | None
    ) -> tuple[Limit, ...]:
        equal = s.minimum == s.maximum
        if p is not None or q is not None:
            if shape is not None:
                return ()
            if scale is not None:
                equal = equal & (s.minimum == scale)
        sentence = "every observation is equal: the density grows without bound with the shape"
        unknown = full(s.minimum, np.nan)
        limit = (
            or_fixed(full(s.minimum, inf), shape),
            or_fixed(s.minimum, scale),
            or_fixed(unknown, p),
            or_fixed(unknown, q),
        )
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        log_x, spread = _log_scales(x)
        values, candidates = [], []
        for p in (0.3, 1.0, 3.0):
            for q in (0.3, 1.0, 3.0):
                # The mean and the variance of log y are met.
                wide = np.asarray(trigamma(np.asarray(p)) + trigamma(np.asarray(q)))
                shape = sqrt(3 * wide) / pi / spread
                scale = exp(log_x.mean(axis=-1) - (digamma(p) - digamma(q)) / shape)
                theta = (shape, scale, full(shape, p), full(shape, q))
                columns = tuple(c[..., None] for c in theta)
                values.append(
                    GB2._log_density(GB2._shared((log_x,), *columns), *columns).mean(axis=-1)
                )
                candidates.append(theta)
        return _best(values, candidates)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array, p: Array, q: Array) -> Array:
        return log_cdf_of_odds(shape * (log(y) - log(scale)), p, q)

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array, p: Array, q: Array) -> Array:
        return log_cdf_of_odds(-shape * (log(y) - log(scale)), q, p)

    @staticmethod
    def _standardised(
        y: Array, shape: Any, scale: Any, p: Any, q: Any
    ) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, shape * (log(y) - jet_log(scale)), p, q

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array, p: Array, q: Array) -> Array:
        z = log(betaincinv(p, q, u)) - log(betaincinv(q, p, 1 - u))
        return np.asarray(scale * exp(z / shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        shape: Array,
        scale: Array,
        p: Array,
        q: Array,
    ) -> Array:
        z = log(rng.standard_gamma(p, size)) - log(rng.standard_gamma(q, size))
        return np.asarray(scale * exp(z / shape))

    @staticmethod
    def _entropy(shape: Array, scale: Array, p: Array, q: Array) -> Array:
        ratio = digamma(p) - digamma(q)
        soft = digamma(p + q) - digamma(q)
        constant = log(scale / shape) + betaln(p, q)
        return np.asarray(constant + (1 / shape - p) * ratio + (p + q) * soft)

    @staticmethod
    def _log_moment(power: float, shape: Array, p: Array, q: Array) -> Array:
        """Return log E (Y/b)^power, infinite where the tail is too heavy."""
        step = power / shape
        finite = q > step
        safe = where(finite, step, 0.0)
        return where(finite, betaln(p + safe, q - safe) - betaln(p, q), inf)

    @staticmethod
    def _mean(shape: Array, scale: Array, p: Array, q: Array) -> Array:
        return np.asarray(scale * exp(GB2._log_moment(1.0, shape, p, q)))

    @staticmethod
    def _variance(shape: Array, scale: Array, p: Array, q: Array) -> Array:
        first, second = (GB2._log_moment(k, shape, p, q) for k in (1.0, 2.0))
        finite = np.isfinite(second)
        base = where(finite, 2 * first, 0.0)
        return where(finite, scale**2 * exp(base) * expm1(second - base), inf)

    @staticmethod
    def _scipy(shape: Array, scale: Array, p: Array, q: Array) -> Twin | None:
        if np.all(p == 1):
            return "burr12", {"c": shape, "d": q, "scale": scale}
        if np.all(q == 1):
            return "burr", {"c": shape, "d": p, "scale": scale}
        twin = "betaprime", {"a": p, "b": q, "scale": scale}
        return twin if np.all(shape == 1) else None


# ---------------------------------------------------------------------------- log-logistic


class LogLogistic(Model):
    r"""Log-logistic: log q = log k − log y + z − 2 log(1 + e^z), z = k log(y/λ).

    scipy.stats: ``fisk(c=shape, scale=scale)``. R: ``actuar::llogis(shape, scale=scale)``,
    ``flexsurv::llogis(shape, scale)``. The scale is the median.

    Examples
    --------
    >>> import mlece
    >>> float(mlece.LogLogistic(shape=3, scale=2).cdf(2.0))
    0.5
    """

    support = positive
    concave_in = ("scale", "log")
    everyday = True
    aliases = ("fisk", "llogis")
    concave = True
    shape = Param(positive, "k", typical=(2.5, 6), doc="shape")
    scale = Param(positive, r"\lambda", typical=(0.5, 3), role="scale", doc="scale, the median")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return GB2._shared(t, shape, scale, _ONE, _ONE)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        return GB2._log_density(t, shape, scale, _ONE, _ONE)

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return GB2._score(t, shape, scale, _ONE, _ONE)[:2]

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        parts = GB2._curvature(t, shape, scale, _ONE, _ONE)
        return parts[0], parts[1], parts[4]

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the scale: the density grows with the shape"
        limit = (full(s.minimum, inf), or_fixed(s.minimum, scale))
        return point_mass(s, sentence, limit, s.minimum, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        log_x, spread = _log_scales(x)
        return 1 / spread, exp(np.median(log_x, axis=-1))

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return -softplus(shape * (log(scale) - log(y)))

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return -softplus(shape * (log(y) - log(scale)))

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return logit_link, shape * (log(y) - jet_log(scale))

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale * exp((log(u) - log1p(-u)) / shape))

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return np.asarray(log(scale / shape) + 2)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return GB2._mean(shape, scale, _ONE, _ONE)

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        return GB2._variance(shape, scale, _ONE, _ONE)

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "fisk", {"c": shape, "scale": scale}


# ---------------------------------------------------------------------------- Lomax


class Lomax(Model):
    r"""Lomax (Pareto II): log q = log α − log λ − (α + 1) log(1 + y/λ).

    scipy.stats: ``lomax(c=shape, scale=scale)``. R: ``actuar::pareto(shape, scale)``,
    ``VGAM::lomax(scale, shape3.q=shape)``, ``extraDistr::lomax(lambda=1/scale, kappa=shape)``. Where the
    coefficient of variation of the sample (divisor n) is at most 1 the likelihood grows with shape and
    scale towards an exponential law, and the fit ends there (Castillo and Daoudi 2009).

    Examples
    --------
    >>> import mlece
    >>> mlece.Lomax(shape=3, scale=4).mean
    2.0
    >>> fit = mlece.fit(mlece.Lomax(), [1.0, 2.0, 3.0])
    >>> fit.certificate.status.name, fit.model
    ('BOUNDARY', Exponential(rate=0.5))
    """

    support = nonnegative
    collapsible = False
    shape = Param(positive, r"\alpha", typical=(3, 8), limits=(1e-6, 1e7), doc="index of the tail")
    scale = Param(positive, r"\lambda", typical=(0.5, 3), role="scale", doc="scale")
    limit_families: ClassVar = (LimitFamily("Exponential", {"shape": inf, "scale": inf}),)

    @staticmethod
    def _shared(y: Array, shape: Array, scale: Array) -> Arrays:
        share = y / (scale + y)
        return log1p(y / scale), share, share * share

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        return np.asarray(log(shape / scale) - (shape + 1) * t[0])

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        soft, share, _ = t
        return 1 / shape - soft, ((shape + 1) * share - 1) / scale

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        _, share, square = t
        return (
            -1 / shape**2,
            share / scale,
            (1 - (shape + 1) * (2 * share - square)) / scale**2,
        )

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if scale is not None:
            return ()
        sentence = "every observation is 0: the density grows without bound as the scale falls to 0"
        zero = s.maximum == 0
        limit = (or_fixed(full(s.maximum, np.nan), shape), full(s.maximum, 0.0))
        return (Limit(zero, Status.UNBOUNDED, sentence, limit, full(s.maximum, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        # The best of the profile over the shape, at scales around the mean.
        mean = x.mean(axis=-1)
        mean = where(mean > 0, mean, 1.0)
        values, candidates = [], []
        for factor in (1e-3, 0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 100.0):
            scale = factor * mean
            soft = log1p(x / scale[..., None]).mean(axis=-1)
            values.append(-log(soft * scale) - soft)
            candidates.append((1 / soft, scale))
        return _best(values, candidates)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return log1mexp(shape * log1p(y / scale))

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return -shape * log1p(y / scale)

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return cloglog_link, jet_log(shape) + jet_log(jet_log1p(y / scale))

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale * expm1(-log1p(-u) / shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return np.asarray(scale * expm1(rng.standard_exponential(size) / shape))

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return np.asarray(log(scale / shape) + 1 + 1 / shape)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return where(shape > 1, scale / where(shape > 1, shape - 1, 1.0), inf)

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        finite = shape > 2
        safe = where(finite, shape, 3.0)
        return where(finite, scale**2 * safe / ((safe - 1) ** 2 * (safe - 2)), inf)

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "lomax", {"c": shape, "scale": scale}


# ---------------------------------------------------------------------------- Burr XII


class BurrXII(Model):
    r"""Burr XII (Singh–Maddala): log q = log(a g) − log y + z − (a + 1) log(1 + e^z), z = g log(y/t).

    The survival function is (1 + (y/t)^g)^(−a). scipy.stats: ``burr12(c=shape2, d=shape1,
    scale=scale)``. R: ``actuar::burr(shape1, shape2, scale=scale)``, ``VGAM::sinmad(scale,
    shape1.a=shape2, shape3.q=shape1)``. As shape1 and the scale grow the family tends to the Weibull, as
    shape2 grows and shape1 falls to 0 to the Pareto law; where the data ask for it the fit ends there
    (Shao 2004).

    Examples
    --------
    >>> import mlece
    >>> float(mlece.BurrXII(shape1=2, shape2=3, scale=1).sf(1.0))
    0.25
    """

    support = positive
    aliases = ("burr", "burr12", "singhmaddala")
    shape1 = Param(positive, "a", typical=(1.5, 4), limits=(1e-6, 1e7), doc="index of the tail / g")
    shape2 = Param(positive, "g", typical=(1.5, 4), limits=(1e-6, 1e7), doc="index at 0")
    scale = Param(positive, "t", typical=(0.5, 3), role="scale", doc="scale")
    limit_families: ClassVar = (
        LimitFamily("Weibull", {"shape1": inf, "scale": inf}, {"shape2": "shape"}),
        LimitFamily("Pareto", {"shape2": inf, "shape1": 0.0}, {"scale": "scale"}, rival=True),
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _shared(t: Arrays, shape1: Array, shape2: Array, scale: Array) -> Arrays:
        return GB2._shared(t, shape2, scale, _ONE, shape1)

    @staticmethod
    def _log_density(t: Arrays, shape1: Array, shape2: Array, scale: Array) -> Array:
        w, soft, *_ = t
        return np.asarray(
            log(shape1) + log(shape2 / scale) + (shape2 - 1) * w - (shape1 + 1) * soft
        )

    @staticmethod
    def _score(t: Arrays, shape1: Array, shape2: Array, scale: Array) -> Arrays:
        first, second, *_ = GB2._score(t, shape2, scale, _ONE, shape1)
        return 1 / shape1 - t[1], first, second

    @staticmethod
    def _curvature(t: Arrays, shape1: Array, shape2: Array, scale: Array) -> Arrays:
        gg, gt, _, ag, tt, _, at, *_ = GB2._curvature(t, shape2, scale, _ONE, shape1)
        return -1 / shape1**2, ag, at, gg, gt, tt

    @staticmethod
    def _degenerate(
        s: Summary, shape1: Array | None, shape2: Array | None, scale: Array | None
    ) -> tuple[Limit, ...]:
        if shape2 is not None:
            return ()
        equal = s.minimum == s.maximum
        if scale is not None:
            # A free shape1 moves the point at which the mass gathers below the scale.
            below = s.minimum < scale if shape1 is None else full(s.minimum, 0.0).astype(bool)
            equal = equal & ((s.minimum == scale) | below)
        sentence = "every observation is equal: the density grows without bound with shape2"
        limit = (
            or_fixed(full(s.minimum, np.nan), shape1),
            full(s.minimum, inf),
            or_fixed(s.minimum, scale),
        )
        return (Limit(equal, Status.UNBOUNDED, sentence, limit, full(s.minimum, -inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        # The best of the profile over shape1, at slopes and scales around the log-logistic's.
        log_x, spread = _log_scales(x)
        last = x.shape[-1] - 1
        values, candidates = [], []
        for share in (0.05, 0.25, 0.5, 0.75, 0.95, 1.2):
            place = log_x[..., min(last, round(share * last))] + (2 * spread if share > 1 else 0)
            for steepness in (0.5, 0.8, 1.3, 2.5, 6.0):
                shape2 = steepness / spread
                w = log_x - place[..., None]
                soft = softplus(shape2[..., None] * w).mean(axis=-1)
                values.append(log(shape2 / soft) + shape2 * w.mean(axis=-1) - soft)
                candidates.append((1 / soft, shape2, exp(place)))
        return _best(values, candidates)

    @staticmethod
    def _log_cdf(y: Array, shape1: Array, shape2: Array, scale: Array) -> Array:
        return log1mexp(shape1 * softplus(shape2 * (log(y) - log(scale))))

    @staticmethod
    def _log_sf(y: Array, shape1: Array, shape2: Array, scale: Array) -> Array:
        return np.asarray(-shape1 * softplus(shape2 * (log(y) - log(scale))))

    @staticmethod
    def _tail_law(y: Array, shape1: Array, shape2: Array, scale: Array) -> tuple[Tails, Array]:
        z = shape2 * (log(y) - log(scale))
        # From here down log(1 + e^z) is e^z.
        return cloglog_link, log(shape1) + where(z < -40, z, log(softplus(z)))

    @staticmethod
    def _quantile(u: Array, shape1: Array, shape2: Array, scale: Array) -> Array:
        # z = log(e^h - 1), h = -log(1 - u) / a.
        h = -log1p(-u) / shape1
        return np.asarray(scale * exp((h + log1mexp(h)) / shape2))

    @staticmethod
    def _entropy(shape1: Array, shape2: Array, scale: Array) -> Array:
        return GB2._entropy(shape2, scale, _ONE, shape1)

    @staticmethod
    def _mean(shape1: Array, shape2: Array, scale: Array) -> Array:
        return GB2._mean(shape2, scale, _ONE, shape1)

    @staticmethod
    def _variance(shape1: Array, shape2: Array, scale: Array) -> Array:
        return GB2._variance(shape2, scale, _ONE, shape1)

    @staticmethod
    def _scipy(shape1: Array, shape2: Array, scale: Array) -> Twin:
        return "burr12", {"c": shape2, "d": shape1, "scale": scale}
