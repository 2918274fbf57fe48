"""A property suite for any model: what must hold whatever the family.

``check_model`` runs it on a known member, or on typical members of a family with free slots.
Reference values come from quadrature, sums and finite differences, not from closed forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlece import errors
from mlece.likelihood.pole import Pole, pole_sums
from mlece.math import Array, Arrays, wrap_angle
from mlece.model import Model
from mlece.moments import weighted_sum
from mlece.numerics.derivatives import numerical_curvature, numerical_score
from mlece.numerics.jets import variables
from mlece.randomness import seeded
from mlece.reference import atoms, ends, expectation, log_mass

Property = Callable[[Model, np.random.Generator], None]

PROPERTIES: dict[str, Property] = {}

# Each tolerance with its reason; relative to 1 + |reference| unless said otherwise.
TOLERANCES = {
    "quadrature": 2e-8,  # adaptive quadrature on a few pieces, heavy tails and end singularities
    "first difference": 1e-8,  # sixth order, step eps^(1/7): rounds at 1e-13 |log q|
    "second difference": 1e-5,  # sixth order, step eps^(1/8): rounds at 1e-11 |log q|
    "rounding": 1e-10,  # the same quantity by two routes
    "round trip": 1e-7,  # quantile and cdf invert each other up to the condition of the cdf
}
_KS_LEVEL = 1e-6


def check_model(model: Model, rng: Any = 0) -> None:
    """Check every property of a model.

    Parameters
    ----------
    model : Model
        A known member, or a family whose free slots take values from their typical ranges.
    rng : int or numpy.random.Generator
        Source of randomness for the samples drawn.

    Raises
    ------
    AssertionError
        With the model, the property that fails, and the two values that differ.

    Examples
    --------
    >>> import mlece
    >>> from mlece.testing import check_model
    >>> check_model(mlece.Exponential(rate=2))
    """
    generator = seeded(rng)
    for member in typical_members(model):
        for check in PROPERTIES.values():
            check(member, generator)


def typical_members(model: Model, count: int = 3) -> list[Model]:
    """Return members with each free slot filled from its typical range (a known model as it is)."""
    if model.known:
        return [model]
    members = []
    for k in range(count):
        slots: dict[str, Any] = {}
        for j, p in enumerate(q for q in model.params if model.slots[q.name] is None):
            share = (0.5 + (k + 2 * j) % count) / count
            low, high = p.typical
            if p.vector:
                slots[p.name] = np.roll([0.5, 0.3, 0.2], k)
            elif p.open:  # two numbers in order, for three labels
                slots[p.name] = low + (share + np.arange(2)) / 2 * (high - low)
            else:
                slots[p.name] = low + share * (high - low)
        members.append(model.replace(**slots))
    return members


def typical_family(family: type[Model]) -> list[Model]:
    """Return typical members of a class, known constants (a number of trials) included."""
    given = {p.name: float(round(sum(p.typical) / 2)) for p in family.params if not p.estimable}
    return typical_members(family(**given))


def _property(check: Property) -> Property:
    PROPERTIES[check.__name__.removeprefix("check_")] = check
    return check


def _agree(member: Model, what: str, got: Any, expected: Any, tolerance: str) -> None:
    """Raise unless two arrays agree within a named tolerance."""
    a, b = np.broadcast_arrays(np.asarray(got, dtype=float), np.asarray(expected, dtype=float))
    with np.errstate(invalid="ignore"):
        wrong = ~((a == b) | (np.abs(a - b) <= TOLERANCES[tolerance] * (1 + np.abs(b))))
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0])
        raise AssertionError(
            f"{member!r}: {what}: got {a[first]!r}, expected {b[first]!r} "
            f"(tolerance {TOLERANCES[tolerance]:g}, {tolerance})"
        )


def _require(condition: Any, member: Model, what: str) -> None:
    if not np.all(condition):
        raise AssertionError(f"{member!r}: {what}")


# ------------------------------------------------------------------ expectations


def _scalar(member: Model) -> bool:
    """Whether every slot holds one number."""
    return not any(p.vector for p in member.params)


def _hook_view(member: Model, rng: np.random.Generator) -> tuple[Any, tuple[Array, ...]]:
    """Return statistics of a small framed sample and framed theta, as the hooks receive them.

    Points so near a kink that a difference would straddle it are left out.
    """
    y = np.asarray(member.sample(24, rng=rng), dtype=float)
    theta = tuple(np.asarray(t) for t in member.theta)
    shift, scale = member.own_frame(theta)
    for kink in member._breakpoints(*theta):
        y = y[np.abs(y - kink) > 0.1 * scale]
    if "location" in member.roles():
        for end in member.bounds(theta):
            # The end moves with the location: beside it a step is no small one.
            y = y[np.abs(y - end) > 0.4 * scale]
    return member.statistics((y - shift) / scale), member.to_frame(theta, shift, scale)


def _log_density_of(member: Model) -> Callable[..., Array]:
    def log_density(t: Any, *theta: Array) -> Array:
        return member.log_density_hook(t, theta)

    return log_density


# ------------------------------------------------------------------ properties


@_property
def check_normalisation(member: Model, rng: np.random.Generator) -> None:
    """The density integrates to 1."""
    total = expectation(member, lambda y: np.ones((1, y.size)))
    _agree(member, "total mass", total[0], 1.0, "quadrature")


@_property
def check_support(member: Model, rng: np.random.Generator) -> None:
    """Outside the support the density is 0; samples lie inside."""
    lower, upper = ends(member)
    if member.support.kind != "categories":
        outside = np.array([e for e in (lower - 1, upper + 1) if np.isfinite(e)])
        _require(
            np.isneginf(member.log_density(outside)), member, "log density outside the support"
        )
    drawn = member.sample(50, rng=rng)
    _require(np.isfinite(member.log_density(drawn)), member, "log density at a sample is finite")


@_property
def check_score(member: Model, rng: np.random.Generator) -> None:
    """The score equals numerical derivatives of the log density."""
    if not (_scalar(member) and member.has("_score")):
        return
    t, theta = _hook_view(member, rng)
    with np.errstate(all="ignore"):  # a structural constant may be moved off its domain
        numerical = numerical_score(_log_density_of(member), t, theta, *member._limits())
    analytic = member.score_hook(t, theta)
    for p, got, expected in zip(member.params, analytic, numerical, strict=True):
        if p.estimable:
            _agree(member, f"score for {p.name}", got, expected, "first difference")


@_property
def check_curvature(member: Model, rng: np.random.Generator) -> None:
    """The curvature equals numerical derivatives of the score, and of the log density."""
    if not (_scalar(member) and member.has("_curvature")):
        return
    t, theta = _hook_view(member, rng)
    density = _log_density_of(member)
    names = [p.name for p in member.params]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:]]
    analytic = member.curvature_hook(t, theta)
    score = member.score_hook
    with np.errstate(all="ignore"):  # a structural constant may be moved off its domain
        plain = numerical_curvature(density, None, t, theta, *member._limits())
        routes = [(plain, "second difference")]
        if member.has("_score"):
            steps = numerical_curvature(
                density, lambda at, *moved: score(at, moved), t, theta, *member._limits()
            )
            routes.append((steps, "first difference"))
    for numerical, tolerance in routes:
        for pair, got, expected in zip(pairs, analytic, numerical, strict=True):
            if all(p.estimable for p in member.params if p.name in pair):
                _agree(member, f"curvature for {pair}", got, expected, tolerance)


@_property
def check_expected_score(member: Model, rng: np.random.Generator) -> None:
    """The expected score is 0 for every parameter that does not move the support."""
    keep = [j for j, p in enumerate(member.params) if p.regular and p.estimable]
    if not (_scalar(member) and keep):
        return
    mean = expectation(member, lambda y: np.moveaxis(member.score(y), -1, 0)[keep])
    _agree(member, "expected score", mean, 0.0, "quadrature")


@_property
def check_information_equality(member: Model, rng: np.random.Generator) -> None:
    """The variance of the score equals minus the expected curvature in a smooth regular family."""
    smooth = all(p.regular and p.estimable for p in member.params) and not member.has("_kink")
    if not (_scalar(member) and smooth):
        return
    theta = tuple(np.asarray(t) for t in member.theta)
    shift, scale = member.own_frame(theta)
    framed = member.to_frame(theta, shift, scale)

    def terms(y: Array) -> Array:
        t = member.statistics((y - shift) / scale)
        score, curvature = member.score_hook(t, framed), member.curvature_hook(t, framed)
        k = len(score)
        pairs = [score[i] * score[j] for i in range(k) for j in range(i, k)]
        rows = zip(pairs, curvature, strict=True)
        return np.stack([np.broadcast_to(a + b, y.shape) for a, b in rows])

    _agree(member, "outer product plus curvature", expectation(member, terms), 0.0, "quadrature")


@_property
def check_distribution_function(member: Model, rng: np.random.Generator) -> None:
    """The cdf and the survival function sum to 1, and grow by the mass between two points."""
    ordered = member.support.kind != "categories"
    if not (ordered and (member.has("_log_cdf") or member.has("_log_sf"))):
        return
    y = np.sort(np.asarray(member.sample(40, rng=rng), dtype=float))
    cdf, sf = member.cdf(y), member.sf(y)
    _agree(member, "cdf + sf", cdf + sf, 1.0, "rounding")
    _require(np.diff(cdf) >= 0, member, "the cdf does not decrease")
    a, b = y[10], y[30]
    mass = (
        expectation(member, lambda x: ((x > a) & (x <= b)).astype(float)[None])
        if (member.support.discrete)
        else _mass_between(member, a, b)
    )
    _agree(member, f"cdf({b}) - cdf({a})", cdf[30] - cdf[10], mass, "quadrature")


def _mass_between(member: Model, a: float, b: float) -> Array:
    from scipy.integrate import quad

    kinks = [float(k) for k in member._breakpoints(*member.theta) if a < float(k) < b]
    value = quad(
        lambda x: float(member.density(x)),
        a,
        b,
        epsabs=1e-12,
        epsrel=1e-11,
        limit=500,
        points=kinks or None,
    )
    points, masses = atoms(member)
    return np.asarray(value[0] + masses[(points > a) & (points <= b)].sum())


@_property
def check_standardised(member: Model, rng: np.random.Generator) -> None:
    """Both tails of the standard law are those of the family, and the closed form their derivatives."""
    if not member.has("_standardised"):
        return
    y = np.sort(np.asarray(member.sample(40, rng=rng), dtype=float))
    law, *at = member._standardised(y, *member.theta)
    _agree(member, "log cdf of the standard law", law.log_cdf(*at), member.log_cdf(y), "rounding")
    _agree(member, "log sf of the standard law", law.log_sf(*at), member.log_sf(y), "rounding")
    moved = variables(*member.theta)
    _, *jets = member._standardised(y, *moved)
    for jet, value in zip(jets, at, strict=True):
        _agree(member, "z as a jet", moved[0].lift(jet).value, value, "rounding")


@_property
def check_quantile(member: Model, rng: np.random.Generator) -> None:
    """The quantile is the smallest y whose cdf reaches u."""
    ordered = member.support.kind != "categories"
    if not (ordered and member.has("_quantile")):
        return
    u = np.array([1e-6, 1e-3, 0.1, 0.25, 0.5, 0.8, 0.99, 1 - 1e-6])
    y = member.quantile(u)
    _require(np.diff(y) >= 0, member, "the quantile does not decrease")
    extremes = member.quantile(np.array([0.0, 1.0]))
    _agree(member, "quantile(0), quantile(1)", extremes, np.array(ends(member)), "rounding")
    if member.support.discrete:
        _require(member.cdf(y) >= u * (1 - 1e-12), member, "cdf(quantile(u)) >= u")
        below = member.cdf(y - 1)
        _require(below < u * (1 + 1e-12), member, "the quantile is the smallest such point")
        return
    # At an atom the cdf jumps over u.
    smooth = ~np.isin(y, atoms(member)[0])
    _require(member.cdf(y) >= u * (1 - TOLERANCES["round trip"]), member, "cdf(quantile(u)) >= u")
    _agree(member, "cdf(quantile(u)) / u", (member.cdf(y) / u)[smooth], 1.0, "round trip")


@_property
def check_sampling(member: Model, rng: np.random.Generator) -> None:
    """Samples follow the cdf (Dvoretzky-Kiefer-Wolfowitz-Massart band at a small level)."""
    ordered = member.support.kind != "categories"
    if not (ordered and (member.has("_log_cdf") or member.has("_log_sf"))):
        return
    n = 4000
    values, counted = np.unique(member.sample(n, rng=rng), return_counts=True)
    empirical = np.cumsum(counted) / n
    cdf = member.cdf(values)
    before = member.cdf(values - 1 if member.support.discrete else np.nextafter(values, -np.inf))
    distance = np.max(np.abs(np.stack([cdf - empirical, before - (empirical - counted / n)])))
    limit = np.sqrt(-0.5 * np.log(0.5 * _KS_LEVEL) / n)
    _require(distance < limit, member, f"sample within {limit:.3f} of the cdf, got {distance:.3f}")


@_property
def check_entropy(member: Model, rng: np.random.Generator) -> None:
    """The closed-form entropy equals the integral of -q log q."""
    closed = member._closed("_entropy")
    if closed is not None:
        surprise = expectation(member, lambda y: -log_mass(member, y)[None])
        _agree(member, "entropy", closed, surprise[0], "quadrature")


@_property
def check_moments(member: Model, rng: np.random.Generator) -> None:
    """Closed-form mean and variance equal their integrals, where they are finite."""
    mean, variance = member._closed("_mean"), member._closed("_variance")
    if mean is None or not np.isfinite(mean):
        return
    shape = np.shape(mean)
    _agree(
        member, "mean", mean, expectation(member, lambda y: y[None])[0].reshape(shape), "quadrature"
    )
    if variance is not None and np.isfinite(variance):
        spread = expectation(member, lambda y: (y - mean)[None] ** 2)
        _agree(member, "variance", variance, spread[0].reshape(shape), "quadrature")


@_property
def check_expected_statistics(member: Model, rng: np.random.Generator) -> None:
    """The expected statistics equal their integrals, in the member's own frame."""
    if not (_scalar(member) and member.has("_expected_statistics")):
        return
    theta = tuple(np.asarray(t) for t in member.theta)
    shift, scale = member.own_frame(theta)
    closed = member._expected_statistics(*member.to_frame(theta, shift, scale))
    direct = expectation(member, lambda y: np.stack(member.statistics((y - shift) / scale)))
    _agree(member, "expected statistics", np.stack(closed), direct, "quadrature")


