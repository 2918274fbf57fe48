"""Families on a bounded interval."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from mlece import errors
from mlece.domain import positive, probability, real
from mlece.families.beta_tails import log_odds_tails
from mlece.families.composed import check_ordered
from mlece.limits import Limit, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    betainc,
    betaincinv,
    exp,
    expm1,
    inf,
    log,
    log1p,
    log_minus_digamma,
    log_probability,
    sqrt,
    stirling_remainder,
    times,
    trigamma,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary, cuts, room, sum_log, weighted_sum
from mlece.param import Param

# ---------------------------------------------------------------------------- Beta


def log_beta(a: Array, b: Array) -> Array:
    """Return log B(a, b) by Stirling's formula with its exact remainder."""
    remainder = stirling_remainder(a) + stirling_remainder(b) - stirling_remainder(a + b)
    root = 0.5 * (LOG_2PI + log1p(a / b) - log(a))
    return np.asarray(root + remainder - a * log1p(b / a) - b * log1p(a / b))


def _digamma_gap(a: Array, b: Array) -> Array:
    """Return psi(a + b) - psi(a)."""
    return log1p(b / a) + log_minus_digamma(a) - log_minus_digamma(a + b)


def shape_limits(
    s: Summary, shapes: tuple[tuple[str, Array | None], tuple[str, Array | None]]
) -> tuple[Limit, ...]:
    """Return what observations at 0 and at 1 come to, where a shape is the power of y and of 1 - y.

    A shape below 1 makes the density infinite at its end, one above 1 makes it 0.
    """
    limits = []
    given = tuple(full(s.minimum, np.nan) if shape is None else shape for _, shape in shapes)
    at_ends = (s.minimum == 0, s.maximum == 1)
    for end, (at_end, (name, shape)) in enumerate(zip(at_ends, shapes, strict=True)):
        spike = at_end if shape is None else at_end & (shape < 1)
        sentence = f"an observation is {end}: the density there is infinite for {name} below 1"
        limits.append(Limit(spike, Status.UNBOUNDED, sentence, given, full(s.minimum, -inf)))
        if shape is not None:
            sentence = f"an observation is {end}: the density there is 0 for {name} above 1"
            none = at_end & (shape > 1)
            limits.append(Limit(none, Status.NOT_ATTAINED, sentence, given, full(s.minimum, inf)))
    return tuple(limits)


def _beta_shapes(log_y: Array, log_rest: Array) -> Arrays:
    """Solve for both shapes from the means of log y and log(1 - y) by Newton's method (Minka 2000).

    The cross-entropy is convex in the shapes; a step that would leave the quadrant is halved.
    """
    room = -expm1(np.logaddexp(log_y, log_rest))
    alpha, beta = 0.5 + 0.5 * exp(log_y) / room, 0.5 + 0.5 * exp(log_rest) / room
    for _ in range(60):
        g1 = log_y + _digamma_gap(alpha, beta)
        g2 = log_rest + _digamma_gap(beta, alpha)
        both, t1, t2 = trigamma(alpha + beta), trigamma(alpha), trigamma(beta)
        determinant = t1 * t2 - both * (t1 + t2)
        d1 = ((t2 - both) * g1 + both * g2) / determinant
        d2 = ((t1 - both) * g2 + both * g1) / determinant
        alpha = where(alpha + d1 > 0, alpha + d1, 0.5 * alpha)
        beta = where(beta + d2 > 0, beta + d2, 0.5 * beta)
        if not np.any((abs(d1) > 1e-14 * alpha) | (abs(d2) > 1e-14 * beta)):
            break
    return alpha, beta


