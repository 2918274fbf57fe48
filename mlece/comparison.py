"""compare(): several families on one sample, ranked by their distance from the entropy floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.candidates import (
    KINDS,
    candidates,
    common_kind,
    data_summary,
    read_data,
    read_kind,
    resolve_all,
    unlike,
)
from mlece.fitting import fit_sample
from mlece.intervals import check_level
from mlece.math import Array, ndtri
from mlece.model import Model
from mlece.result import Fit
from mlece.sample import from_data
from mlece.sources.censoring import Censored
from mlece.units import Units, unit_name

if TYPE_CHECKING:
    from mlece.diagnostics.gap import Gap

ALL = "all"
# With fewer, no p-value could reach 5 %.
_FEWEST = 19
# The default number of replicates; long samples get fewer, so that a model takes seconds.
_USUAL, _LARGE, _DRAWS = 199, 39, 20_000_000


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Attributes
    ----------
    name : str
        The model's name.
    fit : Fit or None
        None where the data lie outside the support.
    gap : Gap or None
        The model by itself against the floor: its test and standard error; None where the model is
        not ranked.
    excess : float
        Distance of the family's best member from the floor that all models share, nats.
    estimation : float
        What estimating the parameters costs on new data, about tr(A⁻¹B)/(2n) nats.
    verdict : str
        "misspecified", "no evidence against it", or why the model is not ranked.
    rank : int or None
        1 for the model nearest to the floor.
    behind : float
        Distance from the nearest model in standard errors of the difference (Vuong 1989).
    se : float
        That standard error in nats, for incomplete data; there ``excess`` is the distance.
    delta_aic, delta_tic : float or None
        Akaike's and Takeuchi's criteria less the least among the ranked models; None where the
        model, or the nearest one, has none.
    """

    name: str
    fit: Fit | None
    gap: Gap | None
    verdict: str
    excess: float = float("nan")
    estimation: float = float("nan")
    rank: int | None = None
    behind: float = 0.0
    delta_aic: float | None = None
    delta_tic: float | None = None
    se: float = float("nan")

    @property
    def tied(self) -> bool:
        """Whether another model is nearest, but by one standard error of the difference at most."""
        return self.rank is not None and self.rank > 1 and self.behind <= 1.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return excess ± z se in nats, cut at zero because a divergence is not negative."""
        check_level(level)
        se = self.se if self.gap is None else self.gap.se
        width = float(ndtri(0.5 + 0.5 * level)) * se
        return max(0.0, self.excess - width), max(0.0, self.excess + width)


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`compare`: rows from the nearest model to the farthest.

    Attributes
    ----------
    rows : tuple of Row
        Those that could not be ranked come last.
    name : str
        Name of the variable.
    n : float
        Number of observations, or total weight.
    kind : str
        How the data were read: "continuous", "counts" or "labels".
    summary : str
        The data in a line.
    sentences : tuple of str
        What there is to say: how the data were read, ties, verdicts.
    replicates : int
        Bootstrap replicates behind each p-value.
    floor : float
        The entropy floor in nats: the estimate less its bias under the nearest model. NaN for
        incomplete data, which show none.
    units : str or float
        Units in which the table is printed; the numbers in the rows are nats.
    """

    rows: tuple[Row, ...]
    name: str
    n: float
    kind: str
    summary: str
    sentences: tuple[str, ...]
    replicates: int
    floor: float = float("nan")
    units: Units = "nats"

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows with a rank, nearest first."""
        return tuple(r for r in self.rows if r.rank is not None)

    @property
    def entropy(self) -> Any:
        """The entropy estimate behind the floor; None if no model is ranked, or there is no floor."""
        return next((r.gap.entropy for r in self.rows if r.gap is not None), None)

    @property
    def best(self) -> Fit:
        """The fit nearest to the entropy floor.

        Raises
        ------
        NoDensityError
            If no model could be fitted.
        """
        for row in self.ranked:
            assert row.fit is not None
            return row.fit
        raise errors.NoDensityError(
            errors.message("a model that can be fitted", "none", "print(comparison) says why")
        )

    def plot(self, **options: Any) -> Any:
        """Draw floor, gap and estimation error; see :func:`mlece.plot.comparison_bars`."""
        from mlece.plot import comparison_bars

        return comparison_bars(self, **options)

    def table(self, units: Units | None = None) -> str:
        """Return the table that ``print(comparison)`` shows, in other units if wished."""
        from mlece.report import compare_table

        return compare_table(self, units)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        order = ", ".join(r.name for r in self.ranked)
        return f"<Comparison on {self.name}: {order or 'no model could be ranked'}>"


def compare(
    models: Any = None,
    data: Any = None,
    *,
    weights: Any = None,
    given: Any = None,
    kind: str = "auto",
    replicates: int | None = None,
    rng: Any = 0,
    units: Units = "nats",
) -> Comparison:
    """Fit several models to one sample and rank them by their distance from the entropy floor.

    Parameters
    ----------
    models : sequence of Model, class of Model or registered name, or "all", optional
        Left out, the everyday families whose support holds the data: few, and fast. "all" tries
        every family that can be fitted to them, which may take minutes.
    data : array_like (n,), str or Censored
        Observations, or the name of a column of ``given``. Incomplete ones
        (:func:`mlece.censored`, :func:`mlece.right_censored`, :func:`mlece.grouped`) show no
        entropy: the models are held against the nearest of them, without a bootstrap.
    weights : array_like (n,) or str, optional
        Frequency weights or counts.
    given : data frame or mapping, optional
        Holds the columns that are named.
    kind : {"auto", "continuous", "counts", "labels"}
        How to read the data when the families are chosen from them. "auto" reads non-negative
        integers that start at 3 or below as counts, other integers as measurements rounded to a
        grid, and text as labels.
    replicates : int, optional
        Parametric bootstrap replicates for each gap: 199 by default, fewer (39 at the least) beyond
        100,000 observations, where the statistic hardly scatters.
    rng : int or numpy.random.Generator
        Source of randomness.
    units : {"nats", "bits", "hartleys"} or float
        Units in which the result is printed.

    Returns
    -------
    Comparison

    Notes
    -----
    All models share one floor: the entropy estimate less the bias that the bootstrap finds under
    the nearest model. The distance of a family from it is CE_n + tr(A⁻¹B)/(2n) − floor: its
    first two terms estimate the cross-entropy of the family's best member (Takeuchi 1976). The test
    of each model is its own.

    Raises
    ------
    ComparisonError
        If some models have a density and others a mass function: there is no common floor.
    DataError, DataTypeError
        For data that no model can use.

    Examples
    --------
    >>> import mlece
    >>> from mlece.comparison import compare
    >>> kicks = mlece.datasets.horse_kicks()
    >>> compare(["poisson", "geometric"], kicks.values, weights=kicks.counts).best
    <Fit Poisson(rate=0.61) by closed form>
    """
    unit_name(units)
    if kind not in KINDS:
        raise errors.unknown_name("kind of data", kind, KINDS)
    if data is None:
        models, data = None, models
    if replicates is not None and replicates < _FEWEST:
        raise errors.ParameterError(
            errors.message(f"at least {_FEWEST} replicates", f"{replicates}")
        )
    if isinstance(data, Censored) and given is None:
        from mlece.incomplete_comparison import compare_incomplete

        return compare_incomplete(models, data, weights, kind, units)
    name, values, w = read_data(data, weights, given)
    if models is None or (isinstance(models, str) and models == ALL):
        kind, said = read_kind(values, kind)
        chosen = candidates(values, kind, rare=models is not None)
    else:
        chosen = resolve_all(models)
        kind, said = common_kind(chosen, values, kind), ""
    n = float(len(values) if w is None else w.sum())
    draws = int(min(_USUAL, max(_LARGE, _DRAWS // n))) if replicates is None else replicates
    rows = [_row(m, values, w, name, draws, rng) for m in unlike(chosen)]
    ranked, floor = _ranked([r for r in rows if r.gap is not None])
    rest = [r for r in rows if r.gap is None]
    sentences = [said, _grid_sentence(ranked), *_verdict_sentences(ranked)]
    return Comparison(
        rows=(*ranked, *rest),
        name=name,
        n=n,
        kind=kind,
        summary=data_summary(values, n),
        sentences=tuple(s for s in sentences if s),
        replicates=draws,
        floor=floor,
        units=units,
    )


def label_of(model: Model) -> str:
    """Return the name of a family, with what is held or made of other models where there is any."""
    shown = repr(model)
    return shown.removesuffix("()") if shown == f"{type(model).__name__}()" else shown


# -------------------------------------------------------------------------------- the rows


def _row(model: Model, values: Array, w: Array | None, name: str, replicates: int, rng: Any) -> Row:
    """Fit one model and hold it against the floor, or say why that cannot be done."""
    from mlece.diagnostics.gap import gap

    label = label_of(model)
    try:
        admitted, sample = from_data(model, values, w, name)
        fit = fit_sample(admitted, sample)
    except errors.SupportError:
        return Row(label, None, None, _outside(model, values))
    without = unranked(label, fit)
    if without is not None:
        return without
    try:
        # Densities that vanish or overflow come out infinite and are told below.
        with np.errstate(all="ignore"):
            found = gap(fit, replicates=replicates, rng=rng)
    except errors.MleceError as error:
        return Row(label, fit, None, str(error))
    if not np.isfinite([found.value, found.se]).all():
        return Row(label, fit, None, "its cross-entropy is not finite in every bootstrap sample")
    verdict = "misspecified" if found.misspecified else "no evidence against it"
    return Row(label, fit, found, verdict)


def unranked(label: str, fit: Fit) -> Row | None:
    """Return the row of a fit that met no member of its family, None where it did."""
    if not fit.certificate.status.solved:
        return Row(label, fit, None, fit.certificate.sentence or fit.certificate.status.value)
    if not fit.limit_models:
        return None
    limit = type(fit.model).__name__
    why = fit.certificate.sentence.split(";")[0]
    return Row(label, fit, None, why if limit in why else f"{why}: the limit is {limit}")


def _outside(model: Model, values: Array) -> str:
    bad = ~model.support.contains(np.asarray(values, dtype=float))
    first = int(np.argmax(bad))
    return (
        f"its support is {model.support}; {int(bad.sum())} of {len(values)} observations lie "
        f"outside, the first {float(values[first]):.6g} at position {first}"
    )


def _ranked(rows: list[Row]) -> tuple[list[Row], float]:
    """Set all rows against one floor, and fill in what depends on the others."""
    rows = filled(rows)
    if not rows:
        return [], float("nan")
    nearest = rows[0].gap
    assert nearest is not None
    out = [
        replace(row, excess=row.excess + nearest.value, behind=behind(rows[0], row) if i else 0.0)
        for i, row in enumerate(rows)
    ]
    return out, _best_member(rows[0]) - nearest.value


def filled(rows: list[Row]) -> list[Row]:
    """Order fitted rows, and measure each against the first: excess, rank and criteria."""
    rows = sorted((replace(r, estimation=_estimation(r)) for r in rows), key=_best_member)
    aic = [_criterion(r, "aic") for r in rows]
    tic = [_criterion(r, "tic") for r in rows]
    return [
        replace(
            row,
            excess=_best_member(row) - _best_member(rows[0]),
            rank=i + 1,
            delta_aic=_less_least(aic, i),
            delta_tic=_less_least(tic, i),
        )
        for i, row in enumerate(rows)
    ]


def _best_member(row: Row) -> float:
    """Estimate the cross-entropy of the family's best member: half the optimism added."""
    assert row.fit is not None
    # On the grid of rounded data where the gap was taken there.
    value = row.fit.cross_entropy if row.gap is None else row.gap.cross_entropy
    return float(value) + row.estimation


