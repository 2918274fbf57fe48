"""The ledger: what a fit costs under a known truth, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.fitting import fit as fit_model
from mlece.information import entropy
from mlece.math import Array
from mlece.model import Model
from mlece.quantities import Entropy, Population
from mlece.result import Fit
from mlece.sources.distribution import nodes
from mlece.sources.expectation import tail_divergent
from mlece.sources.nodes import Nodes
from mlece.units import Units, nats_per_unit, unit_name

# Members whose kinks cut one rule: the work for each grows with their number.
_TOGETHER = 32


@dataclass(frozen=True)
class Ledger:
    """H(p*, q_θ̂) = H(p*) + KL(p* ‖ q_θ*) + [H(p*, q_θ̂) − H(p*, q_θ*)], in nats.

    Attributes
    ----------
    floor : Entropy
        H(p*): irreducible.
    approximation : float
        KL from the truth to the best member of the family: what no amount of data removes.
    estimation : float or array
        What θ̂ costs more than θ*; about tr(A⁻¹B)/(2n) on average.
    total : Population or array
        Cross-entropy of the fitted model under the truth.
    pseudo_true : Fit
        The fit of the family to the truth itself.
    truth : Model
        The known distribution.
    """

    floor: Entropy
    approximation: float
    estimation: Any
    total: Any
    pseudo_true: Fit
    truth: Model

    def __str__(self) -> str:
        return self.text("nats")

    def text(self, units: Units = "nats") -> str:
        """Return the account as a table, in the units wished."""
        per = nats_per_unit(units)
        name = unit_name(units)
        estimation, total = float(np.mean(self.estimation)), float(np.mean(self.total))
        rows = [
            ("floor         H(p*)", float(self.floor)),
            ("approximation KL(p* ‖ q_θ*)", self.approximation),
            ("estimation    H(p*, q_θ̂) − H(p*, q_θ*)", estimation),
            ("total         H(p*, q_θ̂)", total),
        ]
        lines = [f"{label:<42}{value / per:>12.6f} {name}" for label, value in rows]
        if np.ndim(self.estimation):
            lines.append(f"(means over {np.size(self.estimation)} fits)")
        return "\n".join(lines)

    def plot(self, **options: Any) -> Any:
        """Draw the three terms as a stacked bar; see :func:`mlece.plot.ledger_bars`."""
        from mlece.plot import ledger_bars

        return ledger_bars(self, **options)


def ledger(truth: Model, fit: Fit) -> Ledger:
    """Split the population cross-entropy of a fit into floor, approximation and estimation.

    Parameters
    ----------
    truth : Model
        The known distribution p*.
    fit : Fit
        A fit to data (a single one or a batch), or to the truth itself (estimation is then zero).

    Returns
    -------
    Ledger
        Three non-negative terms that add up to the population cross-entropy of the fitted model; for
        an exponential family they obey Pythagoras exactly (Csiszár 1975).

    Raises
    ------
    ComparisonError
        If truth and fit have different dominating measures.
    NoDensityError
        If the fit has no minimiser.

    Examples
    --------
    >>> import mlece
    >>> truth = mlece.Exponential(rate=1)
    >>> account = mlece.ledger(truth, mlece.fit(mlece.Gaussian(), truth))
    >>> round(account.approximation, 10)
    0.4189385332
    """
    if not isinstance(fit, Fit):
        raise errors.DataTypeError(
            errors.message("a Fit, from mlece.fit(...)", type(fit).__name__, "Fit the model first")
        )
    family = fit.family
    best = fit_model(family, truth)
    floor = Entropy(entropy(truth))
    at_best = float(best.values[0])
    if not np.isfinite(at_best):
        shape = fit.sample.batch_shape
        total, unknown = (np.full(shape, v) if shape else v for v in (np.inf, np.nan))
        return Ledger(floor, np.inf, unknown, total if shape else Population(np.inf), best, truth)
    approximation = not_below_zero(at_best - float(floor), at_best)
    total = population_values(best, fit)
    estimation = not_below_zero(total - at_best, at_best)
    shape = fit.sample.batch_shape
    estimation = estimation.reshape(shape)
    total = total.reshape(shape)
    return Ledger(
        floor,
        float(approximation),
        estimation.item() if not shape else estimation,
        Population(total.item()) if not shape else total,
        best,
        truth,
    )


def not_below_zero(difference: Any, size: float) -> Any:
    """Set differences that are negative by rounding alone to zero."""
    slack = 8 * np.finfo(float).eps * (1.0 + abs(size))
    return np.where((difference < 0) & (difference >= -slack), 0.0, difference)


def population_values(best: Fit, fit: Fit) -> Array:
    """Return H(p*, q_θ̂) for every member of a batch, NaN for those without a minimiser, (R,).

    Parameters
    ----------
    best : Fit
        The fit of the family to the known truth.
    fit : Fit
        Fits to data; a single one must have a minimiser.
    """
    if not fit.sample.batch_shape:
        fit.model  # noqa: B018  (raises where there is none)
    out = np.full(fit.objective.size, np.nan)
    for members, model in fit.groups():
        if model.has("_breakpoints"):
            out[members] = _between_kinks(best, model)
        elif type(model) is type(fit.family) and model.affine:
            out[members] = _by_statistics(best, model)
        else:
            out[members] = _mean_code_lengths(best, best.sample.rule, best.sample.outer, model)
    return out


def _by_statistics(best: Fit, model: Model) -> Array:
    """Return H(p*, q) of members of an affine family on the nodes of the pseudo-true fit, (r,).

    Where it is finite for one member it is for all: their statistics have means.
    """
    frame = best.objective.user
    theta = model.to_frame(model.theta, frame.shift, frame.scale)
    framed = best.objective.evaluate(tuple(np.asarray(t) for t in theta), 0).value
    return np.asarray(framed + best.objective.log_scale)


def _between_kinks(best: Fit, model: Model) -> Array:
    """Return H(p*, q) of members whose densities have kinks, on nodes cut at all of these, (r,).

    Each density is smooth between the kinks of a few dozen members, so that they share a rule.
    """
    truth = best.sample.truth
    assert truth is not None
    out = []
    for start in range(0, model.batch_shape[0], _TOGETHER):
        member = model.member(*[t[start : start + _TOGETHER] for t in model.theta])
        points = np.ravel(np.asarray(member._breakpoints(*member.theta), dtype=float))
        rule = nodes(truth, None, tuple(np.unique(points[np.isfinite(points)]).tolist()))
        out.append(_mean_code_lengths(best, rule, (0.0, 1.0), member))
    return np.concatenate(out)


def _mean_code_lengths(best: Fit, rule: Nodes, outer: tuple[float, float], model: Model) -> Array:
    """Return E[−log q] for every member of an array of distributions, infinite where it diverges, (r,)."""
    truth = best.sample.truth
    assert truth is not None
    y = truth.decode(outer[0] + outer[1] * rule.values)
    terms = -model.log_density(np.broadcast_to(y, (*model.batch_shape, y.size)))
    endless = np.array([tail_divergent(rule, row) for row in terms], dtype=bool)
    return np.where(endless, np.inf, terms @ rule.weights)
