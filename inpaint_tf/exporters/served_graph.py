"""The steps of `fill` that a SavedModel takes beside `FillGraph`, in operations of TensorFlow."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from inpaint_tf.inference import detail, detail_graph
from inpaint_tf.inference.large import LARGE
from inpaint_tf.inference.piecewise import LEAST_COARSE
from inpaint_tf.layers import ContextualAttention
from inpaint_tf.masks import MaskMode
from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.filling import FillGraph, Outputs, binary, reflected
from inpaint_tf.models.region import CELL, features_near

_FAR = 1e9  # pixels; further than anything in a photograph


class ServedGraph(FillGraph):
    """A `FillGraph` for photographs above 512x512 pixels too, and with detail.

    Attention is streamed for large photographs, so that memory grows with their area and not with
    its square.

    Args:
        model: the network.
        mask_mode: what the network sees in holes.
        trained_hole: width in pixels of the holes in training. The coarse network sees large
            photographs with much wider holes reduced, as in `NetworkInpainter`. None reduces none.
        detail: whether fills get the detail of places that look alike, as in `add_detail`.
    """

    def __init__(
        self,
        model: InpaintingModel,
        mask_mode: MaskMode | None = None,
        trained_hole: int | None = None,
        detail: bool = False,
    ) -> None:
        super().__init__(model, mask_mode)
        self.trained_hole = trained_hole
        self.detail = detail

    def __call__(
        self, image: tf.Tensor, mask: tf.Tensor, return_attention: bool = False
    ) -> Outputs:
        """Fill photographs."""
        outputs = super().__call__(image, mask, return_attention)
        if not self.detail:
            return outputs
        detailed = tf.map_fn(
            lambda pair: with_detail(*pair),
            (outputs["output"], binary(mask)[..., 0]),
            fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8),
            parallel_iterations=1,
        )
        return {**outputs, "output": detailed}

    def _options(self, levels: tf.Tensor, holes: tf.Tensor) -> dict[str, Any]:
        if not isinstance(self.model, ContextualAttentionModel):
            return {}
        guess = None if self.trained_hole is None else self._guess(levels, holes)
        return {"attention": self._attend, "coarse": guess}

    def _attend(self, features: tf.Tensor, _: Any, mask: tf.Tensor, **options: Any) -> Any:
        """Attend as the layer of the model does, with streamed scores for large photographs."""
        refinement = self.model.refinement

        def streamed() -> Any:
            config = {**refinement.attention.get_config(), "formulation": "streamed"}
            needed = features_near(mask, refinement.attention_decoder_field)
            layer = ContextualAttention.from_config(config)
            return layer(features, features, mask, needed=needed, **options)

        def at_once() -> Any:
            return refinement.attention(features, features, mask, **options)

        return tf.cond(_is_large(mask), streamed, at_once)

    def _guess(self, levels: tf.Tensor, holes: tf.Tensor) -> tf.Tensor:
        """Return the coarse network's picture of each photograph, reduced if its hole is wide."""

        def one_by_one() -> tf.Tensor:
            return tf.map_fn(
                lambda pair: self._guess_one(*pair),
                (levels, holes),
                fn_output_signature=tf.TensorSpec((None, None, 3), tf.float32),
                parallel_iterations=1,
            )

        return tf.cond(_is_large(levels), one_by_one, lambda: self.coarse(levels, holes))

    def _guess_one(self, levels: tf.Tensor, holes: tf.Tensor) -> tf.Tensor:
        depth, hole = tf.cast(hole_depth(holes[..., 0]), tf.float64), self.trained_hole or 0
        sides = tf.cast(tf.shape(levels)[:2], tf.float64)
        photograph = levels[None], holes[None]

        def reduced() -> tf.Tensor:
            share = tf.maximum(hole / 2 / depth, LEAST_COARSE / tf.reduce_max(sides))
            small = tf.maximum(tf.cast(tf.round(sides * share), tf.int32), CELL)
            guess = self.guess_reduced(*photograph, small[0], small[1])
            return reflected(guess, self.model.multiple)

        return tf.cond(depth > hole, reduced, lambda: self.coarse(*photograph))[0]


def _is_large(pictures: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.shape(pictures)[1:3])
    return height * width > LARGE


def hole_depth(holes: tf.Tensor) -> tf.Tensor:
    """Return how far from known pixels the middle of the widest hole of `(H, W)` is."""
    rows, columns = (tf.where(tf.reduce_any(holes > 0, axis))[:, 0] for axis in (1, 0))

    def depth() -> tf.Tensor:
        box = holes[_around(rows), _around(columns)]
        return tf.sqrt(tf.reduce_max(squared_distances(box)))

    return tf.cond(tf.size(rows) > 0, depth, lambda: 0.0)


def _around(places: tf.Tensor) -> slice:
    return slice(tf.maximum(places[0] - 1, 0), places[-1] + 2)


