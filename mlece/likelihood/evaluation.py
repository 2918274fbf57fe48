"""Sums of −log q and its derivatives over observations: they add, whatever the blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import present_sum, weighted_sum
from mlece.numerics.masks import every


@dataclass(frozen=True)
class Evaluation:
    """Sums over observations of −log q and its derivatives in the natural parameters; they add.

    Parameters
    ----------
    weight : array (r,)
        Total weight.
    value : array (r,)
        Sum of −log q.
    score : array (r, k), optional
        Sum of the gradients of −log q.
    hessian : array (r, k, k), optional
        Sum of the second derivatives of −log q.
    opg : array (r, k, k), optional
        Sum of the outer products of the gradients.
    """

    weight: Array
    value: Array
    score: Array | None = None
    hessian: Array | None = None
    opg: Array | None = None

    def __add__(self, other: Evaluation) -> Evaluation:
        def plus(a: Array | None, b: Array | None) -> Array | None:
            return None if a is None or b is None else a + b

        return Evaluation(
            self.weight + other.weight,
            self.value + other.value,
            plus(self.score, other.score),
            plus(self.hessian, other.hessian),
            plus(self.opg, other.opg),
        )

    def mean(self) -> Evaluation:
        """Divide by the weight: the cross-entropy and its derivatives."""
        w = self.weight
        if every(w == 1):
            return self
        return Evaluation(
            np.ones_like(w),
            self.value / w,
            None if self.score is None else self.score / w[:, None],
            None if self.hessian is None else self.hessian / w[:, None, None],
            None if self.opg is None else self.opg / w[:, None, None],
        )


def joined(parts: list[Evaluation]) -> Evaluation:
    """Put evaluations of different members behind each other."""

    def stack(name: str) -> Any:
        field = [getattr(p, name) for p in parts]
        return None if field[0] is None else np.concatenate(field)

    return Evaluation(*[stack(n) for n in ("weight", "value", "score", "hessian", "opg")])


@cache
def _layout(k: int) -> Array:
    """Return where the upper triangle, row by row, holds each entry of a symmetric matrix, (k, k)."""
    out = np.zeros((k, k), dtype=np.intp)
    out[np.triu_indices(k)] = np.arange(k * (k + 1) // 2)
    return np.maximum(out, out.T)


def symmetric(upper: Array, k: int) -> Array:
    """Build symmetric matrices (..., k, k) from the upper triangle, row by row along the last axis."""
    return upper[..., _layout(k)]


def triangle(parts: Arrays, k: int) -> Array:
    """Build symmetric matrices (..., k, k) from the upper triangle given row by row."""
    return symmetric(np.stack(np.broadcast_arrays(*parts), axis=-1), k)


def of_one_member(model: Model, theta: tuple[Any, ...], shared: tuple[Any, ...]) -> Evaluation:
    """Return the cross-entropy of one member and its derivatives from means of what its hooks share.

    They take numbers here: what numpy does to an array of one takes several times as long.
    """
    score = np.array(model._score(shared, *theta))
    hessian = np.array(model._curvature(shared, *theta))
    value = np.array([model._log_density(shared, *theta)])
    return Evaluation(
        np.ones(1), -value, -score[None], symmetric(-hessian, len(model.params))[None]
    )


def stacked_scores(raw: Any, rows: int) -> Array:
    """Return per-observation scores as one array (r, m, k)."""
    if not isinstance(raw, tuple):
        return np.asarray(raw)
    shape = np.broadcast_shapes(*[np.shape(s) for s in raw])
    shape = (shape[0], rows)
    return np.stack([np.broadcast_to(s, shape) for s in raw], axis=-1)


def negative_sums(raw: Any, w: Array | None, m: int, r: int) -> Array:
    """Return minus the weighted sums (r, ...) of an array, or those of several in columns (r, k)."""
    if not isinstance(raw, tuple):
        return -weighted_sum(raw, w, m)
    out = np.empty((r, len(raw)))
    single = m == 1 and w is None
    for column, a in enumerate(raw):
        out[:, column] = a[:, 0] if single else present_sum(a, w, m)
    return np.negative(out, out=out)
