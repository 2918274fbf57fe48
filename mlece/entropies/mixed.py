"""Entropies of samples that repeat themselves: rounded to a grid, or with atoms in a density."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlece import errors
from mlece.entropies.counts import chao_wang_jost, zhang
from mlece.entropies.estimate import EntropyEstimate
from mlece.entropies.neighbours import kozachenko_leonenko, usual_neighbour
from mlece.entropies.ties import Ties
from mlece.math import Array, log

GRID_CELLS = 8  # a grid is fine enough for a density when the data fill at least this many cells
GRID_COVERAGE = 0.8  # ... and the cells seen hold at least this share of the mass
ATOM = 10  # a value seen this often among data that do not tie otherwise is an atom
ATOM_SHARE = 0.01  # ... and holds at least this share of them
STANDS_OUT = 5  # times the next cell of a grid, and a twentieth of the data


def of_tied(x: Array, found: Ties) -> EntropyEstimate:
    """Estimate the entropy of a sample (n,) with ties, of which ``found`` tells.

    Raises
    ------
    DataError
        If there is neither a grid fine enough for a density nor an atom that explains the ties.
    """
    values, counts = np.unique(found.record(x), return_counts=True)
    if found.grid is None:
        atoms = counts >= max(ATOM, ATOM_SHARE * x.size)
        if atoms.any() and not (counts[~atoms] > 1).any():
            return _with_atoms(values, counts, atoms)
        raise _refusal(x, found, counts)
    order = np.sort(counts)
    atoms = counts >= max(x.size / 20, STANDS_OUT * order[-2])
    if atoms.any() and counts.size > GRID_CELLS:
        over_rest = _on_grid(x, found, counts[~atoms])
        return _joined(counts[atoms], over_rest, values[atoms])
    return _on_grid(x, found, counts)


def _on_grid(x: Array, found: Ties, cells: Array) -> EntropyEstimate:
    """Estimate a differential entropy from rounded data, where the rounding allows it.

    H_δ ≈ h - log δ: Cover and Thomas (2006), Elements of information theory, Theorem 8.3.1.
    """
    coverage = 1.0 - float((cells == 1).sum()) / float(cells.sum())
    if found.grid is None or cells.size < GRID_CELLS or coverage < GRID_COVERAGE:
        raise _refusal(x, found, cells)
    over_cells = chao_wang_jost(cells)
    return replace(
        over_cells,
        value=over_cells.value + float(np.log(found.grid)),
        method="grid",
        note=f"data rounded to {found.grid:.6g}: entropy of the cells plus the log of their width",
    )


def _with_atoms(values: Array, counts: Array, atoms: Array) -> EntropyEstimate:
    """Estimate the entropy of a law with atoms and a density, no two values of which agree."""
    rest = values[~atoms]
    k = usual_neighbour(rest.size)
    if rest.size <= k:
        raise errors.DataError(
            errors.message(
                f"more than {k} values of a density beside the atoms",
                f"{rest.size}",
                "Use discrete=True if the values are a discrete law",
            )
        )
    return _joined(counts[atoms], kozachenko_leonenko(rest, k), values[atoms])


def _joined(atoms: Array, density: EntropyEstimate, places: Array) -> EntropyEstimate:
    """Join atoms (a,) seen so often and the density of the remaining observations.

    With respect to Lebesgue measure plus unit masses at the atoms the entropy is that of the choice
    between the atoms and the density, plus (1 - p) times that of the density.
    """
    counts = np.append(atoms, density.n)
    n = int(counts.sum())
    share = counts / n
    height = -log(share)
    height[-1] += density.value
    centre = float(share @ height)
    # The variance of -log p(X): between the parts, and within the density.
    spread = float(share @ np.square(height - centre)) + share[-1] * density.n * density.se**2
    shown = ", ".join(f"{v:.6g}" for v in places[:3]) + (", ..." if places.size > 3 else "")
    note = (
        f"{100 * (1 - share[-1]):.3g} % of the data are at {places.size} atom"
        f"{'' if places.size == 1 else 's'} ({shown}): entropy with respect to length plus a unit "
        "mass at each"
    )
    return EntropyEstimate(
        float(zhang(counts).value + share[-1] * density.value),
        float(np.sqrt(spread / n)),
        f"atoms + {density.method}",
        n,
        note=f"{note}; {density.note}" if density.note else note,
    )


def _refusal(x: Array, found: Ties, cells: Array) -> errors.DataError:
    once = float((cells == 1).sum())
    grid = "no common grid" if found.grid is None else f"a grid of {found.grid:g}"
    return errors.DataError(
        errors.message(
            f"observations of a density without ties, with atoms seen {ATOM} times or more, or "
            f"rounded to a grid that at least {GRID_CELLS} filled cells with a coverage of "
            f"{GRID_COVERAGE:g} describe",
            f"{found.fraction:.3g} of the observations tied, {grid}, {found.distinct} distinct "
            f"values, coverage {1 - once / x.size:.3g}",
            "Ask for discrete=True (chao-wang-jost and others) if the values are a discrete law, "
            "or round the data further",
        )
    )
