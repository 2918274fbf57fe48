"""Families of vectors: elliptical laws and laws on the simplex, with their counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlece.domain import counts, positive, probability, real
from mlece.errors import NoDensityError, ParameterError, SupportError, message, offenders
from mlece.families.vector import Index, Part, Vector
from mlece.limits import Limit, LimitFamily, Status, free_tails, full
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    digamma,
    gammaln,
    inf,
    log,
    log1p,
    ratio_or_zero,
    stirling_remainder,
    trigamma,
    xlogy,
)
from mlece.model import Twin
from mlece.moments import Summary

# Correlation matrices with a smaller eigenvalue are singular in double precision.
_SINGULAR = 1e-13

# ---------------------------------------------------------------------------- elliptical laws


def _total(parts: Iterable[Any]) -> Array:
    return np.asarray(sum(parts))


def _pairs(index: Index) -> list[Index]:
    """Return the positions that a symmetric entry fills."""
    return [index] if index[0] == index[1] else [index, index[::-1]]


def _trace(left: Array, right: Array, e: Index, f: Index) -> Array:
    """Return tr(L E R F) for the symmetric unit matrices E and F of two entries."""
    total: Any = 0.0
    for i, j in _pairs(e):
        for k, h in _pairs(f):
            total = total + left[..., h, i] * right[..., j, k]
    return np.asarray(total)


class _Elliptical(Vector, abstract=True):
    """A location vector and a symmetric positive definite matrix in n-dimensional space.

    Hooks see the centred and whitened observation u = Σ⁻¹(y − μ), or its moments.
    """

    structured = True
    # Names of the location and of the matrix among the parts.
    centre: str
    matrix: str

    def pilot_frame(self, values: Array) -> tuple[Array, Array]:
        """Centre each component at its median and scale it by its spread, a power of two."""
        step = -(-values.shape[1] // 129)
        points = np.sort(values[:, ::step], axis=1)
        n = points.shape[1]
        middle, spread = points[:, n // 2], points[:, (3 * n) // 4] - points[:, n // 4]
        spread = np.where(spread > 0, spread, points[:, -1] - points[:, 0])
        usable = (spread > 0) & np.isfinite(spread)
        return middle, np.exp2(np.round(np.log2(np.where(usable, spread, 1.0))))

    def _moves(self, shift: Any, scale: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the shift and the factor of every parameter from the frame to the user's units."""
        shift, scale = np.asarray(shift), np.asarray(scale)

        def of(a: Array, i: int) -> Array:
            return a[..., i] if a.ndim == 2 else a

        for part, indices in self._layout.items():
            for index in indices:
                if part == self.centre:
                    yield of(shift, index[0]), of(scale, index[0])
                elif part == self.matrix:
                    yield 0.0, of(scale, index[0]) * of(scale, index[1])
                else:
                    yield 0.0, 1.0

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters to those of (y - shift) / scale."""
        moves = self._moves(shift, scale)
        return tuple(
            None if v is None else (v - c) / s for v, (c, s) in zip(theta, moves, strict=True)
        )

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters of (y - shift) / scale back to those of y."""
        return tuple(v * s + c for v, (c, s) in zip(theta, self._moves(shift, scale), strict=True))

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each parameter."""
        return [s for _, s in self._moves(np.zeros_like(scale), scale)]

    def statistics(self, y: Array) -> Any:
        """Return the components and their products, the lower triangle row by row."""
        d = self.dimension or 0
        return (
            *(y[..., i] for i in range(d)),
            *(y[..., i] * y[..., j] for i in range(d) for j in range(i + 1)),
        )

    def _block_sums(self, y: Array, w: Array | None) -> Arrays:
        weighted = y if w is None else w[..., None] * y
        first = weighted.sum(axis=1)
        second = np.swapaxes(weighted, 1, 2) @ y
        lower = np.tril_indices(self.dimension or 0)
        return (*np.moveaxis(first, -1, 0), *np.moveaxis(second[:, *lower], -1, 0))

    def _moments(self, t: Arrays) -> tuple[Array, Array]:
        """Return E y (..., d) and E y y' (..., d, d) from the statistics."""
        d = self.dimension or 0
        columns = np.broadcast_arrays(*t)
        first = np.stack(columns[:d], axis=-1)
        second = np.empty((*first.shape, d))
        for (i, j), value in zip(zip(*np.tril_indices(d), strict=True), columns[d:], strict=True):
            second[..., i, j] = second[..., j, i] = value
        return first, second

    def _central(self, t: Arrays, location: Array) -> tuple[Array, Array]:
        """Return E y − μ and E (y − μ)(y − μ)'."""
        first, second = self._moments(t)
        cross = first[..., :, None] * location[..., None, :]
        square = location[..., :, None] * location[..., None, :]
        return first - location, second - cross - np.swapaxes(cross, -1, -2) + square

    def _gradient(self, u: Array, m: Array, precision: Array) -> list[Array]:
        """Return the scores of location and matrix from w u and w u u'."""
        half = 0.5 * (m - precision)
        out = [u[..., i] for (i,) in self._layout[self.centre]]
        matrix = self._layout[self.matrix]
        return out + [_total(half[..., i, j] for i, j in _pairs(index)) for index in matrix]

    def _bends(
        self, u: Array, m: Array, w: Array, precision: Array
    ) -> dict[tuple[int, int], Array]:
        """Return second derivatives by location and matrix, apart from those of the weight w."""
        location, matrix = self._layout[self.centre], self._layout[self.matrix]
        n, out = len(location), {}
        for a, (i,) in enumerate(location):
            for b in range(a, n):
                out[a, b] = -w * precision[..., i, location[b][0]]
            for b, index in enumerate(matrix):
                out[a, n + b] = -_total(precision[..., i, j] * u[..., h] for j, h in _pairs(index))
        for a, e in enumerate(matrix):
            for b in range(a, len(matrix)):
                f = matrix[b]
                # The second term is symmetric in E and F only in the mean of both orders.
                mixed = 0.5 * (_trace(precision, m, e, f) + _trace(precision, m, f, e))
                out[n + a, n + b] = 0.5 * _trace(precision, precision, e, f) - mixed
        return out

    def _degenerate(  # type: ignore[override]
        self, s: Summary, *theta: Array | None
    ) -> tuple[Limit, ...]:
        free = [v is None for v in theta]
        if not all(free):
            return ()
        first, second = self._moments(s.mean)
        spread = second - first[:, :, None] * first[:, None, :]
        root = np.sqrt(np.diagonal(spread, axis1=1, axis2=2))
        root = np.where(root > 0, root, 1.0)
        least = np.zeros(len(first))
        blocks = self.blocks or [range(self.dimension or 0)]
        least = np.full(len(first), inf)
        for block in blocks:
            part = (spread / root[:, :, None] / root[:, None, :])[:, np.ix_(block, block)[0], block]
            least = np.minimum(least, np.linalg.eigvalsh(part)[:, 0])
        sentence = (
            "the observations lie in a linear subspace (too few of them, or an exact relation "
            "between components): the density there grows without bound"
        )
        nowhere = tuple(full(least, np.nan) for _ in theta)
        unbounded = full(least, -inf)
        return (Limit(least < _SINGULAR, Status.UNBOUNDED, sentence, nowhere, unbounded),)

    def _located(self, points: Array, share: float) -> Arrays:
        """Return starting values of location and matrix from points (R, p, d)."""
        centre = np.median(points, axis=1)
        off = points - centre[:, None, :]
        spread = share * np.swapaxes(off, 1, 2) @ off / points.shape[1]
        spread = spread + 1e-6 * np.eye(points.shape[-1])
        return (*centre.T, *(spread[:, i, j] for i, j in self._layout[self.matrix]))

    def _draw_normal(self, rng: np.random.Generator, size: tuple[int, ...], matrix: Array) -> Array:
        z = rng.standard_normal((*size, self.dimension or 0))
        return np.asarray((np.linalg.cholesky(matrix) @ z[..., None])[..., 0])


