"""Model: a set of distributions, declared by its parameters and a few pure functions.

A family states its support, its parameters and ``_log_density``; everything else follows or can be
supplied. The public methods are final: they check, broadcast, mask the support and call a hook. Hooks
are static functions of ``(y, *theta)`` that broadcast; the observations run along axis 1 of arrays of
shape (R, n), parameters come as (R, 1) (a vector parameter as (R, 1, K)). A hook that needs the model
itself, a dimension or labels, takes ``self`` first.

Where a family declares ``_statistics``, every density hook receives that tuple in place of ``y``; with
``affine = True`` the hooks are affine in the statistics, so that a mean over observations is the hook at
the mean statistics. ``_shared(y, *theta)`` does the same at a given theta: density, score and curvature
then receive its result in place of ``y`` and must be affine in it, so that one sum over the observations
of a few arrays serves all three.

``_block_sums``, ``_shared_sums``, ``_tilt`` and ``_pole`` are the same sums in scratch arrays for long
samples: they may be left out. Beside ``_shared_sums`` the hooks take plain numbers for a single member.

``everyday = True`` puts a family among the few that a comparison tries when nobody named any: those that
people think of first, whose fit takes milliseconds on any data.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Set
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from mlece import errors
from mlece.arrays import numeric
from mlece.domain import Domain, real
from mlece.links.tails import beyond_floats
from mlece.math import Array, Arrays
from mlece.moments import weighted_sum
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.param import Param, facts_of
from mlece.predictor import Predictor
from mlece.randomness import seeded
from mlece.registry import enrol, model_by_name
from mlece.slots import checked
from mlece.units import Units

if TYPE_CHECKING:
    from mlece.limits import LimitFamily
    from mlece.moments import Summary


# The name of a distribution in scipy.stats, and its arguments.
Twin = tuple[str, dict[str, Any]]

HOOKS = (
    "_log_density", "_score", "_curvature", "_statistics", "_shared", "_expected_statistics",
    "_information", "_maximise", "_block_sums", "_log_cdf", "_log_sf", "_standardised", "_tail_law",
    "_quantile", "_sample", "_entropy", "_mean", "_variance", "_start", "_more_starts", "_unbent",
    "_bounds", "_breakpoints", "_frame", "_degenerate", "_collapses", "_rivals", "_caveat",
    "_irregular", "_profile_statistics", "_profile_equation", "_profile_shared", "_tilt",
    "_tilt_rate", "_shared_sums", "_pole", "_pole_shared", "_estimate", "_exact_interval", "_kink",
    "_scipy", "_atoms",
)  # fmt: skip


class Model:
    """A parametric family, or one of its members when every slot is filled.

    Parameters
    ----------
    *args, **slots
        Values of the parameters, in declared order or by name. A slot left out is free.

    Raises
    ------
    ParameterError
        If a value lies outside its parameter's domain, or a slot is unknown.
    """

    support: ClassVar[Domain] = real
    _width: ClassVar[int] = 0
    _observations: ClassVar[str] = "numbers"
    params: ClassVar[tuple[Param, ...]] = ()
    affine: ClassVar[bool] = False
    unit_carrier: ClassVar[bool] = False
    profile_over: ClassVar[str] = ""
    exponential: ClassVar[bool] = False
    concave: ClassVar[bool] = False
    concave_in: ClassVar[tuple[str, ...]] = ()
    separation: ClassVar[str] = ""
    jointly_concave: ClassVar[bool] = False
    sums_blocks: int = 0
    unimodal: ClassVar[bool] = False
    exact_by: ClassVar[str] = "subgradient of a convex function"
    saturated: ClassVar[bool] = False
    collapsible: ClassVar[bool] = True
    top_asked: ClassVar[bool] = True
    aliases: ClassVar[tuple[str, ...]] = ()
    unit_free_sums: ClassVar[bool] = False
    limit_families: ClassVar[tuple[LimitFamily, ...]] = ()
    faces: ClassVar[dict[str, float]] = {}
    runs_off: ClassVar[bool] = False
    abstract: ClassVar[bool] = True
    everyday: ClassVar[bool] = False
    _components: tuple[Model, ...] = ()
    _factors: tuple[Model, ...] = ()
    slots: dict[str, Array | None]
    free: tuple[str, ...]
    """Names of the slots that hold no value."""
    predictors: Mapping[str, Predictor] = MappingProxyType({})
    """Predictors of the slots that vary with covariates."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, Param] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, Param)})
        cls.params = tuple(found.values())
        cls.abstract = abstract
        for hook in HOOKS:
            function = vars(cls).get(hook)
            if isinstance(function, FunctionType) and function.__code__.co_varnames[:1] != (
                "self",
            ):
                setattr(cls, hook, staticmethod(function))
        if not abstract and cls.__module__.startswith("mlece.families"):
            cls.register()

    @classmethod
    def register(cls) -> None:
        """Make the model available by name, in ``fit("name", x)`` and on the command line."""
        enrol(cls)

    # ------------------------------------------------------------------ slots

    def __init__(self, *args: Any, **slots: Any) -> None:
        names = [p.name for p in self.params]
        if len(args) > len(names):
            raise errors.ParameterError(
                errors.message(
                    f"at most {len(names)} parameters ({', '.join(names)})", f"{len(args)}"
                )
            )
        for name, value in zip(names, args, strict=False):
            if name in slots:
                raise errors.ParameterError(
                    errors.message(f"one value for {name}", "one by position and one by name")
                )
            slots[name] = value
        for name in slots:
            if name not in names:
                raise errors.ParameterError(
                    str(errors.unknown_name(f"parameter of {type(self).__name__}", name, names))
                )
        held = {p.name: checked(p, slots.get(p.name), type(self).__name__) for p in self.params}
        varying = {k: v for k, v in held.items() if isinstance(v, Predictor)}
        if varying:
            object.__setattr__(self, "predictors", varying)
        filled = {k: None if k in varying else v for k, v in held.items()}
        object.__setattr__(self, "slots", filled)
        object.__setattr__(self, "free", tuple(k for k, v in filled.items() if v is None))
        self._check_shapes()

    def _check_shapes(self) -> None:
        try:
            np.broadcast_shapes(*self._slot_shapes())
        except ValueError:
            shapes = {k: v.shape for k, v in self.slots.items() if v is not None}
            raise errors.ParameterError(
                errors.message("slots whose shapes broadcast", repr(shapes))
            ) from None

    def _slot_shapes(self) -> list[tuple[int, ...]]:
        shapes = []
        for p in self.params:
            value = self.slots[p.name]
            if value is not None:
                shapes.append(value.shape[:-1] if p.vector else value.shape)
        return shapes

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use replace({name}=...)")

    @property
    def title(self) -> str:
        """Name of the family in reports."""
        return type(self).__name__

    @property
    def known(self) -> bool:
        """Whether every slot is filled, so that the model is one distribution (or an array of them)."""
        return not self.free

    def parameter(self, name: str) -> Param:
        """Return the declaration of a parameter."""
        return next(p for p in self.params if p.name == name)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the array of distributions that the filled slots describe."""
        return np.broadcast_shapes(*shapes) if (shapes := self._slot_shapes()) else ()

    @property
    def theta(self) -> Arrays:
        """Values of all slots in declared order.

        Raises
        ------
        FreeSlotError
            If a slot is free.
        """
        if self.free:
            raise errors.FreeSlotError(
                errors.message(
                    f"a distribution, every slot of {type(self).__name__} filled",
                    f"free {', '.join(self.free)}",
                    f"Fill it, {type(self).__name__}({self.free[0]}=...), or fit it first",
                )
            )
        return tuple(np.asarray(self.slots[p.name]) for p in self.params)

    def replace(self, **slots: Any) -> Self:
        """Return a copy with some slots changed."""
        return type(self)(**{**self.held, **slots}, **self.settings)

    @property
    def held(self) -> dict[str, Any]:
        """What each slot holds: a value, a predictor, or None."""
        return {**self.slots, **self.predictors}

    @property
    def settings(self) -> dict[str, Any]:
        """Constructor arguments that are not parameters."""
        return {}

    def __repr__(self) -> str:
        parts = []
        for p in self.params:
            value = self.slots[p.name]
            if p.name in self.predictors:
                parts.append(f"{p.name}={self.predictors[p.name]!r}")
            elif value is not None:
                if value.ndim:
                    text = np.array2string(value, precision=6, separator=", ", threshold=12)
                else:
                    text = f"{value.item():.6g}"
                parts.append(f"{p.name}={text}")
        parts += [f"{k}={v!r}" for k, v in self.settings.items()]
        return f"{type(self).__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Model):
            return NotImplemented
        same = (
            (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
            for a, b in zip(self.slots.values(), other.slots.values(), strict=True)
        )
        alike = self.predictors == other.predictors and self.settings == other.settings
        return alike and all(same)

    def __hash__(self) -> int:
        parts = [None if v is None else (v.shape, v.tobytes()) for v in self.slots.values()]
        return hash((type(self).__name__, *parts))

    # ------------------------------------------------------------------ hooks

    @classmethod
    def has(cls, hook: str) -> bool:
        """Whether the family supplies a hook of its own."""
        return getattr(cls, hook) is not getattr(Model, hook)

    @staticmethod
    def _log_density(y: Any, *theta: Any) -> Any:
        raise errors.NoDensityError(
            errors.message("a _log_density(y, *theta) of the family, the one hook it needs", "none")
        )

    @staticmethod
    def _statistics(y: Any) -> Any:
        return y

    @staticmethod
    def _missing(*args: Any) -> Any:
        raise NotImplementedError

    _expected_statistics = _maximise = _block_sums = _log_cdf = _log_sf = _quantile = _missing
    _sample = _entropy = _mean = _variance = _start = _more_starts = _bounds = _frame = _missing
    _collapses = _shared = _score = _curvature = _profile_statistics = _profile_equation = (
        _profile_shared
    ) = _estimate = _exact_interval = _kink = _tilt = _tilt_rate = _shared_sums = _missing
    _scipy = _atoms = _standardised = _tail_law = _information = _pole = _missing
    _pole_shared = _unbent = _missing

    @staticmethod
    def _breakpoints(*theta: Any) -> Any:
        """Points where the density is not smooth."""
        return ()

    @staticmethod
    def _degenerate(s: Summary, *theta: Any) -> Any:
        """Cases in which no interior maximum exists; see :mod:`mlece.fits.existence`."""
        return ()

    @staticmethod
    def _rivals(view: Any, unsure: Array, *theta: Any) -> Any:
        """Limits that are no fit of a limiting family, each with its infimum.

        ``unsure`` tells where the solver met no optimum; an unbounded limit counts only there.
        """
        return ()

    @staticmethod
    def _caveat(*theta: Any) -> str:
        """What is true of every fit with these filled slots (None where free), a sentence or nothing."""
        return ""

    @staticmethod
    def _irregular(*theta: Any) -> tuple[Any, str]:
        """Members at which the likelihood is not regular, and why it has no standard errors there."""
        return False, ""

    @property
    def measure(self) -> str:
        """What dominates the law: densities are compared under one measure only."""
        if self.support.kind == "categories":
            return "categories"
        if self.support.discrete:
            return "counting"
        if not self.has("_atoms"):
            return "Lebesgue"
        points = np.unique(self._atoms(*self.slots.values())[0])
        return f"Lebesgue with an atom at {', '.join(f'{p:g}' for p in points)}"

    # -------------------------------------------- what the engine calls

    def points(self, values: Array) -> Array:
        """Return one number (R, n) for each observation: where it lies, for frames and starts."""
        return values

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return (R, n) what the support must begin below and what it must end above."""
        return values, values

    def pilot_frame(self, values: Array) -> tuple[Array, Array] | None:
        """Return a shift and scale (R, d) for vectors (R, n, d); None for numbers."""
        return None

    def start_hook(self, pilot: Array, slots: tuple[Array | None, ...]) -> Any:
        """Return starting values from pilot points, given the filled slots (None where free)."""
        return self._start(pilot)

    def log_unit(self, scale: Array) -> Array:
        """Return what a log density loses in a frame of this scale, (R,): log q(y) = log q(z) - this."""
        logs = np.log(scale)
        return logs if logs.ndim == 1 else np.asarray(logs.sum(axis=-1))

    def density_share(self, summary: Summary) -> Any:
        """Return the share of observations that enter by a density, which has units."""
        return 1.0

    def member(self, *theta: Any) -> Model:
        """Return the distribution with these parameters."""
        return type(self)(*theta, **self.settings)

    def relative(self, name: str) -> Callable[..., Model]:
        """Return the maker of members of another family, for observations of the same kind."""
        return model_by_name(name)

    def alike(self, model: Model) -> Model:
        """Return a model made for plain observations as one for observations of this model's kind."""
        return model

    def log_probability_hook(
        self, y: Array, theta: Arrays, above: bool, member: Model | None = None
    ) -> Array:
        """Return log P(Y > y), or log P(Y <= y), of points (r, m) under theta (r, 1).

        ``member`` is the distribution theta itself, where the caller has it.
        """
        hook, other = ("_log_sf", "_log_cdf") if above else ("_log_cdf", "_log_sf")
        if self.support.discrete:
            y = np.floor(y)
        lower, upper = self.bounds(theta)
        if self.has(hook):
            out = np.asarray(getattr(self, hook)(y, *theta))
            out = beyond_floats(self, out, y, theta, above)
        elif self.has(other):
            out = np.log(-np.expm1(getattr(self, other)(y, *theta)))
        else:
            from mlece.sources.cumulative import log_cdf_by_quadrature

            if member is None:
                member = self.member(*[np.ravel(t) for t in theta])
                y = np.broadcast_to(y, (*member.batch_shape, y.shape[-1]))
            cdf = log_cdf_by_quadrature(member, y)
            out = np.log(-np.expm1(cdf)) if above else cdf
        below, beyond = (0.0, -np.inf) if above else (-np.inf, 0.0)
        out = np.where((y < lower) | (y == -np.inf), below, out)
        return np.asarray(np.where(y >= upper, beyond, out))

    def declare(self, data: Any) -> Model:
        """Return the model with the structure that the type of the data declares (its categories)."""
        return self

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Return the model and the data as numbers; labels become codes where a family has labels."""
        return self, numeric(data, what)

    def statistics(self, y: Array) -> Any:
        """Return what the hooks take in place of the observations."""
        return self._statistics(y) if self.has("_statistics") else y

    def shared(self, t: Any, theta: Arrays) -> Any:
        """Return what density, score and curvature have in common at theta, computed once."""
        return self._shared(t, *theta) if self.has("_shared") else t

    def log_density_hook(self, t: Any, theta: Arrays, shared: Any = None) -> Array:
        """Return log q at framed observations (or their statistics)."""
        return np.asarray(
            self._log_density(self.shared(t, theta) if shared is None else shared, *theta)
        )

    def score_hook(self, t: Any, theta: Arrays, shared: Any = None) -> Any:
        """Return the natural-parameter score, analytic where the family has one."""
        if self.has("_score"):
            return self._score(self.shared(t, theta) if shared is None else shared, *theta)

        def density(at: Any, *moved: Array) -> Array:
            return self.log_density_hook(at, moved)

        return numerical_score(density, t, theta, *self._limits(), self._held())

    def curvature_hook(self, t: Any, theta: Arrays, shared: Any = None) -> Any:
        """Return the upper triangle of the second derivatives, row by row."""
        if self.has("_curvature"):
            return self._curvature(self.shared(t, theta) if shared is None else shared, *theta)

        def density(at: Any, *moved: Array) -> Array:
            return self.log_density_hook(at, moved)

        def score(at: Any, *moved: Array) -> Arrays:
            return tuple(self.score_hook(at, moved))

        analytic = score if self.has("_score") else None
        return numerical_curvature(density, analytic, t, theta, *self._limits(), self._held())

    def summed(
        self, t: Any, theta: Arrays, w: Array | None, m: int, order: int, opg: bool
    ) -> tuple[Array, Array | None, Array | None, Array | None]:
        """Return sums over a block of log q, score, curvature and outer products, if ``sums_blocks``."""
        raise NotImplementedError

    def rowwise(self, y: Array, theta: Arrays) -> Any:
        """Return what evaluates observations with parameters of their own, None for the plain hooks."""
        return None

    def _held(self) -> list[int]:
        return [j for j, p in enumerate(self.params) if not p.estimable]

    def _limits(self) -> tuple[list[float], list[float]]:
        # A direction may be moved past the cut of the circle.
        ends = [
            (-np.inf, np.inf) if p.domain.periodic else (p.domain.lower, p.domain.upper)
            for p in self.params
        ]
        return [low for low, _ in ends], [high for _, high in ends]

    def bounds(self, theta: Arrays) -> tuple[Array, Array]:
        """Return the ends of the support, arrays that broadcast against theta."""
        if self.has("_bounds"):
            lower, upper = self._bounds(*theta)
            return np.asarray(lower), np.asarray(upper)
        return np.asarray(self.support.lower), np.asarray(self.support.upper)

    def settled_bounds(self, slots: tuple[Array | None, ...]) -> tuple[Array, Array]:
        """Return the ends of the support as far as filled slots settle them, infinite elsewhere.

        An end that stays when the free slots (None) change is settled.
        """
        if facts_of(self.params).vectors:
            return np.asarray(-np.inf), np.asarray(np.inf)
        first, second = (
            self.bounds(
                tuple(
                    np.asarray(p.typical[side]) if value is None else value
                    for p, value in zip(self.params, slots, strict=True)
                )
            )
            for side in (0, 1)
        )
        low = np.where(first[0] == second[0], first[0], -np.inf)
        return low, np.where(first[1] == second[1], first[1], np.inf)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True where y lies in the support of the member theta."""
        mask = self.support.contains(y)
        if self.has("_bounds"):
            lower, upper = self.bounds(theta)
            mask = mask & (y >= lower) & (y <= upper)
        return mask

    def block_sums(self, y: Array, w: Array | None) -> Arrays:
        """Return weighted sums of the statistics over a block of framed observations, (r,) each."""
        if self.has("_block_sums"):
            return tuple(self._block_sums(y, w))
        return tuple(weighted_sum(s, w, y.shape[1]) for s in self.statistics(y))

    # ------------------------------------------------------------------ frames

    def roles(self) -> Set[str]:
        """Return the roles that estimated parameters play under a change of units."""
        return facts_of(self.params).roles

    def turns(self) -> bool:
        """Whether a parameter turns with the observations on a circle."""
        return facts_of(self.params).turns

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters to those of (y - shift) / scale."""
        pairs = zip(self.params, theta, strict=True)
        return tuple(None if v is None else p.to_frame(v, shift, scale) for p, v in pairs)

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters of (y - shift) / scale back to those of y."""
        pairs = zip(self.params, theta, strict=True)
        return tuple([p.from_frame(v, shift, scale) for p, v in pairs])

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each parameter."""
        return [p.frame_factor(scale) for p in self.params]

    def own_frame(self, theta: Arrays) -> tuple[Array, Array]:
        """Return the shift and scale in which this member's observations are of order one."""
        if self.has("_frame"):
            shift, scale = self._frame(*theta)
            return np.asarray(shift), np.asarray(scale)
        shift, scale = np.asarray(0.0), np.asarray(1.0)
        for p, value in zip(self.params, theta, strict=True):
            if p.role in ("location", "angle"):
                shift = value
            elif p.role == "scale":
                scale = value
            elif p.role == "inverse scale":
                scale = 1.0 / value
            elif p.role == "log location":
                scale = np.exp(value)
        return shift, scale

    # ------------------------------------------------------------------ questions

    def _shaped(self, extra: int) -> Arrays:
        """Return theta with ``extra`` axes behind the batch axes."""
        out = []
        for p, value in zip(self.params, self.theta, strict=True):
            if p.vector:
                lead = value.shape[:-1] if value.ndim > 1 else (1,) * extra
                shape = (*lead, *([1] * extra)) if value.ndim > 1 else lead
                out.append(value.reshape(*shape, value.shape[-1]))
            else:
                out.append(value.reshape(*value.shape, *([1] * extra)) if value.ndim else value)
        return tuple(out)

    def encode(self, y: Any) -> Array:
        """Return observations as an array of floats (category labels as codes)."""
        try:
            return np.asarray(y, dtype=float)
        except (TypeError, ValueError):
            raise errors.DataTypeError(errors.message("numbers", f"{type(y).__name__}")) from None

    def decode(self, y: Array) -> Array:
        """Return observations in the form in which the user has them."""
        return y

    def _framed(self, values: Array) -> tuple[Any, Arrays, Array, Array]:
        """Return statistics and theta in the member's own frame, the support mask and the scale."""
        theta = self._shaped(1 if self.batch_shape else 0)
        shift, scale = self.own_frame(theta)
        inside = self.inside(values, theta)
        with np.errstate(all="ignore"):
            z = (values - shift) / scale
            framed = tuple(np.asarray(t) for t in self.to_frame(theta, shift, scale))
            t = self.statistics(z)
        return t, framed, inside, scale

    def log_density(self, y: Any) -> Array:
        """Return log q(y), minus infinity outside the support.

        Parameters
        ----------
        y : array_like
            Observations, any shape; for a model with batch shape B an array B + (n,).

        Returns
        -------
        array
            Natural logarithms of the density or mass, in the shape of ``y``.

        Raises
        ------
        FreeSlotError
            If a slot is free.
        """
        y = self.encode(y)
        if np.isnan(y).any():
            raise errors.DataError(errors.message("numbers", errors.offenders(np.isnan(y), y)))
        t, theta, inside, scale = self._framed(y)
        with np.errstate(all="ignore"):
            out = self.log_density_hook(t, theta)
            if not self.support.discrete:
                out = out - np.log(scale)
        return np.asarray(np.where(inside, out, -np.inf))

    def density(self, y: Any) -> Array:
        """Return q(y): the density, or the probability mass for counts and categories."""
        return np.exp(self.log_density(y))

    def score(self, y: Any) -> Array:
        """Return the score d log q / d theta, shape (..., k) behind the shape of ``y``."""
        values = self.encode(y)
        t, theta, _, scale = self._framed(values)
        with np.errstate(all="ignore"):
            raw = self.score_hook(t, theta)
        if not isinstance(raw, tuple):
            return np.asarray(raw)
        factors = self.frame_factors(scale)
        rows = values.shape[:-1] if self._width else values.shape
        shape = np.broadcast_shapes(rows, *[np.shape(r) for r in raw])
        return np.stack(
            [np.broadcast_to(r / f, shape) for r, f in zip(raw, factors, strict=True)], -1
        )

    def _require_order(self) -> None:
        if self._width:
            raise errors.NoDensityError(
                errors.message(
                    "observations on a line for a distribution function", self._observations
                )
            )

    def _probability(self, y: Any, above: bool) -> Array:
        self._require_order()
        theta = self._shaped(1 if self.batch_shape else 0)
        with np.errstate(all="ignore"):
            return self.log_probability_hook(self.encode(y), theta, above, self)

    def log_cdf(self, y: Any) -> Array:
        """Return log P(Y <= y)."""
        return self._probability(y, above=False)

    def log_sf(self, y: Any) -> Array:
        """Return log P(Y > y)."""
        return self._probability(y, above=True)

    def cdf(self, y: Any) -> Array:
        """Return P(Y <= y)."""
        return np.exp(self.log_cdf(y))

    def sf(self, y: Any) -> Array:
        """Return P(Y > y)."""
        return np.exp(self.log_sf(y))

    def quantile(self, u: Any) -> Array:
        """Return the smallest y with P(Y <= y) >= u, the ends of the support for u = 0 and 1.

        Raises
        ------
        DataError
            If a probability lies outside [0, 1].
        """
        self._require_order()
        prob = np.asarray(u, dtype=float)
        bad = ~((prob >= 0) & (prob <= 1))
        if bad.any():
            raise errors.DataError(
                errors.message("probabilities in [0, 1]", errors.offenders(bad, prob))
            )
        theta = self._shaped(1 if self.batch_shape else 0)
        lower, upper = self.bounds(theta)
        inner = np.where((prob > 0) & (prob < 1), prob, 0.5)
        with np.errstate(all="ignore"):
            if self.has("_quantile"):
                out = np.asarray(self._quantile(inner, *theta))
            else:
                from mlece.sources.cumulative import quantile_by_search

                out = quantile_by_search(self, inner)
        return np.asarray(np.where(prob == 0, lower, np.where(prob == 1, upper, out)))

    def sample(self, size: int | tuple[int, ...] = 1, rng: Any = None) -> Array:
        """Draw observations.

        Parameters
        ----------
        size : int or tuple of int
            Shape of the sample, behind the batch shape.
        rng : int or numpy.random.Generator, optional
            Source of randomness.

        Returns
        -------
        array
            Shape batch_shape + size.
        """
        try:
            tail = tuple(operator.index(s) for s in (size if isinstance(size, tuple) else (size,)))
            usable = all(s >= 0 for s in tail)
        except TypeError:
            usable = False
        if not usable:
            raise errors.ParameterError(
                errors.message("a sample size, an integer from 0 on or a tuple of them", repr(size))
            )
        return self.decode(self.draw(tail, seeded(rng)))

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw observations as the engine has them (codes for labels), batch_shape + tail."""
        shape = (*self.batch_shape, *tail)
        theta = self._shaped(len(tail) if self.batch_shape else 0)
        if self.has("_sample"):
            return np.asarray(self._sample(rng, shape, *theta), dtype=float)
        return self.quantile(rng.random((*self.batch_shape, math.prod(tail)))).reshape(shape)

    def _closed(self, hook: str) -> Array | None:
        if not self.has(hook):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(getattr(self, hook)(*self.theta))

    def entropy(self, units: Units = "nats") -> Any:
        """Return H(q), the differential entropy or the entropy of the mass function."""
        from mlece.information import entropy

        return entropy(self, units=units)

    def to_scipy(self) -> Any:
        """Return the same law as a frozen distribution of scipy.stats.

        Its figures come by scipy's formulas, some of which lose digits next to the limits of a family.

        Raises
        ------
        FreeSlotError
            If a slot is free.
        NoDensityError
            If scipy.stats has no such distribution, or has the family but not these members.
        """
        from mlece.combinators.scipy_family import to_scipy

        return to_scipy(self)

    def _moment(self, hook: str, power: int) -> Any:
        closed = self._closed(hook)
        if closed is None:
            from mlece.information import central_moment

            return central_moment(self, power)
        return closed if closed.ndim else closed.item()

    @property
    def mean(self) -> Any:
        """Return E[Y]; infinite or NaN where the law has no mean."""
        return self._moment("_mean", 1)

    @property
    def variance(self) -> Any:
        """Return Var[Y]; infinite where the law has none."""
        return self._moment("_variance", 2)

    @property
    def sd(self) -> Any:
        """Return the standard deviation of Y."""
        return np.sqrt(self.variance)
