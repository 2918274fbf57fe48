"""Confidence intervals: Wald, exact, profile likelihood, bootstrap."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np

from mlece import errors
from mlece.fits.covariance import instead, standard_errors, usable
from mlece.fits.result import Fit
from mlece.inference.bootstrap_intervals import bootstrap_ends
from mlece.inference.estimates import Parameters, Quantities
from mlece.math import Array, ndtri
from mlece.profiling.profiles import require_regular
from mlece.regression.kinds import described

METHODS = ("auto", "wald", "exact", "profile", "robust profile", "bootstrap")
_SAID = 3


class Interval(tuple[Any, Any]):
    """A confidence interval: the pair (lower, upper), with what is to be said of it.

    Attributes
    ----------
    lower, upper : float or array
        Its ends; for a batch of fits arrays, for a Categorical one entry for each label.
    level : float
        Confidence level.
    method : str
        What it rests on, in words.
    residual : float or array, optional
        Of a profile interval: how far the deviance at an end may be from its quantile.
    remark : str
        Open ends, lost replicates and the like; "" if there is nothing to say.

    Examples
    --------
    >>> import mlece
    >>> found = mlece.fit(mlece.Poisson(), [0, 0, 0]).interval(method="profile")["rate"]
    >>> found.lower, round(found.upper, 6), found.remark
    (0.0, 0.640243, 'lower end: the estimate lies at this end')
    """

    level: float
    method: str
    residual: Any
    remark: str

    def __new__(
        cls,
        pair: tuple[Any, Any],
        level: float,
        method: str,
        residual: Any = None,
        remark: str = "",
    ) -> Self:
        """Return the pair with its attributes."""
        self = super().__new__(cls, pair)
        self.level, self.method, self.residual, self.remark = level, method, residual, remark
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made of."""
        return tuple(self), self.level, self.method, self.residual, self.remark

    @property
    def lower(self) -> Any:
        """The lower end."""
        return self[0]

    @property
    def upper(self) -> Any:
        """The upper end."""
        return self[1]

    def __str__(self) -> str:
        low, high = (
            f"{v:.6g}"
            if np.ndim(v) == 0
            else np.array2string(np.asarray(v), precision=6, threshold=6)
            for v in self
        )
        said = f"; {self.remark}" if self.remark else ""
        return f"{low} to {high} ({100 * self.level:g} %, {self.method}){said}"


def interval(
    fit: Fit,
    level: float = 0.95,
    method: str = "auto",
    kind: str = "sandwich",
    scale: str = "parameter",
    *,
    bootstrap: str = "bca",
    resampling: str = "nonparametric",
    replicates: int = 999,
    rng: Any = 0,
    **options: Any,
) -> dict[str, Interval]:
    """Return confidence intervals for the free parameters.

    Parameters
    ----------
    fit : Fit
        One fit, or a batch.
    level : float
        Confidence level in (0, 1).
    method : {"auto", "wald", "exact", "profile", "robust profile", "bootstrap"}
        "auto" takes the exact law where the likelihood is not regular, Wald elsewhere. "profile" are the
        values at which twice the log-likelihood, maximised over the rest, falls by less than the quantile
        of χ² with one degree of freedom; that supposes the model right. "robust profile" divides the
        deviance by the ratio of sandwich to naive variance first (Kent 1982; Royall and Tsou 2003), which
        holds whether it is right or not.
    kind, scale : str
        Covariance and scale of a Wald interval; see :func:`wald`.
    bootstrap : {"bca", "percentile", "studentised"}
        See :func:`mlece.inference.bootstrap_intervals.bootstrap_ends`.
    resampling : {"nonparametric", "parametric"}
        Samples drawn from the data, or from the fitted model, which supposes it right.
    replicates : int
        Number of bootstrap samples of each fit.
    rng : int or numpy.random.Generator
        Source of randomness; the same number gives the same result.
    **options
        Of the covariance of a Wald interval (clusters, lags, bread); see
        :func:`mlece.fits.covariance.covariance`.

    Returns
    -------
    dict of str to Interval
        A pair (lower, upper) for each parameter. NaN where a member of a batch has no interval. An open
        side of a profile interval is the end of the parameter's domain, with a remark.

    Raises
    ------
    NotRegularError, ComparisonError
        Where theory gives no interval of this kind; the message names another.

    Notes
    -----
    The ends of a profile interval are exact roots next to the estimate: Newton's method on the system of
    Venzon and Moolgavkar (1988), else bracketing by refits. At an estimate on the boundary the interval
    is one-sided, and conservative where the truth lies on the boundary too.

    References
    ----------
    Kent, J. T. (1982). Robust properties of likelihood ratio tests. Biometrika 69, 19–27.

    Royall, R. and Tsou, T.-S. (2003). Interpreting statistical evidence by using imperfect models: robust
    adjusted likelihood functions. Journal of the Royal Statistical Society B 65, 391–404.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Exponential(), [1.0, 2.0, 3.0, 0.5])
    >>> print(fit.interval(method="profile")["rate"])
    0.191046 to 1.42958 (95 %, profile likelihood)
    """
    check_level(level)
    if method not in METHODS:
        raise errors.unknown_name("interval method", method, METHODS)
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message(
                "a fit to data, for an interval",
                "a fit to a known distribution",
                "It is no estimate; fit.standard_errors() are those of √n(θ̂ − θ*)",
            )
        )
    irregular = any(not fit.family.parameter(n).regular for n in fit.names)
    if options and (method not in ("auto", "wald") or (method == "auto" and irregular)):
        raise errors.ParameterError(
            errors.message(
                f"{', '.join(options)} with method='wald', whose covariance they belong to",
                f"method={method!r}",
            )
        )
    if method == "exact" or (method == "auto" and irregular):
        pairs, words = exact(fit, level), "exact law"
        return {n: Interval(pair, level, words) for n, pair in pairs.items()}
    if method in ("auto", "wald"):
        if kind == "bootstrap":
            options |= {"resampling": resampling, "replicates": replicates, "rng": rng}
        pairs = wald(fit, level, kind, scale, **options)
        words = f"Wald, {described(kind, options)}"
        return {n: Interval(pair, level, words) for n, pair in pairs.items()}
    settings = {
        "bootstrap": bootstrap,
        "resampling": resampling,
        "replicates": replicates,
        "rng": rng,
    }
    found = of_quantities(Parameters(fit), level, method, **settings)
    if fit.on_simplex:
        return {fit.names[0]: _together(found)}
    return dict(zip(fit.names, found, strict=True))


