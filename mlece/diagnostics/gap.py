"""The gap: how far the best member of a family stays from the entropy floor, on data alone.

T = CE_n(θ̂) − Ĥ compares the in-sample cross-entropy with an estimate of the entropy. Under a right
model its √n term vanishes and what remains is the bias of both parts, so no normal theory applies:
T is calibrated by the parametric bootstrap, which repeats the fit and the entropy estimate on samples
drawn from the fitted model (Vasicek 1976 and Song 2002 for the test; Berrett, Samworth and Yuan 2019
for the estimator).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.foreign import Foreign
from mlece.diagnostics.conditional_scale import conditional_scale
from mlece.diagnostics.scale import Scale, choose_scale
from mlece.entropies.estimate import EntropyEstimate
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array, ndtri
from mlece.randomness import stream
from mlece.refits.bootstrap import check_replicates, observations, parametric
from mlece.units import Units, nats_per_unit, unit_name

_ATTAINABLE = (
    0.05  # what a p-value can reach where the samples without a fit count against rejection
)


@dataclass(frozen=True)
class Gap:
    """Estimate of KL(p* ‖ q_θ*) in nats, with its calibration.

    Attributes
    ----------
    value : float
        T less its mean under the fitted model: the bias-corrected gap. It may fall below zero by
        sampling error.
    se : float
        Standard error: spread of T under the fitted model, plus what misspecification adds.
    p_value : float
        Share of bootstrap samples with a T as large: for "the model is right".
    statistic : float
        T = CE_n − Ĥ itself.
    cross_entropy : float
        In-sample cross-entropy (of the data on their grid where there is one).
    corrected : float
        Entropy estimate plus gap: the cross-entropy of the best member.
    entropy : EntropyEstimate
        The floor, estimated; its bias under the fitted model is removed from ``value`` only.
    null : array (replicates,)
        T of the bootstrap samples, sorted; infinite for those to which the family has no fit of finite
        cross-entropy.
    resolution : float or None
        Grid to which the data are rounded; both terms are then taken on the grid.
    remark : str
        What was found about ties, and how it was handled.
    level : float
        Level at which ``misspecified`` decides, as a confidence level.
    """

    value: float
    se: float
    p_value: float
    statistic: float
    cross_entropy: float
    corrected: float
    entropy: EntropyEstimate
    null: Array
    resolution: float | None
    remark: str
    level: float
    model: str
    n: float

    @property
    def misspecified(self) -> bool:
        """Whether the bootstrap rejects the model at 1 − level."""
        return self.p_value <= 1.0 - self.level + 1e-12

    @property
    def lost(self) -> int:
        """Number of bootstrap samples without a fit: they count against rejection, and for nothing else."""
        return int(np.isinf(self.null).sum())

    @property
    def detectable(self) -> float:
        """The smallest T above its null mean that the test would have called misspecified, nats."""
        # The next larger one: between a number and an infinite one there is none.
        top = np.quantile(self.null, self.level, method="higher")
        return float(top - self.null[np.isfinite(self.null)].mean())

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return value ± z se, cut at zero because a divergence is not negative."""
        check_level(level)
        z = float(ndtri(0.5 + 0.5 * level))
        return max(0.0, self.value - z * self.se), max(0.0, self.value + z * self.se)

    @property
    def verdict(self) -> str:
        """A few words: misspecified, or no evidence against the model."""
        return "misspecified" if self.misspecified else "no evidence against it"

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        from mlece.reports.report import decimals

        per, name = nats_per_unit(units), unit_name(units)
        places = max(4, decimals(self.se / per) or 4)
        ends = self.interval(self.level)
        value, se, low, high, seen = (
            f"{v / per:.{places}f}" for v in (self.value, self.se, *ends, self.detectable)
        )
        head = (
            f"{self.model}: {value} {name} over the entropy floor "
            f"(se {se}, {100 * self.level:g} % interval {low} to {high}); "
            f"p = {self.p_value:.3g} for a right model, n = {self.n:g}: "
        )
        if self.misspecified:
            tail = "misspecified."
        else:
            tail = (
                "no evidence of misspecification; a gap below about "
                f"{seen} {name} would not have been seen."
            )
        if self.lost:
            tail += (
                f" {self.lost} of {self.null.size} bootstrap samples could not be fitted and "
                "count against rejection."
            )
        return head + tail + (f" {self.remark}" if self.remark else "")

    def __str__(self) -> str:
        return self.text()


