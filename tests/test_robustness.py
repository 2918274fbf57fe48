"""Samples of typical members of every family: fits neither fail nor end above the truth."""

from __future__ import annotations

import numpy as np
import pytest

import mlece
from mlece.model import Model
from mlece.registry import registered
from mlece.testing import typical_family

FAMILIES = {
    c.__name__: c for c in registered().values() if c.__module__.startswith("mlece.families")
}
SEEDS = range(3)
# Families of which a sample may end without a proof, each with its reason.
UNPROVED = {
    "EGB2": "p or q runs to infinity along a bent valley, to a log-gamma law on either side",
}
# relative: the means of one and the same sample by two routes
ROUNDING = 1e-12


def free_family(member: Model) -> Model:
    """Return the family with its known constants, fitted to observations."""
    if any(p.vector for p in member.params):
        return type(member)(labels=range(member.slots["p"].size))
    known = [p.name for p in member.params if not p.estimable or p.default is not None]
    return type(member)(**{name: member.slots[name] for name in known})


def draw(name: str, n: int) -> tuple[list[Model], np.ndarray]:
    """Return a member for each seed and their samples (R, n)."""
    members = typical_family(FAMILIES[name])
    chosen = [members[seed % len(members)] for seed in SEEDS]
    rows = [
        member.sample(n, rng=np.random.default_rng([seed, n]))
        for seed, member in zip(SEEDS, chosen, strict=True)
    ]
    return chosen, np.stack(rows)


@pytest.mark.parametrize("n", [30, 300])
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_no_fit_ends_above_the_truth(name: str, n: int) -> None:
    members, y = draw(name, n)
    model = free_family(members[0])
    batch = mlece.fit(model, y)
    for row, truth in enumerate(members):
        one = mlece.fit(model, y[row])
        known = -np.mean(truth.log_density(y[row]))
        for value, status in (
            (batch.cross_entropy[row], batch.certificate.status[row]),
            (one.cross_entropy, one.certificate.status),
        ):
            assert value <= known + ROUNDING * (1 + abs(known))
            if name not in UNPROVED:
                assert status is not mlece.Status.STEP_LIMIT
        assert batch.certificate.status[row] is one.certificate.status


@pytest.mark.parametrize("name", ["StudentT", "BoxCoxT", "SkewT", "TwoPieceT"])
def test_light_tails_beside_heavy_ones_cost_no_digits(name: str) -> None:
    # Expansions for many degrees of freedom are taken for the members that need them alone.
    members = typical_family(FAMILIES[name])
    at = next(p.name for p in members[0].params if p.name in ("df", "tau"))
    heavy = members[0].replace(**{at: 1.5})
    y = np.concatenate([heavy.sample(40, rng=np.random.default_rng(1)), [1e8]])
    pair = members[0].replace(**{at: [1.5, 1e6]})
    alone, beside = heavy.score(y), pair.score(y)[0]
    np.testing.assert_allclose(beside, alone, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("seed", [0, 3, 6])
def test_a_long_sample_is_not_left_at_a_saddle(seed: int) -> None:
    # At shape 0 the skew normal likelihood has a saddle, where a start of the wrong sign ends.
    truth = mlece.SkewNormal(loc=-1.3, scale=2.6, shape=0.5)
    y = truth.sample(30000, rng=np.random.default_rng(seed))
    known = -np.mean(truth.log_density(y))
    for fit in (mlece.fit(mlece.SkewNormal(), y), mlece.fit(mlece.SkewNormal(), y[None])[0]):
        assert fit.cross_entropy <= known + ROUNDING * (1 + abs(known))


# Long samples are solved on a part of them first (a batch is not): by Newton's method with one and more
# shapes, with ends that move, and by a profile equation.
LONG = ("Cauchy", "GEV", "Gumbel", "Logistic", "SkewNormal", "StudentT", "Weibull")


@pytest.mark.parametrize("name", LONG)
def test_a_long_sample_and_a_batch_of_it_meet_at_one_point(name: str) -> None:
    members, y = draw(name, 40_000)
    model = free_family(members[0])
    batch = mlece.fit(model, y[:2])
    for row in range(2):
        one = mlece.fit(model, y[row])
        assert one.certificate.status is batch.certificate.status[row]
        assert one.cross_entropy == pytest.approx(batch.cross_entropy[row], rel=ROUNDING)
        # in standard errors: both ended where a Newton step is no longer seen in the value
        error = np.sqrt(np.diagonal(one.covariance()))
        gap = [one.params[k] - batch.params[k][row] for k in one.params]
        assert np.all(np.abs(gap) <= 1e-6 * error)