def _log_determinant(matrix: Array) -> Array:
    """Return log det, NaN where a matrix is not positive definite."""
    usable = np.asarray(np.isfinite(matrix).all(axis=(-2, -1)))
    values = np.linalg.eigvalsh(
        np.where(usable[..., None, None], matrix, -np.eye(matrix.shape[-1]))
    )
    return np.where(values[..., 0] > 0, log(np.abs(values)).sum(axis=-1), np.nan)


def _inverse(matrix: Array) -> Array:
    """Return the inverse, NaN where a matrix is singular or not finite."""
    one = np.eye(matrix.shape[-1])
    finite = np.asarray(np.isfinite(matrix).all(axis=(-2, -1)))
    sign, _ = np.linalg.slogdet(np.where(finite[..., None, None], matrix, one))
    usable = np.asarray(finite & (sign != 0))[..., None, None]
    return np.where(usable, np.linalg.inv(np.where(usable, matrix, one)), np.nan)


def _log_gamma_step(x: Array, h: Any) -> Array:
    """Return log Γ(x + h) − log Γ(x) − h log x without cancellation at large x, by Stirling's formula."""
    step = (x + h - 0.5) * log1p(h / x) - h
    return np.asarray(step + stirling_remainder(x + h) - stirling_remainder(x))


