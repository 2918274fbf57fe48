"""The ledger: what a fit costs under a truth, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.scipy_family import adopt
from mlece.fits.fitting import fit as fit_model
from mlece.fits.fitting import resolve
from mlece.fits.result import Fit
from mlece.information import entropy
from mlece.math import Array
from mlece.model import Model
from mlece.quantities import Entropy, Population
from mlece.regression.projection import conditional_values
from mlece.regression.truth import ConditionalTruth
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
    pseudo_true : Fit or None
        The fit of the family to the truth itself; None where the truth is unknown.
    truth : Model, DrawnTruth, ConditionalTruth or None
        The known distribution.
    optimism : float, array or None
        Total less the in-sample cross-entropy; about tr(A⁻¹B)/n on average. None for a fit to the truth.
    se : dict of str to float
        Standard errors of the terms that are estimated, by the names of the attributes.
    model : str
        Name of the family.
    how : str
        Where the numbers come from, a sentence; empty where all are exact.
    """

    floor: Entropy
    approximation: float
    estimation: Any
    total: Any
    pseudo_true: Fit | None
    truth: Any
    optimism: Any = None
    se: dict[str, float] = field(default_factory=dict)
    model: str = ""
    how: str = ""

    def __str__(self) -> str:
        return self.text("nats")

    def text(self, units: Units = "nats") -> str:
        """Return the account as a table, in the units wished."""
        per = nats_per_unit(units)
        name = unit_name(units)
        rows = [
            ("floor", "floor         H(p*)"),
            ("approximation", "approximation KL(p* ‖ q_θ*)"),
            ("estimation", "estimation    H(p*, q_θ̂) − H(p*, q_θ*)"),
            ("total", "total         H(p*, q_θ̂)"),
            ("optimism", "optimism      H(p*, q_θ̂) − H_n(q_θ̂)"),
        ]
        lines = []
        for term, label in rows:
            value = getattr(self, term)
            if value is None:
                continue
            se = self.se.get(term)
            error = "" if not se else f" ± {se / per:.6f}"
            lines.append(f"{label:<42}{float(np.mean(value)) / per:>12.6f}{error} {name}")
        if np.ndim(self.estimation):
            lines.append(f"(means over {np.size(self.estimation)} fits)")
        if self.how:
            lines += textwrap.wrap(f"({self.how})", 100)
        return "\n".join(lines)

    def plot(self, **options: Any) -> Any:
        """Draw the three terms as a stacked bar; see :func:`mlece.plot.ledger_bars`."""
        from mlece.plot import ledger_bars

        return ledger_bars(self, **options)


def ledger(
    truth: Any, fit: Any = None, *, n: int | None = None, replicates: int = 999, rng: Any = 0
) -> Ledger:
    """Split the population cross-entropy of a fit into floor, approximation and estimation.

    Parameters
    ----------
    truth : Model, DrawnTruth, ConditionalTruth or Fit
        The known distribution p*; for fits with covariates a :func:`mlece.conditional_truth`. A fit to
        data alone leaves the truth unknown: every term is then estimated.
    fit : Fit or Model, optional
        A fit to data (a single one or a batch), or to the truth itself (estimation is then zero). A
        model with ``n`` asks for what fits to samples of that size cost on average.
    n : int, optional
        Sample size, for a model.
    replicates : int
        Bootstrap samples for an unknown truth, simulated samples for a model without closed forms.
    rng : int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Ledger
        Three terms that add up to the population cross-entropy of the fitted model; with a known truth
        none is negative, and for an exponential family they obey Pythagoras exactly (Csiszár 1975).

    Raises
    ------
    ComparisonError
        If truth and fit have different dominating measures, or an unknown truth comes with a batch.
    NoDensityError
        If the fit has no minimiser.
    NotRegularError
        If tr(A⁻¹B) is asked of a family that has none and the truth is unknown.

    Notes
    -----
    For an unknown truth the best member's cross-entropy is CE_n + tr(Â⁻¹B̂)/(2n) (Takeuchi 1976), the
    approximation that of :func:`mlece.gap`, and the floor what is left.

    Examples
    --------
    >>> import mlece
    >>> truth = mlece.Exponential(rate=1)
    >>> account = mlece.ledger(truth, mlece.fit(mlece.Gaussian(), truth))
    >>> round(account.approximation, 10)
    0.4189385332
    >>> round(mlece.ledger(truth, "exponential", n=10).estimation, 10)  # ψ(n) − log n + 1/(n − 1)
    0.0602786072
    """
    if isinstance(truth, Fit) and fit is None:
        from mlece.diagnostics.ledger_estimated import estimated

        return estimated(truth, replicates, rng)
    if not isinstance(fit, Fit):
        if n is None or fit is None:
            raise errors.DataTypeError(
                errors.message(
                    "a Fit, from mlece.fit(...), or a model with a sample size n=",
                    type(fit).__name__,
                    "Fit the model first",
                )
            )
        from mlece.diagnostics.ledger_expected import expected

        return expected(adopt(truth), resolve(fit), n, replicates, rng)
    return realised(adopt(truth), fit)


