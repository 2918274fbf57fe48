"""Regressions without a maximum: separation found where nothing proves the optimum, and what remains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece.certificate import Bound
from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Term
from mlece.design import Design, row_blocks
from mlece.families.index import IndexModel
from mlece.families.real_line import Gaussian
from mlece.fits.result import Fit
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.regression.cones import Cone, binary, counts, ordinal, softmax
from mlece.regression.firth import Firth, offered, unbounded
from mlece.regression.penalty import Ridge, unpenalised
from mlece.regression.plateau import plateaus
from mlece.regression.rowspace import is_sparse
from mlece.regression.self_concordance import ExcessBound, certify
from mlece.regression.separation import Separation, recession
from mlece.sample import Sample
from mlece.solvers.kinked import LinearProgrammes
from mlece.solvers.solution import Solution

# Along the direction of a separation probabilities that vanish are carried to e^-60 of the others.
_FAR = 60.0
_SHOWN = 8
_INTERPOLATED = 1e-14  # a residual against the responses, by row or column: rounding


def separations(
    objective: CrossEntropy,
    solution: Solution,
    stopped: Array,
    sample: Sample,
    refit: Callable[[Model, Sample], Fit],
    proof: ExcessBound | None,
) -> list[Limit]:
    """Return, as limits, the members of a batch whose likelihood rises along a direction for ever.

    Where gradient and Hessian at the solution prove that the maximum exists, nothing is searched;
    elsewhere linear programming decides. What remains is fitted on the face (Geyer 2009).

    Parameters
    ----------
    objective : CrossEntropy
    solution : Solution
    stopped : array of bool (R,)
        Members whose outcome is known already.
    sample : Sample
    refit : callable
        Fits a model to a sample.
    proof : ExcessBound, optional
        What is proved at the solution: exact for logits, Poisson counts with the log link and
        log-ratios of labels; for the other links the linear programme decides.
    """
    model = objective.model
    if not isinstance(model, Conditional) or not model.free:
        return []
    squares = solution.notes.get("least squares")
    if squares is not None and "sd" in model.free:
        return perfect_fits(solution, np.broadcast_to(squares.perfect, (objective.size,)))
    programmes = solution.notes.get("linear programmes")
    if programmes is not None:
        return absolute_limits(objective, solution, programmes)
    if model.penalty is not None and type(model.inner) is Gaussian and "sd" in model.free:
        return perfect_fits(solution, _interpolated(model, sample, ~stopped & ~solution.solved))
    kind = _kind(model)
    whole = len({id(term.design) for term in model.terms if term.design.width}) < 2
    if isinstance(model.penalty, Firth):
        # Jeffreys' prior vanishes wherever coefficients run off: else its mode is finite.
        return _meeting_cuts(objective, solution, unbounded(model, sample))
    if sample.truth is not None:
        return []
    if kind is None:
        return plateaus(objective, solution, stopped) if model.penalty is None else []
    if not whole:
        return []
    out = []
    proved = np.zeros(objective.size, dtype=bool) if proof is None else proof.exists
    for r in np.flatnonzero(~stopped & ~proved).tolist():
        part = replace(sample.take(np.array([r])), batch_shape=())
        cone = kind.cone(model, part)
        found = _unheld(model, cone)
        if found is not None:
            out.append(_limit(objective, solution, found, cone, r, part, refit))
    return out


def _unheld(model: Conditional, cone: Cone) -> Separation | None:
    """Search the directions of a cone in which coefficients are free, and no ridge penalises them."""
    alone = np.array([p.name in model.free for p in model.params])
    for term, place in model._layout:
        if term is not None:
            own = np.zeros(term.design.width, dtype=bool)
            own[unpenalised(term)] = True
            alone[place] &= own
    # A number of trials is no coordinate of the cone.
    alone = alone[[p.estimable for p in model.params]]
    if alone.all():
        return recession(cone)
    if not alone.any():
        return None
    rows, equalities = cone.rows[:, alone], cone.equalities[:, alone]
    found = recession(replace(cone, rows=rows, equalities=equalities))
    if found is None:
        return None
    direction, infinite = np.zeros(len(alone)), np.zeros(len(alone), dtype=int)
    direction[alone], infinite[alone] = found.direction, found.infinite
    return replace(found, direction=direction, infinite=infinite)


def perfect_fits(solution: Solution, perfect: Array) -> list[Limit]:
    """Return the members of a Gaussian linear model whose residuals are nothing but rounding."""
    if not perfect.any():
        return []
    *coefficients, sd = solution.theta
    sentence = (
        "the covariates determine the responses: the residuals are the rounding of the data, and the "
        "likelihood grows without bound as sd falls to 0"
    )
    theta = (*coefficients, np.zeros_like(sd))
    return [Limit(perfect, Status.UNBOUNDED, sentence, theta, np.full(sd.shape, -np.inf))]


def absolute_limits(
    objective: CrossEntropy, solution: Solution, found: LinearProgrammes
) -> list[Limit]:
    """Return the members of a regression with a kink whose residuals vanish, or lie on one side."""
    out = []
    names = [p.name for p in objective.model.params]
    if found.perfect.any():
        sentence = (
            "the covariates determine the responses: every residual vanishes, and the likelihood grows "
            "without bound as the scale falls to 0"
        )
        theta = tuple(
            np.where(found.perfect, 0.0, value) if name == "scale" else value
            for name, value in zip(names, solution.theta, strict=True)
        )
        infimum = np.full(objective.size, -np.inf)
        out.append(Limit(found.perfect, Status.UNBOUNDED, sentence, theta, infimum))
    for side, end, where in ((1, "falls to 0", "above"), (-1, "grows without bound", "below")):
        mask = found.one_sided == side
        if mask.any():
            sentence = (
                f"asymmetry {end} and scale falls to 0: in the limit the responses have an exponential "
                f"law from the fitted location on, and lie {where} it"
            )
            out.append(
                Limit(
                    mask,
                    Status.NOT_ATTAINED,
                    sentence,
                    solution.theta,
                    solution.value,
                    excess=solution.excess,
                )
            )
    return out


def _meeting_cuts(objective: CrossEntropy, solution: Solution, mask: Array) -> list[Limit]:
    """Return the members of an ordinal regression with Jeffreys' prior that lack a label between others."""
    if not mask.any():
        return []
    sentence = (
        "a label between others was not observed: Jeffreys' prior grows without bound as the cut points "
        "on its two sides meet. Leave the label out, or take penalty=mlece.ridge(strength)"
    )
    infimum = np.full(objective.size, -np.inf)
    return [Limit(mask, Status.UNBOUNDED, sentence, solution.theta, infimum)]


