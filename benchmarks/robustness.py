"""How often fits of well-specified samples fail, family by family, beside scipy.stats on the same data.

Usage: python benchmarks/robustness.py [--seeds 200] [--sizes 30 300 30000] [--families Gamma ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from timing import milliseconds, once, table

import mlece
from mlece.likelihood.chart import Chart
from mlece.limits import Status
from mlece.model import Model
from mlece.registry import registered
from mlece.solvers.starts import starting_values
from mlece.testing import typical_family

ROUNDING = 1e-12  # of a mean of logarithms of order one
BEATEN = 1e-8  # nats per observation by which a search must find a better point to count
FAR = 0.01  # nats per observation that show in any use of a fit
CELLS = 2_000_000  # numbers in one call
HUGE = 1e300  # Nelder and Mead subtract values: no infinities
UNITS = {"scale 1e-6": (0.0, 1e-6), "scale 1e6": (0.0, 1e6), "offset 1e6": (1e6, 1.0)}
DIGITS = {"scale 1e-6": 1e-11, "scale 1e6": 1e-11, "offset 1e6": 1e-8}  # an offset rounds data


@dataclass
class Tally:
    """What became of the samples of one family and size.

    Parameters
    ----------
    family, n : str, int
        What was fitted, to how many observations.
    samples, singles, searched, twins : int
        Samples fitted in batches, one by one, by searches from scattered starts and by scipy.
    failures : list of str
        Exceptions and warnings, with the seed.
    statuses : dict
        Names of statuses and how many samples came to them.
    above_truth, above_search, apart, moved : list of str
        Seeds whose cross-entropy is above that of the truth or of a search; seeds whose batch and
        single fits differ; changes of units that moved the optimum.
    milliseconds, batch : float
        Median of single fits; share of a batch.
    """

    family: str
    n: int
    samples: int = 0
    singles: int = 0
    searched: int = 0
    twins: int = 0
    failures: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    above_truth: list[str] = field(default_factory=list)
    above_search: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    milliseconds: float = float("nan")
    batch: float = float("nan")
    twin_failures: int = 0
    twin_worse: int = 0
    twin_far: int = 0
    twin_milliseconds: float = float("nan")


def free_family(member: Model) -> Model:
    """Return the family of a member with its known constants, fitted to observations."""
    names = [p.name for p in member.params if not p.estimable or p.default is not None]
    if any(p.vector for p in member.params):
        return type(member)(labels=range(member.slots["p"].size))
    return type(member)(**{name: member.slots[name] for name in names})


def draw(members: list[Model], n: int, seed: int) -> tuple[Model, np.ndarray]:
    """Return a member and a sample; a seed and a size name the same sample everywhere."""
    member = members[seed % len(members)]
    return member, np.asarray(member.sample(n, rng=np.random.default_rng([seed, n])))


def cross_entropy(member: Model, y: np.ndarray) -> float:
    """Return the mean of -log density."""
    return float(-np.mean(member.log_density(y)))


def attempt(tally: Tally, label: str, model: Model, y: np.ndarray) -> Any:
    """Return a fit, or None after noting what was raised; a warning counts as raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return mlece.fit(model, y)
    except Exception as error:  # every failure is counted, none ends the run
        text = (str(error).splitlines() or [""])[0]
        tally.failures.append(f"{label}: {type(error).__name__}: {text}")
        return None


def above(value: float, other: float, by: float) -> bool:
    """Tell whether a value is above another by more than an allowance, or is no number."""
    return not value <= other + by * (1 + abs(other))


