"""Goodness of fit: is the fitted law the law of the data? With p-values that know it was fitted.

Tables of these statistics hold for a law that is known beforehand. Here the parametric bootstrap repeats
the fit on every simulated sample (Stute, González Manteiga and Presedo Quindimil 1993, Metrika 40,
243-256), so that the p-values hold for every family, for counts and for laws with atoms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.combinators.incomplete import is_incomplete
from mlece.combinators.observed import laws_at, response_family
from mlece.diagnostics.distance import atoms_of, distances, spread_distances
from mlece.diagnostics.residuals import intervals_of
from mlece.diagnostics.scale import Scale, choose_scale, recording
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.randomness import stream
from mlece.refits.bootstrap import check_replicates, observations, parametric
from mlece.refits.recording import recorded_like

ENTROPY, CHI_SQUARE = "entropy", "chi-square"


@dataclass(frozen=True)
class Distance:
    """One statistic with its p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class GoodnessOfFit:
    """How far data are from their fitted law, and how often a sample from it would be so far.

    Attributes
    ----------
    tests : dict of str to Distance
        By name: Kolmogorov and Smirnov's, Cramér and von Mises's and Anderson and Darling's distances
        (Kuiper's and Watson's on a circle), Pearson's χ², and the entropy test CE − Ĥ.
    classes : int
        Number of classes behind χ².
    replicates : int
        Bootstrap samples.
    lost : int
        How many of them the family could not be fitted to; they count as farther away than the data.
    n : float
        Number of observations.
    model : str
        Name of the family.
    remark : str
        What was found about ties, and what was left out.
    """

    tests: dict[str, Distance]
    classes: int
    replicates: int
    lost: int
    n: float
    model: str
    remark: str

    def __getitem__(self, name: str) -> Distance:
        if name not in self.tests:
            raise errors.unknown_name("test", name, tuple(self.tests))
        return self.tests[name]

    def __str__(self) -> str:
        lines = [f"{self.model}, n = {self.n:g}, {self.replicates} bootstrap samples"]
        for name, test in self.tests.items():
            label = f"{name} ({self.classes} classes)" if name == CHI_SQUARE else name
            lines.append(f"{label:<26}{test.statistic:>12.5g}   p = {test.p_value:.3g}")
        if self.lost:
            lines.append(
                f"{self.lost} bootstrap samples could not be fitted and count against rejection."
            )
        return "\n".join([*lines, self.remark] if self.remark else lines)


def goodness_of_fit(fit: Fit, *, replicates: int = 199, rng: Any = 0) -> GoodnessOfFit:
    """Test whether data come from their fitted law.

    Parameters
    ----------
    fit : Fit
        A single fit of a density, counts, labels or a law with atoms, to exact observations or to
        right-censored, left-censored or grouped ones.
    replicates : int
        Parametric bootstrap samples behind every p-value.
    rng : int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, sampling weights, or a family that holds every law on its
        support.
    DataError
        For a batch, or weights that are no counts.
    ParameterError
        For fewer than 19 replicates.

    Notes
    -----
    Responses with covariates are held against their own laws: the statistics are those of their
    probability transforms, spread evenly over P(Y < y) to P(Y ≤ y) where these differ, and simulated
    samples have the covariates of the data. Simulated samples are censored as the data were: by losses
    drawn from their product-limit estimate, with the same entries, or in the same cells. Rounded data are
    tested by rounded samples. The classes of χ² are equally probable under the fitted law where it is
    continuous, about 2 n^0.4 of them (Moore 1986, in Goodness-of-Fit Techniques, edited by D'Agostino and
    Stephens), and stay where they are in the simulated samples.

    Examples
    --------
    >>> import mlece
    >>> y = mlece.Gamma(shape=2, rate=1).sample(100, rng=1)
    >>> mlece.goodness_of_fit(mlece.fit("gaussian", y))["anderson-darling"].p_value
    0.005
    """
    y = _check(fit, replicates)
    if is_incomplete(fit.family) or isinstance(fit.family, Conditional):
        return _of_transforms(fit, y, replicates, stream(rng))
    scale, remark = _scale(fit, y)
    counter = _Classes(fit.model, y.size)
    generator = stream(rng)

    def statistics(rows: Array, fits: Fit, observed: Array | None = None) -> dict[str, Array]:
        out: dict[str, Array] = {}
        for members, model in fits.groups():
            found = {} if counter.labels else distances(model, rows[members])
            found[CHI_SQUARE] = counter.distance(model, rows[members])
            for name, values in found.items():
                out.setdefault(name, np.full(fits.objective.size, np.nan))[members] = values
        if scale is not None:
            out[ENTROPY] = scale.statistic(rows if observed is None else observed, fits)[0]
        return out

    own = statistics(y[None, :], fit, None if scale is None else scale.observed[None, :])
    record = None if scale is None else scale.record
    refits = parametric(fit, replicates, generator, record)
    null = [statistics(rows, refit) for rows, refit in refits]
    return _judged(fit, own, null, counter.count, replicates, y.shape[0], remark)


