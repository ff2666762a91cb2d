"""The paper's image figures: comparisons, attention maps, object removal, worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inpaint_tf.data import open_photos
from inpaint_tf.data.split import draw
from inpaint_tf.masks import EvaluationMasks
from inpaint_tf.metrics import METRICS
from inpaint_tf.report.evaluation import Filler, fill_one, with_inputs
from inpaint_tf.report.grid import image_grid, named_grid
from inpaint_tf.report.per_image import read_rows
from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError, did_you_mean, reason_of

Images = npt.NDArray[np.uint8]

_MAX_JSON = 64 << 20  # bytes
_PAINT = np.array([220, 40, 60])


def comparison_figure(
    inpainters: Sequence[Filler],
    truths: Sequence[Images],
    holes: Sequence[Images],
    row_titles: Sequence[str] | None = None,
) -> Images:
    """Draw one row for each photograph: the inputs of the networks, each result, and the truth.

    These are Figures 9 and 11 of the paper.

    Args:
        inpainters: methods in the order of the columns.
        truths: photographs, uint8 (H, W, 3).
        holes: masks, uint8 (H, W, 1), 1 = missing, one for each photograph.
        row_titles: one title for each photograph.
    """
    methods = with_inputs(inpainters)
    return _figure(methods, truths, holes, [*methods, "truth"], row_titles)


def attention_figure(
    inpainter: Filler, truths: Sequence[Images], holes: Sequence[Images]
) -> Images:
    """Draw one row for each photograph: the masked input, the result and the attention map.

    This is Figure 8 of the paper. Arguments are those of `comparison_figure`.

    Raises:
        UserError: If the inpainter has no attention.
    """
    if not getattr(inpainter, "has_attention", False):
        raise UserError(f"'{inpainter.name}' has no attention: choose a network of model 'ca'")
    methods = with_inputs([inpainter])
    columns = [*methods, f"attention of {list(methods)[-1]}"]
    return _figure(methods, truths, holes, columns)


def removal_figure(inpainters: Sequence[Filler], photograph: Images, mask: Images) -> Images:
    """Draw a photograph, the same with the mask marked, and each result: Figure 10 of the paper.

    Args:
        inpainters: methods in the order of the columns.
        photograph: uint8 (H, W, 3), any size.
        mask: uint8 (H, W), 1 = to be removed.

    Raises:
        UserError: If photograph and mask differ in size, or the mask is empty.
    """
    if mask.shape != photograph.shape[:2]:
        raise UserError(
            f"The mask must have the size of the photograph, {photograph.shape[1]}x"
            f"{photograph.shape[0]}. Received: {mask.shape[1]}x{mask.shape[0]}"
        )
    if not mask.any():
        raise UserError("The mask marks nothing: draw a box or polygon inside the photograph")
    batch = photograph[None], mask[None, ..., None]
    painted = (photograph * 0.4 + _PAINT * 0.6).astype(np.uint8)
    columns = {
        "photograph": photograph,
        "marked": np.where(mask[..., None] == 1, painted, photograph),
        **{each.name: each.fill(*batch)[0] for each in inpainters},
    }
    return image_grid([list(columns.values())], list(columns))


def draw_mask(
    size: tuple[int, int],
    boxes: Sequence[Sequence[int]] = (),
    polygons: Sequence[Sequence[Sequence[int]]] = (),
) -> Images:
    """Draw a mask, uint8 (H, W), 1 inside a shape.

    Args:
        size: height and width in pixels.
        boxes: (left, top, right, bottom); right and bottom are exclusive.
        polygons: corners (x, y), three or more.

    Raises:
        UserError: If a shape has the wrong number of values.
    """
    mask = np.zeros(size, np.uint8)
    for box in boxes:
        if len(box) != 4:
            raise UserError(f"A box is left,top,right,bottom. Received: {list(box)}")
        left, top, right, bottom = (max(value, 0) for value in box)
        mask[top:bottom, left:right] = 1
    for polygon in polygons:
        if len(polygon) < 3 or any(len(corner) != 2 for corner in polygon):
            raise UserError(f"A polygon is three corners x,y or more. Received: {list(polygon)}")
        cv2.fillPoly(mask, [np.array(polygon, np.int32)], 1)
    return mask


def worst_photographs(per_image: Path, method: str, metric: str, count: int) -> dict[str, float]:
    """Return the `count` photographs on which a method has the worst scores, worst first.

    Raises:
        UserError: If the file `per_image.csv` cannot be read, or lacks the method or the metric.
    """
    try:
        rows = read_rows(per_image)
    except OSError as error:
        raise UserError(
            f"{per_image}: cannot be read ({error.strerror}); run 'inpaint-tf evaluate' first"
        ) from error
    methods = {row["method"] for row in rows}
    for what, name, known in (("method", method, methods), ("metric", metric, METRICS)):
        if name not in known:
            raise UserError(f"{per_image} has no {what} '{name}'. {did_you_mean(name, known)}")
    own = (row for row in rows if row["method"] == method)
    scores = [(row["photograph"], float(row[metric] or "nan")) for row in own]
    sign = {"high": 1, "zero": 0}.get(METRICS[metric].best, -1)
    ordered = sorted(
        (each for each in scores if np.isfinite(each[1])),
        key=lambda each: (each[1] * sign or -abs(each[1]), each[0]),
    )
    return dict(ordered[:count])


def worst_figure(
    inpainter: Filler, evaluation: Path, metric: str, count: int, data_dir: Path | None = None
) -> Images:
    """Draw the photographs on which a method has the worst scores: Figure 11 of the paper.

    Args:
        inpainter: the method, with the name that it has in the evaluation.
        evaluation: folder that `Evaluation.write` wrote.
        metric: a key of `METRICS`.
        count: number of photographs.
        data_dir: folder of the data set. Default: where `open_photos` finds it.

    Raises:
        UserError: If the evaluation cannot be read, or lacks the method or the metric, or a
            photograph is missing.
    """
    found = worst_photographs(evaluation / "per_image.csv", inpainter.name, metric, count)
    file = evaluation / "metrics.json"
    try:
        document = strict_json.read(file, _MAX_JSON)
        name, size = document["dataset"]["name"], document["dataset"]["image_size"]
        limit, kind, seed = (document["settings"][key] for key in ("limit", "mask", "seed"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{file}' is not a readable evaluation: {reason_of(error)}") from error
    photos = open_photos(name, data_dir)
    keys = draw(photos.test, limit or len(photos.test))
    if unknown := [key for key in found if key not in keys]:
        raise UserError(
            f"'{unknown[0]}' is not among the test photographs of data set '{name}'; name "
            "the folder that was evaluated with `data_dir=DIR`"
        )
    masks = EvaluationMasks(kind, len(keys), size, seed)
    return comparison_figure(
        [inpainter],
        [photos.load(key, size) for key in found],
        [masks[keys.index(key)] for key in found],
        [f"{score:.0f}" for score in found.values()],
    )


def _figure(
    methods: dict[str, Any],
    truths: Sequence[Images],
    holes: Sequence[Images],
    columns: Sequence[str],
    row_titles: Sequence[str] | None = None,
) -> Images:
    rows = [fill_one(methods, truth, hole) for truth, hole in zip(truths, holes, strict=True)]
    titles = [name.partition(" of ")[0] for name in columns] if len(methods) == 2 else columns
    return named_grid(rows, columns, titles, row_titles)
