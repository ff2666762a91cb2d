"""Versions appear as a whole, or not at all."""

from __future__ import annotations

import pytest

from inpaint_tf.exporters.versions import new_version, versions
from neuralgym_lite.errors import UserError


def write(out, file_format="onnx"):
    with new_version(out, file_format) as (folder, publish):
        (folder / "model.onnx").write_text("a model")
        return publish()


def test_versions_are_counted_on(tmp_path):
    out = tmp_path / "deep" / "inpaint"
    assert [write(out).name for _ in range(3)] == ["1", "2", "3"]
    (out / "1").rename(out / "10")
    assert write(out).name == "11"
    assert versions(out) == [2, 3, 10, 11]


def test_nothing_is_seen_before_it_is_whole(tmp_path):
    with new_version(tmp_path, "onnx") as (folder, publish):
        (folder / "model.onnx").write_text("half a model")
        assert versions(tmp_path) == [] and folder.name.startswith(".")
        assert publish() == tmp_path / "1"
    assert [each.name for each in tmp_path.iterdir()] == ["1"]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_version(tmp_path / "out", "onnx") as (folder, _):
        (folder / "model.onnx").write_text("half a model")
        raise RuntimeError("broken")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_number_that_someone_took_is_not_replaced(tmp_path):
    with new_version(tmp_path, "onnx") as (folder, publish):
        (folder / "model.onnx").write_text("ours")
        write(tmp_path)
        assert publish().name == "2"
    assert (tmp_path / "1" / "model.onnx").read_text() == "a model"


def test_formats_are_not_mixed(tmp_path):
    write(tmp_path)
    with pytest.raises(UserError, match="'.*1' holds a model of format onnx.*tflite"):
        write(tmp_path, "tflite")


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="is a file, not a folder"):
        write(tmp_path / "out")
