"""Repeated observations and the grid to which data were rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.randomness import stream

# Units recorded but written as decimals (1/60 as 0.017), apart from powers of ten.
_PARTS = (*range(2, 13), 16, 20, 24, 30, 32, 36, 40, 48, 50, 60, 64, 100, 120, 144, 240, 360, 3600)
_COARSER = 4  # steps of the written decimals to one of the unit recorded, at the least
_CHANCE = 1e-9  # of decimals agreeing with a unit that nobody used
_DIGITS = 13  # of a decimal number; with more, rounding alone makes any number look like one
_PLACES = 300
_SELDOM = 1e-7  # ties by the spacing of floats that need not be reckoned with
_ROUNDED = 100  # times as many: what has been through a logarithm is rounded more coarsely


@dataclass(frozen=True)
class Ties:
    """How far a sample repeats itself.

    Parameters
    ----------
    fraction : float
        Share of the observations that equal another one, but for what the spacing of floats does to a
        density far from 0: at 1e9 two of 10,000 Gaussian observations are one float.
    distinct : int
        Number of different values, those that only the spacing of floats makes equal counted as such.
    grid : float or None
        The largest δ of which all differences are multiples, or the unit fraction of which the
        values are decimal forms; None where there is none above the rounding of the numbers.
    origin : float
        A point of the grid.
    """

    fraction: float
    distinct: int
    grid: float | None
    origin: float = 0.0

    def record(self, x: Array) -> Array:
        """Return numbers rounded to the grid, in their shape."""
        if self.grid is None:
            return x
        return np.asarray(self.origin + self.grid * np.round((x - self.origin) / self.grid))


def ties(x: Any) -> Ties:
    """Find repeated observations and the grid to which data were rounded.

    Parameters
    ----------
    x : array_like (n,)
        Observations.

    Returns
    -------
    Ties
        The share of tied observations and the grid.

    Raises
    ------
    DataError
        If a value is not finite or there is none.

    Notes
    -----
    The grid is the greatest common divisor δ of the differences: exactly for decimal numbers, else
    by Euclid's algorithm with remainders below 1e-6 of the divisor counted as zero. But whole
    seconds written as minutes to three decimals have δ = 0.001 and were recorded in steps of 1/60.
    So a unit fraction g >= 4 δ, or a power of ten times one, is the grid if every value lies within
    δ of a multiple of it (decimals may be rounded or cut off) and chance would do that with
    probability (2 δ/g)^distinct < 1e-9.

    Examples
    --------
    >>> from mlece.entropies.ties import ties
    >>> found = ties([1.2, 1.4, 1.2, 2.0])
    >>> found.fraction, found.distinct, round(found.grid, 12)
    (0.5, 3, 0.2)
    >>> seconds = [97, 101, 118, 119, 135, 216, 217, 242, 251, 260]
    >>> round(60 * ties([round(s / 60, 3) for s in seconds]).grid, 12)
    1.0
    """
    values, counts = np.unique(finite(x).ravel(), return_counts=True)
    tied = float(counts[counts > 1].sum() / counts.sum())
    step = _grid(values)
    if tied and step is None and _by_spacing(np.sort(np.ravel(finite(x)))[None]):
        return Ties(0.0, int(counts.sum()), None)
    unit = None if step is None else _unit_recorded(values, step)
    if unit is not None:
        return Ties(tied, values.size, unit, 0.0)
    return Ties(tied, values.size, step, float(values[0]))


def _grid(values: Array) -> float | None:
    """Return the common divisor of the differences of sorted distinct values."""
    if values.size < 2:
        return None
    return _decimal_divisor(values) or _divisor(values)


def _decimal_divisor(values: Array) -> float | None:
    """Return the common divisor of differences of decimal numbers, None for other numbers."""
    first = int(np.ceil(-np.log10(np.abs(values).max())))
    for places in range(max(first, -_PLACES), min(first + _DIGITS, _PLACES)):
        power = 10.0 ** abs(places)
        # A few values suffice to see that most samples have more decimals.
        for some in (values[:64], values):
            whole = some * power if places >= 0 else some / power
            near = np.round(whole)
            if (np.abs(whole - near) > 4 * np.finfo(float).eps * np.abs(whole)).any():
                break
        else:
            steps = float(np.gcd.reduce(np.diff(near.astype(np.int64))))
            return steps / power if places >= 0 else steps * power
    return None


def _divisor(values: Array) -> float | None:
    """Return the common divisor of the differences by Euclid's algorithm."""
    gaps = np.diff(values)
    floor = 1e-9 * max(float(np.abs(values).max()), float(values[-1] - values[0]))
    step = float(gaps.min())
    for _ in range(64):
        if step <= floor:
            return None
        rest = np.abs(gaps - step * np.round(gaps / step))
        left = rest > 1e-6 * step + floor * 1e-3
        if not left.any():
            # The whole range over its number of steps averages the rounding of single gaps.
            span = float(values[-1] - values[0])
            return span / float(np.round(span / step))
        step = float(rest[left].min())
    return None


