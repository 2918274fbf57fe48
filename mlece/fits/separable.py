"""Fits of products: each block by itself, and what the blocks come to passed on to the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece.certificate import Bound
from mlece.fits.result import Fit
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Limit, Status
from mlece.math import Array
from mlece.model import Model
from mlece.sample import Sample
from mlece.solvers.dispatch import blocks_of, joined
from mlece.solvers.solution import Solution

# What a product comes to is the worst of what its blocks come to.
_WORST_FIRST = (
    Status.INFINITE,
    Status.UNBOUNDED,
    Status.NOT_ATTAINED,
    Status.BOUNDARY,
)


def block_fits(objective: CrossEntropy, refit: Callable[[Model, Sample], Fit]) -> list[Fit]:
    """Return the fit of each block to its own component of the observations."""
    return [refit(part, sample) for part, sample in blocks_of(objective)]


def joint_solution(objective: CrossEntropy, fits: list[Fit]) -> Solution:
    """Return the parameters of all blocks as one solution."""
    solved = np.logical_and.reduce([_statuses(f) != Status.STEP_LIMIT for f in fits])
    out = joined(objective, [f.theta for f in fits], solved, [f.solver for f in fits])
    if all(f.ends is None for f in fits):
        return out
    ends = (
        joined(objective, [f.theta if f.ends is None else f.ends[side] for f in fits], solved, [])
        for side in (0, 1)
    )
    low, high = (e.theta for e in ends)
    return replace(out, ends=(low, high))


def joint_limits(objective: CrossEntropy, fits: list[Fit]) -> list[Limit]:
    """Return, as limits of the product, the members in which a block has no optimum inside.

    One for each combination of statuses; what a block says is told with its number.
    """
    rows = np.stack([_statuses(f) for f in fits], axis=1)
    theta = joint_solution(objective, fits).theta
    infimum = np.sum([f.values for f in fits], axis=0) - objective.log_scale
    out = []
    for combination in dict.fromkeys(map(tuple, rows.tolist())):
        found = [status for status in _WORST_FIRST if status in combination]
        if not found or Status.STEP_LIMIT in combination:
            continue
        mask = np.array([tuple(row) == combination for row in rows.tolist()])
        said = [
            f"block {j}: {fit.certificate.sentence or status.value}"
            for j, (fit, status) in enumerate(zip(fits, combination, strict=True))
            if status in _WORST_FIRST
        ]
        models: dict[int, Callable[..., Model]] = {}
        for r in np.flatnonzero(mask).tolist():
            builders = tuple(fit.limit_models.get(r) for fit in fits)
            if any(builders):
                models[r] = BlockMembers(objective.model, builders)
        sentence, excess = "; ".join(said), _excess(fits)
        out.append(Limit(mask, found[0], sentence, theta, infimum, models, excess=excess))
    return out


def joint_bound(objective: CrossEntropy, fits: list[Fit]) -> Bound:
    """Return the bound that the blocks have together: their excesses add up."""
    proofs = [f.certificate for f in fits]
    names = dict.fromkeys(p.bound for p in proofs if p.bound)
    steps = sum(np.ravel(p.score_norm) ** 2 for p in proofs)
    return Bound(
        _excess(fits),
        np.sqrt(steps / objective.total),
        "global" if all(p.scope == "global" for p in proofs) else "local",
        ", ".join(names),
        {
            f"{name}[{j}]": np.ravel(value)
            for j, p in enumerate(proofs)
            for name, value in p.multipliers.items()
        },
    )


def _excess(fits: list[Fit]) -> Array:
    return np.asarray(sum(np.ravel(f.certificate.excess) for f in fits))


@dataclass(frozen=True, eq=False)
class BlockMembers:
    """Builds a product of which some blocks end in another family.

    Parameters
    ----------
    product : Model
    builders : tuple of callable or None
        For each block what builds its limiting member.
    """

    product: Any
    builders: tuple[Any, ...]

    def __call__(self, *values: Any) -> Model:
        """Return the product from the parameters of all blocks."""
        pairs = zip(self.product.factors, self.builders, self.product.split(values), strict=True)
        blocks = [f.member(*own) if b is None else b(*own) for f, b, own in pairs]
        return type(self.product)(*blocks)  # type: ignore[no-any-return]


def _statuses(fit: Fit) -> Array:
    return np.ravel(np.asarray(fit.certificate.status, dtype=object))
