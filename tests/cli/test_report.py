"""`inpaint-tf report`, and the scripts that are the same."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inpaint_tf.cli.evaluate import command as evaluate
from inpaint_tf.cli.report import command
from neuralgym_lite.errors import UserError
from neuralgym_lite.experiment import RunFolder

ROOT = Path(__file__).parents[2]
SMALL = ["--dataset", "samples", "--image-size", "48"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INPAINT_TF_WEIGHTS", raising=False)
    monkeypatch.setenv("INPAINT_TF_CACHE", str(tmp_path / "cache"))


def run(*arguments):
    return CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)


def height_and_width(path):
    with Image.open(path) as picture:
        return picture.height, picture.width


def logged_run(path):
    """Make a run folder with a log, as a training leaves it."""
    folder = RunFolder.create(path)
    folder.write_manifest({"data": {"image_size": 32}}, {})
    names = ("loss", "g_norm", "train_loss", "val_loss", "val_mse", "val_l1")
    lines = [{"iteration": i, **dict.fromkeys(names, 1.0 + i)} for i in range(3)]
    folder.scalars.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder.path


def test_table2_has_the_classical_rows_and_says_what_is_not_trained():
    done = run("table2", *SMALL, "--limit", 2, "--out", "table")
    assert done.exit_code == 0
    lines = {line.split("|")[1].strip(): line for line in done.output.splitlines() if "|" in line}
    assert "not trained" in lines["CA-Animals-Hole"]
    assert "821.73" in lines["TELEA (c,h)"] and "not trained" not in lines["TELEA (c,h)"]
    both = Path("table/table2.md").read_text()
    assert "the definitions of `evaluate`" in both and "the paper's definitions" in both
    assert {"report.html", "metrics.json", "per_image.csv"} <= {
        file.name for file in Path("table").iterdir()
    }


def test_table2_takes_rows_by_name():
    with pytest.raises(UserError, match="NAME=RUN"):
        run("table2", *SMALL, "--row", "runs/a")
    with pytest.raises(UserError, match="no row 'CA-Animals'"):
        run("table2", *SMALL, "--row", "CA-Animals=runs/a")


def test_curves_and_a_training_page():
    runs = [logged_run(Path(name)) for name in "ab"]
    assert run("curves", *runs, "--scalar", "loss", "--out", "curves.png").exit_code == 0
    assert height_and_width("curves.png")[1] == 500
    assert run("training-page", *runs, "--out", "page.html").exit_code == 0
    assert "Training of b" in Path("page.html").read_text()


def test_compare_draws_a_row_for_each_photograph():
    run("figures", "compare", "ns", "telea", *SMALL, "--count", 2, "--out", "figure.png")
    run("figures", "compare", "ns", "telea", *SMALL, "--count", 1, "--out", "one.png")
    (height, width), (height_of_one, width_of_one) = map(
        height_and_width, ("figure.png", "one.png")
    )
    assert width == width_of_one and height_of_one < height < 2 * height_of_one


def test_attention_wants_a_network():
    with pytest.raises(UserError, match="no attention"):
        run("figures", "attention", "ns", *SMALL, "--out", "figure.png")
    assert not Path("figure.png").exists()


def test_remove_unites_mask_and_shapes():
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("photo.png")
    mask = np.zeros((40, 60), np.uint8)
    mask[:4, :4] = 255
    Image.fromarray(mask).save("mask.png")
    shapes = ["--box", "20,10,30,20", "--polygon", "40,0,50,0,50,9"]
    files = ["--photograph", "photo.png", "--mask", "mask.png", "--out", "figure.png"]
    assert (
        run("figures", "remove", "telea", *files, *shapes, "--mask-out", "all.png").exit_code == 0
    )
    with Image.open("all.png") as picture:
        drawn = np.asarray(picture) > 0
    assert drawn[:4, :4].all() and drawn[10:20, 20:30].all() and drawn[1, 48]
    assert not drawn[30:].any()
    with pytest.raises(UserError, match="'1,x' is not a list of whole numbers"):
        run("figures", "remove", "telea", *files, "--box", "1,x")


def test_worst_shows_the_photographs_of_an_evaluation():
    options = [*SMALL, "--limit", "3", "--out", "scores"]
    CliRunner().invoke(evaluate, ["telea", *options], catch_exceptions=False)
    worst = ["figures", "worst", "telea", "--evaluation", "scores", "--out", "worst.png"]
    assert run(*worst, "--count", 2).exit_code == 0
    assert height_and_width("worst.png")[0] > 2 * 128
    with pytest.raises(UserError, match="run 'inpaint-tf evaluate' first"):
        run("figures", "worst", "telea", "--out", "worst.png")
    Path("scores/metrics.json").write_text("{}")
    with pytest.raises(UserError, match="metrics.json' is not a readable evaluation"):
        run(*worst)


def test_worst_wants_the_photographs_that_were_scored():
    options = [*SMALL, "--limit", "3", "--out", "scores"]
    CliRunner().invoke(evaluate, ["telea", *options], catch_exceptions=False)
    file = Path("scores/per_image.csv")
    file.write_text(file.read_text().replace("#0", "#8"))
    with pytest.raises(UserError, match="not among the test photographs of data set 'samples'"):
        run("figures", "worst", "telea", "--evaluation", "scores", "--out", "worst.png")


@pytest.mark.parametrize(
    ("script", "name"),
    [("reproduce_table2", "table2"), ("figures", "figures"), ("training_curves", "curves")],
)
def test_scripts_of_the_paper_are_these_commands(script, name):
    found = runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="imported")
    assert found["main"] is command.commands[name]
