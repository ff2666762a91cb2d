"""Time the network and its training on this machine, against the machine's own convolution rate.

    python benchmarks/model_speed.py --out docs/results

All variants of a stage are run in turn, again and again, so that they share the machine's good and
bad moments; medians are printed. Beside each stage stands the time that its convolutions alone
would take at the rate of a plain 3x3 convolution, measured in the same turns. `--profile` adds
where the rest goes. Writes benchmark.md and benchmark.json.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from inpaint_tf.layers import CompatConv2D, ContextualAttention, UpsampleConv2D  # noqa: E402
from inpaint_tf.masks import box_mask  # noqa: E402
from inpaint_tf.models import create  # noqa: E402
from inpaint_tf.training.config import TrainConfig  # noqa: E402
from inpaint_tf.training.run import make_trainer  # noqa: E402

PRECISIONS = ("float32", "mixed_bfloat16")
GIGA = 1e9
# What the PyTorch port takes, tuned, on a 2-core machine (seconds).
PORT = {"fill 256x256": 0.41, "fill 512x512": 2.5, "training iteration": 4.2}


# ------------------------------------------------------------------------------- work in the nets


def conv_flops(layers: Iterable[Any], size: float) -> tuple[float, float]:
    """Return the operations of a chain of layers on a size x size picture, and its last size."""
    total = 0.0
    for layer in layers:
        if isinstance(layer, UpsampleConv2D):
            # The doubled picture's four kinds of pixels see 4 taps each.
            channels = layer.kernel.shape[2]
            size *= 2
            total += 2 * size**2 * 4 * channels * layer.filters
        elif isinstance(layer, CompatConv2D):
            size /= layer.strides[0]
            total += 2 * size**2 * float(np.prod(layer.kernel.shape))
    return total, size


def generator_flops(model: keras.Model, size: int) -> float:
    """Return the operations of the convolutions of one forward pass on one picture."""
    refinement = model.refinement
    total = conv_flops(model.coarse.chain, size)[0]
    total += conv_flops(refinement.dilated_encoder, size)[0]
    described, small = conv_flops(refinement.attention_encoder, size)
    total += described + conv_flops(refinement.attention_decoder, small)[0]
    return total + conv_flops(refinement.decoder, small)[0]


def iteration_flops(trainer: Any, size: int, batch: int) -> float:
    """Return the operations of the convolutions of a mean training iteration.

    A critic update is a forward and a backward pass on real and generated pictures, and for the
    penalty a forward pass, the gradient of the input and, backward through that, two more. A
    generator update is two backward passes through the generator (weights and inputs), and through
    the critics a forward pass and the gradient of the input.
    """
    critics = sum(
        conv_flops(critic.convs, critic.size[0])[0]
        for critic in (trainer.local_critic, trainer.global_critic)
    )
    forward = generator_flops(trainer.generator, size)
    critic_update = 2 * 3 * critics + 4 * critics
    generator_update = 2 * forward + 2 * critics
    return batch * (forward + critic_update + generator_update / trainer.n_critic)


# ---------------------------------------------------------------------------------------- stages


def convolution(dtype: str) -> tuple[Callable[[], Any], float]:
    """Return a plain 3x3 convolution, 128 to 128 channels on 4 maps of 64x64, and its work."""
    maps = tf.cast(tf.random.normal((4, 64, 64, 128)), dtype)
    kernel = tf.cast(tf.random.normal((3, 3, 128, 128)), dtype)
    run = tf.function(lambda: tf.nn.conv2d(maps, kernel, 1, "SAME"))
    return run, 2 * 4 * 64**2 * 9 * 128**2


def fill(size: int, precision: str) -> tuple[Callable[[], Any], float]:
    """Return one forward pass on one picture with the middle half missing, and its work."""
    model = create("ca", dtype=precision)
    mask = box_mask((size // 4, size // 4, size // 2, size // 2), size)[None].astype("float32")
    masked = tf.random.uniform((1, size, size, 3), -1, 1, seed=1) * (1 - mask)
    mask = tf.constant(mask)
    run = tf.function(lambda x, m: model((x, m), training=False)["refined"])
    return lambda: run(masked, mask), generator_flops(model, size)


def training(precision: str, batch: int = 4, size: int = 256) -> tuple[Callable[[], Any], float]:
    """Return one round, and the work of a mean iteration of it."""
    settings = {"batch_size": batch, "precision": precision, "data": {"image_size": size}}
    config = TrainConfig.model_validate(settings)
    trainer = make_trainer(config)
    rng = np.random.default_rng(0)
    rounds = config.n_critic
    shape = config.mask.make_shape(size)
    masks, boxes = zip(*(shape.draw(rng, batch, size) for _ in range(rounds)), strict=True)
    data = {
        "image": rng.integers(0, 256, (batch, rounds, size, size, 3), "uint8"),
        "mask": np.stack(masks, axis=1),
        "box": np.stack(boxes, axis=1),
        "alpha": rng.random((batch, rounds, 2), "float32"),
        "discount": masks[-1].astype("float32"),
    }
    tensors = {name: tf.constant(value) for name, value in data.items()}
    step = tf.function(trainer.train_step)
    return lambda: step(tensors)["g_total"], iteration_flops(trainer, size, batch)


def attention(formulation: str, backward: bool) -> Callable[[], Any]:
    """Return contextual attention on 4 maps of 64x64x128, perhaps with its gradient."""
    layer = ContextualAttention(formulation=formulation)
    features = tf.random.normal((4, 64, 64, 128), seed=1)
    mask = tf.constant(np.stack([box_mask((16, 16, 32, 32), 64)] * 4).astype("float32"))

    @tf.function
    def forward(x: tf.Tensor) -> tf.Tensor:
        return layer(x, x, mask)

    @tf.function
    def both(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, x, mask))
        return tape.gradient(loss, x)

    return lambda: (both if backward else forward)(features)


# ------------------------------------------------------------------------------------- measuring


def interleave(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each run, one after the other in turn; the first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            tf.nest.map_structure(lambda x: x.numpy(), run())
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def profile(run: Callable[[], Any]) -> dict[str, float]:
    """Return the share of each kind of operation in one run, the largest first."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            tf.nest.map_structure(lambda x: x.numpy(), run())
        trace = next(Path(folder).rglob("*.xplane.pb")).read_bytes()
    space = xplane_pb2.XSpace.FromString(trace)
    spent: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                place, _, kind = name.rpartition(":")
                if place and "/" in place or kind.startswith("_Mkl"):
                    spent[group(place, kind)] += event.duration_ps
    whole = sum(spent.values())
    return {name: value / whole for name, value in spent.most_common()}


