"""Fill photographs on disk: pair each with its mask, then read, fill and write them in turn."""

from __future__ import annotations

import functools
import hashlib
import os
import time
import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import cv2

from inpaint_tf.data.split import canonical
from inpaint_tf.flow_colors import attention_map
from inpaint_tf.inference.inpainter import FillOptions, Inpainter, UInt8
from inpaint_tf.masks import NothingKnownError
from neuralgym_lite.errors import UserError, reason_of
from neuralgym_lite.folders import atomic_write
from neuralgym_lite.image_folders import Log, list_images
from neuralgym_lite.image_writing import write_picture
from neuralgym_lite.images import (
    MID_GREY,
    SUFFIXES,
    ImageError,
    Picture,
    read_levels,
    read_picture,
)
from neuralgym_lite.limits import MAX_PIXELS

if TYPE_CHECKING:
    from typing_extensions import Unpack

Names: TypeAlias = tuple[str, ...]
Status: TypeAlias = Literal["filled", "empty-mask", "skipped", "failed"]
Place: TypeAlias = Callable[[Path, str], str]

WRITERS = 8  # A core compresses some 2 megapixels of a PNG a second, a GPU may fill more.
WAITING_PIXELS = 8_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """One photograph to fill. There may be a million, so each has strings and makes its paths.

    Attributes:
        name: path of the photograph below `folder`, and of its result below `out`, with slashes.
        folder: where the photograph is.
        out: folder to write to.
        mask_folder: where masks are.
        mask_names: paths of the masks that match it, below `mask_folder`; it can be filled if there
            is exactly one.
        rivals: relative paths, without suffix, of other photographs that the masks match as well,
            by names that are alike; it can be filled if there is none.
        attention_maps: whether its attention map is asked for.
    """

    name: str
    folder: Path
    out: Path
    mask_folder: Path
    mask_names: Names
    rivals: Names = ()
    attention_maps: bool = False

    @property
    def source(self) -> Path:
        """The photograph."""
        return self.folder / self.name

    @property
    def masks(self) -> tuple[Path, ...]:
        """The masks that match it."""
        return tuple(self.mask_folder / name for name in self.mask_names)

    @property
    def target(self) -> Path:
        """Where the filled photograph goes."""
        return self.out / self.name

    @property
    def attention_map(self) -> Path | None:
        """Where its attention map goes, if one is asked for."""
        return self.out / _map_of(self.name) if self.attention_maps else None


@dataclass(frozen=True)
class Result:
    """What became of a photograph.

    Attributes:
        name: that of its `Job`, which no other photograph of a plan has.
        source: the photograph.
        target: where it was, or was to be, written.
        status: `"filled"`; `"empty-mask"`: nothing was missing, the file was copied; `"skipped"`:
            its files were there before; or `"failed"`: it was not written.
        message: why it was not filled, or what of the file is lost, on one line; else empty.
        width: of the upright photograph, in pixels; None if it was not read.
        height: of the upright photograph, in pixels; None if it was not read.
        seconds: what reading, filling and writing it took together.
    """

    name: str
    source: Path
    target: Path
    status: Status
    message: str = ""
    width: int | None = None
    height: int | None = None
    seconds: float = field(default=0.0, compare=False)

    def row(self) -> dict[str, str | int | float | None]:
        """Return the attributes as types of JSON."""
        return {**asdict(self), "source": str(self.source), "target": str(self.target)}


