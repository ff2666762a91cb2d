"""The examples in the docstrings of the studio work."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["documents", "engine", "folder", "worker"])
def test_the_example_works(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"inpaint_tf.studio.{name}")
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
