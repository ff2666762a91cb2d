"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inpaint_tf.data.photo_set import PhotoSet


@dataclass(frozen=True)
class JoinedPhotos(PhotoSet):
    """The photographs of several data sets; a key is that of its own, below the set's name.

    Attributes:
        parts: the data sets by name.
    """

    parts: Mapping[str, PhotoSet]

    @classmethod
    def of(cls, parts: Mapping[str, PhotoSet]) -> JoinedPhotos:
        """Join data sets; each keeps its split.

        Args:
            parts: the data sets by name.

        Returns:
            A set named after them, such as `"animals+places2"`.
        """
        train = tuple(f"{name}/{key}" for name, part in parts.items() for key in part.train)
        test = tuple(f"{name}/{key}" for name, part in parts.items() for key in part.test)
        return cls("+".join(parts), None, train, test, parts)

    def path(self, key: str) -> Path:
        """Return the file that holds the photograph `key`."""
        part, own = self._find(key)
        return part.path(own)

    def weigh(self, key: str) -> int:
        """Return the bytes of the file that holds the photograph `key`, 0 if it is missing."""
        part, own = self._find(key)
        return part.weigh(own)

    def load_full(self, key: str) -> np.ndarray:
        """Read a photograph at its own size, as its data set does."""
        part, own = self._find(key)
        return part.load_full(own)

    def _find(self, key: str) -> tuple[PhotoSet, str]:
        name, _, own = key.partition("/")
        return self.parts[name], own
