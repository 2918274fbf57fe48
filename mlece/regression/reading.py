"""From a model with predictors, responses and covariates to one model and one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import MISSING, as_array
from mlece.combinators.conditional import Conditional
from mlece.combinators.kinks import kinks_of
from mlece.combinators.penalties import Penalty
from mlece.combinators.terms import Term
from mlece.design import Design
from mlece.families.index import CategoricalLogits
from mlece.families.ordinal import Ordinal
from mlece.math import Array
from mlece.model import Model
from mlece.regression.binding import Bound, bound, constants
from mlece.regression.collinear import collinear, dependent
from mlece.regression.firth import Firth, require_firth
from mlece.regression.penalty import unpenalised, with_strength
from mlece.sample import Sample, check_ends, check_support, from_data, weights_like
from mlece.sources.censoring import Censored, from_censored
from mlece.sources.covariates import designs
from mlece.sources.recipes import INTERCEPT


@dataclass(frozen=True)
class Given:
    """Responses with their covariates, ready to be fitted.

    Parameters
    ----------
    model : Conditional
    sample : Sample
    kept : array of bool (n,), optional
        The rows that were kept, where some were dropped because a value was missing.
    """

    model: Conditional
    sample: Sample
    kept: Array | None = None


def read(
    model: Model,
    data: Any,
    given: Any,
    weights: Any,
    name: str,
    weighting: str,
    missing: str = "raise",
    exclude: tuple[str, ...] = (),
    penalty: Penalty | None = None,
) -> Given:
    """Read responses and covariates for a model with predictors.

    Parameters
    ----------
    model : Model
        At least one slot holds a predictor.
    data : array_like (..., n) or Censored
        Responses.
    given : data frame, mapping, array (n, d) or sparse matrix
        Covariates.
    weights : array_like (..., n), optional
    name : str
        Name of the response.
    weighting : {"frequency", "sampling"}
    missing : {"raise", "drop"}
        What to do about rows in which a value is missing.
    exclude : tuple of str
        Columns that are no covariates: the response.
    penalty : Penalty, optional
        On the coefficients.

    Raises
    ------
    DataError
        For covariates that cannot be used, with the reason.
    """
    if missing not in MISSING:
        raise errors.unknown_name("treatment of missing values", missing, MISSING)
    if given is None:
        slots = ", ".join(model.predictors)
        raise errors.DataError(
            errors.message(
                f"covariates in given= for the predictor of {slots}",
                "none",
                "fit(model, y, given=frame) or given=array of shape (n, d)",
            )
        )
    plan = bound(model, data)
    entries = plan.terms.items()
    # Messages speak of the slots that the user has filled.
    named = {entry.label: entry.predictor for _, entry in entries if entry.values is None}
    n, present = _responses(data, plan.inner, name, missing)
    made, kept = designs(named, given, n, missing, exclude, present)
    found = {slot: made[entry.label] for slot, entry in entries if entry.values is None}
    for slot, entry in entries:
        if entry.values is not None:
            values = entry.values if kept is None else entry.values[kept]
            found[slot] = Design(np.zeros((len(values), 0)), (), values)
    if kept is not None:
        data = _taken(data, kept, plan.inner, name)
        weights = None if weights is None else as_array(weights, "weights")[..., kept]
    bare, sample = read_responses(plan.inner, data, name)
    bare = _with_widest(bare, found)
    rows = _same_length(sample, found, name)
    if not bare._width:
        check_support(bare, sample, sample.values.min(), sample.values.max(), model.title)
    conditional = Conditional(
        inner=bare,
        terms=tuple(_terms(plan, bare, found, penalty)),
        respond=respond_of(plan, bare),
        label="" if plan.respond is None else model.title,
        penalty=penalty,
    )
    if not bare._width:
        _check_known_ends(conditional, sample, found)
    if penalty is not None:
        _require_bend(conditional, penalty)
    counts = data.counts if isinstance(data, Censored) and weights is None else weights
    values, w, batch = _with_rows(bare, sample, weights_like(counts, rows))
    whole = replace(sample, values=values, weights=w, batch_shape=batch, weighting=weighting)
    return Given(conditional, whole, kept)


def _with_widest(bare: Model, found: dict[str, Design]) -> Model:
    """Return the family whose constants that vary by row stand at the value of the widest support."""
    for name in set(constants(bare)) & set(found):
        values = np.asarray(as_offset(found[name]).offset)
        domain = bare.parameter(name).domain
        bad = ~domain.contains(values)
        if bad.any():
            raise errors.ParameterError(
                errors.message(f"{name} by row to be {domain}", errors.offenders(bad, values))
            )
        ends = [bare.replace(**{name: value}) for value in (values.min(), values.max())]
        bare = max(ends, key=_reach)
    return bare


def _reach(model: Model) -> tuple[float, float]:
    """Order models by their settled support: which begins lowest, then which ends highest."""
    low, high = model.settled_bounds(tuple(model.slots.values()))
    return -float(low), float(high)


def _check_known_ends(model: Conditional, sample: Sample, found: dict[str, Design]) -> None:
    """Refuse responses beyond the ends that known constants set, row by row (trials of a Binomial)."""
    inner, fixed = model.inner, constants(model.inner)
    if not fixed:
        return
    slots = tuple(
        as_offset(found[name]).offset if name in found and name in fixed else value
        for name, value in inner.slots.items()
    )
    check_ends(sample, *inner.settled_bounds(slots), model.title)


def _require_bend(model: Conditional, penalty: Penalty) -> None:
    """Refuse a penalty where the likelihood has no curvature to hold against it."""
    kinks = kinks_of(model)
    if kinks:
        raise errors.ParameterError(
            errors.message(
                "a likelihood that is smooth in the coefficients, for a penalty",
                f"{model!r} with a kink in {kinks[0]}",
                "A ridge beside absolute residuals makes a quadratic programme, which is not solved here; "
                "StudentT(loc=...) bounds the influence of an observation too, and takes a ridge",
            )
        )
    if isinstance(penalty, Firth):
        require_firth(model)


def respond_of(plan: Bound, bare: Any) -> Any:
    """Return what makes the family that users know: of the inner one whose labels the data told."""
    return None if plan.respond is None else bare.respond


def _terms(
    plan: Bound, bare: Model, found: dict[str, Design], penalty: Penalty | None
) -> Iterator[Term]:
    """Yield the predictors that have met their covariates, and refuse collinear columns."""
    shifts = isinstance(bare, Ordinal)
    for slot, entry in plan.terms.items():
        if entry.known:
            yield Term(slot, as_offset(found[slot]), entry.link, entry.label)
            continue
        # Cut points take the place of a constant.
        design = without_constant(found[slot]) if shifts else found[slot]
        labels = isinstance(bare, CategoricalLogits)
        slots = [p.name for p in bare.params] if labels else [slot]
        terms = [
            with_strength(Term(s, design, entry.link, s if labels else entry.label), penalty)
            for s in slots
        ]
        # Columns that a ridge holds have one best combination, whatever they depend on.
        alone = unpenalised(terms[0])
        # A choice of all columns would be a copy of the design.
        held = design.matrix if len(alone) == design.width else design.matrix[:, alone]
        dependences = dependent(held, [design.names[j] for j in alone])
        if dependences:
            raise collinear(dependences, len(alone), penalty is None)
        yield from terms


def as_offset(design: Design) -> Design:
    """Return a column of known values as an offset without coefficients.

    Raises
    ------
    ParameterError
        For several columns: nothing is estimated that could weigh them.
    """
    if design.width > 1:
        raise errors.ParameterError(
            errors.message(
                "one column of known values for a slot that is not estimated",
                f"{design.width} columns: {', '.join(design.names[:6])}",
                "Compute the values first, and name their column",
            )
        )
    values = design.offset if design.width == 0 else design.column(0)
    recipe = None if design.recipe is None else _AsOffset(design.recipe)
    return Design(np.zeros((design.rows, 0)), (), values, recipe)


@dataclass(frozen=True)
class _AsOffset:
    """Makes known values of a new column."""

    recipe: Callable[..., Design]

    def __call__(self, given: Any, *offset: Any) -> Design:
        return as_offset(self.recipe(given, *offset))


def without_constant(design: Design) -> Design:
    """Return a design without its column of ones."""
    at = design.constant
    if at is None:
        return design
    kept = [j for j in range(design.width) if j != at]
    names = tuple(design.names[j] for j in kept)
    recipe = None if design.recipe is None else _WithoutConstant(design.recipe)
    return Design(design.matrix[:, kept], names, design.offset, recipe)


@dataclass(frozen=True)
class _WithoutConstant:
    """Makes new columns, and leaves the constant out."""

    recipe: Callable[..., Design]

    def __call__(self, given: Any, *offset: Any) -> Design:
        design = self.recipe(given, *offset)
        kept = [j for j, name in enumerate(design.names) if name != INTERCEPT]
        names = tuple(design.names[j] for j in kept)
        return Design(design.matrix[:, kept], names, design.offset, self)


def _with_rows(
    bare: Model, sample: Sample, w: Array | None
) -> tuple[Array, Array | None, tuple[int, ...]]:
    """Return observations with their rows, weights and batch axes; rows of weight 0 are left out."""
    rows, batch, values = sample.rows, sample.batch_shape, beside_rows(bare, sample)
    if w is not None:
        batch = np.broadcast_shapes(batch, w.shape[:-1])
        w = w.reshape(-1, rows) if w.ndim == 1 else np.broadcast_to(w, (*batch, rows))
        w = w.reshape(-1, rows)
        if len(w) == 1 and not np.all(w > 0):
            values, w = values[:, w[0] > 0], w[:, w[0] > 0]
    if len(values) > 1:
        tail = values.shape[1:]
        values = np.broadcast_to(values.reshape(*sample.batch_shape, *tail), (*batch, *tail))
        values = values.reshape(-1, *tail)
    return values, w, batch


def read_responses(inner: Model, data: Any, name: str) -> tuple[Model, Sample]:
    """Read responses, complete or not; the family comes back as one of such observations."""
    read_in = from_censored if isinstance(data, Censored) else from_data
    # Weights come in afterwards: every response keeps its row, whatever its weight.
    return read_in(inner, data, None, name, "sampling")


def beside_rows(bare: Model, sample: Sample) -> Array:
    """Return observations (R or 1, n, width): responses with the numbers of their rows."""
    numbers = np.broadcast_to(np.arange(sample.rows, dtype=float), sample.values.shape[:2])
    own = sample.values if bare._width else sample.values[..., None]
    return np.concatenate([own, numbers[..., None]], axis=-1)


def _same_length(sample: Sample, found: dict[str, Design], name: str) -> int:
    rows = sample.rows
    for slot, design in found.items():
        if design.rows != rows:
            raise errors.DataError(
                errors.message(
                    f"as many rows of covariates for {slot} as responses {name}",
                    f"{design.rows} rows and {rows} responses",
                )
            )
    return rows


def _responses(data: Any, inner: Model, name: str, missing: str) -> tuple[int, Array | None]:
    """Return the number of responses, and which of them are there if others are to be dropped."""
    if isinstance(data, Censored):
        return len(data), None
    array = as_array(data, name)
    n = array.shape[-2] if inner._width and array.ndim > 1 else array.shape[-1]
    if missing == "raise" or array.ndim > 1 or array.dtype.kind not in "fO":
        return n, None
    if array.dtype.kind == "f":
        return n, ~np.isnan(array)
    return n, np.array([not (v is None or v != v) for v in array.tolist()], dtype=bool)


def _taken(data: Any, kept: Array, inner: Model, name: str) -> Any:
    """Return the responses of the rows that are kept, a Series with its declared categories."""
    if isinstance(data, Censored):
        counts = None if data.counts is None else data.counts[..., kept]
        return replace(data, values=data.values[..., kept, :], counts=counts)
    if not isinstance(data, np.ndarray | list | tuple):
        import narwhals as nw

        native = nw.from_native(data, series_only=True, pass_through=True)
        if isinstance(native, nw.Series):
            return native.filter(kept.tolist()).to_native()
    array = as_array(data, name)
    return array[..., kept, :] if inner._width and array.ndim > 1 else array[..., kept]
