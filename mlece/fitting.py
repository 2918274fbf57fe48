"""fit(): minimise the cross-entropy of a model on data or on a known distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.certificate import (
    Certificate,
    decrement,
    rounding,
    self_concordant_bound,
    simplex_kkt,
)
from mlece.chart import Chart
from mlece.limits import Limit, Status
from mlece.math import Array, Arrays
from mlece.model import Model, model_by_name
from mlece.objective import CrossEntropy, Evaluation
from mlece.result import Fit
from mlece.arrays import column
from mlece.sample import Sample, from_data
from mlece.solvers.newton import newton
from mlece.solvers.profile import profile_root
from mlece.solvers.scipy_optimize import minimise, simplex_slsqp

SOLVERS = ("auto", "closed", "newton", "profile", "scipy", "trust-exact", "L-BFGS-B", "SLSQP")
_THIN_ABOVE = 20_000
_THIN_TO = 4_000
_LEVELS = range(1, 7)


@dataclass(frozen=True)
class Solution:
    """Framed parameters with what the solver knows about them.

    Parameters
    ----------
    theta : tuple of arrays (R,)
        Framed natural parameters.
    solver : str
        Which solver ran.
    solved : array of bool (R,)
        Whether it met its own criterion.
    excess : array (R,), optional
        Bound on the excess that the solver proved by itself.
    bracket : (array, array), optional
        Sign change of the profile score.
    ends : tuple of two thetas, optional
        Ends of the set of solutions where it is not a point.
    runaway : dict of str to array of bool (R,)
        Parameters stopped at the end of their range with the gradient pointing outwards.
    notes : dict
        Anything else worth telling.
    """

    theta: Arrays
    solver: str
    solved: Array
    excess: Array | None = None
    bracket: tuple[Array, Array] | None = None
    ends: tuple[Arrays, Arrays] | None = None
    runaway: dict[str, Array] | None = None
    notes: dict[str, Any] | None = None


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
        return _fit_population(family, data, solver)
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
    fixed = tuple(objective.fixed.get(p.name) for p in model.params)
    with np.errstate(all="ignore"):
        limits = (
            [lim for lim in model._degenerate(objective.summary, *fixed) if lim.any()]
            if model.free
            else []
        )
        stopped = np.zeros(objective.size, dtype=bool)
        for limit in limits:
            stopped |= limit.mask
        solution = _solve(objective, solver, np.flatnonzero(~stopped))
        return _conclude(objective, sample, solution, limits)


# -------------------------------------------------------------------------------- solving


def _solve(objective: CrossEntropy, solver: str, members: Array) -> Solution:
    """Run the solver on the members that have an interior optimum."""
    model, size = objective.model, objective.size
    fixed = tuple(objective.fixed.get(p.name) for p in model.params)
    done = np.ones(size, dtype=bool)
    if not model.free:
        return Solution(tuple(f for f in fixed if f is not None), "nothing to estimate", done)
    if not members.size:
        return Solution(_unsolved(objective), "none", done)
    if solver in ("scipy", "trust-exact", "L-BFGS-B", "SLSQP"):
        return _by_scipy(objective, solver)
    if solver in ("auto", "closed"):
        if model.has("_estimate"):
            theta, ends = model._estimate(objective, *fixed)
            return Solution(theta, "closed form", done, ends=ends)
        if model.has("_maximise"):
            theta = model._maximise(objective.summary, *fixed)
            if theta is not None:
                return Solution(tuple(np.asarray(t) for t in theta), "closed form", done)
        if solver == "closed":
            raise errors.NoDensityError(
                errors.message(f"a closed form for {model!r}", "none", "Use solver='newton'")
            )
    if solver in ("auto", "profile") and model.profile_over and not objective.fixed:
        return _by_profile(objective, members)
    if solver == "profile":
        raise errors.NoDensityError(
            errors.message(f"a profile equation for {model!r}", "none", "Use solver='newton'")
        )
    return _by_newton(objective, members)


def _unsolved(objective: CrossEntropy) -> Arrays:
    out = []
    for p in objective.model.params:
        if p.name in objective.fixed:
            out.append(objective.fixed[p.name].copy())
        elif p.vector:
            raise errors.NoDensityError(errors.message(f"{p.name} to be estimable", "no cells"))
        else:
            out.append(np.full(objective.size, np.nan))
    return tuple(out)


def _scatter(objective: CrossEntropy, members: Array, theta: Arrays) -> Arrays:
    """Put the parameters of some members into arrays for the whole batch."""
    if members.size == objective.size:
        return theta
    out = _unsolved(objective)
    for whole, part in zip(out, theta, strict=True):
        whole[members] = part
    return out


def _start(objective: CrossEntropy, members: Array) -> Arrays:
    """Return starting values for some members, framed."""
    model = objective.model
    if model.has("_start"):
        guess = model._start(objective.pilot()[members])
    else:
        guess = _generic_start(objective, members)
    return tuple(
        objective.fixed[p.name][members]
        if p.name in objective.fixed
        else np.asarray(g, dtype=float)
        for p, g in zip(model.params, guess, strict=True)
    )


def _generic_start(objective: CrossEntropy, members: Array) -> Arrays:
    """Start a user's density: order one in the frame, the best of a small grid for what has no role."""
    pilot = objective.pilot()[members]
    middle = np.median(pilot, axis=1)
    spread = np.quantile(pilot, 0.75, axis=1) - np.quantile(pilot, 0.25, axis=1)
    spread = np.where(spread > 0, spread, 1.0)
    roles: dict[str, Array] = {
        "location": middle,
        "scale": spread / 1.4,
        "inverse scale": 1.4 / spread,
        "log location": np.zeros_like(middle),
    }
    shapes = [p for p in objective.model.params if not p.role and p.name not in objective.fixed]
    candidates = []
    for fraction in (0.5, 0.1, 0.9):
        theta = []
        for p in objective.model.params:
            if p.name in objective.fixed:
                theta.append(objective.fixed[p.name][members])
            elif p.role:
                value = roles[p.role]
                if (
                    p.domain.lower == 0
                    and p.role in ("scale", "inverse scale")
                    and middle.min() > 0
                ):
                    value = middle if p.role == "scale" else 1.0 / middle
                theta.append(value)
            else:
                low, high = p.typical
                theta.append(np.full(len(members), low + fraction * (high - low)))
        value = objective.evaluate(tuple(theta), 0, members).value
        candidates.append((np.where(np.isfinite(value), value, np.inf), tuple(theta)))
        if not shapes:
            break
    values = np.stack([c[0] for c in candidates])
    best = np.argmin(values, axis=0)
    take = np.arange(len(members))
    return tuple(
        np.stack([c[1][j] for c in candidates])[best, take]
        for j in range(len(objective.model.params))
    )


