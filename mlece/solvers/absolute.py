"""Least sums of tilted absolute residuals: linear programmes, solved and proved through their duals.

For slopes u_i above and l_i below 0 the sum Σ u_i r_i⁺ + l_i r_i⁻ of the residuals r = y − Xβ is at least
d'y for every d with X'd = 0 and −l ≤ d ≤ u (Koenker and Bassett 1978): a d with the same value proves the
minimum. Far from the optimum a residual keeps its sign, and its multiplier stays at a bound: long samples
are solved on the rows near 0, and the others looked at afterwards (Portnoy and Koenker 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from mlece.math import Array

_EPS = float(np.finfo(float).eps)
# Up to so many rows all of them enter one programme.
_WHOLE = 1200
# Rows near 0 that are kept, by the root of rows times columns; every eighth row tells where 0 is.
_BAND, _ONE_IN = 6.0, 8
_TOLERANCE = 1e-10  # of the programme, in units of its largest numbers
_INNER = 1e-9  # a multiplier this far from its bounds, as a share of their distance, is free
_ROUNDED = 64.0  # units in the last place that a residual of 0 may be off
_FLAT = 1e-12  # relative rounding of a sum
# Near a minimum: rows that may change sides, by those expected and by columns; the distance that will do.
_CROSSING, _FEW, _LOOSE, _TRIES = 2.0, 20, 0.01, 3


@dataclass(frozen=True)
class AbsoluteFit:
    """Coefficients at which a sum of tilted absolute residuals is least.

    Parameters
    ----------
    coefficients : array (p,)
        The middle of ``ends`` where these are given.
    residuals : array (n,)
        Exactly 0 where they vanish.
    above, below : float
        Σ u r⁺ and Σ l r⁻.
    ratio : float
        The sum over a lower bound of it, at least 1: what the multipliers prove.
    settled : bool
        Whether a minimum was found.
    ends : tuple of two arrays (p,), optional
        Two points, all between which have the same sum, where the minimum is no single point.
    """

    coefficients: Array
    residuals: Array
    above: float
    below: float
    ratio: float
    settled: bool
    ends: tuple[Array, Array] | None = None

    @property
    def value(self) -> float:
        """The sum of tilted absolute residuals."""
        return self.above + self.below


@dataclass(frozen=True, eq=False)
class _Rows:
    """Covariates (n, p), responses (n,) and positive slopes (n,) above and below 0."""

    matrix: Any
    y: Array
    upper: Array
    lower: Array

    def some(self, keep: Any) -> _Rows:
        return _Rows(self.matrix[keep], self.y[keep], self.upper[keep], self.lower[keep])

    def residuals(self, beta: Array) -> Array:
        return np.asarray(self.y - self.matrix @ beta)

    def dense(self, keep: Array) -> Array:
        block = self.matrix[keep]
        return np.asarray(block if isinstance(block, np.ndarray) else block.toarray())

    def pull(self, d: Array) -> Array:
        """Return X'd, (p,)."""
        return np.asarray(self.matrix.T @ d)

    def sums(self, r: Array) -> tuple[float, float]:
        return float(self.upper @ np.maximum(r, 0.0)), float(self.lower @ np.maximum(-r, 0.0))


def least_absolute(
    matrix: Any, y: Array, upper: Array, lower: Array, near: Array | None = None
) -> AbsoluteFit:
    """Minimise Σ u r⁺ + l r⁻ over the coefficients of r = y − Xβ.

    Parameters
    ----------
    matrix : array (n, p) or scipy.sparse array (n, p)
    y : array (n,)
    upper, lower : array (n,)
        Slopes u and l, positive.
    near : array (p,), optional
        Coefficients that may be near the minimum: they save time.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica 46, 33–50.

    Portnoy, S. and Koenker, R. (1997). The Gaussian hare and the Laplacian tortoise. Statistical Science
    12, 279–300.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.solvers.absolute import least_absolute
    >>> x = np.column_stack([np.ones(5), np.arange(5.0)])
    >>> found = least_absolute(x, np.array([1.0, 3.0, 5.0, 7.0, 99.0]), np.ones(5), np.ones(5))
    >>> found.coefficients.round(12).tolist(), found.value
    ([1.0, 2.0], 90.0)
    """
    rows = _Rows(matrix, y, upper, lower)
    n, p = matrix.shape
    if n <= _WHOLE:
        found = _programme(rows, np.zeros(p))
    else:
        if near is None:
            near = _on_part(rows)
        found = _near_zero(rows, near)
    if found is None:
        nothing = np.full(p, np.nan)
        return AbsoluteFit(nothing, np.full(n, np.nan), np.nan, np.nan, np.inf, False)
    return _proved(rows, *found)


