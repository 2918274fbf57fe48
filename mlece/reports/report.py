"""What people read: fits as plain text tables, and the pieces of such tables."""

from __future__ import annotations

import textwrap
from collections import Counter
from io import StringIO
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from mlece import errors
from mlece.regression.kinds import title as title_of
from mlece.units import Units, nats_per_unit, unit_name

if TYPE_CHECKING:
    from mlece.fits.result import Fit

WIDTH = 100
NONE = "—"
_CELLS = 24
_FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)


# -------------------------------------------------------------------------------- pieces


def render(
    rows: list[list[str]], header: list[str], left: tuple[int, ...] = (0,), width: int = WIDTH
) -> str:
    """Return a table as plain text, without colour codes and trailing blanks.

    Parameters
    ----------
    rows : list of list of str
        Cells.
    header : list of str
        Column titles.
    left : tuple of int
        Columns aligned to the left; numbers go to the right.
    width : int
        Longest line; a cell that would go beyond it is wrapped.

    Examples
    --------
    >>> from mlece.reports.report import render
    >>> print(render([["a", "1"], ["b", "10"]], ["name", "value"]))
     name  value
     ────────────
     a         1
     b        10
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=True, padding=(0, 1, 0, 0))
    for j, title in enumerate(header):
        table.add_column(
            Text(title),
            justify="left" if j in left else "right",
            no_wrap=j not in left,
        )
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    console = Console(
        file=StringIO(),
        width=width - 1,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
    )
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(f" {line}" if line.strip() else "" for line in lines).strip("\n")


def facts(pairs: list[tuple[str, str]], width: int = WIDTH) -> str:
    """Return labelled sentences, one below the other, wrapped behind their labels."""
    column = max((len(label) for label, _ in pairs), default=0) + 4
    lines = []
    for label, text in pairs:
        wrapped = textwrap.wrap(text, width - column, break_long_words=False) or [""]
        for i, part in enumerate(wrapped):
            lines.append(f"  {label if i == 0 else '':{column - 2}}{part}")
    return "\n".join(lines)


def decimals(se: float) -> int | None:
    """Return the decimals that show three digits of a standard error; None if there is no such."""
    if not (isfinite(se) and se > 0):
        return None
    return 2 - floor(log10(se))


def number(value: float, places: int | None = None, digits: int = 5) -> str:
    """Return a number for reading: to some decimals, or to some significant digits."""
    value = float(value)
    if np.isnan(value):
        return NONE
    if value == 0:
        value = 0.0
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    if places is None or places > 8 or abs(value) >= 1e9 or (places < 0 and abs(value) >= 1e7):
        text = f"{value:.{digits}g}"
    else:
        text = f"{round(value, places):.{max(places, 0)}f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def count(value: float) -> str:
    """Return a number of observations: thousands set apart, fractions only where there are any."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def probability(p: float, replicates: int | None = None) -> str:
    """Return a p-value; where it is a bootstrap's smallest, say so."""
    smallest = None if replicates is None else 1.0 / (replicates + 1)
    if smallest is not None and p <= smallest * (1 + 1e-9):
        return f"≤ {smallest:.2g}"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


# -------------------------------------------------------------------------------- a fit


def fit_table(
    fit: Fit,
    units: Units = "nats",
    level: float = 0.95,
    covariance: str = "sandwich",
    interval: str = "auto",
    **options: Any,
) -> str:
    """Return the text of ``print(fit)``.

    Parameters
    ----------
    fit : Fit
        One fit, or a batch, which is summed up in a few lines.
    units : {"nats", "bits", "hartleys"} or float
        Units of the cross-entropy.
    level : float
        Confidence level of the intervals.
    covariance : str
        Where standard errors and Wald intervals come from; see :func:`mlece.fits.covariance.covariance`.
    interval : {"auto", "wald", "exact", "profile", "robust profile", "bootstrap"}
        Method of the intervals; see :func:`mlece.inference.intervals.interval`.
    **options
        Of the covariance: clusters, lags, bread.

    Returns
    -------
    str
        Plain text, at most 100 columns.

    Examples
    --------
    >>> import mlece
    >>> from mlece.reports.report import fit_table
    >>> print(fit_table(mlece.fit("exponential", [1.0, 2.0, 3.0])).splitlines()[0])
    Exponential fitted to y, n = 3
    """
    if fit.sample.batch_shape:
        return _batch_summary(fit, units)
    parts = [_title(fit)]
    if fit.names:
        errors_, why = standard_errors_or_why(fit, covariance, **options)
        intervals, how = intervals_or_none(fit, level, covariance, interval, **options)
        rows = _parameter_rows(fit, errors_, intervals)
        title = title_of(covariance, options)
        title = title if fit.sample.truth is None else f"{title} × √n"
        title = title if fit.sample.drawn is None else "Monte Carlo se"
        parts.append(
            render(rows, ["parameter", "estimate", title, f"{100 * level:.6g} % interval"])
        )
        notes = [("no se", why)] if why else []
        notes += [("interval", how)] if how else []
        notes += _domain_notes(fit, errors_, intervals)
    else:
        notes = [("parameters", "all slots are filled; nothing was estimated")]
    parts.append(facts(notes + _conclusions(fit, units)))
    return "\n\n".join(parts)


