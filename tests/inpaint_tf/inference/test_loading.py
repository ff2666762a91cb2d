"""Model files that could run code, read others, or fill the memory are refused before Keras."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import inpaint_tf
from inpaint_tf.models import Critic, create, create_critic
from inpaint_tf.models.keras_file import load_keras_file
from inpaint_tf.models.registry import MODELS
from neuralgym_lite.errors import UserError


def refuse(path, words):
    with pytest.raises(UserError, match=words) as error:
        inpaint_tf.load(path)
    assert "\n" not in str(error.value)


def replace(path, compression=zipfile.ZIP_STORED, **entries):
    """Replace entries of a saved model; those that are None are left out."""
    with zipfile.ZipFile(path) as archive:
        data = {name: archive.read(name) for name in archive.namelist()}
    data |= {name.replace("__", "."): value for name, value in entries.items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, value in data.items():
            if value is not None:
                archive.writestr(name, value)


def edit(path, change):
    """Change the config of a saved model."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    replace(path, config__json=json.dumps(config))


def edit_weights(path, change):
    """Change the HDF5 file in a saved model."""
    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        change(file)
    replace(path, zipfile.ZIP_DEFLATED, **{"model__weights__h5": weights.getvalue()})


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "model.keras"
    create("ca", width=2, name="mine").save(path)
    return path


@pytest.fixture
def saved(sound, tmp_path):
    """A copy of a saved model, to be changed."""
    return Path(shutil.copy(sound, tmp_path))


def test_a_lambda_is_not_run(tmp_path):
    sentinel = tmp_path / "it-ran"
    code = f"lambda x: (open({str(sentinel)!r}, 'w').close(), x)[1]"
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(eval(code), output_shape=(4,))(inputs)
    path = tmp_path / "lambda.keras"
    keras.Model(inputs, outputs).save(path)
    sentinel.unlink(missing_ok=True)
    keras.models.load_model(path, safe_mode=False)(keras.ops.zeros((1, 4)))
    assert sentinel.exists(), "this file is harmless and tests nothing"
    sentinel.unlink()
    refuse(path, r"lambda\.keras' has a Lambda layer.* refused")
    (tmp_path / "model").mkdir()
    path.rename(tmp_path / "model" / "generator.keras")
    refuse(tmp_path / "model", r"generator\.keras' has a Lambda layer")
    assert not sentinel.exists()


def test_a_lambda_inside_of_a_model_of_ours(tmp_path):
    path = tmp_path / "model.keras"
    create("ca", width=2).save(path)
    hidden = {"class_name": "__lambda__", "config": {"code": "4wAA"}}
    edit(path, lambda config: config["config"].update(name=[{"deep": hidden}]))
    refuse(path, "has a Lambda layer")


@pytest.mark.parametrize("name", ["os>system", None, "Functional", ["x"], 3])
def test_other_classes(tmp_path, name):
    path = tmp_path / "model.keras"
    create("ca", width=2).save(path)
    edit(path, lambda config: config.update(registered_name=name, module="os"))
    refuse(path, "not an inpainting model|cannot be read")


def test_a_config_that_is_too_long(saved):
    replace(saved, zipfile.ZIP_DEFLATED, config__json=bytes(1 << 24))
    refuse(saved, "too long")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "float64", "bfloat16"])