def _thin(objective: CrossEntropy) -> bool:
    return (
        objective.size == 1 and objective.sample.rows > _THIN_ABOVE and not objective.model.affine
    )


def _by_newton(objective: CrossEntropy, members: Array) -> Solution:
    chart = Chart(objective)
    if chart.free and chart.free[0].vector:
        return _simplex_newton(objective)
    if _thin(objective):
        part = objective.thinned(_THIN_TO)
        start = chart.eta(_by_newton(part, np.arange(1)).theta)
    else:
        start = chart.eta(_start(objective, members))

    def evaluate(eta: Array, index: Array) -> tuple[Array, Array, Array]:
        which = members[index]
        at = objective.evaluate(chart.theta(eta, which), 2, which)
        return (at.value, *chart.pull(eta, at))

    out = newton(evaluate, start, *chart.box())
    theta = _scatter(objective, members, chart.theta(out.eta, members))
    solved = np.zeros(objective.size, dtype=bool)
    solved[members] = out.converged
    runaway: dict[str, Array] = {}
    for j, p in enumerate(chart.free if out.blocked.any() else []):
        mask = np.zeros(objective.size, dtype=bool)
        mask[members] = out.blocked[:, j]
        if mask.any():
            runaway[p.name] = mask
    return Solution(theta, "newton", solved, runaway=runaway)


