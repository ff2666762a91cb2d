"""Fill photographs on disk: pair each with its mask and its target, then fill one at a time."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import cv2

from inpaint_tf.inference.inpainter import Inpainter, UInt8
from inpaint_tf.report.flow_colors import attention_map
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.images import (
    MAX_PIXELS,
    ImageError,
    Picture,
    Tell,
    atomic_write,
    find_images,
    read_mask,
    read_picture,
    write_picture,
)

Status: TypeAlias = Literal["filled", "empty-mask", "failed"]


@dataclass(frozen=True)
class Job:
    """One photograph to fill.

    Attributes:
        source: the photograph.
        masks: the mask files that match it; it can be filled if there is exactly one.
        target: where the filled photograph goes.
        attention_map: where its attention map goes, if one is asked for.
    """

    source: Path
    masks: tuple[Path, ...]
    target: Path
    attention_map: Path | None = None


@dataclass(frozen=True)
class Result:
    """What became of a photograph.

    Attributes:
        source: the photograph.
        target: where it was, or was to be, written.
        status: `"filled"`; `"empty-mask"`: nothing was missing, the file was copied; or
            `"failed"`: it was not written.
        message: why it was not filled, or what of the file is lost, on one line; else empty.
    """

    source: Path
    target: Path
    status: Status
    message: str = ""


def plan_jobs(
    inputs: Sequence[Path],
    mask: Path,
    out: Path,
    attention_maps: bool = False,
    tell: Tell | None = None,
) -> list[Job]:
    """Decide what is filled with which mask and written where, before anything is.

    Files keep their name below `out`, and those of a folder their path in it. Pictures that lie
    in `out` or among the masks are not taken for photographs when a folder above is given.

    Args:
        inputs: photographs and folders of photographs.
        mask: one mask for all, or a folder of masks; a mask there has the relative path of its
            photograph, whatever the suffix.
        out: folder to write to.
        attention_maps: whether `<stem>.attention.png` is to be written beside each.
        tell: as for `find_images`.

    Returns:
        One job a photograph, in the order of `inputs`.

    Raises:
        UserError: If something is missing, or two files would be written to one name, or one over
            an input.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; --out must name a folder")
    masks = _masks_by_stem(mask, tell)
    jobs = [
        Job(
            source,
            masks.get(relative.with_suffix(""), ()) if mask.is_dir() else (mask,),
            out / relative,
            (out / relative).with_suffix(".attention.png") if attention_maps else None,
        )
        for source, relative in _photographs(inputs, mask, out, tell).items()
    ]
    if not any(job.masks for job in jobs):
        raise UserError(
            f"{mask}: no mask in it has the name of a photograph, such as {jobs[0].target.stem}.png"
        )
    _refuse_overwriting(jobs, [path for paths in masks.values() for path in paths])
    return jobs


def fill_photographs(
    inpainter: Inpainter,
    jobs: Iterable[Job],
    max_pixels: int = MAX_PIXELS,
    blend: bool = False,
) -> Iterator[Result]:
    """Fill photographs one at a time; one that fails does not stop the others.

    EXIF orientation is applied, so a mask belongs to the upright photograph. Alpha, greyness,
    colour profile and file format stay. A photograph with an empty mask is copied as it is.

    Args:
        inpainter: what fills them.
        jobs: as `plan_jobs` gives them.
        max_pixels: the most pixels of a photograph or mask.
        blend: whether the holes are blended into what surrounds them.

    Yields:
        One result a job, as soon as its files are written.
    """
    for job in jobs:
        try:
            yield _fill(inpainter, job, max_pixels, blend)
        except ImageError as error:
            yield Result(job.source, job.target, "failed", str(error))
        except (UserError, OSError, MemoryError, cv2.error) as error:
            yield Result(job.source, job.target, "failed", f"{job.source}: {reason_of(error)}")


