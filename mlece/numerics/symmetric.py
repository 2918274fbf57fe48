"""Symmetric matrices of many members at once: inverses and sandwiches."""

from __future__ import annotations

import numpy as np

from mlece.math import Array


def symmetric_inverse(matrix: Array) -> Array:
    """Invert symmetric matrices (r, k, k), diagonals scaled to one; NaN for a singular one of several."""
    d = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    d = np.where(d > 0, d, 1.0)
    outer = d[..., :, None] * d[..., None, :]
    unit = matrix / outer
    try:
        inverse = np.linalg.inv(unit) / outer
    except np.linalg.LinAlgError:
        if len(unit) == 1:
            raise
        # One singular member spoils no other.
        alone = np.linalg.cond(unit) < 1.0 / np.finfo(float).eps
        inverse = np.full_like(unit, np.nan)
        inverse[alone] = np.linalg.inv(unit[alone]) / outer[alone]
    return np.asarray(0.5 * (inverse + np.swapaxes(inverse, -1, -2)))


def sandwich(inverse: Array, b: Array) -> Array:
    """Return A⁻¹BA⁻¹ of A⁻¹ and B, (r, k, k); an infinite entry of B reaches only what A⁻¹ ties to it."""
    if not np.isinf(b).any():
        out = inverse @ b @ inverse
    else:
        terms = inverse[:, :, :, None, None] * b[:, None, :, :, None] * inverse[:, None, None, :, :]
        # 0 · ∞ is 0 here: no weight on an infinite moment.
        free = (inverse[:, :, :, None, None] == 0) | (inverse[:, None, None, :, :] == 0)
        small = np.abs(inverse) < 1e-12 * np.abs(inverse).max(axis=(1, 2), keepdims=True)
        free |= small[:, :, :, None, None] | small[:, None, None, :, :]
        out = np.where(free, 0.0, terms).sum(axis=(2, 3))
    return np.asarray(0.5 * (out + np.swapaxes(out, -1, -2)))