@_property
def check_information(member: Model, rng: np.random.Generator) -> None:
    """The expected information is that of the scores, and its jets carry its derivatives."""
    if not (_scalar(member) and member.has("_information")):
        return
    theta = tuple(np.asarray(t, dtype=float) for t in member.theta)
    jets = member._information(*variables(*theta))
    left, right = np.array(list(jets)).T

    def value(_: Any, *moved: Array) -> Array:
        return np.stack([jet.value for jet in member._information(*variables(*moved)).values()])

    def products(y: Array) -> Array:
        s = np.moveaxis(member.score(y), -1, 0)
        return np.asarray(s[left] * s[right])

    parts = [np.stack(part) for part in zip(*(jet.parts() for jet in jets.values()), strict=True)]
    direct = expectation(member, products)
    with np.errstate(all="ignore"):  # a structural constant may be moved off its domain
        slopes = numerical_score(value, np.zeros(()), theta, *member._limits())
        bends = numerical_curvature(value, None, np.zeros(()), theta, *member._limits())
    k = len(theta)
    _agree(member, "expected information", parts[0], direct, "quadrature")
    moving = [p.estimable or p.default is not None for p in member.params]
    for got, expected, moves in zip(parts[1 : k + 1], slopes, moving, strict=True):
        if moves:
            _agree(member, "slope of the information", got, expected, "first difference")
    pairs = [a and b for i, a in enumerate(moving) for b in moving[i:]]
    for got, expected, moves in zip(parts[k + 1 :], bends, pairs, strict=True):
        if moves:
            _agree(member, "curvature of the information", got, expected, "second difference")


