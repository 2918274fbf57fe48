"""Laws that were seen on a part of the line only."""

from __future__ import annotations

from dataclasses import replace
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
    passed_on,
    smooth_names,
    widened,
)
from mlece.combinators.region import Region, log_mass_between, region
from mlece.combinators.truncated_limits import limits, padded
from mlece.domain import real
from mlece.limits import Limit, LimitFamily
from mlece.math import Array, Arrays, exp, inf, log, log1p, where
from mlece.model import Model
from mlece.moments import Summary
from mlece.numerics.counting import smallest_count
from mlece.param import Param
from mlece.registry import model_by_name

_LARGEST = 1e8  # a parameter with a limiting family is held against it from a hundredth of this on


_LIKELY = -2.3  # log mass of a region from which on draws are taken until they fall into it


class TruncatedModel(Composite, abstract=True):
    """Hooks of a truncation: those of the inner family less the log mass of the region."""

    runs_off = True

    @classmethod
    def _split(cls, theta: Arrays) -> tuple[Arrays, Any, Any]:
        """Return the inner parameters and the ends, infinite where there is none."""
        k = len(cls.inner.params)
        ends = dict(zip(cls.own, theta[k:], strict=True))
        return theta[:k], ends.get("lower", -inf), ends.get("upper", inf)

    @classmethod
    def _region(cls, theta: Arrays) -> Region:
        inner, lower, upper = cls._split(theta)
        return region(cls.inner, lower, upper, inner)

    def __init__(self, *args: Any, **slots: Any) -> None:
        super().__init__(*args, **slots)
        lower, upper = (np.asarray(-inf), np.asarray(inf))
        if "lower" in self.own:
            lower = np.asarray(self.slots[self.own["lower"]])
        if "upper" in self.own:
            upper = np.asarray(self.slots[self.own["upper"]])
        _check_ends(lower, upper)
        model = self.inner_model
        least, most = np.asarray(model.support.lower), np.asarray(model.support.upper)
        if model.known or not any(p.estimable for p in self.params):
            least, most = model.bounds(model.theta)
        low, high = np.maximum(lower, least), np.minimum(upper, most)
        if model.support.discrete:
            low, high = np.ceil(low), np.floor(high)
        if not np.all(low < high):
            raise errors.ParameterError(
                errors.message(
                    f"a region in which {model!r} has mass at more than one point",
                    f"{_interval(lower, upper)}, of which the support leaves {_interval(low, high)}",
                )
            )

    def settled_bounds(self, slots: tuple[Any, ...]) -> tuple[Array, Array]:
        """Return the ends of the region, where the inner support is not known to end before them."""
        inner, lower, upper = self._split(slots)
        low, high = engine(self.inner).settled_bounds(inner)
        low, high = np.maximum(lower, low), np.minimum(upper, high)
        return (np.ceil(low), np.floor(high)) if self.support.discrete else (low, high)

    # ------------------------------------------------------------------ density

    @classmethod
    def _statistics(cls, y: Array) -> Any:
        return cls.inner._statistics(y)

    @classmethod
    def _block_sums(cls, y: Array, w: Array | None) -> Arrays:
        return tuple(cls.inner._block_sums(y, w))

    @classmethod
    def _shared(cls, t: Any, *theta: Array) -> Any:
        return cls.inner._shared(t, *cls._split(theta)[0])

    @classmethod
    def _log_density(cls, t: Any, *theta: Array) -> Array:
        inner, _, _ = cls._split(theta)
        plain = engine(cls.inner).log_density_hook(t, inner, t if cls.has("_shared") else None)
        return plain - cls._region(theta).log_mass

    @classmethod
    def _score(cls, t: Any, *theta: Array) -> Arrays:
        inner, _, _ = cls._split(theta)
        at = cls._region(theta)
        plain = engine(cls.inner).score_hook(t, inner, t if cls.has("_shared") else None)
        zero = np.zeros_like(at.log_mass)
        own = [np.asarray(s - m) for s, m in zip(plain, at.first, strict=True)]
        return (*own, *[zero] * len(cls.own))

    @classmethod
    def _curvature(cls, t: Any, *theta: Array) -> Arrays:
        inner, _, _ = cls._split(theta)
        at = cls._region(theta)
        plain = engine(cls.inner).curvature_hook(t, inner, t if cls.has("_shared") else None)
        parts = tuple(c - m for c, m in zip(plain, at.second, strict=True))
        zero = np.zeros_like(at.log_mass)
        return widened(parts, len(inner), len(cls.params), zero)

    # ------------------------------------------------------------------ support and start

    @classmethod
    def _bounds(cls, *theta: Array) -> Arrays:
        inner, lower, upper = cls._split(theta)
        low, high = engine(cls.inner).bounds(inner)
        low, high = np.maximum(lower, low), np.minimum(upper, high)
        return (np.ceil(low), np.floor(high)) if cls.support.discrete else (low, high)

    @classmethod
    def _breakpoints(cls, *theta: Array) -> Any:
        return cls.inner._breakpoints(*cls._split(theta)[0])

    @classmethod
    def _frame(cls, *theta: Array) -> Arrays:
        return engine(cls.inner).own_frame(cls._split(theta)[0])

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        guess = inner_start(cls.inner, x, slots)
        return (*guess, *[np.zeros(len(x))] * len(cls.own))

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        inner, lower, upper = cls._split(slots)
        ends = slots[len(inner) :]
        found = limits(cls.inner, s, inner, lower, upper)
        return tuple(padded(limit, ends, len(s.weight)) for limit in found)

    # ------------------------------------------------------------------ probabilities

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        inner, lower, _ = cls._split(theta)
        below = np.ceil(lower) - 1 if cls.support.discrete else lower
        return log_mass_between(cls.inner, below, y, inner) - cls._region(theta).log_mass

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        inner, _, upper = cls._split(theta)
        return log_mass_between(cls.inner, y, upper, inner) - cls._region(theta).log_mass

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        if not np.all(cls._region(theta).log_mass > _LIKELY):
            return np.asarray(cls._quantile(rng.random(size), *theta))
        inner, _, _ = cls._split(theta)
        low, high = cls._bounds(*theta)
        out = np.empty(size)
        missing = np.ones(size, dtype=bool)
        while missing.any():
            drawn = cls.inner._sample(rng, size, *inner)
            taken = missing & (drawn >= low) & (drawn <= high)
            out[taken] = drawn[taken]
            missing &= ~taken
        return out

    @classmethod
    def _quantile(cls, u: Array, *theta: Array) -> Array:
        log_mass = cls._region(theta).log_mass
        ends = cls._bounds(*theta)
        inner, lower, _ = cls._split(theta)
        if cls.support.discrete:

            def log_cdf(y: Array, total: Array, below: Array, *at: Array) -> Array:
                return log_mass_between(cls.inner, below, y, at) - total

            start = np.asarray(np.ceil(lower) - 1)
            found = smallest_count(log_cdf, u, ends[1], log_mass, start, *inner)
            return np.maximum(found, ends[0])
        return _solve(cls.inner, u, ends, inner, log_mass)


