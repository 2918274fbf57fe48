"""Cox's test for separate families: each model is asked whether it predicts the likelihood ratio.

Cox (1961, Proceedings of the Fourth Berkeley Symposium 1, 105-123; 1962, Journal of the Royal Statistical
Society B 24, 406-424) centres the log-likelihood ratio at its mean under the fitted null model,

    T = LR − E_θ̂[LR],

so that its spread is what the scores of that model leave unexplained of the ratio: the estimate moves the
centre along. The law of T comes from samples of the fitted null model, each centred at the estimate that
it gives: the centre m(θ) = E_θ[LR] is a quadratic fitted to the ratios of one more sample from every
refitted model, whose scores take most of the noise off. The ratios by themselves, as in Williams (1970,
Biometrics 26, 23-32), scatter more than T and reject too rarely. Samples are recorded as the data were:
rounded, grouped, or lost to times of censoring that are drawn from their own product-limit estimate
(Efron 1981, Journal of the American Statistical Association 76, 312-319).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.foreign import Foreign
from mlece.combinators.observed import drawn_like
from mlece.diagnostics.comparable import names_of, nested, standing
from mlece.diagnostics.scale import recording
from mlece.diagnostics.vuong import log_ratio
from mlece.fits.contributions import member_score
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array
from mlece.randomness import stream
from mlece.refits.bootstrap import FEWEST, check_replicates, observations, parametric
from mlece.refits.recording import Draw, recorded_like
from mlece.sample import Sample

_WITHOUT = "mlece.vuong, mlece.shi and mlece.clarke compare these fits without samples"


@dataclass(frozen=True)
class Direction:
    """The log-likelihood ratio of the first model over the second, where one of them is right.

    Attributes
    ----------
    mean, sd : float
        E[LR] in samples drawn from that model, and the spread of T = LR − E_θ̂[LR].
    statistic : float
        (LR − mean)/sd, negative where the data favour the second model more than expected.
    p_value : float
        Share of samples whose ratio favours the other model as much.
    p_away : float
        Share of those whose ratio favours this model as much: small where the data depart from it, but
        away from the other.
    null : array (replicates,)
        T of the samples, sorted; infinitely in favour of the other model where one could not be fitted.
    """

    mean: float
    sd: float
    statistic: float
    p_value: float
    p_away: float
    null: Array


@dataclass(frozen=True)
class Cox:
    """Cox's test of two separate families, in both directions.

    Attributes
    ----------
    value : float
        LR, the log-likelihood of the first model less that of the second.
    first, second : Direction
        Where the first, and where the second, model is right.
    n : float
        Number of observations.
    level : float
        Level of the verdict, as a confidence level.
    """

    value: float
    first: Direction
    second: Direction
    n: float
    level: float
    names: tuple[str, str]

    @property
    def verdict(self) -> str:
        """Which model stands: "first", "second", "both" or "neither"."""
        size = 1.0 - self.level + 1e-12
        return standing(self.first.p_value > size, self.second.p_value > size)

    def __str__(self) -> str:
        one, two = self.names
        tails = {
            "first": f"{two} is rejected, {one} is not",
            "second": f"{one} is rejected, {two} is not",
            "both": "neither is rejected: these data do not tell them apart",
            "neither": "both are rejected",
        }
        return (
            f"{one} against {two}: LR = {self.value:.4g}; it would be {self.first.mean:.4g} "
            f"(sd {self.first.sd:.3g}, p = {self.first.p_value:.3g}) were {one} right, "
            f"{self.second.mean:.4g} (sd {self.second.sd:.3g}, p = {self.second.p_value:.3g}) were "
            f"{two} right ({self.first.null.size} parametric bootstrap replicates each, "
            f"n = {self.n:g}): {tails[self.verdict]}.{''.join(self._away())}"
        )

    def _away(self) -> list[str]:
        """Say which model the data depart from, away from the other."""
        size = 1.0 - self.level + 1e-12
        both = zip(self.names, (self.first, self.second), strict=True)
        return [
            f" They favour {name} more than it predicts (p = {found.p_away:.3g}): it may be wrong in "
            "another way."
            for name, found in both
            if found.p_away <= size
        ]


def cox(
    first: Fit, second: Fit, *, replicates: int | None = None, rng: Any = 0, level: float = 0.95
) -> Cox:
    """Test two models that are not nested, each as the null hypothesis against the other.

    Parameters
    ----------
    first, second : Fit
        Single fits of two families to the same observations and weights.
    replicates : int, optional
        Parametric bootstrap samples for each direction, five at the least for each coefficient of the
        centre: 40 for a family of two parameters, 95 for one of four, 215 for one of seven. 199 if not
        given, and more where these are hardly enough.
    rng : int or numpy.random.Generator
        Source of randomness.
    level : float
        Confidence level of the verdict.

    Returns
    -------
    Cox

    Raises
    ------
    ComparisonError
        For two fits of one family (:func:`mlece.restriction` compares those), for different data or
        measures, for a fit that ends at a limit of its family, and where samples of one model lie
        outside the support of the other. For intervals that overlap as neither censoring nor common
        times of inspection make them: how other outcomes would have been recorded is not known.
    NoDensityError
        For the likelihood of another library, from which no samples are drawn.
    DataError
        For a batch, or weights that are no counts.

    Notes
    -----
    The p-values are one-sided, against the other model. Both models may be rejected, or neither: unlike
    Vuong's test, which asks which is nearer, this one asks of each whether it is right. Data may depart
    from a model away from the other too: ``p_away`` tells. Losses are taken to come whatever the
    covariates are. For two linear models with Gaussian errors :func:`mlece.j_test` asks the same
    question, without samples.

    Examples
    --------
    >>> import mlece
    >>> beef = mlece.datasets.ground_beef()
    >>> gamma, lognormal = (mlece.fit(m, beef.values) for m in ("gamma", "lognormal"))
    >>> mlece.cox(gamma, lognormal, replicates=99).verdict
    'first'
    """
    least = max(_needed(len(f.names), len(_regular(f))) for f in (first, second))
    replicates = max(199, 6 * least // 5) if replicates is None else replicates
    _check(first, second, replicates, level)
    ratio = log_ratio(first, second, order=0)
    value = float(ratio.sum[0])
    generator = stream(rng)
    return Cox(
        value=value,
        first=_direction(first, second, value, replicates, generator),
        # Seen from the second model the ratio is turned round.
        second=_turned(_direction(second, first, -value, replicates, generator)),
        n=float(ratio.total[0]),
        level=level,
        names=names_of(first, second),
    )


def _check(first: Fit, second: Fit, replicates: int, level: float) -> None:
    check_level(level)
    check_replicates(replicates)
    for fit in (first, second):
        fit._data_only("Cox's test")
        fit._frequencies_only("Cox's test")
        if isinstance(fit.family, Foreign):
            fit.family.refuse("samples drawn from the fitted models", _WITHOUT)
        if fit.sample.batch_shape:
            raise errors.DataError(
                errors.message("one fit of each model", f"a batch {fit.sample.batch_shape}")
            )
        if fit.limit_models:
            raise errors.ComparisonError(
                errors.message(
                    "a fit that met a member of its family",
                    f"{fit.family.title}, whose best is a limit: {type(fit.model).__name__}",
                    "Test that family in its place",
                )
            )
    if nested(first, second) or nested(second, first):
        raise errors.ComparisonError(
            errors.message(
                "two separate families",
                f"two fits of {first.family.title}, one within the other",
                "mlece.restriction tests values of parameters within one family, fit.test terms",
            )
        )


def _direction(
    null: Fit, other: Fit, value: float, replicates: int, rng: np.random.Generator
) -> Direction:
    """Return the law of T, with ℓ(null) − ℓ(other) as ratio, where the first is right."""
    draw = _simulator(null)
    names = [p.name for p in null.family.params if p.name in null.names and not p.vector]
    parts = []
    for drawn, refit in parametric(null, replicates, rng, draw=draw):
        again, scores = _redrawn(refit, drawn, draw, rng)
        parts.append((_ratio(refit, other), _ratio(again, other), _estimates(refit, names), scores))
    ratios, second, theta, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    mean, centres = _centres(second, theta - _estimates(null, names), scores)
    found = np.nan_to_num(ratios - centres, nan=-np.inf)
    usable = found[np.isfinite(found)]
    if usable.size < FEWEST:
        raise errors.DataError(
            errors.message(
                "bootstrap samples that both families can fit", f"{usable.size} of {replicates}"
            )
        )
    sd = float(usable.std(ddof=1))
    return Direction(
        mean,
        sd,
        (value - mean) / sd if sd > 0 else float("nan"),
        float((1 + np.count_nonzero(found <= value - mean)) / (1 + replicates)),
        float((1 + np.count_nonzero(~(found < value - mean))) / (1 + replicates)),
        np.sort(found),
    )


def _simulator(null: Fit) -> Draw:
    """Return what draws samples of a model as its data came: rounded, lost and grouped like them."""
    y = observations(null)
    record = recording(null, y)
    try:
        incomplete = recorded_like(null, y)
    except errors.ComparisonError as unknown:
        raise errors.ComparisonError(f"{unknown}. {_WITHOUT}") from None

    def draw(model: Any, size: int, rng: np.random.Generator) -> Array:
        if incomplete is not None:
            return incomplete(model, size, rng)
        drawn = drawn_like(model, y[None], size, rng)
        return drawn if record is None else record(drawn)

    return draw


def _estimates(fits: Fit, names: list[str]) -> Array:
    """Return estimates (r, k)."""
    columns = [fits.flat(name) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((fits.objective.size, 0))


def _ratio(fits: Fit, other: Fit) -> Array:
    """Return ℓ of a batch of fits less that of the other family on the same samples, (r,)."""
    try:
        rival = fit_sample(other.family, fits.sample)
    except errors.SupportError as error:
        raise errors.ComparisonError(
            errors.message(
                "two models with one support, so that either can be fitted to the other's samples",
                f"a sample of {fits.family.title} that {other.family.title} excludes ({error})",
            )
        ) from None
    return np.asarray(fits.objective.total * (rival.values - fits.values))


def _redrawn(fits: Fit, like: Array, draw: Draw, rng: np.random.Generator) -> tuple[Fit, Array]:
    """Draw a sample from every fitted member, and fit the family to it.

    Also its mean scores there, (r, k), whose expectation is zero; NaN for members at a limit.
    """
    family, regular = fits.family, _regular(fits)
    y, scores = like.copy(), np.full((len(like), len(regular)), np.nan)
    for members, model in fits.groups():
        y[members] = draw(model, 1, rng)[:, 0]
        if int(members[0]) not in fits.limit_models:
            with np.errstate(all="ignore"):
                terms = member_score(family, model, y[members])
            scores[members] = terms[..., regular].mean(axis=1)
    return fit_sample(family, Sample(y, None, (len(y),), fits.sample.name)), scores


def _regular(fit: Fit) -> list[int]:
    """Return the places of the parameters that were estimated and have a score."""
    free = set(fit.names)
    return [
        i for i, p in enumerate(fit.family.params) if p.name in free and p.regular and not p.vector
    ]


def _needed(k: int, scores: int) -> int:
    """Return how many samples a quadratic in k parameters asks for, beside some scores."""
    return 5 * (1 + k + k * (k + 1) // 2 + scores)


def _centres(ratios: Array, away: Array, scores: Array) -> tuple[float, Array]:
    """Fit m(θ), a quadratic in θ − θ̂ (r, k), to ratios (r,) of samples from θ.

    Returns m(θ̂) and m of every member; that of θ̂ for members at a limit.
    """
    known = np.isfinite(ratios) & np.isfinite(away).all(axis=1) & np.isfinite(scores).all(axis=1)
    k = away.shape[1]
    first, second = np.triu_indices(k)
    if known.sum() < _needed(k, scores.shape[1]):
        raise errors.ParameterError(
            errors.message(
                f"{_needed(k, scores.shape[1])} replicates or more, with an interior "
                "optimum of the null model, to find the mean of the ratio",
                f"{int(known.sum())}",
                "Raise replicates=",
            )
        )
    unit = away[known].std(axis=0)
    z = np.where(known[:, None], away, 0.0) / np.where(unit > 0, unit, 1.0)
    terms = np.concatenate([np.ones((len(z), 1)), z, z[:, first] * z[:, second]], axis=1)
    # Regressors of mean zero, for their noise alone.
    noise = scores[known] / np.where((s := scores[known].std(axis=0)) > 0, s, 1.0)
    slopes = np.linalg.lstsq(np.concatenate([terms[known], noise], axis=1), ratios[known])[0]
    return float(slopes[0]), terms @ slopes[: terms.shape[1]]


def _turned(found: Direction) -> Direction:
    """Return the law of a ratio with its sign changed."""
    return replace(found, mean=-found.mean, statistic=-found.statistic, null=np.sort(-found.null))
