"""Fill photographs on disk: pair each with its mask and its target, then fill one at a time."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import cv2

from inpaint_tf.data.split import canonical
from inpaint_tf.inference.inpainter import FillOptions, Inpainter, UInt8
from inpaint_tf.masks import NothingKnownError
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import atomic_write
from neuralgym_lite.image_folders import Log, find_images
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import (
    MAX_PIXELS,
    MID_GREY,
    SUFFIXES,
    ImageError,
    Picture,
    read_levels,
    read_picture,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

Paths: TypeAlias = tuple[Path, ...]
Status: TypeAlias = Literal["filled", "empty-mask", "failed"]


@dataclass(frozen=True)
class Job:
    """One photograph to fill.

    Attributes:
        source: the photograph.
        masks: the mask files that match it; it can be filled if there is exactly one.
        target: where the filled photograph goes.
        attention_map: where its attention map goes, if one is asked for.
        rivals: relative paths, without suffix, of other photographs that the masks match as well,
            by names that are alike; it can be filled if there is none.
    """

    source: Path
    masks: Paths
    target: Path
    attention_map: Path | None = None
    rivals: Paths = ()


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
    log: Log | None = None,
) -> list[Job]:
    """Pair photographs with masks and targets, before anything is written.

    Files keep their names below `out`, and those of a folder their paths in it. When a folder is
    given that contains `out` or the masks, the pictures there are not taken for photographs.

    Args:
        inputs: photographs and folders of photographs.
        mask: one mask for all, or a folder of masks. A mask there has the relative path of its
            photograph, with any suffix. If there is none, a path is accepted that differs in the
            composition of Unicode, or else in case, provided that only one photograph and one mask
            match.
        out: folder to write to.
        attention_maps: whether `<stem>.attention.png` is to be written beside each.
        log: called with a line about files that are no pictures, if there are any.

    Returns:
        One job a photograph, in the order of `inputs`.

    Raises:
        UserError: If something is missing, two files would be written to one path, or one would
            overwrite an input.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; `out` must name a folder")
    if not out.exists() and out.suffix.lower() in SUFFIXES:
        raise UserError(f"{out}: `out` names a folder, in which photographs keep their names")
    masks = _masks_by_stem(mask, log)
    photographs = _photographs(inputs, mask, out, log)
    stems = {relative.with_suffix(""): None for relative in photographs.values()}
    matches = _match(stems, masks) if mask.is_dir() else dict.fromkeys(stems, ((mask,), ()))
    jobs: list[Job] = []
    for source, relative in photographs.items():
        found, rivals = matches.get(relative.with_suffix(""), ((), ()))
        target = out / relative
        shown = target.with_suffix(".attention.png") if attention_maps else None
        jobs.append(Job(source, found, target, shown, rivals))
    if not any(job.masks for job in jobs):
        raise UserError(
            f"{mask}: no mask in it is named like a photograph; that of {jobs[0].source.name} "
            f"would be {jobs[0].target.stem}.png"
        )
    _refuse_overwriting(jobs, [path for paths in masks.values() for path in paths])
    return jobs


def fill_photographs(
    inpainter: Inpainter,
    jobs: Iterable[Job],
    max_pixels: int = MAX_PIXELS,
    **options: Unpack[FillOptions],
) -> Iterator[Result]:
    """Fill photographs one at a time; one that fails does not stop the others.

    The EXIF orientation is applied, so a mask belongs to the upright photograph. Alpha, greyness,
    color profile and file format are kept, but filled pixels are opaque. A photograph with an empty
    mask is copied unchanged.

    Args:
        inpainter: fills them.
        jobs: from `plan_jobs`.
        max_pixels: the most pixels of a photograph or mask.
        **options: those of `Inpainter.fill`.

    Yields:
        One result a job, as soon as its files are written.
    """
    for job in jobs:
        try:
            yield _fill(inpainter, job, max_pixels, FillOptions(**options))
        except ImageError as error:
            yield Result(job.source, job.target, "failed", str(error))
        except (UserError, OSError, MemoryError, cv2.error) as error:
            yield Result(job.source, job.target, "failed", f"{job.source}: {reason_of(error)}")


def _fill(inpainter: Inpainter, job: Job, max_pixels: int, options: FillOptions) -> Result:
    mask_file = _only_mask(job)
    invert_mask = options.get("invert_mask", False)
    picture = read_picture(job.source, max_pixels)
    levels = _read_levels(mask_file, max_pixels, invert_mask)
    if levels.shape != picture.rgb.shape[:2]:
        raise UserError(
            f"is {_size(picture.rgb)} pixels upright, but its mask {mask_file} is {_size(levels)}"
        )
    if levels.max() <= MID_GREY:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(job.target, job.source.read_bytes())
        message = f"{job.source}: {_nothing_missing(mask_file, levels, invert_mask)}; copied"
        return Result(job.source, job.target, "empty-mask", message)
    mapped = job.attention_map is not None
    inverted: FillOptions = {**options, "invert_mask": False}  # the levels are already
    try:
        filled = inpainter.fill(picture, levels, return_attention=mapped, **inverted)
        picture, offsets = filled if mapped else (filled, None)
    except NothingKnownError as error:
        grown = f", grown by {options['grow']} pixels" if options.get("grow") else ""
        raise UserError(f"with its mask {mask_file}{grown}, {error}") from error
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.attention_map is not None and offsets is not None:
        from inpaint_tf.report.flow_colors import attention_map  # whose package needs Keras

        write_picture(job.attention_map, Picture(attention_map(offsets[0], levels.shape)))
    notes = [picture.lost, write_picture(job.target, picture)]
    if job.attention_map is not None and offsets is None and inpainter.has_attention:
        notes.append("no attention map, as its smooth surroundings were continued in its holes")
    message = f"{job.source}: {', '.join(filter(None, notes))}" if any(notes) else ""
    return Result(job.source, job.target, "filled", message)