class Beta(Model):
    r"""Beta: log q = (α − 1) log y + (β − 1) log(1 − y) − log B(α, β).

    scipy.stats: ``beta(a=alpha, b=beta)``. R: ``beta(shape1=alpha, shape2=beta)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.Beta(alpha=1, beta=3).mean
    0.25
    """

    support = probability
    everyday = True
    affine = True
    unit_carrier = True
    alpha = Param(positive, r"\alpha", typical=(0.7, 6), doc="first shape")
    beta = Param(positive, r"\beta", typical=(0.7, 6), doc="second shape")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return log(y), log1p(-y)

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        second = np.zeros(())
        for a, b in cuts(y, w):
            rest = np.negative(a, out=room(a.shape))
            second = second + weighted_sum(np.log1p(rest, out=rest), b, a.shape[1])
        return sum_log(y, w), second

    @staticmethod
    def _log_density(t: Arrays, alpha: Array, beta: Array) -> Array:
        return times(alpha - 1, t[0]) + times(beta - 1, t[1]) - log_beta(alpha, beta)

    @staticmethod
    def _score(t: Arrays, alpha: Array, beta: Array) -> Arrays:
        return t[0] + _digamma_gap(alpha, beta), t[1] + _digamma_gap(beta, alpha)

    @staticmethod
    def _curvature(t: Arrays, alpha: Array, beta: Array) -> Arrays:
        both = trigamma(alpha + beta)
        return both - trigamma(alpha), both, both - trigamma(beta)

    @staticmethod
    def _expected_statistics(alpha: Array, beta: Array) -> Arrays:
        return -_digamma_gap(alpha, beta), -_digamma_gap(beta, alpha)

    @staticmethod
    def _maximise(s: Summary, alpha: Array | None, beta: Array | None) -> Arrays | None:
        if alpha is not None or beta is not None:
            return None
        return _beta_shapes(*s.mean)

    @staticmethod
    def _degenerate(s: Summary, alpha: Array | None, beta: Array | None) -> tuple[Limit, ...]:
        limits = shape_limits(s, (("alpha", alpha), ("beta", beta)))
        if alpha is None and beta is None:
            sentence = "every observation is equal: alpha and beta grow without bound, ratio fixed"
            grown = (full(s.minimum, inf), full(s.minimum, inf))
            limits += point_mass(s, sentence, grown)
        return limits

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, var = x.mean(axis=-1), x.var(axis=-1)
        usable = (var > 0) & (mean > 0) & (mean < 1)
        mean = where(usable, mean, 0.5)
        size = where(usable, mean * (1 - mean) / where(usable, var, 1.0) - 1, 2.0)
        size = where(size > 0.1, size, 0.1)
        return mean * size, (1 - mean) * size

    @staticmethod
    def _log_cdf(y: Array, alpha: Array, beta: Array) -> Array:
        return log_probability(betainc(alpha, beta, y), betainc(beta, alpha, 1 - y))

    @staticmethod
    def _log_sf(y: Array, alpha: Array, beta: Array) -> Array:
        return log_probability(betainc(beta, alpha, 1 - y), betainc(alpha, beta, y))

    @staticmethod
    def _standardised(y: Array, alpha: Any, beta: Any) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, log(y) - log1p(-y), alpha, beta

    @staticmethod
    def _quantile(u: Array, alpha: Array, beta: Array) -> Array:
        return np.asarray(betaincinv(alpha, beta, u))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], alpha: Array, beta: Array
    ) -> Array:
        return rng.beta(alpha, beta, size)

    @staticmethod
    def _entropy(alpha: Array, beta: Array) -> Array:
        total = alpha + beta
        remainder = stirling_remainder(alpha) + stirling_remainder(beta) - stirling_remainder(total)
        both = log_minus_digamma(total)
        tilt = (alpha - 1) * (log_minus_digamma(alpha) - both)
        tilt = tilt + (beta - 1) * (log_minus_digamma(beta) - both)
        # log1p(b/a) + log1p(a/b) = 2 log(a + b) - log a - log b.
        return np.asarray(
            0.5 * (LOG_2PI + log(alpha) + log(beta) - 3 * log(total)) + remainder + tilt
        )

    @staticmethod
    def _mean(alpha: Array, beta: Array) -> Array:
        return np.asarray(alpha / (alpha + beta))

    @staticmethod
    def _variance(alpha: Array, beta: Array) -> Array:
        total = alpha + beta
        return np.asarray((alpha / total) * (beta / total) / (total + 1))

    @staticmethod
    def _scipy(alpha: Array, beta: Array) -> Twin:
        return "beta", {"a": alpha, "b": beta}


# ---------------------------------------------------------------------------- Uniform


