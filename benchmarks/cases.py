"""The families of the benchmark: data to fit, the model, and the other tools that fit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import peers
from peers import Peer, iminuit, pomegranate, preliz, scipy

import mlece

Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One family.

    Parameters
    ----------
    model : Model
        What is fitted.
    draw : callable
        Maps a random generator and n to data.
    others : tuple of Peer
        The tools to compare with.
    aim : float
        Speed wanted at n = 1e6, as a multiple of the fastest tool that reaches the optimum.
    """

    model: mlece.Model
    draw: Callable[[Rng, int], np.ndarray]
    others: tuple[Peer, ...]
    aim: float | None = None

    @property
    def name(self) -> str:
        return type(self.model).__name__

    @property
    def limit_ms(self) -> float:
        """Time wanted at n = 1e3, in milliseconds."""
        return 1.0 if self.model.affine else 3.0


def _gumbel(x: Any, loc: float, scale: float) -> Any:
    z = (x - loc) / scale
    return -z - np.exp(-z) - np.log(scale)


def _laplace(x: Any, loc: float, scale: float) -> Any:
    return -np.abs(x - loc) / scale - np.log(2 * scale)


def _logistic(x: Any, loc: float, scale: float) -> Any:
    z = np.abs(x - loc) / scale
    return -z - 2 * np.log1p(np.exp(-z)) - np.log(scale)


def _weibull(x: Any, shape: float, scale: float) -> Any:
    u = shape * np.log(x / scale)
    return np.log(shape) - np.log(x) + u - np.exp(u)


def _student(x: Any, df: float, loc: float, scale: float) -> Any:
    from scipy.special import betaln

    constant = -betaln(0.5, df / 2) - 0.5 * np.log(df) - np.log(scale)
    return constant - 0.5 * (df + 1) * np.log1p(((x - loc) / scale) ** 2 / df)


def _negative_binomial(x: Any, size: float, mean: float) -> Any:
    from scipy.special import gammaln

    constant = size * np.log(size / (size + mean)) - gammaln(size)
    return constant + gammaln(x + size) - gammaln(x + 1) + x * np.log(mean / (size + mean))


def _beta(x: Any, alpha: float, beta: float) -> Any:
    from scipy.special import betaln

    return (alpha - 1) * np.log(x) + (beta - 1) * np.log1p(-x) - betaln(alpha, beta)


def _spread(x: np.ndarray) -> float:
    return float(np.quantile(x, 0.75) - np.quantile(x, 0.25))


def _location_scale(x: np.ndarray) -> dict[str, float]:
    return {"loc": float(np.median(x)), "scale": _spread(x) / 2}


