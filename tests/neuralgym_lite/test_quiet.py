"""What TensorFlow writes at start-up stays off stderr, unless it matters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process, in which nobody has set how much TensorFlow says."""
    own = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    # Not isolated by -I: the packages may be found through the path alone.
    return subprocess.run(
        [sys.executable, "-c", code], env={**own, **env}, capture_output=True, text=True
    )


HELD = "import os\nfrom neuralgym_lite.quiet import held_back_stderr\n"


def test_what_is_written_in_the_block_is_dropped_and_nothing_else() -> None:
    result = run(
        HELD + "os.write(2, b'before ')\n"
        "with held_back_stderr():\n"
        "    os.write(2, b'noise ' * 100_000)\n"
        "os.write(2, b'after')"
    )
    assert (result.returncode, result.stderr) == (0, "before after")


def test_an_exception_brings_it_all_out() -> None:
    result = run(
        HELD + "with held_back_stderr():\n    os.write(2, b'reason\\n')\n    raise OSError"
    )
    assert result.returncode == 1
    assert result.stderr.startswith("reason\nTraceback")


def test_a_process_that_dies_says_why() -> None:
    result = run(HELD + "with held_back_stderr():\n    os.write(2, b'no AVX')\n    os.abort()")
    assert result.returncode < 0
    assert result.stderr == "no AVX"


def test_leaving_the_program_drops_it() -> None:
    result = run(
        HELD + "with held_back_stderr():\n    os.write(2, b'noise')\n    raise SystemExit(3)"
    )
    assert (result.returncode, result.stderr) == (3, "")


def test_a_closed_stderr_is_left_alone() -> None:
    result = run(
        "import os, sys\nos.close(2)\nsys.stderr = None\n"
        "from neuralgym_lite.quiet import held_back_stderr\n"
        "with held_back_stderr():\n    print('ran')"
    )
    assert (result.returncode, result.stdout) == (0, "ran\n")


def test_importing_tensorflow_writes_nothing() -> None:
    result = run(
        "from neuralgym_lite.quiet import import_tensorflow\nimport_tensorflow()\n"
        "import sys, tensorflow as tf\ntf.ones(2) + 1\n"
        "assert 'tensorflow' in sys.modules\nprint('done')"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_a_level_that_the_user_set_is_respected() -> None:
    code = (
        "import os, sys\nfrom neuralgym_lite.quiet import import_tensorflow\nimport_tensorflow()\n"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'], 'tensorflow' in sys.modules)"
    )
    # It is left to whoever needs TensorFlow to import it, in the open.
    assert run(code, TF_CPP_MIN_LOG_LEVEL="0").stdout == "0 False\n"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_after_the_block_as_before(collects: bool) -> None:
    result = run(
        "import gc\nfrom neuralgym_lite.quiet import paused_garbage_collector\n"
        f"gc.{'enable' if collects else 'disable'}()\n"
        "with paused_garbage_collector():\n    assert not gc.isenabled()\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    assert result.stdout == f"{collects} True\n", result.stderr
