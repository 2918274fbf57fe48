"""The likelihood about an optimum, and what is read off it: parameters and smooth functions of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mlece import errors
from mlece.fits.result import Fit
from mlece.likelihood.chart import Chart
from mlece.math import Array, Arrays
from mlece.model import Model

# Differences are taken over this share of a unit of curvature: the error of the five-point rule and
# rounding are then both about 1e-13 of the function.
_STEP = 1e-3
_NODES = np.array([-2.0, -1.0, 1.0, 2.0])
_FIRST = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0
_SECOND = np.array([-1.0, 16.0, 16.0, -1.0]) / 12.0
_CORNERS = np.array([1.0, -1.0, -1.0, 1.0])


class Surface:
    """Cross-entropy above its minimum in unconstrained coordinates, for every member of a batch.

    Parameters
    ----------
    fit : Fit
        A fit without a point of the simplex among its free parameters.

    Attributes
    ----------
    eta : array (R, m)
        Coordinates of the estimates; not finite where a parameter lies at the end of its domain.
    hessian : array (R, m, m)
        Second derivatives of the cross-entropy there.
    unit : array (R, m)
        Units of curvature, H_jj^-1/2.
    metric : array (R, m, m)
        The Hessian in these units: ½ x' metric x is the height of a small step x. Along the ridge of a
        likelihood steps are many units long, and low.
    total : array (R,)
        Number of observations.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit, self.objective = fit, fit.objective
        self.chart = Chart(fit.objective)
        self.lower, self.upper = self.chart.box()
        self.total = np.broadcast_to(fit.objective.total, (fit.objective.size,))
        self.base = fit.objective.evaluate(fit.framed, 0).value
        with np.errstate(all="ignore"):
            self.eta = self.chart.eta(fit.framed)
            at = fit.objective.evaluate(fit.framed, 2)
            self.hessian = self.chart.pull(self.eta, at)[1]
            diagonal = np.diagonal(self.hessian, axis1=1, axis2=2)
            self.unit = np.where(diagonal > 0, 1.0 / np.sqrt(diagonal), np.nan)
            self.metric = self.unit[:, :, None] * self.unit[:, None, :] * self.hessian

    def at(self, eta: Array, members: Array) -> tuple[Array, Array, Array]:
        """Return height (L,), gradient (L, m) and Hessian (L, m, m) at points of some members."""
        with np.errstate(all="ignore"):
            at = self.objective.evaluate(self.chart.theta(eta, members), 2, members)
            gradient, hessian = self.chart.pull(eta, at)
        return at.value - self.base[members], gradient, hessian

    def height(self, eta: Array, members: Array) -> Array:
        """Return the cross-entropy above the minimum, (L,)."""
        with np.errstate(all="ignore"):
            theta = self.chart.theta(eta, members)
            value = self.objective.evaluate(theta, 0, members).value
        return np.asarray(value - self.base[members])

    def length(self, move: Array, members: Array) -> Array:
        """Return the lengths (L,) of moves (L, m) in units of curvature: √ of twice their height."""
        square = np.einsum("li,lij,lj->l", move, self.metric[members], move)
        return np.asarray(np.sqrt(np.maximum(square, 0.0)))

    def user(self, eta: Array, members: Array) -> Arrays:
        """Return all parameters in the user's units, (L,) each."""
        frame = self.objective.user
        shift, scale = (v if len(v) == 1 else v[members] for v in (frame.shift, frame.scale))
        with np.errstate(all="ignore"):
            theta = self.chart.theta(eta, members)
            return tuple(
                np.asarray(t) for t in self.objective.model.from_frame(theta, shift, scale)
            )

    @property
    def rounding(self) -> Array:
        """What rounding of the cross-entropy makes of a deviance, (R,)."""
        return 32.0 * np.finfo(float).eps * self.total * (1.0 + np.abs(self.base))


@dataclass(frozen=True)
class Reading:
    """A quantity at some points with its derivatives in the unconstrained coordinates."""

    value: Array
    gradient: Array
    hessian: Array


class Target(Protocol):
    """What is read off a surface, one quantity for each lane of a search."""

    def read(self, eta: Array, members: Array, lanes: Array) -> Reading:
        """Return the quantities of some lanes at points (L, m)."""


@dataclass(frozen=True)
class Coordinate:
    """One coordinate for each lane: a parameter, read in its unconstrained coordinate."""

    column: Array

    def read(self, eta: Array, members: Array, lanes: Array) -> Reading:
        """Return the coordinate, its unit gradient and no curvature."""
        size, m = eta.shape
        column = self.column[lanes]
        gradient = np.zeros((size, m))
        gradient[np.arange(size), column] = 1.0
        return Reading(eta[np.arange(size), column], gradient, np.zeros((size, m, m)))


