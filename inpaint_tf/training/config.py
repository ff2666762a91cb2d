"""The settings of a training run.

Every default is the paper's for contextual attention (Table I); what other models start from is in
`procedures.py`. No number may be so large that a machine could only run out of memory, or a run
never end.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inpaint_tf.masks import GREY, HoleShape, MaskMode
from neuralgym_lite.config import Config
from neuralgym_lite.errors import UserError

MAX_SIDE = 8192
Positive = Annotated[int, Field(ge=1, le=10**9)]
Pixels = Annotated[int, Field(ge=1, le=MAX_SIDE)]
NoPixels = Annotated[int, Field(ge=0, le=MAX_SIDE)]
GreyLevel = Annotated[int, Field(ge=0, le=255)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(gt=0, le=1e3)]


class DataConfig(Config):
    """Which photographs, how large, and how they are varied.

    With `flip`, every other one on average is shown mirrored. With a `smallest_crop` below 1, they
    are cut at random to a square of at least this share of the side, resized.
    """

    dataset: str = "animals"
    dir: str | None = None
    subset: Positive | None = None
    image_size: Annotated[int, Field(ge=16, le=MAX_SIDE, multiple_of=8)] = 256
    flip: bool = False
    smallest_crop: Annotated[float, Field(ge=0.1, le=1)] = 1.0


class MaskConfig(Config):
    """What is missing, and what the network is shown there. Sizes in pixels.

    A height or width of None is half the picture, a max_delta of None an eighth of it (128 and 32
    at 256 pixels). `brush` is the share of holes that are strokes. The color of a hole is given in
    grey levels, or as the mean of the data set; a run stores what that was.
    """

    mode: Literal["hole", "mosaic", "hole_ns", "hole_telea"] = "hole"
    color: Literal["grey", "mean"] | tuple[GreyLevel, GreyLevel, GreyLevel] = "grey"
    place: Literal["anywhere", "center"] = "anywhere"
    height: Pixels | None = None
    width: Pixels | None = None
    max_delta: NoPixels | None = None
    margin: NoPixels = 0
    same_box: bool = True
    brush: Annotated[float, Field(ge=0, le=1)] = 0.0
    mosaic_unit_size: Pixels = 12
    mosaic_interpolation: Literal["bilinear", "nearest"] = "bilinear"

    def make_mode(self) -> MaskMode:
        """Return what the network is shown.

        Raises:
            UserError: if the hole has the data set's mean color, which is not known here.
        """
        if self.color == "mean":
            raise UserError(
                "mask.color=mean: give the data set's mean color instead, as [r, g, b]."
            )
        color = GREY if self.color == "grey" else self.color
        return MaskMode(self.mode, self.mosaic_unit_size, self.mosaic_interpolation, color)

    def make_shape(self, image_size: int) -> HoleShape:
        """Return the shape of the holes in pictures of this size; a UserError if none fits."""
        delta = image_size // 8 if self.max_delta is None else self.max_delta
        height, width = self.height or image_size // 2, self.width or image_size // 2
        centered = self.place == "center"
        shape = HoleShape(height, width, delta, self.margin, self.same_box, centered, self.brush)
        shape.check(image_size)
        return shape


class ModelConfig(Config):
    """Which network, and how wide."""

    name: str = "ca"
    width: Annotated[int, Field(ge=2, le=512)] = 32
    critic_width: Annotated[int, Field(ge=1, le=1024)] = 64
    local_critic_last_width: Annotated[int, Field(ge=1, le=8192)] | None = None
    compat: Literal["keras", "torch", "tf1"] = "keras"
    wiring: Literal["composite", "paper-code"] = "composite"  # of stable-glcic


class LossConfig(Config):
    """Weights of the losses, under the paper's names; the overlap is the Context Encoder's."""

    spatial_discount_gamma: Annotated[float, Field(gt=0, le=1)] = 0.9
    spatial_discount: Literal["known", "box"] = "known"
    coarse_l1_alpha: Weight = 1.2
    refined_l1_alpha: Weight = 1.0
    l1_loss_alpha: Weight = 1.2
    ae_loss_alpha: Weight = 1.2
    global_wgan_loss_alpha: Weight = 1.0
    gan_loss_alpha: Weight = 0.001
    wgan_gp_lambda: Weight = 10.0
    overlap_pixels: NoPixels = 4
    overlap_weight: Weight = 10.0


class PhaseConfig(Config):
    """The first two phases of a run, in iterations; the joint phase has the rest.

    In the completion phase the generator learns without critics, in the other they learn without
    it. None is the model's own share of the run: nothing, but for GLCIC.
    """

    completion: Annotated[int, Field(ge=0, le=10**9)] | None = None
    discriminator: Annotated[int, Field(ge=0, le=10**9)] | None = None

    def stops(self, iterations: int, shares: tuple[float, float]) -> tuple[int, int]:
        """Return the last iterations of both phases of a run of so many.

        Args:
            iterations: of the run.
            shares: of both phases in it, where their lengths are None.
        """
        completion, alone = (
            round(share * iterations) if given is None else given
            for share, given in zip(shares, (self.completion, self.discriminator), strict=True)
        )
        return min(completion, iterations), min(completion + alone, iterations)

    def resolve(self, iterations: int, shares: tuple[float, float]) -> PhaseConfig:
        """Return the phases of a run of so many iterations, with their lengths as numbers."""
        completed, learned = self.stops(iterations, shares)
        return PhaseConfig(completion=completed, discriminator=learned - completed)


class OptimizerConfig(Config):
    """Adam, Adadelta or Muon, for the generator and for the critics.

    Muon trains the generator's convolutions; the rest of it, and the critics, are Adam's then. The
    learning rate stays, as in the paper, or falls to zero along a cosine over the run. The critics
    have the generator's, unless they are given their own. The betas are Adam's. Gradients are
    scaled down to a norm of `clip_norm` over all weights of the generator, or of the critics. With
    `averaging`, say 0.999, what is saved, shown and scored is not the generator after its last
    update but the moving average of its weights, over some 1 / (1 - averaging) updates.
    """

    name: Literal["adam", "adadelta", "muon"] = "adam"
    learning_rate: Rate = 1e-4
    critic_learning_rate: Rate | None = None
    decay: Literal["none", "cosine"] = "none"
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.9
    epsilon: Rate = 1e-8
    clip_norm: Annotated[float, Field(gt=0, le=1e9)] | None = None
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = None

    def rates(self) -> tuple[float, float]:
        """Return the learning rates of the generator and of the critics, before any decay."""
        return self.learning_rate, self.critic_learning_rate or self.learning_rate


class TrainConfig(Config):
    """All settings of a run.

    One iteration is one critic update on one batch; every `n_critic`-th updates the generator too.
    At a scalar that is not finite a run stops, or goes back to its last checkpoint, so many times
    at most, and on with another order of the photographs. It also stops when more than this share
    of them cannot be read.
    """

    data: DataConfig = DataConfig()
    mask: MaskConfig = MaskConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    phases: PhaseConfig = PhaseConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    iterations: Positive = 150_000
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    n_critic: Annotated[int, Field(ge=1, le=100)] = 5  # the graph has each of them
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    strategy: Literal["auto", "single", "mirrored", "multiworker"] = "auto"
    on_nan: Literal["stop", "rollback"] = "stop"
    max_rollbacks: Annotated[int, Field(ge=1, le=1000)] = 3
    max_bad_photos: Annotated[float, Field(ge=0, le=1)] = 0.05
    preview_every: Positive = 1000
    checkpoint_every: Positive = 1000