def _fill(inpainter: Inpainter, job: Job, max_pixels: int, blend: bool) -> Result:
    if len(job.masks) != 1:
        found = " and ".join(map(str, job.masks)) or "none"
        raise UserError(f"needs one mask of its name, found {found}")
    picture = read_picture(job.source, max_pixels)
    mask = _read_mask(job.masks[0], max_pixels)
    if mask.shape != picture.rgb.shape[:2]:
        raise UserError(
            f"is {_size(picture.rgb)} pixels upright, but its mask {job.masks[0]} is {_size(mask)}"
        )
    if not mask.any():
        job.target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(job.target, job.source.read_bytes())
        message = f"{job.source}: its mask {job.masks[0]} marks nothing as missing; copied"
        return Result(job.source, job.target, "empty-mask", message)
    if job.attention_map is None:
        filled, offsets = inpainter.fill(picture.rgb, mask, blend=blend), None
    else:
        filled, offsets = inpainter.fill_with_attention(picture.rgb, mask, blend=blend)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.attention_map is not None and offsets is not None:
        write_picture(job.attention_map, Picture(attention_map(offsets[0], mask.shape)))
    picture = replace(picture, rgb=filled)  # What was read needs no memory any more.
    lost = ", ".join(filter(None, (picture.lost, write_picture(job.target, picture))))
    message = f"{job.source}: {lost}" if lost else ""
    return Result(job.source, job.target, "filled", message)


def _read_mask(path: Path, max_pixels: int) -> UInt8:
    try:
        return read_mask(path, max_pixels)
    except ImageError as error:
        # Not an ImageError, for it is told of the photograph that cannot be filled.
        raise UserError(f"has no mask that can be used: {error}") from error


def _photographs(
    inputs: Sequence[Path], mask: Path, out: Path, tell: Tell | None
) -> dict[Path, Path]:
    """Return each photograph, once however it is spelt, with its path below `out`."""
    photographs: dict[Path, tuple[Path, Path]] = {}
    ours = [_place(path) for path in (mask, out)]
    for path in inputs:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not path.is_dir():
            photographs.setdefault(_place(path), (path, Path(path.name)))
            continue
        below = [place for place in ours if place != _place(path)]
        found = [file for file in find_images(path, tell) if not _lies_in(file, below)]
        if not found:
            raise UserError(f"{path}: no photograph in it beside the masks and --out {out}")
        for file in found:
            photographs.setdefault(_place(file), (file, file.relative_to(path)))
    return dict(photographs.values())


def _lies_in(file: Path, places: Iterable[Path]) -> bool:
    """Tell whether a picture is one of these files, or lies in one of these folders."""
    return any(_place(file).is_relative_to(place) for place in places)


def _place(path: Path) -> Path:
    # Of links in a circle `Path.resolve` makes an error, before Python 3.13.
    return Path(os.path.realpath(path))


def _masks_by_stem(mask: Path, tell: Tell | None) -> dict[Path, tuple[Path, ...]]:
    """Return masks by their relative path without suffix; a single mask under its own."""
    if not mask.exists():
        raise UserError(f"{mask}: no such mask; --mask takes a file or a folder")
    if not mask.is_dir():
        return {mask: (mask,)}
    masks: dict[Path, tuple[Path, ...]] = defaultdict(tuple)
    for path in find_images(mask, tell):
        masks[path.relative_to(mask).with_suffix("")] += (path,)
    return dict(masks)


def _refuse_overwriting(jobs: Sequence[Job], masks: Iterable[Path]) -> None:
    """Refuse targets that are inputs, and targets that are shared."""
    inputs = {_place(path): path for path in (*masks, *(job.source for job in jobs))}
    sources: dict[Path, Path] = {}
    for target, source in _targets(jobs):
        place = _place(target)
        if place in inputs:
            raise UserError(
                f"{target}: would be written over the input {inputs[place]}; "
                "choose another folder as --out"
            )
        if _place(sources.setdefault(place, source)) != _place(source):
            raise UserError(
                f"{target}: would be written for both {sources[place]} and {source}; "
                "fill them in two runs with an --out each"
            )


def _targets(jobs: Sequence[Job]) -> Iterator[tuple[Path, Path]]:
    """Yield each path to be written with the photograph it is for."""
    for job in jobs:
        yield job.target, job.source
        if job.attention_map is not None:
            yield job.attention_map, job.source


def _size(pixels: UInt8) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
