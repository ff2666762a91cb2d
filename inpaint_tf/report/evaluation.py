"""Scores methods on the same photographs with the same masks."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from inpaint_tf.data import PhotoSet
from inpaint_tf.data.split import canonical, draw
from inpaint_tf.flow_colors import attention_map
from inpaint_tf.masks import MaskMode
from inpaint_tf.metrics import METRICS, Metric
from inpaint_tf.report.result import Evaluation, Example
from inpaint_tf.report.statistics import Scores
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import library_versions
from neuralgym_lite.images import ImageError, to_uint8

Images = npt.NDArray[np.uint8]

RANKED_BY = "mse_hole_255"
_DRAWN = 6
_RANKED = 3
_WORKERS = 2
_WHITE = (255, 255, 255)


class Filler(Protocol):
    """Anything with a name that fills holes, such as an `Inpainter`."""

    @property
    def name(self) -> str:
        """Return the name of the method in tables."""

    def fill(self, image: Images, mask: Images, /) -> Images:
        """Return uint8 images (B, H, W, 3), equal to `image` where `mask` is 0."""


class Masks(Protocol):
    """A sequence of masks (size, size, 1): an array, or masks that are computed on access."""

    def __len__(self) -> int:
        """Return the number of masks."""

    def __getitem__(self, index: int, /) -> Images:
        """Return one mask."""


def evaluate(
    inpainters: Sequence[Filler],
    photos: PhotoSet,
    masks: Masks,
    batch_size: int,
    *,
    keys: Sequence[str] | None = None,
    metrics: Mapping[str, Metric] = METRICS,
    settings: dict[str, Any] | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Fill the same holes of the same photographs with every method, and score the results.

    The input of the networks is scored too: a mosaic model has to beat the row "input (mosaic)".
    Photographs are read one batch ahead, and scored in threads while the next batch is filled.

    Args:
        inpainters: the methods. Duplicate names get a number. The last method is the subject: the
            page shows the photographs on which it is best and worst.
        photos: data set of the photographs.
        masks: uint8 (size, size, 1), 1 = missing; the i-th belongs to the i-th of `keys`. Their
            size is that of the evaluation.
        batch_size: number of photographs filled at once.
        keys: keys of the photographs. Default: the test split.
        metrics: metrics by name; must include `mse_hole_255`.
        settings: recorded with the result; JSON types.
        on_progress: called with (results done, total results, name of the last method).

    Returns:
        Scores of the composited uint8 images, statistics and example images. A metric that cannot
        be computed is in `unmeasured`, with the reason.

    Raises:
        UserError: If there are not as many masks as photographs, no photograph can be read, or a
            result has the wrong size. A single photograph that cannot be read is left out and
            named in `failed`; one that a method fails on is named in `broken`.
    """
    keys = photos.test if keys is None else tuple(keys)
    if len(keys) != len(masks):
        raise UserError(f"each photograph takes one mask, got {len(keys)} and {len(masks)}")
    if not keys:
        raise UserError("there is no photograph to score: give at least one key")
    methods = with_inputs(inpainters)
    record = _Record(keys, masks[0].shape[0], methods, metrics)
    done = 0
    with ThreadPoolExecutor(_WORKERS) as pool:
        scoring: Iterable[None] = ()
        for batch in _batches(pool, photos, keys, masks, batch_size):
            record.begin(batch)
            for name, method in methods.items():
                record.fill(name, method, batch)
                done += len(batch.masks)
                if on_progress:
                    on_progress(done, len(keys) * len(methods), name)
            # Score one batch while the next is filled; a longer queue would only take memory.
            list(scoring)
            scoring = pool.map(record.score, batch.indices, batch.truth, batch.holes, batch.results)
        list(scoring)
    return record.finish(photos, masks, methods, dict(settings or {}))


class _Batch(NamedTuple):
    """The masks of all photographs of a batch, and the pixels and results of the readable ones."""

    masks: Images
    indices: list[int]
    truth: Images
    holes: Images
    results: list[dict[str, Images]]
    failed: dict[str, str]


