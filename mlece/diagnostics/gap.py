"""The gap: how far the best member of a family stays from the entropy floor, on data alone.

T = CE_n(θ̂) − Ĥ compares the in-sample cross-entropy with an estimate of the entropy. Under a right
model its √n term vanishes and what remains is the bias of both parts, so no normal theory applies:
T is calibrated by the parametric bootstrap, which repeats the fit and the entropy estimate on samples
drawn from the fitted model (Vasicek 1976 and Song 2002 for the test; Berrett, Samworth and Yuan 2019
for the estimator).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.bootstrap import parametric
from mlece.entropy_estimate import EntropyEstimate
from mlece.entropy_estimators import chao_wang_jost
from mlece.intervals import check_level
from mlece.math import Array, ndtri
from mlece.model import Model
from mlece.neighbours import kozachenko_leonenko, window_radius
from mlece.result import Fit
from mlece.ties import Ties, ties
from mlece.units import Units, nats_per_unit, unit_name

_NEIGHBOUR = 5


@dataclass(frozen=True)
class Gap:
    """Estimate of KL(p* ‖ q_θ*) in nats, with its calibration.

    Attributes
    ----------
    value : float
        T less its mean under the fitted model: the bias-corrected gap. It may fall below zero by
        sampling error.
    se : float
        Standard error: spread of T under the fitted model, plus what misspecification adds.
    p_value : float
        Share of bootstrap samples with a T as large: for "the model is right".
    statistic : float
        T = CE_n − Ĥ itself.
    cross_entropy : float
        In-sample cross-entropy (of the data on their grid where there is one).
    corrected : float
        Entropy estimate plus gap: the cross-entropy of the best member.
    entropy : EntropyEstimate
        The floor, estimated; its bias under the fitted model is removed from ``value`` only.
    null : array (replicates,)
        T of the bootstrap samples, sorted.
    resolution : float or None
        Grid to which the data are rounded; both terms are then taken on the grid.
    remark : str
        What was found about ties, and how it was handled.
    level : float
        Level at which ``misspecified`` decides, as a confidence level.
    """

    value: float
    se: float
    p_value: float
    statistic: float
    cross_entropy: float
    corrected: float
    entropy: EntropyEstimate
    null: Array
    resolution: float | None
    remark: str
    level: float
    model: str
    n: float

    @property
    def misspecified(self) -> bool:
        """Whether the bootstrap rejects the model at 1 − level."""
        return self.p_value <= 1.0 - self.level + 1e-12

    @property
    def detectable(self) -> float:
        """The smallest T above its null mean that the test would have called misspecified, nats."""
        return float(np.quantile(self.null, self.level) - self.null.mean())

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return value ± z se, cut at zero because a divergence is not negative."""
        check_level(level)
        z = float(ndtri(0.5 + 0.5 * level))
        return max(0.0, self.value - z * self.se), max(0.0, self.value + z * self.se)

    @property
    def verdict(self) -> str:
        """A few words: misspecified, or no evidence against the model."""
        return "misspecified" if self.misspecified else "no evidence against it"

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        per, name = nats_per_unit(units), unit_name(units)
        low, high = self.interval(self.level)
        head = (
            f"{self.model}: {self.value / per:.4f} {name} over the entropy floor "
            f"(se {self.se / per:.4f}, {100 * self.level:g} % interval {low / per:.4f} to "
            f"{high / per:.4f}); p = {self.p_value:.3g} for a right model, n = {self.n:g}: "
        )
        if self.misspecified:
            tail = "misspecified."
        else:
            tail = (
                "no evidence of misspecification; a gap below about "
                f"{self.detectable / per:.4f} {name} would not have been seen."
            )
        return head + tail + (f" {self.remark}" if self.remark else "")

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class _Scale:
    """How T is computed for one kind of data.

    ``statistic`` maps observations (r, n) and the fitted batch to T (r,), the variance of its terms
    (r,) and the cross-entropy (r,); ``record`` rounds simulated observations like the data.
    """

    entropy: EntropyEstimate
    statistic: Callable[[Array, Fit], tuple[Array, Array, Array]]
    record: Callable[[Array], Array] | None
    resolution: float | None
    remark: str


