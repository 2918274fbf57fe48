"""Fits as tables: a row for each coefficient, a row for the fit, a row for each observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlece import errors
from mlece.combinators.conditional import Conditional
from mlece.dataframes import data_frame
from mlece.diagnostics.residuals import has_order, residuals
from mlece.fits.contributions import member_log_density
from mlece.fits.result import Fit
from mlece.inference.intervals import check_level
from mlece.math import Array, ndtr
from mlece.model import Model
from mlece.regression.result import ConditionalFit
from mlece.regression.robust import leverages
from mlece.reports.report import intervals_or_none, standard_errors_or_why
from mlece.sources.tables import beside, frame_like, readable

# What a question without an answer raises.
_REFUSALS = (errors.NotRegularError, errors.NoDensityError, errors.ComparisonError)


def tidy(
    fit: Fit,
    level: float = 0.95,
    kind: str = "sandwich",
    method: str = "auto",
    frame: str | None = None,
    **options: Any,
) -> Any:
    """Return a table with a row for each coefficient.

    Parameters
    ----------
    fit : Fit
        One fit, or a batch, whose members follow each other.
    level : float
        Confidence level of the intervals.
    kind : str
        Covariance behind standard errors and Wald intervals, robust if not given; see
        :func:`mlece.fits.covariance.covariance`.
    method : {"auto", "wald", "exact", "profile", "robust profile", "bootstrap"}
        Of the intervals; see :func:`mlece.inference.intervals.interval`.
    frame : {"pandas", "polars", "pyarrow"}, optional
        Library of the table; that of the data frame or Series that was fitted if not given.
    **options
        Of the covariance (clusters, lags, bread), for standard errors and intervals alike.

    Returns
    -------
    data frame, or dict of str to array where no data frame was fitted and none is asked for
        Columns ``slot``, ``term``, ``estimate``, ``std_error``, ``statistic``, ``p_value``, ``conf_low``
        and ``conf_high``; for a batch ``batch`` before them (``batch_0``, ``batch_1``, ... for several
        axes). ``term`` is the column of the design, the label of a probability, and empty for a
        parameter that is one number. The statistic is estimate over standard error, the p-value that of
        a coefficient of 0 under the normal law, both sides; NaN where 0 is not inside the parameter's
        domain. Standard errors and intervals are NaN where the fit has none.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> table = fit.tidy()
    >>> table["slot"].tolist(), table["term"].tolist()
    (['rate', 'rate'], ['Intercept', 'x'])
    >>> table["p_value"].round(3).tolist()
    [0.582, 0.0]
    """
    check_level(level)
    entries = list(_entries(fit))
    said, _ = standard_errors_or_why(fit, kind, **options)
    ends, _ = intervals_or_none(fit, level, kind, method, **options)
    shape = fit.sample.batch_shape

    def stacked(found: Mapping[str, Any]) -> Array:
        cells = [_cell(found.get(name, np.nan), cell, shape) for _, _, name, cell in entries]
        return np.stack(cells, axis=-1).reshape(-1) if cells else np.empty(0)

    estimate, se = stacked(fit.params), stacked(said)
    inner = np.array([_zero_inside(fit, name) for _, _, name, _ in entries], dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where(np.tile(inner, fit.objective.size), estimate / se, np.nan)
    columns = _batch_columns(shape, len(entries))
    columns["slot"] = np.array([e[0] for e in entries] * fit.objective.size, dtype=object)
    columns["term"] = np.array([e[1] for e in entries] * fit.objective.size, dtype=object)
    columns |= {
        "estimate": estimate,
        "std_error": se,
        "statistic": statistic,
        "p_value": 2.0 * ndtr(-np.abs(statistic)),
        "conf_low": stacked({name: pair[0] for name, pair in ends.items()}),
        "conf_high": stacked({name: pair[1] for name, pair in ends.items()}),
    }
    return _table(columns, fit, frame)


def glance(fit: Fit, frame: str | None = None) -> Any:
    """Return a table with one row for the fit, one for each member of a batch.

    Parameters
    ----------
    fit : Fit
    frame : {"pandas", "polars", "pyarrow"}, optional
        Library of the table; that of the data frame or Series that was fitted if not given.

    Returns
    -------
    data frame, or dict of str to array where no data frame was fitted and none is asked for
        Columns ``model``, ``data``, ``n``, ``dropped`` (rows with missing values that were left out),
        ``parameters``, ``cross_entropy`` (nats per observation), ``log_likelihood``, ``aic``, ``aicc``,
        ``bic``, ``trace`` and ``tic``; of the certificate ``status``, ``excess`` (nats per observation),
        ``scope`` and ``bound``; ``solver``. NaN where a criterion does not exist: without data, for
        sampling weights, or where the likelihood is not regular.

    Examples
    --------
    >>> import mlece
    >>> row = mlece.fit("exponential", [1.0, 2.0, 3.0]).glance()
    >>> row["status"].tolist(), row["aic"].round(4).tolist()
    (['OPTIMAL'], [12.1589])
    """
    size, certificate = fit.objective.size, fit.certificate
    columns = _batch_columns(fit.sample.batch_shape, 1)
    statuses = np.ravel(np.asarray(certificate.status, dtype=object))

    def text(value: Any) -> Array:
        return np.array([str(value)] * size, dtype=object)

    def numbers(value: Any) -> Array:
        return np.array(np.broadcast_to(np.ravel(np.asarray(value, dtype=float)), (size,)))

    columns |= {
        "model": text(fit.family.title),
        "data": text(fit.sample.name),
        "n": numbers(np.nan if fit.n is None else fit.n),
        "dropped": np.full(size, fit.notes.get("dropped", 0)),
        "parameters": np.full(size, fit.parameter_count),
        "cross_entropy": numbers(fit.cross_entropy),
    }
    for name in ("log_likelihood", "aic", "aicc", "bic", "trace", "tic"):
        columns[name] = numbers(_or_nan(partial(getattr, fit, name)))
    columns |= {
        "status": np.array([status.name for status in statuses], dtype=object),
        "excess": numbers(certificate.excess),
        "scope": text(certificate.scope),
        "bound": text(certificate.bound),
        "solver": text(fit.solver),
    }
    return _table(columns, fit, frame)


def augment(fit: Fit, prefix: str = "", rng: Any = 0, frame: str | None = None) -> Any:
    """Return the data that were fitted, with what the fit says of each row.

    Parameters
    ----------
    fit : Fit
        A single fit to data.
    prefix : str
        Set before the name of each new column.
    rng : int or numpy.random.Generator
        Of the randomised residuals of discrete and incomplete responses.
    frame : {"pandas", "polars", "pyarrow"}, optional
        Library of the table; that of the data frame or Series that was fitted if not given.

    Returns
    -------
    data frame, or dict of str to array where no data frame was fitted and none is asked for
        The rows as they came (of a fit without a data frame the responses) and the columns ``fitted``,
        the mean of the fitted law, NaN if it has none, or the most probable label; ``log_density``, the
        row's share in the log-likelihood; ``residual``, its randomised quantile residual, normal under
        the model, where responses lie on a line; ``leverage``, of complete responses with covariates, one
        for each predictor (``leverage[slot]``) where there are several; and ``p[label]``, the
        probabilities of labels. Rows that were not fitted, because a value is missing or their weight is
        zero, have missing values.

    Raises
    ------
    ComparisonError
        For a fit to a known distribution, and for vectors.
    DataTypeError
        For a batch of fits.
    DataError
        If a new column has the name of one that is there.

    Examples
    --------
    >>> import mlece
    >>> fit = mlece.fit(mlece.Poisson(rate="x"), [1, 2, 2, 4], given={"x": [0.0, 1.0, 2.0, 3.0]})
    >>> table = fit.augment()
    >>> list(table)
    ['x', 'fitted', 'log_density', 'residual', 'leverage']
    """
    if fit.sample.batch_shape:
        raise errors.DataTypeError(
            errors.message("one fit", "a batch of fits", "fit[i].augment() is the table of one")
        )
    if fit.sample.truth is not None or fit.sample.drawn is not None:
        raise errors.ComparisonError(
            errors.message("a fit to data", "a fit to a known distribution")
        )
    given = isinstance(fit, ConditionalFit)
    if fit.family._observations == "vectors":
        raise errors.ComparisonError(errors.message("numbers or labels", "vectors"))
    law: Model = fit.predict() if isinstance(fit, ConditionalFit) else fit.model
    ((_, member),) = fit.groups()
    rows, kept = _rows_of(fit)
    fitted = law.batch_shape[0] if given else len(rows)
    new = _expected(law, fitted)
    density = member_log_density(fit.family, member, fit.sample.values)[0]
    new["log_density"] = _scattered(density, rows, fitted) if given else density[rows]
    if has_order(law):
        found = residuals(fit, rng=rng)
        new["residual"] = _scattered(found, rows, fitted) if given else found
    if isinstance(fit, ConditionalFit):
        new |= {k: _scattered(v, rows, fitted) for k, v in _leverages(fit).items()}
    if kept is not None:
        new = {name: _scattered(v, np.flatnonzero(kept), len(kept)) for name, v in new.items()}
    shares = {k: new.pop(k) for k in list(new) if k.startswith("p[")}
    named = {f"{prefix}{name}": values for name, values in {**new, **shares}.items()}
    source = fit.given if given or fit.given is not None else {fit.sample.name: _responses(fit)}
    return beside(source, named, fit.sample.name, frame)


# -------------------------------------------------------------------------------- coefficients


def _entries(fit: Fit) -> Iterator[tuple[str, str, str, int | None]]:
    """Yield slot, term, name and cell of each free coefficient."""
    family = fit.family
    terms = family.terms if isinstance(family, Conditional) else ()
    own = {
        name: (term.label, column)
        for term in terms
        for name, column in zip(term.names, term.design.names, strict=True)
    }
    for name in fit.names:
        cells = np.shape(fit.flat(name))[1:]
        if cells:
            labels = getattr(family, "labels", None) or range(cells[0])
            yield from ((name, str(label), name, k) for k, label in enumerate(labels))
        else:
            slot, term = own.get(name, (name, ""))
            yield slot, term, name, None


def _cell(value: Any, cell: int | None, shape: tuple[int, ...]) -> Array:
    array = np.asarray(value, dtype=float)
    if cell is not None and array.ndim > len(shape):
        array = array[..., cell]
    return np.broadcast_to(array, shape)


def _zero_inside(fit: Fit, name: str) -> bool:
    p = fit.family.parameter(name)
    return bool(not p.vector and p.domain.lower < 0.0 < p.domain.upper)


# -------------------------------------------------------------------------------- observations


def _rows_of(fit: Fit) -> tuple[Array, Array | None]:
    """Return rows of the design (n,) and which rows were kept; without one the places of the values."""
    if isinstance(fit, ConditionalFit):
        return fit.rows[0], fit.kept
    places = fit.sample.places
    return np.arange(fit.sample.rows) if places is None else places, None


def _expected(law: Model, n: int) -> dict[str, Array]:
    """Return mean or most probable label, and the probabilities of labels, for n rows."""
    if law.support.kind == "categories":
        shares = np.broadcast_to(law.masses(), (n, len(law.labels)))  # type: ignore[attr-defined]
        labels = law.decode(np.arange(shares.shape[1]))
        out = {"fitted": labels[shares.argmax(axis=1)]}
        return out | {f"p[{label}]": shares[:, k] for k, label in enumerate(labels.tolist())}
    mean = _or_nan(lambda: law.mean)
    return {"fitted": np.array(np.broadcast_to(mean, (n,)), dtype=float)}


def _leverages(fit: ConditionalFit) -> dict[str, Array]:
    """Return the leverages by predictor, none where theory has none."""
    try:
        found = leverages(fit)
    except errors.NotRegularError:
        return {}
    labels = {at: fit.conditional._layout[at][0] for at in found}
    return {
        "leverage" if len(found) == 1 else f"leverage[{term.label}]": h[0]
        for (at, h) in found.items()
        if (term := labels[at]) is not None
    }


def _scattered(values: Array, rows: Array, n: int) -> Array:
    """Return n entries with the values at their rows, missing elsewhere."""
    if len(rows) == n:
        out = np.empty(n, dtype=values.dtype)
    elif values.dtype.kind == "f":
        out = np.full(n, np.nan)
    else:
        out = np.full(n, None, dtype=object)
    out[rows] = values
    return out


def _responses(fit: Fit) -> Array:
    values = fit.sample.values[0]
    places = fit.sample.places
    own = values if places is None else values[places]
    return fit.family.decode(own)


# -------------------------------------------------------------------------------- tables


def _or_nan(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (*_REFUSALS, np.linalg.LinAlgError):
        return np.nan


def _batch_columns(shape: tuple[int, ...], repeats: int) -> dict[str, Array]:
    """Return the index of each member of a batch, repeated for each of its rows."""
    names = ["batch"] if len(shape) == 1 else [f"batch_{axis}" for axis in range(len(shape))]
    found: Any = np.indices(shape).reshape(len(shape), -1) if shape else []
    return {name: np.repeat(index, repeats) for name, index in zip(names, found, strict=True)}


def _table(columns: dict[str, Array], fit: Fit, frame: str | None) -> Any:
    if frame is not None:
        return data_frame(readable(columns), frame)
    return frame_like(fit.given, columns, rowwise=False)
