"""Whether the closed-form certificate of regressions is ever wrong, and how sharp it is.

Usage: python benchmarks/certificates.py [--problems 1000] [--separated 200]

Along the Newton iterates of random logistic, softmax and Poisson problems the proved bound is held
against the excess of the mean cross-entropy over its minimum, in long double precision; separated data
must never be certified.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlece.math import Array
from mlece.regression.cones import binary, counts, softmax
from mlece.regression.self_concordance import ExcessBound, certify
from mlece.regression.separation import recession

# Of a difference of two cross-entropies, in units of their size.
ROUNDING = 8 * float(np.finfo(np.longdouble).eps)
BATCH = 20  # responses that share a design


def softmaxed(eta: Array) -> Array:
    """Return probabilities (..., K) from the predictors of all classes but the first."""
    eta = np.concatenate([np.zeros_like(eta[..., :1]), eta], axis=-1)
    mass = np.exp(eta - eta.max(axis=-1, keepdims=True))
    return mass / mass.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Kind:
    """A likelihood: K classes (2 and a logarithmic link for counts), its loss and its draws."""

    classes: int
    poisson: bool = False

    def index(self, x: Array, beta: Array) -> Array:
        """Return linear predictors (r, n, K − 1)."""
        r = len(beta)
        own = beta.reshape(r, self.classes - 1, x.shape[1])
        return np.einsum("np,rkp->rnk", x, own, optimize=True)

    def loss(self, x: Array, y: Array, beta: Array) -> Array:
        """Return mean cross-entropies (r,), up to a constant of the counts, as long doubles."""
        own = beta.reshape(len(beta), self.classes - 1, x.shape[1]).astype(np.longdouble)
        eta = own @ x.T.astype(np.longdouble)
        if self.poisson:
            return (np.exp(eta[:, 0]) - y * eta[:, 0]).mean(axis=1)
        eta = np.concatenate([np.zeros_like(eta[:, :1]), eta], axis=1)
        top = eta.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(eta - top).sum(axis=1))
        return (total - np.take_along_axis(eta, y[:, None], axis=1)[:, 0]).mean(axis=1)

    def derivatives(self, x: Array, y: Array, beta: Array) -> tuple[Array, Array]:
        """Return gradients (r, k) and Hessians (r, k, k)."""
        r, k, (n, p) = len(beta), self.classes - 1, x.shape
        eta = self.index(x, beta)
        if self.poisson:
            mean = np.exp(eta)
            residual, weight = mean - y[:, :, None], mean[..., None]
        else:
            mean = softmaxed(eta)
            residual = mean[..., 1:] - (y[:, :, None] == np.arange(1, k + 1))
            # Sums of products off the diagonal: 1 − p would cancel where p is nearly 1.
            weight = -mean[..., None] * mean[:, :, None]
            diagonal = np.arange(k + 1)
            weight[:, :, diagonal, diagonal] = 0
            weight[:, :, diagonal, diagonal] = -weight.sum(axis=3)
            weight = weight[:, :, 1:, 1:]
        gradient = np.einsum("rnk,np->rkp", residual, x, optimize=True) / n
        hessian = np.einsum("rnab,ni,nj->raibj", weight, x, x, optimize=True) / n
        return gradient.reshape(r, k * p), hessian.reshape(r, k * p, k * p)

    def draw(self, g: np.random.Generator, x: Array, beta: Array) -> Array:
        """Return responses (r, n)."""
        eta = self.index(x, beta)
        if self.poisson:
            return g.poisson(np.exp(eta[..., 0]))
        noise = g.gumbel(size=(*eta.shape[:2], self.classes))
        noise[..., 1:] += eta
        return np.argmax(noise, axis=2)

    def separated(self, x: Array, y: Array) -> bool:
        """Tell by linear programming whether one response has no maximum."""
        if self.poisson:
            return recession(counts(x, y)) is not None
        if self.classes == 2:
            return recession(binary(x, y)) is not None
        return recession(softmax(x, y, self.classes)) is not None

    def part(self, g: np.random.Generator, x: Array, beta: Array) -> Array:
        """Return responses that a direction tells apart."""
        eta = self.index(x, beta)
        if self.poisson:
            return np.where(eta[..., 0] > 0, 0, self.draw(g, x, beta)) * (x[:, -1] == 0)
        return np.argmax(np.concatenate([np.zeros_like(eta[..., :1]), eta], axis=2), axis=2)


KINDS = {
    "logistic": Kind(2),
    "softmax K = 3": Kind(3),
    "softmax K = 5": Kind(5),
    "Poisson": Kind(2, poisson=True),
}


def designs(g: np.random.Generator, problems: int) -> Iterator[Array]:
    """Yield designs of many sizes, enough for that many problems."""
    for i in range(-(-problems // BATCH)):
        n, p = (40, 100, 300)[i % 3], (2, 3, 5)[(i // 3) % 3]
        x = np.column_stack([np.ones(n), g.standard_normal((n, p - 1))])
        if i % 2:
            x[:, -1] = g.random(n) < 0.3
        yield x


def steps(
    kind: Kind, x: Array, y: Array, count: int, sharp: bool = True
) -> Iterator[tuple[Array, ExcessBound]]:
    """Yield Newton iterates from 0 with their certificates.

    Steps are shortened to log(1 + νκ)/(νκ) of Newton's, which lowers a self-concordant function of
    this kind wherever it starts.
    """
    beta = np.zeros((len(y), (kind.classes - 1) * x.shape[1]))
    for _ in range(count):
        gradient, hessian = kind.derivatives(x, y, beta)
        found = certify(gradient, hessian, x, kind.classes, sharp=sharp)
        yield beta, found
        step = np.linalg.pinv(hessian, hermitian=True, rcond=1e-14) @ gradient[:, :, None]
        s = found.nu * found.kappa
        damped = np.isfinite(s) & (s > 0)
        share = np.where(damped, np.log1p(np.where(damped, s, 1.0)) / np.where(damped, s, 1.0), 1.0)
        beta = beta - share[:, None] * step[..., 0]


def overlapping(kind: Kind, problems: int, seed: int) -> tuple[int, int, int, Array]:
    """Return problems, certified iterates, violations, and bound over excess where it is measured."""
    g = np.random.default_rng(seed)
    total, certified, violations, ratios = 0, 0, 0, []
    for x in designs(g, problems):
        beta = 0.7 * g.standard_normal((BATCH, (kind.classes - 1) * x.shape[1]))
        y = kind.draw(g, x, beta)
        y = y[[not kind.separated(x, own) for own in y]]
        if not len(y):
            continue
        path = list(steps(kind, x, y, 25))
        least = kind.loss(x, y, path[-1][0])
        rounding = ROUNDING * np.maximum(np.abs(least).astype(float), 1.0)
        total += len(y)
        for at, found in path[:-1]:
            excess = (kind.loss(x, y, at) - least).astype(float)
            proved = found.exists
            certified += int(proved.sum())
            violations += int((proved & (excess > found.excess + rounding)).sum())
            told = proved & (excess > 1e6 * rounding)
            ratios.append(found.excess[told] / excess[told])
    return total, certified, violations, np.concatenate(ratios)


def apart(kind: Kind, problems: int, seed: int) -> tuple[int, int]:
    """Return separated problems, and iterates among 60 Newton steps that were certified."""
    g = np.random.default_rng(seed)
    total, certified = 0, 0
    for x in designs(g, problems):
        beta = g.standard_normal((BATCH, (kind.classes - 1) * x.shape[1]))
        y = kind.part(g, x, beta)
        y = y[[kind.separated(x, own) for own in y]]
        if len(y):
            total += len(y)
            certified += sum(int(found.exists.sum()) for _, found in steps(kind, x, y, 60, False))
    return total, certified


def main() -> None:
    """Print both tables."""
    from timing import table

    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--separated", type=int, default=200)
    args = parser.parse_args()
    rows = []
    for i, (name, kind) in enumerate(KINDS.items()):
        total, certified, violations, ratio = overlapping(kind, args.problems, i)
        shown = [f"{np.median(ratio):.4f}", f"{ratio.min():.7f}", f"{ratio.max():.2f}"]
        rows.append([name, str(total), str(certified), str(violations), *shown])
    head = ["model", "problems", "certified iterates", "violations"]
    table(rows, [*head, "bound / excess: median", "least", "largest"])
    rows = []
    for i, (name, kind) in enumerate(KINDS.items()):
        total, certified = apart(kind, args.separated, i)
        rows.append([name, str(total), str(certified)])
    table(rows, ["model", "separated samples", "certified iterates of 60 each"])


if __name__ == "__main__":
    main()