# ---------------------------------------------------------------------------- MultivariateGaussian


class MultivariateGaussian(_Elliptical):
    r"""Multivariate Gaussian: −2 log q = d log 2π + log det Σ + (y − μ)ᵀ Σ⁻¹ (y − μ).

    The maximum likelihood covariance has divisor n. ``blocks`` makes Σ block diagonal, with the
    components of each group correlated among themselves: ``[[0], [1], [2]]`` is a diagonal covariance.
    scipy.stats: ``multivariate_normal(mean, cov=covariance)``. R: ``mvtnorm::dmvnorm(mean, sigma)``.

    Parameters
    ----------
    mean : array_like (..., d), optional
        Mean vector.
    covariance : array_like (..., d, d), optional
        Symmetric positive definite matrix.
    dimension : int, optional
        d, found in the parameters or in the data if not given.
    blocks : sequence of sequences of int, optional
        Groups of components; one group if not given.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.MultivariateGaussian(), [[0.0, 1.0], [2.0, 0.0], [1.0, 5.0]])
    >>> fit.model.mean
    array([1., 2.])
    >>> round(fit.params["covariance[1,0]"], 6)
    -0.333333
    """

    aliases = ("mvn", "multivariatenormal")
    affine = True
    exponential = True
    unit_carrier = True
    centre, matrix = "mean", "covariance"
    mean = Part(real, r"\mu", rank=1, typical=(-1, 1), doc="mean vector")
    covariance = Part(real, r"\Sigma", rank=2, typical=(0.5, 2), doc="covariance matrix")

    def _log_density(self, t: Arrays, *theta: Array) -> Array:  # type: ignore[override]
        mean, covariance = self.assembled(theta)
        _, spread = self._central(t, mean)
        inner = np.einsum("...ij,...ij->...", _inverse(covariance), spread)
        d = self.dimension or 0
        return np.asarray(-0.5 * (d * LOG_2PI + _log_determinant(covariance) + inner))

    def _whitened(self, t: Arrays, theta: Arrays) -> tuple[Array, Array, Array]:
        mean, covariance = self.assembled(theta)
        centred, spread = self._central(t, mean)
        precision = _inverse(covariance)
        return (
            (precision @ centred[..., None])[..., 0],
            precision @ spread @ precision,
            precision,
        )

    def _score(self, t: Arrays, *theta: Array) -> Arrays:
        return tuple(self._gradient(*self._whitened(t, theta)))

    def _curvature(self, t: Arrays, *theta: Array) -> Arrays:
        u, m, precision = self._whitened(t, theta)
        bends = self._bends(u, m, np.ones(u.shape[:-1]), precision)
        k = len(theta)
        return tuple(bends[i, j] for i in range(k) for j in range(i, k))

    def _expected_statistics(self, *theta: Array) -> Arrays:
        mean, covariance = self.assembled(theta)
        second = covariance + mean[..., :, None] * mean[..., None, :]
        lower = np.tril_indices(self.dimension or 0)
        return (*np.moveaxis(mean, -1, 0), *np.moveaxis(second[..., *lower], -1, 0))

    def _maximise(self, s: Summary, *theta: Array | None) -> Arrays | None:
        d = self.dimension or 0
        location, matrix = theta[:d], theta[d:]
        for part in (location, matrix):
            if len({v is None for v in part}) > 1:
                return None
        first, _ = self._moments(s.mean)
        given = np.stack(
            [f if v is None else v for f, v in zip(first.T, location, strict=True)], -1
        )
        if matrix[0] is not None:
            return (*given.T, *matrix)
        _, spread = self._central(s.mean, given)
        return (*given.T, *(spread[..., i, j] for i, j in self._layout["covariance"]))

    def _start(self, points: Array) -> Arrays:
        return self._located(points, 1.0)

    def _sample(self, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        mean, covariance = self.assembled(theta)
        return mean + self._draw_normal(rng, size, covariance)

    def _entropy(self, *theta: Array) -> Array:
        d = self.dimension or 0
        return 0.5 * (d * (1 + LOG_2PI) + _log_determinant(self.assembled(theta)[1]))

    @property
    def variance(self) -> Any:
        """Return the variances of the components, (..., d)."""
        return np.diagonal(self.covariance, axis1=-2, axis2=-1)

    def _scipy(self, *theta: Array) -> Twin:
        mean, covariance = self.assembled(theta)
        return "multivariate_normal", {"mean": mean, "cov": covariance}


# ---------------------------------------------------------------------------- MultivariateT


class MultivariateT(_Elliptical):
    r"""Multivariate Student t: −2 log q = log det Σ + (ν + d) log(1 + (y − μ)ᵀ Σ⁻¹ (y − μ)/ν) + c.

    The constant is c = d log(πν) + 2 log Γ(½ν) − 2 log Γ(½(ν + d)). Σ is a scale matrix; the covariance
    is Σ ν/(ν − 2). For ν → ∞ the law is the multivariate Gaussian.
    scipy.stats: ``multivariate_t(loc, shape=scale, df=df)``. R: ``mvtnorm::dmvt(delta=loc, sigma=scale,
    df)``. Kotz and Nadarajah (2004), Multivariate t Distributions and Their Applications.

    Parameters
    ----------
    df : float, optional
        Degrees of freedom ν.
    loc : array_like (..., d), optional
        Location vector.
    scale : array_like (..., d, d), optional
        Symmetric positive definite matrix.
    dimension, blocks
        As for :class:`MultivariateGaussian`.

    Examples
    --------
    >>> import mlece
    >>> model = mlece.MultivariateT(df=5, loc=[0, 0], scale=[[1, 0.5], [0.5, 1]])
    >>> round(model.log_density([0.0, 0.0]).item(), 6)
    -1.694036
    """

    aliases = ("mvt",)
    centre, matrix = "loc", "scale"
    df = Part(
        positive, r"\nu", rank=0, typical=(3, 12), limits=(1e-3, 1e7), doc="degrees of freedom"
    )
    loc = Part(real, r"\mu", rank=1, typical=(-1, 1), doc="location vector")
    scale = Part(real, r"\Sigma", rank=2, typical=(0.5, 2), doc="scale matrix")

    _caveat = staticmethod(free_tails)

    @property
    def limit_families(self) -> tuple[LimitFamily, ...]:  # type: ignore[override]
        """The Gaussian, for df → ∞."""
        same = {
            p.name: p.name.replace("loc", "mean").replace("scale", "covariance")
            for p in self.params
            if p.name != "df"
        }
        return (LimitFamily("MultivariateGaussian", {"df": np.inf}, same),)

    def statistics(self, y: Array) -> Any:
        """Return the observations themselves."""
        return y

    def _whitened(self, y: Array, theta: Arrays) -> tuple[Array, Array, Array, Array]:
        """Return ν, u = Σ⁻¹(y − μ), Q = (y − μ)'Σ⁻¹(y − μ) and Σ⁻¹."""
        df, loc, scale = self.assembled(theta)
        precision = _inverse(scale)
        centred = y - loc
        u = (precision @ centred[..., None])[..., 0]
        return df, u, (u * centred).sum(axis=-1), precision

    def _log_density(self, y: Array, *theta: Array) -> Array:  # type: ignore[override]
        df, _, q, _ = self._whitened(y, theta)
        scale, d = self.assembled(theta)[2], self.dimension or 0
        constant = _log_gamma_step(0.5 * df, 0.5 * d) - 0.5 * d * LOG_2PI
        return np.asarray(constant - 0.5 * _log_determinant(scale) - 0.5 * (df + d) * log1p(q / df))

    def _score(self, y: Array, *theta: Array) -> Arrays:
        df, u, q, precision = self._whitened(y, theta)
        d = self.dimension or 0
        w = (df + d) / (df + q)
        by_df = 0.5 * (digamma(0.5 * (df + d)) - digamma(0.5 * df) - d / df - log1p(q / df))
        by_df = by_df + 0.5 * w * q / df
        m = w[..., None, None] * u[..., :, None] * u[..., None, :]
        return (by_df, *self._gradient(w[..., None] * u, m, precision))

    def _curvature(self, y: Array, *theta: Array) -> Arrays:
        df, u, q, precision = self._whitened(y, theta)
        d = self.dimension or 0
        w = (df + d) / (df + q)
        m = w[..., None, None] * u[..., :, None] * u[..., None, :]
        bends = self._bends(w[..., None] * u, m, w, precision)
        # Derivatives of −Q: 2u in the location, u'Eu in the matrix.
        slopes = [2 * u[..., i] for (i,) in self._layout["loc"]]
        slopes += [
            _total(u[..., i] * u[..., j] for i, j in _pairs(index))
            for index in self._layout["scale"]
        ]
        second = 0.25 * (trigamma(0.5 * (df + d)) - trigamma(0.5 * df)) + 0.5 * d / df**2
        second = second + q / (df * (df + q)) - 0.5 * w * q * (2 * df + q) / (df**2 * (df + q))
        mixed = 0.5 * (q - d) / (df + q) ** 2
        out = [second, *(mixed * s for s in slopes)]
        n, g = len(slopes), 0.5 * w / (df + q)
        out += [bends[i, j] + g * slopes[i] * slopes[j] for i in range(n) for j in range(i, n)]
        return tuple(out)

    def _start(self, points: Array) -> Arrays:
        # Half of the spread: the tails are not the scale's.
        return (np.full(len(points), 6.0), *self._located(points, 0.5))

    def _sample(self, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        df, loc, scale = self.assembled(theta)
        mixing = np.sqrt(df / rng.chisquare(np.broadcast_to(df, size), size))
        return np.asarray(loc + mixing[..., None] * self._draw_normal(rng, size, scale))

    def _entropy(self, *theta: Array) -> Array:
        df, _, scale = self.assembled(theta)
        d = self.dimension or 0
        half = 0.5 * (df + d)
        constant = _log_gamma_step(0.5 * df, 0.5 * d) - 0.5 * d * LOG_2PI
        tail = half * (digamma(half) - digamma(0.5 * df))
        return np.asarray(0.5 * _log_determinant(scale) - constant + tail)

    @property
    def mean(self) -> Any:
        """Return the mean vector, NaN where ν ≤ 1."""
        df = np.asarray(self.df)
        return np.where((df > 1)[..., None], self.loc, np.nan)

    @property
    def variance(self) -> Any:
        """Return the variances of the components, infinite where ν ≤ 2."""
        df = np.asarray(self.df)[..., None]
        own = np.diagonal(self.scale, axis1=-2, axis2=-1)
        return np.where(df > 2, own * df / np.where(df > 2, df - 2, 1.0), inf)

    def _scipy(self, *theta: Array) -> Twin:
        df, loc, scale = self.assembled(theta)
        return "multivariate_t", {"loc": loc, "shape": scale, "df": df}


# ---------------------------------------------------------------------------- Dirichlet


class Dirichlet(Vector):
    r"""Dirichlet on the simplex: log q = log Γ(Σ α) − Σ log Γ(α_i) + Σ (α_i − 1) log y_i.

    Observations are vectors of d positive parts that sum to 1; the density is with respect to the first
    d − 1 of them. scipy.stats: ``dirichlet(alpha)``. R: ``VGAM::dirichlet``, ``MCMCpack::ddirichlet``.

    Parameters
    ----------
    alpha : array_like (..., d), optional
        Positive concentrations.
    dimension : int, optional
        d, found in the parameters or in the data if not given.

    Examples
    --------
    >>> import mlece
    >>> mlece.Dirichlet(alpha=[1, 1, 1]).log_density([0.2, 0.3, 0.5]).round(6).item()
    0.693147
    """

    affine = True
    exponential = True
    unit_carrier = True
    concave = True
    alpha = Part(positive, r"\alpha", rank=1, typical=(0.5, 4), doc="concentrations")

    def check_values(self, values: Array, what: str) -> None:
        """Raise for vectors that do not lie inside the simplex."""
        bad = ~self._on_simplex(values)
        if bad.any():
            raise SupportError(
                message(
                    f"{what} with positive parts that sum to 1",
                    offenders(bad, values.sum(axis=-1)) + " (the sum is shown)",
                    "A part of 0 has an infinite or a zero density; divide counts by their sum only "
                    "if none is 0",
                )
            )

    @staticmethod
    def _on_simplex(values: Array) -> Array:
        # Parts rounded to four digits sum to 1 within d × 5e-5; more is no composition.
        slack = 1e-4 * values.shape[-1]
        return np.asarray((values > 0).all(axis=-1) & (np.abs(values.sum(axis=-1) - 1) <= slack))

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True on the simplex."""
        return self._on_simplex(y)

    def statistics(self, y: Array) -> Arrays:
        """Return the logarithms of the parts."""
        return tuple(log(y[..., i]) for i in range(self.dimension or 0))

    @staticmethod
    def _log_density(t: Arrays, *alpha: Array) -> Array:
        total = gammaln(_total(alpha))
        return np.asarray(
            total + sum((a - 1) * x - gammaln(a) for a, x in zip(alpha, t, strict=True))
        )

    @staticmethod
    def _score(t: Arrays, *alpha: Array) -> Arrays:
        total = digamma(_total(alpha))
        return tuple(total - digamma(a) + x for a, x in zip(alpha, t, strict=True))

    @staticmethod
    def _curvature(t: Arrays, *alpha: Array) -> Arrays:
        total = trigamma(_total(alpha))
        k = len(alpha)
        return tuple(
            total - trigamma(alpha[i]) if i == j else total + 0.0 * alpha[i]
            for i in range(k)
            for j in range(i, k)
        )

    @staticmethod
    def _expected_statistics(*alpha: Array) -> Arrays:
        total = digamma(_total(alpha))
        return tuple(digamma(a) - total for a in alpha)

    @staticmethod
    def _degenerate(s: Summary, *alpha: Array | None) -> tuple[Limit, ...]:
        if any(a is not None for a in alpha):
            return ()
        # Geometric means that sum to 1 belong to equal observations (Jensen's inequality).
        short = 1.0 - _total(np.exp(m) for m in s.mean)
        sentence = "every observation is equal: alpha grows without bound, its ratios fixed"
        grown = tuple(full(short, inf) for _ in alpha)
        return (Limit(short < 1e-14, Status.UNBOUNDED, sentence, grown, full(short, -inf)),)

    def _start(self, points: Array) -> Arrays:
        mean = points.mean(axis=1)
        spread = points.var(axis=1)
        usable = spread > 0
        total = mean * (1 - mean) / np.where(usable, spread, 1.0) - 1
        total = np.median(np.where(usable, total, 1.0), axis=-1)
        return tuple((mean * np.maximum(total, 0.1)[:, None]).T)

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], *alpha: Array) -> Array:
        # In logarithms: for small alpha gamma variates underflow, their ratios do not.
        logs = np.stack(
            [
                log(rng.standard_gamma(np.broadcast_to(a, size) + 1.0)) + log(rng.random(size)) / a
                for a in alpha
            ],
            axis=-1,
        )
        parts = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return np.asarray(parts / parts.sum(axis=-1, keepdims=True))

    @staticmethod
    def _entropy(*alpha: Array) -> Array:
        total, d = _total(alpha), len(alpha)
        norm = sum(gammaln(a) for a in alpha) - gammaln(total)
        return np.asarray(
            norm + (total - d) * digamma(total) - sum((a - 1) * digamma(a) for a in alpha)
        )

    @property
    def mean(self) -> Any:
        """Return the mean vector, alpha over its sum."""
        return self.alpha / self.alpha.sum(axis=-1, keepdims=True)

    @property
    def variance(self) -> Any:
        """Return the variances of the parts."""
        total = self.alpha.sum(axis=-1, keepdims=True)
        return self.mean * (1 - self.mean) / (total + 1)

    def _scipy(self, *theta: Array) -> Twin:
        return "dirichlet", {"alpha": self.assembled(theta)[0]}


# ---------------------------------------------------------------------------- DirichletMultinomial


class DirichletMultinomial(Vector):
    r"""Dirichlet-multinomial counts: log q = log n! − Σ log y_i! + log B(α + y) − log B(α).

    A multinomial whose probabilities vary by a Dirichlet law; n is the sum of the counts of an
    observation and may differ between observations. For α → ∞ at fixed ratios the law is the
    multinomial. scipy.stats: ``dirichlet_multinomial(alpha, n)``. R: ``extraDistr::dirmnom(size, alpha)``,
    ``VGAM::dirmultinomial`` with π_i = α_i/Σ α and φ = 1/(1 + Σ α). Mosimann
    (1962), Biometrika 49, 65–82.

    Parameters
    ----------
    alpha : array_like (..., d), optional
        Positive concentrations.
    dimension : int, optional
        d, found in the parameters or in the data if not given.

    Examples
    --------
    >>> import mlece
    >>> mlece.DirichletMultinomial(alpha=[1, 1]).density([1, 3]).round(6).item()
    0.2
    """

    support = counts
    alpha = Part(positive, r"\alpha", rank=1, typical=(0.5, 4), doc="concentrations")

    def check_values(self, values: Array, what: str) -> None:
        """Raise for vectors that are not counts."""
        _check_counts(values, what)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True for counts."""
        return np.asarray(((y >= 0) & (y == np.floor(y)) & np.isfinite(y)).all(axis=-1))

    @staticmethod
    def _log_density(y: Array, *alpha: Array) -> Array:
        total, n = _total(alpha), y.sum(axis=-1)
        out: Any = gammaln(n + 1) - _log_gamma_step(total, n)
        for i, a in enumerate(alpha):
            own = y[..., i]
            out = out - gammaln(own + 1) + own * log(a / total) + _log_gamma_step(a, own)
        return np.asarray(out)

    @staticmethod
    def _score(y: Array, *alpha: Array) -> Arrays:
        total, n = _total(alpha), y.sum(axis=-1)
        common = digamma(total) - digamma(n + total)
        return tuple(common + digamma(y[..., i] + a) - digamma(a) for i, a in enumerate(alpha))

    @staticmethod
    def _curvature(y: Array, *alpha: Array) -> Arrays:
        total, n = _total(alpha), y.sum(axis=-1)
        common = trigamma(total) - trigamma(n + total)
        k = len(alpha)
        return tuple(
            common + trigamma(y[..., i] + alpha[i]) - trigamma(alpha[i]) if i == j else common
            for i in range(k)
            for j in range(i, k)
        )

    def _start(self, points: Array) -> Arrays:
        share = points.sum(axis=1) + 0.5
        share = share / share.sum(axis=-1, keepdims=True)
        return tuple((share * 2.0 * points.shape[-1]).T)

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Refuse: the number of trials belongs to the observation, not to the model."""
        raise _no_trials()


# ---------------------------------------------------------------------------- Multinomial


class _Shares(Part):
    """Probabilities that sum to 1: the first is what the others leave."""

    def indices(self, d: int, blocks: Array) -> list[Index]:
        """Return the entries behind the first."""
        return [(i,) for i in range(1, d)]

    def assembled(self, d: int, entries: dict[Index, Any]) -> Array:
        """Return all probabilities, (..., d)."""
        out = super().assembled(d, entries)
        out[..., 0] = 1.0 - out[..., 1:].sum(axis=-1)
        return out


class Multinomial(Vector):
    r"""Multinomial counts: log q = log n! − Σ log y_i! + Σ y_i log p_i.

    An observation is a vector of counts; its sum n may differ between observations and is not modelled.
    The parameters are ``p[1]`` to ``p[d−1]``; ``model.p`` has all of them. Where observations vary more
    than multinomial ones the sandwich holds and the other covariances do not; DirichletMultinomial
    models it. scipy.stats: ``multinomial(n, p)``. R: ``dmultinom(x, size, prob)``.

    Parameters
    ----------
    p : array_like (..., d), optional
        Probabilities that sum to 1.
    dimension : int, optional
        d, found in the parameters or in the data if not given.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Multinomial(), [[2, 1, 1], [3, 0, 1]])
    >>> fit.model.p
    array([0.625, 0.125, 0.25 ])
    """

    support = counts
    affine = True
    exponential = True
    p = _Shares(probability, "p", rank=1, typical=(0.2, 0.4), doc="probabilities")

    def check_values(self, values: Array, what: str) -> None:
        """Raise for vectors that are not counts."""
        _check_counts(values, what)

    def _taken_apart(self, name: str, value: Array) -> dict[str, Array]:
        if np.any(np.abs(value.sum(axis=-1) - 1) > 1e-12 * value.shape[-1]):
            raise ParameterError(message("probabilities that sum to 1", f"{value}"))
        return super()._taken_apart(name, value)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True for counts."""
        return np.asarray(((y >= 0) & (y == np.floor(y)) & np.isfinite(y)).all(axis=-1))

    def statistics(self, y: Array) -> Arrays:
        """Return the counts and the logarithm of the multinomial coefficient."""
        columns = tuple(y[..., i] for i in range(self.dimension or 0))
        coefficient = gammaln(_total(columns) + 1) - _total(gammaln(c + 1) for c in columns)
        return (*columns, coefficient)

    def _log_density(self, t: Arrays, *theta: Array) -> Array:  # type: ignore[override]
        (p,) = self.assembled(theta)
        return np.asarray(t[-1] + _total(xlogy(c, p[..., i]) for i, c in enumerate(t[:-1])))

    def _ratios(self, t: Arrays, theta: Arrays, power: int) -> list[Array]:
        (p,) = self.assembled(theta)
        return [ratio_or_zero(c, p[..., i] ** power) for i, c in enumerate(t[:-1])]

    def _score(self, t: Arrays, *theta: Array) -> Arrays:
        first, *rest = self._ratios(t, theta, 1)
        return tuple(r - first for r in rest)

    def _curvature(self, t: Arrays, *theta: Array) -> Arrays:
        first, *rest = self._ratios(t, theta, 2)
        k = len(rest)
        return tuple(-first - rest[i] if i == j else -first for i in range(k) for j in range(i, k))

    def _maximise(self, s: Summary, *theta: Array | None) -> Arrays | None:
        if any(v is not None for v in theta):
            return None
        total = _total(s.mean[:-1])
        return tuple(m / total for m in s.mean[1:-1])

    def _degenerate(  # type: ignore[override]
        self, s: Summary, *theta: Array | None
    ) -> tuple[Limit, ...]:
        best = self._maximise(s, *theta)
        if best is None:
            return ()
        empty = np.asarray(np.stack([m == 0 for m in s.mean[:-1]]).any(axis=0))
        sentence = "a category was never seen: its probability is 0, with multiplier 1 for a trial"
        return (Limit(empty, Status.BOUNDARY, sentence, best),)

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Refuse: the number of trials belongs to the observation, not to the model."""
        raise _no_trials()


def _no_trials() -> NoDensityError:
    return NoDensityError(
        message(
            "a number of trials to draw counts",
            "a model of the counts given their sum",
            "Draw them with rng.multinomial(n, p)",
        )
    )


def _check_counts(values: Array, what: str) -> None:
    bad = ~((values >= 0) & (values == np.floor(values))).all(axis=-1)
    if bad.any():
        raise SupportError(
            message(
                f"{what} with non-negative whole numbers",
                offenders(bad, values.sum(axis=-1)) + " (the sum is shown)",
            )
        )
