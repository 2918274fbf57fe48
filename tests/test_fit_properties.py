"""What must hold of a fit whatever the family: properties crossed with registered families."""

from __future__ import annotations

import dataclasses
import math
import pickle
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mlece
from mlece.fits.result import Fit
from mlece.likelihood.objective import BLOCK
from mlece.model import Model
from mlece.registry import registered

# Relative tolerances, with the reason for each.
TOLERANCE = {
    "same arithmetic": (0.0, "the same float64 numbers reach the same code"),
    "same sums": (2e-13, "the same terms, summed in another order"),
    "solver": (
        1e-8,
        "in standard errors: a Newton decrement of 1e-10 and rounding in a flat likelihood",
    ),
    "other solver": (
        1e-4,
        "in standard errors: scipy stops at a gradient of 1e-11, or at 1e-16 in value",
    ),
    "quadrature": (
        1e-9,
        "nodes resolve the moments to about 1e-12, the curvature of the sandwich less",
    ),
    "entropy identity": (1e-10, "of first order in the gradient, and Newton may stop at 1e-10"),
    "large terms": (5e-13, "log 1e300 = 690 is added and taken off again"),
    "rounding": (1e-14, "of a log density of order one, evaluated twice"),
    "covariance": (
        1e-6,
        "relative: second derivatives of terms known to 1e-12, divided by their spread",
    ),
}
N = 200

FAMILIES = {
    c.__name__: c for c in registered().values() if c.__module__.startswith("mlece.families")
}
# Structural constants, which the user must give.
KNOWN: dict[str, dict[str, float]] = {
    name: {p.name: float(round(sum(p.typical) / 2)) for p in c.params if not p.estimable}
    for name, c in FAMILIES.items()
}
every_family = pytest.mark.parametrize("name", sorted(FAMILIES))


def family(name: str) -> Model:
    return FAMILIES[name](**KNOWN[name])


def member(name: str) -> Model:
    """A member at the middle of each parameter's typical range."""
    slots: dict[str, Any] = {}
    for p in FAMILIES[name].params:
        low, high = p.typical
        slots[p.name] = KNOWN[name].get(
            p.name, (0.2, 0.5, 0.3) if p.vector else 0.6 * low + 0.4 * high
        )
    return FAMILIES[name](**slots)


def draw(name: str, shape: int | tuple[int, ...] = N, salt: str = "") -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32((name + salt).encode()))
    return np.asarray(member(name).sample(shape, rng=rng))


def names_where(test: Callable[[Model], bool]) -> list[str]:
    return [name for name in sorted(FAMILIES) if test(family(name))]


def vector_free(model: Model) -> bool:
    return not any(p.vector for p in model.params)


def regular(model: Model) -> bool:
    return all(model.parameter(p).regular for p in model.free)


SCALAR = names_where(vector_free)
CONTINUOUS = names_where(lambda model: not model.support.discrete)
DISCRETE = names_where(lambda model: model.support.discrete)
REGULAR = names_where(lambda model: vector_free(model) and regular(model))
SMOOTH = [name for name in REGULAR if not FAMILIES[name].has("_kink")]
# Known ends of a support stay where they are when data move.
UNLIMITED = [name for name in CONTINUOUS if not KNOWN[name]]
SCALED = [name for name in UNLIMITED if family(name).roles()]
LOCATED = [name for name in SCALED if "location" in family(name).roles()]


def close(a: Any, b: Any, what: str = "same sums") -> None:
    rel = TOLERANCE[what][0]
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=rel, atol=rel)


def same_fit(a: Fit, b: Fit, what: str = "same sums") -> None:
    if a.sample.size == 1 and not a.certificate.status.solved:
        # Where a search was stopped depends on its path.
        assert not b.certificate.status.solved
        return
    close(a.cross_entropy, b.cross_entropy, what)
    # Newton's method may stop 1e-11 standard errors from the optimum, whatever the sums.
    share = TOLERANCE[what][0] if what in ("solver", "other solver") else 2e-11
    errors = spread(a) if what in ("same sums", "solver", "other solver") else None
    for j, key in enumerate(a.params):
        mine, other = np.asarray(a.params[key]), np.asarray(b.params[key])
        with np.errstate(invalid="ignore"):  # a parameter that ran off is infinite
            near = errors is not None and np.all(abs(mine - other) <= share * errors[j])
        if not near:
            close(mine, other, what)


