"""Doing the parts of a study: in this process or several, each kept as soon as it is done."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from mlece import errors
from mlece.math import Array
from mlece.studies.measures import measure
from mlece.studies.plan import Part, Plan

Noted = dict[str, Array]


def carry_out(
    plan: Plan, workers: int, folder: Path | None, progress: bool | None
) -> Iterator[tuple[str, int, list[Noted]]]:
    """Do a study; yield each cell with the notes of its parts, in order, when all are there.

    Parameters
    ----------
    plan : Plan
    workers : int
        Processes; 1 stays in this one.
    folder : Path, optional
        Where parts are kept; those that it holds are not done again.
    progress : bool, optional
        Whether to draw a bar; if there is a terminal when not given.
    """
    parts = {cell: plan.parts(*cell) for cell in plan.cells()}
    everything = [part for cell in parts.values() for part in cell]
    done: dict[Part, Noted] = {}
    kept = {part: _kept(folder, plan.key(part)) for part in everything}
    done.update({part: noted for part, noted in kept.items() if noted is not None})
    missing = [part for part in everything if part not in done]
    waiting = list(parts)
    with _bar(progress, len(everything)) as step:
        step(len(done))
        fresh = _computed(plan, missing, workers, folder) if missing else iter(())
        while waiting:
            cell = waiting[0]
            while not all(part in done for part in parts[cell]):
                part, noted = next(fresh)
                done[part] = noted
                step(1)
            yield (*cell, [done.pop(part) for part in parts[cell]])
            del waiting[0]


def _computed(
    plan: Plan, parts: list[Part], workers: int, folder: Path | None
) -> Iterator[tuple[Part, Noted]]:
    """Yield parts as they are done."""
    if workers == 1:
        for part in parts:
            yield part, _do(plan, part, folder)
        return
    with ProcessPoolExecutor(min(workers, len(parts)), initializer=_end_with_parent) as pool:
        try:
            ahead = iter(parts)
            running: dict[Future[Noted], Part] = {}
            while True:
                # A few in hand for each worker; the rest is not sent before it is wanted.
                for part in ahead:
                    running[pool.submit(_do, plan, part, folder)] = part
                    if len(running) >= 2 * workers:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End a worker whose study was killed: it would wait for work for ever."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _do(plan: Plan, part: Part, folder: Path | None) -> Noted:
    noted = measure(plan, part)
    if folder is not None:
        _keep(folder, plan.key(part), noted)
    return noted


# -------------------------------------------------------------------------------- what is kept


def _kept(folder: Path | None, key: str) -> Noted | None:
    path = None if folder is None else folder / f"{key}.npz"
    if path is None or not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _keep(folder: Path, key: str, noted: Noted) -> None:
    """Write a part under another name first: what has its own name is whole."""
    path = folder / f"{key}.npz"
    draft = folder / f"{key}.{os.getpid()}.draft"
    with draft.open("wb") as file:
        # By a mapping: the names of arrays hold slashes, which keywords may.
        np.savez(file, **noted)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def require_picklable(plan: Plan, workers: int) -> None:
    """Raise if a model cannot be sent to another process."""
    if workers == 1:
        return
    import pickle

    for label, model in {**plan.truths, **plan.models}.items():
        try:
            pickle.dumps(model)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise errors.DataTypeError(
                errors.message(
                    "models that can be sent to other processes",
                    f"{label}, which cannot ({error})",
                    "Define its family at the top level of a module, or use workers=1",
                )
            ) from None


# -------------------------------------------------------------------------------- the bar


def _bar(progress: bool | None, total: int) -> AbstractContextManager[Any]:
    """Return a context that yields a function which moves the bar on."""
    if progress is None:
        progress = sys.stderr.isatty()
    return _Bar(total) if progress else nullcontext(lambda count: None)


class _Bar:
    """A bar on standard error that is drawn when it moves, without a thread of its own."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            TextColumn("study"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=True),
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task("study", total=total)

    def __enter__(self) -> Any:
        self.progress.start()
        return self.move

    def __exit__(self, *details: object) -> None:
        self.progress.stop()

    def move(self, count: int) -> None:
        self.progress.update(self.task, advance=count)
        self.progress.refresh()
