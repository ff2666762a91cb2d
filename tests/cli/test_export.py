"""`inpaint-tf export`: what it prints where, what it leaves behind, and what it refuses."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from small_exports import NETWORK
from tensorflow_serving.apis import prediction_log_pb2

import inpaint_tf
from inpaint_tf.cli.export import command
from inpaint_tf.exporters import exporter, price
from inpaint_tf.models import create
from inpaint_tf.models.filling import FillGraph
from neuralgym_lite.errors import UserError


@pytest.fixture(scope="module")
def saved(exports):
    return exports / NETWORK


@pytest.fixture(scope="module")
def printed(exports):
    """What was printed to stdout and stderr by format."""
    return json.loads((exports / "printed.json").read_text())


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """A network for what does not depend on the network: it is written in a moment."""
    path = tmp_path_factory.mktemp("model") / "autoencoder.keras"
    create("autoencoder", width=2).save(path)
    return path


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    """A network with kernels that are worth storing in fewer bits."""
    path = tmp_path_factory.mktemp("model") / "wider.keras"
    create("ca", width=12).save(path)
    return path


@pytest.fixture(scope="module")
def exported(exports):
    """A folder with one version."""
    return exports / "saved_model"


@pytest.fixture
def one_probe(monkeypatch):
    """Compare on one small photograph: all of them are compared on by `exports`."""
    monkeypatch.setattr(price, "SIZE", 64)
    small = next(pair for pair in exporter.probes() if pair[0].shape[1] == 64)
    monkeypatch.setattr(exporter, "probes", lambda: [small])


def run(*arguments):
    return CliRunner().invoke(command, [str(each) for each in arguments], catch_exceptions=False)


# What is written.


def test_a_version_is_whole(exported, printed):
    stdout, stderr = printed["saved_model"]
    assert [each.name for each in exported.iterdir()] == ["1"]
    assert stdout.strip() == str(exported / "1")
    assert "Largest difference: " in stderr and "saved_model.pb" in stderr
    for name in ("saved_model.pb", "variables", "signature.json", "MODEL_CARD.md"):
        assert (exported / "1" / name).exists(), name


def test_signatures_are_those_of_the_graph(exported):
    """Read as `saved_model_cli` reads them."""
    from tensorflow.core.protobuf import saved_model_pb2

    folder = exported / "1"
    proto = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0]
    described = json.loads((folder / "signature.json").read_text())["signatures"]
    photographs = {"image": ["uint8", -1, -1, -1, 3], "mask": ["uint8", -1, -1, -1, 1]}
    files = {"image": ["string", -1], "mask": ["string", -1]}
    output = {"output": ["uint8", -1, -1, -1, 3]}
    expected = {
        "serving_default": (photographs, output),
        "bytes": (files, {"output_bytes": ["string", -1]}),
        "attention": (photographs, {**output, "offsets": ["int32", -1, -1, -1, 2]}),
    }
    assert described.keys() == expected.keys()
    for name, (inputs, outputs) in expected.items():
        signature = graph.signature_def[name]
        for found, told, wanted in (
            (signature.inputs, described[name]["inputs"], inputs),
            (signature.outputs, described[name]["outputs"], outputs),
        ):
            assert {key: tensor(info) for key, info in found.items()} == wanted
            unknown = {
                key: [value["dtype"], *(-1 if size is None else size for size in value["shape"])]
                for key, value in told.items()
            }
            assert unknown == wanted
    operations = {node.op for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        operations |= {node.op for node in function.node_def}
    assert not {each for each in operations if "PyFunc" in each}


def tensor(info):
    return [tf.dtypes.as_dtype(info.dtype).name, *(each.size for each in info.tensor_shape.dim)]


def test_warm_up_is_read_by_the_servers_own_classes(exported):
    path = exported / "1" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    requests = [log.predict_log.request for log in logs]
    names = [request.model_spec.signature_name for request in requests]
    assert sorted(names) == sorted(["serving_default", "bytes", "attention"] * 2)
    for request in requests:
        assert set(request.inputs) == {"image", "mask"}
        image = tf.make_ndarray(request.inputs["image"])
        if request.model_spec.signature_name == "bytes":
            assert image.shape == (1,)
        else:
            assert image.shape in ((1, 256, 256, 3), (1, 512, 512, 3)) and image.dtype == np.uint8


def test_the_card_says_what_is_not_known(exported):
    card = (exported / "1" / "MODEL_CARD.md").read_text()
    assert card.startswith("# small\n")
    for words in ("ContextualAttentionModel", "`hole`", "not known", "Not scored yet", "SHA-256"):
        assert words in card


@pytest.mark.usefixtures("one_probe")
def test_the_next_version_has_the_next_number(exported, autoencoder, tmp_path):
    out = tmp_path / "inpaint"
    shutil.copytree(exported, out)
    result = run(autoencoder, "--out", out, "--precision", "bfloat16", "--json")
    told = json.loads(result.stdout)
    assert told["folder"] == str(out / "2") and told["largest_difference"] < 0.05
    assert "bfloat16" in (out / "2" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(("file_format", "limit"), [("onnx", 1e-4), ("tflite", 1e-3)])
def test_portable_formats_agree(exports, printed, file_format, limit):
    told = json.loads(printed[file_format][0])
    assert 0 <= told["largest_difference"] <= limit
    assert told["share_of_values_that_differ"] <= 1e-4
    assert (exports / file_format / "1" / f"model.{file_format}").is_file()


@pytest.mark.parametrize("file_format", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("precision", "share", "rise"), [("float16", 0.6, 0.002), ("int8", 0.45, 0.02)]
)
@pytest.mark.usefixtures("one_probe")
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*tf.lite:UserWarning")
def test_weights_in_fewer_bits(wider, tmp_path, file_format, precision, share, rise):
    """The file shrinks, and its scores are those of the network within a bound."""
    options = ["--format", file_format, "--json", "--out"]
    whole = json.loads(run(wider, *options, tmp_path / "whole").stdout)
    short = json.loads(run(wider, *options, tmp_path / "out", "--precision", precision).stdout)
    name = f"model.{file_format}"
    assert short["bytes"][name] < share * whole["bytes"][name]
    for title in ("MSE", "L1"):
        for told, most in ((whole, 1e-3), (short, rise)):
            scores = told["scores"][title]
            assert scores["exported"] == pytest.approx(scores["network"], rel=most), title
    card = (tmp_path / "out" / "1" / "MODEL_CARD.md").read_text()
    assert f"**Format**: {file_format}, {precision}: " in card and "| difference |" in card
    assert inpaint_tf.load(tmp_path / "out").name == f"wider, {file_format}, {precision}"


@pytest.mark.usefixtures("one_probe")
@pytest.mark.parametrize("mode", ["mosaic", "hole_telea"])
def test_weights_alone(tmp_path, mode):
    """A model like a `.keras` file, even where OpenCV fills before the network."""
    path = tmp_path / "alone.keras"
    create("autoencoder", width=2, mask_mode=mode).save(path)
    told = json.loads(
        run(path, "--out", tmp_path / "out", "--format", "safetensors", "--json").stdout
    )
    assert told["scores"]["MSE"]["exported"] == told["scores"]["MSE"]["network"]
    before, after = (inpaint_tf.load(each) for each in (path, tmp_path / "out"))
    assert (after.name, after.mask_mode) == ("alone", before.mask_mode)
    for ours, theirs in zip(before.model.get_weights(), after.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again = run(tmp_path / "out" / "1", "--out", tmp_path / "out", "--format", "safetensors")
    assert again.stdout.strip() == str(tmp_path / "out" / "2")
    files = [tmp_path / "out" / number / "model.safetensors" for number in "12"]
    assert files[0].read_bytes() == files[1].read_bytes()


# Refusal.


@pytest.mark.usefixtures("one_probe")
def test_a_version_that_fills_worse_is_not_left_behind(autoencoder, tmp_path, monkeypatch):
    monkeypatch.setitem(price.MOST_WORSE, "float32", -0.5)
    with pytest.raises(UserError, match="fills worse than the network: MSE .*No version was left"):
        run(autoencoder, "--out", tmp_path / "out", "--format", "onnx")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("one_probe")
def test_a_wrong_export_is_not_left_behind(autoencoder, tmp_path, monkeypatch):
    """The network that is written is another than the one that is compared with."""

    def write_another(graph, folder, max_pixels):
        other = create("autoencoder", width=2)
        other.set_weights([weight + 0.3 for weight in graph.model.get_weights()])
        write(FillGraph(other), folder, max_pixels)

    write = exporter.write_saved_model
    monkeypatch.setattr(exporter, "write_saved_model", write_another)
    with pytest.raises(UserError, match="differs from `fill`.*No version was left"):
        run(autoencoder, "--out", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("one_probe")
def test_a_folder_that_cannot_be_loaded_is_not_left_behind(autoencoder, tmp_path, monkeypatch):
    def write_half(graph, folder, max_pixels):
        write(graph, folder, max_pixels)
        (folder / "variables" / "variables.index").unlink()

    write = exporter.write_saved_model
    monkeypatch.setattr(exporter, "write_saved_model", write_half)
    with pytest.raises(UserError, match="cannot be used, and was not kept"):
        run(autoencoder, "--out", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", ["ns", "telea"])
def test_classical_methods_are_no_networks(tmp_path, name):
    with pytest.raises(UserError, match=f"'{name}' is no network"):
        run(name, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("file_format", "precision", "words"),
    [
        ("tflite", "bfloat16", "it has float32, float16, int8.*bfloat16 is for .*: saved_model"),
        ("saved_model", "int8", "it has float32, bfloat16.*int8 is for .*: onnx, tflite"),
        ("saved_model", "float16", "it has float32, bfloat16.*float16 is for .*: onnx, tflite"),
    ],
)
def test_a_precision_that_a_format_does_not_have(saved, tmp_path, file_format, precision, words):
    with pytest.raises(UserError, match=f"^Format {file_format} has no {precision}: {words}"):
        run(saved, "--out", tmp_path / "out", "--format", file_format, "--precision", precision)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"needs the package 'tf2onnx': pip install .*\[onnx\]"):
        run(saved, "--out", tmp_path / "out", "--format", "onnx")
    assert not (tmp_path / "out").exists()
