"""Finite mixtures: a weighted sum of densities, each of a family of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.combinators.mixture_parts import (
    LEAST_SCALE,
    SCALES,
    as_component,
    centre,
    check,
    constants,
    layout,
    union,
)
from mlece.math import Array, Arrays, exp, inf, log, logsumexp, where
from mlece.model import Model


class Mixture(Model):
    r"""Mixture: log q = log Σ w_k q_k.

    The weights are ``weight[1]`` to ``weight[K−1]``; the first component has what they leave of 1. The
    parameters of the components carry their number, ``mean[0]``, ``sd[1]``. Where all components are of
    one family they are reported in the order of their means, so that labels do not switch.

    The likelihood of a mixture of densities with free scales has no maximum: it grows without bound as a
    component shrinks on an observation (Day 1969). What is fitted is the best local maximum that several
    starts of the EM algorithm and Newton's method find among components that are not narrower than a
    thousandth of the data's spread; the certificate is local.

    Parameters
    ----------
    *components : Model, class of Model, or registered name
        Two or more, or one together with ``size``. Filled slots are held fixed.
    size : int, optional
        Number of copies of a single component.
    shared : sequence of str
        Parameters that all components have in common, such as ``("sd",)``.
    **slots
        Values of weights and of components' parameters by their full names.

    Raises
    ------
    ParameterError
        For fewer than two components, or components under different dominating measures.

    References
    ----------
    Day, N. E. (1969). Estimating the components of a mixture of normal distributions. Biometrika 56,
    463–474. Hathaway, R. J. (1985). Annals of Statistics 13, 795–800. McLachlan, G. and Peel, D. (2000).
    Finite Mixture Models.

    Examples
    --------
    >>> import mlece
    >>> waiting = mlece.datasets.old_faithful().frame()["waiting"]
    >>> fit = mlece.fit(mlece.Mixture(mlece.Gaussian(), size=2), waiting)
    >>> round(fit.params["mean[0]"], 3), round(fit.params["weight[1]"], 4)
    (54.615, 0.6391)
    """

    def __init__(
        self, *components: Any, size: int | None = None, shared: Any = (), **slots: Any
    ) -> None:
        if isinstance(shared, str):
            shared = (shared,)
        parts = tuple(as_component(c) for c in components)
        parts = parts * (size or 1) if len(parts) == 1 else parts
        check(parts, size, shared)
        # Values live in the slots; the components kept are bare.
        bare = tuple(type(c)(**constants(c), **c.settings) for c in parts)
        object.__setattr__(self, "_components", bare)
        object.__setattr__(self, "common", tuple(shared))
        params, places = layout(parts, tuple(shared))
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "support", union([c.support for c in parts]))
        for part, place in zip(parts, places, strict=True):
            for p, at in zip(part.params, place, strict=True):
                value = part.slots[p.name]
                if value is not None:
                    slots.setdefault(params[at].name, value)
        super().__init__(**slots)

    common: tuple[str, ...]
    _places: tuple[tuple[int, ...], ...]

    @property
    def components(self) -> tuple[Model, ...]:
        """The families of the components, without values."""
        return self._components

    def member(self, *theta: Any) -> Model:
        """Return the mixture with these parameters."""
        names = (p.name for p in self.params)
        return Mixture(*self.components, shared=self.common, **dict(zip(names, theta, strict=True)))

    def replace(self, **slots: Any) -> Any:
        """Return a copy with some slots changed."""
        return Mixture(*self.components, shared=self.common, **{**self.slots, **slots})

    def __reduce__(self) -> Any:
        return _rebuild, (self.components, self.common, self.slots)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Mixture) and self._kinds() == other._kinds()
        return same and super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self._kinds(), super().__hash__()))

    def _kinds(self) -> Any:
        return self.components, self.common

    def __repr__(self) -> str:
        parts = [repr(self._filled(k)) for k in range(len(self.components))]
        if self.common:
            parts.append(f"shared={self.common!r}")
        weights = []
        for p in self.params[: len(self.components) - 1]:
            value = self.slots[p.name]
            if value is not None and value.ndim == 0:
                weights.append(f"'{p.name}': {value.item():.6g}")
        if weights:
            parts.append(f"**{{{', '.join(weights)}}}")
        return f"Mixture({', '.join(parts)})"

    def _filled(self, k: int) -> Model:
        """Return a component with the values that its slots have."""
        part = self.components[k]
        names = [self.params[at].name for at in self._places[k]]
        values = {p.name: self.slots[n] for p, n in zip(part.params, names, strict=True)}
        return type(part)(**values, **part.settings)

    @property
    def weights(self) -> Any:
        """Return the weights of all components, (..., K); None if one is free."""
        values = [self.slots[p.name] for p in self.params[: len(self.components) - 1]]
        known = [v for v in values if v is not None]
        if len(known) < len(values):
            return None
        rest = np.stack(np.broadcast_arrays(*known), axis=-1)
        return np.concatenate([1.0 - rest.sum(axis=-1, keepdims=True), rest], axis=-1)

    # ------------------------------------------------------------------ frames

    def roles(self) -> set[str]:
        """Return the roles that every component can follow."""
        own = [c.roles() for c in self.components]
        if not all(r & {"scale", "inverse scale", "log location"} for r in own):
            return set()
        if all("location" in r for r in own):
            return {"location", "scale"}
        return {"scale"}

    def own_frame(self, theta: Arrays) -> tuple[Array, Array]:
        """Return the centre and spread of the components' own frames."""
        if not self.roles():
            return np.asarray(0.0), np.asarray(1.0)
        _, parts = self.split(theta)
        frames = [c.own_frame(t) for c, t in zip(self.components, parts, strict=True)]
        shifts, scales = (
            np.stack(np.broadcast_arrays(*v), axis=-1) for v in zip(*frames, strict=True)
        )
        if "location" not in self.roles():
            return np.asarray(0.0), scales.max(axis=-1)
        low, high = (shifts - scales).min(axis=-1), (shifts + scales).max(axis=-1)
        return 0.5 * (low + high), 0.5 * (high - low)

    # ------------------------------------------------------------------ densities

    def split(self, theta: Arrays) -> tuple[Array, list[Arrays]]:
        """Return the log weights (K, ...) and the parameters of each component."""
        count = len(self.components) - 1
        rest = np.stack(np.broadcast_arrays(*theta[:count]))
        with np.errstate(all="ignore"):
            logs = np.concatenate([np.log1p(-rest.sum(axis=0))[None], log(rest)])
        return logs, [tuple(theta[at] for at in place) for place in self._places]

    def terms(self, y: Array, theta: Arrays) -> Array:
        """Return log w_k + log q_k(y) of each component, (K, ...)."""
        logs, parts = self.split(theta)
        out = []
        for k, (component, t) in enumerate(zip(self.components, parts, strict=True)):
            density = component.log_density_hook(component.statistics(y), t)
            out.append(logs[k] + where(component.inside(y, t), density, -inf))
        return np.stack(np.broadcast_arrays(*out))

    def _log_density(self, y: Array, *theta: Array) -> Array:  # type: ignore[override]
        return logsumexp(self.terms(y, theta), axis=0)

    def _pieces(self, y: Array, theta: Arrays, order: int) -> tuple[list[Array], list[Array], Any]:
        """Return q_k/q (K, ...), the slopes of log q, and of each component its parts in them."""
        terms = self.terms(y, theta)
        logs, parts = self.split(theta)
        relative = terms - logsumexp(terms, axis=0)
        share = exp(relative)
        ratio = [exp(r - w) for r, w in zip(relative, logs, strict=True)]
        own = []
        slopes = [ratio[j] - ratio[0] for j in range(1, len(parts))]
        slopes += [np.zeros(share.shape[1:])] * (len(self.params) - len(slopes))
        for k, (component, t) in enumerate(zip(self.components, parts, strict=True)):
            statistics = component.statistics(y)
            shared = component.shared(statistics, t)
            seen = share[k] > 0
            score = [where(seen, s, 0.0) for s in component.score_hook(statistics, t, shared)]
            for at, s in zip(self._places[k], score, strict=True):
                slopes[at] = slopes[at] + share[k] * s
            bend = component.curvature_hook(statistics, t, shared) if order > 1 else ()
            own.append((share[k], score, [where(seen, b, 0.0) for b in bend]))
        return ratio, slopes, own

    def _score(self, y: Array, *theta: Array) -> Arrays:
        return tuple(self._pieces(y, theta, 1)[1])

    def _curvature(self, y: Array, *theta: Array) -> Arrays:
        ratio, slopes, own = self._pieces(y, theta, 2)
        n, weights = len(slopes), len(self.components) - 1
        bends: dict[tuple[int, int], Any] = {}

        def add(i: int, j: int, value: Array) -> None:
            key = (min(i, j), max(i, j))
            bends[key] = bends.get(key, 0.0) + value

        for k, (share, score, bend) in enumerate(own):
            place = self._places[k]
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

    def _log_cdf(self, y: Array, *theta: Array) -> Array:
        return self._tail(y, theta, above=False)

    def _log_sf(self, y: Array, *theta: Array) -> Array:
        return self._tail(y, theta, above=True)

    def _tail(self, y: Array, theta: Arrays, above: bool) -> Array:
        logs, parts = self.split(theta)
        tails = [
            w + c.log_probability_hook(y, t, above)
            for w, c, t in zip(logs, self.components, parts, strict=True)
        ]
        return logsumexp(np.stack(np.broadcast_arrays(*tails)), axis=0)

    def _bounds(self, *theta: Array) -> Arrays:
        _, parts = self.split(theta)
        ends = [c.bounds(t) for c, t in zip(self.components, parts, strict=True)]
        low, high = (np.stack(np.broadcast_arrays(*e)) for e in zip(*ends, strict=True))
        return low.min(axis=0), high.max(axis=0)

    def _breakpoints(self, *theta: Array) -> Any:  # type: ignore[override]
        _, parts = self.split(theta)
        points = []
        for component, t in zip(self.components, parts, strict=True):
            points += list(np.ravel(component._breakpoints(*t)))
            # Where a component lies the mixture is no kink, but quadrature must not pass it by.
            marks = (*component.bounds(t), component.own_frame(t)[0])
            points += [float(e) for m in marks for e in np.ravel(m) if np.isfinite(e)]
        return tuple(dict.fromkeys(points))

    def _sample(self, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        logs, parts = self.split(theta)
        running = np.cumsum(exp(logs), axis=0)
        u = rng.random(size)
        which = np.zeros(size, dtype=int)
        for k in range(len(parts) - 1):
            which += u >= running[k]
        out = np.zeros(size)
        for k, t in enumerate(parts):
            drawn = self._draw(k, rng, size, t)
            out = np.where(which == k, drawn, out)
        return out

    def _draw(
        self, k: int, rng: np.random.Generator, size: tuple[int, ...], theta: Arrays
    ) -> Array:
        component = self.components[k]
        if component.has("_sample"):
            return np.asarray(component._sample(rng, size, *theta), dtype=float)
        u = rng.random(size)
        if component.has("_quantile"):
            return np.asarray(component._quantile(u, *theta), dtype=float)
        return component.member(*[np.squeeze(t) for t in theta]).quantile(u)

    def _mean(self, *theta: Array) -> Array:
        weights, means, _ = self._moments(theta)
        return np.asarray((weights * means).sum(axis=0))

    def _variance(self, *theta: Array) -> Array:
        weights, means, variances = self._moments(theta)
        centre = (weights * means).sum(axis=0)
        return np.asarray((weights * (variances + (means - centre) ** 2)).sum(axis=0))

    def _moments(self, theta: Arrays) -> tuple[Array, Array, Array]:
        logs, parts = self.split(theta)
        members = [c.member(*t) for c, t in zip(self.components, parts, strict=True)]
        means = np.stack(np.broadcast_arrays(*[np.asarray(m.mean) for m in members]))
        variances = np.stack(np.broadcast_arrays(*[np.asarray(m.variance) for m in members]))
        return exp(logs), means, variances

    def widths(self, theta: Arrays) -> Array:
        """Return the standard deviation of each component, (K, ...), NaN where it has no formula."""
        _, parts = self.split(theta)
        out = []
        for component, t in zip(self._components, parts, strict=True):
            width: Any = np.full(np.shape(theta[0]), np.nan)
            if component.has("_variance"):
                width = np.sqrt(component._variance(*t))
            for p, value in zip(component.params, t, strict=True):
                # A law without a variance has its scale.
                if p.role in SCALES:
                    own = value if p.role == "scale" else 1.0 / value
                    width = np.where(np.isfinite(width), width, own)
            out.append(width)
        return np.stack(np.broadcast_arrays(*out))

    def narrow(self, theta: Arrays) -> Array:
        """Tell where a component of a density is so narrow that it sits on a few observations."""
        if self.support.discrete:
            return np.zeros(np.shape(theta[0]), dtype=bool)
        return np.asarray((self.widths(theta) < LEAST_SCALE).any(axis=0))

    # ------------------------------------------------------------------ order of the components

    def exchangeable(self) -> bool:
        """Tell whether components can change places: one family, and every slot of theirs free."""
        first = self.components[0]
        alike = all(
            type(c) is type(first) and c.settings == first.settings for c in self.components
        )
        return alike and len(self.free) == len(self.params)

    def ordered(self, theta: Arrays) -> Arrays:
        """Return the parameters (R,) with the components in the order of their means."""
        if not self.exchangeable():
            return theta
        logs, parts = self.split(theta)
        with np.errstate(all="ignore"):
            centres = [centre(c, t) for c, t in zip(self.components, parts, strict=True)]
        order = np.argsort(np.stack(centres), axis=0, kind="stable")
        out = [np.array(t) for t in theta]
        weights = np.take_along_axis(exp(logs), order, axis=0)
        for k in range(1, len(parts)):
            out[k - 1] = weights[k]
        for i in range(len(self.components[0].params)):
            columns = [place[i] for place in self._places]
            if len(set(columns)) > 1:
                values = np.stack([theta[c] for c in columns])
                for c, v in zip(columns, np.take_along_axis(values, order, axis=0), strict=True):
                    out[c] = v
        return tuple(out)

    def _caveat(self, *slots: Any) -> str:  # type: ignore[override]
        still = ("location", "log location")
        narrows = any(
            component.collapsible
            and any(
                slots[at] is None and p.role not in still and p.name not in self.common
                for p, at in zip(component.params, place, strict=True)
            )
            for component, place in zip(self._components, self._places, strict=True)
        )
        if self.support.discrete or not narrows:
            return ""
        return (
            "the likelihood of a mixture with free scales grows without bound as a component shrinks "
            "on an observation"
        )

    def _collapses(self, share: Array, *slots: Any) -> Array:
        return np.full(np.shape(share), bool(self._caveat(*slots)))


def _rebuild(components: Any, shared: Any, slots: dict[str, Any]) -> Mixture:
    return Mixture(*components, shared=shared, **slots)
