"""The networks and critics by name."""

from __future__ import annotations

from typing import Any

import keras

from inpaint_tf.models.autoencoder import Autoencoder
from inpaint_tf.models.context_encoder import ContextEncoder
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.critic import Critic
from inpaint_tf.models.glcic import GLCIC
from inpaint_tf.models.inpainting_model import InpaintingModel
from inpaint_tf.models.stable_glcic import StableGLCIC
from neuralgym_lite.errors import UserError, did_you_mean

MODELS: dict[str, type[InpaintingModel]] = {
    "ca": ContextualAttentionModel,
    "stable-glcic": StableGLCIC,
    "glcic": GLCIC,
    "context-encoder": ContextEncoder,
    "autoencoder": Autoencoder,
}
CRITIC_SIZES = {"local": 128, "global": 256}


def create(name: str, /, **options: Any) -> keras.Model:
    """Make a network with fresh weights.

    Args:
        name: `"ca"`, `"stable-glcic"`, `"glcic"`, `"context-encoder"` or `"autoencoder"`.
        **options: arguments of its class, such as `width`, `compat`, `mask_mode` and `dtype`.

    Returns:
        A built `keras.Model`. Call it with `(masked_image, mask)`.

    Raises:
        UserError: if the name is unknown.

    Example:
        >>> model = inpaint_tf.models.create("autoencoder", width=2, mask_mode="mosaic")
        >>> image, mask = np.zeros((1, 32, 32, 3)), np.zeros((1, 32, 32, 1))
        >>> model((image, mask))["refined"].shape
        TensorShape([1, 32, 32, 3])
    """
    return find(name)(**options)


def find(name: str) -> type[InpaintingModel]:
    """Return the class of a network.

    Raises:
        UserError: if the name is unknown.
    """
    if name not in MODELS:
        raise UserError(f"Unknown model: '{name}'. {did_you_mean(name, MODELS)}")
    return MODELS[name]


def create_critic(kind: str, **options: Any) -> Critic:
    """Make a critic with fresh weights.

    Args:
        kind: `"local"`, by default for 128 pixels, or `"global"`, by default for 256.
        **options: arguments of `Critic`. The local critic of the 2018 release has
            `last_width=512`.

    Raises:
        UserError: if the kind is unknown.

    Example:
        >>> critic = inpaint_tf.models.create_critic("local", size=32, width=2)
        >>> critic(np.zeros((4, 32, 32, 3))).shape
        TensorShape([4, 1])
    """
    if kind not in CRITIC_SIZES:
        raise UserError(f"Unknown critic: '{kind}'. {did_you_mean(kind, CRITIC_SIZES)}")
    return Critic(**{"size": CRITIC_SIZES[kind], "name": f"{kind}_critic", **options})