def realised(truth: Any, fit: Fit) -> Ledger:
    """Return the ledger of a fit, or of each of a batch, under a known truth."""
    family, shape = fit.family, fit.sample.batch_shape
    best = fit_model(family, truth)
    floor = entropy(truth)
    floor = floor if isinstance(floor, Entropy) else Entropy(floor)
    at_best, name = float(best.values[0]), family.title
    if not np.isfinite(at_best):
        total, unknown = (np.full(shape, v) if shape else v for v in (np.inf, np.nan))
        total = total if shape else Population(np.inf)
        how = "no member of the family has a finite cross-entropy, so that none is best"
        return Ledger(floor, np.inf, unknown, total, best, truth, model=name, how=how)
    total = population_values(best, fit)
    estimation = not_below_zero(total - at_best, at_best)
    known = fit.sample.truth is not None or fit.sample.drawn is not None
    optimism = None if known else (total - fit.values).reshape(shape)
    se, how = _drawn_errors(best, fit)
    return Ledger(
        floor,
        float(not_below_zero(at_best - float(floor), at_best)),
        estimation.reshape(shape) if shape else estimation.item(),
        total.reshape(shape) if shape else Population(total.item()),
        best,
        truth,
        optimism if shape or optimism is None else optimism.item(),
        se,
        name,
        how,
    )


def _drawn_errors(best: Fit, fit: Fit) -> tuple[dict[str, float], str]:
    """Return the Monte Carlo errors of the terms under a truth that is known by its draws."""
    drawn = best.sample.drawn
    if drawn is None:
        return {}, ""
    nearest = best.model.log_density(drawn.draws)
    terms = {"floor": -drawn.at_draws, "approximation": drawn.at_draws - nearest}
    if not fit.sample.batch_shape:
        own = fit.model.log_density(drawn.draws)
        terms |= {"estimation": nearest - own, "total": -own}
    se = {name: drawn.mean(values)[1] for name, values in terms.items()}
    return se, f"Monte Carlo means over {drawn.n:,} draws, ± standard errors"


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
    if best.sample.drawn is not None:
        y = best.sample.drawn.draws
        return _by_member(fit, lambda member: -float(member.log_density(y).mean()))
    if not fit.sample.batch_shape:
        fit.model  # noqa: B018  (raises where there is none)
    if isinstance(best.sample.truth, ConditionalTruth):
        return conditional_values(best, fit)
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


def _by_member(fit: Fit, value: Callable[[Model], float]) -> Array:
    """Return a number for each fitted member of a batch, (R,); NaN where there is no minimiser."""
    out = np.full(fit.objective.size, np.nan)
    for members, model in fit.groups():
        for at, r in enumerate(members.tolist()):
            out[r] = value(model.member(*[t if np.ndim(t) == 0 else t[at] for t in model.theta]))
    return out
