"""Measure what each exported format and precision takes and gives: bytes, seconds, scores.

    python benchmarks/exports.py ca-photos --turns 8 --openvino /tmp/openvino/bin/python

In each turn every file fills the same photograph of the data set `samples`, 256x256 pixels with a
square hole of half the side in the middle, on two threads; the scores are of these results. The
processor's seconds are told beside those of the wall clock, because they depend less on what else
the machine does. `--openvino` is a Python that has OpenVINO, which then runs the ONNX files in
processes of their own. Files called static and dynamic are int8 as the tools of ONNX Runtime and
TensorFlow write it, with rounded inputs of convolutions. `inpaint-tf export` does not write those.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from harness import Report, Row, benchmark, spread, take_turns

SIZE, THREADS, CALIBRATED = 256, 2, 8
METRICS = {
    "MSE": "mse_whole_255",
    "L1": "l1_whole_255",
    "PSNR": "psnr_whole_db",
    "LPIPS": "lpips_alex_whole",
}
# Fills `image` and `mask` of the file whose name it reads, and tells its seconds.
OPENVINO = """
import json, sys, time
import numpy as np, openvino
model = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_NUM_THREADS": %d})
for name in sys.stdin:
    with np.load(name.strip()) as given:
        inputs = dict(given)
    start = time.perf_counter(), time.process_time()
    output = model(inputs)["output"]
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    np.save(name.strip() + ".npy", output)
    print(json.dumps(seconds), flush=True)
"""


class Filled(NamedTuple):
    """A filled photograph, and what it took."""

    output: Any
    wall: float
    processor: float


class Method(NamedTuple):
    """A file and what runs it."""

    name: str
    engine: str
    size: int
    fill: Callable[[Any, Any], Filled]


@benchmark("exports", "Exported formats and precisions", turns=8, turns_help="Photographs.")
@click.argument("model")
@click.option("--openvino", help="A Python that has OpenVINO.")
def main(report: Report, model: str, turns: int, openvino: str | None) -> None:
    """Write a model in every way, then let all files fill in turn."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        methods = list(open_all(model, Path(folder), openvino))
        photographs = test_photographs(turns)
        found = fill_in_turn(methods, photographs)
        report.text(
            f"{THREADS} threads; {turns} photographs. Differences are from the network in the "
            "first row. Seconds are medians; the machine is shared, so compare the processor's."
        )
        report.table(
            "exports",
            "file | engine | MB | wall, s | processor, s | MSE | L1 | PSNR | LPIPS "
            "| MSE, difference | L1, difference | PSNR, difference | LPIPS, difference",
            "{name} | {engine} | {MB:.2f} | {wall:.3f} | {processor:.3f} | {MSE:.2f} | {L1:.4f} "
            "| {PSNR:.3f} | {LPIPS:.4f} | {MSE gap:+.2f} | {L1 gap:+.4f} | {PSNR gap:+.4f} "
            "| {LPIPS gap:+.5f}",
            rows(methods, found, photographs),
        )


def fill_in_turn(
    methods: Sequence[Method], photographs: Sequence[tuple[Any, Any]]
) -> list[list[Filled]]:
    """Return what each method fills, a photograph each turn."""
    turn = iter([photographs[0], *photographs])
    current = photographs[0]

    def begin() -> None:
        nonlocal current
        current = next(turn)

    jobs: dict[int, Callable[[], Any]] = {-1: begin}
    for index, method in enumerate(methods):
        jobs[index] = lambda method=method: method.fill(*current)
    found = take_turns(jobs, len(photographs))
    return [found[index] for index in range(len(methods))]


def rows(
    methods: Sequence[Method],
    found: Sequence[Sequence[Filled]],
    photographs: Sequence[tuple[Any, Any]],
) -> Iterator[Row]:
    """Yield the bytes, the median seconds and the mean scores of each method."""
    from inpaint_tf.metrics import METRICS as KNOWN

    truth, masks = (np.concatenate(each) for each in zip(*photographs, strict=True))
    first: dict[str, float] = {}
    for method, filled in zip(methods, found, strict=True):
        outputs = np.concatenate([each.output for each in filled])
        row: dict[str, Any] = {"name": method.name, "engine": method.engine}
        row["MB"] = method.size / 1e6
        for key in ("wall", "processor"):
            row[key] = spread([getattr(each, key) for each in filled])["median"]
        for title, name in METRICS.items():
            row[title] = float(KNOWN[name].score(truth, outputs, masks).mean())
            row[f"{title} gap"] = row[title] - first.setdefault(title, row[title])
        yield row


