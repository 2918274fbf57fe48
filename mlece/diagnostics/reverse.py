"""The reverse projection: argmin KL(q_θ ‖ p*) beside maximum likelihood's argmin KL(p* ‖ q_θ).

The forward projection must cover the truth, since it pays for truth without model; the reverse one must not
leave it, since it pays for model without truth. For a truth with several modes the reverse divergence has a
local minimum at each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.scipy_family import adopt
from mlece.fits.fitting import fit as fit_model
from mlece.fits.fitting import fit_sample, resolve
from mlece.fits.result import Fit
from mlece.information import kinks, kl_divergence
from mlece.likelihood.chart import Chart
from mlece.math import Array
from mlece.model import Model
from mlece.quantities import Nats
from mlece.sample import Sample
from mlece.sources.distribution import nodes
from mlece.sources.drawn import DrawnTruth

_LEVEL = 5  # of the quadrature of minima
# Probabilities whose quantiles carry the expectations of the search: a double-exponential rule.
_T = np.linspace(-2.75, 2.75, 89)
_U = 1.0 / (1.0 + np.exp(-np.pi * np.sinh(_T)))
_W = np.cosh(_T) * _U * (1.0 - _U)
_W /= _W.sum()
_WINDOWS = (
    4  # the truth is cut into 1, 2, ... equal parts; a search starts at the best member of each
)
_WEIGHT = 1000.0  # of the truth in the fits that start a search
# In unconstrained coordinates: the first steps of a search, which a minimum withstands, and the distances
# within which two searches, or two minima, are one.
_STEP, _NEAR, _SAME = 0.1, 0.02, 1e-3
_ROUNDS = 6
_ROUNDING = 1e-10  # of the divergence


@dataclass(frozen=True)
class ReverseMinimum:
    """A local minimum of KL(q_θ ‖ p*).

    Attributes
    ----------
    params : dict
        The free parameters.
    divergence : float
        KL(q_θ ‖ p*), nats.
    model : Model
        The member itself.
    """

    params: dict[str, float]
    divergence: float
    model: Model


@dataclass(frozen=True)
class ReverseProjection:
    """Both projections of a truth onto a family.

    Attributes
    ----------
    minima : tuple of ReverseMinimum
        All local minima found of the reverse divergence, the lowest first.
    forward : Fit
        The forward projection: what maximum likelihood tends to.
    forward_divergence : Nats
        KL(p* ‖ q_θ*), nats.
    truth : Model or DrawnTruth
        The known distribution p*.
    starts : int
        How many searches were made.
    """

    minima: tuple[ReverseMinimum, ...]
    forward: Fit
    forward_divergence: Nats
    truth: Any
    starts: int

    @property
    def best(self) -> ReverseMinimum:
        """The lowest minimum found."""
        return self.minima[0]

    def __str__(self) -> str:
        def told(params: dict[str, Any]) -> str:
            return ", ".join(f"{p} = {v:.5g}" for p, v in params.items())

        name = self.forward.family.title
        lines = [
            f"{name} and {self.truth!r}",
            f"  forward  {told(self.forward.params)}: KL(p* ‖ q) = {self.forward_divergence:.6g} nats",
        ]
        lines += [
            f"  reverse  {told(m.params)}: KL(q ‖ p*) = {m.divergence:.6g} nats"
            for m in self.minima
        ]
        count = len(self.minima)
        noun = "minimum" if count == 1 else "minima"
        lines.append(
            f"  ({count} local {noun} of the reverse divergence from {self.starts} starts)"
        )
        return "\n".join(lines)

    def plot(self, **options: Any) -> Any:
        """Draw the truth and both projections; see :func:`mlece.plot.projections`."""
        from mlece.plot import projections

        return projections(self, **options)


def reverse_projection(model: Any, truth: Any) -> ReverseProjection:
    """Minimise KL(q_θ ‖ p*) over a family, for comparison with maximum likelihood.

    Parameters
    ----------
    model : Model, class or name
        A regular family with free parameters that are numbers.
    truth : Model or DrawnTruth
        A known distribution with a log density; where the latter comes from :func:`mlece.truth`, the
        forward projection is a Monte Carlo one.

    Returns
    -------
    ReverseProjection

    Raises
    ------
    ComparisonError
        If model and truth have different dominating measures, or the family is not regular.
    NoDensityError
        If every member found has mass outside the support of the truth: the divergence is infinite.

    Notes
    -----
    The expectation under q_θ is taken by quadrature. Searches start from the forward projection and from
    the best members of parts of the truth: the simplex of Nelder and Mead (1965, Computer Journal 7,
    308-313), then the method of Broyden, Fletcher, Goldfarb and Shanno. No search proves that it has found
    every minimum.

    Examples
    --------
    >>> import mlece
    >>> two = mlece.Mixture(mlece.Gaussian(-3, 1), mlece.Gaussian(3, 1), **{"weight[1]": 0.4})
    >>> found = mlece.reverse_projection("gaussian", two)
    >>> [round(m.params["mean"], 1) for m in found.minima]
    [-3.0, -0.5, 3.0]
    """
    family, truth = resolve(model), adopt(truth)
    forward = fit_model(family, truth)
    if forward.sample.truth is None and forward.sample.drawn is None:
        raise errors.ComparisonError(
            errors.message("a known distribution as the truth", type(truth).__name__)
        )
    forward.require_numbers("a reverse projection")
    if isinstance(forward.family, Conditional):
        raise errors.ComparisonError(
            errors.message("one law of numbers for a reverse projection", forward.family.title)
        )
    if not family.free or any(
        family.parameter(p).vector or not family.parameter(p).regular for p in family.free
    ):
        raise errors.ComparisonError(
            errors.message(
                "a family with free parameters that are numbers and no ends of the support",
                repr(family),
            )
        )
    chart, starts = Chart(forward.objective), _starts(forward)
    rough, divergence, member = _divergences(family, truth, forward, chart)
    valleys = [(eta, rough(eta)) for s in starts if (eta := _descend(rough, s)) is not None]
    settled = [_polish(divergence, eta) for eta, _ in _distinct(valleys, _NEAR)]
    minima = _distinct([m for m in settled if m is not None], _SAME)
    if not minima:
        raise errors.NoDensityError(
            errors.message(
                "members whose mass lies where the truth has some",
                f"{type(family).__name__}, an infinite KL(q ‖ p*) from {len(starts)} starts",
                "The reverse divergence pays for mass outside the support of the truth",
            )
        )
    kept = tuple(_minimum(member(eta), family, truth, value) for eta, value in minima)
    return ReverseProjection(kept, forward, kl_divergence_to(truth, forward), truth, len(starts))


def kl_divergence_to(truth: Any, forward: Fit) -> Nats:
    """Return KL(p* ‖ q_θ*); infinite where no member has a finite cross-entropy."""
    if not np.isfinite(forward.values[0]):
        return Nats(np.inf)
    value = kl_divergence(truth, forward.model)
    return value if isinstance(value, Nats) else Nats(value)


def _starts(forward: Fit) -> list[Array]:
    """Return where searches start: the best members of the truth and of equal parts of it."""
    sample, family = forward.sample, forward.family
    shift, scale = sample.outer
    with np.errstate(over="ignore"):
        y = shift + scale * sample.values[0]
    w = np.full(y.size, 1.0 / y.size) if sample.weights is None else sample.weights[0]
    # Far out in heavy tails a part of the truth has no mean.
    keep = np.isfinite(y) & (np.abs(y - np.median(y)) < 1e8 * (1.0 + np.abs(np.median(y))))
    y, w = y[keep], w[keep] / w[keep].sum()
    below = np.cumsum(w) - 0.5 * w
    windows = [(i / m, (i + 1) / m) for m in range(1, _WINDOWS + 1) for i in range(m)]
    weights = np.stack([_WEIGHT * w * ((below >= a) & (below < b)) for a, b in windows])
    usable = weights.sum(axis=1) > 0
    fit = fit_sample(family, Sample(y[None, :], weights[usable], (int(usable.sum()),)))
    frame, chart = forward.objective.user, Chart(forward.objective)
    theta = family.to_frame(fit.theta, frame.shift, frame.scale)
    eta = chart.eta(tuple(np.asarray(t, dtype=float) for t in theta))
    solved = np.array([s.solved for s in np.ravel(fit.certificate.status)])
    return list(eta[solved & np.isfinite(eta).all(axis=1)])


def _divergences(
    family: Model, truth: Any, forward: Fit, chart: Chart
) -> tuple[Callable[[Array], float], Callable[[Array], float], Callable[[Array], Model]]:
    """Return KL(q ‖ p*), roughly and by quadrature, and q as functions of unconstrained coordinates."""
    frame, log_p = forward.objective.user, _log_density_of(truth)
    smooth = isinstance(truth, DrawnTruth) or truth.support.discrete
    cuts = () if smooth else kinks(truth)

    def member(eta: Array) -> Model:
        theta = chart.theta(eta[None, :], np.array([0]))
        back = family.from_frame(theta, frame.shift, frame.scale)
        return family.member(*[np.asarray(t).reshape(-1)[0] for t in back])

    def rule(q: Model, rough: bool) -> tuple[Array, Array]:
        if rough and not family.support.discrete:
            return q.quantile(_U), _W
        law = nodes(q, _LEVEL, cuts)
        return law.values, law.weights

    def divergence(eta: Array, rough: bool = False) -> float:
        with np.errstate(all="ignore"):
            try:
                q = member(eta)
                y, w = rule(q, rough)
                value = float(w @ (q.log_density(y) - log_p(y)))
            except errors.MleceError:
                return np.inf
        return value if np.isfinite(value) else np.inf

    return partial(divergence, rough=True), divergence, member


def _descend(divergence: Callable[[Array], float], eta: Array) -> Array | None:
    """Return a point near a local minimum by the simplex of Nelder and Mead; None if there is none."""
    if not np.isfinite(divergence(eta)):
        return None
    simplex = eta + np.vstack([np.zeros(eta.size), _STEP * np.eye(eta.size)])
    options: Any = {"xatol": 1e-3, "fatol": 1e-7, "initial_simplex": simplex}
    found = minimize(divergence, eta, method="Nelder-Mead", options=options)
    return np.asarray(found.x) if found.success and np.isfinite(found.fun) else None


def _polish(divergence: Callable[[Array], float], eta: Array) -> tuple[Array, float] | None:
    """Return a local minimum with its value: one that no step about it improves; None if it runs off."""
    steps = np.array(list(product((-_STEP, 0.0, _STEP), repeat=eta.size)))
    for _ in range(_ROUNDS):
        found = minimize(divergence, eta, method="BFGS", jac="3-point", options={"gtol": 1e-8})
        eta, value = np.asarray(found.x), float(found.fun)
        around = np.array([divergence(eta + s) for s in steps])
        if around.min() > value - _ROUNDING:
            return eta, value
        lower = _descend(divergence, eta + steps[int(around.argmin())])
        if lower is None:
            return None
        eta = lower
    return None


def _log_density_of(truth: Any) -> Callable[[Array], Array]:
    if not isinstance(truth, DrawnTruth):
        return truth.log_density  # type: ignore[no-any-return]

    def inside(y: Array) -> Array:
        out = np.full(y.shape, -np.inf)
        held = truth.support.contains(y)
        out[held] = truth.at(y[held])
        return out

    return inside


def _minimum(q: Model, family: Model, truth: Any, found: float) -> ReverseMinimum:
    """Return a minimum, the quadrature of its divergence settled where the truth is a model."""
    value = found if isinstance(truth, DrawnTruth) else float(kl_divergence(q, truth))
    return ReverseMinimum({p: float(np.asarray(q.slots[p])) for p in family.free}, value, q)


def _distinct(found: list[tuple[Array, float]], apart: float) -> list[tuple[Array, float]]:
    """Return the points that differ, the lowest first."""
    out: list[tuple[Array, float]] = []
    for one in sorted(found, key=lambda m: m[1]):
        if all(np.abs(one[0] - other[0]).max() > apart for other in out):
            out.append(one)
    return out
