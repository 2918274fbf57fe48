"""The gap of a fit that another library made: without a law to draw from, and so without a p-value.

The in-sample cross-entropy lies below that of the best member by tr(A⁻¹B)/2n and below that of the fitted
member on new data by tr(A⁻¹B)/n (Takeuchi 1976); both follow from the scores and second derivatives. What
a simulation would add, the bias of the entropy estimate and the law of the gap under a right model, is
not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.foreign import Foreign
from mlece.diagnostics.conditional_scale import (
    NEIGHBOUR,
    class_codes,
    class_edges,
    class_ends,
    classes_remark,
    covariates_that_vary,
    entropy_of,
    require_classes,
)
from mlece.diagnostics.scale import LIGHT, lightly_tied, log_cell, spread_out
from mlece.entropies.conditional import labels_given_numbers, numbers_given_numbers
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.ties import ties
from mlece.fits.contributions import contributions
from mlece.fits.covariance import trace_term
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array, ndtri
from mlece.refits.bootstrap import observations
from mlece.units import Units, nats_per_unit, unit_name

_REMARK = (
    "There is no law to draw from: the bias of the entropy estimate is in the gap, and no calibrated "
    "p-value is given."
)


@dataclass(frozen=True)
class ForeignGap:
    """Estimate of KL(p* ‖ q_θ*) in nats given covariates, without calibration.

    Attributes
    ----------
    value : float
        ``corrected`` less the entropy estimate. It may fall below zero by the error of the estimate.
    se : float
        Standard error, from the spread of −log q(y | x) less the terms of the entropy estimate. It does
        not hold the bias of that estimate, and was 6 to 20 % below the spread over simulated samples
        of 300 and 1500 from right models (lines and logits of one covariate).
    cross_entropy : float
        In-sample cross-entropy; of classes of counts where counts are compared in classes.
    optimism : float
        tr(A⁻¹B)/n: what the fitted member loses on new data against the sample, to first order.
    entropy : EntropyEstimate
        Of the response given the covariates.
    level : float
        Confidence level of the interval in the sentence.
    remark : str
        What is not known, and what was found about ties or classes.
    """

    value: float
    se: float
    cross_entropy: float
    optimism: float
    entropy: EntropyEstimate
    level: float
    remark: str
    model: str
    n: float

    @property
    def corrected(self) -> float:
        """Cross-entropy of the best member: in sample, and half the optimism."""
        return self.cross_entropy + 0.5 * self.optimism

    @property
    def fitted(self) -> float:
        """The gap of the fitted member on new data: TIC/2n less the entropy estimate."""
        return self.value + 0.5 * self.optimism

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return value ± z se, cut at zero because a divergence is not negative."""
        check_level(level)
        z = float(ndtri(0.5 + 0.5 * level))
        return max(0.0, self.value - z * self.se), max(0.0, self.value + z * self.se)

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        per, name = nats_per_unit(units), unit_name(units)
        low, high = self.interval(self.level)
        return (
            f"{self.model}: {self.value / per:.4f} {name} over the entropy floor given the covariates "
            f"(se {self.se / per:.4f}, {100 * self.level:g} % interval {low / per:.4f} to "
            f"{high / per:.4f}), the fitted member {self.fitted / per:.4f} on new data; n = {self.n:g}. "
            f"{self.remark}"
        )

    def __str__(self) -> str:
        return self.text()


def foreign_gap(fit: Fit, given: Array | None, law: Any, level: float) -> ForeignGap:
    """Return the gap of a fit that another library made.

    Parameters
    ----------
    fit : Fit
        Of a :class:`mlece.combinators.foreign.Foreign`.
    given : array (n, e), optional
        What its likelihood knows of the rows beside the response.
    law : object, optional
        With ``log_cdf`` and ``log_sf`` of one point for each row (n,), at the estimate.
    level : float

    Raises
    ------
    NoDensityError
        If responses, covariates or the measure of the densities are not known.
    DataError
        If there are too many columns of covariates for the number of observations, too few of an outcome,
        or continuous responses tie.
    """
    check_level(level)
    model = fit.family
    assert isinstance(model, Foreign)
    rows = _known(model, given)
    y = observations(fit)
    at, responses = y[:, 1].astype(np.intp), y[:, 0]
    x = covariates_that_vary(rows[at])
    log_density = contributions(fit, 0).log_density[0]
    if model.dominated == "Lebesgue":
        terms, remark = _densities(responses, x)
        name = "Frenzel-Pompe"
    else:
        edges = None if law is None or _plain(model, responses) else class_edges(responses, None)
        if edges is None:
            require_classes(np.unique(responses, return_counts=True)[1])
            remark = ""
        else:
            code = class_codes(fit.sample.values[0, :, 0], edges)
            log_density = log_cell(law, *class_ends(code, edges))
            remark = classes_remark(edges)
        codes = np.unique(class_codes(responses, edges), return_inverse=True)[1].ravel()
        terms = labels_given_numbers(codes, x, NEIGHBOUR)
        name = "Ross"
    excess = -log_density[at] - terms
    cross_entropy = -float(log_density[at].mean())
    optimism = float(trace_term(fit)[0]) / len(y)
    estimate = entropy_of(terms, name)
    return ForeignGap(
        value=cross_entropy + 0.5 * optimism - float(estimate.value),
        se=float(np.sqrt(excess.var() / len(y))),
        cross_entropy=cross_entropy,
        optimism=optimism,
        entropy=estimate,
        level=level,
        remark=f"{_REMARK} {remark}".rstrip(),
        model=model.title,
        n=float(len(y)),
    )


def _known(model: Foreign, given: Array | None) -> Array:
    """Return the covariates of the rows; raise unless all that the floor needs is known."""
    lacking = {
        "response=": not model.told,
        "given=": given is None,
        "measure=": not model.dominated,
    }
    missing = [name for name, lacks in lacking.items() if lacks]
    if missing:
        function = "from_statsmodels" if missing == ["measure="] else "from_likelihood"
        raise errors.NoDensityError(
            errors.message(
                "responses, covariates and the measure of the densities, for the entropy under a gap",
                f"{model.title} without {', '.join(missing)}",
                f"Give {', '.join(missing)} to mlece.{function}",
            )
        )
    assert given is not None
    return given


def _plain(model: Foreign, responses: Array) -> bool:
    """Return whether responses are labels: categories, or no more than two outcomes."""
    return model.dominated == "categories" or len(np.unique(responses)) <= 2


def _densities(responses: Array, x: Array) -> tuple[Array, str]:
    """Return the terms (n,) of the entropy of numbers given covariates, and what was said of ties."""
    found = ties(responses)
    remark = ""
    if found.distinct < len(responses):
        if found.grid is None or found.fraction >= LIGHT:
            raise errors.DataError(
                errors.message(
                    "continuous responses, few of which tie",
                    f"{100 * found.fraction:.3g} % tied observations ({found.distinct} distinct of "
                    f"{len(responses)})",
                    "Rounded responses are compared in cells, whose probabilities a likelihood does not "
                    "tell: mlece.fit(...).gap() knows them",
                )
            )
        responses, remark = spread_out(responses, found.grid), lightly_tied(found)
    return numbers_given_numbers(responses[:, None], x, NEIGHBOUR), remark
