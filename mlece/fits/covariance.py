"""The covariance of an estimate: sandwich, Hessian, expected information, outer product of scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.kinks import kinks_among
from mlece.combinators.terms import rows_of
from mlece.likelihood.conditional_moments import conditional_information
from mlece.likelihood.evaluation import triangle
from mlece.likelihood.kinks import kink_information
from mlece.likelihood.member_moments import member_moments
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Status
from mlece.math import Array, Arrays
from mlece.numerics.symmetric import sandwich, symmetric_inverse
from mlece.regression.kinds import PLAIN, ROBUST, check_kind
from mlece.regression.robust import robust_meat
from mlece.solvers.gaussian_linear import exact_inverse

if TYPE_CHECKING:
    from mlece.fits.result import Fit

# Expected information is summed over blocks of about so many numbers.
_ROOM = 1 << 20


@dataclass(frozen=True)
class Information:
    """The matrices of a fit, per observation, in the free regular parameters, framed.

    Parameters
    ----------
    names : tuple of str
        The parameters, k of them.
    a : array (R, k, k)
        A, the Hessian of the cross-entropy.
    b : array (R, k, k)
        B, the mean outer product of the scores; infinite entries where a moment of the truth is.
    factors : array (R, k)
        dθ/dθ_framed: what carries a standard error into the user's units.
    exact : array (R, k, k), optional
        A⁻¹, where the solver knows it to more digits than A has.
    """

    names: tuple[str, ...]
    a: Array
    b: Array
    factors: Array
    exact: Array | None = None

    @property
    def inverse(self) -> Array:
        """A⁻¹, (R, k, k)."""
        return symmetric_inverse(self.a) if self.exact is None else self.exact


def _require_kind(fit: Fit, kind: str, options: dict[str, Any]) -> None:
    check_kind(kind, options)
    if kind in PLAIN[1:] and fit.sample.weighting == "sampling":
        raise errors.NotRegularError(
            errors.message(
                f"frequency weights for a {kind} covariance",
                "sampling weights, whose information does not grow with their sum",
                "The sandwich holds for them",
            )
        )


def _regular(fit: Fit, kind: str) -> Array:
    """Return which members have a covariance, (R,); raise where a single fit or a whole batch has none."""
    for name in fit.family.free:
        if not fit.family.parameter(name).regular:
            raise errors.NotRegularError(
                errors.message(
                    f"a regular likelihood for a {kind} covariance",
                    f"{fit.family.title}, whose {name} is an end of the support and is "
                    "estimated at rate 1/n by an order statistic",
                    instead(fit),
                )
            )
    size, found = fit.objective.size, _reasons(fit)
    if len(found) == size:
        raise errors.NotRegularError(
            errors.message(
                "an interior optimum for a covariance",
                found[0] if size == 1 else f"{size} fits, the first {found[0]}",
                f"Asymptotic standard errors do not exist there. {instead(fit)}",
            )
        )
    out = np.ones(size, dtype=bool)
    out[list(found)] = False
    return out


def usable(fit: Fit) -> tuple[Array, Array]:
    """Return which members have an interior optimum, and which a finite infimum elsewhere, (R,) each."""
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    inside = np.array([s.name in ("OPTIMAL", "NOT_UNIQUE") for s in statuses])
    inside &= ~np.isin(np.arange(len(statuses)), list(fit.limit_models))
    irregular = np.broadcast_to(fit.family._irregular(*fit.theta)[0], inside.shape)
    edge = np.array([s.name in ("OPTIMAL", "BOUNDARY", "NOT_ATTAINED") for s in statuses])
    edge &= ~inside & np.isfinite(fit.values) & ~irregular
    return inside & ~irregular, edge


# ------------------------------------------------------------------------------ parameters


def instead(fit: Fit) -> str:
    """Say which intervals a fit has where those asked for are refused, or what there is in their place."""
    inside, edge = usable(fit)
    universal = (
        "No interval is known to hold there; mlece.universal_test of the model with a value filled in "
        "tests that value at every n"
    )
    if any(not fit.family.parameter(name).regular for name in fit.family.free):
        known = fit.family.has("_exact_interval")
        return "fit.interval(method='exact') uses the exact law" if known else universal
    if len(_reasons(fit)) < fit.objective.size:
        return "method='wald' gives intervals"
    if (inside | edge).any():
        return "method='profile' gives intervals that need no standard errors"
    if np.any(fit.family._irregular(*fit.theta)[0]):
        return universal
    return "There is no estimate for an interval to hold"


def _reasons(fit: Fit) -> dict[int, str]:
    """Return the members of a flattened batch that have no covariance, and why."""
    size = fit.objective.size
    irregular, why = fit.family._irregular(*fit.theta)
    out = dict.fromkeys(np.flatnonzero(np.broadcast_to(irregular, (size,))).tolist(), str(why))
    regular = {Status.OPTIMAL}
    if fit.on_simplex:
        # The cells that were seen are inside, on a face.
        regular.add(Status.BOUNDARY)
    elif kinks_among(fit.objective):
        # Between observations a kink has a density all the same; a flat likelihood has no information.
        regular.add(Status.NOT_UNIQUE)
    for r, status in enumerate(np.ravel(np.asarray(fit.certificate.status, dtype=object)).tolist()):
        if status not in regular and r not in out:
            detail = str(fit.certificate) if not fit.sample.batch_shape else status.value
            start = "a fit with status" if not fit.sample.batch_shape else "status"
            out[r] = f"{start} {status.name}: {detail}"
    return dict(sorted(out.items()))


def refusals(fit: Fit) -> dict[int, str]:
    """Return the members of a flattened batch that have no standard errors, and why.

    Their entries in covariances, standard errors and Wald intervals are NaN. A batch of which no member has
    any is refused with an error, like a single fit.
    """
    out = _reasons(fit)
    if len(out) == fit.objective.size or fit.on_simplex:
        return out
    found = standard_errors(fit).reshape(fit.objective.size, -1)
    for r in np.flatnonzero(np.isnan(found).any(axis=1)).tolist():
        out.setdefault(r, "the information at the estimate is singular, or beyond the floats")
    return out


def _framed_matrices(fit: Fit) -> tuple[Array, Array]:
    """Return A and B in all framed natural parameters."""
    objective, theta = fit.objective, fit.framed
    at = objective.evaluate(theta, 2, opg=True)
    assert at.hessian is not None
    assert at.opg is not None
    a, b = at.hessian, at.opg
    kink = kink_information(objective, theta)
    if kink is not None:
        a = a + kink
    if objective.sample.truth is not None:
        b = fit.with_whole_moments(b)
    if objective.sample.weighting == "sampling":
        b = _squared_meat(objective, theta)
    return a, b


def _squared_meat(objective: CrossEntropy, theta: Arrays) -> Array:
    """Return Σ w² s s' / Σ w, the meat for sampling weights (Binder 1983), (R, k, k)."""
    w = objective.sample.weights
    if w is None:
        w = np.ones((1, objective.sample.rows))
    squares = replace(objective.sample, weights=w * w)
    twice = CrossEntropy(objective.model, squares, objective.frame)
    twice.penalty = objective.penalty
    at = twice.evaluate(theta, 1, opg=True)
    assert at.opg is not None
    return np.asarray(at.opg * (twice.total / objective.total)[:, None, None])


