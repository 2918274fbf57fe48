"""Calibration of class probabilities: whether what is forecast with probability p has frequency p.

The log loss of a forecast is what is lost because its numbers are not the frequencies (calibration) plus
the entropy that is left when they are replaced by these (refinement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, factorize
from mlece.diagnostics.forecasts import class_forecasts
from mlece.diagnostics.recalibration import Strand, Table, by_winner, parts, simulated, strand
from mlece.inference.intervals import check_level
from mlece.laws import probabilities_of
from mlece.losses import in_unit_interval
from mlece.math import Array, betaincinv, log, log1p, xlogy
from mlece.refits.bootstrap import check_replicates
from mlece.regression.result import ConditionalFit
from mlece.sample import weights_like
from mlece.units import Units, nats_per_unit, unit_name

METHODS = {"pav": "isotonic regression", "quantile": "equal-count bins"}


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed frequencies of one class over its forecast probabilities.

    Attributes
    ----------
    label : object
        The class.
    forecast : array (m,)
        Mean forecast in each bin (each level of the isotonic regression), ascending.
    frequency : array (m,)
        How often the class occurred there.
    lower, upper : array (m,)
        Binomial intervals of the frequency (Clopper and Pearson 1934), pointwise, for bins as given.
        Levels of the isotonic regression were chosen by the outcomes, and these are then too narrow.
    band_lower, band_upper : array (m,) or None
        Where the frequency would lie, pointwise, if the forecasts were calibrated: quantiles of
        simulated outcomes, treated like the observed ones.
    count : array (m,)
        Number of observations (total weight).
    low, high : array (m,)
        Least and greatest forecast in the bin.
    """

    label: Any
    forecast: Array
    frequency: Array
    lower: Array
    upper: Array
    band_lower: Array | None
    band_upper: Array | None
    count: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Calibration:
    """The log loss of forecasts of classes and its parts, in nats per observation.

    Attributes
    ----------
    cross_entropy : float
        Mean of −log p(y), the log loss; infinite if a class of probability 0 occurred.
    calibration : float
        E KL(recalibrated ‖ forecast) ≥ 0: what is lost because forecasts are not frequencies. With bins
        the forecast is the mean of the bin. For two classes and isotonic regression all of
        ``cross_entropy − refinement``, the order of the forecasts within a level being part of what is
        wrong with them.
    refinement : float
        E H(recalibrated): mean entropy of the frequencies, which recalibration does not remove.
    within : float
        The rest, ``cross_entropy`` less that of the means of bins: negative where forecasts know more of
        the outcome than their bin tells. 0 for two classes and isotonic regression, and where
        ``calibration`` is infinite.
    uncertainty : float
        H of the overall frequencies: the log loss of the best constant forecast, in sample.
    curves : tuple of CalibrationCurve
        Of the second class for two classes, of every class against the others for more.
    levels : int
        Number of bins or isotonic levels behind the parts.
    p_value : float or None
        Share of simulated outcomes with as large a ``calibration``, for calibrated forecasts that were
        made without the outcomes; None without replicates.
    expected : float or None
        Mean ``calibration`` of these: what calibrated forecasts show by chance at this sample size.
    method : str
    level : float
        Level of the intervals and of the verdict.
    n : float
        Number of observations.
    """

    cross_entropy: float
    calibration: float
    refinement: float
    within: float
    uncertainty: float
    curves: tuple[CalibrationCurve, ...]
    levels: int
    p_value: float | None
    expected: float | None
    method: str
    level: float
    n: float

    @property
    def resolution(self) -> float:
        """``uncertainty − refinement``: the information of the bins on the outcome, ≥ 0."""
        return self.uncertainty - self.refinement

    @property
    def miscalibrated(self) -> bool | None:
        """Whether the simulation rejects calibrated forecasts at 1 − level."""
        return None if self.p_value is None else self.p_value <= 1.0 - self.level + 1e-12

    def text(self, units: Units = "nats") -> str:
        """Return the sentence in the units wished."""
        per, name = nats_per_unit(units), unit_name(units)
        total, lost, kept, rest, constant = (
            f"{v / per:.4f}"
            for v in (
                self.cross_entropy, self.calibration, self.refinement, abs(self.within),
                self.uncertainty,
            )
        )  # fmt: skip
        sign = "−" if self.within < 0 else "+"
        inside = f" {sign} {rest} within levels" if self.within else ""
        head = (
            f"log loss {total} {name} = {lost} calibration + {kept} refinement{inside} (a constant "
            f"forecast: {constant}), {self.levels} levels by {METHODS[self.method]}, n = {self.n:g}"
        )
        if self.expected is None:
            return head + "; what calibrated forecasts show by chance was not simulated."
        verdict = "miscalibrated" if self.miscalibrated else "no evidence of miscalibration"
        return head + (
            f"; calibrated forecasts would show {self.expected / per:.4f} calibration by chance, "
            f"p = {self.p_value:.3g}: {verdict}."
        )

    def __str__(self) -> str:
        return self.text()

    def plot(self, ax: Any = None) -> tuple[Any, tuple[CalibrationCurve, ...]]:
        """Draw the curves; see :func:`mlece.plot.calibration_plot`."""
        from mlece.plot import calibration_plot

        return calibration_plot(self, ax)


