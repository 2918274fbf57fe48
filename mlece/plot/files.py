"""Pictures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlece import errors

KINDS = (".png", ".pdf", ".svg", ".jpg")


def check_picture(path: str | None) -> None:
    """Refuse a figure that could not be written before any work is done.

    Raises
    ------
    DataError
        For another kind of file, or a folder that does not exist.
    """
    if path is None:
        return
    if Path(path).suffix.lower() not in KINDS:
        raise errors.DataError(
            errors.message(f"a figure file ending in {', '.join(KINDS)}", repr(path))
        )
    if not Path(path).resolve().parent.is_dir():
        raise errors.DataError(errors.message("a figure file in a folder that exists", repr(path)))


def write_picture(path: str | Path, result: Any, **options: Any) -> None:
    """Write the figure that a result's ``plot(**options)`` draws."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    axes, _ = result.plot(**options)
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    figure.savefig(path, dpi=150)
    plt.close(figure)
