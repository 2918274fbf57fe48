"""Laws with an extra atom: zero-inflated counts, hurdles, and densities with a point of positive mass."""

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
    free_name,
    generated,
    hooks_of,
    inner_start,
    inner_terms,
    passed_on,
    smooth_names,
)
from mlece.combinators.truncated import Truncated
from mlece.domain import Domain, real
from mlece.limits import Limit, LimitFamily, Status, full
from mlece.math import Array, Arrays, exp, inf, log, log1p, where, xlog1py, xlogy
from mlece.model import Model
from mlece.moments import Summary
from mlece.numerics.counting import smallest_count
from mlece.param import Param
from mlece.registry import model_by_name

_SHARE = Domain(0.0, 1.0, closed_lower=True)
_LEAST = 1e-9  # a probability below is held against the law without the atom


class AtomModel(Composite, abstract=True):
    """What laws with an extra atom have in common: slots of the inner law, probability, at.

    Attributes
    ----------
    rest : type of Model
        The law of what is not the atom.
    """

    rest: ClassVar[type[Model]]

    @classmethod
    def _split(cls, theta: Any) -> tuple[Any, Any, Any]:
        """Return the parameters of the rest, the probability of the atom, and where it lies."""
        return theta[:-2], theta[-2], theta[-1]

    @classmethod
    def _terms(cls, y: Array, theta: Arrays, order: int) -> tuple[Array, Arrays, Arrays]:
        """Return log q, score and curvature of the inner parameters under the rest."""
        inner, _, _ = cls._split(theta)
        return inner_terms(cls.rest, y, inner, order)

    @classmethod
    def _bounds(cls, *theta: Array) -> Arrays:
        inner, _, at = cls._split(theta)
        low, high = engine(cls.rest).bounds(inner)
        return np.minimum(low, at), np.maximum(high, at)

    @classmethod
    def _breakpoints(cls, *theta: Array) -> Any:
        points = cls.rest._breakpoints(*cls._split(theta)[0])
        # No kink of counts, but what adds them up must not pass the atom by.
        return (*points, theta[-1]) if cls.support.discrete else points

    @classmethod
    def _start(cls, x: Array, *slots: Any) -> Arrays:
        # The pilot points hold no word of where the atom is: the value repeated most stands for it.
        middle, share, others = _most_repeated(x)
        return (*inner_start(cls.inner, others, slots), share, middle)

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        _, share, at = cls._split(slots)
        if share is not None:
            return ()
        every = (s.minimum == s.maximum) & (s.minimum == at)
        sentence = (
            "every observation is the atom: its probability runs to 1, and nothing tells the other "
            "parameters"
        )
        theta = tuple(full(s.weight, np.nan) if v is None else v for v in slots[:-2])
        one, zero = full(s.weight, 1.0), full(s.weight, 0.0)
        return (Limit(every, Status.NOT_ATTAINED, sentence, (*theta, one, at), zero),)

    # ------------------------------------------------------------------ probabilities

    @classmethod
    def _tail(cls, hook: str, y: Array, theta: Arrays) -> Array:
        """Return log F or log(1 − F) of the rest, at its limits beyond its ends."""
        inner, _, _ = cls._split(theta)
        model = engine(cls.rest)
        low, high = model.bounds(inner)
        inside = np.minimum(np.maximum(y, low), high)
        value = model.log_probability_hook(inside, inner, above=hook == "_log_sf")
        below, above = (-inf, 0.0) if hook == "_log_cdf" else (0.0, -inf)
        massive = cls.support.discrete or cls.rest.has("_atoms")
        under = y < low if massive else y <= low
        return np.asarray(where(under, below, where(y >= high, above, value)))

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        _, share, at = cls._split(theta)
        rest = log1p(-share) + cls._tail("_log_cdf", y, theta)
        return np.asarray(np.logaddexp(rest, where(y >= at, log(share), -inf)))

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        _, share, at = cls._split(theta)
        rest = log1p(-share) + cls._tail("_log_sf", y, theta)
        return np.asarray(np.logaddexp(rest, where(y >= at, -inf, log(share))))

    @classmethod
    def _quantile(cls, u: Array, *theta: Array) -> Array:
        inner, share, at = cls._split(theta)
        if cls.support.discrete:
            return np.asarray(smallest_count(cls._log_cdf, u, cls._bounds(*theta)[1], *theta))
        before = (1 - share) * exp(cls._tail("_log_cdf", np.asarray(at), theta))
        below = cls.rest._quantile(np.minimum(u / (1 - share), 1.0), *inner)
        above = cls.rest._quantile(np.maximum((u - share) / (1 - share), 0.0), *inner)
        return np.asarray(where(u < before, below, where(u <= before + share, at, above)))

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        inner, share, at = cls._split(theta)
        drawn = cls.rest._sample(rng, size, *inner)
        return np.asarray(where(rng.random(size) < share, at, drawn))

    @classmethod
    def _mean(cls, *theta: Array) -> Array:
        inner, share, at = cls._split(theta)
        return np.asarray((1 - share) * cls.rest._mean(*inner) + share * at)

    @classmethod
    def _variance(cls, *theta: Array) -> Array:
        inner, share, at = cls._split(theta)
        gap = cls.rest._mean(*inner) - at
        return np.asarray((1 - share) * (cls.rest._variance(*inner) + share * gap**2))


