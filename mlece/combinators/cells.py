r"""Log probabilities of many intervals under one law, with their derivatives, in one pass over nodes.

The ends of all intervals cut the line into cells. For a region A with P = ∫_A q, s the score and H the
second derivatives of log q,

    d log P = E[s | A],        d² log P = E[H | A] + Cov[s | A],

and for regions A, B apart, with p = P(A)/P(A ∪ B) and g = d log P,

    d² log P(A ∪ B) = p d² log P(A) + (1 − p) d² log P(B) + p (1 − p) (g_A − g_B)(g_A − g_B)′,

in which nothing cancels. Any run of cells is put together from runs of 1, 2, 4, ... cells, so that n
intervals cost O(nodes + n log n), whether they overlap or not, however far out in a tail.

References
----------
Louis, T. A. (1982). Finding the observed information matrix when using the EM algorithm. Journal of the
Royal Statistical Society B 44, 226–233.
Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). Algorithms for computing the sample variance. The
American Statistician 37, 242–247.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.math import Array, Arrays, exp, expit, inf, log, log1mexp, log1p, pi, where
from mlece.model import Model

_REACH = 16.0  # quartile distances around the median that form pieces of their own
_PANEL = 1 / 6  # of the t of the double-exponential map, in which densities are smooth
_GAUSS = np.polynomial.legendre.leggauss(12)
_SHORT_RULE = np.polynomial.legendre.leggauss(20)
_LINEAR = 1 / 64  # stretches of t this short are straight: their ends stay exact
COUNTS = 1 << 16  # counts summed one by one between the ends of the intervals
_TAIL = 1 << 13  # and beyond the last of them


@dataclass(frozen=True)
class Runs:
    """Cells between the ends of intervals, and for each interval the run of cells that it covers.

    Parameters
    ----------
    ends : array (r, m)
        Ends of all intervals in increasing order, infinite and repeated ones included. Cell j lies
        below ends[j], cell m above them all; a cell holds its upper end.
    start, stop : array of int (r, n)
        First cell of an interval, and the first cell beyond it.
    """

    ends: Array
    start: Array
    stop: Array

    @classmethod
    def of(cls, lower: Array, upper: Array) -> Runs:
        """Cut the line at the ends of intervals (lower, upper], arrays (r, n)."""
        both = np.concatenate([lower, upper], axis=1)
        if len(both) == 1:
            ends, place = np.unique(both[0], return_inverse=True)
            ends, place = ends[None], np.reshape(place, both.shape)
        else:
            order = np.argsort(both, axis=1, kind="stable")
            ends, place = np.take_along_axis(both, order, 1), np.argsort(order, axis=1)
        n = lower.shape[1]
        return cls(ends, place[:, :n] + 1, place[:, n:] + 1)

    def covered(self) -> Array:
        """Tell which cells belong to an interval, (r, m + 1)."""
        rows, m = self.ends.shape
        steps = np.zeros((rows, m + 2), dtype=int)
        row = np.broadcast_to(np.arange(rows)[:, None], self.start.shape)
        np.add.at(steps, (row, self.start), 1)
        np.add.at(steps, (row, self.stop), -1)
        return np.asarray(np.cumsum(steps, axis=1)[:, :-1] > 0)

    def beyond(self) -> tuple[bool, bool]:
        """Tell whether an interval goes on below the first finite end, and above the last one."""
        finite = np.isfinite(self.ends)
        passed = np.concatenate([np.zeros((len(finite), 1), dtype=int), np.cumsum(finite, 1)], 1)
        covered = self.covered()
        above = covered & (passed == passed[:, -1:])
        return bool(covered[passed == 0].any()), bool(above.any())

    def total(self, cells: Array) -> Array:
        """Put the cells (q, r, m + 1) of every interval together, (q, r, n)."""
        shape = (len(cells[0]), self.start.shape[1])
        place = np.broadcast_to(self.start, shape)
        length = np.broadcast_to(self.stop, shape) - place
        out = np.zeros((len(cells), *shape))
        out[0] = -inf
        size = 1
        while True:
            taken = (length & size) > 0
            if taken.any():
                part = np.take_along_axis(cells, where(taken, place, 0)[None], axis=2)
                part[0] = where(taken, part[0], -inf)
                out = joined(out, part)
                place = place + taken * size
            if length.max(initial=0) < 2 * size:
                return out
            cells = joined(cells[..., :-size], cells[..., size:])
            size *= 2


def _pairs(rows: int) -> list[tuple[int, int, int]]:
    """Return (row, i, j) of the second derivatives in a stack of so many rows."""
    k = next(k for k in range(rows) if 1 + k + k * (k + 1) // 2 == rows)
    order = [(i, j) for i in range(k) for j in range(i, k)]
    return [(1 + k + at, 1 + i, 1 + j) for at, (i, j) in enumerate(order)]


def joined(one: Array, other: Array) -> Array:
    """Return log mass, first and second derivatives of two regions together, stacked (q, ...)."""
    out = np.empty(np.broadcast_shapes(one.shape, other.shape))
    out[0] = np.logaddexp(one[0], other[0])
    some = out[0] > -inf
    p = where(some, exp(one[0] - out[0]), 0.0)
    rest = where(some, exp(other[0] - out[0]), 0.0)
    out[1:] = p * one[1:] + rest * other[1:]
    gap = one - other
    for row, i, j in _pairs(len(out)):
        out[row] += p * rest * gap[i] * gap[j]
    return out


@dataclass(frozen=True)
class Nodes:
    """Weighted points of the cells of several members, in increasing order.

    Parameters
    ----------
    values, log_weights : array (r, w)
        Points and the logarithms of their weights, minus infinity where there is no point.
    cells : array of int (r, w)
        The cell of a point, numbered through all members.
    """

    values: Array
    log_weights: Array
    cells: Array


def masses(model: Model, runs: Runs, theta: Arrays) -> Array | None:
    """Return log probabilities of intervals with their derivatives in theta, stacked (q, r, n).

    Parameters
    ----------
    model : Model
        The family; the values of its slots are not looked at.
    runs : Runs
        The intervals; for counts their ends are whole numbers.
    theta : tuple of arrays (r, 1)

    Returns
    -------
    array (1 + k + k (k + 1) / 2, r, n), or None
        log P, first derivatives, upper triangle of the second ones row by row. None where the integrals
        are not those of smooth functions: ends of the support that move or lie elsewhere than at 0,
        kinks, or more counts than can be summed.
    """
    with np.errstate(all="ignore"):
        if model.support.discrete:
            cells = _of_counts(model, runs, theta)
        else:
            cells = _of_density(model, runs, theta) if _smooth(model, theta) else None
        return None if cells is None else runs.total(cells)


def _smooth(model: Model, theta: Arrays) -> bool:
    """Tell whether mass and derivatives are integrals of functions smooth between the ends at theta."""
    if model.support.periodic or len(model._breakpoints(*theta)):
        return False
    ends = model.bounds(theta)
    if not all(np.all(np.isinf(e) | (e == 0)) for e in ends):
        return False
    # An end may move even if it is far off at these parameters.
    others = [model.bounds(tuple(np.asarray(p.typical[s]) for p in model.params)) for s in (0, 1)]
    return not model.has("_bounds") or all(
        np.all(e == o) for other in others for e, o in zip(ends, other, strict=True)
    )


def _summed(model: Model, nodes: Nodes, theta: Arrays, shape: tuple[int, int]) -> Array:
    """Return log mass and derivatives of cells (q, r, m + 1) from their nodes."""
    t = model.statistics(nodes.values)
    shared = model.shared(t, theta)
    log_q = model.log_density_hook(t, theta, shared)
    score, curvature = model.score_hook(t, theta, shared), model.curvature_hook(t, theta, shared)
    k = len(theta)
    out = np.zeros((1 + k + k * (k + 1) // 2, shape[0] * shape[1]))
    out[0] = -inf
    flat = np.ravel(nodes.cells)
    if not flat.size:
        return out.reshape(-1, *shape)
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    which = flat[starts]
    sizes = np.diff(np.r_[starts, flat.size])
    # Far out in a tail a formula may give up where the mass is long exhausted.
    terms = where(np.isnan(log_q), -inf, log_q) + nodes.log_weights
    terms = np.ravel(where(np.isneginf(nodes.log_weights), -inf, terms))
    top = np.maximum.reduceat(terms, starts)
    top = where(top > -inf, top, 0.0)
    relative = exp(terms - np.repeat(top, sizes))
    total = np.add.reduceat(relative, starts)
    weights = relative / np.repeat(where(total > 0, total, 1.0), sizes)
    out[0, which] = log(total) + top
    here = weights > 0

    def mean(values: Any) -> Array:
        wide = np.ravel(np.broadcast_to(values, nodes.values.shape))
        return np.asarray(np.add.reduceat(where(here, wide, 0.0) * weights, starts))

    centred = []
    for row, s in enumerate(score, start=1):
        out[row, which] = mean(s)
        middle = np.repeat(out[row, which], sizes).reshape(nodes.values.shape)
        centred.append(s - middle)
    for (row, i, j), c in zip(_pairs(len(out)), curvature, strict=True):
        out[row, which] = mean(c + centred[i - 1] * centred[j - 1])
    return out.reshape(-1, *shape)


def short_masses(model: Model, lower: Array, upper: Array, theta: Arrays) -> Array:
    """Return log probabilities and derivatives (q, n) of stretches across which a density hardly changes.

    Parameters
    ----------
    lower, upper : array (n,)
    theta : tuple of arrays (n,) or (1,)
        Of each stretch, or of all of them.
    """
    x, w = _SHORT_RULE
    half = 0.5 * (upper - lower)[:, None]
    values = (lower[:, None] + half) + half * x
    cells = np.broadcast_to(np.arange(len(lower))[:, None], values.shape)
    nodes = Nodes(values, log(half) + log(w), cells)
    return _summed(model, nodes, tuple(v[:, None] for v in theta), (len(lower), 1))[..., 0]


# ---------------------------------------------------------------------------- densities


def spread_marks(model: Model, theta: Arrays) -> Array:
    """Return points around the bulk of a framed law, (r, m)."""
    rows = np.broadcast_shapes(*[np.shape(t) for t in theta])[0]
    kinks = [np.broadcast_to(b, (rows, 1)) for b in model._breakpoints(*theta)]
    if model.has("_quantile"):
        q = np.broadcast_to(model._quantile(np.array([[0.25, 0.5, 0.75]]), *theta), (rows, 3))
        below, middle, above = q[:, 1:2] - q[:, :1], q[:, 1:2], q[:, 2:] - q[:, 1:2]
        points = [middle - _REACH * below, middle, middle + _REACH * above, *kinks]
        return np.concatenate(points, axis=1)
    around = np.array([1 / 16, 1 / 4, 1.0, 4.0, 16.0])
    if not np.isfinite(model.support.lower):
        around = np.concatenate([-around[::-1], [0.0], around])
    return np.concatenate([np.tile(around, (rows, 1)), *kinks], axis=1)


def reach_beyond(model: Model, end: Array, direction: float, theta: Arrays) -> Array:
    """Return the distance from an end, to a factor of 2, around which most of the mass beyond lies."""
    distance = np.exp2(np.arange(-80.0, 81.0))
    y = end + direction * distance
    log_mass = model.log_density_hook(model.statistics(y), theta) + log(distance)
    log_mass = where(np.isnan(log_mass) | (y == end), -inf, log_mass)
    return np.asarray(distance[np.argmax(log_mass, axis=1)][:, None])


def _of_density(model: Model, runs: Runs, theta: Arrays) -> Array:
    """Return the cells of a density in the frame in which it is of order one."""
    shape = (len(theta[0]), runs.ends.shape[1] + 1)
    shift, scale = model.own_frame(theta)
    framed = tuple(np.broadcast_to(t, (shape[0], 1)) for t in model.to_frame(theta, shift, scale))
    ends = np.broadcast_to((runs.ends - shift) / scale, (shape[0], shape[1] - 1))
    covered = np.broadcast_to(runs.covered(), shape)
    nodes = _nodes(model, ends, covered, framed)
    out = _summed(model, nodes, framed, shape)
    factors = [np.broadcast_to(f, (shape[0], 1)) for f in model.frame_factors(scale)]
    out[1 : 1 + len(factors)] /= np.stack(factors)
    for row, i, j in _pairs(len(out)):
        out[row] /= factors[i - 1] * factors[j - 1]
    return out


def _nodes(model: Model, ends: Array, covered: Array, theta: Arrays) -> Nodes:
    """Place Gauss-Legendre nodes between the ends of intervals and panels in t."""
    rows = len(ends)
    low, high = (np.broadcast_to(e, (rows, 1)) for e in model.bounds(theta))
    # The outermost ends too: beyond them a tail is integrated from where it begins.
    finite = np.isfinite(ends)
    outer = [
        f(where(finite, ends, np.nan), axis=1, keepdims=True)
        for f in (np.fmin.reduce, np.fmax.reduce)
    ]
    outer = [where(np.isnan(e), 0.0, e) for e in outer]
    marks = np.concatenate([spread_marks(model, theta), *outer], axis=1)
    marks = np.sort(np.clip(marks, low, high), axis=1)
    edges = np.hsplit(np.concatenate([low, marks, high], axis=1), marks.shape[1] + 2)
    found: list[tuple[Array, ...]] = []
    for lower, upper in itertools.pairwise(edges):
        if np.all(lower == upper):
            continue
        piece = _Piece.between(model, lower, upper, theta)
        found.append(piece.stretches(ends))
    start, stop, values, log_weights, cell = (
        np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)
    )
    used = (stop > start) & np.take_along_axis(covered, cell, axis=1)
    # The used stretches of every member first, in their order; shorter lines are filled with weight 0.
    count = used.sum(axis=1, keepdims=True)
    order = np.argsort(~used, axis=1, kind="stable")[:, : count.max()]
    here = np.arange(order.shape[1]) < count
    cell = np.take_along_axis(cell, order, 1)
    cell = np.maximum.accumulate(where(here, cell, 0), axis=1)
    cell = cell + covered.shape[1] * np.arange(rows)[:, None]
    values = np.take_along_axis(values, order[..., None], 1)
    log_weights = where(here[..., None], np.take_along_axis(log_weights, order[..., None], 1), -inf)
    wide = np.broadcast_to(cell[..., None], values.shape)
    return Nodes(*(a.reshape(rows, -1) for a in (values, log_weights, wide)))


@dataclass(frozen=True)
class _Piece:
    """A stretch (lower, upper) of every member, (r, 1), with its double-exponential map y(t).

    width is the distance between finite ends, or the unit of distance from the only one.
    """

    lower: Array
    upper: Array
    width: Array
    deep: bool

    @classmethod
    def between(cls, model: Model, lower: Array, upper: Array, theta: Arrays) -> _Piece:
        """Choose the unit of a half line by where the mass beyond its end lies."""
        deep = bool(model.support.lower == 0 and (lower <= 0).any())
        if np.isinf(lower).any():
            width = reach_beyond(model, upper, -1.0, theta)
        elif np.isinf(upper).any():
            width = reach_beyond(model, lower, 1.0, theta)
        else:
            width = upper - lower
        return cls(lower, upper, width, deep)

    @property
    def _side(self) -> float:
        """1 on a half line upwards, −1 downwards, 0 between two finite ends."""
        return float(np.isinf(self.upper).any()) - float(np.isinf(self.lower).any())

    def _range(self) -> tuple[float, float]:
        near = -690.0 if self.deep else -45.0
        if self._side == 0:
            return float(np.arcsinh(near / pi)), float(np.arcsinh(45.0 / pi))
        low, high = float(np.arcsinh(2 * near / pi)), float(np.arcsinh(2 * 690.0 / pi))
        return (low, high) if self._side > 0 else (-high, -low)

    def at(self, t: Array) -> tuple[Array, Array]:
        """Return y and log dy/dt."""
        lower, upper, width = (e[..., None] for e in (self.lower, self.upper, self.width))
        if self._side == 0:
            v = pi * np.sinh(t)
            y = where(v < 0, lower + width * expit(v), upper - width * expit(-v))
            rate = log(pi * np.cosh(t)) - np.abs(v) - 2 * log1p(exp(-np.abs(v)))
            return y, rate + log(width)
        u = self._side * 0.5 * pi * np.sinh(t)
        y = (lower if self._side > 0 else upper) + self._side * width * exp(u)
        return y, log(0.5 * pi * np.cosh(t)) + u + log(width)

    def inverse(self, y: Array) -> Array:
        """Return the t of points (r, m), its limits for points beyond the ends."""
        low, high = self._range()
        if self._side == 0:
            inner = np.minimum(np.maximum(y, self.lower), self.upper)
            t = np.arcsinh((log(inner - self.lower) - log(self.upper - inner)) / pi)
            t = where(self.width > 0, t, low)
        else:
            end = self.lower if self._side > 0 else self.upper
            distance = np.maximum(self._side * (y - end), 0.0) / self.width
            t = np.arcsinh(self._side * log(distance) * 2 / pi)
        return np.minimum(np.maximum(t, low), high)

    def stretches(self, ends: Array) -> tuple[Array, ...]:
        """Return for stretches within a cell their t, nodes, log weights, and the number of the cell."""
        rows = len(ends)
        low, high = self._range()
        grid = np.linspace(low, high, int(np.ceil((high - low) / _PANEL)) + 1)
        t = np.concatenate([np.tile(grid, (rows, 1)), self.inverse(ends)], axis=1)
        y = np.concatenate([self.at(np.tile(grid, (rows, 1))[..., None])[0][..., 0], ends], axis=1)
        order = np.argsort(t, axis=1, kind="stable")
        t, y = np.take_along_axis(t, order, 1), np.take_along_axis(y, order, 1)
        cell = np.cumsum(order >= grid.size, axis=1)[:, :-1]
        start, stop = t[:, :-1], t[:, 1:]
        x, w = _GAUSS
        half = 0.5 * (stop - start)[..., None]
        values, rate = self.at(start[..., None] + half * (1 + x))
        log_weights = rate + log(half) + log(w)
        # A short stretch in y itself: t would round its ends.
        straight = ((stop - start < _LINEAR) & (stop > start))[..., None]
        span = 0.5 * (y[:, 1:] - y[:, :-1])[..., None]
        straight = straight & (span > 0)
        values = where(straight, y[:, :-1, None] + span * (1 + x), values)
        log_weights = where(straight, log(span) + log(w), log_weights)
        return start, stop, values, log_weights, cell


# ---------------------------------------------------------------------------- counts


def _of_counts(model: Model, runs: Runs, theta: Arrays) -> Array | None:
    """Return the cells of a law of counts by summing its probabilities, None if they are too many."""
    theta = tuple(np.broadcast_to(t, np.broadcast_shapes(*map(np.shape, theta))) for t in theta)
    rows, m = len(theta[0]), runs.ends.shape[1]
    finite = runs.ends[np.isfinite(runs.ends)]
    least, most = (float(f(e)) for f, e in zip((np.min, np.max), model.bounds(theta), strict=True))
    low, high = max(float(finite.min()), least - 1.0), min(float(finite.max()), most)
    first, last = (low + 1.0 if least == -inf else least), high
    if last - first > COUNTS:
        return None
    asked = runs.beyond()
    below, above = (
        _beyond(model, end, way, limit, theta) if here else np.empty(0)
        for end, way, limit, here in zip(
            (first, last), (-1.0, 1.0), (least, most), asked, strict=True
        )
    )
    if below is None or (above is None and least == -inf):
        return None
    values = np.concatenate(
        [below[::-1], np.arange(first, last + 1), () if above is None else above]
    )
    ends = np.broadcast_to(runs.ends, (rows, m))
    place = np.stack([np.searchsorted(e, values, side="left") for e in runs.ends])
    cells = np.broadcast_to(place, (rows, values.size)) + (m + 1) * np.arange(rows)[:, None]
    y = np.broadcast_to(values, (rows, values.size))
    out = _summed(model, Nodes(y, np.zeros(y.shape), cells), theta, (rows, m + 1))
    return _with_tail(out, ends) if above is None else out


def _beyond(model: Model, end: float, way: float, limit: float, theta: Arrays) -> Array | None:
    """Return counts beyond an end until what is left adds nothing; None if they are too many."""
    room = way * (limit - end)
    if room <= _TAIL:
        return end + way * np.arange(1.0, max(room, 0.0) + 1.0)
    size = 64
    while size <= _TAIL:
        points = end + way * np.arange(1.0, size + 1.0)
        log_q = model.log_density_hook(model.statistics(points[None]), theta)
        fall = log_q[:, -2] - log_q[:, -1]
        # The rest is less than the geometric series of the last ratio.
        rest = log_q[:, -1] - log(-np.expm1(-fall))
        if np.all((fall > 0) & (rest < log_q.max(axis=1) - 41.0)):
            return points
        size *= 2
    return None


def _with_tail(out: Array, ends: Array) -> Array:
    """Fill the cells beyond the last finite end: over all cells the derivatives of P sum to 0."""
    mass = exp(out[0])
    last = np.sum(ends < inf, axis=1)
    row = np.arange(len(last))
    left = -log(mass.sum(axis=1))
    tail = log1mexp(left)
    new = np.empty((len(out), len(last)))
    new[0] = tail
    k = sum(i == j for _, i, j in _pairs(len(out)))
    for i in range(1, 1 + k):
        new[i] = -np.sum(mass * out[i], axis=1) * exp(-tail)
    for at, i, j in _pairs(len(out)):
        rest = np.sum(mass * (out[at] + out[i] * out[j]), axis=1)
        new[at] = -rest * exp(-tail) - new[i] * new[j]
    out[:, row, last] = new
    return out
