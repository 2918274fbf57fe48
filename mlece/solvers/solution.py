"""What a solver hands to the certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlece.likelihood.evaluation import Evaluation
from mlece.math import Array, Arrays


@dataclass(frozen=True)
class Solution:
    """Framed parameters with what the solver knows about them.

    Parameters
    ----------
    theta : tuple of arrays (R,)
        Framed natural parameters; NaN for members that were not solved.
    solver : str
        Which solver ran.
    solved : array of bool (R,)
        Whether it met its own criterion.
    excess : array (R,), optional
        Bound on the excess that the solver proved by itself.
    bracket : (array, array), optional
        Sign change of the profile score.
    ends : tuple of two thetas, optional
        Ends of the set of solutions where it is not a point.
    edges : dict of str to array of bool (R,)
        Members in which a parameter was held at the edge of the range searched, by parameter.
    shared : tuple of arrays (R,), optional
        Means of what density, score and curvature share at the solution, where the solver knows them.
    notes : dict
        Anything else worth telling.
    sunk : dict of str to array of bool (R,)
        Parameters that came near a lower end that belongs to their domain.
    flat : array of bool (R,), optional
        Whether the Hessian is nearly singular, where Newton's method ran from a single start only.
    proof : str
        What proves the bound on the excess.
    value : array (R,), optional
        The cross-entropy at theta, where the solver knows it to more digits than its sum.
    exact : tuple of arrays (R,), optional
        The parameters in the user's units, where the way through the frame would round them.
    at : Evaluation, optional
        The evaluation at theta with a lower bound in the place of the Hessian, where the solver has them:
        what is proved with it holds, and no Hessian of all observations is needed.
    scope : {"global", "local"}
        Against what the solver proved its excess.
    """

    theta: Arrays
    solver: str
    solved: Array
    excess: Array | None = None
    bracket: tuple[Array, Array] | None = None
    ends: tuple[Arrays, Arrays] | None = None
    edges: dict[str, Array] = field(default_factory=dict)
    shared: Arrays | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    sunk: dict[str, Array] = field(default_factory=dict)
    flat: Array | None = None
    proof: str = "sign change of the profile score"
    value: Array | None = None
    exact: Arrays | None = None
    at: Evaluation | None = None
    scope: str = "global"


def in_columns(thetas: Sequence[Any]) -> Arrays:
    """Return the parameters of members that were solved one by one as arrays (R,)."""
    return tuple(np.array(column) for column in zip(*thetas, strict=True))


def ends_of(found: Sequence[Any]) -> tuple[Arrays, Arrays] | None:
    """Return the ends of the sets of solutions of such members, None if every one has a point.

    Parameters
    ----------
    found : sequence of objects with ``theta`` and ``ends``
        ``ends`` is None where the solution is ``theta`` alone.
    """
    if all(f.ends is None for f in found):
        return None
    low, high = (in_columns([f.ends[i] if f.ends else f.theta for f in found]) for i in (0, 1))
    return low, high
