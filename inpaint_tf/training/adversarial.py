"""Adversarial training of a two-stage network against a local and a global critic."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from inpaint_tf.losses import discounted_l1, known_l1
from inpaint_tf.masks import crop_boxes
from inpaint_tf.models import Critic, InpaintingModel
from inpaint_tf.models.inpainting_model import composite
from inpaint_tf.training.config import LossConfig
from neuralgym_lite import gan

Batch = dict[str, Any]
Logs = dict[str, Any]


@keras.saving.register_keras_serializable(package="inpaint_tf")
class AdversarialTrainer(keras.Model):
    """Trains a generator by L1 distances and two WGAN-GP critics.

    One `train_step` is one round: `n_critic` batches, each updates the critics, the last one the
    generator too. Make it and `compile` it inside the scope of a strategy.

    Args:
        generator: returns `"coarse"` and `"refined"`.
        local_critic: judges the box around the hole.
        global_critic: judges the whole picture.
        loss: weights of the losses.
        n_critic: critic updates in a round.

    Call arguments:
        inputs: those of the generator.

    Reference:
        Yu et al. 2018, algorithm 1.
    """

    def __init__(
        self,
        generator: InpaintingModel,
        local_critic: Critic,
        global_critic: Critic,
        loss: LossConfig | None = None,
        n_critic: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.generator = generator
        self.local_critic = local_critic
        self.global_critic = global_critic
        self.loss_weights = loss or LossConfig()
        self.n_critic = n_critic
        self.built = True

    @property
    def critic_variables(self) -> list[Any]:
        """Trainable variables of both critics."""
        return self.local_critic.trainable_variables + self.global_critic.trainable_variables

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        critic_optimizer: keras.optimizers.Optimizer,
        jit_compile: bool = False,
    ) -> None:
        super().compile(optimizer=generator_optimizer, jit_compile=jit_compile)
        self.critic_optimizer = critic_optimizer
        # Under a strategy, slots cannot be made inside the train step.
        self.optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self.critic_variables)

    def call(self, inputs: Any) -> Any:
        return self.generator(inputs)

    def train_step(self, data: Batch) -> Logs:
        """Do one round on the batches of `RoundMaker.make`; return the means of its losses."""
        critic_logs = []
        for index in range(self.n_critic - 1):
            batch = self.prepare(data, index)
            outputs = self.generator((batch["masked"], batch["mask"]), training=False)
            fake = composite(outputs["refined"], batch["image"], batch["mask"])
            gradients, logs = self.critic_gradients(batch, fake)
            self.critic_optimizer.apply(gradients, self.critic_variables)
            critic_logs.append(logs)

        # Both gradients of the last batch are taken before either update.
        batch = self.prepare(data, self.n_critic - 1)
        generator_gradients, fake, generator_logs = self.generator_gradients(batch)
        gradients, logs = self.critic_gradients(batch, fake)
        self.optimizer.apply(generator_gradients, self.generator.trainable_variables)
        self.critic_optimizer.apply(gradients, self.critic_variables)
        critic_logs.append(logs)
        means = {name: sum(each[name] for each in critic_logs) / self.n_critic for name in logs}
        return {**generator_logs, **means}

    def prepare(self, data: Batch, index: int) -> Batch:
        """Take one batch out of a round and bring it to [-1, 1].

        Returns:
            `image` and `masked`: `(B, H, W, 3)`; `mask`: `(B, H, W, 1)`; `box`: `(B, 4)`;
            `alpha`: `(B, 2)`; `discount`: `(B, H, W, 1)`, of the last batch whatever the index.
        """
        image = _normalise(data["image"][:, index])
        mask = ops.cast(data["mask"][:, index], "float32")
        mode = self.generator.mask_mode
        source = _normalise(data["prefilled"][:, index]) if mode.prefills else image
        return {
            "image": image,
            "mask": mask,
            "masked": mode.masked_input(source, mask),
            "box": data["box"][:, index],
            "alpha": data["alpha"][:, index],
            "discount": data["discount"],
        }

    def critic_gradients(self, batch: Batch, fake: Any) -> tuple[list[Any], Logs]:
        """Return the gradients of the critics' loss and its parts.

        Args:
            batch: of `prepare`.
            fake: composited pictures `(B, H, W, 3)`; no gradient flows into them.
        """
        weights = self.loss_weights
        pairs = (
            (self.local_critic, self._crop(batch["image"], batch), self._crop(fake, batch)),
            (self.global_critic, batch["image"], fake),
        )
        alphas = (1.0, weights.global_wgan_loss_alpha)
        with tf.GradientTape() as tape:
            wgan, penalty = 0.0, 0.0
            for side, (critic, real, generated) in enumerate(pairs):
                scores = critic(ops.concatenate([real, generated], axis=0))
                wgan += alphas[side] * gan.critic_loss(*ops.split(scores, 2, axis=0))
                between = gan.interpolate(real, generated, batch["alpha"][:, side])
                penalty += gan.gradient_penalty(gan.input_gradients(critic, between))
            total = wgan + weights.wgan_gp_lambda * penalty
            scaled = self._for_replica(total)
        gradients = tape.gradient(scaled, self.critic_variables)
        return gradients, {"wgan_d": wgan, "wgan_gp": penalty, "d_total": total}

    def generator_gradients(self, batch: Batch) -> tuple[list[Any], Any, Logs]:
        """Return the gradients of the generator's loss, its composited pictures, and the parts."""
        weights = self.loss_weights
        image, mask = batch["image"], batch["mask"]
        area = self.local_critic.size[0] * self.local_critic.size[1]
        variables = self.generator.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self.generator((batch["masked"], mask), training=True)
            l1, ae = 0.0, 0.0
            for stage, alpha in (("coarse", weights.coarse_l1_alpha), ("refined", 1.0)):
                l1 += alpha * discounted_l1(image, outputs[stage], batch["discount"], area)
                ae += alpha * known_l1(image, outputs[stage], mask)
            fake = composite(outputs["refined"], image, mask)
            wgan = gan.generator_loss(self.local_critic(self._crop(fake, batch)))
            wgan += weights.global_wgan_loss_alpha * gan.generator_loss(self.global_critic(fake))
            total = (
                weights.l1_loss_alpha * l1
                + weights.ae_loss_alpha * ae
                + weights.gan_loss_alpha * wgan
            )
            scaled = self._for_replica(total)
        gradients = tape.gradient(scaled, variables)
        return gradients, fake, {"l1": l1, "ae": ae, "wgan_g": wgan, "g_total": total}

    def _crop(self, images: Any, batch: Batch) -> Any:
        return crop_boxes(images, batch["box"], *self.local_critic.size)

    def _for_replica(self, loss: Any) -> Any:
        # Keras adds the gradients of the replicas; each saw its share of the batch.
        return loss / self.distribute_strategy.num_replicas_in_sync


def _normalise(image: Any) -> Any:
    return ops.cast(image, "float32") / 127.5 - 1
