"""Labels in an order: cut points on a line, and where the observation lies on it."""

from __future__ import annotations

import numbers
from itertools import pairwise
from typing import Any, Self

import numpy as np

from mlece.arrays import declared_categories
from mlece.domain import real
from mlece.errors import DataError, ParameterError, message, unknown_name
from mlece.families.expected_information import of_ordered
from mlece.families.labels import Each, PerLabel
from mlece.limits import Limit, Status, full, or_fixed
from mlece.links.bijection import LINKS, UnitLink
from mlece.links.tails import between
from mlece.math import Array, Arrays, exp, inf, where, xlogy
from mlece.model import Model
from mlece.moments import Summary
from mlece.numerics.jets import Jet, Pairs, variables
from mlece.param import Param

# Links whose F and 1 - F are log-concave, for which the likelihood has one maximum (Pratt 1981).
ORDINAL_LINKS = ("logit", "probit", "cloglog", "loglog")


class Ordinal(PerLabel):
    r"""Ordered labels: P(Y ≤ j) = F(cut_j − location), cut points increasing (McCullagh 1980).

    The labels come in the order in which an ordered pandas categorical or a polars Enum declares them;
    numbers come sorted. The parameters are ``cut[label]``, one for each label but the last: the end of
    that label's interval on the line of F. ``location`` takes the predictor of a regression, where
    larger values mean higher labels; a law without one has it at 0. Estimates of the cut points alone
    reproduce the observed shares. R: ``MASS::polr(y ~ 1)``; scipy.stats: none.

    Parameters
    ----------
    cut : array_like (..., K - 1), optional
        Increasing cut points.
    location : float or array_like, optional
        0 if not given.
    link : {"logit", "probit", "cloglog", "loglog"}
        Whose inverse F is: proportional odds, ordered probit, proportional hazards, and its mirror image.
    labels : sequence, optional
        The labels from the lowest to the highest.

    Raises
    ------
    ParameterError
        If cut points decrease, or the link is another.
    DataError
        If the observations are text whose order nothing tells.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Ordinal(labels=["low", "mid", "high"]), ["low", "mid", "high", "mid"])
    >>> fit.model.cut.round(4).tolist()
    [-1.0986, 1.0986]
    """

    concave = True
    ordered = True
    separation = "ordinal"
    concave_in = ("location", "identity")
    cut = Each(real, r"\kappa", last=True, typical=(-1, 1), doc="end of the label's interval")
    location = Param(real, r"\eta", typical=(-1, 1), estimable=False, default=0.0, doc="location")

    def __init__(self, *args: Any, link: str = "logit", labels: Any = None, **slots: Any) -> None:
        if link not in ORDINAL_LINKS:
            raise ParameterError(str(unknown_name("link of Ordinal", link, ORDINAL_LINKS)))
        object.__setattr__(self, "link", link)
        super().__init__(*args, labels=labels, **slots)

    link: str

    @property
    def settings(self) -> dict[str, Any]:
        """The link, where it is another than the logit, and the labels, where they are known."""
        own = {} if self.link == "logit" else {"link": self.link}
        return {**own, **super().settings}

    @property
    def _law(self) -> UnitLink:
        found = LINKS[self.link]
        assert isinstance(found, UnitLink)
        return found

    def _check_shapes(self) -> None:
        super()._check_shapes()
        known = [v for p in self.params[:-1] if (v := self.slots[p.name]) is not None]
        for low, high in pairwise(known):
            if np.any(low > high):
                cuts = ", ".join(str(v) for v in known)
                raise ParameterError(message("cut points that do not decrease", cuts))

    # ------------------------------------------------------------------ observations

    def declare(self, data: Any) -> Self:
        """Take the categories of an ordered pandas categorical or a polars Enum Series."""
        if (
            self.labels is not None
            or getattr(getattr(data, "dtype", None), "ordered", True) is False
        ):
            return self
        found = declared_categories(data)
        return self if found is None else self._relabelled(found)

    def admit(self, data: Array, what: str) -> tuple[Model, Array]:
        """Turn labels into codes in their order; text must come with one."""
        model, codes = super().admit(data, what)
        labels = model.labels if isinstance(model, Ordinal) and self.labels is None else ()
        loose = [v for v in labels or () if not isinstance(v, numbers.Real)]
        if loose:
            shown = ", ".join(map(repr, (labels or ())[:6]))
            raise DataError(
                message(
                    f"{what}: labels whose order is known",
                    f"{len(labels or ())} labels without one: {shown}",
                    f"Say it, from the lowest to the highest: Ordinal(labels=[{shown}]) with the "
                    "labels rearranged, or use an ordered categorical",
                )
            )
        return model, codes

    # ------------------------------------------------------------------ density

    def _cells(self, y: Array, theta: Arrays) -> Jet:
        """Return the log probability of each label as a function of the cut points beside it."""
        *cuts, location = theta
        shape = np.broadcast_shapes(np.shape(y), *[np.shape(v) for v in theta])
        lower, upper = np.full(shape, -inf), np.full(shape, inf)
        for k, cut in enumerate(cuts):
            lower = where(y == k + 1, cut, lower)
            upper = where(y == k, cut, upper)
        start, stop = variables(lower - location, upper - location)
        return between(self._law, (start,), (stop,))[0]

    def _log_density(self, y: Array, *theta: Array) -> Array:  # type: ignore[override]
        return np.asarray(self._cells(y, theta).value)

    def _score(self, y: Array, *theta: Array) -> Arrays:
        lower, upper = self._cells(y, theta).first
        cuts = [where(y == k, upper, where(y == k + 1, lower, 0.0)) for k in range(len(theta) - 1)]
        return *cuts, -(lower + upper)

    def _curvature(self, y: Array, *theta: Array) -> Arrays:
        cell = self._cells(y, theta)
        zero = np.zeros_like(cell.value)
        lower_lower, lower_upper, upper_upper = cell.second
        out: list[Array] = []
        for k in range(len(theta) - 1):
            at, above = y == k, y == k + 1
            out.append(where(at, upper_upper, where(above, lower_lower, 0.0)))
            rest = len(theta) - 2 - k
            if rest:
                out.append(where(above, lower_upper, 0.0))
            out += [zero] * (rest - 1)
            upper = upper_upper + lower_upper
            lower = lower_lower + lower_upper
            out.append(where(at, -upper, where(above, -lower, 0.0)))
        out.append(lower_lower + 2 * lower_upper + upper_upper)
        return tuple(out)

    def _information(self, *theta: Any) -> Pairs:
        *cuts, location = theta
        return of_ordered(self._law, tuple(cuts), location)

    # ------------------------------------------------------------------ estimate

    def _block_sums(self, y: Array, w: Array | None) -> Arrays:
        return self.block_sums(y, w)

    def _inverse(self, share: Array, location: Array) -> Arrays:
        """Return the cut points at which labels have given shares (R, K)."""
        # A sum from the nearer end keeps the digits of a small tail.
        below = np.cumsum(share, axis=-1)[..., :-1]
        above = np.cumsum(share[..., ::-1], axis=-1)[..., -2::-1]
        mirror = LINKS[{"cloglog": "loglog", "loglog": "cloglog"}.get(self.link, self.link)]
        with np.errstate(divide="ignore"):
            cut = where(below <= 0.5, self._law.inverse(below), -mirror.inverse(above))
        return tuple(cut[..., k] + location for k in range(cut.shape[-1]))

    def _maximise(self, s: Summary, *slots: Array | None) -> Arrays | None:
        *cuts, location = slots
        if any(v is not None for v in cuts):
            return None
        place = or_fixed(full(s.minimum, 0.0), location)
        return *self._inverse(s.mean[0], place), place

    def _degenerate(self, s: Summary, *slots: Array | None) -> tuple[Limit, ...]:  # type: ignore[override]
        *cuts, location = slots
        if any(v is not None for v in cuts):
            return ()
        share = s.mean[0]
        place = or_fixed(full(s.minimum, 0.0), location)
        theta = (*self._inverse(share, place), place)
        infimum = -xlogy(share, share).sum(axis=-1)
        ends = (share[..., 0] == 0) | (share[..., -1] == 0)
        inside = (share == 0).any(axis=-1) & ~ends
        outer = "the lowest or highest label was not observed: its cut point runs off"
        inner = "a label between others was not observed: the cut points on its two sides meet"
        return (
            Limit(ends, Status.NOT_ATTAINED, outer, theta, infimum),
            Limit(inside, Status.BOUNDARY, inner, theta, infimum),
        )

    def _start(self, x: Array) -> Arrays:
        share = self.indicators(x).sum(axis=-2) + 0.5
        place = np.zeros(x.shape[:-1])
        return *self._inverse(share / share.sum(axis=-1, keepdims=True), place), place

    # ------------------------------------------------------------------ probabilities

    def probabilities(self, *theta: Array) -> Array:
        """Return the probabilities of the labels (..., K) under parameters (...), by default its own."""
        theta = theta or self.theta
        wide = tuple(np.asarray(v)[..., None] for v in theta)
        return exp(self._log_density(np.arange(len(theta), dtype=float), *wide))

    def _tail(self, y: Array, theta: Arrays, above: bool) -> Array:
        *cuts, location = theta
        shape = np.broadcast_shapes(np.shape(y), *[np.shape(v) for v in theta])
        out = np.full(shape, -inf if above else 0.0)
        for k, cut in enumerate(cuts):
            out = where(y == k, self._law.log_pair(cut - location)[above], out)
        return out

    def _log_cdf(self, y: Array, *theta: Array) -> Array:
        return self._tail(y, theta, above=False)

    def _log_sf(self, y: Array, *theta: Array) -> Array:
        return self._tail(y, theta, above=True)

    def _quantile(self, u: Array, *theta: Array) -> Array:
        *cuts, location = theta
        below = [np.asarray(u > self._law.forward(cut - location)) for cut in cuts]
        return np.asarray(sum(b.astype(float) for b in below))

    def _sample(self, rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return self._quantile(rng.random(size), *theta)

    def _entropy(self, *theta: Array) -> Array:
        p = self.probabilities(*theta)
        return -np.asarray(xlogy(p, p).sum(axis=-1))
