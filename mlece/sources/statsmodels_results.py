"""The likelihood of a fitted result of statsmodels, observation by observation.

What statsmodels leaves out of its likelihoods is put back: the standard deviation that least squares
profiles out and the dispersion that generalized linear models take from Pearson's statistic are parameters
here, at their maximum likelihood values. The coefficients are those of statsmodels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.families.means import MeanGamma
from mlece.families.real_line import Gaussian
from mlece.families.skewed import InverseGaussian
from mlece.math import Array
from mlece.model import Model

_STEPS = 100
_CLOSE = 1e-8
# The measures of models that do not say.
_COUNTING = ("CountModel", "BinaryModel")
# Where models keep what they know of the rows.
_BESIDE = ("exog", "exog_infl", "exog_precision", "offset", "exposure")
# A law whose log probabilities differ by more from the log densities is another.
_SAME = 1e-6


@dataclass(frozen=True)
class RowDistributions:
    """The law of each row, as scipy.stats has it.

    Attributes
    ----------
    law : object
        A frozen distribution of all rows.
    kept : array of bool
        Rows that were not left out.
    """

    law: Any
    kept: Array

    def _at(self, function: Callable[[Array], Any], y: Array) -> Array:
        whole = np.zeros(len(self.kept))
        whole[self.kept] = y
        with np.errstate(all="ignore"):
            return np.asarray(function(whole), dtype=float)[self.kept]

    def log_density(self, y: Array) -> Array:
        """Return the log probability of one point for each row, (n,)."""
        return self._at(self.law.logpmf, y)

    def log_cdf(self, y: Array) -> Array:
        """Return log P(Y <= y) for one point for each row, (n,)."""
        return self._at(self.law.logcdf, y)

    def log_sf(self, y: Array) -> Array:
        """Return log P(Y > y) for one point for each row, (n,)."""
        return self._at(self.law.logsf, y)


@dataclass(frozen=True)
class Reading:
    """What a result says of its likelihood.

    Attributes
    ----------
    names : tuple of str
        Parameters.
    params : array (k,)
        Their estimates.
    density : callable
        From parameters to log densities (n,).
    score : callable, optional
        From parameters to their derivatives (n, k).
    response : array (n,)
    weights : array (n,), optional
        Frequency weights.
    measure : str
        What dominates the densities; empty where the result does not tell.
    label, name : str
        What the model and its response are called.
    remarks : tuple of str
        What was done.
    given : array (n, e), optional
        What the likelihood knows of each row beside the response: covariates, offsets, weights, trials.
    law : RowDistributions, optional
        The law of each row at the estimate.
    """

    names: tuple[str, ...]
    params: Array
    density: Callable[[Array], Array]
    score: Callable[[Array], Array] | None
    response: Array
    weights: Array | None
    measure: str
    label: str
    name: str
    remarks: tuple[str, ...] = ()
    given: Array | None = None
    law: RowDistributions | None = None


def read(result: Any) -> Reading:
    """Return what a result of statsmodels says of its likelihood.

    Raises
    ------
    DataTypeError
        For what is no result of a likelihood of independent observations.
    """
    model, params = getattr(result, "model", None), getattr(result, "params", None)
    if model is None or params is None or not hasattr(model, "endog"):
        raise errors.DataTypeError(
            errors.message("a fitted result of statsmodels", f"{type(result).__name__}")
        )
    lineage = [base.__name__ for base in type(model).__mro__]
    if "GEE" in lineage:
        _refuse(model, "estimating equations are those of no likelihood")
    if "QuantReg" in lineage:
        _refuse(model, "the loss of quantiles is that of no density it estimates")
    if "GLM" in lineage:
        return _generalized(result)
    if "RegressionModel" in lineage:
        if not {"OLS", "WLS"} & set(lineage):
            _refuse(model, "errors that depend on each other have no density for each observation")
        return _least_squares(result)
    if not (hasattr(model, "loglikeobs") or hasattr(model, "nloglikeobs")):
        _refuse(model, "it has no loglikeobs")
    return _discrete(result, lineage)


def _refuse(model: Any, why: str) -> None:
    raise errors.DataTypeError(
        errors.message(
            "a result of OLS, WLS, GLM, a discrete model or a GenericLikelihoodModel",
            f"{type(model).__name__}: {why}",
            "mlece.from_likelihood takes any log densities",
        )
    )


def _parts(result: Any) -> tuple[tuple[str, ...], Array, str]:
    """Return names and values of the parameters, as the likelihood takes them, and the response's name."""
    params, model = result.params, result.model
    values = np.asarray(params, dtype=float)
    names = [str(v) for v in getattr(params, "index", model.exog_names)]
    if values.ndim == 2:
        # One column for each category but the first.
        found = getattr(model, "_ynames_map", {})
        levels = [str(found.get(j + 1, j + 1)) for j in range(values.shape[1])]
        names = [f"{level}[{name}]" for level in levels for name in names]
        values = values.ravel(order="F")
    if len(names) != len(values) or len(set(names)) < len(names):
        names = [f"x{j + 1}" for j in range(len(values))]
    return tuple(names), values, str(model.endog_names if _plain(model) else "y")


