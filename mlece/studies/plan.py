"""What a study does, cut into parts that can be done in any order, and again."""

from __future__ import annotations

import hashlib
import operator
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.scipy_family import is_scipy
from mlece.comparisons.comparison import label_of
from mlece.fits.fitting import resolve
from mlece.inference.intervals import check_level
from mlece.model import HOOKS, Model
from mlece.regression.result import ConditionalFit
from mlece.regression.truth import ConditionalTruth, conditional_truth
from mlece.studies.drawing import DESIGNS
from mlece.studies.measures import INTERVALS, TESTS
from mlece.studies.naming import read_law

# Observations drawn and fitted at once: a batch large enough to cost little more than its arithmetic,
# small enough for the caches, and a piece of work that an interruption may cost.
_PART = 1 << 17


@dataclass(frozen=True)
class Part:
    """Some replicates of one cell: samples of one size of one truth, fitted by all models.

    Attributes
    ----------
    truth : str
        Label of the truth.
    n : int
        Sample size.
    start, count : int
        First replicate and number of replicates.
    """

    truth: str
    n: int
    start: int
    count: int


@dataclass(frozen=True)
class Plan:
    """A whole study.

    Attributes
    ----------
    truths : dict of str to Model or ConditionalTruth
    models : dict of str to Model
        By label.
    sizes : tuple of int
    replicates : int
    seed : int
    intervals, tests : tuple of str
        Names in :data:`~mlece.studies.measures.INTERVALS` and :data:`~mlece.studies.measures.TESTS`.
    level : float
        Confidence level; tests reject at 1 − level.
    design : {"drawn", "fixed"}
        Whether every sample has covariates of its own.
    """

    truths: dict[str, Any]
    models: dict[str, Model]
    sizes: tuple[int, ...]
    replicates: int
    seed: int
    intervals: tuple[str, ...]
    tests: tuple[str, ...]
    level: float
    design: str = DESIGNS[0]

    def cells(self) -> list[tuple[str, int]]:
        """Return every truth with every sample size."""
        return [(truth, n) for truth in self.truths for n in self.sizes]

    def parts(self, truth: str, n: int) -> list[Part]:
        """Cut a cell into parts; the cut depends on n alone, so that more replicates extend a cell."""
        stride = max(1, _PART // n)
        starts = range(0, self.replicates, stride)
        return [Part(truth, n, s, min(stride, self.replicates - s)) for s in starts]

    def generators(
        self, part: Part
    ) -> tuple[np.random.Generator, np.random.Generator, np.random.SeedSequence]:
        """Return the sources of the samples and of the fresh samples that test the fits, and a seed.

        The seed is that of methods that draw for themselves: the same for all models, another for each
        part.

        They depend on the seed, the truth, n and the replicate, so that all models see the same samples
        and nothing depends on who computes a part.
        """
        words = np.frombuffer(_digest(identity(self.truths[part.truth])), dtype=np.uint32)
        entropy = [self.seed, *words.tolist(), part.n, part.start]
        first, second, third = np.random.SeedSequence(entropy).spawn(3)
        return np.random.default_rng(first), np.random.default_rng(second), third

    def key(self, part: Part) -> str:
        """Return the name under which a part is kept: a hash of all that its numbers depend on."""
        from mlece import __version__

        laws = [self.truths[part.truth], *self.models.values()]
        told = [[identity(law, code=True) for law in laws], list(self.models)]
        rest = [self.seed, self.intervals, self.tests, self.level, part.n, part.start, part.count]
        rest += [self.design] if self.design != DESIGNS[0] else []
        return _digest([__version__, *told, *rest]).hex()[:32]


def make_plan(
    truth: Any,
    models: Any,
    sizes: Any,
    replicates: Any,
    rng: Any,
    intervals: Any,
    tests: Any,
    level: float,
    design: str = DESIGNS[0],
) -> Plan:
    """Check what a study was asked for."""
    check_level(level)
    if design not in DESIGNS:
        raise errors.unknown_name("design", design, DESIGNS)
    truths = labelled(truth, "truth")
    for label, law in truths.items():
        if isinstance(law, Model):
            law.theta  # noqa: B018  (raises where a slot is free)
            _require_single(label, law)
    families = labelled(models, "model")
    for label, family in families.items():
        _require_single(label, family)
    return Plan(
        truths,
        families,
        tuple(_whole(n, "a sample size", 1) for n in _several(sizes)),
        _whole(replicates, "a number of replicates", 2),
        _seed(rng),
        _known(intervals, INTERVALS, "kind of interval"),
        _known(tests, TESTS, "test"),
        float(level),
        design,
    )


def labelled(laws: Any, kind: str) -> dict[str, Any]:
    """Return models, or truths, by label: one, several, or a mapping that names them."""
    if isinstance(laws, Mapping) and "family" not in laws:
        return {str(label): _law(law) for label, law in laws.items()}
    found: dict[str, Any] = {}
    for law in _several(laws):
        model = _law(law)
        label = model.name if isinstance(model, ConditionalTruth) else label_of(model)
        if label in found:
            raise errors.DataError(
                errors.message(
                    f"every {kind} once",
                    f"{label} twice",
                    "Give a mapping of labels to tell apart what is written alike",
                )
            )
        found[label] = model
    if not found:
        raise errors.DataError(errors.message(f"at least one {kind}", "none"))
    return found


def _law(law: Any) -> Any:
    """Return a model or a conditional truth; a fit with covariates is a truth at these."""
    if isinstance(law, ConditionalFit):
        return conditional_truth(law, law.given)
    return law if isinstance(law, ConditionalTruth) else resolve(read_law(law))


def _several(value: Any) -> Iterable[Any]:
    single = isinstance(value, str | Mapping) or not isinstance(value, Iterable)
    return (value,) if single else value


def _require_single(label: str, model: Model) -> None:
    if model.batch_shape:
        raise errors.ParameterError(
            errors.message(
                "one law for each name in a study",
                f"{label}, an array of shape {model.batch_shape}",
                "List its members one by one",
            )
        )


def _whole(value: Any, what: str, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise errors.ParameterError(
            errors.message(f"{what}, a whole number from {least} on", repr(value))
        )
    return number


def _seed(rng: Any) -> int:
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    return _whole(rng, "a seed or a numpy Generator", 0)


def _known(names: Any, table: Mapping[str, Callable[..., Any]], kind: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_several(names)))
    for name in found:
        if name not in table:
            raise errors.unknown_name(kind, str(name), table)
    return found


# -------------------------------------------------------------------------------- identity


def identity(value: Any, code: bool = False) -> Any:
    """Return nested lists of text that are equal for equal models, in every process.

    Parameters
    ----------
    value : object
        A model, or what it is made of.
    code : bool
        Whether the functions of a family outside mlece count, and not its name alone.
    """
    if isinstance(value, ConditionalTruth):
        source, given = value.y.source, value.given
        told = [] if given is None else [_digest(pickle.dumps(given)).hex()]
        shares = None if value.weights is None else value.weights
        return ["conditional", _source(source, code), identity([value.laws, shares], code), *told]
    if isinstance(value, Model):
        if type(value).__reduce__ is not object.__reduce__:
            # Models made of models say how they are made again.
            made = value.__reduce__()
            assert isinstance(made, tuple)
            return [identity(part, code) for part in made]
        slots = {name: slot for name, slot in value.slots.items() if slot is not None}
        return [identity(part, code) for part in (type(value), slots, value.settings)]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value.tobytes().hex()]
    if isinstance(value, dict):
        return [[str(k), identity(v, code)] for k, v in value.items()]
    if isinstance(value, list | tuple):
        return [identity(v, code) for v in value]
    if is_scipy(value):
        # The distributions of scipy by their name; one made by the user by what it holds.
        from scipy import stats

        known = getattr(stats, value.name, None) is value
        return ["scipy.stats", value.name, "" if known else _digest(pickle.dumps(value)).hex()]
    if isinstance(value, type | FunctionType):
        return [value.__module__, value.__qualname__, *(_code_of(value) if code else [])]
    return repr(value)


def _source(value: Any, code: bool) -> Any:
    """Return what tells one law of responses from another: of a function also what it closes over."""
    if not isinstance(value, FunctionType):
        return identity(value, code)
    closed = [identity(cell.cell_contents, code) for cell in value.__closure__ or ()]
    return [*identity(value, True), closed, identity(list(value.__defaults__ or ()), code)]


def _code_of(value: type | FunctionType) -> list[Any]:
    """Return the byte code of a function, or of the hooks of a family, outside mlece."""
    if value.__module__.startswith("mlece.") or value.__module__ == "scipy.stats":
        return []
    if isinstance(value, FunctionType):
        return [_told(value.__code__)]
    hooks = {name: getattr(value, name, None) for name in HOOKS}
    return [[n, _told(h.__code__)] for n, h in hooks.items() if isinstance(h, FunctionType)]


def _told(code: CodeType) -> list[Any]:
    constants = [_told(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]


def _digest(value: Any) -> bytes:
    return hashlib.sha256(repr(value).encode()).digest()
