"""What the HTML pages share: one file each, which loads nothing and runs no script."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

LARGEST_PNG = 128


def html_page(title: str, lead: str, body: str, nav: str = "") -> str:
    """Return a whole page.

    Args:
        title: as text.
        lead: the sentence below it, as HTML.
        body: as HTML.
        nav: as HTML.
    """
    style = files("inpaint_tf.report").joinpath("page.css").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{lead}</p>{nav}</header>{body}'
        f'<footer class="small">Written by inpaint-tf {escape(version("inpaint-tf"))}.</footer>'
        "</main></body></html>\n"
    )


def data_uri(picture: npt.NDArray[np.uint8]) -> str:
    """Return a picture as a URI that holds it: small ones exactly, others as JPEG."""
    small = max(picture.shape) <= LARGEST_PNG
    file = io.BytesIO()
    options: dict[str, Any] = {"optimize": True} if small else {"quality": 92, "subsampling": 0}
    Image.fromarray(picture).save(file, "PNG" if small else "JPEG", **options)
    kind = "png" if small else "jpeg"
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


def definition_list(terms: Mapping[str, str]) -> str:
    """Return terms and what they mean."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in terms.items())
    return f"<dl>{rows}</dl>"