def _simplex_newton(objective: CrossEntropy) -> Solution:
    """Newton's method in log-ratios, on the face of the cells that were seen."""
    frequencies = objective.summary.mean[0]
    seen = frequencies[0] > 0
    if np.any((frequencies > 0) != seen):
        raise errors.NoDensityError(
            errors.message(
                "the same empty cells in every member of a batch for Newton's method",
                "different ones",
                "Use the closed form, solver='auto'",
            )
        )
    model = objective.model
    face = type(model)(labels=range(int(seen.sum())))
    cells = face.parameter("p").bijection

    def evaluate(eta: Array, index: Array) -> tuple[Array, Array, Array]:
        q = cells.forward(eta)
        t = (frequencies[index][:, seen][:, None, :],)
        jacobian, second = cells.derivatives(eta)
        score = -face.score_hook(t, (q[:, None, :],))[:, 0]
        hessian = -face.curvature_hook(t, (q[:, None, :],))[:, 0]
        gradient = np.einsum("rk,rki->ri", score, jacobian)
        full = np.swapaxes(jacobian, 1, 2) @ hessian @ jacobian
        value = -face.log_density_hook(t, (q[:, None, :],))[:, 0]
        return value, gradient, full + np.einsum("rk,rkij->rij", score, second)

    start = np.zeros((objective.size, int(seen.sum()) - 1))
    out = newton(evaluate, start, np.full(start.shape[1], -np.inf), np.full(start.shape[1], np.inf))
    q = np.zeros_like(frequencies)
    q[:, seen] = cells.forward(out.eta)
    return Solution((q,), "newton", out.converged)


def _by_profile(objective: CrossEntropy, members: Array) -> Solution:
    model = objective.model
    at = [p.name for p in model.params].index(model.profile_over)
    if _thin(objective):
        start = _by_profile(objective.thinned(_THIN_TO), np.arange(1)).theta[at]
    else:
        start = _start(objective, members)[at]

    def equation(psi: Array, index: Array) -> tuple[Array, Array, Arrays]:
        means = objective.profile_means(psi, members[index])
        return model._profile_equation(means, psi)  # type: ignore[no-any-return]

    out = profile_root(equation, start)
    theta = _scatter(objective, members, tuple(np.asarray(t) for t in out.theta))
    fields = []
    for values in (out.lower, out.upper, out.excess, out.proved.astype(float)):
        whole = np.full(objective.size, np.nan)
        whole[members] = values
        fields.append(whole)
    solved = fields[3] == 1.0
    return Solution(theta, "profile", solved, fields[2], (fields[0], fields[1]))


def _by_scipy(objective: CrossEntropy, solver: str) -> Solution:
    model = objective.model
    if objective.size != 1:
        raise errors.DataError(
            errors.message("one fit at a time with scipy.optimize", f"a batch of {objective.size}")
        )
    chart = Chart(objective)
    vector = bool(chart.free and chart.free[0].vector)
    if solver == "SLSQP" and not vector:
        raise errors.NoDensityError(
            errors.message("a model on the simplex for SLSQP", repr(model), "Use solver='scipy'")
        )
    if vector and solver in ("scipy", "SLSQP"):
        out = simplex_slsqp(objective.summary.mean[0][0])
        name = "scipy SLSQP"
    else:
        if vector:
            start = np.zeros((1, objective.summary.mean[0].shape[-1] - 1))
        else:
            start = chart.eta(_start(objective, np.arange(1)))
        method = "trust-exact" if solver == "scipy" else solver
        out, name = minimise(objective, start, method), f"scipy {method}"
    notes = {"message": out.message, "iterations": out.iterations, **out.multipliers}
    return Solution(out.theta, name, np.array([True]), notes=notes)


