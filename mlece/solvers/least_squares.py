"""Weighted linear least squares to the last digits: the Gaussian linear model.

A Householder triangle R of the design gives S = R^-1, a basis in which the columns of X S are nearly
orthonormal. Everything after that is done with twice the digits of a float and needs S only as a
preconditioner: residuals y - X b and X'W(y - X b) for the refinement of b (Björck 1967, BIT 7,
257-278; here on the seminormal equations, whose steps contract by the rounding unit times the
condition once both are summed exactly), and X S itself, whose Gram matrix M corrects the inverse
S M^-1 S' of X'WX (Yamazaki, Tomov and Dongarra 2015, SIAM J. Sci. Comput. 37, C307-C330). Centring
the columns would add nothing: digits that cancel in X S are there. The products are exact ones of
matrices cut into short pieces (:mod:`mlece.numerics.twofold`), at the speed of BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from mlece import errors
from mlece.math import LOG_2PI, Array
from mlece.numerics.twofold import Pair, add, small_matmul
from mlece.solvers.row_blocks import CutBasis, Rows, Start, first_pass, second_pass

UNIT = 2.0**-53
# Singular values of unit columns below this multiple of the rounding unit, times the square root of
# their number, are what rounding leaves of zero.
_NIL = 8.0
# The triangle of such columns may hold more, by the rounding of many rows; with less it has no inverse
# worth the name. Where X S is this much shorter than the triangle says, nothing but rounding is left.
_NOISE, _GONE = 0.01, 1e-8
# Residuals below this multiple of the rounding of data and design may be nothing else.
_ROUNDED = 2.0
# What a step leaves of an error where the Gram matrix is exact, and what is nothing beside the
# largest coefficient.
_LEFT, _NOTHING = 1e-14, 1e-36
_STEPS = 20
# Columns up to which the Gram matrix of a sparse design is corrected by X S, and up to which it is
# factored as a dense one.
_MENDED, _DENSE = 256, 3000
_NO_BASIS = errors.message(
    "a dense design or one of fewer columns",
    f"a sparse one of more than {_DENSE:,}, which is solved without the matrices asked for",
    "Take inverse columns from `solve`",
)
# Columns of the identity that a sparse factor solves for at once.
_COLUMNS = 64


@dataclass(frozen=True)
class LeastSquares:
    """The coefficients that minimise sum_i w_i (y_i - o_i - x_i b)^2, for each member of a batch.

    Parameters
    ----------
    coefficients : array (R, p)
        NaN for members whose design has not full rank.
    remainder : array (R, p)
        What rounding has left of the coefficients: their sum has some thirty digits.
    norm : array (R,)
        Square root of the weighted sum of squared residuals, in the unit of the response.
    total_weight : array (R,)
        Sum of the weights.
    rank : array of int (R,)
        Numerical rank of the weighted design.
    perfect : array of bool (R,)
        Whether the residuals are no larger than what rounding the data to floats can leave: the
        likelihood of a Gaussian model is then unbounded.
    converged : array of bool (R,)
        Whether the last refinement changed no digit of the coefficients.
    basis : array (V, p, p) or None
        S such that the columns of X S are nearly orthonormal, for each of the V rows of weights; None
        for a sparse design of very many columns.
    cholesky : array (V, p, p) or None
        L with L L' = S'X'WX S.
    factor : array (V, p, p) or None
        A with A'A = X'WX.
    solve : callable
        Takes columns (p, c) to (X'WX)^-1 times them, for the first row of weights.
    """

    coefficients: Array
    remainder: Array
    norm: Array
    total_weight: Array
    rank: Array
    perfect: Array
    converged: Array
    basis: Array | None
    cholesky: Array | None
    factor: Array | None
    solve: Callable[[Array], Array]

    @property
    def sum_of_squares(self) -> Array:
        """Weighted sum of squared residuals (R,)."""
        return np.square(self.norm)

    @property
    def cross_entropy(self) -> Array:
        """Mean cross-entropy at the maximum, nats, (R,): log(2 pi e s^2)/2, s^2 = rss/sum of weights.

        Minus infinity for perfect fits.
        """
        with np.errstate(divide="ignore"):
            log_sd = np.log(self.norm) - 0.5 * np.log(self.total_weight)
        return np.where(self.perfect, -np.inf, 0.5 * (LOG_2PI + 1.0) + log_sd)

    @cached_property
    def root(self) -> Array | None:
        """Matrices T (V, p, p) with T T' = (X'WX)^-1; None where there is no basis."""
        if self.basis is None or self.cholesky is None:
            return None
        return np.asarray(self.basis @ np.linalg.inv(self.cholesky).swapaxes(1, 2))

    def unit_errors(self) -> Array:
        """Return the square roots of the diagonal of (X'WX)^-1, (V, p).

        A standard error is one of them times an estimate of the standard deviation, say
        ``norm / sqrt(n - p)``.
        """
        if self.root is not None:
            return np.asarray(np.sqrt(np.square(self.root).sum(axis=2)))
        p = self.coefficients.shape[1]
        out = np.empty(p)
        for start in range(0, p, _COLUMNS):
            some = np.arange(start, min(start + _COLUMNS, p))
            unit = np.zeros((p, some.size))
            unit[some, some - start] = 1.0
            out[some] = self.solve(unit)[some, some - start]
        return np.sqrt(out)[None]

    def dependent_columns(self, table: int = 0) -> Array:
        """Return which columns depend on the others, as many as the rank is short of p.

        Parameters
        ----------
        table : int
            The row of weights.

        Raises
        ------
        NoDensityError
            If the design was sparse with too many columns for a basis.
        """
        if self.factor is None:
            raise errors.NoDensityError(_NO_BASIS)
        factor = self.factor[table]
        size = np.linalg.norm(factor, axis=0)
        pivots = linalg.qr(factor / np.where(size > 0, size, 1.0), mode="r", pivoting=True)[1]
        return np.sort(pivots[int(self.rank[table]) :])


def _rank(triangle: Array, nil: float) -> Array:
    """Return ranks (V,) of triangles, their columns brought to length one."""
    size = np.linalg.norm(triangle, axis=1, keepdims=True)
    values = np.linalg.svd(triangle / np.where(size > 0, size, 1.0), compute_uv=False)
    return np.asarray((values > nil * UNIT * np.sqrt(size.shape[2]) * values[:, :1]).sum(axis=1))


@dataclass(frozen=True)
class _Metric:
    """(X'WX)^-1 in scaled columns: triangles (V, p, p) and their inverses, or a solver.

    A mended triangle A is one no more, but A'A is X'WX. The inverses S are zero where the rank (V,)
    is short, so that coefficients stay zero there; ``gram`` is S'X'WXS, and ``digits`` are the bits
    that X S needs for fifteen decimals.
    """

    triangle: Array
    basis: Array | None
    gram: Array
    rank: Array
    digits: int
    solver: Callable[[Array], Array]

    def cut(self, rows: Rows) -> CutBasis | None:
        """Return the basis in pieces."""
        return None if self.basis is None else CutBasis(rows, self.basis, self.digits)

    def mended(self, gram: Array) -> _Metric:
        """Return the metric with the Gram matrix that was found, and with the rank that it tells.

        The triangle of columns that depend on each other holds the rounding of all rows where the
        data may hold less, or nothing.
        """
        if self.basis is None:
            return self
        p = gram.shape[2]
        full = self.rank == p
        values, vectors = np.linalg.eigh(np.where(full[:, None, None], gram, np.eye(p)))
        half = np.sqrt(np.maximum(values, 0.0))[:, :, None] * vectors.swapaxes(1, 2)
        rank = np.where(full, _rank(half @ self.triangle, _NIL), self.rank)
        # Beside columns that depend on each other the others keep their inverse, not the whole.
        rank = np.where(values[:, 0] > _GONE, rank, np.minimum(rank, p - 1))
        full = (rank == p)[:, None, None]
        return replace(
            self,
            triangle=half @ self.triangle,
            basis=np.where(full, self.basis, 0.0),
            gram=np.where(full, gram, np.eye(p)),
            rank=rank,
        )

    def step(self, gradient: Pair) -> tuple[Array, Array]:
        """Return the step (R, p) from X'Wr, and by how much the sum of squares falls, (R,)."""
        if self.basis is None:
            step = self.solver(gradient[0].T).T
            return step, np.vecdot(step, gradient[0])
        t = small_matmul(self.basis.swapaxes(1, 2), gradient)
        z = (np.linalg.inv(self.gram) @ t[:, :, None])[:, :, 0]
        return (self.basis @ z[:, :, None])[:, :, 0], np.vecdot(t, z)


@dataclass(frozen=True)
class _OnBasis:
    """Applies the inverse of a Gram matrix by a basis B in which it is the identity."""

    basis: Array

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.basis @ (self.basis.T @ x))


class _Factored:
    """Applies the inverse of a factored sparse Gram matrix; a copy is factored again."""

    def __init__(self, unit: Any, inverse: Array) -> None:
        self.unit, self.inverse = unit, inverse
        self.lu = splu(
            unit,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def __call__(self, x: Array) -> Array:
        return np.asarray(self.inverse * self.lu.solve(self.inverse * x))

    def __reduce__(self) -> Any:
        return type(self), (self.unit, self.inverse)


@dataclass(frozen=True)
class _InUnits:
    """Applies the inverse of a Gram matrix in the units of the data."""

    solver: Callable[[Array], Array]
    scale: Array
    exponent: Any

    def __call__(self, x: Array) -> Array:
        return np.asarray(np.ldexp(self.scale * self.solver(self.scale * x), self.exponent))


def _on_basis(triangle: Array, rank: Array) -> _Metric:
    """Return the metric of triangles (V, p, p), before the Gram matrix is known."""
    p = triangle.shape[2]
    full = (rank == p)[:, None, None]
    regular = np.where(full, triangle, np.eye(p))
    values = np.linalg.svd(regular, compute_uv=False)
    basis = np.where(full, np.linalg.inv(regular), 0.0)
    digits = 54 + int(np.ceil(np.log2((values[:, 0] / values[:, -1]).max())))
    gram = np.broadcast_to(np.eye(p), basis.shape)
    return _Metric(triangle, basis, gram, rank, digits, _OnBasis(basis[0]))


def _sparse_metric(start: Start) -> _Metric:
    """Return the factored Gram matrix of a sparse design."""
    size = np.where(start.column_norm[0] > 0, start.column_norm[0], 1.0)
    p = len(size)
    scale = sparse.diags_array(1 / size)
    unit: Any = scale @ start.triangle @ scale
    nil = _NIL * UNIT * p
    if p <= _DENSE:
        gram = unit.toarray()
        factor, order, rank, _ = linalg.lapack.dpstrf(gram, tol=nil)
        triangle = np.empty((p, p))
        triangle[:, order - 1] = np.triu(factor)
        triangle[rank:] = 0.0
        return _on_basis((triangle * size)[None], np.array([rank]))
    # A shift below rounding: where pivots vanish the factor says so instead of failing.
    shifted = (unit + 0.25 * nil * sparse.eye_array(p)).tocsc()
    factored = _Factored(shifted, 1 / size[:, None])
    rank = int((np.abs(factored.lu.U.diagonal()) > nil).sum())
    if rank < p:
        factored.inverse = np.zeros_like(factored.inverse)
    none = np.zeros((1, 0, 0))
    return _Metric(none, None, none, np.array([rank]), 0, factored)


def least_squares(
    design: Any,
    response: Array,
    weights: Array | None = None,
    offset: Array | None = None,
    low: Array | None = None,
) -> LeastSquares:
    """Solve weighted linear least-squares problems that share a design.

    Parameters
    ----------
    design : array (n, p) or scipy.sparse matrix
        Finite numbers. It is read in blocks of rows and never copied; what is allocated beside it is
        some 8 MB and arrays (p, p). A sparse one is converted to CSR if it is not.
    response : array (R, n)
        Finite numbers.
    weights : array (V, n), optional
        Not negative; V = 1 or R, for a sparse design 1.
    offset : array (n,), optional
        Taken from every response.
    low : array (n, p), optional
        What rounding the design to floats has left over (:func:`mlece.numerics.twofold.powers`); dense
        designs only.

    Returns
    -------
    LeastSquares
        Rank deficiency is told, in ``rank``, and not solved.

    Raises
    ------
    DataError
        If a sparse design comes with more than one row of weights, or with ``low``.

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    >>> found = least_squares(x, np.array([[2.0, 3.0, 5.0, 6.0]]))
    >>> found.coefficients
    array([[0.5, 1.4]])
    >>> found.sum_of_squares.round(12)
    array([0.2])
    """
    rows = Rows(design, response, weights, offset, low)
    _refuse(rows)
    start = first_pass(rows)
    if rows.sparse:
        metric = _sparse_metric(start)
    else:
        metric = _on_basis(start.triangle, _rank(start.triangle, _NOISE))
    return _in_units(rows, start, _refine(rows, start, metric))


@dataclass(frozen=True)
class _Refined:
    """Scaled coefficients (R, p), sums of squares (R,), which are settled, and the metric mended."""

    coefficients: Pair
    squares: Array
    settled: Array
    metric: _Metric


def _refine(rows: Rows, start: Start, metric: _Metric) -> _Refined:
    """Correct the coefficients until no correction changes a digit."""
    b: Pair = metric.step((start.moments, np.zeros_like(start.moments)))[0], 0.0 * start.moments
    mend = metric.basis is not None and (not rows.sparse or rows.p <= _MENDED)
    # A step with the mended metric leaves this share of the error; another one's is measured.
    share: Any = _LEFT if mend else 1.0
    before = np.full(rows.members, np.inf)
    for k in range(_STEPS):
        sums = second_pass(rows, b, metric.cut(rows) if mend and k == 0 else None)
        if mend and k == 0:
            metric = metric.mended(sums.gram)
        step, gain = metric.step(sums.gradient)
        b = add(b, (step, np.zeros_like(step)))
        if not mend and k > 0:
            share = np.sqrt(np.divide(gain, before, out=np.zeros_like(gain), where=before > 0))
        largest = _NOTHING * np.abs(b[0]).max(axis=1, keepdims=True)
        left = np.reshape(share, (-1, 1)) * np.abs(step)
        settled = (left <= 0.25 * UNIT * np.abs(b[0]) + largest).all(axis=1)
        nothing = np.square(1e-3 * UNIT * _size(start, b[0]))
        settled &= gain <= np.maximum(0.01 * sums.squares, nothing)
        if (settled | (gain >= 0.9 * before)).all():
            break
        before = gain
    return _Refined(b, np.maximum(sums.squares - gain, 0.0), settled, metric)


def _size(start: Start, b: Array) -> Array:
    """Return what the rounding of the data is relative to: |y| + |o| + sum_k |b_k| |x_k|, (R,)."""
    return np.asarray(start.response_norm + (np.abs(b) * start.column_norm).sum(axis=1))


def _in_units(rows: Rows, start: Start, found: _Refined) -> LeastSquares:
    """Return the result in the units of the data, NaN where the rank is short."""
    metric, b = found.metric, found.coefficients
    full = metric.rank == rows.p
    known = np.broadcast_to(full, rows.members)
    norm = np.where(known, np.sqrt(found.squares), np.nan)
    unit = rows.y_exponent[:, None] - rows.exponent
    coefficients, remainder = (np.where(known[:, None], np.ldexp(c, unit), np.nan) for c in b)
    half = rows.w_exponent // 2
    basis = metric.basis
    if basis is not None:
        basis = np.ldexp(basis, -rows.exponent[:, None] - half[:, None, None])
        basis = np.where(full[:, None, None], basis, np.nan)
    scale = np.ldexp(1.0, -rows.exponent)[:, None]
    return LeastSquares(
        coefficients=coefficients,
        remainder=remainder,
        norm=np.ldexp(norm, rows.y_exponent + half),
        total_weight=np.broadcast_to(np.ldexp(start.total_weight, rows.w_exponent), rows.members),
        rank=np.broadcast_to(metric.rank, rows.members),
        perfect=norm <= _ROUNDED * UNIT * _size(start, b[0]),
        converged=found.settled & known,
        basis=basis,
        cholesky=None if basis is None else np.linalg.cholesky(metric.gram),
        factor=None if basis is None else _factor(rows, metric.triangle),
        solve=_InUnits(metric.solver, scale, -rows.w_exponent[0]),
    )


def _factor(rows: Rows, triangle: Array) -> Array:
    return np.asarray(np.ldexp(triangle, rows.exponent + rows.w_exponent[:, None, None] // 2))


def _refuse(rows: Rows) -> None:
    if rows.sparse and (rows.tables > 1 or rows.low is not None):
        raise errors.DataError(
            errors.message(
                "one row of weights and no low parts with a sparse design",
                f"{rows.tables} rows of weights, {'no ' * (rows.low is None)}low parts",
                "Fit one row of weights at a time, or pass a dense design",
            )
        )


def leverages(
    found: LeastSquares, design: Any, weights: Array | None = None, low: Array | None = None
) -> Array:
    """Return the diagonal of the hat matrix, w_i x_i (X'WX)^-1 x_i', for each row of weights.

    Parameters
    ----------
    found : LeastSquares
        The result for the same design and weights.
    design, weights, low
        As in :func:`least_squares`.

    Returns
    -------
    array (V, n)
        Each between 0 and 1; their sum is p.

    Raises
    ------
    NoDensityError
        If the design was sparse with too many columns for a basis.

    Examples
    --------
    >>> x = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    >>> leverages(least_squares(x, np.array([[2.0, 3.0, 5.0, 6.0]])), x).round(12)
    array([[0.7, 0.3, 0.3, 0.7]])
    """
    if found.basis is None or found.cholesky is None:
        raise errors.NoDensityError(_NO_BASIS)
    rows = Rows(design, np.broadcast_to(0.0, (1, design.shape[0])), weights, None, low)
    basis = CutBasis(rows, np.ldexp(found.basis, rows.exponent[:, None]))
    inverse = np.linalg.inv(found.cholesky).swapaxes(1, 2)
    out = np.empty((len(found.basis), rows.n))
    for some in rows:
        out[:, some] = np.square(basis(rows.cut(some)) @ inverse).sum(axis=2)
    return out if weights is None else out * weights
