r"""Fill photographs with an exported folder alone. Run as a program, by `check.py`.

    printf 'FOLDER\nINPUTS.npz\nOUTPUTS.npz' | python clean_process.py

It stands for a server, which has neither this project nor Keras: to import them fails here, as if
they were not installed.
"""

from __future__ import annotations

import sys
from typing import Any

# The folder of this file is on the path when it is run; a server has none of it.
sys.path.pop(0)
for name in ("inpaint_tf", "neuralgym_lite", "keras"):
    sys.modules[name] = None  # type: ignore[assignment]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def main(folder: str, inputs: str, outputs: str) -> None:
    """Fill `image_i` where `mask_i` says, by every signature."""
    loaded = tf.saved_model.load(folder)
    filled: dict[str, Any] = {}
    with np.load(inputs) as given:
        for i in range(len(given.files) // 2):
            pair = {name: tf.constant(given[f"{name}_{i}"]) for name in ("image", "mask")}
            results = {**fill(loaded, pair), **fill_files(loaded, pair)}
            filled |= {f"{name}_{i}": value for name, value in results.items()}
    np.savez(outputs, **filled)


def fill(loaded: Any, pair: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """Return the results of the signatures that take arrays."""
    signatures = loaded.signatures
    results = {
        "output": signatures["serving_default"](**pair)["output"],
        "refined": loaded.refine(**pair)["refined"],
    }
    if "attention" in signatures:
        results["attention_output"] = signatures["attention"](**pair)["output"]
    return {name: value.numpy() for name, value in results.items()}


def fill_files(loaded: Any, pair: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """Return the result of the signature that takes files."""
    files = {
        name: tf.stack([tf.io.encode_png(picture) for picture in batch])
        for name, batch in pair.items()
    }
    pictures = loaded.signatures["bytes"](**files)["output_bytes"]
    return {"decoded": np.stack([tf.io.decode_png(each).numpy() for each in pictures])}


if __name__ == "__main__":
    main(*sys.stdin.read().splitlines())
