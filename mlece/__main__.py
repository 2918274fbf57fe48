"""``python -m mlece`` is the command ``mlece``."""

from __future__ import annotations

import sys

from mlece.cli import main

if __name__ == "__main__":
    sys.exit(main())
