"""Newton's method from several starts in one batch: which runs go on, and which is the best."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from mlece.math import Array
from mlece.solvers.newton import NewtonResult


def undecided(out: NewtonResult, runs: int) -> Array:
    """Return the runs that have not converged and lie below every maximum that their member met."""
    value = np.where(out.converged, out.value, np.inf).reshape(runs, -1)
    met = np.broadcast_to(value.min(axis=0), value.shape).ravel()
    return np.flatnonzero(~out.converged & ~(out.value >= met))


def with_rest(out: NewtonResult, rest: NewtonResult, going: Array) -> NewtonResult:
    """Return the first result with what came of the runs that went on."""
    merged: dict[str, Any] = {"iterations": out.iterations + rest.iterations}
    for item in fields(out):
        if item.name not in merged:
            merged[item.name] = getattr(out, item.name).copy()
            merged[item.name][going] = getattr(rest, item.name)
    return NewtonResult(**merged)


def best_run(out: NewtonResult, runs: int) -> Array:
    """Return, for each member, the run that converged at the smallest value (or came lowest)."""
    runs_of = np.arange(out.eta.shape[0]).reshape(runs, -1)
    if runs == 1:
        return np.asarray(runs_of[0])
    value = np.where(np.isnan(out.value), np.inf, out.value)[runs_of]
    converged = out.converged[runs_of]
    value = np.where(converged | ~converged.any(axis=0), value, np.inf)
    return np.asarray(runs_of[np.argmin(value, axis=0), np.arange(runs_of.shape[1])])
