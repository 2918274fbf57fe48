"""Independent blocks: a vector whose components each have a model of their own."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import numeric, require_finite
from mlece.combinators.compose import instance
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param, facts_of


class Product(Model):
    r"""Product: log q(y) = Σ log q_j(y_j), one model for each component of a vector.

    Parameters carry the number of their block, ``mean[0]``, ``rate[1]``. The cross-entropy is the sum of
    the blocks' own; what dependence costs is the mutual information that no product can have.

    Parameters
    ----------
    *blocks : Model, class of Model, or registered name
        Models of numbers, two or more, in the order of the components. Filled slots are held fixed.
    **slots
        Values of parameters by their full names.

    Raises
    ------
    ParameterError
        For fewer than two blocks, or a block that is not a model of numbers.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Product("gaussian", "poisson"), [[0.5, 2], [1.5, 0], [1.0, 1]])
    >>> fit.params["mean[0]"], fit.params["rate[1]"]
    (1.0, 1.0)
    """

    _width = 1
    _observations = "vectors"
    _places: tuple[slice, ...]

    def __init__(self, *blocks: Any, **slots: Any) -> None:
        parts = tuple(_block(b) for b in blocks)
        if len(parts) < 2:
            raise errors.ParameterError(errors.message("two blocks or more", f"{len(parts)}"))
        params: list[Param] = []
        places = []
        for j, part in enumerate(parts):
            places.append(slice(len(params), len(params) + len(part.params)))
            for p in part.params:
                own = copy.copy(p)
                own.name = f"{p.name}[{j}]"
                params.append(own)
                if part.slots[p.name] is not None:
                    slots.setdefault(own.name, part.slots[p.name])
        object.__setattr__(self, "_factors", tuple(_bare(p) for p in parts))
        object.__setattr__(self, "params", tuple(params))
        object.__setattr__(self, "_places", tuple(places))
        super().__init__(**slots)

    @property
    def factors(self) -> tuple[Model, ...]:
        """The families of the factors, without values."""
        return self._factors

    def member(self, *theta: Any) -> Model:
        """Return the product with these parameters."""
        names = (p.name for p in self.params)
        return Product(*self.factors, **dict(zip(names, theta, strict=True)))

    def replace(self, **slots: Any) -> Any:
        """Return a copy with some slots changed."""
        return Product(*self.factors, **{**self.slots, **slots})

    def __reduce__(self) -> Any:
        return _rebuild, (self.factors, self.slots)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Product) and self.factors == other.factors and super().__eq__(other)
        )

    def __hash__(self) -> int:
        return hash((self.factors, super().__hash__()))

    def __repr__(self) -> str:
        return f"Product({', '.join(repr(self.block(j)) for j in range(len(self.factors)))})"

    def block(self, j: int) -> Model:
        """Return the model of one component, with the values that its slots have."""
        part = self.factors[j]
        values = {p.name: self.slots[f"{p.name}[{j}]"] for p in part.params}
        return type(part)(**values, **part.settings)

    def split(self, theta: Any) -> list[Any]:
        """Return the parameters of each block."""
        return [theta[place] for place in self._places]

    # ------------------------------------------------------------------ observations and frames

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Check shape and supports of vectors (..., n, d)."""
        values = np.asarray(numeric(data, what), dtype=float)
        d = len(self.factors)
        if values.ndim < 2 or values.shape[-1] != d:
            raise errors.DataError(
                errors.message(f"{what} of shape (n, {d}), a column a block", f"{values.shape}")
            )
        require_finite(values, what)
        for j, part in enumerate(self.factors):
            bad = ~part.support.contains(values[..., j])
            if bad.any():
                raise errors.SupportError(
                    errors.message(
                        f"column {j} of {what} in the support of {type(part).__name__}, {part.support}",
                        errors.offenders(bad, values[..., j]),
                    )
                )
        return self, values

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask (...), True where every component lies in its support."""
        pairs = zip(self.factors, self.split(theta), strict=True)
        parts = [b.inside(y[..., j], t) for j, (b, t) in enumerate(pairs)]
        return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*parts)))

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return NaN: vectors have no order."""
        none = np.full(values.shape[:-1], np.nan)
        return none, none

    def pilot_frame(self, values: Array) -> tuple[Array, Array]:
        """Centre and scale each component as far as its model can follow, by powers of two."""
        step = -(-values.shape[1] // 129)
        points = np.sort(values[:, ::step], axis=1)
        n = points.shape[1]
        middle, spread = points[:, n // 2], points[:, (3 * n) // 4] - points[:, n // 4]
        shift, scale = np.zeros_like(middle), np.ones_like(middle)
        for j, part in enumerate(self.factors):
            roles = part.roles()
            if not roles or part.support.discrete:
                continue
            located = "location" in roles
            size = np.where(spread[:, j] > 0, spread[:, j], np.abs(middle[:, j]))
            size = size if located else np.abs(middle[:, j])
            usable = np.isfinite(size) & (size > 0)
            scale[:, j] = np.exp2(np.round(np.log2(np.where(usable, size, 1.0))))
            shift[:, j] = middle[:, j] if located else 0.0
        return shift, scale

    def _framing(self, how: str, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        shift, scale = np.asarray(shift), np.asarray(scale)
        out: list[Any] = []
        for j, (part, own) in enumerate(zip(self.factors, self.split(theta), strict=True)):
            c, s = (a[..., j] if a.ndim == 2 else a for a in (shift, scale))
            out += getattr(part, how)(own, c, s)
        return tuple(out)

    def own_frame(self, theta: Arrays) -> tuple[Array, Array]:
        """Return no shift and unit scale: no one component gives them for the others."""
        return np.asarray(0.0), np.asarray(1.0)

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters to those of (y - shift) / scale."""
        return self._framing("to_frame", theta, shift, scale)

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters of (y - shift) / scale back to those of y."""
        return self._framing("from_frame", theta, shift, scale)

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each parameter."""
        scale = np.asarray(scale)
        out: list[Any] = []
        for j, part in enumerate(self.factors):
            out += part.frame_factors(scale[..., j] if scale.ndim == 2 else scale)
        return out

    # ------------------------------------------------------------------ densities

    def _each(self, hook: str, y: Array, theta: Arrays) -> list[Any]:
        pairs = zip(self.factors, self.split(theta), strict=True)
        return [
            getattr(part, hook)(part.statistics(y[..., j]), own)
            for j, (part, own) in enumerate(pairs)
        ]

    def _log_density(self, y: Array, *theta: Array) -> Array:  # type: ignore[override]
        return np.asarray(sum(self._each("log_density_hook", y, theta)))

    def _score(self, y: Array, *theta: Array) -> Arrays:
        return tuple(s for part in self._each("score_hook", y, theta) for s in part)

    def _curvature(self, y: Array, *theta: Array) -> Arrays:
        k = len(theta)
        bends = [[np.zeros((1, 1))] * k for _ in range(k)]
        for place, own in zip(self._places, self._each("curvature_hook", y, theta), strict=True):
            at = iter(own)
            for i in range(place.start, place.stop):
                for j in range(i, place.stop):
                    bends[i][j] = next(at)
        return tuple(bends[i][j] for i in range(k) for j in range(i, k))

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw every component by its own model."""
        columns = [self.block(j).draw(tail, rng) for j in range(len(self.factors))]
        return np.stack(np.broadcast_arrays(*columns), axis=-1)

    def _entropy(self, *theta: Array) -> Array:
        parts = [self.block(j).entropy() for j in range(len(self.factors))]
        return np.asarray(sum(np.asarray(p, dtype=float) for p in parts))

    @property
    def mean(self) -> Any:
        """Return the means of the components, (..., d)."""
        return np.stack([np.asarray(self.block(j).mean) for j in range(len(self.factors))], axis=-1)

    @property
    def variance(self) -> Any:
        """Return the variances of the components, (..., d)."""
        parts = [np.asarray(self.block(j).variance) for j in range(len(self.factors))]
        return np.stack(parts, axis=-1)


def _block(model: Any) -> Model:
    model = instance(model)
    if not isinstance(model, Model) or model._width or facts_of(model.params).vectors:
        raise errors.ParameterError(
            errors.message("models of numbers in Product", f"{type(model).__name__} {model!r:.40}")
        )
    for p in model.params:
        if not p.regular and model.slots[p.name] is None:
            raise errors.ParameterError(
                errors.message(
                    f"a value for {p.name} of {type(model).__name__} in a product",
                    "a free end of the support",
                    "Fit that component by itself",
                )
            )
    return model


def _bare(model: Model) -> Model:
    constants = {p.name: model.slots[p.name] for p in model.params if not p.estimable}
    return type(model)(**constants, **model.settings)


def _rebuild(blocks: Any, slots: dict[str, Any]) -> Product:
    return Product(*blocks, **slots)
