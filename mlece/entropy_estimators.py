"""Entropy of an unknown law from its observations, with a standard error.

Every estimator is batched: continuous data are (..., n), counts over K cells (..., K). Nothing here
bounds the entropy: for a density no estimator comes with a distribution-free lower bound, for
counts none beyond O(log n) (McAllester and Stratos 2020, AISTATS).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.entropy_estimate import EntropyEstimate, plain
from mlece.math import Array, digamma, log, xlogy
from mlece.neighbours import kozachenko_leonenko
from mlece.ties import Ties, finite, ties

FEW = 200  # below this many observations the default neighbour is the third, else the fifth
GRID_CELLS = 8  # a grid is fine enough for a density when the data fill at least this many cells
GRID_COVERAGE = 0.8  # ... and the cells seen hold at least this share of the mass

# ---------------------------------------------------------------------------- counts


def _counted(counts: Any) -> tuple[Array, Array]:
    """Validate counts (..., K); return them with their totals (..., 1)."""
    c = finite(counts)
    if c.ndim == 0:
        raise errors.DataError(errors.message("counts of shape (..., K)", "a number"))
    bad = (c < 0) | (c != np.floor(c))
    if bad.any():
        raise errors.DataError(
            errors.message("counts, non-negative whole numbers", errors.offenders(bad, c))
        )
    n = c.sum(axis=-1, keepdims=True)
    empty = n[..., 0] == 0
    if empty.any():
        raise errors.DataError(
            errors.message("at least one observation", errors.offenders(empty, n[..., 0]))
        )
    return c, n


def _plug_in(c: Array, n: Array) -> Array:
    return np.asarray((log(n) - xlogy(c, c).sum(axis=-1, keepdims=True) / n)[..., 0])


def _discrete_estimate(
    c: Array, n: Array, value: Array, method: str, note: str = ""
) -> EntropyEstimate:
    """Attach the standard error sqrt(varentropy of the empirical law / n)."""
    share = c / n
    surprise = log(n) - log(np.where(c > 0, c, n))
    mean = (share * surprise).sum(axis=-1, keepdims=True)
    spread = (share * np.square(surprise - mean)).sum(axis=-1)
    se = np.sqrt(spread / n[..., 0])
    total = n[..., 0]
    return EntropyEstimate(plain(value + 0.0), plain(se), method, plain(total), "nats", note)


def plugin(counts: Any) -> EntropyEstimate:
    """Return the entropy of the empirical law, the maximum likelihood estimate.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of K cells; zeros are allowed and change nothing.

    Returns
    -------
    EntropyEstimate
        In nats. Its bias lies between -log(1 + (K - 1)/n) and 0 (Paninski 2003, Neural Computation
        15, 1191-1253).

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.

    Examples
    --------
    >>> from mlece.entropy_estimators import plugin
    >>> round(plugin([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    1.968382408728
    """
    c, n = _counted(counts)
    return _discrete_estimate(c, n, _plug_in(c, n), "plug-in")


def miller_madow(counts: Any) -> EntropyEstimate:
    """Return the plug-in estimate plus (m - 1)/(2n), m the number of cells seen.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of K cells.

    Returns
    -------
    EntropyEstimate
        In nats.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.

    Notes
    -----
    Miller (1955), Note on the bias of information estimates.

    Examples
    --------
    >>> from mlece.entropy_estimators import miller_madow
    >>> round(miller_madow([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.152592935044
    """
    c, n = _counted(counts)
    seen = (c > 0).sum(axis=-1)
    value = _plug_in(c, n) + (seen - 1) / (2 * n[..., 0])
    return _discrete_estimate(c, n, value, "Miller-Madow")


def _zhang(c: Array, n: Array) -> Array:
    # digamma(0) never enters: an empty cell has weight 0.
    inner = digamma(n) - digamma(np.where(c > 0, c, 1.0))
    return np.asarray((c / n * inner).sum(axis=-1))


def zhang(counts: Any) -> EntropyEstimate:
    """Return sum (c/n)(ψ(n) - ψ(c)), whose bias falls exponentially in n.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of K cells.

    Returns
    -------
    EntropyEstimate
        In nats.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.

    Notes
    -----
    Zhang (2012), Neural Computation 24, 1368-1389.

    Examples
    --------
    >>> from mlece.entropy_estimators import zhang
    >>> round(zhang([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.170546674688
    """
    c, n = _counted(counts)
    return _discrete_estimate(c, n, _zhang(c, n), "Zhang")


def _log_series_tail(a: Array, n: Array) -> Array:
    """Return sum_{j >= 0} (1 - a)^(j + 1) / (n + j), for 0 < a <= 1.

    The integral (1/n) int e^(-u) x / (1 - x e^(-u/n)) du with x = 1 - a, by double-exponential
    quadrature in log u: good to 1e-15 for every a and n.
    """
    t = np.linspace(-4.2, 4.2, 641)
    weight = (8.4 / 640) * np.pi / 2 * np.cosh(t)
    u = np.exp(np.pi / 2 * np.sinh(t))
    with np.errstate(over="ignore", under="ignore"):
        factor = weight * u * np.exp(-u)
    least, x, size = a[..., None], (1 - a)[..., None], n[..., None]
    return np.asarray((factor * x / (least - x * np.expm1(-u / size))).sum(axis=-1) / n)


def chao_wang_jost(counts: Any) -> EntropyEstimate:
    """Return Zhang's estimate plus an estimate of its bias from singletons and doubletons.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of K cells; the number of cells seen may differ between rows.

    Returns
    -------
    EntropyEstimate
        In nats. Where every observation is a singleton the data bound the entropy from below only,
        and the note says so.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.

    Notes
    -----
    Chao, Wang and Jost (2013), Methods in Ecology and Evolution 4, 1091-1100, eq. (7). Their
    remainder (1 - A)^(1 - n) (-log A - sum_{r < n} (1 - A)^r / r) is the tail of a logarithmic
    series; it is integrated in a form that does not cancel.

    Examples
    --------
    >>> from mlece.entropy_estimators import chao_wang_jost
    >>> round(chao_wang_jost([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.197116039017
    """
    c, n = _counted(counts)
    total = n[..., 0]
    once = (c == 1).sum(axis=-1).astype(float)
    twice = (c == 2).sum(axis=-1).astype(float)
    # Without doubletons: A = 2 / ((n - 1)(f1 - 1) + 2).
    top = np.where(twice > 0, 2 * twice, 2.0)
    rare = np.where(twice > 0, once, np.maximum(once - 1, 0.0))
    a = top / ((total - 1) * rare + top)
    rest = once / total * _log_series_tail(a, total)
    note = ""
    if np.any((once == total) & (total > 1)):
        note = "every observation is a singleton: the entropy is not identified, read a lower bound"
    return _discrete_estimate(c, n, _zhang(c, n) + rest, "Chao-Wang-Jost", note)


# ---------------------------------------------------------------------------- the default


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


def _codes(values: Array, weights: Array | None) -> Array:
    """Return the counts of the distinct values."""
    _, code = np.unique(values, return_inverse=True)
    return np.bincount(code.ravel(), weights=weights).astype(float)


def estimate_entropy(values: Any, discrete: bool, weights: Any = None) -> EntropyEstimate:
    """Estimate the entropy of the law behind a sample by the default method for its kind.

    Parameters
    ----------
    values : array_like (n,)
        Observations; labels of any kind if ``discrete``.
    discrete : bool
        Whether the law has a mass function. False asks for a differential entropy.
    weights : array_like (n,), optional
        How often each value was seen.

    Returns
    -------
    EntropyEstimate
        In nats. Discrete: Chao-Wang-Jost. Continuous: Kozachenko-Leonenko with k = 5 (3 below 200
        observations). Continuous but rounded to a grid δ: Chao-Wang-Jost over the cells of the grid
        plus log δ, method "grid", as H_δ ≈ h - log δ (Cover and Thomas 2006, Theorem 8.3.1).

    Raises
    ------
    DataError
        If data of a density tie and there is no grid, or a grid too coarse (fewer than 8 cells
        filled) or too fine for its cells to be seen (their estimated coverage, 1 - singletons / n,
        below 0.8).

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropy_estimators import estimate_entropy
    >>> estimate_entropy(["a", "b", "a", "b"], discrete=True).method
    'Chao-Wang-Jost'
    >>> x = np.random.default_rng(1).standard_normal(5000)
    >>> rounded = estimate_entropy(x.round(1), discrete=False)
    >>> rounded.method, round(float(rounded.value), 1)
    ('grid', 1.4)
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise errors.DataError(errors.message("one sample, shape (n,)", f"shape {array.shape}"))
    if array.size == 0:
        raise errors.DataError(errors.message("at least one observation", "none"))
    frequency = None if weights is None else _frequencies(weights, array.size)
    if discrete:
        return chao_wang_jost(_codes(array, frequency))
    x = finite(array)
    if frequency is not None:
        x = np.repeat(x, frequency.astype(np.intp))
    found = ties(x)
    if found.fraction == 0:
        return kozachenko_leonenko(x, 3 if x.size < FEW else 5)
    return _on_grid(x, found)


def _on_grid(x: Array, found: Ties) -> EntropyEstimate:
    """Estimate a differential entropy from rounded data, where the rounding allows it."""
    cells = _codes(found.record(x), None)
    coverage = 1.0 - float((cells == 1).sum()) / x.size
    if found.grid is None or found.distinct < GRID_CELLS or coverage < GRID_COVERAGE:
        grid = "no common grid" if found.grid is None else f"a grid of {found.grid:g}"
        raise errors.DataError(
            errors.message(
                "observations of a density without ties, or rounded to a grid that at least "
                f"{GRID_CELLS} filled cells with a coverage of {GRID_COVERAGE:g} describe",
                f"{found.fraction:.3g} of the observations tied, {grid}, {found.distinct} distinct "
                f"values, coverage {coverage:.3g}",
                "Ask for discrete=True if the values are a discrete law, or round the data further",
            )
        )
    over_cells = chao_wang_jost(cells)
    return replace(
        over_cells,
        value=over_cells.value + float(np.log(found.grid)),
        method="grid",
        note=f"data rounded to {found.grid:.6g}: entropy of the cells plus the log of their width",
    )