class Smooth:
    """A smooth function of the model, differentiated by five-point differences.

    Parameters
    ----------
    surface : Surface
    function : callable
        Maps a model with slots (S,) to S numbers.
    """

    def __init__(self, surface: Surface, function: Callable[[Model], Any]) -> None:
        self.surface, self.function = surface, function

    def values(self, eta: Array, members: Array) -> Array:
        """Return the function at points (L, m)."""
        theta = self.surface.user(eta, members)
        return evaluate(self.function, self.surface.fit.family.member, theta)

    def gradient(self, eta: Array, members: Array) -> tuple[Array, Array]:
        """Return the function (L,) and its first derivatives (L, m)."""
        return self._differences(eta, members, 1)[:2]

    def read(self, eta: Array, members: Array, lanes: Array) -> Reading:
        """Return the function with gradient and Hessian, all from one call."""
        return Reading(*self._differences(eta, members, 2))

    def _differences(self, eta: Array, members: Array, order: int) -> tuple[Array, Array, Array]:
        size, m = eta.shape
        step = _STEP * self.surface.unit[members]
        offsets = self._stencil(m, order)
        points = eta[:, None, :] + offsets * step[:, None, :]
        every = np.repeat(members, len(offsets))
        values = self.values(points.reshape(-1, m), every).reshape(size, -1)
        centre = values[:, 0]
        along = values[:, 1 : 1 + 4 * m].reshape(size, m, 4) - centre[:, None, None]
        gradient = along @ _FIRST / step
        hessian = np.zeros((size, m, m))
        if order > 1:
            diagonal = np.arange(m)
            hessian[:, diagonal, diagonal] = along @ _SECOND / step**2
            pairs = [(i, j) for i in range(m) for j in range(i)]
            corners = values[:, 1 + 4 * m :].reshape(size, len(pairs), 4) @ _CORNERS
            for (i, j), corner in zip(pairs, corners.T, strict=True):
                hessian[:, i, j] = hessian[:, j, i] = corner / (4.0 * step[:, i] * step[:, j])
        return centre, gradient, hessian

    @staticmethod
    def _stencil(m: int, order: int) -> Array:
        """Return the centre, four points along each axis and four corners in each plane, (S, m)."""
        unit = np.eye(m)
        rows = [np.zeros((1, m))]
        rows += [_NODES[:, None] * unit[j] for j in range(m)]
        if order > 1:
            signs = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
            rows += [signs @ unit[[i, j]] for i in range(m) for j in range(i)]
        return np.concatenate(rows)


def evaluate(
    function: Callable[[Model], Any], member: Callable[..., Model], theta: Arrays
) -> Array:
    """Return a function of a batch of members, (S,); NaN where a parameter is not finite.

    Raises
    ------
    DataTypeError
        If the function does not return one number for each member.
    """
    usable = np.all([np.isfinite(t) for t in theta], axis=0)
    out = np.full(usable.shape, np.nan)
    if usable.any():
        out[usable] = call(function, member(*[t[usable] for t in theta]))
    return out


def call(function: Callable[[Model], Any], model: Model) -> Array:
    """Call a function of a model with slots (S,) and return its S numbers."""
    size = model.batch_shape[0]
    hint = (
        "It is called with a model whose slots are arrays: write it with numpy functions of "
        "m.quantile(u), m.mean, m.sf(y), m.theta, or give vectorised=False to have it called once "
        "for each member"
    )
    try:
        value = np.asarray(function(model), dtype=float)
    except errors.MleceError:
        raise
    except (TypeError, ValueError) as error:
        raise errors.DataTypeError(
            errors.message(f"a function of a model with slots of shape ({size},)", f"{error}", hint)
        ) from error
    if value.size != size or value.shape[:1] != (size,):
        raise errors.DataTypeError(
            errors.message(
                f"one number for each member, shape ({size},)", f"shape {value.shape}", hint
            )
        )
    return value.reshape(size)


def one_by_one(function: Callable[[Model], Any]) -> Callable[[Model], Array]:
    """Return a function of a batch that calls a function of one distribution for each member."""

    def batched(model: Model) -> Array:
        members = zip(*model.theta, strict=True)
        single = (type(model)(*theta, **model.settings) for theta in members)
        return np.array([float(function(one)) for one in single])

    return batched
