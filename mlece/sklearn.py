"""Models as estimators of scikit-learn: classifiers, regressors, densities.

They take part in pipelines, searches and cross-validation. What scikit-learn has no word for stands in
attributes: ``result_`` is the fit with its certificate, ``predict_distribution`` the whole law.
Needs the extra ``mlece[sklearn]``.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.families.finite import Bernoulli
from mlece.fits.fitting import fit as fit_model
from mlece.fits.fitting import fit_sample, resolve
from mlece.fits.result import Fit
from mlece.limits import Status
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor
from mlece.regression.binding import main_slot
from mlece.regression.collinear import collinear, dependent
from mlece.solvers.dispatch import solve

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, DensityMixin, RegressorMixin
    from sklearn.utils import _safe_indexing, check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise errors.MissingDependencyError(
        errors.message(
            "scikit-learn 1.6 or newer",
            str(error),
            "Install it with: python -m pip install 'mlece[sklearn]'",
        )
    ) from error

__all__ = ["ConditionalClassifier", "ConditionalRegressor", "DensityEstimator", "log_score"]

COLLINEAR = ("drop", "raise")


class _Conditional(BaseEstimator):  # type: ignore[misc]
    """What classifiers and regressors share: covariates in, a fit, laws out."""

    def __init__(
        self, model: Any, *, weighting: str = "frequency", collinear: str = "drop"
    ) -> None:
        self.model = model
        self.weighting = weighting
        self.collinear = collinear

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _estimate(self, X: Any, y: Array, model: Model, weights: Array | None) -> Self:
        """Fit a model to covariates and responses that have been read."""
        if self.collinear not in COLLINEAR:
            raise errors.unknown_name("collinear", self.collinear, COLLINEAR)
        self.columns_ = self._independent(X, model)
        given = X if self.columns_ is None else X[:, self.columns_]
        result = fit_model(model, y, given=given, weights=weights, weighting=self.weighting)
        self.result_ = result
        self._law, self._lawless = _with_law(result)
        return self

    def _independent(self, X: Any, model: Model) -> Array | None:
        """Return which columns of a matrix are kept; None for all, and for data frames."""
        if self.collinear == "raise" or _is_frame(X):
            return None
        constant = any(p.intercept for p in model.predictors.values())
        matrix = _joined(np.ones((X.shape[0], 1)), X) if constant else X
        names = ["Intercept"] * constant + [f"x{j}" for j in range(1, X.shape[1] + 1)]
        found = dependent(matrix, names)
        if not found:
            return None
        out = np.ones(X.shape[1], dtype=bool)
        out[[d.column - constant for d in found]] = False
        said = str(collinear(found, matrix.shape[1]))
        warnings.warn(f"columns are left out: {said}", errors.CollinearWarning, stacklevel=4)
        return np.flatnonzero(out)

    def _covariates(self, X: Any) -> Any:
        if _is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
            return X
        X = validate_data(self, X, reset=False, dtype=np.float64, accept_sparse=("csr", "csc"))
        return X if self.columns_ is None else X[:, self.columns_]

    def predict_distribution(self, X: Any) -> Model:
        """Return the law of the response at each row of covariates.

        Parameters
        ----------
        X : array, sparse matrix or data frame (m, d)

        Returns
        -------
        Model
            Its slots are arrays (m,): mean, variance, quantile, cdf and log_density answer for all rows.
        """
        check_is_fitted(self)
        if self._lawless:
            raise errors.NoDensityError(
                errors.message("a fitted law", self._lawless, "predict() gives its means")
            )
        return self._law_at(X)

    def _law_at(self, X: Any) -> Model:
        law: Model = self._law.predict(self._covariates(X))
        return law


class ConditionalRegressor(RegressorMixin, _Conditional):  # type: ignore[misc]
    r"""Maximum likelihood regression: the mean of p(y | x) for a family of numbers.

    Parameters
    ----------
    model : Model, class of Model or registered name
        A family with predictors in its slots, ``Gaussian(mean="age + C(sex)", sd="age")``; where no slot
        holds one, all columns go to the slot that tells where the law lies.
    weighting : {"frequency", "sampling"}
        What ``sample_weight`` is; see :func:`mlece.fit`.
    collinear : {"drop", "raise"}
        What to do about columns of a matrix that others determine, constant columns among them. The
        coefficients are not determined then, and :func:`mlece.fit` refuses; predictions are, wherever
        the dependence holds, whichever of the columns is left out. An estimator is there to predict, and
        encoders of categories make such columns every day: "drop" leaves out those that columns before
        them determine, with a ``CollinearWarning``. Data frames are refused like formulas in
        :func:`mlece.fit`: their categories have no superfluous column.

    Attributes
    ----------
    result_ : Fit
        The fit, with estimates, certificate and covariance.
    columns_ : array of int or None
        The columns that were kept; None for all.
    n_features_in_ : int
    feature_names_in_ : array of str
        Of data frames.

    Warns
    -----
    NoMaximumWarning
        Where the likelihood has no maximum; predictions then come from a law near its supremum.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.sklearn import ConditionalRegressor
    >>> X, y = np.arange(6.0)[:, None], np.array([1, 1, 2, 4, 5, 9])
    >>> ConditionalRegressor("poisson").fit(X, y).predict([[2.5], [6.0]]).round(2)
    array([ 2.69, 14.26])
    """

    def __init__(
        self, model: Any = "gaussian", *, weighting: str = "frequency", collinear: str = "drop"
    ) -> None:
        super().__init__(model, weighting=weighting, collinear=collinear)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array, sparse matrix or data frame (n, d)
        y : array (n,)
        sample_weight : array (n,), optional
        """
        model = _with_predictor(self.model)
        if model.support.kind == "categories":
            raise errors.ParameterError(
                errors.message("a family of numbers", repr(model), "Use ConditionalClassifier")
            )
        X, y, weights = _read(self, X, y, sample_weight, y_numeric=True)
        return self._estimate(X, y, model, weights)

    def predict(self, X: Any) -> Array:
        """Return the means of the response, (m,)."""
        check_is_fitted(self)
        return np.asarray(self._law_at(X).mean, dtype=float)


