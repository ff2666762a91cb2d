"""The round that all training procedures share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras import ops

from inpaint_tf.models import InpaintingModel
from inpaint_tf.models.inpainting_model import composite
from inpaint_tf.training.config import LossConfig, TrainConfig
from neuralgym_lite.averaging import WeightAverage
from neuralgym_lite.distribution import spans_machines
from neuralgym_lite.gradients import weight_gradients

Batch = dict[str, Any]
Logs = dict[str, Any]


class Phase(NamedTuple):
    """A part of a run in which the same networks are updated; `stop` is its last iteration."""

    stop: int
    trains_generator: bool
    trains_critics: bool


class Trainer(keras.Model):
    """Trains a generator, against critics or without.

    One `train_step` is one round: `n_critic` batches, each updates the critics, the last one the
    generator too. A subclass names its critics and defines three losses: `reconstruction_loss`,
    `generator_loss` and `critic_loss`. Make it and `compile` it inside the scope of a strategy.

    Args:
        generator: returns at least `"refined"`.
        loss: weights of the losses.
        n_critic: batches in a round.

    Call arguments:
        inputs: those of the generator.
    """

    # Of a run: what the generator, and then the critics, learn alone, unless settings say more.
    phase_shares = (0.0, 0.0)
    loss_class: type[LossConfig] = LossConfig
    loss_weights: LossConfig

    def __init__(
        self,
        generator: InpaintingModel,
        loss: LossConfig | None = None,
        n_critic: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.generator = generator
        self.loss_weights = loss or self.loss_class()
        self.n_critic = n_critic
        self.trains_generator = True
        self.trains_critics = True
        self.average: WeightAverage | None = None
        self.built = True

    # What a procedure says.

    @classmethod
    def make(cls, config: TrainConfig, generator: InpaintingModel) -> Trainer:
        """Make the trainer of a run, with its critics."""
        return cls(generator, config.loss, config.n_critic)

    @property
    def critics(self) -> dict[str, keras.Model]:
        """What judges the generator's pictures, by name."""
        return {}

    @classmethod
    def phases(cls, config: TrainConfig) -> tuple[Phase, ...]:
        """Return the parts of a run: generator alone, critics alone, both."""
        completed, learned = config.phases.stops(config.iterations, cls.phase_shares)
        phases = (
            Phase(completed, trains_generator=True, trains_critics=False),
            Phase(learned, trains_generator=False, trains_critics=True),
            Phase(config.iterations, trains_generator=True, trains_critics=True),
        )
        begins = (0, completed, learned)
        return tuple(each for each, begin in zip(phases, begins, strict=True) if each.stop > begin)

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return how far the pictures are from the photographs, and the parts of that sum.

        Args:
            batch: of `prepare`.
            outputs: of the generator.
        """
        raise NotImplementedError

    def generator_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the weighted loss of a generator that wants its pictures taken for photographs."""
        raise NotImplementedError

    def critic_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the loss of critics that want to tell pictures from photographs."""
        raise NotImplementedError

    # What they share.

    @property
    def critic_variables(self) -> list[Any]:
        """Trainable variables of all critics."""
        return [each for critic in self.critics.values() for each in critic.trainable_variables]

    def saved_variables(self) -> dict[str, list[Any]]:
        """Return every variable that a checkpoint has to hold, by network and optimizer."""
        networks = {"generator": self.generator, **self.critics}
        optimizers = {"generator_optimizer": self.optimizer}
        if self.critic_optimizer is not None:
            optimizers["critic_optimizer"] = self.critic_optimizer
        saved = {name: each.variables for name, each in {**networks, **optimizers}.items()}
        if self.average is not None:
            saved["generator_average"] = self.average.variables
        return saved

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        critic_optimizer: keras.optimizers.Optimizer | None = None,
        averaging: float | None = None,
        jit_compile: bool = False,
    ) -> None:
        """Set the optimizers.

        Args:
            generator_optimizer: of the generator.
            critic_optimizer: of the critics; None where there are none.
            averaging: momentum of the average that is kept of the generator's weights; None: none.
            jit_compile: whether XLA compiles the round.
        """
        super().compile(optimizer=generator_optimizer, jit_compile=jit_compile)
        self.critic_optimizer = critic_optimizer
        self.trains_critics = bool(self.critics)
        # Under a strategy, slots cannot be made inside the train step.
        self.optimizer.build(self.generator.trainable_variables)
        if critic_optimizer is not None:
            critic_optimizer.build(self.critic_variables)
        if averaging is not None:
            self.average = WeightAverage(self.generator.trainable_variables, averaging)

    def use_average(self) -> None:
        """Give the generator the average of its weights, where one is kept and has begun."""
        if self.average is not None and ops.convert_to_numpy(self.optimizer.iterations) > 0:
            self.average.give()

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Lend the generator the average of its weights, where one is kept."""
        if self.average is None:
            yield
            return
        last = self.generator.get_weights()
        self.use_average()
        try:
            yield
        finally:
            self.generator.set_weights(last)

    def enter(self, phase: Phase) -> None:
        """Update from now on what this phase updates."""
        self.trains_generator = phase.trains_generator
        self.trains_critics = phase.trains_critics and bool(self.critics)
        self.train_function = None  # Keras traces the step anew.

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Everything is built. Keras would take a round to find out, and cannot on several machines.
        return

    def call(self, inputs: Any) -> Any:
        """Run the generator."""
        return self.generator(inputs)

    def train_step(self, data: Batch) -> Logs:
        """Do one round on the batches of `RoundDataset.make`; return the means of its losses."""
        generator_logs: Logs = {}
        critic_logs: list[Logs] = []
        for index in range(self.n_critic):
            batch = self.prepare(data, index)
            updates = []
            if self.trains_generator and index == self.n_critic - 1:
                gradients, fake, generator_logs = self.generator_gradients(batch)
                generator_logs["g_norm"] = self._norm(gradients)
                updates.append((self.optimizer, gradients, self.generator.trainable_variables))
            else:
                fake = self._fake(batch, self._generate(batch, training=False))
            if self.trains_critics:
                gradients, logs = self.critic_gradients(batch, fake)
                logs["d_norm"] = self._norm(gradients)
                updates.append((self.critic_optimizer, gradients, self.critic_variables))
                critic_logs.append(logs)
            # Both gradients of the last batch are taken before either update.
            for optimizer, gradients, variables in updates:
                optimizer.apply(gradients, variables)
        if self.average is not None and self.trains_generator:
            self.average.update(self.optimizer.iterations)
        logs = {**generator_logs, **_means(critic_logs)}
        if spans_machines(self._strategy):
            # There Keras joins the logs of the replicas along their first axis.
            logs = {name: ops.reshape(value, (1,)) for name, value in logs.items()}
        return logs

    def prepare(self, data: Batch, index: int) -> Batch:
        """Take one batch out of a round and bring it to [-1, 1].

        Returns:
            What `RoundDataset.make` has, without the axis of the round, and `masked`, what the
            generator is shown; `image` and `masked` are float `(B, H, W, 3)` in [-1, 1], `mask` is
            `(B, H, W, 1)`. `discount` is of the last batch whatever the index.
        """
        batch = {
            name: values if name == "discount" else values[:, index]
            for name, values in data.items()
        }
        image = _normalise(batch["image"])
        mask = ops.cast(batch["mask"], "float32")
        mode = self.generator.mask_mode
        source = _normalise(batch["prefilled"]) if mode.prefills else image
        return {**batch, "image": image, "mask": mask, "masked": mode.masked_input(source, mask)}

    def generator_gradients(self, batch: Batch) -> tuple[list[Any], Any, Logs]:
        """Return the gradients of the generator's loss, its composited pictures, and the parts."""

        def compute() -> tuple[Any, Any]:
            outputs = self._generate(batch, training=True)
            fake = self._fake(batch, outputs)
            total, logs = self.reconstruction_loss(batch, outputs)
            logs["loss"] = total
            logs["output_std"] = ops.std(outputs["refined"])
            if self.trains_critics:
                wanted, more = self.generator_loss(batch, fake)
                total, logs = total + wanted, {**logs, **more}
            return self._for_replica(total), (fake, {**logs, "g_total": total})

        weights = self.generator.trainable_variables
        gradients, (fake, logs) = weight_gradients(compute, weights, self._network_variables)
        return gradients, fake, logs

    def critic_gradients(self, batch: Batch, fake: Any) -> tuple[list[Any], Logs]:
        """Return the gradients of the critics' loss and its parts.

        Args:
            batch: of `prepare`.
            fake: composited pictures `(B, H, W, 3)`; no gradient flows into them.
        """

        def compute() -> tuple[Any, Any]:
            total, logs = self.critic_loss(batch, fake)
            return self._for_replica(total), {**logs, "d_total": total}

        return weight_gradients(compute, self.critic_variables, self._network_variables)

    def validation_loss(self, data: Batch) -> Any:
        """Return the reconstruction loss of a round of one batch, at inference."""
        batch = self.prepare(data, 0)
        return self.reconstruction_loss(batch, self._generate(batch, training=False))[0]

    @property
    def _network_variables(self) -> list[Any]:
        networks = (self.generator, *self.critics.values())
        return [variable for network in networks for variable in network.variables]

    @property
    def _strategy(self) -> Any:
        # Keras has strategies under TensorFlow alone.
        return getattr(self, "distribute_strategy", None)

    @property
    def _replicas(self) -> int:
        return self._strategy.num_replicas_in_sync if self._strategy else 1

    def _generate(self, batch: Batch, training: bool) -> dict[str, Any]:
        return self.generator((batch["masked"], batch["mask"]), training=training)

    def _fake(self, batch: Batch, outputs: dict[str, Any]) -> Any:
        return composite(outputs["refined"], batch["image"], batch["mask"])

    def _for_replica(self, loss: Any) -> Any:
        # Keras adds the gradients of the replicas; each saw its share of the batch.
        return loss / self._replicas

    def _norm(self, gradients: list[Any]) -> Any:
        """Return the norm of this replica's gradients, in the scale of the whole batch's."""
        norm = ops.sqrt(sum(ops.sum(ops.square(each)) for each in gradients))
        return norm * self._replicas


def _normalise(image: Any) -> Any:
    return ops.cast(image, "float32") / 127.5 - 1


def _means(logs: list[Logs]) -> Logs:
    return {name: sum(each[name] for each in logs) / len(logs) for name in logs[0]} if logs else {}
