"""Export a network as the next version in a folder, checked before it appears."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inpaint_tf.data.samples import open_samples
from inpaint_tf.exported_version import EXPORT_FACTS, EXPORT_FILES, ExportedVersion
from inpaint_tf.exporters.card import Facts, write_card
from inpaint_tf.exporters.check import (
    Difference,
    Fill,
    compare,
    fill_in_clean_process,
    probes,
)
from inpaint_tf.exporters.portable import (
    weights_engine,
    write_onnx,
    write_tflite,
    write_weights,
)
from inpaint_tf.exporters.price import Price, measure
from inpaint_tf.exporters.served_graph import ServedGraph
from inpaint_tf.exporters.served_inpainter import ServedInpainter
from inpaint_tf.exporters.versions import new_version
from inpaint_tf.exporters.warmup import write_warmup
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.inference.engines import need, onnx_engine, tflite_engine
from inpaint_tf.inference.loading import load
from inpaint_tf.inference.network import NetworkInpainter
from inpaint_tf.models.filling import FillGraph
from inpaint_tf.models.precision import with_policy
from neuralgym_lite.errors import UserError

SIGNATURE_FILE = "signature.json"
WARM_SIZES = (256, 512)
# What the network computes in. Weights that are stored in fewer bits are float32 again before that.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "float32",
    "int8": "float32",
}
# The largest differences that rounding explains. In bfloat16 a number has three digits, and each
# graph rounds where it fuses. Of float16 and int8 they are twice to four times those of ca-photos.
LIMITS = {
    ("saved_model", "float32"): Difference(1e-5, 1e-4, 1),
    ("saved_model", "bfloat16"): Difference(0.05, 1.0, 7),
    ("onnx", "float32"): Difference(1e-4, 1e-4, 1),
    ("onnx", "float16"): Difference(1e-3, 0.01, 1),
    ("onnx", "int8"): Difference(0.15, 1.0, 20),
    ("tflite", "float32"): Difference(1e-3, 1e-3, 1),
    ("tflite", "float16"): Difference(1e-3, 0.01, 1),
    ("tflite", "int8"): Difference(0.15, 1.0, 20),
    ("safetensors", "float32"): Difference(1e-5, 1e-4, 1),
}
# What writes a file, and what runs it.
PORTABLE = {
    "onnx": (write_onnx, onnx_engine),
    "tflite": (write_tflite, tflite_engine),
    "safetensors": (write_weights, weights_engine),
}
MEANINGS = {
    "image": "photographs, RGB in 0..255; in `bytes` each a JPEG or PNG",
    "mask": "nonzero where missing, or grey levels, of which those above 127 are missing; "
    "in `bytes` each a JPEG or PNG, light where missing",
    "output": "the photographs with their holes filled; known pixels as they were",
    "output_bytes": "the same, each a PNG, grey or transparent where its photograph is",
    "offsets": "where the attention of each 8x8 pixels went: rows down, columns to the right",
}


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        folder: of the version.
        difference: from `fill`.
        price: scores of the network and of what was exported.
        sizes: bytes of what is in it, by name.
        left_out: steps of `fill` that the exported model does not take.
    """

    folder: Path
    difference: Difference
    price: Price
    sizes: dict[str, int]
    left_out: list[str]