def _interpolated(model: Conditional, sample: Sample, doubtful: Array) -> Array:
    """Tell which members have responses that are linear combinations of the columns, (R,).

    A ridge keeps coefficients small, not residuals away from 0.
    """
    out = np.zeros(len(doubtful), dtype=bool)
    straight = len(model.terms) == 1 and model.terms[0].link.name == "identity"
    for r in np.flatnonzero(doubtful & straight).tolist():
        matrix, y, weights = _read(model, sample.take(np.array([r])))
        present = slice(None) if weights is None else weights > 0
        columns = np.asarray(matrix.toarray() if is_sparse(matrix) else matrix)[present]
        offset = model.terms[0].design.offset
        if offset is not None:
            y = y - offset[sample.values[min(r, len(sample.values) - 1), :, -1].astype(np.intp)]
        own = y[present]
        rest = own - columns @ np.linalg.lstsq(columns, own, rcond=None)[0]
        out[r] = np.linalg.norm(rest) <= _INTERPOLATED * max(columns.shape) * np.linalg.norm(own)
    return out


@dataclass(frozen=True)
class _Kind:
    """What is known of the separation of a likelihood.

    ``cone`` writes the directions along which no observation loses; ``canonical`` is the link under which
    the closed form proves existence, none for an empty name.
    """

    cone: Callable[[Conditional, Sample], Cone]
    canonical: str


def _kind(model: Conditional) -> _Kind | None:
    """Return what is known of a likelihood, None where separation is no question."""
    found = _KINDS.get(model.inner.separation)
    # A mean of counts under another link is 0 at a finite predictor, or has none.
    return None if found is _KINDS["counts"] and _link(model) != found.canonical else found


def _link(model: Conditional) -> str:
    """Return the name of the link, which index families hold themselves."""
    inner = model.inner
    return str(inner.link.name if isinstance(inner, IndexModel) else model.terms[0].link.name)


def _read(model: Conditional, sample: Sample, slot: int = -1) -> tuple[Any, Array, Array | None]:
    """Return the rows of the design, the responses and the weights of a single sample."""
    rows = sample.values[0, :, -1].astype(np.intp)
    matrix = model.terms[slot].design.matrix
    whole = len(rows) == matrix.shape[0] and bool((np.diff(rows) == 1).all())
    own = model.split(sample.values)[0]
    weights = None if sample.weights is None else sample.weights[0]
    return matrix if whole else matrix[rows], own, weights


def _binary(model: Conditional, sample: Sample) -> Cone:
    return binary(*_read(model, sample))


def _binomial(model: Conditional, sample: Sample) -> Cone:
    matrix, y, weights = _read(model, sample)
    trials = np.broadcast_to(_trials(model), (model.terms[-1].design.rows,))
    return binary(matrix, y / trials[sample.values[0, :, -1].astype(np.intp)], weights)


