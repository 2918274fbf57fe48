"""Finite mixtures: a weighted sum of densities, each of a family of its own."""

from __future__ import annotations

from collections.abc import Collection, Set
from typing import Any, ClassVar

import numpy as np

from mlece.combinators.compose import engine
from mlece.combinators.mixture_density import MixedDensity
from mlece.combinators.mixture_limits import component_limits
from mlece.combinators.mixture_parts import (
    LEAST_SCALE,
    as_components,
    bare,
    centres,
    check,
    check_weights,
    layout,
    may_shrink,
    relative_widths,
    union,
)
from mlece.combinators.point_limits import point_limits
from mlece.combinators.superfluous import superfluous
from mlece.limits import Limit, full, point_mass
from mlece.math import Array, Arrays, exp
from mlece.model import Model
from mlece.moments import Summary

_CLASSES: dict[Any, type[Mixture]] = {}
# What laws of vectors have not.
_ORDERED = ("_bounds", "_log_cdf", "_log_sf", "_breakpoints")


class Mixture(MixedDensity, abstract=True):
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
        Parameters that all components have in common, such as ``("sd",)``; the name of a vector or a
        matrix stands for all its entries.
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

    common: ClassVar[tuple[str, ...]] = ()

    def __new__(
        cls, *components: Any, size: int | None = None, shared: Any = (), **slots: Any
    ) -> Any:
        """Make an instance of the class of mixtures of these components."""
        if cls is Mixture:
            cls = _class_of(as_components(components, size), size, shared)
        return object.__new__(cls)

    def __init__(
        self, *components: Any, size: int | None = None, shared: Any = (), **slots: Any
    ) -> None:
        parts = as_components(components, size) if components else ()
        for part, place in zip(parts, self._places, strict=False):
            for p, at in zip(part.params, place, strict=True):
                value = part.held[p.name]
                if value is not None:
                    slots.setdefault(self.params[at].name, value)
        super().__init__(**slots)
        own = [self.slots[p.name] for p in self.params[: len(self.components) - 1]]
        check_weights([w for w in own if w is not None])

    @property
    def components(self) -> tuple[Model, ...]:
        """The families of the components, without values."""
        return self._components

    def member(self, *theta: Any) -> Model:
        """Return the mixture with these parameters."""
        return type(self)(**dict(zip((p.name for p in self.params), theta, strict=True)))

    def replace(self, **slots: Any) -> Any:
        """Return a copy with some slots changed."""
        return type(self)(**{**self.held, **slots})

    def __reduce__(self) -> Any:
        held = self.held
        own = {p.name: held[p.name] for p in self.params[: len(self.components) - 1]}
        parts = tuple(self.component(k) for k in range(len(self.components)))
        return _rebuild, (parts, self.common, own)

    def __repr__(self) -> str:
        parts = [repr(self.component(k)) for k in range(len(self.components))]
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

    def component(self, k: int) -> Model:
        """Return a component with the values that its slots have."""
        part = self.components[k]
        names = [self.params[at].name for at in self._places[k]]
        held = self.held
        values = {p.name: held[n] for p, n in zip(part.params, names, strict=True)}
        return part.replace(**values)

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

    def roles(self) -> Set[str]:
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

    def _framing(self, how: str, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        out = list(theta)
        for part, place in zip(self.components, self._places, strict=True):
            own = getattr(part, how)(tuple(theta[at] for at in place), shift, scale)
            for at, value in zip(place, own, strict=True):
                out[at] = value
        return tuple(out)

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters to those of (y - shift) / scale."""
        return self._framing("to_frame", theta, shift, scale)

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters of (y - shift) / scale back to those of y."""
        return self._framing("from_frame", theta, shift, scale)

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each parameter."""
        out: list[Any] = [1.0] * len(self.params)
        for part, place in zip(self.components, self._places, strict=True):
            for at, value in zip(place, part.frame_factors(scale), strict=True):
                out[at] = value
        return out

    # ------------------------------------------------------------------ vectors

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Return the mixture and the data as numbers; vectors settle the dimension of components."""
        if not self._width:
            return super().admit(data, what)
        parts = [self.component(k) for k in range(len(self.components))]
        admitted = [part.admit(data, what) for part in parts]
        own: Any = {p.name: self.slots[p.name] for p in self.params[: len(parts) - 1]}
        models = [model for model, _ in admitted]
        return Mixture(*models, shared=self.common, **own), admitted[0][1]

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return (R, n) what the support must begin below and what it must end above."""
        return self.components[0].reach(values)

    def pilot_frame(self, values: Array) -> tuple[Array, Array] | None:
        """Return a shift and scale (R, d) for vectors, where the components agree on one."""
        frames = [c.pilot_frame(values) for c in self.components]
        known = [f for f in frames if f is not None]
        if len(known) < len(frames) or not known:
            return None
        shifts, scales = (np.stack(v) for v in zip(*known, strict=True))
        same = (shifts == shifts[0]).all(axis=0) & (scales == scales[0]).all(axis=0)
        return np.where(same, shifts[0], 0.0), np.where(same, scales[0], 1.0)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True where an observation lies in the support of a component."""
        if not self._width:
            return super().inside(y, theta)
        _, parts = self.split(theta)
        masks = [c.inside(y, t) for c, t in zip(self.components, parts, strict=True)]
        return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*masks)))

    @property
    def continuous_part(self) -> Model:
        """The law of what is no atom."""
        parts, rest = [], []
        for k in range(len(self.components)):
            part: Any = self.component(k)
            massive = part.has("_atoms")
            parts.append(part.continuous_part if massive else part)
            rest.append(1.0 - (np.sum(part._atoms(*part.theta)[1]) if massive else 0.0))
        weights = np.asarray(self.weights) * np.asarray(rest)
        weights = weights / weights.sum()
        return Mixture(*parts, **{f"weight[{k}]": weights[k] for k in range(1, len(parts))})

    # ------------------------------------------------------------------ starts

    def start_hook(self, pilot: Array, slots: tuple[Array | None, ...]) -> Any:
        """Return what the EM algorithm comes to from several starts, (S, r) each."""
        from mlece.solvers.em import em_starts

        return em_starts(self, pilot, slots)

    @classmethod
    def _start(cls, pilot: Array) -> Arrays:
        return tuple(engine(cls).start_hook(pilot, (None,) * len(cls.params)))

    # ------------------------------------------------------------------ narrow components

    @classmethod
    def widths(cls, theta: Arrays) -> Array:
        """Return the widths of the components in units of the mixture's, (K, ...); NaN if unknown."""
        return relative_widths(cls._components, cls.split(theta)[1])

    @classmethod
    def narrow(cls, theta: Arrays) -> Array:
        """Tell where a component is so narrow that it sits on a few observations."""
        return np.asarray((cls.widths(theta) < LEAST_SCALE).any(axis=0))

    # ------------------------------------------------------------------ order of the components

    @classmethod
    def exchangeable(cls, fixed: Collection[str]) -> bool:
        """Tell whether components can change places: one family, and every slot of theirs free."""
        first = cls._components[0]
        alike = all(c == first for c in cls._components)
        return alike and not any(p.name in fixed for p in cls.params)

    @classmethod
    def ordered(cls, theta: Arrays) -> Arrays:
        """Return the parameters (R,) of exchangeable components in the order of their means."""
        logs, parts = cls.split(theta)
        with np.errstate(all="ignore"):
            middles = [centres(c, t)[..., 0] for c, t in zip(cls._components, parts, strict=True)]
        order = np.argsort(np.stack(middles), axis=0, kind="stable")
        out = [np.array(t) for t in theta]
        weights = np.take_along_axis(exp(logs), order, axis=0)
        for k in range(1, len(parts)):
            out[k - 1] = weights[k]
        for i in range(len(cls._components[0].params)):
            columns = [place[i] for place in cls._places]
            if len(set(columns)) > 1:
                values = np.stack([theta[c] for c in columns])
                for c, v in zip(columns, np.take_along_axis(values, order, axis=0), strict=True):
                    out[c] = v
        return tuple(out)

    @classmethod
    def _caveat(cls, *slots: Any) -> str:
        alone = [at for at in range(len(cls.params)) if sum(at in c for c in cls._places) == 1]
        shrinks = any(
            may_shrink(component, [slots[at] is None and at in alone for at in place])
            for component, place in zip(cls._components, cls._places, strict=True)
        )
        if not shrinks:
            return ""
        return (
            "the likelihood of a mixture with free scales grows without bound as a component shrinks "
            "on an observation"
        )

    @classmethod
    def _collapses(cls, share: Array, *slots: Any) -> Array:
        return np.full(np.shape(share), bool(cls._caveat(*slots)))

    @classmethod
    def crowded(cls, values: int, slots: tuple[Any, ...]) -> bool:
        """Tell whether free components may shrink together, one on each of so many distinct values."""
        return values <= len(cls._components) and all(
            all(slots[at] is None for at in place) and may_shrink(c, [True] * len(place))
            for c, place in zip(cls._components, cls._places, strict=True)
        )

    @classmethod
    def _degenerate(cls, s: Summary, *slots: Any) -> tuple[Limit, ...]:
        if not (cls._caveat(*slots) or cls.crowded(1, slots)):
            return () if cls._width else point_limits(cls, s, slots)
        sentence = (
            "every observation is equal: the density grows without bound as components shrink on it"
        )
        theta = tuple(full(s.weight, np.nan) if v is None else v for v in slots)
        return point_mass(s, sentence, theta)


