"""The base class of all inpainters: check, predict, composite, finish."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypedDict, TypeVar, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from inpaint_tf.inference.blending import poisson_blend
from inpaint_tf.inference.conversion import (
    ImageFile,
    ImageLike,
    MaskLike,
    UInt8,
    array_like,
    as_array,
    as_images,
    as_masks,
    as_picture,
    picture_like,
)
from inpaint_tf.inference.detail import add_detail
from inpaint_tf.inference.smooth import continue_smooth
from inpaint_tf.inference.transparency import visible_colors
from inpaint_tf.model_source import ModelSource, presets
from neuralgym_lite.errors import UserError, did_you_mean
from neuralgym_lite.images import Picture

if TYPE_CHECKING:
    import tensorflow as tf
    from typing_extensions import Unpack

    from inpaint_tf.masks import MaskMode

DEFAULT_MEMORY = 4 * 10**9  # bytes

Int32: TypeAlias = npt.NDArray[np.int32]
OnProgress: TypeAlias = Callable[[float], object]
Prediction: TypeAlias = tuple[UInt8, Int32 | None]
SameKind = TypeVar("SameKind", UInt8, Image.Image, Picture, "tf.Tensor")


class FillOptions(TypedDict, total=False):
    """The options of `Inpainter.fill`, for type checkers."""

    blend: bool
    detail: bool | None
    invert_mask: bool
    grow: int
    on_progress: OnProgress | None


@dataclass(frozen=True)
class Options:
    """The options of one call of `Inpainter.fill`, which documents them.

    Of `Inpainter.predict`, `holes_only` is False: known pixels are predicted as well.
    """

    blend: bool = False
    detail: bool = False
    invert_mask: bool = False
    grow: int = 0
    return_attention: bool = False
    on_progress: OnProgress = lambda share: None
    holes_only: bool = True

    def for_part(self, index: int, count: int) -> Options:
        """Return the options for one of several parts, which reports progress of the whole."""
        return replace(self, on_progress=lambda share: self.on_progress((index + share) / count))


class Inpainter(abc.ABC):
    """Fills the holes of images; all pixels outside of them stay byte-equal.

    Make one with `inpaint_tf.load` or `Inpainter.from_preset`. A subclass has a `name` and
    implements `_predict`.

    Attributes:
        presets: the names that `from_preset` accepts, each with a description.
        name: what tables and messages call the inpainter.
        source: what it was loaded from; None if it was made in memory.
        mask_mode: what its network sees in a hole; None if it has no network.
        has_attention: whether `fill(..., return_attention=True)` returns offsets.
        engine_name: what computes its fills, for messages.
        sees_holes: whether it is shown something of what is missing, as in a mosaic. Such holes are
            never continued from smooth surroundings.

    Example:
        >>> inpainter = inpaint_tf.Inpainter.from_preset("telea")
        >>> inpainter
        ClassicalInpainter(name='telea', model='OpenCV telea', radius=3, detail=False)
        >>> image, mask = np.full((16, 16, 3), 200, np.uint8), np.zeros((16, 16), np.uint8)
        >>> mask[4:8, 4:8] = 1
        >>> inpainter(image, mask).shape
        (16, 16, 3)
    """

    presets: ClassVar[dict[str, str]] = presets()

    name: str
    source: ModelSource | None = None
    mask_mode: MaskMode | None = None
    has_attention: bool = False
    engine_name: str = "OpenCV"
    sees_holes: bool = False
    _detail: bool = False

    @classmethod
    def from_preset(
        cls,
        name: str,
        *,
        detail: bool | None = None,
        memory: int | None = None,
        coarse_at: int | None = None,
    ) -> Inpainter:
        """Load an inpainter that comes with the install.

        Args:
            name: one of `Inpainter.presets`.
            detail: as for `inpaint_tf.load`.
            memory: as for `inpaint_tf.load`.
            coarse_at: as for `inpaint_tf.load`.

        Raises:
            UserError: If there is no such preset, or an option is not for it.

        Example:
            >>> inpaint_tf.Inpainter.from_preset("ns").name
            'ns'
        """
        from inpaint_tf.inference.loading import load

        if name not in cls.presets:
            raise UserError(
                f"There is no preset '{name}'. {did_you_mean(name, cls.presets)} "
                "`inpaint_tf.load` opens run folders and files."
            )
        return load(name, detail=detail, memory=memory, coarse_at=coarse_at)

    @property
    def detail(self) -> bool:
        """Whether `fill` continues smooth surroundings and adds detail unless told otherwise."""
        return self._detail

    @overload
    def fill(
        self,
        image: SameKind,
        mask: MaskLike,
        *,
        return_attention: Literal[False] = ...,
        **options: Unpack[FillOptions],
    ) -> SameKind: ...
    @overload
    def fill(
        self,
        image: SameKind,
        mask: MaskLike,
        *,
        return_attention: Literal[True],
        **options: Unpack[FillOptions],
    ) -> tuple[SameKind, Int32 | None]: ...
    @overload
    def fill(
        self,
        image: ImageFile,
        mask: MaskLike,
        *,
        return_attention: Literal[False] = ...,
        **options: Unpack[FillOptions],
    ) -> Image.Image: ...
    @overload
    def fill(
        self,
        image: ImageFile,
        mask: MaskLike,
        *,
        return_attention: Literal[True],
        **options: Unpack[FillOptions],
    ) -> tuple[Image.Image, Int32 | None]: ...
    @overload
    def fill(
        self,
        image: ImageLike | Sequence[ImageLike],
        mask: MaskLike | Sequence[MaskLike],
        *,
        return_attention: bool = ...,
        **options: Unpack[FillOptions],
    ) -> Any: ...
    def fill(
        self,
        image: ImageLike | Sequence[ImageLike],
        mask: MaskLike | Sequence[MaskLike],
        *,
        blend: bool = False,
        detail: bool | None = None,
        invert_mask: bool = False,
        grow: int = 0,
        return_attention: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Fill the holes of an image, of a batch, or of a list of images of different sizes.

        Args:
            image: a path; a PIL image; RGB in 0..255 as a NumPy array or TensorFlow tensor, uint8
                of shape (H, W, 3) or (B, H, W, 3); or a list of these. At least 8 pixels a side. A
                file is read upright; a PIL image is taken as its pixels lie (turn it upright with
                `ImageOps.exif_transpose`).
            mask: nonzero where the image is missing, of the image's size: a path, a PIL image, an
                array or a tensor; for a list of images a list, or one mask for all.
                Files and PIL images: light is missing, dark and transparent is known.
                Arrays and tensors: bool, integer or float of shape (H, W), (H, W, 1), (1, H, W, 1)
                or (B, H, W, 1). Of values up to 1 those above 0.5 are missing; a mask with values
                above 1 holds grey levels up to 255, of which those above 127 are missing.
            blend: whether brightness and color of the holes are fitted to their surroundings by
                Poisson blending, default False.
            detail: whether smooth surroundings are continued and detail is added; None, the
                default, is the inpainter's own choice (`Inpainter.detail`).
            invert_mask: whether the image is missing where the mask says that it is known.
            grow: pixels, 0 or more, by which the holes are dilated after they are inverted.
            return_attention: whether to return where the content came from as well.
            on_progress: called with the finished share of the work in 0..1, after each piece of a
                large image and each image of a list.

        Returns:
            The filled image, of the same kind as `image`: an array or tensor of the same shape; for
            a path or PIL image a PIL image, grey or with alpha if `image` is (filled pixels are
            opaque); for a list a list. An empty mask gives a copy.

            With `return_attention=True` a pair: the filled image, and offsets (dy, dx) on the
            network's attention grid, int32 of shape (B, h, w, 2), or None if the inpainter has no
            attention or the network was not run; for a list two lists.

        Raises:
            UserError: If image or mask are not as above, a mask has values above 0 of which none
                counts as missing, the prediction fails, or everything is missing and the inpainter
                only knows how to continue known pixels.

        Example:
            >>> from PIL import Image
            >>> inpainter = inpaint_tf.load("ns")
            >>> image, mask = Image.new("L", (24, 16), 90), Image.new("L", (24, 16))
            >>> mask.paste(255, (4, 4, 8, 8))
            >>> inpainter.fill(image, mask, grow=1)  # doctest: +ELLIPSIS
            <PIL.Image.Image image mode=L size=24x16 at ...>
        """
        options = Options(
            blend,
            self.detail if detail is None else detail,
            invert_mask,
            grow,
            return_attention,
            on_progress or Options.on_progress,
        )
        several = isinstance(image, (list, tuple))
        fill: Callable[..., tuple[Any, Any]] = self._fill_list if several else self._fill_single
        filled, offsets = fill(image, mask, options)
        return (filled, offsets) if return_attention else filled

    __call__ = fill

    def predict(self, image: UInt8, mask: npt.NDArray[Any]) -> UInt8:
        """Predict whole images: known pixels are not put back.

        Of images that are filled in pieces only the holes are predicted.

        Args:
            image: an array as for `fill`.
            mask: an array as for `fill`.

        Returns:
            The predicted image, of the shape of `image`.

        Raises:
            UserError: As `fill`.
        """
        images = as_images(image)
        whole = Options(holes_only=False)
        return self._predict(images, as_masks(mask, images), whole)[0].reshape(image.shape)

    def provenance(self) -> dict[str, Any]:
        """Return what a report says about the inpainter, of JSON types.

        Returns:
            Its name and source, and whether detail is added by default; for a network also the
            model, its parameters and mask mode, the SHA-256 of its file, and for a run the
            iteration and the data set.

        Raises:
            UserError: If the source has been removed or is damaged.
        """
        known: dict[str, Any] = {"name": self.name}
        if self.detail:
            known["detail"] = True
        return {**known, **self._description(), **(self.source.provenance() if self.source else {})}

    def __repr__(self) -> str:
        known = {"name": self.name, **self._description(), "detail": self.detail}
        if self.mask_mode is not None:
            known["mask"] = self.mask_mode.name
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in known.items())})"

    def _description(self) -> dict[str, Any]:
        """Return what is particular to this kind of inpainter, of JSON types."""
        return {}

    @abc.abstractmethod
    def _predict(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        """Predict whole images; only their missing pixels are used.

        Args:
            images: uint8 of shape (B, H, W, 3).
            masks: 1 where missing, uint8 of shape (B, H, W, 1).
            options: of the call. `return_attention` and `on_progress` are for this method; the
                caller does the rest.

        Returns:
            uint8 of shape (B, H, W, 3), and offsets if they are wanted and there are any.
        """

    def _fill_list(
        self, images: Sequence[ImageLike], mask: MaskLike | Sequence[MaskLike], options: Options
    ) -> tuple[list[Any], list[Int32 | None]]:
        masks = list(mask) if isinstance(mask, (list, tuple)) else [mask] * len(images)
        if len(masks) != len(images):
            raise UserError(f"Each image needs one mask. Received: {len(images)} and {len(masks)}")
        results = []
        for index, pair in enumerate(zip(images, masks, strict=True)):
            its_options = options.for_part(index, len(images))
            try:
                results.append(self._fill_single(*pair, its_options))
            except UserError as error:
                raise UserError(f"Image {index + 1} of {len(images)}: {error}") from error
            its_options.on_progress(1)
        return [filled for filled, _ in results], [offsets for _, offsets in results]

    def _fill_single(
        self, image: ImageLike, mask: MaskLike, options: Options
    ) -> tuple[Any, Int32 | None]:
        """Fill an image or a batch, and return it as the kind that was given."""
        if isinstance(mask, (list, tuple)):
            raise UserError("A list of masks is for a list of images; give one image one mask.")
        picture = as_picture(image)
        if picture is not None:
            filled, offsets = self._fill_picture(picture, mask, options)
            return picture_like(filled, image), offsets
        array = as_array(image, "image")
        images = as_images(array)
        masks = as_masks(mask, images, options.invert_mask, options.grow)
        pixels, offsets = self._fill_batch(images, masks, options)
        return array_like(pixels.reshape(array.shape), image), offsets

    def _fill_picture(
        self, picture: Picture, mask: MaskLike, options: Options
    ) -> tuple[Picture, Int32 | None]:
        """Fill a picture; what is filled becomes opaque."""
        masks = as_masks(mask, as_images(picture.rgb), options.invert_mask, options.grow)
        hole = masks[0, ..., 0]
        colors = visible_colors(picture, hole)
        filled, offsets = self._fill_batch(colors[None], masks, options)
        if colors is not picture.rgb:
            np.copyto(filled[0], picture.rgb, where=hole[..., None] == 0)
        alpha = None if picture.alpha is None else np.where(hole == 1, np.uint8(255), picture.alpha)
        return replace(picture, rgb=filled[0], alpha=alpha), offsets

    def _fill_batch(self, images: UInt8, masks: UInt8, options: Options) -> Prediction:
        if not masks.any():
            return images.copy(), None
        filled, holes, offsets = images, masks, None
        if options.detail and not self.sees_holes:
            pairs = zip(images, masks[..., 0], strict=True)
            continued, rest = zip(*(continue_smooth(*pair) for pair in pairs), strict=True)
            filled, holes = np.stack(continued), np.stack(rest)[..., None]
        if holes.any():
            predicted, offsets = self._predict(filled, holes, options)
            filled = np.where(holes == 1, predicted, filled)
        for wanted, finish in ((options.blend, poisson_blend), (options.detail, add_detail)):
            if wanted:
                pairs = zip(filled, masks[..., 0], strict=True)
                filled = np.stack([finish(*pair) for pair in pairs])
        return filled, offsets
