"""Adversarial training of a two-stage network against a local and a global critic."""

from __future__ import annotations

from typing import Any, cast

import keras
from keras import ops

from inpaint_tf.losses import discounted_l1, known_l1
from inpaint_tf.masks import crop_boxes
from inpaint_tf.metrics.lpips_model import load_lpips
from inpaint_tf.models import Critic, InpaintingModel, create_critic
from inpaint_tf.training.config import CAModelConfig, TrainConfig, WGANLossConfig
from inpaint_tf.training.trainer import Batch, Logs, Trainer
from neuralgym_lite import gan


class AdversarialTrainer(Trainer):
    """Trains a generator by L1 distances and two WGAN-GP critics.

    Args:
        generator: A network that returns `"coarse"` and `"refined"`.
        local_critic: Scores the box around the hole.
        global_critic: Scores the whole picture.
        loss: Weights of the losses. Defaults to None, which is the weights of the paper.
        n_critic: Critic updates in a round. Defaults to 5.

    Reference:
        Yu et al. 2018, algorithm 1.
    """

    loss_class = WGANLossConfig
    loss_weights: WGANLossConfig

    def __init__(
        self,
        generator: InpaintingModel,
        local_critic: Critic,
        global_critic: Critic,
        loss: WGANLossConfig | None = None,
        n_critic: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, loss, n_critic, **kwargs)
        self.local_critic = local_critic
        self.global_critic = global_critic
        self.perceptual = load_lpips("squeeze") if self.loss_weights.perceptual_alpha else None

    @classmethod
    def make_critics(cls, config: TrainConfig, dtype: Any) -> dict[str, Any]:
        """Make both critics of a run."""
        model = cast(CAModelConfig, config.model)
        size = config.data.image_size
        shape = config.mask.make_shape(size)
        common = {"width": model.critic_width, "compat": model.compat, "dtype": dtype}
        local = {"size": (shape.height, shape.width), "last_width": model.local_critic_last_width}
        return {
            "local_critic": create_critic("local", **local, **common),
            "global_critic": create_critic("global", size=size, **common),
        }

    @property
    def critics(self) -> dict[str, keras.Model]:
        """Both critics by name."""
        return {"local_critic": self.local_critic, "global_critic": self.global_critic}

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return the L1 distances of both stages, discounted in the hole and plain outside it."""
        weights = self.loss_weights
        image = batch["image"]
        area = self.local_critic.size[0] * self.local_critic.size[1]
        l1, ae = 0.0, 0.0
        alphas = {"coarse": weights.coarse_l1_alpha, "refined": weights.refined_l1_alpha}
        for stage, alpha in alphas.items():
            l1 += alpha * discounted_l1(image, outputs[stage], batch["discount"], area)
            ae += alpha * known_l1(image, outputs[stage], batch["mask"])
        total = weights.l1_loss_alpha * l1 + weights.ae_loss_alpha * ae
        logs = {"l1": l1, "ae": ae}
        if self.perceptual is not None:
            pictures = [(each + 1) * 127.5 for each in (image, self._fake(batch, outputs))]
            logs["lpips"] = ops.mean(self.perceptual(pictures))
            total += weights.perceptual_alpha * logs["lpips"]
        return total, logs

    def generator_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the negative mean of the critics' scores."""
        weights = self.loss_weights
        wgan = gan.generator_loss(self.local_critic(self._crop(fake, batch)))
        wgan += weights.global_wgan_loss_alpha * gan.generator_loss(self.global_critic(fake))
        return weights.gan_loss_alpha * wgan, {"wgan_g": wgan}

    def critic_loss(self, batch: Batch, fake: Any) -> tuple[Any, Logs]:
        """Return the difference of scores and the gradient penalty, of both critics."""
        weights = self.loss_weights
        pairs = (
            (self.local_critic, self._crop(batch["image"], batch), self._crop(fake, batch)),
            (self.global_critic, batch["image"], fake),
        )
        alphas = (1.0, weights.global_wgan_loss_alpha)
        wgan, penalty = 0.0, 0.0
        for side, (critic, real, generated) in enumerate(pairs):
            scores = critic(ops.concatenate([real, generated], axis=0))
            wgan += alphas[side] * gan.critic_loss(*ops.split(scores, 2, axis=0))
            between = gan.interpolate(real, generated, batch["alpha"][:, side])
            penalty += gan.gradient_penalty(gan.input_gradients(critic, between))
        return wgan + weights.wgan_gp_lambda * penalty, {"wgan_d": wgan, "wgan_gp": penalty}

    @property
    def _network_variables(self) -> list[Any]:
        perceptual = self.perceptual.variables if self.perceptual is not None else []
        return [*super()._network_variables, *perceptual]

    def _crop(self, images: Any, batch: Batch) -> Any:
        return crop_boxes(images, batch["box"], *self.local_critic.size)
