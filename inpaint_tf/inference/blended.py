"""An inpainter whose fills are blended into what surrounds them."""

from __future__ import annotations

from inpaint_tf.inference.inpainter import Inpainter, UInt8


class BlendedInpainter(Inpainter):
    """Another inpainter, as `fill` with `blend` shows it: for comparing the two.

    Args:
        inpainter: what fills. Its name gets ", blended" added.

    Reference:
        Iizuka et al., "Globally and Locally Consistent Image Completion", 2017, section 4.3.
    """

    def __init__(self, inpainter: Inpainter) -> None:
        self.name = f"{inpainter.name}, blended"
        self._inpainter = inpainter

    def _predict(self, images: UInt8, masks: UInt8) -> UInt8:
        return self._inpainter.fill(images, masks, blend=True)