def _plain(model: Any) -> bool:
    return isinstance(getattr(model, "endog_names", None), str)


# -------------------------------------------------------------------------------- means with a dispersion


@dataclass(frozen=True)
class Dispersed:
    """A family told by its mean and a second parameter, the mean a function of the coefficients.

    Attributes
    ----------
    inner : Model
    power : float
        An observation of weight v has the second parameter times v to this power.
    """

    inner: Model
    power: float
    y: Array
    exog: Array
    offset: Any
    precision: Array
    forward: Callable[[Array], Array]
    slope: Callable[[Array], Array]

    def _at(self, params: Array) -> tuple[Any, tuple[Array, Array], Array]:
        eta = self.exog @ params[:-1] + self.offset
        spread = params[-1] * self.precision**self.power
        theta = np.asarray(self.forward(eta))[None, :], spread[None, :]
        return self.inner.statistics(self.y[None, :]), theta, eta

    def density(self, params: Array) -> Array:
        """Return log densities, (n,)."""
        t, theta, _ = self._at(params)
        return np.asarray(self.inner.log_density_hook(t, theta)[0])

    def score(self, params: Array) -> Array:
        """Return derivatives in the coefficients and the second parameter, (n, k)."""
        t, theta, eta = self._at(params)
        mean, second = self.inner.score_hook(t, theta)
        along = (mean[0] * self.slope(eta))[:, None] * self.exog
        return np.column_stack([along, second[0] * self.precision**self.power])

    def second(self, coefficients: Array, start: float, weights: Array | None) -> float:
        """Return the maximum likelihood estimate of the second parameter, by Newton steps in its log.

        Raises
        ------
        NotRegularError
            If the likelihood has no maximum in it, as where the means meet every observation.
        """
        value, w = start, np.ones(len(self.y)) if weights is None else weights
        for _ in range(_STEPS):
            t, theta, _ = self._at(np.append(coefficients, value))
            with np.errstate(all="ignore"):
                slope = float(w @ (theta[1] * self.inner.score_hook(t, theta)[1])[0])
                bend = slope + float(
                    w @ (theta[1] ** 2 * self.inner.curvature_hook(t, theta)[2])[0]
                )
            step = float(np.clip(-slope / bend, -1, 1)) if bend < 0 else float(np.sign(slope))
            value *= float(np.exp(step))
            if abs(step) < _CLOSE:
                # The next step would be the square of this one.
                return value
        raise errors.NotRegularError(
            errors.message("observations off their fitted means", "a dispersion that runs to 0")
        )


def _dispersed(
    result: Any, law: Dispersed, weights: Array | None, label: str, start: float, why: str
) -> Reading:
    names, params, name = _parts(result)
    second = [p.name for p in law.inner.params][1]
    while second in names:
        second = f"{second}_"
    value = law.second(params, start, weights)
    told = f"{second} is a parameter, at its maximum likelihood value given the means of statsmodels: {why}"
    return Reading(
        (*names, second),
        np.append(params, value),
        law.density,
        law.score,
        law.y,
        weights,
        law.inner.measure,
        label,
        name,
        (told,),
        given=_beside(law.exog, law.offset, law.precision),
    )


def _beside(*parts: Any) -> Array:
    """Return what varies over rows as columns of one array (n, e)."""
    n = len(np.asarray(parts[0]))
    columns = [np.asarray(part, dtype=float) for part in parts if part is not None]
    return np.column_stack([np.broadcast_to(c, (n,)) if c.ndim < 2 else c for c in columns])


def _law(result: Any, kept: Array, y: Array, log_density: Array, **options: Any) -> Any:
    """Return the law of each row; None where statsmodels has none, or another than its likelihood."""
    try:
        found = RowDistributions(result.get_distribution(**options), kept)
        agrees = np.allclose(found.log_density(y), log_density, rtol=_SAME, atol=_SAME)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
    return found if agrees else None


def _least_squares(result: Any) -> Reading:
    model = result.model
    y, exog = (np.asarray(a, dtype=float) for a in (model.endog, model.exog))
    precision = np.broadcast_to(np.asarray(model.weights, dtype=float), y.shape)
    law = Dispersed(Gaussian(), -0.5, y, exog, 0.0, precision, _same, np.ones_like)
    return _dispersed(
        result,
        law,
        None,
        f"statsmodels {type(model).__name__}",
        _positive(result.scale) ** 0.5,
        "least squares profile it out",
    )


def _same(eta: Array) -> Array:
    return eta


def _positive(scale: Any) -> float:
    value = float(scale)
    return value if np.isfinite(value) and value > 0 else 1.0


# -------------------------------------------------------------------------------- generalized linear models

