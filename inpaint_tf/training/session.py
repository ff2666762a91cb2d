"""The training of a run, from its newest checkpoint to its last iteration."""

from __future__ import annotations

from collections.abc import Callable

from inpaint_tf.data.photo_set import PhotoSet
from inpaint_tf.training.checkpoint_callback import CheckpointCallback
from inpaint_tf.training.checkpoints import Checkpoints
from inpaint_tf.training.config import TrainConfig
from inpaint_tf.training.health_rules import HEALTH_RULES
from inpaint_tf.training.preview import Preview
from inpaint_tf.training.preview_callback import PreviewCallback
from inpaint_tf.training.resident_rounds import ResidentRounds
from inpaint_tf.training.rounds import RoundDataset
from inpaint_tf.training.run import make_trainer, open_run_photos, remember
from inpaint_tf.training.trainer import Trainer
from inpaint_tf.training.validation import Validation
from neuralgym_lite.background import Background
from neuralgym_lite.callbacks import (
    CallbackList,
    IterationCallback,
    ProgressBar,
    ScalarLog,
    StopOnSignal,
    TensorBoardScalars,
)
from neuralgym_lite.distribution import (
    agree_on,
    emulates_bfloat16,
    is_chief,
    lost_workers,
    make_strategy,
)
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder
from neuralgym_lite.guard import FiniteGuard, NotFiniteError
from neuralgym_lite.health import Health
from neuralgym_lite.pipeline import index_driven
from neuralgym_lite.progress import Progress

SHOWN_SCALARS = ("loss", "wgan_d", "wgan_gp", "bce_g", "bce_d")

MakeCallbacks = Callable[[int], list[IterationCallback]]


def train(run: RunFolder, config: TrainConfig, progress: Progress, force: bool = False) -> bool:
    """Train from the newest checkpoint, or from the beginning, to the last iteration.

    Args:
        run: A run folder that `start` made, now or earlier.
        config: Settings of the run.
        progress: Shows a progress bar and messages.
        force: Whether to accept other photographs, or a checkpoint of other settings. Defaults to
            False.

    Returns:
        True when all iterations are done; False if a signal stopped the run after it saved.

    Raises:
        UserError: If the data set or the checkpoint does not belong to the run, a batch cannot be
            divided among the replicas, too many photographs cannot be read, a number is not finite,
            or a checkpoint cannot be written.
    """
    photos = open_run_photos(config, progress.log)
    chief = is_chief(config.strategy)
    if chief and not force:
        _check_data(run, photos)
    if config.precision == "mixed_bfloat16" and emulates_bfloat16():
        progress.log(
            "This machine emulates bfloat16: an iteration takes many times as long as in float32. "
            "A new run with precision auto, which is the default, takes what is fast."
        )
    if config.batch_size > len(photos.train):
        progress.log(
            f"A batch of {config.batch_size} has photographs twice: there are {len(photos.train)}."
        )
    strategy = make_strategy(config.strategy)
    _check_batch(config, strategy.num_replicas_in_sync)
    with strategy.scope():
        trainer = make_trainer(config)
    last = trainer.phases(config)[-1].stop
    skipped: set[str] = set()

    def skip(error: Exception) -> None:
        if str(error) not in skipped:
            skipped.add(str(error))
            progress.log(f"Skipped: {error}")

    with Background() as background, lost_workers():
        checkpoints = Checkpoints(run, trainer, config, background, writes=chief)
        iteration, order = checkpoints.restore(progress.log, force)
        if not agree_on(iteration, strategy):
            raise UserError(
                f"The machines have different checkpoints; here '{run.path}' is at iteration "
                f"{iteration}. Give all of them the same `run_dir`, on a disk that they share."
            )
        if chief and iteration < last:
            preview = Preview(trainer.generator, photos, config, skip)
            validation = Validation(trainer, photos, config)
        if chief:  # Only here, where no check can refuse the settings any more.
            remember(run, config, photos if force else None)
        if iteration >= last:
            progress.log(f"'{run.path}' has its {iteration} iterations already.")
            return True
        if config.on_nan == "rollback" and iteration == 0:
            checkpoints.save(iteration)  # There must be a checkpoint to go back to.

        def make_callbacks(first: int) -> list[IterationCallback]:
            counting = {"iterations_per_step": config.n_critic, "initial_iteration": first}
            if not chief:
                return [FiniteGuard(**counting)]
            previews = PreviewCallback(run, preview, validation, config, **counting)
            return [
                FiniteGuard(**counting),
                ScalarLog(run.scalars, **counting),
                TensorBoardScalars(run.tensorboard, every=10 * config.n_critic, **counting),
                Health(HEALTH_RULES, progress.log, **counting),
                previews,
                CheckpointCallback(checkpoints, order, previews, **counting),
                ProgressBar(config.iterations, progress, SHOWN_SCALARS, **counting),
            ]

        for rollbacks in range(config.max_rollbacks + 1):
            if ResidentRounds.fits(photos, config):
                rounds: RoundDataset = ResidentRounds(photos, config, skip, order, progress)
            else:
                rounds = RoundDataset(photos, config, skip, order)
            try:
                iteration = _run_phases(
                    trainer, config, rounds, iteration, make_callbacks, progress
                )
                break
            except NotFiniteError as error:
                message = _describe(error, config, rounds)
                if config.on_nan == "stop":
                    raise UserError(message) from error
                if rollbacks == config.max_rollbacks:
                    raise UserError(f"{message} It went back {rollbacks} times.") from error
                background.wait()
                iteration, saved_order = checkpoints.restore(progress.log, force)
                order = max(order, saved_order) + 1
                progress.log(f"{message} Back to iteration {iteration}, with other photographs.")
        if skipped:
            count = len(photos.train) + len(photos.test)
            progress.log(f"{len(skipped)} of {count} photographs could not be read.")
        if iteration < last:
            progress.log(f"Stopped at iteration {iteration} of {last}, which is saved.")
        return iteration >= last


