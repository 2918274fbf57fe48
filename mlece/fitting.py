"""fit(): minimise the cross-entropy of a model on data or on a known distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import column
from mlece.certificate import Bound, Certificate, rounding, strongest_bound
from mlece.existence import Verdict, judge, reconcile
from mlece.limits import Limit, LimitMember, Status
from mlece.math import Array, Arrays
from mlece.model import Model, model_by_name
from mlece.objective import CrossEntropy
from mlece.result import Fit
from mlece.sample import Sample, from_data
from mlece.solvers.dispatch import SOLVERS, Solution, solve

# Of a parameter that runs off: so much further on, what is left to gain has fallen as much.
_FURTHER = 1e3


def fit(
    model: Model | type[Model] | str,
    data: Any,
    *,
    weights: Any = None,
    given: Any = None,
    solver: str = "auto",
) -> Fit:
    """Fit a model: minimise E_p[−log q_θ] over its free slots.

    With data, the minimiser is the maximum likelihood estimate. With a known distribution, it is the
    pseudo-true parameter, the projection of the truth onto the family in Kullback–Leibler divergence.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Filled slots are held fixed, free ones are estimated.
    data : array_like (..., n), Model or str
        Observations (lists, arrays, pandas, polars or pyarrow Series, labels for Categorical); leading
        axes are a batch of fits. A Model with every slot filled is a known distribution. A string names
        a column of ``given``.
    weights : array_like (..., n), optional
        Frequency weights or counts, finite and non-negative.
    given : data frame, optional
        The frame that holds the column named by ``data``.
    solver : {"auto", "closed", "newton", "profile", "scipy", "trust-exact", "L-BFGS-B", "SLSQP"}
        The default takes the fastest that the model offers; the certificate is the same for all.

    Returns
    -------
    Fit
        Parameters, certificate, covariance, intervals and diagnostics.

    Raises
    ------
    DataError, SupportError, DataTypeError
        For observations or weights that cannot be used; the message names the first and its position.
    UnknownNameError
        For a model name or column that does not exist.

    References
    ----------
    White, H. (1982). Maximum likelihood estimation of misspecified models. Econometrica 50, 1–25.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit("exponential", [1.0, 2.0, 3.0])
    >>> fit.params
    {'rate': 0.5}
    >>> mlece.fit(mlece.Gaussian(), mlece.Exponential(rate=1)).params["sd"].__round__(9)
    1.0
    """
    family = resolve(model)
    if solver not in SOLVERS:
        raise errors.unknown_name("solver", solver, SOLVERS)
    if isinstance(data, Model):
        if weights is not None or given is not None:
            raise errors.DataError(
                errors.message("no weights and no frame with a known distribution", "some")
            )
        from mlece.population import fit_population

        return fit_population(family, data, solver)
    name = "y"
    if isinstance(data, str):
        if given is None:
            raise errors.DataTypeError(
                errors.message(
                    "observations",
                    f"the string {data!r}",
                    "A column name needs the frame: fit(model, name, given=frame)",
                )
            )
        name, data = data, column(given, data)
        if isinstance(weights, str):
            weights = column(given, weights)
    elif given is not None:
        raise errors.DataTypeError(
            errors.message("the name of a column of given=", f"{type(data).__name__}")
        )
    family, sample = from_data(family, data, weights, str(getattr(data, "name", None) or name))
    return fit_sample(family, sample, solver)


def resolve(model: Model | type[Model] | str) -> Model:
    """Return a model from an instance, a class or a registered name."""
    if isinstance(model, str):
        return model_by_name(model)()
    if isinstance(model, type) and issubclass(model, Model):
        return model()
    if isinstance(model, Model):
        return model
    raise errors.DataTypeError(
        errors.message(
            "a model, its class or its registered name", f"{type(model).__name__} {model!r:.40}"
        )
    )


def fit_sample(model: Model, sample: Sample, solver: str = "auto") -> Fit:
    """Fit a model to a validated sample."""
    objective = CrossEntropy(model, sample)
    slots = tuple(objective.fixed.get(p.name) for p in model.params)
    with np.errstate(all="ignore"):
        limits = model._degenerate(objective.summary, *slots) if model.free else ()
        limits = [limit for limit in limits if limit.any()]
        stopped = _met(objective, [limit for limit in limits if not limit.rival])
        solution = solve(objective, solver, np.flatnonzero(~stopped))
        if any(limit.rival for limit in limits):
            limits = _undefeated(objective, solution, limits)
            stopped = _met(objective, limits)
        outcome = reconcile(objective, solution, limits)
        if solution.shared is not None:
            at = objective.evaluate_shared(outcome.theta, solution.shared)
        else:
            at = objective.evaluate(outcome.theta, 2)
        value = np.where(np.isnan(outcome.infimum), at.value, outcome.infimum)
        bound = strongest_bound(objective, outcome.theta, at, solution)
        verdict = judge(objective, solution, outcome, value, np.isfinite(bound.excess))
        result = _assemble(objective, sample, solution, verdict, bound)
        for name, mask in solution.runaway.items():
            result = _at_limit_family(result, name, mask & ~stopped)
            result = _without_end(result, name, mask & ~stopped)
        for name, mask in solution.sunk.items():
            result = _at_closed_end(result, name, mask & ~stopped)
    return replace(result, certificate=_with_entropy_check(result))


def _met(objective: CrossEntropy, limits: list[Limit]) -> Array:
    """Tell which members a limit describes."""
    out = np.zeros(objective.size, dtype=bool)
    for limit in limits:
        out |= limit.mask
    return out


def _undefeated(objective: CrossEntropy, solution: Solution, limits: list[Limit]) -> list[Limit]:
    """Drop the members whose rival limit the solver improved upon."""
    reached = objective.evaluate(solution.theta, 0).value
    out = []
    for limit in limits:
        if limit.rival and limit.infimum is not None:
            beaten = reached < limit.infimum - rounding(limit.infimum)
            limit = replace(limit, mask=limit.mask & ~beaten)
        if limit.any():
            out.append(limit)
    return out


def _assemble(
    objective: CrossEntropy, sample: Sample, solution: Solution, verdict: Verdict, bound: Bound
) -> Fit:
    """Put the parts of a fit together in the user's units and batch axes."""
    model, frame = objective.model, objective.user
    ends = solution.ends
    return Fit(
        family=model,
        sample=sample,
        objective=objective,
        framed=verdict.theta,
        theta=_user_theta(objective, verdict.theta, verdict.lost),
        values=verdict.value + frame.log_scale,
        certificate=_certify(objective, sample, solution, verdict, bound),
        solver=solution.solver,
        notes=solution.notes,
        ends=None
        if ends is None
        else tuple(model.from_frame(e, frame.shift, frame.scale) for e in ends),
        limit_models=verdict.models,
    )


