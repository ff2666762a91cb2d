"""Writers of other people's weight files, sound ones and bad ones, and of weights for them."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from layer_harness import random
from tensorflow.core.protobuf import tensor_bundle_pb2

STORAGES = {
    "bool": "BoolStorage",
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
}
PROTOCOL, STOP = b"\x80\x02", b"."
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY = b"N"
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values: Any) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(
    key: str,
    count: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int = 0,
    storage: str = "FloatStorage",
    rest: bytes = b"",
) -> bytes:
    """Return the opcodes with which `torch.save` describes a tensor.

    `rest` ends the storage's identifier: it is `LEGACY` in the format before PyTorch 1.6.
    """
    where = text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu")
    arguments = b"((" + where + number(count) + rest + b"tQ" + number(offset) + numbers(shape)
    return REBUILD + arguments + numbers(strides) + b"\x89" + ORDERED_DICT + b"tR"


def encode(tree: Any, storages: dict[str, bytes], rest: bytes = b"") -> bytes:
    """Return the opcodes of a tree of dicts, lists, arrays, numbers and text."""
    if isinstance(tree, dict):
        items = (text(key) + encode(value, storages, rest) for key, value in tree.items())
        return ORDERED_DICT + b"(" + b"".join(items) + b"u"
    if isinstance(tree, list):
        return b"](" + b"".join(encode(value, storages, rest) for value in tree) + b"e"
    if isinstance(tree, np.ndarray):
        key = str(len(storages))
        storages[key] = tree.tobytes()
        strides = tuple(step // tree.itemsize for step in np.ascontiguousarray(tree).strides)
        storage = STORAGES[tree.dtype.name]
        return tensor(key, tree.size, tree.shape, strides, storage=storage, rest=rest)
    return {str: text, int: number, type(None): lambda _: b"N"}[type(tree)](tree)


def pack(
    path: Path,
    program: bytes,
    storages: dict[str, bytes],
    extra: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
    root: str = "weights",
) -> Path:
    """Write the zip around a pickle and its storages."""
    entries = {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}
    entries |= {f"data/{key}": data for key, data in storages.items()} | (extra or {})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(f"{root}/{name}", data)
    return path


def save_torch(path: Path, tree: Any) -> Path:
    """Write a tree of arrays as `torch.save` does."""
    storages: dict[str, bytes] = {}
    program = PROTOCOL + encode(tree, storages) + STOP
    return pack(path, program, storages)


def legacy(program: bytes, numbers: dict[str, bytes], itemsize: int = 4) -> bytes:
    """Return a file of the format before PyTorch 1.6, around the pickle of the tensors."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"long": 4}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC_NUMBER, 1001, system))
    counted = (struct.pack("<q", len(data) // itemsize) + data for data in numbers.values())
    return head + program + pickle.dumps(list(numbers), 2) + b"".join(counted)


def save_legacy(path: Path, tree: Any, itemsize: int = 4) -> Path:
    """Write a tree of arrays, all of one item size, as `torch.save` before 1.6 did."""
    storages: dict[str, bytes] = {}
    program = PROTOCOL + encode(tree, storages, LEGACY) + STOP
    path.write_bytes(legacy(program, storages, itemsize))
    return path


def save_tf1(prefix: Path, arrays: dict[str, Any]) -> Path:
    """Write variables as a TensorFlow 1 program does."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [v1.get_variable(name, initializer=value) for name, value in arrays.items()]
        session.run(v1.global_variables_initializer())
        v1.train.Saver(variables).save(session, str(prefix), write_meta_graph=False)
    return prefix


def generator_dict(model: Any) -> dict[str, np.ndarray]:
    """Make random weights for a generator, named and laid out as in PyTorch."""
    arrays = {}
    for stage, network in (("coarse", model.coarse), ("fine", model.refinement)):
        for weight in network.weights:
            layer, kind = weight.path.split("/")[-2:]
            value = random(*weight.shape, seed=len(arrays))
            if kind == "kernel":
                arrays[f"{stage}_generator.{layer}.conv.weight"] = value.transpose(3, 2, 0, 1)
            else:
                arrays[f"{stage}_generator.{layer}.conv.bias"] = value
    return arrays


def critic_dict(critic: Any) -> dict[str, np.ndarray]:
    """Make random weights for a critic, named and laid out as in PyTorch."""
    arrays = {}
    for conv in critic.convs:
        filters, channels = conv.kernel.shape[3], conv.kernel.shape[2]
        name = f"dis_conv_module.{conv.name}.conv"
        arrays[f"{name}.weight"] = random(filters, channels, 5, 5, seed=len(arrays))
        arrays[f"{name}.bias"] = random(filters, seed=len(arrays))
    arrays["linear.weight"] = random(1, critic.score.kernel.shape[0], seed=99)
    arrays["linear.bias"] = random(1, seed=100)
    return arrays


def release_dict(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a generator's weights as the 2018 release names and lays them out, for BGR pictures.

    Args:
        arrays: of the same network, for RGB pictures, in PyTorch's names and layout.
    """
    release = {}
    for name, array in arrays.items():
        stage, layer, _, part = name.split(".")
        if stage == "fine_generator" and layer.startswith("conv"):
            own = f"x{layer}"
        elif layer in ("conv13", "conv15", "allconv13", "allconv15"):
            own = f"{layer}_upsample/{layer}_upsample_conv"
        else:
            own = layer
        value = array.astype("float32")
        if layer in ("conv1", "pmconv1") and part == "weight":
            blue, green, red, ones, mask = (value[:, i] for i in (2, 1, 0, 3, 4))
            value = np.stack([blue, green, red, ones, mask], axis=1)
        if layer in ("conv17", "allconv17"):
            value = np.stack([value[2], value[1], value[0]])
        value = value.transpose(2, 3, 1, 0) if part == "weight" else value
        release[f"inpaint_net/{own}/{'kernel' if part == 'weight' else 'bias'}"] = value
    return release


def save_tf1_index(path: Path, entries: dict[str, bytes]) -> Path:
    """Write the index file of a TensorFlow checkpoint: a sorted table of serialized messages.

    Args:
        path: of the file.
        entries: `BundleEntryProto` by the tensors' names; the header is added.
    """
    header = tensor_bundle_pb2.BundleHeaderProto(num_shards=1)
    header.version.producer = 1
    table, handles, rows = b"", [], b""
    for key, value in {"": header.SerializeToString(), **dict(sorted(entries.items()))}.items():
        rows += varint(0) + varint(len(key)) + varint(len(value)) + key.encode() + value
    last = max(entries, default="").encode() + b"~"
    for content in (rows, b"", None):
        if content is None:  # the index of the table, which has one block
            content = varint(0) + varint(len(last)) + varint(len(handles[0])) + last + handles[0]
        block = content + struct.pack("<II", 0, 1)
        handles.append(varint(len(table)) + varint(len(block)))
        table += block + b"\0" + struct.pack("<I", masked_crc(block + b"\0"))
    footer = (handles[1] + handles[2]).ljust(40, b"\0")
    path.write_bytes(table + footer + struct.pack("<Q", 0xDB4775248B80FB57))
    return path


def tf1_entry(
    shape: tuple[int, ...], size: int, dtype: int = 1, offset: int = 0, shard: int = 0
) -> bytes:
    """Return what an index says of a tensor."""
    entry = tensor_bundle_pb2.BundleEntryProto(dtype=dtype, size=size, offset=offset)
    entry.shard_id = shard
    for side in shape:
        entry.shape.dim.add(size=side)
    return entry.SerializeToString()


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