class Uniform(Model):
    r"""Uniform on [a, b]: log q = −log(b − a).

    scipy.stats: ``uniform(loc=lower, scale=upper - lower)``. R: ``unif(min, max)``. The estimates
    are the extreme observations, at rate 1/n; intervals come from their exact law.

    Examples
    --------
    >>> import mlece
    >>> mlece.Uniform(lower=1, upper=5).variance
    1.3333333333333333
    """

    support = real
    unit_free_sums = True
    affine = True
    unit_carrier = True
    lower = Param(real, "a", typical=(-3, -1), role="location", regular=False, doc="lower end")
    upper = Param(real, "b", typical=(1, 3), role="location", regular=False, doc="upper end")

    def _check_shapes(self) -> None:
        super()._check_shapes()
        check_ordered(self, "lower", "upper")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (np.zeros_like(y),)

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        return (np.zeros(len(y) if w is None else max(len(y), len(w))),)

    @staticmethod
    def _log_density(t: Arrays, lower: Array, upper: Array) -> Array:
        return np.asarray(t[0] - log(upper - lower))

    @staticmethod
    def _score(t: Arrays, lower: Array, upper: Array) -> Arrays:
        return 1 / (upper - lower), -1 / (upper - lower)

    @staticmethod
    def _curvature(t: Arrays, lower: Array, upper: Array) -> Arrays:
        square = (upper - lower) ** 2
        return 1 / square, -1 / square, 1 / square

    @staticmethod
    def _expected_statistics(lower: Array, upper: Array) -> Arrays:
        return (0 * (lower + upper),)

    @staticmethod
    def _bounds(lower: Array, upper: Array) -> Arrays:
        return lower, upper

    @staticmethod
    def _frame(lower: Array, upper: Array) -> Arrays:
        return lower, upper - lower

    @staticmethod
    def _maximise(s: Summary, lower: Array | None, upper: Array | None) -> Arrays:
        return or_fixed(s.minimum, lower), or_fixed(s.maximum, upper)

    @staticmethod
    def _degenerate(s: Summary, lower: Array | None, upper: Array | None) -> tuple[Limit, ...]:
        ends = Uniform._maximise(s, lower, upper)
        sentence = "every observation is equal: the density grows as upper falls to lower"
        return (Limit(ends[0] == ends[1], Status.UNBOUNDED, sentence, ends, full(s.minimum, -inf)),)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        # P((b - M)/(M - m) > c) = (1 + c)^(1 - n); with a known, (M - a)/(b - a) ~ Beta(n, 1).
        lower, upper = theta
        width = upper - lower
        reach = width * expm1(-log(alpha) / (n if fixed else n - 1))
        ends = {"lower": (lower - reach, lower), "upper": (upper, upper + reach)}
        return {name: ends[name] for name in ends if name not in fixed}

    @staticmethod
    def _start(x: Array) -> Arrays:
        return x.min(axis=-1), x.max(axis=-1)

    @staticmethod
    def _log_cdf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower
        return log_probability((y - lower) / width, (upper - y) / width)

    @staticmethod
    def _log_sf(y: Array, lower: Array, upper: Array) -> Array:
        width = upper - lower
        return log_probability((upper - y) / width, (y - lower) / width)

    @staticmethod
    def _quantile(u: Array, lower: Array, upper: Array) -> Array:
        return np.asarray(lower + u * (upper - lower))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], lower: Array, upper: Array
    ) -> Array:
        return rng.uniform(lower, upper, size)

    @staticmethod
    def _entropy(lower: Array, upper: Array) -> Array:
        return np.asarray(log(upper - lower))

    @staticmethod
    def _mean(lower: Array, upper: Array) -> Array:
        return lower + 0.5 * (upper - lower)

    @staticmethod
    def _variance(lower: Array, upper: Array) -> Array:
        return (upper - lower) ** 2 / 12

    @staticmethod
    def _scipy(lower: Array, upper: Array) -> Twin:
        return "uniform", {"loc": lower, "scale": upper - lower}


# ---------------------------------------------------------------------------- Triangular


