"""The order of a comparison: by the cross-entropy of data that the fits have not seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mlece import errors
from mlece.diagnostics.cross_validation import held_out
from mlece.diagnostics.vuong import log_ratio, same_density
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array, ndtri

if TYPE_CHECKING:
    from mlece.diagnostics.gap import Gap

HELD_OUT, TIC = "held out", "tic"
# Standard errors within which two models tie, and the level of the test of variance before that.
_NEAR, _SIZE = 1.0, 0.05
CRITERIA = ("auto", HELD_OUT, TIC)


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Attributes
    ----------
    name : str
        The model's name.
    fit : Fit or None
        None where the data lie outside the support.
    gap : Gap or None
        The model by itself against the floor: its test and standard error; None where the model is
        not ranked.
    excess : float
        Distance of the family's best member from the floor that all models share, nats.
    estimation : float
        What estimating the parameters costs on new data, about tr(A⁻¹B)/(2n) nats.
    verdict : str
        "misspecified", "no evidence against it", or why the model is not ranked.
    rank : int or None
        1 for the model that predicts best: that of the least ``held_out``.
    held_out : float
        Cross-entropy of observations that the fit has not seen, nats; infinite where a refit gives one
        of them density zero. CE_n + tr(A⁻¹B)/n where the criterion is Takeuchi's.
    weight : float
        Akaike's weight with the held-out cross-entropy h in the place of AIC/(2n): exp(−n h), divided
        by the sum over the ranked models.
    behind : float
        ``held_out`` less that of the first model, in standard errors of the difference (Vuong 1989).
    se : float
        That standard error in nats; 0 for the first.
    p_same : float
        p-value of Vuong's test of variance that this fit and the first hold the same density, a family
        nested in the other among them: their difference then follows no normal law, and its standard
        error says little. NaN for the first, for rows less than one standard error behind, and where an
        estimate is not regular.
    delta_aic, delta_aicc, delta_tic : float or None
        Akaike's criterion, the same for short samples, and Takeuchi's, less the least among the ranked
        models; None where the model, or the first one, has none.
    foretold : array (n,), optional
        Held-out log density of every observation; None where the criterion is Takeuchi's.
    """

    name: str
    fit: Fit | None
    gap: Gap | None
    verdict: str
    excess: float = float("nan")
    estimation: float = float("nan")
    rank: int | None = None
    held_out: float = float("nan")
    weight: float = float("nan")
    behind: float = 0.0
    se: float = float("nan")
    p_same: float = float("nan")
    delta_aic: float | None = None
    delta_aicc: float | None = None
    delta_tic: float | None = None
    foretold: Array | None = field(default=None, compare=False, repr=False)

    @property
    def tied(self) -> bool:
        """Whether another model is nearest, but by one standard error at most, or by the same density."""
        if self.rank is None or self.rank == 1:
            return False
        return self.behind <= _NEAR or self.p_same > _SIZE

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return excess ± z se in nats, cut at zero because a divergence is not negative."""
        check_level(level)
        se = self.se if self.gap is None else self.gap.se
        width = float(ndtri(0.5 + 0.5 * level)) * se
        return max(0.0, self.excess - width), max(0.0, self.excess + width)


def order(rows: list[Row], criterion: str, seed: int) -> tuple[list[Row], str]:
    """Order fitted rows by what they predict, and measure each against the first.

    Parameters
    ----------
    rows : list of Row
        With a fit each, all to the same data.
    criterion : {"auto", "held out", "tic"}
        "auto" leaves observations out where weights are counts, and takes Takeuchi's criterion elsewhere.
    seed : int
        Of the folds.

    Returns
    -------
    rows : list of Row
    scheme : str
        What was done: "leave-one-out", "10-fold" or "tic"; empty without rows.
    """
    if not rows:
        return [], ""
    rows = [replace(r, estimation=_estimation(r)) for r in rows]
    criterion = _chosen(criterion, fit_of(rows[0]))
    found = [_predicted(r, criterion, seed) for r in rows]
    rows = [
        replace(r, held_out=value, foretold=terms)
        for r, (value, terms, _) in zip(rows, found, strict=True)
    ]
    rows.sort(key=lambda r: (r.held_out, best_member(r)))
    aic, aicc, tic = ([_criterion(r, name) for r in rows] for name in ("aic", "aicc", "tic"))
    weights = _weights(rows)
    out = []
    for i, row in enumerate(rows):
        se, behind = _behind(rows[0], row) if i else (0.0, 0.0)
        same = _p_same(rows[0], row) if _NEAR < behind < np.inf else float("nan")
        out.append(
            replace(
                row,
                excess=best_member(row) - best_member(rows[0]),
                rank=i + 1,
                weight=weights[i],
                behind=behind,
                se=se,
                p_same=same,
                delta_aic=_less_least(aic, i),
                delta_aicc=_less_least(aicc, i),
                delta_tic=_less_least(tic, i),
            )
        )
    return out, found[0][2]


def fit_of(row: Row) -> Fit:
    """Return the fit of a row that has one."""
    assert row.fit is not None
    return row.fit


def _chosen(criterion: str, fit: Fit) -> str:
    if criterion != CRITERIA[0]:
        return criterion
    w = fit.sample.weights
    whole = w is None or bool(np.all(w == np.round(w)))
    return HELD_OUT if whole and float(fit.n) >= 2 else TIC


def _predicted(row: Row, criterion: str, seed: int) -> tuple[float, Array | None, str]:
    """Return the cross-entropy that is expected of new data, its terms, and how it was found."""
    if criterion == TIC:
        return best_member(row) + row.estimation, None, TIC
    resolution = None if row.gap is None else row.gap.resolution
    with np.errstate(all="ignore"):
        found = held_out(fit_of(row), resolution=resolution, rng=seed)
    return float(found.cross_entropy), found.log_density, found.scheme


def best_member(row: Row) -> float:
    """Estimate the cross-entropy of the family's best member: half the optimism added."""
    # On the grid of rounded data where the gap was taken there.
    value = fit_of(row).cross_entropy if row.gap is None else row.gap.cross_entropy
    return float(value) + row.estimation


