"""Families on the half line that are a power or the inverse of a gamma: lengths, energies, variances."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np

from mlece.domain import nonnegative, positive
from mlece.families.beta_tails import half_step
from mlece.families.gamma_tails import of_gamma
from mlece.families.half_line import Gamma, _narrow, _second_order, gamma_shape
from mlece.families.skewed import Pareto
from mlece.limits import Limit, Status, full, or_fixed, point_mass
from mlece.links.tails import Tails, mirrored_exponential_tails
from mlece.links.unit_links import cloglog_link
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    digamma,
    exp,
    expm1,
    gammainc,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    inf,
    inverse_digamma,
    log,
    log1mexp,
    log1p,
    log1pmx,
    log_minus_digamma,
    log_ndtr,
    log_probability,
    ndtri,
    sqrt,
    stirling_remainder,
    trigamma,
    trigamma_excess,
    where,
)
from mlece.model import Model, Twin
from mlece.moments import Summary
from mlece.numerics.jets import jet_log
from mlece.param import Param

_LOG_2 = 0.6931471805599453

# ---------------------------------------------------------------------------- lengths of normals


class _Length(Model, abstract=True):
    """Length of a vector of k independent normals of one scale: y/σ has the chi law with k df."""

    affine = True
    collapsible = False
    _df: ClassVar[int]

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return y * y, log(y)

    @classmethod
    def _log_density(cls, t: Arrays, scale: Array) -> Array:
        k = cls._df
        constant = (0.5 * k - 1) * _LOG_2 + gammaln(0.5 * k)
        carrier = (k - 1) * t[1] if k > 1 else 0.0
        return np.asarray(carrier - constant - k * log(scale) - 0.5 * t[0] / scale**2)

    @classmethod
    def _score(cls, t: Arrays, scale: Array) -> Arrays:
        return ((t[0] / scale**2 - cls._df) / scale,)

    @classmethod
    def _curvature(cls, t: Arrays, scale: Array) -> Arrays:
        return ((cls._df - 3 * t[0] / scale**2) / scale**2,)

    @classmethod
    def _expected_statistics(cls, scale: Array) -> Arrays:
        k = cls._df
        return k * scale**2, log(scale) + 0.5 * (digamma(0.5 * k) + _LOG_2)

    @classmethod
    def _maximise(cls, s: Summary, scale: Array | None) -> Arrays:
        return (or_fixed(sqrt(s.mean[0] / cls._df), scale),)

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        square = (x * x).mean(axis=-1) / cls._df
        return (sqrt(where(square > 0, square, 1.0)),)

    @classmethod
    def _log_cdf(cls, y: Array, scale: Array) -> Array:
        a, x = 0.5 * cls._df, 0.5 * (y / scale) ** 2
        return log_probability(gammainc(a, x), gammaincc(a, x))

    @classmethod
    def _log_sf(cls, y: Array, scale: Array) -> Array:
        a, x = 0.5 * cls._df, 0.5 * (y / scale) ** 2
        return log_probability(gammaincc(a, x), gammainc(a, x))

    @classmethod
    def _standardised(cls, y: Array, scale: Any) -> tuple[Any, ...]:
        df = np.asarray(float(cls._df))
        return of_gamma(2 * (log(y) - jet_log(scale)) - log(df), 0.5 * df)

    @classmethod
    def _quantile(cls, u: Array, scale: Array) -> Array:
        return np.asarray(scale * sqrt(2 * gammaincinv(0.5 * cls._df, u)))

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], scale: Array) -> Array:
        return np.asarray(scale * sqrt(rng.chisquare(cls._df, size)))

    @classmethod
    def _entropy(cls, scale: Array) -> Array:
        k = cls._df
        return log(scale) + gammaln(0.5 * k) + 0.5 * (k - _LOG_2 - (k - 1) * digamma(0.5 * k))

    @classmethod
    def _mean(cls, scale: Array) -> Array:
        return np.asarray(scale * exp(0.5 * log(cls._df) + half_step(np.asarray(0.5 * cls._df))))

    @classmethod
    def _variance(cls, scale: Array) -> Array:
        return np.asarray(-cls._df * scale**2 * expm1(2 * half_step(np.asarray(0.5 * cls._df))))


class HalfNormal(_Length):
    r"""Half-normal, |Z| of a normal with mean 0: log q = ½ log(2/π) − log σ − y²/(2σ²).

    scipy.stats: ``halfnorm(scale=scale)``. R: ``extraDistr::hnorm(sigma)``.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.fit(mlece.HalfNormal(), [0.0, 3.0, 4.0]).params["scale"], 6)
    2.886751
    """

    support = nonnegative
    aliases = ("halfnorm", "hnorm")
    unit_carrier = True
    _df = 1
    scale = Param(
        positive, r"\sigma", typical=(0.5, 3), role="scale", doc="standard deviation of the normal"
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y * y,)

    @classmethod
    def _expected_statistics(cls, scale: Array) -> Arrays:
        return (scale**2,)

    @staticmethod
    def _degenerate(s: Summary, scale: Array | None) -> tuple[Limit, ...]:
        if scale is not None:
            return ()
        (square,) = s.mean
        sentence = "every observation is 0: the density grows without bound as the scale falls to 0"
        limit = (full(square, 0.0),)
        return (Limit(square == 0, Status.UNBOUNDED, sentence, limit, full(square, -inf)),)

    @classmethod
    def _log_cdf(cls, y: Array, scale: Array) -> Array:
        return log1mexp(-cls._log_sf(y, scale))

    @classmethod
    def _log_sf(cls, y: Array, scale: Array) -> Array:
        return np.asarray(_LOG_2 + log_ndtr(-y / scale))

    @classmethod
    def _quantile(cls, u: Array, scale: Array) -> Array:
        return np.asarray(where(u < 0.5, super()._quantile(u, scale), -scale * ndtri((1 - u) / 2)))

    @staticmethod
    def _scipy(scale: Array) -> Twin:
        return "halfnorm", {"scale": scale}


class Rayleigh(_Length):
    r"""Rayleigh: log q = log y − 2 log σ − y²/(2σ²).

    scipy.stats: ``rayleigh(scale=scale)``. R: ``extraDistr::rayleigh(sigma)``, ``VGAM::rayleigh``.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.fit(mlece.Rayleigh(), [1.0, 2.0, 3.0]).params["scale"], 6)
    1.527525
    """

    support = positive
    _df = 2
    scale = Param(
        positive,
        r"\sigma",
        typical=(0.5, 3),
        role="scale",
        doc="standard deviation of each of two normals; the mode",
    )

    @classmethod
    def _log_cdf(cls, y: Array, scale: Array) -> Array:
        return log1mexp(0.5 * (y / scale) ** 2)

    @classmethod
    def _log_sf(cls, y: Array, scale: Array) -> Array:
        return np.asarray(-0.5 * (y / scale) ** 2)

    @classmethod
    def _standardised(cls, y: Array, scale: Any) -> tuple[Any, ...]:
        return cloglog_link, 2 * (log(y) - jet_log(scale)) - _LOG_2

    @classmethod
    def _quantile(cls, u: Array, scale: Array) -> Array:
        return np.asarray(scale * sqrt(-2 * log1p(-u)))

    @staticmethod
    def _scipy(scale: Array) -> Twin:
        return "rayleigh", {"scale": scale}


class Maxwell(_Length):
    r"""Maxwell–Boltzmann: log q = ½ log(2/π) + 2 log y − 3 log σ − y²/(2σ²).

    scipy.stats: ``maxwell(scale=scale)``. R: ``VGAM::maxwell(rate=1/scale^2)``.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.fit(mlece.Maxwell(), [1.0, 2.0, 3.0]).params["scale"], 6)
    1.247219
    """

    support = positive
    _df = 3
    scale = Param(
        positive,
        r"\sigma",
        typical=(0.5, 3),
        role="scale",
        doc="standard deviation of each of three normals",
    )

    @staticmethod
    def _scipy(scale: Array) -> Twin:
        return "maxwell", {"scale": scale}


# ---------------------------------------------------------------------------- chi-squared


class Chi2(Model):
    r"""Chi-squared: log q = (k/2 − 1) log y − y/2 − (k/2) log 2 − log Γ(k/2).

    scipy.stats: ``chi2(df)``. R: ``chisq(df)``. The law has no scale: for data in other units take a
    Gamma.

    Examples
    --------
    >>> import mlece
    >>> mlece.Chi2(df=3).variance
    6.0
    """

    support = positive
    aliases = ("chisq", "chisquared")
    affine = True
    collapsible = False
    df = Param(positive, "k", typical=(1, 12), doc="degrees of freedom")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return y, log(y)

    @staticmethod
    def _log_density(t: Arrays, df: Array) -> Array:
        y, log_y = t
        return (0.5 * df - 1) * log_y - 0.5 * y - 0.5 * df * _LOG_2 - gammaln(0.5 * df)

    @staticmethod
    def _score(t: Arrays, df: Array) -> Arrays:
        return (0.5 * (t[1] - _LOG_2 - digamma(0.5 * df)),)

    @staticmethod
    def _curvature(t: Arrays, df: Array) -> Arrays:
        return (-0.25 * trigamma(0.5 * df),)

    @staticmethod
    def _expected_statistics(df: Array) -> Arrays:
        return df, digamma(0.5 * df) + _LOG_2

    @staticmethod
    def _maximise(s: Summary, df: Array | None) -> Arrays:
        return (or_fixed(2 * inverse_digamma(s.mean[1] - _LOG_2), df),)

    @staticmethod
    def _start(x: Array) -> Arrays:
        return (2 * inverse_digamma(log(x).mean(axis=-1) - _LOG_2),)

    @staticmethod
    def _log_cdf(y: Array, df: Array) -> Array:
        return Gamma._log_cdf(y, 0.5 * df, np.asarray(0.5))

    @staticmethod
    def _log_sf(y: Array, df: Array) -> Array:
        return Gamma._log_sf(y, 0.5 * df, np.asarray(0.5))

    @staticmethod
    def _standardised(y: Array, df: Any) -> tuple[Tails, Any, Any]:
        return Gamma._standardised(y, 0.5 * df, 0.5)

    @staticmethod
    def _quantile(u: Array, df: Array) -> Array:
        return np.asarray(2 * gammaincinv(0.5 * df, u))

    @staticmethod
    def _sample(rng: np.random.Generator, size: tuple[int, ...], df: Array) -> Array:
        return rng.chisquare(df, size)

    @staticmethod
    def _entropy(df: Array) -> Array:
        return Gamma._entropy(0.5 * df, np.asarray(0.5))

    @staticmethod
    def _mean(df: Array) -> Array:
        return 1.0 * df

    @staticmethod
    def _variance(df: Array) -> Array:
        return 2.0 * df

    @staticmethod
    def _scipy(df: Array) -> Twin:
        return "chi2", {"df": df}


# ---------------------------------------------------------------------------- inverse gamma


class InverseGamma(Model):
    r"""Inverse gamma, 1/Y gamma: log q = α log β − log Γ(α) − (α + 1) log y − β/y.

    scipy.stats: ``invgamma(a=shape, scale=scale)``. R: ``actuar::invgamma(shape, scale=scale)``,
    ``extraDistr::invgamma(alpha=shape, beta=scale)``.

    Examples
    --------
    >>> import mlece
    >>> mlece.InverseGamma(shape=3, scale=4).mean
    2.0
    """

    support = positive
    aliases = ("invgamma",)
    affine = True
    top_asked = False
    unit_carrier = True
    shape = Param(positive, r"\alpha", typical=(2.5, 8), doc="shape, the index of the tail")
    scale = Param(positive, r"\beta", typical=(0.5, 4), role="scale", doc="scale")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return Gamma._statistics(1 / y)

    @staticmethod
    def _block_sums(y: Array, w: Array | None) -> Arrays:
        return Gamma._block_sums(1 / y, w)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        return np.asarray(Gamma._log_density(t, shape, scale) + 2 * t[1])

    # In the statistics it is the gamma law of 1/y; the density has the slope of 1/y besides.
    _score, _curvature = Gamma._score, Gamma._curvature
    _expected_statistics, _maximise = Gamma._expected_statistics, Gamma._maximise

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None or scale is not None:
            return ()
        sentence = "every observation is equal: shape and scale grow without bound at a fixed ratio"
        at = full(s.minimum, inf)
        return point_mass(s, sentence, (at, at))

    @staticmethod
    def _frame(shape: Array, scale: Array) -> Arrays:
        return np.zeros(()), scale / shape

    @staticmethod
    def _start(x: Array) -> Arrays:
        return Gamma._start(1 / x)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return Gamma._log_sf(1 / y, shape, scale)

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return Gamma._log_cdf(1 / y, shape, scale)

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any, Any]:
        return of_gamma(jet_log(scale / shape) - log(y), shape, -1.0)

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale / gammainccinv(shape, u))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return np.asarray(scale / rng.standard_gamma(shape, size))

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        mean_log = log_minus_digamma(shape) + log(scale / shape)
        return np.asarray(Gamma._entropy(shape, scale) + 2 * mean_log)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return where(shape > 1, scale / where(shape > 1, shape - 1, 1.0), inf)

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        finite = shape > 2
        safe = where(finite, shape, 3.0)
        return where(finite, scale**2 / ((safe - 1) ** 2 * (safe - 2)), inf)

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "invgamma", {"a": shape, "scale": scale}


# ---------------------------------------------------------------------------- Nakagami


class Nakagami(Model):
    r"""Nakagami m: log q = log 2 + m log m − log Γ(m) + (2m − 1) log y − 2m log s − m y²/s².

    y² has the gamma law of shape m and mean s² (Nakagami 1960). scipy.stats: ``nakagami(nu=shape,
    scale=scale)``. R: ``VGAM::naka(scale=scale^2, shape=shape)``, ``nakagami::naka(shape,
    scale=scale^2)``, where the parameter is the spread Ω = s² = E Y². A shape of ½ is the half-normal,
    1 the Rayleigh law.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Nakagami(), [3.0, 4.0, 5.0])
    >>> round(fit.params["scale"] ** 2, 9)
    16.666666667
    """

    support = positive
    aliases = ("naka",)
    affine = True
    top_asked = False
    unit_carrier = True
    shape = Param(positive, "m", typical=(0.5, 8), doc="shape")
    scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="root mean square")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        # Those of a gamma law for y², without squaring what a square would not hold.
        d, log_x = (y - 1) * (y + 1), 2 * log(y)
        return d, log_x, _second_order(d) if _narrow(d) else log_x - d

    @staticmethod
    def _relative(t: Arrays, scale: Array) -> Arrays:
        """Return u − 1 and log u − (u − 1), where u = y²/s²."""
        d, log_x, curved = t
        step = (1 - scale) * (1 + scale) / scale**2
        above = d / scale**2 + step
        near = abs(step) < 0.5
        centred = curved - d * step + log1pmx(where(near, step, 0.0))
        return above, where(near, centred, log_x - 2 * log(scale) - above)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        _, curved = Nakagami._relative(t, scale)
        constant = _LOG_2 - 0.5 * LOG_2PI + 0.5 * log(shape) - stirling_remainder(shape)
        return np.asarray(constant - 0.5 * t[1] + shape * curved)

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        above, curved = Nakagami._relative(t, scale)
        return log_minus_digamma(shape) + curved, 2 * shape / scale * above

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        above, _ = Nakagami._relative(t, scale)
        return (
            -trigamma_excess(shape),
            2 / scale * above,
            -2 * shape / scale**2 * (2 + 3 * above),
        )

    @staticmethod
    def _expected_statistics(shape: Array, scale: Array) -> Arrays:
        return Gamma._expected_statistics(shape, shape / scale**2)

    @staticmethod
    def _maximise(s: Summary, shape: Array | None, scale: Array | None) -> Arrays | None:
        size = or_fixed(sqrt(1 + s.mean[0]), scale)
        if shape is None:
            shape = gamma_shape(-Nakagami._relative(s.mean, size)[1])
        return or_fixed(size, shape), size

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the scale: the density grows with the shape"
        limit = (full(s.minimum, inf), or_fixed(s.minimum, scale))
        return point_mass(s, sentence, limit, s.minimum, scale)

    @staticmethod
    def _start(x: Array) -> Arrays:
        shape, rate = Gamma._start(x * x)
        return shape, sqrt(shape / rate)

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return Gamma._log_cdf((y / scale) ** 2, shape, shape)

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return Gamma._log_sf((y / scale) ** 2, shape, shape)

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any, Any]:
        return of_gamma(2 * (log(y) - jet_log(scale)), shape)

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale * sqrt(gammaincinv(shape, u) / shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return np.asarray(scale * sqrt(rng.standard_gamma(shape, size) / shape))

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        # Y = s X^(1/2) with X of mean 1: H(Y) = H(X) + log s - log 2 - E log X / 2.
        mean_log = -log_minus_digamma(shape)
        return np.asarray(Gamma._entropy(shape, shape) + log(scale) - _LOG_2 - 0.5 * mean_log)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return np.asarray(scale * exp(half_step(shape)))

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        return np.asarray(-(scale**2) * expm1(2 * half_step(shape)))

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "nakagami", {"nu": shape, "scale": scale}


# ---------------------------------------------------------------------------- power function


class PowerFunction(Model):
    r"""Power function law, 1/Y Pareto: log q = log α − α log m + (α − 1) log y for 0 < y ≤ m.

    scipy.stats: ``powerlaw(a=shape, scale=scale)``. R: ``scale * rbeta(n, shape, 1)``. The scale is the
    end of the support: its estimate is the largest observation.

    Examples
    --------
    >>> import mlece
    >>> mlece.PowerFunction(shape=3, scale=2).mean
    1.5
    """

    support = positive
    affine = True
    unit_carrier = True
    shape = Param(positive, r"\alpha", typical=(0.6, 5), doc="index at 0")
    scale = Param(
        positive, "m", typical=(0.5, 3), role="scale", regular=False, doc="largest possible value"
    )

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (log(y),)

    @staticmethod
    def _log_density(t: Arrays, shape: Array, scale: Array) -> Array:
        return np.asarray(log(shape) + shape * (t[0] - log(scale)) - t[0])

    @staticmethod
    def _score(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return 1 / shape + t[0] - log(scale), -shape / scale

    @staticmethod
    def _curvature(t: Arrays, shape: Array, scale: Array) -> Arrays:
        return -1 / shape**2, -1 / scale, shape / scale**2

    @staticmethod
    def _expected_statistics(shape: Array, scale: Array) -> Arrays:
        return (log(scale) - 1 / shape,)

    @staticmethod
    def _bounds(shape: Array, scale: Array) -> Arrays:
        return full(scale, 0.0), scale

    @staticmethod
    def _maximise(s: Summary, shape: Array | None, scale: Array | None) -> Arrays:
        end = or_fixed(s.maximum, scale)
        return or_fixed(1 / (log(end) - s.mean[0]), shape), end

    @staticmethod
    def _degenerate(s: Summary, shape: Array | None, scale: Array | None) -> tuple[Limit, ...]:
        if shape is not None:
            return ()
        sentence = "every observation equals the scale: the density grows with the shape"
        limit = (full(s.maximum, inf), s.maximum)
        return point_mass(s, sentence, limit, s.maximum, scale)

    @staticmethod
    def _exact_interval(
        theta: Arrays, n: Any, alpha: float, fixed: Collection[str] = ()
    ) -> dict[str, Arrays]:
        # 1/y is Pareto with the same shape, its scale 1/m.
        bounds = Pareto._exact_interval((theta[0], 1 / theta[1]), n, alpha, fixed)
        if "scale" in bounds:
            low, high = bounds["scale"]
            bounds["scale"] = (1 / high, 1 / low)
        return bounds

    @staticmethod
    def _start(x: Array) -> Arrays:
        scale = x.max(axis=-1)
        gap = log(scale) - log(x).mean(axis=-1)
        return 1 / where(gap > 0, gap, 1.0), scale

    @staticmethod
    def _log_cdf(y: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(shape * log(y / scale))

    @staticmethod
    def _log_sf(y: Array, shape: Array, scale: Array) -> Array:
        return log1mexp(-shape * log(y / scale))

    @staticmethod
    def _standardised(y: Array, shape: Any, scale: Any) -> tuple[Tails, Any]:
        return mirrored_exponential_tails, shape * (log(y) - jet_log(scale))

    @staticmethod
    def _quantile(u: Array, shape: Array, scale: Array) -> Array:
        return np.asarray(scale * u ** (1 / shape))

    @staticmethod
    def _sample(
        rng: np.random.Generator, size: tuple[int, ...], shape: Array, scale: Array
    ) -> Array:
        return np.asarray(scale * exp(-rng.standard_exponential(size) / shape))

    @staticmethod
    def _entropy(shape: Array, scale: Array) -> Array:
        return np.asarray(log(scale / shape) + 1 - 1 / shape)

    @staticmethod
    def _mean(shape: Array, scale: Array) -> Array:
        return np.asarray(scale * shape / (shape + 1))

    @staticmethod
    def _variance(shape: Array, scale: Array) -> Array:
        return np.asarray(scale**2 * shape / ((shape + 1) ** 2 * (shape + 2)))

    @staticmethod
    def _scipy(shape: Array, scale: Array) -> Twin:
        return "powerlaw", {"a": shape, "scale": scale}
