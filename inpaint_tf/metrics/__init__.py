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
from inpaint_tf.metrics.mse import mse
from inpaint_tf.metrics.psnr import psnr
from inpaint_tf.metrics.ssim import ssim
from inpaint_tf.metrics.tv import tv, tv_gap

__all__ = ["METRICS", "Metric", "l1", "mse", "psnr", "ssim", "tv", "tv_gap"]


class Metric(NamedTuple):
    """A metric function together with what its number means."""

    function: Callable[..., npt.NDArray[np.float64]]
    definition: str
    region: Literal["whole", "hole"] = "whole"

    def score(
        self, truth: npt.NDArray[Any], result: npt.NDArray[Any], mask: npt.NDArray[Any]
    ) -> npt.NDArray[np.float64]:
        """Score uint8 images (B, H, W, C) in the metric's own region, shape (B,)."""
        return self.function(truth, result, mask if self.region == "hole" else None)


_SSIM = "SSIM, Gaussian 11x11 sigma 1.5, K1 .01, K2 .03, range 255, channels averaged"
_TV = "mean |dx| + mean |dy| between neighbours, grey levels 0..255"

METRICS: dict[str, Metric] = {
    "mse_whole_255": Metric(mse, "mean squared error, whole picture, grey levels 0..255"),
    "l1_whole_255": Metric(l1, "mean absolute error, whole picture, grey levels 0..255"),
    "psnr_whole_db": Metric(psnr, "PSNR, whole picture, peak 255, decibels"),
    "ssim_whole": Metric(ssim, f"{_SSIM}, all windows inside the picture"),
    "tv_whole_255": Metric(tv, f"{_TV}, whole picture; nearer to the truth's is better"),
    "tv_gap_whole_255": Metric(tv_gap, "tv_whole_255 of the truth less that of the result"),
    "mse_hole_255": Metric(mse, "mean squared error, missing pixels, grey levels 0..255", "hole"),
    "l1_hole_255": Metric(l1, "mean absolute error, missing pixels, grey levels 0..255", "hole"),
    "psnr_hole_db": Metric(psnr, "PSNR, missing pixels, peak 255, decibels", "hole"),
    "ssim_hole": Metric(ssim, f"{_SSIM}, windows centred on a missing pixel", "hole"),
    "tv_hole_255": Metric(tv, f"{_TV}, pairs of missing pixels", "hole"),
}