def _estimation(row: Row) -> float:
    """Return tr(A⁻¹B)/(2n), or k/(2n) where the likelihood is not regular."""
    fit = fit_of(row)
    try:
        with np.errstate(all="ignore"):
            trace = float(fit.trace)
    except (errors.MleceError, np.linalg.LinAlgError):
        trace = np.nan
    if not np.isfinite(trace):
        trace = float(fit.parameter_count)
    return trace / (2.0 * float(fit.n))


def _criterion(row: Row, name: str) -> float | None:
    try:
        with np.errstate(all="ignore"):
            value = float(getattr(row.fit, name))
    except (errors.MleceError, np.linalg.LinAlgError):
        return None
    return value if np.isfinite(value) else None


def _less_least(values: list[float | None], i: int) -> float | None:
    value, known = values[i], [v for v in values if v is not None]
    # Differences that leave the first model out would mislead.
    return None if value is None or values[0] is None else value - min(known)


def _weights(rows: list[Row]) -> list[float]:
    """Return exp(−n h) of each row over their sum."""
    values = np.array([r.held_out for r in rows])
    if not np.isfinite(values[0]):
        return [float("nan")] * len(rows)
    powers = np.exp(-float(fit_of(rows[0]).n) * (values - values[0]))
    return [float(p) for p in powers / powers.sum()]


def _behind(first: Row, row: Row) -> tuple[float, float]:
    """Return the standard error of the difference of two models, and how many of them lie between.

    The standard error is that of the mean of log q₁(yᵢ) − log q₂(yᵢ) (Vuong 1989, equation 4.2).
    """
    ratio = log_ratio(fit_of(first), fit_of(row), order=0)
    se = float(np.sqrt(ratio.variance[0] / ratio.total[0]))
    if not np.isfinite(first.held_out):
        # None of the models has a finite value: they are in the order of their best members.
        return se, (best_member(row) - best_member(first)) / se if se > 0 else 0.0
    return se, (row.held_out - first.held_out) / se if se > 0 else 0.0


def _p_same(first: Row, row: Row) -> float:
    """Return the p-value of Vuong's test of variance; NaN where an estimate is not regular."""
    with np.errstate(all="ignore"):
        return float(same_density(log_ratio(fit_of(first), fit_of(row)))[0])
