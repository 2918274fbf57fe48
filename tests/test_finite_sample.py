"""Exact expectations at finite n, met by simulation: thousands of fits at once.

``tests/reference/finite_n_exact.json``; for an exponential law, E CE_n(θ̂) − H = ψ(n) − log n and
E CE(θ̂) − H = ψ(n) − log n + 1/(n − 1); the Gaussian's by Sugiura (1978), Communications in
Statistics A 7, 13-26; the plug-in entropy by Harris (1975).
"""

from __future__ import annotations

import functools
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import digamma

import mlece
from mlece.model import Model
from mlece.sources.distribution import nodes

REFERENCE = Path(__file__).parent / "reference" / "finite_n_exact.json"
EXACT: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
STANDARD_ERRORS = 4.0  # one in 16,000 by chance, for each comparison
NUMBERS, REPLICATES = 500_000, 10_000  # random numbers and fits, at most, for each case

m = mlece
UNIFORM_10 = tuple([0.1] * 10)


@functools.cache
def fitted(truth: Model, model: Model, n: int) -> mlece.Fit:
    """The fits to R samples of size n."""
    rng = np.random.default_rng(zlib.crc32(f"{truth!r} {model!r} {n}".encode()))
    fit = mlece.fit(model, truth.sample((min(REPLICATES, NUMBERS // n), n), rng=rng))
    assert all(status.solved for status in np.ravel(fit.certificate.status))
    return fit


def train(truth: Model, model: Model, n: int) -> np.ndarray:
    """In-sample cross-entropies, (R,)."""
    return np.asarray(fitted(truth, model, n).cross_entropy)


def test(truth: Model, model: Model, n: int) -> np.ndarray:
    """Cross-entropies of the truth and the fitted members, (R,), summed over quadrature nodes."""
    law, member = nodes(truth), fitted(truth, model, n).model
    size = fitted(truth, model, n).objective.size
    out = []
    for start in range(0, size, 1000):
        some = slice(start, start + 1000)
        part = type(member)(*[np.asarray(t)[some] if np.ndim(t) else t for t in member.theta])
        at = np.broadcast_to(law.values, (*part.batch_shape, law.count))
        out.append(-part.log_density(at) @ law.weights)
    return np.concatenate(out)


test.__test__ = False  # type: ignore[attr-defined]


def agrees(values: np.ndarray, exact: float) -> None:
    error = values.std(ddof=1) / math.sqrt(values.size)
    assert np.isfinite(values).all()
    assert abs(values.mean() - exact) <= STANDARD_ERRORS * error + 1e-13


def multinomial(p: tuple[float, ...]) -> tuple[Model, Model]:
    cells = range(len(p))
    return m.Categorical(p=p, labels=cells), m.Categorical(labels=cells)


Case = tuple[Callable[..., np.ndarray], Model, Model, float]
EXP = (m.Exponential(3.0), m.Exponential())

# key of the file -> (column, truth, model, what the file takes off the cross-entropy)
CASES: dict[str, Case] = {
    "exp: E train CE - H = psi(n)-log n": (train, *EXP, EXP[0].entropy()),
    "exp: E KL(p||phat)=psi(n)-log n+1/(n-1)": (test, *EXP, EXP[0].entropy()),
    "gauss fixed var .25, truth var 1: E test excess = 1/(2 n s2)": (
        test,
        m.Gaussian(0, 1),
        m.Gaussian(sd=0.5),
        float(mlece.cross_entropy(m.Gaussian(0, 1), m.Gaussian(0, 0.5))),
    ),
    **{
        f"gamma(a={a:g},1) truth, exp model: E {name} CE = {formula}": (
            column,
            m.Gamma(a, 1),
            m.Exponential(),
            0.0,
        )
        for a in (0.5, 2.0)
        for name, column, formula in (
            ("train", train, "1+psi(na)-log n"),
            ("test", test, "psi(na)-log n + na/(na-1)"),
        )
    },
    "inverse gaussian(1,2): E KL=1/2[psi((n-1)/2)-log(n/2)]+n/(2(n-3))[1+1/n+3mu/(n^2 lam)]-1/2": (
        test,
        m.InverseGaussian(1, 2),
        m.InverseGaussian(),
        m.InverseGaussian(1, 2).entropy(),
    ),
    **{
        f"categorical {name}: E train CE (plug-in entropy)": (train, *multinomial(p), 0.0)
        for name, p in (
            ("[0.5, 0.5]", (0.5, 0.5)),
            ("[0.9, 0.1]", (0.9, 0.1)),
            ("[0.5, 0.3, 0.2]", (0.5, 0.3, 0.2)),
            ("uniform10", UNIFORM_10),
        )
    },
}
PLUG_IN = {
    f"categorical {name} n={n}": (p, n)
    for name, p in (
        ("[0.5, 0.5]", (0.5, 0.5)),
        ("[0.9, 0.1]", (0.9, 0.1)),
        ("[0.5, 0.3, 0.2]", (0.5, 0.3, 0.2)),
        ("uniform10", UNIFORM_10),
    )
    for n in (10, 50, 200)
    if f"categorical {name} n={n}" in EXACT
}


def test_every_univariate_entry_of_the_file_is_here() -> None:
    # The rest are multivariate, regressions, or a family with a free end that mlece does not have.
    left = set(EXACT) - set(CASES) - set(PLUG_IN)
    assert {key.split()[0] for key in left} == {"mvn", "linreg", "shifted"}
    assert set(CASES) | set(PLUG_IN) <= set(EXACT)


@pytest.mark.parametrize("key", CASES)
def test_published_expectation(key: str) -> None:
    column, truth, model, taken_off = CASES[key]
    agrees(column(truth, model, EXACT[key]["n"]) - taken_off, float(EXACT[key]["exact"]))


@pytest.mark.parametrize("key", PLUG_IN)
def test_plug_in_entropy(key: str) -> None:
    p, n = PLUG_IN[key]
    truth, model = multinomial(p)
    agrees(train(truth, model, n), float(EXACT[key]["E_plugin_exact"]))
    # KL(p̂ ‖ p) has a finite mean, the other direction has none: an unseen cell costs infinity.
    assert EXACT[key]["E_KL(p||phat)"] == "inf"


def exponential_type(n: int) -> tuple[float, float]:
    bias = float(digamma(n)) - math.log(n)
    return bias, bias + 1 / (n - 1)


def gaussian_type(n: int) -> tuple[float, float]:
    bias = 0.5 * (float(digamma((n - 1) / 2)) - math.log(n / 2))
    return bias, bias + 2 / (n - 3)


# Laws that are exponential or Gaussian after a transformation: the gaps do not depend on it.
FAMILIES = [
    (m.Exponential(0.2), m.Exponential(), exponential_type),
    (m.Laplace(1, 3), m.Laplace(loc=1), exponential_type),
    (m.Weibull(2.5, 3), m.Weibull(shape=2.5), exponential_type),
    (m.Pareto(3, 2), m.Pareto(scale=2), exponential_type),
    (m.Gamma(1, 5), m.Gamma(shape=1), exponential_type),
    (m.Gaussian(5, 2), m.Gaussian(), gaussian_type),
    (m.LogNormal(1, 0.3), m.LogNormal(), gaussian_type),
]


@pytest.mark.parametrize(
    ("truth", "model", "law"), FAMILIES, ids=lambda v: getattr(v, "__name__", repr(v))
)
@pytest.mark.parametrize("n", [8, 50])
def test_optimism_by_family(truth: Model, model: Model, law: Any, n: int) -> None:
    below, above = law(n)
    floor = float(truth.entropy())
    agrees(train(truth, model, n) - floor, below)
    agrees(test(truth, model, n) - floor, above)


@pytest.mark.parametrize("n", [5, 40])
def test_uniform_has_optimism_of_another_rate(n: int) -> None:
    truth = m.Uniform(-1, 4)
    agrees(train(truth, m.Uniform(), n) - float(truth.entropy()), -(2 * n - 1) / (n * (n - 1)))
    assert np.isposinf(test(truth, m.Uniform(), n)).all()


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0])
def test_coverage_of_the_naive_interval_under_misspecification(a: float) -> None:
    # Exact: n·mean ~ Γ(na), and the naive interval of the rate is rate (1 ± z/√n).
    from scipy.special import gammainc

    n, z = 50, 1.959963984540054
    fit = mlece.fit(m.Exponential(), m.Gamma(a, 1).sample((20_000, n), rng=8))
    low, high = fit.interval(method="wald", kind="hessian")["rate"]
    truth = 1 / a
    ends = [n * a * (1 + s * z / math.sqrt(n)) for s in (1.0, -1.0)]
    exact = float(gammainc(n * a, ends[0]) - gammainc(n * a, ends[1]))
    agrees(((low <= truth) & (truth <= high)).astype(float), exact)
