"""Time the network and its training on this machine, against the machine's own convolution rate.

    python benchmarks/model_speed.py --out docs/results

Beside each stage stands the time that its convolutions alone would take at the rate of a plain 3x3
convolution, which is measured in the same turns. `--profile` shows where the rest goes. Writes
benchmark.md and benchmark.json.
"""

from __future__ import annotations

import collections
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from harness import Report, Row, benchmark, spread, take_turns, timed

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from inpaint_tf.layers import CompatConv2D, ContextualAttention, UpsampleConv2D  # noqa: E402
from inpaint_tf.masks import box_mask  # noqa: E402
from inpaint_tf.models import create  # noqa: E402
from inpaint_tf.training.procedures import load_train_config  # noqa: E402
from inpaint_tf.training.rounds import RoundDataset  # noqa: E402
from inpaint_tf.training.run import make_trainer, open_run_photos  # noqa: E402

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
    flags = {"data.dataset": "samples", "data.image_size": size, "batch_size": batch}
    config = load_train_config(None, {**flags, "precision": precision})
    trainer = make_trainer(config)
    data = RoundDataset(open_run_photos(config), config).make(0)
    tensors = {name: tf.constant(value) for name, value in data.items()}
    step = tf.function(trainer.train_step)
    return lambda: step(tensors)["g_total"], iteration_flops(trainer, size, batch)


def attention(formulation: str, backward: bool) -> Callable[[], Any]:
    """Return contextual attention on 4 maps of 64x64x128, perhaps with its gradient."""
    layer = ContextualAttention(formulation=formulation)
    features = tf.random.normal((4, 64, 64, 128), seed=1)
    mask = tf.constant(np.stack([box_mask((16, 16, 32, 32), 64)] * 4).astype("float32"))

    @tf.function
    def run(x: tf.Tensor) -> tf.Tensor:
        if not backward:
            return layer(x, x, mask)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, x, mask))
        return tape.gradient(loss, x)

    return lambda: run(features)


def profile(run: Callable[[], Any]) -> dict[str, float]:
    """Return the share of each kind of operation in one run, the largest first."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            np.asarray(run())
        trace = next(Path(folder).rglob("*.xplane.pb")).read_bytes()
    space = xplane_pb2.XSpace.FromString(trace)
    spent: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                place, _, kind = name.rpartition(":")
                if place and "/" in place or kind.startswith("_Mkl"):
                    spent[group(name)] += event.duration_ps
    whole = sum(spent.values())
    return {name: value / whole for name, value in spent.most_common()}


# What an operation is for, and a pattern of its name, PLACE:KIND; the first that fits counts.
KINDS = {
    "contextual attention": r"refinement\w*/contextual_attention.*:",
    "convolutions, gradients of weights": r"BackpropFilter[^:]*$",
    "convolutions, forward and gradients of inputs": r"Conv2D[^:]*$",
    "activations and biases": r":((Elu|BiasAdd)(Grad)?|Relu)$",
    "the rest (casts, copies, losses, Adam)": "",
}


def group(name: str) -> str:
    """Return what an operation is for."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))


# ------------------------------------------------------------------------------------- measuring


def measure_stages(turns: int, profiled: bool) -> Iterator[Row]:
    """Measure every stage in both precisions."""
    stages: dict[str, Callable[[str], tuple[Callable[[], Any], float]]] = {
        "fill 256x256": lambda precision: fill(256, precision),
        "fill 512x512": lambda precision: fill(512, precision),
        "training iteration": training,
    }
    for stage, make in stages.items():
        iterations = 5 if stage.startswith("training") else 1
        runs, work = {}, {}
        for precision in PRECISIONS:
            name = precision.removeprefix("mixed_")
            runs[f"conv {name}"], work[f"conv {name}"] = convolution(name)
            runs[name], work[name] = make(precision)
        jobs = {name: timed(run) for name, run in runs.items()}
        found = take_turns(jobs, max(turns // iterations, 5))
        for name in (precision.removeprefix("mixed_") for precision in PRECISIONS):
            rate = work[f"conv {name}"] / spread(found[f"conv {name}"])["median"]
            row = {
                "stage": stage,
                "precision": name,
                "port": PORT[stage],
                **spread([seconds / iterations for seconds in found[name]]),
                "gflop": work[name] / GIGA,
                "rate": rate / GIGA,
                "at_rate": work[name] / rate,
            }
            row["share"] = row["at_rate"] / row["median"]
            yield {**row, "profile": profile(runs[name])} if profiled else row


def measure_attention(turns: int) -> Iterator[Row]:
    """Compare the formulations of contextual attention."""
    for backward in (False, True):
        forms = ("gram", "reference")
        found = take_turns({form: timed(attention(form, backward)) for form in forms}, turns)
        medians = {form: 1e3 * spread(seconds)["median"] for form, seconds in found.items()}
        stage = "forward and backward" if backward else "forward"
        yield {"stage": stage, **medians, "ratio": medians["reference"] / medians["gram"]}


@benchmark("benchmark", "Speed", turns=15, turns_help="Runs of a short stage.")
@click.option("--profile", "profiled", is_flag=True, help="Show where the time goes.")
def main(report: Report, profiled: bool, turns: int) -> None:
    """Time filling and training, and the formulations of attention."""
    keras.utils.set_random_seed(report.seed)
    report.text(
        "Medians of interleaved runs, full width (32). *At rate* is the time that the stage's "
        "convolutions alone would take at the rate of a 3x3 convolution (128 to 128 channels, 4 "
        "maps of 64x64) measured in the same turns; *of rate* is that time as a share of the "
        "stage's. The port is the PyTorch port's float32 time, tuned, on a 2-core machine, as "
        "it was given to this project; it was not run beside these."
    )
    heads = "stage | precision | median | quartiles | fastest | port | work | conv rate | at rate"
    cells = (
        "{stage} | {precision} | {median:.3f} s | {low:.3f} to {high:.3f} s | {min:.3f} s | "
        "{port:g} s | {gflop:.0f} GFLOP | {rate:.0f} GFLOP/s | {at_rate:.3f} s | {share:.0%}"
    )
    report.table("stages", f"{heads} | of rate", cells, measure_stages(turns, profiled))
    report.text(
        "A training iteration is batch 4 at 256x256, the mean over a round of 5 critic updates "
        "and 1 generator update.",
        "## Contextual attention",
        "4 maps of 64x64x128, float32.",
    )
    cells = "{stage} | {gram:.0f} ms | {reference:.0f} ms | {ratio:.1f}"
    report.table("attention", "stage | Gram | reference | ratio", cells, measure_attention(turns))
    if profiled:
        report.text(
            "## Where the time goes",
            "Shares of the time that operations took, summed over threads, in one profiled run.",
        )
        cells = " | ".join(["{stage}", "{precision}", *(f"{{{kind}:.0%}}" for kind in KINDS)])
        shares = [
            {name: row[name] for name in ("stage", "precision")}
            | dict.fromkeys(KINDS, 0.0)
            | row.pop("profile")
            for row in report.data["stages"]
        ]
        report.table("profile", " | ".join(["stage", "precision", *KINDS]), cells, shares)


if __name__ == "__main__":
    main()
