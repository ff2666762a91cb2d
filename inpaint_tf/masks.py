"""Masks: where a photograph is missing, and what a network is shown there instead.

A mask is 1 where the photograph is missing and 0 where it is known. A box is (top, left, height,
width): the fixed region that the local critic looks at; the hole lies inside it, a little smaller.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from neuralgym_lite.errors import UserError, did_you_mean
from neuralgym_lite.seeds import generator

MODES = ("hole", "mosaic", "hole_ns", "hole_telea")
INTERPOLATIONS = ("bilinear", "nearest")
EVALUATION_KINDS = ("center", "hole", "strokes")
OPENCV_RADIUS = 3
GREY = (127.5, 127.5, 127.5)

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


class NothingKnownError(UserError):
    """All of a photograph is missing, and what fills it takes what is known."""


@keras.saving.register_keras_serializable(package="inpaint_tf")
@dataclass(frozen=True)
class MaskMode:
    """What a network is shown in the missing region.

    Args:
        name: `"hole"` shows one color; `"mosaic"` the blocks of a mosaic of the photograph;
            `"hole_ns"` and `"hole_telea"` what OpenCV's Navier-Stokes or TELEA fills in.
        unit: size of a mosaic block in pixels.
        interpolation: how the mosaic is sampled: `"bilinear"` as the paper says, or `"nearest"`
            as its code does.
        color: of a hole, as grey levels of red, green and blue in 0..255.

    Raises:
        UserError: on an unknown name, a unit below 1 or a color that is none.
    """

    name: str = "hole"
    unit: int = 12
    interpolation: str = "bilinear"
    color: tuple[float, float, float] = GREY

    def __post_init__(self) -> None:
        # A config in JSON has a list.
        object.__setattr__(self, "color", tuple(self.color))
        if len(self.color) != 3 or not all(0 <= level <= 255 for level in self.color):
            raise UserError(
                "The color of a hole must be three grey levels in 0..255. "
                f"Received: {list(self.color)}"
            )
        _check_name("mask", self.name, MODES)
        _check_name("mosaic interpolation", self.interpolation, INTERPOLATIONS)
        if self.unit < 1:
            raise UserError(f"The mosaic unit must be at least 1 pixel. Received: {self.unit}")

    @property
    def is_grey(self) -> bool:
        """Whether a hole has the color that is 0 in [-1, 1]."""
        return self.color == GREY

    @property
    def prefills(self) -> bool:
        """Whether OpenCV fills the photograph before the network sees it."""
        return self.name in ("hole_ns", "hole_telea")

    def prefill(self, image: UInt8, mask: UInt8) -> UInt8:
        """Return the uint8 photograph `(H, W, 3)` as OpenCV fills it, or as it is."""
        if not self.prefills:
            return image
        return opencv_inpaint(image, mask, self.name.removeprefix("hole_"))

    def masked_input(self, image: Any, mask: Any) -> Any:
        """Return what the network is shown of an image that `prefill` has left.

        Args:
            image: float in [-1, 1], `(B, H, W, 3)`.
            mask: `(B, H, W, 1)`, 1 where missing.

        Returns:
            `(B, H, W, 3)` in [-1, 1]; known pixels as they are.
        """
        if self.prefills:
            return image
        mask = ops.cast(mask, image.dtype)
        known = image * (1 - mask)
        if self.name == "hole" and self.is_grey:
            return known
        if self.name == "hole":
            shown = [level / 127.5 - 1 for level in self.color]
            return known + mask * ops.convert_to_tensor(shown, image.dtype)
        return mosaic(image, self.unit, self.interpolation) * mask + known

    def apply(self, images: UInt8, masks: UInt8) -> NDArray[np.float32]:
        """Return what the network is shown of uint8 photographs `(B, H, W, 3)`, in [-1, 1]."""
        pairs = zip(images, masks, strict=True)
        filled = np.stack([self.prefill(image, mask) for image, mask in pairs])
        normal: Float = filled.astype(np.float32) / np.float32(127.5) - 1
        if self.name == "mosaic":
            _put_mosaic(normal, masks, self.unit, self.interpolation)
            return normal
        return np.asarray(ops.convert_to_numpy(self.masked_input(normal, masks)), "float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this mode again."""
        return {**asdict(self), "color": list(self.color)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskMode:
        """Make a mode from what `get_config` returned."""
        return cls(**config)

    @classmethod
    def get(cls, mode: MaskMode | str | dict[str, Any]) -> MaskMode:
        """Make a mode from a mode, a name or a config."""
        if isinstance(mode, MaskMode):
            return mode
        return cls(mode) if isinstance(mode, str) else cls(**mode)


def opencv_inpaint(image: UInt8, mask: UInt8, method: str) -> UInt8:
    """Fill a uint8 photograph with OpenCV.

    It is given 8-bit pixels, because TELEA overflows on float images (errors ten times as large).

    Args:
        image: `(H, W, 3)` uint8.
        mask: `(H, W)` or `(H, W, 1)`, 1 where missing.
        method: `"ns"` (Bertalmio 2001) or `"telea"` (Telea 2004).

    Returns:
        `(H, W, 3)` uint8.

    Raises:
        NothingKnownError: if everything is missing: OpenCV would return the photograph.
    """
    if mask.all():
        raise NothingKnownError(
            f"everything is missing, and '{method}' takes what is known from around a hole"
        )
    flag = {"ns": cv2.INPAINT_NS, "telea": cv2.INPAINT_TELEA}[method]
    missing = np.ascontiguousarray(mask.reshape(image.shape[:2]).astype("uint8") * 255)
    filled = cv2.inpaint(np.ascontiguousarray(image), missing, OPENCV_RADIUS, flag)
    return np.asarray(filled, "uint8")


def grown(mask: UInt8, pixels: int) -> UInt8:
    """Return a mask whose holes reach further by so many pixels, in every direction alike.

    Args:
        mask: `(H, W)`, 1 where missing.
        pixels: 0 or more.

    Returns:
        `(H, W)` uint8: 1 wherever a missing pixel is at most so far away.

    Raises:
        UserError: if `pixels` is below 0.
    """
    if pixels < 0:
        raise UserError(f"A mask can grow by 0 pixels or more. Received: {pixels}")
    if not pixels or not mask.any():
        return mask
    around = surroundings(mask, min(pixels, sum(mask.shape)))
    far = cv2.distanceTransform(1 - mask[around], cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    wide = np.zeros_like(mask)
    wide[around] = far <= pixels
    return wide


def surroundings(mask: UInt8, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of the holes `(H, W)`, of which there are some, and a margin."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    top, left = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    return slice(top, rows[-1] + 1 + margin), slice(left, columns[-1] + 1 + margin)


def mosaic(image: Any, unit: int, interpolation: str = "bilinear") -> Any:
    """Return the mosaic of a float image `(B, H, W, C)`: sampled down by `unit` and up again.

    Both steps are products with small matrices, so that it runs in any graph at any size. Blocks
    are `unit` pixels or one more, as the size is rarely a multiple of the unit.
    """
    for axis in (1, 2):
        size = ops.shape(image)[axis]
        known = isinstance(size, int)  # as it must be where JAX compiles
        count = max(size // unit, 1) if known else ops.maximum(size // unit, 1)
        down = _sampling_matrix(count, size, float(unit), interpolation)
        ratio = ops.cast(count, "float32") / ops.cast(size, "float32")
        up = _sampling_matrix(size, count, ratio, interpolation)
        both = ops.cast(ops.matmul(up, down), image.dtype)
        image = ops.einsum("ij,bjkc->bikc" if axis == 1 else "ij,bkjc->bkic", both, image)
    return image


def _sampling_matrix(rows: Any, columns: Any, step: Any, interpolation: str) -> Any:
    """Return the matrix that samples a line of `columns` pixels at `rows` places a `step` apart."""
    place = ops.arange(rows, dtype="float32")
    source = ops.arange(columns, dtype="float32")
    if interpolation == "nearest":
        place = ops.floor(place * step)[:, None]
        return ops.cast(ops.equal(place, source), "float32")
    place = ops.clip((place + 0.5) * step - 0.5, 0.0, ops.cast(columns - 1, "float32"))
    return ops.relu(1.0 - ops.abs(place[:, None] - source))


def _put_mosaic(images: Float, masks: UInt8, unit: int, interpolation: str) -> None:
    """Put the mosaic of images into their holes; it is made for the box around these alone."""
    missing = np.any(masks == 1, axis=(0, 3))
    if not missing.any():
        return
    sizes = np.array(images.shape[1:3], np.float32)
    counts = np.maximum(sizes // unit, 1)
    bounds = [np.flatnonzero(np.any(missing, axis=axis))[[0, -1]] for axis in (1, 0)]
    inside = (slice(None), *(slice(first, last + 1) for first, last in bounds))
    blocks = images
    for axis, count in enumerate(counts, start=1):
        blocks = _sampled(blocks, axis, np.arange(count), np.float32(unit), interpolation)
    for axis, (first, last) in enumerate(bounds, start=1):
        step = (counts / sizes)[axis - 1]
        blocks = _sampled(blocks, axis, np.arange(first, last + 1), step, interpolation)
    np.copyto(images[inside], blocks, where=masks[inside] == 1)


def _sampled(
    images: Float, axis: int, places: NDArray[Any], step: np.float32, interpolation: str
) -> Float:
    """Sample an axis at `places` a `step` apart, as the product with `_sampling_matrix` does."""
    last = images.shape[axis] - 1
    places = places.astype(np.float32)
    if interpolation == "nearest":
        return images.take(np.floor(places * step).astype(int), axis, mode="clip")
    places = np.clip((places + np.float32(0.5)) * step - np.float32(0.5), 0, last)
    before = np.floor(places).astype(int)
    share = (places - before).astype(np.float32)
    share = share.reshape([-1 if each == axis else 1 for each in range(images.ndim)])
    lines = images.take(before, axis, mode="clip")
    lines += share * (images.take(before + 1, axis, mode="clip") - lines)
    return lines


@dataclass(frozen=True)
class HoleShape:
    """How big holes are and where they may lie: a square box, and a hole inside it.

    Args:
        height: height of the box in pixels.
        width: width of the box in pixels.
        max_delta: the hole is up to this many pixels smaller than its box, in each direction, and
            centred in it.
        margin: pixels at the border of the picture that the box keeps free.
        same_box: whether all photographs of a batch share one box (their holes still differ).
        centered: whether the box is in the middle of the picture, always.
        brush: share of the holes, in 0..1, that are strokes of a brush in place of a rectangle.

    Reference:
        The paper trains on 256x256 pixels with boxes of 128x128, max_delta 32 and margin 0, and
        without a brush, which is after Yu et al. 2019, "Free-Form Image Inpainting with Gated
        Convolution" (arxiv.org/abs/1806.03589).
    """

    height: int
    width: int
    max_delta: int = 0
    margin: int = 0
    same_box: bool = True
    centered: bool = False
    brush: float = 0.0

    def check(self, size: int) -> None:
        """Raise a UserError if such a hole does not fit into a picture of `size` pixels."""
        for name, side in (("height", self.height), ("width", self.width)):
            if side < 1 or side + 2 * self.margin > size:
                raise UserError(
                    f"The hole does not fit: its {name} is {side} pixels with a margin of "
                    f"{self.margin}, the picture {size} pixels. "
                    f"Choose at most {size - 2 * self.margin}."
                )
            if not 0 <= self.max_delta < side:
                raise UserError(
                    f"The hole's max_delta must be at least 0 and below its {name} of {side} "
                    f"pixels. Received: {self.max_delta}"
                )
        if not 0 <= self.brush <= 1:
            raise UserError(f"The share of strokes must be within 0..1. Received: {self.brush}")

    def draw(
        self, rng: np.random.Generator, batch: int, size: int
    ) -> tuple[UInt8, NDArray[np.int32]]:
        """Draw masks `(batch, size, size, 1)` uint8 and their boxes `(batch, 4)` int32."""
        boxes = self.draw_boxes(rng, batch, size)
        shrink = rng.integers(0, self.max_delta // 2 + 1, (batch, 2))
        holes = boxes + np.concatenate([shrink, -2 * shrink], axis=1)
        # Nothing is drawn for a brush that is not used: what was trained without stays the same.
        brushed = rng.random(batch) < self.brush if self.brush else np.zeros(batch, bool)
        masks = [
            brush_mask(hole, size, rng) if strokes else box_mask(hole, size)
            for hole, strokes in zip(holes, brushed, strict=True)
        ]
        return np.stack(masks), boxes

    def draw_boxes(self, rng: np.random.Generator, batch: int, size: int) -> NDArray[np.int32]:
        """Draw boxes `(batch, 4)` alone."""
        count = 1 if self.same_box else batch
        boxes = np.empty((batch, 4), "int32")
        boxes[:, 0] = self._place(rng, count, size, self.height)
        boxes[:, 1] = self._place(rng, count, size, self.width)
        boxes[:, 2:] = self.height, self.width
        return boxes

    def _place(self, rng: np.random.Generator, count: int, size: int, side: int) -> Any:
        if self.centered:
            return (size - side) // 2
        last = size - self.margin - side
        return rng.integers(self.margin, max(last, self.margin + 1), count)


def box_mask(box: Any, size: int) -> UInt8:
    """Return the mask `(size, size, 1)` of a box (top, left, height, width)."""
    top, left, height, width = box
    mask = np.zeros((size, size, 1), "uint8")
    mask[top : top + height, left : left + width] = 1
    return mask


def brush_mask(box: Any, size: int, rng: np.random.Generator) -> UInt8:
    """Return a mask `(size, size, 1)` of up to six bent strokes inside a box.

    They are 1/64 to 1/4 of the box's smaller side wide, thin ones as often as wide ones.

    Args:
        box: (top, left, height, width), in pixels.
        size: side of the mask.
        rng: of the strokes.
    """
    top, left, height, width = box
    side = min(height, width)
    canvas = np.zeros((height, width), "uint8")
    for _ in range(rng.integers(1, 7)):
        thickness = max(round(side * np.exp(rng.uniform(np.log(1 / 64), np.log(1 / 4)))), 1)
        turns = rng.uniform(-1, 1, rng.integers(3, 9))
        angles = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        lengths = side * rng.uniform(0.15, 0.5, len(angles))
        steps = lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        points = rng.uniform((0, 0), (width, height)) + np.cumsum(steps, axis=0)
        # A stroke that comes to the border of the box is thrown back.
        last = np.maximum([width - 1, height - 1], 1)
        points = (last - np.abs(points % (2 * last) - last)).round().astype(np.int32)
        cv2.polylines(canvas, [points], False, 1, thickness)
    mask = np.zeros((size, size, 1), "uint8")
    mask[top : top + height, left : left + width, 0] = canvas
    return mask


@dataclass(frozen=True)
class EvaluationMasks:
    """The fixed masks `(size, size, 1)` on which models are compared, made when asked for.

    Args:
        kind: `"center"`: the middle half of the picture; `"hole"`: squares of 3/8 to 1/2 of the
            side anywhere, one for each photograph; `"strokes"`: strokes of a brush in such squares.
        count: number of masks.
        size: side of the masks in pixels.
        seed: of the random holes. Mask i depends on the seed, the size and i alone.

    Raises:
        UserError: if `kind` is unknown.
    """

    kind: str
    count: int
    size: int
    seed: int = 0

    def __post_init__(self) -> None:
        _check_name("evaluation mask", self.kind, EVALUATION_KINDS)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> UInt8:
        if self.kind == "center":
            quarter, half = self.size // 4, self.size // 2
            return box_mask((quarter, quarter, half, half), self.size)
        half, brush = self.size // 2, float(self.kind == "strokes")
        shape = HoleShape(half, half, max_delta=self.size // 8, brush=brush)
        return shape.draw(generator(self.seed, "evaluation-mask", index), 1, self.size)[0][0]


def evaluation_masks(kind: str, count: int, size: int, seed: int = 0) -> UInt8:
    """Return all `EvaluationMasks` of these arguments at once, `(count, size, size, 1)`."""
    masks = EvaluationMasks(kind, count, size, seed)
    return (
        np.stack([masks[i] for i in range(count)])
        if count
        else np.zeros((0, size, size, 1), "uint8")
    )


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UserError(f"Unknown {what}: '{name}'. {did_you_mean(name, known)}")


def crop_boxes(images: Any, boxes: Any, height: int, width: int) -> Any:
    """Cut one box out of each image; differentiable, and the same on every device.

    Args:
        images: `(B, H, W, C)`.
        boxes: `(B, 4)` (top, left, ., .), inside the images.
        height: of all boxes, in pixels.
        width: of all boxes, in pixels.

    Returns:
        `(B, height, width, C)`.
    """
    # A product with zeros and ones is exact, and so is its gradient; a gather's adds up in any
    # order.
    sizes = ops.shape(images)
    rows = boxes[:, 0, None] + ops.arange(height, dtype=boxes.dtype)
    columns = boxes[:, 1, None] + ops.arange(width, dtype=boxes.dtype)
    rows = ops.one_hot(rows, sizes[1], dtype=images.dtype)
    columns = ops.one_hot(columns, sizes[2], dtype=images.dtype)
    return ops.einsum("bwv,bhvc->bhwc", columns, ops.einsum("bhu,buvc->bhvc", rows, images))
