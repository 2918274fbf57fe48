"""Forecasts pooled into levels, the parts of their log loss, and what of these is chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from mlece import errors
from mlece.math import Array, log, xlogy
from mlece.numerics.selection import equal_counts
from mlece.randomness import stream


@dataclass(frozen=True)
class Table:
    """Forecasts of K classes and how often each occurred, (n, K) each."""

    log_p: Array
    probability: Array
    counts: Array


@dataclass(frozen=True)
class Strand:
    """Rows in ascending order of the forecast of class k, with equal forecasts under one number."""

    k: int
    rows: Array
    ties: Array
    bins: Array | None  # of each row, unless the outcomes decide

    def pooled(self, counts: Array) -> Array:
        """Return the bin of each row, numbered upwards from 0, (c,)."""
        if self.bins is not None:
            return self.bins
        own = counts[self.rows]
        total = np.bincount(self.ties, own.sum(axis=1))
        share = np.bincount(self.ties, own[:, self.k]) / total
        ends = isotonic_regression(share, weights=total).blocks
        return np.repeat(np.arange(len(ends) - 1), np.diff(ends))[self.ties]


def strand(table: Table, k: int, rows: Array, bins: int | None) -> Strand:
    """Sort some rows by the forecast of class k; ``bins`` is None for isotonic regression."""
    f = table.probability[rows, k]
    order = np.argsort(f, kind="stable")
    ties = np.concatenate([[0], np.cumsum(np.diff(f[order]) > 0)])
    rows, fixed = rows[order], None
    if bins is not None:
        fixed = equal_counts(np.bincount(ties, table.counts[rows].sum(axis=1)), bins)[ties]
    return Strand(k, rows, ties, fixed)


def by_winner(table: Table, bins: int | None) -> list[Strand]:
    """Divide rows by their most probable class."""
    winner = table.probability.argmax(axis=1)
    return [
        strand(table, int(k), np.flatnonzero(winner == k), bins) for k in np.unique(winner).tolist()
    ]


@dataclass(frozen=True)
class Parts:
    """A log loss and its parts, in nats per observation, and the number of bins behind them."""

    cross_entropy: float
    calibration: float
    refinement: float
    within: float
    levels: int


def parts(table: Table, strands: list[Strand], whole: bool) -> Parts:
    """Divide a log loss; ``whole`` counts all but the refinement as calibration."""
    n = float(table.counts.sum())
    loss = -_scored(table.counts, table.log_p) / n
    refinement = binned = 0.0
    levels = 0
    for one in strands:
        codes, own = one.pooled(table.counts), table.counts[one.rows]
        sums = _binned(codes, own)
        size = sums.sum(axis=1, keepdims=True)
        refinement -= float(xlogy(sums, sums / size).sum()) / n
        levels += len(sums)
        if not whole:
            mass = own.sum(axis=1, keepdims=True) * table.probability[one.rows]
            with np.errstate(divide="ignore"):
                binned -= _scored(sums, log(_binned(codes, mass) / size)) / n
    if whole:
        return Parts(loss, loss - refinement, refinement, 0.0, levels)
    within = loss - binned if np.isfinite(binned) else 0.0
    return Parts(loss, binned - refinement, refinement, within, levels)


def _binned(codes: Array, values: Array) -> Array:
    """Return the sums over bins of the columns of (c, K), (m, K)."""
    return np.stack([np.bincount(codes, column) for column in values.T], axis=1)


def _scored(mass: Array, log_p: Array) -> float:
    """Return Σ m log p, where no mass on a probability of 0 counts 0."""
    return float((mass * np.where(mass > 0, log_p, 0.0)).sum())


def simulated(
    table: Table,
    strands: list[Strand],
    lines: list[Strand],
    whole: bool,
    replicates: int,
    rng: Any,
) -> tuple[Array, list[list[Array]]]:
    """Return the calibration part of outcomes drawn from the forecasts, and their frequencies."""
    null = np.empty(replicates)
    bands: list[list[Array]] = [[] for _ in lines]
    middles = [_middles(line.pooled(table.counts)) for line in lines]
    for r, drawn in enumerate(_draws(table, replicates, rng)):
        null[r] = parts(drawn, strands, whole).calibration
        for line, middle, band in zip(lines, middles, bands, strict=True):
            codes = line.pooled(drawn.counts)
            sums = _binned(codes, drawn.counts[line.rows])
            band.append((sums[:, line.k] / sums.sum(axis=1))[codes[middle]])
    return null, bands


def _middles(codes: Array) -> Array:
    """Return a row in the middle of each bin, where the frequency of another pooling is read."""
    ends = np.searchsorted(codes, np.arange(int(codes[-1]) + 2))
    return (ends[:-1] + ends[1:] - 1) // 2


def _draws(table: Table, replicates: int, rng: Any) -> Iterator[Table]:
    total = table.counts.sum(axis=1)
    if replicates and np.any(total != np.round(total)):
        raise errors.DataError(
            errors.message(
                "whole numbers as weights (counts), to simulate outcomes",
                errors.offenders(total != np.round(total), total),
                "replicates=0 goes without simulation",
            )
        )
    generator = stream(rng)
    # Rows that sum to 1 within rounding, to a generator that is stricter than that.
    law = table.probability / table.probability.sum(axis=1, keepdims=True)
    for _ in range(replicates):
        drawn = generator.multinomial(total.astype(np.int64), law).astype(float)
        yield replace(table, counts=drawn)