def of_quantities(
    quantities: Quantities, level: float, method: str, **options: Any
) -> list[Interval]:
    """Return profile or bootstrap intervals of several quantities of a fit, one for each."""
    fit = quantities.fit
    irregular, why = (np.asarray(v) for v in fit.family._irregular(*fit.theta))
    if method == "bootstrap":
        require_regular(fit, "a bootstrap interval", sampling=True)
        if irregular.all():
            raise errors.NotRegularError(
                errors.message(
                    "a regular likelihood for a bootstrap interval", str(why), instead(fit)
                )
            )
        return _bootstrap(quantities, level, **options)
    robust = method == "robust profile"
    require_regular(fit, f"a {method} interval", sampling=robust)
    inside, edge = usable(fit)
    if not (inside | edge).any():
        got = str(why) if irregular.any() else str(fit.certificate)
        raise errors.NotRegularError(
            errors.message(
                f"a fit with a regular optimum, for a {method} interval", got, instead(fit)
            )
        )
    quantile = np.full(quantities.estimate().shape, float(ndtri(0.5 + 0.5 * level)) ** 2)
    words = "profile likelihood"
    if robust:
        quantile, words = quantile * quantities.ratio(), "profile likelihood, robust"
    found = quantities.ends(quantile)
    return [
        Interval(
            _pair(fit, found.value[:, k]),
            level,
            words,
            _plain(found.residual[:, k].max(axis=-1).reshape(fit.sample.batch_shape)),
            _summed(fit, found.remarks[:, k], ("lower end: ", "upper end: ")),
        )
        for k in range(found.value.shape[1])
    ]


def _bootstrap(
    quantities: Quantities, level: float, *, bootstrap: str, **options: Any
) -> list[Interval]:
    fit = quantities.fit
    ends = bootstrap_ends(quantities, level, bootstrap, **options)
    words = f"{options['resampling']} bootstrap, {bootstrap}, {options['replicates']} replicates"
    out = []
    for k in range(ends.value.shape[1]):
        said = _summed(fit, ends.remarks[:, [k]], ("",))
        out.append(Interval(_pair(fit, ends.value[:, k]), level, words, remark=said))
    return out


def _pair(fit: Fit, ends: Array) -> tuple[Any, Any]:
    """Return lower and upper ends (R, 2) in the batch axes."""
    shape = fit.sample.batch_shape
    return _plain(ends[:, 0].reshape(shape)), _plain(ends[:, 1].reshape(shape))


def _summed(fit: Fit, remarks: Array, heads: tuple[str, ...]) -> str:
    """Say the remarks on the sides (R, S) in a sentence; of a batch how many and the first members."""
    out = []
    for side, head in enumerate(heads):
        column = remarks[:, side]
        for said in dict.fromkeys(column[column != ""]):
            where = np.flatnonzero(column == said)
            text = head + said
            if fit.sample.batch_shape:
                first = ", ".join(str(i) for i in where[:_SAID])
                more = ", …" if len(where) > _SAID else ""
                text = f"{text} (of {len(where)} of {len(column)} members: {first}{more})"
            out.append(text)
    return "; ".join(out)