def gap(
    fit: Fit,
    *,
    replicates: int = 999,
    rng: Any = 0,
    level: float = 0.95,
    resolution: float | None = None,
) -> Gap:
    """Estimate the excess of the best member of a family over the entropy floor.

    Parameters
    ----------
    fit : Fit
        A single fit to data, with a minimiser.
    replicates : int
        Number of bootstrap samples.
    rng : int or numpy.random.Generator
        Source of randomness; the same number gives the same result.
    level : float
        Confidence level of the verdict.
    resolution : float, optional
        Compare model and entropy on multiples of this number instead of the data's own grid: for data
        that are heaped on round values. The gap on a grid is at most the gap itself.

    Returns
    -------
    Gap

    Raises
    ------
    DataError
        If the data tie and no rounding grid explains it, if there are too few observations or more
        columns of covariates than log₂ n − 3, if the weights are not counts, or if so many bootstrap
        samples cannot be fitted that the test could not reject at 5 %.
    ComparisonError
        For a fit to a known distribution: :func:`mlece.ledger` answers there without error.

    Notes
    -----
    For responses with covariates the floor is H(Y | X), X the columns of the designs, and bootstrap
    samples have the covariates of the data. Numbers are held against the estimate of Frenzel and Pompe
    (2007), labels against that of Ross (2014), both of :func:`mlece.conditional_entropy`; counts and
    rounded numbers in classes of at least 20 observations, between which the gap is at most the gap itself.
    No estimate of the gap is free of assumptions: a distribution-free lower bound on an entropy does
    not exist. The p-value is valid for the parametric model up to Monte Carlo error.

    Examples
    --------
    >>> import mlece
    >>> x = mlece.Exponential(rate=1).sample(200, rng=1)
    >>> mlece.fit(mlece.Gaussian(), x).gap(replicates=199).misspecified
    True
    """
    _check_request(fit, replicates, level)
    y = observations(fit)
    choose = conditional_scale if isinstance(fit.family, Conditional) else choose_scale
    scale = choose(fit, y, resolution)
    observed, spread, cross_entropy = (
        float(v[0]) for v in scale.statistic(scale.observed[None, :], fit)
    )
    null, spread_null = _calibrate(fit, scale, replicates, stream(rng))
    fitted = null[np.isfinite(null)]
    centre = float(fitted.mean())
    extra = max(0.0, spread - spread_null) / len(y)
    return Gap(
        value=observed - centre,
        se=float(np.sqrt(fitted.var(ddof=1) + extra)),
        p_value=float((1 + np.count_nonzero(null >= observed)) / (1 + replicates)),
        statistic=observed,
        cross_entropy=cross_entropy,
        corrected=float(scale.entropy.value) + observed - centre,
        entropy=scale.entropy,
        null=null,
        resolution=scale.resolution,
        remark=scale.remark,
        level=level,
        model=fit.family.title,
        n=float(len(y)),
    )


def _check_request(fit: Fit, replicates: int, level: float) -> None:
    check_level(level)
    check_replicates(replicates)
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message("a fit to data", "a fit to a known distribution", "Use mlece.ledger")
        )
    if isinstance(fit.family, Foreign):
        fit.family.refuse(
            "a law to draw from, to calibrate the gap", "fit.gap() is without p-value"
        )
    fit.require_numbers(
        "an entropy floor",
        "mlece.ios and mlece.information_matrix_test(fit, form='opg') ask whether the model is wrong",
    )
    if fit.sample.weighting != "frequency":
        raise errors.ComparisonError(
            errors.message("frequency weights for an entropy floor", "sampling weights")
        )
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i].gap()")
        )
    if fit.family.saturated and fit.family.free:
        raise errors.ComparisonError(
            errors.message(
                "a family that leaves some laws out",
                f"{fit.family.title}, which holds every law on its support",
                "Its gap is zero by construction: the fit is the empirical distribution itself",
            )
        )


def _calibrate(
    fit: Fit, scale: Scale, replicates: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Return T of samples drawn from the fitted model, sorted, and the mean variance of its terms."""
    values, spreads = [], []
    for drawn, refit in parametric(fit, replicates, rng, scale.record):
        t, spread, _ = scale.statistic(drawn, refit)
        values.append(t)
        spreads.append(spread)
    null, spread = np.concatenate(values), np.concatenate(spreads)
    fitted = np.isfinite(null)
    lost = int((~fitted).sum())
    if lost and (1 + lost) / (1 + replicates) > _ATTAINABLE:
        raise errors.DataError(
            errors.message(
                "bootstrap samples that the family can fit",
                f"{lost} of {replicates} without a finite cross-entropy",
                "The sample is too small for this family",
            )
        )
    return np.sort(np.where(fitted, null, np.inf)), float(np.mean(spread[fitted]))
