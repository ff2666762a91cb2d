"""The parts of a network with contextual attention, whatever runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Part: TypeAlias = Callable[..., Array]
Attend: TypeAlias = Callable[[Array, Array, npt.NDArray[np.bool_], int], tuple[Array, Array]]


@dataclass(frozen=True)
class Stages:
    """The parts of a network with contextual attention, as functions of NumPy arrays.

    A picture is `(H, W, 3)` float32 in [-1, 1] and a mask `(H, W, 1)` float32, 1 where missing; H
    and W are multiples of 8. The last argument of a part is the `Box` of the picture that is
    needed, whose edges are multiples of 8. What a part returns covers this box.

    Attributes:
        guess: takes masked picture and mask; returns what the coarse network makes, `(h, w, 3)`.
        features: takes the picture with the guess in its holes, and mask; returns what attention
            compares, `(h / 4, w / 4, 4 width)`.
        attend: takes features and mask of a whole picture, which features are needed, `(H / 4,
            W / 4)` bool, and bytes for scores; returns features, right where they are needed, and
            offsets (dy, dx), `(H / 8, W / 8, 2)` int32.
        decode: takes what `features` takes, and the attended features; returns `(h, w, 3)`.
        width: channels after the first convolution.
        guess_field: radius of the receptive field of `guess`, in pixels.
        features_field: the same of `features`.
        decode_field: the same of `decode`.
        attended_field: the same of the layers after the attention alone.
        errors: what a part raises if it fails, for example for lack of memory.
    """

    guess: Part
    features: Part
    attend: Attend
    decode: Part
    width: int
    guess_field: int
    features_field: int
    decode_field: int
    attended_field: int
    errors: tuple[type[Exception], ...]