def _estimation(row: Row) -> float:
    """Return tr(A⁻¹B)/(2n), or k/(2n) where the likelihood is not regular."""
    assert row.fit is not None
    try:
        with np.errstate(all="ignore"):
            trace = float(row.fit.trace)
    except (errors.MleceError, np.linalg.LinAlgError):
        trace = np.nan
    if not np.isfinite(trace):
        trace = float(row.fit.parameter_count)
    return trace / (2.0 * float(row.fit.n))


def _criterion(row: Row, name: str) -> float | None:
    try:
        with np.errstate(all="ignore"):
            value = float(getattr(row.fit, name))
    except (errors.MleceError, np.linalg.LinAlgError):
        return None
    return value if np.isfinite(value) else None


def _less_least(values: list[float | None], i: int) -> float | None:
    value, known = values[i], [v for v in values if v is not None]
    # Differences that leave the nearest model out would mislead.
    return None if value is None or values[0] is None else value - min(known)


def behind(best: Row, row: Row) -> float:
    """Return how far a model is from the best, in standard errors of the difference.

    The standard error is that of the mean of log q₁(yᵢ) − log q₂(yᵢ) (Vuong 1989, equation 4.2).
    """
    assert best.fit is not None
    assert row.fit is not None
    sample = best.fit.sample
    y = sample.values[0]
    first, second = (f.model.log_density(_labels(f, y)) for f in (best.fit, row.fit))
    w = np.ones(len(y)) if sample.weights is None else sample.weights[0]
    # An observation of weight 0 may lie where a density vanishes.
    difference = np.where(w > 0, first, 0.0) - np.where(w > 0, second, 0.0)
    n = w.sum()
    mean = (w @ difference) / n
    se = np.sqrt((w @ (difference - mean) ** 2) / n / n)
    distance = _best_member(row) - _best_member(best)
    return float(distance / se) if se > 0 else 0.0


