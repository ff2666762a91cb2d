"""The routes of the page: its files, the folder, and the documents that it has open."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import io
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import cv2
import numpy as np
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from inpaint_tf.flow_colors import attention_map
from inpaint_tf.inference.conversion import UInt8
from inpaint_tf.studio.document import ORIGINAL, Choice, Document, Version
from inpaint_tf.studio.encoding import MEDIA_TYPES, encoded, mask_png, read_mask_png, shown
from inpaint_tf.studio.folder import Folder
from inpaint_tf.studio.reduction import SHOWN, Box, covered, enlarged
from inpaint_tf.studio.studio import Studio, failure_of
from inpaint_tf.studio.worker import Job
from neuralgym_lite.errors import UserError
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import MID_GREY, Picture, read_levels, read_rgb

STATIC = Path(__file__).parent / "static"
_THUMBNAIL = 240  # pixels of its longer side
_LISTED = 120  # photographs of one answer
# Importing TensorFlow keeps Python busy: the rest of the page, and thumbnails, are served before.
_PATIENCE = 0.5  # seconds
_PNG = "image/png"
_FRESH = {"Cache-Control": "no-cache"}
_ONE_THUMBNAIL = threading.Lock()  # decoding takes time and memory, and fills come first


def routes() -> list[BaseRoute]:
    """Return the routes of the page."""
    document = "/studio/documents/{key}"
    return [
        Route("/", _page),
        Mount("/static", _Static(directory=STATIC)),
        Route("/studio/state", _state),
        Route("/studio/folder", _list),
        Route("/studio/thumbnail", _thumbnail),
        Route("/studio/documents", _open, methods=["POST"]),
        Route(document, _describe, methods=["GET"]),
        Route(document, _close, methods=["DELETE"]),
        Route(f"{document}/view", _view),
        Route(f"{document}/crop", _crop),
        Route(f"{document}/mask", _convert_mask, methods=["POST"]),
        Route(f"{document}/fills", _fill, methods=["POST"]),
        Route(f"{document}/versions/{{number:int}}/patch", _patch),
        Route(f"{document}/versions/{{number:int}}/attention", _attention),
        Route(f"{document}/file", _file),
        Route(f"{document}/save", _save, methods=["POST"]),
    ]


class _Static(StaticFiles):
    """Files that a browser asks about each time, so that an upgrade is seen at once."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(_FRESH)
        return response


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers=_FRESH)


async def _state(request: Request) -> Response:
    studio = _studio(request)
    asyncio.get_running_loop().call_later(_PATIENCE, studio.load)
    error = studio.load_error
    folder = studio.folder
    return JSONResponse(
        {
            "boot": studio.boot,
            "version": importlib.metadata.version("inpaint-tf"),
            "ready": studio.engine.is_ready,
            "error": failure_of(error)[1] if error else "",
            "default": studio.engine.default,
            "models": await run_in_threadpool(studio.engine.models),
            "folder": folder.root.name if folder and not folder.single else "",
            "single": folder.single if folder else None,
        }
    )


async def _list(request: Request) -> Response:
    found = await run_in_threadpool(_folder(request).photographs)
    if request.query_params.get("undone"):
        found = [each for each in found if not each.is_done]
    start = _number(request, "start", 0)
    part = found[start : start + _LISTED]
    rows = [{"path": each.path, "done": each.is_done} for each in part]
    return JSONResponse({"photographs": rows, "total": len(found)})


async def _thumbnail(request: Request) -> Response:
    path = _folder(request).locate(request.query_params.get("path", ""))
    stamp = path.stat().st_mtime_ns
    data = await run_in_threadpool(_thumbnail_of, path, stamp)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=60"})


def _thumbnail_of(path: Path, stamp: int) -> bytes:
    with _ONE_THUMBNAIL:
        return _cached_thumbnail(path, stamp)


@functools.lru_cache(maxsize=1024)
def _cached_thumbnail(path: Path, stamp: int) -> bytes:
    pixels = read_rgb(path)
    share = min(_THUMBNAIL / max(pixels.shape[:2]), 1)
    size = [max(round(side * share), 1) for side in pixels.shape[1::-1]]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


async def _open(request: Request) -> Response:
    """Open a photograph of the folder (`path`), or the body of the request (`name`)."""
    studio = _studio(request)
    relative = request.query_params.get("path")
    if relative is not None:
        document = await run_in_threadpool(studio.documents.open_listed, _folder(request), relative)
        return JSONResponse(_facts(studio, document))
    async with _sent(request, "photograph") as (file, name):
        document = await run_in_threadpool(studio.documents.open_sent, file, name)
    return JSONResponse(_facts(studio, document))


