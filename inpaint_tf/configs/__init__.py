"""Settings of the paper's experiments, which `train --config NAME` takes by name."""

from __future__ import annotations

from pathlib import Path

from neuralgym_lite.errors import UserError, did_you_mean

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the packaged configs."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.yaml")))


def locate(source: str | Path) -> Path:
    """Return the file of a config: `source` itself if it exists, else the packaged config.

    Args:
        source: a path, or a name of `names()`.

    Raises:
        UserError: if it is neither.
    """
    if Path(source).exists():
        return Path(source)
    if str(source) in names():
        return _HERE / f"{source}.yaml"
    raise UserError(
        f"There is no config file '{source}', and no packaged config of that name. "
        f"{did_you_mean(str(source), names())}"
    )


def summary(name: str) -> str:
    """Return what a packaged config is for: the first sentence of its comment."""
    lines: list[str] = []
    for line in locate(name).read_text(encoding="utf-8").splitlines():
        if line in ("#", ""):
            break
        lines.append(line.removeprefix("# "))
    return " ".join(lines)
