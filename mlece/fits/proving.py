"""What is shown of a fit that has ended: how far from the optimum it can be, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.certificate import Bound, Certificate, rounding, strongest_bound
from mlece.fits.existence import Outcome, Verdict, judge, running
from mlece.fits.proof import Shown
from mlece.fits.separable import joint_bound
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.numerics.masks import some
from mlece.regression.existence import canonical_bound, certified
from mlece.sample import Sample
from mlece.solvers.solution import Solution

_LARGE = 1e4  # of statistics, whose rounding is beginning to show in the cross-entropy


@dataclass(frozen=True, eq=False)
class Question:
    """A fit that has ended, of which something is to be shown.

    Parameters
    ----------
    objective : CrossEntropy
    sample : Sample
    solution : Solution
    outcome : Outcome
        The solution and the limits that took its place.
    known : object
        What :func:`mlece.regression.existence.canonical_bound` returned at the solution.
    parts : list of Fit
        Fits of the blocks of a product, whose proofs make the whole one.
    """

    objective: CrossEntropy
    sample: Sample
    solution: Solution
    outcome: Outcome
    known: Any = None
    parts: Any = ()

    @property
    def stands(self) -> bool:
        """Whether the estimates are what they are, whatever will be shown of them.

        A maximiser in closed form of data that have one: no limit took its place, nothing lies outside.
        """
        sample, outcome, model = self.sample, self.outcome, self.objective.model
        return (
            model.affine
            and self.solution.solver == "closed form"
            and sample.truth is None
            and sample.drawn is None
            and not (some(outcome.special) or some(outcome.outside) or model.runs_off)
            and not self.parts
        )

    def answer(self) -> Shown:
        """Show how far from the optimum the fit can be, or why there is none."""
        objective, solution, outcome = self.objective, self.solution, self.outcome
        known = self.known
        special = some(outcome.special)
        place = _evaluated(outcome, solution) if special else outcome.theta
        if solution.shared is not None:
            at = objective.evaluate_shared(place, solution.shared)
        elif solution.at is not None and not special:
            at = solution.at
        else:
            at = objective.evaluate(place, 2)
        value = at.value if solution.value is None else solution.value
        if not special and _cancels(objective):
            value = objective.evaluate(place, 1, opg=True).value
        if not self.parts and (solution.solver == "newton" or solution.solver.startswith("scipy")):
            outcome = running(objective, solution, outcome, at)
        if some(outcome.special):
            value = np.where(np.isnan(outcome.infimum), value, outcome.infimum)
            known = canonical_bound(objective, place, at)
        bound = self._bound(place, at, known)
        verdict = judge(objective, solution, outcome, value, np.isfinite(bound.excess))
        return shown(objective, self.sample, solution, verdict, bound)

    def _bound(self, place: Arrays, at: Evaluation, known: Any) -> Bound:
        if self.parts:
            return joint_bound(self.objective, self.parts)
        return certified(strongest_bound(self.objective, place, at, self.solution), known)


def _cancels(objective: CrossEntropy) -> bool:
    """Tell whether means of statistics are so large that the cross-entropy loses digits to them.

    Those of single observations do not: log q is small where y log λ is large.
    """
    if not objective.model.affine or objective.model.unit_carrier:
        return False
    return some(np.abs(np.asarray(objective.summary.mean)).max(axis=0) > _LARGE)


def shown(
    objective: CrossEntropy, sample: Sample, solution: Solution, verdict: Verdict, bound: Bound
) -> Shown:
    """Put the cross-entropy and the certificate in the user's units and batch axes."""
    values = verdict.value + objective.log_scale
    if objective.penalty is not None:
        values = values - _penalty_of(objective, verdict.theta)
    certificate = _certify(objective, sample, solution, verdict, bound, values)
    return Shown(values, certificate, verdict.lost)


def _evaluated(outcome: Outcome, solution: Solution) -> Arrays:
    """Return where to evaluate: at the limits, or at the solution where their infimum is known."""
    known = ~np.isnan(outcome.infimum)
    for t in solution.theta:
        known = known & np.isfinite(t).reshape(len(known), -1).all(axis=1)
    return tuple(
        np.where(known.reshape(-1, *(1,) * (end.ndim - 1)), own, end)
        for own, end in zip(solution.theta, outcome.theta, strict=True)
    )


def _penalty_of(objective: CrossEntropy, theta: Arrays) -> Array:
    """Return the penalty at the estimates, 0 where there are none to tell it of."""
    out = objective.penalty_at(theta)
    return np.where(np.isfinite(out), out, 0.0)


def _certify(
    objective: CrossEntropy,
    sample: Sample,
    solution: Solution,
    verdict: Verdict,
    bound: Bound,
    values: Array,
) -> Certificate:
    value, special = verdict.value, verdict.special
    excess, steps = bound.excess, bound.nu * np.sqrt(objective.total)
    if some(special):
        excess = np.where(special, np.where(np.isinf(value), np.inf, verdict.excess), excess)
        steps = np.where(special, 0.0, steps)
    excess = excess + np.where(np.isfinite(value), rounding(value), 0.0)

    def shaped(a: Array) -> Any:
        if not sample.batch_shape and a.ndim == 1:
            return a.item()
        return a.reshape((*sample.batch_shape, *a.shape[1:]))

    bracket = solution.bracket
    sentences = dict.fromkeys(verdict.sentences)
    # A law that is known has no observations at which a likelihood could grow.
    if objective.model.free and sample.truth is None and sample.drawn is None:
        caveat = objective.model._caveat(*objective.fixed_slots())
        told = not caveat or any(caveat in said for said in sentences)
        if not told and any(v.solved for v in verdict.status) and _dense(objective):
            sentences[f"a local maximum: {caveat}"] = None
    if objective.penalty is not None and any(v.solved for v in verdict.status):
        sentences["of the cross-entropy with its penalty"] = None
    multipliers = {**bound.multipliers, **verdict.multipliers}
    return Certificate(
        status=shaped(verdict.status),
        excess=shaped(excess),
        score_norm=shaped(steps),
        multipliers={name: shaped(v) for name, v in multipliers.items()},
        scope=bound.scope,
        bound=bound.name,
        sentence="; ".join(filter(None, sentences)),
        entropy_residual=_entropy_residual(objective, sample, verdict, values),
        bracket=None if bracket is None else (shaped(bracket[0]), shaped(bracket[1])),
        kkt=bound.kkt,
    )


def _dense(objective: CrossEntropy) -> bool:
    """Tell whether observations enter by a density: probabilities are bounded, and need no caveat."""
    return bool(np.any(objective.model.density_share(objective.summary) > 0))


def _entropy_residual(
    objective: CrossEntropy, sample: Sample, verdict: Verdict, values: Array
) -> float | None:
    """Return CE_n − H(q_θ̂), which the theory of exponential families puts at zero."""
    model = objective.model
    if sample.batch_shape or not (model.unit_carrier and model.has("_entropy")):
        return None
    if not verdict.status[0].solved or len(model.free) < len(model.params):
        return None
    entropy = np.asarray(model._entropy(*verdict.theta)) + objective.log_scale
    return float(values[0] - entropy[0])
