"""Every command that a document promises is run, or marked there as one that is not.

Commands are run as they stand, in one folder that has what the documents speak of, but for what
`SHORTENED` adds so that they take seconds. Of commands that are marked the options are parsed, the
settings of trainings are resolved, and the files that belong to the project are looked for.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import functools
import os
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import tensorflow as tf
from documents import LANGUAGES, ROOT, SERVED, blocks, read
from PIL import Image
from weight_files import critic_dict, generator_dict, release_dict, save_tf1, save_torch

from inpaint_tf.api import with_keys
from inpaint_tf.cli.main import cli
from inpaint_tf.exporters import exporter, price
from inpaint_tf.models import create, create_critic
from inpaint_tf.studio.openapi import openapi
from inpaint_tf.training import preview, validation
from inpaint_tf.training.procedures import load_train_config

# What commands get behind their own options: sizes and numbers of photographs, nothing else.
TRAINING = (
    "--iterations 2 --image-size 32 --batch-size 2 --precision float32 --overwrite "
    "--set n_critic=1 --set model.critic_width=4 "
    "--set mask.height=16 --set mask.width=16 --set mask.max_delta=4"
)
SCORING = "--limit 2 --image-size 64"
SHORTENED = {
    "inpaint-tf train": f"{TRAINING} --width 4",
    "inpaint-tf finetune": TRAINING,
    "inpaint-tf evaluate": SCORING,
    "inpaint-tf report table2": SCORING,
    "python scripts/reproduce_table2.py": SCORING,
}
# Folders with programs in them, at the top of the project.
FOLDERS = ("benchmarks", "examples", "scripts", "tools")
# What is so short is computed at once, with small previews: to trace its graph first takes longer.
AT_ONCE = tuple(
    f"inpaint-tf {name}" for name in ("train", "finetune", "evaluate", "fill", "report")
)
# What stands for something else in commands that are marked.
PLACEHOLDERS = {"MODEL": "ca", "$OWN": "", "N": "10"}
# A line of Python that takes a download says so.
TAKES_A_DOWNLOAD = "# needs `inpaint-tf weights get"
OF_SETTINGS = ("dataset", "data_dir", "subset", "mask", "model", "image_size", "width") + (
    "iterations",
    "batch_size",
    "precision",
    "strategy",
    "seed",
)
HEIGHT, WIDTH = 96, 128

every_block = pytest.mark.parametrize("block", blocks("bash", "python"), ids=str)


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """A folder as it is where a reader of the documents works."""
    folder = tmp_path_factory.mktemp("clone")
    for name in (*FOLDERS, "docker-compose.yml", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "inpaint_tf").mkdir()
    (folder / "inpaint_tf" / "configs").symlink_to(ROOT / "inpaint_tf" / "configs")
    write_photographs(folder)
    write_checkpoints(folder)
    with at(folder):
        first = "inpaint-tf train --dataset samples --mask mosaic --run-dir runs/first"
        run(shlex.split(f"{first} {SHORTENED['inpaint-tf train']}"))
        for name in ("a", "b", "ca-imagenet-hole"):
            shutil.copytree("runs/first", f"runs/{name}")
    return folder


def write_photographs(folder):
    """Write one, a folder of them, and a data set with classes."""
    rng = np.random.default_rng(0)
    places = [folder / "photo.jpg"]
    places += [folder / "photographs" / f"{i:02d}.jpg" for i in range(13)]
    places += [
        folder / "data" / "animals" / name / f"{i:02d}.jpg" for name in "ab" for i in range(12)
    ]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[40:72, 48:80] = 255
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(place)
    masks = [folder / "masks" / f"{i:02d}.png" for i in range(13)]
    masks[0].parent.mkdir()
    for place in (folder / "mask.png", *masks):
        Image.fromarray(mask).save(place)


def write_checkpoints(folder):
    """Write other people's checkpoints, of PyTorch and of TensorFlow 1."""
    arrays = generator_dict(create("ca", width=2, compat="torch"))
    save_torch(folder / "gen_00430000.pt", arrays)
    critics = {kind: create_critic(kind, size=32, width=2) for kind in ("local", "global")}
    saved = {f"{kind}D": critic_dict(critic) for kind, critic in critics.items()}
    save_torch(folder / "dis_00430000.pt", saved)
    save_tf1(folder / "snap-0", release_dict(arrays))


