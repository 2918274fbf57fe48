"""Mass of a family in a region of the line, and its derivatives in the parameters.

With Z the mass of the region, s the score and H the second derivatives of log q,

    d log Z = E[s | region],        d² log Z = E[H | region] + Cov[s | region].

A family that is a law of the line knows them from the tails at both ends. Of any other they are sums over
one set of nodes: double-exponential quadrature (Takahasi and Mori 1974) between the ends of the region, the
kinks and the bulk of the law for a density; the points themselves for counts.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.cells import reach_beyond, spread_marks
from mlece.combinators.compose import engine
from mlece.combinators.counted import masses_of_counts, moments, terms
from mlece.combinators.unseen import unseen
from mlece.math import Array, Arrays, exp, expit, inf, log, log1mexp, log1p, logsumexp, pi, where
from mlece.model import Model

_STEP = 1 / 32
_MOST = 1 << 20  # numbers in one temporary
_NARROW = 0.01  # share of the smaller tail below which a difference of two tails loses digits
_GAUSS = np.polynomial.legendre.leggauss(20)


@dataclass(frozen=True)
class Region:
    """Log mass of a region and its derivatives, arrays in the shape of the parameters.

    Parameters
    ----------
    log_mass : array
        log Z; plus infinity where the region is empty, so that no density is left.
    first : tuple of array
        d log Z for each parameter.
    second : tuple of array
        Upper triangle of the second derivatives, row by row.
    """

    log_mass: Array
    first: Arrays
    second: Arrays


def region(inner: type[Model], lower: Any, upper: Any, theta: Arrays) -> Region:
    """Return the mass of lower <= y <= upper under members of a family.

    Parameters
    ----------
    inner : type of Model
        The family.
    lower, upper : array_like
        Ends of the region, infinite where there is none; both belong to it.
    theta : tuple of arrays
        Parameters, which broadcast with the ends.
    """
    arrays = [np.asarray(a, dtype=float) for a in (lower, upper, *theta)]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    if all(a.size and (a == a.flat[0]).all() for a in arrays) and shape:
        # One member asked about at many points.
        low, high, *rest = (a.flat[0] for a in arrays)
        one = region(inner, low, high, tuple(rest))
        first = tuple(np.broadcast_to(f, shape) for f in one.first)
        second = tuple(np.broadcast_to(s, shape) for s in one.second)
        return Region(np.broadcast_to(one.log_mass, shape), first, second)
    wide = [np.ascontiguousarray(np.broadcast_to(a, shape)) for a in arrays]
    key: Any = inner
    return _remembered(key, shape, *[a.tobytes() for a in wide])


@functools.lru_cache(maxsize=16)
def _remembered(inner: Any, shape: tuple[int, ...], *parts: bytes) -> Region:
    """Compute a region once for the three hooks that ask for it."""
    columns = [np.frombuffer(p).reshape(-1, 1) for p in parts]
    rows = len(columns[0])
    k = len(inner.params)
    out = np.empty((1 + k + k * (k + 1) // 2, rows))
    # One row at a time where a row alone may be long.
    rule, step = _integral, _MOST // 4096
    if inner.support.discrete:
        rule, step = _sums, rows
    elif inner.has("_standardised") and not inner.has("_breakpoints"):
        rule, step = _closed, rows
    with np.errstate(all="ignore"):
        for start in range(0, rows, step):
            cut = slice(start, start + step)
            out[:, cut] = rule(engine(inner), *[c[cut] for c in columns])
    shaped = [o.reshape(shape) for o in out]
    return Region(shaped[0], tuple(shaped[1 : 1 + k]), tuple(shaped[1 + k :]))


def _empty(low: Array, high: Array, rows: Array) -> Array:
    """Give empty regions a log mass of plus infinity and no derivatives."""
    nothing = ~(low <= high)[:, 0]
    rows[:, nothing] = 0.0
    rows[0, nothing] = inf
    return rows


# ---------------------------------------------------------------------------- densities


@functools.lru_cache(maxsize=8)
def _interval_rule(deep: bool) -> tuple[Array, Array, Array]:
    """Return distances from either end in units of the width, and log dy/dt + log h."""
    start = -690.0 if deep else -45.0
    t = _nodes(np.arcsinh(start / pi), np.arcsinh(45.0 / pi))
    v = pi * np.sinh(t)
    log_rate = log(pi * np.cosh(t)) - np.abs(v) - 2 * log1p(exp(-np.abs(v)))
    return expit(v), expit(-v), log_rate + log(_STEP)


@functools.lru_cache(maxsize=8)
def _half_line_rule(deep: bool) -> tuple[Array, Array]:
    """Return distances from the end in units of the scale, and log dy/dt + log h."""
    t = _nodes(np.arcsinh((-690.0 if deep else -45.0) * 2 / pi), np.arcsinh(690.0 * 2 / pi))
    u = 0.5 * pi * np.sinh(t)
    return exp(u), log(0.5 * pi * np.cosh(t)) + u + log(_STEP)


def _nodes(low: float, high: float) -> Array:
    return _STEP * np.arange(np.ceil(low / _STEP), np.floor(high / _STEP) + 1)


def _quadrature(model: Model, low: Array, high: Array, theta: Arrays) -> tuple[Array, Array]:
    """Return nodes (r, m) of a framed region and the logarithms of their weights."""
    marks = spread_marks(model, theta)
    edges = np.sort(np.minimum(np.maximum(marks, low), high), axis=1)
    points: list[Array] = []
    weights: list[Array] = []
    deep = model.support.lower == 0
    for a, b in zip(
        np.hsplit(np.concatenate([low, edges], axis=1), edges.shape[1] + 1),
        np.hsplit(np.concatenate([edges, high], axis=1), edges.shape[1] + 1),
        strict=True,
    ):
        if np.isfinite(a).all() and np.isfinite(b).all():
            below, above, log_rate = _interval_rule(deep and bool((a <= 0).any()))
            span = b - a
            points.append(where(below < 0.5, a + span * below, b - span * above))
            weights.append(log_rate + log(span))
        else:
            step, log_rate = _half_line_rule(deep and bool((a <= 0).any()))
            upwards = bool(np.isfinite(a).all())
            end, direction = (a, 1.0) if upwards else (b, -1.0)
            width = reach_beyond(model, end, direction, theta)
            points.append(end + direction * width * step)
            weights.append(log_rate + log(width))
    return np.concatenate(points, axis=1), np.concatenate(weights, axis=1)


def _integral(model: Model, lower: Array, upper: Array, *theta: Array) -> Array:
    """Return log Z and its derivatives for rows of parameters (r, 1), stacked (q, r)."""
    shift, scale = (np.broadcast_to(f, lower.shape) for f in model.own_frame(theta))
    framed = tuple(np.asarray(t) for t in model.to_frame(theta, shift, scale))
    ends = model.bounds(framed)
    low = np.maximum((lower - shift) / scale, ends[0])
    high = np.minimum((upper - shift) / scale, ends[1])
    y, log_weight = _quadrature(model, low, high, framed)
    log_q, score, curvature = terms(model, y, framed)
    # Far out in a tail a formula may give up where the mass is long exhausted.
    log_term = where(np.isnan(log_q), -inf, log_q) + log_weight
    log_term = where(np.isneginf(log_weight), -inf, log_term)
    log_mass = logsumexp(log_term)
    weights = exp(log_term - log_mass[:, None])
    first, second = moments(weights, score, curvature, weights.sum(axis=1))
    factors = [np.broadcast_to(f, shift.shape)[:, 0] for f in model.frame_factors(scale)]
    k = len(first)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    rows = [log_mass, *[f / c for f, c in zip(first, factors, strict=True)]]
    rows += [s / (factors[i] * factors[j]) for s, (i, j) in zip(second, pairs, strict=True)]
    return _empty(low, high, np.stack(rows))


def _closed(model: Model, lower: Array, upper: Array, *theta: Array) -> Array:
    """Return log Z and its derivatives for rows of parameters (r, 1), stacked (q, r), from both tails."""
    found = unseen(model, np.stack([lower, upper, np.full_like(lower, -inf)], axis=-1), theta)
    rows = np.stack([found.value, *found.score, *found.curvature])[..., 0]
    low, high = (
        f(e, s)
        for f, e, s in zip(
            (np.maximum, np.minimum), (lower, upper), model.bounds(theta), strict=True
        )
    )
    return _empty(low, high, rows)


# ---------------------------------------------------------------------------- counts


def _sums(model: Model, lower: Array, upper: Array, *theta: Array) -> Array:
    """Return log Z and its derivatives for rows of parameters (r, 1), stacked (q, r)."""
    ends = np.broadcast_arrays(lower, upper, *model.bounds(theta))
    out, known = masses_of_counts(model, lower[:, 0], upper[:, 0], theta, _MOST)
    if not known.all():
        raise errors.NoDensityError(
            errors.message(
                f"a region of {type(model).__name__} whose mass {_MOST} counts hold, or all but it",
                "one that needs more",
            )
        )
    low, high = np.maximum(np.ceil(ends[0]), ends[2]), np.minimum(np.floor(ends[1]), ends[3])
    return _empty(low, high, out)


# ---------------------------------------------------------------------------- cdf


def log_mass_between(inner: type[Model], low: Array, high: Array, theta: Arrays) -> Array:
    """Return log P(low < Y <= high) by the cdf of the inner family (counts: low is left out).

    The difference is taken in the smaller tail. Where even that cancels the stretch is narrow and the
    density smooth across it: Gauss-Legendre quadrature takes over.
    """
    model = engine(inner)
    below, above = (tuple(_tails(model, end, theta)) for end in (low, high))
    lower_side, upper_side = above[0], below[1]
    in_lower = lower_side < upper_side
    wide = where(in_lower, lower_side, upper_side)
    thin = where(in_lower, below[0], above[1])
    some = (high > low) & (wide > -inf)
    out = wide + log1mexp(where(some, wide - thin, 1.0))
    if not inner.support.discrete:
        narrow = some & (-np.expm1(where(some, thin - wide, -1.0)) < _NARROW)
        if narrow.any():
            out = where(narrow, _short_integral(model, low, high, theta), out)
    return np.asarray(where(some, out, -inf))


def _tails(model: Model, y: Array, theta: Arrays) -> tuple[Array, Array]:
    """Return log F and log(1 - F) at points that may lie beyond the support or be infinite."""
    low, high = model.bounds(theta)
    y = np.floor(y) if model.support.discrete else y
    inner = np.minimum(np.maximum(y, low), high)
    x = where(np.isfinite(inner), inner, 0.0)
    cdf = model.log_probability_hook(x, theta, above=False) if model.has("_log_cdf") else None
    sf = model.log_probability_hook(x, theta, above=True) if model.has("_log_sf") else None
    cdf = log1mexp(-np.asarray(sf)) if cdf is None else cdf
    sf = log1mexp(-np.asarray(cdf)) if sf is None else sf
    under = y < low if model.support.discrete else y <= low
    return (
        where(under, -inf, where(y >= high, 0.0, cdf)),
        where(under, 0.0, where(y >= high, -inf, sf)),
    )


def _short_integral(model: Model, low: Array, high: Array, theta: Arrays) -> Array:
    """Integrate the density over stretches within which it hardly changes."""
    x, w = _GAUSS
    shift, scale = model.own_frame(theta)
    framed = tuple(np.asarray(t)[..., None] for t in model.to_frame(theta, shift, scale))
    ends = model.bounds(theta)
    a, b = np.maximum(low, ends[0]), np.minimum(high, ends[1])
    half = 0.5 * np.asarray(b - a)
    middle = np.asarray(0.5 * (a + b) - shift) / scale
    y = middle[..., None] + (half / scale)[..., None] * x
    log_q = model.log_density_hook(model.statistics(y), framed)
    return log(half / scale) + logsumexp(log_q + log(w))
