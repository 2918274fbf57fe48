"""Penalties: what keeps the coefficients of separated or collinear data finite, and what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.penalties import Added, BoundPenalty, Penalty
from mlece.combinators.terms import Term, rows_of
from mlece.design import Design
from mlece.math import Array, Arrays
from mlece.regression.firth import Firth
from mlece.regression.rowspace import blocks, is_sparse


@dataclass(frozen=True)
class Ridge:
    r"""A ridge penalty: cross-entropy + Σ_j (λ_j / 2) (s_j β_j)², in nats per observation.

    Made by :func:`mlece.ridge`.

    Parameters
    ----------
    strength : float or mapping of str to float
        λ, for all slots with a predictor or by slot.
    standardize : bool
        Whether s_j is the standard deviation of column j, rather than 1.
    """

    strength: Any
    standardize: bool = True

    convex = True

    def __repr__(self) -> str:
        told = "" if self.standardize else ", standardize=False"
        return f"ridge({self.strength!r}{told})"

    def of(self, label: str) -> float:
        """Return λ of a slot."""
        if isinstance(self.strength, Mapping):
            return float(self.strength.get(label, 0.0))
        return float(self.strength)

    def on(self, model: Conditional, sample: Any, scale: Array) -> BoundPenalty:
        """Return the quadratic form in framed coefficients."""
        rows, weights = rows_of(sample.values), sample.weights
        factors = model.frame_factors(scale)
        out = np.zeros((1, len(model.params)))
        for term, place in model._layout:
            if term is None or not term.strength:
                continue
            spread = _variances(term.design, rows, weights)
            units = np.stack(
                np.broadcast_arrays(*[np.atleast_1d(f) for f in factors[place]]), axis=-1
            )
            own = np.where(spread > 0, spread if self.standardize else 1.0, 0.0)
            own = term.strength * own * units**2
            if len(own) > len(out):
                out = np.repeat(out, len(own), axis=0)
            out[:, place] = own
        return _Quadratic(out)


@dataclass(frozen=True, eq=False)
class _Quadratic:
    """½ Σ c_j θ_j² with c (R or 1, k)."""

    c: Array

    def at(self, theta: Arrays, members: Any) -> Added:
        """Return value, slope and bend."""
        c = self.c if len(self.c) == 1 else self.c[members]
        # What is not penalised may be infinite.
        held = np.where(c > 0, np.stack(theta, axis=-1), 0.0)
        slope, half = c * held, 0.5 * c * held * held
        bend = np.zeros((*slope.shape, slope.shape[1]))
        np.einsum("rii->ri", bend)[:] = c
        return Added(half.sum(axis=1), slope, bend)


def _variances(design: Design, rows: Any, weights: Array | None) -> Array:
    """Return the weighted variances of the columns over the rows of each member, (r, p).

    Those of a column that is constant to rounding are 0.
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        own = design._gathered(rows)
        w = np.ones(rows.shape) if weights is None else np.broadcast_to(weights, rows.shape)
        middle = np.einsum("rn,rnp->rp", w, own) / w.sum(axis=1)[:, None]
        square = np.einsum("rn,rnp->rp", w, (own - middle[:, None]) ** 2)
        return _unless_constant(square / w.sum(axis=1)[:, None], middle)
    matrix = design.block(rows)
    w = np.ones((1, matrix.shape[0])) if weights is None else weights
    total = w.sum(axis=1)[:, None]
    centre = np.asarray(matrix.mean(axis=0)).ravel()
    mean = np.zeros((len(w), matrix.shape[1]))
    square = np.zeros_like(mean)
    for cut in blocks(matrix):
        part = matrix[cut].toarray() if is_sparse(matrix) else matrix[cut]
        mean += w[:, cut] @ (part - centre)
        square += w[:, cut] @ (part - centre) ** 2
    return _unless_constant(square / total - (mean / total) ** 2, centre + mean / total)


def _unless_constant(variance: Array, mean: Array) -> Array:
    return np.where(variance > (1e-13 * mean) ** 2 + 1e-300, variance, 0.0)


