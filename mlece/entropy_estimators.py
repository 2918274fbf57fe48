"""Entropy of an unknown law from its observations, with a standard error.

Every estimator is batched: continuous data are (..., n), counts over K cells (..., K). Nothing here
bounds the entropy: for a density no estimator comes with a distribution-free lower bound, for
counts none beyond O(log n) (McAllester and Stratos 2020, AISTATS).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, xlogy

from mlece import errors
from mlece.math import Array, log, ndtri
from mlece.units import Units, nats_per_unit

FEW = 200  # below this many observations the default neighbour is the third, else the fifth
GRID_CELLS = 8  # a grid is fine enough for a density when the data fill at least this many cells
GRID_COVERAGE = 0.8  # ... and the cells seen hold at least this share of the mass
_BLOCK = 2**18


@dataclass(frozen=True)
class EntropyEstimate:
    """An estimate of an entropy.

    Parameters
    ----------
    value : float or array (...)
        The estimate.
    se : float or array (...)
        Its standard error, sqrt(V / n) with V an estimate of the variance of -log p(X). The bias of
        the estimator is not part of it.
    method : str
        Name of the estimator.
    n : int or array (...)
        Number of observations.
    units : str or float
        Units of ``value`` and ``se``.
    note : str
        What the reader must know beyond the numbers.
    """

    value: Any
    se: Any
    method: str
    n: Any
    units: Units = "nats"
    note: str = ""

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Return the normal interval value ± z se.

        Parameters
        ----------
        level : float
            Coverage aimed at, in (0, 1). With the nearest-neighbour estimator the coverage of a
            nominal 95 % interval is 0.76 to 0.91 at n = 100 and 0.88 to 0.97 at n = 1,000.

        Returns
        -------
        (lower, upper)
            In the shape of ``value``.

        Raises
        ------
        ParameterError
            If the level lies outside (0, 1).
        """
        if not 0 < level < 1:
            raise errors.ParameterError(errors.message("a level in (0, 1)", repr(level)))
        z = float(ndtri(0.5 + level / 2))
        return self.value - z * self.se, self.value + z * self.se

    def in_units(self, units: Units) -> EntropyEstimate:
        """Return the estimate in other units."""
        factor = nats_per_unit(self.units) / nats_per_unit(units)
        return replace(self, value=self.value * factor, se=self.se * factor, units=units)


def _plain(value: Array) -> Any:
    return value if np.ndim(value) else np.asarray(value).item()


# ---------------------------------------------------------------------------- ties and grids


@dataclass(frozen=True)
class Ties:
    """How far a sample repeats itself.

    Parameters
    ----------
    fraction : float
        Share of the observations that equal another one.
    distinct : int
        Number of different values.
    grid : float or None
        The largest δ of which all differences are multiples; None where there is none above the
        rounding of the numbers.
    """

    fraction: float
    distinct: int
    grid: float | None


def ties(x: Any) -> Ties:
    """Find repeated observations and the grid to which data were rounded.

    Parameters
    ----------
    x : array_like (n,)
        Observations.

    Returns
    -------
    Ties
        The share of tied observations and the grid.

    Raises
    ------
    DataError
        If a value is not finite or there is none.

    Notes
    -----
    The grid is the greatest common divisor of the differences by Euclid's algorithm, with
    remainders below 1e-6 of the divisor counted as zero.

    Examples
    --------
    >>> from mlece.entropy_estimators import ties
    >>> found = ties([1.2, 1.4, 1.2, 2.0])
    >>> found.fraction, found.distinct, round(found.grid, 12)
    (0.5, 3, 0.2)
    """
    values, counts = np.unique(_finite(x).ravel(), return_counts=True)
    tied = float(counts[counts > 1].sum() / counts.sum())
    return Ties(tied, values.size, _grid(values))


def _grid(values: Array) -> float | None:
    """Return the common divisor of the differences of sorted distinct values."""
    if values.size < 2:
        return None
    gaps = np.diff(values)
    floor = 1e-9 * max(float(np.abs(values).max()), float(values[-1] - values[0]))
    step = float(gaps.min())
    for _ in range(64):
        if step <= floor:
            return None
        rest = np.abs(gaps - step * np.round(gaps / step))
        left = rest > 1e-6 * step + floor * 1e-3
        if not left.any():
            # The whole range over its number of steps averages the rounding of single gaps.
            span = float(values[-1] - values[0])
            return span / float(np.round(span / step))
        step = float(rest[left].min())
    return None


def _finite(x: Any) -> Array:
    try:
        values = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        raise errors.DataTypeError(
            errors.message("numbers", f"{type(x).__name__}", "Labels need discrete=True")
        ) from None
    if values.size == 0:
        raise errors.DataError(errors.message("at least one observation", "none"))
    bad = ~np.isfinite(values)
    if bad.any():
        raise errors.DataError(errors.message("finite numbers", errors.offenders(bad, values)))
    return values


