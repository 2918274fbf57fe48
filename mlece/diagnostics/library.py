"""A density without a model: a mixture of fitted families and a kernel estimate, weighed out of sample.

Its cross-entropy on new data bounds the entropy from above, whatever the truth: no density has less than
the truth. What a family costs more than it is a certified part of the family's gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mlece import errors
from mlece.candidates import candidates
from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import Term
from mlece.fits.fitting import fit_sample
from mlece.limits import Status
from mlece.math import LOG_2PI, Array, logsumexp
from mlece.model import Model
from mlece.registry import registered
from mlece.regression.binding import bound, with_terms
from mlece.regression.reading import respond_of
from mlece.sample import Sample

FOLDS = 5
_BARE = 10  # observations from which an estimate without a model is tried
# A kernel estimate reads so many observations at most; any density from them serves.
_KERNELS = 4096
_BLOCK = 1 << 20

LogDensity = Callable[[Array], Array]


@dataclass(frozen=True)
class Mixed:
    """A mixture of known densities.

    Attributes
    ----------
    families : tuple of Model or None
        What is mixed; None stands for the estimate without a model.
    names : tuple of str
        Their names.
    weights : array (m,)
        Mixture weights, which sum to 1.
    parts : tuple of callable
        Their log densities, maps from observations (n,) to (n,).
    """

    families: tuple[Model | None, ...]
    names: tuple[str, ...]
    weights: Array
    parts: tuple[LogDensity, ...]

    def log_density(self, y: Array) -> Array:
        """Return the log density at observations (n,)."""
        with np.errstate(divide="ignore"):
            terms = np.log(self.weights)[:, None] + np.stack([part(y) for part in self.parts])
        return logsumexp(terms, axis=0)

    @property
    def leading(self) -> str:
        """Name of the part with the largest weight."""
        return self.names[int(np.argmax(self.weights))]


def mixed(
    model: Model,
    y: Array,
    rng: np.random.Generator,
    alternatives: Sequence[Model] | None = None,
) -> Mixed:
    """Return a density learned from observations, for what has support and measure of a model.

    Parameters
    ----------
    model : Model
        The model under test: one of the parts.
    y : array (n,) or (n, width)
        Observations, as the engine has them.
    rng : numpy.random.Generator
        Deals the observations to folds.
    alternatives : sequence of Model, optional
        Families to mix; by default the everyday ones for such data, with the covariates of
        the model. None but the model and a kernel estimate (which responses with covariates do not have)
        if the sequence is empty.

    Raises
    ------
    ComparisonError
        If an alternative has another dominating measure than the model.

    Notes
    -----
    The weights are proportional to the products of the densities of observations left out in five
    folds: all but the best parts get next to nothing, and mixing costs log m nats in all at most.
    """
    families = [model, *_companions(model, y, alternatives)]
    fold = rng.permutation(len(y)) % min(FOLDS, len(y))
    kept: list[Model | None] = []
    titles = [family.title for family in families]
    names, parts, scores = [], [], []
    for family in families:
        found = _family(family, y, fold)
        if found is not None:
            kept.append(family)
            # Predictors tell models of one family apart.
            names.append(family.title if titles.count(family.title) == 1 else repr(family))
            scores.append(found[0])
            parts.append(found[1])
    if len(y) >= _BARE and not model._width:
        held = np.empty(len(y))
        for f in np.unique(fold):
            held[fold == f] = bare(model, y[fold != f])(y[fold == f])
        kept.append(None)
        names.append("relative frequencies" if model.support.discrete else "kernel estimate")
        scores.append(float(held.sum()))
        parts.append(bare(model, y))
    if not parts:
        raise errors.DataError(
            errors.message("a density that can be fitted to these data", f"{len(y)} observations")
        )
    total = np.array(scores)
    if not np.isfinite(total.max()):
        total = np.where(total == total.max(), 0.0, -np.inf)
    weights = np.exp(total - total.max())
    return Mixed(tuple(kept), tuple(names), weights / weights.sum(), tuple(parts))


def _companions(model: Model, y: Array, alternatives: Sequence[Model] | None) -> Sequence[Model]:
    """Return the families that stand beside a model."""
    if alternatives is not None:
        for other in alternatives:
            if other.measure != model.measure:
                raise errors.ComparisonError(
                    errors.message(
                        f"alternatives under the measure of {model.title}, {model.measure}",
                        f"{other.title}, {other.measure}",
                    )
                )
        return alternatives
    if model.support.kind == "categories":
        return []
    kind = "counts" if model.support.discrete else "continuous"
    if isinstance(model, Conditional):
        known = [m for m in candidates(model.points(y), kind) if type(m) is not type(model.family)]
        # Families of 0 and 1 are one family, whatever the link.
        known = [m for m in known if not np.isfinite(m.support.upper) or not m.support.discrete]
        located = [_located(model, m) for m in known]
        return [m for m in located if m is not None and m.measure == model.measure]
    if model.support.periodic:
        known = [m() for m in registered().values() if m.support.periodic]
    else:
        known = candidates(y, kind)
    return [m for m in known if type(m) is not type(model) and m.measure == model.measure]


def same_covariates(model: Conditional, family: Model) -> Conditional:
    """Return a family with the first predictor of a model in the slot that tells where its laws lie.

    Raises
    ------
    ParameterError
        If the family has no such slot.
    """
    plan, design = bound(with_terms(family, "1"), None), model.terms[0].design
    return Conditional(
        inner=plan.inner,
        terms=tuple(Term(slot, design, e.link, e.label) for slot, e in plan.terms.items()),
        respond=respond_of(plan, plan.inner),
        label="" if plan.respond is None else family.title,
    )


def _located(model: Conditional, family: Model) -> Conditional | None:
    try:
        return same_covariates(model, family)
    except errors.ParameterError:
        return None


def _family(family: Model, y: Array, fold: Array) -> tuple[float, LogDensity] | None:
    """Return the held-out log-likelihood of a family and its density fitted to all; None if it has none."""
    folds = int(fold.max()) + 1
    weights = np.ones((folds + 1, len(y)))
    weights[:-1] = fold[None, :] != np.arange(folds)[:, None]
    fitted = _fitted(family, y, weights)
    found = [] if fitted is None else fitted[0]
    if not found or not found[folds]:
        return None
    held = np.full(len(y), -np.inf)
    for f in range(folds):
        if found[f]:
            held[fold == f] = found[f](y[fold == f])
    return float(held.sum()), found[folds]


def _fitted(family: Model, y: Array, weights: Array) -> tuple[list[Any], Array] | None:
    """Return log densities of a family fitted under weights (R, n), None where it has no member.

    Also tells which of these members lie on the boundary of the parameters, (R,): they may exclude what
    was not seen. None if the family cannot be fitted at all.
    """
    try:
        with np.errstate(all="ignore"):
            fit = fit_sample(family, Sample(y[None], weights, (len(weights),)))
    except errors.MleceError:
        return None
    out: list[Any] = [None] * len(weights)
    for members, model in fit.groups():
        for at, r in enumerate(members.tolist()):
            own = [t if np.ndim(t) == 0 else t[at] for t in model.theta]
            out[r] = _certain(model.member(*own).log_density)
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    return out, np.array([status is Status.BOUNDARY for status in statuses])


def _certain(log_density: LogDensity) -> LogDensity:
    """Take a log density that is not a number for that of zero, which bounds as well."""

    def certain(x: Array) -> Array:
        with np.errstate(all="ignore"):
            found = log_density(x)
        return np.where(np.isnan(found), -np.inf, found)

    return certain


def forecasts(model: Model, family: Model | None, y: Array, marks: Sequence[int]) -> Array:
    """Return the log density of each stretch of observations, learned from all before it, (m,).

    Parameters
    ----------
    model : Model
        The model under test.
    family : Model or None
        What is fitted; None for the estimate without a model.
    y : array (n,) or (n, width)
        Observations in their order.
    marks : sequence of int (m + 1,)
        Stretch j goes from marks[j] to marks[j + 1].

    Notes
    -----
    Where what came before has no maximum, or puts the family on the boundary of its parameters, the
    estimate without a model stands in: equal observations would otherwise settle what can never come
    (Poisson at rate 0 after zeros).
    """
    stretches = list(pairwise(marks))

    def without_model(a: int, b: int) -> float:
        return float(bare(model, y[:a])(y[a:b]).sum())

    if family is None:
        return np.array([without_model(a, b) for a, b in stretches])
    # A family is given up from the first observation on that it cannot produce.
    outside = ~family.support.contains(family.points(y))
    end = int(np.argmax(outside)) if outside.any() else len(y)
    starts = [a for a, _ in stretches if a <= end]
    out = np.full(len(stretches), -np.inf)
    weights = 1.0 * (np.arange(end) < np.array(starts)[:, None])
    found = _fitted(family, y[:end], weights) if starts else None
    for j, (log_density, boundary) in enumerate(zip(*found, strict=True) if found else ()):
        if not model._width and (boundary or not log_density):
            out[j] = without_model(*stretches[j])
        elif log_density:
            out[j] = log_density(y[slice(*stretches[j])]).sum()
    return out


# -------------------------------------------------------------------------------- without a model


def bare(model: Model, y: Array) -> LogDensity:
    """Return an estimate without a model: of atoms and counts the frequencies, elsewhere kernels."""
    if model.support.discrete:
        return _frequencies(y, unseen=_of_unseen(model))
    if not model.has("_atoms"):
        return _kernel(model, y)
    points = np.unique(model._atoms(*model.slots.values())[0])
    on = np.isin(y, points)
    masses, rest = _frequencies(y[on], y.size), _kernel(model, y[~on])
    log_share = np.log((~on).sum() + 0.5) - np.log(y.size + 0.5 * (points.size + 1))

    def log_density(x: Array) -> Array:
        return np.where(np.isin(x, points), masses(x), log_share + rest(x))

    return log_density


def _kernel(model: Model, y: Array) -> LogDensity:
    """Return a Gaussian kernel estimate on the line to which the support is mapped.

    The bandwidth is Silverman's (1986, equation 3.31). Where an observation lies at an end of the
    support no map is taken: the estimate then has less than its whole mass inside, and is a bound still.
    On a circle every kernel is taken at its two nearest turns too.
    """
    lower, upper = model.support.lower, model.support.upper
    periodic = model.support.periodic
    inside = np.all((y > lower) & (y < upper)) and not periodic

    def line(x: Array) -> tuple[Array, Array]:
        """Return the coordinate and the log of its derivative."""
        if not inside or (np.isinf(lower) and np.isinf(upper)):
            return x, np.zeros_like(x)
        if np.isinf(upper):
            return np.log(x - lower), -np.log(x - lower)
        if np.isinf(lower):
            return -np.log(upper - x), -np.log(upper - x)
        rate = np.log(upper - lower) - np.log(x - lower) - np.log(upper - x)
        return np.log(x - lower) - np.log(upper - x), rate

    if not y.size:
        return lambda x: np.full(x.shape, -np.inf)
    points = line(y[:: -(-y.size // _KERNELS)].astype(float))[0]
    size = points.size
    width = 0.9 * _spread(points, periodic) * size**-0.2
    if not width > 0:
        return lambda x: np.full(x.shape, -np.inf)
    if periodic:
        turn = upper - lower
        points = np.concatenate([points - turn, points, points + turn])

    def log_density(x: Array) -> Array:
        out = np.empty(x.shape)
        step = max(1, _BLOCK // points.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            at, rate = line(x.astype(float))
        for start in range(0, x.size, step):
            cut = slice(start, start + step)
            z = (at[cut, None] - points[None, :]) / width
            out[cut] = logsumexp(-0.5 * z * z, axis=1)
        with np.errstate(invalid="ignore"):
            out += rate - np.log(size * width) - 0.5 * LOG_2PI
        return np.where(np.isnan(out), -np.inf, out)

    return log_density


def _spread(points: Array, periodic: bool) -> float:
    """Return a standard deviation that tails do not govern; of angles by their mean resultant length."""
    if periodic:
        return float(np.sqrt(-2.0 * np.log(np.abs(np.exp(1j * points).mean()))))
    low, high = np.quantile(points, [0.25, 0.75])
    return float(min(points.std(), (high - low) / 1.349) or points.std())


def _of_unseen(model: Model) -> LogDensity:
    """Return a law of all integers of a support: even on finitely many, else 1/(k (k + 1)) of the kth.

    The kth smallest or largest of a half line, the kth nearest to 0 of the whole line.
    """
    lower, upper = model.support.lower, model.support.upper
    if np.isfinite(lower) and np.isfinite(upper):
        return lambda x: np.full(x.shape, -np.log(upper - lower + 1.0))

    def log_mass(x: Array) -> Array:
        if np.isfinite(lower):
            k = x - lower + 1.0
        elif np.isfinite(upper):
            k = upper - x + 1.0
        else:
            k = 2.0 * np.abs(x) + (x >= 0)
        return -np.log(k) - np.log1p(k)

    return log_mass


def _frequencies(
    y: Array, total: int | None = None, unseen: LogDensity | None = None
) -> LogDensity:
    """Return the relative frequencies among all, half an observation of them for what was not seen.

    ``unseen`` is the law by which that half is shared out; without one it goes to nothing.
    """
    values, counts = np.unique(y, return_counts=True)
    if not values.size:
        return lambda x: np.full(x.shape, -np.inf)
    # 1/2 for each value seen (Krichevsky and Trofimov 1981), and 1/2 for all others: with what their
    # law gives to values seen lost the mass is below 1, which bounds as well.
    n = y.size if total is None else total
    log_whole = np.log(n + 0.5 * (values.size + 1))
    log_share = np.log(counts + 0.5) - log_whole

    def log_density(x: Array) -> Array:
        at = np.minimum(np.searchsorted(values, x), values.size - 1)
        rest = -np.inf if unseen is None else unseen(x) + np.log(0.5) - log_whole
        return np.where(values[at] == x, log_share[at], rest)

    return log_density
