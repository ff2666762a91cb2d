"""`inpaint-tf data`: what data sets there are, get one, check one, see its split."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inpaint_tf.cli._echo import echo, echo_json, tell
from inpaint_tf.cli._options import PATH, json_option, with_options
from inpaint_tf.cli.train import command as train
from neuralgym_lite.errors import UserError
from neuralgym_lite.progress import Progress

if TYPE_CHECKING:
    from inpaint_tf.data import PhotoSet
    from inpaint_tf.data.check import Group
    from neuralgym_lite.image_folders import Log

_SHOWN = 20  # groups of equal files, and files of one
_EVERY = 10.0  # seconds between two lines of progress

_as_json = json_option(help="Print JSON.")
_folder = click.argument("folder", metavar="DIR", type=PATH)
_dataset = click.option(
    "--dataset",
    metavar="NAME",
    help="Split as this data set does, such as 'animals' (within each class) or 'folder' (the "
    "whole tree). Default: 'animals' where every image lies in a sub-folder.",
)


@click.group("data")
def command() -> None:
    """List, get, check and split data sets."""


@command.command("list")
@_as_json
def list_data_sets(as_json: bool) -> None:
    """List the data sets, and where each was found on this machine."""
    from inpaint_tf.data import names

    rows = [_describe(name) for name in names()]
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        counts = f"{row['train']} train, {row['test']} test" if row["found"] else "-"
        echo(f"{row['name']:<10}{counts:<26}{row['where']}")


@command.command("get")
@click.argument("name")
def get(name: str) -> None:
    """Download the data set NAME into the cache folder and print where it is."""
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.registry import fetch

    try:
        folder = fetch(name)
    except UserError as error:
        raise UserError(_with_options_of_train(error)) from error
    if folder is None:
        tell(f"Nothing has to be downloaded for data set '{name}'.")
        return
    photos = open_photos(name, folder)
    tell(f"{len(photos.train)} train and {len(photos.test)} test images.")
    echo(folder)


@command.command("check")
@_folder
@_dataset
@_as_json
def check(folder: Path, dataset: str | None, as_json: bool) -> None:
    """Read every image below DIR; exit with 1 if some are broken.

    Prints their number, sizes and split, which files cannot be read or are of another kind, and
    which are the same file twice, above all in both train and test.
    """
    from inpaint_tf.data.check import check_photos

    left_out: list[str] = []
    photos = _open(folder, dataset, left_out.append)
    with Progress(every=_EVERY) as progress:
        progress.log(f"Reading {len(photos.train + photos.test)} images.")
        track = progress.track(len(photos.train + photos.test), "images")
        report = {**check_photos(photos, track.advance), "left_out": left_out}
    if as_json:
        echo_json(report)
    else:
        _print_report(report)
    if report["broken"]:
        sys.exit(1)


@command.command("split")
@_folder
@_dataset
@_as_json
def split(folder: Path, dataset: str | None, as_json: bool) -> None:
    """Print which images below DIR are train and which are test."""
    photos = _open(folder, dataset, tell)
    if as_json:
        echo_json({"train": photos.train, "test": photos.test})
        return
    for name, keys in (("train", photos.train), ("test", photos.test)):
        for key in keys:
            echo(name, key)


def _describe(name: str) -> dict[str, Any]:
    from inpaint_tf.data import open_photos

    try:
        photos = open_photos(name)
    except UserError as error:
        return {"name": name, "found": False, "where": _with_options_of_train(error)}
    return {
        "name": name,
        "found": True,
        "where": str(photos.root or "comes with scikit-image"),
        "train": len(photos.train),
        "test": len(photos.test),
    }


def _with_options_of_train(error: UserError) -> str:
    return with_options(str(error), train)


def _open(folder: Path, dataset: str | None, log: Log) -> PhotoSet:
    from inpaint_tf.data import open_photos
    from inpaint_tf.data.photo_set import list_keys

    if dataset is None:
        dataset = "animals" if all("/" in key for key in list_keys(folder)) else "folder"
        tell(f"Reading '{folder}' as data set '{dataset}'.")
    return open_photos(dataset, folder, log=log)


def _print_report(report: dict[str, Any]) -> None:
    broken, classes = report["broken"], report["classes"]
    echo(f"folder   {report['root']}")
    echo(f"images   {report['images']} ({report['bytes'] / 1e6:.1f} MB), {len(broken)} broken")
    echo(f"split    {report['train']} train, {report['test']} test ('{report['dataset']}')")
    for name, side in report["sizes"].items():
        echo(f"{name:<9}{side['min']} to {side['max']} px, median {side['median']:g}")
    if classes:
        echo(f"classes  {len(classes)}")
    for name, images in classes.items():
        echo(f"  {images:>6}  {name}")
    for message in broken.values():
        echo(f"broken   {message}")
    for line in report["left_out"]:
        echo(f"others   {line}")
    _print_equal(report["duplicates"])


def _print_equal(groups: list[Group]) -> None:
    from inpaint_tf.data.check import in_both

    if not groups:
        return
    count = sum(len(keys) for group in groups for keys in group.values())
    echo(f"equal    {count} files are {len(groups)} pictures, to the byte")
    for group in groups[:_SHOWN]:
        named = [f"{key} ({split})" for split, keys in group.items() for key in keys]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        echo(f"  {' = '.join(named[:_SHOWN])}{more}")
    if len(groups) > _SHOWN:
        echo(f"  and {len(groups) - _SHOWN} more; --json lists them")
    if leaked := sum(len(group["test"]) for group in groups if in_both(group)):
        echo(f"leak     {leaked} test images are trained on as well: remove one of each two")
