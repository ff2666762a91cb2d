"""Score several ways of filling on the same photographs with the same masks."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from inpaint_tf.data import PhotoSet
from inpaint_tf.data.split import canonical
from inpaint_tf.masks import MaskMode
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.grid import image_grid
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError, Picture, atomic_write, to_uint8, write_picture

Images = npt.NDArray[np.uint8]

_EXAMPLES = 6
_SMALLEST_CELL = 128


class Filler(Protocol):
    """Whatever fills holes and has a name; every `Inpainter` does."""

    @property
    def name(self) -> str:
        """Return the name that its scores stand under."""

    def fill(self, image: Images, mask: Images, /) -> Images:
        """Return uint8 images (B, H, W, 3), equal to `image` where `mask` is 0."""


class Summary(NamedTuple):
    """One metric over all images; `mean` and `std` leave infinite scores out and count them."""

    mean: float | None
    std: float | None
    n: int
    infinite: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        scores: method -> metric -> float64 (n,), one score for each photograph in `photographs`.
        photographs: keys of the photographs that were scored.
        failed: key -> why it could not be read.
        examples: for some photographs, column -> uint8 picture: what the networks saw, each
            result, the truth.
        dataset: name of the data set.
        fingerprint: SHA-256 of the data set.
        masks_sha256: SHA-256 of the masks.
        image_size: side of the scored pictures in pixels.
        settings: whatever else the caller wants on record.
    """

    scores: dict[str, dict[str, npt.NDArray[np.float64]]]
    photographs: tuple[str, ...]
    failed: dict[str, str]
    examples: tuple[dict[str, Images], ...]
    dataset: str
    fingerprint: str
    masks_sha256: str
    image_size: int
    settings: dict[str, Any] = field(default_factory=dict)

    def summary(self, method: str, metric: str) -> Summary:
        """Return mean and (population) standard deviation of a metric over the photographs."""
        scores = self.scores[method][metric]
        finite = scores[np.isfinite(scores)]
        mean = float(finite.mean()) if finite.size else None
        std = float(finite.std()) if finite.size else None
        return Summary(mean, std, scores.size, scores.size - finite.size)

    def to_json(self) -> dict[str, Any]:
        """Return everything but single scores and pictures, as `metrics.json` holds it."""
        return {
            "dataset": {
                "name": self.dataset,
                "fingerprint": self.fingerprint,
                "photographs": len(self.photographs),
                "image_size": self.image_size,
            },
            "masks": {"sha256": self.masks_sha256},
            "settings": self.settings,
            "definitions": {name: metric.definition for name, metric in METRICS.items()},
            "methods": {
                method: {metric: self.summary(method, metric)._asdict() for metric in metrics}
                for method, metrics in self.scores.items()
            },
            "failed": self.failed,
        }

    def write(self, folder: Path) -> None:
        """Write `metrics.json`, `per_image.csv` and `grid.png`, each replaced as a whole.

        Args:
            folder: made where it is missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self.examples:
            write_picture(folder / "grid.png", Picture(self._grid()))
        atomic_write(folder / "per_image.csv", self._csv())
        text = json.dumps(self.to_json(), indent=2, allow_nan=False)
        atomic_write(folder / "metrics.json", f"{text}\n".encode())

    def _csv(self) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["photograph", "method", *METRICS])
        for index, key in enumerate(self.photographs):
            for method, metrics in self.scores.items():
                writer.writerow([key, method, *(repr(float(metrics[m][index])) for m in METRICS)])
        return text.getvalue().encode("utf-8", "surrogateescape")

    def _grid(self) -> Images:
        # Small pictures are shown larger, or nobody could judge them.
        zoom = -(-_SMALLEST_CELL // self.image_size)
        rows = [
            [picture.repeat(zoom, axis=0).repeat(zoom, axis=1) for picture in example.values()]
            for example in self.examples
        ]
        return image_grid(rows, list(self.examples[0]))


def evaluate(
    inpainters: Sequence[Filler],
    photos: PhotoSet,
    masks: Images,
    batch_size: int,
    *,
    keys: Sequence[str] | None = None,
    settings: dict[str, Any] | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Fill the same holes of the same photographs with every inpainter, and score the results.

    What the networks saw is scored as well, as if it were a result: the row "input (mosaic)" is
    what a mosaic model has to beat. The photographs are read one batch at a time.

    Args:
        inpainters: names that occur twice get a number.
        photos: where the photographs come from.
        masks: uint8 (n, size, size, 1), 1 = missing; the i-th belongs to the i-th of `keys`.
        batch_size: photographs filled at once; no score depends on it.
        keys: n photographs; the whole test split by default.
        settings: kept with the result.
        on_progress: called with (results done, results in all, method that made the last one).

    Returns:
        Scores on the composited uint8 pictures, in size x size.

    Raises:
        UserError: If masks and photographs differ in number, or no photograph can be read. Single
            photographs that cannot be read are left out and named in `failed`.
    """
    keys = photos.test if keys is None else tuple(keys)
    if len(keys) != len(masks):
        raise UserError(f"each photograph takes one mask, got {len(keys)} and {len(masks)}")
    methods = _methods(inpainters)
    size = masks.shape[1]
    shown = draw(keys, _EXAMPLES)
    parts: dict[str, dict[str, list[npt.NDArray[np.float64]]]]
    parts = {name: {metric: [] for metric in METRICS} for name in methods}
    examples: list[dict[str, Images]] = []
    scored: list[str] = []
    failed: dict[str, str] = {}

    for start in range(0, len(keys), batch_size):
        stop = min(start + batch_size, len(keys))
        loaded = _load(photos, keys, range(start, stop), size, failed)
        if not loaded:
            continue
        truth, holes = np.stack(list(loaded.values())), masks[list(loaded)]
        pictures = {}
        for turn, (name, method) in enumerate(methods.items(), 1):
            pictures[name] = method.fill(truth, holes)
            for metric, definition in METRICS.items():
                parts[name][metric].append(definition.score(truth, pictures[name], holes))
            if on_progress:
                done = start * len(methods) + (stop - start) * turn
                on_progress(done, len(keys) * len(methods), name)
        pictures["truth"] = truth
        for row, index in enumerate(loaded):
            scored.append(keys[index])
            if keys[index] in shown:
                examples.append({name: images[row] for name, images in pictures.items()})

    if not scored:
        reason = next(iter(failed.values()), "there is none")
        raise UserError(f"none of {len(keys)} photographs could be scored: {reason}")
    return Evaluation(
        scores={
            name: {metric: np.concatenate(values) for metric, values in metrics.items()}
            for name, metrics in parts.items()
        },
        photographs=tuple(scored),
        failed=failed,
        examples=tuple(examples),
        dataset=photos.name,
        fingerprint=photos.fingerprint(),
        masks_sha256=_sha256(masks),
        image_size=size,
        settings=dict(settings or {}),
    )


