"""Entropy of a discrete law from counts: shrinkage and Dirichlet priors.

Counts are (..., K). All of these need the number of cells K, seen or not: zeros matter, and
``cells`` stands for as many more as the counts do not list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece import errors
from mlece.entropies.counts import (
    check_cells,
    counted,
    discrete_estimate,
    law_moments,
    standard_error,
)
from mlece.entropies.estimate import EntropyEstimate
from mlece.math import (
    Array,
    digamma,
    exp,
    gammaln,
    log,
    log1p,
    log1pmx,
    stirling_remainder,
    trigamma,
    trigamma_excess,
)

# ---------------------------------------------------------------------------- entropies of a law


def _add(pseudo: Callable[[Array, int], Any]) -> Callable[[Array, Array], Array]:
    """Return the rule that adds pseudo-counts, given (totals, K), to every cell."""

    def law(c: Array, n: Array) -> Array:
        a = pseudo(n, c.shape[-1])
        return np.asarray((c + a) / (n + a * c.shape[-1]))

    return law


def shrinkage(c: Array, n: Array) -> Array:
    """Return the weight (..., 1) of the uniform law in the James-Stein estimate.

    (1 - sum p²) / ((n - 1) sum (1/K - p)²) within [0, 1]: Hausser and Strimmer (2009), eq. (7).
    """
    p = c / n
    away = np.square(1 / c.shape[-1] - p).sum(axis=-1, keepdims=True)
    spread = 1 - np.square(p).sum(axis=-1, keepdims=True)
    scale = (n - 1) * away
    inside = spread < scale
    return np.where(inside, spread / np.where(inside, scale, 1.0), 1.0)


def _shrink(c: Array, n: Array) -> Array:
    weight = shrinkage(c, n)
    return np.asarray(weight / c.shape[-1] + (1 - weight) * c / n)


# Rules that turn counts and totals into a law, whose entropy is the estimate.
LAWS: dict[str, Callable[[Array, Array], Array]] = {
    "plug-in": lambda c, n: c / n,
    "James-Stein": _shrink,
    "Jeffreys": _add(lambda n, k: 0.5),
    "Laplace": _add(lambda n, k: 1.0),
    "Schürmann-Grassberger": _add(lambda n, k: 1.0 / k),
    "minimax": _add(lambda n, k: np.sqrt(n) / k),
}


def _of_law(counts: Any, cells: int | None, rule: str) -> EntropyEstimate:
    c, n = counted(counts, cells)
    law = LAWS[rule](c, n)
    se = standard_error(law, n[..., 0])
    return discrete_estimate(c, n, law_moments(law)[0], rule, se)


def james_stein(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the entropy of the empirical law shrunk towards the uniform law.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is that of the shrunk law.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Hausser and Strimmer (2009), Journal of Machine Learning Research 10, 1469-1484.

    Examples
    --------
    >>> from mlece.entropies.bayes import james_stein
    >>> round(james_stein([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.37960289531
    """
    return _of_law(counts, cells, "James-Stein")


