"""Entropy of a discrete law from counts: estimators without a prior.

Counts are (..., K): every leading axis is a batch. Zeros are cells that were not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.estimate import EntropyEstimate, plain
from mlece.entropies.ties import finite
from mlece.math import Array, digamma, expm1, log, log1p, xlogy

SINGLETONS = "every observation is a singleton: the entropy is not identified, read a lower bound"

# ---------------------------------------------------------------------------- what all share


def counted(counts: Any, cells: int | None = None) -> tuple[Array, Array]:
    """Validate counts and return them with their totals.

    Parameters
    ----------
    counts : array_like (..., K)
    cells : int, optional
        Number of cells, K or more: cells beyond the K are appended empty.

    Returns
    -------
    counts : array (..., cells)
    totals : array (..., 1)

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.
    """
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
    if cells is not None:
        more = check_cells(c, cells) - c.shape[-1]
        c = np.concatenate([c, np.zeros((*c.shape[:-1], more))], axis=-1)
    return c, n


def check_cells(c: Array, cells: int | None) -> int:
    """Return the number of cells: those of the counts (..., K), or more."""
    if cells is None:
        return int(c.shape[-1])
    if cells < c.shape[-1]:
        raise errors.ParameterError(
            errors.message(f"at least the {c.shape[-1]} cells of the counts", f"{cells}")
        )
    return cells


def _more_than_one(n: Array, method: str) -> None:
    single = n[..., 0] < 2
    if single.any():
        raise errors.DataError(
            errors.message(
                f"at least two observations for {method}",
                errors.offenders(single, n[..., 0]),
                'One observation: method="plug-in" gives 0',
            )
        )


def law_moments(law: Array) -> tuple[Array, Array]:
    """Return entropy and varentropy of probability vectors (..., K), each (...)."""
    surprise = -log(np.where(law > 0, law, 1.0))
    mean = (law * surprise).sum(axis=-1, keepdims=True)
    return mean[..., 0], (law * np.square(surprise - mean)).sum(axis=-1)


def standard_error(law: Array, n: Array) -> Array:
    """Return sqrt(V / n + (K - 1) / (2 n²)) for estimates of the entropy of laws (..., K).

    V is the varentropy, K the number of cells with mass. The second term is all there is where the
    law is uniform: 2 n (log K - H) is then chi-squared with K - 1 degrees of freedom.
    """
    cells = (law > 0).sum(axis=-1)
    return np.asarray(np.sqrt(law_moments(law)[1] / n + (cells - 1) / (2.0 * np.square(n))))


def discrete_estimate(
    c: Array, n: Array, value: Array, method: str, se: Array | None = None
) -> EntropyEstimate:
    """Attach the standard error, that of the empirical law if none is given, and the note."""
    total = n[..., 0]
    if se is None:
        se = standard_error(c / n, total)
    return EntropyEstimate(
        plain(value + 0.0), plain(se), method, plain(total), "nats", singletons(c, total)
    )


def singletons(c: Array, n: Array) -> str:
    """Return a note if in any row of counts (..., K) every one of n > 1 observations is alone."""
    return SINGLETONS if ((c <= 1).all(axis=-1) & (n > 1)).any() else ""


# ---------------------------------------------------------------------------- the estimators


def _plug_in(c: Array, n: Array) -> Array:
    return np.asarray((log(n) - xlogy(c, c).sum(axis=-1, keepdims=True) / n)[..., 0])


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

    Notes
    -----
    The standard error, here and below, is sqrt(V/n + (m - 1)/(2n²)) with V the varentropy of the
    empirical law and m the number of cells seen: two terms of the variance of this estimate
    (Harris 1975, The statistical estimation of entropy in the non-parametric case).

    Examples
    --------
    >>> from mlece.entropies.entropy_estimators import plugin
    >>> round(plugin([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    1.968382408728
    """
    c, n = counted(counts)
    return discrete_estimate(c, n, _plug_in(c, n), "plug-in")


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
    >>> from mlece.entropies.entropy_estimators import miller_madow
    >>> round(miller_madow([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.152592935044
    """
    c, n = counted(counts)
    seen = (c > 0).sum(axis=-1)
    value = _plug_in(c, n) + (seen - 1) / (2 * n[..., 0])
    return discrete_estimate(c, n, value, "Miller-Madow")


def jackknife(counts: Any) -> EntropyEstimate:
    """Return n H - (n - 1) times the mean of H with one observation left out, H the plug-in.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of K cells, two observations or more.

    Returns
    -------
    EntropyEstimate
        In nats.

    Raises
    ------
    DataError
        If an entry is no count, or a row holds fewer than two observations.

    Notes
    -----
    Zahl (1977), Ecology 58, 907-913; Burnham and Overton (1978), Biometrika 65, 625-633.

    Examples
    --------
    >>> from mlece.entropies.entropy_estimators import jackknife
    >>> round(jackknife([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.23127431418
    """
    c, n = counted(counts)
    _more_than_one(n, "the jackknife")
    less = np.maximum(c - 1, 0.0)
    rest = xlogy(c, c).sum(axis=-1, keepdims=True) - xlogy(c, c) + xlogy(less, less)
    without = log(n - 1) - rest / (n - 1)
    total = n[..., 0]
    value = total * _plug_in(c, n) - (total - 1) * (c / n * without).sum(axis=-1)
    return discrete_estimate(c, n, value, "jackknife")


def _weighted(c: Array, n: Array, gain: Array) -> Array:
    """Return log n - sum (c/n) g(c); the gain of an empty cell has weight 0."""
    return np.asarray((log(n) - (c / n * gain).sum(axis=-1, keepdims=True))[..., 0])


def _parity(c: Array) -> Array:
    return np.where(np.mod(c, 2) == 0, 1.0, -1.0)


def grassberger_psi(counts: Any) -> EntropyEstimate:
    """Return log n - sum (c/n) ψ(c): Grassberger's estimate of 1988 without its last term.

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
    Grassberger (1988), Physics Letters A 128, 369-373. Packages call this form, the one of
    ``grassberger_1988`` and the one of ``grassberger_2003`` by the same name; they differ by
    several per cent in small samples.

    Examples
    --------
    >>> from mlece.entropies.counts import grassberger_psi
    >>> round(grassberger_psi([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.197093240559
    """
    c, n = counted(counts)
    return discrete_estimate(
        c, n, _weighted(c, n, digamma(np.maximum(c, 1.0))), "Grassberger, ψ alone"
    )


def grassberger_1988(counts: Any) -> EntropyEstimate:
    """Return sum (c/n)(log n - ψ(c) - (-1)^c / (c + 1)).

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
    Grassberger (1988), Physics Letters A 128, 369-373.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.counts import grassberger_1988
    >>> round(grassberger_1988([1]).value - np.euler_gamma, 12)  # log 1 - ψ(1) + 1/2
    0.5
    """
    c, n = counted(counts)
    gain = digamma(np.maximum(c, 1.0)) + _parity(c) / (c + 1)
    return discrete_estimate(c, n, _weighted(c, n, gain), "Grassberger 1988")


def grassberger_2003(counts: Any) -> EntropyEstimate:
    """Return log n - sum (c/n) G(c), G(c) = ψ(c) + ½(-1)^c [ψ((c + 1)/2) - ψ(c/2)].

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
    Grassberger (2003), Entropy estimates from insufficient samplings, arXiv physics/0307138.

    Examples
    --------
    >>> from mlece.entropies.counts import grassberger_2003
    >>> round(grassberger_2003([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.144626386031
    """
    c, n = counted(counts)
    seen = np.maximum(c, 1.0)
    gain = digamma(seen) + 0.5 * _parity(seen) * (digamma((seen + 1) / 2) - digamma(seen / 2))
    return discrete_estimate(c, n, _weighted(c, n, gain), "Grassberger 2003")


def chao_shen(counts: Any) -> EntropyEstimate:
    """Return the Horvitz-Thompson sum -C p log(C p) / (1 - (1 - C p)^n) with coverage C = 1 - f1/n.

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
    Chao and Shen (2003), Environmental and Ecological Statistics 10, 429-443. Where every one of
    n > 1 observations is a singleton the coverage is taken as 1/n, as the R package entropy does.

    Examples
    --------
    >>> from mlece.entropies.counts import chao_shen
    >>> round(chao_shen([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.20113710128
    """
    c, n = counted(counts)
    once = (c == 1).sum(axis=-1, keepdims=True)
    law = (1 - np.where(once == n, n - 1, once) / n) * c / n
    inside = (law > 0) & (law < 1)
    p = np.where(inside, law, 0.5)
    terms = np.where(inside, p * log(p) / expm1(n * log1p(-p)), 0.0)
    return discrete_estimate(c, n, terms.sum(axis=-1), "Chao-Shen")


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
    >>> from mlece.entropies.entropy_estimators import zhang
    >>> round(zhang([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.170546674688
    """
    c, n = counted(counts)
    return discrete_estimate(c, n, _zhang(c, n), "Zhang")


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
    >>> from mlece.entropies.entropy_estimators import chao_wang_jost
    >>> round(chao_wang_jost([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.197116039017
    """
    c, n = counted(counts)
    total = n[..., 0]
    once = (c == 1).sum(axis=-1).astype(float)
    twice = (c == 2).sum(axis=-1).astype(float)
    # Without doubletons: A = 2 / ((n - 1)(f1 - 1) + 2).
    top = np.where(twice > 0, 2 * twice, 2.0)
    rare = np.where(twice > 0, once, np.maximum(once - 1, 0.0))
    a = top / ((total - 1) * rare + top)
    rest = once / total * _log_series_tail(a, total)
    return discrete_estimate(c, n, _zhang(c, n) + rest, "Chao-Wang-Jost")
