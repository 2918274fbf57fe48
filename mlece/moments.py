"""What a fit by statistics needs of a sample: weighted means of the statistics, and the extremes."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlece.math import Array, Arrays, gammaln
from mlece.numerics.masks import filled, some

# Scratch arrays of 512 kB lie in the second cache, and blocks as long are few calls.
ROOM = 1 << 16
FRAME = 7
# A block of rows of a design is larger, and its products with weights are kept in this one.
ROWS, ROWS_ROOM = 8, 1 << 18
_SHORT, _PIECE = 1 << 13, 1 << 10


@dataclass(frozen=True)
class Summary:
    """Mean statistics and extremes of a (framed) sample; every array has the batch shape (R,).

    Parameters
    ----------
    mean : tuple of arrays
        Weighted mean of each statistic, (R,) or (R, m) for a vector statistic.
    minimum, maximum : array (R,)
        Smallest and largest observation that has positive weight (NaN where not collected). Where the
        model says that ``top_asked`` is false, the second is any above the first, if there is one.
    weight : array (R,)
        Total weight.
    count : int
        Number of rows per member.
    """

    mean: Arrays
    minimum: Array
    maximum: Array
    weight: Array
    count: int

    def repeated(self, r: int) -> Summary:
        """Return the summary with every array in the full length of the batch."""
        if len(self.weight) == r:
            return self
        mean = tuple(wide(m, r) for m in self.mean)
        low, high, weight = (wide(a, r) for a in (self.minimum, self.maximum, self.weight))
        return Summary(mean, low, high, weight, self.count)

    def take(self, members: Array) -> Summary:
        """Return the summary of some members of the batch."""
        return Summary(
            tuple(m[members] for m in self.mean),
            self.minimum[members],
            self.maximum[members],
            self.weight[members],
            self.count,
        )


@dataclass(frozen=True)
class Sums:
    """Sums over the observations of each member: weight, statistics, extremes."""

    weight: Array
    totals: Arrays
    minimum: Array
    maximum: Array

    def summary(self, count: int, ends: tuple[Array, Array]) -> Summary:
        """Divide by the weight; the extremes come in the frame of the statistics."""
        mean = tuple(
            [t / (self.weight if t.ndim == 1 else self.weight[:, None]) for t in self.totals]
        )
        return Summary(mean, *ends, self.weight, count)


def stacked(parts: list[Sums]) -> Sums:
    """Put the sums of different members behind each other."""
    return Sums(
        np.concatenate([p.weight for p in parts]),
        tuple(np.concatenate(t) for t in zip(*[p.totals for p in parts], strict=True)),
        np.concatenate([p.minimum for p in parts]),
        np.concatenate([p.maximum for p in parts]),
    )


def wide(a: Array, r: int) -> Array:
    """Repeat a single row r times."""
    return a if len(a) == r else np.broadcast_to(a, (r, *a.shape[1:]))


def repeated(total: float | Array, r: int) -> Array:
    """Return sums that may be one number, or those of a single row, for each of r members."""
    return filled(r, total) if isinstance(total, float) else wide(total, r)


def shaped(a: Array, shape: tuple[int, ...]) -> Array:
    """Spread an array to a shape; at no cost where it has it."""
    return a if a.shape == shape else np.broadcast_to(a, shape)


def row_sum(y: Array) -> Array:
    """Return sums along axis 1: those of pieces with many running sums, which wait for nothing."""
    m = y.shape[1]
    whole = m // _PIECE * _PIECE
    if m < _SHORT or y.dtype != np.float64:
        return np.asarray(np.add.reduce(y, axis=1))
    pieces = np.einsum("rkj->rk", y[:, :whole].reshape(len(y), -1, _PIECE))
    return np.asarray(np.add.reduce(pieces, axis=1) + np.add.reduce(y[:, whole:], axis=1))


def row_dot(x: Array, y: Array) -> Array:
    """Return dot products along axis 1, in pieces too short for BLAS to start threads on them."""
    m = x.shape[1]
    whole = m // _SHORT * _SHORT
    if whole == 0:
        return np.asarray(np.vecdot(x, y))
    if whole < m:
        tail = np.vecdot(x[:, whole:], y[:, whole:])
        return np.asarray(row_dot(x[:, :whole], y[:, :whole]) + tail)
    x_cut, y_cut = x.reshape(len(x), -1, _SHORT), y.reshape(len(y), -1, _SHORT)
    return np.asarray(np.add.reduce(np.vecdot(x_cut, y_cut), axis=1))


def weighted_sum(a: Array, w: Array | None, rows: int) -> Array:
    """Sum over axis 1 of an array (r, m, ...) with weights (r, m); axis 1 of length 1 is broadcast.

    Returns an array (r, ...). ``rows`` is the length of the axis summed over.
    """
    if a.shape[1] == 1 and (rows > 1 or w is None):
        head = a[:, 0]
        if w is None:
            return np.asarray(head if rows == 1 else head * float(rows))
        total = w.sum(axis=1)
        return np.asarray(
            head * (total if head.ndim == 1 else total.reshape(-1, *([1] * (head.ndim - 1))))
        )
    if w is None:
        return row_sum(a) if a.ndim == 2 else np.asarray(np.add.reduce(a, axis=1))
    if a.ndim == 2:
        return row_dot(w, a)
    return np.asarray((w.reshape(*w.shape, *([1] * (a.ndim - 2))) * a).sum(axis=1))


def present_sum(a: Array, w: Array | None, m: int) -> Array:
    """Sum with weights; a weight of zero leaves an observation out, whatever its value."""
    total = weighted_sum(a, w, m)
    if w is not None and some(np.isnan(total)):
        return weighted_sum(np.where(w > 0, a, 0.0), w, m)
    return total


def present(a: Array, w: Array | None) -> Array:
    """Return numbers times their weights, 0 where the weight is 0, whatever the number."""
    if w is None:
        return a
    out = a * w
    return out if np.isfinite(out.sum()) else np.where(w > 0, out, 0.0)


def plain_sums(y: Array, w: Array | None) -> Arrays:
    """Return sums of y, y^2 and log y! of counts, for families without affine statistics."""
    m = y.shape[1]
    return weighted_sum(y, w, m), weighted_sum(y * y, w, m), weighted_sum(gammaln(y + 1), w, m)


# -------------------------------------------------------------------------------- scratch


class _Rooms(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[int, Array] = {}


_ROOMS = _Rooms()


def room(shape: tuple[int, ...], k: int = 0) -> Array:
    """Return scratch array number k in the shape of a block; its content is lost with the next call.

    New arrays of this size would come from the system page by page for every block.
    """
    size, limit = math.prod(shape), ROWS_ROOM if k == ROWS else ROOM
    if size > limit:
        return np.empty(shape)
    if k not in _ROOMS.arrays:
        _ROOMS.arrays[k] = np.empty(limit)
    return _ROOMS.arrays[k][:size].reshape(shape)


def cuts(y: Array, w: Array | None, share: int = 1) -> Iterator[tuple[Array, Array | None]]:
    """Cut a block into pieces for which there is room, or for one in so many of whose entries there is."""
    size = max(1, share * ROOM // (len(y) if w is None else max(len(y), len(w))))
    for start in range(0, y.shape[1], size):
        piece = slice(start, start + size)
        yield y[:, piece], None if w is None else w[:, piece]


def sum_log(y: Array, w: Array | None) -> Array:
    """Sum log y over axis 1 of an array (r, m) of positive numbers.

    Unweighted, it is the logarithm of products of sixteen factors: as many times fewer logarithms, and
    an error of 1e-16 for each factor. Plain logarithms serve where a product could leave the range of
    numbers, and where all factors are close to 1, so that such an error would be seen.
    """
    if w is None and spread_out(y):
        total = sum(sum_log_products(a, None) for a, _ in cuts(y, w, 2))
        if np.isfinite(total).all():
            return np.asarray(total)
    return np.asarray(
        sum(weighted_sum(np.log(a, out=room(a.shape)), b, a.shape[1]) for a, b in cuts(y, w))
    )


def spread_out(y: Array) -> bool:
    """Tell whether no row of positive numbers has all of them within a tenth of 1."""
    far = abs(y[:, 0] - 1) > 0.1
    for piece, _ in cuts(y, None):
        if far.all():
            break
        far = far | (abs(piece - 1) > 0.1).any(axis=1)
    return bool(far.all())


def sum_log_products(y: Array, w: Array | None) -> Array:
    """Sum log y over axis 1 of a short block of positive numbers, through products of sixteen.

    Not finite if a product may have left the range of numbers.
    """
    if w is not None:
        return weighted_sum(np.log(y, out=room(y.shape)), w, y.shape[1])
    half = y.shape[1] // 16 * 8
    pairs = np.multiply(y[:, :half], y[:, half : 2 * half], out=room((len(y), half)))
    total = sum_log_pairs(pairs)
    if 2 * half == y.shape[1]:
        return total
    return np.asarray(total + np.add.reduce(np.log(y[:, 2 * half :]), axis=1))


def sum_log_pairs(p: Array) -> Array:
    """Sum log p over axis 1 of products of two, a multiple of eight of them, which are lost."""
    half = p.shape[1]
    # With pairs above 1e-35 nothing can underflow, and what overflows stays infinite.
    if not (half and p.min() > 1e-35):
        return filled(len(p), np.nan if half else 0.0)
    for short in (half // 2, half // 4, half // 8):
        p = np.multiply(p[:, :short], p[:, short : 2 * short], out=p[:, :short])
    return np.asarray(np.add.reduce(np.log(p, out=p), axis=1))
