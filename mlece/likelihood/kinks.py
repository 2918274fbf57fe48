"""What a kink of the density adds to the Hessian of an expected cross-entropy.

Where the score jumps by c at a location, the mean score has the slope c f there, f the density of the
observations: known for a known law, estimated from data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import Incomplete
from mlece.combinators.kinks import kinks_among
from mlece.combinators.terms import dense, rows_of
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays, ndtri


def kink_information(objective: CrossEntropy, theta: Arrays) -> Array | None:
    """Return what a kink adds to the Hessian in all framed parameters, (R, k, k); None without one.

    Parameters
    ----------
    objective : CrossEntropy
    theta : tuple of arrays (R,)
        Framed parameters.

    Notes
    -----
    With covariates E[c f(0 | x) x x'], of Powell (1991): the mean over the observations whose residuals, in
    units of their scales, lie between two quantiles about the level of the kink, times the density that the
    distance of these quantiles tells. Without covariates that is the difference quotient of quantiles
    alone.

    References
    ----------
    Powell, J. L. (1991). Estimation of monotonic regression models under quantile restrictions. In
    Barnett, Powell and Tauchen (eds), Nonparametric and Semiparametric Methods in Econometrics, Cambridge,
    357–384.
    """
    model = objective.model
    names = kinks_among(objective)
    if not names:
        return None
    k = len(theta)
    out = np.zeros((objective.size, k, k))
    if isinstance(model, Conditional):
        at = [i for i, p in enumerate(model.params) if p.name in names]
        for r in range(objective.size):
            out[np.ix_([r], at, at)] = _given_covariates(objective, theta, r, at)
        return out
    i = [p.name for p in model.params].index(names[0])
    law: Any = model._inner if isinstance(model, Incomplete) else model
    level = np.exp(law._log_cdf(theta[i], *theta))
    out[:, i, i] = law._kink(*theta)[1] * _density(objective, theta[i], level)
    return out


def _density(objective: CrossEntropy, where: Array, level: Array) -> Array:
    """Return the framed density of the observations at the location of a kink, (R,).

    NaN for a member of a batch whose observations are tied there. Of incomplete observations the density
    is that of the exact ones, times their share.
    """
    truth = objective.sample.truth
    scale, shift = objective.user.scale, objective.user.shift
    if truth is not None:
        return np.asarray(truth.density(where * scale + shift) * scale)
    out = np.empty(objective.size)
    y, w = objective.sample.values, objective.sample.weights
    for r in range(objective.size):
        one, share = np.array([r]), 1.0
        framed = objective.frame.apply(y[[r if len(y) > 1 else 0]], one)[0]
        mass = None if w is None else w[r if len(w) > 1 else 0]
        if framed.ndim == 2:
            exact = framed[:, 0] == framed[:, 1]
            all_of = np.ones(len(framed)) if mass is None else mass
            share = float(all_of[exact].sum() / all_of.sum())
            framed, mass = framed[exact, 1], all_of[exact]
            if not framed.min() <= where[r] <= framed.max():
                out[r] = 0.0
                continue
        low, high, width = _window(framed, where[r], mass, float(level[r]), objective.size == 1)
        out[r] = share * 2.0 * width / (high - low)
    return out


def _window(
    values: Array, where: float, mass: Array | None, level: float, alone: bool
) -> tuple[float, float, float]:
    """Return two quantiles about a kink and half the distance of their levels.

    That distance is the bandwidth of Hall and Sheather (1988), as in quantile regression. Observations
    at the kink leave a choice of its level, of which the nearest to ``level`` is taken. Quantiles that
    are equal are an atom: an error for a fit alone, NaN in a batch.
    """
    if not np.isfinite(where + level):
        # A member without an estimate.
        return np.nan, np.nan, np.nan
    total = float(len(values) if mass is None else mass.sum())
    share = np.full(len(values), 1 / total) if mass is None else mass / total
    below, upto = float(share[values < where].sum()), float(share[values <= where].sum())
    rest = 0.5 / total
    level = min(max(level, below, rest), max(upto, rest), 1 - rest)
    normal = float(ndtri(level))
    height = np.exp(-0.5 * normal**2) / np.sqrt(2.0 * np.pi)
    bend = 1.5 * height**2 / (2.0 * normal**2 + 1.0)
    width = total ** (-1 / 3) * 1.959963984540054 ** (2 / 3) * bend ** (1 / 3)
    width = float(min(width, 0.9 * min(level, 1.0 - level)))
    low, high = np.quantile(
        values, [level - width, level + width], weights=mass, method="inverted_cdf"
    )
    if high == low:
        if not alone:
            return np.nan, np.nan, np.nan
        raise errors.NotRegularError(
            errors.message(
                "a density at the kink of the likelihood, to weigh it",
                "an atom: most observations are tied there",
            )
        )
    return float(low), float(high), width


def _given_covariates(objective: CrossEntropy, theta: Arrays, r: int, at: list[int]) -> Array:
    """Return what the kink of one member adds in its coefficients, (q, q)."""
    model: Any = objective.model
    inner, names = model.inner, [p.name for p in model.inner.params]
    values, w = objective.sample.values, objective.sample.weights
    own = objective.frame.apply(values[[r if len(values) > 1 else 0]], np.array([r]))
    t = model.statistics(own)
    point = model.shared(t, tuple(v[[r]][:, None] for v in theta))
    parts = np.broadcast_arrays(model.split(own), *point.theta)
    y, laws = parts[0][0], [v[0] for v in parts[1:]]
    slot, jump = inner._kink(*laws)
    scale = laws[names.index("scale")]
    r_in_scales = (y - laws[names.index(slot)]) / scale
    # A residual that vanishes but for rounding is at the kink.
    noise = 64 * np.finfo(float).eps * (np.abs(y) + np.abs(laws[names.index(slot)])) / scale
    r_in_scales[np.abs(r_in_scales) <= noise] = 0.0
    mass = np.ones(len(y)) if w is None else w[r if len(w) > 1 else 0]
    level = float(mass @ np.exp(inner._log_cdf(laws[names.index(slot)], *laws)) / mass.sum())
    low, high, width = _window(
        r_in_scales, 0.0, None if w is None else mass, level, objective.size == 1
    )
    near = np.flatnonzero((r_in_scales >= low) & (r_in_scales <= high))
    term, _ = model._layout[names.index(slot)]
    rows = rows_of(own)
    numbers = np.arange(rows.start, rows.stop, rows.step) if isinstance(rows, slice) else rows
    if not near.size:
        return np.full((len(at), len(at)), np.nan)
    columns = np.ones((len(near), 1)) if term is None else dense(term.design, numbers[near])
    start = model._layout[names.index(slot)][1].start
    columns = columns[:, [i - start for i in at]]
    share = mass[near] / mass[near].sum()
    density = 2.0 * width / (high - low)
    push = share * density * jump[near] / scale[near]
    return np.asarray(columns.T @ (push[:, None] * columns))