def spread(fit: Fit) -> np.ndarray | None:
    """Standard errors of a single fit, at a limit in another family the size of its parameters."""
    if fit.sample.size > 1 or not regular(fit.family) or not vector_free(fit.family):
        return None
    if fit.limit_models:
        return np.abs(np.array([float(v) for v in fit.params.values()]))
    if not fit.certificate.status.solved or fit.family.has("_kink"):
        return None
    try:
        return np.sqrt(np.diag(np.atleast_2d(fit.covariance("hessian"))))
    except mlece.errors.NotRegularError:
        # At a boundary, or where the information is infinite, there are none.
        return None


def statuses(fit: Fit) -> list[str]:
    return [s.name for s in np.ravel(np.asarray(fit.certificate.status, dtype=object))]


# ---------------------------------------------------------------------------- one path


@every_family
@pytest.mark.parametrize("shape", [(5,), (2, 3)], ids=str)
def test_a_batch_is_a_loop(name: str, shape: tuple[int, ...]) -> None:
    y = draw(name, (*shape, 60))
    model = FAMILIES[name](labels=range(3)) if not vector_free(family(name)) else family(name)
    whole = mlece.fit(model, y)
    for at in np.ndindex(shape):
        one = mlece.fit(model, y[at])
        close(whole.cross_entropy[at], one.cross_entropy)
        for key, value in one.params.items():
            # Profiles and Newton steps end at different last digits.
            np.testing.assert_allclose(whole.params[key][at], value, rtol=1e-9, atol=1e-12)
        assert whole.certificate.status[at] is one.certificate.status
        same_fit(whole[at], one)


@every_family
def test_weights_are_replication(name: str) -> None:
    y = draw(name, 80)
    counts = np.random.default_rng(4).integers(0, 4, y.size)
    counts[[0, 1]] = 0  # an observation of weight zero is not there
    weighted = mlece.fit(family(name), y[counts > 0], weights=counts[counts > 0])
    repeated = mlece.fit(family(name), np.repeat(y, counts))
    assert weighted.n == repeated.n == counts.sum()
    if not repeated.certificate.status.solved:
        assert not weighted.certificate.status.solved
        return
    np.testing.assert_allclose(
        [*np.ravel(list(weighted.params.values()))],
        [*np.ravel(list(repeated.params.values()))],
        rtol=1e-9,
    )
    close(weighted.log_likelihood, repeated.log_likelihood)
    assert weighted.n == repeated.n == counts.sum()
    assert weighted.certificate.status is repeated.certificate.status
    if name in SMOOTH and repeated.certificate.status is mlece.Status.OPTIMAL:
        for kind in ("sandwich", "hessian", "opg"):
            size = float(np.abs(repeated.covariance(kind)).max())
            np.testing.assert_allclose(
                weighted.covariance(kind), repeated.covariance(kind), rtol=1e-7, atol=1e-12 * size
            )


@pytest.mark.parametrize("name", SCALAR)
def test_weight_zero_leaves_an_observation_out(name: str) -> None:
    y = draw(name, 80)
    weights = np.ones(80)
    weights[[int(np.argmin(y)), int(np.argmax(y)), 5]] = 0
    same_fit(mlece.fit(family(name), y, weights=weights), mlece.fit(family(name), y[weights > 0]))


@every_family
def test_weights_have_no_unit(name: str) -> None:
    y = draw(name, 80)
    weights = np.random.default_rng(4).random(80) + 0.1
    same_fit(
        mlece.fit(family(name), y, weights=weights),
        mlece.fit(family(name), y, weights=1024 * weights),
    )


@every_family
def test_order_does_not_matter(name: str) -> None:
    y = draw(name, 501)
    a, b = mlece.fit(family(name), y), mlece.fit(family(name), y[::-1])
    np.testing.assert_allclose(a.cross_entropy, b.cross_entropy, rtol=1e-13)


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1])
def test_blocks_cannot_be_seen(name: str, n: int) -> None:
    y = draw(name, n)
    fit = mlece.fit(family(name), y)
    assert statuses(fit)[0] in ("OPTIMAL", "NOT_UNIQUE")
    # The cross-entropy by one sum over all observations.
    direct = -math.fsum(fit.model.log_density(y)) / n
    close(fit.cross_entropy, direct)