# -------------------------------------------------------------------------------- concluding


def _conclude(
    objective: CrossEntropy, sample: Sample, solution: Solution, limits: list[Limit]
) -> Fit:
    """Evaluate at the solution, certify it, and put the limits in their place."""
    model, size = objective.model, objective.size
    theta = [
        np.array(np.broadcast_to(t, (size, *t.shape[1:])), dtype=float) for t in solution.theta
    ]
    status = np.full(size, Status.OPTIMAL, dtype=object)
    infimum = np.full(size, np.nan)
    sentences: list[str] = []
    limit_models: dict[int, Any] = {}
    special = np.zeros(size, dtype=bool)
    for limit in limits:
        special |= limit.mask
        status[limit.mask] = limit.status
        sentences.append(limit.sentence)
        for own, value in zip(theta, limit.theta, strict=True):
            own[limit.mask] = np.broadcast_to(value, own.shape)[limit.mask]
        if limit.infimum is not None:
            infimum[limit.mask] = np.broadcast_to(limit.infimum, (size,))[limit.mask]
        if limit.model is not None:
            limit_models.update(dict.fromkeys(np.flatnonzero(limit.mask).tolist(), limit.model))
    at = objective.evaluate(tuple(theta), 2)
    value = np.where(np.isnan(infimum), at.value, infimum)
    bound = _bound(objective, tuple(theta), at, solution)
    if model.free and any(p.vector for p in model.params):
        empty = (theta[0] == 0).any(axis=1)
        status[empty] = Status.BOUNDARY
        if empty.any():
            sentences.append("empty cells have probability 0 and Karush-Kuhn-Tucker multiplier 1")
    unfinished = ~special & ~(solution.solved & np.isfinite(bound.excess))
    status[unfinished] = Status.STEP_LIMIT
    if unfinished.any():
        sentences.append("the solver met no optimality criterion; look at the score and the data")
    if solution.ends is not None:
        low, high = solution.ends
        wide = np.zeros(size, dtype=bool)
        for a, b in zip(low, high, strict=True):
            wide |= np.broadcast_to(a != b, (size,))
        if (wide & ~special).any():
            status[wide & ~special] = Status.NOT_UNIQUE
            sentences.append("every point between the two ends in fit.solution_set is optimal")
    excess = np.where(special, np.where(np.isneginf(value), np.inf, 0.0), bound.excess)
    excess = excess + np.where(np.isfinite(value), rounding(value), 0.0)
    nu = np.where(special, 0.0, bound.nu)
    shape = sample.batch_shape
    user_theta = model.from_frame(tuple(theta), objective.frame.shift, objective.frame.scale)
    cross_entropy = value + objective.frame.log_scale

    def shaped(a: Array) -> Any:
        a = np.broadcast_to(a, (size, *a.shape[1:]))
        out = a.reshape((*shape, *a.shape[1:]))
        return out.item() if out.ndim == 0 else out

    certificate = Certificate(
        status=shaped(status),
        excess=shaped(excess),
        score_norm=shaped(nu * np.sqrt(objective.total)),
        multipliers={k: shaped(v) for k, v in bound.multipliers.items()},
        scope=bound.scope,
        bound=bound.name,
        sentence="; ".join(dict.fromkeys(sentences)),
        bracket=None
        if solution.bracket is None
        else (shaped(solution.bracket[0]), shaped(solution.bracket[1])),
        kkt=bound.kkt,
    )
    result = Fit(
        family=model,
        sample=sample,
        objective=objective,
        framed=tuple(theta),
        theta=tuple(user_theta),
        values=cross_entropy,
        certificate=certificate,
        solver=solution.solver,
        notes=solution.notes or {},
        ends=None
        if solution.ends is None
        else tuple(
            model.from_frame(e, objective.frame.shift, objective.frame.scale) for e in solution.ends
        ),
        limit_models=limit_models,
    )
    result = _at_limit_families(result, solution)
    return replace(result, certificate=_with_entropy_check(result))


