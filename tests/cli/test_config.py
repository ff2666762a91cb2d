"""`inpaint-tf config`, and what is said of options that are settings."""

from __future__ import annotations

import click
import pytest

from inpaint_tf import configs
from inpaint_tf.cli.main import cli
from inpaint_tf.training.config import MODEL_CONFIGS
from inpaint_tf.training.procedures import load_train_config
from neuralgym_lite.errors import UserError


def run(*arguments):
    return cli.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize("model", MODEL_CONFIGS)
def test_what_is_printed_is_what_a_run_would_use(model, tmp_path, capsys):
    options = ("--model", model, "--mask", "mosaic", "--set", "optimizer.decay=cosine")
    run("config", *options)
    text = capsys.readouterr().out
    path = tmp_path / "printed.yaml"
    path.write_text(text)
    flags = {"model.name": model, "mask.mode": "mosaic", "optimizer.decay": "cosine"}
    assert load_train_config(path, {}) == load_train_config(None, flags)
    lines = text.splitlines()
    above = lines[
        lines.index("  width: " + ("32" if model in ("ca", "stable-glcic") else "64")) - 1
    ]
    assert above == "  # Channels of the generator's first convolution. [2 to 512]"
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize("name", configs.names())
def test_packaged_configs_by_name(name, tmp_path, capsys):
    run("config", name, "--batch-size", 3)
    printed = capsys.readouterr().out
    assert printed.startswith(f"# {configs.summary(name)}\n")
    (tmp_path / "a.yaml").write_text(printed)
    run("config", "--config", name, "--batch-size", 3)
    assert capsys.readouterr().out == printed.partition("\n")[2]
    assert load_train_config(tmp_path / "a.yaml", {}) == load_train_config(name, {"batch_size": 3})


def test_list(capsys):
    run("config", "--list")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(configs.names())
    assert all(line.endswith(".") for line in lines)


def test_a_name_and_a_file():
    with pytest.raises(UserError, match="'ca-animals-hole' and --config contradict each other"):
        run("config", "ca-animals-hole", "--config", "a.yaml")


@pytest.mark.parametrize("command", ["train", "finetune", "config"])
@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("--learning-rate", "optimizer.learning_rate"),
        ("--lr", "optimizer.learning_rate"),
        ("--n-critic", "n_critic"),
        ("--gan-loss-alpha", "loss.gan_loss_alpha"),
        ("--overlap-weight", "loss.overlap_weight"),
        ("--height", "mask.height"),
        ("--name", "model.name=... or --set optimizer.name"),
    ],
)
def test_options_that_are_settings(command, option, key):
    for arguments in ((option, "1"), (f"{option}=1",)):
        with pytest.raises(UserError, match=f"^Unknown option {option}: use --set {key}=[.]{{3}}$"):
            run(command, *arguments)


def test_options_of_nobody():
    with pytest.raises(click.NoSuchOption):
        run("train", "--nonsense", "1")


def test_settings_of_another_model():
    words = "^loss.overlap_weight is a setting of context-encoder"
    with pytest.raises(UserError, match=words):
        run("train", "--set", "loss.overlap_weight=3", "--model", "ca")
