"""The information-matrix test: whether the curvature of the likelihood matches the spread of scores.

Under a right model A = B (White 1982, Econometrica 50, 1-25, theorem 4.1). The test asks whether the mean
of d = vech(s s' + H) is zero, in the metric of its covariance once the scores are projected out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.foreign import Foreign
from mlece.combinators.kinks import kinks_among
from mlece.diagnostics.expected import expected
from mlece.fits.contributions import contributions
from mlece.fits.result import Fit
from mlece.likelihood.member_moments import indicators, pseudo_inverse
from mlece.math import Array, gammaincc
from mlece.randomness import stream
from mlece.refits.bootstrap import FEWEST, observations, parametric
from mlece.refits.recording import recorded_like

FORMS = ("efficient", "opg")
FUNCTIONALS = ("full", "trace", "determinant")
# Directions of d with less than this share of their variance left are combinations of scores.
_REDUNDANT = 1e-9
# An indicator s s' + H of this size beside s s' is nothing but rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class InformationMatrixTest:
    """Whether A = B, as a right model has it.

    For a batch every number is an array with the batch axes.

    Attributes
    ----------
    statistic : float
        n d̄' V⁺ d̄.
    df : int
        Rank of V: the number of indicators that are no combination of scores.
    p_value : float
        By the parametric bootstrap where there are replicates, else that of χ².
    p_asymptotic : float
        Against χ² with ``df`` degrees of freedom.
    size : float
        Share of bootstrap samples, from the fitted model itself, that χ² rejects at the 5 % level: NaN
        without a bootstrap.
    indicators : dict
        For every pair of parameters the mean indicator in standard errors, scores projected out; NaN
        where it is a combination of scores.
    form : str
        Which estimate of V.
    functional : str
        What was tested: every indicator, the trace or the determinant.
    replicates : int
        Bootstrap replicates; 0 for none.
    n : float
        Number of observations.
    model : str
        Name of the family.
    """

    statistic: Any
    df: Any
    p_value: Any
    p_asymptotic: Any
    size: float
    indicators: dict[tuple[str, str], Any]
    form: str
    functional: str
    replicates: int
    n: Any
    model: str

    def __str__(self) -> str:
        if np.ndim(self.statistic):
            share = np.mean(np.asarray(self.p_value) <= 0.05)
            return (
                f"Information-matrix test of {self.model}: {np.size(self.statistic)} samples, "
                f"{100 * share:.3g} % rejected at the 5 % level."
            )
        law = (
            f"{self.replicates} bootstrap samples"
            if self.replicates
            else f"χ² with {self.df} degrees of freedom"
        )
        verdict = "A and B differ" if self.p_value <= 0.05 else "no evidence that A and B differ"
        out = (
            f"{self.model}: information-matrix test ({self.form}, {self.functional}) "
            f"{self.statistic:.4g} on {self.df} degree(s) of freedom, p = {self.p_value:.3g} "
            f"({law}, n = {self.n:g}): {verdict}."
        )
        if self.form == "opg" and np.isfinite(self.size):
            out += (
                f" χ² would reject a right model in {100 * self.size:.3g} % of samples "
                "at the 5 % level with this form."
            )
        return out


def information_matrix_test(
    fit: Fit,
    *,
    form: str = "efficient",
    functional: str = "full",
    replicates: int = 199,
    rng: Any = 0,
) -> InformationMatrixTest:
    """Test the information equality A = B at a fit.

    Parameters
    ----------
    fit : Fit
        A fit to data with a regular interior optimum; a batch is tested member by member against χ²
        (``replicates=0``).
    form : {"efficient", "opg"}
        "efficient" takes the covariance of the indicators from the fitted model itself, which is
        Jarque and Bera's statistic for the Gaussian, n(m₂/x̄² − 1)²/4 for the Exponential and
        n(D − 1)²/2 for the Poisson. "opg" is n R² of the regression of 1 on scores and indicators
        (Chesher 1983; Lancaster 1984), which rejects right models far too often in small samples.
    functional : {"full", "trace", "determinant"}
        Every indicator; tr(A⁻¹B) − k; or log det B − log det A (Golden, Henley, White and Kashner
        2013).
    replicates : int
        Parametric bootstrap replicates behind the p-value; 0 takes χ².
    rng : int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    InformationMatrixTest

    Raises
    ------
    NotRegularError
        If the fit has no regular interior optimum.
    ComparisonError
        For a fit to a known distribution; ``fit.variance_ratio`` and ``fit.trace`` answer there.
    DataError
        For a batch with replicates; for the form "opg" with no more observations than scores and
        indicators.

    Notes
    -----
    White (1982), Econometrica 50, 1-25; Chesher (1983), Economics Letters 13, 45-48; Lancaster (1984),
    Econometrica 52, 1051-1053; for the Gaussian linear model a test of heteroskedasticity, skewness and
    kurtosis (Hall 1987, Journal of the American Statistical Association 82, 257-263); bootstrap critical
    values: Horowitz (1994), Journal of Econometrics 61, 395-411. The covariance of the efficient form
    needs no third derivatives: under the model E[∂d/∂θ] = −E[d s']. With covariates expectations are
    taken given those of each observation, and simulated samples have the same covariates. Incomplete
    observations have the form "opg" alone, their bootstrap samples recorded as the data were, and so
    have vectors.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Exponential(rate=1).sample(100, rng=1)
    >>> test = mlece.information_matrix_test(mlece.fit("gaussian", y))
    >>> test.df, test.p_value
    (2, 0.005)
    """
    _check(fit, form, functional, replicates)
    observed = _Statistic(fit, form, functional)
    if not fit.sample.batch_shape and observed.df[0] == 0:
        raise _saturated(fit)
    if form == "opg":
        _require_rest(observed)
    p_asymptotic = _chi2_sf(observed.df, observed.value)
    p, size = p_asymptotic, float("nan")
    if replicates:
        null, tails = _null(fit, form, functional, replicates, stream(rng))
        p = (1.0 + (null >= observed.value[0]).sum(keepdims=True)) / (1.0 + replicates)
        size = float((tails <= 0.05).mean())
    shape = fit.sample.batch_shape

    def shaped(a: Array) -> Any:
        return a.reshape(shape) if shape else a[0].item()

    return InformationMatrixTest(
        shaped(observed.value),
        shaped(observed.df),
        shaped(p),
        shaped(p_asymptotic),
        size,
        {pair: shaped(z) for pair, z in observed.by_pair(fit.names).items()},
        form,
        functional,
        replicates,
        shaped(observed.parts.total),
        fit.family.title,
    )


class _Statistic:
    """The statistic of every member of a batch, with what it is made of.

    Attributes
    ----------
    parts : Contributions
    mean : array (R, q)
        d̄, scores projected out.
    variance : array (R, q, q)
        V, the asymptotic variance of √n d̄.
    value, df : arrays (R,)
    """

    def __init__(self, fit: Fit, form: str, functional: str) -> None:
        self.parts = contributions(fit, 2)
        if form == "efficient":
            self.mean, self.variance, whole = self._by_model(fit)
        else:
            self.mean, self.variance, whole = self._by_outer_products()
        regular = self.parts.regular
        whole, self.variance = (self._without_noise(v, whole) for v in (whole, self.variance))
        if functional != "full":
            # Both have the same derivative at A = B: what moves tr(A⁻¹B) moves log det B − log det A.
            direction = self._trace_direction()
            spread = np.einsum("ri,rij,rj->r", direction, self.variance, direction)
            scale = np.einsum("ri,rij,rj->r", direction, whole, direction)
            length = self._functional(functional)
            self.df = (spread > _REDUNDANT * scale).astype(int)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = self.parts.total * length**2 / spread
            value = np.where(self.df > 0, value, 0.0)
        else:
            value, self.df = _quadratic(self.mean, self.variance, whole)
            value = self.parts.total * value
        self.value = np.where(regular, value, np.nan)

    def _by_model(self, fit: Fit) -> tuple[Array, Array, Array]:
        law = expected(fit)
        # The observed indicators in the frame in which the model's moments were taken.
        rescale = law.factors / self.parts.factors
        assert self.parts.score is not None
        assert self.parts.curvature is not None
        score = np.asarray(self.parts.score * rescale[:, None, :])
        turned = rescale[:, None, :, None] * rescale[:, None, None, :]
        curvature = np.asarray(self.parts.curvature * turned)
        self.parts = replace(self.parts, score=score, curvature=curvature, factors=law.factors)
        d = indicators(score, curvature)
        return self.parts.mean(d), law.residual, law.indicators

    def _by_outer_products(self) -> tuple[Array, Array, Array]:
        s, w = self.parts.score, self.parts.weights[:, :, None]
        assert s is not None
        assert self.parts.curvature is not None
        n = self.parts.total[:, None, None]
        d = indicators(s, np.asarray(self.parts.curvature))
        ss, ds, dd = ((np.swapaxes(w * a, 1, 2) @ b) / n for a, b in ((s, s), (d, s), (d, d)))
        lift = ds @ pseudo_inverse(ss)
        return self.parts.mean(d), dd - lift @ np.swapaxes(ds, 1, 2), dd

    def _without_noise(self, matrix: Array, whole: Array) -> Array:
        """Return a covariance of indicators (R, q, q) with zeros for those that are always zero.

        A saturated family (Bernoulli) has s s' = −H at every observation.
        """
        s = np.asarray(self.parts.score)
        rows, columns = np.triu_indices(s.shape[-1])
        plain = self.parts.mean((s[..., rows] * s[..., columns]) ** 2)
        told = np.diagonal(whole, axis1=1, axis2=2) > _NOTHING**2 * plain
        return np.where(told[:, :, None] & told[:, None, :], matrix, 0.0)

    def _trace_direction(self) -> Array:
        """Return c with c'd = tr(A⁻¹(s s' + H)), (R, q)."""
        inverse = pseudo_inverse(self.parts.hessian)
        rows, columns = np.triu_indices(inverse.shape[-1])
        return np.asarray(inverse[:, rows, columns] * np.where(rows == columns, 1.0, 2.0))

    def _functional(self, name: str) -> Array:
        a, b = self.parts.hessian, self.parts.outer
        ratio = pseudo_inverse(a) @ b
        if name == "trace":
            return np.asarray(np.trace(ratio, axis1=1, axis2=2) - a.shape[1])
        return np.asarray(np.linalg.slogdet(ratio)[1])

    def by_pair(self, names: tuple[str, ...]) -> dict[tuple[str, str], Array]:
        """Return each mean indicator in its standard errors."""
        spread = np.diagonal(self.variance, axis1=1, axis2=2)
        z = np.sqrt(self.parts.total)[:, None] * self.mean
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(spread > 0, z / np.sqrt(np.maximum(spread, 0.0)), np.nan)
        rows, columns = np.triu_indices(len(names))
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return {(names[i], names[j]): z[:, at] for at, (i, j) in enumerate(pairs)}


def _quadratic(mean: Array, variance: Array, whole: Array) -> tuple[Array, Array]:
    """Return d̄'V⁺d̄ and the rank of V, judged against the variance before projection, (R,) each."""
    unit = np.sqrt(np.maximum(np.diagonal(whole, axis1=1, axis2=2), np.finfo(float).tiny))
    scaled = variance / unit[:, :, None] / unit[:, None, :]
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(scaled).all(axis=(1, 2))
    values, vectors = np.linalg.eigh(np.where(bad[:, None, None], 0.0, scaled))
    kept = values > _REDUNDANT
    along = np.einsum("rij,ri->rj", vectors, mean / unit)
    total = np.where(kept, along**2 / np.where(kept, values, 1.0), 0.0).sum(axis=1)
    return np.where(bad, np.nan, total), kept.sum(axis=1)


