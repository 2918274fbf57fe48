"""mlece: maximum likelihood is cross-entropy minimisation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlece.combinators import (
    Hurdle,
    Inflated,
    Scaled,
    Shifted,
    Transformed,
    Truncated,
    family,
)
from mlece.domain import (
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
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Gumbel,
    InverseGaussian,
    Laplace,
    Logistic,
    LogNormal,
    NegativeBinomial,
    Pareto,
    Poisson,
    StudentT,
    Uniform,
    Weibull,
)
from mlece.fitting import fit
from mlece.limits import Status
from mlece.model import Model
from mlece.param import Param
from mlece.result import Fit

if TYPE_CHECKING:
    from mlece import datasets
    from mlece.comparison import Comparison, compare
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
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Comparison",
    "Exponential",
    "Fit",
    "Gamma",
    "Gap",
    "Gaussian",
    "Geometric",
    "Gumbel",
    "Hurdle",
    "Inflated",
    "InverseGaussian",
    "Laplace",
    "Ledger",
    "LogNormal",
    "Logistic",
    "MleceError",
    "Model",
    "NegativeBinomial",
    "Param",
    "Pareto",
    "Poisson",
    "Scaled",
    "Shifted",
    "Status",
    "StudentT",
    "Transformed",
    "Truncated",
    "Uniform",
    "Weibull",
    "binary",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "categories",
    "compare",
    "counts",
    "cross_entropy",
    "datasets",
    "entropy",
    "estimate_entropy",
    "family",
    "fit",
    "gap",
    "kl_divergence",
    "ledger",
    "nonnegative",
    "positive",
    "positive_integer",
    "probability",
    "real",
    "simplex",
    "softmax_cross_entropy",
    "unit_interval",
    "varentropy",
]
