"""Laws moved along the line, and stretched."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.compose import (
    Composite,
    as_model,
    copied,
    engine,
    free_name,
    generated,
    hooks_of,
    inner_start,
    inner_terms,
    passed_on,
    smooth_names,
    widened,
)
from mlece.domain import Domain, positive, real
from mlece.families.burr import LogLogistic
from mlece.families.half_line import Exponential, Gamma, Weibull, exponential_from
from mlece.families.lifetimes import GeneralizedGamma
from mlece.families.skewed import LogNormal
from mlece.limits import Limit, Status, full, or_fixed
from mlece.math import Array, Arrays, inf, log
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

_SCALES = {"scale", "inverse scale", "log location"}


class MovedModel(Composite, abstract=True):
    """Hooks of y = shift + stretch x with x from the inner law; the last slot is one or the other."""

    @classmethod
    def _move(cls, theta: Any) -> tuple[Any, Any]:
        """Return shift and stretch."""
        return (theta[-1], 1.0) if cls.call is Shifted else (0.0, theta[-1])

    @classmethod
    def _x(cls, y: Any, theta: Arrays) -> Array:
        shift, stretch = cls._move(theta)
        return np.asarray((y - shift) / stretch)

    @classmethod
    def _y(cls, x: Array, theta: Arrays) -> Array:
        shift, stretch = cls._move(theta)
        return np.asarray(shift + stretch * x)

    @classmethod
    def _log_density(cls, y: Any, *theta: Array) -> Array:
        plain = inner_terms(cls.inner, cls._x(y, theta), theta[:-1], 0)[0]
        return np.asarray(plain - log(cls._move(theta)[1]))

    @classmethod
    def _score(cls, y: Any, *theta: Array) -> Arrays:
        _, score, _ = inner_terms(cls.inner, cls._x(y, theta), theta[:-1], 1)
        return (*score, 0 * score[0])

    @classmethod
    def _curvature(cls, y: Any, *theta: Array) -> Arrays:
        k = len(theta) - 1
        _, score, curvature = inner_terms(cls.inner, cls._x(y, theta), theta[:-1], 2)
        return widened(curvature, k, k + 1, 0 * score[0])

    @classmethod
    def _bounds(cls, *theta: Array) -> Arrays:
        low, high = engine(cls.inner).bounds(theta[:-1])
        return cls._y(low, theta), cls._y(high, theta)

    @classmethod
    def _breakpoints(cls, *theta: Array) -> Any:
        return tuple(cls._y(b, theta) for b in cls.inner._breakpoints(*theta[:-1]))

    @classmethod
    def _frame(cls, *theta: Array) -> Arrays:
        shift, scale = engine(cls.inner).own_frame(theta[:-1])
        return cls._y(shift, theta), np.asarray(scale * cls._move(theta)[1])

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        # A shift that follows the frame was taken off where the pilot points were read.
        if slots and not cls.params[-1].role:
            x = cls._x(x, (slots[-1][:, None],))
        return (*inner_start(cls.inner, x, slots), np.zeros(len(x)))

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        return engine(cls.inner).log_probability_hook(cls._x(y, theta), theta[:-1], above=False)

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        return engine(cls.inner).log_probability_hook(cls._x(y, theta), theta[:-1], above=True)

    @classmethod
    def _quantile(cls, u: Array, *theta: Array) -> Array:
        return cls._y(cls.inner._quantile(u, *theta[:-1]), theta)

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return cls._y(cls.inner._sample(rng, size, *theta[:-1]), theta)

    @classmethod
    def _mean(cls, *theta: Array) -> Array:
        return cls._y(cls.inner._mean(*theta[:-1]), theta)

    @classmethod
    def _variance(cls, *theta: Array) -> Array:
        return np.asarray(cls.inner._variance(*theta[:-1]) * cls._move(theta)[1] ** 2)

    @classmethod
    def _entropy(cls, *theta: Array) -> Array:
        return np.asarray(
            cls.inner._entropy(*theta[:-1]) + log(cls._move(theta)[1]) + 0 * theta[-1]
        )


class FreeShift(MovedModel, abstract=True):
    """A shift that may be estimated, of a family on a half line.

    A family with a scale obeys D log q = −1 − x d log q/dx, D the derivative along a change of scale,
    which gives the derivatives in x, and so in the shift, from those in the parameters.
    """

    unbounded = (
        "the likelihood is unbounded as the shift approaches the smallest observation (Smith 1985; "
        "Cheng and Amin 1983)"
    )

    @classmethod
    def _stretch(cls, theta: Arrays) -> tuple[list[Any], list[Any]]:
        """Return the weights of D = Σ c_j d/dθ_j, and dc_j/dθ_j."""
        weights: dict[str, tuple[Any, Any]] = {"log location": (1.0, 0.0)}
        pairs = []
        for p, value in zip(cls.inner.params, theta, strict=True):
            known = {**weights, "scale": (value, 1.0), "inverse scale": (-value, -1.0)}
            pairs.append(known.get(p.role, (0.0, 0.0)))
        return [c for c, _ in pairs], [d for _, d in pairs]

    @classmethod
    def _in_x(
        cls, x: Array, theta: Arrays, order: int
    ) -> tuple[Arrays, Arrays, Array, Arrays, Array]:
        """Return score, curvature, and the derivatives of log q in x: first, mixed, second."""
        inner = theta[:-1]
        _, score, curvature = inner_terms(cls.inner, x, inner, order)
        weight, slope = cls._stretch(inner)
        along: Any = sum(c * s for c, s in zip(weight, score, strict=True))
        first = -(1 + along) / x
        if order < 2:
            return score, curvature, first, (), first
        k = len(inner)
        mixed = []
        for j in range(k):
            turned: Any = sum(weight[i] * curvature[_place(i, j, k)] for i in range(k))
            mixed.append(-(turned + slope[j] * score[j]) / x)
        again: Any = sum(c * m for c, m in zip(weight, mixed, strict=True))
        return score, curvature, first, tuple(mixed), -(first + again) / x

    @classmethod
    def _score(cls, y: Any, *theta: Array) -> Arrays:
        score, _, first, _, _ = cls._in_x(cls._x(y, theta), theta, 1)
        return (*score, -first)

    @classmethod
    def _curvature(cls, y: Any, *theta: Array) -> Arrays:
        _, curvature, _, mixed, second = cls._in_x(cls._x(y, theta), theta, 2)
        k = len(mixed)
        out = []
        for i in range(k):
            out += [curvature[_place(i, j, k)] for j in range(i, k)]
            out.append(-mixed[i])
        return (*out, second)

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        room = 0.25 * x.std(axis=-1)
        shift = x[..., 0] - np.where(room > 0, room, 1.0)
        return (*inner_start(cls.inner, x - shift[..., None], slots), shift)

    @classmethod
    def _blows_up(cls, slots: tuple[Any, ...]) -> bool:
        """Tell whether the supremum is known to be infinite: shift and shapes are free.

        Then some members have a density without bound at their lower end. The inverse Gaussian is no
        such family (Cheng and Amin 1981).
        """
        pairs = zip(cls.inner.params, slots[:-1], strict=True)
        shapes = [v is None for p, v in pairs if p.role not in _SCALES]
        steep = issubclass(cls.inner, (Weibull, Gamma, LogNormal, GeneralizedGamma, LogLogistic))
        return slots[-1] is None and bool(shapes) and all(shapes) and steep

    @classmethod
    def _caveat(cls, *slots: Any) -> str:
        return cls.unbounded if cls._blows_up(slots) else ""

    def _irregular(self, *theta: Any) -> tuple[Any, str]:  # type: ignore[override]
        if (
            not issubclass(self.inner, Weibull | Gamma)
            or self.slots[self.params[-1].name] is not None
        ):
            return False, ""
        return theta[0] <= 2, (
            "a free shift with a shape at or below 2, where the information on the shift is infinite and "
            "no standard errors exist (Smith 1985)"
        )

    @classmethod
    def _collapses(cls, share: Array, *slots: Any) -> Array:
        return np.asarray(full(share, float(cls._blows_up(slots))) > 0)


def _place(i: int, j: int, k: int) -> int:
    """Return the place of a pair in an upper triangle written row by row."""
    i, j = min(i, j), max(i, j)
    return i * k - i * (i - 1) // 2 + j - i


class ShiftedExponential(MovedModel, abstract=True):
    """The two-parameter exponential: the shift is the smallest observation, the rate 1/(mean − shift)."""

    @classmethod
    def _statistics(cls, y: Array) -> Arrays:
        return (y,)

    @classmethod
    def _log_density(cls, y: Any, *theta: Array) -> Array:
        rate, shift = theta
        return np.asarray(log(rate) - rate * (y[0] - shift))

    @classmethod
    def _score(cls, y: Any, *theta: Array) -> Arrays:
        rate, shift = theta
        return 1 / rate - (y[0] - shift), rate + 0 * y[0]

    @classmethod
    def _curvature(cls, y: Any, *theta: Array) -> Arrays:
        rate, _ = theta
        return -1 / rate**2, 1 + 0 * rate, 0 * rate

    @classmethod
    def _maximise(cls, s: Summary, *slots: Any) -> Arrays:
        rate, shift = slots
        low = or_fixed(s.minimum, shift)
        return or_fixed(1 / (s.mean[0] - low), rate), low

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        rate, shift = slots
        low = or_fixed(s.minimum, shift)
        if rate is not None:
            return ()
        sentence = "every observation is the shift: the density grows without bound with the rate"
        theta = (full(low, inf), low)
        return (Limit(s.maximum == low, Status.UNBOUNDED, sentence, theta, full(low, -inf)),)

    @classmethod
    def _exact_interval(
        cls, theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        rate, shift = theta
        names = [p.name for p in cls.params]
        pair, reach = exponential_from(rate, n, alpha, *(name in fixed for name in names))
        return dict(zip(names, (pair, (shift - reach, shift)), strict=True))

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        shift = x[..., 0]
        excess = x.mean(axis=-1) - shift
        return 1 / np.where(excess > 0, excess, 1.0), shift


# ---------------------------------------------------------------------------- the combinators


def _needs(inner: type[Model], follows: bool) -> dict[str, bool]:
    """Return what each hook needs; a frame of its own needs slots that follow a change of units."""
    hooks = (
        "_log_cdf",
        "_log_sf",
        "_quantile",
        "_sample",
        "_mean",
        "_variance",
        "_entropy",
        "_start",
    )
    return {"_frame": follows, **{hook: inner.has(hook) for hook in hooks}}


def Shifted(model: Any, by: Any = None) -> Model:
    r"""Shift a model: y − shift follows the model.

    The shift is a known constant, or, for families on a half line that have a scale, estimated: the
    three-parameter Weibull, gamma and lognormal laws. Their likelihood is unbounded as the shift
    approaches the smallest observation (Smith 1985; Cheng and Amin 1983); the local maximum is
    reported where there is one, and the certificate says so. The shift of an exponential law is
    estimated by the smallest observation, with intervals from the exact law.

    scipy.stats: ``loc``. R: ``FAdist::dweibull3``, ``dgamma3``, ``dlnorm3``.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Its filled slots are fixed, its free ones are estimated.
    by : float or array_like, optional
        The shift; a whole number for counts.

    Returns
    -------
    Model
        With the slots of the inner model and ``shift``.

    Raises
    ------
    ParameterError
        If no shift is given for a family in which it cannot be estimated.

    Examples
    --------
    >>> import mlece
    >>> mlece.Shifted(mlece.Exponential(rate=1), by=3).mean
    4.0
    >>> mlece.fit(mlece.Shifted(mlece.Exponential()), [3.0, 4.0, 5.0]).params
    {'rate': 1.0, 'shift': 3.0}
    """
    model = as_model(model, "Shifted")
    inner, counted = type(model), model.support.discrete
    roles = engine(inner).roles()
    points = any(p.role == "point" for p in inner.params)
    scales = bool(roles & _SCALES) and "location" not in roles and not points
    free = scales and not counted and not inner.has("_bounds")
    base: type[MovedModel] = FreeShift if free else MovedModel
    if inner is Exponential:
        base = ShiftedExponential
    if counted and by is not None and np.any(np.asarray(by) != np.floor(by)):
        raise errors.ParameterError(errors.message("a whole shift of counts", repr(by)))
    smooth = smooth_names(inner)
    params = {
        p.name: copied(
            p,
            role=p.role if scales else "",
            regular=True,
            estimable=p.estimable and p.name in smooth,
        )
        for p in inner.params
    }
    name = free_name("shift", tuple(params))
    params[name] = Param(
        real,
        role="location" if scales and not counted else "",
        regular=base is not ShiftedExponential,
        estimable=base is not MovedModel,
        doc="shift",
    )
    cls = generated(
        base,
        Shifted,
        inner,
        params,
        {"by": name},
        support=Domain(kind=model.support.kind),
        affine=base is ShiftedExponential,
        **hooks_of(base, inner, _needs(inner, scales and not counted)),
    )
    return cls(**passed_on(model), **{name: by})


def Scaled(model: Any, by: Any) -> Model:
    r"""Stretch a model: y / by follows the model.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        A law with a density. Its filled slots are fixed, its free ones are estimated.
    by : float or array_like
        The factor, positive: a known constant (a change of units, say). A family that lacks a scale
        of its own gets known units by it.

    Returns
    -------
    Model
        With the slots of the inner model and ``factor``.

    Raises
    ------
    ParameterError
        If the factor is not positive, or the model is one of counts.

    Examples
    --------
    >>> import mlece
    >>> mlece.Scaled(mlece.Beta(2, 3), by=100).mean
    40.0
    """
    model = as_model(model, "Scaled", density=True)
    inner = type(model)
    smooth = smooth_names(inner)
    params = {
        p.name: copied(p, role="", regular=True, estimable=p.estimable and p.name in smooth)
        for p in inner.params
    }
    name = free_name("factor", tuple(params))
    params[name] = Param(positive, estimable=False, doc="factor")
    held = model.support
    ends = [e if e == 0 else float(np.sign(e) * inf) for e in (held.lower, held.upper)]
    closed = [
        c and e == 0 for c, e in zip((held.closed_lower, held.closed_upper), ends, strict=True)
    ]
    cls = generated(
        MovedModel,
        Scaled,
        inner,
        params,
        {"by": name},
        support=Domain(ends[0], ends[1], closed[0], closed[1]),
        **hooks_of(MovedModel, inner, _needs(inner, follows=False)),
    )
    return cls(**passed_on(model), **{name: by})