@pytest.mark.parametrize("name", SCALAR)
def test_a_batch_over_weights(name: str) -> None:
    y, weights = draw(name, 100), np.random.default_rng(5).multinomial(100, [0.01] * 100, size=4)
    whole = mlece.fit(family(name), y, weights=weights)
    for r in range(4):
        one = mlece.fit(family(name), np.repeat(y, weights[r]))
        close(whole.cross_entropy[r], one.cross_entropy)
        for key, value in one.params.items():
            np.testing.assert_allclose(whole.params[key][r], value, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------------- change of units


def moved(name: str, y: np.ndarray, shift: float, scale: float) -> tuple[Fit, Fit]:
    return mlece.fit(family(name), y), mlece.fit(family(name), shift + scale * y)


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("scale", [1e-300, 2.0**-40, 3.0, 2.0**60, 1e300])
def test_scale_equivariance(name: str, scale: float) -> None:
    y = draw(name, 151)
    y = y / np.abs(y).max()
    near, far = moved(name, y, 0.0, scale)
    assert statuses(near) == statuses(far)
    close(float(far.cross_entropy) - math.log(scale), near.cross_entropy, "large terms")
    expected = near.family.from_frame(near.theta, 0.0, scale)
    for p, value in zip(near.family.params, expected, strict=True):
        if p.estimable:
            np.testing.assert_allclose(far.params[p.name], value[0], rtol=1e-8, err_msg=p.name)


@pytest.mark.parametrize("name", LOCATED)
@pytest.mark.parametrize("shift", [-1e9, 2.0**20, 1e9])
def test_shift_equivariance(name: str, shift: float) -> None:
    # The shifted numbers are rounded: the fit is compared with that of the exact differences.
    y = draw(name, 151) + shift
    near, far = mlece.fit(family(name), y - shift), mlece.fit(family(name), y)
    assert statuses(near) == statuses(far)
    close(far.cross_entropy, near.cross_entropy, "large terms")
    expected = near.family.from_frame(near.theta, shift, 1.0)
    for key, value in zip([p.name for p in near.family.params], expected, strict=True):
        np.testing.assert_allclose(far.params[key], value[0], rtol=1e-8, err_msg=key)
    if name in SMOOTH:
        np.testing.assert_allclose(
            far.covariance(), near.covariance(), rtol=1e-6, atol=1e-9 * near.covariance().max()
        )


@pytest.mark.parametrize("name", LOCATED)
def test_one_far_observation_harms_no_digit(name: str) -> None:
    # The frame is chosen from a few points; an outlier in the first place must not set it.
    y = draw(name, 151)
    y[0] = 1e6
    a, b = mlece.fit(family(name), y), mlece.fit(family(name), np.roll(y, 77))
    # So far out it may make a limit of the family likelier than every member.
    assert statuses(a)[0] != "STEP_LIMIT"
    np.testing.assert_allclose(a.cross_entropy, b.cross_entropy, rtol=1e-12)


# ---------------------------------------------------------------------------- solvers


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("solver", ["newton", "scipy", "L-BFGS-B"])
def test_solvers_agree(name: str, solver: str) -> None:
    y = draw(name)
    auto, other = mlece.fit(family(name), y), mlece.fit(family(name), y, solver=solver)
    if solver == "L-BFGS-B" and name == "GEV":
        # Its line search leaves the support, which moves with the parameters, and says so.
        assert statuses(other) == ["STEP_LIMIT"]
        return
    assert statuses(other) == ["OPTIMAL"]
    same = "solver" if solver == "newton" else "other solver"
    errors = np.sqrt(np.diag(auto.covariance("hessian")))
    for key, error in zip(auto.names, errors, strict=True):
        assert abs(auto.params[key] - other.params[key]) <= TOLERANCE[same][0] * error
    rounding = TOLERANCE["rounding"][0] * (1 + abs(auto.cross_entropy))
    most = max(auto.certificate.excess, other.certificate.excess) + rounding
    assert abs(float(auto.cross_entropy) - float(other.cross_entropy)) <= most


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    "model", [mlece.StudentT(), mlece.StudentT(df=1), mlece.StudentT(df=0.5, scale=0.1)], ids=repr
)
def test_counts_and_repeats_of_few_observations_meet_the_same_optimum(
    model: mlece.Model, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    y = rng.standard_t(2, size=3)
    counts = rng.integers(1, 5, size=3)
    counted = mlece.fit(model, y, weights=counts)
    repeated = mlece.fit(model, rng.permutation(np.repeat(y, counts)))
    # Such likelihoods have several local maxima: only one start leads to one of them.
    if not counted.certificate.status.solved:
        # Where a point has just the weight that decides, unbounded and not attained are neighbours.
        assert not repeated.certificate.status.solved
        return
    assert counted.certificate.status is repeated.certificate.status
    assert counted.values == pytest.approx(repeated.values, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("solver", ["newton", "trust-exact", "L-BFGS-B"])
@pytest.mark.parametrize(
    ("model", "data"),
    [
        (mlece.Uniform(), [1.0, 2.0, 4.0]),
        (mlece.Pareto(), [1.0, 2.0, 4.0]),
        (mlece.Laplace(), [1.0, 2.0, 4.0]),
    ],
    ids=["uniform", "pareto", "laplace"],
)
def test_derivatives_are_refused_where_there_are_none(
    model: mlece.Model, data: list[float], solver: str
) -> None:
    with pytest.raises(mlece.errors.NoDensityError, match="solver='closed'"):
        mlece.fit(model, data, solver=solver)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (mlece.Pareto(scale=1.0), [1.0, 2.0, 4.0]),
        (mlece.Laplace(loc=2.0), [1.0, 2.0, 4.0]),
    ],
    ids=["pareto", "laplace"],
)
def test_newton_serves_the_slots_in_which_a_likelihood_is_smooth(
    model: mlece.Model, data: list[float]
) -> None:
    found = mlece.fit(model, data, solver="newton")
    assert found.certificate.status is mlece.Status.OPTIMAL
    assert found.params == pytest.approx(mlece.fit(model, data).params, rel=1e-9)


