"""What fits to samples of a known truth cost on average: exact where there are closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.diagnostics.ledger import Ledger, population_values, realised
from mlece.families import Exponential, Gamma, Gaussian, Laplace, Pareto, Rayleigh, Weibull
from mlece.fits.fitting import fit as fit_model
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import LOG_2PI, Array, digamma
from mlece.model import Model
from mlece.quantities import Population
from mlece.randomness import stream
from mlece.regression.projection import redrawn
from mlece.regression.truth import ConditionalTruth
from mlece.sample import Sample

_SLAB = 1 << 21  # numbers in one batch of refits
_FEWEST = 19
# Families with one free parameter in which n statistics of a member follow an exponential law, and
# what else must be known.
_EXPONENTIAL = {
    Exponential: (),
    Rayleigh: (),
    Laplace: ("loc",),
    Weibull: ("shape",),
    Pareto: ("scale",),
}


def expected(truth: Any, model: Model, n: int, replicates: int, rng: Any) -> Ledger:
    """Return the ledger of fits to samples of size n, on average.

    Parameters
    ----------
    truth : Model, DrawnTruth or ConditionalTruth
    model : Model
    n : int
        Sample size.
    replicates : int
        Number of simulated samples where no closed form is known.
    rng : int or numpy.random.Generator
        Source of randomness.
    """
    if n < 1 or replicates < _FEWEST:
        raise errors.ParameterError(
            errors.message(
                f"a sample size from 1 on and {_FEWEST} replicates at least", f"{n}, {replicates}"
            )
        )
    best = fit_model(model, truth)
    base = realised(truth, best)
    at_best, name = float(best.values[0]), best.family.title
    if not np.isfinite(at_best):
        return base
    se = dict(base.se)
    closed = exact(truth, best, n)
    if closed is not None:
        train, excess = closed
        how = f"expectations over samples of n = {n}, in closed form"
    elif _can_miss(truth, best, n):
        train, excess = np.nan, np.inf
        how = (
            f"expectations over samples of n = {n}: some of positive probability end in a member that "
            "does not cover the truth"
        )
    else:
        (train, excess), errors_, how = _simulated(truth, best, n, replicates, rng)
        se |= errors_ | {"total": float(np.hypot(errors_["total"], se.get("total", 0.0)))}
    return Ledger(
        base.floor,
        base.approximation,
        excess,
        Population(at_best + excess),
        best,
        truth,
        np.inf if np.isinf(excess) else excess - train,
        se,
        name,
        f"{how}; {base.how}" if base.how else how,
    )


def exact(truth: Any, best: Fit, n: int) -> tuple[float, float] | None:
    """Return E CE_n(θ̂) − H(p*, q_θ*) and E H(p*, q_θ̂) − H(p*, q_θ*), None without a closed form.

    For n statistics that are exponential, or gamma with shape a, their sum is a gamma variable with shape
    na; for a Gaussian the law of the sample variance is used, as in the corrected criterion of Hurvich and
    Tsai (1989, Biometrika 76, 297-307).
    """
    model = best.family
    if type(model) is Gaussian and model.free == ("mean",):
        # The variance over that of the model, from the cross-entropy itself; for any truth.
        log_variance = LOG_2PI + 2.0 * np.log(_slot(model, "sd"))
        half = (2.0 * float(best.values[0]) - log_variance) / (2.0 * n)
        return float(-half), float(half)
    if type(model) is Gaussian and type(truth) is Gaussian and len(model.free) == 2 and n > 3:
        train = 0.5 * float(digamma(0.5 * (n - 1)) - np.log(0.5 * n))
        return train, train + 2.0 / (n - 3)
    shape = _gamma_shape(truth, model)
    if shape is None or n * shape <= 1:
        return None
    train = float(digamma(n * shape) - np.log(n * shape))
    return train, train + 1.0 / (n * shape - 1.0)


def _gamma_shape(truth: Any, model: Model) -> float | None:
    """Return the shape of the gamma law that the statistic of one observation has under the truth."""
    if type(model) not in _EXPONENTIAL or len(model.free) != 1:
        return None
    if type(model) is Exponential and type(truth) is Gamma:
        return _slot(truth, "shape")
    known = _EXPONENTIAL[type(model)]
    if type(truth) is not type(model) or any(model.slots[k] is None for k in known):
        return None
    return 1.0 if all(_slot(model, k) == _slot(truth, k) for k in known) else None


def _slot(model: Model, name: str) -> float:
    value = model.slots[name]
    assert value is not None
    return float(value)


def _can_miss(truth: Any, best: Fit, n: int) -> bool:
    """Tell whether fits leave out some of the truth's mass with positive probability."""
    family = best.family
    if any(not family.parameter(p).regular for p in best.names):
        return True
    conditional = isinstance(best.sample.truth, ConditionalTruth)
    if not family.support.discrete or best.sample.truth is None or conditional:
        return False
    # n times the same value is a sample of positive probability.
    values = np.broadcast_to(best.sample.values[0][:, None], (best.sample.rows, n))
    fit = fit_sample(family, Sample(np.array(values), None, (best.sample.rows,)))
    return bool(np.isinf(population_values(best, fit)).any())


def _simulated(
    truth: Any, best: Fit, n: int, replicates: int, rng: Any
) -> tuple[tuple[float, float], dict[str, float], str]:
    """Return the two expectations by simulation, with standard errors and how they came about."""
    generator, at_best = stream(rng), float(best.values[0])
    train: list[Array] = []
    excess: list[Array] = []
    stride = max(1, _SLAB // max(n, best.sample.rows))
    for start in range(0, replicates, stride):
        size = (min(stride, replicates - start), n)
        if isinstance(truth, ConditionalTruth):
            fit = redrawn(best, *size, generator)
        else:
            draw = truth.draw if isinstance(truth, Model) else truth.sample
            fit = fit_sample(best.family, Sample(draw(size, generator), None, size[:1]))
        train.append(fit.values - at_best)
        excess.append(population_values(best, fit) - at_best)
    seen, new = np.concatenate(train), np.concatenate(excess)
    # Samples without a minimiser have no cross-entropy under the truth.
    usable = ~np.isnan(new) & np.isfinite(seen)
    if usable.sum() < _FEWEST:
        raise errors.NoDensityError(
            errors.message(
                f"samples of n = {n} that {best.family.title} can be fitted to",
                f"{replicates - usable.sum()} of {replicates} without a minimiser",
            )
        )
    lost = int((~usable).sum())
    seen, new = seen[usable], new[usable]
    how = f"expectations over samples of n = {n}, simulated {replicates} times, ± standard errors"
    if lost:
        how += f"; {lost} samples have no fit and are left out"
    root = np.sqrt(new.size)
    with np.errstate(invalid="ignore"):
        own = float(new.std(ddof=1)) / root
        gap = float((new - seen).std(ddof=1)) / root
    errors_ = {"estimation": own, "total": own, "optimism": gap}
    return (float(seen.mean()), float(new.mean())), errors_, how
