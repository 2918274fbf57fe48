"""How long a study takes: 1,000 replicates of 5 sizes up to n = 1,000, fitted by 4 families.

Usage: python benchmarks/study.py [workers]
"""

from __future__ import annotations

import sys
import time

import mlece

AIM = 30.0  # seconds on two cores, coverage by sandwich and Hessian included
SIZES = (50, 100, 200, 500, 1000)
MODELS = ("gamma", "weibull", "lognormal", "exponential")


def timed(workers: int) -> tuple[float, mlece.Study]:
    start = time.perf_counter()
    found = mlece.study(mlece.Gamma(shape=2, rate=1), MODELS, SIZES, 1000, workers=workers)
    return time.perf_counter() - start, found


def main() -> None:
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    seconds, found = timed(workers)
    fits = 1000 * len(SIZES) * len(MODELS)
    print(found)
    print(f"\n{fits:,} fits, {workers} worker(s): {seconds:.1f} s (aim {AIM:.0f} s, ", end="")
    print(f"{'met' if seconds < AIM else 'not met'})")


if __name__ == "__main__":
    main()
