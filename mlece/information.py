"""Entropy, cross-entropy and Kullback-Leibler divergence between known distributions.

A law is a known :class:`~mlece.model.Model` or a vector of probabilities. Closed forms are used
where the family has them; otherwise the expectation runs over quadrature nodes (or over the support
of a discrete law) whose step is halved until the value settles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.scipy_family import adopt
from mlece.laws import Law, pair, probabilities_of
from mlece.math import Array, Arrays, log, log1pmx, xlogy
from mlece.model import Model
from mlece.quantities import Entropy, Nats, Population
from mlece.regression.truth import ConditionalTruth
from mlece.sources.distribution import framed_member, log_density_at, nodes
from mlece.sources.drawn import DrawnTruth
from mlece.sources.expectation import divergence, expectation
from mlece.sources.nodes import Nodes
from mlece.sources.slabs import each_law
from mlece.units import Units, nats_per_unit

SETTLED = 1e-12  # relative to max(1, |value|): the movement under halving that ends a refinement
LAST_LEVEL = 10
_LARGE = 1e4  # of expected statistics, whose rounding is beginning to show in the cross-entropy
SMALL = 1e-3  # a divergence below this is integrated, not differenced: the difference cancels


def _out(nats: Any, units: Units, kind: type[float] = float) -> Any:
    """Return an array in the units wished, or a number; nats carry their kind."""
    value = np.asarray(nats) / nats_per_unit(units)
    if value.ndim:
        return value
    return kind(value.item()) if units == "nats" else value.item()


def _measured(p: DrawnTruth, terms: Array, units: Units, kind: type[Nats]) -> Any:
    """Return the mean over the draws of a truth, in the units wished, with its standard error."""
    per = nats_per_unit(units)
    value, se = p.mean(terms)
    return (kind if units == "nats" else Nats).measured(value / per, se / per)


def log_density_on(p: DrawnTruth, q: Any) -> Array:
    """Return log q at the draws of a truth."""
    q = adopt(q)
    kind = "counting" if p.support.discrete else "Lebesgue"
    if not isinstance(q, Model) or q.measure != kind:
        told = q.measure if isinstance(q, Model) else type(q).__name__
        raise errors.ComparisonError(
            errors.message(f"a model under the measure of {p.name}, {kind}", told)
        )
    return np.asarray(q.log_density(p.draws))


# ---------------------------------------------------------------------------- members and frames


def _take(model: Model, shape: tuple[int, ...], index: tuple[int, ...]) -> Model:
    """Return one distribution of an array of them, broadcast to a shape."""
    if not model.batch_shape:
        return model
    slots = {}
    for p, value in zip(model.params, model.theta, strict=True):
        tail = value.shape[-1:] if p.vector else ()
        slots[p.name] = np.broadcast_to(value, shape + tail)[index]
    return model.replace(**slots)


def _mapped(function: Any, *models: Model) -> Array:
    """Evaluate a function of single laws over their broadcast batch shape."""
    shape = np.broadcast_shapes(*(m.batch_shape for m in models))
    out = np.empty(shape)
    for index in np.ndindex(*shape):
        out[index] = function(*(_take(m, shape, index) for m in models))
    return out


def _common_frame(p: Model, q: Model) -> tuple[Model, Model, float]:
    """Return both laws in the frame of p, as far as their parameters can follow, and the scale.

    In that frame p lies near 0 with a width near 1: a location of 1e9 costs no digits.
    """
    locations = ["location" in m.roles() for m in (p, q)]
    scales = [bool(m.roles() & {"scale", "inverse scale"}) or m.roles() == {"log location"}
              for m in (p, q)]  # fmt: skip
    if p.support.discrete or not all(scales) or locations[0] != locations[1]:
        return p, q, 1.0
    shift, scale = (float(v) for v in p.own_frame(p.theta))
    if shift != 0.0 and not all(locations):
        return p, q, 1.0
    return framed_member(p, shift, scale), framed_member(q, shift, scale), scale


def kinks(model: Model) -> tuple[float, ...]:
    """Return the points where the density of a law is not smooth, ends of its support included."""
    theta = model.theta
    points = [*model._breakpoints(*theta), *model.bounds(theta)]
    return tuple(float(v) for v in np.ravel(np.asarray(points, dtype=float)) if np.isfinite(v))


def _settle(model: Model, function: Any, kinks: tuple[float, ...] = ()) -> float:
    """Evaluate a function of the nodes at finer and finer steps until it stays."""
    law = nodes(model, extra=kinks)
    value = float(function(law))
    if law.level == 0:
        return value
    for level in range(law.level + 1, LAST_LEVEL + 1):
        before, value = value, float(function(nodes(model, level, kinks)))
        if value == before or abs(value - before) <= SETTLED * max(1.0, abs(value)):
            break
    return value


# ---------------------------------------------------------------------------- entropy


def entropy(p: Law, units: Units = "nats") -> Any:
    """Return H(p) = E_p[-log p], the entropy of a mass function or the differential entropy.

    Parameters
    ----------
    p : Model, array_like or DrawnTruth
        A known model (any batch shape), probabilities along the last axis, or a truth known by its
        draws (:func:`mlece.truth`), whose entropy is a Monte Carlo mean with a standard error ``.se``.
        That of a :func:`mlece.conditional_truth` is H(Y | X).
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array
        Shape of the batch. The differential entropy depends on the units of the observations: it
        moves by log s when they are multiplied by s.

    Raises
    ------
    FreeSlotError
        If a slot of the model is free.
    DataError
        If a vector is not one of probabilities.

    Notes
    -----
    Shannon (1948), Bell System Technical Journal 27, 379-423.

    Examples
    --------
    >>> from mlece.information import entropy
    >>> entropy([0.5, 0.5], units="bits")
    1.0
    """
    p = adopt(p)
    if isinstance(p, DrawnTruth):
        return _measured(p, -p.at_draws, units, Entropy)
    if isinstance(p, ConditionalTruth):
        return _out(p.entropy(), units, Entropy)
    if not isinstance(p, Model):
        masses = probabilities_of(p, "p")
        return _out(-xlogy(masses, masses).sum(axis=-1) + 0.0, units, Entropy)
    closed = p._closed("_entropy") if not p.free else p.theta
    if isinstance(closed, np.ndarray) and closed.shape == p.batch_shape:
        return _out(closed, units, Entropy)
    p.theta  # noqa: B018  (raises where a slot is free)
    return _out(
        each_law(p, lambda law, _: _cross_entropy(law, law), lambda t, _: t.entropy()),
        units,
        Entropy,
    )


def varentropy(p: Law, units: Units = "nats") -> Any:
    """Return Var_p[-log p], the variance of the information content.

    Parameters
    ----------
    p : Model or array_like
        A known model (any batch shape), or probabilities along the last axis.
    units : {"nats", "bits", "hartleys"} or float
        The result is in squared units.

    Returns
    -------
    float or array
        Shape of the batch.

    Raises
    ------
    FreeSlotError
        If a slot of the model is free.
    DataError
        If a vector is not one of probabilities.

    Notes
    -----
    varentropy / n is the variance of the mean of -log p over n observations, the smallest that a
    regular estimator of the entropy attains (Kontoyiannis and Verdú 2014, IEEE Trans. Inf. Theory
    60, 777-795).

    Examples
    --------
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.information import varentropy
    >>> round(varentropy(Gaussian(mean=0, sd=3)), 12)
    0.5
    """
    factor = nats_per_unit(units) ** 2
    p = adopt(p)
    if not isinstance(p, Model):
        masses = probabilities_of(p, "p")
        surprise = -log(np.where(masses > 0, masses, 1.0))
        mean = (masses * surprise).sum(axis=-1, keepdims=True)
        out = (masses * np.square(surprise - mean)).sum(axis=-1) / factor
        return out if out.ndim else out.item()

    def single(model: Model) -> float:
        framed, _, _ = _common_frame(model, model)

        def value(law: Nodes) -> float:
            surprise = -log_density_at(framed, law, model)
            mean = float(expectation(law, surprise))
            return float(expectation(law, np.square(surprise - mean)))

        return _settle(framed, value)

    out = _mapped(single, p) / factor
    return out if out.ndim else out.item()


# ---------------------------------------------------------------------------- cross-entropy


def _closed_cross_entropy(p: Model, q: Model) -> Array | None:
    """Return the closed form for two members of one family that is affine in its statistics.

    E_p[log q] is then log q at the expected statistics under p, in the frame of p.
    """
    same = type(p) is type(q) and p.settings == q.settings and p.affine and q.affine
    if not same or p.has("_bounds") or not p.has("_expected_statistics"):
        return None
    if any(param.vector for param in p.params):
        return None
    theta_p = np.broadcast_arrays(*p.theta)
    shift, scale = p.own_frame(tuple(theta_p))
    with np.errstate(all="ignore"):
        framed_p: Arrays = tuple(np.asarray(v) for v in p.to_frame(tuple(theta_p), shift, scale))
        framed_q: Arrays = tuple(np.asarray(v) for v in q.to_frame(q.theta, shift, scale))
        expected = p._expected_statistics(*framed_p)
        if not p.unit_carrier and max(np.abs(s).max() for s in expected) > _LARGE:
            # The carrier, such as log y!, takes the digits with it; summed point by point it does not.
            return None
        value = -np.asarray(q.log_density_hook(expected, framed_q))
        if not p.support.discrete:
            value = value + log(scale)
    shape = np.broadcast_shapes(p.batch_shape, q.batch_shape)
    return value if value.shape == shape and np.isfinite(value).all() else None


def _cross_entropy(p: Model, q: Model) -> float:
    """Integrate -log q over the nodes of one p."""
    framed_p, framed_q, scale = _common_frame(p, q)
    shift = 0.0 if p.support.discrete else float(log(scale))
    cuts = () if p.support.discrete else kinks(framed_q)
    return shift + _settle(
        framed_p, lambda law: _mean_code_length(law, log_density_at(framed_q, law, p)), cuts
    )


def _mean_code_length(law: Nodes, log_q: Array) -> float:
    """Return E[-log q]: infinite where q misses mass of p, whatever else q does."""
    return np.inf if np.isneginf(log_q).any() else float(expectation(law, -log_q))


def cross_entropy(p: Law, q: Law, units: Units = "nats") -> Any:
    """Return H(p, q) = E_p[-log q].

    Parameters
    ----------
    p, q : Model or array_like
        Two known models (batch shapes broadcast), or two arrays of probabilities along the last
        axis. p may be a truth known by its draws (:func:`mlece.truth`): the result is a Monte Carlo
        mean with a standard error ``.se``. Of a :func:`mlece.conditional_truth` q is a law of the
        response given the same covariates.
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array
        Shape of the broadcast batch; +inf where q is zero on some of the mass of p, and where the
        expectation diverges.

    Raises
    ------
    FreeSlotError
        If a slot of a model is free.
    DataError
        If a vector is not one of probabilities.
    ComparisonError
        If one law is discrete and the other continuous, or a model meets a vector.
    NoDensityError
        If parts of the expectation are infinite with both signs.

    Examples
    --------
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.information import cross_entropy
    >>> round(cross_entropy([0.5, 0.5], [0.25, 0.75], units="bits"), 6)
    1.207519
    >>> round(cross_entropy(Gaussian(0, 1), Gaussian(1, 2)), 6)
    1.862086
    """
    if isinstance(p, DrawnTruth):
        return _measured(p, -log_density_on(p, q), units, Population)
    if isinstance(p, ConditionalTruth):
        return _out(p.cross_entropy(q), units, Population)
    models, p, q = pair(p, q)
    if not models:
        return _out(sum_cells(p, q), units, Population)
    closed = _closed_cross_entropy(p, q)
    value = _mapped(_cross_entropy, p, q) if closed is None else closed
    return _out(value, units, Population)


def sum_cells(p: Array, q: Array) -> Array:
    """Return -sum p log q with 0 log 0 = 0 and p log 0 = -inf."""
    return np.asarray(-xlogy(p, q).sum(axis=-1) + 0.0)


# ---------------------------------------------------------------------------- divergence


def _kl(p: Model, q: Model) -> float:
    if p == q:
        return 0.0
    framed_p, framed_q, _ = _common_frame(p, q)
    return _settle(
        framed_p,
        lambda law: divergence(
            law, log_density_at(framed_q, law, p) - log_density_at(framed_p, law, p)
        ),
        () if p.support.discrete else kinks(framed_q),
    )


def kl_divergence(p: Law, q: Law, units: Units = "nats") -> Any:
    """Return KL(p || q) = E_p[log p - log q].

    Parameters
    ----------
    p, q : Model or array_like
        Two known models (batch shapes broadcast), or two arrays of probabilities along the last
        axis. p may be a truth known by its draws (:func:`mlece.truth`): the result is a Monte Carlo
        mean with a standard error ``.se``. Of a :func:`mlece.conditional_truth` q is a law of the
        response given the same covariates.
    units : {"nats", "bits", "hartleys"} or float
        A name or the base of the logarithm.

    Returns
    -------
    float or array
        Shape of the broadcast batch: non-negative, 0 exactly for equal laws, +inf where p is not
        dominated by q or the expectation diverges.

    Raises
    ------
    FreeSlotError
        If a slot of a model is free.
    DataError
        If a vector is not one of probabilities.
    ComparisonError
        If one law is discrete and the other continuous, or a model meets a vector.

    Notes
    -----
    Kullback and Leibler (1951), Annals of Mathematical Statistics 22, 79-86. Small divergences are
    integrated as E_p[r - 1 - log r] with r = q / p, which loses no digits to cancellation.

    Examples
    --------
    >>> from mlece.families.real_line import Gaussian
    >>> from mlece.information import kl_divergence
    >>> round(kl_divergence(Gaussian(0, 1), Gaussian(1, 1)), 12)
    0.5
    """
    if isinstance(p, DrawnTruth):
        return _measured(p, p.at_draws - log_density_on(p, q), units, Nats)
    if isinstance(p, ConditionalTruth):
        return _out(p.divergence(q), units, Nats)
    models, p, q = pair(p, q)
    if not models:
        return _out(_kl_cells(p, q), units)
    closed = _closed_cross_entropy(p, q)
    floor = p._closed("_entropy")
    if closed is None or floor is None:
        return _out(_mapped(_kl, p, q), units)
    out = np.array(closed - floor)
    for index in zip(*np.nonzero(np.atleast_1d(out) < SMALL), strict=True):
        where = index if out.ndim else ()
        out[where] = _kl(_take(p, out.shape, where), _take(q, out.shape, where))
    return _out(out, units)


def _kl_cells(p: Array, q: Array) -> Array:
    """Return sum q - p - p log(q / p) over cells, every term non-negative.

    The sums of p and q may each miss 1 by rounding; the terms are those of the vectors as given.
    """
    p, q = np.broadcast_arrays(p, q)
    some = p > 0
    # Where p is 0 the logarithms count for nothing, whatever they are.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        gap = np.where(some, (q - p) / np.where(some, p, 1.0), 0.0)
        near = np.abs(gap) <= 0.5
        far = q - p + p * (log(np.where(some, p, 1.0)) - log(q))
        close = -p * log1pmx(np.where(near, gap, 0.0))
    terms = np.where(some, np.where(near, close, far), q)
    return np.asarray(terms.sum(axis=-1))


# ---------------------------------------------------------------------------- moments


def central_moment(model: Model, power: int) -> Any:
    """Return E[Y] for power 1 and E[(Y - E Y)^power] above.

    Parameters
    ----------
    model : Model
        A known model, any batch shape.
    power : int
        1 (the mean), 2 (the variance), 3, ...

    Returns
    -------
    float or array
        Shape of the batch; infinite where the moment diverges on one side, NaN where it does so on
        both with opposite signs and has no value (the mean of a Cauchy law), or the mean has none.

    Raises
    ------
    FreeSlotError
        If a slot is free.
    ParameterError
        If ``power`` is below 1.

    Examples
    --------
    >>> from mlece.families.real_line import StudentT
    >>> from mlece.information import central_moment
    >>> round(central_moment(StudentT(df=5, loc=1, scale=1), 4), 9)
    25.0
    """
    if power < 1:
        raise errors.ParameterError(errors.message("a power from 1 on", repr(power)))
    out = each_law(
        model, lambda law, _: _single_moment(law, power), lambda t, _: t.central_moment(power)
    )
    return out if out.ndim else out.item()


def _single_moment(model: Model, power: int) -> float:
    framed, _, scale = _common_frame(model, model)
    shift = float(model.own_frame(model.theta)[0]) if framed is not model else 0.0

    def value(law: Nodes) -> float:
        with np.errstate(over="ignore"):
            mean = float(expectation(law, law.values))
            if power == 1:
                return mean
            if not np.isfinite(mean):
                return abs(mean) if power % 2 == 0 else np.nan
            return float(expectation(law, (law.values - mean) ** power))

    try:
        moment = _settle(framed, value)
    except errors.NoDensityError:
        law = nodes(framed)  # a law that cannot be resolved at all raises here again
        return float("nan") if power % 2 or law.count == 0 else np.inf
    return shift + scale * moment if power == 1 else scale**power * moment
