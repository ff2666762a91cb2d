"""Compares what an exported model fills with what `Inpainter.fill` gives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.data.samples import open_samples
from inpaint_tf.models.filling import FillGraph
from neuralgym_lite.errors import UserError

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
Results = Mapping[str, NDArray[Any]]
Fill = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]

PROGRAM = Path(__file__).with_name("clean_process.py")


@dataclass(frozen=True)
class Difference:
    """The difference between an exported model and `Inpainter.fill` on all probe photographs.

    Attributes:
        refined: the largest difference of the predictions in the holes, in [-1, 1]; None for a
            network of one size, whose results are resized as grey levels.
        share: of the results' values that differ.
        levels: the largest difference of the results, in grey levels.
    """

    refined: float | None
    share: float
    levels: int

    def within(self, limit: Difference) -> bool:
        """Return whether no difference is larger."""
        close = self.refined is None or limit.refined is None or self.refined <= limit.refined
        return close and self.share <= limit.share and self.levels <= limit.levels

    def __str__(self) -> str:
        """Describe it in a line."""
        holes = "" if self.refined is None else f"{self.refined:.1e} in [-1, 1], in the holes; "
        return f"{holes}{self.share:.4%} of the values differ, by {self.levels} grey levels at most"


def probes() -> list[Pair]:
    """Return batches of photographs `(B, H, W, 3)` with masks `(B, H, W, 1)` of 0 and 1.

    They have several sizes, one of them above 512x512 pixels, and a hole in the middle, none, or
    nothing but a hole.
    """
    photos = open_samples()
    sizes = ((1, 256, 256), (1, 333, 517), (3, 64, 96), (2, 8, 8), (1, 520, 560))
    made = []
    for index, (count, height, width) in enumerate(sizes):
        keys = photos.test[index : index + count]
        side = max(height, width)
        images = np.stack([photos.load(key, side)[:height, :width] for key in keys])
        masks = np.zeros((count, height, width, 1), np.uint8)
        masks[:, height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 1
        made.append((images, masks))
    (image, mask), (three, masks) = made[0], made[2]
    masks[0] = 0
    masks[1, :8] = 1
    return [*made, (image, np.zeros_like(mask)), (three, np.ones_like(masks))]


def compare(
    results: Sequence[Results], pairs: Sequence[Pair], fill: Fill, graph: FillGraph
) -> Difference:
    """Compare the results of an exported model with those of Python.

    Args:
        results: of each pair, photographs as one or several signatures fill them, and `refined`.
        pairs: of `probes`.
        fill: what `Inpainter.fill` does, at the same precision.
        graph: what was exported, for the numbers before they are rounded.

    Raises:
        UserError: if known pixels were changed.
    """
    refined, differences = [], []
    for result, (image, mask) in zip(results, pairs, strict=True):
        expected, predicted = fill(image, mask), graph.predict(image, mask)["refined"]
        known = mask[..., 0] == 0
        for output in (value for name, value in result.items() if name != "refined"):
            if not np.array_equal(output[known], image[known]):
                raise UserError("The export is wrong: it changes known pixels. It was not kept.")
            differences.append(np.abs(output.astype(int) - expected).ravel())
        refined.append(float((np.abs(result["refined"] - np.asarray(predicted)) * mask).max()))
    levels = np.concatenate(differences)
    largest = max(refined) if graph.model.fixed_size is None else None
    return Difference(largest, float((levels > 0).mean()), int(levels.max()))


def fill_in_clean_process(folder: Path, pairs: Sequence[Pair]) -> list[Results]:
    """Fill photographs with a SavedModel, in a process that has neither this project nor Keras.

    Returns:
        For each pair `output`, `decoded` (the files that `bytes` gives), `attention_output` if
        there is attention, and `refined`. They may differ from each other: files are filled one by
        one, and sums in a batch of another size are rounded differently.

    Raises:
        UserError: if it cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as place:
        inputs, outputs = Path(place, "inputs.npz"), Path(place, "outputs.npz")
        arrays: dict[str, Any] = {}
        for i, (image, mask) in enumerate(pairs):
            arrays |= {f"image_{i}": image, f"mask_{i}": mask}
        np.savez(inputs, **arrays)
        paths = "\n".join(map(str, (folder, inputs, outputs)))
        done = subprocess.run(
            [sys.executable, str(PROGRAM)], input=paths, capture_output=True, text=True
        )
        if done.returncode:
            said = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()
            raise UserError(f"The export cannot be used, and was not kept: {said[-1]}")
        with np.load(outputs) as file:
            found: dict[str, NDArray[Any]] = dict(file)
    names = [name.removesuffix("_0") for name in found if name.endswith("_0")]
    return [{name: found[f"{name}_{i}"] for name in names} for i in range(len(pairs))]
