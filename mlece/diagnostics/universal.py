"""Universal inference: evidence against a model that holds at every n, for irregular models too.

Half of the data learn any density q; the other half compare it with the best member of the model. If the
truth is in the model, e = Π q(x_i)/p_θ̂(x_i) has mean at most 1, so that P(e ≥ 1/α) ≤ α without any
condition (Wasserman, Ramdas and Balakrishnan 2020, PNAS 117, 16880-16890). log e/n is a difference of two
held-out cross-entropies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import column
from mlece.candidates import resolve_all
from mlece.combinators.conditional import Conditional
from mlece.diagnostics.library import Mixed, forecasts, mixed, same_covariates
from mlece.diagnostics.suprema import best_member, lost, suprema
from mlece.fits.fitting import fit_sample, resolve
from mlece.inference.intervals import check_level
from mlece.math import Array, logsumexp, ndtri
from mlece.model import Model
from mlece.randomness import stream
from mlece.regression.reading import read as from_covariates
from mlece.sample import Sample, from_data
from mlece.sources.censoring import Censored
from mlece.units import Units, nats_per_unit, unit_name

_FEWEST = 8


def _tail(remark: str) -> str:
    return f" {remark}" if remark else ""


@dataclass(frozen=True)
class EValue:
    """Evidence against "the truth is in the model".

    Attributes
    ----------
    log_e : float
        Natural logarithm of the e-value: the mean of those of both halves where they change roles.
    p_value : float
        min(1, 1/e), which is valid at every n.
    n : int
        Number of observations.
    alternative : str
        The part of the learned density with the largest weight.
    model : str
        Name of the model.
    level : float
        Level of the verdict, as a confidence level.
    remark : str
        What the certificate of the model's maximum leaves open; empty if it is global.
    """

    log_e: float
    p_value: float
    n: int
    alternative: str
    model: str
    level: float
    remark: str

    @property
    def e(self) -> float:
        """The e-value; infinite beyond the floats."""
        with np.errstate(over="ignore"):
            return float(np.exp(self.log_e))

    @property
    def rejected(self) -> bool:
        """Whether e ≥ 1/α."""
        return bool(self.log_e >= -np.log1p(-self.level))

    def __str__(self) -> str:
        verdict = (
            f"the truth is not in the model (level {1 - self.level:.3g}, valid at every n)"
            if self.rejected
            else "no evidence against it that holds at every n"
        )
        return (
            f"{self.model}: log e = {self.log_e:.4g} against {self.alternative}, "
            f"p <= {self.p_value:.3g} (n = {self.n}): {verdict}." + _tail(self.remark)
        )


@dataclass(frozen=True)
class ESequence:
    """Evidence as the observations come in: it may be looked at, and stopped, at any time.

    Attributes
    ----------
    n : array of int (m,)
        Numbers of observations at which the evidence was read.
    log_e : array (m,)
        Natural logarithm of the e-process there.
    model : str
        Name of the model.
    level : float
        Level of the verdict, as a confidence level.
    remark : str
        What the certificate of the model's maximum leaves open; empty if it is global. From where on the
        evidence is lost, if it is.
    """

    n: Array
    log_e: Array
    model: str
    level: float
    remark: str

    @property
    def stopped(self) -> int | None:
        """The first n at which e ≥ 1/α; None if there is none."""
        reached = self.log_e >= -np.log1p(-self.level)
        return int(self.n[np.argmax(reached)]) if reached.any() else None

    def __str__(self) -> str:
        end = f"{self.model}: log e = {self.log_e[-1]:.4g} after {self.n[-1]} observations; "
        if self.stopped is None:
            return end + "the model was never rejected." + _tail(self.remark)
        end += f"the model is rejected after {self.stopped} of them, whenever one stops."
        return end + _tail(self.remark)


@dataclass(frozen=True)
class GapBound:
    """How far a model is from the truth at least.

    Attributes
    ----------
    family : float
        Lower confidence bound, nats, on KL(p* ‖ q_θ*), the gap of the best member. Its level is
        asymptotic.
    member : float
        Lower confidence bound on KL(p* ‖ q_θ̂), the gap of the member fitted to half of the data; its
        level holds at every n.
    estimate : float
        Held-out cross-entropy of the family's members less that of the learned density.
    se : float
        Standard error of the estimate.
    n : int
        Number of observations.
    alternative : str
        The part of the learned density with the largest weight.
    model : str
        Name of the model.
    level : float
        Confidence level of either bound.
    remark : str
        What the certificate of the model's maximum leaves open; empty if it is global.
    """

    family: float
    member: float
    estimate: float
    se: float
    n: int
    alternative: str
    model: str
    level: float
    remark: str

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        per, name = nats_per_unit(units), unit_name(units)
        head = (
            f"{self.model}: misspecified by at least {self.family / per:.4g} {name}"
            if self.family > 0
            else f"{self.model}: no gap can be certified"
        )
        return (
            f"{head} ({100 * self.level:g} %, asymptotic; "
            f"{self.member / per:.4g} for the fitted member at every n), against "
            f"{self.alternative}, n = {self.n}. No upper bound on the gap holds for every truth."
            + _tail(self.remark)
        )

    def __str__(self) -> str:
        return self.text()


# -------------------------------------------------------------------------------- the halves


def _read(model: Any, data: Any, weights: Any, given: Any) -> tuple[Model, Array]:
    """Return the model and the observations one by one, as the engine has them."""
    family, sample = _sampled(resolve(model), data, weights, given)
    own = family.inner if isinstance(family, Conditional) else family
    if sample.batch_shape or own._width:
        raise errors.DataError(
            errors.message("one sample of numbers, counts or labels", f"shape {np.shape(data)}")
        )
    y, w = sample.values[0], sample.weights
    if w is not None:
        if not np.all(w[0] == np.round(w[0])):
            raise errors.DataError(
                errors.message(
                    "whole numbers as weights (counts)",
                    errors.offenders(w[0] != np.round(w[0]), w[0]),
                )
            )
        y = np.repeat(y, w[0].astype(np.int64), axis=0)
    if len(y) < _FEWEST:
        raise errors.DataError(
            errors.message(f"at least {_FEWEST} observations to split", f"{len(y)}")
        )
    return family, y


def _sampled(model: Model, data: Any, weights: Any, given: Any) -> tuple[Model, Sample]:
    if isinstance(data, str):
        data = column(given, data)
    if isinstance(data, Censored):
        raise errors.ComparisonError(
            errors.message(
                "exact observations, from which densities are learned",
                repr(data),
                "mlece.goodness_of_fit and mlece.ios test models of incomplete ones",
            )
        )
    if not model.predictors:
        return from_data(model, data, weights)
    read = from_covariates(model, data, given, weights, "y", "frequency")
    return read.model, read.sample


def _alternatives(
    alternatives: Any, family: Model, data: Any, given: Any
) -> Sequence[Model] | None:
    if alternatives is None:
        return None
    listed = (
        list(alternatives) if not isinstance(alternatives, str | Model | type) else alternatives
    )
    models = resolve_all(listed) if listed else []
    if not isinstance(family, Conditional):
        return models
    return [
        _sampled(m, data, None, given)[0] if m.predictors else same_covariates(family, m)
        for m in models
    ]


def _log_ratio(learned: float, supremum: float) -> float:
    """Return log e; a likelihood that is infinite, or zero under both, is no evidence."""
    if supremum == np.inf or (learned == -np.inf and supremum == -np.inf):
        return -np.inf
    return learned - supremum


def _halves(y: Array, rng: np.random.Generator, cross: bool) -> list[tuple[Array, Array]]:
    """Return (learning, testing) halves, with exchanged roles too where wished."""
    order = rng.permutation(len(y))
    one, two = y[order[: len(y) // 2]], y[order[len(y) // 2 :]]
    return [(one, two), (two, one)] if cross else [(one, two)]


def universal_test(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    given: Any = None,
    alternatives: Any = None,
    cross: bool = True,
    level: float = 0.95,
    rng: Any = 0,
) -> EValue:
    """Test "the truth is in the model" by a split likelihood ratio.

    Parameters
    ----------
    model : Model, class or name
        The model, free slots and all; it need not be regular.
    data : array_like (n,)
        Observations.
    weights : array_like (n,), optional
        Counts.
    given : data frame, mapping or array (n, d), optional
        Covariates, if the model has predictors: the halves are halves of the rows.
    alternatives : sequence of models, optional
        Families that the learned density mixes, beside the model and a kernel estimate (without
        covariates); the everyday families by default; none for an empty sequence. Families without a
        predictor take the first one of the model into the slot that tells where their laws lie.
    cross : bool
        Whether both halves learn and test in turn, and the two e-values are averaged.
    level : float
        Confidence level of the verdict.
    rng : int or numpy.random.Generator
        Splits the data.

    Returns
    -------
    EValue

    Raises
    ------
    DataError
        For a batch, or fewer than 8 observations.

    Notes
    -----
    Wasserman, Ramdas and Balakrishnan (2020), PNAS 117, 16880-16890, sections 2 and 6. Rejecting where
    e ≥ 1/α errs in at most a share α of right models. A density that can be unbounded at an observation
    has infinite likelihood, so that nothing speaks against it: e = 0. Where the certificate of the best
    member is local, e supposes that no other maximum is higher, and says so.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Exponential(rate=1).sample(400, rng=1)
    >>> mlece.universal_test("gaussian", y).rejected
    True
    """
    check_level(level)
    family, y = _read(model, data, weights, given)
    generator = stream(rng)
    listed = _alternatives(alternatives, family, data, given)
    logs, leading, remark = [], "", ""
    for learning, testing in _halves(y, generator, cross):
        q = mixed(family, learning, generator, listed)
        best = best_member(family, testing, _own(q, family))
        leading, remark = leading or q.leading, remark or best.remark
        logs.append(_log_ratio(float(q.log_density(testing).sum()), best.supremum))
    log_e = float(np.logaddexp.reduce(logs) - np.log(len(logs)))
    p = float(np.exp(min(0.0, -log_e)))
    return EValue(log_e, p, len(y), leading, family.title, level, remark)


def universal_sequence(
    model: Any,
    data: Any,
    *,
    given: Any = None,
    alternatives: Any = None,
    looks: int = 20,
    level: float = 0.95,
    rng: Any = 0,
) -> ESequence:
    """Follow the evidence against a model while observations come in.

    Parameters
    ----------
    model, given, alternatives, level
        As in :func:`universal_test`.
    data : array_like (n,)
        Observations in the order in which they came.
    looks : int
        How often the densities are learned anew and the evidence read, at equal distances.
    rng : int or numpy.random.Generator
        Deals the first observations to folds.

    Returns
    -------
    ESequence

    Notes
    -----
    Wasserman, Ramdas and Balakrishnan (2020), section 8: every stretch of observations is judged by a
    density learned from those before it, all of them together by the best member of the model. The first
    stretch only teaches: it is dealt to folds that weigh the families, and what each foretells of a
    stretch weighs it for the next. Under a right model the chance that e ever reaches 1/α is α at most.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Exponential(rate=1).sample(400, rng=1)
    >>> mlece.universal_sequence("gaussian", y, looks=10).stopped is not None
    True
    """
    check_level(level)
    family, y = _read(model, data, None, given)
    if not 1 <= looks <= len(y) // 4:
        raise errors.ParameterError(
            errors.message(
                f"between 1 and {len(y) // 4} looks at {len(y)} observations", f"{looks}"
            )
        )
    listed = _alternatives(alternatives, family, data, given)
    marks = np.linspace(0, len(y), looks + 2).round().astype(int)[1:].tolist()
    first = marks[0]
    q = mixed(family, y[:first], stream(rng), listed)
    # What each part foretold so far weighs it for the next stretch; a part that fails keeps its
    # weight, so that nothing seen later enters.
    foretold = np.stack([forecasts(family, part, y, marks) for part in q.families])
    with np.errstate(divide="ignore"):
        learned = logsumexp(np.log(q.weights)[:, None] + np.cumsum(foretold, axis=1), axis=0)
    tops, remark = suprema(family, y[first:], np.array(marks[1:]) - first)
    log_e = np.array([_log_ratio(*pair) for pair in zip(learned, tops, strict=True)])
    said = " ".join(s for s in (remark, lost(learned, tops, marks)) if s)
    return ESequence(np.array(marks[1:]), log_e, family.title, level, said)


def _own(q: Mixed, model: Model) -> Any:
    """Return the log density of the model's own member among the learned parts, if it has one."""
    return q.parts[0] if q.families[0] is model else None


