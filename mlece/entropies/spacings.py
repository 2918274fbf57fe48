"""Differential entropies from the spacings of ordered samples, (..., n).

The window m is the nearest whole number to sqrt(n), but below n/2, unless it is given. Spacings see
one dimension; in heavy tails their bias falls slowly (nearest neighbours do better there), on an
interval van Es' estimate is the best there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.estimate import EntropyEstimate, plain
from mlece.entropies.ties import finite, untied
from mlece.math import Array, log


def _ordered(x: Any, window: int | None) -> tuple[Array, int, int]:
    """Return sorted samples (..., n) that do not tie, n, and the window."""
    values = finite(x)
    if values.ndim == 0:
        raise errors.DataError(errors.message("samples of shape (..., n)", "a number"))
    n = values.shape[-1]
    if n < 3:
        raise errors.DataError(errors.message("at least three observations", f"{n}"))
    m = min(int(np.sqrt(n) + 0.5), (n - 1) // 2) if window is None else window
    if not 1 <= m < n / 2:
        raise errors.ParameterError(
            errors.message(f"a window from 1 to {(n - 1) // 2}, below half of {n}", repr(window))
        )
    return untied(np.sort(values, axis=-1)), n, m


def _windows(x: Array, m: int) -> Array:
    """Return the samples with their ends repeated m times on either side."""
    edges = [(0, 0)] * (x.ndim - 1) + [(m, m)]
    return np.pad(x, edges, mode="edge")


def _surprise(x: Array, m: int) -> Array:
    """Return -log of the density at sorted samples, as Ebrahimi et al. (1994) estimate it.

    A window of 2m steps has m + i - 1 in the i-th place from an end, i <= m.
    """
    n = x.shape[-1]
    place = np.arange(n)
    steps = m + np.minimum(np.minimum(place, n - 1 - place), m)
    padded = _windows(x, m)
    return np.asarray(log(padded[..., 2 * m :] - padded[..., : -2 * m]) + log(n / steps))


def _estimate(value: Array, x: Array, method: str, m: int) -> EntropyEstimate:
    """Attach the standard error sqrt(V/n), V the variance of -log density at the sample."""
    n = x.shape[-1]
    se = np.sqrt(_surprise(x, m).var(axis=-1) / n)
    return EntropyEstimate(plain(value), plain(se), f"{method}, m = {m}", n)


def vasicek(x: Any, window: int | None = None) -> EntropyEstimate:
    """Return mean log n (x_(i+m) - x_(i-m)) / 2m, order statistics beyond the ends at the ends.

    Parameters
    ----------
    x : array_like (..., n)
        Batches of samples.
    window : int, optional
        m, from 1 to below n/2; the nearest whole number to sqrt(n) if not given.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is sqrt(variance of Ebrahimi's terms / n).

    Raises
    ------
    DataError
        If values are not finite or tie, or there are fewer than three.
    ParameterError
        If the window is out of range.

    Notes
    -----
    Vasicek (1976), Journal of the Royal Statistical Society B 38, 54-59.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.spacings import vasicek
    >>> x = np.random.RandomState(0).standard_normal(100)
    >>> round(vasicek(x).value, 12)
    1.342551187001
    """
    ordered, n, m = _ordered(x, window)
    padded = _windows(ordered, m)
    terms = log(padded[..., 2 * m :] - padded[..., : -2 * m])
    return _estimate(terms.mean(axis=-1) + np.log(n / (2 * m)), ordered, "Vasicek", m)


def van_es(x: Any, window: int | None = None) -> EntropyEstimate:
    """Return mean log (n + 1)(x_(i+m) - x_(i)) / m + sum_{j=m..n} 1/j + log m/(n + 1).

    Parameters
    ----------
    x : array_like (..., n)
        Batches of samples.
    window : int, optional
        m, from 1 to below n/2; the nearest whole number to sqrt(n) if not given.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is sqrt(variance of Ebrahimi's terms / n).

    Raises
    ------
    DataError
        If values are not finite or tie, or there are fewer than three.
    ParameterError
        If the window is out of range.

    Notes
    -----
    Van Es (1992), Scandinavian Journal of Statistics 19, 61-72.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.spacings import van_es
    >>> x = np.random.default_rng(0).random((2, 1000))
    >>> bool(np.abs(van_es(x).value).max() < 0.02)
    True
    """
    ordered, n, m = _ordered(x, window)
    terms = log(ordered[..., m:] - ordered[..., :-m])
    # The factors (n + 1)/m within the logarithms and m/(n + 1) behind them cancel.
    value = terms.mean(axis=-1) + (1 / np.arange(m, n + 1)).sum()
    return _estimate(value, ordered, "van Es", m)


def ebrahimi(x: Any, window: int | None = None) -> EntropyEstimate:
    """Return Vasicek's estimate with narrower windows counted as such at the ends.

    Parameters
    ----------
    x : array_like (..., n)
        Batches of samples.
    window : int, optional
        m, from 1 to below n/2; the nearest whole number to sqrt(n) if not given.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is sqrt(variance of Ebrahimi's terms / n).

    Raises
    ------
    DataError
        If values are not finite or tie, or there are fewer than three.
    ParameterError
        If the window is out of range.

    Notes
    -----
    Ebrahimi, Pflughoeft and Soofi (1994), Statistics and Probability Letters 20, 225-234.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.spacings import ebrahimi
    >>> x = np.random.default_rng(0).standard_normal((20, 1000))
    >>> round(float(ebrahimi(x).value.mean()), 1)  # (1 + log 2π)/2 = 1.42
    1.4
    """
    ordered, _, m = _ordered(x, window)
    return _estimate(_surprise(ordered, m).mean(axis=-1), ordered, "Ebrahimi", m)


def correa(x: Any, window: int | None = None) -> EntropyEstimate:
    """Return the mean of -log of slopes of i/n on x_(i), fitted in windows of 2m + 1.

    Parameters
    ----------
    x : array_like (..., n)
        Batches of samples.
    window : int, optional
        m, from 1 to below n/2; the nearest whole number to sqrt(n) if not given.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is sqrt(variance of Ebrahimi's terms / n).

    Raises
    ------
    DataError
        If values are not finite or tie, or there are fewer than three.
    ParameterError
        If the window is out of range.

    Notes
    -----
    Correa (1995), Communications in Statistics, Theory and Methods 24, 2439-2449. The slopes are
    summed step by step, so that memory is that of a few copies of the data.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.spacings import correa
    >>> x = np.random.default_rng(0).standard_normal((20, 1000))
    >>> round(float(correa(x).value.mean()), 1)  # (1 + log 2π)/2 = 1.42
    1.4
    """
    ordered, n, m = _ordered(x, window)
    width = ordered[..., -1:] - ordered[..., :1]
    # In units of the range squares neither overflow nor vanish.
    padded = _windows((ordered - ordered[..., :1]) / width, m)
    shifts = [padded[..., j : j + n] for j in range(2 * m + 1)]
    centre = sum(shifts) / (2 * m + 1)
    cross, square = np.zeros_like(ordered), np.zeros_like(ordered)
    for j, moved in enumerate(shifts):
        away = moved - centre
        cross += (j - m) * away
        square += away**2
    value = (log(n * square / cross) + log(width)).mean(axis=-1)
    return _estimate(value, ordered, "Correa", m)
