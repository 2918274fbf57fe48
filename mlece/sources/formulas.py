"""Formulas: parsed and checked before anything is evaluated, with errors that show the place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec, SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.materializers.pandas import PandasMaterializer
from formulaic.parser.types import Factor, Term
from formulaic.transforms import TRANSFORMS
from formulaic.transforms import C as formulaic_c

from mlece import errors
from mlece.math import Array
from mlece.sources.columns import Column
from mlece.sources.expressions import CODINGS, ELEMENTWISE, STATEFUL, caret, columns_of, tilde


def _labels(data: Any, contrasts: Any = None, *, levels: Any = None) -> Any:
    """Mark values as labels: whole numbers are named as such, and levels are in sorted order."""
    values = getattr(data, "__wrapped__", data)
    if not isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        array = np.asarray(values)
        if array.dtype.kind == "f" and (array == np.round(array)).all():
            array = array.astype(np.int64)
        values = pd.Series(pd.Categorical(array))
    return formulaic_c(values, contrasts, levels=levels)


FUNCTIONS: Mapping[str, Any] = {
    **{name: TRANSFORMS[name] for name in (*STATEFUL, *CODINGS)},
    **{name: getattr(np, name) for name in ELEMENTWISE},
    "np": np,
    "C": _labels,
}
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
            _require_known(factor, known)
        return super()._encode_evaled_factor(factor, spec, drop_rows, reduced_rank)


def _require_known(factor: Any, known: list[Any]) -> None:
    values = pd.Series(getattr(factor.values, "__wrapped__", factor.values))
    unseen = np.asarray(pd.Categorical(values, categories=known).codes) < 0
    if not unseen.any():
        return
    levels = list(dict.fromkeys(values[unseen].tolist()))
    raise errors.DataError(
        errors.message(
            f"levels of {factor.expr} that the fit has met",
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
    at = tilde(text)
    if at is not None and text[:at].strip():
        raise errors.ParameterError(
            errors.message(
                f"the right-hand side of a formula for {where}",
                f"a formula with two sides{caret(text, at)}",
                f"Write {text[at + 1 :].strip()!r}; the response is what is fitted",
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
        place = caret(text, at) if at >= 0 else f" {text!r}"
        raise errors.ParameterError(
            errors.message(f"a formula for {where}", f"what does not parse{place}", lines[0])
        ) from None
    except SyntaxError as error:
        at = max(text.find((error.text or "").strip()), 0) + (error.offset or 1) - 1
        raise errors.ParameterError(
            errors.message(f"a formula for {where}", f"what does not parse{caret(text, at)}")
        ) from None
    if not isinstance(formula, SimpleFormula):
        raise errors.ParameterError(
            errors.message(
                f"a formula of one part for {where}",
                f"several parts{caret(text, max(text.find('|'), 0))}",
                "Each parameter has a formula of its own",
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


def build(spec: Any, frame: pd.DataFrame, where: str, sparse: bool | None = None) -> Any:
    """Evaluate a formula, or the specification that an earlier evaluation has left.

    Parameters
    ----------
    spec : SimpleFormula or ModelSpec
    frame : pandas.DataFrame
        From `frame_of`.
    where : str
        What the columns are for, for the messages.
    sparse : bool, optional
        Whether the matrix is wanted sparse; as before for a specification.

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
    try:
        with np.errstate(all="ignore"):
            made = _Materializer(frame, context=FUNCTIONS).get_model_matrix(spec)
    except errors.MleceError:
        raise
    except (FormulaicError, ArithmeticError, TypeError, ValueError, KeyError) as error:
        raise _not_evaluated(error, frame, where) from error.__cause__
    matrix = made.__wrapped__
    if spec.output == "sparse":
        from scipy import sparse as sp

        return sp.csr_array(matrix, dtype=float), made.model_spec
    return np.asarray(matrix, dtype=float), made.model_spec


def _not_evaluated(error: Exception, frame: pd.DataFrame, where: str) -> errors.DataError:
    cause = error.__cause__ or error
    said = str(error).split("`")
    expression = said[1] if len(said) > 2 else ""
    labels = [
        name
        for name in frame.columns
        if isinstance(frame[name].dtype, pd.CategoricalDtype) and name in expression
    ]
    if labels and isinstance(cause, TypeError | ValueError):
        column = frame[labels[0]]
        return errors.DataError(
            errors.message(
                f"numbers in {expression} for {where}",
                f"text in the column {labels[0]!r}, {column.iloc[0]!r} in row 0",
                f"Labels are coded by C({labels[0]})",
            )
        )
    what = f"{expression} for {where}" if expression else where
    reason = str(cause).split("\n")[0]
    return errors.DataError(
        errors.message(f"a term that can be evaluated: {what}", f"{type(cause).__name__}: {reason}")
    )


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
    matrix, made = build(spec, frame, where, sparse=False)
    if matrix.shape[1] != 1:
        raise errors.DataError(
            errors.message(
                f"one column of numbers for {where}",
                f"{matrix.shape[1]} columns of {expression!r}",
            )
        )
    return matrix[:, 0], made
