"""Profile likelihood: ends of intervals for parameters and functions of them, and whole curves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.kinks import kinked_slot, kinks_among
from mlece.fits.covariance import instead, usable
from mlece.fits.ending import limit_fit
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array, wrap_angle, xlog1py, xlogy
from mlece.param import Param
from mlece.profiling.bracketing import Crossing, first_crossing
from mlece.profiling.contour import TOLERANCE, extremes
from mlece.profiling.surface import Coordinate, Surface
from mlece.refits.resampling import SLAB

# Coordinates beyond this stand for the end of a domain: e^36 is beyond what a float resolves near 1.
_FAR = 36.0
_FAR_OUT = 1e8
# Where an estimate lies at an end, the search for the other begins here.
_NEAR_END = 18.0
# A deviance that misses its quantile by this share of it has jumped.
_JUMP = 1e-3
OPEN = "the likelihood never falls to the level on this side, the interval is open there"
_AT_END = "the estimate lies at this end"
NOWHERE = "no profile likelihood could be computed next to this end"
LACKING = "the fit has no optimum, or no sandwich variance, to measure a deviance by"
_JUMPS = "the deviance jumps over its quantile here, or refits next to it met no optimum"
_UNSURE = "the refit here stopped before an optimum could be shown, the end may lie further out"
_LOWER = "the search met a likelihood above that of the fit, which is not the global maximum"


@dataclass(frozen=True)
class Ends:
    """Ends of profile intervals of K quantities.

    Parameters
    ----------
    value : array (R, K, 2)
        Lower and upper end.
    residual : array (R, K, 2)
        How far the profile's deviance at the end may be from its quantile; 0 at an open end.
    remarks : array of str (R, K, 2)
        What is to be said of an end, "" where it is an ordinary root.
    """

    value: Array
    residual: Array
    remarks: Array


def require_regular(fit: Fit, what: str, sampling: bool = False) -> None:
    """Raise for fits for which neither the χ² law of the deviance nor the bootstrap holds.

    Parameters
    ----------
    fit : Fit
    what : str
        For the message.
    sampling : bool
        Whether sampling weights are admitted.
    """
    if fit.sample.truth is not None:
        raise errors.ComparisonError(errors.message(f"data for {what}", "a fit to a known law"))
    ends = [n for n in fit.names if not fit.family.parameter(n).regular]
    if ends:
        raise errors.NotRegularError(
            errors.message(
                f"a regular likelihood for {what}",
                f"{type(fit.family).__name__}, whose {ends[0]} is an end of the support, estimated at "
                "rate 1/n: no χ² law and no bootstrap holds there (Bickel and Freedman 1981)",
                instead(fit),
            )
        )
    if fit.sample.weighting == "sampling" and not sampling:
        raise errors.ComparisonError(
            errors.message(
                f"a likelihood for {what}",
                "sampling weights, under which the sum is a pseudo-likelihood",
                "Use method='robust profile', 'wald' or a nonparametric bootstrap",
            )
        )
    if not fit.names:
        raise errors.NotRegularError(
            errors.message(f"a free slot for {what}", f"{fit.family!r}, all filled")
        )


def parameter_ends(fit: Fit, quantile: Array) -> Ends:
    """Return the ends of profile intervals of the free parameters.

    Parameters
    ----------
    fit : Fit
    quantile : array (R, k)
        Deviance at the ends, by member and parameter.
    """
    if fit.on_simplex:
        return _cell_ends(fit, quantile)
    size, k = fit.objective.size, len(fit.names)
    ends = Lanes(size, k)
    inside, edge = usable(fit)
    asked = quantile[ends.member, ends.column]
    left = np.repeat(inside | edge, 2 * k) & ~np.isnan(asked)
    ends.remark[~left] = LACKING
    if inside.any() and not kinks_among(fit.objective):
        lanes = np.flatnonzero(np.repeat(inside, 2 * k) & left)
        surface = Surface(fit)
        target = Coordinate(ends.column[lanes])
        members, sides = ends.member[lanes], ends.side[lanes] * _directions(fit)[target.column]
        out = extremes(surface, target, members, sides, asked[lanes])
        # Where a parameter was held at the edge of its range, refits know the limit itself.
        settled = out.found & ~out.held
        done = lanes[settled]
        ends.value[done] = _in_user_units(fit, ends, done, out.value[settled])
        ends.residual[done] = out.residual[settled]
        left[done] = False
    _by_refits(fit, ends, np.flatnonzero(left), quantile)
    return ends.result()


class Lanes:
    """One lane for each member, quantity and side."""

    def __init__(self, size: int, k: int) -> None:
        self.shape = (size, k, 2)
        grid = np.indices(self.shape).reshape(3, -1)
        self.member, self.column, side = grid
        self.side = 2.0 * side - 1.0
        self.value = np.full(size * k * 2, np.nan)
        self.residual = np.full(size * k * 2, np.nan)
        self.remark = np.full(size * k * 2, "", dtype=object)

    def result(self) -> Ends:
        """Return the ends in order, lower before upper."""
        return Ends(*(a.reshape(self.shape) for a in (self.value, self.residual, self.remark)))


def free_parameters(fit: Fit) -> list[Param]:
    """Return the declarations of the parameters that were estimated."""
    return [p for p in fit.family.params if p.name in fit.family.free]


def _directions(fit: Fit) -> Array:
    """Return for each free parameter 1 where it grows with its coordinate, else −1."""
    ends = np.array([0.0, 1.0])
    return np.array([np.sign(np.diff(p.bijection.forward(ends))[0]) for p in free_parameters(fit)])


def _moved(fit: Fit, how: str, p: Param, values: Array, members: Array) -> Array:
    """Take values (l,) of one parameter into the standard frame, or out of it."""
    frame, params = fit.objective.user, fit.family.params
    at = next(i for i, q in enumerate(params) if q.name == p.name)
    shift, scale = (v if len(v) == 1 else v[members] for v in (frame.shift, frame.scale))
    # The others come along: how one entry moves may rest on its place among them.
    theta = [t[members] for t in (fit.theta if how == "to_frame" else fit.framed)]
    theta[at] = values
    with np.errstate(all="ignore"):
        return np.asarray(getattr(fit.family, how)(tuple(theta), shift, scale)[at])


def to_coordinate(fit: Fit, p: Param, values: Array, members: Array) -> Array:
    """Return the unconstrained coordinates of values (l,) of a parameter, in the user's units."""
    framed = _moved(fit, "to_frame", p, values, members)
    with np.errstate(all="ignore"):
        return np.asarray(p.bijection.inverse(framed))


