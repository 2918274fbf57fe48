"""A family in other parameters, in which a long curved valley of its likelihood is straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlece.likelihood.objective import CrossEntropy
from mlece.math import Arrays


@dataclass(frozen=True, eq=False)
class Straight:
    """The same cross-entropy in the parameters of another family with the same members.

    Parameters
    ----------
    objective : CrossEntropy
        Of the other family, whose parameters stand in the order of those they replace.
    bent : CrossEntropy
        Of the family itself, whose hook ``_unbent`` names the other one.
    """

    objective: CrossEntropy
    bent: CrossEntropy

    def into(self, theta: Arrays) -> Arrays:
        """Return the other parameters, in the frame, of the family's own."""
        _, into, _ = self.bent.model._unbent()
        with np.errstate(all="ignore"):
            return tuple(np.asarray(t) for t in into(*theta))

    def back(self, theta: Arrays) -> Arrays:
        """Return the family's own parameters, in the frame, of the other ones."""
        params, fixed = self.bent.model.params, self.bent.fixed
        _, _, back = self.bent.model._unbent()
        with np.errstate(all="ignore"):
            own = zip(params, back(*theta), strict=True)
            return tuple(fixed[p.name] if p.name in fixed else np.asarray(t) for p, t in own)


def straightened(objective: CrossEntropy) -> Straight | None:
    """Return a cross-entropy in parameters in which it is about round, None if none are declared.

    The first parameter stands alone for the first of the other ones, and may be given.
    """
    model = objective.model
    if not model.has("_unbent"):
        return None
    first = model.params[0].name
    if not set(objective.fixed) <= {first}:
        return None
    family, into, _ = model._unbent()
    known = {}
    if objective.fixed:
        (value, *_) = into(model.slots[first], 0.0, 1.0)
        known[family.params[0].name] = value
    law = model.alike(family(**known))
    return Straight(CrossEntropy(law, objective.sample, objective.frame), objective)
