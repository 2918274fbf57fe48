"""scipy.optimize as a solver: trust-exact, L-BFGS-B, and SLSQP with the simplex written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.likelihood.chart import Chart
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays


@dataclass(frozen=True)
class ScipyResult:
    """One fit by scipy.optimize: parameters, whether it reported success, and its message."""

    theta: Arrays
    success: bool
    message: str
    iterations: int
    multipliers: dict[str, Any]


def minimise(objective: CrossEntropy, start: Array, method: str) -> ScipyResult:
    """Minimise in unconstrained coordinates with ``scipy.optimize.minimize``.

    Parameters
    ----------
    objective : CrossEntropy
        A single fit (batch of one).
    start : array (1, m)
        Unconstrained starting point.
    method : {"trust-exact", "L-BFGS-B"}
        Any method of scipy that takes a gradient (and a Hessian).
    """
    from scipy import optimize

    minimize: Any = optimize.minimize

    chart = Chart(objective)
    member = np.arange(1)

    def evaluate(eta: Array) -> tuple[float, Array, Array]:
        at = objective.evaluate(chart.theta(eta[None, :], member), 2)
        gradient, hessian = chart.pull(eta[None, :], at)
        return float(at.value[0]), gradient[0], hessian[0]

    options: dict[str, Any] = {"gtol": 1e-11}
    if method.lower() == "l-bfgs-b":
        options.update(ftol=1e-16, maxiter=2000)
    extra = {} if method.lower() == "l-bfgs-b" else {"hess": lambda e: evaluate(e)[2]}
    try:
        out = minimize(
            lambda e: evaluate(e)[0],
            start[0],
            jac=lambda e: evaluate(e)[1],
            method=method,
            options=options,
            **extra,
        )
    except ValueError as error:
        raise errors.NoDensityError(
            errors.message(
                f"finite derivatives along the way of scipy's {method}",
                str(error),
                "Use solver='auto'",
            )
        ) from None
    return ScipyResult(
        chart.theta(out.x[None, :], member), bool(out.success), str(out.message), int(out.nit), {}
    )


def simplex_slsqp(frequencies: Array) -> ScipyResult:
    """Minimise −Σ p̂_k log q_k subject to Σ q = 1 and q ≥ 0 with SLSQP, the constraint explicit.

    Parameters
    ----------
    frequencies : array (K,)
        Empirical distribution p̂.

    Returns
    -------
    ScipyResult
        ``multipliers["lambda"]`` is the multiplier of Σ q = 1, which is 1 at the optimum.
    """
    from scipy import optimize

    minimize: Any = optimize.minimize

    cells = frequencies.size
    seen = frequencies > 0

    def value(q: Array) -> float:
        if np.any(q[seen] <= 0):
            return float("inf")
        return -float(frequencies[seen] @ np.log(q[seen]))

    def gradient(q: Array) -> Array:
        out = np.zeros(cells)
        out[seen] = -frequencies[seen] / q[seen]
        return out

    start = np.full(cells, 1.0 / cells)
    # The optimum has q >= p̂/2 in every cell: the bound keeps the logarithm finite, and never binds.
    out = minimize(
        value,
        start,
        jac=gradient,
        method="SLSQP",
        bounds=[(0.5 * f, 1.0) for f in frequencies],
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1.0, "jac": lambda q: np.ones(cells)},
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    # Stationarity in the seen cells: -p̂/q + lambda = 0, solved for lambda by least squares.
    multiplier = -float(gradient(out.x)[seen].mean())
    return ScipyResult(
        (out.x[None, :],), bool(out.success), str(out.message), int(out.nit), {"lambda": multiplier}
    )