def _solve(family: type[Model], u: Array, ends: Arrays, theta: Arrays, log_mass: Array) -> Array:
    """Return quantiles of a truncated density by bracketed Newton steps on the log of the smaller tail."""
    wide = np.broadcast_arrays(u, *ends, log_mass, *theta)
    shape = wide[0].shape
    u, low, high, total, *rest = (np.ravel(a).astype(float) for a in wide)
    model = engine(family)
    first = exp(log_mass_between(family, np.asarray(-inf), low, tuple(rest)))
    y = np.asarray(model._quantile(np.minimum(first + u * exp(total), 1.0), *rest))
    shift, scale = (np.broadcast_to(f, u.shape) for f in model.own_frame(tuple(rest)))
    inside = (y > low) & (y < high) & np.isfinite(y)
    edge = where(np.isfinite(low), low + scale, high - scale)
    y = where(inside, y, where(np.isfinite(high - low), 0.5 * (low + high), edge))
    active = np.flatnonzero((u > 0) & (u < 1))
    low_, high_ = low.copy(), high.copy()
    for _ in range(100):
        if not active.size:
            break
        part = [a[active] for a in (y, u, low, high, total, shift, scale)]
        step, error = _newton_step(family, part, tuple(r[active] for r in rest))
        x = part[0]
        low_[active] = where(error < 0, x, low_[active])
        high_[active] = where(error < 0, high_[active], x)
        a, b = low_[active], high_[active]
        out = where(np.isfinite(a), x + 2 * (x - a) + part[-1], x - 2 * (b - x) - part[-1])
        middle = where(np.isfinite(b - a), 0.5 * (a + b), out)
        moved = where((step > a) & (step < b), step, middle)
        # A probability met to rounding, or a step of rounding.
        met = np.abs(error) <= 4e-16 * (4 + np.abs(part[4]))
        y[active] = where(met, x, moved)
        active = active[~(met | (np.abs(moved - x) <= 4e-16 * np.abs(x)))]
    return y.reshape(shape)


