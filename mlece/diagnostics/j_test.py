"""The J test: does one linear model leave out what another says of the mean."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Term, dense
from mlece.design import Design
from mlece.diagnostics.comparable import names_of, outside, require_comparable, standing
from mlece.diagnostics.nested import restriction
from mlece.families.real_line import Gaussian
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.links.bijection import identity
from mlece.math import Array, betainc

# Fitted values of which no more than this lies outside a model's columns add nothing to it.
_SPANNED = 1e-9
_OTHER = "fitted by the other"


@dataclass(frozen=True)
class Addition:
    """The fitted values of one model as a covariate of the other.

    Attributes
    ----------
    coefficient : float
        Of those values: 0 where the model they are added to is right, 1 where the other is.
    statistic : float
        The coefficient over its standard error, s² = RSS/(n − p).
    p_value : float
        Two-sided, against Student's t with n − p degrees of freedom.
    df : float
        n − p, the added column counted.
    robust, robust_p : float
        The same with the sandwich in the place of s², against the normal law.
    """

    coefficient: float
    statistic: float
    p_value: float
    df: float
    robust: float
    robust_p: float


@dataclass(frozen=True)
class JTest:
    """The J test of two linear models, in both directions (Davidson and MacKinnon 1981).

    Attributes
    ----------
    first, second : Addition
        The first model with the fitted values of the second added, and the reverse. A small p-value
        speaks against the model to which they are added.
    n : float
        Number of observations.
    level : float
        Level of the verdict, as a confidence level.
    """

    first: Addition
    second: Addition
    n: float
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> str:
        """Which model stands, by the robust p-values: "first", "second", "both" or "neither"."""
        size = 1.0 - self.level
        return standing(self.first.robust_p > size, self.second.robust_p > size)

    def __str__(self) -> str:
        tails = {
            "first": "the second is rejected, the first is not",
            "second": "the first is rejected, the second is not",
            "both": "neither is rejected: these data do not tell them apart",
            "neither": "both are rejected",
        }
        told = [
            f"added to the {which}, the fitted values of the other have the coefficient "
            f"{a.coefficient:.4g} (t = {a.statistic:.3f}, p = {a.p_value:.3g}; robust p = {a.robust_p:.3g})"
            for which, a in (("first", self.first), ("second", self.second))
        ]
        one, two = self.names
        return (
            f"First: {one}. Second: {two}. {told[0].capitalize()}; {told[1]} (n = {self.n:g}): "
            f"{tails[self.verdict]}."
        )


def j_test(first: Fit, second: Fit, *, level: float = 0.95) -> JTest:
    """Test two linear models that are not nested, each by the fitted values of the other.

    Parameters
    ----------
    first, second : ConditionalFit
        Single fits of Gaussian with a predictor of the mean, and a common sd, to the same responses.
    level : float
        Confidence level of the verdict.

    Returns
    -------
    JTest

    Raises
    ------
    ComparisonError
        For other models, for different data, and where the fitted values of one model lie in the space
        of the covariates of the other (nested models: ``fit.test`` compares those).

    Notes
    -----
    Davidson and MacKinnon (1981), Econometrica 49, 781-793. Where a model is right, the coefficient of
    the other's fitted values is 0; its t ratio is normal in long samples. In short ones it rejects a
    right model too often where the other has many more covariates. Both models may be rejected, or
    neither.

    Examples
    --------
    >>> import mlece
    >>> x = {"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "b": [1.0, 4.0, 2.0, 6.0, 3.0, 5.0]}
    >>> y = [1.2, 1.9, 3.2, 4.0, 4.8, 6.1]
    >>> fits = [mlece.fit(mlece.Gaussian(mean=name), y, given=x) for name in ("a", "b")]
    >>> mlece.j_test(*fits).verdict
    'first'
    """
    check_level(level)
    require_comparable(first, second)
    own, other = _linear(first), _linear(second)
    n = float(first.objective.total[0])
    return JTest(
        first=_added(first, own, _fitted(second, other)),
        second=_added(second, other, _fitted(first, own)),
        n=n,
        level=level,
        names=names_of(first, second),
    )


def _linear(fit: Fit) -> Term:
    """Return the predictor of the mean of a linear model; raise for any other model."""
    family = fit.family
    linear = (
        isinstance(family, Conditional)
        and type(family.inner) is Gaussian
        and [term.slot for term in family.terms] == ["mean"]
        and family.terms[0].link.name == identity.name
    )
    if not linear or fit.sample.batch_shape or fit.sample.weighting == "sampling":
        raise errors.ComparisonError(
            errors.message(
                "two single fits of Gaussian(mean=<predictor>) with one sd for all observations",
                f"{family!r:.80}"
                + (f", a batch {fit.sample.batch_shape}" if fit.sample.batch_shape else ""),
                "mlece.vuong and mlece.cox compare other models",
            )
        )
    assert isinstance(family, Conditional)
    return family.terms[0]


def _fitted(fit: Fit, term: Term) -> Array:
    """Return the fitted means at every row of the design, (n,)."""
    beta = np.array([[fit.flat(name)[0] for name in term.names]])
    return np.asarray(term.design.index(slice(None), beta)[0])


def _added(fit: Fit, term: Term, values: Array) -> Addition:
    """Return the test of the other model's fitted values as one more covariate."""
    rows = fit.sample.values[0, :, -1].astype(np.intp)
    space = dense(term.design, rows)
    offset = 0.0 if term.design.offset is None else term.design.offset[rows]
    if outside((values[rows] - offset)[:, None], space)[0] <= _SPANNED:
        raise errors.ComparisonError(
            errors.message(
                "two models of which neither holds the other",
                f"fitted values that are in the space of the covariates of {fit.family!r:.60}",
                "fit.test compares a model with one that has fewer terms",
            )
        )
    matrix = np.column_stack([dense(term.design, slice(None)), values])
    design = Design(matrix, (*term.design.names, _OTHER), term.design.offset)
    larger = replace(term, design=design)
    family = fit.family
    assert isinstance(family, Conditional)
    wide = fit_sample(
        Conditional(inner=family.inner, terms=(larger,), respond=family.respond), fit.sample
    )
    tests = restriction(wide, **{larger.names[-1]: 0})
    # The likelihood divides the sum of squares by n, Student's t by n − p.
    df = float(wide.objective.total[0]) - larger.design.width
    coefficient = float(wide.flat(larger.names[-1])[0])
    sign = np.sign(coefficient)
    square = tests.wald * df / float(wide.objective.total[0])
    return Addition(
        coefficient=coefficient,
        statistic=float(sign * np.sqrt(square)),
        p_value=float(betainc(0.5 * df, 0.5, df / (df + square))),
        df=df,
        robust=float(sign * np.sqrt(tests.wald_robust)),
        robust_p=float(tests.wald_robust_p),
    )
