"""What an export costs in scores: the file and its network fill the same holes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.data.samples import open_samples
from inpaint_tf.data.split import draw
from inpaint_tf.exporters.check import Fill
from inpaint_tf.masks import EvaluationMasks
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.evaluation import RANKED_BY, evaluate
from neuralgym_lite.errors import UserError

UInt8 = NDArray[np.uint8]

PHOTOGRAPHS = 4
SIZE = 256  # pixels
NETWORK, FILE = "network", "file"
SCORES = {
    "MSE": "mse_whole_255",
    "L1": "l1_whole_255",
    "PSNR": "psnr_whole_db",
    "LPIPS": "lpips_alex_whole",
}
# Means of the scores may be this much worse, as a share. Twice or more of what was measured.
MOST_WORSE = {"float32": 1e-3, "bfloat16": 0.03, "float16": 5e-3, "int8": 0.05}
_CHECKED = ("MSE", "L1")
_NOTHING = 0.01  # in grey levels, and their squares


@dataclass(frozen=True)
class Price:
    """Mean scores of a network and of the file that was exported from it.

    Attributes:
        scores: `"MSE"`, `"L1"`, `"PSNR"` and `"LPIPS"` of the network and of the file; None where
            one cannot be computed.
        size: bytes of what was exported.
        photographs: number of test photographs of data set `samples`.
    """

    scores: Mapping[str, tuple[float | None, float | None]]
    size: int
    photographs: int = PHOTOGRAPHS

    def check(self, precision: str) -> None:
        """Refuse a file that fills worse than its network.

        Raises:
            UserError: if MSE or L1 is larger than the precision explains.
        """
        most = MOST_WORSE[precision]
        for title in _CHECKED:
            ours, theirs = self.scores[title]
            if ours is None or theirs is None or theirs <= ours * (1 + most) + _NOTHING:
                continue
            raise UserError(
                f"The export fills worse than the network: {title} is {theirs:.5g}, and the "
                f"network's is {ours:.5g}; {most:.1%} more is right for {precision}. No version "
                "was left behind. Choose another `precision`."
            )

    def lines(self) -> list[str]:
        """Return a Markdown table."""
        return [
            f"{self.photographs} test photographs of `samples`, {SIZE}x{SIZE} pixels, with a "
            f"square hole of half the side in the middle. {self.size / 1e6:.2f} MB.",
            "",
            f"| | {' | '.join(self.scores)} |",
            f"|---|{'--:|' * len(self.scores)}",
            *(self._row(name, i) for i, name in enumerate(("network", "exported"))),
            f"| difference | {' | '.join(_gap(*pair) for pair in self.scores.values())} |",
        ]

    def _row(self, name: str, which: int) -> str:
        cells = (_number(pair[which]) for pair in self.scores.values())
        return f"| {name} | {' | '.join(cells)} |"


def measure(
    network: Fill,
    exported: Fill,
    size: int,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Price:
    """Score a network and the file that was exported from it, as `inpaint-tf evaluate` does.

    Args:
        network: fills with the network in float32, with the steps that are in the file.
        exported: fills with the file.
        size: bytes of the file.
        on_progress: called with (results finished, results in all, name of the method).
    """
    photos = open_samples()
    keys = draw(photos.test, PHOTOGRAPHS)
    found = evaluate(
        [_Remembered(NETWORK, network), _Remembered(FILE, exported)],
        photos,
        EvaluationMasks("center", len(keys), SIZE),
        batch_size=1,
        keys=keys,
        metrics={name: METRICS[name] for name in (*SCORES.values(), RANKED_BY)},
        on_progress=on_progress,
    )
    scores = {
        title: (found.mean(NETWORK, name), found.mean(FILE, name))
        for title, name in SCORES.items()
        if name not in found.unmeasured
    }
    return Price(scores, size, len(keys))


class _Remembered:
    """A method that fills each photograph once: an evaluation shows some again."""

    def __init__(self, name: str, fill: Fill) -> None:
        self.name = name
        self._fill = fill
        self._filled: dict[bytes, Any] = {}

    def fill(self, image: UInt8, mask: UInt8, /) -> UInt8:
        key = image.tobytes()
        if key not in self._filled:
            self._filled[key] = self._fill(image, mask)
        filled: UInt8 = self._filled[key]
        return filled


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"


def _gap(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "none"
    return f"{0.0 if ours == theirs else theirs - ours:+.2g}"
