"""A truth given by a log density and a sampler: expectations under it are means over draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.domain import Domain, real
from mlece.math import Array
from mlece.randomness import seeded, stream

_FEWEST = 1_000
# Classes between quantiles of the draws in which they are held against the density, Gauss points in
# each, and standard errors by which a share may miss its mass.
_CLASSES, _POINTS, _FAR = 200, 16, 6.0
_TAIL = (
    3.0  # the largest 3 √N terms tell the tail, as Vehtari et al. (2024, JMLR 25(72)) choose them
)


@dataclass(frozen=True, eq=False)
class DrawnTruth:
    """A known distribution that is not a model; see :func:`mlece.truth`.

    Attributes
    ----------
    log_density : callable or None
        Map from observations (N,) to log densities (N,).
    sampler : callable
        ``sampler(size, generator)`` draws observations.
    support : Domain
        Where they lie.
    n : int
        Number N of draws that take the place of the expectation.
    name : str
        For reports.
    """

    log_density: Callable[[Array], Array] | None
    sampler: Callable[[int, np.random.Generator], Array]
    support: Domain
    n: int
    name: str
    rng: Any = field(default=0, repr=False)

    def __repr__(self) -> str:
        return f"{self.name} ({self.n:,} draws)"

    def sample(self, size: int | tuple[int, ...] = 1, rng: Any = None) -> Array:
        """Draw observations that are independent of those of the expectations."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        return self._draw(int(np.prod(shape)), seeded(rng)).reshape(shape)

    def _draw(self, size: int, generator: np.random.Generator) -> Array:
        found = np.asarray(self.sampler(size, generator), dtype=float)
        if found.shape != (size,):
            raise errors.DataError(
                errors.message(f"{size} draws, an array ({size},)", f"shape {found.shape}")
            )
        bad = ~self.support.contains(found)
        if bad.any():
            raise errors.SupportError(
                errors.message(f"draws in {self.support}", errors.offenders(bad, found))
            )
        return found

    @cached_property
    def draws(self) -> Array:
        """The draws (N,) over which expectations are taken, in increasing order."""
        return np.sort(self._draw(self.n, stream(self.rng)))

    @cached_property
    def at_draws(self) -> Array:
        """Log density at the draws, (N,)."""
        found = self.at(self.draws)
        bad = ~np.isfinite(found)
        if bad.any():
            raise errors.DataError(
                errors.message("a finite log density at every draw", errors.offenders(bad, found))
            )
        self._check(found)
        return found

    def at(self, y: Array) -> Array:
        """Return the log density at observations (n,)."""
        if self.log_density is None:
            raise errors.NoDensityError(
                errors.message(
                    "a log density, for the entropy", f"{self.name}, a sampler alone",
                    "Give truth(log_density=...)",
                )
            )  # fmt: skip
        return np.asarray(np.broadcast_to(self.log_density(y), y.shape), dtype=float)

    def _check(self, at: Array) -> None:
        """Raise unless the shares of the draws are the masses of the density."""
        y = self.draws
        if self.support.discrete:
            _, first, counts = np.unique(y, return_index=True, return_counts=True)
            shares, masses = counts / y.size, np.exp(at[first])
        else:
            edges = np.unique(np.quantile(y, np.linspace(0, 1, _CLASSES + 1)))
            shares = np.histogram(y, edges)[0] / y.size
            x, w = np.polynomial.legendre.leggauss(_POINTS)
            half = 0.5 * np.diff(edges)[:, None]
            inner = edges[:-1, None] + half * (1.0 + x)
            masses = (np.exp(self.at(inner.ravel())).reshape(inner.shape) @ w) * half[:, 0]
            # The outermost classes end at draws, beyond which there is mass.
            shares, masses = shares[1:-1], masses[1:-1]
        error = np.sqrt(np.maximum(masses, shares) / y.size) + 1.0 / y.size
        off = np.abs(shares - masses) > _FAR * error
        off |= np.abs(np.cumsum(shares - masses)) > 0.5 * _FAR / np.sqrt(y.size)
        if off.any():
            raise errors.DataError(
                errors.message(
                    "a sampler that draws from the log density",
                    f"{off.sum()} of {off.size} classes with another share of the draws than mass "
                    f"(draws {shares.sum():.4g}, mass {masses.sum():.4g} in all)",
                    "Is the density normalised?",
                )
            )

    def mean(self, terms: Array) -> tuple[float, float]:
        """Return the mean over draws and its standard error.

        Both are infinite where some term is; the error is where the tail of the terms is so heavy that
        they have no variance (:func:`tail_index`).
        """
        if np.isinf(terms).any():
            return (
                (float(np.mean(terms)), np.inf) if not np.isnan(terms).any() else (np.nan, np.inf)
            )
        se = np.inf if tail_index(terms) >= 0.5 else float(terms.std(ddof=1)) / np.sqrt(terms.size)
        return float(terms.mean()), float(se)


def tail_index(terms: Array) -> float:
    """Return ξ of the generalised Pareto law of the largest |terms − median|; ½ or more: no variance.

    By probability-weighted moments (Hosking and Wallis 1987, Technometrics 29, 339-349).
    """
    size = np.sort(np.abs(terms - np.median(terms)))
    count = min(int(_TAIL * np.sqrt(size.size)), size.size // 5)
    beyond = size[-count:] - size[-count - 1]
    mean = beyond.mean()
    weighted = float(((1.0 - (np.arange(count) + 0.65) / count) * beyond).mean())
    return float(2.0 - mean / (mean - 2.0 * weighted)) if mean > 2.0 * weighted else 0.0


def truth(
    *,
    sample: Callable[[int, np.random.Generator], Array],
    log_density: Callable[[Array], Array] | None = None,
    support: Domain = real,
    n: int = 100_000,
    rng: Any = 0,
    name: str = "truth",
) -> DrawnTruth:
    """Declare a known distribution by a log density and a sampler.

    Parameters
    ----------
    sample : callable
        ``sample(size, generator)`` returns ``size`` independent observations.
    log_density : callable, optional
        Normalised; maps an array to an array. Without it there is a cross-entropy, but no entropy and no
        divergence.
    support : Domain
        Integers for a mass function, an interval for a density.
    n : int
        Number of draws that take the place of expectations; at least 1,000.
    rng : int or numpy.random.Generator
        Source of these draws; a number gives the same ones again.
    name : str
        For reports.

    Returns
    -------
    DrawnTruth
        For :func:`mlece.fit`, :func:`mlece.pseudo_true`, :func:`mlece.ledger`, :func:`mlece.entropy`,
        :func:`mlece.cross_entropy` and :func:`mlece.kl_divergence`, whose numbers then are Monte Carlo
        means with standard errors.

    Raises
    ------
    ParameterError
        For fewer than 1,000 draws.
    DataError, SupportError
        When the truth is used: if draws lie outside the support, or are no draws from the density.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> law = mlece.truth(
    ...     log_density=lambda y: -np.abs(y) - np.log(2),
    ...     sample=lambda size, g: g.laplace(size=size),
    ... )
    >>> h = mlece.entropy(law)
    >>> bool(abs(h - (1 + np.log(2))) < 4 * h.se)
    True
    """
    for what, given in (("sample", sample), ("log_density", log_density)):
        if not callable(given) and not (what == "log_density" and given is None):
            raise errors.DataTypeError(
                errors.message(f"a function as {what}", f"{type(given).__name__}")
            )
    if n < _FEWEST:
        raise errors.ParameterError(errors.message(f"at least {_FEWEST:,} draws", f"{n}"))
    return DrawnTruth(log_density, sample, support, int(n), name, rng)
