"""The kinds of covariance of an estimate: their names, what may be said to each, and their titles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlece import errors
from mlece.regression import meat

HETEROSCEDASTIC = meat.KINDS
# Sandwiches whose meat depends on what the observations are supposed to be.
ROBUST = (*HETEROSCEDASTIC, "cluster", "newey-west")
# Kinds that need to be told nothing, with covariates or without.
PLAIN = ("sandwich", "hessian", "fisher", "opg")
BREADS = ("observed", "expected")
OPTIONS: dict[str, tuple[str, ...]] = {
    "sandwich": ("bread",),
    **dict.fromkeys(PLAIN[1:], ()),
    **dict.fromkeys(HETEROSCEDASTIC, ("bread",)),
    "cluster": ("bread", "clusters", "correction"),
    "newey-west": ("bread", "lags", "order", "correction"),
    "bootstrap": ("resampling", "clusters", "replicates", "rng", "law"),
}
KINDS = tuple(OPTIONS)


def check_kind(kind: str, options: Mapping[str, Any]) -> None:
    """Raise unless there is a covariance of this kind, and it takes these options."""
    if kind not in KINDS:
        raise errors.unknown_name("covariance", kind, KINDS)
    for name in options:
        if name not in OPTIONS[kind]:
            raise errors.unknown_name(f"option of a {kind} covariance", name, OPTIONS[kind])
    bread = options.get("bread", "observed")
    if bread not in BREADS:
        raise errors.unknown_name("bread", bread, BREADS)


def described(kind: str, options: Mapping[str, Any]) -> str:
    """Return a covariance in words.

    Examples
    --------
    >>> from mlece.regression.kinds import described
    >>> described("cluster", {"clusters": "firm", "bread": "expected"})
    'cluster, firm, expected bread'
    """
    told, clusters = [kind], options.get("clusters")
    if isinstance(clusters, str):
        told.append(clusters)
    elif isinstance(clusters, list | tuple) and all(isinstance(c, str) for c in clusters[:4]):
        told.append(" and ".join(clusters[:3]) + (", …" if len(clusters) > 3 else ""))
    if options.get("bread") == "expected":
        told.append("expected bread")
    return ", ".join(told)


def title(kind: str, options: Mapping[str, Any]) -> str:
    """Return the title of a column of standard errors."""
    told = described(kind, options)
    return "robust se" if told == "sandwich" else f"se ({told})"