def information(fit: Fit, kind: str = "sandwich", **options: Any) -> Information:
    """Return A and B of a fit; NaN for the members of a batch that :func:`refusals` names.

    Parameters
    ----------
    fit : Fit
    kind : str
        Of which covariance A is the bread and B the meat.
    **options
        As in :func:`covariance`.

    Raises
    ------
    NotRegularError
        If the fit (every member of a batch) ends at a boundary or has no maximum, or the family fixes the
        end of the support.
    """
    regular = _regular(fit, kind)
    with np.errstate(all="ignore"):
        a, b = _framed_matrices(fit)
    if options.get("bread") == "expected":
        _require_complete(fit)
        a = _expected_bread(fit)
    # Under a penalty the sandwich is HC0, of scores that carry their share of it.
    if kind in ROBUST and not (kind == "HC0" and fit.objective.penalty is not None):
        own = {name: value for name, value in options.items() if name != "bread"}
        with np.errstate(all="ignore"):
            b = robust_meat(fit, kind, **own)
    pick, factors = _free_regular(fit)
    a, b = (np.where(regular[:, None, None], v[pick], np.nan) for v in (a, b))
    return Information(
        fit.names, a, b, factors, exact_inverse(fit.objective, fit.notes, fit.framed)
    )


def _free_regular(fit: Fit) -> tuple[tuple[Array, ...], Array]:
    """Return the index of the free parameters in (R, k, k) arrays, and dθ/dθ_framed, (R, m)."""
    objective = fit.objective
    index = [i for i, p in enumerate(fit.family.params) if p.name in fit.family.free]
    if not index:
        raise errors.NotRegularError(
            errors.message("a free slot, to have a standard error", f"{fit.family!r}, all filled")
        )
    factors = fit.family.frame_factors(objective.user.scale)
    d = np.stack([np.broadcast_to(factors[i], (objective.size,)) for i in index], axis=-1)
    return np.ix_(range(objective.size), index, index), d


