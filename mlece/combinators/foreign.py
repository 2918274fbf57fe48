"""A likelihood that another library wrote, as a model: its log densities, observation by observation.

An observation is a response with the number of its row; the other library is asked for the log densities
of all rows at one set of parameters, for their scores where it has them, and nothing else. Second
derivatives are sixth-order differences in a frame of parameters that is centred at the estimate and
scaled by the spread of the scores, where every direction bends by about one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from mlece import errors
from mlece.combinators.terms import coefficient
from mlece.math import Array, Arrays
from mlece.model import Model
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.param import Param

# Rounds in which steps and the scale of the parameters are found from each other.
_ROUNDS = 5
_SHORTER = 1e-2
# Scores that differ from the differences of the log densities by more, in their own spread, are others.
_AGREEMENT = 1e-4
# The Hessians of many libraries are themselves differences.
_HESSIAN = 1e-2

Rows = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Log densities of n observations as functions of k parameters.

    Parameters
    ----------
    centre : array (k,)
        The estimate.
    density : callable
        From parameters (k,) to log densities (n,), in nats and the user's units.
    score : callable, optional
        From parameters (k,) to their derivatives (n, k).
    hessian : array (k, k), optional
        The mean of the second derivatives at the estimate, where nothing is known beside it.
    factors : array (k,)
        The unit of each parameter, in which scores have spread one.
    """

    centre: Array
    density: Rows
    score: Rows | None
    hessian: Array | None
    factors: Array
    _last: dict[str, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    @property
    def alone(self) -> bool:
        """Whether the likelihood is known at the estimate only."""
        return self.hessian is not None

    def _kept(self, what: str, z: Array, compute: Callable[[], Array]) -> Array:
        """Return what was computed last at the same place; blocks of rows ask one after another."""
        known = self._last.get(what)
        if known is None or not np.array_equal(known[0], z):
            known = self._last[what] = z.copy(), compute()
        return known[1]

    def _log_density(self, z: Array) -> Array:
        return np.asarray(self.density(self.centre + self.factors * z), dtype=float)

    def _moved(self, _: Any, *z: Array) -> Array:
        return self._log_density(np.ravel(z))[None, :]

    def _ends(self) -> tuple[list[float], list[float]]:
        return [-np.inf] * len(self.centre), [np.inf] * len(self.centre)

    def log_density(self, z: Array) -> Array:
        """Return log densities (n,) at framed parameters (k,)."""
        return self._kept("density", z, lambda: self._log_density(z))

    def _scores(self, z: Array) -> Array:
        if self.score is not None:
            return np.asarray(self.score(self.centre + self.factors * z)) * self.factors
        return self.differences(z)

    def differences(self, z: Array) -> Array:
        """Return framed scores (n, k) by differences of the log densities."""
        raw = numerical_score(self._moved, np.empty(0), _columns(z), *self._ends())
        return np.stack([s[0] for s in raw], axis=-1)

    def scores(self, z: Array) -> Array:
        """Return framed scores (n, k) at framed parameters (k,)."""
        return self._kept("score", z, lambda: self._scores(z))

    def _curvatures(self, z: Array) -> Array:
        if self.hessian is not None:
            shared = self.hessian * self.factors[:, None] * self.factors
            return np.broadcast_to(shared, (len(self.scores(z)), *shared.shape))

        def score(_: Any, *moved: Array) -> Arrays:
            return tuple(self._scores(np.ravel(moved)).T[:, None, :])

        analytic = None if self.score is None else score
        ends = self._ends()
        raw = numerical_curvature(self._moved, analytic, np.empty(0), _columns(z), *ends)
        rows, columns = np.triu_indices(len(z))
        out = np.empty((raw[0].shape[1], len(z), len(z)))
        out[:, rows, columns] = out[:, columns, rows] = np.stack([c[0] for c in raw], axis=-1)
        return out

    def curvatures(self, z: Array) -> Array:
        """Return framed second derivatives (n, k, k); their mean for each where no more is known."""
        return self._kept("curvature", z, lambda: self._curvatures(z))


def _columns(z: Array) -> Arrays:
    return tuple(np.reshape(v, (1, 1)) for v in z)


def likelihood(
    centre: Array, density: Any, score: Any, hessian: Array | None, weights: Array | None
) -> Likelihood:
    """Check and scale what another library says of a likelihood.

    Parameters
    ----------
    centre : array (k,)
    density : callable or array (n,)
        Log densities; an array is known at the estimate only.
    score : callable or array (n, k), optional
        Their derivatives.
    hessian : array (k, k), optional
        Sum over the observations, with their weights, of the second derivatives at the estimate.
    weights : array (n,), optional
        Frequency weights.

    Raises
    ------
    DataError
        For arrays of other shapes, and log densities or scores that are not finite.
    DataTypeError
        If the log densities are known at the estimate only, and scores or Hessian are missing.
    ComparisonError
        If the derivatives are not those of the log densities.
    """
    k = len(centre)
    alone = not callable(density)
    if alone and (score is None or hessian is None):
        missing = "scores" if score is None else "Hessian"
        raise errors.DataTypeError(
            errors.message(
                "log densities as a function of the parameters, or scores and Hessian with them",
                f"log densities at the estimate without {missing}",
            )
        )
    known = _function(density, centre)
    slopes = None if score is None else _function(score, centre)
    n = len(_checked(known, centre, "log densities", weights))
    if slopes is not None:
        _checked(slopes, centre, "scores", weights, (n, k))
    w = np.ones(n) if weights is None else weights
    mean = None if hessian is None else _matrix(hessian, k) / w.sum()
    here, factors = np.zeros(k), np.maximum(np.abs(centre), 0.1)
    for _ in range(1 if slopes is not None else _ROUNDS):
        trial = Likelihood(centre, known, slopes, None, factors)
        spread = np.sqrt(w @ np.square(trial.scores(here)) / w.sum())
        usable = np.isfinite(spread) & (spread > 0)
        # Steps beyond where the likelihood is a number are too long.
        factors = np.where(usable, factors / np.where(usable, spread, 1.0), factors * _SHORTER)
    out = Likelihood(centre, known, slopes, mean if alone else None, factors)
    if not alone:
        _require_scores(out, w)
        _require_hessian(out, mean, w)
    return out


def _function(given: Any, centre: Array) -> Rows:
    """Return a function of the parameters; of an array one that is known at the estimate only."""
    if callable(given):
        function: Rows = given
        return function
    array = np.asarray(given, dtype=float)

    def known(params: Array) -> Array:
        if not np.array_equal(params, centre):
            raise errors.NoDensityError(
                errors.message(
                    "log densities as a function of the parameters",
                    "arrays at the estimate only",
                    "Give callables to mlece.from_likelihood",
                )
            )
        return array

    return known


def _checked(
    function: Rows,
    centre: Array,
    what: str,
    weights: Array | None,
    shape: tuple[int, ...] | None = None,
) -> Array:
    """Return what a function says at the estimate, of the given shape (or a vector) and finite."""
    with np.errstate(all="ignore"):
        out = np.asarray(function(centre), dtype=float)
    if shape is None:
        shape = (out.size,) if weights is None else weights.shape
    if out.shape != shape:
        wanted = f"{what} of shape {shape if out.ndim else '(n,)'}"
        raise errors.DataError(errors.message(wanted, f"shape {out.shape}"))
    sizes = out.reshape(len(out), -1).sum(axis=1)
    bad = ~np.isfinite(sizes)
    bad = bad if weights is None else bad & (weights > 0)
    if bad.any():
        wanted = f"finite {what} at the estimate"
        raise errors.DataError(errors.message(wanted, errors.offenders(bad, sizes)))
    return out


def _matrix(hessian: Any, k: int) -> Array:
    out = np.asarray(hessian, dtype=float)
    if out.shape != (k, k) or not np.isfinite(out).all():
        got = f"shape {out.shape}" if out.shape != (k, k) else "entries that are not finite"
        raise errors.DataError(errors.message(f"a finite Hessian of shape {(k, k)}", got))
    return np.asarray(0.5 * (out + out.T))


def _require_scores(found: Likelihood, w: Array) -> None:
    """Raise unless scores are the derivatives of the log densities."""
    if found.score is None:
        return
    here, used = np.zeros(len(found.centre)), np.flatnonzero(w > 0)
    with np.errstate(all="ignore"):
        given, own = found.scores(here)[used], found.differences(here)[used]
        apart = np.abs(given - own) / (1.0 + np.abs(given))
    apart = np.where(np.isnan(apart), np.inf, apart)
    if apart.max() > _AGREEMENT:
        row, column = np.unravel_index(int(np.argmax(apart)), apart.shape)
        raise errors.ComparisonError(
            errors.message(
                "scores that are the derivatives of the log densities, without weights",
                f"others, most at observation {used[row]} in parameter {column}",
                "A likelihood without an interior maximum (separated data, a perfect fit) is too flat or "
                "too steep at its estimate to tell: mlece.fit names such cases",
            )
        )


def _require_hessian(found: Likelihood, hessian: Array | None, w: Array) -> None:
    """Raise unless a Hessian is the mean of the second derivatives of the log densities."""
    if hessian is None:
        return
    here, k = np.zeros(len(found.centre)), len(found.centre)
    mean = np.einsum("n,nij->ij", w, found.curvatures(here)) / w.sum()
    given = hessian * found.factors[:, None] * found.factors
    apart = np.abs(mean - given).max() / np.abs(mean).max()
    if not apart <= _HESSIAN:
        raise errors.ComparisonError(
            errors.message(
                f"the sum of the second derivatives of the log densities, ({k}, {k})",
                f"a Hessian that differs by {100 * apart:.3g} %",
                "The observed information is wanted, not the expected",
            )
        )


class Foreign(Model, abstract=True):
    """A model of which another library holds the likelihood of the data.

    Parameters
    ----------
    *args, **slots
        Parameters in order or by name.
    likelihood : Likelihood
    names : tuple of str
        Names of the parameters.
    label : str
        What the model is called.
    dominated : str
        The measure under which the densities are.
    told : bool
        Whether the responses are known.
    """

    _observations = "observations whose likelihood another library holds"
    _width = 2
    likelihood: Likelihood
    names: tuple[str, ...]
    label: str
    dominated: str
    told: bool

    def __init__(
        self,
        *args: Any,
        likelihood: Likelihood,
        names: tuple[str, ...],
        label: str,
        dominated: str,
        told: bool,
        **slots: Any,
    ) -> None:
        params: tuple[Param, ...] = tuple(coefficient(name) for name in names)
        facts: dict[str, Any] = {
            "likelihood": likelihood,
            "names": names,
            "label": label,
            "dominated": dominated,
            "told": told,
            "params": params,
        }
        for name, fact in facts.items():
            object.__setattr__(self, name, fact)
        super().__init__(*args, **slots)

    @property
    def settings(self) -> dict[str, Any]:
        """The likelihood, and what is said of it."""
        kept = ("likelihood", "names", "label", "dominated", "told")
        return {name: getattr(self, name) for name in kept}

    def __repr__(self) -> str:
        return f"{self.label}({', '.join(self.names)})"

    @property
    def title(self) -> str:
        """Name of the model in reports."""
        return self.label

    @property
    def measure(self) -> str:
        """What dominates the law."""
        return self.dominated or "a measure without a name"

    # ------------------------------------------------------------------ observations

    def split(self, values: Array) -> Array:
        """Return the responses (..., n) of observations (..., n, 2)."""
        return np.asarray(values[..., 0])

    def points(self, values: Array) -> Array:
        """Return one number (R, n) for each response."""
        return self.split(values)

    def reach(self, values: Array) -> tuple[Array, Array]:
        """Return the responses, as what the support must hold."""
        return self.split(values), self.split(values)

    def refuse(self, what: str, hint: str = "") -> NoReturn:
        """Raise the error for what a likelihood of its own data alone does not tell."""
        raise errors.NoDensityError(
            errors.message(what, f"{self.label}, whose likelihood is known for its own data", hint)
        )

    def encode(self, y: Any) -> Array:
        """Refuse other observations than those of the fit."""
        self.refuse("a law of new observations")

    def draw(self, tail: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Refuse to simulate: the other library holds a likelihood, no law to draw from."""
        self.refuse("a law to draw from", "What is calibrated by simulation needs one")

    def require_curvatures(self, what: str) -> None:
        """Raise unless the second derivatives of single observations are known."""
        if self.likelihood.alone:
            raise errors.NotRegularError(
                errors.message(
                    f"second derivatives of every observation for {what}",
                    "their sum alone",
                    "Give the scores as a function of the parameters to mlece.from_likelihood",
                )
            )

    # ------------------------------------------------------------------ frames

    def _each(self, values: Iterable[Any], into: bool) -> Arrays:
        held = zip(values, self.likelihood.centre, self.likelihood.factors, strict=True)
        if into:
            return tuple(None if v is None else (v - c) / f for v, c, f in held)  # type: ignore[misc]
        return tuple(c + f * v for v, c, f in held)

    def to_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map parameters to the frame that is centred at the estimate."""
        return self._each(theta, True)

    def from_frame(self, theta: Arrays, shift: Any, scale: Any) -> Arrays:
        """Map framed parameters back."""
        return self._each(theta, False)

    def frame_factors(self, scale: Any) -> list[Any]:
        """Return d theta / d theta_framed for each parameter."""
        return [float(f) for f in self.likelihood.factors]

    def _start(self, pilot: Array) -> Arrays:
        """Start at the estimate of the other library."""
        return tuple(np.zeros(len(pilot)) for _ in self.params)

    # ------------------------------------------------------------------ density and derivatives

    def _rows(self, of: Callable[[Array], Array], y: Array, theta: Arrays) -> Array:
        """Return what the likelihood says of the rows of y (r or 1, m, 2) at theta (r, 1)."""
        rows = y[..., -1].astype(np.intp)
        places = np.stack([np.ravel(t) for t in np.broadcast_arrays(*theta)], axis=-1)
        count = max(len(rows), len(places))
        pick = np.broadcast_to(rows, (count, rows.shape[1]))
        at = np.broadcast_to(places, (count, places.shape[1]))
        # The other library takes one set of parameters at a time.
        return np.stack([of(z)[own] for z, own in zip(at, pick, strict=True)])

    def log_density_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the log density of each observation, (r, m)."""
        return self._rows(self.likelihood.log_density, t, theta)

    def score_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the score of each observation, (r, m, k)."""
        return self._rows(self.likelihood.scores, t, theta)

    def curvature_hook(self, t: Array, theta: Arrays, shared: Any = None) -> Array:
        """Return the second derivatives of each observation, (r, m, k, k)."""
        return self._rows(self.likelihood.curvatures, t, theta)
