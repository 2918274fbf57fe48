"""What a penalty is to the engine: a smooth function of the coefficients beside the cross-entropy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlece import errors
from mlece.math import Array, Arrays


class Added(NamedTuple):
    """A penalty at framed parameters, in nats per observation, with its derivatives in them.

    Parameters
    ----------
    value : array (r,)
    slope : array (r, k)
    bend : array (r, k, k)
    """

    value: Array
    slope: Array
    bend: Array


class BoundPenalty(Protocol):
    """A penalty that has met a sample."""

    def at(self, theta: Arrays, members: Any) -> Added:
        """Return it at framed parameters (r,) each of some members of the batch."""
        ...


class Penalty(Protocol):
    """What the user asks for, before it meets data."""

    @property
    def convex(self) -> bool:
        """Whether it is a convex function of the coefficients."""
        ...

    def on(self, model: Any, sample: Any, scale: Array) -> BoundPenalty:
        """Return it for a model on a sample whose frame has this scale."""
        ...


def require_likelihood(penalty: BoundPenalty | None, what: str) -> None:
    """Raise for a penalty, where something is asked that counts parameters of a maximum likelihood fit."""
    if penalty is not None:
        raise errors.ComparisonError(
            errors.message(
                f"a maximum of the likelihood for {what}",
                "a penalty, under which fewer parameters than coefficients are estimated",
                "TIC counts them by tr(A⁻¹B)",
            )
        )


def penalised(evaluation: Any, added: Added) -> Any:
    """Return an evaluation of the mean with a penalty added.

    Every observation carries an equal share of the penalty, so that the outer products of what each adds
    to the gradient, Σ w (s + p)(s + p)' / Σ w, have mean 0 at the optimum.

    Parameters
    ----------
    evaluation : Evaluation
        The cross-entropy and its derivatives.
    added : Added
    """
    at, (value, slope, bend) = evaluation, added
    opg = at.opg
    if opg is not None:
        cross = at.score[:, :, None] * slope[:, None, :]
        opg = opg + cross + np.swapaxes(cross, 1, 2) + slope[:, :, None] * slope[:, None, :]
    return replace(
        at,
        value=at.value + value,
        score=None if at.score is None else at.score + slope,
        hessian=None if at.hessian is None else at.hessian + bend,
        opg=opg,
    )