class ConditionalClassifier(ClassifierMixin, _Conditional):  # type: ignore[misc]
    """Maximum likelihood classification: probabilities of labels given covariates.

    Parameters
    ----------
    model : Model, class of Model or registered name
        Categorical (multinomial logit), Bernoulli with any link for two classes, or Ordinal; where no slot
        holds a predictor, all columns go to the slot that tells where the law lies.
    weighting : {"frequency", "sampling"}
        What ``sample_weight`` is; see :func:`mlece.fit`.
    collinear : {"drop", "raise"}
        See :class:`ConditionalRegressor`.

    Attributes
    ----------
    classes_ : array (K,)
        The labels, sorted.
    result_ : Fit
        The fit, with estimates, certificate and covariance.
    columns_, n_features_in_, feature_names_in_
        As for :class:`ConditionalRegressor`.

    Warns
    -----
    NoMaximumWarning
        Where covariates separate the classes: the likelihood rises for ever as coefficients run off, and
        ``result_`` says along which. Predictions come from the law at which the search ended; the warning
        tells how far its cross-entropy is from the infimum. Between the classes the data do not
        determine them.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.sklearn import ConditionalClassifier
    >>> X, y = np.arange(6.0)[:, None], ["no", "no", "yes", "no", "yes", "yes"]
    >>> classifier = ConditionalClassifier("bernoulli").fit(X, y)
    >>> classifier.predict([[0.0], [5.0]]).tolist()
    ['no', 'yes']
    >>> classifier.predict_proba([[2.5]]).round(6)
    array([[0.5, 0.5]])
    """

    def __init__(
        self, model: Any = "categorical", *, weighting: str = "frequency", collinear: str = "drop"
    ) -> None:
        super().__init__(model, weighting=weighting, collinear=collinear)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array, sparse matrix or data frame (n, d)
        y : array (n,)
            Labels of any type.
        sample_weight : array (n,), optional
        """
        model = _with_predictor(self.model)
        if model.support.kind != "categories" and not isinstance(model, Bernoulli):
            raise errors.ParameterError(
                errors.message("a family of labels", repr(model), "Use ConditionalRegressor")
            )
        X, y, weights = _read(self, X, y, sample_weight)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise errors.DataError(
                errors.message("at least two classes", f"one class: {self.classes_.tolist()}")
            )
        if not isinstance(model, Bernoulli):
            self._estimate(X, y, model, weights)
            inner: Any = self.result_.family
            labels = list(inner.inner.labels)
            if set(labels) != set(self.classes_.tolist()):
                self.classes_ = np.unique(np.asarray(labels))
            self._order = [labels.index(c) for c in self.classes_.tolist()]
            return self
        if len(self.classes_) > 2:
            raise errors.DataError(
                errors.message(
                    "two classes for Bernoulli",
                    f"{len(self.classes_)}: {self.classes_.tolist()}",
                    "Only binary classification; take model='categorical' for more classes",
                )
            )
        return self._estimate(X, codes, model, weights)

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of the classes, (m, K) in the order of ``classes_``."""
        law: Any = self.predict_distribution(X)
        if isinstance(law, Bernoulli):
            p = np.asarray(law.mean)
            return np.column_stack([1.0 - p, p])
        return np.asarray(law.masses()[:, self._order])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities of the classes, (m, K)."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Array:
        """Return the most probable class for each row, (m,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class DensityEstimator(DensityMixin, BaseEstimator):  # type: ignore[misc]
    """Maximum likelihood density estimation with a parametric family.

    Parameters
    ----------
    model : Model, class of Model or registered name
        A family of numbers for one column, a family of vectors for several.
    weighting : {"frequency", "sampling"}
        What ``sample_weight`` is; see :func:`mlece.fit`.

    Attributes
    ----------
    result_ : Fit
        The fit, with estimates, certificate and covariance.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.sklearn import DensityEstimator
    >>> X = np.array([[1.0], [2.0], [3.0]])
    >>> round(DensityEstimator("exponential").fit(X).score(X), 6)
    -1.693147
    """

    def __init__(
        self, model: Any = "multivariate gaussian", *, weighting: str = "frequency"
    ) -> None:
        self.model = model
        self.weighting = weighting

    def _observations(self, X: Any, reset: bool) -> Array:
        least = 2 if reset else 1
        X = validate_data(self, X, reset=reset, dtype=np.float64, ensure_min_samples=least)
        family = resolve(self.model)
        if family._observations == "vectors":
            return np.asarray(X)
        if X.shape[1] != 1:
            raise errors.DataError(
                errors.message(
                    f"one column for {family.title}, a family of numbers",
                    f"{X.shape[1]} columns",
                    "A family of vectors, such as 'multivariate gaussian', has a column for each entry",
                )
            )
        return np.asarray(X[:, 0])

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array or data frame (n, d)
        y : ignored
        sample_weight : array (n,), optional

        Warns
        -----
        NoMaximumWarning
            Where there is no fitted law: ``result_`` says why, and densities are refused.
        """
        values = self._observations(X, True)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, values, ensure_non_negative=True)
        self.result_ = fit_model(self.model, values, weights=weights, weighting=self.weighting)
        try:
            _ = self.result_.model
        except errors.NoDensityError as error:
            warnings.warn(str(error), errors.NoMaximumWarning, stacklevel=2)
        return self

    def score_samples(self, X: Any) -> Array:
        """Return the log density of each observation, (m,)."""
        check_is_fitted(self)
        return self.result_.model.log_density(self._observations(X, False))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log density: minus the cross-entropy, in nats per observation."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Array:
        """Draw observations from the fitted law, (n_samples, d)."""
        check_is_fitted(self)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
        return np.asarray(self.result_.model.sample(n_samples, rng=rng)).reshape(n_samples, -1)