def _only_mask(job: Job) -> Path:
    """Return the mask of a photograph, or refuse to choose."""
    found = " and ".join(map(str, job.masks)) or "none"
    if job.rivals:
        others = " and ".join(map(str, job.rivals))
        raise UserError(f"needs a mask of its name, found {found}, which may be for {others} too")
    if len(job.masks) != 1:
        raise UserError(f"needs one mask of its name, found {found}")
    return job.masks[0]


def _read_levels(path: Path, max_pixels: int, invert: bool) -> UInt8:
    try:
        return read_levels(path, max_pixels, invert)
    except ImageError as error:
        # Not an ImageError, for it is told of the photograph that cannot be filled.
        raise UserError(f"has no mask that can be used: {error}") from error


def _nothing_missing(mask: Path, levels: UInt8, inverted: bool) -> str:
    """Say which level came nearest to missing, and what would be missing."""
    nearest = int(levels.max())
    if inverted:
        seen = f"darkest pixel has level {255 - nearest} of 255, and with `invert_mask` only levels"
        return f"its mask {mask} marks nothing as missing: its {seen} up to {MID_GREY} count"
    seen = f"lightest pixel has level {nearest} of 255, and only levels above {MID_GREY} count"
    return f"its mask {mask} marks nothing as missing: its {seen} (dark ones with `invert_mask`)"


def _photographs(
    inputs: Sequence[Path], mask: Path, out: Path, log: Log | None
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
        found = [
            file
            for file in find_images(path, log)
            if not any(_place(file).is_relative_to(place) for place in below)
        ]
        if not found:
            raise UserError(f"{path}: no photograph in it beside the masks and `out` {out}")
        for file in found:
            photographs.setdefault(_place(file), (file, file.relative_to(path)))
    return dict(photographs.values())


def _place(path: Path) -> Path:
    # Of links in a circle `Path.resolve` makes an error, before Python 3.13.
    return Path(os.path.realpath(path))


def _masks_by_stem(mask: Path, log: Log | None) -> dict[Path, Paths]:
    """Return masks by their relative path without suffix; a single mask under its own."""
    if not mask.exists():
        raise UserError(f"{mask}: no such mask; `mask` takes a file or a folder")
    if not mask.is_dir():
        return {mask: (mask,)}
    masks: dict[Path, Paths] = defaultdict(tuple)
    for path in find_images(mask, log):
        masks[path.relative_to(mask).with_suffix("")] += (path,)
    return dict(masks)


def _match(stems: Collection[Path], masks: Mapping[Path, Paths]) -> dict[Path, tuple[Paths, Paths]]:
    """Return the masks of photographs, and the other photographs that these match as well."""
    matches: dict[Path, tuple[Paths, Paths]] = {
        stem: (masks[stem], ()) for stem in stems if stem in masks
    }
    for spell in (_composed, _caseless):
        ours: dict[bytes, list[Path]] = defaultdict(list)
        theirs: dict[bytes, list[Path]] = defaultdict(list)
        for stem in stems:
            ours[spell(stem)].append(stem)
        for stem, paths in masks.items():
            theirs[spell(stem)] += paths
        for stem in stems:
            if stem not in matches and spell(stem) in theirs:
                rivals = tuple(each for each in ours[spell(stem)] if each != stem)
                matches[stem] = tuple(theirs[spell(stem)]), rivals
    return matches


def _composed(stem: Path) -> bytes:
    return canonical(stem.as_posix())


def _caseless(stem: Path) -> bytes:
    return canonical(unicodedata.normalize("NFD", stem.as_posix()).casefold())


def _refuse_overwriting(jobs: Sequence[Job], masks: Iterable[Path]) -> None:
    """Refuse targets that are inputs, and targets that are shared."""
    inputs = {_place(path): path for path in (*masks, *(job.source for job in jobs))}
    sources: dict[Path, Path] = {}
    targets = [(job.target, job.source) for job in jobs]
    targets += [(job.attention_map, job.source) for job in jobs if job.attention_map]
    for target, source in targets:
        place = _place(target)
        if place in inputs:
            raise UserError(
                f"{target}: would be written over the input {inputs[place]}; "
                "choose another folder as `out`"
            )
        if _place(sources.setdefault(place, source)) != _place(source):
            raise UserError(
                f"{target}: would be written for both {sources[place]} and {source}; "
                "fill them in two runs with an `out` each"
            )


def _size(pixels: UInt8) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
