"""Counting how often each of a few integers occurs."""

from __future__ import annotations

import numpy as np

from mlece.math import Array

# Codes of a block; a table of 2^14 cells, the largest, fits the caches beside them.
_CODES = 1 << 17
_LONG = 1 << 16  # from here on the grouping pays
_BITS = 14


def tally(y: Array, cells: int) -> Array:
    """Count how often each integer from 0 to ``cells`` - 1 occurs in a vector of them, (cells,).

    Where there are few cells, three or four values are counted as one: an increment has to wait for the
    one before if both are of the same cell, so that fewer and more scattered ones are faster.
    """
    bits = max(1, (cells - 1).bit_length())
    group = min(4, _BITS // bits)
    if group < 3 or y.size < _LONG:
        return np.bincount(y, minlength=cells)
    table = np.zeros(1 << group * bits, dtype=np.int64)
    # Codes of at most 14 bits: four of them are handled in the time of one integer of 64 bits.
    codes, narrow = np.empty((2, _CODES), dtype=np.uint16)
    whole = y.size // group
    parts = y[: group * whole].reshape(group, whole)
    for start in range(0, whole, _CODES):
        first, *others = parts[:, start : start + _CODES]
        code, other = codes[: first.size], narrow[: first.size]
        code[:] = first
        for part in others:
            other[:] = part
            code <<= bits
            code |= other
        table += np.bincount(code, minlength=table.size)
    out = np.bincount(y[group * whole :], minlength=1 << bits)
    for axis in range(group):
        sides = table.reshape(1 << axis * bits, 1 << bits, -1)
        out += sides.sum(axis=(0, 2))
    return out[:cells]