def jeffreys(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the entropy of the law with 1/2 added to each count.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is that of this law.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Krichevsky and Trofimov (1981), IEEE Transactions on Information Theory 27, 199-207.

    Examples
    --------
    >>> from mlece.entropies.bayes import jeffreys
    >>> round(jeffreys([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.179480382724
    """
    return _of_law(counts, cells, "Jeffreys")


def laplace(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the entropy of the law with 1 added to each count.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is that of this law.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Holste, Grosse and Herzel (1998), Journal of Physics A 31, 2551-2566.

    Examples
    --------
    >>> from mlece.entropies.bayes import laplace
    >>> round(laplace([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.257875518693
    """
    return _of_law(counts, cells, "Laplace")


def schurmann_grassberger(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the entropy of the law with 1/K added to each count.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is that of this law.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Schürmann and Grassberger (1996), Chaos 6, 414-427.

    Examples
    --------
    >>> from mlece.entropies.bayes import schurmann_grassberger
    >>> round(schurmann_grassberger([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.036887808124
    """
    return _of_law(counts, cells, "Schürmann-Grassberger")


def minimax(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the entropy of the law with sqrt(n)/K added to each count.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is that of this law. It is the probabilities that have the least maximal
        squared error, not the entropy.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Trybula (1958), Annals of Mathematical Statistics 29, 245-254.

    Examples
    --------
    >>> from mlece.entropies.bayes import minimax
    >>> round(minimax([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.154091189931
    """
    return _of_law(counts, cells, "minimax")


# ---------------------------------------------------------------------------- posterior means


def _histogram(c: Array, cells: int | None) -> tuple[Array, Array, int]:
    """Return the distinct counts (u,), how many cells of each row have them (r, u), and K."""
    k = check_cells(c, cells)
    rows = c.reshape(-1, c.shape[-1])
    levels, code = np.unique(rows, return_inverse=True)
    code = code.reshape(rows.shape) + levels.size * np.arange(len(rows))[:, None]
    held = np.bincount(code.ravel(), minlength=levels.size * len(rows))
    held = held.reshape(len(rows), levels.size).astype(float)
    if k > c.shape[-1]:
        if levels[0] > 0:
            levels, held = np.append(0.0, levels), np.pad(held, ((0, 0), (1, 0)))
        held[:, 0] += k - c.shape[-1]
    return levels, held, k


def _posterior(levels: Array, held: Array, n: Array, k: int, beta: Array) -> tuple[Array, Array]:
    """Return mean and variance (r, b) of the entropy under Dirichlet priors with parameters (b,).

    With α = c + β, A = n + K β and the weights α/A: the mean is ψ(A + 1) - mean ψ(α + 1), the
    variance [var ψ(α + 1) + mean (α + 1) t(α + 1)]/(A + 1) - t(A + 1), t(x) = ψ'(x) - 1/x. They
    are the moments of Wolpert and Wolf (1995), written so that the leading terms are gone.
    """
    alpha = levels[:, None] + beta
    size = n[:, None] + k * beta
    # Less log(1 + β), which every one of them would lose again.
    tilt = digamma(alpha + 1) - log1p(beta)
    mean = held @ (alpha * tilt) / size
    square = held @ (alpha * tilt**2) / size
    rest = held @ (alpha * (alpha + 1) * trigamma_excess(alpha + 1)) / size
    variance = (square - mean**2 + rest) / (size + 1) - trigamma_excess(size + 1)
    return digamma(size + 1) - log1p(beta) - mean, np.maximum(variance, 0.0)


def wolpert_wolf(counts: Any, prior: float = 1.0, cells: int | None = None) -> EntropyEstimate:
    """Return the posterior mean of the entropy under a symmetric Dirichlet prior.

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    prior : float
        Parameter of the Dirichlet law, the same for every cell; 1 is uniform on the simplex.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is the posterior standard deviation.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts, or the prior is not positive.

    Notes
    -----
    Wolpert and Wolf (1995), Physical Review E 52, 6841-6854.

    Examples
    --------
    >>> from mlece.entropies.bayes import wolpert_wolf
    >>> round(wolpert_wolf([4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1]).value, 12)
    2.106098242032
    """
    if not 0 < prior < np.inf:
        raise errors.ParameterError(errors.message("a prior above 0", repr(prior)))
    c, n = counted(counts)
    levels, held, k = _histogram(c, cells)
    mean, variance = _posterior(levels, held, n.ravel(), k, np.array([float(prior)]))
    shape = n.shape[:-1]
    value, se = mean.reshape(shape), np.sqrt(variance).reshape(shape)
    return discrete_estimate(c, n, value, f"Wolpert-Wolf, prior {prior:g}", se)


# ---------------------------------------------------------------------------- NSB

_STEP = 0.25  # of the coarsest trapezoids in log β
_HALVINGS = 12
_BELOW = 60.0  # nats under the peak of the posterior of log β that count for nothing
_CHUNK = 2**22


def _log_rising_excess(x: Array, c: Array) -> Array:
    """Return log Γ(x + c) - log Γ(x) - c log x, without cancellation for large x > 0."""
    big = np.maximum(x, 16.0)
    far = big * log1pmx(c / big) + (c - 0.5) * log1p(c / big)
    far += stirling_remainder(big + c) - stirling_remainder(big)
    small = np.minimum(x, 16.0)
    return np.where(x < 16.0, gammaln(small + c) - gammaln(small) - c * log(small), far)


def _log_prior(t: Array, k: int) -> Array:
    """Return log of β dξ/dβ at log β = t, ξ = ψ(K β + 1) - ψ(β + 1) the prior mean entropy."""
    beta = exp(t)
    near, far = np.minimum(beta, 1.0), np.maximum(beta, 1.0)
    direct = k * trigamma(k * near + 1) - trigamma(near + 1)
    # ψ'(x + 1) = 1/x + t(x) - 1/x²: the terms 1/β cancel by hand.
    distant = k * trigamma_excess(k * far) - trigamma_excess(far) + (1 - 1 / k) / far**2
    return np.asarray(t + log(np.where(beta < 1.0, direct, distant)))


class _Nemenman:
    """The posterior of log β in rows of counts: its density and the moments of the entropy."""

    def __init__(self, levels: Array, held: Array, n: Array, k: int) -> None:
        self.levels, self.held, self.n, self.k = levels, held, n, k

    def log_density(self, t: Array) -> Array:
        """Return the log density (r, b), but for a constant of each row."""
        beta = exp(t)
        likelihood = self.held @ _log_rising_excess(beta, self.levels[:, None])
        likelihood -= _log_rising_excess(self.k * beta, self.n[:, None])
        return np.asarray(likelihood + _log_prior(t, self.k))

    def sums(self, t: Array, top: Array) -> Array:
        """Return sums over nodes of density, density * (mean, mean², variance), (4, r)."""
        total = np.zeros((4, len(self.held)))
        stride = max(1, _CHUNK // (self.levels.size + len(self.held)))
        for start in range(0, t.size, stride):
            some = t[start : start + stride]
            weight = exp(self.log_density(some) - top)
            mean, variance = _posterior(self.levels, self.held, self.n, self.k, exp(some))
            parts = (np.ones_like(mean), mean, mean**2, variance)
            total += np.stack([(weight * part).sum(axis=1) for part in parts])
        return total

    def moments(self) -> tuple[Array, Array]:
        """Return posterior mean and variance (r,) of the entropy, trapezoids halved until they agree."""
        t = np.arange(-45.0, 45.0 + log(float(self.n.max())), _STEP)
        height = self.log_density(t)
        top = height.max(axis=1, keepdims=True)
        held = np.flatnonzero((height > top - _BELOW).any(axis=0))
        low, high = max(held[0] - 1, 0), min(held[-1] + 1, t.size - 1)
        start, stop, step = t[low], t[high], _STEP
        total = self.sums(t[low : high + 1], top)
        last = np.full(len(self.held), np.nan)
        # The log-likelihood of n observations is rounded.
        close = 1e-13 + 1e-17 * float(self.n.max())
        for _ in range(_HALVINGS):
            step /= 2
            total += self.sums(np.arange(start + step, stop, 2 * step), top)
            mean = total[1] / total[0]
            if (np.abs(mean - last) <= close * (1 + mean)).all():
                spread = np.maximum(total[2] / total[0] - mean**2, 0.0)
                return mean, total[3] / total[0] + spread
            last = mean
        raise errors.NotRegularError(
            errors.message("a quadrature that settles", f"changes beyond {close:.2g} nats")
        )


def nsb(counts: Any, cells: int | None = None) -> EntropyEstimate:
    """Return the posterior mean of the entropy under the prior of Nemenman, Shafee and Bialek.

    A mixture of symmetric Dirichlet laws under which the entropy is nearly uniform on (0, log K).

    Parameters
    ----------
    counts : array_like (..., K)
        Counts of all K cells, those not seen included.
    cells : int, optional
        Number of cells, if ``counts`` does not list all that are empty.

    Returns
    -------
    EntropyEstimate
        In nats; ``se`` is the posterior standard deviation.

    Raises
    ------
    DataError
        If an entry is no count, or a row is empty.
    ParameterError
        If there are fewer cells than counts.

    Notes
    -----
    Nemenman, Shafee and Bialek (2002), Advances in Neural Information Processing Systems 14. The
    integrals over the parameter β of the Dirichlet laws are trapezoidal sums in log β, where the
    integrand is analytic and falls exponentially: they converge faster than any power of the step.

    Examples
    --------
    >>> from mlece.entropies.bayes import nsb
    >>> round(nsb([2, 1]).in_units("bits").value, 12)
    0.849666167784
    """
    c, n = counted(counts)
    levels, held, k = _histogram(c, cells)
    shape = n.shape[:-1]
    if k == 1:
        return discrete_estimate(c, n, np.zeros(shape), "NSB", np.zeros(shape))
    mean, variance = _Nemenman(levels, held, n.ravel(), k).moments()
    return discrete_estimate(c, n, mean.reshape(shape), "NSB", np.sqrt(variance).reshape(shape))
