"""study(): the whole study of misspecification in one call, and its result."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlece import errors
from mlece.dataframes import data_frame
from mlece.studies.drawing import DESIGNS
from mlece.studies.plan import Plan, make_plan
from mlece.studies.run import carry_out, require_picklable
from mlece.studies.summary import Row, rows_of

STANDARD = ("wald sandwich", "wald hessian")


@dataclass(frozen=True, eq=False)
class Study:
    """What a study found: a row for every truth, model and sample size.

    Attributes
    ----------
    rows : tuple of dict
        Every row has ``truth``, ``model``, ``n``, ``replicates`` and, in nats per observation,

        ``floor``, ``approximation``, ``estimation``
            H(p*), KL(p* ‖ q_θ*) and the mean of H(p*, q_θ̂) − H(p*, q_θ*).
        ``train``, ``test``, ``population``
            Means of the cross-entropy of the data that were fitted, of as many fresh data, and under
            the truth itself, over the ``fitted`` replicates that have a minimiser.
        ``train_excess``, ``test_excess``
            Means of the same over the cross-entropy of the same sample under the truth, whose mean is
            H(p*): train − H(p*) and test − H(p*) with less simulation error.
        ``optimism``, ``optimism_limit``
            Mean of population less train, the sample's own deviation from H(p*) taken off, and tr(A⁻¹B)/n.
        ``status.NAME``
            Share of the replicates that ended so: ``optimal``, ``boundary``, ``not_attained``, ...
        ``pseudo_true.P``, ``bias.P``, ``median_bias.P``, ``spread.P``, ``spread_limit.P``
            For every free parameter θ*; mean, median and standard deviation of θ̂ − θ*; and the standard
            deviation that the sandwich at θ* gives.
        ``coverage.KIND.P``
            Share of the intervals that hold θ*, over the replicates that have one.
        ``rejected.TEST``
            Share of p-values at or below 1 − level; that of a test of two models stands in the row of
            the model listed first, with ``.OTHER`` behind it and, for Vuong's, ``.OTHER.nearer`` for the
            share in which the first was found nearer.
        ``missing.KIND.P``, ``missing.TEST``
            Replicates without such an interval or p-value.
        ``remarks``
            Why all of them are missing.

        Simulation standard errors bear the name with ``_se`` behind its first word.
    plan : Plan
        What was asked for: truths and models by label, sizes, replicates, seed, intervals, tests, level.
    """

    rows: tuple[Row, ...]
    plan: Plan

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns: those that any row has, in the order of their appearance."""
        names = dict.fromkeys(name for row in self.rows for name in row if name != "remarks")
        return (*names, "remarks")

    def row(
        self, *, truth: str | None = None, model: str | None = None, n: int | None = None
    ) -> Row:
        """Return the one row with these labels; what is not given must not be in doubt.

        Raises
        ------
        UnknownNameError
            If there is no such row, or more than one.
        """
        wanted = {"truth": truth, "model": model, "n": n}
        given = {k: v for k, v in wanted.items() if v is not None}
        found = [row for row in self.rows if all(row[k] == v for k, v in given.items())]
        if len(found) != 1:
            raise errors.UnknownNameError(
                errors.message(
                    "truth, model and n of one row",
                    f"{given}, which {len(found)} rows have",
                    f"Truths: {', '.join(self.plan.truths)}; models: "
                    f"{', '.join(self.plan.models)}; sizes: {', '.join(map(str, self.plan.sizes))}",
                )
            )
        return found[0]

    def to_frame(self, backend: str = "pandas", *, long: bool = False) -> Any:
        """Return the rows as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}
            The library whose data frame (or table) is wanted.
        long : bool
            One number a row: truth, model, n, the name of the quantity, its value.

        Raises
        ------
        UnknownNameError
            If the backend is none of these.
        MissingDependencyError
            If the library is not installed.

        Examples
        --------
        >>> import mlece
        >>> found = mlece.study("poisson(rate=3)", "geometric", sizes=20, replicates=50)
        >>> found.to_frame()[["model", "n", "replicates"]].to_dict("records")
        [{'model': 'Geometric', 'n': 20, 'replicates': 50}]
        """
        return data_frame(self._long() if long else self._wide(), backend)

    def _wide(self) -> dict[str, list[Any]]:
        return {name: [row.get(name) for row in self.rows] for name in self.columns}

    def _long(self) -> dict[str, list[Any]]:
        keys = ("truth", "model", "n")
        told = [(row, name) for row in self.rows for name in row if name not in (*keys, "remarks")]
        out: dict[str, list[Any]] = {key: [row[key] for row, _ in told] for key in keys}
        out["quantity"] = [name for _, name in told]
        out["value"] = [float(row[name]) for row, name in told]
        return out

    def write(self, path: str | Path) -> None:
        """Write the rows as comma-separated values, all digits; what a row does not have stays empty.

        The file is replaced whole: who reads it meanwhile finds the old one or the new one.
        """
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        path = Path(path)
        draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
        draft.write_text(text.getvalue(), encoding="utf-8")
        draft.replace(path)

    def plot(self, **options: Any) -> Any:
        """Draw learning curves, bias and coverage; see :func:`mlece.plot.study_panels`."""
        from mlece.plot import study_panels

        return study_panels(self, **options)

    def __str__(self) -> str:
        from mlece.studies.table import study_table

        return study_table(self)

    def __repr__(self) -> str:
        plan = self.plan
        return (
            f"<Study of {len(plan.truths)} truth(s), {len(plan.models)} model(s), "
            f"{len(plan.sizes)} size(s), {plan.replicates} replicates>"
        )


