"""Which of two models is nearer to the truth, and whether data can tell them apart at all.

The log ratio of two fitted densities has mean KL(p* ‖ q_2) − KL(p* ‖ q_1), so that its sign says which
model is nearer and its spread whether that is more than chance (Vuong 1989, Econometrica 57, 307-333).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.diagnostics.comparable import names_of, require_comparable
from mlece.fits.contributions import Contributions, contributions
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.likelihood.member_moments import pseudo_inverse
from mlece.math import Array, ndtr
from mlece.numerics.quadratic_forms import weighted_chi2_sf

CORRECTIONS = ("none", "aic", "bic", "tic")


@dataclass(frozen=True)
class Ratio:
    """The log ratio of two fitted densities, observation by observation.

    Attributes
    ----------
    differences : array (R, n)
        log q_1 − log q_2.
    weights : array (R, n)
        Frequency weights.
    first, second : Contributions
        What each observation adds to either fit.
    """

    differences: Array
    weights: Array
    first: Contributions
    second: Contributions

    @property
    def regular(self) -> Array:
        """Whether both estimates are regular interior optima, (R,)."""
        return np.asarray(self.first.regular & self.second.regular)

    @property
    def total(self) -> Array:
        """Number of observations, (R,)."""
        return self.first.total

    @property
    def sum(self) -> Array:
        """LR, the difference of the log-likelihoods, (R,)."""
        return np.asarray((self.weights * self.differences).sum(axis=1))

    @cached_property
    def variance(self) -> Array:
        """ω², the variance of the log ratio (divisor n), (R,)."""
        mean = self.sum / self.total
        spread = self.weights * np.square(self.differences - mean[:, None])
        return np.asarray(spread.sum(axis=1) / self.total)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of B(A_1⁻¹, −A_2⁻¹) for the stacked scores, (R, k_1 + k_2).

        Where the two models hold the same density, 2 LR follows Σ λ χ²_1 and n ω² follows Σ λ² χ²_1.
        """
        s_1, s_2 = self.first.score, self.second.score
        assert s_1 is not None
        assert s_2 is not None
        scores = np.concatenate([s_1, s_2], axis=2)
        scores = np.where(self.regular[:, None, None], scores, 0.0)
        outer = np.swapaxes(self.weights[:, :, None] * scores, 1, 2) @ scores
        values, vectors = np.linalg.eigh(outer / self.total[:, None, None])
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        k = s_1.shape[2]
        inverse = np.zeros_like(outer)
        usable = self.regular
        for at, part, sign in ((slice(k), self.first, 1.0), (slice(k, None), self.second, -1.0)):
            hessian = np.where(usable[:, None, None], part.hessian, 0.0)
            inverse[:, at, at] = sign * pseudo_inverse(hessian)
        forms = np.swapaxes(root, 1, 2) @ inverse @ root
        return np.where(usable[:, None], np.linalg.eigvalsh(forms), np.nan)


def log_ratio(first: Fit, second: Fit, order: int = 2) -> Ratio:
    """Return the log ratio of two fits to the same data.

    Parameters
    ----------
    first, second : Fit
        Fits of two models to the same observations and weights, single or batches of the same shape.
    order : {0, 2}
        Whether the derivatives are wanted too.

    Raises
    ------
    ComparisonError
        If data, weights or dominating measures differ, or a fit has no minimiser.
    """
    require_comparable(first, second)
    one, two = contributions(first, order), contributions(second, order)
    # An observation of weight 0 may lie where a density vanishes.
    seen = one.weights > 0
    with np.errstate(invalid="ignore"):
        difference = np.where(seen, one.log_density - two.log_density, 0.0)
    return Ratio(difference, one.weights, one, two)


# -------------------------------------------------------------------------------- Vuong


def tally(verdicts: Any) -> str:
    """Return how often each verdict of a batch was reached."""
    found, counts = np.unique(np.asarray(verdicts), return_counts=True)
    return ", ".join(f"{c} {f}" for f, c in zip(found, counts, strict=True))


