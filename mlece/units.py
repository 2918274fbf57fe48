"""Units of information: nats, bits, hartleys or any logarithm base."""

from __future__ import annotations

import math as _math

from mlece.errors import ParameterError, message

Units = str | float

_NATS_PER_UNIT = {"nats": 1.0, "bits": _math.log(2.0), "hartleys": _math.log(10.0)}


def nats_per_unit(units: Units) -> float:
    """Return how many nats one unit holds.

    Parameters
    ----------
    units : {"nats", "bits", "hartleys"} or float
        A name, or the base of a logarithm (greater than 1).

    Raises
    ------
    ParameterError
        If the name is unknown or the base is not greater than 1.

    Examples
    --------
    >>> from mlece.units import nats_per_unit
    >>> round(nats_per_unit("bits"), 4)
    0.6931
    """
    if isinstance(units, str):
        if units in _NATS_PER_UNIT:
            return _NATS_PER_UNIT[units]
    elif units > 1 and _math.isfinite(units):
        return _math.log(units)
    raise ParameterError(
        message("units 'nats', 'bits', 'hartleys' or a logarithm base above 1", repr(units))
    )


def unit_name(units: Units) -> str:
    """Return the name that a table shows for these units."""
    nats_per_unit(units)
    return units if isinstance(units, str) else f"base-{units:g} units"
