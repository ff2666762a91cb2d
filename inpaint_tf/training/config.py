"""The settings of a training run: one class for each model, with that model's defaults.

`TrainConfig` has what all models share. Its subclasses at the end of this file add the settings of
one model and set its defaults, which are those of its paper. Every number has a bound, so that no
setting can make a run that needs more memory than any machine has, or that never ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from inpaint_tf.masks import GREY, HoleShape, MaskMode
from inpaint_tf.model_source import MAX_SIDE
from neuralgym_lite.config import Config, ForeignKey, to_flat
from neuralgym_lite.errors import UserError, did_you_mean

Positive = Annotated[int, Field(ge=1, le=10**9)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Pixels = Annotated[int, Field(ge=1, le=MAX_SIDE)]
PixelsOrZero = Annotated[int, Field(ge=0, le=MAX_SIDE)]
GreyLevel = Annotated[int, Field(ge=0, le=255)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(gt=0, le=1e3)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Settings(Config, use_attribute_docstrings=True):
    """A config whose fields are described by the strings below them."""


class DataConfig(Settings):
    """Photographs, their size and their augmentation."""

    dataset: str = "animals"
    """Name of the data set, or several, as in animals+places2."""
    dir: str | None = None
    """Folder of the photographs. null: where `inpaint-tf data get` puts them."""
    subset: Positive | None = None
    """Training photographs to use, spread evenly over the classes. null: all."""
    image_size: Annotated[int, Field(ge=16, le=MAX_SIDE, multiple_of=8)] = 256
    """Side of the square training images in pixels."""
    flip: bool = False
    """Mirror each photograph left to right with probability 0.5."""
    smallest_crop: Annotated[float, Field(ge=0.1, le=1)] = 1.0
    """Smallest side of a random crop, as a share of the photograph's side. 1: none."""


class MaskConfig(Settings):
    """The holes, and what the generator gets as input inside them."""

    mode: Literal["hole", "mosaic", "hole_ns", "hole_telea"] = "hole"
    """Input inside the hole: one color, a mosaic of the photograph, or the result of OpenCV's
    Navier-Stokes or TELEA inpainting."""
    color: Literal["grey", "mean"] | tuple[GreyLevel, GreyLevel, GreyLevel] = "grey"
    """Color of the hole: grey, the data set's mean, or [r, g, b] in grey levels."""
    place: Literal["anywhere", "center"] = "anywhere"
    """Position of the hole: random, or the center of the image."""
    height: Pixels | None = None
    """Height of the hole in pixels. null: half the image."""
    width: Pixels | None = None
    """Width of the hole in pixels. null: half the image."""
    max_delta: PixelsOrZero | None = None
    """A hole is smaller than height and width by up to this many pixels, at random. null: an eighth
    of the image."""
    margin: PixelsOrZero = 0
    """Distance of the hole from the image border in pixels, at least."""
    same_box: bool = True
    """Whether all holes of a batch are in one place; their sizes still differ."""
    brush: Share = 0.0
    """Share of holes that are brush strokes, not rectangles."""
    mosaic_unit_size: Pixels = 12
    """Side of the mosaic's blocks in pixels."""
    mosaic_interpolation: Literal["bilinear", "nearest"] = "bilinear"
    """How the photograph is reduced to the mosaic's blocks."""

    def make_mode(self) -> MaskMode:
        """Return the mask mode, which computes the generator's input.

        Raises:
            UserError: if the color is the data set's mean, which only `resolve` can compute.
        """
        if self.color == "mean":
            raise UserError(
                "mask.color=mean: give the data set's mean color instead, as [r, g, b]."
            )
        color = GREY if self.color == "grey" else self.color
        return MaskMode(self.mode, self.mosaic_unit_size, self.mosaic_interpolation, color)

    def make_shape(self, image_size: int) -> HoleShape:
        """Return the shape of the holes in images of this size; a UserError if none fits."""
        delta = image_size // 8 if self.max_delta is None else self.max_delta
        height, width = self.height or image_size // 2, self.width or image_size // 2
        centered = self.place == "center"
        shape = HoleShape(height, width, delta, self.margin, self.same_box, centered, self.brush)
        shape.check(image_size)
        return shape


