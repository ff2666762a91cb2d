"""A training kit on Keras 3 that is independent of inpainting."""
