"""Approximate contextual attention with fewer background patches. TensorFlow only.

The background patches are a list here, not a map. So fusing cannot add scores of neighbors; it is
made a part of the patches instead. Away from the borders, the sum of scores along both diagonals is
one inner product of wider patches, where a background pixel is weighted by the inverse norms of all
patches that contain it.
"""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf

from inpaint_tf.layers._attention_streamed import Stream

SMOOTHING_STEPS = 5
# Costs of a patch in units of feature distance: of being one cluster side away from the center of
# its cluster, and of each neighbor in another cluster.
SPREAD_COST, BORDER_COST = 0.5, 0.25
SEARCHED = 8  # regions of a hierarchical search whose patches are compared


class Listed(Stream):
    """Attends to a list of background patches. Base class of the approximations."""

    def sources(self, query: Any, key: Any, inverse_norm: Any, background: Any) -> tuple[Any, ...]:
        """Return `query`, the padded background, the weights of its pixels, and its blocks."""
        margins = [(self.wide, self.wide), (self.wide, self.wide), (0, 0)]
        blocks = self.blocks(background)
        return query, tf.pad(key, margins), self._weights(inverse_norm), blocks

    def _weights(self, inverse_norm: Any) -> Any:
        """Return the weight of every pixel of every wide patch, `(H', W', side^2)`."""
        reach = self.reach
        padded = tf.pad(inverse_norm, [(reach, reach), (reach, reach)])
        height, width = tf.unstack(self.back)
        norms = {
            (i, j): padded[i + reach : i + reach + height, j + reach : j + reach + width]
            for i in range(-reach, reach + 1)
            for j in range(-reach, reach + 1)
        }
        pixels = range(-self.wide, self.wide + 1)

        def weight(i: int, j: int) -> Any:
            near = [(y, x) for y, x in norms if max(abs(y - i), abs(x - j)) <= self.margin]
            return tf.add_n([norms[place] for place in near])

        return tf.stack([weight(i, j) for i in pixels for j in pixels], -1)

    def patches(self, padded: Any, places: Any, weights: Any = None) -> Any:
        """Return the wide patches of a map padded by `wide`, `(n, side^2 C)`.

        `places` `(n, 2)` are the (row, column) of each, `weights` `(n, side^2)` those of pixels.
        """
        width = tf.shape(padded)[1]
        side = tf.range(2 * self.wide + 1)
        pixels = places[:, :1] * width + places[:, 1:]
        pixels += tf.reshape(side[:, None] * width + side, (1, -1))
        found = tf.gather(tf.reshape(padded, (-1, padded.shape[-1])), pixels)
        if weights is not None:
            found *= weights[..., None]
        return tf.reshape(found, (-1, (2 * self.wide + 1) ** 2 * padded.shape[-1]))

    def places(self, numbers: Any) -> Any:
        """Return the (row, column) of background patches, given their indices."""
        return tf.stack([numbers // self.back[1], numbers % self.back[1]], -1)

    def listed(self, numbers: Any, pixels: Any, weights: Any, blocks: Any) -> tuple[Any, Any]:
        """Return the keys of background patches, and their values `(n, 4, D)`."""
        places = self.places(numbers)
        keys = self.patches(pixels, places, tf.gather_nd(weights, places))
        return keys, tf.gather(blocks, self.corners(places))

    def corners(self, places: Any) -> Any:
        """Return the indices of the four blocks of each patch, `(n, 4)`."""
        line = self.back[1] + 1
        return (places[:, :1] * line + places[:, 1:]) + tf.stack([0, 1, line, line + 1])

    def queries(self, corner: Any, size: Any, query: Any) -> Any:
        """Return the wide patches of a tile, `(cells, side^2 C)`."""
        after = tf.maximum(corner + size - self.front, 0)
        margins = [(self.wide, self.wide + after[0]), (self.wide, self.wide + after[1]), (0, 0)]
        rows, columns = tf.meshgrid(
            corner[0] + tf.range(size[0]), corner[1] + tf.range(size[1]), indexing="ij"
        )
        places = tf.stack([tf.reshape(rows, [-1]), tf.reshape(columns, [-1])], -1)
        return self.patches(tf.pad(query, margins), places)

    @abc.abstractmethod
    def choose(self, queries: Any, inside: Any, *background: Any) -> tuple[Any, Any, Any, Any]:
        """Choose what a tile is compared with.

        Args:
            queries: `(cells, side^2 C)`.
            inside: 1 for cells in the foreground, `(cells, 1)`.
            *background: the sources after the first.

        Returns:
            Of n patches, their indices, keys `(n, side^2 C)` and values `(n, 4, D)`, and 1 for
            valid ones, else 0.
        """

    def tile(self, corner: Any, size: Any, query: Any, *background: Any) -> tuple[Any, Any]:
        """Return blocks of pixels and the best patches of a tile."""
        inside = self.inside(corner, size)
        queries = self.queries(corner, size, query)
        numbers, keys, values, usable = self.choose(queries, inside, *background)
        scores = tf.matmul(queries, keys, transpose_b=True)
        attention = tf.nn.softmax(scores * (usable * self.how.softmax_scale)) * usable * inside
        depth = values.shape[-1]
        pasted = tf.matmul(tf.cast(attention, self.dtype), tf.reshape(values, (-1, 4 * depth)))
        corners = tf.unstack(tf.reshape(pasted, (size[0], size[1], 4, depth)), axis=2)
        pads = [[(i, 1 - i), (j, 1 - j), (0, 0)] for i in (0, 1) for j in (0, 1)]
        blocks = tf.add_n([tf.pad(each, pad) for each, pad in zip(corners, pads, strict=True)])
        return blocks, tf.reshape(tf.gather(numbers, self.best(attention)), size)


class Sampled(Listed):
    """Attends to a random sample of the valid background patches, with a fixed seed."""

    def choose(self, queries: Any, inside: Any, *background: Any) -> tuple[Any, Any, Any, Any]:
        """Choose the sample."""
        numbers = self._drawn()
        return numbers, *self.listed(numbers, *background), tf.gather(self.usable, numbers)

    def _drawn(self) -> Any:
        count = tf.size(self.usable)
        chance = tf.random.stateless_uniform((count,), seed=(0, 0)) + self.usable
        return tf.math.top_k(chance, tf.maximum(count // self.how.reduction**2, 1)).indices


class Clustered(Listed):
    """Attends to the means of clusters of background patches.

    Clusters begin as squares. Then each patch moves repeatedly to the best cluster among its own
    and those of its four neighbors. The cost is the distance of features, plus the distance from
    the cluster's center, plus a penalty for each neighbor in another cluster.
    """

    def sources(self, query: Any, key: Any, inverse_norm: Any, background: Any) -> tuple[Any, ...]:
        """Return `query`, and the keys and values of all clusters."""
        pixels, weights, blocks = super().sources(query, key, inverse_norm, background)[1:]
        labels = tf.stop_gradient(self._segment(key))
        count = tf.reduce_max(labels) + 1
        sizes = tf.math.unsorted_segment_sum(self.usable, labels, count)
        self.cluster_usable = tf.cast(sizes > 0, tf.float32)

        def means(values: Any) -> Any:
            total = tf.math.unsorted_segment_sum(
                values * tf.cast(self.usable, values.dtype)[:, None], labels, count
            )
            return total / tf.cast(tf.maximum(sizes, 1), values.dtype)[:, None]

        height, width = tf.unstack(self.back)
        side = 2 * self.wide + 1
        keys = [
            means(
                tf.reshape(
                    pixels[i : i + height, j : j + width] * weights[..., i * side + j, None],
                    (height * width, key.shape[-1]),
                )
            )
            for i in range(side)
            for j in range(side)
        ]
        places = self.places(tf.range(height * width))
        corners = tf.unstack(self.corners(places), axis=1)
        values = [means(tf.gather(blocks, corner)) for corner in corners]
        middle = tf.cast(tf.round(means(tf.cast(places, tf.float32))), tf.int32)
        self.middle = middle[:, 0] * width + middle[:, 1]
        return query, tf.concat(keys, -1), tf.stack(values, 1)

    def choose(self, queries: Any, inside: Any, *clusters: Any) -> tuple[Any, Any, Any, Any]:
        """Choose all clusters, each in place of the patch in its middle."""
        return self.middle, *clusters, self.cluster_usable

    def _segment(self, features: Any) -> Any:
        """Return the cluster of every background patch, `(H' W',)`."""
        height, width = tf.unstack(self.back)
        side = self.how.reduction
        rows, columns = tf.range(height)[:, None], tf.range(width)
        across = -(-width // side)
        labels = rows // side * across + columns // side
        count = -(-height // side) * across
        places = tf.cast(self.places(tf.range(height * width)), tf.float32) / side
        features = tf.reshape(features, (height * width, features.shape[-1]))
        scale = tf.math.reduce_std(features) + 1e-6
        features = features / scale / features.shape[-1] ** 0.5
        described = tf.concat([features, places * SPREAD_COST], -1)
        for _ in range(SMOOTHING_STEPS):
            flat = tf.reshape(labels, [-1])
            sizes = tf.math.unsorted_segment_sum(tf.ones_like(flat, tf.float32), flat, count)
            means = tf.math.unsorted_segment_sum(described, flat, count)
            means /= tf.maximum(sizes, 1)[:, None]
            around = tf.pad(labels, [(1, 1), (1, 1)], "SYMMETRIC")
            beside = [
                around[1 + i : 1 + i + height, 1 + j : 1 + j + width]
                for i, j in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
            ]
            costs = []
            for candidate in beside:
                distance = described - tf.gather(means, tf.reshape(candidate, [-1]))
                distance = tf.reshape(tf.reduce_sum(distance**2, -1), (height, width))
                different = [tf.cast(other != candidate, tf.float32) for other in beside[1:]]
                costs.append(distance + BORDER_COST * tf.add_n(different))
            best = tf.argmin(tf.stack(costs), 0, tf.int32)
            labels = tf.reduce_sum(
                tf.stack(beside) * tf.one_hot(best, len(beside), axis=0, dtype=tf.int32), 0
            )
        return tf.reshape(labels, [-1])


class Hierarchical(Listed):
    """Finds the regions most similar to a tile, and attends to the patches in them."""

    def sources(self, query: Any, key: Any, inverse_norm: Any, background: Any) -> tuple[Any, ...]:
        """Return the sources of a list, and compute the keys of the regions."""
        sources = super().sources(query, key, inverse_norm, background)
        _, pixels, weights, _ = sources
        height, width = tf.unstack(self.back)
        side, region = 2 * self.wide + 1, self.how.reduction
        usable = tf.reshape(self.usable, (1, height, width, 1))
        pads = [(0, 0), (0, -height % region), (0, -width % region), (0, 0)]

        def means(values: Any) -> Any:
            values = tf.pad(values * usable, pads)
            return tf.nn.avg_pool2d(values, region, region, "VALID")[0]

        share = means(tf.ones_like(usable))
        keys = [
            means((pixels[i : i + height, j : j + width] * weights[..., i * side + j, None])[None])
            for i in range(side)
            for j in range(side)
        ]
        keys = tf.concat(keys, -1) / tf.maximum(share, 1e-6)
        self.across = tf.shape(keys)[1]
        # The choice of regions has no gradient.
        self.regions = tf.stop_gradient(tf.reshape(keys, (-1, keys.shape[-1])))
        self.region_usable = tf.reshape(share, [-1]) > 0
        return sources

    def tiling(self, wanted: Any, memory: int | None) -> tuple[Any, Any, Any]:
        """Return the origin of the tiles, their count, and their size, which is a region's."""
        del memory
        size = tf.minimum(self.front, self.how.reduction)
        return tf.zeros(2, tf.int32), -(-self.front // size), size

    def choose(self, queries: Any, inside: Any, *background: Any) -> tuple[Any, Any, Any, Any]:
        """Choose the patches of the regions that are most similar to the mean of the tile."""
        mean = tf.reduce_sum(queries * inside, 0) / tf.maximum(tf.reduce_sum(inside), 1)
        scores = tf.linalg.matvec(self.regions, mean)
        scores = tf.where(self.region_usable, scores, scores.dtype.min)
        found = tf.math.top_k(scores, tf.minimum(SEARCHED, tf.size(scores))).indices
        side = tf.range(self.how.reduction)
        rows = (found // self.across * self.how.reduction)[:, None, None] + side[:, None]
        columns = (found % self.across * self.how.reduction)[:, None, None] + side
        exists = (rows < self.back[0]) & (columns < self.back[1])
        numbers = tf.reshape(tf.where(exists, rows * self.back[1] + columns, 0), [-1])
        usable = tf.gather(self.usable, numbers) * tf.cast(tf.reshape(exists, [-1]), tf.float32)
        return numbers, *self.listed(numbers, *background), usable


LISTS: dict[str, type[Stream]] = {
    "cluster": Clustered,
    "hierarchical": Hierarchical,
    "random": Sampled,
}