@dataclass(frozen=True)
class _Bound:
    excess: Array
    nu: Array
    scope: str
    name: str
    multipliers: dict[str, Array]
    kkt: Any = None


def _bound(objective: CrossEntropy, theta: Arrays, at: Evaluation, solution: Solution) -> _Bound:
    """Choose and compute the strongest bound that holds for this model."""
    model, size = objective.model, objective.size
    zero = np.zeros(size)
    index = [i for i, p in enumerate(model.params) if p.name in model.free]
    if not index:
        return _Bound(zero, zero, "global", "nothing was estimated", {})
    if any(p.vector for p in model.params):
        return _simplex_bound(objective, theta)
    assert at.score is not None and at.hessian is not None
    factors = model.frame_factors(objective.frame.scale)
    edges = [i for i in index if not model.params[i].regular]
    multipliers = {model.params[i].name: np.abs(at.score[:, i] / factors[i]) for i in edges}
    index = [i for i in index if model.params[i].regular]
    gradient, hessian = at.score[:, index], at.hessian[:, index][:, :, index]
    if solution.solver == "closed form" and model.has("_estimate"):
        return _Bound(zero, zero, "global", "subgradient of a convex function", multipliers)
    nu = decrement(gradient, hessian)
    if edges:
        excess = self_concordant_bound(nu)
        return _Bound(
            excess, nu, "global", "order statistics, multipliers of the ends", multipliers
        )
    if solution.excess is not None:
        return _Bound(
            solution.excess, nu, "global", "sign change of the profile score", multipliers
        )
    if model.affine:
        excess = self_concordant_bound(nu)
        return _Bound(excess, nu, "global", "Fenchel gap of an exponential family", multipliers)
    scope = "global" if model.concave else "local"
    # Twice the quadratic prediction: the third derivative may add at most as much again this close.
    return _Bound(nu**2, nu, scope, "Newton decrement", multipliers)


def _simplex_bound(objective: CrossEntropy, theta: Arrays) -> _Bound:
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
    return _Bound(excess, nu, "global", "largest ratio p̂/q (Lindsay)", {"p": empty}, kkt)


def _with_entropy_check(result: Fit) -> Certificate:
    """Add CE_n − H(q_θ̂) where the theory puts it at zero."""
    model = result.family
    if not (model.unit_carrier and model.has("_entropy")) or result.sample.size != 1:
        return result.certificate
    if not result.certificate.status.solved or model.roles() & {"never"}:
        return result.certificate
    if any(p.name not in model.free for p in model.params):
        return result.certificate
    with np.errstate(all="ignore"):
        entropy = np.asarray(model._entropy(*result.framed))
    residual = (
        float(entropy[0]) + float(result.objective.frame.log_scale[0]) - float(result.values[0])
    )
    return replace(result.certificate, entropy_residual=-residual)


