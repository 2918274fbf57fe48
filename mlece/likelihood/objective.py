"""The cross-entropy of a model on a weighted sample, and its derivatives, block by block."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlece.combinators.penalties import penalised
from mlece.likelihood.evaluation import (
    Evaluation,
    joined,
    negative_sums,
    of_one_member,
    stacked_scores,
    symmetric,
)
from mlece.likelihood.frame import UNIT, Frame, choose_frame
from mlece.likelihood.framed import APART, BLOCK, BOTH, FramedSample, another
from mlece.likelihood.tilt import Tilt, tilted_sums
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import (
    ROOM,
    Summary,
    Sums,
    plain_sums,
    present_sum,
    repeated,
    room,
    stacked,
    weighted_sum,
    wide,
)
from mlece.numerics.masks import every, filled
from mlece.param import Param, facts_of
from mlece.sample import Sample, check_ends, check_support, tabulate
from mlece.sources.expectation import tail_divergent

# Sums that need no temporaries, or keep them in scratch arrays, take longer blocks.
_LONG = 1 << 20


def _chunks(members: int, rows: int) -> Iterator[slice]:
    """Cut a batch so that members times the rows of a block stay in the cache."""
    step = max(1, 2 * BLOCK // max(1, min(rows, BLOCK)))
    for start in range(0, members, step):
        yield slice(start, min(start + step, members))


class CrossEntropy(FramedSample):
    """E_p[−log q_θ] for p a weighted sample, in the standard frame.

    Parameters
    ----------
    model : Model
        The family; its filled slots are fixed.
    sample : Sample
        Observations or quadrature nodes.

    Attributes
    ----------
    summary : Summary
        Mean statistics and extremes.
    frame : Frame
        The standard frame of the values; they are framed before anything is summed.
    user : Frame
        The same against the user's units: a framed cross-entropy grows by ``log_scale``.
    """

    def __init__(self, model: Model, sample: Sample, frame: Frame | None = None) -> None:
        self.model = model
        self.size = sample.size
        self.total = sample.total
        counts = model.support.discrete and not model._width
        self.sample = tabulate(sample) if counts else sample
        if counts:
            # A table holds the extremes of what it was made from, where nothing has weight 0.
            known = self.sample if sample.weights is None else sample
            check_support(model, sample, known.values.min(), known.values.max())
        with np.errstate(all="ignore"):
            self._read(frame)
        self._check_known_ends(sample)

    def _read(self, frame: Frame | None) -> None:
        model, sample = self.model, self.sample
        self.frame = frame or choose_frame(model, sample)
        if len(self.frame.shift) not in (1, self.size):
            self.frame = UNIT
        self.user = self.frame
        if sample.outer != (0.0, 1.0):
            shift, scale = (np.array([v]) for v in sample.outer)
            self.user = self.frame.within(Frame(shift, scale))
        self.fixed = self._framed_slots() if len(model.free) < len(model.params) else {}
        self._slots = tuple([self.fixed.get(p.name) for p in model.params])
        self._single_row: Arrays | None = None
        self._last: tuple[Arrays, Evaluation] | None = None
        self.summary = self._summarise()

    def _framed_slots(self) -> dict[str, Array]:
        """Return the filled slots in the standard frame, (R,) each."""
        out: dict[str, Array] = {}
        model, frame = self.model, self.user
        slots = tuple(self.flat_slot(p) for p in model.params)
        framed = model.to_frame(slots, frame.shift, frame.scale)
        for p, value in zip(model.params, framed, strict=True):
            if value is not None:
                shape = (self.size, value.shape[-1]) if p.vector else (self.size,)
                out[p.name] = np.broadcast_to(value, shape)
        return out

    @functools.cached_property
    def log_scale(self) -> Array:
        """What the cross-entropy gains from the frame to the user's units, (R,)."""
        unit = self.model.log_unit(self.user.scale)
        return np.asarray(unit * self.model.density_share(self.summary))

    def flat_slot(self, p: Param) -> Any:
        """Return a filled slot in the user's units with the batch axes flattened, None if free."""
        value = self.model.slots[p.name]
        if value is None:
            return None
        shape = self.sample.batch_shape
        if p.vector:
            return np.broadcast_to(value, (*shape, value.shape[-1])).reshape(-1, value.shape[-1])
        return np.broadcast_to(value, shape).reshape(-1)

    # ------------------------------------------------------------------ the one pass over the data

    def _summarise(self) -> Summary:
        model, sample = self.model, self.sample
        ends = self._needed_ends()
        parts = [self._partial_sums(rows, ends) for rows in _chunks(self._data_rows(), sample.rows)]
        total = parts[0] if len(parts) == 1 else stacked(parts)
        if model._width or model.support.discrete:
            # Observations of several components were checked where they were read, counts before they
            # were counted.
            pass
        elif ends == BOTH:
            check_support(model, sample, total.minimum, total.maximum)
        elif not all(every(np.isfinite(t)) for t in total.totals):
            raw = sample.values
            check_support(model, sample, raw.min(), raw.max())
        elif ends:
            # A sum that is finite holds no value that is not.
            check_support(model, sample, total.minimum, total.minimum)
        if sample.extent is not None:
            # The nodes stand for the whole support of the truth.
            low, high = (np.full_like(total.minimum, end) for end in sample.extent)
            total = replace(total, minimum=low, maximum=high)
        self._raw_ends = framed = total.minimum, total.maximum
        if self.frame.moves and self.frame.shift.ndim == 1:
            low, high = ((end - self.frame.shift) / self.frame.scale for end in framed)
            framed = low, high
        summary = total.summary(sample.rows, framed)
        if model.affine:
            self._single_row = tuple([m[:, None] for m in summary.mean])
        return summary.repeated(self.size)

    @property
    def ends(self) -> tuple[Array, Array]:
        """Smallest and largest observation in the user's units, (R,) each."""
        outward, stretch = self.sample.outer
        low, high = (wide(outward + stretch * end, self.size) for end in self._raw_ends)
        return low, high

    def _check_known_ends(self, sample: Sample) -> None:
        """Refuse data beyond an end of the support that a known constant sets (trials of a Binomial)."""
        model = self.model
        if model._width or not facts_of(model.params).constants:
            return
        if not self.excluded().any():
            return
        shift, scale = self.frame.shift, self.frame.scale
        settled = model.settled_bounds(self.fixed_slots())
        low, high = (np.reshape(end * scale + shift, (-1, 1)) for end in settled)
        check_ends(sample, low, high, repr(model))

    def _data_rows(self) -> int:
        w = self.sample.weights
        return max(len(self.sample.values), 1 if w is None else len(w))

    def _partial_sums(self, rows: slice, ends: tuple[str, ...]) -> Sums:
        """Sum statistics, weight and extremes of some members over all blocks of observations."""
        r = rows.stop - rows.start
        model = self.model
        sums: list[Array] = []
        low: Any = np.inf if ends else np.nan
        high: Any = -np.inf if len(ends) == 2 else np.nan
        weight: Any = 0.0
        still = not self.frame.moves and self.sample.values.dtype == np.float64
        own = model.affine or model.has("_block_sums")
        if model._width:
            size = BLOCK
        elif not (model.affine or model.support.discrete) or (still and model.has("_block_sums")):
            size = _LONG
        else:
            size = ROOM // r if model.has("_block_sums") else BLOCK
        for raw, w in self._cuts(rows, size):
            part: Arrays = ()
            if own:
                part = model.block_sums(self._framed(raw, rows), w)
            elif model.support.discrete and not model._width:
                part = plain_sums(self.frame.apply(raw, rows), w)
            sums = list(part) if not sums else [a + b for a, b in zip(sums, part, strict=True)]
            weight = weight + (float(raw.shape[1]) if w is None else w.sum(axis=1))
            if ends == BOTH:
                below, above = self.model.reach(raw)
                least, most = self._extremes(below, w)
                if above is not below:
                    most = self._extremes(above, w)[1]
                low, high = np.minimum(low, least), np.maximum(high, most)
            elif ends:
                low = np.minimum(low, np.minimum.reduce(raw, axis=1))
                high = another(raw, low, high) if ends == APART else high
        totals = tuple([wide(s, r) for s in sums])
        return Sums(repeated(weight, r), totals, repeated(low, r), repeated(high, r))

    def _terms(self, rows: slice | Array, full: bool) -> Iterator[tuple[Any, Array | None, int]]:
        """Yield what the hooks take (statistics or observations), the weights and the row count."""
        if self._single_row is not None and not full:
            first = self._single_row[0]
            yield (
                self._single_row if len(first) == 1 else tuple(t[rows] for t in self._single_row),
                None,
                1,
            )
            return
        for y, w in self._blocks(rows):
            yield self.model.statistics(y), w, y.shape[1]

    # ------------------------------------------------------------------ evaluation

    def evaluate(
        self,
        theta: Arrays,
        order: int = 2,
        members: Array | None = None,
        opg: bool = False,
    ) -> Evaluation:
        """Return the mean of −log q and its derivatives up to ``order`` at framed parameters.

        Parameters
        ----------
        theta : tuple of arrays (r,) or (r, K)
            Framed natural parameters.
        order : {0, 1, 2}
            Highest derivative.
        members : array of int (r,), optional
            Members of the batch that theta belongs to; all by default.
        opg : bool
            Whether to add the outer products of the per-observation scores.
        """
        whole = members is None or self._are_all(members)
        if self.model.has("_shared"):
            # The pass over the data is the same, and its derivatives may be asked for next.
            order = 2
        known = self._known(theta, order) if whole and not opg else None
        if known is not None:
            return known
        rows_per_term = 1 if self._single_row is not None and not opg else self.sample.rows
        parts = []
        with np.errstate(all="ignore"):
            for cut in _chunks(len(theta[0]), rows_per_term):
                rows: Any = cut if members is None else members[cut]
                parts.append(self._accumulate(tuple(t[cut] for t in theta), rows, order, opg))
        out = parts[0] if len(parts) == 1 else joined(parts)
        if self.penalty is not None:
            out = penalised(out, self.penalty.at(theta, slice(None) if whole else members))
        if whole and not opg:
            self._last = theta, out
        return out

    def _are_all(self, members: Array) -> bool:
        """Tell whether these are the members of the batch, each once and in order."""
        one = len(members) == self.size == 1
        return one or np.array_equal(members, np.arange(self.size))

    def _known(self, theta: Arrays, order: int) -> Evaluation | None:
        """Return the last evaluation if it was at these parameters, to that order."""
        if self._last is None:
            return None
        known, at = self._last
        enough = order == 0 or (at.hessian if order == 2 else at.score) is not None
        return at if enough and all(map(np.array_equal, known, theta)) else None

    def evaluate_shared(self, theta: Arrays, shared: Arrays) -> Evaluation:
        """Return value, score and Hessian of every member from known means of what the hooks share."""
        columns = tuple(t[:, None] for t in theta)
        means = tuple(s[:, None] for s in shared)
        with np.errstate(all="ignore"):
            return self._block_evaluation(None, columns, None, 1, 2, False, means)

    def _accumulate(self, theta: Arrays, rows: Any, order: int, opg: bool) -> Evaluation:
        columns = tuple([t[:, None] for t in theta])
        if self.model.has("_shared") and not opg:
            total = self._from_shared(columns, rows, order)
        else:
            parts = (
                self._block_evaluation(t, columns, w, m, order, opg)
                for t, w, m in self._terms(rows, opg)
            )
            total = functools.reduce(operator.add, parts).mean()
        if self.model.has("_bounds"):
            inside = self.holds(theta, rows)
            if not every(inside):
                total = replace(total, value=np.where(inside, total.value, np.inf))
        if self.diverges(theta):
            total = replace(total, value=np.full_like(total.value, np.inf))
        return total

    def diverges(self, theta: Arrays) -> bool:
        """Tell whether the expectation of -log q under a known truth diverges at a member theta, (1,)."""
        rule = self.sample.rule
        if rule is None or self.model.affine or rule.count != self.sample.rows:
            return False
        t = self.model.statistics(self.frame.apply(self.sample.values, slice(None)))
        terms = -self.model.log_density_hook(t, tuple(p[:, None] for p in theta))[0]
        return bool(np.isnan(terms).any() or tail_divergent(rule, terms))

    def fixed_slots(self) -> tuple[Array | None, ...]:
        """Return the framed values of the filled slots in declared order, None for free ones."""
        return self._slots

    def excluded(self) -> Array:
        """Tell which members have data beyond an end of the support that filled slots settle, (R,)."""
        if not self.model.has("_bounds"):
            return np.zeros(self.size, dtype=bool)
        low, high = self.model.settled_bounds(self.fixed_slots())
        return np.asarray((self.summary.minimum < low) | (self.summary.maximum > high))

    def holds(self, theta: Arrays, rows: Any = slice(None)) -> Array:
        """Tell which members have all their data in the support at framed parameters, (r,)."""
        if not self.model.has("_bounds"):
            return filled(len(theta[0]), True, bool)
        low, high = self.model.bounds(theta)
        ends = self.summary.minimum, self.summary.maximum
        least, most = ends if self.size == 1 else (e[rows] for e in ends)
        return ~np.asarray((least < low) | (most > high))

    def _from_shared(self, theta: Arrays, rows: Any, order: int) -> Evaluation:
        """Average what the hooks share over all blocks, then call the hooks once at its mean."""
        model, r = self.model, len(theta[0])
        pole = model._pole(*theta) if model.has("_pole") and self.sample.rows > BLOCK else ()
        if pole:
            means = model._pole_shared(self._pole_means(pole, rows), *theta)
        elif model.has("_shared_sums"):
            _, means = self._summed(rows, r, lambda y, w: self._shared_block(y, w, theta))
        else:
            _, means = self._means(rows, r, lambda t: tuple(model.shared(t, theta)), full=False)
        if r == 1 and model.has("_shared_sums"):
            numbers = tuple(t[0, 0] for t in theta), tuple(s[0] for s in means)
            return of_one_member(model, *numbers)
        mean = tuple(s[:, None] for s in means)
        return self._block_evaluation(None, theta, None, 1, order, False, mean)

    def _block_evaluation(
        self,
        t: Any,
        theta: Arrays,
        w: Array | None,
        m: int,
        order: int,
        opg: bool,
        shared: Any = None,
    ) -> Evaluation:
        r = len(theta[0])
        weight = repeated(float(m) if w is None else w.sum(axis=1), r)
        if self.model.sums_blocks:
            value, score, hessian, outer = self.model.summed(t, theta, w, m, order, opg)
            score, hessian = (None if s is None else -s for s in (score, hessian))
            return Evaluation(weight, -value, score, hessian, outer)
        shared = self.model.shared(t, theta) if shared is None else shared
        density = self.model.log_density_hook(t, theta, shared)
        value = present_sum(density, w, m)
        score = hessian = outer = None
        if order >= 1 or opg:
            raw = self.model.score_hook(t, theta, shared)
            score = negative_sums(raw, w, m, r)
            if opg:
                s = np.broadcast_to(stacked_scores(raw, m), (r, m, score.shape[-1]))
                ws = s if w is None else w[:, :, None] * s
                outer = np.swapaxes(ws, 1, 2) @ s
        if order >= 2:
            raw = self.model.curvature_hook(t, theta, shared)
            hessian = negative_sums(raw, w, m, r)
            if isinstance(raw, tuple):
                hessian = symmetric(hessian, len(self.model.params))
        return Evaluation(weight, -wide(value, r), score, hessian, outer)

    # ------------------------------------------------------------------ what special solvers ask

    def profile_means(self, psi: Array, members: Array) -> Arrays:
        """Return the means of the profile statistics at trial values psi (r,) of some members."""
        model, parts = self.model, []
        with np.errstate(all="ignore"):
            if model.has("_tilt"):
                return self._tilted_means(np.asarray(model._tilt_rate(psi)), members)
            for cut in _chunks(len(psi), self.sample.rows):
                column = psi[cut, None]

                def statistics(t: Any, column: Array = column) -> Arrays:
                    return tuple(self.model._profile_statistics(t, column))

                parts.append(self._means(members[cut], len(column), statistics, full=True)[1])
        return tuple(np.concatenate(p) for p in zip(*parts, strict=True))

    def _tilted_means(self, rate: Array, members: Array) -> Arrays:
        """Return the means of l and of l^j e^(rate l), j = 0, 1, 2, reading the data where necessary."""
        far, out = np.arange(len(rate)), np.empty((4, len(rate)))
        if self.sample.rows * len(rate) > BLOCK:
            # Reading a few thousand values again is faster than the expansion.
            out, exact = self._tilt.near(rate, members)
            far = np.flatnonzero(~exact)
        for cut in _chunks(len(far), self.sample.rows):
            some = far[cut]
            rows, column = members[some], rate[some, None]

            def sums(y: Array, w: Array | None, column: Array = column) -> Arrays:
                return tilted_sums(self.model._tilt(y, room(y.shape)), w, column)

            means = np.array(self._summed(rows, len(some), sums)[1])
            self._tilt.keep(rate[some], rows, means)
            out[:, some] = means[: len(out)]
        return tuple(out)

    def _shared_block(self, y: Array, w: Array | None, theta: Arrays) -> Arrays:
        """Sum what the hooks share over a block; plainly where the scratch arrays overflowed."""
        sums: Arrays = self.model._shared_sums(y, w, *theta)
        # One check for all of them: a sum of numbers is no number where one of them is none.
        if sums and every(np.isfinite(functools.reduce(operator.add, sums))):
            return sums
        shared = self.model.shared(self.model.statistics(y), theta)
        return tuple(weighted_sum(a, w, y.shape[1]) for a in shared)

    @functools.cached_property
    def _tilt(self) -> Tilt:
        ends = self.summary.minimum, self.summary.maximum
        low, high = (self.model._tilt(end, np.empty_like(end)) for end in ends)
        return Tilt(np.maximum(low, high))

    def _means(
        self, rows: Any, r: int, function: Callable[[Any], Arrays], full: bool
    ) -> tuple[Array, Arrays]:
        """Return the total weight (r,) and the means (r,) over observations of some arrays."""
        sums: list[Array] = []
        weight: Any = 0.0
        for t, w, m in self._terms(rows, full):
            part = [present_sum(a, w, m) for a in function(t)]
            sums = part if not sums else [a + b for a, b in zip(sums, part, strict=True)]
            weight = weight + (float(m) if w is None else w.sum(axis=1))
        weight = repeated(weight, r)
        return weight, tuple(wide(s, r) / weight for s in sums)

    def largest_ratio(self, theta: Arrays) -> Array:
        """Return the largest mean of q_k/q over the components of a mixture, (R,).

        The weights are optimal for these components if and only if it is 1; its logarithm bounds what
        other weights could gain (Lindsay 1983).
        """
        mixture: Any = self.model
        columns = tuple(t[:, None] for t in theta)
        weights, _ = mixture.split(theta)

        def ratios(t: Any) -> Arrays:
            terms = mixture.terms(t, columns)
            top = terms.max(axis=0)
            total = top + np.log(np.exp(terms - top).sum(axis=0))
            return tuple(np.exp(terms - total - weights[:, :, None]))

        with np.errstate(all="ignore"):
            means = self._means(slice(None), self.size, ratios, full=True)[1]
        return np.asarray(np.max(means, axis=0))

    def thinned(self, size: int) -> CrossEntropy:
        """Return the objective on an evenly thinned sample, in the same frame."""
        # Where the support moves with the parameters, a solution must hold the extremes to be a start.
        sample = self.sample.thinned(size, ends=self.model.has("_bounds"))
        part = CrossEntropy(self.model, sample, self.frame)
        part.partial = True
        return part

    def restricted(self, cells: Array) -> CrossEntropy:
        """Return the objective of a Categorical on some of its cells (the others are empty)."""
        codes = np.cumsum(cells) - 1
        kept = cells[self.sample.values[0].astype(np.int64)]
        values = codes[self.sample.values[:, kept].astype(np.int64)]
        w = self.sample.weights
        sample = replace(self.sample, values=values, weights=None if w is None else w[:, kept])
        return CrossEntropy(self.model.replace(labels=range(int(cells.sum()))), sample)
