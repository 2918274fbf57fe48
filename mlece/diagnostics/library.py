"""A density without a model: a mixture of fitted families and a kernel estimate, weighed out of sample.

Its cross-entropy on new data bounds the entropy from above, whatever the truth: no density has less than
the truth. What a family costs more than it is a certified part of the family's gap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlece import errors
from mlece.candidates import candidates
from mlece.fitting import fit_sample
from mlece.math import LOG_2PI, Array, logsumexp
from mlece.model import Model
from mlece.sample import Sample

FOLDS = 5
# A kernel estimate reads so many observations at most; any density from them serves.
_KERNELS = 4096
_BLOCK = 1 << 20

LogDensity = Callable[[Array], Array]


@dataclass(frozen=True)
class Mixed:
    """A mixture of known densities.

    Attributes
    ----------
    names : tuple of str
        What is mixed.
    weights : array (m,)
        Mixture weights, which sum to 1.
    parts : tuple of callable
        Their log densities, maps from observations (n,) to (n,).
    """

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
    y : array (n,)
        Observations, as the engine has them.
    rng : numpy.random.Generator
        Deals the observations to folds.
    alternatives : sequence of Model, optional
        Families to mix; by default the everyday ones for such data. None but the model and a kernel
        estimate if the sequence is empty.

    Notes
    -----
    The weights are proportional to the products of the densities of observations left out in five
    folds: all but the best parts get next to nothing, and mixing costs log m nats in all at most.
    """
    if alternatives is None:
        kind = "counts" if model.support.discrete else "continuous"
        known = [] if model.support.kind == "categories" else candidates(y, kind)
        alternatives = [m for m in known if type(m) is not type(model)]
    families = [model, *(m for m in alternatives if m.measure == model.measure)]
    fold = rng.permutation(y.size) % min(FOLDS, y.size)
    names, parts, scores = [], [], []
    for family in families:
        found = _family(family, y, fold)
        if found is not None:
            names.append(type(family).__name__)
            scores.append(found[0])
            parts.append(found[1])
    bare = _frequencies if model.support.discrete else _kernel
    if y.size >= 10 and not model.support.periodic:
        held = np.empty(y.size)
        for f in np.unique(fold):
            held[fold == f] = bare(model, y[fold != f])(y[fold == f])
        names.append("kernel estimate" if bare is _kernel else "relative frequencies")
        scores.append(float(held.sum()))
        parts.append(bare(model, y))
    if not parts:
        raise errors.DataError(
            errors.message("a density that can be fitted to these data", f"{y.size} observations")
        )
    total = np.array(scores)
    if not np.isfinite(total).any():
        total = np.zeros(len(parts))
    weights = np.exp(total - total.max())
    return Mixed(tuple(names), weights / weights.sum(), tuple(parts))


def _family(family: Model, y: Array, fold: Array) -> tuple[float, LogDensity] | None:
    """Return the held-out log-likelihood of a family and its density fitted to all; None if it has none."""
    folds = int(fold.max()) + 1
    weights = np.ones((folds + 1, y.size))
    weights[:-1] = fold[None, :] != np.arange(folds)[:, None]
    sample = Sample(y[None, :], weights, (folds + 1,))
    try:
        with np.errstate(all="ignore"):
            fit = fit_sample(family, sample)
            held, last = np.full((folds + 1, y.size), -np.inf), None
            for members, model in fit.groups():
                held[members] = model.log_density(y[None, :])
                if folds in members:
                    at = int(np.flatnonzero(members == folds)[0])
                    last = model.member(*[t if np.ndim(t) == 0 else t[at] for t in model.theta])
    except errors.MleceError:
        return None
    if last is None:
        return None
    return float(held[fold, np.arange(y.size)].sum()), last.log_density


def _kernel(model: Model, y: Array) -> LogDensity:
    """Return a Gaussian kernel estimate on the line to which the support is mapped.

    The bandwidth is Silverman's (1986, equation 3.31). Where an observation lies at an end of the
    support no map is taken: the estimate then has less than its whole mass inside, and is a bound still.
    """
    lower, upper = model.support.lower, model.support.upper
    inside = np.all((y > lower) & (y < upper))

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

    points = line(y[:: -(-y.size // _KERNELS)].astype(float))[0]
    low, high = np.quantile(points, [0.25, 0.75])
    spread = min(points.std(), (high - low) / 1.349) or points.std()
    width = 0.9 * spread * points.size**-0.2
    if not width > 0:
        return lambda x: np.full(x.shape, -np.inf)

    def log_density(x: Array) -> Array:
        out = np.empty(x.shape)
        step = max(1, _BLOCK // points.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            at, rate = line(x.astype(float))
        for start in range(0, x.size, step):
            cut = slice(start, start + step)
            z = (at[cut, None] - points[None, :]) / width
            out[cut] = logsumexp(-0.5 * z * z, axis=1)
        out += rate - np.log(points.size * width) - 0.5 * LOG_2PI
        return np.where(np.isnan(out), -np.inf, out)

    return log_density


def _frequencies(model: Model, y: Array) -> LogDensity:
    """Return the relative frequencies, half an observation of them spread over what was not seen."""
    values, counts = np.unique(y, return_counts=True)
    # 1/2 for each value seen (Krichevsky and Trofimov 1981), and 1/2 for all others, which get
    # nothing one by one: a mass of less than 1 bounds as well.
    log_share = np.log(counts + 0.5) - np.log(y.size + 0.5 * (values.size + 1))

    def log_density(x: Array) -> Array:
        at = np.minimum(np.searchsorted(values, x), values.size - 1)
        return np.where(values[at] == x, log_share[at], -np.inf)

    return log_density