def _unit_recorded(values: Array, step: float) -> float | None:
    """Return the largest unit fraction that explains values written in steps, None without one."""
    span = float(values[-1] - values[0])
    powers = 10.0 ** np.arange(np.floor(np.log10(step)), np.ceil(np.log10(span)) + 4)
    units = np.unique(np.outer(powers, 1.0 / np.array(_PARTS)))[::-1]
    units = units[(units >= _COARSER * step) & (units <= span)]
    for unit in units[values.size * np.log(2 * step / units) < np.log(_CHANCE)]:
        off = np.abs(values - unit * np.round(values / unit))
        if off.max() < step * (1 - 1e-6):
            return float(unit)
    return None


def finite(x: Any) -> Array:
    """Validate numbers: at least one, all finite."""
    try:
        values = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        raise errors.DataTypeError(
            errors.message("numbers", f"{type(x).__name__}", "Labels need discrete=True")
        ) from None
    if values.size == 0:
        raise errors.DataError(errors.message("at least one observation", "none"))
    bad = ~np.isfinite(values)
    if bad.any():
        raise errors.DataError(errors.message("finite numbers", errors.offenders(bad, values)))
    return values


def untied(ordered: Array) -> Array:
    """Return sorted samples (..., n) of a density without ties, about another origin where there are any.

    Far from 0 floats lie so far apart that observations of a density are equal now and then. They are
    counted from the middle, which is exact, and spread over the spacing of the floats.

    Raises
    ------
    DataError
        If more of them are equal than the spacing explains.
    """
    repeated = np.diff(ordered, axis=-1) == 0
    if not repeated.any():
        return ordered
    rows = ordered.reshape(-1, ordered.shape[-1])
    if not _by_spacing(rows):
        raise tied_error(repeated, ordered[..., 1:])
    near = rows - np.median(rows, axis=1, keepdims=True)
    near += np.spacing(np.abs(rows)) * (stream(0).random(rows.shape) - 0.5)
    out = np.sort(near, axis=1).reshape(ordered.shape)
    repeated = np.diff(out, axis=-1) == 0
    if repeated.any():
        raise tied_error(repeated, ordered[..., 1:])
    return out


def _by_spacing(rows: Array) -> bool:
    """Tell whether sorted samples (r, n) tie hardly more often than the spacing of floats explains."""
    n = rows.shape[1]
    spacing = np.spacing(np.abs(rows[:, n // 2]))
    width = rows[:, (3 * n) // 4] - rows[:, n // 4]
    if not (width > 0).all():
        return False
    # Pairs that meet in a cell: n²/2 times the cell times ∫ f², which is 0.38 / (its middle half).
    expected = float((0.19 * n * n * spacing / width).sum())
    count = int(np.count_nonzero(np.diff(rows, axis=1) == 0))
    return expected > _SELDOM and count <= _ROUNDED * expected + 2


def tied_error(repeated: Array, values: Array) -> errors.DataError:
    """Return the error for densities estimated from observations that repeat themselves."""
    return errors.DataError(
        errors.message(
            "observations of a density, which never tie",
            f"equal values, {errors.offenders(repeated, values)} (sorted order)",
            "The data are discrete or rounded: use discrete=True, or estimate_entropy, which "
            "looks for the grid",
        )
    )
