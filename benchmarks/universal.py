"""How often universal inference errs where the model is right, and finds out where it is wrong.

Usage: python benchmarks/universal.py [--samples 400] [--part size sequence power bound]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from timing import table

import mlece
from mlece.math import Array

Draw = Callable[[np.random.Generator, int], Array]

RIGHT: dict[str, tuple[str, Draw]] = {
    "Gaussian": ("gaussian", lambda g, n: g.normal(2.0, 3.0, n)),
    "Exponential": ("exponential", lambda g, n: g.exponential(2.0, n)),
    "Laplace": ("laplace", lambda g, n: g.laplace(1.0, 2.0, n)),
    "Uniform": ("uniform", lambda g, n: g.uniform(-1.0, 3.0, n)),
    "Poisson": ("poisson", lambda g, n: g.poisson(3.0, n)),
}
# Wasserman, Ramdas and Balakrishnan's split with one kernel and one Gaussian density reaches the powers
# behind each law at n = 100, 400 and 1000.
WRONG: dict[str, tuple[Draw, tuple[float, float, float]]] = {
    "Laplace": (lambda g, n: g.laplace(size=n), (0.03, 0.50, 0.97)),
    "Exponential": (lambda g, n: g.exponential(size=n), (0.43, 0.985, 1.0)),
    "½N(0, 1) + ½N(4, 1)": (
        lambda g, n: g.normal(size=n) + 4.0 * (g.random(n) < 0.5),
        (0.175, 1.0, 1.0),
    ),
    "Uniform": (lambda g, n: g.random(n), (0.01, 0.95, 1.0)),
}
GAPS: dict[str, tuple[str, Draw, float]] = {
    "Exponential, Gaussian model": ("gaussian", lambda g, n: g.exponential(size=n), 0.4189385332),
    "Gamma(2), exponential model": ("exponential", lambda g, n: g.gamma(2.0, size=n), 0.1159315157),
    "Exponential, exponential model": ("exponential", lambda g, n: g.exponential(size=n), 0.0),
    "Gaussian, Gaussian model": ("gaussian", lambda g, n: g.normal(size=n), 0.0),
}


def size(samples: int) -> None:
    """Tabulate P(e ≥ 20) under right models."""
    rows = []
    for name, (model, draw) in RIGHT.items():
        for n in (20, 100, 1000):
            g = np.random.default_rng(n)
            hits = [mlece.universal_test(model, draw(g, n)).rejected for _ in range(samples)]
            rows.append([name, str(n), f"{np.mean(hits):.4f}"])
    table(rows, ["right model", "n", "P(e ≥ 20)"])


def sequence(samples: int) -> None:
    """Tabulate how often right models are ever rejected in 20 looks, and when wrong ones are."""
    rows = []
    laws = [(name, model, draw) for name, (model, draw) in RIGHT.items()]
    laws += [(f"{name}, Gaussian model", "gaussian", draw) for name, (draw, _) in WRONG.items()]
    for name, model, draw in laws:
        g = np.random.default_rng(0)
        ends = [mlece.universal_sequence(model, draw(g, 400)).stopped for _ in range(samples)]
        stopped = [e for e in ends if e is not None]
        middle = f"{np.median(stopped):.0f}" if len(stopped) > samples / 2 else ""
        rows.append([name, f"{len(stopped) / samples:.4f}", middle])
    table(rows, ["law", "ever rejected", "median n"])


def power(samples: int) -> None:
    """Tabulate how often wrong Gaussian models are rejected."""
    rows = []
    for name, (draw, reference) in WRONG.items():
        for n, known in zip((100, 400, 1000), reference, strict=True):
            g = np.random.default_rng(n)
            hits = [mlece.universal_test("gaussian", draw(g, n)).rejected for _ in range(samples)]
            rows.append([name, str(n), f"{np.mean(hits):.3f}", f"{known:.3f}"])
    table(rows, ["law", "n", "power", "one kernel, one Gaussian"])


def bound(samples: int) -> None:
    """Tabulate how often lower bounds on the gap lie above it, and their mean."""
    rows = []
    for name, (model, draw, gap) in GAPS.items():
        for n in (100, 1000):
            g = np.random.default_rng(n)
            found = [mlece.gap_bound(model, draw(g, n)) for _ in range(samples)]
            family, member = (
                np.array([getattr(f, k) for f in found]) for k in ("family", "member")
            )
            above = [f"{np.mean(v > gap):.4f}" for v in (family, member)]
            means = [f"{v.mean():.4f}" for v in (family, member)]
            rows.append([name, str(n), f"{gap:.4f}", *above, *means])
    heads = ["law", "n", "gap", "family above", "member above", "mean family", "mean member"]
    table(rows, heads)


PARTS = {"size": size, "sequence": sequence, "power": power, "bound": bound}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for part in options.part:
        PARTS[part](options.samples)


if __name__ == "__main__":
    main()
