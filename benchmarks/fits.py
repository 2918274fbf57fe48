"""How fast mlece fits, against the other Python tools that fit the same families.

Usage: python benchmarks/fits.py [section ...]

Sections: large, small, bootstrap, batch, labels, imports, memory (all of them by default).
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from cases import CASES, Case
from peers import Fitter
from timing import alternate, milliseconds, once, table, verdict

import mlece

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
SEED = 20240607
AGREE = 0.01


def log_likelihood(model: mlece.Model, x: np.ndarray) -> float:
    """Return the sum of log densities, in blocks."""
    return float(sum(model.log_density(x[i : i + 65536]).sum() for i in range(0, len(x), 65536)))


@dataclass(frozen=True)
class Rival:
    """A peer that ran: its function, its first time and the nats by which it misses the optimum."""

    fit: Fitter
    first: float
    short: float


def rivals(case: Case, x: np.ndarray, best: float, patience: float) -> dict[str, Rival]:
    """Run every peer once; those that are missing, fail or would take too long get a line."""
    out = {}
    for peer in case.others:
        found: list[dict[str, Any]] = []
        try:
            fit = peer.load()
            fit(x[: len(x) // 50])
            expected = 50 * once(partial(fit, x[: len(x) // 50]))
            if expected > patience:
                print(f"  {case.name}: {peer.name} left out, it would take {expected:.0f} s")
                continue
            first = once(lambda fit=fit, found=found: found.append(fit(x)))
            short = best - log_likelihood(case.model.replace(**found[0]), x)
        except ImportError as error:
            print(f"  {case.name}: {peer.name} skipped, {error}")
        except Exception as error:  # a peer that fails is reported, never fatal
            text = str(error).splitlines()[:1]
            print(f"  {case.name}: {peer.name} failed, {type(error).__name__} {text}")
        else:
            out[peer.name] = Rival(fit, first, short)
    return out


def proved(model: mlece.Model, x: np.ndarray) -> Any:
    """Fit a model and ask for the certificate, which closed forms work out when they are asked."""
    return mlece.fit(model, x).certificate


def race(case: Case, x: np.ndarray, turns: int, budget: float) -> dict[str, Any]:
    """Time mlece, without and with its certificate, one sum and every peer on the same data, in turns."""
    fitted = mlece.fit(case.model, x)
    best = log_likelihood(fitted.model, x)
    known = rivals(case, x, best, patience=4 * budget)
    tasks: dict[str, Callable[[], Any]] = {
        "mlece": partial(mlece.fit, case.model, x),
        "proved": partial(proved, case.model, x),
        "sum": x.sum,
    }
    tasks |= {name: partial(r.fit, x) for name, r in known.items() if r.first < budget}
    seconds = alternate(tasks, turns, budget)
    for name, rival in known.items():
        seconds[name] = min(rival.first, seconds.get(name, np.inf))
    honest = {name: seconds[name] for name, rival in known.items() if rival.short <= AGREE}
    return {
        "seconds": seconds,
        "short": {name: rival.short for name, rival in known.items()},
        "fastest": min(honest, key=honest.__getitem__) if honest else None,
        "ahead": max((-rival.short for rival in known.values()), default=0.0),
    }


def peer_text(result: dict[str, Any]) -> str:
    """Return the peers' times; a star marks one that stays below the optimum."""
    return ", ".join(
        f"{name} {milliseconds(result['seconds'][name])}{'*' if gap > AGREE else ''}"
        for name, gap in result["short"].items()
    )


def optimum(result: dict[str, Any]) -> str:
    """Say whether no peer found a higher likelihood; a dash where no peer ran."""
    if not result["short"]:
        return "-"
    ahead = result["ahead"]
    return "yes" if ahead <= AGREE else f"NO, {ahead:.2g} nats below"


def large(n: int = 1_000_000) -> None:
    """Print one fit of every family to a million observations."""
    print(f"One fit, n = {n:,}, one thread, milliseconds; mlece's checks of the input included.")
    print("proved: with the certificate, which closed forms work out when it is asked for")
    print(f"* stays more than {AGREE} nats below the optimum and does not count\n")
    rng, rows = np.random.default_rng(SEED), []
    for case in CASES:
        x = case.draw(rng, n)
        got = race(case, x, 15, 1.5)
        mine, floor = got["seconds"]["mlece"], got["seconds"]["sum"]
        ratio = got["seconds"][got["fastest"]] / mine if got["fastest"] else None
        met = ratio is None or case.aim is None or ratio >= case.aim
        aim = "" if case.aim is None else f"{case.aim:g} x"
        if case.name == "Gaussian":
            aim, met = f"{aim}, 4 sums", met and mine <= 4 * floor
        rows.append(
            [
                case.name,
                milliseconds(mine),
                milliseconds(got["seconds"]["proved"]),
                milliseconds(floor),
                f"{mine / floor:.1f}",
                got["fastest"] or "-",
                "-" if ratio is None else f"{ratio:.2f}",
                aim,
                verdict(met) if aim and got["fastest"] else "",
                optimum(got),
                peer_text(got),
            ]
        )
    head = ["family", "mlece", "proved", "x.sum()", "sums", "fastest peer", "ratio", "aim", "met"]
    table(rows, [*head, "optimum", "peers (ms)"])


