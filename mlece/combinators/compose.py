"""What models made of other models have in common: slots passed on, names, pickling, repr.

A composition is a subclass of :class:`Composite` generated once for the classes it is made of, so that
its parameters are declared on a class like those of any family. The parameters of the inner family
come first, those of the combinator behind them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from mlece import errors
from mlece.limits import full
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.param import Param, facts_of
from mlece.registry import model_by_name

_CLASSES: dict[tuple[Any, ...], type[Composite]] = {}


# ---------------------------------------------------------------------------- what goes in


def instance(model: Any) -> Any:
    """Return the model that a class or a registered name stands for; anything else as it is."""
    if isinstance(model, str):
        model = model_by_name(model)
    if isinstance(model, type) and issubclass(model, Model):
        model = model()
    return model


def named_model(model: Any, combinator: str) -> Model:
    """Return a model of any kind from an instance, a class or a registered name.

    Raises
    ------
    DataTypeError
        If it is none of them.
    """
    model = instance(model)
    if not isinstance(model, Model):
        raise errors.DataTypeError(
            errors.message(
                f"a model, its class or its registered name in {combinator}",
                f"{type(model).__name__} {model!r:.40}",
            )
        )
    return model


def as_model(model: Any, combinator: str, density: bool = False, atoms: bool = False) -> Model:
    """Return the model that a combinator is given: an instance, a class or a registered name.

    Parameters
    ----------
    model : Model, class of Model, or registered name
    combinator : str
        Its name, for messages.
    density : bool
        Whether counts are refused.
    atoms : bool
        Whether densities with an atom are taken.

    Raises
    ------
    DataTypeError
        If it is none of them.
    ParameterError
        If it is of a kind that the combinator does not take.
    """
    law = named_model(model, combinator)
    vector = law._width or facts_of(law.params).vectors
    if vector or law.settings or law.support.kind not in ("interval", "integers"):
        raise errors.ParameterError(
            errors.message(
                f"a model of numbers with one number in each slot in {combinator}",
                f"{law!r}, whose support is {law.support}",
            )
        )
    if density and law.support.discrete:
        raise errors.ParameterError(
            errors.message(f"a density in {combinator}", f"{law!r}, a law of counts")
        )
    if law.has("_atoms") and not atoms:
        raise errors.ParameterError(
            errors.message(
                f"a density without atoms in {combinator}",
                f"{law!r}",
                f"Put the atom on last: Inflated({combinator}(...))",
            )
        )
    return law


def copied(param: Param, **changes: Any) -> Param:
    """Return a copy of a parameter's declaration, to stand in another class."""
    out = copy.copy(param)
    for name, value in changes.items():
        setattr(out, name, value)
    return out


def smooth_names(family: type[Model]) -> set[str]:
    """Return the parameters in which the likelihood is smooth: no end of the support, no kink."""
    names = {p.name for p in family.params if p.regular}
    if family.has("_kink"):
        names -= {family._kink(*[np.asarray(p.typical[0]) for p in family.params])[0]}
    return names


def free_name(name: str, taken: tuple[str, ...]) -> str:
    """Return the name itself, or with the first number from 2 on that nothing else has."""
    if name not in taken:
        return name
    k = 2
    while f"{name}{k}" in taken:
        k += 1
    return f"{name}{k}"


def engine(family: type[Model]) -> Model:
    """Return an instance without values: what the engine asks of a family is static."""
    out = object.__new__(family)
    object.__setattr__(out, "slots", {p.name: None for p in family.params})
    object.__setattr__(out, "free", tuple(p.name for p in family.params))
    return out


# ---------------------------------------------------------------------------- what comes out


class Composite(Model, abstract=True):
    """A model made of another one.

    Attributes
    ----------
    inner : type of Model
        The family inside.
    call : callable
        The combinator, which makes the model again from its parts.
    own : dict of str to str
        The combinator's arguments that are slots, and their names.
    constants : dict of str to object
        The combinator's other arguments.
    """

    inner: ClassVar[type[Model]]
    call: ClassVar[Callable[..., Model]]
    own: ClassVar[dict[str, str]] = {}
    constants: ClassVar[dict[str, Any]] = {}

    @property
    def inner_model(self) -> Model:
        """The inner model with the slots that are filled."""
        held = self.held
        return self.inner(**{p.name: held[p.name] for p in self.inner.params})

    def start_hook(self, pilot: Array, slots: tuple[Array | None, ...]) -> Any:
        """Return starting values, which those of the inner family may take from filled slots."""
        return self._start(pilot, *slots)

    def _arguments(self) -> dict[str, Any]:
        held = self.held
        slots = {a: held[s] for a, s in self.own.items()}
        return {a: v for a, v in {**slots, **self.constants}.items() if v is not None}

    def __repr__(self) -> str:
        parts = [repr(self.inner_model)]
        parts += [f"{a}={_shown(v)}" for a, v in self._arguments().items()]
        return f"{type(self).call.__name__}({', '.join(parts)})"

    def __reduce__(self) -> Any:
        return _made_again, (type(self).call, self.inner_model, self._arguments())


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if not value.ndim:
            return f"{value.item():.6g}"
        return np.array2string(value, precision=6, separator=", ", threshold=12)
    return repr(value)


