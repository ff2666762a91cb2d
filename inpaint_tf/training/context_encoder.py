"""Training of the Context Encoder: squared distance and a critic of the box around the hole."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.losses import overlap_mse
from inpaint_tf.masks import crop_boxes
from inpaint_tf.models import ContextDiscriminator, InpaintingModel
from inpaint_tf.training.config import LossConfig, TrainConfig
from inpaint_tf.training.trainer import Batch, Logs, Trainer
from neuralgym_lite import gan


class ContextEncoderTrainer(Trainer):
    """Trains a generator by squared distance and one discriminator.

    The squared distance is taken over the hole and a rim of known pixels around it, which the
    generator has to repeat so that its picture joins theirs.

    Args:
        generator: returns `"refined"`.
        critic: judges the box around the hole.
        loss: weights of the losses; `gan_loss_alpha` is shared out between both.
        n_critic: critic updates in a round.

    Reference:
        Pathak et al. 2016 (arxiv.org/abs/1604.07379), section 3.2.
    """

    def __init__(
        self,
        generator: InpaintingModel,
        critic: ContextDiscriminator,
        loss: LossConfig | None = None,
        n_critic: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, loss, n_critic, **kwargs)
        self.critic = critic

    @classmethod
    def make(cls, config: TrainConfig, generator: InpaintingModel) -> ContextEncoderTrainer:
        """Make the trainer of a run, with its critic."""
        shape = config.mask.make_shape(config.data.image_size)
        critic = ContextDiscriminator(
            (shape.height, shape.width),
            config.model.critic_width,
            config.model.compat,
            dtype=generator.dtype_policy,
            name="critic",
        )
        return cls(generator, critic, config.loss, config.n_critic)

    @property
    def critics(self) -> dict[str, keras.Model]:
        """The one critic."""
        return {"critic": self.critic}

    def reconstruction(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return the squared distance in the hole and, ten times as heavy, in its rim."""
        weights = self.loss_weights
        l2 = overlap_mse(
            batch["image"],
            outputs["refined"],
            batch["mask"],
            weights.overlap_pixels,
            weights.overlap_weight,
        )
        return (1 - weights.gan_loss_alpha) * l2, {"l2": l2}

    def persuasion(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the cross entropy of the critic's belief that the pictures are photographs."""
        bce = gan.fooling_loss(self.critic(self._crop(fake, batch), training=True))
        return self.loss_weights.gan_loss_alpha * bce, {"bce_g": bce}

    def criticism(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the cross entropy of the critic's beliefs."""
        # Photographs and pictures are normalised apart, or a batch would tell which is which.
        logits = (
            self.critic(self._crop(images, batch), training=True)
            for images in (batch["image"], fake)
        )
        bce = gan.telling_apart_loss(*logits)
        return bce, {"bce_d": bce}

    def _crop(self, images: Any, batch: Batch) -> Any:
        return crop_boxes(images, batch["box"], *self.critic.size)