def _run_phases(
    trainer: Trainer,
    config: TrainConfig,
    rounds: RoundDataset,
    iteration: int,
    make_callbacks: MakeCallbacks,
    progress: Progress,
) -> int:
    """Train from an iteration on. Return the last one, or an earlier one if a signal came."""
    for phase in trainer.phases(config):
        if iteration >= phase.stop:
            continue
        trainer.enter(phase)
        first_round, last_round = iteration // config.n_critic, phase.stop // config.n_critic
        callbacks = make_callbacks(iteration)
        signals = StopOnSignal(progress.log)
        try:
            trainer.fit(
                index_driven(rounds.make, first_round, last_round),
                steps_per_epoch=last_round - first_round,
                shuffle=False,
                verbose=0,
                callbacks=CallbackList([*callbacks, signals], trainer),
            )
        except Exception as error:
            # TensorFlow's pipeline reports that it broke, but not why.
            if rounds.failure in (None, error):
                raise
            raise rounds.failure from error
        finally:
            signals.restore()
        iteration = callbacks[0].iteration
        if signals.received:
            break
    return iteration


def _describe(error: NotFiniteError, config: TrainConfig, rounds: RoundDataset) -> str:
    """Return a message with the photographs of the round of an error, and what to do."""
    batches = range(error.iteration - config.n_critic, error.iteration)
    names = ", ".join(dict.fromkeys(key for index in batches for key in rounds.keys(index)))
    advice = "Lower optimizer.learning_rate"
    if config.on_nan == "stop":
        advice += ", or let such a run go back by itself: `on_nan=rollback`"
    return (
        f"{error} The weights before it are in the last checkpoint. {advice}. "
        f"The photographs of that round: {names}."
    )


def _check_batch(config: TrainConfig, replicas: int) -> None:
    """Raise a UserError if a batch cannot be divided into equal shares, which the losses need."""
    if config.batch_size % replicas:
        raise UserError(
            f"Strategy '{config.strategy}' has {replicas} replicas, which cannot have equal shares "
            f"of batch_size={config.batch_size}. Go on with `resume` and `strategy=single`, or "
            f"start a new run whose batch size is a multiple of {replicas}."
        )


def _check_data(run: RunFolder, photos: PhotoSet) -> None:
    """Raise a UserError if a run was started on other photographs than these."""
    recorded = run.read_manifest()["data"]
    way_out = "Bring them back, start a new run, or pass `force`."
    if photos.fingerprint() != recorded["fingerprint"]:
        raise UserError(
            f"Run '{run.path}' was started on other photographs than '{photos.where}' has now "
            f"(fingerprint {recorded['fingerprint'][:12]}). {way_out}"
        )
    # Older runs have no entry "content".
    if recorded.get("content") not in (None, photos.content()):
        raise UserError(
            f"Run '{run.path}' was started on other photographs: those of '{photos.where}' have "
            f"the same names and sizes, but not what was in the files. {way_out}"
        )