def _best_mode(y: Array, share: Array, lower: float, upper: float) -> int:
    """Return the index of the distinct value at which a mode makes the likelihood largest.

    Between two neighbouring observations the log-likelihood is convex in the mode, so that its
    maximum lies at an observation (Oliver 1972).
    """
    left, right = log(y - lower), log(upper - y)
    below = np.cumsum(share) - share
    above = np.maximum(1 - np.cumsum(share), 0.0)
    above[-1] = 0.0
    rise = np.cumsum(np.append(0.0, (share * left)[:-1])) - times(below, left)
    fall = np.cumsum(np.append(0.0, (share * right)[:0:-1]))[::-1] - times(above, right)
    return int(np.argmax(rise + fall))


def _crossing(view: Any, low: float, high: float, lower: float, upper: float) -> float:
    """Return the mode between two quadrature nodes where the slope of the cross-entropy vanishes.

    There the distribution function of the truth crosses that of the uniform law from below.
    """
    shift, scale = float(view.user.shift[0]), float(view.user.scale[0])
    for _ in range(52):
        middle = 0.5 * (low + high)
        reached = float(view.sample.truth.cdf(middle * scale + shift)) * (upper - lower)
        low, high = (middle, high) if reached < middle - lower else (low, middle)
    return 0.5 * (low + high)


