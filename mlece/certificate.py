"""The proof that comes with every fit: how much cross-entropy could still be gained, at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlece.combinators.incomplete import Incomplete
from mlece.likelihood.chart import Chart
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.likelihood.straight import straightened
from mlece.math import Array, Arrays
from mlece.param import facts_of
from mlece.solvers.dispatch import closed_form
from mlece.solvers.newton import decrement
from mlece.solvers.solution import Solution

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Certificate:
    """What is known about the distance of a fit from the optimum.

    Parameters
    ----------
    status : Status or array of Status
        The outcome; ``status.value`` is a sentence.
    excess : float or array
        Upper bound on CE(θ̂) − min CE in nats, rounding of the cross-entropy included.
    score_norm : float or array
        Length of the score at θ̂ in standard errors, √n (g' H⁻¹ g)^½: how far, in standard errors, the
        estimate lies from the stationary point.
    multipliers : dict
        Karush–Kuhn–Tucker multipliers of the active constraints, by name.
    scope : {"global", "local"}
        Whether the bound holds against the whole family or against a neighbourhood.
    bound : str
        Which bound it is.
    sentence : str
        The reason, where no interior optimum exists, and remarks.
    entropy_residual : float or array, optional
        CE_n − H(q_θ̂), zero at the optimum of an exponential family with unit carrier: a check that uses
        no derivative.
    bracket : tuple of (float or array), optional
        Interval of the profiled parameter in which its score changes sign.
    kkt : KKT, optional
        The full Karush–Kuhn–Tucker report of a simplex.

    Examples
    --------
    >>> import mlece
    >>> mlece.fit(mlece.Exponential(), [1.0, 2.0, 3.0]).certificate.status.name
    'OPTIMAL'
    """

    status: Any
    excess: Any
    score_norm: Any
    multipliers: dict[str, Any]
    scope: str
    bound: str
    sentence: str = ""
    entropy_residual: Any = None
    bracket: tuple[Any, Any] | None = None
    kkt: KKT | None = None

    def __str__(self) -> str:
        if isinstance(self.status, np.ndarray):
            names, counts = np.unique([s.name for s in self.status.ravel()], return_counts=True)
            parts = [
                f"{c} {n.lower().replace('_', ' ')}" for n, c in zip(names, counts, strict=True)
            ]
            return (
                f"{', '.join(parts)}; excess at most {np.max(self.excess):.1e} nats ({self.scope})"
            )
        text = self.status.value
        if self.status.solved and self.bound:
            text += f"; excess ≤ {self.excess:.1e} nats ({self.scope}, {self.bound})"
        return f"{text}: {self.sentence}" if self.sentence else text


@dataclass(frozen=True)
class KKT:
    """The Karush–Kuhn–Tucker conditions of −Σ p̂ log q on the simplex, all on the scale of the mean.

    Parameters
    ----------
    multiplier : float
        λ of the constraint Σ q = 1; at the optimum λ = Σ p̂ = 1.
    cell_multipliers : array (K,)
        μ_k of q_k ≥ 0; λ for an empty cell, 0 for the others.
    stationarity : float
        Largest |−p̂_k/q_k + λ − μ_k|.
    complementarity : float
        Largest |μ_k q_k|.
    feasibility : float
        |Σ q − 1|.
    """

    multiplier: float
    cell_multipliers: Array = field(repr=True)
    stationarity: float
    complementarity: float
    feasibility: float

    def __str__(self) -> str:
        return (
            f"λ = {self.multiplier:.15g}, stationarity {self.stationarity:.1e}, "
            f"complementary slackness {self.complementarity:.1e}, feasibility {self.feasibility:.1e}"
        )


def simplex_kkt(frequencies: Array, q: Array) -> KKT:
    """Check the conditions of theory at a point of the simplex.

    Parameters
    ----------
    frequencies, q : array (K,)
        Empirical and fitted probabilities.
    """
    seen = frequencies > 0
    slope = np.zeros_like(q)
    slope[seen] = frequencies[seen] / q[seen]
    multiplier = float((frequencies[seen] / q[seen]) @ q[seen] / q.sum())
    cells = np.where(seen, 0.0, multiplier - slope)
    return KKT(
        multiplier,
        cells,
        float(np.max(np.abs(-slope + multiplier - cells))),
        float(np.max(np.abs(cells * q))),
        float(abs(q.sum() - 1.0)),
    )


def rounding(cross_entropy: Array) -> Array:
    """Return the resolution of a cross-entropy in double precision."""
    return 2.0 * EPS * (1.0 + np.abs(cross_entropy))


def _near(nu: Array) -> Array:
    """Return ν², twice the quadratic prediction of the excess, where ν is small; infinite elsewhere.

    The third derivative may add at most as much again so close to the optimum.
    """
    return np.where(nu < 0.1, nu**2, np.inf)


def _fenchel_gap(objective: CrossEntropy, at: Evaluation, solution: Solution) -> Array:
    """Return CE(θ) less the cross-entropy of the closed form, the Fenchel–Young gap A + A* − θ·t̄.

    Zero where the solution is the closed form itself, or where there is none (the Newton decrement then
    stands alone).
    """
    model = objective.model
    if solution.solver == "closed form" or not model.has("_maximise"):
        return np.zeros(objective.size)
    members = np.flatnonzero(np.isfinite(at.value))
    if not members.size:
        return np.zeros(objective.size)
    closed = closed_form(objective, members)
    if closed is None:
        return np.zeros(objective.size)
    best = objective.evaluate(closed, 0)
    return np.asarray(np.maximum(at.value - best.value, 0.0))


@dataclass(frozen=True)
class Bound:
    """The strongest bound that holds for a fit, for each member of the batch."""

    excess: Array
    nu: Array
    scope: str
    name: str
    multipliers: dict[str, Array]
    kkt: KKT | None = None


def strongest_bound(
    objective: CrossEntropy, theta: Arrays, at: Evaluation, solution: Solution
) -> Bound:
    """Choose and compute the strongest bound that holds for this model."""
    model, size = objective.model, objective.size
    zero = np.zeros(size)
    index = [i for i, p in enumerate(model.params) if p.name in model.free]
    if not index:
        return Bound(zero, zero, "global", "nothing was estimated", {})
    if facts_of(model.params).vectors:
        return _simplex_bound(objective, theta)
    if solution.value is not None and solution.excess is not None:
        # Where rounding spoils the sums, the solver knows better than they do.
        return Bound(solution.excess, zero, solution.scope, solution.proof, {})
    assert at.score is not None
    assert at.hessian is not None
    edges = [i for i in index if not model.params[i].regular]
    multipliers: dict[str, Array] = {}
    gradient, hessian = at.score, at.hessian
    if edges:
        factors = model.frame_factors(objective.user.scale)
        multipliers = {model.params[i].name: np.abs(at.score[:, i] / factors[i]) for i in edges}
        index = [i for i in index if model.params[i].regular]
    if len(index) < len(model.params):
        gradient, hessian = gradient[:, index], hessian[:, index][:, :, index]
    if solution.solver == "closed form" and model.has("_kink"):
        return Bound(zero, zero, "global", model.exact_by, multipliers)
    convex = model.affine or model.exponential
    if not (edges or solution.excess is not None or convex):
        return _local_bound(objective, theta, at)
    nu = decrement(gradient, hessian)
    if edges:
        excess = _near(nu)
        return Bound(excess, nu, "global", "order statistics, multipliers of the ends", multipliers)
    if solution.excess is not None:
        return Bound(solution.excess, nu, solution.scope, solution.proof, multipliers)
    # Convex in the canonical parameters: what holds near θ holds globally.
    excess = _near(nu) + _fenchel_gap(objective, at, solution)
    return Bound(excess, nu, "global", "Fenchel gap of an exponential family", multipliers)


def _local_bound(objective: CrossEntropy, theta: Arrays, at: Evaluation) -> Bound:
    """Return what the Newton decrement proves, in unconstrained coordinates."""
    model = objective.model
    # Under truncation the likelihood is not concave in the weights.
    mixed = bool(model._components) and not isinstance(model, Incomplete)
    multipliers = {"largest q_k/q": objective.largest_ratio(theta)} if mixed else {}
    straight = straightened(objective)
    if straight is None:
        chart, place = Chart(objective), theta
    else:
        chart, place = Chart(straight.objective), straight.into(theta)
        at = straight.objective.evaluate(place, 2)
    nu = decrement(*chart.pull(chart.eta(place), at))
    # One maximum over the whole family need not mean one along a slice of it.
    alone = model.concave or (model.unimodal and not objective.fixed)
    scope = "global" if alone else "local"
    weights = {p.name for p in model.params[: len(model._components) - 1]}
    if mixed and weights >= set(model.free):
        # With the components known the problem is convex: Lindsay's bound is global.
        excess = np.log(np.maximum(multipliers["largest q_k/q"], 1.0))
        return Bound(excess, nu, "global", "largest mean of q_k/q (Lindsay)", multipliers)
    return Bound(_near(nu), nu, scope, "Newton decrement", multipliers)


def _simplex_bound(objective: CrossEntropy, theta: Arrays) -> Bound:
    """Lindsay's bound: CE(q) − min CE ≤ log max_k p̂_k/q_k, by Jensen's inequality."""
    frequencies = objective.summary.mean[0]
    (q,) = theta
    with np.errstate(all="ignore"):
        ratio = np.where(frequencies > 0, frequencies / q, 0.0)
    excess = np.log(ratio.max(axis=1))
    nu = np.sqrt(
        np.maximum(np.where(frequencies > 0, q * (ratio - 1.0) ** 2, 0.0).sum(axis=1), 0.0)
    )
    kkt = simplex_kkt(frequencies[0], q[0]) if objective.size == 1 else None
    empty = (frequencies == 0).astype(float)
    return Bound(excess, nu, "global", "largest ratio p̂/q (Lindsay)", {"p": empty}, kkt)