def _geometric(model: Conditional, sample: Sample) -> Cone:
    # One success in y + 1 trials.
    matrix, y, weights = _read(model, sample)
    return binary(matrix, 1 / (1 + y), weights)


def _trials(model: Conditional) -> Array:
    """Return the numbers of trials: one for each row of the designs (n,), or the same for all, ()."""
    known = [term.design.offset for term in model.terms if term.slot == "n"]
    return np.asarray(known[0] if known else model.inner.slots["n"], dtype=float)


def _softmax(model: Conditional, sample: Sample) -> Cone:
    matrix, y, weights = _read(model, sample)
    target = y if y.ndim == 2 else y.astype(np.intp)
    labels: Any = model.inner
    return softmax(matrix, target, len(labels.labels), weights)


def _ordinal(model: Conditional, sample: Sample) -> Cone:
    matrix, y, weights = _read(model, sample)
    labels: Any = model.inner
    return ordinal(matrix, y.astype(np.intp), len(labels.labels), weights)


def _counts(model: Conditional, sample: Sample) -> Cone:
    return counts(*_read(model, sample))


_KINDS = {
    "binary": _Kind(_binary, "logit"),
    # Of y successes in n trials the third cumulant is at most the range times the second, by trial.
    "binomial": _Kind(_binomial, "logit"),
    "geometric": _Kind(_geometric, "logit"),
    "softmax": _Kind(_softmax, "identity"),
    "ordinal": _Kind(_ordinal, ""),
    "counts": _Kind(_counts, "log"),
}


def canonical_bound(
    objective: CrossEntropy, theta: Arrays, at: Evaluation | None
) -> ExcessBound | None:
    """Return what gradient and Hessian prove of a canonical regression; None for another model.

    The bound is exact for logits, Poisson counts with the log link and log-ratios of labels; for the
    other links the linear programme decides. A quadratic penalty has no third derivative, and its
    curvature only adds to the second: the proof holds with it.
    ``at`` is the evaluation at theta, where it is known; its Hessian may be a lower bound.
    """
    model = objective.model
    if not isinstance(model, Conditional):
        return None
    inner = model.inner
    if model.penalty is not None and not isinstance(model.penalty, Ridge):
        return None
    kind = _kind(model)
    canonical = kind is not None and kind.canonical == _link(model)
    labels = inner.separation == "softmax"
    # On the face of a separation each label has its own columns.
    shared = not labels or len({id(term.design) for term in model.terms}) == 1
    if not canonical or not shared or len(model.free) < len(model.params):
        return None
    at = objective.evaluate(theta, 2) if at is None else at
    assert at.score is not None
    assert at.hessian is not None
    classes = len(inner.labels) if labels else 2  # type: ignore[attr-defined]
    design = model.terms[-1].design
    with np.errstate(all="ignore"):
        usable: Array = np.isfinite(at.score.sum(axis=1) + at.hessian.sum(axis=(1, 2)))
        # A decrement of 1e300 proves nothing.
        score = np.where(usable[:, None], at.score, 1e300)
        hessian = np.where(usable[:, None, None], at.hessian, np.eye(at.score.shape[1]))
        return certify(
            score,
            hessian,
            design.matrix,
            classes,
            magnitude=_magnitude(objective, theta, model),
            sizes=design.sizes,
        )


def _magnitude(objective: CrossEntropy, theta: Arrays, model: Conditional) -> Array | float:
    """Return the size of what is subtracted in a residual: probabilities, counts and means, trials."""
    inner = model.inner
    if inner.separation == "counts":
        design, beta = model.terms[0].design, np.stack(theta, axis=1)
        top = np.full(len(beta), -np.inf)
        for rows in row_blocks(design.rows, design.width):
            top = np.maximum(top, design.index(rows, beta).max(axis=1))
        return np.asarray(np.maximum(np.exp(top), objective.summary.maximum))
    if inner.separation == "binomial":
        return float(np.max(_trials(model)))
    if inner.separation == "geometric":
        return 1.0 + objective.summary.maximum
    return 1.0


