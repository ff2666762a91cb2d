"""Measure what surviving costs: saving, resuming on many files, memory over a long run.

    python benchmarks/survival.py --turns 5 --files 50000 --rounds 2000

Stretches of training with and without a save take turns.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from harness import Report, benchmark, in_process, spread

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from inpaint_tf.data.photo_set import PhotoSet  # noqa: E402
from inpaint_tf.training import session  # noqa: E402
from inpaint_tf.training.checkpoints import Checkpoints  # noqa: E402
from inpaint_tf.training.config import TrainConfig  # noqa: E402
from inpaint_tf.training.preview import Preview  # noqa: E402
from inpaint_tf.training.procedures import load_train_config  # noqa: E402
from inpaint_tf.training.rounds import RoundDataset  # noqa: E402
from inpaint_tf.training.run import make_trainer, open_run_photos, resume, start  # noqa: E402
from inpaint_tf.training.validation import Validation  # noqa: E402
from neuralgym_lite.background import Background  # noqa: E402
from neuralgym_lite.callbacks import IterationCallback, ScalarLog  # noqa: E402
from neuralgym_lite.pipeline import index_driven  # noqa: E402
from neuralgym_lite.progress import Progress  # noqa: E402

BASE = {"data.dataset": "samples", "n_critic": 1, "precision": "float32"}
TINY = {"data.image_size": 32, "model.width": 2, "model.critic_width": 2, "batch_size": 2}
# README's first run, and the smallest useful one at the paper's size.
FIRST = {"data.image_size": 64, "model.width": 16, "model.critic_width": 32, "batch_size": 8}
LARGE = {"data.image_size": 256, "batch_size": 1, "precision": "auto"}
EVERY = 100  # rounds between two checkpoints
WARM = 300  # rounds until all memory is allocated
Row = tuple[str, str, str]


def settings(*parts: Mapping[str, Any]) -> TrainConfig:
    """Return the settings of a run."""
    flags = {name: value for part in (BASE, *parts) for name, value in part.items()}
    return load_train_config(None, flags)


# ------------------------------------------------------------------------------------------ saving


class Turns(IterationCallback):
    """Times stretches of rounds; a checkpoint is saved at the start of every second one."""

    def __init__(self, checkpoints: Checkpoints, background: Background) -> None:
        super().__init__(EVERY)
        self.checkpoints = checkpoints
        self.background = background
        self.held: list[float] = []
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self._saves: bool | None = None
        self._begun = 0.0

    def act(self, iteration: int, logs: Mapping[str, Any]) -> None:
        """End a stretch and begin another."""
        self.background.wait()
        now = time.monotonic()
        if self._saves is not None:
            self.seconds[self._saves].append(now - self._begun)
        self._saves, self._begun = not self._saves, now
        if self._saves:
            self.checkpoints.save(iteration)
            self.held.append(time.monotonic() - now)


def cost_of_saving(name: str, config: TrainConfig, blocks: int) -> Iterator[Row]:
    """Train on in stretches, with and without a checkpoint in turn."""
    with tempfile.TemporaryDirectory() as folder, Background() as background:
        run, config = start(config, Path(folder, "run"))
        trainer = make_trainer(config)
        checkpoints = Checkpoints(run, trainer, config, background)
        checkpoints.save(0)  # The first makes the copy that is written from.
        turns = Turns(checkpoints, background)
        maker = RoundDataset(open_run_photos(config), config)
        rounds = EVERY * (2 * blocks + 1)
        data = index_driven(maker.make, 0, rounds)
        trainer.fit(data, steps_per_epoch=rounds, shuffle=False, verbose=0, callbacks=[turns])
        background.wait()
        size = sum(path.stat().st_size for path in run.checkpoints.rglob("*") if path.is_file())
    pairs = list(zip(turns.seconds[True], turns.seconds[False], strict=True))
    lost = spread([saving / plain - 1 for saving, plain in pairs])["median"]
    total = sum(saving for saving, _ in pairs) / sum(plain for _, plain in pairs) - 1
    plain = spread(turns.seconds[False])["median"]
    held = spread(turns.held)["median"]
    share = f"{lost:+.1%} (median of {blocks} pairs; in all {total:+.1%})"
    yield f"time lost to a checkpoint every {EVERY} rounds, {name}", share, "< 2 %"
    pause = f"{held * 1000:.0f} ms, of {plain:.1f} s; {size / 3e6:.1f} MB"
    yield f"- training stands still for, {name}", pause, ""


# ---------------------------------------------------------------------------------------- resuming


def resume_on_many_files(count: int) -> Iterator[Row]:
    """Start a run on so many files, and time in a new process how it is resumed."""
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        make_photos(photos, count)
        data = {"data.dataset": "folder", "data.dir": str(photos)}
        run, config = start(settings(TINY, data, {"iterations": 4}), Path(folder, "run"))
        with Progress() as progress:
            session.train(run, config, progress)
        parts = in_process(resume_here, str(run.path))
    total = parts.pop("total")
    rest = total - sum(parts.values())
    told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
    yield f"resume on {count:,} files, first round after", f"{total:.1f} s", "< 10 s"
    yield "- of which (s)", f"{told}, the round and its graph {rest:.1f}", ""


def make_photos(folder: Path, count: int) -> None:
    """Link so many names to a few photographs, a thousand a folder."""
    sources = []
    folder.mkdir(parents=True)
    for index in range(10):
        pixels = np.random.default_rng(index).integers(0, 256, (64, 64, 3), np.uint8)
        sources.append(folder.parent / f"source-{index}.jpg")
        Image.fromarray(pixels).save(sources[-1])
    for index in range(count):
        path = folder / f"{index // 1000:03d}" / f"{index:06d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(sources[index % len(sources)])


class RoundDone(BaseException):
    """Ends a training after its first round."""


def resume_here(path: str) -> dict[str, float]:
    """Resume a run until its first round is done; return what took how many seconds."""
    parts: dict[str, float] = {}
    timed(PhotoSet, "fingerprint", parts)
    timed(PhotoSet, "content", parts)
    timed(Checkpoints, "restore", parts, "checkpoint")
    timed(Preview, "__init__", parts, "preview")
    timed(Validation, "__init__", parts, "validation")
    timed(session, "open_run_photos", parts, "listing")
    timed(session, "make_trainer", parts, "networks")
    act = ScalarLog.act

    def first(self: ScalarLog, iteration: int, logs: Mapping[str, Any]) -> None:
        act(self, iteration, logs)
        parts["total"] = time.monotonic() - begun
        raise RoundDone

    ScalarLog.act = first  # type: ignore[method-assign]
    begun = time.monotonic()
    run, config = resume(path, {"iterations": 100}, ())
    with contextlib.suppress(RoundDone), Progress() as progress:
        session.train(run, config, progress)
    return parts


def timed(owner: Any, name: str, parts: dict[str, float], label: str = "") -> None:
    """Replace a function by one that adds what it takes to `parts`."""
    function: Callable[..., Any] = getattr(owner, name)

    def wrapper(*arguments: Any, **options: Any) -> Any:
        begun = time.monotonic()
        try:
            return function(*arguments, **options)
        finally:
            key = label or name
            parts[key] = parts.get(key, 0.0) + time.monotonic() - begun

    setattr(owner, name, wrapper)


# ------------------------------------------------------------------------------------------ memory


class _MallInfo(ctypes.Structure):
    """What `mallinfo2` of glibc returns."""

    _fields_ = (("values", ctypes.c_size_t * 10),)


def held() -> int:
    """Return the bytes that `malloc` gave out."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = _MallInfo
    _, _, _, _, mapped, _, _, used, _, _ = function().values
    return int(used + mapped)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def memory_of_a_long_run(rounds: int) -> Iterator[Row]:
    """Fit lines through the memory of a tiny run that saves and draws previews every 100 rounds."""
    samples = []
    act = ScalarLog.act

    def sample(self: ScalarLog, iteration: int, logs: Mapping[str, Any]) -> None:
        act(self, iteration, logs)
        if iteration > WARM and iteration % 10 == 0:
            gc.collect()
            samples.append((iteration, held(), resident()))

    ScalarLog.act = sample  # type: ignore[method-assign]
    every = {"preview_every": EVERY, "checkpoint_every": EVERY, "iterations": WARM + rounds}
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        run, config = start(settings(TINY, every), Path(folder, "run"))
        session.train(run, config, progress)
    ScalarLog.act = act  # type: ignore[method-assign]
    iterations, *columns = np.transpose(samples)
    for name, column in zip(("allocated", "resident"), columns, strict=True):
        slope = np.polyfit(iterations, column, 1)[0] / 1000
        values = f"{slope:+.2f} MB, from {column[0] / 1e6:.0f} to {column[-1] / 1e6:.0f} MB"
        yield f"{name} memory, growth in 1,000 of {rounds:,} rounds", values, "~ 0"


@benchmark(
    "survival", "Training that survives", turns=5, turns_help="Pairs of stretches of 100 rounds."
)
@click.option("--files", default=50_000, show_default=True, help="To resume on; 0 leaves it out.")
@click.option("--rounds", default=2000, show_default=True, help="Of memory; 0 leaves it out.")
def main(report: Report, files: int, rounds: int, turns: int) -> None:
    """Measure saving, resuming and memory."""
    found = itertools.chain(
        resume_on_many_files(files) if files else (),
        cost_of_saving("32 px, width 2", settings(TINY), turns),
        cost_of_saving("README's first run", settings(FIRST), turns),
        cost_of_saving("256 px, width 32, batch 1", settings(LARGE), 1),
        memory_of_a_long_run(rounds) if rounds else (),
    )
    rows = (dict(zip(("what", "measured", "target"), row, strict=True)) for row in found)
    report.table("survival", "what | measured | target", "{what} | {measured} | {target}", rows)


if __name__ == "__main__":
    main()
