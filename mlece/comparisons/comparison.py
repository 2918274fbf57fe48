"""compare(): several families on one sample, against the entropy floor and ranked by prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from mlece.comparisons.ranking import CRITERIA, Row, best_member, fit_of, order
from mlece.comparisons.stacking import Stacking, stacked
from mlece.dataframes import data_frame
from mlece.fits.fitting import fit_sample
from mlece.fits.result import Fit
from mlece.math import Array
from mlece.model import Model
from mlece.predictor import Predictor
from mlece.randomness import stream
from mlece.refits.bootstrap import check_replicates
from mlece.sample import from_data
from mlece.sources.censoring import Censored
from mlece.units import Units, unit_name

if TYPE_CHECKING:
    from mlece.diagnostics.pairs import Pairs

ALL = "all"
_FIGURES = (
    "rank",
    "held_out",
    "excess",
    "estimation",
    "behind",
    "se",
    "weight",
    "delta_aic",
    "delta_aicc",
    "delta_tic",
)
# The default number of replicates; long samples get fewer, so that a model takes seconds.
_USUAL, _LARGE, _DRAWS = 199, 39, 20_000_000


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
    scheme : str
        What ranks the models: "leave-one-out", "10-fold" or "tic".
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
    scheme: str = ""
    units: Units = "nats"

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows with a rank, in its order."""
        return tuple(r for r in self.rows if r.rank is not None)

    @property
    def entropy(self) -> Any:
        """The entropy estimate behind the floor; None if no model is ranked, or there is no floor."""
        return next((r.gap.entropy for r in self.rows if r.gap is not None), None)

    @property
    def best(self) -> Fit:
        """The fit that predicts best: the first of the ranked ones.

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

    @cached_property
    def pairs(self) -> Pairs:
        """Every two ranked models by Vuong's test, the test of equal densities before it."""
        from mlece.diagnostics.pairs import pairwise

        return pairwise([fit_of(row) for row in self.ranked], [row.name for row in self.ranked])

    @cached_property
    def stacking(self) -> Stacking:
        """The mixture of the ranked models that foretells the observations left out best.

        Raises
        ------
        ComparisonError
            If the models were ranked by Takeuchi's criterion: nothing was left out.
        """
        foretold = [row.foretold for row in self.ranked]
        known = [terms for terms in foretold if terms is not None]
        if not known or len(known) < len(foretold):
            raise errors.ComparisonError(
                errors.message(
                    "models ranked by observations left out", "none", 'criterion="held out"'
                )
            )
        weights = fit_of(self.ranked[0]).sample.weights
        counts = np.ones(len(known[0])) if weights is None else weights[0]
        return stacked(np.stack(known, axis=1), counts, tuple(row.name for row in self.ranked))

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return the rows as a data frame, nats throughout.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            The library whose data frame (or table) is wanted.

        Raises
        ------
        UnknownNameError
            If the backend is none of these.
        MissingDependencyError
            If the library is not installed.

        Examples
        --------
        >>> import mlece
        >>> x = {"dose": [0.0, 1.0, 2.0, 3.0], "deaths": [1, 2, 2, 5]}
        >>> found = mlece.compare([mlece.Poisson(rate=t) for t in ("dose", "1")], "deaths", given=x)
        >>> found.to_frame()["model"].tolist()
        ["Poisson(rate='dose')", "Poisson(rate='1')"]
        """
        columns: dict[str, list[Any]] = {"model": [row.name for row in self.rows]}
        columns |= {name: [getattr(row, name) for row in self.rows] for name in _FIGURES}
        columns["p_value"] = [None if row.gap is None else row.gap.p_value for row in self.rows]
        columns["verdict"] = [row.verdict for row in self.rows]
        return data_frame(columns, backend)

    def plot(self, **options: Any) -> Any:
        """Draw floor, gap and estimation error; see :func:`mlece.plot.comparison_bars`."""
        from mlece.plot import comparison_bars

        return comparison_bars(self, **options)

    def table(self, units: Units | None = None) -> str:
        """Return the table that ``print(comparison)`` shows, in other units if wished."""
        from mlece.reports.comparison_report import compare_table

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
    criterion: str = CRITERIA[0],
    rng: Any = 0,
    units: Units = "nats",
    missing: str = "raise",
) -> Comparison:
    """Fit several models to one sample, hold them against the entropy floor and rank them.

    Parameters
    ----------
    models : sequence of Model, class of Model or registered name, or "all", optional
        Left out, the everyday families whose support holds the data: few, and fast. "all" tries
        every family that can be fitted to them, which may take minutes. Models of a response given
        covariates, ``Poisson(rate="age")``, are named; those without a predictor beside them have a
        constant in its place.
    data : array_like (n,), str or Censored
        Observations, or the name of a column of ``given``; a formula, "count ~ age", goes into the slot
        of every model that tells where its law lies. Incomplete ones
        (:func:`mlece.censored`, :func:`mlece.right_censored`, :func:`mlece.grouped`) show no
        entropy: the models are held against the nearest of them, without a bootstrap.
    weights : array_like (n,) or str, optional
        Frequency weights or counts.
    given : data frame, mapping or array, optional
        Holds the columns that are named, and the covariates.
    kind : {"auto", "continuous", "counts", "labels"}
        How to read the data when the families are chosen from them. "auto" reads non-negative
        integers that start at 3 or below as counts, other integers as measurements rounded to a
        grid, and text as labels.
    replicates : int, optional
        Parametric bootstrap replicates for each gap: 199 by default, fewer (39 at the least) beyond
        100,000 observations, where the statistic hardly scatters.
    criterion : {"auto", "held out", "tic"}
        What ranks the models: the cross-entropy of observations left out, or Takeuchi's criterion.
        "auto" is the former, unless weights are no counts. Observations are left out one at a time
        where there are 256 different ones at most, in 10 folds beyond.
    rng : int or numpy.random.Generator
        Source of randomness.
    units : {"nats", "bits", "hartleys"} or float
        Units in which the result is printed.
    missing : {"raise", "drop"}
        What to do about rows in which the response or a covariate of any model is missing: refuse them,
        or leave them out of all models alike.

    Returns
    -------
    Comparison

    Notes
    -----
    Responses given covariates, like incomplete data, show no entropy floor: their models are held
    against the nearest of them. All other models share one floor: the entropy estimate less the bias
    that the bootstrap finds under the first model. The distance of a family from it is
    CE_n + tr(A⁻¹B)/(2n) − floor: its first two terms estimate the cross-entropy of the family's best
    member (Takeuchi 1976). The test of each model is its own.

    Raises
    ------
    ComparisonError
        If some models have a density and others a mass function: there is no common floor.
    DataError, DataTypeError
        For data that no model can use.

    Examples
    --------
    >>> import mlece
    >>> from mlece.comparisons.comparison import compare
    >>> kicks = mlece.datasets.horse_kicks()
    >>> compare(["poisson", "geometric"], kicks.values, weights=kicks.counts).best
    <Fit Poisson(rate=0.61) by closed form>
    """
    unit_name(units)
    if kind not in KINDS:
        raise errors.unknown_name("kind of data", kind, KINDS)
    if data is None:
        models, data = None, models
    if replicates is not None:
        check_replicates(replicates)
    if criterion not in CRITERIA:
        raise errors.unknown_name("criterion", criterion, CRITERIA)
    listed = None if models is None or _every(models) else resolve_all(models)
    if isinstance(data, str) and "~" in data and given is not None:
        from mlece.comparisons.relative_comparison import with_formula

        listed, data = with_formula(listed, data, given, missing)
    if listed is not None and any(model.predictors for model in listed):
        from mlece.comparisons.relative_comparison import compare_given

        return compare_given(listed, data, weights, given, kind, units, criterion, missing)
    if isinstance(data, Censored):
        from mlece.comparisons.relative_comparison import compare_incomplete

        return compare_incomplete(models, data, weights, given, kind, units, criterion)
    name, values, w, dropped = read_data(data, weights, given, missing)
    if listed is None:
        kind, said = read_kind(values, kind)
        chosen = candidates(values, kind, rare=models is not None)
    else:
        chosen, said = listed, ""
        kind = common_kind(chosen, values, kind)
    n = float(len(values) if w is None else w.sum())
    draws = int(min(_USUAL, max(_LARGE, _DRAWS // n))) if replicates is None else replicates
    rows = [_row(m, values, w, name, draws, rng) for m in unlike(chosen)]
    # One seed, so that every model is held out on the same folds.
    seed = int(stream(rng).integers(2**32))
    ranked, floor, scheme = _ranked([r for r in rows if r.gap is not None], criterion, seed)
    rest = [r for r in rows if r.gap is None]
    gone = f"{dropped} of {dropped + len(values)} observations are missing and left out."
    about = [_grid_sentence(ranked), _lost_sentence(ranked), *_verdict_sentences(ranked)]
    sentences = [gone if dropped else "", said, *about]
    return Comparison(
        rows=(*ranked, *rest),
        name=name,
        n=n,
        kind=kind,
        summary=data_summary(values, n),
        sentences=tuple(s for s in sentences if s),
        replicates=draws,
        floor=floor,
        scheme=scheme,
        units=units,
    )


def _every(models: Any) -> bool:
    return isinstance(models, str) and models == ALL


def label_of(model: Model) -> str:
    """Return the name of a family, with what is held or made of other models where there is any."""
    shown = repr(model)
    for predictor in model.predictors.values():
        if predictor == Predictor(predictor.terms):
            shown = shown.replace(repr(predictor), repr(predictor.terms))
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


def _ranked(rows: list[Row], criterion: str, seed: int) -> tuple[list[Row], float, str]:
    """Set all rows against one floor, and fill in what depends on the others."""
    rows, scheme = order(rows, criterion, seed)
    if not rows:
        return [], float("nan"), scheme
    nearest = rows[0].gap
    assert nearest is not None
    out = [replace(row, excess=row.excess + nearest.value) for row in rows]
    return out, best_member(rows[0]) - nearest.value, scheme


# -------------------------------------------------------------------------------- the sentences


def _grid_sentence(ranked: Sequence[Row]) -> str:
    """Say that the data lie on a grid, and what was done about it."""
    for row in ranked:
        assert row.gap is not None
        if row.gap.resolution is not None:
            return str(row.gap.remark)
    return ""


def _lost_sentence(ranked: Sequence[Row]) -> str:
    """Say of which models some bootstrap samples could not be fitted, and how many."""
    few = [(r.gap.lost, r.gap.null.size, r.name) for r in ranked if r.gap and r.gap.lost]
    named = ", ".join(f"{lost} of {all_} of {name}" for lost, all_, name in few)
    return f"Bootstrap samples without a fit, counted against rejection: {named}." if few else ""


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
    far = [r.name for r in ranked if r.behind > 2.0 and not r.tied and r.name in good]
    if far:
        out.append(
            f"Yet farther than {ranked[0].name} by more than 2 standard errors of the difference: "
            f"{', '.join(far)}."
        )
    return [*out, *tie_sentence(ranked), *infinite_sentence(ranked)]


def infinite_sentence(ranked: Sequence[Row]) -> list[str]:
    """Name the models whose refits exclude what they have not seen, in a sentence if there are any."""
    names = [r.name for r in ranked if np.isposinf(r.held_out)]
    if not names:
        return []
    return [
        f"Held out ∞: without some observation the fit has no minimiser or excludes it: {', '.join(names)}."
    ]


def tie_sentence(ranked: Sequence[Row]) -> list[str]:
    """Name the models that cannot be told from the nearest, in a sentence if there are any."""
    ties = [r for r in ranked if r.tied]
    near = "within one standard error of the difference"
    same = "the two may be the same density, by Vuong's test of variance"
    return [
        f"Not to be told from {ranked[0].name} ({why}): {', '.join(names)}."
        for why, names in (
            (near, [r.name for r in ties if not r.p_same > 0]),
            (same, [r.name for r in ties if r.p_same > 0]),
        )
        if names
    ]
