"""The closed-form proof that a regression's maximum exists: never wrong, and sharp near the optimum."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

from mlece.regression.self_concordance import certify, excess

Array = np.ndarray


def problems() -> ModuleType:
    """The random problems and Newton iterates of the benchmark, which has more of them."""
    path = Path(__file__).parents[1] / "benchmarks" / "certificates.py"
    spec = importlib.util.spec_from_file_location("certificates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["certificates"] = module
    spec.loader.exec_module(module)
    return module


certificates = problems()
every_kind = pytest.mark.parametrize("name", certificates.KINDS)


@every_kind
def test_the_bound_is_never_violated_and_hardly_above(name: str) -> None:
    total, certified, violations, ratios = certificates.overlapping(
        certificates.KINDS[name], 60, seed=21
    )
    assert total >= 40
    assert certified > 10 * total
    assert violations == 0
    assert np.median(ratios) < 1.1


@pytest.mark.parametrize("name", [name for name in certificates.KINDS if "5" not in name])
def test_separated_data_are_never_certified(name: str) -> None:
    total, certified = certificates.apart(certificates.KINDS[name], 80, seed=22)
    assert total >= 70
    assert certified == 0


@pytest.mark.parametrize("s", [1e-12, 1e-4, 0.0999, 0.1001, 0.5, 0.99, 1 - 1e-12])
def test_the_bound_does_not_cancel(s: float) -> None:
    kappa = 3.0
    with mpmath.workdps(60):
        exact = mpmath.mpf(s / kappa) * mpmath.mpf(kappa)
        bound = ((1 - exact) * mpmath.log(1 - exact) + exact) / mpmath.mpf(kappa) ** 2
    assert float(excess(np.array(s / kappa), np.array(kappa))) == pytest.approx(
        float(bound), rel=2e-13
    )


def test_the_bound_at_its_ends() -> None:
    assert float(excess(np.array(0.0), np.array(2.0))) == 0
    assert float(excess(np.array(0.5), np.array(0.0))) == 0.125  # no third derivative
    assert float(excess(np.array(0.5), np.array(2.0))) == np.inf
    assert float(excess(np.array(np.inf), np.array(np.inf))) == np.inf


def case(name: str, n: int = 60, p: int = 3, size: int = 4) -> tuple[Array, Array, Array]:
    """Design, gradients and Hessians at random points."""
    kind = certificates.KINDS[name]
    g = np.random.default_rng(23)
    x = np.column_stack([np.ones(n), g.standard_normal((n, p - 1))])
    beta = 0.3 * g.standard_normal((size, (kind.classes - 1) * p))
    gradient, hessian = kind.derivatives(x, kind.draw(g, x, beta), beta)
    return x, gradient, hessian


@every_kind
def test_decrement_and_reach_are_those_of_their_definitions(name: str) -> None:
    classes = certificates.KINDS[name].classes
    x, gradient, hessian = case(name)
    found = certify(gradient, hessian, x, classes, sharp=True)
    inverse = np.linalg.inv(hessian)
    assert found.nu**2 == pytest.approx(np.einsum("ri,rij,rj->r", gradient, inverse, gradient))
    # Every row with every pair of classes, one after the other.
    contrasts = [
        np.kron((np.arange(1, classes) == k) * 1.0 - (np.arange(1, classes) == m), row)
        for row in x
        for k in range(classes)
        for m in range(k)
    ]
    z = np.array(contrasts)
    reach = np.sqrt(np.einsum("zi,rij,zj->rz", z, inverse, z).max(axis=1))
    assert found.kappa == pytest.approx(reach, rel=1e-12)
    # What rounding may do is added: never below, and by no more than it can be.
    assert np.all(found.kappa >= reach * (1 - 1e-14))
    cheap = certify(1e-6 * gradient, hessian, x, classes)
    assert np.all(cheap.kappa >= reach * (1 - 1e-14))
    assert cheap.excess == pytest.approx(
        certify(1e-6 * gradient, hessian, x, classes, sharp=True).excess, rel=1e-3
    )


@every_kind
def test_batches_sparse_rows_and_classes_of_reference(name: str) -> None:
    classes = certificates.KINDS[name].classes
    x, gradient, hessian = case(name)
    whole = certify(gradient, hessian, x, classes, sharp=True)
    for design in (x, sp.csr_array(x), sp.csc_array(x)):
        for i in range(len(gradient)):
            one = certify(gradient[i], hessian[i], design, classes, sharp=True)
            assert one.excess.shape == ()
            assert float(one.kappa) == pytest.approx(whole.kappa[i], rel=1e-13)
            assert float(one.nu) == pytest.approx(whole.nu[i], rel=1e-13)
    if classes > 2:
        # Coefficients against the last class: b_k − b_K.
        k, p = classes - 1, x.shape[1]
        change = np.vstack([-np.eye(k)[-1:], np.eye(k)[:-1] - np.eye(k)[-1:]])
        back = np.linalg.inv(np.kron(change, np.eye(p)))
        moved = certify(
            gradient @ back, back.T @ hessian @ back, x, classes, reference=-1, sharp=True
        )
        assert moved.nu == pytest.approx(whole.nu, rel=1e-12)
        assert moved.kappa == pytest.approx(whole.kappa, rel=1e-12)


@every_kind
def test_the_hessian_of_some_rows_proves_less_but_proves(name: str) -> None:
    kind = certificates.KINDS[name]
    g = np.random.default_rng(24)
    x = np.column_stack([np.ones(200), g.standard_normal((200, 2))])
    y = kind.draw(g, x, np.full((3, 3 * (kind.classes - 1)), 0.2))
    at, found = list(certificates.steps(kind, x, y, 6))[-1]
    gradient, _ = kind.derivatives(x, y, at)
    _, part = kind.derivatives(x[:120], y[:, :120], at)
    less = certify(gradient, part * 120 / 200, x, kind.classes, sharp=True)
    assert np.all(less.nu >= found.nu)
    assert np.all(less.kappa >= found.kappa)
    assert np.all(less.excess >= found.excess)
    assert less.exists.all()


def test_the_radius_holds_the_minimiser() -> None:
    kind = certificates.KINDS["logistic"]
    g = np.random.default_rng(25)
    x = np.column_stack([np.ones(150), g.standard_normal((150, 2))])
    y = kind.draw(g, x, np.full((20, 3), 0.3))
    path = list(certificates.steps(kind, x, y, 15))
    best = path[-1][0]
    for at, found in path[:5]:
        _, hessian = kind.derivatives(x, y, at)
        distance = np.sqrt(np.einsum("ri,rij,rj->r", best - at, hessian, best - at))
        assert np.all(distance <= found.radius * (1 + 1e-12) + 1e-13)


@pytest.mark.parametrize("far", [20.0, 36.0, 38.0, 100.0, 300.0, 600.0])
def test_residuals_that_round_to_zero_prove_nothing(far: float) -> None:
    # A group without failures: its residuals p − y round to 0 from an index of 37 on, while its
    # entries of the Hessian are as small as they ought to be, e^-far.
    g = np.random.default_rng(26)
    x = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30)])
    y = np.concatenate([g.integers(0, 2, 30), np.ones(30)])
    level = np.log(y[:30].mean() / (1 - y[:30].mean()))
    index = x @ [level, far - level]
    p = 1 / (1 + np.exp(-index))
    weight = p / (1 + np.exp(index))
    found = certify(x.T @ (p - y) / 60, (x.T * weight) @ x / 60, x)
    assert not found.exists


def test_a_larger_magnitude_proves_less() -> None:
    x, gradient, hessian = case("Poisson")
    plain = certify(1e-12 * gradient, hessian, x)
    careful = certify(1e-12 * gradient, hessian, x, magnitude=np.full(len(gradient), 1e3))
    assert np.all(careful.nu > plain.nu)
    assert np.all(careful.nu < 1e-9)


def test_nothing_is_proved_from_a_singular_hessian() -> None:
    x = np.column_stack([np.ones(20), np.arange(20.0), 1 + np.arange(20.0)])
    found = certify(np.zeros(3), x.T @ x / 80, x)
    assert not found.exists
    found = certify(np.zeros((2, 3)), np.full((2, 3, 3), np.nan), x)
    assert not found.exists.any()
    assert np.all(found.radius == np.inf)