def squared_distances(holes: tf.Tensor, limit: float = _FAR) -> tf.Tensor:
    """Return the squared distance of each pixel of `(H, W)` to the nearest known one.

    Distances longer than `limit` pixels may be returned too long.
    """
    height, width = tf.unstack(tf.shape(holes))

    def down(step: tf.Tensor, far: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        more = tf.cast(step, tf.float32)
        return 2 * step, tf.minimum(far, _nearest(far, step) + more)

    def right(step: tf.Tensor, near: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        more = tf.cast(step, tf.float32) ** 2
        return step + 1, tf.minimum(near, tf.transpose(_nearest(across, step)) + more)

    def goes_on(step: tf.Tensor, near: tf.Tensor) -> tf.Tensor:
        reach = tf.cast(step, tf.float32)
        return (step < width) & (reach <= limit) & (reach**2 < tf.reduce_max(near))

    shapes = (tf.TensorShape(()), tf.TensorShape((None, None)))
    far = tf.where(holes > 0, _FAR, 0.0)
    # Steps that double reach all places of a column.
    vertical = tf.while_loop(
        lambda step, _: (step < height) & (tf.cast(step, tf.float32) <= limit),
        down,
        (1, far),
        shapes,
    )[1]
    across = tf.transpose(vertical**2)
    return tf.while_loop(goes_on, right, (1, vertical**2), shapes)[1]


def _nearest(far: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Return the smaller of what lies a step further up and further down."""
    above = tf.pad(far[:-step], [[step, 0], [0, 0]], constant_values=_FAR**2)
    below = tf.pad(far[step:], [[0, step], [0, 0]], constant_values=_FAR**2)
    return tf.minimum(above, below)


def with_detail(filled: tf.Tensor, holes: tf.Tensor) -> tf.Tensor:
    """Return a photograph as `add_detail` does; `holes` `(H, W)` are float32, 0 and 1."""

    def detailed() -> tf.Tensor:
        cell = detail_graph.cell_size(hole_depth(holes))
        depth = tf.sqrt(squared_distances(holes, detail.RAMP))
        found = _find_in_boxes(filled, holes, cell)
        pixels = tf.cast(filled, tf.float32) + detail.share_at(depth, tf.minimum) * found
        pixels = tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)
        return tf.where(holes[..., None] > 0, pixels, filled)

    some = (tf.reduce_max(holes) > 0) & (tf.reduce_min(holes) < 1)
    return tf.cond(some, detailed, lambda: filled)


def _find_in_boxes(filled: tf.Tensor, holes: tf.Tensor, cell: tf.Tensor) -> tf.Tensor:
    """Return the detail of all holes, `(H, W, 3)`, found box by box."""
    size = tf.shape(holes)
    cells = (size + cell - 1) // cell
    padded = cells * cell
    rows, columns = (tf.minimum(tf.range(padded[i]), size[i] - 1) for i in (0, 1))
    picture = tf.gather(tf.gather(filled, rows), columns, axis=1)
    beyond = [[0, padded[0] - size[0]], [0, padded[1] - size[1]]]
    missing, known = (tf.pad(holes == value, beyond) for value in (1, 0))
    first, last = _bounds(missing, cell)
    outer = tf.minimum(last + detail.MARGIN, cells) - tf.maximum(first - detail.MARGIN, 0)
    fits = tf.reduce_prod(outer) <= detail.MOST
    side = tf.where(fits, last - first, detail.BOX)
    counts = (last - first + side - 1) // side

    def find(index: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        start = first + side * tf.stack([index // counts[1], index % counts[1]])
        inner = start * cell, tf.minimum(start + side, last) * cell
        margin = detail.MARGIN * cell
        begin, end = tf.maximum(inner[0] - margin, 0), tf.minimum(inner[1] + margin, padded)

        def inside(values: tf.Tensor) -> tf.Tensor:
            return values[begin[0] : end[0], begin[1] : end[1]]

        around = [[inner[0][i], padded[i] - inner[1][i]] for i in (0, 1)]
        within = tf.pad(tf.ones(inner[1] - inner[0]), around) > 0
        hole = missing & within

        def of_box() -> tf.Tensor:
            crop = detail_graph.find_detail(inside(picture), inside(hole), inside(known), cell)
            beside = [[begin[i], padded[i] - end[i]] for i in (0, 1)]
            return tf.where(within[..., None], tf.pad(crop, [*beside, [0, 0]]), found)

        some = tf.reduce_any(hole) & tf.reduce_any(detail_graph.known_cells(inside(known), cell))
        return index + 1, tf.cond(some, of_box, lambda: found)

    nothing = tf.zeros(tf.concat([padded, [3]], 0))
    shapes = (tf.TensorShape(()), tf.TensorShape((None, None, 3)))
    found = tf.while_loop(
        lambda index, _: index < tf.reduce_prod(counts), find, (0, nothing), shapes
    )[1]
    return found[: size[0], : size[1]]


def _bounds(missing: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first cells with missing pixels along both axes, and those behind the last."""
    lines = [tf.where(tf.reduce_any(missing, axis))[:, 0] for axis in (1, 0)]
    first, last = (tf.cast(tf.stack([line[i] for line in lines]), tf.int32) for i in (0, -1))
    return first // cell, last // cell + 1
