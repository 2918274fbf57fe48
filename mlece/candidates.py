"""How the data of a comparison are read, and which families are tried on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mlece import errors
from mlece.arrays import MISSING, as_array, column, numeric, require_finite, without_missing
from mlece.combinators.scipy_family import is_scipy
from mlece.families.means import Reparametrised
from mlece.fits.fitting import resolve
from mlece.math import Array
from mlece.model import Model
from mlece.registry import registered
from mlece.sample import weights_like

KINDS = ("auto", "continuous", "counts", "labels")
# Integers that start at 3 or below are read as counts; above, as measurements on a grid.
_COUNTS_START = 3
# A handful of integers has a common divisor by chance.
_ENOUGH_STEPS = 8

# -------------------------------------------------------------------------------- the data


def read_data(
    data: Any, weights: Any, given: Any, missing: str = "raise"
) -> tuple[str, Array, Array | None, int]:
    """Return the name, the observations (n,), the weights, and how many rows were left out."""
    if missing not in MISSING:
        raise errors.unknown_name("treatment of missing values", missing, MISSING)
    name = "y"
    if isinstance(weights, str):
        weights = column(given, weights)
    if isinstance(data, str):
        if given is None:
            raise errors.DataTypeError(
                errors.message(
                    "observations", f"the string {data!r}", "Name the frame: given=frame"
                )
            )
        name, data = data, column(given, data)
    if data is None or isinstance(data, Model):
        raise errors.DataTypeError(errors.message("observations as data", repr(data)))
    name, dropped = str(getattr(data, "name", None) or name), 0
    if missing == "drop":
        data, weights, dropped = without_missing(data, weights)
    values = as_array(data, name)
    if values.ndim != 1:
        raise errors.DataError(
            errors.message("one sample, of shape (n,)", f"data of shape {values.shape}")
        )
    if values.dtype.kind == "O" and any(isinstance(v, Model | type) for v in values):
        raise errors.DataTypeError(
            errors.message("data behind the models", "models only", "compare(models, data)")
        )
    if values.dtype.kind in "fiub":
        require_finite(values, name)
    return name, values, weights_like(weights, len(values)), dropped


def _whole(values: Array) -> bool:
    return values.dtype.kind in "iub" or bool(
        values.dtype.kind == "f" and np.all(values == np.floor(values))
    )


def read_kind(values: Array, kind: str) -> tuple[str, str]:
    """Decide how data are read, and say it where there was something to decide.

    Parameters
    ----------
    values : array (n,)
    kind : {"auto", "continuous", "counts", "labels"}

    Returns
    -------
    kind : {"continuous", "counts", "labels"}
    said : str
        A sentence, empty where the data left no choice.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.candidates import read_kind
    >>> read_kind(np.array([43, 96, 71]), "auto")[0]
    'continuous'
    """
    if kind == "labels":
        return kind, ""
    if values.dtype.kind not in "fiub":
        if kind != "auto":
            numeric(values, "data")
        return "labels", ""
    if kind != "auto" or not _whole(values):
        return ("continuous" if kind == "auto" else kind), ""
    low, high = int(values.min()), int(values.max())
    span = f"Integers {low:,} to {high:,} read as"
    if low == 0 and high == 1:
        return "counts", ""
    if 0 <= low <= _COUNTS_START:
        return "counts", f'{span} counts; kind="continuous" to change.'
    if max(abs(low), abs(high)) > 2**53:
        return "continuous", ""
    steps = np.diff(np.unique(values).astype(np.int64))
    grid = int(np.gcd.reduce(steps)) if len(steps) >= _ENOUGH_STEPS else 1
    return "continuous", f'{span} measurements rounded to {grid:,}; kind="counts" to change.'


def data_summary(values: Array, n: float) -> str:
    """Return how many observations there are, and where they lie, in a few words."""
    size = f"{n:,.6g} observation" + ("" if n == 1 else "s")
    if values.dtype.kind not in "fiub":
        return f"{size}, {len(dict.fromkeys(values.tolist()))} labels"
    low, high = float(values.min()), float(values.max())
    return f"{size}, {low:.6g} to {high:.6g}"


# -------------------------------------------------------------------------------- the models


def _measure(model: type[Model] | Model) -> str:
    kind = model.support.kind
    return {"integers": "counts", "categories": "labels"}.get(kind, "continuous")


def candidates(values: Array, kind: str, rare: bool = False) -> list[Model]:
    """Return the families to try on data of one kind, from what the registered families declare.

    A family is tried if it can be fitted without further constants, its support has fixed ends, and
    the closure of its support holds the data. Counts that fit a finite range take the families of
    that range alone.

    Parameters
    ----------
    values : array (n,)
    kind : {"continuous", "counts", "labels"}
    rare : bool
        Whether to try the families too that are not declared ``everyday``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlece.candidates import candidates
    >>> [type(m).__name__ for m in candidates(np.array([0, 1, 1]), "counts")]
    ['Bernoulli']
    """
    families = [
        m
        for m in registered().values()
        if _measure(m) == kind
        and (rare or m.everyday)
        # The same laws a second time would tell nothing.
        and not issubclass(m, Reparametrised)
        and all(p.estimable and p.regular for p in m.params)
        # Numbers do not say that they are angles.
        and not m.support.periodic
    ]
    if kind == "labels":
        return [m() for m in families]
    low, high = float(values.min()), float(values.max())
    families = [m for m in families if m.support.lower <= low and high <= m.support.upper]
    # Counts, which start at 0 or above, are no differences.
    if kind == "counts" and low >= 0:
        families = [m for m in families if np.isfinite(m.support.lower)]
    # Touching the end of the unit interval is no reason to think of proportions.
    families = [
        m
        for m in families
        if not np.isfinite(m.support.upper) or m.support.discrete or high < m.support.upper
    ]
    finite = [m for m in families if np.isfinite(m.support.upper)]
    return [m() for m in (finite if finite and kind == "counts" else families)]


def resolve_all(models: Any) -> list[Model]:
    """Return models from models, classes of them and registered names; one may stand alone."""
    if isinstance(models, str | Model | type) or is_scipy(models):
        models = [models]
    if not isinstance(models, Iterable):
        raise errors.DataTypeError(errors.message("a list of models", type(models).__name__))
    chosen = [resolve(m) for m in models]
    if not chosen:
        raise errors.DataError(errors.message("at least one model", "an empty list"))
    return chosen


def common_kind(models: Sequence[Model], values: Array, kind: str) -> str:
    """Return the kind of data that all models are for."""
    kinds = {_measure(m): type(m).__name__ for m in models}
    if len(kinds) > 1:
        shown = " and ".join(f"{name} ({k})" for k, name in kinds.items())
        raise errors.ComparisonError(
            errors.message(
                "models under one dominating measure",
                shown,
                "A density and a probability mass have no common entropy floor",
            )
        )
    found = next(iter(kinds))
    if kind not in ("auto", found):
        raise errors.ComparisonError(
            errors.message(f"models for {kind} data", f"{kinds[found]}, a model for {found} data")
        )
    if found != "labels":
        numeric(values, "data")
    return found


def unlike(models: Iterable[Model]) -> list[Model]:
    """Drop repetitions; models that hold different values stay."""
    out: list[Model] = []
    for model in models:
        if model not in out:
            out.append(model)
    return out