def gap_bound(
    model: Any,
    data: Any,
    *,
    weights: Any = None,
    given: Any = None,
    alternatives: Any = None,
    level: float = 0.95,
    rng: Any = 0,
) -> GapBound:
    """Bound the gap of a model from below by what a learned density does better on new data.

    Parameters
    ----------
    model, data, weights, given, alternatives, level, rng
        As in :func:`universal_test`.

    Returns
    -------
    GapBound

    Notes
    -----
    For any density q, KL(p* ‖ q_θ) ≥ E[log q − log q_θ]. The family's bound takes θ̂ from the very
    observations on which both are held, which favours the model, and the normal law for the mean; both
    halves learn and test in turn. The member's bound takes θ̂ and q from one half and the other half's
    log((1 + q/q_θ̂)/2), which is at least −log 2, cut above where the first half says that it costs
    least: the empirical Bernstein inequality (Maurer and Pontil 2009, COLT) then holds at every n. From
    above no bound exists that holds for every truth.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Exponential(rate=1).sample(2000, rng=1)
    >>> mlece.gap_bound("gaussian", y).family > 0.2
    True
    """
    check_level(level)
    family, y = _read(model, data, weights, given)
    generator, listed = stream(rng), _alternatives(alternatives, family, data, given)
    means, variances, member, leading, remark = [], [], 0.0, "", ""
    for learning, testing in _halves(y, generator, cross=True):
        q = mixed(family, learning, generator, listed)
        best, log_q = best_member(family, testing, _own(q, family)), q.log_density(testing)
        means.append(_log_ratio(float(log_q.sum()), best.supremum) / len(testing))
        with np.errstate(invalid="ignore"):
            variances.append(float((log_q - best.at).var(ddof=1)) / len(testing))
        if not leading:
            leading, remark = q.leading, best.remark
            member = _certified(family, q, learning, testing, 1.0 - level)
    estimate, se = float(np.mean(means)), float(np.sqrt(np.sum(variances)) / 2.0)
    low = estimate - float(ndtri(level)) * se
    bound = max(0.0, low) if np.isfinite(low) else 0.0
    name = family.title
    return GapBound(bound, member, estimate, se, len(y), leading, name, level, remark)


