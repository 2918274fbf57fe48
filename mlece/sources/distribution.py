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

from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array, log, log1p
from mlece.model import Model
from mlece.sources.cumulative import quantile_by_search
from mlece.sources.discrete import cell_masses, support_nodes
from mlece.sources.ends import completed, tilted
from mlece.sources.nodes import LOG_SMALLEST, Nodes, check_mass
from mlece.sources.pieces import HALF_PI, Piece, cut

# Halving the step squares the error exp(-c / h): a movement of 1e-11 leaves rounding only.
SETTLED = 1e-11
FIRST_LEVEL, LAST_LEVEL = 4, 9
# Distances from an end through which a density is continued into it; the largest is at most 2^-12 of
# the end, and at least 2^-30: floats hold them all exactly.
_BESIDE = 2.0 ** np.array([0.0, -2.0, -4.0, -8.0, -14.0])
_NEAREST, _FURTHEST = -30.0, -12.0
# Where a power law is held against the density itself, and how far it may be off there.
_PROBE, _POWER = 2.0**-20, 1e-2

# Logarithm of the distance, in units of the end, within which nodes take the mass that no float reaches:
# so small that an integrand which is not a logarithm is constant there.
_LOG_TILTED, _LOG_FLOAT = -29.0, -36.7
_COUNTS = 1e-15  # mass nearer than any float, below which the nodes are left as they are


def framed_member(model: Model, shift: float, scale: float) -> Model:
    """Return the law of (Y - shift) / scale within the same family."""
    theta = model.to_frame(model.theta, shift, scale)
    return model.replace(**{p.name: v for p, v in zip(model.params, theta, strict=True)})


def nodes(model: Model, level: int | None = None, extra: tuple[float, ...] = ()) -> Nodes:
    """Return a known distribution as a weighted sample.

    Parameters
    ----------
    model : Model
        A distribution: every slot filled, batch shape ().
    level : int, optional
        Step 2^-level of the trapezoidal rule. By default the step is halved until the mass and the
        entropy move by less than 2e-14 (relative to the larger of 1 and their size).
    extra : tuple of float
        Further points at which to cut: the kinks of what will be integrated.

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
    Takahasi and Mori (1974). Floats stop at a distance of 1e-16 |b| beside a singular end b other
    than zero, at 1e-308 beside zero and at 1e308 in a tail; the mass beyond is put on the outermost
    nodes, see :mod:`mlece.sources.ends`.

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.sources.distribution import nodes
    >>> from mlece.sources.expectation import expectation
    >>> law = nodes(StudentT(df=5, loc=0, scale=1))
    >>> round(float(expectation(law, law.values**2)), 12)
    1.666666666667
    """
    if model._width:
        raise errors.NoDensityError(
            errors.message(
                "a law of numbers for quadrature",
                f"{type(model).__name__}, a law of {model._observations}",
                "Estimate the expectation from a sample of it",
            )
        )
    _check_single(model)
    model.theta  # noqa: B018  (raises where a slot is free)
    if model.support.discrete:
        return support_nodes(model)
    if model.has("_atoms"):
        return _with_atoms(model, level, extra)
    shift, scale = (float(v) for v in model.own_frame(model.theta))
    moved = bool(model.roles()) and (shift, scale) != (0.0, 1.0)
    member = framed_member(model, shift, scale) if moved else model
    kinks = tuple((float(e) - shift) / scale for e in extra) if moved else extra
    found = _settled(member, level, kinks)
    if not moved:
        return found
    with np.errstate(over="ignore", under="ignore"):
        values = shift + scale * found.values
    keep = np.isfinite(values)
    keep[keep] = model.log_density(values[keep]) > -np.inf
    starts = np.flatnonzero(np.append(True, values[keep][1:] > values[keep][:-1]))
    masses = np.add.reduceat(found.mass[keep], starts)
    law = Nodes(
        values[keep][starts],
        masses,
        found.level,
        found.angle[keep][starts],
        masses,
        found.open_ends,
    )
    return _checked(model, completed(law))


def _with_atoms(model: Any, level: int | None, extra: tuple[float, ...]) -> Nodes:
    """Return the nodes of the continuous part, and the atoms among them."""
    at, mass = (np.atleast_1d(np.asarray(a, dtype=float)) for a in model._atoms(*model.theta))
    law = nodes(model.continuous_part, level, (*extra, *at.tolist()))
    keep = ~np.isin(law.values, at)
    values = np.concatenate([law.values[keep], at])
    order, rest = np.argsort(values), 1 - mass.sum()
    return Nodes(
        values[order],
        np.concatenate([law.weights[keep] * rest, mass])[order],
        law.level,
        np.concatenate([law.angle[keep], np.zeros(at.size)])[order],
        np.concatenate([law.mass[keep] * rest, mass])[order],
        law.open_ends,
    )


def _check_single(model: Model) -> None:
    if model.batch_shape:
        raise errors.ParameterError(
            errors.message(
                "one distribution",
                f"an array of them, shape {model.batch_shape}",
                "Take one member, with scalar slots",
            )
        )


def _settled(model: Model, level: int | None, extra: tuple[float, ...]) -> Nodes:
    """Build the nodes at a level, or at the first one that the next confirms."""
    pieces = cut(model, _quartiles(model), extra)
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
    check_mass(model, float(law.weights.sum()))
    return law


def _quartiles(model: Model) -> Array:
    """Return the three quartiles, by the model where it knows them."""
    fractions = np.array([0.25, 0.5, 0.75])
    if model.has("_quantile"):
        return np.asarray(model.quantile(fractions))
    return quantile_by_search(model, fractions)