def _class_of(parts: tuple[Model, ...], size: int | None, shared: Any) -> type[Mixture]:
    """Return the class of mixtures of some components, the same one each time."""
    common = (shared,) if isinstance(shared, str) else tuple(shared)
    check(parts, size, common)
    # Values live in the slots; the components kept are bare.
    components = tuple(bare(c) for c in parts)
    key = (components, common)
    if key not in _CLASSES:
        params, places = layout(components, common)
        body: dict[str, Any] = {
            "__doc__": Mixture.__doc__,
            "__module__": __name__,
            "_components": components,
            "_summed": components,
            "_places": places,
            "common": common,
            "support": union([c.support for c in components]),
            "_width": components[0]._width,
            "_observations": components[0]._observations,
        }
        lost = _ORDERED if components[0]._width else ()
        if not any(c.has("_atoms") for c in components):
            lost = (*lost, "_atoms")
        body.update({hook: getattr(Model, hook) for hook in lost})
        made: type[Mixture] = type("Mixture", (Mixture,), body)
        made.params = params
        made.limit_families = (
            *superfluous(Mixture, components, common, places, params),
            *component_limits(Mixture, components, common, places, params),
        )
        _CLASSES[key] = made
    return _CLASSES[key]


def _rebuild(components: Any, shared: Any, slots: dict[str, Any]) -> Mixture:
    return Mixture(*components, shared=shared, **slots)
