"""Fits, gaps and comparisons as dictionaries of plain values, for programs."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.regression.kinds import described
from mlece.reports.report import intervals_or_none, standard_errors_or_why
from mlece.units import Units, nats_per_unit, unit_name

if TYPE_CHECKING:
    from mlece.comparisons.comparison import Comparison
    from mlece.diagnostics.gap import Gap
    from mlece.fits.result import Fit


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: infinities as "inf" and "-inf", NaN as null.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.reports.export import plain
    >>> plain({"a": np.array([1.0, np.inf]), "b": np.float64("nan")})
    {'a': [1.0, 'inf'], 'b': None}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        if np.isnan(value):
            return None
        return float(value) if isfinite(value) else ("inf" if value > 0 else "-inf")
    return str(value)


def fit_json(
    fit: Fit,
    units: Units = "nats",
    level: float = 0.95,
    covariance: str = "sandwich",
    interval: str = "auto",
    **options: Any,
) -> dict[str, Any]:
    """Return a fit as a dictionary of plain Python values.

    Standard errors and intervals are null where they do not exist, with the reason in
    ``no_standard_errors``; infinities are the strings "inf" and "-inf".

    Parameters
    ----------
    fit : Fit
    units : {"nats", "bits", "hartleys"} or float
        Units of the cross-entropy; the certificate stays in nats.
    level : float
        Confidence level of the intervals.
    covariance : str
        Kind of covariance; see :func:`mlece.fits.covariance.covariance`.
    interval : {"auto", "wald", "exact", "profile", "robust profile", "bootstrap"}
        Method of the intervals; see :func:`mlece.inference.intervals.interval`.
    **options
        Of the covariance: clusters, lags, bread.

    Examples
    --------
    >>> import mlece
    >>> from mlece.reports.export import fit_json
    >>> fit_json(mlece.fit("exponential", [1.0, 2.0, 3.0]))["parameters"]["rate"]["estimate"]
    0.5
    """
    errors_, why = standard_errors_or_why(fit, covariance, **options)
    intervals, how = intervals_or_none(fit, level, covariance, interval, **options)
    certificate = fit.certificate
    out: dict[str, Any] = {
        "model": fit.family.title,
        "fixed": {k: v for k, v in fit.family.slots.items() if v is not None},
        "data": fit.sample.name,
        "n": fit.n,
        "parameters": {
            name: {
                "estimate": value,
                "standard_error": errors_.get(name),
                "interval": intervals.get(name),
            }
            for name, value in fit.params.items()
        },
        "level": level,
        "intervals": how or None,
        "covariance": described(covariance, options),
        "no_standard_errors": why or None,
        "units": unit_name(units),
        "cross_entropy": float(fit.cross_entropy) / nats_per_unit(units),
        "solver": fit.solver,
        "certificate": {
            "status": certificate.status.name,
            "sentence": str(certificate),
            "excess_nats": certificate.excess,
            "score_norm": certificate.score_norm,
            "scope": certificate.scope,
            "bound": certificate.bound,
            "entropy_residual": certificate.entropy_residual,
        },
        "limit_model": repr(fit.model) if fit.limit_models else None,
    }
    if hasattr(fit.family, "labels"):
        out["labels"] = list(fit.family.labels or ())
    if fit.sample.truth is None:
        out |= {name: _or_none(fit, name) for name in ("log_likelihood", "aic", "bic")}
    if fit.objective.penalty is not None:
        out["penalty"] = float(fit.penalty) / nats_per_unit(units)
    if "dropped" in fit.notes:
        out["dropped"] = fit.notes["dropped"]
    cleaned: dict[str, Any] = plain(out)
    return cleaned


def _or_none(fit: Fit, name: str) -> Any:
    """Return a criterion, None where it is not defined (of a penalised fit, say)."""
    try:
        return getattr(fit, name)
    except errors.ComparisonError:
        return None


def gap_json(gap: Gap, units: Units = "nats") -> dict[str, Any]:
    """Return a gap as a dictionary of plain Python values."""
    scale = nats_per_unit(units)
    cleaned: dict[str, Any] = plain(
        {
            "value": gap.value / scale,
            "se": gap.se / scale,
            "interval": [v / scale for v in gap.interval(0.95)],
            "p_value": gap.p_value,
            "misspecified": bool(gap.misspecified),
            "replicates_without_a_fit": gap.lost,
            "cross_entropy": float(gap.cross_entropy) / scale,
            "corrected": float(gap.corrected) / scale,
            "resolution": gap.resolution,
        }
    )
    return cleaned


def comparison_json(comparison: Comparison, units: Units | None = None) -> dict[str, Any]:
    """Return a comparison as a dictionary of plain Python values.

    Parameters
    ----------
    comparison : Comparison
    units : {"nats", "bits", "hartleys"} or float, optional
        Units of every number of nats; those of the comparison if not given.
    """
    units = comparison.units if units is None else units
    scale = nats_per_unit(units)
    entropy = comparison.entropy
    rows = [
        {
            "model": row.name,
            "rank": row.rank,
            "verdict": row.verdict,
            "tied_with_best": row.tied,
            "standard_errors_behind_best": row.behind,
            "p_same_density": None if np.isnan(row.p_same) else row.p_same,
            "held_out": row.held_out / scale,
            "weight": row.weight,
            "excess": row.excess / scale,
            "interval": None if row.rank is None else [v / scale for v in row.interval(0.95)],
            "estimation": row.estimation / scale,
            "p_value": None if row.gap is None else row.gap.p_value,
            "gap": None if row.gap is None else gap_json(row.gap, units),
            "delta_aic": row.delta_aic,
            "delta_aicc": row.delta_aicc,
            "delta_tic": row.delta_tic,
            "fit": None if row.fit is None else fit_json(row.fit, units),
        }
        for row in comparison.rows
    ]
    cleaned: dict[str, Any] = plain(
        {
            "data": comparison.name,
            "n": comparison.n,
            "kind": comparison.kind,
            "units": unit_name(units),
            "floor": comparison.floor / scale,
            "scheme": comparison.scheme,
            "entropy": None
            if entropy is None
            else {
                "value": entropy.value / scale,
                "se": entropy.se / scale,
                "method": entropy.method,
            },
            "rows": rows,
            "best": None if comparison.rows[0].rank is None else comparison.rows[0].name,
            "sentences": list(comparison.sentences),
        }
    )
    return cleaned