class PhaseConfig(Settings):
    """Phases in which one side trains alone, before both train together."""

    completion: Count | None = None
    """Iterations at the start that train the generator without critics. null: the model's own share
    of the run, which is 18 % for glcic and none for the others."""
    discriminator: Count | None = None
    """Iterations after those that train the critics alone. null: the model's own share of the run,
    which is 2 % for glcic and none for the others."""

    def stops(self, iterations: int, shares: tuple[float, float]) -> tuple[int, int]:
        """Return the last iterations of both phases of a run of this length.

        A phase whose length is None takes its share of the run.
        """
        lengths = (self.completion, self.discriminator)
        completion, alone = (
            round(share * iterations) if length is None else length
            for share, length in zip(shares, lengths, strict=True)
        )
        return min(completion, iterations), min(completion + alone, iterations)

    def resolve(self, iterations: int, shares: tuple[float, float]) -> PhaseConfig:
        """Return the phases of a run of this length, with their lengths as numbers."""
        completed, learned = self.stops(iterations, shares)
        return PhaseConfig(completion=completed, discriminator=learned - completed)


class OptimizerConfig(Settings):
    """The optimizers of the generator and of the critics."""

    name: Literal["adam", "adadelta", "muon"] = "adam"
    """Optimizer. muon: Muon for the generator's convolutions, Adam for the rest."""
    learning_rate: Rate = 1e-4
    """Learning rate."""
    critic_learning_rate: Rate | None = None
    """Learning rate of the critics. null: the generator's."""
    decay: Literal["none", "cosine"] = "none"
    """Learning rate over the run: constant, or a cosine down to zero."""
    beta_1: Decay = 0.5
    """Adam's decay of the first moment."""
    beta_2: Decay = 0.9
    """Adam's decay of the second moment."""
    epsilon: Rate = 1e-8
    """Constant in the optimizer's denominator."""
    clip_norm: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Largest norm of the gradient over all weights of the generator, or of the critics. null: no
    clipping."""
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Momentum of a moving average of the generator's weights, such as 0.999, which previews,
    scores and saved networks use. null: no average."""

    def rates(self) -> tuple[float, float]:
        """Return the learning rates of the generator and of the critics, before any decay."""
        return self.learning_rate, self.critic_learning_rate or self.learning_rate


# ---------------------------------------------------------------------------------------- networks


# Fields that several classes declare, each with a default of its own.
_NAME = Field(
    description="Model: ca, stable-glcic, glcic, context-encoder or autoencoder. "
    "Other settings depend on it."
)
Width = Annotated[
    int, Field(ge=2, le=512, description="Channels of the generator's first convolution.")
]


class ModelConfig(Settings):
    """The networks."""

    name: Annotated[str, _NAME]
    width: Width = 32
    compat: Literal["keras", "torch", "tf1"] = "keras"
    """Convention for padding and resizing, for weights of other frameworks."""


class AdversarialModelConfig(ModelConfig):
    """A generator and its critics."""

    critic_width: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels of the critics' first convolution."""


class CAModelConfig(AdversarialModelConfig):
    """Networks of contextual attention."""

    name: Annotated[Literal["ca"], _NAME] = "ca"
    local_critic_last_width: Annotated[int, Field(ge=1, le=8192)] | None = None
    """Channels of the local critic's last convolution, 512 in the released code of 2018. null: as
    the global critic's."""


class StableGLCICModelConfig(CAModelConfig):
    """Networks of contextual attention without the attention."""

    name: Annotated[Literal["stable-glcic"], _NAME] = "stable-glcic"  # type: ignore[assignment]
    wiring: Literal["composite", "paper-code"] = "composite"
    """Input of the second network: the first one's composited result, or, as in the paper's code,
    the masked image again."""


class GLCICModelConfig(AdversarialModelConfig):
    """Networks of GLCIC."""

    name: Annotated[Literal["glcic"], _NAME] = "glcic"
    width: Width = 64


class ContextEncoderModelConfig(AdversarialModelConfig):
    """Networks of the Context Encoder."""

    name: Annotated[Literal["context-encoder"], _NAME] = "context-encoder"
    width: Width = 64


class AutoencoderModelConfig(ModelConfig):
    """The paper's baseline, which has no critic."""

    name: Annotated[Literal["autoencoder"], _NAME] = "autoencoder"
    width: Width = 64


