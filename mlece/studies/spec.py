"""Studies written down: a TOML file with what :func:`mlece.study` takes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mlece import errors

# Key of the file -> argument.
KEYS = {
    "truth": "truth",
    "models": "models",
    "sizes": "sizes",
    "replicates": "replicates",
    "seed": "rng",
    "intervals": "intervals",
    "tests": "tests",
    "level": "level",
}
REQUIRED = ("truth", "models", "sizes")


def read_spec(path: str) -> dict[str, Any]:
    """Return the arguments of a study that a file describes.

    Parameters
    ----------
    path : str
        A TOML file with the keys ``truth``, ``models`` and ``sizes``, and any of ``replicates``, ``seed``,
        ``intervals``, ``tests`` and ``level``. A law is text, ``"gamma(shape=2, rate=1)"``, or a table,
        ``{family = "gamma", shape = 2, rate = 1}``; several are a list, or a table of labels and laws.

    Raises
    ------
    DataError
        If there is no such file, it is not TOML, or a key is missing.
    UnknownNameError
        For other keys.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise errors.DataError(errors.message("a file", f"no such file: {path}")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise errors.DataError(errors.message(f"a TOML file in {path}", str(error))) from None
    for key in found:
        if key not in KEYS:
            raise errors.unknown_name("key of a study", key, KEYS)
    missing = [key for key in REQUIRED if key not in found]
    if missing:
        raise errors.DataError(
            errors.message(f"the keys {', '.join(REQUIRED)} in {path}", f"no {', '.join(missing)}")
        )
    return {KEYS[key]: value for key, value in found.items()}