def _most_repeated(x: Array) -> tuple[Array, Array, Array]:
    """Return the value repeated most in each row, its share, and the others spread over the row."""
    rows = np.arange(len(x))
    step = np.diff(x, axis=1) == 0
    run = np.zeros(x.shape)
    for j in range(1, x.shape[1]):
        run[:, j] = np.where(step[:, j - 1], run[:, j - 1] + 1, 0)
    middle = x[rows, np.argmax(run, axis=1)]
    hit = x == middle[:, None]
    kept = (~hit).sum(axis=1, keepdims=True)
    share = hit.mean(axis=1)
    # The others come first, and each stands as often as it takes to fill the row.
    rest = np.sort(where(hit & (kept > 0), inf, x), axis=1)
    room = where(kept > 0, kept, x.shape[1])
    at = ((np.arange(x.shape[1]) + 0.5) * room / x.shape[1]).astype(int)
    return middle, 0.02 + 0.7 * share, np.take_along_axis(rest, at, axis=1)


# ---------------------------------------------------------------------------- one atom on top of another


class InflatedCounts(AtomModel, abstract=True):
    """Counts: the mass at the atom is π + (1 − π) q₀(at)."""

    @classmethod
    def _log_density(cls, y: Array, *theta: Array) -> Array:
        _, share, at = cls._split(theta)
        plain = log1p(-share) + cls._terms(y, theta, 0)[0]
        return np.asarray(where(y == at, np.logaddexp(plain, log(share)), plain))

    @classmethod
    def _weights(cls, y: Array, log_q: Array, theta: Arrays) -> tuple[Array, Array, Array]:
        """Return whether y is the atom, its total mass there, and the share of the rest in it."""
        _, share, at = cls._split(theta)
        hit = y == at
        log_rest = log1p(-share) + log_q
        log_mass = np.logaddexp(log_rest, log(share))
        return hit, exp(where(hit, log_mass, 0.0)), where(hit, exp(log_rest - log_mass), 1.0)

    @classmethod
    def _score(cls, y: Array, *theta: Array) -> Arrays:
        _, share, at = cls._split(theta)
        log_q, score, _ = cls._terms(y, theta, 1)
        hit, mass, rest = cls._weights(y, log_q, theta)
        own = where(hit, -np.expm1(log_q) / mass, -1 / (1 - share))
        return (*[rest * s for s in score], own, 0 * at + 0 * own)

    @classmethod
    def _curvature(cls, y: Array, *theta: Array) -> Arrays:
        _, share, _ = cls._split(theta)
        log_q, score, curvature = cls._terms(y, theta, 2)
        hit, mass, rest = cls._weights(y, log_q, theta)
        own = where(hit, -np.expm1(log_q) / mass, -1 / (1 - share))
        zero = 0 * own
        out, at = [], 0
        for i, s in enumerate(score):
            for r in score[i:]:
                out.append(rest * curvature[at] + rest * (1 - rest) * s * r)
                at += 1
            out += [where(hit, -exp(log_q) * s / mass**2, 0.0), zero]
        return (*out, -(own**2), zero, zero)


