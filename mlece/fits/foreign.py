"""Fits that another library made: its likelihood at its estimate, with everything that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, numeric, require_finite
from mlece.certificate import strongest_bound
from mlece.combinators.foreign import Foreign, likelihood
from mlece.fits.existence import reconcile
from mlece.fits.fitting import assemble
from mlece.fits.proving import Question
from mlece.fits.result import Fit
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array
from mlece.sample import Sample, weights_like
from mlece.solvers.solution import Solution
from mlece.sources.statsmodels_results import read

if TYPE_CHECKING:
    from mlece.diagnostics.foreign_gap import ForeignGap

# An estimate farther from the optimum, in standard errors, is none.
_NEAR = 0.01


@dataclass(frozen=True, eq=False, repr=False)
class ForeignFit(Fit):
    """A fit that another library made.

    It answers what :class:`mlece.Fit` answers from log densities, scores and second derivatives: the
    sandwich, intervals, criteria, tests of restrictions and against other models. What draws from the model
    is refused, for a likelihood is no law to draw from.

    Attributes
    ----------
    source : object
        The result of the other library.
    remarks : tuple of str
        What was done to its likelihood.
    given : array (n, e), optional
        What the likelihood knows of each row beside the response, which a gap is estimated given.
    law : object, optional
        The law of each row, with ``log_cdf`` and ``log_sf``, where the other library tells it.
    """

    source: Any = None
    remarks: tuple[str, ...] = ()
    given: Any = None
    law: Any = None

    @property
    def distance(self) -> float:
        """How far the other library stopped from the optimum, in standard errors.

        The Newton decrement √n (g' A⁻¹ g)^½ at its estimate; infinite where A is not positive definite.
        """
        return float(self.certificate.score_norm)

    def gap(self, *, level: float = 0.95) -> ForeignGap:  # type: ignore[override]
        """Return the excess over an estimate of H(Y | X), with its standard error, without a p-value.

        Parameters
        ----------
        level : float
            Confidence level of the interval in the sentence.

        Raises
        ------
        NoDensityError
            If responses, covariates or the measure of the densities are not known.
        DataError
            As for :func:`mlece.gap` given covariates, and for rounded responses.

        Notes
        -----
        The in-sample cross-entropy is raised by tr(A⁻¹B)/2n to that of the best member (Takeuchi 1976) and
        held against the entropy of the response given the covariates, both as :func:`mlece.gap` has them.
        Its p-value and the bias of the entropy estimate come from samples that are drawn from the fitted
        model; a likelihood is no law to draw from.

        Examples
        --------
        >>> import numpy as np, statsmodels.api as sm, mlece
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=500)
        >>> y = 1 + x + np.exp(0.8 * x) * rng.normal(size=500)
        >>> found = mlece.from_statsmodels(sm.OLS(y, sm.add_constant(x)).fit()).gap()
        >>> found.value > 4 * found.se
        True
        """
        from mlece.diagnostics.foreign_gap import foreign_gap

        return foreign_gap(self, self.given, self.law, level)

    def summary(self, units: str = "nats", covariance: str = "sandwich", **options: Any) -> str:
        """Return the table that ``print(fit)`` shows, with what was done to the likelihood."""
        far = f"stopped {self.distance:.2g} standard errors from the optimum"
        return "\n".join([super().summary(units, covariance, **options), far, *self.remarks])


def from_likelihood(
    params: Any,
    loglikeobs: Any,
    score_obs: Any = None,
    hessian: Any = None,
    *,
    names: Sequence[str] | None = None,
    response: Any = None,
    given: Any = None,
    weights: Any = None,
    measure: str = "",
    label: str = "Foreign",
    name: str = "y",
) -> ForeignFit:
    """Adopt a fit of another library by its log densities.

    Parameters
    ----------
    params : array_like (k,)
        The estimate.
    loglikeobs : callable or array_like (n,)
        Log densities of the observations in nats, of parameters (k,); an array has them at the estimate
        only, and then scores and Hessian are needed.
    score_obs : callable or array_like (n, k), optional
        Their first derivatives, without weights; by sixth-order differences if not given.
    hessian : array_like (k, k), optional
        Sum of their second derivatives with weights, at the estimate. Where the log densities are a
        function of the parameters, second derivatives are differences, and this is held against them.
    names : sequence of str, optional
        Names of the parameters.
    response : array_like (n,), optional
        The observations, which tell whether two fits are to the same data.
    given : array_like (n,) or (n, e), optional
        Covariates, as numbers: ``fit.gap()`` is estimated given them.
    weights : array_like (n,), optional
        Frequency weights.
    measure : {"Lebesgue", "counting", "categories"}, optional
        What dominates the densities; two fits are compared under one measure only.
    label, name : str
        What the model and its response are called in reports.

    Returns
    -------
    ForeignFit
        Its certificate tells how far the estimate lies from the optimum. With more than a hundredth of a
        standard error its status is STEP_LIMIT, and standard errors are refused.

    Raises
    ------
    DataError
        For shapes that do not fit and values that are not finite.
    DataTypeError
        If arrays come without scores or Hessian.
    ComparisonError
        If scores or Hessian are not the derivatives of the log densities.

    Notes
    -----
    With arrays the second derivatives of single observations are not known, which the
    information-matrix test asks for. The parameters are taken to lie in the interior of their domain.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> y = np.array([0.0, 1.0, 1.0, 2.0, 4.0, 7.0])
    >>> def log_density(theta):
    ...     return -np.log(theta[0]) - y / theta[0]
    >>> fit = mlece.from_likelihood([2.5], log_density, names=["mean"], response=y)
    >>> print(round(fit.standard_errors()["mean"], 6), round(y.std() / 6**0.5, 6))
    0.964653 0.964653
    """
    centre = np.atleast_1d(np.asarray(params, dtype=float))
    if centre.ndim != 1 or not centre.size or not np.isfinite(centre).all():
        raise errors.DataError(errors.message("finite estimates in a vector", f"{params!r:.60}"))
    called = tuple(names) if names is not None else _numbered(len(centre))
    if len(called) != len(centre) or len(set(called)) < len(called):
        raise errors.DataError(
            errors.message(f"{len(centre)} different names", f"{', '.join(map(str, called))}")
        )
    if not callable(loglikeobs):
        loglikeobs = np.asarray(loglikeobs, dtype=float)
    w = None
    if weights is not None:
        w = weights_like(weights, len(np.asarray(weights)))
    with np.errstate(all="ignore"):
        known = likelihood(centre, loglikeobs, score_obs, hessian, w)
        n = len(known.log_density(np.zeros(len(centre))))
    y = np.zeros(n) if response is None else np.asarray(response, dtype=float)
    if y.shape != (n,):
        raise errors.DataError(errors.message(f"{n} responses", f"shape {y.shape}"))
    model = Foreign(
        likelihood=known, names=called, label=label, dominated=measure, told=response is not None
    )
    x = None if given is None else _covariates(given, n)
    values = np.stack([y, np.arange(n, dtype=float)], axis=-1)[None]
    sample = Sample(values, None if w is None else w[None, :], (), name)
    return replace(_adopted(model, sample), given=x)


def _covariates(given: Any, n: int) -> Array:
    """Return covariates (n, e), finite numbers."""
    out = np.asarray(numeric(as_array(given, "given"), "given"), dtype=float)
    if out.ndim not in (1, 2) or len(out) != n:
        raise errors.DataError(
            errors.message(f"covariates of {n} observations, (n,) or (n, e)", f"shape {out.shape}")
        )
    require_finite(out, "given")
    return out.reshape(n, -1)


def _numbered(k: int) -> tuple[str, ...]:
    return tuple(f"x{j + 1}" for j in range(k))


def _adopted(model: Foreign, sample: Sample, solver: str = "another library") -> ForeignFit:
    """Return the fit at the centre of the frame, judged like any other."""
    objective = CrossEntropy(model, sample)
    theta = tuple(np.zeros(1) for _ in model.params)
    with np.errstate(all="ignore"):
        at = objective.evaluate(theta, 2)
        start = Solution(theta, solver, np.ones(1, dtype=bool))
        bound = strongest_bound(objective, theta, at, start)
        near = bound.nu * np.sqrt(objective.total) <= _NEAR
        solution = Solution(theta, solver, near)
        outcome = reconcile(objective, solution, [])
        fit = assemble(Question(objective, sample, solution, outcome))
    return ForeignFit(**{f.name: getattr(fit, f.name) for f in fields(Fit)})


def from_statsmodels(result: Any, *, measure: str | None = None) -> ForeignFit:
    """Adopt a fitted result of statsmodels.

    Parameters
    ----------
    result : results object
        Of OLS, WLS, GLM, a discrete model (Logit, Probit, MNLogit, Poisson, NegativeBinomial,
        zero-inflated models, …), OrderedModel, BetaModel or a GenericLikelihoodModel of your own.
    measure : {"Lebesgue", "counting", "categories"}, optional
        What dominates the densities of a GenericLikelihoodModel, which does not say.

    Returns
    -------
    ForeignFit
        At the coefficients of statsmodels, nothing refitted; ``fit.distance`` tells how far it stopped
        from the optimum.

    Raises
    ------
    DataTypeError
        For results without a log density for each observation (GLS, GEE, quantile regressions, Tweedie).
    ComparisonError
        If the scores of the model are not the derivatives of its log densities.

    Notes
    -----
    Least squares have no likelihood of their own: OLS and WLS are read as the Gaussian model with its
    standard deviation ``sd`` as a parameter (of an observation of weight w, sd/√w). Gaussian, Gamma and
    inverse Gaussian GLMs have their dispersion as a parameter too, a standard deviation or a shape, at
    its maximum likelihood value and not at Pearson's: their log-likelihood is that of the law, which
    ``result.llf`` is not. The dispersion of Poisson, Binomial and NegativeBinomial GLMs is 1.
    ``freq_weights`` are frequency weights here; rows that have weight 0 are left out. Second derivatives
    are the observed ones, whatever ``cov_type`` is: those of zero-inflated models have the terms across
    inflation and counts, which the Hessian of statsmodels (0.15) leaves out.

    Examples
    --------
    >>> import statsmodels.api as sm, mlece
    >>> x = sm.add_constant([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> result = sm.Poisson([1, 2, 2, 4, 9, 11], x).fit(disp=0)
    >>> fit = mlece.from_statsmodels(result)
    >>> fit.distance < 1e-6, round(fit.trace, 3)
    (True, 0.23)
    """
    found = read(result)
    fit = from_likelihood(
        found.params,
        found.density,
        found.score,
        names=found.names,
        response=found.response,
        given=found.given,
        weights=found.weights,
        measure=found.measure if measure is None else measure,
        label=found.label,
        name=found.name,
    )
    told = {"source": result, "remarks": found.remarks, "law": found.law}
    return replace(fit, solver="statsmodels", **told)
