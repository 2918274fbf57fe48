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
from mlece.math import Array, expit, log
from mlece.model import Model
from mlece.sources.cumulative import quantile_by_search
from mlece.sources.discrete import cell_masses, support_nodes
from mlece.sources.nodes import LOG_SMALLEST, Nodes, check_mass
from mlece.sources.pieces import HALF_PI, Piece, cut

# Halving the step squares the error exp(-c / h): a movement of 1e-11 leaves rounding only.
SETTLED = 1e-11
FIRST_LEVEL, LAST_LEVEL = 4, 9


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
    Takahasi and Mori (1974). Beside a singular end b other than zero floats stop at a distance of
    1e-16 |b|; the mass of order 1e-16^β that a density (b - y)^(β - 1) has nearer than that is put
    on the nearest float (Beta, β = 1/2: 1e-8).

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.sources.distribution import nodes
    >>> from mlece.sources.expectation import expectation
    >>> law = nodes(StudentT(df=5, loc=0, scale=1))
    >>> round(float(expectation(law, law.values**2)), 12)
    1.666666666667
    """
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
    law = Nodes(
        values[keep][starts],
        np.add.reduceat(found.weights[keep], starts),
        found.level,
        found.angle[keep][starts],
        found.open_ends,
    )
    return _checked(model, law)


def _with_atoms(model: Any, level: int | None, extra: tuple[float, ...]) -> Nodes:
    """Return the nodes of the continuous part, and the atoms among them."""
    at, mass = (np.atleast_1d(np.asarray(a, dtype=float)) for a in model._atoms(*model.theta))
    law = nodes(model.continuous_part, level, (*extra, *at.tolist()))
    keep = ~np.isin(law.values, at)
    values = np.concatenate([law.values[keep], at])
    order = np.argsort(values)
    return Nodes(
        values[order],
        np.concatenate([law.weights[keep] * (1 - mass.sum()), mass])[order],
        law.level,
        np.concatenate([law.angle[keep], np.zeros(at.size)])[order],
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


def _weighted(model: Model, piece: Piece, level: int) -> tuple[Array, Array, Array]:
    """Return the nodes of one piece: y, weights, t; those without weight left out."""
    low, high = piece.range()
    h = 2.0**-level
    t = h * np.arange(np.ceil(low / h), np.floor(high / h) + 1)
    y, log_jacobian = piece.at(t)
    log_density = model.log_density(y)
    if np.isfinite(piece.upper - piece.lower):
        u = HALF_PI * np.sinh(t)
        width = piece.upper - piece.lower
        y, log_density = _beside_end(model, piece, True, width * expit(2 * u), y, log_density)
        y, log_density = _beside_end(model, piece, False, width * expit(-2 * u), y, log_density)
    log_weight = log_density + log_jacobian + log(h)
    keep = np.isfinite(y) & (log_weight > LOG_SMALLEST)
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
