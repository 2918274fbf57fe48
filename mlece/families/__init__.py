"""Families of distributions, by support. Importing the package registers them by name."""

from __future__ import annotations

from mlece.families.asymmetric import (
    ExGaussian,
    JohnsonSU,
    NormalInverseGaussian,
    SinhArcsinh,
    SkewNormal,
)
from mlece.families.boxcox import BoxCoxColeGreen, BoxCoxT
from mlece.families.burr import GB2, BurrXII, LogLogistic, Lomax
from mlece.families.circle import VonMises, WrappedCauchy
from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.counts_dispersed import DoublePoisson, GeneralizedPoisson
from mlece.families.counts_mixed import (
    BetaBinomial,
    Delaporte,
    PoissonInverseGaussian,
    Sichel,
    Skellam,
)
from mlece.families.counts_tailed import DiscreteUniform, Logarithmic, YuleSimon, Zeta
from mlece.families.extremes import GEV, Frechet, GeneralizedPareto, GumbelMin
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.lifetimes import BirnbaumSaunders, GeneralizedGamma, Gompertz
from mlece.families.magnitudes import (
    Chi2,
    HalfNormal,
    InverseGamma,
    Maxwell,
    Nakagami,
    PowerFunction,
    Rayleigh,
)
from mlece.families.means import MeanBeta, MeanGamma
from mlece.families.multivariate import (
    Dirichlet,
    DirichletMultinomial,
    Multinomial,
    MultivariateGaussian,
    MultivariateT,
)
from mlece.families.ordinal import Ordinal
from mlece.families.proportions import Kumaraswamy, LogitNormal, Power, Simplex
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skew_tails import EGB2, AsymmetricLaplace, SkewT, TwoPieceNormal, TwoPieceT
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.symmetric import Cauchy, GeneralizedNormal, HyperbolicSecant
from mlece.families.transformed import BetaPrime, LogGamma, Rice
from mlece.families.unit_interval import Beta, Triangular, Uniform

__all__ = [
    "EGB2",
    "GB2",
    "GEV",
    "AsymmetricLaplace",
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "BetaPrime",
    "Binomial",
    "BirnbaumSaunders",
    "BoxCoxColeGreen",
    "BoxCoxT",
    "BurrXII",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Delaporte",
    "Dirichlet",
    "DirichletMultinomial",
    "DiscreteUniform",
    "DoublePoisson",
    "ExGaussian",
    "Exponential",
    "Frechet",
    "Gamma",
    "Gaussian",
    "GeneralizedGamma",
    "GeneralizedNormal",
    "GeneralizedPareto",
    "GeneralizedPoisson",
    "Geometric",
    "Gompertz",
    "Gumbel",
    "GumbelMin",
    "HalfNormal",
    "HyperbolicSecant",
    "InverseGamma",
    "InverseGaussian",
    "JohnsonSU",
    "Kumaraswamy",
    "Laplace",
    "LogGamma",
    "LogLogistic",
    "LogNormal",
    "Logarithmic",
    "Logistic",
    "LogitNormal",
    "Lomax",
    "Maxwell",
    "MeanBeta",
    "MeanGamma",
    "Multinomial",
    "MultivariateGaussian",
    "MultivariateT",
    "Nakagami",
    "NegativeBinomial",
    "NormalInverseGaussian",
    "Ordinal",
    "Pareto",
    "Poisson",
    "PoissonInverseGaussian",
    "Power",
    "PowerFunction",
    "Rayleigh",
    "Rice",
    "Sichel",
    "Simplex",
    "SinhArcsinh",
    "Skellam",
    "SkewNormal",
    "SkewT",
    "StudentT",
    "Triangular",
    "TwoPieceNormal",
    "TwoPieceT",
    "Uniform",
    "VonMises",
    "Weibull",
    "WrappedCauchy",
    "YuleSimon",
    "Zeta",
]
