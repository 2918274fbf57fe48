"""What a conditional fit foretells at covariates: means, or probabilities of labels, and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.dataframes import data_frame
from mlece.families.counts import Binomial
from mlece.families.labels import Labelled
from mlece.likelihood.conditional_moments import columns_at, point_at
from mlece.math import Array, Arrays, exp, expit, log, logit, ndtri
from mlece.model import Model
from mlece.numerics.derivatives import numerical_score

if TYPE_CHECKING:
    from mlece.regression.result import ConditionalFit

_SHOWN = 12  # rows that a printed prediction shows


@dataclass(frozen=True, eq=False)
class Prediction:
    """Means of the response at rows of covariates, or probabilities of its labels.

    Attributes
    ----------
    law : Model
        The fitted distribution of the response at each row; ``law.quantile([0.1, 0.9])`` are (..., m, 2).
    mean : array (..., m), or (..., m, K) for labels
        Fitted mean of the response, or the probability of each label.
    se : array of that shape
        Standard errors by the delta method.
    lower, upper : arrays of that shape
        Confidence limits of the mean or of the probabilities.
    predictive : tuple of arrays (..., m), or None for labels
        Quantiles of the fitted law between which a new response lies with probability ``level``; that the
        law was estimated does not enter.
    level : float
    covariance : str
        Kind of the covariance of the coefficients.
    labels : tuple
        Labels, of which the last axis has one each; () for numbers.
    """

    law: Model
    mean: Array
    se: Array
    lower: Array
    upper: Array
    predictive: tuple[Array, Array] | None
    level: float
    covariance: str
    labels: tuple[Any, ...] = ()

    def _columns(self) -> dict[str, Array]:
        """Return the numbers of a single fit by name, (m,) each, or (m K,) for labels."""
        name = "probability" if self.labels else "mean"
        told = {
            name: self.mean,
            "se": self.se,
            f"{name}_lower": self.lower,
            f"{name}_upper": self.upper,
        }
        if self.predictive is not None:
            told |= {"lower": self.predictive[0], "upper": self.predictive[1]}
        return {key: np.ravel(value) for key, value in told.items()}

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return the numbers as a data frame, one row for each row of covariates, or each of its labels.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            The library whose data frame (or table) is wanted.

        Raises
        ------
        UnknownNameError
            If the backend is none of these.
        MissingDependencyError
            If the library is not installed.
        DataError
            For a batch of fits, which is no table.

        Examples
        --------
        >>> import mlece
        >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
        >>> list(fit.prediction({"x": [1.0, 4.0]}).to_frame().columns)
        ['mean', 'se', 'mean_lower', 'mean_upper', 'lower', 'upper']
        """
        axes = self.mean.ndim - (2 if self.labels else 1)
        if axes:
            raise errors.DataError(
                errors.message(
                    "the prediction of one fit for a table",
                    f"a batch of shape {self.mean.shape[:axes]}",
                    "Its arrays have the batch axes in front",
                )
            )
        columns: dict[str, Any] = {key: list(map(float, v)) for key, v in self._columns().items()}
        if self.labels:
            rows, k = self.mean.shape
            front = {"row": np.repeat(np.arange(rows), k).tolist(), "label": [*self.labels] * rows}
            columns = front | columns
        return data_frame(columns, backend)

    def __str__(self) -> str:
        from mlece.reports.report import number, render

        if self.mean.ndim > (2 if self.labels else 1):
            return f"{self.law.title} at {self.law.batch_shape[-1]} rows, of a batch of fits"
        columns = self._columns()
        k = max(len(self.labels), 1)
        rows = []
        for i in range(min(len(self.mean), _SHOWN) * k):
            told = [str(i // k), *([str(self.labels[i % k])] if self.labels else [])]
            rows.append([*told, *(number(float(v[i])) for v in columns.values())])
        header = [
            "row",
            *(["label"] if self.labels else []),
            *(c.replace("_", " ") for c in columns),
        ]
        left = len(self.mean) - _SHOWN
        more = f"\n … {left} rows more" if left > 0 else ""
        said = f"{100 * self.level:.6g} % limits of the {'probability' if self.labels else 'mean'}"
        said += "" if self.predictive is None else " and of a new response"
        table = render(rows, header, (0, 1) if self.labels else (0,))
        return f"{table}{more}\n\n  {said}; {self.covariance} covariance"


def prediction(
    fit: ConditionalFit,
    given: Any = None,
    *,
    level: float = 0.95,
    covariance: str = "sandwich",
    known: Mapping[str, Any] | None = None,
    **options: Any,
) -> Prediction:
    """Return fitted means, or probabilities of labels, at covariates, with how sure they are.

    Parameters
    ----------
    fit : ConditionalFit
        Single or a batch.
    given : data frame, mapping, array (m, d) or sparse matrix, optional
        New covariates with their offsets, of the kind that was fitted; those of the fit if not given.
    level : float
        Of the confidence limits and of the prediction interval.
    covariance : str
        Kind of the covariance of the estimates; the sandwich holds whether or not the response has the
        fitted law, as long as its mean is the fitted one.
    known : mapping of str to array_like (m,), optional
        What came as numbers at the fit, by slot, as for ``fit.predict``.
    **options
        Of :meth:`mlece.Fit.covariance`.

    Returns
    -------
    Prediction

    Raises
    ------
    NotRegularError
        If the fit has no covariance; ``fit.predict(new)`` is the law without one.
    ParameterError
        If the level lies outside of (0, 1).

    Notes
    -----
    The delta method: with the gradient g of the mean in the coefficients the standard error is
    (g' C g)^½. Confidence limits are those of the mean itself for responses on the whole line, of its
    logarithm for positive ones, of its logit for those between two ends; for the links identity, log and
    logit they are the limits of the linear predictor, carried over.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> told = fit.prediction({"x": [1.0, 4.0]})
    >>> told.mean.round(3).tolist(), told.se.round(3).tolist()
    ([1.638, 5.769], [0.16, 0.548])
    """
    if not 0.0 < level < 1.0:
        raise errors.ParameterError(errors.message("a level in (0, 1)", repr(level)))
    model = fit.at(given, **(known or {}))
    spread = np.asarray(fit.covariance(covariance, **options))
    batch = fit.sample.batch_shape
    size, k = fit.objective.size, spread.shape[-1]
    law = model.responses()
    theta = tuple(np.broadcast_to(v, batch).reshape(-1) for v in model.theta)
    labels = law.labels or () if isinstance(law, Labelled) else ()
    found = _probabilities(model, theta) if labels else _means(model, theta)
    mean, gradient = found
    free = [i for i, p in enumerate(fit.family.params) if p.name in fit.family.free]
    gradient = gradient[..., free]
    c = spread.reshape(size, k, k)
    wide = gradient.reshape(size, -1, k)
    square = np.vecdot(wide @ c, wide).reshape(mean.shape)
    se = np.sqrt(np.maximum(square, 0.0))
    reach = float(ndtri(0.5 + 0.5 * level))
    lower, upper = _limits(mean, se * reach, *_ends(law, mean, bool(labels)))
    shape = (*batch, *mean.shape[1:])
    predictive = None
    if not labels:
        tails = law.quantile([0.5 * (1.0 - level), 0.5 * (1.0 + level)])
        predictive = (tails[..., 0], tails[..., 1])
    mean, se, lower, upper = (np.reshape(a, shape) for a in (mean, se, lower, upper))
    return Prediction(law, mean, se, lower, upper, predictive, level, covariance, tuple(labels))


def _means(model: Conditional, theta: Arrays) -> tuple[Array, Array]:
    """Return the means (r, m) and their gradients in the coefficients and parameters, (r, m, k)."""
    point, shape = point_at(model, slice(None), theta)
    inner = model.inner
    natural = tuple(np.broadcast_to(v, shape) for v in point.theta)

    def mean(_: Array, *values: Array) -> Array:
        return np.broadcast_to(_law(model, values).mean, shape)

    with np.errstate(all="ignore"):
        slopes = numerical_score(mean, np.zeros(shape), natural, *inner._limits(), inner._held())
    return mean(np.zeros(shape), *natural), _chained(model, point.first, slopes, shape)


def _probabilities(model: Conditional, theta: Arrays) -> tuple[Array, Array]:
    """Return the probabilities of labels (r, m, K), and their gradients (r, m, K, k)."""
    point, shape = point_at(model, slice(None), theta)
    inner: Any = model.inner
    values, gradients = [], []
    for code in range(len(inner.labels)):
        t = inner.statistics(np.full((1, 1), float(code)))
        shared = inner.shared(t, point.theta)
        p = np.broadcast_to(exp(inner.log_density_hook(t, point.theta, shared)), shape)
        slopes = [p * s for s in inner.score_hook(t, point.theta, shared)]
        values.append(p)
        gradients.append(_chained(model, point.first, slopes, shape))
    return np.stack(values, axis=-1), np.stack(gradients, axis=-2)


def _law(model: Conditional, values: Arrays) -> Model:
    """Return the family that users know, from the parameters of the inner one."""
    if model.respond is not None:
        names = (p.name for p in model.inner.params)
        return model.respond(**dict(zip(names, values, strict=True)))
    return model.family.member(*values)


def _chained(model: Conditional, first: Any, slopes: Any, shape: tuple[int, ...]) -> Array:
    """Return gradients in the coefficients (r, m, k) from those in the inner parameters."""
    columns = columns_at(model, slice(None))
    out = np.empty((*shape, len(model.params)))
    for slope, bend, (_, place) in zip(slopes, first, model._layout, strict=True):
        own = np.broadcast_to(slope if bend is None else slope * bend, shape)
        out[..., place] = own[..., None] * columns[..., place]
    return out


def _ends(law: Model, mean: Array, shares: bool) -> tuple[Any, Any]:
    """Return the ends between which a mean lies, whatever the parameters."""
    if shares:
        return 0.0, 1.0
    if isinstance(law, Binomial):
        return 0.0, np.broadcast_to(np.asarray(law.n), mean.shape)
    return float(law.support.lower), float(law.support.upper)


def _limits(mean: Array, reach: Array, low: Any, high: Any) -> tuple[Array, Array]:
    """Return limits of a mean between two ends on the scale on which it may be any number."""
    below, above = np.isfinite(low).all(), np.isfinite(high).all()
    with np.errstate(all="ignore"):
        if below and above:
            share = (mean - low) / (high - low)
            far = reach / ((high - low) * share * (1.0 - share))
            at = np.asarray(logit(share))
            ends = [low + (high - low) * np.asarray(expit(at + s * far)) for s in (-1, 1)]
        elif below or above:
            size = mean - low if below else high - mean
            spread = [exp(log(size) + s * reach / size) for s in (-1, 1)]
            ends = [low + v for v in spread] if below else [high - v for v in spread[::-1]]
        else:
            ends = [mean - reach, mean + reach]
    return np.asarray(ends[0]), np.asarray(ends[1])
