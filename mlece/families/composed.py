"""What families share: densities of parts, normal laws seen through a function, Poisson limits, ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mlece import errors
from mlece.families.counts import Poisson
from mlece.limits import Limit, LimitMember, Status, full, or_fixed
from mlece.links.tails import Tails
from mlece.links.unit_links import probit_link
from mlece.math import Array, Arrays, log_ndtr, ndtri, where, xlogy
from mlece.model import Model
from mlece.moments import Summary
from mlece.numerics.jets import Jet


class Composed(Model, abstract=True):
    """A family that writes its log density once, as a jet: score and curvature follow from it.

    ``_shared`` returns the parts of the jet; the hooks pick theirs.
    """

    @staticmethod
    def _log_density(t: Arrays, *theta: Array) -> Array:
        return t[0]

    @staticmethod
    def _score(t: Arrays, *theta: Array) -> Arrays:
        return t[1 : 1 + len(theta)]

    @staticmethod
    def _curvature(t: Arrays, *theta: Array) -> Arrays:
        return t[1 + len(theta) :]


class NormalOf(Model, abstract=True):
    """A law of which a smooth increasing function, ``_link``, is normal; ``_unlink`` is its inverse."""

    _link: ClassVar[Callable[..., Any]]
    _unlink: ClassVar[Callable[..., Any]]

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        at = cls._link(x)
        spread = at.std(axis=-1)
        return at.mean(axis=-1), where(spread > 0, spread, 1.0)

    @classmethod
    def _log_cdf(cls, y: Array, centre: Array, spread: Array) -> Array:
        return np.asarray(log_ndtr((cls._link(y) - centre) / spread))

    @classmethod
    def _log_sf(cls, y: Array, centre: Array, spread: Array) -> Array:
        return np.asarray(log_ndtr((centre - cls._link(y)) / spread))

    @classmethod
    def _standardised(cls, y: Array, centre: Any, spread: Any) -> tuple[Tails, Any]:
        return probit_link, (cls._link(y) - centre) / spread

    @classmethod
    def _quantile(cls, u: Array, centre: Array, spread: Array) -> Array:
        return np.asarray(cls._unlink(centre + spread * ndtri(u)))

    @classmethod
    def _sample(
        cls, rng: np.random.Generator, size: tuple[int, ...], centre: Array, spread: Array
    ) -> Array:
        return np.asarray(cls._unlink(centre + spread * rng.standard_normal(size)))


def with_constant(log_density: Jet) -> Arrays:
    """Return the parts of a jet in the last parameters, of which one more stands first: a constant.

    The derivatives in the constant, which nobody asks for, are 0.
    """
    value, *rest = log_density.parts()
    k = len(log_density.first)
    zero = 0 * value
    return (value, zero, *rest[:k], *([zero] * (k + 1)), *rest[k:])


def _not_overdispersed(s: Summary, mean: Array) -> Array:
    """Tell where counts vary no more about a mean than a Poisson law of that mean.

    The derivative of the log-likelihood of a mixed Poisson law at dispersion 0 has the sign of
    E(y - mean)² - E y (Cox 1983, Biometrika 70, 269).
    """
    y, y2 = s.mean[:2]
    spread = (y2 - y * y) + (y - mean) ** 2
    # Equal to the rounding of the moments is equal.
    return np.asarray(spread - y <= 8 * np.finfo(float).eps * (y2 + y))


def mixed_limits(
    s: Summary,
    mean: Array | None,
    dispersion: Array | None,
    rest: Arrays,
    slots: tuple[Any, ...],
    rival: bool = False,
) -> tuple[Limit, ...]:
    """Return the limits of a family with a mean and a dispersion in front, Poisson at dispersion 0.

    Parameters
    ----------
    rest : tuple of arrays (R,)
        Values to report for the other parameters, which a Poisson law leaves open.
    slots : tuple of str or None
        The slots of the Poisson law that the parameters fill.
    rival : bool
        Whether an optimum away from the Poisson law may beat it where the data are not overdispersed.
    """
    y, _, log_factorial = s.mean
    zero, centre = full(y, 0.0), or_fixed(y, mean)
    limits = []
    if mean is None:
        sentence = "every observation is 0: the mean is 0, whatever the other parameters"
        theta = (zero, or_fixed(zero, dispersion), *rest)
        limits.append(Limit(y == 0, Status.BOUNDARY, sentence, theta, zero))
    if dispersion is None:
        sentence = "the data are not overdispersed: the dispersion is 0, the Poisson limit"
        infimum = np.asarray(centre - xlogy(y, centre) + log_factorial)
        mask = _not_overdispersed(s, centre) & (y > 0)
        build = LimitMember(Poisson, slots)
        theta = (centre, zero, *rest)
        limits.append(Limit(mask, Status.BOUNDARY, sentence, theta, infimum, build, rival))
    return tuple(limits)


def check_ordered(model: Model, low: str, high: str, strict: bool = True) -> None:
    """Raise if two filled slots of a model are not in order.

    Raises
    ------
    ParameterError
        With the values, or the first offenders among arrays.
    """
    lower, upper = model.slots[low], model.slots[high]
    if lower is None or upper is None:
        return
    ends = np.broadcast_arrays(lower, upper)
    bad = ends[0] >= ends[1] if strict else ends[0] > ends[1]
    if bad.any():
        single = bad.ndim == 0
        got = f"{low}={lower.item()!r}, {high}={upper.item()!r}" if single else ""
        wanted = f"{low} {'below' if strict else 'at most'} {high} in {type(model).__name__}"
        raise errors.ParameterError(errors.message(wanted, got or errors.offenders(bad, ends[0])))
