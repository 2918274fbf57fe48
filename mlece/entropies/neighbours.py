"""Differential entropies from the distances to nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.estimate import EntropyEstimate, plain
from mlece.entropies.ties import finite, tied_error, untied
from mlece.math import Array, digamma, gammaln, log

_BLOCK = 2**18
DEPENDENT = "The differential entropy is minus infinity; drop the dependent columns"
CURVED = "Their differential entropy is minus infinity; use coordinates of the surface"
FEW = 200  # below this many observations the usual neighbour is the third, else the fifth


def kozachenko_leonenko(x: Any, k: int = 5, *, multivariate: bool = False) -> EntropyEstimate:
    """Estimate a differential entropy from the distances to the k-th nearest neighbours.

    Parameters
    ----------
    x : array_like
        Batches of samples in one dimension, (..., n); with ``multivariate`` one sample, (n, d).
    k : int
        Which neighbour; smaller has less bias, larger less variance.
    multivariate : bool
        Whether the last axis holds the coordinates of a point.

    Returns
    -------
    EntropyEstimate
        In nats; value and se have the batch shape.

    Raises
    ------
    DataError
        If values are not finite or tie, or n is not above k, or the points of a multivariate sample
        lie in a hyperplane or on a curved surface.
    ParameterError
        If k is below 1.

    Notes
    -----
    Kozachenko and Leonenko (1987), Problems of Information Transmission 23, 95-101; for general k
    Singh et al. (2003): mean log((n - 1) V_d ρ_k^d) - ψ(k). Several coordinates are whitened first.
    From d = 4 on the estimates for neighbours up to k are combined by the weights of Berrett,
    Samworth and Yuan (2019), Annals of Statistics 47, 288-318, eq. (2), of least norm. V is their
    variance estimate, the variance of the single terms. Efficient limit only if k grows with n; the
    bias is not in se.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.entropies.neighbours import kozachenko_leonenko
    >>> x = np.random.default_rng(0).standard_normal((2, 1000))
    >>> kozachenko_leonenko(x).value.round(4).tolist()
    [1.3591, 1.4574]
    """
    if k < 1:
        raise errors.ParameterError(errors.message("k from 1 on", repr(k)))
    values = finite(x)
    if values.ndim == 0 or (multivariate and values.ndim != 2):
        raise errors.DataError(
            errors.message("samples (..., n), or (n, d) with multivariate", f"shape {values.shape}")
        )
    n = values.shape[0] if multivariate else values.shape[-1]
    if n <= k:
        raise errors.DataError(
            errors.message(
                f"more than k = {k} observations",
                f"{n}",
                "Spacings (method='vasicek') serve short samples of one dimension",
            )
        )
    if multivariate:
        return _neighbours_in_space(values, k)
    rows = values.reshape(-1, n)
    height, spread = np.empty(len(rows)), np.empty(len(rows))
    stride = max(1, _BLOCK // n)
    for start in range(0, len(rows), stride):
        block = untied(np.sort(rows[start : start + stride], axis=1))
        terms = log(window_radius(block, k))
        height[start : start + stride] = terms.mean(axis=1)
        spread[start : start + stride] = terms.var(axis=1)
    value = (height + np.log(2.0 * (n - 1)) - digamma(k)).reshape(values.shape[:-1])
    se = np.sqrt(spread / n).reshape(values.shape[:-1])
    return EntropyEstimate(plain(value), plain(se), f"Kozachenko-Leonenko, k = {k}", n)


def window_radius(rows: Array, k: int) -> Array:
    """Return the distance to the k-th nearest neighbour in sorted rows (r, n).

    The k nearest of a point form a window of k + 1 sorted points that holds it; the radius is the
    least over the windows of the larger distance to their two ends.
    """
    n = rows.shape[1]
    padded = np.pad(rows, ((0, 0), (k, k)), constant_values=((0, 0), (-np.inf, np.inf)))
    best = np.full(rows.shape, np.inf)
    reach = np.empty(rows.shape)
    other = np.empty(rows.shape)
    for left in range(k + 1):
        np.subtract(rows, padded[:, k - left : k - left + n], out=reach)
        right = 2 * k - left
        np.subtract(padded[:, right : right + n], rows, out=other)
        np.maximum(reach, other, out=reach)
        np.minimum(best, reach, out=best)
    return best


def usual_neighbour(n: int, d: int = 1) -> int:
    """Return the neighbour that is used where none is named.

    The fifth, the third below 200 observations; where neighbours are weighted (from d = 4 on) ten
    for each bias term that the weights cancel, which keeps the weights small.
    """
    return 10 * (d // 4) if d >= 4 else 3 if n < FEW else 5


def whitened(points: Array, hint: str = DEPENDENT) -> tuple[Array, Array]:
    """Return points (n, d) with unit covariance, and the logs (d,) of the units of the axes.

    Each new coordinate is the residual of one old coordinate on those before it.

    Raises
    ------
    DataError
        If they lie in a hyperplane.
    """
    n, d = points.shape
    flat = errors.DataError(
        errors.message(
            "points that fill all dimensions", f"points in a hyperplane of the {d}", hint
        )
    )
    centred = points - points[0]
    reach = np.abs(centred).max(axis=0)
    if not (reach > 0).all():
        raise flat
    # In units of the range squares neither overflow nor vanish.
    centred /= reach
    centred -= centred.mean(axis=0)
    widths = centred.std(axis=0)
    centred /= widths
    try:
        factor = np.linalg.cholesky(centred.T @ centred / n)
    except np.linalg.LinAlgError:
        raise flat from None
    # A dependent column leaves rounding where its own part of the variance should be.
    if np.diag(factor).min() ** 2 < n * np.finfo(float).eps:
        raise flat
    white = np.linalg.solve(factor, centred.T).T
    return white, np.log(np.diag(factor)) + np.log(widths) + np.log(reach)


def fills_space(distance: Array, d: int, hint: str = CURVED) -> None:
    """Refuse points on a curved surface, told by how distances grow from first to second neighbour.

    Their ratio is a Pareto variable whose exponent is the dimension (Facco et al. 2017, Scientific
    Reports 7, 12140). Its lower quartile tells the exponent where clusters and heavy tails spoil
    the mean; four standard errors are allowed for. In many dimensions tails lower the quartile too:
    from four on only points of half the dimensions are refused.
    """
    ratio = np.log(distance[:, 1] / distance[:, 0])
    growth = float(np.quantile(ratio, 0.25)) / -np.log(0.75)
    allowed = 1 + 4 * np.sqrt(1 / 3) / (-np.log(0.75) * np.sqrt(len(ratio)))
    if growth * (d - 0.5 if d < 4 else d / 2) > allowed:
        raise errors.DataError(
            errors.message(
                f"points that fill all {d} dimensions",
                f"points on a surface of dimension about {1 / growth:.2g}, by the distances of their "
                "nearest neighbours",
                hint,
            )
        )


def _neighbours_in_space(points: Array, k: int) -> EntropyEstimate:
    from scipy.spatial import cKDTree

    n, d = points.shape
    white, units = whitened(points)
    distance = np.asarray(cKDTree(white).query(white, k=max(k, min(2, n - 1)) + 1)[0])[:, 1:]
    if (distance == 0).any():
        raise tied_error(distance[:, 0] == 0, points[:, 0])
    if d > 1 and distance.shape[1] > 1:
        fills_space(distance, d)
    order = np.arange(1, k + 1)
    volume = 0.5 * d * np.log(np.pi) - gammaln(1 + d / 2)
    terms = d * log(distance[:, :k]) + volume + np.log(n - 1.0) - digamma(order)
    single = terms @ _neighbour_weights(k, d)
    return EntropyEstimate(
        float(single.mean() + units.sum()),
        float(np.sqrt(terms[:, -1].var() / n)),
        f"Kozachenko-Leonenko, k = {k}" + (", weighted" if d >= 4 else ""),
        n,
    )


def _neighbour_weights(k: int, d: int) -> Array:
    """Return weights of the neighbours 1 to k that cancel the leading bias terms.

    Berrett, Samworth and Yuan (2019), eq. (2): sum w = 1, sum_j w_j Γ(j + 2l/d)/Γ(j) = 0 for l up
    to d/4.
    """
    orders = d // 4
    weights = np.zeros(k)
    if orders == 0:
        weights[-1] = 1.0
        return weights
    allowed = np.unique(np.floor(np.arange(1, d + 1) * k / d)).astype(int)
    allowed = allowed[allowed >= 1]
    if allowed.size <= orders:
        raise errors.ParameterError(
            errors.message(f"k of at least {orders + 1} in {d} dimensions", repr(k))
        )
    rows = [np.ones(allowed.size)]
    rows += [
        np.exp(gammaln(allowed + 2 * order / d) - gammaln(allowed))
        for order in range(1, orders + 1)
    ]
    target = np.zeros(orders + 1)
    target[0] = 1.0
    weights[allowed - 1] = np.linalg.lstsq(np.stack(rows), target, rcond=None)[0]
    return weights
