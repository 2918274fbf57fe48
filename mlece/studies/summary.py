"""What the replicates of a cell come to: one row for each model."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece.diagnostics.ledger import not_below_zero
from mlece.math import Array
from mlece.studies.measures import STATUSES, Target, target
from mlece.studies.plan import Plan

Row = dict[str, Any]


def rows_of(plan: Plan, truth: str, n: int, parts: list[dict[str, Array]]) -> list[Row]:
    """Return the rows of one truth and one sample size, in the order of the models.

    Parameters
    ----------
    plan : Plan
    truth : str
        Its label.
    n : int
    parts : list of dict
        What :func:`mlece.studies.measures.measure` noted, in the order of the replicates.
    """
    rows = []
    own = _joined(parts, "truth/")
    for j, (label, model) in enumerate(plan.models.items()):
        aim = target(plan.truths[truth], model)
        noted = _joined(parts, f"{j}/")
        row: Row = {"truth": truth, "model": label, "n": n, "replicates": plan.replicates}
        row |= _cross_entropies(aim, n, noted, own)
        row |= _statuses(noted["status"])
        row |= _estimates(aim, n, noted)
        row |= _coverages(aim, noted)
        row |= _rejections(noted, 1.0 - plan.level)
        row["remarks"] = "; ".join(dict.fromkeys(str(r) for p in parts for r in p[f"{j}/remarks"]))
        rows.append(row)
    return rows


def _joined(parts: list[dict[str, Array]], prefix: str) -> dict[str, Array]:
    names = [k for k in parts[0] if k.startswith(prefix) and not k.endswith("/remarks")]
    return {name.removeprefix(prefix): np.concatenate([p[name] for p in parts]) for name in names}


def _mean(values: Array) -> tuple[float, float]:
    """Return a mean and its simulation standard error; NaN without values."""
    if not values.size:
        return np.nan, np.nan
    with np.errstate(invalid="ignore"):
        mean = float(values.mean())
        spread = float(values.std(ddof=1)) if values.size > 1 else np.nan
    return mean, spread / float(np.sqrt(values.size))


def _share(values: Array) -> tuple[float, float]:
    """Return a share and its simulation standard error; NaN without values."""
    if not values.size:
        return np.nan, np.nan
    share = float(values.mean())
    return share, float(np.sqrt(share * (1.0 - share) / values.size))


def _cross_entropies(aim: Target, n: int, noted: dict[str, Array], own: dict[str, Array]) -> Row:
    """Means over the members with a minimiser, and the ledger.

    The cross-entropy of a sample under the truth has mean H(p*): what it differs by is taken off excess
    and optimism, whose simulation error is then that of the difference alone.
    """
    fitted = ~np.isnan(noted["population"])
    row: Row = {"fitted": int(fitted.sum()), "floor": aim.floor}
    population = noted["population"][fitted]
    with np.errstate(invalid="ignore"):
        excess = {name: noted[name][fitted] - own[name][fitted] for name in ("train", "test")}
        for name in ("train", "test", "population"):
            row[name], row[f"{name}_se"] = _mean(noted[name][fitted])
        for name, values in excess.items():
            row[f"{name}_excess"], row[f"{name}_excess_se"] = _mean(values)
        row["approximation"] = float(not_below_zero(aim.value - aim.floor, aim.floor))
        # An infinite cross-entropy is not more than another one: that difference is NaN.
        row["estimation"], row["estimation_se"] = _mean(population - aim.value)
        row["optimism"], row["optimism_se"] = _mean(population - aim.floor - excess["train"])
    row["optimism_limit"] = aim.trace / n
    return row


def _statuses(status: Array) -> Row:
    shares = np.bincount(status, minlength=len(STATUSES)) / status.size
    return {f"status.{s.name.lower()}": float(v) for s, v in zip(STATUSES, shares, strict=True)}


def _estimates(aim: Target, n: int, noted: dict[str, Array]) -> Row:
    """Bias and spread of the estimates about θ*, over the members with estimates."""
    row: Row = {}
    for k, name in enumerate(aim.names):
        found = noted["theta"][:, k]
        found = found[~np.isnan(found)]
        with np.errstate(invalid="ignore"):
            bias, se = _mean(found - aim.theta[k])
            row |= {
                f"pseudo_true.{name}": float(aim.theta[k]),
                f"bias.{name}": bias,
                f"bias_se.{name}": se,
                f"median_bias.{name}": float(np.median(found) - aim.theta[k])
                if found.size
                else np.nan,
                f"spread.{name}": se * float(np.sqrt(found.size)),
                f"spread_limit.{name}": float(aim.spread[k] / np.sqrt(n)),
            }
    return row


def _coverages(aim: Target, noted: dict[str, Array]) -> Row:
    row: Row = {}
    for key in noted:
        if key.startswith("covered/"):
            kind = key.removeprefix("covered/")
            for k, name in enumerate(aim.names):
                held = noted[key][:, k]
                there = ~np.isnan(held)
                share, se = _share(held[there])
                row[f"coverage.{kind}.{name}"], row[f"coverage_se.{kind}.{name}"] = share, se
                row[f"missing.{kind}.{name}"] = int((~there).sum())
    return row


def _rejections(noted: dict[str, Array], size: float) -> Row:
    row: Row = {}
    for key in noted:
        if key.startswith("p/"):
            test, p = key.removeprefix("p/"), noted[key]
            there = ~np.isnan(p)
            share, se = _share(p[there] <= size)
            row[f"rejected.{test}"], row[f"rejected_se.{test}"] = share, se
            row[f"missing.{test}"] = int((~there).sum())
    return row