def _domain_notes(
    fit: Fit, errors_: dict[str, Any], intervals: dict[str, Any]
) -> list[tuple[str, str]]:
    """Say which intervals leave the domain of their parameter, and which cells lie on its boundary."""
    from mlece.inference.intervals import outside

    out = []
    if fit.on_simplex and errors_ and np.isnan(errors_["p"]).any():
        cells = int(np.isnan(errors_["p"]).sum())
        noun = "an empty cell lies" if cells == 1 else f"{cells} empty cells lie"
        out.append(("no se", f"{noun} on the boundary, where no normal law holds"))
    for name in outside(fit, intervals):
        domain = fit.family.parameter(name).domain
        hint = "the interval reaches beyond; use fit.interval(scale='unconstrained')"
        out.append(("interval", f"{name} must be {domain}: {hint}"))
    return out


def _title(fit: Fit) -> str:
    sample = fit.sample
    if sample.truth is not None:
        return f"{fit.family.title} nearest to {sample.truth!r}"
    if sample.drawn is not None:
        return f"{fit.family.title} nearest to {sample.drawn!r}"
    fixed = {k: v for k, v in fit.family.slots.items() if v is not None}
    held = "".join(f", {k} = {number(float(v))} held" for k, v in fixed.items() if v.ndim == 0)
    return f"{fit.family.title} fitted to {sample.name}, n = {count(fit.n)}{held}"


def standard_errors_or_why(fit: Fit, kind: str, **options: Any) -> tuple[dict[str, Any], str]:
    """Return the standard errors, or none and the reason."""
    if not fit.names:
        return {}, ""
    try:
        return fit.standard_errors(kind, **options), ""
    except (errors.NotRegularError, errors.NoDensityError, np.linalg.LinAlgError) as error:
        return {}, _reason(fit, error)


def _reason(fit: Fit, error: Exception) -> str:
    """Say in a line why there are no standard errors."""
    ends = [n for n in fit.names if not fit.family.parameter(n).regular]
    if ends:
        verb = "is an end" if len(ends) == 1 else "are ends"
        return f"{' and '.join(ends)} {verb} of the support, where no normal law holds"
    if isinstance(error, np.linalg.LinAlgError):
        return "the curvature at the estimate is singular"
    if fit.sample.batch_shape:
        return str(error)
    status = fit.certificate.status
    if not status.solved:
        return "there is no estimate for them to belong to"
    if status.name == "BOUNDARY":
        return "the estimate lies on the boundary, where no normal law holds"
    return str(error)


def intervals_or_none(
    fit: Fit, level: float, kind: str, method: str = "auto", **options: Any
) -> tuple[dict[str, Any], str]:
    """Return confidence intervals with a word on where they come from."""
    irregular = any(not fit.family.parameter(n).regular for n in fit.names)
    if method == "auto":
        single = not fit.sample.batch_shape
        if not fit.names or fit.sample.truth is not None:
            return {}, ""
        if single and (fit.limit_models or not fit.certificate.status.solved):
            return {}, ""
    try:
        found = fit.interval(level, method, kind=kind, **options)
    except (errors.NotRegularError, errors.NoDensityError, np.linalg.LinAlgError) as error:
        # An interval that was asked for by name is refused with the reason.
        return {}, "" if method == "auto" else str(error)
    if method in ("auto", "wald"):
        return found, "from the exact law of the estimates" if irregular else ""
    words = next(iter(found.values())).method
    return found, "; ".join([words, *(f"{n}: {v.remark}" for n, v in found.items() if v.remark)])


