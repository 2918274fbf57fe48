"""Symmetric families on the whole real line, from light tails to very heavy ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.domain import positive
from mlece.families.gamma_tails import exponential_power_tails, of_gamma
from mlece.families.standard import Jet, LocationScale, moments, quartile_start, shortest_half
from mlece.families.unit_interval import Uniform
from mlece.limits import Limit, Status, full, or_fixed
from mlece.links.tails import Tails, secant_tails
from mlece.links.unit_links import cauchit_link
from mlece.math import (
    LOG_PI,
    Array,
    Arrays,
    abs,
    chosen,
    digamma,
    exp,
    gammaincc,
    gammainccinv,
    gammaln,
    inf,
    log,
    log1p,
    pi,
    tan,
    tanh,
    trigamma,
    where,
)
from mlece.model import Twin
from mlece.param import Param

# ---------------------------------------------------------------------------- Cauchy


class Cauchy(LocationScale):
    r"""Cauchy: log q = −log π − log(1 + z²) − log s, z = (y − m)/s.

    scipy.stats: ``cauchy(loc, scale)``. R: ``cauchy(location, scale)``. Neither a mean nor a variance
    exists. The likelihood of both parameters has one maximum while no value holds half of the weight
    (Copas 1975; Kent and Tyler 1991); with the scale known it may have several in the location.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.Cauchy(loc=0, scale=1).entropy(), 6)
    2.531024
    """

    @staticmethod
    def _standard(z: Array) -> Jet:
        # Beyond 1e150 the square leaves the range of doubles: 1 + z² is z² long before.
        size = abs(z)
        far = size > 1e150
        w = where(far, 0.0, 1 / (1 + np.square(where(far, 0.0, size))))
        tail = -2 * log(where(far, size, 1.0))
        value = where(far, tail, -log1p(np.square(where(far, 0.0, size)))) - LOG_PI
        slope = where(far, -2 / where(far, z, 1.0), -2 * z * w)
        return Jet(value, slope, 2 * w * (1 - 2 * w))

    @staticmethod
    def _start(x: Array) -> Arrays:
        # Several locations: with the scale known the likelihood may have several maxima.
        centre, scale = shortest_half(x)
        last = x.shape[-1] - 1
        others = [x[..., round(f * last)] for f in (0.5, 0.15, 0.3, 0.7, 0.85)]
        return np.stack([centre, *others]), np.broadcast_to(scale, (6, *scale.shape))

    @staticmethod
    def _collapses(share: Array, loc: Array | None, scale: Array | None) -> Array:
        if scale is not None or loc is not None:
            return full(share, 0.0).astype(bool)
        return np.asarray(share > 0.5)

    @staticmethod
    def _rivals(
        view: Any, unsure: Array, loc: Array | None, scale: Array | None
    ) -> tuple[Limit, ...]:
        """Return what the fit comes to where one value holds exactly half of the weight."""
        if loc is not None or scale is not None:
            return ()
        out = []
        low, high = view.median()
        shares = [view.mean_of(lambda y, p=p: (y == p[:, None]) * 1.0) for p in (low, high)]
        half, both = (np.abs(share - 0.5) < 1e-15 for share in shares)
        for p, mask in ((low, half), (high, both)):
            rest = view.mean_of(
                lambda y, p=p: 2 * log(where(y == p[:, None], 1.0, abs(y - p[:, None])))
            )
            out.append(
                Limit(
                    mask & ~(half & both),
                    Status.NOT_ATTAINED,
                    "one value holds half of the weight: the infimum is approached there as scale "
                    "falls to 0",
                    (p, full(p, 0.0)),
                    LOG_PI + rest,
                )
            )
        # Two values of equal weight: every point of the half circle over them is a maximum.
        radius = 0.5 * (high - low)
        sentence = (
            "two values of equal weight: every (loc, scale) on the half circle over them minimises"
        )
        theta = (low + radius, radius)
        value = log(2 * pi * radius)
        out.append(Limit(half & both, Status.NOT_UNIQUE, sentence, theta, value))
        return tuple(out)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return cauchit_link.log_cdf((y - loc) / scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return cauchit_link.log_sf((y - loc) / scale)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return cauchit_link, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        low = where(u < 0.5, u, 1 - u)
        size = 1 / tan(pi * where(low > 0, low, 0.5))
        return np.asarray(loc + scale * where(u < 0.5, -size, where(u > 0.5, size, 0.0)))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array) -> Array:
        return loc + scale * rng.standard_cauchy(size)

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return np.asarray(log(4 * pi * scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return full(loc + scale, np.nan)

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return full(loc + scale, inf)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "cauchy", {"loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- hyperbolic secant


class HyperbolicSecant(LocationScale):
    r"""Hyperbolic secant: log q = −log π − log cosh z − log s, z = (y − m)/s.

    scipy.stats: ``hypsecant(loc, scale)``. R: ``VGAM::hypersecant`` with theta = 0 is the member of
    scale 2/π. The standard deviation is π s/2.

    Examples
    --------
    >>> import mlece
    >>> round(float(mlece.HyperbolicSecant(loc=0, scale=2).sd), 6)
    3.141593
    """

    concave_in = ("loc", "identity")
    concave = True

    @staticmethod
    def _standard(z: Array) -> Jet:
        size = abs(z)
        e = exp(-2 * size)
        value = log(2 / pi) - size - log1p(e)
        return Jet(value, -tanh(z), -4 * e / (1 + e) ** 2)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return quartile_start(x, 0.881373587)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array) -> Array:
        return secant_tails.log_cdf((y - loc) / scale)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return secant_tails.log_sf((y - loc) / scale)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any) -> tuple[Tails, Any]:
        return secant_tails, (y - loc) / scale

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array) -> Array:
        size = -log(tan(0.5 * pi * where(u < 0.5, u, 1 - u)))
        return np.asarray(loc + scale * where(u < 0.5, -size, size))

    @staticmethod
    def _entropy(loc: Array, scale: Array) -> Array:
        return np.asarray(log(2 * pi * scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array) -> Array:
        return np.asarray(loc + 0 * scale)

    @staticmethod
    def _variance(loc: Array, scale: Array) -> Array:
        return np.asarray((0.5 * pi * scale) ** 2 + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array) -> Twin:
        return "hypsecant", {"loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- generalised normal

_SHAPES = np.exp(np.linspace(log(0.08), log(1.6), 24))
_CUSPS = 401


def _power_profile(view: Any, loc: Array, shape: Array, scale: Array | None) -> tuple[Array, Array]:
    """Return the cross-entropy at the best scale, and that scale, for given location and shape."""
    power = view.mean_of(lambda y: abs(y - loc[:, None]) ** shape[:, None])
    best = or_fixed((shape * power) ** (1 / shape), scale)
    return np.asarray(log(2 * best) + gammaln(1 + 1 / shape) + power / best**shape), best


def _last_shape(view: Any, loc: Array, scale: Array | None) -> tuple[Array, Array]:
    """Return the local minimum in the shape that is furthest from the spike at 0, and whether one is."""

    def value(shape: Array) -> Array:
        return _power_profile(view, loc, shape, scale)[0]

    values = np.stack([value(full(loc, b)) for b in _SHAPES])
    inner = (values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:])
    best = len(inner) - np.argmax(inner[::-1], axis=0)
    low, high = _SHAPES[best - 1], _SHAPES[np.minimum(best + 1, len(_SHAPES) - 1)]
    for _ in range(40):
        left, right = high - 0.618 * (high - low), low + 0.618 * (high - low)
        falls = value(left) > value(right)
        low, high = where(falls, left, low), where(falls, high, right)
    return 0.5 * (low + high), np.asarray(inner.any(axis=0))


def _on_an_observation(
    view: Any, scale: Array | None, shape: Array | None
) -> tuple[Array, Array, Arrays]:
    """Find the best member whose location is an observation: where it is found, value and parameters.

    Up to shape 1 the likelihood has a cusp at every observation. Location and shape take turns, the
    location over the observations nearest to the median, the shape over its local minima; the scale
    has a closed form.
    """
    y, w = view.ordered()
    take, last = np.arange(len(y)), y.shape[1] - 1
    share = np.cumsum(w, axis=1) / w.sum(axis=1, keepdims=True)
    middle = np.argmax(share >= 0.5, axis=1)
    loc = y[take, middle]
    found = full(loc, 1.0).astype(bool)
    power = full(loc, 1.0) if shape is None else shape
    for _ in range(6):
        if shape is None:
            power, found = _last_shape(view, loc, scale)
        before, best = loc, full(loc, inf)
        for k in range(-(_CUSPS // 2), _CUSPS // 2 + 1):
            at = middle + k
            inside = (at >= 0) & (at <= last)
            point = y[take, np.clip(at, 0, last)]
            value, _ = _power_profile(view, point, power, scale)
            loc = where(inside & (value < best), point, loc)
            best = where(inside & (value < best), value, best)
            if not inside.any() and k > 0:
                break
        if np.all(loc == before):
            break
    value, spread = _power_profile(view, loc, power, scale)
    return found & (power <= 1), value, (loc, spread, power)


def _uniform(loc: Array, scale: Array, shape: Array) -> Uniform:
    # Wider by the rounding of the ends, so that the extreme observations stay inside.
    slack = 2 * np.spacing(np.maximum(abs(loc), scale))
    return Uniform(lower=loc - scale - slack, upper=loc + scale + slack)


# In units of the scale: nearer than this is at the location; a shape that is 1 but for rounding.
_AT, _ROUND = 1e-150, 1e-12


_TINY = 1e-280  # a probability below which the last digits may be lost


def _far_tail(_: Array, z: Array, shape: Array) -> Array:
    """Return log P(Z > z) of the generalised normal law however far out."""
    law, *at = of_gamma(shape * log(z) + log(shape), 1 / shape)
    return np.asarray(law.log_sf(*at) - log(2.0))


class GeneralizedNormal(LocationScale):
    r"""Generalised normal (exponential power, Subbotin), from peaked to flat by one shape.

    log q = −|z|^β − log 2 − log Γ(1 + 1/β) − log s, z = (y − m)/s. scipy.stats:
    ``gennorm(beta=shape, loc, scale)``. R: ``gnorm::gnorm(mu=loc, alpha=scale, beta=shape)``;
    ``fGarch::dged`` and ``gamlss.dist::PE`` have the standard deviation s √(Γ(3/β)/Γ(1/β)) in the place
    of s. β = 2 is the Gaussian, β = 1 the Laplace law, β = ∞ the uniform law. Up to β = 1 the likelihood
    has a cusp at every observation, and the estimate of the location is one of them. With β free it is
    unbounded as β falls to 0 there, whatever the data; the estimate is the best local maximum.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.GeneralizedNormal(loc=0, scale=2**0.5, shape=2).variance, 12)
    1.0
    """

    shape = Param(positive, r"\beta", typical=(1.4, 4), limits=(0.05, 1e3), doc="shape")

    @staticmethod
    def _standard(z: Array, shape: Array) -> Jet:
        size, x = abs(z), 1 / shape
        away = size > 0
        log_size = log(where(away, size, 1.0))
        power = where(away, exp(shape * log_size), 0.0)
        # At the location itself a derivative may be infinite, or of either sign: told as 0.
        ratio = where(away, power / where(away, z, 1.0), 0.0)
        flat = where(shape == 2, 1.0, 0.0)
        # Nearer, where squares of z underflow, the second derivative may leave the range of doubles.
        apart = size > _AT
        twice = where(apart, ratio / where(apart, z, 1.0), flat)
        first, second = digamma(1 + x) * x * x, trigamma(1 + x) * x**4
        return Jet(
            -log(2.0) - gammaln(1 + x) - power,
            -shape * ratio,
            -shape * (shape - 1) * twice,
            (first - power * log_size,),
            (-ratio * (1 + shape * log_size),),
            (-second - 2 * first * x - power * log_size**2,),
        )

    @staticmethod
    def _breakpoints(loc: Array, scale: Array, shape: Array) -> Arrays:
        return (loc,)

    def _irregular(self, loc: Array, scale: Array, shape: Array) -> tuple[Array, str]:  # type: ignore[override]
        cusp = np.asarray(shape <= 1 + _ROUND) & ("loc" in self.free)
        return cusp, "up to shape 1 a location has no standard error from second derivatives"

    @staticmethod
    def _collapses(
        share: Array, loc: Array | None, scale: Array | None, shape: Array | None
    ) -> Array:
        return full(share, float(scale is None and shape is None)).astype(bool)

    @staticmethod
    def _rivals(
        view: Any, unsure: Array, loc: Array | None, scale: Array | None, shape: Array | None
    ) -> tuple[Limit, ...]:
        s, out = view.summary, []
        if shape is None:
            centre = or_fixed(0.5 * (s.minimum + s.maximum), loc)
            reach = np.maximum(s.maximum - centre, centre - s.minimum)
            width = or_fixed(reach, scale)
            sentence = "shape runs to infinity: the limit is uniform on loc − scale to loc + scale"
            theta = (centre, width, full(centre, inf))
            limit = Limit(
                reach <= width, Status.BOUNDARY, sentence, theta, log(2 * width), _uniform
            )
            out.append(limit)
        if loc is None and unsure.any() and view.sample.truth is None:
            found, value, best = _on_an_observation(view, scale, shape)
            sentence = "the location is an observation, where the likelihood has a cusp"
            out.append(Limit(found & unsure, Status.OPTIMAL, sentence, best, value))
        return tuple(out)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, _ = moments(x)
        middle = x[..., x.shape[-1] // 2]
        # E|X|/sd falls from 0.866 (uniform) over 0.798 (Gaussian) and 0.707 (Laplace) towards 0.
        spread = abs(x - middle[..., None]).mean(axis=-1) / sd
        own = np.interp(spread, (0.5, 0.58, 0.707, 0.798, 0.85), (0.5, 0.7, 1.0, 2.0, 6.0))
        shape = np.stack([own, full(own, 1.2), full(own, 3.0)])
        centre = np.stack([0.5 * (middle + mean), mean, mean])
        return centre, sd * exp(0.5 * (gammaln(1 / shape) - gammaln(3 / shape))), shape

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        z = (y - loc) / scale
        tail = 0.5 * gammaincc(1 / shape, abs(z) ** shape)
        known = (tail > _TINY) | (z >= 0)
        low = chosen(known, lambda tail, *_: log(tail), _far_tail, tail, abs(z), shape)
        return np.asarray(where(z < 0, low, log1p(-tail)))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, shape: Array) -> Array:
        return GeneralizedNormal._log_cdf(2 * loc - y, loc, scale, shape)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any, shape: Any) -> tuple[Tails, Any, Any]:
        return exponential_power_tails, (y - loc) / scale, shape

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, shape: Array) -> Array:
        low = where(u < 0.5, u, 1 - u)
        size = gammainccinv(1 / shape, 2 * low) ** (1 / shape)
        return np.asarray(loc + scale * where(u < 0.5, -size, size))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], loc: Array, scale: Array, shape: Array
    ) -> Array:
        # Γ(1/β)^(1/β) by the density of a larger shape: a small 1/β would underflow.
        radius = rng.standard_gamma(1 + 1 / shape, size) ** (1 / shape) * rng.random(size)
        side = where(rng.random(size) < 0.5, -1.0, 1.0)
        return np.asarray(loc + scale * side * radius)

    @staticmethod
    def _entropy(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(1 / shape + log(2 * scale) + gammaln(1 + 1 / shape) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(loc + 0 * scale * shape)

    @staticmethod
    def _variance(loc: Array, scale: Array, shape: Array) -> Array:
        return np.asarray(scale**2 * exp(gammaln(3 / shape) - gammaln(1 / shape)) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, shape: Array) -> Twin:
        return "gennorm", {"beta": shape, "loc": loc, "scale": scale}
