"""Metrics that compare a filled image with the true one.

Every metric is a function `(truth, result, mask=None)` of uint8 images, (H, W, C) or (B, H, W, C),
that returns one float64 for each image. Without a mask it scores the whole image, with a mask only
the missing pixels. The names in `METRICS` include the region and the unit, so that numbers of the
same name can be compared.

Example:
    >>> import numpy as np
    >>> from inpaint_tf import metrics
    >>> truth = np.zeros((8, 8, 3), "uint8")
    >>> float(metrics.mse(truth, truth + np.uint8(2)))
    4.0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from inpaint_tf.metrics.lpips import lpips
from inpaint_tf.metrics.pixel_errors import l1, mse, psnr, tv, tv_gap
from inpaint_tf.metrics.ssim import ssim

__all__ = ["METRICS", "Metric", "l1", "lpips", "mse", "psnr", "ssim", "tv", "tv_gap"]


class Metric(NamedTuple):
    """A metric function and the meaning of its values.

    Attributes:
        function: called with (truth, result, mask).
        definition: what is computed, over which pixels, in which unit.
        title: column heading.
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
        """Return the scores, shape (B,), of uint8 images (B, H, W, C) in the metric's region."""
        return self.function(truth, result, mask if self.region == "hole" else None)


_SSIM = "SSIM, Gaussian 11x11 sigma 1.5, K1 .01, K2 .03, range 255, channels averaged"
_LPIPS = "LPIPS v0.1, AlexNet, RGB in [-1, 1], not resized"
_TV = "mean |dx| + mean |dy| between neighbors, gray levels 0..255"
_SQUARED, _ABSOLUTE = "mean squared error", "mean absolute error"
_WHOLE, _HOLE = "whole image, gray levels 0..255", "missing pixels, gray levels 0..255"

METRICS: dict[str, Metric] = {
    "mse_whole_255": Metric(mse, f"{_SQUARED}, {_WHOLE}", "MSE", "whole", 1),
    "l1_whole_255": Metric(l1, f"{_ABSOLUTE}, {_WHOLE}", "L1", "whole", 2),
    "psnr_whole_db": Metric(
        psnr, "PSNR, whole image, peak 255, decibels", "PSNR", "whole", 2, "high"
    ),
    "ssim_whole": Metric(
        ssim, f"{_SSIM}, all windows inside the image", "SSIM", "whole", 4, "high"
    ),
    "lpips_alex_whole": Metric(lpips, f"{_LPIPS}, whole image", "LPIPS", "whole", 4),
    "tv_whole_255": Metric(
        tv, f"{_TV}, whole image; nearer to the truth's is better", "TV", "whole", 2, "none"
    ),
    "tv_gap_whole_255": Metric(
        tv_gap, "tv_whole_255 of the truth minus that of the result", "TV gap", "whole", 2, "zero"
    ),
    "mse_hole_255": Metric(mse, f"{_SQUARED}, {_HOLE}", "hole MSE", "hole", 1),
    "l1_hole_255": Metric(l1, f"{_ABSOLUTE}, {_HOLE}", "hole L1", "hole", 2),
    "psnr_hole_db": Metric(
        psnr, "PSNR, missing pixels, peak 255, decibels", "hole PSNR", "hole", 2, "high"
    ),
    "ssim_hole": Metric(
        ssim, f"{_SSIM}, windows centered on a missing pixel", "hole SSIM", "hole", 4, "high"
    ),
    "lpips_alex_hole": Metric(
        lpips, f"{_LPIPS}, maps enlarged, missing pixels", "hole LPIPS", "hole", 4
    ),
    "tv_hole_255": Metric(tv, f"{_TV}, pairs of missing pixels", "hole TV", "hole", 2, "none"),
    "tv_gap_hole_255": Metric(
        tv_gap,
        "tv_hole_255 of the truth minus that of the result",
        "hole TV gap",
        "hole",
        2,
        "zero",
    ),
}
