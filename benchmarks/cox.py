"""How often Cox's test and the in-and-out-of-sample test reject a right model, and a wrong one.

    python benchmarks/cox.py --samples 1000

prints rejection rates at the nominal 5 % level, each with its simulation error.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import mlece

LEVEL = 0.05
PAIRS: tuple[tuple[Any, str, str], ...] = (
    (mlece.LogNormal(meanlog=0, sdlog=0.7), "lognormal", "exponential"),
    (mlece.Gamma(shape=2, rate=1), "gamma", "lognormal"),
    (mlece.Weibull(shape=1.5, scale=1), "weibull", "gamma"),
    (mlece.Poisson(rate=3), "poisson", "geometric"),
)
ALONE: tuple[tuple[Any, str], ...] = (
    (mlece.Gaussian(mean=0, sd=1), "gaussian"),
    (mlece.StudentT(df=5, loc=0, scale=1), "gaussian"),
    (mlece.Poisson(rate=4), "poisson"),
    (mlece.NegativeBinomial(mean=4, size=8), "poisson"),
)


def rate(rejected: list[bool]) -> str:
    """Return a rejection rate with its simulation error."""
    p = float(np.mean(rejected))
    return f"{p:.3f} ± {np.sqrt(max(p * (1 - p), 1e-9) / len(rejected)):.3f}"


def cox(truth: Any, right: str, wrong: str, n: int, samples: int) -> str:
    """Return the rates at which the right and the wrong model are rejected."""
    first, second = [], []
    for seed in range(samples):
        y = truth.sample(n, rng=seed)
        test = mlece.cox(mlece.fit(right, y), mlece.fit(wrong, y), replicates=99, rng=seed)
        first.append(test.first.p_value <= LEVEL)
        second.append(test.second.p_value <= LEVEL)
    return f"{right:<12}{wrong:<14}{n:>5}  {rate(first):>15}  {rate(second):>15}"


def ios(truth: Any, model: str, n: int, samples: int) -> str:
    """Return the rate at which a model is rejected."""
    rejected = [
        mlece.ios(mlece.fit(model, truth.sample(n, rng=seed)), replicates=99, rng=seed).p_value
        <= LEVEL
        for seed in range(samples)
    ]
    return f"{type(truth).__name__:<18}{model:<12}{n:>5}  {rate(rejected):>15}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    samples = parser.parse_args().samples
    print("Cox: truth, rival, n, rejected when right, rejected when wrong")
    for truth, right, wrong in PAIRS:
        for n in (30, 100):
            print(cox(truth, right, wrong, n, samples), flush=True)
    print("\nIOS: truth, model, n, rejected")
    for truth, model in ALONE:
        for n in (30, 100):
            print(ios(truth, model, n, samples), flush=True)


if __name__ == "__main__":
    main()
