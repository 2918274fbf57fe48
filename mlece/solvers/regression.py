"""Long regressions: full gradients, and the Hessian of a part of the rows as their metric.

A gradient reads the rows twice; a Hessian costs as many products as there are pairs of coefficients. The
Hessian of a part of the rows differs from that of all by the error of a sample, so steps in its metric
gain a digit or so each, and the pairs of steps and gradients (L-BFGS: Nocedal 1980, Mathematics of
Computation 35, 773-782) correct it where it is wrong. A Hessian of all rows is taken once where the first
steps tell that it costs less than the gradients that it saves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from mlece.combinators.conditional import Conditional
from mlece.combinators.terms import one_maximum, rows_of
from mlece.likelihood.chart import Chart
from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.solvers.solution import Solution

# Products of columns, by coefficient, that cost as much as a gradient of all rows.
_PRICE = 20
# Gradients that are left to do once a Hessian of all rows is taken with the next.
_LEFT = 3
# Rows of a part by coefficient: with fewer, its Hessian is no metric for the whole.
_ROWS_EACH = 20
_PASSES = 40
_HALVINGS = 8
# Steps after which the metric is taken anew unless the decrement has fallen by a factor of ten.
_PATIENCE = 8
_ROUNDING = 1e-6
_BOUND = 4096  # rows of which the Hessian bounds that of all, where there are few coefficients


def is_long(model: Model) -> bool:
    """Tell whether the cross-entropy of each row is convex in coefficients that alone are estimated.

    Then the Hessian of a part of the rows, as a share of the whole, is a lower bound of that of all.
    """
    if not isinstance(model, Conditional) or model.penalty is not None:
        return False
    slots = {term.slot for term in model.terms}
    held = all(p.name in slots or model.slots[p.name] is not None for p in model.inner.params)
    whole = len(model.free) == sum(term.design.width for term in model.terms)
    return held and whole and one_maximum(model.inner, model.terms)


def _price(model: Any) -> float:
    """Return about how many gradients a Hessian costs."""
    widths = np.array([term.design.width for term in model.terms])
    if all(term.design.sparse for term in model.terms):
        return 1.0
    pairs = (widths.sum() ** 2 + np.square(widths).sum()) / 2
    return 0.5 + float(pairs / widths.sum()) / _PRICE


def part_of(model: Model, rows: int, one_in: int) -> int:
    """Return how many rows of a regression make a part that tells its metric; all where none does."""
    if not isinstance(model, Conditional):
        return rows // one_in
    # With gradients alone the other passes are cheaper, and so must be the part.
    size = max(rows // (2 * one_in if is_long(model) else one_in), _ROWS_EACH * len(model.free))
    return size if 4 * size <= rows else rows


def compact(part: CrossEntropy) -> CrossEntropy:
    """Return the objective of a part of the rows of a regression, which then lie together in memory."""
    model: Any = part.model
    if not isinstance(model, Conditional) or model.penalty is not None:
        return part
    if any(term.design.sparse for term in model.terms):
        return part
    values = part.sample.values
    rows = rows_of(values)
    if len(values) > 1 or not isinstance(rows, slice) or rows.step == 1:
        return part
    values = values.copy()
    values[..., -1] = np.arange(values.shape[1])
    return CrossEntropy(model.on_rows(rows), replace(part.sample, values=values), part.frame)


def _least_bend(objective: CrossEntropy, thinned: CrossEntropy, theta: Arrays) -> Array:
    """Return a lower bound (1, k, k) of the Hessian, from as few rows as make it definite."""
    size = max(_BOUND, _ROWS_EACH * len(theta))
    part = compact(thinned.thinned(size)) if 2 * size <= thinned.sample.rows else thinned
    bend = part.evaluate(theta, 2).hessian
    assert bend is not None
    if part is not thinned and not _is_definite(bend[0]):
        return _share(thinned, objective) * np.asarray(thinned.evaluate(theta, 2).hessian)
    return _share(part, objective) * bend


def _share(part: CrossEntropy, whole: CrossEntropy) -> float:
    return float(part.total[0] / whole.total[0])


def _is_definite(hessian: Array) -> bool:
    try:
        np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError:
        return False
    return True


def descend(
    objective: CrossEntropy, thinned: CrossEntropy, chart: Chart, near: Array, tolerance: float
) -> Solution | None:
    """Return the solution of a long regression, from that of a part of its rows.

    None where the steps do not come down to the tolerance, or leave the range of the coefficients.

    Parameters
    ----------
    objective : CrossEntropy
        Of a model for which :func:`is_long` holds, one sample.
    thinned : CrossEntropy
        The same on a part of its rows.
    chart : Chart
    near : array (1, k)
        Solution of the part.
    tolerance : float
        Newton decrement at the solution.
    """
    search = _Search(objective, thinned, chart, near)
    if not (search.usable and search.run(tolerance)):
        return None
    lower, upper = chart.box()
    if not ((search.eta > lower) & (search.eta < upper)).all():
        return None
    one = np.arange(1)
    theta = chart.theta(search.eta[None], one)
    at = replace(search.at, hessian=_least_bend(objective, thinned, theta))
    return Solution(theta, "quasi-Newton", np.ones(1, dtype=bool), at=at)


class _Search:
    """A point with the gradient there, and the metric in which steps are taken."""

    at: Evaluation
    value: float
    gradient: Array

    def __init__(
        self, objective: CrossEntropy, thinned: CrossEntropy, chart: Chart, near: Array
    ) -> None:
        self.objective, self.thinned, self.chart = objective, thinned, chart
        self.pairs: list[tuple[Array, Array, float]] = []
        self.eta = near[0]
        self.metric: Any = None
        self.exact, self.known = False, False
        self._take_metric(thinned.evaluate(chart.theta(near, np.arange(1)), 2))
        self.usable = self.metric is not None and self._evaluate(self.eta)

    def _take_metric(self, at: Evaluation) -> None:
        """Factor the Hessian (k, k) of an evaluation at the point."""
        self.pairs = []
        hessian = self.chart.pull(self.eta[None], at)[1][0]
        try:
            self.metric = cho_factor(hessian, lower=True)
        except (LinAlgError, ValueError):
            self.metric = None

    def _evaluate(self, eta: Array) -> bool:
        """Read value and gradient at a point; tell whether they are numbers."""
        theta = self.chart.theta(eta[None], np.arange(1))
        at = self.objective.evaluate(theta, 2 if self.exact else 1)
        assert at.score is not None
        slope = self.chart.slope(eta[None], at.score)[0]
        if not np.isfinite(at.value[0] + slope.sum()):
            return False
        self.at, self.eta, self.value, self.gradient = at, eta, float(at.value[0]), slope
        return True

    def _step(self) -> Array:
        """Return the step of L-BFGS (k,), by the two loops over its pairs."""
        q, kept = self.gradient.copy(), []
        for s, y, rho in reversed(self.pairs):
            a = rho * (s @ q)
            q -= a * y
            kept.append(a)
        q = np.asarray(cho_solve(self.metric, q))
        for (s, y, rho), a in zip(self.pairs, reversed(kept), strict=True):
            q += (a - rho * (y @ q)) * s
        return -q

    def _move(self, step: Array) -> bool:
        """Go along a step, shortened until the value does not rise, and keep what it tells."""
        start, value, gradient, at = self.eta, self.value, self.gradient, self.at
        noise = 8e-14 * (1.0 + abs(value))
        for _ in range(_HALVINGS):
            if self._evaluate(start + step) and self.value <= value + noise:
                change = self.gradient - gradient
                along = float(change @ step)
                if along > 0:
                    self.pairs.append((step, change, 1 / along))
                if self.exact:
                    self._take_metric(self.at)
                    self.exact, self.known = False, True
                return self.metric is not None
            self.eta, self.value, self.gradient, self.at = start, value, gradient, at
            step = step / 4
        return False

    def _pays(self, decrement: float, last: float, tolerance: float) -> bool:
        """Tell whether a Hessian of all rows costs less than the gradients that it saves."""
        gained = float(np.log(last / decrement))
        needed = float(np.log(decrement / tolerance))
        price = _price(self.objective.model) + _LEFT
        return np.isfinite(last) and needed > price * max(gained, 0.0)

    def run(self, tolerance: float) -> bool:
        """Step until the decrement is below a tolerance, or that of rounding; tell whether it is."""
        best, since, stalled, last = np.inf, 0, 0, np.inf
        for _ in range(_PASSES):
            step = self._step()
            decrement = float(np.sqrt(max(-float(self.gradient @ step), 0.0)))
            if decrement <= tolerance:
                return True
            stalled += decrement <= _ROUNDING and decrement > 0.9 * last
            if stalled >= 3:
                return True
            self.exact = not self.known and self._pays(decrement, last, tolerance)
            last, since = decrement, since + 1
            if decrement <= 0.1 * best:
                best, since = decrement, 0
            if since > _PATIENCE or not self._move(step):
                if not self.pairs:
                    return False
                best, since = decrement, 0
                theta = self.chart.theta(self.eta[None], np.arange(1))
                self._take_metric(self.thinned.evaluate(theta, 2))
                if self.metric is None:
                    return False
        return False
