"""Two tests beside Vuong's: one that keeps its level for close models, one on signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.diagnostics.comparable import names_of
from mlece.diagnostics.vuong import Ratio, log_ratio, tally
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array, betainc, ndtr, ndtri
from mlece.randomness import stream

# Distances from degeneracy that are searched for the least favourable law, in units of √(tr V²).
_SIGMAS = np.linspace(0.0, 5.0, 51)
# How far above the normal quantile the critical value may lie (Shi 2015, section 4).
_SLACK = 0.1


@dataclass(frozen=True)
class Shi:
    """Whether one of two models is nearer to the truth, at every distance between them (Shi 2015).

    Attributes
    ----------
    value : float
        LR − Σλ/2: the difference of the log-likelihoods less its bias.
    statistic : float
        value / √(n ω² + c Σλ²).
    p_value : float
        Two-sided: the largest over all distances between the models.
    critical : float
        What |statistic| must exceed.
    constant : float
        c.
    n : float
        Number of observations.
    level : float
        Level at which the verdict decides, as a confidence level.
    """

    value: Any
    statistic: Any
    p_value: Any
    critical: Any
    constant: Any
    n: Any
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> Any:
        """Return "first", "second" or "tied"."""
        nearer = np.where(np.asarray(self.value) > 0, "first", "second")
        out = np.where(np.abs(self.statistic) > np.asarray(self.critical), nearer, "tied")
        return out if out.ndim else out.item()

    def __str__(self) -> str:
        one, two = self.names
        if np.ndim(self.value):
            return f"Shi's test of {one} against {two}: {tally(self.verdict)}."
        tails = {
            "first": f"{one} is nearer to the truth.",
            "second": f"{two} is nearer to the truth.",
            "tied": "no evidence that either is nearer to the truth.",
        }
        return (
            f"{one} against {two}: corrected LR = {self.value:.4g}, T = {self.statistic:.3f} "
            f"(critical value {self.critical:.3f}), p = {self.p_value:.3g} (n = {self.n:g}): "
            + tails[self.verdict]
        )


def shi(first: Fit, second: Fit, *, level: float = 0.95, draws: int = 10_000, rng: Any = 0) -> Shi:
    """Test whether two models are equally far from the truth, however close to each other they are.

    Parameters
    ----------
    first, second : Fit
        Fits to the same data; batches of the same shape are tested member by member.
    level : float
        Confidence level of the verdict.
    draws : int
        Simulations of the limit law behind the critical value.
    rng : int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Shi

    Raises
    ------
    ComparisonError
        If the data, their weights or the dominating measures differ.
    NotRegularError
        If an estimate is not regular, so that its scores have no normal limit.

    Notes
    -----
    Shi (2015), Quantitative Economics 6, 85-121. Vuong's z is normal only where the models are well
    apart; close to each other its numerator has bias Σλ/2 and its denominator vanishes. Here the bias
    is removed, the denominator carries c Σλ², and the critical value is the largest quantile of the limit
    law over all distances. c is the least that brings this quantile within 0.1 of the normal one.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> gamma, lognormal = (mlece.fit(m, beef.values) for m in ("gamma", "lognormal"))
    >>> mlece.shi(gamma, lognormal).verdict
    'first'
    """
    check_level(level)
    ratio = log_ratio(first, second)
    if not ratio.regular.all():
        raise errors.NotRegularError(
            errors.message(
                "two regular fits with interior optima",
                errors.offenders(~ratio.regular, ratio.total),
                "mlece.clarke asks nothing of the estimates",
            )
        )
    shape = first.sample.batch_shape
    found = nondegenerate(ratio, 1.0 - level, draws, stream(rng))
    value, statistic, p, critical, constant, n = (
        a.reshape(shape) if shape else float(a[0]) for a in (*found, ratio.total)
    )
    names = names_of(first, second)
    return Shi(value, statistic, p, critical, constant, n, level, names)


def nondegenerate(
    ratio: Ratio, size: float, draws: int, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array, Array]:
    """Return corrected LR, statistic, p-value, critical value and constant of each member, (R,)."""
    eigenvalues = ratio.eigenvalues
    squares = np.square(eigenvalues).sum(axis=1)
    normal = rng.standard_normal((draws, eigenvalues.shape[1]))
    value = ratio.sum - 0.5 * eigenvalues.sum(axis=1)
    constant, critical, p = (np.empty(len(value)) for _ in range(3))
    statistic = np.empty(len(value))
    for r, v in enumerate(eigenvalues):
        if squares[r] == 0:
            constant[r], critical[r] = 0.0, float(ndtri(1.0 - 0.5 * size))
        else:
            law = _limit_law(v / np.sqrt(squares[r]), normal)
            constant[r], critical[r] = _constant(law, size)
        scale = np.sqrt(ratio.total[r] * ratio.variance[r] + constant[r] * squares[r])
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic[r] = value[r] / scale if value[r] else 0.0
        p[r] = 2.0 * ndtr(-abs(statistic[r]))
        if squares[r] > 0:
            beyond = _absolute(law, constant[r]) >= abs(statistic[r])
            p[r] = max(p[r], float(beyond.mean(axis=0).max()))
    return value, statistic, p, critical, constant


def _limit_law(v: Array, scores: Array) -> tuple[Array, Array]:
    """Return draws of numerator and squared denominator at each distance σ, (draws, len(σ)).

    The normal variable of the numerator is as correlated with the scores as it can be: with those
    of the largest |λ| (Shi 2015, section 4).
    """
    largest = np.abs(v) == np.abs(v).max()
    rho = largest / np.sqrt(largest.sum())
    # Correlations of unit length: the numerator's variable is the scores' projection on them.
    along = scores @ rho
    sigma = _SIGMAS[None, :]
    centred = 0.5 * (np.square(scores) @ v - v.sum())
    numerator = sigma * along[:, None] - centred[:, None]
    cross, square = scores @ (v * rho), np.square(scores) @ np.square(v)
    return numerator, np.square(sigma) - 2.0 * sigma * cross[:, None] + square[:, None]


def _absolute(law: tuple[Array, Array], constant: float) -> Array:
    return np.asarray(np.abs(law[0]) / np.sqrt(law[1] + constant))


def _constant(law: tuple[Array, Array], size: float) -> tuple[float, float]:
    """Return the least constant that brings the critical value near the normal one, and that value."""
    normal = float(ndtri(1.0 - 0.5 * size))

    def critical(constant: float) -> float:
        found = np.quantile(_absolute(law, constant), 1.0 - size, axis=0, method="higher").max()
        return max(float(found), normal)

    target = normal + _SLACK
    here = critical(0.0)
    if here <= target:
        return 0.0, here
    low, high = 0.0, 1.0
    while critical(high) > target and high < 2.0**20:
        low, high = high, 2.0 * high
    for _ in range(24):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if critical(middle) > target else (low, middle)
    return high, critical(high)


# -------------------------------------------------------------------------------- signs


@dataclass(frozen=True)
class Clarke:
    """Whether one of two densities is the larger at more than half of the observations (Clarke 2007).

    Attributes
    ----------
    value : float
        Number of observations at which the first density is the larger, after the correction.
    n : float
        Number of observations at which they differ.
    p_value : float
        Two-sided, exact binomial.
    correction : str
        What was taken off each log ratio.
    level : float
        Level at which the verdict decides, as a confidence level.
    """

    value: Any
    n: Any
    p_value: Any
    correction: str
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> Any:
        """Return "first", "second" or "tied"."""
        more = np.where(np.asarray(self.value) * 2 > np.asarray(self.n), "first", "second")
        out = np.where(np.asarray(self.p_value) <= 1.0 - self.level, more, "tied")
        return out if out.ndim else out.item()

    def __str__(self) -> str:
        one, two = self.names
        if np.ndim(self.value):
            return f"Clarke's test of {one} against {two}: {tally(self.verdict)}."
        tail = {"first": f"{one} is.", "second": f"{two} is.", "tied": "neither is."}
        return (
            f"{one} has the larger density at {self.value:g} of {self.n:g} observations, "
            f"p = {self.p_value:.3g} for one half; nearer to the truth by this count: "
            + tail[self.verdict]
        )


def clarke(first: Fit, second: Fit, *, correction: str = "none", level: float = 0.95) -> Clarke:
    """Test whether the median log ratio of two fitted densities is zero.

    Parameters
    ----------
    first, second : Fit
        Fits to the same data; batches of the same shape are tested member by member.
    correction : {"none", "aic", "bic"}
        Taken off every log ratio: the criterion's penalty, spread evenly over the observations.
    level : float
        Confidence level of the verdict.

    Returns
    -------
    Clarke

    Raises
    ------
    ComparisonError
        If the data, their weights or the dominating measures differ.

    Notes
    -----
    Clarke (2007), Political Analysis 15, 347-363. Observations at which the densities are equal tell
    nothing and are left out. The test asks nothing of the estimates; it compares medians, so that it may
    prefer another model than a mean does.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> gamma, weibull = (mlece.fit(m, beef.values) for m in ("gamma", "weibull"))
    >>> mlece.clarke(gamma, weibull).value
    105.0
    """
    check_level(level)
    if correction not in ("none", "aic", "bic"):
        raise errors.unknown_name("correction", correction, ("none", "aic", "bic"))
    ratio = log_ratio(first, second, 0)
    surplus = first.parameter_count - second.parameter_count
    each: dict[str, Any] = {"none": 0.0, "aic": 1.0, "bic": 0.5 * np.log(ratio.total)}
    differences = ratio.differences - (surplus * each[correction] / ratio.total)[:, None]
    more = (ratio.weights * (differences > 0)).sum(axis=1)
    n = (ratio.weights * (differences != 0)).sum(axis=1)
    least = np.minimum(more, n - more)
    # P(Bin(n, 1/2) <= m) = I_{1/2}(n − m, m + 1).
    with np.errstate(invalid="ignore"):
        p = np.minimum(1.0, 2.0 * betainc(n - least, least + 1.0, 0.5))
    p = np.where(n > 0, p, 1.0)
    shape = first.sample.batch_shape
    value, count, p_value = (a.reshape(shape) if shape else float(a[0]) for a in (more, n, p))
    names = names_of(first, second)
    return Clarke(value, count, p_value, correction, level, names)