def _limit(
    objective: CrossEntropy,
    solution: Solution,
    found: Separation,
    cone: Cone,
    r: int,
    sample: Sample,
    refit: Callable[[Model, Sample], Fit],
) -> Limit:
    """Return the infimum of a separated regression, with the finite limits of its other coefficients."""
    model = objective.model
    assert isinstance(model, Conditional)
    names = [p.name for p in model.params if p.estimable]
    runs = [
        f"{name} to {'+' if sign > 0 else '−'}∞"
        for name, sign in zip(names, found.infinite, strict=True)
        if sign
    ]
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    kind = "completely" if found.kind == "complete" else "quasi-completely"
    told = int(found.strict.sum())
    ways = [*(["penalty='firth'"] if offered(model) else []), "penalty=mlece.ridge(strength)"]
    remedy = f"; {' or '.join(ways)} gives finite estimates" if model.penalty is None else ""
    sentence = (
        f"the covariates separate the responses {kind}: {', '.join(runs[:_SHOWN])}{more} "
        f"({told} of {len(found.strict)} observations gain along that direction){remedy}"
    )
    partial = model.penalty is not None or len(model.free) < len(model.params)
    if model.inner.separation == "ordinal" or partial:
        values, infimum, excess = _along(objective, solution, found, r)
    else:
        values, infimum, excess = _on_face(model, found, cone, sample, refit)
    mask = np.zeros(objective.size, dtype=bool)
    mask[r] = True
    own = iter(values)
    theta = tuple(
        np.full(objective.size, next(own)) if p.estimable else objective.fixed[p.name]
        for p in model.params
    )
    return Limit(
        mask,
        Status.NOT_ATTAINED,
        sentence,
        theta,
        np.full(objective.size, infimum),
        excess=np.full(objective.size, excess),
    )


def _on_face(
    model: Conditional,
    found: Separation,
    cone: Cone,
    sample: Sample,
    refit: Callable[[Model, Sample], Fit],
) -> tuple[Array, float, float]:
    """Return coefficients (k,) in the limit, the infimum, and how far it may lie above the true one.

    Observations that have probability 1 in the limit leave; classes that vanish for one that stays are
    carried off by its offset.
    """
    values = np.where(found.infinite != 0, np.sign(found.infinite) * np.inf, np.nan)
    stay = ~found.settled
    if sample.weights is not None:
        stay &= sample.weights[0] > 0
    if not stay.any():
        return values, 0.0, 0.0
    gains: Array = np.asarray(cone.rows @ found.direction)[cone.data]
    gains = gains[found.gone[cone.origin[cone.data], cone.part[cone.data]]]
    far = _FAR / gains.min()
    columns, at = found.face().columns, 0
    terms: list[Term] = []
    places: list[int] = []
    for term in model.terms:
        p = term.design.width
        kept = np.flatnonzero(columns[at : at + p])
        push = np.asarray(term.design.matrix @ (far * found.direction[at : at + p]))
        offset = push if term.design.offset is None else push + term.design.offset
        names = tuple(term.design.names[j] for j in kept)
        terms.append(replace(term, design=Design(term.design.matrix[:, kept], names, offset)))
        places += (at + kept).tolist()
        at += p
    held: dict[str, float] = {}
    if not places:
        # Nothing is left to estimate: one coefficient of 0 stands for all of them.
        j, width = next((j, t.design.width) for j, t in enumerate(model.terms) if t.design.width)
        first = np.arange(width)[:1]
        own = Design(
            model.terms[j].design.matrix[:, first],
            model.terms[j].design.names[:1],
            terms[j].design.offset,
        )
        terms[j] = replace(terms[j], design=own)
        held = {terms[j].names[0]: 0.0}
    settings: dict[str, Any] = {**model.settings, "terms": tuple(terms), **held}
    weights = None if sample.weights is None else sample.weights[:, stay]
    part = replace(sample, values=sample.values[:, stay], weights=weights)
    fit = refit(Conditional(**settings), part)
    share = float(part.total[0] / sample.total[0])
    theta = [t for p, t in zip(fit.family.params, fit.theta, strict=True) if p.estimable]
    for place, t in zip(places, theta if places else (), strict=True):
        if np.isnan(values[place]):
            values[place] = float(t[0])
    excess = float(np.ravel(fit.certificate.excess)[0])
    return values, share * float(fit.values[0]), share * excess


def _along(
    objective: CrossEntropy, solution: Solution, found: Separation, r: int
) -> tuple[Array, float, float]:
    """Return what the coefficients of an ordinal regression come to, and its infimum, from where it stood.

    The other coefficients have come as near to their limits as the likelihood to its supremum.
    """
    moves = np.array([p.estimable for p in objective.model.params])
    at = np.array([float(t[r]) for t in solution.theta])
    away = at.copy()
    away[moves] += _FAR * found.direction / np.abs(found.direction).max()
    value = objective.evaluate(tuple(np.array([v]) for v in away), 0, np.array([r])).value
    here = objective.evaluate(tuple(np.array([v]) for v in at), 0, np.array([r])).value
    infimum = float(np.fmin(value, here)[0])
    ends = np.where(found.infinite != 0, np.sign(found.infinite) * np.inf, at[moves])
    return ends, infimum, 0.0


def certified(bound: Bound, proof: ExcessBound | None) -> Bound:
    """Return the closed-form bound of a canonical regression where it holds, the other one elsewhere."""
    if proof is None or not proof.exists.all():
        return bound
    return Bound(proof.excess, proof.nu, "global", "νκ < 1, self-concordance", bound.multipliers)
