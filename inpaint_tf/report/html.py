"""Pages, plots and texts from the templates beside this file."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

LARGEST_PNG = 128


def render(template: str, **values: Any) -> str:
    """Fill in a template.

    Args:
        template: file name in `inpaint_tf/report/templates`.
        values: variables of the template. Text is escaped in HTML and SVG.
    """
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> Any:
    # Imported here because training imports this package, and writes no page.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("inpaint_tf.report"),
        autoescape=select_autoescape(["html.j2", "svg.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = version("inpaint-tf")
    environment.filters |= {
        "counted": counted,
        "data_uri": data_uri,
        "number": lambda value, digits, sign="": f"{value:{sign}.{digits}f}",
        "percent": "{:.1%}".format,
    }
    environment.tests["small"] = is_small
    return environment


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as "1 photograph" or "2 photographs"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def is_small(picture: npt.NDArray[np.uint8]) -> bool:
    """Return whether a picture is shown exactly: as PNG, and with sharp pixels when enlarged."""
    return max(picture.shape) <= LARGEST_PNG


def data_uri(picture: npt.NDArray[np.uint8]) -> str:
    """Return a picture as a `data:` URI: small ones exactly, others as JPEG."""
    file = io.BytesIO()
    if is_small(picture):
        Image.fromarray(picture).save(file, "PNG", optimize=True)
        return encode("png", file)
    Image.fromarray(picture).save(file, "JPEG", quality=92, subsampling=0)
    return encode("jpeg", file)


def encode(kind: str, file: io.BytesIO) -> str:
    """Return the bytes of a picture file as a `data:` URI."""
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def flat(value: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """Yield dotted names and values of nested settings."""
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        value = dict(enumerate(value, 1))
    if not isinstance(value, dict):
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield name, "none" if value is None else text
        return
    for key, part in value.items():
        yield from flat(part, f"{name}.{key}" if name else str(key))
