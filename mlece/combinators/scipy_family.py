"""Models from the distributions of scipy.stats."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from mlece import errors
from mlece.domain import Domain, positive, real
from mlece.limits import Limit, full, point_mass
from mlece.math import Array, Arrays, inf
from mlece.model import Model
from mlece.moments import Summary
from mlece.param import Param

_INTEGERS = Domain(kind="integers")


@functools.lru_cache(maxsize=256)
def _classes(kind: type) -> set[str]:
    return {c.__name__ for c in kind.__mro__ if c.__module__.startswith("scipy.stats")}


def is_scipy(law: Any) -> bool:
    """Whether an object is a distribution of scipy.stats, frozen or not (which is not imported)."""
    kind: Any = type(law)
    return bool(_classes(kind) & {"rv_frozen", "rv_continuous", "rv_discrete"})


def adopt(law: Any) -> Any:
    """Return the model of a scipy.stats distribution, and anything else as it is."""
    return from_scipy(law) if is_scipy(law) else law


def from_scipy(law: Any) -> Any:
    """Make a family of a scipy.stats distribution, or a known model of a frozen one.

    Densities, distribution function, quantiles and samples are scipy's; derivatives are numerical.

    Parameters
    ----------
    law : scipy.stats distribution
        Continuous or discrete: ``scipy.stats.genextreme``, or frozen, ``scipy.stats.norm(1, 2)``.

    Returns
    -------
    type of Model or Model
        A subclass of :class:`mlece.Model` with scipy's shape parameters, ``loc`` and ``scale`` (a
        discrete law has no scale); for a frozen distribution the model with these slots filled.

    Raises
    ------
    DataTypeError
        If the argument is no distribution of scipy.stats.

    Notes
    -----
    Where ``loc`` or ``scale`` would move an end of the support it is a known constant, 0 and 1 if not
    given; so is ``loc`` of a discrete law. Shapes that scipy declares to be integers have to be given.
    Points where a density is not smooth are not known to scipy: beside ``loc`` a kink is not resolved,
    which the error of a quadrature or the status of a fit then says. ``fit``, ``compare``, ``entropy``,
    ``cross_entropy`` and ``kl_divergence`` take distributions of scipy.stats directly.

    Examples
    --------
    >>> import mlece
    >>> from scipy import stats
    >>> mlece.from_scipy(stats.norm(1, 2))
    norm(loc=1, scale=2)
    >>> sorted(mlece.fit(mlece.from_scipy(stats.gumbel_l), [0.3, -1.2, 0.8, 0.1]).params)
    ['loc', 'scale']
    """
    if not is_scipy(law):
        raise errors.DataTypeError(
            errors.message(
                "a distribution of scipy.stats, such as stats.gamma or stats.norm(1, 2)",
                f"{type(law).__name__}",
            )
        )
    kind: Any = type(law)
    if "rv_frozen" not in _classes(kind):
        return _family(law)
    made = _family(_canonical(law.dist))
    shapes, *place = law.dist._parse_args(*law.args, **law.kwds)
    names = [p.name for p in made.params]
    # A discrete law has no scale among its slots.
    return made(**dict(zip(names, (*shapes, *place), strict=False)))


def _canonical(law: Any) -> Any:
    """Return the distribution of which a frozen one holds a copy, so that both make one family."""
    from scipy import stats

    named = getattr(stats, law.name, None)
    return named if type(named) is type(law) else law


def _shape(info: Any) -> Param:
    low, high = (float(end) for end in info.domain)
    # scipy writes an open end at 0 as the smallest number above it.
    low = 0.0 if 0 < low < 1e-300 else low
    if info.integrality:
        # scipy takes other numbers too for some of them (the size of nbinom).
        domain = Domain(low, high, low > -inf, high < inf)
        return Param(domain, info.name, typical=(5, 15), estimable=False, doc="shape")
    domain = Domain(low, high, info.inclusive[0] and low > -inf, info.inclusive[1] and high < inf)
    start = low if low > -inf else -0.5
    width = min(high - low, 2.5) if low > -inf else min(high - start, 1.0)
    typical = (start + 0.2 * width, start + 0.8 * width)
    return Param(domain, info.name, typical=typical, doc="shape")


def _place(law: Any, shapes: dict[str, Param], discrete: bool) -> dict[str, Param]:
    """Declare loc and scale: estimated unless they move an end of the support."""
    if discrete:
        return {"loc": Param(_INTEGERS, "m", estimable=False, default=0.0, doc="location")}
    count = len(shapes) + 1
    usual = [
        round(low + (j + 1) / count * (high - low), 9)  # 0, not 5e-17, between -0.3 and 0.3
        for j, (low, high) in enumerate(p.typical for p in shapes.values())
    ]
    with np.errstate(all="ignore"):
        found = law.support(*usual)
    ends = [float(end) for end in (found if not np.isnan(found).any() else (law.a, law.b))]
    finite = [end for end in ends if np.isfinite(end)]
    if not finite:
        loc = Param(real, "m", typical=(-2, 2), role="location", doc="location")
    else:
        # With its end at 0 a law grows from there: a location is measured in the same unit.
        role = "scale" if finite == [0.0] else ""
        loc = Param(real, "m", role=role, estimable=False, default=0.0, doc="location")
    if not finite or finite == [0.0]:
        scale = Param(positive, "s", typical=(0.5, 3), role="scale", doc="scale")
    else:
        scale = Param(positive, "s", estimable=False, default=1.0, doc="scale")
    return {"loc": loc, "scale": scale}


@functools.cache
def _family(law: Any) -> type[Model]:
    """Build the family of one distribution; hooks take (y, *shapes, loc[, scale]) as scipy does."""
    from scipy import stats

    if law.name == "vonmises":
        raise errors.DataTypeError(
            errors.message(
                "a density with mass 1 on the line",
                "scipy.stats.vonmises, which repeats itself every 2π",
                "Use mlece.VonMises, or scipy.stats.vonmises_line",
            )
        )
    discrete = isinstance(law, stats.rv_discrete)
    log_mass = law.logpmf if discrete else law.logpdf
    shapes = {info.name: _shape(info) for info in law._shape_info()}
    params = {**shapes, **_place(law, shapes, discrete)}
    body: dict[str, Any] = {
        "__doc__": f"{law.name}: the distribution of that name in scipy.stats.",
        "__module__": "scipy.stats",
        "support": _INTEGERS if discrete else real,
        "_log_density": _density(log_mass),
        "_log_cdf": _hook(law.logcdf),
        "_log_sf": _hook(law.logsf),
        "_quantile": _hook(law.ppf),
        "_sample": _sampler(law),
        "__reduce__": lambda model: (_made_again, (law, model.slots)),
        **params,
    }
    known = getattr(stats, str(law.name), None) is law
    if known:
        body["_scipy"] = lambda *theta: (law.name, dict(zip(params, theta, strict=True)))
    moving = type(law)._get_support is not stats.rv_continuous._get_support
    if moving or np.isfinite(law.a) or np.isfinite(law.b):
        body["_bounds"] = _ends(law, discrete, moving)
    if not discrete and params["loc"].estimable:
        # Densities in |y - loc| are many among scipy's.
        body["_breakpoints"] = lambda *theta: (theta[-2],)
        body["_degenerate"] = _equal(len(shapes))
    return type(law.name, (Model,), body)


def _made_again(law: Any, slots: dict[str, Any]) -> Model:
    return _family(_canonical(law))(**slots)


def _hook(method: Any) -> Any:
    """Return a method of scipy as a hook: scipy takes the parameters in the same order."""

    def hook(y: Array, *theta: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(method(y, *theta))

    return hook


def _density(log_mass: Any) -> Any:
    """Return the log density as a hook; combinations of shapes that scipy refuses have none."""
    plain = _hook(log_mass)

    def hook(y: Array, *theta: Array) -> Array:
        out = plain(y, *theta)
        return np.where(np.isnan(out), -inf, out)

    return hook


def _sampler(law: Any) -> Any:
    def sample(rng: np.random.Generator, size: tuple[int, ...], *theta: Array) -> Array:
        return np.asarray(law.rvs(*theta, size=size, random_state=rng))

    return sample


def _ends(law: Any, discrete: bool, moving: bool) -> Any:
    """Return the hook for the ends of the support."""

    def bounds(*theta: Array) -> Arrays:
        if moving:
            with np.errstate(all="ignore"):
                low, high = law.support(*theta)
            return np.asarray(low), np.asarray(high)
        loc, scale = (theta[-1], 1.0) if discrete else (theta[-2], theta[-1])
        # An end at 0 stays there whatever the scale, a free one included.
        low, high = (loc + (scale * end if end else 0.0) for end in (law.a, law.b))
        return np.asarray(low), np.asarray(high)

    return bounds


def _equal(shapes: int) -> Any:
    """Return the hook for equal observations, on which a free location and scale close in."""

    def degenerate(s: Summary, *theta: Array | None) -> tuple[Limit, ...]:
        if theta[-1] is not None or theta[-2] is not None:
            return ()
        sentence = "every observation is equal: the density grows as scale falls to 0"
        given = [full(s.minimum, np.nan) if t is None else t for t in theta[:shapes]]
        limit = (*given, s.minimum, full(s.minimum, 0.0))
        return point_mass(s, sentence, limit)

    return degenerate


def to_scipy(model: Any) -> Any:
    """Return a known model as a frozen distribution of scipy.stats; see :meth:`mlece.Model.to_scipy`."""
    theta = model.theta
    known = model.has("_scipy")
    # Laws of vectors come one at a time there.
    apart = model._width > 0 and model.batch_shape != ()
    with np.errstate(all="ignore"):
        twin = model._scipy(*theta) if known and not apart else None
    if twin is not None:
        from scipy import stats

        name, slots = twin
        # Numbers rather than arrays of none, which some of scipy's methods do not take.
        plain = {k: np.asarray(v).item() if np.ndim(v) == 0 else v for k, v in slots.items()}
        law = getattr(stats, name)(**plain)
        # Parameters that scipy does not take leave a law without a support, not an error.
        if model._width or not np.isnan(law.support()[0]).any():
            return law
    raise errors.NoDensityError(
        errors.message(
            f"a {'member' if known else 'family'} that scipy.stats has too",
            repr(model) if known else type(model).__name__,
            "Its own methods (log_density, cdf, quantile, sample) serve in its place",
        )
    )