@every_family
@pytest.mark.parametrize("solver", ["closed", "profile"])
def test_a_solver_that_is_not_offered_says_so(name: str, solver: str) -> None:
    y, auto = draw(name), mlece.fit(family(name), draw(name))
    wanted = {"closed": "closed form", "profile": "profile"}[solver]
    if auto.solver == wanted:
        same_fit(auto, mlece.fit(family(name), y, solver=solver), "same arithmetic")
    else:
        with pytest.raises(mlece.MleceError, match=r"solver='newton'|profile|closed"):
            mlece.fit(family(name), y, solver=solver)


@pytest.mark.parametrize("solver", ["newton", "scipy", "SLSQP"])
def test_categorical_solvers_agree(solver: str) -> None:
    y = draw("Categorical", 500)
    auto = mlece.fit(mlece.Categorical(), y)
    other = mlece.fit(mlece.Categorical(), y, solver=solver)
    np.testing.assert_allclose(other.params["p"], auto.params["p"], atol=1e-7)
    assert float(other.cross_entropy) - float(auto.cross_entropy) <= other.certificate.excess


# ---------------------------------------------------------------------------- what may come in


def forms(y: np.ndarray) -> dict[str, Any]:
    read_only = y.copy()
    read_only.setflags(write=False)
    strided = np.repeat(y, 2)[::2]
    return {
        "list": y.tolist(),
        "tuple": tuple(y.tolist()),
        "read-only": read_only,
        "non-contiguous": strided,
        "Fortran": np.asfortranarray(np.stack([y, y], axis=1))[:, 0],
        "big-endian": y.astype(y.dtype.newbyteorder(">")),
        "object": y.astype(object),
        "pandas": pd.Series(y),
        "pandas, odd index": pd.Series(y, index=np.arange(y.size)[::-1] + 7),
        "polars": pl.Series("y", y),
        "one-column frame": pd.DataFrame({"y": y}),
    }


@every_family
@pytest.mark.parametrize("form", sorted(forms(np.ones(2))))
def test_input_forms(name: str, form: str) -> None:
    y = draw(name, 90)
    base = y.copy()
    plain = mlece.fit(family(name), y)
    given = forms(y)[form]
    same_fit(plain, mlece.fit(family(name), given))
    np.testing.assert_array_equal(y, base)


@every_family
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict], ids=lambda f: f.__module__)
def test_a_column_of_a_frame(name: str, frame: Any) -> None:
    y = draw(name, 90)
    fit = mlece.fit(family(name), "size of it", given=frame({"size of it": y, "other": y}))
    same_fit(mlece.fit(family(name), y), fit)
    assert fit.sample.name == "size of it"