def group(place: str, kind: str) -> str:
    """Return what an operation is for."""
    if re.search(r"refinement\w*/contextual_attention", place):
        return "contextual attention"
    if "BackpropFilter" in kind:
        return "convolutions: gradients of weights"
    if "Conv2D" in kind:
        return "convolutions: forward, gradients of inputs"
    if kind in ("Elu", "EluGrad", "BiasAdd", "BiasAddGrad", "Relu"):
        return "activations and biases"
    return "the rest (casts, copies, losses, Adam)"


# --------------------------------------------------------------------------------------- reports


def environment() -> dict[str, Any]:
    """Return the machine and the versions."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "command": " ".join(["python", *sys.argv]),
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "malloc": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")},
    }


def measure(repeats: int, profiled: bool) -> list[dict[str, Any]]:
    """Measure all stages; return one row for each stage and precision."""
    stages: dict[str, Callable[[str], tuple[Callable[[], Any], float]]] = {
        "fill 256x256": lambda precision: fill(256, precision),
        "fill 512x512": lambda precision: fill(512, precision),
        "training iteration": training,
    }
    rows = []
    for stage, make in stages.items():
        iterations = 5 if stage.startswith("training") else 1
        runs, work = {}, {}
        for precision in PRECISIONS:
            name = precision.removeprefix("mixed_")
            runs[f"conv {name}"], work[f"conv {name}"] = convolution(name)
            runs[name], work[name] = make(precision)
        turns = max(repeats // iterations, 5)
        seconds = interleave(runs, turns)
        for precision in PRECISIONS:
            name = precision.removeprefix("mixed_")
            rate = work[f"conv {name}"] / statistics.median(seconds[f"conv {name}"])
            took = [s / iterations for s in seconds[name]]
            row = {
                "stage": stage,
                "precision": name,
                "median_s": statistics.median(took),
                "min_s": min(took),
                "runs": len(took),
                "conv_gflops": work[name] / GIGA,
                "conv_rate_gflops": rate / GIGA,
                "at_conv_rate_s": work[name] / rate,
            }
            if profiled:
                row["profile"] = profile(runs[name])
            rows.append(row)
            print(f"{stage}, {name}: {row['median_s']:.3f} s", file=sys.stderr)
    return rows


def measure_attention(repeats: int) -> list[dict[str, Any]]:
    """Compare the formulations of contextual attention."""
    rows = []
    for backward in (False, True):
        runs = {form: attention(form, backward) for form in ("gram", "reference")}
        seconds = interleave(runs, repeats)
        what = "forward and backward" if backward else "forward"
        medians = {form: statistics.median(took) for form, took in seconds.items()}
        rows.append({"stage": what, **medians})
        print(f"attention {what}: {medians}", file=sys.stderr)
    return rows


def report(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    about = result["environment"]
    lines = [
        "# Speed",
        "",
        f"`{about['command']}` on {about['processor']}, {about['cores']} cores, Python "
        f"{about['python']}, TensorFlow {about['tensorflow']}, Keras {about['keras']}. "
        f"malloc: {about['malloc'] or 'as it comes'}.",
        "",
        "Medians of interleaved runs, full width (32). *At rate* is the time that the stage's "
        "convolutions alone would take at the rate of a 3x3 convolution (128 to 128 channels, 4 "
        "maps of 64x64) measured in the same turns; *of rate* is that time in parts of the "
        "stage's. The port is the PyTorch port's float32 time, tuned, on a 2-core machine, as "
        "it was given to this project; it was not run beside these.",
        "",
        "| stage | precision | median | fastest | port | work | conv rate | at rate | of rate |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in result["stages"]:
        share = row["at_conv_rate_s"] / row["median_s"]
        lines.append(
            f"| {row['stage']} | {row['precision']} | {row['median_s']:.3f} s | "
            f"{row['min_s']:.3f} s | {PORT[row['stage']]} s | {row['conv_gflops']:.0f} GFLOP | "
            f"{row['conv_rate_gflops']:.0f} GFLOP/s | {row['at_conv_rate_s']:.3f} s | {share:.0%} |"
        )
    lines += [
        "",
        "A training iteration is batch 4 at 256x256, the mean over a round of 5 critic updates "
        "and 1 generator update.",
        "",
        "## Contextual attention",
        "",
        "4 maps of 64x64x128, float32.",
        "",
        "| | Gram | reference | ratio |",
        "|---|--:|--:|--:|",
    ]
    for row in result["attention"]:
        ratio = row["reference"] / row["gram"]
        lines.append(
            f"| {row['stage']} | {row['gram'] * 1e3:.0f} ms | {row['reference'] * 1e3:.0f} ms | "
            f"{ratio:.1f} |"
        )
    profiled = [row for row in result["stages"] if "profile" in row]
    if profiled:
        kinds = sorted({kind for row in profiled for kind in row["profile"]})
        lines += [
            "",
            "## Where the time goes",
            "",
            "Shares of the time that operations took, summed over threads, in one profiled run.",
            "",
            "| stage | precision | " + " | ".join(kinds) + " |",
            "|---|---|" + "--:|" * len(kinds),
        ]
        for row in profiled:
            shares = " | ".join(f"{row['profile'].get(kind, 0):.0%}" for kind in kinds)
            lines.append(f"| {row['stage']} | {row['precision']} | {shares} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="turns of a short stage")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--out", type=Path, help="folder for benchmark.md and benchmark.json")
    options = parser.parse_args()
    result = {
        "environment": environment(),
        "stages": measure(options.repeats, options.profile),
        "attention": measure_attention(options.repeats),
    }
    text = report(result)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "benchmark.md").write_text(text, encoding="utf-8")
        data = json.dumps(result, indent=2)
        (options.out / "benchmark.json").write_text(data + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
