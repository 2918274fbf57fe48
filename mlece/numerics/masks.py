"""Questions to masks and constant arrays, for the short batches of which most fits are made.

numpy's own ``any``, ``all``, ``ones`` and ``full`` take a microsecond of Python each before they look at
anything, and a fit asks dozens of them.
"""

from __future__ import annotations

import numpy as np

from mlece.math import Array


def some(mask: Array) -> bool:
    """Tell whether an entry of an array of booleans is true."""
    return bool(mask) if mask.size == 1 else bool(np.count_nonzero(mask))


def every(mask: Array) -> bool:
    """Tell whether all entries of an array of booleans are true."""
    return bool(mask) if mask.size == 1 else bool(np.count_nonzero(mask) == mask.size)


def filled(shape: int | tuple[int, ...], value: float, dtype: type = float) -> Array:
    """Return an array of one number, or of one truth value."""
    out: Array = np.empty(shape, dtype)
    out.fill(value)
    return out
