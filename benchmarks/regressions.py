"""Logistic, Poisson and softmax regressions with many rows, beside scikit-learn, glum and statsmodels.

Usage: python benchmarks/regressions.py [--cases logistic softmax] [--rows 1000000] [--turns 3]

All are run to the same accuracy, a largest component of the mean gradient below 1e-7, with the threads that
OMP_NUM_THREADS allows. For each tool: seconds of its fastest turn and their ratio to mlece's, and how far
its mean cross-entropy lies above the lowest. Below, what the products X'X of the design cost alone, and
the memory of a fit beside the design. Tools that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.special import expit, logsumexp
from timing import alternate, table

import mlece
from mlece.math import Array

_GRADIENT = 1e-7
_STEPS = 1000
_LABELS = 10


def design(n: int, d: int, seed: int = 1) -> tuple[Array, np.random.Generator]:
    g = np.random.default_rng(seed)
    x = g.standard_normal((n, d))
    x[:, 0] = 1.0
    return x, g


def sklearn(x: Array, y: Array, solver: str) -> Array:
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(
        C=np.inf, solver=solver, tol=_GRADIENT, max_iter=_STEPS, fit_intercept=False
    ).fit(x, y)
    coefficients: Array = found.coef_
    return coefficients[0] if len(coefficients) == 1 else coefficients - coefficients[0]


def sklearn_poisson(x: Array, y: Array, solver: str) -> Array:
    from sklearn.linear_model import PoissonRegressor

    return (
        PoissonRegressor(
            alpha=0, solver=solver, tol=_GRADIENT, max_iter=_STEPS, fit_intercept=False
        )
        .fit(x, y)
        .coef_
    )


def glum(x: Array, y: Array, family: str) -> Array:
    from glum import GeneralizedLinearRegressor

    return (
        GeneralizedLinearRegressor(
            family=family, alpha=0, gradient_tol=_GRADIENT, max_iter=_STEPS, fit_intercept=False
        )
        .fit(x, y)
        .coef_
    )


def statsmodels(x: Array, y: Array, kind: str) -> Array:
    import statsmodels.api as sm

    model = {"logistic": sm.Logit, "poisson": sm.Poisson, "softmax": sm.MNLogit}[kind]
    found = model(y, x).fit(disp=0, method="newton", tol=_GRADIENT).params
    if kind != "softmax":
        return found
    return np.vstack([np.zeros(x.shape[1]), np.asarray(found).T])


class Case:
    """A regression: its data, its cross-entropy and who fits it."""

    def __init__(self, kind: str, n: int, d: int) -> None:
        self.kind = kind
        self.x, g = design(n, d)
        if kind == "softmax":
            eta = self.x @ (0.15 * g.standard_normal((d, _LABELS)))
            self.y = (eta + g.gumbel(size=eta.shape)).argmax(axis=1)
        else:
            eta = self.x @ (0.15 * g.standard_normal(d))
            self.y = (
                (g.random(n) < expit(eta)).astype(float)
                if kind == "logistic"
                else g.poisson(np.exp(eta)).astype(float)
            )
        column = mlece.linear(intercept=False)
        self.model = {
            "logistic": mlece.Bernoulli(p=column),
            "poisson": mlece.Poisson(rate=mlece.linear(link="log", intercept=False)),
            "softmax": mlece.Categorical(p=column),
        }[kind]

    def ours(self) -> Array:
        fit = mlece.fit(self.model, self.y, given=self.x)
        theta = np.array([float(t[0]) for t in fit.theta])
        if self.kind != "softmax":
            return theta
        d = self.x.shape[1]
        return np.vstack([np.zeros(d), theta.reshape(-1, d)])

    def tools(self) -> dict[str, Callable[[], Array]]:
        x, y, kind = self.x, self.y, self.kind
        own = sklearn_poisson if kind == "poisson" else sklearn
        found: dict[str, Callable[[], Array]] = {"mlece": self.ours}
        if importlib.util.find_spec("sklearn"):
            found |= {
                f"scikit-learn {s}": partial(own, x, y, s) for s in ("lbfgs", "newton-cholesky")
            }
        if importlib.util.find_spec("glum") and kind != "softmax":
            family = "binomial" if kind == "logistic" else "poisson"
            found["glum"] = partial(glum, x, y, family)
        if importlib.util.find_spec("statsmodels"):
            found["statsmodels"] = partial(statsmodels, x, y, kind)
        return found

    def value(self, b: Array) -> float:
        """Return the mean cross-entropy, of counts less the mean of log y!."""
        eta = self.x @ b.T
        if self.kind == "logistic":
            return float(np.mean(np.logaddexp(0.0, np.where(self.y > 0, -eta, eta))))
        if self.kind == "poisson":
            return float(np.mean(np.exp(eta) - self.y * eta))
        return float(np.mean(logsumexp(eta, axis=1) - eta[np.arange(len(eta)), self.y]))

    def products(self) -> float:
        """Return the seconds of X'X, once for each pair of coefficients' blocks."""
        pairs = (_LABELS - 1) * _LABELS // 2 if self.kind == "softmax" else 1
        return pairs * alternate({"": lambda: dsyrk(1.0, self.x.T, lower=1)}, turns=3)[""]

    def memory(self) -> float:
        """Return the peak allocated beside the design, as a share of it."""
        tracemalloc.start()
        self.ours()
        out = tracemalloc.get_traced_memory()[1] / self.x.nbytes
        tracemalloc.stop()
        return out


def race(case: Case, turns: int, slowest: float) -> list[list[str]]:
    """Return a line for each tool."""
    answers: dict[str, Array] = {}

    def run(name: str, task: Callable[[], Array]) -> None:
        answers[name] = task()

    tasks = {name: partial(run, name, task) for name, task in case.tools().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = alternate(tasks, turns=turns, budget=slowest, warm=False)
    values = {name: case.value(b) for name, b in answers.items()}
    least = min(values.values())
    shape = f"{case.kind}, {case.x.shape[0]:,} x {case.x.shape[1]}"
    return [
        [shape, name, f"{s:.2f}", f"{s / seconds['mlece']:.2f}", f"{values[name] - least:.0e}"]
        for name, s in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["logistic", "poisson", "softmax"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--slowest", type=float, default=30.0, help="seconds for one tool")
    args = parser.parse_args()
    lines: list[list[Any]] = []
    shares = []
    for kind in args.cases:
        case = Case(kind, args.rows, args.columns)
        lines += race(case, args.turns, args.slowest)
        shares.append([kind, f"{case.products():.2f}", f"{case.memory():.1%}"])
    table(lines, ["regression", "tool", "s", "of mlece's time", "nats above"])
    table(shares, ["regression", "s of one X'X by pairs", "memory beside the design"])


if __name__ == "__main__":
    main()
