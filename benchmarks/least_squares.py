"""Least squares with standard errors, against numpy and statsmodels; digits of NIST's regressions.

Usage: python benchmarks/least_squares.py [--rows 1000000] [--columns 10 50]
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from timing import alternate, table

from mlece.math import Array
from mlece.numerics.twofold import powers
from mlece.solvers.least_squares import least_squares


def ours(x: Array, y: Array) -> tuple[Array, Array]:
    found = least_squares(x, y[None])
    sd = found.norm[0] / np.sqrt(x.shape[0] - x.shape[1])
    return found.coefficients[0], sd * found.unit_errors()[0]


def lstsq(x: Array, y: Array) -> tuple[Array, Array | None]:
    return np.linalg.lstsq(x, y, rcond=None)[0], None


def ols(x: Array, y: Array, method: str) -> tuple[Array, Array]:
    import statsmodels.api as sm

    found = sm.OLS(y, x).fit(method=method)
    return found.params, found.bse


TOOLS: dict[str, Callable[[Array, Array], tuple[Array, Array | None]]] = {
    "mlece": ours,
    "numpy lstsq": lstsq,
    "statsmodels pinv": lambda x, y: ols(x, y, "pinv"),
    "statsmodels qr": lambda x, y: ols(x, y, "qr"),
}


def data(n: int, p: int) -> tuple[Array, Array]:
    g = np.random.default_rng(p)
    x = g.standard_normal((n, p))
    x[:, 0] = 1.0
    return x, x @ g.standard_normal(p) + g.standard_normal(n)


def peak(x: Array, y: Array) -> float:
    """Return the peak allocated beside the data, as a share of the design."""
    tracemalloc.start()
    ours(x, y)
    out = tracemalloc.get_traced_memory()[1] / x.nbytes
    tracemalloc.stop()
    return out


def speed(n: int, columns: list[int]) -> list[list[str]]:
    rows = []
    for p in columns:
        x, y = data(n, p)
        seconds = alternate(
            {name: partial(f, x, y) for name, f in TOOLS.items()}, turns=2, warm=False
        )
        for name, time in seconds.items():
            memory = f"{peak(x, y):.1%}" if name == "mlece" else "-"
            rows.append(
                [f"{n:,} x {p}", name, f"{time:.3f}", f"{time / seconds['mlece']:.2f}", memory]
            )
    return rows


def digits() -> list[list[str]]:
    """Return the worst log relative error where every coefficient is one, with Wampler's errors."""
    x = np.arange(21.0)
    high, _ = powers(x, 5)
    error = np.array([759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048], float)
    error = np.concatenate([error, error[-2::-1]])
    rows = []
    for number, factor in ((1, 0.0), (3, 1.0), (4, 100.0), (5, 10000.0)):
        y = high.sum(axis=1) + factor * error
        found: dict[str, Any] = {name: f(high, y)[0] for name, f in TOOLS.items()}
        worst = {name: np.abs(b - 1.0).max() for name, b in found.items()}
        rows.append(
            [f"Wampler{number}", *(f"{-np.log10(max(w, 1e-16)):.1f}" for w in worst.values())]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, nargs="+", default=[10, 50])
    args = parser.parse_args()
    table(speed(args.rows, args.columns), ["design", "tool", "s", "of mlece's time", "memory"])
    print()
    table(digits(), ["correct digits", *TOOLS])


if __name__ == "__main__":
    main()