def gap(
    fit: Fit,
    *,
    replicates: int = 999,
    rng: Any = 0,
    level: float = 0.95,
    resolution: float | None = None,
) -> Gap:
    """Estimate the excess of the best member of a family over the entropy floor.

    Parameters
    ----------
    fit : Fit
        A single fit to data, with a minimiser.
    replicates : int
        Number of bootstrap samples.
    rng : int or numpy.random.Generator
        Source of randomness; the same number gives the same result.
    level : float
        Confidence level of the verdict.
    resolution : float, optional
        Compare model and entropy on multiples of this number instead of the data's own grid: for data
        that are heaped on round values. The gap on a grid is at most the gap itself.

    Returns
    -------
    Gap

    Raises
    ------
    DataError
        If the data tie and no rounding grid explains it, if there are too few observations, or if the
        weights are not counts.
    ComparisonError
        For a fit to a known distribution: :func:`mlece.ledger` answers there without error.

    Notes
    -----
    No estimate of the gap is free of assumptions: a distribution-free lower bound on an entropy does
    not exist. The p-value is valid for the parametric model up to Monte Carlo error.

    Examples
    --------
    >>> import mlece
    >>> x = mlece.Exponential(rate=1).sample(200, rng=1)
    >>> mlece.fit(mlece.Gaussian(), x).gap(replicates=199).misspecified
    True
    """
    check_level(level)
    if replicates < 19:
        raise errors.ParameterError(errors.message("at least 19 replicates", f"{replicates}"))
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message("a fit to data", "a fit to a known distribution", "Use mlece.ledger")
        )
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i].gap()")
        )
    if fit.family.saturated and fit.family.free:
        raise errors.ComparisonError(
            errors.message(
                "a family that leaves some laws out",
                f"{type(fit.family).__name__}, which holds every law on its support",
                "Its gap is zero by construction: the fit is the empirical distribution itself",
            )
        )
    model = fit.model
    y = _observations(fit)
    scale = _scale(fit, model, y, resolution)
    observed, spread, cross_entropy = (float(v[0]) for v in scale.statistic(y[None, :], fit))
    null, spreads = [], []
    for drawn, refit in parametric(fit, replicates, np.random.default_rng(rng), scale.record):
        t, s, _ = scale.statistic(drawn, refit)
        null.append(t)
        spreads.append(s)
    simulated, spread_null = np.sort(np.concatenate(null)), float(np.mean(np.concatenate(spreads)))
    if not np.all(np.isfinite(simulated)):
        raise errors.DataError(
            errors.message(
                "bootstrap samples that the family can fit",
                f"{int((~np.isfinite(simulated)).sum())} of {replicates} without a finite cross-entropy",
                "The sample is too small for this family",
            )
        )
    centre = float(simulated.mean())
    extra = max(0.0, spread - spread_null) / y.size
    return Gap(
        value=observed - centre,
        se=float(np.sqrt(simulated.var(ddof=1) + extra)),
        p_value=float((1 + np.count_nonzero(simulated >= observed)) / (1 + replicates)),
        statistic=observed,
        cross_entropy=cross_entropy,
        corrected=float(scale.entropy.value) + observed - centre,
        entropy=scale.entropy,
        null=simulated,
        resolution=scale.resolution,
        remark=scale.remark,
        level=level,
        model=type(fit.family).__name__,
        n=float(y.size),
    )


def _observations(fit: Fit) -> Array:
    """Return the observations one by one, counts expanded, in the order of their values."""
    y = np.asarray(fit.sample.values[0], dtype=float)
    w = fit.sample.weights
    if w is None:
        return y
    if not np.all(w[0] == np.round(w[0])):
        raise errors.DataError(
            errors.message(
                "whole numbers as weights (counts), to simulate samples of the same size",
                errors.offenders(w[0] != np.round(w[0]), w[0]),
            )
        )
    return np.repeat(y, w[0].astype(np.int64))


def _scale(fit: Fit, model: Model, y: Array, resolution: float | None) -> _Scale:
    if fit.family.support.discrete:
        return _discrete_scale(fit, y)
    found = ties(y)
    if found.distinct == y.size and resolution is None:
        return _density_scale(y)
    if resolution is not None:
        if not (np.isfinite(resolution) and resolution > 0):
            raise errors.ParameterError(errors.message("a positive resolution", repr(resolution)))
        step = min(found.grid or resolution / 1024, resolution)
        return _grid_scale(model, y, step, found, resolution)
    if found.grid is None:
        raise errors.DataError(
            errors.message(
                "continuous data without ties, or rounded to a grid",
                f"{100 * found.fraction:.3g} % tied observations ({found.distinct} distinct of {y.size})"
                " and no common grid",
                "An entropy estimate would be wrong: the law has atoms, or several roundings are mixed",
            )
        )
    return _grid_scale(model, y, found.grid, found, None)


def _density_scale(y: Array) -> _Scale:
    """Densities: in-sample cross-entropy against the nearest-neighbour estimate."""

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        entropy = np.atleast_1d(kozachenko_leonenko(rows, _NEIGHBOUR).value)
        ordered = np.sort(rows, axis=1)
        log_density = _by_group(fits, rows.shape[1], lambda q, i: q.log_density(ordered[i]))
        terms = log_density + np.log(window_radius(ordered, _NEIGHBOUR))
        return fits.values - entropy, terms.var(axis=1), fits.values

    return _Scale(kozachenko_leonenko(y, _NEIGHBOUR), statistic, None, None, "")


def _by_group(fits: Fit, columns: int, function: Callable[[Model, Array], Array]) -> Array:
    """Evaluate a function of (members, their rows) for a whole batch, (R, columns)."""
    out = np.full((fits.objective.size, columns), np.nan)
    for members, model in fits.groups():
        out[members] = function(model, members)
    return out


