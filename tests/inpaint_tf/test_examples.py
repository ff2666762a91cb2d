"""Every public name has an example in its docstring that works."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inpaint_tf
from inpaint_tf.exporters import exporter, price
from inpaint_tf.inference.inpainter import Inpainter
from inpaint_tf.model_source import ModelSource


def public() -> dict[str, Any]:
    """Return everything that the package and its public modules offer, by name."""
    found: dict[str, Any] = {
        "ModelSource": ModelSource,
        "Inpainter.fill": Inpainter.fill,
        "Inpainter.from_preset": Inpainter.from_preset,
    }
    for name in inpaint_tf.__all__:
        offered = getattr(inpaint_tf, name)
        if inspect.ismodule(offered):
            found |= {f"{name}.{each}": getattr(offered, each) for each in offered.__all__}
        else:
            found[name] = offered
    return {
        name: each
        for name, each in found.items()
        if inspect.isroutine(each) or inspect.isclass(each)
    }


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    smallest = min(exporter.probes(), key=lambda pair: pair[0].size)
    monkeypatch.setattr(exporter, "probes", lambda: [smallest])
    monkeypatch.setattr(price, "SIZE", 64)
    names = {"inpaint_tf": inpaint_tf, "np": np}
    text = inspect.getdoc(PUBLIC[name]) or ""
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert example.examples, f"{name} has no example"
    report: list[str] = []
    failed, _ = doctest.DocTestRunner().run(example, out=report.append)
    assert failed == 0, "".join(report)
