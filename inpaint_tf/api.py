"""The commands as functions: what `inpaint-tf` does, for programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from inpaint_tf.data import open_photos
from inpaint_tf.data.split import draw
from inpaint_tf.inference import Inpainter, NetworkInpainter, load
from inpaint_tf.masks import EvaluationMasks
from inpaint_tf.metrics.lpips_weights import weights_from
from inpaint_tf.model_source import CLASSICAL, MAX_SIDE, ModelSource
from inpaint_tf.report import evaluation as scoring
from inpaint_tf.report.result import Evaluation
from inpaint_tf.training import session
from inpaint_tf.training.config import DataConfig, TrainConfig
from inpaint_tf.training.finetune import open_initial_weights, start_from
from inpaint_tf.training.procedures import load_train_config
from inpaint_tf.training.run import resume as resume_run
from inpaint_tf.training.run import start
from neuralgym_lite.config import load_config, to_dict
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.progress import Progress
from neuralgym_lite.run_lock import RunLock

if TYPE_CHECKING:
    from inpaint_tf.exporters.exporter import Exported

UInt8: TypeAlias = npt.NDArray[np.uint8]
Log: TypeAlias = Callable[[str], object]
Settings: TypeAlias = "TrainConfig | Mapping[str, Any] | str | Path | None"

# Short names of settings, and the keys that they stand for.
SHORT_NAMES = {
    "dataset": "data.dataset",
    "data_dir": "data.dir",
    "subset": "data.subset",
    "image_size": "data.image_size",
    "mask": "mask.mode",
    "model": "model.name",
    "width": "model.width",
}


@dataclass(frozen=True)
class TrainedRun:
    """What `train` and `finetune` return.

    Attributes:
        run_dir: the run folder; `inpaint_tf.load` opens it.
        config: the settings of the run.
        finished: whether the last iteration was reached; False if a signal stopped the training
            after a checkpoint was saved.
    """

    run_dir: Path
    config: TrainConfig = field(repr=False)
    finished: bool


def train(
    config: Settings = None,
    /,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    verbose: bool = True,
    command: Sequence[str] = (),
    **settings: Any,
) -> TrainedRun:
    """Train a network, or resume its training, up to the last iteration.

    Args:
        config: a YAML file, a mapping of settings (nested or with dotted keys) or a `TrainConfig`.
        run_dir: the run folder, default `runs/MODEL-DATASET-MASK`.
        resume: go on from the newest checkpoint in the run folder, default False. Settings that are
            given must be ones that may change.
        force: let `resume` change any setting and the photographs, default False.
        overwrite: delete an earlier run in the run folder first, default False.
        overrides: settings as `key=value` strings, which win over all others.
        verbose: whether progress is written to stderr, default True.
        command: the command line, for the manifest of the run.
        **settings: any setting: short names as the options of `inpaint-tf train` (`dataset`,
            `mask`, `model`, `width`, `image_size`, ...), names of `TrainConfig` (`iterations`,
            `batch_size`, ...) or sections (`optimizer={"learning_rate": 1e-4}`). None is not given.

    Returns:
        The run.

    Raises:
        UserError: if settings are wrong or contradict each other, photographs are missing, the
            folder is in use, or the training cannot go on.

    Example:
        >>> run = inpaint_tf.train(
        ...     dataset="samples", model="autoencoder", mask="mosaic", image_size=32, width=2,
        ...     batch_size=2, iterations=1, run_dir="runs/tiny", verbose=False,
        ... )
        >>> run.finished
        True
        >>> inpaint_tf.load(run.run_dir).name
        'tiny'
    """
    if resume and (overwrite or config is not None):
        other = "`overwrite`" if overwrite else "`config`"
        raise UserError(f"`resume` and {other} contradict each other. Choose one.")
    if force and not resume:
        raise UserError("`force` is for `resume`. Leave it out, or add `resume`.")
    given = with_keys(settings)
    with RunLock() as lock:
        if resume:
            if run_dir is None:
                run_dir = default_run_dir(
                    load_config(TrainConfig, flags=given, overrides=overrides)
                )
            run, resolved = resume_run(run_dir, given, overrides, force, lock)
        else:
            resolved = _load_settings(config, given, overrides)
            folder = run_dir or default_run_dir(resolved)
            run, resolved = start(resolved, folder, overwrite, command, lock=lock)
        return _carry_out(run, resolved, verbose, force)


def finetune(
    source: str | Path,
    config: Settings = None,
    /,
    *,
    critics: str | Path | None = None,
    generator_only: bool = False,
    run_dir: str | Path | None = None,
    overwrite: bool = False,
    overrides: Sequence[str] = (),
    verbose: bool = True,
    command: Sequence[str] = (),
    **settings: Any,
) -> TrainedRun:
    """Train a network that starts from the weights of another.

    Settings that are not given are those of the source, except for the data set and the phases.
    The optimizers start afresh.

    Args:
        source: a run folder, a preset, a folder written by `inpaint-tf import` or a `.keras` file.
        config: as for `train`.
        critics: a run whose critics are taken, in place of those of the source.
        generator_only: start with new critics, default False.
        run_dir: the run folder, default `runs/MODEL-DATASET-MASK-finetuned`.
        overwrite: as for `train`.
        overrides: as for `train`.
        verbose: as for `train`.
        command: as for `train`.
        **settings: as for `train`.

    Returns:
        The run.

    Raises:
        UserError: as `train`, and if the source has no weights or another architecture.

    Example:
        >>> inpaint_tf.models.create("autoencoder", width=2).save("small.keras")
        >>> run = inpaint_tf.finetune(
        ...     "small.keras", dataset="samples", image_size=32, batch_size=2, iterations=1,
        ...     verbose=False,
        ... )
        >>> run.run_dir
        PosixPath('runs/autoencoder-samples-hole-finetuned')
    """
    if critics and generator_only:
        raise UserError("Give `critics` or `generator_only`, not both.")
    parent = open_initial_weights(source)
    if critics:
        parent = parent.with_critics_of(critics)
    if generator_only:
        parent = replace(parent, critics={})
    resolved = _load_settings(config, with_keys(settings), overrides, parent.settings)
    folder = default_run_dir(resolved)
    folder = Path(run_dir or folder.with_name(f"{folder.name}-finetuned"))
    with RunLock() as lock:
        run, resolved = start_from(parent, resolved, folder, overwrite, command, lock)
        return _carry_out(run, resolved, verbose)


def evaluate(
    sources: str | Path | Inpainter | Sequence[str | Path | Inpainter],
    *,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    mask: Literal["center", "hole", "strokes"] = "center",
    image_size: int | None = None,
    limit: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
    baselines: bool = True,
    blend: bool = False,
    detail: bool | None = None,
    lpips_weights: str | Path | None = None,
    log: Log | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Score inpainters on the test split of a data set. All fill the same holes.

    Args:
        sources: what `load` accepts, or inpainters; one or several.
        dataset: the data set; by default that of the first run among the sources, else `"animals"`,
            or `"folder"` if `data_dir` is given.
        data_dir: the folder of the data set, by default where it is usually kept.
        mask: `"center"` (a square of half the side), `"hole"` (squares at random places) or
            `"strokes"` (of a brush, at random places).
        image_size: the side in pixels, in 16..8192; by default that of the run, else 256.
        limit: score this many photographs; None scores all.
        batch_size: photographs that are filled at once, default 8.
        seed: of the random holes, default 0.
        baselines: whether `"ns"` and `"telea"` are scored as well, default True.
        blend: whether each source is scored a second time with `blend=True`, default False.
        detail: as for `load`; inpainters keep their own.
        lpips_weights: the file with the weights of LPIPS, by default where it is usually kept.
        log: called with lines about files that are not read.
        on_progress: called with (results finished, results in all, name of the method).

    Returns:
        The scores; `write` saves them with a report, and `summaries` has their means. What could
        not be read or filled is named in `failed` and `broken`.

    Raises:
        UserError: if a source or the data set is missing or damaged, or an argument is wrong.

    Example:
        >>> evaluation = inpaint_tf.evaluate("ns", dataset="samples", image_size=32, limit=2)
        >>> evaluation
        Evaluation(input (hole), telea, ns: 2 photographs of 'samples', 32x32 pixels)
        >>> evaluation.summaries["ns"]["psnr_whole_db"].mean > 10
        True
    """
    _check_range("image_size", image_size, 16, MAX_SIDE)
    _check_range("limit", limit, 1)
    _check_range("batch_size", batch_size, 1)
    _check_range("seed", seed, 0, 2**32 - 1)
    several = [sources] if isinstance(sources, (str, Path, Inpainter)) else list(sources)
    if not several:
        raise UserError("There is nothing to evaluate: give at least one source.")
    recorded = next(filter(None, map(_recorded_data, several)), None)
    if dataset is None:
        dataset = recorded.dataset if recorded else "folder" if data_dir else "animals"
    if data_dir is None and recorded and dataset == recorded.dataset:
        data_dir = recorded.dir
    size = image_size or (recorded.image_size if recorded else 256)
    photos = open_photos(dataset, data_dir, log=log)
    keys = draw(photos.test, limit or len(photos.test))
    masks = EvaluationMasks(mask, len(keys), size, seed)
    given = {each.name if isinstance(each, Inpainter) else str(each) for each in several}
    inpainters = [load(name) for name in CLASSICAL if baselines and name not in given]
    scored = [
        source if isinstance(source, Inpainter) else load(source, detail=detail)
        for source in several
    ]
    inpainters += scored
    if log:
        of = f"{len(photos.test)} in the test split of '{photos.where}'"
        log(f"Scoring {len(keys)} photographs of {of}; {len(photos.train)} more are for training.")
    settings = {
        "models": [each.provenance() for each in inpainters],
        "mask": mask,
        "seed": seed,
        "limit": limit,
        "batch_size": batch_size,
    }
    blended = [_Blended(f"{each.name}, blended", each) for each in scored if blend]
    with weights_from(None if lpips_weights is None else Path(lpips_weights)):
        return scoring.evaluate(
            [*inpainters, *blended],
            photos,
            masks,
            batch_size,
            keys=keys,
            settings=settings,
            on_progress=on_progress,
        )