def log_score(estimator: Any, X: Any, y: Any) -> float:
    """Score a conditional estimator by the mean log density of responses: minus cross-entropy, in nats.

    Parameters
    ----------
    estimator : ConditionalRegressor, ConditionalClassifier, or a pipeline that ends in one
    X : array, sparse matrix or data frame (m, d)
    y : array (m,)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from mlece.sklearn import ConditionalRegressor, log_score
    >>> X = np.linspace(0.0, 1.0, 40)[:, None]
    >>> y = np.round(3 + 2 * X[:, 0] + np.sin(50 * X[:, 0]))
    >>> cross_val_score(ConditionalRegressor("poisson"), X, y, cv=2, scoring=log_score).round(2)
    array([-1.65, -1.77])
    """
    *before, last = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    for step in before:
        X = X if step in (None, "passthrough") else step.transform(X)
    if isinstance(last, ConditionalClassifier):
        at = np.searchsorted(last.classes_, y)
        return float(last.predict_log_proba(X)[np.arange(len(at)), at].mean())
    law = last.predict_distribution(X)
    return float(law.log_density(np.asarray(y)[:, None]).mean())


# -------------------------------------------------------------------------------- reading


def _with_predictor(model: Any) -> Model:
    """Return a model with all columns in its main slot where no slot holds a predictor."""
    found = resolve(model)
    return found if found.predictors else found.replace(**{main_slot(found): Predictor()})