class Triangular(Model):
    r"""Triangular on [a, b] with mode c: q rises from 0 at a to 2/(b − a) at c and falls to 0 at b.

    log q = log(2/(b − a)) + log((y − a)/(c − a)) up to c, the same with (b − y)/(b − c) beyond.

    scipy.stats: ``triang(c=(mode - lower)/(upper - lower), loc=lower, scale=upper - lower)``. R:
    ``extraDistr::triang(a, b, c)``, ``VGAM::triangle(theta, lower, upper)``. The ends are known
    constants, 0 and 1 if not given; the mode is estimated by the best of the observations (Oliver
    1972, American Statistician 26, 43-44). Its standard error weighs the kink there by the density of
    the data, as that of a median does.

    Examples
    --------
    >>> import mlece
    >>> mlece.fit(mlece.Triangular(), [0.2, 0.4, 0.5, 0.9]).params
    {'mode': 0.4}
    """

    support = real
    exact_by = "the largest value over the observations"
    lower = Param(
        real,
        "a",
        typical=(-3, -1),
        role="location",
        estimable=False,
        default=0.0,
        doc="lower end",
    )
    upper = Param(
        real, "b", typical=(1, 3), role="location", estimable=False, default=1.0, doc="upper end"
    )
    mode = Param(real, "c", typical=(-0.6, 0.6), role="location", doc="mode")

    def _check_shapes(self) -> None:
        super()._check_shapes()
        lower, upper, mode = (self.slots[name] for name in ("lower", "upper", "mode"))
        mode = lower if mode is None else mode
        ends = np.broadcast_arrays(lower, mode, upper)  # type: ignore[arg-type]
        bad = (ends[0] >= ends[2]) | (ends[1] < ends[0]) | (ends[1] > ends[2])
        if bad.any():
            at = tuple(np.argwhere(bad)[0])
            got = ", ".join(f"{e[at].item()!r}" for e in ends)
            raise errors.ParameterError(
                errors.message("lower <= mode <= upper and lower < upper in Triangular", got)
            )

    @staticmethod
    def _log_density(y: Array, lower: Array, upper: Array, mode: Array) -> Array:
        left = (y <= mode) & (mode > lower)
        ratio = where(left, y - lower, upper - y) / where(left, mode - lower, upper - mode)
        return np.asarray(log(2 / (upper - lower)) + log(ratio))

    @staticmethod
    def _score(y: Array, lower: Array, upper: Array, mode: Array) -> Arrays:
        left = (y <= mode) & (mode > lower)
        width, rise, fall = upper - lower, mode - lower, upper - mode
        return (
            1 / width + where(left, 1 / rise - 1 / (y - lower), 0.0),
            where(left, 0.0, 1 / (upper - y) - 1 / fall) - 1 / width,
            where(left, -1 / rise, 1 / fall),
        )

    @staticmethod
    def _curvature(y: Array, lower: Array, upper: Array, mode: Array) -> Arrays:
        # The almost-everywhere curvature; the kink at y = mode is told by _kink.
        left = (y <= mode) & (mode > lower)
        width, rise, fall = upper - lower, mode - lower, upper - mode
        square = 1 / width**2
        return (
            square + where(left, 1 / rise**2 - 1 / (y - lower) ** 2, 0.0),
            -square + 0 * y,
            where(left, -1 / rise**2, 0.0),
            square + where(left, 0.0, 1 / fall**2 - 1 / (upper - y) ** 2),
            where(left, 0.0, -1 / fall**2),
            where(left, 1 / rise**2, 1 / fall**2),
        )

    @staticmethod
    def _bounds(lower: Array, upper: Array, mode: Array) -> Arrays:
        return lower, upper

    @staticmethod
    def _frame(lower: Array, upper: Array, mode: Array) -> Arrays:
        return lower, upper - lower

    @staticmethod
    def _breakpoints(lower: Array, upper: Array, mode: Array) -> Arrays:
        return (mode,)

    @staticmethod
    def _kink(lower: Array, upper: Array, mode: Array) -> tuple[str, Array]:
        return "mode", 1 / (mode - lower) + 1 / (upper - mode)

    @staticmethod
    def _estimate(
        view: Any, lower: Array, upper: Array, mode: Array | None
    ) -> tuple[Arrays, None, None]:
        if mode is None:
            mode = np.empty(view.size)
            for r in range(view.size):
                y, share = view.distinct(r)
                best = _best_mode(y, share, lower[r], upper[r])
                mode[r] = y[best]
                if view.sample.truth is not None:
                    around = y[max(best - 1, 0)], y[min(best + 1, y.size - 1)]
                    mode[r] = _crossing(view, *around, lower[r], upper[r])
        return (lower, upper, mode), None, None

    @staticmethod
    def _degenerate(
        s: Summary, lower: Array, upper: Array, mode: Array | None
    ) -> tuple[Limit, ...]:
        if mode is not None:
            return ()
        both = (s.minimum == lower) & (s.maximum == upper)
        sentence = "observations lie at both ends: the density is 0 at one of them for every mode"
        limit = (lower, upper, full(s.minimum, np.nan))
        return (Limit(both, Status.INFINITE, sentence, limit, full(s.minimum, inf)),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return x.min(axis=-1), x.max(axis=-1), np.median(x, axis=-1)

    @staticmethod
    def _log_cdf(y: Array, lower: Array, upper: Array, mode: Array) -> Array:
        return log_probability(*_triangle_tails(y, lower, upper, mode))

    @staticmethod
    def _log_sf(y: Array, lower: Array, upper: Array, mode: Array) -> Array:
        return log_probability(*_triangle_tails(y, lower, upper, mode)[::-1])

    @staticmethod
    def _quantile(u: Array, lower: Array, upper: Array, mode: Array) -> Array:
        width = upper - lower
        rise = lower + sqrt(u * width * (mode - lower))
        fall = upper - sqrt((1 - u) * width * (upper - mode))
        return np.asarray(where(u * width <= mode - lower, rise, fall))

    @staticmethod
    def _entropy(lower: Array, upper: Array, mode: Array) -> Array:
        return np.asarray(0.5 + log((upper - lower) / 2) + 0 * mode)

    @staticmethod
    def _mean(lower: Array, upper: Array, mode: Array) -> Array:
        return np.asarray(lower + ((upper - lower) + (mode - lower)) / 3)

    @staticmethod
    def _variance(lower: Array, upper: Array, mode: Array) -> Array:
        width, rise = upper - lower, mode - lower
        return np.asarray((width**2 - width * rise + rise**2) / 18)

    @staticmethod
    def _scipy(lower: Array, upper: Array, mode: Array) -> Twin:
        width = upper - lower
        return "triang", {"c": (mode - lower) / width, "loc": lower, "scale": width}


def _triangle_tails(y: Array, lower: Array, upper: Array, mode: Array) -> tuple[Array, Array]:
    """Return P(Y <= y) and P(Y > y)."""
    width = upper - lower
    left = (y <= mode) & (mode > lower)
    below = (y - lower) / width * ((y - lower) / where(left, mode - lower, 1.0))
    above = (upper - y) / width * ((upper - y) / where(left, 1.0, upper - mode))
    return where(left, below, 1 - above), where(left, 1 - below, above)
