"""fit(): minimise the cross-entropy of a model on data or on a known distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import MISSING, column, without_missing
from mlece.certificate import EPS
from mlece.combinators.compose import instance
from mlece.combinators.conditional import Conditional
from mlece.combinators.scipy_family import adopt
from mlece.fits.ending import undercutting
from mlece.fits.existence import Outcome, at_edges, reconcile
from mlece.fits.proof import Proof
from mlece.fits.proving import Question
from mlece.fits.result import Fit
from mlece.fits.separable import block_fits, joint_limits, joint_solution
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Limit
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import wide
from mlece.numerics.masks import every, some
from mlece.regression.binding import with_terms
from mlece.regression.existence import canonical_bound, separations
from mlece.regression.penalty import as_penalty
from mlece.regression.reading import read as from_covariates
from mlece.regression.result import ConditionalFit, with_covariates
from mlece.regression.truth import ConditionalTruth
from mlece.sample import WEIGHTINGS, Sample, from_data
from mlece.solvers.dispatch import SOLVERS, solve
from mlece.sources.censoring import Censored, from_censored
from mlece.sources.covariates import response
from mlece.sources.drawn import DrawnTruth

# What is fitted: known laws, numbers that came in nothing more, or anything else that holds some.
_LAWS = (Model, DrawnTruth, ConditionalTruth)
_NUMBERS = (np.ndarray, list, tuple, range, Censored)


def fit(
    model: Model | type[Model] | str,
    data: Any,
    *,
    weights: Any = None,
    weighting: str = "frequency",
    given: Any = None,
    missing: str = "raise",
    penalty: Any = None,
    solver: str = "auto",
) -> Fit:
    """Fit a model: minimise E_p[−log q_θ] over its free slots.

    With data, the minimiser is the maximum likelihood estimate. With a known distribution, it is the
    pseudo-true parameter, the projection of the truth onto the family in Kullback–Leibler divergence.

    Parameters
    ----------
    model : Model, class of Model, or registered name
        Filled slots are held fixed, free ones are estimated. A slot that holds a predictor, a formula such
        as ``"age + C(sex)"``, names of columns or :data:`mlece.linear`, varies with the covariates in
        ``given``: its coefficients are estimated.
    data : array_like (..., n), Censored, Model or str
        Observations (lists, arrays, pandas, polars or pyarrow Series, labels for Categorical); leading
        axes are a batch of fits. An array is read where it lies, not copied, and again for what is asked
        of the fit later. Censored, truncated and grouped observations come from
        :func:`mlece.censored` and its companions. A Model with every slot filled is a known
        distribution, and so is what :func:`mlece.truth` returns; what :func:`mlece.conditional_truth`
        returns is one for models with a predictor. A string names a column of ``given``, or is a formula
        ``"y ~ x"``, whose right-hand side goes to the slot that tells where the law lies.
    weights : array_like (..., n), optional
        Finite and non-negative.
    weighting : {"frequency", "sampling"}
        What the weights are. A frequency says how often an observation was made (counts); a sampling
        weight how many members of the population it stands for (an inverse probability of selection).
        The estimates are the same, the covariance is not: the meat of the sandwich sums w² s s' for
        sampling weights (Binder 1983).
    given : data frame, mapping, array (n, d) or sparse matrix, optional
        Covariates of the predictors, and the column named by ``data``.
    missing : {"raise", "drop"}
        What to do about missing observations, or rows with a missing covariate: refuse them with their
        count, or leave them out (``fit.notes["dropped"]`` tells how many).
    penalty : "firth" or what :func:`mlece.ridge` returns, optional
        Where separated or collinear covariates leave no maximum, a remedy that has one. Firth's is −log det
        of the expected information over 2n, Jeffreys' prior, for probabilities, labels and counts
        (:class:`mlece.regression.firth.Firth`); a ridge holds for every family. ``fit.cross_entropy``
        is that of the estimate without it, ``fit.penalty`` what it adds.
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

    Binder, D. A. (1983). On the variances of asymptotically normal estimators from complex surveys.
    International Statistical Review 51, 279–292.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit("exponential", [1.0, 2.0, 3.0])
    >>> fit.params
    {'rate': 0.5}
    >>> mlece.fit(mlece.Gaussian(), mlece.Exponential(rate=1)).params["sd"].__round__(9)
    1.0
    """
    family, data = resolve(model), adopt(data)
    _require_data_or_law(data)
    held = _held(data if given is None else given)
    if weighting not in WEIGHTINGS:
        raise errors.unknown_name("weighting", weighting, WEIGHTINGS)
    if solver not in SOLVERS:
        raise errors.unknown_name("solver", solver, SOLVERS)
    if missing not in MISSING:
        raise errors.unknown_name("treatment of missing values", missing, MISSING)
    if isinstance(data, _LAWS):
        if weights is not None or given is not None:
            raise errors.DataError(
                errors.message("no weights and no frame with a known distribution", "some")
            )
        if penalty is not None:
            raise errors.DataError(
                errors.message("data for a penalty", "a known distribution", "It has a minimum")
            )
        from mlece.fits.population import fit_draws, fit_population
        from mlece.regression.projection import fit_conditional

        if isinstance(data, ConditionalTruth):
            return fit_conditional(family, data, solver)
        if family.predictors:
            raise errors.DataTypeError(
                errors.message(
                    f"a known law of the response given covariates, for {family!r}",
                    f"{data!r}",
                    "mlece.conditional_truth(y=..., x=...) declares one",
                )
            )
        if isinstance(data, DrawnTruth):
            return fit_draws(family, data, solver)
        return fit_population(family, data, solver)
    name: str = "y"
    used: tuple[str, ...] = ()
    if isinstance(data, str):
        family, data, name, used = _named(family, data, given)
        if isinstance(weights, str):
            weights = column(given, weights)
    elif given is not None and not family.predictors:
        raise errors.DataTypeError(
            errors.message(
                "the name of a column of given=, or a model with a predictor in a slot",
                f"{type(data).__name__} and {family!r}",
            )
        )
    label = str(getattr(data, "name", None) or name)
    if family.predictors:
        known = from_covariates(
            family,
            data,
            given,
            weights,
            label,
            weighting,
            missing,
            used,
            as_penalty(penalty, family.predictors),
        )
        return with_covariates(fit_sample(known.model, known.sample, solver), known, given)
    as_penalty(penalty)
    dropped = 0
    if missing == "drop" and not isinstance(data, Censored):
        data, weights, dropped = without_missing(data, weights)
        held = _held(data) if dropped else held
    read = from_censored if isinstance(data, Censored) else from_data
    family, sample = read(family, data, weights, label, weighting)
    out = fit_sample(family, sample, solver)
    if dropped:
        out = replace(out, notes={**out.notes, "dropped": dropped})
    return out if held is None else replace(out, given=held)


def _require_data_or_law(data: Any) -> None:
    """Raise for what is meant as a known distribution and does not say which."""
    if isinstance(data, type) and issubclass(data, Model):
        raise errors.DataTypeError(
            errors.message(
                "observations or one known distribution",
                f"the family {data.__name__}",
                "Give its parameters: a model with filled slots, or a frozen distribution of scipy",
            )
        )
    if isinstance(data, tuple) and any(callable(part) for part in data):
        raise errors.DataTypeError(
            errors.message(
                "observations or a known distribution",
                f"a tuple of {len(data)} with functions",
                "mlece.truth(sample=..., log_density=...) declares a law by them",
            )
        )


def _held(data: Any) -> Any:
    """Return what the observations came in, where that is more than a sequence of numbers."""
    return None if isinstance(data, _NUMBERS) else data


def _named(family: Model, text: str, given: Any) -> tuple[Model, Any, str, tuple[str, ...]]:
    """Return model, observations, their name and the columns that they are, of a column or formula."""
    if given is None:
        raise errors.DataTypeError(
            errors.message(
                "observations",
                f"the string {text!r}",
                "A column name needs the frame: fit(model, name, given=frame)",
            )
        )
    if not (family.predictors or "~" in text):
        return family, column(given, text), text, (text,)
    found = response(text, given)
    if found.terms is not None:
        family = with_terms(family, found.terms)
    return family, found.values, found.name, found.columns


def resolve(model: Model | type[Model] | str) -> Model:
    """Return a model from an instance, a class or a registered name."""
    model = instance(adopt(model))
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
    slots = objective.fixed_slots()
    with np.errstate(all="ignore"):
        limits = model._degenerate(objective.summary, *slots) if model.free else ()
        rivals = [limit for limit in limits if limit.rival and some(limit.mask)]
        limits = [limit for limit in limits if not limit.rival and some(limit.mask)]
        stopped = _met(objective, limits)
        parts = block_fits(objective, fit_sample) if _separable(model, solver) else []
        if parts:
            solution = joint_solution(objective, parts)
            limits += joint_limits(objective, parts)
            stopped = _met(objective, limits)
        else:
            solution = solve(objective, solver, (~stopped).nonzero()[0])
        limits += undercutting(objective, solution, stopped, rivals, sample, fit_sample)
        proof = canonical_bound(objective, solution.theta, solution.at)
        known = _met(objective, limits)
        limits += separations(objective, solution, known, sample, fit_sample, proof)
        limits += at_edges(objective, solution, _met(objective, limits))
        outcome = reconcile(objective, solution, limits)
        question = Question(objective, sample, solution, outcome, proof, parts)
        return assemble(question)


def _separable(model: Model, solver: str) -> bool:
    """Tell whether the blocks of a model are fitted one by one."""
    return bool(model._factors and model.free) and solver == "auto"


def _met(objective: CrossEntropy, limits: list[Limit]) -> Array:
    """Tell which members a limit describes."""
    out = np.zeros(objective.size, dtype=bool)
    for limit in limits:
        out |= limit.mask
    return out


def assemble(question: Question) -> Fit:
    """Put the parts of a fit together in the user's units and batch axes."""
    objective, solution, outcome = question.objective, question.solution, question.outcome
    model, frame = objective.model, objective.user
    proof = Proof(question.answer)
    lost = None if question.stands else proof.shown.lost
    ends = solution.ends
    kind = ConditionalFit if isinstance(model, Conditional) else Fit
    return kind(
        family=model,
        sample=question.sample,
        objective=objective,
        framed=outcome.theta,
        theta=_user_theta(objective, outcome, solution.exact, lost),
        proof=proof,
        solver=solution.solver,
        notes=solution.notes,
        ends=None
        if ends is None
        else tuple(model.from_frame(e, frame.shift, frame.scale) for e in ends),
        limit_models=outcome.models,
    )


