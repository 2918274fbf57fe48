"""Log probabilities of the intervals in which incomplete observations lie, and their derivatives.

One question for every family: log P(lower < Y <= upper) − log P(Y > entry) of each observation that is not
exact or entered late, with its derivatives in the parameters. A family whose distribution function is
that of a law of the line at a standardised observation (the hook ``_standardised``) answers in closed
form, observation by observation, whether they share their parameters or not. For any other the
probabilities are integrated: under one law the intervals of all observations together
(:mod:`mlece.combinators.cells`), under laws of their own one by one (counts:
:mod:`mlece.combinators.counted`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mlece.combinators.cells import COUNTS, Runs, masses, short_masses
from mlece.combinators.counted import masses_of_counts
from mlece.combinators.locations import MovedLocation, place_of_location
from mlece.links.tails import between
from mlece.math import Array, Arrays, inf, log, log1mexp, logsumexp, where
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.numerics.jets import compose, variables

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
# An interval that holds less than this share of the nearer tail is short on the scale of the density.
_SHORT = 0.1
# Laws that are integrated at the same time, so that their nodes stay in the cache.
_AT_ONCE = 256


class Unseen:
    """What the intervals of a block add to log densities and derivatives, (r, m) arrays.

    Parameters
    ----------
    family : Model
        Of complete observations.
    t : array (r or 1, m, 3)
        Lower end, upper end and entry.
    theta : tuple of arrays (r, 1) or (r, m)
    """

    def __init__(self, family: Model, t: Array, theta: Arrays) -> None:
        self.family, self.t, self.theta = family, t, theta
        self.hidden = t[..., 0] != t[..., 1]
        self.truncated = t[..., 2] > -inf
        self.shape = np.broadcast_shapes(t.shape[:2], *[v.shape for v in theta])

    @property
    def value(self) -> Array:
        """Log probabilities, 0 where an observation is exact and entered at once."""
        raise NotImplementedError

    @property
    def score(self) -> Arrays:
        """First derivatives."""
        raise NotImplementedError

    @property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row."""
        raise NotImplementedError


def unseen(family: Model, t: Array, theta: Arrays) -> Unseen:
    """Return what answers for a family, as it is able to."""
    if family.has("_standardised"):
        return _Closed(family, t, theta)
    if not any(v.shape[-1] > 1 for v in theta):
        return _Integrated(family, t, theta)
    return (_Counted if family.support.discrete else _Apart)(family, t, theta)


