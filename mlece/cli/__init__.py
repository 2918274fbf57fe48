"""The command ``mlece``: fit, compare, entropy, study, families, demo."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from mlece import errors
from mlece.cli.arguments import parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments behind the command's name; those of the process if not given.

    Returns
    -------
    int
        0, or 2 for bad input, after one line on standard error.

    Examples
    --------
    >>> from mlece.cli import main
    >>> main(["families"])  # doctest: +ELLIPSIS
     family ...
    0
    """
    # A terminal that cannot show a sign gets a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = parser().parse_args(argv)
        print(options.run(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has left: nothing more to say, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (errors.MleceError, OSError) as error:
        print("mlece:", *str(error).split(), file=sys.stderr)
        return 2
    return 0
