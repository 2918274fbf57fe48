"""Functions of a fitted model with standard errors and intervals: quantiles, moments, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.fits.result import Fit
from mlece.inference.curve import LikelihoodCurve, profile
from mlece.inference.estimates import Function
from mlece.inference.intervals import Interval, check_level, of_quantities
from mlece.math import Array, ndtri
from mlece.model import Model
from mlece.profiling.surface import one_by_one
from mlece.regression.kinds import described
from mlece.regression.scoring import moved, new_terms

METHODS = ("wald", "profile", "robust profile", "bootstrap")


@dataclass(frozen=True, eq=False)
class Functional:
    """A function of the fitted model, and how sure one may be of it.

    Attributes
    ----------
    fit : Fit
    function : callable
        Maps a model with slots (S,) to S numbers.
    name : str
        What to call it.
    estimate : float or array
        Its value at the fitted model; for a batch of fits an array with the batch axes, NaN for members
        without a minimiser.
    """

    fit: Fit
    function: Callable[[Model], Any]
    name: str
    estimate: Any

    @property
    def _quantity(self) -> Function:
        return Function(self.fit, self.function)

    def _shaped(self, values: Array) -> Any:
        out = values.reshape(self.fit.sample.batch_shape)
        return out.item() if out.ndim == 0 else out

    def se(self, kind: str = "sandwich", **options: Any) -> Any:
        """Return the standard error by the delta method, (g' C g)^½.

        Parameters
        ----------
        kind, **options
            The covariance C; see :func:`mlece.fits.covariance.covariance`. The gradient g is taken by
            five-point differences in unconstrained coordinates.
        """
        return self._shaped(self._quantity.errors(kind, **options))

    def interval(
        self,
        level: float = 0.95,
        method: str = "wald",
        kind: str = "sandwich",
        *,
        bootstrap: str = "bca",
        resampling: str = "nonparametric",
        replicates: int = 999,
        rng: Any = 0,
        **options: Any,
    ) -> Interval:
        """Return a confidence interval.

        Parameters
        ----------
        level : float
            Confidence level in (0, 1).
        method : {"wald", "profile", "robust profile", "bootstrap"}
            The others do not depend on how the function is scaled; a Wald interval is symmetric.
        kind : str
            Covariance of a Wald interval.
        bootstrap, resampling, replicates, rng
            As in :func:`mlece.inference.intervals.interval`.
        **options
            Of the covariance (clusters, lags, bread).

        Returns
        -------
        Interval
        """
        check_level(level)
        if method not in METHODS:
            raise errors.unknown_name("interval method", method, METHODS)
        if method == "wald":
            if kind == "bootstrap":
                options |= {"resampling": resampling, "replicates": replicates, "rng": rng}
            reach = float(ndtri(0.5 + 0.5 * level)) * np.asarray(self.se(kind, **options))
            pair = (self._plain(self.estimate - reach), self._plain(self.estimate + reach))
            return Interval(pair, level, f"delta method, {described(kind, options)}")
        return of_quantities(
            self._quantity,
            level,
            method,
            bootstrap=bootstrap,
            resampling=resampling,
            replicates=replicates,
            rng=rng,
        )[0]

    def profile(self, points: Any = 41, robust: bool = False) -> LikelihoodCurve:
        """Return the profile likelihood; see :func:`mlece.inference.curve.profile`."""
        return profile(self.fit, self.function, points=points, robust=robust, name=self.name)

    @staticmethod
    def _plain(value: Any) -> Any:
        return value.item() if np.ndim(value) == 0 else value

    def __str__(self) -> str:
        if self.fit.sample.batch_shape:
            return f"{self.name}: {np.array2string(np.asarray(self.estimate), precision=6, threshold=6)}"
        try:
            return f"{self.name}: {self.estimate:.6g} (robust se {self.se():.2g})"
        except errors.NotRegularError:
            return f"{self.name}: {self.estimate:.6g} (without a standard error: {self.fit.certificate})"


def _at_rows(
    fit: Fit, function: Callable[[Model], Any], given: Any, known: Mapping[str, Any] | None
) -> Callable[[Model], Any]:
    """Return a function of a conditional model: that of the laws of the response at rows of covariates."""
    conditional = fit.family
    if not isinstance(conditional, Conditional):
        raise errors.DataTypeError(
            errors.message("a fit with covariates for given=", f"a fit of {conditional.title}")
        )
    terms = new_terms(conditional, given, known)

    def of_laws(model: Model) -> Any:
        laws = moved(model, terms, False).responses()
        value = np.asarray(function(laws))
        *members, rows = laws.batch_shape
        return value.reshape(members) if rows == 1 and value.size == prod(members) else value

    return of_laws


def functional(
    fit: Fit,
    function: Callable[[Model], Any],
    *,
    name: str | None = None,
    vectorised: bool = True,
    given: Any = None,
    known: Mapping[str, Any] | None = None,
) -> Functional:
    """Return a function of the fitted model as a quantity with standard error and intervals.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch.
    function : callable
        Takes a model whose slots are arrays of shape (S,) and returns S numbers, as
        ``lambda m: m.quantile(0.99)`` does. Where the fit came to a limit of its family the estimate is
        that of the limiting law: a function of ``m.mean`` or ``m.sf(y)`` serves both, one of
        ``m.theta`` does not.
    name : str, optional
        What to call it; the function's own name if it has one.
    vectorised : bool
        False for a function of one distribution that returns one number: it is called once for each
        member, which is slower.
    given : data frame, mapping, array (m, d) or sparse matrix, optional
        For a fit with covariates: rows at which the function takes the laws of the response, as
        ``fit.predict(given)`` does. Its model then has slots of shape (S, m), or (m,) if not
        vectorised; of a single row (m = 1) the numbers may keep further axes of length 1, as those of
        ``m.quantile(0.99)`` do.
    known : mapping of str to array_like (m,), optional
        What came as numbers at the fit, by slot, as for ``fit.predict``.

    Returns
    -------
    Functional

    Raises
    ------
    DataTypeError
        If the function does not return one number for each member; for ``given`` without covariates.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Gamma(), [1.0, 2.5, 0.7, 3.1, 1.8, 2.2, 0.9])
    >>> tail = fit.functional(lambda m: m.quantile(0.9))
    >>> round(tail.estimate, 4)
    2.9205
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> ratio = fit.functional(lambda m: m.mean[..., 1] / m.mean[..., 0], given={"x": [0, 3]})
    >>> print(ratio.interval(method="profile"))
    0.580653 to 27.8432 (95 %, profile likelihood)
    """
    own = function if given is None and not known else _at_rows(fit, function, given, known)
    own = own if vectorised else one_by_one(own)
    if name is None:
        name = getattr(function, "__name__", "function")
        name = "function" if name == "<lambda>" else name
    quantity = Function(fit, own)
    found = quantity.estimate()[:, 0].reshape(fit.sample.batch_shape)
    if not np.isfinite(found).any():
        raise errors.NotRegularError(
            errors.message(
                f"a finite {name} at the fitted model", f"{np.ravel(found)[0]}: {fit.certificate}"
            )
        )
    return Functional(fit, own, name, found.item() if found.ndim == 0 else found)
