"""A model from a log density: the shortest way to a family of your own."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable

import numpy as np

from mlece import errors
from mlece.domain import Domain, real
from mlece.math import Array
from mlece.model import Model
from mlece.param import Param


def family(
    support: Domain = real, **params: Domain | Param
) -> Callable[[Callable[..., Array]], type[Model]]:
    """Turn a function ``log_density(y, **params)`` into a family of distributions.

    Score and curvature are taken numerically (sixth-order differences). Whether parameters act as
    location or scale is found by testing the density for equivariance, so that fits run in the standard
    frame and starting values do not depend on units.

    Parameters
    ----------
    support : Domain
        Where observations may lie: ``mlece.real``, ``mlece.positive``, ``mlece.counts``, …
    **params : Domain or Param
        The parameters in the order of the function's arguments after ``y``, each with its domain.

    Returns
    -------
    callable
        A decorator; the decorated name is a subclass of :class:`mlece.Model`.

    Raises
    ------
    ParameterError
        If the names differ from the function's arguments, or there is none.
    DataTypeError
        If the support is not a domain.

    Examples
    --------
    >>> import numpy as np, mlece
    >>> @mlece.family(support=mlece.real, loc=mlece.real, scale=mlece.positive)
    ... def Sech(y, loc, scale):
    ...     z = (y - loc) / scale
    ...     return -np.log(np.pi * scale) - np.logaddexp(z, -z) + np.log(2)
    >>> sorted(mlece.fit(Sech, [0.1, -1.2, 0.7, 2.2, -0.4]).params)
    ['loc', 'scale']
    """
    if not isinstance(support, Domain):
        raise errors.DataTypeError(
            errors.message(
                "a domain as support", f"{support!r:.60}", "mlece.real, mlece.positive, …"
            )
        )

    def decorate(function: Callable[..., Array]) -> type[Model]:
        names = list(inspect.signature(function).parameters)[1:]
        if names != list(params):
            raise errors.ParameterError(
                errors.message(
                    f"parameters in the order of {function.__name__}(y, {', '.join(names)})",
                    ", ".join(params) or "none",
                )
            )
        if not names:
            raise errors.ParameterError(
                errors.message(
                    "a parameter of a family at the least",
                    "none",
                    f"{function.__name__}(y, theta) has one, which may be held fixed",
                )
            )
        given = {k: v if isinstance(v, Param) else Param(v) for k, v in params.items()}
        if not any(p.role for p in given.values()):
            for name, role in _roles(function, support, given).items():
                given[name].role = role
        body = {
            "__doc__": function.__doc__ or f"{function.__name__}: a family by its log density.",
            "__module__": function.__module__,
            "__qualname__": function.__name__,
            "support": support,
            "_log_density": staticmethod(function),
            **given,
        }
        return type(function.__name__, (Model,), body)

    return decorate


def _roles(
    function: Callable[..., Array], support: Domain, params: dict[str, Param]
) -> dict[str, str]:
    """Find roles under y -> (y - c)/s that the density obeys exactly at random points."""
    if support.kind != "interval" or np.isfinite(support.upper):
        return {}
    shifts = not support.bounded_somewhere
    choices = [
        ("location", "")
        if not p.domain.bounded_somewhere
        else ("scale", "inverse scale", "")
        if p.domain.lower == 0 and not np.isfinite(p.domain.upper)
        else ("",)
        for p in params.values()
    ]
    rng = np.random.default_rng(0)
    y = rng.uniform(0.3, 3.0, 7)
    theta = [
        rng.uniform(*p.typical) if p.domain.contains(np.asarray(p.typical)).all() else np.nan
        for p in params.values()
    ]
    shift, scale = (0.7 if shifts else 0.0), 1.9
    for roles in itertools.product(*choices):
        if not {"scale", "inverse scale"} & set(roles) or (shifts and "location" not in roles):
            continue
        moved = [
            (t - shift) / scale
            if r == "location"
            else t / scale
            if r == "scale"
            else t * scale
            if r == "inverse scale"
            else t
            for t, r in zip(theta, roles, strict=True)
        ]
        with np.errstate(all="ignore"):
            plain = np.asarray(function(y, *theta))
            framed = np.asarray(function((y - shift) / scale, *moved)) - np.log(scale)
        finite = np.isfinite(plain)
        if finite.any() and np.allclose(plain[finite], framed[finite], rtol=1e-11, atol=1e-11):
            return dict(zip(params, roles, strict=True))
    return {}
