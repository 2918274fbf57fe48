"""Confidence intervals for the parameters of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.covariance import standard_errors
from mlece.math import Array, ndtri

if TYPE_CHECKING:
    from mlece.result import Fit


def check_level(level: float) -> None:
    """Raise unless 0 < level < 1."""
    if not 0.0 < level < 1.0:
        raise errors.ParameterError(errors.message("a confidence level in (0, 1)", repr(level)))


def wald(
    fit: Fit, level: float = 0.95, kind: str = "sandwich", scale: str = "parameter"
) -> dict[str, Any]:
    """Return Wald intervals for the free parameters.

    Parameters
    ----------
    fit : Fit
    level : float
        Confidence level in (0, 1).
    kind : {"sandwich", "hessian", "fisher", "opg"}
        Covariance to use.
    scale : {"parameter", "unconstrained"}
        Symmetric around the estimate, or symmetric in the unconstrained coordinate (log, logit) and
        mapped back, which keeps the interval inside the parameter's domain.

    Returns
    -------
    dict
        ``{name: (lower, upper)}``; NaN for empty cells of a Categorical and for the members of a batch that
        ``fit.refusals`` names.

    Notes
    -----
    On the parameter's own scale an end may lie outside its domain; :func:`outside` tells.
    """
    check_level(level)
    if scale not in ("parameter", "unconstrained"):
        raise errors.unknown_name("scale", scale, ("parameter", "unconstrained"))
    z = float(ndtri(0.5 + 0.5 * level))
    errors_ = standard_errors(fit, kind)
    out: dict[str, Any] = {}
    if fit.on_simplex:
        p = fit.params["p"]
        if scale == "unconstrained":
            with np.errstate(all="ignore"):
                eta, width = np.log(p / (1 - p)), z * errors_ / (p * (1 - p))
                low, high = 1 / (1 + np.exp(width - eta)), 1 / (1 + np.exp(-width - eta))
            low, high = (np.where(p < 1, end, p) for end in (low, high))
            return {"p": (np.where(p > 0, low, np.nan), np.where(p > 0, high, np.nan))}
        return {"p": (p - z * errors_, p + z * errors_)}
    for j, name in enumerate(fit.names):
        estimate, error = np.asarray(fit.params[name]), errors_[..., j]
        if scale == "parameter":
            pair = (estimate - z * error, estimate + z * error)
        else:
            bijection = fit.family.parameter(name).bijection
            eta = bijection.inverse(estimate)
            slope = bijection.derivatives(eta)[0]
            reach = z * error / slope
            pair = (bijection.forward(eta - reach), bijection.forward(eta + reach))
        out[name] = tuple(_plain(v) for v in pair)
    return out


def outside(fit: Fit, intervals: dict[str, Any]) -> list[str]:
    """Return the parameters whose interval reaches beyond their domain in some member of the batch."""
    out = []
    for name, pair in intervals.items():
        domain = fit.family.parameter(name).domain
        lower, upper = (0.0, 1.0) if domain.kind == "simplex" else (domain.lower, domain.upper)
        if np.any(np.asarray(pair[0]) < lower) or np.any(np.asarray(pair[1]) > upper):
            out.append(name)
    return out


def exact(fit: Fit, level: float = 0.95) -> dict[str, Any]:
    """Return intervals from the exact law of the estimates, for families that state one."""
    check_level(level)
    model = fit.family
    if not model.has("_exact_interval"):
        raise errors.NoDensityError(
            errors.message(
                "a family with an exact law (Uniform, Pareto)",
                type(model).__name__,
                "Use method='wald'",
            )
        )
    if fit.sample.weights is not None and not np.all(
        fit.sample.weights == np.round(fit.sample.weights)
    ):
        raise errors.NotRegularError(
            errors.message("whole numbers as weights for an exact law", "fractional weights")
        )
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    solved = np.array([status.solved for status in statuses])
    if not solved.any():
        raise errors.NotRegularError(
            errors.message("a fit with a minimiser, to have an interval", str(fit.certificate))
        )
    fixed = {p.name for p in model.params if p.name not in model.free}
    pairs = model._exact_interval(fit.theta, fit.objective.total, 1.0 - level, fixed)
    shape = fit.sample.batch_shape
    return {
        name: tuple(_plain(np.where(solved, v, np.nan).reshape(shape)) for v in pair)
        for name, pair in pairs.items()
        if name in model.free
    }


def _plain(value: Array) -> Any:
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value
