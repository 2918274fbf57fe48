"""Symmetric families on the whole real line, from light tails to very heavy ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.families.standard import Jet, LocationScale, quartile_start, shortest_half
from mlece.limits import Limit, Status, full
from mlece.math import (
    LOG_PI,
    Array,
    Arrays,
    abs,
    arctan,
    arctan2,
    exp,
    inf,
    log,
    log1p,
    pi,
    tan,
    tanh,
    where,
)

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
        # arctan2(1, −z) is the angle from 0 to π with that cotangent: no cancellation below.
        z = (y - loc) / scale
        return where(
            z < 0, log(arctan2(1.0, -z) / pi), log1p(-arctan2(1.0, where(z < 0, 1.0, z)) / pi)
        )

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return Cauchy._log_cdf(2 * loc - y, loc, scale)

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


# ---------------------------------------------------------------------------- hyperbolic secant


class HyperbolicSecant(LocationScale):
    r"""Hyperbolic secant: log q = −log π − log cosh z − log s, z = (y − m)/s.

    scipy.stats: ``hypsecant(loc, scale)``. R: ``VGAM::hypersecant`` with theta = 0 is the member of
    scale 2/π. The standard deviation is π s/2.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.HyperbolicSecant(loc=0, scale=2).sd, 6)
    3.141593
    """

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
        # The angle below is arctan(e^z); far out it is e^z itself, whose logarithm does not underflow.
        z = (y - loc) / scale
        low = where(z < 0, z, 0.0)
        below = where(low < -40, low, log(arctan(exp(where(low < -40, 0.0, low)))))
        return where(
            z < 0, log(2 / pi) + below, log1p(-2 / pi * arctan(exp(-where(z < 0, 0.0, z))))
        )

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array) -> Array:
        return HyperbolicSecant._log_cdf(2 * loc - y, loc, scale)

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
