r"""Firth's penalty: half the log determinant of the expected information, Jeffreys' prior.

With the expected information ω_ij(η) of one response in the predictors η_1, ..., η_s of its slots,
I(β) = Σ w ω_ij x_i x_j' summed over observations and slots, and the cross-entropy is penalised by
−log det I(β) / (2n). Its derivatives are those of the determinant: with D_a = ∂I/∂β_a and h_ij =
x_i' I⁻¹ x_j,

    ∂_a log det I = tr(I⁻¹ D_a),
    ∂_a ∂_b log det I = Σ w (∂_s(a) ∂_s(b) ω_ij) h_ij x_a x_b − tr(I⁻¹ D_a I⁻¹ D_b) .

The family declares ω in its own parameters as jets; links make it one of the predictors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.penalties import Added, BoundPenalty
from mlece.combinators.terms import Term, rows_of
from mlece.design import Rows
from mlece.domain import real
from mlece.families.ordinal import Ordinal
from mlece.likelihood.conditional_moments import columns_at
from mlece.links.bijection import Bijection
from mlece.math import Array, Arrays
from mlece.numerics.jets import Jet, Pairs, compose, variables
from mlece.sample import Sample

# Numbers in a block of jets, and of products of columns.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Firth:
    """Jeffreys' prior as a penalty (Firth 1993): −(1/2n) log det of the expected information.

    It removes the bias of order 1/n of the coefficients of canonical links (logit, log of Poisson rates,
    log-ratios of labels), and makes estimates of separated data finite (Heinze and Schemper 2002; Kosmidis
    and Firth 2021). For other links, and for labels in an order, it makes them finite and shrinks them; the
    bias is another matter (Kosmidis 2014). It is offered for Bernoulli and Binomial probabilities with
    any named link, Categorical and Ordinal labels, and for Poisson, Geometric, NegativeBinomial (of known
    size), Exponential and MeanGamma (of known shape) with a link from the whole line; with a log link it is
    constant for the last two. Every label between others of an Ordinal law must have been seen: the density
    of the prior has no bound where the cut points on its two sides meet.

    References
    ----------
    Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.

    Heinze, G. and Schemper, M. (2002). A solution to the problem of separation in logistic
    regression. Statistics in Medicine 21, 2409-2419.

    Kosmidis, I. (2014). Improved estimation in cumulative link models. Journal of the Royal Statistical
    Society B 76, 169-196.

    Kosmidis, I. and Firth, D. (2011). Multinomial logit bias reduction via the Poisson log-linear
    model. Biometrika 98, 755-759.

    Kosmidis, I. and Firth, D. (2021). Jeffreys-prior penalty, finiteness and shrinkage in
    binomial-response generalized linear models. Biometrika 108, 71-82.
    """

    convex = False

    def __repr__(self) -> str:
        return "'firth'"

    def __str__(self) -> str:
        return "'firth', Jeffreys' prior"

    def on(self, model: Conditional, sample: Any, scale: Array) -> BoundPenalty:
        """Return the log determinant for the rows and weights of a sample."""
        w = np.ones((1, sample.rows)) if sample.weights is None else sample.weights
        factors = model.frame_factors(scale)
        # One function of all coefficients, so that holding some of them profiles it.
        own = [factors[i] for i in _places(model)]
        turned = 2.0 * sum(np.log(np.abs(np.atleast_1d(factor))) for factor in own)
        return _LogDeterminant(model, rows_of(sample.values), w, np.asarray(turned))


def offered(model: Conditional) -> bool:
    """Tell whether a family declares its expected information in all that is estimated of it.

    A link that ends where the parameter does might be reached there, by a density without bound.
    """
    inner = model.inner
    varying = _varying(model)
    if not inner.has("_information") or not varying:
        return False
    terms: list[Term | None] = [model._layout[i][0] for i in varying]
    for i, term in zip(varying, terms, strict=True):
        if term is not None and term.link.name == "identity":
            if inner.params[i].domain != real:
                return False
        elif term is not None and (term.link.source != real or not _is_curved(term.link)):
            return False
    middle = variables(*[np.asarray(sum(p.typical) / 2.0) for p in inner.params])
    with np.errstate(all="ignore"):
        known = inner._information(*middle)
    return all((i, i) in known for i in varying)


def _is_curved(link: Bijection) -> bool:
    """Tell whether a link has the third derivative that an information in η needs."""
    return type(link).log_slope_derivatives is not Bijection.log_slope_derivatives


def require_firth(model: Conditional) -> None:
    """Raise unless Firth's penalty is offered for a model."""
    if not offered(model):
        raise errors.ParameterError(
            errors.message(
                "a family with a known expected information for penalty='firth': Bernoulli, Binomial, "
                "Categorical or Ordinal labels, Poisson, Geometric, Exponential, NegativeBinomial with a "
                "known size or MeanGamma with a known shape, and a link from the whole line",
                f"{model!r:.80}",
                "penalty=mlece.ridge(strength) holds for every family",
            )
        )