def _newton_step(family: type[Model], at: list[Array], theta: Arrays) -> tuple[Array, Array]:
    """Return where Newton's method goes, and the error in the log of the smaller tail."""
    y, u, low, high, total, shift, scale = at
    model = engine(family)
    below = log_mass_between(family, low, y, theta) - total
    above = log_mass_between(family, y, high, theta) - total
    error = where(u < 0.5, below - log(u), log1p(-u) - above)
    framed = tuple(np.asarray(t) for t in model.to_frame(theta, shift, scale))
    log_q = model.log_density_hook(model.statistics((y - shift) / scale), framed) - log(scale)
    return y - error * exp(where(u < 0.5, below, above) + total - log_q), error


def _interval(low: Array, high: Array) -> str:
    a, b = (f"{np.ravel(e)[0]:g}" if e.size == 1 else f"{e}" for e in map(np.asarray, (low, high)))
    return f"{a} to {b}"


def _check_ends(lower: Array, upper: Array) -> None:
    if not np.all(lower < upper):
        raise errors.ParameterError(
            errors.message("a lower end below the upper end", f"{_interval(lower, upper)}")
        )


def _check_mass(model: Model, lower: Array, upper: Array) -> None:
    """Raise where a known law has no mass in a region that floats could tell, even as a logarithm."""
    with np.errstate(all="ignore"):
        mass = log_mass_between(type(model), lower, upper, model.theta)
        if not np.all(mass > -inf):
            # Sums and integrals reach further into a tail.
            mass = region(type(model), lower, upper, model.theta).log_mass
    if not np.all(mass > -inf):
        raise errors.ParameterError(
            errors.message(
                f"a region to which {model!r} gives a probability",
                f"{_interval(lower, upper)}, of probability 0",
                "Its logarithm is no float either: the ends lie too far out in a tail",
            )
        )


