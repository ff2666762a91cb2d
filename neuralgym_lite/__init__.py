"""A small training kit on Keras 3."""
