"""Families whose parameters are real indices: what a regression of probabilities is computed in.

A probability F(index) rounds to 0 or 1 long before its logarithm, or that of its complement, leaves the
range of the floats. These families never form it: density and derivatives come from log F and
log (1 − F), and from log-ratios where there are more than two categories.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from mlece.arrays import numeric, require_finite
from mlece.domain import binary, counts, positive_integer, probability, real
from mlece.errors import DataError, ParameterError, message, unknown_name
from mlece.families.counts import Binomial, Geometric, binomial_log_mass
from mlece.families.expected_information import of_labels, of_successes, of_waits
from mlece.families.finite import Bernoulli, Categorical
from mlece.families.labels import Each, PerLabel
from mlece.families.rowwise import IndexRows, LabelRows, LogitRows, SoftLabelRows
from mlece.limits import Limit, Status, full, or_fixed
from mlece.links.bijection import LINKS, UnitLink
from mlece.links.tails import Symmetric
from mlece.math import (
    Array,
    Arrays,
    digamma,
    exp,
    floor,
    inf,
    log,
    log1mexp,
    log1p,
    times,
    trigamma,
    where,
    xlogy,
)
from mlece.model import Model
from mlece.moments import Summary
from mlece.numerics.counting import smallest_count
from mlece.numerics.jets import Jet, Pairs
from mlece.param import Param

# ---------------------------------------------------------------------------- two categories


class IndexModel(Model, abstract=True):
    """A law of successes with probability F(index)."""

    link: ClassVar[UnitLink]
    kind: ClassVar[str]
    index: Any
    concave_in = ("index", "identity")

    @classmethod
    def _pull(cls, y: Array, rest: Array, index: Array) -> tuple[Array, Array]:
        """Return both derivatives of y log F + rest log (1 − F)."""
        first, second, other, bend = cls.link.log_pair_derivatives(index)
        return times(y, first) + times(rest, other), times(y, second) + times(rest, bend)

    @classmethod
    def _shares(cls, index: Array) -> tuple[Array, Array]:
        """Return F and 1 − F, each exact by itself."""
        below, above = cls.link.log_pair(index)
        return exp(below), exp(above)

    @classmethod
    def _limits_of(cls, y: Array, n: Any, index: Array | None) -> tuple[Any, ...]:
        """Return masks, sentences and ends of samples of failures, or of successes, alone."""
        if index is not None:
            return ()
        low = "every trial failed: the index runs to minus infinity"
        high = "every trial succeeded: the index runs to infinity"
        return ((y == 0, low, -inf), (y == n, high, inf))

    def respond(self, **slots: Any) -> Model:
        """Return the law that users know, from parameters by name."""
        raise NotImplementedError

    def __repr__(self) -> str:
        slots = super().__repr__().partition("(")[2]
        return f"binomial_index({self.link.name!r}, {self.kind!r})({slots}"

    def __reduce__(self) -> Any:
        named = LINKS.get(self.link.name) is self.link
        return _made_again, (self.link.name if named else self.link, self.kind, dict(self.slots))


class BernoulliIndex(IndexModel, abstract=True):
    r"""Bernoulli: log q = y log F(η) + (1 − y) log(1 − F(η))."""

    support = binary
    kind = "bernoulli"
    separation = "binary"
    affine = True
    saturated = True
    index = Param(real, r"\eta", typical=(-2.0, 2.0), doc="index of the probability of 1")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @classmethod
    def _log_density(cls, t: Arrays, index: Array) -> Array:
        below, above = cls.link.log_pair(index)
        return times(t[0], below) + times(1 - t[0], above)

    @classmethod
    def _score(cls, t: Arrays, index: Array) -> Arrays:
        return (cls._pull(t[0], 1 - t[0], index)[0],)

    @classmethod
    def _curvature(cls, t: Arrays, index: Array) -> Arrays:
        return (cls._pull(t[0], 1 - t[0], index)[1],)

    def rowwise(self, y: Array, theta: Arrays) -> IndexRows:
        """Return density and derivatives at an index for each observation."""
        kind = LogitRows if self.link.name == "logit" else IndexRows
        return kind(self.link, y, theta[0])

    @classmethod
    def _expected_statistics(cls, index: Array) -> Arrays:
        return (cls.link.forward(index),)

    @classmethod
    def _information(cls, index: Jet) -> Pairs:
        return {(0, 0): of_successes(cls.link, index)}

    @classmethod
    def _maximise(cls, s: Summary, index: Array | None) -> Arrays:
        return (or_fixed(cls.link.inverse(s.mean[0]), index),)

    @classmethod
    def _degenerate(cls, s: Summary, index: Array | None) -> tuple[Limit, ...]:
        (y,) = s.mean
        return tuple(
            Limit(mask, Status.NOT_ATTAINED, why, (full(y, end),), full(y, 0.0))
            for mask, why, end in cls._limits_of(y, 1.0, index)
        )

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        return (cls.link.inverse((x.sum(axis=-1) + 0.5) / (x.shape[-1] + 1)),)

    @classmethod
    def _log_cdf(cls, y: Array, index: Array) -> Array:
        return where(y < 1, cls.link.log_pair(index)[1], 0.0)

    @classmethod
    def _log_sf(cls, y: Array, index: Array) -> Array:
        return where(y < 1, cls.link.log_pair(index)[0], -inf)

    @classmethod
    def _quantile(cls, u: Array, index: Array) -> Array:
        return where(u <= cls._shares(index)[1], 0.0, 1.0)

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], index: Array) -> Array:
        return (rng.random(size) < cls.link.forward(index)).astype(float)

    @classmethod
    def _entropy(cls, index: Array) -> Array:
        below, above = cls.link.log_pair(index)
        return -times(exp(below), below) - times(exp(above), above)

    @classmethod
    def _mean(cls, index: Array) -> Array:
        return cls.link.forward(index)

    @classmethod
    def _variance(cls, index: Array) -> Array:
        below, above = cls._shares(index)
        return below * above

    def respond(self, **slots: Any) -> Model:
        """Return the Bernoulli law, from the index."""
        return Bernoulli(p=self.link.forward(np.asarray(slots["index"])))


class SoftBernoulliIndex(BernoulliIndex, abstract=True):
    """Targets in [0, 1]: the cross-entropy of the law of 0 and 1 against a law with that mean.

    It is no density on the interval: nothing but 0 and 1 is drawn.
    """

    support = probability
    kind = "soft"


class BinomialIndex(IndexModel, abstract=True):
    r"""Binomial: log q = log C(n, y) + y log F(η) + (n − y) log(1 − F(η)), n known."""

    support = counts
    kind = "binomial"
    separation = "binomial"
    exponential = True
    n = Param(positive_integer, "n", typical=(5, 20), estimable=False, doc="number of trials")
    index = Param(real, r"\eta", typical=(-2.0, 2.0), doc="index of the probability of success")

    @classmethod
    def _log_density(cls, y: Array, n: Array, index: Array) -> Array:
        return binomial_log_mass(y, n, cls._shares(index), cls.link.log_pair(index))

    @classmethod
    def _score(cls, y: Array, n: Array, index: Array) -> Arrays:
        trials = digamma(n + 1) - digamma(n - y + 1) + cls.link.log_pair(index)[1]
        return trials, cls._pull(y, n - y, index)[0]

    @classmethod
    def _curvature(cls, y: Array, n: Array, index: Array) -> Arrays:
        return (
            trigamma(n + 1) - trigamma(n - y + 1),
            cls.link.log_pair_derivatives(index)[2],
            cls._pull(y, n - y, index)[1],
        )

    @staticmethod
    def _bounds(n: Array, index: Array) -> Arrays:
        return 0 * (n + index), n + 0 * index

    @classmethod
    def _information(cls, n: Array, index: Jet) -> Pairs:
        return {(1, 1): n * of_successes(cls.link, index)}

    @classmethod
    def _maximise(cls, s: Summary, n: Array, index: Array | None) -> Arrays:
        y = s.mean[0]
        return or_fixed(y, n), or_fixed(cls.link.inverse(y / n), index)

    @classmethod
    def _degenerate(cls, s: Summary, n: Array, index: Array | None) -> tuple[Limit, ...]:
        y = s.mean[0]
        trials = or_fixed(y, n)
        return tuple(
            Limit(mask, Status.NOT_ATTAINED, why, (trials, full(y, end)), full(y, 0.0))
            for mask, why, end in cls._limits_of(y, n, index)
        )

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        most = np.maximum(x.max(axis=-1), 1.0)
        return most, cls.link.inverse((x.mean(axis=-1) + 0.5) / (most + 1))

    @classmethod
    def _log_cdf(cls, y: Array, n: Array, index: Array) -> Array:
        return Binomial._log_cdf(y, n, cls.link.forward(index))

    @classmethod
    def _log_sf(cls, y: Array, n: Array, index: Array) -> Array:
        return Binomial._log_sf(y, n, cls.link.forward(index))

    @classmethod
    def _quantile(cls, u: Array, n: Array, index: Array) -> Array:
        return Binomial._quantile(u, n, cls.link.forward(index))

    @classmethod
    def _sample(
        cls, rng: np.random.Generator, size: tuple[int, ...], n: Array, index: Array
    ) -> Array:
        return Binomial._sample(rng, size, n, cls.link.forward(index))

    @classmethod
    def _mean(cls, n: Array, index: Array) -> Array:
        return n * cls.link.forward(index)

    @classmethod
    def _variance(cls, n: Array, index: Array) -> Array:
        below, above = cls._shares(index)
        return np.asarray(n * below * above)

    def respond(self, **slots: Any) -> Model:
        """Return the binomial law, from the number of trials and the index."""
        return Binomial(n=slots["n"], p=self.link.forward(np.asarray(slots["index"])))


class GeometricIndex(IndexModel, abstract=True):
    r"""Failures before the first success: log q = log F(η) + y log(1 − F(η))."""

    support = counts
    kind = "geometric"
    separation = "geometric"
    affine = True
    index = Param(real, r"\eta", typical=(-2.0, 2.0), doc="index of the probability of success")

    @staticmethod
    def _statistics(y: Array) -> Arrays:
        return (y,)

    @classmethod
    def _log_density(cls, t: Arrays, index: Array) -> Array:
        below, above = cls.link.log_pair(index)
        return below + times(t[0], above)

    @classmethod
    def _score(cls, t: Arrays, index: Array) -> Arrays:
        return (cls._pull(np.ones(()), t[0], index)[0],)

    @classmethod
    def _curvature(cls, t: Arrays, index: Array) -> Arrays:
        return (cls._pull(np.ones(()), t[0], index)[1],)

    @classmethod
    def _expected_statistics(cls, index: Array) -> Arrays:
        return (cls._mean(index),)

    @classmethod
    def _information(cls, index: Jet) -> Pairs:
        return {(0, 0): of_waits(cls.link, index)}

    @classmethod
    def _maximise(cls, s: Summary, index: Array | None) -> Arrays:
        return (or_fixed(cls._of_mean(s.mean[0]), index),)

    @classmethod
    def _of_mean(cls, mean: Array) -> Array:
        """Return the index, by the smaller of success and failure where the link is symmetric."""
        if isinstance(cls.link, Symmetric):
            side = where(mean > 1, 1.0, -1.0)
            smaller = cls.link.inverse(where(mean > 1, 1.0, mean) / (1 + mean))
            return np.asarray(side * smaller)
        return np.asarray(cls.link.inverse(1 / (1 + mean)))

    @classmethod
    def _degenerate(cls, s: Summary, index: Array | None) -> tuple[Limit, ...]:
        (y,) = s.mean
        return tuple(
            Limit(mask, Status.NOT_ATTAINED, why, (full(y, end),), full(y, 0.0))
            for mask, why, end in cls._limits_of(-y, 0.0, index)[1:]
        )

    @classmethod
    def _start(cls, x: Array) -> Arrays:
        return (cls._of_mean((x.sum(axis=-1) + 0.5) / (x.shape[-1] + 0.5)),)

    @classmethod
    def _log_cdf(cls, y: Array, index: Array) -> Array:
        return log1mexp(-cls._log_sf(y, index))

    @classmethod
    def _log_sf(cls, y: Array, index: Array) -> Array:
        return (y + 1) * cls.link.log_pair(index)[1]

    @classmethod
    def _quantile(cls, u: Array, index: Array) -> Array:
        return smallest_count(cls._log_cdf, u, np.asarray(inf), index)

    @classmethod
    def _sample(cls, rng: np.random.Generator, size: tuple[int, ...], index: Array) -> Array:
        return floor(rng.standard_exponential(size) / -cls.link.log_pair(index)[1])

    @classmethod
    def _mean(cls, index: Array) -> Array:
        below, above = cls.link.log_pair(index)
        return np.asarray(exp(above - below))

    @classmethod
    def _variance(cls, index: Array) -> Array:
        below, above = cls.link.log_pair(index)
        return np.asarray(exp(above - 2 * below))

    def respond(self, **slots: Any) -> Model:
        """Return the geometric law, from the index."""
        return Geometric(p=self.link.forward(np.asarray(slots["index"])))


_KINDS: dict[str, type[IndexModel]] = {
    c.kind: c for c in (BernoulliIndex, SoftBernoulliIndex, BinomialIndex, GeometricIndex)
}
_CLASSES: dict[tuple[UnitLink, str], type[IndexModel]] = {}
# Links whose F and 1 - F are log-concave (Pratt 1981): log q is concave in the index.
_CONCAVE = ("logit", "probit", "cloglog", "loglog")


def binomial_index(link: str | UnitLink, kind: str = "bernoulli") -> type[IndexModel]:
    """Return the family of successes with probability F(index), F the inverse of a link.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"} or UnitLink
    kind : {"bernoulli", "soft", "binomial", "geometric"}
        Observations 0 and 1, targets in [0, 1], counts of successes in ``n`` trials, or of failures
        before the first success.

    Returns
    -------
    type of IndexModel
        With the parameter ``index``, and ``n`` before it where trials are counted; the same class each
        time.

    Raises
    ------
    ParameterError
        If the link is none of a probability.

    Examples
    --------
    >>> from mlece.families.index import binomial_index
    >>> law = binomial_index("probit")(index=-40.0)
    >>> round(float(law.log_density(1.0)), 3)
    -804.608
    """
    found = LINKS.get(link) if isinstance(link, str) else link
    if not isinstance(found, UnitLink):
        known = [name for name, one in LINKS.items() if isinstance(one, UnitLink)]
        raise ParameterError(str(unknown_name("link of a probability", str(link), known)))
    key = (found, kind)
    if key not in _CLASSES:
        base = _KINDS[kind]
        alone = found.name in _CONCAVE
        body = {"link": found, "concave": alone, "__module__": base.__module__}
        if not alone:
            body["concave_in"] = ()
        metaclass: Any = type(base)
        _CLASSES[key] = metaclass(base.__name__, (base,), body, abstract=True)
    return _CLASSES[key]


def _made_again(link: Any, kind: str, slots: dict[str, Any]) -> Model:
    return binomial_index(link, kind)(**slots)


# ---------------------------------------------------------------------------- many categories


class CategoricalLogits(PerLabel, abstract=True):
    r"""Labels by their log-ratios to the first one: log p_k = η_k − log Σ e^(η_j), η of the first 0.

    R: ``nnet::multinom``; the parameters are ``p[label]``, one for each label but the first.

    Parameters
    ----------
    p : array_like (..., K - 1), optional
        Log-ratios.
    labels : sequence, optional
        The K labels.
    """

    affine = True
    concave = True
    jointly_concave = True
    separation = "softmax"
    p = Each(real, r"\eta", last=False, typical=(-1.0, 1.0), doc="log-ratio to the first label")

    def statistics(self, y: Array) -> Arrays:
        """Return indicators (r, m, K) of codes (r, m)."""
        return (self.indicators(y),)

    @staticmethod
    def _log_shares(theta: Arrays) -> tuple[Array, Array]:
        """Return the log probabilities (..., K) and the complements of the probabilities."""
        whole = np.stack(np.broadcast_arrays(np.zeros(()), *theta), axis=-1)
        best = whole.argmax(axis=-1)[..., None]
        z = whole - np.take_along_axis(whole, best, axis=-1)
        odds = exp(z)
        np.put_along_axis(odds, best, 0.0, axis=-1)
        # The others, beside the most probable: 1 - p of that one has no other exact form.
        rest = odds.sum(axis=-1, keepdims=True)
        logs = z - log1p(rest)
        others = -np.expm1(logs)
        np.put_along_axis(others, best, rest / (1 + rest), axis=-1)
        return logs, others

    def _log_density(self, t: Arrays, *theta: Array) -> Array:  # type: ignore[override]
        return np.asarray(times(t[0], self._log_shares(theta)[0]).sum(axis=-1))

    def _score(self, t: Arrays, *theta: Array) -> Arrays:
        logs, others = self._log_shares(theta)
        own = t[0][..., 1:]
        # t - p, without the difference of two numbers next to 1.
        score = own * others[..., 1:] - (1 - own) * exp(logs[..., 1:])
        return tuple(score[..., k] for k in range(score.shape[-1]))

    def _curvature(self, t: Arrays, *theta: Array) -> Arrays:
        logs, others = self._log_shares(theta)
        p, rest = exp(logs[..., 1:]), others[..., 1:]
        cells = range(p.shape[-1])
        return tuple(
            -p[..., i] * rest[..., i] if i == j else p[..., i] * p[..., j]
            for i in cells
            for j in cells
            if j >= i
        )

    def rowwise(self, y: Array, theta: Arrays) -> LabelRows:
        """Return density and derivatives at log-ratios for each observation."""
        return LabelRows(y, theta)

    def _expected_statistics(self, *theta: Array) -> Arrays:
        return (exp(self._log_shares(theta)[0]),)

    def _information(self, *theta: Jet) -> Pairs:
        return of_labels(*self._log_shares(tuple(t.value for t in theta)), theta)

    def _maximise(self, s: Summary, *theta: Array | None) -> Arrays | None:
        if any(v is not None for v in theta):
            return None
        ratios = log(s.mean[0][..., 1:]) - log(s.mean[0][..., :1])
        return tuple(ratios[..., k] for k in range(ratios.shape[-1]))

    def _degenerate(self, s: Summary, *theta: Array | None) -> tuple[Limit, ...]:  # type: ignore[override]
        if any(v is not None for v in theta):
            return ()
        share = s.mean[0]
        sentence = "a label was not observed: its log-ratio runs off"
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = self._maximise(s, *theta) or ()
        infimum = -xlogy(share, share).sum(axis=-1)
        return (Limit((share == 0).any(axis=-1), Status.NOT_ATTAINED, sentence, ends, infimum),)

    def _start(self, x: Array) -> Arrays:
        share = self.statistics(x)[0].sum(axis=-2) + 0.5
        ratios = log(share[..., 1:]) - log(share[..., :1])
        return tuple(ratios[..., k] for k in range(ratios.shape[-1]))

    def _sample(self, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return Categorical._quantile(rng.random(size), exp(self._log_shares(theta)[0]))

    def _entropy(self, *theta: Array) -> Array:
        logs, _ = self._log_shares(theta)
        return -np.asarray(times(exp(logs), logs).sum(axis=-1))

    def respond(self, **slots: Any) -> Model:
        """Return the categorical law with the same labels, from the log-ratios."""
        theta = tuple(np.asarray(slots[p.name]) for p in self.params)
        return Categorical(p=exp(self._log_shares(theta)[0]), labels=self.labels)


class SoftCategoricalLogits(CategoricalLogits, abstract=True):
    """Targets that are probabilities of K labels, rows (..., n, K): their cross-entropy.

    It is no density on the simplex: labels are drawn.
    """

    _width = 1
    _observations = "vectors"

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Take rows of probabilities; one for each label, where labels are known."""
        values = np.asarray(numeric(data, what), dtype=float)
        if values.ndim < 2 or values.shape[-1] < 2:
            raise DataError(
                message(f"{what}: rows of K probabilities, (n, K)", f"shape {values.shape}")
            )
        require_finite(values, what)
        k = values.shape[-1]
        if self.labels is not None and len(self.labels) != k:
            raise DataError(
                message(f"{what}: {len(self.labels)} probabilities in each row", f"{k} columns")
            )
        total = values.sum(axis=-1)
        bad = (values < 0).any(axis=-1) | (np.abs(total - 1) > 1e-12 * k)
        if bad.any():
            first = tuple(np.argwhere(bad)[0].tolist())
            raise DataError(
                message(
                    f"{what}: rows of probabilities, none negative, that sum to 1",
                    f"{bad.sum()} of {bad.size} rows that do not, the first in row "
                    f"{first[-1]}: {values[first].tolist()}, sum {total[first]:.16g}",
                    "Divide each row by its sum if that is what is meant",
                )
            )
        return (self if self.labels is not None else self._relabelled(tuple(range(k)))), values

    def encode(self, y: Any) -> Array:
        """Return rows of probabilities as they are."""
        return np.asarray(y, dtype=float)

    def statistics(self, y: Array) -> Arrays:
        """Return the rows (r, m, K)."""
        return (y,)

    def rowwise(self, y: Array, theta: Arrays) -> LabelRows:
        """Return density and derivatives at log-ratios for each observation."""
        return SoftLabelRows(y, theta)

    def block_sums(self, y: Array, w: Array | None) -> Arrays:
        """Return the total weight of each label, (r, K)."""
        return (y.sum(axis=1) if w is None else np.einsum("rm,rmk->rk", w, y),)

    def inside(self, y: Array, theta: Arrays) -> Array:
        """Return a mask, True for rows of non-negative numbers that sum to 1."""
        near = np.abs(y.sum(axis=-1) - 1) <= 1e-12 * y.shape[-1]
        return np.asarray((y >= 0).all(axis=-1) & near)

    def located(self, values: Array) -> Array:
        """Return NaN: rows have no order."""
        return np.full(values.shape[:-1], np.nan)