def unbounded(model: Conditional, sample: Sample) -> Array:
    """Tell for which members Jeffreys' prior outweighs the likelihood, (R,).

    Where the cut points on the two sides of a label meet, det I grows like one over its probability p:
    with a total weight W of that label the posterior goes like p^(W − 1/2).
    """
    inner = model.inner
    if not isinstance(inner, Ordinal):
        return np.zeros(sample.size, dtype=bool)
    codes = model.split(sample.values)
    (totals,) = inner.block_sums(codes, sample.weights)
    return np.broadcast_to((totals[:, 1:-1] <= 0.5).any(axis=1), (sample.size,))


def _varying(model: Conditional) -> list[int]:
    """Return the slots of the inner family that are estimated: those whose coefficients are."""
    return [
        i
        for i, (p, (term, _)) in enumerate(zip(model.inner.params, model._layout, strict=True))
        if (term.design.width if term else p.estimable and model.inner.slots[p.name] is None)
    ]


def _places(model: Conditional) -> list[int]:
    """Return where the coefficients and parameters of these slots stand among all."""
    places = [model._layout[i][1] for i in _varying(model)]
    return [j for place in places for j in range(place.start, place.stop)]


def information_of(model: Conditional, etas: list[Array], varying: list[int]) -> Pairs:
    """Return the expected information of observations in the predictors of their slots, as jets in these.

    Parameters
    ----------
    model : Conditional
    etas : list of arrays (r, m)
        The linear predictor of every slot, or its value where it has none.
    varying : list of int
        The slots that are variables.
    """
    moving = dict(zip(varying, variables(*[etas[i] for i in varying]), strict=True))
    natural: list[Any] = []
    slopes: dict[int, Jet] = {}
    for i, (eta, (term, _)) in enumerate(zip(etas, model._layout, strict=True)):
        u = moving.get(i)
        if term is None or term.link.name == "identity":
            natural.append(eta if u is None else u)
        elif u is None:
            natural.append(term.link.forward(eta))
        else:
            first, second = term.link.derivatives(eta)
            natural.append(compose(term.link.forward(eta), (first,), (second,), (u,)))
            tilt, bend = term.link.log_slope_derivatives(eta)
            third = first * (bend + tilt * tilt)
            slopes[i] = compose(first, (second,), (third,), (u,))
    out = {}
    for (i, j), value in model.inner._information(*natural).items():
        if i in moving and j in moving:
            for k in (i, j):
                value = value * slopes[k] if k in slopes else value
            out[i, j] = value
    return out


