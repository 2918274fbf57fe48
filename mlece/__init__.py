"""mlece: maximum likelihood is cross-entropy minimisation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlece import families
from mlece.families import *  # noqa: F403
from mlece.fitting import fit
from mlece.result import Fit

__version__ = "0.1.0"
