"""Training of the Context Encoder: squared distance and a critic of the box around the hole."""

from __future__ import annotations

from typing import Any, cast

from inpaint_tf.losses import overlap_mse
from inpaint_tf.masks import crop_boxes
from inpaint_tf.models import ContextDiscriminator
from inpaint_tf.training.config import (
    ContextEncoderLossConfig,
    ContextEncoderModelConfig,
    TrainConfig,
)
from inpaint_tf.training.discriminated import DiscriminatedTrainer
from inpaint_tf.training.trainer import Batch, Logs


class ContextEncoderTrainer(DiscriminatedTrainer):
    """Trains a generator by squared distance and one discriminator.

    The squared distance is taken over the hole and a rim of known pixels around it, so that the
    generator's picture continues them. The weights of both losses add up to 1, and that of the
    adversarial loss is `gan_loss_alpha`.

    Reference:
        Pathak et al. 2016 (arxiv.org/abs/1604.07379), section 3.2.
    """

    loss_class = ContextEncoderLossConfig
    loss_weights: ContextEncoderLossConfig

    @classmethod
    def make_critics(cls, config: TrainConfig, dtype: Any) -> dict[str, Any]:
        """Make the critic of a run."""
        model = cast(ContextEncoderModelConfig, config.model)
        shape = config.mask.make_shape(config.data.image_size)
        size = (shape.height, shape.width)
        return {
            "critic": ContextDiscriminator(
                size, model.critic_width, model.compat, dtype=dtype, name="critic"
            )
        }

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return the squared distance in the hole and, with ten times the weight, in its rim."""
        weights = self.loss_weights
        l2 = overlap_mse(
            batch["image"],
            outputs["refined"],
            batch["mask"],
            weights.overlap_pixels,
            weights.overlap_weight,
        )
        return (1 - weights.gan_loss_alpha) * l2, {"l2": l2}

    def judge(self, images: Any, boxes: Any) -> Any:
        """Return the logits of boxes."""
        return self.critic(crop_boxes(images, boxes, *self.critic.size), training=True)
