"""Families of distributions, by support. Importing the package registers them by name."""

from __future__ import annotations

from mlece.families.boxcox import BoxCoxColeGreen, BoxCoxT
from mlece.families.counts import Binomial, Geometric, NegativeBinomial, Poisson
from mlece.families.extremes import GEV, Frechet, GeneralizedPareto, GumbelMin
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.half_line import Exponential, Gamma, Weibull
from mlece.families.real_line import Gaussian, Gumbel, Laplace, Logistic, StudentT
from mlece.families.skewed import InverseGaussian, LogNormal, Pareto
from mlece.families.transformed import BetaPrime, LogGamma, Rice
from mlece.families.unit_interval import Beta, Uniform

__all__ = [
    "GEV",
    "Bernoulli",
    "Beta",
    "BetaPrime",
    "Binomial",
    "BoxCoxColeGreen",
    "BoxCoxT",
    "Categorical",
    "Exponential",
    "Frechet",
    "Gamma",
    "Gaussian",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "GumbelMin",
    "InverseGaussian",
    "Laplace",
    "LogGamma",
    "LogNormal",
    "Logistic",
    "NegativeBinomial",
    "Pareto",
    "Poisson",
    "Rice",
    "StudentT",
    "Uniform",
    "Weibull",
]