class _Record:
    """Collects the scores."""

    def __init__(
        self,
        keys: Sequence[str],
        size: int,
        methods: Mapping[str, Filler],
        metrics: Mapping[str, Metric],
    ) -> None:
        self.keys = keys
        self.metrics = metrics
        self.size = size
        self.unmeasured = _unmeasured(metrics, size)
        self.measured = {
            name: metric for name, metric in metrics.items() if name not in self.unmeasured
        }
        self.scores: dict[str, dict[str, Scores]] = {
            name: {metric: np.full(len(keys), np.nan) for metric in self.measured}
            for name in methods
        }
        self.scored: list[int] = []
        self.failed: dict[str, str] = {}
        self.broken: dict[str, dict[str, str]] = {}
        self.examples: list[Example] = []
        self._drawn = set(draw(keys, _DRAWN))
        self._digest = hashlib.sha256(f"uint8 {(len(keys), size, size, 1)}".encode())

    def begin(self, batch: _Batch) -> None:
        self._digest.update(np.ascontiguousarray(batch.masks).data)
        self.failed.update(batch.failed)
        self.scored += batch.indices

    def fill(self, name: str, method: Filler, batch: _Batch) -> None:
        """Fill a batch and add the images to its results, or the errors to `broken`."""
        filled = _fill(name, method, batch.truth, batch.holes) if batch.indices else []
        for index, row, picture in zip(batch.indices, batch.results, filled, strict=True):
            if isinstance(picture, str):
                self.broken.setdefault(name, {})[self.keys[index]] = picture
            else:
                row[name] = picture

    def score(self, index: int, truth: Images, hole: Images, pictures: dict[str, Images]) -> None:
        """Score all results for one photograph; safe to call from several threads."""
        if pictures:
            results = np.stack(list(pictures.values()))
            truths, holes = (
                np.broadcast_to(each, (len(results), *each.shape)) for each in (truth, hole)
            )
            for name, metric in self.measured.items():
                values = metric.score(truths, results, holes)
                for method, value in zip(pictures, values, strict=True):
                    self.scores[method][name][index] = value
        if self.keys[index] in self._drawn:
            shown = {**pictures, "truth": truth}
            self.examples.append(Example(self.keys[index], "drawn", float("nan"), shown))

    def finish(
        self, photos: PhotoSet, masks: Masks, methods: dict[str, Filler], settings: dict[str, Any]
    ) -> Evaluation:
        """Return the evaluation."""
        if not self.scored:
            reason = next(iter(self.failed.values()))
            raise UserError(f"none of {len(self.keys)} photographs could be scored: {reason}")
        subject = list(methods)[-1]
        errors = self.scores[subject][RANKED_BY]
        ranked = []
        for index, rank in _ranks(self.scored, errors, self.keys):
            with contextlib.suppress(ImageError):  # gone since it was scored
                truth = photos.load(self.keys[index], self.size)
                shown = fill_one(methods, truth, masks[index])
                ranked.append(Example(self.keys[index], rank, float(errors[index]), shown))
        return Evaluation(
            scores={
                name: {metric: values[self.scored] for metric, values in metrics.items()}
                for name, metrics in self.scores.items()
            },
            metrics=self.metrics,
            photographs=tuple(self.keys[index] for index in self.scored),
            failed=self.failed,
            broken=self.broken,
            unmeasured=self.unmeasured,
            examples=tuple(sorted(self.examples, key=lambda shown: self.keys.index(shown.key))),
            ranked=tuple(ranked),
            subject=subject,
            dataset=photos.name,
            fingerprint=photos.fingerprint(),
            masks_sha256=self._digest.hexdigest(),
            image_size=self.size,
            versions={
                "inpaint_tf": version("inpaint-tf"),
                "python": platform.python_version(),
                **library_versions(),
            },
            settings=settings,
        )


@dataclass(frozen=True)
class _MaskedInput:
    """The masked photograph itself, as the input of a network."""

    mode: MaskMode

    @property
    def name(self) -> str:
        if self.mode.is_grey or self.mode.name != "hole":
            return f"input ({self.mode.name})"
        return f"input (hole, {'white' if self.mode.color == _WHITE else 'colored'})"

    def fill(self, image: Images, mask: Images) -> Images:
        return np.where(mask == 1, to_uint8(self.mode.apply(image, mask)), image)