def _parameter_rows(fit: Fit, errors_: dict[str, Any], intervals: dict[str, Any]) -> list[Any]:
    rows = []
    for name, value in fit.params.items():
        se = errors_.get(name)
        low, high = intervals.get(name, (None, None))
        if np.ndim(value) == 0:
            rows.append(_parameter_row(name, value, se, low, high))
            continue
        labels = getattr(fit.family, "labels", None) or range(len(value))
        for k, label in enumerate(labels):
            if k == _CELLS and len(value) > _CELLS + 1:
                rows.append([f"… {len(value) - k} more", "", "", ""])
                break
            pick = [None if a is None else a[k] for a in (se, low, high)]
            rows.append(_parameter_row(f"{name}[{label}]", value[k], *pick))
    return rows


def _parameter_row(name: str, value: float, se: Any, low: Any, high: Any) -> list[str]:
    places = None if se is None else decimals(float(se))
    span = (
        NONE if low is None or np.isnan(low) else f"{number(low, places)} to {number(high, places)}"
    )
    return [name, number(value, places), NONE if se is None else number(se, places, 3), span]


def _conclusions(fit: Fit, units: Units) -> list[tuple[str, str]]:
    certificate, scale = fit.certificate, nats_per_unit(units)
    value = float(fit.cross_entropy)
    kind = "under the known distribution" if fit.sample.truth is not None else "in sample"
    if fit.sample.drawn is not None:
        se = number(fit.cross_entropy.se / scale, None, 2)
        kind = f"a Monte Carlo mean over {fit.sample.rows:,} draws (se {se})"
    out = [
        (
            "cross-entropy",
            f"{number(value / scale, None, 8)} {unit_name(units)} per observation, {kind}",
        )
    ]
    if dropped := fit.notes.get("dropped", 0):
        rows = "row" if dropped == 1 else "rows"
        out.insert(0, ("dropped", f"{dropped} {rows} in which something is missing"))
    if fit.objective.penalty is not None:
        added = f"{number(float(fit.penalty) / scale, None, 5)} {unit_name(units)} per observation"
        out.append(("penalty", f"{fit.family.settings['penalty']}: {added} beside it"))
    out.append(("optimum", str(certificate)))
    if fit.names:
        out.append(("solver", fit.solver))
    if certificate.entropy_residual is not None:
        out.append(
            (
                "entropy check",
                f"cross-entropy minus entropy of the fitted model = "
                f"{number(certificate.entropy_residual, None, 2)} nats (0 at the optimum)",
            )
        )
    if certificate.kkt is not None:
        out.append(("KKT", str(certificate.kkt)))
    if fit.limit_models:
        out.append(("limit", f"the fit is {fit.model!r}"))
    if fit.solution_set:
        ends = ", ".join(
            f"{name} from {number(a)} to {number(b)}" for name, (a, b) in fit.solution_set.items()
        )
        out.append(("solutions", f"{ends}, all with the same cross-entropy"))
    return out


def _without_errors(fit: Fit) -> str:
    """Say how many members of a batch have no standard errors, and why."""
    if not fit.names or any(not fit.family.parameter(n).regular for n in fit.names):
        return ""
    try:
        found = Counter(fit.refusals.values())
    except errors.NotRegularError as error:
        return str(error)
    told = "; ".join(f"{c} of {fit.objective.size} with {why}" for why, c in found.most_common())
    return f"{told} (NaN there; fit.refusals names them)" if told else ""


def _batch_summary(fit: Fit, units: Units) -> str:
    """Sum up R fits: how many of each status, and the spread of the estimates."""
    size, scale = fit.objective.size, nats_per_unit(units)
    title = f"{size} fits of {fit.family.title} to {fit.sample.name}"
    rows = []
    for name in fit.names:
        values = fit.flat(name)
        if values.ndim == 1:
            finite = values[np.isfinite(values)]
            picks = np.quantile(finite, _FIVE) if finite.size else np.full(5, np.nan)
            rows.append([name, *[number(v) for v in picks]])
    finite = fit.values[np.isfinite(fit.values)] / scale
    if finite.size:
        picks = np.quantile(finite, _FIVE)
        rows.append([f"cross-entropy ({unit_name(units)})", *[number(v) for v in picks]])
    table = render(rows, ["", "least", "quartile", "median", "quartile", "most"])
    n = np.unique(fit.objective.total)
    each = count(n[0]) if n.size == 1 else f"{count(n[0])} to {count(n[-1])}"
    statuses = Counter(
        s.name for s in np.ravel(np.asarray(fit.certificate.status, dtype=object))
    ).most_common()
    told = ", ".join(f"{c} {name.lower().replace('_', ' ')}" for name, c in statuses)
    notes = [("status", told), ("optimum", str(fit.certificate)), ("solver", fit.solver)]
    without = _without_errors(fit)
    if without:
        notes.append(("no se", without))
    return f"{title}, n = {each} each\n\n{table}\n\n{facts(notes)}"
