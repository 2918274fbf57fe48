"""Every registered family has every property, at typical members."""

from __future__ import annotations

import numpy as np
import pytest

from mlece.model import Model
from mlece.registry import registered
from mlece.testing import PROPERTIES, check_model, typical_family

FAMILIES = sorted(
    {c for c in registered().values() if c.__module__.startswith("mlece.families")},
    key=lambda c: c.__name__,
)


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda c: c.__name__)
def test_property(family: type[Model], name: str) -> None:
    rng = np.random.default_rng(20260101)
    for member in typical_family(family):
        PROPERTIES[name](member, rng)


def test_a_wrong_score_is_caught() -> None:
    from mlece.families.half_line import Exponential

    class Wrong(Exponential):
        @staticmethod
        def _score(t: tuple[np.ndarray, ...], rate: np.ndarray) -> tuple[np.ndarray, ...]:
            return (1 / rate + t[0],)

    with pytest.raises(AssertionError, match="score for rate"):
        check_model(Wrong(rate=2.0))


def test_a_density_that_does_not_integrate_to_one_is_caught() -> None:
    from mlece.families.real_line import Gaussian

    class Heavy(Gaussian):
        @staticmethod
        def _log_density(t: tuple[np.ndarray, ...], mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
            return Gaussian._log_density(t, mean, sd) + 0.01

    with pytest.raises(AssertionError, match="total mass"):
        check_model(Heavy(mean=0, sd=1))
