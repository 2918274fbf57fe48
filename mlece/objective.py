"""The cross-entropy of a model on a weighted sample, and its derivatives, block by block."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.evaluation import Evaluation, joined, stacked_scores, triangle
from mlece.frame import UNIT, Frame, choose_frame
from mlece.math import Array, Arrays, gammaln
from mlece.model import Model
from mlece.moments import Summary, Sums, weighted_sum
from mlece.param import Param
from mlece.sample import Sample, check_support, tabulate
from mlece.selection import median_interval, pilot_points

# Temporaries of 64 kB stay in the cache and below the size at which allocators return pages.
BLOCK = 8192
# The one pass over the data works in a buffer of its own and may take longer blocks.
_PASS = 65536


def _chunks(members: int, rows: int) -> Iterator[slice]:
    """Cut a batch so that members times the rows of a block stay in the cache."""
    step = max(1, 2 * BLOCK // max(1, min(rows, BLOCK)))
    for start in range(0, members, step):
        yield slice(start, min(start + step, members))


def _wide(a: Array, r: int) -> Array:
    """Repeat a single row r times."""
    return a if len(a) == r else np.broadcast_to(a, (r, *a.shape[1:]))


class CrossEntropy:
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
    ends : (array (R,), array (R,))
        Smallest and largest observation in the user's units.
    frame : Frame
        The standard frame of the values; they are framed before anything is summed.
    user : Frame
        The same against the user's units: a framed cross-entropy grows by ``user.log_scale``.
    """

    def __init__(self, model: Model, sample: Sample, frame: Frame | None = None) -> None:
        self.model = model
        self.size = sample.size
        self.total = sample.total
        self.sample = tabulate(sample) if model.support.discrete else sample
        if model.support.discrete:
            check_support(model, sample, sample.values.min(), sample.values.max())
        self.frame = frame or choose_frame(model, sample)
        if self.frame.shift.size not in (1, self.size):
            self.frame = UNIT
        shift, scale = (np.array([v]) for v in sample.outer)
        self.user = (
            self.frame.within(Frame(shift, scale)) if sample.outer != (0.0, 1.0) else self.frame
        )
        self.fixed: dict[str, Array] = {}
        for p, value in zip(
            model.params,
            model.to_frame(
                tuple(self.flat_slot(p) for p in model.params), self.user.shift, self.user.scale
            ),
            strict=True,
        ):
            if value is not None:
                shape = (self.size, value.shape[-1]) if p.vector else (self.size,)
                self.fixed[p.name] = np.broadcast_to(value, shape)
        self._single_row: Arrays | None = None
        self.summary = self._summarise()
        self._check_known_ends(sample)

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
        extremes = model.support.bounded_somewhere or not model.affine or model.has("_bounds")
        with np.errstate(all="ignore"):
            parts = [
                self._partial_sums(rows, extremes)
                for rows in _chunks(self._data_rows(), sample.rows)
            ]
        total = Sums(
            np.concatenate([p.weight for p in parts]),
            tuple(np.concatenate(t) for t in zip(*[p.totals for p in parts], strict=True)),
            np.concatenate([p.minimum for p in parts]),
            np.concatenate([p.maximum for p in parts]),
        )
        if extremes:
            check_support(model, sample, total.minimum, total.maximum)
        elif not all(np.all(np.isfinite(t)) for t in total.totals):
            raw = sample.values
            check_support(model, sample, raw.min(), raw.max())
        if sample.extent is not None:
            # The nodes stand for the whole support of the truth.
            low, high = (np.full_like(total.minimum, end) for end in sample.extent)
            total = replace(total, minimum=low, maximum=high)
        shift, scale = self.frame.shift, self.frame.scale
        framed = Sums(
            total.weight,
            total.totals,
            (total.minimum - shift) / scale,
            (total.maximum - shift) / scale,
        )
        summary = framed.summary(sample.rows)
        outward, stretch = sample.outer
        self.ends = (
            _wide(outward + stretch * total.minimum, self.size),
            _wide(outward + stretch * total.maximum, self.size),
        )
        if model.affine:
            self._single_row = tuple(m[:, None] for m in summary.mean)
        return self._spread(summary)

    def _check_known_ends(self, sample: Sample) -> None:
        """Refuse data beyond an end of the support that a known constant sets (trials of a Binomial)."""
        model = self.model
        if all(p.estimable for p in model.params):
            return
        theta = tuple(self.fixed.get(p.name, np.ones(self.size)) for p in model.params)
        if self.holds(theta).all():
            return
        low, high = model.bounds(model.from_frame(theta, self.frame.shift, self.frame.scale))
        y = sample.values.astype(float)
        bad = (y < np.min(low)) | (y > np.max(high))
        raise errors.SupportError(
            errors.message(
                f"{sample.name} in the support of {model!r}, {np.min(low):g} to {np.max(high):g}",
                errors.offenders(bad[0] if len(bad) == 1 else bad, y[0] if len(y) == 1 else y),
                "The cross-entropy is infinite for every member of the family",
            )
        )

    def _spread(self, s: Summary) -> Summary:
        """Give every array the full batch length."""
        if len(s.weight) == self.size:
            return s
        ends = _wide(s.minimum, self.size), _wide(s.maximum, self.size)
        mean = tuple(_wide(m, self.size) for m in s.mean)
        return Summary(mean, *ends, _wide(s.weight, self.size), s.count)

    def _data_rows(self) -> int:
        w = self.sample.weights
        return max(len(self.sample.values), 1 if w is None else len(w))

    def _partial_sums(self, rows: slice, extremes: bool) -> Sums:
        """Sum statistics, weight and extremes of some members over all blocks of observations."""
        r = rows.stop - rows.start
        sums: list[Array] = []
        low, high = np.full(r, np.inf), np.full(r, -np.inf)
        weight: Any = 0.0
        for raw, y, w in self._blocks(rows, _PASS, reuse=True):
            if self.model.affine:
                part = self.model.block_sums(y, w)
            else:
                part = self._plain_sums(y, w) if self.model.support.discrete else ()
            sums = list(part) if not sums else [a + b for a, b in zip(sums, part, strict=True)]
            weight = weight + (float(y.shape[1]) if w is None else w.sum(axis=1))
            if extremes:
                least, most = self._extremes(raw, w)
                low, high = np.minimum(low, least), np.maximum(high, most)
        if not extremes:
            low = high = np.full(r, np.nan)
        total = np.broadcast_to(np.atleast_1d(weight), (r,))
        return Sums(total, tuple(_wide(s, r) for s in sums), _wide(low, r), _wide(high, r))

    @staticmethod
    def _plain_sums(y: Array, w: Array | None) -> Arrays:
        """Sums of y, y^2 and log y! of counts, for families without affine statistics."""
        m = y.shape[1]
        return weighted_sum(y, w, m), weighted_sum(y * y, w, m), weighted_sum(gammaln(y + 1), w, m)

    @staticmethod
    def _extremes(y: Array, w: Array | None) -> tuple[Array, Array]:
        if w is not None and not np.all(w > 0):
            present = np.broadcast_to(w > 0, np.broadcast_shapes(w.shape, y.shape))
            low = np.where(present, y, np.inf).min(axis=1)
            return low, np.where(present, y, -np.inf).max(axis=1)
        return y.min(axis=1).astype(float), y.max(axis=1).astype(float)

    # ------------------------------------------------------------------ blocks

    def _blocks(
        self, rows: slice | Array, size: int = BLOCK, reuse: bool = False
    ) -> Iterator[tuple[Array, Array, Array | None]]:
        """Yield raw observations, framed observations (r or 1, m) and weights of some members.

        With ``reuse`` the framed observations of all blocks share one buffer.
        """
        y, w = self.sample.values, self.sample.weights
        y = y if len(y) == 1 else y[rows]
        w = w if w is None or len(w) == 1 else w[rows]
        count = len(y) if self.frame.shift.size == 1 else len(self.frame.shift[rows])
        size = max(1, size // count) if reuse else size
        buffer = np.empty((count, min(size, self.sample.rows))) if reuse else None
        for start in range(0, self.sample.rows, size):
            cut = slice(start, start + size)
            raw = y[:, cut]
            out = None if buffer is None else buffer[:, : raw.shape[1]]
            yield raw, self.frame.apply(raw, rows, out), None if w is None else w[:, cut]

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
        for _, y, w in self._blocks(rows):
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
        rows_per_term = 1 if self._single_row is not None and not opg else self.sample.rows
        parts = []
        with np.errstate(all="ignore"):
            for cut in _chunks(len(theta[0]), rows_per_term):
                rows: Any = cut if members is None else members[cut]
                parts.append(self._accumulate(tuple(t[cut] for t in theta), rows, order, opg))
        if len(parts) == 1:
            return parts[0].mean()
        return joined(parts).mean()

    def evaluate_shared(self, theta: Arrays, shared: Arrays) -> Evaluation:
        """Return value, score and Hessian of every member from known means of what the hooks share."""
        columns = tuple(t[:, None] for t in theta)
        means = tuple(s[:, None] for s in shared)
        with np.errstate(all="ignore"):
            return self._block_evaluation(None, columns, None, 1, 2, False, means)

    def _accumulate(self, theta: Arrays, rows: Any, order: int, opg: bool) -> Evaluation:
        columns = tuple(t[:, None] for t in theta)
        if self.model.has("_shared") and not opg:
            total = self._from_shared(columns, rows, order)
        else:
            parts = (
                self._block_evaluation(t, columns, w, m, order, opg)
                for t, w, m in self._terms(rows, opg)
            )
            total = functools.reduce(operator.add, parts)
        if self.model.has("_bounds"):
            inside = self.holds(theta, rows)
            total = replace(total, value=np.where(inside, total.value, np.inf))
        return total

    def holds(self, theta: Arrays, rows: Any = slice(None)) -> Array:
        """Tell which members have all their data in the support at framed parameters, (r,)."""
        if not self.model.has("_bounds"):
            return np.ones(len(theta[0]), dtype=bool)
        low, high = self.model.bounds(theta)
        ends = self.summary.minimum, self.summary.maximum
        least, most = ends if self.size == 1 else (e[rows] for e in ends)
        return ~np.asarray((least < low) | (most > high))

    def _from_shared(self, theta: Arrays, rows: Any, order: int) -> Evaluation:
        """Sum what the hooks share over all blocks, then call the hooks once at its mean."""
        weight, means = self._means(
            rows, len(theta[0]), lambda t: tuple(self.model.shared(t, theta)), full=False
        )
        mean = tuple(s[:, None] for s in means)
        at = self._block_evaluation(None, theta, None, 1, order, False, mean)
        return Evaluation(
            weight,
            at.value * weight,
            None if at.score is None else at.score * weight[:, None],
            None if at.hessian is None else at.hessian * weight[:, None, None],
        )

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
        weight = np.full(r, float(m)) if w is None else _wide(w.sum(axis=1), r)
        shared = self.model.shared(t, theta) if shared is None else shared
        density = self.model.log_density_hook(t, theta, shared)
        value = weighted_sum(density, w, m)
        if w is not None and np.isnan(value).any():
            # A weight of zero leaves an observation out, whatever its density.
            value = weighted_sum(np.where(w > 0, density, 0.0), w, m)
        score = hessian = outer = None
        if order >= 1 or opg:
            raw = self.model.score_hook(t, theta, shared)
            if isinstance(raw, tuple):
                score = -np.stack([_wide(weighted_sum(s, w, m), r) for s in raw], axis=-1)
            else:
                score = -weighted_sum(raw, w, m)
            if opg:
                s = np.broadcast_to(stacked_scores(raw, m), (r, m, score.shape[-1]))
                ws = s if w is None else w[:, :, None] * s
                outer = np.swapaxes(ws, 1, 2) @ s
        if order >= 2:
            raw = self.model.curvature_hook(t, theta, shared)
            if isinstance(raw, tuple):
                parts = tuple(-_wide(weighted_sum(c, w, m), r) for c in raw)
                hessian = triangle(parts, len(self.model.params))
            else:
                hessian = -weighted_sum(raw, w, m)
        return Evaluation(weight, -_wide(value, r), score, hessian, outer)

    # ------------------------------------------------------------------ what special solvers ask

    def profile_means(self, psi: Array, members: Array) -> Arrays:
        """Return the means of the profile statistics at trial values psi (r,) of some members."""
        parts = []
        with np.errstate(all="ignore"):
            for cut in _chunks(len(psi), self.sample.rows):
                column = psi[cut, None]

                def statistics(t: Any, column: Array = column) -> Arrays:
                    return tuple(self.model._profile_statistics(t, column))

                parts.append(self._means(members[cut], len(column), statistics, full=True)[1])
        return tuple(np.concatenate(p) for p in zip(*parts, strict=True))

    def _means(
        self, rows: Any, r: int, function: Callable[[Any], Arrays], full: bool
    ) -> tuple[Array, Arrays]:
        """Return the total weight (r,) and the means (r,) over observations of some arrays."""
        sums: list[Array] = []
        weight: Any = 0.0
        for t, w, m in self._terms(rows, full):
            part = [weighted_sum(a, w, m) for a in function(t)]
            sums = part if not sums else [a + b for a, b in zip(sums, part, strict=True)]
            weight = weight + (float(m) if w is None else w.sum(axis=1))
        weight = _wide(np.atleast_1d(weight), r)
        return weight, tuple(_wide(s, r) / weight for s in sums)

    def median(self) -> tuple[Array, Array]:
        """Return the weighted median interval of each member, framed, (R,) each."""
        low, high = median_interval(self.sample.values, self.sample.weights)
        if self.sample.truth is not None:
            # The two nodes beside the median of a density enclose it; they are no set of medians.
            low = high = 0.5 * (low + high)
        shift, scale = self.frame.shift, self.frame.scale
        return (
            np.broadcast_to((low - shift) / scale, (self.size,)),
            np.broadcast_to((high - shift) / scale, (self.size,)),
        )

    def mean_of(self, function: Callable[[Array], Array]) -> Array:
        """Return the weighted mean over the framed observations of a function of y (R or 1, m), (R,)."""
        total: Any = 0.0
        for _, y, w in self._blocks(slice(None)):
            total = total + weighted_sum(function(y), w, y.shape[1])
        return np.broadcast_to(total / self.summary.weight, (self.size,))

    def pilot(self, size: int = 512) -> Array:
        """Return sorted framed points (R, p) for starting values."""
        points = pilot_points(self.sample.values, self.sample.weights, size)
        framed = (points - self.frame.shift[:, None]) / self.frame.scale[:, None]
        return np.broadcast_to(framed, (self.size, framed.shape[1]))

    def thinned(self, size: int) -> CrossEntropy:
        """Return the objective on an evenly thinned sample, in the same frame."""
        return CrossEntropy(self.model, self.sample.thinned(size), self.frame)

    def restricted(self, cells: Array) -> CrossEntropy:
        """Return the objective of a Categorical on some of its cells (the others are empty)."""
        codes = np.cumsum(cells) - 1
        kept = cells[self.sample.values[0].astype(np.int64)]
        values = codes[self.sample.values[:, kept].astype(np.int64)]
        w = self.sample.weights
        sample = replace(self.sample, values=values, weights=None if w is None else w[:, kept])
        return CrossEntropy(self.model.replace(labels=range(int(cells.sum()))), sample)
