"""The in-and-out-of-sample test: whether leaving an observation out costs what a right model predicts.

The log-likelihood in sample less that held out is tr(A⁻¹B) to first order, which is the number of
parameters where the model is right (Presnell and Boos 2004, Journal of the American Statistical Association
99, 216-227).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.diagnostics.cross_validation import leave_one_out
from mlece.diagnostics.scale import recording
from mlece.fits.covariance import trace_term
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.randomness import stream
from mlece.refits.bootstrap import check_replicates, observations, parametric
from mlece.refits.recording import recorded_like


@dataclass(frozen=True)
class InAndOut:
    """The in-and-out-of-sample statistic of a fit.

    Attributes
    ----------
    value : float
        IOS = Σ log q(y_i; θ̂) − log q(y_i; θ̂_(−i)), every refit made in full.
    one_step : float
        IOS_A = tr(A⁻¹B), its first-order form.
    parameters : int
        What both estimate where the model is right.
    p_value : float
        Share of bootstrap samples whose IOS_A is as large, for "the model is right".
    p_small : float
        Share of those whose IOS_A is as small: a spread below that of the family.
    null : array (replicates,)
        IOS_A of the bootstrap samples, sorted, infinite where a refit has no regular optimum.
    n : float
        Number of observations.
    """

    value: float
    one_step: float
    parameters: int
    p_value: float
    p_small: float
    null: Array
    n: float
    model: str

    def __str__(self) -> str:
        lost = int(np.isinf(self.null).sum())
        tail = f" {lost} refits without a regular optimum were counted as larger." if lost else ""
        return (
            f"{self.model}: leaving one out costs {self.value:.3f} nats in all "
            f"(one step: {self.one_step:.3f}), where a right model costs {self.parameters} to first "
            f"order; p = {self.p_value:.3g} for a right model against a larger cost "
            f"(parametric bootstrap, {self.null.size} replicates, n = {self.n:g}).{tail}"
        )


def ios(fit: Fit, *, replicates: int = 199, rng: Any = 0) -> InAndOut:
    """Test a model by what leaving single observations out costs.

    Parameters
    ----------
    fit : Fit
        A single fit to data, with a regular interior optimum.
    replicates : int
        Parametric bootstrap samples behind the p-values, 19 at the least.
    rng : int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    InAndOut

    Raises
    ------
    NotRegularError
        If the likelihood is not regular at the estimate, so that tr(A⁻¹B) is not defined.
    ComparisonError
        For a fit to a known distribution, sampling weights, or a family that holds every law on its
        support, which no data contradict.
    DataError
        For a batch, or weights that are no counts.

    Notes
    -----
    The law of IOS in short samples is far from its normal limit; the p-value compares IOS_A, which needs
    no refits, with IOS_A of samples drawn from the fitted model, and rounded like the data. IOS_A is
    the trace form of White's information matrix test: :func:`mlece.information_matrix_test` tests the
    other directions too.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.StudentT(df=3, loc=0, scale=1).sample(100, rng=1)
    >>> test = mlece.ios(mlece.fit("gaussian", y))
    >>> test.value > test.parameters, test.p_value
    (True, 0.005)
    """
    check_replicates(replicates)
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use mlece.ios(fit[i])")
        )
    fit._data_only("a test of fit")
    fit._frequencies_only("a test of fit")
    y = observations(fit)
    draw = recorded_like(fit, y)
    if fit.family.saturated and fit.family.free:
        raise errors.ComparisonError(
            errors.message(
                "a family that leaves some laws out",
                f"{fit.family.title}, which holds every law on its support",
            )
        )
    one_step = float(trace_term(fit)[0])
    exact = leave_one_out(fit)
    record = recording(fit, y)
    draws = parametric(fit, replicates, stream(rng), record, draw)
    null = np.sort(np.concatenate([_one_step(refit) for _, refit in draws]))
    return InAndOut(
        value=float(exact.n * exact.optimism),
        one_step=one_step,
        parameters=fit.parameter_count,
        p_value=float((1 + np.count_nonzero(null >= one_step)) / (1 + replicates)),
        p_small=float((1 + np.count_nonzero(null <= one_step)) / (1 + replicates)),
        null=null,
        n=float(exact.n),
        model=fit.family.title,
    )


def _one_step(fits: Fit) -> Array:
    """Return tr(A⁻¹B) of a batch, infinite for members without a regular optimum."""
    try:
        found = trace_term(fits)
    except errors.NotRegularError:
        return np.full(fits.objective.size, np.inf)
    return np.where(np.isfinite(found), found, np.inf)