def with_inputs(inpainters: Sequence[Filler]) -> dict[str, Filler]:
    """Return methods by unique names: the inputs of the networks first, then the inpainters."""
    modes = dict.fromkeys(getattr(inpainter, "mask_mode", None) for inpainter in inpainters)
    inputs = [_MaskedInput(mode) for mode in modes if mode] or [_MaskedInput(MaskMode("hole"))]
    methods: dict[str, Filler] = {}
    for filler in (*inputs, *inpainters):
        name, count = filler.name, 1
        while name in (*methods, "truth"):
            count += 1
            name = f"{filler.name} {count}"
        methods[name] = filler
    return methods


def _unmeasured(metrics: Mapping[str, Metric], size: int) -> dict[str, str]:
    """Return the metrics that cannot be computed at this image size, with the reason."""
    picture = np.zeros((1, size, size, 3), np.uint8)
    mask = np.ones((1, size, size, 1), np.uint8)
    reasons = {}
    for name, metric in metrics.items():
        try:
            metric.score(picture, picture, mask)
        except UserError as error:
            reasons[name] = str(error)
    return reasons


def _batches(
    pool: ThreadPoolExecutor, photos: PhotoSet, keys: Sequence[str], masks: Masks, batch_size: int
) -> Iterator[_Batch]:
    """Yield batches in order; each is read while the one before is in use."""
    reading: Future[_Batch] | None = None
    for start in range(0, len(keys), batch_size):
        part = range(start, min(start + batch_size, len(keys)))
        following = pool.submit(_read, photos, keys, masks, part)
        if reading:
            yield reading.result()
        reading = following
    if reading:
        yield reading.result()


def _read(photos: PhotoSet, keys: Sequence[str], masks: Masks, part: range) -> _Batch:
    holes = np.stack([masks[index] for index in part])
    loaded, failed = {}, {}
    for index in part:
        try:
            loaded[index] = photos.load(keys[index], holes.shape[1])
        except ImageError as error:
            failed[keys[index]] = str(error)
    truth = np.array([*loaded.values()], np.uint8).reshape(-1, *holes.shape[1:3], 3)
    rows = [index - part.start for index in loaded]
    return _Batch(holes, list(loaded), truth, holes[rows], [{} for _ in loaded], failed)


def _fill(name: str, method: Filler, truth: Images, holes: Images) -> list[Images | str]:
    """Fill a batch, or its images one by one if that fails; return an error for each failure."""
    try:
        filled = method.fill(truth, holes)
    except UserError as error:
        if len(truth) == 1:
            return [str(error)]
        pairs = zip(truth[:, None], holes[:, None], strict=True)
        return [_fill(name, method, *pair)[0] for pair in pairs]
    if filled.shape != truth.shape or filled.dtype != np.uint8:
        raise UserError(
            f"Method '{name}' must return uint8 pictures {truth.shape} for such photographs, "
            f"got {filled.dtype} {filled.shape}"
        )
    return list(filled)


def _ranks(scored: Sequence[int], errors: Scores, keys: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the photographs with the least, the middle and the greatest errors."""
    ordered = sorted(
        (index for index in scored if np.isfinite(errors[index])),
        key=lambda index: (errors[index], canonical(keys[index])),
    )
    count = max(min(_RANKED, len(ordered) // 3), 1)
    rest = len(ordered) - count
    starts = {"worst": rest, "median": rest // 2, "best": 0}
    ranks = {
        index: rank for rank, start in starts.items() for index in ordered[start : start + count]
    }
    for index in ordered:
        if index in ranks:
            yield index, ranks[index]


def fill_one(methods: Mapping[str, Any], truth: Images, hole: Images) -> dict[str, Images]:
    """Fill one photograph, (H, W, 3), with all methods of `with_inputs`.

    Returns:
        Images by column: the results of the methods that do not fail, the truth, and "attention of
        NAME" for each method with attention.
    """
    pictures: dict[str, Images] = {}
    maps: dict[str, Images] = {}
    for name, method in methods.items():
        if getattr(method, "has_attention", False):
            with contextlib.suppress(UserError):
                pictures[name], offsets = method.fill(truth, hole, return_attention=True)
                if offsets is not None:
                    maps[f"attention of {name}"] = attention_map(offsets[0], truth.shape)
        elif not isinstance(filled := _fill(name, method, truth[None], hole[None])[0], str):
            pictures[name] = filled
    return {**pictures, "truth": truth, **maps}