# ------------------------------------------------------------------------------------------ losses


GANWeight = Annotated[Weight, Field(description="Weight of the adversarial loss of the generator.")]


class LossConfig(Settings):
    """Weights of the losses, under the paper's names."""


class WGANLossConfig(LossConfig):
    """L1 distances and two WGAN-GP critics."""

    spatial_discount_gamma: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Base of the discounted L1 loss: a pixel weighs gamma ** distance."""
    spatial_discount: Literal["known", "box"] = "known"
    """Distance for the discount, in pixels: to the nearest known pixel, or to the edge of the
    hole's bounding box."""
    coarse_l1_alpha: Weight = 1.2
    """Weight of the coarse network's L1 losses."""
    refined_l1_alpha: Weight = 1.0
    """Weight of the refinement network's L1 losses."""
    l1_loss_alpha: Weight = 1.2
    """Weight of the L1 loss inside the hole."""
    ae_loss_alpha: Weight = 1.2
    """Weight of the L1 loss outside the hole."""
    global_wgan_loss_alpha: Weight = 1.0
    """Weight of the global critic's loss; the local critic's is 1."""
    gan_loss_alpha: GANWeight = 0.001
    wgan_gp_lambda: Weight = 10.0
    """Weight of the gradient penalty."""
    perceptual_alpha: Weight = 0.0
    """Weight of the LPIPS distance by SqueezeNet of the composited result. Above 0 it needs the
    weights `lpips-squeeze`."""


class DiscriminatorLossConfig(LossConfig):
    """Squared error and one discriminator."""

    gan_loss_alpha: GANWeight = 0.001


class ContextEncoderLossConfig(DiscriminatorLossConfig):
    """Squared error in the hole and in a rim of known pixels, and one discriminator."""

    overlap_pixels: PixelsOrZero = 4
    """Width in pixels of the rim of known pixels around the hole."""
    overlap_weight: Weight = 10.0
    """Weight of a pixel in that rim."""


class AutoencoderLossConfig(LossConfig):
    """Squared error alone."""

    ae_loss_alpha: Weight = 1.2
    """Weight of the squared error."""


# -------------------------------------------------------------------------------------------- runs


Iterations = Annotated[
    Positive,
    Field(description="Length of the run. One iteration is one critic update on one batch."),
]
BatchSize = Annotated[int, Field(ge=1, le=65_536, description="Photographs in one batch.")]
CriticUpdates = Annotated[
    int,  # The graph of a training step has a copy of the critic update for each of them.
    Field(ge=1, le=100, description="Critic updates for each update of the generator."),
]