def small(n: int = 1_000) -> None:
    """Print one fit of every family to a thousand observations."""
    print(f"One fit, n = {n:,}, milliseconds; certificate included.")
    print("aim: the time, and faster than iminuit, statsmodels and preliz\n")
    rng, rows = np.random.default_rng(SEED), []
    for case in CASES:
        got = race(case, case.draw(rng, n), 60, 1.0)
        mine = got["seconds"]["proved"]
        judges = [
            got["seconds"][name]
            for name, gap in got["short"].items()
            if name in ("iminuit", "statsmodels", "preliz") and gap <= AGREE
        ]
        rows.append(
            [
                case.name,
                milliseconds(mine),
                f"{case.limit_ms:g}",
                verdict(1e3 * mine <= case.limit_ms),
                verdict(mine <= min(judges)) if judges else "-",
                optimum(got),
                peer_text(got),
            ]
        )
    head = ["family", "mlece", "aim (ms)", "met", "faster than peers"]
    table(rows, [*head, "optimum", "peers (ms)"])


def bootstrap(n: int = 500, replicates: int = 999) -> None:
    """Print the time of a bootstrap of a Gamma by weights."""
    rng = np.random.default_rng(SEED)
    x = rng.gamma(2, 3, n)
    weights = rng.multinomial(n, np.full(n, 1 / n), replicates)

    def together() -> Any:
        return mlece.fit(mlece.Gamma(), x, weights=weights).certificate

    seconds = alternate({"mlece": together})["mlece"]
    print(f"Gamma, n = {n}, {replicates} weighted bootstrap refits, milliseconds\n")
    table(
        [[f"mlece.fit(Gamma(), x, weights=W{weights.shape})", milliseconds(seconds), "100",
          verdict(seconds < 0.1)]],
        ["call", "mlece", "aim", "met"],
    )  # fmt: skip


