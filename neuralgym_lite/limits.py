"""Limits that a command line names before the modules that keep them are loaded."""

MAX_PIXELS = 64_000_000  # of a photograph
