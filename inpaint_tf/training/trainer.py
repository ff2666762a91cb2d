"""The training step that all training procedures share."""

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
from neuralgym_lite.backend import is_jax, stateless_step
from neuralgym_lite.distribution import spans_machines
from neuralgym_lite.gradients import weight_gradients

Batch = dict[str, Any]
Logs = dict[str, Any]


class Phase(NamedTuple):
    """A part of a run in which the same networks are updated. `stop` is its last iteration."""

    stop: int
    trains_generator: bool
    trains_critics: bool


class Trainer(keras.Model):
    """Trains a generator, with or without critics, under TensorFlow or JAX.

    One `train_step` is one round of `n_critic` batches. Each batch updates the critics, and the
    last one also the generator. A subclass names its critics and defines three losses:
    `reconstruction_loss`, `generator_loss` and `critic_loss`. Create it and `compile` it in the
    scope of a strategy, and `fit` it to rounds (`RoundDataset`):

    ```python
    trainer = make_trainer(config)
    rounds = RoundDataset(photos, config)
    trainer.fit(index_driven(rounds.make, 0, 100), steps_per_epoch=100, shuffle=False)
    ```

    Args:
        generator: A network that returns at least `"refined"`.
        loss: Weights of the losses. Defaults to None, which is the weights of the paper.
        n_critic: Batches in a round. Defaults to 1.

    Call arguments:
        inputs: Inputs of the generator.
    """

    # Shares of a run in which the generator, and then the critics, are trained alone by default.
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
        self.critic_optimizer: keras.optimizers.Optimizer | None = None
        self.average: WeightAverage | None = None
        self.built = True

    # For subclasses to override.

    @classmethod
    def make_critics(cls, config: TrainConfig, dtype: Any) -> dict[str, Any]:
        """Make the critics of a run, under the names of the arguments that take them."""
        return {}

    @property
    def critics(self) -> dict[str, keras.Model]:
        """The critics by name."""
        return {}

    @classmethod
    def phases(cls, config: TrainConfig) -> tuple[Phase, ...]:
        """Return the parts of a run, of whole rounds: generator alone, critics alone, both."""
        given = (*config.phases.stops(config.iterations, cls.phase_shares), config.iterations)
        stops = [stop - stop % config.n_critic for stop in given]
        phases = (
            Phase(stops[0], trains_generator=True, trains_critics=False),
            Phase(stops[1], trains_generator=False, trains_critics=True),
            Phase(stops[2], trains_generator=True, trains_critics=True),
        )
        begins = (0, *stops[:2])
        return tuple(each for each, begin in zip(phases, begins, strict=True) if each.stop > begin)

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return the distance of the pictures from the photographs, and its terms.

        Args:
            batch: A batch that `prepare` returned.
            outputs: Outputs of the generator.
        """
        raise NotImplementedError

    def generator_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the weighted adversarial loss of the generator, and its terms."""
        raise NotImplementedError

    def critic_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the loss of the critics, and its terms."""
        raise NotImplementedError

    # Shared by all procedures.

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
            generator_optimizer: Optimizer of the generator.
            critic_optimizer: Optimizer of the critics. Defaults to None, for when there are none.
            averaging: Momentum of a moving average of the generator's weights. Defaults to None,
                which keeps no average.
            jit_compile: Whether XLA compiles the train step. Defaults to False; JAX always does.
        """
        super().compile(optimizer=generator_optimizer, jit_compile=jit_compile or is_jax())
        self.critic_optimizer = critic_optimizer
        self.trains_critics = bool(self.critics)
        # Under a strategy, slots cannot be made inside the train step.
        self.optimizer.build(self.generator.trainable_variables)
        if critic_optimizer is not None:
            critic_optimizer.build(self.critic_variables)
        if averaging is not None:
            self.average = WeightAverage(self.generator.trainable_variables, averaging)
        self._renew_step()

    @property
    def metrics_variables(self) -> list[Any]:
        """Variables of metrics, and those that Keras' JAX trainer does not know of.

        That trainer passes weights, one optimizer and metrics through the compiled step.
        """
        variables = list(super().metrics_variables)
        if self.critic_optimizer is not None:
            variables += self.critic_optimizer.variables
        if self.average is not None:
            variables += self.average.variables
        return variables

    def use_average(self) -> None:
        """Set the generator's weights to their average, if one is kept and has begun."""
        if self.average is not None and ops.convert_to_numpy(self.optimizer.iterations) > 0:
            self.average.assign_to_weights()

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the generator the average of its weights within a block, if one is kept."""
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
        """Select the networks that this phase updates."""
        self.trains_generator = phase.trains_generator
        self.trains_critics = phase.trains_critics and bool(self.critics)
        self._renew_step()

    def _renew_step(self) -> None:
        """Make Keras trace the step again."""
        self.train_function = None
        if is_jax():
            # A new function each time: JAX would not trace one again that it has seen.
            step = stateless_step(self, type(self).train_step.__get__(self))
            setattr(self, "train_step", step)  # noqa: B010 - the type of a method is fixed

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: all is built. Keras would take a round, and fails on several machines."""

    _maybe_symbolic_build = _symbolic_build

    def call(self, inputs: Any) -> Any:
        """Run the generator."""
        return self.generator(inputs)

    def train_step(self, data: Batch) -> Logs:
        """Train on one round of `RoundDataset.make`, and return the means of its losses."""
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
            # Keras then joins the logs of the replicas along their first axis.
            logs = {name: ops.reshape(value, (1,)) for name, value in logs.items()}
        return logs

    def prepare(self, data: Batch, index: int) -> Batch:
        """Take one batch out of a round and scale it to [-1, 1].

        Returns:
            The arrays of `RoundDataset.make` without the axis of the round, and `masked`, the input
            of the generator. `image` and `masked` are float `(B, H, W, 3)` in [-1, 1], `mask` is
            `(B, H, W, 1)`. `discount` belongs to the last batch whatever the index.
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
        """Return the gradients of the generator's loss, its composited pictures, and the logs."""

        def compute() -> tuple[Any, Any]:
            outputs = self._generate(batch, training=True)
            fake = self._fake(batch, outputs)
            total, logs = self.reconstruction_loss(batch, outputs)
            logs["loss"] = total
            logs["output_std"] = ops.std(outputs["refined"])
            if self.trains_critics:
                adversarial, more = self.generator_loss(batch, fake)
                total, logs = total + adversarial, {**logs, **more}
            return self._for_replica(total), (fake, {**logs, "g_total": total})

        weights = self.generator.trainable_variables
        gradients, (fake, logs) = weight_gradients(compute, weights, self._network_variables)
        return gradients, fake, logs

    def critic_gradients(self, batch: Batch, fake: Any) -> tuple[list[Any], Logs]:
        """Return the gradients of the critics' loss, and the logs.

        Args:
            batch: A batch that `prepare` returned.
            fake: Composited pictures `(B, H, W, 3)`. No gradient flows into them.
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
        # Keras has strategies only under TensorFlow.
        return getattr(self, "distribute_strategy", None)

    @property
    def _replicas(self) -> int:
        return self._strategy.num_replicas_in_sync if self._strategy else 1

    def _generate(self, batch: Batch, training: bool) -> dict[str, Any]:
        return self.generator((batch["masked"], batch["mask"]), training=training)

    def _fake(self, batch: Batch, outputs: dict[str, Any]) -> Any:
        return composite(outputs["refined"], batch["image"], batch["mask"])

    def _for_replica(self, loss: Any) -> Any:
        # Keras adds the gradients of the replicas, each of which has its share of the batch.
        return loss / self._replicas

    def _norm(self, gradients: list[Any]) -> Any:
        """Return the norm of this replica's gradients, in the scale of the whole batch's."""
        norm = ops.sqrt(sum(ops.sum(ops.square(each)) for each in gradients))
        return norm * self._replicas


def _normalise(image: Any) -> Any:
    return ops.cast(image, "float32") / 127.5 - 1


def _means(logs: list[Logs]) -> Logs:
    return {name: sum(each[name] for each in logs) / len(logs) for name in logs[0]} if logs else {}
