"""Samples of a truth, with covariates or without, as the models of a study fit them and are tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.regression.projection import placed
from mlece.regression.scoring import at_covariates
from mlece.regression.truth import ConditionalTruth, Law
from mlece.sample import Sample, from_data
from mlece.sources.tables import taken

DESIGNS = ("drawn", "fixed")


@dataclass(frozen=True, eq=False)
class Plain:
    """Samples of one law.

    Attributes
    ----------
    truth : Model
    values : array (R, n)
    """

    truth: Model
    values: Any

    def fit(self, best: Fit) -> Fit:
        """Fit the family of a fit to every sample."""
        return fit_sample(*from_data(best.family, self.values))

    def truth_terms(self) -> Array:
        """Return the cross-entropy of every sample under the truth, (R,)."""
        return np.asarray(-self.truth.log_density(self.values).mean(axis=-1))

    def held_out(self, fit: Fit) -> Array:
        """Return the cross-entropy of every sample under one fit each, (R,)."""
        return np.asarray(fit.held_out(self.values))


@dataclass(frozen=True, eq=False)
class Conditioned:
    """Samples of responses with their covariates.

    Attributes
    ----------
    law : Law
        Of the response at each row of covariates.
    y : array (R, n)
    given : object
        Rows of covariates: R n of them in the order of the samples, or n that all samples share.
    shared : bool
        Which of the two.
    """

    law: Law
    y: Any
    given: Any
    shared: bool

    def fit(self, best: Fit) -> Fit:
        """Fit the family of a fit to every sample."""
        family, values = self._observations(best.family)
        return fit_sample(family, Sample(values, None, values.shape[:1]))

    def truth_terms(self) -> Array:
        """Return the cross-entropy of every sample given its covariates under the truth, (R,)."""
        codes = np.asarray(self.law.family.encode(self.y), dtype=float)
        terms = self.law.log_density(codes.ravel(), self._rows().ravel())
        return np.asarray(-terms.reshape(self.y.shape).mean(axis=-1))

    def held_out(self, fit: Fit) -> Array:
        """Return the cross-entropy of every sample under one fit each, (R,)."""
        _, values = self._observations(fit.family)
        out = np.full(fit.objective.size, np.nan)
        for members, model in fit.groups():
            law = at_covariates(model, self.given)
            with np.errstate(all="ignore"):
                out[members] = -law.log_density(values[members]).mean(axis=-1)
        return out

    def _rows(self) -> Array:
        count, n = self.y.shape
        rows = np.arange(n) if self.shared else np.arange(count * n).reshape(count, n)
        return np.broadcast_to(rows, (count, n))

    def _observations(self, family: Any) -> tuple[Any, Array]:
        return placed(family, self.y, self.given, self._rows())


Samples = Plain | Conditioned


def drawn(truth: Any, shape: tuple[int, int], rng: np.random.Generator, design: str) -> Samples:
    """Draw R samples of n observations.

    Parameters
    ----------
    truth : Model or ConditionalTruth
    shape : (int, int)
        R and n.
    rng : numpy.random.Generator
    design : {"drawn", "fixed"}
        Whether covariates are drawn anew for every sample, or all samples have the rows of the truth's
        sample of covariates, each as often as n tells.

    Raises
    ------
    DataError
        If covariates are to be fixed and there is no sample of them with equal weights, or n is no multiple
        of its rows.
    """
    if not isinstance(truth, ConditionalTruth):
        return Plain(truth, truth.sample(shape, rng=rng))
    count, n = shape
    if design == "drawn":
        y, given = truth.sample(count * n, rng)
        return Conditioned(truth.y.at(given, count * n), np.reshape(y, shape), given, False)
    given = taken(truth.given, np.arange(n) % _rows_of(truth, n))
    law = truth.y.at(given, n)
    each = bool(law.family.batch_shape)
    y = np.swapaxes(law.family.sample(count, rng), 0, 1) if each else law.family.sample(shape, rng)
    return Conditioned(law, y, given, True)


def _rows_of(truth: ConditionalTruth, n: int) -> int:
    """Return the number of rows of a fixed design; raise unless n is a multiple of it."""
    w = truth.weights
    if w is None or not np.all(w == w[0]):
        raise errors.DataError(
            errors.message(
                'a sample of covariates with equal weights for design="fixed"',
                f"{truth!r}",
                "conditional_truth(y, x=frame)",
            )
        )
    if n % w.size:
        raise errors.DataError(
            errors.message(
                f"sizes that are multiples of the {w.size} rows of covariates of {truth.name}",
                f"{n}",
            )
        )
    return int(w.size)