def _at_limit_families(result: Fit, solution: Solution) -> Fit:
    """Replace members that ran to another family by the fit of that family."""
    model = result.family
    for name, mask in (solution.runaway or {}).items():
        if name not in model.limit_families:
            continue
        target, mapping = model.limit_families[name]
        members = np.flatnonzero(mask)
        slots = {
            mapping[p.name]: model.slots[p.name]
            for p in model.params
            if p.name in mapping and model.slots[p.name] is not None
        }
        other = fit_sample(model_by_name(target)(**slots), _members(result.sample, members))
        theta = [t.copy() for t in result.theta]
        values = result.values.copy()
        values[members] = other.values
        for own, p in zip(theta, model.params, strict=True):
            if p.name == name:
                own[members] = np.inf
            else:
                own[members] = other.flat(mapping[p.name])
        status = np.array(np.broadcast_to(result.certificate.status, result.sample.batch_shape))
        flat = status.reshape(-1)
        flat[members] = Status.BOUNDARY
        sentence = f"{name} runs to infinity: the limit is {target}"
        limit_models = dict(result.limit_models)
        builder = model_by_name(target)

        def build(*values: Any, builder: Any = builder, mapping: Any = mapping) -> Model:
            named = {
                mapping[p.name]: v
                for p, v in zip(model.params, values, strict=True)
                if p.name in mapping
            }
            return builder(**named)  # type: ignore[no-any-return]

        limit_models.update(dict.fromkeys(members.tolist(), build))
        shape = result.sample.batch_shape
        certificate = replace(
            result.certificate,
            status=flat.reshape(shape) if shape else flat[0],
            sentence="; ".join(filter(None, [result.certificate.sentence, sentence])),
            scope="local",
        )
        if not shape:
            certificate = replace(
                certificate,
                excess=other.certificate.excess,
                score_norm=other.certificate.score_norm,
            )
        result = replace(
            result,
            theta=tuple(theta),
            values=values,
            certificate=certificate,
            limit_models=limit_models,
        )
    return result


def _members(sample: Sample, members: Array) -> Sample:
    return sample if not sample.batch_shape else sample.take(members)


# -------------------------------------------------------------------------------- populations


def _fit_population(model: Model, truth: Model, solver: str) -> Fit:
    """Fit to quadrature nodes, doubled until the cross-entropy moves by less than 1e-12."""
    from mlece.sources.distribution import nodes, tail_divergent

    truth.theta  # noqa: B018  (raises if a slot is free)
    if truth.support.discrete != model.support.discrete:
        raise errors.ComparisonError(
            errors.message(
                "a model and a truth under one dominating measure",
                f"{type(model).__name__} ({model.support}) and {type(truth).__name__} ({truth.support})",
            )
        )
    previous = np.nan
    result: Fit | None = None
    for level in _LEVELS:
        rule = nodes(truth, level)
        inside = model.support.contains(rule.values)
        if not np.all(inside):
            lost = float(rule.weights[~inside].sum())
            raise errors.SupportError(
                errors.message(
                    f"a truth inside the support of {type(model).__name__}, {model.support}",
                    f"{truth!r} with mass {lost:.3g} outside",
                    "The cross-entropy is infinite for every member of the family",
                )
            )
        admitted, values = model.admit(truth.decode(rule.values), "nodes")
        sample = Sample(values[None, :], rule.weights[None, :], (), "y", truth)
        result = fit_sample(admitted, sample, solver)
        terms = result.node_values()
        if tail_divergent(rule, terms):
            return _infinite(result)
        value = float(result.values[0])
        if not np.isfinite(value) or abs(value - previous) <= 1e-12 * max(1.0, abs(value)):
            return result
        if truth.support.discrete:
            return result
        previous = value
    assert result is not None
    raise errors.NoDensityError(
        errors.message(
            "a cross-entropy that quadrature resolves to 1e-12",
            f"changes of {abs(value - previous):.1e} after the last doubling",
            "The truth may have kinks that it does not declare (_breakpoints)",
        )
    )


def _infinite(result: Fit) -> Fit:
    """Report an infinite cross-entropy: no parameters, no bound."""
    fixed = result.objective.fixed
    theta = tuple(
        t if p.name in fixed else np.full_like(t, np.nan)
        for p, t in zip(result.family.params, result.theta, strict=True)
    )
    certificate = replace(
        result.certificate,
        status=Status.INFINITE,
        excess=np.inf,
        score_norm=np.nan,
        sentence="the truth's tails are too heavy for the family",
        entropy_residual=None,
    )
    return replace(result, theta=theta, values=np.array([np.inf]), certificate=certificate)
