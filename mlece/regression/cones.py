r"""Directions along which no observation loses likelihood, as linear inequalities.

Whether the likelihood of a regression attains its maximum is a question about the cone of such
directions b (Albert and Anderson 1984, Biometrika 71, 1-10; Geyer 2009, Electronic J. Statistics 3,
259-289): rows a'b ≥ 0, some of them >, and rows e'b = 0. The functions here write the cone for each
kind of likelihood; :func:`mlece.regression.separation.recession` searches it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from mlece.math import Array
from mlece.regression.rowspace import is_sparse


@dataclass(frozen=True, eq=False)
class Cone:
    """Directions b with ``rows @ b >= 0`` and ``equalities @ b == 0``.

    Parameters
    ----------
    rows : array or scipy.sparse array (m, k)
        An observation gains where its product with a direction is positive.
    equalities : array or scipy.sparse array (q, k)
        An observation loses on both sides.
    origin : array of int (m,)
        The observation that an inequality belongs to; -1 where it bounds the parameter space.
    part : array of int (m,)
        What vanishes for the observation as the product grows: a class, or an end of an interval
        (0 lower, 1 upper); 0 where there is one such thing only.
    parts : int
        Number of such things.
    bound : array of bool (n,)
        The observations with an equality.
    """

    rows: Any
    equalities: Any
    origin: Array
    part: Array
    parts: int
    bound: Array

    @property
    def data(self) -> Array:
        """Which inequalities belong to observations, (m,)."""
        return np.asarray(self.origin >= 0)


def _taken(matrix: Any, rows: Array, sign: Array | float = 1.0) -> Any:
    """Return some rows of a matrix, each multiplied by its sign."""
    if is_sparse(matrix):
        taken = sp.csr_matrix(matrix)[rows]
        return sp.csr_matrix(taken.multiply(np.broadcast_to(sign, len(rows))[:, None]))
    return np.asarray(matrix, dtype=float)[rows] * np.broadcast_to(sign, len(rows))[:, None]


def _present(n: int, weights: Array | None) -> Array:
    """Tell which observations have weight."""
    return np.ones(n, dtype=bool) if weights is None else np.asarray(weights) > 0


def _single(rows: Any, equalities: Any, origin: Array, bound: Array) -> Cone:
    """Return the cone of a likelihood whose observations have one inequality at most."""
    return Cone(rows, equalities, origin, np.zeros(len(origin), dtype=int), 1, bound)


def binary(design: Any, share: Array, weights: Array | None = None) -> Cone:
    r"""Return the cone of a binary or binomial regression with any strictly monotone link.

    An observation with a share of successes y has (2y − 1) x'b ≥ 0 where y is 0 or 1, and
    x'b = 0 where it lies between: both its outcomes were seen.

    Parameters
    ----------
    design : array or scipy.sparse array (n, k)
    share : array (n,)
        Successes over trials, or soft targets, in [0, 1].
    weights : array (n,), optional
        Rows of weight 0 are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.cones import binary
    >>> binary(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([0.0, 1.0])).rows
    array([[-1., -2.],
           [ 1.,  3.]])
    """
    share = np.asarray(share, dtype=float)
    present = _present(len(share), weights)
    both = present & (share > 0) & (share < 1)
    one = np.flatnonzero(present & ~both)
    rows = _taken(design, one, 2 * share[one] - 1)
    return _single(rows, _taken(design, np.flatnonzero(both)), one, both)


def counts(design: Any, y: Array, weights: Array | None = None) -> Cone:
    r"""Return the cone of a Poisson or negative binomial regression with the logarithm as link.

    A zero has −x'b ≥ 0, any other count x'b = 0 (Correia, Guimarães and Zylkin 2019,
    arXiv:1903.01633; Santos Silva and Tenreyro 2010, Economics Letters 107, 310-312). The same holds
    for every likelihood on [0, ∞) that falls towards both ends of the mean where y > 0.

    Parameters
    ----------
    design : array or scipy.sparse array (n, k)
    y : array (n,)
        Not negative.
    weights : array (n,), optional
    """
    y = np.asarray(y)
    present = _present(len(y), weights)
    zero = np.flatnonzero(present & (y == 0))
    more = present & (y > 0)
    return _single(
        _taken(design, zero, -1.0), _taken(design, np.flatnonzero(more)), zero, np.asarray(more)
    )


def softmax(
    design: Any,
    target: Array,
    classes: int | None = None,
    weights: Array | None = None,
    reference: int = 0,
) -> Cone:
    r"""Return the cone of a softmax regression.

    An observation of class y has x'(b_y − b_k) ≥ 0 for every other class k. Classes that share a
    soft target gain alike, and not less than those without mass.

    Parameters
    ----------
    design : array or scipy.sparse array (n, p)
    target : array of int (n,) or array (n, K)
        Numbers of classes from 0, or masses.
    classes : int, optional
        K, where the target does not say it.
    weights : array (n,), optional
    reference : int
        The class whose coefficients are 0.

    Returns
    -------
    Cone
        With k = (K − 1) p coordinates: those of the first class that is no reference, then those of
        the second. ``part`` is the class that loses its probability.
    """
    target = np.asarray(target)
    if target.ndim == 1:
        size = int(target.max()) + 1 if classes is None else classes
        mass = target[:, None] == np.arange(size)
    else:
        mass = target > 0
    n, size = mass.shape
    present = _present(n, weights)
    top = np.argmax(np.where(mass, target if target.ndim == 2 else 1, -1), axis=1)
    other = present[:, None] & (np.arange(size) != top[:, None])
    origin, part = np.nonzero(other & ~mass)
    shared, twin = np.nonzero(other & mass)
    return Cone(
        _contrast(design, origin, top[origin], part, size, reference),
        _contrast(design, shared, top[shared], twin, size, reference),
        origin,
        part,
        size,
        (other & mass).any(axis=1),
    )


def _contrast(
    design: Any, rows: Array, first: Array, second: Array, classes: int, reference: int
) -> Any:
    """Return x ⊗ (e_first − e_second) without the block of the reference class, sparse."""
    p = design.shape[1]
    x = sp.csr_matrix(design)[rows]
    lengths = np.diff(x.indptr)
    row = np.repeat(np.arange(len(rows)), lengths)
    reference %= classes
    parts = []
    for label, sign in ((first, 1.0), (second, -1.0)):
        block = np.repeat(label, lengths)
        kept = block != reference
        column = (block - (block > reference)) * p + x.indices
        parts.append((sign * x.data[kept], row[kept], column[kept]))
    values, at, columns = (np.concatenate(c) for c in zip(*parts, strict=True))
    shape = (len(rows), (classes - 1) * p)
    return sp.csr_matrix((values, (at, columns)), shape=shape)


def ordinal(design: Any, y: Array, categories: int, weights: Array | None = None) -> Cone:
    r"""Return the cone of a cumulative regression, P(Y ≤ j) = F(c_j − x'b), F strictly increasing.

    An observation of category j has c_j − x'b ≥ 0 and c_{j−1} − x'b ≤ 0 (directions of the cut
    points and slopes), as far as it has these ends. The order of the cut points bounds the
    parameter space.

    Parameters
    ----------
    design : array or scipy.sparse array (n, p)
        Without a constant column.
    y : array of int (n,)
        Categories 0 to K − 1.
    categories : int
        K.
    weights : array (n,), optional

    Returns
    -------
    Cone
        With K − 1 + p coordinates: cut points, then slopes. ``part`` 0 is the lower end of an
        observation, 1 the upper.
    """
    y = np.asarray(y)
    present = _present(len(y), weights)
    upper = np.flatnonzero(present & (y < categories - 1))
    lower = np.flatnonzero(present & (y > 0))
    cuts = categories - 1
    order = np.diff(np.eye(cuts), axis=0)
    origin = np.concatenate([upper, lower, np.full(len(order), -1)])
    cut = np.concatenate([y[upper], y[lower] - 1]).astype(int)
    sign = np.repeat([1.0, -1.0], [len(upper), len(lower)])
    at = sp.csr_matrix((sign, (np.arange(len(cut)), cut)), shape=(len(cut), cuts))
    p = design.shape[1]
    own = sp.hstack([at, sp.csr_matrix(_taken(design, origin[: len(cut)], -sign))])
    bounds = sp.hstack([sp.csr_matrix(order), sp.csr_matrix((len(order), p))])
    rows = sp.csr_matrix(sp.vstack([own, bounds]))
    return Cone(
        rows if is_sparse(design) else rows.toarray(),
        np.zeros((0, cuts + p)),
        origin,
        np.concatenate([np.repeat([1, 0], [len(upper), len(lower)]), np.zeros(len(order), int)]),
        2,
        np.zeros(len(y), dtype=bool),
    )