def calibration(
    p: Any,
    y: Any = None,
    weights: Any = None,
    *,
    folds: int | None = None,
    labels: Sequence[Any] | None = None,
    method: str = "pav",
    bins: int = 10,
    replicates: int = 199,
    level: float = 0.95,
    rng: Any = 0,
) -> Calibration:
    """Compare forecast probabilities of classes with what happened.

    Parameters
    ----------
    p : array_like (n,) or (n, K), or ConditionalFit
        Forecast probability of the second class, or of each class, in rows that sum to 1. A fit of
        classes given covariates brings its forecasts, outcomes, weights and labels with it.
    y : array_like (n,), optional
        Classes that occurred.
    weights : array_like (n,), optional
        Frequency weights.
    folds : int, optional
        For a fit: forecasts of observations by fits to the other folds, out of sample; those of the fit
        itself, which has seen the outcomes, if not given.
    labels : sequence of K, optional
        The classes in the order of the forecasts; 0 to K − 1 by default.
    method : {"pav", "quantile"}
        How forecasts are recalibrated: isotonic regression (pool adjacent violators) or the frequencies
        of ``bins`` bins with equal numbers of observations. For K > 2 the rows are first divided by the
        class of greatest probability and then pooled by that probability.
    bins : int
        Number of bins for "quantile"; equal forecasts are never torn apart.
    replicates : int
        Simulated sets of outcomes behind the p-value and the band; 0 for none.
    level : float
        Of the intervals, the band and the verdict.
    rng : int or numpy.random.Generator

    Returns
    -------
    Calibration

    Raises
    ------
    DataError
        If p are no probabilities, lengths differ, an outcome is no class, or weights are no counts
        while outcomes are to be simulated.
    ParameterError
        For fewer than one bin, or fewer than 19 replicates that are not 0.
    UnknownNameError
        For another method.

    Notes
    -----
    CE = calibration + refinement + within, exactly; for forecasts that are constant in each bin
    CE = E KL(recalibrated ‖ forecast) + E H(recalibrated): Murphy (1973), J. Applied Meteorology 12,
    595-600, for the Brier score; Bröcker (2009), Quarterly J. Royal Meteorological Society 135,
    1512-1519, for proper scores; isotonic: Dimitriadis, Gneiting and Jordan (2021), PNAS 118,
    e2016191118, whose MCB is ``calibration``, DSC ``resolution`` and UNC ``uncertainty``. In sample the
    calibration part is above 0 even for calibrated forecasts, because recalibration fits noise as well;
    ``expected`` says how much.

    Examples
    --------
    >>> import mlece
    >>> p, y = [0.2, 0.2, 0.2, 0.2, 0.8, 0.8], [0, 0, 0, 1, 1, 1]
    >>> found = mlece.calibration(p, y, replicates=0)
    >>> round(found.cross_entropy, 4), round(found.calibration, 4), round(found.refinement, 4)
    (0.4542, 0.0793, 0.3749)
    >>> found.curves[0].frequency.tolist()
    [0.25, 1.0]
    """
    _check(method, bins, replicates, level)
    if isinstance(p, ConditionalFit):
        if y is not None or weights is not None or labels is not None:
            raise errors.DataError(
                errors.message("a fit alone, which brings its outcomes", "a fit and outcomes")
            )
        p, y, weights, labels = class_forecasts(p, folds, rng)
    log_p, probability = _forecasts(p)
    counts = _outcomes(y, log_p, labels, weights)
    seen = counts.sum(axis=1) > 0
    table = Table(log_p[seen], probability[seen], counts[seen])
    names = tuple(range(log_p.shape[1])) if labels is None else tuple(labels)
    pool = bins if method == "quantile" else None
    two = len(names) == 2
    rows = np.arange(len(table.counts))
    lines = [strand(table, k, rows, pool) for k in (range(1, 2) if two else range(len(names)))]
    strands = lines if two else by_winner(table, pool)
    whole = two and method == "pav"
    found = parts(table, strands, whole)
    null, bands = simulated(table, strands, lines, whole, replicates, rng)
    # Equal outcomes, added up in another order, are as large.
    as_large = null >= found.calibration - 1e-12
    tail = 0.5 * (1.0 - level)
    n = float(table.counts.sum())
    share = table.counts.sum(axis=0) / n
    return Calibration(
        cross_entropy=found.cross_entropy,
        calibration=found.calibration,
        refinement=found.refinement,
        within=found.within,
        uncertainty=float(-xlogy(share, share).sum()),
        curves=tuple(
            _curve(names[line.k], line, table, tail, band)
            for line, band in zip(lines, bands, strict=True)
        ),
        levels=found.levels,
        p_value=float((1 + as_large.sum()) / (1 + replicates)) if replicates else None,
        expected=float(null.mean()) if replicates else None,
        method=method,
        level=level,
        n=n,
    )


