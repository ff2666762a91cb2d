"""`inpaint-tf evaluate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from PIL import Image

from inpaint_tf import api
from inpaint_tf.cli.evaluate import command
from inpaint_tf.data import open_photos
from inpaint_tf.masks import MaskMode, opencv_inpaint
from neuralgym_lite.errors import UserError

Images = npt.NDArray[np.uint8]
SMALL = ["--dataset", "samples", "--image-size", "32", "--limit", "3"]


class Fake:
    """An inpainter that needs no network; a run folder's reads mosaic."""

    def __init__(self, source: str, detail: bool | None = None) -> None:
        self.name = Path(source).name
        self.detail = detail
        if source not in ("ns", "telea"):
            self.mask_mode = MaskMode("mosaic", unit=4)

    def provenance(self) -> dict[str, str]:
        return {"source": self.name}

    def fill(self, image: Images, mask: Images, blend: bool = False) -> Images:
        method = "telea" if self.name == "telea" or blend or self.detail else "ns"
        return np.stack([opencv_inpaint(*pair, method) for pair in zip(image, mask, strict=True)])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "load", Fake)
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))


def _run_folder(path: Path, **data: object) -> Path:
    path.mkdir(parents=True)
    (path / "manifest.json").write_text("{}")
    (path / "config.json").write_text(json.dumps({"data": data}))
    return path


def _photographs(folder: Path, count: int = 6) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def test_prints_the_table_and_writes_the_files() -> None:
    result = CliRunner().invoke(command, ["ns", *SMALL])
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("| method")
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["input (hole)", "telea", "ns"]
    assert "Scoring 3 photographs of " in result.stderr
    assert "in the test split of 'samples'; " in result.stderr
    assert "Wrote report.html, metrics.json" in result.stderr
    assert "will be replaced" not in result.stderr
    again = CliRunner().invoke(command, ["ns", *SMALL])
    assert "The results in 'evaluation' will be replaced; --out DIR keeps them." in again.stderr
    assert sorted(path.name for path in Path("evaluation").iterdir()) == [
        "grid.png",
        "metrics.json",
        "per_image.csv",
        "report.html",
    ]


def test_the_table_is_told_where_a_file_cannot_be_written() -> None:
    Path("evaluation/per_image.csv").mkdir(parents=True)
    result = CliRunner().invoke(command, ["ns", *SMALL])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("'evaluation/per_image.csv' cannot be written: Is a")
    assert result.stdout.startswith("| method")


def test_what_blending_changes_is_a_row_of_its_own() -> None:
    result = CliRunner().invoke(command, ["ns", *SMALL, "--blend", "--json"])
    assert result.exit_code == 0, result.stderr
    methods = json.loads(result.stdout)["methods"]
    assert list(methods) == ["input (hole)", "telea", "ns", "ns, blended"]
    # What stands for blending in the fake is TELEA's method.
    assert methods["ns, blended"] == methods["telea"] != methods["ns"]


def test_detail_is_asked_of_what_is_scored_alone(tmp_path: Path) -> None:
    run = _run_folder(tmp_path / "run")
    for option, alike in (("--detail", "telea"), ("--no-detail", "ns")):
        result = CliRunner().invoke(command, [str(run), *SMALL, option, "--json"])
        assert result.exit_code == 0, result.stderr
        methods = json.loads(result.stdout)["methods"]
        # What stands for detail in the fake is TELEA's method.
        assert methods["run"] == methods[alike]
        assert methods["ns"] != methods["telea"]


def test_json_goes_to_stdout_and_is_what_the_file_holds() -> None:
    result = CliRunner().invoke(command, ["ns", "--no-baselines", "--json", "--seed", "4", *SMALL])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document == json.loads(Path("evaluation/metrics.json").read_text())
    assert list(document["methods"]) == ["input (hole)", "ns"]
    assert document["settings"] == {
        "models": [{"source": "ns"}],
        "mask": "center",
        "seed": 4,
        "limit": 3,
        "batch_size": 8,
    }
    assert document["dataset"]["photographs"] == 3


