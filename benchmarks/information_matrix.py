"""Size of the information-matrix tests at the nominal 5 % level, against published simulations.

Usage: python benchmarks/information_matrix.py [replicates [bootstrap data sets]]

The first table has both forms against χ², the second the outer-product form for probit regressions, the
third the efficient form with bootstrap p-values.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from timing import table

import mlece

SIZES = json.loads(
    (Path(__file__).parents[1] / "tests" / "reference" / "im_test_sizes.json").read_text()
)
PROBIT = json.loads(
    (Path(__file__).parents[1] / "tests" / "reference" / "im_test_probit_sizes.json").read_text()
)["sizes"]
FAMILIES = {"gauss": "gaussian", "exp": "exponential", "poisson(3)": "poisson"}
SLAB = 2_000_000


def draw(name: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return samples of a right model."""
    if name == "gauss":
        return rng.normal(size=shape)
    return rng.exponential(size=shape) if name == "exp" else rng.poisson(3.0, size=shape)


def asymptotic(replicates: int) -> None:
    """Print the rejection rates of both forms beside the published ones."""
    rows = []
    for case, published in SIZES.items():
        family, n = case.split(" n=")
        rng, counts, done = np.random.default_rng(int(n)), {}, 0
        while done < replicates:
            size = min(replicates - done, max(1, SLAB // int(n)))
            fit = mlece.fit(FAMILIES[family], draw(family, (size, int(n)), rng))
            for key in published:
                form = "opg" if key.startswith("OPG") else "efficient"
                test = mlece.information_matrix_test(fit, form=form, replicates=0)
                counts[key] = counts.get(key, 0) + int(np.sum(test.p_value <= 0.05))
            done += size
        for key, (rate, error) in published.items():
            found = counts[key] / replicates
            se = np.hypot(error, np.sqrt(rate * (1 - rate) / replicates))
            rows.append([case, key, f"{found:.4f}", f"{rate:.4f}", f"{(found - rate) / se:+.1f}"])
    table(rows, ["sample", "form", "found", "published", "difference / se"])


def regressions(designs: int) -> None:
    """Print the rejection rates of the outer-product form for probit regressions, 40 samples a design."""
    rows = []
    for case, published in PROBIT.items():
        coefficients, size, law = case.split()
        k, n = int(coefficients[2:]), int(size[2:])
        rng, rejected, solved = np.random.default_rng(n + k), 0, 0
        for _ in range(designs):
            shape = (n, k - 1)
            x = rng.normal(size=shape) if law == "normal" else rng.uniform(-2, 2, size=shape)
            y = (rng.normal(size=(40, n)) < 0.5 + x.sum(axis=1)) * 1
            fit = mlece.fit(mlece.Bernoulli(p=mlece.linear(link="probit")), y, given=x)
            test = mlece.information_matrix_test(fit, form="opg", replicates=0)
            solved += int(np.isfinite(test.statistic).sum())
            rejected += int((test.p_value <= 0.05).sum())
        found, (rate, error) = rejected / solved, published["rejected"]
        se = np.hypot(error, np.sqrt(rate * (1 - rate) / solved))
        rows.append(
            [case, f"{solved}", f"{found:.4f}", f"{rate:.4f}", f"{(found - rate) / se:+.1f}"]
        )
    table(rows, ["probit", "samples", "found", "published", "difference / se"])


def some_p_values(job: tuple[str, int, int]) -> list[float]:
    """Return bootstrap p-values of right models."""
    family, count, seed = job
    rng = np.random.default_rng([seed, len(family)])
    return [
        mlece.information_matrix_test(
            mlece.fit(FAMILIES[family], draw(family, (1, 50), rng)[0]), replicates=199, rng=rng
        ).p_value
        for _ in range(count)
    ]


def bootstrap(sets: int) -> None:
    """Print the rejection rates of the bootstrap version at n = 50."""
    rows = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for family in FAMILIES:
            jobs = [(family, sets // 20, seed) for seed in range(20)]
            p = np.concatenate(list(pool.map(some_p_values, jobs)))
            rate = float(np.mean(p <= 0.05))
            inside = "yes" if 0.04 <= rate <= 0.06 else "NO"
            rows.append([family, f"{p.size}", f"{rate:.4f}", "0.04 to 0.06", inside])
    table(rows, ["sample, n = 50", "data sets", "rejected", "aim", "met"])


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:]] or [20_000]
    asymptotic(given[0])
    regressions(max(1, given[0] // 200))
    bootstrap(given[1] if len(given) > 1 else 10_000)
