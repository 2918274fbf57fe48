"""Fits to a known distribution that only the members on a face of the parameter space can bear.

Beside one value of a parameter a family may have a finite end, or a tail that its moments do not reach: the
cross-entropy is then infinite on one side of that value or on both, and finite on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlece import errors
from mlece.fits.proof import given
from mlece.fits.result import Fit
from mlece.likelihood.objective import CrossEntropy
from mlece.limits import Status
from mlece.model import Model

Project = Callable[[Model], Fit]
# How far from the face a side of it is tried: a divergence is seen far from it, a descent near it.
_BESIDE = (0.1, 1e-3)
# A parameter that a solver left so close to the face lies on it: the truth is such a member.
_ON = 1e-9


def on_face(model: Model, truth: Model, project: Project) -> Fit:
    """Project a truth onto a family, or onto the face of it that alone has a finite cross-entropy.

    Parameters
    ----------
    model, truth : Model
    project : callable
        Fits one model to the truth.

    Raises
    ------
    NoDensityError
        If the cross-entropy of the family does not settle, and no face serves.
    """
    names = [name for name in model.faces if name in model.free]
    if not names:
        return project(model)
    (name,) = names
    failed: errors.NoDensityError | None = None
    try:
        whole = project(model)
    except errors.NoDensityError as error:
        failed = error
    else:
        beside = float(whole.flat(name)[0]) - model.faces[name]
        solved = whole.certificate.status.solved
        if solved and (abs(beside) < _ON or _reaches(model, name, beside, truth)):
            return whole
    face = project(model.replace(**{name: model.faces[name]}))
    level, least = float(face.values[0]), np.inf
    if not np.isfinite(level):
        if failed is not None:
            raise failed
        said = f"beside {name} {model.faces[name]:g} the truth reaches beyond the support"
        return infinite(whole, f"{said}, and there {face.certificate.sentence}")
    unit = 1.0
    if model.parameter(name).role == "inverse scale":
        unit = 1 / float(truth.own_frame(truth.theta)[1])
    for side in (unit, -unit):
        if _reaches(model, name, side, truth):
            least = min(least, _beside(model.replace, name, model.faces[name], side, project))
    if failed is not None and least < level:
        raise failed
    return _as_member(model, face, name, one_sided=np.isfinite(least))


def _beside(
    held: Callable[..., Model], name: str, face: float, side: float, project: Project
) -> float:
    """Return the cross-entropy just beside a face, infinite where it does not settle there."""
    value = np.inf
    for step in _BESIDE:
        try:
            value = float(project(held(**{name: face + step * side})).values[0])
        except errors.NoDensityError:
            return np.inf
        if not np.isfinite(value):
            break
    return value


def _reaches(model: Model, name: str, beside: float, truth: Model) -> bool:
    """Tell whether the support on one side of a face has no end where the truth goes on for ever."""
    step = float(np.sign(beside)) * _BESIDE[0]
    theta = tuple(
        np.asarray(model.faces[name] + step if p.name == name else p.typical[0])
        for p in model.params
    )
    ends = zip(model.bounds(theta), truth.bounds(truth.theta), strict=True)
    return all(bool(np.all(np.isfinite(known) | np.isinf(own))) for own, known in ends)


def _as_member(model: Model, face: Fit, name: str, one_sided: bool) -> Fit:
    """Return the fit on a face as one of the whole family."""
    where = "on one side of it" if one_sided else "for every other one"
    said = f"{name} is {model.faces[name]:g}: the cross-entropy is infinite {where}"
    return as_member(model, face, Status.BOUNDARY, said, face.certificate.excess)


def as_member(model: Model, part: Fit, status: Status, said: str, excess: float) -> Fit:
    """Return a fit with a parameter held as one of the whole family, and what is known of it there."""
    objective = CrossEntropy(model, part.sample)
    user = objective.user
    sentence = "; ".join(filter(None, [said, part.certificate.sentence]))
    return replace(
        part,
        family=model,
        objective=objective,
        framed=model.to_frame(part.theta, user.shift, user.scale),
        proof=given(
            part.values,
            replace(part.certificate, status=status, excess=excess, sentence=sentence),
        ),
    )


def infinite(result: Fit, sentence: str) -> Fit:
    """Report an infinite cross-entropy: no parameters, no bound."""
    fixed = result.objective.fixed
    theta = tuple(
        t if p.name in fixed else np.full_like(t, np.nan)
        for p, t in zip(result.family.params, result.theta, strict=True)
    )
    certificate = replace(
        result.certificate,
        status=Status.INFINITE,
        excess=np.inf,
        score_norm=np.nan,
        sentence=sentence,
        entropy_residual=None,
        kkt=None,
        multipliers={},
    )
    return replace(
        result,
        theta=theta,
        proof=given(np.array([np.inf]), certificate),
        limit_models={},
    )