@pytest.fixture(autouse=True)
def _small_exports(monkeypatch):
    """Compare exports on one small photograph; tests/cli/test_export.py compares on all."""
    small = next(pair for pair in exporter.probes() if pair[0].shape[1] == 64)
    monkeypatch.setattr(exporter, "probes", lambda: [small])
    monkeypatch.setattr(price, "SIZE", 64)


@contextlib.contextmanager
def at(folder):
    """Work in a folder, with its data sets, and a cache that is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("INPAINT_TF_DATA", str(folder / "data"))
        patch.setenv("INPAINT_TF_CACHE", str(folder / "cache"))
        patch.delenv("INPAINT_TF_WEIGHTS", raising=False)
        yield


# What is run.


@every_block
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*tf.lite:UserWarning")
def test_a_command_does_what_is_promised(block, clone):
    with at(clone):
        if block.language == "python":
            lines = [line for line in block.text.splitlines() if TAKES_A_DOWNLOAD not in line]
            exec(compile("\n".join(lines), str(block), "exec"), {})  # noqa: S102
            return
        for command in block.commands():
            if not (command.marked or command.is_assignment or SERVED in command.text):
                run_once(command.words)


@functools.cache
def run_once(words):
    """Run what is promised in several places in the first one."""
    run(words)


def run(words):
    """Run a command of this project in this process, which has TensorFlow already."""
    line = shlex.join(words)
    more = [options for start, options in SHORTENED.items() if f"{line} ".startswith(f"{start} ")]
    words = (*words, *shlex.split(" ".join(more)))
    with pytest.MonkeyPatch.context() as patch:
        if words[0] == "inpaint-tf":
            patch.setattr(sys, "argv", list(words))
            end = functools.partial(cli.main, list(words[1:]), standalone_mode=False)
        else:
            assert words[0] == "python" and words[1].split("/")[0] in FOLDERS, (
                f"'{shlex.join(words)}' is neither run by this test nor marked as not run"
            )
            patch.setattr(sys, "argv", list(words[1:]))
            patch.syspath_prepend((ROOT / words[1]).parent)
            end = functools.partial(runpy.run_path, words[1], run_name="__main__")
        patch.setattr(preview, "SCORED", 8)
        patch.setattr(validation, "COUNT", 8)
        tf.config.run_functions_eagerly(line.startswith(AT_ONCE))
        try:
            end()
        except SystemExit as left:
            assert not left.code, f"'{shlex.join(words)}' ended with {left.code}"
        finally:
            tf.config.run_functions_eagerly(False)


def test_the_first_command_of_serving_leaves_a_card(clone):
    with at(clone):
        run_once(tuple(["inpaint-tf", "export", "ca-photos", "--out", "models/inpaint"]))
    card = (clone / "models" / "inpaint" / "1" / "MODEL_CARD.md").read_text()
    assert card.startswith("# ca-photos\n")
    assert "* **Format**: saved_model, float32: " in card


# What is not.


@every_block
def test_a_command_that_is_not_run_can_be(block, monkeypatch):
    if block.language == "python":
        assert not block.marks, "Python is run"
        return
    variables = {
        name: value
        for other in read(ROOT / block.document)
        if other.language == "bash"
        for each in other.commands()
        if each.is_assignment
        for name, value in [each.words[0].split("=", 1)]
    }
    monkeypatch.chdir(ROOT)
    for command in block.commands():
        if command.marked:
            check(filled_in(command, variables), monkeypatch)


def filled_in(command, variables):
    """Return the words of a command, without variables and placeholders."""
    known = PLACEHOLDERS | {f"${name}": value for name, value in variables.items()}
    words = []
    for word in command.program:
        found = known.get(word, word)
        words += shlex.split(found) if word.startswith("$") else [found]
    return words


def check(words, monkeypatch):
    """Look whether a command's files are there, and its options are known."""
    files = [Path(word) for word in words if word.endswith((".yaml", ".py"))]
    assert [file for file in files if not file.is_file()] == []
    program, *arguments = words
    if program == "inpaint-tf":
        parse_click(cli, arguments)
    elif program == "python":
        check_script(*arguments, monkeypatch=monkeypatch)
    else:
        OTHERS[program](arguments)


def parse_click(command, arguments):
    """Parse the arguments of a command; of a training also find its settings."""
    name, arguments = command.name, list(arguments)
    while isinstance(command, click.Group):
        name = arguments.pop(0)
        command = command.get_command(click.Context(command), name)
        assert command is not None, name
    given = command.make_context(name, arguments).params
    if "overrides" in given:
        flags = with_keys({name: given[name] for name in OF_SETTINGS})
        load_train_config(given["config_file"], flags, given["overrides"])


