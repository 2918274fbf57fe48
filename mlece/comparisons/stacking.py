"""Stacking: the mixture of several predictive densities that foretells data left out best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from mlece import errors
from mlece.math import Array, logsumexp

# Bound on the excess, nats per observation, at which the search ends; EM steps after it at most.
_CLOSE, _STEPS = 1e-10, 5000
_NOTHING = 1e-12


@dataclass(frozen=True)
class Stacking:
    """Weights of a mixture of models, by the logarithmic score of observations left out.

    Attributes
    ----------
    names : tuple of str
        The models.
    weights : array (m,)
        On the simplex.
    cross_entropy : float
        Of the mixture on the observations left out, nats each. The weights have seen them.
    excess : float
        How far it can be above the least that any weights reach: max_k log mean(q_k/q) (Lindsay 1983),
        a bound for the whole simplex because the problem is convex.
    """

    names: tuple[str, ...]
    weights: Array
    cross_entropy: float
    excess: float

    def __str__(self) -> str:
        order = np.argsort(-self.weights, kind="stable")
        told = ", ".join(f"{self.weights[k]:.3g} {self.names[k]}" for k in order)
        return (
            f"Stacked: {told}; {self.cross_entropy:.4f} nats per observation held out, at most "
            f"{self.excess:.1g} above the best mixture."
        )


def stacked(log_density: Array, counts: Array, names: tuple[str, ...]) -> Stacking:
    """Find the weights of least cross-entropy −Σ c_i log Σ_k w_k q_k(y_i) / Σ c_i.

    Parameters
    ----------
    log_density : array (n, m)
        log q_k(y_i), each from a fit that has not seen y_i.
    counts : array (n,)
        How often each observation was made.
    names : tuple of str (m,)

    Raises
    ------
    ComparisonError
        If no model gives some observation a positive density: no mixture does.

    Notes
    -----
    Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13, 917-1007, with fits in the place of
    posteriors. The optimum is searched by sequential quadratic programming and by the EM steps of a
    mixture with known components, which never lower the likelihood.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.comparisons.stacking import stacked
    >>> q = np.log([[0.5, 0.1], [0.1, 0.5], [0.5, 0.1]])
    >>> stacked(q, np.ones(3), ("one", "two")).weights.round(6).tolist()
    [0.75, 0.25]
    """
    seen = counts > 0
    share = counts[seen] / counts.sum()
    top = log_density[seen].max(axis=1)
    lost = ~np.isfinite(top)
    if lost.any():
        raise errors.ComparisonError(
            errors.message(
                "a positive density of every observation under some model",
                f"{int(lost.sum())} that every model excludes once it has not seen them",
            )
        )
    q = np.exp(log_density[seen] - top[:, None])
    weights = _searched(q, share)
    for _ in range(_STEPS):
        gain = _gain(q, share, weights)
        if np.log(gain.max()) <= _CLOSE:
            break
        weights = weights * gain
        weights /= weights.sum()
    # What is nothing to the eye is nothing; the bound is taken behind it.
    weights = np.where(weights < _NOTHING, 0.0, weights)
    weights /= weights.sum()
    excess = max(0.0, float(np.log(_gain(q, share, weights).max())))
    with np.errstate(divide="ignore"):
        terms = logsumexp((np.log(weights) + log_density[seen]).T, axis=0)
    return Stacking(names, weights, float(-(share * terms).sum()), excess)


def _gain(q: Array, share: Array, weights: Array) -> Array:
    """Return the mean of q_k/q, (m,): 1 where a weight is positive at the optimum, 1 at most elsewhere."""
    return np.asarray((share / (q @ weights)) @ q)


def _searched(q: Array, share: Array) -> Array:
    """Return weights near the optimum; those that should grow are positive: EM steps can move them."""
    m = q.shape[1]

    def value(w: Any) -> Any:
        mixed = np.maximum(q @ w, np.finfo(float).tiny)
        return float(-share @ np.log(mixed)), -(share / mixed) @ q

    found = minimize(  # type: ignore[call-overload]
        value,
        np.full(m, 1.0 / m),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * m,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-15},
    )
    usable = np.isfinite(found.x).all() and (q @ found.x > 0).all()
    weights = np.maximum(found.x, 0.0) if usable else np.full(m, 1.0 / m)
    # What the search has set to 0 stays so unless Lindsay's bound calls it back.
    weights /= weights.sum()
    back = _gain(q, share, weights) > 1.0
    weights = np.where(back, np.maximum(weights, 1e-12), weights)
    return np.asarray(weights / weights.sum())
