"""Cdf and quantiles of laws that know their density alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array, expit, log, log1p
from mlece.model import Model
from mlece.sources.discrete import laws_at
from mlece.sources.nodes import check_mass
from mlece.sources.pieces import Piece, cut
from mlece.sources.slabs import Slab, climbed, each_law, flattened
from mlece.sources.steps import Steps

_GAUSS = np.polynomial.legendre.leggauss(24)
_PANEL = 0.125

# ---------------------------------------------------------------------------- where the bulk lies


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


# ---------------------------------------------------------------------------- the table


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
    first = _tabulate(model, cut(model, guess))
    quartiles = first.quantile(np.array([0.25, 0.5, 0.75]))
    return _tabulate(model, cut(model, quartiles))


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


# ---------------------------------------------------------------------------- cdf and quantiles


def _by_member(
    model: Model, points: Array, single: Callable[..., Array], tabled: Any, ask: type[_Asked]
) -> Array:
    """Evaluate a function of laws of batch shape B at points B + (n,)."""
    shape = np.broadcast_shapes((*model.batch_shape, 1), points.shape)
    rows = np.broadcast_to(points, shape).reshape(-1, shape[-1])
    asked = ask(rows)
    flat = flattened(model)
    left = climbed(flat, asked)
    if left.size:
        asked.out[left] = each_law(
            laws_at(flat, left),
            lambda law, row: single(law, rows[left[row]]),
            lambda slab, numbers: tabled(slab, rows[left[numbers]]),
        )
    return asked.out.reshape(shape)


class _Asked:
    """What is asked of each law (m, n), filled in as its probabilities are added up."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self.out = np.full(rows.shape, np.nan)

    def __call__(self, rows: Array, first: Array, running: Array, whole: Array) -> Array:
        """Fill in what a stretch shows; return which laws have shown all."""
        wanted, out = self.rows[rows], self.out[rows]
        value, here = self._of(wanted, first, running, whole[:, None])
        here = here & np.isnan(out)
        self.out[rows] = out = np.where(here, value, out)
        return np.asarray(~np.isnan(out).any(axis=1))

    @staticmethod
    def _of(wanted: Array, first: Array, running: Array, whole: Array) -> tuple[Array, Array]:
        raise NotImplementedError


class _Quantiles(_Asked):
    @staticmethod
    def _of(wanted: Array, first: Array, running: Array, whole: Array) -> tuple[Array, Array]:
        # What rounding leaves below 1 in all lies on the last integer with any mass to speak of.
        reached = running[:, -1:]
        target = np.minimum(wanted, reached)
        found = [np.searchsorted(r, p) for r, p in zip(running, target, strict=True)]
        return first + np.asarray(found, dtype=float), whole | (wanted <= reached)


class _LogCdf(_Asked):
    @staticmethod
    def _of(wanted: Array, first: Array, running: Array, whole: Array) -> tuple[Array, Array]:
        at = np.clip(wanted - first, 0.0, running.shape[1] - 1.0)
        sums = np.take_along_axis(running, at.astype(np.intp), axis=1)
        with np.errstate(divide="ignore"):
            logs = log(np.where(wanted < first, 0.0, sums))
        return logs, whole | (wanted < first + running.shape[1])


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
    >>> from mlece.sources.cumulative import log_cdf_by_quadrature
    >>> np.exp(log_cdf_by_quadrature(Gaussian(0, 1), np.array([0.0]))).round(12).tolist()
    [0.5]
    """
    y = np.asarray(y, dtype=float)
    if model.batch_shape:
        with np.errstate(divide="ignore"):
            return _by_member(
                model, y, log_cdf_by_quadrature, lambda t, at: log(t.cdf(at)), _LogCdf
            )
    with np.errstate(divide="ignore"):
        if model.support.discrete:
            return np.asarray(log(Steps.of(model).cdf(np.atleast_1d(y)).reshape(y.shape)))
        table = _normalised(model)
        return np.asarray(log(table.cdf(np.atleast_1d(y)).reshape(y.shape)))


def _normalised(model: Model) -> Table:
    table = _table(model)
    check_mass(model, table.total)
    return table


def quantile_by_search(model: Model, u: Array) -> Array:
    """Return the smallest y with P(Y <= y) >= u by inverting the cdf.

    Parameters
    ----------
    model : Model
        A distribution without a closed form; with a batch shape B the result has shape B + (n,).
    u : array
        Probabilities in (0, 1), any shape.

    Returns
    -------
    array
        Quantiles, in the shape of ``u`` behind that of the batch.

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
    >>> from mlece.sources.cumulative import quantile_by_search
    >>> quantile_by_search(Gaussian(0, 1), np.array([0.975])).round(9).tolist()
    [1.959963985]
    """
    u = np.asarray(u, dtype=float)
    if model.batch_shape:
        return _by_member(model, u, quantile_by_search, Slab.quantile, _Quantiles)
    flat = np.atleast_1d(u).ravel()
    lower, upper = (float(end) for end in model.bounds(model.theta))
    if model.support.discrete:
        found = Steps.of(model).quantile(flat)
    elif model.has("_log_cdf") or model.has("_log_sf"):
        found = _bisect(model, flat, lower, upper)
    else:
        found = _normalised(model).quantile(flat)
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
