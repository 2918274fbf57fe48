"""Meats of the sandwich for scores of a regression: HC0 to HC4, clusters, autocorrelation.

With s_i the score of observation i at the estimate and J the total information, the covariance of the
estimate is J⁻¹ M J⁻¹. These functions return M, the estimated variance of Σ s_i: a sum over the sample,
which divided by its total weight is the B of :mod:`mlece.fits.covariance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.regression.dependence import (
    cluster_codes,
    grouped,
    lag_width,
    lagged,
    over_ways,
    sequence,
)

KINDS = ("HC0", "HC1", "HC2", "HC3", "HC4")
# From here on 1 − h has lost half of its digits, and so has the residual above it.
_FULL = 1.0 - float(np.sqrt(np.finfo(float).eps))
# Sums of rounded terms differ by less, relative to the terms.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ClusteredMeat:
    """The meat for one or more ways of clustering.

    Attributes
    ----------
    matrix : array (k, k)
        Estimated variance of the sum of the scores.
    counts : tuple of int
        Number of clusters of each way.
    indefinite : bool
        Whether the matrix has a negative eigenvalue beyond rounding, as the difference of several ways
        may have: then it is no covariance, and some linear combination of the estimates has a negative
        variance. It is returned as it is.
    """

    matrix: Array
    counts: tuple[int, ...]
    indefinite: bool


def heteroscedastic(
    score: Array,
    kind: str = "HC0",
    *,
    leverage: Array | None = None,
    weights: Array | None = None,
    weighting: str = "frequency",
    columns: Array | slice | None = None,
) -> Array:
    """Return the meat for independent observations, in one of five forms.

    Parameters
    ----------
    score : array (n, k)
        Score of each observation, without its weight. A mean other than zero is not taken away.
    kind : {"HC0", "HC1", "HC2", "HC3", "HC4"}
        By what the squared residual of an observation of leverage h is multiplied: 1; n/(n − p);
        1/(1 − h); 1/(1 − h)²; 1/(1 − h)^min(4, h/h̄).
    leverage : array (n,), optional
        Diagonal of the hat matrix of the last weighted least-squares step, of one observation (not of
        its w copies); with sampling weights these are part of the least-squares weights. For HC2 to
        HC4.
    weights : array (n,), optional
        How often an observation was made or, as sampling weights, how many it stands for.
    weighting : {"frequency", "sampling"}
        Frequency weights count w s sᵀ and n = Σ w; sampling weights w² s sᵀ and n rows of positive
        weight.
    columns : array of int or slice, optional
        The p columns of the score that belong to the regression coefficients, to which the residual
        and the leverage belong; the others are left as they are. All by default.

    Returns
    -------
    array (k, k)
        Positive semidefinite.

    Raises
    ------
    NotRegularError
        If an observation has leverage 1 (1 − h below 1.5e-8) and a score that is not 0: it is fitted
        by a parameter of its own, and its residual says nothing of its variance. R's sandwich warns
        there and divides; an observation with score 0 adds nothing, here and there.
    DataError
        If the leverage is missing or no number in [0, 1], or there are no more observations than
        coefficients for HC1.
    UnknownNameError
        For another kind.

    Notes
    -----
    White (1980), Econometrica 48, 817-838 (HC0); MacKinnon and White (1985), J. Econometrics 29, 305-325
    (HC1 to HC3); Cribari-Neto (2004), Computational Statistics & Data Analysis 45, 215-233 (HC4).

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.meat import heteroscedastic
    >>> heteroscedastic(np.array([[1.0], [-2.0], [1.0]]), "HC1")
    array([[9.]])
    """
    if kind not in KINDS:
        raise errors.unknown_name("heteroscedasticity-consistent covariance", kind, KINDS)
    s = _scores(score)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, dtype=float)
    at = slice(None) if columns is None else columns
    count = w if weighting == "frequency" else (w > 0).astype(float)
    factor = inflation(kind, np.all(s == 0, axis=1), leverage, count, s[:1, at].shape[1])
    share = w if weighting == "frequency" else w * w
    scaled = np.sqrt(share)[:, None] * s
    scaled[:, at] *= np.sqrt(factor)[:, None]
    return np.asarray(scaled.T @ scaled)


def _scores(score: Array) -> Array:
    s = np.asarray(score, dtype=float)
    if s.ndim != 2:
        raise errors.DataError(
            errors.message("scores as a table, a row for each observation", f"shape {s.shape}")
        )
    return s


def inflation(kind: str, silent: Array, leverage: Array | None, count: Array, p: int) -> Array:
    """Return the factor of the squared residual of each observation, (..., n).

    Parameters
    ----------
    kind : {"HC0", "HC1", "HC2", "HC3", "HC4"}
    silent : array of bool (..., n)
        Whether the score of an observation is 0, so that it adds nothing, whatever its factor.
    leverage : array (..., n) or None
    count : array (..., n)
        How often an observation was made.
    p : int
        Number of coefficients.

    Returns
    -------
    array (..., n)
        NaN for the members of a batch to which an error applies that does not apply to all of them.

    Raises
    ------
    NotRegularError, DataError
        As in :func:`heteroscedastic`, where it applies to every member.
    """
    shape = np.broadcast_shapes(silent.shape, count.shape)
    n = count.sum(axis=-1, keepdims=True, dtype=float)
    if kind == "HC0":
        return np.ones(shape)
    if kind == "HC1":
        if (n <= p).all():
            raise errors.DataError(
                errors.message(
                    f"more observations than the {p} coefficients for HC1",
                    f"{n.max():g}",
                    "Use HC0",
                )
            )
        with np.errstate(divide="ignore"):
            return np.broadcast_to(np.where(n > p, n / (n - p), np.nan), shape)
    h = _leverages(leverage, kind, shape)
    silent = silent | (count == 0)
    own = (h > _FULL) & ~silent
    lost = own.any(axis=-1, keepdims=True)
    if lost.all():
        first = (0,) * (own.ndim - 1)
        raise errors.NotRegularError(
            errors.message(
                f"leverages below 1 for {kind}",
                errors.offenders(own[first], h[first]),
                f"Row {int(np.argmax(own[first]))} is fitted by a coefficient of its own; "
                "HC0 and HC1 are defined there",
            )
        )
    power: Array | float = {"HC2": 1.0, "HC3": 2.0}.get(kind, 0.0)
    if kind == "HC4":
        power = np.minimum(4.0, h / ((count * h).sum(axis=-1, keepdims=True) / n))
    spare = 1.0 - np.where(silent | lost, 0.0, h)
    return np.where(lost, np.nan, np.where(silent, 1.0, spare**-power))


def _leverages(leverage: Array | None, kind: str, shape: tuple[int, ...]) -> Array:
    n = shape[-1]
    if leverage is None:
        raise errors.DataError(
            errors.message(f"the leverage of each observation for {kind}", "none")
        )
    h = np.asarray(leverage, dtype=float)
    if h.shape != shape:
        raise errors.DataError(
            errors.message(f"one leverage for each of {n} observations", f"shape {h.shape}")
        )
    bad = ~((h >= -_ROUNDING) & (h <= 1.0 + _ROUNDING))
    if bad.any():
        raise errors.DataError(errors.message("leverages in [0, 1]", errors.offenders(bad, h)))
    return h


def clustered(
    score: Array,
    clusters: Any,
    *,
    weights: Array | None = None,
    weighting: str = "frequency",
    correction: str = "full",
    parameters: int | None = None,
) -> ClusteredMeat:
    """Return the meat for observations that depend on each other within clusters.

    Parameters
    ----------
    score : array (n, k)
        Score of each observation, without its weight.
    clusters : array_like (n,) or (n, d), or tuple of d array_like (n,)
        Labels; for d ways observations are independent that share a cluster in none of them.
    weights : array (n,), optional
        The copies of an observation, or those it stands for, belong to one cluster.
    weighting : {"frequency", "sampling"}
        N is Σ w for frequency weights, the rows of positive weight for sampling weights.
    correction : {"full", "clusters", "none"}
        Finite-sample factor of each way and of each of their intersections: G/(G − 1) · (N − 1)/(N − K)
        (statsmodels with ``use_correction=True``, its default; R's sandwich for ``lm``, and with
        ``type="HC1"``), G/(G − 1) (R's ``vcovCL`` for other models: ``cadjust=TRUE``), or 1. G counts
        the clusters of that way or intersection.
    parameters : int, optional
        K, by default the number of columns of the score.

    Returns
    -------
    ClusteredMeat

    Raises
    ------
    DataError
        If clusters are missing, of the wrong length, or all alike.
    UnknownNameError
        For another correction.

    Notes
    -----
    One way: Liang and Zeger (1986), Biometrika 73, 13-22. Several: the sum over ways less that over
    their intersections in pairs, plus that in threes, and so on: Cameron, Gelbach and Miller (2011),
    J. Business & Economic Statistics 29, 238-249.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.meat import clustered
    >>> s = np.array([[1.0], [2.0], [-3.0]])
    >>> clustered(s, ["a", "a", "b"], correction="none").matrix
    array([[18.]])
    """
    s = _scores(score)
    ways = cluster_codes(clusters, len(s))
    w = None if weights is None else np.asarray(weights, dtype=float)
    if w is not None and not w.all():
        # A cluster of no weight is no cluster.
        seen = w > 0
        s, w = s[seen], w[seen]
        ways = cluster_codes(tuple(codes[seen] for codes in ways), len(s))
    rows = float(len(s)) if w is None or weighting == "sampling" else float(w.sum())
    k = s.shape[1] if parameters is None else parameters

    def summed(codes: Array) -> tuple[Array, int]:
        weighted = s if w is None else w[:, None] * s
        return grouped(weighted, codes)[1], int(codes.max()) + 1

    total, indefinite = over_ways(summed, ways, rows, k, correction)
    return ClusteredMeat(total, tuple(int(codes.max()) + 1 for codes in ways), bool(indefinite))


def newey_west(
    score: Array,
    lags: int | None = None,
    *,
    order: Any = None,
    weights: Array | None = None,
    correction: bool = False,
    parameters: int | None = None,
) -> Array:
    """Return the meat for observations in order, the nearer the more dependent.

    Parameters
    ----------
    score : array (n, k)
        Score of each observation, without its weight, equally spaced in time.
    lags : int, optional
        L: scores that lie l ≤ L apart count with the weight 1 − l/(L + 1). By default
        :func:`mlece.regression.dependence.automatic_lags`; 0 is HC0.
    order : array_like (n,), optional
        Times, all different; by default the observations are in order as they come.
    weights : array (n,), optional
        Sampling weights. Copies of an observation have no order among themselves, so that frequency
        weights have no meaning here.
    correction : bool
        Multiply by n/(n − K): ``use_correction`` of statsmodels, ``adjust`` of R's ``NeweyWest``, both
        off by default.
    parameters : int, optional
        K, by default the number of columns of the score.

    Returns
    -------
    array (k, k)
        Positive semidefinite.

    Raises
    ------
    ParameterError
        If ``lags`` is not a whole number from 0 to n − 1.
    DataError
        If times tie, are missing or of the wrong number.

    Notes
    -----
    Newey and West (1987), Econometrica 55, 703-708.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.meat import newey_west
    >>> newey_west(np.array([[1.0], [1.0], [-2.0]]), lags=1)
    array([[5.]])
    """
    s = _scores(score)
    n = len(s)
    width = lag_width(lags, n)
    if weights is not None:
        s = s * np.asarray(weights, dtype=float)[:, None]
    if order is not None:
        s = s[sequence(order, n)]
    out = lagged([s], width)
    k = s.shape[1] if parameters is None else parameters
    return np.asarray(out * (n / (n - k)) if correction else out)