async def _describe(request: Request) -> Response:
    return JSONResponse(_facts(_studio(request), _document(request)))


async def _close(request: Request) -> Response:
    _studio(request).documents.forget(request.path_params["key"])
    return JSONResponse({})


async def _view(request: Request) -> Response:
    document = _document(request)
    number = _number(request, "version", ORIGINAL)

    def make() -> bytes:
        return shown(document.reduced(document.picture(number)))

    return Response(await run_in_threadpool(make), media_type=_PNG)


async def _crop(request: Request) -> Response:
    """Return a part of a version at full size."""
    document = _document(request)
    number = _number(request, "version", ORIGINAL)
    edges = [_number(request, side, -1) for side in Box._fields]
    box = Box(*edges)
    fits = 0 <= box.left < box.right <= document.width and 0 <= box.top < box.bottom
    if not fits or box.bottom > document.height:
        raise UserError(f"There is no part {tuple(box)} of the photograph")
    if (box.right - box.left) * (box.bottom - box.top) > 4 * SHOWN:
        raise UserError("The part is too large; ask for a smaller one")

    def make() -> bytes:
        picture = document.picture(number)
        alpha = None if picture.alpha is None else picture.alpha[box.slices]
        rgb = np.ascontiguousarray(picture.rgb[box.slices])
        return shown(Picture(rgb, alpha, picture.grey, profile=picture.profile))

    return Response(await run_in_threadpool(make), media_type=_PNG)


async def _convert_mask(request: Request) -> Response:
    """Return the mask of the page as a file for `--mask`, or such a file as a mask for the page."""
    document = _document(request)
    if request.query_params.get("to") == "photograph":
        mask = await _mask_of_page(request, document)
        return Response(await run_in_threadpool(mask_png, mask), media_type=_PNG)
    async with _sent(request, "mask") as (file, name):
        levels = await run_in_threadpool(read_levels, file)
        _studio(request).documents.discard(file)
    if levels.shape != (document.height, document.width):
        raise UserError(
            f"{name}: is {levels.shape[1]}x{levels.shape[0]} pixels, but the photograph is "
            f"{document.width}x{document.height}"
        )
    mask = covered((levels > MID_GREY).astype(np.uint8), document.factor)
    return Response(mask_png(mask), media_type=_PNG)


async def _fill(request: Request) -> Response:
    """Fill what the mask in the body covers; answer with lines of JSON, the last of the result."""
    studio, document = _studio(request), _document(request)
    parent = _number(request, "version", ORIGINAL)
    if parent != ORIGINAL:
        document.version(parent)
    given = request.query_params
    details = {"on": True, "off": False, "": None}
    detail = details.get(given.get("detail", ""))
    choice = Choice(given.get("model", ""), detail, given.get("blend") == "on")
    mask = await _mask_of_page(request, document)
    if not mask.any():
        raise UserError("Nothing is painted yet")

    def run(job: Job[Version]) -> Version:
        inpainter = studio.engine.inpainter(choice.model)
        filled = inpainter.fill(
            document.picture(parent),
            mask,
            detail=choice.detail,
            blend=choice.blend,
            on_progress=job.advance,
        )
        job.advance(job.share)
        return document.add(parent, filled, mask, choice)

    async def lines() -> AsyncIterator[str]:
        async for job in studio.follow(request, _client(request), run):
            yield f"{json.dumps(_progress(studio, document, job))}\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=_FRESH)


def _progress(studio: Studio, document: Document, job: Job[Version]) -> dict[str, Any]:
    if not job.future.done():
        waits = "waiting" if studio.engine.is_ready else "loading"
        return {"state": "filling" if job.future.running() else waits, "share": job.share}
    if job.future.cancelled() or (error := job.future.exception()) is None:
        if job.future.cancelled():
            return {"state": "failed", "status": 409, "error": "canceled"}
        version = job.future.result()
        box = version.box.reduced(document.factor)
        return {"state": "done", "version": version.number, "box": box}
    status, text = failure_of(error)
    return {"state": "failed", "status": status, "error": text}


async def _patch(request: Request) -> Response:
    document = _document(request)
    version = document.version(request.path_params["number"])
    return FileResponse(document.patch_file(version.number), media_type=_PNG)