def test_photographs(count: int) -> list[tuple[Any, Any]]:
    """Return photographs `(1, SIZE, SIZE, 3)` and masks."""
    from inpaint_tf.data.samples import open_samples
    from inpaint_tf.masks import EvaluationMasks

    photos, masks = open_samples(), EvaluationMasks("center", count, SIZE)
    keys = photos.test[:count]
    return [(photos.load(key, SIZE)[None], masks[i][None]) for i, key in enumerate(keys)]


def open_all(model: str, folder: Path, openvino: str | None) -> Iterator[Method]:
    """Write all files, and open each with each engine that runs it. The network comes first."""
    import inpaint_tf
    from inpaint_tf.inference.network import NetworkInpainter

    network = inpaint_tf.load(model)
    if not isinstance(network, NetworkInpainter) or network.source is None:
        raise click.UsageError(f"'{model}' is no network")
    plain = NetworkInpainter(network.model, network.mask_mode, model)
    size = network.source.generator_file.stat().st_size
    yield Method("network, float32", "TensorFlow, `fill`", size, timed_here(plain.fill))
    yield from saved_models(network, folder)
    yield from onnx_files(network, folder, openvino)
    yield from tflite_files(network, folder)


def timed_here(fill: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Filled]:
    """Return a function that fills and takes the time."""

    def run(image: Any, mask: Any) -> Filled:
        wall, processor = time.perf_counter(), time.process_time()
        output = fill(image, mask)
        return Filled(output, time.perf_counter() - wall, time.process_time() - processor)

    return run


def saved_models(network: Any, folder: Path) -> Iterator[Method]:
    """Write SavedModels without detail, which the other formats do not have."""
    from inpaint_tf.exported_version import ExportedVersion
    from inpaint_tf.exporters.exporter import POLICIES, write_saved_model
    from inpaint_tf.exporters.served_graph import ServedGraph
    from inpaint_tf.inference.engines import saved_model_engine
    from inpaint_tf.models.precision import with_policy

    for precision in ("float32", "bfloat16"):
        path = folder / precision
        graph = ServedGraph(with_policy(network.model, POLICIES[precision]), network.mask_mode)
        write_saved_model(graph, path, SIZE * SIZE)
        size = ExportedVersion("saved_model", path).size()
        engine = saved_model_engine(path)
        yield Method(f"saved_model, {precision}", "TensorFlow", size, only_output(engine))


def only_output(engine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Filled]:
    """Return a function that fills with an engine and takes the time."""
    return timed_here(lambda image, mask: np.array(engine(image, mask)["output"]))


def onnx_files(network: Any, folder: Path, openvino: str | None) -> Iterator[Method]:
    """Write ONNX files, also with rounded inputs of convolutions."""
    import onnxruntime

    from inpaint_tf.exporters.portable import write_onnx
    from inpaint_tf.models.filling import FillGraph

    graph = FillGraph(network.model, network.mask_mode)
    for name in ("float32", "float16", "int8", "int8 static", "int8 dynamic"):
        path = folder / f"{name}.onnx"
        if name == "int8 static":
            write_static(folder / "float32.onnx", path)
        elif name == "int8 dynamic":
            write_dynamic(folder / "float32.onnx", path)
        else:
            write_onnx(graph, path, name)
        size = path.stat().st_size
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

        def fill(image: Any, mask: Any, session: Any = session) -> Any:
            return session.run(["output"], {"image": image, "mask": mask})[0]

        yield Method(f"onnx, {name}", "ONNX Runtime", size, timed_here(fill))
        if openvino and name != "int8 dynamic":
            yield Method(f"onnx, {name}", "OpenVINO", size, run_openvino(openvino, path))