# Families with a dispersion: the law by its mean, where weights enter, the second parameter of φ.
_SPREAD: dict[str, tuple[type[Model], float, Callable[[float], float]]] = {
    "Gaussian": (Gaussian, -0.5, lambda phi: phi**0.5),
    "Gamma": (MeanGamma, 1.0, lambda phi: 1.0 / phi),
    "InverseGaussian": (InverseGaussian, 1.0, lambda phi: 1.0 / phi),
}


def _generalized(result: Any) -> Reading:
    model = result.model
    family, link = model.family, model.family.link
    kind = type(family).__name__
    label = f"statsmodels GLM ({kind}, {type(link).__name__.lower()})"
    frequency = np.asarray(model.freq_weights, dtype=float)
    kept = frequency > 0
    weights = None if np.all(frequency == 1) else frequency[kept]
    y, exog = np.asarray(model.endog, dtype=float)[kept], np.asarray(model.exog, dtype=float)[kept]
    offset = np.broadcast_to(np.asarray(model._offset_exposure, dtype=float), kept.shape)[kept]
    precision = np.asarray(model.var_weights, dtype=float)[kept]
    if kind in _SPREAD:
        inner, power, start = _SPREAD[kind]
        forward, slope = link.inverse, link.inverse_deriv
        law = Dispersed(inner(), power, y, exog, offset, precision, forward, slope)
        why = "statsmodels has Pearson's estimate, no maximum of a likelihood"
        return _dispersed(result, law, weights, label, start(_positive(result.scale)), why)
    if kind not in ("Poisson", "Binomial", "NegativeBinomial"):
        _refuse(model, f"the {kind} family has no density for each observation")
    if np.any(precision != 1):
        _refuse(model, f"variance weights make no density of a {kind}")
    trials = np.asarray(model.n_trials, dtype=float)
    remarks = []
    if float(result.scale) != 1.0:
        remarks.append(
            f"the dispersion is 1: the scale {float(result.scale):.6g} of a quasi-likelihood has no density"
        )
    if kind == "NegativeBinomial":
        remarks.append(f"alpha = {family.alpha:g} is held, as in statsmodels")

    def density(params: Array) -> Array:
        mean = link.inverse(np.asarray(model.exog) @ params + model._offset_exposure)
        out = family.loglike_obs(model.endog, mean, var_weights=model.var_weights, scale=1.0)
        return np.asarray(out)[kept]

    def score(params: Array) -> Array:
        slopes = np.asarray(model.score_obs(params, scale=1.0))
        return np.asarray(slopes[kept] / frequency[kept, None])

    names, params, name = _parts(result)
    counts = kind == "Binomial" and np.any(trials != 1)
    response = np.round(y * trials[kept]) if counts else y
    options = {"n_trials": trials} if counts else {}
    return Reading(
        names,
        params,
        density,
        score,
        response,
        weights,
        "counting",
        label,
        name,
        tuple(remarks),
        given=_beside(exog, offset, trials[kept] if counts else None),
        law=_law(result, kept, response, density(params), **options),
    )


# -------------------------------------------------------------------------------- discrete and other models


def _discrete(result: Any, lineage: list[str]) -> Reading:
    model = result.model
    names, params, name = _parts(result)
    several = "MNLogit" in lineage

    def density(at: Array) -> Array:
        out = np.asarray(model.loglikeobs(at), dtype=float)
        # A column for each category, zero but for that which was seen.
        return np.asarray(out.sum(axis=1)) if out.ndim == 2 else out

    def score(at: Array) -> Array:
        return np.asarray(model.score_obs(at), dtype=float)

    # Scores by somebody's differences lose half the digits when they are differenced again.
    owner = getattr(type(model), "score_obs", None)
    numeric = owner is None or owner.__qualname__.startswith(
        ("GenericLikelihoodModel", "Likelihood")
    )
    if "OrderedModel" in lineage or several:
        measure = "categories"
    elif any("ZeroInflated" in base for base in lineage) or set(_COUNTING) & set(lineage):
        measure = "counting"
    else:
        measure = "Lebesgue" if "BetaModel" in lineage else ""
    remarks = ("scores are differences of loglikeobs",) if numeric else ()
    endog = np.asarray(model.endog, dtype=float)
    endog = endog if endog.ndim == 1 else endog.argmax(axis=1).astype(float)
    law = None
    if measure == "counting":
        law = _law(result, np.ones(len(endog), dtype=bool), endog, density(params))
    return Reading(
        names,
        params,
        density,
        None if numeric else score,
        endog,
        None,
        measure,
        f"statsmodels {type(model).__name__}",
        name,
        remarks,
        given=_covariates(model, len(endog)),
        law=law,
    )


def _covariates(model: Any, n: int) -> Array | None:
    """Return every column that a model has of its rows, (n, e); None if it has none."""
    found = [getattr(model, name, None) for name in _BESIDE]
    parts = [np.asarray(v, dtype=float) for v in found if v is not None and np.size(v) >= n]
    return _beside(*parts) if parts else None