def _together(found: list[Interval]) -> Interval:
    """Return the intervals of several cells as one of arrays."""
    pair = tuple(np.stack([np.asarray(one[side]) for one in found], axis=-1) for side in (0, 1))
    one = found[0]
    residual = None
    if one.residual is not None:
        residual = np.stack([np.asarray(v.residual) for v in found], axis=-1)
    said = [f"cell {k}: {v.remark}" for k, v in enumerate(found) if v.remark]
    return Interval((pair[0], pair[1]), one.level, one.method, residual, "; ".join(said))


def check_level(level: float) -> None:
    """Raise unless 0 < level < 1."""
    if not (isinstance(level, Real) and 0.0 < level < 1.0):
        raise errors.ParameterError(errors.message("a confidence level in (0, 1)", repr(level)))


def wald(
    fit: Fit,
    level: float = 0.95,
    kind: str = "sandwich",
    scale: str = "parameter",
    **options: Any,
) -> dict[str, Any]:
    """Return Wald intervals for the free parameters.

    Parameters
    ----------
    fit : Fit
    level : float
        Confidence level in (0, 1).
    kind : str
        Covariance to use.
    scale : {"parameter", "unconstrained"}
        Symmetric around the estimate, or symmetric in the unconstrained coordinate (log, logit) and
        mapped back, which keeps the interval inside the parameter's domain.
    **options
        Of the covariance; see :func:`mlece.fits.covariance.covariance`.

    Returns
    -------
    dict
        ``{name: (lower, upper)}``; NaN for empty cells of a Categorical and for the members of a batch that
        ``fit.refusals`` names.

    Notes
    -----
    On the parameter's own scale an end may lie outside its domain; :func:`outside` tells.
    """
    check_level(level)
    if scale not in ("parameter", "unconstrained"):
        raise errors.unknown_name("scale", scale, ("parameter", "unconstrained"))
    z = float(ndtri(0.5 + 0.5 * level))
    errors_ = standard_errors(fit, kind, **options)
    out: dict[str, Any] = {}
    if fit.on_simplex:
        p = fit.params["p"]
        if scale == "unconstrained":
            with np.errstate(all="ignore"):
                eta, width = np.log(p / (1 - p)), z * errors_ / (p * (1 - p))
                low, high = 1 / (1 + np.exp(width - eta)), 1 / (1 + np.exp(-width - eta))
            low, high = (np.where(p < 1, end, p) for end in (low, high))
            return {"p": (np.where(p > 0, low, np.nan), np.where(p > 0, high, np.nan))}
        return {"p": (p - z * errors_, p + z * errors_)}
    for j, (name, value) in enumerate(fit.params.items()):
        estimate, error = np.asarray(value), errors_[..., j]
        if scale == "parameter":
            pair = (estimate - z * error, estimate + z * error)
        else:
            bijection = fit.family.parameter(name).bijection
            eta = bijection.inverse(estimate)
            slope = bijection.derivatives(eta)[0]
            reach = z * error / slope
            pair = (bijection.forward(eta - reach), bijection.forward(eta + reach))
        out[name] = tuple(_plain(v) for v in pair)
    return out


def outside(fit: Fit, intervals: dict[str, Any]) -> list[str]:
    """Return the parameters whose interval reaches beyond their domain in some member of the batch."""
    out = []
    for name, pair in intervals.items():
        domain = fit.family.parameter(name).domain
        lower, upper = (0.0, 1.0) if domain.kind == "simplex" else (domain.lower, domain.upper)
        if np.any(np.asarray(pair[0]) < lower) or np.any(np.asarray(pair[1]) > upper):
            out.append(name)
    return out


def exact(fit: Fit, level: float = 0.95) -> dict[str, Any]:
    """Return intervals from the exact law of the estimates, for families that state one."""
    check_level(level)
    model = fit.family
    if not model.has("_exact_interval"):
        raise errors.NoDensityError(
            errors.message(
                "a family with an exact law (Uniform, Pareto, Shifted(Exponential))",
                type(model).__name__,
                instead(fit),
            )
        )
    if fit.sample.weights is not None and not np.all(
        fit.sample.weights == np.round(fit.sample.weights)
    ):
        raise errors.NotRegularError(
            errors.message(
                "whole numbers as weights for an exact law",
                "fractional weights",
                "No interval of an end of the support is known under them"
                if any(not model.parameter(name).regular for name in fit.names)
                else instead(fit),
            )
        )
    statuses = np.ravel(np.asarray(fit.certificate.status, dtype=object))
    solved = np.array([status.solved for status in statuses])
    if not solved.any():
        raise errors.NotRegularError(
            errors.message(
                "a fit with a minimiser, to have an interval", str(fit.certificate), instead(fit)
            )
        )
    fixed = {p.name for p in model.params if p.name not in model.free}
    pairs = model._exact_interval(fit.theta, fit.objective.total, 1.0 - level, fixed)
    shape = fit.sample.batch_shape
    return {
        name: tuple(_plain(np.where(solved, v, np.nan).reshape(shape)) for v in pair)
        for name, pair in pairs.items()
        if name in model.free
    }


def _plain(value: Array) -> Any:
    value = np.asarray(value)
    return value.item() if value.ndim == 0 else value
