"""Where random numbers come from: what methods draw for themselves is not what made the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import mlece
from mlece.randomness import seeded, stream


@pytest.mark.parametrize("rng", [0, 7, [1, 2], np.random.SeedSequence(3)], ids=str)
def test_a_stream_of_its_own(rng: object) -> None:
    again = stream(rng).random(5)
    assert np.array_equal(stream(rng).random(5), again)
    assert not np.isin(again, seeded(rng).random(1000)).any()


def test_children_of_a_seed_are_others() -> None:
    parent = np.random.SeedSequence(0)
    own = stream(parent).random()
    assert all(np.random.default_rng(child).random() != own for child in parent.spawn(5))
    assert stream(parent.spawn(1)[0]).random() != own


def test_generators_go_on() -> None:
    generator = np.random.default_rng(0)
    first = stream(generator).random()
    assert stream(generator) is generator
    assert first == np.random.default_rng(0).random()


@pytest.mark.parametrize("rng", ["seed", -1, 0.5], ids=str)
def test_what_is_no_seed_is_refused(rng: object) -> None:
    with pytest.raises(mlece.MleceError, match="a seed"):
        mlece.Gaussian(0, 1).sample(3, rng=rng)
    with pytest.raises(mlece.MleceError, match="a seed"):
        mlece.residuals(mlece.fit("poisson", [1, 2, 3]), rng=rng)


def test_data_from_the_seed_of_a_method_are_not_drawn_again() -> None:
    """Binary data made of uniforms, and residuals that spread them by uniforms, of one seed."""
    y = (np.random.default_rng(0).random(500) < 0.4).astype(int)
    residuals = mlece.residuals(mlece.fit(mlece.Binomial(n=1), y), rng=0)
    assert stats.kstest(residuals, "norm").pvalue > 0.001


def test_no_bootstrap_sample_is_the_data() -> None:
    y = mlece.Gaussian(0, 1).sample(60, rng=0)
    drawn = stream(0).standard_normal((20, 60))
    assert max(abs(np.corrcoef(y, row)[0, 1]) for row in drawn) < 0.6