def _certify(
    objective: CrossEntropy, sample: Sample, solution: Solution, verdict: Verdict, bound: Bound
) -> Certificate:
    value, special = verdict.value, verdict.special
    excess = np.where(special, np.where(np.isinf(value), np.inf, 0.0), bound.excess)
    excess = excess + np.where(np.isfinite(value), rounding(value), 0.0)
    steps = np.where(special, 0.0, bound.nu) * np.sqrt(objective.total)

    def shaped(a: Array) -> Any:
        out = np.reshape(a, (*sample.batch_shape, *np.shape(a)[1:]))
        return out.item() if out.ndim == 0 else out

    bracket = solution.bracket
    multipliers = {**bound.multipliers, **verdict.multipliers}
    return Certificate(
        status=shaped(verdict.status),
        excess=shaped(excess),
        score_norm=shaped(steps),
        multipliers={name: shaped(v) for name, v in multipliers.items()},
        scope=bound.scope,
        bound=bound.name,
        sentence="; ".join(dict.fromkeys(verdict.sentences)),
        bracket=None if bracket is None else (shaped(bracket[0]), shaped(bracket[1])),
        kkt=bound.kkt,
    )


def _user_theta(objective: CrossEntropy, theta: Arrays, lost: Array) -> Arrays:
    """Return the parameters in the user's units: filled slots as given, NaN where there is no limit."""
    model, frame = objective.model, objective.user
    out = []
    for p, value in zip(
        model.params, model.from_frame(theta, frame.shift, frame.scale), strict=True
    ):
        own = np.array(np.broadcast_to(value, (objective.size, *np.shape(value)[1:])), dtype=float)
        if p.name in model.free:
            if not p.regular:
                # An end of the support is an observation, to the last bit.
                for end in objective.ends:
                    reach = 8 * np.finfo(float).eps * (np.abs(end) + frame.scale)
                    near = np.isfinite(end) & (np.abs(own - end) <= reach)
                    own = np.where(near, end, own)
            own[lost] = np.nan
        else:
            own = objective.flat_slot(p)
        out.append(own)
    return tuple(out)


def _with_entropy_check(result: Fit) -> Certificate:
    """Add CE_n − H(q_θ̂), which the theory of exponential families puts at zero."""
    model, certificate = result.family, result.certificate
    single = result.sample.size == 1 and isinstance(certificate.status, Status)
    if not (single and certificate.status.solved and model.unit_carrier and model.has("_entropy")):
        return certificate
    if any(p.name not in model.free for p in model.params):
        return certificate
    with np.errstate(all="ignore"):
        entropy = np.asarray(model._entropy(*result.framed)) + result.objective.user.log_scale
    return replace(certificate, entropy_residual=float(result.values[0] - entropy[0]))


