"""Data sets by name: which photographs there are, how they are split, and how one is read."""

from inpaint_tf.data.photo_set import CachedPhotos, PhotoSet
from inpaint_tf.data.registry import names, open_photos

__all__ = ["CachedPhotos", "PhotoSet", "names", "open_photos"]
