"""Standard errors of entropies of counts from samples of a law with the cells not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.counts import counted
from mlece.entropies.estimate import EntropyEstimate
from mlece.math import Array
from mlece.randomness import stream

_ROOM = 2**24  # counts drawn at once
_MOST = 10**7  # cells of a law


def law_with_unseen(counts: Any, empty: int | None = None) -> Array:
    """Return an estimate of the law behind counts, with mass for the cells that were not seen.

    Parameters
    ----------
    counts : array_like (K,)
        Counts.
    empty : int, optional
        Number of cells not seen, where it is known.

    Returns
    -------
    array (m + u,)
        Probabilities of the m cells seen, then of u that were not.

    Raises
    ------
    DataError
        If an entry is no count, none is positive, or nearly all are singletons.

    Notes
    -----
    With f1 singletons and f2 doubletons the cells not seen are u = (n - 1)/n f1²/2f2 (Chao 1984,
    Scandinavian Journal of Statistics 11, 265-270) and hold f1/n (n - 1) f1/((n - 1) f1 + 2 f2);
    a cell seen gives up the more of its share c/n the likelier it is to be missed: Chao and Jost
    (2015), Methods in Ecology and Evolution 6, 873-882, appendix.

    Examples
    --------
    >>> from mlece.entropies.resampling import law_with_unseen
    >>> law_with_unseen([5, 2, 1, 1]).round(3).tolist()
    [0.555, 0.177, 0.035, 0.035, 0.099, 0.099]
    """
    c, n = counted(counts)
    share, total = c[c > 0] / n, float(n[0])
    once, twice = float((c == 1).sum()), float((c == 2).sum())
    # Without doubletons: f1 (f1 - 1)/2 for f1²/2f2, and A with f1 - 1 and one doubleton.
    pairs = once**2 / (2 * twice) if twice else once * (once - 1) / 2
    top = (total - 1) * (once if twice else once - 1)
    unseen = int(np.ceil((total - 1) / total * pairs)) if empty is None else empty
    if top <= 0 or unseen == 0:
        return np.asarray(share)
    if unseen > _MOST:
        raise errors.DataError(
            errors.message(
                "counts above one, to judge how many cells were not seen",
                f"{once:,.0f} singletons among {total:,.0f} observations",
            )
        )
    left = once / total * top / (top + 2 * max(twice, 1.0))
    missed = (1 - share) ** total
    kept = share * (1 - left * missed / (share @ missed))
    law = np.append(kept, np.full(unseen, left / unseen))
    return np.asarray(law / law.sum())


def bootstrapped(
    counts: Any,
    estimator: Callable[[Any], EntropyEstimate],
    replicates: int,
    rng: Any = None,
    empty: int | None = None,
) -> EntropyEstimate:
    """Return an estimate with the spread of its replicates as standard error.

    Parameters
    ----------
    counts : array_like (K,)
        One table of counts.
    estimator : callable
        An estimator of `mlece.entropies.counts` or `mlece.entropies.bayes`.
    replicates : int
        Samples drawn from `law_with_unseen`, two or more.
    rng : seed or numpy.random.Generator
        What to draw them with.
    empty : int, optional
        Number of cells not seen, where it is known.

    Returns
    -------
    EntropyEstimate
        The value is that of the data.

    Raises
    ------
    DataError
        If an entry is no count, none is positive, or nearly all are singletons.
    ParameterError
        If there are fewer than two replicates.

    Examples
    --------
    >>> from mlece.entropies.resampling import bootstrapped
    >>> from mlece.entropies.counts import chao_wang_jost
    >>> counts = [9, 4, 3, 2, 1, 1, 1, 1, 1]
    >>> chao_wang_jost(counts).se < bootstrapped(counts, chao_wang_jost, 199, rng=0).se
    True
    """
    if replicates < 2:
        raise errors.ParameterError(errors.message("two replicates or more", repr(replicates)))
    found = estimator(counts)
    law = law_with_unseen(counts, empty)
    generator = stream(rng)
    stride = max(1, _ROOM // law.size)
    values = [
        np.atleast_1d(
            estimator(
                generator.multinomial(int(found.n), law, size=min(stride, replicates - start))
            ).value
        )
        for start in range(0, replicates, stride)
    ]
    se = float(np.concatenate(values).std(ddof=1))
    return replace(found, se=se, method=f"{found.method}, bootstrap of {replicates}")