# ------------------------------------------------------------------------------- input


def _check(method: str, bins: int, replicates: int, level: float) -> None:
    if method not in METHODS:
        raise errors.unknown_name("method of recalibration", method, METHODS)
    if bins != int(bins) or bins < 1:
        raise errors.ParameterError(errors.message("a positive whole number of bins", f"{bins!r}"))
    if replicates:
        check_replicates(replicates)
    check_level(level)


def _forecasts(p: Any) -> tuple[Array, Array]:
    """Return log probabilities and probabilities of the classes, (n, K) each."""
    values = in_unit_interval(p, "forecast probabilities")
    if values.ndim == 1 and values.size:
        # Beside 1 a complement of f has no digits of its own, its logarithm does.
        with np.errstate(divide="ignore"):
            return np.stack([log1p(-values), log(values)], 1), np.stack([1 - values, values], 1)
    if values.ndim != 2 or values.shape[1] < 2 or len(values) == 0:
        raise errors.DataError(
            errors.message(
                "forecast probabilities (n,) of one class or (n, K) of each",
                f"shape {values.shape}",
            )
        )
    values = probabilities_of(p, "forecasts")
    with np.errstate(divide="ignore"):
        return log(values), values


def _outcomes(y: Any, log_p: Array, labels: Sequence[Any] | None, weights: Any) -> Array:
    """Return how often each class occurred in each row, (n, K)."""
    n, size = log_p.shape
    given = as_array(y, "outcomes")
    if given.shape != (n,):
        raise errors.DataError(
            errors.message(f"an outcome for each of {n} forecasts", f"shape {given.shape}")
        )
    names = tuple(range(size)) if labels is None else tuple(labels)
    if len(names) != size or len(set(names)) != size:
        raise errors.DataError(
            errors.message(f"{size} different labels, one for each class", f"{names!r:.60}")
        )
    found, codes = factorize(given, "outcomes")
    places = {label: k for k, label in enumerate(names)}
    table = np.array([places.get(label, -1) for label in found])
    at = table[codes]
    if (at < 0).any():
        raise errors.DataError(
            errors.message(
                f"outcomes among the classes {', '.join(map(repr, names))}"[:200],
                errors.offenders(at < 0, given),
                "labels= names the classes in the order of the forecasts",
            )
        )
    w = weights_like(weights, n)
    out = np.zeros((n, size))
    out[np.arange(n), at] = 1.0 if w is None else w
    return out


def _curve(
    label: Any, line: Strand, table: Table, tail: float, band: list[Array]
) -> CalibrationCurve:
    codes, f = line.pooled(table.counts), table.probability[line.rows, line.k]
    own = table.counts[line.rows]
    total = own.sum(axis=1)
    size, hits = np.bincount(codes, total), np.bincount(codes, own[:, line.k])
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    misses = size - hits
    # Where there are no hits, or no misses, the end is 0, or 1, and its beta law is none.
    lower = np.where(hits > 0, betaincinv(np.where(hits > 0, hits, 1.0), misses + 1, tail), 0.0)
    upper = np.where(
        misses > 0, betaincinv(hits + 1, np.where(misses > 0, misses, 1.0), 1 - tail), 1.0
    )
    ends = np.quantile(band, [tail, 1 - tail], axis=0) if band else (None, None)
    return CalibrationCurve(
        label=label,
        forecast=np.bincount(codes, total * f) / size,
        frequency=hits / size,
        lower=lower,
        upper=upper,
        band_lower=ends[0],
        band_upper=ends[1],
        count=size,
        low=np.minimum.reduceat(f, starts),
        high=np.maximum.reduceat(f, starts),
    )
