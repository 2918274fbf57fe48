"""Recipes: how a design matrix is made, of the observations of a fit and of new ones alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, numeric
from mlece.design import Design
from mlece.math import Array
from mlece.sources.columns import DROP, Column, describe_missing
from mlece.sources.matrices import Matrix, blocks
from mlece.sources.tables import read_covariates

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
    kinds : tuple of str
        What each of the columns held at the fit: numbers, labels or truth values.
    """

    where: str
    formula: Any
    shifts: tuple[tuple[str, Any], ...]
    columns: tuple[str, ...]
    intercept: bool
    width: int = 0
    numbers: bool = False
    kinds: tuple[str, ...] = ()

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
                    "Give it by the name of the slot, fit.predict(new, slot=[...]); or name a column as "
                    "the offset at the fit",
                )
            )
        if offset is not None and not self.numbers:
            raise errors.DataError(
                errors.message(
                    f"covariates alone for {self.where}, which had no offset of numbers at the fit",
                    "an offset",
                )
            )
        fixed = None if offset is None else offset_numbers(offset, table.rows, self.where)
        offsets = {} if fixed is None else {self.where: fixed}
        complete_rows(table, [self], offsets, "raise", hint="Leave these rows out, or fill them")
        for name, kind in zip(self.columns, self.kinds, strict=True):
            if table[name].kind != kind:
                raise errors.DataError(
                    errors.message(
                        f"{kind} in the column {name!r}, as at the fit",
                        f"{table[name].kind}, the first {table[name].label(0)!r}",
                    )
                )
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
        if self.formula is None:
            matrix = table.values if kept is None else table.values[kept]
            matrix, names = _with_intercept(matrix, table.names, self.intercept)
            formula = None
        else:
            matrix, names, formula = self._evaluated(table, kept)
        if not names:
            raise errors.DataError(
                errors.message(f"at least one column or an intercept for {self.where}", "none")
            )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise errors.DataError(
                errors.message(
                    f"columns of different names for {self.where}",
                    f"{twice!r} twice",
                    "Rename the column",
                )
            )
        shift, shifts = self.shift(table, kept, fixed)
        kinds = tuple(table[name].kind for name in self.columns)
        recipe = replace(self, formula=formula, shifts=shifts, kinds=kinds)
        return Design(matrix, names, shift, recipe)

    def _evaluated(self, table: Any, kept: Array | None) -> tuple[Any, tuple[str, ...], Any]:
        """Return the matrix of the formula, the names of its columns, and its specification."""
        from mlece.sources import formulas

        columns = self._columns(table, kept)
        formulas.require_labels(self.formula, columns)
        rows = _rows(table, kept)
        sparse = formulas.is_sparse(self.formula, columns, rows)
        frame = formulas.frame_of(columns.values(), rows)
        matrix, spec = formulas.build(self.formula, frame, self.where, sparse)
        formulas.require_terms(spec, columns, self.where)
        names = tuple(spec.column_names)
        _require_finite(matrix, names, self.where, columns, kept)
        return matrix, names, spec

    def _columns(self, table: Any, kept: Array | None) -> dict[str, Column]:
        return {name: table[name].take(kept) for name in self.columns}

    def shift(
        self, table: Any, kept: Array | None, fixed: Array | None
    ) -> tuple[Array | None, tuple[tuple[str, Any], ...]]:
        """Return the offset of the kept rows, and its expressions with their specifications."""
        total = fixed if fixed is None or kept is None else fixed[kept]
        if not self.shifts:
            return total, ()
        from mlece.sources import formulas

        columns, states = self._columns(table, kept), []
        frame = formulas.frame_of(columns.values(), _rows(table, kept))
        for expression, spec in self.shifts:
            values, state = formulas.evaluate(expression, frame, self.where, spec)
            _require_finite(values[:, None], (expression,), self.where, columns, kept)
            states.append((expression, state))
            total = values if total is None else total + values
        return total, tuple(states)


def _rows(table: Any, kept: Array | None) -> int:
    return table.rows if kept is None else int(kept.sum())


def _require_finite(
    matrix: Any, names: tuple[str, ...], where: str, columns: Mapping[str, Column], kept: Any
) -> None:
    """Raise DataError where an expression of finite covariates is not finite itself."""
    dense = isinstance(matrix, np.ndarray)
    if dense and all(np.isfinite(block).all() for _, block in blocks(matrix)):
        return
    if not dense and np.isfinite(matrix.data).all():
        return
    from mlece.sources.expressions import mentions

    for j, name in enumerate(names):
        values = matrix[:, j] if dense else matrix[:, [j]].toarray().ravel()
        bad = ~np.isfinite(values)
        if bad.any():
            first = int(np.argmax(bad))
            row = first if kept is None else int(np.flatnonzero(kept)[first])
            of = [c for c in columns.values() if mentions(name, c.name)]
            shown = ", ".join(f"{c.name} = {c.label(first)!r}" for c in of)
            raise errors.DataError(
                errors.message(
                    f"finite values of {name} for {where}",
                    f"{values[first]} in row {row}, where {shown} ({int(bad.sum())} such "
                    f"{'row' if bad.sum() == 1 else 'rows'} of {len(bad)})",
                )
            )


def complete_rows(
    table: Any,
    recipes: Iterable[Recipe],
    offsets: Mapping[str, Array],
    missing: str,
    what: str = "covariates",
    hint: str = DROP,
    among: Array | None = None,
) -> Array | None:
    """Return the rows in which nothing that the recipes need is missing, None if that is all of them.

    Raises
    ------
    DataError
        For infinite covariates; for missing ones with missing="raise"; if no row is complete.
    """
    recipes = list(recipes)
    read = [table[n] for n in dict.fromkeys(n for recipe in recipes for n in recipe.columns)]
    for one in read:
        one.require_finite()
    found = [c for c in read if c.missing is not None]
    bad = np.zeros(table.rows, dtype=bool)
    for one in found:
        bad |= one.missing
    said = [describe_missing(found)] if found else []
    whole = table.missing() if any(r.formula is None for r in recipes) else None
    if whole is not None:
        bad |= whole[0]
        said = [whole[1]]
    for slot, values in offsets.items():
        absent = np.isnan(values)
        if absent.any():
            bad |= absent
            said.append(f"{int(absent.sum())} in the offset of {slot!r}")
    if among is not None:
        bad &= among
    if not bad.any():
        return None if among is None or among.all() else among
    first = ", ".join(str(i) for i in np.flatnonzero(bad)[:3]) + ", ..." * int(bad.sum() > 3)
    count = f"{int(bad.sum())} of {table.rows} rows with missing ones"
    text = f"{count} ({'row' if bad.sum() == 1 else 'rows'} {first}): {', '.join(said)}"
    if missing == "raise":
        raise errors.DataError(errors.message(f"{what} without missing values", text, hint))
    kept = ~bad if among is None else among & ~bad
    if not kept.any():
        raise errors.DataError(errors.message(f"a row without missing {what}", text))
    return np.asarray(kept)


def offset_numbers(offset: Any, rows: int, where: str) -> Array:
    """Return an offset that came as numbers: one for each row, NaN where it is missing."""
    values = np.asarray(numeric(as_array(offset, where), where), dtype=float)
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
