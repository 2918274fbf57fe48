"""Laws of a transformed observation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from mlece import errors
from mlece.combinators.compose import (
    Composite,
    as_model,
    copied,
    engine,
    generated,
    hooks_of,
    inner_start,
    inner_terms,
    passed_on,
    smooth_names,
)
from mlece.domain import Domain
from mlece.limits import Limit
from mlece.links.bijection import LINKS, Bijection, log_link
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import Summary

# Under log y a change of scale is a shift: a location becomes a log location.
_OF_LOGARITHM = {"location": "log location", "scale": ""}


class TransformedModel(Composite, abstract=True):
    """Hooks of a change of variables: the inner law at x = g(y), and log |dx/dy|.

    Attributes
    ----------
    bijection : Bijection
        Its inverse is g.
    rising : bool
        Whether g increases.
    direct : bool
        Whether the frame of y is one for x too, so that the inner hooks may be called as they are.
    """

    bijection: ClassVar[Bijection]
    rising: ClassVar[bool]
    direct: ClassVar[bool]

    @classmethod
    def _x(cls, y: Array) -> Array:
        return cls.bijection.inverse(y)

    @classmethod
    def _statistics(cls, y: Array) -> Any:
        x = cls._x(y)
        inner = engine(cls.inner).statistics(x) if cls.direct else x
        parts = inner if isinstance(inner, tuple) else (inner,)
        return (*parts, -cls.bijection.log_slope(x))

    @classmethod
    def _inner_part(cls, t: Arrays) -> Any:
        """Return what the inner hooks take."""
        whole = t[:-1]
        return whole if cls.inner.has("_statistics") or len(whole) > 1 else whole[0]

    @classmethod
    def _log_density(cls, t: Arrays, *theta: Array) -> Array:
        if cls.direct:
            return engine(cls.inner).log_density_hook(cls._inner_part(t), theta) + t[-1]
        return inner_terms(cls.inner, t[0], theta, 0)[0] + t[-1]

    @classmethod
    def _score(cls, t: Arrays, *theta: Array) -> Arrays:
        if cls.direct:
            return tuple(engine(cls.inner).score_hook(cls._inner_part(t), theta))
        return inner_terms(cls.inner, t[0], theta, 1)[1]

    @classmethod
    def _curvature(cls, t: Arrays, *theta: Array) -> Arrays:
        if cls.direct:
            return tuple(engine(cls.inner).curvature_hook(cls._inner_part(t), theta))
        return inner_terms(cls.inner, t[0], theta, 2)[2]

    # ------------------------------------------------------------------ estimates

    @classmethod
    def _summary(cls, s: Summary) -> Summary:
        """Return the summary of x."""
        ends = cls._x(s.minimum), cls._x(s.maximum)
        low, high = ends if cls.rising else ends[::-1]
        return replace(s, mean=s.mean[:-1], minimum=low, maximum=high)

    @classmethod
    def _maximise(cls, s: Summary, *slots: Any) -> Arrays | None:
        found = cls.inner._maximise(cls._summary(s), *slots)
        return None if found is None else tuple(found)

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        limits = cls.inner._degenerate(cls._summary(s), *slots)
        return tuple(cls._limit(limit, s) for limit in limits)

    @classmethod
    def _limit(cls, limit: Limit, s: Summary) -> Limit:
        """Return a limit of the inner family for y: its infimum grows by the mean of −log |dx/dy|."""
        infimum = None if limit.infimum is None else limit.infimum - s.mean[-1]
        build = None if limit.model is None else LimitOf(limit.model, cls.constants["bijection"])
        return replace(limit, infimum=infimum, model=build)

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        return inner_start(cls.inner, np.sort(cls._x(x), axis=-1), slots)

    # ------------------------------------------------------------------ support and probabilities

    @classmethod
    def _ordered(cls, low: Any, high: Any) -> Arrays:
        with np.errstate(all="ignore"):
            ends = tuple(cls.bijection.forward(np.asarray(e, dtype=float)) for e in (low, high))
        return ends if cls.rising else ends[::-1]

    @classmethod
    def _bounds(cls, *theta: Array) -> Arrays:
        return cls._ordered(*cls.inner._bounds(*theta))

    @classmethod
    def _breakpoints(cls, *theta: Array) -> Any:
        return tuple(cls.bijection.forward(b) for b in cls.inner._breakpoints(*theta))

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        return engine(cls.inner).log_probability_hook(cls._x(y), theta, above=not cls.rising)

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        return engine(cls.inner).log_probability_hook(cls._x(y), theta, above=cls.rising)

    @classmethod
    def _standardised(cls, y: Array, *theta: Any) -> Any:
        return cls.inner._standardised(cls._x(y), *theta)

    @classmethod
    def _quantile(cls, u: Array, *theta: Array) -> Array:
        return cls.bijection.forward(cls.inner._quantile(u if cls.rising else 1 - u, *theta))

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return cls.bijection.forward(cls.inner._sample(rng, size, *theta))


@dataclass(frozen=True)
class LimitOf:
    """Builds the transformed limit of an inner family."""

    inner: Any
    bijection: Any

    def __call__(self, *values: Any) -> Model:
        """Return the limiting member."""
        return Transformed(self.inner(*values), self.bijection)


def _as_bijection(given: Any) -> tuple[Bijection, Any]:
    """Return a bijection, and how it is written."""
    if isinstance(given, str):
        if given not in LINKS:
            raise errors.unknown_name("transformation", given, LINKS)
        return LINKS[given], given
    if not isinstance(given, Bijection) or given.target.kind == "simplex":
        raise errors.DataTypeError(
            errors.message(
                f"a transformation of numbers: {', '.join(map(repr, LINKS))} or a Bijection",
                f"{given!r:.40}",
            )
        )
    names = [name for name, known in LINKS.items() if known is given]
    return given, names[0] if names else given


def Transformed(model: Any, bijection: Any) -> Model:
    r"""Transform a model: g(y) follows the model, log q(y) = log q₀(g(y)) + log |g′(y)|.

    ``Transformed(Gaussian(), "log")`` is the lognormal law, ``Transformed(Gaussian(), "logit")`` the
    logit-normal, ``Transformed(Gaussian(), "asinh")`` one of Johnson's (1949), and
    ``Transformed(Exponential(rate=a), "log")`` the Pareto law of shape a from 1 on.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        The law of g(y). Its filled slots are fixed, its free ones are estimated.
    bijection : str or Bijection
        g by its name ("log", "logit", "asinh", "sqrt", "reciprocal", "identity" or another of
        ``mlece.links.bijection.LINKS``), or an object whose ``inverse`` is g
        (``mlece.links.bijection.Power(k)`` for y^k).

    Returns
    -------
    Model
        With the slots of the inner model.

    Raises
    ------
    ParameterError
        If the model has mass where g has no values (a Gaussian law of a square root), or is one of
        counts.

    Examples
    --------
    >>> import mlece
    >>> law = mlece.Transformed(mlece.Gaussian(0, 1), "log")
    >>> law
    Transformed(Gaussian(mean=0, sd=1), bijection='log')
    >>> bool(abs(law.log_density(2.0) - mlece.LogNormal(0, 1).log_density(2.0)) < 1e-14)
    True
    """
    model = as_model(model, "Transformed", density=True)
    chosen, written = _as_bijection(bijection)
    inner, source, held = type(model), chosen.source, model.support
    if held.lower < source.lower or held.upper > source.upper:
        raise errors.ParameterError(
            errors.message(
                f"a law of {chosen!r}(y) with all its mass on the values that it takes, {source}",
                f"{model!r}, whose support is {held}",
            )
        )
    with np.errstate(all="ignore"):
        ends = [float(chosen.forward(np.asarray(e))) for e in (held.lower, held.upper)]
        rising = bool(chosen.forward(np.asarray(2.0)) > chosen.forward(np.asarray(1.0)))
    closed = [held.closed_lower, held.closed_upper]
    closed = [c and bool(np.isfinite(e)) for c, e in zip(closed, ends, strict=True)]
    ends, closed = (ends, closed) if rising else (ends[::-1], closed[::-1])
    roles = engine(inner).roles()
    follows = chosen is log_link and roles <= set(_OF_LOGARITHM) and "location" in roles
    direct = follows or not roles
    points = not any(p.role == "point" for p in inner.params)
    direct = direct and points
    role = _OF_LOGARITHM if direct else {}
    smooth = smooth_names(inner)
    params = {
        p.name: copied(
            p,
            role=role.get(p.role, ""),
            regular=True,
            estimable=p.estimable and p.name in smooth,
        )
        for p in inner.params
    }
    cls = generated(
        TransformedModel,
        Transformed,
        inner,
        params,
        {},
        {"bijection": written},
        support=Domain(ends[0], ends[1], closed[0], closed[1]),
        bijection=chosen,
        rising=rising,
        direct=direct,
        affine=direct and inner.affine,
        exponential=inner.exponential or inner.affine,
        concave=inner.concave,
        **hooks_of(TransformedModel, inner, _needs(inner, rising, direct)),
    )
    return cls(**passed_on(model))


def _needs(inner: type[Model], rising: bool, direct: bool) -> dict[str, bool]:
    """Return what each hook needs of the inner family, and whether it is there."""
    cdf, sf = inner.has("_log_cdf"), inner.has("_log_sf")
    closed = direct and inner.affine
    return {
        "_maximise": closed and inner.has("_maximise"),
        "_degenerate": closed and inner.has("_degenerate"),
        "_bounds": inner.has("_bounds"),
        "_log_cdf": cdf if rising else sf,
        "_log_sf": sf if rising else cdf,
        "_standardised": rising and inner.has("_standardised"),
        "_quantile": inner.has("_quantile"),
        "_sample": inner.has("_sample"),
        "_start": inner.has("_start"),
    }
