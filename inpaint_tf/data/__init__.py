"""Data sets by name, their splits into train and test, and reading of photographs."""

from inpaint_tf.data.photo_set import CachedPhotos, PhotoSet
from inpaint_tf.data.registry import names, open_photos

__all__ = ["CachedPhotos", "PhotoSet", "names", "open_photos"]
