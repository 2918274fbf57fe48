"""The distribution function that incomplete observations show by themselves, without a family.

Among all laws the likelihood of intervals is greatest for one that puts mass on a few innermost intervals
only, those that begin at the left end of one observation and stop at the right end of another with no end
between (Peto 1973, Turnbull 1976). Where every observation is exact or right-censored, their masses are
the product-limit estimate of Kaplan and Meier (1958), with delayed entry too; elsewhere they solve the
equations of self-consistency, here by Turnbull's algorithm (an EM algorithm) with the extrapolation of
Varadhan and Roland (2008, Scandinavian Journal of Statistics 35, 335-353).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlece.math import Array

_ENOUGH = 1e-9  # of the mean of the ratios that are 1 at the optimum (Lindsay 1983)
_MOST = 20_000


@dataclass(frozen=True)
class Nonparametric:
    """A law on points and intervals that maximises the likelihood of incomplete observations.

    Attributes
    ----------
    lower, upper : array (m,)
        Innermost intervals (lower, upper] in increasing order, equal ends for a point.
    mass : array (m,)
        Their probabilities, given that the observation exceeds every entry; they sum to less than 1
        where the last observations are censored.
    survival : array (m,)
        P(Y > upper) behind every interval.
    variance : array (m,) or None
        Greenwood's variance of log P(Y > upper), for right-censored data.
    excess : float
        Bound on how much the mean log-likelihood could still gain.
    """

    lower: Array
    upper: Array
    mass: Array
    survival: Array
    variance: Array | None
    excess: float


def nonparametric(values: Array, weights: Array | None = None) -> Nonparametric:
    """Return the nonparametric maximum likelihood estimate of a distribution function.

    Parameters
    ----------
    values : array (n, 3)
        Lower end, upper end and entry of each observation, as in :class:`mlece.sources.censoring.Censored`.
    weights : array (n,), optional
        How often each was observed.

    Returns
    -------
    Nonparametric

    References
    ----------
    Turnbull, B. W. (1976). The empirical distribution function with arbitrarily grouped, censored and
    truncated data. Journal of the Royal Statistical Society B 38, 290-295.
    Frydman, H. (1994). A note on nonparametric estimation of the distribution function from
    interval-censored and truncated observations. Journal of the Royal Statistical Society B 56, 71-74.

    Examples
    --------
    >>> import mlece
    >>> from mlece.refits.nonparametric import nonparametric
    >>> data = mlece.right_censored([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0])
    >>> nonparametric(data.values).survival.tolist()
    [0.75, 0.375]
    """
    w = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    values, w = values[w > 0], w[w > 0]
    lower, upper, _ = values.T
    if np.all((lower == upper) | (upper == np.inf)):
        return _product_limit(values, w)
    return _self_consistent(values, w)


def _product_limit(values: Array, w: Array) -> Nonparametric:
    """Kaplan and Meier's estimate; whoever entered later is not at risk before."""
    lower, upper, entry = values.T
    exact = lower == upper
    times, place = np.unique(lower[exact], return_inverse=True)
    events = np.bincount(place, w[exact], times.size)

    def beyond(at: Array) -> Array:
        """Weight of what lies at or beyond each time."""
        order = np.argsort(at)
        running = np.append(np.cumsum(w[order][::-1])[::-1], 0.0)
        return np.asarray(running[np.searchsorted(at[order], times, side="left")])

    # At risk: entered before, and neither dead nor lost before.
    risk = beyond(lower) - beyond(entry)
    with np.errstate(divide="ignore"):
        survival = np.cumprod(1.0 - events / risk)
        variance = np.cumsum(events / (risk * (risk - events)))
    mass = -np.diff(np.append(1.0, survival))
    return Nonparametric(times, times, mass, survival, variance, 0.0)


