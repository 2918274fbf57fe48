"""P-values of the tests of fit under right models: their distance from uniformity.

Usage: python benchmarks/goodness_of_fit.py [data sets]
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from timing import table

import mlece

LAWS = ("exponential", "gamma", "gaussian", "weibull", "poisson")
REPLICATES = 199


def draw(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a sample of a right model."""
    if name == "poisson":
        return rng.poisson(50.0, n)
    if name == "gaussian":
        return rng.normal(size=n)
    if name == "weibull":
        return rng.weibull(1.5, n)
    return rng.gamma(2.0 if name == "gamma" else 1.0, size=n)


def some_p_values(job: tuple[str, int, int]) -> list[dict[str, float]]:
    """Return p-values of right models by test."""
    name, count, seed = job
    rng = np.random.default_rng([seed, len(name)])
    return [
        {
            test: found.p_value
            for test, found in mlece.goodness_of_fit(
                mlece.fit(name, draw(name, 50, rng)), replicates=REPLICATES, rng=rng
            ).tests.items()
        }
        for _ in range(count)
    ]


def main(sets: int) -> None:
    """Print the Kolmogorov distance of the p-values of each test from uniformity."""
    rows = []
    levels = np.arange(1, REPLICATES + 2) / (REPLICATES + 1)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in LAWS:
            jobs = [(name, sets // 40, seed) for seed in range(40)]
            found = [p for part in pool.map(some_p_values, jobs) for p in part]
            for test in found[0]:
                p = np.array([one[test] for one in found])
                share = np.array([np.mean(p <= level + 1e-9) for level in levels])
                distance = float(np.abs(share - levels).max())
                rate, met = float(np.mean(p <= 0.05)), "yes" if distance < 0.02 else "NO"
                rows.append([name, test, f"{p.size}", f"{distance:.4f}", met, f"{rate:.4f}"])
    table(rows, ["law, n = 50", "test", "data sets", "distance", "< 0.02", "p <= 0.05"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
