"""Held-out cross-entropy: exact leave-one-out and K-fold, every refit a member of one batch.

Leaving observations out is weighting them less: all refits hold the same observations under different
weights. Where observations tie, one refit serves them all, so that a table of counts costs one refit for
each distinct value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.foreign import Foreign
from mlece.combinators.observed import laws_at
from mlece.diagnostics.scale import log_cell
from mlece.fits.contributions import member_log_density
from mlece.fits.fitting import fit as fit_model
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.quantities import HeldOut, InSample
from mlece.randomness import stream
from mlece.sample import Sample
from mlece.units import Units, nats_per_unit, unit_name

# Refits are made in slabs of about this many observations, so that memory stays bounded.
_SLAB = 1 << 21
# Refits times rows up to which nothing but exact leave-one-out is thought of: 256 different observations.
_EXACT = 1 << 16


@dataclass(frozen=True)
class CrossValidation:
    """Cross-entropy of observations under fits that have not seen them, nats per observation.

    For a batch every number is an array with the batch axes.

    Attributes
    ----------
    cross_entropy : HeldOut
        Mean of −log q over the observations left out; infinite where a refit gives one of them density
        zero.
    se : float
        Standard error of that mean over the observations; NaN where it is infinite.
    in_sample : InSample
        The cross-entropy of the fit to all observations, on the same scale.
    expected : float
        tr(A⁻¹B)/n, what ``optimism`` is to first order (Stone 1977); NaN where the likelihood is not
        regular.
    log_density : array (..., n)
        Held-out log density of every observation, in the order of ``fit.sample``; in folds the mean over
        observations that are equal. NaN for weight 0.
    folds : int
        Number of folds; 0 for leave-one-out.
    refits : int
        Number of different refits for each fit.
    lost : int
        How many of them have no minimiser: what they leave out counts as infinitely unlikely.
    resolution : float or None
        Width of the cells whose probabilities were taken in the place of densities.
    """

    cross_entropy: Any
    se: Any
    in_sample: Any
    expected: Any
    log_density: Array
    folds: int
    refits: int
    lost: Any
    resolution: float | None
    n: Any
    model: str

    @property
    def optimism(self) -> Any:
        """Held-out less in-sample cross-entropy."""
        out = np.asarray(self.cross_entropy) - np.asarray(self.in_sample)
        return out if out.ndim else out.item()

    @property
    def scheme(self) -> str:
        """How the observations were left out: "leave-one-out", or "10-fold" and the like."""
        return f"{self.folds}-fold" if self.folds else "leave-one-out"

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        per, name = nats_per_unit(units), unit_name(units)
        if np.ndim(self.cross_entropy):
            values = np.asarray(self.cross_entropy) / per
            return (
                f"{self.model}, {values.size} fits: {values.min():.4f} to {values.max():.4f} {name} "
                f"per observation held out ({self.scheme})."
            )
        head = (
            f"{self.model}: {self.cross_entropy / per:.4f} {name} per observation held out "
            f"({self.scheme}, n = {self.n:g}"
        )
        if np.isinf(self.cross_entropy):
            why = (
                f"{self.lost:g} of {self.refits} refits have no minimiser"
                if self.lost
                else "a refit gives density zero to an observation that it has not seen"
            )
            return f"{head}): {why}."
        known = (
            f", where tr(A⁻¹B)/n = {self.expected / per:.4f}" if np.isfinite(self.expected) else ""
        )
        return (
            f"{head}, se {self.se / per:.4f}): {self.optimism / per:.4f} above the in-sample "
            f"value{known}."
        )

    def __str__(self) -> str:
        return self.text()


def leave_one_out(fit: Fit, *, resolution: float | None = None) -> CrossValidation:
    """Return the cross-entropy of every observation under the fit to all the others, exactly.

    Parameters
    ----------
    fit : Fit
        A fit to data, single or a batch. Frequency weights are counts: one observation of a count is
        left out at a time.
    resolution : float, optional
        Take log P(y − h/2 < Y <= y + h/2) for the log density: for data rounded to multiples of h.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, or sampling weights.
    DataError
        If there are fewer than two observations, or weights are no counts.
    ParameterError
        For a resolution that is not positive.

    Notes
    -----
    The refits are made in full, none is approximated. Their cross-entropy exceeds that in sample by
    tr(A⁻¹B)/n to first order, which makes leave-one-out and Takeuchi's criterion equivalent in long
    samples (Stone 1977, Journal of the Royal Statistical Society B 39, 44-47). Families whose support
    ends at an observation (Uniform, Pareto) have an infinite value: the fit without the extreme
    observation excludes it.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> found = mlece.leave_one_out(mlece.fit("gamma", beef.values))
    >>> round(found.cross_entropy, 4), round(found.optimism, 4), round(found.expected, 4)
    (4.943, 0.0075, 0.0073)
    """
    table = _table(fit, resolution)
    member, row = np.nonzero(table.counts)
    split = _Split(member, row[:, None], np.ones((row.size, 1)), table.counts[member, row])
    return _validated(fit, table, split, 0, resolution)


def cross_validate(
    model: Model | type[Model] | str | Fit,
    data: Any = None,
    folds: int = 10,
    *,
    weights: Any = None,
    given: Any = None,
    missing: str = "raise",
    resolution: float | None = None,
    rng: Any = 0,
) -> CrossValidation:
    """Return the cross-entropy of every fold of the data under the fit to the other folds.

    Parameters
    ----------
    model : Model, class of Model, registered name or Fit
        A fit brings its own data.
    data, weights, given, missing
        As for :func:`mlece.fit`.
    folds : int
        From 2 to the number of observations; as many as observations is leave-one-out.
    resolution : float, optional
        As for :func:`leave_one_out`.
    rng : int or numpy.random.Generator
        Decides which observation falls into which fold; folds differ in size by one at most.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ComparisonError, DataError
        As for :func:`leave_one_out`.
    ParameterError
        If there are fewer than two folds, or more than observations.

    Notes
    -----
    Fits to (K − 1)/K of the data are worse than the fit to all of them: the value lies above that of
    leave-one-out by about tr(A⁻¹B)/(2n(K − 1)).

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Gamma(shape=2, rate=1).sample(500, rng=1)
    >>> mlece.cross_validate("gamma", y).cross_entropy < mlece.cross_validate("gaussian", y).cross_entropy
    True
    """
    if isinstance(model, Fit):
        if any(part is not None for part in (data, weights, given)):
            raise errors.DataTypeError(
                errors.message("no data beside a fit, which brings its own", "some")
            )
        fit = model
    else:
        fit = fit_model(model, data, weights=weights, given=given, missing=missing)
    table = _table(fit, resolution)
    least = float(table.counts.sum(axis=1).min())
    if not 2 <= folds <= least:
        raise errors.ParameterError(
            errors.message(f"from 2 to {least:g} folds, the number of observations", f"{folds}")
        )
    generator = stream(rng)
    parts = [_folds(counts, r, folds, generator) for r, counts in enumerate(table.counts)]
    width = max(part.row.shape[1] for part in parts)
    split = _Split(
        *(np.concatenate(a) for a in zip(*(p.padded(width) for p in parts), strict=True))
    )
    return _validated(fit, table, split, folds, resolution)


def held_out(fit: Fit, *, resolution: float | None = None, rng: Any = 0) -> CrossValidation:
    """Leave single observations out where there are few different ones, and a tenth of them beyond.

    Parameters
    ----------
    fit, resolution, rng
        As for :func:`cross_validate`.
    """
    if np.square(float(_table(fit, resolution).counts.shape[1])) <= _EXACT:
        return leave_one_out(fit, resolution=resolution)
    return cross_validate(fit, folds=10, resolution=resolution, rng=rng)


# -------------------------------------------------------------------------------- the refits


@dataclass(frozen=True)
class _Table:
    """Distinct observations (1 or R, m) and how often each was made, (R, m).

    ``inverse`` leads from the rows of the data to them.
    """

    values: Array
    counts: Array
    inverse: Array


@dataclass(frozen=True)
class _Split:
    """What each of B refits leaves out.

    ``member`` (B,) of the batch, ``row`` (B, s) of the table, ``held`` (B, s) how many observations of that
    row, ``times`` (B,) how many observations the refit stands for.
    """

    member: Array
    row: Array
    held: Array
    times: Array

    def padded(self, width: int) -> tuple[Array, ...]:
        """Return the arrays with so many columns."""
        spare = ((0, 0), (0, width - self.row.shape[1]))
        return self.member, np.pad(self.row, spare), np.pad(self.held, spare), self.times


def _table(fit: Fit, resolution: float | None) -> _Table:
    """Return the observations of a fit as a table; raise where none can be left out."""
    fit._data_only("held-out cross-entropy")
    if isinstance(fit.family, Foreign):
        fit.family.refuse(
            "a law of observations that a refit has not seen",
            "fit.tic / (2 * fit.n) is the held-out cross-entropy to first order; mlece.influence(fit) "
            "tells what single observations do",
        )
    fit._frequencies_only("held-out cross-entropy")
    if resolution is not None:
        if not (np.isfinite(resolution) and resolution > 0):
            raise errors.ParameterError(errors.message("a positive resolution", repr(resolution)))
        fit.require_numbers("cells of a grid")
    sample, size = fit.sample, fit.objective.size
    w = np.ones((1, sample.rows)) if sample.weights is None else sample.weights
    if not np.all(w == np.round(w)):
        bad = (w != np.round(w)).any(axis=0)
        raise errors.DataError(
            errors.message(
                "whole numbers as weights (counts), to leave single observations out",
                errors.offenders(bad, w.max(axis=0)),
            )
        )
    counts = np.broadcast_to(w, (size, sample.rows))
    few = counts.sum(axis=1) < 2
    if few.any():
        raise errors.DataError(
            errors.message("two observations or more, to leave one out", "1", "There is no rest")
        )
    if len(sample.values) > 1:
        return _Table(sample.values, counts, np.arange(sample.rows))
    values, inverse = np.unique(sample.values[0], axis=0, return_inverse=True)
    inverse = inverse.ravel()
    merged = np.zeros((size, len(values)))
    np.add.at(merged.T, inverse, counts.T)
    return _Table(values[None], merged, inverse)


def _folds(counts: Array, member: int, folds: int, rng: np.random.Generator) -> _Split:
    """Deal observations into folds at random, sizes as equal as can be."""
    each = np.repeat(np.arange(counts.size), counts.astype(np.int64))
    dealt = np.full((folds, -(-each.size // folds)), -1)
    # Dealt column by column, only the last places stay empty.
    dealt.T.flat[: each.size] = rng.permutation(each)
    held = (dealt >= 0).astype(float)
    return _Split(np.full(folds, member), np.maximum(dealt, 0), held, np.ones(folds))


def _refits(fit: Fit, table: _Table, split: _Split) -> Iterator[tuple[slice, Fit, Array]]:
    """Fit all but what is left out; yield the slab, its fits, and what was left out (b, s)."""
    stride = max(1, _SLAB // table.counts.shape[1])
    for start in range(0, split.member.size, stride):
        slab = slice(start, start + stride)
        member, row = split.member[slab], split.row[slab]
        seen = table.counts[member]
        np.subtract.at(seen, (np.arange(member.size)[:, None], row), split.held[slab])
        values = table.values if len(table.values) == 1 else table.values[member]
        sample = Sample(values, seen, (member.size,), fit.sample.name)
        left = values[0][row] if len(values) == 1 else values[np.arange(len(values))[:, None], row]
        yield slab, fit_sample(members_family(fit, member), sample), left


def members_family(fit: Fit, member: Array) -> Model:
    """Return the family, with the filled slots of some members of a batch."""
    filled = [p.name for p in fit.family.params if p.name not in fit.names]
    if fit.objective.size == 1 or not filled:
        return fit.family
    return fit.family.replace(**{name: fit.flat(name)[member] for name in filled})


def _scores(fits: Fit, family: Model, y: Array, resolution: float | None) -> Array:
    """Return the log density (or log probability of the cell) of observations (b, s) under each fit.

    Minus infinity for members without a minimiser.
    """
    out = np.full(y.shape[:2], -np.inf)
    for members, model in fits.groups():
        own = y[members]
        if resolution is None:
            out[members] = member_log_density(family, model, own)
        else:
            law, at = laws_at(model, own)
            out[members] = log_cell(law, at - 0.5 * resolution, at + 0.5 * resolution)
    return out


def _validated(
    fit: Fit, table: _Table, split: _Split, folds: int, resolution: float | None
) -> CrossValidation:
    """Score what each refit leaves out, and sum up."""
    scores = np.empty(split.row.shape)
    lost = np.zeros(split.member.size)
    for slab, refit, left in _refits(fit, table, split):
        scores[slab] = _scores(refit, fit.family, left, resolution)
        lost[slab] = 1.0
        for members, _ in refit.groups():
            lost[slab][members] = 0.0
    size, m = table.counts.shape
    weight = split.times[:, None] * split.held
    scores = np.where(weight > 0, scores, 0.0)
    total = table.counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(split.member, (weight * scores).sum(axis=1), size) / total
        spread = weight * np.square(scores - mean[split.member, None])
        variance = np.bincount(split.member, spread.sum(axis=1), size) / (total - 1.0)
    at = split.member[:, None] * m + split.row
    sums = np.bincount(at.ravel(), (weight * scores).ravel(), size * m).reshape(size, m)
    with np.errstate(invalid="ignore"):
        by_row = sums / table.counts
    shape = fit.sample.batch_shape

    def shaped(a: Array) -> Any:
        return a.reshape(shape) if shape else float(a[0])

    held, inside = shaped(-mean), shaped(_in_sample(fit, table, resolution))
    return CrossValidation(
        cross_entropy=held if shape else HeldOut(held),
        se=shaped(np.where(np.isfinite(mean), np.sqrt(variance / total), np.nan)),
        in_sample=inside if shape else InSample(inside),
        expected=shaped(expected_optimism(fit)),
        log_density=by_row[:, table.inverse].reshape((*shape, table.inverse.size)),
        folds=folds,
        refits=split.member.size // size if folds or size == 1 else m,
        lost=shaped(np.bincount(split.member, lost, size)),
        resolution=resolution,
        n=shaped(total),
        model=fit.family.title,
    )


def _in_sample(fit: Fit, table: _Table, resolution: float | None) -> Array:
    """Return the cross-entropy of the data under the fit to them, (R,)."""
    if resolution is None:
        return fit.values
    y = np.broadcast_to(table.values, (*table.counts.shape, *table.values.shape[2:]))
    scores = np.where(table.counts > 0, _scores(fit, fit.family, y, resolution), 0.0)
    return np.asarray(-(table.counts * scores).sum(axis=1) / table.counts.sum(axis=1))


def expected_optimism(fit: Fit) -> Array:
    """Return tr(A⁻¹B)/n, (R,); NaN where the likelihood is not regular."""
    try:
        with np.errstate(all="ignore"):
            trace = np.asarray(fit.trace, dtype=float)
    except (errors.MleceError, np.linalg.LinAlgError):
        trace = np.array(np.nan)
    return np.broadcast_to(trace.ravel() / fit.objective.total, (fit.objective.size,))
