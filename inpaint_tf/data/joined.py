"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inpaint_tf.data.photo_set import PhotoSet


@dataclass(frozen=True)
class JoinedPhotos(PhotoSet):
    """The photographs of several data sets. A key is prefixed by the name of its data set.

    Attributes:
        parts: name -> data set.
    """

    parts: Mapping[str, PhotoSet]

    @classmethod
    def of(cls, parts: Mapping[str, PhotoSet]) -> JoinedPhotos:
        """Join data sets, each with its own split, to one named as in `"animals+places2"`."""
        train = tuple(f"{name}/{key}" for name, part in parts.items() for key in part.train)
        test = tuple(f"{name}/{key}" for name, part in parts.items() for key in part.test)
        return cls("+".join(parts), None, train, test, parts)

    def path(self, key: str) -> Path:
        """Return the file of the photograph `key`."""
        part, own = self._find(key)
        return part.path(own)

    def load_full(self, key: str) -> np.ndarray:
        """Read a photograph at its full size."""
        part, own = self._find(key)
        return part.load_full(own)

    def _find(self, key: str) -> tuple[PhotoSet, str]:
        name, _, own = key.partition("/")
        return self.parts[name], own