class TrainConfig(Settings):
    """All settings of a run.

    Like `pathlib.Path`, `TrainConfig(...)` makes an instance of a subclass: that of the model in
    its `model` section, by default contextual attention. A section given as an instance has that
    instance's values; `load_train_config` fills sections given in part with the model's defaults.

    Example:
        >>> TrainConfig(iterations=1000).loss.wgan_gp_lambda
        10.0
    """

    data: DataConfig = DataConfig()
    mask: MaskConfig = MaskConfig()
    model: ModelConfig = CAModelConfig()
    loss: LossConfig = WGANLossConfig()
    phases: PhaseConfig = PhaseConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    iterations: Iterations = 150_000
    batch_size: BatchSize = 64
    n_critic: CriticUpdates = 5
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of every random number."""
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """Numbers to compute in. auto: mixed_bfloat16 where it is fast."""
    strategy: Literal["auto", "single", "mirrored", "multiworker"] = "auto"
    """Devices: one, all of this machine, or several machines."""
    on_nan: Literal["stop", "rollback"] = "stop"
    """At a loss that is not finite: stop, or go back to the last checkpoint and continue with the
    photographs in another order."""
    max_rollbacks: Annotated[int, Field(ge=1, le=1000)] = 3
    """Times that a run goes back before it stops."""
    max_bad_photos: Share = 0.05
    """Share of photographs that may be unreadable before the run stops."""
    preview_every: Positive = 1000
    """Iterations between two previews."""
    checkpoint_every: Positive = 1000
    """Iterations between two checkpoints."""

    def __new__(cls, **settings: Any) -> TrainConfig:  # noqa: D102
        return super().__new__(cls.select(settings))

    @model_validator(mode="after")
    def _check_class(self) -> TrainConfig:
        # `model_validate` of this class itself would not have the fields of the model.
        if MODEL_CONFIGS.get(self.model.name) is not type(self):
            raise ValueError("use `load_train_config`, or the config class of the model")
        return self

    @classmethod
    def select(cls, settings: Mapping[str, Any]) -> type[TrainConfig]:
        """Return the class of the model that these settings name.

        Raises:
            UserError: if no model has this name.
        """
        if cls is not TrainConfig:
            return cls
        model = settings.get("model")
        name = (
            model.get("name", "ca") if isinstance(model, Mapping) else getattr(model, "name", "ca")
        )
        if not isinstance(name, str) or name not in MODEL_CONFIGS:
            raise UserError(f"Unknown model: {name!r}. {did_you_mean(name, MODEL_CONFIGS)}")
        return MODEL_CONFIGS[name]

    @classmethod
    def foreign_keys(cls) -> dict[str, ForeignKey]:
        """Return the keys that only other models have, each with its default there."""
        own = to_flat(cls()).keys()
        found: dict[str, ForeignKey] = {}
        for name, kind in MODEL_CONFIGS.items():
            for key, value in to_flat(kind()).items():
                if key not in own:
                    known = found.get(key, ForeignKey((), value))
                    found[key] = ForeignKey((*known.owners, name), known.default)
        return found

    def network_options(self) -> dict[str, Any]:
        """Return the arguments of the model beside width, dialect and mask mode."""
        return {}


class CATrainConfig(TrainConfig):
    """Contextual attention: Yu et al. 2018, Table I of the paper."""

    model: CAModelConfig = CAModelConfig()
    loss: WGANLossConfig = WGANLossConfig()


class StableGLCICTrainConfig(CATrainConfig):
    """Contextual attention's network without the attention, trained alike."""

    model: StableGLCICModelConfig = StableGLCICModelConfig()

    def network_options(self) -> dict[str, Any]:
        """Add the wiring."""
        return {"wiring": self.model.wiring}


class GLCICTrainConfig(TrainConfig):
    """GLCIC: Iizuka et al. 2017, with Adadelta, three phases and the mean color in the hole."""

    mask: MaskConfig = MaskConfig(color="mean", same_box=False)
    model: GLCICModelConfig = GLCICModelConfig()
    loss: DiscriminatorLossConfig = DiscriminatorLossConfig(gan_loss_alpha=4e-4)
    optimizer: OptimizerConfig = OptimizerConfig(name="adadelta", learning_rate=1.0, epsilon=1e-6)
    iterations: Iterations = 500_000
    batch_size: BatchSize = 96
    n_critic: CriticUpdates = 1


class ContextEncoderTrainConfig(TrainConfig):
    """Context Encoder: Pathak et al. 2016, with the learning rates of the released code."""

    data: DataConfig = DataConfig(image_size=128)
    mask: MaskConfig = MaskConfig(color=(117, 104, 123))
    model: ContextEncoderModelConfig = ContextEncoderModelConfig()
    loss: ContextEncoderLossConfig = ContextEncoderLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig(
        learning_rate=2e-3, critic_learning_rate=2e-4, beta_2=0.999
    )
    n_critic: CriticUpdates = 1

    def network_options(self) -> dict[str, Any]:
        """Add the size, which the network is made for."""
        return {"image_size": self.data.image_size}


class AutoencoderTrainConfig(TrainConfig):
    """The paper's baseline and its code: a white hole in the middle, of half the side."""

    data: DataConfig = DataConfig(image_size=128)
    mask: MaskConfig = MaskConfig(color=(255, 255, 255), place="center", max_delta=0)
    model: AutoencoderModelConfig = AutoencoderModelConfig()
    loss: AutoencoderLossConfig = AutoencoderLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig(beta_1=0.9, beta_2=0.999)
    iterations: Iterations = 100_000
    batch_size: BatchSize = 32
    n_critic: CriticUpdates = 1


MODEL_CONFIGS: dict[str, type[TrainConfig]] = {
    "ca": CATrainConfig,
    "stable-glcic": StableGLCICTrainConfig,
    "glcic": GLCICTrainConfig,
    "context-encoder": ContextEncoderTrainConfig,
    "autoencoder": AutoencoderTrainConfig,
}