def run_openvino(python: str, path: Path) -> Callable[[Any, Any], Filled]:
    """Start a process that fills with OpenVINO; it ends when its input does."""
    child = subprocess.Popen(
        [python, "-c", OPENVINO % THREADS, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={},
    )
    pair = path.with_suffix(".npz")

    def fill(image: Any, mask: Any) -> Filled:
        assert child.stdin and child.stdout  # noqa: S101, they are pipes
        np.savez(pair, image=image, mask=mask)
        child.stdin.write(f"{pair}\n")
        child.stdin.flush()
        wall, processor = json.loads(child.stdout.readline())
        return Filled(np.load(f"{pair}.npy"), wall, processor)

    return fill


def write_static(whole: Path, path: Path) -> None:
    """Round inputs and outputs of convolutions to 8 bits, in ranges measured on photographs."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Photographs(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = calibration()

        def get_next(self) -> Mapping[str, Any] | None:
            return next(self.batches, None)

    graph = onnx.load(str(whole)).graph
    sizes = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    # Neither attention nor what predicts the picture.
    nodes = [
        node.name
        for node in graph.node
        if node.op_type == "Conv" and sizes.get(node.input[1], 0) > 3
    ]
    quantize_static(
        str(whole),
        str(path),
        Photographs(),
        op_types_to_quantize=["Conv"],
        nodes_to_quantize=nodes,
        per_channel=True,
        reduce_range=True,  # asked for where a processor has no instructions for int8
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def write_dynamic(whole: Path, path: Path) -> None:
    """Round inputs of convolutions to 8 bits, in ranges measured while it fills."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(whole),
        str(path),
        op_types_to_quantize=["Conv"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )


def tflite_files(network: Any, folder: Path) -> Iterator[Method]:
    """Write TensorFlow Lite files, also with rounded inputs of convolutions."""
    import tensorflow as tf

    from inpaint_tf.exporters.portable import write_tflite
    from inpaint_tf.models.filling import FillGraph
    from neuralgym_lite.quiet import held_back_stderr

    graph = FillGraph(network.model, network.mask_mode)
    rounded = rounded_tflite(graph)
    for name in ("float32", "float16", "int8", *rounded):
        path = folder / f"{name}.tflite"
        if name in rounded:
            path.write_bytes(rounded[name])
        else:
            write_tflite(graph, path, name)
        with held_back_stderr():
            runner = tf.lite.Interpreter(str(path), num_threads=THREADS).get_signature_runner()

        def fill(image: Any, mask: Any, runner: Any = runner) -> Any:
            return runner(image=image, mask=mask)

        size = path.stat().st_size
        yield Method(f"tflite, {name}", "LiteRT, XNNPACK", size, only_output(fill))


def rounded_tflite(graph: Any) -> dict[str, bytes]:
    """Return a network as TensorFlow's converter writes it, for both kinds of rounded inputs."""
    import tensorflow as tf

    from inpaint_tf.exporters.portable import portable_module
    from neuralgym_lite.quiet import held_back_stderr

    module = portable_module(graph)
    with tempfile.TemporaryDirectory() as folder, held_back_stderr():
        tf.saved_model.save(module, folder, signatures=module.fill)
        dynamic, static = (tf.lite.TFLiteConverter.from_saved_model(folder) for _ in range(2))
        dynamic.optimizations = static.optimizations = [tf.lite.Optimize.DEFAULT]
        content = dynamic.convert()
        operators = tf.lite.Interpreter(model_content=content)._get_ops_details()
        kept = {each["op_name"] for each in operators} - {"CONV_2D", "TRANSPOSE_CONV"}
        static.representative_dataset = calibration
        # Rounding everything fails: a divisor becomes 0.
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=static,
            debug_dataset=calibration,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(kept)),
        )
        return {
            "int8 static": debugger.get_nondebug_quantized_model(),
            "int8 dynamic": content,
        }


def calibration() -> Iterator[dict[str, Any]]:
    """Yield training photographs with holes."""
    from inpaint_tf.data.samples import open_samples
    from inpaint_tf.masks import EvaluationMasks

    photos, masks = open_samples(), EvaluationMasks("hole", CALIBRATED, SIZE)
    for index, key in enumerate(photos.train[:CALIBRATED]):
        yield {"image": photos.load(key, SIZE)[None], "mask": masks[index][None]}


if __name__ == "__main__":
    main()
