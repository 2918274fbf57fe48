"""Expectations over nodes, and whether they are finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece import errors
from mlece.math import Array, expm1, log
from mlece.sources.ends import FLAT, End, beyond, far_end, power
from mlece.sources.nodes import Nodes
from mlece.sources.pieces import HALF_PI
from mlece.sources.rows import RowNodes

_DEAD = 1e-30
_DEGREE = 4  # log squared, squared
_ROUNDING = 1e-13  # mass of q beyond the nodes of p that counts as none
_POLYNOMIAL = 1e-12  # relative misfit of an integrand that is a polynomial in the log distance


@dataclass(frozen=True)
class Tail:
    """What lies beyond the outermost nodes on one side.

    Parameters
    ----------
    diverges : bool
        Whether the terms fail to decay.
    rest : float
        The sum of the terms beyond, continued as a power of the distance (0 where it does not
        matter).
    sign : float
        Sign of the outermost term.
    """

    diverges: bool
    rest: float
    sign: float


def _far_tail(law: Nodes, end: End, values: Array) -> Tail:
    """Judge a tail that reaches so far that the law is a power of the distance there.

    The integrand is taken as a whole power of the distance times a polynomial in its logarithm where that
    fits, as a power else.
    """
    g, x = values[end.index], end.x - end.x[-1]
    z = -x / x[0]
    few = max(x.size - 9, 0)
    found = float((log(np.abs(g[-1])) - log(np.abs(g[few]))) / (x[-1] - x[few]))
    growth, polynomial = found, np.array([g[-1]])
    for whole in dict.fromkeys((float(round(found)), 0.0)):
        with np.errstate(over="ignore", under="ignore"):
            rest = g * np.exp(-whole * x)
        fitted = _polynomial(z, rest) if np.isfinite(rest).all() else None
        if fitted is not None:
            growth, polynomial = whole, fitted
            break
    sign = float(np.sign(g[-1]))
    if power(end, law.mass)[1] + growth > -FLAT:
        return Tail(True, 0.0, sign)
    more = beyond(law, end, growth)
    if more is None:
        return Tail(False, 0.0, sign)
    return Tail(False, float(np.exp(more[1]) @ np.polyval(polynomial, -more[0] / x[0])), sign)


def _polynomial(z: Array, g: Array) -> Array | None:
    """Return the coefficients of the polynomial of lowest degree that g is, None if it is none."""
    for degree in range(_DEGREE + 1):
        fitted = np.polyfit(z, g, degree)
        if np.abs(np.polyval(fitted, z) - g).max() <= _POLYNOMIAL * np.abs(g).max():
            return np.asarray(fitted)
    return None


def _tail(law: Nodes, values: Array, upper: bool) -> Tail:
    """Judge one tail from its outermost terms.

    Written per unit of log distance, u'(t) = ½π cosh t apart, the terms of a power tail fall like a
    power of the distance. The exponent comes from the outermost nodes; terms that do not fall have
    no finite sum.
    """
    terms = law.mass * values
    t = law.angle if upper else -law.angle[::-1]
    ordered = terms if upper else terms[::-1]
    if t.size < 9 or not t[-1] > 0 or ordered[-1] == 0:
        return Tail(False, 0.0, 0.0)
    end = far_end(law, upper)
    if end is not None and np.all(terms[end.index] != 0):
        return _far_tail(law, end, values)
    u = HALF_PI * np.sinh(np.abs(t[-9:]))
    with np.errstate(divide="ignore"):
        height = log(np.abs(ordered[-9:])) - log(np.cosh(t[-9:]))
    sign = float(np.sign(ordered[-1]))
    if not np.isfinite(height).all():
        return Tail(False, 0.0, sign)
    slope = float((height[-1] - height[0]) / (u[-1] - u[0]))
    return Tail(slope > -FLAT, 0.0, sign)


def _reaches(law: Nodes, values: Array) -> bool:
    """Tell whether the outermost terms are of any size: those of a tail that matters do not die out."""
    terms = np.abs(law.mass * values)
    return bool(max(terms[0], terms[-1]) > _DEAD * terms.sum())


def _tails(law: Nodes | RowNodes, values: Array) -> tuple[Tail, ...]:
    if isinstance(law, RowNodes):
        sides = [_tails(one, own) for one, own in law.directions(values) if _reaches(one, own)]
        return tuple(tail for pair in sides for tail in pair)
    none = Tail(False, 0.0, 0.0)
    lower = _tail(law, values, False) if law.open_ends[0] else none
    upper = _tail(law, values, True) if law.open_ends[1] else none
    return lower, upper


def tail_divergent(law: Nodes | RowNodes, values: Array) -> bool:
    """Return whether E|g(Y)| is infinite, as far as the outermost nodes tell.

    Parameters
    ----------
    law : Nodes or RowNodes
        The distribution; of a joint one every direction is judged, the others summed.
    values : array (m,)
        g at its nodes.

    Returns
    -------
    bool
        True where a value is infinite, or where on a side that reaches to infinity (or to an end at
        zero) the terms weight times |g|, per unit of log distance, do not fall at least like the
        power -1e-7 of the distance over the outermost nine nodes.

    Notes
    -----
    The outermost nodes lie where the weight underflows, at distances up to 1e300; an expectation
    that diverges more slowly than any power is not told from a convergent one.

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.sources.distribution import nodes
    >>> from mlece.sources.expectation import tail_divergent
    >>> heavy, lighter = nodes(StudentT(2, 0, 1)), nodes(StudentT(2.1, 0, 1))
    >>> tail_divergent(heavy, heavy.values**2), tail_divergent(lighter, lighter.values**2)
    (True, False)
    """
    values = _column(law, values)
    if np.isinf(values).any():
        return True
    if isinstance(law, RowNodes):
        # Rows of opposite signs shall not hide each other.
        values = np.abs(values)
    return any(tail.diverges for tail in _tails(law, values))


def _column(law: Nodes | RowNodes, values: Array) -> Array:
    values = np.asarray(values, dtype=float)
    bad = np.isnan(values)
    if bad.any():
        raise errors.DataError(
            errors.message(
                "an integrand that is a number at every node", errors.offenders(bad, values)
            )
        )
    if values.shape[:1] != law.values.shape:
        raise errors.DataError(
            errors.message(f"one value for each of {law.count} nodes", f"shape {values.shape}")
        )
    return values


def _expectation(law: Nodes | RowNodes, values: Array) -> float:
    if np.isinf(values).any():
        signs = {float(s) for s in np.sign(values[np.isinf(values)])}
    else:
        tails = _tails(law, values)
        signs = {tail.sign for tail in tails if tail.diverges}
        if not signs:
            return _summed(law, values) + sum(tail.rest for tail in tails)
    if len(signs) > 1:
        raise errors.NoDensityError(
            errors.message(
                "an expectation that exists", "one that is +inf on one side and -inf on the other"
            )
        )
    return signs.pop() * np.inf


def _summed(law: Nodes | RowNodes, values: Array) -> float:
    """Sum over the nodes, what is beyond them left out."""
    if isinstance(law, Nodes):
        return float((law.mass * values).sum())
    beyond = sum(float((one.weights - one.mass) @ own) for one, own in law.directions(values))
    return float(law.weights @ values) - beyond


def expectation(law: Nodes | RowNodes, values: Array) -> Array:
    """Return E[g(Y)] from the values of g at the nodes.

    Parameters
    ----------
    law : Nodes or RowNodes
        The distribution; of a joint one every direction is judged, the others summed.
    values : array (m,) or (m, j)
        One integrand, or j of them.

    Returns
    -------
    array () or (j,)
        The expectations. Infinite where g is infinite on a node (every node has positive weight)
        and where a tail diverges in the sense of :func:`tail_divergent`.

    Raises
    ------
    DataError
        If a value is NaN, or the number of values is not that of the nodes.
    NoDensityError
        If the parts above and below zero are both infinite.

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.sources.distribution import nodes
    >>> from mlece.sources.expectation import expectation
    >>> law = nodes(StudentT(df=1, loc=0, scale=1))
    >>> float(expectation(law, abs(law.values)))
    inf
    """
    values = _column(law, values)
    if values.ndim == 1:
        return np.asarray(_expectation(law, values))
    return np.array([_expectation(law, column) for column in values.T])


def divergence(law: Nodes | RowNodes, log_ratio: Array) -> float:
    """Return KL from log r = log q - log p at the nodes of p.

    Where q has no mass away from p's nodes, E_p[r - 1] = 0 and KL = E_p[r - 1 - log r], a mean of
    terms that cannot be negative and whose parts do not cancel. Otherwise q misses a mass m there,
    KL >= -log(1 - m) > m, and the plain mean of -log r stays far from zero.

    Parameters
    ----------
    law : Nodes or RowNodes
        p.
    log_ratio : array (m,)
        log q - log p at its nodes.
    """
    if np.isneginf(log_ratio).any():
        return np.inf
    plain = float(expectation(law, -log_ratio))
    if np.isinf(plain):
        return plain
    with np.errstate(over="ignore"):
        excess = expm1(log_ratio)
        balance = float(law.weights @ excess)
    if not abs(balance) <= _ROUNDING or plain > 1.0:
        return plain
    small = np.abs(log_ratio) < 1e-3
    # e^x - 1 - x by its series where the difference cancels.
    x = np.where(small, log_ratio, 0.0)
    series = x * x * (0.5 + x * (1 / 6 + x * (1 / 24 + x / 120)))
    terms = np.where(small, series, excess - log_ratio)
    return float(law.weights @ terms)
