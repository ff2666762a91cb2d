"""Training procedures, one a file, and the run around them."""
