"""The data of one training round, as a pure function of the settings and the round's index."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inpaint_tf.data.augmentation import Augmentation
from inpaint_tf.data.photo_set import CachedPhotos, PhotoSet
from inpaint_tf.losses import discount_weights
from inpaint_tf.training.config import TrainConfig, WGANLossConfig
from neuralgym_lite.errors import UserError
from neuralgym_lite.images import ImageError
from neuralgym_lite.seeds import generator, shuffled_index

NAMED = 20  # Broken photographs that an error lists.


class RoundDataset:
    """Makes the batches of round i: photographs, masks, and every random number of the training.

    A photograph that cannot be read is replaced by the next one of the data set.

    Args:
        photos: The data set. Its training photographs are used.
        config: Settings of the run.
        on_bad_photo: Called once with the error of each photograph that cannot be read.
        order: Order of the photographs. Another number gives another order. Defaults to 0.

    Attributes:
        failure: The error that ended the data, which TensorFlow's pipeline does not pass on.
    """

    def __init__(
        self,
        photos: PhotoSet,
        config: TrainConfig,
        on_bad_photo: Callable[[ImageError], object] = lambda error: None,
        order: int = 0,
    ) -> None:
        self.photos = photos
        self.config = config
        self.mode = config.mask.make_mode()
        self.shape = config.mask.make_shape(config.data.image_size)
        self._augmentation = Augmentation(config.data.flip, config.data.smallest_crop)
        cached_size = self._augmentation.source_size(config.data.image_size)
        self._cache = CachedPhotos(photos, cached_size)
        self._on_bad_photo = on_bad_photo
        self.failure: UserError | None = None
        self._stream = f"photo-{order}" if order else "photo"
        self._bad: dict[str, ImageError] = {}
        self._lock = threading.Lock()

    def make(self, index: int) -> dict[str, NDArray[Any]]:
        """Make a round.

        Args:
            index: Number of the round, from 0.

        Returns:
            The batch axis comes first, so that a strategy can split it; n is `n_critic`.

            * `image`: `(B, n, H, W, 3)` uint8, and `prefilled`, alike, where OpenCV fills first;
            * `mask`: `(B, n, H, W, 1)` uint8; `box`: `(B, n, 4)` int32, and `real_box`, alike, that
              was drawn apart;
            * `alpha`: `(B, n, 2)` float32 in [0, 1), for the local and global gradient penalty;
            * `discount`: `(B, H, W, 1)` float32, of the round's last batch, for losses that use it.
        """
        made = self._draw(index)
        photos = [[self._photo(each) for each in batch] for batch in self._positions(index)]
        made["image"] = np.stack([np.stack(batch) for batch in photos], axis=1)
        if self.mode.prefills:
            pairs = zip(np.concatenate(made["image"]), np.concatenate(made["mask"]), strict=True)
            filled = np.stack([self.mode.prefill(*pair) for pair in pairs])
            made["prefilled"] = filled.reshape(made["image"].shape)
        return made

    def _draw(self, index: int) -> dict[str, NDArray[Any]]:
        """Draw all of a round but its photographs."""
        size, side = self.config.batch_size, self.config.data.image_size
        batches = []
        for iteration in self._iterations(index):
            rng = partial(generator, self.config.seed, index=iteration)
            mask, box = self.shape.draw(rng("mask"), size, side)
            batch: dict[str, NDArray[Any]] = {
                "mask": mask,
                "box": box,
                "real_box": self.shape.draw_boxes(rng("real-box"), size, side),
                "alpha": rng("penalty").random((size, 2), "float32"),
            }
            batches.append(batch)
        drawn = {name: np.stack([batch[name] for batch in batches], axis=1) for name in batches[0]}
        loss, last = self.config.loss, batches[-1]
        if isinstance(loss, WGANLossConfig):
            drawn["discount"] = np.stack(
                [
                    discount_weights(mask, box, loss.spatial_discount_gamma, loss.spatial_discount)
                    for mask, box in zip(last["mask"], last["box"], strict=True)
                ]
            )
        return drawn

    def _iterations(self, index: int) -> range:
        """Return the iterations of a round: one for each batch."""
        return range(index * self.config.n_critic, (index + 1) * self.config.n_critic)

    def _positions(self, index: int) -> list[range]:
        """Return the positions of a round's photographs in the order of the run, by batch."""
        return [self._batch_positions(iteration) for iteration in self._iterations(index)]

    def _batch_positions(self, iteration: int) -> range:
        size = self.config.batch_size
        return range(iteration * size, (iteration + 1) * size)

    def keys(self, iteration: int) -> list[str]:
        """Return the keys of the photographs of one batch, if all of them can be read."""
        return [self.photos.train[self._place(each)] for each in self._batch_positions(iteration)]

    def _place(self, position: int) -> int:
        return shuffled_index(self.config.seed, self._stream, position, len(self.photos.train))

    def _photo(self, position: int) -> NDArray[np.uint8]:
        keys = self.photos.train
        first = self._place(position)
        for step in range(len(keys)):
            key = keys[(first + step) % len(keys)]
            if key in self._bad:
                continue
            try:
                photo = self._cache.load(key)
            except ImageError as error:
                self._refuse(key, error)
                continue
            if not self._augmentation.varies:
                return photo
            size = self.config.data.image_size
            return self._augmentation.apply(photo, size, self._augmentation_rng(position))
        raise self._fail(f"No photograph of '{self.photos.where}' can be read.")

    def _augmentation_rng(self, position: int) -> np.random.Generator:
        return generator(self.config.seed, f"augment-{self._stream}", position)

    def _refuse(self, key: str, error: ImageError) -> None:
        with self._lock:
            told = key in self._bad
            self._bad[key] = error
        if told:
            return
        self._on_bad_photo(error)
        share = len(self._bad) / len(self.photos.train)
        if share > self.config.max_bad_photos:
            names = ", ".join(sorted(self._bad)[:NAMED])
            more = f" and {len(self._bad) - NAMED} more" if len(self._bad) > NAMED else ""
            raise self._fail(
                f"{len(self._bad)} of {len(self.photos.train)} photographs of "
                f"'{self.photos.where}' cannot be read: {names}{more}. Replace them, or allow "
                "more: `max_bad_photos=0.2`."
            )

    def _fail(self, message: str) -> UserError:
        self.failure = UserError(message)
        return self.failure
