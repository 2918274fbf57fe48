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
from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.compose import engine, widened, within
from mlece.combinators.point_limits import at_point
from mlece.combinators.truncated import TruncatedModel
from mlece.combinators.unseen import Unseen, unseen
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays, inf, where
from mlece.model import Model
from mlece.moments import Summary, weighted_sum
from mlece.registry import model_by_name

# What rests on sums over exact observations does not hold for incomplete ones.
_LOST = (
    "_statistics",
    "_shared",
    "_expected_statistics",
    "_information",
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


_ONE_VALUE = (
    "every interval contains the one value that is observed exactly: the density grows without bound on "
    "it, and no probability falls to 0"
)


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

    def _degenerate(self, s: Summary, *theta: Any) -> tuple[Limit, ...]:  # type: ignore[override]
        found = self._shrinking(s, theta)
        if any(t is not None for t in theta):
            return tuple(found)
        for share, side, way in ((s.mean[1], "right", "beyond"), (s.mean[2], "left", "below")):
            sentence = (
                f"every observation is {side}-censored: the likelihood rises to 1 as the law moves "
                f"{way} them all"
            )
            nowhere = tuple(np.full_like(share, np.nan) for _ in theta)
            limit = Limit(share == 1, Status.NOT_ATTAINED, sentence, nowhere, 0.0 * share)
            found.append(limit)
        return tuple(found)

    def _shrinking(self, s: Summary, theta: tuple[Any, ...]) -> list[Limit]:
        """Return where all exact observations are one value that every interval contains.

        The smallest upper end is then the largest lower one. As a density grows without bound there the
        probabilities of the intervals stay away from 0.
        """
        alone = (s.mean[0] > 0) & (s.minimum == s.maximum)
        if not alone.any():
            return []
        return [
            replace(limit, mask=limit.mask & alone, sentence=_ONE_VALUE)
            for limit in self._inner._degenerate(at_point(self._inner, s), *theta)
            if limit.status is Status.UNBOUNDED
        ]

    def _laid_out(self, y: Any) -> tuple[Array, Arrays, tuple[int, ...]]:
        """Return triples (r or 1, m, 3), parameters (r, 1), and the shape of what is said of them."""
        values, batch = self.encode(y), self.batch_shape
        if np.isnan(values).any():
            raise errors.DataError(
                errors.message("numbers", errors.offenders(np.isnan(values), values))
            )
        if values.shape[-1:] != (3,):
            raise errors.DataError(
                errors.message("triples (lower, upper, entry)", f"shape {values.shape}")
            )
        shape = values.shape[:-1]
        if batch:
            shape = np.broadcast_shapes((*batch, 1), shape)
        m = shape[-1] if shape and batch else values.size // 3
        if values.size != 3 * m:
            values = np.broadcast_to(values, (*shape, 3))
        theta = []
        for p, value in zip(self.params, self.theta, strict=True):
            tail = value.shape[-1:] if p.vector else ()
            theta.append(np.broadcast_to(value, batch + tail).reshape(-1, 1, *tail))
        return values.reshape(-1, m, 3), tuple(theta), shape

    def log_density(self, y: Any) -> Array:
        """Return log q of exact observations, the log probability of the others.

        Parameters
        ----------
        y : array_like (..., 3)
            Lower end, upper end and entry of each; for a model with batch shape B an array B + (n, 3),
            or (n, 3) for all its members.

        Returns
        -------
        array
            In the shape of ``y`` without the triples, for a batch B + (n,).
        """
        t, theta, shape = self._laid_out(y)
        with np.errstate(all="ignore"):
            out = where(self.inside(t, theta), self.log_density_hook(t, theta), -inf)
        return np.asarray(out).reshape(shape)

    def score(self, y: Any) -> Array:
        """Return the score d log q / d theta, (..., k) behind the shape of :meth:`log_density`."""
        t, theta, shape = self._laid_out(y)
        with np.errstate(all="ignore"):
            raw = self.score_hook(t, theta)
            rows = (max(len(t), len(theta[0])), t.shape[1])
            out = np.stack([np.broadcast_to(part, rows) for part in raw], axis=-1)
        return out.reshape(*shape, len(raw))

    def shared(self, t: Any, theta: Arrays) -> Any:
        """Return what density, score and curvature have in common: the block at theta."""
        return _Block(self, t, theta)

    def log_density_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the log density of exact observations, the log probability of the others."""
        block = self.shared(t, theta) if shared is None else shared
        return np.asarray(block.value)

    def score_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the score of each observation, (r, m) for each parameter."""
        block = self.shared(t, theta) if shared is None else shared
        return block.score

    def curvature_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Any:
        """Return the upper triangle of the second derivatives, row by row."""
        block = self.shared(t, theta) if shared is None else shared
        return block.curvature


class _Block:
    """Log densities of the exact observations of a block, log probabilities of the others.

    Parameters
    ----------
    model : Incomplete
    t : array (r or 1, m, 3)
    theta : tuple of arrays (r, 1), or (r, m) where observations have parameters of their own
    """

    def __init__(self, model: Incomplete, t: Array, theta: Arrays) -> None:
        self.family, self.t, self.theta = model._inner, t, theta

    @functools.cached_property
    def unseen(self) -> Unseen:
        """The intervals of the block."""
        return unseen(self.family, self.t, self.theta)

    @functools.cached_property
    def exact(self) -> Array:
        """Which observations are exact, (r or 1, m)."""
        return np.asarray(self.t[..., 0] == self.t[..., 1])

    @functools.cached_property
    def columns(self) -> Array:
        """The observations that are exact for some member."""
        return np.flatnonzero(self.exact.any(axis=0))

    @functools.cached_property
    def points(self) -> Array:
        """These observations; other members' intervals in the place of one need some number."""
        seen, points = self.exact[:, self.columns], self.t[:, self.columns, 1]
        return points if seen.all() else where(seen, points, points[seen][0])

    @functools.cached_property
    def _seen(self) -> tuple[Any, Arrays, Any]:
        theta = tuple(v if v.shape[1] == 1 else v[:, self.columns] for v in self.theta)
        t = self.family.statistics(self.points)
        return t, theta, self.family.shared(t, theta)

    def _with_exact(self, hidden: Array, exact: Any) -> Array:
        seen = self.exact[:, self.columns]
        exact = np.asarray(exact) if seen.all() else where(seen, exact, 0.0)
        if self.columns.size == self.unseen.shape[1]:
            return np.asarray(hidden + exact)
        out = np.array(np.broadcast_to(hidden, self.unseen.shape))
        out[:, self.columns] += exact
        return out

    @functools.cached_property
    def value(self) -> Array:
        """Log density or log probability of each observation, (r, m)."""
        out = self.unseen.value
        if not self.columns.size:
            return out
        exact = self.family.log_density_hook(*self._seen)
        if self.family.has("_bounds"):
            # The ends move with the parameters: a formula may go on beyond them.
            exact = where(self.family.inside(self.points, self._seen[1]), exact, -inf)
        return self._with_exact(out, exact)

    @functools.cached_property
    def score(self) -> Arrays:
        """First derivatives, (r, m) each: the family's own where exact, its conditional mean elsewhere."""
        return self._derivatives(self.unseen.score, "score_hook")

    @functools.cached_property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row, (r, m) each."""
        return self._derivatives(self.unseen.curvature, "curvature_hook")

    def _derivatives(self, hidden: Arrays, hook: str) -> Arrays:
        if not self.columns.size:
            return hidden
        exact = getattr(self.family, hook)(*self._seen)
        return tuple(self._with_exact(h, e) for h, e in zip(hidden, exact, strict=True))


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


class IncompleteTruncated(Incomplete, abstract=True):
    """Incomplete observations within a region are those of the inner family, cut at its ends."""

    _whole: Model

    def shared(self, t: Any, theta: Arrays) -> Any:
        """Return what density, score and curvature have in common: the block at theta."""
        return _Cut(self, t, theta)


class _Cut:
    """log P(lower < Y <= upper) − log P(Y > entry), both of what lies in a region as well.

    The second is the mass of the region where nothing entered later than at its lower end.

    Parameters
    ----------
    model : IncompleteTruncated
    t : array (r or 1, m, 3)
    theta : tuple of arrays (r, 1), or (r, m) where observations have parameters of their own
    """

    def __init__(self, model: IncompleteTruncated, t: Array, theta: Arrays) -> None:
        family: Any = type(model._inner)
        self.model, self.theta = model._whole, theta
        self.inner, lower, upper = family._split(theta)
        low, high = np.maximum(t[..., 0], lower), np.minimum(t[..., 1], upper)
        discrete = family.support.discrete
        # Of counts both ends belong to an interval, and the first one beyond an entry is seen.
        entry = t[..., 2] + 1.0 if discrete else t[..., 2]
        start, stop = np.broadcast_arrays(np.maximum(entry, lower), np.asarray(upper))
        exact = t[..., 0] == t[..., 1]
        self.nowhere = where(exact | discrete, low > high, low >= high) | (
            start > stop if discrete else start >= stop
        )
        ends = where(self.nowhere, t[..., 0], low), where(self.nowhere, t[..., 1], high)
        self.seen = np.stack([*ends, np.full_like(ends[0], -inf)], axis=-1)
        later = np.broadcast_to((entry > lower) & ~self.nowhere, self.nowhere.shape)
        self.columns = np.flatnonzero(later.any(axis=0))
        wide = [np.broadcast_to(e, later.shape)[:, self.columns] for e in (start, stop)]
        self.beyond = np.stack([*wide, np.full(wide[0].shape, -inf)], axis=-1)
        self.region = family._region(theta)

    @functools.cached_property
    def _blocks(self) -> tuple[tuple[Array, Arrays, Any], ...]:
        """What is asked of the inner family: observations, parameters, and what they share."""
        own = tuple(v if v.shape[1] == 1 else v[:, self.columns] for v in self.inner)
        asked = [(self.seen, self.inner)] + [(self.beyond, own)] * bool(self.columns.size)
        return tuple((t, v, self.model.shared(t, v)) for t, v in asked)

    def _less(self, hook: str, region: Arrays) -> list[Array]:
        """Return what a hook says of the observations, less what it says of all that could be seen."""
        found = (getattr(self.model, hook)(*block) for block in self._blocks)
        parts = [f if isinstance(f, tuple) else (f,) for f in found]
        out = []
        for j, mass in enumerate(region):
            seen = np.asarray(parts[0][j])
            rest = np.broadcast_to(mass, np.broadcast_shapes(mass.shape, seen.shape))
            if self.columns.size:
                rest = np.array(rest)
                rest[:, self.columns] = parts[1][j]
            out.append(seen - rest)
        return out

    @functools.cached_property
    def value(self) -> Array:
        """Log density or log probability of each observation, (r, m)."""
        (whole,) = self._less("log_density_hook", (self.region.log_mass,))
        return where(self.nowhere, -inf, whole)

    @functools.cached_property
    def score(self) -> Arrays:
        """First derivatives, (r, m) each."""
        found = self._less("score_hook", self.region.first)
        return (*found, *[np.zeros_like(found[0])] * (len(self.theta) - len(found)))

    @functools.cached_property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row, (r, m) each."""
        found = tuple(self._less("curvature_hook", self.region.second))
        return widened(found, len(self.inner), len(self.theta), np.zeros_like(found[0]))


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
    body.update(
        dict.fromkeys(flags, False), profile_over="", complete=family, concave_in=(), separation=""
    )
    body.update(__doc__=family.__doc__, __module__=__name__)
    # The end of an unnamed law is found by a closed form for exact observations.
    kept = (limit for limit in family.limit_families if limit.named or limit.smooth)
    body.update(limit_families=tuple(kept))
    base: type[Model] = Incomplete
    if family._components:
        base = IncompleteMixture
        body.update(_summed=tuple(engine(incomplete(type(c))) for c in family._components))
    elif issubclass(family, TruncatedModel):
        base = IncompleteTruncated
        body.update(_whole=engine(incomplete(family.inner)))
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
