r"""A closed-form proof that a regression's maximum exists, and how far above it a fit may lie.

For the logistic, the softmax and the Poisson likelihood with its logarithmic link, the third
derivative of the mean cross-entropy F along v is at most max\|z'v\| times the second, z running over
the rows x of the design (for the softmax over x ⊗ (e_k − e_l)): the third cumulant of a variable is at
most its range times its variance, and for a Poisson log link third and second derivative differ by
the factor x'v. In the norm of the Hessian H at β, \|z'v\| ≤ κ‖v‖ with κ² = max z'H⁻¹z, so that

    F(β + v) ≥ F(β) + g'v + (e^{−κδ} + κδ − 1)/κ²,   δ = ‖v‖ .

With the Newton decrement ν² = g'H⁻¹g the right side has a minimum if νκ < 1. Then the minimum of F
exists, is unique, lies within δ ≤ −log(1 − νκ)/κ, and F(β) exceeds it by at most
[(1 − νκ) log(1 − νκ) + νκ]/κ² (self-concordance: Bach 2010, Electronic J. Statistics 4, 384-414).
Separated data are never certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece.design import Design
from mlece.math import Array, log1p
from mlece.regression.rowspace import blocks

_EPS = float(np.finfo(float).eps)
# Below, the series to s^16; above, the closed form loses three digits at most.
_SERIES = 0.1
_TERMS = 17
_CLOSE = 1e-3  # νκ from which a smaller κ would lower the bound by less than 0.04 %
_ROUNDING = 8.0  # of k ε times the condition number: Cholesky's and the substitution's errors
_LOST = 16 * _EPS  # of the terms of a gradient: predictors, residuals and their sum are rounded
_UNTRUSTED = 0.1  # a correction for rounding beyond this proves nothing


@dataclass(frozen=True, eq=False)
class ExcessBound:
    """What gradient and Hessian at one point prove about the minimum; arrays have the batch shape.

    Parameters
    ----------
    nu : array
        Newton decrement, an upper bound.
    kappa : array
        Largest size of a row in the norm of the inverse Hessian, an upper bound.
    excess : array
        Upper bound of the mean cross-entropy above its minimum, in nats; infinite where nothing is
        proved.
    radius : array
        Upper bound of the distance to the minimiser in the norm of the Hessian; infinite likewise.
    """

    nu: Array
    kappa: Array
    excess: Array
    radius: Array

    @property
    def exists(self) -> Array:
        """Whether the minimum is proved to exist and to be unique."""
        return np.isfinite(self.excess)


def excess(nu: Array, kappa: Array) -> Array:
    """Return [(1 − νκ) log(1 − νκ) + νκ]/κ², infinite unless νκ < 1.

    Parameters
    ----------
    nu, kappa : array
        Not negative.

    Examples
    --------
    >>> from mlece.regression.self_concordance import excess
    >>> float(excess(1e-9, 3.0)), float(excess(0.5, 2.0))
    (5.0000000050000005e-19, inf)
    """
    nu, kappa = np.broadcast_arrays(np.asarray(nu, dtype=float), np.asarray(kappa, dtype=float))
    s = nu * kappa
    small = np.where(s < _SERIES, s, 0.0)
    share = np.zeros(s.shape)
    for j in range(_TERMS + 1, 1, -1):  # Σ s^(j−2) / (j (j − 1)), from its last term
        share = share * small + 1.0 / (j * (j - 1))
    far = np.where((s >= _SERIES) & (s < 1), s, 0.5)
    closed = ((1 - far) * log1p(-far) + far) / far**2
    with np.errstate(invalid="ignore"):
        out = nu**2 * np.where(s < _SERIES, share, closed)
    return np.asarray(np.where(s < 1, out, np.inf))


def _radius(nu: Array, kappa: Array) -> Array:
    """Return −log(1 − νκ)/κ, infinite unless νκ < 1."""
    s = nu * kappa
    inside = s < 1
    share = np.where(inside & (s > 0), s, 0.5)
    ratio = np.where(s > 0, -log1p(-share) / share, 1.0)
    return np.asarray(np.where(inside, np.where(inside, nu, 0.0) * ratio, np.inf))


def certify(
    gradient: Array,
    hessian: Array,
    design: Any,
    classes: int = 2,
    reference: int = 0,
    magnitude: Array | float = 1.0,
    sharp: bool = False,
    sizes: tuple[Array, Array] | None = None,
) -> ExcessBound:
    r"""Bound the excess of the mean cross-entropy of a logistic, softmax or Poisson regression.

    Parameters
    ----------
    gradient : array (..., k)
        Of the mean cross-entropy.
    hessian : array (..., k, k)
        Of the same, or any lower bound of it: of a sum over some of the observations, divided by
        the number of all, ν and κ are upper bounds, and the proof holds.
    design : array or scipy.sparse array (n, p)
        Shared by a batch. Rows without weight may be left out; none that has weight may.
    classes : int
        2 for logistic and Poisson regressions (k = p); K for a softmax regression with
        k = (K − 1) p, the coefficients of one class after those of another.
    reference : int
        The class of a softmax regression that has no coefficients.
    magnitude : float or array (...)
        Bound of what is subtracted in a residual: 1 for probabilities, the largest count or mean for
        counts. The gradient's rounding errors are taken to be 16 ε times that and the mean absolute
        entry of each column: on the way to infinity residuals round to 0 while the Hessian does not.
    sharp : bool
        Whether κ is computed exactly even where a bound of it, which needs no products of rows with
        a matrix, is as good.
    sizes : (array (p,), array (p,)), optional
        Largest absolute entry of each column and their mean, where they are known.

    Returns
    -------
    ExcessBound

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.regression.self_concordance import certify
    >>> x, y = np.column_stack([np.ones(4), np.arange(4.0)]), np.array([0, 1, 1, 0])
    >>> p = 1 / (1 + np.exp(-0.1 * x[:, 1]))
    >>> found = certify(x.T @ (p - y) / 4, (x.T * (p * (1 - p))) @ x / 4, x)
    >>> bool(found.exists), round(float(found.excess), 4)
    (True, 0.005)
    """
    gradient, hessian = np.asarray(gradient, dtype=float), np.asarray(hessian, dtype=float)
    shape, k = gradient.shape[:-1], gradient.shape[-1]
    g = gradient.reshape(-1, k)
    h = np.broadcast_to(hessian, (*shape, k, k)).reshape(-1, k, k)
    most, mean = Design(design, ()).sizes if sizes is None else sizes
    share = _LOST * np.tile(mean, classes - 1)
    e = np.broadcast_to(np.asarray(magnitude)[..., None] * share, gradient.shape).reshape(-1, k)

    nu, kappa = np.full(len(g), np.inf), np.full(len(g), np.inf)
    good, size, least, inflation, root = _factored(h)
    if good.size:
        # ‖L⁻¹(g + e)‖ for the worst signs of the errors e.
        moved = np.abs((root @ g[good, :, None])[..., 0])
        moved += (np.abs(root) @ e[good, :, None])[..., 0]
        nu[good] = np.linalg.norm(moved, axis=1) * inflation
        reach = _cheap_reach(most, size, least, classes, reference) * inflation
        loose = sharp | ~(nu[good] * reach <= _CLOSE)
        if loose.any():
            own = _reach(design, root[loose], classes, reference) * inflation[loose]
            reach[loose] = np.minimum(reach[loose], own)
        kappa[good] = reach
    found = (nu, kappa, excess(nu, kappa), _radius(nu, kappa))
    return ExcessBound(*(np.reshape(value, shape) for value in found))


def _factored(h: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return what is needed of the Hessians that are safely positive definite.

    Returns
    -------
    good : array of int (g,)
        Their positions in the batch.
    size : array (g, k)
        Diagonal entries.
    least : array (g,)
        Smallest eigenvalue once the diagonal is scaled to 1.
    inflation : array (g,)
        Factor that covers the rounding of norms in the inverse Hessian.
    root : array (g, k, k)
        L⁻¹ with H = LL'.
    """
    size = np.diagonal(h, axis1=1, axis2=2)
    proper = np.flatnonzero(np.isfinite(h).all(axis=(1, 2)) & (size > 0).all(axis=1))
    scale = np.sqrt(size[proper])
    unit = h[proper] / (scale[:, :, None] * scale[:, None, :])
    values = np.linalg.eigvalsh(unit)
    lost = _ROUNDING * h.shape[1] * _EPS * values[:, -1:].sum(axis=1)
    safe = lost < _UNTRUSTED * values[:, 0]
    proper, scale, least = proper[safe], scale[safe], values[safe, 0] - lost[safe]
    root = np.linalg.inv(np.linalg.cholesky(unit[safe])) / scale[:, None, :]
    return proper, scale**2, least, 1 / np.sqrt(1 - lost[safe] / values[safe, 0]), root


