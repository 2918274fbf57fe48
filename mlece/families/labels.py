"""What families of labels have in common: the labels, their codes, and one parameter for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from mlece.arrays import as_given, declared_categories, factorize
from mlece.domain import Domain, categories
from mlece.errors import NoDensityError, ParameterError, SupportError, message, offenders
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param


class Labelled(Model, abstract=True):
    """A family of labels; the engine has their codes 0 to K − 1."""

    support = categories
    ordered: ClassVar[bool] = False
    """Whether the codes of the labels are in an order that means something."""
    labels: tuple[Any, ...] | None

    def _take_labels(self, labels: Sequence[Any] | None) -> tuple[Any, ...] | None:
        names = None if labels is None else tuple(labels)
        if names is not None and len(set(names)) != len(names):
            raise ParameterError(message("distinct labels", repr(names)))
        object.__setattr__(self, "labels", names)
        return names

    def _relabelled(self, labels: tuple[Any, ...]) -> Self:
        """Return the family with the labels that the data show."""
        return type(self)(**{**self.settings, "labels": labels})

    def declare(self, data: Any) -> Model:
        """Take the categories of a pandas categorical or polars Enum Series, seen or not."""
        found = declared_categories(data) if self.labels is None else None
        return self if found is None else self._relabelled(found)

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Turn labels into codes; labels that were not declared are refused."""
        labels, codes = factorize(data, what)
        if self.labels is None:
            return self._relabelled(labels), codes
        order = {label: k for k, label in enumerate(self.labels)}
        table = np.array([order.get(label, -1) for label in labels])
        codes = table[codes]
        if (codes < 0).any():
            names = ", ".join(map(repr, self.labels))
            raise SupportError(
                message(f"{what}: labels among {names}", offenders(codes < 0, np.asarray(data)))
            )
        return self, codes

    def encode(self, y: Any) -> Array:
        """Return the codes of labels; −1 for a label that the model does not know."""
        order = {label: k for k, label in enumerate(self.labels or ())}
        array = as_given(y)
        codes = [order.get(label, -1) for label in array.ravel().tolist()]
        return np.array(codes, dtype=float).reshape(array.shape)

    def decode(self, y: Array) -> Array:
        """Return the labels of codes."""
        labels = self.labels or ()
        known = np.asarray(labels) if len({type(label) for label in labels}) == 1 else None
        if known is None or known.ndim > 1:
            # One type for all would turn numbers beside text into text, and tuples into rows.
            known = np.empty(len(labels), dtype=object)
            for k, label in enumerate(labels):
                known[k] = label
        return known[np.asarray(y, dtype=np.int64)]

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True for the codes of known labels."""
        return np.asarray((y >= 0) & (y < len(self.labels or ())))

    def masses(self) -> Array:
        """Return the probabilities of the labels, (..., K) behind the batch axes."""
        codes = np.arange(len(self.labels or ()), dtype=float)
        theta = self._shaped(1 if self.batch_shape else 0)
        return np.exp(self.log_density_hook(self.statistics(codes), theta))

    def indicators(self, y: Array) -> Array:
        """Return indicators (r, m, K) of codes (r, m)."""
        # Label by label, the order in which whole blocks of them are summed.
        labels = np.arange(len(self.labels or ())).reshape(-1, *(1,) * y.ndim)
        return np.moveaxis(np.asarray(y == labels, dtype=float), 0, -1)

    def block_sums(self, y: Array, w: Array | None) -> Arrays:
        """Return the total weight of each label, (r, K)."""
        cells, rows = len(self.labels or ()), len(y) if w is None else max(len(y), len(w))
        total = np.zeros((rows, cells))
        codes = np.broadcast_to(y, (rows, y.shape[1])).astype(np.int64)
        np.add.at(total, (np.arange(rows)[:, None], codes), 1.0 if w is None else w)
        return (total,)

    @property
    def mean(self) -> Any:
        """Labels have no mean."""
        raise NoDensityError(message("numbers for a mean", "category labels"))

    @property
    def variance(self) -> Any:
        """Labels have no variance."""
        raise NoDensityError(message("numbers for a variance", "category labels"))


class Each(Param):
    """A parameter that every label but one has: as many as the labels, found in the data, require."""

    open = True

    def __init__(self, domain: Domain, symbol: str, *, last: bool, **declaration: Any) -> None:
        super().__init__(domain, symbol, **declaration)
        self.last = last

    def carriers(self, labels: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the labels that have one: all but the last, or all but the first."""
        return labels[:-1] if self.last else labels[1:]

    def entry(self, label: Any) -> Param:
        """Declare the parameter of one label."""
        made = Param(self.domain, f"{self.symbol}_{{{label}}}", typical=self.typical, doc=self.doc)
        made.name = f"{self.name}[{label}]"
        return made

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else instance.gathered()