def _is_frame(X: Any) -> bool:
    """Tell whether covariates are a data frame with names, whose columns keep their types."""
    import narwhals as nw

    native = nw.from_native(X, pass_through=True)
    if not isinstance(native, nw.DataFrame | nw.LazyFrame):
        return False
    return all(isinstance(name, str) for name in native.columns)


def _read(
    estimator: Any, X: Any, y: Any, sample_weight: Any, **checks: Any
) -> tuple[Any, Array, Array | None]:
    """Return covariates, responses and weights as scikit-learn reads them; data frames as they are.

    Rows of weight zero leave at once: they tell no classes and no columns.
    """
    if _is_frame(X):
        validate_data(estimator, X, skip_check_array=True)
        y = column_or_1d(y, warn=True)
    else:
        # An estimate from a single observation is none.
        checks |= {"dtype": np.float64, "accept_sparse": ("csr", "csc"), "ensure_min_samples": 2}
        X, y = validate_data(estimator, X, y, **checks)
    if sample_weight is None:
        return X, y, None
    weights = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
    seen = np.flatnonzero(weights > 0)
    if len(seen) == len(weights) or not len(seen):
        return X, y, weights
    return _safe_indexing(X, seen), y[seen], weights[seen]


def _joined(ones: Array, X: Any) -> Any:
    from scipy import sparse

    stack: Any = sparse.hstack if sparse.issparse(X) else np.hstack
    return stack([ones, X])


# -------------------------------------------------------------------------------- fits without a maximum


def _with_law(result: Fit) -> tuple[Any, str]:
    """Return a fit that has a law, the fit itself or one next to its supremum, and what is to be said.

    Where the likelihood has no maximum, the solver stands at a member of the family next to its supremum.
    Where it is unbounded because the covariates determine the responses, only its means mean anything.
    """
    certificate = result.certificate
    if certificate.status.solved or certificate.status is Status.STEP_LIMIT:
        return result, ""
    assert isinstance(result.family, Conditional)
    unbounded = certificate.status is Status.UNBOUNDED
    if unbounded:
        theta = [float(t[0]) for t in result.theta]
    else:
        objective = result.objective
        at = solve(objective, "auto", np.arange(objective.size)).theta
        user = objective.user
        moved = result.family.from_frame(at, user.shift, user.scale)
        theta = [float(np.ravel(t)[0]) for t in moved]
    least = np.finfo(float).tiny
    for k, p in enumerate(result.family.params):
        if theta[k] == 0.0 and not p.domain.contains(np.asarray(0.0)):
            theta[k] = least
    member = fit_sample(result.family.member(*theta), result.sample)
    if unbounded:
        said = "Predictions are the means in this limit"
    else:
        excess = float(member.cross_entropy) - float(result.cross_entropy)
        said = (
            "Predictions come from where the search ended, "
            f"{excess:.2g} nats per observation above the infimum"
        )
    warnings.warn(f"{certificate}. {said}", errors.NoMaximumWarning, stacklevel=4)
    return member, str(certificate) if unbounded else ""
