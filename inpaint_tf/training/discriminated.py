"""Training against one discriminator, by cross entropy."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models import InpaintingModel
from inpaint_tf.training.config import DiscriminatorLossConfig
from inpaint_tf.training.trainer import Batch, Logs, Trainer
from neuralgym_lite import gan


class DiscriminatedTrainer(Trainer):
    """Base class that trains a generator against one discriminator. A subclass defines `judge`.

    Args:
        generator: A network that returns `"refined"`.
        critic: Returns logits, above 0 for a photograph.
        loss: Weights of the losses. Defaults to None, which is the weights of the paper.
        n_critic: Critic updates in a round. Defaults to 1.
    """

    # Name of the boxes that the discriminator is shown of photographs.
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
        """The discriminator, by name."""
        return {"critic": self.critic}

    def judge(self, images: Any, boxes: Any) -> Any:
        """Return the logits of pictures `(B, H, W, 3)` with boxes `(B, 4)`."""
        raise NotImplementedError

    def generator_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the weighted cross entropy of the pictures being taken for photographs."""
        bce = gan.non_saturating_loss(self.judge(fake, batch["box"]))
        return self.loss_weights.gan_loss_alpha * bce, {"bce_g": bce}

    def critic_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the cross entropy of telling photographs from pictures."""
        # Two calls: batch normalization over both would show which is which.
        real = self.judge(batch["image"], batch[self.real_box])
        bce = gan.discriminator_loss(real, self.judge(fake, batch["box"]))
        return bce, {"bce_d": bce}