class PerLabel(Labelled, abstract=True):
    """A family of labels with a number for each label but one, every one a parameter by itself.

    Parameters
    ----------
    *args, **slots
        The numbers as one array (..., K − 1), by its name or in the first place, and the other
        parameters; with ``labels`` given, the numbers one by one by their names as well.
    labels : sequence, optional
        The K labels; taken from the data, or 0 to K − 1, if not given.
    """

    @property
    def each(self) -> Each:
        """The declaration of the numbers, the first of the class."""
        declared = type(self).params[0]
        assert isinstance(declared, Each)
        return declared

    def __init__(self, *args: Any, labels: Sequence[Any] | None = None, **slots: Any) -> None:
        declared = type(self).params
        own = declared[0].name
        if len(args) > len(declared):
            raise ParameterError(
                message(f"at most {len(declared)} values without a name", f"{len(args)}")
            )
        slots |= dict(zip([p.name for p in declared], args, strict=False))
        whole = slots.pop(own, None)
        values = None if whole is None else np.asarray(whole, dtype=float)
        if labels is None and values is not None:
            labels = range(values.shape[-1] + 1 if values.ndim else 0)
        names = self._take_labels(labels)
        if names is not None:
            if len(names) < 2:
                raise ParameterError(message("at least two labels", repr(names)))
            entries = tuple(self.each.entry(label) for label in self.each.carriers(names))
            object.__setattr__(self, "params", (*entries, *declared[1:]))
            if values is not None:
                slots |= self._apart(values, entries)
        super().__init__(**slots)

    def member(self, *theta: Any) -> Model:
        """Return the distribution with these parameters, one by one."""
        named = {p.name: value for p, value in zip(self.params, theta, strict=True)}
        return type(self)(**named, **self.settings)

    def _apart(self, values: Array, entries: tuple[Param, ...]) -> dict[str, Array]:
        if values.ndim == 0 or values.shape[-1] != len(entries):
            raise ParameterError(
                message(
                    f"{self.each.name} of shape (..., {len(entries)}), one number for each label "
                    f"but {'the last' if self.each.last else 'the first'}",
                    f"shape {values.shape}",
                )
            )
        return {p.name: values[..., k] for k, p in enumerate(entries)}

    def gathered(self) -> Array | None:
        """Return the numbers of the labels, (..., K − 1); None if one of them is free."""
        if self.labels is None:
            return None
        values = [self.slots[p.name] for p in self.params[: len(self.labels) - 1]]
        known = [v for v in values if v is not None]
        if len(known) < len(values):
            return None
        return np.stack(np.broadcast_arrays(*known), axis=-1)

    def _relabelled(self, labels: tuple[Any, ...]) -> Self:
        # What a slot holds stays: a location, or what it varies with.
        kept = {p.name: self.held[p.name] for p in self.params if not p.open}
        return type(self)(**{**self.settings, **kept, "labels": labels})

    @property
    def settings(self) -> dict[str, Any]:
        """The labels, where they are known."""
        return {} if self.labels is None else {"labels": self.labels}