@pytest.mark.parametrize("name", [n for n in DISCRETE if vector_free(family(n))])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float32", "Int64"])
def test_integer_types(name: str, dtype: str) -> None:
    y = draw(name, 90)
    if dtype.startswith("u"):
        y = y[y >= 0]
    data = pd.Series(y.astype(int), dtype="Int64") if dtype == "Int64" else y.astype(dtype)
    same_fit(mlece.fit(family(name), y), mlece.fit(family(name), data))


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "longdouble"])
def test_other_float_types_are_widened_first(name: str, dtype: str) -> None:
    y = draw(name, 90)
    if dtype == "int16":
        whole = np.arange(-5.0, 9.0)
        whole = whole[member(name).inside(whole, member(name).theta)]
        if not whole.size:
            return
        y = whole[np.arange(90) % whole.size]
    narrow = y.astype(dtype)
    a, b = mlece.fit(family(name), narrow), mlece.fit(family(name), narrow.astype(float))
    assert statuses(a) == statuses(b)
    if a.certificate.status.solved:
        same_fit(a, b)


def test_booleans_are_a_bernoulli() -> None:
    y = draw("Bernoulli", 90)
    for data in (y.astype(bool), y.astype(bool).tolist(), pd.Series(y.astype(bool))):
        same_fit(mlece.fit(mlece.Bernoulli(), y), mlece.fit(mlece.Bernoulli(), data))


@pytest.mark.parametrize(
    "labels",
    [("x", "yy", "z"), (1.5, 2.5, 3.5), (True, False), (("a", 1), ("b", 2)), (10, -3, 7)],
    ids=str,
)
def test_categories_of_any_type_are_remembered(labels: tuple[Any, ...]) -> None:
    codes = np.random.default_rng(3).integers(0, len(labels), 60)
    data = np.empty(60, dtype=object)
    data[:] = [labels[c] for c in codes]
    fit = mlece.fit(mlece.Categorical(), data)
    assert set(fit.model.labels) == set(labels)
    for label in labels:
        at = fit.model.labels.index(label)
        assert fit.params["p"][at] == pytest.approx(sum(d == label for d in data) / 60, rel=1e-15)


# ---------------------------------------------------------------------------- slots


@pytest.mark.parametrize("name", SCALAR)
def test_a_slot_fixed_at_its_estimate_changes_nothing(name: str) -> None:
    y = draw(name)
    free = mlece.fit(family(name), y)
    for fixed in free.names:
        fit = mlece.fit(family(name).replace(**{fixed: free.params[fixed]}), y)
        assert fit.names == tuple(n for n in free.names if n != fixed)
        assert abs(float(fit.cross_entropy) - float(free.cross_entropy)) <= 1e-13 * (
            1 + abs(float(free.cross_entropy))
        )
        for key, value in fit.params.items():
            np.testing.assert_allclose(value, free.params[key], rtol=1e-6)


@pytest.mark.parametrize("name", SCALAR)
def test_a_fixed_slot_can_only_cost(name: str) -> None:
    y, truth = draw(name), member(name)
    free = mlece.fit(family(name), y)
    for p in family(name).free:
        fit = mlece.fit(family(name).replace(**{p: truth.slots[p]}), y)
        assert float(fit.cross_entropy) >= float(free.cross_entropy) - free.certificate.excess
        # The member that drew the sample has the held value too.
        assert float(fit.cross_entropy) <= -np.mean(truth.log_density(y)) + 1e-12
        # A wrong value of one parameter may drive another to its limit: Sichel's mean, its dispersion.
        if fit.certificate.status is not mlece.Status.NOT_ATTAINED:
            assert fit.certificate.status.solved
            assert fit.model.slots[p] == truth.slots[p]


@every_family
def test_nothing_free_is_an_evaluation(name: str) -> None:
    y, truth = draw(name, 70), member(name)
    fit = mlece.fit(truth, y)
    assert (fit.names, fit.params, fit.parameter_count) == ((), {}, 0)
    close(fit.cross_entropy, -np.mean(truth.log_density(y)))
    assert fit.certificate.status is mlece.Status.OPTIMAL


@pytest.mark.parametrize("name", SCALAR)
def test_an_array_in_a_slot_is_a_batch(name: str) -> None:
    y, truth = draw(name, 70), member(name)
    key = family(name).free[0]
    value = float(truth.slots[key])
    values = value * np.array([0.98, 0.99, 1.0]) if value else np.array([-0.01, 0.0, 0.01])
    if family(name).parameter(key).domain.discrete:
        values = value - np.array([2.0, 1.0, 0.0])
    whole = mlece.fit(family(name).replace(**{key: values}), y)
    for r in range(3):
        one = mlece.fit(family(name).replace(**{key: values[r]}), y)
        close(whole.cross_entropy[r], one.cross_entropy)


