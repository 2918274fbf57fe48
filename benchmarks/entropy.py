"""How far estimates of an entropy are from the truth, and how often their intervals hold it.

Usage: python benchmarks/entropy.py [--replicates 2000] [--sections densities counts conditional]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit
from timing import table

import mlece
from mlece.entropies.entropy_estimators import MASSES
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.neighbours import kozachenko_leonenko
from mlece.entropies.spacings import correa, ebrahimi, van_es, vasicek
from mlece.math import Array

Draw = Callable[[np.random.Generator, Any], Array]
NORMAL = 0.5 * np.log(2 * np.pi * np.e)
HEADER = ["estimator", "n", "bias", "rmse", "sd", "mean se", "95 % coverage"]

DENSITIES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda g, s: g.standard_normal(s), NORMAL),
    "exponential": (lambda g, s: g.standard_exponential(s), 1.0),
    "uniform": (lambda g, s: g.random(s), 0.0),
    "Laplace": (lambda g, s: g.laplace(size=s), 1 + np.log(2)),
    "Student t, 3": (lambda g, s: g.standard_t(3, s), 1.7734775718632907),
    "lognormal, 1": (lambda g, s: np.exp(g.standard_normal(s)), NORMAL),
    "gamma, 0.5": (lambda g, s: g.standard_gamma(0.5, s), 0.0906099299139882),
    "beta, 0.5, 0.5": (lambda g, s: g.beta(0.5, 0.5, s), np.log(np.pi / 4)),
    "Cauchy": (lambda g, s: g.standard_cauchy(s), np.log(4 * np.pi)),
}
SPACINGS = {"vasicek": vasicek, "van es": van_es, "ebrahimi": ebrahimi, "correa": correa}
MASS_FUNCTIONS = {
    "uniform, 10 cells": np.ones(10),
    "geometric, 20 cells": 0.8 ** np.arange(20),
    "1/k, 100 cells": 1 / np.arange(1.0, 101),
    "0.9, 0.1": np.array([0.9, 0.1]),
}


def line(n: int, name: str, found: EntropyEstimate, truth: float) -> list[str]:
    """Return a row: bias, root mean squared error, spread, standard error, coverage."""
    error = np.asarray(found.value) - truth
    low, high = found.interval(0.95)
    held = ((low <= truth) & (truth <= high)).mean()
    numbers = (error.mean(), np.sqrt(np.square(error).mean()), error.std(), np.mean(found.se))
    return [name, f"{n:,}", *(f"{v:.4f}" for v in numbers), f"{held:.3f}"]


def densities(replicates: int) -> Iterator[tuple[str, list[list[str]]]]:
    for law, (draw, truth) in DENSITIES.items():
        rows = []
        for n in (100, 1000):
            x = draw(np.random.default_rng(n), (replicates, n))
            near = {
                f"neighbour {k}": partial(kozachenko_leonenko, k=k)
                for k in (1, 3, 5, int(np.sqrt(n) + 0.5))
            }
            rows += [line(n, name, f(x), truth) for name, f in {**SPACINGS, **near}.items()]
        yield f"{law}, entropy {truth:.4f}", rows


def counts(replicates: int) -> Iterator[tuple[str, list[list[str]]]]:
    for law, weights in MASS_FUNCTIONS.items():
        p = weights / weights.sum()
        truth = float(-(p * np.log(p)).sum())
        rows = []
        for n in (30, 300):
            cells = np.random.default_rng(n).multinomial(n, p, replicates)
            rows += [line(n, name, f(cells), truth) for name, f in MASSES.items()]
        yield f"{law}, entropy {truth:.4f}", rows


def _line(g: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = g.standard_normal(n)
    return 0.9 * x + np.sqrt(0.19) * g.standard_normal(n), x


def _parabola(g: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = g.standard_normal(n)
    return x**2 + 0.3 * g.standard_normal(n), x


def _groups(g: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = g.integers(0, 3, n)
    return 2 * x + (1 + x) * g.standard_normal(n), x


def _logit(g: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = g.standard_normal(n)
    return g.random(n) < expit(2 * x), x


def _logit_entropy() -> float:
    x = np.linspace(-9, 9, 180_001)
    weight = np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()
    return float(-2 * weight @ (expit(2 * x) * np.log(expit(2 * x))))


PAIRS = {
    "a line, correlation 0.9": (_line, NORMAL + 0.5 * np.log(0.19)),
    "a parabola with noise 0.3": (_parabola, NORMAL + np.log(0.3)),
    "three groups": (_groups, NORMAL + np.log(6) / 3),
    "labels by a logit": (_logit, _logit_entropy()),
}


def conditional(replicates: int) -> Iterator[tuple[str, list[list[str]]]]:
    for law, (draw, truth) in PAIRS.items():
        rows = []
        for n in (100, 1000):
            g = np.random.default_rng(n)
            every = [mlece.conditional_entropy(*draw(g, n)) for _ in range(replicates // 5)]
            values, errors = np.array([(e.value, e.se) for e in every]).T
            joined = EntropyEstimate(values, errors, every[0].method, n)
            rows.append(line(n, every[0].method, joined, truth))
        yield f"{law}, conditional entropy {truth:.4f}", rows


SECTIONS = {"densities": densities, "counts": counts, "conditional": conditional}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=SECTIONS)
    options = parser.parse_args()
    for section in options.sections:
        for title, rows in SECTIONS[section](options.replicates):
            print(f"{section}: {title}")
            table(rows, HEADER)


if __name__ == "__main__":
    main()
