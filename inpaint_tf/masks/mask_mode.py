"""The pixels that a network gets as input inside the hole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.masks.mosaic import INTERPOLATIONS, mosaic, put_mosaic
from inpaint_tf.masks.opencv import opencv_inpaint
from neuralgym_lite.errors import UserError, check_name

MODES = ("hole", "mosaic", "hole_ns", "hole_telea")
GREY = (127.5, 127.5, 127.5)

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class MaskMode:
    """How the network's input is made inside the hole.

    A network keeps the mode that it was trained with, and is saved with it.

    Args:
        name: `"hole"`: one color; `"mosaic"`: a mosaic of the photograph; `"hole_ns"` and
            `"hole_telea"`: the result of OpenCV's Navier-Stokes or TELEA inpainting.
        unit: side of a mosaic block in pixels.
        interpolation: sampling of the mosaic: `"bilinear"` as in the paper, or `"nearest"` as in
            its code.
        color: color of the hole: grey levels of red, green and blue from 0 to 255.

    Raises:
        UserError: if a name is unknown, the unit is below 1, or the color is out of range.

    Example:
        >>> MaskMode("mosaic", unit=12).prefills
        False
    """

    name: str = "hole"
    unit: int = 12
    interpolation: str = "bilinear"
    color: tuple[float, float, float] = GREY

    def __post_init__(self) -> None:
        # JSON has lists where the dataclass needs a tuple.
        object.__setattr__(self, "color", tuple(self.color))
        if len(self.color) != 3 or not all(0 <= level <= 255 for level in self.color):
            raise UserError(
                "The color of a hole must be three grey levels from 0 to 255. "
                f"Received: {list(self.color)}"
            )
        check_name("mask", self.name, MODES)
        check_name("mosaic interpolation", self.interpolation, INTERPOLATIONS)
        if self.unit < 1:
            raise UserError(f"The mosaic unit must be at least 1 pixel. Received: {self.unit}")

    @property
    def is_grey(self) -> bool:
        """Whether the color is the one that is 0 in [-1, 1]."""
        return self.color == GREY

    @property
    def prefills(self) -> bool:
        """Whether OpenCV fills the hole before the network does."""
        return self.name in ("hole_ns", "hole_telea")

    def prefill(self, image: UInt8, mask: UInt8) -> UInt8:
        """Fill a uint8 photograph `(H, W, 3)` with OpenCV, if the mode asks for it."""
        if not self.prefills:
            return image
        return opencv_inpaint(image, mask, self.name.removeprefix("hole_"))

    def masked_input(self, image: Any, mask: Any) -> Any:
        """Return the network's input for images that `prefill` has returned.

        Images are `(B, H, W, 3)` in [-1, 1], masks `(B, H, W, 1)`. Known pixels are unchanged.
        """
        from keras import ops  # here, because what fills without a network needs no Keras

        if self.prefills:
            return image
        mask = ops.cast(mask, image.dtype)
        known = image * (1 - mask)
        if self.name == "hole" and self.is_grey:
            return known
        if self.name == "hole":
            color = [level / 127.5 - 1 for level in self.color]
            return known + mask * ops.convert_to_tensor(color, image.dtype)
        return mosaic(image, self.unit, self.interpolation) * mask + known

    def apply(self, images: UInt8, masks: UInt8) -> NDArray[np.float32]:
        """Return the network's input, in [-1, 1], for uint8 photographs `(B, H, W, 3)`."""
        pairs = zip(images, masks, strict=True)
        filled = np.stack([self.prefill(image, mask) for image, mask in pairs])
        return self.masked(filled.astype(np.float32) / np.float32(127.5) - 1, masks)

    def masked(self, images: Float, masks: NDArray[Any]) -> Float:
        """Return what `masked_input` returns, in NumPy; `images` may be changed."""
        if self.prefills:
            return images
        if self.name == "mosaic":
            put_mosaic(images, masks, self.unit, self.interpolation)
            return images
        color = np.array(self.color, np.float32) / np.float32(127.5) - 1
        return np.where(masks == 1, color, images)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of this mode, as JSON types."""
        return {**asdict(self), "color": list(self.color)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskMode:
        """Make a mode from the result of `get_config`."""
        return cls(**config)

    @classmethod
    def get(cls, mode: MaskMode | str | dict[str, Any]) -> MaskMode:
        """Return a mode, given a mode, its name or its config."""
        if isinstance(mode, MaskMode):
            return mode
        return cls(mode) if isinstance(mode, str) else cls(**mode)