# ---------------------------------------------------------------------------- an atom apart


class AtomApart(AtomModel, abstract=True):
    """The rest has no mass at the atom: a density, or counts truncated to lie above it."""

    @classmethod
    def _log_density(cls, y: Array, *theta: Array) -> Array:
        _, share, at = cls._split(theta)
        rest = log1p(-share) + cls._terms(y, theta, 0)[0]
        return np.asarray(where(y == at, log(share), rest))

    @classmethod
    def _score(cls, y: Array, *theta: Array) -> Arrays:
        _, share, at = cls._split(theta)
        hit = y == at
        _, score, _ = cls._terms(y, theta, 1)
        own = where(hit, 1 / share, -1 / (1 - share))
        return (*[where(hit, 0.0, s) for s in score], own, 0 * own)

    @classmethod
    def _curvature(cls, y: Array, *theta: Array) -> Arrays:
        _, share, at = cls._split(theta)
        hit = y == at
        _, score, curvature = cls._terms(y, theta, 2)
        own = where(hit, -1 / share**2, -1 / (1 - share) ** 2)
        zero = 0 * own
        out, place = [], 0
        for i in range(len(score)):
            for _ in range(i, len(score)):
                out.append(where(hit, 0.0, curvature[place]))
                place += 1
            out += [zero, zero]
        return (*out, own, zero, zero)

    @classmethod
    def _entropy(cls, *theta: Array) -> Array:
        inner, share, _ = cls._split(theta)
        binary = -xlogy(share, share) - xlog1py(1 - share, -share)
        return np.asarray(binary + (1 - share) * cls.rest._entropy(*inner))


class MixedModel(AtomApart, abstract=True):
    """A density with an atom: Lebesgue measure and the unit mass at the atom dominate it together."""

    @classmethod
    def _atoms(cls, *theta: Array) -> tuple[Array, Array]:
        """Return where the atoms lie and their masses; a mass is NaN where its slot is free."""
        inner, share, at = cls._split(theta)
        share = np.nan if share is None else share
        points, masses = cls.inner._atoms(*inner) if cls.inner.has("_atoms") else ((), ())
        rest = (1 - share) * np.asarray(masses, dtype=float)
        return np.append(points, at), np.append(rest, share)

    @property
    def continuous_part(self) -> Model:
        """The law of what is no atom."""
        inner = self.inner_model
        return inner.continuous_part if isinstance(inner, MixedModel) else inner


class HurdleCounts(AtomApart, abstract=True):
    """Counts: the rest is truncated to lie above the atom."""

    @classmethod
    def _split(cls, theta: Any) -> tuple[Any, Any, Any]:
        above = None if theta[-1] is None else theta[-1] + 1
        return (*theta[:-2], above), theta[-2], theta[-1]

    @classmethod
    def _terms(cls, y: Array, theta: Arrays, order: int) -> tuple[Array, Arrays, Arrays]:
        log_q, score, curvature = super()._terms(y, theta, order)
        k = len(cls.inner.params)
        pairs = [(i, j) for i in range(k + 1) for j in range(i, k + 1)]
        kept = [c for c, (_, j) in zip(curvature, pairs, strict=bool(order > 1)) if j < k]
        return log_q, score[:k], tuple(kept)

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        (limit,) = super()._degenerate(s, *slots) or (None,)
        if limit is None:
            return ()
        theta = tuple(full(s.weight, np.nan) if v is None else v for v in slots[:-2])
        return (replace(limit, theta=(*theta, *limit.theta[-2:])),)


