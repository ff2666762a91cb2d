"""Training of GLCIC in three phases: completion, discriminator, both."""

from __future__ import annotations

from typing import Any, cast

from inpaint_tf.losses import hole_mse
from inpaint_tf.masks import crop_boxes
from inpaint_tf.models import GLCICDiscriminator
from inpaint_tf.training.config import GLCICModelConfig, TrainConfig
from inpaint_tf.training.discriminated import DiscriminatedTrainer
from inpaint_tf.training.trainer import Batch, Logs


class GLCICTrainer(DiscriminatedTrainer):
    """Trains a generator by squared distance, then a discriminator alone, then both.

    The discriminator sees the whole picture and the box around the hole. A photograph has no hole,
    so that its box is drawn independently.

    Reference:
        Iizuka et al. 2017, section 3.3 and algorithm 1.
    """

    real_box = "real_box"
    phase_shares = (0.18, 0.02)

    @classmethod
    def make_critics(cls, config: TrainConfig, dtype: Any) -> dict[str, Any]:
        """Make the critic of a run."""
        model = cast(GLCICModelConfig, config.model)
        size = config.data.image_size
        shape = config.mask.make_shape(size)
        box = (shape.height, shape.width)
        return {
            "critic": GLCICDiscriminator(
                box, size, model.critic_width, compat=model.compat, dtype=dtype, name="critic"
            )
        }

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return the mean squared error of the composited picture, in [0, 1]."""
        mse = hole_mse(batch["image"], outputs["refined"], batch["mask"]) / 4
        return mse, {"mse": mse}

    def judge(self, images: Any, boxes: Any) -> Any:
        """Return the logits of whole pictures with their boxes."""
        crops = crop_boxes(images, boxes, *self.critic.local_size)
        return self.critic((crops, images), training=True)
