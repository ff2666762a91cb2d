"""Image inpainting with contextual attention in Keras 3 on TensorFlow."""
