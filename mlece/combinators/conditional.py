"""p(y | x): a family whose slots vary with covariates, as one model with the coefficients as slots.

An observation is a response together with the number of its row in the designs. The inner family is
asked for density, score and curvature at one set of parameters for each observation; the chain rule
through links and designs makes derivatives in the coefficients of them. So a conditional fit is a fit like
any other, and every question that can be asked of a fit can be asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional_limits import conditional_limits
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.penalties import Penalty
from mlece.combinators.products import Products
from mlece.combinators.rowwise import RowLaws
from mlece.combinators.terms import (
    Point,
    Rowed,
    Term,
    coefficient,
    dense,
    mobility,
    moved_coefficients,
    one_maximum,
    rows_of,
)
from mlece.design import Rows, joint_length
from mlece.families.rowwise import Rowwise
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.moments import Summary, present, present_sum, shaped
from mlece.numerics.selection import shift_of, spread_of, unit_of
from mlece.param import Param


class Conditional(Model, abstract=True):
    """A family given covariates.

    Parameters
    ----------
    *args, **slots
        Coefficients and the remaining parameters, in order or by name.
    inner : Model
        The family; slots with a predictor and those to be estimated are free.
    terms : tuple of Term
        The predictors.
    respond : callable, optional
        Makes the family that users know of the parameters of the inner one, by name.
    label : str
        Name of the family that users know, where it is another.
    penalty : Penalty, optional
        What is minimised beside the cross-entropy; the density knows nothing of it.
    """

    _observations = "responses with covariates"
    inner: Model
    terms: tuple[Term, ...]

    def __init__(
        self,
        *args: Any,
        inner: Model,
        terms: tuple[Term, ...],
        respond: Callable[..., Model] | None = None,
        label: str = "",
        penalty: Penalty | None = None,
        **slots: Any,
    ) -> None:
        found = {term.slot: term for term in terms}
        params: list[Param] = []
        layout: list[tuple[Term | None, slice]] = []
        for p in inner.params:
            term, start = found.get(p.name), len(params)
            params += [p] if term is None else [coefficient(name) for name in term.names]
            layout.append((term, slice(start, len(params))))
            value = inner.slots[p.name]
            if term is None and value is not None and start >= len(args):
                slots.setdefault(p.name, value)
        facts: dict[str, Any] = {
            "inner": inner,
            "terms": terms,
            "respond": respond,
            "label": label,
            "penalty": penalty,
            "params": tuple(params),
            "_layout": tuple(layout),
            "_width": (inner._width or 1) + 1,
            "sums_blocks": joint_length([term.design for term in terms]),
            "support": inner.support,
            "concave": one_maximum(inner, terms, penalty),
            "limit_families": conditional_limits(
                partial(Conditional, penalty=penalty), inner, terms
            ),
        }
        for name, fact in facts.items():
            object.__setattr__(self, name, fact)
        super().__init__(*args, **slots)

    _layout: tuple[tuple[Term | None, slice], ...]
    respond: Callable[..., Model] | None
    label: str
    penalty: Penalty | None

    def places(self) -> Iterator[tuple[Term, slice]]:
        """Yield the predictors and where their coefficients stand among the parameters."""
        for term, place in self._layout:
            if term is not None:
                yield term, place

    @property
    def settings(self) -> dict[str, Any]:
        """The inner family, its predictors, the family that users know and the penalty."""
        names = ("inner", "terms", "respond", "label", "penalty")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        told = [f"{term.label}: {', '.join(term.design.names)}" for term in self.terms]
        return f"{self.label or self.family.title} given {'; '.join(told)}"

    @property
    def title(self) -> str:
        """Name of the family in reports."""
        return f"{self.label or self.inner.title} given covariates"

    @property
    def family(self) -> Model:
        """The inner family, for complete observations."""
        inner: Any = self.inner
        hidden = is_incomplete(inner)
        family: Model = inner.complete(**inner.held, **inner.settings) if hidden else inner
        return family

    def __reduce__(self) -> Any:
        return _made_again, (dict(self.slots), self.settings)

    # ------------------------------------------------------------------ observations

    def split(self, values: Array) -> Array:
        """Return the responses (..., n), or (..., n, d), of observations (..., n, width)."""
        return values[..., :-1] if self.inner._width else values[..., 0]

    def statistics(self, y: Array) -> Rowed:
        """Return what the hooks take: inner statistics, and rows."""
        return Rowed(self.split(y), rows_of(y), self.inner.statistics)

    def points(self, values: Array) -> Array:
        """Return one number (R, n) for each response."""
        return self.inner.points(self.split(values))

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return what the support must begin below and what it must end above."""
        return self.inner.reach(self.split(values))

    def density_share(self, summary: Summary) -> Any:
        """Return the share of responses that enter by a density."""
        return self.inner.density_share(summary)

    def log_unit(self, scale: Array) -> Array:
        """Return the log of the scale of the responses, (R,)."""
        return super().log_unit(scale[..., 0] if scale.ndim == 2 else scale)

    def _block_sums(self, y: Array, w: Array | None) -> Arrays:
        """Return the sums that tell which share of incomplete responses is exact."""
        own = is_incomplete(self.inner)
        return self.inner.block_sums(self.split(y), w) if own else ()

    @property
    def measure(self) -> str:
        """What dominates the law."""
        return self.inner.measure

    # ------------------------------------------------------------------ frames

    def roles(self) -> set[str]:
        """Coefficients follow a change of units by their own rules, in ``to_frame``."""
        return set()

    def turns(self) -> bool:
        """A predictor of an angle is no angle."""
        return False

    @cached_property
    def _mobile(self) -> tuple[bool, bool]:
        """Whether coefficients can follow a shift, and a change of scale, of the response."""
        return mobility(self.inner, [term for term, _ in self._layout])

    def pilot_frame(self, values: Array) -> tuple[Array, Array] | None:
        """Return shift and scale (R, width): those of the responses, none for the row."""
        shifts, scales = self._mobile
        if not scales:
            return None
        points = self.points(values)[:, :: max(1, values.shape[1] // 65)]
        low, middle, high = np.quantile(points, (0.25, 0.5, 0.75), axis=1)
        reach = high - low if shifts else np.zeros_like(middle)
        scale = unit_of(spread_of(reach, np.ptp(points, axis=1) if shifts else reach, middle))
        shift = shift_of(middle, high - low) if shifts else np.zeros_like(middle)
        if not (shift.any() or (scale != 1).any()):
            return None
        out = np.zeros((2, len(shift), self._width))
        out[1] = 1.0
        out[0, :, :-1], out[1, :, :-1] = shift[:, None], scale[:, None]
        return out[0], out[1]

    def _moved(self, theta: Arrays, shift: Any, scale: Any, into: bool) -> Arrays:
        shift, scale = (a[..., 0] if np.ndim(a) == 2 else a for a in (shift, scale))
        out: list[Any] = []
        for p, (term, place) in zip(self.inner.params, self._layout, strict=True):
            own = list(theta[place])
            if term is None:
                move = p.to_frame if into else p.from_frame
                out += [None if v is None else move(v, shift, scale) for v in own]
            else:
                out += moved_coefficients(p.role, term, own, (shift, scale), into)
        return tuple(out)

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map coefficients and parameters to those of the framed response."""
        return self._moved(theta, shift, scale, True)

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map coefficients and parameters of the framed response back."""
        return self._moved(theta, shift, scale, False)

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each coefficient and parameter."""
        scale = scale[..., 0] if np.ndim(scale) == 2 else scale
        out: list[Any] = []
        for p, (term, place) in zip(self.inner.params, self._layout, strict=True):
            straight = term is None or term.link.name == "identity"
            factor = p.frame_factor(scale) if straight else 1.0
            out += [factor] * (place.stop - place.start)
        return out

    # ------------------------------------------------------------------ the chain rule

    def _linked(self, rows: Rows, theta: Arrays) -> tuple[list[Array], list[Any], list[Any]]:
        """Return the inner parameters at rows, and their derivatives in the predictors."""
        natural: list[Array] = []
        first: list[Array | None] = []
        second: list[Array | None] = []
        predictors = self._products.predictors(rows, theta)
        for (term, place), eta in zip(self._layout, predictors, strict=True):
            if term is None or term.link.name == "identity":
                natural.append(theta[place.start] if eta is None else eta)
                first.append(None)
                second.append(None)
                continue
            natural.append(term.link.forward(eta))
            slope, bend = term.link.derivatives(eta)
            first.append(slope)
            second.append(bend)
        return natural, first, second

    def shared(self, t: Rowed, theta: Arrays) -> Point:
        """Return the inner parameters at each observation, and their slopes in the predictors."""
        natural, first, second = self._linked(t.rows, theta)
        whole = tuple(natural)
        shared = self.inner.rowwise(t.responses, whole)
        shared = self.inner.shared(t.inner, whole) if shared is None else shared
        return Point(t, whole, tuple(first), tuple(second), shared)

    @cached_property
    def _products(self) -> Products:
        return Products(self._layout)

    def on_rows(self, rows: slice) -> Conditional:
        """Return the model whose observations are some rows of the designs, numbered anew."""
        terms = self._products.terms_on(rows, self.terms)
        return Conditional(**{**dict(self.slots), **self.settings, "terms": terms})

    def log_density_hook(self, t: Rowed, theta: Arrays, shared: Any = None) -> Array:
        """Return the log density of responses given their covariates, (r, m)."""
        point = self.shared(t, theta) if shared is None else shared
        if isinstance(point.shared, Rowwise):
            return np.asarray(point.shared.value)
        inner = self.inner
        out = inner.log_density_hook(point.at.inner, point.theta, point.shared)
        if inner.has("_bounds") and not inner._width:
            out = np.where(inner.inside(point.at.responses, point.theta), out, -np.inf)
        return np.asarray(out)

    def _inner_score(self, point: Point) -> Any:
        if isinstance(point.shared, Rowwise):
            return point.shared.score
        return self.inner.score_hook(point.at.inner, point.theta, point.shared)

    def _inner_curvature(self, point: Point) -> Any:
        if isinstance(point.shared, Rowwise):
            return point.shared.curvature
        return self.inner.curvature_hook(point.at.inner, point.theta, point.shared)

    def _slopes(self, point: Point) -> list[Array]:
        """Return the derivatives of the log density in predictors and parameters, (r, m) each."""
        raw = self._inner_score(point)
        return [s if f is None else s * f for s, f in zip(raw, point.first, strict=True)]

    def _bends(self, point: Point) -> dict[tuple[int, int], Array]:
        """Return the second derivatives in predictors and parameters, by pairs i <= j, (r, m) each."""
        raw, score = self._inner_curvature(point), self._inner_score(point)
        k, at = len(self.inner.params), 0
        out = {}
        for i in range(k):
            for j in range(i, k):
                bend = raw[at]
                at += 1
                for f in (point.first[i], point.first[j]):
                    bend = bend if f is None else bend * f
                second = point.second[i]
                if i == j and second is not None:
                    bend = bend + score[i] * second
                out[i, j] = bend
        return out

    def score_hook(self, t: Rowed, theta: Arrays, shared: Any = None) -> Array:
        """Return the score of each observation in all coefficients and parameters, (r, m, k)."""
        point = self.shared(t, theta) if shared is None else shared
        slopes = self._slopes(point)
        shape = np.broadcast_shapes(*[np.shape(s) for s in slopes])
        out = np.empty((*shape, len(self.params)))
        for slope, (term, place) in zip(slopes, self._layout, strict=True):
            covariates = 1.0 if term is None else dense(term.design, point.at.rows)
            out[..., place] = slope[..., None] * covariates
        return out

    def curvature_hook(self, t: Rowed, theta: Arrays, shared: Any = None) -> Array:
        """Return the second derivatives of each observation, (r, m, k, k)."""
        point = self.shared(t, theta) if shared is None else shared
        bends = self._bends(point)
        shape = np.broadcast_shapes(*[np.shape(b) for b in bends.values()])
        k = len(self.params)
        out = np.empty((*shape, k, k))
        ones = np.ones(1)
        columns = [
            ones if term is None else dense(term.design, point.at.rows) for term, _ in self._layout
        ]
        for (i, j), bend in bends.items():
            left, right = self._layout[i][1], self._layout[j][1]
            block = bend[..., None, None] * (columns[i][..., :, None] * columns[j][..., None, :])
            out[..., left, right] = block
            if i != j:
                out[..., right, left] = np.swapaxes(block, -1, -2)
        return out

    def summed(
        self, t: Rowed, theta: Arrays, w: Array | None, m: int, order: int, opg: bool
    ) -> tuple[Array, Array | None, Array | None, Array | None]:
        """Return sums over a block of the log density and its derivatives, none of them by observation.

        Parameters
        ----------
        t : Rowed
        theta : tuple of arrays (r, 1)
        w : array (r or 1, m), optional
        m : int
            Number of observations.
        order : {0, 1, 2}
        opg : bool
            Whether the outer products of the scores are wanted.

        Returns
        -------
        value (r,), score (r, k), curvature (r, k, k), outer products (r, k, k)
        """
        point = self.shared(t, theta)
        r = len(theta[0])
        sums = present_sum(shaped(self.log_density_hook(t, theta, point), (r, m)), w, m)
        if order < 1 and not opg:
            return sums, None, None, None
        slopes = [shaped(s, (r, m)) for s in self._slopes(point)]
        score = self._products.slopes(t.rows, [present(slope, w) for slope in slopes])
        outer = curvature = None
        if opg:
            pairs = {
                (i, j): slopes[i] * slopes[j]
                for i in range(len(slopes))
                for j in range(i, len(slopes))
            }
            outer = self._products.grams(
                t.rows, {key: present(v, w) for key, v in pairs.items()}, r, m
            )
        if order >= 2:
            bends = self._bends(point)
            curvature = self._products.grams(
                t.rows, {key: present(v, w) for key, v in bends.items()}, r, m
            )
        return sums, score, curvature, outer

    # ------------------------------------------------------------------ distributions

    def located(self, values: Array) -> Array:
        """Return NaN: responses with covariates have no order."""
        return np.full(values.shape[:-1], np.nan)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask (...), True where the response lies in the family's support."""
        own = self.split(y)
        if self.inner._width:
            return np.ones(own.shape[:-1], dtype=bool)
        return np.asarray(self.support.contains(own))

    def _require_order(self) -> None:
        raise errors.NoDensityError(
            errors.message(
                "a law at covariates for a distribution function",
                self._observations,
                "fit.predict(given) is that law, fit.functional(function, given=...) a function of it",
            )
        )

    def own_frame(self, theta: Arrays) -> tuple[Array, Array]:
        """Return no shift and no scale: every observation has its own."""
        return np.asarray(0.0), np.asarray(1.0)

    def responses(self, rows: Rows = slice(None)) -> Model:
        """Return the distributions of the responses at some rows of the designs.

        Returns
        -------
        Model
            Of the family that was named, its slots arrays (m,), behind the batch axes (..., m).
        """
        batch = self.batch_shape
        theta = tuple(np.broadcast_to(v, batch).reshape(-1, 1) for v in self.theta)
        natural, _, _ = self._linked(rows, theta)
        m = max(np.shape(v)[1] for v in natural)
        values = {
            p.name: np.broadcast_to(v, (len(theta[0]), m)).reshape(*batch, m)
            for p, v in zip(self.inner.params, natural, strict=True)
        }
        if self.respond is not None:
            return self.respond(**values)
        family = self.family
        return family.member(*values.values())

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw a response at each row of the designs, batch_shape + tail + (width,)."""
        rows = self.terms[0].design.rows
        if not tail or tail[-1] != rows:
            raise errors.ParameterError(
                errors.message(
                    f"a size that ends in {rows}, one response for each row of covariates",
                    f"{tail}",
                    "fit.predict(new) is the distribution at other covariates",
                )
            )
        law = RowLaws(self.responses())
        draws = law.draw((int(np.prod(tail[:-1])), rows), rng)
        out = np.empty((*self.batch_shape, *tail, self._width))
        out[..., :-1] = draws.reshape(*self.batch_shape, *tail, 1)
        out[..., -1] = np.arange(rows)
        return out

    def _by_member(self, hook: Callable[[Any, Arrays], Array], y: Any) -> Array:
        """Evaluate a hook at observations (..., n, width) behind the batch axes of the members."""
        values = self.encode(y)
        rows, size = values.shape[:-1], self.batch_shape
        theta = tuple(np.broadcast_to(v, size).reshape(-1, 1) for v in self.theta)
        flat = values.reshape(-1, *values.shape[-2:])
        with np.errstate(all="ignore"):
            out = np.asarray(hook(self.statistics(flat), theta))
        return out.reshape(*(rows if size == () else (*size, rows[-1])), *out.shape[2:])

    def log_density(self, y: Any) -> Array:
        """Return log q(y | x) of observations (..., n, width), minus infinity outside the support."""
        inside = self.inside(self.encode(y), self.theta)
        return np.where(inside, self._by_member(self.log_density_hook, y), -np.inf)

    def score(self, y: Any) -> Array:
        """Return the scores (..., n, k) of observations (..., n, width)."""
        return self._by_member(self.score_hook, y)

    def encode(self, y: Any) -> Array:
        """Return observations as they are: (..., width) numbers."""
        return np.asarray(y, dtype=float)


def _made_again(slots: dict[str, Any], settings: dict[str, Any]) -> Conditional:
    return Conditional(**slots, **settings)