def _by_class(values: Array, classes: int, reference: int) -> Array:
    """Split the last axis (…, k) by class, with zeros for the reference: (…, K, p)."""
    own = values.reshape(*values.shape[:-1], classes - 1, -1)
    return np.insert(own, reference % classes, 0.0, axis=-2)


def _top_two(a: Array) -> Array:
    """Return the sum of the two largest entries along the first axis."""
    return np.asarray(np.partition(a, len(a) - 2, axis=0)[-2:].sum(axis=0))


def _cheap_reach(most: Array, size: Array, least: Array, classes: int, reference: int) -> Array:
    """Bound κ by z'H⁻¹z ≤ Σ z_j²/H_jj over the smallest eigenvalue of the scaled Hessian, (g,).

    No entry of z is larger than the largest of its column, ``most`` (p,).
    """
    sums = _by_class(1 / size, classes, reference) @ np.square(most)
    return np.asarray(np.sqrt(_top_two(sums.T) / least))


def _reach(design: Any, root: Array, classes: int, reference: int) -> Array:
    """Return κ, the largest norm of L⁻¹ z, (g,)."""
    split = _by_class(root, classes, reference)
    best = np.zeros(len(root))
    for first in range(classes):
        for second in range(first):
            # Rows meet the difference of two classes' columns; its triangle has the same norms.
            own = split[:, :, first] - split[:, :, second]
            factor = np.asarray(np.linalg.qr(own, mode="r"))
            best = np.maximum(best, _longest(design, factor))
    return best


def _longest(design: Any, factor: Array) -> Array:
    """Return the largest norm of a row of the design times each factor', (g,)."""
    g, q, p = factor.shape
    wide = np.ascontiguousarray(factor.reshape(g * q, p).T)
    best = np.zeros(g)
    for rows in blocks(design, g * q):
        image = np.asarray(design[rows] @ wide).reshape(-1, g, q)
        best = np.maximum(best, np.einsum("igq,igq->ig", image, image).max(axis=0))
    return np.sqrt(best)