def _table(rows: Array) -> tuple[Array, Array]:
    """Return distinct whole numbers (m,) and their counts in each row (r, m)."""
    low, high = float(rows.min()), float(rows.max())
    span = int(high - low) + 1
    if span * len(rows) <= 4 * rows.size + 65536:
        codes = (rows - low).astype(np.int64) + span * np.arange(len(rows))[:, None]
        counts = np.bincount(codes.ravel(), minlength=span * len(rows)).reshape(len(rows), span)
        seen = np.flatnonzero(counts.any(axis=0))
        return seen + low, counts[:, seen]
    values, inverse = np.unique(rows, return_inverse=True)
    codes = inverse.reshape(rows.shape) + values.size * np.arange(len(rows))[:, None]
    counts = np.bincount(codes.ravel(), minlength=values.size * len(rows))
    return values, counts.reshape(len(rows), values.size)


def _mass_statistic(
    log_mass: Callable[[Array, Fit], Array],
) -> Callable[[Array, Fit], tuple[Array, Array, Array]]:
    """T for masses: mean −log q against the estimate of Chao, Wang and Jost (2013)."""

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        values, counts = _table(rows)
        share = counts / rows.shape[1]
        log_q = np.where(counts > 0, log_mass(values, fits), 0.0)
        with np.errstate(divide="ignore"):
            terms = np.where(counts > 0, np.log(np.where(counts > 0, share, 1.0)) - log_q, 0.0)
        cross_entropy = -(share * log_q).sum(axis=1)
        mean = (share * terms).sum(axis=1)
        spread = (share * terms**2).sum(axis=1) - mean**2
        entropy = np.atleast_1d(chao_wang_jost(counts).value)
        return cross_entropy - entropy, spread, cross_entropy

    return statistic


def _discrete_scale(fit: Fit, y: Array) -> _Scale:
    _, counts = _table(y[None, :])

    def log_mass(values: Array, fits: Fit) -> Array:
        labels = fits.family.decode(values)[None, :]
        return _by_group(fits, values.size, lambda q, _: q.log_density(labels))

    return _Scale(chao_wang_jost(counts[0]), _mass_statistic(log_mass), None, None, "")


def _grid_scale(
    model: Model, y: Array, step: float, found: Ties, resolution: float | None
) -> _Scale:
    """Rounded data: the probability of each cell of the grid against the entropy on the grid."""
    origin = found.origin
    low, high = (float(np.ravel(b)[0]) for b in model.bounds(model.theta))

    def record(rows: Array) -> Array:
        cells = np.round((rows - origin) / step)
        # What would round to a value outside the support is recorded at the nearest cell inside it.
        first = np.floor((low - origin) / step) + 1 if np.isfinite(low) else -np.inf
        last = np.ceil((high - origin) / step) - 1 if np.isfinite(high) else np.inf
        return origin + step * np.minimum(np.maximum(cells, first), last)

    width = step if resolution is None else resolution
    start = origin if resolution is None else 0.0

    def log_mass(cells: Array, fits: Fit) -> Array:
        # Rounding to the wider grid takes halves to even; its cells are closed by the finer ones.
        centre = start + width * cells[None, :]
        return _by_group(
            fits, cells.size, lambda q, _: _log_cell(q, centre - 0.5 * width, centre + 0.5 * width)
        )

    masses = _mass_statistic(log_mass)

    def statistic(rows: Array, fits: Fit) -> tuple[Array, Array, Array]:
        return masses(np.round((rows - start) / width), fits)

    _, counts = _table(np.round((y[None, :] - start) / width))
    remark = (
        f"The data are rounded to multiples of {step:.6g} ({100 * found.fraction:.3g} % tied): model "
        f"and entropy are compared on {'that grid' if resolution is None else f'a grid of {resolution:g}'}."
    )
    if resolution is None:
        remark += _heaping(np.round((y - origin) / step) + np.round(origin / step), step)
    return _Scale(chao_wang_jost(counts[0]), statistic, record, width, remark)


def _heaping(cells: Array, step: float) -> str:
    """Say so where values cluster on round multiples of the grid far more than a smooth law would."""
    for k in (100, 50, 20, 10, 5, 2):
        share = float(np.mean(cells % k == 0))
        if np.ptp(cells) >= 5 * k and share > max(0.5, 3.0 / k):
            return (
                f" {100 * share:.3g} % of them are multiples of {k * step:.6g}, where a smooth law puts "
                f"{100 / k:.3g} %: heaping is part of this gap, and resolution={k * step:g} compares on "
                "the coarser grid."
            )
    return ""


def _log_cell(member: Model, low: Array, high: Array) -> Array:
    """Return log P(low < Y <= high) from the tail in which the difference does not cancel."""
    with np.errstate(all="ignore"):
        below, above = member.log_cdf(low), member.log_sf(high)
        left = member.log_cdf(high)
        right = member.log_sf(low)
        from_left = left + np.log(-np.expm1(below - left))
        from_right = right + np.log(-np.expm1(above - right))
    return np.asarray(np.where(left <= right, from_left, from_right))
