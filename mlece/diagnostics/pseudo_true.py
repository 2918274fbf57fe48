"""The pseudo-true analysis: where a wrong model ends up, and what its standard errors are worth there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.fits.covariance import information, trace_term
from mlece.fits.fitting import fit as fit_model
from mlece.fits.result import Fit
from mlece.information import entropy
from mlece.limits import Status
from mlece.math import Array
from mlece.quantities import Entropy, Nats, Population
from mlece.sources.drawn import tail_index
from mlece.units import Units, nats_per_unit, unit_name


@dataclass(frozen=True)
class PseudoTrue:
    """What maximum likelihood tends to under a truth, and how fast.

    Attributes
    ----------
    params : dict
        θ*, the parameters of the member nearest to the truth; NaN where every member has an infinite
        cross-entropy.
    cross_entropy : Population
        H(p*, q_θ*), nats.
    entropy : Entropy
        H(p*), nats.
    gap : Nats
        KL(p* ‖ q_θ*), nats.
    a, b : array (k, k)
        A = E[−∇² log q_θ*] and B = E[∇ log q_θ* ∇ log q_θ*ᵀ] in the parameters' own units; NaN where the
        likelihood is not regular at θ*, infinite where a moment of the truth is.
    variance_ratio : dict
        Variance of √n(θ̂ − θ*), (A⁻¹BA⁻¹)_jj, over what A⁻¹ claims it to be.
    trace : float
        tr(A⁻¹B), the effective number of parameters; k for a right model.
    fit : Fit
        The fit to the truth itself.
    draws : int or None
        Number of Monte Carlo draws; None where the numbers come from quadrature.
    remark : str
        What is infinite or does not exist, in a sentence.
    """

    params: dict[str, Any]
    cross_entropy: Population
    entropy: Entropy
    gap: Nats
    a: Array
    b: Array
    variance_ratio: dict[str, float]
    trace: float
    fit: Fit
    draws: int | None
    remark: str

    def text(self, units: Units = "nats") -> str:
        """Return the analysis as a table with a sentence, in the units wished."""
        from mlece.reports.report import facts, number, render

        per, name = nats_per_unit(units), unit_name(units)
        sample = self.fit.sample
        law = sample.drawn if sample.truth is None else sample.truth
        spread = self._monte_carlo_errors()
        rows = [
            [
                p,
                number(v) + (f" ± {number(spread[p], None, 2)}" if p in spread else ""),
                number(self.variance_ratio.get(p, np.nan)),
            ]
            for p, v in self.params.items()
            if np.ndim(v) == 0
        ]

        def told(value: Nats) -> str:
            se = f" ± {number(value.se / per, None, 2)}" if value.se else ""
            return f"{number(value / per)}{se} {name}"

        pairs = [
            ("H(p*)", told(self.entropy)),
            ("H(p*, q_θ*)", told(self.cross_entropy)),
            ("gap", f"{told(self.gap)}, KL(p* ‖ q_θ*)"),
            ("tr(A⁻¹B)", f"{number(self.trace)} for {len(self.params)} parameter(s)"),
        ]
        if self.draws is not None:
            pairs.append(("Monte Carlo", f"{self.draws:,} draws; ± are standard errors"))
        pairs.append(("in words", self.sentence))
        title = f"{self.fit.family.title} nearest to {law!r}"
        header = ["parameter", "θ*", "sandwich/naive variance"]
        table = render(rows, header) if rows else ""
        return "\n\n".join(filter(None, [title, table, facts(pairs)]))

    def _monte_carlo_errors(self) -> dict[str, float]:
        """Return the standard errors of θ* over the draws; none where the numbers are exact or infinite."""
        if self.draws is None or not np.isfinite(list(self.variance_ratio.values())).all():
            return {}
        return dict(self.fit.standard_errors())

    @property
    def sentence(self) -> str:
        """What the numbers say."""
        if self.remark:
            return self.remark
        if all(abs(r - 1.0) < 1e-6 for r in self.variance_ratio.values()):
            return "standard errors that suppose the model right are right here."
        worst = max(self.variance_ratio, key=lambda p: abs(np.log(self.variance_ratio[p])))
        ratio = float(np.sqrt(self.variance_ratio[worst]))
        size = f"{ratio:.3g} times as large as" if ratio > 1 else f"only {ratio:.3g} times"
        return f"the standard error of {worst} is {size} what one would state who supposed the model right."

    def __str__(self) -> str:
        return self.text()


def pseudo_true(model: Any, truth: Any) -> PseudoTrue:
    """Analyse what becomes of a model under a truth.

    Parameters
    ----------
    model : Model, class or name
        The model.
    truth : Model, DrawnTruth or ConditionalTruth
        A known distribution, or one declared by :func:`mlece.truth`: the numbers then are Monte Carlo
        means. For a model with predictors a :func:`mlece.conditional_truth`; the entropy is H(Y | X).

    Returns
    -------
    PseudoTrue

    Raises
    ------
    ComparisonError
        If ``truth`` is no known distribution, or has another dominating measure than the model.
    SupportError
        If all of the truth lies outside the support of the model.

    Notes
    -----
    Huber (1967), Proceedings of the Fifth Berkeley Symposium 1, 221-233; White (1982), Econometrica 50,
    1-25, theorems 2.2 and 3.2; Takeuchi (1976) for the trace.

    Examples
    --------
    >>> import mlece
    >>> found = mlece.pseudo_true("gaussian", mlece.Exponential(rate=1))
    >>> round(found.gap, 6), round(found.variance_ratio["sd"], 6), round(found.trace, 6)
    (0.418939, 4.0, 5.0)
    """
    fit = fit_model(model, truth)
    drawn = fit.sample.drawn
    if fit.sample.truth is None and drawn is None:
        raise errors.ComparisonError(
            errors.message(
                "a known distribution as the truth",
                f"{type(truth).__name__}",
                "For data use fit.summary(), fit.variance_ratio and fit.gap()",
            )
        )
    known = truth if drawn is not None else fit.sample.truth
    floor = entropy(known)
    best = fit.cross_entropy
    k = len(fit.names)
    a, b, remark = np.full((k, k), np.nan), np.full((k, k), np.nan), ""
    ratio, trace = dict.fromkeys(fit.names, np.nan), np.nan
    if fit.certificate.status is Status.INFINITE:
        remark = f"no standard errors exist: {fit.certificate.sentence}."
    elif fit.names and not fit.on_simplex:
        try:
            info = information(fit)
            outer = info.factors[0][:, None] * info.factors[0]
            a, b = info.a[0] / outer, info.b[0] / outer
            ratio, trace = fit.variance_ratio, float(trace_term(fit)[0])
        except (errors.NotRegularError, np.linalg.LinAlgError) as error:
            remark = _why(fit, error)
    elif fit.on_simplex:
        trace = float(trace_term(fit)[0])
    remark = remark or _infinities(fit, ratio)
    return PseudoTrue(
        params=fit.params,
        cross_entropy=best,
        entropy=floor if isinstance(floor, Entropy) else Entropy(floor),
        gap=_gap(known, fit, best, floor),
        a=a,
        b=b,
        variance_ratio=ratio,
        trace=trace,
        fit=fit,
        draws=None if drawn is None else drawn.n,
        remark=remark,
    )


def _gap(known: Any, fit: Fit, best: Population, floor: Entropy) -> Nats:
    drawn = fit.sample.drawn
    if drawn is not None:
        return Nats.measured(*drawn.mean(drawn.at_draws - fit.model.log_density(drawn.draws)))
    # Below the rounding of the two there is no gap.
    value = float(best) - float(floor)
    if not np.isfinite(value):
        return Nats(value)
    slack = 8 * np.finfo(float).eps * (1.0 + abs(float(best)))
    return Nats(0.0 if abs(value) <= slack else value)


def _why(fit: Fit, error: Exception) -> str:
    ends = [p for p in fit.names if not fit.family.parameter(p).regular]
    if not ends:
        return str(error)
    verb = "is an end" if len(ends) == 1 else "are ends"
    return (
        f"{' and '.join(ends)} {verb} of the support, estimated at rate 1/n by an order statistic: no "
        "sandwich exists."
    )


def _infinities(fit: Fit, ratio: dict[str, float]) -> str:
    """Say which variances are infinite; of draws, which look so."""
    endless = [p for p, r in ratio.items() if np.isinf(r)]
    if endless:
        return (
            f"the variance of √n({' and '.join(endless)}) is infinite: the truth lacks the moments; "
            "no normal interval for it holds."
        )
    drawn = fit.sample.drawn
    if drawn is None or not fit.names or fit.on_simplex:
        return ""
    from mlece.fits.contributions import contributions

    score = contributions(fit).score
    assert score is not None
    heavy = [p for j, p in enumerate(fit.names) if tail_index(score[0, :, j]) >= 0.5]
    if not heavy and np.isfinite(fit.cross_entropy.se):
        return ""
    what = f"the score of {' and of '.join(heavy)}" if heavy else "the log density"
    return (
        f"{what} has so heavy a tail among the draws that its variance looks infinite: the standard "
        "errors and variance ratios of these draws cannot be trusted."
    )
