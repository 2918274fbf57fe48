"""Families of distributions, by support. Importing the package registers them by name."""

from __future__ import annotations

from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.counts_dispersed import DoublePoisson, GeneralizedPoisson
from mlece.families.counts_mixed import (
    BetaBinomial,
    Delaporte,
    PoissonInverseGaussian,
    Sichel,
    Skellam,
)
from mlece.families.counts_tailed import (
    DiscreteUniform,
    Logarithmic,
    YuleSimon,
    Zeta,
)
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.unit_interval import Beta, Uniform

__all__ = [
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "Binomial",
    "Categorical",
    "Delaporte",
    "DiscreteUniform",
    "DoublePoisson",
    "Exponential",
    "Gamma",
    "Gaussian",
    "GeneralizedPoisson",
    "Geometric",
    "Gumbel",
    "InverseGaussian",
    "Laplace",
    "LogNormal",
    "Logarithmic",
    "Logistic",
    "NegativeBinomial",
    "Pareto",
    "Poisson",
    "PoissonInverseGaussian",
    "Sichel",
    "Skellam",
    "StudentT",
    "Uniform",
    "Weibull",
    "YuleSimon",
    "Zeta",
]