@_property
def check_sums(member: Model, rng: np.random.Generator) -> None:
    """Sums taken in scratch arrays equal the sums of what the hooks take."""
    if not _scalar(member):
        return
    theta = tuple(np.asarray(t) for t in member.theta)
    shift, scale = member.own_frame(theta)
    y = (np.asarray(member.sample(37, rng=rng), dtype=float)[None, :] - shift) / scale
    at = tuple(np.reshape(t, (1, 1)) for t in member.to_frame(theta, shift, scale))
    for w in (None, rng.uniform(0.5, 2, y.shape)):
        pairs = []
        # Families without statistics may sum what their limits need instead.
        if member.has("_block_sums") and member.has("_statistics"):
            pairs.append((member.block_sums(y, w), member.statistics(y)))
        if member.has("_shared_sums"):
            pairs.append((member._shared_sums(y, w, *at), member.shared(y, at)))
        if member.has("_pole") and member._pole(*at):
            pairs.append((_about_pole(member, y, w, at), member.shared(y, at)))
        for sums, arrays in pairs:
            if sums:
                direct = np.stack([weighted_sum(a, w, y.shape[1]) for a in arrays])
                _agree(member, "sums of a block", np.stack(sums), direct, "rounding")


def _about_pole(member: Model, y: Array, w: Array | None, at: Arrays) -> Arrays:
    """Return the sums of what the hooks share from moments read a little way off."""
    place, width = member._pole(*at)
    known, one, total = Pole(1), np.arange(1), y.size if w is None else w.sum()
    for off, size in ((0.006, 1.008), (0.0, 1.0)):
        m, c = place + off * width, size * width
        sums = pole_sums(y, w, m, c) / total
        means = known.means((m + 1j * c)[:, 0], one, lambda *_, sums=sums: sums)
    return tuple(total * s for s in member._pole_shared(means, *at))


