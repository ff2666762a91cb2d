r"""Fills folders of photographs with Apache Beam, on this machine or on a cluster.

    python examples/fill_with_beam.py photographs --mask masks --out filled --results all.jsonl
    python examples/fill_with_beam.py photographs --mask masks --out filled --results all.jsonl \
        --beam="--direct_running_mode=multi_processing --direct_num_workers=4"

`pip install apache-beam` (tried with 2.77), without constraints.txt, because Beam needs protobuf
below 7. Workers need the package, and the folders under the same paths. Each loads the model once.
An engine repeats work that it has lost: photographs whose files exist are skipped then. Exit codes:
0 done, 1 some photographs failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import inpaint_tf
from inpaint_tf.inference.photographs import Job, fill_photographs, plan_jobs
from neuralgym_lite.errors import UserError

BATCH = 32  # Photographs that a worker takes at once; it reads and writes while it fills.


class Filler:
    """Fills photographs on a worker. It is sent there before it has its model."""

    def __init__(self, model: str) -> None:
        self.model = model

    def setup(self) -> None:
        """Load the model, once a worker."""
        self.inpainter = inpaint_tf.load(self.model, engine="auto")

    def process(self, jobs: Sequence[Job]) -> Iterator[str]:
        """Yield a line of JSON for each photograph, as `inpaint-tf fill --json` prints."""
        for result in fill_photographs(self.inpainter, jobs, skip_existing=True):
            yield json.dumps(result.row())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=Path, nargs="+", help="photographs, or folders of them")
    parser.add_argument("--mask", type=Path, required=True, help="a mask, or a folder of masks")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--results", required=True, help="file for one line of JSON a photograph")
    parser.add_argument("--model", default="ca-photos", help="what `inpaint_tf.load` takes")
    parser.add_argument("--beam", default="", help="options of Beam, such as --runner=FlinkRunner")
    arguments = parser.parse_args()
    try:
        jobs = plan_jobs(arguments.inputs, arguments.mask, arguments.out)
        run(jobs, arguments.model, arguments.results, shlex.split(arguments.beam))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    with Path(arguments.results).open(encoding="utf-8") as lines:
        counts = Counter(json.loads(line)["status"] for line in lines)
    print(", ".join(f"{count} {status}" for status, count in counts.items()), file=sys.stderr)
    sys.exit(1 if counts["failed"] else 0)


def run(jobs: Sequence[Job], model: str, results: str, options: Sequence[str]) -> None:
    """Fill all photographs with Beam."""
    try:
        import apache_beam as beam
    except ImportError:
        raise UserError("Apache Beam is not installed: pip install apache-beam") from None
    from apache_beam.options.pipeline_options import PipelineOptions

    class Fill(Filler, beam.DoFn):
        pass

    batches = [jobs[start : start + BATCH] for start in range(0, len(jobs), BATCH)]
    with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
        (
            pipeline
            | beam.Create(batches)
            | beam.Reshuffle()
            | beam.ParDo(Fill(model))
            | beam.io.WriteToText(results, shard_name_template="")
        )


if __name__ == "__main__":
    main()