def about_least(
    matrix: Any, y: Array, upper: Array, lower: Array, near: Array | None, apart: float
) -> AbsoluteFit:
    """Return a sum of tilted absolute residuals near the least, with a lower bound of the least.

    One programme on the rows nearest to 0 at some coefficients: the multipliers of the others stay at the
    bounds on whose side these lie. They are feasible wherever the residuals come to lie, so that
    ``ratio`` bounds how far the sum may be above the least.

    Parameters
    ----------
    matrix, y, upper, lower
        As in :func:`least_absolute`.
    near : array (p,), optional
        Coefficients at which the sum with slopes u + a, l − a is least; found on a part of the rows if not
        given.
    apart : float
        |a| over u + l, at most: about the share of the rows that change sides. Sums that may be above the
        least by a hundredth of its square will do.
    """
    rows = _Rows(matrix, y, upper, lower)
    n, p = matrix.shape
    count = min(int(_CROSSING * apart * n), _WHOLE) + _FEW * (p + 1)
    if near is None and n > _WHOLE:
        near, count = _on_part(rows), _band(n, p)
    for _ in range(0 if near is None else _TRIES):
        assert near is not None
        out = _one_band(rows, near, min(count, n))
        if out is None:
            break
        if out.ratio - 1 <= _LOOSE * apart * apart:
            return out
        near, count = out.coefficients, 2 * count
    return least_absolute(matrix, y, upper, lower)