async def _attention(request: Request) -> Response:
    """Return where the content of a fill was looked up, as a picture of its box."""
    studio, document = _studio(request), _document(request)
    version = document.version(request.path_params["number"])

    def run(job: Job[bytes]) -> bytes:
        inpainter = studio.engine.inpainter(version.choice.model)
        if not inpainter.has_attention:
            raise UserError(f"Model '{inpainter.name}' has no attention")
        mask = document.mask(version)
        _, offsets = inpainter.fill(
            document.picture(version.parent),
            mask,
            return_attention=True,
            detail=version.choice.detail,
            on_progress=job.advance,
        )
        if offsets is None:
            raise UserError("No attention: the smooth surroundings were continued")
        return _overlay(document, version, offsets[0], mask)

    async for job in studio.follow(request, _client(request), run):
        if job.future.done():
            return Response(job.future.result(), media_type=_PNG)
    return JSONResponse({"error": "canceled"}, 409)


def _overlay(document: Document, version: Version, offsets: Any, mask: UInt8) -> bytes:
    colors = attention_map(offsets, mask.shape)
    return shown(document.reduced(Picture(colors, mask * np.uint8(255)), version.box))


async def _file(request: Request) -> Response:
    """Return a version as the file that `fill` writes, or as a PNG for the clipboard."""
    document = _document(request)
    number = _number(request, "version", ORIGINAL)
    if request.query_params.get("as") == "png":
        data = await run_in_threadpool(lambda: shown(document.picture(number)))
        return Response(data, media_type=_PNG)
    picture = await run_in_threadpool(document.picture, number)
    data = await run_in_threadpool(encoded, picture)
    name = Folder.filled_name(document.name)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(data, media_type=MEDIA_TYPES[picture.format], headers=headers)


async def _save(request: Request) -> Response:
    """Write a version beside its original."""
    document, folder = _document(request), _folder(request)
    if not document.relative:
        raise UserError(f"{document.name} was not opened from the folder: download it instead")
    number = _number(request, "version", ORIGINAL)
    name = request.query_params.get("name") or folder.proposed_name(document.relative)
    overwrites = request.query_params.get("overwrite") == "on"
    target = folder.target(document.relative, name, overwrites)

    def save() -> str:
        picture = document.picture(number)
        if target == document.source:
            document.detach()
        return ", ".join(filter(None, (picture.lost, write_picture(target, picture))))

    note = await run_in_threadpool(save)
    return JSONResponse({"name": name, "note": note})


def _facts(studio: Studio, document: Document) -> dict[str, Any]:
    relative = document.relative
    return {
        "key": document.key,
        "name": document.name,
        "path": relative,
        "width": document.width,
        "height": document.height,
        "factor": document.factor,
        "format": document.format,
        "note": document.lost,
        "proposed": studio.folder.proposed_name(relative) if studio.folder and relative else "",
        "filledName": Folder.filled_name(document.name),
    }


def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _folder(request: Request) -> Folder:
    folder = _studio(request).folder
    if folder is None:
        raise UserError("No folder was given: start the studio as `inpaint-tf studio FOLDER`")
    return folder


def _document(request: Request) -> Document:
    return _studio(request).documents.get(request.path_params["key"])


def _client(request: Request) -> str:
    return f"page {request.query_params.get('page', '')}"


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise UserError(f"`{name}` must be a whole number. Received: {text[:20]}")
    return int(text)


@contextlib.asynccontextmanager
async def _sent(request: Request, default: str) -> AsyncIterator[tuple[Path, str]]:
    """Provide the body as a file, and its name, by which errors call it.

    It is removed if the block fails.
    """
    name = Path(request.query_params.get("name", "")).name or default
    documents = _studio(request).documents
    file = documents.place(name)
    try:
        async with await anyio.open_file(file, "wb") as sink:
            async for chunk in request.stream():
                await sink.write(chunk)
        yield file, name
    except BaseException as error:
        documents.discard(file)
        if isinstance(error, UserError):
            raise UserError(str(error).replace(str(file), name)) from error
        raise


async def _mask_of_page(request: Request, document: Document) -> UInt8:
    """Return the mask in the body, which is a part of the page's, at full size."""
    left, top = _number(request, "left", 0), _number(request, "top", 0)
    data = await request.body()

    def read() -> UInt8:
        factor = document.factor
        height, width = -(-document.height // factor), -(-document.width // factor)
        part = read_mask_png(data, width * height)
        if top + part.shape[0] > height or left + part.shape[1] > width:
            raise UserError("The mask is larger than its photograph")
        whole = np.zeros((height, width), np.uint8)
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part
        return enlarged(whole, factor, document.width, document.height)

    return await run_in_threadpool(read)
