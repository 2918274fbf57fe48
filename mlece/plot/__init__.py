"""Pictures: every function draws on the axes given and returns them with the numbers drawn."""

from __future__ import annotations

from mlece.plot.bars import BarNumbers, comparison_bars, ledger_bars
from mlece.plot.panels import PanelNumbers, fit_panels
from mlece.plot.survival import SurvivalNumbers, survival_curve

__all__ = [
    "BarNumbers",
    "PanelNumbers",
    "SurvivalNumbers",
    "comparison_bars",
    "fit_panels",
    "ledger_bars",
    "survival_curve",
]
