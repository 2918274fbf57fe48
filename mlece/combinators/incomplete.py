"""A family of which the observations are incomplete: intervals, and values seen only beyond an entry.

An incomplete observation is a triple (lower, upper, entry). Exact observations have lower = upper, left-
and right-censored ones an infinite end; without truncation the entry is minus infinity. One formula
serves all of them,

    log P(lower < Y <= upper) − log P(Y > entry),

with the density in the place of the first probability where the observation is exact (Turnbull 1976).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mlece.combinators.cells import Runs, masses
from mlece.combinators.compose import engine, within
from mlece.combinators.locations import Moved, place_of_location
from mlece.derivatives import numerical_curvature, numerical_score
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays, inf, log, log1mexp, logsumexp, where
from mlece.model import Model, model_by_name
from mlece.moments import Summary, weighted_sum

# What rests on sums over exact observations does not hold for incomplete ones.
_LOST = (
    "_statistics",
    "_shared",
    "_expected_statistics",
    "_maximise",
    "_estimate",
    "_profile_statistics",
    "_profile_equation",
    "_profile_shared",
    "_collapses",
    "_rivals",
    "_exact_interval",
    "_kink",
)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# An interval that holds less than this share of the nearer tail is short on the scale of the density.
_SHORT = 0.1


class Incomplete(Model, abstract=True):
    """What a family of incomplete observations does in its own way."""

    complete: type[Model]
    _width = 3
    _observations = "censored, truncated or grouped observations"

    def __reduce__(self) -> Any:
        return _rebuild, (self.complete, self.slots, self.settings)

    @property
    def _inner(self) -> Model:
        return engine(self.complete)

    def member(self, *theta: Any) -> Model:
        """Return the distribution of a complete observation."""
        return self._inner.member(*theta)

    def relative(self, name: str) -> Callable[..., Model]:
        """Return the family of that name for incomplete observations."""
        return incomplete(model_by_name(name))

    def alike(self, model: Model) -> Model:
        """Return a model as one of incomplete observations."""
        if isinstance(model, Incomplete):
            return model
        return incomplete(type(model))(**model.slots, **model.settings)

    def points(self, values: Array) -> Array:
        """Return exact observations, the middle of an interval, or the finite end of a half line."""
        lower = np.maximum(values[..., 0], self.support.lower)
        upper = np.minimum(values[..., 1], self.support.upper)
        middle = lower + 0.5 * (upper - lower)
        ends = np.where(np.isfinite(lower), lower, np.where(np.isfinite(upper), upper, 0.0))
        out = np.where(np.isfinite(middle), middle, ends)
        # What may lie anywhere says nothing of where: it stands with the others.
        anywhere = (lower <= self.support.lower) & (upper >= self.support.upper)
        known = ~anywhere.all(axis=-1, keepdims=True)
        if (anywhere & known).any():
            others = np.nanmedian(np.where(anywhere & known, np.nan, out), axis=-1, keepdims=True)
            out = np.where(anywhere & known, others, out)
        return np.floor(out) if self.support.discrete else out

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return the upper and the lower ends: an interval needs some of the support inside."""
        return values[..., 1], values[..., 0]

    def density_share(self, summary: Summary) -> Any:
        """Return the share of exact observations; a probability has no units."""
        return summary.mean[0]

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True where a law has a density at the exact observation, or none is asked."""
        exact = y[..., 0] == y[..., 1]
        return np.asarray(~exact | self._inner.inside(y[..., 1], theta))

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        exact = y[..., 0] == y[..., 1]
        right = ~exact & (y[..., 1] == inf)
        left = ~exact & (y[..., 0] == -inf)
        return tuple(weighted_sum(part * 1.0, w, y.shape[1]) for part in (exact, right, left))

    @staticmethod
    def _degenerate(s: Summary, *theta: Any) -> tuple[Limit, ...]:
        if any(t is not None for t in theta):
            return ()
        found = []
        for share, side, way in ((s.mean[1], "right", "beyond"), (s.mean[2], "left", "below")):
            sentence = (
                f"every observation is {side}-censored: the likelihood rises to 1 as the law moves "
                f"{way} them all"
            )
            nowhere = tuple(np.full_like(share, np.nan) for _ in theta)
            limit = Limit(share == 1, Status.NOT_ATTAINED, sentence, nowhere, 0.0 * share)
            found.append(limit)
        return tuple(found)

    def shared(self, t: Any, theta: Arrays) -> Any:
        """Return what density, score and curvature have in common: the probabilities at theta."""
        return _Unseen(self, t, theta)

    def log_density_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the log density of exact observations, the log probability of the others."""
        unseen = self.shared(t, theta) if shared is None else shared
        out = self._with_exact((unseen.value,), t, theta, self._density)[0]
        if not self.has("_bounds"):
            return out
        # The ends move with the parameters: a formula may go on beyond them.
        beyond = (t[..., 0] == t[..., 1]) & ~self._inner.inside(t[..., 1], theta)
        return np.asarray(where(beyond, -inf, out))

    def _density(self, t: Any, theta: Arrays) -> Arrays:
        return (self._inner.log_density_hook(t, theta),)

    def score_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the score: the family's own where exact, its conditional mean elsewhere."""
        unseen = self.shared(t, theta) if shared is None else shared
        return self._with_exact(unseen.score, t, theta, self._inner.score_hook)

    def curvature_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the upper triangle of the second derivatives, row by row."""
        unseen = self.shared(t, theta) if shared is None else shared
        return self._with_exact(unseen.curvature, t, theta, self._inner.curvature_hook)

    def _with_exact(
        self, parts: Arrays, t: Array, theta: Arrays, hook: Callable[[Any, Arrays], Any]
    ) -> Arrays:
        """Add what a hook of the complete family says of the exact observations of a block."""
        exact = t[..., 0] == t[..., 1]
        if not exact.any():
            return parts
        # The others need some number: one in the support, for which every formula holds.
        own = hook(self._inner.statistics(where(exact, t[..., 1], self.points(t))), theta)
        return tuple(a + where(exact, b, 0.0) for a, b in zip(parts, own, strict=True))

    def log_unseen(self, t: Array, *theta: Array) -> Array:
        """Return log P(lower < Y <= upper) where it is not exact, less log P(Y > entry)."""
        lower, upper, entry = t[..., 0], t[..., 1], t[..., 2]
        hidden, truncated = lower != upper, entry > -inf
        out: Any = np.zeros(hidden.shape)
        if hidden.any():
            out = where(hidden, self._log_mass(lower, upper, theta), 0.0)
        if truncated.any():
            seen = self._inner.log_probability_hook(entry, theta, above=True)
            out = out - where(truncated, seen, 0.0)
        return np.asarray(out)

    def _log_mass(self, lower: Array, upper: Array, theta: Arrays) -> Array:
        """Return log P(lower < Y <= upper), for counts log P(lower <= Y <= upper), by the nearer tail."""
        start = lower - 1.0 if self.support.discrete else lower
        probability = self._inner.log_probability_hook
        above, below = probability(start, theta, above=True), probability(upper, theta, above=False)
        upward = above < below
        tail = where(upward, above, below)
        rest = where(
            upward,
            probability(upper, theta, above=True),
            probability(start, theta, above=False),
        )
        mass = where(tail > -inf, tail + log1mexp(tail - rest), -inf)
        if self.support.discrete or self.has("_breakpoints"):
            return mass
        short = (tail - rest < _SHORT) & (tail > -inf)
        columns = np.flatnonzero(short.any(axis=0))
        if not columns.size:
            return mass
        # The difference of two nearly equal probabilities has lost digits: integrate the density.
        low, high = lower[:, columns], upper[:, columns]
        half = 0.5 * (high - low)
        y = (low + half)[..., None] + half[..., None] * _NODES
        density = self._inner.log_density_hook(self._inner.statistics(y.reshape(len(y), -1)), theta)
        integral = logsumexp(
            density.reshape(len(density), -1, _NODES.size) + log(_WEIGHTS), axis=-1
        )
        mass[:, columns] = where(short[:, columns], integral + log(half), mass[:, columns])
        return mass


class _Unseen:
    """Log probabilities of the observations of a block that are not exact, and their derivatives."""

    def __init__(self, model: Incomplete, t: Array, theta: Arrays) -> None:
        self.model, self.t, self.theta = model, t, theta
        lower, upper, entry = t[..., 0], t[..., 1], t[..., 2]
        self.hidden = lower != upper
        self.truncated = entry > -inf
        self.any = bool(self.hidden.any() or self.truncated.any())

    @functools.cached_property
    def value(self) -> Array:
        """Log probabilities, by the family's own formula if a density has one."""
        if not self.any:
            return np.zeros((1, 1))
        family = self.model.complete
        closed = family.has("_log_cdf") or family.has("_log_sf")
        # A formula is shorter than an integral, not than a sum.
        if (closed and not family.support.discrete) or self.parts is None:
            return self.model.log_unseen(self.t, *self.theta)
        return np.asarray(self.parts[0])

    @property
    def score(self) -> Arrays:
        """First derivatives, sixth-order differences where the law is not smooth."""
        k = len(self.theta)
        if not self.any:
            return (np.zeros((1, 1)),) * k
        if self.moved is not None:
            return self.moved.score()
        if self.parts is None:
            return numerical_score(self.model.log_unseen, self.t, self.theta, *self.model._limits())
        return tuple(self.parts[1 : 1 + k])

    @property
    def curvature(self) -> Arrays:
        """Second derivatives, upper triangle row by row."""
        k = len(self.theta)
        if not self.any:
            return (np.zeros((1, 1)),) * (k * (k + 1) // 2)
        if self.moved is not None:
            return self.moved.curvature()
        if self.parts is None:
            return numerical_curvature(
                self.model.log_unseen, None, self.t, self.theta, *self.model._limits()
            )
        return tuple(self.parts[1 + k :])

    @functools.cached_property
    def moved(self) -> Moved | None:
        """The derivatives where a location carries kinks of the density past the ends of intervals."""
        at = place_of_location(self.model.complete)
        return None if at is None else Moved(self.model, self.t, self.theta, at)

    @functools.cached_property
    def parts(self) -> Array | None:
        """Value and derivatives, stacked, of probabilities that are integrals of a smooth density."""
        lower, upper, entry = (self.t[..., j] for j in range(3))
        if self.model.support.discrete:
            lower, upper, entry = np.ceil(lower) - 1.0, np.floor(upper), np.floor(entry)
        some, late = (np.flatnonzero(m.any(axis=0)) for m in (self.hidden, self.truncated))
        ends = (
            np.concatenate([where(self.hidden, lower, inf)[:, some], entry[:, late]], axis=1),
            np.concatenate(
                [where(self.hidden, upper, inf)[:, some], np.full_like(entry[:, late], inf)], axis=1
            ),
        )
        found = masses(engine(self.model.complete), Runs.of(*ends), self.theta)
        if found is None:
            return None
        out = np.zeros((*found.shape[:2], lower.shape[1]))
        out[:, :, some] = where(self.hidden[:, some], found[:, :, : some.size], 0.0)
        out[:, :, late] -= where(self.truncated[:, late], found[:, :, some.size :], 0.0)
        return out


class IncompleteMixture(Incomplete, abstract=True):
    """A mixture of incomplete observations is the mixture of its components' own.

    Under truncation it is divided by the mixture's probability of what lies beyond the entry, which is
    the same formula for another interval.
    """

    _summed: tuple[Model, ...]

    def start_hook(self, pilot: Array, slots: tuple[Array | None, ...]) -> Any:
        """Return starting values for complete observations in the place of the intervals."""
        return self._inner.start_hook(pilot, slots)

    def log_density_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the log density of exact observations, the log probability of the others."""
        return self._less_unseen(lambda y: (self._log_density(y, *theta),), t)[0]

    def score_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the score, from those of the components."""
        return self._less_unseen(lambda y: self._score(y, *theta), t)

    def curvature_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the upper triangle of the second derivatives, row by row."""
        return self._less_unseen(lambda y: self._curvature(y, *theta), t)

    def _less_unseen(self, hook: Callable[[Array], Arrays], t: Array) -> Arrays:
        """Return what a hook says of the observations, less what it says of all beyond the entry."""
        entry = t[..., 2]
        truncated = entry > -inf
        whole = np.stack([t[..., 0], t[..., 1], np.full_like(entry, -inf)], axis=-1)
        parts = tuple(hook(whole))
        if not truncated.any():
            return parts
        first = entry + 1.0 if self.support.discrete else entry
        beyond = np.stack([first, np.full_like(entry, inf), whole[..., 2]], axis=-1)
        less = hook(where(truncated[..., None], beyond, whole))
        return tuple(a - where(truncated, b, 0.0) for a, b in zip(parts, less, strict=True))


_MADE: dict[type[Model], type[Model]] = {}


def incomplete(family: type[Model]) -> type[Model]:
    """Return the family whose observations are triples (lower, upper, entry) of those of another.

    Parameters
    ----------
    family : class of Model
        A family of numbers.

    Returns
    -------
    class of Model
        With the same parameters; its fitted members are members of ``family``.
    """
    if family in _MADE:
        return _MADE[family]
    body: dict[str, Any] = {name: staticmethod(getattr(Model, name)) for name in _LOST}
    if within(engine(family)) is not None:
        # A component may shrink on an exact observation.
        del body["_collapses"]
    flags = ("affine", "exponential", "concave", "unit_carrier", "unit_free_sums")
    body.update(dict.fromkeys(flags, False), profile_over="", complete=family, concave_in=())
    body.update(__doc__=family.__doc__, __module__=__name__)
    # The end of an unnamed law is found by a closed form for exact observations.
    kept = (limit for limit in family.limit_families if limit.named or limit.smooth)
    body.update(limit_families=tuple(kept))
    base: type[Model] = Incomplete
    if family._components:
        base = IncompleteMixture
        body.update(_summed=tuple(engine(incomplete(type(c))) for c in family._components))
    made: type[Model] = type(family.__name__, (base, family), body)
    _MADE[family] = made
    # A composition has slots that are no attributes of its class.
    made.params = family.params
    return made


def is_incomplete(model: Model) -> bool:
    """Tell whether the observations of a model are triples (lower, upper, entry)."""
    return isinstance(model, Incomplete)


def _rebuild(family: type[Model], slots: dict[str, Any], settings: dict[str, Any]) -> Model:
    return incomplete(family)(**slots, **settings)
