"""Scores of a filled photograph against the true one, one float64 for each image.

Every metric is a function `(truth, result, mask=None)` of uint8 pictures, (H, W, C) or
(B, H, W, C). Without a mask it scores the whole picture, with one only the missing pixels. The
names in `METRICS` say region and unit, so that two numbers of one name can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics.l1 import l1
from inpaint_tf.metrics.lpips import lpips
from inpaint_tf.metrics.mse import mse
from inpaint_tf.metrics.psnr import psnr
from inpaint_tf.metrics.ssim import ssim
from inpaint_tf.metrics.tv import tv, tv_gap

__all__ = ["METRICS", "Metric", "l1", "lpips", "mse", "psnr", "ssim", "tv", "tv_gap"]


class Metric(NamedTuple):
    """A metric function together with what its number means.

    Attributes:
        function: takes (truth, result, mask).
        definition: what is computed, over which pixels, in which unit.
        title: heading of its column.
        region: the pixels that count.
        digits: decimals that are shown.
        best: which value is best: the lowest, the highest, the one nearest to zero, or none.

    Example:
        >>> metric = inpaint_tf.metrics.METRICS["psnr_hole_db"]
        >>> metric.title, metric.region, metric.best
        ('hole PSNR', 'hole', 'high')
    """

    function: Callable[..., npt.NDArray[np.float64]]
    definition: str
    title: str
    region: Literal["whole", "hole"] = "whole"
    digits: int = 4
    best: Literal["low", "high", "zero", "none"] = "low"

    def score(
        self, truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any]
    ) -> npt.NDArray[np.float64]:
        """Score uint8 images (B, H, W, C) in the metric's own region, shape (B,)."""
        return self.function(truth, result, mask if self.region == "hole" else None)


_SSIM = "SSIM, Gaussian 11x11 sigma 1.5, K1 .01, K2 .03, range 255, channels averaged"
_LPIPS = "LPIPS v0.1, AlexNet, RGB in [-1, 1], not resized"
_TV = "mean |dx| + mean |dy| between neighbours, grey levels 0..255"
_SQUARED, _ABSOLUTE = "mean squared error", "mean absolute error"
_WHOLE, _HOLE = "whole picture, grey levels 0..255", "missing pixels, grey levels 0..255"

METRICS: dict[str, Metric] = {
    "mse_whole_255": Metric(mse, f"{_SQUARED}, {_WHOLE}", "MSE", "whole", 1),
    "l1_whole_255": Metric(l1, f"{_ABSOLUTE}, {_WHOLE}", "L1", "whole", 2),
    "psnr_whole_db": Metric(
        psnr, "PSNR, whole picture, peak 255, decibels", "PSNR", "whole", 2, "high"
    ),
    "ssim_whole": Metric(
        ssim, f"{_SSIM}, all windows inside the picture", "SSIM", "whole", 4, "high"
    ),
    "lpips_alex_whole": Metric(lpips, f"{_LPIPS}, whole picture", "LPIPS", "whole", 4),
    "tv_whole_255": Metric(
        tv, f"{_TV}, whole picture; nearer to the truth's is better", "TV", "whole", 2, "none"
    ),
    "tv_gap_whole_255": Metric(
        tv_gap, "tv_whole_255 of the truth less that of the result", "TV gap", "whole", 2, "zero"
    ),
    "mse_hole_255": Metric(mse, f"{_SQUARED}, {_HOLE}", "hole MSE", "hole", 1),
    "l1_hole_255": Metric(l1, f"{_ABSOLUTE}, {_HOLE}", "hole L1", "hole", 2),
    "psnr_hole_db": Metric(
        psnr, "PSNR, missing pixels, peak 255, decibels", "hole PSNR", "hole", 2, "high"
    ),
    "ssim_hole": Metric(
        ssim, f"{_SSIM}, windows centred on a missing pixel", "hole SSIM", "hole", 4, "high"
    ),
    "lpips_alex_hole": Metric(
        lpips, f"{_LPIPS}, maps enlarged, missing pixels", "hole LPIPS", "hole", 4
    ),
    "tv_hole_255": Metric(tv, f"{_TV}, pairs of missing pixels", "hole TV", "hole", 2, "none"),
    "tv_gap_hole_255": Metric(
        tv_gap, "tv_hole_255 of the truth less that of the result", "hole TV gap", "hole", 2, "zero"
    ),
}
