"""Absolute residuals with a tilt of their own: the global minimum over coefficients and asymmetry.

With κ² = τ/(1 − τ) the least of κ r⁺ + r⁻/κ over the coefficients is V(τ)/√(τ(1 − τ)), V the least sum of
τ r⁺ + (1 − τ) r⁻: concave in τ, as a minimum of linear functions. Between two values of τ it lies above
its chord, on which the cross-entropy is convex in log κ, with a closed form at its least. So every
interval has a lower bound, and those that may hold the minimum are cut until none lies lower than what was
found (branch and bound).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlece.families.skew_tails import laplace_shapes
from mlece.math import Array, expit
from mlece.solvers.absolute import AbsoluteFit

# Below the last digits of a cross-entropy nothing is sought.
_DIGITS = 4e-15
_MOST = 400  # programmes
# A cut keeps off the ends of its interval of log-odds by a share of it, and goes so far into an open one.
_OFF, _FURTHER = 0.1, 2.0
_APART = 1e-7  # log-odds of a chord whose slope has digits left
# How far in τ coefficients between those of two nodes serve as a start, and those of one.
_CLOSE, _BESIDE = 0.1, 0.02
_WIDEST = 36.0  # log-odds beyond which slopes differ by more than the digits hold

Programme = Callable[[float, Array | None, float | None], AbsoluteFit]


@dataclass(frozen=True)
class TiltedFit:
    """The least cross-entropy over coefficients and asymmetry, and over the scale where it is free.

    Parameters
    ----------
    fit : AbsoluteFit
        At the best asymmetry, its residuals untilted.
    scale, asymmetry : float
        0 and 0 or infinity where all residuals lie on one side.
    value : float
        log s + log(κ + 1/κ) + the mean of κ r⁺/s + r⁻/(κ s).
    excess : float
        How far it may lie above the least.
    """

    fit: AbsoluteFit
    scale: float
    asymmetry: float
    value: float
    excess: float

    @property
    def odds(self) -> float:
        """The log-odds log κ² that are best for these residuals."""
        with np.errstate(divide="ignore"):
            return 2 * float(np.log(self.asymmetry))


@dataclass(frozen=True)
class _Node:
    """The programme at one τ: means above and below, and the least V that is proved, on its chord."""

    odds: float  # log τ/(1 − τ)
    least: float
    found: TiltedFit | None = None

    @property
    def up(self) -> float:
        return float(expit(self.odds))

    def value(self) -> float:
        return np.inf if self.found is None else self.found.value


def least_tilted(programme: Programme, total: float, scale: float | None = None) -> TiltedFit:
    """Return the global minimum over coefficients, asymmetry and, if it is not given, scale.

    Parameters
    ----------
    programme : callable
        Returns the least sum of τ r⁺ + (1 − τ) r⁻ for a τ, from coefficients that may be near; with a
        distance in τ from where these are the best, a sum that need be the least up to a hundredth of its
        square, a chord's own error being of that order, with its lower bound.
    total : float
        Total weight.
    scale : float, optional

    References
    ----------
    Kotz, S., Kozubowski, T. J. and Podgórski, K. (2001). The Laplace distribution and generalizations,
    section 3.5, has the closed forms given the residuals.
    """
    best: _Node | None = None
    # V vanishes at both ends of (0, 1).
    nodes = [_Node(-np.inf, 0.0), _Node(np.inf, 0.0)]
    bounds = [-np.inf]
    place, odds = 0, 0.0
    for _ in range(_MOST):
        near = _between(nodes[place], nodes[place + 1], odds)
        node = _node(programme, total, scale, odds, *near)
        if node is None:
            break
        nodes.insert(place + 1, node)
        pairs = [(nodes[place], node), (node, nodes[place + 2])]
        bounds[place : place + 1] = [_chord(a, b, scale)[0] for a, b in pairs]
        best = node if best is None else min(best, node, key=_Node.value)
        place, value = int(np.argmin(bounds)), best.value()
        if value - bounds[place] <= _DIGITS * (1 + abs(value)):
            break
        odds = _cut(nodes[place], nodes[place + 1], _aim(nodes, best), scale)
        # No number where all residuals vanish.
        if not abs(odds) <= _WIDEST or nodes[place + 1].odds - nodes[place].odds < _APART:
            break
    if best is None or best.found is None:
        failed = programme(0.5, None, None)
        return TiltedFit(failed, np.nan, np.nan, np.nan, np.inf)
    last = _node(programme, total, scale, best.odds, best.found.fit.coefficients, None)
    out = best.found if last is None or last.found is None else last.found
    return replace(out, excess=max(out.value - min(bounds), 0.0))


def _node(
    programme: Programme,
    total: float,
    scale: float | None,
    odds: float,
    near: Array | None = None,
    apart: float | None = None,
) -> _Node | None:
    """Solve at one asymmetry, and take the best scale and asymmetry for the residuals found there."""
    up = 1 / (1 + np.exp(-odds))
    down = 1 / (1 + np.exp(odds))
    fit = programme(up, near, apart)
    if not fit.settled:
        return None
    above, below = fit.above / up / total, fit.below / down / total
    value, spread, kappa = _shapes(above, below, scale)
    found = TiltedFit(fit, spread, kappa, value, np.inf)
    return _Node(odds, fit.value / fit.ratio / total, found)


def _between(a: _Node, b: _Node, odds: float) -> tuple[Array | None, float]:
    """Return coefficients on the line between those of two nodes, and how far in τ the nearer one is.

    Nothing where it is far: a part of the rows tells more than coefficients that are far off.
    """
    known = [(node, node.found.fit.coefficients) for node in (a, b) if node.found is not None]
    apart = min((abs(node.up - float(expit(odds))) for node, _ in known), default=np.inf)
    if apart > (_CLOSE if len(known) == 2 else _BESIDE):
        return None, min(apart, _CLOSE)
    (_, first), (_, last) = known[0], known[-1]
    share = (odds - a.odds) / (b.odds - a.odds) if len(known) == 2 else 0.0
    return first + share * (last - first), apart


def _shapes(above: float, below: float, scale: float | None) -> tuple[float, float, float]:
    """Return cross-entropy, scale and asymmetry at their best given the means above and below."""
    given = None if scale is None else np.array([scale])
    with np.errstate(all="ignore"):
        out = laplace_shapes(np.array([above]), np.array([below]), given, None)
    value, spread, kappa = (float(v[0]) for v in out)
    return value, spread, kappa


def _chord(a: _Node, b: _Node, scale: float | None) -> tuple[float, float]:
    """Return the least cross-entropy on the chord between two nodes, and the log-odds where it is.

    A line V = τ S⁺ + (1 − τ) S⁻ is that of residuals with these means; concave V ≥ 0 lies below it
    outside the two nodes, so neither is negative.
    """
    above, below = _line(a, b)
    value, _, kappa = _shapes(above, below, scale)
    with np.errstate(divide="ignore"):
        odds = 2 * float(np.log(kappa))
    inside = min(max(odds, a.odds), b.odds)
    if inside != odds:
        value = _on_line(above, below, inside, scale)
    return value, inside


def _line(a: _Node, b: _Node) -> tuple[float, float]:
    """Return the values of a chord at τ = 1 and τ = 0, from log-odds: nothing cancels at either end.

    The slope of a short chord has few digits: one of both is taken from it, the other so that the line
    meets a node all the same.
    """
    (up_a, down_a), (up_b, down_b) = (
        (1 / (1 + np.exp(-node.odds)), 1 / (1 + np.exp(node.odds))) for node in (a, b)
    )
    # τ_b − τ_a as a product.
    apart = up_b * down_a - up_a * down_b
    if a.odds + b.odds < 0:
        above = max((b.least * down_a - a.least * down_b) / apart, 0.0)
        return float(above), max(float((a.least - up_a * above) / down_a), 0.0)
    below = max((a.least * up_b - b.least * up_a) / apart, 0.0)
    return max(float((b.least - down_b * below) / up_b), 0.0), float(below)


def _on_line(above: float, below: float, odds: float, scale: float | None) -> float:
    """Return the cross-entropy of residuals with these means at one asymmetry."""
    half = 0.5 * odds
    if scale is None:
        # (κ + 1/κ)(κ S⁺ + S⁻/κ), in which S⁻ or S⁺ may be 0 at the end.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = above * (1 + np.exp(odds)) if above else 0.0
            parts += below * (1 + np.exp(-odds)) if below else 0.0
        return float(np.log(parts)) + 1
    if np.isinf(half):
        return float(np.inf)
    tilted = above * np.exp(half) + below * np.exp(-half)
    return float(np.log(scale) + np.logaddexp(half, -half) + tilted / scale)


def _cut(a: _Node, b: _Node, goal: float, scale: float | None) -> float:
    """Return where an interval is cut: where the best asymmetry may be, or where its chord is least."""
    if np.isfinite(goal) and goal - a.odds > _APART and b.odds - goal > _APART:
        return goal
    least = _chord(a, b, scale)[1]
    low = a.odds if np.isfinite(a.odds) else b.odds - _FURTHER
    high = b.odds if np.isfinite(b.odds) else a.odds + _FURTHER
    if not np.isfinite(a.odds) or not np.isfinite(b.odds):
        inside = least if np.isfinite(least) and low < least < high else np.nan
        return inside if np.isfinite(inside) else (low if np.isinf(a.odds) else high)
    off = _OFF * (high - low)
    return min(max(least, low + off), high - off)


def _aim(nodes: list[_Node], best: _Node) -> float:
    """Return where the log-odds may be those that are best for their own residuals.

    From the best node on, along the line through it and the nearest other one.
    """
    own = [(node.odds, node.found.odds) for node in nodes if node.found is not None]
    own.sort(key=lambda pair: abs(pair[0] - best.odds))
    step = own[0][1] - best.odds
    if not np.isfinite(step):
        return np.nan
    if len(own) > 1 and np.isfinite(own[1][1]):
        gain = (own[1][1] - own[0][1]) / (own[1][0] - best.odds)
        step = step / (1 - gain) if gain < 1 else step
    return best.odds + min(max(step, -_FURTHER), _FURTHER)