def _chi2_sf(df: Array, x: Array) -> Array:
    with np.errstate(invalid="ignore"):
        tail = np.where(df > 0, gammaincc(0.5 * np.maximum(df, 1), 0.5 * x), 1.0)
    # A member without a regular optimum has no statistic, whatever the degrees of freedom.
    return np.where(np.isnan(x), np.nan, tail)


def _null(
    fit: Fit, form: str, functional: str, replicates: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the statistics of samples from the fitted model, and their p-values against χ²."""
    values, tails = [], []
    draw = recorded_like(fit, observations(fit))
    for _, refit in parametric(fit, replicates, rng, None, draw, len(fit.names) ** 2):
        found = _Statistic(refit, form, functional)
        values.append(found.value)
        tails.append(_chi2_sf(found.df, found.value))
    null = np.concatenate(values)
    # A sample that ends at an edge of the parameter space has no statistic: it counts against rejection.
    return np.where(np.isnan(null), np.inf, null), np.concatenate(tails)


def _require_rest(observed: _Statistic) -> None:
    """Raise where scores and indicators explain any regressand: the statistic is then n itself."""
    rows = (observed.parts.weights > 0).sum(axis=1)
    used = observed.df + observed.parts.factors.shape[1]
    if (used >= rows).any():
        at = int(np.argmax(used >= rows))
        raise errors.DataError(
            errors.message(
                "more observations than scores and indicators, to regress on them",
                f"{rows[at]} observations, {used[at]} scores and indicators",
                "form='efficient' takes their covariance from the model",
            )
        )


def _check(fit: Fit, form: str, functional: str, replicates: int) -> None:
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message(
                "a fit to data",
                "a fit to a known distribution",
                "fit.variance_ratio and fit.trace compare A and B there",
            )
        )
    if fit.sample.weighting == "sampling":
        raise errors.ComparisonError(
            errors.message("frequency weights for an information-matrix test", "sampling weights")
        )
    if fit.objective.penalty is not None:
        raise errors.ComparisonError(
            errors.message(
                "a maximum of the likelihood for an information-matrix test",
                "a penalty, under which curvature and spread of the scores differ where the model is right",
                "Fit without one, or see mlece.cross_validate",
            )
        )
    if isinstance(fit.family, Foreign):
        _check_foreign(fit.family, form, replicates)
    # The efficient form takes expectations by quadrature; what incomplete observations of other outcomes
    # would have been is not part of the model.
    elif form == "efficient":
        fit.require_numbers("the efficient form", "form='opg' needs no expectations")
    if not fit.names or fit.on_simplex:
        raise _saturated(fit)
    if kinks_among(fit.objective):
        raise errors.NotRegularError(
            errors.message(
                "a likelihood with second derivatives everywhere for an information-matrix test",
                f"{fit.family.title}, whose density has a kink among the data",
                "mlece.goodness_of_fit asks for no derivatives",
            )
        )
    if replicates and fit.sample.batch_shape:
        raise errors.DataError(
            errors.message(
                "one fit for a bootstrap",
                f"a batch {fit.sample.batch_shape}",
                "replicates=0 tests every member against χ²; fit[i] is one fit",
            )
        )
    if 0 < replicates < FEWEST:
        raise errors.ParameterError(
            errors.message(f"no replicates or at least {FEWEST}", f"{replicates}")
        )
    contributions(fit, 1).require_regular("an information-matrix test")
    if form not in FORMS:
        raise errors.unknown_name("form", form, FORMS)
    if functional not in FUNCTIONALS:
        raise errors.unknown_name("functional", functional, FUNCTIONALS)


def _saturated(fit: Fit) -> errors.NotRegularError:
    return errors.NotRegularError(
        errors.message(
            "a family that leaves some laws out, with a free parameter",
            repr(fit.family),
            "A saturated family has A = B whatever the data",
        )
    )


def _check_foreign(model: Foreign, form: str, replicates: int) -> None:
    """Refuse what a likelihood without a law cannot answer."""
    if form == "efficient" or replicates:
        raise errors.NoDensityError(
            errors.message(
                "a law to take expectations under and to draw from",
                f"{model.label}, whose likelihood another library holds",
                "form='opg', replicates=0 needs none; its χ² rejects too often in small samples",
            )
        )
    model.require_curvatures("an information-matrix test")
