"""Generators, critics and discriminators, one in each file."""

from inpaint_tf.models.autoencoder import Autoencoder
from inpaint_tf.models.context_discriminator import ContextDiscriminator
from inpaint_tf.models.context_encoder import ContextEncoder
from inpaint_tf.models.contextual_attention import ContextualAttentionModel
from inpaint_tf.models.critic import Critic
from inpaint_tf.models.glcic import GLCIC
from inpaint_tf.models.glcic_discriminator import GLCICDiscriminator
from inpaint_tf.models.inpainting_model import InpaintingModel
from inpaint_tf.models.registry import create, create_critic
from inpaint_tf.models.stable_glcic import StableGLCIC

__all__ = [
    "GLCIC",
    "Autoencoder",
    "ContextDiscriminator",
    "ContextEncoder",
    "ContextualAttentionModel",
    "Critic",
    "GLCICDiscriminator",
    "InpaintingModel",
    "StableGLCIC",
    "create",
    "create_critic",
]
