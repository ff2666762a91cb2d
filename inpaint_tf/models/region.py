"""What of pictures a network has to compute."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

CELL = 8  # pixels a side of a patch that attention compares
FEATURE = 4  # pixels a side of a place whose features attention moves


class Region(NamedTuple):
    """A box of pictures, of tensors, so that one graph serves all boxes.

    Edges are multiples of 8 pixels, or edges of the picture, so that layers that halve a picture
    halve the same pixels in a box of it. JAX compiles each shape anew and cannot cut at places that
    are tensors: it computes everything.

    Attributes:
        box: (top, left, bottom, right) in pixels, `(4,)` int32.
        size: (height, width) of the pictures, `(2,)` int32.
    """

    box: Any
    size: Any

    def grown(self, margin: int) -> Region:
        """Return the box with a margin all around, in whole cells, within the picture."""
        margin = -(-margin // CELL) * CELL
        moves = [-margin, -margin, margin, margin]
        box = ops.minimum(ops.maximum(self.box + moves, 0), ops.tile(self.size, 2))
        return self._replace(box=box)

    def whole(self) -> Region:
        """Return the box of the whole picture."""
        return self._replace(box=ops.concatenate([ops.zeros_like(self.size), self.size]))

    def cut(self, maps: Any, covered: Region, pixel: int) -> Any:
        """Cut the box out of maps `(B, h, w, C)`.

        Args:
            maps: of pixels, or features.
            covered: the larger box that the maps cover.
            pixel: side of a pixel of the maps, in pixels of the picture.
        """
        corner = ops.tile(covered.box[:2], 2)
        top, left, bottom, right = ops.unstack((self.box - corner) // pixel)
        return maps[:, top:bottom, left:right]


def features_near(mask: Any, distance: int) -> Any:
    """Return which features lie within so many pixels of a hole: `(B, H / 4, W / 4, 1)` float32."""
    near = ops.max_pool(ops.cast(mask, "float32"), FEATURE, FEATURE, padding="same")
    length = 2 * -(-distance // FEATURE) + 1
    for window in ((length, 1), (1, length)):
        near = ops.max_pool(near, window, 1, padding="same")
    return near
