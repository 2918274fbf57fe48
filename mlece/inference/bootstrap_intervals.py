"""Bootstrap intervals: percentile, BCa and studentised, for every member of a batch at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.fits.covariance import instead
from mlece.inference.estimates import Quantities, solved
from mlece.math import Array, ndtr, ndtri
from mlece.randomness import stream
from mlece.refits.bootstrap import resampled

BOOTSTRAPS = ("percentile", "bca", "studentised")


@dataclass(frozen=True)
class BootstrapEnds:
    """Bootstrap intervals with what is to be said of each.

    Parameters
    ----------
    value : array (R, K, 2)
    remarks : array of str (R, K)
    """

    value: Array
    remarks: Array


def bootstrap_ends(
    quantities: Quantities,
    level: float,
    method: str,
    resampling: str,
    replicates: int,
    rng: Any,
) -> BootstrapEnds:
    """Return bootstrap intervals of some quantities of a fit.

    Parameters
    ----------
    quantities : Quantities
    level : float
    method : {"percentile", "bca", "studentised"}
        Order statistics number (B + 1)p of the replicates; the same at levels that correct for bias and
        acceleration (Efron 1987), the acceleration from the influences A⁻¹s of the observations, the
        infinitesimal jackknife; or of (θ* − θ̂)/se* with the sandwich standard error of each replicate.
    resampling : {"parametric", "nonparametric"}
    replicates : int
        B, at least 2/(1 − level) − 1.
    rng : int or numpy.random.Generator

    Notes
    -----
    Replicates without a minimiser (or, studentised, without a standard error) are left out, and counted
    in the remarks. Infinite estimates take their place in the order.

    References
    ----------
    Efron, B. (1987). Better bootstrap confidence intervals. Journal of the American Statistical
    Association 82, 171–185.

    Davison, A. C. and Hinkley, D. V. (1997). Bootstrap Methods and their Application, sections 5.2, 5.3.
    Cambridge University Press.
    """
    if method not in BOOTSTRAPS:
        raise errors.unknown_name("bootstrap", method, BOOTSTRAPS)
    tail = 0.5 * (1.0 - level)
    fewest = int(np.ceil(1.0 / tail * (1.0 - 1e-12))) - 1
    if replicates < fewest:
        raise errors.ParameterError(
            errors.message(f"at least {fewest} replicates at level {level:g}", f"{replicates}")
        )
    source = stream(rng)
    drawn, spread = _replicates(quantities, replicates, source, resampling, method == "studentised")
    estimate = quantities.estimate()
    tails = np.broadcast_to([tail, 1.0 - tail], (*estimate.shape, 2))
    if spread is not None:
        drawn = _studentised(estimate, drawn, spread)
    elif method == "bca":
        tails = _corrected(quantities, estimate, drawn, tails)
    missing = np.isnan(drawn).sum(axis=1)
    value = _order_statistics(drawn, tails)
    if spread is not None:
        own = quantities.errors("sandwich")[..., None]
        value = estimate[..., None] - value[..., ::-1] * own
    return BootstrapEnds(value, _remarks(missing, replicates, tails, spread is not None))


def _remarks(missing: Array, replicates: int, tails: Array, errors_too: bool) -> Array:
    what = "minimiser or standard error" if errors_too else "minimiser"
    counts = replicates - missing
    place = (counts + 1)[..., None] * tails
    outside = (place < 1 - 1e-9) | (place > counts[..., None] + 1e-9)
    beyond = np.asarray(outside.any(axis=-1))
    said = np.full(missing.shape, "", dtype=object)
    for at in zip(*np.nonzero((missing > 0) | beyond), strict=True):
        parts = []
        if missing[at]:
            parts.append(
                f"{missing[at]} of {replicates} replicates have no {what} and are left out"
            )
        if beyond[at] and counts[at]:
            parts.append("an end lies beyond the replicates, the most extreme of which is given")
        said[at] = "; ".join(parts)
    return said


def _replicates(
    quantities: Quantities,
    replicates: int,
    rng: np.random.Generator,
    resampling: str,
    errors_too: bool,
) -> tuple[Array, Array | None]:
    """Return estimates of the replicates (R, B, K), NaN without a minimiser, and standard errors."""
    fit = quantities.fit
    members = np.flatnonzero(solved(fit))
    if not members.size:
        raise errors.NoDensityError(
            errors.message(
                "a fit with a minimiser, to be resampled", str(fit.certificate), instead(fit)
            )
        )
    estimates, spreads = [], []
    for refit in resampled(fit, members, replicates, rng, resampling):
        own = quantities.of(refit)
        shape = (*refit.sample.batch_shape, -1)
        estimates.append(own.estimate().reshape(shape))
        if errors_too:
            with np.errstate(all="ignore"):
                spreads.append(own.errors("sandwich").reshape(shape))

    def whole(parts: list[Array]) -> Array:
        joined = np.concatenate(parts, axis=1)
        out = np.full((fit.objective.size, *joined.shape[1:]), np.nan)
        out[members] = joined
        return out

    return whole(estimates), whole(spreads) if errors_too else None


def _order_statistics(values: Array, tails: Array) -> Array:
    """Return order statistics number (B + 1)p of values (R, B, K) at p (R, K, 2), NaN left out.

    Between two of them lies their mean, weighted; an infinite one is taken where it is the nearer.
    """
    ordered = np.sort(values, axis=1)
    count = (~np.isnan(values)).sum(axis=1)[..., None]
    place = np.clip((count + 1) * tails, 1, np.maximum(count, 1)) - 1.0
    below = np.where(np.isnan(place), 0, np.floor(place)).astype(int)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    share = place - below
    # One ulp past an order statistic is rounding of (B + 1)p.
    share = np.where(share < 1e-9, 0.0, np.where(share > 1 - 1e-9, 1.0, share))
    ordered = np.swapaxes(ordered, 1, 2)
    low, high = (np.take_along_axis(ordered, i, axis=2) for i in (below, above))
    with np.errstate(invalid="ignore"):
        mean = low + share * (high - low)
    finite = np.isfinite(low) & np.isfinite(high)
    out = np.where(finite, mean, np.where(share < 0.5, low, high))
    return np.where((count > 0) & ~np.isnan(place), out, np.nan)


def _corrected(quantities: Quantities, estimate: Array, values: Array, tails: Array) -> Array:
    """Return the levels of BCa intervals, (R, K, 2)."""
    count = (~np.isnan(values)).sum(axis=1)
    below = (values < estimate[:, None]).sum(axis=1) + 0.5 * (values == estimate[:, None]).sum(
        axis=1
    )
    with np.errstate(all="ignore"):
        bias = ndtri(below / count)[..., None]
        shifted = bias + ndtri(tails)
        return np.asarray(
            ndtr(bias + shifted / (1.0 - quantities.acceleration()[..., None] * shifted))
        )


def _studentised(estimate: Array, drawn: Array, spread: Array) -> Array:
    """Return (θ* − θ̂)/se*, NaN where a replicate has no standard error."""
    with np.errstate(all="ignore"):
        t = (drawn - estimate[:, None]) / spread
    return np.where(np.isfinite(spread) & (spread > 0), t, np.nan)
