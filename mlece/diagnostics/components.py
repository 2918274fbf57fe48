"""How many components a mixture should have, by cross-entropy on observations held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import as_array, require_finite
from mlece.combinators.mixture import Mixture
from mlece.fits.fitting import fit, resolve
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.quantities import HeldOut
from mlece.randomness import stream


@dataclass(frozen=True, eq=False)
class ComponentChoice:
    """Held-out cross-entropy of mixtures of 1, 2, … components, and the choice.

    Attributes
    ----------
    held_out : list of HeldOut
        Mean over the folds for each number of components, nats per observation; infinite where a fold
        had no fit.
    standard_error : array (most,)
        Standard error of the difference to the best.
    best : int
        The number with the least held-out cross-entropy.
    size : int
        The smallest number within one standard error of the best.
    fit : Fit
        The mixture of that size fitted to all observations.
    """

    held_out: list[HeldOut]
    standard_error: Array
    best: int
    size: int
    fit: Fit

    def __str__(self) -> str:
        least = self.held_out[self.best - 1]
        rows = [
            f"{k:>3}  {value:.6f}  +{value - least:.6f} ± {se:.6f}"
            if np.isfinite(value)
            else f"{k:>3}  a fold had no fit"
            for k, (value, se) in enumerate(zip(self.held_out, self.standard_error, strict=True), 1)
        ]
        noun = "component" if self.size == 1 else "components"
        verdict = (
            f"{self.size} {noun}: the fewest within one standard error of the best "
            f"held-out cross-entropy ({self.best})"
        )
        return "\n".join(["  k  held out  above the best", *rows, verdict])


def select_components(
    component: Any, data: Any, *, most: int = 6, folds: int = 5, rng: Any = 0, shared: Any = ()
) -> ComponentChoice:
    """Choose the number of components of a mixture by cross-validation.

    Parameters
    ----------
    component : Model, class of Model, or registered name
        The family of every component.
    data : array_like (n,) or (n, d)
        Observations.
    most : int
        Largest number of components tried.
    folds : int
        Parts into which the observations are dealt at random.
    rng : int or numpy.random.Generator
        Source of the division.
    shared : sequence of str
        Parameters that the components have in common.

    Returns
    -------
    ComponentChoice

    Raises
    ------
    DataError
        For fewer than two observations in a fold, or fewer than two folds.

    Notes
    -----
    The held-out cross-entropy estimates the population value without the optimism of the fit, which
    for mixtures no count of parameters gives (Smyth 2000, Statistics and Computing 10, 63–72).

    Examples
    --------
    >>> import mlece
    >>> x = mlece.datasets.old_faithful().frame()["waiting"]
    >>> mlece.select_components("gaussian", x, most=2, folds=3).size
    2
    """
    family = resolve(component)
    values = family.admit(as_array(data, "y"), "y")[1]
    require_finite(values, "y")
    n = len(values)
    if values.ndim != 1 + bool(family._width) or folds < 2 or most < 1 or n < 2 * folds:
        raise errors.DataError(
            errors.message(
                "one sample with two observations or more in each of at least two folds, and most "
                "of at least 1",
                f"shape {values.shape}, {folds} folds and most={most}",
            )
        )
    part = stream(rng).permutation(n) % folds
    loss = np.stack(
        [_losses(_mixture(family, k, shared), values, part) for k in range(1, most + 1)]
    )
    means = loss.mean(axis=1)
    best = int(np.argmin(means))
    with np.errstate(invalid="ignore"):
        excess = np.where(np.isfinite(means)[:, None], loss - loss[best], 0.0)
    spread = np.where(np.isfinite(means), excess.std(axis=1), np.inf) / np.sqrt(n)
    size = int(np.argmax(means - means[best] <= spread)) + 1
    return ComponentChoice(
        [HeldOut(m) for m in means],
        spread,
        best + 1,
        size,
        fit(_mixture(family, size, shared), values),
    )


def _mixture(family: Any, size: int, shared: Any) -> Any:
    return family if size == 1 else Mixture(family, size=size, shared=shared)


def _losses(model: Any, values: Array, part: Array) -> Array:
    """Return −log q of every observation under the fit to the other folds."""
    out = np.full(len(values), np.inf)
    for fold in range(part.max() + 1):
        held = part == fold
        found = fit(model, values[~held])
        if found.certificate.status.solved:
            out[held] = -found.model.log_density(values[held])
    return out