def export_model(
    inpainter: NetworkInpainter,
    out: Path,
    facts: Facts,
    file_format: str = "saved_model",
    precision: str = "float32",
    max_pixels: int = 4_000_000,
    log: Callable[[str], object] = lambda text: None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Exported:
    """Write an inpainter as the next version in a folder, and compare it with `Inpainter.fill`.

    Args:
        inpainter: the network and its settings.
        out: where versions are: `out/1`, `out/2` and so on.
        facts: for the model card, of `card.gather`.
        file_format: `"saved_model"`, which TF Serving loads, `"onnx"`, `"tflite"`, or
            `"safetensors"`, the weights alone.
        precision: `"float32"`; of a SavedModel also `"bfloat16"`; of ONNX and TensorFlow Lite
            `"float16"` and `"int8"`, in which the weights are stored.
        max_pixels: of a photograph; a SavedModel refuses larger ones.
        log: called with a message about each step.
        on_progress: called while it is scored, as for `inpaint_tf.evaluate`.

    Raises:
        UserError: if the network cannot be exported in this format, the folder cannot be written,
            or the export differs from the network or fills worse; then no version is left behind.
    """
    if (file_format, precision) not in LIMITS:
        has = ", ".join(each for name, each in LIMITS if name == file_format)
        formats = ", ".join(name for name, each in LIMITS if each == precision)
        raise UserError(
            f"Format {file_format} has no {precision}: it has {has}. `precision` {precision} is "
            f"for the formats: {formats}."
        )
    mode = inpainter.mask_mode
    if mode.prefills and file_format != "safetensors":
        raise UserError(
            f"This model was trained on '{mode.name}', which OpenCV fills before the network: "
            "an exported graph has no OpenCV. Export one that was trained on 'hole' or 'mosaic'."
        )
    if file_format == "onnx":
        for package in ("onnx", "tf2onnx", "onnxruntime"):
            need(package)
    limit = LIMITS[file_format, precision]
    graph, fill = _graph_and_fill(inpainter, precision, file_format == "saved_model")
    steps = left_out(inpainter, file_format)
    if steps:
        log(f"What `inpaint-tf fill` does and the exported model does not: {'; '.join(steps)}.")
    with new_version(out, file_format) as (folder, publish):
        log(f"Writing {file_format}, {precision}.")
        pairs = probes()
        if mode.prefills:  # OpenCV needs known pixels
            pairs = [pair for pair in pairs if not pair[1].all((1, 2, 3)).any()]
        if file_format == "saved_model":
            write_saved_model(graph, folder, max_pixels)
            log("Comparing it with `fill` on several photographs, which takes minutes on a CPU.")
            results = fill_in_clean_process(folder, pairs)
        else:
            write, engine = PORTABLE[file_format]
            write(graph, folder / EXPORT_FILES[file_format], precision)
            log("Comparing it with `fill` on several photographs, which takes minutes on a CPU.")
            run = engine(folder / EXPORT_FILES[file_format])
            results = [run(*pair) for pair in pairs]
        difference = compare(results, pairs, fill, graph)
        if not difference.within(limit):
            raise UserError(
                f"The export differs from `fill`: {difference}. At most {limit.refined} "
                f"in the holes and {limit.share:.2%} of the values by {limit.levels} are right. "
                "No version was left behind."
            )
        record = _record(inpainter, facts.network["sha256"], file_format, precision)
        (folder / EXPORT_FACTS).write_text(json.dumps(record, indent=2) + "\n")
        log("Scoring it and the network on photographs of `samples`.")
        exact = fill if precision != "bfloat16" else _graph_and_fill(inpainter, "float32", True)[1]
        price = _price(exact, folder, on_progress)
        price.check(precision)
        write_card(folder, facts, file_format, precision, difference, price, steps)
        sizes = _sizes(folder)
        return Exported(publish(), difference, price, sizes, steps)


def _price(exact: Fill, folder: Path, on_progress: Callable[[int, int, str], None] | None) -> Price:
    """Return what a version costs in scores, beside the network in float32."""
    version = ExportedVersion.find(folder)
    assert version is not None  # noqa: S101
    return measure(exact, load(folder, detail=False).fill, version.size(), on_progress)


def _record(
    inpainter: NetworkInpainter, sha256: str, file_format: str, precision: str
) -> dict[str, Any]:
    """Return what `ExportedVersion.facts` reads."""
    serves = file_format == "saved_model"
    return {
        "name": inpainter.name,
        "model": type(inpainter.model).__name__,
        "format": file_format,
        "precision": precision,
        "mask": inpainter.mask_mode.get_config(),
        "attention": inpainter.has_attention,
        "offsets": serves and inpainter.has_attention,
        "detail": serves and inpainter.detail,
        "network": sha256,
    }


def left_out(inpainter: NetworkInpainter, file_format: str) -> list[str]:
    """Return the steps of `fill` that an exported model does not take."""
    portable = file_format != "saved_model"
    steps = []
    if inpainter.detail and not inpainter.sees_holes:
        steps.append("flat surroundings are not continued")
    if portable and inpainter.detail:
        steps.append('fills get no detail, so its scores are those "without detail"')
    if portable and inpainter.coarse_size.trained_hole is not None:
        steps.append("the coarse network sees photographs above 512x512 pixels unreduced")
    return steps


def _graph_and_fill(
    inpainter: NetworkInpainter, precision: str, serves: bool
) -> tuple[FillGraph, Fill]:
    """Return what is exported, and what takes the same steps in Python."""
    model, mode = with_policy(inpainter.model, POLICIES[precision]), inpainter.mask_mode
    if not serves:
        return FillGraph(model, mode), NetworkInpainter(model, mode, inpainter.name).fill
    hole, detail = inpainter.coarse_size.trained_hole, inpainter.detail
    plain = NetworkInpainter(model, mode, inpainter.name, trained_hole=hole)

    def fill(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        filled = plain.fill(image, mask)
        pairs = zip(filled, mask[..., 0], strict=True)
        return np.stack([add_detail(*pair) for pair in pairs]) if detail else filled

    return ServedGraph(model, mode, hole, detail), fill


def write_saved_model(graph: FillGraph, folder: Path, max_pixels: int) -> None:
    """Write a SavedModel with its warm-up and `signature.json` to a folder."""
    served = ServedInpainter(graph, max_pixels)
    tf.saved_model.save(served, str(folder), signatures=served.functions)
    write_warmup(folder, _warm_requests(tuple(served.functions)))
    (folder / SIGNATURE_FILE).write_text(json.dumps(_signatures(served), indent=2) + "\n")


def _warm_requests(names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    photos = open_samples()
    for size in WARM_SIZES:
        image = photos.load(photos.test[0], size)
        mask = np.zeros((size, size, 1), np.uint8)
        mask[size // 4 : size * 3 // 4, size // 4 : size * 3 // 4] = 255
        files = [[file.numpy()] for file in (tf.io.encode_jpeg(image), tf.io.encode_png(mask))]
        for name in names:
            pair = files if name == "bytes" else (image[None], mask[None])
            yield name, dict(zip(("image", "mask"), pair, strict=True))


def _signatures(served: ServedInpainter) -> dict[str, Any]:
    described = {}
    for name, function in served.functions.items():
        concrete = function.get_concrete_function()
        inputs = {each.name: each for each in concrete.structured_input_signature[0]}
        outputs = concrete.structured_outputs
        described[name] = {"inputs": _tensors(inputs), "outputs": _tensors(outputs)}
    return {"signatures": described, "max_pixels": served.max_pixels}


def _tensors(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"dtype": each.dtype.name, "shape": list(each.shape), "meaning": MEANINGS[name]}
        for name, each in tensors.items()
    }


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file and folder at the top."""
    sizes = {
        entry.name: sum(
            each.stat().st_size for each in (entry, *entry.rglob("*")) if each.is_file()
        )
        for entry in sorted(folder.iterdir())
    }
    return {name: size for name, size in sizes.items() if size}