def _of_transforms(fit: Fit, y: Array, replicates: int, rng: np.random.Generator) -> GoodnessOfFit:
    """Test whether the transforms of observations (n, width) are uniform, which have a law each.

    They are intervals where observations are incomplete or counts; simulated observations are recorded as
    these were, at the same covariates.
    """
    incomplete = is_incomplete(response_family(fit.family))
    count = max(2, round(2.0 * len(y) ** 0.4))

    def statistics(rows: Array, fits: Fit) -> dict[str, Array]:
        out: dict[str, Array] = {}
        for members, model in fits.groups():
            law, own = laws_at(model, rows[members])
            below, at, _, _ = intervals_of(law, own, incomplete)
            found = spread_distances(below, at)
            found[CHI_SQUARE] = _spread_classes(below, at, count)
            for name, values in found.items():
                out.setdefault(name, np.full(fits.objective.size, np.nan))[members] = values
        return out

    draw, record = recorded_like(fit, y), recording(fit, y)
    refits = parametric(fit, replicates, rng, record, draw)
    null = [statistics(rows, refit) for rows, refit in refits]
    own = statistics(y[None, :, :], fit)
    remark = []
    if isinstance(fit.family, Conditional):
        remark.append("Each response is held against its own law, given its covariates.")
    if incomplete:
        remark.append("Incomplete observations are spread over their intervals as the law would.")
    return _judged(fit, own, null, count, replicates, y.shape[0], " ".join(remark))


def _spread_classes(below: Array, at: Array, count: int) -> Array:
    """Return Pearson's χ² of transforms spread over their intervals, in classes of equal width, (r,)."""
    edges = np.arange(1, count)[:, None, None] / count
    width = at - below
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(width > 0, (edges - below) / width, 1.0 * (edges >= at))
    up_to = np.clip(share, 0.0, 1.0).sum(axis=2)
    n = float(below.shape[1])
    ends = np.concatenate([np.zeros((1, len(below))), up_to, np.full((1, len(below)), n)])
    return np.asarray((np.square(np.diff(ends, axis=0) - n / count) / (n / count)).sum(axis=0))


def _judged(
    fit: Fit,
    own: dict[str, Array],
    null: list[dict[str, Array]],
    classes: int,
    replicates: int,
    n: int,
    remark: str,
) -> GoodnessOfFit:
    """Hold the statistics of the data against those of simulated samples."""
    tests, lost = {}, 0
    for name, value in own.items():
        if np.isinf(value[0]):
            remark = (
                f"{remark} The statistic {name} is infinite: an observation lies at an end of the support."
            ).strip()
            continue
        simulated = np.concatenate([p.get(name, np.full(1, np.nan)) for p in null])
        lost = max(lost, int(np.isnan(simulated).sum()))
        # Statistics of counts tie: equal to rounding is equal.
        reach = value[0] - 1e-9 * abs(value[0])
        beyond = np.count_nonzero(np.isnan(simulated) | (simulated >= reach))
        tests[name] = Distance(float(value[0]), float((1 + beyond) / (1 + replicates)))
    name = fit.family.title
    return GoodnessOfFit(tests, classes, replicates, lost, float(n), name, remark)


