"""A small network and its exported versions, for the tests of several files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from unittest import mock

NETWORK = "small.keras"
FORMATS = ("saved_model", "onnx", "tflite")


def make_exports(folder: Path) -> None:
    """Export a network as `inpaint-tf export` does, compared with `fill` on all photographs.

    Writes the network, a folder of versions for each format, and `printed.json`: stdout and stderr
    by format. Those of the portable formats are of `--json`.
    """
    from click.testing import CliRunner

    from inpaint_tf.cli.export import command
    from inpaint_tf.exporters import price
    from inpaint_tf.models import create

    folder.mkdir()
    create("ca", width=2).save(folder / NETWORK)
    printed = {}
    for file_format in FORMATS:
        options = ["--out", str(folder / file_format), "--format", file_format]
        with warnings.catch_warnings(), mock.patch.object(price, "SIZE", 64):
            if file_format != "saved_model":  # whose tools are old
                options.append("--json")
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                warnings.filterwarnings("ignore", ".*tf.lite", UserWarning)
            arguments = [str(folder / NETWORK), *options]
            result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        printed[file_format] = (result.stdout, result.stderr)
    (folder / "printed.json").write_text(json.dumps(printed))