@dataclass(frozen=True)
class Vuong:
    """Whether one of two models is nearer to the truth (Vuong 1989).

    For a batch every number is an array with the batch axes.

    Attributes
    ----------
    value : float
        LR, the difference of the log-likelihoods less the correction: positive for the first model.
    statistic : float
        z = LR / (√n ω), standard normal where the models are equally far from the truth and distinct.
    variance : float
        ω², the variance of the log ratio of the densities (divisor n).
    p_value : float
        Two-sided, for equal distances.
    p_first, p_second : float
        One-sided: small where the first, or the second, model is nearer.
    p_same : float
        For ω² = 0, that the fitted densities are one and the same: n ω² against Σ λ² χ²_1. NaN where an
        estimate is not regular. Only where it is small has z a normal law.
    correction : str
        What was taken off LR.
    n : float
        Number of observations.
    level : float
        Level at which the verdict decides, as a confidence level.
    """

    value: Any
    statistic: Any
    variance: Any
    p_value: Any
    p_first: Any
    p_second: Any
    p_same: Any
    correction: str
    n: Any
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> Any:
        """Return "first", "second", "tied" or "indistinguishable", by the sequence of both tests."""
        size = 1.0 - self.level
        nearer = np.where(np.asarray(self.value) > 0, "first", "second")
        told = np.where(np.asarray(self.p_value) <= size, nearer, "tied")
        out = np.where(np.asarray(self.p_same) > size, "indistinguishable", told)
        return out if out.ndim else out.item()

    def __str__(self) -> str:
        if np.ndim(self.value):
            return (
                f"Vuong's test of {self.names[0]} against {self.names[1]}: {tally(self.verdict)}."
            )
        one, two = self.names
        head = (
            f"{one} against {two}: LR = {self.value:.4g}"
            + (f" ({self.correction.upper()} corrected)" if self.correction != "none" else "")
            + f", z = {self.statistic:.3f}, p = {self.p_value:.3g} (n = {self.n:g}): "
        )
        tails = {
            "first": f"{one} is nearer to the truth.",
            "second": f"{two} is nearer to the truth.",
            "tied": "no evidence that either is nearer to the truth.",
            "indistinguishable": "the two fitted laws cannot be told apart "
            f"(p = {self.p_same:.3g} for the same density), so that z has no normal law.",
        }
        return head + tails[self.verdict]


def vuong(first: Fit, second: Fit, *, correction: str = "none", level: float = 0.95) -> Vuong:
    """Test whether two models are equally far from the truth.

    Parameters
    ----------
    first, second : Fit
        Fits to the same data; batches of the same shape are tested member by member.
    correction : {"none", "aic", "bic", "tic"}
        What is taken off the difference of the log-likelihoods: nothing, the difference of the
        numbers of parameters (Akaike), half of it times log n (Schwarz), or the difference of
        tr(A⁻¹B)/2, which removes the bias of the numerator (Shi 2015).
    level : float
        Confidence level of the verdict.

    Returns
    -------
    Vuong

    Raises
    ------
    ComparisonError
        If the data, their weights or the dominating measures differ.

    Notes
    -----
    The conventions are those of the paper: the variance has divisor n. Overlapping models are
    handled by its sequence of two tests: that of ω² = 0 first, then that of z. Where the models are
    close, z rejects too often; :func:`mlece.shi` holds its level there.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> gamma, lognormal = (mlece.fit(m, beef.values) for m in ("gamma", "lognormal"))
    >>> print(mlece.vuong(gamma, lognormal))
    Gamma against LogNormal: LR = 7.694, z = 2.642, p = 0.00824 (n = 254): Gamma is nearer to the truth.
    """
    check_level(level)
    if correction not in CORRECTIONS:
        raise errors.unknown_name("correction", correction, CORRECTIONS)
    ratio = log_ratio(first, second)
    n = ratio.total
    value = ratio.sum - _penalty(ratio, first, second, correction)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = value / np.sqrt(n * ratio.variance)
    shape = first.sample.batch_shape

    def shaped(a: Array) -> Any:
        return a.reshape(shape) if shape else float(a[0])

    return Vuong(
        value=shaped(value),
        statistic=shaped(z),
        variance=shaped(ratio.variance),
        p_value=shaped(2.0 * ndtr(-np.abs(z))),
        p_first=shaped(ndtr(-z)),
        p_second=shaped(ndtr(z)),
        p_same=shaped(same_density(ratio)),
        correction=correction,
        n=shaped(n),
        level=level,
        names=names_of(first, second),
    )


def _penalty(ratio: Ratio, first: Fit, second: Fit, correction: str) -> Array:
    surplus = first.parameter_count - second.parameter_count
    if correction == "tic":
        return np.asarray(0.5 * ratio.eigenvalues.sum(axis=1))
    weight: dict[str, Any] = {"none": 0.0, "aic": 1.0, "bic": 0.5 * np.log(ratio.total)}
    return np.asarray(np.broadcast_to(surplus * weight[correction], ratio.total.shape))


def same_density(ratio: Ratio) -> Array:
    """Return the p-value of ω² = 0, n ω² against Σ λ² χ²_1, (R,)."""
    statistic = ratio.total * ratio.variance
    squares = np.square(ratio.eigenvalues)
    out = np.where(statistic > 0, 0.0, 1.0)
    ready = squares.max(axis=1, initial=0.0) > 0
    if ready.any():
        out[ready] = weighted_chi2_sf(statistic[ready], squares[ready])
    return np.where(ratio.regular, out, np.nan)
