"""Probabilities that counts lie in an interval, each under a law of its own, with their derivatives.

What lies inside is summed, or what lies outside taken from 1, whichever are the fewer counts; an endless
interval from its finite end on until what is left adds nothing. Rows of like length are summed together.
"""

from __future__ import annotations

import numpy as np

from mlece.combinators.cells import joined
from mlece.math import Array, Arrays, exp, floor, inf, log, log1mexp, logsumexp, where
from mlece.model import Model
from mlece.numerics.counting import alike_in_width

_CELLS = 1 << 14  # counts of several laws that are summed at once
_ROOM = 1 << 18  # at most, where laws go on for long
_FIRST = 1 << 6  # counts of an endless interval looked at first, then as many as before
_SOME = 1 << 13  # counts summed where those left out are few
_NOTHING = 41.0  # what lies so far below a log mass adds nothing to it
_TENTH = -2.3  # of a log mass above, the complement has all but a digit


def masses_of_counts(
    model: Model, lower: Array, upper: Array, theta: Arrays, most: int
) -> tuple[Array, Array]:
    """Return log P(lower <= Y <= upper) of each law with its derivatives, and where they are known.

    The complement of what lies outside has fewer digits of a small mass: it is taken of masses above a
    tenth, and of all that many counts do not hold.

    Parameters
    ----------
    model : Model
        A family of counts; the values of its slots are not looked at.
    lower, upper : array (r,)
        Ends of the intervals, both of which belong to them; infinite where there is none.
    theta : tuple of arrays (r, 1)
    most : int
        Counts that may be summed for one law.

    Returns
    -------
    parts : array (1 + k + k (k + 1) / 2, r)
        Log probabilities (minus infinity of an empty interval), first derivatives, upper triangle of the
        second ones row by row.
    known : array of bool (r,)
        False where more counts would have to be summed.
    """
    rows, k = len(lower), len(theta)
    with np.errstate(all="ignore"):
        least, last = (np.broadcast_to(e, (rows, 1))[:, 0] for e in model.bounds(theta))
        low, high = np.maximum(np.ceil(lower), least), np.minimum(floor(upper), last)
        inside = high - low + 1
        below, above = where(low > least, low - least, 0.0), where(high < last, last - high, 0.0)
        outside = below + above
        out = np.zeros((1 + k * (k + 3) // 2, rows))
        out[0] = where(inside > 0, 0.0, -inf)
        # Between the ends of the support lies everything.
        open_ = (inside > 0) & (outside > 0)
        known = ~open_
        fewer = open_ & (outside <= most) & (outside < inside)
        rest = np.full_like(out, -inf)
        for group in _groups(fewer, outside):
            points = _outside(*(a[group] for a in (least, below, high, outside)))
            rest[:, group] = _complement(_sums(model, points, tuple(t[group] for t in theta))[0])
        good = fewer & (rest[0] > _TENTH)
        limit = where(fewer, min(_SOME, most), most)
        for group in _groups(open_ & ~good, np.minimum(inside, _FIRST)):
            ends, own = (low[group], high[group]), tuple(t[group] for t in theta)
            out[:, group], known[group] = _from_an_end(model, ends, limit[group], fewer[group], own)
        good |= fewer & ~known
        out[:, good] = rest[:, good]
    return out, known | good


def _groups(mask: Array, width: Array) -> list[Array]:
    """Return rows of a mask in groups of like width."""
    rows = np.flatnonzero(mask)
    return [rows[group] for group in alike_in_width(width[rows], _CELLS)] if rows.size else []


def _run(start: Array, way: Array, first: int, width: Array) -> Array:
    """Return counts beyond the first ones from a start on, (r, m), NaN beyond the width of a row."""
    steps = np.arange(float(width.max()))
    counts = start[:, None] + way[:, None] * (first + steps)
    return where(steps < width[:, None], counts, np.nan)


def _outside(least: Array, below: Array, high: Array, width: Array) -> Array:
    """Return the counts below an interval and above it, (r, m), NaN beyond the width of a row."""
    steps = np.arange(float(width.max()))
    under = steps < below[:, None]
    # Without an end of the support there is nothing on that side.
    start = where(np.isfinite(least), least, 0.0)[:, None]
    above = (where(np.isfinite(high), high, 0.0) + 1 - below)[:, None]
    return where(steps < width[:, None], where(under, start, above) + steps, np.nan)


def _sums(model: Model, points: Array, theta: Arrays) -> tuple[Array, Array]:
    """Return parts (q, r) of the points (r, m) of each law, none at NaN, and the log masses of points."""
    here = ~np.isnan(points)
    log_q, score, curvature = terms(model, where(here, points, points[:, :1]), theta)
    log_q = where(here, log_q, -inf)
    log_mass = logsumexp(log_q)
    weights = exp(log_q - where(log_mass > -inf, log_mass, 0.0)[:, None])
    first, second = moments(weights, score, curvature, weights.sum(axis=1))
    out = np.stack([log_mass, *first, *second])
    out[1:, np.isneginf(log_mass)] = 0.0
    return out, log_q


def terms(model: Model, y: Array, theta: Arrays) -> tuple[Array, Arrays, Arrays]:
    """Return log q, score and second derivatives at nodes (r, m)."""
    t = model.statistics(y)
    shared = model.shared(t, theta)
    log_q = np.broadcast_to(model.log_density_hook(t, theta, shared), y.shape)
    return log_q, model.score_hook(t, theta, shared), model.curvature_hook(t, theta, shared)


def moments(
    weights: Array, score: Arrays, curvature: Arrays, total: Array
) -> tuple[list[Array], list[Array]]:
    """Return E[s] and E[H + (s - E s)(s - E s)'] under weights of a given total."""
    here = weights != 0

    def mean(a: Array) -> Array:
        return np.asarray(np.sum(where(here, a, 0.0) * weights, axis=1) / total)

    first = [mean(s) for s in score]
    centred = [s - m[:, None] for s, m in zip(score, first, strict=True)]
    second, at = [], 0
    for i in range(len(first)):
        for j in range(i, len(first)):
            second.append(mean(curvature[at] + centred[i] * centred[j]))
            at += 1
    return first, second


def _complement(outside: Array) -> Array:
    """Return the parts of what is left of everything: over all points the derivatives sum to 0."""
    k = next(k for k in range(len(outside)) if 1 + k * (k + 3) // 2 == len(outside))
    log_mass = log1mexp(-outside[0])
    odds = exp(outside[0] - log_mass)
    first = -odds * outside[1 : 1 + k]
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    own = outside[1 : 1 + k]
    second = [
        -odds * (outside[1 + k + at] + own[i] * own[j]) - first[i] * first[j]
        for at, (i, j) in enumerate(pairs)
    ]
    return np.stack([log_mass, *first, *second])


def _from_an_end(
    model: Model, ends: Arrays, limit: Array, fewer: Array, theta: Arrays
) -> tuple[Array, Array]:
    """Return parts (q, r) summed from a finite end on, and which were held by so many counts."""
    low, high = ends
    upwards = np.isfinite(low)
    start, way, inside = where(upwards, low, high), where(upwards, 1.0, -1.0), high - low + 1
    reach = np.minimum(limit, inside)
    rows, k = len(low), len(theta)
    out = np.zeros((1 + k * (k + 3) // 2, rows))
    out[0] = -inf
    held, active = np.zeros(rows, dtype=bool), np.flatnonzero(np.isfinite(start))
    done, size = 0, _FIRST
    while active.size:
        going, at_once = [], max(1, _ROOM // size)
        for at in range(0, active.size, at_once):
            some = active[at : at + at_once]
            width = np.minimum(inside[some] - done, size)
            points = _run(start[some], way[some], done, width)
            here, log_q = _sums(model, points, tuple(t[some] for t in theta))
            out[:, some] = joined(out[:, some], here)
            held[some] = inside[some] <= done + size
            open_ = ~held[some]
            some, log_q = some[open_], log_q[open_]
            if some.size:
                wanted = out[0, some] - _NOTHING
                held[some] = _left(log_q) < wanted
                slow = fewer[some] & _slow(log_q, reach[some] - done - size, wanted)
                going.append(some[~held[some] & ~slow])
        done, size = done + size, max(size, done)
        active = np.concatenate(going) if going else active[:0]
        active = active[np.minimum(done + size, inside[active]) <= reach[active]]
    return out, held


def _left(log_q: Array) -> Array:
    """Return the log of what lies beyond the last of some points if it goes on to fall as there, (r,)."""
    fall = log_q[:, -2] - log_q[:, -1]
    return where(fall > 0, log_q[:, -1] - log(-np.expm1(-fall)), inf)


def _slow(log_q: Array, room: Array, wanted: Array) -> Array:
    """Tell which log masses fall ever more slowly, and too slowly already to reach a value in time."""
    before, fall = (log_q[:, j - 1] - log_q[:, j] for j in (-2, -1))
    return np.asarray((fall > 0) & (fall < before) & (log_q[:, -1] - room * fall > wanted))
