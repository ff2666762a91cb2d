"""What training against one discriminator by cross entropy has in common."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models import InpaintingModel
from inpaint_tf.training.config import DiscriminatorLossConfig
from inpaint_tf.training.trainer import Batch, Logs, Trainer
from neuralgym_lite import gan


class DiscriminatedTrainer(Trainer):
    """Trains a generator against one discriminator; a subclass says what that looks at.

    Args:
        generator: returns `"refined"`.
        critic: returns logits, above 0 for what looks like a photograph.
        loss: weights of the losses.
        n_critic: critic updates in a round.
    """

    # The box that is looked at in a photograph, where there is no hole.
    real_box = "box"
    loss_class: type[DiscriminatorLossConfig] = DiscriminatorLossConfig
    loss_weights: DiscriminatorLossConfig

    def __init__(
        self,
        generator: InpaintingModel,
        critic: keras.Model,
        loss: DiscriminatorLossConfig | None = None,
        n_critic: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, loss, n_critic, **kwargs)
        self.critic = critic

    @property
    def critics(self) -> dict[str, keras.Model]:
        """The one critic."""
        return {"critic": self.critic}

    def judge(self, images: Any, boxes: Any) -> Any:
        """Return the logits of pictures `(B, H, W, 3)` with boxes `(B, 4)`."""
        raise NotImplementedError

    def generator_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the cross entropy of the critic's belief that the pictures are photographs."""
        bce = gan.fooling_loss(self.judge(fake, batch["box"]))
        return self.loss_weights.gan_loss_alpha * bce, {"bce_g": bce}

    def critic_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the cross entropy of the critic's beliefs."""
        # Photographs and pictures are normalised apart, or a batch would tell which is which.
        real = self.judge(batch["image"], batch[self.real_box])
        bce = gan.telling_apart_loss(real, self.judge(fake, batch["box"]))
        return bce, {"bce_d": bce}
