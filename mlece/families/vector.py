"""What families of vectors have in common: parameters that are vectors and matrices, entry by entry.

An observation has d components along its last axis. The number d is settled by the data, or by the
parameters that are given. Every entry of a vector or matrix parameter is a parameter by itself,
``mean[0]`` or ``covariance[1,0]``, so that standard errors, intervals and solvers need nothing of their
own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from mlece.arrays import numeric, require_finite
from mlece.domain import Domain, positive
from mlece.errors import DataError, ParameterError, message
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param
from mlece.registry import model_by_name

Index = tuple[int, ...]


class Part(Param):
    """A number, vector or symmetric matrix as a user knows it, made of scalar parameters.

    Parameters
    ----------
    domain : Domain
        Of every entry; the diagonal of a matrix is positive.
    rank : {0, 1, 2}
        Number, vector or symmetric matrix.
    **declaration
        As for :class:`mlece.Param`.
    """

    open = True

    def __init__(self, domain: Domain, symbol: str, *, rank: int, **declaration: Any) -> None:
        super().__init__(domain, symbol, **declaration)
        self.rank = rank

    def indices(self, d: int, blocks: Array) -> list[Index]:
        """Return the entries of the part in d dimensions; ``blocks`` masks those of a matrix."""
        if self.rank == 0:
            return [()]
        if self.rank == 1:
            return [(i,) for i in range(d)]
        return [(i, j) for i in range(d) for j in range(i + 1) if blocks[i, j]]

    def entry(self, index: Index) -> Param:
        """Declare one entry as a parameter of its own."""
        diagonal = self.rank == 2 and index[0] == index[1]
        label = ",".join(map(str, index))
        made = Param(
            positive if diagonal else self.domain,
            f"{self.symbol}_{{{label}}}" if index else self.symbol,
            limits=self.limits if self.rank == 0 else None,
            typical=self.typical,
            doc=self.doc,
        )
        made.name = f"{self.name}[{label}]" if index else self.name
        return made

    def assembled(self, d: int, entries: dict[Index, Any]) -> Array:
        """Return the part (..., d) or (..., d, d) from its entries (...); absent ones are 0."""
        values = [np.asarray(v, dtype=float) for v in entries.values()]
        shape = np.broadcast_shapes(*[v.shape for v in values])
        out = np.zeros((*shape, *(d,) * self.rank))
        for index, value in zip(entries, values, strict=True):
            at: Any = (..., *index)
            out[at] = value
            at = (..., *index[::-1])
            out[at] = value
        return out

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance.part(self.name)


class Vector(Model, abstract=True):
    """A family of vectors of any dimension.

    Parameters
    ----------
    *args, **slots
        Values of the parts, in declared order or by name. A part left out is free. With ``dimension``
        given, values of single entries are accepted as well, by position or by name.
    dimension : int, optional
        Number of components; found in the parts or in the data if not given.
    blocks : sequence of sequences of int, optional
        Groups of components that may be correlated, for families with a matrix; all by default.
    """

    _width = 1
    _observations = "vectors"
    structured: ClassVar[bool] = False
    dimension: int | None

    def __init__(
        self, *args: Any, dimension: int | None = None, blocks: Any = None, **slots: Any
    ) -> None:
        parts = self._parts()
        named = dict(zip([p.name for p in parts], args, strict=False)) if dimension is None else {}
        given = {**named, **{k: v for k, v in slots.items() if k in [p.name for p in parts]}}
        given = {k: np.asarray(v, dtype=float) for k, v in given.items() if v is not None}
        d = dimension if dimension is not None else self._found(given)
        object.__setattr__(self, "dimension", d)
        object.__setattr__(self, "blocks", blocks)
        if blocks is not None and not self.structured:
            raise ParameterError(message(f"{type(self).__name__} without blocks", f"{blocks!r}"))
        if d is not None:
            layout = {p.name: p.indices(d, _mask(blocks, d)) for p in parts if isinstance(p, Part)}
            object.__setattr__(self, "_layout", layout)
            entries = tuple(p.entry(i) for p in parts for i in layout[p.name])
            object.__setattr__(self, "params", entries)
        elif named or given:
            raise ParameterError(
                message("a vector or matrix, to tell the dimension", ", ".join(given) or "numbers")
            )
        loose = {k: v for k, v in slots.items() if k not in given and v is not None}
        for name, value in given.items():
            loose.update(self._taken_apart(name, value))
        super().__init__(*(args if dimension is not None else ()), **loose)

    def _found(self, given: dict[str, Array]) -> int | None:
        """Return the dimension that vectors and matrices show."""
        found = {
            v.shape[-1]
            for k, v in given.items()
            if (p := self._declared(k)).rank and v.ndim >= p.rank
        }
        if len(found) > 1:
            raise ParameterError(message("parameters of one dimension", f"dimensions {found}"))
        return found.pop() if found else None

    @classmethod
    def _parts(cls) -> list[Part]:
        return [p for p in cls.params if isinstance(p, Part)]

    @classmethod
    def _declared(cls, name: str) -> Part:
        return next(p for p in cls._parts() if p.name == name)

    def _taken_apart(self, name: str, value: Array) -> dict[str, Array]:
        """Return the entries of a part by name."""
        part, d = self._declared(name), self.dimension or 0
        rank = part.rank
        tail = (d,) * rank
        if value.ndim < rank or value.shape[value.ndim - rank :] != tail:
            raise ParameterError(
                message(
                    f"{name} of {type(self).__name__} with shape (..., {tail})", f"{value.shape}"
                )
            )
        if rank == 2:
            if not np.array_equal(value, np.swapaxes(value, -1, -2)):
                raise ParameterError(message(f"a symmetric {name}", "one that is not"))
            rest = value[..., ~_mask(self.blocks, d)]
            if np.any(rest != 0):
                raise ParameterError(message(f"a {name} that is 0 between blocks", "another"))
            if np.any(np.linalg.eigvalsh(value) <= 0):
                raise ParameterError(message(f"a positive definite {name}", "one that is not"))
        out: dict[str, Array] = {}
        for index in part.indices(d, _mask(self.blocks, d)):
            at: Any = (..., *index)
            out[part.entry(index).name] = value[at]
        return out

    blocks: Any
    _layout: dict[str, list[Index]]

    @property
    def settings(self) -> dict[str, Any]:
        """Dimension and blocks."""
        out: dict[str, Any] = {} if self.dimension is None else {"dimension": self.dimension}
        return out if self.blocks is None else {**out, "blocks": self.blocks}

    def part(self, name: str) -> Any:
        """Return a number, vector or matrix; None if an entry of it is free."""
        if self.dimension is None:
            return None
        wanted = [self._declared(name).entry(i).name for i in self._layout[name]]
        values = [self.slots[n] for n in wanted]
        if any(v is None for v in values):
            return None
        return self._declared(name).assembled(
            self.dimension, dict(zip(self._layout[name], values, strict=True))
        )

    def assembled(self, theta: Arrays) -> tuple[Array, ...]:
        """Return the parts (..., d), (..., d, d) from the entries in declared order."""
        out, at = [], 0
        for p in self._parts():
            indices = self._layout[p.name]
            entries = dict(zip(indices, theta[at : at + len(indices)], strict=True))
            out.append(p.assembled(self.dimension or 0, entries))
            at += len(indices)
        return tuple(out)

    def __repr__(self) -> str:
        parts = []
        for p in self._parts():
            value = self.part(p.name)
            if value is not None:
                text = np.array2string(value, precision=6, separator=", ", threshold=40)
                parts.append(f"{p.name}={' '.join(text.split())}")
        if self.blocks is not None:
            parts.append(f"blocks={self.blocks!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def relative(self, name: str) -> Callable[..., Model]:
        """Return the maker of members of another family of the same dimension."""
        return partial(model_by_name(name), **self.settings)

    # ------------------------------------------------------------------ observations

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Settle the dimension by the data, (..., n, d)."""
        values = np.asarray(numeric(data, what), dtype=float)
        if values.ndim < 2:
            raise DataError(
                message(
                    f"{what} of shape (n, d) for {type(self).__name__}, d components each",
                    f"shape {values.shape}",
                )
            )
        require_finite(values, what)
        d = values.shape[-1]
        if self.dimension is not None and self.dimension != d:
            raise DataError(message(f"{what} with {self.dimension} components", f"{d} components"))
        model = self if self.dimension is not None else type(self)(dimension=d, blocks=self.blocks)
        model.check_values(values, what)
        return model, values

    def check_values(self, values: Array, what: str) -> None:
        """Raise for observations outside the support."""

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask (...), True where an observation (..., d) lies in the support."""
        return np.asarray(np.isfinite(y).all(axis=-1))

    def located(self, values: Array) -> Array:
        """Return NaN: vectors have no order."""
        return np.full(values.shape[:-1], np.nan)


def _mask(blocks: Any, d: int) -> Array:
    """Return the entries (d, d) of a matrix that are not 0 by structure."""
    if blocks is None:
        return np.ones((d, d), dtype=bool)
    members = sorted(i for block in blocks for i in block)
    if members != list(range(d)):
        raise ParameterError(
            message(f"blocks that hold each of the components 0 to {d - 1} once", f"{blocks!r}")
        )
    mask = np.zeros((d, d), dtype=bool)
    for block in blocks:
        mask[np.ix_(block, block)] = True
    return mask
