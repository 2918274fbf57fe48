r"""Whether a regression's likelihood attains its maximum, by linear programming.

A direction b of the cone (:mod:`mlece.regression.cones`) along which some observation gains shows
that no maximum exists: the likelihood rises for ever (separation; Albert and Anderson 1984,
Biometrika 71, 1-10). The linear programme of Konis (2007, PhD thesis, University of Oxford) looks for
it: maximise the sum of the gains over −1 ≤ b ≤ 1. Neither answer of the solver is taken on trust: a
direction counts once it is projected onto the rows that it leaves alone and every row is checked, and
its absence once the rows, with multipliers that are all positive, sum to zero (Stiemke's theorem of the
alternative), to the rounding of the sums.

Where the maximum does not exist, the directions in the relative interior of the cone say which
observations are told apart, which coefficients run off, and what is left to be estimated on the face
(Geyer 2009, Electronic J. Statistics 3, 259-289).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from scipy.linalg import qr
from scipy.optimize import linprog

from mlece import errors
from mlece.math import Array
from mlece.regression.cones import Cone
from mlece.regression.rowspace import WIDE, RowSpace, column_sizes, is_sparse, triangle

# Rows have a largest entry of 1, and so have directions: a product is rounded to k units of 1e-16.
_ZERO = 1e-11
_BALANCED = 1e-12  # a sum of rows against the sum of their absolute values
# The solver keeps its constraints to 1e-10; what it calls zero is looked for on both sides of that.
_LEVELS = (1e-8, 1e-9, 1e-6)
_PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_SOLVERS = ("highs", "highs-ds", "highs-ipm")
_FIRST = 5000  # rows of the first programme; those that its answer violates are added
_SIGN = (
    1e-7  # of a coordinate over the box: an optimum of the solver is 0 or of the size of the box
)


@dataclass(frozen=True, eq=False)
class Face:
    """What the extended estimate is fitted on.

    Parameters
    ----------
    rows : array of bool (n,)
        The observations that are not told apart: the others have probability 1 in the limit.
    columns : array of bool (k,)
        The coefficients that are estimated; the others are held at 0.
    gone : array of bool (n, parts)
        The classes whose probability, or the ends of intervals whose tail, vanishes for an
        observation that stays.
    """

    rows: Array
    columns: Array
    gone: Array


@dataclass(frozen=True, eq=False)
class Separation:
    """Why a regression has no maximum likelihood estimate, and what remains of it.

    Parameters
    ----------
    direction : array (k,)
        In the relative interior of the cone; its largest entry is ±1. Along it no observation loses
        likelihood and as many gain as can.
    kind : "complete" or "quasi"
        Whether every observation has probability 1 in the limit.
    strict : array of bool (n,)
        The observations that gain along the direction.
    gone : array of bool (n, parts)
        What vanishes for them: classes, or ends of intervals.
    settled : array of bool (n,)
        The observations with probability 1 in the limit; they do not enter the finite part.
    infinite : array of int (k,)
        The sign with which each coefficient runs to infinity along the direction, 0 where it stays.
    certain : array of bool (k,)
        Whether that sign is the one of every direction of the cone, so that it holds for every
        sequence that approaches the infimum.
    flat : array (k, r)
        Orthonormal basis of the directions that leave all remaining observations alone.
    held : array of int (r,)
        Coefficients to hold at 0 in the finite part: without them it has one solution, and the
        coefficients that do not run off have their limits there.
    """

    direction: Array
    kind: Literal["complete", "quasi"]
    strict: Array
    gone: Array
    settled: Array
    infinite: Array
    certain: Array
    flat: Array
    held: Array

    def face(self) -> Face:
        """Return the observations and the coefficients that the finite part is fitted on."""
        columns = np.ones(len(self.direction), dtype=bool)
        columns[self.held] = False
        return Face(~self.settled, columns, self.gone)


def recession(cone: Cone) -> Separation | None:
    """Search a cone for a direction along which the likelihood rises for ever.

    Parameters
    ----------
    cone : Cone
        Of a design whose columns are linearly independent.

    Returns
    -------
    Separation or None
        None where the maximum exists: shown by multipliers.

    Raises
    ------
    UndecidedError
        If neither a direction nor multipliers stand up to a check in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.cones import binary
    >>> from mlece.regression.separation import recession
    >>> x = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 3.0]])
    >>> found = recession(binary(x, np.array([0.0, 0.0, 1.0, 1.0])))
    >>> found.kind, found.infinite
    ('complete', array([-1,  1]))
    >>> recession(binary(x, np.array([0.0, 1.0, 0.0, 1.0]))) is None
    True
    """
    search = _Search(cone)
    direction, gains = np.zeros(search.width), np.zeros(len(cone.origin), dtype=bool)
    # The sum of directions gains wherever one of them does. Observations first: without a gain
    # there, what moves the bounds of the parameter space alone is no separation.
    target = cone.data
    while (step := search.direction(target, gains)) is not None:
        direction = direction + step
        direction /= np.abs(direction).max()
        gains = np.asarray(search.rows @ direction > _ZERO)
        target = ~gains
    if not direction.any():
        return None
    return _described(cone, search, direction, gains)


def _described(cone: Cone, search: _Search, direction: Array, gains: Array) -> Separation:
    """Gather what a direction in the relative interior says."""
    n = len(cone.bound)
    gone = np.zeros((n, cone.parts), dtype=bool)
    own = cone.data & gains
    gone[cone.origin[own], cone.part[own]] = True
    all_parts = np.bincount(cone.origin[cone.data], minlength=n)
    open_parts = np.bincount(cone.origin[cone.data & ~gains], minlength=n)
    settled = (all_parts > 0) & (open_parts == 0) & ~cone.bound
    complete = not (cone.bound | (open_parts > 0)).any()

    null = search.null(~gains)
    held = qr(null.T, mode="r", pivoting=True)[1][: null.shape[1]]
    moving = np.abs(null).max(axis=1, initial=0.0) > _ZERO
    signs = np.where(moving & (np.abs(direction) > _ZERO), np.sign(direction), 0).astype(int)
    null = np.where(moving[:, None], null, 0.0)
    back = np.where(moving, direction / search.scale, 0.0)
    return Separation(
        direction=back / np.abs(back).max(),
        kind="complete" if complete else "quasi",
        strict=np.asarray(gone.any(axis=1)),
        gone=gone,
        settled=settled,
        infinite=signs,
        certain=_certain(search.rows[gains] @ null, null, signs, moving),
        flat=np.linalg.qr(null / search.scale[:, None])[0],
        held=np.sort(held),
    )


def _certain(gains: Array, null: Array, signs: Array, moving: Array) -> Array:
    """Tell which coordinates have the same sign in the whole cone.

    Parameters
    ----------
    gains : array (s, r)
        The rows that gain, in coordinates of the null space of all others: the cone is where none
        of them is negative.
    null : array (k, r)
    signs : array of int (k,)
    moving : array of bool (k,)
        The coordinates that are not 0 in the whole null space.
    """
    certain = np.asarray(~moving | (signs != 0))
    if null.shape[1] == 1:
        return certain
    lowest = _Programme(_unit_rows(gains), np.zeros((0, null.shape[1])))
    for j in np.flatnonzero(moving & certain):
        slope = signs[j] * null[j]
        worst = lowest.maximise(-slope).direction
        certain[j] = slope @ worst >= -_SIGN
    return certain


def _unit_rows(matrix: Any) -> Any:
    """Divide each row by its largest absolute entry."""
    if is_sparse(matrix):
        size = np.asarray(abs(matrix).max(axis=1).todense()).ravel()
        return sp.csr_matrix(sp.diags(1 / np.where(size > 0, size, 1.0)) @ matrix)
    size = np.abs(matrix).max(axis=1, initial=0.0)
    return np.asarray(matrix / np.where(size > 0, size, 1.0)[:, None])


@dataclass(frozen=True)
class _Optimum:
    """A direction that maximises the sum of gains, and the multipliers of rows and equalities."""

    direction: Array
    multipliers: Array
    free: Array


class _Programme:
    """Linear programmes on one cone: maximise c'b subject to rows b ≥ 0, equalities b = 0, |b| ≤ 1.

    Most rows of a long sample never bind. A programme begins with some of them and takes in those
    that its solution violates, until none is: a solution of fewer constraints that meets all of them
    is a solution. The rows taken in stay for the next programme.
    """

    def __init__(self, rows: Any, equalities: Any) -> None:
        self.rows = rows
        self.equalities = equalities
        n = rows.shape[0]
        self.taken = np.zeros(n, dtype=bool)
        self.taken[:: max(n // _FIRST, 1)] = True

    def maximise(self, objective: Array) -> _Optimum:
        """Return the solution, with multipliers that are 0 for the rows that were not taken in."""
        size = np.abs(objective).max()
        while True:
            taken = np.flatnonzero(self.taken)
            found = self._solve(objective / size, self.rows[taken])
            gains = self.rows @ found.direction
            violated = (gains < -10 * _PRECISE["primal_feasibility_tolerance"]) & ~self.taken
            if not violated.any():
                multipliers = np.zeros(self.rows.shape[0])
                multipliers[taken] = found.multipliers * size
                return _Optimum(found.direction, multipliers, found.free * size)
            # The worst of them, as many as were there: the programme doubles at most.
            order = np.argsort(np.where(violated, gains, 0.0), kind="stable")
            self.taken[order[: min(int(violated.sum()), len(taken))]] = True

    def _solve(self, objective: Array, rows: Any) -> _Optimum:
        """Solve one programme; HiGHS has three methods, the first that ends counts."""
        m, q = rows.shape[0], self.equalities.shape[0]
        settings: dict[str, Any] = {"bounds": (-1, 1), "options": _PRECISE}
        if m:
            settings |= {"A_ub": -rows, "b_ub": np.zeros(m)}
        if q:
            settings |= {"A_eq": self.equalities, "b_eq": np.zeros(q)}
        for method in _SOLVERS:
            settings["method"] = method
            result = linprog(-objective, **settings)
            if result.status == 0:
                # Least of −c'b: the marginals of the inequalities are not positive.
                return _Optimum(
                    np.asarray(result.x),
                    np.maximum(-np.asarray(result.ineqlin.marginals), 0.0),
                    np.asarray(result.eqlin.marginals),
                )
        raise errors.UndecidedError(
            errors.message(
                "a linear programme that the solver brings to an end",
                f"{result.message!r} for {rows.shape[0]} rows and {len(objective)} columns",
                "Columns of very different size or nearly dependent ones may be the reason.",
            )
        )


class _Search:
    """A cone with columns and rows scaled to a largest entry of 1, searched for gains."""

    def __init__(self, cone: Cone) -> None:
        size = np.maximum(column_sizes(cone.rows), column_sizes(cone.equalities))
        self.scale = np.where(size > 0, size, 1.0)
        self.width = len(self.scale)
        self.rows = _unit_rows(_divided(cone.rows, self.scale))
        self.equalities = _equalities(_divided(cone.equalities, self.scale))
        self.programme = _Programme(self.rows, self.equalities)

    def null(self, kept: Array) -> Array:
        """Return what is orthogonal to some inequalities and to all equalities, (k, r).

        A programme's own rows mostly tell; they have where the others move by no more than rounding.
        """
        few = self._space(kept & self.programme.taken).null
        rest = kept & ~self.programme.taken
        if not rest.any() or np.abs(self.rows[rest] @ few).max(initial=0.0) <= _ZERO:
            return few
        return self._space(kept).null

    def _space(self, kept: Array) -> RowSpace:
        if is_sparse(self.rows):
            equalities = sp.csr_matrix(self.equalities)
            return RowSpace(sp.csr_matrix(sp.vstack([self.rows[kept], equalities])))
        return RowSpace(np.vstack([self.rows[kept], self.equalities]))

    def direction(self, target: Array, gains: Array) -> Array | None:
        """Return a checked direction along which a row of the target gains, None if there is none.

        Parameters
        ----------
        target, gains : array of bool (m,)
            The rows asked about, and those that are known to gain along a direction.

        Raises
        ------
        UndecidedError
        """
        if not target.any():
            return None
        objective = np.asarray(self.rows[target].sum(axis=0), dtype=float).ravel()
        if np.abs(objective).max() > _BALANCED * target.sum():
            found = self.programme.maximise(objective)
        else:  # the rows sum to zero and need no multipliers
            nothing = np.zeros(len(target)), np.zeros(self.equalities.shape[0])
            found = _Optimum(np.zeros(self.width), *nothing)
        if (checked := self._checked(found.direction, target)) is not None:
            return checked
        # A row that gains along a direction of the cone has no part in a sum that vanishes.
        weights = np.where(gains, 0.0, target + found.multipliers)
        for changed in (self.programme.taken & (weights > 0), weights > 0):
            if self._balanced(target, weights, found.free, changed):
                return None
        raise errors.UndecidedError(
            errors.message(
                "observations that either overlap or are told apart by a direction",
                f"a largest gain of {objective @ found.direction:.3g} among {int(target.sum())} rows, "
                "which double precision cannot tell from none",
                "The data are separated but for rounding; round the covariates, or add a penalty.",
            )
        )

    def _checked(self, direction: Array, target: Array) -> Array | None:
        """Project a direction onto the rows that it leaves alone, and check it against all rows."""
        gains = self.rows @ direction
        if not (gains[target] > min(_LEVELS)).any():
            return None
        for level in _LEVELS:
            null = self.null(gains <= level)
            projected = null @ (null.T @ direction)
            size = np.abs(projected).max()
            if not size > 0:
                continue
            projected /= size
            moved = self.rows @ projected
            fixed = np.abs(self.equalities @ projected).max(initial=0.0)
            if moved.min() >= -_ZERO and fixed <= _ZERO and (moved[target] > _ZERO).any():
                return np.asarray(projected)
        return None

    def _balanced(self, target: Array, weights: Array, free: Array, changed: Array) -> bool:
        """Tell whether positive multiples of the rows of the target sum to zero.

        The multipliers of the solver leave a rest; the smallest change that takes it away must leave
        them positive for the target and not negative elsewhere.

        Parameters
        ----------
        target : array of bool (m,)
        weights : array (m,)
            The multipliers.
        free : array (q,)
            Those of the equalities, of either sign.
        changed : array of bool (m,)
            The rows whose multipliers may change.
        """
        rest = self.rows.T @ weights + self.equalities.T @ free
        y = self._space(changed).solve(rest)
        weights = weights.copy()
        weights[changed] -= self.rows[changed] @ y
        free = free - self.equalities @ y
        rest = np.asarray(self.rows.T @ weights + self.equalities.T @ free)
        whole = abs(self.rows).T @ weights + abs(self.equalities).T @ np.abs(free)
        positive = (weights[target] > 0).all() and (weights >= 0).all()
        return bool(positive and np.abs(rest).max() <= _BALANCED * np.max(whole))


def _divided(matrix: Any, scale: Array) -> Any:
    """Divide the columns of a matrix."""
    if is_sparse(matrix):
        return sp.csr_matrix(matrix @ sp.diags(1 / scale))
    return np.asarray(matrix, dtype=float) / scale


def _equalities(matrix: Any) -> Any:
    """Return rows with the same row space: as many as columns, unless they are wide and sparse."""
    rows = _unit_rows(matrix)
    return rows if is_sparse(rows) and rows.shape[1] > WIDE else triangle(rows)