def in_batches(tally: Tally, members: list[Model], seeds: int) -> dict[int, tuple[float, str]]:
    """Fit all samples in calls of many; return the cross-entropy and status by seed."""
    out: dict[int, tuple[float, str]] = {}
    rows, seconds = max(1, min(seeds, CELLS // tally.n)), 0.0
    model = free_family(members[0])
    for first in range(0, seeds, rows):
        span = range(first, min(first + rows, seeds))
        drawn = [draw(members, tally.n, seed) for seed in span]
        found: list[Any] = []
        whole = np.stack([y for _, y in drawn])
        label = f"seeds {span.start}-{span.stop - 1}"
        task = partial(attempt, tally, label, model, whole)
        seconds += once(lambda task=task, found=found: found.append(task()))
        if found[0] is None:
            continue
        values = np.ravel(found[0].cross_entropy)
        statuses = np.ravel(np.asarray(found[0].certificate.status, dtype=object))
        for seed, (truth, y), value, status in zip(span, drawn, values, statuses, strict=True):
            out[seed] = (float(value), status.name)
            if above(float(value), cross_entropy(truth, y), ROUNDING):
                tally.above_truth.append(f"{seed} {status.name}")
    tally.samples = len(out)
    tally.statuses = dict(Counter(status for _, status in out.values()).most_common())
    tally.batch = 1e3 * seconds / seeds
    return out


def one_by_one(
    tally: Tally, members: list[Model], seeds: int, known: dict[int, tuple[float, str]]
) -> None:
    """Fit some samples one by one and hold them against the batch."""
    times, model = [], free_family(members[0])
    for seed in range(seeds):
        truth, y = draw(members, tally.n, seed)
        found: list[Any] = []
        task = partial(attempt, tally, f"seed {seed}", model, y)
        times.append(once(lambda task=task, found=found: found.append(task())))
        if found[0] is None:
            continue
        tally.singles += 1
        value, status = float(found[0].cross_entropy), found[0].certificate.status.name
        if above(value, cross_entropy(truth, y), ROUNDING):
            tally.above_truth.append(f"{seed} alone {status}")
        other, said = known.get(seed, (value, status))
        if said != status or not (
            value == other or abs(value - other) <= ROUNDING * (1 + abs(value))
        ):
            tally.apart.append(f"{seed}: batch {said} {other!r}, alone {status} {value!r}")
    tally.milliseconds = 1e3 * float(np.median(times)) if times else float("nan")


def search(fit: Any, rng: np.random.Generator, starts: int) -> float:
    """Return the least cross-entropy that scipy.optimize meets inside the range of the parameters."""
    objective, chart = fit.objective, Chart(fit.objective)
    one = np.arange(1)
    centre = chart.eta(starting_values(objective, one))[0]
    low, high = chart.box()

    def value(eta: np.ndarray) -> float:
        if np.any((eta <= low) | (eta >= high)):
            return HUGE
        with np.errstate(all="ignore"):
            at = float(objective.evaluate(chart.theta(eta[None], one), 0).value[0])
        return at if np.isfinite(at) else HUGE

    best = HUGE
    for k in range(starts):
        out = minimize(
            value,
            centre + 1.5 * (k > 0) * rng.standard_normal(centre.size),
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-12},
        )
        with np.errstate(all="ignore"):
            out = min(out, minimize(value, out.x, method="BFGS"), key=lambda o: float(o.fun))
        best = min(best, float(out.fun))
    return best + float(np.ravel(objective.log_scale)[0])


def scattered(tally: Tally, members: list[Model], seeds: int, starts: int) -> None:
    """Hold the optimum of some samples against searches from scattered starts."""
    model = free_family(members[0])
    if any(p.vector for p in model.params):
        return
    for seed in range(seeds):
        fit = attempt(tally, f"seed {seed}", model, draw(members, tally.n, seed)[1])
        if fit is None or fit.certificate.status is Status.UNBOUNDED:
            continue
        tally.searched += 1
        best, mine = search(fit, np.random.default_rng([seed, 1]), starts), float(fit.cross_entropy)
        if above(mine, best, BEATEN):
            status = fit.certificate.status.name
            tally.above_search.append(f"{seed} {status} by {mine - best:.3g}")


def fit_twin(law: Any, y: np.ndarray, got: list[float]) -> None:
    """Append the cross-entropy that the fit of scipy.stats attains; absent arguments are held fixed."""
    fixed = {f"f{k}": v for k, v in {"loc": 0, "scale": 1}.items() if k not in law.kwds}
    got.append(float(-np.mean(law.dist.logpdf(y, *law.dist.fit(y, **fixed)))))


def beside_scipy(
    tally: Tally, members: list[Model], seeds: int, known: dict[int, tuple[float, str]]
) -> None:
    """Fit some samples by the twin in scipy.stats; what mlece has not is held fixed there too."""
    if not (seeds and members[0].has("_scipy")):
        return
    if not all(p.estimable for p in members[0].params):
        return  # the twin would estimate what mlece is told
    try:
        if not all(hasattr(member.to_scipy().dist, "fit") for member in members):
            return
    except mlece.MleceError:
        return  # scipy has some members of the family only
    times = []
    for seed in range(seeds):
        truth, y = draw(members, tally.n, seed)
        got: list[float] = []
        task = partial(fit_twin, truth.to_scipy(), y, got)
        tally.twins += 1
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                times.append(once(task))
        except Exception:  # a peer that fails is counted
            tally.twin_failures += 1
            continue
        if seed in known:
            tally.twin_worse += above(got[0], known[seed][0], BEATEN)
            tally.twin_far += above(got[0], known[seed][0], FAR)
    tally.twin_milliseconds = 1e3 * float(np.median(times)) if times else float("nan")


def other_units(tally: Tally, members: list[Model], seeds: int) -> None:
    """Fit some samples again after a change of units."""
    model = free_family(members[0])
    roles = model.roles()
    ends = [e for e in (model.support.lower, model.support.upper) if np.isfinite(e) and e]
    ends += [p.name for p in model.params if p.role and not p.estimable]
    if not roles or model.support.discrete or model.support.periodic or ends:
        return
    for seed in range(seeds):
        y = draw(members, tally.n, seed)[1]
        for name, (offset, scale) in UNITS.items():
            if offset and "location" not in roles:
                continue
            there = (offset + y) * scale
            # The offset rounds the sample: the comparison is with what is left of it.
            here = attempt(tally, f"seed {seed}", model, there / scale - offset)
            far = attempt(tally, f"seed {seed}, {name}", model, there)
            if here is None or far is None:
                continue
            a, b = float(here.cross_entropy), float(far.cross_entropy) - np.log(scale)
            same = here.certificate.status is far.certificate.status
            if not (same and (a == b or abs(a - b) <= DIGITS[name] * (1 + abs(a)))):
                said = f"{here.certificate.status.name} {a!r}, {far.certificate.status.name} {b!r}"
                tally.moved.append(f"{seed} {name}: {said}")


def run(families: list[type[Model]], options: argparse.Namespace) -> Iterator[Tally]:
    """Run every family at every size."""
    for family in families:
        members = typical_family(family)
        for n in options.sizes:
            tally = Tally(family.__name__, n)
            known = in_batches(tally, members, options.seeds)
            one_by_one(tally, members, min(options.singles, options.seeds), known)
            if n <= options.largest:
                scattered(tally, members, options.searches, options.starts)
            beside_scipy(tally, members, min(options.scipy, options.seeds), known)
            other_units(tally, members, options.units)
            yield tally


HEAD = ["family", "n", "samples", "raised", "above truth", "above search", "apart", "moved"]
HEAD += ["ms", "ms batch", "statuses", "scipy raised", "worse", "far", "ms scipy"]


def cells(t: Tally) -> list[str]:
    """Return the row of a table."""
    statuses = ", ".join(f"{count} {name}" for name, count in t.statuses.items())
    twin = [
        f"{c}/{t.twins}" if t.twins else "-" for c in (t.twin_failures, t.twin_worse, t.twin_far)
    ]
    return [
        t.family,
        str(t.n),
        str(t.samples),
        str(len(t.failures)),
        str(len(t.above_truth)),
        f"{len(t.above_search)}/{t.searched}" if t.searched else "-",
        f"{len(t.apart)}/{t.singles}",
        str(len(t.moved)),
        milliseconds(t.milliseconds / 1e3),
        milliseconds(t.batch / 1e3),
        statuses,
        *twin,
        milliseconds(t.twin_milliseconds / 1e3) if t.twins else "-",
    ]


def main() -> None:
    """Print the table, then every complaint in words."""
    known = {c.__name__: c for c in registered().values() if c.__module__.startswith("mlece.fam")}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="samples of each family and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 300, 30000])
    parser.add_argument("--families", nargs="+", choices=sorted(known), default=sorted(known))
    parser.add_argument("--singles", type=int, default=9, help="samples also fitted one by one")
    parser.add_argument("--starts", type=int, default=20, help="scattered starts of a search")
    parser.add_argument("--searches", type=int, default=0, help="samples searched from all starts")
    parser.add_argument("--largest", type=int, default=300, help="largest size that is searched")
    parser.add_argument("--scipy", type=int, default=9, help="samples fitted by scipy.stats too")
    parser.add_argument("--units", type=int, default=3, help="samples fitted in other units too")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    tallies = []
    for tally in run([known[name] for name in options.families], options):
        print(f"\r{tally.family} {tally.n}".ljust(40), end="", file=sys.stderr, flush=True)
        tallies.append(tally)
        if options.json:
            options.json.write_text(json.dumps([asdict(t) for t in tallies], indent=1))
    print(file=sys.stderr)
    table([cells(t) for t in tallies], HEAD)
    for t in tallies:
        for kind in ("failures", "above_truth", "above_search", "apart", "moved"):
            for text in getattr(t, kind):
                print(f"{t.family} n={t.n} {kind.replace('_', ' ')}: {text}")


if __name__ == "__main__":
    main()