@_property
def check_equivariance(member: Model, rng: np.random.Generator) -> None:
    """A change of units moves the parameters by their roles and the log density by -log scale."""
    roles = member.roles()
    if not roles or member.support.discrete:
        return
    y = np.asarray(member.sample(12, rng=rng), dtype=float)
    scale = float(np.exp(rng.uniform(-1.5, 1.5)))
    shift = float(rng.uniform(-2, 2)) if "location" in roles else 0.0
    moved = member.to_frame(member.theta, shift, scale)
    framed = member.log_density_hook(member.statistics((y - shift) / scale), moved)
    _agree(
        member, "log density in a frame", framed - np.log(scale), member.log_density(y), "rounding"
    )
    back = member.from_frame(moved, shift, scale)
    for p, got, expected in zip(member.params, back, member.theta, strict=True):
        _agree(member, f"{p.name} through a frame and back", got, expected, "rounding")


@_property
def check_rotation(member: Model, rng: np.random.Generator) -> None:
    """On a circle a turn of the observations turns the direction and leaves the density as it is."""
    if not member.turns():
        return
    y = np.asarray(member.sample(12, rng=rng), dtype=float)
    turn = float(rng.uniform(-np.pi, np.pi))
    moved = member.to_frame(member.theta, turn, 1.0)
    framed = member.log_density_hook(member.statistics(y - turn), moved)
    _agree(member, "log density after a turn", framed, member.log_density(y), "rounding")
    turned = dict(zip([p.name for p in member.params], moved, strict=True))
    wrapped = wrap_angle(y - turn)
    density = member.replace(**turned).log_density(wrapped)
    _agree(member, "log density at wrapped angles", density, member.log_density(y), "rounding")
    back = member.from_frame(moved, turn, 1.0)
    for p, got, expected in zip(member.params, back, member.theta, strict=True):
        _agree(member, f"{p.name} through a turn and back", got, expected, "rounding")


@_property
def check_batch(member: Model, rng: np.random.Generator) -> None:
    """An array of members answers as the members one by one."""
    y = member.sample(9, rng=rng)
    slots = {
        p.name: np.stack([np.asarray(v)] * 2)
        for p, v in zip(member.params, member.theta, strict=True)
    }
    pair = member.replace(**slots)
    alone = member.log_density(y)
    _agree(member, "log density of a batch", pair.log_density(y), np.stack([alone] * 2), "rounding")
    drawn = pair.sample(5, rng=rng)
    _require(drawn.shape == (2, 5), member, f"a batch of 2 draws (2, 5), got {drawn.shape}")


@_property
def check_refusal(member: Model, rng: np.random.Generator) -> None:
    """Values outside a parameter's domain are refused."""
    for p in member.params:
        bad: list[Any] = [np.nan, np.inf]
        bad += [e for e in (p.domain.lower - 1, p.domain.upper + 1) if np.isfinite(e)]
        if p.vector:
            bad = [[0.6, 0.6], [-0.5, 1.5]]
        for value in bad:
            try:
                member.replace(**{p.name: value})
            except errors.ParameterError:
                continue
            raise AssertionError(f"{member!r}: {p.name}={value!r} was accepted")