@every_family
def test_by_name_by_class_and_by_instance(name: str) -> None:
    if KNOWN[name]:
        return
    y = draw(name, 50)
    for model in (name, name.lower(), FAMILIES[name]):
        same_fit(mlece.fit(family(name), y), mlece.fit(model, y), "same arithmetic")


# ---------------------------------------------------------------------------- a known distribution


@pytest.mark.parametrize("name", SCALAR)
def test_a_member_projects_onto_itself(name: str) -> None:
    truth = member(name)
    fit = mlece.fit(family(name), truth)
    close(fit.cross_entropy, truth.entropy(), "quadrature")
    for key, value in fit.params.items():
        np.testing.assert_allclose(value, truth.slots[key], rtol=1e-6, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", REGULAR)
def test_information_equality_when_well_specified(name: str) -> None:
    fit = mlece.fit(family(name), member(name))
    np.testing.assert_allclose(
        fit.covariance("sandwich"), fit.covariance("hessian"), **_relative("covariance", fit)
    )
    np.testing.assert_allclose(
        fit.covariance("opg"), fit.covariance("hessian"), **_relative("covariance", fit)
    )
    np.testing.assert_allclose(
        fit.covariance("fisher"), fit.covariance("hessian"), **_relative("covariance", fit)
    )
    assert fit.trace == pytest.approx(len(fit.names), rel=TOLERANCE["covariance"][0])


def _relative(what: str, fit: Fit) -> dict[str, float]:
    size = float(np.abs(fit.covariance("hessian")).max())
    return {"rtol": TOLERANCE[what][0], "atol": TOLERANCE[what][0] * size}


# ---------------------------------------------------------------------------- the certificate


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("n", [3, 10, 1000])
def test_no_better_point_than_the_certificate_allows(name: str, n: int) -> None:
    from scipy.optimize import minimize

    y = draw(name, n, salt="certificate")
    fit = mlece.fit(family(name), y)
    status = fit.certificate.status
    assert status is not mlece.Status.STEP_LIMIT
    if not status.solved or fit.limit_models:
        return
    start = np.array([float(v) for v in fit.params.values()])
    width = np.maximum(np.abs(start), 1e-3) / math.sqrt(n)
    known = {
        p.name: float(family(name).slots[p.name])
        for p in family(name).params
        if family(name).slots[p.name] is not None
    }

    huge = 1e300  # Nelder and Mead subtract values: no infinities

    def cross_entropy(step: np.ndarray) -> float:
        try:
            at = type(fit.family)(
                **known, **dict(zip(fit.names, start + width * step, strict=True))
            )
            return min(-math.fsum(at.log_density(y)) / n, huge)
        except mlece.MleceError:
            return huge

    best = own = cross_entropy(np.zeros(start.size))
    rng = np.random.default_rng(1)
    for k in range(3):
        out = minimize(
            cross_entropy,
            rng.standard_normal(start.size) * 0.3 * k,
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-15, "maxfev": 250},
        )
        best = min(best, out.fun)
    # A search picks the luckiest of hundreds of rounding errors; both ends by the same sum.
    luck = TOLERANCE["rounding"][0] * (1 + float(np.mean(np.abs(fit.model.log_density(y)))))
    assert own - best <= fit.certificate.excess + luck
    assert float(fit.cross_entropy) == pytest.approx(own, rel=1e-13, abs=1e-13)
    assert 0 <= fit.certificate.excess <= 1e-12 * (1 + abs(best))


CLOSED = ("gaussian", "exponential", "gamma", "poisson", "lognormal", "inversegaussian", "uniform")


@pytest.mark.parametrize("name", CLOSED)
def test_a_closed_form_is_proved_when_it_is_asked(name: str) -> None:
    y = np.array([1.0, 2.0, 2.0, 5.0, 7.0])
    fit = mlece.fit(name, y)
    assert "shown" not in vars(fit.proof)
    estimates = dict(fit.params)
    asked, copied = mlece.fit(name, y.copy()), pickle.loads(pickle.dumps(fit))
    expected = asked.certificate, asked.cross_entropy
    # What is shown rests on the statistics that the fit keeps.
    y[:] = np.nan
    for other in (fit, copied, dataclasses.replace(fit, given="a note")):
        assert (other.certificate, other.cross_entropy) == expected
        assert other.params == estimates
        assert other.certificate.status is mlece.Status.OPTIMAL
        assert other.proof.shown is other.proof.shown