def test_every_network_is_loaded(tmp_path, name, dtype):
    model = create(name, width=2, dtype=dtype)
    model.save(tmp_path / "model.keras")
    replace(tmp_path / "model.keras", zipfile.ZIP_DEFLATED)
    loaded = load_keras_file(tmp_path / "model.keras", MODELS[name])
    assert loaded.dtype_policy.name == dtype
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_critics_are_loaded(tmp_path):
    path = tmp_path / "critic.keras"
    create_critic("local", size=[32, 64], width=2, last_width=5).save(path)
    critic = load_keras_file(path, Critic)
    assert (critic.size, critic.width, critic.last_width) == ((32, 64), 2, 5)
    assert Critic.least_weights((32, 64), 2, 5) <= critic.count_params()
    refuse(path, "holds a 'Critic', not an inpainting model")
    for size in ([1, 2, 3], [10**6, 1], ["1", "2"], 10**6):
        edit(path, lambda config, size=size: config["config"].update(size=size))
        with pytest.raises(UserError, match="'.*critic.keras' has size"):
            load_keras_file(path, Critic)
    edit(path, lambda config: config["config"].update(size=[8192, 8192]))
    with pytest.raises(UserError, match="its network takes"):
        load_keras_file(path, Critic)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", "a/../b", "the odd name 'a/../b'"),
        ("name", "a\nb", r"the odd name 'a\\nb'"),
        ("name", "", "the odd name ''"),
        ("name", "x" * 201, "the odd name 'xxx"),
        ("name", "my net", "the odd name 'my net'"),
        ("name", 5, "name is '5', expected str"),
        ("name", "x" * 1_000_000, "too long"),
        ("mask_mode", "hoel", "a wrong mask mode: Unknown mask: 'hoel'. Did you mean 'hole'"),
        ("mask_mode", {"name": ["hole"]}, "a wrong mask mode"),
        ("mask_mode", {"name": "mosaic", "unit": 10**20}, "a wrong mask mode: .* 8192"),
        ("mask_mode", {"color": "abc"}, "a wrong mask mode"),
        ("mask_mode", {"color": [float("nan"), 0, 0]}, "a wrong mask mode"),
        ("mask_mode", {"module": "os", "class_name": "system"}, "a wrong mask mode"),
        ("mask_mode", None, "mask_mode is 'None', expected str or dict"),
        ("width", 4000, "its network takes 64,000,000,000 or more"),
        ("width", 10**30, "31 digits"),
        ("width", 10**9, "width=1000000000, which is not in 1 to 8192"),
        ("width", -1, "width=-1"),
        ("width", True, "width is 'True', expected int"),
        ("width", {"class_name": "__tensor__", "config": {"value": 2}}, "width is .* expected int"),
        ("compat", "pytorch", "`compat` must be one of"),
        ("dtype", "int8", "an unknown precision: 'int8'"),
        ("dtype", {"class_name": "function", "config": "os.system"}, "an unknown precision"),
        (
            "dtype",
            {
                "module": "keras",
                "class_name": "DTypePolicy",
                "registered_name": "inpaint_tf>Critic",
                "config": {"name": "float32"},
            },
            "an unknown precision",
        ),
        ("layers", [], "the unknown setting 'layers'"),
    ],
)
def test_settings_that_no_model_has(saved, key, value, words):
    edit(saved, lambda config: config["config"].update({key: value}))
    refuse(saved, rf"^'{saved}' .*{words}")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"[1]", "class_name is 'None'"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper"),
        (b'{"class_name": "a", "class_name": "b"}', "occurs twice"),
        (b'{"registered_name": "inpaint_tf>GLCIC", "class_name": "__tensor__"}', "'__tensor__'"),
        (b'{"registered_name": "inpaint_tf>Critic", "class_name": "Critic"}', "not an inpainting"),
        (b'{"registered_name": "inpaint_tf>GLCIC", "class_name": "GLCIC"}', "config is 'None'"),
        (None, "no entry 'config.json'"),
    ],
)
def test_configs_of_no_model(saved, config, words):
    replace(saved, config__json=config)
    refuse(saved, words)


# Weights that are elsewhere, or become more than they are. The first array is replaced.


def first_array(file):
    names = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
    return names[0]


def put(kind):
    """Return a change that puts something in place of the first array."""

    def change(file):
        name = first_array(file)
        shape, values = file[name].shape, file[name][()]
        del file[name]
        kind(file, name, shape, values)

    return change


def other_file(tmp_path, shape):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as other:
        other["x"] = np.ones(shape, "float32")
    return path


def external_link(file, name, shape, values):
    file[name] = h5py.ExternalLink(str(other_file(Path.cwd(), shape)), "x")


def soft_link(file, name, shape, values):
    file["moved"] = values
    file[name] = h5py.SoftLink("/moved")


def external_storage(file, name, shape, values):
    secret = Path.cwd() / "secret.bin"
    secret.write_bytes(values.tobytes())
    file.create_dataset(name, shape, "float32", external=[(str(secret), 0, values.nbytes)])


def virtual(file, name, shape, values):
    layout = h5py.VirtualLayout(shape, "float32")
    layout[...] = h5py.VirtualSource(str(other_file(Path.cwd(), shape)), "x", shape)
    file.create_virtual_dataset(name, layout)


def gzip(file, name, shape, values):
    bomb = file.create_dataset(name, (1 << 26,), "float32", compression="gzip", chunks=(1 << 22,))
    bomb[...] = np.zeros(1 << 26, "float32")