def draw(keys: Sequence[str], count: int) -> tuple[str, ...]:
    """Return `count` of the keys, or all where they are fewer, in their order.

    Which ones depends on the keys alone, and a smaller count draws some of a larger count's.
    """
    drawn = set(sorted(keys, key=lambda key: hashlib.sha256(canonical(key)).digest())[:count])
    return tuple(key for key in keys if key in drawn)


@dataclass(frozen=True)
class _MaskedInput:
    """The masked photograph itself, as a network sees it."""

    mode: MaskMode

    @property
    def name(self) -> str:
        return f"input ({self.mode.name})"

    def fill(self, image: Images, mask: Images) -> Images:
        return np.where(mask == 1, to_uint8(self.mode.apply(image, mask)), image)


def _methods(inpainters: Sequence[Filler]) -> dict[str, Filler]:
    """Return all that is scored by unique names, what the networks saw first."""
    modes = [getattr(inpainter, "mask_mode", None) for inpainter in inpainters]
    seen = list(dict.fromkeys(mode for mode in modes if mode)) or [MaskMode("hole")]
    methods: dict[str, Filler] = {}
    for filler in (*map(_MaskedInput, seen), *inpainters):
        name, count = filler.name, 1
        while name in (*methods, "truth"):
            count += 1
            name = f"{filler.name} {count}"
        methods[name] = filler
    return methods


def _load(
    photos: PhotoSet, keys: Sequence[str], indices: range, size: int, failed: dict[str, str]
) -> dict[int, Images]:
    """Read photographs by index; why one cannot be read is noted in `failed`."""
    loaded = {}
    for index in indices:
        try:
            loaded[index] = photos.load(keys[index], size)
        except ImageError as error:
            failed[keys[index]] = str(error)
    return loaded


def _sha256(masks: Images) -> str:
    digest = hashlib.sha256(f"{masks.dtype} {masks.shape}".encode())
    digest.update(np.ascontiguousarray(masks).data)
    return digest.hexdigest()