def study(
    truth: Any,
    models: Any,
    sizes: Any,
    replicates: int = 1000,
    rng: Any = 0,
    workers: int = 1,
    *,
    intervals: Any = STANDARD,
    tests: Any = (),
    level: float = 0.95,
    design: str = DESIGNS[0],
    out: str | Path | None = None,
    progress: bool | None = None,
) -> Study:
    """Study what models come to on samples of known truths, right and wrong.

    Parameters
    ----------
    truth : Model, frozen distribution of scipy.stats, str, or several
        Known laws, one, a list, or a mapping that labels them; text such as ``"gamma(shape=2, rate=1)"``
        will do. What :func:`mlece.conditional_truth` returns is a truth for models with predictors, and so
        is a fit with covariates, at the covariates of its data.
    models : Model, class of Model, str, or several
        Families with free slots. All are fitted to the same samples.
    sizes : int or sequence of int
        Sample sizes.
    replicates : int
        Samples of each truth and size, fitted in batches.
    rng : int or numpy.random.Generator
        Seed; the same number gives the same result, whatever the number of workers.
    workers : int
        Processes. Scripts guard their main part (``if __name__ == "__main__":``), as for any pool.
    intervals : str or sequence of str
        Kinds of interval whose coverage of θ* is wanted: "wald sandwich", "wald hessian", "wald opg",
        "wald fisher", each also with "unconstrained" behind it; "profile", "robust profile",
        "bootstrap" (999 refits of every fit) and "exact"; see :meth:`mlece.Fit.interval`.
    tests : str or sequence of str
        Tests whose share of rejections is wanted: "information matrix" (and "information matrix opg"),
        "vuong", "vuong tic" and "clarke" for each pair of models, and of θ = θ*, which holds, so that
        rejections are errors, "likelihood ratio", "wald", "score", each also with "robust" behind it.
    level : float
        Confidence level of the intervals; tests reject at 1 − level.
    design : {"drawn", "fixed"}
        Of truths with covariates: whether these are drawn for every sample, from their laws or the rows
        that stand for them, or all samples have these very rows, each equally often: sizes are then
        multiples of their number, and refits share one design.
    out : str or Path, optional
        A CSV file that grows with every cell, and a Parquet file beside it where pyarrow is installed.
        What is computed is kept in the folder of that name with ``.parts`` behind it: the same call
        takes up an interrupted study where it stood, and one with more replicates, sizes or truths adds
        to it. The folder may be deleted when the study is done.
    progress : bool, optional
        A progress bar on standard error; there is one in a terminal if not given.

    Returns
    -------
    Study

    Raises
    ------
    SupportError, ComparisonError, NoDensityError
        If a model cannot be fitted to a truth, before anything is simulated.
    DataError, ParameterError, UnknownNameError
        For arguments that cannot be used.

    Notes
    -----
    Members without a minimiser are counted in ``status.*`` and in ``fitted``; means run over the rest.
    Theory: White (1982), Econometrica 50, 1-25; Takeuchi (1976); Huber (1967).

    Examples
    --------
    >>> import mlece
    >>> found = mlece.study(
    ...     mlece.Gamma(shape=2, rate=1), ["exponential", "gamma"], sizes=[50, 200], replicates=400
    ... )
    >>> row = found.row(model="Exponential", n=200)
    >>> round(row["approximation"], 6), row["coverage.wald hessian.rate"] > 0.98
    (0.115932, True)
    """
    plan = make_plan(truth, models, sizes, replicates, rng, intervals, tests, level, design)
    workers = _workers(workers)
    require_picklable(plan, workers)
    _require_pairs(plan)
    path = None if out is None else _path(out)
    folder = None if path is None else path.with_name(f"{path.name}.parts")
    if folder is not None:
        folder.mkdir(exist_ok=True)
    result = Study((), plan)
    for name, n, notes in carry_out(plan, workers, folder, progress):
        result = replace(result, rows=(*result.rows, *rows_of(plan, name, n, notes)))
        if path is not None:
            result.write(path)
    if path is not None:
        _write_parquet(result, path)
    return result


def _workers(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise errors.ParameterError(
            errors.message("a number of workers, a whole number from 1 on", repr(value))
        )
    return value


def _require_pairs(plan: Plan) -> None:
    """Raise, before anything is simulated, where a model cannot be fitted to a truth."""
    from mlece.studies.measures import target

    for law in plan.truths.values():
        for model in plan.models.values():
            target(law, model)


def _path(out: str | Path) -> Path:
    path = Path(out)
    if path.suffix.lower() != ".csv":
        raise errors.DataError(errors.message("a file ending in .csv", repr(str(out))))
    if not path.resolve().parent.is_dir():
        raise errors.DataError(errors.message("a file in a folder that exists", repr(str(out))))
    return path


def _write_parquet(result: Study, path: Path) -> None:
    """Write a Parquet file beside the CSV file, where there is the library."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        return
    import narwhals as nw

    frame = nw.from_native(result.to_frame("pyarrow"), eager_only=True)
    frame.write_parquet(path.with_suffix(".parquet"))