def fill_value(file, name, shape, values):
    file.create_dataset(name, (1 << 40,), "float32", chunks=(1 << 20,), fillvalue=1)


def never_written(file, name, shape, values):
    file.create_dataset(name, (1 << 33,), "float32")


def texts(file, name, shape, values):
    file.create_dataset(name, data=["x" * 100] * 10, dtype=h5py.string_dtype())


def missing(file, name, shape, values):
    pass


def other_shape(file, name, shape, values):
    file[name] = values[..., :1]


def loop(file):
    file["layers/loop"] = file["/"]


def crowd(file):
    for index in range(3000):
        file.create_group(f"crowd/{index}")


def note(file):
    file[first_array(file)].attrs["dtype"] = np.zeros(60_000, "uint8")


def notes(file):
    for index in range(100):
        file.attrs[f"note{index}"] = index


WEIGHTS = {
    "external link": (put(external_link), "has a link in place of the weights '0'"),
    "soft link": (put(soft_link), "has a link in place of the weights '0'"),
    "external storage": (put(external_storage), "compressed, elsewhere or not at all"),
    "virtual": (put(virtual), "compressed, elsewhere or not at all"),
    "gzip": (put(gzip), "compressed, elsewhere or not at all"),
    "fill value": (put(fill_value), "compressed, elsewhere or not at all"),
    "never written": (put(never_written), "compressed, elsewhere or not at all"),
    "texts": (put(texts), "no array of numbers"),
    "missing": (put(missing), "could not be loaded.*conv1"),
    "other shape": (put(other_shape), "could not be loaded.*conv1"),
    "loop": (loop, "more than 1,000 objects"),
    "crowd": (crowd, "more than 1,000 objects"),
    "note": (note, "notes of an odd length"),
    "notes": (notes, "notes of an odd length"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_odd_weights(saved, case, monkeypatch):
    monkeypatch.chdir(saved.parent)
    change, words = WEIGHTS[case]
    edit_weights(saved, change)
    refuse(saved, rf"^'{saved}' .*{words}")


def test_weights_that_are_none(saved):
    replace(saved, model__weights__h5=b"")
    refuse(saved, "cannot be read as a Keras model")
    replace(saved, model__weights__h5=None)
    refuse(saved, "no entry 'model.weights.h5'")
    saved.write_bytes(saved.read_bytes()[:300])
    refuse(saved, "cannot be read as a Keras model")


def test_odd_entries(saved):
    replace(saved, **{"assets/x__bin": b"x"})
    refuse(saved, "the odd entry 'assets/x.bin'")


def test_twins(saved, recwarn):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("config.json", b"{}")
    recwarn.clear()  # of a name that stands twice
    refuse(saved, "a second entry 'config.json'")


LOADER = """
import pathlib, sys, time
import inpaint_tf
from inpaint_tf.inference import NetworkInpainter  # what takes memory before any file does
from inpaint_tf.inference.loading import load

def peak():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10

for path in sys.argv[1:]:
    before, begin = peak(), time.process_time()
    try:
        load(path)
    except ValueError:
        print(pathlib.Path(path).stem, round(time.process_time() - begin, 2), peak() - before)
"""


def test_what_hostile_files_take(saved, tmp_path, monkeypatch):
    """A file that is refused costs no time and no memory, whatever it would become."""
    monkeypatch.chdir(tmp_path)
    whole = saved.read_bytes()
    changes = {"gzip": put(gzip), "fill": put(fill_value), "loop": loop, "crowd": crowd}
    files = []
    for name, change in changes.items():
        files.append(tmp_path / f"{name}.keras")
        files[-1].write_bytes(whole)
        edit_weights(files[-1], change)
    for name, width in (("wide", 4000), ("wider", 8192)):
        files.append(tmp_path / f"{name}.keras")
        files[-1].write_bytes(whole)
        edit(files[-1], lambda config, width=width: config["config"].update(width=width))
    for name, entry in (("weights", "model__weights__h5"), ("note", "metadata__json")):
        files.append(tmp_path / f"{name}.keras")
        files[-1].write_bytes(whole)
        replace(files[-1], zipfile.ZIP_DEFLATED, **{entry: bytes(1 << 29)})
    command = [sys.executable, "-c", LOADER, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _, _ in lines] == [file.stem for file in files]
    for name, seconds, megabytes in lines:
        assert float(seconds) < 10, name
        assert int(megabytes) < 100, name