def _labels(fit: Fit, codes: Array) -> Any:
    return fit.family.decode(codes) if fit.family.support.kind == "categories" else codes


# -------------------------------------------------------------------------------- the sentences


def _grid_sentence(ranked: Sequence[Row]) -> str:
    """Say that the data lie on a grid, and what was done about it."""
    for row in ranked:
        assert row.gap is not None
        if row.gap.resolution is not None:
            return str(row.gap.remark)
    return ""


def _verdict_sentences(ranked: Sequence[Row]) -> list[str]:
    """Say what the p-values come to, and which models cannot be told from the best."""
    if not ranked:
        return []
    out = []
    good = [r.name for r in ranked if r.gap is not None and not r.gap.misspecified]
    bad = [r.name for r in ranked if r.gap is not None and r.gap.misspecified]
    if len(ranked) > 1 and bad and not good:
        every = "Both" if len(ranked) == 2 else f"All {len(ranked)}"
        out.append(
            f"{every} families are misspecified (5 % level); {ranked[0].name} comes nearest."
        )
    elif len(ranked) > 1 and bad:
        out.append(f"Misspecified at the 5 % level: {', '.join(bad)}.")
        out.append(f"No evidence against: {', '.join(good)}.")
    far = [r.name for r in ranked if r.behind > 2.0 and r.name in good]
    if far:
        out.append(
            f"Yet farther than {ranked[0].name} by more than 2 standard errors of the difference: "
            f"{', '.join(far)}."
        )
    return [*out, *tie_sentence(ranked)]


def tie_sentence(ranked: Sequence[Row]) -> list[str]:
    """Name the models that cannot be told from the nearest, in a sentence if there are any."""
    ties = [r.name for r in ranked if r.tied]
    if not ties:
        return []
    return [
        f"Not to be told from {ranked[0].name} (within one standard error of the difference): "
        f"{', '.join(ties)}."
    ]