def plan_jobs(
    inputs: Sequence[Path],
    mask: Path,
    out: Path,
    attention_maps: bool = False,
    log: Log | None = None,
    shard: tuple[int, int] = (1, 1),
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
        shard: (i, n) plans the i-th of n parts, counted from 1. A hash of its name decides which
            part a photograph is in, whatever other photographs there are. Default (1, 1), which is
            all.

    Returns:
        One job a photograph, in the order of `inputs`. A part may have none.

    Raises:
        UserError: If something is missing, two files would be written to one path, or one would
            overwrite an input, in any part; or if there is no such part.
    """
    index, count = shard
    if not 1 <= index <= count:
        raise UserError(f"`shard` must be I/N with I from 1 to N. Received: {index}/{count}")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; `out` must name a folder")
    if not out.exists() and out.suffix.lower() in SUFFIXES:
        raise UserError(f"{out}: `out` names a folder, in which photographs keep their names")
    place = _placing()
    masks = _masks_by_stem(mask, log)
    photographs = _photographs(inputs, mask, out, log, place)
    stems = {_stem(name): None for _, name in photographs}
    if mask.is_dir():
        mask_folder, matches = mask, _match(stems, masks)
    else:
        mask_folder, matches = mask.parent, dict.fromkeys(stems, ((mask.name,), ()))
    jobs = [
        Job(name, folder, out, mask_folder, *matches.get(_stem(name), ((), ())), attention_maps)
        for folder, name in photographs
    ]
    if not any(job.mask_names for job in jobs):
        raise UserError(
            f"{mask}: no mask in it is named like a photograph; that of {jobs[0].source.name} "
            f"would be {jobs[0].target.stem}.png"
        )
    mask_files = [(mask_folder, name) for names in masks.values() for name in names]
    _refuse_overwriting(jobs, [*mask_files, *photographs], place)
    return [job for job in jobs if count == 1 or _hash(job.name) % count == index - 1]


def fill_photographs(
    inpainter: Inpainter,
    jobs: Iterable[Job],
    max_pixels: int = MAX_PIXELS,
    skip_existing: bool = False,
    **options: Unpack[FillOptions],
) -> Generator[Result, None, None]:
    """Fill photographs one at a time; one that fails does not stop the others.

    While one is filled, a thread reads the next, and threads write the last ones: one large one, or
    up to 8 that have 8 megapixels together. So three large photographs are in memory at once.

    The EXIF orientation is applied, so a mask belongs to the upright photograph. Alpha, greyness,
    color profile and file format are kept, but filled pixels are opaque. A photograph with an empty
    mask is copied unchanged.

    Args:
        inpainter: fills them, in the thread that iterates.
        jobs: from `plan_jobs`.
        max_pixels: the most pixels of a photograph or mask.
        skip_existing: whether a photograph is left out if its target exists, and its attention map
            if one is asked for. Files are written atomically, so one that exists is whole. How old
            it is, and what made it, is not looked at.
        **options: those of `Inpainter.fill`.

    Yields:
        One result a job, in the order of `jobs`, once its files are written. Closing the generator
        waits for the files that are being written.
    """
    given = FillOptions(**options)
    begun = (_Filling(job, _fill(inpainter, job, max_pixels, skip_existing, given)) for job in jobs)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(WRITERS) as writers:
        filled = map(_Filling.advance, _read_ahead(reader, begun))
        for filling in _written_behind(writers, filled):
            yield filling.result


def _read_ahead(pool: ThreadPoolExecutor, begun: Iterable[_Filling]) -> Iterator[_Filling]:
    """Yield photographs that are read; the next one is read while one is in use."""
    last: Future[_Filling] | None = None
    for filling in begun:
        following = pool.submit(filling.advance)
        if last:
            yield last.result()
        last = following
    if last:
        yield last.result()


def _written_behind(pool: ThreadPoolExecutor, filled: Iterable[_Filling]) -> Iterator[_Filling]:
    """Yield photographs that are written, in order; meanwhile others are filled."""
    waiting: deque[tuple[int, Future[_Filling]]] = deque()
    for filling in filled:
        waiting.append((filling.pixels, pool.submit(filling.advance)))
        while waiting and (waiting[0][1].done() or _are_many(pixels for pixels, _ in waiting)):
            yield waiting.popleft()[1].result()
    for _, written in waiting:
        yield written.result()


def _are_many(sizes: Iterable[int]) -> bool:
    """Return whether photographs of some sizes are too many to wait; one alone never is."""
    waiting = [*sizes]
    return len(waiting) > WRITERS or (len(waiting) > 1 and sum(waiting) > WAITING_PIXELS)


class _Filling:
    """One photograph on its way: three calls of `advance` read it, fill it and write it."""

    def __init__(self, job: Job, steps: Iterator[Result]) -> None:
        self.result = Result(job.name, job.source, job.target, "failed")
        self._steps = steps

    @property
    def pixels(self) -> int:
        """The size of the photograph, 0 if it is not known."""
        return (self.result.width or 0) * (self.result.height or 0)

    def advance(self) -> _Filling:
        """Take the next step, if there is one."""
        start, before = time.perf_counter(), self.result.seconds
        try:
            self.result = next(self._steps, self.result)
        except ImageError as error:
            self.result = replace(self.result, message=str(error))
        except (UserError, OSError, MemoryError, cv2.error) as error:
            message = f"{self.result.source}: {reason_of(error)}"
            self.result = replace(self.result, message=message)
        seconds = before + time.perf_counter() - start
        self.result = replace(self.result, seconds=round(seconds, 6))
        return self


def _fill(
    inpainter: Inpainter, job: Job, max_pixels: int, skip_existing: bool, options: FillOptions
) -> Iterator[Result]:
    """Read, fill and write a photograph; yield what is known of the result after each step."""
    result = Result(job.name, job.source, job.target, "failed")
    if skip_existing and all(path.is_file() for path in (job.target, job.attention_map) if path):
        yield replace(result, status="skipped")
        return
    mask_file = _only_mask(job)
    invert_mask = options.get("invert_mask", False)
    picture = read_picture(job.source, max_pixels)
    levels = _read_levels(mask_file, max_pixels, invert_mask)
    if levels.shape != picture.rgb.shape[:2]:
        raise UserError(
            f"is {_size(picture.rgb)} pixels upright, but its mask {mask_file} is {_size(levels)}"
        )
    result = replace(result, width=levels.shape[1], height=levels.shape[0])
    if levels.max() <= MID_GREY:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(job.target, job.source.read_bytes())
        message = f"{job.source}: {_nothing_missing(mask_file, levels, invert_mask)}; copied"
        yield replace(result, status="empty-mask", message=message)
        return
    yield result

    mapped = job.attention_map is not None
    inverted: FillOptions = {**options, "invert_mask": False}  # the levels are already
    try:
        filled = inpainter.fill(picture, levels, return_attention=mapped, **inverted)
        picture, offsets = filled if mapped else (filled, None)
    except NothingKnownError as error:
        grown = f", grown by {options['grow']} pixels" if options.get("grow") else ""
        raise UserError(f"with its mask {mask_file}{grown}, {error}") from error
    shown = None
    if offsets is not None:
        shown = Picture(attention_map(offsets[0], levels.shape))
    yield result

    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.attention_map is not None and shown is not None:
        write_picture(job.attention_map, shown)
    notes = [picture.lost, write_picture(job.target, picture)]
    if mapped and shown is None and inpainter.has_attention:
        notes.append("no attention map, as its smooth surroundings were continued in its holes")
    message = f"{job.source}: {', '.join(filter(None, notes))}" if any(notes) else ""
    yield replace(result, status="filled", message=message)


def _only_mask(job: Job) -> Path:
    """Return the mask of a photograph, or refuse to choose."""
    found = " and ".join(map(str, job.masks)) or "none"
    if job.rivals:
        others = " and ".join(job.rivals)
        raise UserError(f"needs a mask of its name, found {found}, which may be for {others} too")
    if len(job.mask_names) != 1:
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
    inputs: Sequence[Path], mask: Path, out: Path, log: Log | None, place: Place
) -> list[tuple[Path, str]]:
    """Return the folder and the name of each photograph, once however its folder is spelt."""
    photographs: dict[str, tuple[Path, str]] = {}
    ours = {os.path.realpath(path) for path in (mask, out)}
    for path in inputs:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not path.is_dir():
            photographs.setdefault(place(path.parent, path.name), (path.parent, path.name))
            continue
        left_out = tuple(f"{each}{os.sep}" for each in ours - {os.path.realpath(path)})
        empty = True
        for name in list_images(path, log):
            where = place(path, name)
            if not f"{where}{os.sep}".startswith(left_out):
                photographs.setdefault(where, (path, name))
                empty = False
        if empty:
            raise UserError(f"{path}: no photograph in it beside the masks and `out` {out}")
    return list(photographs.values())


def _placing() -> Place:
    """Return a function that finds where a file of a folder lies, and follows links to folders.

    It looks at each folder only once: `os.path.realpath` takes a tenth of a millisecond.
    """

    @functools.cache
    def real(folder: Path, below: str) -> str:
        return os.path.realpath(folder / below)

    def place(folder: Path, name: str) -> str:
        below, _, last = name.rpartition("/")
        return f"{real(folder, below)}{os.sep}{last}"

    return place


def _masks_by_stem(mask: Path, log: Log | None) -> dict[str, Names]:
    """Return the names of masks by their relative path without suffix."""
    if not mask.exists():
        raise UserError(f"{mask}: no such mask; `mask` takes a file or a folder")
    if not mask.is_dir():
        return {_stem(mask.name): (mask.name,)}
    masks: dict[str, Names] = defaultdict(tuple)
    for name in list_images(mask, log):
        masks[_stem(name)] += (name,)
    return dict(masks)


def _match(stems: Collection[str], masks: Mapping[str, Names]) -> dict[str, tuple[Names, Names]]:
    """Return the masks of photographs, and the other photographs that these match as well."""
    matches: dict[str, tuple[Names, Names]] = {
        stem: (masks[stem], ()) for stem in stems if stem in masks
    }
    for spell in (_composed, _caseless):
        if len(matches) == len(stems):
            break
        ours: dict[bytes, list[str]] = defaultdict(list)
        theirs: dict[bytes, list[str]] = defaultdict(list)
        for stem in stems:
            ours[spell(stem)].append(stem)
        for stem, paths in masks.items():
            theirs[spell(stem)] += paths
        for stem in stems:
            if stem not in matches and spell(stem) in theirs:
                rivals = tuple(each for each in ours[spell(stem)] if each != stem)
                matches[stem] = tuple(theirs[spell(stem)]), rivals
    return matches


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122 (a path for each would take longer)


def _map_of(name: str) -> str:
    return f"{_stem(name)}.attention.png"


def _composed(stem: str) -> bytes:
    return canonical(stem)


def _caseless(stem: str) -> bytes:
    return canonical(unicodedata.normalize("NFD", stem).casefold())


def _hash(name: str) -> int:
    """Return a number for a name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(canonical(name)).digest()[:8], "big")


def _refuse_overwriting(
    jobs: Sequence[Job], inputs: Iterable[tuple[Path, str]], place: Place
) -> None:
    """Refuse targets that are inputs, and targets that are shared."""
    targets: dict[str, Job] = {}
    for job in jobs:
        names = (job.name, _map_of(job.name)) if job.attention_maps else (job.name,)
        for name in names:
            other = targets.setdefault(place(job.out, name), job)
            if other is not job:
                raise UserError(
                    f"{job.out / name}: would be written for both {other.source} and "
                    f"{job.source}; fill them in two runs with an `out` each"
                )
    for folder, name in inputs:
        # Writing replaces a link that has the target's name, but not what an input links to.
        found = place(folder, name)
        if os.path.islink(found):  # noqa: PTH114 (a path for each would take longer)
            found = os.path.realpath(found)
        if found in targets:
            job = targets[found]
            own = place(job.out, job.name) == found
            raise UserError(
                f"{job.target if own else job.attention_map}: would be written over the input "
                f"{folder / name}; choose another folder as `out`"
            )


def _size(pixels: UInt8) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
