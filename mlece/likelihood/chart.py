"""Unconstrained coordinates for the free parameters of a model."""

from __future__ import annotations

import numpy as np

from mlece.likelihood.evaluation import Evaluation
from mlece.likelihood.objective import CrossEntropy
from mlece.math import Array, Arrays
from mlece.model import Model


class Chart:
    """The map eta -> theta of the free slots, with the chain rule for gradient and Hessian.

    Parameters
    ----------
    objective : CrossEntropy
        Supplies the model and the framed values of the fixed slots.
    """

    def __init__(self, objective: CrossEntropy) -> None:
        self.model: Model = objective.model
        self.fixed = objective.fixed
        self.index = [i for i, p in enumerate(self.model.params) if p.name not in self.fixed]
        self.free = [self.model.params[i] for i in self.index]

    def theta(self, eta: Array, members: Array) -> Arrays:
        """Return all framed natural parameters, (r,) each, at eta (r, m)."""
        out: list[Array] = []
        at = 0
        for p in self.model.params:
            if p.name in self.fixed:
                out.append(self.fixed[p.name][members])
            elif p.vector:
                out.append(p.bijection.forward(eta))
            else:
                out.append(p.bijection.forward(eta[:, at]))
                at += 1
        return tuple(out)

    def eta(self, theta: Arrays) -> Array:
        """Return the unconstrained coordinates (r, m) of framed parameters."""
        columns = []
        with np.errstate(all="ignore"):
            for p, value in zip(self.model.params, theta, strict=True):
                if p.name not in self.fixed:
                    if p.vector:
                        return p.bijection.inverse(value)
                    columns.append(p.bijection.inverse(value))
        out = np.empty((len(theta[0]), len(columns)))
        for at, column in enumerate(columns):
            out[:, at] = column
        return out

    def box(self) -> tuple[Array, Array]:
        """Return the coordinates beyond which a parameter counts as running off, (m,) each."""
        lower, upper = zip(*[p.box for p in self.free], strict=True)
        return np.array(lower), np.array(upper)

    def slope(self, eta: Array, score: Array) -> Array:
        """Return the gradient (r, m) in eta of scalar parameters from the natural one."""
        firsts = [p.bijection.derivatives(eta[:, j])[0] for j, p in enumerate(self.free)]
        return np.asarray(score[:, self.index] * np.stack(firsts, axis=-1))

    def pull(self, eta: Array, at: Evaluation) -> tuple[Array, Array]:
        """Return gradient (r, m) and Hessian (r, m, m) in eta from the natural ones."""
        assert at.score is not None
        assert at.hessian is not None
        if self.free and self.free[0].vector:
            jacobian, second = self.free[0].bijection.derivatives(eta)
            gradient = np.einsum("rk,rki->ri", at.score, jacobian)
            hessian = np.swapaxes(jacobian, 1, 2) @ at.hessian @ jacobian
            return gradient, hessian + np.einsum("rk,rkij->rij", at.score, second)
        score, hessian = at.score, at.hessian
        if len(self.index) < len(self.model.params):
            score, hessian = score[:, self.index], hessian[:, self.index][:, :, self.index]
        first, second = np.empty_like(eta), np.empty_like(eta)
        for column, p in enumerate(self.free):
            first[:, column], second[:, column] = p.bijection.derivatives(eta[:, column])
        hessian = hessian * first[:, :, None] * first[:, None, :]
        diagonal = np.einsum("rii->ri", hessian)  # a view
        diagonal += score * second
        return score * first, hessian