class Parsed(Exception):  # noqa: N818
    """The arguments are known, and nothing else is to be done."""


def check_script(script, *arguments, monkeypatch):
    """Parse the arguments of a script, which has `main` as a command, or makes a parser."""
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    monkeypatch.syspath_prepend((ROOT / script).parent)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    main = runpy.run_path(script, run_name="only its commands")["main"]
    if isinstance(main, click.Command):
        parse_click(main, arguments)
        return
    parse = argparse.ArgumentParser.parse_args

    def only_parse(self, *given):
        parse(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", only_parse)
    with pytest.raises(Parsed):
        runpy.run_path(script, run_name="__main__")


def check_pip(arguments):
    install, *others = arguments
    assert install == "install"
    constraints = others.index("-c")
    assert Path(others[constraints + 1]).is_file()
    config = configparser.ConfigParser()
    config.read("setup.cfg")
    for extras in re.findall(r"\.\[([\w,]+)\]", " ".join(others)):
        for extra in extras.split(","):
            assert extra in config["options.extras_require"]


def check_make(arguments):
    (target,) = arguments
    assert re.search(rf"^{target}:", Path("Makefile").read_text(), re.MULTILINE)


def check_docker(arguments):
    """Look whether `docker run` says what `docker-compose.yml` says."""
    if arguments[:2] == ["compose", "up"]:
        assert Path("docker-compose.yml").is_file()
        return
    import yaml

    (service,) = yaml.safe_load(Path("docker-compose.yml").read_text())["services"].values()
    given = [part for each in arguments for part in each.split("=", 1)] + arguments
    said = (*service["ports"], service["image"], service["mem_limit"], *service["command"])
    assert arguments[0] == "run"
    assert [each for each in said if each not in given] == []


def check_curl(arguments):
    """Look whether a studio is asked for what it has."""
    (url,) = [each for each in arguments if each.startswith("localhost:8765")]
    assert url.removeprefix("localhost:8765") in openapi()["paths"]


OTHERS = {"curl": check_curl, "pip": check_pip, "make": check_make, "docker": check_docker}


# The documents.


def test_every_block_says_what_it_is():
    assert [str(block) for block in blocks() if block.language not in LANGUAGES] == []
    assert len(blocks("bash")) > 40


def test_marks_are_of_a_block(tmp_path):
    """A mark that is misspelt, or of no program of its block, marks nothing."""
    lines = [
        (block.document, program)
        for block in blocks("bash")
        for program in block.marks
        if program and program not in {each.program[0] for each in block.commands()}
    ]
    assert lines == []
    for document in {block.document for block in blocks()}:
        told = (ROOT / document).read_text(encoding="utf-8").count("not run in tests")
        assert told == sum(len(set(block.marks.values())) for block in read(ROOT / document))


def test_how_documents_are_read(tmp_path):
    document = tmp_path / "a.md"
    document.write_text(
        "<!-- not run in tests (pip): a download -->\n"
        "```bash\npip install x  # all\na \\\n    --b 'c\nd'\n```\n"
        "<!-- not run in tests: hours -->\n\n```bash\nx |\n    y\nA=1 z\n```\n"
        "<!-- not run in tests: hours -->\n```bash\nw\n```\n"
    )
    first, second, third = (block.commands() for block in read(document))
    assert [each.marked for each in first] == ["a download", ""]
    assert first[1].words == ("a", "--b", "c\nd")
    assert [(each.program[0], each.marked) for each in second] == [("x", ""), ("z", "")]
    assert third[0].marked == "hours"


@pytest.mark.parametrize(
    "words",
    [
        "inpaint-tf train --unknown 1",
        "inpaint-tf train --set unknown=1",
        "inpaint-tf unknown",
        "inpaint-tf report figures compare a --out b --unknown",
        "python scripts/unknown.py",
        "python scripts/figures.py compare a --out b --unknown",
        "python benchmarks/serving.py a --unknown",
        "python tools/seams.py --unknown",
        "inpaint-tf train --config inpaint_tf/configs/unknown.yaml",
        "pip install '.[unknown]' -c constraints.txt",
        "make unknown",
        "docker run image",
    ],
)
def test_what_cannot_be_run_is_found(words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises((Exception, SystemExit)) as found:
        check(shlex.split(words), monkeypatch)
    assert not isinstance(found.value, Parsed)


def test_a_command_of_nobody_is_a_failure(clone):
    with at(clone), pytest.raises(AssertionError, match="neither run by this test nor marked"):
        run(("curl", "http://localhost"))
