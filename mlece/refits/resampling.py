"""Bootstrap samples: how often each observation occurs in a resample, and new responses at fixed x.

Every generator yields slabs of replicates, so that memory stays bounded however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array, sqrt
from mlece.randomness import stream
from mlece.regression.dependence import cluster_codes
from mlece.regression.meat import inflation

# Draws are made and fitted in slabs of about this many observations.
SLAB = 1 << 21
LAWS = ("rademacher", "mammen")


def slabs(replicates: int, rows: int) -> Iterator[int]:
    """Cut a number of samples of so many observations each."""
    stride = max(1, SLAB // rows)
    for start in range(0, replicates, stride):
        yield min(stride, replicates - start)


def multiplicities(rows: int, n: int, rng: np.random.Generator) -> Array:
    """Return how often each of n things occurs among n draws with replacement, (rows, n)."""
    codes = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(codes.ravel(), minlength=rows * n).reshape(rows, n).astype(float)


def pairs_weights(
    n: int, replicates: int, rng: Any = 0, *, counts: Array | None = None
) -> Iterator[Array]:
    """Draw rows (x, y) with replacement: frequency weights of the rows in each resample.

    Parameters
    ----------
    n : int
        Number of rows.
    replicates : int
        Number of resamples.
    rng : int or numpy.random.Generator
    counts : array of int (n,), optional
        How often each row was observed.

    Yields
    ------
    array (b, n)
        Multinomial counts, rows that sum to n (or to that of ``counts``); multiply them by sampling
        weights where there are any.

    Notes
    -----
    Freedman (1981), Annals of Statistics 9, 1218-1228: consistent without homoscedasticity.

    Examples
    --------
    >>> from mlece.refits.resampling import pairs_weights
    >>> [w.sum(axis=1).tolist() for w in pairs_weights(5, 3)]
    [[5.0, 5.0, 5.0]]
    """
    generator = stream(rng)
    for size in slabs(replicates, n):
        if counts is None:
            yield multiplicities(size, n, generator)
        else:
            total = int(np.sum(counts))
            yield generator.multinomial(total, np.asarray(counts) / total, size).astype(float)


def cluster_weights(clusters: Any, n: int, replicates: int, rng: Any = 0) -> Iterator[Array]:
    """Draw whole clusters with replacement: frequency weights of the rows in each resample.

    Parameters
    ----------
    clusters : array_like (n,)
        Labels of any type, one way of clustering.
    n, replicates, rng
        As in :func:`pairs_weights`.

    Yields
    ------
    array (b, n)
        Rows of one cluster have equal counts, by which frequency or sampling weights are to be
        multiplied. The total varies where clusters differ in size.

    Raises
    ------
    DataError
        If labels are missing, their number is not n, or all are alike; for several ways, of which no
        resampling of clusters is known to be consistent.

    Examples
    --------
    >>> from mlece.refits.resampling import cluster_weights
    >>> w = next(cluster_weights(["a", "a", "b"], 3, 4))
    >>> bool((w[:, 0] == w[:, 1]).all()), (w[:, 0] + w[:, 2]).tolist()
    (True, [2.0, 2.0, 2.0, 2.0])
    """
    codes = _one_way(clusters, n)
    groups = int(codes.max()) + 1
    generator = stream(rng)
    for size in slabs(replicates, n):
        yield multiplicities(size, groups, generator)[:, codes]


def _one_way(clusters: Any, n: int) -> Array:
    ways = cluster_codes(clusters, n)
    if len(ways) > 1:
        raise errors.DataError(
            errors.message(
                "one way of clustering for a bootstrap",
                f"{len(ways)}",
                "mlece.regression.meat.clustered takes several",
            )
        )
    return ways[0]


def residual_responses(
    fitted: Array,
    residuals: Array,
    replicates: int,
    rng: Any = 0,
    *,
    leverage: Array | None = None,
) -> Iterator[Array]:
    """Draw new responses: fitted means plus residuals drawn with replacement.

    Parameters
    ----------
    fitted, residuals : array (n,)
        ŷ and y − ŷ of a linear model whose errors have one law whatever x.
    replicates, rng
        As in :func:`pairs_weights`.
    leverage : array (n,), optional
        Diagonal of the hat matrix: residuals are then e/√(1 − h), which have equal variances.

    Yields
    ------
    array (b, n)
        Responses at the same x. The residuals are centred before they are drawn.

    Raises
    ------
    NotRegularError
        If a leverage is 1 and its residual is not 0.

    Notes
    -----
    Davison and Hinkley (1997), Bootstrap Methods and their Application, algorithm 6.1.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.refits.resampling import residual_responses
    >>> y = next(residual_responses(np.array([1.0, 2.0]), np.array([0.5, -0.5]), 3))
    >>> np.abs(y - [1.0, 2.0]).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """
    e = _spread(residuals, leverage)
    e = e - e.mean()
    generator = stream(rng)
    for size in slabs(replicates, e.size):
        yield fitted + e[generator.integers(e.size, size=(size, e.size))]


def wild_responses(
    fitted: Array,
    residuals: Array,
    replicates: int,
    rng: Any = 0,
    *,
    leverage: Array | None = None,
    clusters: Any = None,
    law: str = "rademacher",
) -> Iterator[Array]:
    """Draw new responses: fitted means plus each residual of its own, with a random factor.

    Parameters
    ----------
    fitted, residuals, replicates, rng, leverage
        As in :func:`residual_responses`; the variance of the errors may depend on x.
    clusters : array_like (n,), optional
        Labels: residuals of a cluster share their factor (Cameron, Gelbach and Miller 2008, Review of
        Economics and Statistics 90, 414-427).
    law : {"rademacher", "mammen"}
        Of the factor, mean 0 and variance 1: ±1 with equal probability (Davidson and Flachaire 2008,
        J. Econometrics 146, 162-169); or −(√5 − 1)/2 and (√5 + 1)/2 with a third moment of 1 as well
        (Mammen 1993, Annals of Statistics 21, 255-285).

    Yields
    ------
    array (b, n)

    Raises
    ------
    NotRegularError
        If a leverage is 1 and its residual is not 0.
    DataError
        If clusters are missing or of the wrong number.
    UnknownNameError
        For another law.

    Notes
    -----
    Wu (1986), Annals of Statistics 14, 1261-1295; Liu (1988), Annals of Statistics 16, 1696-1708.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.refits.resampling import wild_responses
    >>> y = next(wild_responses(np.zeros(3), np.array([1.0, 2.0, 3.0]), 2))
    >>> np.abs(y).tolist()
    [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    """
    if law not in LAWS:
        raise errors.unknown_name("law of the factors", law, LAWS)
    e = _spread(residuals, leverage)
    codes = np.arange(e.size) if clusters is None else _one_way(clusters, e.size)
    groups = int(codes.max()) + 1
    root = float(np.sqrt(5.0))
    low, high = (-1.0, 1.0) if law == "rademacher" else (0.5 * (1 - root), 0.5 * (1 + root))
    # Mean 0 says how often each comes.
    share = high / (high - low)
    generator = stream(rng)
    for size in slabs(replicates, e.size):
        factor = np.where(generator.random((size, groups)) < share, low, high)
        yield fitted + factor[:, codes] * e


def _spread(residuals: Array, leverage: Array | None) -> Array:
    """Return residuals of equal variance, where the leverage is known."""
    e = np.asarray(residuals, dtype=float)
    if leverage is None:
        return e
    return np.asarray(e * sqrt(inflation("HC2", e == 0, leverage, np.ones(e.size), 0)))
