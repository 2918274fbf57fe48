"""Scores and information indicators as the fitted members themselves expect them."""

from __future__ import annotations

from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import rows_of
from mlece.fits.result import Fit
from mlece.likelihood.conditional_moments import conditional_moments
from mlece.likelihood.member_moments import Moments, member_moments


def expected(fit: Fit) -> Moments:
    """Return the second moments of scores and indicators under every fitted member of a batch.

    With covariates the mean over the observations of what each expects given its own.

    Raises
    ------
    NoDensityError
        For laws of vectors, which have no quadrature here, and members whose mass cannot be found.
    """
    family, sample = fit.family, fit.objective.sample
    if isinstance(family, Conditional):
        factors = family.frame_factors(fit.objective.user.scale)
        return conditional_moments(
            family, rows_of(sample.values), fit.framed, sample.weights, factors
        )
    free = [i for i, p in enumerate(family.params) if p.name in family.free]
    return member_moments(family, fit.theta, free)
