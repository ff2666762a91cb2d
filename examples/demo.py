"""Trains a small network in a few minutes, scores it, and fills a photograph with it.

    python examples/demo.py demo

Prints the commands that it runs. Needs no data set: it trains on crops of scikit-image's
photographs, and fills a hole in a part of one that no training crop includes.
"""

from __future__ import annotations

import importlib.resources
import shlex
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

TRAIN = (
    "train --dataset samples --mask mosaic --image-size 64 --batch-size 8 --width 16 "
    "--iterations 600 --set n_critic=1 --set model.critic_width=32 "
    "--set optimizer.name=muon --set optimizer.learning_rate=1e-3 --set optimizer.decay=cosine "
    "--set optimizer.beta_1=0.9 --set optimizer.beta_2=0.99 "
    "--set loss.gan_loss_alpha=1e-5 --set mask.mosaic_interpolation=nearest "
    "--set preview_every=200 --overwrite --run-dir"
)


def main(out: Path) -> None:
    """Write everything below `out`."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    photo, mask = draw_photograph(out)
    run = out / "run"
    inpaint_tf(*TRAIN.split(), run)
    table = inpaint_tf("evaluate", run, "--out", out / "evaluation")
    (out / "table.md").write_text(table, encoding="utf-8")
    for model in (run, "ns"):
        folder = out / f"filled-{Path(model).name}"
        attention = ["--attention-map"] if model == run else []
        inpaint_tf("fill", photo, "--mask", mask, "--model", model, "--out", folder, *attention)
    print(f"\n{table}\nDone in {time.monotonic() - started:.0f} s. Look at:")
    for path in (out / "evaluation" / "grid.png", out / "filled-run", run / "images"):
        print(f"  {path}")


def draw_photograph(out: Path) -> tuple[Path, Path]:
    """Write the cat of scikit-image and a mask: a few strokes on its left, which is held out."""
    source = importlib.resources.files("skimage") / "data" / "chelsea.png"
    with source.open("rb") as file, Image.open(file) as picture:
        # About the scale of the training crops.
        photo = picture.convert("RGB").resize((226, 150), Image.Resampling.LANCZOS)
    mask = Image.new("L", photo.size)
    pen = ImageDraw.Draw(mask)
    pen.line([(14, 74), (34, 62), (56, 70)], fill=255, width=16, joint="curve")
    pen.ellipse((28, 100, 54, 126), fill=255)
    paths = out / "photograph.png", out / "mask.png"
    for image, path in zip((photo, mask), paths, strict=True):
        image.save(path)
    return paths


def inpaint_tf(*arguments: object) -> str:
    """Run `inpaint-tf` and return its output; its messages go to stderr."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ inpaint-tf {shlex.join(words)}", flush=True)
    command = [sys.executable, "-m", "inpaint_tf", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