@dataclass(frozen=True)
class _Problem:
    """Observations as runs [start, stop) of innermost intervals, seen from [first, ...) on."""

    start: Array
    stop: Array
    first: Array
    w: Array

    def ratios(self, p: Array) -> tuple[Array, float]:
        """Return the factor by which Turnbull's algorithm multiplies each mass, and the log-likelihood."""
        below = np.append(0.0, np.cumsum(p))
        inside = below[self.stop] - below[self.start]
        seen = below[-1] - below[self.first]
        change = np.zeros(below.size)
        np.add.at(change, self.start, self.w / inside)
        np.add.at(change, self.stop, -self.w / inside)
        # The unseen that each observation stands for lie before its entry.
        change[0] += (self.w / seen).sum()
        np.add.at(change, self.first, -self.w / seen)
        ratio = np.cumsum(change)[:-1] / (self.w / seen).sum()
        return ratio, float(self.w @ (np.log(inside) - np.log(seen)))


def _self_consistent(values: Array, w: Array) -> Nonparametric:
    left, right, entry = _keys(values)
    cells = _innermost(left, right, entry)
    lower, upper = (np.array([c[j] for c in cells]) for j in (0, 1))
    problem = _Problem(
        np.searchsorted(lower, left, side="left"),
        np.searchsorted(upper, right, side="right"),
        np.searchsorted(lower, entry, side="left"),
        w / w.sum(),
    )
    p, excess = _turnbull(problem, np.full(lower.size, 1.0 / lower.size))
    points = _points(values)
    ends = points[lower // 3], points[upper // 3]
    survival = np.append(np.cumsum(p[::-1])[::-1], 0.0)[1:]
    return Nonparametric(*ends, p, survival, None, excess)


def _points(values: Array) -> Array:
    return np.unique(values)


def _keys(values: Array) -> tuple[Array, Array, Array]:
    """Number the ends so that order decides: [y first, then y] as an upper end, then (y."""
    at = np.searchsorted(_points(values), values) * 3
    exact = values[:, 0] == values[:, 1]
    return np.where(exact, at[:, 0], at[:, 0] + 2), at[:, 1] + 1, at[:, 2] + 2


def _innermost(left: Array, right: Array, entry: Array) -> list[tuple[int, int]]:
    """Return the left ends that are followed by a right end at once."""
    # An entry ends an interval too: mass may lie before it unseen (Frydman 1994).
    ends = np.unique(np.concatenate([right, entry[entry > entry.min()] - 1]))
    starts = np.unique(left)
    stop = ends[np.minimum(np.searchsorted(ends, starts), ends.size - 1)]
    following = np.append(starts[1:], np.iinfo(starts.dtype).max)
    found = (stop > starts) & (stop < following)
    return list(zip(starts[found].tolist(), stop[found].tolist(), strict=True))


def _turnbull(problem: _Problem, p: Array) -> tuple[Array, float]:
    """Iterate to self-consistency; the excess is the logarithm of the largest ratio."""
    ratio, value = problem.ratios(p)
    for _ in range(_MOST):
        if ratio.max() <= 1.0 + _ENOUGH:
            break
        one = p * ratio
        two = one * problem.ratios(one)[0]
        p, ratio, value = _extrapolated(p, one, two, value, problem.ratios)
    return p, float(np.log(max(ratio.max(), 1.0)))


def _extrapolated(
    p: Array, one: Array, two: Array, value: float, ratios: Callable[[Array], tuple[Array, float]]
) -> tuple[Array, Array, float]:
    """Go on along two steps, unless that leaves the simplex or lowers the likelihood."""
    first, bend = one - p, two - 2.0 * one + p
    size = float(np.sqrt((bend**2).sum()))
    if size > 0:
        reach = max(1.0, float(np.sqrt((first**2).sum())) / size)
        far = p + 2.0 * reach * first + reach**2 * bend
        if np.all(far >= 0):
            with np.errstate(all="ignore"):
                ratio, there = ratios(far / far.sum())
            if there >= value:
                return far / far.sum(), ratio, there
    return two, *ratios(two)
