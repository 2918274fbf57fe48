"""Design matrices from predictors and what holds the covariates: frames, mappings, arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mlece import errors
from mlece.design import Design
from mlece.math import Array
from mlece.predictor import Predictor
from mlece.sources.columns import Columns
from mlece.sources.matrices import Matrix
from mlece.sources.recipes import Recipe, complete_rows, offset_numbers
from mlece.sources.tables import read_covariates


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
    among: Array | None = None,
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
    among : array of bool (n,), optional
        The rows that are wanted at all: those whose response is not missing. Levels and the states of
        transforms are those of the kept rows.

    Returns
    -------
    designs : dict of str to Design
        Of the kept rows.
    kept : array of bool (n,), optional
        The rows that are wanted and without missing values; None if that is all of them.

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
    such term keeps all its levels; beside one, a column of a single level is refused, and so is text
    most of which reads as numbers, unless C() or its type says that it holds labels. A matrix of more
    than a million cells, of which less than a tenth are not zero, is sparse.

    Expressions are evaluated in the columns and in a few named functions, never in the caller's names:
    elementwise ones (log, exp, sqrt, where, ..., np.*), and bs, cr, cc, poly, center and scale, which
    treat new covariates as they have treated those of the fit.
    """
    if missing not in ("raise", "drop"):
        raise errors.ParameterError(
            errors.message("missing='raise' or missing='drop'", f"missing={missing!r}")
        )
    if given is None and n is None:
        raise errors.DataError(errors.message("covariates in given=", "none"))
    table = Columns({}, (), n or 0) if given is None else read_covariates(given)
    if n is not None and table.rows != n:
        raise errors.DataError(
            errors.message(
                f"one row of covariates for each of {n} observations", f"{table.rows} rows"
            )
        )
    recipes = {s: _recipe(p, table, s, tuple(exclude)) for s, p in predictors.items()}
    offsets = {
        s: offset_numbers(predictors[s].offset, table.rows, recipe.where)
        for s, recipe in recipes.items()
        if recipe.numbers
    }
    kept = complete_rows(table, recipes.values(), offsets, missing, among=among)
    return {s: r.make(table, kept, offsets.get(s)) for s, r in recipes.items()}, kept


def _recipe(predictor: Predictor, table: Any, slot: str, exclude: tuple[str, ...]) -> Recipe:
    """Return what a slot needs of the covariates."""
    where = f"slot {slot!r}"
    formula, offsets, needed = _read_terms(predictor, table, where, exclude)
    numbers = predictor.offset is not None and not isinstance(predictor.offset, str)
    if isinstance(predictor.offset, str):
        offsets = (*offsets, predictor.offset)
    for expression in offsets:
        needed = needed | _needed_by(expression, table.names)
    return Recipe(
        where,
        formula,
        tuple((expression, None) for expression in offsets),
        tuple(name for name in table.names if name in needed),
        predictor.intercept,
        0 if formula is not None else len(table.names),
        numbers,
    )


def _read_terms(
    predictor: Predictor, table: Any, where: str, exclude: tuple[str, ...]
) -> tuple[Any, tuple[str, ...], frozenset[str]]:
    """Return the formula of a predictor, the offsets inside of it, and the columns it needs."""
    terms, names = predictor.terms, table.names
    if terms is None and isinstance(table, Matrix):
        return None, (), frozenset()
    from mlece.sources import formulas

    none = errors.DataError(
        errors.message(f"covariates in given= for {where}", "none", "Pass given=frame")
    )
    meant = tuple(name for name in names if name not in exclude)
    if isinstance(terms, str):
        try:
            parsed = formulas.parse(terms, where, names, meant, predictor.intercept)
        except errors.UnknownNameError:
            if names:
                raise
            raise none from None
        return parsed.terms, parsed.offsets, parsed.columns
    if not names:
        raise none
    chosen = meant if terms is None else terms
    for name in chosen:
        if name not in names:
            raise errors.unknown_name("column", name, names)
    return formulas.of_columns(chosen, predictor.intercept), (), frozenset(chosen)


def _needed_by(expression: str, names: tuple[str, ...]) -> set[str]:
    if expression in names:
        return {expression}
    from mlece.sources import expressions

    return expressions.columns_of(expression, names)


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
    missing : array of bool (n,), optional
        Where it is missing; None if it is nowhere, or if nobody has asked.
    """

    values: Any
    name: str
    columns: tuple[str, ...]
    terms: str | None
    missing: Array | None = None


def response(text: str, given: Any, missing: str = "raise") -> Response:
    """Split a formula with two sides, or look up a column by its name.

    Parameters
    ----------
    text : str
        "count ~ day + C(carrier)", "log(cost) ~ age", or the name of a column.
    given : frame, mapping or array
        What holds the columns.
    missing : {"raise", "drop"}
        With "drop" it is found out where the response is missing, so that these rows can be left out
        along with those of the covariates; an expression is NaN there. With "raise" a column is returned
        as it is, for the sample to judge.

    Raises
    ------
    ParameterError
        If there is nothing before the tilde.
    UnknownNameError
        If there is no such column.
    DataError
        If an expression is not finite, or for missing="raise" missing somewhere.

    Examples
    --------
    >>> from mlece.sources.covariates import response
    >>> table = {"count": [1, 4, 2], "day": [0.0, 1.0, 2.0]}
    >>> found = response("count ~ day", table)
    >>> found.values, found.terms
    ([1, 4, 2], 'day')
    """
    import narwhals as nw

    from mlece.sources import expressions

    table = read_covariates(given)
    at = None if text in table.names else expressions.tilde(text)
    left, right = (text, None) if at is None else (text[:at].strip(), text[at + 1 :].strip())
    if not left or right == "":
        raise errors.ParameterError(
            errors.message(
                "a response before the tilde and terms behind it",
                repr(text),
                "A constant alone is written 'y ~ 1'",
            )
        )
    name = left.strip("`")
    if name not in table.names:
        return _expression(left, table, right, missing)
    absent = table[name].missing if missing == "drop" else None
    found = table.source[name] if isinstance(table, Columns) else table[name].values
    return Response(nw.to_native(found, pass_through=True), name, (name,), right, absent)


def _expression(left: str, table: Any, terms: str | None, missing: str) -> Response:
    """Evaluate a response that is no column, where nothing in it is missing."""
    columns = tuple(sorted(_needed_by(left, table.names)))
    recipe = Recipe("the response", "0", ((left, None),), columns, False)
    kept = complete_rows(table, [recipe], {}, missing, "the response")
    found, _ = recipe.shift(table, kept, None)
    if kept is None:
        return Response(found, left, columns, terms)
    values = np.full(table.rows, np.nan)
    values[kept] = found
    return Response(values, left, columns, terms, ~kept)
