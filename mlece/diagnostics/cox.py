"""Cox's test for separate families: each model is asked whether it predicts the likelihood ratio.

Cox (1961, Proceedings of the Fourth Berkeley Symposium 1, 105-123; 1962, Journal of the Royal Statistical
Society B 24, 406-424) centres the log-likelihood ratio at its mean under one of the models. Mean, spread
and p-value come here from samples of that model to which both families are fitted (Williams 1970,
Biometrics 26, 23-32).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.bootstrap import parametric
from mlece.diagnostics.gap import observations
from mlece.diagnostics.scale import recording
from mlece.diagnostics.vuong import log_ratio
from mlece.fitting import fit_sample
from mlece.intervals import check_level
from mlece.math import Array
from mlece.result import Fit

# With fewer, no p-value could reach 5 %.
_FEWEST = 19


@dataclass(frozen=True)
class Direction:
    """The log-likelihood ratio of the first model over the second, where one of them is right.

    Attributes
    ----------
    mean, sd : float
        Of the ratio in samples drawn from that model.
    statistic : float
        (LR − mean)/sd, negative where the data favour the second model more than expected.
    p_value : float
        Share of samples whose ratio favours the other model as much.
    null : array (replicates,)
        The ratios of the samples, sorted; infinitely in favour of the other model where one could not
        be fitted.
    """

    mean: float
    sd: float
    statistic: float
    p_value: float
    null: Array


@dataclass(frozen=True)
class Cox:
    """Cox's test of two separate families, in both directions.

    Attributes
    ----------
    value : float
        LR, the log-likelihood of the first model less that of the second.
    first, second : Direction
        Where the first, and where the second, model is right.
    n : float
        Number of observations.
    level : float
        Level of the verdict, as a confidence level.
    """

    value: float
    first: Direction
    second: Direction
    n: float
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> str:
        """Which model stands: "first", "second", "both" or "neither"."""
        size = 1.0 - self.level + 1e-12
        stands = (self.first.p_value > size, self.second.p_value > size)
        return {
            (True, True): "both",
            (True, False): "first",
            (False, True): "second",
            (False, False): "neither",
        }[stands]

    def __str__(self) -> str:
        one, two = self.names
        tails = {
            "first": f"{two} is rejected, {one} is not",
            "second": f"{one} is rejected, {two} is not",
            "both": "neither is rejected: these data do not tell them apart",
            "neither": "both are rejected",
        }
        return (
            f"{one} against {two}: LR = {self.value:.4g}; it would be {self.first.mean:.4g} "
            f"(sd {self.first.sd:.3g}, p = {self.first.p_value:.3g}) were {one} right, "
            f"{self.second.mean:.4g} (sd {self.second.sd:.3g}, p = {self.second.p_value:.3g}) were "
            f"{two} right ({self.first.null.size} parametric bootstrap replicates each, "
            f"n = {self.n:g}): {tails[self.verdict]}."
        )


def cox(
    first: Fit, second: Fit, *, replicates: int = 199, rng: Any = 0, level: float = 0.95
) -> Cox:
    """Test two models that are not nested, each as the null hypothesis against the other.

    Parameters
    ----------
    first, second : Fit
        Single fits of two families to the same observations and weights.
    replicates : int
        Parametric bootstrap samples for each direction, 19 at the least; both families are refitted to
        every one.
    rng : int or numpy.random.Generator
        Source of randomness.
    level : float
        Confidence level of the verdict.

    Returns
    -------
    Cox

    Raises
    ------
    ComparisonError
        For two fits of one family (:func:`mlece.restriction` compares those), for different data or
        measures, and where samples of one model lie outside the support of the other.
    DataError
        For a batch, or weights that are no counts.

    Notes
    -----
    The p-values are one-sided, against the other model. Both models may be rejected, or neither: unlike
    Vuong's test, which asks which is nearer, this one asks of each whether it is right. The J test of
    Davidson and MacKinnon (1981) answers the same question for regressions, where the mean of one model
    is added to the other; distributions without predictors have no such term, and it is not offered.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> gamma, lognormal = (mlece.fit(m, beef.values) for m in ("gamma", "lognormal"))
    >>> mlece.cox(gamma, lognormal, replicates=99).verdict
    'first'
    """
    _check(first, second, replicates, level)
    ratio = log_ratio(first, second, order=0)
    value = float(ratio.sum[0])
    generator = np.random.default_rng(rng)
    return Cox(
        value=value,
        first=_direction(first, second, value, replicates, generator),
        # Seen from the second model the ratio is turned round.
        second=_turned(_direction(second, first, -value, replicates, generator)),
        n=float(ratio.total[0]),
        level=level,
        names=(type(first.family).__name__, type(second.family).__name__),
    )


def _check(first: Fit, second: Fit, replicates: int, level: float) -> None:
    check_level(level)
    if replicates < _FEWEST:
        raise errors.ParameterError(
            errors.message(f"at least {_FEWEST} replicates", f"{replicates}")
        )
    for fit in (first, second):
        fit._data_only("Cox's test")
        fit._frequencies_only("Cox's test")
        fit.require_numbers("samples drawn from the fitted models")
        if fit.sample.batch_shape:
            raise errors.DataError(
                errors.message("one fit of each model", f"a batch {fit.sample.batch_shape}")
            )
    if type(first.family) is type(second.family):
        raise errors.ComparisonError(
            errors.message(
                "two separate families",
                f"two fits of {type(first.family).__name__}",
                "mlece.restriction tests values of parameters within one family",
            )
        )


def _direction(
    null: Fit, other: Fit, value: float, replicates: int, rng: np.random.Generator
) -> Direction:
    """Return the law of ℓ(null) − ℓ(other) where the first is right, and where the data lie in it."""
    ratios = []
    for drawn, refit in parametric(null, replicates, rng, recording(null, observations(null))):
        sample = refit.sample
        try:
            rival = fit_sample(other.family, sample)
        except errors.SupportError as error:
            raise errors.ComparisonError(
                errors.message(
                    "two models with one support, so that either can be fitted to the other's samples",
                    f"a sample of {type(null.family).__name__} that {type(other.family).__name__} "
                    f"excludes ({error})",
                )
            ) from None
        ratios.append(drawn.shape[1] * (rival.values - refit.values))
    found = np.sort(np.nan_to_num(np.concatenate(ratios), nan=-np.inf))
    usable = found[np.isfinite(found)]
    if usable.size < _FEWEST:
        raise errors.DataError(
            errors.message(
                "bootstrap samples that both families can fit", f"{usable.size} of {replicates}"
            )
        )
    mean, sd = float(usable.mean()), float(usable.std(ddof=1))
    return Direction(
        mean,
        sd,
        (value - mean) / sd if sd > 0 else float("nan"),
        float((1 + np.count_nonzero(found <= value)) / (1 + replicates)),
        found,
    )


def _turned(found: Direction) -> Direction:
    """Return the law of a ratio with its sign changed."""
    return Direction(-found.mean, found.sd, -found.statistic, found.p_value, np.sort(-found.null))