def _scale(fit: Fit, y: Array) -> tuple[Scale | None, str]:
    """Return how the data are recorded and how their entropy is estimated, if it can be."""
    if atoms_of(fit.model).size:
        return None, "The entropy test is left out: the law has atoms and a density."
    try:
        scale = choose_scale(fit, y, None)
    except errors.DataError as error:
        return None, f"The entropy test is left out: {error}"
    return scale, scale.remark


class _Classes:
    """The classes of Pearson's χ²: fixed by the fitted law, the same for every sample.

    Attributes
    ----------
    edges : array (m − 1,)
        Upper ends of all classes but the last; the codes of the labels where there is no order.
    count : int
        Number of classes, m.
    labels : bool
        Whether the observations are labels.
    """

    def __init__(self, model: Model, n: int) -> None:
        self.labels = model.support.kind == "categories"
        if self.labels:
            self.count = len(model.labels)  # type: ignore[attr-defined]
            return
        wanted = max(2, round(2.0 * n**0.4))
        levels = np.arange(1, wanted) / wanted
        edges = np.unique(model.quantile(levels))
        # The last class of a law with atoms would be empty above its largest point.
        self.edges = edges[model.sf(edges) > 0.25 / wanted]
        self.count = self.edges.size + 1

    def distance(self, model: Model, rows: Array) -> Array:
        """Return Σ (O − E)²/E of each sample, (r,)."""
        n = rows.shape[1]
        if self.labels:
            share = np.asarray(model.slots["p"])
            classes = rows.astype(np.intp)
        else:
            edge = np.zeros((len(rows), 1))
            cumulative = model.cdf(np.broadcast_to(self.edges, (len(rows), self.edges.size)))
            share = np.diff(np.concatenate([edge, cumulative, edge + 1.0], axis=1), axis=1)
            classes = np.searchsorted(self.edges, rows, side="left")
        codes = classes + self.count * np.arange(len(rows))[:, None]
        counts = np.bincount(codes.ravel(), minlength=self.count * len(rows))
        observed = counts.reshape(len(rows), self.count)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.square(observed - n * share) / (n * share)
        # A class without probability that holds nothing adds nothing.
        return np.asarray(np.where((share == 0) & (observed == 0), 0.0, terms).sum(axis=1))


def _check(fit: Fit, replicates: int) -> Array:
    """Return the observations one by one; raise where there is nothing to test."""
    check_replicates(replicates)
    if fit.sample.truth is not None:
        raise errors.ComparisonError(
            errors.message(
                "a fit to data", "a fit to a known distribution", "Use mlece.kl_divergence"
            )
        )
    family = response_family(fit.family)
    if family._observations == "vectors":
        raise errors.ComparisonError(
            errors.message(
                "numbers for a test of fit",
                "vectors",
                "Test their coordinates; mlece.ios takes vectors",
            )
        )
    if family is not fit.family and family.support.kind == "categories":
        raise errors.ComparisonError(
            errors.message("numbers for a test of fit given covariates", "labels")
        )
    if fit.sample.weighting != "frequency":
        raise errors.ComparisonError(
            errors.message("frequency weights for a test of fit", "sampling weights")
        )
    if fit.sample.batch_shape:
        raise errors.DataError(
            errors.message("one fit", f"a batch {fit.sample.batch_shape}", "Use fit[i]")
        )
    if fit.family.saturated and fit.family.free:
        raise errors.ComparisonError(
            errors.message(
                "a family that leaves some laws out",
                f"{fit.family.title}, which holds every law on its support",
            )
        )
    return observations(fit)
