r"""Fills folders of photographs with a model in TensorFlow Serving, several at once.

    python examples/serve_client.py photographs --mask masks --out filled --server localhost:8500
    python examples/serve_client.py photographs --mask masks --out filled \\
        --server http://localhost:8501

`inpaint-tf fill --model http://localhost:8501/v1/models/inpaint` does so one by one. Photographs
and masks are paired, read and written as it does: orientation, transparency and grayscale are kept.
gRPC needs `pip install -e '.[serving]'`. Exit codes: 0 done, 1 some photographs failed (each is
named), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from neuralgym_lite.quiet import import_tensorflow

import_tensorflow()

from inpaint_tf.inference.exported import ExportedInpainter  # noqa: E402
from inpaint_tf.inference.photographs import (  # noqa: E402
    Job,
    Result,
    fill_photographs,
    plan_jobs,
)
from inpaint_tf.inference.server import server_engine  # noqa: E402
from neuralgym_lite.errors import UserError  # noqa: E402
from neuralgym_lite.progress import Progress  # noqa: E402


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+", help="photographs, or folders of them")
    parser.add_argument("--mask", type=Path, required=True, help="a mask, or a folder of masks")
    parser.add_argument("--invert-mask", action="store_true", help="dark pixels are missing")
    parser.add_argument("--grow", type=int, default=0, help="pixels to make holes wider by")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--server", default="localhost:8500", help="HOST:PORT for gRPC, or a URL")
    parser.add_argument("--model", default="inpaint", help="name of the model on the server")
    parser.add_argument("--parallel", type=int, default=4, help="photographs on their way at once")
    parser.add_argument("--deadline", type=float, default=60, help="seconds for one photograph")
    parser.add_argument("--detail", action="store_true", help="add detail, as `inpaint-tf fill`")
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def run(arguments: argparse.Namespace) -> int:
    """Fill all photographs; return the exit code."""
    if arguments.parallel < 1:
        raise UserError(f"--parallel must be at least 1. Received: {arguments.parallel}")
    if arguments.grow < 0:
        raise UserError(f"--grow must be at least 0. Received: {arguments.grow}")
    if arguments.deadline <= 0:
        raise UserError(f"--deadline must be above 0. Received: {arguments.deadline:g}")
    jobs = plan_jobs(arguments.inputs, arguments.mask, arguments.out)
    engine = server_engine(url_of(arguments.server, arguments.model), arguments.deadline)
    model = ExportedInpainter(arguments.model, engine)

    def fill(job: Job) -> Result:
        options = {name: getattr(arguments, name) for name in ("invert_mask", "grow", "detail")}
        return next(fill_photographs(model, [job], **options))

    failed = 0
    with Progress() as progress, ThreadPoolExecutor(arguments.parallel) as pool:
        track = progress.track(len(jobs), "photographs")
        for result in pool.map(fill, jobs):
            failed += result.status == "failed"
            if result.message:
                progress.log(result.message)
            track.advance()
    print(f"{len(jobs) - failed} of {len(jobs)} photographs filled", file=sys.stderr)
    return 1 if failed else 0


def url_of(server: str, model: str) -> str:
    """Return the URL of a model on a server."""
    if server.startswith(("http://", "https://")):
        return f"{server.rstrip('/')}/v1/models/{quote(model)}"
    return f"grpc://{server}/{model}"


if __name__ == "__main__":
    main()