def ridge(strength: float | Mapping[str, float], *, standardize: bool = True) -> Ridge:
    r"""Return a ridge penalty for :func:`mlece.fit`: cross-entropy + Σ_j (λ_j / 2) (s_j β_j)².

    It shrinks the coefficients, and makes estimates of separated and collinear designs finite and unique.
    Columns without variation, the intercept among them, are not penalised, nor are parameters without a
    predictor.

    Parameters
    ----------
    strength : float or mapping of str to float
        λ, in nats per observation, for the predictors of all slots or by slot; a slot that is not named
        is not penalised.
    standardize : bool
        With True s_j is the (weighted) standard deviation of column j, so that the units of covariates do
        not matter; the coefficients are reported in the units of the columns. With False s_j is 1.

    Returns
    -------
    Ridge

    Raises
    ------
    ParameterError
        If a strength is negative or no finite number.

    Notes
    -----
    The penalty is on the mean of −log q: with a fixed λ it does not fade as n grows. In glmnet (alpha =
    0) it is ``lambda``, with its standardize = TRUE, for families without a dispersion; for Gaussian
    responses glmnet minimises the mean of squares over 2 without dividing by σ², so that its λ is σ² times
    this one. In scikit-learn's LogisticRegression C is 1/(λ n), with standardize=False; in its Ridge, alpha
    is λ n σ². The fit is the mode of the posterior under independent normal priors with variances
    1/(n λ s_j²).

    References
    ----------
    Hoerl, A. E. and Kennard, R. W. (1970). Ridge regression. Technometrics 12, 55-67.

    le Cessie, S. and van Houwelingen, J. C. (1992). Ridge estimators in logistic regression. Applied
    Statistics 41, 191-201.

    Examples
    --------
    >>> import mlece
    >>> x, y = [0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1]
    >>> fit = mlece.fit(mlece.Bernoulli(p="x"), y, given={"x": x}, penalty=mlece.ridge(0.1))
    >>> {name: round(value, 3) for name, value in fit.params.items()}
    {'p[Intercept]': -2.042, 'p[x]': 1.361}
    """
    given = strength if isinstance(strength, Mapping) else {"": strength}
    for slot, value in given.items():
        number = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf"
        if not (number and np.isfinite(value) and value >= 0):
            where = f" for {slot}" if slot else ""
            raise errors.ParameterError(
                errors.message(f"a finite strength of 0 or more{where}", f"{value!r:.60}")
            )
    own = dict(strength) if isinstance(strength, Mapping) else float(strength)
    return Ridge(own, bool(standardize))


def as_penalty(value: Any, predictors: Mapping[str, Any] | None = None) -> Penalty | None:
    """Return the penalty that ``fit(penalty=...)`` means, for a model with these predictors.

    Raises
    ------
    ParameterError
        For another value, for a model without predictors, for a slot that has none.
    """
    if value is None:
        return None
    if not (isinstance(value, Ridge) or value == "firth"):
        raise errors.ParameterError(
            errors.message("penalty=mlece.ridge(strength), 'firth' or None", f"{value!r:.60}")
        )
    if not predictors:
        raise errors.ParameterError(
            errors.message(
                "a model with a predictor in a slot, for a penalty on its coefficients",
                "a model without",
            )
        )
    if value == "firth":
        return Firth()
    if isinstance(value.strength, Mapping):
        for slot in value.strength:
            if slot not in predictors:
                raise errors.unknown_name("slot with a predictor", str(slot), list(predictors))
    own: Ridge = value
    return own


def with_strength(term: Term, penalty: Penalty | None) -> Term:
    """Return a term that knows how strongly its coefficients are penalised."""
    if not isinstance(penalty, Ridge):
        return term
    return replace(term, strength=penalty.of(term.label.partition("[")[0]))


def unpenalised(term: Term) -> Array:
    """Return the positions of the columns of a term that no ridge holds, (q,)."""
    if not term.strength:
        return np.arange(term.design.width)
    spread = _variances(term.design, slice(None), None)[0]
    return np.flatnonzero(spread == 0)
