"""What is noted of every fit of a study: cross-entropies, estimates, intervals, tests.

The two tables name the kinds of interval and the tests that a study may ask for. An entry takes fits in
batches and answers in batches; a new kind is a new line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.diagnostics.information_matrix import information_matrix_test
from mlece.diagnostics.ledger import population_values
from mlece.diagnostics.nested import Restriction, restriction
from mlece.diagnostics.nondegenerate import clarke, shi
from mlece.diagnostics.vuong import vuong
from mlece.fits.covariance import covariance, refusals
from mlece.fits.fitting import fit, fit_sample
from mlece.fits.result import Fit
from mlece.inference.bootstrap_intervals import BOOTSTRAPS
from mlece.inference.intervals import exact, interval, wald
from mlece.information import entropy
from mlece.limits import Status
from mlece.math import Array
from mlece.model import Model
from mlece.regression.kinds import HETEROSCEDASTIC, PLAIN
from mlece.regression.truth import ConditionalTruth
from mlece.studies.drawing import Samples, drawn

if TYPE_CHECKING:
    from mlece.studies.plan import Part, Plan

STATUSES = tuple(Status)
# What says that a question has no answer for a model, which is noted; anything else is an error.
_NO_ANSWER = (errors.NotRegularError, errors.NoDensityError, errors.ComparisonError)


# -------------------------------------------------------------------------------- what is aimed at


@dataclass(frozen=True, eq=False)
class Target:
    """A model's best: the member nearest to the truth.

    Attributes
    ----------
    floor : float
        H(p*).
    value : float
        H(p*, q_θ*); infinite where every member's is.
    names : tuple of str
        Free parameters; those of a point of the simplex cell by cell.
    theta : array (k,)
        θ*.
    spread : array (k,)
        Standard deviation of √n(θ̂ − θ*) in the limit; NaN where theory gives none.
    trace : float
        tr(A⁻¹B).
    best : Fit
    """

    floor: float
    value: float
    names: tuple[str, ...]
    theta: Array
    spread: Array
    trace: float
    best: Fit


@lru_cache(maxsize=256)
def target(truth: Model | ConditionalTruth, model: Model) -> Target:
    """Return what fits of a model to samples of a truth tend to.

    Raises
    ------
    SupportError
        If the truth has mass outside the support of the model, so that samples cannot be fitted.
    ComparisonError, NoDensityError
        Where a model cannot be fitted to the truth itself; see :func:`mlece.fit`.
    """
    best = fit(model, truth)
    rule = best.sample.rule
    if rule is not None and rule.count > best.sample.rows:
        raise errors.SupportError(
            errors.message(
                f"a truth inside the support of {model.title}, {model.support}",
                f"{truth!r}, with mass outside",
                "Its samples cannot be fitted: study this pair without that model",
            )
        )
    names, theta = _columns(best, {name: best.flat(name) for name in best.names})
    spread, trace = np.full(len(names), np.nan), np.nan
    if np.isfinite(best.values[0]):
        try:
            roots = np.sqrt(np.diagonal(covariance(best)))
            spread, trace = np.asarray(roots), float(best.trace)
        except _NO_ANSWER:
            # The row then has no limiting spread.
            pass
    floor = float(entropy(truth))
    return Target(floor, float(best.values[0]), names, theta[0], spread, trace, best)


def _columns(fit: Fit, values: dict[str, Array]) -> tuple[tuple[str, ...], Array]:
    """Return names and values of parameters side by side, (R, k), cells of a simplex one by one."""
    size = fit.objective.size
    names: list[str] = []
    columns = [np.empty((size, 0))]
    for name, value in values.items():
        flat = np.asarray(value, dtype=float).reshape(size, -1)
        if fit.family.parameter(name).vector:
            labels = getattr(fit.family, "labels", None) or range(flat.shape[1])
            names += [f"{name}[{label}]" for label in labels]
        else:
            names.append(name)
        columns.append(flat)
    return tuple(names), np.concatenate(columns, axis=1)


# -------------------------------------------------------------------------------- intervals

Interval = Callable[[Fit, float, np.random.SeedSequence], dict[str, Any]]


def _wald(
    fit: Fit, level: float, seed: np.random.SeedSequence, kind: str, scale: str
) -> dict[str, Any]:
    return wald(fit, level, kind, scale)


def _exact(fit: Fit, level: float, seed: np.random.SeedSequence) -> dict[str, Any]:
    return exact(fit, level)


def _profile(fit: Fit, level: float, seed: np.random.SeedSequence, method: str) -> dict[str, Any]:
    return interval(fit, level, method)


def _bootstrap(
    fit: Fit, level: float, seed: np.random.SeedSequence, bootstrap: str, resampling: str
) -> dict[str, Any]:
    options: dict[str, Any] = {"bootstrap": bootstrap, "resampling": resampling, "rng": seed}
    return interval(fit, level, "bootstrap", **options)


INTERVALS: dict[str, Interval] = {
    **{
        f"wald {kind}": partial(_wald, kind=kind, scale="parameter")
        for kind in (*PLAIN, *HETEROSCEDASTIC)
    },
    **{
        f"wald {kind} unconstrained": partial(_wald, kind=kind, scale="unconstrained")
        for kind in (*PLAIN, *HETEROSCEDASTIC)
    },
    "exact": _exact,
    **{name: partial(_profile, method=name) for name in ("profile", "robust profile")},
    # BCa without a name of its own, as everywhere.
    **{
        f"{resampling} bootstrap {kind}".removeprefix("nonparametric ").removesuffix(
            " bca"
        ): partial(_bootstrap, bootstrap=kind, resampling=resampling)
        for resampling in ("nonparametric", "parametric")
        for kind in BOOTSTRAPS
    },
}


def _covered(fit: Fit, ends: dict[str, Any], aim: Target) -> Array:
    """Tell which intervals hold θ*: 1, 0, or NaN where there is no interval or no θ*, (R, k)."""
    low, high = (_columns(fit, {n: pair[side] for n, pair in ends.items()}) for side in (0, 1))
    out = np.full((fit.objective.size, len(aim.names)), np.nan)
    at = [aim.names.index(name) for name in low[0]]
    theta = aim.theta[at]
    inside = (low[1] <= theta) & (theta <= high[1])
    known = ~(np.isnan(low[1]) | np.isnan(high[1]) | np.isnan(theta))
    out[:, at] = np.where(known, inside, np.nan)
    return out


# -------------------------------------------------------------------------------- tests


@dataclass(frozen=True, eq=False)
class Bench:
    """What a test of one model may look at.

    Attributes
    ----------
    fit : Fit
        Its fits.
    aim : Target
    later : dict of str to Fit
        Fits of the models listed behind it to the same samples, by label.
    seed : numpy.random.SeedSequence
        Of what is simulated on top.
    """

    fit: Fit
    aim: Target
    later: dict[str, Fit]
    seed: np.random.SeedSequence

    @cached_property
    def regular(self) -> Array:
        """Which members have a regular interior optimum, (R,)."""
        out = np.ones(self.fit.objective.size, dtype=bool)
        out[list(refusals(self.fit))] = False
        return out

    @cached_property
    def restricted(self) -> Restriction:
        """Tests of θ = θ* for the regular members."""
        fit, aim = self.fit, self.aim
        if fit.on_simplex or not np.isfinite(aim.theta).all() or not self.regular.any():
            raise errors.NotRegularError(
                errors.message(
                    "a pseudo-true member inside the parameter space, and regular estimates",
                    f"θ* = {aim.theta.tolist()} and {np.count_nonzero(self.regular)} of them",
                )
            )
        if not self.regular.all():
            fit = fit_sample(fit.family, fit.sample.take(np.flatnonzero(self.regular)))
        return restriction(fit, **dict(zip(aim.names, aim.theta.tolist(), strict=True)))


def _information_matrix(bench: Bench, form: str) -> dict[str, Array]:
    return {"": information_matrix_test(bench.fit, form=form, replicates=0).p_value}


def _pseudo_true(bench: Bench, statistic: str) -> dict[str, Array]:
    """Test that the parameters are the pseudo-true ones: rejections are errors."""
    p = np.full(len(bench.regular), np.nan)
    p[bench.regular] = getattr(bench.restricted, f"{statistic}_p")
    return {"": p}


def _vuong(bench: Bench, correction: str) -> dict[str, Array]:
    """Test each pair in the row of the model listed first, and say when that one is found nearer."""
    out: dict[str, Array] = {}
    for label, other in bench.later.items():
        found = vuong(bench.fit, other, correction=correction)
        out[label] = found.p_value
        out[f"{label}.nearer"] = np.minimum(2.0 * np.asarray(found.p_first), 1.0)
    return out


def _shi(bench: Bench) -> dict[str, Array]:
    return {label: shi(bench.fit, o, rng=bench.seed).p_value for label, o in bench.later.items()}


def _clarke(bench: Bench) -> dict[str, Array]:
    return {label: clarke(bench.fit, other).p_value for label, other in bench.later.items()}


TESTS: dict[str, Callable[[Bench], dict[str, Array]]] = {
    "information matrix": partial(_information_matrix, form="efficient"),
    "information matrix opg": partial(_information_matrix, form="opg"),
    "vuong": partial(_vuong, correction="none"),
    "vuong tic": partial(_vuong, correction="tic"),
    "shi": _shi,
    "clarke": _clarke,
    **{
        name.replace("_", " "): partial(_pseudo_true, statistic=name)
        for name in itertools.chain.from_iterable(
            (kind, f"{kind}_robust") for kind in ("likelihood_ratio", "wald", "score")
        )
    },
}


# -------------------------------------------------------------------------------- one part


def measure(plan: Plan, part: Part) -> dict[str, Array]:
    """Draw the samples of a part, fit every model to them and note what is asked for.

    Parameters
    ----------
    plan : Plan
    part : Part
        R replicates.

    Returns
    -------
    dict of str to array
        Under ``truth/train`` and ``truth/test`` (R,) the cross-entropy of the samples under the truth;
        under ``j/train``, ``j/test``, ``j/population``, ``j/status`` (R,) and ``j/theta`` (R, k) what
        the j-th model came to; under ``j/covered/KIND`` (R, k) whether an interval held θ*, under
        ``j/p/TEST`` (R,) p-values; under ``j/remarks`` why an answer is missing.
    """
    truth = plan.truths[part.truth]
    drawing, testing, seed = plan.generators(part)
    shape = (part.count, part.n)
    samples, fresh = (drawn(truth, shape, rng, plan.design) for rng in (drawing, testing))
    aims = [target(truth, model) for model in plan.models.values()]
    fits = [samples.fit(aim.best) for aim in aims]
    out: dict[str, Array] = {
        "truth/train": samples.truth_terms(),
        "truth/test": fresh.truth_terms(),
    }
    for j, (aim, one) in enumerate(zip(aims, fits, strict=True)):
        labels = list(plan.models)[j + 1 :]
        bench = Bench(one, aim, dict(zip(labels, fits[j + 1 :], strict=True)), seed)
        found, remarks = _of_one(plan, bench, fresh)
        out |= {f"{j}/{name}": value for name, value in found.items()}
        out[f"{j}/remarks"] = np.array(remarks, dtype=str)
    return out


def _of_one(plan: Plan, bench: Bench, fresh: Samples) -> tuple[dict[str, Array], list[str]]:
    fit, aim = bench.fit, bench.aim
    size = fit.objective.size
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    endless = np.isinf(aim.value)
    usable = bool(fit.groups())
    out = {
        "train": np.asarray(fit.values),
        "test": fresh.held_out(fit) if usable else np.full(size, np.nan),
        "population": np.full(size, np.inf) if endless else population_values(aim.best, fit),
        "status": np.array([STATUSES.index(s) for s in statuses.tolist()], dtype=np.uint8),
        "theta": _columns(fit, {name: fit.flat(name) for name in fit.names})[1],
    }
    remarks = []
    with np.errstate(all="ignore"):
        for name in plan.intervals:
            try:
                ends = INTERVALS[name](fit, plan.level, bench.seed)
                out[f"covered/{name}"] = _covered(fit, ends, aim)
            except _NO_ANSWER as error:
                out[f"covered/{name}"] = np.full((size, len(aim.names)), np.nan)
                remarks.append(f"{name}: {error}")
        for name in plan.tests:
            try:
                found = TESTS[name](bench)
            except _NO_ANSWER as error:
                found = {"": np.full(size, np.nan)}
                remarks.append(f"{name}: {error}")
            out |= {
                f"p/{name}.{on}".removesuffix("."): np.asarray(p, dtype=float).reshape(size)
                for on, p in found.items()
            }
    return out, remarks