def _user_theta(
    objective: CrossEntropy, outcome: Outcome, exact: Arrays | None, lost: Array | None
) -> Arrays:
    """Return the parameters in the user's units: filled slots as given, NaN where there is no limit."""
    theta = outcome.theta
    if lost is not None and not some(lost):
        lost = None
    model, frame = objective.model, objective.user
    out: list[Array] = []
    for p, value in zip(
        model.params, model.from_frame(theta, frame.shift, frame.scale), strict=True
    ):
        if p.name in model.free:
            own = np.array(wide(np.asarray(value), objective.size), dtype=float)
            if not p.regular:
                own = _on_ends(own, objective.ends, frame.scale)
            if exact is not None:
                own = np.where(outcome.special, own, exact[len(out)])
            if lost is not None:
                own[lost] = np.nan
        else:
            own = objective.flat_slot(p)
        out.append(own)
    return tuple(out)


def _on_ends(own: Array, ends: tuple[Array, Array], scale: Array) -> Array:
    """Return estimates of an end of the support as observations, to the last bit, where they are close."""
    if any(every(own == end) for end in ends):
        return own
    for end in ends:
        reach = 8 * EPS * (np.abs(end) + scale)
        own = np.where(np.isfinite(end) & (np.abs(own - end) <= reach), end, own)
    return own
