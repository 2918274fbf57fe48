"""Timing on a noisy machine: contestants take turns, and the minimum of several turns counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# Short tasks are called several times in a turn, long ones once.
_TURN = 0.01
_CALLS = 5


def once(task: Callable[[], Any]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def alternate(
    tasks: dict[str, Callable[[], Any]], turns: int = 7, budget: float = 4.0, warm: bool = True
) -> dict[str, float]:
    """Return the least seconds of each task.

    Every contestant's turn is the same: one untimed call, which brings its own code and the data back
    into the caches that the contestant before took, then timed calls until they have lasted
    ``_TURN`` seconds, at least one and at most ``_CALLS``.

    Parameters
    ----------
    tasks : dict of str to callable
        The contestants, one after the other in every turn.
    turns : int
        Turns for each of them.
    budget : float
        Seconds after which a task that has had one turn gets no other.
    warm : bool
        Whether a turn begins with the untimed call; what runs in a process of its own needs none.
    """
    best = dict.fromkeys(tasks, float("inf"))
    spent = dict.fromkeys(tasks, 0.0)
    for turn in range(turns):
        for name, task in tasks.items():
            if turn >= 1 and spent[name] * (turn + 1) / turn > budget:
                continue
            untimed = once(task) if warm else 0.0
            timed: list[float] = []
            while not timed or (sum(timed) < _TURN and len(timed) < _CALLS):
                timed.append(once(task))
            spent[name] += untimed + sum(timed)
            best[name] = min(best[name], *timed)
    return best


def table(rows: list[list[str]], head: list[str]) -> None:
    """Print rows under a heading, first column left-aligned."""
    widths = [max(len(line[j]) for line in [head, *rows]) for j in range(len(head))]
    for line in [head, ["-" * w for w in widths], *rows]:
        cells = [
            text.ljust(w) if j == 0 else text.rjust(w)
            for j, (text, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(flush=True)


def milliseconds(seconds: float) -> str:
    """Return a time with three significant digits."""
    ms = 1e3 * seconds
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"


def verdict(reached: bool) -> str:
    """Return the word for the last column."""
    return "yes" if reached else "NO"
