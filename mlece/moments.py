"""What a fit by statistics needs of a sample: weighted means of the statistics, and the extremes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.math import Array, Arrays


@dataclass(frozen=True)
class Summary:
    """Mean statistics and extremes of a (framed) sample; every array has the batch shape (R,).

    Parameters
    ----------
    mean : tuple of arrays
        Weighted mean of each statistic, (R,) or (R, m) for a vector statistic.
    minimum, maximum : array (R,)
        Smallest and largest observation that has positive weight (NaN where not collected).
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

    def summary(self, count: int, shift: Array, scale: Array) -> Summary:
        """Divide by the weight, and put the extremes into the frame of the statistics."""
        mean = tuple(
            t / (self.weight if t.ndim == 1 else self.weight[:, None]) for t in self.totals
        )
        low, high = (self.minimum - shift) / scale, (self.maximum - shift) / scale
        return Summary(mean, low, high, self.weight, count)


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


def weighted_sum(a: Array, w: Array | None, rows: int) -> Array:
    """Sum over axis 1 of an array (r, m, ...) with weights (r, m); axis 1 of length 1 is broadcast.

    Returns an array (r, ...). ``rows`` is the length of the axis summed over.
    """
    if a.shape[1] == 1 and rows > 1:
        head = a[:, 0]
        if w is None:
            return np.asarray(head * float(rows))
        total = w.sum(axis=1)
        return np.asarray(
            head * (total if head.ndim == 1 else total.reshape(-1, *([1] * (head.ndim - 1))))
        )
    if w is None:
        return np.asarray(np.add.reduce(a, axis=1))
    if a.ndim == 2:
        return np.asarray(np.vecdot(w, a))
    return np.asarray((w.reshape(*w.shape, *([1] * (a.ndim - 2))) * a).sum(axis=1))
