"""Entropy of an unknown law from its observations, with a standard error: the front door.

Nothing here bounds the entropy: for a density no estimator comes with a distribution-free lower
bound, for counts none beyond O(log n) (McAllester and Stratos 2020, AISTATS).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, declared_categories, factorize
from mlece.entropies.bayes import (
    james_stein,
    jeffreys,
    laplace,
    minimax,
    nsb,
    schurmann_grassberger,
    wolpert_wolf,
)
from mlece.entropies.counts import (
    chao_shen,
    chao_wang_jost,
    grassberger_1988,
    grassberger_2003,
    grassberger_psi,
    jackknife,
    miller_madow,
    plugin,
    zhang,
)
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.mixed import of_tied
from mlece.entropies.neighbours import kozachenko_leonenko, usual_neighbour
from mlece.entropies.resampling import bootstrapped
from mlece.entropies.spacings import correa, ebrahimi, van_es, vasicek
from mlece.entropies.ties import finite, ties
from mlece.math import Array

Estimator = Callable[[Any], EntropyEstimate]


def _nearest_neighbours(x: Any) -> EntropyEstimate:
    several = x.ndim == 2
    k = usual_neighbour(len(x), x.shape[1] if several else 1)
    return kozachenko_leonenko(x, k, multivariate=several)


# From counts (..., K).
MASSES: dict[str, Estimator] = {
    "chao-wang-jost": chao_wang_jost,
    "plug-in": plugin,
    "miller-madow": miller_madow,
    "jackknife": jackknife,
    "grassberger-psi": grassberger_psi,
    "grassberger-1988": grassberger_1988,
    "grassberger-2003": grassberger_2003,
    "chao-shen": chao_shen,
    "zhang": zhang,
    "james-stein": james_stein,
    "jeffreys": jeffreys,
    "laplace": laplace,
    "schurmann-grassberger": schurmann_grassberger,
    "minimax": minimax,
    "wolpert-wolf": wolpert_wolf,
    "nsb": nsb,
}
# Those for which the empty cells among the K count.
KNOWN_CELLS = (james_stein, jeffreys, laplace, schurmann_grassberger, minimax, wolpert_wolf, nsb)
# From samples (n,).
DENSITIES: dict[str, Estimator] = {
    "kozachenko-leonenko": _nearest_neighbours,
    "vasicek": vasicek,
    "van-es": van_es,
    "ebrahimi": ebrahimi,
    "correa": correa,
}


def named(method: str, discrete: bool) -> Estimator:
    """Return the estimator of a name, of masses if ``discrete``, else of densities.

    Raises
    ------
    UnknownNameError
        With the nearest names, if nothing has this one.
    ParameterError
        If the name is that of an estimator of the other kind.
    """
    name = method.lower().replace(" ", "-").replace("_", "-").replace("ü", "u")
    own, other = (MASSES, DENSITIES) if discrete else (DENSITIES, MASSES)
    if name in own:
        return own[name]
    if name in other:
        raise errors.ParameterError(
            errors.message(
                f"an estimator of {'masses' if discrete else 'densities'}: {', '.join(own)}",
                repr(method),
                f"Ask for discrete={not discrete}, if the law has a "
                f"{'density' if discrete else 'mass function'}",
            )
        )
    raise errors.unknown_name("estimator of entropy", method, own)


def _frequencies(weights: Any, n: int) -> Array:
    w = finite(weights)
    bad = (w < 0) | (w != np.floor(w))
    if w.shape != (n,):
        raise errors.DataError(errors.message(f"{n} weights", f"shape {w.shape}"))
    if bad.any():
        raise errors.DataError(
            errors.message(
                "weights that are counts",
                errors.offenders(bad, w),
                "An entropy estimate needs to know how often each value was seen",
            )
        )
    return w


def _tally(array: Array, categories: tuple[Any, ...] | None, weights: Array | None) -> Array:
    """Return the counts of the distinct values, and zeros for categories declared but not seen."""
    labels, codes = factorize(array, "values")
    counts = np.bincount(codes.ravel(), weights=weights).astype(float)
    return np.pad(counts, (0, max(0, len(categories or ()) - len(labels))))


def estimate_entropy(
    values: Any,
    discrete: bool,
    weights: Any = None,
    method: str | None = None,
    replicates: int | None = None,
    rng: Any = None,
) -> EntropyEstimate:
    """Estimate the entropy of the law behind a sample.

    Parameters
    ----------
    values : array_like (n,)
        Observations; labels of any kind if ``discrete``, and categories that a Series declares are
        cells whether seen or not. Points (n, d) of a density for "kozachenko-leonenko".
    discrete : bool
        Whether the law has a mass function. False asks for a differential entropy.
    weights : array_like (n,), optional
        How often each value was seen.
    method : str, optional
        For masses "chao-wang-jost" (the default), "plug-in", "miller-madow", "jackknife",
        "grassberger-psi", "grassberger-1988", "grassberger-2003", "chao-shen", "zhang"; with the
        number of cells known "james-stein", "jeffreys", "laplace", "schurmann-grassberger",
        "minimax", "wolpert-wolf", "nsb". For densities "kozachenko-leonenko" (the default; k = 5,
        or 3 below 200 observations), "vasicek", "van-es", "ebrahimi", "correa".
    replicates : int, optional
        For masses: take as standard error the spread of so many bootstrap samples (199, say) of a
        law with the cells not seen. Slower, and better where many cells were seen once.
    rng : seed or numpy.random.Generator, optional
        What to draw the replicates with.

    Returns
    -------
    EntropyEstimate
        In nats. Without ``method``, continuous data that tie are read as a density rounded to a
        grid δ (Chao-Wang-Jost over its cells plus log δ, method "grid"), or as a density with atoms
        (values seen ten times or more among others seen once: the entropy with respect to Lebesgue
        measure plus a unit mass at each atom).

    Raises
    ------
    DataError
        If data of a density tie and there is no atom and no grid, or a grid too coarse (fewer than
        8 cells filled) or too fine for its cells to be seen (their estimated coverage,
        1 - singletons / n, below 0.8); if points lie on a surface; if there are too few.
    UnknownNameError
        If no estimator has this name.
    ParameterError
        If the estimator of this name is one for the other kind of law, or replicates are asked for
        densities, whose samples with replacement tie.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.entropy_estimators import estimate_entropy
    >>> estimate_entropy(["a", "b", "a", "b"], discrete=True).method
    'Chao-Wang-Jost'
    >>> x = np.random.default_rng(1).standard_normal(5000)
    >>> rounded = estimate_entropy(x.round(1), discrete=False)
    >>> rounded.method, round(float(rounded.value), 1)
    ('grid', 1.4)
    >>> round(estimate_entropy(x, discrete=False, method="ebrahimi").value, 1)
    1.4
    """
    categories = declared_categories(values)
    array = as_array(values, "values")
    if array.ndim != 1 and (discrete or array.ndim != 2):
        raise errors.DataError(errors.message("one sample, shape (n,)", f"shape {array.shape}"))
    if array.size == 0:
        raise errors.DataError(errors.message("at least one observation", "none"))
    frequency = None if weights is None else _frequencies(weights, len(array))
    if discrete:
        masses, counts = (
            named(method or "chao-wang-jost", True),
            _tally(array, categories, frequency),
        )
        if replicates is None:
            return masses(counts)
        empty = int((counts == 0).sum()) if masses in KNOWN_CELLS else None
        return bootstrapped(counts, masses, replicates, rng, empty)
    if replicates is not None:
        raise errors.ParameterError(
            errors.message("replicates of masses, discrete=True", f"replicates={replicates!r}")
        )
    estimator = named(method or "kozachenko-leonenko", False)
    x = finite(array)
    if frequency is not None:
        x = np.repeat(x, frequency.astype(np.intp), axis=0)
    if x.ndim == 2:
        return _of_points(x, method)
    found = ties(x)
    return of_tied(x, found) if method is None and found.fraction > 0 else estimator(x)


def _of_points(x: Array, method: str | None) -> EntropyEstimate:
    if method is not None and named(method, False) is not _nearest_neighbours:
        raise errors.DataError(
            errors.message(
                "one sample of numbers, shape (n,), for spacings",
                f"points of shape {x.shape}",
                'Points have neighbours: method="kozachenko-leonenko"',
            )
        )
    for j, column in enumerate(x.T):
        found = ties(column)
        # A column of one value is a hyperplane, and called so.
        if found.fraction > 0 and found.distinct > 1:
            raise errors.DataError(
                errors.message(
                    "points of a density, whose coordinates do not repeat",
                    f"{100 * found.fraction:.3g} % of column {j} tied, {found.distinct} values",
                    "If it holds labels, add estimate_entropy of them, discrete=True, to "
                    "conditional_entropy of the other columns given them",
                )
            )
    return _nearest_neighbours(x)