def _made_again(call: Callable[..., Model], model: Model, arguments: dict[str, Any]) -> Model:
    return call(model, **arguments)


def generated(
    base: type[Composite],
    call: Callable[..., Model],
    inner: type[Model],
    params: dict[str, Param],
    own: dict[str, str],
    constants: dict[str, Any] | None = None,
    **body: Any,
) -> type[Composite]:
    """Return the class of a composition, the same one each time for the same parts.

    Parameters
    ----------
    base : type of Composite
        Supplies the hooks.
    call : callable
        The combinator; its name is the name of the class.
    inner : type of Model
        The family inside.
    params : dict of str to Param
        Declarations in the order of the slots; those of the inner family first.
    own : dict of str to str
        The combinator's arguments that are slots, and their names.
    constants : dict of str to object, optional
        Its other arguments, hashable.
    **body
        Further class attributes.
    """
    constants = constants or {}
    key = (base, call, inner, *own.items(), *constants.items(), body.get("support"))
    if key not in _CLASSES:
        name = f"{call.__name__}({inner.__name__})"
        attributes = {
            "__doc__": f"{call.__name__} of {inner.__name__}.",
            "__module__": base.__module__,
            "__qualname__": name,
            "inner": inner,
            "call": staticmethod(call),
            "own": own,
            "constants": constants,
            **body,
        }
        # A slot named like a question (mean, variance) leaves the name to the question.
        attributes |= {n: copied(p) for n, p in params.items() if not hasattr(Model, n)}
        if within(engine(inner)) is not None:
            # What makes a mixture unbounded does so under any of its transformations.
            attributes |= {"_caveat": _of_mixture, "_collapses": _collapses_inside}
        made: type[Composite] = type(name, (base,), attributes)
        made.params = tuple(copied(p, name=n) for n, p in params.items())
        _CLASSES[key] = made
    return _CLASSES[key]


def passed_on(model: Model) -> dict[str, Any]:
    """Return the values of a model's slots, for the slots of the composition."""
    return model.held


def within(model: Model) -> Any:
    """Return the mixture that a model is or is made of, None if there is none.

    Its parameters are the first of the model's.
    """
    while isinstance(model, Composite):
        model = engine(model.inner)
    return model if model._components else None


def _of_mixture(self: Any, *slots: Any) -> str:
    """Return what is true of the mixture inside."""
    mixture = within(self)
    return str(mixture._caveat(*slots[: len(mixture.params)]))


def _collapses_inside(self: Any, share: Array, *slots: Any) -> Array:
    return full(share, float(bool(self._caveat(*slots)))) > 0


def inner_start(family: type[Model], x: Array, slots: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return starting values of a family from pilot points (r, p), and what filled slots it has."""
    given = slots[: len(family.params)] or (None,) * len(family.params)
    return tuple(engine(family).start_hook(x, given))


def hooks_of(base: type[Model], inner: type[Model], needs: dict[str, bool]) -> dict[str, Any]:
    """Return the class attributes that take back hooks for which the inner family lacks what they need."""
    return {hook: getattr(Model, hook) for hook, there in needs.items() if not there}


def inner_terms(
    family: type[Model], y: Array, theta: Arrays, order: int
) -> tuple[Array, Arrays, Arrays]:
    """Return log q of a family, its score and curvature (as far as asked for) in the given units.

    They are computed in the member's own frame, so that a composition which cannot follow a change of
    units keeps the digits of its parts.
    """
    model = engine(family)
    shift, scale = model.own_frame(theta)
    framed = tuple(np.asarray(v) for v in model.to_frame(theta, shift, scale))
    factors = model.frame_factors(scale)
    score: Arrays = ()
    curvature: Arrays = ()
    # The point of an atom may lie where the density is 0 or infinite; it is not used there.
    with np.errstate(all="ignore"):
        t = model.statistics((y - shift) / scale)
        shared = model.shared(t, framed)
        log_q = model.log_density_hook(t, framed, shared)
        log_q = log_q if family.support.discrete else log_q - np.log(scale)
        if order >= 1:
            raw = model.score_hook(t, framed, shared)
            score = tuple(np.asarray(s / f) for s, f in zip(raw, factors, strict=True))
        if order >= 2:
            raw = model.curvature_hook(t, framed, shared)
            pairs = [(i, j) for i in range(len(theta)) for j in range(i, len(theta))]
            units = [factors[i] * factors[j] for i, j in pairs]
            curvature = tuple(np.asarray(c / u) for c, u in zip(raw, units, strict=True))
    return log_q, score, curvature


def widened(parts: tuple[Any, ...], size: int, total: int, zero: Array) -> Arrays:
    """Extend an upper triangle of ``size`` parameters to ``total``, zero for those behind them."""
    out, at = [], 0
    for i in range(total):
        for j in range(i, total):
            if j < size:
                out.append(parts[at])
                at += 1
            else:
                out.append(zero)
    return tuple(out)
