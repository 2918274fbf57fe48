"""Regressions with a kink in their location: least absolute deviations and quantile regression.

Whatever the scale, the coefficients of the location of a Laplace law minimise a sum of absolute residuals;
those of an asymmetric one a tilted sum (Koenker and Machado 1999). Scale and asymmetry have closed forms.
Where these vary with covariates, the coefficients of the location and all others are solved for by turns:
at a residual of 0 the density does not change with the others, so a point that is stationary for both
is stationary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece.combinators.conditional import Conditional
from mlece.combinators.kinks import kinks_of
from mlece.combinators.terms import Term, rows_of
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array
from mlece.model import Model
from mlece.sample import Sample
from mlece.solvers.absolute import AbsoluteFit, about_least, least_absolute
from mlece.solvers.newton import decrement
from mlece.solvers.solution import Solution, ends_of, in_columns
from mlece.solvers.tilted import TiltedFit, least_tilted

Solver = Callable[[CrossEntropy], Solution]

_TURNS = 200
_SAME = 1e-13  # relative fall of a sum below which coefficients are kept


@dataclass(frozen=True)
class LinearProgrammes:
    """What linear programmes found beside the estimates, (R,) each.

    Parameters
    ----------
    perfect : array of bool
        All residuals vanish.
    one_sided : array of int
        1 where all residuals are at least 0 and the asymmetry has run to 0, -1 where at most 0 and it
        has run to infinity, else 0.
    """

    perfect: Array
    one_sided: Array


@dataclass(frozen=True)
class _Found:
    """One member: parameters in the order of the model, and what proves them."""

    theta: Array
    value: float
    excess: float
    settled: bool
    perfect: bool = False
    one_sided: int = 0
    ends: tuple[Array, Array] | None = None
    local: bool = False


def has_kinked_predictor(model: Model) -> bool:
    """Tell whether the likelihood of a model with covariates has a kink in its free coefficients."""
    return isinstance(model, Conditional) and bool(kinks_of(model))


def by_linear_programmes(objective: CrossEntropy, smooth: Solver) -> Solution:
    """Solve a regression whose location has a kink.

    Parameters
    ----------
    objective : CrossEntropy
        Of a model for which :func:`has_kinked_predictor` holds; the link of the location is the identity.
    smooth : callable
        Solves for what varies beside the location, given its residuals.
    """
    found = [_member(_Rows.of(objective, r), smooth) for r in range(objective.size)]

    local = any(f.local for f in found)
    return Solution(
        in_columns([f.theta for f in found]),
        "linear programmes, newton" if local else "linear programmes",
        np.array([f.settled for f in found]),
        np.array([f.excess for f in found]),
        ends=ends_of(found),
        notes={
            "linear programmes": LinearProgrammes(
                np.array([f.perfect for f in found]), np.array([f.one_sided for f in found])
            )
        },
        proof="multipliers of a linear programme" + (" and Newton decrement" if local else ""),
        value=np.array([f.value for f in found]),
        scope="local" if local else "global",
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """One member of a batch in the standard frame, without observations of weight 0.

    Parameters
    ----------
    model : Conditional
    sample : Sample
        Of this member alone.
    fixed : dict of str to float
        The filled slots and coefficients.
    matrix : array (n, p) or sparse
        Columns of the coefficients of the location that are free.
    y : array (n,)
        Responses less what is known of their location.
    weights : array (n,)
    slots : dict of str to (array or None)
        For the slots beside the location their values (n,) where they are known.
    """

    model: Any
    sample: Sample
    fixed: dict[str, float]
    matrix: Any
    y: Array
    weights: Array
    slots: dict[str, Array | None]

    @classmethod
    def of(cls, objective: CrossEntropy, r: int) -> _Rows:
        model: Any = objective.model
        sample = replace(objective.sample.take(np.array([r])), batch_shape=())
        sample = replace(sample, values=objective.frame.apply(sample.values, np.array([r])))
        if sample.weights is not None:
            present = sample.weights[0] > 0
            sample = replace(
                sample, values=sample.values[:, present], weights=sample.weights[:, present]
            )
        n = sample.rows
        weights = np.ones(n) if sample.weights is None else sample.weights[0]
        fixed = {name: float(value[r]) for name, value in objective.fixed.items()}
        rows = rows_of(sample.values)
        y = np.array(model.split(sample.values)[0], dtype=float)
        slots: dict[str, Array | None] = {}
        matrix: Any = np.ones((n, 1))
        for p, (term, place) in zip(model.inner.params, model._layout, strict=True):
            names = [q.name for q in model.params[place]]
            free = np.array([name not in fixed for name in names], dtype=bool)
            known = np.full(n, fixed[p.name]) if term is None and not free.any() else None
            if term is not None:
                held = np.array([fixed.get(name, 0.0) for name in names])
                known = term.design.index(rows, held[None])[0]
            if p.role == "location":
                y = y if known is None else y - known
                matrix = matrix if term is None else _columns(term, rows, free)
            else:
                linked = known if term is None or known is None else term.link.forward(known)
                slots[p.name] = None if free.any() else linked
        return cls(model, sample, fixed, matrix, y, weights, slots)

    @property
    def varies(self) -> bool:
        """Whether what is estimated beside the location varies with covariates."""
        found = {term.slot for term in self.model.terms}
        return any(value is None and slot in found for slot, value in self.slots.items())

    def theta(self, beta: Array, others: dict[str, Any]) -> Array:
        """Return all parameters in the order of the model."""
        free = iter(beta)
        out: list[float] = []
        for p, (_, place) in zip(self.model.inner.params, self.model._layout, strict=True):
            for q in self.model.params[place]:
                if q.name in self.fixed:
                    out.append(self.fixed[q.name])
                else:
                    out.append(next(free) if p.role == "location" else others[q.name])
        return np.array(out, dtype=float)


def _columns(term: Term, rows: Any, free: Array) -> Any:
    """Return the free columns of a design at some rows."""
    whole = isinstance(rows, slice) and rows == slice(0, term.design.rows, 1)
    matrix = term.design.matrix if whole else term.design.matrix[rows]
    return matrix if free.all() else matrix[:, np.flatnonzero(free)]


def _member(rows: _Rows, smooth: Solver) -> _Found:
    if rows.varies:
        return _by_turns(rows, smooth)
    if "asymmetry" in rows.slots and rows.slots["asymmetry"] is None:
        return _asymmetric(rows)
    return _one_programme(rows)


def _slopes(rows: _Rows, scale: Array | None, asymmetry: Array | None) -> tuple[Array, Array]:
    """Return the slopes of the sum above and below 0, (n,) each."""
    kappa = np.ones(len(rows.y)) if asymmetry is None else asymmetry
    weight = rows.weights if scale is None else rows.weights / scale
    return weight * kappa, weight / kappa


def _levels(rows: _Rows, scale: Array | None, asymmetry: Array | None) -> float:
    """Return the mean of log(κ + 1/κ), and of the log of the scale where it is known."""
    kappa = np.ones(len(rows.y)) if asymmetry is None else asymmetry
    level = np.log(kappa + 1 / kappa) + (0.0 if scale is None else np.log(scale))
    return float(rows.weights @ level / rows.weights.sum())


def _one_programme(rows: _Rows) -> _Found:
    """Solve where nothing but the location and one scale is estimated."""
    scale, kappa = rows.slots["scale"], rows.slots.get("asymmetry")
    fit = least_absolute(rows.matrix, rows.y, *_slopes(rows, scale, kappa))
    mean = fit.value / rows.weights.sum()
    level = _levels(rows, scale, kappa)
    with np.errstate(divide="ignore"):
        if scale is None:
            value, excess = level + np.log(mean) + 1, np.log(fit.ratio)
        else:
            value, excess = level + mean, mean * (1 - 1 / fit.ratio)
    others = {"scale": mean}
    perfect = scale is None and fit.settled and fit.value == 0
    ends = None if fit.ends is None else tuple(rows.theta(end, others) for end in fit.ends)
    return _Found(
        rows.theta(fit.coefficients, others),
        float(value),
        float(excess),
        fit.settled,
        perfect,
        ends=None if ends is None else (ends[0], ends[1]),
    )


def _asymmetric(rows: _Rows) -> _Found:
    """Solve where one asymmetry is estimated, and one scale or none."""
    scale = rows.slots["scale"]
    weights = rows.weights if scale is None else rows.weights / scale
    # A known scale is part of the weights; what is left has scale 1.
    total = float(rows.weights.sum())

    def programme(tilt: float, near: Array | None, apart: float | None) -> AbsoluteFit:
        slopes = tilt * weights, (1 - tilt) * weights
        if apart is None:
            return least_absolute(rows.matrix, rows.y, *slopes, near)
        return about_least(rows.matrix, rows.y, *slopes, near, apart)

    out = least_tilted(programme, total, None if scale is None else 1.0)
    level = 0.0 if scale is None else float(rows.weights @ np.log(scale) / total)
    others = {"scale": out.scale, "asymmetry": out.asymmetry}
    perfect = scale is None and out.fit.settled and out.fit.value == 0
    side = int(out.asymmetry == 0) - int(np.isinf(out.asymmetry))
    return _Found(
        rows.theta(out.fit.coefficients, others),
        out.value + level,
        out.excess,
        out.fit.settled,
        perfect,
        0 if perfect else side,
        _equal_ends(rows, out, weights),
    )


def _equal_ends(rows: _Rows, out: TiltedFit, weights: Array) -> tuple[Array, Array] | None:
    """Return the ends of a set of coefficients that are the best at the best asymmetry as well."""
    if out.fit.ends is None:
        return None
    others = {"scale": out.scale, "asymmetry": out.asymmetry}
    r = np.stack([rows.y - rows.matrix @ end for end in out.fit.ends])
    sums = np.maximum(r, 0.0) @ weights
    if abs(sums[0] - sums[1]) > 1e-12 * sums.max():
        return None
    low, high = (rows.theta(end, others) for end in out.fit.ends)
    return low, high


# ------------------------------------------------------------------ scale or asymmetry with covariates


def _by_turns(rows: _Rows, smooth: Solver) -> _Found:
    """Solve for the coefficients of the location and for the others by turns, until both stay."""
    fit = least_absolute(rows.matrix, rows.y, rows.weights, rows.weights)
    value = np.inf
    for _ in range(_TURNS):
        if not fit.settled or fit.value == 0:
            break
        part = _beside(rows, fit.residuals)
        with np.errstate(all="ignore"):
            rest = smooth(part)
            at = part.evaluate(rest.theta, 2)
        slopes = _slopes(rows, *_at(part, rest))
        new = least_absolute(rows.matrix, rows.y, *slopes, fit.coefficients)
        own = np.maximum(fit.residuals, 0) @ slopes[0] + np.maximum(-fit.residuals, 0) @ slopes[1]
        value = float(at.value[0] + part.log_scale[0])
        if not bool(rest.solved[0]) or own <= new.value * (1 + _SAME):
            return _stationary(rows, fit, new, part, rest, at, float(own))
        fit = new
    nothing = dict.fromkeys(rows.model.free, np.nan)
    perfect = fit.settled and fit.value == 0 and rows.slots["scale"] is None
    return _Found(rows.theta(fit.coefficients, nothing), value, np.inf, False, perfect, local=True)


def _beside(rows: _Rows, residuals: Array) -> CrossEntropy:
    """Return the objective of what is estimated beside the location, of the residuals from it."""
    model = rows.model
    place = next(p.name for p in model.inner.params if p.role == "location")
    kept = {p.name for p in model.inner.params if p.role != "location"}
    names = {
        q.name
        for p, (_, at) in zip(model.inner.params, model._layout, strict=True)
        for q in model.params[at]
        if p.name in kept and q.name in rows.fixed
    }
    held: dict[str, Any] = {name: rows.fixed[name] for name in names}
    part = Conditional(
        inner=model.inner.replace(**{place: 0.0}),
        terms=tuple(term for term in model.terms if term.slot != place),
        **held,
    )
    values = rows.sample.values.copy()
    values[0, :, 0] = residuals
    return CrossEntropy(part, replace(rows.sample, values=values))


def _at(part: CrossEntropy, rest: Solution) -> tuple[Array, Array | None]:
    """Return scale and asymmetry of every observation, (n,) each."""
    model: Any = part.model
    theta = model.from_frame(rest.theta, part.user.shift, part.user.scale)
    predictors = model._products.predictors(
        rows_of(part.sample.values), tuple(np.reshape(t, (-1, 1)) for t in theta)
    )
    out: dict[str, Array] = {}
    for p, (term, place), eta in zip(model.inner.params, model._layout, predictors, strict=True):
        own = theta[place.start] if eta is None else eta
        own = own if term is None else term.link.forward(own)
        out[p.name] = np.broadcast_to(np.ravel(own), (part.sample.rows,))
    return out["scale"], out.get("asymmetry")


def _stationary(
    rows: _Rows,
    fit: AbsoluteFit,
    proof: AbsoluteFit,
    part: CrossEntropy,
    rest: Solution,
    at: Evaluation,
    own: float,
) -> _Found:
    """Return the point at which both turns stay, and what is left to gain nearby."""
    model: Any = part.model
    theta = model.from_frame(rest.theta, part.user.shift, part.user.scale)
    others = {p.name: float(t[0]) for p, t in zip(model.params, theta, strict=True)}
    index = [i for i, p in enumerate(model.params) if p.name in model.free]
    assert at.score is not None
    assert at.hessian is not None
    nu = decrement(at.score[:, index], at.hessian[:, index][:, :, index])[0]
    left = max(own - proof.value / proof.ratio, 0.0) / float(rows.weights.sum())
    excess = left + nu**2 if nu < 0.1 else np.inf
    return _Found(
        rows.theta(fit.coefficients, others),
        float(at.value[0] + part.log_scale[0]),
        float(excess),
        bool(rest.solved[0]) and fit.settled and proof.settled,
        local=True,
    )
