"""Skewed families on the whole real line with two tails of their own."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.domain import positive, real
from mlece.families.beta_tails import log_cdf_of_odds, log_odds_tails, student_tails
from mlece.families.one_sided import (
    ExponentialFrom,
    HalfNormalFrom,
    HalfTFrom,
    OneSided,
    from_a_point,
)
from mlece.families.real_line import StudentT
from mlece.families.standard import (
    Jet,
    LocationScale,
    moments,
    quartile_start,
)
from mlece.families.transformed import MirroredLogGamma
from mlece.limits import LimitFamily, free_tails, full
from mlece.links.tails import ShapedTails, Tails
from mlece.links.unit_links import probit_link
from mlece.math import (
    LOG_2PI,
    Array,
    Arrays,
    abs,
    betaincinv,
    betaln,
    digamma,
    exp,
    expit,
    inf,
    log,
    log1p,
    log_ndtr,
    logit,
    ndtr,
    ndtri,
    pi,
    sqrt,
    stdtr,
    stdtrit,
    tanh,
    trigamma,
    where,
)
from mlece.model import Twin
from mlece.numerics.jets import compose, jet_log, jet_log1p, variables
from mlece.param import Param

# ---------------------------------------------------------------------------- asymmetric Laplace


def laplace_shapes(
    above: Array, below: Array, scale: Array | None, asymmetry: Array | None
) -> Arrays:
    """Return cross-entropy, scale and κ at their best, given E(y − m)⁺ and E(y − m)⁻.

    The minimum over both has κ⁴ = below/above and value 2 log(√above + √below) + 1 (Kotz,
    Kozubowski and Podgórski 2001).
    """
    if asymmetry is not None:
        kappa = np.broadcast_to(asymmetry, above.shape)
    elif scale is None:
        kappa = (below / above) ** 0.25
    else:
        # log κ is the root of tanh t + (above e^t − below e^(−t))/scale, which grows with t.
        t = np.zeros(above.shape)
        for _ in range(60):
            up, down = above * exp(t) / scale, below * exp(-t) / scale
            step = (tanh(t) + up - down) / (1 - tanh(t) ** 2 + up + down)
            t = t - np.minimum(np.maximum(step, -2.0), 2.0)
        kappa = exp(t)
    spread = kappa * above + below / kappa if scale is None else scale + 0 * above
    value = log(spread) + log(kappa + 1 / kappa) + (kappa * above + below / kappa) / spread
    if scale is None and asymmetry is None:
        value = 2 * log(sqrt(above) + sqrt(below)) + 1
    return np.asarray(value), np.asarray(spread), np.asarray(kappa)


def _half_laws(law: type[OneSided], above: float, rival: bool = True) -> tuple[LimitFamily, ...]:
    """Return the laws of one side met as the asymmetry runs off and the scale to 0.

    ``above`` is the end to which the asymmetry runs for the law above its point.
    """
    ends = {1.0: above, -1.0: inf if above == 0 else 0.0}

    def theta(side: float, loc: Array, scale: Array, *shapes: Array) -> Arrays:
        return loc, full(loc, 0.0), full(loc, ends[side]), *shapes

    up, down = ({"asymmetry": end, "scale": 0.0} for end in ends.values())
    return from_a_point(law, up, down, {"loc": "loc"}, theta, rival)


class AsymmetricLaplace(LocationScale):
    r"""Asymmetric Laplace: log q = −log(κ + 1/κ) − κ z⁺ − z⁻/κ − log s, z = (y − m)/s.

    scipy.stats: ``laplace_asymmetric(kappa=asymmetry, loc, scale)``. R: ``VGAM::alap(location=loc,
    scale=sqrt(2)*scale, kappa=asymmetry)``, where tau = κ²/(1 + κ²) may stand for kappa. κ < 1 leans to
    the right. The location is an observation: given it, scale and κ have closed forms, and between two
    observations the profile is concave (Kotz, Kozubowski and Podgórski 2001). Where it
    is the smallest (the largest), the limit is an exponential from there.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.AsymmetricLaplace(loc=0, scale=1, asymmetry=2).mean, 12)
    -1.5
    """

    asymmetry = Param(positive, r"\kappa", typical=(0.5, 2), doc="asymmetry")
    limit_families: ClassVar = _half_laws(ExponentialFrom, 0.0)

    @staticmethod
    def _standard(z: Array, asymmetry: Array) -> Jet:
        k, square = asymmetry, asymmetry**2
        above, below = np.maximum(z, 0.0), np.maximum(-z, 0.0)
        slope = where(z > 0, -k, where(z < 0, 1 / k, 0.0))
        # The almost-everywhere derivatives; the kink at the location is told by _kink.
        return Jet(
            -log(k + 1 / k) - k * above - below / k,
            slope,
            0 * z,
            ((1 - square) / (k * (1 + square)) - above + below / square,),
            (where(z > 0, -1.0, where(z < 0, -1 / square, 0.0)),),
            (
                (square * square - 4 * square - 1) / (k * (1 + square)) ** 2
                - 2 * below / (k * square),
            ),
        )

    @staticmethod
    def _breakpoints(loc: Array, scale: Array, asymmetry: Array) -> Arrays:
        return (loc,)

    @staticmethod
    def _kink(loc: Array, scale: Array, asymmetry: Array) -> tuple[str, Array]:
        return "loc", (asymmetry + 1 / asymmetry) / scale

    @staticmethod
    def _estimate(
        view: Any, loc: Array | None, scale: Array | None, asymmetry: Array | None
    ) -> tuple[Arrays, tuple[Arrays, Arrays] | None, None]:
        if loc is not None:
            above = view.mean_of(lambda y: np.maximum(y - loc[:, None], 0.0))
            below = view.mean_of(lambda y: np.maximum(loc[:, None] - y, 0.0))
            _, spread, kappa = laplace_shapes(above, below, scale, asymmetry)
            return (loc, spread, kappa), None, None
        y, w = view.ordered()
        # Means above and below each observation, from running sums of the gaps: nothing cancels.
        share = np.cumsum(w, axis=1) / w.sum(axis=1, keepdims=True)
        gap = np.diff(y, axis=1)
        zero = np.zeros((len(y), 1))
        below = np.concatenate([zero, np.cumsum(share[:, :-1] * gap, axis=1)], axis=1)
        rising = np.cumsum(((1 - share[:, :-1]) * gap)[:, ::-1], axis=1)[:, ::-1]
        above = np.concatenate([rising, zero], axis=1)
        fixed = tuple(None if s is None else s[:, None] for s in (scale, asymmetry))
        value, spread, kappa = laplace_shapes(above, below, *fixed)
        value = where(w > 0, value, inf)
        take = np.arange(len(y))
        best = np.argmin(value, axis=1)
        theta = tuple(a[take, best] for a in (y, spread, kappa))
        if asymmetry is None:
            return theta, None, None
        # With κ known the location is a quantile; a level that a gap shares makes it an interval.
        level = 1 / (1 + 1 / asymmetry**2)
        slack = 4e-16 * sqrt(y.shape[1])
        high = np.argmax((share > level[:, None] + slack) & (w > 0), axis=1)
        low = np.argmax(share >= level[:, None] - slack, axis=1)
        ends = tuple((y[take, i], theta[1], theta[2]) for i in (low, np.maximum(high, low)))
        centre = 0.5 * (ends[0][0] + ends[1][0])
        return (centre, theta[1], theta[2]), (ends[0], ends[1]), None

    @staticmethod
    def _start(x: Array) -> Arrays:
        centre = np.median(x, axis=-1)
        spread = abs(x - centre[..., None]).mean(axis=-1)
        return centre, where(spread > 0, spread, 1.0), full(centre, 1.0)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        z, square = (y - loc) / scale, asymmetry**2
        low = log(square / (1 + square)) + np.minimum(z, 0.0) / asymmetry
        high = log1p(-exp(-asymmetry * np.maximum(z, 0.0)) / (1 + square))
        return np.asarray(where(z < 0, low, high))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        return AsymmetricLaplace._log_cdf(2 * loc - y, loc, scale, 1 / asymmetry)

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        square = asymmetry**2
        low = asymmetry * log(u * (1 + 1 / square))
        high = -log((1 - u) * (1 + square)) / asymmetry
        return np.asarray(loc + scale * where(u < square / (1 + square), low, high))

    @staticmethod
    def _entropy(loc: Array, scale: Array, asymmetry: Array) -> Array:
        return np.asarray(1 + log(scale) + log(asymmetry + 1 / asymmetry) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, asymmetry: Array) -> Array:
        return np.asarray(loc + scale * (1 / asymmetry - asymmetry))

    @staticmethod
    def _variance(loc: Array, scale: Array, asymmetry: Array) -> Array:
        return np.asarray(scale**2 * (asymmetry**2 + 1 / asymmetry**2) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, asymmetry: Array) -> Twin:
        return "laplace_asymmetric", {"kappa": asymmetry, "loc": loc, "scale": scale}


# ---------------------------------------------------------------------------- two pieces


def _two_pieces(z: Array, asymmetry: Array, half: Jet, bends: Arrays) -> Jet:
    """Return the jet of 2γ/(1 + γ²) f(z γ^∓1) (Fernández and Steel 1998).

    ``half`` is the jet of log f at z γ below 0 and z/γ above, ``bends`` its second derivatives in the
    shapes of f.
    """
    above, square = z >= 0, asymmetry**2
    c = where(above, 1 / asymmetry, asymmetry)
    first = where(above, -1 / square, 1.0)
    second = where(above, 2 / (asymmetry * square), 0.0)
    weight = log(2 * asymmetry) - log1p(square)
    weight_first = (1 - square) / (asymmetry * (1 + square))
    weight_second = (square * square - 4 * square - 1) / (asymmetry * (1 + square)) ** 2
    slope, bend, mixed = half.slope, half.bend, half.mixed
    lever = z * first
    own = weight_second + bend * lever * lever + slope * z * second
    return Jet(
        weight + half.value,
        slope * c,
        bend * c * c,
        (weight_first + slope * lever, *half.shapes),
        (bend * lever * c + slope * first, *(m * c for m in mixed)),
        (own, *(m * lever for m in mixed), *bends),
    )


def _fold(z: Array, asymmetry: Array) -> Array:
    return np.asarray(where(z >= 0, z / asymmetry, z * asymmetry))


def _piece_moments(asymmetry: Array, first: Array, second: Array) -> Arrays:
    """Return mean and variance, given E|X| and E X² of the symmetric law."""
    g = asymmetry
    mean = first * (g - 1 / g)
    return mean, second * (g**2 + 1 / g**2 - 1) - mean**2


class TwoPieceTails(ShapedTails):
    """A symmetric law stretched by γ above 0 and by 1/γ below, by z, γ and the shapes of that law."""

    def __init__(self, law: Tails, shapes: int = 0) -> None:
        self.law, self.shapes = law, 1 + shapes

    def smaller(self, at: Arrays, bends: bool) -> tuple[Array, Array]:
        """Return the tail on the side of z, from the lower one of the symmetric law."""
        low = at[0] < 0
        k = len(at)
        parts = np.empty((1 + k + k * (k + 1) // 2 if bends else 1, low.size))
        for below in (True, False):
            rows = low == below
            if rows.any():
                z, asymmetry, *shapes = variables(*(a[rows] for a in at))
                inner = [asymmetry * z if below else -z / asymmetry, *shapes]
                tail = self.law.jets(*[v.value for v in inner])[0]
                share = log(2.0) - jet_log1p(asymmetry * asymmetry)
                if not below:
                    share = share + 2 * jet_log(asymmetry)
                jet = share + compose(tail.value, tail.first, tail.second, inner)
                parts[:, rows] = np.stack(jet.parts())[: len(parts)]
        return low, parts


_two_piece_normal = TwoPieceTails(probit_link)
_two_piece_t = TwoPieceTails(student_tails, 1)


class TwoPieceNormal(LocationScale):
    r"""Two-piece (split) normal: log q = log(2γ/(1 + γ²)) + log φ(w) − log s, w = z/γ above 0, γ z below.

    z = (y − m)/s with m the mode; γ > 1 leans to the right. scipy.stats: none. R:
    ``gamlss.dist::SN2(mu=loc, sigma=scale, nu=asymmetry)``; in ``fGarch::dsnorm`` xi = γ, with mean and
    sd in the place of m and s (Fernández and Steel 1998). The standard deviations of the halves are s γ
    (above) and s/γ (below).

    Examples
    --------
    >>> import mlece
    >>> round(mlece.TwoPieceNormal(loc=0, scale=1, asymmetry=2).cdf(0.0).item(), 12)
    0.2
    """

    asymmetry = Param(positive, r"\gamma", typical=(0.6, 2), limits=(1e-6, 1e6), doc="asymmetry")
    limit_families: ClassVar = _half_laws(HalfNormalFrom, inf)

    @staticmethod
    def _standard(z: Array, asymmetry: Array) -> Jet:
        w = _fold(z, asymmetry)
        return _two_pieces(z, asymmetry, Jet(-0.5 * (LOG_2PI + w * w), -w, full(w, -1.0)), ())

    @staticmethod
    def _breakpoints(loc: Array, scale: Array, asymmetry: Array) -> Arrays:
        # The second derivative jumps at the mode.
        return (loc,)

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, _ = moments(x)
        return _mode_starts(x, mean, sd)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        z = (y - loc) / scale
        square = asymmetry**2
        low = log(2.0) - log1p(square) + log_ndtr(np.minimum(z, 0.0) * asymmetry)
        high = log1p(-2 * square / (1 + square) * ndtr(-np.maximum(z, 0.0) / asymmetry))
        return np.asarray(where(z < 0, low, high))

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        return TwoPieceNormal._log_cdf(2 * loc - y, loc, scale, 1 / asymmetry)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any, asymmetry: Any) -> tuple[Any, ...]:
        return _two_piece_normal, (y - loc) / scale, asymmetry

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, asymmetry: Array) -> Array:
        return _piece_quantile(u, loc, scale, asymmetry, ndtri)

    @staticmethod
    def _mean(loc: Array, scale: Array, asymmetry: Array) -> Array:
        first = np.asarray(0.7978845608028654)
        return np.asarray(loc + scale * _piece_moments(asymmetry, first, np.asarray(1.0))[0])

    @staticmethod
    def _variance(loc: Array, scale: Array, asymmetry: Array) -> Array:
        first = np.asarray(0.7978845608028654)
        spread = _piece_moments(asymmetry, first, np.asarray(1.0))[1]
        return np.asarray(scale**2 * spread + 0 * loc)


def _piece_quantile(u: Array, loc: Array, scale: Array, asymmetry: Array, quantile: Any) -> Array:
    square = asymmetry**2
    below = u < 1 / (1 + square)
    low = quantile(where(below, 0.5 * (1 + square) * u, 0.5)) / asymmetry
    high = -quantile(where(below, 0.5, 0.5 * (1 + square) / square * (1 - u))) * asymmetry
    return np.asarray(loc + scale * where(below, low, high))


def _mode_starts(x: Array, centre: Array, spread: Array) -> Arrays:
    """Return starts for mode, scale and asymmetry: leaning to either side, or to none."""
    asymmetry = np.stack([full(centre, g) for g in (1.0, 1.6, 1 / 1.6, 3.0, 1 / 3.0)])
    scale = spread / sqrt(0.5 * (asymmetry**2 + 1 / asymmetry**2))
    return centre - 0.8 * scale * (asymmetry - 1 / asymmetry), scale, asymmetry


def _student_jet(z: Array, df: Array) -> Jet:
    zero, one = np.zeros(()), np.ones(())
    t = StudentT._shared(z, df, zero, one)
    in_df, in_loc, _ = StudentT._score(t, df, zero, one)
    df_df, df_loc, _, loc_loc, _, _ = StudentT._curvature(t, df, zero, one)
    value = StudentT._log_density(t, df, zero, one)
    return Jet(value, -in_loc, loc_loc, (in_df,), (-df_loc,), (df_df,))


class TwoPieceT(LocationScale):
    r"""Two-piece (Fernández-Steel skew) t: as the two-piece normal, with Student's t in its place.

    log q = log(2γ/(1 + γ²)) + log t_ν(w) − log s, w = z/γ above 0 and γ z below. scipy.stats: none. R:
    ``gamlss.dist::ST3(mu=loc, sigma=scale, nu=asymmetry, tau=df)``; in ``fGarch::dsstd`` xi = γ, with
    mean and sd in the place of m and s (Fernández and Steel 1998). The limit as df grows is the
    two-piece normal.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.TwoPieceT(loc=0, scale=1, asymmetry=2, df=5).cdf(0.0).item(), 12)
    0.2
    """

    asymmetry = Param(positive, r"\gamma", typical=(0.6, 2), limits=(1e-6, 1e6), doc="asymmetry")
    df = Param(positive, r"\nu", typical=(2.5, 5), limits=(0.02, 1e7), doc="degrees of freedom")
    limit_families: ClassVar = (
        LimitFamily(
            "TwoPieceNormal",
            {"df": inf},
            {"loc": "loc", "scale": "scale", "asymmetry": "asymmetry"},
        ),
        *_half_laws(HalfTFrom, inf, rival=False),
    )

    _caveat = staticmethod(free_tails)

    @staticmethod
    def _standard(z: Array, asymmetry: Array, df: Array) -> Jet:
        half = _student_jet(_fold(z, asymmetry), df)
        return _two_pieces(z, asymmetry, half, half.bends)

    @staticmethod
    def _collapses(share: Array, *slots: Array | None) -> Array:
        # As for Student's t: with df free no share is too small (Fernandez and Steel 1999).
        return full(share, float(all(s is None for s in slots))).astype(bool)

    @staticmethod
    def _breakpoints(loc: Array, scale: Array, asymmetry: Array, df: Array) -> Arrays:
        # The second derivative jumps at the mode.
        return (loc,)

    @staticmethod
    def _start(x: Array) -> Arrays:
        centre, spread = quartile_start(x, 0.75)
        loc, scale, asymmetry = _mode_starts(x, centre, spread)
        return loc, scale, asymmetry, full(scale, 5.0)

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, asymmetry: Array, df: Array) -> Array:
        z = (y - loc) / scale
        square = asymmetry**2
        low = log(2 / (1 + square) * stdtr(df, np.minimum(z, 0.0) * asymmetry))
        high = log1p(-2 * square / (1 + square) * stdtr(df, -np.maximum(z, 0.0) / asymmetry))
        return where(z < 0, low, high)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, asymmetry: Array, df: Array) -> Array:
        return TwoPieceT._log_cdf(2 * loc - y, loc, scale, 1 / asymmetry, df)

    @staticmethod
    def _standardised(y: Array, loc: Any, scale: Any, asymmetry: Any, df: Any) -> tuple[Any, ...]:
        return _two_piece_t, (y - loc) / scale, asymmetry, df

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, asymmetry: Array, df: Array) -> Array:
        return _piece_quantile(u, loc, scale, asymmetry, lambda p: stdtrit(df, p))

    @staticmethod
    def _moments(asymmetry: Array, df: Array) -> Arrays:
        heavy = where(df > 1, df, 2.0)
        first = 2 * sqrt(heavy / pi) * np.exp(-betaln(heavy / 2, 0.5)) * sqrt(pi) / (heavy - 1)
        second = where(df > 2, df / where(df > 2, df - 2, 1.0), inf)
        return _piece_moments(asymmetry, first, second)

    @staticmethod
    def _mean(loc: Array, scale: Array, asymmetry: Array, df: Array) -> Array:
        mean = loc + scale * TwoPieceT._moments(asymmetry, df)[0]
        return np.asarray(where(df > 1, mean, np.nan))

    @staticmethod
    def _variance(loc: Array, scale: Array, asymmetry: Array, df: Array) -> Array:
        return np.asarray(scale**2 * TwoPieceT._moments(asymmetry, df)[1] + 0 * loc)


# ---------------------------------------------------------------------------- Azzalini's skew t


class SkewT(LocationScale):
    r"""Skew t: log q = log 2 + log t_ν(z) + log T_{ν+1}(α z √((ν + 1)/(ν + z²))) − log s, z = (y − m)/s.

    R: ``sn::st(xi=loc, omega=scale, alpha=shape, nu=df)`` (Azzalini and Capitanio 2003); scipy.stats
    has none (``jf_skew_t`` is another law). As df grows the limit is the skew normal. The likelihood
    is unbounded as df and scale fall to 0 at an observation; the estimate is the best local maximum.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.SkewT(loc=0, scale=1, shape=0, df=5).variance, 9)
    1.666666667
    """

    shape = Param(real, r"\alpha", typical=(-2, 3), limits=(-1e4, 1e4), doc="skewness")
    df = Param(positive, r"\nu", typical=(2.5, 5), limits=(0.02, 1e6), doc="degrees of freedom")
    limit_families: ClassVar = (
        LimitFamily("SkewNormal", {"df": inf}, {"loc": "loc", "scale": "scale", "shape": "shape"}),
        *from_a_point(
            HalfTFrom,
            {"shape": inf},
            {"shape": -inf},
            {"loc": "loc", "scale": "scale", "df": "df"},
        ),
    )

    @staticmethod
    def _standard(z: Array, shape: Array, df: Array) -> Jet:
        plain, n = _student_jet(z, df), df + 1
        rest = df + z * z
        c, inner = sqrt(n / rest), df / rest
        x = shape * z * c
        h = 0.5 * (z * z - 1) / (n * rest)
        h_df = 0.5 * (1 / rest**2 - 1 / n**2)
        # log T_n(x) with its derivatives in x and n.
        tail = student_tails.jets(x, n)[0]
        (r, in_n), (r_x, r_n, in_n_n) = tail.first, tail.second
        x_z, x_a, x_df = shape * c * inner, z * c, x * h
        x_zz, x_za = -3 * x_z * z / rest, c * inner
        x_zdf = shape * c * (h * inner + (z / rest) ** 2)
        return Jet(
            log(2.0) + plain.value + tail.value,
            plain.slope + r * x_z,
            plain.bend + r_x * x_z * x_z + r * x_zz,
            (r * x_a, plain.shapes[0] + r * x_df + in_n),
            (
                r_x * x_z * x_a + r * x_za,
                plain.mixed[0] + r_x * x_z * x_df + r * x_zdf + r_n * x_z,
            ),
            (
                r_x * x_a * x_a,
                r_x * x_a * x_df + r * x_a * h + r_n * x_a,
                plain.bends[0]
                + r_x * x_df * x_df
                + r * x * (h * h + h_df)
                + 2 * r_n * x_df
                + in_n_n,
            ),
        )

    _caveat = staticmethod(free_tails)

    @staticmethod
    def _collapses(share: Array, *slots: Array | None) -> Array:
        return full(share, float(all(s is None for s in slots))).astype(bool)

    @staticmethod
    def _start(x: Array) -> Arrays:
        centre, spread = quartile_start(x, 0.75)
        shape = np.stack([full(centre, a) for a in (0.5, 1.5, -1.5, 5.0, -5.0)])
        delta = shape / sqrt(1 + shape**2)
        scale = spread / sqrt(1 - 0.55 * delta**2)
        return centre - 0.8 * scale * delta, scale, shape, full(scale, 5.0)

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        loc: Array,
        scale: Array,
        shape: Array,
        df: Array,
    ) -> Array:
        half, whole = abs(rng.standard_normal(size)), rng.standard_normal(size)
        skewed = (shape * half + whole) / sqrt(1 + shape**2)
        return np.asarray(loc + scale * skewed / sqrt(rng.chisquare(df, size) / df))


# ---------------------------------------------------------------------------- log of beta prime


class EGB2(LocationScale):
    r"""Exponential generalised beta of the second kind (type IV generalised logistic).

    log q = p z − (p + q) log(1 + e^z) − log B(p, q) − log s, z = (y − m)/s. R: ``gamlss.dist::EGB2(mu=
    loc, sigma=scale, nu=p, tau=q)`` (McDonald 1991). scipy.stats: ``genlogistic(c=p, loc, scale)`` for
    q = 1, none otherwise. p = q = 1 is the logistic law; as both grow the limit is the Gaussian, as both
    fall to 0 with the scale the asymmetric Laplace law.

    Examples
    --------
    >>> import mlece
    >>> round(mlece.EGB2(loc=0, scale=1, p=1, q=1).variance, 6)
    3.289868
    """

    p = Param(positive, "p", typical=(0.4, 1.2), limits=(1e-3, 1e3), doc="left shape")
    q = Param(positive, "q", typical=(0.4, 1.2), limits=(1e-3, 1e3), doc="right shape")
    limit_families: ClassVar = (
        LimitFamily(
            "Gaussian",
            {"p": inf, "q": inf},
            theta=lambda mean, sd: (mean, sd, full(mean, inf), full(mean, inf)),
            rival=True,
        ),
        LimitFamily(
            "AsymmetricLaplace",
            {"scale": 0.0, "p": 0.0, "q": 0.0},
            theta=lambda loc, scale, kappa: (loc, scale, 1 / kappa, kappa),
            running="scale, p and q fall to 0 together, with the rates p/scale and q/scale as told",
            rival=True,
        ),
        LimitFamily(
            "LogGamma",
            {"q": inf, "loc": inf},
            {"p": "shape", "scale": "scale"},
        ),
        LimitFamily(
            MirroredLogGamma,
            {"p": inf, "loc": -inf},
            {"q": "shape", "scale": "scale"},
            law="the log-gamma law of −y",
        ),
    )

    @staticmethod
    def _standard(z: Array, p: Array, q: Array) -> Jet:
        total, share = p + q, expit(z)
        rest = expit(-z)
        below, above = -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)
        common, curl = digamma(total), trigamma(total)
        return Jet(
            p * below + q * above - betaln(p, q),
            p * rest - q * share,
            -total * share * rest,
            (below - digamma(p) + common, above - digamma(q) + common),
            (rest, -share),
            (curl - trigamma(p), curl, curl - trigamma(q)),
        )

    @staticmethod
    def _start(x: Array) -> Arrays:
        mean, sd, _ = moments(x)
        pairs = [(1.0, 1.0), (0.3, 0.3), (5.0, 5.0), (2.0, 0.6), (0.6, 2.0)]
        # The way to the log-gamma laws, where one shape runs off, is a bent valley: two start in it.
        pairs += [(2.0, 500.0), (500.0, 2.0)]
        p, q = (np.stack([full(mean, pair[j]) for pair in pairs]) for j in (0, 1))
        scale = sd / sqrt(trigamma(p) + trigamma(q))
        return mean - scale * (digamma(p) - digamma(q)), scale, p, q

    @staticmethod
    def _log_cdf(y: Array, loc: Array, scale: Array, p: Array, q: Array) -> Array:
        return log_cdf_of_odds((y - loc) / scale, p, q)

    @staticmethod
    def _log_sf(y: Array, loc: Array, scale: Array, p: Array, q: Array) -> Array:
        return EGB2._log_cdf(2 * loc - y, loc, scale, q, p)

    @staticmethod
    def _standardised(
        y: Array, loc: Any, scale: Any, p: Any, q: Any
    ) -> tuple[Tails, Any, Any, Any]:
        return log_odds_tails, (y - loc) / scale, p, q

    @staticmethod
    def _quantile(u: Array, loc: Array, scale: Array, p: Array, q: Array) -> Array:
        low = betaincinv(p, q, u)
        high = betaincinv(q, p, 1 - u)
        return np.asarray(loc + scale * where(low < 0.5, logit(low), -logit(high)))

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        size: tuple[int, ...],
        loc: Array,
        scale: Array,
        p: Array,
        q: Array,
    ) -> Array:
        ratio = log(rng.standard_gamma(p, size)) - log(rng.standard_gamma(q, size))
        return np.asarray(loc + scale * ratio)

    @staticmethod
    def _entropy(loc: Array, scale: Array, p: Array, q: Array) -> Array:
        total = digamma(p + q)
        terms = p * (total - digamma(p)) + q * (total - digamma(q))
        return np.asarray(betaln(p, q) + terms + log(scale) + 0 * loc)

    @staticmethod
    def _mean(loc: Array, scale: Array, p: Array, q: Array) -> Array:
        return np.asarray(loc + scale * (digamma(p) - digamma(q)))

    @staticmethod
    def _variance(loc: Array, scale: Array, p: Array, q: Array) -> Array:
        return np.asarray(scale**2 * (trigamma(p) + trigamma(q)) + 0 * loc)

    @staticmethod
    def _scipy(loc: Array, scale: Array, p: Array, q: Array) -> Twin | None:
        twin = "genlogistic", {"c": p, "loc": loc, "scale": scale}
        return twin if np.all(q == 1) else None
