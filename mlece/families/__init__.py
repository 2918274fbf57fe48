"""Families of distributions, by support. Importing the package registers them by name."""

from __future__ import annotations

from mlece.families.asymmetric import (
    ExGaussian,
    JohnsonSU,
    NormalInverseGaussian,
    SinhArcsinh,
    SkewNormal,
)
from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skew_tails import (
    EGB2,
    AsymmetricLaplace,
    SkewT,
    TwoPieceNormal,
    TwoPieceT,
)
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.symmetric import (
    Cauchy,
    GeneralizedNormal,
    HyperbolicSecant,
)
from mlece.families.unit_interval import Beta, Uniform

__all__ = [
    "EGB2",
    "AsymmetricLaplace",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "ExGaussian",
    "Exponential",
    "Gamma",
    "Gaussian",
    "GeneralizedNormal",
    "Geometric",
    "Gumbel",
    "HyperbolicSecant",
    "InverseGaussian",
    "JohnsonSU",
    "Laplace",
    "LogNormal",
    "Logistic",
    "NegativeBinomial",
    "NormalInverseGaussian",
    "Pareto",
    "Poisson",
    "SinhArcsinh",
    "SkewNormal",
    "SkewT",
    "StudentT",
    "TwoPieceNormal",
    "TwoPieceT",
    "Uniform",
    "Weibull",
]