def batch(replicates: int = 1_000, n: int = 1_000, timed: int = 20) -> None:
    """Print the time of many Weibull fits at once against a loop of scipy's."""
    from scipy import stats

    rng = np.random.default_rng(SEED)
    y = 1.5 * rng.weibull(1.7, (replicates, n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [stats.weibull_min.fit(row, floc=0) for row in y[:timed]]
        best = alternate(
            {
                "mlece": partial(mlece.fit, mlece.Weibull(), y),
                "scipy": lambda: [stats.weibull_min.fit(row, floc=0) for row in y[:timed]],
            },
            turns=5,
        )
    mine, theirs = best["mlece"], best["scipy"] * replicates / timed
    fitted = mlece.fit(mlece.Weibull(), y)
    shape, scale = fitted.params["shape"], fitted.params["scale"]
    gaps = [
        log_likelihood(mlece.Weibull(shape[i], scale[i]), y[i])
        - log_likelihood(mlece.Weibull(c, s), y[i])
        for i, (c, _, s) in enumerate(found)
    ]
    print(f"Weibull, {replicates:,} replicates of n = {n:,}, milliseconds")
    print(f"scipy is timed on {timed} of them and scaled up by {replicates / timed:g}\n")
    table(
        [["Weibull", milliseconds(mine), milliseconds(theirs), f"{theirs / mine:.0f}", "50 x",
          verdict(theirs >= 50 * mine), verdict(min(gaps) >= -AGREE)]],
        ["family", "mlece, one batch", "scipy, loop", "ratio", "aim", "met", "optimum"],
    )  # fmt: skip


def labels(n: int = 1_000_000, cells: int = 10) -> None:
    """Print Categorical on integers against pomegranate and on strings against pandas."""
    rng = np.random.default_rng(SEED)
    codes = rng.integers(0, cells, n)
    words = np.array([f"label {k}" for k in range(cells)])[codes]
    objects = words.astype(object)
    model = mlece.Categorical()
    rows = []
    case = next(c for c in CASES if c.name == "Categorical")
    got = race(case, codes, 15, 1.5)
    mine = got["seconds"]["mlece"]
    peer = got["seconds"].get("pomegranate")
    rows.append(_label_row("integers", mine, "pomegranate", peer, 4.0))
    try:
        import pandas
    except ImportError as error:
        print(f"  pandas skipped, {error}")
        pandas = None
    kinds: dict[str, Any] = {"str array": words, "object array": objects}
    if pandas is not None:
        kinds["pandas Series of str"] = pandas.Series(objects)
    for name, data in kinds.items():
        tasks = {"mlece": partial(mlece.fit, model, data)}
        if pandas is not None:
            tasks["pandas"] = partial(pandas.factorize, data)
        best = alternate(tasks, 7, 3.0)
        rows.append(_label_row(name, best["mlece"], "pandas.factorize", best.get("pandas"), 1.0))
    print(f"Categorical, K = {cells}, n = {n:,}, milliseconds\n")
    table(rows, ["labels", "mlece", "peer", "peer (ms)", "ratio", "aim", "met"])


def _label_row(kind: str, mine: float, peer: str, theirs: float | None, aim: float) -> list[str]:
    if theirs is None:
        return [kind, milliseconds(mine), peer, "-", "-", f"{aim:g} x", ""]
    # "At the speed of" leaves a tenth for noise.
    met = theirs / mine >= (0.9 if aim == 1 else aim)
    ratio = f"{theirs / mine:.2f}"
    return [kind, milliseconds(mine), peer, milliseconds(theirs), ratio, f"{aim:g} x", verdict(met)]


BASE = "import numpy, scipy.special, scipy.optimize"
HEAVY = ("scipy.stats", "pandas", "matplotlib", "formulaic", "rich", "polars")


def imports(turns: int = 9) -> None:
    """Print the time of ``import mlece`` against that of what it stands on."""

    def run(code: str) -> Callable[[], Any]:
        return partial(subprocess.run, [sys.executable, "-c", code], check=True)

    best = alternate(
        {"python": run("pass"), "base": run(BASE), "mlece": run("import mlece")},
        turns,
        30.0,
        warm=False,
    )
    probe = f"import sys, mlece; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    ).stdout.split()
    ratio = best["mlece"] / best["base"]
    print("import in a fresh interpreter, milliseconds, the start of Python included\n")
    table(
        [["import mlece", milliseconds(best["mlece"]), milliseconds(best["base"]),
          milliseconds(best["python"]), f"{ratio:.2f}", "at most 1.3",
          verdict(ratio <= 1.3 and not loaded), ", ".join(loaded) or "none"]],
        ["", "mlece", "numpy + special + optimize", "bare python", "ratio", "aim", "met",
         "heavy modules loaded"],
    )  # fmt: skip


PROBE = """
import sys, tracemalloc
sys.path.insert(0, {here!r})
from cases import CASES
import numpy as np, mlece
case = next(c for c in CASES if c.name == {name!r})
x = case.draw(np.random.default_rng({seed}), {n})
mlece.fit(case.model, x[:200_000])
tracemalloc.start()
fitted = mlece.fit(case.model, x)
print(tracemalloc.get_traced_memory()[1] / x.nbytes, x.nbytes / 2**20)
"""


def memory(n: int = 10_000_000) -> None:
    """Print what a fit allocates at its peak, as a share of the data."""
    here, rows = os.path.dirname(os.path.abspath(__file__)), []
    for name in ("Gaussian", "Gamma", "Weibull", "StudentT", "Laplace", "Poisson"):
        code = PROBE.format(here=here, name=name, seed=SEED, n=n)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            rows.append([name, "-", "-", "5 %", done.stderr.strip().splitlines()[-1][:60]])
            continue
        share, size = map(float, done.stdout.split())
        rows.append([name, f"{size:.0f}", f"{100 * share:.2f} %", "5 %", verdict(share < 0.05)])
    print(f"Peak memory of a fit beyond the data (tracemalloc), n = {n:,}\n")
    table(rows, ["family", "data (MiB)", "peak", "aim", "met"])


SECTIONS = {
    "large": large,
    "small": small,
    "bootstrap": bootstrap,
    "batch": batch,
    "labels": labels,
    "imports": imports,
    "memory": memory,
}


def main(names: list[str]) -> int:
    """Run the sections asked for."""
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"unknown section {unknown[0]!r}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    found = []
    for package in ("numpy", "scipy", "preliz", "pomegranate", "iminuit", "statsmodels", "pandas"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    print(f"Python {sys.version.split()[0]}; {', '.join(found)}\n")
    for name in names or SECTIONS:
        SECTIONS[name]()
    return 0


if __name__ == "__main__":
    if THREADS.items() - os.environ.items():
        # Libraries read these once, when they are imported: start again with one thread.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **THREADS})
    sys.exit(main(sys.argv[1:]))