def from_coordinate(fit: Fit, p: Param, eta: Array, members: Array) -> Array:
    """Return the values (l,) of a parameter, in the user's units, at unconstrained coordinates."""
    with np.errstate(all="ignore"):
        framed = p.bijection.forward(eta)
    value = _moved(fit, "from_frame", p, framed, members)
    if p.domain.periodic:
        # An arc across the cut of the circle runs on beyond it.
        centre = fit.flat(p.name)[members]
        value = centre + wrap_angle(value - centre)
    return value


def _in_user_units(fit: Fit, ends: Lanes, lanes: Array, eta: Array) -> Array:
    """Return parameters in the user's units for values of their coordinates."""
    out = np.empty(len(lanes))
    for j, p in enumerate(free_parameters(fit)):
        mine = ends.column[lanes] == j
        out[mine] = from_coordinate(fit, p, eta[mine], ends.member[lanes[mine]])
    return out


class Refits:
    """Deviances of the profile of parameters: refits with the parameter held, as one batch."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.total = np.broadcast_to(fit.objective.total, (fit.objective.size,))

    def deviance(self, name: str, value: Array, members: Array) -> Array:
        """Return 2n(min CE − CE(θ̂)) with a parameter held at values (l,) in the user's units.

        NaN where the value lies outside the parameter's domain, or the likelihood of the rest is
        unbounded. Where a refit stopped before an optimum could be shown the deviance is an upper bound.
        """
        return self.at(name, value, members)[0]

    def at(self, name: str, value: Array, members: Array) -> tuple[Array, Array]:
        """Return the deviances, and whether the refits were shown to be optimal."""
        out, shown = np.full(len(value), np.nan), np.zeros(len(value), dtype=bool)
        for some, other, deviance in self.held(name, value, members):
            statuses = np.ravel(np.asarray(other.certificate.status, dtype=object))
            out[some] = deviance
            shown[some] = [s.name != "STEP_LIMIT" for s in statuses]
        return out, shown

    def held(self, name: str, value: Array, members: Array) -> Iterator[tuple[Array, Fit, Array]]:
        """Yield which values (l,) lie in the parameter's domain, the refits there and their deviances."""
        fit, family = self.fit, self.fit.family
        lanes = np.flatnonzero(family.parameter(name).domain.contains(value))
        stride = max(1, SLAB // fit.sample.rows)
        for some in (lanes[i : i + stride] for i in range(0, lanes.size, stride)):
            own, held = members[some], {name: value[some]}
            if fit.sample.batch_shape:
                filled = [p.name for p in family.params if p.name not in family.free]
                held |= {n: fit.flat(n)[own] for n in filled}
            other = fit_sample(family.replace(**held), fit.sample.take(own))
            bounded = np.where(np.isneginf(other.minimum), np.nan, other.minimum)
            yield some, other, 2.0 * self.total[own] * (bounded - fit.minimum[own])


def _by_refits(fit: Fit, ends: Lanes, lanes: Array, quantile: Array) -> None:
    """Find ends by refits: limits of a family, kinks, and what Newton's method did not settle."""
    if not lanes.size:
        return
    refits = Refits(fit)
    for j, p in enumerate(free_parameters(fit)):
        mine = lanes[ends.column[lanes] == j]
        if mine.size:
            _by_refits_of(refits, p, ends, mine, quantile[ends.member[mine], j])


def _by_refits_of(refits: Refits, p: Param, ends: Lanes, lanes: Array, quantile: Array) -> None:
    fit = refits.fit
    way = _directions(fit)[ends.column[lanes[0]]]
    start, end = _ranges(fit, p, ends.member[lanes], ends.side[lanes] * way)
    last = _last(fit, p, ends.member[lanes])
    tends = np.full(lanes.size, np.inf)
    if not p.domain.periodic:
        tends = asymptote(refits, p, ends.member[lanes], ends.side[lanes])
    stays = start == end
    never = ~stays & (tends < quantile)
    _close(ends, lanes[stays], last[stays], _AT_END)
    _close(ends, lanes[never], last[never], OPEN)
    goes = ~stays & ~never
    lanes, quantile, start, end = lanes[goes], quantile[goes], start[goes], end[goes]
    last = last[goes]
    if not lanes.size:
        return
    members = ends.member[lanes]

    def deviance(eta: Array, which: Array) -> Array:
        value = from_coordinate(fit, p, eta, members[which])
        if p.domain.periodic:
            value = wrap_angle(value)
        # The way through the coordinate rounds.
        value = np.clip(value, *last[which].T)
        return refits.deviance(p.name, value, members[which])

    total = refits.total[members]
    rounding = 32 * np.finfo(float).eps * total * (1.0 + np.abs(fit.values[members]))
    # What is met at an end of the family need not be met next to it.
    started = np.ones(lanes.size, dtype=bool)
    doubtful = np.flatnonzero(usable(fit)[1][members])
    if doubtful.size:
        started[doubtful] = deviance(start[doubtful], doubtful) <= quantile[doubtful]
    ends.remark[lanes[~started]] = NOWHERE
    step = 0.5 * np.sqrt(quantile / total)
    tolerance = np.maximum(TOLERANCE * quantile, rounding)
    sides = ends.side[lanes] * way
    out = first_crossing(deviance, start, sides, step, end, quantile, tolerance, started)
    record(ends, lanes[started], out.of(started), 1e3 * rounding[started])
    found = np.flatnonzero(np.isfinite(out.value))
    ends.value[lanes[found]] = from_coordinate(fit, p, out.value[found], members[found])
    _verify(refits, p, ends, lanes[found], quantile[found])
    _close(ends, lanes[out.open], last[out.open], OPEN)


def _verify(refits: Refits, p: Param, ends: Lanes, lanes: Array, quantile: Array) -> None:
    """Refit once more at the ends found, and say where the deviance is not that of the quantile."""
    if not lanes.size:
        return
    value = ends.value[lanes]
    value = wrap_angle(value) if p.domain.periodic else value
    deviance, shown = refits.at(p.name, value, ends.member[lanes])
    ends.residual[lanes] = np.abs(deviance - quantile)
    for lane, missed, sure in zip(
        lanes, ends.residual[lanes] > _JUMP * quantile, shown, strict=True
    ):
        if missed:
            ends.remark[lane] = _JUMPS
        elif not sure and not ends.remark[lane]:
            ends.remark[lane] = _UNSURE


def _ranges(fit: Fit, p: Param, members: Array, sides: Array) -> tuple[Array, Array]:
    """Return where searches start and where they end, in the coordinate of a parameter, (l,) each."""
    start = to_coordinate(fit, p, fit.flat(p.name)[members], members)
    with np.errstate(all="ignore"):
        low, high = (float(p.bijection.inverse(np.asarray(v))) for v in p.limits)
    if p.domain.periodic:
        return start, start + sides * np.pi
    # A bounded domain is logarithmic towards its end, a whole line is not.
    far = _FAR if p.domain.bounded_somewhere else _FAR_OUT
    floor, roof = max(min(low, high), -far), min(max(low, high), far)
    end = np.where(sides < 0, floor, roof)
    if _is_kink(fit, p):
        held = np.sort(
            [to_coordinate(fit, p, v, members) for v in _last(fit, p, members).T], axis=0
        )
        end = np.where(sides < 0, np.maximum(floor, held[0]), np.minimum(roof, held[1]))
    clipped = np.clip(np.nan_to_num(start, posinf=roof, neginf=floor), floor, roof)
    if p.domain.bounded_somewhere:
        near = np.clip(clipped, max(floor, -_NEAR_END), min(roof, _NEAR_END))
        clipped = np.where(clipped == end, clipped, np.where(np.isfinite(start), clipped, near))
    return clipped, end


def record(ends: Lanes, lanes: Array, out: Crossing, noise: Array) -> None:
    """Note how far crossings miss their quantiles, and what was in the way."""
    ends.residual[lanes] = out.residual
    ends.remark[lanes[out.lost]] = NOWHERE
    ends.remark[lanes[out.least < -noise]] = _LOWER


def _is_kink(fit: Fit, p: Param) -> bool:
    return kinked_slot(fit.family) == p.name


def _last(fit: Fit, p: Param, members: Array) -> Array:
    """Return the ends of the values that a parameter may take, (l, 2): a kink lies in the support."""
    ends: tuple[Any, Any] = p.domain.lower, p.domain.upper
    if _is_kink(fit, p):
        held = {q.name for q in free_parameters(fit)}
        slots = (
            None if q.name in held else t[members]
            for q, t in zip(fit.family.params, fit.theta, strict=True)
        )
        ends = fit.family.settled_bounds(tuple(slots))
    return np.stack([np.broadcast_to(end, members.shape) for end in ends], axis=-1)


def _close(ends: Lanes, lanes: Array, last: Array, remark: str) -> None:
    """Put the last value (l, 2) of a parameter in the place of a root."""
    ends.value[lanes] = np.where(ends.side[lanes] < 0, last[:, 0], last[:, 1])
    ends.residual[lanes] = 0.0
    ends.remark[lanes] = remark


def asymptote(refits: Refits, p: Param, members: Array, sides: Array) -> Array:
    """Return the deviance that the profile tends to at the end of a family, (l,).

    Infinite where the family declares no limit in which this parameter runs to that end, alone or with
    others that are free: with them it comes at least as near as along the way that they take.
    """
    fit, out = refits.fit, np.full(len(members), np.inf)
    for limit in fit.family.limit_families:
        if p.name not in limit.runs or not set(limit.runs) <= set(fit.family.free):
            continue
        there = sides == (1.0 if limit.runs[p.name] == p.domain.upper else -1.0)
        if there.any():
            some = np.unique(members[there])
            found = limit_fit(fit.objective, limit, some, fit.sample, fit_sample)
            if found is not None:
                other, some = found
                tends = np.full(fit.objective.size, np.inf)
                tends[some] = 2.0 * refits.total[some] * (other.minimum - fit.minimum[some])
                out[there] = np.fmin(out[there], tends[members[there]])
    return out


# ------------------------------------------------------------------------------ a simplex


def _cell_ends(fit: Fit, quantile: Array) -> Ends:
    """Return the ends for probabilities of labels: the profile of a cell is that of a Bernoulli."""
    p = fit.framed[0]
    size, k = p.shape
    ends = Lanes(size, k)
    total = np.broadcast_to(fit.objective.total, (size,))
    share = p[ends.member, ends.column]
    asked = quantile[ends.member, ends.column]
    stays = (share == 0) & (ends.side < 0) | (share == 1) & (ends.side > 0)
    ends.value[stays], ends.residual[stays] = share[stays], 0.0
    ends.remark[stays] = _AT_END
    lanes = np.flatnonzero(~stays)
    n, seen, sides = total[ends.member[lanes]], share[lanes], ends.side[lanes]
    with np.errstate(divide="ignore"):
        start = np.clip(np.log(seen) - np.log1p(-seen), -_FAR, _FAR)

    def deviance(eta: Array, which: Array) -> Array:
        s = seen[which]
        miss, hit = np.logaddexp(0.0, eta), np.logaddexp(0.0, -eta)
        entropy = -xlogy(s, s) - xlog1py(1.0 - s, -s)
        return np.asarray(2.0 * n[which] * (s * hit + (1.0 - s) * miss - entropy))

    step, end = 0.5 * np.sqrt(asked[lanes] / n), sides * _FAR
    tolerance = np.maximum(TOLERANCE * asked[lanes], 64 * np.finfo(float).eps * n)
    out = first_crossing(deviance, start, sides, step, end, asked[lanes], tolerance)
    record(ends, lanes, out, np.inf * n)
    ends.value[lanes] = 1.0 / (1.0 + np.exp(-out.value))
    return ends.result()