CASES = (
    Case(
        mlece.Gaussian(),
        lambda r, n: r.normal(3, 2, n),
        (
            scipy("norm", lambda m, s: {"mean": m, "sd": s}),
            preliz("Normal", mean="mu", sd="sigma"),
            pomegranate("Normal", lambda d: {"mean": d.means[0], "sd": d.covs.ravel()[0] ** 0.5}),
            peers.descriptive(),
        ),
        3,
    ),
    Case(
        mlece.Poisson(),
        lambda r, n: r.poisson(3, n),
        (preliz("Poisson", rate="mu"), pomegranate("Poisson", lambda d: {"rate": d.lambdas[0]})),
        3,
    ),
    Case(
        mlece.Bernoulli(),
        lambda r, n: (r.random(n) < 0.3).astype(np.int64),
        (preliz("Bernoulli", p="p"), pomegranate("Bernoulli", lambda d: {"p": d.probs[0]})),
        3,
    ),
    Case(
        mlece.Exponential(),
        lambda r, n: r.exponential(2, n),
        (
            scipy("expon", lambda _, s: {"rate": 1 / s}, floc=0),
            preliz("Exponential", rate="lam"),
            pomegranate("Exponential", lambda d: {"rate": 1 / d.scales[0]}),
        ),
        1,
    ),
    Case(
        mlece.Pareto(),
        lambda r, n: 2 * np.exp(r.standard_exponential(n) / 3),
        (
            scipy("pareto", lambda b, _, s: {"shape": b, "scale": s}, floc=0),
            preliz("Pareto", shape="alpha", scale="m"),
        ),
        1,
    ),
    Case(
        mlece.Uniform(),
        lambda r, n: r.uniform(-1, 4, n),
        (
            scipy("uniform", lambda a, w: {"lower": a, "upper": a + w}),
            preliz("Uniform", lower="lower", upper="upper"),
            pomegranate("Uniform", lambda d: {"lower": d.mins[0], "upper": d.maxs[0]}),
        ),
        1,
    ),
    Case(
        mlece.Gamma(),
        lambda r, n: r.gamma(2, 3, n),
        (
            scipy("gamma", lambda a, _, s: {"shape": a, "rate": 1 / s}, floc=0),
            preliz("Gamma", shape="alpha", rate="beta"),
            pomegranate("Gamma", lambda d: {"shape": d.shapes[0], "rate": d.rates[0]}),
        ),
        1.5,
    ),
    Case(
        mlece.LogNormal(),
        lambda r, n: r.lognormal(1, 0.5, n),
        (
            scipy("lognorm", lambda s, _, m: {"meanlog": np.log(m), "sdlog": s}, floc=0),
            preliz("LogNormal", meanlog="mu", sdlog="sigma"),
        ),
        1.5,
    ),
    Case(
        mlece.InverseGaussian(),
        lambda r, n: r.wald(2, 4, n),
        (
            scipy("invgauss", lambda m, _, s: {"mean": m * s, "shape": s}, floc=0),
            preliz("Wald", mean="mu", shape="lam"),
        ),
        1.5,
    ),
    Case(
        mlece.Beta(),
        lambda r, n: r.beta(2, 5, n),
        (
            scipy("beta", lambda a, b, *_: {"alpha": a, "beta": b}, floc=0, fscale=1),
            preliz("Beta", alpha="alpha", beta="beta"),
            iminuit(_beta, lambda _: {"alpha": 1.0, "beta": 1.0}),
        ),
        3,
    ),
    Case(
        mlece.Weibull(),
        lambda r, n: 1.5 * r.weibull(1.7, n),
        (
            scipy("weibull_min", lambda c, _, s: {"shape": c, "scale": s}, floc=0),
            preliz("Weibull", shape="alpha", scale="beta"),
            iminuit(_weibull, lambda x: {"shape": 1.0, "scale": float(np.mean(x))}),
        ),
        30,
    ),
    Case(
        mlece.StudentT(),
        lambda r, n: 1 + 2 * r.standard_t(5, n),
        (
            scipy("t", lambda v, m, s: {"df": v, "loc": m, "scale": s}),
            preliz("StudentT", df="nu", loc="mu", scale="sigma"),
            iminuit(_student, lambda x: {"df": 4.0, **_location_scale(x)}),
            peers.student_regression(),
        ),
        30,
    ),
    Case(
        mlece.NegativeBinomial(),
        lambda r, n: r.negative_binomial(2, 0.4, n),
        (
            preliz("NegativeBinomial", size="alpha", mean="mu"),
            iminuit(_negative_binomial, lambda x: {"size": 1.0, "mean": float(np.mean(x))}),
            peers.negative_binomial_regression(),
        ),
        300,
    ),
    Case(
        mlece.Gumbel(),
        lambda r, n: r.gumbel(1, 2, n),
        (
            scipy("gumbel_r", lambda m, s: {"loc": m, "scale": s}),
            preliz("Gumbel", loc="mu", scale="beta"),
            iminuit(_gumbel, _location_scale),
        ),
        4,
    ),
    Case(
        mlece.Laplace(),
        lambda r, n: r.laplace(1, 2, n),
        (
            scipy("laplace", lambda m, s: {"loc": m, "scale": s}),
            preliz("Laplace", loc="mu", scale="b"),
            iminuit(_laplace, _location_scale),
        ),
        2,
    ),
    Case(
        mlece.Logistic(),
        lambda r, n: r.logistic(1, 2, n),
        (
            scipy("logistic", lambda m, s: {"loc": m, "scale": s}),
            preliz("Logistic", loc="mu", scale="s"),
            iminuit(_logistic, _location_scale),
        ),
    ),
    Case(
        mlece.Geometric(),
        lambda r, n: r.geometric(0.3, n) - 1,
        (preliz("Geometric", shift=1, p="p"),),
    ),
    Case(mlece.Binomial(n=10), lambda r, n: r.binomial(10, 0.3, n), ()),
    Case(
        mlece.Categorical(),
        lambda r, n: r.integers(0, 10, n),
        (pomegranate("Categorical", lambda d: {"p": d.probs[0]}),),
        4,
    ),
)
