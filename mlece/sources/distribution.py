"""A known distribution as a short weighted sample.

A discrete law becomes its support with its probabilities. A continuous law becomes the nodes and
weights of double-exponential quadrature (Takahasi and Mori 1974, Publ. RIMS 9, 721-741): between
break points (the ends of the support, the kinks that the density declares, the median) the line is
mapped to t in such a way that the trapezoidal rule in t converges at an exponential rate, singular
ends and heavy tails included:

    half line from b      y = b ± s exp(½π sinh t)
    interval (a, b)       y = a + (b - a) / (1 + exp(-π sinh t))     (tanh-sinh)

Densities enter through their logarithm, and distances are taken from the nearest end, so that nodes
reach down to 1e-300 beside a singular end at zero and out to 1e300 in a tail.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mlece import errors
from mlece.math import Array, expit, log, log1p
from mlece.model import Model

MASS_TOLERANCE = 1e-8  # a law whose nodes miss more is refused: not normalised, or not resolved
# Halving the step squares the error exp(-c / h): a movement of 1e-11 leaves rounding only.
SETTLED = 1e-11
FIRST_LEVEL, LAST_LEVEL = 4, 9
LARGEST_SUPPORT = 2**22
TAIL_MASS = 1e-18
_LOG_SMALLEST = -702.0  # log of the smallest weight kept, above the subnormal numbers
_LOG_LARGEST = 700.0
_HALF_PI = 0.5 * np.pi
_REACH = 16.0  # quartile distances around the median that form a piece of their own
_FLAT = 1e-7  # a tail term that falls more slowly than this power of the distance has no finite sum


@dataclass(frozen=True)
class Nodes:
    """A distribution as weighted points, in increasing order.

    Parameters
    ----------
    values : array (m,)
        The points, in the units of the observations (codes for categories).
    weights : array (m,)
        Positive weights that sum to 1 up to rounding.
    level : int
        The step in t was 2^-level (0 for discrete laws).
    angle : array (m,)
        The t of each point; NaN for discrete laws.
    open_ends : (bool, bool)
        Whether the lower and the upper end is one where an expectation can diverge: an infinite
        end, or an end at zero. False for discrete laws.
    """

    values: Array
    weights: Array
    level: int
    angle: Array
    open_ends: tuple[bool, bool] = (False, False)

    @property
    def count(self) -> int:
        """Number of points."""
        return self.values.size


# ---------------------------------------------------------------------------- pieces of the line


@dataclass(frozen=True)
class Piece:
    """One stretch between break points, and its map to t.

    Parameters
    ----------
    lower, upper : float
        The ends; at most one is infinite.
    scale : float
        Unit of distance on a half line.
    deep : (bool, bool)
        Whether the lower and the upper end may be singular, so that nodes go as near as floats
        allow.
    """

    lower: float
    upper: float
    scale: float
    deep: tuple[bool, bool]

    def at(self, t: Array) -> tuple[Array, Array]:
        """Return y(t) and log dy/dt."""
        u = _HALF_PI * np.sinh(t)
        log_rate = log(_HALF_PI * np.cosh(t))
        if np.isinf(self.upper):
            with np.errstate(over="ignore"):
                step = self.scale * np.exp(u)
            return self.lower + step, log_rate + u + log(self.scale)
        if np.isinf(self.lower):
            # t is mirrored so that y increases with t.
            with np.errstate(over="ignore"):
                step = self.scale * np.exp(-u)
            return self.upper - step, log_rate - u + log(self.scale)
        width = self.upper - self.lower
        y = np.where(u < 0, self.lower + width * expit(2 * u), self.upper - width * expit(-2 * u))
        # dy/dt = width 2 u' e^(-2|u|) / (1 + e^(-2|u|))^2
        log_jacobian = log(2 * width) + log_rate - 2 * np.abs(u) - 2 * log1p(np.exp(-2 * np.abs(u)))
        return y, log_jacobian

    def inverse(self, y: Array) -> Array:
        """Return the t of a point inside the piece (its limits at the ends)."""
        with np.errstate(divide="ignore"):
            if np.isinf(self.upper):
                u = log((y - self.lower) / self.scale)
            elif np.isinf(self.lower):
                u = -log((self.upper - y) / self.scale)
            else:
                u = 0.5 * (log(y - self.lower) - log(self.upper - y))
        low, high = self.range()
        return np.asarray(np.minimum(np.maximum(np.arcsinh(u / _HALF_PI), low), high))

    def range(self) -> tuple[float, float]:
        """Return the t between which nodes can carry weight."""
        span = self.scale if np.isinf(self.upper - self.lower) else self.upper - self.lower

        def near(end: float, deep: bool) -> float:
            return -_LOG_LARGEST - float(log(span)) if deep and end == 0 else -45.0

        if np.isinf(self.upper):
            low, high = near(self.lower, self.deep[0]), _LOG_LARGEST - float(log(self.scale))
        elif np.isinf(self.lower):
            low, high = float(log(self.scale)) - _LOG_LARGEST, -near(self.upper, self.deep[1])
        else:
            low = 0.5 * near(self.lower, self.deep[0])
            high = -0.5 * near(self.upper, self.deep[1])
        return float(np.arcsinh(low / _HALF_PI)), float(np.arcsinh(high / _HALF_PI))


def _pieces(model: Model, quartiles: Array) -> list[Piece]:
    """Cut the support at kinks, at the median and, for a narrow law, around it."""
    q1, middle, q3 = (float(q) for q in quartiles)
    theta = model.theta
    lower, upper = (float(end) for end in model.bounds(theta))
    kinks = {float(b) for b in np.ravel(np.asarray(model._breakpoints(*theta), dtype=float))}
    kinks = {b for b in kinks if lower < b < upper}
    singular = {lower, upper, *kinks}
    spread = max(q3 - q1, np.finfo(float).tiny)
    below = middle - q1 if middle > q1 else spread
    above = q3 - middle if q3 > middle else spread
    points = {b for b in (lower, upper, *kinks) if np.isfinite(b)}
    # A declared kink beside the median serves in its place.
    if not any(abs(b - middle) <= 1e-6 * spread for b in points):
        points.add(middle)
    for end, edge in ((lower, middle - _REACH * below), (upper, middle + _REACH * above)):
        narrow = np.isfinite(end) and abs(middle - end) > 2 * abs(middle - edge)
        if narrow and not any(abs(b - edge) <= spread for b in kinks):
            points.add(edge)
    inner = sorted(points)
    pieces = [
        Piece(a, b, b - a, (a in singular, b in singular)) for a, b in itertools.pairwise(inner)
    ]
    if np.isinf(lower):
        first = inner[0]
        pieces.insert(0, Piece(-np.inf, first, below, (True, first in kinks)))
    if np.isinf(upper):
        last = inner[-1]
        pieces.append(Piece(last, np.inf, above, (last in singular, True)))
    return pieces


def _weighted(model: Model, piece: Piece, level: int) -> tuple[Array, Array, Array]:
    """Return the nodes of one piece: y, weights, t; those without weight left out."""
    low, high = piece.range()
    h = 2.0**-level
    t = h * np.arange(np.ceil(low / h), np.floor(high / h) + 1)
    y, log_jacobian = piece.at(t)
    log_density = model.log_density(y)
    if np.isfinite(piece.upper - piece.lower):
        u = _HALF_PI * np.sinh(t)
        width = piece.upper - piece.lower
        y, log_density = _beside_end(model, piece, True, width * expit(2 * u), y, log_density)
        y, log_density = _beside_end(model, piece, False, width * expit(-2 * u), y, log_density)
    log_weight = log_density + log_jacobian + log(h)
    keep = np.isfinite(y) & (log_weight > _LOG_SMALLEST)
    return y[keep], np.exp(log_weight[keep]), t[keep]


def _beside_end(
    model: Model, piece: Piece, at_lower: bool, distance: Array, y: Array, log_density: Array
) -> tuple[Array, Array]:
    """Continue a density into the last 1e-6 beside an end other than zero.

    There the distance to the end is lost in the rounding of y. The log density is continued as
    c + a log d + b d through three distances d that floats hold exactly.
    """
    end = piece.lower if at_lower else piece.upper
    inward = np.inf if at_lower else -np.inf
    near = distance < abs(end) * 2.0**-20
    width = piece.upper - piece.lower
    deep = piece.deep[0] if at_lower else piece.deep[1]
    if not deep or not near.any() or width < abs(end) * 2.0**-10:
        return y, log_density
    points = end + np.sign(inward) * abs(end) * 2.0 ** np.array([-20.0, -22.0, -24.0])
    d = np.abs(points - end)
    known = model.log_density(points)
    if not np.isfinite(known).all():
        return y, log_density
    basis = np.stack([np.ones(3), log(d / d[0]), d / d[0]], axis=1)
    c, a, b = np.linalg.solve(basis, known)
    with np.errstate(divide="ignore"):
        continued = c + a * log(distance / d[0]) + b * distance / d[0]
    y = np.where(y == end, np.nextafter(end, inward), y)
    return y, np.where(near, continued, log_density)


def _assemble(model: Model, pieces: list[Piece], level: int) -> Nodes:
    """Join the pieces; points that floats cannot tell apart become one."""
    parts = [_weighted(model, piece, level) for piece in pieces]
    y, w, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = np.append(True, y[1:] > y[:-1])
    start = np.flatnonzero(first)
    ends = (pieces[0].lower, pieces[-1].upper)
    open_ends = tuple(bool(np.isinf(e) or e == 0) for e in ends)
    return Nodes(
        y[start],
        np.add.reduceat(w, start) if start.size else w,
        level,
        t[start],
        (open_ends[0], open_ends[1]),
    )


# --------------------------------------------------------------------- a law without quantiles


def _scan(model: Model, lower: float, upper: float) -> Array:
    """Return points over the support, logarithmic near its ends and zero."""
    ladder = np.sinh(np.linspace(-60.0, 60.0, 6001))
    if np.isfinite(lower) and np.isfinite(upper):
        return lower + (upper - lower) * expit(np.linspace(-36.0, 36.0, 4001))
    if np.isfinite(lower):
        return lower + np.exp(np.linspace(-60.0, 60.0, 6001))
    if np.isfinite(upper):
        return upper - np.exp(np.linspace(60.0, -60.0, 6001))
    return ladder


def _mode_and_width(model: Model) -> tuple[float, float]:
    """Locate the bulk of a density by its logarithm alone.

    The scan finds the best of several thousand points over 50 decades; zooming finds the peak. Log
    densities stay finite where densities underflow, so that the slope leads to a narrow peak far
    off. The width is the distance over which the log density falls by one half.
    """
    lower, upper = (float(end) for end in model.bounds(model.theta))
    grid = _scan(model, lower, upper)
    value = model.log_density(grid)
    # Mass per step of the scan, not the density, decides: a pole of a density holds little mass.
    with np.errstate(divide="ignore"):
        value = value + log(np.gradient(grid))
    if not np.isfinite(value).any():
        raise errors.NoDensityError(
            errors.message(
                f"a density that is positive somewhere, of {model!r}", "none found on 1e-26 to 1e26"
            )
        )
    best = int(np.argmax(value))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    for _ in range(12):
        fine = np.linspace(low, high, 65)
        inside = model.log_density(fine)
        best = int(np.argmax(inside))
        low, high = fine[max(best - 1, 0)], fine[min(best + 1, 64)]
    centre = float(fine[best])
    top = float(inside[best])
    reach = np.exp(np.linspace(-80.0, 80.0, 1601)) * max(abs(centre), 1e-20)
    fallen = (model.log_density(centre + reach) < top - 0.5) & (
        model.log_density(centre - reach) < top - 0.5
    )
    width = float(reach[int(np.argmax(fallen))]) if fallen.any() else 1.0
    return centre, width


def _quartiles(model: Model) -> Array:
    """Return the three quartiles, by the model where it knows them."""
    fractions = np.array([0.25, 0.5, 0.75])
    if model.has("_quantile"):
        return np.asarray(model.quantile(fractions))
    return quantile_by_search(model, fractions)


# ---------------------------------------------------------------------------- nodes


def framed_member(model: Model, shift: float, scale: float) -> Model:
    """Return the law of (Y - shift) / scale within the same family."""
    theta = model.to_frame(model.theta, shift, scale)
    return model.replace(**{p.name: v for p, v in zip(model.params, theta, strict=True)})


def _check_single(model: Model) -> None:
    if model.batch_shape:
        raise errors.ParameterError(
            errors.message(
                "one distribution",
                f"an array of them, shape {model.batch_shape}",
                "Take one member, with scalar slots",
            )
        )


def nodes(model: Model, level: int | None = None) -> Nodes:
    """Return a known distribution as a weighted sample.

    Parameters
    ----------
    model : Model
        A distribution: every slot filled, batch shape ().
    level : int, optional
        Step 2^-level of the trapezoidal rule. By default the step is halved until the mass and the
        entropy move by less than 2e-14 (relative to the larger of 1 and their size).

    Returns
    -------
    Nodes
        Points in increasing order and positive weights: between 100 and some 1,000 for a density;
        for a discrete law its support, but for 1e-18 of the mass in either tail.

    Raises
    ------
    FreeSlotError
        If a slot is free.
    ParameterError
        If the model is an array of distributions.
    NoDensityError
        If the mass does not come to 1 within 1e-8, or a discrete law needs more than 2^22 points.

    Notes
    -----
    Takahasi and Mori (1974). Beside a singular end b other than zero floats stop at a distance of
    1e-16 |b|; the mass of order 1e-16^β that a density (b - y)^(β - 1) has nearer than that is put
    on the nearest float (Beta, β = 1/2: 1e-8).

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.sources.distribution import expectation, nodes
    >>> law = nodes(StudentT(df=5, loc=0, scale=1))
    >>> round(float(expectation(law, law.values**2)), 12)
    1.666666666667
    """
    _check_single(model)
    model.theta  # noqa: B018  (raises where a slot is free)
    if model.support.discrete:
        return _discrete_nodes(model)
    shift, scale = (float(v) for v in model.own_frame(model.theta))
    moved = bool(model.roles()) and (shift, scale) != (0.0, 1.0)
    member = framed_member(model, shift, scale) if moved else model
    found = _settled(member, level)
    if not moved:
        return found
    with np.errstate(over="ignore", under="ignore"):
        values = shift + scale * found.values
    keep = np.isfinite(values)
    keep[keep] = model.log_density(values[keep]) > -np.inf
    starts = np.flatnonzero(np.append(True, values[keep][1:] > values[keep][:-1]))
    law = Nodes(
        values[keep][starts],
        np.add.reduceat(found.weights[keep], starts),
        found.level,
        found.angle[keep][starts],
        found.open_ends,
    )
    return _checked(model, law)


def _settled(model: Model, level: int | None) -> Nodes:
    """Build the nodes at a level, or at the first one that the next confirms."""
    pieces = _pieces(model, _quartiles(model))
    if level is not None:
        return _checked(model, _assemble(model, pieces, level))
    before: Array | None = None
    for step in range(FIRST_LEVEL, LAST_LEVEL + 1):
        law = _assemble(model, pieces, step)
        log_density = model.log_density(law.values)
        w = law.weights
        now = np.array([w.sum(), w @ log_density, w @ np.square(log_density)])
        if before is not None and np.all(
            np.abs(now - before) <= SETTLED * np.maximum(1.0, np.abs(now))
        ):
            break
        before = now
    return _checked(model, law)


def _checked(model: Model, law: Nodes) -> Nodes:
    mass = float(law.weights.sum())
    if not abs(mass - 1.0) <= MASS_TOLERANCE:
        raise errors.NoDensityError(
            errors.message(
                f"a density that integrates to 1, of {model!r}",
                f"{mass:.12g}",
                "Normalise it, or declare its kinks and peaks in _breakpoints",
            )
        )
    return law


def _discrete_nodes(model: Model) -> Nodes:
    """Return the support of a discrete law and its probabilities."""
    if model.support.kind == "categories":
        masses = _cells(model)
        values = np.arange(float(masses.size))
        with np.errstate(divide="ignore"):
            log_mass = log(masses)
    else:
        low, high = _integer_span(model)
        values = np.arange(low, high + 1.0)
        log_mass = model.log_density(values)
    keep = log_mass > _LOG_SMALLEST
    law = Nodes(values[keep], np.exp(log_mass[keep]), 0, np.full(int(keep.sum()), np.nan))
    return _checked(model, law)


def _cells(model: Model) -> Array:
    """Return the probabilities of the categories, in the order of their codes."""
    for p, value in zip(model.params, model.theta, strict=True):
        if p.vector:
            return np.asarray(value)
    raise errors.NoDensityError(errors.message("a vector of probabilities", repr(model)))


def log_density_at(model: Model, law: Nodes, source: Model) -> Array:
    """Return log q at the nodes of another law.

    Parameters
    ----------
    model : Model
        q.
    law : Nodes
        The nodes.
    source : Model
        The model that the nodes came from; categories are matched by their labels.

    Returns
    -------
    array (m,)
        Natural logarithms, minus infinity outside the support of q.

    Examples
    --------
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.sources.distribution import log_density_at, nodes
    >>> p = Gaussian(0, 1)
    >>> law = nodes(p)
    >>> log_density_at(Gaussian(1, 1), law, p).shape == law.values.shape
    True
    """
    if model.support.kind != "categories":
        return model.log_density(law.values)
    codes = model.encode(source.decode(law.values)).astype(np.intp)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(codes >= 0, log(_cells(model)[codes]), -np.inf))


def _integer_span(model: Model) -> tuple[float, float]:
    """Return integers beyond which either tail holds less than 1e-18 of the mass."""
    lower, upper = (float(end) for end in model.bounds(model.theta))
    start = (
        float(model.quantile(0.5)) if model.has("_quantile") else _likeliest(model, lower, upper)
    )
    low = _tail_end(model, start, -1.0, lower)
    high = _tail_end(model, start, 1.0, upper)
    if not high - low < LARGEST_SUPPORT:
        raise errors.NoDensityError(
            errors.message(
                f"a discrete law that {LARGEST_SUPPORT} points describe but for 1e-18 of its mass",
                f"{model!r}, which needs more",
                "Use a continuous law of the same mean and variance, or a sample",
            )
        )
    return low, high


def _likeliest(model: Model, lower: float, upper: float) -> float:
    """Return an integer in the bulk of a law that knows no quantile."""
    anchor = lower if np.isfinite(lower) else upper if np.isfinite(upper) else 0.0
    steps = np.unique(np.floor(np.exp(np.linspace(0.0, 40.0, 4001)))) - 1.0
    grid = np.unique(np.concatenate([anchor - steps, anchor + steps]))
    grid = grid[(grid >= lower) & (grid <= upper)]
    best = int(np.argmax(model.log_density(grid)))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    while high - low > 64:
        fine = np.unique(np.floor(np.linspace(low, high, 65)))
        best = int(np.argmax(model.log_density(fine)))
        low, high = fine[max(best - 1, 0)], fine[min(best + 1, fine.size - 1)]
    fine = np.arange(low, high + 1.0)
    return float(fine[int(np.argmax(model.log_density(fine)))])


def _tail_end(model: Model, start: float, direction: float, end: float) -> float:
    """Walk outward in growing strides until the terms left sum to less than 1e-18.

    Beyond a point where the ratio of neighbouring terms is r < 1 and falling the rest is at most
    mass / (1 - r), the geometric series.
    """
    stride = 1.0
    while stride < LARGEST_SUPPORT:
        point = start + direction * stride
        if direction * (point - end) >= 0:
            return end
        here, after = model.log_density(np.array([point, point + direction]))
        if np.isneginf(here) and np.isneginf(after):
            return point
        fall = after - here
        if fall < 0 and here - log(-np.expm1(fall)) < log(TAIL_MASS):
            return point
        stride = np.ceil(stride * 1.25)
    return start + direction * 2 * LARGEST_SUPPORT


# ---------------------------------------------------------------------------- expectations


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


def _tail(law: Nodes, terms: Array, upper: bool) -> Tail:
    """Judge one tail from its outermost terms.

    Written per unit of log distance, u'(t) = ½π cosh t apart, the terms of a power tail fall like a
    power of the distance. The exponent comes from the outermost nodes; terms that do not fall have
    no finite sum, and those that fall slowly are continued beyond the last node with that exponent.
    """
    t = law.angle if upper else -law.angle[::-1]
    ordered = terms if upper else terms[::-1]
    u = _HALF_PI * np.sinh(np.abs(t[-9:]))
    if t.size < 9 or not t[-1] > 0 or ordered[-1] == 0:
        return Tail(False, 0.0, 0.0)
    with np.errstate(divide="ignore"):
        height = log(np.abs(ordered[-9:])) - log(np.cosh(t[-9:]))
    sign = float(np.sign(ordered[-1]))
    if not np.isfinite(height).all():
        return Tail(False, 0.0, sign)
    slope = float((height[-1] - height[0]) / (u[-1] - u[0]))
    if slope > -_FLAT:
        return Tail(True, 0.0, sign)
    total = float(np.sum(np.abs(terms)))
    if np.abs(ordered[-1]) <= 1e-18 * total:
        return Tail(False, 0.0, sign)
    h = 2.0**-law.level
    beyond = t[-1] + h * np.arange(1, int(8.0 / h))
    more = height[-1] + slope * (_HALF_PI * np.sinh(beyond) - u[-1]) + log(np.cosh(beyond))
    return Tail(False, sign * float(np.exp(more).sum()), sign)


def _tails(law: Nodes, terms: Array) -> tuple[Tail, Tail]:
    none = Tail(False, 0.0, 0.0)
    lower = _tail(law, terms, False) if law.open_ends[0] else none
    upper = _tail(law, terms, True) if law.open_ends[1] else none
    return lower, upper


def tail_divergent(law: Nodes, values: Array) -> bool:
    """Return whether E|g(Y)| is infinite, as far as the outermost nodes tell.

    Parameters
    ----------
    law : Nodes
        The distribution.
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
    >>> from mlece.sources.distribution import nodes, tail_divergent
    >>> heavy, lighter = nodes(StudentT(2, 0, 1)), nodes(StudentT(2.1, 0, 1))
    >>> tail_divergent(heavy, heavy.values**2), tail_divergent(lighter, lighter.values**2)
    (True, False)
    """
    values = _column(law, values)
    if np.isinf(values).any():
        return True
    return any(tail.diverges for tail in _tails(law, law.weights * values))


def _column(law: Nodes, values: Array) -> Array:
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


def _expectation(law: Nodes, values: Array) -> float:
    if np.isinf(values).any():
        signs = {float(s) for s in np.sign(values[np.isinf(values)])}
    else:
        terms = law.weights * values
        tails = _tails(law, terms)
        signs = {tail.sign for tail in tails if tail.diverges}
        if not signs:
            return float(terms.sum() + sum(tail.rest for tail in tails))
    if len(signs) > 1:
        raise errors.NoDensityError(
            errors.message(
                "an expectation that exists", "one that is +inf on one side and -inf on the other"
            )
        )
    return signs.pop() * np.inf


def expectation(law: Nodes, values: Array) -> Array:
    """Return E[g(Y)] from the values of g at the nodes.

    Parameters
    ----------
    law : Nodes
        The distribution.
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
    >>> from mlece.sources.distribution import expectation, nodes
    >>> law = nodes(StudentT(df=1, loc=0, scale=1))
    >>> float(expectation(law, law.values**2))
    inf
    """
    values = _column(law, values)
    if values.ndim == 1:
        return np.asarray(_expectation(law, values))
    return np.array([_expectation(law, column) for column in values.T])


# ---------------------------------------------------------------------------- cdf and quantiles


_GAUSS = np.polynomial.legendre.leggauss(24)
_PANEL = 0.125


@dataclass(frozen=True)
class Table:
    """Cumulative masses of a density over panels in t, for cdf and quantiles."""

    model: Model
    pieces: list[Piece]
    edges: list[Array]
    below: list[Array]
    total: float

    def mass(self, piece: Piece, start: Array, stop: Array) -> Array:
        """Integrate the density between two t of one piece by Gauss-Legendre quadrature."""
        x, w = _GAUSS
        half = 0.5 * (stop - start)
        t = (start + half)[..., None] + half[..., None] * x
        y, log_jacobian = piece.at(t)
        log_density = self.model.log_density(y)
        return np.asarray(half * (np.exp(log_density + log_jacobian) @ w))

    def cdf(self, y: Array) -> Array:
        """Return P(Y <= y) for points strictly inside the support."""
        out = np.zeros(y.shape)
        for piece, edges, below in zip(self.pieces, self.edges, self.below, strict=True):
            here = (y > piece.lower) & (y <= piece.upper)
            if here.any():
                t = piece.inverse(y[here])
                panel = np.minimum(np.searchsorted(edges, t, side="right") - 1, edges.size - 2)
                panel = np.maximum(panel, 0)
                out[here] = below[panel] + self.mass(piece, edges[panel], t)
        out = np.where(y >= self.pieces[-1].upper, self.total, out)
        return np.minimum(out / self.total, 1.0)

    def quantile(self, prob: Array) -> Array:
        """Invert the cdf by bisection in t within the panel that holds the probability."""
        target = prob * self.total
        out = np.empty(prob.shape)
        starts = np.array([b[0] for b in self.below])
        which = np.maximum(np.searchsorted(starts, target, side="right") - 1, 0)
        for j in np.unique(which):
            here = which == j
            piece, edges, below = self.pieces[j], self.edges[j], self.below[j]
            want = target[here]
            panel = np.searchsorted(below, want, side="right") - 1
            panel = np.minimum(np.maximum(panel, 0), edges.size - 2)
            low, high = edges[panel], edges[panel + 1]
            for _ in range(56):
                centre = 0.5 * (low + high)
                under = below[panel] + self.mass(piece, edges[panel], centre) < want
                low, high = np.where(under, centre, low), np.where(under, high, centre)
            out[here] = piece.at(0.5 * (low + high))[0]
        return out


def _table(model: Model) -> Table:
    """Tabulate a density that offers neither cdf nor quantile.

    The mode and a width locate it first; the quartiles of that first table place the pieces of the
    second.
    """
    centre, width = _mode_and_width(model)
    lower, upper = (float(end) for end in model.bounds(model.theta))
    guess = np.array([max(centre - width, lower), centre, min(centre + width, upper)])
    if not lower < centre < upper or guess[0] <= lower or guess[2] >= upper:
        finite = np.isfinite(lower) and np.isfinite(upper)
        middle = 0.5 * (lower + upper) if finite else centre
        if not lower < middle < upper:
            middle = lower + width if np.isfinite(lower) else upper - width
        guess = np.array(
            [max(middle - width, 0.5 * (lower + middle)), middle, min(middle + width, upper)]
        )
    first = _tabulate(model, _pieces(model, guess))
    quartiles = first.quantile(np.array([0.25, 0.5, 0.75]))
    return _tabulate(model, _pieces(model, quartiles))


def _tabulate(model: Model, pieces: list[Piece]) -> Table:
    edges, below = [], []
    done = 0.0
    table = Table(model, pieces, [], [], 1.0)
    for piece in pieces:
        low, high = piece.range()
        edge = np.linspace(low, high, int(np.ceil((high - low) / _PANEL)) + 1)
        masses = table.mass(piece, edge[:-1], edge[1:])
        edges.append(edge)
        below.append(done + np.append(0.0, np.cumsum(masses)))
        done = float(below[-1][-1])
    return Table(model, pieces, edges, below, done)


def _members(model: Model) -> list[Model]:
    """Return the distributions of an array of them, in C order."""
    shape = model.batch_shape
    out = []
    for index in np.ndindex(*shape):
        slots = {}
        for p in model.params:
            value = np.asarray(model.slots[p.name])
            tail = value.shape[-1:] if p.vector else ()
            slots[p.name] = np.broadcast_to(value, shape + tail)[index]
        out.append(model.replace(**slots))
    return out


def _by_member(model: Model, points: Array, single: str) -> Array:
    function = {"cdf": log_cdf_by_quadrature, "quantile": quantile_by_search}[single]
    shape = np.broadcast_shapes((*model.batch_shape, 1), points.shape)
    rows = np.broadcast_to(points, shape).reshape(-1, shape[-1])
    out = np.stack([function(m, r) for m, r in zip(_members(model), rows, strict=True)])
    return out.reshape(shape)


def log_cdf_by_quadrature(model: Model, y: Array) -> Array:
    """Return log P(Y <= y) by integrating the density.

    Parameters
    ----------
    model : Model
        A distribution without a closed form; with a batch shape B the points have shape B + (n,).
    y : array
        Points, any shape.

    Returns
    -------
    array
        In the shape of ``y``; good to about 1e-12 in the probability (a far tail is relatively less
        accurate).

    Raises
    ------
    NoDensityError
        If the density does not integrate to 1 within 1e-8.

    Notes
    -----
    Composite Gauss-Legendre quadrature with 24 points over panels in the t of the
    double-exponential map.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.sources.distribution import log_cdf_by_quadrature
    >>> np.exp(log_cdf_by_quadrature(Gaussian(0, 1), np.array([0.0]))).round(12).tolist()
    [0.5]
    """
    y = np.asarray(y, dtype=float)
    if model.batch_shape:
        return _by_member(model, y, "cdf")
    with np.errstate(divide="ignore"):
        if model.support.discrete:
            law = _discrete_nodes(model)
            mass = np.append(0.0, np.minimum(np.cumsum(law.weights), 1.0))
            mass[-1] = 1.0
            return np.asarray(log(mass[np.searchsorted(law.values, y, side="right")]))
        table = _normalised(model)
        return np.asarray(log(table.cdf(np.atleast_1d(y)).reshape(y.shape)))


def _normalised(model: Model) -> Table:
    table = _table(model)
    if not abs(table.total - 1.0) <= MASS_TOLERANCE:
        raise errors.NoDensityError(
            errors.message(
                f"a density that integrates to 1, of {model!r}",
                f"{table.total:.12g}",
                "Normalise it, or declare its kinks and peaks in _breakpoints",
            )
        )
    return table


def quantile_by_search(model: Model, u: Array) -> Array:
    """Return the smallest y with P(Y <= y) >= u by inverting the cdf.

    Parameters
    ----------
    model : Model
        A distribution without a closed form; with a batch shape B the result has shape B + (n,).
    u : array
        Probabilities in [0, 1], any shape.

    Returns
    -------
    array
        Quantiles; the ends of the support for 0 and 1.

    Raises
    ------
    NoDensityError
        If the density does not integrate to 1 within 1e-8.

    Notes
    -----
    Bisection, in the coordinate asinh((y - centre) / width) where the model has a cdf of its own,
    in the t of the double-exponential map where that has to be integrated too.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.sources.distribution import quantile_by_search
    >>> quantile_by_search(Gaussian(0, 1), np.array([0.975])).round(9).tolist()
    [1.959963985]
    """
    u = np.asarray(u, dtype=float)
    if model.batch_shape:
        return _by_member(model, u, "quantile")
    flat = np.atleast_1d(u).ravel()
    lower, upper = (float(end) for end in model.bounds(model.theta))
    if model.support.discrete:
        law = _discrete_nodes(model)
        mass = np.cumsum(law.weights)
        found = law.values[np.minimum(np.searchsorted(mass, flat), law.count - 1)]
    elif model.has("_log_cdf") or model.has("_log_sf"):
        found = _bisect(model, flat, lower, upper)
    else:
        found = _normalised(model).quantile(flat)
    if not model.support.discrete:
        found = np.where(flat == 0, lower, np.where(flat == 1, upper, found))
    return np.asarray(found.reshape(u.shape))


def _bisect(model: Model, prob: Array, lower: float, upper: float) -> Array:
    centre, width = _mode_and_width(model)
    low = np.full(
        prob.shape, np.arcsinh((lower - centre) / width) if np.isfinite(lower) else -700.0
    )
    high = np.full(
        prob.shape, np.arcsinh((upper - centre) / width) if np.isfinite(upper) else 700.0
    )
    with np.errstate(divide="ignore"):
        log_prob = log(prob)
    for _ in range(70):
        middle = 0.5 * (low + high)
        y = centre + width * np.sinh(middle)
        under = _under(model, y, prob, log_prob)
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.asarray(centre + width * np.sinh(0.5 * (low + high)))


def _under(model: Model, y: Array, prob: Array, log_prob: Array) -> Array:
    """Whether P(Y <= y) falls short of a probability, judged in the smaller tail."""
    with np.errstate(divide="ignore"):
        return np.where(prob < 0.5, model.log_cdf(y) < log_prob, model.log_sf(y) > log1p(-prob))
