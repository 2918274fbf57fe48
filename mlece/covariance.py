"""The covariance of an estimate: sandwich, Hessian, expected information, outer product of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlece import errors
from mlece.evaluation import triangle
from mlece.math import Array, Arrays
from mlece.objective import CrossEntropy

if TYPE_CHECKING:
    from mlece.result import Fit

KINDS = ("sandwich", "hessian", "fisher", "opg")


@dataclass(frozen=True)
class Information:
    """The matrices of a fit, per observation, in the free regular parameters, framed.

    Parameters
    ----------
    names : tuple of str
        The parameters, k of them.
    a : array (R, k, k)
        A, the Hessian of the cross-entropy.
    b : array (R, k, k)
        B, the mean outer product of the scores; infinite entries where a moment of the truth is.
    factors : array (R, k)
        dθ/dθ_framed: what carries a standard error into the user's units.
    """

    names: tuple[str, ...]
    a: Array
    b: Array
    factors: Array


def _symmetric_inverse(matrix: Array) -> Array:
    """Invert symmetric matrices after scaling the diagonal to one."""
    d = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    d = np.where(d > 0, d, 1.0)
    outer = d[..., :, None] * d[..., None, :]
    inverse = np.linalg.inv(matrix / outer) / outer
    return np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)))


def _require_regular(fit: Fit, kind: str) -> None:
    for name in fit.family.free:
        if not fit.family.parameter(name).regular:
            raise errors.NotRegularError(
                errors.message(
                    f"a regular likelihood for a {kind} covariance",
                    f"{type(fit.family).__name__}, whose {name} is an end of the support and is "
                    "estimated at rate 1/n by an order statistic",
                    "fit.interval() gives intervals from the exact law",
                )
            )
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    for status in statuses:
        if status.name not in ("OPTIMAL", "NOT_UNIQUE") and not fit.on_simplex:
            raise errors.NotRegularError(
                errors.message(
                    "an interior optimum for a covariance",
                    f"a fit with status {status.name}: {fit.certificate}",
                    "Asymptotic standard errors do not exist there",
                )
            )


def kink_density(objective: CrossEntropy, theta: Arrays) -> Array:
    """Return the framed density of p at the location of a kink, (R,).

    Known for a known distribution; for data by the difference quotient of quantiles with the bandwidth
    of Hall and Sheather (1988), as in quantile regression.
    """
    truth = objective.sample.truth
    where = theta[[p.name for p in objective.model.params].index(objective.model._kink(*theta)[0])]
    scale, shift = objective.user.scale, objective.user.shift
    if truth is not None:
        return np.asarray(truth.density(where * scale + shift) * scale)
    n = objective.total
    height = 1.0 / np.sqrt(2.0 * np.pi)
    width = n ** (-1 / 3) * 1.959963984540054 ** (2 / 3) * (1.5 * height**2) ** (1 / 3)
    # The kink need not lie at the median.
    below = objective.mean_of(lambda y: (y < where[:, None]) + 0.5 * (y == where[:, None]))
    width = np.minimum(width, 0.9 * np.minimum(below, 1.0 - below))
    out = np.empty(objective.size)
    y, w = objective.sample.values, objective.sample.weights
    for r in range(objective.size):
        rows = y[r if len(y) > 1 else 0]
        mass = None if w is None else w[r if len(w) > 1 else 0]
        ends = [below[r] - width[r], below[r] + width[r]]
        low, high = np.quantile(rows, ends, weights=mass, method="inverted_cdf")
        if high == low:
            raise errors.NotRegularError(
                errors.message(
                    "a density at the location, to weigh the kink of the likelihood",
                    "an atom: most observations are tied there",
                )
            )
        unit = objective.frame.scale[r if objective.frame.scale.size > 1 else 0]
        out[r] = 2.0 * width[r] / ((high - low) / unit)
    return out


def _framed_matrices(fit: Fit) -> tuple[Array, Array]:
    """Return A and B in all framed natural parameters."""
    objective, theta = fit.objective, fit.framed
    at = objective.evaluate(theta, 2, opg=True)
    assert at.hessian is not None
    assert at.opg is not None
    a, b = at.hessian, at.opg
    if objective.model.has("_kink"):
        name, jump = objective.model._kink(*theta)
        index = [p.name for p in objective.model.params].index(name)
        a = a.copy()
        a[:, index, index] += jump * kink_density(objective, theta)
    if objective.sample.truth is not None:
        b = fit.with_infinite_moments(b)
    return a, b


def information(fit: Fit, kind: str = "sandwich") -> Information:
    """Return A and B of a fit.

    Raises
    ------
    NotRegularError
        If the fit ends at a boundary or has no maximum, or the family fixes the end of the support.
    """
    _require_regular(fit, kind)
    a, b = _framed_matrices(fit)
    pick, factors = _free_regular(fit)
    return Information(fit.names, a[pick], b[pick], factors)


def _free_regular(fit: Fit) -> tuple[tuple[Array, ...], Array]:
    """Return the index of the free parameters in (R, k, k) arrays, and dθ/dθ_framed, (R, m)."""
    objective = fit.objective
    index = [i for i, p in enumerate(fit.family.params) if p.name in fit.family.free]
    if not index:
        raise errors.NotRegularError(
            errors.message("a free slot, to have a standard error", f"{fit.family!r}, all filled")
        )
    factors = fit.family.frame_factors(objective.user.scale)
    d = np.stack([np.broadcast_to(factors[i], (objective.size,)) for i in index], axis=-1)
    return np.ix_(range(objective.size), index, index), d


def fisher_information(fit: Fit) -> Array:
    """Return the expected information at the fitted member, framed, all parameters, (R, k, k)."""
    model, theta = fit.family, fit.framed
    k = len(model.params)
    if model.has("_expected_statistics"):
        t = tuple(np.asarray(s)[:, None] for s in model._expected_statistics(*theta))
        raw = model._curvature(t, *[p[:, None] for p in theta])
        if isinstance(raw, tuple):
            parts = tuple(-np.broadcast_to(c, (len(theta[0]), 1))[:, 0] for c in raw)
            return triangle(parts, k)
        return np.asarray(-raw[:, 0])
    from mlece.sample import Sample
    from mlece.sources.distribution import nodes

    out = np.empty((fit.objective.size, k, k))
    for r in range(fit.objective.size):
        member = type(model)(*[t[r] for t in theta], **model.settings)
        rule = nodes(member)
        sample = Sample(rule.values[None, :], rule.weights[None, :], (), "y", member)
        at = CrossEntropy(member, sample, frame=None)
        inner = at.evaluate(
            model.to_frame(tuple(t[r : r + 1] for t in theta), at.frame.shift, at.frame.scale),
            1,
            opg=True,
        )
        assert inner.opg is not None
        factors = model.frame_factors(at.frame.scale)
        d = np.array([float(np.ravel(f)[0]) for f in factors])
        out[r] = inner.opg[0] / d[:, None] / d[None, :]
    return out


def covariance(fit: Fit, kind: str = "sandwich") -> Array:
    """Return the covariance matrix of the free parameters.

    Parameters
    ----------
    fit : Fit
    kind : {"sandwich", "hessian", "fisher", "opg"}
        A⁻¹BA⁻¹/n holds whether or not the model is right (Huber 1967; White 1982); "hessian" A⁻¹/n,
        "fisher" the inverse expected information and "opg" B⁻¹/n suppose that it is.

    Returns
    -------
    array (..., k, k)
        In the parameters' own units; for a fit to a known distribution the asymptotic covariance of
        √n(θ̂ − θ*).
    """
    if kind not in KINDS:
        raise errors.unknown_name("covariance", kind, KINDS)
    if fit.on_simplex:
        return _simplex_covariance(fit)
    framed, factors = _framed_covariance(fit, kind)
    with np.errstate(over="ignore", under="ignore"):
        # In units beyond 1e154 a variance is not a number that a float holds; its root still is.
        out = framed * factors[:, :, None] * factors[:, None, :]
    return np.asarray(out.reshape((*fit.sample.batch_shape, *out.shape[1:])))


def _framed_covariance(fit: Fit, kind: str) -> tuple[Array, Array]:
    """Return the covariance in the frame, (R, m, m), and the factors to the user's units, (R, m)."""
    objective = fit.objective
    n = np.ones(objective.size) if fit.sample.truth is not None else objective.total
    if kind == "fisher":
        _require_regular(fit, kind)
        pick, factors = _free_regular(fit)
        return _symmetric_inverse(fisher_information(fit)[pick]) / n[:, None, None], factors
    info = information(fit, kind)
    if kind == "sandwich":
        out = sandwich(info.a, info.b)
    else:
        out = _symmetric_inverse(info.a if kind == "hessian" else info.b)
    return out / n[:, None, None], info.factors