@dataclass(frozen=True, eq=False)
class _LogDeterminant:
    """−(1/2n) log det Σ w ω_ij x_i x_j' over coefficients and parameters, in the user's units.

    Parameters
    ----------
    model : Conditional
    rows : Rows
    w : array (R or 1, n)
    turned : array (R or 1,)
        What the log determinant in the frame has more than that of the user's coefficients.
    """

    model: Conditional
    rows: Rows
    w: Array
    turned: Array

    @cached_property
    def _slots(self) -> list[int]:
        return _varying(self.model)

    @cached_property
    def _own(self) -> Any:
        return np.array(_places(self.model))

    def at(self, theta: Arrays, members: Any) -> Added:
        """Return value, slope and bend at framed parameters."""
        w = self.w if len(self.w) == 1 else self.w[members]
        turned = self.turned if len(self.turned) == 1 else self.turned[members]
        rows = self.rows
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            rows = rows[members]
        r, own = len(theta[0]), self._own
        columns = tuple(np.reshape(t, (-1, 1)) for t in theta)
        pairs = len(self._slots) * (len(self._slots) + 1) // 2
        # Products of columns, and a jet of as many second derivatives for every pair.
        each = r * max(len(own) ** 2, pairs * (pairs + len(self._slots) + 1))
        blocks = list(_cut(rows, w, max(1, _BLOCK // each)))
        with np.errstate(all="ignore"):
            grams = [self._gram(columns, part, weights) for part, weights in blocks]
            inside, inverse, half = _inverted(np.sum(grams, axis=0))
            slopes = np.zeros((r, len(own), len(own), len(own)))
            bend = np.zeros((r, len(own), len(own)))
            for part, weights in blocks:
                self._differentiate(columns, part, weights, inverse, slopes, bend)
        turned_slopes = inverse[:, None] @ slopes
        slope = np.einsum("raii->ra", turned_slopes)
        bend -= np.einsum("raij,rbji->rab", turned_slopes, turned_slopes)
        share = (0.5 / w.sum(axis=1))[:, None]
        k = len(self.model.params)
        whole, flat = np.zeros((r, k)), np.zeros((r, k, k))
        whole[:, own] = -share * slope
        flat[:, own[:, None], own] = -share[:, :, None] * bend
        log_det = np.where(inside, 2.0 * half - turned, -np.inf)
        return Added(-share[:, 0] * log_det, whole, flat)

    def _jets(self, theta: Arrays, rows: Rows) -> Pairs:
        """Return the information of a block of observations."""
        found = self.model._products.predictors(rows, theta)
        etas = [
            theta[place.start] if eta is None else eta
            for eta, (_, place) in zip(found, self.model._layout, strict=True)
        ]
        wide = np.broadcast_shapes(*[np.shape(eta) for eta in etas])
        etas = [np.broadcast_to(eta, wide) for eta in etas]
        return information_of(self.model, etas, self._slots)

    def _sums(self, rows: Rows, parts: dict[tuple[int, int], Any], shape: tuple[int, int]) -> Array:
        """Return the sums over observations of products of columns, weighted by pair of slots."""
        slots = self._slots
        whole = {
            (i, j): np.broadcast_to(parts.get((i, j), 0.0), shape)
            for i in slots
            for j in slots
            if i <= j
        }
        out = self.model._products.grams(rows, whole, *shape)
        return np.asarray(out[:, self._own[:, None], self._own])

    def _gram(self, theta: Arrays, rows: Rows, w: Array) -> Array:
        jets = self._jets(theta, rows)
        shape = len(theta[0]), w.shape[1]
        return self._sums(rows, {pair: w * jet.value for pair, jet in jets.items()}, shape)

    def _differentiate(
        self, theta: Arrays, rows: Rows, w: Array, inverse: Array, slopes: Array, bend: Array
    ) -> None:
        """Add a block to the derivatives of I, (r, a, i, j), and to Σ w ω_ij'' h_ij x_a x_b, (r, a, b)."""
        jets, slots = self._jets(theta, rows), self._slots
        x = columns_at(self.model, rows)[..., self._own]
        shape = len(theta[0]), w.shape[1]
        ends = np.cumsum([0, *[len(_own_places(self.model, i)) for i in slots]])
        at = {i: slice(ends[k], ends[k + 1]) for k, i in enumerate(slots)}
        curves = {(s, t): 0.0 for k, s in enumerate(slots) for t in slots[k:]}
        for (i, j), jet in jets.items():
            left, right = x[..., at[i]], x[..., at[j]]
            # Off the diagonal a pair stands for two.
            h = ((left @ inverse[:, at[i], at[j]]) * right).sum(axis=-1) * (1.0 + (i != j)) * w
            for pair, second in zip(curves, jet.second, strict=True):
                curves[pair] = curves[pair] + h * second
            pulled = np.zeros((*shape, x.shape[-1]))
            for s, first in zip(slots, jet.first, strict=True):
                pulled[..., at[s]] = (w * first)[..., None] * x[..., at[s]]
            products = left[..., :, None] * right[..., None, :]
            products = products.reshape(len(x), shape[1], -1)
            block = (np.swapaxes(pulled, 1, 2) @ products).reshape(
                len(pulled), -1, left.shape[-1], right.shape[-1]
            )
            slopes[:, :, at[i], at[j]] += block
            if i != j:
                slopes[:, :, at[j], at[i]] += np.swapaxes(block, 2, 3)
        bend += self._sums(rows, curves, shape)


def _own_places(model: Conditional, slot: int) -> range:
    place = model._layout[slot][1]
    return range(place.start, place.stop)


def _cut(rows: Rows, w: Array, length: int) -> Iterator[tuple[Rows, Array]]:
    """Cut observations and their weights into blocks."""
    n = w.shape[1]
    for start in range(0, n, length):
        stop = min(start + length, n)
        if isinstance(rows, slice):
            step = rows.step or 1
            first = (rows.start or 0) + start * step
            part: Rows = slice(first, first + (stop - start - 1) * step + 1, step)
        else:
            part = rows[..., start:stop]
        yield part, w[:, start:stop]


def _inverted(matrix: Array) -> tuple[Array, Array, Array]:
    """Return whether matrices are positive definite, their inverses, and half their log determinants."""
    size = np.sqrt(np.einsum("rii->ri", matrix))
    inside = np.isfinite(size).all(axis=1) & (size > 0).all(axis=1)
    unit = np.where(inside[:, None], size, 1.0)
    scaled = np.where(
        inside[:, None, None], matrix / unit[:, :, None] / unit[:, None, :], np.eye(len(size[0]))
    )
    values, vectors = np.linalg.eigh(scaled)
    inside = inside & (values[:, 0] > 0)
    values = np.where(inside[:, None], values, np.nan)
    inverse = (vectors / values[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    half = 0.5 * np.log(values).sum(axis=1) + np.log(unit).sum(axis=1)
    return inside, inverse / unit[:, :, None] / unit[:, None, :], half
