"""Vuong's test for every two of several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlece import errors
from mlece.diagnostics.vuong import vuong
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array

_COLUMNS = 10


@dataclass(frozen=True)
class Pairs:
    """Every two of k models by Vuong's test.

    Attributes
    ----------
    names : tuple of str
        The models.
    statistic : array (k, k)
        z, positive where the model of the row is nearer to the truth than that of the column; NaN on
        the diagonal.
    p_value : array (k, k)
        Two-sided, for equal distances from the truth.
    p_same : array (k, k)
        For the hypothesis that two fits hold the same density, which comes first: only where it is
        rejected has z a normal law. NaN where an estimate is not regular.
    level : float
        Level of the verdicts, as a confidence level. They are not adjusted for their number.
    """

    names: tuple[str, ...]
    statistic: Array
    p_value: Array
    p_same: Array
    level: float

    @property
    def verdict(self) -> Array:
        """Return (k, k): "row", "column", "tied" or "indistinguishable"; empty on the diagonal."""
        size = 1.0 - self.level
        nearer = np.where(self.statistic > 0, "row", "column")
        out = np.where(self.p_value <= size, nearer, "tied")
        out = np.where(self.p_same > size, "indistinguishable", out)
        return np.where(np.eye(len(self.names), dtype=bool), "", out)

    def __str__(self) -> str:
        return self.table()

    def table(self) -> str:
        """Return the statistics above the diagonal, in ten columns at most."""
        k = len(self.names)
        width = max(len(name) for name in self.names)
        columns = range(1, min(k, _COLUMNS + 1))
        mark = {"row": "*", "column": "*", "tied": " ", "indistinguishable": "="}
        verdict = self.verdict
        lines = [" " * (width + 5) + "".join(f"{j + 1:>7} " for j in columns).rstrip()]
        for i in range(k - 1 if k <= _COLUMNS + 1 else _COLUMNS):
            cells = [
                f"{self.statistic[i, j]:7.2f}{mark[verdict[i, j]]}" if j > i else " " * 8
                for j in columns
            ]
            lines.append(f" {i + 1:>2}  {self.names[i]:<{width}}{''.join(cells)}".rstrip())
        last = len(columns)
        lines += [f" {i + 1:>2}  {self.names[i]}" for i in range(last, k)]
        share = f"{100 * (1 - self.level):.3g} %"
        return "\n".join(
            [
                "Vuong's z, positive where the model of the row is nearer to the truth",
                "",
                *lines,
                "",
                f"* told apart at the {share} level; = the two fits may hold the same density, so that z "
                "has no",
                "  normal law. Levels are of single tests.",
            ]
        )


def pairwise(fits: Sequence[Fit], names: Sequence[str], level: float = 0.95) -> Pairs:
    """Return Vuong's test for every two of several single fits to the same data.

    Parameters
    ----------
    fits : sequence of Fit
    names : sequence of str
        What the models are called.
    level : float
        Confidence level of the verdicts.

    Raises
    ------
    ComparisonError
        If the data, their weights or the dominating measures differ.
    DataError
        If there are fewer than two fits.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> fits = [mlece.fit(m, beef.values) for m in ("gamma", "weibull", "lognormal")]
    >>> pairwise(fits, ["gamma", "weibull", "lognormal"]).verdict[0].tolist()
    ['', 'tied', 'row']
    """
    check_level(level)
    k = len(fits)
    if k < 2:
        raise errors.DataError(errors.message("two fits or more", f"{k}"))
    statistic, p_value, p_same = (np.full((k, k), np.nan) for _ in range(3))
    for i in range(k):
        for j in range(i + 1, k):
            test = vuong(fits[i], fits[j])
            statistic[i, j], statistic[j, i] = test.statistic, -test.statistic
            p_value[i, j] = p_value[j, i] = test.p_value
            p_same[i, j] = p_same[j, i] = test.p_same
    return Pairs(tuple(names), statistic, p_value, p_same, level)