def _certified(family: Model, q: Mixed, learning: Array, testing: Array, size: float) -> float:
    """Return the lower bound on the gap of the member fitted to the learning half."""
    fit = fit_sample(family, Sample(learning[None], None, ()))
    members = fit.groups()
    if not members:
        return 0.0
    log_member = members[0][1].log_density

    def gains(y: Array) -> Array:
        with np.errstate(invalid="ignore"):
            ratio = q.log_density(y) - log_member(y[None])[0]
        # Where neither has a density the least that can be is taken.
        ratio = np.where(np.isnan(ratio), -np.inf, ratio)
        return np.asarray(np.logaddexp(0.0, ratio) - np.log(2.0))

    def bound(z: Array, cut: float) -> float:
        z = np.minimum(z, cut)
        slack = np.log(2.0 / size)
        spread = np.sqrt(2.0 * z.var(ddof=1) * slack / z.size)
        return float(z.mean() - spread - 7.0 * (cut + np.log(2.0)) * slack / (3.0 * (z.size - 1)))

    seen = gains(learning)
    cuts = np.quantile(seen, [0.5, 0.75, 0.9, 0.95, 0.99, 1.0])
    best = max(
        (max(c, 0.0) for c in cuts if np.isfinite(c)), key=lambda c: bound(seen, c), default=0.0
    )
    return max(0.0, bound(gains(testing), float(best)))