@dataclass(frozen=True)
class AboveHurdle:
    """Makes the law above a hurdle that nothing failed to pass."""

    inner: type[Model]

    @property
    def __name__(self) -> str:
        return f"{self.inner.__name__} above the hurdle"

    def __call__(self, *, at: Any, **slots: Any) -> Model:
        """Return the inner law truncated to lie above the atom."""
        return Truncated(self.inner(**slots), lower=np.asarray(at) + 1)


# ---------------------------------------------------------------------------- the combinators


def _atom(call: Any, base: type[AtomModel], model: Model, probability: Any, at: Any) -> Model:
    """Return a model with an extra atom."""
    inner, counted = type(model), model.support.discrete
    where_ = np.asarray(at, dtype=float)
    closed = Domain(model.support.lower, model.support.upper, True, True, model.support.kind)
    if not np.all(closed.contains(where_)):
        raise errors.ParameterError(
            errors.message(f"an atom in the support of {model!r}, {model.support}", f"{at!r}")
        )
    if model.has("_atoms") and np.isin(where_, model._atoms(*model.slots.values())[0]).any():
        raise errors.ParameterError(
            errors.message(f"an atom where {model!r} has none", f"another one at {at!r}")
        )
    names = tuple(p.name for p in inner.params)
    own = {a: free_name(a, names) for a in ("probability", "at")}
    smooth = smooth_names(inner)
    params = {
        p.name: copied(p, role="", regular=True, estimable=p.estimable and p.name in smooth)
        for p in inner.params
    }
    share = Param(
        _SHARE,
        r"\pi",
        typical=(0.1, 0.5),
        limits=(_LEAST, 1 - _LEAST),
        doc="extra mass of the atom",
    )
    params[own["probability"]] = share
    params[own["at"]] = Param(real, estimable=False, doc="where the atom lies")
    support = replace(
        model.support,
        closed_lower=model.support.closed_lower or bool(np.any(where_ == model.support.lower)),
        closed_upper=model.support.closed_upper or bool(np.any(where_ == model.support.upper)),
        name="",
    )
    rest: type[Model] = inner
    plain: Any = inner
    if base is HurdleCounts:
        rest = type(Truncated(inner(**_any_slots(inner)), lower=model.support.lower + 1))
        plain = AboveHurdle(inner)
    same = {n: n for n in names} | ({"at": "at"} if base is HurdleCounts else {})
    both = rest.has("_log_cdf") and rest.has("_log_sf")
    needs = {
        "_start": inner.has("_start"),
        "_log_cdf": both,
        "_log_sf": both,
        "_quantile": both and (counted or rest.has("_quantile")),
        "_sample": rest.has("_sample"),
        "_mean": rest.has("_mean"),
        "_variance": rest.has("_mean") and rest.has("_variance"),
        "_entropy": base is not InflatedCounts and rest.has("_entropy"),
    }
    cls = generated(
        base,
        call,
        inner,
        params,
        own,
        rest=rest,
        support=support,
        limit_families=(
            *_limits(call, inner, own, params),
            LimitFamily(plain, {own["probability"]: 0.0}, same, only_near=True),
        ),
        **hooks_of(base, inner, needs),
    )
    return cls(**passed_on(model), **{own["probability"]: probability, own["at"]: where_})


def _any_slots(inner: type[Model]) -> dict[str, Any]:
    return {p.name: p.typical[1] for p in inner.params if not p.estimable}


