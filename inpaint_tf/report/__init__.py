"""Evaluation: scores, statistics, tables, HTML pages and figures."""

from __future__ import annotations

from inpaint_tf.flow_colors import color_wheel, flow_to_rgb
from inpaint_tf.report.evaluation import evaluate
from inpaint_tf.report.grid import image_grid
from inpaint_tf.report.result import Evaluation, Example
from inpaint_tf.report.statistics import Comparison, Summary
from inpaint_tf.report.table import render_table

__all__ = [
    "Comparison",
    "Evaluation",
    "Example",
    "Summary",
    "color_wheel",
    "evaluate",
    "flow_to_rgb",
    "image_grid",
    "render_table",
]
