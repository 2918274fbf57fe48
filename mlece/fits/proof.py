"""A proof that waits to be asked for: the cross-entropy at the estimates, and the certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from mlece.certificate import Certificate
from mlece.math import Array


class Shown(NamedTuple):
    """What a proof comes to.

    Parameters
    ----------
    values : array (R,)
        Cross-entropy at the estimates in the user's units.
    certificate : Certificate
    lost : array of bool (R,)
        Members whose free parameters have no value to report.
    """

    values: Array
    certificate: Certificate
    lost: Array


@dataclass(eq=False)
class Proof:
    """What is shown of a fit, worked out when it is first asked for.

    An estimate in closed form stands before anything is shown of it, and whoever fits by the thousand
    may never ask.

    Parameters
    ----------
    work : callable
        Returns what is shown.
    """

    work: Callable[[], Shown]

    @cached_property
    def shown(self) -> Shown:
        """What is shown."""
        with np.errstate(all="ignore"):
            return self.work()


def given(values: Array, certificate: Certificate) -> Proof:
    """Return the proof of what is known already."""
    return Proof(partial(Shown, values, certificate, np.zeros(len(values), dtype=bool)))
