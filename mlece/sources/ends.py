"""The mass of a law beyond the floats: nearer to a singular end, or further out, than any node.

A gamma law of shape 0.001 has half of its mass below 1e-300, a beta law of exponent 0.01 seven tenths of
it within 1e-16 of the end at 1, and E Y² of Student's t with 2.001 degrees comes mostly from beyond 1e150.
That mass is put on the outermost nodes in such a way that sums stay right for what families have to sum
there: polynomials in x, the logarithm of the distance (up to x⁴, the square of a squared logarithm, as
far as rounding allows), times the highest whole power of the distance that the law lets converge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlece.math import Array, log
from mlece.sources.nodes import Nodes
from mlece.sources.pieces import HALF_PI

FLAT = 1e-7  # a tail term that falls more slowly than this power of the distance has no finite sum
# Degrees of the polynomials that the weights sum beyond the nodes, and how much a weight may grow for that:
# the rounding of large weights shows, and so do integrands that are no polynomials.
_DEGREES = {4: 300.0, 2: 1e4, 1: 1e4, 0: np.inf}
_FAR = 100.0  # logarithm of the distance from which on a tail is its leading power
_SPAN = (
    0.5  # stretch of t over which the outermost nodes show that power: half of their log distance
)
_FORGOTTEN = 45.0  # exp(-45) of a sum is below its rounding
_STRAIGHT = 1e-9  # a bend of the log density over the stretch that is rounding


def tilted(basis: Array, w: Array, wanted: Array) -> Array:
    """Return weights w (1 + q), q a combination of functions, that sum these functions to given values.

    Some of the weights may be negative where much mass lies beyond the points.

    Parameters
    ----------
    basis : array (j, m)
        The functions at the points, the first of them 1.
    w : array (m,)
        The weights.
    wanted : array (j,)
        The sums.
    """
    gram = (basis * w) @ basis.T
    size = np.sqrt(np.diagonal(gram))
    q = np.linalg.solve(gram / size / size[:, None], (wanted - basis @ w) / size) / size
    return np.asarray(w * (1.0 + q @ basis))


@dataclass(frozen=True)
class End:
    """The outermost nodes on one side, where the law is a power of the distance.

    Parameters
    ----------
    index : array of int (j,)
        The nodes, the outermost last.
    x : array (j,)
        Logarithm of the distance in units of the bulk, larger further out (nearer to an end at 0).
    t : array (j,)
        Their t, positive.
    """

    index: Array
    x: Array
    t: Array


def far_end(law: Nodes, upper: bool) -> End | None:
    """Return the outermost nodes on a side where expectations can diverge, if they lie far enough out."""
    if not law.open_ends[upper]:
        return None
    t = law.angle if upper else -law.angle[::-1]
    if t.size < 9 or not t[-1] > 0:
        return None
    # The nodes of the outermost piece alone: in the others t starts again.
    first = int(np.max(np.flatnonzero(np.diff(t) <= 0), initial=-1)) + 1
    index = np.arange(first, t.size)
    index = index[t[first:] >= max(t[-1] - _SPAN, 0.0)]
    t = t[index]
    index = index if upper else law.count - 1 - index
    total = law.mass.sum()
    quartiles = law.values[np.searchsorted(np.cumsum(law.mass), [0.25 * total, 0.75 * total])]
    # A law may spread over hundreds of decades: the quartile on the other side is the nearest to its bulk.
    zero = np.abs(law.values[index[-1]]) < np.abs(quartiles).min()
    sizes = np.abs(quartiles)[quartiles != 0]
    unit = (sizes.max() if zero else sizes.min()) if sizes.size else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        x = log(np.abs(law.values[index])) - log(unit)
    x = x if x[-1] > 0 else -x
    if not (x[-1] > _FAR and x[0] > 0.25 * x[-1] and x.size >= 5):
        return None
    return End(index, x, t)


def power(end: End, masses: Array) -> tuple[float, float, float]:
    """Return c, s and b of log mass = c + s (x − x_last) + b (x − x_last)², per unit of x."""
    height = log(masses[end.index]) - log(np.cosh(end.t))
    x = end.x - end.x[-1]
    width = -x[0]
    b, s, c = np.polyfit(x / width, height, 2)
    if abs(b) <= _STRAIGHT or b > 0:
        b, (s, c) = 0.0, np.polyfit(x / width, height, 1)
    return float(c), float(s / width), float(b / width**2)


def beyond(law: Nodes, end: End, order: float) -> tuple[Array, Array] | None:
    """Return x − x_last and the logarithm of mass times distance^order beyond the outermost node.

    The distance is in units of the outermost node. None where the sum has all but ended there, or does not
    converge.
    """
    height, slope, bend = power(end, law.mass)
    fall = slope + order
    if fall > -FLAT or fall * end.x[-1] < -_FORGOTTEN:
        return None
    u = HALF_PI * np.sinh(end.t)
    rate = (end.x[-1] - end.x[0]) / (u[-1] - u[0])
    last = np.arcsinh((u[-1] - _FORGOTTEN / (fall * rate)) / HALF_PI)
    t = np.arange(end.t[-1], last, 2.0**-law.level)[1:]
    x = rate * (HALF_PI * np.sinh(t) - u[-1])
    return x, height + fall * x + bend * x**2 + log(np.cosh(t))


def completed(law: Nodes) -> Nodes:
    """Put the mass beyond the outermost nodes on either side onto them, where it matters."""
    weights = law.weights.copy()
    for side in (False, True):
        end = far_end(law, side)
        if end is None:
            continue
        _, slope, bend = power(end, law.mass)
        # The highest power that converges; all do where the tail bends down.
        order = max(np.ceil(-slope - FLAT) - 1.0, 0.0) if bend == 0 else 0.0
        further = beyond(law, end, order)
        if further is None:
            continue
        x = end.x - end.x[-1]
        own = log(law.mass[end.index]) + order * x
        top = own.max()
        inner = np.exp(own - top)
        z, all_z = ((v - x.mean()) / np.ptp(x) for v in (x, np.append(x, further[0])))
        all_w = np.append(inner, np.exp(further[1] - top))
        for degree, most in _DEGREES.items():
            basis, all_basis = (np.vander(v, degree + 1, True).T for v in (z, all_z))
            factor = tilted(basis, inner, all_basis @ all_w) / inner
            if np.abs(factor).max() <= most:
                break
        weights[end.index] = law.mass[end.index] * factor
    return replace(law, weights=weights)