def _limits(
    call: Any, inner: type[Model], own: dict[str, str], params: dict[str, Param]
) -> tuple[LimitFamily, ...]:
    """Return the limits of the inner family with the atom."""
    out = []
    for one in inner.limit_families:
        if not one.simple:
            continue
        (name,) = one.runs
        family = model_by_name(one.family) if isinstance(one.family, str) else one.family
        limit = type(call(family(**_any_slots(family))))
        assert issubclass(limit, Composite)
        slots = {**one.slots, **{own[a]: limit.own[a] for a in own}}
        out.append(replace(one, family=limit, slots=slots))
        if not np.isfinite(params[name].limits[1]):
            params[name] = copied(params[name], limits=(params[name].limits[0], 1e8))
    return tuple(out)


def Inflated(model: Any, at: Any = 0.0, probability: Any = None) -> Model:
    r"""Add an atom to a model: with probability π the observation is ``at``, else it follows the model.

    For counts the mass at the atom is π + (1 − π) q₀(at), the zero-inflated law (Lambert 1992). For a
    density the atom is a point of positive mass: log q(at) = log π and log q(y) = log(1 − π) + log q₀(y)
    elsewhere, against Lebesgue measure plus the unit mass at the atom. Such a law is compared with
    laws that have the same atom only.

    R: ``pscl::zeroinfl(y ~ 1)`` (rate = exp(count part), π = plogis(zero part)); the zero-adjusted
    families of ``gamlss.dist`` (``ZAGA``) for densities.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Its filled slots are fixed, its free ones are estimated.
    at : float
        Where the atom lies: a known constant.
    probability : float or array_like, optional
        Its extra mass π in [0, 1), estimated if not given.

    Returns
    -------
    Model
        With the slots of the inner model, ``probability`` and ``at``.

    Raises
    ------
    ParameterError
        If the atom lies outside the support of the model.

    Examples
    --------
    >>> import mlece
    >>> law = mlece.Inflated(mlece.Exponential(rate=1), probability=0.5)
    >>> round(law.entropy(), 6)  # h(1/2) + 1/2
    1.193147
    >>> fit = mlece.fit(mlece.Inflated(mlece.Poisson()), [0, 0, 0, 0, 2, 3, 1, 4])
    >>> round(fit.params["probability"], 4)
    0.4399
    """
    model = as_model(model, "Inflated", atoms=True)
    base = InflatedCounts if model.support.discrete else MixedModel
    return _atom(Inflated, base, model, probability, at)


def Hurdle(model: Any, at: Any = 0.0, probability: Any = None) -> Model:
    r"""Put a hurdle before a model: π is the mass at ``at``, and the rest lies beyond it.

    log q(at) = log π; elsewhere log(1 − π) + log q₀(y) − log(1 − q₀(at)) for counts, whose rest is
    truncated to lie above the hurdle (Mullahy 1986). For a density, which has no mass at a point, it is
    :func:`Inflated`.

    R: ``pscl::hurdle(y ~ 1)`` (its zero part is the logit of 1 − π).

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Its filled slots are fixed, its free ones are estimated.
    at : float
        Where the hurdle stands; for counts the smallest possible one.
    probability : float or array_like, optional
        The mass π in [0, 1) there, estimated if not given.

    Returns
    -------
    Model
        With the slots of the inner model, ``probability`` and ``at``.

    Raises
    ------
    ParameterError
        If the hurdle of counts is not their smallest value, or lies outside the support.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Hurdle(mlece.Poisson()), [0, 0, 0, 0, 2, 3, 1, 4])
    >>> fit.params["probability"].__round__(9)
    0.5
    """
    model = as_model(model, "Hurdle")
    if model.support.discrete and np.any(np.asarray(at) != model.support.lower):
        raise errors.ParameterError(
            errors.message(
                f"a hurdle at the smallest value of {model!r}, {model.support.lower:g}", f"{at!r}"
            )
        )
    base = HurdleCounts if model.support.discrete else MixedModel
    return _atom(Hurdle, base, model, probability, at)
