"""mlece: maximum likelihood is cross-entropy minimisation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlece.combinators import Mixture, Product, family, from_scipy
from mlece.domain import (
    angle,
    binary,
    categories,
    counts,
    nonnegative,
    positive,
    positive_integer,
    probability,
    real,
    simplex,
    unit_interval,
)
from mlece.errors import MleceError
from mlece.families import (
    EGB2,
    GB2,
    GEV,
    AsymmetricLaplace,
    Bernoulli,
    Beta,
    BetaPrime,
    Binomial,
    BirnbaumSaunders,
    BoxCoxColeGreen,
    BoxCoxT,
    BurrXII,
    Categorical,
    Cauchy,
    Chi2,
    Dirichlet,
    DirichletMultinomial,
    ExGaussian,
    Exponential,
    Frechet,
    Gamma,
    Gaussian,
    GeneralizedGamma,
    GeneralizedNormal,
    GeneralizedPareto,
    Geometric,
    Gompertz,
    Gumbel,
    GumbelMin,
    HalfNormal,
    HyperbolicSecant,
    InverseGamma,
    InverseGaussian,
    JohnsonSU,
    Kumaraswamy,
    Laplace,
    LogGamma,
    Logistic,
    LogitNormal,
    LogLogistic,
    LogNormal,
    Lomax,
    Maxwell,
    Multinomial,
    MultivariateGaussian,
    MultivariateT,
    Nakagami,
    NegativeBinomial,
    NormalInverseGaussian,
    Pareto,
    Poisson,
    Power,
    PowerFunction,
    Rayleigh,
    Rice,
    Simplex,
    SinhArcsinh,
    SkewNormal,
    SkewT,
    StudentT,
    Triangular,
    TwoPieceNormal,
    TwoPieceT,
    Uniform,
    VonMises,
    Weibull,
    WrappedCauchy,
)
from mlece.fitting import fit
from mlece.limits import Status
from mlece.model import Model
from mlece.param import Param
from mlece.result import Fit
from mlece.sources.censoring import censored, grouped, right_censored

if TYPE_CHECKING:
    from mlece import datasets
    from mlece.comparison import Comparison, compare
    from mlece.diagnostics.components import ComponentChoice, select_components
    from mlece.diagnostics.gap import Gap, gap
    from mlece.diagnostics.ledger import Ledger, ledger
    from mlece.entropy_estimators import estimate_entropy
    from mlece.information import cross_entropy, entropy, kl_divergence, varentropy
    from mlece.losses import (
        binary_cross_entropy,
        categorical_cross_entropy,
        softmax_cross_entropy,
    )

__version__ = "0.1.0"

_LAZY = {
    "Comparison": "comparison",
    "ComponentChoice": "diagnostics.components",
    "select_components": "diagnostics.components",
    "compare": "comparison",
    "Gap": "diagnostics.gap",
    "gap": "diagnostics.gap",
    "Ledger": "diagnostics.ledger",
    "ledger": "diagnostics.ledger",
    "estimate_entropy": "entropy_estimators",
    "binary_cross_entropy": "losses",
    "categorical_cross_entropy": "losses",
    "cross_entropy": "information",
    "entropy": "information",
    "kl_divergence": "information",
    "softmax_cross_entropy": "losses",
    "varentropy": "information",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"mlece.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    if name in ("datasets", "plot", "testing"):
        return import_module(f"mlece.{name}")
    raise AttributeError(f"module 'mlece' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


__all__ = [
    "EGB2",
    "GB2",
    "GEV",
    "AsymmetricLaplace",
    "Bernoulli",
    "Beta",
    "BetaPrime",
    "Binomial",
    "BirnbaumSaunders",
    "BoxCoxColeGreen",
    "BoxCoxT",
    "BurrXII",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Comparison",
    "ComponentChoice",
    "Dirichlet",
    "DirichletMultinomial",
    "ExGaussian",
    "Exponential",
    "Fit",
    "Frechet",
    "Gamma",
    "Gap",
    "Gaussian",
    "GeneralizedGamma",
    "GeneralizedNormal",
    "GeneralizedPareto",
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
    "Ledger",
    "LogGamma",
    "LogLogistic",
    "LogNormal",
    "Logistic",
    "LogitNormal",
    "Lomax",
    "Maxwell",
    "Mixture",
    "MleceError",
    "Model",
    "Multinomial",
    "MultivariateGaussian",
    "MultivariateT",
    "Nakagami",
    "NegativeBinomial",
    "NormalInverseGaussian",
    "Param",
    "Pareto",
    "Poisson",
    "Power",
    "PowerFunction",
    "Product",
    "Rayleigh",
    "Rice",
    "Simplex",
    "SinhArcsinh",
    "SkewNormal",
    "SkewT",
    "Status",
    "StudentT",
    "Triangular",
    "TwoPieceNormal",
    "TwoPieceT",
    "Uniform",
    "VonMises",
    "Weibull",
    "WrappedCauchy",
    "angle",
    "binary",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "categories",
    "censored",
    "compare",
    "counts",
    "cross_entropy",
    "datasets",
    "entropy",
    "estimate_entropy",
    "family",
    "fit",
    "from_scipy",
    "gap",
    "grouped",
    "kl_divergence",
    "ledger",
    "nonnegative",
    "positive",
    "positive_integer",
    "probability",
    "real",
    "right_censored",
    "select_components",
    "simplex",
    "softmax_cross_entropy",
    "unit_interval",
    "varentropy",
]