def Truncated(model: Any, lower: Any = None, upper: Any = None) -> Model:
    r"""Truncate a model: log q = log q₀ − log ∫ q₀ over lower ≤ y ≤ upper.

    Values outside the region were never recorded, and it is not known how many there were. The ends
    are known constants; for counts both belong to the region, so that ``Truncated(Poisson(), lower=1)``
    is the zero-truncated Poisson law. Parameters that fix an end of the inner support have to be
    given.

    scipy.stats: ``truncnorm``, ``truncexpon``, ``truncpareto``, ``truncweibull_min`` are members.
    R: ``truncdist::dtrunc``; ``VGAM::pospoisson``, ``VGAM::posnegbinomial`` for counts from 1 on.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Its filled slots are fixed, its free ones are estimated.
    lower, upper : float or array_like, optional
        Ends of the region.

    Returns
    -------
    Model
        With the slots of the inner model, and ``lower`` and ``upper``.

    Raises
    ------
    ParameterError
        If the ends are in the wrong order, or the model has no mass between them.

    Notes
    -----
    The derivatives of log Z, Z the mass of the region, are moments of the score s within it:
    d log Z = E[s | region], d² log Z = E[H | region] + Cov[s | region] (H the curvature of log q₀).

    Examples
    --------
    >>> import mlece
    >>> law = mlece.Truncated(mlece.Exponential(rate=1), upper=2)
    >>> law
    Truncated(Exponential(rate=1), upper=2)
    >>> round(law.mean, 6)
    0.686965
    >>> fit = mlece.fit(mlece.Truncated(mlece.Poisson(), lower=1), [1, 1, 2, 1, 3])
    >>> round(fit.params["rate"], 6)
    1.02717
    """
    model = as_model(model, "Truncated")
    given = {"lower": lower, "upper": upper}
    given = {end: value for end, value in given.items() if value is not None}
    if not given:
        raise errors.ParameterError(errors.message("an end, lower= or upper=", "neither"))
    inner = type(model)
    names = tuple(p.name for p in inner.params)
    smooth = smooth_names(inner)
    own = {end: free_name(end, names) for end in given}
    params = {
        p.name: p if p.name in smooth else copied(p, regular=True, estimable=False)
        for p in inner.params
    }
    role = "" if model.support.discrete else "point"
    for end in given:
        doc = f"{end} end of the region"
        params[own[end]] = Param(real, role=role, estimable=False, doc=doc)
    cls = generated(
        TruncatedModel,
        Truncated,
        inner,
        params,
        own,
        support=inner.support,
        affine=inner.affine,
        exponential=inner.exponential,
        limit_families=_limits(inner, own, given, params),
        **hooks_of(TruncatedModel, inner, _needs(inner)),
    )
    out = cls(**passed_on(model), **{own[end]: value for end, value in given.items()})
    if model.known and inner.has("_log_cdf") and inner.has("_log_sf"):
        _check_mass(
            model, *(np.asarray(given.get(k, v)) for k, v in (("lower", -inf), ("upper", inf)))
        )
    return out


def _limits(
    inner: type[Model], own: dict[str, str], given: dict[str, Any], params: dict[str, Param]
) -> tuple[LimitFamily, ...]:
    """Return the truncated limits of the families to which the inner one tends."""
    out = []
    for limit in inner.limit_families:
        if not limit.simple:
            continue
        (name,) = limit.runs
        family = model_by_name(limit.family) if isinstance(limit.family, str) else limit.family
        # Any ends do: the class does not depend on them.
        whole = {end: {"lower": -1e300, "upper": 1e300}[end] for end in given}
        truncated = type(Truncated(family(), **whole))
        assert issubclass(truncated, Composite)
        ends = {own[end]: truncated.own[end] for end in given}
        out.append(replace(limit, family=truncated, slots={**limit.slots, **ends}))
        if not np.isfinite(params[name].limits[1]):
            params[name] = copied(params[name], limits=(params[name].limits[0], _LARGEST))
    return tuple(out)


def _needs(inner: type[Model]) -> dict[str, bool]:
    """Return what each hook needs of the inner family, and whether it is there."""
    tails = inner.has("_log_cdf") or inner.has("_log_sf")
    return {
        "_statistics": inner.has("_statistics"),
        "_block_sums": inner.has("_block_sums"),
        "_shared": all(inner.has(h) for h in ("_shared", "_score", "_curvature")),
        "_log_cdf": tails,
        "_log_sf": tails,
        "_quantile": tails and (inner.support.discrete or inner.has("_quantile")),
        "_sample": inner.has("_sample") and tails and inner.has("_quantile"),
        "_start": inner.has("_start"),
    }
