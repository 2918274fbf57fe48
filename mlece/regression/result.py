"""The fit of a conditional model: a fit that knows its covariates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.regression.prediction import Prediction, prediction
from mlece.regression.reading import Given
from mlece.regression.robust import leverages
from mlece.regression.scoring import at_covariates, held_out

if TYPE_CHECKING:
    from mlece.diagnostics.influence import Influence
    from mlece.diagnostics.nested import Restriction
    from mlece.diagnostics.term_tests import TermTests


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalFit(Fit):
    """The result of :func:`mlece.fit` for a model with a predictor in a slot.

    Attributes
    ----------
    kept : array of bool (n,), optional
        The rows that were fitted, where some were dropped.
    """

    kept: Array | None = None

    @property
    def conditional(self) -> Conditional:
        """The conditional model that was fitted, its designs among its terms."""
        assert isinstance(self.family, Conditional)
        return self.family

    @property
    def rows(self) -> Array:
        """Rows of the designs to which the observations belong, (R or 1, n)."""
        return np.asarray(self.sample.values[..., -1]).astype(np.intp)

    def predict(self, given: Any = None, **known: Any) -> Model:
        """Return the fitted distribution of the response at each row of covariates.

        Parameters
        ----------
        given : data frame, mapping, array (m, d) or sparse matrix, optional
            New covariates, of the kind that was fitted; those of the fit if not given.
        **known : array_like (m,)
            What came as numbers at the fit, by slot: known values, ``n=[5, 8]``, or an offset.

        Returns
        -------
        Model
            Of the family that was named; its slots are arrays (m,) behind the batch axes.

        Raises
        ------
        DataError, UnknownNameError
            For levels that were not seen in the fit, missing values, columns that are missing.

        Examples
        --------
        >>> import mlece
        >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
        >>> fit.predict({"x": [1.0, 4.0]}).mean.round(3)
        array([1.638, 5.769])
        """
        return self.at(given, **known).responses()

    def at(self, given: Any = None, **known: Any) -> Conditional:
        """Return the fitted conditional model at other covariates, or at those of the fit."""
        model = self.model
        if not isinstance(model, Conditional):
            raise errors.NoDensityError(
                errors.message("a conditional model to predict from", f"{model!r}")
            )
        return model if given is None and not known else at_covariates(model, given, known)

    def prediction(self, given: Any = None, **options: Any) -> Prediction:
        """Return means and their limits; see :func:`mlece.regression.prediction.prediction`."""
        return prediction(self, given, **options)

    def held_out(self, data: Any, weights: Any = None, given: Any = None, **known: Any) -> Any:
        """Return the cross-entropy of new responses given their covariates, nats per observation.

        Parameters
        ----------
        data : array_like (n,) or (..., n), Censored, or str
            New responses, or the name of their column in ``given``.
        weights : array_like (n,), optional
            Frequency weights.
        given : data frame, mapping, array (n, d) or sparse matrix
            Their covariates; ``known`` as for :meth:`predict`.

        Returns
        -------
        HeldOut
            As for :meth:`mlece.Fit.held_out`; for a batch an array.

        Raises
        ------
        DataError
            Without covariates, for levels that the fit has not met, for another number of rows.

        Examples
        --------
        >>> import mlece
        >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
        >>> round(fit.held_out([1, 3], given={"x": [0.5, 2.5]}), 4)
        1.2706
        """
        return held_out(self, data, weights, given, known)

    def plot(self, **options: Any) -> Any:
        """Draw four panels; see :func:`mlece.plot.regression_panels`."""
        from mlece.plot import regression_panels

        return regression_panels(self, **options)

    def leverage(self) -> dict[str, Array]:
        """Return leverages by slot, (..., n); see :func:`mlece.regression.robust.leverages`."""
        shape = self.sample.batch_shape
        slots = [p.name for p in self.conditional.inner.params]
        return {slots[at]: h.reshape(*shape, -1) for at, h in leverages(self).items()}

    def influence(self, **options: Any) -> Influence:
        """Return how much the estimates owe to each observation; see :func:`mlece.influence`."""
        from mlece.diagnostics.influence import influence

        return influence(self, **options)

    def test(self, terms: Any, slot: str | None = None) -> Restriction:
        """Test terms of the predictors; see :func:`mlece.diagnostics.term_tests.term_test`."""
        from mlece.diagnostics.term_tests import term_test

        return term_test(self, terms, slot)

    def terms(self, slot: str | None = None) -> TermTests:
        """Test every term of every predictor; see :func:`mlece.diagnostics.term_tests.term_tests`."""
        from mlece.diagnostics.term_tests import term_tests

        return term_tests(self, slot)


def with_covariates(fit: Fit, known: Given, given: Any) -> ConditionalFit:
    """Return a fit that knows the covariates as they came, and how many rows were dropped."""
    assert isinstance(fit, ConditionalFit)
    notes = dict(fit.notes)
    if known.kept is not None:
        notes["dropped"] = int((~known.kept).sum())
    return replace(fit, notes=notes, given=given, kept=known.kept)
