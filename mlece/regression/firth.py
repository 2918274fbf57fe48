r"""Firth's penalty: half the log determinant of the expected information, Jeffreys' prior.

With the weights ω(η) that the expected information of one response gives to its row x of the design, I(β) =
Σ w ω(x'β) x x', and the cross-entropy is penalised by −log det I(β) / (2n). Its derivatives are those of
the determinant: with D_a = Σ w ω' x_a x x' and h = x' I⁻¹ x,

    ∂_a log det I = tr(I⁻¹ D_a),   ∂_a ∂_b log det I = Σ w ω'' h x_a x_b − tr(I⁻¹ D_a I⁻¹ D_b) .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.penalties import Added, BoundPenalty
from mlece.combinators.terms import Term, dense, rows_of
from mlece.design import Rows
from mlece.families.counts import Poisson
from mlece.families.index import BernoulliIndex, BinomialIndex
from mlece.math import Array, Arrays, exp, expit

# Numbers in a block of products of columns.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class Firth:
    """Jeffreys' prior as a penalty (Firth 1993): −(1/2n) log det of the expected information.

    It removes the bias of order 1/n of the coefficients of canonical links, and makes estimates of
    separated data finite (Heinze and Schemper 2002; Kosmidis and Firth 2021). It is offered for
    Bernoulli and Binomial probabilities with any named link and for Poisson rates with the log link.

    References
    ----------
    Firth, D. (1993). Bias reduction of maximum likelihood estimates. Biometrika 80, 27-38.

    Heinze, G. and Schemper, M. (2002). A solution to the problem of separation in logistic
    regression. Statistics in Medicine 21, 2409-2419.

    Kosmidis, I. and Firth, D. (2021). Jeffreys-prior penalty, finiteness and shrinkage in
    binomial-response generalized linear models. Biometrika 108, 71-82.
    """

    convex = False

    def __repr__(self) -> str:
        return "'firth'"

    def on(self, model: Conditional, sample: Any, scale: Array) -> BoundPenalty:
        """Return the log determinant for the rows and weights of a sample."""
        term, trials = _only(model)
        place = next(place for own, place in model._layout if own is term)
        rows = rows_of(sample.values)
        w = np.ones((1, sample.rows)) if sample.weights is None else sample.weights
        n = np.asarray(w.sum(axis=1))
        if trials is not None:
            w = w * (trials[rows] if trials.ndim else trials)
        # One function of all coefficients, so that holding some of them profiles it.
        return _LogDeterminant(term, rows, w, n, place, weights_of(model), len(model.params))


def offered(model: Conditional) -> bool:
    """Tell whether the expected information of a model is one that Firth's penalty knows."""
    found = [term for term in model.terms if term.design.width]
    inner = model.inner
    poisson = isinstance(inner, Poisson) and bool(found) and found[0].link.name == "log"
    known = isinstance(inner, BernoulliIndex | BinomialIndex) and inner.link.name in _CURVES
    return len(found) == 1 and (poisson or known)


def require_firth(model: Conditional) -> None:
    """Raise unless Firth's penalty is offered for a model."""
    if not offered(model):
        raise errors.ParameterError(
            errors.message(
                "a Bernoulli or Binomial probability with a named link, or a Poisson rate with the log "
                "link, for penalty='firth'",
                f"{model!r:.80}",
                "penalty=mlece.ridge(strength) holds for every family",
            )
        )


def _only(model: Conditional) -> tuple[Term, Array | None]:
    """Return the one predictor of a model, and the numbers of trials (n,) or () if there are any."""
    term = next(term for term in model.terms if term.design.width)
    if not isinstance(model.inner, BinomialIndex):
        return term, None
    offsets = [one.design.offset for one in model.terms if one.slot == "n"]
    return term, np.asarray(model.inner.slots["n"] if not offsets else offsets[0])


# (log f)'' of the density f of a link, which is all that the third derivative of log F needs.
_CURVES: dict[str, Callable[[Array], Array]] = {
    "logit": lambda eta: -2.0 * np.asarray(expit(eta)) * np.asarray(expit(-eta)),
    "probit": lambda eta: np.full_like(eta, -1.0),
    "cloglog": lambda eta: -exp(eta),
    "loglog": lambda eta: -exp(-eta),
    "cauchit": lambda eta: -2.0 * (1.0 - eta**2) / (1.0 + eta**2) ** 2,
}