def test_what_decides_the_estimate_is_shown_with_it() -> None:
    for model, y in ((mlece.Weibull(), [1.0, 2.0, 4.0]), (mlece.Gaussian(), [3.0, 3.0])):
        assert "shown" in vars(mlece.fit(model, y).proof)


@pytest.mark.parametrize("name", SCALAR)
def test_the_score_is_small_in_standard_errors(name: str) -> None:
    fit = mlece.fit(family(name), draw(name, 5000))
    assert 0 <= fit.certificate.score_norm <= 1e-5
    assert fit.certificate.scope in ("global", "local")


@every_family
def test_training_cross_entropy_is_the_entropy_of_the_fit(name: str) -> None:
    # Where the carrier is 1; theory: CE_n - H(q) = θ·∇CE_n, zero at the optimum.
    fit = mlece.fit(family(name), draw(name, 1000))
    residual = fit.certificate.entropy_residual
    if family(name).unit_carrier and regular(family(name)):
        assert abs(residual) <= TOLERANCE["entropy identity"][0] * (1 + abs(fit.cross_entropy))
        assert float(fit.model.entropy()) == pytest.approx(float(fit.cross_entropy), abs=1e-11)
    else:
        assert residual is None or abs(residual) <= 1e-11


@every_family
@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_observations(name: str, n: int) -> None:
    fit = mlece.fit(family(name), draw(name, n, salt="few"))
    values = np.concatenate([np.ravel(v) for v in fit.params.values()])
    if fit.certificate.status.solved:
        assert not np.isnan(values).any()
        assert not math.isnan(float(fit.cross_entropy))
        assert fit.model is not None
    else:
        assert fit.certificate.sentence
        with pytest.raises(mlece.MleceError):
            _ = fit.model
    assert not math.isnan(float(fit.cross_entropy))
    assert not math.isnan(fit.certificate.excess)


# ---------------------------------------------------------------------------- the ends of float64

EXTREMES = {
    "200 decades": [1e-100, 1.0, 1e100],
    "huge": [1e300, 1.5e300, 1.7e300],
    "tiny": [2.5e-300, 3e-300, 5e-300],
    "nearly equal": [1.0, 1.0 + 1e-10, 1.0 - 1e-10],
    "one apart": [1.0] * 50 + [1.0 + 1e-12],
    "one far": [1.0, 1.25, 1.5, 2.0, 1e12],
}


@pytest.mark.parametrize("name", [n for n in UNLIMITED if FAMILIES[n].support.upper == math.inf])
@pytest.mark.parametrize("case", EXTREMES)
def test_extremes_give_an_answer_or_a_reason(name: str, case: str) -> None:
    y = np.array(EXTREMES[case])
    fit = mlece.fit(family(name), y)
    # Shapes of 1e20 and moments beyond the largest number leave a Hessian that is singular in double
    # precision, or parameters that doubles do not resolve: the fit then says that nothing was shown.
    if fit.certificate.status is mlece.Status.STEP_LIMIT:
        assert "optim" in fit.certificate.sentence
    assert not math.isnan(float(fit.cross_entropy))
    if fit.certificate.status.solved:
        assert not np.isnan([float(v) for v in fit.params.values()]).any()
        direct = -math.fsum(fit.model.log_density(y) / y.size)
        # At a shape of 1e25 the rounding of the parameters moves the sum by 4e-6 of itself.
        assert float(fit.cross_entropy) == pytest.approx(direct, rel=1e-5, abs=1e-6)
    else:
        assert fit.certificate.sentence


def moments(y: list[float]) -> tuple[float, float]:
    exact = [Fraction(v) for v in y]
    mean = sum(exact) / len(exact)
    return float(mean), float(sum((v - mean) ** 2 for v in exact) / len(exact))


@pytest.mark.parametrize("y", [EXTREMES["nearly equal"], [1.0, 1.0 + 2e-16, 1.0, 1.0 + 4e-16]])
def test_a_gaussian_of_nearly_equal_data(y: list[float]) -> None:
    _, variance = moments(y)
    fit = mlece.fit(mlece.Gaussian(), y)
    assert fit.params["sd"] == pytest.approx(math.sqrt(variance), rel=1e-13)


