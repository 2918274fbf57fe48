"""Entropy from counts: published numbers, quadrature in multiple precision, exact properties."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest

from mlece import errors
from mlece.entropies.bayes import (
    james_stein,
    jeffreys,
    laplace,
    minimax,
    nsb,
    schurmann_grassberger,
    shrinkage,
    wolpert_wolf,
)
from mlece.entropies.counts import (
    chao_shen,
    chao_wang_jost,
    grassberger_1988,
    grassberger_2003,
    grassberger_psi,
    jackknife,
    miller_madow,
    plugin,
    zhang,
)
from mlece.entropies.entropy_estimators import MASSES, estimate_entropy
from mlece.entropies.resampling import bootstrapped, law_with_unseen

REFERENCE = Path(__file__).parent / "reference"
TOLERANCE = {
    "oracle": 1e-12,  # both sides in double precision
    "printed": 2e-13,  # relative: R prints fifteen digits
    "simulation": 5.0,  # standard errors of a simulated mean: one false alarm in 10^6
}
# Names of the estimators in the reference file.
ORACLES = {
    "ML plug-in": plugin,
    "Miller-Madow (m>0 cells)": miller_madow,
    "Dirichlet 1/2 (Jeffreys) plug-in": jeffreys,
    "Dirichlet 1 (Laplace) plug-in": laplace,
    "Dirichlet 1/K (Schurmann-Grassberger) plug-in": schurmann_grassberger,
    "Dirichlet sqrt(n)/K (minimax) plug-in": minimax,
    "Chao-Shen": chao_shen,
    "James-Stein shrink": james_stein,
    "Grassberger 2003": grassberger_2003,
    "Grassberger 1988/psi: log n - sum(c psi(c))/n": grassberger_psi,
    "Zhang 2012": zhang,
    "Chao-Wang-Jost": chao_wang_jost,
    "jackknife": jackknife,
    "NSB (K known)": nsb,
    "Bayes posterior mean Dirichlet(1) (Wolpert-Wolf)": wolpert_wolf,
}
TABLES = [[4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1], [3, 3, 3, 1], [1] * 10]
# Those for which cells not seen matter.
WITH_CELLS = {
    "james-stein": james_stein,
    "jeffreys": jeffreys,
    "laplace": laplace,
    "schurmann-grassberger": schurmann_grassberger,
    "minimax": minimax,
    "wolpert-wolf": wolpert_wolf,
    "nsb": nsb,
}
every_estimator = pytest.mark.parametrize("name", MASSES)


@pytest.mark.parametrize("estimator", ORACLES)
@pytest.mark.parametrize("table", range(3))
def test_oracles(estimator, table):
    case = list(json.loads((REFERENCE / "discrete_entropy_oracles.json").read_text()).values())[
        table
    ]
    value = ORACLES[estimator](TABLES[table]).value
    assert value == pytest.approx(float(case[estimator]), abs=TOLERANCE["oracle"])


def test_every_oracle_is_held_against():
    cases = json.loads((REFERENCE / "discrete_entropy_oracles.json").read_text()).values()
    assert all(set(case) - {"_lambda", "n", "K"} == set(ORACLES) for case in cases)
    for table, case in zip(TABLES, cases, strict=True):
        c = np.array(table, dtype=float)
        assert shrinkage(c, c.sum(keepdims=True)) == pytest.approx(case["_lambda"], abs=1e-15)


# The R package entropy, estimator by estimator.
R_NAMES = {
    "ML": "plug-in",
    "MillerMadow": "miller-madow",
    "ChaoShen": "chao-shen",
    "shrink": "james-stein",
    "Jeffreys_a_half": "jeffreys",
    "Laplace_a_1": "laplace",
    "SG_a_1_over_k": "schurmann-grassberger",
    "minimax_a_sqrtn_over_k": "minimax",
}
R_CASES = {
    name: case
    for name, case in json.loads((REFERENCE / "entropy_fits.json").read_text()).items()
    if "counts" in case
}


@pytest.mark.parametrize("case", R_CASES)
@pytest.mark.parametrize("name", R_NAMES)
def test_as_the_r_package_entropy(case, name):
    counts = R_CASES[case]["counts"]
    expected = R_CASES[case]["result"][name]
    assert MASSES[R_NAMES[name]](counts).value == pytest.approx(expected, rel=TOLERANCE["printed"])


@pytest.mark.parametrize("counts", [[1], [2], [5, 3, 2], [4, 2, 3, 0, 2, 4, 1, 1]], ids=str)
def test_grassberger_by_his_formulas(counts):
    seen = [c for c in counts if c]
    n = sum(seen)

    def gain(c):
        half = (mpmath.digamma(mpmath.mpf(c + 1) / 2) - mpmath.digamma(mpmath.mpf(c) / 2)) / 2
        return mpmath.digamma(c) + (-1) ** c * half

    with mpmath.workdps(30):
        older = mpmath.fsum(
            mpmath.mpf(c)
            / n
            * (mpmath.log(n) - mpmath.digamma(c) - mpmath.mpf((-1) ** c) / (c + 1))
            for c in seen
        )
        newer = mpmath.log(n) - mpmath.fsum(c * gain(c) for c in seen) / n
    assert grassberger_1988(counts).value == pytest.approx(float(older), abs=TOLERANCE["oracle"])
    assert grassberger_2003(counts).value == pytest.approx(float(newer), abs=TOLERANCE["oracle"])


def exact_posterior(counts, k):
    """Mean and standard deviation under the prior of Nemenman et al. by adaptive quadrature."""
    c = list(counts) + [0] * (k - len(counts))
    n = sum(c)

    @cache  # three integrals, the same nodes
    def moments(t):
        b = mpmath.exp(t)
        a, size = [x + b for x in c], n + k * b
        weight = b * (k * mpmath.psi(1, k * b + 1) - mpmath.psi(1, b + 1))
        weight *= mpmath.fprod(mpmath.rf(b, x) for x in c) / mpmath.rf(k * b, n)
        digammas = [mpmath.psi(0, x + 1) for x in a]
        mean = mpmath.psi(0, size + 1) - mpmath.fdot(a, digammas) / size
        # Wolpert and Wolf (1995): E[H²] under a Dirichlet law, its terms i != j and i = j.
        shift, spread = mpmath.psi(0, size + 2), mpmath.psi(1, size + 2)
        up = [x * (d - shift) for x, d in zip(a, digammas, strict=True)]
        cross = mpmath.fsum(up) ** 2 - mpmath.fsum(u * u for u in up)
        cross -= spread * (size**2 - mpmath.fsum(x * x for x in a))
        own = mpmath.fsum(
            x * (x + 1) * ((d + 1 / (x + 1) - shift) ** 2 + mpmath.psi(1, x + 2) - spread)
            for x, d in zip(a, digammas, strict=True)
        )
        return weight, weight * mean, weight * (cross + own) / (size * (size + 1))

    with mpmath.workdps(20):
        ends = [-42, -12, -4, 0, 4, 12, 42]
        total, first, second = (
            mpmath.quad(lambda t, i=i: moments(t)[i], ends, method="gauss-legendre")
            for i in range(3)
        )
        centre = first / total
        return float(centre), float(mpmath.sqrt(second / total - centre**2))


@pytest.mark.parametrize(
    ("counts", "k"),
    [([2, 1], 2), ([5, 3, 2], 3), ([40], 3), ([3, 1], 6), ([9, 11, 10], 3)],
    ids=str,
)
def test_nsb_against_quadrature(counts, k):
    mean, sd = exact_posterior(counts, k)
    found = nsb(counts, cells=k)
    assert found.value == pytest.approx(mean, abs=TOLERANCE["oracle"])
    assert found.se == pytest.approx(sd, rel=1e-9)  # a difference of squares


@pytest.mark.parametrize(
    ("counts", "bits"), [([2, 1], 0.849666167784), ([5, 3, 2], 1.460947650715)], ids=str
)
def test_nsb_published(counts, bits):
    # Twelve digits of the definition by direct quadrature; the Python package infomeasure hard-codes
    # .79154 and 1.42272 in its tests.
    assert nsb(counts).in_units("bits").value == pytest.approx(bits, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "bits"), [([2, 1], 4 / 3), ([1, 1, 2, 3], 2.4214827619001236)], ids=str
)
def test_chao_wang_jost_published(counts, bits):
    # The values of the tests of the Python package infomeasure.
    value = chao_wang_jost(counts).in_units("bits").value
    assert value == pytest.approx(bits, abs=TOLERANCE["oracle"])


@pytest.mark.parametrize(
    ("counts"), [[1] * 60 + [2], [1] * 400 + [2, 2, 5], [1] * 30 + [9000], [1, 5], [7]]
)
def test_chao_wang_jost_remainder_as_published(counts):
    c, n = np.array(counts), int(np.sum(counts))
    f1, f2 = int((c == 1).sum()), int((c == 2).sum())
    with mpmath.workdps(60):
        if f2 > 0:
            a = mpmath.mpf(2 * f2) / ((n - 1) * f1 + 2 * f2)
        else:
            a = mpmath.mpf(2) / ((n - 1) * max(f1 - 1, 0) + 2)
        inner = mpmath.fsum((1 - a) ** r / r for r in range(1, n))
        rest = mpmath.mpf(f1) / n * (1 - a) ** (1 - n) * (-mpmath.log(a) - inner) if a < 1 else 0
        base = mpmath.fsum(
            mpmath.mpf(int(k)) / n * (mpmath.digamma(n) - mpmath.digamma(int(k))) for k in c
        )
    assert chao_wang_jost(counts).value == pytest.approx(float(base + rest), abs=1e-12)


def test_jackknife_leaves_each_observation_out():
    counts = np.array([5, 3, 1, 1, 0, 2])
    n = counts.sum()
    without = [plugin(counts - np.eye(6, dtype=int)[i]).value for i in range(6) if counts[i]]
    mean = counts[counts > 0] @ without / n
    expected = n * plugin(counts).value - (n - 1) * mean
    assert jackknife(counts).value == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("prior", [0.02, 1.0, 3.0])
def test_wolpert_wolf_against_draws(prior):
    counts = np.array([6, 3, 1, 0, 0])
    draws = np.random.default_rng(5).gamma(counts + prior, size=(40_000, 5))
    p = draws / draws.sum(axis=1, keepdims=True)
    entropies = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=1)
    found = wolpert_wolf(counts, prior)
    sem = entropies.std() / np.sqrt(len(p))
    assert abs(found.value - entropies.mean()) < TOLERANCE["simulation"] * sem
    # The standard error of a standard deviation, by the fourth moment.
    fourth = ((entropies - entropies.mean()) ** 4).mean() / entropies.var() ** 2
    of_sd = entropies.std() * np.sqrt((fourth - 1) / (4 * len(p)))
    assert abs(found.se - entropies.std()) < TOLERANCE["simulation"] * of_sd


@every_estimator
def test_batches_are_their_rows(name):
    table = np.random.default_rng(3).poisson(1.5, (4, 5, 30))
    batch = MASSES[name](table)
    assert batch.value.shape == batch.se.shape == batch.n.shape == (4, 5)
    for index in np.ndindex(4, 5):
        row = table[index]
        single = MASSES[name](row if name in WITH_CELLS else row[row > 0])
        # Nodes of the quadrature serve a whole batch.
        assert batch.value[index] == pytest.approx(single.value, rel=1e-12)
        assert batch.se[index] == pytest.approx(single.se, rel=1e-10)


@every_estimator
def test_cells_may_be_given_in_any_order(name):
    counts = np.array([7, 1, 0, 2, 2, 30])
    found, turned = MASSES[name](counts), MASSES[name](counts[::-1])
    assert found.value == pytest.approx(turned.value, rel=1e-13)
    assert found.se == pytest.approx(turned.se, rel=1e-12)


@pytest.mark.parametrize("estimator", WITH_CELLS.values(), ids=list(WITH_CELLS))
def test_cells_stand_for_zeros(estimator):
    counts = np.array([[7, 1, 2], [1, 1, 1]])
    more, padded = estimator(counts, cells=40), estimator(np.pad(counts, ((0, 0), (0, 37))))
    assert more.value == pytest.approx(padded.value, rel=1e-13)
    assert more.se == pytest.approx(padded.se, rel=1e-12)
    with pytest.raises(errors.ParameterError, match="at least the 3 cells"):
        estimator(counts, cells=2)


def test_nsb_in_many_cells_and_many_observations():
    # One cell of a million seen: between the entropy of a certainty and log K.
    assert 0 < nsb([3, 1], cells=10**6).value < np.log(10**6)
    # With n far above K every estimate comes to the same: (K - 1)/2n apart at most.
    counts = np.random.default_rng(0).multinomial(10**7, np.ones(50) / 50)
    assert nsb(counts).value == pytest.approx(miller_madow(counts).value, abs=49 / 2e7)
    assert nsb([4, 0]).value > 0
    assert nsb([4]).value == 0


@every_estimator
def test_single_cells_have_no_entropy(name):
    # Grassberger's are the two exceptions: they overshoot where the truth is 0.
    found = MASSES[name]([50])
    # The jackknife multiplies rounding by n.
    bound = 1 / 50 if name.startswith("grassberger") else 50 * 1e-15
    assert abs(found.value) < bound
    assert found.se == 0


@every_estimator
def test_large_samples_reach_the_truth(name):
    p = np.array([0.4, 0.3, 0.2, 0.07, 0.03])
    counts = np.random.default_rng(8).multinomial(200_000, p, size=50)
    found = MASSES[name](counts)
    truth = -(p * np.log(p)).sum()
    sem = found.value.std() / np.sqrt(50)
    # Priors move the estimate by about K/n or, for the minimax rule, 1/sqrt(n) times the excess.
    prior = 0.003 if name == "minimax" else 5e-5
    assert abs(found.value.mean() - truth) < prior + TOLERANCE["simulation"] * sem


@pytest.mark.parametrize("cells", [2, 10])
def test_standard_errors_of_uniform_laws(cells):
    # The varentropy is 0; V/n of a sample and (K - 1)/2n² are then 3/2 of the squared spread.
    n = 400
    counts = np.random.default_rng(2).multinomial(n, np.ones(cells) / cells, size=20_000)
    found = plugin(counts)
    expected = 3 * (cells - 1) / (2 * n**2)
    assert (found.se**2).mean() == pytest.approx(expected, rel=0.1)  # terms of order 1/n, and noise
    assert found.value.var() == pytest.approx((cells - 1) / (2 * n**2), rel=0.1)
    assert plugin([n // cells] * cells).se == pytest.approx(np.sqrt((cells - 1) / 2) / n)


def test_coverage_of_intervals():
    # Uniform, skewed and long-tailed laws at n = 300. Binomial noise of 2,000 samples: five standard
    # errors are 0.024. The worst of them, for the long tail, has coverage 0.91.
    generator = np.random.default_rng(0)
    for p in (np.ones(10), 0.8 ** np.arange(20), 1 / np.arange(1.0, 101)):
        p = p / p.sum()
        truth = -(p * np.log(p)).sum()
        low, high = chao_wang_jost(generator.multinomial(300, p, size=2000)).interval(0.95)
        assert ((low <= truth) & (truth <= high)).mean() > 0.91 - 0.024


def test_bootstrap_covers_where_cells_were_seen_once():
    # Long tails at n = 30: the closed form covers about half, the bootstrap about 88 %. Five
    # standard errors of 200 samples are 0.11.
    generator = np.random.default_rng(0)
    p = 1 / np.arange(1.0, 101)
    p = p / p.sum()
    truth = -(p * np.log(p)).sum()
    held = {"closed": 0, "bootstrap": 0}
    for row in generator.multinomial(30, p, 200):
        for name, found in (
            ("closed", chao_wang_jost(row)),
            ("bootstrap", bootstrapped(row, chao_wang_jost, 99, generator)),
        ):
            low, high = found.interval(0.95)
            held[name] += low <= truth <= high
    assert held["closed"] / 200 < 0.65
    assert held["bootstrap"] / 200 > 0.88 - 0.11


@every_estimator
def test_bootstrap_of_every_estimator(name):
    labels = np.repeat(list("abcdefg"), [20, 12, 9, 5, 2, 1, 1])
    plain = estimate_entropy(labels, True, method=name)
    found = estimate_entropy(labels, True, method=name, replicates=199, rng=1)
    assert found.value == plain.value
    assert found.method.endswith("bootstrap of 199")
    assert found == estimate_entropy(labels, True, method=name, replicates=199, rng=1)
    # The spread over n = 50 is about 0.13 for all of them, less for those that shrink.
    assert 0.4 * plain.se < found.se < 2.5 * plain.se


@pytest.mark.parametrize(
    "counts", [[5, 2, 1, 1], [1] * 9, [7, 1], [30, 1, 1, 1], [4], [3, 3]], ids=str
)
def test_laws_with_cells_not_seen(counts):
    law = law_with_unseen(counts)
    assert law.sum() == pytest.approx(1, abs=1e-14)
    assert (law > 0).all()
    c, n = np.array(counts), sum(counts)
    f1, f2 = (c == 1).sum(), (c == 2).sum()
    if f2:
        # Chao (1984), and the coverage of Good and Turing, refined.
        assert law.size == c.size + np.ceil((n - 1) / n * f1**2 / (2 * f2))
        left = f1 / n * (n - 1) * f1 / ((n - 1) * f1 + 2 * f2)
        assert law[c.size :].sum() == pytest.approx(left, abs=1e-14)
    if f1 <= 1 and not f2:
        assert law == pytest.approx(c / n)
    known = law_with_unseen(counts, empty=3)
    assert known.size in (c.size, c.size + 3)


@every_estimator
def test_singletons_are_announced(name):
    assert "lower bound" in MASSES[name]([1, 1, 1]).note
    assert "lower bound" in MASSES[name]([[1, 1, 1], [2, 1, 1]]).note
    assert MASSES[name]([2, 1, 1]).note == ""


@pytest.mark.parametrize("bad", [[-1, 2], [0.5, 2], [0, 0], [np.nan, 1], 3, []], ids=str)
@every_estimator
def test_counts_are_checked(name, bad):
    with pytest.raises(errors.DataError, match="expected"):
        MASSES[name](bad)


def test_refusals():
    with pytest.raises(errors.DataError, match="two observations"):
        jackknife([[2, 1], [1, 0]])
    with pytest.raises(errors.ParameterError, match="above 0"):
        wolpert_wolf([1, 2], prior=0)
    with pytest.raises(errors.ParameterError, match="two replicates"):
        estimate_entropy(["a", "b"], True, replicates=1)
    with pytest.raises(errors.ParameterError, match="replicates of masses"):
        estimate_entropy([1.0, 2.0], False, replicates=99)
    with pytest.raises(errors.DataError, match="singletons"):
        estimate_entropy(np.arange(6000), True, replicates=99)


def test_the_prior_of_the_entropy_is_flat():
    # What the prior is made for: the mean entropy at β is uniform on (0, log K) as K grows, so
    # with one observation in one of K cells the posterior is wide, about a quarter of log K.
    k = 10_000
    found = nsb([1], cells=k)
    assert 0.2 * np.log(k) < found.se < 0.35 * np.log(k)