def weights_of(model: Conditional) -> Callable[[Array], tuple[Array, Array, Array]]:
    """Return what gives the expected information of a trial or a count in η, with two derivatives."""
    if isinstance(model.inner, Poisson):

        def of_counts(eta: Array) -> tuple[Array, Array, Array]:
            mean = exp(eta)
            return mean, mean, mean

        return of_counts
    link: Any = model.inner.link  # type: ignore[attr-defined]
    curve = _CURVES[link.name]

    def of_trials(eta: Array) -> tuple[Array, Array, Array]:
        # ω = f²/(F (1 − F)) = −a b with a = (log F)', b = (log (1 − F))'; a' = a (l − a), b' = b (l − b)
        # with l = (log f)', so that a'' and b'' need no more than l'.
        a, a1, b, b1 = link.log_pair_derivatives(eta)
        bend = curve(eta)
        with np.errstate(all="ignore"):
            a2 = np.where(a == 0, 0.0, a1 * (a1 / a) + a * (bend - a1))
            b2 = np.where(b == 0, 0.0, b1 * (b1 / b) + b * (bend - b1))
        return -a * b, -(a1 * b + a * b1), -(a2 * b + 2.0 * a1 * b1 + a * b2)

    return of_trials


@dataclass(frozen=True, eq=False)
class _LogDeterminant:
    """−(1/2n) log det Σ w ω x x' over the coefficients of one predictor."""

    term: Term
    rows: Rows
    w: Array
    n: Array
    place: slice
    weights: Callable[[Array], tuple[Array, Array, Array]]
    width: int

    def at(self, theta: Arrays, members: Any) -> Added:
        """Return value, slope and bend at framed parameters."""
        beta = np.stack(theta[self.place], axis=-1)
        r = len(beta)
        design = self.term.design
        w = self.w if len(self.w) == 1 else self.w[members]
        n = self.n if len(self.n) == 1 else self.n[members]
        rows = self.rows
        if isinstance(rows, np.ndarray) and rows.ndim == 2:
            rows = rows[members]
        x = dense(design, rows)
        x = x if x.ndim == 3 else x[None]
        with np.errstate(all="ignore"):
            first, second, third = self.weights(design.index(rows, beta))
        inside, inverse, root = _information(x, w * first)
        slopes = _each_column(x, w * second)
        turned = inverse[:, None] @ slopes
        slope = np.einsum("raii->ra", turned)
        leverage = np.einsum("rni,rij,rnj->rn", np.broadcast_to(x, (r, *x.shape[1:])), inverse, x)
        bend = _gram(x, w * third * leverage)
        bend -= np.einsum("raij,rbji->rab", turned, turned)
        share = (0.5 / n)[:, None]
        whole, flat = np.zeros((r, self.width)), np.zeros((r, self.width, self.width))
        whole[:, self.place] = -share * slope
        flat[:, self.place, self.place] = -share[:, :, None] * bend
        log_det = np.where(inside, 2.0 * root, -np.inf)
        return Added(-share[:, 0] * log_det, whole, flat)


def _information(x: Array, c: Array) -> tuple[Array, Array, Array]:
    """Return whether Σ c x x' is positive definite, its inverse, and half its log determinant."""
    matrix = _gram(x, c)
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


def _gram(x: Array, c: Array) -> Array:
    """Return Σ c x x', (r, k, k)."""
    return np.asarray(np.swapaxes(x, 1, 2) @ (c[:, :, None] * x))


def _each_column(x: Array, c: Array) -> Array:
    """Return Σ c x_a x x' for every column a, (r, k, k, k)."""
    r, (n, k) = len(c), x.shape[1:]
    out = np.zeros((r, k, k * k))
    step = max(1, _BLOCK // max(1, r * k * k))
    for start in range(0, n, step):
        part = x[:, start : start + step]
        products = (part[..., :, None] * part[..., None, :]).reshape(len(part), -1, k * k)
        out += np.swapaxes(part * c[:, start : start + step, None], 1, 2) @ products
    return out.reshape(r, k, k, k)
