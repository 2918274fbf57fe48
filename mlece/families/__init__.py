"""Families of distributions, by support. Importing the package registers them by name."""

from __future__ import annotations

from mlece.families.circle import VonMises, WrappedCauchy
from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.multivariate import (
    Dirichlet,
    DirichletMultinomial,
    Multinomial,
    MultivariateGaussian,
    MultivariateT,
)
from mlece.families.proportions import Kumaraswamy, LogitNormal, Power, Simplex
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.unit_interval import Beta, Triangular, Uniform

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Dirichlet",
    "DirichletMultinomial",
    "Exponential",
    "Gamma",
    "Gaussian",
    "Geometric",
    "Gumbel",
    "InverseGaussian",
    "Kumaraswamy",
    "Laplace",
    "LogNormal",
    "Logistic",
    "LogitNormal",
    "Multinomial",
    "MultivariateGaussian",
    "MultivariateT",
    "NegativeBinomial",
    "Pareto",
    "Poisson",
    "Power",
    "Simplex",
    "StudentT",
    "Triangular",
    "Uniform",
    "VonMises",
    "Weibull",
    "WrappedCauchy",
]
