"""Pictures: every function draws on the axes given and returns them with the numbers drawn."""

from __future__ import annotations

from mlece.plot.bars import BarNumbers, comparison_bars, ledger_bars
from mlece.plot.calibration import calibration_plot
from mlece.plot.curves import CurveNumbers, confidence_curve
from mlece.plot.entropies import EntropyNumbers, entropy_dots
from mlece.plot.panels import PanelNumbers, fit_panels
from mlece.plot.projections import ProjectionNumbers, projections
from mlece.plot.regressions import (
    RegressionNumbers,
    ResponseNumbers,
    regression_panels,
    response_curve,
)
from mlece.plot.study import StudyNumbers, study_panels
from mlece.plot.survival import SurvivalNumbers, survival_curve
from mlece.plot.worms import worm_plot

__all__ = [
    "BarNumbers",
    "CurveNumbers",
    "EntropyNumbers",
    "PanelNumbers",
    "ProjectionNumbers",
    "RegressionNumbers",
    "ResponseNumbers",
    "StudyNumbers",
    "SurvivalNumbers",
    "calibration_plot",
    "comparison_bars",
    "confidence_curve",
    "entropy_dots",
    "fit_panels",
    "ledger_bars",
    "projections",
    "regression_panels",
    "response_curve",
    "study_panels",
    "survival_curve",
    "worm_plot",
]
