"""Networks, one a file, made by name."""

from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.critic import Critic
from inpaint_tf.models.inpainting_model import InpaintingModel
from inpaint_tf.models.registry import create, create_critic

__all__ = [
    "ContextualAttentionModel",
    "Critic",
    "InpaintingModel",
    "create",
    "create_critic",
]