class _AtOnce(Unseen):
    """Probabilities that come with all their derivatives, ``_parts`` (q, r, m)."""

    _parts: Any

    @property
    def value(self) -> Array:
        """Log probabilities."""
        return np.asarray(self._parts[0])

    @property
    def score(self) -> Arrays:
        """First derivatives."""
        return tuple(self._parts[1 : 1 + len(self.theta)])

    @property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row."""
        return tuple(self._parts[1 + len(self.theta) :])


# ---------------------------------------------------------------------------- in closed form


class _Closed(_AtOnce):
    """F(y) = F₀(z(y; θ)): both tails of F₀ and their derivatives, by the chain rule."""

    def __init__(self, family: Model, t: Array, theta: Arrays) -> None:
        super().__init__(family, t, theta)
        low, high = family.support.lower, family.support.upper
        lower, upper, entry = (t[..., j] for j in range(3))
        self.nowhere = self.hidden & ((upper <= low) | (lower >= high))
        some = self.hidden & ~self.nowhere
        starts, stops = some & (lower > low), some & (upper < high)
        # Where the tail begins, of whom, whether it is the upper one, and its sign in the sum.
        self.tails = (
            (lower, starts & ~stops, True, 1.0),
            (upper, stops & ~starts, False, 1.0),
            (entry, entry > low, True, -1.0),
        )
        self.inner = starts & stops

    def _of(self, mask: Array, *ends: Array) -> tuple[Any, list[Array], Arrays]:
        """Return where a mask holds, the ends there and the parameters, flat."""
        if len(mask) == self.shape[0]:
            place: Any = np.nonzero(mask)
        else:
            place = np.nonzero(np.broadcast_to(mask, self.shape))
        flat = [
            (e if len(e) == len(mask) == self.shape[0] else np.broadcast_to(e, self.shape))[place]
            for e in ends
        ]
        theta = (
            v.reshape(1) if v.size == 1 else np.broadcast_to(v, self.shape)[place]
            for v in self.theta
        )
        return place, flat, tuple(theta)

    @functools.cached_property
    def _parts(self) -> Array:
        """Value and derivatives, stacked: few ask for the value alone."""
        k = len(self.theta)
        out = np.zeros((1 + k + k * (k + 1) // 2, *self.shape))
        for end, mask, above, sign in self.tails:
            if mask.any():
                place, (y,), theta = self._of(mask, end)
                moved = variables(*theta)
                law, *at = self.family._standardised(y, *moved)
                inner = [moved[0].lift(x) for x in at]
                tail = law.jets(*[x.value for x in inner])[above]
                jet = compose(tail.value, tail.first, tail.second, inner)
                for row, part in zip(out, jet.parts(), strict=True):
                    row[place] += sign * part
        if self.inner.any():
            place, parts = self._within
            for row, part in zip(out, parts, strict=True):
                row[place] += part
        if self.nowhere.any():
            out[0][np.broadcast_to(self.nowhere, self.shape)] = -inf
        return out

    @functools.cached_property
    def _within(self) -> tuple[Any, Array]:
        """Where intervals have two ends in the support, and their parts stacked (q, count)."""
        lower, upper, _ = (self.t[..., j] for j in range(3))
        place, (low, high), theta = self._of(self.inner, lower, upper)
        moved = variables(*theta)
        law, *start = self.family._standardised(low, *moved)
        _, *stop = self.family._standardised(high, *moved)
        ends = ([moved[0].lift(x) for x in end] for end in (start, stop))
        mass, gap = between(law, *ends)
        parts = np.stack(mass.parts())
        short = ~(gap >= _SHORT) & self._smooth(low, high, theta)
        if short.any():
            # Of two nearly equal tails the difference has lost digits: integrate the density.
            own = tuple(v if v.size == 1 else v[short] for v in theta)
            parts[:, short] = short_masses(self.family, low[short], high[short], own)
        return place, parts

    def _smooth(self, low: Array, high: Array, theta: Arrays) -> Array:
        """Tell which intervals are short beside their distance from where the density is not smooth."""
        width = high - low
        least, most = self.family.bounds(theta)
        smooth = (width <= low - least) & (width <= most - high)
        for kink in self.family._breakpoints(*theta):
            smooth &= (kink <= low) | (kink >= high)
        return np.asarray(smooth)


# ---------------------------------------------------------------------------- by integrals


class _Integrated(Unseen):
    """Observations that share the parameters of their member, (r, 1)."""

    @functools.cached_property
    def value(self) -> Array:
        """Log probabilities, by the family's own formula if a density has one."""
        if not self._any:
            return np.zeros(self.shape)
        closed = self.family.has("_log_cdf") or self.family.has("_log_sf")
        # A formula is shorter than an integral, not than a sum.
        if (closed and not self.family.support.discrete) or self._parts is None:
            return self.log_unseen(self.t, *self.theta)
        return np.asarray(self._parts[0])

    @property
    def score(self) -> Arrays:
        """First derivatives, sixth-order differences where the law is not smooth."""
        k = len(self.theta)
        if not self._any:
            return (np.zeros(self.shape),) * k
        if self._moved is not None:
            return self._moved.score()
        if self._parts is None:
            return numerical_score(self.log_unseen, self.t, self.theta, *self.family._limits())
        return tuple(self._parts[1 : 1 + k])

    @property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row."""
        k = len(self.theta)
        if not self._any:
            return (np.zeros(self.shape),) * (k * (k + 1) // 2)
        if self._moved is not None:
            return self._moved.curvature()
        if self._parts is None:
            ends = self.family._limits()
            return numerical_curvature(self.log_unseen, None, self.t, self.theta, *ends)
        return tuple(self._parts[1 + k :])

    @property
    def _any(self) -> bool:
        return bool(self.hidden.any() or self.truncated.any())

    @functools.cached_property
    def _moved(self) -> MovedLocation | None:
        """The derivatives where a location carries kinks of the density past the ends of intervals."""
        at = place_of_location(self.family)
        return None if at is None else MovedLocation(self, self.t, self.theta, at)

    @functools.cached_property
    def _parts(self) -> Array | None:
        """Value and derivatives, stacked, of probabilities that are integrals of a smooth density."""
        lower, upper, entry = (self.t[..., j] for j in range(3))
        if self.family.support.discrete:
            lower, upper, entry = np.ceil(lower) - 1.0, np.floor(upper), np.floor(entry)
        some, late = (np.flatnonzero(m.any(axis=0)) for m in (self.hidden, self.truncated))
        ends = (
            np.concatenate([where(self.hidden, lower, inf)[:, some], entry[:, late]], axis=1),
            np.concatenate(
                [where(self.hidden, upper, inf)[:, some], np.full_like(entry[:, late], inf)], axis=1
            ),
        )
        found = masses(self.family, Runs.of(*ends), self.theta)
        if found is None:
            return None
        out = np.zeros((*found.shape[:2], lower.shape[1]))
        out[:, :, some] = where(self.hidden[:, some], found[:, :, : some.size], 0.0)
        out[:, :, late] -= where(self.truncated[:, late], found[:, :, some.size :], 0.0)
        return out

    def log_unseen(self, t: Array, *theta: Array) -> Array:
        """Return log P(lower < Y <= upper) where it is not exact, less log P(Y > entry)."""
        family, (lower, upper, entry) = self.family, (t[..., j] for j in range(3))
        # Of counts both ends belong to the interval.
        start = lower - 1.0 if family.support.discrete else lower
        some = self.hidden.any(axis=0)
        right = some & ((upper == inf) | ~self.hidden).all(axis=0)
        left = some & ~right & ((lower == -inf) | ~self.hidden).all(axis=0)
        out = np.zeros(self.shape)
        for columns, above in ((right, True), (left, False)):
            at = np.flatnonzero(columns)
            if at.size:
                end = (start if above else upper)[:, at]
                tail = family.log_probability_hook(end, theta, above)
                out[:, at] = where(self.hidden[:, at], tail, 0.0)
        at = np.flatnonzero(some & ~right & ~left)
        if at.size:
            mass = self.log_mass(start[:, at], upper[:, at], theta)
            out[:, at] = where(self.hidden[:, at], mass, 0.0)
        at = np.flatnonzero(self.truncated.any(axis=0))
        if at.size:
            seen = family.log_probability_hook(entry[:, at], theta, above=True)
            out[:, at] -= where(self.truncated[:, at], seen, 0.0)
        return out

    def log_mass(self, lower: Array, upper: Array, theta: Arrays) -> Array:
        """Return log P(lower < Y <= upper) by the nearer tail."""
        family = self.family
        probability = family.log_probability_hook
        above, below = probability(lower, theta, above=True), probability(upper, theta, above=False)
        upward = above < below
        tail = where(upward, above, below)
        rest = where(
            upward,
            probability(upper, theta, above=True),
            probability(lower, theta, above=False),
        )
        mass = where(tail > -inf, tail + log1mexp(tail - rest), -inf)
        if family.support.discrete or family.has("_breakpoints"):
            return mass
        short = (tail - rest < _SHORT) & (tail > -inf)
        columns = np.flatnonzero(short.any(axis=0))
        if not columns.size:
            return mass
        # The difference of two nearly equal probabilities has lost digits: integrate the density.
        low, high = lower[:, columns], upper[:, columns]
        half = 0.5 * (high - low)
        y = (low + half)[..., None] + half[..., None] * _NODES
        density = family.log_density_hook(family.statistics(y.reshape(len(y), -1)), theta)
        integral = logsumexp(
            density.reshape(len(density), -1, _NODES.size) + log(_WEIGHTS), axis=-1
        )
        mass[:, columns] = where(short[:, columns], integral + log(half), mass[:, columns])
        return mass


class _Apart(Unseen):
    """Observations with parameters of their own, (r, m): as many laws of one each, a few at once."""

    @functools.cached_property
    def _laws(self) -> tuple[Any, list[_Integrated]]:
        some = np.broadcast_to(self.hidden | self.truncated, self.shape)
        place = np.nonzero(some)
        t = np.broadcast_to(self.t, (*self.shape, 3))[place].reshape(-1, 1, 3)
        theta = [np.broadcast_to(v, self.shape)[place].reshape(-1, 1) for v in self.theta]
        cuts = (slice(at, at + _AT_ONCE) for at in range(0, len(t), _AT_ONCE))
        return place, [_Integrated(self.family, t[c], tuple(v[c] for v in theta)) for c in cuts]

    def _together(self, parts: list[Array]) -> Array:
        out = np.zeros(self.shape)
        if parts:
            out[self._laws[0]] = np.concatenate(parts)[:, 0]
        return out

    @functools.cached_property
    def value(self) -> Array:
        """Log probabilities."""
        return self._together([law.value for law in self._laws[1]])

    @property
    def score(self) -> Arrays:
        """First derivatives."""
        return self._stacked([law.score for law in self._laws[1]], len(self.theta))

    @property
    def curvature(self) -> Arrays:
        """Second derivatives, the upper triangle row by row."""
        k = len(self.theta)
        return self._stacked([law.curvature for law in self._laws[1]], k * (k + 1) // 2)

    def _stacked(self, found: list[Arrays], count: int) -> Arrays:
        return tuple(self._together([own[j] for own in found]) for j in range(count))


class _Counted(_AtOnce):
    """Counts with parameters of their own, (r, m): summed, one by one where they are too many."""

    @functools.cached_property
    def _parts(self) -> Array:
        """Value and derivatives, stacked (q, r, m)."""
        k = len(self.theta)
        out, known = np.zeros((1 + k * (k + 3) // 2, *self.shape)), np.ones(self.shape, dtype=bool)
        lower, upper, entry = (self.t[..., j] for j in range(3))
        for mask, ends, sign in (
            (self.hidden, (lower, upper), 1.0),
            (self.truncated, (np.floor(entry) + 1.0, inf), -1.0),
        ):
            place: Any = np.nonzero(np.broadcast_to(mask, self.shape))
            low, high = (np.broadcast_to(e, self.shape)[place] for e in ends)
            own = tuple(np.broadcast_to(v, self.shape)[place][:, None] for v in self.theta)
            parts, here = masses_of_counts(self.family, low, high, own, COUNTS)
            out[(slice(None), *place)] += sign * parts
            known[place] &= here
        if not known.all():
            place = np.nonzero(~known)
            out[(slice(None), *place)] = self._one_by_one(place)
        return out

    def _one_by_one(self, place: Any) -> Array:
        """Return the parts (q, count) of observations in some places."""
        t = np.broadcast_to(self.t, (*self.shape, 3))[place][None]
        own = tuple(np.broadcast_to(v, self.shape)[place][None] for v in self.theta)
        apart = _Apart(self.family, t, own)
        return np.stack([apart.value, *apart.score, *apart.curvature])[:, 0]