def _band(n: int, p: int) -> int:
    """Return how many rows may change sides where a part of the rows told the coefficients."""
    return int(max(_WHOLE // 2, _BAND * np.sqrt(n * p)))


def _on_part(rows: _Rows) -> Array:
    """Return the coefficients at which the sum over a part of the rows is least."""
    part = rows.some(slice(None, None, _ONE_IN))
    return least_absolute(part.matrix, part.y, part.upper, part.lower).coefficients


def _one_band(rows: _Rows, near: Array, count: int) -> AbsoluteFit | None:
    """Solve on the rows nearest to 0, whatever becomes of the others; None if no multipliers are found."""
    r = rows.residuals(near)
    keep = np.argpartition(np.abs(r), count - 1)[:count]
    d = np.where(r > 0, rows.upper, -rows.lower)
    d[keep] = 0.0
    found = _programme(rows.some(keep), rows.pull(d))
    if found is None:
        return None
    beta, d[keep] = found
    part = rows.some(keep)
    inner = keep[_is_inner(d[keep], part.upper, part.lower)]
    beta = _through(rows, beta, inner)
    r = rows.residuals(beta)
    r[inner] = 0.0
    d = _balanced(rows, d, keep)
    over = float(max(np.max(d[keep] / part.upper), np.max(-d[keep] / part.lower), 1.0))
    above, below = rows.sums(r)
    # What is lost where a multiplier is not that of the sign: terms of one sign, most of them 0.
    lost = float((np.where(r > 0, rows.upper, -rows.lower) - d) @ r)
    value = above + below
    least = (value - max(lost, 0.0)) / over
    return AbsoluteFit(beta, r, above, below, value / least, True) if least > 0 else None


def _programme(rows: _Rows, pull: Array) -> tuple[Array, Array] | None:
    """Return coefficients (p,) and multipliers (n,) with X'd = −pull; None if no multipliers are.

    Columns, responses and slopes are of order 1 in the programme.
    """
    size = abs(rows.matrix).max(axis=0)
    size = np.asarray(size if isinstance(size, np.ndarray) else size.toarray()).ravel()
    size = np.where(size > 0, size, 1.0)
    slope = float(np.mean(rows.upper + rows.lower)) / 2
    height = float(np.max(np.abs(rows.y), initial=0.0)) or 1.0
    scaled = rows.matrix / size if isinstance(rows.matrix, np.ndarray) else rows.matrix.copy()
    if not isinstance(scaled, np.ndarray):
        from scipy import sparse

        scaled = sparse.csr_array(scaled) @ sparse.diags_array(1 / size)
    settings: dict[str, Any] = {
        "A_eq": scaled.T,
        "b_eq": -pull / (size * slope),
        "bounds": np.column_stack([-rows.lower, rows.upper]) / slope,
        "method": "highs-ds",
        "options": {
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
        },
    }
    out = linprog(-rows.y / height, **settings)
    if out.status != 0:
        return None
    beta = -np.asarray(out.eqlin.marginals) * height / size
    return beta, np.asarray(out.x) * slope


def _near_zero(rows: _Rows, near: Array) -> tuple[Array, Array] | None:
    """Solve on the rows whose residuals may change their sign, and take in those that did."""
    n, p = rows.matrix.shape
    keep, count = np.zeros(n, dtype=bool), _band(n, p)
    r = rows.residuals(near)
    while True:
        count = min(count, n)
        keep[np.argpartition(np.abs(r), count - 1)[:count]] = True
        d = np.where(keep, 0.0, np.where(r > 0, rows.upper, -rows.lower))
        found = _programme(rows.some(keep), rows.pull(d))
        if found is not None:
            beta, d[keep] = found
            new = rows.residuals(beta)
            wrong = ~keep & (new * d <= 0)
            if not wrong.any():
                return beta, d
            # Signs that were guessed hold for the rows that were kept out only.
            keep |= wrong
            few = wrong.sum() <= count // 8
            r = np.where(keep, 0.0, new) if few else new
            count = int(keep.sum()) if few else 2 * count
        elif keep.all():
            return None
        else:
            count *= 2


def _is_inner(d: Array, upper: Array, lower: Array) -> Array:
    """Tell which multipliers lie between their bounds."""
    span = upper + lower
    return np.asarray((d > _INNER * span - lower) & (d < upper - _INNER * span))


def _proved(rows: _Rows, beta: Array, d: Array) -> AbsoluteFit:
    """Solve for coefficients and multipliers to the last digits, and hold one against the other."""
    inner = _is_inner(d, rows.upper, rows.lower)
    beta = _through(rows, beta, inner)
    r = rows.residuals(beta)
    noise = _ROUNDED * _EPS * (np.abs(rows.y) + abs(rows.matrix) @ np.abs(beta))
    on_line = bool((np.abs(r[inner]) <= 64 * noise[inner] + _TOLERANCE * np.abs(r).max()).all())
    r[inner | (np.abs(r) <= noise)] = 0.0
    if not r.any():
        return AbsoluteFit(beta, r, 0.0, 0.0, 1.0, True)
    if np.abs(r).max() <= 1e-7 * np.abs(rows.y).max():
        exact = _interpolated(rows, beta)
        if exact is not None:
            return AbsoluteFit(exact, np.zeros_like(r), 0.0, 0.0, 1.0, True)
    d = np.where(r > 0, rows.upper, np.where(r < 0, -rows.lower, d))
    d = _balanced(rows, d, r == 0)
    over = float(max(np.max(d / rows.upper), np.max(-d / rows.lower), 1.0))
    out = AbsoluteFit(beta, r, *rows.sums(r), over, on_line and over < 1 + 1e-6)
    if np.linalg.matrix_rank(rows.dense(inner)) == len(beta):
        return out
    return _flat(rows, out, d)


def _through(rows: _Rows, beta: Array, inner: Array) -> Array:
    """Return the coefficients nearest to some at which the residuals of some rows vanish."""
    own, y = rows.dense(inner), rows.y[inner]
    if not len(y):
        return beta
    for _ in range(2):
        beta = beta + np.linalg.lstsq(own, y - own @ beta, rcond=None)[0]
    return beta


def _interpolated(rows: _Rows, beta: Array) -> Array | None:
    """Return coefficients that leave no residuals but rounding, None if there are none."""
    from scipy.sparse.linalg import lsqr

    for _ in range(3):
        r = rows.residuals(beta)
        if isinstance(rows.matrix, np.ndarray):
            beta = beta + np.linalg.lstsq(rows.matrix, r, rcond=None)[0]
        else:
            beta = beta + lsqr(rows.matrix, r, atol=0, btol=0)[0]
    noise = _ROUNDED * _EPS * (np.abs(rows.y) + abs(rows.matrix) @ np.abs(beta))
    return beta if bool((np.abs(rows.residuals(beta)) <= noise).all()) else None


def _balanced(rows: _Rows, d: Array, zero: Array) -> Array:
    """Move the multipliers of vanishing residuals, those between their bounds most, until X'd = 0."""
    own, d = rows.dense(zero), d.copy()
    upper, lower = rows.upper[zero], rows.lower[zero]
    for _ in range(2):
        at = np.clip(d[zero], -lower, upper)
        room = (upper - at) * (at + lower) / (upper + lower)
        # Rows that have no room take part where those that have do not reach.
        room = np.sqrt(room) + 1e-9 * np.sqrt(upper + lower)
        push = room[:, None] * own
        d[zero] -= room * np.linalg.lstsq(push.T, rows.pull(d), rcond=None)[0]
    return d


def _flat(rows: _Rows, found: AbsoluteFit, d: Array) -> AbsoluteFit:
    """Return the fit with two ends of the set of its coefficients, where it has more than one point.

    Every minimum has the signs that one set of multipliers at their bounds tells (complementary slackness).
    """
    inner = _is_inner(d, rows.upper, rows.lower)
    ways = _null_space(rows.dense(inner), len(found.coefficients))
    if not ways.shape[1]:
        return found
    side = np.where(d > 0, 1.0, -1.0)[~inner]
    slopes = side[:, None] * np.asarray(rows.matrix[~inner] @ ways)
    limits = np.abs(found.residuals[~inner])
    ends = _extent(slopes, limits)
    if ends is None:
        return _replaced(found, settled=False)
    points = [found.coefficients + ways @ end for end in ends]
    sums = [sum(rows.sums(rows.residuals(b))) for b in points]
    middle = 0.5 * (points[0] + points[1])
    if max(sums) > found.value * (1 + _FLAT * np.sqrt(len(d))) or np.ptp(points, axis=0).max() == 0:
        return found
    r = np.where(inner, 0.0, rows.residuals(middle))
    above, below = rows.sums(r)
    return AbsoluteFit(middle, r, above, below, found.ratio, found.settled, (points[0], points[1]))


def _replaced(found: AbsoluteFit, **changes: Any) -> AbsoluteFit:
    return AbsoluteFit(**{**vars(found), **changes})


def _null_space(own: Array, p: int) -> Array:
    """Return orthonormal directions (p, q) along which some rows (m, p) do not change."""
    if not len(own):
        return np.eye(p)
    size = np.abs(own).max(axis=0)
    size = np.where(size > 0, size, 1.0)
    _, lengths, ways = np.linalg.svd(own / size)
    rank = int((lengths > max(own.shape) * _EPS * lengths[0]).sum())
    return np.asarray(ways[rank:].T / size[:, None])


def _extent(slopes: Array, limits: Array) -> tuple[Array, Array] | None:
    """Return the two vertices of {u: slopes u ≤ limits} found farthest apart; None if it has no end."""
    q = slopes.shape[1]
    if q == 1:
        s = slopes[:, 0]
        s = np.where(np.abs(s) > 1e-12 * np.abs(s).max(), s, 0.0)
        if not ((s > 0).any() and (s < 0).any()):
            return None
        high, low = np.min(limits[s > 0] / s[s > 0]), np.max(limits[s < 0] / s[s < 0])
        return np.array([low]), np.array([high])
    found = []
    for way in (*np.eye(q), *-np.eye(q)):
        out = linprog(-way, A_ub=slopes, b_ub=limits, bounds=(None, None), method="highs-ds")
        if out.status != 0:
            return None
        found.append(np.asarray(out.x))
    apart = np.array([[np.linalg.norm(slopes @ (a - b)) for b in found] for a in found])
    i, j = np.unravel_index(int(np.argmax(apart)), apart.shape)
    return found[min(i, j)], found[max(i, j)]
