"""Conditional entropy and mutual information of two-way tables of counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.bayes import LAWS
from mlece.entropies.counts import counted, law_moments, singletons
from mlece.entropies.entropy_estimators import named
from mlece.entropies.estimate import EntropyEstimate, plain
from mlece.math import Array, log

# Names of the estimators that are the entropy of a law of all cells.
_OF_A_LAW = {
    "plug-in": "plug-in",
    "james-stein": "James-Stein",
    "jeffreys": "Jeffreys",
    "laplace": "Laplace",
    "schurmann-grassberger": "Schürmann-Grassberger",
    "minimax": "minimax",
}


class _Table:
    """A table of counts (..., r, c), the law that an estimator makes of it, and three entropies."""

    def __init__(self, table: Any, method: str) -> None:
        values = np.asarray(table)
        if values.ndim < 2:
            raise errors.DataError(
                errors.message(
                    "tables of counts, shape (..., r, c)",
                    f"shape {values.shape}",
                    "For densities take estimate_entropy(y) less conditional_entropy(y, given=x)",
                )
            )
        c, n = counted(values.reshape(*values.shape[:-2], -1))
        cells = c.reshape(values.shape)
        estimator = named(method, discrete=True)
        name = method.lower().replace("_", "-").replace(" ", "-")
        if name in ("nsb", "wolpert-wolf"):
            raise errors.ParameterError(
                errors.message(
                    "an estimator of one law or without a prior, for tables",
                    repr(method),
                    "Its priors for table and margins contradict each other",
                )
            )
        self.n = n[..., 0]
        self.note = singletons(c, self.n)
        if name in _OF_A_LAW:
            self.law = LAWS[_OF_A_LAW[name]](c, n).reshape(values.shape)
            self.name = _OF_A_LAW[name]
            margins = (self.law.reshape(c.shape), self.law.sum(axis=-1), self.law.sum(axis=-2))
            self.joint, self.rows, self.columns = (law_moments(law)[0] for law in margins)
        else:
            found = [estimator(part) for part in (c, cells.sum(axis=-1), cells.sum(axis=-2))]
            self.law = cells / n[..., None]
            self.name = found[0].method
            self.joint, self.rows, self.columns = (np.asarray(one.value) for one in found)

    def margin(self, axis: int) -> Array:
        return np.asarray(self.law.sum(axis=axis, keepdims=True))

    def estimate(self, value: Array, method: str, terms: Array, freedom: Array) -> EntropyEstimate:
        """Attach sqrt(variance of the terms / n + degrees of freedom / 2n²)."""
        centre = (self.law * terms).sum(axis=(-2, -1), keepdims=True)
        spread = (self.law * np.square(terms - centre)).sum(axis=(-2, -1))
        se = np.sqrt(spread / self.n + freedom / (2 * self.n**2))
        method = f"{method}, {self.name}"
        return EntropyEstimate(plain(value + 0.0), plain(se), method, plain(self.n), note=self.note)


def _log(law: Array) -> Array:
    """Return the logarithm, 0 in empty cells, whose weight is 0."""
    return np.asarray(log(np.where(law > 0, law, 1.0)))


def _filled(law: Array, axis: int | tuple[int, int]) -> Array:
    return np.asarray((law > 0).sum(axis=axis))


def mutual_information(table: Any, method: str = "chao-wang-jost") -> EntropyEstimate:
    """Estimate the mutual information of rows and columns of a table of counts.

    Parameters
    ----------
    table : array_like (..., r, c)
        Counts.
    method : str
        An estimator of the entropy of counts, as in `estimate_entropy`. Those that estimate the law
        ("plug-in", "james-stein", "jeffreys", "laplace", "schurmann-grassberger", "minimax") give
        the mutual information of their law of the r c cells, the others H(rows) + H(columns) -
        H(cells), which may be negative. Not "nsb" or "wolpert-wolf".

    Returns
    -------
    EntropyEstimate
        In nats. The square of ``se`` is the variance of log p(i, j)/(p(i) p(j)) over n plus
        (r - 1)(c - 1)/2n². Under independence 2n times the plug-in estimate, the G statistic, is
        chi-squared with (r - 1)(c - 1) degrees of freedom; the normal interval does not hold there.

    Raises
    ------
    DataError
        If there is no table, an entry is no count, or a table is empty.
    UnknownNameError
        If no estimator has this name.
    ParameterError
        If the estimator is none for tables.

    Notes
    -----
    With shrinkage: Hausser and Strimmer (2009), Journal of Machine Learning Research 10, 1469-1484.

    Examples
    --------
    >>> import mlece
    >>> table = [[601, 370, 322, 269, 147, 46], [332, 215, 596, 523, 437, 668]]
    >>> round(mlece.mutual_information(table, "plug-in").value, 9)  # admission by department
    0.094489716
    """
    held = _Table(table, method)
    rows, columns = held.margin(-1), held.margin(-2)
    terms = _log(held.law) - _log(rows) - _log(columns)
    freedom = (_filled(rows, (-2, -1)) - 1) * (_filled(columns, (-2, -1)) - 1)
    value = held.rows + held.columns - held.joint
    return held.estimate(value, "mutual information", terms, freedom)


def table_conditional_entropy(table: Any, method: str = "chao-wang-jost") -> EntropyEstimate:
    """Estimate the entropy of the columns of a table of counts, given the row.

    Parameters
    ----------
    table : array_like (..., r, c)
        Counts.
    method : str
        As for `mutual_information`: the conditional entropy of an estimated law, or
        H(cells) - H(rows).

    Returns
    -------
    EntropyEstimate
        In nats. The square of ``se`` is the variance of -log p(column | row) over n plus
        (filled cells - filled rows)/2n².

    Raises
    ------
    DataError
        If there is no table, an entry is no count, or a table is empty.
    UnknownNameError
        If no estimator has this name.
    ParameterError
        If the estimator is none for tables.

    Examples
    --------
    >>> from mlece.entropies.contingency import table_conditional_entropy
    >>> table_conditional_entropy([[7, 0], [0, 5]]).value
    0.0
    """
    held = _Table(table, method)
    rows = held.margin(-1)
    terms = _log(rows) - _log(held.law)
    freedom = _filled(held.law, (-2, -1)) - _filled(rows, (-2, -1))
    return held.estimate(held.joint - held.rows, "conditional entropy", terms, freedom)
