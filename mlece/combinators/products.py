"""Products with the designs of a conditional model: linear predictors, and sums by coefficient."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from mlece.combinators.terms import Term
from mlece.design import Design, Rows
from mlece.math import Array, Arrays
from mlece.moments import shaped


class Products:
    """The designs behind the slots of an inner family; slots that share one are served by one product.

    Parameters
    ----------
    layout : tuple of (Term or None, slice)
        For each slot its predictor and the places of its coefficients among all parameters.
    """

    def __init__(self, layout: tuple[tuple[Term | None, slice], ...]) -> None:
        self.layout = layout
        self.width = layout[-1][1].stop
        self._last: tuple[Arrays, Array] | None = None

    @cached_property
    def _designs(self) -> list[tuple[Design, list[int]]]:
        """The designs, and which slots of the inner family each of them serves."""
        found: dict[int, tuple[Design, list[int]]] = {}
        for i, (term, _) in enumerate(self.layout):
            if term is not None:
                found.setdefault(id(term.design), (term.design, []))[1].append(i)
        return list(found.values())

    def _joined(self, theta: Arrays) -> Array:
        """Return all parameters as (r, k); those of the last block are often those of the next."""
        if self._last is None or self._last[0] is not theta:
            self._last = theta, np.concatenate(np.broadcast_arrays(*theta), axis=1)
        return self._last[1]

    def _groups(self, rows: Rows) -> list[tuple[Design, list[int]]]:
        """Return the slots whose predictors are taken by one product."""
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            return [(design, [i]) for design, slots in self._designs for i in slots]
        return self._designs

    def predictors(self, rows: Rows, theta: Arrays) -> list[Any]:
        """Return the linear predictors (r, m) by slot, those of one design by one product."""
        out: list[Any] = [None] * len(self.layout)
        whole = self._joined(theta)
        r = len(whole)
        for design, slots in self._groups(rows):
            betas = [whole[:, self.layout[i][1]] for i in slots]
            eta = design.index(rows, betas[0] if len(betas) == 1 else np.concatenate(betas))
            for at, i in enumerate(slots):
                out[i] = eta[at * r : (at + 1) * r]
        return out

    def slopes(self, rows: Rows, parts: list[Array]) -> Array:
        """Sum over observations the derivatives (r, m) by slot into those by coefficient, (r, k)."""
        r = len(parts[0])
        score = np.empty((r, self.width))
        for i, (term, place) in enumerate(self.layout):
            if term is None:
                score[:, place] = parts[i].sum(axis=1)[:, None]
        for design, slots in self._groups(rows):
            own = [parts[i] for i in slots]
            sums = design.slope(rows, own[0] if len(own) == 1 else np.concatenate(own))
            for at, i in enumerate(slots):
                score[:, self.layout[i][1]] = sums[at * r : (at + 1) * r]
        return score

    def grams(self, rows: Rows, sums: dict[tuple[int, int], Array], r: int, m: int) -> Array:
        """Return the sums over observations of products of columns, weighted by pair, (r, k, k)."""
        k = self.width
        out = np.empty((r, k, k))
        for pairs in self._pairs(rows, list(sums)):
            parts = [shaped(sums[pair], (r, m)) for pair in pairs]
            c = parts[0] if len(parts) == 1 else np.concatenate(parts)
            one, other = (self.layout[i][0] for i in pairs[0])
            if one is None and other is None:
                blocks = c.sum(axis=1)[:, None, None]
            elif one is None or other is None:
                term = one or other
                assert term is not None
                column = term.design.slope(rows, c)
                blocks = column[:, None, :] if one is None else column[:, :, None]
            else:
                blocks = one.design.gram(rows, c, other.design)
            for at, (i, j) in enumerate(pairs):
                block, left, right = (
                    blocks[at * r : (at + 1) * r],
                    self.layout[i][1],
                    self.layout[j][1],
                )
                out[:, left, right] = block
                if i != j:
                    out[:, right, left] = np.swapaxes(block, 1, 2)
        return out

    def _pairs(self, rows: Rows, pairs: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Return the pairs of slots whose sums are taken by one product."""
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            return [[pair] for pair in pairs]
        found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for pair in pairs:
            terms = [self.layout[i][0] for i in pair]
            key = tuple(0 if term is None else id(term.design) for term in terms)
            found.setdefault(key, []).append(pair)
        return list(found.values())

    def terms_on(self, rows: slice, terms: tuple[Term, ...]) -> tuple[Term, ...]:
        """Return predictors of some of the rows, numbered anew."""
        made = {id(design): design.taken(rows) for design, _ in self._designs}
        return tuple(replace(term, design=made[id(term.design)]) for term in terms)