def _tied_error(repeated: Array, values: Array) -> errors.DataError:
    return errors.DataError(
        errors.message(
            "observations of a density, which never tie",
            f"equal values, {errors.offenders(repeated, values)} (sorted order)",
            "The data are discrete or rounded: use discrete=True, or estimate_entropy, which "
            "looks for the grid",
        )
    )


# ---------------------------------------------------------------------------- densities


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
        lie in a hyperplane.
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
    >>> from mlece.entropy_estimators import kozachenko_leonenko
    >>> x = np.random.default_rng(0).standard_normal((2, 1000))
    >>> kozachenko_leonenko(x).value.round(4).tolist()
    [1.3591, 1.4574]
    """
    if k < 1:
        raise errors.ParameterError(errors.message("k from 1 on", repr(k)))
    values = _finite(x)
    if values.ndim == 0 or (multivariate and values.ndim != 2):
        raise errors.DataError(
            errors.message("samples (..., n), or (n, d) with multivariate", f"shape {values.shape}")
        )
    n = values.shape[0] if multivariate else values.shape[-1]
    if n <= k:
        raise errors.DataError(errors.message(f"more than k = {k} observations", f"{n}"))
    if multivariate:
        return _neighbours_in_space(values, k)
    rows = values.reshape(-1, n)
    height, spread = np.empty(len(rows)), np.empty(len(rows))
    stride = max(1, _BLOCK // n)
    for start in range(0, len(rows), stride):
        block = np.sort(rows[start : start + stride], axis=1)
        repeated = np.diff(block, axis=1) == 0
        if repeated.any():
            raise _tied_error(repeated, block[:, 1:])
        terms = log(window_radius(block, k))
        height[start : start + stride] = terms.mean(axis=1)
        spread[start : start + stride] = terms.var(axis=1)
    value = (height + np.log(2.0 * (n - 1)) - digamma(k)).reshape(values.shape[:-1])
    se = np.sqrt(spread / n).reshape(values.shape[:-1])
    return EntropyEstimate(_plain(value), _plain(se), f"Kozachenko-Leonenko, k = {k}", n)


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


def _neighbours_in_space(points: Array, k: int) -> EntropyEstimate:
    from scipy.spatial import cKDTree

    n, d = points.shape
    centred = points - points.mean(axis=0)
    widths = centred.std(axis=0)
    try:
        if not (widths > 0).all():
            raise np.linalg.LinAlgError
        factor = np.linalg.cholesky((centred / widths).T @ (centred / widths) / n)
    except np.linalg.LinAlgError:
        raise errors.DataError(
            errors.message(
                "points that fill all dimensions",
                f"points in a hyperplane of the {d}",
                "The differential entropy is minus infinity; drop the dependent columns",
            )
        ) from None
    white = np.linalg.solve(factor, (centred / widths).T).T
    distance = np.asarray(cKDTree(white).query(white, k=k + 1)[0])[:, 1:]
    if (distance == 0).any():
        raise _tied_error(distance[:, 0] == 0, points[:, 0])
    order = np.arange(1, k + 1)
    volume = 0.5 * d * np.log(np.pi) - gammaln(1 + d / 2)
    terms = d * log(distance) + volume + np.log(n - 1.0) - digamma(order)
    weights = _neighbour_weights(k, d)
    stretch = float(np.sum(np.log(np.diag(factor))) + np.sum(np.log(widths)))
    single = terms @ weights
    return EntropyEstimate(
        float(single.mean() + stretch),
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


# ---------------------------------------------------------------------------- counts


def _counted(counts: Any) -> tuple[Array, Array]:
    """Validate counts (..., K); return them with their totals (..., 1)."""
    c = _finite(counts)
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
    return EntropyEstimate(_plain(value + 0.0), _plain(se), method, _plain(total), "nats", note)


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


def _series_tail(a: Array, n: Array) -> Array:
    """Return sum_{j >= 0} (1 - a)^(j + 1) / (n + j).

    As ∫ e^(-v) (1 - a) / (n (1 - (1 - a) e^(-v/n))) dv over v > 0, by the double-exponential rule
    v = exp(t - e^(-t)) of Takahasi and Mori (1974).
    """
    step = 1 / 16
    t = step * np.arange(-5.0 / step, 5.0 / step + 1)
    v = np.exp(t - np.exp(-t))
    weight = step * v * (1 + np.exp(-t)) * np.exp(-v)
    fine = v / n[..., None]
    below = a[..., None] * np.exp(-fine) - np.expm1(-fine)
    return np.asarray((1 - a) / n * (weight / below).sum(axis=-1))


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
    w = _finite(weights)
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
    x = _finite(array)
    if frequency is not None:
        x = np.repeat(x, frequency.astype(np.intp))
    found = ties(x)
    if found.fraction == 0:
        return kozachenko_leonenko(x, 3 if x.size < FEW else 5)
    return _on_grid(x, found)


def _on_grid(x: Array, found: Ties) -> EntropyEstimate:
    """Estimate a differential entropy from rounded data, where the rounding allows it."""
    cells = _codes(x, None)
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