def standard_errors(fit: Fit, kind: str = "sandwich") -> Array:
    """Return the standard errors of the free parameters, (..., m), in the parameters' own units."""
    if kind not in KINDS:
        raise errors.unknown_name("covariance", kind, KINDS)
    if fit.on_simplex:
        return np.asarray(np.sqrt(np.diagonal(_simplex_covariance(fit), axis1=-2, axis2=-1)))
    framed, factors = _framed_covariance(fit, kind)
    out = np.sqrt(np.diagonal(framed, axis1=1, axis2=2)) * factors
    return np.asarray(out.reshape((*fit.sample.batch_shape, out.shape[1])))


def sandwich(a: Array, b: Array) -> Array:
    """Return A⁻¹BA⁻¹; an infinite entry of B reaches only what A⁻¹ ties to it."""
    inverse = _symmetric_inverse(a)
    if np.all(np.isfinite(b)):
        out = inverse @ b @ inverse
    else:
        terms = inverse[:, :, :, None, None] * b[:, None, :, :, None] * inverse[:, None, None, :, :]
        # 0 · ∞ is 0 here: no weight on an infinite moment.
        free = (inverse[:, :, :, None, None] == 0) | (inverse[:, None, None, :, :] == 0)
        small = np.abs(inverse) < 1e-12 * np.abs(inverse).max(axis=(1, 2), keepdims=True)
        free |= small[:, :, :, None, None] | small[:, None, None, :, :]
        out = np.where(free, 0.0, terms).sum(axis=(2, 3))
    return np.asarray(0.5 * (out + np.swapaxes(out, -1, -2)))


def _simplex_covariance(fit: Fit) -> Array:
    """Multinomial covariance (diag(q) − qq')/n on the face of the cells that were seen."""
    objective = fit.objective
    (q,) = fit.framed
    n = np.ones(objective.size) if fit.sample.truth is not None else objective.total
    # At the optimum q = p̂, so that A = B: sandwich, Hessian, expected information and outer product agree.
    out = (q[:, :, None] * np.eye(q.shape[1]) - q[:, :, None] * q[:, None, :]) / n[:, None, None]
    return np.asarray(out.reshape((*fit.sample.batch_shape, *out.shape[1:])))


def trace_term(fit: Fit) -> Array:
    """Return tr(A⁻¹B), the effective number of parameters of Takeuchi (1976), (R,)."""
    if fit.on_simplex:
        (q,) = fit.framed
        return np.asarray((q > 0).sum(axis=1) - 1.0)
    info = information(fit, "TIC")
    if np.all(np.isfinite(info.b)):
        return np.asarray(np.trace(_symmetric_inverse(info.a) @ info.b, axis1=1, axis2=2))
    return np.full(fit.objective.size, np.inf)