def test_stdout_is_one_json_document_and_nothing_else(tmp_path: Path) -> None:
    command_line = [sys.executable, "-m", "inpaint_tf", "evaluate", "ns", "--json", *SMALL]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command_line, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dataset"]["photographs"] == 3
    assert done.stdout.startswith("{\n") and done.stdout.endswith("}\n")
    assert "Wrote" in done.stderr


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    for out, batch in (("a", "1"), ("b", "8")):
        arguments = ["telea", "--mask", "hole", "--out", out, "--batch-size", batch, *SMALL]
        assert CliRunner().invoke(command, arguments).exit_code == 0
    for name in ("per_image.csv", "grid.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    first, second = (json.loads((tmp_path / out / "metrics.json").read_text()) for out in "ab")
    assert (first["settings"].pop("batch_size"), second["settings"].pop("batch_size")) == (1, 8)
    assert first == second


def test_a_run_folder_says_what_it_is_evaluated_on(tmp_path: Path) -> None:
    photographs = _photographs(tmp_path / "photographs", 30)
    run = _run_folder(tmp_path / "run", dataset="folder", dir=str(photographs), image_size=40)
    result = CliRunner().invoke(command, [str(run), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads((run / "evaluation" / "metrics.json").read_text())
    assert document["dataset"]["name"] == "folder"
    assert document["dataset"]["image_size"] == 40
    assert list(document["methods"]) == ["input (mosaic)", "ns", "telea", "run"]


def test_a_recorded_folder_serves_only_the_recorded_data_set(tmp_path: Path) -> None:
    run = _run_folder(tmp_path / "run", dataset="folder", dir="/nowhere", image_size=32)
    result = CliRunner().invoke(command, [str(run), "--dataset", "samples", "--limit", "1"])
    assert result.exit_code == 0, result.stderr


def test_a_folder_alone_is_enough(tmp_path: Path) -> None:
    photographs = _photographs(tmp_path / "photographs", 30)
    arguments = ["ns", "--data-dir", str(photographs), "--image-size", "32", "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["dataset"]["name"] == "folder"


def test_a_broken_photograph_is_named_and_the_rest_scored(tmp_path: Path) -> None:
    photographs = _photographs(tmp_path / "photographs", 30)
    arguments = ["ns", "--data-dir", str(photographs), "--image-size", "32", "--json"]
    whole = json.loads(CliRunner().invoke(command, arguments).stdout)
    assert whole["dataset"]["photographs"] > 1
    broken = open_photos("folder", photographs).test[0]
    (photographs / broken).write_bytes(b"no picture")
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert f"Left out: {photographs / broken}" in result.stderr
    document = json.loads(result.stdout)
    assert list(document["failed"]) == [broken]
    assert "In all: 1 photographs left out, 0 results failed." in result.stderr
    assert document["dataset"]["photographs"] == whole["dataset"]["photographs"] - 1


def test_a_model_that_fails_is_named_and_the_rest_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    fill = Fake.fill
    calls: list[int] = []

    def sometimes(self: Fake, image: Images, mask: Images) -> Images:
        if self.name == "telea" and (len(image) > 1 or len(calls) == 1):
            calls.append(1) if len(image) == 1 else None
            raise UserError("it predicts NaN")
        if self.name == "telea":
            calls.append(1)
        return fill(self, image, mask)

    monkeypatch.setattr(Fake, "fill", sometimes)
    result = CliRunner().invoke(command, ["ns", "telea", "--json", *SMALL])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    (key,) = document["broken"]["telea"]
    assert f"'telea' failed on {key}: it predicts NaN" in result.stderr
    assert document["methods"]["telea"]["mse_whole_255"]["mean"] is None
    assert document["methods"]["telea"]["mse_whole_255"]["failed"] == 1
    assert document["methods"]["ns"]["mse_whole_255"]["mean"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ns", "--dataset", "animal"], "'animal'.*animals"),
        (["ns", "--dataset", "samples", "--mask", "centre"], "'centre'.*center"),
        (["ns", "--data-dir", "missing"], "missing"),
        (["ns", "--dataset", "samples", "--out", "file"], "'file' cannot be made: File exists"),
        # Nobody may write there, root neither.
        (["ns", "--dataset", "samples", "--out", "/proc"], "'/proc' cannot be written to: .*`out`"),
        (["broken", "--dataset", "samples"], "'broken/config.json' cannot be read as JSON"),
    ],
)
def test_refusals(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    (tmp_path / "broken" / "config.json").write_text('{"data":')
    with pytest.raises(UserError, match=message) as refused:
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.parametrize("arguments", [[], ["ns", "--limit", "0"], ["ns", "--image-size", "4"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"dataset": ["samples"]}, "'data.dataset' should be a string"),
        ({"dir": 5}, "'data.dir' should be a string"),
        ({"image_size": "64"}, "'data.image_size' should be a valid integer. Received: '64'"),
        ({"image_size": 100_000_000_000}, "'data.image_size' should be less than or equal to 8192"),
    ],
)
def test_what_a_run_recorded_may_be_wrong(
    tmp_path: Path, data: dict[str, object], words: str
) -> None:
    run = _run_folder(tmp_path / "run", **data)
    result = CliRunner().invoke(command, [str(run)])
    assert f"Config key {words}" in str(result.exception)
    assert f" in {run / 'config.json'}." in str(result.exception)
    assert isinstance(result.exception, UserError)