def export(
    source: str | Path | Inpainter,
    out: str | Path,
    *,
    format: Literal["saved_model", "onnx", "tflite", "safetensors"] = "saved_model",
    precision: Literal["float32", "bfloat16", "float16", "int8"] = "float32",
    max_pixels: int = 4_000_000,
    log: Log | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Exported:
    """Export a network for programs that have neither this package nor Keras.

    Before it appears, the export is compared with the Keras model on probe photographs, and scored
    beside it.

    Args:
        source: a run folder, a preset, a folder written by `inpaint-tf import`, a `.keras` file, or
            an inpainter that was loaded from one.
        out: the folder of the versions; the next one becomes `out/1`, `out/2` and so on.
        format: `"saved_model"` for TF Serving, `"onnx"`, `"tflite"`, or `"safetensors"`: the
            weights with the settings of the network, for `load`.
        precision: `"float32"`; for a SavedModel also `"bfloat16"`, which it computes in; for ONNX
            and TensorFlow Lite also `"float16"` and `"int8"`, in which the weights are stored: half
            and about a quarter of the file, but no faster.
        max_pixels: a SavedModel refuses photographs with more pixels, default 4,000,000.
        log: called with a line about each step.
        on_progress: called while it is scored, as for `evaluate`.

    Returns:
        The folder of the version, its sizes, its difference from the Keras model, and the scores of
        both.

    Raises:
        UserError: if the source is not a network, it cannot be exported in this format, or the
            export differs from the Keras model or fills worse. Then no version is left behind.

    Example:
        >>> inpaint_tf.models.create("autoencoder", width=2).save("small.keras")
        >>> exported = inpaint_tf.export("small.keras", "served")
        >>> exported.folder
        PosixPath('served/1')
    """
    # The exporters need TensorFlow, which the other functions do not.
    from inpaint_tf.exporters.card import gather
    from inpaint_tf.exporters.exporter import export_model

    inpainter = source if isinstance(source, Inpainter) else load(source)
    if not isinstance(inpainter, NetworkInpainter):
        raise UserError(f"'{inpainter.name}' is no network, and there is nothing to export.")
    return export_model(
        inpainter,
        Path(out),
        gather(inpainter),
        format,
        precision,
        max_pixels,
        log or (lambda text: None),
        on_progress,
    )


class _Blended(NamedTuple):
    """An inpainter as it fills with `blend=True`."""

    name: str
    inpainter: Inpainter

    def fill(self, image: UInt8, mask: UInt8, /) -> UInt8:
        return self.inpainter.fill(image, mask, blend=True)


def with_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under their dotted keys."""
    return {
        # A section of that name is given as a mapping.
        name if isinstance(value, Mapping) else SHORT_NAMES.get(name, name): value
        for name, value in settings.items()
    }


def _load_settings(
    config: Settings,
    given: Mapping[str, Any],
    overrides: Sequence[str],
    base: Mapping[str, Any] | None = None,
) -> TrainConfig:
    if isinstance(config, TrainConfig):
        return load_train_config(None, given, overrides, to_dict(config))
    if isinstance(config, Mapping):
        return load_train_config(None, {**with_keys(config), **given}, overrides, base)
    return load_train_config(config, given, overrides, base)


def default_run_dir(config: TrainConfig) -> Path:
    """Return the default folder of a run."""
    return Path("runs", f"{config.model.name}-{config.data.dataset}-{config.mask.mode}")


def _carry_out(
    run: RunFolder, config: TrainConfig, verbose: bool, force: bool = False
) -> TrainedRun:
    with Progress(None if verbose else io.StringIO()) as progress:
        progress.log(f"Run folder: {run.path}")
        finished = session.train(run, config, progress, force)
    return TrainedRun(run.path, config, finished)


def _check_range(name: str, value: int | None, least: int, most: int | None = None) -> None:
    if value is not None and not least <= value <= (most or value):
        limits = f"in {least}..{most}" if most else f"at least {least}"
        raise UserError(f"`{name}` must be {limits}. Received: {value}")


def _recorded_data(source: str | Path | Inpainter) -> DataConfig | None:
    """Return the data settings of a run; None for anything else."""
    found = source.source if isinstance(source, Inpainter) else ModelSource.find(source)
    run = found.run if found else None
    return load_config(TrainConfig, run.path / "config.json").data if run else None
