"""The interface for other programs: fill one photograph, and whether the server is well."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from inpaint_tf.inference.photographs import Job as Photograph
from inpaint_tf.inference.photographs import fill_photographs
from inpaint_tf.studio.encoding import media_type_of
from inpaint_tf.studio.openapi import FORM, openapi
from inpaint_tf.studio.studio import Studio
from inpaint_tf.studio.worker import Job
from neuralgym_lite.errors import UserError

_SWITCHES = {"true": True, "false": False, "1": True, "0": False}


def routes() -> list[BaseRoute]:
    """Return the routes for other programs."""
    return [
        Route("/api/v1/fill", _fill, methods=["POST"]),
        Route("/api/v1/models", _models),
        Route("/api/v1/openapi.json", _openapi),
        Route("/health", _health),
        Route("/ready", _ready),
    ]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(request: Request) -> Response:
    studio: Studio = request.app.state.studio
    if studio.engine.is_ready:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "failed" if studio.load_error else "loading"}, 503)


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi())


async def _models(request: Request) -> Response:
    studio: Studio = request.app.state.studio
    return JSONResponse({"models": await run_in_threadpool(studio.engine.models)})


async def _fill(request: Request) -> Response:
    studio: Studio = request.app.state.studio
    async with request.form(max_files=2, max_fields=len(FORM)) as form:
        options = _options(form)
        files = [form.get("image"), form.get("mask")]
        with tempfile.TemporaryDirectory(prefix="inpaint-tf-studio-") as folder:
            image, mask = (Path(folder, name) for name in ("image", "mask"))
            for path, file in zip((image, mask), files, strict=True):
                if not isinstance(file, UploadFile):
                    raise UserError(f"Send `{path.name}` as a file of a multipart form")
                await run_in_threadpool(_write, path, file)
            run = functools.partial(_run, studio, image, mask, options)
            client = f"api {request.client.host if request.client else ''}"
            async for job in studio.follow(request, client, run):
                if job.future.done():
                    return job.future.result()
    return JSONResponse({"error": "canceled"}, 409)


def _run(
    studio: Studio, image: Path, mask: Path, options: dict[str, Any], job: Job[Response]
) -> Response:
    """Fill as the command does; what it says of its files is said of the form."""
    options = dict(options)
    inpainter = studio.engine.inpainter(options.pop("model"))
    folder = image.parent
    photograph = Photograph(image.name, folder, folder / "filled", mask.parent, (mask.name,))
    (result,) = fill_photographs(inpainter, [photograph], on_progress=job.advance, **options)
    text = result.message.replace(str(image), "`image`").replace(str(mask), "`mask`")
    if result.status == "failed":
        raise UserError(text)
    data = photograph.target.read_bytes()
    headers = {"X-Note": quote(text)} if text else {}
    return Response(data, media_type=media_type_of(data), headers=headers)


def _write(path: Path, file: UploadFile) -> None:
    with path.open("wb") as sink:
        shutil.copyfileobj(file.file, sink)


def _options(form: FormData) -> dict[str, Any]:
    """Return the options of a fill.

    Raises:
        UserError: if there is an unknown field, or one with a bad value.
    """
    if unknown := sorted(form.keys() - FORM.keys()):
        raise UserError(f"Unknown field '{unknown[0]}'. Known: {', '.join(sorted(FORM))}.")
    options: dict[str, Any] = {"model": str(form.get("model", ""))}
    for name in ("blend", "detail", "invert_mask"):
        if name in form:
            value = str(form[name]).lower()
            if value not in _SWITCHES:
                raise UserError(f"`{name}` must be true or false. Received: {value[:20]}")
            options[name] = _SWITCHES[value]
    grow = str(form.get("grow", "0"))
    if not grow.isdecimal() or int(grow[:6]) > 4096:
        raise UserError(f"`grow` must be a whole number in 0..4096. Received: {grow[:20]}")
    return {**options, "grow": int(grow)}
