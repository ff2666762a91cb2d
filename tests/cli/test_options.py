"""Errors of the library name arguments; the command line names its options."""

from __future__ import annotations

import sys

import click
import pytest

from inpaint_tf.cli._options import with_options
from inpaint_tf.cli.finetune import command as finetune
from inpaint_tf.cli.main import main
from inpaint_tf.cli.train import command as train
from inpaint_tf.cli.weights import command as weights


@click.command()
@click.argument("source")
@click.option("--coarse-at", "-c", type=int)
@click.option("--max-megapixels", "max_pixels")
@click.option("--detail/--no-detail")
def command(**_: object) -> None:
    """Do nothing."""


def test_arguments_become_options() -> None:
    message = "leave out `coarse_at` or `detail`, raise `max_pixels`; see `inpaint-tf data get x`"
    assert with_options(message, command) == (
        "leave out --coarse-at or --detail, raise --max-megapixels; see `inpaint-tf data get x`"
    )


def test_what_is_no_option_stays() -> None:
    assert with_options("`source` and `memory`", command) == "`source` and `memory`"
    assert with_options("`coarse_at`") == "`coarse_at`"


def test_values_are_named_too() -> None:
    message = "take `strategy=single`, `optimizer.learning_rate=1e-4` or `resume`"
    assert with_options(message, train) == (
        "take --strategy single, --set optimizer.learning_rate=1e-4 or --resume"
    )
    assert with_options("`on_nan=stop`", command) == "`on_nan=stop`"


def test_an_option_of_another_command_is_named_with_it() -> None:
    message = "go on with `resume` and `strategy=single`"
    assert with_options(message, finetune) == (
        "go on with `inpaint-tf train --resume` and --strategy single"
    )


def test_subcommands_are_searched() -> None:
    assert with_options("`as_json`", weights) == "--json"


def test_inside_of_a_command_its_own_options_are_used() -> None:
    with click.Context(command):
        assert with_options("`coarse_at`") == "--coarse-at"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fill", "{}", "--mask", "{}", "--model", "ns", "--coarse-at", "9"], "out --coarse-at"),
        (["evaluate", "ns", "--dataset", "samples", "--out", "{}"], "another --out"),
        (["export", "ns", "--out", "x"], "'ns' is no network"),
        (["train", "--resume", "--config", "{}"], "--resume and --config contradict"),
        (["finetune", "ns", "--critics", "x", "--generator-only"], "--critics or --generator-only"),
    ],
)
def test_whole_commands(
    arguments: list[str],
    words: str,
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.png").touch()
    arguments = [each.format(tmp_path / "file.png") for each in arguments]
    if arguments[0] == "fill":
        arguments += ["--out", "out"]
    monkeypatch.setattr(sys, "argv", ["inpaint-tf", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert "`" not in line
