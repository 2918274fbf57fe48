"""Coverage of nominal 95 % intervals when the model is right and when it is wrong.

    python benchmarks/interval_coverage.py
    python benchmarks/interval_coverage.py --samples 20000 --resampled 2000 --replicates 399

Every case fits a family to many samples from a known law in one batch and counts how often an interval
holds the pseudo-true value. "exact" is the coverage of the naive interval from the law of the estimate,
where that is known. HC3 is the sandwich with scores divided by 1 − h, h the observation's share of the
information (MacKinnon and White 1985). The bootstraps run on the first of the samples. Standard errors of
the simulation are √(p(1 − p)/samples).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammainc, ndtri
from scipy.stats import nbinom

import mlece
from mlece.fits.contributions import contributions

Z = float(ndtri(0.975))
SIZES = (20, 50, 200, 1000)
# Bootstraps take replicates times the observations of a sample.
RESAMPLED_UP_TO = 200


@dataclass(frozen=True)
class Case:
    """A family fitted to samples from another law.

    Parameters
    ----------
    name : str
    truth : Model
    family : Model
    quantity : callable
        What an interval is asked for, a function of the fitted model.
    value : float
        Its value at the pseudo-true parameter.
    exact : callable or None
        Maps n to the coverage of the naive interval.
    """

    name: str
    truth: mlece.Model
    family: mlece.Model
    quantity: Callable[[mlece.Model], Any]
    value: float
    exact: Callable[[int], float] | None = None


def exact_exponential(shape: float) -> Callable[[int], float]:
    """Return the coverage for the rate of an Exponential under Gamma(shape): n·mean ~ Γ(n·shape)."""

    def coverage(n: int) -> float:
        low, high = (n * shape * (1 + s * Z / np.sqrt(n)) for s in (-1.0, 1.0))
        return float(gammainc(n * shape, high) - gammainc(n * shape, max(low, 0.0)))

    return coverage


def exact_poisson(size: float, mean: float) -> Callable[[int], float]:
    """Return the coverage for the rate of a Poisson under a negative binomial: the sum is one too."""

    def coverage(n: int) -> float:
        totals = np.arange(1, int(n * mean + 40 * np.sqrt(n * mean * (1 + mean / size))))
        rate = totals / n
        holds = np.abs(rate - mean) <= Z * np.sqrt(rate / n)
        return float(nbinom.pmf(totals[holds], n * size, size / (size + mean)).sum())

    return coverage


def _rate(model: mlece.Model) -> Any:
    return model.theta[0]


def _variance(model: mlece.Model) -> Any:
    return model.theta[1] ** 2


def cases() -> list[Case]:
    """Return the cases of the table."""
    exponential = [
        Case(
            f"Gamma({a:g}) -> Exponential rate",
            mlece.Gamma(shape=a, rate=1.0),
            mlece.Exponential(),
            _rate,
            1.0 / a,
            exact_exponential(a),
        )
        for a in (0.5, 1.0, 2.0, 5.0)
    ]
    gauss = Case(
        "Exponential -> Gaussian variance",
        mlece.Exponential(rate=1.0),
        mlece.Gaussian(),
        _variance,
        1.0,
    )
    poisson = Case(
        "NegativeBinomial(2, 3) -> Poisson rate",
        mlece.NegativeBinomial(size=2.0, mean=3.0),
        mlece.Poisson(),
        _rate,
        3.0,
        exact_poisson(2.0, 3.0),
    )
    return [*exponential, gauss, poisson]


def share(interval: Any, value: float) -> float:
    """Return how many intervals of a batch hold a value."""
    low, high = interval
    return float(np.mean((low <= value) & (value <= high)))


def hc3(fit: mlece.Fit, quantity: mlece.inference.functional.Functional) -> tuple[Any, Any]:
    """Return the Wald interval with scores over 1 − h in the meat."""
    found = contributions(fit, 2)
    assert found.score is not None
    assert found.curvature is not None
    n = found.total
    inverse = np.linalg.inv(found.hessian)
    h = -np.einsum("rij,rnji->rn", inverse, found.curvature) / n[:, None]
    # A table of counts holds values that a member has not seen: their share means nothing.
    h = np.where(found.weights > 0, h, 0.0)
    score = found.score / (1.0 - h)[:, :, None]
    meat = np.einsum("rn,rni,rnj->rij", found.weights, score, score) / n[:, None, None]
    plain = inverse @ found.outer @ inverse
    corrected = inverse @ meat @ inverse
    # The delta method's gradient is read off the plain sandwich, entry by entry of its diagonal.
    last = plain.shape[1] - 1
    ratio = corrected[:, last, last] / plain[:, last, last]
    reach = Z * quantity.se("sandwich") * np.sqrt(ratio)
    return quantity.estimate - reach, quantity.estimate + reach


def coverages(
    case: Case, n: int, samples: int, resampled: int, replicates: int, seed: int
) -> dict[str, float]:
    """Return the coverage of every interval at one sample size."""
    rng = np.random.default_rng(seed)
    y = case.truth.sample((samples, n), rng)
    fit = mlece.fit(case.family, y)
    quantity = fit.functional(case.quantity)
    out = {"exact": np.nan if case.exact is None else case.exact(n)}
    out["naive"] = share(quantity.interval(kind="hessian"), case.value)
    out["sandwich"] = share(quantity.interval(), case.value)
    out["HC3"] = share(hc3(fit, quantity), case.value)
    out["profile"] = share(quantity.interval(method="profile"), case.value)
    out["robust profile"] = share(quantity.interval(method="robust profile"), case.value)
    if resampled and n <= RESAMPLED_UP_TO:
        few = mlece.fit(case.family, y[:resampled]).functional(case.quantity)
        for kind in ("percentile", "bca", "studentised"):
            interval = few.interval(
                method="bootstrap", bootstrap=kind, replicates=replicates, rng=rng
            )
            out[kind] = share(interval, case.value)
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--resampled", type=int, default=1_000)
    parser.add_argument("--replicates", type=int, default=399)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    columns = ["exact", "naive", "sandwich", "HC3", "profile", "robust profile"]
    columns += ["percentile", "bca", "studentised"]
    print(f"{'case':<40}{'n':>6}", *(f"{c:>15}" for c in columns), sep="")
    for case in cases():
        for n in options.sizes:
            # Memory holds a few arrays of samples times n.
            samples = min(options.samples, 8_000_000 // n)
            found = coverages(case, n, samples, options.resampled, options.replicates, options.seed)
            cells = [f"{found[c]:15.4f}" if c in found else f"{'':>15}" for c in columns]
            print(f"{case.name:<40}{n:>6}", *cells, sep="", flush=True)


if __name__ == "__main__":
    main()
