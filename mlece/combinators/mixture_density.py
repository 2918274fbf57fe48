"""The law of a mixture: density, derivatives, probabilities, draws, moments and atoms."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.math import Array, Arrays, exp, inf, log, logsumexp, where
from mlece.model import Model


class MixedDensity(Model, abstract=True):
    """Hooks of a weighted sum of laws; the weights of all components but the first lead the slots.

    Attributes
    ----------
    _components : tuple of Model
        The families of the components, without values.
    _places : tuple of tuple of int
        Where the parameters of each stand among those of the mixture.
    _summed : tuple of Model
        What gives the components' densities: they themselves, or their laws of incomplete observations.
    """

    _places: ClassVar[tuple[tuple[int, ...], ...]] = ()
    _summed: ClassVar[tuple[Model, ...]] = ()

    # ------------------------------------------------------------------ densities

    @classmethod
    def split(cls, theta: Arrays) -> tuple[Array, list[Arrays]]:
        """Return the log weights (K, ...) and the parameters of each component."""
        count = len(cls._components) - 1
        rest = np.stack(np.broadcast_arrays(*theta[:count]))
        with np.errstate(all="ignore"):
            logs = np.concatenate([np.log1p(-rest.sum(axis=0))[None], log(rest)])
        return logs, [tuple(theta[at] for at in place) for place in cls._places]

    @classmethod
    def terms(cls, y: Array, theta: Arrays) -> Array:
        """Return log w_k + log q_k(y) of each component, (K, ...)."""
        logs, parts = cls.split(theta)
        out = []
        for k, (component, t) in enumerate(zip(cls._summed, parts, strict=True)):
            density = component.log_density_hook(component.statistics(y), t)
            seen = component.inside(y, t)
            if cls.has("_atoms"):
                # Under a measure with atoms a density has no mass at a point.
                seen = seen & ~np.isin(y, cls._elsewhere(k, parts))
            out.append(logs[k] + where(seen, density, -inf))
        return np.stack(np.broadcast_arrays(*out))

    @classmethod
    def _log_density(cls, y: Array, *theta: Array) -> Array:
        return logsumexp(cls.terms(y, theta), axis=0)

    @classmethod
    def _pieces(cls, y: Array, theta: Arrays, order: int) -> tuple[list[Array], list[Array], Any]:
        """Return q_k/q (K, ...), the slopes of log q, and of each component its parts in them."""
        terms = cls.terms(y, theta)
        logs, parts = cls.split(theta)
        relative = terms - logsumexp(terms, axis=0)
        share = exp(relative)
        ratio = [exp(r - w) for r, w in zip(relative, logs, strict=True)]
        own = []
        slopes = [ratio[j] - ratio[0] for j in range(1, len(parts))]
        slopes += [np.zeros(share.shape[1:])] * (len(cls.params) - len(slopes))
        for k, (component, t) in enumerate(zip(cls._summed, parts, strict=True)):
            statistics = component.statistics(y)
            shared = component.shared(statistics, t)
            seen = share[k] > 0
            score = [where(seen, s, 0.0) for s in component.score_hook(statistics, t, shared)]
            for at, s in zip(cls._places[k], score, strict=True):
                slopes[at] = slopes[at] + share[k] * s
            bend = component.curvature_hook(statistics, t, shared) if order > 1 else ()
            own.append((share[k], score, [where(seen, b, 0.0) for b in bend]))
        return ratio, slopes, own

    @classmethod
    def _score(cls, y: Array, *theta: Array) -> Arrays:
        return tuple(cls._pieces(y, theta, 1)[1])

    @classmethod
    def _curvature(cls, y: Array, *theta: Array) -> Arrays:
        ratio, slopes, own = cls._pieces(y, theta, 2)
        n, weights = len(slopes), len(cls._components) - 1
        bends: dict[tuple[int, int], Any] = {}

        def add(i: int, j: int, value: Array) -> None:
            key = (min(i, j), max(i, j))
            bends[key] = bends.get(key, 0.0) + value

        for k, (share, score, bend) in enumerate(own):
            place = cls._places[k]
            pairs = [(i, j) for i in range(len(place)) for j in range(i, len(place))]
            for (i, j), b in zip(pairs, bend, strict=True):
                add(place[i], place[j], share * (b + score[i] * score[j]))
            for at, s in zip(place, score, strict=True):
                if k:
                    add(k - 1, at, ratio[k] * s)
                else:
                    for w in range(weights):
                        add(w, at, -ratio[0] * s)
        return tuple(
            bends.get((i, j), 0.0) - slopes[i] * slopes[j] for i in range(n) for j in range(i, n)
        )

    # ------------------------------------------------------------------ probabilities

    @classmethod
    def _log_cdf(cls, y: Array, *theta: Array) -> Array:
        return cls._tail(y, theta, above=False)

    @classmethod
    def _log_sf(cls, y: Array, *theta: Array) -> Array:
        return cls._tail(y, theta, above=True)

    @classmethod
    def _tail(cls, y: Array, theta: Arrays, above: bool) -> Array:
        logs, parts = cls.split(theta)
        tails = [
            w + c.log_probability_hook(y, t, above)
            for w, c, t in zip(logs, cls._components, parts, strict=True)
        ]
        return logsumexp(np.stack(np.broadcast_arrays(*tails)), axis=0)

    @classmethod
    def _bounds(cls, *theta: Array) -> Arrays:
        _, parts = cls.split(theta)
        ends = [c.bounds(t) for c, t in zip(cls._components, parts, strict=True)]
        low, high = (np.stack(np.broadcast_arrays(*e)) for e in zip(*ends, strict=True))
        return low.min(axis=0), high.max(axis=0)

    @classmethod
    def _breakpoints(cls, *theta: Array) -> Any:
        _, parts = cls.split(theta)
        points = []
        for component, t in zip(cls._components, parts, strict=True):
            points += list(np.ravel(component._breakpoints(*t)))
            # Where a component lies the mixture is no kink, but quadrature must not pass it by.
            marks = (*component.bounds(t), component.own_frame(t)[0])
            points += [float(e) for m in marks for e in np.ravel(m) if np.isfinite(e)]
        return tuple(dict.fromkeys(points))

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        logs, parts = cls.split(theta)
        running = np.cumsum(exp(logs), axis=0)
        u = rng.random(size)
        which = np.zeros(size, dtype=int)
        for k in range(len(parts) - 1):
            which += u >= running[k]
        drawn = [cls._draw(k, rng, size, t) for k, t in enumerate(parts)]
        mine = which[..., None] if cls._width else which
        return np.asarray(np.select([mine == k for k in range(len(drawn))], drawn))

    @classmethod
    def _draw(cls, k: int, rng: np.random.Generator, size: tuple[int, ...], theta: Arrays) -> Array:
        component = cls._components[k]
        if component.has("_sample"):
            return np.asarray(component._sample(rng, size, *theta), dtype=float)
        u = rng.random(size)
        if component.has("_quantile"):
            return np.asarray(component._quantile(u, *theta), dtype=float)
        member = component.member(*[np.squeeze(t) for t in theta])
        return member.draw(size, rng) if cls._width else member.quantile(u)

    @classmethod
    def _mean(cls, *theta: Array) -> Array:
        weights, means, _ = cls._moments(theta)
        return np.asarray((weights * means).sum(axis=0))

    @classmethod
    def _variance(cls, *theta: Array) -> Array:
        weights, means, variances = cls._moments(theta)
        centre = (weights * means).sum(axis=0)
        return np.asarray((weights * (variances + (means - centre) ** 2)).sum(axis=0))

    @classmethod
    def _moments(cls, theta: Arrays) -> tuple[Array, Array, Array]:
        logs, parts = cls.split(theta)
        members = [c.member(*t) for c, t in zip(cls._components, parts, strict=True)]
        means = np.stack(np.broadcast_arrays(*[np.asarray(m.mean) for m in members]))
        variances = np.stack(np.broadcast_arrays(*[np.asarray(m.variance) for m in members]))
        weights = exp(logs)[..., None] if cls._width else exp(logs)
        return weights, means, variances

    # ------------------------------------------------------------------ atoms

    @classmethod
    def _atoms(cls, *theta: Any) -> tuple[Array, Array]:
        """Return where the atoms lie and their masses; a mass is NaN where its slot is free."""
        count = len(cls._components) - 1
        logs: Any = np.full(count + 1, np.nan)
        if all(t is not None for t in theta[:count]):
            logs = cls.split(theta)[0]
        points, masses = [], []
        for k, (component, place) in enumerate(zip(cls._components, cls._places, strict=True)):
            if component.has("_atoms"):
                at, mass = component._atoms(*(theta[i] for i in place))
                points.append(np.ravel(at))
                masses.append(np.ravel(exp(logs[k]) * mass))
        where_, codes = np.unique(np.concatenate(points), return_inverse=True)
        return where_, np.bincount(codes, np.concatenate(masses))

    @classmethod
    def _elsewhere(cls, k: int, parts: list[Arrays]) -> Array:
        """Return the atoms that a component has not."""
        points = [
            np.ravel(c._atoms(*t)[0]) if c.has("_atoms") else np.empty(0)
            for c, t in zip(cls._components, parts, strict=True)
        ]
        return np.setdiff1d(np.concatenate(points), points[k])