def _at_limit_family(result: Fit, name: str, mask: Array) -> Fit:
    """Hold members whose parameter runs off against the fit of the family at that limit."""
    model = result.family
    target, mapping = model.limit_families[name]
    family = model_by_name(target)
    slots = tuple(mapping.get(p.name) for p in model.params)
    sentence = f"{name} runs to infinity: the limit is {target}"
    end = End(name, np.inf, family, slots, sentence, LimitMember(family, slots))
    # A filled slot may hold what the limit family has no member for.
    for p, slot in zip(model.params, slots, strict=True):
        if slot is not None and model.slots[p.name] is not None:
            mask = mask & family.parameter(slot).domain.contains(result.flat(p.name))
    return _at_end(result, end, mask)


def _without_end(result: Fit, name: str, mask: Array) -> Fit:
    """Tell of the members that gain from a still greater parameter and meet no limit family.

    What is left to gain falls like the reciprocal of the parameter, below any tolerance of a solver.
    """
    model, objective = result.family, result.objective
    ended = np.isin(np.arange(len(mask)), list(result.limit_models))
    at = [p.name for p in model.params].index(name)
    further = list(result.framed)
    # A solver stops at the declared limit of a parameter, wherever the others would go from there.
    held = further[at] >= 0.999 * model.params[at].limits[1]
    further[at] = further[at] * _FURTHER
    value = objective.evaluate(tuple(further), 0).value + objective.user.log_scale
    members = np.flatnonzero(mask & ~ended & (held | (value < result.values)))
    if not members.size:
        return result
    theta = tuple(np.array(t) for t in result.theta)
    theta[at][members] = np.inf
    values = result.values.copy()
    values[members] = np.fmin(value, values)[members]
    sentence = f"{name} grows without bound"
    certificate = _restated(result, members, Status.NOT_ATTAINED, [sentence])
    return replace(result, theta=theta, values=values, certificate=certificate)


def _at_closed_end(result: Fit, name: str, mask: Array) -> Fit:
    """Hold members whose parameter fell to a closed end of its domain against the fit at that end."""
    family = type(result.family)
    value = family.parameter(name).domain.lower
    sentence = f"{name} is {value:g}, the end of its domain"
    slots = tuple(p.name for p in family.params)
    return _at_end(result, End(name, value, family, slots, sentence), mask)


@dataclass(frozen=True)
class End:
    """Where a parameter ends: its value there, the family of the members there and their slots."""

    name: str
    value: float
    family: type[Model]
    slots: tuple[str | None, ...]
    sentence: str
    build: LimitMember | None = None


def _at_end(result: Fit, end: End, mask: Array) -> Fit:
    """Put the fit at an end in the place of those that are no better."""
    model, shape = result.family, result.sample.batch_shape
    members = np.flatnonzero(mask)
    if not members.size:
        return result
    kept: dict[str, Any] = {} if end.build else {end.name: end.value, **model.settings}
    for p, slot in zip(model.params, end.slots, strict=True):
        if slot is not None and p.name != end.name and model.slots[p.name] is not None:
            kept[slot] = result.flat(p.name)[members] if shape else model.slots[p.name]
    other = fit_sample(end.family(**kept), _members(result.sample, members))
    better = other.values <= result.values[members] + rounding(other.values)
    if not better.all():
        return _at_end(result, end, np.isin(np.arange(len(mask)), members[better]))
    theta, framed = ([np.array(t) for t in ts] for ts in (result.theta, result.framed))
    for j, (p, slot) in enumerate(zip(model.params, end.slots, strict=True)):
        at_end = p.name == end.name or slot is None
        theta[j][members] = end.value if at_end else other.flat(str(slot))
        if end.build is None:
            framed[j][members] = other.framed[j]
    values = result.values.copy()
    values[members] = other.values
    models = {int(members[i]): build for i, build in other.limit_models.items()}
    models = models or (dict.fromkeys(members.tolist(), end.build) if end.build else {})
    return replace(
        result,
        theta=tuple(theta),
        framed=tuple(framed),
        values=values,
        certificate=_end_certificate(result, other, end, members),
        limit_models={**result.limit_models, **models},
    )


def _end_certificate(result: Fit, other: Fit, end: End, members: Array) -> Certificate:
    """Return the certificate of a fit some of whose members lie at an end."""
    further = "" if end.build else other.certificate.sentence
    certificate = _restated(result, members, Status.BOUNDARY, [end.sentence, further])
    certificate = replace(certificate, scope="local")
    if not result.sample.batch_shape:
        proof = other.certificate
        certificate = replace(certificate, excess=proof.excess, score_norm=proof.score_norm)
    return certificate


def _restated(result: Fit, members: Array, status: Status, said: list[str]) -> Certificate:
    """Return the certificate with another status for some members, and more to say."""
    shape, old = result.sample.batch_shape, result.certificate
    statuses = np.array(np.broadcast_to(old.status, shape), dtype=object).reshape(-1)
    statuses[members] = status
    sentences = filter(None, [old.sentence, *said])
    return replace(
        old,
        status=statuses.reshape(shape) if shape else statuses[0],
        sentence="; ".join(dict.fromkeys(sentences)),
    )


def _members(sample: Sample, members: Array) -> Sample:
    return sample if not sample.batch_shape else sample.take(members)
