"""Formulas: parsed and checked before anything is evaluated, with errors that show the place."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec, SimpleFormula
from formulaic.errors import FactorEvaluationError, FormulaicError
from formulaic.materializers.pandas import PandasMaterializer
from formulaic.parser.types import Factor, Term
from formulaic.transforms import TRANSFORMS, stateful_transform
from formulaic.transforms import C as formulaic_c

from mlece import errors
from mlece.math import Array
from mlece.sources.columns import Column
from mlece.sources.expressions import (
    CODINGS,
    ELEMENTWISE,
    STATEFUL,
    caret,
    columns_of,
    mentions,
    tilde,
)


def _labels(data: Any, contrasts: Any = None, *, levels: Any = None) -> Any:
    """Mark values as labels: whole numbers are named as such, and levels are in sorted order."""
    values = getattr(data, "__wrapped__", data)
    if levels is not None:
        _require_levels("labels among the levels= of C()", values, list(levels))
    if not isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        array = np.asarray(values)
        if array.dtype.kind == "f" and (array == np.round(array)).all():
            array = array.astype(np.int64)
        values = pd.Series(pd.Categorical(array))
    return formulaic_c(values, contrasts, levels=levels)


@stateful_transform  # type: ignore[untyped-decorator]
def _poly(x: Any, degree: int = 1, raw: bool = False, _state: Any = None) -> Any:
    """Return orthogonal polynomials, if there are points enough to tell them apart."""
    points = len(np.unique(x))
    if "alpha" not in _state and degree >= points:
        raise errors.DataError(
            errors.message(
                f"more than {degree} different values for poly() of degree {degree}", f"{points}"
            )
        )
    return TRANSFORMS["poly"](x, degree, raw, _state=_state)


FUNCTIONS: Mapping[str, Any] = {
    **{name: TRANSFORMS[name] for name in (*STATEFUL, *CODINGS)},
    **{name: getattr(np, name) for name in ELEMENTWISE},
    "np": np,
    "C": _labels,
    "poly": _poly,
}
# What the arguments of a term can make of it.
_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
# A matrix of more cells than this, of which fewer than this share are not zero, is made sparse.
_CELLS = 1_000_000
_DENSITY = 0.1


@dataclass(frozen=True)
class Parsed:
    """A right-hand side.

    Parameters
    ----------
    text : str
        As it was written.
    terms : SimpleFormula
        Without the offsets.
    offsets : tuple of str
        Expressions added with coefficient 1.
    columns : frozenset of str
        Columns that are needed for both.
    """

    text: str
    terms: Any
    offsets: tuple[str, ...]
    columns: frozenset[str]


class _Materializer(PandasMaterializer):  # type: ignore[misc]
    """Truth values are labels, and labels that the fit has not met are an error."""

    REGISTER_NAME = "mlece"
    REGISTER_INPUTS = ()

    @PandasMaterializer.override  # type: ignore[untyped-decorator]
    def _is_categorical(self, values: Any) -> bool:
        dtype = getattr(values, "dtype", None)
        return getattr(dtype, "kind", "") == "b" or bool(super()._is_categorical(values))

    @PandasMaterializer.override  # type: ignore[untyped-decorator]
    def _encode_evaled_factor(
        self, factor: Any, spec: Any, drop_rows: Any, reduced_rank: bool = False
    ) -> Any:
        known = spec.encoder_state.get(factor.expr, (None, {}))[1].get("categories")
        if known is not None:
            _require_levels(f"levels of {factor.expr!r} that the fit has met", factor.values, known)
        return super()._encode_evaled_factor(factor, spec, drop_rows, reduced_rank)


def _require_levels(expected: str, values: Any, known: list[Any]) -> None:
    """Raise DataError for labels that are none of the known ones."""
    labels = pd.Series(getattr(values, "__wrapped__", values)).astype(object)
    unseen = np.asarray(pd.Index(known, dtype=object).get_indexer(labels)) < 0
    if not unseen.any():
        return
    levels = list(dict.fromkeys(labels[unseen].tolist()))
    raise errors.DataError(
        errors.message(
            expected,
            f"{_listed(levels)} in {int(unseen.sum())} of {len(unseen)} rows, the first in row "
            f"{int(np.argmax(unseen))}",
            f"Known levels: {_listed(known)}",
        )
    )


def _listed(values: Iterable[Any], most: int = 12) -> str:
    values = list(values)
    shown = ", ".join(repr(v) for v in values[:most])
    return shown if len(values) <= most else f"{shown}, ... ({len(values)} in all)"


def parse(
    text: str, where: str, names: tuple[str, ...], meant: tuple[str, ...], intercept: bool = True
) -> Parsed:
    """Read the right-hand side of a formula.

    Parameters
    ----------
    text : str
        "age + C(sex)", with or without a leading tilde.
    where : str
        What the formula is for, for the messages.
    names : tuple of str
        Columns that there are.
    meant : tuple of str
        Columns for which a dot stands.
    intercept : bool
        Whether there is a constant unless the formula leaves it out.

    Raises
    ------
    ParameterError
        If it does not parse, or asks for what formulas do not offer.
    UnknownNameError
        If it names a column or a function that does not exist.
    """
    text = text.replace("\n", " ")
    if not text.strip(" ~"):
        raise errors.ParameterError(
            errors.message(f"a formula for {where}", repr(text), "A constant alone is written '1'")
        )
    at = tilde(text)
    if at is not None and text[:at].strip():
        raise errors.ParameterError(
            errors.message(
                f"the right-hand side of a formula for {where}",
                "a formula with two sides",
                f"The response is what is fitted; leave it out{caret(text, at)}",
            )
        )
    formula = _formula(text, where, meant)
    terms, offsets = [], []
    columns: set[str] = set()
    for term in formula:
        shifts = [f for f in term.factors if _is_offset(f)]
        if shifts and len(term.factors) > 1:
            raise errors.ParameterError(
                errors.message(f"an offset as a term of its own in {where}", f"{str(term)!r}")
            )
        for factor in term.factors:
            columns |= _columns_of_factor(factor, names, text)
        if shifts:
            offsets.append(shifts[0].expr[len("offset(") : -1])
        elif intercept or str(term) != "1":
            terms.append(term)
    return Parsed(text, SimpleFormula(terms, _ordering="none"), tuple(offsets), frozenset(columns))


def _formula(text: str, where: str, names: tuple[str, ...]) -> Any:
    try:
        formula = Formula.from_spec(
            text, context={"__formulaic_variables_available__": list(names)}
        )
    except FormulaicError as error:
        lines = str(error).split("\n")
        at = lines[-1].find("⧛")
        place = caret(text, at) if at >= 0 else ""
        raise errors.ParameterError(
            errors.message(f"a formula for {where}", repr(text), lines[0].rstrip(".") + place)
        ) from None
    except SyntaxError as error:
        at = max(text.find((error.text or "").strip()), 0) + (error.offset or 1) - 1
        raise errors.ParameterError(
            errors.message(f"a formula for {where}", repr(text), f"{error.msg}{caret(text, at)}")
        ) from None
    if not isinstance(formula, SimpleFormula):
        raise errors.ParameterError(
            errors.message(
                f"a formula of one part for {where}",
                "several parts",
                f"Each parameter has a formula of its own{caret(text, max(text.find('|'), 0))}",
            )
        )
    return formula


def of_columns(names: Iterable[str], intercept: bool) -> Any:
    """Return the formula whose terms are these columns as they are."""
    terms = [Term([Factor("1", eval_method="literal")])] if intercept else []
    terms += [Term([Factor(name, eval_method="lookup")]) for name in names]
    return SimpleFormula(terms, _ordering="none")


def _is_offset(factor: Any) -> bool:
    return str(factor.expr).startswith("offset(")


def _columns_of_factor(factor: Any, names: tuple[str, ...], text: str) -> set[str]:
    method = factor.eval_method.value
    if method == "literal":
        return set()
    if method == "lookup":
        if factor.expr not in names:
            raise errors.unknown_name("column", factor.expr, names)
        return {factor.expr}
    expression = factor.expr
    if _is_offset(factor):
        expression = expression[len("offset(") : -1]
    return columns_of(expression, names, text)


def frame_of(columns: Iterable[Column], rows: int) -> pd.DataFrame:
    """Return columns as the frame on which formulas are evaluated."""
    data = {
        c.name: c.values
        if c.levels is None
        else pd.Categorical.from_codes(c.values, categories=pd.Index(c.levels))
        for c in columns
    }
    return pd.DataFrame(data, index=pd.RangeIndex(rows), copy=False)


def build(
    spec: Any, frame: pd.DataFrame, where: str, sparse: bool = False, shown: str | None = None
) -> tuple[Any, Any]:
    """Evaluate a formula, or the specification that an earlier evaluation has left.

    Parameters
    ----------
    spec : SimpleFormula or ModelSpec
    frame : pandas.DataFrame
        From `frame_of`.
    where : str
        What the columns are for, for the messages.
    sparse : bool
        Whether the matrix is wanted sparse; as before for a specification.
    shown : str, optional
        What is evaluated, as it was written.

    Returns
    -------
    matrix : array (n, p) or scipy.sparse.csr_array (n, p)
    spec : ModelSpec
        With the state of the transforms and the levels.
    """
    if not isinstance(spec, ModelSpec):
        spec = ModelSpec(
            formula=spec,
            materializer="mlece",
            na_action="ignore",
            output="sparse" if sparse else "numpy",
        )
    # A copy: an evaluation that fails half-way would leave its own levels in the specification.
    spec = copy.deepcopy(spec)
    try:
        with np.errstate(all="ignore"):
            made = _Materializer(frame, context=FUNCTIONS).get_model_matrix(spec)
    except errors.MleceError:
        raise
    except (FormulaicError, *_FAILURES) as error:
        raise _not_evaluated(error, frame, where, shown) from error
    matrix = made.__wrapped__
    if spec.output == "sparse":
        from scipy import sparse as sp

        return sp.csr_array(matrix, dtype=float), made.model_spec
    return np.asarray(matrix, dtype=float), made.model_spec


def require_labels(formula: Any, columns: Mapping[str, Column]) -> None:
    """Raise DataError where a column enters a fit as labels, and its text looks like numbers."""
    if isinstance(formula, ModelSpec):
        # The fit has taken the column for labels; new rows may hold any of them.
        return
    for term in formula:
        for factor in term.factors:
            if factor.expr in columns:
                columns[factor.expr].require_labels()


def require_terms(spec: Any, columns: Mapping[str, Column], where: str) -> None:
    """Raise DataError for a term without columns: labels of one level beside a constant."""
    for term, places in spec.term_indices.items():
        if places:
            continue
        alone = [
            c for c in columns.values() if mentions(str(term), c.name) and len(c.levels or "") == 1
        ]
        of = "".join(f"; {c.name} is {c.label(0)!r} everywhere" for c in alone)
        raise errors.DataError(
            errors.message(
                f"terms that add a column for {where}",
                f"{term}, which adds none{of}",
                f"Leave out {term}: beside a constant it has no coefficient",
            )
        )


def _not_evaluated(
    error: Exception, frame: pd.DataFrame, where: str, shown: str | None
) -> errors.MleceError:
    """Return the error that says which term of a formula could not be evaluated, and why."""
    evaluating = isinstance(error, FactorEvaluationError)
    cause = error.__cause__ if evaluating and error.__cause__ else error
    if isinstance(cause, errors.MleceError):
        return cause
    found = re.search(r"factor `(.*)`\. \[", str(error), re.DOTALL) if evaluating else None
    expression = shown or (found.group(1) if found else "")
    for name in frame.columns:
        labels = isinstance(frame[name].dtype, pd.CategoricalDtype)
        if labels and mentions(expression, name) and isinstance(cause, TypeError | ValueError):
            return errors.DataError(
                errors.message(
                    f"numbers in {expression} for {where}",
                    f"text in the column {name!r}, the first {frame[name].iloc[0]!r}",
                    f"C({name}) codes labels, as a term of its own",
                )
            )
    term = f"{expression} for {where}" if expression else where
    reason = str(cause).split("\n")[0]
    return errors.DataError(errors.message(f"terms that can be evaluated: {term}", reason))


def is_sparse(formula: Any, columns: Mapping[str, Column], rows: int) -> bool:
    """Tell whether most of a large matrix would be zeros: products of labels with many levels."""
    widths = [
        math.prod(_levels(factor, columns) for factor in term.factors)
        for term in getattr(formula, "formula", formula)
    ]
    return rows * sum(widths) > _CELLS and len(widths) < _DENSITY * sum(widths)


def _levels(factor: Any, columns: Mapping[str, Column]) -> int:
    """Return how many columns a factor makes, one for whatever is not labels."""
    expression = factor.expr
    if expression in columns:
        levels = columns[expression].levels
        return 1 if levels is None else len(levels)
    if not expression.startswith("C("):
        return 1
    inside = (columns[name] for name in columns_of(expression, columns))
    return max((len(c.levels or np.unique(c.values)) for c in inside), default=1)


def evaluate(
    expression: str, frame: pd.DataFrame, where: str, spec: Any = None
) -> tuple[Array, Any]:
    """Evaluate an expression in columns as one column of numbers, (n,), and its specification."""
    if spec is None:
        quoted = f"`{expression}`" if expression in frame.columns else f"({expression})"
        # Times one: truth values become numbers, and labels an error.
        factor = Factor(f"{quoted} * 1.0", eval_method="python")
        spec = SimpleFormula([Term([factor])], _ordering="none")
    matrix, made = build(spec, frame, where, shown=expression)
    if matrix.shape[1] != 1:
        raise errors.DataError(
            errors.message(
                f"one column of numbers for {where}",
                f"{matrix.shape[1]} columns of {expression!r}",
            )
        )
    return matrix[:, 0], made
