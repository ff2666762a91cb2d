"""What a network is shown in the missing region."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from inpaint_tf.masks._names import check_name
from inpaint_tf.masks.mosaic import INTERPOLATIONS, mosaic, put_mosaic
from inpaint_tf.masks.opencv import opencv_inpaint
from neuralgym_lite.errors import UserError

MODES = ("hole", "mosaic", "hole_ns", "hole_telea")
GREY = (127.5, 127.5, 127.5)

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]


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
        check_name("mask", self.name, MODES)
        check_name("mosaic interpolation", self.interpolation, INTERPOLATIONS)
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
            put_mosaic(normal, masks, self.unit, self.interpolation)
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
