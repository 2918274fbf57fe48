"""Design matrices from predictors and what holds the covariates: frames, mappings, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mlece import errors
from mlece.arrays import as_array, column, numeric
from mlece.design import Design
from mlece.math import Array
from mlece.predictor import Predictor
from mlece.sources.columns import DROP, Columns, Matrix, describe_missing, read_covariates

INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Recipe:
    """What makes the design matrix of one slot, of the observations of the fit and of new ones alike.

    Parameters
    ----------
    where : str
        The slot, for messages.
    formula : SimpleFormula or ModelSpec, optional
        None for all columns of a matrix; with the state of the transforms once it was evaluated.
    shifts : tuple of (str, ModelSpec or None)
        Expressions added with coefficient 1.
    columns : tuple of str
        Columns that any of it needs.
    intercept : bool
        Whether a constant is set before the columns of a matrix.
    width : int
        Number of columns of a matrix.
    numbers : bool
        Whether the offset came as numbers, which new covariates must bring with them.
    """

    where: str
    formula: Any
    shifts: tuple[tuple[str, Any], ...]
    columns: tuple[str, ...]
    intercept: bool
    width: int = 0
    numbers: bool = False

    def __call__(self, given: Any, offset: Any = None) -> Design:
        """Return the same columns of new covariates.

        Parameters
        ----------
        given : frame, mapping, array or sparse matrix
            Of the columns that the fit has used; no response is needed.
        offset : array_like (n,), optional
            Needed if that of the fit came as numbers.

        Raises
        ------
        DataError
            For levels that the fit has not met, missing values, another number of columns.
        UnknownNameError
            For columns that are not there.
        """
        table = read_covariates(given)
        if self.formula is None:
            self._require_width(table)
        if self.numbers and offset is None:
            raise errors.DataError(
                errors.message(
                    f"an offset for each new row, since that of {self.where} came as numbers",
                    "covariates alone",
                    "Name a column as the offset at the fit, or pass offset=",
                )
            )
        fixed = None if offset is None else _numbers(offset, table.rows, self.where)
        _complete(table, [(self, fixed)], "raise")
        return self.make(table, None, fixed)

    def _require_width(self, table: Any) -> None:
        came = len(table.names)
        if not isinstance(table, Matrix) or came != self.width:
            kind = "an array" if isinstance(table, Matrix) else "a table"
            raise errors.DataError(
                errors.message(
                    f"an array (n, {self.width}) of covariates for {self.where}, as at the fit",
                    f"{kind} of {came} columns",
                )
            )

    def make(self, table: Any, kept: Array | None, fixed: Array | None) -> Design:
        """Return the design of the kept rows, with the recipe that remembers how it was made."""
        rows = table.rows if kept is None else int(kept.sum())
        shift = fixed if fixed is None or kept is None else fixed[kept]
        formula, shifts = None, []
        if self.formula is None:
            matrix = table.values if kept is None else table.values[kept]
            matrix, names = _with_intercept(matrix, table.names, self.intercept)
        columns = {name: table[name].take(kept) for name in self.columns}
        if self.formula is not None or self.shifts:
            from mlece.sources import formulas

            frame = formulas.frame_of(columns.values(), rows)
            for expression, spec in self.shifts:
                one, state = formulas.evaluate(
                    expression, frame, f"the offset of {self.where}", spec
                )
                shifts.append((expression, state))
                shift = one if shift is None else shift + one
        if self.formula is not None:
            sparse = formulas.is_sparse(self.formula, columns, rows)
            matrix, formula = formulas.build(self.formula, frame, self.where, sparse)
            names = tuple(formula.column_names)
        if not names:
            raise errors.DataError(
                errors.message(f"at least one column or an intercept for {self.where}", "none")
            )
        return Design(matrix, names, shift, replace(self, formula=formula, shifts=tuple(shifts)))


def design(predictor: Predictor, given: Any, slot: str, missing: str = "raise") -> Design:
    """Return the design matrix of one slot; see `designs`.

    Examples
    --------
    >>> import mlece
    >>> from mlece.predictor import linear
    >>> from mlece.sources.covariates import design
    >>> ages = {"age": [30.0, 40.0, 50.0], "sex": ["f", "m", "f"]}
    >>> made = design(linear("age + sex"), ages, "mean")
    >>> made.names
    ('Intercept', 'age', 'sex[T.m]')
    >>> made.recipe({"age": 60.0, "sex": "m"}).matrix
    array([[ 1., 60.,  1.]])
    """
    made, _ = designs({slot: predictor}, given, None, missing)
    return made[slot]


def designs(
    predictors: Mapping[str, Predictor],
    given: Any,
    n: int | None,
    missing: str = "raise",
    exclude: Iterable[str] = (),
) -> tuple[dict[str, Design], Array | None]:
    """Return the design matrices of the slots that vary with covariates.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        By slot.
    given : frame, mapping, array_like (n, d) or (n,), scipy.sparse array (n, d), or None
        Frames are those of pandas, polars, pyarrow and whatever else narwhals reads; a mapping goes
        from names to columns; the columns of an array are called x1, ..., xd.
    n : int, optional
        Number of observations; needed where nothing is given and the formulas hold a constant alone.
    missing : {"raise", "drop"}
        What to do about rows in which a covariate of any slot is missing.
    exclude : iterable of str
        Columns that "all columns" does not mean: the response.

    Returns
    -------
    designs : dict of str to Design
        Of the kept rows.
    kept : array of bool (n,), optional
        The rows without missing values; None if that is all of them.

    Raises
    ------
    DataError
        For missing values with missing="raise", infinite values, text where numbers are needed,
        columns of mixed types, no columns, no rows, another number of rows than n.
    UnknownNameError
        For columns or functions that do not exist, with the nearest names.
    ParameterError
        For formulas that do not parse, with a caret at the place.

    Notes
    -----
    Numbers enter as they are. Text, categories and truth values enter through treatment contrasts: a
    column of zeros and ones for each level but the first, levels in declared order where the column
    declares one, else sorted; levels that do not occur have no column. Without an intercept the first
    such term keeps all its levels. A matrix of more than a million cells, of which less than a tenth
    are not zero, is sparse.
    """
    if missing not in ("raise", "drop"):
        raise errors.ParameterError(
            errors.message("missing='raise' or missing='drop'", f"missing={missing!r}")
        )
    table = Columns({}, (), n or 0) if given is None else read_covariates(given)
    if n is not None and table.rows != n:
        raise errors.DataError(
            errors.message(
                f"one row of covariates for each of {n} observations", f"{table.rows} rows"
            )
        )
    plans = {s: _plan(p, table, s, tuple(exclude)) for s, p in predictors.items()}
    kept = _complete(table, plans.values(), missing)
    return {s: recipe.make(table, kept, fixed) for s, (recipe, fixed) in plans.items()}, kept


def _plan(
    predictor: Predictor, table: Any, slot: str, exclude: tuple[str, ...]
) -> tuple[Recipe, Array | None]:
    """Return what a slot needs of the covariates, and the numbers that are its offset."""
    where = f"slot {slot!r}"
    names = tuple(name for name in table.names if name not in exclude)
    formula, offsets, needed = _read_terms(predictor, table, where, names)
    fixed = None
    if isinstance(predictor.offset, str):
        offsets.append(predictor.offset)
    elif predictor.offset is not None:
        fixed = _numbers(predictor.offset, table.rows, where)
    for expression in offsets:
        needed |= _needed_by(expression, table.names)
    ordered = tuple(name for name in table.names if name in needed)
    shifts = tuple((expression, None) for expression in offsets)
    width = 0 if formula is not None else len(table.names)
    return Recipe(
        where, formula, shifts, ordered, predictor.intercept, width, fixed is not None
    ), fixed


def _read_terms(
    predictor: Predictor, table: Any, where: str, names: tuple[str, ...]
) -> tuple[Any, list[str], set[str]]:
    """Return the formula of a predictor, the offsets inside of it, and the columns it needs."""
    terms = predictor.terms
    if terms is None and isinstance(table, Matrix):
        return None, [], set()
    from mlece.sources import formulas

    if isinstance(terms, str):
        parsed = formulas.parse(terms, where, names, predictor.intercept)
        return parsed.terms, list(parsed.offsets), set(parsed.columns)
    if not table.names:
        raise errors.DataError(
            errors.message(f"covariates in given= for {where}", "none", "Pass given=frame")
        )
    chosen = names if terms is None else terms
    for name in chosen:
        if name not in table.names:
            raise errors.unknown_name("column", name, table.names)
    return formulas.of_columns(chosen, predictor.intercept), [], set(chosen)


def _needed_by(expression: str, names: tuple[str, ...]) -> set[str]:
    if expression in names:
        return {expression}
    from mlece.sources import formulas

    return formulas.columns_of(expression, names)


def _numbers(offset: Any, rows: int, where: str) -> Array:
    values = np.asarray(numeric(as_array(offset, "offset"), "offset"), dtype=float)
    if values.shape != (rows,):
        raise errors.DataError(
            errors.message(
                f"one offset for each of {rows} rows for {where}", f"an array {values.shape}"
            )
        )
    if np.isinf(values).any():
        raise errors.DataError(
            errors.message(
                f"a finite offset for {where}", errors.offenders(np.isinf(values), values)
            )
        )
    return values


def _complete(
    table: Any, plans: Iterable[tuple[Recipe, Array | None]], missing: str
) -> Array | None:
    """Return the rows in which nothing is missing, None if that is all of them."""
    bad = np.zeros(table.rows, dtype=bool)
    plans, found, said = list(plans), [], []
    for name in dict.fromkeys(name for recipe, _ in plans for name in recipe.columns):
        one = table[name]
        one.require_finite()
        if one.missing is not None:
            bad |= one.missing
            found.append(one)
    if any(recipe.formula is None for recipe, _ in plans):
        whole = table.missing()
        if whole is not None:
            bad |= whole
            found = [c for c in map(table.__getitem__, table.names) if c.missing is not None]
    for recipe, fixed in plans:
        if fixed is not None and np.isnan(fixed).any():
            bad |= np.isnan(fixed)
            said.append(f"{int(np.isnan(fixed).sum())} in the offset of {recipe.where}")
    said = [*([describe_missing(found)] if found else []), *said]
    if not bad.any():
        return None
    if missing == "raise":
        count, rows = int(bad.sum()), [int(i) for i in np.flatnonzero(bad)[:3]]
        raise errors.DataError(
            errors.message(
                "covariates without missing values",
                f"{count} of {table.rows} rows with missing ones, the first in "
                f"{'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows))}: "
                + ", ".join(said),
                DROP,
            )
        )
    if bad.all():
        raise errors.DataError(
            errors.message("a row in which no covariate is missing", ", ".join(said))
        )
    return ~bad


def _with_intercept(matrix: Any, names: tuple[str, ...], intercept: bool) -> tuple[Any, Any]:
    """Return a matrix and its names with a column of ones before the others, if that is wanted."""
    if not intercept:
        return matrix, names
    rows, width = matrix.shape
    if isinstance(matrix, np.ndarray):
        order: Any = "C" if matrix.flags.c_contiguous else "F"
        out = np.empty((rows, width + 1), order=order)
        out[:, 0] = 1.0
        out[:, 1:] = matrix
        return out, (INTERCEPT, *names)
    from scipy import sparse

    ones = sparse.csr_array(np.ones((rows, 1)))
    return sparse.csr_array(sparse.hstack([ones, matrix], format="csr")), (INTERCEPT, *names)


class Response(NamedTuple):
    """The left-hand side of a formula.

    Parameters
    ----------
    values : Series, list or array (n,)
        The column as it came, or the numbers of an expression.
    name : str
    columns : tuple of str
        Columns that it is made of, which are no covariates.
    terms : str or None
        The right-hand side; None if there was no tilde.
    """

    values: Any
    name: str
    columns: tuple[str, ...]
    terms: str | None


def response(text: str, given: Any) -> Response:
    """Split a formula with two sides, or look up a column by its name.

    Parameters
    ----------
    text : str
        "count ~ day + C(carrier)", "log(cost) ~ age", or the name of a column.
    given : frame or mapping
        What holds the columns.

    Raises
    ------
    ParameterError
        If there is nothing before the tilde.
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> from mlece.sources.covariates import response
    >>> table = {"count": [1, 4, 2], "day": [0.0, 1.0, 2.0]}
    >>> response("count ~ day", table)
    Response(values=[1, 4, 2], name='count', columns=('count',), terms='day')
    """
    table = read_covariates(given)
    if text in table.names:
        return Response(_raw(table, given, text), text, (text,), None)
    from mlece.sources import formulas

    at = formulas.tilde(text)
    left, right = (text, None) if at is None else (text[:at].strip(), text[at + 1 :].strip())
    if not left:
        raise errors.ParameterError(
            errors.message("a response before the tilde", f"{text!r}", "Write 'y ~ x'")
        )
    plain = left.strip("`")
    if plain in table.names:
        return Response(_raw(table, given, plain), plain, (plain,), right)
    columns = tuple(sorted(formulas.columns_of(left, table.names)))
    _complete(table, [(Recipe("the response", "", (), columns, False), None)], "raise")
    frame = formulas.frame_of([table[name].take(None) for name in columns], table.rows)
    values, _ = formulas.evaluate(left, frame, "the response")
    return Response(values, left, columns, right)


def _raw(table: Any, given: Any, name: str) -> Any:
    """Return a column as it came, with the categories that it declares."""
    return (
        table.values[:, table.names.index(name)]
        if isinstance(table, Matrix)
        else column(given, name)
    )
