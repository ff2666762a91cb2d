"""Training by squared distance, without critics."""

from __future__ import annotations

from typing import Any

from inpaint_tf.losses import hole_mse
from inpaint_tf.training.config import AutoencoderLossConfig
from inpaint_tf.training.trainer import Batch, Logs, Trainer


class RegressionTrainer(Trainer):
    """Trains a generator by the squared distance of the composited picture to the photograph.

    Known pixels are composited before the comparison, so that only the hole counts. Distances are
    in grey levels (0..255), so that the curve compares with the MSE of an evaluation.
    """

    loss_class = AutoencoderLossConfig
    loss_weights: AutoencoderLossConfig

    def reconstruction_loss(self, batch: Batch, outputs: dict[str, Any]) -> tuple[Any, Logs]:
        """Return `ae_loss_alpha` times the mean squared error over the whole picture."""
        mse = hole_mse(batch["image"], outputs["refined"], batch["mask"]) * 127.5**2
        return self.loss_weights.ae_loss_alpha * mse, {"mse": mse}