def _assemble(model: Model, pieces: list[Piece], level: int) -> Nodes:
    """Join the pieces; points that floats cannot tell apart become one."""
    parts = [_weighted(model, piece, level) for piece in pieces]
    y, w, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = np.append(True, y[1:] > y[:-1])[: y.size]
    start = np.flatnonzero(first)
    ends = (pieces[0].lower, pieces[-1].upper)
    open_ends = tuple(bool(np.isinf(e) or e == 0) for e in ends)
    masses = np.add.reduceat(w, start) if start.size else w
    return completed(Nodes(y[start], masses, level, t[start], masses, (open_ends[0], open_ends[1])))


def _weighted(model: Model, piece: Piece, level: int) -> tuple[Array, Array, Array]:
    """Return the nodes of one piece: y, weights, t; those without weight left out."""
    low, high = piece.range(beyond_floats=True)
    h = 2.0**-level
    t = h * np.arange(np.ceil(low / h), np.floor(high / h) + 1)
    y, log_jacobian = piece.at(t)
    log_density = model.log_density(y)
    least, most = piece.range()
    usable = (t >= least) & (t <= most)
    continued = []
    if np.isfinite(piece.upper - piece.lower):
        for at_lower in (True, False):
            found = _beside_end(model, piece, at_lower, t)
            if found is not None:
                near, log_distance, density = found
                log_density = np.where(near, density, log_density)
                usable |= near
                continued.append((at_lower, near, log_distance))
    log_weight = log_density + log_jacobian + log(h)
    keep = usable & np.isfinite(y) & (log_weight > LOG_SMALLEST)
    w = np.exp(np.where(keep, log_weight, -np.inf))
    for at_lower, near, log_distance in continued:
        end = piece.lower if at_lower else piece.upper
        y = np.where(y == end, np.nextafter(end, piece.upper if at_lower else piece.lower), y)
        near = near & keep
        x = log(np.abs(y[near] - end))
        inner = log_distance[near] < log(abs(end)) + _LOG_TILTED
        if w[near][log_distance[near] < log(abs(end)) + _LOG_FLOAT].sum() > _COUNTS:
            # The rounding of y further off is made good here too.
            basis, true_basis = (_beside_basis(v) for v in (x, log_distance[near]))
            wanted = true_basis @ w[near] - basis[:, ~inner] @ w[near][~inner]
            w[np.flatnonzero(near)[inner]] = tilted(basis[:, inner], w[near][inner], wanted)
    y, w, t = y[keep], w[keep], t[keep]
    if any(piece.deep):
        # Beside an end a formula may round to 0, or to infinity, where the continued density does not.
        told = np.isfinite(model.log_density(y))
        for end in (piece.lower, piece.upper):
            # What weighs nothing there may lie outside the support of a model whose end is rounded.
            if np.isfinite(end) and end != 0:
                told &= (np.abs(y - end) > 1e-12 * abs(end)) | (np.abs(w) > 1e-60)
        y, w, t = y[told], w[told], t[told]
    return y, w, t


def _beside_basis(x: Array) -> Array:
    """Return what is summed rightly beside an end, at log distances x: 1, x and x²."""
    z = (x - _LOG_TILTED) / (_LOG_TILTED - _LOG_FLOAT)
    return np.stack([np.ones(x.size), z, z * z])


def _beside_end(
    model: Model, piece: Piece, at_lower: bool, t: Array
) -> tuple[Array, Array, Array] | None:
    """Continue a density into the last thousandth beside an end other than zero.

    There the distance to the end is lost in the rounding of y. The log density is continued as
    c + a log d + a cubic in d, through five distances d that floats hold exactly.

    Returns
    -------
    tuple or None
        Which points are so near, the logarithm of their distance and their log density.
    """
    end = piece.lower if at_lower else piece.upper
    width = piece.upper - piece.lower
    u = HALF_PI * np.sinh(t) * (1.0 if at_lower else -1.0)
    log_distance = log(width) + 2 * u - log1p(np.exp(np.minimum(2 * u, 700.0)))
    if end == 0 or not piece.deep[0 if at_lower else 1]:
        return None
    room = np.floor(np.log2(width / abs(end))) - 1.0
    unit = 2.0 ** (np.floor(np.log2(abs(end))) + min(room, _FURTHEST))
    near = log_distance < log(unit)
    if room < _NEAREST or not near.any():
        return None
    inward = 1.0 if at_lower else -1.0
    points = end + inward * unit * _BESIDE
    d = np.abs(points - end)
    known = model.log_density(points)
    if not np.isfinite(known).all() or known.max() < LOG_SMALLEST:
        return None
    part = (d / d[0])[:, None]
    basis = np.hstack([np.ones((5, 1)), log(part), part, part**2, part**3])
    found = np.linalg.solve(basis, known)
    if not found[1] > -1:
        # No density grows like that: it vanishes faster than any power.
        return None

    def continued(step: Array) -> Array:
        return np.asarray(
            found[0] + found[1] * step + np.polyval([*found[:1:-1], 0.0], np.exp(step))
        )

    # A density that follows no power of the distance (logit-normal) is not continued as one.
    probe = end + inward * unit * _PROBE
    told = model.log_density(np.array([probe]))[0]
    if not abs(continued(np.asarray(log(_PROBE))) - told) <= _POWER:
        return None
    return near, log_distance, continued(np.where(near, log_distance - log(d[0]), 0.0))


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
        return np.asarray(np.where(codes >= 0, log(cell_masses(model)[codes]), -np.inf))