@pytest.mark.parametrize("spread", [1e-4, 1e-6, 1e-7, 1e-8, 1e-10])
def test_a_gamma_of_nearly_equal_data(spread: float) -> None:
    # For a small spread the shape is mean²/variance up to a constant of order one.
    y = [1.0 - spread, 1.0, 1.0 + spread, 1.0 + 2 * spread]
    mean, variance = moments(y)
    shape = mlece.fit(mlece.Gamma(), y).params["shape"]
    assert shape == pytest.approx(mean**2 / variance, rel=1e-3)


@pytest.mark.parametrize("count", [1, 2, 256, 257, 3_000])
def test_as_many_labels_as_there_are(count: int) -> None:
    # A byte numbers 256 of them; more arrive when some have been numbered already.
    names = np.array([f"label {k}" for k in range(count)], dtype=object)
    codes = np.concatenate([np.arange(count), np.random.default_rng(5).integers(0, count, 2_500)])
    fit = mlece.fit(mlece.Categorical(), names[codes])
    assert fit.model.labels == tuple(sorted(names))
    counts = dict(zip(names, np.bincount(codes), strict=True))
    expected = [counts[label] / codes.size for label in fit.model.labels]
    np.testing.assert_allclose(fit.params["p"], expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "uint64"])
def test_labels_over_the_whole_range_of_their_type(dtype: str) -> None:
    ends = np.iinfo(dtype)
    fit = mlece.fit(mlece.Categorical(), np.array([ends.min, ends.max, ends.max], dtype=dtype))
    assert fit.model.labels == (ends.min, ends.max)
    np.testing.assert_allclose(fit.params["p"], [1 / 3, 2 / 3])


@pytest.mark.parametrize("make", [list, np.asarray, pd.Series, pl.Series])
def test_missing_observations_are_left_out_on_request(make: Any) -> None:
    column, weights = make([1.0, float("nan"), 3.0, 7.0]), [2, 5, 1, 1]
    whole = mlece.fit("poisson", [1, 3, 7], weights=[2, 1, 1])
    found = mlece.fit("poisson", column, weights=weights, missing="drop")
    assert found.params == whole.params
    assert found.notes["dropped"] == 1
    assert "1 row" in str(found)
    assert len(found.augment()["log_density"]) == 3
    ranked = mlece.compare(["poisson", "geometric"], column, missing="drop", replicates=19)
    assert ranked.n == 3
    assert "1 of 4 observations are missing" in str(ranked)
    with pytest.raises(mlece.MleceError, match="not dropped in silence"):
        mlece.fit("poisson", column)


def test_missing_labels_and_columns_of_frames_are_left_out_on_request() -> None:
    labels = mlece.fit("categorical", ["a", None, "b", "b"], missing="drop")
    np.testing.assert_allclose(labels.params["p"], [1 / 3, 2 / 3])
    frame = pl.DataFrame({"y": [1, None, 3]})
    found = mlece.fit("poisson", "y", given=frame, missing="drop")
    assert found.params == {"rate": 2.0}
    assert isinstance(found.augment(), pl.DataFrame)
    assert mlece.fit("poisson", [1, 3], missing="drop").notes.get("dropped", 0) == 0


def test_a_formula_goes_into_the_family_that_is_inflated_or_truncated() -> None:
    given = {"y": [0, 0, 1, 2, 0, 3], "x": [1.0, 2.0, 3.0, 4.0, 1.0, 5.0]}
    for model in (mlece.Hurdle("poisson"), mlece.Truncated("poisson", upper=9)):
        assert "rate[x]" in mlece.fit(model, "y ~ x", given=given).params
    with pytest.raises(mlece.MleceError, match=r"MeanGamma has a mean: Gamma\(shape='x \+ z'\)"):
        mlece.fit(mlece.Inflated("gamma"), "y ~ x", given=given)


def test_labels_of_several_types_come_back_as_they_are() -> None:
    data = ["a", 1, "a", 2.5]
    fit = mlece.fit(mlece.Categorical(), data)
    drawn = fit.model.sample(200, rng=0).tolist()
    assert set(drawn) == {"a", 1, 2.5}
    np.testing.assert_allclose(fit.model.density(data), [0.5, 0.25, 0.5, 0.25], rtol=1e-15)
    assert fit.model.log_density(["a", "1"])[1] == -np.inf
    assert np.isfinite(fit.held_out(drawn))
    pairs = np.empty(3, dtype=object)
    pairs[:] = [("x", 1), ("x", 2), ("x", 1)]
    law = mlece.fit(mlece.Categorical(), pairs).model
    assert set(law.sample(50, rng=0).tolist()) == {("x", 1), ("x", 2)}
