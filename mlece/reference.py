"""Reference values for the property suite: sums and adaptive quadrature of a known density."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlece.families.labels import Labelled
from mlece.math import Array
from mlece.model import Model


def ends(member: Model) -> tuple[float, float]:
    """Return the ends of the support."""
    lower, upper = member.bounds(member.theta)
    return float(lower), float(upper)


def mass_points(member: Model) -> Array:
    """Return the points of a discrete member until their mass is exhausted."""
    if isinstance(member, Labelled):
        return np.arange(float(len(member.labels or ())))
    lower, upper = ends(member)
    if np.isfinite(upper):
        return np.arange(lower, upper + 1)
    size, start = 64, lower if np.isfinite(lower) else -4096.0
    while size < 2**22:
        points = start + np.arange(size)
        mass = np.exp(log_mass(member, points))
        if mass.sum() > 0.5 and mass[-size // 4 :].sum() < 1e-18:
            return points
        size *= 2
    raise AssertionError(f"{member!r}: the mass of 4 million points does not reach 1")


def log_mass(member: Model, points: Array) -> Array:
    """Return the log density, or log mass, at points as the engine has them."""
    return member.log_density(member.decode(points) if member.support.discrete else points)


def pieces(member: Model) -> Iterator[tuple[float, float]]:
    """Split the support where the density bends: quantiles or frame multiples, and its kinks."""
    lower, upper = ends(member)
    if member.has("_quantile"):
        marks = list(member.quantile(np.array([1e-3, 0.05, 0.3, 0.5, 0.7, 0.95, 0.999])))
    else:
        shift, scale = member.own_frame(member.theta)
        marks = [float(shift) + k * float(scale) for k in (-9, -3, -1, 0, 1, 3, 9)]
    marks += [float(b) for b in member._breakpoints(*member.theta)]
    inner = sorted({m for m in map(float, marks) if lower < m < upper})
    yield from zip([lower, *inner], [*inner, upper], strict=True)


def expectation(member: Model, function: Callable[[Array], Array]) -> Array:
    """Return E[f(Y)] of a vector function by adaptive quadrature, or by a sum for a discrete law.

    Parameters
    ----------
    member : Model
        A known model without batch axes.
    function : callable
        Maps observations (n,) to an array (m, n).

    Returns
    -------
    array
        Shape (m,).
    """
    if member.support.discrete:
        points = mass_points(member)
        mass = np.exp(log_mass(member, points))
        terms = np.where(mass > 0, function(points), 0.0)
        return np.asarray(terms @ mass)
    from scipy.integrate import quad_vec

    def integrand(y: float) -> Array:
        point = np.array([y])
        density = member.density(point)
        if not (np.isfinite(density).all() and density > 0):
            return np.zeros(len(function(np.array([middle]))))
        return np.asarray(function(point) * density)[:, 0]

    total: Any = 0.0
    for a, b in pieces(member):
        middle = 0.5 * (a + b) if np.isfinite(a + b) else (a + 1 if np.isfinite(a) else b - 1)
        total = total + quad_vec(integrand, a, b, epsabs=1e-11, epsrel=1e-11, limit=2000)[0]
    points, masses = atoms(member)
    return np.asarray(total + function(points) @ masses if points.size else total)


def atoms(member: Model) -> tuple[Array, Array]:
    """Return the points of positive mass of a law with a density elsewhere, and their masses."""
    if not member.has("_atoms"):
        return np.empty(0), np.empty(0)
    at, mass = member._atoms(*member.theta)
    return np.atleast_1d(at), np.atleast_1d(mass)