def _require_complete(fit: Fit) -> None:
    """Refuse to expect what depends on how incomplete observations were recorded."""
    if not isinstance(fit.family, Conditional):
        fit.require_numbers("expected information")
    elif is_incomplete(fit.family.inner):
        raise errors.ComparisonError(
            errors.message(
                "complete responses for expected information", fit.family.inner._observations
            )
        )


def _expected_bread(fit: Fit) -> Array:
    """Return the expected information with the curvature of a penalty, framed, (R, k, k)."""
    expected, penalty = fisher_information(fit), fit.objective.penalty
    return expected if penalty is None else expected + penalty.at(fit.framed, slice(None)).bend


def fisher_information(fit: Fit) -> Array:
    """Return the expected information at the fitted member, framed, all parameters, (R, k, k).

    With covariates the mean over the observations of what is expected given those of each.
    """
    model, theta = fit.family, fit.framed
    k = len(model.params)
    if isinstance(model, Conditional):
        step = max(1, _ROOM // (fit.objective.size * len(model.inner.params) ** 2))
        blocks = fit.objective._cuts(slice(None), step)
        whole = sum(conditional_information(model, rows_of(y), theta, w) for y, w in blocks)
        return np.asarray(whole / fit.objective.total[:, None, None])
    if model.has("_expected_statistics"):
        with np.errstate(all="ignore"):
            t = tuple(np.asarray(s)[:, None] for s in model._expected_statistics(*theta))
            raw = model._curvature(t, *[p[:, None] for p in theta])
        if isinstance(raw, tuple):
            parts = tuple(-np.broadcast_to(c, (len(theta[0]), 1))[:, 0] for c in raw)
            return triangle(parts, k)
        return np.asarray(-raw[:, 0])
    regular = _regular(fit, "fisher")
    known = tuple(np.where(regular, v, np.nan) for v in theta)
    return member_moments(model, known, list(range(k))).unframed().scores


def covariance(fit: Fit, kind: str = "sandwich", **options: Any) -> Array:
    """Return the covariance matrix of the free parameters.

    Parameters
    ----------
    fit : Fit
    kind : str
        "sandwich", A⁻¹BA⁻¹/n, holds whether or not the model is right (Huber 1967; White 1982), if
        observations are independent; "hessian" A⁻¹/n, "fisher" the inverse expected information (given
        the covariates, where there are some) and "opg" B⁻¹/n suppose that it is right. With covariates
        "HC0" to "HC4" stretch the residuals for what the fit took from them; "cluster" and "newey-west"
        hold for observations that depend on each other within groups, or in time. "bootstrap" refits.
    **options
        bread : {"observed", "expected"}
            A of any sandwich: the curvature at the data, or what the fitted model expects of it given the
            covariates. They agree for canonical links alone; numbers published for probit models
            have the expected one.
        clusters : str, array_like (n,) or (n, d), or tuple of these
            For "cluster" and "bootstrap": labels, or names of columns of ``given``; several are
            several ways, in any of which observations may depend on each other.
        correction : {"full", "clusters", "none"} for "cluster", bool for "newey-west"
            See :func:`mlece.regression.meat.clustered` and :func:`mlece.regression.meat.newey_west`.
            The parameters that it counts are the coefficients, without covariates all parameters.
        lags : int, optional
            For "newey-west"; :func:`mlece.regression.dependence.automatic_lags` by default.
        order : str or array_like (n,), optional
            For "newey-west": times, all different, or the name of a column of ``given``.
        resampling, replicates, rng, law
            For "bootstrap"; see :func:`mlece.refits.bootstrap_covariance.bootstrap_covariance`.

    Returns
    -------
    array (..., k, k)
        In the parameters' own units; for a fit to a known distribution the asymptotic covariance of
        √n(θ̂ − θ*). NaN for the members of a batch that ``fit.refusals`` names. On the simplex the
        covariance on the face of the cells that were seen: empty cells are held at 0. With several ways of
        clustering it may have negative eigenvalues; standard errors without a square root are NaN.

    Raises
    ------
    NotRegularError
        If the fit, or every member of a batch, has none; for HC2 to HC4 also if an observation is fitted
        by a coefficient of its own, or responses are incomplete.
    DataError
        For clusters or times that are missing, or not one for each observation.
    UnknownNameError
        For another kind or option.

    Notes
    -----
    A model may have predictors in several slots, a mean and a spread. HC1 to HC4 then take each by itself:
    the scores of its coefficients are stretched by the leverages h in its own design, weighted with the
    expected information in its predictor, and p is the number of its coefficients. Parameters without
    covariates, the scale among them, are left as they are. For a Gaussian linear model the covariance of
    the coefficients is then that of least squares (MacKinnon and White 1985), for other means that of
    the last step of iteratively reweighted least squares.

    Under a penalty A has its curvature, and every observation carries an equal share of its slope, so that
    what they add to the gradient has mean 0: the spread is that about the penalised pseudo-true value, and
    the standard deviations by which a ridge divides are held. HC1 to HC4, whose leverages are those of a
    fit without one, are refused.

    Examples
    --------
    >>> import mlece
    >>> table = {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "firm": ["a", "a", "b", "b", "c"]}
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 3, 2, 6, 9], given=table)
    >>> fit.covariance("HC3").round(4).tolist()
    [[0.1773, -0.0454], [-0.0454, 0.0118]]
    >>> fit.covariance("cluster", clusters="firm", correction="clusters").round(4).tolist()
    [[0.0698, -0.0182], [-0.0182, 0.0048]]
    """
    _require_kind(fit, kind, options)
    if fit.on_simplex:
        return _simplex_covariance(fit, kind, options)
    framed, factors = framed_covariance(fit, kind, **options)
    with np.errstate(over="ignore", under="ignore"):
        # In units beyond 1e154 a variance is not a number that a float holds; its root still is.
        out = framed * factors[:, :, None] * factors[:, None, :]
    return np.asarray(out.reshape((*fit.sample.batch_shape, *out.shape[1:])))


def framed_covariance(fit: Fit, kind: str, **options: Any) -> tuple[Array, Array]:
    """Return the covariance in the frame, (R, m, m), and the factors to the user's units, (R, m)."""
    objective = fit.objective
    n = np.ones(objective.size) if fit.sample.truth is not None else objective.total
    if kind == "bootstrap":
        from mlece.refits.bootstrap_covariance import bootstrap_covariance

        factors = _free_regular(fit)[1]
        out = bootstrap_covariance(fit, **options)
        return out / factors[:, :, None] / factors[:, None, :], factors
    if kind == "fisher":
        _require_complete(fit)
        regular = _regular(fit, kind)
        pick, factors = _free_regular(fit)
        expected = np.where(regular[:, None, None], _expected_bread(fit)[pick], np.nan)
        return _numbers(symmetric_inverse(expected)) / n[:, None, None], factors
    info = information(fit, kind, **options)
    if kind in ("hessian", "opg"):
        out = info.inverse if kind == "hessian" else symmetric_inverse(info.b)
    else:
        out = sandwich(info.inverse, info.b)
    return _numbers(out) / n[:, None, None], info.factors


def _numbers(out: Array) -> Array:
    """Return a covariance; raise if that of a single fit, or of all of a batch, is no number."""
    if np.isnan(out).any(axis=(1, 2)).all():
        raise errors.NotRegularError(
            errors.message(
                "an information matrix that floats can hold and invert",
                "one that is singular to them",
            )
        )
    return out


def standard_errors(fit: Fit, kind: str = "sandwich", **options: Any) -> Array:
    """Return the standard errors of the free parameters, (..., m), in the parameters' own units.

    Kinds and options are those of :func:`covariance`. NaN for empty cells of a Categorical, which lie on
    the boundary, for the members of a batch that ``fit.refusals`` names, and where several ways of
    clustering leave no positive variance.
    """
    _require_kind(fit, kind, options)
    if fit.on_simplex:
        roots = _roots(_simplex_covariance(fit, kind, options))
        return np.where(np.reshape(fit.framed[0], roots.shape) > 0, roots, np.nan)
    framed, factors = framed_covariance(fit, kind, **options)
    out = _roots(framed) * factors
    return np.asarray(out.reshape((*fit.sample.batch_shape, out.shape[1])))


def _roots(covariance: Array) -> Array:
    """Return the square roots of the diagonals, NaN of what is negative."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1)))


def _simplex_covariance(fit: Fit, kind: str, options: dict[str, Any]) -> Array:
    """Multinomial covariance (diag(q) − qq')/n on the face of the cells that were seen."""
    objective = fit.objective
    _regular(fit, kind)
    (q,) = fit.framed
    shape = (*fit.sample.batch_shape, *q.shape[1:], *q.shape[1:])
    if kind == "bootstrap":
        from mlece.refits.bootstrap_covariance import bootstrap_covariance

        return bootstrap_covariance(fit, **options).reshape(shape)
    if kind in ROBUST:
        own = {name: value for name, value in options.items() if name != "bread"}
        meat = robust_meat(fit, kind, **own)
        return np.asarray((meat / objective.total[:, None, None]).reshape(shape))
    n = np.ones(objective.size) if fit.sample.truth is not None else objective.total
    # At the optimum q = p̂, so that A = B: sandwich, Hessian, expected information and outer product agree.
    mass = q
    if fit.sample.weighting == "sampling" and fit.sample.weights is not None:
        # Σ w² in each cell takes the place of Σ w.
        w = np.broadcast_to(fit.sample.weights, (objective.size, objective.sample.rows))
        codes = np.broadcast_to(fit.sample.values, w.shape).astype(np.int64)
        cells = np.zeros_like(q)
        np.add.at(cells, (np.arange(objective.size)[:, None], codes), w**2)
        mass = cells / n[:, None]
    cross = mass[:, :, None] * q[:, None, :]
    total = mass.sum(axis=1)[:, None, None]
    out = mass[:, :, None] * np.eye(q.shape[1]) - cross - np.swapaxes(cross, 1, 2)
    out = (out + total * q[:, :, None] * q[:, None, :]) / n[:, None, None]
    return np.asarray(out.reshape(shape))


def trace_term(fit: Fit, bread: str = "observed") -> Array:
    """Return tr(A⁻¹B), the effective number of parameters of Takeuchi (1976), (R,).

    Parameters
    ----------
    fit : Fit
    bread : {"observed", "expected"}
        A, as in :func:`covariance`.
    """
    if fit.on_simplex:
        (q,) = fit.framed
        return np.asarray((q > 0).sum(axis=1) - 1.0)
    info = information(fit, "TIC", bread=bread)
    with np.errstate(invalid="ignore"):
        out = np.trace(info.inverse @ info.b, axis1=1, axis2=2)
    return np.asarray(np.where(np.isinf(info.b).any(axis=(1, 2)), np.inf, out))
